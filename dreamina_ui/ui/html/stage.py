"""The HTML of the stage. Pure."""

import json
from collections.abc import Sequence
from typing import Any

import gradio as gr
from markupsafe import Markup

from dreamina_ui.backends import charges
from dreamina_ui.engine.curation.exports import GIF_RATE, WIDTH, WIDTHS
from dreamina_ui.jobs import Job, State
from dreamina_ui.media.kinds import Family, kind_named
from dreamina_ui.ui.html.outputs import file_address
from dreamina_ui.ui.html.shown import Shown
from dreamina_ui.web.saved_files import SAVED_ADDRESS
from dreamina_ui.wording import Words

__all__ = [
    "actions_html",
    "empty_html",
    "facts_html",
    "job_picture",
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
_EXPORT_TEXTS = (
    "title",
    "format",
    "from",
    "to",
    "here",
    "width",
    "fps",
    "make",
    "making",
    "lost",
    "as.mp4",
    "as.webm",
    "as.gif",
)
_CHOICES = {
    "mp4": {},
    "webm": {"width": WIDTHS["webm"], "usual": {"width": WIDTH}},
    "gif": {"width": WIDTHS["gif"], "fps": (10, GIF_RATE, 25), "usual": {"width": WIDTH, "fps": GIF_RATE}},
}
"""What the dialog of an export offers."""
_ORDER = [State.WAITING, *(state for state, _ in STEPS)]

_EMPTY = Markup(
    '<div class="screen empty"><div class="screen-inner"><span class="reel" aria-hidden="true"></span>'
    "<p class='lead'>{lead}</p><p class='hint'>{hint}</p></div></div>"
)
_STATUS = Markup(
    '<div class="status {state}{fileless}" data-state="{state}"{data} data-job="{job_id}" data-ready="{ready}" '
    'data-failed="{failed}">'
    '<div class="status-line">'
    '<span class="{said}" role="status" aria-live="polite">{line}</span>{clock}</div>{steps}{note}</div>'
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
_PICTURE = Markup('<img src="{}" alt="" data-poster="{}">')
_NO_PICTURE = Markup('<span class="poster-blank kind-{}" aria-hidden="true"></span>')
_DUE = Markup('<span class="poster-blank" aria-hidden="true"></span>')
_ACTIONS = Markup('<div class="links">{}</div>')
_DOWNLOAD = Markup('<a class="action" href="{}" download="{}">{}</a>')
_STAR = Markup('<button type="button" class="action star" data-star="{}" aria-pressed="{}" title="{} (S)">{}</button>')
_COPY = Markup('<button type="button" class="action" data-copy="{}" data-copied="{}">{}</button>')
_EXPORT = Markup(
    '<button type="button" class="action" data-export="{share_id}" data-seconds="{seconds}" data-choices="{choices}" '
    'data-words="{words}">{label}</button>'
)
_SHARED = Markup('<div class="status shared"><p class="status-line">{}</p><p class="note">{}</p></div>')
_PROBLEM = Markup('<p class="field-problem" role="alert">{}</p>')
_NOTE = Markup('<p class="note">{}</p>')
_FACT = Markup("<div class='fact'><dt>{}</dt><dd>{}</dd></div>")


def empty_html(words: Words) -> Markup:
    return _EMPTY.format(lead=words.say("stage.empty.lead"), hint=words.say("stage.empty.hint"))


def shared_html(words: Words) -> Markup:
    return _SHARED.format(words.say("shared.title"), words.say("shared.note"))


def problem_html(words: str) -> Any:
    """An update that shows a sentence below its field."""
    return gr.update(value=_PROBLEM.format(words), visible=True)


def screen_html(job: Job, words: Words) -> Markup:
    """The screen of a job without a video: its status, and why it has none."""
    ended = job.ended
    lead, note = words.state_line(job), words.explain(job) if ended else ""
    if job.state is State.SUCCEEDED and not job.has_no_file:
        lead, note = words.say("stage.gone"), ""  # its files were deleted, and its status says "Ready"
    return _SCREEN.format(
        state=job.state,
        mark="ending-mark" if ended else "reel turning",
        lead=lead,
        note=_NOTE.format(note) if note else "",
    )


def status_html(job: Job, now: float, words: Words, usual_s: float | None = None) -> Markup:
    """The status line, the clock and the estimate (a script updates both), the steps, and a note.

    `usual_s` is how long such a job usually takes, in seconds.
    """
    # For a job without a video, `screen_html` shows the state and the reason; here they are only read aloud.
    has_video = job.state is State.SUCCEEDED and not job.has_no_file
    note = "" if job.ended and not has_video else words.explain(job)
    return _STATUS.format(
        state=job.state,
        fileless=" no-file" if job.has_no_file else "",
        data=Markup(' data-no-file="yes"') if job.has_no_file else "",
        job_id=job.job_id,
        ready=words.state_word(State.SUCCEEDED),
        failed=words.state_word(State.FAILED) if not job.ended else words.ending_word(job),
        said="status-words" if has_video else "status-words visually-hidden",
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
    if job.state not in _ORDER or job.has_no_file:
        return Markup()
    reached = _ORDER.index(job.state)
    items = Markup()
    for index, (_, key) in enumerate(STEPS, start=1):
        kind = "done" if index < reached or job.state is State.SUCCEEDED else "now" if index == reached else "ahead"
        current = Markup(' aria-current="step"') if index == reached else ""
        items += Markup('<li class="{}"{}>{}</li>').format(kind, current, words.say(key))
    return Markup('<ol class="steps">{}</ol>').format(items)


def variations_html(jobs: Sequence[Job], current: str, words: Words) -> Markup:
    """The variations of one click; `current` is the job on the stage. Empty if there is only one."""
    if len(jobs) < 2:
        return Markup()
    items = Markup()
    for number, job in enumerate(jobs, start=1):
        done = job.state is State.SUCCEEDED
        items += _VARIATION.format(
            state=job.state,
            job_id=job.job_id,
            chosen=Markup(' aria-current="true"') if job.job_id == current else "",
            picture=job_picture(job, words) if done else "",
            name=words.say("variation", number=number),
            word="" if done and not job.has_no_file else words.ending_word(job),
        )
    return Markup('<ul class="variations">{}</ul>').format(items)


def job_picture(job: Job, words: Words) -> Markup:
    """The poster of a job's first file, an empty place while that is still made, or a symbol for a file without one."""
    if job.has_no_file:
        return _NO_PICTURE.format("none")
    suffix = job.files[0] if job.files else ".mp4"
    family = kind_named(suffix).family
    if family in (Family.SOUND, Family.FILE):
        return _NO_PICTURE.format(family)
    if job.poster_due:
        return _DUE
    poster = f"{SAVED_ADDRESS}{job.share_id}{suffix.partition('.')[0]}.webp"
    return _PICTURE.format(poster, words.say(f"kind.{family}"))


def actions_html(job: Job, files: Sequence[Shown], main: Shown | None, settings_link: str, words: Words) -> Markup:
    """The actions on a finished job: download its `main` file, copy its link, copy its settings."""
    if job.state is not State.SUCCEEDED:
        return Markup()
    actions = Markup()
    if main is not None:
        star = words.say("star")
        actions += _STAR.format(job.job_id, "true" if job.starred else "false", star, star)
        if main.is_playable:  # what is not in the player has a download beside it
            is_first = main.number == files[0].number
            address = f"dreamina/video/{job.share_id}" if is_first else file_address(job, main.number)
            actions += _DOWNLOAD.format(address, main.name, words.say("download"))
        if any(file.kind.family is Family.VIDEO for file in files):
            actions += _export(job, words)
        actions += _COPY.format(f"?video={job.share_id}", words.say("copied"), words.say("copy_link"))
    actions += _COPY.format(settings_link, words.say("copied"), words.say("copy_settings"))
    return _ACTIONS.format(actions)


def _export(job: Job, words: Words) -> Markup:
    texts = {name: words.text(f"export.{name}") for name in _EXPORT_TEXTS}
    texts |= {name: words.text(name) for name in ("close", "download")}
    return _EXPORT.format(
        share_id=job.share_id,
        seconds=job.duration_s or "",
        choices=json.dumps(_CHOICES),
        words=json.dumps(texts, ensure_ascii=False),
        label=words.say("export"),
    )


def facts_html(job: Job, words: Words, *, shared: bool = False) -> Markup:
    """The facts of a job: prompt, size, length, seed, cost, request id; for a shared video without the last two."""
    facts: list[tuple[str, str]] = []
    if job.width and job.height:
        facts.append((words.say("fact.size"), f"{job.width} × {job.height}"))
    if job.duration_s:
        facts.append((words.say("fact.length"), words.seconds(job.duration_s)))
    if (seed := job.payload.get("seed")) is not None:
        facts.append((words.say("fact.seed"), str(seed)))
    if shared:
        pass
    elif not charges(job.backend):
        facts.append((words.say("fact.cost"), words.say("fact.free")))
    elif job.cost_usd is not None:
        facts.append((words.say("fact.cost"), words.money(job.cost_usd)))
    if job.request_id and not shared:
        facts.append((words.say("fact.request_id"), job.request_id))
    rows = Markup().join(_FACT.format(name, value) for name, value in facts)
    prompt = Markup('<p class="stage-prompt" data-seed="{}">{}</p>').format(job.payload.get("seed", -1), job.prompt)
    return prompt + Markup('<dl class="facts">{}</dl>').format(rows)
