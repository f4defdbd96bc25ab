"""What a call of an event has to look like, and whose it is, before Gradio reads it.

Gradio checks little of it: a body that is not JSON, an event that does not exist, or a value that is none of the choices ends in
a traceback in the log, or in an answer of 500. Here each is refused with one sentence.

A body is read once, up to the size that its event takes, and parsed once, outside of the event loop if it is large.
"""

import asyncio
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, Protocol

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from dreamina_ui.config.pasted import plain_key
from dreamina_ui.errors import TooManyKeys
from dreamina_ui.web.checks.addresses import ADDRESS, BroughtKeys
from dreamina_ui.web.checks.bodies import (
    BODY,
    BODY_MOST,
    BYTES,
    LONG_BODY_MOST,
    Body,
    body_again,
    parsed,
    read_body,
)
from dreamina_ui.web.visitors import KEY_BROUGHT, Visitors

__all__ = ["API", "CallCheck", "Event", "Input", "Open", "refusal"]

API = "/gradio_api"
JOIN, DATA, CALL = f"{API}/queue/join", f"{API}/queue/data", f"{API}/call/"
WITH_BODY = (JOIN, CALL, f"{API}/cancel", f"{API}/reset")
FUNCTION = "x-dreamina-function"
"""The header by which our page says what it means by an event's number."""
KEY_HEADER = "x-runcomfy-key"
MCP = (f"{API}/mcp", f"{API}/mcp/")
UPLOADING = (f"{API}/upload", f"{API}/upload_progress")
NAME_MOST = 64
"""Characters of the name of a session or a call."""
_NAMED_EVENT = re.compile(rb'(?<!\\)"fn_index"\s*:\s*(\d{1,6})\b')
FILE_DATA = {"_type": "gradio.FileData"}


def refusal(status: int, code: str, sentence: str) -> JSONResponse:
    """The response to a call that goes no further: programs read the code, Gradio's browser side the detail."""
    return JSONResponse({"code": code, "message": sentence, "detail": sentence}, status)


@dataclass(frozen=True, slots=True)
class Input:
    """What a component of the page sends: an uploaded file, one or some of `choices`, or, with None, anything that is no file.

    `is_long`: it may be the text of a whole batch. `may_hold_files`: uploaded files may be in it, too.
    """

    is_file: bool = False
    may_hold_files: bool = False
    choices: Sequence[Any] | None = None
    takes_several: bool = False
    is_long: bool = False


@dataclass(frozen=True, slots=True)
class Event:
    """An event of the page: what it takes, in order; its name, if programs may call it; and what the page means by it."""

    inputs: Sequence[Input]
    public_name: str | None = None
    meaning: str | None = None
    brings_key: bool = False
    """Whether its first value is the visitor's own key."""
    defaults: Sequence[Any] = ()
    """Of its last inputs: what a program that leaves them out means by it."""

    @property
    def body_most(self) -> int:
        """Bytes of the body of a call."""
        return LONG_BODY_MOST if any(each.is_long for each in self.inputs) else BODY_MOST


class Open(Protocol):
    """The calls that are open."""

    def knows(self, name: str, /) -> bool:
        """Whether a session or a call of this name waits for an answer."""

    def has_room(self, session: str, visitor_id: str | None, address: str, /) -> bool:
        """Whether one more call of this session, this visitor and this address may come."""

    def tidy(self) -> None:
        """Forget answers that were not asked for."""


class CallCheck:
    """Middleware. `events` are by their number; `calls` are those that are open.

    `uploads` is the folder of what was uploaded, the only one that a file may be named from.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        events: Mapping[int, Event],
        calls: Open,
        visitors: Visitors,
        uploads: Path,
        say: Callable[..., str],
        keys: BroughtKeys | None = None,
    ) -> None:
        self._app = app
        self._events = events
        self._public = {event.public_name: event for event in events.values() if event.public_name}
        self._calls = calls
        self._visitors = visitors
        self._uploads = uploads
        self._say = say
        self._keys = keys or BroughtKeys()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer: Response | None = None
        if scope["type"] == "http":
            method, path = scope["method"], scope["path"]
            if path in UPLOADING:
                self._calls.tidy()
            if method == "GET" and path.startswith((DATA, CALL)):
                answer = self._missed(Request(scope), path)
            elif method == "POST" and path.startswith(WITH_BODY):
                most = self._public[path.removeprefix(CALL)].body_most if self._is_public(path) else LONG_BODY_MOST
                data = await read_body(scope, receive, most if path.startswith((JOIN, CALL)) else BODY_MOST)
                answer = await self._checked(scope, path, data)
                receive = body_again(data if data is None else scope[BYTES], receive)
            elif method == "POST" and path in MCP:
                data = await read_body(scope, receive, BODY_MOST)
                answer = self._key_refused(scope, Headers(scope=scope).get(KEY_HEADER))
                if data is None:
                    answer = self._refusal(scope, 413, "body", limit=BODY_MOST // 1000)
                receive = body_again(data, receive)
        await (answer or self._app)(scope, receive, send)

    async def _checked(self, scope: Scope, path: str, data: bytes | None) -> Response | None:
        """The answer to a call that goes no further. What the body says is in the scope then."""
        limit = LONG_BODY_MOST if self._may_be_long(path, data) else BODY_MOST
        if data is None or len(data) > limit:
            return self._refusal(scope, 413, "body", limit=limit // 1000)
        body = await parsed(data)
        if body.content is None:
            return self._refusal(scope, 422, "invalid_call")
        if left_out := self._left_out(path, body.content.get("data")):
            content = {**body.content, "data": [*body.content["data"], *left_out]}
            scope[BYTES] = json.dumps(content).encode()
            body = Body(scope[BYTES], content)
        scope[BODY] = body
        if self._is_of_another_page(Request(scope), path, body.content):
            return self._refusal(scope, 409, "page_changed")
        uploads = self._uploads_named(path, body)
        if uploads is None or not await _are_files(uploads):
            return self._refusal(scope, 422, "invalid_call")
        if path.startswith((JOIN, CALL)):
            event = self._joined(body.content.get("fn_index")) if path == JOIN else None
            if event is not None and event.brings_key and isinstance(key := body.content["data"][0], str):
                scope[KEY_BROUGHT] = plain_key(key)
            self._calls.tidy()
            session, address = body.content.get("session_hash"), scope.get(ADDRESS, "")
            if not self._calls.has_room(session or "", self._visitors.of_request(scope), address):
                return self._refusal(scope, 429, "busy")
            return self._key_refused(scope, scope.get(KEY_BROUGHT) or Headers(scope=scope).get(KEY_HEADER))
        return None

    def _key_refused(self, scope: Scope, key: str | None) -> Response | None:
        if not key or self._keys.may_bring(scope.get(ADDRESS, ""), key):
            return None
        return refusal(429, TooManyKeys.code, self._say(Request(scope), f"failure.{TooManyKeys.code}"))

    def _refusal(self, scope: Scope, status: int, key: str, **values: object) -> Response:
        return refusal(status, key, self._say(Request(scope), f"guard.{key}", **values))

    def _is_public(self, path: str) -> bool:
        return path.startswith(CALL) and path.removeprefix(CALL) in self._public

    def _may_be_long(self, path: str, data: bytes | None) -> bool:
        """Whether the body may name an event that takes a long one; told before it is parsed."""
        if self._is_public(path):
            return self._public[path.removeprefix(CALL)].body_most > BODY_MOST
        if path != JOIN or data is None:
            return False
        named = (self._events.get(int(number)) for number in _NAMED_EVENT.findall(data))
        return any(event is not None and event.body_most > BODY_MOST for event in named)

    def _is_of_another_page(self, request: Request, path: str, content: Mapping[str, Any]) -> bool:
        """Whether an open page, made by another version of this program, means another function by this number."""
        meant = request.headers.get(FUNCTION)
        if meant is None or path != JOIN or "fn_index" not in content:
            return False
        event = self._joined(content["fn_index"])
        return event is None or meant != event.meaning

    def _missed(self, request: Request, path: str) -> Response | None:
        """Gradio's own words for a stream that is not there, without its traceback."""
        if path == DATA:
            if self._calls.knows(request.query_params.get("session_hash", "")):
                return None
            told = {"msg": "unexpected_error", "message": "404: Not Found", "session_not_found": True, "success": False}
            return Response(f"data: {json.dumps(told)}\n\n", media_type="text/event-stream")
        name, _, call = path.removeprefix(CALL).partition("/")
        if name in self._public and self._calls.knows(call):
            return None
        return Response('event: error\ndata: "404: Not Found"\n\n', media_type="text/event-stream")

    def _uploads_named(self, path: str, body: Body) -> list[Path] | None:
        """The uploads a call names; None if the call does not fit its event. Whether they are there is not looked at."""
        held = body.content
        if not all(_is_name(held.get(name)) for name in ("session_hash", "event_id")):
            return None
        if not path.startswith((JOIN, CALL)):
            return []
        event = self._joined(held.get("fn_index")) if path == JOIN else self._public.get(path.removeprefix(CALL))
        data = held.get("data")
        if event is None or not isinstance(data, list) or len(data) != len(event.inputs):
            return None
        if len(body.data) > event.body_most:
            return None
        said = held.get("event_data")  # by a listener: what changed, which may be a file that came
        if _names_a_file(said) and not self._is_upload(said):
            return None
        if not all(self._may_hold(block, value) for block, value in zip(event.inputs, data, strict=True)):
            return None
        return [Path(file["path"]) for file in _files_in([said, *data])]

    def _left_out(self, path: str, data: Any) -> Sequence[Any]:
        """What a program means by the last inputs that its call leaves out: one that was added later breaks no program."""
        if not self._is_public(path) or not isinstance(data, list):
            return ()
        event = self._public[path.removeprefix(CALL)]
        missing = len(event.inputs) - len(data)
        return event.defaults[-missing:] if 0 < missing <= len(event.defaults) else ()

    def _joined(self, number: object) -> Event | None:
        return self._events.get(number) if isinstance(number, int) and not isinstance(number, bool) else None

    def _may_hold(self, taken: Input, value: Any) -> bool:
        if taken.is_file:
            return value is None or self._is_upload(value)
        if taken.may_hold_files:
            return all(map(self._is_upload, _files_in(value)))
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


def _is_name(value: Any) -> bool:
    """Whether it may stand where a name does: none, or one of a name's length."""
    return value is None or (isinstance(value, str) and len(value) <= NAME_MOST)


def _is_one_of(choices: Sequence[Any], value: Any) -> bool:
    return any(value == choice and isinstance(value, bool) is isinstance(choice, bool) for choice in choices)


def _names_a_file(value: Any) -> bool:
    """Whether Gradio would take it, or something in it, for a file and go and fetch that."""
    if isinstance(value, dict):
        return "path" in value or any(map(_names_a_file, value.values()))
    return isinstance(value, list) and any(map(_names_a_file, value))


def _files_in(value: Any) -> list[dict[str, Any]]:
    """All in a value that Gradio would take for a file."""
    if isinstance(value, dict):
        own = [value] if "path" in value else []
        return own + [file for each in value.values() for file in _files_in(each)]
    return [file for each in value for file in _files_in(each)] if isinstance(value, list) else []
