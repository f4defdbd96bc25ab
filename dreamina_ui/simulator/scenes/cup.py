"""A cup on a saucer, made of signed distances to ellipses and lit from one side."""

from collections.abc import Callable

import numpy as np

from dreamina_ui.simulator.drawing.canvas import Array, light

__all__ = ["Cup"]

Shape = Callable[[Array], Array]
Tone = Callable[[Array], Array]


class Cup:
    """A cup of tea: `place` is the middle of its rim, `size` half its width, `side` (−1 or 1) its handle's side."""

    def __init__(self, place: tuple[float, float], size: float, side: float, china: Array) -> None:
        self.place, self.size, self.side, self.china = place, size, side, china
        self.liquor = light((0.52, 0.24, 0.07))

    def paint(self, out: Array, x: Array, y: Array, t: float) -> None:
        cx, cy = self.place
        s = self.size
        left, right = np.searchsorted(x, [cx - s * 2.1, cx + s * 2.1])
        top, bottom = np.searchsorted(y, [cy - s * 0.6, cy + s * 1.5])
        if bottom <= top:
            return
        u, v = (
            (x[left:right] - np.float32(cx)) / np.float32(s),
            ((y[top:bottom] - np.float32(cy)) / np.float32(s))[:, None],
        )
        pixel = float(x[1] - x[0]) / s
        part = out[:, top:bottom, left:right]
        towards = -self.side  # where the light comes from

        def lay(shape: Shape, tone: Tone, colour: Array, high: float, low: float, blur: float = 1.0) -> None:
            """Paint `colour`, shaded by `tone`, inside `shape`, between two heights."""
            a, b = np.searchsorted(v[:, 0], [high, low])
            w = v[a:b]
            cover = 0.5 - shape(w) / (pixel * blur)
            np.clip(cover, 0, 1, out=cover)
            lit = tone(w) * cover
            np.subtract(1.0, cover, out=cover)
            part[:, a:b] *= cover
            part[:, a:b] += lit * colour

        lean = np.clip(0.5 + 0.5 * towards * u, 0, 1)
        # Saucer: two ellipses with a bright rim, and the cup's shadow.
        lay(
            lambda w: _ellipse(u, w - 1.02, 1.42, 0.31),
            lambda w: 0.16 + 0.20 * lean,
            self.china,
            0.68,
            1.36,
        )

        def plate(w: Array) -> Array:
            return _ellipse(u, w - 0.98, 1.42, 0.30)

        def rim(w: Array) -> Array:
            out: Array = 0.30 + 0.5 * lean**2 + 0.25 * np.exp(-(((plate(w) + 0.05) / 0.025) ** 2))
            return out

        lay(plate, rim, self.china, 0.65, 1.31)
        hollow = u - 0.05 * self.side
        lay(
            lambda w: _ellipse(hollow, w - 1.0, 0.86, 0.17),
            lambda w: 0.20 + 0.25 * lean,
            self.china,
            0.78,
            1.22,
            6.0,
        )

        # Handle: a ring on the shadow side.
        def ring(w: Array) -> Array:
            hu, hv = (u - self.side * 0.98) / 0.88, w - 0.36
            out: Array = np.abs(np.sqrt(hu * hu + hv * hv) - 0.31) - 0.062
            return out

        lay(
            ring,
            lambda w: 0.16 + 0.5 * np.clip(0.86 - w - 0.5 * np.abs(w - 0.36), 0, 1) + 0 * u,
            self.china,
            -0.05,
            0.78,
        )
        self._bowl(lay, u, towards)
        # Rim, inner wall, and the tea with the window's reflection.
        lay(lambda w: _ellipse(u, w, 1.0, 0.235), lambda w: 0.62 + 0.5 * lean, self.china, -0.26, 0.26)
        lay(
            lambda w: _ellipse(u, w - 0.006, 0.955, 0.212),
            lambda w: 0.48 - 0.36 * lean,
            self.china,
            -0.23,
            0.24,
        )

        def surface(w: Array) -> Array:
            ripple = 0.02 * np.sin(11 * (u * u + (w - 0.06) ** 2 * 20) - 2.2 * t)
            window = np.exp(-(((u - 0.30 * towards + ripple) / 0.30) ** 2) - ((w - 0.03 + ripple * 0.3) / 0.055) ** 2)
            out: Array = 0.30 + 0.55 * lean + 1.6 * window
            return out

        lay(lambda w: _ellipse(u, w - 0.062, 0.89, 0.168), surface, self.liquor, -0.12, 0.25)

    def _bowl(self, lay: Callable[..., None], u: Array, towards: float) -> None:
        """The body: a bowl that narrows downwards, shaded as a round object."""

        def turned(w: Array) -> tuple[Array, Array, Array]:
            wide = 1.0 - 0.46 * np.clip(w, 0, 1) ** 2.3
            across = np.clip(u / wide, -1, 1)
            return wide, across, np.sqrt(1 - across * across)

        def body(w: Array) -> Array:
            wide, _, normal = turned(w)
            out: Array = np.maximum(np.abs(u) - wide, np.maximum(-w, w - 0.98 - 0.08 * normal))
            return out

        def tone(w: Array) -> Array:
            _, across, normal = turned(w)
            facing = np.clip(0.20 + 0.62 * (across * towards * 0.8 + normal * 0.45), 0.03, 1)
            spot = np.exp(-(((across - towards * 0.52) / 0.12) ** 2) - ((w - 0.42) / 0.4) ** 2) * 0.5
            edge = np.clip(np.abs(across) - 0.9, 0, 0.1) * 1.4 * (across * self.side > 0)
            out: Array = facing * (1.0 - 0.25 * np.clip(w, 0, 1)) + spot + edge
            return out

        lay(body, tone, self.china, -0.02, 1.10)


def _ellipse(u: Array, v: Array, a: float, b: float) -> Array:
    """The approximate signed distance to an ellipse around zero, negative inside."""
    reach = np.sqrt((u / a) ** 2 + (v / b) ** 2)
    slope = np.sqrt((u / (a * a)) ** 2 + (v / (b * b)) ** 2)
    out: Array = reach * (reach - 1.0) / np.maximum(slope, 1e-4)
    return out
