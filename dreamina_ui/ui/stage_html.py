"""What the stage shows, as HTML and as a video: pure, values in, markup out."""

from abc import ABCMeta
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr
from gradio.component_meta import ComponentMeta
from gradio.data_classes import FileData
from markupsafe import Markup

from dreamina_ui.jobs import Job, State
from dreamina_ui.records import file_name
from dreamina_ui.ui.wording import Words

__all__ = [
    "SavedVideo",
    "actions_html",
    "empty_html",
    "facts_html",
    "problem_html",
    "screen_html",
    "shared_html",
    "status_html",
    "variations_html",
]

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
    '<div class="status {state}" data-state="{state}" data-job="{job_id}" data-ready="{ready}" data-failed="{failed}">'
    '<div class="status-line">'
    '<span class="status-words" role="status" aria-live="polite">{line}</span>{clock}</div>{steps}{note}</div>'
)
_SCREEN = Markup(
    '<div class="screen {state}"><div class="screen-inner"><span class="{mark}" aria-hidden="true"></span>'
    "<p class='lead'>{lead}</p>{note}</div></div>"
)
_CLOCK = Markup(
    '<span class="times"><span class="estimate" data-usual="{usual}" data-left="{left}" data-over="{over}"></span>'
    '<span class="clock" data-elapsed="{elapsed:.1f}" data-runs="{runs}"></span></span>'
)
_VARIATION = Markup(
    '<li><button type="button" class="variation {state}" data-variation="{job_id}"{chosen}>{picture}'
    "<span>{name}</span><span class='variation-state'>{word}</span></button></li>"
)
_PICTURE = Markup('<img src="gradio_api/file={}" alt="">')
_ACTIONS = Markup(
    '<div class="links"><a class="action" href="dreamina/video/{share_id}" download="{name}">{download}</a>'
    '<button type="button" class="action" data-copy="{link}" data-copied="{copied}">{copy}</button>'
    '<button type="button" class="action" data-copy="{settings}" data-copied="{copied}">{copy_settings}</button></div>'
)
_SHARED = Markup('<div class="status shared"><p class="status-line">{}</p><p class="note">{}</p></div>')
_PROBLEM = Markup('<p class="field-problem" role="alert">{}</p>')
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


def shared_html(words: Words) -> Markup:
    return _SHARED.format(words.say("shared.title"), words.say("shared.note"))


def problem_html(words: str) -> Any:
    """A sentence that appears beside what it is about."""
    return gr.update(value=_PROBLEM.format(words), visible=True)


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


def status_html(job: Job, now: float, words: Words, usual_s: float | None = None) -> Markup:
    """The line of words, the clock and the estimate (they tick in the browser), the steps, and what needs saying.

    `usual_s` is how long such a job usually takes, in seconds.
    """
    # What ended a job without a video stands on the screen, in the video's place.
    note = "" if job.ended and job.state is not State.SUCCEEDED else words.explain(job)
    return _STATUS.format(
        state=job.state,
        job_id=job.job_id,
        ready=words.state_word(State.SUCCEEDED),
        failed=words.state_word(job.state if job.ended else State.FAILED),
        line=words.state_line(job),
        clock=_CLOCK.format(
            elapsed=job.elapsed_s(now),
            runs="no" if job.ended else "yes",
            usual="" if usual_s is None or job.ended else f"{usual_s:.1f}",
            left=words.text("estimate.left"),
            over=words.text("estimate.over"),
        ),
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


def variations_html(jobs: Sequence[Job], current: str, folder: Path, words: Words) -> Markup:
    """The variations of one click, of which `current` is the one on the stage; nothing for a single one."""
    if len(jobs) < 2:
        return Markup()
    items = Markup()
    for number, job in enumerate(jobs, start=1):
        done = job.state is State.SUCCEEDED
        items += _VARIATION.format(
            state=job.state,
            job_id=job.job_id,
            chosen=Markup(' aria-current="true"') if job.job_id == current else "",
            picture=_PICTURE.format(quote(str(folder / f"{job.share_id}.webp"))) if done else "",
            name=words.say("variation", number=number),
            word="" if done else words.state_word(job.state),
        )
    return Markup('<ul class="variations">{}</ul>').format(items)


def actions_html(job: Job, settings_link: str, words: Words) -> Markup:
    """What can be done with a finished video in the browser alone: download it, copy its link."""
    if job.state is not State.SUCCEEDED:
        return Markup()
    return _ACTIONS.format(
        share_id=job.share_id,
        name=file_name(job, ending=".mp4" if job.duration_s else ".png"),
        download=words.say("download"),
        link=f"?video={job.share_id}",
        settings=settings_link,
        copy_settings=words.say("copy_settings"),
        copy=words.say("copy_link"),
        copied=words.say("copied"),
    )


def facts_html(job: Job, words: Words, *, shared: bool = False) -> Markup:
    """The facts of a job: settings, size, cost, request id. A shared video tells only what belongs to the picture."""
    facts: list[tuple[str, str]] = []
    if job.width and job.height:
        facts.append((words.say("fact.size"), f"{job.width} × {job.height}"))
    if job.duration_s:
        facts.append((words.say("fact.length"), words.seconds(job.duration_s)))
    if (seed := job.payload.get("seed")) is not None:
        facts.append((words.say("fact.seed"), str(seed)))
    if shared:
        pass
    elif job.backend == "simulator":
        facts.append((words.say("fact.cost"), words.say("fact.free")))
    elif job.cost_usd is not None:
        facts.append((words.say("fact.cost"), f"${words.number(job.cost_usd, 2)}"))
    if job.request_id and not shared:
        facts.append((words.say("fact.request_id"), job.request_id))
    rows = Markup().join(_FACT.format(name, value) for name, value in facts)
    prompt = Markup('<p class="stage-prompt" data-seed="{}">{}</p>').format(job.payload.get("seed", -1), job.prompt)
    return prompt + Markup('<dl class="facts">{}</dl>').format(rows)
