"""Open water under a low sun, whose light the waves reflect."""

import numpy as np

from dreamina_ui.simulator.drawing.canvas import Array, Canvas, Setting, View, light, view_at
from dreamina_ui.simulator.drawing.frame import Planes
from dreamina_ui.simulator.scenes import Scene
from dreamina_ui.simulator.scenes.backdrop import Backdrop

__all__ = ["build"]

_EYE = 0.34  # the eye's height above the water
_WAVES = 20


def build(setting: Setting) -> Scene:
    return _Sea(setting)


class _Sea:
    bloom = 0.16
    stride = 2
    in_strips = True

    def __init__(self, setting: Setting) -> None:
        rng = setting.rng()
        self.setting = setting
        self.canvas = canvas = Canvas(setting, 3)
        horizon = canvas.half_height * float(rng.uniform(-0.12, 0.16))
        hour = setting.reading.hour
        high = {"noon": 0.42, "night": 0.3, "dusk": 0.1, "sunset": 0.07}.get(hour, 0.15)
        sun = (
            canvas.half_width * float(rng.uniform(-0.5, 0.5)),
            horizon - high * float(rng.uniform(0.85, 1.2)),
        )
        self.sky = Backdrop(
            setting,
            canvas,
            rng,
            horizon=horizon,
            sun=sun,
            clouds=float(rng.uniform(0.32, 0.6)),
            size=0.03 if hour == "night" else 0.042,
        )
        palette = setting.reading.palette
        self.deep = light(palette.shade) * 0.6 + light(palette.zenith) * 0.4 + light(palette.accent) * 0.12
        self.accent, self.glow = light(palette.accent), light(palette.glow)
        length = 1.5 * (0.035 / 1.5) ** ((np.arange(_WAVES) + rng.random(_WAVES) * 0.7) / _WAVES)
        heading = float(rng.uniform(-0.35, 0.35)) + rng.normal(0, 0.55, _WAVES)
        number = 2 * np.pi / length
        self.kx, self.kz = number * np.sin(heading), number * np.cos(heading)
        # Deep water: the square of a wave's frequency goes with its wave number.
        self.pace = np.sqrt(9.81 * number) * 0.22
        self.slope = 0.115 * (length / length[0]) ** 0.22 * np.where(length > 0.7, 0.55, 1.0)
        self.phase = rng.uniform(0, 2 * np.pi, _WAVES)
        self.sparks = rng.random((160, 3))

    def paint(self, canvas: Canvas, t: float) -> Array:
        view = view_at(self.setting.reading.camera, t, self.setting.duration)
        rows = self.sky.rows(canvas, view)
        out = np.empty((3, canvas.height, canvas.width), dtype=np.float32)
        self.sky.paint(out[:, :rows], canvas, view, t)
        if rows < canvas.height:
            self._water(out[:, rows:], canvas, view, rows, t)
        return out

    def _water(self, out: Array, canvas: Canvas, view: View, rows: int, t: float) -> None:
        x, y = view.grid(canvas, 0.3)
        below = np.maximum(y[rows:] - self.sky.horizon, 1e-3)
        far = (_EYE / below).astype(np.float32)
        pixel = float(y[1] - y[0])
        steep_x = np.zeros(out.shape[1:], dtype=np.float32)
        steep_z = np.zeros_like(steep_x)
        across = np.outer(far, x)
        forward = 0.25 * (view.zoom - 1.0) * 4 + t * 0.02
        for kx, kz, pace, slope, phase in zip(self.kx, self.kz, self.pace, self.slope, self.phase, strict=True):
            # Waves finer than the distant rows would flicker: fade them out.
            fine = (abs(kz) * far / below + abs(kx) * far) * pixel
            keep = np.exp(-((fine / 1.5) ** 2)).astype(np.float32)
            first = int(np.searchsorted(keep, 0.03))
            if first >= keep.size:
                continue
            down = (float(kz) * far[first:] + float(pace * t + phase + kx * view.x * 1.4 + kz * forward)).astype(
                np.float32
            )
            wave = across[first:] * np.float32(kx)
            wave += down[:, None]
            np.cos(wave, out=wave)
            size = keep[first:, None] * np.float32(slope / np.hypot(kx, kz))
            wave *= size
            steep_x[first:] += wave * np.float32(kx)
            wave *= np.float32(kz)
            steep_z[first:] += wave
        self._shade(out, canvas, x, below, steep_x, steep_z)

    def _shade(self, out: Array, canvas: Canvas, x: Array, below: Array, steep_x: Array, steep_z: Array) -> None:
        reach = self.sky.horizon + canvas.half_height
        near = np.clip(below / (canvas.half_height * 1.1), 0, 1).astype(np.float32)[:, None]
        # What a facet mirrors depends on the angle of flat water and the facet's slope towards the eye.
        tip = np.clip(near * 0.55 + 0.05 + steep_z * (0.5 + 0.4 * near), 0, 1)
        table = self.sky.ramp(np.linspace(0, 1, 256) / max(0.4, reach / 1.0))
        index = (tip * 255).astype(np.intp)
        mirror = np.clip(0.86 - 0.62 * near + steep_z * 0.9 * near, 0.08, 0.95)
        sun_x, sun_y = self.sky.sun
        width = (0.035 + 0.34 * near) ** -1.0
        along = (x - sun_x) * width + steep_x * 2.4
        high = max(0.05, self.sky.horizon - sun_y)
        rise = (steep_z - 0.10 - 0.25 * high) * (2.8 + 2.0 * near)
        glint = np.exp(-(along * along) - rise * rise)
        bright = {"night": 0.9, "noon": 1.5}.get(self.setting.reading.hour, 2.4) * self.sky.shine
        glint *= bright * (1.0 - 0.45 * near)
        wide = np.exp(-((x - sun_x) ** 2) * 2.2)
        glint += (0.10 * wide) * (1 - near)
        crest = np.clip(-steep_z * 1.6 + 0.1, 0, 1) * near
        for channel in range(3):
            into = out[channel]
            np.take(table[channel], index, out=into, mode="clip")
            into *= mirror
            into += (1.0 - mirror) * float(self.deep[channel, 0, 0])
            into += crest * float(self.accent[channel, 0, 0] * 0.22)
            into += glint * float(self.glow[channel, 0, 0])

    def details(self, planes: Planes, t: float) -> None:
        view = view_at(self.setting.reading.camera, t, self.setting.duration)
        if self.setting.reading.hour in ("night", "dusk"):
            self.sky.stars(planes, view, t, 0.8 if self.sky.night else 0.3)
        # Short flashes in the sun's reflection.
        down = self.sparks[:, 0] ** 1.6 * (self.canvas.half_height - self.sky.horizon)
        spread = (self.sparks[:, 1] - 0.5) * (0.10 + 0.9 * down)
        flash = np.clip(np.sin(t * (2.5 + 2 * self.sparks[:, 2]) + self.sparks[:, 1] * 80), 0, 1) ** 14
        x, y = view.place(self.sky.sun[0] + spread, self.sky.horizon + 0.01 + down, 0.3)
        px, py = self.canvas.to_pixels(x, y)
        planes.dots(px, py, max(0.8, self.canvas.unit / 700), flash * 0.85, self.setting.reading.palette.glow)
