"""Boxes, of which MP4 and QuickTime files consist: ISO/IEC 14496-12, and Apple's "QuickTime File Format" for older ones."""

from collections.abc import Iterator
from dataclasses import dataclass

from dreamina_ui.media.edits import Odd, Source

__all__ = ["Box", "boxes", "first_of", "made_box", "parts"]

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
