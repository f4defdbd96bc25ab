"""The connection to the database: SQLite by default, PostgreSQL by address.

SQL blocks, so every transaction runs in the database's own threads; `Database.run` is the one place where that happens.
"""

import asyncio
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

import sqlalchemy as sa

from dreamina_ui.errors import StoreError, StoreUnavailable, StoreUnusable
from dreamina_ui.storage.migrations import migrate

__all__ = ["Database", "thread_pool"]

T = TypeVar("T")
SQLITE_READERS = 2
CONNECTIONS = 8
"""To PostgreSQL."""
TOGETHER_MOST = 64
"""Writes that share a commit."""
CLOCKS = {
    "sqlite": "(julianday('now') - 2440587.5) * 86400.0",
    "postgresql": "CAST(extract(epoch FROM clock_timestamp()) AS DOUBLE PRECISION)",
}


def thread_pool(count: int, name: str) -> Executor:
    return ThreadPoolExecutor(count, thread_name_prefix=name)


class Database:
    """`prepare` it before the first use, and close it after the last.

    `busy_timeout_s` is how long SQLite waits for another writer. `threads` makes the executors that SQL runs in, of a number
    of threads and their name. Raises `StoreUnusable` for an address that is none, or
    `StoreUnavailable` where the file's folder cannot be made.
    """

    def __init__(
        self, url: str, *, busy_timeout_s: float = 10, threads: Callable[[int, str], Executor] = thread_pool
    ) -> None:
        try:
            address = sa.make_url(url)
        except (sa.exc.ArgumentError, ValueError):
            # Neither the address nor what SQLAlchemy says of it may be shown: both can hold a password.
            raise StoreUnusable("the address of the database cannot be read") from None
        self.is_sqlite = address.get_backend_name() == "sqlite"
        if self.is_sqlite:
            self._engine = _sqlite_engine(address, busy_timeout_s, writes=True)
            # What only reads does not wait for the disk that a write waits for.
            self._reading = _sqlite_engine(address, busy_timeout_s, writes=False)
            self._writers = threads(1, "database")
            self._readers = threads(SQLITE_READERS, "database reads")
        else:
            self._engine = sa.create_engine(address, pool_size=CONNECTIONS, max_overflow=0, pool_pre_ping=True)
            self._reading = self._engine.execution_options(postgresql_readonly=True)
            self._writers = self._readers = threads(CONNECTIONS, "database")
        self._waiting: deque[_Wish[Any]] = deque()
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
        for threads in (self._writers, self._readers):
            threads.shutdown(wait=True)
        for engine in (self._engine, self._reading):
            engine.dispose()

    async def run(self, work: Callable[[sa.Connection], T]) -> T:
        """Do the work in one transaction, in a thread. What it raises passes through, with nothing written.

        Raises `StoreUnavailable` or `StoreUnusable` for what the database itself says.
        """
        if not self.is_sqlite:
            return await self._in_thread(self._writers, lambda: self.transact(work))
        # One writer, and a disk that takes milliseconds for each commit: whoever comes meanwhile shares the next one.
        wish = _Wish(work)
        self._waiting.append(wish)
        await self._in_thread(self._writers, self._commit_waiting)
        return wish.outcome()

    async def read(self, work: Callable[[sa.Connection], T]) -> T:
        """The same for work that only reads."""
        return await self._in_thread(self._readers, lambda: self._transact(self._reading, work))

    async def _in_thread(self, threads: Executor, work: Callable[[], T]) -> T:
        # A write that has begun is finished even when its asker goes away: half of a job's way must not hang on a tab.
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(threads, work))

    def transact(self, work: Callable[[sa.Connection], T]) -> T:
        """The same as `run`, blocking."""
        return self._transact(self._engine, work)

    def _commit_waiting(self) -> None:
        """Do what waits in one transaction, each part undone by itself if it fails; it is done when that is committed."""
        wishes = [self._waiting.popleft() for _ in range(min(len(self._waiting), TOGETHER_MOST))]
        if not wishes:
            return  # whoever came before has done it
        try:
            if len(wishes) > 1:
                self.transact(lambda connection: _grant(connection, wishes))
                return
        except StoreError:
            pass  # nothing of it is written; whose fault it was shows when each goes alone
        for wish in wishes:
            wish.alone(self.transact)

    def _transact(self, engine: sa.Engine, work: Callable[[sa.Connection], T]) -> T:
        try:
            with engine.begin() as connection:
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


@dataclass(slots=True)
class _Wish(Generic[T]):
    """A piece of work that shares a transaction with others, and what came of it."""

    work: Callable[[sa.Connection], T]
    result: T | None = None
    failed: Exception | None = None

    def alone(self, transact: Callable[[Callable[[sa.Connection], T]], T]) -> None:
        self.failed = None
        try:
            self.result = transact(self.work)
        except Exception as error:  # whoever wished for it is told
            self.failed = error

    def outcome(self) -> T:
        if self.failed is not None:
            raise self.failed
        return cast(T, self.result)


def _grant(connection: sa.Connection, wishes: Sequence[_Wish[Any]]) -> None:
    for wish in wishes:
        part = connection.begin_nested()
        try:
            wish.result = wish.work(connection)
        except sa.exc.DBAPIError:
            raise  # the database itself has said no, and may have given up the whole transaction
        except Exception as error:
            part.rollback()
            wish.failed = error
        else:
            part.commit()


def _sqlite_engine(address: sa.URL, busy_timeout_s: float, *, writes: bool) -> sa.Engine:
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
            _use_wal(connection, busy_timeout_s)
        connection.execute("PRAGMA synchronous=FULL")  # a row that was answered for survives a power cut
        if not writes:
            connection.execute("PRAGMA query_only=ON")  # a write here would not share the one writer's queue

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        # A plain BEGIN takes the write lock late, and then fails instead of waiting when two writers meet.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _use_wal(connection: sqlite3.Connection, patience_s: float) -> None:
    """Turn the write-ahead log on. SQLite does not wait for other first starts that do the same, so this does."""
    until = time.monotonic() + patience_s
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
        time.sleep(0.02)


def _reason(error: Any) -> str:
    """The driver's own words, without the statement and its values."""
    return " ".join(str(getattr(error, "orig", error)).split())[:200]
