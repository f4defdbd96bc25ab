"""Small files that cost whoever reads them gigabytes or minutes, made here: `HOSTILE[name](path)` writes one.

Each is a harmless file of `tests.media.files` with something added or changed, so that the file beside it is its control.
"""

import base64
import io
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av
from PIL import Image

from tests.media.files import box, chunk, make, synchsafe

__all__ = ["HOSTILE", "TOO_LONG", "Hostile"]

BOXED = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"udta", b"edts", b"moof", b"traf")
"""Boxes that consist of boxes."""


@cache
def sample(name: str) -> bytes:
    """The content of a file of `FILES`."""
    with TemporaryDirectory() as folder:
        return make(name, Path(folder) / "file").read_bytes()


def replaced(
    data: bytes, change: Callable[[tuple[bytes, ...], bytes], bytes | None], path: tuple[bytes, ...] = ()
) -> bytes:
    """The boxes of a file, each as `change` gives it from its path and content; None leaves it as it is."""
    at, made = 0, []
    while at < len(data):
        size, name = struct.unpack(">I4s", data[at : at + 8])
        content, where = data[at + 8 : at + size], (*path, name)
        if name in BOXED:
            content = replaced(content, change, where)
        changed = change(where, content)
        made.append(box(name, content) if changed is None else changed)
        at += size
    return b"".join(made)


def endless_samples(count: int, path: Path) -> None:
    """A video of a few kilobytes whose index states `count` samples of one byte each."""

    def change(where: tuple[bytes, ...], content: bytes) -> bytes | None:
        match where[-1]:
            case b"stsz":
                return box(b"stsz", struct.pack(">III", 0, 1, count))
            case b"stts":
                return box(b"stts", struct.pack(">IIII", 0, 1, count, 512))
            case b"stsc":
                return box(b"stsc", struct.pack(">IIIII", 0, 1, 1, count, 1))
        return None

    path.write_bytes(replaced(sample("mp4-index-last"), change))


def endless_times(name: bytes, count: int, path: Path) -> None:
    """A video whose table of times states so many samples, and whose other tables are right."""
    table = box(name, struct.pack(">III", 0, 1, count) + struct.pack(">I", 512))

    def change(where: tuple[bytes, ...], content: bytes) -> bytes | None:
        if where[-1] == name == b"stts":
            return table
        return box(b"stbl", content, table) if where[-1] == b"stbl" and name != b"stts" else None

    path.write_bytes(replaced(sample("mp4-index-last"), change))


def endless_fragment(count: int, path: Path) -> None:
    """A video in fragments, one of which states `count` samples that all are as its header says."""

    def change(where: tuple[bytes, ...], content: bytes) -> bytes | None:
        return box(b"trun", struct.pack(">II", 0, count)) if where[-1] == b"trun" else None

    path.write_bytes(replaced(sample("mp4-fragments"), change))


def endless_edits(count: int, path: Path) -> None:
    """A video of 2 kB with a list of `count` edits."""
    entry = struct.pack(">IiI", 100, 0, 0x00010000)

    def change(where: tuple[bytes, ...], content: bytes) -> bytes | None:
        if where[-1] == b"edts":
            return box(b"edts", box(b"elst", struct.pack(">II", 0, count), entry * count))
        return None

    path.write_bytes(replaced(sample("mp4-60fps"), change))


def many_tracks(count: int, path: Path) -> None:
    """A video with its track so many times."""

    def change(where: tuple[bytes, ...], content: bytes) -> bytes | None:
        return box(b"trak", content) * count if where == (b"moov", b"trak") else None

    path.write_bytes(replaced(sample("mp4-index-last"), change))


def deep_boxes(depth: int, path: Path) -> None:
    """A video with boxes in boxes, so many times."""
    inner = b""
    for _ in range(depth):
        inner = box(b"udta", inner)

    def change(where: tuple[bytes, ...], content: bytes) -> bytes | None:
        return box(b"moov", content, inner) if where == (b"moov",) else None

    path.write_bytes(replaced(sample("mp4-index-last"), change))


def many_tags(count: int, path: Path) -> None:
    """A video with so many texts, no two of the same name."""
    names = (struct.pack(">I", 0xA9000000 | number) for number in range(count))
    items = b"".join(box(name, box(b"data", struct.pack(">II", 1, 0), b"x")) for name in names)
    handler = box(b"hdlr", bytes(8), b"mdirappl", bytes(9))

    def change(where: tuple[bytes, ...], content: bytes) -> bytes | None:
        if where == (b"moov",):
            return box(b"moov", content, box(b"udta", box(b"meta", bytes(4), handler, box(b"ilst", items))))
        return None

    path.write_bytes(replaced(sample("mp4-index-last"), change))


def of_pictures(sizes: Sequence[tuple[int, int]], path: Path) -> None:
    """A video of black PNGs of these sizes; its index states the size of the first one."""
    with av.open(str(path), "w", format="mov") as target:
        video = target.add_stream("png", rate=10)
        assert isinstance(video, av.VideoStream)
        video.width, video.height, video.pix_fmt = *sizes[0], "rgb24"
        for number, size in enumerate(sizes):
            packet: av.Packet[Any] = av.Packet(black_png(size))
            packet.stream, packet.pts, packet.dts, packet.duration = video, number, number, 1
            packet.time_base, packet.is_keyframe = Fraction(1, 10), True
            target.mux(packet)


@cache
def black_png(size: tuple[int, int], mode: str = "1") -> bytes:
    file = io.BytesIO()
    Image.new(mode, size).save(file, "PNG", compress_level=1)
    return file.getvalue()


def picture(size: tuple[int, int], format: str, mode: str, path: Path, **options: Any) -> None:
    Image.new(mode, size).save(path, format, **options)


AVIF_144_MP = (
    b"c-muNV30{GsVqn=%S>Yc0uY^>nP!-qnF!*)%uOvxWPkw0jFg-rD4U@mGr5ET4e%9YmgIt2j6f`xnUkLk;<$kLj1W;qUIqr{UqH4-W@cU*T&)z4lgb3;C6*Z&I_"
    b"Kx)gYC-5EGQ}f(w><G$@xH9B(u066>6UY5F0@3t;hsx<^U2riDib)jq)-e0paBQoT9wsoC=`1ybNp&Kq2wWf?Sx7fX-rJWNKz%U|?a&O-U>fV&LMI|DJb$ckMDJD"
    b"P9Mo7wiIjM<eh5)A_?-bN-Z$_xj!9Gxm3$({A+8-lcl1fLqDF)^qwK_Zznlsw(i`;CLnU<ujkCo@zyRx8V#X+v!g(Z>z8sUzR5NZZPXM_<L{8`x6HO-@Q-UlW2MG"
    b"$Xez7)A!eZzU$`m;!Dn!QGbv6n`pa#45V&KyuASc-TDmo"
)
"""What Pillow makes of 12,000 by 12,000 black pixels; that takes five seconds."""


def lying_avif(path: Path) -> None:
    """A picture of 144 million pixels whose box says that it has 64 by 48."""
    data = zlib.decompress(base64.b85decode(AVIF_144_MP))
    path.write_bytes(data)


def many_scans(size: int, scans: int, path: Path) -> None:
    """A progressive JPEG whose last scan is repeated; each one is a walk through all of the picture."""
    file = io.BytesIO()
    Image.new("L", (size, size)).save(file, "JPEG", progressive=True)
    data = file.getvalue()
    last = data.rindex(b"\xff\xda")
    scan = data[last:-2]
    path.write_bytes(data[:-2] + scan * scans + data[-2:])


def wide_tile(path: Path) -> None:
    """A TIFF of 64 by 48 pixels in one tile of a million by a thousand."""
    entries = [
        (256, 4, 64), (257, 4, 48), (258, 3, 8), (259, 3, 8), (262, 3, 1),
        (277, 3, 1), (322, 4, 2**20), (323, 4, 1024), (324, 4, 8), (325, 4, 0),
    ]  # fmt: skip
    packer = zlib.compressobj(9)
    tile = packer.compress(bytes(2**24))
    tile += packer.compress(bytes(2**24)) + packer.flush()
    entries[-1] = (325, 4, len(tile))
    at = 8 + len(tile)
    table = struct.pack("<H", len(entries)) + b"".join(
        struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries
    )
    path.write_bytes(b"II*\0" + struct.pack("<I", at) + tile + table + bytes(4))


def long_texts(count: int, path: Path) -> None:
    """A sound with so many comments of a megabyte each, none of which has an end."""
    text = b"\x00XXX" + b"a" * (2**20 - 8)
    frame = b"COMM" + struct.pack(">IH", len(text), 0) + text
    content = frame * count
    path.write_bytes(b"ID3\x03\x00\x00" + synchsafe(len(content)) + content + sample("mp3-no-tag"))


def packed_text(megabytes: int, path: Path) -> None:
    """A PNG with texts that unpack to so many megabytes."""
    text = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2**20), 9))
    data = sample("png")
    path.write_bytes(data[:33] + text * megabytes + data[33:])


def ebml(name: int, content: bytes) -> bytes:
    head = name.to_bytes((name.bit_length() + 7) // 8)
    return head + (len(content) | 1 << 56).to_bytes(8) + content


def many_matroska_tracks(count: int, path: Path) -> None:
    """A Matroska file with so many tracks of video."""
    video = ebml(0xE0, ebml(0xB0, b"\x40") + ebml(0xBA, b"\x30"))

    def track(number: int) -> bytes:
        number_of = number.to_bytes(3)
        codec = ebml(0x86, b"V_MPEG4/ISO/AVC")
        return ebml(0xAE, ebml(0xD7, number_of) + ebml(0x73C5, number_of) + ebml(0x83, b"\x01") + codec + video)

    header = ebml(0x1A45DFA3, ebml(0x4282, b"matroska"))
    tracks = ebml(0x1654AE6B, b"".join(map(track, range(1, count + 1))))
    path.write_bytes(header + ebml(0x18538067, tracks))


def many_matroska_tags(count: int, path: Path) -> None:
    tags = b"".join(ebml(0x67C8, ebml(0x45A3, b"%08d" % n) + ebml(0x4487, b"x")) for n in range(count))
    data = sample("mkv")
    at = data.index(b"\x15\x49\xa9\x66")
    size_at = data.index(b"\x18\x53\x80\x67") + 4
    added = ebml(0x1254C367, ebml(0x7373, ebml(0x63C0, b"") + tags))
    data = data[:size_at] + b"\x01\xff\xff\xff\xff\xff\xff\xff" + data[size_at + 8 : at] + added + data[at:]
    path.write_bytes(data)


def long_records(count: int, path: Path) -> None:
    """A PNG with so many comments of a megabyte, each of which might be a record to its last byte."""
    comment = b'Comment\0{"app":"dreamina-ui","a":[' + b"1e9," * (2**18 - 16)
    data = sample("png")
    path.write_bytes(data[:33] + chunk(b"tEXt", comment) * count + data[33:])


@dataclass(frozen=True, slots=True)
class Hostile:
    """How the file is made, a harmless file of `FILES` of its kind, and the problem that is told of it, if any."""

    make: Callable[[Path], None]
    control: str
    problem: str = ""


TOO_LONG = "it takes too long"
HOSTILE: Mapping[str, Hostile] = {
    "samples": Hostile(partial(endless_samples, 50_000_000), "mp4-index-last", "too many samples"),
    "times": Hostile(partial(endless_times, b"stts", 2**31 - 1), "mp4", "too many samples"),
    "shifted times": Hostile(partial(endless_times, b"ctts", 2**31 - 1), "mp4-long-gop", "too many samples"),
    "samples of a fragment": Hostile(partial(endless_fragment, 30_000_000), "mp4-fragments", "too many samples"),
    "edits": Hostile(partial(endless_edits, 1_000_000), "mp4-60fps", "too many edits"),
    "tracks": Hostile(partial(many_tracks, 20_000), "mp4-sound", "too many streams"),
    "tracks of Matroska": Hostile(partial(many_matroska_tracks, 20_000), "mkv", "EOFError"),
    "boxes in boxes": Hostile(partial(deep_boxes, 3_000), "mp4-chapters", "InvalidDataError"),
    "tags": Hostile(partial(many_tags, 200_000), "mp4-keys-no-comment"),
    "tags of Matroska": Hostile(partial(many_matroska_tags, 100_000), "mkv", TOO_LONG),
    "frames that grow": Hostile(partial(of_pictures, [(64, 48), (20_000, 20_000)]), "mov"),
    "frames that grow to what is allowed": Hostile(partial(of_pictures, [(64, 48), *[(6300, 6300)] * 9]), "mov"),
    "a large PNG": Hostile(partial(picture, (6300, 6300), "PNG", "RGBA", compress_level=1), "png-alpha"),
    "a large WebP": Hostile(partial(picture, (6300, 6300), "WEBP", "RGBA", lossless=True, method=0), "webp"),
    "an AVIF that lies": Hostile(lying_avif, "avif"),
    "scans": Hostile(partial(many_scans, 6000, 2000), "jpeg-progressive", TOO_LONG),
    "a wide tile": Hostile(wide_tile, "tiff", "decoder error -9"),
    "texts": Hostile(partial(long_texts, 60), "mp3"),
    "packed texts": Hostile(partial(packed_text, 1000), "png", "Too much memory used"),
    "records": Hostile(partial(long_records, 60), "png-palette", TOO_LONG),
}
"""By what there is too much of."""
