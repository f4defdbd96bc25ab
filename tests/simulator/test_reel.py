"""Videos that are made from given pictures, clips and sounds: what they begin with, what is seen in them, what is heard."""

import io
import itertools
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from dreamina_ui.simulator.drawing.pictures import read_picture
from dreamina_ui.simulator.drawing.render import main, render
from tests.media.files import make, movie

SIZE = (160, 96)
RED, GREEN, BLUE, GRAY = (200, 40, 40), (40, 170, 60), (50, 60, 190), (128, 128, 128)


def corners(size: tuple[int, int] = SIZE) -> Image.Image:
    """Red at the upper left, green at the upper right, blue below."""
    image = Image.new("RGB", size, BLUE)
    image.paste(RED, (0, 0, size[0] // 2, size[1] // 2))
    image.paste(GREEN, (size[0] // 2, 0, size[0], size[1] // 2))
    return image


def plain(path: Path, colour: tuple[int, int, int]) -> Path:
    Image.new("RGB", SIZE, colour).save(path, "PNG")
    return path


def film(folder: Path, *media: Path, frames: int = 25, size: tuple[int, int] = SIZE, **more: Any) -> Path:
    path = folder / "film.mp4"
    job = {"prompt": "A kite in the snow", "width": size[0], "height": size[1], "frames": frames, "seed": 1, **more}
    render({"frames_per_second": 24, "media": [str(each) for each in media], **job}, path)
    return path


def frames_of(path: Path) -> "list[np.ndarray[Any, Any]]":
    """In RGB."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def difference(one: "np.ndarray[Any, Any]", other: "np.ndarray[Any, Any]") -> float:
    """The mean difference of two frames, in steps of 255."""
    return float(np.abs(one.astype(int) - other).mean())


def near(frame: "np.ndarray[Any, Any]", x: float, y: float, colour: tuple[int, int, int], most: int = 12) -> bool:
    """Whether the frame has this colour at a place, in parts of its width and height."""
    height, width, _ = frame.shape
    found = frame[int(y * height), int(x * width)].astype(int)
    return bool(np.abs(found - np.array(colour)).max() <= most)


def exif(image: Image.Image, path: Path) -> None:
    tags = Image.Exif()
    tags[0x0112] = 6  # to be turned a quarter clockwise
    image.transpose(Image.Transpose.ROTATE_90).save(path, "JPEG", quality=95, subsampling=0, exif=tags)


def transparent(image: Image.Image, path: Path) -> None:
    """Where it is blue, now transparent over black."""
    whole = image.convert("RGBA")
    whole.paste((0, 0, 0, 0), (0, SIZE[1] // 2, *SIZE))
    whole.save(path, "PNG")


def animated(image: Image.Image, path: Path) -> None:
    image.save(path, "GIF", save_all=True, append_images=[Image.new("RGB", image.size, GRAY)], duration=50)


KINDS: dict[str, Callable[[Image.Image, Path], None]] = {
    "png": lambda image, path: image.save(path, "PNG"),
    "webp": lambda image, path: image.save(path, "WEBP", lossless=True),
    "palette": lambda image, path: image.quantize(8).save(path, "PNG"),
    "cmyk": lambda image, path: image.convert("CMYK").save(path, "JPEG", quality=95),
    "bmp": lambda image, path: image.save(path, "BMP"),
    "tiff": lambda image, path: image.save(path, "TIFF"),
    "exif": exif,
    "transparent": transparent,
    "animated gif": animated,
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_video_begins_with_its_picture(kind: str, tmp_path: Path) -> None:
    """The first frame is the picture, upright, in its colours, on white where it is transparent; then it moves and is marked."""
    path = tmp_path / "picture"
    KINDS[kind](corners(), path)
    frames = frames_of(film(tmp_path, path))
    assert near(frames[0], 0.1, 0.1, RED)
    assert near(frames[0], 0.9, 0.1, GREEN)
    assert near(frames[0], 0.5, 0.9, (255, 255, 255) if kind == "transparent" else BLUE)
    assert difference(frames[0], frames[12]) > 0.5
    assert max(difference(one, other) for one, other in itertools.pairwise(frames)) < 6


@pytest.mark.parametrize("mode", ["16 bits", "16 bits in colour", "float"])
def test_deep_pictures_keep_their_brightness(mode: str, tmp_path: Path) -> None:
    """What has more than eight bits for a colour is as bright as it was."""
    path, values = tmp_path / "deep", np.full((96, 160), 5000, np.uint16)
    values[:, 80:] = 60_000
    if mode == "16 bits in colour":
        with av.open(str(path), "w", format="image2", options={"update": "1"}) as target:
            stream = target.add_stream("png", rate=1)
            stream.width, stream.height, stream.pix_fmt = 160, 96, "rgb48be"
            frame = av.VideoFrame.from_ndarray(np.stack([values] * 3, axis=-1), format="rgb48le")
            target.mux(stream.encode(frame.reformat(format="rgb48be")))
            target.mux(stream.encode(None))
    else:
        picture = Image.fromarray(values if mode == "16 bits" else (values / 65_535).astype(np.float32))
        picture.save(path, "PNG" if mode == "16 bits" else "TIFF")
    picture = read_picture(str(path))
    assert picture.mode == "RGB"
    dark, bright = (int(np.asarray(picture)[40, x].max()) for x in (10, 150))
    assert (dark, bright) == pytest.approx((0, 255) if mode == "float" else (19, 234), abs=1)


@pytest.mark.parametrize(
    ("size", "adapts", "made"),
    [
        ((160, 96), True, (160, 96)),
        ((300, 300), True, (124, 124)),
        ((100, 3000), True, (64, 256)),
        ((300, 300), False, (160, 96)),
        ((61, 33), False, (160, 96)),
    ],
)
def test_the_size_is_the_asked_one_or_follows_the_picture(
    size: tuple[int, int], adapts: bool, made: tuple[int, int], tmp_path: Path
) -> None:
    """Where no ratio is asked for, it is the picture's; else the picture is cut, alike at both sides."""
    path = tmp_path / "a.png"
    corners(size).save(path)
    frame = frames_of(film(tmp_path, path, frames=2, adapts=adapts))[0]
    assert (frame.shape[1], frame.shape[0]) == made
    assert near(frame, 0.3, 0.3, RED)
    assert near(frame, 0.7, 0.3, GREEN)
    assert near(frame, 0.5, 0.9, BLUE)


def test_all_pictures_are_seen_and_the_last_one_ends_it(tmp_path: Path) -> None:
    """One after the other; the last frame is the last picture alone, so that a chain goes on from it."""
    colours = {"a": RED, "b": GREEN, "c": BLUE}
    frames = frames_of(film(tmp_path, *(plain(tmp_path / name, colour) for name, colour in colours.items()), frames=73))
    for number, colour in ((0, RED), (10, RED), (36, GREEN), (60, BLUE), (72, BLUE)):
        assert near(frames[number], 0.5, 0.4, colour, 20), number
    assert frames[-1].std(axis=(0, 1)).max() < 2


@pytest.mark.parametrize("name", ["mp4", "webm-vp9", "mp4-turned-90", "mp4-10bit"])
def test_a_clip_goes_first_and_then_on(name: str, tmp_path: Path) -> None:
    """The video begins with the clip's own frames, upright, in their time; behind its end its last one moves on."""
    clip = make(name, tmp_path / "clip")
    with av.open(str(clip)) as container:
        given = list(container.decode(video=0))
        size = (48, 64) if "turned" in name else (64, 48)
        turns = given[0].rotation // 90
    own = [np.rot90(frame.to_ndarray(format="rgb24"), turns) for frame in (given[0], given[5], given[-1])]
    frames = frames_of(film(tmp_path, clip, size=size, frames=49, prompt="x", adapts=True))
    width, height = frames[0].shape[1], frames[0].shape[0]
    assert width / height == pytest.approx(size[0] / size[1], rel=0.05)
    seen = [np.asarray(Image.fromarray(frames[number]).resize(size)) for number in (0, 12, 25)]
    middle = np.s_[size[1] // 4 : size[1] * 2 // 3, size[0] // 4 : size[0] * 3 // 4]
    for one, other in zip(seen, own, strict=True):
        assert difference(one[middle], other[middle]) < 14
    assert difference(frames[30], frames[46]) > 0.3


def sounds_of(path: Path) -> "np.ndarray[Any, Any] | None":
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return None
        assert container.streams.audio[0].codec_context.name == "aac"
        return np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])


def test_a_video_has_the_sound_that_is_given_or_music(tmp_path: Path) -> None:
    """A given sound, else that of a given clip, else music; of the video's length; none where none is wanted."""
    image, tone = plain(tmp_path / "a.png", RED), make("wav", tmp_path / "tone.wav")
    clip = make("mp4-sound", tmp_path / "clip.mp4")
    assert sounds_of(film(tmp_path, image)) is None
    made = {}
    for name, media in {"music": (image,), "given": (image, tone), "clip": (clip, image), "text": ()}.items():
        found = sounds_of(film(tmp_path, *media, frames=49, has_sound=True))
        assert found is not None
        assert len(found) / 32_000 == pytest.approx(49 / 24, abs=0.1)
        assert np.abs(found).max() > 0.02
        made[name] = found
        content = (tmp_path / "film.mp4").read_bytes()
        assert content.index(b"moov") < content.index(b"mdat")
    assert np.array_equal(made["music"], made["text"])
    assert not np.array_equal(made["music"], made["given"])
    # The tone of the file ends before the video does.
    assert np.abs(made["given"][-8000:]).max() < 0.01


def test_a_sound_alone_leaves_the_prompts_picture(tmp_path: Path) -> None:
    """There is nothing to see in it."""
    with_sound = film(tmp_path, make("wav", tmp_path / "a.wav"), frames=3)
    seen = frames_of(with_sound)
    assert np.array_equal(seen, frames_of(film(tmp_path, frames=3)))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"only a text", "neither an image, a video nor a sound"),
        (b"\x89PNG\r\n\x1a\n but no more", "The image could not be read"),
        (b"\0\0\0\x18ftypisom" + bytes(300), "The file could not be read"),
        (b"ffconcat version 1.0\nfile /etc/hostname\n", "neither"),
        (b"#EXTM3U\nfile:///etc/hostname\n", "neither"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_sentence(
    content: bytes, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The program says so and leaves no video; no playlist is followed."""
    given = tmp_path / "given"
    given.write_bytes(content)
    job = {"prompt": "x", "width": 64, "height": 64, "frames": 3, "frames_per_second": 24, "seed": 1}
    job |= {"media": [str(given)], "path": str(tmp_path / "film.mp4")}
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps(job).encode())))
    monkeypatch.setattr(os, "nice", lambda _: 0)
    assert main() == 1
    printed = capsys.readouterr().err
    assert said in printed
    assert (printed.count("\n"), printed.startswith("render failed")) == (1, False)
    assert list(tmp_path.iterdir()) == [given]


def test_a_damaged_end_is_left_out(tmp_path: Path) -> None:
    """A clip is used as far as it can be read."""
    clip = tmp_path / "clip.mp4"
    movie(clip, frames=20, muxer={"movflags": "faststart"})
    content = clip.read_bytes()
    clip.write_bytes(content[: len(content) * 2 // 3])
    assert len(frames_of(film(tmp_path, clip, frames=49))) == 49
