"""Every change of a job: written into its row, then told to whoever watches it.

A step takes effect only when its row is written; after a crash the next owner repeats what was not written.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TypeVar

from dreamina_ui.clock import Clock
from dreamina_ui.engine.keys import Keys
from dreamina_ui.errors import DreaminaError, StoreError
from dreamina_ui.jobs import Failure, Job, State
from dreamina_ui.retrying import JOB_POLICY
from dreamina_ui.storage.job_store import JobStore

__all__ = ["Subscription", "Updates"]

T = TypeVar("T")

CALM_S = 0.4
"""A watcher of several jobs gets changes at most this often: a shorter state cannot be read. An end comes at once."""
POSTER_AWAITED_S = 1.0
"""After so long without the poster of an ended job, its watchers are told once more that it has ended."""

log = logging.getLogger(__name__)


class Subscription:
    """One watcher's view: the newest snapshot of each of its jobs, and an event that says there is one."""

    def __init__(self) -> None:
        self._latest: dict[str, Job] = {}
        self._changed = asyncio.Event()

    async def newer_than(self, seen: Iterable[Job]) -> list[Job]:
        """The same jobs, at least one of them newer; waits for it. A slow watcher gets the newest snapshots, not all."""
        seen = list(seen)
        while True:
            newest = [self._newer(job) for job in seen]
            if any(new is not old for new, old in zip(newest, seen, strict=True)):
                return newest
            self._changed.clear()
            await self._changed.wait()

    async def calm(self, seen: Iterable[Job], seconds: float) -> list[Job]:
        """The same jobs as they are after so long, or as soon as all have ended."""
        latest = list(seen)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not all(job.ended for job in latest):
                    latest = await self.newer_than(latest)
        return [self._newer(job) for job in latest]

    def tell(self, job: Job) -> None:
        known = self._latest.get(job.job_id)
        if known is None or known.version < job.version:
            self._latest[job.job_id] = job
            self._changed.set()

    def _newer(self, job: Job) -> Job:
        latest = self._latest.get(job.job_id)
        return latest if latest is not None and latest.version > job.version else job


class Updates:
    """One for each process. `wake` is set when a row was written that a run here or elsewhere may claim; `ended` is called
    when a job has ended."""

    def __init__(
        self,
        store: JobStore,
        keys: Keys,
        clock: Clock,
        wake: asyncio.Event,
        *,
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._keys = keys
        self._clock = clock
        self._wake = wake
        self._ended = ended
        self._watchers: dict[str, set[Subscription]] = {}

    # What is written by whoever asks for it

    async def change(self, job_id: str, change: Callable[[Job], Job], *, generation: int | None = None) -> Job:
        """Change one row; gives it as it then is.

        `change` runs in a thread and must be pure. `generation` is the owner's. Raises `JobNotFound`, or `LeaseLost` if the
        job has had a later owner.
        """
        return self.tell(await self._store.change(job_id, change, generation=generation))

    async def adopt(self, job_id: str, request_id: str) -> Job:
        """Give an uncertain job its request id; the next replica that looks runs it. Raises `IllegalMove` or `RequestTaken`."""
        job = self.tell(await self._store.adopt(job_id, request_id, self._clock.now()))
        self._wake.set()
        return job

    async def resume(self, job_id: str) -> Job:
        """Let a finished job fetch what is missing of it. Raises `IllegalMove` for a job that lacks nothing."""
        job = self.tell(await self._store.resume(job_id))
        self._wake.set()
        return job

    async def pause(self, visitor_id: str, batch_id: str) -> list[Job]:
        """Hold what of a batch is not sent yet; gives the jobs that this changed."""
        return [self.tell(job) for job in await self._store.pause(visitor_id, batch_id)]

    async def go_on(self, visitor_id: str, batch_id: str) -> list[Job]:
        """Let a paused batch go on; gives the jobs that this changed."""
        changed = [self.tell(job) for job in await self._store.go_on(visitor_id, batch_id)]
        self._wake.set()
        return changed

    async def cancel_waiting(self, visitor_id: str, batch_id: str) -> list[Job]:
        """Cancel what of a batch is not sent yet; gives the jobs that this changed."""
        changed = await self._store.cancel_waiting(visitor_id, batch_id, self._clock.now())
        return [self.tell(job) for job in changed]

    # What is written by the owner of a job

    async def change_own(self, job: Job, change: Callable[[Job], Job]) -> Job:
        """Change the row of a job that this replica runs. Raises `LeaseLost`."""
        return await self.change(job.job_id, change, generation=job.generation)

    async def move(self, job: Job, state: State, **changes: object) -> Job:
        """Move the row, unless it has ended meanwhile (a cancel can win). Raises `LeaseLost`."""
        changes.setdefault("not_before", None)
        if state is job.state and job.move(state, **changes) is job:
            return job  # the row says so already, as far as is known here: a poll without news writes nothing
        return await self.change_own(job, lambda row: row if row.ended else row.move(state, **changes))

    async def fail(self, job: Job, error: DreaminaError, **changes: object) -> Job:
        """End the job as failed, and log why. Raises `LeaseLost`."""
        log.warning("job %s failed: %s: %s", job.job_id, error.code, error.message)
        finished_at = self._clock.now()
        return await self.move(job, State.FAILED, finished_at=finished_at, failure=Failure.of(error), **changes)

    async def insist(self, write: Callable[[], Awaitable[T]]) -> T:
        """Write, and try again until the database is back: what is to be written is known only here."""
        failures = 0
        while True:
            try:
                return await write()
            except StoreError:
                failures += 1
                await self._clock.sleep(JOB_POLICY.wait_s(failures, self._clock.random()))

    # What watchers are told

    def tell(self, job: Job) -> Job:
        """Tell the watchers of a row that was written or read; forget the key of a job that needs it no more."""
        for subscription in self._watchers.get(job.job_id, ()):
            subscription.tell(job)
        if job.ended:
            self._ended()
        if job.ended and job.state is not State.UNCERTAIN and not job.can_resume:
            self._keys.release(job.job_id)
        return job

    async def refresh(self, job_ids: Iterable[str]) -> None:
        """Read rows that others write, and tell their watchers here."""
        for job in await self._store.get_many(list(job_ids)):
            self.tell(job)

    @property
    def watched(self) -> set[str]:
        """The ids of the jobs that somebody watches in this process."""
        return set(self._watchers)

    async def watch(self, job_id: str) -> AsyncIterator[Job]:
        """The job as it is now, then each change, until it has ended. A slow watcher gets the newest, not all.

        Raises `JobNotFound`.
        """
        with self._subscribed([job_id]) as subscription:
            job = await self._store.get(job_id)
            yield job
            while not job.ended:
                [job] = await subscription.newer_than([job])
                yield job

    async def watch_all(self, jobs: Sequence[Job]) -> AsyncIterator[list[Job]]:
        """All of them, in their order, at each change of one, until all have ended and have their posters.

        The same jobs come twice where a poster takes long: whoever waits with something for it need not wait any more.
        """
        job_ids = [job.job_id for job in jobs]
        with self._subscribed(job_ids) as subscription:
            # Read again, now that no change can be missed.
            current = {job.job_id: job for job in await self._store.get_many(job_ids)}
            latest = [current.get(job.job_id, job) for job in jobs]
            yield latest
            while not all(job.settled for job in latest):
                if any(job.poster_due for job in latest):
                    newer = await _newer_than(latest, subscription, POSTER_AWAITED_S)
                    yield newer
                    if newer is not latest:
                        latest = newer
                        continue
                latest = await _newer_than(latest, subscription)
                yield latest

    @contextmanager
    def _subscribed(self, job_ids: Sequence[str]) -> Iterator[Subscription]:
        subscription = Subscription()
        for job_id in job_ids:
            self._watchers.setdefault(job_id, set()).add(subscription)
        try:
            yield subscription
        finally:
            for job_id in job_ids:
                watchers = self._watchers[job_id]
                watchers.discard(subscription)
                if not watchers:
                    del self._watchers[job_id]


async def _newer_than(latest: list[Job], subscription: Subscription, patience_s: float | None = None) -> list[Job]:
    """The jobs after the next changes; the same list after `patience_s` without one."""
    try:
        async with asyncio.timeout(patience_s):
            changed = await subscription.newer_than(latest)
    except TimeoutError:
        return latest
    return await subscription.calm(changed, CALM_S)
