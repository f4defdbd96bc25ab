"""What a long history costs: `python -m benchmarks.history [--report docs/performance.md]`.

The program runs twice at once, as users start it: with an empty history, and with one of many videos of one visitor. Both are
asked in turn, so that other load on the machine affects both alike.
"""

import argparse
import random
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.figures import Figure, machine, p95, publish, table
from benchmarks.visits import Cost, MeasuredServer, Visit
from dreamina_ui.ui.prompting import EXAMPLES
from dreamina_ui.ui.sections.history import PAGE
from tests.filled import known_visitor, past_job, write_past
from tests.rig import RECORDS, make_clip, recorded

TIME_MOST, SIZE_MOST = 1.1, 1.2
PAGING_MOST_MS = 100.0
EVERYTHING = ("", "", "", "", "", "")
"""No search, no filter, no collection."""
MIDDLE = 200
RARE = "lonely"


@dataclass(frozen=True, slots=True)
class Running:
    """A program with its visitor; `load` is the number of the event by which the page fills itself."""

    server: MeasuredServer
    cookie: str
    visit: Visit
    load: int


def prompts(count: int) -> Iterator[str]:
    """As long as the examples are, around a hundred characters; one in a hundred has the rare word."""
    texts = [str(example["prompt"]) for example in EXAMPLES.values()]
    for number in range(count):
        yield f"{texts[number % len(texts)]}, take {number}" + (f", {RARE}" if number % 100 == 50 else "")


def furnished(folder: Path, jobs: int) -> tuple[MeasuredServer, str]:
    """A program, not started yet, with so many videos of one visitor, whose cookie is given, too."""
    data = folder / "data"
    visitor_id, cookie = known_visitor(data)
    made = [past_job(number, visitor_id, prompt=prompt) for number, prompt in enumerate(prompts(jobs))]
    record = made[-1] if made else past_job(0, visitor_id, prompt="nothing yet")
    clip = recorded(make_clip(folder / "clip.mp4"), RECORDS.of(record, record.finished_at or 0.0))
    write_past(data, made, clip)
    return MeasuredServer(folder), cookie


@contextmanager
def running(server: MeasuredServer, cookie: str) -> Iterator[Running]:
    server.start()
    try:
        with Visit(server, cookie) as visit:
            visit.settle()
            yield Running(server, cookie, visit, visit.event("load"))
    finally:
        server.stop()


def in_turn(pair: Sequence[Running], repeats: int, work: Callable[[Running], int]) -> list[list[Cost]]:
    """What the work costs in both programs; each time, the order is random."""
    costs: list[list[Cost]] = [[] for _ in pair]
    order = random.Random(7)  # noqa: S311  an order, no secret
    for program in pair:
        work(program)  # the first time, much is still being loaded
    for _ in range(repeats):
        for number in order.sample(range(len(pair)), len(pair)):
            costs[number].append(pair[number].visit.measured(partial(work, pair[number])))
    return costs


def opening(pair: Sequence[Running], repeats: int) -> list[Figure]:
    """Opening the page, without the pictures and with them."""
    figures = []
    for name, work, is_promised in (
        ("opening", lambda program: program.visit.open(program.load), True),
        ("opening, with posters", lambda program: program.visit.open(program.load) + program.visit.posters(), False),
    ):
        empty, full = in_turn(pair, repeats, work)
        for what, unit, most, read in (
            ("server time", "ms", TIME_MOST, lambda cost: cost.cpu_s * 1000),
            ("answer time", "ms", TIME_MOST, lambda cost: cost.clock_s * 1000),
            ("size", "bytes", SIZE_MOST, lambda cost: cost.sent),
        ):
            at_full, at_empty = (statistics.median(map(read, costs)) for costs in (full, empty))
            promise = most if is_promised else None
            figures.append(Figure(f"{name}: {what}", unit, at_full, at_empty, ratio_most=promise))
    return figures


def paging(program: Running, jobs: int, repeats: int) -> list[Figure]:
    """Through all pages, to and from one in the middle, a search and two filters."""
    visit, pages = program.visit, -(-jobs // PAGE)
    # The page asks for what it shows whenever this changes.
    shown = visit.event("change", "history-stale")

    def asked(page: int, *values: object) -> Cost:
        return visit.measured(lambda: visit.call(shown, [*values, *EVERYTHING[len(values) :], page * PAGE]))

    middle = min(MIDDLE, pages // 2)
    asked(0)
    turns = [asked(page) for page in range(1, pages)]
    around = [asked(page) for _ in range(repeats) for page in (middle + 1, middle)]
    costs_by_name = {
        f"turning to one of the {pages} pages": turns,
        f"turning around page {middle}": around,
        "a search that finds one in a hundred": [asked(0, RARE) for _ in range(repeats)],
        "a search that finds nothing": [asked(0, "no such words") for _ in range(repeats)],
        "a filter that nothing fits": [asked(0, "", "failed") for _ in range(repeats)],
    }
    figures = []
    for name, costs in costs_by_name.items():
        worked, waited = [cost.cpu_s * 1000 for cost in costs], [cost.clock_s * 1000 for cost in costs]
        figures += [
            Figure(f"{name}: server time, median", "ms", statistics.median(worked)),
            Figure(f"{name}: server time, 95 %", "ms", p95(worked), most=PAGING_MOST_MS),
            Figure(f"{name}: answer time, 95 %", "ms", p95(waited), most=PAGING_MOST_MS),
        ]
    return figures


def starting(pair: Sequence[tuple[MeasuredServer, str]], repeats: int) -> list[Figure]:
    """From nothing to an answered page; and once without its database, which is then made anew from the videos."""

    def work(server: MeasuredServer) -> float:
        server.start()
        spent = server.cpu_s
        server.stop()
        return spent

    spent: list[list[float]] = [[] for _ in pair]
    for _ in range(repeats):
        for number, (server, _cookie) in enumerate(pair):
            spent[number].append(work(server))
    empty, full = map(statistics.median, spent)
    for path in pair[1][0].data.glob("dreamina.sqlite3*"):
        path.unlink()
    rebuilt = work(pair[1][0])
    return [
        Figure("a start: server time", "s", full, empty),
        Figure("a start with a lost database: server time", "s", rebuilt, empty),
    ]


def measure(folder: Path, jobs: int, repeats: int) -> list[Figure]:
    furnishings = [furnished(folder / "empty", 0), furnished(folder / "full", jobs)]
    with ExitStack() as stack:
        pair = [stack.enter_context(running(*furnishing)) for furnishing in furnishings]
        figures = opening(pair, repeats) + paging(pair[1], jobs, repeats)
    return figures + starting(furnishings, max(1, repeats // 10))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.history", description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000, help="videos in the long history")
    parser.add_argument("--repeats", type=int, default=30, help="times that each thing is measured")
    parser.add_argument("--report", type=Path, help="a page of the documentation to write the table into")
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="dreamina-history-") as folder:
        figures = measure(Path(folder), args.jobs, args.repeats)
    text = f"{machine()}; {args.repeats} repeats.\n\n{table(figures, f'{args.jobs:,} videos', 'empty')}"
    publish("history", text, args.report)


if __name__ == "__main__":
    main()
