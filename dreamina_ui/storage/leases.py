"""Leases: which replica owns which unfinished job, for some seconds, renewed while the replica runs.

Any number of replicas share one database, whose clock the leases use. A replica that crashes stops renewing, and another one
claims its jobs. Each claim raises the job's generation, so that a late write of the earlier owner is refused
(`JobStore.change`).
"""

import asyncio
import secrets
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from filelock import FileLock, Timeout

from dreamina_ui.errors import KeyNeeded
from dreamina_ui.jobs import Job, State
from dreamina_ui.storage.database import Database
from dreamina_ui.storage.job_rows import jobs, read_jobs

__all__ = ["CLAIMED_AT_ONCE", "LEASE_S", "RENEWED_EVERY_S", "Keyed", "Leases"]

LEASE_S = 15.0
RENEWED_EVERY_S = 4.0
"""A crashed owner's job is claimed within 15 + 4 seconds; a running owner may miss two renewals."""
CLAIMED_AT_ONCE = 500
RENEWED_AT_ONCE = 5000
"""Databases bound the values of one statement, at 32,766 and more."""

_THESE = jobs.c.job_id.in_(sa.bindparam("these", expanding=True))
_CLAIMED = sa.select(jobs).where(_THESE).order_by(jobs.c.created_at, jobs.c.variation)
_CAN_RUN = sa.or_(
    jobs.c.own_key.is_(sa.false()),
    jobs.c.failure.is_(None),
    # `job_rows.values_of` writes a failure with its code first.
    sa.not_(jobs.c.failure.startswith(f'{{"code": "{KeyNeeded.code}"', autoescape=True)),
    jobs.c.visitor_id.in_(sa.bindparam("keyed_visitors", expanding=True)),
    jobs.c.job_id.in_(sa.bindparam("keyed_jobs", expanding=True)),
    jobs.c.created_at < sa.bindparam("keyed_since"),
)
"""Not of a job that waits for its visitor's own key, unless the key is here."""


@dataclass(frozen=True, slots=True)
class Keyed:
    """The visitors and jobs whose own keys this replica has. Jobs made before `since` are claimed without their key."""

    visitor_ids: frozenset[str] = frozenset()
    job_ids: frozenset[str] = frozenset()
    since: float = 0.0


class Leases:
    """One replica's leases. With SQLite, its process locks a file in `folder` while it runs."""

    def __init__(self, database: Database, folder: Path, *, lease_s: float = LEASE_S) -> None:
        self.owner = secrets.token_hex(8)
        self.renewed_every_s = lease_s * RENEWED_EVERY_S / LEASE_S
        self._database = database
        self._folder = folder
        self._lease_s = lease_s
        self.lock = FileLock(folder / f"{self.owner}.lock", thread_local=False)
        # Made once, so that SQLAlchemy compiles them once: they run for each click.
        is_free = sa.or_(jobs.c.lease_until.is_(None), jobs.c.lease_until < database.now)
        self._queued = sa.and_(jobs.c.batch_id.is_not(None), jobs.c.state == State.WAITING, is_free)
        self._waiting = sa.and_(jobs.c.finished_at.is_(None), self._queued, jobs.c.held.is_(sa.false()), _CAN_RUN)
        self._free = (
            sa.select(jobs.c.job_id)
            .where(jobs.c.finished_at.is_(None), is_free, sa.not_(self._queued), _CAN_RUN)
            .order_by(jobs.c.created_at)
            .limit(CLAIMED_AT_ONCE)
            .with_for_update(skip_locked=True)
        )
        self._first_of_batches = sa.select(jobs.c.job_id).where(self._waiting).limit(1)
        self._take = (
            sa.update(jobs)
            .where(_THESE)
            .values(
                lease_owner=self.owner,
                lease_until=database.now + lease_s,
                generation=jobs.c.generation + 1,
            )
        )

        paused = sa.and_(jobs.c.held.is_(sa.true()), jobs.c.state == State.WAITING)
        self._renewal = (
            sa.update(jobs)
            .where(_THESE, jobs.c.lease_owner == self.owner, jobs.c.finished_at.is_(None), sa.not_(paused))
            .values(lease_until=database.now + lease_s)
        )

    def open(self) -> None:
        """With SQLite, lock this owner's file and free the jobs of owners whose processes have ended; blocks.

        The operating system releases a lock when its process ends, so a restart need not wait for the leases of the
        process before it. With PostgreSQL, owners run on several computers, and leases expire.
        """
        if not self._database.is_sqlite:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        self.lock.acquire(timeout=0)
        dead = []
        for path in self._folder.glob("*.lock"):
            lock = FileLock(path)
            with suppress(Timeout), lock.acquire(timeout=0):
                dead.append(path)
        if dead:
            owners = [path.stem for path in dead]
            self._database.transact(lambda connection: _free(connection, jobs.c.lease_owner.in_(owners)))
            for path in dead:
                path.unlink(missing_ok=True)

    async def aclose(self) -> None:
        """Release all jobs, so that another replica need not wait for the leases to expire."""
        try:
            await self._database.run(lambda connection: _free(connection, jobs.c.lease_owner == self.owner))
        finally:
            await asyncio.to_thread(self._close)

    async def claim(self, *, active: int, batch_active: int, keyed: Keyed = Keyed()) -> list[Job]:
        """Claim unfinished jobs that have no owner, oldest first, at most 500. Each has the generation to write with.

        Unsent jobs of batches are claimed only while their visitor has fewer than `batch_active` jobs of batches running,
        and all visitors together fewer than `active` jobs; paused ones are not claimed. A job that waits for its visitor's
        own key is claimed only if `keyed` has that key, or if the job has waited too long.
        """
        return await self._database.run(lambda connection: self._claim(connection, active, batch_active, keyed))

    async def release(self, job: Job) -> None:
        """Release a job that this replica no longer runs, so that the next claim can take it."""
        mine = sa.and_(jobs.c.lease_owner == self.owner, jobs.c.generation == job.generation)
        await self._database.run(lambda connection: _free(connection, sa.and_(jobs.c.job_id == job.job_id, mine)))

    async def renew(self, running: Iterable[str]) -> None:
        """Renew the leases of these jobs as far as they are this replica's, except of those that wait in a paused batch.

        A job that does not run here is not renewed: its claim was committed but the answer was lost, or its run has ended by
        an error. Once its lease has expired, it is claimed again.
        """
        these = list(running)

        def work(connection: sa.Connection) -> None:
            for start in range(0, len(these), RENEWED_AT_ONCE):
                connection.execute(self._renewal, {"these": these[start : start + RENEWED_AT_ONCE]})

        if these:
            await self._database.run(work)

    def _close(self) -> None:
        self.lock.release()
        Path(self.lock.lock_file).unlink(missing_ok=True)

    def _claim(self, connection: sa.Connection, active: int, batch_active: int, keyed: Keyed) -> list[Job]:
        mine = {"keyed_visitors": [*keyed.visitor_ids], "keyed_jobs": [*keyed.job_ids], "keyed_since": keyed.since}
        job_ids = list(connection.scalars(self._free, mine))
        job_ids += self._next_of_batches(connection, active, batch_active, mine)
        if not job_ids:
            return []
        connection.execute(self._take, {"these": job_ids})
        return read_jobs(connection, _CLAIMED, {"these": job_ids})

    def _next_of_batches(
        self, connection: sa.Connection, active: int, batch_active: int, mine: dict[str, Any]
    ) -> list[str]:
        """The ids of the next jobs of batches: the oldest of each visitor, visitors in turn."""
        queued, waiting = self._queued, self._waiting
        if connection.execute(self._first_of_batches, mine).first() is None:
            return []
        self._database.serialise(connection)  # two replicas at once would both fill the same places
        running = sa.and_(jobs.c.finished_at.is_(None), sa.not_(queued))
        places = active - (connection.scalar(sa.select(sa.func.count()).select_from(jobs).where(running)) or 0)
        by_visitor = sa.select(jobs.c.visitor_id, sa.func.count()).where(running, jobs.c.batch_id.is_not(None))
        running_of: dict[str, int] = {
            row[0]: row[1] for row in connection.execute(by_visitor.group_by(jobs.c.visitor_id))
        }
        turn = sa.func.row_number().over(
            partition_by=jobs.c.visitor_id, order_by=(jobs.c.created_at, jobs.c.variation, jobs.c.job_id)
        )
        turns = (
            sa.select(jobs.c.job_id, jobs.c.visitor_id, jobs.c.created_at, turn.label("turn")).where(waiting).subquery()
        )
        candidates = connection.execute(sa.select(turns).where(turns.c.turn <= batch_active), mine).all()
        # Visitors with the fewest running jobs come first.
        ordered = sorted(candidates, key=lambda row: (running_of.get(row.visitor_id, 0) + row.turn, row.created_at))
        allowed = (row for row in ordered if running_of.get(row.visitor_id, 0) + row.turn <= batch_active)
        chosen = [row.job_id for row in islice(allowed, min(max(places, 0), CLAIMED_AT_ONCE))]
        still = sa.select(jobs.c.job_id).where(jobs.c.job_id.in_(chosen), waiting).with_for_update(skip_locked=True)
        return list(connection.scalars(still, mine)) if chosen else []


def _free(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> None:
    connection.execute(sa.update(jobs).where(condition).values(lease_owner=None, lease_until=None))
