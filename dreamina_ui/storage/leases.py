"""Who owns which unfinished job: a lease for some seconds, renewed while its owner lives.

Any number of replicas share one database. A lease is told by the database's clock, the only one they share. A replica that
dies stops renewing, and another one takes its jobs over; each taking raises the job's generation, so that the late write
of an owner who was only asleep is refused (`JobStore.change`).
"""

import asyncio
import secrets
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import sqlalchemy as sa
from filelock import FileLock, Timeout

from dreamina_ui.errors import KeyNeeded
from dreamina_ui.jobs import Job, State
from dreamina_ui.storage.database import Database
from dreamina_ui.storage.job_rows import job_of, jobs

__all__ = ["LEASE_S", "RENEWED_EVERY_S", "Keyed", "Leases"]

LEASE_S = 15.0
RENEWED_EVERY_S = 4.0
"""A dead owner's job is taken over within 15 + 4 seconds; a live one may miss two renewals."""
CLAIMED_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Keyed:
    """The visitors and jobs whose own keys this replica has; and since when others may wait for theirs, at most."""

    visitor_ids: frozenset[str] = frozenset()
    job_ids: frozenset[str] = frozenset()
    since: float = 0.0


class Leases:
    """One replica's hold on its jobs. With SQLite `folder` keeps a lock file for as long as its process lives."""

    def __init__(self, database: Database, folder: Path, *, lease_s: float = LEASE_S) -> None:
        self.owner = secrets.token_hex(8)
        self.renewed_every_s = lease_s * RENEWED_EVERY_S / LEASE_S
        self._database = database
        self._folder = folder
        self._lease_s = lease_s
        self.lock = FileLock(folder / f"{self.owner}.lock", thread_local=False)

    def open(self) -> None:
        """Say that this owner lives, and free the jobs of those on this machine that do not; blocks.

        With SQLite all owners are on this machine, where the operating system drops a lock with its process: so a restart
        need not wait for the leases of the process before it.
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
        """Let go of all jobs at once, so that another replica need not wait."""
        try:
            await self._database.run(lambda connection: _free(connection, jobs.c.lease_owner == self.owner))
        finally:
            await asyncio.to_thread(self._close)

    async def claim(self, *, active: int, batch_active: int, keyed: Keyed = Keyed()) -> list[Job]:
        """Take unfinished jobs nobody owns, oldest first; each has the generation to write with. At most 500 at once.

        Jobs of batches that are not sent yet are taken only as far as their visitor has fewer than `batch_active` of them
        under way, and everybody together fewer than `active` jobs; and not while they are held.
        A job that is known to wait for its visitor's own key is taken only where that key is, or when it waited too long.
        """
        return await self._database.run(lambda connection: self._claim(connection, active, batch_active, keyed))

    async def release(self, job: Job) -> None:
        """Let go of a job that is not run any more, so that whoever looks next can take it."""
        mine = sa.and_(jobs.c.lease_owner == self.owner, jobs.c.generation == job.generation)
        await self._database.run(lambda connection: _free(connection, sa.and_(jobs.c.job_id == job.job_id, mine)))

    async def renew(self) -> None:
        """Keep what is owned for another term, but for what waits in a paused batch: that is nobody's."""
        paused = sa.and_(jobs.c.held.is_(sa.true()), jobs.c.state == State.WAITING)
        mine = sa.and_(jobs.c.lease_owner == self.owner, jobs.c.finished_at.is_(None), sa.not_(paused))
        renewal = sa.update(jobs).where(mine).values(lease_until=self._database.now + self._lease_s)
        await self._database.run(lambda connection: connection.execute(renewal))

    def _close(self) -> None:
        self.lock.release()
        Path(self.lock.lock_file).unlink(missing_ok=True)

    def _claim(self, connection: sa.Connection, active: int, batch_active: int, keyed: Keyed) -> list[Job]:
        is_free = sa.or_(jobs.c.lease_until.is_(None), jobs.c.lease_until < self._database.now)
        in_line = sa.and_(jobs.c.batch_id.is_not(None), jobs.c.state == State.WAITING, is_free)
        free = (
            sa.select(jobs.c.job_id)
            .where(jobs.c.finished_at.is_(None), is_free, sa.not_(in_line), _can_go_on(keyed))
            .order_by(jobs.c.created_at)
            .limit(CLAIMED_AT_ONCE)
            .with_for_update(skip_locked=True)
        )
        job_ids = list(connection.scalars(free))
        job_ids += self._next_in_line(connection, in_line, active, batch_active, keyed)
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
        claimed = sa.select(jobs).where(jobs.c.job_id.in_(job_ids)).order_by(jobs.c.created_at, jobs.c.variation)
        return [job_of(row) for row in connection.execute(claimed)]

    def _next_in_line(
        self, connection: sa.Connection, in_line: sa.ColumnElement[bool], active: int, batch_active: int, keyed: Keyed
    ) -> list[str]:
        """The jobs of batches whose turn it is: of each visitor the oldest, and of all visitors in turn."""
        waiting = sa.and_(jobs.c.finished_at.is_(None), in_line, jobs.c.held.is_(sa.false()), _can_go_on(keyed))
        if connection.execute(sa.select(jobs.c.job_id).where(waiting).limit(1)).first() is None:
            return []
        self._database.serialise(connection)  # two replicas that count at once would both fill the same places
        running = sa.and_(jobs.c.finished_at.is_(None), sa.not_(in_line))
        places = active - (connection.scalar(sa.select(sa.func.count()).select_from(jobs).where(running)) or 0)
        mine = sa.select(jobs.c.visitor_id, sa.func.count()).where(running, jobs.c.batch_id.is_not(None))
        under_way: dict[str, int] = {row[0]: row[1] for row in connection.execute(mine.group_by(jobs.c.visitor_id))}
        turn = sa.func.row_number().over(
            partition_by=jobs.c.visitor_id, order_by=(jobs.c.created_at, jobs.c.variation, jobs.c.job_id)
        )
        line = (
            sa.select(jobs.c.job_id, jobs.c.visitor_id, jobs.c.created_at, turn.label("turn")).where(waiting).subquery()
        )
        ahead = connection.execute(sa.select(line).where(line.c.turn <= batch_active)).all()
        # Whoever has the least under way comes first.
        fairly = sorted(ahead, key=lambda row: (under_way.get(row.visitor_id, 0) + row.turn, row.created_at))
        allowed = (row for row in fairly if under_way.get(row.visitor_id, 0) + row.turn <= batch_active)
        chosen = [row.job_id for row in islice(allowed, min(max(places, 0), CLAIMED_AT_ONCE))]
        still = sa.select(jobs.c.job_id).where(jobs.c.job_id.in_(chosen), waiting).with_for_update(skip_locked=True)
        return list(connection.scalars(still)) if chosen else []


def _free(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> None:
    connection.execute(sa.update(jobs).where(condition).values(lease_owner=None, lease_until=None))


def _can_go_on(keyed: Keyed) -> sa.ColumnElement[bool]:
    # As `job_rows.values_of` writes a failure: the code comes first.
    known_to_wait = jobs.c.failure.startswith(f'{{"code": "{KeyNeeded.code}"', autoescape=True)
    key_is_here = sa.or_(jobs.c.visitor_id.in_(keyed.visitor_ids), jobs.c.job_id.in_(keyed.job_ids))
    not_waiting = sa.or_(jobs.c.own_key.is_(sa.false()), jobs.c.failure.is_(None), sa.not_(known_to_wait))
    return sa.or_(not_waiting, key_is_here, jobs.c.created_at < keyed.since)
