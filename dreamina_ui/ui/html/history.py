"""The posters of a visitor's jobs, as data for a script."""

import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from dreamina_ui.cards.model_card import Card
from dreamina_ui.cards.models import Models
from dreamina_ui.cards.schema.fields import Field
from dreamina_ui.jobs import Job, State
from dreamina_ui.media.kinds import Family, kind_named
from dreamina_ui.ui.form import choice_label, value_label
from dreamina_ui.web.saved_files import SAVED_ADDRESS
from dreamina_ui.wording import Words

__all__ = ["STARRED", "Posters"]

STARRED = "starred"
"""What a history shows that is of no collection and not all."""
CACHE_MOST = 2000
"""Posters in the cache, 200 bytes each; a page of 24 is rendered at every visit and after each finished video."""

POSTER_MOST = 4000
"""Characters of a poster that is cached: a prompt may be much longer."""

_SCRIPT_TEXTS = {  # texts that the script shows by itself
    "compare": "compare.title",
    "compare.pick": "compare.pick",
    "join.pick": "join.pick",
    "join.making": "join.making",
    "export.lost": "export.lost",
    "show": "show",
    "close": "close",
    "play": "play",
    "pause": "pause",
    "position": "position",
    "selected": "picked",
    "differs": "compare.differs",
    "setting": "compare.setting",
    "deleted": "deleted",
    "undo": "undo",
    "pick": "pick",
    "star": "star.of",
    "place": "collection.place",
    "download": "download",
    "undecodable": "undecodable",
    "kind.video": "kind.video",
    "kind.picture": "kind.picture",
    "kind.sound": "kind.sound",
    "kind.file": "kind.file",
}
_STATES = {Family.VIDEO: 0, Family.PICTURE: 1, Family.SOUND: 2, Family.FILE: 3}
_ROOT = Markup(
    '<div class="history-root" data-words="{words}" data-among="{among}"{data}><div class="picked-bar" hidden>'
    '<span class="picked-count" aria-live="polite"></span>'
    '<button type="button" data-do="compare">{compare}</button><button type="button" data-do="show">{show}</button>'
    '<button type="button" data-do="zip">{zip}</button>'
    '<button type="button" data-do="collect">{collect}</button>{in_collection}'
    '<span class="picked-more"><button type="button" data-more aria-expanded="false" aria-controls="picked-menu">{more}</button>'
    '<span class="picked-menu" id="picked-menu" hidden><button type="button" data-do="vote">{vote}</button>'
    '<button type="button" data-do="join">{join}</button></span></span>'
    '<button type="button" data-do="delete">{delete}</button>'
    '<button type="button" data-do="unpick" aria-label="{unpick}" title="{unpick}">✕</button></div>'
    '<div class="undo-bar" role="status" hidden><span></span>'
    '<button type="button" data-do="undo">{undo}</button></div>{sentence}</div>'
)
_IN_COLLECTION = Markup(
    '<button type="button" data-act="earlier" aria-label="{earlier}" title="{earlier}">←</button>'
    '<button type="button" data-act="later" aria-label="{later}" title="{later}">→</button>'
    '<button type="button" data-act="take_out">{take_out}</button>'
)
_DATA = Markup(' data-folder="{folder}" data-fields="{fields}" data-posters=\'[{posters}]\'')


class Posters:
    """Renders posters, and caches each version of a job in each language.

    `assets/js/posters.js` makes the HTML from the data: as HTML, the posters would be as large as the rest of the page.
    A poster is `[job_id, share_id, state, can it be selected, word, prompt, value of a field…]`, as JSON. The state of a
    finished job is 0 if its first file is a video that browsers play, 1 for a picture, 2 for a sound, 3 for any other file,
    and 4 without a file; `[state, end]` has the end of that file's name after the share id if it is not ".mp4". What can be
    selected is 1, or 2 while its poster is still to be made, and 4 more of a job with a star. A value is a number or text,
    the index of a choice, `true` for the prompt, or `null` for none.
    """

    def __init__(self, models: Models) -> None:
        self._models = models
        self._fields = models.fields
        self._names = [card.title for card in models] if len(models) > 1 else []
        """Of several models."""
        self._cache: OrderedDict[tuple[str, int, str], Markup] = OrderedDict()

    def html(self, jobs: Sequence[Job], words: Words, *, searched: bool = False, among: str = "") -> Markup:
        """The history. `searched` decides whether an empty list means no video at all or no match.

        `among` is what is shown: all, `STARRED`, or the id of a collection.
        """
        in_collection = among not in ("", STARRED)
        data = sentence = Markup()
        if jobs:
            data = _DATA.format(
                folder=SAVED_ADDRESS,
                fields=_json(self._titles(words)),
                posters=Markup(",").join(self._cached(job, words) for job in jobs),
            )
        else:
            key = "history.nothing_found" if searched else "collection.empty" if in_collection else "history.empty"
            sentence = Markup('<p class="history-empty">{}</p>').format(words.say(key))
        return _ROOT.format(
            words=_json({name: words.text(key) for name, key in _SCRIPT_TEXTS.items()}),
            data=data,
            sentence=sentence,
            among=among,
            in_collection=_IN_COLLECTION.format(
                **{name: words.say(f"collection.{name}") for name in ("earlier", "later", "take_out")}
            )
            if in_collection
            else "",
            more=words.say("picked.more"),
            **{
                name: words.say(name)
                for name in ("compare", "show", "vote", "join", "zip", "collect", "delete", "unpick", "undo")
            },
        )

    def _cached(self, job: Job, words: Words) -> Markup:
        key = (job.share_id, job.version, words.language)
        cached = self._cache.get(key)
        if cached is None:
            cached = _quoted(_json(self._item(job, words)))
            if len(cached) <= POSTER_MOST:
                self._cache[key] = cached
            if len(self._cache) > CACHE_MOST:
                self._cache.popitem(last=False)
        else:
            self._cache.move_to_end(key)
        return cached

    def _item(self, job: Job, words: Words) -> list[Any]:
        done = job.state is State.SUCCEEDED
        state, word = _finished(job, words) if done else (str(job.state), words.state_word(job.state))
        values = []
        if done:
            own = self._models.get(job.model_id)
            values = [_value(own or card, field, job.payload, job.prompt) for card, field in self._fields]
            if self._names:
                values.append(self._names.index(own.title) if own else job.model_id)
        return [
            job.job_id,
            job.share_id,
            state,
            job.ended + job.poster_due + 4 * job.starred,
            word,
            job.prompt,
            *values,
        ]

    def _titles(self, words: Words) -> list[tuple[str, list[str]]]:
        """The title of each field and the labels of its choices, for the compare view; of several models, their titles last."""
        titles = [
            (
                words.field_title(field.name, field.title),
                [choice_label(card, field, choice) for choice in field.choices or ()],
            )
            for card, field in self._fields
        ]
        return [*titles, (words.say("field.model"), self._names)] if self._names else titles


def _finished(job: Job, words: Words) -> tuple[Any, str]:
    """The state of a finished job for the script, and the word on its poster."""
    if job.has_no_file:
        return 4, words.say("poster.no_file")
    # Old rows do not name their files: those with a duration are MP4 videos, the others images.
    suffix = job.files[0] if job.files else ".mp4" if job.duration_s else ".image.png"
    kind = kind_named(suffix)
    state = _STATES[kind.family] if kind.inline else 3
    size = f"{job.width}×{job.height}" if job.width and job.height else kind.name
    length = words.seconds(job.duration_s) if job.duration_s else kind.name
    word = (length, size, length, kind.name)[state]
    if job.ancestors:
        word = f"{word} · {words.say('chain.part', number=len(job.line))}"
    return (0 if suffix == ".mp4" else [state, suffix]), word


def _value(card: Card, field: Field, payload: Mapping[str, Any], prompt: str) -> Any:
    if field.name not in payload:
        return None
    value = payload[field.name]
    if field.choices and value in field.choices:
        return field.choices.index(value)
    label = value_label(card, field, value)
    return True if label == prompt else label


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _quoted(text: str) -> Markup:
    """Escapes for an attribute in single quotes. In double quotes, each double quote of the JSON would take five bytes more."""
    return Markup(text.replace("&", "&amp;").replace("'", "&#39;").replace("<", "&lt;").replace(">", "&gt;"))  # noqa: S704
