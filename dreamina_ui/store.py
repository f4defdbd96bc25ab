"""Jobs as rows: SQLite by default, PostgreSQL by address.

SQL blocks, so every statement runs in the store's own threads; `Store._run` is the one place where that happens.
"""

import asyncio
import json
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa

from dreamina_ui.errors import DailyLimitReached, JobNotFound, StoreUnavailable, StoreUnusable, TooManyActive
from dreamina_ui.jobs import Failure, Job, State
from dreamina_ui.migrations import jobs, migrate

__all__ = ["Limits", "Store"]

T = TypeVar("T")
DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Limits:
    """How many jobs may be unfinished at once, and how many may be made in a day (UTC); None is no limit."""

    active: int
    active_per_visitor: int
    daily: int | None = None
    daily_per_visitor: int | None = None


class Store:
    """The rows. `prepare` it before the first use, and close it after the last.

    `busy_timeout_s` is how long SQLite waits for another writer. Raises `StoreUnusable` for an address that is none, or
    `StoreUnavailable` where the file's folder cannot be made.
    """

    def __init__(self, url: str, *, busy_timeout_s: float = 10) -> None:
        try:
            address = sa.make_url(url)
        except (sa.exc.ArgumentError, ValueError):
            # Neither the address nor what SQLAlchemy says of it may be shown: both can hold a password.
            raise StoreUnusable("the address of the database cannot be read") from None
        if address.get_backend_name() == "sqlite":
            self._engine = _sqlite_engine(address, busy_timeout_s)
            threads = 1
        else:
            threads = 8
            self._engine = sa.create_engine(address, pool_size=threads, max_overflow=0, pool_pre_ping=True)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="store")

    def prepare(self) -> None:
        """Connect and migrate; blocks. Raises `StoreUnusable` or `StoreUnavailable`."""
        self._transact(lambda connection: migrate(connection, time.time()))

    def close(self) -> None:
        """Blocks until what has begun is written."""
        self._threads.shutdown(wait=True)
        self._engine.dispose()

    async def add(self, job: Job, limits: Limits) -> None:
        """Make the row, if the limits allow it: one transaction counts and adds.

        Raises `TooManyActive` or `DailyLimitReached`; then nothing is written.
        """
        await self._run(lambda connection: _add(connection, job, limits))

    async def get(self, job_id: str) -> Job:
        """Raises `JobNotFound`."""
        return await self._one(jobs.c.job_id == job_id)

    async def get_shared(self, share_id: str) -> Job:
        """Raises `JobNotFound`."""
        return await self._one(jobs.c.share_id == share_id)

    async def page(self, visitor_id: str, limit: int, offset: int) -> list[Job]:
        """A visitor's jobs, newest first."""
        query = (
            sa.select(jobs)
            .where(jobs.c.visitor_id == visitor_id)
            .order_by(jobs.c.created_at.desc(), jobs.c.job_id.desc())
            .limit(limit)
            .offset(offset)
        )
        return await self._run(lambda connection: [_job(row) for row in connection.execute(query)])

    async def unfinished(self) -> list[Job]:
        """All jobs that have not ended, oldest first."""
        query = sa.select(jobs).where(jobs.c.finished_at.is_(None)).order_by(jobs.c.created_at)
        return await self._run(lambda connection: [_job(row) for row in connection.execute(query)])

    async def change(self, job_id: str, change: Callable[[Job], Job]) -> Job:
        """Read, change and write one row in one transaction. What `change` raises passes through, with nothing written.

        `change` runs in a thread of the store and must be pure. Raises `JobNotFound`.
        """
        return await self._run(lambda connection: _change(connection, job_id, change))

    async def _one(self, condition: sa.ColumnElement[bool]) -> Job:
        query = sa.select(jobs).where(condition)
        row = await self._run(lambda connection: connection.execute(query).one_or_none())
        if row is None:
            raise JobNotFound
        return _job(row)

    async def _run(self, work: Callable[[sa.Connection], T]) -> T:
        # A write that has begun is finished even when its asker goes away: half of a job's way must not hang on a tab.
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._threads, self._transact, work))

    def _transact(self, work: Callable[[sa.Connection], T]) -> T:
        try:
            with self._engine.begin() as connection:
                return work(connection)
        except sa.exc.OperationalError as error:
            raise StoreUnavailable(_reason(error)) from error
        except sa.exc.DatabaseError as error:
            raise StoreUnusable(_reason(error)) from error


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


def _add(connection: sa.Connection, job: Job, limits: Limits) -> None:
    def count(*conditions: sa.ColumnElement[bool]) -> int:
        return connection.scalar(sa.select(sa.func.count()).select_from(jobs).where(*conditions)) or 0

    mine = jobs.c.visitor_id == job.visitor_id
    active = jobs.c.finished_at.is_(None)
    # Cancelled and refused jobs cost nothing and do not count; an uncertain one may have been paid, and does.
    today = sa.and_(
        jobs.c.backend == job.backend,
        jobs.c.created_at >= job.created_at // DAY_S * DAY_S,
        sa.or_(jobs.c.request_id.is_not(None), active, jobs.c.state == State.UNCERTAIN),
        jobs.c.state != State.CANCELLED,
    )
    if count(mine, active) >= limits.active_per_visitor:
        raise TooManyActive(scope="visitor", limit=limits.active_per_visitor)
    if count(active) >= limits.active:
        raise TooManyActive(scope="all", limit=limits.active)
    if limits.daily_per_visitor is not None and count(mine, today) >= limits.daily_per_visitor:
        raise DailyLimitReached(scope="visitor", limit=limits.daily_per_visitor)
    if limits.daily is not None and count(today) >= limits.daily:
        raise DailyLimitReached(scope="all", limit=limits.daily)
    connection.execute(sa.insert(jobs).values(**_values(job)))


def _change(connection: sa.Connection, job_id: str, change: Callable[[Job], Job]) -> Job:
    row = connection.execute(sa.select(jobs).where(jobs.c.job_id == job_id).with_for_update()).one_or_none()
    if row is None:
        raise JobNotFound
    job = _job(row)
    changed = change(job)
    if changed != job:
        connection.execute(sa.update(jobs).where(jobs.c.job_id == job_id).values(**_values(changed)))
    return changed


def _job(row: sa.Row[Any]) -> Job:
    values = row._asdict()
    failure = json.loads(values["failure"]) if values["failure"] else None
    return Job(
        **{
            **values,
            "payload": json.loads(values["payload"]),
            "state": State(values["state"]),
            "outputs": tuple(json.loads(values["outputs"])),
            "failure": Failure(**failure) if failure else None,
            "cancel_requested": bool(values["cancel_requested"]),
        }
    )


def _values(job: Job) -> dict[str, Any]:
    values = {name: getattr(job, name) for name in job.__dataclass_fields__}
    failure = job.failure
    values["failure"] = (
        json.dumps({"code": failure.code, "message": failure.message, "facts": dict(failure.facts)})
        if failure
        else None
    )
    return {
        **values,
        "payload": json.dumps(dict(job.payload), ensure_ascii=False),
        "state": str(job.state),
        "outputs": json.dumps(list(job.outputs)),
    }


def _reason(error: sa.exc.DBAPIError) -> str:
    """The driver's own words, without the statement and its values."""
    return " ".join(str(error.orig).split())[:200]
