"""A video that is made from given pictures and clips: it begins with the first of them, and shows each for a while."""

import math
from collections.abc import Iterator, Sequence
from typing import Protocol

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from PIL import Image

from dreamina_ui.simulator.drawing.canvas import Array, Canvas, Setting, View
from dreamina_ui.simulator.drawing.caption import Lettering
from dreamina_ui.simulator.drawing.frame import Planes, planes_of
from dreamina_ui.simulator.drawing.pictures import fitted, is_picture, read_picture
from dreamina_ui.simulator.drawing.prompt_words import Camera
from dreamina_ui.simulator.files import opened
from dreamina_ui.simulator.scenes.particles import Rain, Snow

__all__ = ["Reel", "shape_of"]

_ZOOM_MOST, _ZOOM_EACH_S = 0.16, 0.025
"""How much nearer the camera comes, and how much of that in a second."""
_FADE_S = 0.5
"""From one picture to the next, and of what is drawn over them at the start and the end."""
_LIGHT = 7
"""How much a passing light changes the luma, in steps of 255. Within 16 nothing overflows."""
_SMALLEST, _LARGEST, _RATIO_MOST = 64, 2560, 4.0

_Picture = tuple[Image.Image, Image.Image, Image.Image]
"""Three planes, the chroma at half the size."""


class _Shot(Protocol):
    def at(self, t: float) -> _Picture:
        """The picture `t` seconds after the shot's start."""


def shape_of(media: Sequence[str], width: int, height: int) -> tuple[int, int]:
    """Width and height with about as many pixels, and with the ratio of the first picture or clip; even."""
    ratio = next((size[0] / size[1] for size in map(_size_of, media) if size), width / height)
    ratio = min(max(ratio, 1 / _RATIO_MOST), _RATIO_MOST)
    across = math.sqrt(width * height * ratio)
    across *= max(1.0, _SMALLEST / min(across, across / ratio))
    across *= min(1.0, _LARGEST / max(across, across / ratio))
    return round(across / 2) * 2, round(across / ratio / 2) * 2


def _size_of(path: str) -> tuple[int, int] | None:
    if is_picture(path):
        return read_picture(path).size
    frame = next(_frames_of(path), None)
    if frame is None:
        return None
    return (frame.height, frame.width) if frame.rotation % 180 else (frame.width, frame.height)


class Reel:
    """Draws the frames: each picture and clip has an equal share of the time, in the order of `media`.

    The first frame is the first picture, or the first frame of the first clip, and nothing else. With several of them, the last
    frame is the last picture.
    """

    def __init__(self, setting: Setting, prompt: str, media: Sequence[str], frames_per_second: int) -> None:
        self._fps, self._duration = frames_per_second, setting.duration
        size = setting.width, setting.height
        camera = setting.reading.camera
        shown = [path for path in media if is_picture(path) or next(_frames_of(path), None) is not None]
        self._share = setting.duration / max(1, len(shown))
        self._shots: list[_Shot] = []
        for number, path in enumerate(shown):
            if is_picture(path):
                still = _planes(planes_of(np.asarray(fitted(read_picture(path), size))))
                self._shots.append(_Still(still, camera, self._share, ends=0 < number == len(shown) - 1))
            else:
                self._shots.append(_Clip(path, size, camera, self._share))
        canvas = Canvas(setting, 4.0)
        falling = {"rain": Rain, "snow": Snow}.get(setting.reading.weather)
        self._weather = falling(setting.rng(), canvas) if falling else None
        self._light = _Light(setting)
        self._lettering = Lettering(prompt, *size)

    def __bool__(self) -> bool:
        """Whether there is anything to show."""
        return bool(self._shots)

    def frame(self, number: int) -> av.VideoFrame:
        """The frame of that number, in yuv420p."""
        t = number / self._fps
        picture = self._at(t)
        frame = av.VideoFrame(*picture[0].size, "yuv420p")
        planes = Planes(frame)
        for plane, given in zip((planes.y, planes.u, planes.v), picture, strict=True):
            np.copyto(plane, np.asarray(given))
        # At the start and at the end the picture is alone, so that a video can go on from where another ended.
        strength = _smooth(min(t - 1 / self._fps, self._duration - t - 1.5 / self._fps) / _FADE_S)
        if strength > 0:
            self._light.add(planes, t, strength)
            if self._weather:
                self._weather.draw(planes, View(0.0, 0.0, 1.0, 0.0), t, (0.90, 0.94, 1.0))
            self._lettering.draw(planes.y, planes.u, planes.v, caption=strength, mark=strength)
        return frame

    def _at(self, t: float) -> _Picture:
        number = min(int(t / self._share), len(self._shots) - 1)
        within = t - number * self._share
        picture = self._shots[number].at(within)
        fade_s = min(_FADE_S, self._share / 3)
        left = self._share - within
        if left >= fade_s or number == len(self._shots) - 1:
            return picture
        after, part = self._shots[number + 1].at(0.0), _smooth(1 - left / fade_s)
        y, u, v = (Image.blend(one, other, part) for one, other in zip(picture, after, strict=True))
        return y, u, v


class _Still:
    """A picture that the camera slowly comes nearer to; one that `ends` the video is seen whole in the end instead."""

    def __init__(self, picture: _Picture, camera: Camera, share_s: float, *, ends: bool = False) -> None:
        self._picture, self._share_s, self._ends = picture, share_s, ends
        zoom = min(_ZOOM_MOST, _ZOOM_EACH_S * share_s)
        self._zoom = zoom / 3 if camera.kind == "still" else zoom
        # As far to the side as it can look without an edge in sight.
        aside = {"pan": (camera.sign, 0.0), "tilt": (0.0, -camera.sign), "orbit": (0.7 * camera.sign, 0.3)}
        self._aside = aside.get(camera.kind, (0.3 * camera.sign, -0.15))

    def at(self, t: float) -> _Picture:
        along = min(max(t / self._share_s, 0.0), 1.0)
        part = 1 / (1 + self._zoom * (1 - along if self._ends else along))
        y, u, v = (self._seen(plane, part) for plane in self._picture)
        return y, u, v

    def _seen(self, plane: Image.Image, part: float) -> Image.Image:
        width, height = plane.size
        left, top = (side * (1 - part) / 2 * (1 + aside) for side, aside in zip(plane.size, self._aside, strict=True))
        box = (left, top, min(left + width * part, width), min(top + height * part, height))
        return plane.resize(plane.size, Image.Resampling.BILINEAR, box=box)


class _Clip:
    """A clip in its own time; behind its end its last frame, which the camera comes nearer to."""

    def __init__(self, path: str, size: tuple[int, int], camera: Camera, share_s: float) -> None:
        self._path, self._size, self._camera, self._share_s = path, size, camera, share_s
        self._scaler = VideoReformatter()
        self._still: _Still | None = None
        self._ended_s = self._at_s = self._first_s = 0.0
        self._frames: Iterator[av.VideoFrame] = iter(())
        self._next: av.VideoFrame | None = None
        self._begin()

    def at(self, t: float) -> _Picture:
        if t < self._at_s and self._still is None:
            self._begin()
        self._at_s = t
        while self._next is not None and _time_of(self._next, self._first_s) <= t + 1e-6:
            self._last, self._next = self._next, next(self._frames, None)
        if self._next is not None:
            return self._planes(self._last)
        if self._still is None:
            self._ended_s = _time_of(self._last, self._first_s)
            self._still = _Still(self._planes(self._last), self._camera, max(self._share_s - self._ended_s, 0.1))
        return self._still.at(t - self._ended_s)

    def _begin(self) -> None:
        self._at_s = 0.0
        self._frames = _frames_of(self._path)
        self._last = next(self._frames)
        self._first_s = self._last.time or 0.0
        self._next = next(self._frames, None)

    def _planes(self, frame: av.VideoFrame) -> _Picture:
        """The frame upright, scaled and cut to the size."""
        turned = frame.rotation % 360
        width, height = reversed(self._size) if turned % 180 else self._size
        scale = max(width / frame.width, height / frame.height)
        across, down = (math.ceil(side * scale / 2) * 2 for side in (frame.width, frame.height))
        scaled = self._scaler.reformat(
            frame, across, down, "yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG, threads=1
        )
        left, top = (across - width) // 4 * 2, (down - height) // 4 * 2
        made = Planes(scaled)
        cut = (
            plane[top // step : (top + height) // step, left // step : (left + width) // step]
            for plane, step in ((made.y, 1), (made.u, 2), (made.v, 2))
        )
        y, u, v = (np.rot90(plane, turned // 90) for plane in cut)
        return _planes((y, u, v))


class _Light:
    """A soft light that passes over the picture."""

    def __init__(self, setting: Setting) -> None:
        self._size = setting.width, setting.height
        rng = setting.rng()
        self._phase, self._pace = float(rng.uniform(0, 6.28)), float(rng.uniform(0.5, 0.9))
        x, y = np.meshgrid(np.linspace(0, 1, 32), np.linspace(0, 1, 18))
        self._along = (3.5 * x + 1.8 * y * float(rng.choice([-1, 1]))).astype(np.float32)

    def add(self, planes: Planes, t: float, strength: float) -> None:
        # 128 in the middle, since pictures of eight bits have no negative numbers.
        field = 128 + _LIGHT * strength * np.sin(self._along - self._phase - self._pace * t)
        wide = Image.fromarray(np.rint(field).astype(np.uint8)).resize(self._size, Image.Resampling.BILINEAR)
        np.clip(planes.y, 16, 235, out=planes.y)
        planes.y += np.asarray(wide)
        planes.y -= 128


def _planes(planes: tuple[Array, Array, Array]) -> _Picture:
    y, u, v = (Image.fromarray(np.ascontiguousarray(plane)) for plane in planes)
    return y, u, v


def _frames_of(path: str) -> Iterator[av.VideoFrame]:
    """The frames of a clip, as far as they can be read; none of a sound."""
    with opened(path) as container:
        try:
            yield from container.decode(container.streams.video[0]) if container.streams.video else ()
        except av.FFmpegError:
            return  # what comes before the damage is the clip


def _time_of(frame: av.VideoFrame, first_s: float) -> float:
    return (frame.time or 0.0) - first_s


def _smooth(part: float) -> float:
    part = min(max(part, 0.0), 1.0)
    return part * part * (3 - 2 * part)
