"""A visitor's jobs as posters."""

import json
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from markupsafe import Markup, escape

from dreamina_ui.jobs import Job, State
from dreamina_ui.model_card import Card
from dreamina_ui.records import file_name
from dreamina_ui.ui.form import choice_label
from dreamina_ui.ui.wording import Words

__all__ = ["Posters"]

SHOWN_MOST, SPOKEN_MOST = 160, 80
"""Characters of a prompt on and beside its poster: a page of long prompts in full would weigh more than all the rest."""
KEPT_MOST = 2000
"""Drawn posters of 2 kB each; a page of 24 is drawn at every opening, and after each video that gets ready."""

_SAID = {  # what the script says by itself
    "compare": "compare.title",
    "compare.pick": "compare.pick",
    "close": "close",
    "play": "play",
    "pause": "pause",
    "position": "position",
    "selected": "picked",
    "differs": "compare.differs",
    "deleted": "deleted",
    "undo": "undo",
}
_ROOT = Markup(
    '<div class="history-root" data-words="{words}"><div class="picked-bar" hidden>'
    '<span class="picked-count" aria-live="polite"></span>'
    '<button type="button" data-do="compare">{compare}</button><button type="button" data-do="zip">{zip}</button>'
    '<button type="button" data-do="delete">{delete}</button><button type="button" data-do="unpick">{unpick}</button></div>'
    '<div class="undo-bar" role="status" hidden data-jobs=""><span></span>'
    '<button type="button" data-do="undo">{undo}</button></div>{posters}</div>'
)
# One template with values by `%`, and not `format` in `format`: a page has 24 of these, and is drawn at every change.
_ITEM = Markup(
    '<li class="poster %(state)s" data-job="%(job_id)s" data-share="%(share_id)s"%(video)s>'
    '<button type="button" class="poster-open" data-open title="%(prompt)s">%(picture)s'
    '<span class="poster-state">%(word)s</span><span class="poster-prompt">%(prompt)s</span></button>%(pick)s</li>'
)
_VIDEO = Markup(' data-video="%s" data-name="%s" data-facts="%s"')
_PICTURE = Markup('<img src="%s" alt="" loading="lazy" decoding="async">')
_BLANK = Markup('<span class="poster-blank" aria-hidden="true"></span>')
_PICK = Markup('<label class="poster-pick"><input type="checkbox" data-pick aria-label="%s"></label>')


class Posters:
    """`folder` holds the videos and posters. What does not change is drawn once in each language."""

    def __init__(self, card: Card, folder: Path) -> None:
        self._card = card
        self._folder = folder
        self._drawn: OrderedDict[tuple[str, int, str], Markup] = OrderedDict()

    def html(self, jobs: Sequence[Job], words: Words, *, searched: bool = False) -> Markup:
        """`searched` tells an empty history from an empty search."""
        if jobs:
            posters = Markup('<ul class="posters">{}</ul>').format(
                Markup().join(self._kept(job, words) for job in jobs)
            )
        else:
            key = "history.nothing_found" if searched else "history.empty"
            posters = Markup('<p class="history-empty">{}</p>').format(words.say(key))
        return _ROOT.format(
            words=json.dumps({name: words.text(key) for name, key in _SAID.items()}, ensure_ascii=False),
            posters=posters,
            **{name: words.say(name) for name in ("compare", "zip", "delete", "unpick", "undo")},
        )

    def _kept(self, job: Job, words: Words) -> Markup:
        key = (job.share_id, job.version, words.language)
        drawn = self._drawn.get(key)
        if drawn is None:
            drawn = self._drawn[key] = _item(job, self._card, self._folder, words)
            if len(self._drawn) > KEPT_MOST:
                self._drawn.popitem(last=False)
        else:
            self._drawn.move_to_end(key)
        return drawn


def _item(job: Job, card: Card, folder: Path, words: Words) -> Markup:
    prompt = str(job.payload.get("prompt", ""))
    values = {
        "state": job.state,
        "job_id": job.job_id,
        "share_id": job.share_id,
        "prompt": escape(_short(prompt, SHOWN_MOST)),
        "pick": _PICK % words.say("pick", prompt=_short(prompt, SPOKEN_MOST)) if job.ended else "",
    }
    if job.state is not State.SUCCEEDED:
        return _ITEM % {**values, "video": "", "picture": _BLANK, "word": words.state_word(job.state)}
    file = _file(folder / job.share_id)
    facts = json.dumps(_facts(job, card, words), ensure_ascii=False, separators=(",", ":"))
    return _ITEM % {
        **values,
        "video": _VIDEO % (f"{file}.mp4", file_name(job), facts),
        "picture": _PICTURE % f"{file}.webp",
        "word": words.seconds(job.duration_s or 0),
    }


def _facts(job: Job, card: Card, words: Words) -> list[tuple[str, str]]:
    """The settings, as the compare view sets them side by side."""
    return [
        (words.field_title(field.name, field.title), choice_label(card, field, job.payload[field.name]))
        for field in card.fields
        if field.name in job.payload
    ]


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def _file(path: Path) -> str:
    return "gradio_api/file=" + quote(str(path))
