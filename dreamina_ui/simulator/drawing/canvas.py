"""What scenes paint on and with: moving waves, tiling noise, colours as light, the canvas and the camera's view."""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dreamina_ui.simulator.drawing.prompt_words import Camera, Colour, Reading

__all__ = [
    "Array", "Canvas", "Setting", "View", "Waves",
    "blend", "dye", "light", "noise_tile", "sample", "smoothstep", "view_at",
]  # fmt: skip

Array = npt.NDArray[Any]

# Pixels in a strip: ten fields of this many floats fit a processor's second cache.
_STRIP = 45_000


class Waves:
    """A sum of plane waves, each drifting at its own pace, that never repeats in space or time.

    sin(ax + by) splits into products of a row and a column, so a hundred waves over a whole picture are one
    matrix product, which is fast enough for every frame.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        count: int,
        longest: float,
        shortest: float,
        *,
        slope: float = 1.0,
        speed: float = 1.0,
        heading: float = 0.0,
        spread: float = np.pi,
    ) -> None:
        lengths = longest * (shortest / longest) ** ((np.arange(count) + rng.random(count)) / count)
        turn = heading + rng.uniform(-spread, spread, count)
        number = 2 * np.pi / lengths
        self.kx = number * np.cos(turn)
        self.ky = number * np.sin(turn)
        self.phase = rng.uniform(0, 2 * np.pi, count)
        # Long waves move faster than short ones, as in water.
        self.pace = speed * rng.uniform(0.6, 1.4, count) * np.sqrt(longest / lengths)
        amplitude = (lengths / longest) ** slope
        self.amplitude = amplitude / np.sqrt(np.sum(amplitude**2) / 2)

    def at(self, x: Array, y: Array, t: float, turn: float = 0.0) -> Array:
        """The field (zero mean, unit spread) over columns `x`, rows `y` at `t` seconds, turned by `turn`."""
        cos, sin = np.cos(turn), np.sin(turn)
        kx, ky = self.kx * cos - self.ky * sin, self.kx * sin + self.ky * cos
        across = (np.outer(kx, x) + (self.phase + self.pace * t)[:, None]).astype(np.float32)
        down = np.outer(y, ky).astype(np.float32)
        rows = np.concatenate([np.cos(down), np.sin(down)], axis=1)
        scaled = self.amplitude[:, None].astype(np.float32)
        columns = np.concatenate([scaled * np.sin(across), scaled * np.cos(across)])
        field: Array = rows @ columns
        return field


def noise_tile(rng: np.random.Generator, height: int, width: int, *, slope: float = 1.8, longest: float = 0.5) -> Array:
    """Cloud-like noise (zero mean, unit spread) that tiles; `longest`: its largest feature, in tiles."""
    fy = np.fft.fftfreq(height)[:, None] * height
    fx = np.fft.rfftfreq(width)[None, :] * height
    radius = np.hypot(fx, fy)
    radius[0, 0] = 1.0
    spectrum = (radius + 1.0 / longest) ** (-slope) * (1 - np.exp(-((radius * longest) ** 2)))
    spectrum[0, 0] = 0.0
    white = np.fft.rfft2(rng.standard_normal((height, width)))
    tile = np.fft.irfft2(white * spectrum, s=(height, width))
    tile /= tile.std()
    return tile.astype(np.float32)


def sample(tile: Array, x: Array, y: Array) -> Array:
    """Read a tile (wrapping, linear in between) at rising columns `x` and rows `y`, in its own pixels."""
    height, width = tile.shape
    left, top = np.floor(x), np.floor(y)
    fx, fy = (x - left).astype(np.float32), (y - top).astype(np.float32)[:, None]
    start, first = int(left[0]), int(top[0])
    i, j = left.astype(np.intp) - start, top.astype(np.intp) - first
    # Copy only the part of the tile in view.
    seen_rows = np.arange(first, first + int(j[-1]) + 2) % height
    seen = tile[seen_rows[:, None], np.arange(start, start + int(i[-1]) + 2) % width]
    rows = seen[j]
    rows += (seen[j + 1] - rows) * fy
    out: Array = rows.take(i, axis=1)
    out += (rows.take(i + 1, axis=1) - out) * fx
    return out


def dye(colours: Sequence[Array], fields: Sequence[Array]) -> Array:
    """The sum of fields (height, width), each in its colour (3, 1, 1): light (3, height, width)."""
    height, width = fields[0].shape
    stacked = np.stack(fields).reshape(len(fields), -1)
    table = np.stack([colour.reshape(3) for colour in colours], axis=1).astype(np.float32)
    out: Array = (table @ stacked).reshape(3, height, width)
    return out


def smoothstep(low: float, high: float, value: Array) -> Array:
    """0 below `low`, 1 above `high`, and a smooth S-curve between."""
    s: Array = (value - low) * (1.0 / (high - low))
    np.clip(s, 0.0, 1.0, out=s)
    curve = 3.0 - 2.0 * s
    s *= s
    s *= curve
    return s


def light(colour: Colour) -> Array:
    """The amount of light (3, 1, 1) that is shown as this display colour once tone-mapped."""
    shown = np.clip(np.array(colour, dtype=np.float32), 0.0, 0.992)
    out: Array = -np.log1p(-(shown**2)).reshape(3, 1, 1)
    return out


def blend(a: Colour, b: Colour, part: float) -> Colour:
    """A display colour between two."""
    return a[0] + (b[0] - a[0]) * part, a[1] + (b[1] - a[1]) * part, a[2] + (b[2] - a[2]) * part


@dataclass(frozen=True)
class Setting:
    """The inputs of a scene. Its random numbers come from `rng()`, so the same seed gives the same composition."""

    width: int
    height: int
    duration: float
    reading: Reading
    seed: int

    def rng(self) -> np.random.Generator:
        return np.random.default_rng(self.seed & 0xFFFFFFFFFFFF)


class Canvas:
    """A grid `fineness` times smaller than the video.

    `x` and `y` are in units of the shorter side, zero in the middle, y downwards; `rows` are those that a strip
    covers.
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
    """The camera's offset, magnification and roll; they affect a layer according to its depth."""

    x: float
    y: float
    zoom: float
    roll: float

    def grid(self, canvas: Canvas, depth: float = 1.0) -> tuple[Array, Array]:
        """The columns and rows of a layer: depth 0 is the sky, 1 the subject, above 1 nearer."""
        scale = 1.0 / (1.0 + (self.zoom - 1.0) * depth)
        return canvas.x * scale + self.x * depth, canvas.y * scale + self.y * depth

    def place(self, x: Array, y: Array, depth: float = 1.0) -> tuple[Array, Array]:
        """Where in the picture (canvas units) a point of a layer appears: the inverse of `grid`."""
        scale = 1.0 + (self.zoom - 1.0) * depth
        return (x - self.x * depth) * scale, (y - self.y * depth) * scale


def view_at(camera: Camera, t: float, duration: float) -> View:
    """The camera's view at `t` seconds: one continuous move over the whole clip."""
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
