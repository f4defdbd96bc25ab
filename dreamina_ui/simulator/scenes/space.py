"""Deep space: a nebula, stars at three depths, and a planet."""

import numpy as np

from dreamina_ui.simulator.drawing.canvas import (
    Array,
    Canvas,
    Setting,
    View,
    dye,
    light,
    noise_tile,
    sample,
    smoothstep,
    view_at,
)
from dreamina_ui.simulator.drawing.frame import Planes
from dreamina_ui.simulator.scenes import Scene

__all__ = ["build"]


def build(setting: Setting) -> Scene:
    return _Space(setting)


class _Space:
    bloom = 0.22
    stride = 4
    in_strips = True

    def __init__(self, setting: Setting) -> None:
        rng = setting.rng()
        self.setting = setting
        self.canvas = canvas = Canvas(setting, 3)
        palette = setting.reading.palette
        self.void = light((0.012, 0.014, 0.035))
        body = palette.horizon if setting.reading.coloured else _NEBULAE[int(rng.integers(len(_NEBULAE)))][0]
        other = palette.accent if setting.reading.coloured else _NEBULAE[int(rng.integers(len(_NEBULAE)))][1]
        self.body, self.other, self.core = light(body), light(other), light((1.0, 0.93, 0.86))
        self.gas = noise_tile(rng, 512, 1024, slope=2.5, longest=0.5)
        self.wisp = 1.0 - np.abs(noise_tile(rng, 512, 1024, slope=2.3, longest=0.4))
        self.dust = noise_tile(rng, 512, 1024, slope=2.2, longest=0.36)
        self.offset = rng.uniform(0, 1024, 6)
        self.tilt = float(rng.uniform(-0.75, 0.75))
        self.centre = float(rng.uniform(-0.35, 0.35)) * canvas.half_width, float(rng.uniform(-0.3, 0.1))
        side = float(rng.choice([-1, 1]))
        self.planet = (
            side * canvas.half_width * float(rng.uniform(0.45, 0.85)),
            canvas.half_height * float(rng.uniform(0.1, 0.5)),
        )
        self.radius = float(rng.uniform(0.13, 0.27))
        self.sun = np.array([-side * 0.78, -0.5, 0.38])
        self.bands = noise_tile(rng, 512, 1024, slope=2.4, longest=0.3)
        self.stars = [
            (
                rng.uniform(-1.4, 1.4, (number, 2)) * (canvas.half_width, canvas.half_height),
                rng.random(number),
                size,
                depth,
            )
            for number, size, depth in ((900, 1 / 1500, 0.10), (260, 1 / 950, 0.35), (42, 1 / 560, 0.7))
        ]

    def paint(self, canvas: Canvas, t: float) -> Array:
        view = view_at(self.setting.reading.camera, t, self.setting.duration)
        x, y = view.grid(canvas, 0.35)
        u, v = x * 250, y * 250
        gas = sample(self.gas, u + self.offset[0] + t * 1.6, v + self.offset[1])
        gas += 0.55 * sample(self.gas, u * 2.1 + self.offset[2] - t * 2.2, v * 2.1 + self.offset[3] + t)
        wisp = sample(self.wisp, u * 1.2 + self.offset[4] + t * 2.4, v * 1.2 + self.offset[5])
        dust = sample(self.dust, u * 1.1 + self.offset[3] + t * 1.0, v * 1.1 + self.offset[0])
        cx, cy = self.centre
        across = (y - cy)[:, None] + (x - cx) * self.tilt + gas * np.float32(0.045)
        arm = np.exp(-(across * across) * 7.0)
        far = (x - cx) ** 2 * 1.6 + ((y - cy) ** 2)[:, None] * 3.2
        heart = np.exp(far * -4.0)
        cloud = smoothstep(-1.3, 2.4, gas) * (0.06 + 1.15 * arm)
        thread = np.clip(wisp, 0, 1)
        thread *= thread
        thread *= cloud
        cloud *= smoothstep(1.9, -0.4, dust) * 0.92 + 0.08
        mix = smoothstep(-1.2, 1.2, gas * 0.6 - dust * 0.7)
        first = cloud * mix
        second = cloud - first + 0.35 * thread
        glow = heart * cloud
        out = dye([self.body * 1.25, self.other * 1.25, self.core * 0.62], [first, second, glow])
        out += self.void
        self._planet(out, canvas, view, t)
        return out

    def _planet(self, out: Array, canvas: Canvas, view: View, t: float) -> None:
        px, py = view.place(np.array(self.planet[0]), np.array(self.planet[1]), 0.8)
        radius = self.radius * (1 + (view.zoom - 1) * 0.8)
        left = max(0, int(np.searchsorted(canvas.x, px - radius * 1.5)))
        right = int(np.searchsorted(canvas.x, px + radius * 1.5))
        top, bottom = (
            int(np.searchsorted(canvas.y, py - radius * 1.5)),
            int(np.searchsorted(canvas.y, py + radius * 1.5)),
        )
        if right <= left or bottom <= top:
            return
        nx = ((canvas.x[left:right] - float(px)) / radius).astype(np.float32)
        ny = ((canvas.y[top:bottom] - float(py)) / radius).astype(np.float32)[:, None]
        square = nx * nx + ny * ny
        nz = np.sqrt(np.maximum(1.0 - square, 0.0))
        sun = self.sun / np.linalg.norm(self.sun)
        day = nx * float(sun[0]) + ny * float(sun[1]) + nz * float(sun[2])
        pixel = float(canvas.x[1] - canvas.x[0]) / radius
        distance = np.sqrt(square)
        disc = np.clip((1.0 - distance) / pixel + 0.5, 0, 1)
        turn = nx / (0.45 + nz) * 110
        tile = self.bands
        i = (turn + t * 5.0).astype(np.intp) % tile.shape[1]
        j = (ny * 200 + turn * 0.22 + 22 * nz).astype(np.intp) % tile.shape[0]
        surface = 0.62 + 0.26 * tile[j, i] * np.clip(nz * 2, 0, 1) + 0.12 * np.sin(ny * 19 + 1.5 * nz)
        lit = np.clip(day * 1.25 + 0.06, 0, None) * np.clip(surface, 0.1, 1.4)
        air = np.exp(-np.abs(distance - 1.0) * 20.0) * np.clip(day * 1.2 + 0.35, 0, 1)
        halo = np.exp(-np.maximum(distance - 1.0, 0) * 7.0) * np.clip(day + 0.45, 0, 1)
        rim = (1.0 - nz) ** 3 * np.clip(day + 0.3, 0, 1)
        part = out[:, top:bottom, left:right]
        for channel in range(3):
            tone = float(self.body[channel, 0, 0]) * 0.55 + float(self.core[channel, 0, 0]) * 0.34
            bluish = float(self.other[channel, 0, 0]) * 0.6 + (0.1, 0.2, 0.34)[channel]
            into = part[channel]
            into += (lit * tone + rim * bluish * 1.2 + 0.004 - into) * disc
            into += air * (bluish * 0.9) + halo * (bluish * 0.30) * (1 - disc)

    def details(self, planes: Planes, t: float) -> None:
        view = view_at(self.setting.reading.camera, t, self.setting.duration)
        bx, by = view.place(np.array(self.planet[0]), np.array(self.planet[1]), 0.8)
        radius = self.radius * (1 + (view.zoom - 1) * 0.8)
        for places, bright, size, depth in self.stars:
            x, y = view.place(places[:, 0], places[:, 1], depth)
            clear = np.clip((np.hypot(x - bx, y - by) / radius - 1.02) * 40, 0, 1)
            twinkle = 0.82 + 0.18 * np.sin(t * (1 + 3 * bright) + bright * 600)
            gain = (0.28 + 0.72 * bright**2.4) * twinkle * clear
            px, py = self.canvas.to_pixels(x, y)
            warm = (bright * 97 % 1.0) < 0.3
            for some, colour in ((warm, (1.0, 0.86, 0.72)), (~warm, (0.86, 0.92, 1.0))):
                planes.dots(px[some], py[some], max(0.7, size * self.canvas.unit), gain[some], colour)
            if depth > 0.6:
                self._rays(planes, px, py, gain)

    def _rays(self, planes: Planes, px: Array, py: Array, gain: Array) -> None:
        """Draw four fine rays around the brightest stars."""
        strong = gain > 0.4
        run = np.linspace(-1, 1, 25) * self.canvas.unit * 0.011
        fade = (gain[strong][:, None] * 0.5 * (1 - np.abs(np.linspace(-1, 1, 25))) ** 2).ravel()
        flat = np.zeros_like(run)
        for dx, dy in ((run, flat), (flat, run)):
            planes.dots(
                (px[strong][:, None] + dx).ravel(),
                (py[strong][:, None] + dy).ravel(),
                0.7,
                fade,
                (0.9, 0.95, 1.0),
                joined=True,
            )


_NEBULAE = (
    ((0.20, 0.34, 0.86), (0.86, 0.28, 0.52)),
    ((0.58, 0.20, 0.62), (0.16, 0.60, 0.78)),
    ((0.12, 0.46, 0.62), (0.90, 0.46, 0.24)),
    ((0.76, 0.26, 0.26), (0.34, 0.30, 0.82)),
)
