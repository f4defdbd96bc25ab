"""Distant ranges, a snowy massif, firs in front, and falling snow."""

import numpy as np

from dreamina_ui.simulator.drawing.canvas import (
    Array,
    Canvas,
    Setting,
    View,
    Waves,
    blend,
    dye,
    light,
    noise_tile,
    sample,
    smoothstep,
    view_at,
)
from dreamina_ui.simulator.drawing.frame import Planes
from dreamina_ui.simulator.scenes import Scene
from dreamina_ui.simulator.scenes.backdrop import Backdrop
from dreamina_ui.simulator.scenes.particles import Snow
from dreamina_ui.simulator.scenes.ridges import firs, peaks

__all__ = ["build"]


def build(setting: Setting) -> Scene:
    return _Mountains(setting)


class _Mountains:
    bloom = 0.1
    stride = 3
    in_strips = True

    def __init__(self, setting: Setting) -> None:
        rng = setting.rng()
        self.setting = setting
        self.canvas = canvas = Canvas(setting, 2 if setting.width * setting.height < 300_000 else 3)
        half = canvas.half_height
        self.foot = half - float(rng.uniform(0.25, 0.29))
        sun = canvas.half_width * float(rng.uniform(-0.6, 0.6)), -half * float(rng.uniform(0.42, 0.66))
        self.sky = Backdrop(
            setting,
            canvas,
            rng,
            horizon=self.foot + 0.1,
            sun=sun,
            clouds=float(rng.uniform(0.28, 0.5)),
            size=0.026,
        )
        tall = 0.28 + 0.28 * half
        self.ranges = [
            (peaks(rng, tall * 0.95, wide=6), 0.18, self.foot - 0.14 * half, 0.0),
            (peaks(rng, tall * 1.05, wide=5), 0.38, self.foot + 0.02, 1.0),
            (peaks(rng, tall * 0.42, wide=9), 0.62, self.foot + 0.12, 0.35),
        ]
        self.relief = _relief(rng, sun[0])
        self.offset = rng.uniform(0, 900, 2)
        palette = setting.reading.palette
        self.rock = light(blend(palette.shade, palette.zenith, 0.45))
        self.snow_lit = light(blend(palette.glow, palette.horizon, 0.25)) * 0.9
        self.snow_dim = light(blend(palette.zenith, palette.horizon, 0.35))
        self.mist = Waves(rng, 9, 1.6, 0.35, slope=0.9, speed=0.25, spread=0.5)
        self.firs = [
            (firs(rng, 0.13, crowd=330), 1.0, half - 0.07),
            (firs(rng, 0.24, crowd=150), 1.5, half + 0.05),
        ]
        self.fir_colours = [
            blend(palette.shade, palette.zenith, 0.30),
            blend(palette.shade, (0.0, 0.0, 0.0), 0.35),
        ]
        self.snow = Snow(rng, canvas, crowd=0.35)

    def paint(self, canvas: Canvas, t: float) -> Array:
        view = view_at(self.setting.reading.camera, t, self.setting.duration)
        out = np.empty((3, canvas.height, canvas.width), dtype=np.float32)
        self.sky.paint(out, canvas, view, t)
        lines = [
            ridge.line(canvas, view, depth, base, canvas.width).astype(np.float32)
            for ridge, depth, base, _ in self.ranges
        ]
        for number, (_, depth, base, snowy) in enumerate(self.ranges):
            # What the next range hides is not painted.
            hidden = float(lines[number + 1].max()) + 0.01 if number + 1 < len(lines) else canvas.half_height
            self._range(out, canvas, view, lines[number], hidden, depth, base, snowy, (0.62, 0.08, 0.16)[number], t)
        return out

    def _range(
        self,
        out: Array,
        canvas: Canvas,
        view: View,
        line: Array,
        hidden: float,
        depth: float,
        base: float,
        snowy: float,
        dense: float,
        t: float,
    ) -> None:
        pixel = float(canvas.y[1] - canvas.y[0])
        first = max(0, int(np.searchsorted(canvas.y, float(line.min()))) - 1)
        last = int(np.searchsorted(canvas.y, hidden))
        if last <= first:
            return
        y = canvas.y[first:last]
        below = (y[:, None] - line) * np.float32(1 / pixel)
        cover = np.clip(below + 0.5, 0, 1)
        x, v = view.grid(canvas, depth)
        haze = self.sky.ramp(np.array([0.22 - 0.12 * depth]))[:, :, None]
        relief = sample(self.relief, x * 300 + self.offset[0], v[first:last] * 190 + self.offset[1] * (1 + depth))
        # A whole flank is lit or shaded; the relief only varies it.
        flank = np.tanh(np.gradient(line, pixel) * 1.1) * float(-np.sign(self.sky.sun[0]) * 0.75)
        relief *= 0.75
        relief += flank.astype(np.float32) * np.clip(1.0 - below * np.float32(pixel * 2.2), 0, 1)
        # Snow is high up and on slopes that face the light; below is bare rock.
        deep = below * np.float32(pixel)
        bare = deep * 3.2 - relief * 0.45
        snow = smoothstep(0.95, 0.35, bare) * np.float32(snowy)
        lit = np.clip(0.46 + 0.5 * relief, 0.0, 1.3)
        low = np.clip((y - (base - 0.26)) / 0.34, 0, 1).astype(np.float32)[:, None]
        veil = np.clip(dense + (low**1.5) * (0.72 + 0.16 * self.mist.at(x, v[first:last] * 2.2, t)), 0, 0.97)
        clear = cover * (1.0 - veil)
        white = clear * snow
        veil *= cover
        added = dye(
            [self.rock * 0.35, self.rock * 0.9, self.snow_dim, self.snow_lit - self.snow_dim, haze],
            [clear - white, (clear - white) * lit, white, white * lit, veil],
        )
        np.subtract(1.0, cover, out=cover)
        part = out[:, first:last]
        part *= cover
        part += added

    def details(self, planes: Planes, t: float) -> None:
        view = view_at(self.setting.reading.camera, t, self.setting.duration)
        if self.setting.reading.hour == "night":
            # Only above the peaks, because nothing drawn later hides them.
            self._stars(planes, view, t)
        for (ridge, depth, base), colour in zip(self.firs, self.fir_colours, strict=True):
            line = ridge.line(self.canvas, view, depth, base, self.setting.width)
            planes.silhouette((line + self.canvas.half_height) * self.canvas.unit, colour)
        self.snow.draw(planes, view, t, (0.96, 0.97, 1.0))

    def _stars(self, planes: Planes, view: View, t: float) -> None:
        lines = [ridge.line(self.canvas, view, depth, base, 256) for ridge, depth, base, _ in self.ranges]
        x, y = view.place(self.sky.star_x, self.sky.star_y, 0.12)
        column = np.clip((x / self.canvas.half_width * 0.5 + 0.5) * 256, 0, 255).astype(np.intp)
        above = np.minimum.reduce(lines)[column] - y
        gain = self.sky.star_gain * np.clip(above * 30, 0, 1)
        px, py = self.canvas.to_pixels(x, y)
        planes.dots(
            px,
            py,
            max(0.7, self.canvas.unit / 1100),
            gain * (0.8 + 0.2 * np.sin(3 * t + x * 90)),
            (0.9, 0.95, 1.0),
        )


def _relief(rng: np.random.Generator, sun_x: float) -> Array:
    """The light on a rugged slope: folded noise as heights, shaded from the sun's side."""
    coarse = 1.0 - np.abs(noise_tile(rng, 512, 1024, slope=2.7, longest=0.34))
    fine = 1.0 - np.abs(noise_tile(rng, 512, 1024, slope=2.2, longest=0.12))
    heights = coarse + 0.22 * fine
    side = 2 if sun_x < 0 else -2
    shaded = (
        heights - np.roll(heights, (2, side), axis=(0, 1)) + 0.6 * (heights - np.roll(heights, (0, side), axis=(0, 1)))
    )
    shaded /= shaded.std()
    out: Array = np.tanh(shaded * 0.8).astype(np.float32)
    return out
