"""The batch: many prompts, or one prompt with many settings; its price; a table of its jobs."""

import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import tzinfo
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from dreamina_ui.cards.aside import planned
from dreamina_ui.cards.batches import BYTES_MOST, Plan, plan_csv, plan_lines, plan_sweep
from dreamina_ui.cards.schema.fields import Field
from dreamina_ui.cards.values import read_value
from dreamina_ui.engine.engine import Engine
from dreamina_ui.errors import DreaminaError, VisitorLost, VisitorUnknown
from dreamina_ui.jobs import Job, State
from dreamina_ui.media.inputs import Added
from dreamina_ui.ui.form import build_control, build_media, choice_label
from dreamina_ui.ui.gradio_internals import kept_text, value_in
from dreamina_ui.ui.html.batch import (
    columns_html,
    invitation_html,
    plan_html,
    problems_html,
    progress_html,
    question_html,
    states_json,
    table_html,
)
from dreamina_ui.ui.html.connection import unknown_visitor_html
from dreamina_ui.ui.html.stage import problem_html
from dreamina_ui.ui.sections.history import Progress
from dreamina_ui.ui.sections.media import file_update
from dreamina_ui.ui.translations import Fixed
from dreamina_ui.web.callers import Callers
from dreamina_ui.web.checks.upload_form import TABLE_ENDINGS
from dreamina_ui.wording import Words

__all__ = ["Batch"]

Update = dict[Any, Any]
MODES = ("lines", "csv", "sweep")
SCRIPT = "window.dreamina.connect('batch', trigger)"
PLAN_SCRIPT = "window.dreamina.connect('plan', trigger)"
AGREED_MOST = 20


class Batch:
    """The components and their events. `current` is the id of the batch in the table, stored in the page."""

    def __init__(self, engine: Engine, callers: Callers, fixed: Fixed) -> None:
        self._engine = engine
        self._callers = callers
        with gr.Row(elem_classes="studio", equal_height=False):
            with gr.Column(scale=5, min_width=280, elem_classes="compose"):
                self._build_form(fixed)
            with gr.Column(scale=8, min_width=280, elem_classes="stage"):
                self._build_table(fixed)

    @property
    def planning_inputs(self) -> list[Component]:
        """The inputs from which the batch is planned."""
        swept = [self.sweep_prompt, self.ratios, self.frames, self.seeds]
        return [self.mode, self.lines, self.csv, self.agreed, *swept, *self.shared.values()]

    @property
    def drafted(self) -> list[Component]:
        """The inputs that are kept until they are sent: a file cannot be."""
        return [component for component in self.planning_inputs if component is not self.csv]

    @property
    def start_inputs(self) -> list[Component]:
        """The inputs of the start. The last is the click id, which a script sets."""
        return [*self.planning_inputs, self.planned, self.click_id]

    @property
    def outputs(self) -> list[Any]:
        """The outputs of `watch`."""
        return [self.board, self.progress, self.table, self.states, self.pause, self.go_on, self.cancel, self.trouble]

    def connect(self, quiet: dict[str, Any]) -> None:
        changes = [component.change for component in self.planning_inputs if component is not self.mode]  # type: ignore[attr-defined]
        self.mode.change(self.choose_mode, inputs=self.mode, outputs=[*self._groups, *self._late], **quiet)
        gr.on(
            [self.mode.change, *changes],
            self.preview,
            inputs=self.planning_inputs,
            outputs=[self.plan, self.start, self.planned, self.refusal],
            trigger_mode="always_last",
            **quiet,
        )
        for field, button, note in self._media:
            control = self.shared[field.name]
            handler = self._upload_handler(field, note)
            button.upload(handler, inputs=[button, control], outputs=[control, self.refusal, note], **quiet)
        self.plan.select(self.agree, inputs=self.agreed, outputs=self.agreed, **quiet)
        self.pause.click(self.pause_batch, inputs=self.current, outputs=self.trouble, **quiet)
        self.go_on.click(self.go_on_with_batch, inputs=self.current, outputs=self.trouble, **quiet)
        self.cancel.click(self.cancel_batch, inputs=self.current, outputs=self.trouble, **quiet)
        self.states.change(None, inputs=self.states, js="window.dreamina.batchStates", **quiet)
        self.start.click(
            self.send,
            inputs=self.start_inputs,
            outputs=[self.current, self.accepted, self.plan, self.start, self.planned, self.refusal],
            js="window.dreamina.withClickId",
            trigger_mode="once",
            **quiet,
        )

    async def choose_mode(self, mode: str) -> list[Any]:
        groups = [gr.update(visible=mode == name) for name in MODES] + [gr.update(visible=mode != "sweep")]
        # Their files are loaded when they are first shown. From then on they stay, and what was put in with them.
        late = {self.csv: mode == "csv", **dict.fromkeys(self._late[1:], mode == "sweep")}
        return [*groups, *(gr.update(visible=True) if late[part] else gr.skip() for part in self._late)]

    def _upload_handler(self, field: Field, note: gr.HTML) -> Callable[..., Awaitable[Update]]:
        """A handler that puts a file that was uploaded into the field that all videos share."""

        async def handle(path: str, content: str, request: gr.Request) -> Update:
            async def adding() -> Added:
                return await self._engine.inputs.add(Path(str(path)), self._callers.known_visitor(request), field)

            shown = {"control": self.shared[field.name], "problem": self.refusal, "note": note}
            return await file_update(field, content, adding(), self._callers.words(request), **shown)

        return handle

    async def preview(self, request: gr.Request, *values: Any) -> Update:
        """The plan of the batch: its videos and its price, or its problems."""
        contents = dict(zip(self.planning_inputs, values, strict=True))
        return await self._preview_update(await self._planned(contents, request), request)

    async def agree(self, agreed: str, event: gr.EventData) -> str:
        """What the person has agreed to about tables; each answer names the table that it is about."""
        answers = [*str(agreed or "").split("\n"), str(value_in(event, "answer"))[:100]]
        return "\n".join(answers[-AGREED_MOST:])

    async def send(self, request: gr.Request, *values: Any) -> Update:
        """Submit the batch if it is the one that the preview shows. (Gradio needs another name than that of `/submit`.)"""
        contents = dict(zip(self.start_inputs, values, strict=True))
        words, plan = self._callers.words(request), await self._planned(contents, request)
        if not plan.payloads or _digest(plan) != contents[self.planned]:
            changed = {self.refusal: problem_html(words.say("batch.changed"))} if plan.payloads else {}
            return {**await self._preview_update(plan, request), **changed}
        batch_id = str(contents[self.click_id] or "")
        try:
            await self._engine.batches.submit(self._callers.known_visitor(request), plan.payloads, batch_id)
        except (VisitorUnknown, VisitorLost) as error:
            return {self.refusal: problem_html(unknown_visitor_html(error, words))}
        except DreaminaError as error:
            return {self.refusal: problem_html(words.sentence(error, sent=False))}
        # The same batch can be sent again only after another preview.
        return {
            **self._empty_update(words),
            self.current: batch_id,
            self.accepted: batch_id,
            self.plan: invitation_html(words),
        }

    async def watch(self, batch_id: str, request: gr.Request) -> AsyncIterator[tuple[Update, Progress]]:
        """Each change in the table, and how far the jobs are; until all have ended and have their posters."""
        words, zone, is_rendered = self._callers.words(request), self._callers.zone(request), False
        async for jobs in self._engine.batches.watch(self._callers.visitor(request), batch_id):
            update = self._table_update(jobs, words, zone)
            if not is_rendered:
                update[self.table] = table_html(jobs, self._engine.card, words, zone)
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

    def _build_form(self, fixed: Fixed) -> None:
        card = self._engine.card
        modes = [(fixed.text(f"batch.mode.{mode}"), mode) for mode in MODES]
        self.mode = gr.Radio(modes, value="lines", label=fixed.text("batch.mode"), elem_id="batch-mode")
        with gr.Column(elem_classes="batch-part") as by_lines:
            self.lines = gr.Textbox(
                lines=8, max_lines=16, label=fixed.text("batch.lines"), info=fixed.text("batch.lines.hint"),
                elem_id="batch-lines",
            )  # fmt: skip
        with gr.Column(visible=False, elem_classes="batch-part") as by_csv:
            self.csv = gr.File(
                file_types=list(TABLE_ENDINGS), type="filepath", height=140, label=fixed.text("batch.csv"),
                elem_id="batch-csv", visible=False,
            )  # fmt: skip
            self.agreed = kept_text("batch-agreed")
            gr.HTML(
                fixed.fragment("batch.csv.hint", lambda words: columns_html(card, words)),
                elem_classes="hint",
                js_on_load=None,
            )
        with gr.Column(visible=False, elem_classes="batch-part") as by_sweep:
            self.sweep_prompt = gr.Textbox(
                lines=3, label=fixed.text("field.prompt"), elem_id="batch-prompt", visible=card.prompt is not None
            )
            self.ratios = self._choices("aspect_ratio", "batch.ratios", fixed)
            self.frames = self._choices("frames", "batch.lengths", fixed)
            self.seeds = gr.Textbox(
                label=fixed.text("batch.seeds"), info=fixed.text("batch.seeds.hint"), elem_id="batch-seeds",
                visible=card.field("seed") is not None,
            )  # fmt: skip
        with gr.Column(elem_classes="batch-part") as for_all, gr.Row(elem_classes="pair"):
            # There is no common seed: it would make equal videos.
            common = [field for field in card.fields if field != card.prompt and field.name != "seed"]
            self.shared: dict[str, Component] = {}
            self._media: list[tuple[Field, gr.UploadButton, gr.HTML]] = []
            for field in common:
                if field.media is None:
                    self.shared[field.name] = build_control(card, field, fixed, "batch-field")
                else:
                    self.shared[field.name], button, note = build_media(card, field, fixed, "batch-")
                    self._media.append((field, button, note))
        self._groups = [by_lines, by_csv, by_sweep, for_all]
        self._late = [self.csv, *(part for part in (self.ratios, self.frames) if part.choices)]
        self.start = gr.Button(
            fixed.text("batch.start.none"), variant="primary", elem_id="batch-start", interactive=False
        )
        self.refusal = gr.HTML("", visible=False, elem_id="batch-refusal", elem_classes="problem", js_on_load=None)

    def _build_table(self, fixed: Fixed) -> None:
        self.plan = gr.HTML(
            fixed.fragment("batch.empty", invitation_html), elem_id="batch-plan", js_on_load=PLAN_SCRIPT
        )
        with gr.Column(visible=False, elem_id="batch-board") as self.board:
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
        self.planned = kept_text("batch-planned")
        self.click_id = kept_text("batch-click-id")
        self.accepted = kept_text("batch-accepted")
        self.zip.click(None, js="window.dreamina.batchZip", api_visibility="private")

    def _choices(self, name: str, label: str, fixed: Fixed) -> gr.CheckboxGroup:
        field = self._engine.card.field(name)
        choices = [(choice_label(self._engine.card, field, each), each) for each in field.choices] if field else []
        return gr.CheckboxGroup(choices, label=fixed.text(label), elem_id=f"batch-{name}", visible=False)

    async def _planned(self, contents: Mapping[Any, Any], request: gr.Request) -> Plan:
        return await planned(
            self._callers.visitor(request), partial(self._plan, contents, self._callers.words(request))
        )

    def _plan(self, contents: Mapping[Any, Any], words: Words) -> Plan:
        """The payloads or problems of the inputs; blocks, because it reads the file."""
        card, mode = self._engine.card, contents[self.mode]
        fields = {field.name: field for field in card.fields}
        comma = words.decimal_comma
        shared = {
            name: read_value(fields[name], contents[control], comma=comma) for name, control in self.shared.items()
        }
        if mode == "csv":
            path = contents[self.csv]
            agreed = str(contents[self.agreed] or "").split("\n")
            return plan_csv(card, _start_of(Path(str(path))) if path else b"", shared, agreed, comma=comma)
        if mode == "sweep":
            prompt = str(contents[self.sweep_prompt] or "")
            if card.prompt and card.prompt.required and not prompt.strip():
                return plan_lines(card, "", shared)  # an empty form is no mistake
            base = {**shared, **({card.prompt.name: prompt} if card.prompt else {})}
            ratios, frames = contents[self.ratios] or [], contents[self.frames] or []
            return plan_sweep(card, base, ratios, frames, str(contents[self.seeds] or ""))
        return plan_lines(card, str(contents[self.lines] or ""), shared)

    async def _preview_update(self, plan: Plan, request: gr.Request) -> Update:
        words, visitor_id = self._callers.words(request), self._callers.visitor(request)
        if plan.question:
            return {**self._empty_update(words), self.plan: question_html(plan.question, words)}
        if not plan.payloads:
            return {**self._empty_update(words), self.plan: problems_html(plan.problems, self._engine.card, words)}
        prices = [await self._engine.estimate_usd(self._engine.card, payload, visitor_id) for payload in plan.payloads]
        known = [usd for usd in prices if usd is not None]
        if len(known) == len(prices):
            price = words.price(self._engine.backend, sum(known))
        else:
            said = await self._engine.money.price(self._engine.card, visitor_id)
            last_usd = await self._last_cost_usd(plan, visitor_id)
            price = words.price(self._engine.backend, None, last_usd, base_usd=said.base_price_usd, unit=said.unit)
            price = " · ".join(filter(None, (price, words.price_note(said.note))))
        label = words.say("batch.start", count=len(plan.payloads))
        return {
            self.plan: plan_html(plan.payloads, self._engine.card, price, words),
            self.start: gr.update(value=label, interactive=True),
            self.planned: _digest(plan),
            self.refusal: gr.update(value="", visible=False),
        }

    async def _last_cost_usd(self, plan: Plan, visitor_id: str) -> float | None:
        """What the last such video cost, where all of the plan are of one length."""
        if len({payload.get("frames") for payload in plan.payloads}) > 1:
            return None
        return await self._engine.last_cost_usd(self._engine.card, plan.payloads[0], visitor_id)

    def _empty_update(self, words: Words) -> Update:
        return {
            self.start: gr.update(value=words.say("batch.start.none"), interactive=False),
            self.planned: "",
            self.refusal: gr.update(value="", visible=False),
        }

    def _table_update(self, jobs: Sequence[Job], words: Words, zone: tzinfo) -> Update:
        paused = any(job.paused for job in jobs if job.state is State.WAITING)
        can_cancel = any(job.can_cancel for job in jobs)
        # The buttons keep their places: none of them comes to lie under a pointer that has just pressed another one.
        update = {
            self.board: gr.update(visible=bool(jobs)),
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


def _digest(plan: Plan) -> str:
    """A digest of the plan's payloads."""
    return hashlib.sha256(json.dumps(plan.payloads, sort_keys=True).encode()).hexdigest()


def _start_of(path: Path) -> bytes:
    """The file, up to one byte more than allowed, which shows that it is too big."""
    with path.open("rb") as file:
        return file.read(BYTES_MOST + 1)
