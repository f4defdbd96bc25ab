"""The batch: many prompts, or one prompt over many settings; what it will cost; a table that fills in."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from dreamina_ui.cards.batches import BYTES_MOST, Plan, plan_csv, plan_lines, plan_sweep
from dreamina_ui.cards.values import read_value
from dreamina_ui.engine.engine import Engine
from dreamina_ui.errors import DreaminaError, VisitorLost, VisitorUnknown
from dreamina_ui.jobs import Job, State
from dreamina_ui.ui.form import build_control, choice_label
from dreamina_ui.ui.html.batch import (
    columns_html,
    invitation_html,
    plan_html,
    problems_html,
    progress_html,
    states_json,
    table_html,
)
from dreamina_ui.ui.html.connection import stranger_html
from dreamina_ui.ui.html.stage import problem_html
from dreamina_ui.ui.translations import Fixed
from dreamina_ui.web.callers import Callers
from dreamina_ui.wording import Words

__all__ = ["Batch"]

Update = dict[Any, Any]
MODES = ("lines", "csv", "sweep")
SCRIPT = "window.dreamina.connect('batch', trigger)"


class Batch:
    """The components, and what happens on them. `current` holds the id of the batch in the table, kept by the page."""

    def __init__(self, engine: Engine, callers: Callers, fixed: Fixed) -> None:
        self._engine = engine
        self._callers = callers
        with gr.Row(elem_classes="studio", equal_height=False):
            with gr.Column(scale=5, min_width=280, elem_classes="compose"):
                self._build_wish(fixed)
            with gr.Column(scale=8, min_width=280, elem_classes="stage"):
                self._build_table(fixed)

    @property
    def described(self) -> list[Component]:
        """The fields that describe the batch, in one of the three ways."""
        swept = [self.sweep_prompt, self.ratios, self.frames, self.seeds]
        return [self.mode, self.lines, self.csv, *swept, *self.shared.values()]

    @property
    def drafted(self) -> list[Component]:
        """What is kept until it is sent: a file cannot be."""
        return [component for component in self.described if component is not self.csv]

    @property
    def sent(self) -> list[Component]:
        """What a click sends. The last is the click's id: the script that fills it in takes the last."""
        return [*self.described, self.planned, self.click_id]

    @property
    def outputs(self) -> list[Any]:
        """What the watcher fills in."""
        return [self.board, self.progress, self.table, self.states, self.pause, self.go_on, self.cancel]

    def connect(self, quiet: dict[str, Any]) -> None:
        changes = [component.change for component in self.described if component is not self.mode]  # type: ignore[attr-defined]
        self.mode.change(self.choose_mode, inputs=self.mode, outputs=self._groups, **quiet)
        gr.on(
            [self.mode.change, *changes],
            self.preview,
            inputs=self.described,
            outputs=[self.plan, self.start, self.planned, self.refusal],
            trigger_mode="always_last",
            **quiet,
        )
        self.pause.click(self.pause_batch, inputs=self.current, outputs=self.refusal, **quiet)
        self.go_on.click(self.go_on_with_batch, inputs=self.current, outputs=self.refusal, **quiet)
        self.cancel.click(self.cancel_batch, inputs=self.current, outputs=self.refusal, **quiet)
        self.states.change(None, inputs=self.states, js="window.dreamina.batchStates", **quiet)
        self.start.click(
            self.send,
            inputs=self.sent,
            outputs=[self.current, self.accepted, self.plan, self.start, self.planned, self.refusal],
            js="window.dreamina.withClickId",
            trigger_mode="once",
            **quiet,
        )

    async def choose_mode(self, mode: str) -> list[Any]:
        return [gr.update(visible=mode == name) for name in MODES] + [gr.update(visible=mode != "sweep")]

    async def preview(self, request: gr.Request, *values: Any) -> Update:
        """Everything about the batch before it is sent."""
        held = dict(zip(self.described, values, strict=True))
        return await self._shown(await asyncio.to_thread(self._plan, held), request)

    async def send(self, request: gr.Request, *values: Any) -> Update:
        """Send what the preview shows, and nothing else. (Called `submit`, it would take that name from the endpoint.)"""
        held = dict(zip(self.sent, values, strict=True))
        words, plan = self._callers.words(request), await asyncio.to_thread(self._plan, held)
        if not plan.payloads or _print_of(plan) != held[self.planned]:
            changed = {self.refusal: problem_html(words.say("batch.changed"))} if plan.payloads else {}
            return {**await self._shown(plan, request), **changed}
        batch_id = str(held[self.click_id] or "")
        try:
            await self._engine.batches.submit(self._callers.known_visitor(request), plan.payloads, batch_id)
        except (VisitorUnknown, VisitorLost) as error:
            return {self.refusal: problem_html(stranger_html(error, words))}
        except DreaminaError as error:
            return {self.refusal: problem_html(words.sentence(error, sent=False))}
        # Not at once again: the same batch is sent a second time only when it was looked at a second time.
        return {
            **self._no_plan(words),
            self.current: batch_id,
            self.accepted: batch_id,
            self.plan: invitation_html(words),
        }

    async def watch(self, batch_id: str, request: gr.Request) -> AsyncIterator[tuple[Update, int]]:
        """The table, then each change in it, with how many have ended; until all have."""
        words, drawn = self._callers.words(request), False
        following = self._engine.batches.watch(self._callers.visitor(request), batch_id)
        async for jobs in self._callers.latest_only(request, following, "batch"):
            update = self._standing(jobs, words)
            if not drawn:
                update[self.table] = table_html(jobs, self._engine.card, words)
                drawn = True
            yield update, sum(job.ended for job in jobs)

    async def pause_batch(self, batch_id: str, request: gr.Request) -> Any:
        return await self._tried(self._engine.batches.pause(self._callers.visitor(request), batch_id), request)

    async def go_on_with_batch(self, batch_id: str, request: gr.Request) -> Any:
        return await self._tried(self._engine.batches.go_on(self._callers.visitor(request), batch_id), request)

    async def cancel_batch(self, batch_id: str, request: gr.Request) -> Any:
        return await self._tried(self._engine.batches.cancel(self._callers.visitor(request), batch_id), request)

    def _build_wish(self, fixed: Fixed) -> None:
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
                file_types=[".csv", ".tsv", ".txt"], type="filepath", height=140, label=fixed.text("batch.csv"),
                elem_id="batch-csv",
            )  # fmt: skip
            gr.HTML(fixed.fragment("batch.csv.hint", lambda words: columns_html(card, words)), elem_classes="hint")
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
            # A seed for all of them would make all alike: each gets its own, or its line's.
            alike = [field for field in card.fields if field != card.prompt and field.name != "seed"]
            self.shared = {field.name: build_control(card, field, fixed, "batch-field") for field in alike}
        self._groups = [by_lines, by_csv, by_sweep, for_all]
        self.start = gr.Button(
            fixed.text("batch.start.none"), variant="primary", elem_id="batch-start", interactive=False
        )
        self.refusal = gr.HTML("", visible=False, elem_id="batch-refusal", elem_classes="problem")

    def _build_table(self, fixed: Fixed) -> None:
        self.plan = gr.HTML(fixed.fragment("batch.empty", invitation_html), elem_id="batch-plan")
        with gr.Column(visible=False, elem_id="batch-board") as self.board:
            self.progress = gr.HTML("", elem_id="batch-progress")
            with gr.Row(elem_classes="stage-actions"):
                self.pause = gr.Button(fixed.text("batch.pause"), elem_id="batch-pause", size="sm", min_width=80)
                self.go_on = gr.Button(fixed.text("batch.continue"), elem_id="batch-continue", size="sm", min_width=80)
                self.cancel = gr.Button(
                    fixed.text("batch.cancel_rest"), elem_id="batch-cancel", size="sm", min_width=80
                )
                self.zip = gr.Button(fixed.text("zip"), elem_id="batch-zip", size="sm", min_width=80)
            self.table = gr.HTML("", elem_id="batch-table", js_on_load=SCRIPT)
        self.states = gr.Textbox(visible="hidden", elem_id="batch-states", label="states")
        self.current = gr.Textbox(visible="hidden", elem_id="batch-current", label="batch")
        self.planned = gr.Textbox(visible="hidden", elem_id="batch-planned", label="plan")
        self.click_id = gr.Textbox(visible="hidden", elem_id="batch-click-id", label="click")
        self.accepted = gr.Textbox(visible="hidden", elem_id="batch-accepted", label="accepted")
        self.zip.click(None, js="window.dreamina.batchZip", api_visibility="private")

    def _choices(self, name: str, label: str, fixed: Fixed) -> gr.CheckboxGroup:
        field = self._engine.card.field(name)
        choices = [(choice_label(self._engine.card, field, each), each) for each in field.choices] if field else []
        return gr.CheckboxGroup(choices, label=fixed.text(label), elem_id=f"batch-{name}", visible=bool(choices))

    def _plan(self, held: Mapping[Any, Any]) -> Plan:
        """What the page holds, as payloads or problems; blocks, to read the file."""
        card, mode = self._engine.card, held[self.mode]
        fields = {field.name: field for field in card.fields}
        shared = {name: read_value(fields[name], held[control]) for name, control in self.shared.items()}
        if mode == "csv":
            path = held[self.csv]
            return plan_csv(card, _start_of(Path(str(path))) if path else b"", shared)
        if mode == "sweep":
            base = {**shared, **({card.prompt.name: str(held[self.sweep_prompt] or "")} if card.prompt else {})}
            ratios, frames = held[self.ratios] or [], held[self.frames] or []
            return plan_sweep(card, base, ratios, frames, str(held[self.seeds] or ""))
        return plan_lines(card, str(held[self.lines] or ""), shared)

    async def _shown(self, plan: Plan, request: gr.Request) -> Update:
        words, visitor_id = self._callers.words(request), self._callers.visitor(request)
        if not plan.payloads:
            return {**self._no_plan(words), self.plan: problems_html(plan.problems, self._engine.card, words)}
        prices = [await self._engine.estimate_usd(payload, visitor_id) for payload in plan.payloads]
        known = [usd for usd in prices if usd is not None]
        price = words.price(self._engine.backend, sum(known) if len(known) == len(prices) else None)
        label = words.say("batch.start", count=len(plan.payloads))
        return {
            self.plan: plan_html(plan.payloads, self._engine.card, price, words),
            self.start: gr.update(value=label, interactive=True),
            self.planned: _print_of(plan),
            self.refusal: gr.update(value="", visible=False),
        }

    def _no_plan(self, words: Words) -> Update:
        return {
            self.start: gr.update(value=words.say("batch.start.none"), interactive=False),
            self.planned: "",
            self.refusal: gr.update(value="", visible=False),
        }

    def _standing(self, jobs: Sequence[Job], words: Words) -> Update:
        waiting = [job for job in jobs if job.state is State.WAITING]
        held = any(job.held for job in waiting)
        return {
            self.board: gr.update(visible=bool(jobs)),
            self.progress: progress_html(jobs, words),
            self.states: states_json(jobs, words),
            self.pause: gr.update(visible=bool(waiting) and not held),
            self.go_on: gr.update(visible=held),
            self.cancel: gr.update(visible=bool(waiting)),
        }

    async def _tried(self, doing: Any, request: gr.Request) -> Any:
        """What changed is told by the watcher; here only what went wrong."""
        try:
            await doing
        except DreaminaError as error:
            return problem_html(self._callers.words(request).sentence(error))
        return gr.update(value="", visible=False)


def _print_of(plan: Plan) -> str:
    """Tells one plan from another."""
    return hashlib.sha256(json.dumps(plan.payloads, sort_keys=True).encode()).hexdigest()


def _start_of(path: Path) -> bytes:
    """The file, as far as it is read: one byte more than allowed shows that it is too big."""
    with path.open("rb") as file:
        return file.read(BYTES_MOST + 1)
