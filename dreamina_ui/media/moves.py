"""Which visitor has become which, on the disk: saved files name the one who made them, and outlive the database."""

import os
from collections.abc import Mapping
from pathlib import Path

from dreamina_ui.media.record import Records

__all__ = ["Moves"]


class Moves:
    """A file of sealed lines. All replicas add to it."""

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
