"""What may be uploaded: one file that can carry a record, or one table, no bigger than it needs to be, looked at while it
streams.

Gradio takes any number of files of any size and kind, and keeps them.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePath

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.datastructures import Headers
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dreamina_ui.cards.encodings import WORKBOOKS
from dreamina_ui.media import kinds

__all__ = ["MEDIA", "MEDIA_ENDINGS", "RECORD_ENDINGS", "TABLE_ENDINGS", "TABLE_MOST", "VIDEO_MOST", "Uploads"]

VIDEO_MOST = 64 * 2**20
"""Bytes: Dreamina's 10 s at 1080p are about 20 MB, and 64 MB are 10 s at 50 Mbit/s, as much as a camera makes."""
TABLE_MOST = 2 * 2**20
"""Bytes: a batch takes half of that, and says itself what is too much for it."""
FORM_MOST = 2**16
"""Bytes of the form around the file."""
TEXT_LOOKED_AT = 12
UTF_16 = (b"\xff\xfe", b"\xfe\xff")

Say = Callable[..., str]


class UploadRefused(Exception):
    """`key` is that of the sentence."""

    def __init__(self, status: int, key: str) -> None:
        super().__init__(key)
        self.status, self.key = status, key


@dataclass(frozen=True, slots=True)
class _Kind:
    most: int
    begins: Callable[[bytes], bool]
    otherwise: str
    """The sentence for a file that begins as something else."""


MEDIA = (
    *(kinds.PNG, kinds.JPEG, kinds.WEBP),
    *(kinds.MP4, kinds.MOV, kinds.WEBM),
    *(kinds.WAV, kinds.MP3, kinds.M4A),
)
"""Kinds of files that a model may take."""
MEDIA_ENDINGS = (*(kind.plain_ending for kind in MEDIA), ".jpeg")
TEXT_ENDINGS, WORKBOOK_ENDINGS = (".csv", ".tsv", ".txt"), (".xlsx", ".xls", ".ods", ".numbers")
TABLE_ENDINGS = (*TEXT_ENDINGS, *WORKBOOK_ENDINGS)
"""Of tables. A spreadsheet's own file is taken so that the batch can say how to save it."""
RECORD_ENDINGS = (".mp4", ".mov", ".m4a", ".png", ".jpg", ".jpeg", ".mp3", ".json")
"""Of files that can carry a job's record."""
_CARRIERS = (kinds.MP4, kinds.MOV, kinds.MOBILE, kinds.M4A, kinds.PNG, kinds.JPEG, kinds.MP3)


def _can_carry(start: bytes) -> bool:
    return kinds.kind_of(start) in _CARRIERS


def _can_carry_or_is_medium(start: bytes) -> bool:
    return kinds.kind_of(start) in (*_CARRIERS, *MEDIA)


def _begins_as_object(start: bytes) -> bool:
    return start.lstrip().startswith(b"{")


def _begins_as_text(start: bytes) -> bool:
    # UTF-16 is text, too, without a mark as well; a workbook under another name is refused by the batch, which says more.
    start = start[:TEXT_LOOKED_AT]
    if start.startswith((*UTF_16, *WORKBOOKS)):
        return True
    if len(start) > 3 and any(start) and (not any(start[::2]) or not any(start[1::2])):
        start = start.replace(b"\0", b"")
    return all(byte >= 32 or byte in b"\t\n\r" for byte in start)


_CARRIER = _Kind(VIDEO_MOST, _can_carry, "settings.no_record")
_RECORD = _Kind(TABLE_MOST, _begins_as_object, "settings.no_record")
_TABLE = _Kind(TABLE_MOST, _begins_as_text, "guard.upload.table")
_WORKBOOK = _Kind(VIDEO_MOST, lambda start: True, "guard.upload.table")
_MEDIUM = _Kind(VIDEO_MOST, _can_carry_or_is_medium, "place.kind")
KINDS = {
    **dict.fromkeys(RECORD_ENDINGS, _CARRIER),
    ".json": _RECORD,
    **dict.fromkeys(TEXT_ENDINGS, _TABLE),
    **dict.fromkeys(WORKBOOK_ENDINGS, _WORKBOOK),
}


class Uploads:
    """Middleware for the upload's route: nothing is passed on before name, kind and announced size are in order.

    With `media`, pictures, videos and sounds are taken, too.

    What turns out wrong later ends the upload; what has been written by then is removed by who wrote it.
    """

    def __init__(self, app: ASGIApp, say: Say, *, media: bool = False) -> None:
        self._app = app
        self._say = say
        self._kinds = {**KINDS, **dict.fromkeys(MEDIA_ENDINGS, _MEDIUM)} if media else KINDS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = _Body(receive)
        try:
            await body.look_ahead(_Form(Headers(scope=scope), self._kinds))
            if not body.gone:
                await self._app(scope, body.pass_on, body.unless_ended(send))
        except UploadRefused as error:
            body.refused = error
        except MultiPartException:
            if not body.ended_here:
                raise
        if body.refused:
            await body.drain()
            sizes = {"video_mb": VIDEO_MOST // 2**20, "table_mb": TABLE_MOST // 2**20}
            sentence = self._say(Request(scope), body.refused.key, **sizes)
            await PlainTextResponse(sentence, body.refused.status)(scope, receive, send)


class _Body:
    """The request's body, on its way through the form to Gradio."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._held: deque[Message] = deque()
        self._form: _Form | None = None
        self._more = True
        self.refused: UploadRefused | None = None
        self.gone = False

    @property
    def ended_here(self) -> bool:
        return self.gone or self.refused is not None

    async def look_ahead(self, form: "_Form") -> None:
        """Hold what arrives until it is known what file it is. Raises `UploadRefused`."""
        self._form = form
        while not (form.file_is_known or self.gone):
            self._held.append(await self._next(form))

    async def pass_on(self) -> Message:
        """The app's `receive`. Gradio removes its temporary file for this exception alone."""
        if self._held:
            return self._held.popleft()
        if not self._more or self._form is None:
            return await self._receive()
        try:
            message = await self._next(self._form)
        except UploadRefused as error:
            self.refused = error
            raise MultiPartException("refused") from error
        if self.gone:
            raise MultiPartException("the client went away")
        return message

    def unless_ended(self, send: Send) -> Send:
        async def send_unless_ended(message: Message) -> None:
            if not self.ended_here:
                await send(message)

        return send_unless_ended

    async def drain(self) -> None:
        """Let the rest arrive, within reason: a browser that is cut off while it sends does not read the answer."""
        read = 0
        while self._more and read <= VIDEO_MOST:
            message = await self._take()
            read += len(message.get("body", b""))

    async def _next(self, form: "_Form") -> Message:
        message = await self._take()
        if not self.gone:
            form.feed(message.get("body", b""), last=not self._more)
        return message

    async def _take(self) -> Message:
        message = await self._receive()
        self.gone = message["type"] == "http.disconnect"
        self._more = not self.gone and bool(message.get("more_body"))
        return message


class _Form:
    """Follows the body as Gradio does, with the same parser: what one of them finds, the other finds, too."""

    def __init__(self, headers: Headers, kinds: Mapping[str, _Kind]) -> None:
        self._kinds = kinds
        kind, options = parse_options_header(headers.get("content-type", ""))
        # Gradio reads names in the form's charset: another one could make another name of what was looked at here.
        if kind != b"multipart/form-data" or options.get(b"charset", b"utf-8").lower() != b"utf-8":
            raise UploadRefused(400, "guard.upload.broken")
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > VIDEO_MOST + FORM_MOST:
            raise UploadRefused(413, "guard.upload.size")
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
                    "on_header_field": self._take_field,
                    "on_header_value": self._take_value,
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._look_at_name,
                    "on_part_data": self._look_at_data,
                    "on_part_end": self._look_at_start,
                    "on_end": self._end,
                },
            )
        except (KeyError, FormParserError) as error:
            raise UploadRefused(400, "guard.upload.broken") from error

    def feed(self, body: bytes, *, last: bool) -> None:
        """Raises `UploadRefused`."""
        self._total += len(body)
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

    def _take_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _take_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        if self._field.lower() == b"content-disposition":
            self._disposition = self._value
        self._field = self._value = b""

    def _look_at_name(self) -> None:
        _, options = parse_options_header(self._disposition)
        # Of parts by another name Gradio makes files that nobody looks for, or removes.
        if options.get(b"name") != b"files":
            raise UploadRefused(400, "guard.upload.broken")
        name = options.get(b"filename", b"").decode(errors="replace")
        self._kind = self._kinds.get(PurePath(name).suffix.lower())
        if self._kind is None:
            raise UploadRefused(415, "place.kind" if ".webm" in self._kinds else "guard.upload.kind")

    def _look_at_data(self, data: bytes, start: int, end: int) -> None:
        assert self._kind is not None  # data comes after a name
        self._size += end - start
        if self._size > self._kind.most:
            raise UploadRefused(413, "guard.upload.size")
        if len(self._start) < kinds.HEAD_BYTES:
            self._start += data[start : min(end, start + kinds.HEAD_BYTES - len(self._start))]
            if len(self._start) == kinds.HEAD_BYTES:
                self._look_at_start()

    def _look_at_start(self) -> None:
        if self._kind is not None and not self._kind.begins(self._start):
            raise UploadRefused(415, self._kind.otherwise)
        self.file_is_known = True

    def _end(self) -> None:
        if self._kind is None:
            raise UploadRefused(400, "guard.upload.broken")
        self._ended = True
