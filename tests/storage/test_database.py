"""The database: what a start makes of whatever lies at its address, what it says when it cannot, and its migrations."""

import asyncio
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from dreamina_ui.errors import StoreError, StoreUnavailable, StoreUnusable
from dreamina_ui.jobs import Failure, Job, State
from dreamina_ui.storage.database import Database
from dreamina_ui.storage.job_rows import jobs as rows
from dreamina_ui.storage.job_rows import values_of
from dreamina_ui.storage.job_store import JobStore
from dreamina_ui.storage.migrations import MIGRATIONS, Migration, migrate
from tests.databases import new_database
from tests.storage.test_job_store import FULL, NO_LIMIT, NOON, a_job, sent

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "dreamina.sqlite3"


def at(path: Path, **options: Any) -> "closing[Database]":
    return closing(Database(f"sqlite:///{path}", **options))


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    with at(path) as database:
        database.prepare()
        yield database


@pytest.fixture
def store(database: Database) -> JobStore:
    return JobStore(database)


# Opening


async def test_a_blank_file_becomes_a_database(path: Path) -> None:
    """An empty file becomes a database."""
    path.touch()
    with at(path) as database:
        database.prepare()
        store = JobStore(database)
        await store.add([a_job()], NO_LIMIT)
        assert await store.unfinished() == [a_job()]


async def test_missing_folders_are_made(tmp_path: Path) -> None:
    """The first start makes the folders of its file."""
    path = tmp_path / "new" / "folders" / "dreamina.sqlite3"
    with at(path) as database:
        database.prepare()
    assert path.is_file()


def foreign_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE moz_places (id INTEGER PRIMARY KEY, url TEXT)")
        connection.commit()


def newer_database(path: Path) -> None:
    with at(path) as database:
        database.prepare()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO schema_migrations VALUES ('9999_from_the_future', 0)")
        connection.commit()


def no_database(path: Path) -> None:
    path.write_bytes(b"My notes: call the bank.\n" * 100)


def cut_database(path: Path) -> None:
    with at(path) as database:
        database.prepare()
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
def test_another_programs_file_is_refused_and_unchanged(path: Path, made: Any, says: str) -> None:
    """For a database of another program or a newer version, or another file, the error is one line, and the file is unchanged."""
    made(path)
    before = path.read_bytes()
    with at(path) as database, pytest.raises(StoreUnusable) as caught:
        database.prepare()
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
def test_an_invalid_url_is_refused_without_its_password(url: str) -> None:
    """The error is one line that contains nothing of the URL."""
    with pytest.raises(StoreUnusable) as caught:
        Database(url)
    assert "hunter2" not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


async def test_a_locked_database_is_unavailable(store: JobStore, path: Path) -> None:
    """While another program locks the file, each use raises a one-line error; afterwards it works again."""
    await store.add([a_job()], NO_LIMIT)
    says = r"^database is locked$"
    with at(path, busy_timeout_s=0) as hurried, closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreUnavailable, match=says):
            hurried.prepare()
        with pytest.raises(StoreUnavailable, match=says):
            await JobStore(hurried).change("job-1", sent)
        other.execute("ROLLBACK")
        hurried.prepare()
        assert (await JobStore(hurried).change("job-1", sent)).state is State.IN_QUEUE


async def test_a_write_waits_for_a_busy_database(store: JobStore, path: Path) -> None:
    """A lock that is released within the busy timeout causes no error."""
    await store.add([a_job()], NO_LIMIT)
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN EXCLUSIVE")
        asker = asyncio.create_task(store.change("job-1", sent))
        assert not (await asyncio.wait({asker}, timeout=0.2))[0]
        other.execute("ROLLBACK")
        assert (await asker).state is State.IN_QUEUE


@pytest.mark.parametrize("name", ["dreamina.sqlite3", "new/dreamina.sqlite3"])
def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path: Path, name: str) -> None:
    """For a file instead of the folder, the error is one line, and the file remains."""
    (tmp_path / "folder").write_text("mine")
    with pytest.raises(StoreUnavailable) as caught:
        at(tmp_path / "folder" / name)
    assert len(str(caught.value).splitlines()) == 1
    assert (tmp_path / "folder").read_text() == "mine"


def test_a_folder_instead_of_the_file_is_unavailable(path: Path) -> None:
    """For a folder instead of the database, there is an error, and the folder remains."""
    path.mkdir()
    with at(path) as database, pytest.raises(StoreUnavailable, match="unable to open"):
        database.prepare()


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="/proc is where not even root can make a file")
def test_a_folder_that_cannot_be_written_is_unavailable() -> None:
    """If no file can be made, the error is one line."""
    path = Path("/proc/self/dreamina.sqlite3")
    with at(path) as database, pytest.raises(StoreUnavailable, match=r"^unable to open database file$"):
        database.prepare()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_unavailable(path: Path) -> None:
    """For a read-only folder, the error is one line."""
    path.parent.chmod(0o500)
    try:
        with at(path) as database, pytest.raises(StoreUnavailable):
            database.prepare()
    finally:
        path.parent.chmod(0o700)


async def test_reads_cannot_write(url: str) -> None:
    """The database refuses a write in `read`, which would not go through the one writer."""
    with closing(Database(url)) as database:
        database.prepare()
        write = sa.text("DELETE FROM jobs")
        with pytest.raises(StoreError):
            await database.read(lambda connection: connection.execute(write).rowcount)
        assert await database.run(lambda connection: connection.execute(write).rowcount) == 0
        assert await database.read(lambda connection: connection.scalar(sa.text("SELECT count(*) FROM jobs"))) == 0


async def test_commits_survive_a_power_cut(database: Database) -> None:
    """The connection uses the write-ahead log and syncs at every commit."""

    def pragmas(connection: sa.Connection) -> tuple[object, ...]:
        names = ("journal_mode", "synchronous")
        return tuple(connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names)

    full = 2
    assert await database.run(pragmas) == ("wal", full)


# Replicas of PostgreSQL's


async def test_a_connection_that_dies_is_replaced(postgres: str, postgres_url: str) -> None:
    """A transaction whose connection the server dropped fails and writes nothing; the next one succeeds."""
    with closing(Database(postgres_url)) as database:
        database.prepare()
        store = JobStore(database)
        await store.add([a_job()], NO_LIMIT)
        begun, go_on = threading.Event(), threading.Event()

        def slowly(job: Job) -> Job:
            begun.set()
            assert go_on.wait(30)
            return sent(job)

        asker = asyncio.create_task(store.change("job-1", slowly))
        assert await asyncio.to_thread(begun.wait, 30)
        with psycopg.connect(postgres, autocommit=True) as connection:
            name = sa.make_url(postgres_url).database
            ended = connection.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s", [name]
            )
            assert all(row == (True,) for row in ended)
        go_on.set()
        with pytest.raises(StoreUnavailable):
            await asker
        assert await store.get("job-1") == a_job()
        assert (await store.change("job-1", sent)).state is State.IN_QUEUE


async def test_an_unreachable_server_is_unavailable(tmp_path: Path) -> None:
    """The error is one line without the password."""
    address = f"postgresql+psycopg://me:hunter2@/dreamina?host={tmp_path}"
    with closing(Database(address)) as database, pytest.raises(StoreUnavailable) as caught:
        database.prepare()
    assert "hunter2" not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


# Migrations

# A released migration is in people's files: its name and the rows it knew are written out here, for good.
ROWS_OF = {
    "0001_jobs": """
        INSERT INTO jobs (job_id, share_id, visitor_id, backend, model_id, payload, state, request_id, queue_position,
            outputs, failure, cancel_requested, created_at, version, submitted_at, started_at, finished_at, width,
            height, duration_s, cost_usd)
        VALUES
            ('old-1', 'share-1', 'ann', 'simulator', 'bytedance/dreamina', '{"prompt": "a lighthouse", "seed": 7}',
             'in_progress', 'request-1', NULL, '[]', NULL, FALSE, 1700000000.5, 4, 1700000001.25, 1700000002.0, NULL,
             NULL, NULL, NULL, NULL),
            ('old-2', 'share-2', 'bob', 'runcomfy', 'bytedance/dreamina', '{"prompt": "海", "seed": 8}',
             'failed', 'request-2', NULL, '["https://videos.example.com/a.mp4"]',
             '{"code": "generation_failed", "message": "nsfw", "facts": {"status_code": 500}}', TRUE, 1700000003.0, 9,
             1700000004.0, 1700000005.0, 1700000006.125, 1440, 1440, 5.04, 0.3)
    """,
    "0002_clicks_and_leases": """
        INSERT INTO jobs (job_id, share_id, visitor_id, click_id, variation, backend, model_id, payload, state, request_id,
            outputs, failure, not_before, cancel_requested, cancel_outcome, dismissed, created_at, version, submitted_at,
            generation, lease_owner, lease_until)
        VALUES
            ('old-1', 'share-1', 'ann', 'click-1', 1, 'runcomfy', 'bytedance/dreamina',
             '{"prompt": "Zwei Boote", "aspect_ratio": "1440×1440(1:1)", "frames": 121}', 'in_queue', 'request-1', '[]',
             '{"code": "unavailable", "message": "", "facts": {}}', 1700000009.5, TRUE, 'not_cancellable', FALSE,
             1700000000.5, 4, 1700000001.25, 3, 'somebody', 1700000015.0)
    """,
    "0003_history": """
        INSERT INTO jobs (job_id, share_id, visitor_id, click_id, variation, backend, model_id, payload, state, request_id,
            outputs, failure, cancel_requested, dismissed, created_at, version, submitted_at, finished_at, width, height,
            duration_s, generation, prompt, aspect_ratio, frames, deleted_at)
        VALUES
            ('old-1', 'share-1', 'ann', 'click-1', 0, 'simulator', 'bytedance/dreamina',
             '{"prompt": "Zwei Boote", "aspect_ratio": "1440×1440(1:1)", "frames": 121}', 'in_progress', 'request-1', '[]',
             NULL, FALSE, FALSE, 1700000000.5, 5, 1700000001.25, NULL, 1440, 1440, NULL, 1, 'zwei boote',
             '1440×1440(1:1)', 121, NULL),
            ('old-2', 'share-2', 'ann', 'click-1', 1, 'simulator', 'bytedance/dreamina',
             '{"prompt": "Zwei Boote", "aspect_ratio": "1440×1440(1:1)", "frames": 121}', 'succeeded', 'request-2', '[]',
             NULL, FALSE, FALSE, 1700000000.5, 7, 1700000001.25, 1700000009.0, 1440, 1440, 5.04, 1, 'zwei boote',
             '1440×1440(1:1)', 121, 1700000010.0)
    """,
    "0004_batches": """
        INSERT INTO jobs (job_id, share_id, visitor_id, click_id, variation, batch_id, held, backend, model_id, payload, state,
            request_id, outputs, cancel_requested, dismissed, created_at, version, submitted_at, finished_at, generation,
            prompt)
        VALUES
            ('old-1', 'share-1', 'ann', 'batch batch-1', 0, 'batch-1', TRUE, 'simulator', 'bytedance/dreamina',
             '{"prompt": "Zwei Boote"}', 'in_progress', 'request-1', '[]', FALSE, FALSE, 1700000000.5, 5, 1700000001.25,
             NULL, 1, 'zwei boote'),
            ('old-2', 'share-2', 'ann', 'batch batch-1', 1, 'batch-1', FALSE, 'simulator', 'bytedance/dreamina',
             '{"prompt": "Drei Boote"}', 'cancelled', NULL, '[]', TRUE, FALSE, 1700000000.5, 3, NULL, 1700000009.0, 0,
             'drei boote')
    """,
    "0006_own_keys": """
        INSERT INTO jobs (job_id, share_id, visitor_id, own_key, backend, model_id, payload, state, request_id, outputs,
            cancel_requested, created_at, version, submitted_at, generation, prompt)
        VALUES
            ('old-1', 'share-1', 'ann', TRUE, 'runcomfy', 'bytedance/dreamina', '{"prompt": "Zwei Boote"}',
             'in_progress', 'request-1', '[]', FALSE, 1700000000.5, 5, 1700000001.25, 1, 'zwei boote')
    """,
    "0007_allowances": """
        INSERT INTO jobs (job_id, share_id, visitor_id, backend, model_id, payload, state, request_id, outputs,
            cancel_requested, created_at, version, submitted_at, started_at, finished_at, prompt)
        VALUES
            ('old-1', 'share-1', 'ann', 'runcomfy', 'bytedance/dreamina', '{"prompt": "Zwei Boote"}',
             'in_progress', 'request-1', '[]', FALSE, 1700000000.5, 5, 1700000001.25, NULL, NULL, 'zwei boote'),
            ('old-2', 'share-2', 'ann', 'runcomfy', 'bytedance/dreamina', '{"prompt": "Drei Boote"}',
             'succeeded', 'request-2', '[]', FALSE, 1700000000.5, 7, 1700000001.0, 1700000002.0, 1700000062.5,
             'drei boote')
    """,
}
ROWS_OF["0005_history_order"] = ROWS_OF["0004_batches"]  # it made no column
ROWS_OF["0008_durations"] = ROWS_OF["0007_allowances"]  # where nothing is known of the new one
ROWS_OF["0009_files_and_remarks"] = ROWS_OF["0007_allowances"]
JOBS_OF = {
    "0001_jobs": [
        Job(
            job_id="old-1",
            share_id="share-1",
            visitor_id="ann",
            backend="simulator",
            model_id="bytedance/dreamina",
            payload={"prompt": "a lighthouse", "seed": 7},
            state=State.IN_PROGRESS,
            request_id="request-1",
            created_at=1700000000.5,
            version=4,
            submitted_at=1700000001.25,
            started_at=1700000002.0,
        ),
        Job(
            job_id="old-2",
            share_id="share-2",
            visitor_id="bob",
            backend="runcomfy",
            model_id="bytedance/dreamina",
            payload={"prompt": "海", "seed": 8},
            state=State.FAILED,
            request_id="request-2",
            outputs=("https://videos.example.com/a.mp4",),
            failure=Failure("generation_failed", "nsfw", {"status_code": 500}),
            cancel_requested=True,
            created_at=1700000003.0,
            version=9,
            submitted_at=1700000004.0,
            started_at=1700000005.0,
            finished_at=1700000006.125,
            width=1440,
            height=1440,
            duration_s=5.04,
            cost_usd=0.3,
        ),
    ],
    "0002_clicks_and_leases": [
        Job(
            job_id="old-1",
            share_id="share-1",
            visitor_id="ann",
            click_id="click-1",
            variation=1,
            backend="runcomfy",
            model_id="bytedance/dreamina",
            payload={"prompt": "Zwei Boote", "aspect_ratio": "1440×1440(1:1)", "frames": 121},
            state=State.IN_QUEUE,
            request_id="request-1",
            failure=Failure("unavailable"),
            not_before=1700000009.5,
            cancel_requested=True,
            cancel_outcome="not_cancellable",
            created_at=1700000000.5,
            version=4,
            submitted_at=1700000001.25,
            generation=3,
        )
    ],
    "0003_history": [
        Job(
            job_id="old-1",
            share_id="share-1",
            visitor_id="ann",
            click_id="click-1",
            backend="simulator",
            model_id="bytedance/dreamina",
            payload={"prompt": "Zwei Boote", "aspect_ratio": "1440×1440(1:1)", "frames": 121},
            state=State.IN_PROGRESS,
            request_id="request-1",
            created_at=1700000000.5,
            version=5,
            submitted_at=1700000001.25,
            width=1440,
            height=1440,
            generation=1,
        ),
        Job(
            job_id="old-2",
            share_id="share-2",
            visitor_id="ann",
            click_id="click-1",
            variation=1,
            backend="simulator",
            model_id="bytedance/dreamina",
            payload={"prompt": "Zwei Boote", "aspect_ratio": "1440×1440(1:1)", "frames": 121},
            state=State.SUCCEEDED,
            request_id="request-2",
            created_at=1700000000.5,
            version=7,
            submitted_at=1700000001.25,
            finished_at=1700000009.0,
            width=1440,
            height=1440,
            duration_s=5.04,
            generation=1,
        ),
    ],
    "0004_batches": [
        Job(
            job_id="old-1",
            share_id="share-1",
            visitor_id="ann",
            click_id="batch batch-1",
            batch_id="batch-1",
            paused=True,
            backend="simulator",
            model_id="bytedance/dreamina",
            payload={"prompt": "Zwei Boote"},
            state=State.IN_PROGRESS,
            request_id="request-1",
            created_at=1700000000.5,
            version=5,
            submitted_at=1700000001.25,
            generation=1,
        ),
        Job(
            job_id="old-2",
            share_id="share-2",
            visitor_id="ann",
            click_id="batch batch-1",
            variation=1,
            batch_id="batch-1",
            backend="simulator",
            model_id="bytedance/dreamina",
            payload={"prompt": "Drei Boote"},
            state=State.CANCELLED,
            cancel_requested=True,
            created_at=1700000000.5,
            version=3,
            finished_at=1700000009.0,
        ),
    ],
    "0006_own_keys": [
        Job(
            job_id="old-1",
            share_id="share-1",
            visitor_id="ann",
            own_key=True,
            backend="runcomfy",
            model_id="bytedance/dreamina",
            payload={"prompt": "Zwei Boote"},
            state=State.IN_PROGRESS,
            request_id="request-1",
            created_at=1700000000.5,
            version=5,
            submitted_at=1700000001.25,
            generation=1,
        )
    ],
    "0007_allowances": [
        Job(
            job_id="old-1",
            share_id="share-1",
            visitor_id="ann",
            backend="runcomfy",
            model_id="bytedance/dreamina",
            payload={"prompt": "Zwei Boote"},
            state=State.IN_PROGRESS,
            request_id="request-1",
            created_at=1700000000.5,
            version=5,
            submitted_at=1700000001.25,
        ),
        Job(
            job_id="old-2",
            share_id="share-2",
            visitor_id="ann",
            backend="runcomfy",
            model_id="bytedance/dreamina",
            payload={"prompt": "Drei Boote"},
            state=State.SUCCEEDED,
            request_id="request-2",
            created_at=1700000000.5,
            version=7,
            submitted_at=1700000001.0,
            started_at=1700000002.0,
            finished_at=1700000062.5,
            took_s=60.5,
        ),
    ],
}
JOBS_OF["0005_history_order"] = JOBS_OF["0004_batches"]
JOBS_OF["0008_durations"] = [replace(job, took_s=None) for job in JOBS_OF["0007_allowances"]]

JOBS_OF["0009_files_and_remarks"] = JOBS_OF["0008_durations"]
for before, after in pairwise(migration.name for migration in MIGRATIONS):
    # Later ones have only added tables, and columns with a default.
    ROWS_OF.setdefault(after, ROWS_OF[before])
    JOBS_OF.setdefault(after, JOBS_OF[before])

LATER = Migration("9999_later", ("ALTER TABLE jobs ADD COLUMN later TEXT",))
BROKEN = Migration("9999_broken", ("CREATE TABLE extra (id TEXT)", "CREATE NONSENSE"))


@pytest.fixture
def blank(blank_url: str) -> Iterator[Database]:
    """A connection to an empty database."""
    with closing(Database(blank_url)) as database:
        yield database


def applied(database: Database) -> list[str]:
    """The names of the applied migrations, in the order of the list."""
    names = database.transact(
        lambda connection: list(connection.scalars(sa.text("SELECT name FROM schema_migrations")))
    )
    return sorted(names, key=[migration.name for migration in (*MIGRATIONS, LATER, BROKEN)].index)


def schema(database: Database) -> dict[str, Any]:
    """All tables with their columns and indexes."""

    def look(connection: sa.Connection) -> dict[str, Any]:
        inspector = sa.inspect(connection)
        return {
            table: (
                {c["name"]: (str(c["type"]), c["nullable"], c["default"]) for c in inspector.get_columns(table)},
                {index["name"]: (index["column_names"], index["unique"]) for index in inspector.get_indexes(table)},
            )
            for table in inspector.get_table_names()
        }

    return database.transact(look)


def test_migrations_are_append_only(blank: Database) -> None:
    """The list of released migrations only grows at its end."""
    blank.prepare()
    names = ["0001_jobs", "0002_clicks_and_leases", "0003_history", "0004_batches", "0005_history_order"]
    names += ["0006_own_keys", "0007_allowances", "0008_durations", "0009_files_and_remarks", "0010_calls"]
    names += ["0011_used_ids", "0012_posters", "0013_votes", "0014_money", "0015_chains", "0016_webhooks"]
    names += ["0017_stars_and_collections", "0018_shelf"]
    assert [migration.name for migration in MIGRATIONS] == names
    assert applied(blank) == names


async def test_preparing_twice_is_a_no_op(blank: Database, blank_url: str) -> None:
    """A second start changes neither schema nor rows."""
    blank.prepare()
    await JobStore(blank).add([FULL], NO_LIMIT)
    before = schema(blank), applied(blank)
    blank.prepare()
    with closing(Database(blank_url)) as reopened:
        reopened.prepare()
    assert (schema(blank), applied(blank)) == before
    assert await JobStore(blank).get("job-1") == FULL


@pytest.mark.parametrize("known", range(1, len(MIGRATIONS)), ids=[migration.name for migration in MIGRATIONS[:-1]])
async def test_a_database_of_every_older_version_keeps_its_rows(blank: Database, known: int) -> None:
    """A database of an older version keeps its rows and gets the schema of a new one."""
    name = MIGRATIONS[known - 1].name
    blank.transact(lambda connection: migrate(connection, NOON, MIGRATIONS[:known]))
    blank.transact(lambda connection: connection.exec_driver_sql(ROWS_OF[name]))
    blank.prepare()
    store = JobStore(blank)
    assert [await store.get(job.job_id) for job in JOBS_OF[name]] == JOBS_OF[name]
    assert [job.job_id for job in await store.unfinished()] == ["old-1"]
    assert (await store.change("old-1", lambda job: job.move(State.SAVING))).state is State.SAVING
    upgraded = schema(blank)
    blank.transact(_drop_all)
    blank.prepare()
    assert upgraded == schema(blank)


async def test_visitors_who_paid_last_with_an_own_key_are_known(blank: Database) -> None:
    """After the update, their next click asks for the key; whoever used the shared key since is asked for none."""
    blank.transact(lambda connection: migrate(connection, NOON, MIGRATIONS[:10]))
    jobs = [("ann", False, 1), ("ann", True, 2), ("bob", True, 1), ("bob", False, 2), ("eve", False, 1)]

    def fill(connection: sa.Connection) -> None:
        for number, (visitor_id, own_key, at) in enumerate(jobs):
            job = replace(FULL, job_id=f"{number}", share_id=f"share-{number}", click_id=None)
            values = values_of(replace(job, visitor_id=visitor_id, own_key=own_key, created_at=float(at)))
            for later in ("poster_due", "ancestors", "chain", "starred"):  # columns of later versions
                del values[later]
            connection.execute(sa.insert(rows).values(values))

    blank.transact(fill)
    blank.prepare()
    store = JobStore(blank)
    assert [await store.has_own_key(name) for name in ("ann", "bob", "eve")] == [True, False, False]


def _drop_all(connection: sa.Connection) -> None:
    for table in sa.inspect(connection).get_table_names():
        connection.exec_driver_sql(f"DROP TABLE {table}")


async def test_a_database_of_a_newer_version_is_unchanged(blank: Database) -> None:
    """A database of a newer version is refused with one sentence, and nothing in it changes."""
    blank.prepare()
    await JobStore(blank).add([FULL], NO_LIMIT)
    blank.transact(lambda connection: migrate(connection, NOON, [*MIGRATIONS, LATER]))
    before = schema(blank), applied(blank)
    with pytest.raises(StoreUnusable, match=r"^this database was written by a newer version of the program$"):
        blank.prepare()
    assert (schema(blank), applied(blank)) == before
    assert await JobStore(blank).get("job-1") == FULL


def test_a_database_of_another_program_is_unchanged(blank: Database) -> None:
    """A database with other tables is refused with one sentence, and gets none of ours."""
    blank.transact(lambda connection: connection.exec_driver_sql("CREATE TABLE moz_places (id INTEGER)"))
    before = schema(blank)
    with pytest.raises(StoreUnusable, match=r"^this database belongs to another program$"):
        blank.prepare()
    assert schema(blank) == before


def test_a_failed_first_migration_leaves_nothing(blank: Database) -> None:
    """All migrations are one transaction: after a failure the database is empty, and can be prepared."""
    with pytest.raises(StoreError):
        blank.transact(lambda connection: migrate(connection, NOON, [*MIGRATIONS, BROKEN]))
    assert schema(blank) == {}
    blank.prepare()
    assert applied(blank) == [migration.name for migration in MIGRATIONS]


async def test_a_failed_later_migration_changes_nothing(blank: Database) -> None:
    """After a failed upgrade the schema and rows are those of the old version."""
    blank.prepare()
    await JobStore(blank).add([FULL], NO_LIMIT)
    before = schema(blank), applied(blank)
    with pytest.raises(StoreError):
        blank.transact(lambda connection: migrate(connection, NOON, [*MIGRATIONS, LATER, BROKEN]))
    assert (schema(blank), applied(blank)) == before
    blank.prepare()
    assert await JobStore(blank).get("job-1") == FULL


AT_ONCE = 3
PREPARER = """
import sys
from dreamina_ui.storage.database import Database
databases = [Database(url) for url in sys.argv[1:]]
print("ready", flush=True)
sys.stdin.readline()
for database in databases:
    database.prepare()
    database.close()
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def blank_urls(request: Any, tmp_path: Path) -> Iterator[list[str]]:
    if request.param == "sqlite":
        yield [f"sqlite:///{tmp_path / str(number)}.sqlite3" for number in range(5)]
        return
    server = request.getfixturevalue("postgres")
    with new_database(server) as one, new_database(server) as two, new_database(server) as three:
        yield [one, two, three]


def test_processes_that_start_at_once_migrate_once(blank_urls: list[str]) -> None:
    """Several first starts at once all succeed, and each migration is applied once."""
    command = [sys.executable, "-W", "error", "-c", PREPARER, *blank_urls]
    processes = [
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(AT_ONCE)
    ]
    try:
        for process in processes:
            assert process.stdout
            assert process.stdout.readline() == b"ready\n"
        for process in processes:
            assert process.stdin
            process.stdin.write(b"go\n")
            process.stdin.flush()
        for process in processes:
            said = process.communicate(timeout=60)[1].decode()
            assert process.returncode == 0, said
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    for url in blank_urls:
        with closing(Database(url)) as database:
            assert applied(database) == [migration.name for migration in MIGRATIONS]
