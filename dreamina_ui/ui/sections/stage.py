"""The stage: a job's status, its video, its facts, and its actions."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import tzinfo
from typing import Any

import gradio as gr
from markupsafe import Markup

from dreamina_ui.cards.links import link_of
from dreamina_ui.engine.engine import Engine
from dreamina_ui.errors import DreaminaError, JobNotFound
from dreamina_ui.jobs import Job, State
from dreamina_ui.media.kinds import Family
from dreamina_ui.ui.gradio_internals import SavedVideo, kept_text, value_in
from dreamina_ui.ui.html.chain import chain_html
from dreamina_ui.ui.html.outputs import addresses_html, outputs_html, undecodable_html
from dreamina_ui.ui.html.shown import Shown, playable, shown_files
from dreamina_ui.ui.html.stage import (
    actions_html,
    empty_html,
    facts_html,
    problem_html,
    screen_html,
    shared_html,
    status_html,
    variations_html,
)
from dreamina_ui.ui.sections.history import Progress
from dreamina_ui.ui.translations import Fixed
from dreamina_ui.web.callers import Callers
from dreamina_ui.wording import Words

__all__ = ["Stage", "Update"]

Update = dict[Any, Any]
VARIATIONS_SCRIPT = "window.dreamina.connect('variations', trigger)"
CALM_SCRIPT = "() => [{ __type__: 'update', autoplay: !window.dreamina.prefersLessMotion() }]"
"""A video on the stage starts by itself, unless its viewer's system asks for less motion."""
_NOTE = Markup('<p class="note">{}</p>')


class Stage:
    """The components and their events. `current` is the id of the job on the stage.

    It is stored in the page and not in a session of the server, so it survives a restart.
    """

    def __init__(self, engine: Engine, callers: Callers, fixed: Fixed) -> None:
        self._engine = engine
        self._callers = callers
        self.screen = gr.HTML(fixed.fragment("empty", empty_html), visible=False, elem_id="screen", js_on_load=None)
        self.player = SavedVideo(
            visible=False,
            autoplay=True,
            loop=True,
            show_label=False,
            interactive=False,
            buttons=[],
            elem_id="player",
        )
        self.undecodable = gr.HTML("", visible=False, elem_id="undecodable", js_on_load=None)
        self.status = gr.HTML("", visible=False, elem_id="status", js_on_load=None)
        self.variations = gr.HTML("", visible=False, elem_id="variation-grid", js_on_load=VARIATIONS_SCRIPT)
        self.chain = gr.HTML("", visible=False, elem_id="chain", js_on_load=None)
        with gr.Group(visible=False, elem_id="uncertain") as self.uncertain, gr.Row(equal_height=True):
            self.request_id = gr.Textbox(
                label=fixed.text("adopt.field"),
                placeholder=fixed.text("adopt.placeholder"),
                elem_id="request-id",
                scale=3,
            )
            self.adopt = gr.Button(fixed.text("adopt"), elem_id="adopt", scale=1)
            self.dismiss = gr.Button(fixed.text("dismiss"), elem_id="dismiss", scale=1)
        self.resume = gr.Button(fixed.text("resume"), visible=False, elem_id="resume")
        # What kept the buttons above from doing what they say.
        self.adoption = gr.HTML(
            "", visible=False, elem_id="problem-request-id", elem_classes="problem", js_on_load=None
        )
        with gr.Row(elem_classes="stage-actions", visible=False) as self.actions:
            self.links = gr.HTML("", elem_id="links", js_on_load=None)
            # These two are shown for a video, where a model takes a picture.
            self.go_on = gr.Button(fixed.text("continue"), elem_id="continue", size="sm", min_width=80, visible=False)
            self.reuse = gr.Button(fixed.text("reuse"), elem_id="reuse", size="sm", min_width=80)
            self.new_seed = gr.Button(fixed.text("new_seed"), elem_id="new-seed", size="sm", min_width=80)
            self.use_frame = gr.Button(
                fixed.text("use_frame"), elem_id="use-frame", size="sm", min_width=80, visible=False
            )
            self.delete = gr.Button(fixed.text("delete"), elem_id="delete", size="sm", min_width=80)
        self.facts = gr.HTML("", visible=False, elem_id="facts", js_on_load=None)
        self.current = kept_text("current")
        # Filled in by the browser when the page is opened.
        self.opening = kept_text("opening")
        # Filled in by the browser when a frame is used: where the player stands, in seconds.
        self.stands_at = kept_text("stands-at")
        # Changes when an ended job on the stage goes on, so that it is watched again.
        self.again_for = kept_text("again-for")

    @property
    def outputs(self) -> list[Any]:
        shown = [self.screen, self.player, self.undecodable, self.status, self.variations, self.chain, self.facts]
        return [
            *shown,
            self.links,
            self.go_on,
            self.use_frame,
            self.actions,
            self.uncertain,
            self.resume,
            self.adoption,
        ]

    @property
    def later(self) -> list[Any]:
        return [self.screen, self.undecodable, self.status, self.variations, self.chain, self.facts]

    def connect(self, quiet: dict[str, Any]) -> None:
        by_id, changed = [self.current, self.request_id], [self.adoption, self.again_for]
        gr.on([self.adopt.click, self.request_id.submit], self.adopt_video, inputs=by_id, outputs=changed, **quiet)
        self.dismiss.click(self.dismiss_job, inputs=self.current, outputs=changed, **quiet)
        self.resume.click(self.resume_job, inputs=self.current, outputs=[self.current, *changed], **quiet)
        self.variations.select(self.choose, outputs=self.current, **quiet)

    async def watch(self, job_id: str, request: gr.Request) -> AsyncIterator[tuple[Update, Job, Progress]]:
        """Each change of the job on the stage, and how far the jobs of its click are.

        It ends when all have ended and have their posters.

        Raises `DreaminaError`.
        """
        words, zone = self._callers.words(request), self._callers.zone(request)
        shown: Job | None = None
        async for jobs in self._engine.watch_click(self._callers.visitor(request), job_id):
            job = next((job for job in jobs if job.job_id == job_id), jobs[0])
            update = await self._status_update(job, jobs, words)
            if shown is None or shown.state is not job.state or shown.dismissed is not job.dismissed:
                update |= await self._state_update(job, words, zone)
            elif shown.poster_due and not job.poster_due and job.files != (".mp4",):
                # What shows posters; the player has none, and goes on.
                pictured = await self._state_update(job, words, zone)
                update |= {part: pictured[part] for part in (self.screen, self.facts)}
            if shown is not None and shown.poster_due and not job.poster_due:
                update |= await self._chain_update(job, words)
            yield update, job, Progress.of(jobs)
            shown = job

    async def show_shared(self, share_id: str, words: Words, zone: tzinfo) -> Update:
        """A shared video, read-only and without its job id. Raises `JobNotFound`."""
        job = await self._engine.history.shared(share_id)
        files = await self._files(job, zone)
        if not files:
            raise JobNotFound
        return {
            **self.empty(words),
            **self._screen_update(job, files, words),
            self.status: shared_html(words),
            self.facts: _others_html(job, files, words) + facts_html(job, words, shared=True),
        }

    def empty(self, words: Words) -> Update:
        return {
            self.screen: gr.update(value=empty_html(words), visible=True),
            self.player: gr.update(value=None, visible=False),
            self.undecodable: "",
            self.status: "",
            self.variations: "",
            self.chain: "",
            self.facts: "",
            self.links: "",
            self.actions: gr.update(visible=False),
            self.uncertain: gr.update(visible=False),
            self.resume: gr.update(visible=False),
            self.adoption: gr.update(value="", visible=False),
        }

    def show_error(self, error: DreaminaError, words: Words) -> Update:
        """An empty stage with the error."""
        return {**self.empty(words), self.status: _NOTE.format(words.sentence(error))}

    async def adopt_video(self, job_id: str, request_id: str, request: gr.Request) -> tuple[Any, Any]:
        """Adopt the video of an uncertain job, by the request id that the visitor found."""
        try:
            job = await self._engine.adopt(self._callers.visitor(request), job_id, str(request_id).strip())
            return gr.update(visible=False), _version_of(job)
        except DreaminaError as error:
            return problem_html(self._callers.words(request).sentence(error)), gr.skip()

    async def dismiss_job(self, job_id: str, request: gr.Request) -> tuple[Any, Any]:
        try:
            return gr.update(visible=False), _version_of(
                await self._engine.dismiss(self._callers.visitor(request), job_id)
            )
        except DreaminaError as error:
            return problem_html(self._callers.words(request).sentence(error)), gr.skip()

    async def resume_job(self, job_id: str, request: gr.Request) -> tuple[Any, Any, Any]:
        """Resume the job, and show the job that fetches the missing files: the same one or a new one."""
        try:
            job = await self._engine.resume(self._callers.visitor(request), job_id)
        except DreaminaError as error:
            return gr.skip(), problem_html(self._callers.words(request).sentence(error)), gr.skip()
        clear = gr.update(visible=False)
        return (gr.skip(), clear, _version_of(job)) if job.job_id == job_id else (job.job_id, clear, gr.skip())

    async def choose(self, event: gr.EventData) -> str:
        """The job id in a script's event; the engine checks it."""
        job_id = value_in(event, "job_id")
        return job_id if isinstance(job_id, str) else ""

    def _link(self, job: Job) -> str:
        """A link with the job's settings; for a model that is not offered any more, to the default one with what it takes."""
        default = self._engine.card
        card = self._engine.models.get(job.model_id) or default
        return link_of(card, job.payload, is_default=card is default)

    async def _files(self, job: Job, zone: tzinfo) -> list[Shown]:
        """The saved files of a job, in the order in which they are shown."""
        files = await self._engine.files(job)
        return await asyncio.to_thread(shown_files, job, files, zone) if files else []

    async def _status_update(self, job: Job, jobs: Sequence[Job], words: Words) -> Update:
        """The outputs that change while a job runs."""
        usual_s = None if job.ended else await self._engine.history.expected_s(job)
        return {
            self.status: status_html(job, self._callers.now(), words, usual_s),
            self.variations: variations_html(jobs, job.job_id, words),
        }

    async def _state_update(self, job: Job, words: Words, zone: tzinfo) -> Update:
        """The outputs that change with the state of a job."""
        files = await self._files(job, zone)
        main = playable(files) or (files[0] if files else None)
        addresses = addresses_html(job, words) if files else ""
        takes_frame = self._engine.models.taking_picture() is not None
        has_frame = takes_frame and any(file.kind.family is Family.VIDEO for file in files)
        return {
            **self._screen_update(job, files, words),
            **await self._chain_update(job, words),
            self.go_on: gr.update(visible=has_frame),
            self.use_frame: gr.update(visible=has_frame),
            self.facts: _others_html(job, files, words) + addresses + facts_html(job, words),
            self.links: actions_html(job, files, main, self._link(job), words),
            self.actions: gr.update(visible=job.ended),
            self.uncertain: gr.update(visible=job.state is State.UNCERTAIN and not job.dismissed),
            self.resume: gr.update(visible=job.can_resume),
            self.adoption: gr.update(value="", visible=False),
        }

    async def _chain_update(self, job: Job, words: Words) -> Update:
        return {self.chain: chain_html(job, await self._engine.history.chain(job), words)}

    def _screen_update(self, job: Job, files: Sequence[Shown], words: Words) -> Update:
        """The player with a video, or the screen instead of it."""
        if video := playable(files):
            return {
                self.screen: gr.update(visible=False),
                self.player: gr.update(value=video, visible=True),
                self.undecodable: undecodable_html(job, video, "player", words),
            }
        shown = outputs_html(job, files, words) or screen_html(job, words) + addresses_html(job, words)
        return {
            self.screen: gr.update(value=shown, visible=True),
            # Hidden, it has its files: Gradio loads them when it first shows it, and then the connection may be gone.
            self.player: gr.update(value=None, visible=False if job.ended else "hidden"),
            self.undecodable: "",
        }


def _others_html(job: Job, files: Sequence[Shown], words: Words) -> Markup:
    """The files other than the one in the player; empty without a player, because the screen shows all files."""
    video = playable(files)
    return outputs_html(job, [file for file in files if file is not video], words) if video else Markup()


def _version_of(job: Job) -> str:
    return f"{job.job_id} {job.version}"
