"""The connection to the database: SQLite by default, PostgreSQL by address.

SQL blocks, so every transaction runs in the database's own threads; `Database.run` is the one place where that happens.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa

from dreamina_ui.errors import StoreUnavailable, StoreUnusable
from dreamina_ui.migrations import migrate

__all__ = ["Database"]

T = TypeVar("T")
CLOCKS = {
    "sqlite": "(julianday('now') - 2440587.5) * 86400.0",
    "postgresql": "CAST(extract(epoch FROM clock_timestamp()) AS DOUBLE PRECISION)",
}


class Database:
    """`prepare` it before the first use, and close it after the last.

    `busy_timeout_s` is how long SQLite waits for another writer. Raises `StoreUnusable` for an address that is none, or
    `StoreUnavailable` where the file's folder cannot be made.
    """

    def __init__(self, url: str, *, busy_timeout_s: float = 10) -> None:
        try:
            address = sa.make_url(url)
        except (sa.exc.ArgumentError, ValueError):
            # Neither the address nor what SQLAlchemy says of it may be shown: both can hold a password.
            raise StoreUnusable("the address of the database cannot be read") from None
        self.is_sqlite = address.get_backend_name() == "sqlite"
        if self.is_sqlite:
            self._engine = _sqlite_engine(address, busy_timeout_s)
            threads = 1
        else:
            threads = 8
            self._engine = sa.create_engine(address, pool_size=threads, max_overflow=0, pool_pre_ping=True)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="database")
        self.now: sa.ColumnElement[float] = sa.literal_column(CLOCKS[address.get_backend_name()], sa.Double)
        """The database's clock, in seconds since the epoch: the only one that all replicas share."""

    def prepare(self) -> None:
        """Connect and migrate; blocks. Raises `StoreUnusable` or `StoreUnavailable`."""

        def work(connection: sa.Connection) -> None:
            self.serialise(connection)  # replicas that start at once: one migrates, the others find it done
            migrate(connection, time.time())

        self.transact(work)

    def close(self) -> None:
        """Blocks until what has begun is written."""
        self._threads.shutdown(wait=True)
        self._engine.dispose()

    async def run(self, work: Callable[[sa.Connection], T]) -> T:
        """Do the work in one transaction, in a thread. What it raises passes through, with nothing written.

        Raises `StoreUnavailable` or `StoreUnusable` for what the database itself says.
        """
        # A write that has begun is finished even when its asker goes away: half of a job's way must not hang on a tab.
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._threads, self.transact, work))

    def transact(self, work: Callable[[sa.Connection], T]) -> T:
        """The same, blocking."""
        try:
            with self._engine.begin() as connection:
                return work(connection)
        except sa.exc.IntegrityError as error:
            raise StoreUnavailable(_reason(error)) from error
        except (sa.exc.OperationalError, sa.exc.TimeoutError) as error:
            raise StoreUnavailable(_reason(error)) from error
        except sa.exc.DatabaseError as error:
            raise StoreUnusable(_reason(error)) from error

    def serialise(self, connection: sa.Connection) -> None:
        """Let no other transaction that does the same run until this one ends. SQLite has but one writer anyway."""
        if not self.is_sqlite:
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(20260)"))


def _sqlite_engine(address: sa.URL, busy_timeout_s: float) -> sa.Engine:
    if address.host or address.database in (None, "", ":memory:"):
        raise StoreUnusable("the address of an SQLite database is sqlite:///PATH")
    folder = Path(address.database).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreUnavailable(f"{folder} cannot be made: {error.strerror}") from error
    engine = sa.create_engine(address, connect_args={"timeout": busy_timeout_s, "check_same_thread": False})

    @sa.event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # the driver must not begin transactions by itself; `_begin` does
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        if not tables or "schema_migrations" in tables:  # the mode is kept in the file: not in one that is not ours
            connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")  # a row that was answered for survives a power cut

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        # A plain BEGIN takes the write lock late, and then fails instead of waiting when two writers meet.
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _reason(error: Any) -> str:
    """The driver's own words, without the statement and its values."""
    return " ".join(str(getattr(error, "orig", error)).split())[:200]
