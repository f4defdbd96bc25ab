"""What an upload's form may hold, checked while it streams: one file that can have a record, or one table, of limited size."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePath

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.datastructures import Headers

from dreamina_ui.cards.batches.encodings import WORKBOOKS
from dreamina_ui.media import kinds
from dreamina_ui.media.inputs import INPUTS, SIZE_MOST

__all__ = [
    "KINDS",
    "KINDS_WITH_MEDIA",
    "MEDIA",
    "MEDIA_ENDINGS",
    "RECORD_ENDINGS",
    "TABLE_ENDINGS",
    "TABLE_MOST",
    "VIDEO_MOST",
    "UploadForm",
    "UploadRefused",
]

VIDEO_MOST = SIZE_MOST
"""Bytes: Dreamina's 10 s at 1080p are about 20 MB, and 64 MB are 10 s at 50 Mbit/s, the bit rate of a camera."""
TABLE_MOST = 2 * 2**20
"""Bytes: twice the limit of a batch, which has a message of its own for a table that is too big."""
FORM_MOST = 2**16
"""Bytes of the form around the file."""
TEXT_CHECKED = 12
UTF_16 = (b"\xff\xfe", b"\xfe\xff")


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
_EITHER = _Kind(VIDEO_MOST, _can_carry_or_is_medium, "settings.no_record")
"""What settings are read from as well: its sentence is true of both."""
KINDS = {
    **dict.fromkeys(RECORD_ENDINGS, _CARRIER),
    ".json": _RECORD,
    **dict.fromkeys(TEXT_ENDINGS, _TABLE),
    **dict.fromkeys(WORKBOOK_ENDINGS, _WORKBOOK),
}
KINDS_WITH_MEDIA = {**KINDS, **{each: _EITHER if each in KINDS else _MEDIUM for each in MEDIA_ENDINGS}}


class UploadForm:
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
