"""Opens videos and sounds that came with a request: of few formats, and with nothing else than the file itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
from av.container import InputContainer

__all__ = ["Unreadable", "opened"]

_PIXELS_MOST = 40_000_000
_FORMATS = {
    "mov": re.compile(rb".{4}ftyp", re.DOTALL),
    "matroska": re.compile(rb"\x1aE\xdf\xa3"),
    "avi": re.compile(rb"RIFF.{4}AVI ", re.DOTALL),
    "wav": re.compile(rb"RIFF.{4}WAVE", re.DOTALL),
    "mpeg": re.compile(rb"\x00\x00\x01\xba"),
    "flac": re.compile(rb"fLaC"),
    "ogg": re.compile(rb"OggS"),
    "mp3": re.compile(rb"ID3|\xff[\xe2-\xe7\xea-\xef\xf2-\xf7\xfa-\xff]"),
    "aac": re.compile(rb"\xff[\xf0\xf1\xf8\xf9]"),
}
"""By how files begin. FFmpeg's own guess could find a playlist, which names other files."""


class Unreadable(Exception):
    """A file of a request cannot be used; the message is the error of its result."""


@contextmanager
def opened(path: str) -> Iterator[InputContainer]:
    """A video or sound. Raises `Unreadable` for any other file, and for one that is damaged."""
    with Path(path).open("rb") as file:
        head = file.read(16)
    format_ = next((name for name, begins in _FORMATS.items() if begins.match(head)), None)
    if format_ is None:
        raise Unreadable("The file is neither an image, a video nor a sound.")
    options = {"protocol_whitelist": "file", "max_pixels": str(_PIXELS_MOST), "threads": "1"}
    options |= {"enable_drefs": "0", "use_absolute_path": "0"} if format_ == "mov" else {}
    try:
        with av.open(f"file:{path}", format=format_, options=options, metadata_errors="replace") as container:
            yield container
    except av.FFmpegError as error:
        raise Unreadable(f"The file could not be read: {error.strerror}") from error
