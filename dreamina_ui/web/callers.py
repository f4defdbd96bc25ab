"""The visitor and the language of a request, and the latest event stream of each page."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, tzinfo
from ipaddress import ip_address
from typing import Any, TypeVar
from urllib.parse import unquote
from zoneinfo import ZoneInfo

import gradio as gr
from starlette.requests import Request

from dreamina_ui.errors import VisitorLost, VisitorUnknown
from dreamina_ui.web.checks.addresses import ADDRESS
from dreamina_ui.web.visitors import KEY_VISITOR, NEW_VISITOR, Visitors
from dreamina_ui.wording import Words

__all__ = ["CALL_KEY_LEAST", "Callers", "words_for", "zone_of"]

T = TypeVar("T")
FORWARDED = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")
RESENT = "x-dreamina-resent"
CALL_KEY_LEAST = 16
"""Characters of an idempotency key from which on it is unlikely that two callers choose the same."""
LANGUAGE_COOKIE = "dreamina_language"
ZONE_COOKIE = "dreamina_zone"


def words_for(request: "gr.Request | Request") -> Words:
    """Texts in the language that was chosen on the page, or else in the browser's."""
    return Words.of([request.cookies.get(LANGUAGE_COOKIE), request.headers.get("accept-language")])


def zone_of(request: "gr.Request | Request") -> tzinfo:
    """The browser's time zone, which the page has told in a cookie; UTC where it has not, or where it is not known here."""
    try:
        return ZoneInfo(unquote(request.cookies.get(ZONE_COOKIE, "")) or "UTC")
    except (ValueError, OSError, LookupError):
        return UTC


class Callers:
    """`now` gives seconds since the epoch. With `login`, a Hugging Face account is one visitor in every browser.

    The owner is who has signed in as `owner`, a name at Hugging Face; and, if the app `serves_this_machine_alone`, whoever asks
    from it.
    """

    def __init__(
        self,
        visitors: Visitors,
        now: Callable[[], float] = time.time,
        *,
        login: bool = False,
        owner: str | None = None,
        serves_this_machine_alone: bool = False,
    ) -> None:
        self.now = now
        self._login = login
        self._owner = owner
        self._serves_this_machine_alone = serves_this_machine_alone
        self._visitors = visitors
        self._relayed: dict[str, tuple[str, asyncio.Event]] = {}
        """By page and place, what is relayed there now, and what stops it."""

    def visitor(self, request: gr.Request) -> str:
        """The visitor id: that of the signed-in account, or else that of the cookie, which the middleware has set."""
        if self._login and (user := _signed_in(request, self.now())):
            return self._visitors.of_user(user)
        raw = request.request
        visitor_id = self._visitors.of_request(raw.scope) if raw is not None else None
        if visitor_id is None:
            raise PermissionError("the request has no visitor cookie: VisitorCookie is not installed")
        return visitor_id

    def click_of(self, request: gr.Request, key: str | None, own_key: str | None) -> tuple[str | None, str | None]:
        """The `click_id` and the `call_id` of a program's call, for `Engine.submit`, by its idempotency `key`.

        A long key names the call by itself, whoever asks; with the caller's own key for the service, any key does. Another one
        is the visitor's: it holds as long as the cookie does.
        """
        if not key:
            return None, None
        if own_key is not None:
            return None, self._visitors.call_id(key, self._visitors.of_mcp_client(f"key {own_key}"))
        if len(key) >= CALL_KEY_LEAST:
            return None, self._visitors.call_id(key)
        return key, None

    def known_visitor(self, request: gr.Request) -> str:
        """The visitor's id, for what costs money or holds a secret: only of one who can be recognised again.

        Raises `VisitorUnknown` or `VisitorLost`: a cookie that was only just given may never come back.
        """
        raw = request.request
        new = raw.scope.get(NEW_VISITOR) if raw is not None else None
        if new and not (self._login and _signed_in(request, self.now())):
            raise VisitorLost if new == VisitorLost.code else VisitorUnknown
        return self.visitor(request)

    def key_visitor(self, request: gr.Request) -> str:
        """The visitor for whom the own key that a request brings is to be kept. Raises as `known_visitor`."""
        visitor_id, raw = self.known_visitor(request), request.request
        made: str | None = raw.scope.get(KEY_VISITOR) if raw is not None else None
        return visitor_id if made is None or (self._login and _signed_in(request, self.now())) else made

    def is_owner(self, request: gr.Request) -> bool:
        """Whether the request is surely of the owner of the studio, and of its key."""
        raw = request.request
        if raw is None:
            return False
        if self._login and self._owner and (user := _user(request, self.now())):
            name = user.get("preferred_username")
            return isinstance(name, str) and name.lower() == self._owner.lower()
        # A proxy or tunnel on this machine may bring anybody; it says so.
        is_direct = not any(name in raw.headers for name in FORWARDED)
        return (
            self._serves_this_machine_alone and is_direct and raw.client is not None and _is_loopback(raw.client.host)
        )

    def address(self, request: gr.Request) -> str:
        """The address of the open net that asks; an empty text where there is none."""
        raw = request.request
        address: str = raw.scope.get(ADDRESS, "") if raw is not None else ""
        return address

    def is_resent(self, request: gr.Request) -> bool:
        """Whether the page sends this call again because the connection broke before the answer came."""
        return RESENT in request.headers

    def words(self, request: gr.Request) -> Words:
        """Texts in the language that was chosen on the page, or else in the browser's."""
        return words_for(request)

    def zone(self, request: gr.Request) -> tzinfo:
        """The browser's time zone."""
        return zone_of(request)

    def relayed(self, request: gr.Request, place: str = "stage") -> str:
        """The name of what `latest_only` relays to this page now for a `place`; empty if nothing."""
        name, _ = self._relayed.get(self._place(request, place), ("", None))
        return name

    def _place(self, request: gr.Request, place: str) -> str:
        return f"{place} {self.visitor(request)} {request.session_hash}"

    async def latest_only(
        self, request: gr.Request, updates: AsyncIterator[T], place: str = "stage", *, name: str = ""
    ) -> AsyncIterator[T]:
        """Relay the updates until they end, or until the same page calls this again for the same `place`.

        An update that is still being made then is dropped: it would replace what the page shows since. `name` is for `relayed`.

        A page is identified by its visitor and its `session_hash`; the hash alone is chosen by the browser, and can be copied.
        """
        page = self._place(request, place)
        if page in self._relayed:
            self._relayed[page][1].set()
        stop = asyncio.Event()
        self._relayed[page] = name, stop
        stopped = asyncio.create_task(stop.wait())
        try:
            while True:
                upcoming = asyncio.ensure_future(anext(updates))
                await asyncio.wait({upcoming, stopped}, return_when=asyncio.FIRST_COMPLETED)
                if stop.is_set():
                    upcoming.cancel()
                    await asyncio.gather(upcoming, return_exceptions=True)
                    return
                try:
                    yield upcoming.result()
                except StopAsyncIteration:
                    return
        finally:
            stopped.cancel()
            if self._relayed.get(page) == (name, stop):
                del self._relayed[page]


def _is_loopback(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def _signed_in(request: gr.Request, now: float) -> str | None:
    """The account in the session that Gradio has signed: OpenID's `sub`, which never changes."""
    sub = (_user(request, now) or {}).get("sub")
    return sub if isinstance(sub, str) and sub else None


def _user(request: gr.Request, now: float) -> Mapping[str, Any] | None:
    """What Hugging Face said of the account in the session that Gradio has signed."""
    raw = request.request
    session = raw.scope.get("session") if raw is not None else None
    info = session.get("oauth_info") if isinstance(session, Mapping) else None
    if not isinstance(info, Mapping) or not isinstance(info.get("userinfo"), Mapping):
        return None
    expires_at = info.get("expires_at")
    if isinstance(expires_at, int | float) and expires_at < now:
        return None
    user: Mapping[str, Any] = info["userinfo"]
    return user
