"""What went wrong with a call: the exception for a reply, and the cause of a call without a reply. Pure."""

import errno
import socket
import ssl
from collections.abc import Iterator, Mapping
from typing import Literal

import httpx

from dreamina_ui.errors import (
    InputRefused,
    KeyRefused,
    NoBalance,
    PermissionDenied,
    Refusal,
    ServiceError,
    TooManyRequests,
    Unavailable,
    UnknownModel,
    UnknownRequest,
    UnreadableReply,
)
from dreamina_ui.runcomfy.reply import ERROR_NAMES, TALK_NAMES, Reply
from dreamina_ui.runcomfy.texts import explained, is_pleasantry, whole
from dreamina_ui.runcomfy.words import Outcome, outcome_of

__all__ = ["About", "Cause", "cause_of", "fault_in"]

About = Literal["submit", "status", "result", "cancel", "model", "balance"]
Cause = Literal["name", "certificate", "proxy", "refused", "network", "timeout", "dropped", "server"]

BY_ERROR_CODE: Mapping[int, type[ServiceError]] = {
    10001: NoBalance,
    400001: UnknownModel,
    400002: NoBalance,
    400004: KeyRefused,
    401001: KeyRefused,
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
PROXY_LOGIN = 407

NO_WAY = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.EADDRNOTAVAIL})


def fault_in(reply: Reply, about: About) -> ServiceError | None:
    """The exception for a reply, by its error code first, then by the HTTP status; None if it is no error."""
    if about in ("status", "result") and (reply.is_not_ready or reply.tells_of_a_failed_request):
        return None
    kind, error_code = _kind_by_code(reply, about)
    kind = kind or _kind_by_status(reply, about)
    if kind is None:
        return None
    if kind is UnknownRequest and about in ("submit", "model"):
        kind = UnknownModel
    names = ("error_message", "message", "error", *TALK_NAMES, *ERROR_NAMES)
    # What is wrong with the input stands in `detail`; a message beside it only says that something is.
    said = reply.text(*(("detail", *names) if kind is InputRefused else names))
    text = said or (explained(str(error_code)) if error_code else f"HTTP {reply.status_code}")
    is_away = kind is Unavailable
    return kind(
        text,
        status_code=reply.status_code,
        error_code=error_code,
        retry_after_s=reply.retry_after_s if is_away or kind is TooManyRequests else None,
        cause=("proxy" if reply.status_code == PROXY_LOGIN else "server") if is_away else None,
        answered=True if said and reply.ok and (is_away or kind is UnreadableReply) else None,
    )


def _kind_by_code(reply: Reply, about: About) -> tuple[type[ServiceError] | None, int | None]:
    """By the code in the body; (None, code) where it is none of an error, or tells less than the HTTP status."""
    outer = reply.levels[0] if reply.levels else {}
    held = outer.get("error_code")
    inner = outer.get("error")
    others = [outer.get("errcode"), outer.get("err_code"), outer.get("code")]
    others += [inner.get("code"), inner.get("error_code")] if isinstance(inner, dict) else []
    number = whole(held)
    other = next((code for value in others if (code := whole(value)) is not None and code not in (0, 200)), None)
    kind = BY_ERROR_CODE.get(number or other or 0)
    if kind is not None or not reply.ok:
        return kind, number or other
    if held and not is_pleasantry(str(held)):
        # HTTP 200 with an error code is an error; the codes begin with the HTTP status they mean.
        return _kind_of((number or 0) // 1000) or UnreadableReply, number
    tells_state = about in ("status", "result") and reply.word and outcome_of(reply.word) is not Outcome.FAILED
    if other is None or about == "submit" or tells_state:
        # A submit with an odd code may have been accepted, and a request's state says more than a code.
        return None, None
    return _kind_of(other if other < 1000 else other // 1000), other


def _kind_of(status: int) -> type[ServiceError] | None:
    if 500 <= status < 600:
        return Unavailable
    return BY_STATUS.get(status, Refusal) if 400 <= status < 500 else None


def _kind_by_status(reply: Reply, about: About) -> type[ServiceError] | None:
    status = reply.status_code
    if status == PROXY_LOGIN or 500 <= status < 600:
        return Unavailable
    is_list = isinstance(reply.body, list) and any(isinstance(item, dict) for item in reply.body)
    if reply.ok:
        readable = reply.is_object or (about in ("status", "result") and isinstance(reply.body, str | list))
        return None if readable else UnreadableReply
    if 400 <= status < 500 and (reply.is_object or is_list or status in CERTAIN_UNREAD):
        return BY_STATUS.get(status, Refusal)
    return UnreadableReply


def cause_of(error: BaseException, *, never_left: bool, by_proxy: bool = False) -> Cause:
    """Why a call has no reply, by the exceptions behind it; `never_left` decides where none of them tells.

    With `by_proxy`, what kept the call from leaving was the proxy, unless it was a certificate.
    """
    behind = list(_behind(error))

    def is_one(*kinds: type[BaseException]) -> bool:
        return any(isinstance(one, kinds) for one in behind)

    dropped = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ConnectionResetError, ConnectionAbortedError, BrokenPipeError)
    is_certificate = is_one(ssl.SSLError) and not is_one(ssl.SSLEOFError, ssl.SSLZeroReturnError)
    if is_one(httpx.ProxyError) or (by_proxy and never_left and not is_certificate):
        return "proxy"
    if is_one(socket.gaierror):
        return "name"
    if is_certificate:
        return "certificate"
    if is_one(ConnectionRefusedError):
        return "refused"
    if is_one(httpx.TimeoutException, TimeoutError):
        return "timeout"
    if is_one(*dropped):
        return "dropped"
    if any(isinstance(one, OSError) and one.errno in NO_WAY for one in behind):
        return "network"
    return "network" if never_left else "dropped"


def _behind(error: BaseException | None, depth: int = 12) -> Iterator[BaseException]:
    """An exception, those it was raised from, and those in groups of them."""
    if error is None or not depth:
        return
    yield error
    yield from _behind(error.__cause__, depth - 1)
    if error.__context__ is not error.__cause__:
        yield from _behind(error.__context__, depth - 1)
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _behind(one, depth - 1)
