"""Removes deleted videos after an hour, and their rows when no day's count needs them; and old videos for the owner."""

import asyncio
from dataclasses import dataclass

from dreamina_ui.clock import Clock
from dreamina_ui.media.library import Library
from dreamina_ui.storage.allowances import Allowances
from dreamina_ui.storage.job_queries import JobQueries, Overview

__all__ = ["Pruned", "empty_bin", "prune"]

UNDO_S = 3600.0
ROW_KEPT_S = 2 * 86_400.0


@dataclass(frozen=True, slots=True)
class Pruned:
    """Counts of removed rows and videos, and the size of the videos with their posters in bytes."""

    jobs: int
    videos: int
    size: int


async def empty_bin(queries: JobQueries, library: Library, clock: Clock) -> int:
    """Remove what was deleted an hour ago. Returns the count of videos removed. Idempotent; replicas may do it at once."""
    now = clock.now()
    binned = await queries.binned(now - UNDO_S)
    removed = await asyncio.to_thread(library.remove, binned)
    # The row of a deleted video still counts as paid on its day, so it is removed later; and never before its files, from
    # which the next start would make it again.
    await queries.forget(binned, made_before=now - ROW_KEPT_S)
    return removed


async def prune(overview: Overview, allowances: Allowances, library: Library, *, before: float, really: bool) -> Pruned:
    """Remove the jobs that ended before a time: first files, then rows, so that after a crash the next call finds both.

    Keeps unfinished and uncertain jobs, and today's allowances. Without `really` it only counts.
    """
    old = await overview.old(before)
    share_ids = [share_id for _, share_id in old]
    videos, size = await asyncio.to_thread(_measure, library, share_ids)
    if not really:
        return Pruned(len(old), videos, size)
    videos = await asyncio.to_thread(library.remove, share_ids)
    rows = await overview.forget([job_id for job_id, _ in old], before)
    await allowances.forget(before)
    return Pruned(rows, videos, size)


def _measure(library: Library, share_ids: list[str]) -> tuple[int, int]:
    """The count of jobs that have files, and the size of these with posters and records in bytes; blocks."""
    files = library.all_of(share_ids)
    return len(files), sum(path.stat().st_size for paths in files.values() for path in paths)
