"""How long a start takes, and how much memory it uses: `python -m benchmarks.start [--short] [--report docs/performance.md]`.

Our app on the simulator, with new data each time, and an empty Gradio app take turns. From the start of the process, the page is
requested every 5 ms until it arrives.
"""

import argparse
import http.client
import random
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import Figure, machine, publish, table
from benchmarks.programs import OFFLINE, OURS, Measured
from tests.servers import free_port

__all__ = ["EMPTY", "PAIR", "Studio", "main", "measure", "running"]

EMPTY = "empty"
PAIR = (OURS, EMPTY)
SCRIPTS = {OURS: ["app.py"], EMPTY: ["-m", "benchmarks.peers.empty"]}
TIME_MOST, MEMORY_MOST = 1.15, 1.3
ASKED_EVERY_S = 0.005
REST_S = 1.0
"""Seconds from the first page until the memory is measured."""
START_MOST_S = 120.0
DEAREST = 10
IMPORTED = re.compile(r"import time: +(\d+) \| +\d+ \| +([\w.]+)$", re.MULTILINE)
"""The module's own microseconds, and its name."""


@dataclass(frozen=True, slots=True)
class Start:
    """Seconds to the first page; then, at rest, the memory in MB: its own with its share of what others use, too; and all."""

    first_s: float
    pss_mb: float
    rss_mb: float


class Studio(Measured):
    """One of `PAIR`, with its data and its log in `folder`; `options` are the interpreter's."""

    def __init__(self, name: str, folder: Path, *options: str) -> None:
        self.port = free_port()
        for place in (folder, folder / "tmp"):
            place.mkdir(parents=True)
        settings = {
            **OFFLINE,
            "DREAMINA_BACKEND": "simulator",
            "DREAMINA_DATA_DIR": str(folder / "data"),
            "GRADIO_SERVER_PORT": str(self.port),
            "TMPDIR": str(folder / "tmp"),
        }
        super().__init__(folder / "server.log", [sys.executable, *options, *SCRIPTS[name]], settings)


@contextmanager
def running(name: str, folder: Path, *options: str) -> Iterator[Studio]:
    server = Studio(name, folder, *options)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def started(name: str, folder: Path) -> Start:
    """One start, from nothing to rest."""
    server = Studio(name, folder)
    with ThreadPoolExecutor(1) as asking:
        # It asks from before the process is there, so that nothing is missed while the address is waited for.
        began = time.perf_counter()
        answer = asking.submit(_first_page, server.port)
        server.start()
        try:
            first = answer.result()
            time.sleep(max(0.0, first + REST_S - time.perf_counter()))
            pss_mb, rss_mb = _memory(server.pid)
        finally:
            server.stop()
    return Start(first - began, pss_mb, rss_mb)


def measure(folder: Path, short: bool = False, repeats: int = 7) -> list[Figure]:
    """The medians of both, in an order drawn anew each time."""
    order = random.Random(9)  # noqa: S311  an order, no secret
    found: dict[str, list[Start]] = {name: [] for name in PAIR}
    if not short:
        for name in PAIR:
            started(name, folder / f"warm-{name}")  # the first time, Python compiles
    for turn in range(1 if short else repeats):
        for name in order.sample(PAIR, len(PAIR)):
            found[name].append(started(name, folder / f"{name}-{turn}"))

    def figure(what: str, unit: str, read: Callable[[Start], float], most: float | None = None) -> Figure:
        ours, empty = (statistics.median(map(read, found[name])) for name in PAIR)
        return Figure(what, unit, ours, empty, ratio_most=most)

    return [
        figure("from the start to the first page", "s", lambda start: start.first_s, TIME_MOST),
        figure("memory at rest, what is shared divided", "MB", lambda start: start.pss_mb, MEMORY_MOST),
        figure("memory at rest, what is shared counted whole", "MB", lambda start: start.rss_mb),
    ]


def imports(folder: Path) -> list[Figure]:
    """What our imports cost until the page is served, beyond the modules that the empty app imports: by package."""
    rounds = 3
    modules: dict[str, dict[str, float]] = {}
    for turn in range(rounds):
        for name in PAIR:
            with running(name, folder / f"imports-{name}-{turn}", "-X", "importtime") as server:
                spent = {module: int(own_us) / 1000 for own_us, module in IMPORTED.findall(server.log)}
            # Of several rounds the least: what else runs only ever slows down.
            known = modules.setdefault(name, spent)
            known.update({module: min(ms, known.get(module, ms)) for module, ms in spent.items()})
    ours, empty = modules[OURS], modules[EMPTY]
    packages: dict[str, list[float]] = {}
    for module, ms in ours.items():
        if module not in empty:
            packages.setdefault(module.partition(".")[0], []).append(ms)
    dearest = sorted(packages, key=lambda package: -sum(packages[package]))[:DEAREST]
    return [
        Figure("all imports", "ms", sum(ours.values()), sum(empty.values())),
        Figure("beyond the empty app's", "ms", sum(map(sum, packages.values()))),
        *(Figure(f"{name}, {len(packages[name])} modules", "ms", sum(packages[name])) for name in dearest),
    ]


def _first_page(port: int) -> float:
    """When the first 200 came, by `perf_counter`. Raises `TimeoutError`."""
    end = time.perf_counter() + START_MOST_S
    while time.perf_counter() < end:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=START_MOST_S)
        try:
            connection.request("GET", "/")
            answer = connection.getresponse()
            answer.read()
            if answer.status == http.client.OK:
                return time.perf_counter()
        except (OSError, http.client.HTTPException):
            pass  # nobody listens yet
        finally:
            connection.close()
        time.sleep(ASKED_EVERY_S)
    raise TimeoutError(f"no page on port {port} within {START_MOST_S:g} s")


def _memory(pid: int) -> tuple[float, float]:
    """PSS and RSS in MB."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    kilobytes = dict(re.findall(r"^(\w+): +(\d+) kB", text, re.MULTILINE))
    return int(kilobytes["Pss"]) / 1024, int(kilobytes["Rss"]) / 1024


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.start", description=__doc__)
    parser.add_argument("--short", action="store_true", help="one start of each, to see that it runs")
    parser.add_argument("--repeats", type=int, default=7, help="starts of each; the median counts")
    parser.add_argument("--report", type=Path, help="a page of the documentation to write the tables into")
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="dreamina-start-") as folder:
        figures = measure(Path(folder), args.short, args.repeats)
        costs = [] if args.short else imports(Path(folder))
    text = f"{machine()}; {1 if args.short else args.repeats} starts of each.\n\n{table(figures, OURS, EMPTY)}"
    if costs:
        text += "\n\nWhat imports cost by themselves, as Python measures it (which makes them slower).\n\n"
        text += table(costs, OURS, EMPTY)
    publish("start", text, args.report)


if __name__ == "__main__":
    main()
