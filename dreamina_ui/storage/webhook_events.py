"""The messages to webhooks, as rows: written in the transaction of what they tell, and claimed by one replica at a time.

The owner's address is a setting and is in no row; a row without an address is for the owner. The address of a batch is in a row
of its own until the batch's jobs are gone.
"""

import json
import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from dreamina_ui.jobs import Job, State
from dreamina_ui.storage.database import Database
from dreamina_ui.storage.job_rows import jobs

__all__ = ["EVENTS_MOST", "BatchAddress", "LimitNotice", "Outbox", "WebhookEvent", "WebhookEvents", "move_addresses"]

EVENTS_MOST = 100
"""Messages of one visitor's batches in an hour; what comes beyond is not written."""
HOUR_S = 3600.0
LEASE_S = 60.0
"""Longer than one try takes, by any means."""

addresses = sa.table(
    "batch_addresses",
    sa.column("visitor_id", sa.Text),
    sa.column("batch_id", sa.Text),
    sa.column("url", sa.Text),
    sa.column("host", sa.Text),
    sa.column("language", sa.Text),
    sa.column("signer", sa.Text),
)
events = sa.table(
    "webhook_events",
    sa.column("event_id", sa.Text),
    sa.column("event", sa.Text),
    sa.column("at", sa.Double),
    sa.column("visitor_id", sa.Text),
    sa.column("url", sa.Text),
    sa.column("host", sa.Text),
    sa.column("language", sa.Text),
    sa.column("signer", sa.Text),
    sa.column("job_id", sa.Text),
    sa.column("batch_id", sa.Text),
    sa.column("facts", sa.Text),
    sa.column("tries", sa.Integer),
    sa.column("next_at", sa.Double),
    sa.column("lease_until", sa.Double),
    sa.column("answer", sa.Text),
    sa.column("delivered", sa.Boolean),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchAddress:
    """Where a visitor wants the news of a batch, and in which language. `signer` names the key that signs them."""

    url: str = field(repr=False)
    host: str
    language: str
    signer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitNotice:
    """So many percent of a day's limit are used up. `name` is its setting's; times are seconds since the epoch."""

    name: str
    percent: int
    used: float
    limit: float
    at: float
    renews_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEvent:
    """One message: what happened at `at` (seconds since the epoch), and how its delivery stands."""

    event_id: str
    event: str
    at: float
    visitor_id: str = ""
    """Whose jobs it is about; empty for a limit."""
    url: str | None = field(default=None, repr=False)
    """The address of a visitor's batch, empty when nothing more is sent there; None is the owner's."""
    host: str = ""
    """Of that address; empty for the owner's."""
    language: str = ""
    signer: str = ""
    job_id: str | None = None
    batch_id: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    tries: int = 0
    next_at: float | None = None
    """When it is tried next; None if nothing more is done."""
    answer: str = ""
    """What came of the last try, in short."""
    delivered: bool = False


class Outbox:
    """Writes the messages about jobs, batches and limits, in the transaction of what they tell."""

    def __init__(self, database: Database, *, for_owner: bool = False) -> None:
        self._database = database
        self._for_owner = for_owner

    def note_address(self, connection: sa.Connection, job: Job, address: BatchAddress) -> None:
        """Write where the news of a new batch go; `job` is one of it."""
        connection.execute(
            sa.insert(addresses).values(
                visitor_id=job.visitor_id,
                batch_id=job.batch_id,
                url=address.url,
                host=address.host,
                language=address.language,
                signer=address.signer,
            )
        )

    def note_ends(self, connection: sa.Connection, ended: Sequence[Job]) -> None:
        """Write the messages about jobs that have ended just now, and about batches of which these were the last."""
        for job in ended:
            if job.state is State.UNCERTAIN or job.batch_id is None:
                self._note(connection, f"job.{job.state}", job, job_id=job.job_id)
        for visitor_id, batch_id in dict.fromkeys((job.visitor_id, job.batch_id) for job in ended if job.batch_id):
            self._note_end_of_batch(
                connection,
                next(job for job in ended if (job.visitor_id, job.batch_id) == (visitor_id, batch_id)),
            )

    def note_limit(self, connection: sa.Connection, notice: LimitNotice) -> None:
        """Write the message about a limit that is nearly, or wholly, used up."""
        if not self._for_owner:
            return
        event = WebhookEvent(
            event_id=secrets.token_hex(16),
            event="limit.near" if notice.percent < 100 else "limit.reached",
            at=notice.at,
            facts={"name": notice.name, "used": notice.used, "limit": notice.limit, "renews_at": notice.renews_at},
        )
        _insert(connection, event)

    def _note_end_of_batch(self, connection: sa.Connection, job: Job) -> None:
        if not self._for_owner and self._address_of(connection, job) is None:
            return
        # Of two replicas that end the last two jobs at once, the second one sees the first one's end.
        self._database.serialise_by(connection, job.visitor_id)
        going_on = sa.select(jobs.c.job_id).where(
            jobs.c.visitor_id == job.visitor_id, jobs.c.batch_id == job.batch_id, jobs.c.finished_at.is_(None)
        )
        if connection.execute(going_on.limit(1)).first() is None:
            self._note(connection, "batch.ended", job)

    def _note(self, connection: sa.Connection, name: str, job: Job, *, job_id: str | None = None) -> None:
        at = job.finished_at or job.created_at
        about: dict[str, Any] = {
            "event": name,
            "at": at,
            "visitor_id": job.visitor_id,
            "job_id": job_id,
            "batch_id": job.batch_id,
        }
        if self._for_owner:
            _insert(connection, WebhookEvent(event_id=secrets.token_hex(16), **about))
        address = self._address_of(connection, job)
        if address is None:
            return
        self._database.serialise_by(connection, job.visitor_id)
        lately = sa.select(sa.func.count()).where(
            events.c.visitor_id == job.visitor_id, events.c.url.is_not(None), events.c.at > at - HOUR_S
        )
        if (connection.scalar(lately) or 0) < EVENTS_MOST:
            _insert(
                connection,
                WebhookEvent(
                    event_id=secrets.token_hex(16),
                    url=address.url,
                    host=address.host,
                    language=address.language,
                    signer=address.signer,
                    **about,
                ),
            )

    def _address_of(self, connection: sa.Connection, job: Job) -> BatchAddress | None:
        if job.batch_id is None:
            return None
        found = connection.execute(_ADDRESS, {"of_visitor": job.visitor_id, "of_batch": job.batch_id}).one_or_none()
        return BatchAddress(**found._mapping) if found else None


def move_addresses(connection: sa.Connection, former: str, visitor_id: str) -> None:
    """Give a visitor the messages of another one, with their addresses; the keys that sign them stay."""
    for table in (addresses, events):
        connection.execute(sa.update(table).where(table.c.visitor_id == former).values(visitor_id=visitor_id))


class WebhookEvents:
    """Claims messages that are due, and writes what came of them. Times are seconds since the epoch, by the caller's clock."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def due(self, now: float) -> bool:
        """Whether a message is to be sent now."""
        query = sa.select(events.c.event_id).where(events.c.next_at <= now, self._is_free).limit(1)
        return await self._database.read(lambda connection: connection.execute(query).first() is not None)

    async def claim(
        self, now: float, *, most: int, for_owner: bool, each: int, busy: Mapping[str, int]
    ) -> list[WebhookEvent]:
        """Claim messages that are due, those with the fewest tries first, at most `most`; all for the owner, or none.

        No other replica gets them for a minute. At most `each` are claimed of one host, and of one visitor; `busy` is how many
        of each are under way here.
        """
        # A host that does not answer must not keep the others waiting: of each, only its first ones are looked at.
        order = (events.c.tries, events.c.next_at, events.c.event_id)
        whose = events.c.url.is_(None) if for_owner else events.c.url.is_not(None)
        is_due = sa.and_(events.c.next_at <= now, self._is_free, whose)
        first = sa.select(
            events.c.event_id,
            events.c.host,
            events.c.visitor_id,
            *order[:2],
            sa.func.row_number().over(partition_by=events.c.host, order_by=order).label("of_host"),
            sa.func.row_number().over(partition_by=events.c.visitor_id, order_by=order).label("of_visitor"),
        )
        turns = first.where(is_due).subquery()
        query = sa.select(turns).where(turns.c.of_host <= most if for_owner else turns.c.of_host <= each)
        if not for_owner:
            query = query.where(turns.c.of_visitor <= each)
        query = query.order_by(turns.c.tries, turns.c.next_at)

        def work(connection: sa.Connection) -> list[WebhookEvent]:
            count = Counter(busy)
            chosen: list[str] = []
            for row in connection.execute(query):
                partners = [] if for_owner else [f"host {row.host}", f"visitor {row.visitor_id}"]
                if len(chosen) < most and all(count[partner] < each for partner in partners):
                    count.update(partners)
                    chosen.append(row.event_id)
            if not chosen:
                return []
            still = sa.select(events.c.event_id).where(events.c.event_id.in_(chosen), is_due)
            mine = list(connection.scalars(still.with_for_update(skip_locked=True)))
            these = events.c.event_id.in_(mine)
            taken = sa.update(events).where(these).values(lease_until=self._database.now + LEASE_S)
            connection.execute(taken.values(tries=events.c.tries + 1))
            return [_event_of(row) for row in connection.execute(_ALL.where(these).order_by(*order))]

        return await self._database.run(work)

    async def finish(
        self, event_id: str, *, answer: str, delivered: bool = False, next_at: float | None = None
    ) -> None:
        """Write what came of a try: it is tried again at `next_at`, or never."""
        those = sa.update(events).where(events.c.event_id == event_id)
        values: dict[str, Any] = {"answer": answer, "delivered": delivered, "next_at": next_at, "lease_until": None}
        if next_at is None:
            values["url"] = _DONE_WITH  # whoever knows it may write there: it is kept no longer than it is needed
        await self._database.run(lambda connection: connection.execute(those.values(values)))

    async def undelivered(self) -> list[WebhookEvent]:
        """What waits, and what was given up, the oldest first."""
        query = _ALL.where(events.c.delivered.is_(sa.false())).order_by(events.c.at, events.c.event_id)
        return await self._database.read(lambda connection: [_event_of(row) for row in connection.execute(query)])

    async def forget(self, before: float) -> None:
        """Remove messages of before a time that nothing more is done about, and the addresses of batches that are gone."""
        old = sa.delete(events).where(events.c.next_at.is_(None), events.c.at < before)
        left = sa.select(jobs.c.job_id).where(
            jobs.c.visitor_id == addresses.c.visitor_id, jobs.c.batch_id == addresses.c.batch_id
        )
        gone = sa.delete(addresses).where(sa.not_(left.exists()))

        def work(connection: sa.Connection) -> None:
            connection.execute(old)
            connection.execute(gone)

        await self._database.run(work)

    @property
    def _is_free(self) -> sa.ColumnElement[bool]:
        return sa.or_(events.c.lease_until.is_(None), events.c.lease_until < self._database.now)


_ALL = sa.select(events)
_DONE_WITH = sa.case((events.c.url.is_not(None), ""))
_ADDRESS = sa.select(addresses.c.url, addresses.c.host, addresses.c.language, addresses.c.signer).where(
    addresses.c.visitor_id == sa.bindparam("of_visitor"), addresses.c.batch_id == sa.bindparam("of_batch")
)


def _insert(connection: sa.Connection, event: WebhookEvent) -> None:
    values = {column.name: getattr(event, column.name) for column in events.c if column.name != "lease_until"}
    values |= {"facts": json.dumps(dict(event.facts)), "next_at": event.at}
    connection.execute(sa.insert(events).values(values))


def _event_of(row: sa.Row[Any]) -> WebhookEvent:
    values = {name: value for name, value in row._mapping.items() if name != "lease_until"}
    return WebhookEvent(**{**values, "facts": json.loads(values["facts"]), "delivered": bool(values["delivered"])})
