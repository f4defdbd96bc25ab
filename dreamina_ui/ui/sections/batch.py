"""The form of a batch: many prompts, or one prompt with many settings; and its plan, with its price or its problems."""

import hashlib
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from dreamina_ui.cards.aside import planned
from dreamina_ui.cards.batches.lines import plan_lines
from dreamina_ui.cards.batches.plans import BYTES_MOST, Plan, each_model
from dreamina_ui.cards.batches.sweep import plan_sweep
from dreamina_ui.cards.batches.tables import plan_csv
from dreamina_ui.cards.media.file_names import files_in
from dreamina_ui.cards.model_card import Card
from dreamina_ui.cards.schema.fields import Field
from dreamina_ui.cards.values import content_for, read_value, written
from dreamina_ui.engine.engine import Engine
from dreamina_ui.errors import DreaminaError, InvalidInput, VisitorLost, VisitorUnknown
from dreamina_ui.media.inputs import Added
from dreamina_ui.ui.form import build_control, build_media, choice_label
from dreamina_ui.ui.gradio_internals import kept_text, value_in
from dreamina_ui.ui.html.batch import (
    ModelPrice,
    columns_html,
    invitation_html,
    plan_html,
    prices_text,
    problems_html,
    question_html,
    webhook_key_html,
)
from dreamina_ui.ui.html.connection import unknown_visitor_html
from dreamina_ui.ui.html.stage import problem_html
from dreamina_ui.ui.sections.batch_board import BatchBoard
from dreamina_ui.ui.sections.media import file_update
from dreamina_ui.ui.translations import Fixed
from dreamina_ui.web.callers import Callers
from dreamina_ui.web.checks.upload_form import TABLE_ENDINGS
from dreamina_ui.wording import Words

__all__ = ["Batch"]

Update = dict[Any, Any]
MODES = ("lines", "csv", "sweep")
PLAN_SCRIPT = "window.dreamina.connect('plan', trigger)"
AGREED_MOST = 20
SWEPT = ("aspect_ratio", "frames")
"""Fields of which a sweep takes several values, besides the seed."""
_FILE = Field("table_files", "table_files", "", "address", required=False, default=None, media="file")
FILES = replace(_FILE, kind="list", item=_FILE)
"""The files that a table names; they are no setting of a model."""


@dataclass(frozen=True, slots=True)
class Shared:
    """A field whose value all videos share, with its control: of the models that have the very same field."""

    field: Field
    control: Component
    cell: gr.Column


class Batch:
    """The components and their events. `picker` picks the model of what names none itself; `board` shows what was sent."""

    def __init__(self, engine: Engine, callers: Callers, fixed: Fixed, picker: gr.Dropdown) -> None:
        self._engine = engine
        self._callers = callers
        self._picker = picker
        with gr.Row(elem_classes="studio", equal_height=False):
            with gr.Column(scale=5, min_width=280, elem_classes="compose"):
                self._build_form(fixed)
            with gr.Column(scale=8, min_width=280, elem_classes="stage"):
                self.plan = gr.HTML(
                    fixed.fragment("batch.empty", invitation_html), elem_id="batch-plan", js_on_load=PLAN_SCRIPT
                )
                self.board = BatchBoard(engine, callers, fixed)
        self.planned = kept_text("batch-planned")
        self.click_id = kept_text("batch-click-id")
        self.accepted = kept_text("batch-accepted")
        self.restored = kept_text("batch-restored")
        self.changed = kept_text("batch-changed")

    @property
    def planning_inputs(self) -> list[Component]:
        """The inputs from which the batch is planned."""
        swept = [self.sweep_prompt, self.models, *self._axes.values(), self.seeds]
        controls = [shared.control for shared in self.shared]
        given = [self._picker, self.mode, self.lines, self.csv, self.agreed, self.files]
        return [*given, *swept, *controls, self.webhook]

    @property
    def _arranged(self) -> list[Any]:
        cells = [shared.cell for shared in self.shared]
        return [*self._groups.values(), *cells, *self._axis_cells.values(), *self._late.values()]

    @property
    def drafted(self) -> list[Component]:
        """The inputs that are kept until they are sent: a file cannot be."""
        return [component for component in self.planning_inputs if component not in (self.csv, self._picker)]

    @property
    def start_inputs(self) -> list[Component]:
        """The inputs of the start. The last is the click id, which a script sets."""
        return [*self.planning_inputs, self.planned, self.click_id]

    @property
    def filled(self) -> list[Any]:
        """The outputs of `fill`."""
        controls = [shared.control for shared in self.shared]
        return [self.mode, self.sweep_prompt, self.models, *self._axes.values(), self.seeds, *controls]

    def fill(self, card: Card, values: Mapping[str, Any], variations: int) -> Update:
        """Show a form's settings as a sweep of its alternatives, with so many seeds; what is None is the default."""
        prompt, seed = card.prompt, values.get("seed")
        given = {field: values[field.name] for field in card.fields if values.get(field.name) is not None}
        update: Update = {self.mode: "sweep", self.models: []}
        if prompt is not None:
            update[self.sweep_prompt] = str(values.get(prompt.name) or "")
        for shared in self._shared_by([card]):
            if shared.field in given:
                update[shared.control] = content_for(shared.field, given[shared.field])
        for name, axis in self._axes.items():
            chosen = values.get(name)
            update[axis] = [chosen] if any(chosen == choice for _, choice in axis.choices) else []
        if isinstance(seed, int) and seed >= 0:
            update[self.seeds] = ", ".join(str(seed + number) for number in range(variations))
        else:
            update[self.seeds] = f"{variations} random" if variations > 1 else ""
        return update

    def connect(self, quiet: dict[str, Any]) -> None:
        # Of the others, `changed` tells.
        planning = [self.restored, self.changed, self.csv, self._picker]
        arranging = [self.mode, self._picker, self.models]
        gr.on(
            [self.restored.change, *(component.change for component in arranging)],  # type: ignore[attr-defined]
            self.arrange,
            inputs=arranging,
            outputs=self._arranged,
            **quiet,
        )
        gr.on(
            [component.change for component in planning],  # type: ignore[attr-defined]
            self.preview,
            inputs=self.planning_inputs,
            outputs=[self.plan, self.start, self.planned, self.refusal, self.webhook_key],
            trigger_mode="always_last",
            **quiet,
        )
        for field, control, button, note in self._media:
            handler = self._upload_handler(field, control, note)
            button.upload(handler, inputs=[button, control], outputs=[control, self.refusal, note], **quiet)
        self.plan.select(self.agree, inputs=self.agreed, outputs=self.agreed, **quiet)
        self.board.connect(quiet)
        self.start.click(
            self.send,
            inputs=self.start_inputs,
            outputs=[self.board.current, self.accepted, self.plan, self.start, self.planned, self.refusal],
            js="window.dreamina.withClickId",
            trigger_mode="once",
            **quiet,
        )

    async def arrange(self, mode: str, picked: str, chosen: list[str]) -> Update:
        """Show what belongs to a mode, and the settings of the models that are chosen there."""
        cards = self._cards(mode, picked, chosen)
        shown = self._shared_by(cards)
        has_field = {name: any(card.field(name) for card in cards) for name in (*SWEPT, "seed")}
        has_axis = {
            name: mode == "sweep" and has_field[name] and bool(axis.choices) for name, axis in self._axes.items()
        }
        update: Update = {self._groups[name]: gr.update(visible=mode == name) for name in MODES}
        for shared in self.shared:
            is_shown = shared in shown and not has_axis.get(shared.field.name, False)
            update[shared.cell] = gr.update(visible=is_shown)
        for name, cell in self._axis_cells.items():
            update[cell] = gr.update(visible=has_field[name])
        # Their files are loaded when they are first shown. From then on they stay, and what was put in with them.
        return update | {part: gr.update(visible=True) for name, part in self._late.items() if mode == name[0]}

    def _cards(self, mode: object, picked: object, chosen: object) -> list[Card]:
        """The models of the videos, as far as no table names them."""
        models = self._engine.models
        ids = chosen if mode == "sweep" and isinstance(chosen, list) else []
        return [card for card in models if card.model_id in ids] or [models.get(str(picked)) or models.default]

    def _shared_by(self, cards: Iterable[Card]) -> list[Shared]:
        """A control for each field of these models: of those with one name, the first model's."""
        named: dict[str, Shared] = {}
        for card in cards:
            for field in card.fields:
                if shared := next((each for each in self.shared if each.field == field), None):
                    named.setdefault(field.name, shared)
        return list(named.values())

    def _upload_handler(self, field: Field, control: Component, note: gr.HTML) -> Callable[..., Awaitable[Update]]:
        """A handler that puts a file that was uploaded into the field that all videos share, or among those of the table."""

        async def handle(path: str, content: str, request: gr.Request) -> Update:
            async def adding() -> Added:
                visitor_id, address = self._callers.known_visitor(request), self._callers.address(request)
                return await self._engine.inputs.add(Path(str(path)), visitor_id, field, address=address)

            shown: dict[str, Any] = {"control": control, "problem": self.refusal, "note": note}
            return await file_update(field, content, adding(), self._callers.words(request), **shown)

        return handle

    async def preview(self, request: gr.Request, *values: Any) -> Update:
        """The plan of the batch: its videos and its price, or its problems."""
        contents = dict(zip(self.planning_inputs, values, strict=True))
        update = await self._preview_update(await self._planned(contents, request), request)
        return {**update, **self._webhook_update(str(contents[self.webhook] or ""), request)}

    async def agree(self, agreed: str, event: gr.EventData) -> str:
        """What the person has agreed to about tables and lines; each answer names the input that it is about."""
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
            visitor_id = self._callers.known_visitor(request)
            await self._engine.batches.submit(
                visitor_id,
                plan.payloads,
                batch_id,
                plan.models,
                webhook=str(contents[self.webhook] or ""),
                language=words.language,
            )
        except (VisitorUnknown, VisitorLost) as error:
            return {self.refusal: problem_html(unknown_visitor_html(error, words))}
        except InvalidInput as error:
            return {self.refusal: problem_html(_about_webhook(error, words) or words.sentence(error, sent=False))}
        except DreaminaError as error:
            return {self.refusal: problem_html(words.sentence(error, sent=False))}
        # The same batch can be sent again only after another preview.
        return {
            **self._empty_update(words),
            self.board.current: batch_id,
            self.accepted: batch_id,
            self.plan: invitation_html(words),
        }

    def _build_form(self, fixed: Fixed) -> None:
        models = self._engine.models
        modes = [(fixed.text(f"batch.mode.{mode}"), mode) for mode in MODES]
        self.mode = gr.Radio(modes, value="lines", label=fixed.text("batch.mode"), elem_id="batch-mode")
        self._media: list[tuple[Field, Component, gr.UploadButton, gr.HTML]] = []
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
            gr.HTML(
                fixed.fragment("batch.csv.hint", lambda words: columns_html(models, words)),
                elem_classes="hint",
                js_on_load=None,
            )
            with gr.Column(visible=any(field.media for _, field in models.fields)):
                self.files, button, note = build_media(models.default, FILES, fixed, "batch-")
                self._media.append((FILES, self.files, button, note))
        by_sweep = self._build_sweep(fixed)
        with gr.Column(elem_classes="batch-part"), gr.Row(elem_classes="pair"):
            self.shared = self._build_shared(fixed)
        self.agreed = kept_text("batch-agreed")
        with gr.Accordion(fixed.text("batch.more"), open=False, elem_id="batch-more"):
            self.webhook = gr.Textbox(
                label=fixed.text("field.webhook"), info=fixed.text("batch.webhook.hint"), elem_id="batch-webhook",
                html_attributes=gr.InputHTMLAttributes(spellcheck=False, autocomplete="off"),
            )  # fmt: skip
            self.webhook_key = gr.HTML(
                "", visible=False, elem_id="batch-webhook-key", elem_classes="hint", js_on_load=None
            )
        self._groups = {"lines": by_lines, "csv": by_csv, "sweep": by_sweep}
        self._late: dict[tuple[str, int], Component] = {("csv", 0): self.csv}
        axes = [axis for axis in self._axes.values() if axis.choices]
        late = [*([self.models] if len(models) > 1 else []), *axes]
        self._late |= {("sweep", number): part for number, part in enumerate(late)}
        self.start = gr.Button(
            fixed.text("batch.start.none"), variant="primary", elem_id="batch-start", interactive=False
        )
        self.refusal = gr.HTML("", visible=False, elem_id="batch-refusal", elem_classes="problem", js_on_load=None)

    def _build_sweep(self, fixed: Fixed) -> Any:
        """The prompt, the models and the values of which a sweep makes all combinations."""
        models = self._engine.models
        with gr.Column(visible=False, elem_classes="batch-part") as by_sweep:
            self.sweep_prompt = gr.Textbox(
                lines=3, label=fixed.text("field.prompt"), elem_id="batch-prompt",
                visible=any(card.prompt for card in models),
            )  # fmt: skip
            self.models = gr.CheckboxGroup(
                [(card.title, card.model_id) for card in models], label=fixed.text("batch.models"),
                info=fixed.text("batch.models.hint"), elem_id="batch-models", visible=False,
            )  # fmt: skip
            self._axes: dict[str, gr.CheckboxGroup] = {}
            self._axis_cells: dict[str, gr.Column] = {}
            for name, label in zip(SWEPT, ("batch.ratios", "batch.lengths"), strict=True):
                with gr.Column(visible=models.default.field(name) is not None, min_width=120) as cell:
                    self._axes[name] = self._choices(name, label, fixed)
                self._axis_cells[name] = cell
            with gr.Column(visible=models.default.field("seed") is not None, min_width=120) as cell:
                self.seeds = gr.Textbox(
                    label=fixed.text("batch.seeds"), info=fixed.text("batch.seeds.hint"), elem_id="batch-seeds"
                )
            self._axis_cells["seed"] = cell
        return by_sweep

    def _build_shared(self, fixed: Fixed) -> list[Shared]:
        """A control for each field that videos can share. Models whose fields are the very same share the control, too."""
        models, built = self._engine.models, list[Shared]()
        for card in models:
            # There is no common seed: it would make equal videos.
            for field in (field for field in card.fields if field != card.prompt and field.name != "seed"):
                if any(shared.field == field for shared in built):
                    continue
                alike = sum(shared.field.name == field.name for shared in built)
                section = f"batch{alike + 1}-" if alike else "batch-"
                with gr.Column(visible=card is models.default, min_width=120, elem_classes="cell") as cell:
                    if field.media is None:
                        control = build_control(card, field, fixed, f"{section}field")
                    else:
                        control, button, note = build_media(card, field, fixed, section)
                        self._media.append((field, control, button, note))
                built.append(Shared(field, control, cell))
        return built

    def _choices(self, name: str, label: str, fixed: Fixed) -> gr.CheckboxGroup:
        """Every choice that a model has in this field."""
        choices: dict[str, tuple[str, Any]] = {}
        for card in self._engine.models:
            if field := card.field(name):
                for each in field.choices:
                    choices.setdefault(written(each), (choice_label(card, field, each), each))
        return gr.CheckboxGroup(list(choices.values()), label=fixed.text(label), elem_id=f"batch-{name}", visible=False)

    async def table_plan(self, contents: Mapping[Any, Any], request: gr.Request) -> Plan | None:
        """The plan of the table that is there, whatever the mode; None without one."""
        return await self._planned({**contents, self.mode: "csv"}, request) if contents[self.csv] else None

    async def _planned(self, contents: Mapping[Any, Any], request: gr.Request) -> Plan:
        return await planned(
            self._callers.visitor(request), partial(self._plan, contents, self._callers.words(request))
        )

    def _plan(self, contents: Mapping[Any, Any], words: Words) -> Plan:
        """The videos or problems of the inputs; blocks, because it reads the file."""
        mode, comma = contents[self.mode], words.decimal_comma
        cards = self._cards(mode, contents[self._picker], contents[self.models])
        card = cards[0]
        shared = {
            each.field.name: read_value(each.field, contents[each.control], comma=comma)
            for each in self._shared_by(cards)
        }
        agreed = str(contents[self.agreed] or "").split("\n")
        if mode == "csv":
            path = contents[self.csv]
            data = _start_of(Path(str(path))) if path else b""
            models, files = self._engine.models, self._files(contents)
            return plan_csv(card, data, shared, agreed, models=models, files=files, comma=comma)
        if mode == "sweep":
            prompt = str(contents[self.sweep_prompt] or "")
            texts = [each.prompt for each in cards if each.prompt]
            if any(field.required for field in texts) and not prompt.strip():
                return plan_lines(card, "", shared)  # an empty form is no mistake
            base = {**shared, **({texts[0].name: prompt} if texts else {})}
            # What the page hides because no model has it is not meant.
            swept = {
                name: (contents[axis] or []) if any(each.field(name) for each in cards) else []
                for name, axis in self._axes.items()
            }
            seeds = str(contents[self.seeds] or "") if any(each.field("seed") for each in cards) else ""
            return plan_sweep(cards, base, swept["aspect_ratio"], swept["frames"], seeds)
        return plan_lines(card, str(contents[self.lines] or ""), shared, agreed)

    def _files(self, contents: Mapping[Any, Any]) -> dict[str, str]:
        """The text for a field of each file that was uploaded here, by its name; of two with one name, that of the later one."""
        lines = [line for _, control, _, _ in self._media for line in str(contents[control] or "").splitlines()]
        return {file.name.casefold(): file.text for line in lines for file in files_in(line.strip())}

    async def _preview_update(self, plan: Plan, request: gr.Request) -> Update:
        words, visitor_id = self._callers.words(request), self._callers.visitor(request)
        if plan.question:
            return {**self._empty_update(words), self.plan: question_html(plan.question, words)}
        if not plan.payloads:
            return {**self._empty_update(words), self.plan: problems_html(plan.problems, words)}
        price, of_models = prices_text(await self._prices(plan, visitor_id), self._engine.backend, words)
        label = words.say("batch.start", count=len(plan.payloads))
        return {
            self.plan: plan_html(plan, self._engine.models, price, of_models, words),
            self.start: gr.update(value=label, interactive=True),
            self.planned: _digest(plan),
            self.refusal: gr.update(value="", visible=False),
        }

    def _webhook_update(self, given: str, request: gr.Request) -> Update:
        """What the preview changes for an address: with a bad one, nothing can be sent; of a good one, the key is shown."""
        words, visitor_id = self._callers.words(request), self._callers.visitor(request)
        hidden = gr.update(value="", visible=False)
        try:
            if self._engine.webhooks.address(given, visitor_id, words.language) is None:
                return {self.webhook_key: hidden}
        except InvalidInput as error:
            refused = {self.start: gr.update(interactive=False), self.planned: ""}
            return {**refused, self.webhook_key: hidden, self.refusal: problem_html(_about_webhook(error, words))}
        return {
            self.webhook_key: gr.update(
                value=webhook_key_html(self._engine.webhooks.key_text(visitor_id), words), visible=True
            )
        }

    async def _prices(self, plan: Plan, visitor_id: str) -> list[ModelPrice]:
        """What the videos of each model cost."""
        prices = []
        for card in each_model(video.card for video in plan.videos):
            payloads = [video.payload for video in plan.videos if video.card is card]
            estimates = [await self._engine.money.estimate_usd(card, payload, visitor_id) for payload in payloads]
            known = [usd for usd in estimates if usd is not None]
            usd = sum(known) if len(known) == len(estimates) else None
            last_usd = None if usd is not None else await self._last_cost_usd(card, payloads, visitor_id)
            said = await self._engine.money.price(card, visitor_id)
            prices.append(ModelPrice(card.title, len(payloads), usd, last_usd, said))
        return prices

    async def _last_cost_usd(self, card: Card, payloads: Sequence[Mapping[str, Any]], visitor_id: str) -> float | None:
        """What the last such video cost, where all of these are of one length."""
        if len({written(payload.get("frames")) for payload in payloads}) > 1:
            return None
        return await self._engine.last_cost_usd(card, payloads[0], visitor_id)

    def _empty_update(self, words: Words) -> Update:
        return {
            self.start: gr.update(value=words.say("batch.start.none"), interactive=False),
            self.planned: "",
            self.refusal: gr.update(value="", visible=False),
        }


def _about_webhook(error: InvalidInput, words: Words) -> str:
    """The sentence about an address for news; empty for any other problem."""
    is_webhook = error.field == "webhook"
    return words.field_problem(error, words.field_title("webhook", "webhook")) if is_webhook else ""


def _digest(plan: Plan) -> str:
    """A digest of what the plan would send."""
    sent = list(zip(plan.models, plan.payloads, strict=True))
    return hashlib.sha256(json.dumps(sent, sort_keys=True).encode()).hexdigest()


def _start_of(path: Path) -> bytes:
    """The file, up to one byte more than allowed, which shows that it is too big."""
    with path.open("rb") as file:
        return file.read(BYTES_MOST + 1)
