"""Who stands behind a request, and which of their streams is the one that counts."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import TypeVar

import gradio as gr
from starlette.requests import Request

from dreamina_ui.web.visitors import COOKIE, Visitors
from dreamina_ui.wording import Words

__all__ = ["CALL_KEY_LEAST", "Asking", "words_for"]

T = TypeVar("T")
CALL_KEY_LEAST = 16
"""Characters of an idempotency key that nobody else chooses by chance."""
LANGUAGE_COOKIE = "dreamina_language"


def words_for(request: "gr.Request | Request") -> Words:
    """The language that was chosen on the page, or else the browser's."""
    return Words.of([request.cookies.get(LANGUAGE_COOKIE), request.headers.get("accept-language")])


class Asking:
    """`now` gives seconds since the epoch. With `login`, whoever has signed in with Hugging Face is that visitor anywhere."""

    def __init__(self, visitors: Visitors, now: Callable[[], float] = time.time, *, login: bool = False) -> None:
        self.now = now
        self._login = login
        self._visitors = visitors
        self._stops: dict[str, asyncio.Event] = {}

    def visitor(self, request: gr.Request) -> str:
        """The visitor's id: of the account that is signed in, or else the cookie's, which the middleware sees to."""
        if self._login and (user := _signed_in(request, self.now())):
            return self._visitors.of_user(user)
        visitor_id = self._visitors.read(request.cookies.get(COOKIE))
        if visitor_id is None:
            raise PermissionError("a request came past the visitor middleware")
        return visitor_id

    def click_of(self, request: gr.Request, key: str | None, own_key: str | None) -> dict[str, str]:
        """What makes a program's repeated call the same one, for `Engine.submit`, by its idempotency `key`.

        A long key names the call by itself, whoever asks; with the caller's own key for the service, any key does. Another one
        is the visitor's: it holds as long as the cookie does.
        """
        if not key:
            return {}
        if own_key is not None:
            return {"call_id": self._visitors.call_id(key, self._visitors.of_agent(f"key {own_key}"))}
        if len(key) >= CALL_KEY_LEAST:
            return {"call_id": self._visitors.call_id(key)}
        return {"click_id": key}

    def words(self, request: gr.Request) -> Words:
        """The language that was chosen on the page, or else the browser's."""
        return words_for(request)

    async def latest_only(
        self, request: gr.Request, snapshots: AsyncIterator[T], place: str = "stage"
    ) -> AsyncIterator[T]:
        """Relay the snapshots until they end, or until something else is watched in the same place of the same page.

        A page is told by its visitor and its `session_hash`: the browser chooses the latter, and may choose anybody's.
        """
        page = f"{place} {self.visitor(request)} {request.session_hash}"
        if page in self._stops:
            self._stops[page].set()
        stop = self._stops[page] = asyncio.Event()
        stopped = asyncio.create_task(stop.wait())
        try:
            while True:
                following = asyncio.ensure_future(anext(snapshots))
                await asyncio.wait({following, stopped}, return_when=asyncio.FIRST_COMPLETED)
                if not following.done():
                    following.cancel()
                    return
                try:
                    yield following.result()
                except StopAsyncIteration:
                    return
        finally:
            stopped.cancel()
            if self._stops.get(page) is stop:
                del self._stops[page]


def _signed_in(request: gr.Request, now: float) -> str | None:
    """The account in the session that Gradio signed with the Space's own secret: OpenID's `sub`, which never changes."""
    raw = request.request
    session = raw.scope.get("session") if raw is not None else None
    info = session.get("oauth_info") if isinstance(session, Mapping) else None
    if not isinstance(info, Mapping) or not isinstance(info.get("userinfo"), Mapping):
        return None
    expires_at = info.get("expires_at")
    if isinstance(expires_at, int | float) and expires_at < now:
        return None
    sub = info["userinfo"].get("sub")
    return sub if isinstance(sub, str) and sub else None
