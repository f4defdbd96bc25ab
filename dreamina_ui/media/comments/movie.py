"""The comment of an MP4 or a QuickTime file, read and written by bytes.

It stands in one of three places, and FFmpeg shows each of them as "comment":

- an item "©cmt" of iTunes' list, in moov/udta/meta: what MP4 files have, from FFmpeg and from iTunes;
- a text "©cmt" in moov/udta: what QuickTime files have, described in Apple's "QuickTime File Format";
- the value of a key "comment" in moov/meta: what FFmpeg writes with `-movflags use_metadata_tags`.

Where the index, 'moov', stands before the samples, they move as it grows, and all that counts bytes from the beginning of the
file changes: the tables of chunks, the fragments' base offsets, and the index of the fragments at the end.
"""

import sys
from array import array
from collections.abc import Callable, Iterator, Sequence

from dreamina_ui.media.comments.edits import Box, Edit, Odd, Source, boxes, first_of, made_box, parts

__all__ = ["edits_of_movie", "movie_comments"]

COMMENT, TITLE = b"\xa9cmt", b"\xa9nam"
COMMENT_KEY = b"comment"
TITLE_KEYS = (b"title", b"com.apple.quicktime.title")
MOOV_MOST = 64 * 2**20
DATA_MOST = 16 * 2**20
"""Of user data or metadata, covers among it, and of one fragment's index."""
TEXT_MOST = 2**20
CHUNKS_MOST = 4_000_000
COMMENTS_MOST = 16
KEYS_MOST = 1000
UTF_8, UTF_16 = 1, 2
"""Types of iTunes' data."""
UND = 0x55C4
"""QuickTime's number of no particular language, as ISO 639-2 has it: the text is UTF-8."""
UNSPECIFIED = 0x7FFF
SIGNED = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
"""The UUID of the box with content credentials, of the C2PA specification: they hold for bytes, and would break."""
NOT_FOUND_BY_OFFSETS = frozenset({b"cmov", b"rmra"})
"""In place of an index: one that is compressed, and one that names other files."""


def movie_comments(source: Source) -> Iterator[str]:
    """The comments of a file, wherever they stand. Raises `Odd` as soon as the file is not as it should be."""
    moov = next((box for box in boxes(source, 0, source.size) if box.name == b"moov"), None)
    if moov is None or moov.end - moov.start > MOOV_MOST:
        return
    for box in boxes(source, moov.body, moov.end):
        if box.name == b"meta":
            yield from _Meta(source, box).comments()
        elif box.name == b"udta":
            for child in boxes(source, box.body, box.end, terminated=True):
                if child.name == COMMENT and child.end - child.body <= TEXT_MOST:
                    yield from _quicktime_texts(source.read(child.body, child.end))
                elif child.name == b"meta":
                    yield from _Meta(source, child).comments()


def edits_of_movie(source: Source, compose: Callable[[Sequence[str]], str], title: str) -> list[Edit]:
    """What is to be changed for the file to have one comment, composed from those it has, and a title if it has none.

    Raises `Odd` if the file is not as it should be, or has something that would break.
    """
    top = list(boxes(source, 0, source.size))
    moovs = [box for box in top if box.name == b"moov"]
    if len(moovs) != 1 or moovs[0].end - moovs[0].start > MOOV_MOST:
        raise Odd("no index, or more than one")
    moov = moovs[0]
    _check_top(source, top, moov)
    children = list(boxes(source, moov.body, moov.end))
    if any(box.name in NOT_FOUND_BY_OFFSETS for box in children):
        raise Odd("an index of another kind")
    brand = next((source.read(box.body, min(box.end, box.body + 4)) for box in top if box.name == b"ftyp"), b"qt  ")
    inside = _edits_of_texts(source, moov, children, brand == b"qt  ", compose, title)
    growth = sum(edit.growth for edit in inside)
    if source.read(moov.start, moov.start + 4) == b"\x00\x00\x00\x01":
        inside.append(Edit(moov.start + 8, moov.body, (moov.end - moov.start + growth).to_bytes(8)))
    elif any(source.read(moov.start, moov.start + 4)):  # otherwise it reaches to the end, and will
        inside.append(Edit(moov.start, moov.start + 4, (moov.end - moov.start + growth).to_bytes(4)))
    tracks = [box for box in children if box.name == b"trak"]
    return [*inside, *_edits_of_chunks(source, tracks, moov, growth), *_edits_of_fragments(source, top, moov, growth)]


def _check_top(source: Source, top: Sequence[Box], moov: Box) -> None:
    for box in top:
        if box.name == b"ftyp" and source.read(box.body, min(box.end, box.body + 4)) == b"crx ":
            raise Odd("a raw photo, which has a table of its own")
        if box.name == b"uuid" and source.read(box.body, min(box.end, box.body + 16)) == SIGNED:
            raise Odd("signed")
        if box.name == b"sidx" and box.start < moov.start:
            raise Odd("an index of fragments before the index")
        if box.name == b"meta" and _Meta(source, box).has_places:
            raise Odd("pictures with places of their own")


class _Meta:
    """A box 'meta': its handler says what its list is, iTunes' own or one of keys and values."""

    def __init__(self, source: Source, box: Box) -> None:
        self._source = source
        self.box = box
        head = source.read(box.body, min(box.end, box.body + 12))
        # QuickTime's has no version and flags.
        self.start = box.body if head[4:8] == b"hdlr" else box.body + 4
        if self.start > box.end:
            raise Odd("a box without a content")
        self.children = list(boxes(source, self.start, box.end))
        handler = next((child for child in self.children if child.name == b"hdlr"), None)
        self.handler = b"" if handler is None else source.read(handler.body, min(handler.end, handler.body + 12))[8:12]

    @property
    def has_places(self) -> bool:
        """Whether it counts bytes from the beginning of the file."""
        return any(child.name == b"iloc" for child in self.children)

    @property
    def has_keys(self) -> bool:
        return any(child.name == b"keys" for child in self.children)

    @property
    def items(self) -> Iterator[tuple[bytes, Box]]:
        """The items of the list, each with its key, or with its name where the list has none."""
        keys = self._keys()
        for ilst in self.children:
            if ilst.name == b"ilst":
                for item in boxes(self._source, ilst.body, ilst.end):
                    number = int.from_bytes(item.name)
                    key = keys[number - 1] if self.handler == b"mdta" and 0 < number <= len(keys) else item.name
                    yield key, item

    def comments(self) -> Iterator[str]:
        for key, item in self.items:
            if self.is_comment(key) and item.end - item.body <= TEXT_MOST + 16:
                yield from _item_texts(self._source.read(item.body, item.end))

    def is_comment(self, key: bytes) -> bool:
        return key == (COMMENT_KEY if self.handler == b"mdta" else COMMENT)

    def is_title(self, key: bytes) -> bool:
        return key in TITLE_KEYS if self.handler == b"mdta" else key == TITLE

    def remade(self, comment: bytes = b"", title: bytes = b"") -> bytes:
        """The whole box with this comment instead of those it has, and with this title in addition; with neither if empty."""
        dropped = {item.start for key, item in self.items if self.is_comment(key)}
        keys = self._keys()
        added = b""
        for name, key, text in ((TITLE, TITLE_KEYS[0], title), (COMMENT, COMMENT_KEY, comment)):
            if text and self.handler == b"mdta":
                if key not in keys:
                    keys.append(key)
                name = (keys.index(key) + 1).to_bytes(4)
            added += _item(name, text) if text else b""
        contents = [self._source.read(self.box.body, self.start)]
        for child in self.children:
            if child.name == b"ilst":
                kept = [
                    self._source.read(item.start, item.end)
                    for item in boxes(self._source, child.body, child.end)
                    if item.start not in dropped
                ]
                contents.append(made_box(b"ilst", *kept, added))
                added = b""
            elif child.name == b"keys" and self.handler == b"mdta":
                known = self._source.read(child.body + 8, child.end)
                more = [made_box(b"mdta", key) for key in keys[len(self._keys()) :]]
                contents.append(made_box(b"keys", bytes(4), len(keys).to_bytes(4), known, *more))
            else:
                contents.append(self._source.read(child.start, child.end))
        return made_box(b"meta", *contents, *([made_box(b"ilst", added)] if added else []))

    def _keys(self) -> list[bytes]:
        keys = next((child for child in self.children if child.name == b"keys"), None)
        if keys is None or self.handler != b"mdta" or keys.end - keys.body > TEXT_MOST:
            return []
        found = []
        for _, key in parts(self._source.read(min(keys.body + 8, keys.end), keys.end)):
            found.append(key)
            if len(found) > KEYS_MOST:
                raise Odd("too many keys")
        return found


def _edits_of_texts(
    source: Source,
    moov: Box,
    children: Sequence[Box],
    quicktime: bool,
    compose: Callable[[Sequence[str]], str],
    title: str,
) -> list[Edit]:
    """The edits of user data and metadata: all comments leave, and the one that is composed comes."""
    lists = [_Meta(source, box) for box in children if box.name == b"meta"]
    users = [box for box in children if box.name == b"udta"]
    if len(users) > 1 or len(lists) > 1:
        raise Odd("user data twice")
    user = list(boxes(source, users[0].body, users[0].end, terminated=True)) if users else []
    if users and users[0].end - users[0].start > DATA_MOST:
        raise Odd("too much user data")
    inner = [_Meta(source, box) for box in user if box.name == b"meta"]
    if len(inner) > 1 or any(meta.has_places for meta in [*lists, *inner]):
        raise Odd("metadata of another kind")

    if any(meta.box.end - meta.box.start > DATA_MOST for meta in [*lists, *inner]):
        raise Odd("too much metadata")
    texts: list[str] = []
    titled = not title
    for meta in [*inner, *lists]:
        for key, item in meta.items:
            titled = titled or meta.is_title(key)
            if meta.is_comment(key):
                texts += _item_texts(source.read(item.body, item.end))
    for box in user:
        titled = titled or box.name == TITLE
        if box.name == COMMENT:
            texts += _quicktime_texts(source.read(box.body, box.end))
    comment = compose(texts).encode()

    caption = b"" if titled else title.encode()
    in_list, outside = (b"", b""), b""
    if quicktime:
        outside = (_quicktime_text(TITLE, caption) if caption else b"") + _quicktime_text(COMMENT, comment)
    elif inner:
        in_list = (comment, caption)
        if inner[0].handler not in (b"mdir", b"mdta") or (inner[0].handler == b"mdta" and not inner[0].has_keys):
            raise Odd("metadata of another kind")
    else:
        handler = made_box(b"hdlr", bytes(8), b"mdirappl", bytes(9))
        items = [_item(name, text) for name, text in ((TITLE, caption), (COMMENT, comment)) if text]
        outside = made_box(b"meta", bytes(4), handler, made_box(b"ilst", *items))

    edits = [Edit(meta.box.start, meta.box.end, meta.remade()) for meta in lists if any(meta.comments())]
    if not users:
        return [*edits, Edit(moov.end, moov.end, made_box(b"udta", outside))]
    contents = []
    for box in user:
        if box.name == b"meta":
            contents.append(inner[0].remade(*in_list))
        elif box.name != COMMENT:
            contents.append(source.read(box.start, box.end))
    # What ends the list still does.
    rest = source.read(user[-1].end if user else users[0].body, users[0].end)
    return [*edits, Edit(users[0].start, users[0].end, made_box(b"udta", *contents, outside, rest))]


def _edits_of_chunks(source: Source, tracks: Sequence[Box], moov: Box, growth: int) -> list[Edit]:
    edits, left = [], CHUNKS_MOST
    for track in tracks:
        meta = first_of(source, track, b"meta")
        if meta is not None and _Meta(source, meta).has_places:
            raise Odd("pictures with places of their own")
        information = first_of(source, track, b"mdia", b"minf")
        table = None if information is None else first_of(source, information, b"stbl")
        if information is None or table is None:
            raise Odd("a track without its tables")
        _check_references(source, information)
        for box in boxes(source, table.body, table.end):
            if box.name == b"saio":
                raise Odd("places of encryption")
            if box.name in (b"stco", b"co64"):
                count = int.from_bytes(source.read(box.body + 4, box.body + 8))
                left -= count
                width = 4 if box.name == b"stco" else 8
                start, end = box.body + 8, box.body + 8 + count * width
                if end > box.end or left < 0:
                    raise Odd("a table that reaches further than its box")
                edits.append(Edit(start, end, _shifted(source.read(start, end), width, moov, growth)))
    return edits


def _check_references(source: Source, information: Box) -> None:
    """Samples in other files have offsets that do not move."""
    table = first_of(source, information, b"dinf", b"dref")
    if table is None:
        return
    for entry in boxes(source, min(table.body + 8, table.end), table.end):
        if not source.read(entry.body, entry.body + 4)[3] & 1:
            raise Odd("samples in another file")


def _shifted(table: bytes, width: int, moov: Box, growth: int) -> bytes:
    """A table of offsets as it is once the index has grown."""
    numbers = array("I" if width == 4 else "Q", table)
    if sys.byteorder == "little":
        numbers.byteswap()
    if not numbers or (max(numbers) < moov.start):
        return table
    if any(moov.start <= number < moov.end for number in numbers):
        raise Odd("samples in the index")
    if max(numbers) + growth >= 1 << 8 * width:
        raise Odd("an offset that is too large")
    numbers = array(numbers.typecode, [number + growth if number >= moov.end else number for number in numbers])
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers.tobytes()


def _edits_of_fragments(source: Source, top: Sequence[Box], moov: Box, growth: int) -> list[Edit]:
    edits = []
    for box in top:
        if box.name == b"moof":
            edits += _edits_of_fragment(source, box, moov, growth)
        elif box.name == b"mfra":
            for table in boxes(source, box.body, box.end):
                if table.name == b"tfra":
                    edits.append(_edit_of_entries(source, table, moov, growth))
    return edits


def _edits_of_fragment(source: Source, fragment: Box, moov: Box, growth: int) -> list[Edit]:
    """A fragment counts from its own beginning, unless its header says from where."""
    edits = []
    for track in boxes(source, fragment.body, fragment.end):
        if track.name != b"traf":
            continue
        header = first_of(source, track, b"tfhd")
        if header is None:
            raise Odd("a fragment without a header")
        if source.read(header.body, header.body + 4)[3] & 1:
            start, end = header.body + 8, header.body + 16
            if end > header.end:
                raise Odd("a header that is too short")
            edits.append(Edit(start, end, _shifted(source.read(start, end), 8, moov, growth)))
    return edits


def _edit_of_entries(source: Source, table: Box, moov: Box, growth: int) -> Edit:
    """Of a table that says when each fragment begins, and where."""
    if table.end - table.body > DATA_MOST:
        raise Odd("a table that is too large")
    data = bytearray(source.read(table.body, table.end))
    if len(data) < 16:
        raise Odd("a table that is too short")
    width = 8 if data[0] == 1 else 4
    lengths, count = data[11], int.from_bytes(data[12:16])
    entry = 2 * width + sum((lengths >> shift & 3) + 1 for shift in (4, 2, 0))
    if 16 + count * entry > len(data):
        raise Odd("a table that reaches further than its box")
    for number in range(count):
        at = 16 + number * entry + width
        data[at : at + width] = _shifted(bytes(data[at : at + width]), width, moov, growth)
    return Edit(table.body, table.end, bytes(data))


def _item(name: bytes, text: bytes) -> bytes:
    return made_box(name, made_box(b"data", UTF_8.to_bytes(4), bytes(4), text))


def _item_texts(content: bytes) -> Iterator[str]:
    for name, data in parts(content):
        if name == b"data":
            yield _decoded(data[8:], {UTF_8: "utf-8", UTF_16: "utf-16-be", 0: "utf-8"}.get(int.from_bytes(data[:4])))


def _quicktime_text(name: bytes, text: bytes) -> bytes:
    if len(text) > 0xFFFF:
        raise Odd("a text that is too long")
    return made_box(name, len(text).to_bytes(2), UND.to_bytes(2), text)


def _quicktime_texts(content: bytes) -> Iterator[str]:
    """The texts of one item of user data, in several languages; some programs put iTunes' own there."""
    if content[4:8] == b"data":
        yield from _item_texts(content)
        return
    at, found = 0, 0
    while at + 4 <= len(content) and found < COMMENTS_MOST:
        length, language = int.from_bytes(content[at : at + 2]), int.from_bytes(content[at + 2 : at + 4])
        if at + 4 + length > len(content):
            raise Odd("a text that reaches further than its box")
        # Languages below 0x400 are those of the Macintosh, with its letters.
        yield _decoded(
            content[at + 4 : at + 4 + length], "mac-roman" if language < 0x400 or language == UNSPECIFIED else "utf-8"
        )
        at, found = at + 4 + length, found + 1


def _decoded(text: bytes, encoding: str | None) -> str:
    if encoding is None:
        raise Odd("a comment that is no text")
    try:
        return text.decode(encoding).rstrip("\0")
    except UnicodeDecodeError as error:
        raise Odd("a comment that is no text") from error
