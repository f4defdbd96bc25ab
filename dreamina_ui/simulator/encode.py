"""Frames into an MP4 that every browser plays: H.264, yuv420p, BT.709, index in front."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import av

__all__ = ["write_mp4"]

_BT709 = 1
_LIMITED_RANGE = 1
# NumPy and x264 both let go of the interpreter lock, so drawing keeps every core busy that encoding leaves.
_DRAWING_THREADS = 2
# Frames drawn ahead of the encoder; enough to smooth out key frames, few enough to stay small.
_AHEAD = 4


def write_mp4(
    path: Path,
    draw: Callable[[int], av.VideoFrame],
    frames: int,
    width: int,
    height: int,
    frames_per_second: int,
) -> None:
    """Encode the frames `draw` returns for 0, 1, … `frames` - 1; it is called from several threads."""
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart", "fflags": "+bitexact"}) as container:
        stream = container.add_stream("libx264", rate=frames_per_second)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        # A fixed number of threads, because x264's output depends on it; a key frame every two seconds. Where to put
        # B-frames is not worth a tenth of the time to find out: they come as often as may be.
        stream.options = {
            "preset": "superfast",
            "crf": "21",
            "threads": "2",
            "g": str(2 * frames_per_second),
            "b_strategy": "0",
        }
        context = stream.codec_context
        context.color_primaries = context.color_trc = context.colorspace = _BT709
        context.color_range = _LIMITED_RANGE
        for number, frame in enumerate(_drawn_ahead(draw, frames)):
            frame.pts = number
            frame.color_primaries = frame.color_trc = frame.colorspace = _BT709
            frame.color_range = _LIMITED_RANGE
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _drawn_ahead(draw: Callable[[int], av.VideoFrame], frames: int) -> Iterator[av.VideoFrame]:
    """The frames in order, a few of them always being drawn already."""
    with ThreadPoolExecutor(_DRAWING_THREADS, thread_name_prefix="drawing") as threads:
        waiting: deque[Future[av.VideoFrame]] = deque()
        try:
            for number in range(frames):
                waiting.append(threads.submit(draw, number))
                if len(waiting) > _AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
