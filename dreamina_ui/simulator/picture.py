"""From light to picture: the small canvas scenes paint on, and its way to full-size video planes."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from av import VideoFrame
from av.video.reformatter import VideoReformatter

from .fields import Array
from .prompt_words import Camera, Colour, Reading

__all__ = ["Canvas", "Finish", "Grain", "Planes", "Scene", "Setting", "View", "blend", "light", "view_at", "yuv"]

# RGB to limited-range Y'CbCr by ITU-R BT.709, in 8-bit steps.
_KR, _KB = 0.2126, 0.0722
_KG = 1 - _KR - _KB
_MATRIX = np.array(
    [
        [219 * _KR, 219 * _KG, 219 * _KB],
        [-112 * _KR / (1 - _KB), -112 * _KG / (1 - _KB), 112],
        [112, -112 * _KG / (1 - _KR), -112 * _KB / (1 - _KR)],
    ],
    dtype=np.float32,
)
_OFFSET = np.array([16, 128, 128], dtype=np.float32)


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
    y, u, v = (_MATRIX @ np.array(colour, dtype=np.float32) + _OFFSET).tolist()
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

    `x` and `y` are in units of the shorter side, zero in the middle, y downwards.
    """

    def __init__(self, setting: Setting, fineness: float) -> None:
        self.width, self.height = max(8, int(setting.width / fineness)), max(8, int(setting.height / fineness))
        short = min(setting.width, setting.height)
        self.unit = short  # pixels of the video in one unit
        self.half_width, self.half_height = setting.width / short / 2, setting.height / short / 2
        self.x = ((np.arange(self.width) + 0.5) / self.width * 2 - 1).astype(np.float32) * np.float32(self.half_width)
        self.y = ((np.arange(self.height) + 0.5) / self.height * 2 - 1).astype(np.float32) * np.float32(
            self.half_height
        )

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
            0.26 * float(np.sin(angle)), 0.03 * float(np.cos(angle)), 1.1 + 0.05 * float(np.cos(angle)), angle * 0.2
        )
    if camera.kind == "macro":
        return View(0.05 * centred, 0.01 * sway, 1.5 + 0.1 * along, 0.0)
    if camera.kind == "still":
        return View(0.0, 0.0, 1.02, 0.0)
    return View(0.09 * centred, 0.008 * sway, 1.03 + 0.05 * along, 0.02 * centred)


class Planes:
    """The three planes of a full-size frame, open for drawing details straight into them."""

    def __init__(self, frame: VideoFrame) -> None:
        self.y, self.u, self.v = (
            np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]
            for plane in frame.planes
        )

    def dots(self, x: Array, y: Array, radius: float, gain: Array, colour: Colour) -> None:
        """Draw soft round lights of one size (pixels) and colour; `gain` from 0 to 1 each."""
        luma, blue, red = yuv(colour)
        shown = gain > 0.01
        x, y, gain = (values[shown].astype(np.float32) for values in (x, y, gain))
        _stamp(self.y, x, y, radius, gain, luma)
        if radius < 1.6 and max(colour) - min(colour) < 0.2:
            return  # too small and too white for its tint to be seen
        # Chroma of a tiny light needs less strength than its luma, or dim dots look like confetti.
        for plane, value in ((self.u, blue), (self.v, red)):
            _stamp(plane, x / 2 - 0.25, y / 2 - 0.25, max(0.8, radius / 2), gain * 0.8, value)

    def silhouette(self, top: Array, colour: Colour, *, foot: Colour | None = None) -> None:
        """Fill everything below a line (its height in pixels at every column) with one colour, edge antialiased.

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


def _stamp(plane: Array, x: Array, y: Array, radius: float, gain: Array, value: float) -> None:
    reach = int(np.ceil(2.5 * radius))
    height, width = plane.shape
    left, top = np.rint(x).astype(np.intp), np.rint(y).astype(np.intp)
    inner = (left >= reach) & (left < width - reach) & (top >= reach) & (top < height - reach)
    near = (left > -reach) & (left < width + reach) & (top > -reach) & (top < height + reach)
    around = np.arange(-reach, reach + 1)
    sharp = np.float32(-0.5 / radius**2)
    for some, whole in ((inner, True), (near & ~inner, False)):
        columns, rows = left[some][:, None] + around, top[some][:, None] + around
        wx = np.exp(sharp * (columns - x[some][:, None]).astype(np.float32) ** 2)
        wy = np.exp(sharp * (rows - y[some][:, None]).astype(np.float32) ** 2) * gain[some][:, None]
        weight = wy[:, :, None] * wx[:, None, :]
        row, column = rows[:, :, None], columns[:, None, :]
        if not whole:
            row, column = np.broadcast_arrays(row, column)
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            row, column, weight = row[inside], column[inside], weight[inside]
        old = plane[row, column].astype(np.float32)
        weight *= value - old
        old += weight
        old += 0.5
        plane[row, column] = old.astype(np.uint8)


class Scene(Protocol):
    """One family of pictures. `canvas` is what `paint` fills; `bloom` is how much its bright parts glow."""

    canvas: Canvas
    bloom: float

    def paint(self, t: float) -> Array:
        """The light (3, height, width) of the canvas at `t` seconds; 1 is a bright surface, a lamp is more."""

    def details(self, planes: Planes, t: float) -> None:
        """Draw at full size what must be crisp."""


class _Bloom:
    """The glow around bright parts: shrink to a few blocks, then spread each block as a soft round light.

    A Gaussian is separable too, so the spreading is two matrix products.
    """

    def __init__(self, canvas: Canvas, strength: float) -> None:
        self._step = max(4, min(canvas.width, canvas.height) // 34)
        self._rows, self._columns = canvas.height // self._step, canvas.width // self._step
        self._down = _spread(canvas.height, self._rows, self._step) * np.float32(strength)
        self._across = np.ascontiguousarray(_spread(canvas.width, self._columns, self._step).T)

    def add(self, painted: Array) -> None:
        step, rows, columns = self._step, self._rows, self._columns
        blocks = painted[:, : rows * step, : columns * step].reshape(3, rows, step, columns * step)[:, :, ::2].mean(axis=2)
        small = blocks.reshape(3, rows, columns, step).mean(axis=3)
        small *= small / (0.35 + small)  # only what is bright glows
        for channel in range(3):
            painted[channel] += self._down @ (small[channel] @ self._across)


def _spread(pixels: int, blocks: int, step: int) -> Array:
    centres = (np.arange(blocks) + 0.5) * step
    away = (np.arange(pixels)[:, None] + 0.5 - centres) / step
    weight = np.exp(-0.5 * (away / 1.15) ** 2) + 0.16 * np.exp(-0.5 * (away / 3.6) ** 2)
    out: Array = (weight / weight.sum(axis=1).mean()).astype(np.float32)
    return out


class Finish:
    """Lens and film: vignette, tone curve, enlargement and grain."""

    def __init__(self, canvas: Canvas, setting: Setting, dim: Array | None = None, bloom: float = 0.0) -> None:
        """`dim` darkens the picture per pixel of the canvas (1 leaves it), as behind a caption."""
        self._size = setting.width, setting.height
        reach = np.hypot(canvas.x / canvas.half_width, canvas.y[:, None] / canvas.half_height)
        self._lens: Array = (1.0 - 0.5 * np.clip(reach / 1.42, 0, 1) ** 2.6).astype(np.float32)
        if dim is not None:
            self._lens *= dim
        self._lens *= -1  # the tone curve wants it so
        # Sixteen bits here let the scaler dither on its way to eight: gradients stay free of bands.
        self._small = VideoFrame(canvas.width, canvas.height, "yuv444p16le")
        self._into = [
            np.frombuffer(p, np.uint16).reshape(-1, p.line_size // 2)[: p.height, : p.width] for p in self._small.planes
        ]
        self._bloom = _Bloom(canvas, bloom) if bloom else None
        self._matrix, self._offset = _MATRIX * 256, _OFFSET[:, None] * 256
        self._strip = np.empty((3, min(canvas.height, 24), canvas.width), dtype=np.float32)
        self._scaler = VideoReformatter()

    def enlarge(self, painted: Array) -> VideoFrame:
        """Tone-map the painted light (1 - exp(-light), with a gamma of two) and enlarge it to a yuv420p frame."""
        if self._bloom:
            self._bloom.add(painted)
        # A few rows at a time: what stays in the processor's cache costs half as much.
        step = self._strip.shape[1]
        for top in range(0, painted.shape[1], step):
            rows = slice(top, top + step)
            shown = self._strip[:, : painted[0, rows].shape[0]]
            np.multiply(painted[:, rows], self._lens[rows], out=shown)
            np.exp(shown, out=shown)
            np.subtract(1.0, shown, out=shown)
            np.sqrt(shown, out=shown)
            flat = self._matrix @ shown.reshape(3, -1)
            flat += self._offset
            for plane, values in zip(self._into, flat, strict=True):
                np.copyto(plane[rows], values.reshape(shown.shape[1:]), casting="unsafe")
        width, height = self._size
        return self._scaler.reformat(self._small, width, height, "yuv420p", interpolation="BICUBIC", threads=1)


class Grain:
    """Film grain too fine to notice, which keeps the encoder from making bands of slow gradients.

    It stands still: moving, it would cost the encoder twice the time and show no better.
    """

    def __init__(self, width: int, height: int) -> None:
        noise = np.random.default_rng(7).standard_normal((256, 512), dtype=np.float32)
        tile = np.clip(np.rint(noise * 0.85), -3, 3).astype(np.int8).view(np.uint8)
        self._grain = np.tile(tile, (height // 256 + 1, width // 512 + 1))[:height, :width].copy()

    def add(self, planes: Planes) -> None:
        # Wrapping addition: luma keeps to 16…235, far enough from both ends.
        np.add(planes.y, self._grain, out=planes.y)
