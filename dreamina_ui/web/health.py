"""Whether all is well, for whoever watches over the server. It tells nobody anything else."""

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
    """A check returns if all is well, and else raises; of what it raises only the code is told.

    A check may take `within_s`, and is not begun anew before it has ended. What came of all is kept for `kept_s`: who
    asks often does not make work.
    """

    def __init__(
        self,
        checks: Mapping[str, Callable[[], Awaitable[None]]],
        *,
        within_s: float = 2.0,
        kept_s: float = 1.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._checks = checks
        self._within_s = within_s
        self._kept_s = kept_s
        self._monotonic = monotonic
        self._under_way: dict[str, asyncio.Task[str]] = {}
        self._found: tuple[float, dict[str, str]] | None = None

    @property
    def routes(self) -> list[Route]:
        return [Route("/healthz", self._answer, name="dreamina_health")]

    async def look(self) -> dict[str, str]:
        """`ok` or a reason for each check: an error's code, `stopped`, `slow`, or `error`."""
        if self._found and self._monotonic() - self._found[0] < self._kept_s:
            return self._found[1]
        for name, check in self._checks.items():
            if name not in self._under_way:
                self._under_way[name] = asyncio.create_task(_code_of(check), name=f"health of the {name}")
        looking = dict(self._under_way)
        await asyncio.wait(looking.values(), timeout=self._within_s)
        self._under_way = {name: task for name, task in self._under_way.items() if not task.done()}
        found = {name: task.result() if task.done() else "slow" for name, task in looking.items()}
        self._found = self._monotonic(), found
        return found

    async def _answer(self, _request: Request) -> JSONResponse:
        found = await self.look()
        well = all(reason == "ok" for reason in found.values())
        return JSONResponse(
            {"status": "ok" if well else "unwell", **found}, 200 if well else 503, {"Cache-Control": "no-store"}
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
    """A check that in this event loop tasks by these names are at work."""

    async def check() -> None:
        if not set(names) <= {task.get_name() for task in asyncio.all_tasks()}:
            raise Stopped

    return check
