"""What a lost database is made again from, besides the saved files: rows as sealed lines, and which visitor has become which."""

import os
import re
import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from dreamina_ui.media.record import Records

__all__ = ["Moves", "RowRecords"]

SIZE_MOST = 2**20
_NAME = re.compile(r"([0-9a-f]{32})\.sealed")


class RowRecords:
    """A folder with rows of one `kind`, a file of one sealed line for each.

    All replicas write to it; every method blocks and raises OSError.
    """

    def __init__(self, folder: Path, kind: str, records: Records) -> None:
        self._folder = folder
        self._kind = kind
        self._records = records

    def write(self, row_id: str, values: Mapping[str, Any]) -> None:
        """Keep what a row is now, in place of what it was."""
        self._folder.mkdir(exist_ok=True)
        part = self._folder / f".{row_id}.{secrets.token_hex(4)}.part"
        try:
            with part.open("w", encoding="ascii") as file:
                file.write(self._records.sealed_text(self._kind, values))
                file.flush()
                os.fsync(file.fileno())
            part.replace(self._folder / f"{row_id}.sealed")
        finally:
            part.unlink(missing_ok=True)

    def remove(self, row_id: str) -> None:
        (self._folder / f"{row_id}.sealed").unlink(missing_ok=True)

    def ids(self) -> Sequence[str]:
        """The ids of the rows that are kept here."""
        with suppress(FileNotFoundError):
            return sorted(match[1] for name in os.listdir(self._folder) if (match := _NAME.fullmatch(name)))
        return []

    def read(self, row_ids: Collection[str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """The ids and values of those of these rows that can be read."""
        for row_id in row_ids:
            path = self._folder / f"{row_id}.sealed"
            with suppress(FileNotFoundError):
                if path.stat().st_size > SIZE_MOST:
                    continue
                values = self._records.opened_text(self._kind, path.read_text(encoding="ascii", errors="replace"))
                if values is not None:
                    yield row_id, values


class Moves:
    """Which visitor has become which, in a file of sealed lines, since saved files name the one who made them.

    All replicas add to it.
    """

    def __init__(self, path: Path, records: Records) -> None:
        self._path = path
        self._records = records

    def add(self, former: str, visitor_id: str) -> None:
        """Note that a visitor has become another one; blocks. Raises OSError."""
        if self.latest().get(former) == visitor_id:
            return
        with self._path.open("a", encoding="ascii") as file:
            file.write(f"{self._records.move(former, visitor_id)}\n")
            file.flush()
            os.fsync(file.fileno())

    def latest(self) -> Mapping[str, str]:
        """By former visitors, which one each has become in the end; blocks. Raises OSError."""
        if not self._path.exists():
            return {}
        lines = self._path.read_text(encoding="ascii", errors="replace").splitlines()
        moves = dict(move for line in lines if (move := self._records.opened_move(line)))
        return {former: _end_of(former, moves) for former in moves}


def _end_of(visitor_id: str, moves: Mapping[str, str]) -> str:
    seen = set()
    while visitor_id in moves and visitor_id not in seen:
        seen.add(visitor_id)
        visitor_id = moves[visitor_id]
    return visitor_id
