"""Takes one job from where its row stands to its end.

Each step does one thing at the service or on the disk and then writes what came of it into the row. A runner may be stopped
anywhere; another one goes on from the row and repeats what was not written.
"""

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from dreamina_ui.durations import Learned
from dreamina_ui.errors import (
    DeadlinePassed,
    DownloadFailed,
    DreaminaError,
    GenerationFailed,
    KeyNeeded,
    LeaseLost,
    OutcomeUnknown,
    PartFailed,
    ServiceError,
    StoreError,
    TooManyRequests,
    UnknownRequest,
    UnreadableReply,
)
from dreamina_ui.jobs import Failure, Job, State
from dreamina_ui.looks import Looks
from dreamina_ui.pacing import RetryBudget, try_again_s
from dreamina_ui.points import unobserved
from dreamina_ui.polls import Polls
from dreamina_ui.recording import Recorder
from dreamina_ui.runcomfy import Cancellation, Outcome, Phase, RunComfy, Status
from dreamina_ui.saving import TRIES, Saver, tries_for
from dreamina_ui.sending import Sender

__all__ = ["KEY_AWAITED_S", "Runner"]

YOUNG_REQUEST_S = 30.0
"""A request this young that the service does not know may just not have reached all of its machines yet."""
GRACE_S = 60.0
"""What a job gets at least after a start, however old it is: its video may have been ready for hours."""
LONGEST_HOLD_S = 300.0
"""What a Retry-After kept over a restart may cost at most, whatever the clocks say."""
KEY_AWAITED_S = 7 * 86_400.0
"""How long a job waits for its visitor to bring the key again; then it has failed, and can be resumed."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    service: RunComfy
    saver: Saver
    sender: Sender
    recorder: Recorder
    key_of: Callable[[Job], str | None]
    """The key a job goes with: the shared one, or its visitor's own. Raises `KeyNeeded` while that is not here."""
    deadline_s: float
    now: Callable[[], float]
    monotonic: Callable[[], float]
    budget: RetryBudget
    polls: Polls
    learned: Callable[[Job], Awaitable[Learned]]
    """What jobs of the same kind have taken."""
    passed: Callable[[str], Awaitable[None]] = unobserved

    async def run(self, job: Job) -> None:
        """Until the job has ended, has another owner, is held before it was sent, or its visitor's key is away."""
        # By a clock that does not jump; and a job found after a long stop gets a fair look before it is given up.
        # What waited for its turn in a batch is new to the service.
        age = self.now() - (job.submitted_at or (job.created_at if job.batch_id is None else self.now()))
        if job.failure is not None and job.failure.code == KeyNeeded.code:
            age = 0.0  # what it waited for its key is not the service's time
        deadline_at = self.monotonic() + max(self.deadline_s - age, min(GRACE_S, self.deadline_s))
        looks = Looks(self.polls, self.learned, self.now)
        held_up: DreaminaError | None = None
        failures = alike = 0
        try:
            if job.not_before is not None:
                await self.recorder.sleep(min(max(job.not_before - self.now(), 0.0), LONGEST_HOLD_S))
            while not job.ended:
                is_late = self.monotonic() > deadline_at and job.state is not State.SUBMITTING
                try:
                    if job.state is State.SAVING and held_up and (is_late or alike >= tries_for(held_up)):
                        job = await self.saver.save(job, at_last=True)
                    elif isinstance(held_up, UnknownRequest) and alike >= TRIES and not self._is_young(job):
                        job = await self.recorder.fail(job, held_up)
                    elif is_late and job.state is not State.SAVING:
                        reason = held_up.message if held_up else ""
                        job = await self.recorder.fail(job, DeadlinePassed(reason, deadline_s=self.deadline_s))
                    else:
                        sent_before = job.request_id is not None
                        job = await self._step(job, looks)
                        if job.request_id is not None and not sent_before:
                            # What it waited before it could be sent is not the service's time.
                            deadline_at = self.monotonic() + self.deadline_s
                    held_up, failures, alike = None, 0, 0
                    if job.held and job.state is State.WAITING:
                        return  # its batch is paused; when that goes on, it is claimed anew
                except LeaseLost:
                    raise
                except KeyNeeded as error:
                    await self._await_key(job, error)
                    return  # when its visitor brings it, the job is claimed anew
                except DreaminaError as error:
                    _log_hold(job, error, held_up)
                    alike = alike + 1 if type(error) is type(held_up) else 1
                    held_up, failures = error, failures + 1
                    job = await self._hold(job, held_up, failures)
        except LeaseLost:
            return

    async def cancel(self, job: Job) -> Job:
        """Ask the service to take a queued request back, and record what came of it.

        Raises `ServiceError` or `KeyNeeded`; then nothing is known to have changed.
        """
        if job.request_id is None or job.ended:
            return job
        outcome = await self.service.cancel(job.request_id, key=self.key_of(job))

        def told(row: Job) -> Job:
            if row.ended:
                return row
            if outcome is Cancellation.CANCELLED:
                return row.move(State.CANCELLED, finished_at=self.now(), cancel_outcome=str(outcome), failure=None)
            return row.move(row.state, cancel_outcome=str(outcome))

        # Whoever asked, on whichever replica: the service's word is a fact, and no owner's claim.
        return await self.recorder.record(job.job_id, told)

    async def _step(self, job: Job, looks: Looks) -> Job:
        """One step onward. Raises what holds the job up."""
        if job.cancel_requested and job.cancel_outcome is None and job.state is State.IN_QUEUE:
            # Asked for while the POST was under way, when there was no request yet to take back.
            job = await self.cancel(job)
            if job.ended:
                return job
        match job.state:
            case State.WAITING:
                job = await self.sender.send(job)
                looks.waits()
                if job.state is State.IN_QUEUE and not job.cancel_requested:
                    await looks.rest(job)
                return job
            case State.SUBMITTING:
                # Found so at a start: the process ended between the intent and the answer.
                return await self.recorder.move(
                    job, State.UNCERTAIN, finished_at=self.now(), failure=Failure.of(OutcomeUnknown())
                )
            case State.SAVING:
                return await self.saver.save(job)
            case _:
                return await self._look(job, looks)

    async def _look(self, job: Job, looks: Looks) -> Job:
        assert job.request_id is not None
        try:
            async with self.polls.turn():
                status = await self.service.status(job.request_id, key=self.key_of(job))
        except TooManyRequests:
            if not job.own_key:
                self.polls.slow_down()
            raise
        except UnreadableReply:
            # The result says the same in other words, and asking it is free.
            with suppress(ServiceError):
                return await self._read_result(job, looks)
            raise
        match status.phase:
            case Phase.ENDED:
                return await self._finish(job, looks, status)
            case Phase.CANCELLED:
                return await self.recorder.move(job, State.CANCELLED, finished_at=self.now(), failure=None)
            case Phase.IN_QUEUE:
                looks.waits()
                job = await self.recorder.move(job, State.IN_QUEUE, queue_position=status.queue_position, failure=None)
            case Phase.IN_PROGRESS:
                started_at = looks.is_worked_on(job)
                job = await self.recorder.move(
                    job, State.IN_PROGRESS, queue_position=None, started_at=started_at, failure=None
                )
                await self.passed("after_in_progress")
                if not status.is_known and looks.asks_result():
                    with suppress(ServiceError):
                        return await self._read_result(job, looks)
        if not job.ended:
            await looks.rest(job)
        return job

    async def _finish(self, job: Job, looks: Looks, status: Status) -> Job:
        """The status says that the service is done; how it ended, the result tells."""
        try:
            return await self._read_result(job, looks)
        except ServiceError as error:
            if status.says_failed:
                if not status.error:
                    raise
                # The reason is known; a result that cannot be had adds nothing a person needs.
                return await self.recorder.fail(job, GenerationFailed(status.error))
            log.warning("job %s: the service is done, but its result cannot be had: %s", job.job_id, error.message)
            return await self.recorder.move(job, State.SAVING, took_s=looks.took_s(), queue_position=None, failure=None)

    async def _read_result(self, job: Job, looks: Looks) -> Job:
        assert job.request_id is not None
        result = await self.service.result(job.request_id, key=self.key_of(job))
        match result.outcome:
            case Outcome.SUCCEEDED:
                return await self.saver.start(job, result, took_s=looks.took_s())
            case Outcome.FAILED if result.outputs:
                return await self.saver.start(job, result, remarks=(Failure.of(PartFailed(result.error)),))
            case Outcome.FAILED:
                return await self.recorder.fail(job, GenerationFailed(result.error), cost_usd=result.cost_usd)
            case Outcome.CANCELLED:
                return await self.recorder.move(job, State.CANCELLED, finished_at=self.now(), failure=None)
            case _:
                await looks.rest(job)
                return job

    def _is_young(self, job: Job) -> bool:
        return self.now() - (job.submitted_at or job.created_at) <= YOUNG_REQUEST_S

    async def _await_key(self, job: Job, error: KeyNeeded) -> None:
        """Write that the job waits for its key, where that is not said yet; or give up, after a week."""
        given_up = self.now() - job.created_at > KEY_AWAITED_S

        def noted(row: Job) -> Job:
            if row.ended:
                return row
            ends = {"state": State.FAILED, "finished_at": self.now()} if given_up else {"state": row.state}
            return row.move(**ends, failure=Failure.of(error), not_before=None)

        await self.recorder.insist(lambda: self.recorder.change(job, noted))

    async def _hold(self, job: Job, error: DreaminaError, failures: int) -> Job:
        """Write why the job waits, and until when, where the row can be written at all; and wait."""
        retry_after_s = error.retry_after_s if isinstance(error, ServiceError) else None
        delay_s = try_again_s(failures, self.recorder.random(), retry_after_s)
        if isinstance(error, ServiceError | DownloadFailed):
            delay_s = self.budget.reserve(delay_s)
        not_before = self.now() + delay_s

        def noted(row: Job) -> Job:
            return row if row.ended else row.move(row.state, failure=Failure.of(error), not_before=not_before)

        with suppress(StoreError):
            job = await self.recorder.change(job, noted)
        if not job.ended:
            await self.recorder.sleep(delay_s)
        return job


def _log_hold(job: Job, error: DreaminaError, before: DreaminaError | None) -> None:
    """Log what holds a job up, once per change and not per try."""
    if before is None or (before.code, before.message) != (error.code, error.message):
        log.warning("job %s is held up: %s: %s", job.job_id, error.code, error.message)
