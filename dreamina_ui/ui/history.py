"""The history: this visitor's jobs as posters, newest first, to be searched, picked, compared and deleted."""

import json
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr
from markupsafe import Markup, escape

from dreamina_ui.archive import RUNNING, Search
from dreamina_ui.engine import Engine
from dreamina_ui.errors import DreaminaError
from dreamina_ui.jobs import Job, State
from dreamina_ui.model_card import Card
from dreamina_ui.records import file_name
from dreamina_ui.ui.asking import Asking
from dreamina_ui.ui.fixed import Fixed
from dreamina_ui.ui.form import choice_label
from dreamina_ui.ui.wording import Words

__all__ = ["PAGE", "History", "history_html"]

PAGE = 24
SHOWN_MOST, SPOKEN_MOST = 160, 80
"""Characters of a prompt on and beside its poster: a page of long prompts in full would weigh more than all the rest."""
SCRIPT = "window.dreamina.history(element, trigger)"
"""Run when the section appears; `assets/history.js` holds the rest."""

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


def history_html(jobs: Sequence[Job], card: Card, folder: Path, words: Words, *, searched: bool = False) -> Markup:
    """`folder` holds the videos and posters; `searched` tells an empty history from an empty search."""
    if jobs:
        posters = Markup('<ul class="posters">{}</ul>').format(
            Markup().join(_item(job, card, folder, words) for job in jobs)
        )
    else:
        key = "history.nothing_found" if searched else "history.empty"
        posters = Markup('<p class="history-empty">{}</p>').format(words.say(key))
    return _ROOT.format(
        words=json.dumps({name: words.text(key) for name, key in _SAID.items()}, ensure_ascii=False),
        posters=posters,
        **{name: words.say(name) for name in ("compare", "zip", "delete", "unpick", "undo")},
    )


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


class History:
    """The section on the page, with its search, its filters and its pages."""

    def __init__(self, engine: Engine, asking: Asking, fixed: Fixed) -> None:
        self._engine = engine
        self._asking = asking
        everything = (fixed.text("filter.all"), "")
        title = Markup('<h2 id="history-title">{}</h2>')
        gr.HTML(
            fixed.fragment("history.title", lambda words: title.format(words.say("history.title"))),
            elem_classes="section-title",
        )
        with gr.Row(elem_classes="filters", equal_height=True):
            self.words = gr.Textbox(label=fixed.text("search"), elem_id="history-search", scale=4, min_width=180)
            states = [
                (fixed.text(f"state.{state}"), state) for state in (RUNNING, *map(str, State)) if state in _FILTERED
            ]
            self.state = gr.Dropdown(
                [everything, *states], value="", label=fixed.text("filter.state"), scale=1, min_width=120
            )
            self.ratio = self._choices("aspect_ratio", everything, fixed)
            self.frames = self._choices("frames", everything, fixed)
        self.list = gr.HTML("", elem_id="history", js_on_load=SCRIPT, elem_classes="history")
        self.offset = gr.State(0)
        with gr.Row(elem_classes="pages", visible=False) as self.pages:
            self.newer = gr.Button(fixed.text("page.previous"), elem_id="newer", size="sm")
            self.place = gr.HTML("", elem_id="page-place")
            self.older = gr.Button(fixed.text("page.next"), elem_id="older", size="sm")

    @property
    def inputs(self) -> list[Any]:
        return [self.words, self.state, self.ratio, self.frames, self.offset]

    @property
    def outputs(self) -> list[Any]:
        return [self.list, self.pages, self.place, self.newer, self.older, self.offset]

    def connect(self, quiet: dict[str, Any]) -> None:
        gr.on(
            [self.words.submit, self.words.blur, self.state.change, self.ratio.change, self.frames.change],
            self.search,
            inputs=self.inputs,
            outputs=self.outputs,
            **quiet,
        )
        self.newer.click(self.turn_newer, inputs=self.inputs, outputs=self.outputs, **quiet)
        self.older.click(self.turn_older, inputs=self.inputs, outputs=self.outputs, **quiet)
        self.list.delete(self.delete, inputs=self.inputs, outputs=self.outputs, **quiet)
        self.list.undo(self.undo, inputs=self.inputs, outputs=self.outputs, **quiet)

    async def search(self, words: str, state: str, ratio: str, frames: str, _: int, request: gr.Request) -> list[Any]:
        """A new search begins at the newest."""
        return await self.show(words, state, ratio, frames, 0, request)

    async def turn_newer(
        self, words: str, state: str, ratio: str, frames: str, at: int, request: gr.Request
    ) -> list[Any]:
        return await self.show(words, state, ratio, frames, _whole(at) - PAGE, request)

    async def turn_older(
        self, words: str, state: str, ratio: str, frames: str, at: int, request: gr.Request
    ) -> list[Any]:
        return await self.show(words, state, ratio, frames, _whole(at) + PAGE, request)

    async def delete(
        self, words: str, state: str, ratio: str, frames: str, at: int, event: gr.EventData, request: gr.Request
    ) -> list[Any]:
        return await self._after(self._engine.delete, words, state, ratio, frames, at, event, request)

    async def undo(
        self, words: str, state: str, ratio: str, frames: str, at: int, event: gr.EventData, request: gr.Request
    ) -> list[Any]:
        return await self._after(self._engine.restore, words, state, ratio, frames, at, event, request)

    async def _after(
        self,
        change: Callable[[str, list[str]], Awaitable[int]],
        words: str,
        state: str,
        ratio: str,
        frames: str,
        at: int,
        event: gr.EventData,
        request: gr.Request,
    ) -> list[Any]:
        try:
            await change(self._asking.visitor(request), _job_ids(event))
        except DreaminaError as error:
            return self._told(error, request)
        return await self.show(words, state, ratio, frames, at, request)

    async def show(self, words: str, state: str, ratio: str, frames: Any, at: int, request: gr.Request) -> list[Any]:
        """The page of what is found, in the order of `outputs`."""
        spoken = self._asking.words(request)
        search = Search(
            str(words or "")[:800], str(state or ""), str(ratio or ""), frames if isinstance(frames, int) else None
        )
        at = _whole(at)
        try:
            jobs, count = await self._engine.history(self._asking.visitor(request), PAGE, at, search)
        except DreaminaError as error:
            return self._told(error, request)
        first, last = max(at, 0) + 1, max(at, 0) + len(jobs)
        folder, searched = self._engine.library.folder, search != Search()
        return [
            history_html(jobs, self._engine.card, folder, spoken, searched=searched),
            gr.update(visible=count > PAGE),
            Markup('<p class="place">{}</p>').format(spoken.say("page.place", first=first, last=last, count=count)),
            gr.update(interactive=first > 1),
            gr.update(interactive=last < count),
            first - 1,
        ]

    def _told(self, error: DreaminaError, request: gr.Request) -> list[Any]:
        """Why there is no history to be seen, in the order of `outputs`."""
        note = Markup('<p class="history-empty">{}</p>').format(self._asking.words(request).sentence(error))
        return [note, *(gr.skip() for _ in self.outputs[1:])]

    def _choices(self, name: str, everything: tuple[Any, Any], fixed: Fixed) -> gr.Dropdown:
        """A filter by a field of choices; without such a field in the card, one that is not shown."""
        field = self._engine.card.field(name)
        choices = (
            [(choice_label(self._engine.card, field, choice), choice) for choice in field.choices] if field else []
        )
        return gr.Dropdown(
            [everything, *choices],
            value="",
            label=fixed.text(f"filter.{name}"),
            scale=1,
            min_width=120,
            visible=bool(choices),
        )


_FILTERED = {RUNNING, *(str(state) for state in (State.SUCCEEDED, State.FAILED, State.CANCELLED, State.UNCERTAIN))}


def _job_ids(event: gr.EventData) -> list[str]:
    """The jobs a script named; whether they are the visitor's is for the engine to say."""
    data = event._data if isinstance(event._data, dict) else {}
    named = data.get("job_ids")
    return [job_id for job_id in named[:100] if isinstance(job_id, str)] if isinstance(named, list) else []


def _whole(at: object) -> int:
    """An offset; every event is open to programs, which can send what they like."""
    return at if isinstance(at, int) else 0
