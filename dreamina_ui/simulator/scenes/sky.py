"""Clouds and the sun above low hills, with a few birds."""

import numpy as np

from dreamina_ui.simulator.drawing.canvas import Array, Canvas, Setting, blend, view_at
from dreamina_ui.simulator.drawing.frame import Planes
from dreamina_ui.simulator.scenes import Scene
from dreamina_ui.simulator.scenes.backdrop import Backdrop
from dreamina_ui.simulator.scenes.ridges import hills

__all__ = ["build"]


def build(setting: Setting) -> Scene:
    return _Sky(setting)


class _Sky:
    bloom = 0.14
    stride = 4
    in_strips = True

    def __init__(self, setting: Setting) -> None:
        rng = setting.rng()
        self.setting = setting
        self.canvas = canvas = Canvas(setting, 3)
        horizon = canvas.half_height * float(rng.uniform(0.62, 0.76))
        high = float(rng.uniform(0.6, 0.75) if setting.reading.hour == "noon" else rng.uniform(0.10, 0.3))
        sun = canvas.half_width * float(rng.uniform(-0.6, 0.6)), horizon - high
        self.sky = Backdrop(setting, canvas, rng, horizon=horizon, sun=sun, clouds=float(rng.uniform(0.5, 0.7)))
        self.hills = [hills(rng, 0.07 + 0.03 * layer) for layer in range(3)]
        palette = setting.reading.palette
        self.colours = [
            blend(palette.shade, blend(palette.zenith, palette.accent, 0.4), part) for part in (0.72, 0.36, 0.06)
        ]
        self.mist = blend(palette.horizon, palette.zenith, 0.3)
        self.flock = rng.normal(0, 1, (9, 2)) * (0.10, 0.035)
        self.flock_at = float(rng.uniform(-0.4, 0.1)), -float(rng.uniform(0.0, 0.14))
        self.beat = rng.uniform(0, 6, 9)

    def paint(self, canvas: Canvas, t: float) -> Array:
        view = view_at(self.setting.reading.camera, t, self.setting.duration)
        out = np.empty((3, canvas.height, canvas.width), dtype=np.float32)
        self.sky.paint(out, canvas, view, t)
        return out

    def details(self, planes: Planes, t: float) -> None:
        view = view_at(self.setting.reading.camera, t, self.setting.duration)
        if self.setting.reading.hour in ("night", "dusk"):
            self.sky.stars(planes, view, t, 0.8 if self.sky.night else 0.35)
        for layer, (ridge, colour) in enumerate(zip(self.hills, self.colours, strict=True)):
            line = ridge.line(self.canvas, view, 0.5 + 0.4 * layer, self.sky.horizon + 0.06 * layer, self.setting.width)
            planes.silhouette(
                (line + self.canvas.half_height) * self.canvas.unit,
                colour,
                foot=blend(colour, self.mist, 0.16),
            )
        if self.setting.reading.hour != "night":
            self._birds(planes, t)

    def _birds(self, planes: Planes, t: float) -> None:
        """Draw each bird as an arc of dark dots that moves its wings."""
        span = np.linspace(-1, 1, 15)
        x = (self.flock_at[0] + self.flock[:, 0] + 0.035 * t)[:, None] + span * 0.011
        lift = 0.45 + 0.55 * np.sin(7.0 * t + self.beat)[:, None]
        y = (self.flock_at[1] + self.flock[:, 1] - 0.006 * t)[:, None] - np.abs(span) * 0.010 * lift + span**2 * 0.004
        px, py = self.canvas.to_pixels(x.ravel(), y.ravel())
        shade = self.setting.reading.palette.shade
        planes.dots(px, py, max(0.7, self.canvas.unit / 950), np.full(px.size, 0.75), shade, joined=True)
