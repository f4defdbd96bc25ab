"""The history: this visitor's jobs as posters, newest first, to be searched, picked, compared and deleted."""

from collections.abc import Awaitable, Callable
from typing import Any

import gradio as gr
from markupsafe import Markup

from dreamina_ui.engine.engine import Engine
from dreamina_ui.errors import DreaminaError
from dreamina_ui.jobs import State
from dreamina_ui.storage.job_queries import RUNNING, Search
from dreamina_ui.ui.form import choice_label
from dreamina_ui.ui.html.history import Posters
from dreamina_ui.ui.translations import Fixed
from dreamina_ui.web.callers import Callers

__all__ = ["PAGE", "History"]

PAGE = 24
SCRIPT = "window.dreamina.connect('history', trigger)"
"""Run when the section appears; `assets/js/posters.js` and `selection.js` hold the rest."""


class History:
    """The section on the page, with its search, its filters and its pages."""

    def __init__(self, engine: Engine, callers: Callers, fixed: Fixed) -> None:
        self._engine = engine
        self._callers = callers
        self._posters = Posters(engine.card)
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
        # In the page, and not a `gr.State`, for which each page would hold a second stream open.
        self.offset = gr.Number(0, precision=0, visible="hidden", elem_id="history-offset", label="offset")
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
        return await self._after(self._engine.history.delete, words, state, ratio, frames, at, event, request)

    async def undo(
        self, words: str, state: str, ratio: str, frames: str, at: int, event: gr.EventData, request: gr.Request
    ) -> list[Any]:
        return await self._after(self._engine.history.restore, words, state, ratio, frames, at, event, request)

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
            await change(self._callers.visitor(request), _job_ids(event))
        except DreaminaError as error:
            return self._told(error, request)
        return await self.show(words, state, ratio, frames, at, request)

    async def show(self, words: str, state: str, ratio: str, frames: Any, at: int, request: gr.Request) -> list[Any]:
        """The page of what is found, in the order of `outputs`."""
        spoken = self._callers.words(request)
        search = Search(
            str(words or "")[:800], str(state or ""), str(ratio or ""), frames if isinstance(frames, int) else None
        )
        at = _whole(at)
        try:
            jobs, count = await self._engine.history.page(self._callers.visitor(request), PAGE, at, search)
        except DreaminaError as error:
            return self._told(error, request)
        first, last = max(at, 0) + 1, max(at, 0) + len(jobs)
        return [
            self._posters.html(jobs, spoken, searched=search != Search()),
            gr.update(visible=count > PAGE),
            Markup('<p class="place">{}</p>').format(spoken.say("page.place", first=first, last=last, count=count)),
            gr.update(interactive=first > 1),
            gr.update(interactive=last < count),
            first - 1,
        ]

    def _told(self, error: DreaminaError, request: gr.Request) -> list[Any]:
        """Why there is no history to be seen, in the order of `outputs`."""
        note = Markup('<p class="history-empty">{}</p>').format(self._callers.words(request).sentence(error))
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
