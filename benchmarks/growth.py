"""The cost of a job by the number of jobs: `python -m benchmarks.growth [--short] [--report docs/performance.md]`.

The engine runs with its database and library as in the program, from the click to the saved video, with one watcher for each
job. The service answers at once. The event loop's time passes only when nothing is left to do, so that waiting costs no real
time. The figure is the processor time of the whole process, all threads. Rounds of all sizes take turns in a new random order
each time, each from the same database.

A job is polled more often the longer it takes. To find the cost of a poll, the same jobs are made to take longer: the additional
time is divided by the additional polls; it includes the leases that are renewed meanwhile.
"""

import argparse
import asyncio
import json
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks.figures import Figure, machine, table, write_report
from benchmarks.plots import Series, plot
from dreamina_ui.engine.engine import Engine
from dreamina_ui.jobs import HOLDER, Job, State
from dreamina_ui.storage.allowances import Limits
from tests.filled import past_job, write_past
from tests.rig import VALUES, engine_settings, make_clip
from tests.virtual import VirtualClock, run_virtually, wall_clock

__all__ = ["main", "measure"]

HISTORIES, ACTIVES = (10, 100, 1_000, 10_000), (10, 100, 1_000)
HISTORIES_SHORT, ACTIVES_SHORT = (10, 100), (5, 20)
AT_ONCE = 10
"""Jobs at once where it is the history that grows; and the rows in history where it is the jobs at once."""
JOBS_LEAST = 100
"""Jobs of a round, in waves if fewer are active at once: a round of ten would be short, and tell little."""
QUICK_S, LONG_S = 4.0, 34.0
FLAT_MOST = 1.3
"""From the smallest to the largest, a hundred or a thousand times as many: an index that is one level deeper, and caches
that hold less of it, explain some per cent; a tenth of the cost in a loop over all would already be tenfold or more."""
ORIGIN = "http://service.internal"


@dataclass(frozen=True, slots=True)
class Cost:
    """Per job: processor time in milliseconds, and polls."""

    cpu_ms: float
    polls: float


class Service(httpx.AsyncBaseTransport):
    """RunComfy's answers, at once, in the process: a job is done `takes_s` after its POST."""

    def __init__(self, clip: Path, takes_s: float) -> None:
        self._clip = clip.read_bytes()
        self._takes_s = takes_s
        self._now = wall_clock()
        self._sent_at: list[float] = []
        self.polls = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        match request.url.path.strip("/").split("/"):
            case ["v1", "models", *_]:
                self._sent_at.append(self._now())
                return self._told(len(self._sent_at) - 1, "in_queue")
            case ["v1", "requests", number, "status"]:
                self.polls += 1
                done = self._now() >= self._sent_at[int(number)] + self._takes_s
                return self._told(int(number), "completed" if done else "in_progress")
            case ["v1", "requests", number, "result"]:
                return self._told(int(number), "succeeded", output={"video": f"{ORIGIN}/outputs/{number}.mp4"})
            case ["outputs", _]:
                return httpx.Response(200, content=self._clip, headers={"Content-Type": "video/mp4"})
        return httpx.Response(404, json={"error_code": 404001, "error_message": "Not found."})

    def _told(self, number: int, status: str, **more: object) -> httpx.Response:
        links = {f"{name}_url": f"{ORIGIN}/v1/requests/{number}/{name}" for name in ("status", "result", "cancel")}
        told = {"request_id": str(number), "status": status, **links, **more}
        return httpx.Response(200, content=json.dumps(told), headers={"Content-Type": "application/json"})


@asynccontextmanager
async def opened(data: Path, service: Service) -> AsyncIterator[Engine]:
    """The engine over a data folder, its clocks those of the running loop."""
    most = 2 * max(ACTIVES)
    limits = Limits(active=most, active_per_visitor=most)
    settings = engine_settings(data, service, service_base=f"{ORIGIN}/v1", limits=limits, clock=VirtualClock())
    async with Engine(settings) as engine:
        yield engine


async def one_job(engine: Engine, number: int) -> Job:
    """From the click to the saved video, watched all along."""
    [job] = await engine.submit("ann", {**VALUES, "seed": number})
    async for seen in engine.watch(HOLDER, job.job_id):
        job = seen
    if job.state is not State.SUCCEEDED:
        raise RuntimeError(f"{job.state}: {job.failure}")
    return job


async def work(data: Path, clip: Path, active: int, jobs: int, takes_s: float) -> Cost:
    """So many jobs, in waves of `active`; starting and stopping the engine are not counted."""
    service = Service(clip, takes_s)
    async with opened(data, service) as engine:
        made = [await one_job(engine, 0)]  # the first time, much is still being loaded
        polls, began = service.polls, time.process_time()
        for first in range(0, jobs, active):
            made += await asyncio.gather(*(one_job(engine, first + number) for number in range(active)))
        spent_s, polls = time.process_time() - began, service.polls - polls
    for job in made:
        (data / "videos" / f"{job.share_id}.mp4").unlink()
        (data / "videos" / f"{job.share_id}.webp").unlink(missing_ok=True)  # posters follow
    count = len(made) - 1
    return Cost(spent_s * 1000 / count, polls / count)


class Setup:
    """A data folder with a past, the same at each use."""

    def __init__(self, folder: Path, rows: int, clip: Path) -> None:
        self.data, self._clip = folder / "data", clip
        write_past(
            self.data, [past_job(number, "ann", prompt=f"a lighthouse, take {number}") for number in range(rows)], clip
        )
        self._kept = folder / "kept.sqlite3"
        shutil.copyfile(self.data / "dreamina.sqlite3", self._kept)

    def cost(self, active: int, jobs: int, takes_s: float) -> Cost:
        for path in self.data.glob("dreamina.sqlite3*"):
            path.unlink()
        shutil.copyfile(self._kept, self.data / "dreamina.sqlite3")
        return run_virtually(work(self.data, self._clip, active, jobs, takes_s))


@dataclass(frozen=True, slots=True)
class Point:
    """The least of one size, per job, as whatever else runs only ever adds; `poll_ms` is what a poll costs."""

    size: int
    cpu_ms: float
    polls: float
    poll_ms: float

    @property
    def without_looks_ms(self) -> float:
        return self.cpu_ms - self.polls * self.poll_ms


def points(
    folder: Path, histories: Sequence[int], actives: Sequence[int], least: int, repeats: int
) -> list[list[Point]]:
    """Both series: by rows in history, and by jobs at once."""
    folder.mkdir(exist_ok=True)
    clip = make_clip(folder / "clip.mp4")
    setups = {rows: Setup(folder / str(rows), rows, clip) for rows in {*histories, AT_ONCE}}
    settings = [(rows, AT_ONCE) for rows in histories] + [(AT_ONCE, active) for active in actives]
    found: dict[tuple[int, int, float], list[Cost]] = {}
    order = random.Random(9)  # noqa: S311  an order, no secret
    every = [(rows, active, takes_s) for rows, active in dict.fromkeys(settings) for takes_s in (QUICK_S, LONG_S)]
    for _ in range(repeats):
        for rows, active, takes_s in order.sample(every, len(every)):
            cost = setups[rows].cost(active, max(active, least), takes_s)
            found.setdefault((rows, active, takes_s), []).append(cost)

    def point(size: int, rows: int, active: int) -> Point:
        quick, long = (found[rows, active, takes_s] for takes_s in (QUICK_S, LONG_S))
        quick_ms, long_ms = (min(cost.cpu_ms for cost in costs) for costs in (quick, long))
        polls, more = (statistics.median(cost.polls for cost in costs) for costs in (quick, long))
        return Point(size, quick_ms, polls, (long_ms - quick_ms) / (more - polls))

    return [
        [point(rows, rows, AT_ONCE) for rows in histories],
        [point(active, AT_ONCE, active) for active in actives],
    ]


def figures_of(series: Sequence[Sequence[Point]]) -> list[Figure]:
    """Each size beside the smallest; the promise is the largest's."""
    figures = []
    for what, found in zip(("{:,} rows in history", "{:,} jobs at once"), series, strict=True):
        for point in found:
            name, first = what.format(point.size), found[0]
            most = FLAT_MOST if point is found[-1] else None
            figures += [
                Figure(f"{name}: a job of {QUICK_S:g} s", "ms", point.cpu_ms, first.cpu_ms, ratio_most=most),
                Figure(
                    f"{name}: of that, without polls",
                    "ms",
                    point.without_looks_ms,
                    first.without_looks_ms,
                    ratio_most=most,
                ),
                Figure(f"{name}: a poll", "ms", point.poll_ms, first.poll_ms),
                Figure(f"{name}: polls per job", "polls", point.polls, first.polls),
            ]
    return figures


def drawn(series: Sequence[Sequence[Point]]) -> str:
    """Both series as one plot (SVG)."""
    names = ("rows in history", "jobs at once")
    lines = [
        Series(name, [(point.size, point.cpu_ms) for point in found]) for name, found in zip(names, series, strict=True)
    ]
    return plot(lines, "how many", "processor time per job, ms", "The cost of a job by the number of jobs")


def measured(folder: Path, short: bool, repeats: int) -> list[list[Point]]:
    if short:
        return points(folder, HISTORIES_SHORT, ACTIVES_SHORT, ACTIVES_SHORT[0], 1)
    return points(folder, HISTORIES, ACTIVES, JOBS_LEAST, repeats)


def measure(folder: Path, short: bool = False, repeats: int = 5) -> list[Figure]:
    return figures_of(measured(folder, short, repeats))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("--short", action="store_true", help="small sizes, once, to see that it runs")
    parser.add_argument("--repeats", type=int, default=5, help="rounds; the least counts")
    parser.add_argument(
        "--report", type=Path, help="a page of the documentation: the table goes into it, the plot beside it"
    )
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="dreamina-growth-") as folder:
        series = measured(Path(folder), args.short, args.repeats)
    repeats = 1 if args.short else args.repeats
    text = f"{machine()}; {repeats} rounds.\n\n{table(figures_of(series), 'measured', 'smallest')}"
    print(text)  # noqa: T201  what a benchmark is for
    if args.report:
        args.report.with_name("growth.svg").write_text(drawn(series), encoding="utf-8")
        picture = "![The cost of a job by rows in history and by jobs at once](growth.svg)"
        write_report(args.report, "growth", f"{picture}\n\n{text}")


if __name__ == "__main__":
    main()
