"""Takes one job from where its row stands to its end.

Each step does one thing at the service or on the disk and then records what came of it; what is not recorded has not
happened. A runner may be stopped anywhere and another one goes on from the row.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from dreamina_ui.errors import (
    DeadlinePassed,
    DownloadFailed,
    DreaminaError,
    GenerationFailed,
    NotAVideo,
    OutcomeUnknown,
    OutputRefused,
    Refusal,
    ServiceError,
    StoreError,
    TooManyRequests,
    UnknownRequest,
    Unreachable,
)
from dreamina_ui.jobs import Failure, Job, State
from dreamina_ui.library import Library
from dreamina_ui.pacing import look_again_s, try_again_s
from dreamina_ui.runcomfy import Cancellation, Outcome, Phase, RunComfy

__all__ = ["Record", "Runner"]

YOUNG_REQUEST_S = 30.0
"""A request this young that the service does not know may just not have reached all of its machines yet."""
UNPLAYABLE_MOST = 3
GONE = frozenset({403, 404, 410})


class Record(Protocol):
    """Writes a change of a job's row and tells the watchers. Gives the row as it then is."""

    def __call__(self, job_id: str, change: Callable[[Job], Job]) -> Awaitable[Job]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    service: RunComfy
    library: Library
    record: Record
    key: str | None
    deadline_s: float
    now: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    random: Callable[[], float]
    posts: set[asyncio.Task[Job]] = field(default_factory=set)
    """The paid POSTs under way. Whoever stops the runner waits for these: an answer nobody reads is a lost video."""

    async def run(self, job: Job) -> None:
        """Until the job has ended."""
        failures = 0
        while not job.ended:
            try:
                job = await self._step(job)
                failures = 0
                continue
            except DreaminaError as error:
                failures += 1
                held_up = error
            if isinstance(held_up, NotAVideo | OutputRefused) and failures >= UNPLAYABLE_MOST:
                job = await self._fail(job, held_up)
            elif self.now() > job.created_at + self.deadline_s:
                job = await self._fail(job, DeadlinePassed(held_up.message, deadline_s=self.deadline_s))
            else:
                job = await self._note(job, held_up)
                retry_after_s = held_up.retry_after_s if isinstance(held_up, ServiceError) else None
                await self.sleep(try_again_s(failures, self.random(), retry_after_s))

    async def cancel(self, job: Job) -> Job:
        """Ask the service to take a queued request back, and record what came of it.

        Raises `ServiceError`; then nothing is known to have changed.
        """
        if job.request_id is None or job.ended:
            return job
        outcome = await self.service.cancel(job.request_id, key=self.key)
        if outcome is not Cancellation.CANCELLED:
            return job
        return await self._move(job, State.CANCELLED, finished_at=self.now())

    async def _step(self, job: Job) -> Job:
        """One step onward. Raises what holds the job up."""
        if job.cancel_requested and job.state is State.IN_QUEUE and job.queue_position is None:
            # Asked for while the POST was under way, when there was no request yet to take back.
            job = await self.cancel(job)
        match job.state:
            case State.WAITING:
                return await self._submit(job)
            case State.SUBMITTING:
                # Found so at a start: the process ended between the intent and the answer.
                return await self._move(
                    job, State.UNCERTAIN, finished_at=self.now(), failure=Failure.of(OutcomeUnknown())
                )
            case State.SAVING:
                return await self._save(job)
            case _:
                return await self._look(job)

    async def _submit(self, job: Job) -> Job:
        def intend(row: Job) -> Job:
            # Only the very row this runner saw: whoever changed it meanwhile may have sent it.
            if row.state is not State.WAITING or row.version != job.version:
                return row
            return row.move(State.SUBMITTING, submitted_at=self.now(), failure=None)

        intent = await self.record(job.job_id, intend)
        if intent.state is not State.SUBMITTING or intent.version != job.version + 1:
            return intent
        post = asyncio.create_task(self._post(intent))
        self.posts.add(post)
        post.add_done_callback(self.posts.discard)
        return await asyncio.shield(post)

    async def _post(self, job: Job) -> Job:
        """Send the one paid POST and keep its answer, whatever it takes."""
        try:
            submitted = await self.service.submit(job.model_id, job.payload, key=self.key)
        except (Unreachable, TooManyRequests) as error:
            # The only answers after which sending again cannot pay twice: it never left, or was turned away unread.
            await self._settle(job, State.WAITING, submitted_at=None)
            raise error from None
        except Refusal as error:
            return await self._settle(job, State.FAILED, finished_at=self.now(), failure=Failure.of(error))
        except ServiceError as error:
            failure = Failure(OutcomeUnknown.code, error.message, error.facts)
            return await self._settle(job, State.UNCERTAIN, finished_at=self.now(), failure=failure)
        return await self._settle(job, State.IN_QUEUE, request_id=submitted.request_id)

    async def _settle(self, job: Job, state: State, **changes: object) -> Job:
        """Write the answer to the POST. A database that is away is tried until it is back: this is known only here."""
        failures = 0
        while True:
            try:
                return await self._move(job, state, **changes)
            except StoreError:
                failures += 1
                await self.sleep(try_again_s(failures, self.random()))

    async def _look(self, job: Job) -> Job:
        assert job.request_id is not None
        try:
            status = await self.service.status(job.request_id, key=self.key)
        except UnknownRequest as error:
            if self.now() - (job.submitted_at or job.created_at) > YOUNG_REQUEST_S:
                return await self._fail(job, error)
            raise
        match status.phase:
            case Phase.ENDED:
                return await self._read_result(job)
            case Phase.CANCELLED:
                return await self._move(job, State.CANCELLED, finished_at=self.now(), failure=None)
            case Phase.IN_QUEUE:
                job = await self._move(job, State.IN_QUEUE, queue_position=status.queue_position, failure=None)
            case Phase.IN_PROGRESS:
                started_at = job.started_at or self.now()
                job = await self._move(job, State.IN_PROGRESS, queue_position=None, started_at=started_at, failure=None)
        return await self._rest(job)

    async def _read_result(self, job: Job) -> Job:
        assert job.request_id is not None
        result = await self.service.result(job.request_id, key=self.key)
        match result.outcome:
            case Outcome.SUCCEEDED:
                return await self._move(
                    job,
                    State.SAVING,
                    outputs=result.outputs,
                    cost_usd=result.cost_usd,
                    queue_position=None,
                    failure=None,
                )
            case Outcome.FAILED:
                return await self._fail(job, GenerationFailed(result.error), cost_usd=result.cost_usd)
            case Outcome.CANCELLED:
                return await self._move(job, State.CANCELLED, finished_at=self.now(), failure=None)
            case _:
                return await self._rest(job)

    async def _save(self, job: Job) -> Job:
        try:
            saved = await self.library.save(job.share_id, job.outputs[0])
        except DownloadFailed as error:
            if error.facts.get("status_code") in GONE:
                # Makers' links die within the hour; the service may have a fresh one.
                await self._read_result(job)
            raise
        return await self._move(
            job,
            State.SUCCEEDED,
            finished_at=self.now(),
            width=saved.width,
            height=saved.height,
            duration_s=saved.duration_s,
            failure=None,
        )

    async def _rest(self, job: Job) -> Job:
        """Nothing new: wait until the next look is due. Raises `DeadlinePassed`."""
        if job.ended:
            return job
        if self.now() > job.created_at + self.deadline_s:
            return await self._fail(job, DeadlinePassed(deadline_s=self.deadline_s))
        await self.sleep(look_again_s(self.now() - (job.submitted_at or job.created_at)))
        return job

    async def _fail(self, job: Job, error: DreaminaError, **changes: object) -> Job:
        return await self._move(job, State.FAILED, finished_at=self.now(), failure=Failure.of(error), **changes)

    async def _note(self, job: Job, error: DreaminaError) -> Job:
        """Keep why the job waits, where the row can be written at all."""
        try:
            return await self.record(
                job.job_id, lambda row: row if row.ended else row.move(row.state, failure=Failure.of(error))
            )
        except StoreError:
            return job

    async def _move(self, job: Job, state: State, **changes: object) -> Job:
        """Move the row, unless it has ended meanwhile (a cancel can win)."""
        return await self.record(job.job_id, lambda row: row if row.ended else row.move(state, **changes))
