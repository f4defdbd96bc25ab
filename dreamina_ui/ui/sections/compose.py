"""Compose: the form, the price and the usual time, and the click that submits the jobs."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from markupsafe import Markup

from dreamina_ui.cards.links import link_of, values_from
from dreamina_ui.engine.engine import Engine
from dreamina_ui.errors import DreaminaError, InvalidInput, VisitorLost, VisitorUnknown
from dreamina_ui.jobs import Job
from dreamina_ui.media.reading import Busy, DroppedFiles, Stopped
from dreamina_ui.ui.form import build_form
from dreamina_ui.ui.gradio_internals import kept_text
from dreamina_ui.ui.html.connection import unknown_visitor_html
from dreamina_ui.ui.html.notify import notify_html
from dreamina_ui.ui.html.stage import problem_html
from dreamina_ui.ui.settings_file import settings_of
from dreamina_ui.ui.translations import Fixed
from dreamina_ui.web.callers import Callers
from dreamina_ui.web.public_files import PublicFiles
from dreamina_ui.web.uploads import RECORD_ENDINGS, TABLE_MOST, VIDEO_MOST
from dreamina_ui.wording import Words

__all__ = ["Compose"]

_PRICE = Markup('<p class="price"><b>{price}</b>{usual}</p>')
Update = dict[Any, Any]


class Compose:
    """The section on the page."""

    def __init__(self, engine: Engine, callers: Callers, fixed: Fixed, public_files: PublicFiles | None = None) -> None:
        self._engine = engine
        self._callers = callers
        self._public_files = public_files
        self._dropped = DroppedFiles()
        self.form = build_form(engine.card, fixed, uploads=public_files is not None)
        with gr.Row(elem_classes="before-click", equal_height=True):
            self.price = gr.HTML("", visible=False, elem_id="price", js_on_load=None)
            self._bell = gr.HTML(
                fixed.fragment("notify", notify_html),
                elem_classes="notify",
                min_width=40,
                visible=False,
                js_on_load=None,
            )
        with gr.Row(elem_classes="actions"):
            self.generate = gr.Button(fixed.text("generate"), variant="primary", elem_id="generate", scale=3)
            self.cancel = gr.Button(fixed.text("cancel"), elem_id="cancel", scale=1, visible=False)
        self.file = gr.UploadButton(
            str(fixed.text("fill_from_file")),
            file_types=list(RECORD_ENDINGS),
            elem_id="settings-file",
            visible=False,
            size="sm",
            type="filepath",
        )
        self.refusal = gr.HTML("", visible=False, elem_id="refusal", elem_classes="problem", js_on_load=None)
        # A script sets this at each click: a double click has the same id.
        self.click_id = kept_text("click-id")
        # The last click that was accepted: what it sent is no draft any more.
        self.accepted = kept_text("accepted")

    @property
    def later(self) -> list[Any]:
        return [self.price, self._bell, self.file]

    @property
    def controls(self) -> list[Any]:
        return list(self.form.controls.values())

    @property
    def price_inputs(self) -> list[Any]:
        """The inputs of the price."""
        return [*self.controls, self.form.variations]

    @property
    def start_inputs(self) -> list[Any]:
        """The inputs of the start. The last is the click id, which a script sets."""
        return [*self.price_inputs, self.click_id]

    @property
    def messages(self) -> list[Any]:
        return [self.refusal, *self.form.problems.values()]

    def connect(self, quiet: dict[str, Any]) -> None:
        changes = [self.form.variations.change]
        if isinstance(length := self.form.controls.get("frames"), gr.Radio | gr.Dropdown):
            changes.append(length.change)
        self.file.upload(self.fill_from_file, inputs=self.file, outputs=[*self.controls, self.refusal], **quiet)
        for name, button in self.form.uploads.items():
            outputs = [self.form.controls[name], self.form.problems[name]]
            button.upload(self._upload_handler(name), inputs=button, outputs=outputs, **quiet)
        gr.on(changes, self.show_price, inputs=self.price_inputs, outputs=self.price, **quiet)

    async def submit(self, request: gr.Request, values: Sequence[Any]) -> tuple[Job | None, Update]:
        """Submit the jobs of one click, with the values of `start_inputs`.

        Returns the first job, or None with the problem below its field.
        """
        contents = dict(zip(self.start_inputs, values, strict=True))
        clear: Update = {message: gr.update(value="", visible=False) for message in self.messages}
        words, click_id = self._callers.words(request), str(contents[self.click_id] or "")
        try:
            jobs = await self._engine.submit(
                self._callers.known_visitor(request),
                self.form.values(contents, comma=words.decimal_comma),
                count=self._count(contents),
                click_id=click_id or None,
            )
        except (VisitorUnknown, VisitorLost) as error:
            link = link_of(self._engine.card, self.form.values(contents, comma=words.decimal_comma))
            return None, {**clear, self.refusal: problem_html(unknown_visitor_html(error, words, link))}
        except InvalidInput as error:
            return None, {**clear, **self.show_problem(error, words)}
        except DreaminaError as error:
            return None, {**clear, self.refusal: problem_html(words.sentence(error, sent=False))}
        return jobs[0], {**clear, self.accepted: jobs[0].job_id}

    def show_visitor_problem(self, request: gr.Request) -> Update:
        """Show a request without a known visitor, when the page opens, the error that a click would get."""
        try:
            self._callers.known_visitor(request)
        except (VisitorUnknown, VisitorLost) as error:
            return {self.refusal: problem_html(unknown_visitor_html(error, self._callers.words(request)))}
        return {}

    def show_problem(self, error: InvalidInput, words: Words) -> Update:
        field = self._engine.card.field(error.field)
        title = words.field_title(error.field, field.title if field else error.field)
        return {self.form.problems.get(error.field, self.refusal): problem_html(words.field_problem(error, title))}

    def fill(self, values: Mapping[str, Any]) -> Update:
        """Put values into the form; fields without one stay as they are."""
        return self.form.contents(values)

    async def fill_from_job(self, job_id: str, request: gr.Request, **others: Any) -> Update:
        """Fill the form with the settings of one of the visitor's jobs, replaced by `others`."""
        try:
            job = await self._engine.job(self._callers.visitor(request), job_id)
        except DreaminaError as error:
            return {self.refusal: problem_html(self._callers.words(request).sentence(error))}
        return {self.refusal: gr.update(value="", visible=False), **self.fill({**job.payload, **others})}

    async def fill_from_file(self, path: str, request: gr.Request) -> Update:
        """Fill the form with the settings in a file; a file without settings changes nothing."""
        values, problem = await self._settings_in(Path(str(path)), request)
        words = self._callers.words(request)
        message = problem_html(words.say(f"settings.{problem}")) if problem else gr.update(value="", visible=False)
        return {**self.fill(values), self.refusal: message}

    async def _settings_in(self, path: Path, request: gr.Request) -> tuple[dict[str, Any], str | None]:
        """The settings in a file, and what is wrong with it, of `SETTINGS_PROBLEMS`."""
        visitor_id = self._callers.visitor(request)
        try:
            record = await self._dropped.record(visitor_id, path, most=VIDEO_MOST, most_alone=TABLE_MOST)
        except Busy:
            return {}, "busy"
        except Stopped:
            return {}, "too_much"
        return await asyncio.to_thread(settings_of, self._engine.card, record)

    def _upload_handler(self, name: str) -> Callable[..., Awaitable[Update]]:
        """A handler that stores an uploaded file, and puts its address into the field."""
        control, problem = self.form.controls[name], self.form.problems[name]

        async def handle(path: str, request: gr.Request) -> Update:
            try:
                visitor_id = self._callers.known_visitor(request)
            except (VisitorUnknown, VisitorLost) as error:
                return {problem: problem_html(unknown_visitor_html(error, self._callers.words(request)))}
            files = self._public_files
            address, refusal = await files.add(Path(str(path)), visitor_id) if files else ("", "failed")
            if refusal:
                return {problem: problem_html(self._callers.words(request).say(f"upload.{refusal}"))}
            return {control: address, problem: gr.update(value="", visible=False)}

        return handle

    def fill_from_link(self, query: Mapping[str, str], words: Words) -> Update:
        """Fill the form with the settings in a link; a value that does not fit is reported and left out."""
        values, problem = values_from(self._engine.card, query, comma=words.decimal_comma)
        if problem is None:
            return self.fill(values)
        field = self._engine.card.field(problem.field)
        title = words.field_title(problem.field, field.title if field else problem.field)
        sentence = words.say("link.problem", problem=words.field_problem(problem, title))
        return {**self.fill(values), self.form.problems.get(problem.field, self.refusal): problem_html(sentence)}

    async def show_price(self, request: gr.Request, *values: Any) -> Markup:
        contents = dict(zip(self.price_inputs, values, strict=True))
        visitor_id, words = self._callers.visitor(request), self._callers.words(request)
        given = self.form.values(contents, comma=words.decimal_comma)
        return await self.price_html(visitor_id, given, words, self._count(contents))

    async def price_html(self, visitor_id: str, values: Mapping[str, Any], words: Words, count: int = 1) -> Markup:
        card = self._engine.card
        usd = await self._engine.estimate_usd(card, values, visitor_id)
        usual_s = await self._engine.history.usual_s(card.model_id, values)
        usual = f" · {words.say('usual', time=words.seconds(usual_s))}" if usual_s else ""
        last_usd = await self._engine.last_cost_usd(card, values, visitor_id) if usd is None else None
        price = words.price(self._engine.backend, None if usd is None else usd * count, last_usd)
        return _PRICE.format(price=price, usual=usual)

    def _count(self, contents: Mapping[Any, Any]) -> int:
        count = contents[self.form.variations]
        return count if isinstance(count, int) and count else 1
