"""Videos of real size, 1920×1088 at 24 frames a second: made once, and kept in the temporary folder of this machine's user."""

import getpass
import os
import tempfile
from fractions import Fraction
from pathlib import Path

__all__ = ["FRAMES", "SIZES_MB", "real_clip"]

WIDTH, HEIGHT, RATE, FRAMES = 1920, 1088, 24, 121
SIZES_MB = (3, 12)
"""What a service delivers for a quiet picture, and for one with much movement."""


def real_clip(size_mb: int) -> Path:
    """H.264 of a pattern that moves, with grain, of `size_mb` million bytes to a tenth; the first time, it takes some seconds."""
    folder = Path(tempfile.gettempdir()) / f"dreamina-benchmarks-{getpass.getuser()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    clip = folder / f"{WIDTH}x{HEIGHT}-{FRAMES}-{size_mb}MB.mp4"
    if not clip.exists():
        part = clip.with_suffix(f".{os.getpid()}.part")
        try:
            _encode(part, size_mb * 1_000_000)
            part.replace(clip)
        finally:
            part.unlink(missing_ok=True)
    return clip


def _encode(path: Path, size: int) -> None:
    # The service itself, which only sends the file, needs neither of them.
    import av
    import numpy as np

    rows, columns = np.indices((HEIGHT, WIDTH), dtype=np.float32)
    grain = np.random.default_rng(7).integers(0, 40, (HEIGHT, WIDTH), dtype=np.uint8)
    # The rate is kept by filling up (`nal-hrd=cbr`): the size is known beforehand, whatever the picture needs.
    rate = int(size * 8 * RATE / FRAMES)
    kept = f"nal-hrd=cbr:vbv-maxrate={rate // 1000}:vbv-bufsize={rate // 1000}"
    options = {"preset": "veryfast", "g": "48", "x264-params": kept}
    with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as target:
        video = target.add_stream("libx264", rate=RATE, options=options)
        video.width, video.height, video.pix_fmt, video.bit_rate = WIDTH, HEIGHT, "yuv420p", rate
        for number in range(FRAMES):
            waves = 100 + 60 * np.sin(columns / 90 + number / 9) + 40 * np.cos(rows / 70 - number / 7)
            luma = waves.astype(np.uint8) + np.roll(grain, number * 1717)
            chroma = np.full((HEIGHT // 2, WIDTH), 128 + number % 40, dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(np.vstack([luma, chroma]), format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            target.mux(video.encode(frame))
        target.mux(video.encode(None))
