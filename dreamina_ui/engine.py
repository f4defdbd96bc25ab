"""The only door the page has: submit once, watch, cancel, look back.

The engine owns a job from the click to the saved video. Pages come and go; they only watch.
"""

import asyncio
import random
import secrets
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

from dreamina_ui.archive import Archive, Search
from dreamina_ui.cleaning import empty_bin
from dreamina_ui.errors import IllegalMove, JobNotFound, ServiceError
from dreamina_ui.intake import VARIATIONS_MOST, Intake
from dreamina_ui.jobs import Job, State
from dreamina_ui.keeper import Keeper
from dreamina_ui.leases import Leases
from dreamina_ui.library import SHARE_ID, Library
from dreamina_ui.model_card import Card
from dreamina_ui.news import News
from dreamina_ui.pacing import RetryBudget
from dreamina_ui.points import unobserved
from dreamina_ui.rebuild import rebuild
from dreamina_ui.runcomfy import Price, RunComfy
from dreamina_ui.runner import Runner
from dreamina_ui.store import Limits, Store

__all__ = ["VARIATIONS_MOST", "Engine"]

PAGE_MOST = 100
PRICE_KEPT_S = 3600.0
LEARNED_FROM = 2


class Engine:
    """Use it as an async context manager: entering picks up every unfinished job, leaving stops watching them."""

    def __init__(
        self,
        *,
        card: Card,
        store: Store,
        archive: Archive,
        leases: Leases,
        service: RunComfy,
        library: Library,
        limits: Limits,
        backend: str,
        key: str | None,
        deadline_s: float,
        budget: RetryBudget,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
        draw: Callable[[int], int] = secrets.randbelow,
        passed: Callable[[str], Awaitable[None]] = unobserved,
    ) -> None:
        self.card = card
        self.library = library
        self.backend = backend
        self._store = store
        self._archive = archive
        self._service = service
        self._key = key
        self._now = now
        self._passed = passed
        self._news = News()
        self._runner = Runner(
            service=service,
            library=library,
            record=self._record,
            key=key,
            deadline_s=deadline_s,
            now=now,
            monotonic=monotonic,
            sleep=sleep,
            random=jitter,
            budget=budget,
            adopt=self._adopt,
            passed=passed,
        )
        self._keeper = Keeper(leases, store, self._runner.run, self._news, self._clean, limits)
        self._intake = Intake(
            card=card, store=store, library=library, limits=limits, backend=backend, key=key, now=now, draw=draw
        )
        self._price: tuple[float, Price] | None = None

    async def __aenter__(self) -> Self:
        await rebuild(self._store, self.library)
        await self._keeper.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        # The answers to paid POSTs are waited for; the client's read timeout bounds how long.
        await self._keeper.stop(lambda: list(self._runner.posts))

    async def submit(
        self, visitor_id: str, values: Mapping[str, Any], *, count: int = 1, click_id: str | None = None
    ) -> list[Job]:
        """Check the values and make the jobs of one click; they are safe, and on their way, when this returns.

        `values` are by field name; a field that is None or absent takes the card's default. A random seed is drawn, one
        for each of the `count` (1 to 4) variations; a given seed is counted up. The same `click_id` of the same visitor
        gives the same jobs again. Raises `InvalidInput`, `KeyMissing`, `DiskFull`, `LibraryError`, `TooManyActive`,
        `DailyLimitReached` or `StoreError`; then nothing was sent.
        """
        jobs = await self._intake.click(visitor_id, values, count=count, click_id=click_id)
        await self._passed("after_click")
        await self._keeper.sweep()
        return jobs

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
        return await self._archive.of_batch(visitor_id, batch_id)

    async def last_batch(self, visitor_id: str) -> str | None:
        """The visitor's newest batch."""
        return await self._archive.last_batch(visitor_id)

    async def watch_batch(self, visitor_id: str, batch_id: str) -> AsyncIterator[list[Job]]:
        """All jobs of a visitor's batch, in their order, at each change of one, until all have ended; empty without any."""
        async for jobs in self._watch_all(await self.batch(visitor_id, batch_id)):
            yield jobs

    async def hold_batch(self, visitor_id: str, batch_id: str, held: bool) -> int:
        """Pause what of a visitor's batch is not sent yet, or let it go on; gives how many jobs that changed."""
        changed = await self._store.hold(visitor_id, batch_id, held)
        for job in changed:
            self._news.publish(job)
        if not held:
            await self._keeper.sweep()
        return len(changed)

    async def cancel_batch(self, visitor_id: str, batch_id: str) -> int:
        """Take back what of a visitor's batch is not sent yet; gives how many jobs. The others go on."""
        changed = await self._store.cancel_waiting(visitor_id, batch_id, self._now())
        for job in changed:
            self._news.publish(job)
        return len(changed)

    async def job(self, job_id: str) -> Job:
        """Raises `JobNotFound`."""
        return await self._store.get(job_id)

    async def history(
        self, visitor_id: str, limit: int, offset: int = 0, search: Search | None = None
    ) -> tuple[list[Job], int]:
        """A visitor's jobs, newest first, at most 100 at once; and how many are found in all."""
        limit, offset = min(max(limit, 1), PAGE_MOST), max(offset, 0)
        return await self._archive.page(visitor_id, search, limit=limit, offset=offset)

    async def siblings(self, job: Job) -> list[Job]:
        """The variations of the click that made this job, itself included; the videos of a batch are not variations."""
        if job.click_id is None or job.batch_id is not None:
            return [job]
        return await self._archive.of_click(job.visitor_id, job.click_id)

    async def shared(self, share_id: str) -> Job:
        """The job behind a share id, for showing its video and nothing else. Raises `JobNotFound`, of deleted ones too."""
        found = await self._archive.shared([share_id]) if SHARE_ID.fullmatch(share_id) else []
        if not found:
            raise JobNotFound
        return found[0]

    async def delete(self, visitor_id: str, job_ids: Sequence[str]) -> int:
        """Put a visitor's own jobs that have ended into the bin; gives how many. Files go with the next clean-up."""
        return await self._archive.delete(visitor_id, job_ids, self._now())

    async def restore(self, visitor_id: str, job_ids: Sequence[str]) -> int:
        """Take them back; gives how many were still there."""
        return await self._archive.restore(visitor_id, job_ids)

    async def watch(self, job_id: str) -> AsyncIterator[Job]:
        """The job as it is now, then each change, until it has ended. A slow watcher gets the newest, not all.

        Raises `JobNotFound`.
        """
        with self._news.subscribed([job_id]) as subscription:
            job = await self._store.get(job_id)
            yield job
            while not job.ended:
                [job] = await subscription.newer_than([job])
                yield job

    async def watch_click(self, job_id: str) -> AsyncIterator[list[Job]]:
        """All variations of the click that made this job, in their order, at each change of one, until all have ended.

        Raises `JobNotFound`.
        """
        async for jobs in self._watch_all(await self.siblings(await self._store.get(job_id))):
            yield jobs

    async def usual_s(self, values: Mapping[str, Any]) -> float | None:
        """How long such a video usually takes from sending to ready: the median of recent ones; None without any."""
        frames = values.get("frames")
        taken = await self._archive.durations(
            self.backend, self.card.model_id, frames if isinstance(frames, int) else None
        )
        return statistics.median(taken) if len(taken) >= LEARNED_FROM else None

    async def cancel(self, job_id: str) -> Job:
        """Take the job back if that is still possible; the state of the answer says whether it was.

        Raises `JobNotFound`, or `ServiceError` if the service could not be asked.
        """

        def ask(row: Job) -> Job:
            if row.ended:
                return row
            if row.state is State.WAITING:
                return row.move(State.CANCELLED, cancel_requested=True, finished_at=self._now())
            return row.move(row.state, cancel_requested=True)

        return await self._runner.cancel(await self._record(job_id, ask))

    async def adopt(self, job_id: str, request_id: str) -> Job:
        """Give an uncertain job the request id that its owner found: it is watched and saved like any other.

        Raises `JobNotFound`, `IllegalMove` for a job in another state, `RequestTaken` if another video has that request,
        or `ServiceError` if the service does not know it or cannot be asked; then nothing is changed.
        """
        job = await self._store.get(job_id)
        if job.state is not State.UNCERTAIN:
            raise IllegalMove(job_id=job_id)
        await self._service.status(request_id, key=self._key)
        return await self._adopt(job_id, request_id)

    async def dismiss(self, job_id: str) -> Job:
        """Take note of an uncertain job: it is no longer explained, and still counts as spent.

        Raises `JobNotFound`, or `IllegalMove` for a job in another state.
        """

        def dismissed(row: Job) -> Job:
            if row.state is not State.UNCERTAIN:
                raise IllegalMove(job_id=job_id)
            return row.move(row.state, dismissed=True)

        return await self._record(job_id, dismissed)

    async def resume(self, job_id: str) -> Job:
        """Look again for the video of a job that was given up: a new job watches the same request, and sends nothing.

        Raises `JobNotFound`, or `IllegalMove` for a job that cannot be resumed.
        """
        job = await self._store.get(job_id)
        if not job.can_resume:
            raise IllegalMove(job_id=job_id)
        again = replace(
            self._intake.made(job.visitor_id, job.payload, click_id=f"resume {job.job_id} {job.version}"),
            state=State.IN_QUEUE,
            request_id=job.request_id,
            submitted_at=self._now(),
        )
        [resumed] = await self._store.add([again])
        await self._keeper.sweep()
        return resumed

    async def estimate_usd(self, values: Mapping[str, Any]) -> float | None:
        """What such a video would cost, or None where the service does not say."""
        if self.backend == "simulator":
            return 0.0
        if self._price is None or self._now() - self._price[0] > PRICE_KEPT_S:
            try:
                price = await self._service.price(self.card.model_id, key=self._key)
            except ServiceError:
                price = Price(None, None, "")
            self._price = (self._now(), price)
        return self._price[1].estimate_usd(self.card.duration_s(values) or 0.0)

    async def _watch_all(self, jobs: Sequence[Job]) -> AsyncIterator[list[Job]]:
        with self._news.subscribed([job.job_id for job in jobs]) as subscription:
            # Anew, now that nothing can be missed any more.
            current = {job.job_id: job for job in await self._store.get_many([job.job_id for job in jobs])}
            latest = [current.get(job.job_id, job) for job in jobs]
            yield latest
            while not all(job.ended for job in latest):
                latest = await subscription.newer_than(latest)
                yield latest

    async def _clean(self) -> None:
        await empty_bin(self._archive, self.library, self._now())

    async def _adopt(self, job_id: str, request_id: str) -> Job:
        job = await self._store.adopt(job_id, request_id, self._now())
        self._news.publish(job)
        await self._keeper.sweep()
        return job

    async def _record(self, job_id: str, change: Callable[[Job], Job], *, generation: int | None = None) -> Job:
        job = await self._store.change(job_id, change, generation=generation)
        self._news.publish(job)
        return job
