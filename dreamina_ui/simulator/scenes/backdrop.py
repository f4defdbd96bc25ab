"""The sky behind a landscape: gradient, sun or moon, clouds and stars; for several scenes."""

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
)
from dreamina_ui.simulator.drawing.frame import Planes

__all__ = ["Backdrop"]

# Exponent of the colour ramp from the horizon to the zenith.
_FALL = 0.75
# Beyond this distance from the sun (canvas units), the core of its halo is below a millionth.
_CORE = 0.5


class Backdrop:
    """A sky down to `horizon`, lit by a sun or moon at `sun`; both in canvas units."""

    def __init__(
        self,
        setting: Setting,
        canvas: Canvas,
        rng: np.random.Generator,
        *,
        horizon: float,
        sun: tuple[float, float],
        clouds: float = 0.5,
        size: float = 0.042,
        scale: float = 1.0,
    ) -> None:
        palette = setting.reading.palette
        self.canvas, self.horizon, self.sun, self.size = canvas, horizon, sun, size
        self.zenith, self.low = light(palette.zenith), light(palette.horizon)
        self.glow, self.accent = light(palette.glow), light(palette.accent)
        self.night = setting.reading.hour == "night"
        rain = setting.reading.weather == "rain"
        self.clouds = min(0.95, clouds + 0.35) if rain else clouds
        self.shine = 0.3 if rain else 1.0  # the sun through a rain cloud
        self.drift = float(rng.uniform(0.008, 0.016) * rng.choice([-1, 1]))
        self.offset = rng.uniform(0, 1000, 4)
        if self.clouds:
            self.tile = noise_tile(rng, 256, 1024, slope=1.95, longest=0.42)
            # How much thinner a cloud gets towards the light, which makes its bright edge.
            self.edge = self.tile - np.roll(self.tile, (5, int(np.sign(sun[0]) * 5)), axis=(0, 1))
            self.edge /= self.edge.std()
        self.texels = 190.0 / scale
        self.star_x = rng.uniform(-1.3, 1.3, 420) * canvas.half_width
        self.star_y = rng.uniform(-1.1 * canvas.half_height, horizon, 420)
        self.star_gain = rng.random(420) ** 3.2
        self.star_pace = rng.uniform(1.0, 4.0, 420)

    def rows(self, canvas: Canvas, view: View) -> int:
        """How many rows of the canvas lie above the horizon."""
        _, y = view.grid(canvas, 0.3)
        return int(np.searchsorted(y, self.horizon))

    def ramp(self, above: Array) -> Array:
        """The sky's light (3, n) at heights from 0 (the horizon) to 1 (the top of the picture)."""
        part = np.clip(above, 0, 1) ** _FALL
        band = np.exp(-((above - 0.16) ** 2) / 0.02)
        out: Array = self.low[:, 0] * (1 - part) ** 2 + self.zenith[:, 0] * (1 - (1 - part) ** 2)
        out += self.accent[:, 0] * (0.16 * band)
        return out.astype(np.float32)

    def paint(self, out: Array, canvas: Canvas, view: View, t: float) -> None:
        """Fill `out` (3, rows, width), which begins at the top of the canvas."""
        rows = out.shape[1]
        if not rows:
            return
        x, y = view.grid(canvas, 0.3)
        y = y[:rows]
        reach = self.horizon + self.canvas.half_height
        out[...] = self.ramp((self.horizon - y) / reach)[:, :, None]
        dx, dy = x - self.sun[0], (y - self.sun[1])[:, None]
        far = dx * dx + dy * dy
        wide = 40.0 if self.night else 14.0
        halo = 1.0 + far * wide
        halo = 0.62 / (halo * np.sqrt(halo))
        core = _around(dx, dy, _CORE)
        halo[core] += 0.5 * np.exp(far[core] * -60.0)
        halo *= 0.26 * self.shine if self.night else self.shine
        lit = halo
        if self.clouds:
            cover, edge = self._clouds(x, y, t)
            lit = halo * (1.0 - 0.55 * cover)
        soft = 1.3 * float(x[1] - x[0])
        body_at = _around(dx, dy, self.size + soft)
        disc = smoothstep(self.size + soft, self.size - soft, np.sqrt(far[body_at])) * (
            (2.2 if self.night else 5.0) * self.shine**2
        )
        if not self.clouds:
            out += dye([self.glow * 0.9], [lit])
            out[:, *body_at] += self.glow * disc
            return
        body = self.zenith * 0.62 + self.low * (0.10 if self.night else 0.24)
        rim = self.low * 0.35 + self.glow * (0.06 if self.night else 0.2)
        bright = halo * edge * cover
        disc *= 1.0 - 0.92 * cover[body_at]
        lit *= 1.0 - cover
        added = dye(
            [body, rim, self.glow * 1.25, self.glow * 0.9],
            [cover, edge * cover, bright, lit],
        )
        added[:, *body_at] += self.glow * disc
        np.subtract(1.0, cover, out=cover)
        out *= cover
        out += added

    def _clouds(self, x: Array, y: Array, t: float) -> tuple[Array, Array]:
        # Rows get denser towards the horizon: the perspective of a flat layer of cloud.
        above = np.maximum(self.horizon - y, 0.0)
        v = (1.25 * above + 0.34 * np.log(above + 0.07)) * -self.texels
        u = x * (self.texels * 0.85)
        shift = t * self.drift * self.texels
        first = sample(self.tile, u + self.offset[0] + shift, v + self.offset[1])
        edge = sample(self.edge, u + self.offset[0] + shift, v + self.offset[1])
        second = sample(self.tile, u * 0.45 + self.offset[2] + shift * 0.4, v * 0.5 + self.offset[3] + t * 0.4)
        first += second * 0.8
        cover = smoothstep(0.9 - 1.5 * self.clouds, 2.3 - 1.2 * self.clouds, first)
        cover *= np.clip((self.horizon - y) * 9.0, 0.0, 1.0).astype(np.float32)[:, None] * 0.92
        np.clip(edge * 0.5 + 0.42, 0.0, 1.6, out=edge)
        return cover, edge

    def stars(self, planes: Planes, view: View, t: float, strength: float = 1.0) -> None:
        """Draw stars above the horizon, each twinkling at its own pace."""
        x, y = view.place(self.star_x, self.star_y, 0.12)
        gain = self.star_gain * (0.75 + 0.25 * np.sin(self.star_pace * t + self.star_x * 90))
        gain *= np.clip((self.horizon - y) * 4.0, 0, 1) * strength
        px, py = self.canvas.to_pixels(x, y)
        planes.dots(px, py, max(0.7, self.canvas.unit / 1300), gain, (0.9, 0.95, 1.0))
        big = self.star_gain > 0.72
        planes.dots(px[big], py[big], max(0.9, self.canvas.unit / 640), gain[big] * 0.8, (0.95, 0.97, 1.0))


def _around(dx: Array, dy: Array, reach: float) -> tuple[slice, slice]:
    """The rows and columns within `reach` of the origin of ascending `dx` (n) and `dy` (m, 1)."""
    top, bottom = np.searchsorted(dy[:, 0], (-reach, reach))
    left, right = np.searchsorted(dx, (-reach, reach))
    return slice(int(top), int(bottom)), slice(int(left), int(right))
