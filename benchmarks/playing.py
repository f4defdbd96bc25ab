"""From the service's end to a picture: `python -m benchmarks.playing [--short] [--report docs/performance.md]`.

A service on this machine sends a video of 10 MB to our app, whose page is open in Chromium. The job's states are read from the
database; the page reports by the same clock when it has the video and shows its first picture.
"""

import argparse
import sqlite3
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
import httpx
import numpy as np
from playwright.sync_api import Browser

from benchmarks.figures import Figure, machine, publish, table
from benchmarks.programs import OURS, Measured, Program
from tests.chromium import browsing

__all__ = ["main", "make_noise", "measure"]

WIDTH, HEIGHT, RATE = 1920, 1088, 24
FRAMES, FRAMES_SHORT = 120, 12
BITS_PER_S = 16_000_000
"""10 MB in five seconds."""
GRAIN = 8
JOB_S, JOB_SHORT_S = 4.0, 1.0
PROMISED_S = 1.0
LOOK_S = 0.003
PICTURE_MS = 60_000
WATCH = """
(() => {
  const known = new WeakSet(), now = () => (performance.timeOrigin + performance.now()) / 1000;
  const look = () => {
    const video = document.querySelector("#player video");
    if (video && video.currentSrc && !known.has(video)) {
      known.add(video);
      window.noticed ??= now();
      video.requestVideoFrameCallback(() => { window.pictured ??= now(); });
    }
    if (!window.pictured) requestAnimationFrame(look);
  };
  look();
})();
"""


@dataclass(frozen=True, slots=True)
class Way:
    """When things happened to one job, in seconds since the epoch."""

    done: float
    found: float
    saved: float
    noticed: float
    pictured: float


def make_noise(path: Path, frames: int) -> Path:
    """A video that plays at once from its beginning; noise, for it to be as large as its bits a second say."""
    random = np.random.default_rng(11)
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=RATE, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = WIDTH, HEIGHT, "yuv420p", BITS_PER_S
        for _ in range(frames):
            grains = random.integers(0, 256, (HEIGHT // GRAIN, WIDTH // GRAIN, 3), np.uint8)
            picture = grains.repeat(GRAIN, axis=0).repeat(GRAIN, axis=1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


@contextmanager
def looking(database: Path) -> Iterator[dict[str, float]]:
    """When each state of the next job was first seen in the database, which is only read."""
    seen: dict[str, float] = {}
    ended = threading.Event()
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, check_same_thread=False)
    question = "SELECT state, (SELECT count(*) FROM jobs) FROM jobs ORDER BY created_at DESC LIMIT 1"
    before = (connection.execute(question).fetchone() or ("", 0))[1]

    def look() -> None:
        while not ended.wait(LOOK_S):
            state, count = connection.execute(question).fetchone() or ("", 0)
            if count > before:
                seen.setdefault(state, time.time())

    thread = threading.Thread(target=look)
    with closing(connection):
        thread.start()
        try:
            yield seen
        finally:
            ended.set()
            thread.join()


def followed(browser: Browser, server: Program, database: Path, service: str) -> Way:
    """A new visitor presses the button, and waits for the picture."""
    context = browser.new_context(viewport={"width": 1366, "height": 900})
    try:
        page = context.new_page()
        page.add_init_script(WATCH)
        page.goto(server.address)
        page.wait_for_function("document.querySelector('#field-prompt textarea')?.value")
        with looking(database) as seen:
            page.click("#generate")
            page.wait_for_function("window.pictured", timeout=PICTURE_MS)
        noticed, pictured = page.evaluate("[window.noticed, window.pictured]")
    finally:
        context.close()
    jobs = httpx.get(f"{service.removesuffix('/v1')}/_bench/jobs", trust_env=False).json()["jobs"]
    done = max(job["done_at"] for job in jobs) + time.time() - time.monotonic()
    return Way(done, seen["saving"], seen["succeeded"], noticed, pictured)


def measure(folder: Path, short: bool = False, repeats: int = 5) -> tuple[list[Figure], float]:
    """The medians of each part of the way and of their sum; and the size of the video in MB."""
    clip = make_noise(folder / "noise.mp4", FRAMES_SHORT if short else FRAMES)
    options = ["--clip", str(clip), "--duration", str(JOB_SHORT_S if short else JOB_S)]
    service = Measured(folder / "service.log", [sys.executable, "-m", "benchmarks.fake_service", *options], {})
    service.start()
    try:
        server = Program(OURS, folder / OURS, service.address)
        server.start()
        try:
            database = folder / OURS / "data" / "dreamina.sqlite3"
            with browsing() as browser:
                # The first is not measured: much is only just being loaded.
                ways = [
                    followed(browser, server, database, service.address) for _ in range(1 if short else repeats + 1)
                ]
        finally:
            server.stop()
    finally:
        service.stop()
    ways = ways if short else ways[1:]
    parts = {
        "detection: the service is done, and we know": [way.found - way.done for way in ways],
        "download and save": [way.saved - way.found for way in ways],
        "notice: the page has the video": [way.noticed - way.saved for way in ways],
        "first picture": [way.pictured - way.noticed for way in ways],
        "from the service's end to the picture": [way.pictured - way.done for way in ways],
    }
    figures = [Figure(name, "s", statistics.median(times)) for name, times in parts.items()]
    beside = statistics.median(way.pictured - way.found for way in ways)
    figures.append(Figure("the same beside detection", "s", beside, most=None if short else PROMISED_S))
    return figures, clip.stat().st_size / 1e6


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.playing", description=__doc__)
    parser.add_argument("--short", action="store_true", help="one short video, to see that it runs")
    parser.add_argument("--repeats", type=int, default=5, help="videos; the median counts")
    parser.add_argument("--report", type=Path, help="a page of the documentation to write the table into")
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="dreamina-playing-") as folder:
        figures, size_mb = measure(Path(folder), args.short, args.repeats)
    count = 1 if args.short else args.repeats
    text = f"{machine()}; {count} times a video of {size_mb:.1f} MB.\n\n{table(figures, OURS)}"
    publish("playing", text, args.report)


if __name__ == "__main__":
    main()
