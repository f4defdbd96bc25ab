"""The history: this visitor's jobs as posters, newest first."""

from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import quote

from markupsafe import Markup

from dreamina_ui.jobs import Job, State
from dreamina_ui.ui.wording import Words

__all__ = ["SCRIPT", "history_html"]

SCRIPT = "window.dreamina.history(element, trigger)"
"""Run when the section appears; `assets/studio.js` holds the rest."""

_ITEM = Markup(
    '<li><button type="button" class="poster {state}" data-job="{job_id}" title="{prompt}">{picture}'
    '<span class="poster-state">{word}</span><span class="poster-prompt">{prompt}</span></button></li>'
)
_PICTURE = Markup('<img src="{}" alt="" loading="lazy" decoding="async">')
_BLANK = Markup('<span class="poster-blank" aria-hidden="true"></span>')


def history_html(jobs: Sequence[Job], poster: Callable[[str], Path], words: Words) -> Markup:
    """`poster` gives the picture's path for a share id."""
    if not jobs:
        return Markup('<p class="history-empty">{}</p>').format(words.say("history.empty"))
    return Markup('<ul class="posters">{}</ul>').format(Markup().join(_item(job, poster, words) for job in jobs))


def _item(job: Job, poster: Callable[[str], Path], words: Words) -> Markup:
    done = job.state is State.SUCCEEDED
    return _ITEM.format(
        state=job.state,
        job_id=job.job_id,
        prompt=str(job.payload.get("prompt", "")),
        picture=_PICTURE.format("gradio_api/file=" + quote(str(poster(job.share_id)))) if done else _BLANK,
        word=words.seconds(job.duration_s or 0) if done else words.state_word(job.state),
    )
