"""Queries: a visitor's history with search, pages and bin, and figures about all jobs for the owner."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from dreamina_ui.cards.media.file_names import files_in
from dreamina_ui.jobs import TERMINAL, Job, State
from dreamina_ui.storage.allowances import blocks, change_and_settle, uses
from dreamina_ui.storage.database import Database
from dreamina_ui.storage.job_rows import (
    AT_ONCE,
    collected,
    collections,
    jobs,
    move_rows,
    read_jobs,
    remove_rows,
    shelf,
)
from dreamina_ui.storage.webhook_events import Outbox, move_addresses

__all__ = ["RUNNING", "JobQueries", "Latest", "Overview", "Search", "Spending", "Taken", "counted_most"]

THOUSAND = 1000
LOOKED_AT_FOR_COST = 100
"""So many of a visitor's newest jobs are read for what the last one cost: with 10,000 of them no more."""
CHAIN_READ_MOST = 500
"""Jobs of one chain that are read, newest first: one video can be continued in many ways."""


@dataclass(frozen=True, slots=True)
class Search:
    """Filters of the history; empty ones match everything. All `words` must be in the prompt, in any order and case.

    The jobs of a collection come in its order.
    """

    words: str = ""
    state: str = ""
    aspect_ratio: str = ""
    frames: int | None = None
    model_id: str = ""
    starred: bool = False
    collection_id: str = ""


@dataclass(frozen=True, slots=True)
class Taken:
    """Seconds that the newest videos of a kind took: the service's work alone, and from the submission to the end."""

    at_work_s: tuple[float, ...]
    in_all_s: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Spending:
    """Videos that were or may have been paid, of one model at one backend with one kind of key, and their cost.

    The cost of `unpriced` of them is unknown: they are not finished, or the service did not report it. `model_id` is empty where
    all models are one sum, and for videos of before this was kept.
    """

    backend: str
    own_key: bool
    model_id: str
    videos: int
    usd: float
    unpriced: int


@dataclass(frozen=True, slots=True)
class Latest:
    """The ids of a visitor's newest running job, newest finished video and newest batch outside the bin; None without one."""

    running: str | None
    video: str | None
    batch: str | None


RUNNING = "running"
"""The value of `Search.state` for all unfinished jobs."""


# Made once, so that SQLAlchemy compiles them once: they run for each page, video and poster.
_MINE = sa.and_(jobs.c.visitor_id == sa.bindparam("of_visitor"), jobs.c.deleted_at.is_(None))
_NEWEST = (
    sa.select(jobs)
    .order_by(jobs.c.created_at.desc(), jobs.c.variation, jobs.c.job_id.desc())
    .limit(sa.bindparam("most"))
    .offset(sa.bindparam("after"))
)


def _count_of(*conditions: sa.ColumnElement[bool]) -> sa.Select[Any]:
    some = sa.select(jobs.c.job_id).where(*conditions).limit(sa.bindparam("counted"))
    return sa.select(sa.func.count()).select_from(some.subquery())


_PAGE, _PAGE_COUNT = _NEWEST.where(_MINE), _count_of(_MINE)
_OF_CLICK = sa.select(jobs).where(_MINE, jobs.c.click_id == sa.bindparam("of_click")).order_by(jobs.c.variation)
_OF_BATCH = sa.select(jobs).where(_MINE, jobs.c.batch_id == sa.bindparam("of_batch")).order_by(jobs.c.variation)
_OF_CHAIN = (
    sa.select(jobs)
    .where(_MINE, jobs.c.chain == sa.bindparam("of_chain"))
    .order_by(jobs.c.created_at.desc())
    .limit(CHAIN_READ_MOST)
)
_FIRST_OF_CHAIN = sa.select(jobs).where(_MINE, jobs.c.share_id == sa.bindparam("of_chain"))
_NEWEST_RUNNING = _NEWEST.where(_MINE, jobs.c.finished_at.is_(None)).with_only_columns(jobs.c.job_id)
_NEWEST_VIDEO = _NEWEST.where(_MINE, jobs.c.state == State.SUCCEEDED).with_only_columns(jobs.c.job_id)
_LAST_BATCH = (
    sa.select(jobs.c.batch_id).where(_MINE, jobs.c.batch_id.is_not(None)).order_by(jobs.c.created_at.desc()).limit(1)
)
_IS_SHOWN = sa.select(jobs.c.job_id).where(jobs.c.share_id == sa.bindparam("shared"), jobs.c.deleted_at.is_(None))


class JobQueries:
    """Reads and deletes the jobs of one visitor; other visitors' job ids are ignored. `outbox` is told what ends here."""

    def __init__(self, database: Database, outbox: Outbox | None = None) -> None:
        self._database = database
        self._outbox = outbox or Outbox(database)

    async def page(
        self, visitor_id: str, search: Search | None = None, *, limit: int = 24, offset: int = 0
    ) -> tuple[list[Job], int]:
        """A page of the jobs that match, newest first, and the count of all of them, up to one more than `counted_most`."""
        conditions = _conditions(search or Search())
        page = _page_of(search or Search())
        count = _count_of(_MINE, *conditions) if conditions else _PAGE_COUNT
        mine = {"of_visitor": visitor_id}
        counted = {**mine, "counted": counted_most(offset + limit) + 1}

        def work(connection: sa.Connection) -> tuple[list[Job], int]:
            shown = read_jobs(connection, page, {**mine, "most": limit, "after": offset})
            if offset == 0 and len(shown) < limit:  # these are all
                return shown, len(shown)
            return shown, connection.scalar(count, counted) or 0

        return await self._database.read(work)

    async def listed(
        self, visitor_id: str, search: Search | None = None, *, limit: int = 24, offset: int = 0
    ) -> list[Job]:
        """The page alone: nothing is counted."""
        query = _page_of(search or Search())
        values = {"of_visitor": visitor_id, "most": limit, "after": offset}
        return await self._database.read(lambda connection: read_jobs(connection, query, values))

    async def shared(self, share_ids: Sequence[str]) -> list[Job]:
        """The jobs of share ids that exist and are not in the bin, of any visitor, in no order."""
        query = sa.select(jobs).where(jobs.c.share_id.in_(share_ids), jobs.c.deleted_at.is_(None))
        return await self._database.read(lambda connection: read_jobs(connection, query))

    async def named(self, ids: Sequence[str]) -> list[Job]:
        """The jobs with one of these job ids or share ids that are not in the bin, of any visitor, in no order."""
        query = sa.select(jobs).where(
            sa.or_(jobs.c.job_id.in_(ids), jobs.c.share_id.in_(ids)), jobs.c.deleted_at.is_(None)
        )
        return await self._database.read(lambda connection: read_jobs(connection, query))

    async def of_click(self, visitor_id: str, click_id: str) -> list[Job]:
        """The variations of one click, in their order."""
        values = {"of_visitor": visitor_id, "of_click": click_id}
        return await self._database.read(lambda connection: read_jobs(connection, _OF_CLICK, values))

    async def of_batch(self, visitor_id: str, batch_id: str) -> list[Job]:
        """The jobs of a batch, in their order."""
        values = {"of_visitor": visitor_id, "of_batch": batch_id}
        return await self._database.read(lambda connection: read_jobs(connection, _OF_BATCH, values))

    async def of_chain(self, visitor_id: str, chain_id: str) -> list[Job]:
        """A video, and the jobs that continue it, one after the other or in several ways."""
        values = {"of_visitor": visitor_id, "of_chain": chain_id}
        queries = (_FIRST_OF_CHAIN, _OF_CHAIN)
        return await self._database.read(
            lambda connection: [job for query in queries for job in read_jobs(connection, query, values)]
        )

    async def latest(self, visitor_id: str) -> Latest:
        """What a page shows of a visitor when it is opened."""
        values = {"of_visitor": visitor_id, "most": 1, "after": 0}
        queries = (_NEWEST_RUNNING, _NEWEST_VIDEO, _LAST_BATCH)
        return await self._database.read(
            lambda connection: Latest(*(connection.scalar(query, values) for query in queries))
        )

    async def taken(self, backend: str, model_id: str, frames: int | None, limit: int = 30) -> Taken:
        """How long the newest videos of a kind took, of any visitor; at most `limit` values of each."""
        same_length = jobs.c.frames.is_(None) if frames is None else jobs.c.frames == frames
        kind = sa.and_(jobs.c.backend == backend, jobs.c.model_id == model_id, same_length)
        at_work = sa.select(jobs.c.took_s).where(kind, jobs.c.took_s.is_not(None))
        ended = sa.and_(kind, jobs.c.state == State.SUCCEEDED, jobs.c.finished_at.is_not(None))
        in_all = sa.select(jobs.c.finished_at - jobs.c.submitted_at).where(ended, jobs.c.submitted_at.is_not(None))

        def work(connection: sa.Connection) -> Taken:
            newest = (query.order_by(jobs.c.finished_at.desc()).limit(limit) for query in (at_work, in_all))
            return Taken(*(tuple(connection.scalars(query)) for query in newest))

        return await self._database.read(work)

    async def last_cost_usd(
        self, visitor_id: str, backend: str, model_id: str, frames: int | None, *, own_key: bool
    ) -> float | None:
        """The cost of the newest video of a kind, among the newest hundred jobs of a visitor; None without any."""
        newest = (
            sa.select(jobs)
            .where(jobs.c.visitor_id == visitor_id)
            .order_by(jobs.c.created_at.desc())
            .limit(LOOKED_AT_FOR_COST)
            .subquery()
        ).c
        same_length = newest.frames.is_(None) if frames is None else newest.frames == frames
        kind = (newest.backend == backend, newest.model_id == model_id, newest.own_key.is_(own_key), same_length)
        made = (newest.state == State.SUCCEEDED, newest.cost_usd.is_not(None))
        query = sa.select(newest.cost_usd).where(*kind, *made).order_by(newest.created_at.desc()).limit(1)
        return await self._database.read(lambda connection: connection.scalar(query))

    async def newest_cost_usd(self, backend: str, model_id: str, frames: int | None, *, own_key: bool) -> float | None:
        """The cost of the newest video of a kind, of any visitor; None without any."""
        same_length = jobs.c.frames.is_(None) if frames is None else jobs.c.frames == frames
        kind = (jobs.c.backend == backend, jobs.c.model_id == model_id, jobs.c.own_key.is_(own_key), same_length)
        made = (jobs.c.state == State.SUCCEEDED, jobs.c.cost_usd.is_not(None))
        query = sa.select(jobs.c.cost_usd).where(*kind, *made).order_by(jobs.c.finished_at.desc()).limit(1)
        return await self._database.read(lambda connection: connection.scalar(query))

    async def delete(self, visitor_id: str, job_ids: Sequence[str], now: float) -> int:
        """Put jobs that have ended into the bin. Returns their count."""
        return await self._mark(visitor_id, job_ids, now)

    async def restore(self, visitor_id: str, job_ids: Sequence[str]) -> int:
        """Take jobs out of the bin. Returns their count."""
        return await self._mark(visitor_id, job_ids, None)

    async def has_any(self, visitor_id: str) -> bool:
        """Whether the visitor has jobs outside the bin, collections, or anything on the shelf."""
        tables = (jobs, collections, shelf)
        conditions = {table: [table.c.visitor_id == visitor_id] for table in tables}
        conditions[jobs].append(jobs.c.deleted_at.is_(None))
        queries = [sa.select(table.c.visitor_id).where(*conditions[table]).limit(1) for table in tables]
        return await self._database.read(
            lambda connection: any(connection.scalar(query) is not None for query in queries)
        )

    async def follow(self, former: str, visitor_id: str, now: float) -> None:
        """Give a visitor the history, the used allowance and the block of the one that it was before.

        What waits unsent for the former visitor's own key is cancelled: another key must not pay for it.
        """
        was_blocked = sa.select(blocks).where(blocks.c.visitor_id == former)
        is_blocked = sa.select(blocks.c.visitor_id).where(blocks.c.visitor_id == visitor_id)
        own = sa.and_(jobs.c.visitor_id == former, jobs.c.own_key.is_(sa.true()))

        def copy_block(connection: sa.Connection) -> None:
            self._database.serialise(connection)
            block = connection.execute(was_blocked).first()
            if block is not None and connection.execute(is_blocked).first() is None:
                connection.execute(sa.insert(blocks).values(visitor_id=visitor_id, reason=block.reason, at=block.at))
            connection.execute(sa.update(uses).where(uses.c.visitor_id == former).values(visitor_id=visitor_id))

        def move(connection: sa.Connection) -> None:
            waiting = sa.and_(own, jobs.c.state == State.WAITING)
            change_and_settle(connection, self._outbox, waiting, lambda job: job.cancel(now))
            move_rows(connection, former, visitor_id)
            move_addresses(connection, former, visitor_id)

        # Two transactions: a claim locks rows while it waits for `serialise`; in one transaction this would deadlock.
        await self._database.run(copy_block)
        await self._database.run(move)

    async def binned(self, before: float) -> list[str]:
        """The share ids of ended jobs that were put into the bin before a time, in seconds since the epoch."""
        query = sa.select(jobs.c.share_id).where(jobs.c.deleted_at < before, jobs.c.finished_at.is_not(None))
        return await self._database.read(lambda connection: list(connection.scalars(query)))

    async def forget(self, share_ids: Sequence[str], *, made_before: float) -> None:
        """Remove the rows of those of these jobs that are still in the bin, and were made before a time."""
        old = sa.and_(
            jobs.c.deleted_at.is_not(None),
            jobs.c.created_at < made_before,
            jobs.c.finished_at.is_not(None),  # an uncertain job may have been adopted from the bin
        )

        def work(connection: sa.Connection) -> None:
            for start in range(0, len(share_ids), AT_ONCE):
                remove_rows(connection, sa.and_(jobs.c.share_id.in_(share_ids[start : start + AT_ONCE]), old))

        await self._database.run(work)

    async def is_shown(self, share_id: str) -> bool:
        """Whether there is a job with this share id outside the bin."""
        values = {"shared": share_id}
        return await self._database.read(lambda connection: connection.execute(_IS_SHOWN, values).first() is not None)

    async def has_file(self, visitor_id: str, digest: str) -> bool:
        """Whether a job of this visitor, in the bin or not, was made with the file of this digest, or the shelf names it."""
        queries = [
            sa.select(table.c.visitor_id)
            .where(table.c.visitor_id == visitor_id, table.c.payload.contains(f"#{digest}", autoescape=True))
            .limit(1)
            for table in (jobs, shelf)
        ]
        return await self._database.read(
            lambda connection: any(connection.scalar(query) is not None for query in queries)
        )

    async def files(self) -> set[str]:
        """The digests of the files that jobs were made with, or that shelves name."""
        queries = [sa.select(table.c.payload).where(table.c.payload.contains("upload:")) for table in (jobs, shelf)]

        def work(connection: sa.Connection) -> set[str]:
            payloads = (payload for query in queries for payload in connection.scalars(query))
            return {named.digest for payload in payloads for named in files_in(json.loads(payload))}

        return await self._database.read(work)

    async def _mark(self, visitor_id: str, job_ids: Sequence[str], deleted_at: float | None) -> int:
        was_there = jobs.c.deleted_at.is_not(None) if deleted_at is None else jobs.c.deleted_at.is_(None)
        change = (
            sa.update(jobs)
            .where(jobs.c.visitor_id == visitor_id, jobs.c.job_id.in_(job_ids), jobs.c.state.in_(TERMINAL), was_there)
            .values(deleted_at=deleted_at)
        )
        return await self._database.run(lambda connection: connection.execute(change).rowcount)


class Overview:
    """Queries for the owner, about the jobs of all visitors."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def spending(self, since: float, *, by_model: bool = False) -> list[Spending]:
        """The spending on videos made since a time, deleted ones included; a video that was resumed is paid once."""
        model_id = uses.c.model_id if by_model else sa.literal("")
        kind = (uses.c.backend, uses.c.own_key, model_id.label("model"))
        query = (
            sa.select(*kind, sa.func.count(), sa.func.sum(uses.c.cost_usd), sa.func.count(uses.c.cost_usd))
            .where(uses.c.reserved_at >= since, uses.c.given_back_at.is_(None))
            .group_by(uses.c.backend, uses.c.own_key, *([uses.c.model_id] if by_model else []))
            .order_by(uses.c.backend, uses.c.own_key, sa.literal_column("model"))
        )
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [
            Spending(backend, bool(own), model, count, usd or 0.0, count - known)
            for backend, own, model, count, usd, known in rows
        ]

    async def by_state(self) -> dict[State, int]:
        """The count of jobs in each state, in the order of `State`, without zeros."""
        query = sa.select(jobs.c.state, sa.func.count()).group_by(jobs.c.state)
        found = await self._database.read(lambda connection: {row[0]: row[1] for row in connection.execute(query)})
        return {state: found[state] for state in State if state in found}

    async def oldest_unfinished(self) -> Job | None:
        query = sa.select(jobs).where(jobs.c.finished_at.is_(None)).order_by(jobs.c.created_at).limit(1)
        return next(iter(await self._jobs(query)), None)

    async def uncertain(self) -> list[Job]:
        """The uncertain jobs, newest first; also dismissed and deleted ones, which may have been charged."""
        query = sa.select(jobs).where(jobs.c.state == State.UNCERTAIN)
        return await self._jobs(query.order_by(jobs.c.created_at.desc(), jobs.c.job_id))

    async def knows(self, visitor_id: str) -> bool:
        """Whether a visitor has any job, also in the bin."""
        query = sa.select(jobs.c.job_id).where(jobs.c.visitor_id == visitor_id).limit(1)
        return await self._database.read(lambda connection: connection.execute(query).first() is not None)

    async def old(self, before: float) -> list[tuple[str, str]]:
        """Job id and share id of jobs that ended before a time, oldest first; without uncertain ones."""
        query = sa.select(jobs.c.job_id, jobs.c.share_id).where(_is_old(before)).order_by(jobs.c.finished_at)
        return await self._database.read(lambda connection: [(row[0], row[1]) for row in connection.execute(query)])

    async def forget(self, job_ids: Sequence[str], before: float) -> int:
        """Remove the rows of jobs that are still `old`. Returns their count."""

        def work(connection: sa.Connection) -> int:
            parts = (job_ids[start : start + AT_ONCE] for start in range(0, len(job_ids), AT_ONCE))
            return sum(remove_rows(connection, sa.and_(jobs.c.job_id.in_(part), _is_old(before))) for part in parts)

        return await self._database.run(work)

    async def _jobs(self, query: sa.Select[Any]) -> list[Job]:
        return await self._database.read(lambda connection: read_jobs(connection, query))


def counted_most(reach: int) -> int:
    """How far jobs are counted for a page that ends at the job of this number: to the next full thousand."""
    return -(-reach // THOUSAND) * THOUSAND


def _page_of(search: Search) -> sa.Select[Any]:
    """A page of the jobs that match, newest first; those of a collection in its order."""
    conditions = _conditions(replace(search, collection_id=""))
    if not search.collection_id:
        return _NEWEST.where(_MINE, *conditions) if conditions else _PAGE
    in_it = sa.and_(collected.c.share_id == jobs.c.share_id, collected.c.collection_id == search.collection_id)
    page = _NEWEST.where(_MINE, *conditions).join_from(jobs, collected, in_it).order_by(None)
    return page.order_by(collected.c.place, jobs.c.share_id)


def _conditions(search: Search) -> list[sa.ColumnElement[bool]]:
    conditions = [jobs.c.prompt.contains(word, autoescape=True) for word in search.words.lower().split()[:20]]
    if search.state == RUNNING:
        conditions.append(jobs.c.finished_at.is_(None))
    elif search.state:
        conditions.append(jobs.c.state == search.state)
    if search.aspect_ratio:
        conditions.append(jobs.c.aspect_ratio == search.aspect_ratio)
    if search.frames is not None:
        conditions.append(jobs.c.frames == search.frames)
    if search.model_id:
        conditions.append(jobs.c.model_id == search.model_id)
    if search.starred:
        conditions.append(sa.text("starred"))  # type: ignore[arg-type]  # as the index has it
    if search.collection_id:
        in_it = sa.select(collected.c.share_id).where(collected.c.collection_id == search.collection_id)
        conditions.append(jobs.c.share_id.in_(in_it))
    return conditions


def _is_old(before: float) -> sa.ColumnElement[bool]:
    return sa.and_(jobs.c.finished_at < before, jobs.c.state != State.UNCERTAIN)
