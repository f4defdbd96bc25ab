"""Compose: the form, the price and the usual time, and the click that submits the jobs."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from markupsafe import Markup

from dreamina_ui.cards.alternatives import literal
from dreamina_ui.cards.aside import compared
from dreamina_ui.cards.links import is_as_typed, link_of, model_from, values_from
from dreamina_ui.cards.media.file_names import files_in
from dreamina_ui.cards.model_card import Card
from dreamina_ui.cards.schema.fields import Field
from dreamina_ui.engine.engine import Engine
from dreamina_ui.errors import DreaminaError, InvalidInput, JobNotFound, VisitorLost, VisitorUnknown
from dreamina_ui.jobs import Job
from dreamina_ui.media.inputs import Added
from dreamina_ui.media.reading import Busy, DroppedFiles, Stopped
from dreamina_ui.ui.asked import Asked
from dreamina_ui.ui.form import Form
from dreamina_ui.ui.forms import Forms, labels_json
from dreamina_ui.ui.gradio_internals import kept_text
from dreamina_ui.ui.html.connection import unknown_visitor_html
from dreamina_ui.ui.html.notify import notify_html
from dreamina_ui.ui.html.shelf import shelf_html
from dreamina_ui.ui.html.stage import problem_html
from dreamina_ui.ui.sections.media import file_update
from dreamina_ui.ui.settings_file import settings_of
from dreamina_ui.ui.translations import Fixed
from dreamina_ui.web.callers import Callers
from dreamina_ui.web.checks.upload_form import RECORD_ENDINGS, TABLE_ENDINGS, TABLE_MOST, VIDEO_MOST
from dreamina_ui.wording import Words

__all__ = ["Compose"]

LABELS_SCRIPT = "(labels) => [{ __type__: 'update', choices: JSON.parse(labels) }]"
_PRICE = Markup('<p class="price"><b>{price}</b>{usual}</p>{note}')
_PRICE_NOTE = Markup('<p class="price-note" dir="auto">{}</p>')
WITH_BRACES = "(text) => (String(text ?? '').includes('{') ? text : '')"
Update = dict[Any, Any]
SHELF_SCRIPT = "window.dreamina.connect('shelf', trigger)"
PROMPT_MOST = 80
"""Characters of a prompt in a sentence."""


class Compose:
    """The section on the page."""

    def __init__(self, engine: Engine, callers: Callers, fixed: Fixed, picker: gr.Dropdown) -> None:
        self._engine = engine
        self._callers = callers
        self._dropped = DroppedFiles()
        self.forms = Forms(engine.models, fixed, picker)
        with gr.Row(elem_classes="before-click", equal_height=True):
            self.price = gr.HTML("", visible=False, elem_id="price", js_on_load=None)
            self._bell = gr.HTML(
                fixed.fragment("notify", notify_html),
                elem_classes="notify",
                min_width=40,
                visible=False,
                js_on_load=None,
            )
        self.to_batch = gr.Button(fixed.text("alternatives.to_batch"), elem_id="to-batch", size="sm", visible=False)
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
        self.shelf = gr.HTML(
            fixed.fragment("shelf", partial(shelf_html, endings=TABLE_ENDINGS)),
            visible=False,
            elem_id="shelf",
            js_on_load=SHELF_SCRIPT,
        )
        self.refusal = gr.HTML("", visible=False, elem_id="refusal", elem_classes="problem", js_on_load=None)
        # A script sets this at each click: a double click has the same id.
        self.click_id = kept_text("click-id")
        # The alternatives of a prompt that are shown, and the prompts with a brace, of which alone the server is told.
        self.planned = kept_text("alternatives-shown")
        self._braced = [
            kept_text(f"prompt-with-braces-{number}") for number, form in enumerate(self.forms.all) if form.prompt
        ]
        # The job that the next one continues, and the digest of the picture that was taken from it.
        self.continues = kept_text("continues")
        # The last click that was accepted: what it sent is no draft any more.
        self.accepted = kept_text("accepted")
        # What the price that is shown was told by; and what is known since, when it is something else: then it is shown again.
        self.known = kept_text("price-known")
        self.learned = kept_text("price-learned")
        # Changes when the page was opened with a draft in the form, or with another model than the default.
        self.restored = kept_text("form-restored")

    @property
    def later(self) -> list[Any]:
        return [self.price, self._bell, self.file, self.shelf]

    @property
    def filled(self) -> list[Any]:
        """What a link, a file, an example or a job fills in."""
        return [*self.forms.outputs, self.refusal, self.continues]

    @property
    def price_inputs(self) -> list[Any]:
        """The inputs of the price."""
        return [self.forms.picker, *self.forms.controls]

    @property
    def start_inputs(self) -> list[Any]:
        """The inputs of the start. The last is the click id, which a script sets."""
        return [*self.price_inputs, self.planned, self.continues, self.click_id]

    @property
    def price_outputs(self) -> list[Any]:
        return [self.price, self.known, self.planned, self.to_batch]

    @property
    def messages(self) -> list[Any]:
        return [self.refusal, *(problem for form in self.forms.all for problem in form.problems.values())]

    def connect(self, quiet: dict[str, Any]) -> None:
        restored = self.restored.change
        changes = [restored, self.forms.picker.change, *(braced.change for braced in self._braced)]
        if self._engine.backend.charges:
            changes.append(self.learned.change)
        prompts = [form.prompt for form in self.forms.all if form.prompt]
        for prompt, braced in zip(prompts, self._braced, strict=True):
            typed = [prompt.change, restored]  # type: ignore[attr-defined]
            gr.on(typed, None, inputs=prompt, outputs=braced, js=WITH_BRACES, **quiet)
        for form in self.forms.all:
            changes.append(form.variations.change)
            if isinstance(length := form.controls.get("frames"), gr.Radio | gr.Dropdown):
                changes.append(length.change)
            for name, button in form.uploads.items():
                control = form.controls[name]
                outputs = [control, form.problems[name], form.notes[name]]
                button.upload(self._upload_handler(form, name), inputs=[button, control], outputs=outputs, **quiet)
        self.file.upload(self.fill_from_file, inputs=self.file, outputs=self.filled, **quiet)
        picker, labels = self.forms.picker, self.forms.labels
        labels.change(None, inputs=labels, outputs=picker, js=LABELS_SCRIPT, **quiet)
        picker.change(self.forms.show_picked, inputs=picker, outputs=self.forms.outputs, **quiet)
        # Only what a person picks: a draft or a link has values of its own for the other model.
        picker.input(
            self.carry_over, inputs=[self.forms.shown, *self.price_inputs], outputs=self.forms.outputs, **quiet
        )
        gr.on(
            changes,
            self.show_price,
            inputs=self.price_inputs,
            outputs=self.price_outputs,
            trigger_mode="always_last",
            **quiet,
        )

    async def carry_over(self, request: gr.Request, *values: Any) -> Update:
        """What is typed stays, as far as the picked model takes it."""
        contents = dict(zip([self.forms.shown, *self.price_inputs], values, strict=True))
        words = self._callers.words(request)
        return self.forms.carry_over(contents, comma=words.decimal_comma) or {self.forms.shown: gr.skip()}

    async def submit(self, request: gr.Request, values: Sequence[Any]) -> tuple[Job | None, Update]:
        """Submit the jobs of one click, with the values of `start_inputs`.

        Returns the first job, or None with the problem below its field. Alternatives of a prompt are sent when they were shown.
        """
        contents = dict(zip(self.start_inputs, values, strict=True))
        words, click_id = self._callers.words(request), str(contents[self.click_id] or "")
        asked = await self._asked(contents, request)
        form, given = asked.form, asked.values
        clear: Update = {message: gr.update(value="", visible=False) for message in self.messages}
        if asked.is_too_much or asked.digest != str(contents[self.planned] or ""):
            shown = await self._price_update(asked, request)
            if asked.is_too_much:
                return None, {**clear, **shown, self.refusal: problem_html(asked.too_much_text(words))}
            if asked.has_alternatives:
                changed = words.say("alternatives.changed", count=asked.count)
                return None, {**clear, **shown, self.refusal: problem_html(changed)}
            clear |= shown
        try:
            visitor_id = self._callers.known_visitor(request)
            jobs = await self._engine.submit(
                visitor_id,
                given,
                model=form.card.model_id,
                count=asked.variations,
                each=asked.each,
                click_id=click_id or None,
                parent=await self._parent(visitor_id, str(contents[self.continues] or ""), form.card, given),
            )
        except (VisitorUnknown, VisitorLost) as error:
            link = link_of(form.card, given, is_default=form.card is self._engine.card, as_typed=True)
            return None, {**clear, self.refusal: problem_html(unknown_visitor_html(error, words, link))}
        except InvalidInput as error:
            return None, {**clear, **self.show_problem(form, error, words)}
        except DreaminaError as error:
            return None, {**clear, self.refusal: problem_html(words.sentence(error, sent=False))}
        return jobs[0], {**clear, self.accepted: jobs[0].job_id}

    async def _parent(self, visitor_id: str, continues: str, card: Card, given: Mapping[str, Any]) -> Job | None:
        """The job that the next one continues, as long as the picture that was taken from it is in the form."""
        job_id, _, digest = continues.partition(" ")
        picture = given.get(card.picture.name) if card.picture else None
        if not digest or digest not in {named.digest for named in files_in(picture)}:
            return None
        try:
            return await self._engine.job(visitor_id, job_id)
        except JobNotFound:  # deleted since: its picture is still here
            return None

    async def go_on(
        self, visitor_id: str, job_id: str, at_s: float | None, model_id: str, request: gr.Request
    ) -> Update:
        """Fill the form of a model that takes a picture with the last good frame of a job's video, or the one that is shown at
        `at_s` seconds, and with its prompt. Raises `DreaminaError`."""
        words = self._callers.words(request)
        job = await self._engine.job(visitor_id, job_id)
        card = self._engine.models.taking_picture(model_id, job.model_id)
        assert card is not None
        assert card.picture is not None
        form = self.forms.of(card.model_id)
        update = self.fill({card.prompt.name: job.prompt} if card.prompt else {}, card.model_id)
        origin = words.say("continue.origin", prompt=job.prompt[:PROMPT_MOST])
        frame = self._engine.frame(visitor_id, job, at_s, card.picture, address=self._callers.address(request))
        update |= await self.put_file(form, card.picture, "", request, frame, origin=origin)
        taken = next(files_in(update.get(form.controls[card.picture.name], "").split("\n")), None)
        return update | {self.continues: f"{job_id} {taken.digest}" if taken else ""}

    def show_visitor_problem(self, request: gr.Request) -> Update:
        """Show a request without a known visitor, when the page opens, the error that a click would get."""
        try:
            self._callers.known_visitor(request)
        except (VisitorUnknown, VisitorLost) as error:
            return {self.refusal: problem_html(unknown_visitor_html(error, self._callers.words(request)))}
        return {}

    def show_problem(self, form: Form, error: InvalidInput, words: Words) -> Update:
        field = form.card.field(error.field)
        title = words.field_title(error.field, field.title if field else error.field)
        return {form.problems.get(error.field, self.refusal): problem_html(words.field_problem(error, title))}

    def fill(self, values: Mapping[str, Any], model_id: object = None, *, as_typed: bool = False) -> Update:
        """Show a model's form with these values; fields without one stay as they are.

        For a model that is not offered, and without one, it is the default's form. The prompt is the very text, so that braces in
        it that would be alternatives are doubled, unless it is `as_typed`.
        """
        form = self.forms.of(model_id)
        prompt = form.card.prompt
        if prompt and not as_typed and isinstance(text := values.get(prompt.name), str):
            values = {**values, prompt.name: literal(text)}
        return {**self.forms.choose(form.card), **form.contents(values)}

    async def fill_from_job(self, job_id: str, request: gr.Request, *, new_seed: bool = False) -> Update:
        """Show the settings of one of the visitor's jobs, in its model's form; with `new_seed`, the seed is the default."""
        try:
            job = await self._engine.job(self._callers.visitor(request), job_id)
        except DreaminaError as error:
            return {self.refusal: problem_html(self._callers.words(request).sentence(error))}
        seed = self.forms.of(job.model_id).card.field("seed") if new_seed else None
        others = {"seed": seed.default} if seed else {}
        return {
            self.refusal: gr.update(value="", visible=False),
            self.continues: await self._continued_by(job),
            **self.fill({**job.payload, **others}, job.model_id),
        }

    async def _continued_by(self, job: Job) -> str:
        """What `continues` holds for a job that is made like this one: the same parent."""
        card, parent = self.forms.of(job.model_id).card, await self._engine.history.parent(job)
        picture = job.payload.get(card.picture.name) if card.picture else None
        named = next(files_in(picture), None)
        return f"{parent.job_id} {named.digest}" if parent and named else ""

    async def fill_from_file(self, path: str, request: gr.Request) -> Update:
        """Fill the form with the settings in a file; a file without settings changes nothing."""
        model_id, values, problem = await self._settings_in(Path(str(path)), request)
        words = self._callers.words(request)
        message = problem_html(words.say(f"settings.{problem}")) if problem else gr.update(value="", visible=False)
        return {**(self.fill(values, model_id) if values else {}), self.refusal: message}

    async def _settings_in(self, path: Path, request: gr.Request) -> tuple[object, dict[str, Any], str | None]:
        """The model and the settings in a file, and what is wrong with it, of `settings.*` in the words."""
        visitor_id = self._callers.visitor(request)
        try:
            record = await self._dropped.record(visitor_id, path, most=VIDEO_MOST, most_alone=TABLE_MOST)
        except Busy:
            return None, {}, "busy"
        except Stopped:
            return None, {}, "too_much"
        card = self._engine.models.get(str((record or {}).get("model_id"))) or self._engine.card
        return card.model_id, *await compared(visitor_id, partial(settings_of, card, record))

    def _upload_handler(self, form: Form, name: str) -> Callable[..., Awaitable[Update]]:
        """A handler that keeps a file that was uploaded, and puts its name into the field."""
        field = next(field for field in form.card.fields if field.name == name)

        async def handle(path: str, content: str, request: gr.Request) -> Update:
            async def adding() -> Added:
                visitor_id, address = self._callers.known_visitor(request), self._callers.address(request)
                return await self._engine.inputs.add(Path(str(path)), visitor_id, field, address=address)

            return await self.put_file(form, field, content, request, adding())

        return handle

    async def put_file(
        self, form: Form, field: Field, content: str, request: gr.Request, adding: Awaitable[Added], *, origin: str = ""
    ) -> Update:
        """Put a file into a field, or say what is wrong with it."""
        name = field.name
        shown = {"control": form.controls[name], "problem": form.problems[name], "note": form.notes[name]}
        return await file_update(field, content, adding, self._callers.words(request), origin=origin, **shown)

    def fill_from_link(self, query: Mapping[str, str], words: Words) -> Update:
        """Fill the form with the settings in a link; a value that does not fit is reported and left out."""
        card, problem = model_from(self._engine.models, query)
        values, fault = values_from(card, query, comma=words.decimal_comma)
        typed = is_as_typed(card, query)
        update = self.fill(values, card.model_id, as_typed=typed) if values or card is not self._engine.card else {}
        if (problem := problem or fault) is None:
            return update
        field = card.field(problem.field)
        title = words.field_title(problem.field, field.title if field else problem.field)
        sentence = words.say("link.problem", problem=words.field_problem(problem, title))
        return {
            **update,
            self.forms.of(card.model_id).problems.get(problem.field, self.refusal): problem_html(sentence),
        }

    async def show_price(self, request: gr.Request, *values: Any) -> Update:
        """The price; and the prompts that alternatives make, or that they are too many."""
        contents = dict(zip(self.price_inputs, values, strict=True))
        return await self._price_update(await self._asked(contents, request), request)

    async def learned_update(self, job: Job, known: str, visitor_id: str, words: Words) -> Update:
        """What is learned from a job that has ended, if the price that is shown was not told by it: by what is `known`."""
        card = self._engine.models.get(job.model_id)
        with suppress(DreaminaError):  # the price that is shown stays
            if card and (learned := await self._known(visitor_id, card, job.payload)).text(words) != known:
                return {self.learned: learned.text(words)}
        return {}

    async def asked(self, request: gr.Request, values: Sequence[Any]) -> Asked:
        """What a click would make, with the values of `price_inputs`."""
        return await self._asked(dict(zip(self.price_inputs, values, strict=True)), request)

    async def _asked(self, contents: Mapping[Any, Any], request: gr.Request) -> Asked:
        comma, visitor_id = self._callers.words(request).decimal_comma, self._callers.visitor(request)
        return await Asked.of(self.forms.picked(contents), contents, visitor_id, comma=comma)

    async def _price_update(self, asked: Asked, request: gr.Request) -> Update:
        visitor_id, words = self._callers.visitor(request), self._callers.words(request)
        return {
            **await self.price_update(visitor_id, asked.form.card, asked.values, words, asked.count, asked),
            self.planned: "" if asked.is_too_much else asked.digest,
            self.to_batch: gr.update(visible=asked.is_too_much and asked.fits_a_batch),
        }

    @property
    def has_prices_of_models(self) -> bool:
        """Whether the picker has something to say about money."""
        return self._engine.backend.charges and len(self._engine.models) > 1

    async def show_prices_of_models(self, request: gr.Request) -> str:
        """The price of each model with its defaults, as far as it is known, for the picker."""
        visitor_id, words = self._callers.visitor(request), self._callers.words(request)

        async def price(card: Card) -> str:
            usd = await self._engine.money.estimate_usd(
                card, {field.name: field.default for field in card.fields}, visitor_id
            )
            said = await self._engine.money.price(card, visitor_id)
            return words.price(self._engine.backend, usd, base_usd=said.base_price_usd, unit=said.unit)

        models = self._engine.models
        prices = await asyncio.gather(*map(price, models))
        return labels_json(models, words, dict(zip((card.model_id for card in models), prices, strict=True)))

    async def price_update(
        self,
        visitor_id: str,
        card: Card,
        values: Mapping[str, Any],
        words: Words,
        count: int = 1,
        asked: Asked | None = None,
    ) -> Update:
        """The price of `count` videos with these values, or of what is `asked`, and what it is told by."""
        known = await self._known(visitor_id, card, values)
        return {
            self.price: await self._price_html(known, visitor_id, card, words, count, asked),
            self.known: known.text(words),
        }

    async def _known(self, visitor_id: str, card: Card, values: Mapping[str, Any]) -> "_Known":
        usd = await self._engine.money.estimate_usd(card, values, visitor_id)
        return _Known(
            f"{card.model_id} {values.get('frames')}",
            usd,
            await self._engine.history.usual_s(card.model_id, values),
            await self._engine.last_cost_usd(card, values, visitor_id) if usd is None else None,
        )

    async def _price_html(
        self, known: "_Known", visitor_id: str, card: Card, words: Words, count: int, asked: Asked | None
    ) -> Markup:
        usual = f" · {known.usual(words)}" if known.usual_s else ""
        said = await self._engine.money.price(card, visitor_id)
        total = None if known.usd is None else known.usd * count
        price = words.price(self._engine.backend, total, known.last_usd, base_usd=said.base_price_usd, unit=said.unit)
        note = _PRICE_NOTE.format(words.price_note(said.note)) if said.note else ""
        price, below = asked.html(price, words) if asked else (price, Markup())
        if asked and asked.is_too_much:
            return _PRICE.format(price=price, usual="", note=below)
        return _PRICE.format(price=price, usual=usual, note=below + note)


@dataclass(frozen=True, slots=True)
class _Known:
    """Of one video of a `kind`: what it costs, what it usually takes, and what the last one has cost if its price is unknown."""

    kind: str
    usd: float | None
    usual_s: float | None
    last_usd: float | None

    def usual(self, words: Words) -> str:
        return words.say("usual", time=words.seconds(self.usual_s)) if self.usual_s else ""

    def text(self, words: Words) -> str:
        """The same where the same price would be shown."""
        return f"{self.kind} {self.usd} {self.usual(words)} {self.last_usd}"
