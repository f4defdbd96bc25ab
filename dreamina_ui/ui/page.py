"""The page: its sections, and the events that connect them."""

import json
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import gradio as gr
from markupsafe import Markup

from dreamina_ui.api.endpoints import add_endpoints
from dreamina_ui.engine.engine import Engine
from dreamina_ui.errors import DreaminaError, JobNotFound
from dreamina_ui.jobs import Job, State
from dreamina_ui.ui.drafts import keep_draft
from dreamina_ui.ui.forms import model_picker
from dreamina_ui.ui.gradio_internals import StudioBlocks, value_in
from dreamina_ui.ui.html.connection import connection_html
from dreamina_ui.ui.html.header import brand_html, header_html
from dreamina_ui.ui.html.keyboard import keys_html
from dreamina_ui.ui.html.stage import problem_html
from dreamina_ui.ui.prompting import EXAMPLES, EXAMPLES_SCRIPT, examples_html
from dreamina_ui.ui.sections.account import Account, AllowanceOf
from dreamina_ui.ui.sections.batch import Batch
from dreamina_ui.ui.sections.compose import Compose
from dreamina_ui.ui.sections.history import Draws, History
from dreamina_ui.ui.sections.media import media_words_html
from dreamina_ui.ui.sections.shelf import ShelfDialog
from dreamina_ui.ui.sections.stage import CALM_SCRIPT, Stage, Update
from dreamina_ui.ui.translations import Fixed
from dreamina_ui.web.callers import Callers

__all__ = ["Page", "build_page"]

NEW_S = 5.0
"""Seconds: a younger job is not in the history of the page yet, nor in the number of videos left."""
LONGEST_S = 86_400.0
JUST_ENDED_S = 60.0
"""Seconds: a job that ended later may have ended while the page did not watch it, so the history shows its old state."""


class Page:
    """The sections, and the events between them."""

    def __init__(
        self,
        engine: Engine,
        callers: Callers,
        fixed: Fixed,
        left: AllowanceOf | None,
        *,
        login: bool,
    ) -> None:
        self._engine = engine
        self.callers = callers
        with gr.Row(elem_classes="top", equal_height=False):
            gr.HTML(brand_html(engine.models), elem_classes="header", js_on_load=None)
            picker = model_picker(engine.models, fixed)
            gr.HTML(
                fixed.fragment("header", partial(header_html, engine.backend)), elem_classes="header", js_on_load=None
            )
        self.account = Account(engine, callers, fixed, left, login=login)
        with gr.Tabs(elem_id="tabs") as self.tabs:
            with gr.Tab(fixed.text("tab.video"), id="video"):
                with gr.Row(elem_classes="studio", equal_height=False):
                    with gr.Column(scale=5, min_width=280, elem_classes="compose"):
                        self.compose = Compose(engine, callers, fixed, picker)
                    with gr.Column(scale=8, min_width=280, elem_classes="stage"):
                        self.stage = Stage(engine, callers, fixed)
                self.examples = self._build_examples(fixed)
            with gr.Tab(fixed.text("tab.batch"), id="batch"):
                self.batch = Batch(engine, callers, fixed, picker)
        self.shelf = ShelfDialog(engine, callers, self.compose, self.batch)
        self.history = History(engine, callers, fixed)
        self.words = gr.HTML(
            fixed.fragment("words", lambda words: keys_html(words) + connection_html(words) + media_words_html(words)),
            visible=False,
            elem_id="keys",
            js_on_load=None,
        )

    def _build_examples(self, fixed: Fixed) -> gr.HTML:
        card = self._engine.card
        self._fitting = fitting = [
            name for name, example in EXAMPLES.items() if all(card.field(field) for field in example)
        ]
        return gr.HTML(
            fixed.fragment("examples", lambda words: examples_html(words, fitting)),
            elem_id="examples",
            js_on_load=EXAMPLES_SCRIPT,
            visible=False,
        )

    def connect(self, blocks: StudioBlocks) -> None:
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        compose, stage, history, batch = self.compose, self.stage, self.history, self.batch
        account = self.account
        account.connect(quiet)
        batch.connect(quiet)
        compose.connect(quiet)
        stage.connect(quiet)
        history.connect(quiet)
        self.shelf.connect(quiet)
        drafted = {**compose.forms.drafted, "continues": compose.continues}
        blocks.tell_browser("forms", compose.forms.facts)
        keep_draft(blocks, "form", drafted, compose.accepted, compose.restored)
        in_batch = {str(each.elem_id): each for each in batch.drafted}
        keep_draft(blocks, "batch", in_batch, batch.accepted, batch.restored, batch.changed)
        examples = [self.examples] if self._fitting else []
        # Not needed for the first click: they are made when the form has been drawn.
        blocks.show_later([*compose.later, *stage.later, *examples, history.section, account.section, self.words])
        self._connect_opening(blocks, quiet)
        self._connect_clicks(quiet)
        self._connect_watching(quiet)
        self._connect_stage(quiet)

    def _connect_opening(self, blocks: StudioBlocks, quiet: dict[str, Any]) -> None:
        compose, stage, history, batch, account = self.compose, self.stage, self.history, self.batch, self.account
        blocks.load(None, outputs=stage.player, js=CALM_SCRIPT, **quiet)
        if compose.has_prices_of_models:
            priced: dict[str, Any] = {"outputs": compose.forms.labels, **quiet}
            blocks.load(compose.show_prices_of_models, **priced)
            # With a key that a visitor has brought, the service can be asked.
            account.key_saved.then(compose.show_prices_of_models, **priced)
        blocks.load(
            self.open,
            inputs=stage.opening,
            js="window.dreamina.opening",
            outputs=[
                stage.current,
                batch.board.current,
                compose.price,
                compose.known,
                *account.outputs,
                *history.outputs,
                *compose.forms.outputs,
                *compose.messages,
                *stage.outputs,
            ],
            **quiet,
        )

    def _connect_clicks(self, quiet: dict[str, Any]) -> None:
        """What makes or cancels jobs, and what fills the form or the batch for that."""
        compose, stage, batch = self.compose, self.stage, self.batch
        compose.generate.click(
            self.start,
            inputs=compose.start_inputs,
            outputs=[stage.current, compose.accepted, *compose.messages, *compose.price_outputs],
            js="window.dreamina.withClickId",
            trigger_mode="once",
            **quiet,
        )
        compose.to_batch.click(
            self.take_to_batch, inputs=compose.price_inputs, outputs=[*batch.filled, self.tabs], **quiet
        )
        compose.cancel.click(self.cancel_job, inputs=stage.current, outputs=[stage.status, compose.cancel], **quiet)
        self.examples.select(
            self.fill_from_example, inputs=compose.forms.picker, outputs=compose.forms.outputs, **quiet
        )

    def _connect_watching(self, quiet: dict[str, Any]) -> None:
        """Which job and which batch are shown, and what changes while they are watched."""
        compose, stage, history, batch, account = self.compose, self.stage, self.history, self.batch, self.account
        for chosen in (history.list.select, batch.board.table.select):
            chosen(self.show_on_stage, outputs=[stage.current, self.tabs], **quiet)
        batch.board.current.change(
            self.watch_batch,
            inputs=batch.board.current,
            outputs=[*batch.board.outputs, history.stale, account.balance_due],
            concurrency_limit=None,
            trigger_mode="multiple",
            **quiet,
        )
        gr.on(
            [stage.current.change, stage.again_for.change],
            self.watch,
            inputs=[stage.current, compose.known],
            outputs=[
                *stage.outputs,
                compose.generate,
                compose.cancel,
                history.offset,
                history.stale,
                compose.learned,
                *account.outputs,
            ],
            concurrency_limit=None,
            trigger_mode="multiple",
            **quiet,
        )

    def _connect_stage(self, quiet: dict[str, Any]) -> None:
        """The buttons below the video."""
        compose, stage, history = self.compose, self.stage, self.history
        stage.reuse.click(self.reuse, inputs=stage.current, outputs=compose.filled, **quiet)
        stage.new_seed.click(self.reuse_with_new_seed, inputs=stage.current, outputs=compose.filled, **quiet)
        if pictures := compose.forms.pictures:
            stage.use_frame.click(
                self.use_frame,
                inputs=[stage.current, stage.stands_at, compose.forms.picker, *pictures.values()],
                outputs=[*compose.filled, *compose.forms.picture_messages],
                js="window.dreamina.standsAt",
                **quiet,
            )
            went_on = stage.go_on.click(
                self.go_on,
                inputs=[stage.current, stage.stands_at, compose.forms.picker],
                outputs=[*compose.filled, *compose.forms.picture_messages],
                js="window.dreamina.pausedAt",
                **quiet,
            )
            went_on.success(None, js="() => window.dreamina.showForm()", **quiet)
        stage.delete.click(
            self.delete,
            inputs=stage.current,
            outputs=[stage.current, history.stale],
            js="window.dreamina.deleting",
            **quiet,
        )

    async def open(self, opening: str, request: gr.Request) -> Update:
        """Show the latest running job, or else the newest video that was not seen yet; a link may fill the form,
        or show a shared video.

        `opening` is JSON from the browser: the jobs whose end was `seen` (null if the browser stores no list), whether it
        `has_draft`, which then is newer than the link's settings, and whether the form is `restored`: then it does not hold its
        defaults, and the page asks for the price of what it holds.
        """
        self._engine.look_at_cards(False)
        facts = _parsed(opening)
        words, query = self.callers.words(request), dict(request.query_params)
        shown = await self.history.show("", "", "", "", "", "", 0, request)
        update: Update = dict(zip(self.history.outputs, shown, strict=True))
        update |= dict(zip(self.account.outputs, await self.account.show(request), strict=True))
        card = self._engine.card
        defaults = {field.name: field.default for field in card.fields}
        visitor_id = self.callers.visitor(request)
        if not facts.get("restored"):
            update |= await self.compose.price_update(visitor_id, card, defaults, words)
        if not facts.get("has_draft"):
            update |= self.compose.fill_from_link(query, words)
        update |= self.compose.show_visitor_problem(request)
        if share_id := query.get("video", ""):
            try:
                return update | await self.stage.show_shared(share_id, words, self.callers.zone(request))
            except JobNotFound as error:
                return update | self.stage.show_error(error, words)
        latest, seen = await self._engine.history.latest(visitor_id), facts.get("seen")
        if latest.batch:
            update[self.batch.board.current] = latest.batch
        if latest.running:
            update[self.stage.current] = latest.running
        elif latest.video and isinstance(seen, list) and latest.video not in seen:
            update[self.stage.current] = latest.video
        return update

    async def start(self, request: gr.Request, *values: Any) -> Update:
        job, update = await self.compose.submit(request, values)
        return update if job is None else {**update, self.stage.current: job.job_id}

    async def take_to_batch(self, request: gr.Request, *values: Any) -> Update:
        """Show the form's settings as a batch: one prompt with its alternatives."""
        asked = await self.compose.asked(request, values)
        filled = self.batch.fill(asked.form.card, asked.values, asked.variations)
        return {**filled, self.tabs: gr.update(selected="batch")}

    async def watch(self, job_id: str, request: gr.Request, known: str = "") -> AsyncIterator[Update]:
        """Relay each change of the job on the stage, until it ends or another one is shown.

        `known` is what the price in the form was told by.
        """
        # What was watched before may still wait for its poster, for which nobody draws the history any more.
        draws_at_first = bool(self.callers.relayed(request))
        updates = self._updates(job_id, request, known, draws_at_first=draws_at_first)
        async for update in self.callers.latest_only(request, updates, name=job_id):
            yield update

    async def _updates(
        self, job_id: str, request: gr.Request, known: str, *, draws_at_first: bool
    ) -> AsyncIterator[Update]:
        """The history is updated for a new job, and whenever a job of the click ends or gets its poster."""
        words, is_resent = self.callers.words(request), self.callers.is_resent(request)
        now = self.callers.now()
        if not job_id:
            yield self.stage.empty(words) | self._buttons(None)
            return
        try:
            draws, is_first = Draws(), True
            async for update, job, progress in self.stage.watch(job_id, request):
                is_new = is_first and now - job.created_at < NEW_S
                just_ended = is_resent or now - (job.finished_at or 0.0) < JUST_ENDED_S
                if draws.now(progress, at_first=is_new or just_ended or draws_at_first):
                    update |= self.history.refreshed(from_newest=is_new)
                if is_new:
                    update |= dict(zip(self.account.outputs, await self.account.show(request), strict=True))
                if job.ended and not is_first:
                    update |= self.account.balance_changed(job.job_id, request)
                    # What such a video costs and takes may be known now.
                    update |= await self.compose.learned_update(job, known, self.callers.visitor(request), words)
                is_first = False
                yield update | self._buttons(job)
        except DreaminaError as error:
            yield self.stage.show_error(error, words) | self._buttons(None)

    async def watch_batch(self, batch_id: str, request: gr.Request) -> AsyncIterator[Update]:
        """Relay each change in the batch's table, until all its jobs have ended or another batch is shown."""
        updates = self._updates_of_batch(batch_id, request)
        async for update in self.callers.latest_only(request, updates, "batch", name=batch_id):
            yield update

    async def _updates_of_batch(self, batch_id: str, request: gr.Request) -> AsyncIterator[Update]:
        """The history is updated when one of the jobs ends or gets its poster."""
        if not batch_id:
            return
        draws, ended = Draws(), None
        async for update, progress in self.batch.board.watch(batch_id, request):
            if draws.now(progress, at_first=True):
                update |= self.history.refreshed()
            if ended is not None and progress.ended != ended:
                update |= self.account.balance_changed(f"{batch_id} {progress.ended}", request)
            ended = progress.ended
            yield update

    async def show_on_stage(self, event: gr.EventData) -> Update:
        """Show the job of a script's event, and open the tab with the stage."""
        return {self.stage.current: await self.stage.choose(event), self.tabs: gr.update(selected="video")}

    async def cancel_job(self, job_id: str, request: gr.Request) -> tuple[Any, Any]:
        """Cancel the job and show only an error: `watch` shows the effect."""
        try:
            job = await self._engine.cancel(self.callers.visitor(request), job_id)
        except DreaminaError as error:
            return Markup('<p class="note">{}</p>').format(self.callers.words(request).sentence(error)), gr.skip()
        return gr.skip(), gr.update(visible=job.can_cancel)

    async def reuse(self, job_id: str, request: gr.Request) -> Update:
        return await self.compose.fill_from_job(job_id, request)

    async def reuse_with_new_seed(self, job_id: str, request: gr.Request) -> Update:
        """Fill the form with the job's settings and the default seed."""
        return await self.compose.fill_from_job(job_id, request, new_seed=True)

    async def use_frame(self, request: gr.Request, job_id: str, at_s: str, model_id: str, *contents: Any) -> Update:
        """Put the frame that the player shows into the form, as the picture that a video begins with.

        It is the picked model's form, if that takes a picture; else the first that does, with the video's prompt.
        """
        visitor_id, forms = self.callers.visitor(request), self.compose.forms
        form, update = forms.of(model_id), Update()
        try:
            job = await self._engine.job(visitor_id, job_id)
            if form.picture is None:
                form = next(each for each in forms.all if each.picture)
                update = self.compose.fill({"prompt": job.prompt}, form.card.model_id)
            field = form.picture
            assert field is not None
            content = dict(zip(forms.pictures, contents, strict=True))[form.card.model_id]
            frame = self._engine.frame(visitor_id, job, _seconds(at_s), field, address=self.callers.address(request))
            return update | await self.compose.put_file(form, field, content, request, frame)
        except DreaminaError as error:
            return {self.compose.refusal: problem_html(self.callers.words(request).sentence(error))}

    async def go_on(self, request: gr.Request, job_id: str, at_s: str, model_id: str) -> Update:
        """Fill the form for a video that continues the one on the stage: from its end, or where the player is paused."""
        try:
            visitor_id = self.callers.visitor(request)
            at = _seconds(at_s) if at_s else None
            return await self.compose.go_on(visitor_id, job_id, at, model_id, request)
        except DreaminaError as error:
            return {self.compose.refusal: problem_html(self.callers.words(request).sentence(error))}

    async def delete(self, job_id: str, request: gr.Request) -> Update:
        """Delete the job on the stage; it can be restored."""
        await self._engine.history.delete(self.callers.visitor(request), [job_id])
        return {self.stage.current: "", **self.history.refreshed()}

    async def fill_from_example(self, model_id: str, event: gr.EventData) -> Update:
        """Fill the form with an example, as far as its model has such fields; nothing is sent."""
        return self.compose.fill(EXAMPLES.get(str(value_in(event, "name")), {}), model_id)

    def _buttons(self, job: Job | None) -> Update:
        is_being_sent = job is not None and job.state in (State.WAITING, State.SUBMITTING)
        return {
            self.compose.generate: gr.update(interactive=not is_being_sent),
            self.compose.cancel: gr.update(visible=job is not None and job.can_cancel),
        }


def build_page(
    engine: Engine,
    callers: Callers,
    left: AllowanceOf | None = None,
    *,
    login: bool = False,
) -> tuple[StudioBlocks, gr.I18n]:
    """The app as Gradio blocks, with the page's private events and the public endpoints; and its fixed texts.

    `left` returns a visitor's allowance. With `login` there is a button to sign in with Hugging Face.
    """
    fixed = Fixed()
    blocks: StudioBlocks
    # Gradio checks every hour, and deletes uploads that are older than an hour: they are read once.
    with StudioBlocks(
        title="Dreamina UI", analytics_enabled=False, fill_width=True, delete_cache=(3600, 3600)
    ) as blocks:
        page = Page(engine, callers, fixed, left, login=login)
        page.connect(blocks)
        add_endpoints(engine, callers)
    # By default Gradio runs one call of each event at a time, and polls twenty times a second whether it has ended.
    blocks.queue(default_concurrency_limit=None)
    return blocks, fixed.translations


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except (TypeError, ValueError):
        return 0.0
    return seconds if 0.0 <= seconds < LONGEST_S else 0.0


def _parsed(opening: str) -> dict[str, Any]:
    try:
        facts = json.loads(opening)
    except (TypeError, ValueError, RecursionError):
        return {}
    return facts if isinstance(facts, dict) else {}
