"""Who watches which job, and what they have been told."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from dreamina_ui.jobs import Job

__all__ = ["News", "Subscription"]


class Subscription:
    """One watcher's view: the newest snapshot, and an event that says there is one."""

    def __init__(self) -> None:
        self._latest: Job | None = None
        self._changed = asyncio.Event()

    async def newer_than(self, job: Job) -> Job:
        """Waits. A slow watcher gets the newest snapshot, not all of them."""
        while self._latest is None or self._latest.version <= job.version:
            self._changed.clear()
            await self._changed.wait()
        return self._latest

    def tell(self, job: Job) -> None:
        if self._latest is None or self._latest.version < job.version:
            self._latest = job
            self._changed.set()


class News:
    """One for each process; `watched` names the jobs somebody here is waiting for."""

    def __init__(self) -> None:
        self._watchers: dict[str, set[Subscription]] = {}

    @property
    def watched(self) -> set[str]:
        return set(self._watchers)

    @contextmanager
    def subscribed(self, job_id: str) -> Iterator[Subscription]:
        subscription = Subscription()
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
            subscription.tell(job)
