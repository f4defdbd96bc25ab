"""What is found in files of every kind, and in those that are broken or hostile."""

import errno
import random
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image

from dreamina_ui.media.examine import PIXELS_MOST, Facts, examine
from dreamina_ui.media.kinds import HEAD_BYTES, KINDS, MP4, Family, Kind, kind_named, kind_of
from tests.media.files import FILES, box

Sample = Callable[[str], Path]
Expected = tuple[str, int | None, int | None, float | None, bool, str]


def movie(ending: str = ".mp4", size: tuple[int, int] = (64, 48), seconds: float = 1.0, problem: str = "") -> Expected:
    return ending, *size, seconds, True, problem


def still(ending: str, size: tuple[int, int] = (64, 48)) -> Expected:
    return f".image{ending}", *size, None, True, ""


def tone(ending: str, seconds: float = 1.0, problem: str = "") -> Expected:
    return ending, None, None, seconds, False, problem


def unread(
    ending: str, problem: str, width: int | None = None, height: int | None = None, seconds: float | None = None
) -> Expected:
    return ending, width, height, seconds, False, problem


EXPECTED: dict[str, Expected] = {
    "mp4": movie(),
    "mp4-index-last": movie(),
    "mp4-sound": movie(seconds=2.0),
    "mp4-sound-index-last": movie(seconds=2.0),
    "mp4-fade-in": movie(seconds=1.4),
    "mp4-black": movie(seconds=3.0),
    "mp4-one-frame": movie(seconds=0.1),
    "mp4-60fps": movie(),
    "mp4-long-gop": movie(seconds=2.0),
    "mp4-odd-size": movie(size=(63, 47)),
    "mp4-anamorphic": movie(),
    "mp4-turned-90": movie(size=(48, 64)),
    "mp4-turned-180": movie(),
    "mp4-turned-270": movie(size=(48, 64)),
    "mp4-mirrored": movie(),
    "mp4-chapters": movie(),
    "mp4-commented": movie(),
    "mp4-keys": movie(),
    "mp4-keys-no-comment": movie(),
    "mp4-10bit": movie(),
    "mp4-hevc-hvc1": movie(),
    "mp4-hevc-hvc1-10bit": movie(),
    "mp4-hevc-hev1": movie(),
    "mp4-hdr10": movie(),
    "mp4-av1": movie(),
    "mp4-vp9": movie(),
    "mp4-mpeg4": movie(),
    "mp4-fragments": movie(),
    "mp4-fragments-sound": movie(seconds=3.0),
    "mp4-fragments-offsets": movie(),
    "mp4-fragments-delayed": movie(),
    "mp4-fragments-first-whole": movie(seconds=2.0),
    "mp4-fragments-no-index": movie(),
    "mp4-fragments-dash": movie(),
    "mp4-fragments-sidx": movie(seconds=2.0),
    "mp4-fragments-hybrid": movie(seconds=2.0),
    "mov": movie(".mov"),
    "mov-index-last": movie(".mov"),
    "mov-old": movie(".mov"),
    "mov-keys": movie(".mov"),
    "mov-commented": movie(".mov"),
    "mov-timecode": movie(".mov", seconds=0.4),
    "mov-prores": movie(".mov"),
    "mov-prores-4444": movie(".mov", seconds=0.3),
    "mov-mjpeg": movie(".mov"),
    "mov-dnxhd": movie(".mov", size=(256, 128), seconds=0.3),
    "mov-chapters": movie(".mov"),
    "3gp": movie(".3gp"),
    "webm-vp8": movie(".webm"),
    "webm-vp9": movie(".webm"),
    "webm-vp9-alpha": movie(".webm"),
    "webm-av1": movie(".webm"),
    "mkv": movie(".mkv"),
    "avi": movie(".avi"),
    "ts": movie(".ts"),
    "mpg": movie(".mpg", seconds=1.0),  # it has twice as many frames; FFmpeg estimates this format's duration
    "flv": movie(".flv"),
    "wmv": movie(".wmv"),
    "ogv": movie(".ogv"),
    "png": still(".png"),
    "png-alpha": still(".png"),
    "png-palette": still(".png"),
    "png-16bit": still(".png"),
    "apng": still(".png"),
    "jpeg": still(".jpg"),
    "jpeg-turned": still(".jpg", size=(48, 64)),
    "jpeg-cmyk": still(".jpg"),
    "jpeg-gray": still(".jpg"),
    "jpeg-progressive": still(".jpg"),
    "jpeg-commented": still(".jpg"),
    "webp": still(".webp"),
    "webp-animated": still(".webp"),
    "gif": still(".gif"),
    "gif-animated": still(".gif"),
    "avif": still(".avif"),
    "bmp": still(".bmp"),
    "tiff": still(".tiff"),
    "polyglot": still(".jpg"),
    "heic": unread(".image.heic", "no decoder"),
    "jxl": unread(".image.jxl", "no decoder"),
    "mp3": tone(".mp3"),
    "mp3-titled": tone(".mp3"),
    "mp3-v2.3": tone(".mp3"),
    "mp3-no-tag": tone(".mp3"),
    "mp3-cover": tone(".mp3"),
    "wav": tone(".wav"),
    "wav-rf64": tone(".wav"),
    "flac": tone(".flac"),
    "ogg": tone(".ogg"),
    "opus": tone(".opus"),
    "m4a": tone(".m4a"),
    "m4a-cover": tone(".m4a"),
    "m4a-alac": tone(".m4a"),
    "mp4-sound-only": tone(".m4a"),
    "mov-sound-only": tone(".m4a"),
    "webm-sound-only": tone(".weba"),
    "mkv-sound-only": tone(".mka"),
    "wma": tone(".wma"),
    "aac": tone(".aac"),
    "aiff": tone(".aiff"),
    **{name: unread(f".{name}", "") for name in ("zip", "gz", "pdf", "glb")},
    **{name: unread(".bin", "") for name in ("svg", "html", "json", "playlist", "text", "empty")},
    "mp4-cut": movie(problem="cut short"),
    "mp4-index-last-cut": unread(".mp4", "cut short"),
    "mp4-fragments-cut": movie(problem="cut short"),
    "webm-cut": movie(".webm", problem="cut short"),
    "wav-cut": tone(".wav", 0.6, "cut short"),
    "jpeg-cut": unread(".image.jpg", "Truncated File Read"),
    "png-cut": unread(".image.png", "image file is truncated", 64, 48),
    "mp4-lying": unread(".mp4", "cut short"),
    "mov-too-large": unread(".mov", "too large", seconds=0.1),
    "mov-too-large-hidden": unread(".mov", "too large", seconds=0.1),
    "png-bomb": unread(".image.png", "too large"),
    "png-too-large": unread(".image.png", "too large", 8200, 5000),
}
TONES_MISREAD_S = 0.15
"""By how much a duration may be off: coders of sound add some silence, and some formats only estimate."""


def looked_at(path: Path, poster: Path | None = None, width: int = 640) -> Facts:
    return examine(path, kind_of(path.read_bytes()[:HEAD_BYTES]), poster, width=width)


def brightest_corner(poster: Path) -> str:
    """Where the bright block is, which every picture that was made for these tests has at its top left."""
    with Image.open(poster) as picture:
        gray, (width, height) = picture.convert("L"), picture.size
    corners = {
        "top left": (0, 0),
        "top right": (width - 8, 0),
        "bottom left": (0, height - 8),
        "bottom right": (width - 8, height - 8),
    }
    return max(
        corners, key=lambda name: sum(gray.crop((*corners[name], corners[name][0] + 8, corners[name][1] + 8)).tobytes())
    )


def test_every_file_is_expected() -> None:
    """No file that can be made is left out."""
    assert set(EXPECTED) == set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_facts_and_poster(name: str, sample: Sample, tmp_path: Path) -> None:
    """The facts of each file, as it was made, and a poster of what can be seen, which is a WebP of the size that is shown."""
    ending, width, height, seconds, has_poster, problem = EXPECTED[name]
    poster = tmp_path / "poster.webp"
    facts = looked_at(sample(name), poster)
    assert facts.duration_s == (None if seconds is None else pytest.approx(seconds, abs=TONES_MISREAD_S))
    assert replace(facts, duration_s=None) == Facts(kind_named(ending), width, height, None, has_poster, problem)
    assert poster.exists() == has_poster
    if has_poster:
        with Image.open(poster) as picture:
            assert (picture.format, picture.size) == ("WEBP", (width, height))


@pytest.mark.parametrize(
    ("name", "corner"),
    [
        ("mp4", "top left"),
        ("mp4-turned-90", "bottom left"),
        ("mp4-turned-180", "bottom right"),
        ("mp4-turned-270", "top right"),
        ("mp4-mirrored", "top right"),
        ("mp4-fade-in", "top left"),
        ("mp4-hdr10", "top left"),
        ("mp4-fragments-cut", "top left"),
        ("mov-prores-4444", "top left"),
        ("webm-av1", "top left"),
        ("ts", "top left"),
        ("png-16bit", "top left"),
        ("jpeg-turned", "top right"),
    ],
)
def test_poster_is_turned_as_players_show_it(name: str, corner: str, sample: Sample, tmp_path: Path) -> None:
    """The bright block at the top left is where FFmpeg's own player shows it."""
    looked_at(sample(name), tmp_path / "poster.webp")
    assert brightest_corner(tmp_path / "poster.webp") == corner


def test_poster_shows_something(sample: Sample, tmp_path: Path) -> None:
    """Of a video that fades in, the poster is not black; one that stays black has a black one."""
    brightness = {}
    for name in ("mp4-fade-in", "mp4-black"):
        looked_at(sample(name), tmp_path / "poster.webp")
        with Image.open(tmp_path / "poster.webp") as picture:
            brightness[name] = max(picture.convert("L").tobytes())
    assert brightness["mp4-fade-in"] > 200
    assert brightness["mp4-black"] < 40


@pytest.mark.parametrize(("name", "size"), [("mp4", (20, 15)), ("mp4-turned-90", (15, 20)), ("jpeg-turned", (15, 20))])
def test_poster_fits_its_width(name: str, size: tuple[int, int], sample: Sample, tmp_path: Path) -> None:
    """The poster's longer side is as long as was asked for; the facts are of the whole picture."""
    facts = looked_at(sample(name), tmp_path / "poster.webp", width=20)
    with Image.open(tmp_path / "poster.webp") as picture:
        assert picture.size == size
    assert {facts.width, facts.height} == {64, 48}


def test_transparency_stays(sample: Sample, tmp_path: Path) -> None:
    """What cannot be seen through a picture cannot be seen in its poster, either."""
    Image.new("RGBA", (64, 48), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    assert looked_at(tmp_path / "clear.png", tmp_path / "poster.webp").has_poster
    with Image.open(tmp_path / "poster.webp") as picture:
        assert picture.convert("RGBA").getpixel((5, 5))[3] == 0  # type: ignore[index]


def test_no_poster_is_made_unasked(sample: Sample, tmp_path: Path) -> None:
    """Without a place for a poster, the facts are the same."""
    facts = looked_at(sample("mp4"))
    assert facts == replace(looked_at(sample("mp4"), tmp_path / "poster.webp"), has_poster=False)


def test_file_is_opened_once_and_as_its_kind(sample: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FFmpeg opens a video once, as the format that it has, and may open nothing but files."""
    opened: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
    real: Callable[..., Any] = av.open

    def spy(*arguments: Any, **named: Any) -> Any:
        opened.append((arguments, named))
        return real(*arguments, **named)

    monkeypatch.setattr(av, "open", spy)
    looked_at(sample("mp4-fade-in"), tmp_path / "poster.webp")
    [((name,), named)] = opened
    assert str(name).startswith("file:/")
    assert named["format"] == "mov"
    assert named["options"]["protocol_whitelist"] == "file"


@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if kind.family is not Family.FILE], ids=lambda kind: kind.ending
)
@pytest.mark.parametrize("name", ["playlist", "text", "empty", "html", "zip", "png-bomb", "mp4", "webp"])
def test_file_of_another_kind_has_facts(kind: Kind, name: str, sample: Sample, tmp_path: Path) -> None:
    """A file that is taken for what it is not has facts all the same, and a playlist is never opened as one."""
    facts = examine(sample(name), kind, tmp_path / "poster.webp")
    if name in ("playlist", "text", "empty", "html", "zip"):
        assert facts.problem
        assert not facts.has_poster
        assert facts.width is None


def test_reference_to_another_file_is_not_followed(sample: Sample, tmp_path: Path) -> None:
    """A video whose samples are said to be in another file has no poster of that."""
    data = bytearray(sample("mov").read_bytes())
    (tmp_path / "secret.mov").write_bytes(data)
    at = data.index(b"url ") if b"url " in data else data.index(b"alis")
    data[at : at + 4] = b"alis"
    data[at + 7] = 0  # not in this file
    (tmp_path / "a.mov").write_bytes(data)
    facts = looked_at(tmp_path / "a.mov", tmp_path / "poster.webp")
    assert facts.width == 64  # a record of 12 bytes names no file: the samples are taken from this one, or none are


@pytest.mark.parametrize("width", [0, 1, 65535])
def test_size_that_is_stated_is_not_believed(width: int, sample: Sample, tmp_path: Path) -> None:
    """Whatever size the index states, the frame's own counts."""
    data = bytearray(sample("mp4").read_bytes())
    at = data.index(b"avc1", data.index(b"stsd")) + 28
    data[at : at + 4] = width.to_bytes(2) * 2
    (tmp_path / "a.mp4").write_bytes(data)
    facts = looked_at(tmp_path / "a.mp4", tmp_path / "poster.webp")
    assert (facts.width or 0) * (facts.height or 0) <= PIXELS_MOST


@pytest.mark.parametrize(
    "name", ["mp4", "webm-vp9", "avi", "ts", "png", "jpeg", "gif-animated", "avif", "tiff", "mp3", "ogg", "wav"]
)
def test_broken_files_have_facts(name: str, sample: Sample, tmp_path: Path) -> None:
    """Wherever a file is cut, and whichever of its bits is wrong, there are facts, and soon."""
    whole, kind, path = sample(name).read_bytes(), kind_of(sample(name).read_bytes()[:HEAD_BYTES]), tmp_path / "broken"
    source = random.Random(name)
    variants = [whole[: source.randrange(len(whole))] for _ in range(25)]
    for _ in range(40):
        bent = bytearray(whole)
        for _ in range(source.randrange(1, 6)):
            bent[source.randrange(min(len(bent), 3000))] ^= 1 << source.randrange(8)
        variants.append(bytes(bent))
    for variant in variants:
        path.write_bytes(variant)
        started = time.process_time()
        examine(path, kind, tmp_path / "poster.webp")
        assert time.process_time() - started < 2


def test_broken_packet_is_passed_over(sample: Sample, tmp_path: Path) -> None:
    """A first frame that cannot be decoded does not end the search for a poster."""
    data = bytearray(sample("mov-prores").read_bytes())
    at = data.index(b"icpf")
    data[at - 4 : at + 200] = bytes(204)
    (tmp_path / "a.mov").write_bytes(data)
    assert looked_at(tmp_path / "a.mov", tmp_path / "poster.webp").has_poster


def test_disk_that_fails_is_no_problem_of_the_file(
    sample: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk, and a file that is not there, are errors."""
    with pytest.raises(FileNotFoundError):
        examine(tmp_path / "none.mp4", MP4)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        looked_at(sample("png"), tmp_path / "poster.webp")


def test_content_that_looks_like_a_broken_disk_is_a_problem(
    sample: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FFmpeg calls some broken files an input/output error; it is one only if the file cannot be read."""

    def broken(*_: object, **__: object) -> None:
        raise av.OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(av, "open", broken)
    assert looked_at(sample("mp4"), tmp_path / "poster.webp").problem == "OSError"


@pytest.mark.parametrize("junk", [b"\n", b"</html>", bytes(100), b"PADDING" * 20, box(b"free", bytes(20))])
def test_junk_behind_a_video_does_not_matter(junk: bytes, sample: Sample, tmp_path: Path) -> None:
    """Some servers add bytes to what they deliver: the video before them is whole."""
    (tmp_path / "a.mp4").write_bytes(sample("mp4").read_bytes() + junk)
    assert looked_at(tmp_path / "a.mp4") == looked_at(sample("mp4"))


@pytest.mark.parametrize(
    "name", ["mp4", "mp4-index-last", "mp4-fragments", "mov-index-last", "m4a", "webm-vp9", "avi", "wav"]
)
def test_every_cut_is_noticed(name: str, sample: Sample, tmp_path: Path) -> None:
    """A file of which the last bytes are missing, few or many, has a problem."""
    whole, kind = sample(name).read_bytes(), kind_of(sample(name).read_bytes()[:HEAD_BYTES])
    for missing in (1, 7, 100, len(whole) // 3, len(whole) // 2):
        (tmp_path / "cut").write_bytes(whole[:-missing])
        assert examine(tmp_path / "cut", kind).problem, missing


def test_large_boxes_are_not_believed(tmp_path: Path) -> None:
    """A file of a hundred thousand empty boxes is cut off, not walked to its end."""
    (tmp_path / "a.mp4").write_bytes(box(b"ftyp", b"isom", bytes(4)) + box(b"free") * 100_000)
    started = time.process_time()
    assert looked_at(tmp_path / "a.mp4").problem
    assert time.process_time() - started < 2
