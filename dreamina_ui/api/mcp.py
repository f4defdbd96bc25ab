"""Serves MCP at `/gradio_api/mcp`; imports the MCP library at the first request.

A session is memory that anybody can have, so it is counted: for an address, and for a key.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from dreamina_ui.api.job_json import KEY_HEADER, WORDS
from dreamina_ui.engine.engine import Engine
from dreamina_ui.web.checks.addresses import asking_address
from dreamina_ui.web.checks.bodies import body_again, read_body
from dreamina_ui.web.visitors import Visitors

if TYPE_CHECKING:
    from dreamina_ui.api.tools import Tools

__all__ = ["BODY_MOST", "IDLE_S", "SESSIONS_OF_ADDRESS", "SESSIONS_OF_KEY", "McpServer", "SessionCount"]

PATH = "/gradio_api/mcp"
SESSION = "mcp-session-id"
BODY_MOST = 4 * 2**20
"""Bytes of a body that the MCP library takes."""
IDLE_S = 1800.0
"""A session ends when it was not used for so long."""
SESSIONS_OF_ADDRESS, SESSIONS_OF_KEY = 100, 50
"""At once. Services that call tools do so for many people from few addresses."""


class McpServer:
    """The MCP server, which starts at its first request. `now` gives seconds since the epoch.

    `behind_proxy`: who asks is what the proxy says.
    """

    def __init__(
        self, engine: Engine, visitors: Visitors, now: Callable[[], float], *, behind_proxy: bool = False
    ) -> None:
        self._parts = engine, visitors, now
        self._count = SessionCount(visitors, behind_proxy=behind_proxy)
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
        await self._count.serve(manager.handle_request, scope, receive, send)

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


@dataclass(slots=True)
class _Session:
    address: str
    key: str | None
    used_at: float
    running: int = 0


class SessionCount:
    """Refuses a session to an address, or for a key, that has too many open. `now` is a clock that never goes back."""

    def __init__(
        self, visitors: Visitors, *, behind_proxy: bool = False, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._visitors = visitors
        self._behind_proxy = behind_proxy
        self._now = now
        self._open: dict[str | int, _Session] = {}
        """By the name of the session; while it is being opened, by a number."""
        self._opened = 0

    async def serve(self, app: Callable[..., Any], scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request once its body is whole: one that never comes to its end opens no session."""
        data = await read_body(scope, receive, BODY_MOST)
        if data is None:
            return  # the client is gone; a body that is too long was refused before
        receive = body_again(data, receive)
        headers = Headers(scope=scope)
        name: str | int | None = headers.get(SESSION)
        if name is not None:
            with self._using(name):
                status = await _reported(app, scope, receive, send)
            if status == 404 or (scope["method"] == "DELETE" and 0 < status < 400):
                self._open.pop(name, None)
            return
        address, _ = asking_address(scope, headers, behind_proxy=self._behind_proxy)
        name = self._begin(address, headers.get(KEY_HEADER))
        if name is None:
            error = {"code": -32600, "message": WORDS.say("guard.mcp.sessions")}
            refusal = JSONResponse({"jsonrpc": "2.0", "id": None, "error": error}, 429)
            await refusal(scope, receive, send)
            return
        try:
            with self._using(name):
                await _reported(app, scope, receive, send, opened=partial(self._name, name))
        finally:
            self._open.pop(name, None)  # what was opened has its own name by now

    def _begin(self, address: str, key: str | None) -> int | None:
        now = self._now()
        for name in [name for name, one in self._open.items() if not one.running and now - one.used_at > IDLE_S]:
            del self._open[name]
        mark = self._visitors.of_mcp_client(f"key {key}") if key else None
        open_now = list(self._open.values())
        if sum(one.address == address for one in open_now) >= SESSIONS_OF_ADDRESS:
            return None
        if mark is not None and sum(one.key == mark for one in open_now) >= SESSIONS_OF_KEY:
            return None
        self._opened += 1
        self._open[self._opened] = _Session(address, mark, now)
        return self._opened

    def _name(self, number: int, given: str) -> None:
        if number in self._open:
            self._open[given] = self._open.pop(number)

    @contextmanager
    def _using(self, name: str | int) -> Iterator[None]:
        session = self._open.get(name)
        if session is None:
            yield
            return
        session.running += 1
        try:
            yield
        finally:
            session.running -= 1
            session.used_at = self._now()


async def _reported(
    app: Callable[..., Any],
    scope: Scope,
    receive: Receive,
    send: Send,
    opened: Callable[[str], None] = lambda _: None,
) -> int:
    """Serve the request. Returns the status of the response, or 0; tells the name of the session that it opened."""
    status = 0

    async def send_and_look(message: Message) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
            if status < 400 and (given := Headers(raw=message["headers"]).get(SESSION)):
                opened(given)
        await send(message)

    await app(scope, receive, send_and_look)
    return status


class _Endpoint:
    def __init__(self, serve: Callable[[Scope, Receive, Send], Any]) -> None:
        self._serve = serve

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._serve(scope, receive, send)
