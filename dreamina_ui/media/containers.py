"""What a file states of itself, as its bytes have it: whether it is cut short, how its video is turned, how large its index is.

Nothing is decoded here. MP4 and its relatives: ISO/IEC 14496-12; Matroska: RFC 8794.
"""

import struct
import sys
from array import array
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from dreamina_ui.media.comments.edits import Box, Odd, Source, boxes, first_of
from dreamina_ui.media.kinds import AVI, M4A, MATROSKA, MOBILE, MOV, MP4, WAV, WEBM, Kind, ebml_size

__all__ = ["ACROSS", "STREAMS_MOST", "Matrix", "Unreadable", "check_index", "is_across", "is_cut_short", "turn_by"]

STEPS_MOST = 50_000
STREAMS_MOST = 64
SAMPLES_MOST = 2_000_000
"""Of all tracks: nine hours at 60 frames a second. FFmpeg takes memory for each that is stated, there or not."""
EDITS_MOST = 10_000
INDEX_STEPS_MOST = 300_000
BOXED = (MP4, MOV, M4A, MOBILE)
TOP_BOXES = frozenset(
    {
        b"ftyp",
        b"styp",
        b"moov",
        b"mdat",
        b"moof",
        b"mfra",
        b"sidx",
        b"emsg",
        b"uuid",
        b"meta",
        b"free",
        b"skip",
        b"wide",
    }
)
"""Those that a file consists of, ISO/IEC 14496-12."""
Matrix = tuple[int, int, int, int]
TURNS: Mapping[Matrix, int | None] = {
    (1, 0, 0, 1): None,
    (-1, 0, 0, 1): 0,
    (1, 0, 0, -1): 1,
    (0, -1, 1, 0): 2,
    (-1, 0, 0, -1): 3,
    (0, 1, -1, 0): 4,
    (0, 1, 1, 0): 5,
    (0, -1, -1, 0): 6,
}
"""Pillow's numbers of what has to be done to a picture: FLIP_LEFT_RIGHT, FLIP_TOP_BOTTOM, ROTATE_90, and so on."""
ACROSS = (2, 4, 5, 6)
"""Those of them that exchange width and height."""


class Unreadable(Exception):
    """Something is wrong with what a file contains."""


def turn_by(matrix: Matrix) -> int | None:
    """How a picture has to be turned, in quarters of a circle: players turn by no other angle."""
    right_x, right_y, down_x, down_y = matrix
    if abs(right_x) + abs(down_y) >= abs(right_y) + abs(down_x):
        right_y = down_x = 0
    else:
        right_x = down_y = 0
    signs = tuple((number > 0) - (number < 0) for number in (right_x, right_y, down_x, down_y))
    return TURNS.get(signs)  # type: ignore[arg-type]


def is_across(path: Path, kind: Kind) -> bool:
    """Whether a movie's first video is shown turned by a quarter, as its header says."""
    if kind not in BOXED:
        return False
    with path.open("rb") as file, suppress(Odd):
        source = Source(file, STEPS_MOST)
        moov = next((box for box in boxes(source, 0, source.size) if box.name == b"moov"), None)
        for track in boxes(source, moov.body, moov.end) if moov else ():
            handler = first_of(source, track, b"mdia", b"hdlr") if track.name == b"trak" else None
            if handler is None or source.read(handler.body + 8, handler.body + 12) != b"vide":
                continue
            header = first_of(source, track, b"tkhd")
            if header is None:
                return False
            at = header.body + (52 if source.read(header.body, header.body + 1) == b"\1" else 40)
            right_x, right_y, _, down_x, down_y = struct.unpack(">5i", source.read(at, at + 20))
            return turn_by((right_x, right_y, down_x, down_y)) in ACROSS
    return False


def is_cut_short(path: Path, kind: Kind) -> bool:
    """Whether a file says of itself that it is longer than it is: without this, half of a video would pass for a short one."""
    with path.open("rb") as file:
        source = Source(file, STEPS_MOST)
        try:
            if kind in BOXED:
                return _boxes_are_cut_short(source)
            if kind in (AVI, WAV):
                stated = int.from_bytes(source.read(4, 8), "little")
                # Programs that do not know the size write one of these.
                return stated not in (0, 0xFFFFFFFF) and source.read(0, 4) == b"RIFF" and 8 + stated > source.size
            if kind in (WEBM, MATROSKA):
                return _segment_end(source) > source.size
        except Odd:  # of too many parts, or without a whole header
            return False
    return False


def _boxes_are_cut_short(source: Source) -> bool:
    """Whether a box reaches past the end of its file. What follows the last one need not be a box: players ignore it."""
    at = 0
    while at + 16 <= source.size:
        source.step()
        header = source.read(at, at + 16)
        size = int.from_bytes(header[:4])
        if size == 1:
            size = int.from_bytes(header[8:])
        if header[4:8] not in TOP_BOXES or size < 8:
            return False
        at += size
    return at > source.size


def _segment_end(source: Source) -> int:
    """Where the one segment of a Matroska file ends, RFC 8794; 0 if it does not say."""
    head = source.read(0, min(source.size, 4096))
    length, at = ebml_size(head, 4)
    at += length
    if head[at : at + 4] != b"\x18\x53\x80\x67":
        return 0
    size, body = ebml_size(head, at + 4)
    unknown = (1 << 7 * (body - at - 4)) - 1
    return 0 if size == unknown else body + size


def check_index(path: Path, kind: Kind) -> None:
    """Raises `Unreadable` if a file's index, which can be tiny, states more than is worth reading.

    FFmpeg makes an entry for each sample that is stated. In a file that is not as its format has it, it stops by itself.
    """
    if kind not in BOXED:
        return
    with path.open("rb") as file, suppress(Odd):
        source = Source(file, INDEX_STEPS_MOST)
        index = _Index(source)
        for box in boxes(source, 0, source.size):
            if box.name == b"moov":
                for child in boxes(source, box.body, box.end):
                    if child.name == b"trak":
                        index.add_track(child)
            elif box.name == b"moof":
                for child in boxes(source, box.body, box.end):
                    if child.name == b"traf":
                        index.add_fragment(child)


class _Index:
    """Counts what the tables of a movie state. Each of its methods raises `Unreadable` where it is too much."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._tracks = self._edits = 0
        self._samples: dict[bytes, int] = defaultdict(int)

    def add_track(self, track: Box) -> None:
        self._tracks += 1
        if self._tracks > STREAMS_MOST:
            raise Unreadable("too many streams")
        edits = first_of(self._source, track, b"edts", b"elst")
        self._edits += 0 if edits is None else self._number(edits, 4)
        if self._edits > EDITS_MOST:
            raise Unreadable("too many edits")
        tables = first_of(self._source, track, b"mdia", b"minf", b"stbl")
        if tables is None:
            return
        found = {box.name: box for box in boxes(self._source, tables.body, tables.end)}
        times = found.get(b"stts")
        if times is not None and self._number(times, 4) == 1 and self._number(times, 12) == 1:
            return  # plain sound: FFmpeg makes an entry for each chunk, and the file has a place for that
        for name in (b"stsz", b"stz2"):
            if name in found:
                self._count(name, self._number(found[name], 8))
        for name in (b"stts", b"ctts"):
            if name in found:
                self._count(name, self._sum(found[name]))

    def add_fragment(self, fragment: Box) -> None:
        for box in boxes(self._source, fragment.body, fragment.end):
            if box.name == b"trun":
                self._count(b"trun", self._number(box, 4))

    def _count(self, table: bytes, samples: int) -> None:
        self._samples[table] += samples
        if self._samples[table] > SAMPLES_MOST:
            raise Unreadable("too many samples")

    def _number(self, table: Box, at: int) -> int:
        start = table.body + at
        return int.from_bytes(self._source.read(start, start + 4)) if start + 4 <= table.end else 0

    def _sum(self, table: Box) -> int:
        """Of the first numbers of its pairs."""
        count = min(self._number(table, 4), (table.end - table.body - 8) // 8)
        if count > SAMPLES_MOST:
            return count
        numbers = array("I", self._source.read(table.body + 8, table.body + 8 + count * 8))
        if sys.byteorder == "little":
            numbers.byteswap()
        return sum(numbers[::2])
