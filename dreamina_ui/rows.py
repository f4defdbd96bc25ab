"""The table of jobs, and a job as a row of it."""

import json
from dataclasses import fields
from typing import Any

import sqlalchemy as sa

from dreamina_ui.jobs import Failure, Job, State

__all__ = ["job_of", "jobs", "values_of"]

jobs = sa.table(
    "jobs",
    sa.column("job_id", sa.Text),
    sa.column("share_id", sa.Text),
    sa.column("visitor_id", sa.Text),
    sa.column("click_id", sa.Text),
    sa.column("variation", sa.Integer),
    sa.column("backend", sa.Text),
    sa.column("model_id", sa.Text),
    sa.column("payload", sa.Text),
    sa.column("state", sa.Text),
    sa.column("version", sa.Integer),
    sa.column("request_id", sa.Text),
    sa.column("queue_position", sa.Integer),
    sa.column("outputs", sa.Text),
    sa.column("failure", sa.Text),
    sa.column("not_before", sa.Double),
    sa.column("cancel_requested", sa.Boolean),
    sa.column("cancel_outcome", sa.Text),
    sa.column("dismissed", sa.Boolean),
    sa.column("created_at", sa.Double),
    sa.column("submitted_at", sa.Double),
    sa.column("started_at", sa.Double),
    sa.column("finished_at", sa.Double),
    sa.column("width", sa.Integer),
    sa.column("height", sa.Integer),
    sa.column("duration_s", sa.Double),
    sa.column("cost_usd", sa.Double),
    sa.column("generation", sa.Integer),
    # The lease is between the replicas and the database; a job knows only its generation.
    sa.column("lease_owner", sa.Text),
    sa.column("lease_until", sa.Double),
)

_FIELDS = tuple(field.name for field in fields(Job))


def job_of(row: sa.Row[Any]) -> Job:
    values = {name: value for name, value in row._asdict().items() if name in _FIELDS}
    failure = json.loads(values["failure"]) if values["failure"] else None
    return Job(
        **{
            **values,
            "payload": json.loads(values["payload"]),
            "state": State(values["state"]),
            "outputs": tuple(json.loads(values["outputs"])),
            "failure": Failure(**failure) if failure else None,
            "cancel_requested": bool(values["cancel_requested"]),
            "dismissed": bool(values["dismissed"]),
        }
    )


def values_of(job: Job) -> dict[str, Any]:
    values = {name: getattr(job, name) for name in _FIELDS}
    failure = job.failure
    values["failure"] = (
        json.dumps({"code": failure.code, "message": failure.message, "facts": dict(failure.facts)})
        if failure
        else None
    )
    return {
        **values,
        "payload": json.dumps(dict(job.payload), ensure_ascii=False),
        "state": str(job.state),
        "outputs": json.dumps(list(job.outputs)),
    }
