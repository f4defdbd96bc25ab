"""Many people who watch: `python -m benchmarks.watchers [--report docs/performance.md]`.

Our app, and a tuned and a naive app after Gradio's documentation, run one after another with the same service and the same load;
our app also with jobs that nobody watches.
"""

import argparse
import asyncio
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.figures import Figure, machine, p95, publish, table
from benchmarks.load import Load, Outcome, run, track
from benchmarks.programs import OURS, PROGRAMS

SIGMA = 0.15
MINUTE_S = 60.0
JOBS = 5000
CORES_MOST, UNTENDED_MOST_MB = 1.0, 600.0


@dataclass(frozen=True, slots=True)
class Goals:
    """What is promised under a load: seconds and MB; None is no promise."""

    median_s: float | None = None
    p95_s: float | None = None
    newcomer_s: float | None = None
    peak_mb: float | None = None


PROMISED: Mapping[tuple[int, float], Goals] = {
    (1000, 30.0): Goals(0.5, 1.5, newcomer_s=1.0, peak_mb=300.0),
    (2000, 60.0): Goals(p95_s=3.0),
}
"""By visitors and the seconds within which they come, with jobs of a minute."""


@dataclass(frozen=True, slots=True)
class Part:
    """One table: ours under a load, beside a peer if one is named."""

    load: Load
    peer: str = ""

    @property
    def title(self) -> str:
        load = self.load
        return (
            f"{load.visitors:,} visitors within {load.within_s:g} s, one job of {load.median_s:g} s (σ {load.sigma:g}) each"
            f"; before them {load.warm_up} such jobs to learn from, not measured"
        )


FULL = (
    Part(Load(1000, 30, MINUTE_S, SIGMA), "tuned"),
    Part(Load(2000, 60, MINUTE_S, SIGMA)),
    Part(Load(200, 6, MINUTE_S, SIGMA), "naive"),
)
SHORT_LOAD = Load(20, 2, 3, SIGMA, warm_up=4)
SHORT = (Part(SHORT_LOAD, "tuned"), Part(SHORT_LOAD, "naive"))


def figures(load: Load, ours: Outcome, peer: Outcome | None) -> list[Figure]:
    """Ours beside a peer under the same load."""
    goals = PROMISED.get((load.visitors, load.within_s), Goals()) if load.median_s == MINUTE_S else Goals()

    def line(
        name: str,
        unit: str,
        read: Callable[[Outcome], float],
        most: float | None = None,
        least: float | None = None,
    ) -> Figure:
        return Figure(name, unit, read(ours), read(peer) if peer else None, most=most, least=least)

    def waits(read: Callable[[Outcome], list[float]], middle: Callable[[list[float]], float]) -> Callable[..., float]:
        return lambda outcome: middle(read(outcome) or [float("nan")])

    late, sent = (lambda outcome: outcome.late_s), (lambda outcome: outcome.sent_s)
    return [
        line("visitors who got their video", "%", _served, least=100.0),
        line("the news after the service's end, median", "s", waits(late, statistics.median), goals.median_s),
        line("the news after the service's end, 95 %", "s", waits(late, p95), goals.p95_s),
        line("the news after the service's end, last", "s", waits(late, max)),
        line("from the click to the service, median", "s", waits(sent, statistics.median)),
        line("from the click to the service, 95 %", "s", waits(sent, p95)),
        line("a newcomer's page, 95 %", "s", lambda outcome: p95(outcome.newcomers_s)),
        line("a newcomer's page, slowest", "s", lambda outcome: max(outcome.newcomers_s), goals.newcomer_s),
        line("peak memory", "MB", lambda outcome: outcome.peak_mb, goals.peak_mb),
        line("processor time per visitor", "ms", lambda outcome: 1000 * outcome.cpu_s),
        line("polls per job", "polls", lambda outcome: outcome.polls),
        line("messages per visitor", "messages", lambda outcome: outcome.messages),
        line("from the first arrival to the last end", "s", lambda outcome: outcome.wall_s),
        line("the load driver's share of a core", "%", lambda outcome: 100 * outcome.driver_share),
    ]


def _served(outcome: Outcome) -> float:
    return 100 * len(outcome.late_s) / outcome.visitors


def watched(folder: Path, parts: Sequence[Part]) -> list[str]:
    """A titled table for each part; the same load is run once for each program."""
    outcomes: dict[tuple[str, Load], Outcome] = {}
    texts = []
    for part in parts:
        for name in filter(None, (OURS, part.peer)):
            if (name, part.load) not in outcomes:
                place = folder / f"{name}-{len(outcomes)}"
                outcomes[name, part.load] = asyncio.run(run(name, place, part.load))
        ours, peer = outcomes[OURS, part.load], outcomes.get((part.peer, part.load))
        text = f"{part.title}.\n\n{table(figures(part.load, ours, peer), OURS, part.peer)}"
        for name, outcome in ((OURS, ours), (part.peer, peer)):
            problems = outcome.problems.most_common(3) if outcome else []
            text += "".join(f"\n\n{count} visitors of {name}: {problem}" for problem, count in problems)
        texts.append(text)
    return texts


def untended(folder: Path, count: int, *, short: bool = False) -> str:
    """The titled table of jobs that nobody watches."""
    # Long enough for all of them to be sent before the first is done.
    median_s, window_s = (30.0, 3.0) if short else (120.0 + count * 0.12, 30.0)
    seen = asyncio.run(track(folder / "untended", count, median_s, window_s))
    promised = count == JOBS
    lines = [
        Figure("jobs under way", "jobs", seen.jobs),
        Figure("processor time by time", "cores", seen.cores, most=CORES_MOST if promised else None),
        Figure("peak memory", "MB", seen.peak_mb, most=UNTENDED_MOST_MB if promised else None),
        Figure("polls", "a second", seen.polls_s),
        Figure("sending all of them", "s", seen.sending_s),
        Figure("the load driver's share of a core", "%", 100 * seen.driver_share),
    ]
    title = f"{count:,} jobs that nobody watches, measured for {window_s:g} s while all of them run; nothing learned"
    return f"{title}.\n\n{table(lines, OURS)}"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.watchers", description=__doc__)
    parser.add_argument("--short", action="store_true", help="a small load, to see that it runs")
    parser.add_argument("--visitors", type=int, help="only this load, instead of the promised ones")
    parser.add_argument("--within", type=float, default=30.0, help="seconds within which they arrive")
    parser.add_argument("--seconds", type=float, default=60.0, help="the median length of a job")
    parser.add_argument("--sigma", type=float, default=SIGMA, help="the spread of the log-normal lengths; 0 is none")
    parser.add_argument("--warm-up", type=int, default=40, help="jobs before the measured ones")
    parser.add_argument("--programs", default=OURS, help=f"with --visitors: of {','.join(PROGRAMS)}")
    parser.add_argument("--no-watchers", type=int, metavar="JOBS", help="only so many jobs that nobody watches")
    parser.add_argument("--report", type=Path, help="a page of the documentation to write the tables into")
    args = parser.parse_args(arguments)
    steps: list[Callable[[Path], list[str]]] = []
    if args.visitors:
        load = Load(args.visitors, args.within, args.seconds, args.sigma, args.warm_up)
        peers = [name for name in args.programs.split(",") if name != OURS]
        steps.append(partial(watched, parts=[Part(load, peer) for peer in peers or [""]]))
    elif not args.no_watchers:
        steps.append(partial(watched, parts=SHORT if args.short else FULL))
    if args.no_watchers or not args.visitors:
        count = args.no_watchers or (20 if args.short else JOBS)
        steps.append(lambda folder: [untended(folder, count, short=args.short)])
    with tempfile.TemporaryDirectory(prefix="dreamina-watchers-") as folder:
        texts = [text for step in steps for text in step(Path(folder))]
    text = "\n\n".join([f"{machine()}.", *texts])
    publish("watchers", text, args.report)


if __name__ == "__main__":
    main()
