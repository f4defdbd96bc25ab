"""Settings are read from an uploaded file, whatever it contains."""

import io
import json
import os
import shutil
import struct
import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import av
import pytest

from dreamina_ui.cards.model_card import Card
from dreamina_ui.media.tasks import record_of_dropped
from dreamina_ui.ui import settings_file
from dreamina_ui.web.checks.upload_form import RECORD_ENDINGS, TABLE_MOST, VIDEO_MOST
from tests.media.files import make
from tests.rig import CARD, VALUES, make_clip, recorded

GOOD = {"app": "dreamina-ui", "model_id": CARD.model_id, "settings": dict(VALUES)}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.mp4")


def settings_of(card: Card, path: Path) -> tuple[dict[str, Any], str | None]:
    """The settings in a file, without the process that reads it."""
    return settings_file.settings_of(card, record_of_dropped(str(path), VIDEO_MOST, TABLE_MOST))


def labelled(clip: Path, folder: Path, record: Mapping[str, Any]) -> Path:
    return recorded(Path(shutil.copyfile(clip, folder / "labelled.mp4")), record)


def commented(clip: Path, folder: Path, comment: str) -> Path:
    """A video with this text as its comment, where a record would be."""
    path = folder / "commented.mp4"
    with av.open(str(clip)) as source, av.open(str(path), "w", format="mp4") as target:
        target.metadata["comment"] = comment
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    return path


def test_settings_of_a_video(clip: Path, tmp_path: Path) -> None:
    """The settings that made the video fill the form."""
    assert settings_of(CARD, labelled(clip, tmp_path, GOOD)) == (dict(VALUES), None)


@pytest.mark.parametrize("name", ["mp4-sound", "mov", "m4a", "png", "jpeg", "mp3", "mp3-no-tag", "mp4-fragments"])
def test_settings_of_each_kind_of_file(tmp_path: Path, name: str) -> None:
    """Pictures and sounds have settings like videos."""
    path = make(name, tmp_path / "file")
    assert settings_of(CARD, path) == ({}, "no_settings")
    assert settings_of(CARD, recorded(path, GOOD)) == (dict(VALUES), None)


def test_settings_of_a_joined_video(clip: Path, tmp_path: Path) -> None:
    """They are those of its first video, and it is said that it has several."""
    joined = {**GOOD, "joined": [GOOD, {**GOOD, "settings": {"prompt": "another"}}], "joined_count": 2}
    assert settings_of(CARD, labelled(clip, tmp_path, joined)) == (dict(VALUES), "joined")


def test_settings_of_a_record_file(tmp_path: Path) -> None:
    """A separate JSON record has settings; JSON of other programs, or too much of it, has none."""
    path = tmp_path / "a.record.json"
    for content in (GOOD, [GOOD], {**GOOD, "app": "other"}, {**GOOD, "more": "x" * 3_000_000}):
        path.write_text(json.dumps(content))
        assert settings_of(CARD, path) == ((dict(VALUES), None) if content is GOOD else ({}, "no_settings"))
    path.write_text('{"a":' * 200_000)
    assert settings_of(CARD, path) == ({}, "no_settings")


def test_settings_of_a_file_of_an_older_release(clip: Path, tmp_path: Path) -> None:
    """In older releases FFmpeg wrote the record as the comment of a new MP4."""
    assert settings_of(CARD, commented(clip, tmp_path, json.dumps(GOOD, ensure_ascii=False))) == (dict(VALUES), None)


def test_the_endings_are_of_files_with_records() -> None:
    """The page lets people choose exactly the files from which a record can be read."""
    assert set(RECORD_ENDINGS) == {".mp4", ".mov", ".m4a", ".png", ".jpg", ".jpeg", ".mp3", ".json"}


@pytest.mark.parametrize(
    "prompt",
    ["<script>alert(1)</script>", "海の灯台 🌊", "\u202eevil", "🫖" * 800, "{0} %s \\ \" '", "__import__('os')"],
)
def test_a_prompt_is_only_text(clip: Path, tmp_path: Path, prompt: str) -> None:
    """A prompt is returned unchanged, whatever it contains."""
    record = {**GOOD, "settings": {**VALUES, "prompt": prompt}}
    assert settings_of(CARD, labelled(clip, tmp_path, record)) == ({**VALUES, "prompt": prompt}, None)


@pytest.mark.parametrize("name", ["a film; rm -rf ~.mp4", "-version.mp4", "ü \u202e'\".mp4", "noending", "x.png"])
def test_a_name_is_only_a_name(clip: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name of a file has no effect, also if it looks like a command."""
    labelled(clip, tmp_path, GOOD).rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert settings_of(CARD, Path(name)) == (dict(VALUES), None)


def test_a_video_of_another_model(clip: Path, tmp_path: Path) -> None:
    """The values that fit this card are returned with the problem."""
    settings = {"prompt": "a cat", "strength": 0.5, "frames": 64, "seed": 5}
    record = {**GOOD, "model_id": "somebody/other-model", "settings": settings}
    assert settings_of(CARD, labelled(clip, tmp_path, record)) == ({"prompt": "a cat", "seed": 5}, "other_model")


@pytest.mark.parametrize(
    "change",
    [
        {"frames": 122},
        {"seed": -5},
        {"seed": "7; DROP TABLE jobs"},
        {"aspect_ratio": ["1440×1440(1:1)"]},
        {"prompt": "x" * 801},
        {"prompt": {"$ref": "file:///etc/passwd"}},
        {"mood": "calm"},
        {"__proto__": {"x": 1}},
    ],
)
def test_values_outside_the_card_are_left_out(clip: Path, tmp_path: Path, change: dict[str, Any]) -> None:
    """The other values still fill the form."""
    record = {**GOOD, "settings": {**VALUES, **change}}
    values, problem = settings_of(CARD, labelled(clip, tmp_path, record))
    assert problem == "invalid"
    assert values == {name: value for name, value in VALUES.items() if name not in change}


@pytest.mark.parametrize(
    "comment",
    [
        "",
        "made with love",
        "[1, 2]",
        "null",
        '{"app": "other", "settings": {"prompt": "x"}}',
        '{"app": "dreamina-ui"}',
        '{"app": "dreamina-ui", "settings": {}}',
        '{"app": "dreamina-ui", "settings": ["prompt"]}',
        '{"app": "dreamina-ui", "settings": "prompt"}',
        "[" * 200_000,
        json.dumps({**GOOD, "settings": {"prompt": "x" * 3_000_000}}),
    ],
    ids=range(11),
)
def test_a_video_without_our_record_has_no_settings(clip: Path, tmp_path: Path, comment: str) -> None:
    """Comments of other programs, and malicious ones, are no records."""
    assert settings_of(CARD, commented(clip, tmp_path, comment)) == ({}, "no_settings")


def test_a_video_of_a_camera_has_no_settings(clip: Path) -> None:
    """A video without any comment has no settings."""
    assert settings_of(CARD, clip) == ({}, "no_settings")


# Other files


def zip_bomb() -> bytes:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0", b"\0" * 20_000_000)
    outer = io.BytesIO()
    with zipfile.ZipFile(outer, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(20):
            archive.writestr(f"{number}.zip", inner.getvalue())
    return outer.getvalue()


PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"
NO_VIDEOS: dict[str, bytes | Callable[[bytes], bytes]] = {
    "nothing": b"",
    "one byte": b"x",
    "HTML": b"<!doctype html><title>Not found</title>" * 20,
    "text": "Müller 🌊".encode(),
    "zip bomb": zip_bomb(),
    "playlist": PLAYLIST,
    "concat script": b"ffconcat version 1.0\nfile /etc/passwd\n",
    "playlist with a video's mark": b"\0\0\0\x20ftypisom" + PLAYLIST,
    "picture": b"\x89PNG\r\n\x1a\n" + b"\0" * 100,
    "only the mark": b"\0\0\0\x20ftypisom",
    "the mark and noise": b"\0\0\0\x20ftypisom" + bytes(range(256)) * 100,
    "cut in half": lambda whole: whole[: len(whole) // 2],
    "cut at its end": lambda whole: whole[:-10],
    "without its beginning": lambda whole: whole[100:],
    "its frames made zero": lambda whole: whole[:40] + b"\0" * (len(whole) - 40),
}


@pytest.mark.parametrize("kind", NO_VIDEOS)
def test_files_without_a_record(clip: Path, tmp_path: Path, kind: str) -> None:
    """Each one is refused as `no_settings`, within a short time."""
    content = NO_VIDEOS[kind]
    whole = labelled(clip, tmp_path, GOOD).read_bytes()
    path = tmp_path / "dropped.mp4"
    path.write_bytes(content(whole) if callable(content) else content)
    assert settings_of(CARD, path) == ({}, "no_settings")


def test_a_path_without_a_file_has_no_settings(tmp_path: Path) -> None:
    """The path does not exist, is a folder, or is invalid."""
    for path in (tmp_path / "gone.mp4", tmp_path, tmp_path / "a\0b.mp4", Path("/dev/null")):
        assert settings_of(CARD, path) == ({}, "no_settings")


def test_a_file_that_is_too_large_is_not_read(clip: Path, tmp_path: Path) -> None:
    """A file over the upload limit is refused by its size alone."""
    path = labelled(clip, tmp_path, GOOD)
    os.truncate(path, VIDEO_MOST + 1)
    assert settings_of(CARD, path) == ({}, "no_settings")


@pytest.mark.parametrize("count", [5 * 10**7, 2**31 - 1])
def test_a_huge_index_is_not_allocated(clip: Path, tmp_path: Path, count: int) -> None:
    """A small file whose index claims gigabytes is refused without allocating them."""
    whole = bytearray(labelled(clip, tmp_path, GOOD).read_bytes())
    for box, at, values in ((b"stsz", 8, (1, count)), (b"stts", 12, (count,)), (b"stsc", 16, (count,))):
        start = whole.index(box) + at
        whole[start : start + 4 * len(values)] = struct.pack(f">{len(values)}I", *values)
    path = tmp_path / "dropped.mp4"
    path.write_bytes(whole)
    before = time.monotonic()
    assert settings_of(CARD, path) == (dict(VALUES), None)
    assert time.monotonic() - before < 2
