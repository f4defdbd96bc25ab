"""Writes that come together share a commit, and nothing else."""

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
async def crowd(path: Path) -> AsyncIterator[tuple[Database, list[int]]]:
    """A database with a table of numbers, and a list that grows by one with each commit."""
    commits: list[int] = []
    with closing(Database(f"sqlite:///{path}")) as database:
        database.prepare()
        database.transact(lambda connection: connection.exec_driver_sql("CREATE TABLE numbers (n INTEGER PRIMARY KEY)"))
        sa.event.listen(database._engine, "commit", lambda _: commits.append(1))
        yield database, commits


def put(number: int) -> Callable[[sa.Connection], int]:
    return lambda connection: connection.exec_driver_sql(f"INSERT INTO numbers VALUES ({number})").rowcount


async def numbers(database: Database) -> list[int]:
    return await database.read(lambda connection: list(connection.scalars(sa.text("SELECT n FROM numbers ORDER BY n"))))


@asynccontextmanager
async def held_up(database: Database) -> AsyncIterator[None]:
    """As long as this lasts, the writer is busy with somebody else."""
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


async def test_who_waits_together_is_written_together(tmp_path: Path) -> None:
    """Forty writes that wait for the disk need one commit; each gets its own answer, and all is there."""
    async with crowd(tmp_path / "a.sqlite3") as (database, commits):
        async with held_up(database):
            writes = [asyncio.create_task(database.run(put(number))) for number in range(40)]
            await asyncio.sleep(0)
        assert await asyncio.gather(*writes) == [1] * 40
        assert await numbers(database) == list(range(40))
        assert len(commits) == 2, "the one that held all up, and the one of the forty"


async def test_one_that_fails_takes_no_other_with_it(tmp_path: Path) -> None:
    """What a piece of work raises, and what the database says to it, is for whoever wished for it; the rest is written."""

    def refuse(connection: sa.Connection) -> None:
        connection.exec_driver_sql("INSERT INTO numbers VALUES (100)")
        raise ValueError("no")

    async with crowd(tmp_path / "a.sqlite3") as (database, _):
        for failing, error in ((refuse, ValueError), (put(1), StoreUnavailable)):
            base = len(await numbers(database)) + 1
            works = [put(base), failing, put(base + 1), put(base + 2)]
            async with held_up(database):
                writes = [asyncio.create_task(database.run(work)) for work in works]
                await asyncio.sleep(0)
            first, failed, *rest = await asyncio.gather(*writes, return_exceptions=True)
            assert [first, *rest] == [1, 1, 1]
            assert isinstance(failed, error)
        assert await numbers(database) == [1, 2, 3, 4, 5, 6]


async def test_a_write_outlives_its_asker(tmp_path: Path) -> None:
    """Whoever goes away while waiting for the common commit is written all the same."""
    async with crowd(tmp_path / "a.sqlite3") as (database, _):
        async with held_up(database):
            gone = asyncio.create_task(database.run(put(7)))
            await asyncio.sleep(0)
            gone.cancel()
            with pytest.raises(asyncio.CancelledError):
                await gone
        await database.run(put(8))
        assert await numbers(database) == [7, 8]


async def test_a_reader_does_not_wait_for_the_writer(tmp_path: Path) -> None:
    """What is read is what was committed last, also while a write takes long."""
    async with crowd(tmp_path / "a.sqlite3") as (database, _):
        await database.run(put(1))
        async with held_up(database):
            assert await numbers(database) == [1]
