"""Lava: a dark crust that drifts and cracks over the glow below, with embers above."""

import numpy as np

from dreamina_ui.simulator.drawing.canvas import (
    Array,
    Canvas,
    Setting,
    Waves,
    blend,
    light,
    noise_tile,
    sample,
    smoothstep,
    view_at,
)
from dreamina_ui.simulator.drawing.frame import Planes
from dreamina_ui.simulator.scenes import Scene
from dreamina_ui.simulator.scenes.particles import Embers

__all__ = ["build"]


def build(setting: Setting) -> Scene:
    return _Lava(setting)


class _Lava:
    bloom = 0.3
    stride = 2
    in_strips = True

    def __init__(self, setting: Setting) -> None:
        rng = setting.rng()
        self.setting = setting
        self.canvas = canvas = Canvas(setting, 3)
        palette, tinted = setting.reading.palette, setting.reading.coloured
        self.outer = light(palette.horizon if tinted else (0.80, 0.13, 0.03))
        self.middle = light(blend(palette.horizon, palette.glow, 0.5) if tinted else (0.98, 0.46, 0.07))
        self.core = light(palette.glow if tinted else (1.0, 0.90, 0.55))
        self.crust = light((0.085, 0.065, 0.070))
        self.rough = noise_tile(rng, 512, 1024, slope=1.6, longest=0.12)
        self.cracks = [Waves(rng, 15, 0.85, 0.17, slope=0.75, speed=0.16) for _ in range(2)]
        self.warp = Waves(rng, 8, 1.5, 0.5, speed=0.22)
        self.heat = Waves(rng, 8, 1.7, 0.6, speed=0.35)
        self.offset = rng.uniform(0, 1000, 2)
        self.flow = float(rng.uniform(-0.04, 0.04)), float(rng.uniform(0.03, 0.05))
        self.embers = Embers(rng, canvas, place=(0.0, canvas.half_height), reach=2.0 * canvas.half_height,
                             spread=canvas.half_width * 0.8, number=110)  # fmt: skip

    def paint(self, canvas: Canvas, t: float) -> Array:
        view = view_at(self.setting.reading.camera, t, self.setting.duration)
        x, y = view.grid(canvas)
        # Rows get larger towards the bottom: the perspective of flat ground.
        ground = np.log((y + canvas.half_height) * 1.1 + 0.55) * 1.5
        gx, gy = x - self.flow[0] * t, ground - self.flow[1] * t
        warp = self.warp.at(gx, gy, t)
        first = np.abs(self.cracks[0].at(gx, gy, t) + 0.55 * warp)
        second = np.abs(self.cracks[1].at(gx * 1.7, gy * 1.7, t) - 0.5 * warp)
        rough = sample(self.rough, gx * 260 + self.offset[0], gy * 210 + self.offset[1])
        heat = np.clip(0.62 + 0.42 * self.heat.at(gx, gy, t), 0.05, 1.5)
        wide = 0.10 + 0.25 * heat * heat
        vein = np.exp(-(((first + 0.05 * rough) / wide) ** 2))
        fine = np.exp(-(((second + 0.04 * rough) / 0.085) ** 2)) * np.clip(heat - 0.15, 0, 1) * 0.7
        glow = np.maximum(vein, fine)
        pool = np.exp(-first * 2.2) * heat
        shine = np.clip(0.55 + 0.38 * rough, 0.05, 1.5)
        yellow, white = smoothstep(0.42, 0.95, glow), smoothstep(0.80, 1.0, glow * (0.72 + 0.28 * heat))
        far = np.clip((y + canvas.half_height) / canvas.half_height, 0, 1).astype(np.float32)[:, None]
        mist = (1 - far) ** 2
        out = np.empty((3, canvas.height, canvas.width), dtype=np.float32)
        for channel in range(3):
            outer, middle, core = (float(c[channel, 0, 0]) for c in (self.outer, self.middle, self.core))
            into = out[channel]
            np.multiply(shine, float(self.crust[channel, 0, 0]) * 1.5, out=into)
            into += pool * (outer * 0.16) * shine
            into += glow * (outer * 0.85) + yellow * (middle * 0.95) + white * (core * 0.8)
            into *= 0.35 + 0.65 * far
            into += mist * (outer * 0.5 + middle * 0.10)
        return out

    def details(self, planes: Planes, t: float) -> None:
        view = view_at(self.setting.reading.camera, t, self.setting.duration)
        tinted = self.setting.reading.coloured
        warm = self.setting.reading.palette.glow if tinted else (1.0, 0.62, 0.24)
        self.embers.draw(planes, view, t, (1.0, 0.88, 0.62), warm)
