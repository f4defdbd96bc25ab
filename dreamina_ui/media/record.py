"""A job's record, as its files carry it: enough to make the video again, and to rebuild the history from the files.

No job id is in it: who holds one owns the job, and files are passed around.
"""

import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any

from dreamina_ui.jobs import Job, State

__all__ = ["file_name", "job_from", "record_of"]

TEXT_MOST = 200
LAST_SECOND = 253_402_300_799
"""The end of the year 9999, in seconds since 1970: no calendar here knows a later one."""
DEAREST_USD = 1e6


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


def job_from(
    share_id: str,
    record: Mapping[str, Any],
    files: Sequence[str],
    width: int | None,
    height: int | None,
    duration_s: float | None,
) -> Job | None:
    """The finished job of a record and its saved `files`, under a new job id; None if the record is not one.

    A file can come from anywhere, and its record can say anything: every value has the kind it should have, or none does.
    """
    try:
        return Job(
            job_id=secrets.token_hex(16),
            share_id=share_id,
            visitor_id=_text(record["visitor_id"]),
            backend=_text(record["backend"]),
            model_id=_text(record["model_id"]),
            payload=_settings(record["settings"]),
            state=State.SUCCEEDED,
            files=tuple(files),
            request_id=None if record["request_id"] is None else _text(record["request_id"]),
            created_at=_seconds(record["created_at"]),
            submitted_at=_seconds_or_none(record["submitted_at"]),
            started_at=_seconds_or_none(record["started_at"]),
            finished_at=_seconds(record["finished_at"]),
            width=width,
            height=height,
            duration_s=duration_s,
            cost_usd=None if record["cost_usd"] is None else _number(record["cost_usd"], 0, DEAREST_USD),
            cancel_requested=record["cancel_requested"] is True,
        )
    except (KeyError, TypeError, ValueError):
        return None


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > TEXT_MOST or not value.isprintable():
        raise ValueError
    return value


def _number(value: object, least: float, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise ValueError
    return float(value)


def _seconds(value: object) -> float:
    return _number(value, 0, LAST_SECOND)


def _seconds_or_none(value: object) -> float | None:
    return None if value is None else _seconds(value)


def _settings(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError
    # As the database keeps it: no half of a surrogate pair, no NaN.
    json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    return value


def file_name(job: Job, number: int = 1, ending: str = ".mp4", family: str = "video", *, zone: tzinfo = UTC) -> str:
    """A download's name: the day in that zone, the prompt's first words, the seed; and its `number`, of several outputs."""
    words = "".join(letter if letter.isalnum() else " " for letter in job.prompt).split()
    prompt = "-".join(words)[:48].strip("-").lower() or family
    seed = job.payload.get("seed")
    day = datetime.fromtimestamp(job.created_at, zone).date().isoformat()
    numbers = [str(value) for value in (seed,) if isinstance(value, int)] + [str(number)] * (number > 1)
    return "-".join([day, prompt, *numbers]) + ending.removeprefix(".image")
