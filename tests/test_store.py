"""The store: rows come back as they went in, changes are whole or not at all, and a start tells what is wrong."""

import asyncio
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from dreamina_ui.errors import (
    DailyLimitReached,
    IllegalMove,
    JobNotFound,
    StoreError,
    StoreUnavailable,
    StoreUnusable,
    TooManyActive,
)
from dreamina_ui.jobs import TERMINAL, Failure, Job, State
from dreamina_ui.migrations import MIGRATIONS, Migration, migrate
from dreamina_ui.store import Limits, Store

pytestmark = pytest.mark.anyio

NO_LIMIT = Limits(active=10_000, active_per_visitor=10_000)
NOON = 1_700_049_600.0  # 12:00 UTC
PROMPT = "海の灯台 🌊 «l'été»\n\"quotes\" \\ ' ; DROP TABLE jobs; -- \u202e\u0000 e\u0301"


def a_job(job_id: str = "job-1", **values: Any) -> Job:
    standard: dict[str, Any] = {
        "share_id": f"share-of-{job_id}",
        "visitor_id": "ann",
        "backend": "simulator",
        "model_id": "bytedance/dreamina",
        "payload": {"prompt": "a lighthouse", "frames": 121, "seed": 7},
        "created_at": NOON,
    }
    return Job(job_id=job_id, **{**standard, **values})


def sent(job: Job) -> Job:
    return replace(job, state=State.IN_QUEUE, request_id=f"request-of-{job.job_id}", version=job.version + 1)


def ended(job: Job, state: State = State.SUCCEEDED) -> Job:
    return replace(job, state=state, finished_at=NOON + 60, version=job.version + 1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "dreamina.sqlite3"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with closing(Store(f"sqlite:///{path}")) as store:
        store.prepare()
        yield store


# Rows

FULL = a_job(
    payload={"prompt": PROMPT, "frames": 241, "seed": 2**31 - 1, "strength": 0.1, "flag": True, "nested": [None]},
    version=9,
    state=State.FAILED,
    request_id="67a3e0d5-0000",
    queue_position=3,
    outputs=("https://videos.example.com/a.mp4?sig=ä&x=1", "https://videos.example.com/b.mp4"),
    failure=Failure("generation_failed", "不適切 \ud800", {"status_code": 500, "hint": "é", "retry_s": 0.5}),
    cancel_requested=True,
    submitted_at=NOON + 0.125,
    started_at=NOON + 1 / 3,
    finished_at=NOON + 60.000001,
    width=1920,
    height=1088,
    duration_s=10.041666666666666,
    cost_usd=0.30000000000000004,
)


@pytest.mark.parametrize("job", [a_job(), FULL], ids=["fresh", "with everything"])
async def test_a_row_comes_back_as_it_went_in(store: Store, path: Path, job: Job) -> None:
    """Every field survives to the last digit and character, in this program and in the next start."""
    await store.add(job, NO_LIMIT)
    assert await store.get(job.job_id) == job
    assert await store.get_shared(job.share_id) == job
    with closing(Store(f"sqlite:///{path}")) as again:
        again.prepare()
        assert await again.get(job.job_id) == job


async def test_a_change_keeps_everything_it_says(store: Store) -> None:
    """What `change` gives is what it answers and what is read afterwards."""
    await store.add(a_job(), NO_LIMIT)
    assert await store.change("job-1", lambda _: FULL) == FULL
    assert await store.get("job-1") == FULL
    cleared = replace(FULL, failure=None, outputs=(), queue_position=None, version=10)
    await store.change("job-1", lambda _: cleared)
    assert await store.get("job-1") == cleared


async def test_an_unknown_row_is_not_found(store: Store) -> None:
    """Reading or changing what does not exist says so, and a job id is no share id."""
    await store.add(a_job(), NO_LIMIT)
    for unknown in ("", "nope", "share-of-job-1", "job-1' OR '1'='1"):
        with pytest.raises(JobNotFound):
            await store.get(unknown)
    with pytest.raises(JobNotFound):
        await store.get_shared("job-1")
    with pytest.raises(JobNotFound):
        await store.change("nope", lambda job: job)


async def test_a_page_is_the_visitors_own_newest_first(store: Store) -> None:
    """Pages follow each other without gaps or repeats, also where many jobs were made in the same moment."""
    for number in range(7):
        await store.add(a_job(f"{number}", created_at=NOON + number // 3), NO_LIMIT)
    await store.add(a_job("of bob", visitor_id="bob", created_at=NOON + 9), NO_LIMIT)
    pages = [[job.job_id for job in await store.page("ann", 3, offset)] for offset in (0, 3, 6, 9)]
    assert pages == [["6", "5", "4"], ["3", "2", "1"], ["0"], []]
    assert await store.page("nobody", 3, 0) == []


async def test_unfinished_jobs_are_all_that_have_not_ended(store: Store) -> None:
    """Every state but the last four is picked up at a start, oldest first and whoever's."""
    states = list(State)
    for number, state in enumerate(states):
        finished_at = NOON if state in TERMINAL else None
        job = a_job(state, state=state, finished_at=finished_at, created_at=NOON - number, visitor_id=state)
        await store.add(job, NO_LIMIT)
    open_states = [state for state in reversed(states) if state not in TERMINAL]
    assert [job.state for job in await store.unfinished()] == open_states


# Limits


@pytest.mark.parametrize(
    ("limits", "made", "error", "scope"),
    [
        (Limits(active=9, active_per_visitor=2), [a_job("a"), a_job("b")], TooManyActive, "visitor"),
        (Limits(active=2, active_per_visitor=2), [a_job("a"), a_job("b", visitor_id="bob")], TooManyActive, "all"),
        (Limits(9, 9, daily_per_visitor=1), [a_job("a")], DailyLimitReached, "visitor"),
        (Limits(9, 9, daily_per_visitor=1), [ended(sent(a_job("a")))], DailyLimitReached, "visitor"),
        (Limits(9, 9, daily_per_visitor=1), [ended(sent(a_job("a")), State.FAILED)], DailyLimitReached, "visitor"),
        (Limits(9, 9, daily_per_visitor=1), [ended(a_job("a"), State.UNCERTAIN)], DailyLimitReached, "visitor"),
        (Limits(9, 9, daily=1), [ended(sent(a_job("a", visitor_id="bob")))], DailyLimitReached, "all"),
        (Limits(9, 9, daily=0), [], DailyLimitReached, "all"),
    ],
)
async def test_a_limit_that_is_reached_makes_no_row(
    store: Store, limits: Limits, made: list[Job], error: type[TooManyActive], scope: str
) -> None:
    """A refused job leaves nothing behind, and the refusal names the limit."""
    for job in made:
        await store.add(job, NO_LIMIT)
    with pytest.raises(error) as caught:
        await store.add(a_job("one more"), limits)
    assert caught.value.facts["scope"] == scope
    with pytest.raises(JobNotFound):
        await store.get("one more")


@pytest.mark.parametrize(
    "made",
    [
        ended(sent(a_job("a")), State.CANCELLED),
        ended(a_job("a"), State.FAILED),
        ended(sent(a_job("a", created_at=NOON - 12 * 3600 - 1))),
        ended(sent(a_job("a", backend="runcomfy"))),
    ],
    ids=["taken back", "refused unpaid", "of yesterday", "of the other service"],
)
async def test_what_cost_nothing_today_leaves_the_day_free(store: Store, made: Job) -> None:
    """The day is one of UTC, and only what may have been paid at this service counts."""
    await store.add(made, NO_LIMIT)
    await store.add(a_job("one more"), Limits(active=1, active_per_visitor=1, daily=1, daily_per_visitor=1))
    assert (await store.get("one more")).job_id == "one more"


# Changes


async def test_a_change_that_raises_writes_nothing(store: Store) -> None:
    """What `change` raises comes through as it is, the row stays, and the store goes on."""
    await store.add(a_job(), NO_LIMIT)
    with pytest.raises(IllegalMove):
        await store.change("job-1", lambda job: job.move(State.SUCCEEDED))

    def half_way(job: Job) -> Job:
        job.move(State.SUBMITTING)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await store.change("job-1", half_way)
    assert await store.get("job-1") == a_job()
    assert (await store.change("job-1", sent)).state is State.IN_QUEUE


async def test_a_write_that_fails_half_way_writes_nothing(store: Store) -> None:
    """A row the database refuses leaves the one before it, and no transaction open."""
    await store.add(a_job(), NO_LIMIT)
    await store.add(a_job("job-2"), NO_LIMIT)
    with pytest.raises(StoreError):
        await store.change("job-2", lambda job: replace(job, share_id="share-of-job-1", state=State.SUBMITTING))
    with pytest.raises(StoreError):
        await store.add(a_job(), NO_LIMIT)
    assert await store.get("job-2") == a_job("job-2")


async def test_parallel_changes_all_count(store: Store, path: Path) -> None:
    """Fifty increments at once, through two stores on one file, lose none."""
    await store.add(a_job(queue_position=0), NO_LIMIT)

    def more(job: Job) -> Job:
        return replace(job, queue_position=(job.queue_position or 0) + 1)

    with closing(Store(f"sqlite:///{path}")) as other:
        changed = await asyncio.gather(*((store, other)[number % 2].change("job-1", more) for number in range(50)))
    assert sorted(job.queue_position or 0 for job in changed) == list(range(1, 51))
    assert (await store.get("job-1")).queue_position == 50


async def test_a_cancelled_asker_loses_no_write(store: Store) -> None:
    """A write goes to its end when its asker goes away, whether it had begun or was still waiting its turn."""
    await store.add(a_job("begun"), NO_LIMIT)
    await store.add(a_job("waiting"), NO_LIMIT)
    begun, go_on = threading.Event(), threading.Event()

    def slowly(job: Job) -> Job:
        begun.set()
        assert go_on.wait(30)
        return sent(job)

    askers = [
        asyncio.create_task(store.change("begun", slowly)),
        asyncio.create_task(store.change("waiting", sent)),
    ]
    assert await asyncio.to_thread(begun.wait, 30)
    for asker in askers:
        asker.cancel()
    assert [type(end) for end in await asyncio.gather(*askers, return_exceptions=True)] == [asyncio.CancelledError] * 2
    go_on.set()
    assert [(await store.get(job_id)).state for job_id in ("begun", "waiting")] == [State.IN_QUEUE] * 2


async def test_closing_waits_for_what_has_begun(store: Store, path: Path) -> None:
    """A write under way at the end of the program is in the file afterwards."""
    await store.add(a_job(), NO_LIMIT)
    begun, go_on = threading.Event(), threading.Event()

    def slowly(job: Job) -> Job:
        begun.set()
        assert go_on.wait(30)
        return sent(job)

    asker = asyncio.create_task(store.change("job-1", slowly))
    assert await asyncio.to_thread(begun.wait, 30)
    closed = asyncio.create_task(asyncio.to_thread(store.close))
    go_on.set()
    await closed
    await asker
    with closing(Store(f"sqlite:///{path}")) as again:
        assert (await again.get("job-1")).state is State.IN_QUEUE


# Opening


async def test_a_blank_file_becomes_a_database(path: Path) -> None:
    """An empty file, as `touch` or a cut-short first start leaves it, is as good as none."""
    path.touch()
    with closing(Store(f"sqlite:///{path}")) as store:
        store.prepare()
        await store.add(a_job(), NO_LIMIT)
        assert await store.unfinished() == [a_job()]


async def test_missing_folders_are_made(tmp_path: Path) -> None:
    """The first start makes the way to its file."""
    path = tmp_path / "new" / "folders" / "dreamina.sqlite3"
    with closing(Store(f"sqlite:///{path}")) as store:
        store.prepare()
    assert path.is_file()


def foreign_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE moz_places (id INTEGER PRIMARY KEY, url TEXT)")
        connection.commit()


def newer_database(path: Path) -> None:
    with closing(Store(f"sqlite:///{path}")) as store:
        store.prepare()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO schema_migrations VALUES ('9999_from_the_future', 0)")
        connection.commit()


def no_database(path: Path) -> None:
    path.write_bytes(b"My notes: call the bank.\n" * 100)


def cut_database(path: Path) -> None:
    with closing(Store(f"sqlite:///{path}")) as store:
        store.prepare()
    path.write_bytes(path.read_bytes()[:5000])


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (foreign_database, "another program"),
        (newer_database, "newer version"),
        (no_database, "not a database"),
        (cut_database, "malformed"),
    ],
)
def test_a_file_that_is_not_ours_is_refused_and_left_alone(path: Path, made: Any, says: str) -> None:
    """A database of another program, of a newer version, or none at all: one line says which, and no byte changes."""
    made(path)
    before = path.read_bytes()
    with closing(Store(f"sqlite:///{path}")) as store, pytest.raises(StoreUnusable) as caught:
        store.prepare()
    assert says in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite://me:hunter2@host/x.sqlite3",
        "postgresql+psycopg://me:hunter2@host:port/x",
        "hunter2",
    ],
)
def test_an_address_that_is_none_is_refused_without_its_password(url: str) -> None:
    """What cannot be a lasting database's address is refused in one line that repeats nothing of it."""
    with pytest.raises(StoreUnusable) as caught:
        Store(url)
    assert "hunter2" not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


async def test_a_locked_database_is_unavailable(store: Store, path: Path) -> None:
    """While another program holds the file, each use says so in one line, and all is well once it lets go."""
    await store.add(a_job(), NO_LIMIT)
    with (
        closing(Store(f"sqlite:///{path}", busy_timeout_s=0)) as hurried,
        closing(sqlite3.connect(path, isolation_level=None)) as other,
    ):
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreUnavailable, match=r"^database is locked$"):
            hurried.prepare()
        with pytest.raises(StoreUnavailable, match=r"^database is locked$"):
            await hurried.change("job-1", sent)
        other.execute("ROLLBACK")
        hurried.prepare()
        assert (await hurried.change("job-1", sent)).state is State.IN_QUEUE


async def test_a_busy_database_is_waited_for(store: Store, path: Path) -> None:
    """A lock that is let go within the busy timeout is outlived without anyone hearing of it."""
    await store.add(a_job(), NO_LIMIT)
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN EXCLUSIVE")
        asker = asyncio.create_task(store.change("job-1", sent))
        assert not (await asyncio.wait({asker}, timeout=0.2))[0]
        other.execute("ROLLBACK")
        assert (await asker).state is State.IN_QUEUE


@pytest.mark.parametrize("name", ["dreamina.sqlite3", "new/dreamina.sqlite3"])
def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path: Path, name: str) -> None:
    """A file where the folder should be is told in one line, and stays."""
    (tmp_path / "folder").write_text("mine")
    with pytest.raises(StoreUnavailable) as caught:
        Store(f"sqlite:///{tmp_path / 'folder' / name}")
    assert len(str(caught.value).splitlines()) == 1
    assert (tmp_path / "folder").read_text() == "mine"


def test_a_folder_in_the_files_place_is_unavailable(path: Path) -> None:
    """A folder where the database should be is told, and stays."""
    path.mkdir()
    with closing(Store(f"sqlite:///{path}")) as store, pytest.raises(StoreUnavailable, match="unable to open"):
        store.prepare()


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="/proc is where not even root can make a file")
def test_a_folder_that_cannot_be_written_is_unavailable() -> None:
    """Where no file can be made, one line says that it cannot be opened."""
    says = r"^unable to open database file$"
    with closing(Store("sqlite:////proc/self/dreamina.sqlite3")) as store, pytest.raises(StoreUnavailable, match=says):
        store.prepare()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_unavailable(path: Path) -> None:
    """A folder of somebody else's, to be read only, is told in one line."""
    path.parent.chmod(0o500)
    try:
        with closing(Store(f"sqlite:///{path}")) as store, pytest.raises(StoreUnavailable):
            store.prepare()
    finally:
        path.parent.chmod(0o700)


async def test_what_was_answered_for_survives_a_power_cut(store: Store) -> None:
    """The connection the store works with writes ahead, and waits for the disk at every commit."""

    def pragmas(connection: sa.Connection) -> tuple[object, ...]:
        names = ("journal_mode", "synchronous")
        return tuple(connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names)

    full = 2
    assert await store._run(pragmas) == ("wal", full)


# Migrations


def applied(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM schema_migrations ORDER BY name")]


def schema(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [sql for (sql,) in connection.execute("SELECT sql FROM sqlite_master WHERE sql NOT NULL ORDER BY name")]


def test_migrations_are_append_only(store: Store, path: Path) -> None:
    """These names are in people's files: the list grows at its end, and never otherwise."""
    names = [migration.name for migration in MIGRATIONS]
    assert names == ["0001_jobs"]
    assert applied(path) == names


async def test_preparing_twice_is_a_no_op(store: Store, path: Path) -> None:
    """A second start finds everything done: schema, record and rows stay."""
    await store.add(FULL, NO_LIMIT)
    before = schema(path), applied(path)
    store.prepare()
    with closing(Store(f"sqlite:///{path}")) as again:
        again.prepare()
    assert (schema(path), applied(path)) == before
    assert await store.get("job-1") == FULL


async def test_a_later_migration_keeps_the_rows(store: Store, path: Path) -> None:
    """A database of the version before gets what is new and keeps what it has; this version then refuses it."""
    await store.add(FULL, NO_LIMIT)
    later = [*MIGRATIONS, Migration("0002_later", ("ALTER TABLE jobs ADD COLUMN later TEXT",))]
    await store._run(lambda connection: migrate(connection, NOON, later))
    assert applied(path) == ["0001_jobs", "0002_later"]
    assert await store.get("job-1") == FULL
    with pytest.raises(StoreUnusable):
        store.prepare()


def test_a_migration_that_fails_leaves_nothing_behind(path: Path) -> None:
    """All of a start's migrations are one transaction: after a failure the file is as it was."""
    broken = [*MIGRATIONS, Migration("0002_broken", ("CREATE TABLE extra (id TEXT)", "CREATE NONSENSE"))]
    with closing(Store(f"sqlite:///{path}")) as store:
        with pytest.raises(StoreUnavailable):
            store._transact(lambda connection: migrate(connection, NOON, broken))
        assert schema(path) == []
        store.prepare()
    assert applied(path) == ["0001_jobs"]
