"""The engine's door, as far as it is for batches. All of it is by the visitor: a batch has no id of its own to own it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

from dreamina_ui.archive import Archive
from dreamina_ui.intake import Intake
from dreamina_ui.jobs import Job
from dreamina_ui.keeper import Keeper
from dreamina_ui.news import News
from dreamina_ui.past import can_be_an_id
from dreamina_ui.store import Store
from dreamina_ui.watching import watch_all

__all__ = ["Batches"]


class Batches:
    """What the engine is made of, as far as batches need it."""

    _archive: Archive
    _intake: Intake
    _keeper: Keeper
    _news: News
    _now: Callable[[], float]
    _passed: Callable[[str], Awaitable[None]]
    _store: Store

    async def submit_batch(self, visitor_id: str, batch: Sequence[Mapping[str, Any]], batch_id: str) -> list[Job]:
        """Check the values of many videos and make their jobs, all or none; each is sent when its turn comes.

        At most as many of a visitor's batch jobs are under way as the visitor may have active; the rest wait, over restarts
        too, and delay no click. The same `batch_id` (1 to 100 characters) of the same visitor gives the same jobs again.
        Raises what `submit` does, but for `TooManyActive`; then nothing was sent.
        """
        jobs = await self._intake.batch(visitor_id, batch, batch_id)
        await self._passed("after_click")
        await self._keeper.sweep()
        return jobs

    async def batch(self, visitor_id: str, batch_id: str) -> list[Job]:
        """The jobs of a visitor's batch, in their order; deleted ones are left out."""
        return await self._archive.of_batch(visitor_id, batch_id) if can_be_an_id(batch_id) else []

    async def last_batch(self, visitor_id: str) -> str | None:
        """The visitor's newest batch."""
        return await self._archive.last_batch(visitor_id)

    async def watch_batch(self, visitor_id: str, batch_id: str) -> AsyncIterator[list[Job]]:
        """All jobs of a visitor's batch, in their order, at each change of one, until all have ended; empty without any."""
        async for jobs in watch_all(self._store, self._news, await self.batch(visitor_id, batch_id)):
            yield jobs

    async def hold_batch(self, visitor_id: str, batch_id: str, held: bool) -> int:
        """Pause what of a visitor's batch is not sent yet, or let it go on; gives how many jobs that changed."""
        changed = await self._store.hold(visitor_id, batch_id, held) if can_be_an_id(batch_id) else []
        for job in changed:
            self._news.publish(job)
        if not held:
            await self._keeper.sweep()
        return len(changed)

    async def cancel_batch(self, visitor_id: str, batch_id: str) -> int:
        """Take back what of a visitor's batch is not sent yet; gives how many jobs. The others go on."""
        if not can_be_an_id(batch_id):
            return 0
        changed = await self._store.cancel_waiting(visitor_id, batch_id, self._now())
        for job in changed:
            self._news.publish(job)
            self._intake.keys.release(job.job_id)
        return len(changed)
