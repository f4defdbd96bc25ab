"""Particles: snow, rain and embers, for several scenes."""

import numpy as np

from dreamina_ui.simulator.drawing.canvas import Array, Canvas, Setting, View
from dreamina_ui.simulator.drawing.frame import Planes
from dreamina_ui.simulator.drawing.prompt_words import Colour

__all__ = ["Embers", "Rain", "Snow", "weather"]

_OUTDOORS = ("sea", "sky", "fire", "forest", "city", "mountains")


def weather(setting: Setting, canvas: Canvas) -> "Rain | Snow | None":
    """The rain or snow of the prompt, for scenes that are outdoors."""
    if setting.reading.scene not in _OUTDOORS:
        return None
    if setting.reading.weather == "snow":
        return Snow(setting.rng(), canvas)
    return Rain(setting.rng(), canvas) if setting.reading.weather == "rain" else None


class Snow:
    """Flakes in three layers; the nearest are large, soft and fast."""

    def __init__(self, rng: np.random.Generator, canvas: Canvas, *, crowd: float = 1.0) -> None:
        self.canvas = canvas
        self.layers = [
            (rng.random((round(number * crowd), 5)), size, pace, depth, gain)
            for number, size, pace, depth, gain in (
                (420, 0.0011, 0.07, 0.6, 0.55), (150, 0.0021, 0.12, 1.1, 0.7), (26, 0.0062, 0.22, 1.9, 0.26),
            )
        ]  # fmt: skip
        self.wind = float(rng.uniform(-0.05, 0.05))

    def draw(self, planes: Planes, view: View, t: float, colour: Colour) -> None:
        wide, high = 2 * self.canvas.half_width + 0.2, 2 * self.canvas.half_height + 0.2
        for flakes, size, pace, depth, gain in self.layers:
            own = 0.7 + 0.6 * flakes[:, 2]
            sway = 0.018 * np.sin(t * (0.8 + flakes[:, 3]) + flakes[:, 4] * 6.28)
            x = (flakes[:, 0] * wide + self.wind * t * depth - view.x * depth + sway) % wide - wide / 2
            y = (flakes[:, 1] * high + pace * own * t - view.y * depth) % high - high / 2
            px, py = self.canvas.to_pixels(x, y)
            planes.dots(px, py, max(0.7, size * self.canvas.unit), gain * (0.5 + 0.5 * flakes[:, 3]), colour)


class Rain:
    """Slanting streaks, each a short row of dots."""

    def __init__(self, rng: np.random.Generator, canvas: Canvas) -> None:
        self.canvas = canvas
        self.drops = rng.random((150, 4))

    def draw(self, planes: Planes, view: View, t: float, colour: Colour) -> None:
        wide, high = 2 * self.canvas.half_width + 0.3, 2 * self.canvas.half_height + 0.3
        speed = 1.1 + 0.5 * self.drops[:, 2]
        fall = (self.drops[:, 1] * high + speed * t) % high - high / 2
        x = (self.drops[:, 0] * wide - view.x + 0.12 * fall) % wide - wide / 2
        run = np.linspace(0, 0.030, 14)
        px, py = self.canvas.to_pixels((x[:, None] + run * 0.12).ravel(), (fall[:, None] + run).ravel())
        fade = (0.16 * (0.4 + self.drops[:, 3]))[:, None] * np.sin(np.linspace(0, np.pi, 14))
        planes.dots(px, py, max(0.7, self.canvas.unit / 1400), fade.ravel(), colour, joined=True)


class Embers:
    """Glowing specks that rise from a place and fade, each with a short trail."""

    def __init__(self, rng: np.random.Generator, canvas: Canvas, *, place: tuple[float, float], reach: float,
                 spread: float = 0.12, number: int = 130) -> None:  # fmt: skip
        self.canvas, self.place, self.reach, self.spread = canvas, place, reach, spread
        self.specks = rng.random((number, 6))

    def _at(self, t: Array) -> tuple[Array, Array, Array]:
        start, across, life, sway, pace, _ = self.specks.T
        age = (t / (2.0 + 2.5 * life) + start) % 1.0
        rise = age ** (0.8 + 0.3 * pace)
        drift = 0.10 * np.sin(age * (4 + 5 * sway) + 6.28 * pace) * rise
        x = self.place[0] + (across - 0.5) * 2 * self.spread * (1 + 1.6 * rise) + drift
        return x, self.place[1] - rise * self.reach * (0.5 + 0.7 * sway), age

    def draw(self, planes: Planes, view: View, t: float, hot: Colour, warm: Colour) -> None:
        trail = [(0.05, 0.3), (0.025, 0.55), (0.0, 1.0)]
        spots = []
        for back, part in trail:
            x, y, age = self._at(np.full(len(self.specks), t - back))
            # Fades in and out, so that none appears at once.
            gain = np.clip(age * 8, 0, 1) * np.clip((1 - age) * 1.6, 0, 1) * part
            gain *= 0.7 + 0.3 * np.sin(17 * t + 40 * self.specks[:, 5])
            spots.append(np.stack([*self.canvas.to_pixels(*view.place(x, y)), gain]))
        px, py, gain = np.concatenate(spots, axis=1)
        small = np.tile(self.specks[:, 5] < 0.72, len(trail))
        planes.dots(px[small], py[small], max(0.8, self.canvas.unit / 900), gain[small], warm)
        planes.dots(px[~small], py[~small], max(1.0, self.canvas.unit / 520), gain[~small], hot)
