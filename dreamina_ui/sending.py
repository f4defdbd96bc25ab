"""The one paid POST of a job: its intent is durable before it, and its answer is kept, whatever that takes."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from dreamina_ui.errors import LeaseLost, OutcomeUnknown, Refusal, ServiceError, TooManyRequests, Unreachable
from dreamina_ui.jobs import Failure, Job, State
from dreamina_ui.points import unobserved
from dreamina_ui.recording import Recorder
from dreamina_ui.runcomfy import RunComfy

__all__ = ["Sender"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    service: RunComfy
    recorder: Recorder
    key_of: Callable[[Job], str | None]
    """The key a job goes with: the shared one, or its visitor's own. Raises `KeyNeeded` while that is not here."""
    now: Callable[[], float]
    adopt: Callable[[str, str], Awaitable[object]]
    """Gives an uncertain job the request id that came to light after all."""
    passed: Callable[[str], Awaitable[None]] = unobserved
    posts: set[asyncio.Task[Job]] = field(default_factory=set)
    """The paid POSTs under way. Whoever stops the sender waits for these: an answer nobody reads is a lost video."""

    async def send(self, job: Job) -> Job:
        """Send a waiting job. Raises `Unreachable` or `TooManyRequests` if it was not taken and can be sent again."""
        # One task from the intent to the answer, which no stop cuts in two: an intent without its POST is uncertain.
        post = asyncio.create_task(self._intend_and_post(job))
        self.posts.add(post)
        post.add_done_callback(self._forget)
        return await asyncio.shield(post)

    def _forget(self, post: asyncio.Task[Job]) -> None:
        self.posts.discard(post)
        if not post.cancelled():
            post.exception()  # heard, also where its run has been stopped and nobody waits for it

    async def _intend_and_post(self, job: Job) -> Job:
        """Write the intent down, and send if it was this runner's to write."""
        key = self.key_of(job)  # before the intent: without the key nothing was meant to be sent

        def intend(row: Job) -> Job:
            # Only the very row this runner saw: whoever changed it meanwhile may have sent it.
            if row.state is not State.WAITING or row.version != job.version or row.held:
                return row
            return row.move(State.SUBMITTING, submitted_at=self.now(), failure=None)

        intent = await self.recorder.change(job, intend)
        if intent.state is not State.SUBMITTING or intent.version != job.version + 1:
            return intent
        await self.passed("after_intent")
        return await self._post(intent, key)

    async def _post(self, job: Job, key: str | None) -> Job:
        """Send the one paid POST and keep its answer, whatever it takes."""
        await self.passed("before_post")
        try:
            submitted = await self.service.submit(job.model_id, job.payload, key=key)
        except (Unreachable, TooManyRequests) as error:
            # The only answers after which sending again cannot pay twice: it never left, or was turned away unread.
            await self._settle(job, State.WAITING, submitted_at=None)
            raise error from None
        except Refusal as error:
            log.warning("job %s was refused: %s: %s", job.job_id, error.code, error.message)
            return await self._settle(job, State.FAILED, finished_at=self.now(), failure=Failure.of(error))
        except ServiceError as error:
            log.warning("job %s is uncertain: %s", job.job_id, error.message)
            failure = Failure(OutcomeUnknown.code, error.message, error.facts)
            return await self._settle(job, State.UNCERTAIN, finished_at=self.now(), failure=failure)
        await self.passed("after_post_before_id")
        try:
            job = await self._settle(job, State.IN_QUEUE, request_id=submitted.request_id)
        except LeaseLost:
            # This process was asleep for so long that another one had to call the job uncertain. It no longer is.
            await self.recorder.insist(lambda: self.adopt(job.job_id, submitted.request_id))
            raise
        log.info("job %s is request %s", job.job_id, submitted.request_id)
        await self.passed("after_id")
        return job

    async def _settle(self, job: Job, state: State, **changes: object) -> Job:
        """Write the answer to the POST."""
        if state is not State.WAITING:
            changes["held"] = False  # a pause is for what is not sent
        return await self.recorder.insist(lambda: self.recorder.move(job, state, **changes))
