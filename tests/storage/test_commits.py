"""Writes that wait at the same time share a commit, and nothing else."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from dreamina_ui.errors import StoreUnavailable
from dreamina_ui.storage.database import Database
from tests.waiting import until

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def counted_commits(path: Path) -> AsyncIterator[tuple[Database, list[int]]]:
    """A database with a table of numbers, and a list with an entry for each commit."""
    commits: list[int] = []
    with closing(Database(f"sqlite:///{path}")) as database:
        database.prepare()
        database.transact(lambda connection: connection.exec_driver_sql("CREATE TABLE numbers (n INTEGER PRIMARY KEY)"))
        sa.event.listen(database._engine, "commit", lambda _: commits.append(1))
        yield database, commits


def insert(number: int) -> Callable[[sa.Connection], int]:
    return lambda connection: connection.exec_driver_sql(f"INSERT INTO numbers VALUES ({number})").rowcount


async def numbers(database: Database) -> list[int]:
    return await database.read(lambda connection: list(connection.scalars(sa.text("SELECT n FROM numbers ORDER BY n"))))


@asynccontextmanager
async def busy_writer(database: Database) -> AsyncIterator[None]:
    """The writer is busy with another write inside this context."""
    begun, go_on = threading.Event(), threading.Event()

    def wait(_: sa.Connection) -> None:
        begun.set()
        go_on.wait(30)

    waiting = asyncio.create_task(database.run(wait))
    await until(begun.is_set)
    try:
        yield
    finally:
        go_on.set()
        await waiting


async def test_waiting_writes_share_a_commit(tmp_path: Path) -> None:
    """Forty waiting writes need one commit; each gets its own result, and all are written."""
    async with counted_commits(tmp_path / "a.sqlite3") as (database, commits):
        async with busy_writer(database):
            writes = [asyncio.create_task(database.run(insert(number))) for number in range(40)]
            await asyncio.sleep(0)
        assert await asyncio.gather(*writes) == [1] * 40
        assert await numbers(database) == list(range(40))
        assert len(commits) == 2, "the one that held all up, and the one of the forty"


async def test_a_failed_write_does_not_affect_others(tmp_path: Path) -> None:
    """An error of one write, its own or the database's, is raised to its caller only; the others are written."""

    def refuse(connection: sa.Connection) -> None:
        connection.exec_driver_sql("INSERT INTO numbers VALUES (100)")
        raise ValueError("no")

    async with counted_commits(tmp_path / "a.sqlite3") as (database, _):
        for failing, error in ((refuse, ValueError), (insert(1), StoreUnavailable)):
            base = len(await numbers(database)) + 1
            works = [insert(base), failing, insert(base + 1), insert(base + 2)]
            async with busy_writer(database):
                writes = [asyncio.create_task(database.run(work)) for work in works]
                await asyncio.sleep(0)
            first, failed, *rest = await asyncio.gather(*writes, return_exceptions=True)
            assert [first, *rest] == [1, 1, 1]
            assert isinstance(failed, error)
        assert await numbers(database) == [1, 2, 3, 4, 5, 6]


async def test_a_write_of_a_cancelled_caller_is_committed(tmp_path: Path) -> None:
    """A write whose caller is cancelled while it waits for the shared commit is written."""
    async with counted_commits(tmp_path / "a.sqlite3") as (database, _):
        async with busy_writer(database):
            gone = asyncio.create_task(database.run(insert(7)))
            await asyncio.sleep(0)
            gone.cancel()
            with pytest.raises(asyncio.CancelledError):
                await gone
        await database.run(insert(8))
        assert await numbers(database) == [7, 8]


async def test_reads_do_not_wait_for_writes(tmp_path: Path) -> None:
    """A read returns the last commit, also during a long write."""
    async with counted_commits(tmp_path / "a.sqlite3") as (database, _):
        await database.run(insert(1))
        async with busy_writer(database):
            assert await numbers(database) == [1]
