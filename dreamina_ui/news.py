"""Who watches which jobs, and what they have been told."""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from dreamina_ui.jobs import Job

__all__ = ["News", "Subscription"]


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


class News:
    """One for each process; `watched` names the jobs somebody here is waiting for."""

    def __init__(self) -> None:
        self._watchers: dict[str, set[Subscription]] = {}

    @property
    def watched(self) -> set[str]:
        return set(self._watchers)

    @contextmanager
    def subscribed(self, job_ids: Iterable[str]) -> Iterator[Subscription]:
        subscription = Subscription()
        job_ids = list(job_ids)
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

    def publish(self, job: Job) -> None:
        for subscription in self._watchers.get(job.job_id, ()):
            subscription.tell(job)
