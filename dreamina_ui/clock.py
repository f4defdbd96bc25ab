"""The clock and the source of randomness. Both are passed in as one object, so that tests can control them."""

import asyncio
import random
import secrets
import time

__all__ = ["SYSTEM_CLOCK", "Clock"]


class Clock:
    """The operating system's clock and randomness; tests use subclasses."""

    def now(self) -> float:
        """Seconds since the epoch, UTC. Jumps when the system's clock is set."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment. Never jumps."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def random(self) -> float:
        """A number from 0 to 1, to spread retries."""
        return random.random()  # noqa: S311  not for secrets

    def draw(self, n: int) -> int:
        """A whole number from 0 to n - 1, to draw seeds."""
        return secrets.randbelow(n)


SYSTEM_CLOCK = Clock()
