"""Empties the bin: files of deleted videos go after an hour, their rows when no day's count needs them any more.

And at the owner's wish: old videos, whoever's.
"""

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
    """What went, or would go: rows, videos, and the bytes these have on the disk with their posters."""

    jobs: int
    videos: int
    size: int


async def empty_bin(queries: JobQueries, library: Library, clock: Clock) -> int:
    """Gives how many videos were removed from the disk. Doing it twice, or on two replicas at once, does no harm."""
    now = clock.now()
    binned = await queries.binned(now - UNDO_S)
    removed = await asyncio.to_thread(library.remove, [job.share_id for job in binned])
    # A video of today that is deleted was still paid today: its row goes later than its file.
    await queries.forget(now - UNDO_S, made_before=now - ROW_KEPT_S)
    return removed


async def prune(overview: Overview, allowances: Allowances, library: Library, *, before: float, really: bool) -> Pruned:
    """Remove what ended before a time: files, then rows, so that what a crash leaves is found by the next one.

    What is unfinished or uncertain stays, and so do today's allowances. Without `really` it is only counted.
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
    """How many jobs have files here, and the bytes of these with posters and records; blocks."""
    files = library.all_of(share_ids)
    return len(files), sum(path.stat().st_size for paths in files.values() for path in paths)
