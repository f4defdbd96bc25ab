"""Smooth fields the scenes are made of: moving waves, tiling noise, and the sampling of both."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Array", "Waves", "dye", "noise_tile", "sample", "smoothstep"]

Array = npt.NDArray[Any]


class Waves:
    """A sum of plane waves, each drifting at its own pace: endless, never repeating, free to pan and zoom.

    sin(ax + by) splits into products of a row and a column, so a hundred waves over a whole picture are one
    matrix product. That is what makes full motion affordable.
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
        # Long waves roll on faster than short ones do, as in water; it reads as depth.
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
    # Only the part of the tile in view is worth touching.
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
    """0 below `low`, 1 above `high`, and an even S between."""
    s: Array = (value - low) * (1.0 / (high - low))
    np.clip(s, 0.0, 1.0, out=s)
    curve = 3.0 - 2.0 * s
    s *= s
    s *= curve
    return s
