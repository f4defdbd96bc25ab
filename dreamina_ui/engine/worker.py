"""Runs one job from where its row stands to its end.

Each step does one thing at the service or on the disk, then writes the outcome into the row. A run may be stopped anywhere;
another one goes on from the row and repeats what was not written.
"""

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from dreamina_ui.clock import Clock
from dreamina_ui.crash_points import unobserved
from dreamina_ui.engine.keys import KEY_AWAITED_S, Keys
from dreamina_ui.engine.polls.polling import Durations, JobPoller, PollLimiter
from dreamina_ui.engine.saver import TRIES, Kept, Saver, tries_for
from dreamina_ui.engine.sender import Sender
from dreamina_ui.engine.updates import Updates
from dreamina_ui.errors import (
    DeadlinePassed,
    DownloadFailed,
    DreaminaError,
    GenerationFailed,
    KeyNeeded,
    LeaseLost,
    OutcomeUnknown,
    ServiceError,
    StoreError,
    TooManyRequests,
    UnknownRequest,
    UnreadableReply,
)
from dreamina_ui.jobs import Failure, Job, State
from dreamina_ui.retrying import JOB_POLICY, RetryBudget
from dreamina_ui.runcomfy.client import Cancellation, Outcome, Phase, RunComfy, Status

__all__ = ["Worker"]

YOUNG_REQUEST_S = 30.0
"""A request this young may not have reached all of the service's machines yet, so "not found" is not believed."""
GRACE_S = 60.0
"""How long a start tries at least for each job, however old: its video may have been ready for hours."""
LONGEST_HOLD_S = 300.0
"""The longest wait for a Retry-After that was kept over a restart, whatever the clocks say."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """`deadline_s` is how long the service may take for a job, in seconds; `passed` observes the crash points."""

    service: RunComfy
    saver: Saver
    sender: Sender
    updates: Updates
    keys: Keys
    limiter: PollLimiter
    durations: Durations
    budget: RetryBudget
    clock: Clock
    deadline_s: float
    passed: Callable[[str], Awaitable[None]] = unobserved

    async def run(self, job: Job) -> None:
        """Run the job until it has ended, has another owner, is paused before it was sent, or its visitor's key is missing.

        What goes wrong at the service, on the disk or in the database holds the job up or ends it, and is not raised.
        """
        # Measured by the clock that does not jump. A job found after a long stop is polled for at least `GRACE_S`.
        # A job of a batch has waited here, so its age does not count before it is sent.
        age = self.clock.now() - (job.submitted_at or (job.created_at if job.batch_id is None else self.clock.now()))
        if job.failure is not None and job.failure.code == KeyNeeded.code:
            age = 0.0  # the wait for its key is not the service's time
        deadline_at = self.clock.monotonic() + max(self.deadline_s - age, min(GRACE_S, self.deadline_s))
        poller = JobPoller(self.limiter, self.durations, self.clock)
        kept: Kept = {}
        held_up: DreaminaError | None = None
        failures = alike = 0
        try:
            if job.not_before is not None:
                await self.clock.sleep(min(max(job.not_before - self.clock.now(), 0.0), LONGEST_HOLD_S))
            while not job.ended:
                is_late = self.clock.monotonic() > deadline_at and job.state is not State.SUBMITTING
                try:
                    if job.state is State.SAVING and held_up and (is_late or alike >= tries_for(held_up)):
                        job = await self.saver.save(job, kept, at_last=True)
                    elif isinstance(held_up, UnknownRequest) and alike >= TRIES and not self._is_young(job):
                        job = await self.updates.fail(job, held_up)
                    elif is_late and job.state is not State.SAVING:
                        reason = held_up.message if held_up else ""
                        job = await self.updates.fail(job, DeadlinePassed(reason, deadline_s=self.deadline_s))
                    else:
                        sent_before = job.request_id is not None
                        job = await self._step(job, poller, kept)
                        if job.request_id is not None and not sent_before:
                            # The wait before it could be sent is not the service's time.
                            deadline_at = self.clock.monotonic() + self.deadline_s
                    held_up, failures, alike = None, 0, 0
                    if job.paused and job.state is State.WAITING:
                        return  # its batch is paused; when that goes on, the job is claimed again
                except LeaseLost:
                    raise
                except KeyNeeded as error:
                    await self._await_key(job, error)
                    return  # when its visitor brings it, the job is claimed again
                except DreaminaError as error:
                    _log_hold(job, error, held_up)
                    alike = alike + 1 if type(error) is type(held_up) else 1
                    held_up, failures = error, failures + 1
                    job = await self._hold(job, held_up, failures)
        except LeaseLost:
            return

    async def finish_posts(self) -> None:
        """Wait for the answers to the paid POSTs under way."""
        await self.sender.finish()

    async def cancel(self, job: Job) -> Job:
        """Ask the service to cancel a request, and write its answer. Only a queued request is cancelled.

        Raises `ServiceError` or `KeyNeeded`; then nothing is known to have changed.
        """
        if job.request_id is None or job.ended:
            return job
        outcome = await self.service.cancel(job.request_id, key=self.keys.of(job))

        def answered(row: Job) -> Job:
            if row.ended:
                return row
            if outcome is Cancellation.CANCELLED:
                return row.move(
                    State.CANCELLED, finished_at=self.clock.now(), cancel_outcome=str(outcome), failure=None
                )
            return row.move(row.state, cancel_outcome=str(outcome))

        # Not only as the job's owner: the service's answer is a fact, whichever replica asked.
        return await self.updates.change(job.job_id, answered)

    async def _step(self, job: Job, poller: JobPoller, kept: Kept) -> Job:
        """One step onward. Raises what holds the job up, as a `DreaminaError`."""
        if job.cancel_requested and job.cancel_outcome is None and job.state is State.IN_QUEUE:
            # The cancel was asked for while the POST was under way, when there was no request yet.
            job = await self.cancel(job)
            if job.ended:
                return job
        match job.state:
            case State.WAITING:
                job = await self.sender.send(job)
                poller.saw_queued()
                if job.state is State.IN_QUEUE and not job.cancel_requested:
                    await poller.rest(job)
                return job
            case State.SUBMITTING:
                # The process that sent it ended between the intent and the answer.
                return await self.updates.move(
                    job, State.UNCERTAIN, finished_at=self.clock.now(), failure=Failure.of(OutcomeUnknown())
                )
            case State.SAVING:
                return await self.saver.save(job, kept)
            case _:
                return await self._poll(job, poller)

    async def _poll(self, job: Job, poller: JobPoller) -> Job:
        assert job.request_id is not None
        try:
            async with self.limiter.turn():
                status = await self.service.status(job.request_id, key=self.keys.of(job))
        except TooManyRequests:
            if not job.own_key:
                self.limiter.slow_down()
            raise
        except UnreadableReply:
            # The result says the same in other words, and asking it is free.
            with suppress(ServiceError):
                return await self._read_result(job, poller)
            raise
        match status.phase:
            case Phase.ENDED:
                return await self._finish(job, poller, status)
            case Phase.CANCELLED:
                return await self.updates.move(job, State.CANCELLED, finished_at=self.clock.now(), failure=None)
            case Phase.IN_QUEUE:
                poller.saw_queued()
                job = await self.updates.move(job, State.IN_QUEUE, queue_position=status.queue_position, failure=None)
            case Phase.IN_PROGRESS:
                started_at = poller.saw_working(job)
                job = await self.updates.move(
                    job, State.IN_PROGRESS, queue_position=None, started_at=started_at, failure=None
                )
                await self.passed("after_in_progress")
                if not status.is_known and poller.asks_result():
                    with suppress(ServiceError):
                        return await self._read_result(job, poller)
        if not job.ended:
            await poller.rest(job)
        return job

    async def _finish(self, job: Job, poller: JobPoller, status: Status) -> Job:
        """The status says that the service is done; the result tells how it ended."""
        try:
            return await self._read_result(job, poller)
        except ServiceError as error:
            if status.says_failed:
                if not status.error:
                    raise
                # The reason is known: the result would add nothing.
                return await self.updates.fail(job, GenerationFailed(status.error))
            log.warning("job %s: the service is done, but its result cannot be had: %s", job.job_id, error.message)
            return await self.updates.move(job, State.SAVING, took_s=poller.took_s(), queue_position=None, failure=None)

    async def _read_result(self, job: Job, poller: JobPoller) -> Job:
        assert job.request_id is not None
        result = await self.service.result(job.request_id, key=self.keys.of(job))
        match result.outcome:
            case Outcome.SUCCEEDED:
                return await self.saver.start(job, result, took_s=poller.took_s())
            case Outcome.FAILED if result.outputs:
                return await self.saver.start(job, result)
            case Outcome.FAILED:
                return await self.updates.fail(job, GenerationFailed(result.error), cost_usd=result.cost_usd)
            case Outcome.CANCELLED:
                return await self.updates.move(job, State.CANCELLED, finished_at=self.clock.now(), failure=None)
            case _:
                await poller.rest(job)
                return job

    def _is_young(self, job: Job) -> bool:
        return self.clock.now() - (job.submitted_at or job.created_at) <= YOUNG_REQUEST_S

    async def _await_key(self, job: Job, error: KeyNeeded) -> None:
        """Write that the job waits for its key; or, after a week, that it has failed."""
        given_up = self.clock.now() - job.created_at > KEY_AWAITED_S

        def noted(row: Job) -> Job:
            if row.ended:
                return row
            ends = {"state": State.FAILED, "finished_at": self.clock.now()} if given_up else {"state": row.state}
            return row.move(**ends, failure=Failure.of(error), not_before=None)

        await self.updates.insist(lambda: self.updates.change_own(job, noted))

    async def _hold(self, job: Job, error: DreaminaError, failures: int) -> Job:
        """Wait before the next try. Why and until when is written into the row, if the database answers.

        `failures` counts those in a row. Gives the row. Raises `LeaseLost`.
        """
        retry_after_s = error.retry_after_s if isinstance(error, ServiceError) else None
        delay_s = JOB_POLICY.wait_s(failures, self.clock.random(), retry_after_s)
        if isinstance(error, ServiceError | DownloadFailed):
            delay_s = self.budget.reserve(delay_s)
        not_before = self.clock.now() + delay_s

        def noted(row: Job) -> Job:
            return row if row.ended else row.move(row.state, failure=Failure.of(error), not_before=not_before)

        with suppress(StoreError):
            job = await self.updates.change_own(job, noted)
        if not job.ended:
            await self.clock.sleep(delay_s)
        return job


def _log_hold(job: Job, error: DreaminaError, before: DreaminaError | None) -> None:
    """Log what holds a job up, once per change and not per try."""
    if before is None or (before.code, before.message) != (error.code, error.message):
        log.warning("job %s is held up: %s: %s", job.job_id, error.code, error.message)
