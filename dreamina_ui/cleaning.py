"""Empties the bin: files of deleted videos go after an hour, their rows when no day's count needs them any more."""

import asyncio

from dreamina_ui.archive import Archive
from dreamina_ui.library import Library

__all__ = ["empty_bin"]

UNDO_S = 3600.0
ROW_KEPT_S = 2 * 86_400.0


async def empty_bin(archive: Archive, library: Library, now: float) -> int:
    """Gives how many videos were removed from the disk. Doing it twice, or on two replicas at once, does no harm."""
    binned = await archive.binned(now - UNDO_S)
    removed = await asyncio.to_thread(library.remove, [job.share_id for job in binned])
    # A video of today that is deleted was still paid today: its row goes later than its file.
    await archive.forget(now - UNDO_S, made_before=now - ROW_KEPT_S)
    return removed
