"""`python -m tests.soak`: kills, faults, an outage and takeovers; prints a table of each, or keeps them in a document."""

import argparse
import platform
import re
import sqlite3
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from importlib.metadata import version
from pathlib import Path

import psycopg

from dreamina_ui.crash_points import POINTS
from tests.crash.trial import Death, RandomKills, Service, Trial, Verdict, kill_at, kill_at_random, serving
from tests.databases import new_database, new_server
from tests.soak.faulty import Soak, soak
from tests.soak.outage import BURST, PER_S, Outage, Patience, outage, patience
from tests.soak.takeover import Takeover, takeover

STATES = ("succeeded", "failed", "cancelled", "uncertain")
PACKAGES = ("httpx", "SQLAlchemy", "psycopg", "av")
BEGIN, END = "<!-- figures -->", "<!-- /figures -->"


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--jobs", type=int, default=1000, help="in the soak")
    parser.add_argument("--kills", type=int, default=200, help="at random, after one at each point")
    parser.add_argument("--outage", type=float, default=600.0, metavar="SECONDS")
    parser.add_argument("--seed", type=int, default=20_260)
    parser.add_argument("--report", type=Path, help=f"a document to keep the tables in, between {BEGIN} and {END}")
    options = parser.parse_args(argv)
    if options.report and (problem := _why_not(options.report)):
        parser.error(problem)  # before ten minutes are spent, not after
    lies: list[str] = []
    parts: list[str] = []

    def tell(part: str, *verdicts: Verdict) -> None:
        print(part, end="\n\n", flush=True)
        parts.append(part)
        lies.extend(lie for verdict in verdicts for lie in verdict.lies)

    with tempfile.TemporaryDirectory(prefix="dreamina-soak-") as name:
        folder = Path(name)
        with new_server() as postgres:
            tell(_machine(postgres, options.seed))
            with _service(folder / "kills") as service:
                deaths = [_death(folder / "kills" / point, service, point) for point in POINTS]
                lies.extend(lie for death in deaths for lie in death.lies)
                with Trial(folder / "kills" / "random", service, "random") as trial:
                    killed = kill_at_random(trial, options.kills, options.seed)
                tell(_kill_table(deaths, killed), killed.verdict)
            soaked = soak(folder / "soak", options.jobs, options.seed)
            tell(_soak_table(soaked), soaked.verdict)
            away = outage(folder / "outage", 50, options.outage, options.seed)
            lies.extend([] if away.asked.total() <= away.bound else ["more requests than the bound"])
            tell(_outage_table(away, patience(folder / "patience")), away.verdict)
            with _service(folder / "takeover", render_s=12.0) as service, new_database(postgres) as url:
                taken = [
                    takeover(folder / "takeover" / "start", service, "SQLite, the same machine restarts", restart=True),
                    takeover(folder / "takeover" / "sqlite", service, "SQLite, a second replica is running"),
                    takeover(folder / "takeover" / "pg", service, "PostgreSQL, a second replica is running", url=url),
                ]
            tell(_takeover_table(taken), *(one.verdict for one in taken))
    if options.report:
        _keep(options.report, parts)
    sys.exit("\n".join(lies) if lies else 0)


def _service(folder: Path, render_s: float = 0.2) -> AbstractContextManager[Service]:
    folder.mkdir()
    return serving(folder, render_s)


def _death(folder: Path, service: Service, point: str) -> Death:
    with Trial(folder, service, point) as trial:
        return kill_at(trial, point, nth=2 if point == "mid_download" else 1)


def _machine(postgres: str, seed: int) -> str:
    with psycopg.connect(postgres) as connection:
        server = str(connection.info.server_version // 10_000) + f".{connection.info.server_version % 10_000}"
    cpu = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*: (.*)", cpu.read_text()) if cpu.exists() else []
    packages = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    return (
        f"{len(names) or '?'} × {names[0].strip() if names else platform.machine()}, {platform.system()}; "
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, PostgreSQL {server}, {packages}; seed {seed}."
    )


def _kill_table(deaths: Sequence[Death], killed: RandomKills) -> str:
    rows: list[Sequence[object]] = [
        (
            f"`{death.point}`",
            death.left,
            death.row.state,
            death.accepted,
            max(death.accepted - 1, 0),
            killed.where[death.point],
        )
        for death in deaths
    ]
    rows.append(("(by the clock)", "any", "", "", "", killed.where["by the clock"]))
    verdict = killed.verdict
    return "\n\n".join(
        (
            "### Kills",
            _table(("killed at", "row left", "ends as", "accepted", "paid twice", "random kills"), rows),
            f"The {killed.where.total()} random kills struck a studio that made {verdict.clicks} jobs; in the end:",
            _states(verdict),
        )
    )


def _soak_table(result: Soak) -> str:
    reasons = ", ".join(f"{count} × {state} ({code})" for (state, code), count in sorted(result.ends.items()) if code)
    struck = [(name, count) for name, count in result.struck.most_common()]
    return "\n\n".join(
        (
            "### Soak",
            f"{result.verdict.clicks} jobs, every tenth clicked twice at once; {result.requests} requests, {result.posts} "
            f"of them paid POSTs (the surplus was turned away by 429). Reasons: {reasons}. The longest wait for a "
            f"video was {result.longest_s:.0f} s of the virtual clock; the run took {result.took_s:.0f} s.",
            _states(result.verdict),
            _table(("what struck", "times"), struck),
        )
    )


def _outage_table(result: Outage, patient: Patience) -> str:
    stood = ", ".join(f"{count} `{state}`" for state, count in result.stood.most_common())
    row = (
        result.jobs,
        f"{result.seconds:.0f} s",
        result.asked["status"] + result.asked["result"],
        result.asked["output"],
        result.asked.total(),
        f"{result.bound:.0f}",
        result.verdict.states["succeeded"],
        f"{result.ended_after_s:.0f} s",
        result.posts,
    )
    head = (
        "jobs", "away for", "asked the API", "asked for videos", "requests", "bound", "succeeded", "the last, after",
        "paid POSTs",
    )  # fmt: skip
    return "\n\n".join(
        (
            "### Outage",
            f"When the service went away the jobs stood so: {stood}. The bound is jobs + {BURST} + {PER_S:g} × seconds.",
            _table(head, [row]),
            f"`Retry-After: {patient.asked_s:.0f}`, and a restart {patient.restarted_s:.0f} s later: asked again after "
            f"{patient.waited_s:.0f} s, and the job {patient.ended.state}.",
        )
    )


def _takeover_table(taken: Sequence[Takeover]) -> str:
    rows = [
        (one.how, one.jobs, f"{one.owned_s:.1f} s", f"{one.ended_s:.1f} s", one.posts, one.verdict.states["succeeded"])
        for one in taken
    ]
    head = ("the owner is killed", "jobs", "owned anew after", "all ended after", "paid POSTs", "succeeded")
    return "\n\n".join(("### Takeover", _table(head, rows)))


def _states(verdict: Verdict) -> str:
    rows = [
        (
            state,
            verdict.states[state],
            verdict.accepted[state, 0],
            verdict.accepted[state, 1],
            sum(count for (of, times), count in verdict.accepted.items() if of == state and times > 1),
        )
        for state in STATES
        if verdict.states[state]
    ]
    totals: Counter[int] = Counter()
    for row in rows:
        totals.update(dict(enumerate(row[1:])))
    rows.append(("all", totals[0], totals[1], totals[2], totals[3]))
    lies = "none" if not verdict.lies else "; ".join(verdict.lies)
    table = _table(("state", "jobs", "never accepted", "accepted once", "accepted twice"), rows)
    return f"{table}\n\nContradictions between rows, files and the service's ledger: {lies}."


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [" | ".join(head), " | ".join("---" for _ in head), *(" | ".join(map(str, row)) for row in rows)]
    return "\n".join(f"| {line} |" for line in lines)


def _why_not(document: Path) -> str:
    """Why the tables cannot be kept in this document; empty if they can."""
    try:
        text = document.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return f"--report {document} cannot be read: {error}"
    return "" if BEGIN in text and END in text else f"--report {document} lacks {BEGIN} and {END}"


def _keep(document: Path, parts: Sequence[str]) -> None:
    before, _, rest = document.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    document.write_text("\n\n".join((f"{before}{BEGIN}", *parts, f"{END}{after}")), encoding="utf-8")


if __name__ == "__main__":
    main()
