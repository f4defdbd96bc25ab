"""Writes what has happened to a job into its row; a step takes effect only when its row is written."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from dreamina_ui.errors import DreaminaError, StoreError
from dreamina_ui.jobs import Failure, Job, State
from dreamina_ui.pacing import try_again_s

__all__ = ["Record", "Recorder"]

T = TypeVar("T")

log = logging.getLogger(__name__)


class Record(Protocol):
    """Writes a change of a job's row and tells the watchers. Gives the row as it then is.

    A `generation` is the owner's; raises `LeaseLost` if the job has had a later one.
    """

    def __call__(
        self, job_id: str, change: Callable[[Job], Job], *, generation: int | None = None
    ) -> Awaitable[Job]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorder:
    """What an owner writes of the jobs it runs."""

    record: Record
    now: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    random: Callable[[], float]

    async def change(self, job: Job, change: Callable[[Job], Job]) -> Job:
        """As the owner of the job. Raises `LeaseLost`."""
        return await self.record(job.job_id, change, generation=job.generation)

    async def move(self, job: Job, state: State, **changes: object) -> Job:
        """Move the row, unless it has ended meanwhile (a cancel can win). Raises `LeaseLost`."""
        changes.setdefault("not_before", None)
        if state is job.state and job.move(state, **changes) is job:
            return job  # as far as is known here, the row says so already; a look that finds nothing new writes nothing
        return await self.change(job, lambda row: row if row.ended else row.move(state, **changes))

    async def fail(self, job: Job, error: DreaminaError, **changes: object) -> Job:
        """End the job as failed, and log why. Raises `LeaseLost`."""
        log.warning("job %s failed: %s: %s", job.job_id, error.code, error.message)
        return await self.move(job, State.FAILED, finished_at=self.now(), failure=Failure.of(error), **changes)

    async def insist(self, write: Callable[[], Awaitable[T]]) -> T:
        """A database that is away is tried until it is back: what is to be written is known only here."""
        failures = 0
        while True:
            try:
                return await write()
            except StoreError:
                failures += 1
                await self.sleep(try_again_s(failures, self.random()))
