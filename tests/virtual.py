"""An event loop whose time passes at once: when nothing is left to do, the clock jumps to whatever is due next.

Threads are real, and waited for in real time; so an hour of waiting costs what is done in it and no more.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple

from anyio.to_thread import current_default_thread_limiter

from dreamina_ui.clock import Clock

__all__ = ["EPOCH", "NoWait", "VirtualClock", "run_virtually", "wall_clock"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
EPOCH = 1_700_000_000.0
LOOKED_EVERY_S = 0.05


class _Selector(selectors.DefaultSelector):
    """Waits for threads in real time, and for timers not at all."""

    loop: "_Loop"

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        if self.loop.is_busy:
            return super().select(min(timeout, LOOKED_EVERY_S))
        events = super().select(0)
        if not events:
            self.loop.seconds += timeout
        return events


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.seconds = 0.0
        self._in_threads = 0
        self._limiter: Any = None
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.seconds

    @property
    def is_busy(self) -> bool:
        # anyio, and so Starlette's files, has threads of its own.
        return self._in_threads > 0 or (self._limiter is not None and self._limiter.borrowed_tokens > 0)

    def count_anyio(self) -> None:
        """Call it from a task of the loop."""
        self._limiter = current_default_thread_limiter()

    def run_in_executor(self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        future = super().run_in_executor(executor, func, *args)
        self._in_threads += 1
        future.add_done_callback(self._leave)
        return future

    async def shutdown_default_executor(self, *args: Any) -> None:
        self._in_threads += 1
        await super().shutdown_default_executor(*args)

    def _leave(self, _future: object) -> None:
        self._in_threads -= 1


def wall_clock() -> Callable[[], float]:
    """A clock of seconds since the epoch by the running loop's time; any thread may read it."""
    loop = asyncio.get_running_loop()
    return lambda: EPOCH + loop.time()


class NoWait(Clock):
    """Sleeps for a turn of the loop, however long it is asked to."""

    async def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        await asyncio.sleep(0)


class VirtualClock(Clock):
    """The running loop's time, as seconds since the epoch and since its start; `random` draws from 0 to 1."""

    def __init__(self, random: Callable[[], float] = lambda: 0.5) -> None:
        self.now = wall_clock()  # type: ignore[method-assign]
        self.monotonic = asyncio.get_running_loop().time  # type: ignore[method-assign]
        self.random = random  # type: ignore[method-assign]


def run_virtually(work: Coroutine[Any, Any, T]) -> T:
    """Run the work on a loop of this kind."""

    async def main() -> T:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, _Loop)
        loop.count_anyio()
        return await work

    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(main())
