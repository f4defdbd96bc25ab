"""What a call of an event has to look like, and whose it is, before Gradio reads it.

Gradio takes what strangers send at its word: a body that is barely JSON, an event that is not there, a value that is none of
the choices end in a traceback in the log, or in an answer of 500. Here they end in one sentence.

A page's `session_hash` belongs to the visitor who used it first: Gradio lets the browser choose that name, and gives the page's
events to whoever says it. A program that keeps no cookie has a name that nobody else knows, and is left alone.
"""

import asyncio
import json
import math
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import Request, cookie_parser
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dreamina_ui.web.visitors import COOKIE, Visitors

__all__ = ["BODY_MOST", "CallCheck", "Event", "Input", "Sessions", "refusal", "replayed"]


API = "/gradio_api"
JOIN, DATA, CALL = f"{API}/queue/join", f"{API}/queue/data", f"{API}/call/"
WITH_BODY = (JOIN, CALL, f"{API}/cancel", f"{API}/reset")
FUNCTION = "x-dreamina-function"
"""The header by which our page says what it means by an event's number."""
BODY_MOST = 8 * 2**20
"""Bytes of a body: the largest call is a batch of 1 MB as JSON."""
DEPTH_MOST = 32
FILE_DATA = {"_type": "gradio.FileData"}


def refusal(status: int, code: str, sentence: str) -> JSONResponse:
    """The response to a call that goes no further: programs read the code, Gradio's browser side the detail."""
    return JSONResponse({"code": code, "message": sentence, "detail": sentence}, status)


@dataclass(frozen=True, slots=True)
class Input:
    """What a component of the page sends: an uploaded file, one or some of `choices`, or, with None, anything that is no file."""

    is_file: bool = False
    choices: Sequence[Any] | None = None
    takes_several: bool = False


@dataclass(frozen=True, slots=True)
class Event:
    """An event of the page: what it takes, in order; its name, if programs may call it; and what the page means by it."""

    inputs: Sequence[Input]
    public_name: str | None = None
    meaning: str | None = None


class CallCheck:
    """Middleware. `events` are by their number; `knows` tells whether a session or a call waits for an answer.

    `uploads` is the folder of what was handed in, the only one that a file may be named from.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        events: Mapping[int, Event],
        knows: Callable[[str], bool],
        uploads: Path,
        say: Callable[[Request, str], str],
    ) -> None:
        self._app = app
        self._events = events
        self._public = {event.public_name: event for event in events.values() if event.public_name}
        self._knows = knows
        self._uploads = uploads
        self._say = say

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] == "http" and scope["method"] == "GET" and path.startswith((DATA, CALL)):
            answer: Response | None = self._missed(Request(scope), path)
        elif scope["type"] == "http" and scope["method"] == "POST" and path.startswith(WITH_BODY):
            body, receive = await replayed(receive, BODY_MOST)
            uploads = self._uploads_named(path, body)
            if self._is_of_another_page(Request(scope), path, body):
                answer = refusal(409, "page_changed", self._say(Request(scope), "guard.page_changed"))
            elif uploads is not None and await _are_files(uploads):
                answer = None
            else:
                answer = refusal(422, "invalid_call", self._say(Request(scope), "guard.invalid_call"))
        else:
            answer = None
        await (answer or self._app)(scope, receive, send)

    def _is_of_another_page(self, request: Request, path: str, body: bytes) -> bool:
        """Whether an open page, made by another version of this program, means another function by this number."""
        meant = request.headers.get(FUNCTION)
        if meant is None or path != JOIN:
            return False
        try:
            event = self._joined(json.loads(body)["fn_index"])
        except (ValueError, TypeError, KeyError, RecursionError):
            return False
        return event is None or meant != event.meaning

    def _missed(self, request: Request, path: str) -> Response | None:
        """Gradio's own words for a stream that is not there, without its traceback."""
        if path == DATA:
            if self._knows(request.query_params.get("session_hash", "")):
                return None
            told = {"msg": "unexpected_error", "message": "404: Not Found", "session_not_found": True, "success": False}
            return Response(f"data: {json.dumps(told)}\n\n", media_type="text/event-stream")
        name, _, call = path.removeprefix(CALL).partition("/")
        if name in self._public and self._knows(call):
            return None
        return Response('event: error\ndata: "404: Not Found"\n\n', media_type="text/event-stream")

    def _uploads_named(self, path: str, body: bytes) -> list[Path] | None:
        """The uploads a call names; None if the call does not fit its event. Whether they are there is not looked at."""
        try:
            held = json.loads(body.decode(), parse_constant=_refuse)
            if not isinstance(held, dict) or not _is_plain(held):
                return None
        except (ValueError, RecursionError):
            return None
        if not path.startswith((JOIN, CALL)):
            return []
        event = self._joined(held.get("fn_index")) if path == JOIN else self._public.get(path.removeprefix(CALL))
        data = held.get("data")
        if event is None or not isinstance(data, list) or len(data) != len(event.inputs):
            return None
        said = held.get("event_data")  # by a listener: what changed, which may be a file that came
        if _names_a_file(said) and not self._is_upload(said):
            return None
        if not all(self._may_hold(block, value) for block, value in zip(event.inputs, data, strict=True)):
            return None
        return [Path(value["path"]) for value in (said, *data) if isinstance(value, dict) and "path" in value]

    def _joined(self, number: object) -> Event | None:
        return self._events.get(number) if isinstance(number, int) and not isinstance(number, bool) else None

    def _may_hold(self, taken: Input, value: Any) -> bool:
        if taken.is_file:
            return value is None or self._is_upload(value)
        if _names_a_file(value):
            return False
        if taken.choices is None or value is None:
            return True
        chosen = value if taken.takes_several and isinstance(value, list) else [value]
        return isinstance(value, list) is taken.takes_several and all(_is_one_of(taken.choices, one) for one in chosen)

    def _is_upload(self, value: Any) -> bool:
        """Whether it names an uploaded file the way Gradio's own page does."""
        if not isinstance(value, dict) or not isinstance(value.get("path"), str) or value.get("meta") != FILE_DATA:
            return False
        path = PurePath(value["path"])
        texts = all(
            value.get(name) is None or isinstance(value[name], str) for name in ("url", "orig_name", "mime_type")
        )
        sized = value.get("size") is None or isinstance(value["size"], int)
        inside = path.is_relative_to(self._uploads) and ".." not in path.parts and "\0" not in value["path"]
        return texts and sized and inside


async def _are_files(paths: Sequence[Path]) -> bool:
    return not paths or await asyncio.to_thread(lambda: all(path.is_file() for path in paths))


async def replayed(receive: Receive, most: int) -> tuple[bytes, Receive]:
    """The first `most` bytes of a request's body, or one message more; and a `receive` that gives all of it from the start."""
    messages: list[Message] = []
    size, more = 0, True
    while more and size <= most:
        message = await receive()
        messages.append(message)
        size += len(message.get("body", b""))
        more = message["type"] == "http.request" and message.get("more_body", False)

    async def replay() -> Message:
        return messages.pop(0) if messages else await receive()

    return b"".join(message.get("body", b"") for message in messages), replay


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _is_plain(value: Any, depth: int = 0) -> bool:
    """Whether it can be written again: no half of a character, no number beyond all bounds, no endless nesting."""
    if depth > DEPTH_MOST:
        return False
    if isinstance(value, str):
        return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    if isinstance(value, list):
        return all(_is_plain(one, depth + 1) for one in value)
    if isinstance(value, dict):
        return all(_is_plain(name) and _is_plain(one, depth + 1) for name, one in value.items())
    return True


def _is_one_of(choices: Sequence[Any], value: Any) -> bool:
    return any(value == choice and isinstance(value, bool) is isinstance(choice, bool) for choice in choices)


def _names_a_file(value: Any) -> bool:
    """Whether Gradio would take it, or something in it, for a file and go and fetch that."""
    if isinstance(value, dict):
        return "path" in value or any(map(_names_a_file, value.values()))
    return isinstance(value, list) and any(map(_names_a_file, value))


API = "/gradio_api"
HEARTBEAT = f"{API}/heartbeat/"
NAMED_IN_BODY = (f"{API}/queue/join", f"{API}/cancel", f"{API}/reset", f"{API}/call/")
SESSIONS_MOST = 100_000


class Sessions:
    """Middleware: refuses requests that name another visitor's session. `say` gives the sentence of a key."""

    def __init__(self, app: ASGIApp, visitors: Visitors, say: Callable[[Request, str], str]) -> None:
        self._app = app
        self._visitors = visitors
        self._say = say
        self._owners: OrderedDict[str, str] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        session, receive = await _session_of(scope, receive)
        if session and not self._may_use(session, self._visitor(scope)):
            # To a page that was its own this means that the cookie is lost.
            await refusal(403, "visitor_lost", self._say(Request(scope), "guard.session"))(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _visitor(self, scope: Scope) -> str | None:
        cookies = [value.decode("latin-1") for name, value in scope["headers"] if name == b"cookie"]
        return self._visitors.read(cookie_parser("; ".join(cookies)).get(COOKIE))

    def _may_use(self, session: str, visitor: str | None) -> bool:
        owner = self._owners.get(session)
        if owner is None:
            if visitor:
                self._owners[session] = visitor
                if len(self._owners) > SESSIONS_MOST:
                    self._owners.popitem(last=False)
            return True
        self._owners.move_to_end(session)
        return owner == visitor


async def _session_of(scope: Scope, receive: Receive) -> tuple[str, Receive]:
    """The session that a request names, or an empty text; and a `receive` that gives the body again if it was read."""
    path: str = scope["path"]
    if path == f"{API}/queue/data":
        return (parse_qs(scope["query_string"].decode("latin-1")).get("session_hash") or [""])[0], receive
    if path.startswith(HEARTBEAT):
        return path.removeprefix(HEARTBEAT), receive
    if scope["method"] != "POST" or not path.startswith(NAMED_IN_BODY):
        return "", receive
    body, replay = await replayed(receive, BODY_MOST)
    return _session_in(body), replay


def _session_in(body: bytes) -> str:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    session = content.get("session_hash") if isinstance(content, dict) else None
    return session if isinstance(session, str) else ""
