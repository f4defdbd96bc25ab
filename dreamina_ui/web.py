"""What stands around Gradio on the HTTP side: every browser gets a visitor cookie before anything else happens."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dreamina_ui.visitors import COOKIE, COOKIE_KEPT_S, Visitors

__all__ = ["VisitorCookie"]


class VisitorCookie:
    """Middleware: gives a visitor without a valid cookie a new one, already valid for this very request."""

    def __init__(self, app: ASGIApp, visitors: Visitors) -> None:
        self._app = app
        self._visitors = visitors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._visitors.read(_cookies(scope).get(COOKIE)):
            await self._app(scope, receive, send)
            return
        cookie = self._visitors.issue()
        headers = MutableHeaders(raw=list(scope["headers"]))
        headers["cookie"] = "; ".join(part for part in (headers.get("cookie"), f"{COOKIE}={cookie}") if part)

        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).append(
                    "set-cookie", _set_cookie(cookie, secure=scope["scheme"] == "https")
                )
            await send(message)

        await self._app({**scope, "headers": headers.raw}, receive, send_with_cookie)


def _cookies(scope: Scope) -> dict[str, str]:
    # Of two cookies of one name the last counts, here as in Starlette's own parser: so ours, appended, wins.
    return cookie_parser(Headers(scope=scope).get("cookie", ""))


def _set_cookie(value: str, *, secure: bool) -> str:
    # Inside a Space's frame the app is a third party: there a cookie needs `None` and `Partitioned`, and so https.
    site = "Secure; SameSite=None; Partitioned" if secure else "SameSite=Lax"
    return f"{COOKIE}={value}; Path=/; Max-Age={COOKIE_KEPT_S}; HttpOnly; {site}"
