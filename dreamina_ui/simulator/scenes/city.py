"""A skyline by a river that mirrors it: rows of towers, lit windows and beacons."""

from dataclasses import dataclass

import numpy as np

from dreamina_ui.simulator.drawing.canvas import Array, Canvas, Setting, View, Waves, blend, light, view_at
from dreamina_ui.simulator.drawing.frame import Planes
from dreamina_ui.simulator.scenes import Scene
from dreamina_ui.simulator.scenes.backdrop import Backdrop

__all__ = ["build"]


def build(setting: Setting) -> Scene:
    return _City(setting)


@dataclass(frozen=True)
class _Block:
    """One row of towers: their edges and roofs, and the brightness of each window."""

    depth: float
    left: Array
    right: Array
    roof: Array
    pitch: float
    storey: float
    windows: Array
    warmth: Array


class _City:
    bloom = 0.42
    stride = 2
    in_strips = False

    def __init__(self, setting: Setting) -> None:
        rng = setting.rng()
        self.setting = setting
        self.canvas = canvas = Canvas(setting, 2.4)
        half = canvas.half_height
        palette, hour = setting.reading.palette, setting.reading.hour
        self.shore = half * float(rng.uniform(0.36, 0.46))
        self.day = hour in ("noon", "golden", "dawn")
        sun = (
            canvas.half_width * float(rng.uniform(-0.6, 0.6)),
            self.shore - 0.2 - 0.3 * half - float(rng.uniform(0, 0.15)),
        )
        self.sky = Backdrop(
            setting,
            canvas,
            rng,
            horizon=self.shore + 0.02,
            sun=sun,
            clouds=float(rng.uniform(0.2, 0.42)),
            size=0.024,
        )
        tall = 0.20 + 0.34 * half
        self.blocks = [
            _block(rng, canvas, depth, tall * high, wide)
            for depth, high, wide in ((0.25, 1.3, 0.030), (0.5, 1.35, 0.048), (0.9, 0.95, 0.075))
        ]
        haze = blend(palette.horizon, palette.zenith, 0.4)
        dark = blend(palette.shade, palette.zenith, 0.22)
        self.walls = [light(blend(dark, haze, part)) for part in (0.62, 0.34, 0.10)]
        self.haze = light(haze)
        lamps = [(0.98, 0.78, 0.48), (0.98, 0.88, 0.70), (0.76, 0.87, 0.98), palette.accent]
        self.lamps = np.stack([light(lamp)[:, 0, 0] for lamp in lamps]) * (0.10 if self.day else 1.15)
        self.glow = light(blend(palette.accent, (1.0, 0.66, 0.40), 0.5))
        self.ripple = Waves(rng, 16, 0.30, 0.018, slope=0.55, speed=1.3, heading=np.pi / 2, spread=0.45)

    def paint(self, canvas: Canvas, t: float) -> Array:
        view = view_at(self.setting.reading.camera, t, self.setting.duration)
        out = np.empty((3, canvas.height, canvas.width), dtype=np.float32)
        _, rows = view.grid(canvas, 0.9)
        shore = int(np.clip(np.searchsorted(rows, self.shore), 8, canvas.height))
        fronts = [self._front(canvas, view, block) for block in self.blocks]
        # Only what is above the river is painted in strips: the river mirrors all of it.
        for strip in canvas.strips():
            part = out[:, strip.rows][:, : max(0, shore - strip.rows.start)]
            self.sky.paint(part, strip, view, t)
            dome = np.exp((rows[strip.rows][: part.shape[1]] - self.shore) * 5.0)[:, None]
            part += dome * (self.glow * np.float32(0.05 if self.day else 0.22))
            for block, wall, front in zip(self.blocks, self.walls, fronts, strict=True):
                self._towers(part, strip, view, block, wall, front)
        if shore < canvas.height:
            self._river(out, canvas, shore, view, t)
        return out

    def _front(self, canvas: Canvas, view: View, block: _Block) -> tuple[Array, Array, Array, Array]:
        """What all pixels of a column share: roof, share of tower, panes and lamps."""
        x, _ = view.grid(canvas, block.depth)
        pixel = float(x[1] - x[0])
        tower = np.clip(np.searchsorted(block.left, x, side="right") - 1, 0, block.left.size - 1)
        # A column that a tower's side crosses is covered in part, so the sides stay smooth while the camera moves.
        inside = np.clip(np.minimum(x - block.left[tower], block.right[tower] - x) / pixel + 0.5, 0, 1)
        column, wide = _panes(x, block.pitch, 0.56, pixel)
        panes = block.windows.take(column % block.windows.shape[1], axis=1)
        panes *= (wide * inside).astype(np.float32)
        panes *= np.arange(len(panes))[:, None] < np.floor(block.roof[tower] / block.storey - 0.4)
        lamps = self.lamps[block.warmth[column % block.warmth.size]].T.astype(np.float32)
        return (self.shore - block.roof[tower]).astype(np.float32), inside.astype(np.float32), panes, lamps

    def _towers(
        self, out: Array, canvas: Canvas, view: View, block: _Block, wall: Array, front: tuple[Array, ...]
    ) -> None:
        roof, inside, panes, lamps = front
        x, y = view.grid(canvas, block.depth)
        pixel = float(x[1] - x[0])
        y = y[: out.shape[1]]
        first = max(0, int(np.searchsorted(y, float(roof.min()))) - 1)
        if first >= y.size:
            return
        y = y[first:]
        cover = y[:, None] - roof
        cover *= np.float32(1 / pixel)
        cover += 0.5
        np.clip(cover, 0, 1, out=cover)
        cover *= inside
        storey, high = _panes(self.shore - y, block.storey, 0.5, pixel)
        lit = panes[np.clip(storey, 0, len(panes) - 1)]
        lit *= high.astype(np.float32)[:, None]
        near = np.clip((y - self.shore + 0.30) / 0.30, 0, 1).astype(np.float32)[:, None] ** 2
        haze = self.haze * 0.8 + self.glow * (0.0 if self.day else 0.12)
        base = wall + near * (haze * (0.5 - 0.3 * block.depth))
        for channel in range(3):
            shade = lit * lamps[channel]
            part = out[channel, first:]
            shade += base[channel]
            shade -= part
            shade *= cover
            part += shade

    def _river(self, out: Array, canvas: Canvas, shore: int, view: View, t: float) -> None:
        down = np.arange(canvas.height - shore, dtype=np.float32) / canvas.unit * (self.setting.height / canvas.height)
        x, _ = view.grid(canvas, 0.9)
        # Rows of the mirror image move more the nearer the water is.
        near = 1.0 / (down + 0.045)
        wobble = self.ripple.at(x, near * 0.05 * 3.0, t)
        depth = (down * 1.12)[:, None] + wobble * (0.004 + 0.055 * down)[:, None]
        pixel = self.setting.height / canvas.height / canvas.unit
        source = shore - 1 - np.abs(depth / pixel)
        index = np.clip(source, 0, shore - 1).astype(np.intp)
        columns = np.arange(canvas.width)
        flat = index * canvas.width + columns
        keep = (0.66 - 0.5 * np.clip(down / canvas.half_height, 0, 1))[:, None] * (1.0 + 0.22 * wobble)
        keep = keep.astype(np.float32)
        deep = self.walls[2]
        for channel in range(3):
            mirrored = out[channel, :shore].ravel().take(flat)
            # Averaging smears the windows into streaks of light.
            mirrored[1:-1] = (mirrored[:-2] + mirrored[1:-1] + mirrored[2:]) * np.float32(1 / 3)
            mirrored *= keep
            mirrored += float(deep[channel, 0, 0]) * 0.35
            out[channel, shore:] = mirrored
        quay = np.exp(-((down / 0.006) ** 2))[:, None].astype(np.float32)
        out[:, shore:] *= 1.0 - 0.75 * quay

    def details(self, planes: Planes, t: float) -> None:
        view = view_at(self.setting.reading.camera, t, self.setting.duration)
        if self.sky.night:
            self._stars(planes, view, t)
        # A red beacon on each tall roof, pulsing slowly, each with its own phase.
        for block in self.blocks[1:]:
            high = block.roof > np.quantile(block.roof, 0.76)
            middle = (block.left + block.right)[high] / 2
            x, y = view.place(middle, self.shore - block.roof[high] - 0.012, block.depth)
            px, py = self.canvas.to_pixels(x, y)
            pulse = (0.5 + 0.5 * np.sin(2.4 * t + middle * 40)) ** 3
            planes.dots(px, py, max(0.9, self.canvas.unit / 620), 0.25 + 0.7 * pulse, (1.0, 0.28, 0.2))
            planes.dots(px, py, self.canvas.unit / 150, 0.30 * pulse, (1.0, 0.28, 0.2))

    def _stars(self, planes: Planes, view: View, t: float) -> None:
        x, y = view.place(self.sky.star_x, self.sky.star_y, 0.12)
        sky = self.shore - 1.15 * max(float(block.roof.max()) for block in self.blocks)
        gain = self.sky.star_gain * np.clip((sky - y) * 6, 0, 1) * 0.7
        px, py = self.canvas.to_pixels(x, y)
        planes.dots(
            px,
            py,
            max(0.7, self.canvas.unit / 1300),
            gain * (0.8 + 0.2 * np.sin(3 * t + x * 90)),
            (0.9, 0.95, 1.0),
        )


def _panes(along: Array, pitch: float, part: float, pixel: float) -> tuple[Array, Array]:
    """The index of each pixel's pane, and the exact share of the pixel that it covers, against flicker."""
    place = along / pitch
    index = np.floor(place).astype(np.intp)
    inside = (place - index - 0.5) * pitch
    cover = np.clip((part * pitch / 2 - np.abs(inside)) / pixel + 0.5, 0, min(1.0, part * pitch / pixel))
    return index, cover


def _block(rng: np.random.Generator, canvas: Canvas, depth: float, tall: float, wide: float) -> _Block:
    reach = canvas.half_width + 0.35 * depth + 0.1
    pitch = 0.0062 * (0.7 + 0.75 * depth)
    edges = [-reach]
    while edges[-1] < reach:
        # Whole window columns: no corner cuts a pane.
        edges.append(edges[-1] + pitch * max(5, round(wide * rng.uniform(0.7, 1.7) / pitch)))
    left = np.array(edges[:-1])
    gap = np.where(rng.random(left.size) < 0.55, 0.0, pitch)
    right = np.array(edges[1:]) - gap
    middle = (left + right) / 2
    cluster = 0.42 + 0.58 * np.exp(
        -(((middle - rng.uniform(-0.5, 0.5) * canvas.half_width) / (0.5 * canvas.half_width)) ** 2)
    )
    roof = tall * cluster * rng.uniform(0.22, 1.0, left.size) ** 1.2
    storey = pitch * 1.45
    floors, columns = int(tall / storey) + 3, 509
    windows = (rng.random((floors, columns)) < rng.uniform(0.3, 0.5)) * rng.uniform(0.25, 1.0, (floors, columns)) ** 1.6
    # Whole floors and columns are dark or bright.
    windows *= rng.choice([0.25, 1.0, 1.0, 1.4], (floors, 1)) * rng.choice([0.0, 0.7, 1.0, 1.25], (1, columns))
    warmth = rng.choice(4, 509, p=[0.46, 0.28, 0.18, 0.08])
    return _Block(depth, left, right, roof, pitch, storey, windows.astype(np.float32), warmth)
