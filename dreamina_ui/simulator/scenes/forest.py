"""A misty forest: trunks in four layers, shafts of light, leaves, and motes or fireflies."""

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

__all__ = ["build"]


def build(setting: Setting) -> Scene:
    return _Forest(setting)


class _Forest:
    bloom = 0.12
    stride = 2
    in_strips = True

    def __init__(self, setting: Setting) -> None:
        rng = setting.rng()
        self.setting = setting
        self.canvas = canvas = Canvas(setting, 3)
        palette = setting.reading.palette
        self.night = setting.reading.hour == "night"
        leaf = palette.accent if setting.reading.coloured else blend((0.20, 0.44, 0.22), palette.zenith, 0.2)
        mist = (
            blend(palette.horizon, leaf, 0.55)
            if setting.reading.coloured
            else blend((0.60, 0.72, 0.50), palette.horizon, 0.3)
        )
        if self.night:
            mist = blend(palette.horizon, (0.30, 0.52, 0.56), 0.3)
        self.mist, self.glow = light(mist), light(palette.glow)
        self.bark = blend(palette.shade, leaf, 0.22)
        self.sun = (
            canvas.half_width * float(rng.uniform(-0.5, 0.5)),
            -canvas.half_height * float(rng.uniform(0.12, 0.42)),
        )
        self.layers = [_trunks(rng, depth, canvas) for depth in (0.22, 0.45, 0.85, 1.7)]
        self.floor = [Waves(rng, 9, 1.6, 0.12, slope=0.8, speed=0.0, spread=0.1) for _ in self.layers]
        self.veil = Waves(rng, 10, 1.5, 0.3, slope=0.8, speed=0.3, spread=0.6)
        self.foliage = noise_tile(rng, 512, 1024, slope=1.25, longest=0.09)
        self.offset = rng.uniform(0, 1000, 4)
        self.motes = rng.random((110, 6))
        self._air(rng)

    def _air(self, rng: np.random.Generator) -> None:
        """Compute what does not move: the light in the mist, and the waves that make its shafts."""
        x, y = self.canvas.x, self.canvas.y
        dx, dy = x - np.float32(self.sun[0]), (y - np.float32(self.sun[1]))[:, None]
        far = dx * dx + dy * dy
        self.halo: Array = (1.0 / (1.0 + far * 5.0)) ** 2
        low = np.repeat(
            smoothstep(self.canvas.half_height * 1.2, -self.canvas.half_height, y)[:, None] * 0.7 + 0.3,
            x.size,
            1,
        )
        strength = 0.30 if self.night else 0.85
        self.backdrop = dye([self.mist * 0.66, self.glow * strength], [low, self.halo])
        angle = np.arctan2(dx, dy + np.float32(1e-4))
        # Shafts point downwards, with a trace upwards.
        fall = np.clip(0.25 + dy * 1.5, 0, 1) * np.clip(np.sqrt(far) * 3.0, 0, 1) * self.halo**0.6
        self.numbers = np.array([7.0, 13.0, 19.0, 31.0]) + rng.uniform(-1.5, 1.5, 4)
        turned = [angle * np.float32(number) for number in self.numbers]
        self.shafts = np.stack([wave(a) for a in turned for wave in (np.sin, np.cos)])
        self.fall = (fall * np.float32(0.30)).astype(np.float32)
        self.ray_phase = rng.uniform(0, 6.28, 4)

    def paint(self, canvas: Canvas, t: float) -> Array:
        view = view_at(self.setting.reading.camera, t, self.setting.duration)
        out = self.backdrop[:, canvas.rows].copy()
        drift = self.veil.at(*view.grid(canvas, 0.5), t)
        drift *= 0.16
        drift += 1.0
        for number, (depth, table) in enumerate(self.layers):
            self._layer(out, canvas, view, number, depth, table, drift, t)
        phase = self.ray_phase + t * np.array([0.16, -0.22, 0.3, -0.38])
        weights = np.stack([np.cos(phase), np.sin(phase)], axis=1).ravel().astype(np.float32)
        rays = np.tensordot(weights, self.shafts[:, canvas.rows], 1)
        np.maximum(rays, 0.0, out=rays)
        rays *= self.fall[canvas.rows]
        out += rays * (self.glow * np.float32(0.45 if self.night else 0.8))
        return out

    def _layer(
        self,
        out: Array,
        canvas: Canvas,
        view: View,
        number: int,
        depth: float,
        table: Array,
        drift: Array,
        t: float,
    ) -> None:
        x, y = view.grid(canvas, depth)
        pixel = float(x[1] - x[0])
        cover = np.zeros((canvas.height, canvas.width), dtype=np.float32)
        root = (1.0 + 0.9 * np.clip((y + 0.1) / canvas.half_height, 0, 1) ** 4).astype(np.float32)
        for middle, wide, lean, bend in table.tolist():
            reach = wide * 2.0 + abs(lean) * canvas.half_height * 1.3 + abs(bend) + 2 * pixel
            first, last = np.searchsorted(x, [middle - reach, middle + reach])
            if last <= first:
                continue
            shift = lean * y + bend * np.sin(y * 2.3 + middle * 7) + np.float32(middle)
            side = np.abs(x[first:last] - shift[:, None])
            side -= (root * np.float32(wide))[:, None]
            side *= np.float32(-1 / pixel)
            side += 0.5
            part = cover[:, first:last]
            np.maximum(part, side, out=part)
        np.minimum(cover, 1.0, out=cover)
        ground = (
            canvas.half_height * (0.46 + 0.15 * depth) + 0.02 * self.floor[number].at(x, np.zeros(1), 0.0)[0] * depth
        )
        top = max(0, int(np.searchsorted(y, float(ground.min()))) - 1)
        hill = np.clip((y[top:, None] - ground) / (0.008 + 0.012 * depth), 0, 1)
        np.maximum(cover[top:], hill, out=cover[top:])
        self._crown(cover, canvas, x, y, number, depth, t)
        haze = float(np.clip(0.90 - 0.58 * depth**0.8, 0.02, 1.0))
        foot = smoothstep(-0.1, canvas.half_height * 0.9, y)[:, None] * np.float32(0.20 * max(0.0, 1.1 - depth))
        veil = np.minimum((haze + foot) * drift, 0.97)
        veil *= cover
        lit = self.halo[canvas.rows] * cover
        solid = light(blend((0.0, 0.0, 0.0), self.bark, 1 / (1 + 0.8 * depth)))
        added = dye(
            [solid, self.mist * 0.62 - solid, self.glow * (0.34 / (1 + 2.2 * depth * depth))],
            [cover, veil, lit],
        )
        np.subtract(1.0, cover, out=cover)
        out *= cover
        out += added

    def _crown(self, cover: Array, canvas: Canvas, x: Array, y: Array, number: int, depth: float, t: float) -> None:
        """Leaves against the light, thickest at the top."""
        end = int(np.searchsorted(y, -canvas.half_height * 0.30))
        if not end:
            return
        scale = 430 / (0.45 + depth)
        sway = 2.0 * float(np.sin(0.9 * t + number))
        leaves = sample(
            self.foliage, x * scale + self.offset[0] + 210 * number + sway, y[:end] * scale + self.offset[1]
        )
        leaves *= 0.42
        leaves += ((-y[:end] / canvas.half_height - 0.80 + 0.07 * number) * 4.4).astype(np.float32)[:, None]
        part = cover[:end]
        np.maximum(part, smoothstep(0.15, 0.42, leaves), out=part)

    def details(self, planes: Planes, t: float) -> None:
        view = view_at(self.setting.reading.camera, t, self.setting.duration)
        across, down, size, pace, phase, near = self.motes.T
        wide, high = 2 * self.canvas.half_width + 0.2, 2 * self.canvas.half_height
        x = (
            across * wide - view.x * (0.5 + near) + 0.03 * np.sin(t * (0.4 + pace) + phase * 6.28) + 0.008 * t
        ) % wide - wide / 2
        y = (down * high - 0.02 * t * (0.4 + pace) + 0.02 * np.sin(t * 0.7 + phase * 20)) % high - high / 2
        pulse = 0.5 + 0.5 * np.sin(t * (0.9 + pace) + phase * 6.28)
        px, py = self.canvas.to_pixels(x, y)
        if self.night:
            colour = (0.86, 1.0, 0.42)
            gain = pulse**2 * 0.9
        else:
            colour = self.setting.reading.palette.glow
            gain = 0.42 * pulse * np.exp(-3.0 * ((x - self.sun[0]) ** 2 + (y - self.sun[1]) ** 2)) + 0.04
        for some, radius in ((size < 0.75, 1 / 760), (size >= 0.75, 1 / 330)):
            planes.dots(px[some], py[some], max(0.8, radius * self.canvas.unit), gain[some], colour)
        if self.night:
            planes.dots(px, py, self.canvas.unit / 110, gain * 0.22, colour)


def _trunks(rng: np.random.Generator, depth: float, canvas: Canvas) -> tuple[float, Array]:
    """Middles, half-widths, leans and bends of one layer's trunks."""
    reach = canvas.half_width + 0.5 * depth + 0.15
    number = max(3, round(2 * reach * (3.4 / (0.25 + depth) ** 0.8)))
    places = np.linspace(-reach, reach, number) + rng.normal(0, reach / number * 0.75, number)
    if depth > 1.3:
        # The nearest trunks stay at the sides.
        places = places[np.abs(places) > canvas.half_width * 0.62]
    wide = 0.018 * (0.28 + depth) * rng.uniform(0.5, 1.4, places.size)
    return depth, np.stack([places, wide, rng.normal(0, 0.025, places.size), rng.normal(0, 0.012, places.size)], axis=1)
