"""A file copied with a few of its bytes replaced, and the boxes of which MP4 and QuickTime files consist.

Boxes: ISO/IEC 14496-12, and Apple's "QuickTime File Format" for older files.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

__all__ = ["Box", "Edit", "Odd", "Source", "boxes", "copy_edited", "first_of", "made_box", "parts"]

PIECE = 2**20


class Odd(Exception):
    """A file is not as its format has it, or has something that an edit could break: it is to be left as it is."""


@dataclass(frozen=True, slots=True)
class Edit:
    """The bytes from `start` up to `end` are replaced by `content`; where both are the same, it is put in."""

    start: int
    end: int
    content: bytes

    @property
    def growth(self) -> int:
        return len(self.content) - (self.end - self.start)


class Source:
    """An open file with its size in bytes, read in places. At most `steps` of what it consists of are looked at."""

    def __init__(self, file: BinaryIO, steps: int) -> None:
        self._file = file
        self._steps = steps
        self.size = os.fstat(file.fileno()).st_size

    def step(self) -> None:
        """Raises `Odd` if the file consists of too many parts: somebody made it to keep a program busy."""
        self._steps -= 1
        if self._steps < 0:
            raise Odd("too many parts")

    def read(self, start: int, end: int) -> bytes:
        """Raises `Odd` if the file has not all of these bytes, and OSError if the disk fails."""
        if not 0 <= start <= end <= self.size:
            raise Odd("points past the end")
        self._file.seek(start)
        data = self._file.read(end - start)
        if len(data) < end - start:
            raise Odd("cut short")
        return data


def copy_edited(source: BinaryIO, target: Path, edits: Sequence[Edit]) -> None:
    """Write `source` to `target` with these edits, of which no two overlap. Raises OSError, and leaves no target then."""
    try:
        with target.open("wb") as file:
            source.seek(0)
            at = 0
            for edit in sorted(edits, key=lambda edit: (edit.start, edit.end)):
                _copy(source, file, edit.start - at)
                file.write(edit.content)
                at = edit.end
                source.seek(at)
            _copy(source, file, None)
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _copy(source: BinaryIO, target: BinaryIO, count: int | None) -> None:
    """So many bytes, or all that follow."""
    left = count
    while left is None or left > 0:
        piece = source.read(PIECE if left is None else min(PIECE, left))
        if not piece:
            return
        target.write(piece)
        left = None if left is None else left - len(piece)


TERMINATOR_MOST = 64


@dataclass(frozen=True, slots=True)
class Box:
    """Where a box begins, where its content begins, and where it ends, in bytes from the beginning of the file."""

    name: bytes
    start: int
    body: int
    end: int


def boxes(source: Source, start: int, end: int, *, terminated: bool = False) -> Iterator[Box]:
    """The boxes that fill the file from `start` up to `end`. Raises `Odd` where they do not fill it.

    A box of size 0 reaches to the end. In QuickTime's lists of user data, which are `terminated`, four zero bytes may end them,
    and some programs write more of these.
    """
    at = start
    while at < end:
        source.step()
        if terminated and end - at <= TERMINATOR_MOST and not any(source.read(at, end)):
            return
        header = source.read(at, min(end, at + 16))
        if len(header) < 8:
            raise Odd("a box without a header")
        size, body = int.from_bytes(header[:4]), at + 8
        if size == 1:
            size, body = int.from_bytes(header[8:16]), at + 16
        elif size == 0:
            size = end - at
        if not body - at <= size <= end - at:
            raise Odd("a box that reaches further than what it is in")
        yield Box(header[4:8], at, body, at + size)
        at += size


def first_of(source: Source, parent: Box, *names: bytes) -> Box | None:
    """The box that is found in `parent` by the first of these names, in that by the next, and so on."""
    found: Box | None = parent
    for name in names:
        if found is None:
            return None
        found = next((box for box in boxes(source, found.body, found.end) if box.name == name), None)
    return found


def parts(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The boxes that `data` consists of, as pairs of a name and the content. Raises `Odd` if it does not consist of boxes."""
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4])
        if not 8 <= size <= len(data) - at:
            raise Odd("a box that reaches further than what it is in")
        yield data[at + 4 : at + 8], data[at + 8 : at + size]
        at += size


def made_box(name: bytes, *contents: bytes) -> bytes:
    content = b"".join(contents)
    return (8 + len(content)).to_bytes(4) + name + content
