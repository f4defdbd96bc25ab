"""A page's `session_hash` belongs to the visitor who used it first.

The browser chooses the hash, and Gradio sends the page's events to every client that names it. A request without a cookie is
not checked: a program's hash is random and known to nobody else.
"""

import json
from collections import OrderedDict
from collections.abc import Callable
from urllib.parse import parse_qs

from starlette.requests import Request, cookie_parser
from starlette.types import ASGIApp, Receive, Scope, Send

from dreamina_ui.web.call_check import BODY_MOST, replayed
from dreamina_ui.web.refusals import refusal
from dreamina_ui.web.visitors import COOKIE, Visitors

__all__ = ["Sessions"]

API = "/gradio_api"
HEARTBEAT = f"{API}/heartbeat/"
NAMED_IN_BODY = (f"{API}/queue/join", f"{API}/cancel", f"{API}/reset", f"{API}/call/")
SESSIONS_MOST = 100_000


class Sessions:
    """Middleware: refuses requests that name another visitor's session. `say` gives the sentence of a key."""

    def __init__(self, app: ASGIApp, visitors: Visitors, say: Callable[[Request, str], str]) -> None:
        self._app = app
        self._visitors = visitors
        self._say = say
        self._owners: OrderedDict[str, str] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        session, receive = await _session_of(scope, receive)
        if session and not self._may_use(session, self._visitor(scope)):
            # To a page that was its own this means that the cookie is lost.
            await refusal(403, "visitor_lost", self._say(Request(scope), "guard.session"))(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _visitor(self, scope: Scope) -> str | None:
        cookies = [value.decode("latin-1") for name, value in scope["headers"] if name == b"cookie"]
        return self._visitors.read(cookie_parser("; ".join(cookies)).get(COOKIE))

    def _may_use(self, session: str, visitor: str | None) -> bool:
        owner = self._owners.get(session)
        if owner is None:
            if visitor:
                self._owners[session] = visitor
                if len(self._owners) > SESSIONS_MOST:
                    self._owners.popitem(last=False)
            return True
        self._owners.move_to_end(session)
        return owner == visitor


async def _session_of(scope: Scope, receive: Receive) -> tuple[str, Receive]:
    """The session that a request names, or an empty text; and a `receive` that gives the body again if it was read."""
    path: str = scope["path"]
    if path == f"{API}/queue/data":
        return (parse_qs(scope["query_string"].decode("latin-1")).get("session_hash") or [""])[0], receive
    if path.startswith(HEARTBEAT):
        return path.removeprefix(HEARTBEAT), receive
    if scope["method"] != "POST" or not path.startswith(NAMED_IN_BODY):
        return "", receive
    body, receive_again = await replayed(receive, BODY_MOST)
    return _session_in(body), receive_again


def _session_in(body: bytes) -> str:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    session = content.get("session_hash") if isinstance(content, dict) else None
    return session if isinstance(session, str) else ""
