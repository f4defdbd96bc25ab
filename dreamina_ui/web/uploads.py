"""Checks uploads while they stream: of a known visitor, one file that can have a record, or one table, of limited size; so
many and so much of one visitor, and of all.

Gradio itself accepts any number of files of any size and kind from anybody, and stores them for an hour or two.
"""

import asyncio
import re
import shutil
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePath

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.datastructures import Headers
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dreamina_ui.cards.encodings import WORKBOOKS
from dreamina_ui.media import kinds
from dreamina_ui.media.inputs import INPUTS, SIZE_MOST

__all__ = [
    "MEDIA",
    "MEDIA_ENDINGS",
    "RECORD_ENDINGS",
    "TABLE_ENDINGS",
    "TABLE_MOST",
    "VIDEO_MOST",
    "UploadLimits",
    "UploadQuota",
    "Uploads",
]

VIDEO_MOST = SIZE_MOST
"""Bytes: Dreamina's 10 s at 1080p are about 20 MB, and 64 MB are 10 s at 50 Mbit/s, the bit rate of a camera."""
TABLE_MOST = 2 * 2**20
"""Bytes: twice the limit of a batch, which has a message of its own for a table that is too big."""
PATH = "/gradio_api/upload"
FORM_MOST = 2**16
"""Bytes of the form around the file."""
TEXT_CHECKED = 12
KEPT_S = 2 * 3600.0
"""Seconds: Gradio looks each hour for files that are older than an hour."""
TIDIED_EVERY_S = 600.0
_CACHED = re.compile(r"[0-9a-f]{64}")
"""The names of Gradio's folders, one for each content."""
UTF_16 = (b"\xff\xfe", b"\xfe\xff")

Say = Callable[..., str]


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """What may be uploaded within `KEPT_S`, by one visitor and by all, and how many at once; `room` must stay free. In bytes."""

    files_each: int = 200
    files: int = 5_000
    bytes_each: int = 2**30
    bytes: int = 4 * 2**30
    at_once_each: int = 4
    at_once: int = 100
    room: int = 300 * 2**20


class UploadRefused(Exception):
    """`key` is the key of the sentence."""

    def __init__(self, status: int, key: str) -> None:
        super().__init__(key)
        self.status, self.key = status, key


@dataclass(frozen=True, slots=True)
class _Kind:
    most: int
    accepts: Callable[[bytes], bool]
    problem: str
    """The key of the sentence for a file whose first bytes do not fit."""


MEDIA = INPUTS
"""Kinds of files that a model can have as input."""
MEDIA_ENDINGS = (*(kind.plain_ending for kind in MEDIA), ".jpeg", ".tif")
TEXT_ENDINGS, WORKBOOK_ENDINGS = (".csv", ".tsv", ".txt"), (".xlsx", ".xls", ".ods", ".numbers")
TABLE_ENDINGS = (*TEXT_ENDINGS, *WORKBOOK_ENDINGS)
"""Of tables. A spreadsheet's own file is taken so that the batch can say how to save it."""
RECORD_ENDINGS = (".mp4", ".mov", ".m4a", ".png", ".jpg", ".jpeg", ".mp3", ".json")
"""Of files that can have a job's record."""
_CARRIERS = (kinds.MP4, kinds.MOV, kinds.MOBILE, kinds.M4A, kinds.PNG, kinds.JPEG, kinds.MP3)


def _can_carry(start: bytes) -> bool:
    return kinds.kind_of(start) in _CARRIERS


def _can_carry_or_is_medium(start: bytes) -> bool:
    return kinds.kind_of(start) in (*_CARRIERS, *MEDIA)


def _starts_as_object(start: bytes) -> bool:
    return start.lstrip().startswith(b"{")


def _starts_as_text(start: bytes) -> bool:
    # UTF-16 is text, too, without a mark as well; a workbook under another name is refused by the batch, which says more.
    start = start[:TEXT_CHECKED]
    if start.startswith((*UTF_16, *WORKBOOKS)):
        return True
    if len(start) > 3 and any(start) and (not any(start[::2]) or not any(start[1::2])):
        start = start.replace(b"\0", b"")
    return all(byte >= 32 or byte in b"\t\n\r" for byte in start)


_CARRIER = _Kind(VIDEO_MOST, _can_carry, "settings.no_record")
_RECORD = _Kind(TABLE_MOST, _starts_as_object, "settings.no_record")
_TABLE = _Kind(TABLE_MOST, _starts_as_text, "guard.upload.table")
_WORKBOOK = _Kind(VIDEO_MOST, lambda start: True, "guard.upload.table")
_MEDIUM = _Kind(VIDEO_MOST, _can_carry_or_is_medium, "upload.kind")
KINDS = {
    **dict.fromkeys(RECORD_ENDINGS, _CARRIER),
    ".json": _RECORD,
    **dict.fromkeys(TEXT_ENDINGS, _TABLE),
    **dict.fromkeys(WORKBOOK_ENDINGS, _WORKBOOK),
}


@dataclass(slots=True, eq=False)
class _Upload:
    """One upload: whose it is, and how much of it came; `at` in seconds of the clock."""

    visitor_id: str
    at: float
    size: int = 0


class UploadQuota:
    """Counts the uploads of the last two hours, those of an earlier start included; and removes what that left behind.

    `folder` is Gradio's. With `is_own`, nothing else is in it, and files that are older are removed: Gradio itself forgets, when
    it is killed, what it was to delete. `now` is a clock that never goes back.
    """

    def __init__(
        self,
        folder: Path,
        *,
        is_own: bool = False,
        limits: UploadLimits | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._is_own = is_own
        self._limits = limits or UploadLimits()
        self._now = now
        self._kept: deque[_Upload] = deque()
        self._running: set[_Upload] = set()
        self._bytes: Counter[str] = Counter()
        """By visitor; what an earlier start has taken is nobody's, the empty text's."""
        self._tidied_at: float | None = None

    async def begin(self, visitor_id: str, announced: int) -> _Upload:
        """Count an upload of so many bytes that begins now. Raises `UploadRefused`."""
        is_first = self._tidied_at is None
        if self._tidied_at is None or self._now() - self._tidied_at > TIDIED_EVERY_S:
            self._tidied_at = self._now()
            found = await asyncio.to_thread(self._tidy)
            if is_first:
                self._kept.extendleft(_Upload("", self._now() - age_s, size) for age_s, size in sorted(found))
                self._bytes.update({"": sum(size for _, size in found)})
        while self._kept and self._now() - self._kept[0].at > KEPT_S:
            self._forget(self._kept.popleft())
        limits, running = self._limits, [each for each in self._running if each.visitor_id == visitor_id]
        if len(running) >= limits.at_once_each or len(self._running) >= limits.at_once:
            raise UploadRefused(429, "guard.upload.at_once")
        of_visitor = len(running) + sum(each.visitor_id == visitor_id for each in self._kept)
        if of_visitor >= limits.files_each:
            raise UploadRefused(429, "guard.upload.many")
        if len(self._kept) + len(self._running) >= limits.files:
            raise UploadRefused(503, "guard.upload.full")
        self._check_bytes(visitor_id, announced)
        upload = _Upload(visitor_id, self._now())
        self._running.add(upload)  # before anything is awaited: others that begin meanwhile see it
        if await asyncio.to_thread(self._free) < announced + limits.room:
            self._running.discard(upload)
            raise UploadRefused(503, "guard.upload.full")
        return upload

    def add(self, upload: _Upload, size: int) -> None:
        """Count so many more bytes of it. Raises `UploadRefused`: others may have come meanwhile."""
        upload.size += size
        self._bytes[upload.visitor_id] += size
        self._check_bytes(upload.visitor_id, 0)

    def end(self, upload: _Upload, *, is_kept: bool) -> None:
        """It is over; what is not kept is no longer counted."""
        self._running.discard(upload)
        if is_kept:
            self._kept.append(upload)
        else:
            self._forget(upload)

    def _check_bytes(self, visitor_id: str, more: int) -> None:
        if self._bytes[visitor_id] + more > self._limits.bytes_each:
            raise UploadRefused(429, "guard.upload.many")
        if self._bytes.total() + more > self._limits.bytes:
            raise UploadRefused(503, "guard.upload.full")

    def _forget(self, upload: _Upload) -> None:
        self._bytes[upload.visitor_id] -= upload.size
        if self._bytes[upload.visitor_id] <= 0:
            del self._bytes[upload.visitor_id]

    def _free(self) -> int:
        return shutil.disk_usage(self._folder if self._folder.exists() else self._folder.parent).free

    def _tidy(self) -> list[tuple[float, int]]:
        """Remove what an earlier start left. Returns the age and the size of each file that is still there."""
        found = []
        for path in self._folder.rglob("*") if self._is_own else ():
            with suppress(OSError):  # Gradio removes files, too
                facts, is_file = path.stat(), path.is_file()
                age_s = time.time() - facts.st_mtime
                if is_file and age_s > KEPT_S:
                    path.unlink()
                elif is_file:
                    found.append((age_s, facts.st_size))
                elif _CACHED.fullmatch(path.name) and age_s > KEPT_S:
                    path.rmdir()  # where it is empty
        return found


class Uploads:
    """Middleware: of the upload's route, passes nothing on before visitor, quota, name, kind and announced size are checked.

    `visitor_of` gives the visitor of a request, or None. With `media`, pictures, videos and sounds are accepted, too. A fault
    that is found later ends the upload; Gradio then deletes its temporary file.
    """

    def __init__(
        self,
        app: ASGIApp,
        say: Say,
        *,
        quota: UploadQuota,
        visitor_of: Callable[[Scope], str | None],
        media: bool = False,
    ) -> None:
        self._app = app
        self._say = say
        self._quota = quota
        self._visitor_of = visitor_of
        self._kinds = {**KINDS, **dict.fromkeys(MEDIA_ENDINGS, _MEDIUM)} if media else KINDS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        body, upload, is_kept = _Body(receive), None, False
        try:
            if (visitor_id := self._visitor_of(scope)) is None:
                raise UploadRefused(403, "guard.upload.stranger")
            form = _Form(Headers(scope=scope), self._kinds)
            upload = await self._quota.begin(visitor_id, form.announced)
            form.count = partial(self._quota.add, upload)
            await body.read_ahead(form)
            if not body.is_disconnected:
                await self._app(scope, body.receive, body.unless_over(send))
                is_kept = not body.is_over
        except UploadRefused as error:
            body.refused = error
        except MultiPartException:
            if not body.is_over:
                raise
        finally:
            if upload is not None:
                self._quota.end(upload, is_kept=is_kept)
        if body.refused:
            await body.drain()
            sizes = {"video_mb": VIDEO_MOST // 2**20, "table_mb": TABLE_MOST // 2**20}
            sentence = self._say(Request(scope), body.refused.key, **sizes)
            await PlainTextResponse(sentence, body.refused.status)(scope, receive, send)


class _Body:
    """The request's body, which `_Form` checks before Gradio gets it."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._read_ahead: deque[Message] = deque()
        self._form: _Form | None = None
        self._more = True
        self.refused: UploadRefused | None = None
        self.is_disconnected = False

    @property
    def is_over(self) -> bool:
        return self.is_disconnected or self.refused is not None

    async def read_ahead(self, form: "_Form") -> None:
        """Read until the kind of the file is known. Raises `UploadRefused`."""
        self._form = form
        while not (form.file_is_known or self.is_disconnected):
            self._read_ahead.append(await self._next(form))

    async def receive(self) -> Message:
        """The app's `receive`. It raises `MultiPartException`, the only exception for which Gradio deletes its temporary file."""
        if self._read_ahead:
            return self._read_ahead.popleft()
        if not self._more or self._form is None:
            return await self._receive()
        try:
            message = await self._next(self._form)
        except UploadRefused as error:
            self.refused = error
            raise MultiPartException("refused") from error
        if self.is_disconnected:
            raise MultiPartException("the client has disconnected")
        return message

    def unless_over(self, send: Send) -> Send:
        async def send_unless_over(message: Message) -> None:
            if not self.is_over:
                await send(message)

        return send_unless_over

    async def drain(self) -> None:
        """Read the rest, up to a limit: a browser whose connection ends while it sends does not read the response."""
        read = 0
        while self._more and read <= VIDEO_MOST:
            message = await self._read()
            read += len(message.get("body", b""))

    async def _next(self, form: "_Form") -> Message:
        message = await self._read()
        if not self.is_disconnected:
            form.feed(message.get("body", b""), last=not self._more)
        return message

    async def _read(self) -> Message:
        message = await self._receive()
        self.is_disconnected = message["type"] == "http.disconnect"
        self._more = not self.is_disconnected and bool(message.get("more_body"))
        return message


class _Form:
    """Parses the body with the same parser as Gradio, so that both find the same parts."""

    def __init__(self, headers: Headers, kinds: Mapping[str, _Kind]) -> None:
        self._kinds = kinds
        kind, options = parse_options_header(headers.get("content-type", ""))
        # Gradio decodes names by the form's charset: with another one it could read another name than the one checked here.
        if kind != b"multipart/form-data" or options.get(b"charset", b"utf-8").lower() != b"utf-8":
            raise UploadRefused(400, "guard.upload.broken")
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > VIDEO_MOST + FORM_MOST:
            raise UploadRefused(413, "guard.upload.size")
        self.announced = int(length)
        self.count: Callable[[int], None] = lambda _: None
        """Told how many bytes came. May raise `UploadRefused`."""
        self.file_is_known = self._ended = False
        self._kind: _Kind | None = None
        self._start = b""
        self._size = self._total = 0
        self._field, self._value, self._disposition = b"", b"", b""
        try:
            self._parser = MultipartParser(
                options[b"boundary"],
                {
                    "on_part_begin": self._begin,
                    "on_header_field": self._add_field,
                    "on_header_value": self._add_value,
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._check_name,
                    "on_part_data": self._check_size,
                    "on_part_end": self._check_start,
                    "on_end": self._end,
                },
            )
        except (KeyError, FormParserError) as error:
            raise UploadRefused(400, "guard.upload.broken") from error

    def feed(self, body: bytes, *, last: bool) -> None:
        """Raises `UploadRefused`."""
        self._total += len(body)
        self.count(len(body))
        if self._total > (self._kind.most if self._kind else VIDEO_MOST) + FORM_MOST:
            raise UploadRefused(413, "guard.upload.size")
        try:
            self._parser.write(body)
        except FormParserError as error:
            raise UploadRefused(400, "guard.upload.broken") from error
        if (last and not self._ended) or (not self.file_is_known and self._total > FORM_MOST):
            raise UploadRefused(400, "guard.upload.broken")

    def _begin(self) -> None:
        if self._kind:
            raise UploadRefused(400, "guard.upload.one")
        self._disposition = b""

    def _add_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _add_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        if self._field.lower() == b"content-disposition":
            self._disposition = self._value
        self._field = self._value = b""

    def _check_name(self) -> None:
        _, options = parse_options_header(self._disposition)
        # Gradio writes files for parts with other names, too, and never deletes them.
        if options.get(b"name") != b"files":
            raise UploadRefused(400, "guard.upload.broken")
        name = options.get(b"filename", b"").decode(errors="replace")
        self._kind = self._kinds.get(PurePath(name).suffix.lower())
        if self._kind is None:
            raise UploadRefused(415, "upload.kind" if ".webm" in self._kinds else "guard.upload.kind")

    def _check_size(self, data: bytes, start: int, end: int) -> None:
        assert self._kind is not None  # data comes after a name
        self._size += end - start
        if self._size > self._kind.most:
            raise UploadRefused(413, "guard.upload.size")
        if len(self._start) < kinds.HEAD_BYTES:
            self._start += data[start : min(end, start + kinds.HEAD_BYTES - len(self._start))]
            if len(self._start) == kinds.HEAD_BYTES:
                self._check_start()

    def _check_start(self) -> None:
        if self._kind is not None and not self._kind.accepts(self._start):
            raise UploadRefused(415, self._kind.problem)
        self.file_is_known = True

    def _end(self) -> None:
        if self._kind is None:
            raise UploadRefused(400, "guard.upload.broken")
        self._ended = True
