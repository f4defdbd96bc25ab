"""What programs are told: a job, a page of jobs, and an error, as JSON."""

import json
from typing import Any

import gradio as gr

from dreamina_ui.engine.engine import Engine
from dreamina_ui.errors import DreaminaError, InvalidInput
from dreamina_ui.jobs import Failure, Job
from dreamina_ui.media.library import SavedFile
from dreamina_ui.web.saved_files import saved_address
from dreamina_ui.wording import Words, iso_time

__all__ = ["KEY_HEADER", "WORDS", "job_json", "problem_json", "shown_address_of", "spoken", "told"]

KEY_HEADER = "X-RunComfy-Key"
"""A caller's own key: the job is made, followed and paid with it. It is kept in memory, for that job alone."""

WORDS = Words()
"""Programs are spoken to in one language, whatever their machine's is."""


def job_json(job: Job, now: float, usual_s: float | None = None) -> dict[str, Any]:
    """A job as programs see it: `docs/job.schema.json`. `usual_s` is how long such a job usually takes, in seconds."""
    elapsed_s = job.elapsed_s(now)
    # Of one that takes longer than usual nobody knows how long it will take.
    is_guessed = not job.ended and usual_s is not None and usual_s > elapsed_s
    return {
        "job_id": job.job_id,
        "share_id": job.share_id,
        "state": str(job.state),
        "request_id": job.request_id,
        "queue_position": job.queue_position,
        "message": WORDS.explain(job) or WORDS.state_line(job),
        "error": _said(job.failure, job) if job.failure else None,
        "prompt": job.payload.get("prompt"),
        "aspect_ratio": job.payload.get("aspect_ratio"),
        "frames": job.payload.get("frames"),
        "seed": job.payload.get("seed"),
        "created_at": iso_time(job.created_at),
        "finished_at": None if job.finished_at is None else iso_time(job.finished_at),
        "elapsed_s": round(elapsed_s, 3),
        "eta_s": round(usual_s - elapsed_s, 3) if is_guessed and usual_s is not None else None,
        "width": job.width,
        "height": job.height,
        "duration_s": job.duration_s,
        "cost_usd": job.cost_usd,
        "backend": job.backend,
        "cancel_requested": job.cancel_requested,
        "model_id": job.model_id,
        "settings": dict(job.payload),
        "files": [],
        "remarks": [_said(remark, job) for remark in job.remarks],
    }


async def told(engine: Engine, job: Job, now: float) -> dict[str, Any]:
    """The job with the page's own estimate of how long it will still take, and with the files it has made."""
    made = [{"url": address_of(job, file), "media_type": file.kind.media_type} for file in await engine.files(job)]
    return {**job_json(job, now, None if job.ended else await engine.history.usual_s(job.payload)), "files": made}


def address_of(job: Job, file: SavedFile) -> str:
    """Where a program fetches a file of this job, on this server."""
    return f"/dreamina/video/{job.share_id}?n={file.number}"


def shown_address_of(job: Job, file: SavedFile) -> str:
    """Where the file is shown if browsers show its kind, or downloaded."""
    return f"/{saved_address(file.path)}" if file.kind.inline else address_of(job, file)


def _said(failure: Failure, job: Job) -> dict[str, str]:
    return {"code": failure.code, "message": WORDS.sentence(failure, sent=job.request_id is not None)}


def problem_json(error: DreaminaError, *, sent: bool | None = None) -> dict[str, str]:
    """An error for a program: a stable `code`, the `field` it is about, if one, and one sentence as `message`.

    `sent` is as for `Words.sentence`.
    """
    if isinstance(error, InvalidInput):
        return {"code": error.code, "field": error.field, "message": WORDS.field_problem(error, error.field)}
    return {"code": error.code, "message": WORDS.sentence(error, sent=sent)}


def spoken(error: DreaminaError, *, sent: bool | None = None) -> gr.Error:
    """Gradio passes an error's text alone, so that is JSON; as it holds none of HTML's signs, nothing mangles it.

    Nothing of the program's inside goes out with it.
    """
    text = json.dumps(problem_json(error, sent=sent))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return gr.Error(text, print_exception=False)
