"""What scenes paint with: the small canvas for light, the camera's view, and full-size planes for details."""

from copy import copy
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from av import VideoFrame
from av.video.plane import VideoPlane

from dreamina_ui.simulator.fields import Array
from dreamina_ui.simulator.prompt_words import Camera, Colour, Reading

__all__ = [
    "TO_YUV", "YUV_ZERO", "Canvas", "Planes", "Scene", "Setting", "View",
    "blend", "light", "plane_view", "view_at", "yuv",
]  # fmt: skip

# RGB to limited-range Y'CbCr by ITU-R BT.709, in 8-bit steps.
_KR, _KB = 0.2126, 0.0722
_KG = 1 - _KR - _KB
TO_YUV = np.array(
    [
        [219 * _KR, 219 * _KG, 219 * _KB],
        [-112 * _KR / (1 - _KB), -112 * _KG / (1 - _KB), 112],
        [112, -112 * _KG / (1 - _KR), -112 * _KB / (1 - _KR)],
    ],
    dtype=np.float32,
)
YUV_ZERO = np.array([16, 128, 128], dtype=np.float32)


# Pixels in a strip: ten fields of this many floats fit a processor's second cache.
_STRIP = 45_000


def light(colour: Colour) -> Array:
    """The amount of light (3, 1, 1) that is shown as this display colour once tone-mapped."""
    shown = np.clip(np.array(colour, dtype=np.float32), 0.0, 0.992)
    out: Array = -np.log1p(-(shown**2)).reshape(3, 1, 1)
    return out


def blend(a: Colour, b: Colour, part: float) -> Colour:
    """A display colour between two."""
    return a[0] + (b[0] - a[0]) * part, a[1] + (b[1] - a[1]) * part, a[2] + (b[2] - a[2]) * part


def yuv(colour: Colour) -> tuple[float, float, float]:
    """A display colour in 8-bit BT.709 limited range."""
    y, u, v = (TO_YUV @ np.array(colour, dtype=np.float32) + YUV_ZERO).tolist()
    return y, u, v


@dataclass(frozen=True)
class Setting:
    """What a scene is built from; its random numbers come from `rng()` so that a seed is a composition."""

    width: int
    height: int
    duration: float
    reading: Reading
    seed: int

    def rng(self) -> np.random.Generator:
        return np.random.default_rng(self.seed & 0xFFFFFFFFFFFF)


class Canvas:
    """A grid `fineness` times smaller than the video.

    `x` and `y` are in units of the shorter side, zero in the middle, y downwards; `rows` is the part of the
    whole that a strip covers.
    """

    def __init__(self, setting: Setting, fineness: float) -> None:
        self.width, self.height = (
            max(8, int(setting.width / fineness)),
            max(8, int(setting.height / fineness)),
        )
        self.rows = slice(0, self.height)
        short = min(setting.width, setting.height)
        self.unit = short  # pixels of the video in one unit
        self.half_width, self.half_height = setting.width / short / 2, setting.height / short / 2
        self.x = ((np.arange(self.width) + 0.5) / self.width * 2 - 1).astype(np.float32) * np.float32(self.half_width)
        self.y = ((np.arange(self.height) + 0.5) / self.height * 2 - 1).astype(np.float32) * np.float32(
            self.half_height
        )

    def strips(self) -> "list[Canvas]":
        """The canvas in strips of rows, each small enough that what is computed on it stays in the cache."""
        strips = []
        for rows in np.array_split(np.arange(self.height), max(1, round(self.width * self.height / _STRIP))):
            strip = copy(self)
            strip.rows = slice(int(rows[0]), int(rows[-1]) + 1)
            strip.y, strip.height = self.y[strip.rows], rows.size
            strips.append(strip)
        return strips

    def to_pixels(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Canvas units to pixels of the video."""
        return (x + self.half_width) * self.unit - 0.5, (y + self.half_height) * self.unit - 0.5


@dataclass(frozen=True)
class View:
    """Where the camera is: an offset and a magnification, felt by a layer according to its depth."""

    x: float
    y: float
    zoom: float
    roll: float

    def grid(self, canvas: Canvas, depth: float = 1.0) -> tuple[Array, Array]:
        """The columns and rows of a layer: depth 0 is the sky's, 1 the subject's, above 1 nearer still."""
        scale = 1.0 / (1.0 + (self.zoom - 1.0) * depth)
        return canvas.x * scale + self.x * depth, canvas.y * scale + self.y * depth

    def place(self, x: Array, y: Array, depth: float = 1.0) -> tuple[Array, Array]:
        """Where in the picture (canvas units) a point of a layer appears: the inverse of `grid`."""
        scale = 1.0 + (self.zoom - 1.0) * depth
        return (x - self.x * depth) * scale, (y - self.y * depth) * scale


def view_at(camera: Camera, t: float, duration: float) -> View:
    """The camera's place at `t` seconds: one continuous move over the whole clip."""
    along = t / duration if duration else 0.0
    centred = (along - 0.5) * camera.sign
    sway = float(np.sin(t * 0.5))
    if camera.kind == "pan":
        return View(0.5 * centred, 0.01 * sway, 1.04, 0.0)
    if camera.kind == "tilt":
        return View(0.03 * centred, -0.22 * centred, 1.04 + 0.05 * along, 0.0)
    if camera.kind == "zoom":
        return View(0.0, 0.0, 1.02 * 1.45 ** (centred + 0.5), 0.04 * centred)
    if camera.kind == "orbit":
        angle = np.pi * centred
        return View(
            0.26 * float(np.sin(angle)),
            0.03 * float(np.cos(angle)),
            1.1 + 0.05 * float(np.cos(angle)),
            angle * 0.2,
        )
    if camera.kind == "macro":
        return View(0.05 * centred, 0.01 * sway, 1.5 + 0.1 * along, 0.0)
    if camera.kind == "still":
        return View(0.0, 0.0, 1.02, 0.0)
    return View(0.09 * centred, 0.008 * sway, 1.03 + 0.05 * along, 0.02 * centred)


def plane_view(plane: VideoPlane, kind: type[np.unsignedinteger[Any]]) -> Array:
    """A plane's pixels as a writable array, without a copy."""
    whole: Array = np.frombuffer(memoryview(plane), kind)
    return whole.reshape(plane.height, -1)[:, : plane.width]


class Planes:
    """The three planes of a full-size frame, open for drawing details straight into them."""

    def __init__(self, frame: VideoFrame) -> None:
        self.y, self.u, self.v = (plane_view(plane, np.uint8) for plane in frame.planes)

    def dots(self, x: Array, y: Array, radius: float, gain: Array, colour: Colour, *, joined: bool = False) -> None:
        """Draw soft round lights of one size (pixels) and colour; `gain` from 0 to 1 each.

        Dots that overlap, because they make a line together, must be `joined`.
        """
        luma, blue, red = yuv(colour)
        shown = gain > 0.01
        x, y, gain = (values[shown].astype(np.float32) for values in (x, y, gain))
        _stamp(self.y, x, y, radius, gain, luma, joined)
        if radius < 1.6 and max(colour) - min(colour) < 0.2:
            return  # too small and too white for its tint to be seen
        # Chroma of a tiny light needs less strength than its luma, or dim dots look like confetti.
        for plane, value in ((self.u, blue), (self.v, red)):
            _stamp(plane, x / 2 - 0.25, y / 2 - 0.25, max(0.8, radius / 2), gain * 0.8, value, joined)

    def silhouette(self, top: Array, colour: Colour, *, foot: Colour | None = None) -> None:
        """Fill all below a line (its height in pixels at every column) with one colour, edge antialiased.

        With `foot` the colour changes downwards to that, as into mist.
        """
        height = self.y.shape[0]
        upper, lower = yuv(colour), yuv(foot or colour)
        for plane, step, at in ((self.y, 1, 0), (self.u, 2, 1), (self.v, 2, 2)):
            line = (top if step == 1 else top[::2] * 0.5).astype(np.float32)[: plane.shape[1]]
            first, last = float(line.min()), float(line.max())
            begin = int(np.clip(first - 1, 0, plane.shape[0]))
            end = int(np.clip(last + 2, begin, plane.shape[0]))
            rows = np.arange(begin, plane.shape[0], dtype=np.float32)[:, None]
            reach = max(1.0, height / step - first)
            fill = upper[at] + (lower[at] - upper[at]) * np.clip((rows - first) / reach, 0, 1)
            cover = np.clip(rows[: end - begin] - line + 0.5, 0, 1)
            band = plane[begin:end]
            cover *= fill[: end - begin] - band
            cover += band
            cover += 0.5
            np.copyto(band, cover, casting="unsafe")
            plane[end:] = (fill[end - begin :] + 0.5).astype(np.uint8)


def _stamp(plane: Array, x: Array, y: Array, radius: float, gain: Array, value: float, joined: bool) -> None:
    reach = int(np.ceil(2.5 * radius))
    height, width = plane.shape
    left, top = np.rint(x).astype(np.intp), np.rint(y).astype(np.intp)
    inner = (left >= reach) & (left < width - reach) & (top >= reach) & (top < height - reach)
    near = (left > -reach) & (left < width + reach) & (top > -reach) & (top < height + reach)
    around = np.arange(-reach, reach + 1)
    sharp = np.float32(-0.5 / radius**2)
    for some, whole in ((inner, True), (near & ~inner, False)):
        if not some.any():
            continue
        columns, rows = left[some][:, None] + around, top[some][:, None] + around
        wx = np.exp(sharp * (columns - x[some][:, None]).astype(np.float32) ** 2)
        wy = np.exp(sharp * (rows - y[some][:, None]).astype(np.float32) ** 2) * gain[some][:, None]
        weight = wy[:, :, None] * wx[:, None, :]
        row, column = rows[:, :, None], columns[:, None, :]
        if not whole:
            row, column = np.broadcast_arrays(row, column)
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            row, column, weight = row[inside], column[inside], weight[inside]
        if joined:
            # Where dots share a pixel the last one written stays: let it be the strongest.
            row, column, weight = (each.ravel() for each in np.broadcast_arrays(row, column, weight))
            order = np.argsort(weight)
            row, column, weight = row[order], column[order], weight[order]
        old = plane[row, column].astype(np.float32)
        weight *= value - old
        old += weight
        old += 0.5
        plane[row, column] = old.astype(np.uint8)


class Scene(Protocol):
    """One family of pictures. `canvas` is what `paint` fills; `bloom`, how much its bright parts glow.

    `stride` is how many frames one painting may serve: those between two paintings are blended from both,
    which nobody sees as long as things on the canvas move less than a pixel or so. `in_strips` tells
    that a strip of the canvas can be painted by itself.
    """

    canvas: Canvas
    bloom: float
    stride: int
    in_strips: bool

    def paint(self, canvas: Canvas, t: float) -> Array:
        """The light (3, height, width) at `t` seconds on the canvas or a strip of it."""

    def details(self, planes: Planes, t: float) -> None:
        """Draw at full size what must be crisp."""
