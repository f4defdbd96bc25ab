"""The looks of all jobs as one schedule: how many at once, how many a second, and what the service says to that."""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

__all__ = ["Polls"]

AT_ONCE = 12
PER_S = 250.0
"""About what a quarter of a core can ask and read; a thousand jobs of a minute need half of it."""
SLOWEST_PER_S = 1.0
FORGIVEN_EVERY_S = 60.0
"""After a refusal for asking too often, the pace doubles again each time this has passed."""


class Polls:
    """Each job wishes for its next look by itself; together they get no more than there is.

    When all jobs together wish for more than `per_s` looks a second, each waits longer by the same factor.
    """

    def __init__(
        self,
        monotonic: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        *,
        at_once: int = AT_ONCE,
        per_s: float = PER_S,
    ) -> None:
        self._monotonic = monotonic
        self._sleep = sleep
        self._places = asyncio.Semaphore(at_once)
        self._per_s = per_s
        self._slowed_to = per_s
        self._slowed_at = 0.0
        self.wished_per_s = 0.0
        """The looks a second that the resting jobs together wish for."""

    @property
    def allowed_per_s(self) -> float:
        since_s = self._monotonic() - self._slowed_at
        return min(self._per_s, self._slowed_to * math.exp2(min(since_s / FORGIVEN_EVERY_S, 60.0)))

    async def rest(self, wish_s: float) -> None:
        """Sleep until the next look of a job that wishes for one in `wish_s` (> 0) seconds; never shorter."""
        rate = 1.0 / wish_s
        self.wished_per_s += rate
        try:
            await self._sleep(wish_s * max(1.0, self.wished_per_s / self.allowed_per_s))
        finally:
            self.wished_per_s = max(self.wished_per_s - rate, 0.0)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """A place among the looks in flight; whoever has waited longest gets the next."""
        async with self._places:
            yield

    def slow_down(self) -> None:
        """The service said that it is asked too often: all jobs ask half as often as they now do, for a while."""
        now_per_s = min(self.allowed_per_s, max(self.wished_per_s, SLOWEST_PER_S))
        self._slowed_to, self._slowed_at = max(now_per_s / 2, SLOWEST_PER_S), self._monotonic()
