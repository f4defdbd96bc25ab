"""A job, a model and an error as JSON, as the endpoints and the MCP tools return them."""

import json
from typing import Any

import gradio as gr

from dreamina_ui.cards.model_card import Card
from dreamina_ui.engine.curation.collections import Collection
from dreamina_ui.engine.engine import Engine
from dreamina_ui.errors import DreaminaError, InvalidInput
from dreamina_ui.jobs import Failure, Job
from dreamina_ui.media.library import SavedFile
from dreamina_ui.web.saved_files import COLLECTION_ADDRESS, saved_address
from dreamina_ui.wording import Words, iso_time

__all__ = [
    "KEY_HEADER",
    "WORDS",
    "api_error",
    "collection_json",
    "job_json",
    "job_response",
    "model_json",
    "problem_json",
    "view_address",
]

KEY_HEADER = "X-RunComfy-Key"
"""The header for a caller's own key, which sends, polls and pays for the job. The key stays in memory, for that job alone."""

WORDS = Words()
"""All messages to programs are in this one language."""


def job_json(job: Job, now: float, usual_s: float | None = None) -> dict[str, Any]:
    """A job in the form of `docs/job.schema.json`, without its files. `usual_s`: how many seconds such a job usually takes."""
    elapsed_s = job.elapsed_s(now)
    # A job that takes longer than usual has no estimate.
    has_estimate = not job.ended and usual_s is not None and usual_s > elapsed_s
    return {
        "job_id": job.job_id,
        "share_id": job.share_id,
        "state": str(job.state),
        "request_id": job.request_id,
        "queue_position": job.queue_position,
        "message": WORDS.explain(job) or WORDS.state_line(job),
        "error": _failure_json(job.failure, job) if job.failure else None,
        "prompt": job.payload.get("prompt"),
        "aspect_ratio": job.payload.get("aspect_ratio"),
        "frames": job.payload.get("frames"),
        "seed": job.payload.get("seed"),
        "created_at": iso_time(job.created_at),
        "finished_at": None if job.finished_at is None else iso_time(job.finished_at),
        "elapsed_s": round(elapsed_s, 3),
        "eta_s": round(usual_s - elapsed_s, 3) if has_estimate and usual_s is not None else None,
        "width": job.width,
        "height": job.height,
        "duration_s": job.duration_s,
        "cost_usd": job.cost_usd,
        "backend": job.backend,
        "cancel_requested": job.cancel_requested,
        "model_id": job.model_id,
        "settings": dict(job.payload),
        "ancestors": list(job.ancestors),
        "files": [],
        "remarks": [_failure_json(remark, job) for remark in job.remarks],
        "starred": job.starred,
    }


async def job_response(engine: Engine, job: Job, now: float) -> dict[str, Any]:
    """`job_json` with the time that is left by the page's own estimate, and with the saved files."""
    files = [
        {"url": download_address(job, file), "media_type": file.kind.media_type} for file in await engine.files(job)
    ]
    return {
        **job_json(job, now, None if job.ended else await engine.history.expected_s(job)),
        "files": files,
    }


async def model_json(engine: Engine, card: Card) -> dict[str, Any]:
    """A model that the studio offers; `price_usd` is that of its default settings in all, None where it is not known.

    The base price is the service's for one `price_unit`; with a `pricing_note` it is not the total.
    """
    usual = {field.name: field.default for field in card.fields}
    price = await engine.money.price(card)
    return {
        "model_id": card.model_id,
        "title": card.title,
        "task": card.source.get("task"),
        "is_default": card is engine.models.default,
        "price_usd": await engine.money.estimate_usd(card, usual),
        "base_price_usd": price.base_price_usd,
        "price_unit": price.unit,
        "pricing_note": price.note or None,
        "input_schema": card.source["input_schema"],
    }


def collection_json(one: Collection, count: int) -> dict[str, Any]:
    """A collection of `count` videos; `url` shows it to others, relative to this server, and is None while it is not shared."""
    url = None if one.link_id is None else f"/{COLLECTION_ADDRESS}{one.link_id}"
    return {"collection_id": one.collection_id, "name": one.name, "videos": count, "url": url}


def download_address(job: Job, file: SavedFile) -> str:
    """Where a program downloads a file of this job; relative to this server."""
    return f"/dreamina/video/{job.share_id}?n={file.number}"


def view_address(job: Job, file: SavedFile) -> str:
    """Where the file opens in a browser; a kind that no browser shows has only its download."""
    return f"/{saved_address(file.path)}" if file.kind.inline else download_address(job, file)


def _failure_json(failure: Failure, job: Job) -> dict[str, str]:
    return {"code": failure.code, "message": WORDS.sentence(failure, sent=job.request_id is not None)}


def problem_json(error: DreaminaError, *, sent: bool | None = None) -> dict[str, str]:
    """An error for a program: a stable `code`, the `field` it is about, if one, and one sentence as `message`.

    `sent` is as for `Words.sentence`.
    """
    if isinstance(error, InvalidInput):
        return {"code": error.code, "field": error.field, "message": WORDS.field_problem(error, error.field)}
    return {"code": error.code, "message": WORDS.sentence(error, sent=sent)}


def api_error(error: DreaminaError, *, sent: bool | None = None) -> gr.Error:
    """`problem_json` as an exception for Gradio, without a traceback.

    Gradio passes on only the text of an error, so the text is JSON. It has no character that HTML would escape.
    """
    text = json.dumps(problem_json(error, sent=sent))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return gr.Error(text, print_exception=False)
