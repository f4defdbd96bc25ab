"""Limits on the use of the owner's key: the uses of a day as rows, with their money, and blocked visitors.

The transaction that makes a job also writes a row of its use, with what it is expected to cost. The transaction that ends the job
gives the use back if the service cannot have charged, and else notes what the service reported. The row remains when the job is
deleted, so deleting a video gives nothing back. A job that is made with a request id (to resume it) sends nothing and uses
nothing. The uses of visitors' own keys count for no limit, only in the owner's sums.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

import sqlalchemy as sa

from dreamina_ui.backends import charges
from dreamina_ui.errors import DailyBudgetReached, DailyLimitReached, TooManyActive, VisitorBlocked
from dreamina_ui.jobs import Job, State
from dreamina_ui.settings import Settings
from dreamina_ui.storage.database import Database
from dreamina_ui.storage.job_rows import change_rows, jobs
from dreamina_ui.storage.webhook_events import LimitNotice, Outbox

__all__ = [
    "DAY_S",
    "Allowances",
    "Block",
    "BudgetUse",
    "Left",
    "Limits",
    "admit",
    "change_and_settle",
    "cost_nothing",
    "midnight",
    "month_start",
    "reserve",
    "settle",
]

DAY_S = 86_400
TOLD_AT = (80, 100)
"""Percent of a day's limit: that so much is used up is told once."""

uses = sa.table(
    "allowance_uses",
    sa.column("job_id", sa.Text),
    sa.column("visitor_id", sa.Text),
    sa.column("backend", sa.Text),
    sa.column("reserved_at", sa.Double),
    sa.column("given_back_at", sa.Double),
    sa.column("own_key", sa.Boolean),
    sa.column("model_id", sa.Text),
    # What was expected when the job was made, and what the service reported; NULL is unknown.
    sa.column("booked_usd", sa.Double),
    sa.column("cost_usd", sa.Double),
)
notices = sa.table("limit_notices", sa.column("backend", sa.Text), sa.column("day", sa.Double))
blocks = sa.table("blocks", sa.column("visitor_id", sa.Text), sa.column("reason", sa.Text), sa.column("at", sa.Double))


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of unfinished jobs at once, and of jobs made and US dollars spent in a day (UTC); None is no limit."""

    active: int
    active_per_visitor: int
    daily: int | None = None
    daily_per_visitor: int | None = None
    daily_budget_usd: float | None = None

    @classmethod
    def of(cls, settings: Settings) -> Self:
        return cls(
            active=settings.max_active,
            active_per_visitor=settings.max_active_per_visitor,
            daily=settings.daily_limit,
            daily_per_visitor=settings.daily_limit_per_visitor,
            daily_budget_usd=settings.daily_budget_usd,
        )


@dataclass(frozen=True, slots=True)
class Left:
    """Videos left today, for one visitor and in all; None is no limit. `renews_at` is the next midnight (UTC)."""

    per_visitor: int | None
    in_all: int | None
    renews_at: float


@dataclass(frozen=True, slots=True)
class BudgetUse:
    """What today's videos on the shared key have cost, or are expected to, in US dollars; those of `unknown` are not in it."""

    spent_usd: float
    unknown: int


@dataclass(frozen=True, slots=True)
class Block:
    visitor_id: str
    reason: str
    at: float


def midnight(now: float) -> float:
    """The beginning of the day (UTC) of `now`; both in seconds since the epoch."""
    return now // DAY_S * DAY_S


def month_start(now: float) -> float:
    """The beginning of the month (UTC) of `now`; both in seconds since the epoch."""
    return datetime.fromtimestamp(now, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0).timestamp()


def cost_nothing(job: Job) -> bool:
    """Whether the service cannot have charged: the job was cancelled before it started, or failed without a request id.

    A job that failed at the service, or may have been accepted (`uncertain`), counts as paid.
    """
    if job.state is State.CANCELLED:
        return job.started_at is None
    return job.state is State.FAILED and job.request_id is None


def admit(
    connection: sa.Connection, made: Sequence[Job], limits: Limits | None, booked: Mapping[str, float] | None = None
) -> None:
    """Check that the jobs of one click may be made, in the serialised transaction that makes them.

    `booked` has the US dollars that they are expected to cost, by job id, as far as that is known. Raises `VisitorBlocked`,
    `TooManyActive`, `DailyLimitReached` or `DailyBudgetReached`.
    """
    first = made[0]
    if first.request_id is None and connection.execute(_BLOCK_OF, {"of_visitor": first.visitor_id}).first():
        raise VisitorBlocked
    if limits:
        _check_active(connection, first, len(made), limits)
        if not first.own_key:
            _check_day(connection, first, len(made), limits)
            _check_budget(connection, first, sum((booked or {}).values()), limits.daily_budget_usd)


def reserve(connection: sa.Connection, made: Sequence[Job], booked: Mapping[str, float] | None = None) -> None:
    """Write the uses of jobs, in the transaction that makes them, with what they are expected to cost."""
    reserved = [
        {
            "job_id": job.job_id,
            "visitor_id": job.visitor_id,
            "backend": job.backend,
            "reserved_at": job.created_at,
            "given_back_at": None,
            "own_key": job.own_key,
            "model_id": job.model_id,
            "booked_usd": (booked or {}).get(job.job_id),
            "cost_usd": job.cost_usd,
        }
        for job in made
        if not cost_nothing(job)
    ]
    if reserved:
        connection.execute(sa.insert(uses), reserved)


def settle(connection: sa.Connection, changed: Sequence[Job]) -> None:
    """Give back the uses of the jobs that cost nothing, and note what the others have cost, in the transaction that changes them.
    Idempotent."""
    for job in changed:
        if cost_nothing(job):
            this = sa.update(uses).where(uses.c.job_id == job.job_id, uses.c.given_back_at.is_(None))
            connection.execute(this.values(given_back_at=job.finished_at or job.created_at))
        elif job.cost_usd is not None and charges(job.backend):
            values = {"of_job": job.job_id, "of_request": job.request_id, "usd": job.cost_usd}
            connection.execute(_COST if job.request_id is None else _COST_OF_REQUEST, values)


def change_and_settle(
    connection: sa.Connection, outbox: Outbox, condition: sa.ColumnElement[bool], change: Callable[[Job], Job]
) -> list[Job]:
    """Apply `change` to the unfinished jobs that meet a condition. Returns the changed jobs.

    Of those that have ended, the uses that cost nothing are given back, and the messages are written.
    """
    changed = change_rows(connection, sa.and_(condition, jobs.c.finished_at.is_(None)), change)
    settle(connection, changed)
    outbox.note_ends(connection, [job for job in changed if job.ended])
    return changed


class Allowances:
    """Today's uses of one backend, and the blocked visitors.

    `outbox` gets the messages about limits, and about jobs that a block ends. `now` returns seconds since the epoch.
    """

    def __init__(
        self,
        database: Database,
        limits: Limits,
        backend: str,
        *,
        outbox: Outbox | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._limits = limits
        self._backend = backend
        self._outbox = outbox or Outbox(database)
        self._now = now

    async def left(self, visitor_id: str) -> Left:
        """What is left for the visitor's next click; never negative, even if a limit was lowered today."""
        today = midnight(self._now())
        budget = self._limits.daily_budget_usd if charges(self._backend) else None
        if self._limits.daily_per_visitor is None and self._limits.daily is None and budget is None:
            return Left(None, None, today + DAY_S)

        def rest(connection: sa.Connection, limit: int | None, *mine: sa.ColumnElement[bool]) -> int | None:
            return None if limit is None else max(0, limit - _used(connection, self._backend, today, *mine))

        def work(connection: sa.Connection) -> Left:
            in_all = rest(connection, self._limits.daily)
            if budget is not None and _spent(connection, self._backend, today).spent_usd >= budget:
                in_all = 0
            per_visitor = rest(connection, self._limits.daily_per_visitor, uses.c.visitor_id == visitor_id)
            return Left(per_visitor, in_all, today + DAY_S)

        return await self._database.read(work)

    async def used(self) -> dict[str, int]:
        """Today's videos by visitor id, the largest count first."""
        count = sa.func.count()
        mine = sa.select(uses.c.visitor_id, count).where(*_of_day(self._backend, midnight(self._now())))
        query = mine.group_by(uses.c.visitor_id).order_by(count.desc(), uses.c.visitor_id)
        return await self._database.read(lambda connection: {row[0]: row[1] for row in connection.execute(query)})

    async def budget_use(self) -> BudgetUse:
        """What today's videos on the shared key cost, for all replicas."""
        today = midnight(self._now())
        return await self._database.read(lambda connection: _spent(connection, self._backend, today))

    async def newly_used_up(self) -> list[LimitNotice]:
        """The parts of today's limits, of `TOLD_AT`, that are used up and were not returned before, to any replica; written
        into the outbox, too."""
        now = self._now()
        today = midnight(now)
        used = await self._database.read(lambda connection: self._used_of_limits(connection, today))
        reached = [
            LimitNotice(name=name, percent=percent, used=round(count, 2), limit=limit, at=now, renews_at=today + DAY_S)
            for name, count, limit in used
            for percent in TOLD_AT
            if count > 0 and count >= round(limit * percent / 100, 6)
        ]

        def note(connection: sa.Connection) -> list[LimitNotice]:
            day = {"backend": self._backend, "day": today}
            new = []
            for notice in reached:
                values = {**day, "name": notice.name, "limit": notice.limit, "percent": notice.percent}
                if connection.execute(_TOLD, values).rowcount:
                    self._outbox.note_limit(connection, notice)
                    new.append(notice)
            return new

        return await self._database.run(note) if reached else []

    def _used_of_limits(self, connection: sa.Connection, today: float) -> list[tuple[str, float, float]]:
        """The limits of all visitors together: the setting's name, what is used, and the limit."""
        daily, budget = self._limits.daily, self._limits.daily_budget_usd
        used: list[tuple[str, float, float]] = []
        if daily is not None:
            used.append(("DREAMINA_DAILY_LIMIT", _used(connection, self._backend, today), daily))
        if budget is not None and charges(self._backend):
            used.append(("DREAMINA_DAILY_BUDGET_USD", _spent(connection, self._backend, today).spent_usd, budget))
        return used

    async def block(self, visitor_id: str, reason: str = "") -> int:
        """Refuse a visitor's clicks from now on, and cancel the jobs that are not sent yet. Returns their count.

        Jobs that were sent continue, because they are paid. A second block replaces the reason.
        """
        now = self._now()

        def refuse(connection: sa.Connection) -> None:
            self._database.serialise(connection)  # no click may be between its check of the blocks and its rows
            connection.execute(sa.delete(blocks).where(blocks.c.visitor_id == visitor_id))
            connection.execute(sa.insert(blocks).values(visitor_id=visitor_id, reason=reason, at=now))

        def cancel(connection: sa.Connection) -> int:
            waiting = sa.and_(jobs.c.visitor_id == visitor_id, jobs.c.state == State.WAITING)
            return len(change_and_settle(connection, self._outbox, waiting, lambda job: job.cancel(now)))

        # Two transactions: a claim locks rows while it waits for `serialise`; in one transaction this would deadlock.
        await self._database.run(refuse)
        return await self._database.run(cancel)

    async def unblock(self, visitor_id: str) -> bool:
        """Unblock a visitor. Returns whether the visitor was blocked."""
        unblocked = sa.delete(blocks).where(blocks.c.visitor_id == visitor_id)
        return await self._database.run(lambda connection: connection.execute(unblocked).rowcount > 0)

    async def blocked(self) -> list[Block]:
        """The blocked visitors, the oldest block first."""
        query = sa.select(blocks).order_by(blocks.c.at, blocks.c.visitor_id)
        return await self._database.read(lambda connection: [Block(*row) for row in connection.execute(query)])

    async def forget(self, before: float) -> None:
        """Remove the uses before a time, in seconds since the epoch; never this month's, which the owner's sums need."""
        kept_from = min(before, month_start(self._now()))

        def work(connection: sa.Connection) -> None:
            connection.execute(sa.delete(uses).where(uses.c.reserved_at < kept_from))
            connection.execute(sa.delete(notices).where(notices.c.day < kept_from))

        await self._database.run(work)


def _check_active(connection: sa.Connection, job: Job, more: int, limits: Limits) -> None:
    # A batch waits instead of being refused; `Leases` counts its jobs.
    if job.batch_id is not None:
        return
    # Jobs on visitors' own keys have a limit of the same size for themselves.
    mine, all_of_them = _ACTIVE[job.own_key]
    if (connection.scalar(mine, {"of_visitor": job.visitor_id}) or 0) + more > limits.active_per_visitor:
        raise TooManyActive(scope="visitor", limit=limits.active_per_visitor)
    if (connection.scalar(all_of_them) or 0) + more > limits.active:
        raise TooManyActive(scope="all", limit=limits.active)


def _counts_of_active(*, own_key: bool) -> tuple[sa.Select[Any], sa.Select[Any]]:
    """How many jobs of a visitor are active, without those of batches; and how many in all, without those in a queue."""
    active = sa.and_(jobs.c.finished_at.is_(None), jobs.c.own_key.is_(sa.true() if own_key else sa.false()))
    queued = sa.and_(jobs.c.batch_id.is_not(None), jobs.c.state == State.WAITING)
    count = sa.select(sa.func.count()).select_from(jobs).where(active)
    return count.where(jobs.c.visitor_id == sa.bindparam("of_visitor"), jobs.c.batch_id.is_(None)), count.where(
        sa.not_(queued)
    )


# Made once, so that SQLAlchemy compiles them once: they run for each click.
_ACTIVE = {own_key: _counts_of_active(own_key=own_key) for own_key in (False, True)}
_COST = (
    sa.update(uses).where(uses.c.job_id == sa.bindparam("of_job")).values(cost_usd=sa.bindparam("usd", type_=sa.Double))
)
# A job that was resumed has no use of its own: its request is the first one's.
_COST_OF_REQUEST = (
    sa.update(uses)
    .where(uses.c.job_id.in_(sa.select(jobs.c.job_id).where(jobs.c.request_id == sa.bindparam("of_request"))))
    .values(cost_usd=sa.bindparam("usd", type_=sa.Double))
)
_TOLD = sa.text(
    "INSERT INTO limit_notices (backend, day, name, of_limit, percent) VALUES (:backend, :day, :name, :limit, :percent) "
    "ON CONFLICT DO NOTHING"
)
_BLOCK_OF = sa.select(blocks.c.visitor_id).where(blocks.c.visitor_id == sa.bindparam("of_visitor"))


def _check_day(connection: sa.Connection, job: Job, more: int, limits: Limits) -> None:
    today = midnight(job.created_at)
    each, in_all = limits.daily_per_visitor, limits.daily
    mine = uses.c.visitor_id == job.visitor_id
    if each is not None and _used(connection, job.backend, today, mine) + more > each:
        raise DailyLimitReached(scope="visitor", limit=each)
    if in_all is not None and _used(connection, job.backend, today) + more > in_all:
        raise DailyLimitReached(scope="all", limit=in_all)


def _check_budget(connection: sa.Connection, job: Job, more_usd: float, budget: float | None) -> None:
    """What is not known is not in the sums, so that a used-up budget also refuses jobs of an unknown price."""
    if budget is None or not charges(job.backend):
        return
    spent_usd = _spent(connection, job.backend, midnight(job.created_at)).spent_usd
    if spent_usd >= budget or round(spent_usd + more_usd, 6) > budget:
        raise DailyBudgetReached


def _spent(connection: sa.Connection, backend: str, today: float) -> BudgetUse:
    usd = sa.func.coalesce(uses.c.cost_usd, uses.c.booked_usd)
    query = sa.select(sa.func.sum(usd), sa.func.count() - sa.func.count(usd)).where(*_of_day(backend, today))
    spent_usd, unknown = connection.execute(query).one()
    return BudgetUse(round(spent_usd or 0.0, 6), unknown)


def _of_day(backend: str, today: float) -> tuple[sa.ColumnElement[bool], ...]:
    # Without an end: a replica whose clock is a day behind must not count against yesterday's allowance.
    of_owner = uses.c.own_key.is_(sa.false())
    return (uses.c.backend == backend, uses.c.reserved_at >= today, uses.c.given_back_at.is_(None), of_owner)


def _used(connection: sa.Connection, backend: str, today: float, *conditions: sa.ColumnElement[bool]) -> int:
    used = sa.select(sa.func.count()).select_from(uses).where(*_of_day(backend, today), *conditions)
    return connection.scalar(used) or 0
