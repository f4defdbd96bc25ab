"""Stores jobs as rows: once per click, changed only by legal moves and by their owners."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from dreamina_ui.errors import AlreadyUsed, IllegalMove, JobNotFound, LeaseLost, RequestTaken
from dreamina_ui.jobs import Job, State
from dreamina_ui.storage.allowances import Limits, admit, change_and_settle, reserve, settle
from dreamina_ui.storage.database import Database
from dreamina_ui.storage.job_rows import is_used, job_of, jobs, own_keys, read_jobs, values_of, write_row
from dreamina_ui.storage.webhook_events import BatchAddress, Outbox

__all__ = ["JobStore", "can_be_an_id"]

ID_MOST = 100
_NOTE_KEY = sa.text(
    "INSERT INTO own_keys (visitor_id, at) VALUES (:visitor_id, :at) ON CONFLICT (visitor_id) DO UPDATE SET at = :at"
)


class JobStore:
    """Makes, reads and changes the rows of jobs, in a prepared database. `outbox` is told what has ended."""

    def __init__(self, database: Database, outbox: Outbox | None = None) -> None:
        self._database = database
        self._outbox = outbox or Outbox(database)

    async def add(
        self,
        made: Sequence[Job],
        limits: Limits | None = None,
        *,
        is_call: bool = False,
        booked: Mapping[str, float] | None = None,
        webhook: BatchAddress | None = None,
    ) -> list[Job]:
        """Make the rows of one click, in the transaction that checks the limits. Returns the jobs.

        `booked` has the US dollars that the jobs are expected to cost, by job id, as far as that is known. If the click already
        has jobs, returns those and makes none; of a call of a program, whoever they belong to. Raises `AlreadyUsed` if they are
        deleted, however long ago, `VisitorBlocked`, `TooManyActive`, `DailyLimitReached` or `DailyBudgetReached`; then nothing is
        written. `webhook` is the address that is told the end of a batch.
        """
        return await self._database.run(
            lambda connection: self._add(connection, made, limits, is_call, booked or {}, webhook)
        )

    async def restore(self, made: Sequence[Job]) -> int:
        """Make the rows of finished jobs whose share ids have none. Returns their count. Replicas may do this at once."""

        def work(connection: sa.Connection) -> int:
            self._database.serialise(connection)
            known = sa.select(jobs.c.share_id).where(jobs.c.share_id.in_([job.share_id for job in made]))
            taken = set(connection.scalars(known))
            missing = [job for job in made if job.share_id not in taken]
            for job in missing:
                connection.execute(sa.insert(jobs), values_of(_with_free_click(connection, job)))
            reserve(connection, missing)  # losing the database gives no use back
            return len(missing)

        return await self._database.run(work)

    async def get(self, job_id: str) -> Job:
        """The job with an id, also in the bin. Raises `JobNotFound`, also for an invalid id."""
        return await self._one(job_id, _ANY)

    async def shown(self, job_id: str) -> Job:
        """The job with an id, which is not deleted. Raises `JobNotFound`.

        An uncertain job is found in the bin as well: it may be paid, and its video can still be adopted.
        """
        return await self._one(job_id, _SHOWN)

    async def get_many(self, job_ids: Sequence[str]) -> list[Job]:
        """The jobs that exist, in no order."""
        return await self._all(_MANY, {"of_jobs": list(job_ids)})

    async def unfinished(self) -> list[Job]:
        """All jobs that have not ended, oldest first."""
        return await self._all(sa.select(jobs).where(jobs.c.finished_at.is_(None)).order_by(jobs.c.created_at))

    async def without_poster(self, ended_before: float) -> list[Job]:
        """The jobs that ended before this time and whose posters are still to be made, oldest first."""
        # As the index has it: SQLite takes no other spelling for the same.
        due = sa.and_(sa.text("poster_due"), jobs.c.finished_at < ended_before)
        return await self._all(sa.select(jobs).where(due).order_by(jobs.c.finished_at))

    async def share_ids(self) -> set[str]:
        """The share ids of all jobs."""
        query = sa.select(jobs.c.share_id)
        return await self._database.read(lambda connection: set(connection.scalars(query)))

    async def change(self, job_id: str, change: Callable[[Job], Job], *, generation: int | None = None) -> Job:
        """Read, change and write one row in one transaction. Returns the changed job.

        `change` must be pure: it runs in a thread. If it raises, nothing is written. An owner passes its `generation`:
        raises `LeaseLost` if the job has had a later owner. Raises `JobNotFound`.
        """
        return await self._database.run(lambda connection: self._change(connection, job_id, change, generation))

    async def pause(self, visitor_id: str, batch_id: str) -> list[Job]:
        """Pause a batch: its jobs that are not sent yet will not be sent. Returns the changed jobs."""
        # Also jobs in `submitting`: they may return to `waiting`.
        unsent = jobs.c.state.in_([State.WAITING, State.SUBMITTING])
        return await self._change_batch(visitor_id, batch_id, unsent, lambda job: job.move(job.state, paused=True))

    async def go_on(self, visitor_id: str, batch_id: str) -> list[Job]:
        """Continue a paused batch. Returns the changed jobs."""
        unfinished = jobs.c.finished_at.is_(None)
        return await self._change_batch(visitor_id, batch_id, unfinished, lambda job: job.move(job.state, paused=False))

    async def cancel_waiting(self, visitor_id: str, batch_id: str, now: float) -> list[Job]:
        """Cancel the jobs of a batch that are not sent yet. Returns the changed jobs."""
        waiting = jobs.c.state == State.WAITING
        return await self._change_batch(visitor_id, batch_id, waiting, lambda job: job.cancel(now))

    async def adopt(self, job_id: str, request_id: str, now: float) -> Job:
        """Give an uncertain job its request id, so that the next claim of a replica continues it.

        Raises `IllegalMove` for a job in another state, `RequestTaken` if another job has this request id, or had it before
        it was removed.
        """

        def adopted(row: Job) -> Job:
            if row.request_id is not None:  # a second adoption must not replace the first one's id
                raise IllegalMove(job_id=job_id)
            return row.move(
                State.IN_QUEUE, request_id=request_id, submitted_at=now, finished_at=None, failure=None, dismissed=False
            )

        def work(connection: sa.Connection) -> Job:
            self._database.serialise(connection)
            for spelt in _spellings(request_id):
                others = sa.select(jobs.c.job_id).where(jobs.c.request_id == spelt, jobs.c.job_id != job_id)
                if connection.execute(others).first() or is_used(connection, "request", spelt):
                    raise RequestTaken
            job = self._change(connection, job_id, adopted, None)
            # Also out of the bin: the next clean-up would remove a video that was paid.
            connection.execute(sa.update(jobs).where(jobs.c.job_id == job_id).values(deleted_at=None))
            return job

        return await self._database.run(work)

    async def resume(self, job_id: str) -> Job:
        """Let the next claim of a replica download the missing files of a finished job.

        Raises `IllegalMove` for a job that has no missing files.
        """

        def resumed(row: Job) -> Job:
            if not row.is_incomplete:
                raise IllegalMove(job_id=job_id)
            return row.move(State.SAVING, finished_at=None, failure=None, not_before=None)

        def work(connection: sa.Connection) -> Job:
            job = self._change(connection, job_id, resumed, None)
            # Also out of the bin: the next clean-up would remove the files.
            connection.execute(sa.update(jobs).where(jobs.c.job_id == job_id).values(deleted_at=None))
            return job

        return await self._database.run(work)

    async def note_own_key(self, visitor_id: str, now: float) -> None:
        """Note that the visitor pays with an own key, which is not stored."""
        values = {"visitor_id": visitor_id, "at": now}
        await self._database.run(lambda connection: connection.execute(_NOTE_KEY, values))

    async def forget_own_key(self, visitor_id: str) -> None:
        """Note that the visitor no longer does."""
        note = sa.delete(own_keys).where(own_keys.c.visitor_id == visitor_id)
        await self._database.run(lambda connection: connection.execute(note))

    async def has_own_key(self, visitor_id: str) -> bool:
        """Whether the visitor pays with an own key."""
        values = {"of_visitor": visitor_id}
        return await self._database.read(lambda connection: connection.execute(_KEY_NOTE, values).first() is not None)

    def _add(
        self,
        connection: sa.Connection,
        made: Sequence[Job],
        limits: Limits | None,
        is_call: bool,
        booked: Mapping[str, float],
        webhook: BatchAddress | None,
    ) -> list[Job]:
        self._database.serialise(connection)
        first = made[0]
        if first.click_id is not None:
            values = {"of_click": first.click_id, "of_visitor": first.visitor_id}
            rows = connection.execute(_OF_CALL if is_call else _OF_CLICK, values).all()
            shown = [job_of(row) for row in rows if row.deleted_at is None]
            if shown:
                return shown
            if rows or is_used(connection, "click", first.click_id, None if is_call else first.visitor_id):
                raise AlreadyUsed
        admit(connection, made, limits, booked)
        connection.execute(sa.insert(jobs), [values_of(job) for job in made])
        reserve(connection, [job for job in made if job.request_id is None], booked)
        if webhook and first.batch_id is not None:
            self._outbox.note_address(connection, first, webhook)
        return list(made)

    def _change(
        self, connection: sa.Connection, job_id: str, change: Callable[[Job], Job], generation: int | None
    ) -> Job:
        row = connection.execute(_ROW, {"of_job": job_id}).one_or_none()
        if row is None:
            raise JobNotFound
        job = job_of(row)
        if generation is not None and job.generation != generation:
            raise LeaseLost(job_id=job_id)
        # `change` must not change the generation.
        changed = replace(change(job), generation=job.generation)
        if changed != job:
            write_row(connection, job, changed)
            settle(connection, [changed])
            if changed.ended and not job.ended:
                self._outbox.note_ends(connection, [changed])
        return changed

    async def _change_batch(
        self, visitor_id: str, batch_id: str, condition: sa.ColumnElement[bool], change: Callable[[Job], Job]
    ) -> list[Job]:
        those = sa.and_(jobs.c.visitor_id == visitor_id, jobs.c.batch_id == batch_id, condition)
        return await self._database.run(lambda connection: change_and_settle(connection, self._outbox, those, change))

    async def _one(self, job_id: str, query: sa.Select[Any]) -> Job:
        if not can_be_an_id(job_id):
            raise JobNotFound
        found = await self._all(query, {"of_job": job_id})
        if not found:
            raise JobNotFound
        return found[0]

    async def _all(self, query: sa.Select[Any], values: Mapping[str, Any] | None = None) -> list[Job]:
        return await self._database.read(lambda connection: read_jobs(connection, query, values))


def can_be_an_id(value: object) -> bool:
    """Whether a value can be the id of a job or a batch: programs can send anything to the page's events."""
    return isinstance(value, str) and value.isprintable() and 0 < len(value) <= ID_MOST


def _spellings(request_id: str) -> set[str]:
    """The ways in which a service may take the same request id: an UUID means the same in capitals and without dashes."""
    spelt = {request_id, request_id.lower(), request_id.upper()}
    with suppress(ValueError):
        spelt.add(str(uuid.UUID(request_id)))
    return spelt


def _with_free_click(connection: sa.Connection, job: Job) -> Job:
    """The job, without its click where another job has that: the click was made again after the database was lost."""
    if job.click_id is None:
        return job
    same = (jobs.c.visitor_id == job.visitor_id, jobs.c.click_id == job.click_id, jobs.c.variation == job.variation)
    taken = connection.execute(sa.select(jobs.c.job_id).where(*same)).first()
    return job if taken is None else replace(job, click_id=None, batch_id=None, variation=0)


# Made once, so that SQLAlchemy compiles them once.
_ANY = sa.select(jobs).where(jobs.c.job_id == sa.bindparam("of_job"))
_SHOWN = _ANY.where(sa.or_(jobs.c.deleted_at.is_(None), jobs.c.state == State.UNCERTAIN))
_MANY = sa.select(jobs).where(jobs.c.job_id.in_(sa.bindparam("of_jobs", expanding=True)))
_OF_CALL = sa.select(jobs).where(jobs.c.click_id == sa.bindparam("of_click")).order_by(jobs.c.variation)
_OF_CLICK = _OF_CALL.where(jobs.c.visitor_id == sa.bindparam("of_visitor"))
_KEY_NOTE = sa.select(own_keys.c.visitor_id).where(own_keys.c.visitor_id == sa.bindparam("of_visitor"))
_ROW = _ANY.with_for_update()
