"""Serves MCP at `/gradio_api/mcp`; imports the MCP library at the first request."""

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

__all__ = ["McpServer"]

PATH = "/gradio_api/mcp"


class McpServer:
    """The MCP server, which starts at its first request. `now` gives seconds since the epoch."""

    def __init__(self, engine: Engine, visitors: Visitors, now: Callable[[], float]) -> None:
        self._parts = engine, visitors, now
        self._starting: asyncio.Task[Any] | None = None
        self._sessions: asyncio.Task[None] | None = None
        self._stop = asyncio.Event()

    @property
    def routes(self) -> list[Route]:
        # Starlette passes every method to an endpoint that is not a function.
        return [Route(path, _Endpoint(self._serve), name="dreamina_mcp") for path in (PATH, f"{PATH}/")]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Requests are served inside this context; at its end all sessions are closed."""
        self._stop = asyncio.Event()
        try:
            yield
        finally:
            self._stop.set()
            if self._starting:
                await asyncio.gather(self._starting, return_exceptions=True)
            if self._sessions:
                await asyncio.gather(self._sessions, return_exceptions=True)
            self._starting = self._sessions = None

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._starting is None:
            self._starting = asyncio.create_task(self._start(), name="start of the MCP server")
        # Shielded: other requests wait for the start, too, if the first client disconnects.
        manager = await asyncio.shield(self._starting)
        await manager.handle_request(scope, receive, send)

    async def _start(self) -> Any:
        tools: type[Tools] = (await asyncio.to_thread(import_module, "dreamina_ui.api.tools")).Tools
        manager = tools(*self._parts).manager()
        ready = asyncio.Event()
        # A task group has to be left by the task that entered it, so one task does both.
        self._sessions = asyncio.create_task(self._run_sessions(manager, ready), name="MCP sessions")
        await ready.wait()
        return manager

    async def _run_sessions(self, manager: Any, ready: asyncio.Event) -> None:
        try:
            async with manager.run():
                ready.set()
                await self._stop.wait()
        finally:
            ready.set()


class _Endpoint:
    def __init__(self, serve: Callable[[Scope, Receive, Send], Any]) -> None:
        self._serve = serve

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._serve(scope, receive, send)
