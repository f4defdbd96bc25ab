"""Workers that die, the simulator they ask, and its ledger, which judges what they say afterwards."""

import hashlib
import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa

from dreamina_ui.crash_points import POINTS
from dreamina_ui.errors import StoreError
from dreamina_ui.media.examine import examine
from dreamina_ui.media.kinds import MP4
from dreamina_ui.media.library import TIME_MOST_S, Library
from dreamina_ui.storage.database import Database
from dreamina_ui.storage.job_rows import jobs
from tests.crash.headless import sqlite_url
from tests.forked import Program
from tests.rig import make_clip
from tests.servers import SimulatorServer

__all__ = [
    "CERTAIN",
    "KILLED",
    "Death",
    "RandomKills",
    "Row",
    "Service",
    "Trial",
    "Verdict",
    "Worker",
    "judge",
    "kill_at",
    "kill_at_random",
    "serving",
]

KILLED = -signal.SIGKILL
TOKEN = "a-token-of-the-trial"
PATIENCE_S = 180.0
CERTAIN: Mapping[str, tuple[str, int]] = {
    "after_intent": ("uncertain", 0),
    "before_post": ("uncertain", 0),
    "after_post_before_id": ("uncertain", 1),
}
"""How a job ends that died there, and how many requests the service has accepted for it; elsewhere it succeeds with one."""
CLIP_BYTES = 3 * 2**20
"""Enough for four chunks of a download, so that one can be killed between two of them."""


@dataclass(frozen=True)
class Row:
    """A job as its row tells it; `code` is why it failed."""

    prompt: str
    state: str
    request_id: str | None
    code: str | None
    share_id: str
    generation: int = 0


@dataclass
class Verdict:
    """`lies` are the ways in which rows, files and the service's ledger disagree: there must be none."""

    states: Counter[str] = field(default_factory=Counter)
    accepted: Counter[tuple[str, int]] = field(default_factory=Counter)
    """By state: how many rows have how many accepted requests."""
    lies: list[str] = field(default_factory=list)

    @property
    def clicks(self) -> int:
        return self.states.total()


def judge(rows: Sequence[Row], requests: Sequence[Mapping[str, Any]], videos: Path) -> Verdict:
    """Compare ended jobs with the service's ledger and the files; each job has a prompt of its own."""
    verdict = Verdict()
    ledger: dict[str, list[Mapping[str, Any]]] = {}
    for request in requests:
        ledger.setdefault(str(request["input"]["prompt"]), []).append(request)
    if len({row.prompt for row in rows}) != len(rows):
        verdict.lies.append("one click made two rows")
    for row in rows:
        accepted = ledger.pop(row.prompt, [])
        verdict.states[row.state] += 1
        verdict.accepted[row.state, len(accepted)] += 1
        verdict.lies += [f"{row}: {lie}" for lie in _lies_of(row, accepted, videos)]
    verdict.lies += [f"the service has {prompt!r}, which no row knows" for prompt in ledger]
    kept = sorted(path.stem for path in videos.glob("*.mp4"))
    if kept != sorted(row.share_id for row in rows if row.state == "succeeded"):
        verdict.lies.append(f"the {len(kept)} files are not those of the videos that were saved")
    return verdict


def _lies_of(row: Row, accepted: Sequence[Mapping[str, Any]], videos: Path) -> Iterator[str]:
    if len(accepted) > 1:
        yield f"paid {len(accepted)} times"
    if row.request_id is not None and [request["request_id"] for request in accepted] != [row.request_id]:
        yield "another request than the service has"
    service = accepted[0]["state"] if accepted else None
    match row.state:
        case "succeeded":
            if problem := examine(videos / f"{row.share_id}.mp4", MP4).problem:
                yield f"no playable file ({problem})"
            if not (videos / f"{row.share_id}.webp").exists():
                yield "no poster"
            if service != "succeeded" or row.request_id is None:
                yield "the service did not make it"
        case "uncertain":
            if row.request_id is not None:
                yield "uncertain, with a request id"
        case "failed":
            if row.code == "generation_failed" and service != "failed":
                yield "the service did not fail"
            if accepted and row.request_id is None:
                yield "a paid request was forgotten"
        case "cancelled":
            if service not in (None, "cancelled"):
                yield "the service went on"
        case _:
            yield "it has not ended"


@dataclass(frozen=True)
class Service:
    """A simulator in a process of its own."""

    base: str

    def ledger(self, label: str = "") -> list[dict[str, Any]]:
        """The accepted requests of the clicks with this label, in order."""
        requests = self._call("GET", "ledger")["requests"]
        return [request for request in requests if str(request["input"]["prompt"]).startswith(label)]

    def posts(self) -> int:
        """How many paid POSTs came in, accepted or not."""
        return int(self._call("GET", "ledger")["counters"]["posts_received"])

    def strike(self, *faults: Mapping[str, Any]) -> None:
        self._call("POST", "faults", list(faults))

    def calm(self) -> None:
        self._call("DELETE", "faults")

    def _call(self, method: str, what: str, content: object = None) -> Any:
        address = self.base.removesuffix("/v1") + f"/_simulator/{what}"
        reply = httpx.request(method, address, json=content, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60)
        return reply.raise_for_status().json()


@contextmanager
def serving(folder: Path, render_s: float = 0.2, slots: int = 8) -> Iterator[Service]:
    """A simulator over a socket that hands out a small clip, blown up to a few megabytes."""
    clip = make_clip(folder / "clip.mp4")
    with clip.open("ab") as file:  # a box that players pass over
        file.write((CLIP_BYTES + 8).to_bytes(4, "big") + b"free" + bytes(CLIP_BYTES))
    options = ("--quick", str(render_s), "--clip", str(clip), "--slots", str(slots), "--queue", "0.1")
    server = SimulatorServer(folder, *options, "--token", TOKEN)
    base = server.start()
    try:
        yield Service(base)
    finally:
        server.stop()


class Worker:
    """`python -m tests.crash.worker`, with what it prints in files of its own."""

    def __init__(self, log: Path, options: Sequence[str]) -> None:
        self._out, self._err = log.with_suffix(".out"), log.with_suffix(".err")
        self._process = Program("tests.crash.worker", options, os.environ, self._out, self._err)

    @property
    def owner(self) -> str:
        """The name on its leases; empty before it has started."""
        said = self._out.read_text()
        return str(json.loads(said.splitlines()[0])["owner"]) if "\n" in said else ""

    @property
    def rows(self) -> list[Row]:
        return [Row(**json.loads(line)) for line in self._out.read_text().splitlines()[1:]]

    def wait(self) -> int:
        """Its exit code: 0, or `KILLED`; anything else is a fault of the test's."""
        code = self._process.wait(timeout=PATIENCE_S)
        assert code in (0, KILLED), self._err.read_text()
        return code

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(timeout=PATIENCE_S)


class Trial:
    """One data folder and its database, which outlive the workers over it."""

    def __init__(self, folder: Path, service: Service, label: str, *, url: str | None = None) -> None:
        self.service = service
        self.label = label
        self.folder = folder
        self.videos = folder / "data" / "videos"
        self._url = url
        self._workers: list[Worker] = []
        folder.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> "Trial":
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.kill()

    def start(self, *options: object) -> Worker:
        given = {"folder": self.folder / "data", "base": self.service.base, "key": TOKEN, "label": self.label}
        given |= {"database": self._url} if self._url else {}
        line = [str(word) for name, value in given.items() for word in (f"--{name}", value)]
        worker = Worker(self.folder / f"worker-{len(self._workers)}", [*line, *map(str, options)])
        self._workers.append(worker)
        return worker

    def run(self, *options: object) -> Worker:
        worker = self.start(*options)
        worker.wait()
        return worker

    def look(self, *columns: str) -> list[sa.Row[Any]]:
        """These columns of all rows, oldest first; none before there is a table."""
        query = sa.select(*(jobs.c[column] for column in columns)).order_by(jobs.c.created_at)
        with closing(Database(self._url or sqlite_url(self.folder / "data"))) as database, suppress(StoreError):
            return database.transact(lambda connection: list(connection.execute(query)))
        return []

    def judge(self, rows: Sequence[Row]) -> Verdict:
        verdict = judge(rows, self.service.ledger(self.label), self.videos)
        verdict.lies += [f"{name} is left for ever" for name in self._litter()]
        return verdict

    def _litter(self) -> list[str]:
        """What a start long after the last crash leaves lying about."""
        long_ago = time.time() - TIME_MOST_S * 3
        for part in self.videos.glob(".*"):
            os.utime(part, (long_ago, long_ago))
        Library(self.videos).prepare()
        owners = (self.folder / "data" / "owners").glob("*.lock")
        return [path.name for path in (*self.videos.glob(".*"), *owners)]


@dataclass(frozen=True)
class Death:
    """One kill at a named point: the row it left, and how the job ended after a restart."""

    point: str
    left: str
    row: Row
    accepted: int
    lies: Sequence[str]


def kill_at(trial: Trial, point: str, nth: int = 1, times: int = 1, picture: Path | None = None) -> Death:
    """Kill a worker with one job at the point, as often as told, then let another one finish.

    The job's `picture` is uploaded by the first worker alone.
    """
    click = ("--submit", 1, *(("--picture", picture) if picture else ()))
    for number in range(times):
        upload = ["--upload"] if picture and not number else []
        assert trial.start(*click, *upload, "--die-at", f"{point}:{nth}").wait() == KILLED
    [left] = trial.look("state")
    rows = trial.run(*click, "--until-idle").rows
    verdict = trial.judge(rows)
    requests = trial.service.ledger(trial.label)
    if picture is not None:
        sent = f"data:image/png;sha256,{hashlib.sha256(picture.read_bytes()).hexdigest()}"
        verdict.lies += [
            f"another picture was sent: {each}" for each in requests if each["input"]["image_urls"] != [sent]
        ]
    return Death(point, left.state, rows[0], len(requests), verdict.lies)


@dataclass(frozen=True)
class RandomKills:
    """Many kills of one studio; `where` counts them by the point they were aimed at, or by the clock."""

    seed: int
    where: Counter[str]
    verdict: Verdict


CLICKS = 3
TROUBLE: Sequence[Mapping[str, Any]] = (
    {"on": "status", "kind": "http_error", "code": 503, "probability": 0.1, "times": None, "seed": 1},
    {"on": "output", "kind": "cut_video", "probability": 0.05, "times": None, "seed": 2},
    {"on": "submit", "kind": "lose_answer", "probability": 0.02, "times": None, "seed": 3},
)


def kill_at_random(trial: Trial, kills: int, seed: int) -> RandomKills:
    """Kill a studio with several jobs under way, again and again, by the clock or at a point; then let it finish.

    Each worker repeats the clicks of the one before it, as a page does that was told nothing, and adds its own.
    """
    draw = random.Random(seed)
    where: Counter[str] = Counter()
    trial.service.strike(*({**fault, "seed": draw.randrange(2**31)} for fault in TROUBLE))
    first = 0
    while where.total() < kills:
        by_clock = draw.random() < 0.6
        point, nth = draw.choice(POINTS), draw.randint(1, CLICKS)
        after_s = draw.uniform(0.0, 1.2) if by_clock else 20.0
        aimed = [] if by_clock else ["--die-at", f"{point}:{nth}"]
        clicks = ("--first", max(0, first - CLICKS), "--submit", 2 * CLICKS if first else CLICKS)
        if trial.start(*clicks, "--until-idle", "--die-after", after_s, *aimed).wait() == KILLED:
            where["by the clock" if by_clock else point] += 1
        first += CLICKS
    trial.service.calm()
    last = trial.run("--first", max(0, first - CLICKS), "--submit", CLICKS, "--until-idle")
    return RandomKills(seed, where, trial.judge(last.rows))
