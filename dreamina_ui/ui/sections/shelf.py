"""The shelf: a dialog with the prompts that its visitor has named, which go into the form or into the batch's table."""

import asyncio
import base64
import binascii
import secrets
from functools import partial
from typing import Any

import gradio as gr
from markupsafe import Markup

from dreamina_ui.cards.alternatives import read
from dreamina_ui.cards.aside import compared, planned
from dreamina_ui.cards.batches.plans import BATCH_MOST, BYTES_MOST, Plan, first_of, given_count
from dreamina_ui.cards.batches.tables import plan_csv
from dreamina_ui.cards.batches.written_tables import written_table
from dreamina_ui.cards.model_card import Card
from dreamina_ui.engine.curation.plain_names import plain_name
from dreamina_ui.engine.curation.shelf import SHELF_MOST, offered_name
from dreamina_ui.engine.engine import Engine
from dreamina_ui.errors import DreaminaError, InvalidInput
from dreamina_ui.ui.gradio_internals import kept_text, upload_folder, value_in
from dreamina_ui.ui.html.batch import problem_list_html, question_html
from dreamina_ui.ui.html.shelf import SOUGHT_MOST, listed_json
from dreamina_ui.ui.html.stage import problem_html
from dreamina_ui.ui.sections.batch import Batch
from dreamina_ui.ui.sections.compose import Compose
from dreamina_ui.ui.settings_file import settings_of
from dreamina_ui.web.callers import Callers
from dreamina_ui.wording import Words

__all__ = ["ShelfDialog"]

Update = dict[Any, Any]
TABLE_NAME = "shelf.csv"


class ShelfDialog:
    """The events of the dialog, which `assets/js/shelf.js` makes and draws from `shown`."""

    def __init__(self, engine: Engine, callers: Callers, compose: Compose, batch: Batch) -> None:
        self._engine = engine
        self._callers = callers
        self._compose = compose
        self._batch = batch
        self.shown = kept_text("shelf-shown")
        # A script fills it with the bytes of a table, in base64.
        self.table = kept_text("shelf-table")

    def connect(self, quiet: dict[str, Any]) -> None:
        every: dict[str, Any] = {"trigger_mode": "multiple", "concurrency_limit": None, **quiet}
        button, compose, batch = self._compose.shelf, self._compose, self._batch
        button.apply(self.act_on_shelf, inputs=compose.price_inputs, outputs=self.shown, **every)
        button.select(self.use_kept, outputs=[self.shown, *compose.filled], **every)
        button.like(
            self.put_into_batch,
            inputs=batch.planning_inputs,
            outputs=[self.shown, batch.mode, batch.csv],
            **every,
        )
        button.upload(
            self.take_in_table, inputs=self.table, outputs=self.shown, js="window.dreamina.shelfTable", **every
        )
        self.shown.change(None, inputs=self.shown, js="window.dreamina.showShelf", **quiet)

    async def act_on_shelf(self, request: gr.Request, event: gr.EventData, *values: Any) -> str:
        """List, keep what is in the form, rename, delete, undo or export, as a script's event says."""
        contents = dict(zip(self._compose.price_inputs, values, strict=True))
        visitor_id, words, shelf = self._callers.visitor(request), self._callers.words(request), self._engine.shelf
        done, shelf_id, name = (value_in(event, key) for key in ("do", "id", "name"))
        form = self._compose.forms.picked(contents)
        given = form.values(contents, comma=words.decimal_comma)
        answer: dict[str, Any] = {"done": done if isinstance(done, str) else ""}
        try:
            if done == "save":
                one = await shelf.keep(self._callers.known_visitor(request), name, form.card.model_id, given)
                answer["said"] = words.say("shelf.saved", name=_apart(one.name))
            elif done == "rename":
                one = await shelf.rename(visitor_id, shelf_id, name)
                answer["said"] = words.say("shelf.renamed", name=_apart(one.name))
            elif done == "delete":
                one = await shelf.delete(visitor_id, shelf_id)
                answer |= {"said": words.say("shelf.deleted", name=_apart(one.name)), "undo": one.shelf_id}
            elif done == "undo":
                one = await shelf.put_back(visitor_id, shelf_id)
                answer["said"] = words.say("shelf.put_back", name=_apart(one.name))
            elif done == "export":
                answer["table"] = await shelf.table(visitor_id)
        except DreaminaError as error:
            answer |= {"said": self._sentence(error, words, form.card), "is_problem": True}
        prompt = form.card.prompt
        offered = offered_name({"prompt": given.get(prompt.name) if prompt else ""})
        return await self._listed(visitor_id, event, request, name=offered, **answer)

    async def use_kept(self, event: gr.EventData, request: gr.Request) -> Update:
        """Fill the form with what is on the shelf; of a model that is not offered, with what fits the default one."""
        visitor_id, words, models = self._callers.visitor(request), self._callers.words(request), self._engine.models
        try:
            one = await self._engine.shelf.get(visitor_id, value_in(event, "id"))
        except DreaminaError as error:
            said = words.sentence(error)
            return {self.shown: await self._listed(visitor_id, event, request, said=said, is_problem=True)}
        card = models.get(one.model_id) or models.default
        record = {"model_id": one.model_id, "settings": first_of(card, one.payload)}
        values, problem = await compared(visitor_id, partial(settings_of, card, record))
        if card.prompt and card.prompt.name in values:
            values[card.prompt.name] = one.payload[card.prompt.name]
        message = gr.update(value="", visible=False)
        if problem is not None:
            key = "shelf.invalid" if one.model_id == card.model_id else "shelf.model_gone"
            message = problem_html(words.say(key, name=_apart(one.name)))
        shown = await self._listed(visitor_id, event, request, done="use")
        return {
            self.shown: shown,
            **self._compose.fill(values, card.model_id, as_typed=True),
            self._compose.refusal: message,
        }

    async def put_into_batch(self, request: gr.Request, event: gr.EventData, *values: Any) -> Update:
        """Add what is on the shelf to the batch's table, which is made if there is none; what is in it stays."""
        inputs = dict(zip(self._batch.planning_inputs, values, strict=True))
        visitor_id, words = self._callers.visitor(request), self._callers.words(request)
        update: Update = {}
        answer: dict[str, Any] = {"done": "into_batch", "is_problem": True}
        try:
            one = await self._engine.shelf.get(visitor_id, value_in(event, "id"))
            there = await self._batch.table_plan(inputs, request)
            card = self._engine.models.get(one.model_id)
            if card is None:
                answer["said"] = words.say("shelf.batch.not_offered", name=_apart(one.name))
            elif there is not None and not there.videos:
                answer["said"] = words.say("shelf.batch.table_first")
            else:
                videos = [(video.card.model_id, video.payload) for video in (there.videos if there else ())]
                typed = one.payload.get(card.prompt.name, "") if card.prompt else ""
                more, room = read(str(typed)).count, BATCH_MOST - len(videos)
                if not room:
                    answer["said"] = words.say("shelf.batch.full", count=len(videos))
                elif more > room:
                    facts = {"count": str(given_count(more)), "room": room}
                    answer["said"] = words.say("shelf.batch.too_many", name=_apart(one.name), **facts)
                else:
                    rows = [*videos, (one.model_id, one.payload)]
                    table = written_table(self._engine.models, rows, as_typed=[len(videos)])
                    file = await asyncio.to_thread(_written_file, table)
                    update = {self._batch.csv: file, self._batch.mode: "csv"}
                    said = words.say("shelf.in_batch", name=_apart(one.name), count=len(videos) + more)
                    answer |= {"said": said, "is_problem": False}
        except DreaminaError as error:
            answer["said"] = words.sentence(error)
        return {self.shown: await self._listed(visitor_id, event, request, **answer), **update}

    async def take_in_table(self, table: str, event: gr.EventData, request: gr.Request) -> str:
        """Put the rows of a table on the shelf, all or none; or list what is wrong with them, or what has to be agreed to."""
        visitor_id, words = self._callers.visitor(request), self._callers.words(request)
        said: str | Markup
        is_problem = True
        try:
            data = base64.b64decode(table if isinstance(table, str) else "", validate=True)
            plan = await planned(visitor_id, partial(self._plan, data, _agreed(event), words))
            if plan.question is not None:
                said = question_html(plan.question, words)
            elif plan.videos:
                kept = await self._engine.shelf.take_in(self._callers.known_visitor(request), plan.videos)
                said, is_problem = words.say("shelf.taken_in", count=len(kept)), False
            else:
                said = _problems_html(plan, words)
        except (binascii.Error, ValueError):
            said = words.say("shelf.file_empty")
        except DreaminaError as error:
            said = self._sentence(error, words)
        return await self._listed(visitor_id, event, request, done="import", said=said, is_problem=is_problem)

    def _plan(self, data: bytes, agreed: list[str], words: Words) -> Plan:
        models = self._engine.models
        return plan_csv(
            models.default,
            data,
            {},
            agreed,
            models=models,
            comma=words.decimal_comma,
            most=SHELF_MOST,
            check_name=plain_name,
            keeps_alternatives=True,
        )

    async def _listed(self, visitor_id: str, event: gr.EventData, request: gr.Request, **answer: Any) -> str:
        given = value_in(event, "words")
        sought = given[:SOUGHT_MOST] if isinstance(given, str) else ""
        try:
            kept = await self._engine.shelf.listed(visitor_id, sought)
        except DreaminaError as error:
            said = self._callers.words(request).sentence(error)
            return listed_json([], self._engine.models, **{**answer, "said": said, "is_problem": True})
        return listed_json(kept, self._engine.models, sought=sought, **answer)

    def _sentence(self, error: DreaminaError, words: Words, card: Card | None = None) -> str:
        if not isinstance(error, InvalidInput):
            return words.sentence(error, sent=False)
        field = card.field(error.field) if card else None
        is_name = field is None and error.field == "name"
        title = (
            words.say("shelf.name")
            if is_name
            else words.field_title(error.field, field.title if field else error.field)
        )
        return words.field_problem(error, title)


def _problems_html(plan: Plan, words: Words) -> str | Markup:
    [*problems] = plan.problems
    facts = problems[0].facts if problems else {}
    kinds = [problem.problem for problem in problems]
    if kinds in ([], ["empty"]):
        return words.say("shelf.file_empty")
    if kinds == ["too_many"]:
        return words.say("shelf.too_many", given=facts["given"], limit=facts["limit"])
    if kinds == ["too_big"]:
        return words.say("shelf.too_big", limit=BYTES_MOST)
    return problem_list_html(problems, words, words.say("shelf.problems"))


def _agreed(event: gr.EventData) -> list[str]:
    agreed = value_in(event, "agreed")
    return [each[:100] for each in agreed[:20] if isinstance(each, str)] if isinstance(agreed, list) else []


def _written_file(table: str) -> str:
    """The table as a file where Gradio keeps uploads, as if the visitor had chosen it; it is deleted like those."""
    folder = upload_folder() / secrets.token_hex(16)
    folder.mkdir(parents=True)
    path = folder / TABLE_NAME
    path.write_text(table, encoding="utf-8", newline="")
    return str(path)


def _apart(name: str) -> str:
    """The name in quotation marks, whose direction of writing changes nothing around it."""
    return f"“\u2068{name}\u2069”"
