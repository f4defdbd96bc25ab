"""The comment of an MP3, read and written by bytes: a frame COMM without a description, of an ID3v2 tag, https://id3.org.

FFmpeg writes a comment as a text of the user's own, a frame TXXX, whose description is "comment": that is one, too. A tag of
version 2.3 or 2.4 keeps its version and its other frames; a file without one gets one of version 2.4.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from dreamina_ui.media.comments.edits import Edit, Odd, Source

__all__ = ["edits_of_mp3", "mp3_comments"]

HEADER_BYTES = 10
TAG_MOST = 16 * 2**20
TEXT_MOST = 2**20
ENCODINGS = {0: "latin-1", 1: "utf-16", 2: "utf-16-be", 3: "utf-8"}
UTF_16, UTF_8 = 1, 3  # numbers of encodings
DESCRIPTIONS = {b"COMM": "", b"TXXX": "comment"}
LANGUAGE = b"XXX"
"""No particular one."""


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where a frame begins, where its content begins, and where it ends."""

    name: bytes
    plain: bool
    start: int
    body: int
    end: int


def mp3_comments(source: Source) -> Iterator[str]:
    """The comments of an MP3. Raises `Odd` as soon as the tag is not as it should be."""
    version, end = _tag(source)
    for frame in _frames(source, version, end):
        comment = _comment(source, frame)
        if comment is not None:
            yield comment


def edits_of_mp3(source: Source, compose: Callable[[Sequence[str]], str], title: str) -> list[Edit]:
    """What is to be changed for the file to have one comment, composed from those it has, and a title if it has none.

    Raises `Odd` if the tag is not as it should be, or is of another kind.
    """
    version, end = _tag(source)
    if end > TAG_MOST:
        raise Odd("a tag that is too large")
    frames = list(_frames(source, version, end))
    comments = {frame: comment for frame in frames if (comment := _comment(source, frame)) is not None}
    added = [(b"COMM", LANGUAGE, compose(list(comments.values())))]
    if title and not any(frame.name == b"TIT2" for frame in frames):
        added.insert(0, (b"TIT2", b"", title))
    kept = [source.read(frame.start, frame.end) for frame in frames if frame not in comments]
    content = b"".join([*kept, *(_made(version, *frame) for frame in added)])
    if len(content) >= 1 << 28:
        raise Odd("a tag that is too large")
    return [Edit(0, end, b"ID3" + bytes([version, 0, 0]) + _synchsafe(len(content)) + content)]


def _tag(source: Source) -> tuple[int, int]:
    """The version of the tag, and where it ends: at the beginning, where there is none."""
    header = source.read(0, min(HEADER_BYTES, source.size))
    if not header.startswith(b"ID3"):
        return 4, 0
    # Flags say that bytes are put in between, that more headers follow, or that the tag is an experiment.
    if len(header) < HEADER_BYTES or header[3] not in (3, 4) or header[5]:
        raise Odd("a tag of another kind")
    end = HEADER_BYTES + _number(header[6:10])
    if end > source.size:
        raise Odd("cut short")
    return header[3], end


def _frames(source: Source, version: int, end: int) -> Iterator[_Frame]:
    at = HEADER_BYTES
    while at + HEADER_BYTES <= end:
        source.step()
        header = source.read(at, at + HEADER_BYTES)
        if header[0] == 0:  # nothing but zeros follows
            return
        name = header[:4]
        if not (name.isalnum() and name.isascii() and name == name.upper()):
            raise Odd("a frame without a name")
        size = _number(header[4:8]) if version == 4 else int.from_bytes(header[4:8])
        body = at + HEADER_BYTES
        if not 0 < size <= end - body:
            raise Odd("a frame that reaches further than the tag")
        yield _Frame(name, header[9] == 0, at, body, body + size)
        at = body + size


def _comment(source: Source, frame: _Frame) -> str | None:
    """The text of a comment. A frame COMM that has a description is something else, as iTunes' own figures are."""
    if frame.name not in DESCRIPTIONS or not frame.plain or frame.end - frame.body > TEXT_MOST:
        return None
    content = source.read(frame.body, frame.end)
    encoding = ENCODINGS.get(content[0])
    if encoding is None:
        raise Odd("a comment that is no text")
    words = content[4:] if frame.name == b"COMM" else content[1:]
    # Both texts are of one encoding, and each of them has a byte order mark of its own.
    width = 2 if encoding.startswith("utf-16") else 1
    ends_at = words.find(bytes(width))
    while ends_at % width and ends_at >= 0:  # half of one letter and half of the next
        ends_at = words.find(bytes(width), ends_at + 1)
    ends_at = len(words) if ends_at < 0 else ends_at
    try:
        description, text = words[:ends_at].decode(encoding), words[ends_at + width :].decode(encoding)
    except UnicodeDecodeError as error:
        raise Odd("a comment that is no text") from error
    return text.rstrip("\0") if description.lower() == DESCRIPTIONS[frame.name] else None


def _made(version: int, name: bytes, language: bytes, text: str) -> bytes:
    """A frame of one text; one with a language has a description, too, which is empty."""
    if version == 4:
        content = bytes([UTF_8]) + language + (b"\0" if language else b"") + text.encode()
        size = _synchsafe(len(content))
    else:  # version 2.3 knows no UTF-8
        mark = b"\xfe\xff"
        described = mark + bytes(2) if language else b""
        content = bytes([UTF_16]) + language + described + mark + text.encode("utf-16-be")
        size = len(content).to_bytes(4)
    return name + size + bytes(2) + content


def _number(synchsafe: bytes) -> int:
    """A number of four times seven bits."""
    if any(byte & 0x80 for byte in synchsafe):
        raise Odd("a size of another kind")
    return synchsafe[0] << 21 | synchsafe[1] << 14 | synchsafe[2] << 7 | synchsafe[3]


def _synchsafe(number: int) -> bytes:
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))
