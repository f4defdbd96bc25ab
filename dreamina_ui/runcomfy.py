"""RunComfy's asynchronous Model API: submit, status, result, cancel, price.

The only module that knows its addresses. Two rules shape it: a paid POST is never repeated, and the key goes
to the API's own origin and nowhere else. Facts about the API: RunComfy's documentation and public clients.
"""

import asyncio
import json
import logging
import math
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from random import random as uniform
from typing import Any, Literal, Self, TypeVar
from urllib.parse import quote

import httpx

from dreamina_ui.connections import Connections
from dreamina_ui.errors import (
    InputRefused,
    KeyMissing,
    KeyRefused,
    NoBalance,
    OutcomeUnknown,
    PermissionDenied,
    Refusal,
    ServiceError,
    TooManyRequests,
    Unavailable,
    UnknownModel,
    UnknownRequest,
    Unreachable,
    UnreadableReply,
)
from dreamina_ui.runcomfy_replies import (
    REQUEST_ID,
    Cancellation,
    Outcome,
    Phase,
    Price,
    Reply,
    Result,
    Status,
    Submitted,
    cancellation_in,
    clean,
    price_in,
    request_id_in,
    result_in,
    status_in,
)

__all__ = ["Cancellation", "Outcome", "Phase", "Price", "Result", "RunComfy", "Status", "Submitted"]

T = TypeVar("T")
About = Literal["model", "job", "cancellation"]

TRIES = 3
FIRST_BACKOFF_S = 0.5
LONGEST_WAIT_S = 5.0
"""A longer Retry-After is not slept here: the caller has a schedule of its own to put it on."""
LONGEST_RETRY_AFTER_S = 300.0
LARGEST_REPLY = 1 << 20  # bytes

RETRIED = (Unavailable, Unreachable, UnreadableReply, TooManyRequests)
NEVER_LEFT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.InvalidURL)

BY_ERROR_CODE: Mapping[int, type[ServiceError]] = {
    400001: UnknownModel,
    400002: NoBalance,
    400004: KeyRefused,
    403001: PermissionDenied,
    404001: UnknownRequest,
    422001: InputRefused,
}
BY_STATUS: Mapping[int, type[ServiceError]] = {
    401: KeyRefused,
    402: NoBalance,
    403: PermissionDenied,
    404: UnknownRequest,
    422: InputRefused,
    429: TooManyRequests,
}
CERTAIN_UNREAD = (401, 429)
"""Statuses believed without a readable body. Both are decided before a request is handled, often by a gateway
that has no JSON to say: nothing was charged. Not so 403: a firewall also gives it *after* the service acted,
when it dislikes the reply. Nor 400 and 404, which a proxy gives for reasons of its own. On a submit those are
`OutcomeUnknown`; on a GET they deserve another try rather than the end of a paid job."""


class RunComfy:
    """A client for one `base` (with `/v1`). Each call takes its visitor's `key`; None sends no Authorization.

    A call raises `ServiceError` and nothing else. All share a few httpx clients: one each is dear.
    """

    def __init__(
        self,
        base: str,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        connect_timeout_s: float = 5.0,
        read_timeout_s: float = 30.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        random: Callable[[], float] = uniform,
        now: Callable[[], float] = time.time,
        may_retry: Callable[[], bool] = lambda: True,
    ) -> None:
        # At DEBUG it writes down the headers of answers, in which a service may repeat a key.
        logging.getLogger("httpcore").setLevel(logging.INFO)
        self._base = base.rstrip("/")
        self._may_retry = may_retry
        self._sleep, self._random, self._now = sleep, random, now
        # httpx's time-outs start anew with every byte; this bound ends a reply that drips.
        self._longest_call_s = 2 * connect_timeout_s + 3 * read_timeout_s
        self._connections = Connections(
            transport=transport,
            timeout=httpx.Timeout(read_timeout_s, connect=connect_timeout_s),
            # No compression: the cap on a reply must hold for what it unpacks to.
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._connections.aclose()

    async def submit(self, model_id: str, payload: Mapping[str, Any], *, key: str | None) -> Submitted:
        """Ask for a paid generation. Sent once, whatever happens: RunComfy knows no idempotency key.

        Raises `Refusal` (not accepted, not charged), `Unreachable` (never left here) or `OutcomeUnknown`.
        """
        url = self._model_url(model_id)
        try:
            content = json.dumps(dict(payload), ensure_ascii=False, allow_nan=False).encode()
        except (TypeError, ValueError, RecursionError):
            raise InputRefused("the input cannot be written as JSON; nothing was sent") from None
        try:
            reply = await self._exchange("POST", url, key, "model", content)
        except (Refusal, Unreachable):
            raise
        except ServiceError as fault:
            codes = {"status_code": fault.status_code, "error_code": fault.error_code}
            raise OutcomeUnknown(fault.message, **codes) from None
        request_id = request_id_in(reply)
        if request_id is None:
            raise OutcomeUnknown("answered without a usable request id", status_code=reply.status_code)
        return Submitted(request_id)

    async def status(self, request_id: str, *, key: str | None) -> Status:
        """Raises `ServiceError`, after at most three tries."""
        return await self._get(self._request_url(request_id, "status"), key, status_in, "job")

    async def result(self, request_id: str, *, key: str | None) -> Result:
        """A request that failed is a value. Raises `ServiceError`, after at most three tries."""
        url = self._request_url(request_id, "result") + "?include_cost=true"
        return await self._get(url, key, result_in, "job")

    async def cancel(self, request_id: str, *, key: str | None) -> Cancellation:
        """Sent once. Only a queued request is cancelled (RunComfy documentation). Raises `ServiceError`."""
        url = self._request_url(request_id, "cancel")
        return cancellation_in(await self._exchange("POST", url, key, "cancellation"))

    async def price(self, model_id: str, *, key: str | None) -> Price:
        """Perhaps not offered: `UnknownModel` then. Raises `ServiceError`, after at most three tries."""
        return await self._get(self._model_url(model_id), key, price_in, "model")

    async def model(self, model_id: str, *, key: str | None) -> dict[str, Any]:
        """All that the service says about a model, as it says it. Raises `ServiceError`, after at most three tries."""
        return await self._get(self._model_url(model_id), key, lambda reply: dict(reply.body or {}), "model")

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
        tries = 1
        while True:
            try:
                return read(await self._exchange("GET", url, key, about))
            except RETRIED as fault:
                # Full jitter; and a Retry-After of 0 is no leave to hammer.
                wait_s = max(fault.retry_after_s or 0.0, self._random() * FIRST_BACKOFF_S * 2 ** (tries - 1))
                if tries == TRIES or wait_s > LONGEST_WAIT_S or not self._may_retry():
                    raise
            await self._sleep(wait_s)
            tries += 1

    async def _exchange(
        self, method: str, url: str, key: str | None, about: About, content: bytes | None = None
    ) -> Reply:
        """Send once, and return a reply that is no fault. Raises `ServiceError`."""
        headers = _authorization(key) | ({"Content-Type": "application/json"} if content else {})
        if self._connections.is_closed:
            raise Unreachable("the client is closed; nothing was sent")
        fault: ServiceError | None = None
        response: httpx.Response | None = None
        body = bytearray()
        try:
            async with (
                asyncio.timeout(self._longest_call_s),
                self._connections.client() as client,
                client.stream(method, url, headers=headers, content=content) as response,
            ):
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > LARGEST_REPLY:
                        break
        except Exception as error:
            # Not only httpx's own: transports have let an OSError or the RuntimeError of a closed socket by.
            kind = Unreachable if isinstance(error, NEVER_LEFT) else Unavailable
            fault = kind(clean(f"{type(error).__name__}: {error}", key))
        # Raised out here, so that no exception's context leads to a request and its headers. A reply that
        # broke off is still read: JSON shows by itself whether it is whole, and a status may say enough.
        if response is not None:
            waited = retry_after_s(response.headers.get("Retry-After"), self._now())
            reply = Reply(response.status_code, _json_object(body), waited, key)
            if reply.body is not None or not reply.ok or fault is None:
                # An error code beside the status "failed" tells of the job: it ends the job, not this call.
                fault = None if about == "job" and reply.tells_of_a_failed_job else fault_in(reply, about)
        if fault is not None:
            raise fault
        return reply


def fault_in(reply: Reply, about: About) -> ServiceError | None:
    """The exception a reply stands for, None for none: by `error_code` first, then by the HTTP status."""
    held = reply.get("error_code")
    coded = bool(held) and held != "0"
    error_code = _whole(held)
    kind = BY_ERROR_CODE.get(error_code or 0) or _kind_by_status(reply, coded, error_code)
    if kind is None:
        return None
    if kind is UnknownRequest and about == "model":
        kind = UnknownModel
    names = ("error_message", "message", "error", "detail")
    # What is wrong with the input stands in `detail`; a message beside it only says that something is.
    text = reply.text(*(("detail", *names) if kind is InputRefused else names)) or f"HTTP {reply.status_code}"
    paced = reply.retry_after_s if kind in (TooManyRequests, Unavailable) else None
    return kind(text, status_code=reply.status_code, error_code=error_code, retry_after_s=paced)


def _kind_by_status(reply: Reply, coded: bool, error_code: int | None) -> type[ServiceError] | None:
    status = reply.status_code
    if reply.ok and coded:
        # HTTP 200 with an error code is an error; the codes begin with the HTTP status they mean.
        status = (error_code or 0) // 1000
    elif reply.ok and reply.body is not None:
        return None
    if 500 <= status < 600:
        return Unavailable
    if 400 <= status < 500 and (reply.body is not None or status in CERTAIN_UNREAD):
        return BY_STATUS.get(status, Refusal)
    return UnreadableReply


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


def _json_object(body: bytearray) -> dict[str, Any] | None:
    if len(body) > LARGEST_REPLY:
        return None
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _whole(value: object) -> int | None:
    """An error code as a number, which may stand in a string."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value):
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**9:
        return value
    return None
