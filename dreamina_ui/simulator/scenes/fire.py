"""A campfire in a clearing: flames, glowing logs, embers, and firelight on the ground."""

import math

import numpy as np

from dreamina_ui.simulator.drawing.canvas import Array, Canvas, Setting, Waves, blend, dye, light, smoothstep, view_at
from dreamina_ui.simulator.drawing.frame import Planes
from dreamina_ui.simulator.scenes import Scene
from dreamina_ui.simulator.scenes.backdrop import Backdrop
from dreamina_ui.simulator.scenes.particles import Embers
from dreamina_ui.simulator.scenes.ridges import firs

__all__ = ["build"]

_TONGUES = 7


def build(setting: Setting) -> Scene:
    return _Fire(setting)


class _Fire:
    bloom = 0.22
    stride = 1
    in_strips = True

    def __init__(self, setting: Setting) -> None:
        rng = setting.rng()
        self.setting = setting
        self.canvas = canvas = Canvas(setting, 3.5)
        half = canvas.half_height
        self.place = canvas.half_width * float(rng.uniform(-0.22, 0.3)), half * 0.5
        self.tall = 0.60 + 0.2 * (half - 0.5)
        moon = -np.sign(self.place[0]) * canvas.half_width * 0.62, -half * 0.6
        sun = float(moon[0]), float(moon[1])
        self.sky = Backdrop(setting, canvas, rng, horizon=half * 0.42, sun=sun, clouds=0.0, size=0.02)
        self.lick = Waves(rng, 26, 0.55, 0.05, slope=0.75, speed=2.2)
        self.sway = Waves(rng, 12, 0.8, 0.16, slope=1.0, speed=1.6)
        self.smoke = Waves(rng, 14, 0.9, 0.16, slope=0.9, speed=0.8)
        self.ground = Waves(rng, 40, 0.5, 0.03, slope=0.35, speed=0.0)
        self.flicker = rng.uniform(0, 6.28, 4)
        self.tongues = np.stack([
            np.linspace(-0.125, 0.125, _TONGUES) + rng.normal(0, 0.008, _TONGUES),
            (1.0 - np.abs(np.linspace(-0.75, 0.75, _TONGUES)) ** 1.3) * rng.uniform(0.62, 1.12, _TONGUES),
            rng.uniform(0, 6.28, _TONGUES),
        ])  # fmt: skip
        palette = setting.reading.palette
        tinted = setting.reading.coloured
        self.outer = light(palette.horizon if tinted else (0.86, 0.20, 0.03))
        self.middle = light(blend(palette.horizon, palette.glow, 0.5) if tinted else (1.0, 0.52, 0.10))
        self.core = light(palette.glow if tinted else (1.0, 0.93, 0.66))
        self.warm = palette.glow if tinted else (1.0, 0.66, 0.28)
        self.hot = palette.glow if tinted else (1.0, 0.88, 0.6)
        self.warmth = light(blend(palette.horizon, palette.glow, 0.4) if tinted else (0.90, 0.48, 0.20))
        self.earth = light(blend((0.46, 0.34, 0.24), palette.horizon, 0.3 if tinted else 0.0))
        self.trees = [
            (firs(rng, 0.30 + 0.1 * half, crowd=260), 0.45, half * 0.47),
            (firs(rng, 0.46 + 0.2 * half, crowd=80), 0.8, half * 0.52),
        ]
        self.bark = [light(blend(palette.shade, palette.zenith, 0.5)) * 0.5, light(palette.shade) * 0.5]
        self.logs = [(float(rng.uniform(-0.19, -0.12)), float(rng.uniform(0.13, 0.2)), -0.035, 0.03),
                     (float(rng.uniform(-0.2, -0.13)), float(rng.uniform(0.1, 0.18)), 0.03, -0.04),
                     (-0.14, 0.15, 0.026, 0.022)]  # fmt: skip
        self.embers = Embers(rng, canvas, place=(self.place[0], self.place[1] - 0.05), reach=0.85 + 0.4 * half)

    def _blaze(self, t: float) -> float:
        a, b, c, d = self.flicker.tolist()
        waves = ((0.07, 5.1, a), (0.05, 8.3, b), (0.04, 13.7, c), (0.05, 2.2, d))
        return 1.0 + sum(size * math.sin(pace * t + phase) for size, pace, phase in waves)

    def paint(self, canvas: Canvas, t: float) -> Array:
        view = view_at(self.setting.reading.camera, t, self.setting.duration)
        out = np.empty((3, canvas.height, canvas.width), dtype=np.float32)
        self.sky.paint(out, canvas, view, t)
        blaze = self._blaze(t)
        x, y = view.grid(canvas)
        dx, dy = x - self.place[0], (y - self.place[1])[:, None]
        far = dx * dx + (dy + 0.12) ** 2
        glow = (blaze * 0.5 / (1.0 + far * 9.0) ** 2).astype(np.float32)
        # The trees behind are out of focus: their edge is a few pixels wide.
        for (ridge, depth, base), bark in zip(self.trees, self.bark, strict=True):
            line = ridge.line(canvas, view, depth, base, canvas.width).astype(np.float32)
            cover = smoothstep(-0.009, 0.009, canvas.y[:, None] - line)
            added = dye([bark, self.warmth * (0.30 * depth)], [cover, glow * cover])
            np.subtract(1.0, cover, out=cover)
            out *= cover
            out += added
        self._clearing(out, x, dy, dx, blaze)
        out += glow * (self.warmth * np.float32(0.42))
        self._flames(out, x, y, t, blaze)
        return out

    def _clearing(self, out: Array, x: Array, dy: Array, dx: Array, blaze: float) -> None:
        row = int(np.searchsorted(dy[:, 0], -0.035))
        if row >= out.shape[1]:
            return
        down = dy[row:] + 0.035
        grass = self.ground.at(x, dy[row:, 0] * 3.2, 0.0)
        near = dx * dx + (dy[row:] * 2.6) ** 2
        lit = blaze * 1.5 / (1.0 + near * 16.0) ** 1.7 * (1.0 + 0.16 * grass) + 0.012
        cover = smoothstep(0.0, 0.05, down)
        for channel in range(3):
            part = out[channel, row:]
            tone = float(self.earth[channel, 0, 0])
            part += (lit * tone - part) * cover
        for left, right, a, b in self.logs:
            along = np.clip((dx - left) / (right - left), 0, 1)
            middle = 0.012 + a + (b - a) * along
            body = np.abs(dy[row:] - middle) - 0.019
            ends = np.maximum(left - dx, dx - right)
            cover = smoothstep(0.006, -0.002, np.maximum(body, ends))
            top = np.clip((middle - dy[row:]) * 40 + 0.3, 0, 1) * blaze
            coal = np.exp(-(((along - 0.5) * 3.2) ** 2)) * (0.6 + 0.3 * grass)
            for channel in range(3):
                part = out[channel, row:]
                shade = top * (0.05 * float(self.middle[channel, 0, 0])) + np.clip(coal, 0, 1) * (
                    0.34 * float(self.outer[channel, 0, 0])
                )
                part += (shade - part) * cover

    def _flames(self, out: Array, x: Array, y: Array, t: float, blaze: float) -> None:
        fx, fy = self.place
        left, right = int(np.searchsorted(x, fx - 0.36)), int(np.searchsorted(x, fx + 0.36))
        top, bottom = int(np.searchsorted(y, fy - self.tall * 1.45)), int(np.searchsorted(y, fy + 0.05))
        if bottom <= top:
            return
        x, y = x[left:right], y[top:bottom]
        up = np.clip((fy + 0.02 - y) / self.tall, -0.2, 1.6).astype(np.float32)[:, None]
        rise = up * np.float32(1)
        # The flames sway, more with height, and their edges flicker.
        sway = self.sway.at(x * 0.7, y + 0.62 * t, t) * (0.010 + 0.042 * np.clip(rise, 0, 1.2))
        lick = self.lick.at(x, y * 0.62 + 0.82 * t, t)
        dx = (x - fx) + sway
        heat = np.full_like(dx, -2.0)
        for centre, tall, phase in self.tongues.T.tolist():
            high = tall * (0.84 + 0.20 * math.sin(3.3 * t + phase) + 0.10 * math.sin(7.1 * t + 2 * phase)) * blaze
            part = rise / max(0.3, high)
            wide = np.float32(0.088) * (np.clip(part + 0.16, 0, 1) ** 0.5) * np.clip(
                1.04 - part, 0.0, 1
            ) ** 0.7 + np.float32(0.001)
            lean = centre * (1 - 0.48 * np.clip(part, 0, 1)) + 0.022 * rise * np.sin(5.0 * part - 3.6 * t + 3 * phase)
            d = (dx - lean) / wide
            body = 1.0 - d * d
            np.clip(body, -2.0, 1.0, out=body)
            body *= np.clip(1.25 - part, 0.3, 1)
            body -= np.clip(part - 0.85, 0, 1) * 5.0
            np.maximum(heat, body, out=heat)
        # Only near the tongues.
        heat += lick * (0.12 + 0.30 * np.clip(rise, 0, 1)) * smoothstep(-0.9, 0.15, heat)
        heat = np.clip(heat, 0, 1.3) * smoothstep(-0.10, 0.03, rise)
        yellow = smoothstep(0.28, 0.85, heat - 0.30 * np.clip(rise, 0, 1))
        white = smoothstep(0.62, 1.15, heat - 0.55 * np.clip(rise, 0, 1))
        red = smoothstep(0.02, 0.45, heat)
        # Fade out before the sides of the patch.
        red *= smoothstep(0.36, 0.30, np.abs(x - np.float32(fx)))
        # The flames cover the background: added to a blue night they would be pink.
        out[:, top:bottom, left:right] *= 1.0 - 0.9 * red
        out[:, top:bottom, left:right] += dye([self.outer, self.middle, self.core], [red, yellow, white])

    def details(self, planes: Planes, t: float) -> None:
        view = view_at(self.setting.reading.camera, t, self.setting.duration)
        self.embers.draw(planes, view, t, self.hot, self.warm)
