"""Sends the one paid POST of a job. The intent is written before it; its answer is written whatever that takes."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dreamina_ui.clock import Clock
from dreamina_ui.crash_points import unobserved
from dreamina_ui.engine.keys import Keys
from dreamina_ui.engine.updates import Updates
from dreamina_ui.errors import (
    InputGone,
    InputRefused,
    LeaseLost,
    OutcomeUnknown,
    Refusal,
    ServiceError,
    TooManyRequests,
    UnknownModel,
    Unreachable,
)
from dreamina_ui.jobs import Failure, Job, State
from dreamina_ui.media.inputs import InputFiles
from dreamina_ui.runcomfy.client import RunComfy

__all__ = ["Sender"]

CARD_MAY_DIFFER = (InputRefused.code, UnknownModel.code)
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """`passed` observes the crash points; `look_at_cards` is called when the service refuses what a card allows."""

    service: RunComfy
    updates: Updates
    keys: Keys
    inputs: InputFiles
    clock: Clock
    passed: Callable[[str], Awaitable[None]] = unobserved
    look_at_cards: Callable[[bool], None] = lambda soon: None
    _posts: set[asyncio.Task[Job]] = field(default_factory=set)

    async def send(self, job: Job) -> Job:
        """Send a waiting job; gives its row after the answer.

        Raises `Unreachable` or `TooManyRequests` if the service did not accept it and it can be sent again, `KeyNeeded`, or
        `LeaseLost`.
        """
        # One task from the intent to the answer: a stop must not cut it in two, as an intent without its POST is uncertain.
        post = asyncio.create_task(self._intend_and_post(job))
        self._posts.add(post)
        post.add_done_callback(self._forget)
        return await asyncio.shield(post)

    async def finish(self) -> None:
        """Wait for the answers to the paid POSTs under way: dropping one loses a paid request id.

        The client's read timeout bounds how long.
        """
        await asyncio.gather(*self._posts, return_exceptions=True)

    def _forget(self, post: asyncio.Task[Job]) -> None:
        self._posts.discard(post)
        if not post.cancelled():
            post.exception()  # retrieve it, or asyncio logs it: its run may have been stopped

    async def _intend_and_post(self, job: Job) -> Job:
        """Write the intent, and send if this run has written it."""
        key = self.keys.of(job)  # before the intent: without a key there is nothing to send
        try:
            payload = await self.inputs.sendable(job.payload)
        except InputGone as error:
            return await self.updates.fail(job, error)

        def intend(row: Job) -> Job:
            # Only if nobody has changed the row since this run read it: whoever did may have sent it.
            if row.state is not State.WAITING or row.version != job.version or row.paused:
                return row
            return row.move(State.SUBMITTING, submitted_at=self.clock.now(), failure=None)

        intent = await self.updates.change_own(job, intend)
        if intent.state is not State.SUBMITTING or intent.version != job.version + 1:
            return intent
        await self.passed("after_intent")
        return await self._post(intent, payload, key)

    async def _post(self, job: Job, payload: Mapping[str, Any], key: str | None) -> Job:
        """Send the one paid POST and write its answer, whatever it takes."""
        await self.passed("before_post")
        try:
            submitted = await self.service.submit(job.model_id, payload, key=key)
        except (Unreachable, TooManyRequests) as error:
            # It never left, or was turned away unread: only after these can sending again not pay twice.
            await self._settle(job, State.WAITING, submitted_at=None)
            raise error from None
        except Refusal as error:
            log.warning("job %s was refused: %s: %s", job.job_id, error.code, error.message)
            if error.code in CARD_MAY_DIFFER:
                self.look_at_cards(True)
            return await self._settle(job, State.FAILED, finished_at=self.clock.now(), failure=Failure.of(error))
        except ServiceError as error:
            log.warning("job %s is uncertain: %s", job.job_id, error.message)
            failure = Failure(OutcomeUnknown.code, error.message, error.facts)
            return await self._settle(job, State.UNCERTAIN, finished_at=self.clock.now(), failure=failure)
        await self.passed("after_post_before_id")
        try:
            job = await self._settle(job, State.IN_QUEUE, request_id=submitted.request_id)
        except LeaseLost:
            # This process slept so long that another one has called the job uncertain. Now its request id is known.
            await self.updates.insist(lambda: self.updates.adopt(job.job_id, submitted.request_id))
            raise
        log.info("job %s is request %s", job.job_id, submitted.request_id)
        await self.passed("after_id")
        return job

    async def _settle(self, job: Job, state: State, **changes: object) -> Job:
        """Write the answer to the POST."""
        if state is not State.WAITING:
            changes["paused"] = False  # only what is not sent can be paused
        return await self.updates.insist(lambda: self.updates.move(job, state, **changes))
