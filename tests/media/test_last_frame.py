"""The last good frame of a video, with which the next one begins."""

from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from dreamina_ui.media.kinds import MP4
from dreamina_ui.media.pictures import write_frame
from tests.media.files import make, picture

SIZE = (64, 48)


def clip_of(path: Path, frames: Sequence[np.ndarray], **options: str) -> Path:
    with av.open(str(path), "w", format="mp4") as target:
        stream = target.add_stream("libx264", rate=24, options={"crf": "1", **options})
        stream.width, stream.height = SIZE
        stream.codec_context.thread_count = 1
        for frame in frames:
            target.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        target.mux(stream.encode(None))
    return path


def scene(number: int) -> np.ndarray:
    """A bright square that moves one pixel a frame over a dark ground."""
    image = np.full((SIZE[1], SIZE[0], 3), 20, np.uint8)
    image[8:40, number % 30 : number % 30 + 30] = (250, 180, 60)
    return image


def last_of(path: Path) -> np.ndarray | None:
    part = path.with_suffix(".png")
    if not write_frame(path, MP4, None, part):
        return None
    with Image.open(part) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def is_like(found: np.ndarray | None, wanted: np.ndarray) -> bool:
    return found is not None and float(np.abs(found - wanted.astype(int)).mean()) < 6


@pytest.mark.parametrize("options", [{}, {"bf": "3", "g": "250"}, {"bf": "0", "g": "1"}], ids=["usual", "b", "intra"])
def test_it_is_the_very_last_one(tmp_path: Path, options: dict[str, str]) -> None:
    """Also of a long video, of which only the end is decoded, and whatever the order of its packets."""
    frames = [scene(number) for number in range(100)]
    assert is_like(last_of(clip_of(tmp_path / "a.mp4", frames, **options)), frames[-1])


def test_blank_frames_at_the_end_are_left_out(tmp_path: Path) -> None:
    """Black, white, or almost so: the frame before them is taken."""
    for name, shade in (("black", 0), ("white", 255), ("grey", 128)):
        blank = [np.full((SIZE[1], SIZE[0], 3), shade, np.uint8)] * 9
        frames = [scene(number) for number in range(30)]
        assert is_like(last_of(clip_of(tmp_path / f"{name}.mp4", [*frames, *blank])), frames[-1]), name


def test_a_fade_to_black_is_left_out(tmp_path: Path) -> None:
    """What is taken still shows something."""
    frames = [scene(number) for number in range(30)]
    faded = [(scene(30) * (1 - step / 12)).astype(np.uint8) for step in range(1, 13)]
    found = last_of(clip_of(tmp_path / "a.mp4", [*frames, *faded]))
    assert found is not None
    assert found.std() > 16


def test_a_dark_video_has_its_last_frame(tmp_path: Path) -> None:
    """Where nothing is bright, the last frame is as good as the others."""
    frames = [(scene(number) * 0.08).astype(np.uint8) for number in range(30)]
    assert is_like(last_of(clip_of(tmp_path / "a.mp4", frames)), frames[-1])


def test_a_video_that_is_cut_off_has_a_whole_frame(tmp_path: Path) -> None:
    """Of a file whose end is missing, or damaged, the last frame that was decoded whole."""
    frames = [scene(number) for number in range(60)]
    whole = clip_of(tmp_path / "whole.mp4", frames).read_bytes()
    cut = tmp_path / "cut.mp4"
    moov = whole.index(b"moov")
    data = whole.index(b"mdat")
    # The samples lie before the index here: the last third of them is overwritten.
    assert data < moov
    start = data + (moov - data) * 2 // 3
    cut.write_bytes(whole[:start] + b"\0" * (moov - 4 - start) + whole[moov - 4 :])
    found = last_of(cut)
    assert found is not None
    assert min(float(np.abs(found - frame.astype(int)).mean()) for frame in frames) < 6


def test_a_turned_video_gives_an_upright_frame(tmp_path: Path) -> None:
    """As players show it."""
    shown = picture(9, *SIZE)
    for name, quarters in (("mp4-turned-90", 1), ("mp4-turned-180", 2), ("mp4-turned-270", 3)):
        found = last_of(make(name, tmp_path / f"{name}.mp4"))
        assert found is not None
        assert float(np.abs(found - np.rot90(shown, quarters).astype(int)).mean()) < 20, name


def test_a_video_without_a_picture_in_it_has_its_best_frame(tmp_path: Path) -> None:
    """Nothing better is there."""
    found = last_of(make("mp4-black", tmp_path / "a.mp4"))
    assert found is not None
    assert found.mean() < 30
