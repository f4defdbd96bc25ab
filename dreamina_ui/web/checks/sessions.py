"""A page's `session_hash` belongs to the visitor who used it first.

Gradio lets the browser choose that name, and gives the page's events to whoever says it. A program that keeps no cookie
makes a name that others do not know, and is not checked.
"""

from collections import OrderedDict
from collections.abc import Callable
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from dreamina_ui.web.checks.bodies import BODY, LONG_BODY_MOST, body_again, parsed, read_body
from dreamina_ui.web.checks.calls import API, refusal
from dreamina_ui.web.visitors import Brought, Visitors

__all__ = ["Sessions"]

HEARTBEAT = f"{API}/heartbeat/"
NAMED_IN_BODY = (f"{API}/queue/join", f"{API}/cancel", f"{API}/reset", f"{API}/call/")
SESSIONS_MOST = 10_000


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
        if session and not self._may_use(session, self._visitors.brought(scope)):
            # To a page that was its own this means that the cookie is lost.
            await refusal(403, "visitor_lost", self._say(Request(scope), "guard.session"))(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _may_use(self, session: str, brought: Brought) -> bool:
        if brought.former:
            # All pages of the browser have the new cookie at once.
            pages = [name for name, owner in self._owners.items() if owner == brought.former]
            self._owners.update(dict.fromkeys(pages, brought.visitor_id or ""))
        owner = self._owners.get(session)
        if owner is None:
            if brought.visitor_id:
                self._owners[session] = brought.visitor_id
                if len(self._owners) > SESSIONS_MOST:
                    self._owners.popitem(last=False)
            return True
        self._owners.move_to_end(session)
        return owner == brought.visitor_id


async def _session_of(scope: Scope, receive: Receive) -> tuple[str, Receive]:
    """The session that a request names, or an empty text; and a `receive` that gives the body again if it was read."""
    path: str = scope["path"]
    if path == f"{API}/queue/data":
        return (parse_qs(scope["query_string"].decode("latin-1")).get("session_hash") or [""])[0], receive
    if path.startswith(HEARTBEAT):
        return path.removeprefix(HEARTBEAT), receive
    if scope["method"] != "POST" or not path.startswith(NAMED_IN_BODY):
        return "", receive
    if BODY not in scope:
        data = await read_body(scope, receive, LONG_BODY_MOST)
        receive = body_again(data, receive)
        scope[BODY] = await parsed(data or b"")
    content = scope[BODY].content
    session = content.get("session_hash") if content else None
    return session if isinstance(session, str) else "", receive
