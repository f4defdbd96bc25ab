"""Visitors and their cookies. A visitor id is 128 random bits in a signed cookie, so nobody can use another one's.

The middleware gives every browser a visitor cookie, and the page its chosen language.
"""

import hmac
import secrets
from collections.abc import Sequence

from itsdangerous import BadSignature, Signer
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dreamina_ui.errors import VisitorLost, VisitorUnknown
from dreamina_ui.web.page_response import ADDRESS, with_head
from dreamina_ui.web.saved_files import EXAMPLES_ADDRESS, SAVED_ADDRESS

__all__ = ["COOKIE", "COOKIE_MAX_AGE_S", "NEW_VISITOR", "ChosenLanguage", "VisitorCookie", "Visitors"]

COOKIE = "dreamina_visitor"
COOKIE_MAX_AGE_S = 400 * 86_400
"""The maximum age in seconds: browsers keep no cookie longer than 400 days."""


class Visitors:
    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self._signer = Signer(secret, salt="visitor")

    def issue(self) -> str:
        """The cookie of a new visitor."""
        return self._signer.sign(secrets.token_hex(16)).decode()

    def of_user(self, user: str) -> str:
        """The visitor id of an account: always the same, a digest from which the account cannot be found."""
        return "hf-" + hmac.digest(self._secret, b"signed in " + user.encode(errors="replace"), "sha256").hex()[:32]

    def of_mcp_client(self, name: str) -> str:
        """The visitor id of an MCP client, a digest of its key or session id, from which neither can be found."""
        return "agent-" + hmac.digest(self._secret, b"agent " + name.encode(errors="replace"), "sha256").hex()[:32]

    def call_id(self, key: str, owner: str = "") -> str:
        """The id of a program's call, by its idempotency key: of this owner's, or of whoever has the key."""
        named = f"call {owner} {key}".encode(errors="replace")
        return "call-" + hmac.digest(self._secret, named, "sha256").hex()[:40]

    def read(self, cookie: str | None) -> str | None:
        """The visitor id in a cookie, or None if this app did not sign it."""
        if not cookie:
            return None
        try:
            return self._signer.unsign(cookie).decode()
        except (BadSignature, UnicodeError):
            return None


NEW_VISITOR = "dreamina.new_visitor"
"""In the scope of a request that brought no valid cookie: the code of what is wrong, should more than a page be asked for."""

_WITHOUT_VISITOR = (
    *("/assets/", "/static/", "/svelte/", "/favicon.ico", "/manifest.json", "/pwa_icon", "/robots.txt", "/theme.css"),
    *(
        "/healthz",
        ADDRESS,
        "/gradio_api/theme.css",
        "/gradio_api/file=",
        f"/{SAVED_ADDRESS}",
        f"/{EXAMPLES_ADDRESS}",
    ),
)
"""Paths whose responses are the same for everybody; some of their clients keep no cookies."""
_CHOICE = (
    '<script>for (const [name, value] of [["language", "{0}"], ["languages", ["{0}"]]]) '
    "Object.defineProperty(navigator, name, {{ configurable: true, get: () => value }})</script>"
)


class VisitorCookie:
    """Middleware: sets a cookie for a new visitor, and adds it to the request that it answers.

    The guard, outside of it, has set the scheme to https if a trusted proxy received the request by https.
    """

    def __init__(self, app: ASGIApp, visitors: Visitors) -> None:
        self._app = app
        self._visitors = visitors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_skipped = scope["type"] != "http" or scope["path"].startswith(_WITHOUT_VISITOR)
        brought = "" if is_skipped else _cookies(scope).get(COOKIE, "")
        if is_skipped or self._visitors.read(brought):
            await self._app(scope, receive, send)
            return
        cookie = self._visitors.issue()
        headers = MutableHeaders(raw=list(scope["headers"]))
        headers["cookie"] = "; ".join(part for part in (headers.get("cookie"), f"{COOKIE}={cookie}") if part)

        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).append(
                    "set-cookie",
                    _set_cookie(cookie, f"{scope.get('root_path', '')}/", secure=scope["scheme"] == "https"),
                )
            await send(message)

        new = VisitorLost.code if brought else VisitorUnknown.code
        await self._app({**scope, "headers": headers.raw, NEW_VISITOR: new}, receive, send_with_cookie)


class ChosenLanguage:
    """Middleware: tells Gradio's scripts in the browser the language that the visitor chose.

    Gradio reads the language from the browser before it runs a script of its `head=` parameter.
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
    # Starlette's parser takes the last of two cookies with one name: the new cookie is appended, so it counts.
    return cookie_parser(Headers(scope=scope).get("cookie", ""))


def _set_cookie(value: str, path: str, *, secure: bool) -> str:
    # In the frame of a Space, cookies of the app are third-party ones: they need `None`, `Partitioned` and https.
    site = "Secure; SameSite=None; Partitioned" if secure else "SameSite=Lax"
    return f"{COOKIE}={value}; Path={path}; Max-Age={COOKIE_MAX_AGE_S}; HttpOnly; {site}"
