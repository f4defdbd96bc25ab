"""Outlines of hills, mountains and the tops of firs."""

from dataclasses import dataclass

import numpy as np

from dreamina_ui.simulator.drawing.canvas import Array, Canvas, View

__all__ = ["Ridge", "firs", "hills", "peaks"]

_SAMPLES = 8192
_SPAN = 8.0  # canvas units before an outline repeats


@dataclass(frozen=True)
class Ridge:
    """Heights (canvas units, upwards) along an outline that repeats."""

    heights: Array

    def at(self, x: Array) -> Array:
        place = (x / _SPAN % 1.0) * _SAMPLES
        left = place.astype(np.intp)
        part = place - left
        a, b = self.heights[left % _SAMPLES], self.heights[(left + 1) % _SAMPLES]
        out: Array = a + (b - a) * part
        return out

    def line(self, canvas: Canvas, view: View, depth: float, base: float, columns: int) -> Array:
        """The y of the outline in the picture, in canvas units, for each of `columns` columns."""
        scale = 1.0 + (view.zoom - 1.0) * depth
        x = ((np.arange(columns) + 0.5) / columns * 2 - 1) * canvas.half_width
        out: Array = (base - self.at(x / scale + view.x * depth) - view.y * depth) * scale
        return out


def _axis() -> Array:
    return np.arange(_SAMPLES) / _SAMPLES * 2 * np.pi


def hills(rng: np.random.Generator, height: float) -> Ridge:
    """Soft hills."""
    axis, out = _axis(), np.zeros(_SAMPLES)
    for number in (5, 9, 17, 31, 58):
        out += np.sin(axis * number + rng.uniform(0, 6.28)) / number**0.9
    return Ridge((out - out.min()) / np.ptp(out) * height)


def peaks(rng: np.random.Generator, height: float, *, wide: int = 7) -> Ridge:
    """Mountains: folded waves with sharp crests, in six octaves."""
    axis, out, weight = _axis(), np.zeros(_SAMPLES), np.ones(_SAMPLES)
    number, size = float(wide), 1.0
    for _ in range(6):
        phase = np.sin(axis * round(number) + rng.uniform(0, 6.28)) + 0.6 * np.sin(
            axis * round(number * 0.62) + rng.uniform(0, 6.28)
        )
        crest = 1.0 - np.abs(phase) / 1.6
        out += crest * size * weight
        weight = np.clip(crest, 0.25, 1.0)
        number *= 2.1
        size *= 0.44
    return Ridge((out - out.min()) / np.ptp(out) * height)


def firs(rng: np.random.Generator, height: float, *, crowd: int = 260) -> Ridge:
    """The tops of fir trees: narrow cones with a saw-tooth of branches."""
    out = hills(rng, height * 0.5).heights.copy()
    x = np.arange(_SAMPLES) / _SAMPLES * _SPAN
    for _ in range(crowd):
        middle, tall = rng.uniform(0, _SPAN), height * (0.25 + 0.75 * rng.random() ** 1.6)
        slim = tall * rng.uniform(0.11, 0.19)
        away = np.abs((x - middle + _SPAN / 2) % _SPAN - _SPAN / 2)
        near = away < slim
        part = away[near] / slim
        branches = rng.integers(6, 10)
        jag = (part * branches) % 1.0
        cone = tall * (1.0 - part) ** 0.85 + tall * 0.07 * (jag - 0.5) * np.minimum(1, part * 6)
        foot = out[near]
        out[near] = np.maximum(foot, cone + height * 0.25)
    return Ridge(out)
