"""Imports Gradio in two thirds of the time. This module imports nothing of it."""

import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["without_stubs"]

_WRITER = "gradio.component_meta"


@contextmanager
def without_stubs() -> Iterator[None]:
    """Inside this context, Gradio's components are made without their stubs for editors.

    For each of its classes, Gradio reads and parses its source and a stub beside it, and writes what differs into its own
    folder. It makes none where the file of a class is not known.
    """
    find = inspect.getfile

    def getfile(object: Any) -> str:
        if sys._getframe(1).f_globals.get("__name__") == _WRITER:
            raise OSError("no stubs")
        return find(object)

    inspect.getfile = getfile
    try:
        yield
    finally:
        inspect.getfile = find
