"""The connection to the database: SQLite by default, PostgreSQL by URL.

SQL blocks, so `Database.run` and `Database.read` run every transaction in threads of their own.
"""

import asyncio
import logging
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

import sqlalchemy as sa

from dreamina_ui.config.database_url import POSTGRES_SCHEMES, PostgresAddress, read_postgres
from dreamina_ui.errors import StoreError, StoreUnavailable, StoreUnusable
from dreamina_ui.storage.migrations import migrate

__all__ = ["Database", "thread_pool"]

log = logging.getLogger(__name__)

T = TypeVar("T")
SQLITE_READERS = 2
CONNECTIONS = 8
"""To PostgreSQL."""
TOGETHER_MOST = 64
"""Writes that share a commit, at most."""
CLOCKS = {
    "sqlite": "(julianday('now') - 2440587.5) * 86400.0",
    "postgresql": "CAST(extract(epoch FROM clock_timestamp()) AS DOUBLE PRECISION)",
}


def thread_pool(count: int, name: str) -> Executor:
    return ThreadPoolExecutor(count, thread_name_prefix=name)


class Database:
    """A database at the URL of an SQLite file or of a PostgreSQL server. Call `prepare` before the first use, and `close`
    after the last.

    `busy_timeout_s` is how long SQLite waits for another writer. `threads` makes the executors that SQL runs in, from a
    number of threads and their name. Raises `StoreUnusable` for an invalid URL, and `StoreUnavailable` if the folder of
    an SQLite file cannot be made.
    """

    def __init__(
        self, url: str, *, busy_timeout_s: float = 10, threads: Callable[[int, str], Executor] = thread_pool
    ) -> None:
        self.is_sqlite = url.partition("://")[0] not in POSTGRES_SCHEMES
        if self.is_sqlite:
            try:
                address = sa.make_url(url)
            except (sa.exc.ArgumentError, ValueError):
                # Neither the URL nor SQLAlchemy's message may be shown: both can contain a password.
                raise StoreUnusable("the address of the database cannot be read") from None
            self._engine = _sqlite_engine(address, busy_timeout_s, writes=True)
            # Reads do not wait for the disk, as writes do.
            self._reading = _sqlite_engine(address, busy_timeout_s, writes=False)
            self._writers = threads(1, "database")
            self._readers = threads(SQLITE_READERS, "database reads")
        else:
            try:
                self._engine = _postgres_engine(read_postgres(url))
            except ValueError as error:
                raise StoreUnusable(f"the address of the database cannot be read: {error}") from None
            self._reading = self._engine.execution_options(postgresql_readonly=True)
            self._writers = self._readers = threads(CONNECTIONS, "database")
        self._waiting: deque[_Write[Any]] = deque()
        self.now: sa.ColumnElement[float] = sa.literal_column(
            CLOCKS["sqlite" if self.is_sqlite else "postgresql"], sa.Double
        )
        """The database's clock, in seconds since the epoch, which all replicas share."""

    def prepare(self) -> None:
        """Connect and migrate; blocks. Raises `StoreUnusable` or `StoreUnavailable`."""

        def work(connection: sa.Connection) -> None:
            self.serialise(connection)  # of replicas that start at once, one migrates
            migrate(connection, time.time())

        self.transact(work)

    def close(self) -> None:
        """Block until all transactions that have begun are finished."""
        for threads in (self._writers, self._readers):
            threads.shutdown(wait=True)
        for engine in (self._engine, self._reading):
            engine.dispose()

    async def run(self, work: Callable[[sa.Connection], T]) -> T:
        """Run `work` in one transaction, in a thread, and return its result. If it raises, nothing is written.

        Raises `StoreUnavailable` or `StoreUnusable` for errors of the database.
        """
        if not self.is_sqlite:
            return await self._in_thread(self._writers, lambda: self.transact(work))
        # There is one writer, and a commit takes milliseconds: writes that arrive meanwhile share the next commit.
        write = _Write(work)
        self._waiting.append(write)
        await self._in_thread(self._writers, self._commit_waiting)
        return write.outcome()

    async def read(self, work: Callable[[sa.Connection], T]) -> T:
        """As `run`, for work that only reads."""
        return await self._in_thread(self._readers, lambda: self._transact(self._reading, work))

    async def _in_thread(self, threads: Executor, work: Callable[[], T]) -> T:
        # A transaction that has begun is finished even if its caller is cancelled.
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(threads, work))

    def transact(self, work: Callable[[sa.Connection], T]) -> T:
        """As `run`, but blocks."""
        return self._transact(self._engine, work)

    def _commit_waiting(self) -> None:
        """Run the waiting writes in one transaction, each in a savepoint of its own."""
        writes = [self._waiting.popleft() for _ in range(min(len(self._waiting), TOGETHER_MOST))]
        if not writes:
            return  # an earlier call has run them
        try:
            if len(writes) > 1:
                self.transact(lambda connection: _run_together(connection, writes))
                return
        except StoreError:
            pass  # nothing is written; alone, only the write that caused the error fails
        for write in writes:
            write.run_alone(self.transact)

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
        """Block other transactions that call this until this one ends. SQLite has only one writer anyway."""
        if not self.is_sqlite:
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(20260)"))

    def serialise_by(self, connection: sa.Connection, name: str) -> None:
        """As `serialise`, among the transactions that give the same name."""
        if not self.is_sqlite:
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(20261, hashtext(:name))"), {"name": name})


@dataclass(slots=True)
class _Write(Generic[T]):
    """Work that shares a transaction with others, and its result or error."""

    work: Callable[[sa.Connection], T]
    result: T | None = None
    error: Exception | None = None

    def run_alone(self, transact: Callable[[Callable[[sa.Connection], T]], T]) -> None:
        self.error = None
        try:
            self.result = transact(self.work)
        except Exception as error:  # raised by `outcome`
            self.error = error

    def outcome(self) -> T:
        if self.error is not None:
            raise self.error
        return cast(T, self.result)


def _run_together(connection: sa.Connection, writes: Sequence[_Write[Any]]) -> None:
    for write in writes:
        part = connection.begin_nested()
        try:
            write.result = write.work(connection)
        except sa.exc.DBAPIError:
            raise  # the database may have given up the whole transaction
        except Exception as error:
            part.rollback()
            write.error = error
        else:
            part.commit()


def _postgres_engine(address: PostgresAddress) -> sa.Engine:
    if address.left_out:
        log.info("the database's address names %s, which libpq does not know: left out", ", ".join(address.left_out))
    # A pooler gives each transaction any of its connections: nothing may be kept from one to the next. So no statement is
    # prepared, and nothing here sets or locks anything for longer than its transaction.
    options = {**address.parameters, "prepare_threshold": None}
    return sa.create_engine(
        "postgresql+psycopg://", connect_args=options, pool_size=CONNECTIONS, max_overflow=0, pool_pre_ping=True
    )


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
        connection.isolation_level = None  # `_begin` begins the transactions, not the driver
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        if (
            not tables or "schema_migrations" in tables
        ):  # the mode is stored in the file: leave other programs' files alone
            _use_wal(connection, busy_timeout_s)
        connection.execute("PRAGMA synchronous=FULL")  # committed rows survive a power cut
        if not writes:
            connection.execute("PRAGMA query_only=ON")  # writes go through the one writer

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        # After a plain BEGIN, two writers that want the write lock fail instead of waiting.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _use_wal(connection: sqlite3.Connection, timeout_s: float) -> None:
    """Turn the write-ahead log on. Waits for other processes that do the same, because SQLite does not."""
    until = time.monotonic() + timeout_s
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
        time.sleep(0.02)


def _reason(error: Any) -> str:
    """The driver's message, without the statement and its values."""
    return " ".join(str(getattr(error, "orig", error)).split())[:200]
