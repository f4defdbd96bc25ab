"""A job's record, as its files carry it: enough to make the video again, and to rebuild the history from the files.

Files are passed around, so the record tells nothing of who made them: the visitor's id, the request id, the cost and the like
are sealed with the secret of the studio, in another way for each file. No job id is in it: who holds one owns the job.
"""

import base64
import hmac
import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any

from cryptography.fernet import Fernet, InvalidToken

from dreamina_ui.jobs import CHAIN_MOST, SHARE_ID, Job, State

__all__ = ["NOBODY", "Records", "file_name", "joined_record", "part_record"]

NOBODY = "unknown"
"""The visitor of a file that another secret has sealed. No cookie has this id."""
ONCE_PLAIN = ("visitor_id", "request_id", "cost_usd")
"""In files of earlier versions."""
PRIVATE = (*ONCE_PLAIN, "own_key", "click_id", "variation", "batch_id", "ancestors")
"""What is sealed."""
TEXT_MOST = 200
VARIATION_MOST = 10_000
LAST_SECOND = 253_402_300_799
"""The end of the year 9999, in seconds since 1970: no calendar here knows a later one."""
DEAREST_USD = 1e6
JOINED_TEXT_MOST = 2**19
"""Characters of the records of a joined file's parts: those that follow are only counted."""


class Records:
    """Writes and reads records with the `secret` of a studio."""

    def __init__(self, secret: str) -> None:
        self._box = Fernet(base64.urlsafe_b64encode(hmac.digest(secret.encode(), b"records of files", "sha256")))

    def of(self, job: Job, finished_at: float) -> dict[str, Any]:
        """Plain JSON values; `settings` are the payload that was sent."""
        record = {
            "app": "dreamina-ui",
            "settings": dict(job.payload),
            "model_id": job.model_id,
            "backend": job.backend,
            "created_at": job.created_at,
            "submitted_at": job.submitted_at,
            "started_at": job.started_at,
            "finished_at": finished_at,
            "cancel_requested": job.cancel_requested,
        }
        return {**record, "sealed": self._sealed(job.share_id, {name: getattr(job, name) for name in PRIVATE})}

    def without_maker(self, share_id: str, record: Mapping[str, Any]) -> dict[str, Any] | None:
        """The record of a file of an earlier version, with what tells of its maker sealed; None if it tells nothing."""
        private = {name: record[name] for name in ONCE_PLAIN if name in record}
        if not private:
            return None
        public = {name: value for name, value in record.items() if name not in private}
        return public if "sealed" in public else {**public, "sealed": self._sealed(share_id, private)}

    def job_from(
        self,
        share_id: str,
        record: Mapping[str, Any],
        files: Sequence[str],
        width: int | None,
        height: int | None,
        duration_s: float | None,
    ) -> Job | None:
        """The finished job of a record and its saved `files`, under a new job id; None if the record is not one.

        A file can come from anywhere, and its record can say anything: every value has the kind it should have, or none
        does. What another secret has sealed, or was sealed for another file, makes a job of `NOBODY`, who still shares it.
        """
        try:
            private = self._opened(share_id, record["sealed"]) if "sealed" in record else _once_plain(record)
            return Job(
                job_id=secrets.token_hex(16),
                share_id=share_id,
                visitor_id=_text(private["visitor_id"]),
                backend=_text(record["backend"]),
                model_id=_text(record["model_id"]),
                payload=_settings(record["settings"]),
                state=State.SUCCEEDED,
                files=tuple(files),
                request_id=_text_or_none(private["request_id"]),
                click_id=_text_or_none(private.get("click_id")),
                variation=int(_number(private.get("variation", 0), 0, VARIATION_MOST)),
                batch_id=_text_or_none(private.get("batch_id")),
                ancestors=_share_ids(private.get("ancestors", [])),
                own_key=private.get("own_key") is True,
                created_at=_seconds(record["created_at"]),
                submitted_at=_seconds_or_none(record["submitted_at"]),
                started_at=_seconds_or_none(record["started_at"]),
                finished_at=_seconds(record["finished_at"]),
                width=width,
                height=height,
                duration_s=duration_s,
                cost_usd=None if private["cost_usd"] is None else _number(private["cost_usd"], 0, DEAREST_USD),
                cancel_requested=record["cancel_requested"] is True,
            )
        except (KeyError, TypeError, ValueError):
            return None

    def move(self, former: str, visitor_id: str) -> str:
        """One line, which says to this studio alone that a visitor has become another one."""
        return self._box.encrypt(json.dumps({"former": former, "visitor_id": visitor_id}).encode()).decode()

    def opened_move(self, line: str) -> tuple[str, str] | None:
        """The former visitor and the one that it has become; None if the line says nothing."""
        try:
            move = json.loads(self._box.decrypt(line.encode()))
            return _text(move["former"]), _text(move["visitor_id"])
        except (InvalidToken, KeyError, TypeError, ValueError):
            return None

    def sealed_text(self, kind: str, values: Mapping[str, Any]) -> str:
        """Values of JSON as one line, which only this studio can read, as a text of this kind."""
        return self._box.encrypt(json.dumps({"kind": kind, **values}).encode()).decode()

    def opened_text(self, kind: str, text: str) -> Mapping[str, Any] | None:
        """What a text of this kind says; None if it says nothing to this studio."""
        try:
            values = json.loads(self._box.decrypt(text.encode()))
        except (InvalidToken, ValueError):
            return None
        return values if isinstance(values, dict) and values.get("kind") == kind else None

    def _sealed(self, share_id: str, private: Mapping[str, Any]) -> str:
        # The share id binds it to its file: nobody can put it into a file of their own.
        return self._box.encrypt(json.dumps({"share_id": share_id, **private}).encode()).decode()

    def _opened(self, share_id: str, sealed: object) -> Mapping[str, Any]:
        nothing = {"visitor_id": NOBODY, "request_id": None, "cost_usd": None}
        if not isinstance(sealed, str):
            return nothing
        try:
            private: dict[str, Any] = json.loads(self._box.decrypt(sealed.encode()))
        except (InvalidToken, ValueError):
            return nothing
        return private if private["share_id"] == share_id else nothing


def _once_plain(record: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: record[name] for name in ONCE_PLAIN}


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > TEXT_MOST or not value.isprintable():
        raise ValueError
    return value


def _text_or_none(value: object) -> str | None:
    return None if value is None else _text(value)


def _share_ids(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) >= CHAIN_MOST:
        raise ValueError
    if not all(isinstance(each, str) and SHARE_ID.fullmatch(each) for each in value):
        raise ValueError
    return tuple(value)


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


def part_record(job: Job, from_s: float | None, to_s: float | None) -> dict[str, Any]:
    """The record of a part of a job's video, in seconds. It makes no job of the history: nothing is sealed in it."""
    trimmed = {} if from_s is to_s is None else {"trimmed": {"from_s": from_s, "to_s": to_s}}
    return {**_public(job), **trimmed}


def joined_record(jobs: Sequence[Job]) -> dict[str, Any]:
    """The record of a file that joins the videos of these jobs: the first one's, with those of all of them, in order."""
    parts: list[dict[str, Any]] = []
    size = 0
    for job in jobs:
        part = {name: value for name, value in _public(job).items() if name != "app"}
        size += len(json.dumps(part, ensure_ascii=False))
        if size > JOINED_TEXT_MOST:
            break
        parts.append(part)
    return {**_public(jobs[0]), "joined": parts, "joined_count": len(jobs)}


def _public(job: Job) -> dict[str, Any]:
    return {
        "app": "dreamina-ui",
        "settings": dict(job.payload),
        "model_id": job.model_id,
        "backend": job.backend,
        "created_at": job.created_at,
    }


def file_name(job: Job, number: int = 1, ending: str = ".mp4", family: str = "video", *, zone: tzinfo = UTC) -> str:
    """A download's name: the day in that zone, the prompt's first words, the seed; and its `number`, of several outputs."""
    words = "".join(letter if letter.isalnum() else " " for letter in job.prompt).split()
    prompt = "-".join(words)[:48].strip("-").lower() or family
    seed = job.payload.get("seed")
    day = datetime.fromtimestamp(job.created_at, zone).date().isoformat()
    numbers = [str(value) for value in (seed,) if isinstance(value, int)] + [str(number)] * (number > 1)
    return "-".join([day, prompt, *numbers]) + ending.removeprefix(".image")
