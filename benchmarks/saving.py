"""What a video costs between its download and its name: `python -m benchmarks.saving [--report docs/performance.md]`.

The peer does the least that a poster needs: it opens the file, decodes one frame and writes one WebP, with PyAV and Pillow as in
their manuals. Ours also reads the facts of the file, checks whether it is complete, and writes the record into it.
It does so in a process with limits: "by way of it" counts both processes.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from benchmarks.figures import Figure, machine, publish, table
from dreamina_ui.media.embed import embed_record
from dreamina_ui.media.examine import examine
from dreamina_ui.media.kinds import HEAD_BYTES, kind_of
from dreamina_ui.media.reading import output_pool

RATIO_MOST = 1.0
"""Less than the peer, whose decoder reorders frames and waits for three packets before it returns one."""
WIDTH = 640
RECORD = {
    "app": "dreamina-ui",
    "settings": {"prompt": "A fox runs through tall grass, towards the camera. " * 4, "seed": 7},
}


def make_clip(path: Path, size: tuple[int, int], frames: int) -> None:
    """H.264 at 30 frames a second and 4.8 Mbit/s, of a pattern that moves and of noise: what a service delivers is as large."""
    width, height = size
    rows, columns = np.indices((height, width))
    grains = np.random.default_rng(7).integers(0, 24, (height, width, 3), dtype=np.uint8)
    with av.open(str(path), "w", options={"movflags": "faststart"}) as target:
        video = target.add_stream("libx264", rate=30, options={"preset": "veryfast", "g": "60"})
        video.width, video.height, video.pix_fmt, video.bit_rate = width, height, "yuv420p", 4_800_000
        for number in range(frames):
            waves = 110 + 60 * np.sin(columns / 90 + number / 9) + 40 * np.cos(rows / 70 - number / 7)
            image = waves.astype(np.uint8)[..., None] + np.roll(grains, number * 17, axis=1)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 30)
            target.mux(video.encode(frame))
        target.mux(video.encode(None))


def least_work(clip: Path, folder: Path) -> None:
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        stream.thread_count = 1
        frame = next(container.decode(stream))
        small = frame.reformat(width=WIDTH, height=WIDTH * frame.height // frame.width, format="rgb24")
        picture = small.to_image()  # type: ignore[no-untyped-call]
    picture.save(folder / "least.webp", "WEBP", quality=80)


def looked_at(clip: Path, folder: Path) -> None:
    with clip.open("rb") as file:
        kind = kind_of(file.read(HEAD_BYTES))
    facts = examine(clip, kind, folder / "ours.webp", width=WIDTH)
    assert facts.has_poster, facts.problem


def recorded(clip: Path, folder: Path) -> None:
    with clip.open("rb") as file:
        kind = kind_of(file.read(HEAD_BYTES))
    assert embed_record(clip, folder / "ours.mp4", kind, RECORD)


def confined(clip: Path, folder: Path) -> None:
    with clip.open("rb") as file:
        kind = kind_of(file.read(HEAD_BYTES))
    picture, copy = (str(folder / f"confined.{ending}") for ending in ("webp", "mp4"))
    told = output_pool().call(
        "dreamina_ui.media.tasks:output", str(clip), kind.ending, picture, copy, RECORD, WIDTH, True
    )
    assert told["has_poster"], told
    assert told["is_recorded"], told


def measured(work: Callable[[Path, Path], None], clip: Path, folder: Path, repeats: int) -> tuple[float, float]:
    """Wall and processor time in milliseconds, the medians."""
    work(clip, folder)  # imports, and the file in the system's memory
    walls, processors = [], []
    for _ in range(repeats):
        wall, processor = time.perf_counter(), _processor_s()
        work(clip, folder)
        walls.append((time.perf_counter() - wall) * 1000)
        processors.append((_processor_s() - processor) * 1000)
    return statistics.median(walls), statistics.median(processors)


def _processor_s() -> float:
    """Of this process, and of the one with limits."""
    return time.process_time() + output_pool().processor_s


def measure(folder: Path, short: bool, repeats: int) -> tuple[int, list[Figure]]:
    """The size of the file in bytes, and the figures."""
    clip = folder / "clip.mp4"
    make_clip(clip, (320, 180) if short else (1920, 1080), 10 if short else 150)
    repeats = 1 if short else repeats
    least = measured(least_work, clip, folder, repeats)
    facts = measured(looked_at, clip, folder, repeats)
    record = measured(recorded, clip, folder, repeats)
    whole = measured(confined, clip, folder, repeats)
    figures = [
        Figure(
            "processor time of a file", "ms", facts[1] + record[1], least[1], ratio_most=None if short else RATIO_MOST
        ),
        Figure("of it, facts and poster", "ms", facts[1], least[1]),
        Figure("of it, the record", "ms", record[1]),
        Figure("by way of the process with limits", "ms", whole[1], least[1]),
        Figure("wall time of a file", "ms", facts[0] + record[0], least[0]),
        Figure("wall time by way of the process", "ms", whole[0], least[0]),
    ]
    return clip.stat().st_size, figures


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.saving", description=__doc__)
    parser.add_argument("--short", action="store_true", help="a small file, once, to see that it runs")
    parser.add_argument("--repeats", type=int, default=9, help="how often; the median counts")
    parser.add_argument("--report", type=Path, help="a page of the documentation to write the table into")
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="dreamina-saving-") as folder:
        size, figures = measure(Path(folder), args.short, args.repeats)
    about = f"{machine()}; a video of {size / 1e6:.1f} MB, {1 if args.short else args.repeats} times each."
    publish("saving", f"{about}\n\n{table(figures, 'ours', 'peer')}", args.report)


if __name__ == "__main__":
    main()
