"""The stage: where a job stands, its video, and the facts about it."""

from abc import ABCMeta
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.component_meta import ComponentMeta
from gradio.data_classes import FileData
from markupsafe import Markup

from dreamina_ui.jobs import Job, State
from dreamina_ui.ui.wording import Words

__all__ = ["SavedVideo", "empty_html", "facts_html", "file_name", "status_html"]

STEPS: Sequence[tuple[State, str]] = (
    (State.SUBMITTING, "step.sent"),
    (State.IN_QUEUE, "step.queue"),
    (State.IN_PROGRESS, "step.rendering"),
    (State.SAVING, "step.saving"),
    (State.SUCCEEDED, "step.ready"),
)
_ORDER = [State.WAITING, *(state for state, _ in STEPS)]

_EMPTY = Markup(
    '<div class="screen empty"><div class="screen-inner"><span class="reel" aria-hidden="true"></span>'
    "<p class='lead'>{lead}</p><p class='hint'>{hint}</p></div></div>"
)
_STATUS = Markup(
    '<div class="status {state}" data-state="{state}" data-job="{job_id}"><div class="status-line">'
    '<span class="status-words" role="status" aria-live="polite">{line}</span>{clock}</div>{steps}{note}</div>'
)
_SCREEN = Markup(
    '<div class="screen {state}"><div class="screen-inner"><span class="{mark}" aria-hidden="true"></span>'
    "<p class='lead'>{lead}</p>{note}</div></div>"
)
_CLOCK = Markup('<span class="clock" data-elapsed="{elapsed:.1f}" data-runs="{runs}"></span>')
_NOTE = Markup('<p class="note">{}</p>')
_FACT = Markup("<div class='fact'><dt>{}</dt><dd>{}</dd></div>")


class _WithoutStub(ComponentMeta):
    """Gradio's metaclass writes a `.pyi` beside the source of each component; this one leaves the folder alone."""

    def __new__(cls, name: str, bases: tuple[type, ...], attrs: dict[str, Any]) -> type:
        return ABCMeta.__new__(cls, name, bases, attrs)


class SavedVideo(gr.Video, metaclass=_WithoutStub):
    """A player for videos of the library, which are already known to play.

    Gradio's own component probes and converts each output where ffmpeg is installed, which a thousand watchers would
    feel. A value here is `(path, name)`: the saved file, and the name a download of it gets.
    """

    is_template = True
    """Tells Gradio to use the browser side of its own video component."""

    def postprocess(self, value: tuple[Path, str] | None) -> FileData | None:
        if value is None:
            return None
        path, name = value
        return FileData(path=str(path), orig_name=name, mime_type="video/mp4", size=path.stat().st_size)


def empty_html(words: Words) -> Markup:
    return _EMPTY.format(lead=words.say("stage.empty.lead"), hint=words.say("stage.empty.hint"))


def screen_html(job: Job, words: Words) -> Markup:
    """What stands where the video will be."""
    ended = job.ended
    note = words.explain(job) if ended else ""
    return _SCREEN.format(
        state=job.state,
        mark="ending-mark" if ended else "reel turning",
        lead=words.state_line(job),
        note=_NOTE.format(note) if note else "",
    )


def status_html(job: Job, now: float, words: Words) -> Markup:
    """The line of words, the clock (it ticks in the browser), the steps, and what needs saying."""
    # What ended a job without a video stands on the screen, in the video's place.
    note = "" if job.ended and job.state is not State.SUCCEEDED else words.explain(job)
    return _STATUS.format(
        state=job.state,
        job_id=job.job_id,
        line=words.state_line(job),
        clock=_CLOCK.format(elapsed=job.elapsed_s(now), runs="no" if job.ended else "yes"),
        steps=_steps(job, words),
        note=_NOTE.format(note) if note else "",
    )


def _steps(job: Job, words: Words) -> Markup:
    if job.state not in _ORDER:
        return Markup()
    reached = _ORDER.index(job.state)
    items = Markup()
    for index, (_, key) in enumerate(STEPS, start=1):
        kind = "done" if index < reached or job.state is State.SUCCEEDED else "now" if index == reached else "ahead"
        current = Markup(' aria-current="step"') if index == reached else ""
        items += Markup('<li class="{}"{}>{}</li>').format(kind, current, words.say(key))
    return Markup('<ol class="steps">{}</ol>').format(items)


def facts_html(job: Job, words: Words) -> Markup:
    """The facts of a job: settings, size, cost, request id."""
    facts: list[tuple[str, str]] = []
    if job.width and job.height:
        facts.append((words.say("fact.size"), f"{job.width} × {job.height}"))
    if job.duration_s:
        facts.append((words.say("fact.length"), words.seconds(job.duration_s)))
    if (seed := job.payload.get("seed")) is not None:
        facts.append((words.say("fact.seed"), str(seed)))
    if job.backend == "simulator":
        facts.append((words.say("fact.cost"), words.say("fact.free")))
    elif job.cost_usd is not None:
        facts.append((words.say("fact.cost"), f"${words.number(job.cost_usd, 2)}"))
    if job.request_id:
        facts.append((words.say("fact.request_id"), job.request_id))
    rows = Markup().join(_FACT.format(name, value) for name, value in facts)
    prompt = Markup('<p class="stage-prompt">{}</p>').format(str(job.payload.get("prompt", "")))
    return prompt + Markup('<dl class="facts">{}</dl>').format(rows)


def file_name(job: Job, created: str) -> str:
    """A download's name: the day, the prompt's first words, the seed."""
    words = "".join(letter if letter.isalnum() else " " for letter in str(job.payload.get("prompt", ""))).split()
    prompt = "-".join(words)[:48].strip("-").lower() or "video"
    seed = job.payload.get("seed")
    return f"{created}-{prompt}" + (f"-{seed}" if seed is not None else "") + ".mp4"
