"""What stands around Gradio on the HTTP side: every browser gets a visitor cookie before anything else happens."""

from collections.abc import Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dreamina_ui.errors import VisitorLost, VisitorUnknown
from dreamina_ui.web.page_head import ADDRESS, with_head
from dreamina_ui.web.saved_files import EXAMPLES_ADDRESS, SAVED_ADDRESS
from dreamina_ui.web.visitors import COOKIE, COOKIE_KEPT_S, Visitors

__all__ = ["NEW_VISITOR", "ChosenLanguage", "VisitorCookie"]

NEW_VISITOR = "dreamina.new_visitor"
"""In the scope of a request that brought no valid cookie: the code of what is wrong, should more than a page be asked for."""

_OF_NOBODY = (
    *("/assets/", "/static/", "/svelte/", "/favicon.ico", "/manifest.json", "/pwa_icon", "/robots.txt", "/theme.css"),
    *(
        "/healthz",
        ADDRESS,
        "/gradio_api/theme.css",
        "/gradio_api/file=",
        f"/{SAVED_ADDRESS}",
        f"/{EXAMPLES_ADDRESS}",
        "/gradio_api/startup-events",
    ),
)
"""What is the same for everybody, and asked for by those who keep no cookies."""
_CHOICE = (
    '<script>for (const [name, value] of [["language", "{0}"], ["languages", ["{0}"]]]) '
    "Object.defineProperty(navigator, name, {{ configurable: true, get: () => value }})</script>"
)


class VisitorCookie:
    """Middleware: gives a visitor without a valid cookie a new one, already valid for this very request.

    The guard, outside of it, has set the scheme to https where a proxy that is believed ended it.
    """

    def __init__(self, app: ASGIApp, visitors: Visitors) -> None:
        self._app = app
        self._visitors = visitors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        needless = scope["type"] != "http" or scope["path"].startswith(_OF_NOBODY)
        brought = "" if needless else _cookies(scope).get(COOKIE, "")
        if needless or self._visitors.read(brought):
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

        new = VisitorLost.code if brought else VisitorUnknown.code
        await self._app({**scope, "headers": headers.raw, NEW_VISITOR: new}, receive, send_with_cookie)


class ChosenLanguage:
    """Middleware: the page that is asked for with a chosen language says so to Gradio's browser side.

    That speaks the browser's language, and has made up its mind before it runs a script handed over with `head=`.
    """

    def __init__(self, app: ASGIApp, cookie: str, languages: Sequence[str]) -> None:
        self._app = app
        self._cookie = cookie
        self._languages = languages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        chosen = _cookies(scope).get(self._cookie) if scope["type"] == "http" else None
        if chosen not in self._languages:
            await self._app(scope, receive, send)
            return
        await self._app(scope, receive, with_head(send, _CHOICE.format(chosen)))


def _cookies(scope: Scope) -> dict[str, str]:
    # Of two cookies of one name the last counts, here as in Starlette's own parser: so ours, appended, wins.
    return cookie_parser(Headers(scope=scope).get("cookie", ""))


def _set_cookie(value: str, *, secure: bool) -> str:
    # Inside a Space's frame the app is a third party: there a cookie needs `None` and `Partitioned`, and so https.
    site = "Secure; SameSite=None; Partitioned" if secure else "SameSite=Lax"
    return f"{COOKIE}={value}; Path=/; Max-Age={COOKIE_KEPT_S}; HttpOnly; {site}"
