"""The saved files that tell nothing of their makers: a list on the disk, so that each file is opened for this once."""

import threading
from collections import OrderedDict
from pathlib import Path

__all__ = ["NAMES_MOST", "Checked"]

NAMES_MOST = 20_000
"""Names that are remembered; a file that is forgotten is opened again."""


class Checked:
    """`path` is the list's, to which all replicas add; without one it ends with the process. Used by threads.

    A file is known by its name, its size and the time of its last change: another one in its place is not.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._marks: OrderedDict[str, str] = OrderedDict()
        self._is_read = False
        self._one_by_one = threading.Lock()

    def knows(self, file: Path) -> bool:
        """Whether the file was checked, as it is now. Raises OSError."""
        mark = _mark_of(file)
        with self._one_by_one:
            self._read()
            return self._marks.get(file.name) == mark

    def add(self, file: Path) -> None:
        """Note that the file was checked, as it is now. Raises OSError."""
        mark = _mark_of(file)
        with self._one_by_one:
            self._read()
            self._keep(file.name, mark)
            if self._path is not None:
                with self._path.open("a", encoding="utf-8") as lines:
                    lines.write(f"{file.name} {mark}\n")

    def _read(self) -> None:
        if self._is_read or self._path is None:
            return
        self._is_read = True
        if not self._path.exists():
            return
        lines = self._path.read_text(encoding="utf-8", errors="replace").splitlines()
        for line in lines:
            name, _, mark = line.partition(" ")
            self._keep(name, mark)
        if len(lines) > 2 * NAMES_MOST:
            self._path.write_text("".join(f"{name} {mark}\n" for name, mark in self._marks.items()), encoding="utf-8")

    def _keep(self, name: str, mark: str) -> None:
        self._marks[name] = mark
        self._marks.move_to_end(name)
        while len(self._marks) > NAMES_MOST:
            self._marks.popitem(last=False)


def _mark_of(file: Path) -> str:
    facts = file.stat()
    return f"{facts.st_size} {facts.st_mtime_ns}"
