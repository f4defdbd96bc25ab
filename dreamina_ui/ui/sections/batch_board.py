"""The board of a batch that was sent: a table of its jobs, how far they are, and what is done with all of them."""

from collections.abc import AsyncIterator, Awaitable, Sequence
from datetime import tzinfo
from typing import Any

import gradio as gr

from dreamina_ui.engine.engine import Engine
from dreamina_ui.errors import DreaminaError
from dreamina_ui.jobs import Job, State
from dreamina_ui.ui.gradio_internals import kept_text
from dreamina_ui.ui.html.batch import progress_html, states_json, table_html
from dreamina_ui.ui.html.stage import problem_html
from dreamina_ui.ui.sections.history import Progress
from dreamina_ui.ui.translations import Fixed
from dreamina_ui.web.callers import Callers
from dreamina_ui.wording import Words

__all__ = ["BatchBoard"]

Update = dict[Any, Any]
SCRIPT = "window.dreamina.connect('batch', trigger)"


class BatchBoard:
    """The components and their events. `current` is the id of the batch in the table, stored in the page."""

    def __init__(self, engine: Engine, callers: Callers, fixed: Fixed) -> None:
        self._engine = engine
        self._callers = callers
        with gr.Column(visible=False, elem_id="batch-board") as self.section:
            self.progress = gr.HTML("", elem_id="batch-progress", js_on_load=None)
            with gr.Row(elem_classes="stage-actions"):
                self.pause = gr.Button(fixed.text("batch.pause"), elem_id="batch-pause", size="sm", min_width=80)
                self.go_on = gr.Button(fixed.text("batch.continue"), elem_id="batch-continue", size="sm", min_width=80)
                self.cancel = gr.Button(
                    fixed.text("batch.cancel_rest"), elem_id="batch-cancel", size="sm", min_width=80
                )
                self.zip = gr.Button(fixed.text("zip"), elem_id="batch-zip", size="sm", min_width=80)
            self.trouble = gr.HTML("", elem_id="batch-trouble", elem_classes="problem", js_on_load=None)
            self.table = gr.HTML("", elem_id="batch-table", js_on_load=SCRIPT)
        self.states = kept_text("batch-states")
        self.current = kept_text("batch-current")
        self.zip.click(None, js="window.dreamina.batchZip", api_visibility="private")

    @property
    def outputs(self) -> list[Any]:
        """The outputs of `watch`."""
        return [self.section, self.progress, self.table, self.states, self.pause, self.go_on, self.cancel, self.trouble]

    def connect(self, quiet: dict[str, Any]) -> None:
        self.pause.click(self.pause_batch, inputs=self.current, outputs=self.trouble, **quiet)
        self.go_on.click(self.go_on_with_batch, inputs=self.current, outputs=self.trouble, **quiet)
        self.cancel.click(self.cancel_batch, inputs=self.current, outputs=self.trouble, **quiet)
        self.states.change(None, inputs=self.states, js="window.dreamina.batchStates", **quiet)

    async def watch(self, batch_id: str, request: gr.Request) -> AsyncIterator[tuple[Update, Progress]]:
        """Each change of the batch, and how far the jobs are; until all have ended and have their posters."""
        words, zone, is_rendered = self._callers.words(request), self._callers.zone(request), False
        async for jobs in self._engine.batches.watch(self._callers.visitor(request), batch_id):
            update = self._update(jobs, words, zone)
            if not is_rendered:
                update[self.table] = table_html(jobs, self._engine.models, words, zone)
                is_rendered = True
            yield update, Progress.of(jobs)

    async def pause_batch(self, batch_id: str, request: gr.Request) -> Any:
        """Also says so where nothing is left that could be paused."""
        visitor_id, batches = self._callers.visitor(request), self._engine.batches
        refusal = await self._run(batches.pause(visitor_id, batch_id), request)
        if refusal or any(job.state is State.WAITING for job in await batches.jobs(visitor_id, batch_id)):
            return refusal
        return problem_html(self._callers.words(request).say("batch.all_sent"))

    async def go_on_with_batch(self, batch_id: str, request: gr.Request) -> Any:
        return await self._run(self._engine.batches.go_on(self._callers.visitor(request), batch_id), request)

    async def cancel_batch(self, batch_id: str, request: gr.Request) -> Any:
        return await self._run(self._engine.batches.cancel(self._callers.visitor(request), batch_id), request)

    def _update(self, jobs: Sequence[Job], words: Words, zone: tzinfo) -> Update:
        paused = any(job.paused for job in jobs if job.state is State.WAITING)
        can_cancel = any(job.can_cancel for job in jobs)
        # The buttons keep their places: none of them comes to lie under a pointer that has just pressed another one.
        update = {
            self.section: gr.update(visible=bool(jobs)),
            self.progress: progress_html(jobs, words),
            self.states: states_json(jobs, words, zone),
            self.pause: gr.update(visible=not paused, interactive=can_cancel),
            self.go_on: gr.update(visible=paused),
            self.cancel: gr.update(interactive=can_cancel),
        }
        return update if can_cancel else {**update, self.trouble: ""}

    async def _run(self, action: Awaitable[int], request: gr.Request) -> Any:
        """Run the action and show only its error: `watch` shows its effect."""
        try:
            await action
        except DreaminaError as error:
            return problem_html(self._callers.words(request).sentence(error))
        return ""
