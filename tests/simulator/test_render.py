"""The renderer: what it reads from a prompt, what it draws, and the format of the video."""

import hashlib
import io
import itertools
import json
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from dreamina_ui.simulator.drawing.caption import Lettering, caption_lines, drawable
from dreamina_ui.simulator.drawing.prompt_words import read_prompt
from dreamina_ui.simulator.drawing.render import Drawing, RenderJob, main, render

RATIOS = [(320, 176), (288, 216), (256, 256), (216, 288), (176, 320), (376, 160)]

# One prompt a scene.
PROMPTS = {
    "sea": "waves on the ocean",
    "sky": "clouds in the sky",
    "fire": "a campfire",
    "lava": "a river of lava",
    "forest": "a forest in the mist",
    "city": "a city skyline",
    "mountains": "mountains at dawn",
    "space": "a nebula among stars",
    "tea": "a cup of tea",
    "silk": "something without a place",
}

HOSTILE = [
    "",
    " \n\t\r\n ",
    "line one\nline two\r\nline three\u2028line four",
    "<script>alert('x')</script><b>bold</b> & &amp;",
    "שלום עולם, זהו משפט ארוך למדי מימין לשמאל",
    "مرحبا بالعالم",
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 " * 80,
    "\U0001f525\U0001f468\u200d\U0001f469\u200d\U0001f467" * 200,
    "\U00020000" * 800,
    "Z\u0351\u036b\u0343\u036a\u0302\u036b\u033d" * 60,
    "lone \ud800 surrogate \udfff",
    "\x00\x01\x1b[31mred\x7f\u202e reversed \u202c",
    "w" * 5000,
    "雨の東京、ネオンが水たまりに映る",
]


def draw(prompt: str, size: tuple[int, int] = (320, 176), seed: int = 1, number: int = 12) -> "np.ndarray":
    """One frame's planes (yuv420p, height x 1.5 rows)."""
    return Drawing(RenderJob(prompt, *size, 48, 24, seed)).frame(number).to_ndarray()


def difference(one: "np.ndarray", other: "np.ndarray") -> float:
    """The mean difference of two pictures, in steps of 255."""
    return float(np.abs(one.astype(np.int16) - other.astype(np.int16)).mean())


def hashes(path: Path) -> list[str]:
    with av.open(str(path)) as container:
        return [hashlib.sha256(frame.to_ndarray().tobytes()).hexdigest() for frame in container.decode(video=0)]


@pytest.mark.parametrize(
    ("prompt", "scene"),
    [
        ("Golden hour waves rolling towards the beach", "sea"),
        ("Sunset over the sea", "sea"),
        ("Wellen brechen an der Küste", "sea"),
        ("Ein Bergsee im Nebel", "sea"),
        ("Sunset sky with drifting clouds", "sky"),
        ("Ein Heißluftballon am Abendhimmel", "sky"),
        ("A campfire by the lake at night", "fire"),
        ("Ein Lagerfeuer knistert", "fire"),
        ("Lava flows down the volcano", "lava"),
        ("Vulkan bei Nacht", "lava"),
        ("Morning mist in an old forest", "forest"),
        ("Ein Reh im Tannenwald", "forest"),
        ("A forest at night", "forest"),
        ("City skyline at night, neon lights", "city"),
        ("Nachts in der Großstadt", "city"),
        ("Snow falling on a city", "city"),
        ("Snow-capped mountains", "mountains"),
        ("Schnee auf den Gipfeln der Alpen", "mountains"),
        ("An astronaut drifts past a nebula", "space"),
        ("Sterne und Galaxien im Weltraum", "space"),
        ("Steam rises from a cup of tea", "tea"),
        ("Eine Tasse Kaffee auf dem Tisch", "tea"),
        ("Silk ribbons in a slow current", "silk"),
        ("I want to see it all", "silk"),
        ("", "silk"),
    ],
)
def test_words_choose_the_scene(prompt: str, scene: str) -> None:
    """The prompt's subject decides the scene, in English and in German."""
    assert read_prompt(prompt).scene == scene


@pytest.mark.parametrize(
    ("prompt", "hour", "camera", "weather"),
    [
        ("ocean at night, slow zoom in", "night", "zoom", ""),
        ("Meer im Morgengrauen, Schwenk nach rechts", "dawn", "pan", ""),
        ("rainy city at dusk, camera orbits", "dusk", "orbit", "rain"),
        ("Wald im Schnee, Nahaufnahme", "dawn", "macro", "snow"),
        ("golden hour over the hills, aerial shot", "golden", "tilt", ""),
        ("highly detailed forest", "dawn", "drift", ""),
    ],
)
def test_words_choose_light_camera_and_weather(prompt: str, hour: str, camera: str, weather: str) -> None:
    """Time of day, camera move and weather are read from the prompt as well."""
    reading = read_prompt(prompt)
    assert (reading.hour, reading.camera.kind, reading.weather) == (hour, camera, weather)


def test_colour_words_change_the_palette() -> None:
    """A colour word changes the palette; a blue evening does not make the fire blue."""
    red, green, blue = read_prompt("crimson silk").palette.horizon
    assert red > 2 * max(green, blue)
    assert read_prompt("blue flames").palette != read_prompt("flames").palette
    assert read_prompt("flames on a blue evening").palette == read_prompt("flames on an evening").palette


@pytest.mark.parametrize("size", RATIOS, ids=str)
@pytest.mark.parametrize("scene", PROMPTS)
def test_every_scene_draws_at_every_ratio(scene: str, size: tuple[int, int]) -> None:
    """Every scene fills every aspect ratio with a picture that is neither flat nor out of video range."""
    assert read_prompt(PROMPTS[scene]).scene == scene
    picture = draw(PROMPTS[scene], size)
    assert picture.shape == (size[1] * 3 // 2, size[0])
    luma = picture[: size[1]]
    assert luma.std() > 8
    assert luma.min() >= 12
    assert luma.max() <= 238


@pytest.mark.parametrize("scene", PROMPTS)
def test_motion_is_smooth(scene: str) -> None:
    """Every frame differs a little from the one before."""
    drawing = Drawing(RenderJob(PROMPTS[scene], 320, 176, 48, 24, 3))
    frames = [drawing.frame(number).to_ndarray() for number in range(16, 26)]
    steps = [difference(one, other) for one, other in itertools.pairwise(frames)]
    assert min(steps) > 0.02
    assert max(steps) < 6
    assert max(steps) < 2 * min(steps) + 0.5


@pytest.mark.parametrize("camera", ["pan", "zoom", "zoom out", "orbit", "macro", "tilt", "tripod"])
def test_every_camera_moves_smoothly(camera: str) -> None:
    """Each camera move draws, from the first frame to the last, without a jump."""
    drawing = Drawing(RenderJob(f"mountains, {camera}", 320, 176, 48, 24, 3))
    for start in (0, 46):
        assert difference(drawing.frame(start).to_ndarray(), drawing.frame(start + 1).to_ndarray()) < 6


@pytest.mark.parametrize("weather", ["rain", "snow"])
@pytest.mark.parametrize("scene", PROMPTS)
def test_every_scene_draws_in_every_weather(scene: str, weather: str) -> None:
    """Every scene can be drawn with rain and with snow."""
    prompt = f"{PROMPTS[scene]} in the {weather}"
    assert read_prompt(prompt).weather == weather
    assert draw(prompt)[:176].std() > 8


@pytest.mark.parametrize("scene", PROMPTS)
def test_another_seed_gives_another_composition(scene: str) -> None:
    """Another seed changes the picture visibly; the same seed does not change it."""
    first = draw(PROMPTS[scene], seed=1)
    assert np.array_equal(first, draw(PROMPTS[scene], seed=1))
    assert difference(first, draw(PROMPTS[scene], seed=2)) > 4


def test_frames_do_not_depend_on_earlier_ones() -> None:
    """Any frame can be drawn alone."""
    drawing = Drawing(RenderJob("a campfire in the snow", 320, 176, 48, 24, 5))
    one_by_one = [drawing.frame(number).to_ndarray() for number in range(9)]
    assert np.array_equal(one_by_one[8], draw("a campfire in the snow", seed=5, number=8))


def test_same_job_gives_the_same_film(tmp_path: Path) -> None:
    """The same job gives the same decoded frames; another seed gives others."""
    job = RenderJob("waves at sunset", 320, 176, 12, 24, 7)
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        render({**vars(job), "seed": seed}, tmp_path / f"{name}.mp4")
    assert hashes(tmp_path / "a.mp4") == hashes(tmp_path / "b.mp4")
    assert hashes(tmp_path / "a.mp4") != hashes(tmp_path / "c.mp4")


@pytest.mark.parametrize("prompt", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("size", [(320, 176), (176, 320)], ids=str)
def test_any_prompt_can_be_a_caption(prompt: str, size: tuple[int, int]) -> None:
    """Any text is drawn or left out, without an exception, and stays within the picture."""
    text, font = drawable(prompt, 12)
    lines = caption_lines(text, font, 200)
    assert len(lines) <= 3
    assert all(font.getlength(line) <= 212 for line in lines)
    assert draw(prompt, size).shape == (size[1] * 3 // 2, size[0])


def test_long_prompt_ends_in_an_ellipsis() -> None:
    """A caption has at most three lines; an ellipsis marks a longer prompt."""
    text, font = drawable("many words " * 60, 20)
    lines = caption_lines(text, font, 300)
    assert len(lines) == 3
    assert lines[-1].endswith("…")
    assert caption_lines("short", font, 300) == ["short"]


def test_unknown_letters_are_replaced_and_emoji_left_out() -> None:
    """Styled letters become plain ones, symbols without a glyph are left out, and the text around them stays."""
    text, _ = drawable("𝕬 fire \U0001fae8 burns", 20)
    assert "fire" in text
    assert "burns" in text
    assert "\U0001fae8" not in text


@pytest.mark.parametrize("prompt", ["", "snowy mountains at noon", "space"])
@pytest.mark.parametrize("size", [(1280, 720), (720, 1280)], ids=str)
def test_the_mark_is_always_there_and_legible(prompt: str, size: tuple[int, int]) -> None:
    """The mark has enough contrast on bright and dark skies."""
    left, top, right, bottom = Lettering(prompt, *size).mark_box
    assert left > size[0] * 0.6
    assert bottom < size[1] * 0.12
    luma = draw(prompt, size)[top:bottom, left:right].astype(float)
    assert np.percentile(luma, 97) - np.percentile(luma, 30) > 60


@pytest.mark.program
def test_full_size_video_is_what_browsers_play(tmp_path: Path) -> None:
    """The process renders 121 frames at 1920x1088: H.264, yuv420p, BT.709, 24 fps, with the index in front."""
    path = tmp_path / "film.mp4"
    job = {"prompt": "Golden hour waves", "width": 1920, "height": 1088, "frames": 121}
    job |= {"frames_per_second": 24, "seed": 11, "path": str(path)}
    done = subprocess.run(
        [sys.executable, "-m", "dreamina_ui.simulator.drawing.render"],
        input=json.dumps(job).encode(),
        capture_output=True,
        cwd=Path(__file__).parents[2],
        timeout=400,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert os.listdir(tmp_path) == ["film.mp4"]
    content = path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    assert 200_000 < len(content) < 10_000_000
    with av.open(str(path)) as container:
        assert len(container.streams) == 1
        stream = container.streams.video[0]
        context = stream.codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
        assert (stream.width, stream.height, stream.average_rate, stream.frames) == (1920, 1088, Fraction(24), 121)
        assert (context.colorspace, context.color_primaries, context.color_trc, context.color_range) == (
            1,
            1,
            1,
            1,
        )
        assert sum(1 for _ in container.decode(stream)) == 121
        assert stream.duration is not None
        assert stream.time_base is not None
        assert float(stream.duration * stream.time_base) == pytest.approx(121 / 24)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"width": 321}, "even"),
        ({"frames": 0}, "frame"),
        ({"seed": "x"}, "x"),
        ({"path": "/nowhere/at/all.mp4"}, "FileNotFoundError"),
    ],
)
def test_failure_is_one_line_and_leaves_nothing(
    change: dict[str, object],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A job that cannot be rendered ends with exit code 1, one line on stderr and no file."""
    job: dict[str, object] = {
        "prompt": "sea",
        "width": 320,
        "height": 176,
        "frames": 3,
        "frames_per_second": 24,
        "seed": 1,
    }
    job |= {"path": str(tmp_path / "film.mp4"), **change}
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps(job).encode())))
    monkeypatch.setattr(os, "nice", lambda _: 0)
    assert main() == 1
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1
    assert said in printed
    assert list(tmp_path.iterdir()) == []
