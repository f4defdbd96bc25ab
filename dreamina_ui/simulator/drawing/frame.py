"""A full-size video frame: details drawn into its planes, and the light of a canvas enlarged, glowing and grained."""

from typing import Any

import numpy as np
from av import VideoFrame
from av.video.plane import VideoPlane
from av.video.reformatter import VideoReformatter

from dreamina_ui.simulator.drawing.canvas import Array, Canvas, Setting
from dreamina_ui.simulator.drawing.prompt_words import Colour

__all__ = ["Bloom", "Finish", "Grain", "Planes", "planes_of"]

# RGB to limited-range Y'CbCr by ITU-R BT.709, in 8-bit steps.
_KR, _KB = 0.2126, 0.0722
_KG = 1 - _KR - _KB
_TO_YUV = np.array(
    [
        [219 * _KR, 219 * _KG, 219 * _KB],
        [-112 * _KR / (1 - _KB), -112 * _KG / (1 - _KB), 112],
        [112, -112 * _KG / (1 - _KR), -112 * _KB / (1 - _KR)],
    ],
    dtype=np.float32,
)
_YUV_ZERO = np.array([16, 128, 128], dtype=np.float32)


def _yuv(colour: Colour) -> tuple[float, float, float]:
    """A display colour in 8-bit BT.709 limited range."""
    y, u, v = (_TO_YUV @ np.array(colour, dtype=np.float32) + _YUV_ZERO).tolist()
    return y, u, v


def planes_of(rgb: Array) -> tuple[Array, Array, Array]:
    """Luma, and both chroma planes at half the size, of an RGB picture (height, width, 3) in 8 bits, whose sides are even."""
    yuv = (rgb.reshape(-1, 3).astype(np.float32) @ (_TO_YUV.T / 255) + _YUV_ZERO).reshape(rgb.shape)
    y = np.rint(yuv[:, :, 0]).astype(np.uint8)
    half = yuv[:, :, 1:].reshape(rgb.shape[0] // 2, 2, rgb.shape[1] // 2, 2, 2).mean(axis=(1, 3))
    u, v = (np.rint(half[:, :, number]).astype(np.uint8) for number in range(2))
    return y, u, v


def _plane_view(plane: VideoPlane, kind: type[np.unsignedinteger[Any]]) -> Array:
    """A plane's pixels as a writable array, without a copy."""
    whole: Array = np.frombuffer(memoryview(plane), kind)
    return whole.reshape(plane.height, -1)[:, : plane.width]


class Planes:
    """The three planes of a full-size frame, to draw details into."""

    def __init__(self, frame: VideoFrame) -> None:
        self.y, self.u, self.v = (_plane_view(plane, np.uint8) for plane in frame.planes)

    def dots(self, x: Array, y: Array, radius: float, gain: Array, colour: Colour, *, joined: bool = False) -> None:
        """Draw soft round lights of one size (pixels) and colour; `gain` from 0 to 1 each.

        Dots that overlap, because they make a line together, must be `joined`.
        """
        luma, blue, red = _yuv(colour)
        shown = gain > 0.01
        x, y, gain = (values[shown].astype(np.float32) for values in (x, y, gain))
        _stamp(self.y, x, y, radius, gain, luma, joined)
        if radius < 1.6 and max(colour) - min(colour) < 0.2:
            return  # the tint of small white dots is invisible
        # Less chroma than luma, or small dim dots look like confetti.
        for plane, value in ((self.u, blue), (self.v, red)):
            _stamp(plane, x / 2 - 0.25, y / 2 - 0.25, max(0.8, radius / 2), gain * 0.8, value, joined)

    def silhouette(self, top: Array, colour: Colour, *, foot: Colour | None = None) -> None:
        """Fill all below a line (its height in pixels at every column) with one colour, edge antialiased.

        With `foot` the colour changes downwards to that, as into mist.
        """
        height = self.y.shape[0]
        upper, lower = _yuv(colour), _yuv(foot or colour)
        for plane, step, at in ((self.y, 1, 0), (self.u, 2, 1), (self.v, 2, 2)):
            line = (top if step == 1 else top[::2] * 0.5).astype(np.float32)[: plane.shape[1]]
            first, last = float(line.min()), float(line.max())
            begin = int(np.clip(first - 1, 0, plane.shape[0]))
            end = int(np.clip(last + 2, begin, plane.shape[0]))
            rows = np.arange(begin, plane.shape[0], dtype=np.float32)[:, None]
            reach = max(1.0, height / step - first)
            fill = upper[at] + (lower[at] - upper[at]) * np.clip((rows - first) / reach, 0, 1)
            cover = np.clip(rows[: end - begin] - line + 0.5, 0, 1)
            band = plane[begin:end]
            cover *= fill[: end - begin] - band
            cover += band
            cover += 0.5
            np.copyto(band, cover, casting="unsafe")
            plane[end:] = (fill[end - begin :] + 0.5).astype(np.uint8)


def _stamp(plane: Array, x: Array, y: Array, radius: float, gain: Array, value: float, joined: bool) -> None:
    reach = int(np.ceil(2.5 * radius))
    height, width = plane.shape
    left, top = np.rint(x).astype(np.intp), np.rint(y).astype(np.intp)
    inner = (left >= reach) & (left < width - reach) & (top >= reach) & (top < height - reach)
    near = (left > -reach) & (left < width + reach) & (top > -reach) & (top < height + reach)
    around = np.arange(-reach, reach + 1)
    sharp = np.float32(-0.5 / radius**2)
    for some, whole in ((inner, True), (near & ~inner, False)):
        if not some.any():
            continue
        columns, rows = left[some][:, None] + around, top[some][:, None] + around
        wx = np.exp(sharp * (columns - x[some][:, None]).astype(np.float32) ** 2)
        wy = np.exp(sharp * (rows - y[some][:, None]).astype(np.float32) ** 2) * gain[some][:, None]
        weight = wy[:, :, None] * wx[:, None, :]
        row, column = rows[:, :, None], columns[:, None, :]
        if not whole:
            row, column = np.broadcast_arrays(row, column)
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            row, column, weight = row[inside], column[inside], weight[inside]
        if joined:
            # The last dot written to a pixel stays: write the strongest last.
            row, column, weight = (each.ravel() for each in np.broadcast_arrays(row, column, weight))
            order = np.argsort(weight)
            row, column, weight = row[order], column[order], weight[order]
        old = plane[row, column].astype(np.float32)
        weight *= value - old
        old += weight
        old += 0.5
        plane[row, column] = old.astype(np.uint8)


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
        self._lens *= -1  # for exp(-light) in the tone curve
        # With sixteen bits the scaler dithers to eight, which avoids bands in gradients.
        self._small = VideoFrame(canvas.width, canvas.height, "yuv444p16le")
        self._into = [_plane_view(plane, np.uint16) for plane in self._small.planes]
        self._matrix, self._offset = _TO_YUV * 256, _YUV_ZERO[:, None] * 256
        self._strip = np.empty((3, min(canvas.height, 24), canvas.width), dtype=np.float32)
        self._scaler = VideoReformatter()

    def enlarge(self, before: Array, after: Array, part: float) -> VideoFrame:
        """Tone-map light (1 - exp(-light), with a gamma of two) and enlarge it to a yuv420p frame.

        The light is that `part` of the way from one picture (3, height, width) to another.
        """
        # A few rows at a time, which stay in the processor's cache: twice as fast.
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
    """Fine film grain, which keeps the encoder from making bands in slow gradients.

    It does not move: moving grain would double the encoding time and look no better.
    """

    def __init__(self, width: int, height: int) -> None:
        noise = np.random.default_rng(7).standard_normal((256, 512), dtype=np.float32)
        tile = np.clip(np.rint(noise * 0.85), -3, 3).astype(np.int8).view(np.uint8)
        self._grain = np.tile(tile, (height // 256 + 1, width // 512 + 1))[:height, :width].copy()

    def add(self, planes: Planes) -> None:
        # The enlargement overshoots at hard edges. Within 16…235 the sum below cannot overflow.
        np.clip(planes.y, 16, 235, out=planes.y)
        np.add(planes.y, self._grain, out=planes.y)
