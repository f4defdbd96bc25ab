"""Reads requests and makes responses: regular ones, and those that a scripted fault changes."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from pathlib import Path
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response
from starlette.types import Receive, Scope, Send

from dreamina_ui.simulator.card import Refusal
from dreamina_ui.simulator.faults import SHAPES, Fault

__all__ = ["FAILED", "WIRE", "HangUp", "Reply", "call_urls", "iso_time", "origin", "read_json", "spoil"]

WIRE = "dreamina.simulator.send"
"""Key of the server's own `send` in the ASGI scope."""

FAILED = "The model could not make this video."
_SYNONYMS = {
    "in_queue": "pending", "in_progress": "processing", "completed": "succeeded", "succeeded": "completed",
    "cancelled": "canceled",
}  # fmt: skip
_REFUSALS = {
    "no_balance": (402, 400002, "Insufficient balance."),
    "bad_key": (401, 400004, "The token is invalid or expired."),
    "forbidden": (403, 403001, "Permission denied."),
    "gone_output": (404, 404001, "The file is gone."),
    "http_error": (503, None, "The service is not available."),
    "too_many": (429, 429001, "Too many requests."),
    "error_in_200": (200, 500001, "Internal error."),
    "error_shape": (400, None, "This did not work."),
}
_HTML = "<!doctype html><html><head><title>Error</title></head><body><h1>Bad gateway</h1></body></html>"


@dataclass(frozen=True, slots=True)
class Reply:
    """A handler's reply: an HTTP status with a JSON object, a file, or bytes."""

    code: int = 200
    body: Mapping[str, Any] = field(default_factory=dict)
    file: Path | None = None
    content: bytes | None = None
    media_type: str = ""

    def response(self) -> Response:
        if self.content is not None:
            return Response(self.content, media_type=self.media_type)
        if self.file is not None:
            return FileResponse(self.file, media_type="video/mp4")
        return _json(self.body, self.code)


async def read_json(request: Request) -> Any:
    """The body as JSON. Raises `Refusal` if it is not."""
    try:
        return json.loads(await request.body())
    except (ValueError, RecursionError, ClientDisconnect) as error:
        detail = {"loc": ["body"], "msg": "The body is not JSON.", "type": "json_invalid"}
        raise Refusal.invalid([detail]) from error


def origin(request: Request) -> str:
    """Scheme, host and port that the request was sent to."""
    return str(request.base_url).rstrip("/")


def call_urls(request: Request, request_id: str, *calls: str) -> dict[str, str]:
    base = f"{origin(request)}/v1/requests/{request_id}"
    return {f"{call}_url": f"{base}/{call}" for call in calls}


def iso_time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def spoil(fault: Fault, reply: Reply, now: Callable[[], float] = time.time) -> Response:
    """The response that `fault` makes of `reply`; for an early fault, `reply` holds only the request id."""
    kind = fault.kind
    if kind in {"reset", "lose_answer"}:
        return HangUp()
    if kind in {"html", "empty"} or (kind == "http_error" and fault.body != "json"):
        usual = 503 if kind == "http_error" else 200
        html = "html" in {kind, fault.body}
        return Response(_HTML if html else b"", fault.code or usual, media_type="text/html" if html else None)
    if kind == "truncated":
        whole = json.dumps(dict(reply.body))
        return Response(whole[: len(whole) // 2], fault.code or reply.code, media_type="application/json")
    if kind in _REFUSALS:
        return _refusal(fault, now)
    if kind == "wrong_video":
        return Response(b"This is no video. " * 256, media_type="video/mp4")
    if kind == "cut_video":
        return _CutFile(reply.file) if reply.file else HangUp()
    if kind in {"cancel_requested_only", "cancel_word"}:
        requested = {"status": "cancellation_requested"}
        refused = {**reply.body, "status": "completed", "outcome": "not_cancellable"}
        return _json(refused if kind == "cancel_word" else requested, fault.code or 202)
    return _json(_changed(fault, dict(reply.body)), fault.code or reply.code)


def _changed(fault: Fault, body: dict[str, Any]) -> dict[str, Any]:
    if fault.kind == "failed_result":
        body.pop("output", None)
        return {**body, "status": "failed", "error": fault.error or FAILED}
    if fault.kind == "never_finishes":
        kept = ("request_id", "status_url", "result_url", "created_at")
        return {**{name: body[name] for name in kept if name in body}, "status": "in_progress"}
    if fault.kind == "unknown_word":
        return {**body, "status": fault.word or "warming_up"}
    if fault.kind == "other_word":
        return {**body, "status": fault.word or _SYNONYMS.get(body["status"], body["status"])}
    shape = fault.shape or SHAPES[fault.kind][0]
    if fault.kind == "no_request_id":  # no URLs either: they contain the id
        ids: dict[str, Any] = {"null": None, "empty": "", "malformed": "../etc/passwd"}
        return {"status": "in_queue", **({"request_id": ids[shape]} if shape in ids else {})}
    first = next(iter(body["output"].values()))
    url = first[0] if isinstance(first, list) else first
    shapes = {
        "videos": {"videos": [url]}, "video_list": {"video": [url]}, "images": {"images": [url]},
        "image": {"image": url}, "videos_string": {"videos": url},
    }  # fmt: skip
    del body["output"]
    return {**body, "output": shapes[shape]} if shape in shapes else body


def _refusal(fault: Fault, now: Callable[[], float]) -> Response:
    code, error_code, message = _REFUSALS[fault.kind]
    code, error_code, message = fault.code or code, fault.error_code or error_code, fault.message or message
    if fault.kind == "error_shape":
        shapes: dict[str, Any] = {"error_object": {"error": {"message": message}}}
        shapes["detail"] = {"detail": [{"loc": ["body"], "msg": message, "type": "value_error"}]}
        shape = fault.shape or "error_message"
        body = {**shapes.get(shape, {shape: message}), **({"error_code": error_code} if error_code else {})}
        return _json(body, code)
    response = _json({"error_code": error_code or code * 1000 + 1, "error_message": message}, code)
    if fault.kind == "too_many" and fault.retry_after_s is not None:
        date = formatdate(now() + fault.retry_after_s, usegmt=True)
        response.headers["Retry-After"] = date if fault.as_date else str(fault.retry_after_s)
    return response


def _json(body: Mapping[str, Any], code: int) -> Response:
    # ASCII with escapes: a prompt may contain half a surrogate pair, which UTF-8 cannot encode.
    return Response(json.dumps(dict(body)), code, media_type="application/json")


class HangUp(Response):
    """Resets the connection (RST). Called in the process, without a connection, it raises `httpx.ReadError`."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        transport = _transport(scope)
        if transport is None:
            import httpx

            message = "Connection reset by the simulator"
            raise httpx.ReadError(message)
        _reset_on_close(transport)
        transport.abort()
        await _disconnected(receive)


class _CutFile(Response):
    """Sends half of a file under the `Content-Length` of all of it, then closes the connection.

    Called in the process, without a connection to close, the body is only too short.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(media_type="video/mp4")
        self._path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        whole = await asyncio.to_thread(self._path.read_bytes)
        headers = [(b"content-type", b"video/mp4"), (b"content-length", str(len(whole)).encode())]
        transport = _transport(scope)
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        body = whole[: len(whole) // 2]
        await send({"type": "http.response.body", "body": body, "more_body": transport is not None})
        if transport is not None:
            transport.close()  # after the half is sent
            await _disconnected(receive)


def _transport(scope: Scope) -> asyncio.Transport | None:
    # uvicorn's `send` is a method of the request's cycle, for h11 and httptools alike.
    cycle = getattr(scope.get(WIRE), "__self__", None)
    transport: asyncio.Transport | None = getattr(cycle, "transport", None)
    return transport


def _reset_on_close(transport: asyncio.Transport) -> None:
    connection = transport.get_extra_info("socket")
    if connection is not None:
        # Lingering for zero seconds makes the kernel send RST instead of FIN. Set on a duplicate, because the
        # socket objects of some event loops do not allow it.
        no_linger = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
        with socket.fromfd(connection.fileno(), connection.family, connection.type) as duplicate:
            duplicate.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
