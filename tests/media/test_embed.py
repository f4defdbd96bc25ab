"""The record inside a file: it is read again, and all else is what it was."""

import hashlib
import json
import random
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image

from dreamina_ui.media.comments import edits
from dreamina_ui.media.embed import embed_record, read_record
from dreamina_ui.media.kinds import HEAD_BYTES, KINDS, MP4, Family, kind_of
from tests.media.files import FILES, box, chunk, movie, picture, sound, synchsafe

Sample = Callable[[str], Path]
RECORD = {
    "app": "dreamina-ui",
    "settings": {"prompt": 'Ein Fuchs läuft — "schnell" 🦊\nüber <das> Feld', "seed": 7},
    "cost_usd": 0.36,
    "request_id": None,
}
TITLE = 'Ein Fuchs läuft — "schnell" 🦊\nüber <das> Feld'
REPLACED = {
    "mp4-commented": "vid:v0300fg10000",
    "mp4-keys": "theirs",
    "mov-keys": "theirs",
    "mov-commented": "theirs",
    "mp3-titled": "said before",
}
TITLED = {"mp4-commented": "Theirs", "mov-commented": "Theirs", "mp3-titled": "Theirs", "mp3-cover": "A tone"}
MOVIES = [name for name in FILES if name.split("-")[0] in ("mp4", "mov", "m4a", "3gp")]
BROKEN = {"mp4-cut", "mp4-index-last-cut", "mp4-fragments-cut", "mp4-lying", "png-cut"}
OTHERS = [name for name in FILES if name.split("-")[0] in ("png", "apng", "jpeg", "mp3", "polyglot")]
TAKES = [name for name in (*MOVIES, *OTHERS) if name not in BROKEN]
LARGE = {"png-bomb", "png-too-large", "mov-too-large", "mov-too-large-hidden", "jpeg-cut"}


def embedded(path: Path, target: Path, record: dict[str, Any] = RECORD) -> bool:
    done = embed_record(path, target, kind_of(path.read_bytes()[:HEAD_BYTES]), record)
    assert target.exists() == done
    return done


def expected_record(name: str) -> dict[str, Any]:
    return {**RECORD, "replaced_comment": REPLACED[name]} if name in REPLACED else RECORD


def digest(data: Any) -> str:
    return hashlib.sha256(bytes(data)).hexdigest()


def described(path: Path) -> dict[str, Any]:
    """All that FFmpeg knows of a file but its comment and title: streams, tags, chapters, every packet, every frame."""
    with av.open(str(path)) as container:
        streams: list[dict[str, Any]] = [
            {
                "type": stream.type,
                "id": stream.id,
                "tag": stream.codec_tag if stream.codec_context else None,
                "time_base": stream.time_base,
                "start": stream.start_time,
                "duration": stream.duration,
                "frames": stream.frames,
                "disposition": stream.disposition,
                "metadata": stream.metadata,
                "profile": stream.profile if stream.codec_context else None,
                "codec": stream.codec_context.name if stream.codec_context else None,
                "extradata": digest(stream.codec_context.extradata or b"") if stream.codec_context else None,
            }
            for stream in container.streams
        ]
        for facts, stream in zip(streams, container.streams, strict=True):
            if isinstance(stream, av.VideoStream):
                facts["picture"] = (
                    *(stream.average_rate, stream.width, stream.height, stream.pix_fmt, stream.sample_aspect_ratio),
                    *(stream.color_primaries, stream.color_trc, stream.colorspace, stream.color_range),
                )
        packets = [
            (
                *(packet.stream_index, packet.pts, packet.dts, packet.duration, packet.is_keyframe, digest(packet)),
                [(side.data_type, digest(side)) for side in packet.iter_sidedata()],
            )
            for packet in container.demux()
            if packet.size
        ]
        tags = {key: value for key, value in container.metadata.items() if key not in ("comment", "title")}
        facts = {
            "duration": container.duration,
            "chapters": container.chapters(),
            "tags": tags,
            "streams": streams,
            "packets": packets,
        }
    return {**facts, "frames": list(frames(path))}


def frames(path: Path) -> Iterator[tuple[Any, ...]]:
    """Every picture of a video, with what is said of it beside its pixels: how it is turned, how bright it is meant to be."""
    with av.open(str(path)) as container:
        for stream in container.streams.video:
            container.seek(0)
            for frame in container.decode(stream):
                sides = sorted((side.type.name, digest(side)) for side in frame.side_data)  # type: ignore[attr-defined]
                if frame.format.name == "yuva444p12le":  # PyAV makes no array of it
                    frame = frame.reformat(format="rgba64le")
                yield frame.pts, frame.rotation, digest(frame.to_ndarray()), sides


def tags_of(path: Path) -> dict[str, str]:
    with av.open(str(path)) as container:
        return dict(container.metadata)


def copied(path: Path, target: Path, container: str, flags: str = "") -> Path:
    """What `ffmpeg -c copy` does: the packets as they are, and the tags that it has read."""
    options = {"movflags": flags} if flags else {}
    with av.open(str(path)) as source, av.open(str(target), "w", format=container, options=options) as copy:
        copy.metadata.update(source.metadata)
        kept = [stream for stream in source.streams if stream.type in ("video", "audio")]
        streams = {stream.index: copy.add_stream_from_template(stream) for stream in kept}
        for packet in source.demux(kept):
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                copy.mux(packet)
    return target


@pytest.mark.parametrize("name", FILES)
def test_kinds_that_take_a_record(name: str, sample: Sample, tmp_path: Path) -> None:
    """Each file takes the record or does not; what takes it gives it back, and the source stays as it is."""
    before = sample(name).read_bytes()
    assert embedded(sample(name), tmp_path / name) == (name in TAKES)
    assert read_record(sample(name)) is None
    if name in TAKES:
        assert read_record(tmp_path / name) == expected_record(name)
    assert sample(name).read_bytes() == before


@pytest.mark.parametrize("name", [name for name in TAKES if name in MOVIES and name not in LARGE])
def test_movie_is_what_it_was(name: str, sample: Sample, tmp_path: Path) -> None:
    """Streams, codec tags, side data, chapters, tags, the bytes and times of every packet, and every pixel are the same."""
    assert embedded(sample(name), tmp_path / name)
    before, after = described(sample(name)), described(tmp_path / name)
    assert before["packets"]
    assert after == before
    tags = tags_of(tmp_path / name)
    assert json.loads(tags["comment"]) == expected_record(name)
    assert tags["title"] == TITLED.get(name, TITLE)


@pytest.mark.parametrize("name", [name for name in TAKES if name in MOVIES])
def test_other_boxes_are_what_they_were(name: str, sample: Sample, tmp_path: Path) -> None:
    """No box but those that hold the record, or count bytes, has changed; samples are where they are said to be."""
    assert embedded(sample(name), tmp_path / name)
    before, after = sample(name).read_bytes(), (tmp_path / name).read_bytes()
    changed = {b"moov", b"udta", b"meta", b"ilst", b"keys", b"\xa9cmt", b"\xa9nam", b"stco", b"co64", b"tfhd", b"tfra"}
    assert [leaf for leaf in leaves(before) if leaf[-1][0] not in changed and b"ilst" not in leaf[0]] == [
        leaf for leaf in leaves(after) if leaf[-1][0] not in changed and b"ilst" not in leaf[0]
    ]
    for path, (kind, content) in leaves(after):
        if kind == b"tfra" and path[0] == b"mfra":
            assert all(after[offset + 4 : offset + 8] == b"moof" for offset in fragment_offsets(content))


NESTED = {
    b"moov",
    b"trak",
    b"mdia",
    b"minf",
    b"stbl",
    b"udta",
    b"moof",
    b"traf",
    b"mfra",
    b"mvex",
    b"edts",
    b"gmhd",
    b"dinf",
}


def leaves(data: bytes, path: tuple[bytes, ...] = ()) -> list[tuple[tuple[bytes, ...], tuple[bytes, bytes]]]:
    """The boxes that hold none, with their contents, and the names of those they are in."""
    found, at = [], 0
    while at + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        if size == 0 and not path:
            size = len(data) - at
        if size < 8:  # the end of QuickTime's list of user data
            break
        content = data[at + 8 : at + size]
        if name in NESTED:
            found += leaves(content, (*path, name))
        else:
            found.append((path, (name, content)))
        at += size
    return found


def fragment_offsets(table: bytes) -> Iterator[int]:
    """Where a table of fragments says that they begin."""
    wide, lengths, count = table[0] == 1, table[11], struct.unpack(">I", table[12:16])[0]
    step = (16 if wide else 8) + sum((lengths >> shift & 3) + 1 for shift in (4, 2, 0))
    for number in range(count):
        yield struct.unpack_from(">QQ" if wide else ">II", table, 16 + number * step)[1]


def test_fragments_with_base_offsets_are_made(sample: Sample) -> None:
    """The files of these tests have what the tests are about: offsets of both kinds, in fragments and in their index."""
    headers = {
        name: [content for _, (kind, content) in leaves(sample(name).read_bytes()) if kind == b"tfhd"]
        for name in MOVIES
    }
    assert all(content[3] & 1 for content in headers["mp4-fragments-offsets"])
    assert not any(content[3] & 1 for content in headers["mp4-fragments"])
    assert any(kind == b"tfra" for _, (kind, _) in leaves(sample("mp4-fragments-offsets").read_bytes()))
    assert any(kind == b"sidx" for _, (kind, _) in leaves(sample("mp4-fragments-dash").read_bytes()))
    for name, first in {"mp4": b"moov", "mov": b"moov", "mp4-index-last": b"mdat"}.items():
        order = [kind for _, (kind, _) in leaves(sample(name).read_bytes()) if kind in (b"mdat", b"mvhd")]
        assert order[0] == {b"moov": b"mvhd"}.get(first, first)
    description = next(content for _, (kind, content) in leaves(sample("mp4-hdr10").read_bytes()) if kind == b"stsd")
    assert b"mdcv" in description
    assert b"clli" in description
    assert {side for *_, sides in frames(sample("mp4-hdr10")) for side, _ in sides} >= {
        "MASTERING_DISPLAY_METADATA",
        "CONTENT_LIGHT_LEVEL",
    }
    assert len(described(sample("mp4-chapters"))["chapters"]) == 2
    assert [stream["metadata"].get("timecode") for stream in described(sample("mov-timecode"))["streams"]] == [
        "01:02:03:04"
    ] * 2
    assert {rotation for _, rotation, *_ in frames(sample("mp4-turned-90"))} == {90}


@pytest.mark.parametrize("flags", ["", "use_metadata_tags", "faststart"])
@pytest.mark.parametrize("container", ["mp4", "mov"])
@pytest.mark.parametrize(
    "name", ["mp4", "mp4-keys", "mp4-commented", "mov", "mov-keys", "mov-commented", "m4a", "mp4-fragments"]
)
def test_record_survives_a_copy(name: str, container: str, flags: str, sample: Sample, tmp_path: Path) -> None:
    """A copy by FFmpeg into either format has the record, and a copy of that has it, too."""
    assert embedded(sample(name), tmp_path / name)
    once = copied(tmp_path / name, tmp_path / "once", container, flags)
    assert read_record(once) == expected_record(name)
    for other in ("mp4", "mov"):
        assert read_record(copied(once, tmp_path / f"twice.{other}", other)) == expected_record(name)


def test_record_of_former_versions_is_read(tmp_path: Path) -> None:
    """Former versions had FFmpeg write the comment."""
    movie(tmp_path / "a.mp4", metadata={"comment": json.dumps(RECORD, ensure_ascii=False), "title": "x"})
    assert read_record(tmp_path / "a.mp4") == RECORD


@pytest.mark.parametrize(
    "name", ["mp4", "mp4-index-last", "mp4-keys", "mp4-commented", "mov", "mov-keys", "png", "jpeg", "mp3", "mp3-v2.3"]
)
def test_record_is_replaced_by_another(name: str, sample: Sample, tmp_path: Path) -> None:
    """A second record takes the place of the first: the file has one, and what the first one replaced is not lost."""
    first, second = tmp_path / "first", tmp_path / "second"
    assert embedded(sample(name), first)
    assert embedded(first, second, {**RECORD, "request_id": "another"})
    assert read_record(second) == {**expected_record(name), "request_id": "another"}
    assert second.read_bytes().count(b"dreamina-ui") + second.read_bytes().count("dreamina-ui".encode("utf-16-be")) == 1
    repeated = tmp_path / "again"
    assert embedded(second, repeated)
    assert repeated.read_bytes() == first.read_bytes()


def test_comments_in_several_places_are_all_kept(sample: Sample, tmp_path: Path) -> None:
    """A file with comments in QuickTime's place and in iTunes' has one afterwards, which holds the others."""
    data = sample("mp4-commented").read_bytes()
    at = data.index(b"udta")
    old = box(b"\xa9cmt", struct.pack(">HH", 5, 0), "Größe".encode("mac-roman"))
    data = grown(data, [(b"moov", 0), (b"udta", 0)], at + 4, old, shift=True)
    (tmp_path / "a.mp4").write_bytes(data)
    before = list(frames(sample("mp4-commented")))
    assert embedded(tmp_path / "a.mp4", tmp_path / "b.mp4")
    replaced = read_record(tmp_path / "b.mp4")
    assert replaced is not None
    assert sorted(replaced["replaced_comment"].split("\n")) == ["Größe", "vid:v0300fg10000"]
    assert list(frames(tmp_path / "b.mp4")) == before
    assert sum(kind == b"\xa9cmt" for _, (kind, _) in leaves((tmp_path / "b.mp4").read_bytes())) == 0


@pytest.mark.parametrize("name", ["mp4-index-last", "mp4-commented", "mov-index-last", "mov-commented"])
def test_comment_of_cameras_is_replaced(name: str, sample: Sample, tmp_path: Path) -> None:
    """QuickTime's own list of keys and values stands in the index itself, and its box has no version."""
    values = [b"\0\0\0\1" + bytes(4) + text for text in (b"of the camera", b"A place")]
    items = [box(number.to_bytes(4), box(b"data", value)) for number, value in enumerate(values, 1)]
    keys = box(b"keys", bytes(4), b"\0\0\0\2", box(b"mdta", b"comment"), box(b"mdta", b"title"))
    listed = box(b"meta", box(b"hdlr", bytes(8), b"mdta", bytes(14)), keys, box(b"ilst", *items))
    data = sample(name).read_bytes()
    start = data.index(b"moov") - 4
    end = start + struct.unpack_from(">I", data, start)[0]
    first = start < data.index(b"mdat")
    (tmp_path / "a").write_bytes(grown(data, [(b"moov", 0)], end, listed, shift=first))
    assert embedded(tmp_path / "a", tmp_path / "b")
    comments = [text for text in ("of the camera", REPLACED.get(name)) if text]
    found = read_record(tmp_path / "b")
    assert found is not None
    assert sorted(found["replaced_comment"].split("\n")) == comments
    assert json.loads(tags_of(tmp_path / "b")["comment"]) == found
    assert (tmp_path / "b").read_bytes().count(b"A place") == 1
    assert TITLE.encode() not in (tmp_path / "b").read_bytes()
    assert list(frames(tmp_path / "b")) == list(frames(sample(name)))


@pytest.mark.parametrize(("length", "taken"), [(2000, True), (2001, False)])
@pytest.mark.parametrize("container", ["mp4", "mov", "mp3"])
def test_long_comment_is_not_cut(container: str, length: int, taken: bool, tmp_path: Path) -> None:
    """A comment too long to be kept in the record may be all that a file was made from: it stays."""
    comment = {"comment": "ä" * length}
    if container == "mp3":
        sound(tmp_path / "a", "libmp3lame", container="mp3", metadata=comment)
    else:
        movie(tmp_path / "a", container=container, metadata=comment)
    assert embedded(tmp_path / "a", tmp_path / "b") == taken


@pytest.mark.parametrize(
    ("name", "length", "taken"),
    [
        ("mp4", 60_000, True),
        ("mp4", 900_000, True),
        ("mp4", 1_048_576, False),
        ("mov", 60_000, True),
        ("mov", 70_000, False),
        ("png", 900_000, True),
        ("jpeg", 65_000, True),
        ("jpeg", 65_533, False),
        ("mp3", 900_000, True),
        ("mp3-v2.3", 400_000, True),
    ],
)
def test_length_of_a_record(name: str, length: int, taken: bool, sample: Sample, tmp_path: Path) -> None:
    """A record as long as its place may be is read again; a longer one is not written."""
    record = {"app": "dreamina-ui", "settings": {"prompt": "x" * length}}
    assert embedded(sample(name), tmp_path / "a", record) == taken
    assert not taken or read_record(tmp_path / "a") == record


def test_record_without_a_prompt(sample: Sample, tmp_path: Path) -> None:
    """A card may have no prompt: then there is no title. Half of a surrogate pair is no text."""
    for name in ("mp4", "mov", "mp3", "png"):
        assert embedded(sample(name), tmp_path / name, {"app": "dreamina-ui", "settings": {"image": "x"}})
        assert read_record(tmp_path / name) == {"app": "dreamina-ui", "settings": {"image": "x"}}
        if name != "png":
            assert "title" not in tags_of(tmp_path / name)
    assert not embedded(sample("mp4"), tmp_path / "b", {"app": "dreamina-ui", "settings": {"prompt": "\ud800"}})


@pytest.mark.parametrize("name", [name for name in TAKES if name in OTHERS and "mp3" not in name and name not in LARGE])
def test_picture_is_what_it_was(name: str, sample: Sample, tmp_path: Path) -> None:
    """Pixels, frames, mode, EXIF data and foreign comments are the same."""

    def seen(path: Path) -> list[Any]:
        with Image.open(path) as opened:
            opened.load()
            facts = [opened.format, opened.mode, opened.size, dict(opened.getexif()), getattr(opened, "n_frames", 1)]
            for number in range(getattr(opened, "n_frames", 1)):
                opened.seek(number)
                facts.append(digest(opened.convert("RGBA").tobytes()))
            return facts

    target = tmp_path / "a"
    assert embedded(sample(name), target)
    assert seen(target) == seen(sample(name))
    if name == "jpeg-commented":
        assert b"theirs" in target.read_bytes()


def test_picture_libraries_see_the_comment(sample: Sample, tmp_path: Path) -> None:
    """Pillow shows the record as a picture's comment."""
    embedded(sample("png"), tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as opened:
        opened.load()
        assert json.loads(opened.text["Comment"]) == RECORD  # type: ignore[attr-defined]
    embedded(sample("jpeg"), tmp_path / "a.jpg")
    with Image.open(tmp_path / "a.jpg") as opened:
        assert json.loads(opened.info["comment"]) == RECORD


@pytest.mark.parametrize("name", [name for name in TAKES if name.startswith("mp3")])
def test_sound_is_what_it_was(name: str, sample: Sample, tmp_path: Path) -> None:
    """Every packet of an MP3 is the same, and so are its cover and its other tags."""
    assert embedded(sample(name), tmp_path / name)
    assert described(tmp_path / name) == described(sample(name))
    tags = tags_of(tmp_path / name)
    assert json.loads(tags["comment"]) == expected_record(name)
    assert tags["title"] == TITLED.get(name, TITLE)
    before = tags_of(sample(name))
    assert {key: tags[key] for key in before if key not in ("comment", "title")} == {
        key: before[key] for key in before if key not in ("comment", "title")
    }
    if name == "mp3-v2.3":
        assert (tmp_path / name).read_bytes()[3] == 3
    with av.open(str(tmp_path / name)) as source, av.open(str(tmp_path / "copy.mp3"), "w") as copy:
        copy.metadata.update(source.metadata)
        stream = copy.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(audio=0):
            if packet.dts is not None:
                packet.stream = stream
                copy.mux(packet)
    assert read_record(tmp_path / "copy.mp3") == expected_record(name)


@pytest.mark.parametrize("flags", [0x80, 0x40, 0x20, 0x10])
def test_odd_tag_is_left_alone(flags: int, sample: Sample, tmp_path: Path) -> None:
    """An ID3 tag with bytes put in between, with more headers or with a footer takes nothing."""
    data = bytearray(sample("mp3").read_bytes())
    data[5] = flags
    (tmp_path / "a.mp3").write_bytes(data)
    assert not embedded(tmp_path / "a.mp3", tmp_path / "b.mp3")
    assert read_record(tmp_path / "a.mp3") is None


def grown(
    data: bytes, parents: Sequence[tuple[bytes, int]], at: int, added: bytes, *, removed: int = 0, shift: bool = False
) -> bytes:
    """A movie with bytes put in, or in place of others, in these boxes, each found behind a place; its sizes are right."""
    changed = bytearray(data)
    growth = len(added) - removed
    for name, behind in parents:
        start = changed.index(name, behind) - 4
        struct.pack_into(">I", changed, start, struct.unpack_from(">I", changed, start)[0] + growth)
    if shift:
        table = changed.index(b"stco")
        for number in range(struct.unpack_from(">I", changed, table + 8)[0]):
            place = table + 12 + 4 * number
            struct.pack_into(">I", changed, place, struct.unpack_from(">I", changed, place)[0] + growth)
    changed[at : at + removed] = added
    return bytes(changed)


def test_large_offsets_are_shifted(sample: Sample, tmp_path: Path) -> None:
    """The table of a file of more than 4 GB has offsets of 64 bits."""
    data = sample("mp4").read_bytes()
    at = data.index(b"stco") - 4
    size, count = struct.unpack_from(">I", data, at)[0], struct.unpack_from(">I", data, at + 12)[0]
    offsets = struct.unpack_from(f">{count}I", data, at + 16)
    growth = 4 * count
    table = box(b"co64", bytes(4), struct.pack(f">I{count}Q", count, *(offset + growth for offset in offsets)))
    parents = [(name, 0) for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl")]
    (tmp_path / "a.mp4").write_bytes(grown(data, parents, at, table, removed=size))
    before = described(tmp_path / "a.mp4")
    assert before["frames"] == list(frames(sample("mp4")))
    assert embedded(tmp_path / "a.mp4", tmp_path / "b.mp4")
    assert described(tmp_path / "b.mp4") == before


def test_large_headers_and_boxes_to_the_end(sample: Sample, tmp_path: Path) -> None:
    """An index may have a size of 64 bits, or reach to the end of its file; so may the samples."""
    data = sample("mp4-index-last").read_bytes()
    at = data.index(b"moov") - 4
    size = struct.unpack_from(">I", data, at)[0]
    wide = data[:at] + struct.pack(">I4sQ", 1, b"moov", size + 8) + data[at + 8 :]
    endless = data[:at] + bytes(4) + data[at + 4 :]
    first = sample("mp4").read_bytes()
    samples = first.index(b"mdat") - 4
    open_end = first[:samples] + bytes(4) + first[samples + 4 :]
    for variant in (wide, endless, open_end):
        (tmp_path / "a.mp4").write_bytes(variant)
        before = described(tmp_path / "a.mp4")
        assert embedded(tmp_path / "a.mp4", tmp_path / "b.mp4")
        assert read_record(tmp_path / "b.mp4") == RECORD
        assert described(tmp_path / "b.mp4") == before


def test_end_of_user_data_stays_last(sample: Sample, tmp_path: Path) -> None:
    """Four zero bytes end QuickTime's list of user data: what comes after them is not read."""
    data = sample("mov-commented").read_bytes()
    start = data.index(b"udta") - 4
    end = start + struct.unpack_from(">I", data, start)[0]
    (tmp_path / "a.mov").write_bytes(grown(data, [(b"moov", 0), (b"udta", 0)], end, bytes(4)))
    assert embedded(tmp_path / "a.mov", tmp_path / "b.mov")
    assert read_record(tmp_path / "b.mov") == expected_record("mov-commented")
    changed = (tmp_path / "b.mov").read_bytes()
    start = changed.index(b"udta") - 4
    assert changed[start : start + struct.unpack_from(">I", changed, start)[0]].endswith(bytes(4))
    assert described(tmp_path / "b.mov") == described(tmp_path / "a.mov")


def _replaced(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    return lambda data: data.replace(old, new, 1)


def _in_table(extra: bytes) -> Callable[[bytes], bytes]:
    parents = [(name, 0) for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl")]
    return lambda data: grown(data, parents, data.index(b"stsd") - 4, extra, shift=True)


def _offset(number: int) -> Callable[[bytes], bytes]:
    def change(data: bytes) -> bytes:
        at = data.index(b"stco") + 12
        return data[:at] + number.to_bytes(4) + data[at + 4 :]

    return change


def _foreign_samples(data: bytes) -> bytes:
    at = data.index(b"url ") + 4
    return data[: at + 3] + b"\0" + data[at + 4 :]


SIGNATURE = box(b"uuid", bytes.fromhex("d8fec3d61b0e483c92975828877ec481"), bytes(40))
PLACES = box(b"meta", bytes(4), box(b"hdlr", bytes(8), b"pict", bytes(13)), box(b"iloc", bytes(8)))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda data: data + SIGNATURE, id="signed"),
        pytest.param(lambda data: data + PLACES, id="pictures with places"),
        pytest.param(lambda data: data + data[32 : data.index(b"mdat") - 4], id="two indices"),
        pytest.param(lambda data: data + b"\0\0\1\0free", id="a box past the end"),
        pytest.param(lambda data: data + b"\0\0\0\4free", id="a box that ends before it begins"),
        pytest.param(lambda data: data + b"abc", id="a box without a header"),
        pytest.param(lambda data: box(b"sidx", bytes(32)) + data, id="an index of fragments first"),
        pytest.param(_replaced(b"mvhd", b"cmov"), id="compressed"),
        pytest.param(_in_table(box(b"saio", bytes(12))), id="encrypted"),
        pytest.param(_offset(0xFFFFFFFF), id="an offset that would not fit"),
        pytest.param(_offset(100), id="samples in the index"),
        pytest.param(_foreign_samples, id="samples elsewhere"),
        pytest.param(_replaced(b"stbl", b"stbx"), id="no tables"),
        pytest.param(_replaced(b"isom", b"crx "), id="a raw photo"),
    ],
)
def test_odd_movie_is_left_alone(change: Callable[[bytes], bytes], sample: Sample, tmp_path: Path) -> None:
    """Where something would break, or is not understood, nothing is written."""
    original = sample("mp4").read_bytes()
    assert struct.unpack_from(">I4s", original) == (32, b"ftyp")
    (tmp_path / "a.mp4").write_bytes(change(original))
    assert not embed_record(tmp_path / "a.mp4", tmp_path / "b.mp4", MP4, RECORD)
    assert not (tmp_path / "b.mp4").exists()


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda data: data, id="nothing"),
        pytest.param(_replaced(b"edts", b"cmov"), id="a track, and no index, has a box of this name"),
        pytest.param(lambda data: data[:32] + box(b"moov"), id="an empty index"),
        pytest.param(lambda data: data + bytes(100), id="zeros behind it"),
        pytest.param(lambda data: data + box(b"uuid", bytes(40)), id="a box of somebody's own"),
        pytest.param(lambda data: data + box(b"free", bytes(40)), id="room"),
        pytest.param(_in_table(box(b"sgpd", bytes(12))), id="another table"),
    ],
)
def test_harmless_oddity_does_not_matter(change: Callable[[bytes], bytes], sample: Sample, tmp_path: Path) -> None:
    """The oddities above are refused for what they are, not because a file was changed."""
    (tmp_path / "a.mp4").write_bytes(change(sample("mp4").read_bytes()))
    assert embed_record(tmp_path / "a.mp4", tmp_path / "b.mp4", MP4, RECORD)
    assert read_record(tmp_path / "b.mp4") == RECORD


@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if kind.family is not Family.FILE], ids=lambda kind: kind.ending
)
@pytest.mark.parametrize("name", ["playlist", "empty", "html", "zip", "jxl"])
def test_file_of_another_kind_takes_nothing(kind: Any, name: str, sample: Sample, tmp_path: Path) -> None:
    """What is taken for a kind that it is not takes no record; only an MP3 needs no beginning of its own."""
    taken = embed_record(sample(name), tmp_path / "a", kind, RECORD)
    assert taken == (kind.ending == ".mp3")


def test_signed_pictures_are_left_alone(sample: Sample, tmp_path: Path) -> None:
    """Content credentials hold for the bytes of a file."""
    data = sample("png").read_bytes()
    (tmp_path / "a.png").write_bytes(data[:33] + chunk(b"caBX", b"jumb c2pa") + data[33:])
    assert not embedded(tmp_path / "a.png", tmp_path / "b.png")
    data = sample("jpeg").read_bytes()
    for segment in (b"\xff\xeb\0\x20JP\0\1\0\0\0\1\0\0\0\x14jumb..c2pa....", b"\xff\xe2\0\x08MPF\0\0\0"):
        (tmp_path / "a.jpg").write_bytes(data[:20] + segment + data[20:])
        assert not embedded(tmp_path / "a.jpg", tmp_path / "b.jpg")


@pytest.mark.parametrize(
    "name", ["mp4", "mp4-commented", "mov", "mp4-fragments-offsets", "m4a", "png", "jpeg", "mp3-cover"]
)
def test_cut_files(name: str, sample: Sample, tmp_path: Path) -> None:
    """Wherever a file is cut, the record goes in without loss, or not at all; and none is read that is not there."""
    whole, kind = sample(name).read_bytes(), kind_of(sample(name).read_bytes()[:HEAD_BYTES])
    source, target = tmp_path / "cut", tmp_path / "embedded"
    for length in range(0, len(whole), 97):
        source.write_bytes(whole[:length])
        assert read_record(source) is None
        if embed_record(source, target, kind, RECORD):
            assert read_record(target) is not None or length < 8
            target.unlink()
        assert not target.exists()


@pytest.mark.parametrize(
    "name", ["mp4", "mp4-keys", "mov-commented", "mp4-fragments-offsets", "png", "jpeg", "mp3-v2.3"]
)
def test_wrong_bits(name: str, sample: Sample, tmp_path: Path) -> None:
    """Whichever bits of what is not picture or sound are wrong: nothing fails, all samples stay, and it is soon over."""
    assert embedded(sample(name), tmp_path / "embedded")
    kind = kind_of(sample(name).read_bytes()[:HEAD_BYTES])
    source, target = tmp_path / "bent", tmp_path / "target"
    dice = random.Random(name)
    for path in (sample(name), tmp_path / "embedded"):
        whole = path.read_bytes()
        samples = whole[whole.index(b"mdat") :][:500] if b"mdat" in whole else whole[-100:]
        end = whole.index(b"mdat") if whole.find(b"moov") < whole.find(b"mdat") else len(whole)
        begin = 0 if end < len(whole) or b"moov" not in whole else whole.index(b"moov")
        for _ in range(400):
            bent = bytearray(whole)
            for _ in range(dice.randrange(1, 4)):
                bent[dice.randrange(begin, end)] ^= 1 << dice.randrange(8)
            source.write_bytes(bent)
            started = time.process_time()
            record = read_record(source)
            assert record is None or record["app"] == "dreamina-ui"
            if embed_record(source, target, kind, RECORD):
                if b"mdat" in whole:
                    assert samples in target.read_bytes() or samples not in bent
                target.unlink()
            assert not target.exists()
            assert time.process_time() - started < 2


def _nested(depth: int) -> bytes:
    return b'{"app": "dreamina-ui", "settings": ' + b"[" * depth + b"]" * depth + b"}"


def _commented(comment: bytes) -> bytes:
    items = box(b"ilst", box(b"\xa9cmt", box(b"data", b"\0\0\0\1", bytes(4), comment)))
    meta = box(b"meta", bytes(4), box(b"hdlr", bytes(8), b"mdir", bytes(13)), items)
    return box(b"ftyp", b"isom", bytes(4)) + box(b"moov", box(b"udta", meta))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(box(b"ftyp", b"isom", bytes(4)) + box(b"free") * 300_000, id="many boxes"),
        pytest.param(box(b"ftyp", b"isom", bytes(4)) + box(b"moov", box(b"udta") * 300_000), id="much user data"),
        pytest.param(box(b"ftyp", b"isom", bytes(4)) + box(b"moov", bytes(65 * 2**20)), id="a large index"),
        pytest.param(_commented(_nested(200_000)), id="nested"),
        pytest.param(_commented(b'{"app": "dreamina-ui", "n": ' + b"1" * 900_000 + b"}"), id="a long number"),
        pytest.param(_commented(b'{"app": "dreamina-ui", "x": "' + b"x" * 2**20 + b'"}'), id="a long record"),
        pytest.param(_commented(b'["dreamina-ui"]'), id="a list"),
        pytest.param(_commented(b'{"app": "another", "x": "dreamina-ui"}'), id="another program's"),
        pytest.param(_commented(b"\xff\xfe dreamina-ui"), id="no text"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + chunk(b"tEXt", b"") * 300_000, id="many chunks"),
        pytest.param(b"\xff\xd8" + b"\xff\xe1\0\2" * 300_000, id="many segments"),
        pytest.param(b"\xff\xd8\xff" + b"\xff" * 300_000, id="filled up"),
        pytest.param(b"ID3\4\0\0" + synchsafe(2_200_000) + b"TXXX\0\0\0\1\0\0\0" * 200_000, id="many frames"),
    ],
)
def test_hostile_file_keeps_nobody_busy(data: bytes, tmp_path: Path) -> None:
    """A file that was made to be slow, deep or large has no record, and that is soon known."""
    (tmp_path / "a").write_bytes(data)
    started = time.process_time()
    assert read_record(tmp_path / "a") is None
    embed_record(tmp_path / "a", tmp_path / "b", kind_of(data[:HEAD_BYTES]), RECORD)
    assert time.process_time() - started < 2


def test_nothing_is_left_of_what_failed(sample: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is an error, and leaves no target."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(edits, "_copy", full)
    with pytest.raises(OSError, match="No space left"):
        embed_record(sample("mp4"), tmp_path / "a.mp4", MP4, RECORD)
    assert not list(tmp_path.iterdir())
    with pytest.raises(FileNotFoundError):
        read_record(tmp_path / "none.mp4")


def test_pictures_of_these_tests_differ() -> None:
    """Frames that were mixed up would be noticed."""
    assert len({digest(picture(number).tobytes()) for number in range(20)}) == 20
