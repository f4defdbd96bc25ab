"""A job's record, as its video carries it: enough to make the video again, and to rebuild the history from the files.

No job id is in it: who holds one owns the job, and files are passed around.
"""

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from dreamina_ui.jobs import Job, State

__all__ = ["file_name", "job_from", "record_of"]


def record_of(job: Job, finished_at: float) -> dict[str, Any]:
    """Plain JSON values; `settings` are the payload that was sent."""
    return {
        "app": "dreamina-ui",
        "settings": dict(job.payload),
        "model_id": job.model_id,
        "backend": job.backend,
        "visitor_id": job.visitor_id,
        "request_id": job.request_id,
        "created_at": job.created_at,
        "submitted_at": job.submitted_at,
        "started_at": job.started_at,
        "finished_at": finished_at,
        "cost_usd": job.cost_usd,
        "cancel_requested": job.cancel_requested,
    }


def job_from(share_id: str, record: Mapping[str, Any], width: int, height: int, duration_s: float) -> Job | None:
    """The finished job of a record, under a new job id; None if the record is not one."""
    try:
        return Job(
            job_id=secrets.token_hex(16),
            share_id=share_id,
            visitor_id=str(record["visitor_id"]),
            backend=str(record["backend"]),
            model_id=str(record["model_id"]),
            payload=dict(record["settings"]),
            state=State.SUCCEEDED,
            request_id=record["request_id"],
            created_at=float(record["created_at"]),
            submitted_at=record["submitted_at"],
            started_at=record["started_at"],
            finished_at=float(record["finished_at"]),
            width=width,
            height=height,
            duration_s=duration_s,
            cost_usd=record["cost_usd"],
            cancel_requested=bool(record["cancel_requested"]),
        )
    except (KeyError, TypeError, ValueError):
        return None


def file_name(job: Job) -> str:
    """A download's name: the day (UTC), the prompt's first words, the seed."""
    words = "".join(letter if letter.isalnum() else " " for letter in str(job.payload.get("prompt", ""))).split()
    prompt = "-".join(words)[:48].strip("-").lower() or "video"
    seed = job.payload.get("seed")
    day = datetime.fromtimestamp(job.created_at, UTC).date().isoformat()
    return f"{day}-{prompt}" + (f"-{seed}" if seed is not None else "") + ".mp4"
