"""The HTML of the choice among all videos, stars and collections, and of the collection that is shown. Pure."""

import json
from collections.abc import Sequence

from markupsafe import Markup

from dreamina_ui.engine.curation.collections import NAME_MOST, Collection
from dreamina_ui.engine.curation.votes import CANDIDATES_MOST
from dreamina_ui.jobs import Job, State
from dreamina_ui.ui.html.history import STARRED
from dreamina_ui.web.downloads import ZIPPED_MOST
from dreamina_ui.web.saved_files import COLLECTION_ADDRESS
from dreamina_ui.wording import Words

__all__ = ["among_html", "collected_html", "collection_html", "note_html"]

_SCRIPT_TEXTS = {  # texts that `assets/js/collections.js` shows by itself
    "title": "collect.title",
    "hint": "collect.hint",
    "name": "collection.name",
    "collect": "collect",
    "rename": "collection.rename",
    "save": "collection.save",
    "cancel": "collection.cancel",
    "delete": "collection.delete",
    "delete.ask": "collection.delete.ask",
}
_CHOICE = Markup(
    '<label class="among" data-words="{words}" data-most="{most}"><span>{label}</span><select data-choice aria-label="{label}">'
    '<option value="">{all}</option><option value="{starred}">{with_star}</option>{groups}</select></label>'
)
_GROUP = Markup('<optgroup label="{}">{}</optgroup>')
_OPTION = Markup('<option value="{}" dir="auto">{}</option>')
_NOTE = Markup('<p class="collection-note{}" role="{}">{}</p>')
_COLLECTED = Markup('<span>{}</span> <button type="button" class="action" data-show="{}">{}</button>')
_BAR = Markup(
    '<section class="collection-bar" data-name="{name}" aria-labelledby="collection-name">'
    '<h3 id="collection-name"><bdi>{name}</bdi> <span class="collection-count">{count}</span></h3>'
    '<div class="collection-actions">{actions}</div>{notes}</section>'
)
_ACT = Markup('<button type="button" class="action" data-act="{}">{}</button>')
_COPY = Markup('<button type="button" class="action" data-copy="{}" data-copied="{}">{}</button>')
_LINK = Markup('<a class="action" href="{}" target="_blank" rel="noopener">{}</a>')
_SHOW = Markup('<a class="action" href="show?{}" target="_blank" rel="noopener">{}</a>')
_VOTE = Markup('<a class="action" href="vote/new?{}" target="_blank" rel="noopener">{}</a>')
_ZIP = Markup('<a class="action" href="dreamina/zip?{}" download>{}</a>')
_HINT = Markup('<p class="collection-hint">{}</p>')


def among_html(collections: Sequence[Collection], words: Words) -> Markup:
    """The list to choose from; a script sets what is chosen, so that the same list stays as it is."""
    options = Markup().join(_OPTION.format(one.collection_id, one.name) for one in collections)
    return _CHOICE.format(
        words=json.dumps({name: words.text(key) for name, key in _SCRIPT_TEXTS.items()}, ensure_ascii=False),
        most=NAME_MOST,
        label=words.say("among"),
        all=words.say("filter.all"),
        starred=STARRED,
        with_star=words.say("among.starred"),
        groups=_GROUP.format(words.say("collections"), options) if collections else "",
    )


def collection_html(one: Collection, jobs: Sequence[Job], words: Words) -> Markup:
    """The head of a collection with these jobs, in order."""
    files = [job.share_id for job in jobs if job.state is State.SUCCEEDED and not job.has_no_file]
    actions = _ACT.format("rename", words.say("collection.rename"))
    notes = Markup()
    if 0 < len(files) <= ZIPPED_MOST:
        videos = "&".join(f"video={share_id}" for share_id in files)
        actions += _SHOW.format(videos, words.say("show")) + _ZIP.format(videos, words.say("zip"))
        if 1 < len(files) <= CANDIDATES_MOST:
            actions += _VOTE.format(videos, words.say("vote"))
    elif files:
        notes += _HINT.format(words.say("collection.zip.limit", limit=ZIPPED_MOST))
    if one.link_id is None:
        actions += _ACT.format("share", words.say("collection.share"))
    else:
        address = f"{COLLECTION_ADDRESS}{one.link_id}"
        actions += _COPY.format(address, words.say("copied"), words.say("collection.copy"))
        actions += _LINK.format(address, words.say("collection.open"))
        actions += _ACT.format("withdraw", words.say("collection.withdraw"))
        notes += _HINT.format(words.say("collection.shared"))
    actions += _ACT.format("delete", words.say("collection.delete"))
    if len(jobs) > 1:
        notes += _HINT.format(words.say("collection.order"))
    count = words.say("collection.count", count=len(jobs))
    return _BAR.format(name=one.name, count=count, actions=actions, notes=notes)


def collected_html(one: Collection, count: int, words: Words) -> Markup:
    """What was put where, with a button that shows it."""
    said = words.say("collect.done", name=f"\u2068{one.name}\u2069", count=count)
    return note_html(_COLLECTED.format(said, one.collection_id, words.say("collect.show")))


def note_html(words: str | Markup, *, is_problem: bool = False) -> Markup:
    """A sentence about collections, which screen readers read aloud."""
    return _NOTE.format(" is-problem" if is_problem else "", "alert" if is_problem else "status", words)
