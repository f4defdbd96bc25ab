"""RunComfy's asynchronous Model API: submit, status, result, cancel, price, balance.

The only module that knows its addresses. Two rules shape it: a paid POST is never repeated, and the key goes
to the API's own origin, for the balance to that of the account, and nowhere else. Facts about the API: RunComfy's
documentation and public clients.
"""

import asyncio
import json
import logging
import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, Self, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import httpx

from dreamina_ui.clock import SYSTEM_CLOCK, Clock
from dreamina_ui.config.network import DIRECT, Network, ProxyProgress
from dreamina_ui.errors import (
    InputRefused,
    KeyMissing,
    KeyRefused,
    OutcomeUnknown,
    Refusal,
    ServiceError,
    TooManyRequests,
    Unavailable,
    UnknownModel,
    UnknownRequest,
    Unreachable,
    UnreadableReply,
)
from dreamina_ui.retrying import GET_POLICY, RetryBudget
from dreamina_ui.runcomfy.connections import KEPT_S, Connections
from dreamina_ui.runcomfy.direct import DirectGets
from dreamina_ui.runcomfy.faults import About, cause_of, fault_in
from dreamina_ui.runcomfy.replies import (
    REQUEST_ID,
    Cancellation,
    Price,
    Result,
    Status,
    Submitted,
    balance_in,
    cancellation_in,
    price_in,
    result_in,
    status_in,
    submitted_in,
)
from dreamina_ui.runcomfy.reply import Reply
from dreamina_ui.runcomfy.texts import clean
from dreamina_ui.runcomfy.words import Outcome, Phase

__all__ = ["Cancellation", "Outcome", "Phase", "Price", "Result", "RunComfy", "Status", "Submitted", "balance_url"]

T = TypeVar("T")

LONGEST_WAIT_S = 5.0
"""A longer Retry-After is not slept here: the caller has its own schedule."""
LONGEST_RETRY_AFTER_S = 300.0
LARGEST_REPLY = 1 << 20  # bytes
LARGEST_RESULT = 1 << 23
"""Bytes. A result may hold its files as data URIs."""
SUBMIT_TIMEOUT_S = 90.0
"""RunComfy's own clients wait 60 to 120 s for the answer to a POST, and giving up early loses a paid request's id."""
SLOWEST_UPLOAD = 100_000
"""Bytes a second at which an input may still be sent."""

API_ORIGIN, ACCOUNT_ORIGIN = "https://model-api.runcomfy.net", "https://api.runcomfy.net"
BALANCE_PATH = "/prod/v2/balance"

ASKED_OFTEN: Collection[About] = ("status", "result")
RETRIED = (Unavailable, Unreachable, UnreadableReply, TooManyRequests)
NEVER_LEFT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError, httpx.InvalidURL)
"""A `ProxyError` is one of making the connection: a request has a way to the service only after the proxy's yes."""


class RunComfy:
    """A client for one `base` (with `/v1`). Each call takes its visitor's `key`; None sends no Authorization.

    A call raises `ServiceError` and nothing else. All calls share a few httpx clients, which reach the service by `transport`, or
    over `network`; without a transport, making this reads the certificates, and blocks. `budget` bounds the retries; None does
    not.
    """

    def __init__(
        self,
        base: str,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        network: Network = DIRECT,
        connect_timeout_s: float = 5.0,
        read_timeout_s: float = 30.0,
        submit_timeout_s: float = SUBMIT_TIMEOUT_S,
        clock: Clock = SYSTEM_CLOCK,
        budget: RetryBudget | None = None,
    ) -> None:
        # At DEBUG it writes down the headers of answers, in which a service may repeat a key.
        logging.getLogger("httpcore").setLevel(logging.INFO)
        self._base = base.rstrip("/")
        self._clock = clock
        self._budget = budget
        self._timeout = httpx.Timeout(read_timeout_s, connect=connect_timeout_s)
        self._submit_timeout = httpx.Timeout(submit_timeout_s, connect=connect_timeout_s)
        # httpx's time-outs start again with every byte; these bounds also end a slow reply.
        self._longest_call_s = 2 * connect_timeout_s + 3 * read_timeout_s
        self._longest_submit_s = 2 * connect_timeout_s + 2 * submit_timeout_s
        self._balance_url = balance_url(self._base)
        self._proxy = None if transport else network.proxy_of(self._base)
        self._account_proxy = None if transport else network.proxy_of(self._balance_url)
        # No compression: the cap on a reply must hold for what it unpacks to.
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        tls = None if transport else network.tls()
        self._connections = Connections(
            transport=transport, tls=tls, proxy=self._proxy, timeout=self._timeout, headers=headers
        )
        self._account_connections = Connections(
            transport=transport, tls=tls, proxy=self._account_proxy, timeout=self._timeout, headers=headers
        )
        self._direct = (
            DirectGets(
                self._base,
                tls=tls,
                headers=headers,
                connect_timeout_s=connect_timeout_s,
                read_timeout_s=read_timeout_s,
                kept_s=KEPT_S,
            )
            if tls is not None and self._proxy is None
            else None
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        if self._direct is not None:
            self._direct.close()
        await self._connections.aclose()
        await self._account_connections.aclose()

    async def submit(self, model_id: str, payload: Mapping[str, Any], *, key: str | None) -> Submitted:
        """Ask for a paid generation. Sent once, whatever happens: RunComfy knows no idempotency key.

        Raises `Refusal` (not accepted, not charged), `Unreachable` (never left here) or `OutcomeUnknown`.
        """
        url = self._model_url(model_id)
        try:
            # With files in it, a body has up to 64 MB.
            content = await asyncio.to_thread(_body, payload) if _has_files(payload) else _body(payload)
        except (TypeError, ValueError, RecursionError):
            raise InputRefused("the input cannot be written as JSON; nothing was sent") from None
        try:
            return submitted_in(await self._exchange("POST", url, key, "submit", content))
        except (Refusal, Unreachable, OutcomeUnknown):
            raise
        except ServiceError as fault:
            cause, answered = fault.facts.get("cause"), fault.facts.get("answered")
            codes = {"status_code": fault.status_code, "error_code": fault.error_code}
            raise OutcomeUnknown(fault.message, **codes, cause=cause, answered=answered) from None

    async def status(self, request_id: str, *, key: str | None) -> Status:
        """Raises `ServiceError`, after at most three tries."""
        return await self._get(self._request_url(request_id, "status"), key, status_in, "status")

    async def result(self, request_id: str, *, key: str | None) -> Result:
        """A request that failed is a value. Raises `ServiceError`, after at most three tries."""
        url = self._request_url(request_id, "result") + "?include_cost=true"
        return await self._get(url, key, result_in, "result")

    async def cancel(self, request_id: str, *, key: str | None) -> Cancellation:
        """Sent once. Only a queued request is cancelled (RunComfy documentation). Raises `ServiceError`."""
        url = self._request_url(request_id, "cancel")
        return cancellation_in(await self._exchange("POST", url, key, "cancel"))

    async def price(self, model_id: str, *, key: str | None) -> Price:
        """Perhaps not offered: `UnknownModel` then. Raises `ServiceError`, after at most three tries."""
        return await self._get(self._model_url(model_id), key, price_in, "model")

    async def balance(self, *, key: str) -> float:
        """US dollars that the key's account has left, perhaps less than nothing. Asked once. Raises `ServiceError`."""
        return balance_in(await self._exchange("GET", self._balance_url, key, "balance"))

    async def model(self, model_id: str, *, key: str | None) -> dict[str, Any]:
        """All that the service says about a model, as it says it. Raises `ServiceError`, after at most three tries."""
        return await self._get(self._model_url(model_id), key, lambda reply: dict(reply.body), "model")

    async def models(self, *, search: str, limit: int, offset: int, key: str | None) -> list[dict[str, Any]]:
        """A page of the catalogue: what the service says of each model, its schema included. Raises `ServiceError`."""
        query = urlencode({"search": search, "include_schema": "true", "limit": limit, "offset": offset})

        def read(reply: Reply) -> list[dict[str, Any]]:
            models = reply.body.get("models")
            if not isinstance(models, list):
                raise UnreadableReply("no list of models")
            return [dict(each) for each in models if isinstance(each, Mapping)]

        return await self._get(f"{self._base}/models?{query}", key, read, "model")

    def _model_url(self, model_id: str) -> str:
        parts = model_id.split("/")
        # A dot segment would be folded away, and the key sent to another address of the API.
        if any(part in ("", ".", "..") or not part.isprintable() for part in parts):
            raise UnknownModel("not a model id; nothing was sent")
        return f"{self._base}/models/" + "/".join(quote(part, safe="") for part in parts)

    def _request_url(self, request_id: str, call: str) -> str:
        if not REQUEST_ID.fullmatch(request_id):
            raise UnknownRequest("not a request id; nothing was sent")
        return f"{self._base}/requests/{request_id}/{call}"

    async def _get(self, url: str, key: str | None, read: Callable[[Reply], T], about: About) -> T:
        """Ask up to three times; a GET costs nothing and changes nothing."""
        failures = 0
        while True:
            try:
                return read(await self._exchange("GET", url, key, about))
            except RETRIED as fault:
                failures += 1
                is_long = (fault.retry_after_s or 0.0) > LONGEST_WAIT_S
                if GET_POLICY.is_last(failures) or is_long or not (self._budget is None or self._budget.spend()):
                    raise
                wait_s = GET_POLICY.wait_s(failures, self._clock.random(), fault.retry_after_s)
            await self._clock.sleep(wait_s)

    async def _exchange(
        self, method: str, url: str, key: str | None, about: About, content: bytes | None = None
    ) -> Reply:
        """Send once, and return a reply that is no fault. Raises `ServiceError`."""
        headers = _authorization(key) | ({"Content-Type": "application/json"} if content else {})
        if self._connections.is_closed:
            raise Unreachable("the client is closed; nothing was sent")
        is_submit = about == "submit"
        longest_s = self._longest_submit_s + len(content or b"") / SLOWEST_UPLOAD if is_submit else self._longest_call_s
        largest = LARGEST_RESULT if about == "result" else LARGEST_REPLY
        timeout = self._submit_timeout if is_submit else self._timeout
        fault: ServiceError | None = None
        came: _Came | None = None
        progress = ProxyProgress()
        of_account = about == "balance"
        connections = self._account_connections if of_account else self._connections
        proxy = self._account_proxy if of_account else self._proxy
        try:
            async with asyncio.timeout(longest_s):
                # Most calls are these: they go the shortest way.
                if about in ASKED_OFTEN and self._direct is not None and self._direct.is_usable:
                    answer = await self._direct.get(url, headers, largest=largest)
                    if answer is not None:
                        came = _Came(answer.status, _text(answer.headers.get(b"retry-after")), answer.body)
                        if answer.broken is not None:
                            raise answer.broken
                if came is None:
                    extensions = {"trace": progress} if proxy else {}
                    async with (
                        connections.client() as client,
                        client.stream(
                            method, url, headers=headers, content=content, timeout=timeout, extensions=extensions
                        ) as response,
                    ):
                        came = _Came(response.status_code, response.headers.get("Retry-After"), bytearray())
                        async for chunk in response.aiter_bytes():
                            came.body += chunk
                            if len(came.body) > largest:
                                came.body.clear()
                                break
        except Exception as error:
            # Not only httpx's own: transports have let an OSError or the RuntimeError of a closed socket by.
            never_left = isinstance(error, NEVER_LEFT) or (came is None and progress.is_asking_proxy)
            kind = Unreachable if never_left else Unavailable
            text = clean(f"{type(error).__name__}: {error}", key)
            by_proxy = proxy is not None
            fault = kind(text, cause=cause_of(error, never_left=never_left, by_proxy=by_proxy))
        # Raised out here, so that no exception's context leads to a request and its headers. A reply that
        # broke off is still read: JSON shows by itself whether it is whole, and a status may say enough.
        if came is not None:
            waited = retry_after_s(came.retry_after, self._clock.now())
            reply = Reply(came.status, _json(came.body), waited, key, url, self._base)
            if reply.body is not None or not reply.ok or fault is None:
                fault = fault_in(reply, about)
        if fault is not None:
            raise fault
        return reply


@dataclass(slots=True)
class _Came:
    """A reply, as far as it came."""

    status: int
    retry_after: str | None
    body: bytearray


def balance_url(base: str) -> str:
    """Where the balance is asked for: at the account's own origin for RunComfy's API; for any other `base` at its own, so that
    no other host gets its key."""
    parts = urlsplit(base)
    origin = f"{parts.scheme}://{parts.netloc}"
    return (ACCOUNT_ORIGIN if origin.lower() in (API_ORIGIN, f"{API_ORIGIN}:443") else origin) + BALANCE_PATH


def _text(header: bytes | None) -> str | None:
    return None if header is None else header.decode("latin-1")


def retry_after_s(header: str | None, now: float) -> float | None:
    """Seconds to wait, at most 300, of a number or an HTTP date (RFC 9110); `now` is since the epoch."""
    header = (header or "").strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", header):
        return min(float(header), LONGEST_RETRY_AFTER_S)
    try:
        date = parsedate_to_datetime(header)
        seconds = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER_S) if math.isfinite(seconds) else None


def _authorization(key: str | None) -> dict[str, str]:
    if key is None:
        return {}
    if not key:
        raise KeyMissing("no key is set; nothing was sent")
    # Anything else cannot stand in a header, and the error of the HTTP library would print it.
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise KeyRefused("the key holds characters no key has; nothing was sent")
    return {"Authorization": f"Bearer {key}"}


def _has_files(payload: Mapping[str, Any]) -> bool:
    values = (each for value in payload.values() for each in (value if isinstance(value, list) else [value]))
    return any(not isinstance(each, str | int | float | None) or str(each)[:5] == "data:" for each in values)


def _body(payload: Mapping[str, Any]) -> bytes:
    return json.dumps(dict(payload), ensure_ascii=False, allow_nan=False).encode()


def _json(body: bytearray) -> Any:
    """The value of a JSON text; None where it is none. What follows an object is not looked at."""
    try:
        # A stray byte of another encoding must not cost the reply.
        text = body.decode(json.detect_encoding(body), "replace").lstrip("\ufeff").lstrip()
        value, _ = json.JSONDecoder().raw_decode(text)
        return value if isinstance(value, dict) else json.loads(text)
    except (ValueError, RecursionError):
        return None
