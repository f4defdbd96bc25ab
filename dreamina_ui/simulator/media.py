"""Video files: frames and a sound to an MP4, and a frame of it as PNG."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import av
from av.container import OutputContainer

from dreamina_ui.simulator.drawing.sound import RATE, Wave

__all__ = ["still", "write_mp4"]

_BT709 = 1
_LIMITED_RANGE = 1


def write_mp4(
    path: Path,
    draw: Callable[[int], av.VideoFrame],
    frames: int,
    width: int,
    height: int,
    frames_per_second: int,
    sound: Wave | None = None,
) -> None:
    """Encode the frames `draw` returns for 0, 1, … `frames` - 1, with a sound.

    One thread does all of it: the other cores are the page's.
    """
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart", "fflags": "+bitexact"}) as container:
        stream = container.add_stream("libx264", rate=frames_per_second)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        # A key frame comes every two seconds. Without a search for the best places of B-frames, encoding takes a tenth less
        # time.
        stream.options = {
            "preset": "superfast",
            "crf": "21",
            "threads": "1",
            "g": str(2 * frames_per_second),
            "b_strategy": "0",
        }
        context = stream.codec_context
        context.color_primaries = context.color_trc = context.colorspace = _BT709
        context.color_range = _LIMITED_RANGE
        track = None if sound is None else _Track(container, sound)
        for number in range(frames):
            frame = draw(number)
            frame.pts = number
            frame.color_primaries = frame.color_trc = frame.colorspace = _BT709
            frame.color_range = _LIMITED_RANGE
            container.mux(stream.encode(frame))
            if track is not None:
                track.write_until((number + 1) / frames_per_second)
        container.mux(stream.encode(None))
        if track is not None:
            track.end()


class _Track:
    """The sound of a video, as AAC. It is written in step with the frames, so that a player finds both in one place."""

    def __init__(self, container: OutputContainer, sound: Wave) -> None:
        self._container, self._sound = container, sound
        self._stream = container.add_stream("aac", rate=RATE, layout="mono")
        self._stream.bit_rate = 96_000
        self._written = 0

    def write_until(self, seconds: float) -> None:
        part = self._sound[self._written : round(seconds * RATE)]
        if not part.size:
            return
        frame = av.AudioFrame.from_ndarray(part[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts = RATE, self._written
        self._written += part.size
        self._container.mux(self._stream.encode(frame))

    def end(self) -> None:
        self._container.mux(self._stream.encode(None))


def still(video: Path, number: int) -> bytes:
    """A frame of the video as PNG, another one for each `number` from 1; blocks."""
    with av.open(str(video)) as container:
        last = None
        for index, frame in enumerate(container.decode(video=0)):
            last = frame
            if index >= 2 * (number - 1):
                break
        if last is None:
            message = "the video has no picture"
            raise ValueError(message)
        png = io.BytesIO()
        last.to_image().save(png, "PNG")  # type: ignore[no-untyped-call]
    return png.getvalue()
