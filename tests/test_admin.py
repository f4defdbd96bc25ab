"""The owner's commands: their output, their changes, and their errors."""

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import pytest
from typer.testing import CliRunner, Result

from dreamina_ui.admin import _utc, commands
from dreamina_ui.errors import VisitorBlocked
from dreamina_ui.jobs import Job, State
from dreamina_ui.media.library import Library
from dreamina_ui.settings import KEY_NAMES
from dreamina_ui.storage.allowances import DAY_S, Allowances, Limits, midnight, month_start
from dreamina_ui.storage.database import Database
from dreamina_ui.storage.job_queries import JobQueries
from dreamina_ui.storage.job_store import JobStore
from dreamina_ui.storage.webhook_events import BatchAddress, WebhookEvents
from tests.rig import poster_of, rigged, video_of
from tests.servers import free_port
from tests.storage.test_job_store import NO_LIMIT, a_job, ended, sent

CANARY = "sk-canary-7f3a9b2c4d5e6f70"
ALL = [
    "today",
    "spending",
    "balance",
    "jobs",
    "uncertain",
    "allowances",
    "block ann",
    "unblock ann",
    "prune --older-than 30",
    "webhook list",
]


@dataclass(frozen=True)
class Owner:
    """The owner at a terminal, and the studio's database."""

    folder: Path
    database: Database
    store: JobStore
    library: Library

    def types(self, line: str) -> Result:
        return CliRunner().invoke(commands, line.split())

    def reads(self, line: str) -> str:
        result = self.types(line)
        assert result.exit_code == 0, result.output
        return result.stdout

    def holds(self, *jobs: Job) -> None:
        """Add the jobs as clicks do, then change them to these."""
        for job in jobs:
            self._hold(job)

    def _hold(self, job: Job) -> None:
        click = replace(job, state=State.WAITING, request_id=None, started_at=None, finished_at=None)
        asyncio.run(self.store.add([click]))
        asyncio.run(self.store.change(job.job_id, lambda _: job))

    def left(self) -> set[str]:
        return {job.job_id for job in asyncio.run(JobQueries(self.database).page("ann", limit=100))[0]}


@pytest.fixture
def owner(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Owner]:
    for name in [name for name in os.environ if name.startswith(("DREAMINA_", "RUNCOMFY_", "SPACE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DREAMINA_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("DREAMINA_DATABASE_URL", url)
    monkeypatch.setenv("RUNCOMFY_API_TOKEN", CANARY)
    monkeypatch.setenv("RUNCOMFY_MODEL_API_BASE", f"http://127.0.0.1:{free_port()}/v1")  # nobody listens there
    library = Library(tmp_path / "videos")
    library.prepare()
    with closing(Database(url)) as database:
        database.prepare()
        yield Owner(tmp_path, database, JobStore(database), library)


def paid(name: str, at: float | None = None, **values: Any) -> Job:
    """A finished video that was paid."""
    at = time.time() if at is None else at
    share_id = f"{int.from_bytes(name.encode()):032x}"
    standard = {"share_id": share_id, "backend": "runcomfy", "created_at": at, "cost_usd": 0.25}
    return replace(ended(sent(a_job(name, **{**standard, **values}))), finished_at=at)


# Looking


def test_todays_spending(owner: Owner) -> None:
    """Today's videos and dollars, by backend and kind of key; a resumed request is paid once."""
    owner.holds(
        paid("a"),
        paid("b", visitor_id="bob", cost_usd=None),
        paid("c", own_key=True),
        paid("d", backend="simulator", cost_usd=0.0),
        paid("of yesterday", midnight(time.time()) - 1),
        replace(paid("taken back", cost_usd=None), state=State.CANCELLED),
        replace(paid("given up"), state=State.FAILED, request_id="the same"),
    )
    asyncio.run(owner.store.add([replace(paid("found"), request_id="the same", click_id="resume given up 3")]))
    lines = [line.strip() for line in owner.reads("today").splitlines()[1:]]
    assert lines == [
        "runcomfy, shared key: 3 videos, $0.50, 1 without a known price",
        "runcomfy, own keys: 1 video, $0.25",
        "simulator: 1 video, free",
    ]


class Account(BaseHTTPRequestHandler):
    """Answers for the service's account, and with its key."""

    def do_GET(self) -> None:
        is_right = (self.path, self.headers["Authorization"]) == ("/prod/v2/balance", f"Bearer {CANARY}")
        body = json.dumps(
            {"balance_usd": "-1234.5"} if is_right else {"error_code": 400004, "message": CANARY}
        ).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def test_spending_by_model_and_key(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Today and this month, by model and by whose key; deleted videos count, too. Then the budget and the balance."""
    this_month, now = month_start(time.time()), time.time()
    owner.holds(
        paid("a"),
        paid("b", cost_usd=None, model_id="kling/v3"),
        paid("c", cost_usd=1.5, model_id="kling/v3"),
        paid("d", own_key=True, visitor_id="bob"),
        paid("e", backend="simulator", cost_usd=0.0),
        paid("at the beginning", this_month, cost_usd=1000.0, own_key=True),
        paid("of last month", this_month - 1),
        replace(paid("taken back", cost_usd=None, own_key=True), state=State.CANCELLED),
    )
    queries = JobQueries(owner.database)
    asyncio.run(queries.delete("bob", ["d"], now))
    asyncio.run(queries.forget(asyncio.run(queries.binned(now + 1)), made_before=now + 1))
    monkeypatch.setenv("DREAMINA_DAILY_BUDGET_USD", "2.50")
    with ThreadingHTTPServer(("127.0.0.1", 0), Account) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("RUNCOMFY_MODEL_API_BASE", f"http://127.0.0.1:{server.server_port}/v1")
        lines = owner.reads("spending").splitlines()
        assert owner.reads("balance") == "Balance of the shared key: -$1,234.50\n"
        server.shutdown()
    today, month = (
        lines.index(f"Today, since {_utc(midnight(now))}:"),
        lines.index(f"This month, since {_utc(this_month)}:"),
    )
    on_shared_key = [
        "  runcomfy, shared key, bytedance/dreamina: 1 video, $0.25",
        "  runcomfy, shared key, kling/v3: 2 videos, $1.50, 1 without a known price",
    ]
    own = [line for line in lines[today:month] if "own keys" in line]
    if midnight(now) != this_month:
        assert own == ["  runcomfy, own keys, bytedance/dreamina: 1 video, $0.25"]
    assert lines[today + 1 : today + 3] == lines[month + 1 : month + 3] == on_shared_key
    assert lines[month + 3 :] == [
        "  runcomfy, own keys, bytedance/dreamina: 2 videos, $1,000.25",
        "  simulator, bytedance/dreamina: 1 video, free",
        "  runcomfy, shared key, all models: 3 videos, $1.75, 1 without a known price",
        "Budget: $1.75 of $2.50 used today; 1 video of unknown price not counted",
        "Balance of the shared key: -$1,234.50",
    ]
    assert "Budget: $1.75 of $2.50 used today; 1 video of unknown price not counted" in owner.reads("allowances")


def test_a_balance_that_cannot_be_read(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sums are shown all the same; alone it is an error. Without a key, and with the simulator, nothing is asked."""
    owner.holds(paid("a"))
    lines = owner.reads("spending").splitlines()
    assert lines[1] == "  runcomfy, shared key, bytedance/dreamina: 1 video, $0.25"
    assert lines[-1].startswith("The balance cannot be read: ")
    failed = owner.types("balance")
    assert (failed.exit_code, failed.stdout) == (1, "")
    assert failed.stderr.startswith("That cannot be done: ")
    assert CANARY not in failed.output
    monkeypatch.setenv("DREAMINA_BACKEND", "simulator")
    assert owner.reads("balance") == "Balance: the simulator charges nothing\n"
    monkeypatch.setenv("DREAMINA_BACKEND", "runcomfy")
    monkeypatch.delenv("RUNCOMFY_API_TOKEN")
    assert owner.types("balance").stderr == "That cannot be done: there is no shared key\n"


def test_jobs_by_state(owner: Owner) -> None:
    """A line for each state that has jobs, in the order of `State`; and the oldest unfinished job."""
    owner.holds(paid("a"), paid("b"), ended(a_job("c"), State.UNCERTAIN))
    assert "Nothing is unfinished." in owner.reads("jobs")
    owner.holds(a_job("newer", created_at=2_000_000.0), sent(a_job("older", created_at=1_000_000.0)))
    lines = owner.reads("jobs").splitlines()
    assert [line.split() for line in lines[:-1]] == [
        ["waiting", "1"],
        ["in_queue", "1"],
        ["succeeded", "2"],
        ["uncertain", "1"],
    ]
    assert lines[-1] == "Oldest unfinished: older  in_queue  since 1970-01-12 13:46 UTC  visitor ann"


def test_uncertain_jobs(owner: Owner) -> None:
    """A line has id, time, visitor, request id and the start of the prompt, without control characters."""
    prompt = "a \x1b[31mred\x07 lighthouse \u202e and much more than would fit into a line of a table"
    lost = ended(a_job("lost", payload={"prompt": prompt}, submitted_at=1_000_000.0), State.UNCERTAIN)
    owner.holds(lost, replace(ended(a_job("noted"), State.UNCERTAIN), dismissed=True), paid("fine"))
    text = owner.reads("uncertain")
    assert "lost  1970-01-12 13:46 UTC  visitor ann  no request id  a  [31mred  lighthouse" in text
    assert "than would fit" not in text
    assert not set("\x1b\x07\u202e") & set(text)
    assert [line.endswith("(dismissed)") for line in text.splitlines() if line.startswith("noted")] == [True]
    assert "fine" not in text


def test_todays_allowances(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    """The uses and limits in all and of each visitor, the most first; and the blocked visitors."""
    monkeypatch.setenv("SPACE_ID", "me/studio")
    owner.holds(paid("a"), paid("b", visitor_id="bob"), paid("c", visitor_id="bob"), paid("d", own_key=True))
    owner.types("block cem --reason cats")
    lines = owner.reads("allowances").splitlines()
    assert lines[0].startswith("In all: 3 of 50 used; renews at ")
    assert lines[1:3] == ["  bob  2 of 3 used", "  ann  1 of 3 used"]
    assert lines[3].startswith("Blocked: cem since ")
    assert lines[3].endswith(": cats")
    monkeypatch.delenv("SPACE_ID")
    assert owner.reads("allowances").splitlines()[0].startswith("In all: 3 used, no limit; renews at ")


# Changing


def test_blocking_and_unblocking(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    """A block cancels a visitor's waiting jobs, which is told as any end, and refuses new clicks, until it is removed."""
    monkeypatch.setenv("DREAMINA_WEBHOOK_URL", "https://owner.example.net/")
    address = BatchAddress(url="https://a.example.net/", host="a.example.net", language="en", signer="ann")
    asyncio.run(owner.store.add([a_job("waits", batch_id="b", click_id="b")], webhook=address))
    assert owner.reads("block ann") == "ann is blocked; 1 waiting job cancelled.\n"
    ends = asyncio.run(WebhookEvents(owner.database).undelivered())
    assert sorted((event.event, event.host) for event in ends) == [
        ("batch.ended", ""),
        ("batch.ended", "a.example.net"),
    ]
    with pytest.raises(VisitorBlocked):
        asyncio.run(owner.store.add([a_job("click")], NO_LIMIT))
    assert owner.reads("unblock ann") == "ann is no longer blocked.\n"
    asyncio.run(owner.store.add([a_job("click")], NO_LIMIT))
    again = owner.types("unblock ann")
    assert (again.exit_code, again.stderr) == (1, "ann was not blocked.\n")
    assert "Nobody with this id has been here yet." in owner.reads("block nobody")


def test_pruning_removes_old_jobs(owner: Owner) -> None:
    """By default nothing is removed; with --yes rows, videos and posters are, but not of unfinished or uncertain jobs."""
    old, day_of = time.time() - 40 * DAY_S, "SELECT job_id FROM allowance_uses"
    gone = [paid("old", old), replace(paid("old and failed", old), state=State.FAILED)]
    kept = [
        paid("new"),
        paid("ended lately", time.time(), created_at=old),
        replace(paid("uncertain", old), state=State.UNCERTAIN),
        replace(paid("running", old), state=State.IN_PROGRESS, finished_at=None),
    ]
    owner.holds(*gone, *kept)
    for job in (*gone[:1], *kept):
        video_of(owner.library, job.share_id).write_bytes(b"v" * 1_500_000)
        poster_of(owner.library, job.share_id).write_bytes(b"p" * 100_000)
    names = {job.job_id for job in kept}
    for line in ("prune --older-than 30", "prune --older-than 30 --dry-run"):
        told = owner.reads(line)
        assert told.startswith("Would remove 2 jobs that ended before ")
        assert told.endswith(", with 1 video (1.6 MB). --yes does it.\n")
    assert owner.left() == names | {"old", "old and failed"}
    assert len(list(owner.library.folder.iterdir())) == 10
    assert owner.reads("prune --older-than 30 --yes").endswith(", with 1 video (1.6 MB).\n")
    assert owner.left() == names
    assert sorted(owner.library.share_ids()) == sorted(job.share_id for job in kept)
    assert len(list(owner.library.folder.glob("*.webp"))) == len(kept)
    assert "Removed 0 jobs" in owner.reads("prune --older-than 30 --yes")
    database = owner.database
    held = database.transact(lambda connection: set(connection.exec_driver_sql(day_of).scalars()))
    assert held == {"new", "ended lately", "uncertain", "running"} - {
        job.job_id for job in kept if job.created_at == old
    }


def test_pruning_a_days_videos_gives_nothing_back(owner: Owner) -> None:
    """The shortest time is a day, so today's uses remain."""
    owner.holds(paid("a"))
    assert owner.types("prune --older-than 0 --yes").exit_code == 2
    limits = Limits(9, 9, daily_per_visitor=3)
    allowances = Allowances(owner.database, limits, "runcomfy")
    asyncio.run(allowances.forget(time.time() + DAY_S))
    assert asyncio.run(allowances.left("ann")).per_visitor == 2


@pytest.mark.anyio
async def test_the_commands_work_while_the_studio_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While an engine runs a job, each command works, and the video is saved."""
    monkeypatch.setenv("DREAMINA_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("DREAMINA_DATABASE_URL", raising=False)
    async with rigged(tmp_path, render_s=0.5) as rig:
        job = await rig.until(await rig.submit("bob"), State.IN_PROGRESS)
        for line in ALL:
            result = await asyncio.to_thread(CliRunner().invoke, commands, line.split())
            assert result.exit_code == 0, result.output
        assert (await rig.finish(job)).state is State.SUCCEEDED
        assert video_of(rig.library, job.share_id).exists()


# Webhooks


class Receiver(BaseHTTPRequestHandler):
    """Answers with the status in the path's end."""

    asked: ClassVar[list[dict[str, Any]]]

    def do_POST(self) -> None:
        self.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(int(self.path[-3:]))
        self.end_headers()
        self.wfile.write(b"no\x1b[31m such topic")

    def log_message(self, *_: object) -> None:
        pass


def test_a_test_of_the_webhook(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence says what came back; of the address only the host is shown."""
    nothing = owner.types("webhook test")
    assert (nothing.exit_code, nothing.stderr) == (1, "DREAMINA_WEBHOOK_URL is not set, so nothing was sent.\n")
    Receiver.asked = []
    with HTTPServer(("127.0.0.1", 0), Receiver) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        host = f"127.0.0.1:{server.server_port}"
        monkeypatch.setenv("DREAMINA_TRUSTED_OUTPUT_ORIGINS", f"http://{host}")
        monkeypatch.setenv("DREAMINA_WEBHOOK_URL", f"http://{host}/{CANARY}/204")
        unsigned = "It was not signed: DREAMINA_WEBHOOK_SECRET is not set."
        assert (
            owner.reads("webhook test") == f"The test went to {host} as json, and the answer is HTTP 204. {unsigned}\n"
        )
        monkeypatch.setenv("DREAMINA_WEBHOOK_URL", f"http://{host}/{CANARY}/404")
        monkeypatch.setenv("DREAMINA_WEBHOOK_FORMAT", "slack")
        refused = owner.types("webhook test")
        server.shutdown()
    assert refused.exit_code == 1
    assert refused.stderr == f"The test went to {host} as slack, and the answer is HTTP 404: no[31m such topic.\n"
    assert [set(message) >= {"text"} for message in Receiver.asked] == [True, True]
    assert owner.types("webhook test").stderr == f"The test to {host} as slack got no answer: ConnectError.\n"


def test_messages_that_wait_or_were_given_up(owner: Owner) -> None:
    """A line each, the oldest first, without the address."""
    assert owner.reads("webhook list") == "Nothing waits, and nothing was given up.\n"
    address = BatchAddress(url=f"https://a.example.net/{CANARY}", host="a.example.net", language="en", signer="ann")
    for name in "bc":
        asyncio.run(owner.store.add([a_job(name, batch_id=name, click_id=name)], webhook=address))
        asyncio.run(owner.store.change(name, ended))
    events = WebhookEvents(owner.database)
    first, _ = asyncio.run(events.undelivered())
    asyncio.run(events.finish(first.event_id, answer="HTTP 500"))
    text = owner.reads("webhook list")
    lines = text.splitlines()
    assert len(lines) == 2
    assert lines[0].endswith("to a.example.net, visitor ann  0 tries (HTTP 500), given up")
    assert lines[1].endswith("to a.example.net, visitor ann  0 tries, next try at 2023-11-15 12:01 UTC")
    assert CANARY not in text


# Refusing


def broken(folder: Path) -> Path:
    path = folder / "notes.txt"
    path.write_text("not a database " * 1000)
    return path


@pytest.mark.parametrize("line", ALL)
@pytest.mark.parametrize(
    ("name", "value_in", "sentence"),
    [
        ("DREAMINA_DATABASE_URL", lambda folder: f"sqlite:///{broken(folder)}", "file is not a database"),
        ("DREAMINA_DATABASE_URL", lambda folder: f"sqlite:///{folder / 'none.sqlite3'}", "there is no database at"),
        ("DREAMINA_DATABASE_URL", lambda folder: f"sqlite:///{folder}", "unable to open database file"),
        ("DREAMINA_DATABASE_URL", lambda _: "sqlite://host:x/y", "the address of the database cannot be read"),
        ("DREAMINA_DATABASE_URL", lambda _: f"mysql://me:{CANARY}@host/db", "DREAMINA_DATABASE_URL is 'mysql'"),
        (
            "DREAMINA_DATABASE_URL",
            lambda _: f"postgresql+psycopg://me:{CANARY}@127.0.0.1:1/db?connect_timeout=5",
            "connection failed",
        ),
        ("DREAMINA_DAILY_LIMIT", lambda _: "many", "DREAMINA_DAILY_LIMIT is 'many'"),
        ("RUNCOMFY_API_TOKEN", lambda _: f"{CANARY} x", "RUNCOMFY_API_TOKEN is '(28 characters, not shown)'"),
    ],
    ids=["no database", "none there", "a folder", "no address", "other maker", "away", "bad limit", "bad key"],
)
def test_errors_are_one_sentence(
    line: str,
    name: str,
    value_in: Callable[[Path], str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An error is one line with exit code 1, without a traceback, key or password; no file is made."""
    monkeypatch.setenv("DREAMINA_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("RUNCOMFY_API_TOKEN", CANARY)
    monkeypatch.setenv(name, value_in(tmp_path))
    before = sorted(tmp_path.rglob("*"))
    result = CliRunner().invoke(commands, line.split())
    assert (result.exit_code, result.stdout, type(result.exception)) == (1, "", SystemExit)
    assert sentence in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert CANARY not in result.output
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        "block",
        "unblock",
        "prune",
        "prune --older-than x",
        "prune --older-than 0",
        "prune --older-than 99999",
        "block \x1b[31m",
        f"block {'x' * 201}",
        "block ann --reason \udcff",
        f"block ann --reason {'x' * 501}",
        "today extra",
        "prune --older-than 1 --yes --now",
    ],
)
def test_usage_errors(owner: Owner, line: str) -> None:
    """A usage error has exit code 2 and a hint, and changes nothing."""
    owner.holds(paid("a", 1_000_000.0))
    result = owner.types(line)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Usage:" in result.stderr
    assert (owner.left(), "Blocked" in owner.reads("allowances")) == ({"a"}, False)


def test_no_command_prints_a_key(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    """No command prints a key or secret from the settings."""
    for name in KEY_NAMES:
        monkeypatch.setenv(name, CANARY)
    monkeypatch.setenv("DREAMINA_SECRET", CANARY * 2)
    owner.holds(paid("a"), ended(a_job("b"), State.UNCERTAIN))
    for line in [*ALL, "--help", *(f"{line.split()[0]} --help" for line in ALL)]:
        assert CANARY not in owner.types(line).output


def test_as_a_program(tmp_path: Path) -> None:
    """`python -m dreamina_ui.admin` reads the environment, and does not import Gradio."""

    def program(*words: str) -> subprocess.CompletedProcess[str]:
        env = {
            "PATH": os.environ["PATH"],
            "DREAMINA_DATA_DIR": str(tmp_path),
            "PYTHONPROFILEIMPORTTIME": "1",
            "PYTHONIOENCODING": "latin-1",
        }
        command = [sys.executable, "-m", "dreamina_ui.admin", *words]
        root = Path(__file__).parents[1]
        return subprocess.run(command, env=env, cwd=root, capture_output=True, text=True, timeout=120)

    absent = program("today")
    errors = [line for line in absent.stderr.splitlines() if not line.startswith("import time:")]
    assert (absent.returncode, absent.stdout, errors) == (
        1,
        "",
        [f"That cannot be done: there is no database at {tmp_path / 'dreamina.sqlite3'}"],
    )
    assert "| gradio" not in absent.stderr.replace("|   ", "| ")
    with closing(Database(f"sqlite:///{tmp_path / 'dreamina.sqlite3'}")) as database:
        database.prepare()
        asyncio.run(
            JobStore(database).add(
                [ended(a_job("lost", payload={"prompt": "海"}, created_at=time.time()), State.UNCERTAIN)]
            )
        )
    assert (listed := program("uncertain")).returncode == 0  # though this terminal has no such letter
    assert "no request id" in listed.stdout
    found = program("today")
    assert (found.returncode, found.stdout.splitlines()[1:]) == (0, ["  simulator: 1 video, free"])
    assert program("nonsense").returncode == 2
