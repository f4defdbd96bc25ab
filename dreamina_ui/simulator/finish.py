"""From painted light to a full-size video frame: glow, lens, tone curve, enlargement and grain."""

import numpy as np
from av import VideoFrame
from av.video.reformatter import VideoReformatter

from dreamina_ui.simulator.fields import Array
from dreamina_ui.simulator.picture import TO_YUV, YUV_ZERO, Canvas, Planes, Setting, plane_view

__all__ = ["Bloom", "Finish", "Grain"]


class Bloom:
    """The glow around bright parts: shrink to a few blocks, then spread each block as a soft round light.

    A Gaussian is separable too, so the spreading is two matrix products.
    """

    def __init__(self, canvas: Canvas, strength: float) -> None:
        self._step = max(4, min(canvas.width, canvas.height) // 34)
        self._rows, self._columns = canvas.height // self._step, canvas.width // self._step
        self._down = _spread(canvas.height, self._rows, self._step) * np.float32(strength)
        self._across = np.ascontiguousarray(_spread(canvas.width, self._columns, self._step).T)

    def add(self, painted: Array) -> None:
        step, rows, columns = self._step, self._rows, self._columns
        blocks = (
            painted[:, : rows * step, : columns * step].reshape(3, rows, step, columns * step)[:, :, ::2].mean(axis=2)
        )
        small = blocks.reshape(3, rows, columns, step).mean(axis=3)
        small *= small / (0.35 + small)  # only what is bright glows
        for channel in range(3):
            painted[channel] += self._down @ (small[channel] @ self._across)


def _spread(pixels: int, blocks: int, step: int) -> Array:
    centres = (np.arange(blocks) + 0.5) * step
    away = (np.arange(pixels)[:, None] + 0.5 - centres) / step
    weight = np.exp(-0.5 * (away / 1.15) ** 2) + 0.16 * np.exp(-0.5 * (away / 3.6) ** 2)
    out: Array = (weight / weight.sum(axis=1).mean()).astype(np.float32)
    return out


class Finish:
    """Lens and film: vignette, tone curve, enlargement and grain."""

    def __init__(self, canvas: Canvas, setting: Setting, dim: Array | None = None) -> None:
        """`dim` darkens the picture per pixel of the canvas (1 leaves it), as behind a caption."""
        self._size = setting.width, setting.height
        reach = np.hypot(canvas.x / canvas.half_width, canvas.y[:, None] / canvas.half_height)
        self._lens: Array = (1.0 - 0.5 * np.clip(reach / 1.42, 0, 1) ** 2.6).astype(np.float32)
        if dim is not None:
            self._lens *= dim
        self._lens *= -1  # the tone curve wants it so
        # Sixteen bits here let the scaler dither on its way to eight: gradients stay free of bands.
        self._small = VideoFrame(canvas.width, canvas.height, "yuv444p16le")
        self._into = [plane_view(plane, np.uint16) for plane in self._small.planes]
        self._matrix, self._offset = TO_YUV * 256, YUV_ZERO[:, None] * 256
        self._strip = np.empty((3, min(canvas.height, 24), canvas.width), dtype=np.float32)
        self._scaler = VideoReformatter()

    def enlarge(self, before: Array, after: Array, part: float) -> VideoFrame:
        """Tone-map light (1 - exp(-light), with a gamma of two) and enlarge it to a yuv420p frame.

        The light is that `part` of the way from one picture (3, height, width) to another.
        """
        # A few rows at a time: what stays in the processor's cache costs half as much.
        step = self._strip.shape[1]
        for top in range(0, before.shape[1], step):
            rows = slice(top, top + step)
            shown = self._strip[:, : before[0, rows].shape[0]]
            if part:
                np.subtract(after[:, rows], before[:, rows], out=shown)
                shown *= np.float32(part)
                shown += before[:, rows]
                shown *= self._lens[rows]
            else:
                np.multiply(before[:, rows], self._lens[rows], out=shown)
            np.exp(shown, out=shown)
            np.subtract(1.0, shown, out=shown)
            np.sqrt(shown, out=shown)
            flat = self._matrix @ shown.reshape(3, -1)
            flat += self._offset
            for plane, values in zip(self._into, flat, strict=True):
                np.copyto(plane[rows], values.reshape(shown.shape[1:]), casting="unsafe")
        width, height = self._size
        return self._scaler.reformat(self._small, width, height, "yuv420p", interpolation="BICUBIC", threads=1)


class Grain:
    """Film grain too fine to notice, which keeps the encoder from making bands of slow gradients.

    It stands still: moving, it would cost the encoder twice the time and show no better.
    """

    def __init__(self, width: int, height: int) -> None:
        noise = np.random.default_rng(7).standard_normal((256, 512), dtype=np.float32)
        tile = np.clip(np.rint(noise * 0.85), -3, 3).astype(np.int8).view(np.uint8)
        self._grain = np.tile(tile, (height // 256 + 1, width // 512 + 1))[:height, :width].copy()

    def add(self, planes: Planes) -> None:
        # The enlargement rings at hard edges. Within 16…235 the sum below cannot wrap round.
        np.clip(planes.y, 16, 235, out=planes.y)
        np.add(planes.y, self._grain, out=planes.y)
