"""Data folders with a past: rows and files of jobs that were never made, for a program that is then started on them."""

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from dreamina_ui.config.signing import signing_secret
from dreamina_ui.jobs import Failure, Job, State
from dreamina_ui.storage.database import Database
from dreamina_ui.storage.job_rows import jobs as table
from dreamina_ui.storage.job_rows import values_of
from dreamina_ui.web.visitors import Visitors
from tests.rig import CARD

__all__ = ["MINUTE_S", "POSTER", "known_visitor", "past_job", "write_kept", "write_past"]

POSTER = Path(__file__).parents[1] / "assets" / "examples" / "sea.webp"
"""As large as the posters of real videos are: 640 pixels wide."""
FIRST_AT = 1_760_000_000.0
MINUTE_S = 60.0


def known_visitor(data: Path) -> tuple[str, str]:
    """A visitor of the program that will have its data in `data`: the id, and the cookie."""
    data.mkdir(parents=True, exist_ok=True)
    visitor_id = secrets.token_hex(16)
    return visitor_id, Visitors(signing_secret(data, None)).cookie_of(visitor_id)


def past_job(number: int, visitor_id: str, state: State = State.SUCCEEDED, **settings: Any) -> Job:
    """The job of a number, each a minute after the one before; `settings` are values of the bundled card."""
    made_at = FIRST_AT + number * MINUTE_S
    job = Job(
        job_id=_name("job", visitor_id, number),
        share_id=_name("share", visitor_id, number),
        visitor_id=visitor_id,
        backend="simulator",
        model_id=CARD.model_id,
        payload=CARD.validate({"seed": number, **settings}),
        state=state,
        created_at=made_at,
        request_id=f"request-{number}",
        submitted_at=made_at + 0.2,
        started_at=made_at + 2,
        finished_at=made_at + 20,
    )
    if state is State.SUCCEEDED:
        width, height = CARD.size(job.payload) or (64, 64)
        return replace(job, width=width, height=height, duration_s=CARD.duration_s(job.payload))
    if state is State.FAILED:
        return replace(job, failure=Failure("generation_failed", "out of memory", {}))
    return job if job.ended else replace(job, finished_at=None)


def _name(kind: str, visitor_id: str, number: int) -> str:
    return hashlib.blake2b(f"{kind} {visitor_id} {number}".encode(), digest_size=16).hexdigest()


def write_past(data: Path, made: Sequence[Job], clip: Path, poster: Path = POSTER) -> None:
    """Write the jobs' rows, and for each that succeeded its video and its poster: all of them the same two files.

    The program may be running already: to it this is another replica's work.
    """
    videos = data / "videos"
    videos.mkdir(parents=True, exist_ok=True)
    with closing(Database(f"sqlite:///{data / 'dreamina.sqlite3'}")) as database:
        database.prepare()
        if made:
            rows = [values_of(job) for job in made]
            database.transact(lambda connection: connection.execute(sa.insert(table), rows))
    ready = [job.share_id for job in made if job.state is State.SUCCEEDED]
    _multiply(clip, [videos / f"{share_id}.mp4" for share_id in ready])
    _multiply(poster, [videos / f"{share_id}.webp" for share_id in ready])


def write_kept(data: Path, job: Job, files: Mapping[str, Path]) -> Job:
    """Write the row of a job that has made copies of these `files`, given by the ends of their names, and the copies.

    A ".webp" among them is the poster of a file and no file of its own.
    """
    kept = replace(job, files=tuple(end for end in files if not end.endswith(".webp") or end.endswith(".image.webp")))
    with closing(Database(f"sqlite:///{data / 'dreamina.sqlite3'}")) as database:
        database.prepare()
        database.transact(lambda connection: connection.execute(sa.insert(table), [values_of(kept)]))
    (data / "videos").mkdir(parents=True, exist_ok=True)
    for end, file in files.items():
        shutil.copyfile(file, data / "videos" / f"{job.share_id}{end}")
    return kept


def _multiply(file: Path, copies: Iterable[Path]) -> None:
    """One copy, and links to it: ten thousand videos need no more room than one."""
    first: Path | None = None
    for copy in copies:
        if first is None:
            first = Path(shutil.copyfile(file, copy))
        else:
            os.link(first, copy)
