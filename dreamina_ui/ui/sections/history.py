"""The history: this visitor's jobs as posters, newest first, to search, select, compare and delete."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Self

import gradio as gr
from markupsafe import Markup

from dreamina_ui.engine.engine import Engine
from dreamina_ui.errors import CollectionNotFound, DreaminaError, InvalidInput
from dreamina_ui.jobs import Job, State
from dreamina_ui.storage.job_queries import RUNNING, Search, counted_most
from dreamina_ui.ui.form import choice_label
from dreamina_ui.ui.gradio_internals import kept_number, kept_text, value_in
from dreamina_ui.ui.html.collections import among_html, collected_html, collection_html, note_html
from dreamina_ui.ui.html.history import STARRED, Posters
from dreamina_ui.ui.translations import Fixed
from dreamina_ui.web.callers import Callers
from dreamina_ui.wording import Words

__all__ = ["PAGE", "Draws", "History", "Progress"]

PAGE = 24
SCRIPT = "window.dreamina.connect('history', trigger)"
"""Runs when the section is loaded; the behaviour is in `assets/js/posters.js` and `selection.js`."""
CHOICE_SCRIPT = "window.dreamina.connect('among', trigger)"
_TURN = "(at) => [{}, String(Math.random())]"
"""Where the page of the history begins, and a new value of `stale`."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Of jobs that are watched together: how many have ended, and of how many of these the posters are still to be made."""

    ended: int
    due: int

    @classmethod
    def of(cls, jobs: Sequence[Job]) -> Self:
        return cls(sum(job.ended for job in jobs), sum(job.poster_due for job in jobs))


class Draws:
    """When a history that is watched has to be drawn again: when a job ends, a little later where its poster comes soon."""

    def __init__(self) -> None:
        self._drawn: Progress | None = None
        self._told: Progress | None = None

    def now(self, progress: Progress, *, at_first: bool) -> bool:
        """Whether to draw for this message. Of the first one, the caller knows it: `at_first`."""
        is_first, comes_again = self._told is None, self._told == progress
        draws = at_first if is_first else progress != self._drawn and (not progress.due or comes_again)
        if draws or is_first:
            self._drawn = progress
        self._told = progress
        return draws


class History:
    """The search, the filters, the posters and the buttons for its pages."""

    def __init__(self, engine: Engine, callers: Callers, fixed: Fixed) -> None:
        self._engine = engine
        self._callers = callers
        self._posters = Posters(engine.models)
        all_option = (fixed.text("filter.all"), "")
        with gr.Column(visible=False) as self.section:
            self._build(fixed, all_option)
        self._newest: dict[str, object] = {}

    def _build(self, fixed: Fixed, all_option: tuple[Any, Any]) -> None:
        title = Markup('<h2 id="history-title">{}</h2>')
        gr.HTML(
            fixed.fragment("history.title", lambda words: title.format(words.say("history.title"))),
            elem_classes="section-title",
            js_on_load=None,
        )
        with gr.Row(elem_classes="filters", equal_height=True):
            self.words = gr.Textbox(
                label=fixed.text("search"), elem_id="history-search", max_lines=1, scale=2, min_width=180
            )
            states = [
                (fixed.text(f"state.{state}"), state) for state in (RUNNING, *map(str, State)) if state in _FILTERED
            ]
            self.state = gr.Dropdown(
                [all_option, *states], value="", label=fixed.text("filter.state"), scale=1, min_width=120
            )
            self.ratio = self._choices("aspect_ratio", all_option, fixed)
            self.frames = self._choices("frames", all_option, fixed)
            models = [(card.title, card.model_id) for card in self._engine.models]
            self.model = gr.Dropdown(
                [all_option, *models], value="", label=fixed.text("field.model"), scale=1, min_width=120,
                visible=len(models) > 1,
            )  # fmt: skip
            # A list of ours: the choices of Gradio's are fixed.
            self.choice = gr.HTML("", elem_id="among", js_on_load=CHOICE_SCRIPT, scale=1, min_width=120)
        self.note = gr.HTML("", elem_id="collection-note", js_on_load=None)
        self.collection = gr.HTML("", elem_id="collection", js_on_load=None)
        self.list = gr.HTML("", elem_id="history", js_on_load=SCRIPT, elem_classes="history")
        # Not a `gr.State`, for which each page would need a second stream.
        self.offset = kept_number("history-offset")
        self.stale = kept_text("history-stale")
        # What is shown: all, what has a star, or the id of a collection.
        self.among = kept_text("history-among")
        # The ids and versions of the jobs that were drawn without the posters that they are going to have, if no other event of
        # the page draws them then.
        self.due = kept_text("history-due")
        with gr.Row(elem_classes="pages", visible=False) as self.pages:
            self.newer = gr.Button(fixed.text("page.previous"), elem_id="newer", size="sm")
            self.place = gr.HTML("", elem_id="page-place", js_on_load=None)
            self.older = gr.Button(fixed.text("page.next"), elem_id="older", size="sm")

    @property
    def inputs(self) -> list[Any]:
        return [self.words, self.state, self.ratio, self.frames, self.model, self.among, self.offset]

    @property
    def outputs(self) -> list[Any]:
        drawn = [self.list, self.pages, self.place, self.newer, self.older, self.due]
        return [*drawn, self.choice, self.collection, self.among]

    def connect(self, quiet: dict[str, Any]) -> None:
        # Whatever changes the history or the search changes `stale`, and that alone draws: one answer after the other, each
        # with the search as it is then, so that no late answer replaces a newer one.
        self.stale.change(self.show, inputs=self.inputs, outputs=self.outputs, trigger_mode="always_last", **quiet)
        filters = (self.state, self.ratio, self.frames, self.model)
        anew = [self.words.submit, self.list.input, *(each.change for each in filters)]
        gr.on(anew, None, outputs=[self.offset, self.stale], js=_TURN.format("0"), **quiet)
        for button, place in ((self.newer, f"Math.max(0, at - {PAGE})"), (self.older, f"at + {PAGE}")):
            button.click(None, inputs=self.offset, outputs=[self.offset, self.stale], js=_TURN.format(place), **quiet)
        self.due.change(
            self.wait_for_posters, inputs=self.due, outputs=self.stale, concurrency_limit=None, trigger_mode="multiple",
            **quiet,
        )  # fmt: skip
        self.list.delete(self.delete, outputs=[self.list, self.stale], **quiet)
        self.list.undo(self.undo, outputs=[self.list, self.stale], **quiet)
        self.choice.select(self.choose, outputs=[self.among, self.offset, self.note, self.stale], **quiet)
        # Each of them counts, also while the one before is under way.
        every: dict[str, Any] = {"trigger_mode": "multiple", "concurrency_limit": None, **quiet}
        self.list.like(self.star_video, outputs=[self.note, self.stale], **every)
        self.list.apply(self.act, inputs=self.among, outputs=[self.note, self.among, self.offset, self.stale], **every)

    def refreshed(self, *, from_newest: bool = False) -> dict[Any, Any]:
        """The update that makes the page request the history again, with the search as it is then."""
        return {self.stale: secrets.token_hex(8), **({self.offset: 0} if from_newest else {})}

    async def delete(self, event: gr.EventData, request: gr.Request) -> dict[Any, Any]:
        return await self._change(self._engine.history.delete, event, request)

    async def undo(self, event: gr.EventData, request: gr.Request) -> dict[Any, Any]:
        return await self._change(self._engine.history.restore, event, request)

    async def _change(
        self, change: Callable[[str, list[str]], Awaitable[int]], event: gr.EventData, request: gr.Request
    ) -> dict[Any, Any]:
        try:
            await change(self._callers.visitor(request), _job_ids(event))
        except DreaminaError as error:
            return {self.list: self._error_note(error, request)}
        return self.refreshed()

    async def show(
        self, words: str, state: str, ratio: str, frames: Any, model: str, among: str, at: int, request: gr.Request
    ) -> list[Any]:
        """One page of the jobs that match, in the order of `outputs`."""
        texts, among = self._callers.words(request), str(among or "")[:100]
        in_collection = among not in ("", STARRED)
        search = Search(
            str(words or "")[:800],
            str(state or ""),
            str(ratio or ""),
            frames if isinstance(frames, int) else None,
            str(model or "")[:200],
            starred=among == STARRED,
            collection_id=among if in_collection else "",
        )
        at = _offset(at)
        visitor_id = self._callers.visitor(request)
        page, this = f"{visitor_id} {request.session_hash}", object()
        self._newest[page] = this
        try:
            collections = await self._engine.collections.listed(visitor_id)
            chosen = await self._chosen(visitor_id, among, texts) if in_collection else Markup()
            jobs, count = await self._engine.history.page(visitor_id, PAGE, at, search)
            # The shelf's button is in sight wherever this choice is.
            has_shelf = not jobs and await self._engine.shelf.has_any(visitor_id)
        except CollectionNotFound:  # deleted meanwhile, in another tab
            return await self.show(words, state, ratio, frames, model, "", 0, request)
        except DreaminaError as error:
            return [self._error_note(error, request), *(gr.skip() for _ in self.outputs[1:])]
        finally:
            is_newest = self._newest.get(page) is this
            if is_newest:
                del self._newest[page]
        if not is_newest:  # the page has asked again since
            return [gr.skip() for _ in self.outputs]
        first, last, most = max(at, 0) + 1, max(at, 0) + len(jobs), counted_most(max(at, 0) + PAGE)
        place = {"first": first, "last": last, "count": min(count, most)}
        return [
            self._posters.html(jobs, texts, searched=replace(search, collection_id="") != Search(), among=among),
            gr.update(visible=count > PAGE),
            Markup('<p class="place">{}</p>').format(
                texts.say("page.place.more" if count > most else "page.place", **place)
            ),
            gr.update(interactive=first > 1),
            gr.update(interactive=last < count),
            self._due(jobs, request),
            # In sight from the first video on.
            among_html(collections, texts)
            if collections or any(job.state is State.SUCCEEDED for job in jobs) or has_shelf
            else ""
            if search == Search() and at <= 0
            else gr.skip(),
            chosen,
            among,
        ]

    def _due(self, jobs: Sequence[Job], request: gr.Request) -> Any:
        """The value of `due` for these jobs; it stays as it is where there are none, so that nothing is asked for."""
        on_stage, batch_id = (self._callers.relayed(request, place) for place in ("stage", "batch"))
        clicks = {job.click_id for job in jobs if job.job_id == on_stage and job.batch_id is None} - {None}
        watched = {job.job_id for job in jobs if job.job_id == on_stage or job.click_id in clicks}
        watched |= {job.job_id for job in jobs if batch_id and job.batch_id == batch_id}
        due = [f"{job.job_id}/{job.version}" for job in jobs if job.poster_due and job.job_id not in watched]
        return " ".join(due) or gr.skip()

    async def _chosen(self, visitor_id: str, collection_id: str, words: Words) -> Markup:
        """The collection that is shown, with what can be done with all of it. Raises `CollectionNotFound`."""
        jobs = await self._engine.collections.jobs(visitor_id, collection_id)
        return collection_html(await self._engine.collections.get(visitor_id, collection_id), jobs, words)

    async def choose(self, event: gr.EventData) -> dict[Any, Any]:
        """Show what a script's event names: all, what has a star, or a collection."""
        among = value_in(event, "among")
        return {self.among: among if isinstance(among, str) else "", self.note: "", **self.refreshed(from_newest=True)}

    async def star_video(self, event: gr.EventData, request: gr.Request) -> dict[Any, Any]:
        """Give the job of a script's event a star, or take it away."""
        job_id, starred = value_in(event, "job_id"), value_in(event, "starred") is True
        try:
            job_id = job_id if isinstance(job_id, str) else ""
            await self._engine.star(self._callers.visitor(request), job_id, starred=starred)
        except DreaminaError as error:
            return {self.note: self._note(error, request), **self.refreshed()}
        return self.refreshed()

    async def act(self, among: str, event: gr.EventData, request: gr.Request) -> dict[Any, Any]:
        """What a script's event asks for about collections."""
        visitor_id, words, job_ids = self._callers.visitor(request), self._callers.words(request), _job_ids(event)
        change, name = self._engine.collections, value_in(event, "name")
        done, note, update = value_in(event, "do"), Markup(), self.refreshed()
        try:
            if done == "collect":
                one = await change.collect(visitor_id, name, job_ids)
                count = (await change.counts(visitor_id)).get(one.collection_id, 0)
                note = collected_html(one, count, words)
            elif done == "rename":
                await change.rename(visitor_id, among, name)
            elif done == "take_out":
                await change.remove(visitor_id, among, job_ids)
            elif done == "order":
                await change.order(visitor_id, among, job_ids, value_in(event, "before"))
            elif done == "step":
                by = value_in(event, "by")
                await change.step(visitor_id, among, job_ids, by if isinstance(by, int) else 0)
            elif done == "share":
                await change.share(visitor_id, among)
            elif done == "withdraw":
                await change.withdraw(visitor_id, among)
                note = note_html(words.say("collection.withdrawn"))
            elif done == "delete":
                await change.delete(visitor_id, among)
                update |= {self.among: "", self.offset: 0}
        except DreaminaError as error:
            note = self._note(error, request)
        return {self.note: note, **update}

    def _note(self, error: DreaminaError, request: gr.Request) -> Markup:
        words = self._callers.words(request)
        if isinstance(error, InvalidInput):
            return note_html(words.field_problem(error, words.say("collection.name")), is_problem=True)
        return note_html(words.sentence(error), is_problem=True)

    async def wait_for_posters(self, due: str, request: gr.Request) -> AsyncIterator[dict[Any, Any]]:
        """Draw again when posters are there that were missing: also those of jobs that the page does not watch."""
        async for update in self._callers.latest_only(request, self._when_pictured(due, request), "posters"):
            yield update

    async def _when_pictured(self, due: str, request: gr.Request) -> AsyncIterator[dict[Any, Any]]:
        job_ids = [each.partition("/")[0] for each in str(due or "").split()[:PAGE]]
        if job_ids:
            with suppress(DreaminaError):  # deleted meanwhile: what deletes draws
                await self._engine.settled(self._callers.visitor(request), job_ids)
                yield self.refreshed()

    def _error_note(self, error: DreaminaError, request: gr.Request) -> Markup:
        """The error instead of the posters."""
        return Markup('<p class="history-empty">{}</p>').format(self._callers.words(request).sentence(error))

    def _choices(self, name: str, all_option: tuple[Any, Any], fixed: Fixed) -> gr.Dropdown:
        """A filter by a field with choices, of all models; hidden if none has such a field."""
        choices: dict[Any, tuple[str, Any]] = {}
        for card in self._engine.models:
            if field := card.field(name):
                for choice in field.choices:
                    choices.setdefault(choice, (choice_label(card, field, choice), choice))
        return gr.Dropdown(
            [all_option, *choices.values()],
            value="",
            label=fixed.text(f"filter.{name}"),
            scale=1,
            min_width=120,
            visible=bool(choices),
        )


_FILTERED = {RUNNING, *(str(state) for state in (State.SUCCEEDED, State.FAILED, State.CANCELLED, State.UNCERTAIN))}


def _job_ids(event: gr.EventData) -> list[str]:
    """The job ids in a script's event; the engine checks whether they belong to the visitor."""
    named = value_in(event, "job_ids")
    return [job_id for job_id in named[:100] if isinstance(job_id, str)] if isinstance(named, list) else []


def _offset(at: object) -> int:
    """The offset, or 0: a program can send any value to an event."""
    return at if isinstance(at, int) else 0
