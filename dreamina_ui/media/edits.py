"""A file copied with a few of its bytes replaced: all others are the source's own."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

__all__ = ["Edit", "Odd", "Source", "copy_edited"]

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
