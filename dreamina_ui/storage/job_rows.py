"""The table of jobs: reads a job from a row, and writes and changes rows."""

import json
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from operator import itemgetter
from typing import Any

import sqlalchemy as sa

from dreamina_ui.jobs import Failure, Job, State, prompt_in

__all__ = [
    "AT_ONCE",
    "change_rows",
    "collected",
    "collections",
    "is_used",
    "job_of",
    "jobs",
    "move_rows",
    "own_keys",
    "read_jobs",
    "remove_rows",
    "search_values",
    "shelf",
    "values_of",
    "write_row",
]

AT_ONCE = 500
"""Rows that one statement removes, at most."""

jobs = sa.table(
    "jobs",
    sa.column("job_id", sa.Text),
    sa.column("share_id", sa.Text),
    sa.column("visitor_id", sa.Text),
    sa.column("click_id", sa.Text),
    sa.column("variation", sa.Integer),
    sa.column("batch_id", sa.Text),
    sa.column("ancestors", sa.Text),
    sa.column("held", sa.Boolean),
    sa.column("own_key", sa.Boolean),
    sa.column("backend", sa.Text),
    sa.column("model_id", sa.Text),
    sa.column("payload", sa.Text),
    sa.column("state", sa.Text),
    sa.column("version", sa.Integer),
    sa.column("request_id", sa.Text),
    sa.column("queue_position", sa.Integer),
    sa.column("outputs", sa.Text),
    sa.column("files", sa.Text),
    sa.column("remarks", sa.Text),
    sa.column("poster_due", sa.Boolean),
    sa.column("starred", sa.Boolean),
    sa.column("failure", sa.Text),
    sa.column("not_before", sa.Double),
    sa.column("cancel_requested", sa.Boolean),
    sa.column("cancel_outcome", sa.Text),
    sa.column("dismissed", sa.Boolean),
    sa.column("created_at", sa.Double),
    sa.column("submitted_at", sa.Double),
    sa.column("started_at", sa.Double),
    sa.column("finished_at", sa.Double),
    sa.column("took_s", sa.Double),
    sa.column("width", sa.Integer),
    sa.column("height", sa.Integer),
    sa.column("duration_s", sa.Double),
    sa.column("cost_usd", sa.Double),
    sa.column("generation", sa.Integer),
    # Copied from the payload for the search of the history; the prompt in lower case.
    sa.column("prompt", sa.Text),
    sa.column("aspect_ratio", sa.Text),
    sa.column("frames", sa.Integer),
    # The first of the ancestors, by which the jobs of a chain are found.
    sa.column("chain", sa.Text),
    sa.column("deleted_at", sa.Double),
    # Only for `leases.py`; a `Job` has only the generation.
    sa.column("lease_owner", sa.Text),
    sa.column("lease_until", sa.Double),
)

own_keys = sa.table("own_keys", sa.column("visitor_id", sa.Text), sa.column("at", sa.Double))
used_ids = sa.table("used_ids", sa.column("kind", sa.Text), sa.column("id", sa.Text), sa.column("visitor_id", sa.Text))

collections = sa.table(
    "collections",
    sa.column("collection_id", sa.Text),
    sa.column("visitor_id", sa.Text),
    sa.column("name", sa.Text),
    sa.column("link_id", sa.Text),
    sa.column("created_at", sa.Double),
)
collected = sa.table(
    "collected", sa.column("collection_id", sa.Text), sa.column("share_id", sa.Text), sa.column("place", sa.Integer)
)

shelf = sa.table(
    "shelf",
    sa.column("shelf_id", sa.Text),
    sa.column("visitor_id", sa.Text),
    sa.column("name", sa.Text),
    sa.column("model_id", sa.Text),
    sa.column("payload", sa.Text),
    sa.column("created_at", sa.Double),
    sa.column("deleted_at", sa.Double),
)

_BOOLEANS = ("cancel_requested", "dismissed", "paused", "own_key", "poster_due", "starred")
_COLUMNS = {"paused": "held"}
"""The columns that are not named like their field of `Job`."""
_FIELDS = tuple(field.name for field in fields(Job))
_IN_ROW = itemgetter(*([column.name for column in jobs.c].index(_COLUMNS.get(name, name)) for name in _FIELDS))


def job_of(row: sa.Row[Any]) -> Job:
    """The job of a row that has all columns of `jobs`, in their order."""
    values = dict(zip(_FIELDS, _IN_ROW(row), strict=True))
    failure = values["failure"]
    values["payload"] = json.loads(values["payload"])
    values["state"] = State(values["state"])
    values["outputs"] = tuple(json.loads(values["outputs"]))
    values["files"] = tuple(json.loads(values["files"])) if values["files"] else ()
    values["ancestors"] = tuple(values["ancestors"].split()) if values["ancestors"] else ()
    values["remarks"] = tuple(Failure(**each) for each in json.loads(values["remarks"])) if values["remarks"] else ()
    values["failure"] = Failure(**json.loads(failure)) if failure else None
    for name in _BOOLEANS:
        values[name] = bool(values[name])
    return Job(**values)


def read_jobs(connection: sa.Connection, query: sa.Select[Any], values: Mapping[str, Any] | None = None) -> list[Job]:
    """The jobs of a query for all columns of `jobs`, in its order."""
    return [job_of(row) for row in connection.execute(query, values)]


def search_values(payload: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that a history is searched by; None if the model has no such field."""
    ratio, frames = payload.get("aspect_ratio"), payload.get("frames")
    return {
        "prompt": _without_nul(prompt_in(payload).lower()) or None,
        "aspect_ratio": _without_nul(ratio) if isinstance(ratio, str) else None,
        "frames": frames if isinstance(frames, int) and abs(frames) < 2**31 else None,
    }


def _without_nul(text: str) -> str:
    return text.replace("\0", "")  # PostgreSQL stores no NUL in text


def values_of(job: Job) -> dict[str, Any]:
    """All columns of a job's row, but those of its lease."""
    copied = {**search_values(job.payload), "chain": job.chain_id if job.ancestors else None}
    return {**{_COLUMNS.get(name, name): _written(job, name) for name in _FIELDS}, **copied}


def _written(job: Job, name: str) -> Any:
    write = _WRITTEN.get(name)
    return getattr(job, name) if write is None else write(job)


def _plain(failure: Failure) -> dict[str, Any]:
    return {"code": failure.code, "message": failure.message, "facts": dict(failure.facts)}


_WRITTEN: Mapping[str, Callable[[Job], str | None]] = {
    "payload": lambda job: json.dumps(dict(job.payload), ensure_ascii=False),
    "state": lambda job: str(job.state),
    "outputs": lambda job: json.dumps(list(job.outputs)),
    "files": lambda job: json.dumps(list(job.files)) if job.files else None,
    "ancestors": lambda job: " ".join(job.ancestors) or None,
    "remarks": lambda job: json.dumps([_plain(remark) for remark in job.remarks]) if job.remarks else None,
    "failure": lambda job: json.dumps(_plain(job.failure)) if job.failure else None,
}
"""What is written otherwise than a job has it."""
COPIED_FROM = ("payload", "ancestors")
"""The fields of which other columns have a copy."""

# Made once, so that SQLAlchemy compiles it once for the same columns.
_WRITE = sa.update(jobs).where(jobs.c.job_id == sa.bindparam("of_job"))


def write_row(connection: sa.Connection, before: Job, job: Job) -> None:
    """Write what has changed of a job into its row; removes the lease of a job that has ended.

    Each column that is named is written into all of its indexes, though it is the same.
    """
    changed = [name for name in _FIELDS if getattr(before, name) != getattr(job, name)]
    if any(name in COPIED_FROM for name in changed):
        values = values_of(job)
    else:
        values = {_COLUMNS.get(name, name): _written(job, name) for name in changed}
    if job.ended:
        values |= {"lease_owner": None, "lease_until": None}
    connection.execute(_WRITE, {**values, "of_job": job.job_id})


def change_rows(
    connection: sa.Connection, condition: sa.ColumnElement[bool], change: Callable[[Job], Job]
) -> list[Job]:
    """Apply `change` to the jobs that meet a condition, in the connection's transaction. Returns the changed jobs."""
    rows = sa.select(jobs).where(condition).order_by(jobs.c.variation).with_for_update()
    pairs = [(job, replace(change(job), generation=job.generation)) for job in read_jobs(connection, rows)]
    changed = [(job, after) for job, after in pairs if after != job]
    for job, after in changed:
        write_row(connection, job, after)
    return [after for _, after in changed]


def remove_rows(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> int:
    """Remove the rows that meet a condition, in the connection's transaction; their ids stay used. Returns the count."""
    # Locked, and in one order: another replica may remove the same rows.
    chosen = sa.select(jobs.c.job_id).where(condition).order_by(jobs.c.job_id).with_for_update()
    job_ids = list(connection.scalars(chosen))
    for start in range(0, len(job_ids), AT_ONCE):
        part = jobs.c.job_id.in_(job_ids[start : start + AT_ONCE])
        ids: set[tuple[str, str, str]] = set()
        for request_id, click_id, visitor_id in connection.execute(
            sa.select(jobs.c.request_id, jobs.c.click_id, jobs.c.visitor_id).where(part)
        ):
            ids |= {("request", request_id, "")} if request_id is not None else set()
            ids |= {("click", click_id, visitor_id)} if click_id is not None else set()
        for kind, one, visitor_id in sorted(ids):
            connection.execute(_REMEMBER, {"kind": kind, "id": one, "visitor_id": visitor_id})
        of_part = sa.select(jobs.c.share_id).where(part)
        connection.execute(sa.delete(collected).where(collected.c.share_id.in_(of_part)))
        connection.execute(sa.delete(jobs).where(part))
    return len(job_ids)


_MOVE_USED = sa.text(
    "INSERT INTO used_ids (kind, id, visitor_id) SELECT kind, id, :visitor_id FROM used_ids WHERE visitor_id = :former "
    "ON CONFLICT DO NOTHING"
)
_REMEMBER = sa.text(
    "INSERT INTO used_ids (kind, id, visitor_id) VALUES (:kind, :id, :visitor_id) ON CONFLICT DO NOTHING"
)


def move_rows(connection: sa.Connection, former: str, visitor_id: str) -> None:
    """Give a visitor the jobs, the collections, the shelf and the used ids of another one, who pays with no own key any more."""
    for table in (jobs, collections, shelf):
        connection.execute(sa.update(table).where(table.c.visitor_id == former).values(visitor_id=visitor_id))
    connection.execute(_MOVE_USED, {"former": former, "visitor_id": visitor_id})
    connection.execute(sa.delete(used_ids).where(used_ids.c.visitor_id == former))
    connection.execute(sa.delete(own_keys).where(own_keys.c.visitor_id == former))


# Made once, so that SQLAlchemy compiles them once: they run for each click.
_IS_USED = (
    sa.select(used_ids.c.id)
    .where(used_ids.c.kind == sa.bindparam("of_kind"), used_ids.c.id == sa.bindparam("of_id"))
    .limit(1)
)
_IS_USED_BY = _IS_USED.where(used_ids.c.visitor_id == sa.bindparam("of_visitor"))


def is_used(connection: sa.Connection, kind: str, used_id: str, visitor_id: str | None = None) -> bool:
    """Whether a job that is removed had this id: a `request` of the service, or a `click`, of this visitor or of any."""
    values = {"of_kind": kind, "of_id": used_id, "of_visitor": visitor_id}
    return connection.execute(_IS_USED if visitor_id is None else _IS_USED_BY, values).first() is not None
