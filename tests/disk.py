"""Which calls about files a thread makes."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

__all__ = ["disk_calls"]

AUDITED = ("open", "os.")
NOT_AUDITED = ("stat", "lstat", "statvfs", "fsync")
"""Functions of `os` that Python's audit events do not tell of."""

_watched: list[tuple[int, str, list[str]]] = []


@contextmanager
def disk_calls(folder: Path) -> Iterator[list[str]]:
    """What the thread that enters this does with files in `folder`, and each of its flushes to a disk."""
    _hook_once()
    calls: list[str] = []
    watch = (threading.get_ident(), str(folder), calls)
    with pytest.MonkeyPatch.context() as patch:
        for name in NOT_AUDITED:
            patch.setattr(os, name, _told(name, getattr(os, name)))
        _watched.append(watch)
        try:
            yield calls
        finally:
            _watched.remove(watch)


def _told(name: str, function: Any) -> Any:
    def call(*args: Any, **others: Any) -> Any:
        _note(f"os.{name}", args)
        return function(*args, **others)

    return call


def _note(event: str, args: tuple[Any, ...]) -> None:
    for thread, folder, calls in _watched:
        is_inside = event == "os.fsync" or any(
            isinstance(each, str | os.PathLike) and str(each).startswith(folder) for each in args
        )
        if thread == threading.get_ident() and is_inside:
            calls.append(f"{event} {args[0]}")


_hooked: list[bool] = []


def _hook_once() -> None:
    """An audit hook cannot be taken away."""
    if not _hooked:
        _hooked.append(True)
        sys.addaudithook(lambda event, args: _note(event, args) if _watched and event.startswith(AUDITED) else None)
