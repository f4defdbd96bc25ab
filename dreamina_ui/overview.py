"""What the owner asks of all visitors' rows: how much was spent, what runs, what is uncertain, and what is old."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from dreamina_ui.database import Database
from dreamina_ui.jobs import Job, State
from dreamina_ui.rows import job_of, jobs

__all__ = ["Overview", "Spending"]

AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Spending:
    """Videos that were paid, or may have been, at one service with one kind of key; and what is known of their cost.

    `unpriced` of them have no known cost: they are not ready yet, or the service did not say.
    """

    backend: str
    own_key: bool
    videos: int
    usd: float
    unpriced: int


class Overview:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def spending(self, since: float) -> list[Spending]:
        """Of the jobs made since a time. A request that was looked for again is one video, and was paid once."""
        free = sa.or_(
            sa.and_(jobs.c.state == State.CANCELLED, jobs.c.started_at.is_(None)),
            sa.and_(jobs.c.state == State.FAILED, jobs.c.request_id.is_(None)),
        )
        video = sa.func.coalesce(jobs.c.request_id, jobs.c.job_id)
        videos = (
            sa.select(jobs.c.backend, jobs.c.own_key, sa.func.max(jobs.c.cost_usd).label("usd"))
            .where(jobs.c.created_at >= since, sa.not_(free))
            .group_by(jobs.c.backend, jobs.c.own_key, video)
            .subquery()
        )
        priced = sa.func.count(videos.c.usd)
        query = (
            sa.select(videos.c.backend, videos.c.own_key, sa.func.count(), sa.func.sum(videos.c.usd), priced)
            .group_by(videos.c.backend, videos.c.own_key)
            .order_by(videos.c.backend, videos.c.own_key)
        )
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [
            Spending(backend, bool(own), count, usd or 0.0, count - known) for backend, own, count, usd, known in rows
        ]

    async def by_state(self) -> dict[State, int]:
        """How many jobs stand in each state, in the order of a job's life; states without any are left out."""
        query = sa.select(jobs.c.state, sa.func.count()).group_by(jobs.c.state)
        found = await self._database.read(lambda connection: {row[0]: row[1] for row in connection.execute(query)})
        return {state: found[state] for state in State if state in found}

    async def oldest_unfinished(self) -> Job | None:
        query = sa.select(jobs).where(jobs.c.finished_at.is_(None)).order_by(jobs.c.created_at).limit(1)
        return next(iter(await self._jobs(query)), None)

    async def uncertain(self) -> list[Job]:
        """The newest first, also dismissed and deleted ones: their money may be spent all the same."""
        query = sa.select(jobs).where(jobs.c.state == State.UNCERTAIN)
        return await self._jobs(query.order_by(jobs.c.created_at.desc(), jobs.c.job_id))

    async def knows(self, visitor_id: str) -> bool:
        """Whether a visitor ever asked for a video that is still remembered."""
        query = sa.select(jobs.c.job_id).where(jobs.c.visitor_id == visitor_id).limit(1)
        return await self._database.read(lambda connection: connection.execute(query).first() is not None)

    async def old(self, before: float) -> list[tuple[str, str]]:
        """Job id and share id of what ended before a time, the oldest first; never of what is uncertain."""
        query = sa.select(jobs.c.job_id, jobs.c.share_id).where(_is_old(before)).order_by(jobs.c.finished_at)
        return await self._database.read(lambda connection: [(row[0], row[1]) for row in connection.execute(query)])

    async def forget(self, job_ids: Sequence[str], before: float) -> int:
        """Remove the rows of those that `old` gave, if they still are; gives how many."""

        def work(connection: sa.Connection) -> int:
            parts = (job_ids[start : start + AT_ONCE] for start in range(0, len(job_ids), AT_ONCE))
            old = (sa.delete(jobs).where(jobs.c.job_id.in_(part), _is_old(before)) for part in parts)
            return sum(connection.execute(part).rowcount for part in old)

        return await self._database.run(work)

    async def _jobs(self, query: sa.Select[Any]) -> list[Job]:
        return await self._database.read(lambda connection: [job_of(row) for row in connection.execute(query)])


def _is_old(before: float) -> sa.ColumnElement[bool]:
    return sa.and_(jobs.c.finished_at < before, jobs.c.state != State.UNCERTAIN)
