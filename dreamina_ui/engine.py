"""The only door the page has: submit once, watch, cancel, look back.

The engine owns a job from the click to the saved video. Pages come and go; they only watch.
"""

import asyncio
import random
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

from dreamina_ui.errors import KeyMissing, ServiceError
from dreamina_ui.jobs import Job, State
from dreamina_ui.library import Library
from dreamina_ui.model_card import Card
from dreamina_ui.runcomfy import Price, RunComfy
from dreamina_ui.runner import Runner
from dreamina_ui.store import Limits, Store

__all__ = ["Engine"]

PAGE_MOST = 100
PRICE_KEPT_S = 3600.0


class Engine:
    """Use it as an async context manager: entering picks up every unfinished job, leaving stops watching them."""

    def __init__(
        self,
        *,
        card: Card,
        store: Store,
        service: RunComfy,
        library: Library,
        limits: Limits,
        backend: str,
        key: str | None,
        deadline_s: float,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
        draw: Callable[[int], int] = secrets.randbelow,
    ) -> None:
        self.card = card
        self.library = library
        self.backend = backend
        self._store = store
        self._service = service
        self._limits = limits
        self._key = key
        self._now = now
        self._draw = draw
        self._news = _News()
        self._runner = Runner(
            service=service,
            library=library,
            record=self._record,
            key=key,
            deadline_s=deadline_s,
            now=now,
            sleep=sleep,
            random=jitter,
        )
        self._runs: dict[str, asyncio.Task[None]] = {}
        self._price: tuple[float, Price] | None = None

    async def __aenter__(self) -> Self:
        for job in await self._store.unfinished():
            self._start(job)
        return self

    async def __aexit__(self, *_: object) -> None:
        runs = list(self._runs.values())
        for run in runs:
            run.cancel()
        # The answers to paid POSTs are waited for; the client's read timeout bounds how long.
        await asyncio.gather(*runs, *self._runner.posts, return_exceptions=True)

    async def submit(self, visitor_id: str, values: Mapping[str, Any]) -> Job:
        """Check the values and make the job; it is safe, and on its way, when this returns.

        `values` are by field name; a field that is None or absent takes the card's default, and a random seed is drawn.
        Raises `InvalidInput`, `KeyMissing`, `DiskFull`, `LibraryError`, `TooManyActive`, `DailyLimitReached` or
        `StoreError`; then nothing was sent.
        """
        payload = self.card.with_seed(self.card.validate(values), self._draw)
        if self.backend == "runcomfy" and self._key is None:
            raise KeyMissing
        await self.library.check_room()
        width, height = self.card.size(payload) or (None, None)
        job = Job(
            job_id=secrets.token_hex(16),
            share_id=secrets.token_hex(16),
            visitor_id=visitor_id,
            backend=self.backend,
            model_id=self.card.model_id,
            payload=payload,
            created_at=self._now(),
            width=width,
            height=height,
            duration_s=self.card.duration_s(payload),
        )
        await self._store.add(job, self._limits)
        self._start(job)
        return job

    async def job(self, job_id: str) -> Job:
        """Raises `JobNotFound`."""
        return await self._store.get(job_id)

    async def history(self, visitor_id: str, limit: int, offset: int = 0) -> list[Job]:
        """A visitor's jobs, newest first; at most 100 at once."""
        return await self._store.page(visitor_id, min(max(limit, 1), PAGE_MOST), max(offset, 0))

    async def watch(self, job_id: str) -> AsyncIterator[Job]:
        """The job as it is now, then each change, until it has ended. A slow watcher gets the newest, not all.

        Raises `JobNotFound`.
        """
        with self._news.subscribed(job_id) as subscription:
            job = await self._store.get(job_id)
            yield job
            while not job.ended:
                job = await subscription.newer_than(job)
                yield job

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

    def _start(self, job: Job) -> None:
        run = asyncio.create_task(self._runner.run(job), name=f"job {job.job_id}")
        self._runs[job.job_id] = run
        run.add_done_callback(lambda _: self._runs.pop(job.job_id, None))

    async def _record(self, job_id: str, change: Callable[[Job], Job]) -> Job:
        job = await self._store.change(job_id, change)
        self._news.publish(job)
        return job


class _Subscription:
    """One watcher's view: the newest snapshot, and an event that says there is one."""

    def __init__(self) -> None:
        self.latest: Job | None = None
        self.changed = asyncio.Event()

    async def newer_than(self, job: Job) -> Job:
        while self.latest is None or self.latest.version <= job.version:
            self.changed.clear()
            await self.changed.wait()
        return self.latest


class _News:
    """Who watches which job."""

    def __init__(self) -> None:
        self._watchers: dict[str, set[_Subscription]] = {}

    @contextmanager
    def subscribed(self, job_id: str) -> Iterator[_Subscription]:
        subscription = _Subscription()
        self._watchers.setdefault(job_id, set()).add(subscription)
        try:
            yield subscription
        finally:
            watchers = self._watchers[job_id]
            watchers.discard(subscription)
            if not watchers:
                del self._watchers[job_id]

    def publish(self, job: Job) -> None:
        for subscription in self._watchers.get(job.job_id, ()):
            if subscription.latest is None or subscription.latest.version < job.version:
                subscription.latest = job
                subscription.changed.set()
