"""A steaming cup on a table, in front of a room that is out of focus."""

import numpy as np

from dreamina_ui.simulator.drawing.canvas import Array, Canvas, Setting, View, Waves, blend, light, smoothstep, view_at
from dreamina_ui.simulator.drawing.frame import Planes
from dreamina_ui.simulator.scenes import Scene
from dreamina_ui.simulator.scenes.cup import Cup

__all__ = ["build"]


def build(setting: Setting) -> Scene:
    return _Tea(setting)


class _Tea:
    bloom = 0.14
    stride = 2
    in_strips = True

    def __init__(self, setting: Setting) -> None:
        rng = setting.rng()
        self.setting = setting
        self.canvas = canvas = Canvas(setting, 2.4)
        palette = setting.reading.palette
        half = canvas.half_height
        self.cup = canvas.half_width * float(rng.uniform(-0.25, 0.3)), half * 0.22
        self.size = 0.225
        self.side = float(rng.choice([-1, 1]))
        self.table = half * 0.34
        room = blend(palette.shade, palette.accent, 0.22)
        self.room, self.glow = light(room), light(palette.glow)
        self.wood = light(blend(blend((0.36, 0.21, 0.13), palette.shade, 0.35), palette.accent, 0.10))
        self.warm = light(blend(palette.horizon, palette.glow, 0.4))
        china = palette.accent if setting.reading.coloured else (0.90, 0.87, 0.82)
        self.china_cup = Cup(self.cup, self.size, self.side, light(china))
        self.bokeh = rng.random((26, 6))
        self.curl = Waves(rng, 12, 0.42, 0.11, slope=1.0, speed=0.9)
        self.wisp = Waves(rng, 16, 0.36, 0.06, slope=0.8, speed=0.9)
        self.grain = Waves(rng, 26, 0.7, 0.012, slope=0.4, speed=0.0, heading=np.pi / 2, spread=0.05)
        self.motes = rng.random((60, 5))
        self.tints = [self.warm, self.glow, light(palette.accent)]

    def paint(self, canvas: Canvas, t: float) -> Array:
        view = view_at(self.setting.reading.camera, t, self.setting.duration)
        out = np.empty((3, canvas.height, canvas.width), dtype=np.float32)
        self._room(out, canvas, view, t)
        x, y = view.grid(canvas)
        self._table(out, x, y)
        self.china_cup.paint(out, x, y, t)
        self._steam(out, x, y, t)
        return out

    def _room(self, out: Array, canvas: Canvas, view: View, t: float) -> None:
        x, y = view.grid(canvas, 0.4)
        lamp = -self.side * canvas.half_width * 0.55, -canvas.half_height * 0.45
        dx, dy = x - lamp[0], (y - lamp[1])[:, None]
        spill = (0.75 / (1 + (dx * dx + dy * dy) * 3.2) ** 1.4).astype(np.float32)
        for channel in range(3):
            np.multiply(spill, float(self.warm[channel, 0, 0] * 0.55), out=out[channel])
            out[channel] += float(self.room[channel, 0, 0]) * 0.7
        pixel = float(x[1] - x[0])
        for across, down, size, bright, tint, phase in self.bokeh:
            radius = 0.03 + 0.055 * size
            bx = (across * 2 - 1) * (canvas.half_width + 0.05) + 0.006 * np.sin(0.6 * t + phase * 6.28)
            by = -canvas.half_height * (1.0 - 1.25 * down) + 0.006 * np.cos(0.5 * t + phase * 9)
            if by > self.table - radius * 0.3:
                continue
            a, b = np.searchsorted(x, [bx - radius - pixel, bx + radius + pixel])
            c, d = np.searchsorted(y, [by - radius - pixel, by + radius + pixel])
            if b <= a or d <= c:
                continue
            px, py = (x[a:b] - np.float32(bx)), (y[c:d] - np.float32(by))[:, None]
            reach = np.sqrt(px * px + py * py) / np.float32(radius)
            disc = np.clip((1 - reach) * (radius / pixel) * 0.5 + 0.5, 0, 1) * (0.62 + 0.38 * reach**4)
            gain = (0.10 + 0.34 * bright) * (0.85 + 0.15 * np.sin(t * 0.8 + phase * 12))
            colour = self.tints[int(tint * 3) % 3]
            for channel in range(3):
                out[channel, c:d, a:b] += disc * np.float32(gain * float(colour[channel, 0, 0]))

    def _table(self, out: Array, x: Array, y: Array) -> None:
        row = int(np.searchsorted(y, self.table - 0.02))
        if row >= out.shape[1]:
            return
        down = (y[row:] - self.table)[:, None].astype(np.float32)
        cover = smoothstep(-0.02, 0.02, down)
        cx, cy = self.cup
        grain = self.grain.at(x * 0.4, np.log(np.maximum(y[row:] - self.table, 0) + 0.12) * 1.3, 0.0)
        sheen = np.exp(-((x + self.side * 0.45) ** 2) * 2.2) * np.exp(-np.maximum(down, 0) * 3.2)
        shadow_x = x - cx - self.side * (0.10 + down * 0.3)
        shade = 1.0 - 0.72 * np.exp(-((shadow_x / 0.34) ** 2) - ((y[row:, None] - cy - self.size * 0.98) / 0.075) ** 2)
        sheen *= shade
        lit = 0.42 * shade + 0.9 * sheen + 0.10 * grain * (0.4 * shade + sheen)
        part = out[:, row:]
        for channel in range(3):
            tone = lit * float(self.wood[channel, 0, 0])
            tone += sheen * float(self.warm[channel, 0, 0] * 0.10)
            tone -= part[channel]
            tone *= cover
            part[channel] += tone

    def _steam(self, out: Array, x: Array, y: Array, t: float) -> None:
        cx, cy = self.cup
        tall = 0.62 + 0.2 * self.canvas.half_height
        left, right = np.searchsorted(x, [cx - 0.40, cx + 0.40])
        top, bottom = np.searchsorted(y, [cy - tall, cy + 0.05])
        if bottom <= top:
            return
        x, y = x[left:right], y[top:bottom]
        up = ((cy + 0.02 - y) / tall).astype(np.float32)[:, None]
        rise = np.clip(up, 0, 1)
        curl = self.curl.at(x * 0.5, y + 0.16 * t, t)
        dx = (x - np.float32(cx)) + curl * (0.015 + 0.11 * rise)
        wisp = self.wisp.at(x * 1.3, y * 0.6 + 0.20 * t, t)
        total = np.zeros_like(dx)
        for offset, gain, bend in ((-0.07, 0.8, 1.4), (0.03, 1.0, -1.0), (0.09, 0.6, 0.7)):
            middle = offset * (1 - 0.3 * rise) + 0.05 * bend * np.sin(5.5 * rise - 1.1 * t + offset * 40) * rise
            width = 0.014 + 0.058 * rise
            d = (dx - middle) / width
            total += gain * np.exp(-d * d) / (1 + 3.0 * rise)
        total *= np.clip(0.62 + 0.5 * wisp, 0, 1.6) * smoothstep(0, 0.16, up) * smoothstep(1.0, 0.35, up)
        for channel in range(3):
            part = out[channel, top:bottom, left:right]
            part += total * float(self.glow[channel, 0, 0] * 0.26 + self.warm[channel, 0, 0] * 0.2)

    def details(self, planes: Planes, t: float) -> None:
        """Draw dust in the light."""
        view = view_at(self.setting.reading.camera, t, self.setting.duration)
        across, down, size, pace, phase = self.motes.T
        wide, high = 2 * self.canvas.half_width + 0.1, 2 * self.canvas.half_height
        x = (across * wide + 0.02 * np.sin(t * (0.3 + pace) + phase * 6.28) + 0.006 * t - view.x * (0.4 + size)) % wide
        y = (down * high - 0.010 * t * (0.5 + pace) - view.y * (0.4 + size)) % high
        lit = np.exp(-((x - wide / 2 + self.side * 0.4 * self.canvas.half_width) ** 2) * 2)
        gain = lit * (0.10 + 0.30 * (0.5 + 0.5 * np.sin(t * (0.6 + pace) + phase * 6.28)))
        px, py = self.canvas.to_pixels(x - wide / 2, y - high / 2)
        planes.dots(px, py, max(0.8, self.canvas.unit / 620), gain, self.setting.reading.palette.glow)
