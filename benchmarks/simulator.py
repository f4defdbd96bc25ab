"""How fast the simulator renders: `python -m benchmarks.simulator [--short] [--report docs/performance.md]`.

Each scene is rendered as for a job, in a process of its own. Right before or after it, the same encoder gets one ready frame
of that scene over and over, which is the least work it can have; and some of the scene's own frames, drawn beforehand, which
show the cost of moving pictures.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.figures import Figure, machine, publish, table
from dreamina_ui.simulator.drawing.render import Drawing, RenderJob, render
from dreamina_ui.simulator.media import write_mp4

__all__ = ["SCENES", "main", "measure"]

ROOT = Path(__file__).parents[1]
WIDTH, HEIGHT, FRAMES_PER_SECOND = 1920, 1088, 24
FRAMES, FRAMES_SHORT = 121, 9
"""The card's five seconds; and a number that is too small for a useful figure."""
READY_FRAMES = 24
"""Drawn beforehand, 3 MB each, and then given to the encoder to and fro: motion goes on, and nothing jumps."""
REAL_TIME, SHARE_LEAST = 24.0, 0.5
SCENES = {
    "sea": ("Golden hour waves rolling towards the beach, slow dolly in", 11),
    "sky": ("Sunset sky over quiet hills, birds heading home", 4),
    "fire": ("A campfire crackles in a dark clearing, sparks rising", 2),
    "lava": ("Lava creeping under a black crust", 7),
    "forest": ("Morning mist in an old forest, shafts of light", 6),
    "city": ("City skyline at night by the river, slow pan", 2),
    "mountains": ("Erster Schnee auf den Bergen, Morgenrot", 1),
    "space": ("A nebula in deep blue and orange, drifting among stars", 5),
    "tea": ("A cup of tea by the window, steam in warm light", 1),
    "silk": ("Crimson and teal silk in a slow current", 9),
    "forest at night": ("Fireflies in the woods at night", 8),
    "sea, still camera": ("Moonlit ocean, still camera", 3),
}
"""The prompts and seeds of the contact sheet."""
KINDS = ("drawn", "one frame", "ready frames", "program")


@dataclass(frozen=True, slots=True)
class Speed:
    """Frames a second on the clock, and the processor time that a frame costs in all threads, in milliseconds."""

    frames_per_s: float
    cpu_ms: float


def work(job: RenderJob, path: Path, kind: str) -> None:
    """Make the clip in this process; prints the seconds and the processor seconds that took, without the imports."""
    ready = []
    if kind != "drawn":
        drawing = Drawing(job)
        ready = [drawing.frame(number) for number in range(1 if kind == "one frame" else min(READY_FRAMES, job.frames))]
    there_and_back = [*ready, *ready[-2:0:-1]]
    began, cpu_began = time.perf_counter(), time.process_time()
    if ready:
        size = job.width, job.height, job.frames_per_second
        write_mp4(path, lambda number: there_and_back[number % len(there_and_back)], job.frames, *size)
    else:
        render(job, path)
    print(time.perf_counter() - began, time.process_time() - cpu_began)  # noqa: T201  read by the parent


def one(name: str, frames: int, kind: str, path: Path) -> Speed:
    """One clip, made in a process of its own; with the kind `program` that is the simulator's, from start to end."""
    prompt, seed = SCENES[name]
    job = asdict(RenderJob(prompt, WIDTH, HEIGHT, frames, FRAMES_PER_SECOND, seed)) | {"path": str(path)}
    program = (
        ["dreamina_ui.simulator.drawing.render"] if kind == "program" else ["benchmarks.simulator", "--make", kind]
    )
    cpu_began, began = _children_cpu_s(), time.perf_counter()
    done = subprocess.run(  # noqa: S603  our own programs
        [sys.executable, "-m", *program], cwd=ROOT, input=json.dumps(job), check=True, stdout=subprocess.PIPE, text=True
    )
    clock_s, cpu_s = time.perf_counter() - began, _children_cpu_s() - cpu_began
    if kind != "program":
        clock_s, cpu_s = map(float, done.stdout.split())
    path.unlink()
    return Speed(frames / clock_s, cpu_s * 1000 / frames)


def measure(folder: Path, short: bool = False, repeats: int = 3) -> list[Figure]:
    """Of each scene the best of some rounds, in an order drawn anew each time: what else runs only ever slows down."""
    frames, rounds = (FRAMES_SHORT, 1) if short else (FRAMES, repeats)
    names = list(SCENES)[:1] if short else list(SCENES)
    order = random.Random(8)  # noqa: S311  an order, no secret
    found: dict[tuple[str, str], list[Speed]] = {}
    for _ in range(rounds):
        for name in order.sample(names, len(names)):
            for kind in order.sample(KINDS, len(KINDS)):
                found.setdefault((name, kind), []).append(one(name, frames, kind, folder / "clip.mp4"))
    best = {key: max(speeds, key=lambda speed: speed.frames_per_s) for key, speeds in found.items()}

    def of(kind: str) -> list[float]:
        return [best[name, kind].frames_per_s for name in names]

    def figure(what: str, value: float, limit: float, ready: float) -> list[Figure]:
        return [
            Figure(what, "frames/s", value, limit, ratio_least=SHARE_LEAST),
            Figure(f"{what}, beside its own frames ready", "frames/s", value, ready, least=REAL_TIME),
        ]

    slowest = min(names, key=lambda name: best[name, "drawn"].frames_per_s)
    figures = [
        *figure(f"the slowest scene ({slowest})", *(best[slowest, kind].frames_per_s for kind in KINDS[:3])),
        *figure("the median scene", *(statistics.median(of(kind)) for kind in KINDS[:3])),
    ]
    for name in names:
        figures += figure(name, *(best[name, kind].frames_per_s for kind in KINDS[:3]))
    whole = "the slowest, with start and end of its process"
    figures.append(Figure(whole, "frames/s", min(of("program")), least=REAL_TIME))
    figures += [
        Figure(f"{name}: processor time per frame", "ms", best[name, "drawn"].cpu_ms, best[name, "ready frames"].cpu_ms)
        for name in names
    ]
    return figures


def _children_cpu_s() -> float:
    """Processor time of all processes that were started here and have ended."""
    spent = os.times()
    return spent.children_user + spent.children_system


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulator", description=__doc__)
    parser.add_argument("--short", action="store_true", help="a few frames of one scene, to see that it runs")
    parser.add_argument("--repeats", type=int, default=3, help="rounds; the best of each scene counts")
    parser.add_argument("--report", type=Path, help="a page of the documentation to write the table into")
    parser.add_argument("--make", choices=KINDS[:3], help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    if args.make:
        wanted = json.load(sys.stdin)
        work(RenderJob.from_json(wanted), Path(wanted["path"]), args.make)
        return
    with tempfile.TemporaryDirectory(prefix="dreamina-simulator-") as folder:
        figures = measure(Path(folder), args.short, args.repeats)
    frames = FRAMES_SHORT if args.short else FRAMES
    text = f"{machine()}; {frames} frames of {WIDTH}×{HEIGHT}, best of {1 if args.short else args.repeats}.\n\n"
    text += table(figures, "drawn", "ready")
    publish("simulator", text, args.report)


if __name__ == "__main__":
    main()
