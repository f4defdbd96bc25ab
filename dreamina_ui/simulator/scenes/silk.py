"""An abstract scene for prompts that name no other: folds of silk."""

import math

import numpy as np

from dreamina_ui.simulator.drawing.canvas import Array, Canvas, Setting, Waves, dye, light, smoothstep, view_at
from dreamina_ui.simulator.drawing.frame import Planes
from dreamina_ui.simulator.scenes import Scene

__all__ = ["build"]


def build(setting: Setting) -> Scene:
    return _Silk(setting)


class _Silk:
    bloom = 0.12
    stride = 3
    in_strips = True

    def __init__(self, setting: Setting) -> None:
        rng = setting.rng()
        self.setting = setting
        self.canvas = Canvas(setting, 4)
        palette = setting.reading.palette
        self.shade, self.body = light(palette.shade), light(palette.horizon)
        self.deep, self.glow, self.accent = light(palette.zenith), light(palette.glow), light(palette.accent)
        self.heading = float(rng.uniform(-0.6, 0.6))
        self.current = Waves(rng, 8, 2.1, 0.7, slope=1.2, speed=0.35)
        self.folds = Waves(rng, 6, 1.9, 0.7, slope=1.3, speed=0.3)
        self.hue = Waves(rng, 5, 3.4, 1.4, speed=0.2)
        self.phase = float(rng.uniform(0, 6.28))

    def paint(self, canvas: Canvas, t: float) -> Array:
        view = view_at(self.setting.reading.camera, t, self.setting.duration)
        x, y = view.grid(canvas)
        turn = self.heading + view.roll
        current = self.current.at(x, y, t, view.roll)
        folds = self.folds.at(x, y, t, view.roll)
        hue = smoothstep(-0.55, 0.55, np.sin(1.3 * self.hue.at(x, y, t, view.roll) + self.phase))
        along = (y * (5.2 * math.cos(turn)) + (t * 0.22 + self.phase))[:, None] + x * (5.2 * math.sin(turn))
        phase = along + current * 1.15
        folds *= 0.9
        wave = np.sin(phase + folds)
        fine = 0.5 + 0.5 * np.sin(phase * 2.0 - folds * 1.55 + 1.2)
        lit = 0.5 + 0.5 * wave
        pool = np.clip(1.15 - 0.9 * np.sqrt(x * x + (y * y)[:, None]), 0.42, 1.0)
        body = lit * lit * (0.3 + 0.7 * fine) * pool
        sheen = np.exp((wave - 1.0) * 11.0) * (0.35 + 0.65 * fine)
        thread = np.exp((fine - 1.0) * 52.0) * lit
        # Fine threads, visible only where the cloth faces the light.
        bundle = np.exp((np.sin(phase * 6.0 + folds * 3.1) - 1.0) * 22.0) * lit
        bundle *= lit
        shine = (0.55 * sheen + 0.28 * thread + 0.15 * bundle) * pool
        gloom = 0.35 + 0.9 * (1.0 - lit) * pool
        tint = hue * body
        dark = hue * gloom
        out = dye(
            [self.deep, self.accent * 0.34, self.body, self.accent, self.glow],
            [gloom - dark, dark, body - tint, tint, shine],
        )
        out += self.shade
        return out

    def details(self, planes: Planes, t: float) -> None:
        """This scene has no details."""
