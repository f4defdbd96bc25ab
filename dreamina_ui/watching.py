"""Following jobs: what a watcher is told, and when."""

from collections.abc import AsyncIterator, Sequence

from dreamina_ui.jobs import Job
from dreamina_ui.news import News
from dreamina_ui.store import Store

__all__ = ["watch_all", "watch_one"]

CALM_S = 0.4
"""States that last shorter than this nobody can read; only an end is told at once."""


async def watch_one(store: Store, news: News, job_id: str) -> AsyncIterator[Job]:
    """The job as it is now, then each change, until it has ended. A slow watcher gets the newest, not all.

    Raises `JobNotFound`.
    """
    with news.subscribed([job_id]) as subscription:
        job = await store.get(job_id)
        yield job
        while not job.ended:
            [job] = await subscription.newer_than([job])
            yield job


async def watch_all(store: Store, news: News, jobs: Sequence[Job]) -> AsyncIterator[list[Job]]:
    """All of them, in their order, at each change of one, until all have ended."""
    with news.subscribed([job.job_id for job in jobs]) as subscription:
        # Anew, now that nothing can be missed any more.
        current = {job.job_id: job for job in await store.get_many([job.job_id for job in jobs])}
        latest = [current.get(job.job_id, job) for job in jobs]
        yield latest
        while not all(job.ended for job in latest):
            latest = await subscription.newer_than(latest)
            latest = await subscription.calm(latest, CALM_S)
            yield latest
