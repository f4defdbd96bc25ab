"""Rows on the disk: a file of one sealed line for each, from which they are made again when the database is lost."""

import os
import re
import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from dreamina_ui.media.record import Records

__all__ = ["RowRecords"]

SIZE_MOST = 2**20
_NAME = re.compile(r"([0-9a-f]{32})\.sealed")


class RowRecords:
    """A folder with rows of one `kind`. All replicas write to it; every method blocks and raises OSError."""

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
