"""Many people who watch: `python -m benchmarks.watchers [--part 300 …] [--report docs/performance.md]`.

Our app, and a tuned and a naive app after Gradio's documentation, run one after another with the same service and the same load;
our app also with jobs that nobody watches. Each part tells its table as it ends, and is bounded in time.
"""

import argparse
import asyncio
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.clips import SIZES_MB
from benchmarks.figures import Figure, machine, p95, publish, table
from benchmarks.load import Load, Outcome, run, track
from benchmarks.programs import OURS, PROGRAMS

SIGMA = 0.15
USUAL_S = 18.0
JOBS = 5000
CORES_MOST, UNTENDED_MOST_MB = 1.0, 600.0


@dataclass(frozen=True, slots=True)
class Goals:
    """What is promised under a load: seconds and MB; None is no promise. With a peer, no cost may be above its."""

    median_s: float | None = None
    p95_s: float | None = None
    newcomer_s: float | None = None
    peak_mb: float | None = None
    at_most_peer: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """One table: ours under a load, beside a peer if one is named. Of a `brief` one, the news alone is told."""

    load: Load
    peer: str = ""
    goals: Goals = Goals()
    is_brief: bool = False

    @property
    def title(self) -> str:
        load = self.load
        size = "2.6 kB" if load.size_mb is None else f"{load.size_mb} MB"
        mix = "; of 20 visitors, 4 reload the page, 2 run a batch of 4, and 1 goes away" if load.is_mixed else ""
        return (
            f"{load.visitors:,} visitors within {load.within_s:g} s, jobs of {load.median_s:g} s (σ {load.sigma:g}), "
            f"videos of {size}{mix}; before them {load.warm_up} such jobs to learn from, not measured"
        )


PARTS: Mapping[str, Part] = {
    "300": Part(
        Load(300, 30, USUAL_S, SIGMA, 40, 3, is_mixed=True), "tuned", Goals(0.5, 1.5, peak_mb=350.0, at_most_peer=True)
    ),
    "1000": Part(
        Load(1000, 60, USUAL_S, SIGMA, 40, 3, is_mixed=True),
        "tuned",
        Goals(1.0, 4.0, newcomer_s=1.0, at_most_peer=True),
    ),
    "large": Part(Load(100, 30, USUAL_S, SIGMA, 40, 12, is_mixed=True), "tuned"),
    "small": Part(Load(300, 30, USUAL_S, SIGMA, 40), "tuned", is_brief=True),
    "naive": Part(Load(100, 10, USUAL_S, SIGMA, 40, 3), "naive"),
}
"""By name. The jobs that nobody watches are one more, `untended`."""
UNTENDED = "untended"
SHORT_LOAD = Load(20, 2, 3, SIGMA, warm_up=4, is_mixed=True)
IN_SHORT = ("300", "naive", UNTENDED)


def figures(part: Part, ours: Outcome, peer: Outcome | None) -> list[Figure]:
    """Ours beside a peer under the same load."""
    goals = part.goals

    def line(
        name: str,
        unit: str,
        read: Callable[[Outcome], float],
        most: float | None = None,
        least: float | None = None,
        *,
        costs: bool = False,
    ) -> Figure:
        ratio_most = 1.0 if costs and goals.at_most_peer else None
        return Figure(
            name, unit, read(ours), read(peer) if peer else None, ratio_most=ratio_most, most=most, least=least
        )

    def waits(read: Callable[[Outcome], list[float]], middle: Callable[[list[float]], float]) -> Callable[..., float]:
        return lambda outcome: middle(read(outcome) or [float("nan")])

    late, loaded, sent = (
        (lambda outcome: outcome.late_s),
        (lambda outcome: outcome.loaded_s),
        (lambda outcome: outcome.sent_s),
    )
    news = [
        line("visitors who got their video", "%", _served, least=100.0),
        line("the news after the service's end, median", "s", waits(late, statistics.median), goals.median_s),
        line("the news after the service's end, 95 %", "s", waits(late, p95), goals.p95_s),
    ]
    if part.is_brief:
        return news[1:]
    return [
        *news,
        line("the news after the service's end, last", "s", waits(late, max)),
        line("the whole video in the player, median", "s", waits(loaded, statistics.median)),
        line("the whole video in the player, 95 %", "s", waits(loaded, p95)),
        line("from the click to the service, median", "s", waits(sent, statistics.median), costs=True),
        line("from the click to the service, 95 %", "s", waits(sent, p95), costs=True),
        line("a newcomer's page, 95 %", "s", lambda outcome: p95(outcome.newcomers_s), goals.newcomer_s, costs=True),
        line("a newcomer's page, slowest", "s", lambda outcome: max(outcome.newcomers_s)),
        line("peak memory", "MB", lambda outcome: outcome.peak_mb, goals.peak_mb, costs=True),
        line("processor time per visitor", "ms", lambda outcome: 1000 * outcome.cpu_s, costs=True),
        line("charged for each video that was wanted", "videos", lambda outcome: outcome.charged),
        line("polls per job", "polls", lambda outcome: outcome.polls),
        line("messages per visitor", "messages", lambda outcome: outcome.messages),
        line("from the first arrival to the last end", "s", lambda outcome: outcome.wall_s),
        line("the load driver's share of a core", "%", lambda outcome: 100 * outcome.driver_share),
    ]


def _served(outcome: Outcome) -> float:
    return 100 * len(outcome.late_s) / outcome.awaiting


def watched(folder: Path, part: Part, programs: Sequence[str] = ()) -> str:
    """The titled table of one part."""
    outcomes = {
        name: asyncio.run(run(name, folder / name, part.load)) for name in programs or filter(None, (OURS, part.peer))
    }
    ours, peer = outcomes.get(OURS), outcomes.get(part.peer)
    first, second = (ours, peer) if ours else (peer, None)
    assert first is not None
    names = (OURS, part.peer) if ours and peer else (OURS if ours else part.peer, "")
    text = f"{part.title}.\n\n{table(figures(part, first, second), *names)}"
    for name, outcome in outcomes.items():
        text += "".join(
            f"\n\n{count} visitors of {name}: {problem}" for problem, count in outcome.problems.most_common(3)
        )
    return text


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
    names = (*PARTS, UNTENDED)
    parser.add_argument("--part", action="append", choices=names, help="only these; all without any")
    parser.add_argument("--short", action="store_true", help="a small load, to see that it runs")
    parser.add_argument("--programs", help=f"instead of ours and the part's peer: of {','.join(PROGRAMS)}")
    parser.add_argument("--visitors", type=int, help="instead of a part's: how many visitors")
    parser.add_argument("--within", type=float, help="seconds within which they arrive")
    parser.add_argument("--seconds", type=float, help="the median length of a job")
    parser.add_argument("--sigma", type=float, help="the spread of the log-normal lengths; 0 is none")
    parser.add_argument("--warm-up", type=int, help="jobs before the measured ones")
    parser.add_argument("--size", type=int, choices=(0, *SIZES_MB), help="million bytes of a video; 0 is 2.6 kB")
    parser.add_argument("--plain", action="store_true", help="every visitor waits for one video")
    parser.add_argument("--jobs", type=int, help=f"of {UNTENDED}: how many")
    parser.add_argument("--report", type=Path, help="a page of the documentation to write the tables into")
    args = parser.parse_args(arguments)
    programs = args.programs.split(",") if args.programs else ()
    for name in args.part or (IN_SHORT if args.short else names):
        with tempfile.TemporaryDirectory(prefix="dreamina-watchers-") as place:
            if name == UNTENDED:
                text = untended(Path(place), args.jobs or (20 if args.short else JOBS), short=args.short)
            else:
                part = _part(PARTS[name], args)
                text = watched(Path(place), part, programs)
        publish(f"watchers, {name}", f"{machine()}.\n\n{text}", args.report)


def _part(part: Part, args: argparse.Namespace) -> Part:
    """A part with what the command line sets otherwise, which then promises nothing."""
    load = SHORT_LOAD if args.short else part.load
    given = {"visitors": args.visitors, "within_s": args.within, "median_s": args.seconds, "sigma": args.sigma}
    given |= {"warm_up": args.warm_up, "is_mixed": False if args.plain else None}
    load = replace(load, **{name: value for name, value in given.items() if value is not None})
    if args.size is not None:
        load = replace(load, size_mb=args.size or None)
    return part if load == part.load else replace(part, load=load, goals=Goals())


if __name__ == "__main__":
    main()
