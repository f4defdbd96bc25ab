"""What a video costs from its bytes to its poster: `python -m benchmarks.saving [--report docs/performance.md]`.

The peer does the least that a poster needs: it opens the file, decodes one frame and writes one WebP, with PyAV and Pillow as in
their manuals. Ours receives the file from memory, writes it, reads its facts, checks whether it is complete, writes the record
into it and flushes it to the disk; then it is shown, and its poster is made. Processor time is of the studio's process and of the
processes with limits.
"""

import argparse
import asyncio
import secrets
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import httpx
import numpy as np

from benchmarks.figures import Figure, machine, publish, table
from dreamina_ui.media.library import Library
from dreamina_ui.media.reading import output_pool, poster_pool

ALL_MOST_MS = 60.0
"""A third of what the usual file cost when it was opened four times and its poster went through a full-size picture."""
POSTER_RATIO_MOST = 1.0
"""Less than the peer, whose decoder reorders frames and waits for three packets before it returns one."""
WIDTH = 640
CHUNK = 2**16
"""Bytes that a connection gives at once."""
RECORD = {
    "app": "dreamina-ui",
    "settings": {"prompt": "A fox runs through tall grass, towards the camera. " * 4, "seed": 7},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A pattern that moves, and noise: what a service delivers is as large. The first frames may be `dark`."""

    name: str
    size: tuple[int, int] = (1920, 1080)
    frames: int = 121
    bit_rate: int = 4_800_000
    codec: str = "libx264"
    pixels: str = "yuv420p"
    dark: int = 0
    options: Mapping[str, str] = field(
        default_factory=lambda: {"preset": "veryfast", "bf": "3", "b_strategy": "0", "g": "60"}
    )

    def make(self, path: Path) -> None:
        width, height = self.size
        rows, columns = np.indices((height, width))
        grains = np.random.default_rng(7).integers(0, 24, (height, width, 3), dtype=np.uint8)
        with av.open(str(path), "w", options={"movflags": "faststart"}) as target:
            video = target.add_stream(self.codec, rate=24, options=dict(self.options))
            assert isinstance(video, av.VideoStream)
            video.width, video.height, video.pix_fmt, video.bit_rate = width, height, self.pixels, self.bit_rate
            for number in range(self.frames):
                waves = 110 + 60 * np.sin(columns / 90 + number / 9) + 40 * np.cos(rows / 70 - number / 7)
                image = waves.astype(np.uint8)[..., None] + np.roll(grains, number * 17, axis=1)
                shown = image if number >= self.dark else image // 32
                frame = av.VideoFrame.from_ndarray(shown.astype(np.uint8), format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, 24)
                target.mux(video.encode(frame))
            target.mux(video.encode(None))


USUAL = Clip(name="3 MB, H.264 with B-frames")
CLIPS = (
    USUAL,
    Clip(name="12 MB, H.264", bit_rate=19_000_000),
    Clip(
        name="3 MB, HEVC",
        frames=72,
        bit_rate=8_000_000,
        codec="libx265",
        options={"preset": "ultrafast", "x265-params": "log-level=none"},
    ),
    Clip(name="3 MB, 10 bits", pixels="yuv420p10le"),
    Clip(name="4K", size=(3840, 2160), frames=48, bit_rate=12_000_000),
    Clip(name="3 MB, dark for 20 frames", dark=20),
)
SMALL = Clip(name="a small file", size=(320, 180), frames=10)


@dataclass(frozen=True, slots=True)
class Cost:
    """In milliseconds: on the clock, of the studio's process, and of the process with limits."""

    wall: float
    studio: float
    confined: float = 0.0

    @property
    def processor(self) -> float:
        return self.studio + self.confined


class Memory(httpx.AsyncBaseTransport):
    """Answers every request with one file, in chunks as large as a connection's."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        length = {"Content-Length": str(len(self._content))}
        return httpx.Response(200, headers=length, stream=_Chunks(self._content))


class _Chunks(httpx.AsyncByteStream):
    def __init__(self, content: bytes) -> None:
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self._content), CHUNK):
            yield self._content[start : start + CHUNK]


def least_work(clip: Path, folder: Path) -> None:
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        stream.thread_count = 1
        frame = next(container.decode(stream))
        small = frame.reformat(width=WIDTH, height=WIDTH * frame.height // frame.width, format="rgb24")
        picture = small.to_image()  # type: ignore[no-untyped-call]
    picture.save(folder / "least.webp", "WEBP", quality=80)


class _Watch:
    """Measures from its making to `cost`."""

    def __init__(self) -> None:
        self._confined_s = self._confined()
        self._studio_s = time.process_time()
        self._began = time.perf_counter()

    def cost(self) -> Cost:
        wall_s, studio_s = time.perf_counter() - self._began, time.process_time() - self._studio_s
        return Cost(wall_s * 1000, studio_s * 1000, (self._confined() - self._confined_s) * 1000)

    @staticmethod
    def _confined() -> float:
        return output_pool().processor_s + poster_pool().processor_s


async def saved(library: Library) -> tuple[Cost, Cost]:
    """One video: what it costs until it is shown, and from there to its poster."""
    share_id, watch = secrets.token_hex(16), _Watch()
    file, _ = await library.save(share_id, 1, "https://videos.example.com/a.mp4", RECORD)
    shown, watch = watch.cost(), _Watch()
    facts = await library.add_poster(file)
    pictured = watch.cost()
    assert facts.has_poster, facts.problem
    library.remove([share_id])
    return shown, pictured


async def measured(content: bytes, path: Path, folder: Path, repeats: int) -> tuple[Cost, Cost, Cost]:
    """Of the peer, of a video until it is shown, and of its poster: the medians, one after the other in turn."""
    rounds = []
    async with Library(folder / "videos", mounts={"https://": Memory(content)}, room_needed=0) as library:
        await saved(library)  # starts the processes
        least_work(path, folder)
        for _ in range(repeats):
            watch = _Watch()
            least_work(path, folder)
            rounds.append((watch.cost(), *await saved(library)))
    least, shown, pictured = (_median(costs) for costs in zip(*rounds, strict=True))
    return least, shown, pictured


def _median(costs: Sequence[Cost]) -> Cost:
    return Cost(*(statistics.median(getattr(cost, name) for cost in costs) for name in ("wall", "studio", "confined")))


def measure(folder: Path, short: bool, repeats: int) -> list[Figure]:
    """A few lines for each of the files."""
    figures = []
    for clip in (SMALL,) if short else CLIPS:
        path = folder / "clip.mp4"
        clip.make(path)
        least, shown, pictured = asyncio.run(measured(path.read_bytes(), path, folder, 1 if short else repeats))
        is_usual, is_dark = clip is USUAL, clip.dark > 0
        figures += [
            Figure(
                f"{clip.name}: processor time of all",
                "ms",
                shown.processor + pictured.processor,
                least.processor,
                most=ALL_MOST_MS if is_usual else None,
            ),
            Figure("until it is shown, in the studio's process", "ms", shown.studio),
            Figure("until it is shown, in the process that reads it", "ms", shown.confined),
            Figure(
                "its poster, at low priority",
                "ms",
                pictured.processor,
                least.processor,
                ratio_most=None if short or is_dark else POSTER_RATIO_MOST,
            ),
            Figure("on the clock until it is shown", "ms", shown.wall),
            Figure("on the clock from there to its poster", "ms", pictured.wall, least.wall),
        ]
    return figures


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.saving", description=__doc__)
    parser.add_argument("--short", action="store_true", help="a small file, once, to see that it runs")
    parser.add_argument("--repeats", type=int, default=9, help="how often; the median counts")
    parser.add_argument("--report", type=Path, help="a page of the documentation to write the table into")
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="dreamina-saving-") as folder:
        figures = measure(Path(folder), args.short, args.repeats)
    about = f"{machine()}; {1 if args.short else args.repeats} times each."
    publish("saving", f"{about}\n\n{table(figures, 'ours', 'peer')}", args.report)


if __name__ == "__main__":
    main()
