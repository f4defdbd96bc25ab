"""The migrations that make the database's tables.

A released migration is never edited; a new one gets the next number. The statements are SQL for SQLite and PostgreSQL.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from dreamina_ui.errors import StoreUnusable
from dreamina_ui.storage.job_rows import jobs, search_values

__all__ = ["MIGRATIONS", "Migration", "migrate"]


@dataclass(frozen=True, slots=True)
class Migration:
    """SQL statements, and `then` for what SQL cannot do, after them."""

    name: str
    statements: tuple[str, ...]
    then: Callable[[sa.Connection], None] | None = None


def _fill_search_columns(connection: sa.Connection) -> None:
    for job_id, payload in connection.execute(sa.select(jobs.c.job_id, jobs.c.payload)).all():
        found = search_values(json.loads(payload))
        connection.execute(sa.update(jobs).where(jobs.c.job_id == job_id).values(**found))


MIGRATIONS: Sequence[Migration] = (
    Migration(
        "0001_jobs",
        (
            """
            CREATE TABLE jobs (
                job_id TEXT PRIMARY KEY,
                share_id TEXT NOT NULL UNIQUE,
                visitor_id TEXT NOT NULL,
                backend TEXT NOT NULL,
                model_id TEXT NOT NULL,
                payload TEXT NOT NULL,
                state TEXT NOT NULL,
                request_id TEXT,
                queue_position INTEGER,
                outputs TEXT NOT NULL,
                failure TEXT,
                cancel_requested BOOLEAN NOT NULL,
                created_at DOUBLE PRECISION NOT NULL,
                version INTEGER NOT NULL,
                submitted_at DOUBLE PRECISION,
                started_at DOUBLE PRECISION,
                finished_at DOUBLE PRECISION,
                width INTEGER,
                height INTEGER,
                duration_s DOUBLE PRECISION,
                cost_usd DOUBLE PRECISION
            )
            """,
            "CREATE INDEX jobs_by_visitor ON jobs (visitor_id, created_at, job_id)",
            "CREATE INDEX jobs_by_day ON jobs (backend, created_at)",
            "CREATE INDEX jobs_unfinished ON jobs (state) WHERE finished_at IS NULL",
        ),
    ),
    Migration(
        "0002_clicks_and_leases",
        (
            "ALTER TABLE jobs ADD COLUMN click_id TEXT",
            "ALTER TABLE jobs ADD COLUMN variation INTEGER NOT NULL DEFAULT 0",
            "ALTER TABLE jobs ADD COLUMN not_before DOUBLE PRECISION",
            "ALTER TABLE jobs ADD COLUMN cancel_outcome TEXT",
            "ALTER TABLE jobs ADD COLUMN dismissed BOOLEAN NOT NULL DEFAULT FALSE",
            "ALTER TABLE jobs ADD COLUMN generation INTEGER NOT NULL DEFAULT 0",
            "ALTER TABLE jobs ADD COLUMN lease_owner TEXT",
            "ALTER TABLE jobs ADD COLUMN lease_until DOUBLE PRECISION",
            "CREATE UNIQUE INDEX jobs_by_click ON jobs (visitor_id, click_id, variation)",
            "CREATE INDEX jobs_by_request ON jobs (request_id)",
        ),
    ),
    Migration(
        "0003_history",
        (
            "ALTER TABLE jobs ADD COLUMN prompt TEXT",
            "ALTER TABLE jobs ADD COLUMN aspect_ratio TEXT",
            "ALTER TABLE jobs ADD COLUMN frames INTEGER",
            "ALTER TABLE jobs ADD COLUMN deleted_at DOUBLE PRECISION",
        ),
        then=_fill_search_columns,
    ),
    Migration(
        "0004_batches",
        (
            "ALTER TABLE jobs ADD COLUMN batch_id TEXT",
            "ALTER TABLE jobs ADD COLUMN held BOOLEAN NOT NULL DEFAULT FALSE",
            "CREATE INDEX jobs_by_batch ON jobs (visitor_id, batch_id)",
        ),
    ),
    Migration(
        # In the order of the history, so that the index alone sorts and counts it; unfinished jobs have a smaller index
        # in the same order.
        "0005_history_order",
        (
            "CREATE INDEX jobs_shown ON jobs (visitor_id, created_at DESC, variation, job_id DESC) WHERE deleted_at IS NULL",
            "CREATE INDEX jobs_running ON jobs (visitor_id, created_at DESC, variation, job_id DESC) "
            "WHERE finished_at IS NULL",
            "CREATE INDEX jobs_last_batch ON jobs (visitor_id, created_at) WHERE batch_id IS NOT NULL",
        ),
    ),
    Migration("0006_own_keys", ("ALTER TABLE jobs ADD COLUMN own_key BOOLEAN NOT NULL DEFAULT FALSE",)),
    Migration(
        "0007_allowances",
        (
            """
            CREATE TABLE allowance_uses (
                job_id TEXT PRIMARY KEY,
                visitor_id TEXT NOT NULL,
                backend TEXT NOT NULL,
                reserved_at DOUBLE PRECISION NOT NULL,
                given_back_at DOUBLE PRECISION
            )
            """,
            "CREATE INDEX uses_by_day ON allowance_uses (backend, reserved_at) WHERE given_back_at IS NULL",
            "CREATE INDEX uses_by_visitor ON allowance_uses (visitor_id, backend, reserved_at) WHERE given_back_at IS NULL",
            "CREATE TABLE blocks (visitor_id TEXT PRIMARY KEY, reason TEXT NOT NULL, at DOUBLE PRECISION NOT NULL)",
            # The jobs of today before this version count as uses.
            "INSERT INTO allowance_uses (job_id, visitor_id, backend, reserved_at) "
            "SELECT job_id, visitor_id, backend, created_at FROM jobs WHERE NOT own_key "
            "AND NOT (state = 'cancelled' AND started_at IS NULL) AND NOT (state = 'failed' AND request_id IS NULL)",
        ),
    ),
    Migration(
        # How long the service worked on a video, from which the schedule of polls is learned.
        "0008_durations",
        (
            "ALTER TABLE jobs ADD COLUMN took_s DOUBLE PRECISION",
            "UPDATE jobs SET took_s = finished_at - started_at WHERE state = 'succeeded' AND started_at < finished_at",
            "CREATE INDEX jobs_taken ON jobs (backend, model_id, frames, finished_at) WHERE took_s IS NOT NULL",
            "CREATE INDEX jobs_finished ON jobs (backend, model_id, frames, state, finished_at) "
            "WHERE finished_at IS NOT NULL",
        ),
    ),
    Migration(
        # The files of a job, and the remarks on it.
        "0009_files_and_remarks",
        ("ALTER TABLE jobs ADD COLUMN files TEXT", "ALTER TABLE jobs ADD COLUMN remarks TEXT"),
    ),
    # A program's call is found by its own id, whoever asks.
    Migration("0010_calls", ("CREATE INDEX jobs_by_call ON jobs (click_id) WHERE click_id IS NOT NULL",)),
    Migration(
        # What removed jobs leave: their request ids and clicks, which are never used again. And who pays with an own key.
        "0011_used_ids",
        (
            "CREATE TABLE used_ids (kind TEXT NOT NULL, id TEXT NOT NULL, visitor_id TEXT NOT NULL, "
            "PRIMARY KEY (kind, id, visitor_id))",
            "CREATE TABLE own_keys (visitor_id TEXT PRIMARY KEY, at DOUBLE PRECISION NOT NULL)",
            # Visitors whose newest job went with an own key bring it again; the shared one never takes its place.
            "INSERT INTO own_keys (visitor_id, at) SELECT visitor_id, MAX(created_at) FROM jobs AS newest "
            "WHERE own_key AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.visitor_id = newest.visitor_id "
            "AND NOT jobs.own_key AND jobs.created_at >= newest.created_at) GROUP BY visitor_id",
        ),
    ),
    Migration(
        # A video is shown before its poster is made.
        "0012_posters",
        (
            "ALTER TABLE jobs ADD COLUMN poster_due BOOLEAN NOT NULL DEFAULT FALSE",
            "CREATE INDEX jobs_poster_due ON jobs (finished_at) WHERE poster_due",
        ),
    ),
    Migration(
        # Votes on videos, and what each voter has chosen.
        "0013_votes",
        (
            """
            CREATE TABLE votes (
                vote_id TEXT PRIMARY KEY,
                presenter TEXT NOT NULL,
                title TEXT NOT NULL,
                ranked BOOLEAN NOT NULL,
                candidates TEXT NOT NULL,
                opened_at DOUBLE PRECISION NOT NULL,
                closed_at DOUBLE PRECISION
            )
            """,
            "CREATE INDEX votes_by_presenter ON votes (presenter, opened_at)",
            """
            CREATE TABLE ballots (
                vote_id TEXT NOT NULL,
                voter TEXT NOT NULL,
                address TEXT NOT NULL,
                choice TEXT NOT NULL,
                cast_at DOUBLE PRECISION NOT NULL,
                PRIMARY KEY (vote_id, voter)
            )
            """,
            "CREATE INDEX ballots_by_address ON ballots (vote_id, address)",
        ),
    ),
    Migration(
        # What a use is expected to cost and has cost, for the day's budget and the owner's sums. Jobs on visitors' own keys have
        # uses, too, which count for no limit. And which parts of which day's budget were told to be used up.
        "0014_money",
        (
            "ALTER TABLE allowance_uses ADD COLUMN own_key BOOLEAN NOT NULL DEFAULT FALSE",
            "ALTER TABLE allowance_uses ADD COLUMN model_id TEXT NOT NULL DEFAULT ''",
            "ALTER TABLE allowance_uses ADD COLUMN booked_usd DOUBLE PRECISION",
            "ALTER TABLE allowance_uses ADD COLUMN cost_usd DOUBLE PRECISION",
            "UPDATE allowance_uses SET model_id = (SELECT jobs.model_id FROM jobs WHERE jobs.job_id = allowance_uses.job_id), "
            "cost_usd = (SELECT jobs.cost_usd FROM jobs WHERE jobs.job_id = allowance_uses.job_id) "
            "WHERE EXISTS (SELECT 1 FROM jobs WHERE jobs.job_id = allowance_uses.job_id)",
            # A job that was resumed is one video with the first of its request.
            "INSERT INTO allowance_uses (job_id, visitor_id, backend, reserved_at, own_key, model_id, cost_usd) "
            "SELECT job_id, visitor_id, backend, created_at, own_key, model_id, cost_usd FROM jobs WHERE own_key "
            "AND NOT (state = 'cancelled' AND started_at IS NULL) AND NOT (state = 'failed' AND request_id IS NULL) "
            "AND NOT EXISTS (SELECT 1 FROM jobs AS earlier WHERE earlier.request_id = jobs.request_id "
            "AND earlier.created_at < jobs.created_at)",
            "CREATE INDEX jobs_costs ON jobs (backend, model_id, own_key, frames, finished_at) WHERE cost_usd IS NOT NULL",
            "CREATE TABLE budget_notices (backend TEXT NOT NULL, day DOUBLE PRECISION NOT NULL, "
            "budget_usd DOUBLE PRECISION NOT NULL, percent INTEGER NOT NULL, PRIMARY KEY (backend, day, budget_usd, percent))",
        ),
    ),
    Migration(
        # Videos that continue each other.
        "0015_chains",
        (
            "ALTER TABLE jobs ADD COLUMN ancestors TEXT",
            "ALTER TABLE jobs ADD COLUMN chain TEXT",
            "CREATE INDEX jobs_of_chain ON jobs (visitor_id, chain, created_at) WHERE chain IS NOT NULL",
        ),
    ),
    Migration(
        # The addresses that batches tell of their ends, and the messages to them and to the owner's address.
        "0016_webhooks",
        (
            "CREATE TABLE batch_addresses (visitor_id TEXT NOT NULL, batch_id TEXT NOT NULL, url TEXT NOT NULL, "
            "host TEXT NOT NULL, language TEXT NOT NULL, signer TEXT NOT NULL, PRIMARY KEY (visitor_id, batch_id))",
            """
            CREATE TABLE webhook_events (
                event_id TEXT PRIMARY KEY,
                event TEXT NOT NULL,
                at DOUBLE PRECISION NOT NULL,
                visitor_id TEXT NOT NULL,
                url TEXT,
                host TEXT NOT NULL,
                language TEXT NOT NULL,
                signer TEXT NOT NULL,
                job_id TEXT,
                batch_id TEXT,
                facts TEXT NOT NULL,
                tries INTEGER NOT NULL,
                next_at DOUBLE PRECISION,
                lease_until DOUBLE PRECISION,
                answer TEXT NOT NULL,
                delivered BOOLEAN NOT NULL
            )
            """,
            "CREATE INDEX webhook_events_due ON webhook_events (next_at) WHERE next_at IS NOT NULL",
            "CREATE INDEX webhook_events_by_visitor ON webhook_events (visitor_id, at)",
        ),
    ),
    Migration(
        # Collections name videos by their share ids, which a history that is rebuilt keeps.
        "0017_stars_and_collections",
        (
            "ALTER TABLE jobs ADD COLUMN starred BOOLEAN NOT NULL DEFAULT FALSE",
            "CREATE INDEX jobs_starred ON jobs (visitor_id, created_at DESC, variation, job_id DESC) WHERE starred",
            "CREATE TABLE collections (collection_id TEXT PRIMARY KEY, visitor_id TEXT NOT NULL, name TEXT NOT NULL, "
            "link_id TEXT, created_at DOUBLE PRECISION NOT NULL)",
            "CREATE INDEX collections_by_visitor ON collections (visitor_id)",
            "CREATE INDEX collections_by_link ON collections (link_id) WHERE link_id IS NOT NULL",
            "CREATE TABLE collected (collection_id TEXT NOT NULL, share_id TEXT NOT NULL, place INTEGER NOT NULL, "
            "PRIMARY KEY (collection_id, share_id))",
            "CREATE INDEX collected_by_place ON collected (collection_id, place)",
            "CREATE INDEX collected_by_share ON collected (share_id)",
        ),
    ),
    Migration(
        # Prompts with their settings that a visitor has named. Those that were deleted stay a while, for the undo.
        "0018_shelf",
        (
            "CREATE TABLE shelf (shelf_id TEXT PRIMARY KEY, visitor_id TEXT NOT NULL, name TEXT NOT NULL, "
            "model_id TEXT NOT NULL, payload TEXT NOT NULL, created_at DOUBLE PRECISION NOT NULL, deleted_at DOUBLE PRECISION)",
            "CREATE INDEX shelf_by_visitor ON shelf (visitor_id)",
        ),
    ),
    Migration(
        # Which parts of which day's limits were told to be used up: of the budget as before, and of the count of videos.
        "0019_limit_notices",
        (
            "CREATE TABLE limit_notices (backend TEXT NOT NULL, day DOUBLE PRECISION NOT NULL, name TEXT NOT NULL, "
            "of_limit DOUBLE PRECISION NOT NULL, percent INTEGER NOT NULL, PRIMARY KEY (backend, day, name, of_limit, percent))",
            "INSERT INTO limit_notices SELECT backend, day, 'DREAMINA_DAILY_BUDGET_USD', budget_usd, percent FROM budget_notices",
            "DROP TABLE budget_notices",
        ),
    ),
)

_applied = sa.table("schema_migrations", sa.column("name", sa.Text), sa.column("applied_at", sa.Double))


def migrate(connection: sa.Connection, now: float, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Apply the missing migrations, in the connection's transaction.

    Raises `StoreUnusable` for a database of another program, or of a newer version of this one.
    """
    tables = set(sa.inspect(connection).get_table_names())
    if tables and "schema_migrations" not in tables:
        raise StoreUnusable("this database belongs to another program")
    connection.execute(
        sa.text(
            "CREATE TABLE IF NOT EXISTS schema_migrations (name TEXT PRIMARY KEY, applied_at DOUBLE PRECISION NOT NULL)"
        )
    )
    applied = set(connection.scalars(sa.select(_applied.c.name)))
    if applied - {migration.name for migration in migrations}:
        raise StoreUnusable("this database was written by a newer version of the program")
    for migration in migrations:
        if migration.name not in applied:
            for statement in migration.statements:
                connection.execute(sa.text(statement))
            if migration.then:
                migration.then(connection)
            connection.execute(sa.insert(_applied).values(name=migration.name, applied_at=now))
