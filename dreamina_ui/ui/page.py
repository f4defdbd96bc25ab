"""Places the sections and connects their events."""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any

import gradio as gr
from markupsafe import Markup

from dreamina_ui.engine import Engine
from dreamina_ui.errors import DreaminaError, InvalidInput
from dreamina_ui.jobs import Job, State
from dreamina_ui.ui.api import add_endpoints
from dreamina_ui.ui.asking import Asking
from dreamina_ui.ui.fixed import Fixed
from dreamina_ui.ui.form import build_form
from dreamina_ui.ui.history import SCRIPT as HISTORY_SCRIPT
from dreamina_ui.ui.history import history_html
from dreamina_ui.ui.stage import SavedVideo, empty_html, facts_html, file_name, screen_html, status_html
from dreamina_ui.ui.wording import LANGUAGES, Words, texts_of

__all__ = ["Page", "build_page"]

HISTORY_SHOWN = 24
_HEADER = Markup(
    '<div class="brand"><span class="logo" aria-hidden="true"></span><h1>Dreamina UI</h1>'
    '<span class="model">{model}</span></div><p class="badge {backend}"><b>{name}</b> {meaning}</p>'
    '<p class="languages">{languages}</p>'
)
_LANGUAGE = Markup('<button type="button" data-language="{0}" lang="{0}"{2}>{1}</button>')
_CHOSEN = Markup(' aria-current="true"')
_NOTE = Markup('<p class="note">{}</p>')
_PROBLEM = Markup('<p class="field-problem" role="alert">{}</p>')
_PRICE = Markup('<p class="price">{}</p>')

Update = dict[Any, Any]


class Page:
    """The page's parts, and what its events do: each handler reads, makes one call of the engine, and renders."""

    def __init__(self, engine: Engine, asking: Asking, fixed: Fixed) -> None:
        self._engine = engine
        self._asking = asking
        card = engine.card
        gr.HTML(fixed.fragment("header", self._header), elem_classes="header")
        with gr.Row(elem_classes="studio", equal_height=False):
            with gr.Column(scale=5, min_width=280, elem_classes="compose"):
                self.form = build_form(card, fixed)
                self.price = gr.HTML("", elem_id="price")
                with gr.Row(elem_classes="actions"):
                    self.generate = gr.Button(fixed.text("generate"), variant="primary", elem_id="generate", scale=3)
                    self.cancel = gr.Button(fixed.text("cancel"), elem_id="cancel", scale=1, visible=False)
                self.refusal = gr.HTML("", visible=False, elem_id="refusal", elem_classes="problem")
            with gr.Column(scale=8, min_width=280, elem_classes="stage"):
                self.screen = gr.HTML(fixed.fragment("empty", empty_html), elem_id="screen")
                self.player = SavedVideo(
                    visible=False, autoplay=True, loop=True, show_label=False, interactive=False, elem_id="player"
                )
                self.status = gr.HTML("", elem_id="status")
                with gr.Group(visible=False, elem_id="uncertain") as self.uncertain:
                    with gr.Row(equal_height=True):
                        self.request_id = gr.Textbox(
                            label=fixed.text("adopt.field"),
                            placeholder=fixed.text("adopt.placeholder"),
                            elem_id="request-id",
                            scale=3,
                        )
                        self.adopt = gr.Button(fixed.text("adopt"), elem_id="adopt", scale=1)
                        self.dismiss = gr.Button(fixed.text("dismiss"), elem_id="dismiss", scale=1)
                    self.adoption = gr.HTML("", visible=False, elem_id="problem-request-id", elem_classes="problem")
                self.resume = gr.Button(fixed.text("resume"), visible=False, elem_id="resume")
                self.facts = gr.HTML("", elem_id="facts")
        title = Markup("<h2>{}</h2>")
        gr.HTML(
            fixed.fragment("history.title", lambda words: title.format(words.say("history.title"))),
            elem_classes="section-title",
        )
        self.history = gr.HTML("", elem_id="history", js_on_load=HISTORY_SCRIPT, elem_classes="history")
        # Filled in by the browser at each click: the same wish has the same id.
        self.click_id = gr.Textbox(visible="hidden", elem_id="click-id", label="click")
        # The job on the stage. In the page and not in a session of the server, so that it outlives a restart.
        self.current = gr.Textbox(visible="hidden", elem_id="current", label="job")
        self.again = gr.Button(visible="hidden", elem_id="watch-again")
        # Changes when the job on the stage goes on after an end, so that it is watched anew.
        self.again_for = gr.Textbox(visible="hidden", elem_id="again-for", label="again")

    def connect(self, blocks: gr.Blocks) -> None:
        controls: set[Any] = set(self.form.controls.values())
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        blocks.load(self.open, outputs=[self.current, self.history, self.price], **quiet)
        started = self.generate.click(
            self.start,
            inputs={*controls, self.click_id},  # Gradio sorts a set by age: the click's id comes last
            outputs=self._start_outputs(),
            js="window.dreamina.withClickId",
            trigger_mode="once",
            **quiet,
        )
        started.then(self.list_history, outputs=self.history, **quiet)
        self.cancel.click(self.take_back, inputs=self.current, outputs=[self.status, self.cancel], **quiet)
        gr.on(
            [self.adopt.click, self.request_id.submit],
            self.take_in,
            inputs=[self.current, self.request_id],
            outputs=[self.adoption, self.again_for],
            **quiet,
        )
        self.dismiss.click(self.take_note, inputs=self.current, outputs=[self.adoption, self.again_for], **quiet)
        self.resume.click(self.look_again, inputs=self.current, outputs=[self.adoption, self.current], **quiet)
        self.history.select(self.choose, outputs=self.current, **quiet)
        gr.on(
            [self.current.change, self.again_for.change, self.again.click],
            self.watch,
            inputs=self.current,
            outputs=self._stage_outputs(),
            concurrency_limit=None,
            trigger_mode="multiple",
            **quiet,
        )
        if isinstance(length := self.form.controls.get("frames"), gr.Radio):
            length.change(self.show_price, inputs=controls, outputs=self.price, **quiet)

    async def open(self, request: gr.Request) -> tuple[Any, Any, Any]:
        """What was running goes back on the stage."""
        jobs, _ = await self._engine.history(self._asking.visitor(request), HISTORY_SHOWN)
        running = next((job.job_id for job in jobs if not job.ended), gr.skip())
        words = self._asking.words(request)
        price = await self._price({field.name: field.default for field in self._engine.card.fields}, words)
        return running, history_html(jobs, self._engine.library.poster, words), price

    async def start(self, held: dict[Any, Any], request: gr.Request) -> Update:
        """One click, one job; or the problem, beside the field it belongs to."""
        clear: Update = {problem: gr.update(value="", visible=False) for problem in self.form.problems.values()}
        clear[self.refusal] = gr.update(value="", visible=False)
        try:
            visitor_id, values = self._asking.visitor(request), self.form.values(held)
            job, *_ = await self._engine.submit(visitor_id, values, click_id=held[self.click_id] or None)
        except InvalidInput as error:
            words = self._asking.words(request)
            field = self._engine.card.field(error.field)
            title = words.field_title(error.field, field.title if field else error.field)
            return {
                **clear,
                self.form.problems.get(error.field, self.refusal): _shown(words.field_problem(error, title)),
            }
        except DreaminaError as error:
            return {**clear, self.refusal: _shown(self._asking.words(request).sentence(error))}
        return {**clear, self.current: job.job_id}

    async def watch(self, job_id: str, request: gr.Request) -> AsyncIterator[Update]:
        """Relay each change of the job on the stage, until it ends or another one takes the stage."""
        words = self._asking.words(request)
        if not job_id:
            yield self._empty_stage(words)
            return
        shown: Job | None = None
        try:
            async for job in self._asking.latest_only(request, self._engine.watch(job_id)):
                update = self._render(job, shown, words)
                if job.ended and shown is not None:
                    update[self.history] = await self.list_history(request)
                yield update
                shown = job
        except DreaminaError as error:
            yield {**self._empty_stage(words), self.status: _NOTE.format(words.sentence(error))}

    async def take_back(self, job_id: str, request: gr.Request) -> tuple[Any, Any]:
        """What the cancel achieved is said by the watcher; here only what kept it from being asked."""
        words = self._asking.words(request)
        try:
            job = await self._engine.cancel(job_id)
        except DreaminaError as error:
            return _NOTE.format(words.sentence(error)), gr.skip()
        return status_html(job, self._asking.now(), words), gr.update(visible=_can_cancel(job))

    async def take_in(self, job_id: str, request_id: str, request: gr.Request) -> tuple[Any, Any]:
        """Adopt the video of an uncertain job by the request id its owner found."""
        try:
            job = await self._engine.adopt(job_id, request_id.strip())
        except DreaminaError as error:
            return _shown(self._asking.words(request).sentence(error)), gr.skip()
        return gr.update(visible=False), _changed(job)

    async def take_note(self, job_id: str, request: gr.Request) -> tuple[Any, Any]:
        try:
            job = await self._engine.dismiss(job_id)
        except DreaminaError as error:
            return _shown(self._asking.words(request).sentence(error)), gr.skip()
        return gr.update(visible=False), _changed(job)

    async def look_again(self, job_id: str, request: gr.Request) -> tuple[Any, Any]:
        """Put the job that looks for a given-up video on the stage."""
        try:
            job = await self._engine.resume(job_id)
        except DreaminaError as error:
            return _shown(self._asking.words(request).sentence(error)), gr.skip()
        return gr.update(visible=False), job.job_id

    async def choose(self, event: gr.EventData) -> str:
        return str(event._data["job_id"]) if isinstance(event._data, dict) else ""

    async def list_history(self, request: gr.Request) -> Markup:
        jobs, _ = await self._engine.history(self._asking.visitor(request), HISTORY_SHOWN)
        return history_html(jobs, self._engine.library.poster, self._asking.words(request))

    async def show_price(self, held: dict[Any, Any], request: gr.Request) -> Markup:
        return await self._price(self.form.values(held), self._asking.words(request))

    async def _price(self, values: Mapping[str, Any], words: Words) -> Markup:
        return _PRICE.format(words.price(self._engine.backend, await self._engine.estimate_usd(values)))

    def _header(self, words: Words) -> Markup:
        backend = self._engine.backend
        return _HEADER.format(
            model=self._engine.card.title,
            backend=backend,
            name=words.say(f"badge.{backend}"),
            meaning=words.say(f"badge.{backend}.meaning"),
            languages=Markup().join(
                _LANGUAGE.format(
                    language, texts_of(language)["language.name"], _CHOSEN if language == words.language else ""
                )
                for language in LANGUAGES
            ),
        )

    def _start_outputs(self) -> list[Any]:
        return [self.current, self.refusal, *self.form.problems.values()]

    def _stage_outputs(self) -> list[Any]:
        stage = [self.screen, self.player, self.status, self.facts, self.uncertain, self.resume]
        return [*stage, self.generate, self.cancel, self.history]

    def _render(self, job: Job, shown: Job | None, words: Words) -> Update:
        update: Update = {
            self.status: status_html(job, self._asking.now(), words),
            self.generate: gr.update(interactive=not _is_being_sent(job)),
            self.cancel: gr.update(visible=_can_cancel(job)),
            self.uncertain: gr.update(visible=job.state is State.UNCERTAIN and not job.dismissed),
            self.resume: gr.update(visible=job.can_resume),
        }
        if shown is None or shown.state is not job.state:
            update[self.facts] = facts_html(job, words)
            video = self._engine.library.video(job.share_id)
            if job.state is State.SUCCEEDED and video.exists():
                day = datetime.fromtimestamp(job.created_at, UTC).date().isoformat()
                update[self.player] = gr.update(value=(video, file_name(job, day)), visible=True)
                update[self.screen] = gr.update(visible=False)
            else:
                update[self.player] = gr.update(value=None, visible=False)
                update[self.screen] = gr.update(value=screen_html(job, words), visible=True)
        return update

    def _empty_stage(self, words: Words) -> Update:
        return {
            self.screen: gr.update(value=empty_html(words), visible=True),
            self.player: gr.update(value=None, visible=False),
            self.status: "",
            self.facts: "",
            self.generate: gr.update(interactive=True),
            self.cancel: gr.update(visible=False),
            self.uncertain: gr.update(visible=False),
            self.resume: gr.update(visible=False),
        }


def build_page(engine: Engine, asking: Asking) -> tuple[gr.Blocks, gr.I18n]:
    """The whole app as Gradio blocks, with the page's private events and the public endpoints, and its fixed texts."""
    fixed = Fixed()
    blocks: gr.Blocks
    with gr.Blocks(title="Dreamina UI", analytics_enabled=False, fill_width=True) as blocks:
        page = Page(engine, asking, fixed)
        page.connect(blocks)
        add_endpoints(engine, asking)
    return blocks, fixed.translations


def _shown(words: str) -> Any:
    return gr.update(value=_PROBLEM.format(words), visible=True)


def _changed(job: Job) -> str:
    return f"{job.job_id} {job.version}"


def _is_being_sent(job: Job) -> bool:
    return job.state in (State.WAITING, State.SUBMITTING)


def _can_cancel(job: Job) -> bool:
    return job.state in (State.WAITING, State.SUBMITTING, State.IN_QUEUE) and not job.cancel_requested
