"""Visitors and their cookies. A visitor id is 128 random bits in a signed cookie, so that it can be neither guessed nor forged.

The middleware gives every browser a visitor cookie, and the page its chosen language.

Whoever brings an own key becomes a new visitor, whose id was made for this key: another program on another port of the same name
may have planted the cookie that was there, and would else know the visitor that the key pays for. The new cookie names the former
visitor, too; when it comes back, and so was received, the history moves. Only the studio can make such a cookie.

Over https the cookie's name begins with `__Host-`: only this host, by https, can have set such a one, and no other program on
another port or subdomain. It is sent to every path of the host, so the name of a studio on a sub-path tells which one it is of.
"""

import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from itsdangerous import BadSignature, Signer
from starlette.datastructures import MutableHeaders
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dreamina_ui.errors import VisitorLost, VisitorUnknown
from dreamina_ui.web.page_response import ADDRESS, with_head
from dreamina_ui.web.saved_files import EXAMPLES_ADDRESS, SAVED_ADDRESS

__all__ = [
    "COOKIE",
    "COOKIE_MAX_AGE_S",
    "KEY_BROUGHT",
    "KEY_VISITOR",
    "NEW_VISITOR",
    "VISITOR",
    "ChosenLanguage",
    "VisitorCookie",
    "Visitors",
    "cookie_name",
    "set_cookie",
]

COOKIE = "dreamina_visitor"
"""Its name over http; and over https before it was `__Host-`, which keeps a visitor's history."""
FORMER = "~"
"""In a cookie, between a visitor and the one that it was before."""
KEY_BROUGHT, KEY_VISITOR = "dreamina.key_brought", "dreamina.key_visitor"
"""In the scope of a request: the own key that it brings, and the visitor that it is to be kept for."""
VISITOR = "dreamina.visitor"
"""In the scope of a request: the visitor's id, once the middleware has read or made it."""
COOKIE_MAX_AGE_S = 400 * 86_400
"""The maximum age in seconds: browsers keep no cookie longer than 400 days."""


@dataclass(frozen=True, slots=True)
class Brought:
    """What a request says about its visitor: `visitor_id` is None without a valid cookie, and `any` tells if there was one.

    `former` is the visitor that this one was before, whose history moves now. `outdated`: by https, a cookie of the name
    that is no longer given there.
    """

    visitor_id: str | None
    any: bool
    former: str | None = None
    outdated: bool = False


def cookie_name(scope: Mapping[str, Any]) -> str:
    """The name of the visitor's cookie at this address."""
    if scope.get("scheme") != "https":
        return COOKIE
    sub_path = scope.get("root_path", "")
    return f"__Host-{COOKIE}" + (f"-{hashlib.sha256(sub_path.encode()).hexdigest()[:8]}" if sub_path else "")


class Visitors:
    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self._signer = Signer(secret, salt="visitor")
        # By another salt: who can plant a cookie of the former name cannot plant what was given by https.
        self._https_signer = Signer(secret, salt="visitor by https")

    def cookie_of(self, visitor_id: str, *, https: bool = False, former: str | None = None) -> str:
        """The cookie of this visitor."""
        named = f"{visitor_id}{FORMER}{former}" if former else visitor_id
        return (self._https_signer if https else self._signer).sign(named).decode()

    def for_key(self, key: str) -> str:
        """The id of a new visitor who has brought this key; from it the key cannot be found."""
        drawn = secrets.token_hex(16)
        return f"{drawn}-{self._mark(drawn, key)}"

    def is_for_key(self, visitor_id: str, key: str) -> bool:
        """Whether the id was made for this key."""
        drawn, _, mark = visitor_id.partition("-")
        return hmac.compare_digest(mark.encode(), self._mark(drawn, key).encode())

    def _mark(self, drawn: str, key: str) -> str:
        told = f"own key {drawn} {key}".encode(errors="replace")
        return hmac.digest(self._secret, told, "sha256").hex()[:16]

    def brought(self, scope: Mapping[str, Any]) -> Brought:
        """What the cookies of a request say."""
        name, cookies = cookie_name(scope), _cookies(scope)
        found = self._read(self._https_signer, cookies.get(name)) if name != COOKIE else None
        outdated = name != COOKIE and found is None
        found = found or self._read(self._signer, cookies.get(COOKIE))
        if found is None:
            return Brought(None, any=bool(cookies.get(name) or cookies.get(COOKIE)))
        visitor_id, _, former = found.partition(FORMER)
        return Brought(visitor_id, any=True, former=former or None, outdated=outdated)

    def of_request(self, scope: Mapping[str, Any]) -> str | None:
        """The visitor id of a request, or None without a valid cookie."""
        known: str | None = scope.get(VISITOR)
        return known or self.brought(scope).visitor_id

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

    def _read(self, signer: Signer, cookie: str | None) -> str | None:
        if not cookie:
            return None
        try:
            return signer.unsign(cookie).decode()
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


Follow = Callable[[str, str], Awaitable[bool]]


async def _without_history(_former: str, _visitor_id: str) -> bool:
    return True


class VisitorCookie:
    """Middleware: reads the visitor of a request into its scope, and sets a cookie for a new one, or one who brings an own key.

    `follow` moves the history of a former visitor to the one that it is now, and returns whether it could.

    The guard, outside of it, has set the scheme to https if a trusted proxy received the request by https.
    """

    def __init__(self, app: ASGIApp, visitors: Visitors, follow: Follow = _without_history) -> None:
        self._app = app
        self._visitors = visitors
        self._follow = follow

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(_WITHOUT_VISITOR):
            await self._app(scope, receive, send)
            return
        brought = self._visitors.brought(scope)
        visitor_id = brought.visitor_id or secrets.token_hex(16)
        scope = {**scope, VISITOR: visitor_id}
        given, former = visitor_id, None
        key = scope.get(KEY_BROUGHT)
        if brought.visitor_id is None:
            scope[NEW_VISITOR] = VisitorLost.code if brought.any else VisitorUnknown.code
        elif brought.former and not await self._follow(brought.former, visitor_id):
            former = brought.former  # the history moves with a later request
        elif key and not self._visitors.is_for_key(visitor_id, key):
            given, former = self._visitors.for_key(key), visitor_id
            scope[KEY_VISITOR] = given
        elif not brought.outdated and not brought.former:
            await self._app(scope, receive, send)
            return

        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                cookie = set_cookie(self._visitors, scope, given, former)
                MutableHeaders(scope=message).append("set-cookie", cookie)
            await send(message)

        await self._app(scope, receive, send_with_cookie)


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


def _cookies(scope: Mapping[str, Any]) -> dict[str, str]:
    return cookie_parser("; ".join(value.decode("latin-1") for name, value in scope["headers"] if name == b"cookie"))


def set_cookie(visitors: Visitors, scope: Mapping[str, Any], visitor_id: str, former: str | None = None) -> str:
    """The header that makes the browser of a request this visitor's."""
    https = scope.get("scheme") == "https"
    # In the frame of a Space, cookies of the app are third-party ones: they need `None`, `Partitioned` and https.
    place = (
        "Path=/; Secure; SameSite=None; Partitioned" if https else f"Path={scope.get('root_path', '')}/; SameSite=Lax"
    )
    value = visitors.cookie_of(visitor_id, https=https, former=former)
    return f"{cookie_name(scope)}={value}; Max-Age={COOKIE_MAX_AGE_S}; HttpOnly; {place}"
