"""The health check at `/healthz`, for monitoring and load balancers. It reveals nothing but a code for each part."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from dreamina_ui.errors import DreaminaError

__all__ = ["Health", "running"]


class Stopped(Exception):
    code = "stopped"


class Health:
    """Runs the checks. A check returns if its part works, and else raises; the response has only the error's code.

    A check that takes longer than `within_s` seconds is reported as slow, and is not started again before it has ended. The
    results are cached for `cache_s` seconds, so frequent requests cost nothing.
    """

    def __init__(
        self,
        checks: Mapping[str, Callable[[], Awaitable[None]]],
        *,
        within_s: float = 2.0,
        cache_s: float = 1.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._checks = checks
        self._within_s = within_s
        self._cache_s = cache_s
        self._monotonic = monotonic
        self._unfinished: dict[str, asyncio.Task[str]] = {}
        self._cached: tuple[float, dict[str, str]] | None = None

    @property
    def routes(self) -> list[Route]:
        return [Route("/healthz", self._answer, name="dreamina_health")]

    async def check(self) -> dict[str, str]:
        """`ok` or a reason for each check: an error's code, `stopped`, `slow`, or `error`."""
        if self._cached and self._monotonic() - self._cached[0] < self._cache_s:
            return self._cached[1]
        for name, check in self._checks.items():
            if name not in self._unfinished:
                self._unfinished[name] = asyncio.create_task(_code_of(check), name=f"health of the {name}")
        running_checks = dict(self._unfinished)
        await asyncio.wait(running_checks.values(), timeout=self._within_s)
        self._unfinished = {name: task for name, task in self._unfinished.items() if not task.done()}
        results = {name: task.result() if task.done() else "slow" for name, task in running_checks.items()}
        self._cached = self._monotonic(), results
        return results

    async def _answer(self, _request: Request) -> JSONResponse:
        results = await self.check()
        is_healthy = all(reason == "ok" for reason in results.values())
        return JSONResponse(
            {"status": "ok" if is_healthy else "unwell", **results},
            200 if is_healthy else 503,
            {"Cache-Control": "no-store"},
        )


async def _code_of(check: Callable[[], Awaitable[None]]) -> str:
    try:
        await check()
    except (DreaminaError, Stopped) as error:
        return error.code
    except Exception:
        return "error"
    return "ok"


def running(*names: str) -> Callable[[], Awaitable[None]]:
    """A check that tasks with these names run in this event loop."""

    async def check() -> None:
        if not set(names) <= {task.get_name() for task in asyncio.all_tasks()}:
            raise Stopped

    return check
