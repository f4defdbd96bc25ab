"""Who owns which unfinished job: a lease for some seconds, renewed while its owner lives.

Any number of replicas share one database. A lease is told by the database's clock, the only one they share. A replica that
dies stops renewing, and another one takes its jobs over; each taking raises the job's generation, so that the late write
of an owner who was only asleep is refused (`Store.change`).
"""

import asyncio
import secrets
from contextlib import suppress
from pathlib import Path

import sqlalchemy as sa
from filelock import FileLock, Timeout

from dreamina_ui.database import Database
from dreamina_ui.jobs import Job
from dreamina_ui.rows import job_of, jobs

__all__ = ["LEASE_S", "RENEWED_EVERY_S", "Leases"]

LEASE_S = 15.0
RENEWED_EVERY_S = 4.0
"""A dead owner's job is taken over within 15 + 4 seconds; a live one may miss two renewals."""
CLAIMED_AT_ONCE = 500


class Leases:
    """One replica's hold on its jobs. With SQLite `folder` keeps a lock file for as long as its process lives."""

    def __init__(self, database: Database, folder: Path, *, lease_s: float = LEASE_S) -> None:
        self.owner = secrets.token_hex(8)
        self.renewed_every_s = lease_s * RENEWED_EVERY_S / LEASE_S
        self._database = database
        self._folder = folder
        self._lease_s = lease_s
        self._lock = FileLock(folder / f"{self.owner}.lock", thread_local=False)

    def open(self) -> None:
        """Say that this owner lives, and free the jobs of those on this machine that do not; blocks.

        With SQLite all owners are on this machine, where the operating system drops a lock with its process: so a restart
        need not wait for the leases of the process before it.
        """
        if not self._database.is_sqlite:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        self._lock.acquire(timeout=0)
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
        """Let go of all jobs at once, so that another replica need not wait."""
        try:
            await self._database.run(lambda connection: _free(connection, jobs.c.lease_owner == self.owner))
        finally:
            await asyncio.to_thread(self._close)

    async def claim(self) -> list[Job]:
        """Take unfinished jobs nobody owns, oldest first; each has the generation to write with. At most 500 at once."""
        return await self._database.run(self._claim)

    async def renew(self) -> None:
        """Hold what is held for another term."""
        mine = sa.and_(jobs.c.lease_owner == self.owner, jobs.c.finished_at.is_(None))
        renewal = sa.update(jobs).where(mine).values(lease_until=self._database.now + self._lease_s)
        await self._database.run(lambda connection: connection.execute(renewal))

    def _close(self) -> None:
        self._lock.release()
        Path(self._lock.lock_file).unlink(missing_ok=True)

    def _claim(self, connection: sa.Connection) -> list[Job]:
        is_free = sa.or_(jobs.c.lease_until.is_(None), jobs.c.lease_until < self._database.now)
        free = (
            sa.select(jobs.c.job_id)
            .where(jobs.c.finished_at.is_(None), is_free)
            .order_by(jobs.c.created_at)
            .limit(CLAIMED_AT_ONCE)
            .with_for_update(skip_locked=True)
        )
        job_ids = list(connection.scalars(free))
        if not job_ids:
            return []
        connection.execute(
            sa.update(jobs)
            .where(jobs.c.job_id.in_(job_ids))
            .values(
                lease_owner=self.owner,
                lease_until=self._database.now + self._lease_s,
                generation=jobs.c.generation + 1,
            )
        )
        claimed = sa.select(jobs).where(jobs.c.job_id.in_(job_ids)).order_by(jobs.c.created_at)
        return [job_of(row) for row in connection.execute(claimed)]


def _free(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> None:
    connection.execute(sa.update(jobs).where(condition).values(lease_owner=None, lease_until=None))
