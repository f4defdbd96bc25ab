"""The only door the page has: submit once, watch, cancel, look back.

The engine owns a job from the click to the saved video. Pages come and go; they only watch.
"""

import asyncio
import random
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, Self

from dreamina_ui.archive import Archive
from dreamina_ui.batches import Batches
from dreamina_ui.cleaning import empty_bin
from dreamina_ui.durations import Durations, Learned
from dreamina_ui.errors import IllegalMove, JobNotFound
from dreamina_ui.intake import VARIATIONS_MOST, Intake
from dreamina_ui.jobs import Job, State
from dreamina_ui.keeper import Keeper
from dreamina_ui.key_holders import KeyHolders
from dreamina_ui.keys import OwnKeys
from dreamina_ui.leases import Leases
from dreamina_ui.library import Library, SavedFile
from dreamina_ui.model_card import Card
from dreamina_ui.news import News
from dreamina_ui.pacing import RetryBudget
from dreamina_ui.past import Past, can_be_an_id
from dreamina_ui.points import unobserved
from dreamina_ui.polls import Polls
from dreamina_ui.prices import Prices
from dreamina_ui.rebuild import rebuild
from dreamina_ui.recording import Recorder
from dreamina_ui.runcomfy import RunComfy
from dreamina_ui.runner import Runner
from dreamina_ui.saving import Saver
from dreamina_ui.sending import Sender
from dreamina_ui.store import Limits, Store
from dreamina_ui.visitors import HOLDER, Asker
from dreamina_ui.watching import watch_all, watch_one

__all__ = ["VARIATIONS_MOST", "Engine"]


class Engine(Batches, KeyHolders, Past):
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
        self._durations = Durations(archive, monotonic)
        self.keys = OwnKeys(service, monotonic)
        recorder = Recorder(record=self._record, now=now, sleep=sleep, random=jitter)
        self._sender = Sender(
            service=service, recorder=recorder, key_of=self._key_of, now=now, adopt=self._adopt, passed=passed
        )
        saver = Saver(service=service, library=library, recorder=recorder, key_of=self._key_of, now=now, passed=passed)
        self._runner = Runner(
            service=service,
            saver=saver,
            sender=self._sender,
            recorder=recorder,
            key_of=self._key_of,
            deadline_s=deadline_s,
            now=now,
            monotonic=monotonic,
            budget=budget,
            polls=Polls(monotonic, sleep),
            learned=self._learned,
            passed=passed,
        )
        self._keeper = Keeper(leases, store, self._runner.run, self._news, self._clean, limits, self._keyed)
        self._intake = Intake(
            card=card,
            store=store,
            library=library,
            limits=limits,
            backend=backend,
            key=key,
            keys=self.keys,
            now=now,
            draw=draw,
        )
        self._prices = Prices(service, card, now)

    async def __aenter__(self) -> Self:
        await rebuild(self._store, self.library)
        await self._keeper.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        # The answers to paid POSTs are waited for; the client's read timeout bounds how long.
        await self._keeper.stop(lambda: list(self._sender.posts))

    async def submit(
        self,
        visitor_id: str,
        values: Mapping[str, Any],
        *,
        count: int = 1,
        click_id: str | None = None,
        key: str | None = None,
    ) -> list[Job]:
        """Check the values and make the jobs of one click; they are safe, and on their way, when this returns.

        `values` are by field name; a field that is None or absent takes the card's default. A random seed is drawn, one
        for each of the `count` (1 to 4) variations; a given seed is counted up. The same `click_id` of the same visitor
        gives the same jobs again. The jobs go with the visitor's own `key`, if one is given here or kept for the visitor,
        and else with the shared one. Raises `InvalidInput`, `KeyMissing`, what `OwnKeys.checked` does, `DiskFull`,
        `LibraryError`, `TooManyActive`, `DailyLimitReached` or `StoreError`; then nothing was sent.
        """
        own = await self.keys.checked(key) if key is not None and self.offers_own_keys else None
        jobs = await self._intake.click(visitor_id, values, count=count, click_id=click_id, key=own)
        await self._passed("after_click")
        await self._keeper.sweep()
        return jobs

    async def job(self, asker: Asker, job_id: str) -> Job:
        """Raises `JobNotFound`: where there is none, and where it is not the asker's."""
        if not can_be_an_id(job_id):
            raise JobNotFound
        job = await self._store.get(job_id)
        if asker is not HOLDER and job.visitor_id != asker:
            raise JobNotFound
        return job

    async def files(self, job: Job) -> list[SavedFile]:
        """The saved files of a job, in the order in which they are shown."""
        return await asyncio.to_thread(self.library.files, job) if job.state is State.SUCCEEDED else []

    async def watch(self, asker: Asker, job_id: str) -> AsyncIterator[Job]:
        """The job as it is now, then each change, until it has ended. A slow watcher gets the newest, not all.

        Raises `JobNotFound`.
        """
        job = await self.job(asker, job_id)
        async for snapshot in watch_one(self._store, self._news, job.job_id):
            yield snapshot

    async def watch_click(self, asker: Asker, job_id: str) -> AsyncIterator[list[Job]]:
        """All variations of the click that made this job, in their order, at each change of one, until all have ended.

        Raises `JobNotFound`.
        """
        job = await self.job(asker, job_id)
        siblings = await self.siblings(job) or [job]  # its whole click may be in the bin
        async for jobs in watch_all(self._store, self._news, siblings):
            yield jobs

    async def cancel(self, asker: Asker, job_id: str) -> Job:
        """Take the job back if that is still possible; the state of the answer says whether it was.

        Raises `JobNotFound`, or `ServiceError` or `KeyNeeded` if the service could not be asked.
        """
        job = await self.job(asker, job_id)

        def ask(row: Job) -> Job:
            if row.ended:
                return row
            if row.state is State.WAITING:
                return row.move(State.CANCELLED, cancel_requested=True, finished_at=self._now())
            return row.move(row.state, cancel_requested=True)

        return await self._runner.cancel(await self._record(job.job_id, ask))

    async def adopt(self, asker: Asker, job_id: str, request_id: str) -> Job:
        """Give an uncertain job the request id that its owner found: it is watched and saved like any other.

        Raises `JobNotFound`, `IllegalMove` for a job in another state, `RequestTaken` if another video has that request,
        or `ServiceError` or `KeyNeeded` if the service does not know it or cannot be asked; then nothing is changed.
        """
        job = await self.job(asker, job_id)
        if job.state is not State.UNCERTAIN:
            raise IllegalMove(job_id=job_id)
        await self._service.status(request_id, key=self._key_of(job))
        return await self._adopt(job_id, request_id)

    async def dismiss(self, asker: Asker, job_id: str) -> Job:
        """Take note of an uncertain job: it is no longer explained, and still counts as spent.

        Raises `JobNotFound`, or `IllegalMove` for a job in another state.
        """
        job = await self.job(asker, job_id)

        def dismissed(row: Job) -> Job:
            if row.state is not State.UNCERTAIN:
                raise IllegalMove(job_id=job_id)
            return row.move(row.state, dismissed=True)

        return await self._record(job.job_id, dismissed)

    async def resume(self, asker: Asker, job_id: str) -> Job:
        """Look again for the files of a job that has ended without all of them; nothing is sent.

        A finished job fetches what is missing of it. For one that was given up, a new job watches the same request. Raises
        `JobNotFound`, or `IllegalMove` for a job that cannot be resumed.
        """
        job = await self.job(asker, job_id)
        if not job.can_resume:
            raise IllegalMove(job_id=job_id)
        if job.is_incomplete:
            return await self._look_again(job)
        again = replace(
            self._intake.made(job.visitor_id, job.payload, click_id=f"resume {job.job_id} {job.version}"),
            state=State.IN_QUEUE,
            request_id=job.request_id,
            submitted_at=self._now(),
            own_key=job.own_key,
        )
        if job.own_key and (key := self.keys.of_job(job)) is not None:
            self.keys.bind(again.job_id, again.visitor_id, key)
        [resumed] = await self._store.add([again])
        await self._keeper.sweep()
        return resumed

    async def _look_again(self, job: Job) -> Job:
        resumed = await self._store.look_again(job.job_id)
        self._news.publish(resumed)
        await self._keeper.sweep()
        return resumed

    async def estimate_usd(self, values: Mapping[str, Any], visitor_id: str | None = None) -> float | None:
        """What such a video would cost, or None where the service does not say, or nobody's key is here to ask with."""
        if self.backend == "simulator":
            return 0.0
        return await self._prices.estimate_usd(
            values, self._key or (self.keys.of_visitor(visitor_id) if visitor_id else None)
        )

    async def _learned(self, job: Job) -> Learned:
        return await self._durations.of(job.backend, job.model_id, job.payload)

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
        if job.ended and job.state is not State.UNCERTAIN and not job.can_resume:
            self.keys.release(job.job_id)
        return job
