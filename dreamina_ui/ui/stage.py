"""The stage: where a job stands, its video, the facts about it, and what can be done with it."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import gradio as gr
from markupsafe import Markup

from dreamina_ui.engine import Engine
from dreamina_ui.errors import DreaminaError, JobNotFound
from dreamina_ui.jobs import Job, State
from dreamina_ui.library import VIDEO
from dreamina_ui.links import link_of
from dreamina_ui.records import file_name
from dreamina_ui.ui.asking import Asking
from dreamina_ui.ui.fixed import Fixed
from dreamina_ui.ui.outputs_html import images_html, more_videos_html
from dreamina_ui.ui.stage_html import (
    SavedVideo,
    actions_html,
    empty_html,
    facts_html,
    problem_html,
    screen_html,
    shared_html,
    status_html,
    variations_html,
)
from dreamina_ui.ui.wording import Words

__all__ = ["Stage", "Update"]

Update = dict[Any, Any]
VARIATIONS_SCRIPT = "window.dreamina.variations(element, trigger)"
_NOTE = Markup('<p class="note">{}</p>')


class Stage:
    """The components, and what happens on them. `current` holds the job on the stage.

    It is held by the page and not by a session of the server, so that it outlives a restart.
    """

    def __init__(self, engine: Engine, asking: Asking, fixed: Fixed) -> None:
        self._engine = engine
        self._asking = asking
        self.screen = gr.HTML(fixed.fragment("empty", empty_html), elem_id="screen")
        self.player = SavedVideo(
            visible=False,
            autoplay=True,
            loop=True,
            show_label=False,
            interactive=False,
            buttons=[],
            elem_id="player",
        )
        self.status = gr.HTML("", elem_id="status")
        self.variations = gr.HTML("", elem_id="variation-grid", js_on_load=VARIATIONS_SCRIPT)
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
        with gr.Row(elem_classes="stage-actions", visible=False) as self.actions:
            self.links = gr.HTML("", elem_id="links")
            self.reuse = gr.Button(fixed.text("reuse"), elem_id="reuse", size="sm", min_width=80)
            self.new_seed = gr.Button(fixed.text("new_seed"), elem_id="new-seed", size="sm", min_width=80)
            self.delete = gr.Button(fixed.text("delete"), elem_id="delete", size="sm", min_width=80)
        self.facts = gr.HTML("", elem_id="facts")
        self.current = gr.Textbox(visible="hidden", elem_id="current", label="job")
        self.again = gr.Button(visible="hidden", elem_id="watch-again")
        # Changes when the job on the stage goes on after an end, so that it is watched anew.
        self.again_for = gr.Textbox(visible="hidden", elem_id="again-for", label="again")

    @property
    def outputs(self) -> list[Any]:
        shown = [self.screen, self.player, self.status, self.variations, self.facts, self.links, self.actions]
        return [*shown, self.uncertain, self.resume]

    def connect(self, quiet: dict[str, Any]) -> None:
        by_id, goes_on = [self.current, self.request_id], [self.adoption, self.again_for]
        gr.on([self.adopt.click, self.request_id.submit], self.take_in, inputs=by_id, outputs=goes_on, **quiet)
        self.dismiss.click(self.take_note, inputs=self.current, outputs=goes_on, **quiet)
        self.resume.click(self.look_again, inputs=self.current, outputs=[self.adoption, self.current], **quiet)
        self.variations.select(self.choose, outputs=self.current, **quiet)

    async def watch(self, job_id: str, request: gr.Request) -> AsyncIterator[tuple[Update, Job, int]]:
        """Each change on the stage, the job it shows, and how many of its click have ended; until all have, or until
        another job takes the stage.

        Raises `DreaminaError`.
        """
        words = self._asking.words(request)
        shown: Job | None = None
        async for jobs in self._asking.latest_only(
            request, self._engine.watch_click(self._asking.visitor(request), job_id)
        ):
            job = next((job for job in jobs if job.job_id == job_id), jobs[0])
            usual_s = None if job.ended else await self._engine.usual_s(job.payload)
            yield self._render(job, jobs, shown, words, usual_s), job, sum(job.ended for job in jobs)
            shown = job

    async def show_shared(self, share_id: str, words: Words) -> Update:
        """One video, read-only: nothing here names its job. Raises `JobNotFound`."""
        job = await self._engine.shared(share_id)
        files = self._engine.library.files(job.share_id)
        if job.state is not State.SUCCEEDED or not files:
            raise JobNotFound
        images, has_video = images_html(job, files, words), files[0].suffix == VIDEO
        return {
            **self.empty(words),
            self.screen: gr.update(value=images, visible=not has_video),
            self.player: gr.update(value=(files[0], file_name(job)) if has_video else None, visible=has_video),
            self.status: shared_html(words),
            self.facts: more_videos_html(job, files, words) + facts_html(job, words, shared=True),
        }

    def empty(self, words: Words) -> Update:
        return {
            self.screen: gr.update(value=empty_html(words), visible=True),
            self.player: gr.update(value=None, visible=False),
            self.status: "",
            self.variations: "",
            self.facts: "",
            self.links: "",
            self.actions: gr.update(visible=False),
            self.uncertain: gr.update(visible=False),
            self.resume: gr.update(visible=False),
        }

    def tell(self, error: DreaminaError, words: Words) -> Update:
        """An empty stage that says why."""
        return {**self.empty(words), self.status: _NOTE.format(words.sentence(error))}

    async def take_in(self, job_id: str, request_id: str, request: gr.Request) -> tuple[Any, Any]:
        """Adopt the video of an uncertain job by the request id its owner found."""
        try:
            job = await self._engine.adopt(self._asking.visitor(request), job_id, str(request_id).strip())
            return gr.update(visible=False), _changed(job)
        except DreaminaError as error:
            return problem_html(self._asking.words(request).sentence(error)), gr.skip()

    async def take_note(self, job_id: str, request: gr.Request) -> tuple[Any, Any]:
        try:
            return gr.update(visible=False), _changed(await self._engine.dismiss(self._asking.visitor(request), job_id))
        except DreaminaError as error:
            return problem_html(self._asking.words(request).sentence(error)), gr.skip()

    async def look_again(self, job_id: str, request: gr.Request) -> tuple[Any, Any]:
        """Put the job that looks for a given-up video on the stage."""
        try:
            job = await self._engine.resume(self._asking.visitor(request), job_id)
            return gr.update(visible=False), job.job_id
        except DreaminaError as error:
            return problem_html(self._asking.words(request).sentence(error)), gr.skip()

    async def choose(self, event: gr.EventData) -> str:
        """The job a script named goes on the stage; whether it is there is for the engine to say."""
        data = event._data if isinstance(event._data, dict) else {}
        job_id = data.get("job_id")
        return job_id if isinstance(job_id, str) else ""

    def _render(self, job: Job, jobs: Sequence[Job], shown: Job | None, words: Words, usual_s: float | None) -> Update:
        folder = self._engine.library.folder
        update: Update = {
            self.status: status_html(job, self._asking.now(), words, usual_s),
            self.variations: variations_html(jobs, job.job_id, folder, words),
        }
        if shown is not None and shown.state is job.state and shown.dismissed is job.dismissed:
            return update
        files = self._engine.library.files(job.share_id) if job.state is State.SUCCEEDED else []
        images, has_video = images_html(job, files, words), bool(files) and files[0].suffix == VIDEO
        return {
            **update,
            self.facts: more_videos_html(job, files, words) + facts_html(job, words),
            self.links: actions_html(job, link_of(self._engine.card, job.payload), words),
            self.actions: gr.update(visible=job.ended),
            self.player: gr.update(value=(files[0], file_name(job)) if has_video else None, visible=has_video),
            self.screen: gr.update(visible=False)
            if has_video
            else gr.update(value=images or screen_html(job, words), visible=True),
            self.uncertain: gr.update(visible=job.state is State.UNCERTAIN and not job.dismissed),
            self.resume: gr.update(visible=job.can_resume),
        }


def _changed(job: Job) -> str:
    return f"{job.job_id} {job.version}"
