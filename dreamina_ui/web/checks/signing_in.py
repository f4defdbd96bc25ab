"""Signing in by Gradio's routes, without what they do wrong: their cookie can be planted, and strange calls are faults.

Over https the cookie of whoever is signed in begins with `__Host-`, as the visitor's does: else another program on a
subdomain could sign a visitor in as somebody else, whom the visitor's own key would then pay for.
"""

import logging
from collections.abc import Callable

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["SESSION", "SigningIn"]

log = logging.getLogger(__name__)
SESSION, GRADIOS = "__Host-dreamina_session", "session"
"""The cookie's name over https, and the one that Gradio reads and writes."""
LOGIN = "/login/"


class SigningIn:
    """Middleware, where signing in is offered. `say` gives the sentence of a key."""

    def __init__(self, app: ASGIApp, say: Callable[[Request, str], str]) -> None:
        self._app = app
        self._say = say

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        outside, is_secure = scope, scope["scheme"] == "https"
        is_login, has_failed, has_begun = scope["path"].startswith(LOGIN), False, False
        if is_secure:
            scope = {**scope, "headers": _renamed(scope)}

        async def send_checked(message: Message) -> None:
            nonlocal has_failed, has_begun
            if message["type"] == "http.response.start":
                has_failed = is_login and message["status"] >= 500
                has_begun = not has_failed
                if is_secure:
                    _rename_set_cookies(message)
            if not has_failed:
                await send(message)

        try:
            await self._app(scope, receive, send_checked)
        except Exception as error:
            if not is_login or has_begun:
                raise
            has_failed = True
            log.warning("signing in has failed: %s", type(error).__name__)
        if has_failed:
            sentence = self._say(Request(outside), "guard.sign_in")
            await PlainTextResponse(sentence, 400, headers={"Cache-Control": "no-store"})(outside, receive, send)


def _renamed(scope: Scope) -> list[tuple[bytes, bytes]]:
    headers = MutableHeaders(raw=list(scope["headers"]))
    parts = [part.strip() for part in headers.get("cookie", "").split(";")]
    # One of Gradio's name came from elsewhere, or from before.
    kept = [part for part in parts if part and part.partition("=")[0].strip() != GRADIOS]
    named = [
        f"{GRADIOS}={part.removeprefix(f'{SESSION}=')}" if part.startswith(f"{SESSION}=") else part for part in kept
    ]
    if "cookie" in headers:
        headers["cookie"] = "; ".join(named)
    return headers.raw


def _rename_set_cookies(message: Message) -> None:
    start = f"{GRADIOS}=".encode()
    message["headers"] = [
        (name, SESSION.encode() + b"=" + value.removeprefix(start))
        if name.lower() == b"set-cookie" and value.startswith(start)
        else (name, value)
        for name, value in message.get("headers", ())
    ]
