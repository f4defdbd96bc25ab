"""Waiting in tests: for a condition, with a bound, and never for luck."""

import asyncio
from collections.abc import Awaitable, Callable

__all__ = ["until"]


async def until(condition: Callable[[], bool | Awaitable[bool]], within_s: float = 30) -> None:
    """Look until the condition holds. Raises `TimeoutError`."""
    async with asyncio.timeout(within_s):
        while True:
            held = condition()
            if held if isinstance(held, bool) else await held:
                return
            await asyncio.sleep(0.002)
