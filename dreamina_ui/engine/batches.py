"""Batches: many videos submitted at once, which are sent a few at a time. A batch is found by its visitor and its id."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dreamina_ui.clock import Clock
from dreamina_ui.crash_points import unobserved
from dreamina_ui.engine.submission import Submission
from dreamina_ui.engine.supervisor import Supervisor
from dreamina_ui.engine.updates import Updates
from dreamina_ui.engine.webhooks.webhooks import Webhooks
from dreamina_ui.engine.worker import Worker
from dreamina_ui.jobs import Job
from dreamina_ui.storage.job_queries import JobQueries
from dreamina_ui.storage.job_store import can_be_an_id

__all__ = ["Batches"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batches:
    """`passed` observes the crash points."""

    submission: Submission
    supervisor: Supervisor
    updates: Updates
    queries: JobQueries
    worker: Worker
    webhooks: Webhooks
    clock: Clock
    passed: Callable[[str], Awaitable[None]] = unobserved

    async def submit(
        self,
        visitor_id: str,
        batch: Sequence[Mapping[str, Any]],
        batch_id: str,
        models: Sequence[str | None] = (),
        *,
        is_call: bool = False,
        key: str | None = None,
        webhook: str | None = None,
        language: str = "",
    ) -> list[Job]:
        """Check the values of many videos and make their jobs, all or none; each is sent when its turn comes.

        `models` are the ids of the videos' models, one for each; None is the default model, which all have without `models`.
        At most as many of a visitor's batch jobs are under way as the visitor may have active; the rest wait, also over
        restarts, and delay no click. The same `batch_id` (1 to 100 characters) of the same visitor gives the same jobs again;
        with `is_call` whoever asks, for the same models and values. `key` is as for `Engine.submit`. `webhook` is an https
        address that is told the end of the batch, in this language where people read it.
        Raises what `Engine.submit` does, except `TooManyActive`; then nothing was sent.
        """
        address = self.webhooks.address(webhook, visitor_id, language)
        jobs = await self.submission.batch(
            visitor_id, batch, batch_id, models, is_call=is_call, key=key, webhook=address
        )
        await self.passed("after_click")
        await self.supervisor.sweep()
        return jobs

    async def jobs(self, visitor_id: str, batch_id: str) -> list[Job]:
        """The jobs of a visitor's batch, in their order, without deleted ones."""
        return await self.queries.of_batch(visitor_id, batch_id) if can_be_an_id(batch_id) else []

    async def watch(self, visitor_id: str, batch_id: str) -> AsyncIterator[list[Job]]:
        """All jobs of a visitor's batch, in their order, at each change of one, until all have ended; empty without any."""
        async for jobs in self.updates.watch_all(await self.jobs(visitor_id, batch_id)):
            yield jobs

    async def pause(self, visitor_id: str, batch_id: str) -> int:
        """Pause what of a visitor's batch is not sent yet; gives how many jobs that changed."""
        return len(await self.updates.pause(visitor_id, batch_id)) if can_be_an_id(batch_id) else 0

    async def go_on(self, visitor_id: str, batch_id: str) -> int:
        """Let a visitor's paused batch go on; gives how many jobs that changed."""
        changed = await self.updates.go_on(visitor_id, batch_id) if can_be_an_id(batch_id) else []
        await self.supervisor.sweep()
        return len(changed)

    async def cancel(self, visitor_id: str, batch_id: str) -> int:
        """Cancel what of a visitor's batch is not sent yet, and ask the service to cancel what waits in its queue.

        Gives how many jobs that changed. What is being made goes on, and so does what the service does not cancel. Raises
        `ServiceError` or `KeyNeeded` if the service could not be asked about one of them; it was asked about the others.
        """
        if not can_be_an_id(batch_id):
            return 0
        changed = len(await self.updates.cancel_waiting(visitor_id, batch_id))
        at_service = [job for job in await self.jobs(visitor_id, batch_id) if job.can_cancel]
        answers = await asyncio.gather(*map(self._cancel, at_service), return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        return changed + len(at_service)

    async def _cancel(self, job: Job) -> None:
        job = await self.updates.change(job.job_id, lambda row: row.cancel(self.clock.now()))
        await self.worker.cancel(job)
