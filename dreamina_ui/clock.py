"""The clock and the source of randomness, in one object: the parts take it as a parameter, so tests can set the time."""

import asyncio
import random
import secrets
import time

__all__ = ["SYSTEM_CLOCK", "Clock"]


class Clock:
    """The operating system's. Tests derive from it."""

    def now(self) -> float:
        """Seconds since the epoch, UTC. May jump when the system's clock is set."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds since some moment. Never jumps."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def random(self) -> float:
        """A number from 0 to 1, for spreading retries."""
        return random.random()  # noqa: S311  spreads retries; nothing secret depends on it

    def draw(self, n: int) -> int:
        """A whole number from 0 to n - 1, for seeds."""
        return secrets.randbelow(n)


SYSTEM_CLOCK = Clock()
