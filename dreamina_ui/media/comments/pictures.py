"""The comment of a PNG or a JPEG, read and written by bytes. A file may have several; those of others stay.

PNG, https://www.w3.org/TR/png-3/: a chunk iTXt with the keyword "Comment". JPEG, ITU-T T.81: a segment COM.
"""

import zlib
from collections.abc import Callable, Iterator

from dreamina_ui.media.comments.edits import Edit, Odd, Source

__all__ = ["edits_of_jpeg", "edits_of_png", "jpeg_comments", "png_comments"]

PNG_SIGNATURE_BYTES = 8
KEYWORD = b"Comment\0"
TEXT_MOST = 2**20
SEGMENT_MOST = 0xFFFF - 2
COM, APP_2, APP_11 = 0xFE, 0xE2, 0xEB
APPS = range(0xE0, 0xF0)


def png_comments(source: Source) -> Iterator[str]:
    """The comments of a PNG. Raises `Odd` as soon as the file is not as it should be."""
    for name, start, end in _chunks(source):
        comment = _png_comment(source, name, start, end)
        if comment is not None:
            yield comment


def edits_of_png(source: Source, is_ours: Callable[[str], bool], text: str) -> list[Edit]:
    """What is to be changed for the file to have this comment of ours, and no other of ours. Raises `Odd`."""
    edits, ends_at = [], None
    for name, start, end in _chunks(source):
        if name == b"caBX":  # content credentials, of the C2PA specification: they hold for bytes
            raise Odd("signed")
        comment = _png_comment(source, name, start, end)
        if comment is not None and is_ours(comment):
            edits.append(Edit(start, end, b""))
        if name == b"IEND":
            ends_at = start
    if ends_at is None:
        raise Odd("cut short")
    # Neither it nor its keyword is compressed, and it has no language.
    content = b"iTXt" + KEYWORD + bytes(4) + text.encode()
    chunk = (len(content) - 4).to_bytes(4) + content + zlib.crc32(content).to_bytes(4)
    return [*edits, Edit(ends_at, ends_at, chunk)]


def _chunks(source: Source) -> Iterator[tuple[bytes, int, int]]:
    """The name of each chunk, and where it begins and ends, up to the one that ends the picture."""
    at = PNG_SIGNATURE_BYTES
    while at < source.size:
        source.step()
        header = source.read(at, at + 8)
        end = at + 12 + int.from_bytes(header[:4])
        if end > source.size:
            raise Odd("cut short")
        yield header[4:], at, end
        if header[4:] == b"IEND":
            return
        at = end


def _png_comment(source: Source, name: bytes, start: int, end: int) -> str | None:
    """A comment that is not compressed; ours is not, and of what others write, no more than this is understood."""
    if name not in (b"iTXt", b"tEXt") or end - start > TEXT_MOST:
        return None
    content = source.read(start + 8, end - 4)
    if not content.startswith(KEYWORD):
        return None
    text = content[len(KEYWORD) :]
    if name == b"tEXt":
        return text.decode("latin-1")
    if text[:1] != b"\0":
        return None
    *_, text = text[2:].split(b"\0", 2)
    return text.decode("utf-8", "replace")


def jpeg_comments(source: Source) -> Iterator[str]:
    """The comments of a JPEG that stand before its picture. Raises `Odd` as soon as the file is not as it should be."""
    for marker, start, end in _segments(source):
        if marker == COM:
            yield source.read(start + 4, end).decode("utf-8", "replace")


def edits_of_jpeg(source: Source, is_ours: Callable[[str], bool], text: str) -> list[Edit]:
    """What is to be changed for the file to have this comment of ours, and no other of ours. Raises `Odd`."""
    edits, at = [], 2
    for marker, start, end in _segments(source):
        beginning = source.read(start + 4, min(end, start + 64))
        if marker == APP_2 and beginning.startswith(b"MPF\0"):
            raise Odd("several pictures, with the places where they begin")
        if marker == APP_11 and b"c2pa" in source.read(start + 4, end):
            raise Odd("signed")
        if marker in APPS and at == start:
            at = end  # these come first
        if marker == COM and is_ours(source.read(start + 4, end).decode("utf-8", "replace")):
            edits.append(Edit(start, end, b""))
    content = text.encode()
    if len(content) > SEGMENT_MOST:
        raise Odd("a comment that is too long")
    return [*edits, Edit(at, at, bytes([0xFF, COM]) + (len(content) + 2).to_bytes(2) + content)]


def _segments(source: Source) -> Iterator[tuple[int, int, int]]:
    """The marker of each segment before the picture, and where it begins and ends. Raises `Odd` if no picture follows."""
    at = 2
    while True:
        source.step()
        header = source.read(at, min(at + 4, source.size))
        if len(header) < 4 or header[0] != 0xFF:
            raise Odd("no segment where one should be")
        if header[1] == 0xFF:  # segments may be filled up
            at += 1
            continue
        if header[1] not in APPS and header[1] != COM:
            return
        end = at + 2 + int.from_bytes(header[2:4])
        if end < at + 4 or end > source.size:
            raise Odd("cut short")
        yield header[1], at, end
        at = end
