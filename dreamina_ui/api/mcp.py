"""The door for agents, at `/gradio_api/mcp`. What stands behind it is loaded when the first one knocks."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from dreamina_ui.engine.engine import Engine
from dreamina_ui.web.visitors import Visitors

if TYPE_CHECKING:
    from dreamina_ui.api.tools import Tools

__all__ = ["Agents"]

PATH = "/gradio_api/mcp"


class Agents:
    """`now` gives seconds since the epoch. Serves while `running` is entered."""

    def __init__(self, engine: Engine, visitors: Visitors, now: Callable[[], float]) -> None:
        self._inside = engine, visitors, now
        self._opening: asyncio.Task[Any] | None = None
        self._held: asyncio.Task[None] | None = None
        self._leave = asyncio.Event()

    @property
    def routes(self) -> list[Route]:
        # Not a function, and so to Starlette an application of its own, for every method.
        return [Route(path, _Door(self._serve), name="dreamina_mcp") for path in (PATH, f"{PATH}/")]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        self._leave = asyncio.Event()
        try:
            yield
        finally:
            self._leave.set()
            if self._opening:
                await asyncio.gather(self._opening, return_exceptions=True)
            if self._held:
                await asyncio.gather(self._held, return_exceptions=True)
            self._opening = self._held = None

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._opening is None:
            self._opening = asyncio.create_task(self._open(), name="agents' door")
        # Shielded: who opened it may leave, and others wait for it as well.
        manager = await asyncio.shield(self._opening)
        await manager.handle_request(scope, receive, send)

    async def _open(self) -> Any:
        tools: type[Tools] = (await asyncio.to_thread(import_module, "dreamina_ui.api.tools")).Tools
        manager = tools(*self._inside).manager()
        ready = asyncio.Event()
        # A task of its own: what is entered in it has to be left in it.
        self._held = asyncio.create_task(self._hold(manager, ready), name="agents' sessions")
        await ready.wait()
        return manager

    async def _hold(self, manager: Any, ready: asyncio.Event) -> None:
        try:
            async with manager.run():
                ready.set()
                await self._leave.wait()
        finally:
            ready.set()


class _Door:
    def __init__(self, serve: Callable[[Scope, Receive, Send], Any]) -> None:
        self._serve = serve

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._serve(scope, receive, send)
