"""Compose: the form, what it will cost, how long it takes, and the click that makes the videos."""

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
from dreamina_ui.ui.form import build_form
from dreamina_ui.ui.html.connection import stranger_html
from dreamina_ui.ui.html.notify import notify_html
from dreamina_ui.ui.html.stage import problem_html
from dreamina_ui.ui.settings_file import settings_of
from dreamina_ui.ui.translations import Fixed
from dreamina_ui.web.callers import Callers
from dreamina_ui.web.public_files import PublicFiles
from dreamina_ui.web.uploads import RECORD_ENDINGS
from dreamina_ui.wording import Words

__all__ = ["Compose"]

_PRICE = Markup('<p class="price"><b>{price}</b> {usual}</p>')
Update = dict[Any, Any]


class Compose:
    """The section on the page."""

    def __init__(self, engine: Engine, callers: Callers, fixed: Fixed, public_files: PublicFiles | None = None) -> None:
        self._engine = engine
        self._callers = callers
        self._public_files = public_files
        self.form = build_form(engine.card, fixed, uploads=public_files is not None)
        with gr.Row(elem_classes="before-click", equal_height=True):
            self.price = gr.HTML("", elem_id="price")
            gr.HTML(
                fixed.fragment("notify", notify_html),
                elem_classes="notify",
                min_width=40,
            )
        with gr.Row(elem_classes="actions"):
            self.generate = gr.Button(fixed.text("generate"), variant="primary", elem_id="generate", scale=3)
            self.cancel = gr.Button(fixed.text("cancel"), elem_id="cancel", scale=1, visible=False)
        self.file = gr.UploadButton(
            str(fixed.text("fill_from_file")),
            file_types=list(RECORD_ENDINGS),
            elem_id="settings-file",
            size="sm",
            type="filepath",
        )
        self.refusal = gr.HTML("", visible=False, elem_id="refusal", elem_classes="problem")
        # Filled in by the browser at each click: the same wish has the same id.
        self.click_id = gr.Textbox(visible="hidden", elem_id="click-id", label="click")
        # The last click that was accepted: what it sent is no draft any more.
        self.accepted = gr.Textbox(visible="hidden", elem_id="accepted", label="accepted")

    @property
    def controls(self) -> list[Any]:
        return list(self.form.controls.values())

    @property
    def priced(self) -> list[Any]:
        """What the price depends on."""
        return [*self.controls, self.form.variations]

    @property
    def sent(self) -> list[Any]:
        """What a click sends. The last is the click's id: the script that fills it in takes the last."""
        return [*self.priced, self.click_id]

    @property
    def messages(self) -> list[Any]:
        return [self.refusal, *self.form.problems.values()]

    def connect(self, quiet: dict[str, Any]) -> None:
        changes = [self.form.variations.change]
        if isinstance(length := self.form.controls.get("frames"), gr.Radio | gr.Dropdown):
            changes.append(length.change)
        self.file.upload(self.take_file, inputs=self.file, outputs=[*self.controls, self.refusal], **quiet)
        for name, button in self.form.uploads.items():
            outputs = [self.form.controls[name], self.form.problems[name]]
            button.upload(self._taker(name), inputs=button, outputs=outputs, **quiet)
        gr.on(changes, self.show_price, inputs=self.priced, outputs=self.price, **quiet)

    async def submit(self, request: gr.Request, values: Sequence[Any]) -> tuple[Job | None, Update]:
        """One click, with the values of `sent`: the first of its jobs, or None with the problem beside its field."""
        held = dict(zip(self.sent, values, strict=True))
        clear: Update = {message: gr.update(value="", visible=False) for message in self.messages}
        words, click_id = self._callers.words(request), str(held[self.click_id] or "")
        try:
            jobs = await self._engine.submit(
                self._callers.known_visitor(request),
                self.form.values(held),
                count=self._count(held),
                click_id=click_id or None,
            )
        except (VisitorUnknown, VisitorLost) as error:
            link = link_of(self._engine.card, self.form.values(held))
            return None, {**clear, self.refusal: problem_html(stranger_html(error, words, link))}
        except InvalidInput as error:
            return None, {**clear, **self.tell(error, words)}
        except DreaminaError as error:
            return None, {**clear, self.refusal: problem_html(words.sentence(error, sent=False))}
        return jobs[0], {**clear, self.accepted: jobs[0].job_id}

    def greet(self, request: gr.Request) -> Update:
        """Says at once to a stranger what every click would be answered."""
        try:
            self._callers.known_visitor(request)
        except (VisitorUnknown, VisitorLost) as error:
            return {self.refusal: problem_html(stranger_html(error, self._callers.words(request)))}
        return {}

    def tell(self, error: InvalidInput, words: Words) -> Update:
        field = self._engine.card.field(error.field)
        title = words.field_title(error.field, field.title if field else error.field)
        return {self.form.problems.get(error.field, self.refusal): problem_html(words.field_problem(error, title))}

    def fill(self, values: Mapping[str, Any]) -> Update:
        """Put values into the form; fields without one stay as they are."""
        return self.form.held(values)

    async def take_job(self, job_id: str, request: gr.Request, **others: Any) -> Update:
        """The settings of a job of the visitor's go into the form, but for `others`."""
        try:
            job = await self._engine.job(self._callers.visitor(request), job_id)
        except DreaminaError as error:
            return {self.refusal: problem_html(self._callers.words(request).sentence(error))}
        return {self.refusal: gr.update(value="", visible=False), **self.fill({**job.payload, **others})}

    async def take_file(self, path: str, request: gr.Request) -> Update:
        """The settings inside a file go into the form; a file without any changes nothing."""
        values, problem = await asyncio.to_thread(settings_of, self._engine.card, Path(str(path)))
        words = self._callers.words(request)
        told = problem_html(words.say(f"settings.{problem}")) if problem else gr.update(value="", visible=False)
        return {**self.fill(values), self.refusal: told}

    def _taker(self, name: str) -> Callable[..., Awaitable[Update]]:
        """What puts the address of a file that is handed in into the field of that name."""
        control, problem = self.form.controls[name], self.form.problems[name]

        async def take(path: str, request: gr.Request) -> Update:
            try:
                self._callers.known_visitor(request)
            except (VisitorUnknown, VisitorLost) as error:
                return {problem: problem_html(stranger_html(error, self._callers.words(request)))}
            address, refused = await self._public_files.add(Path(str(path))) if self._public_files else ("", "failed")
            if refused:
                return {problem: problem_html(self._callers.words(request).say(f"upload.{refused}"))}
            return {control: address, problem: gr.update(value="", visible=False)}

        return take

    def take_link(self, query: Mapping[str, str], words: Words) -> Update:
        """The settings in a link go into the form; what does not fit is said, and left out."""
        values, problem = values_from(self._engine.card, query)
        if problem is None:
            return self.fill(values)
        field = self._engine.card.field(problem.field)
        title = words.field_title(problem.field, field.title if field else problem.field)
        sentence = words.say("link.problem", problem=words.field_problem(problem, title))
        return {**self.fill(values), self.form.problems.get(problem.field, self.refusal): problem_html(sentence)}

    async def show_price(self, request: gr.Request, *values: Any) -> Markup:
        held = dict(zip(self.priced, values, strict=True))
        visitor_id, words = self._callers.visitor(request), self._callers.words(request)
        return await self.price_html(visitor_id, self.form.values(held), words, self._count(held))

    async def price_html(self, visitor_id: str, values: Mapping[str, Any], words: Words, count: int = 1) -> Markup:
        usd, usual_s = await self._engine.estimate_usd(values, visitor_id), await self._engine.history.usual_s(values)
        usual = words.say("usual", time=words.seconds(usual_s)) if usual_s else ""
        price = words.price(self._engine.backend, None if usd is None else usd * count)
        return _PRICE.format(price=price, usual=usual)

    def _count(self, held: Mapping[Any, Any]) -> int:
        count = held[self.form.variations]
        return count if isinstance(count, int) and count else 1
