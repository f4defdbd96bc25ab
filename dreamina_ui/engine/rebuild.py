"""Rebuilds the history from the saved files: each carries its job's record, or has it beside it."""

import asyncio
import logging

from dreamina_ui.media.library import SHARE_ID, Library
from dreamina_ui.media.record import job_from
from dreamina_ui.storage.job_store import JobStore

__all__ = ["rebuild"]

log = logging.getLogger(__name__)
ADDED_AT_ONCE = 200


async def rebuild(store: JobStore, library: Library) -> int:
    """Make a row for each video in the library that has none; gives how many. Files without a record are left alone."""
    known = await store.share_ids()
    # Only names that are given here: a copy, or a file that somebody put there, is no other job.
    ours = [share_id for share_id in await asyncio.to_thread(library.share_ids) if SHARE_ID.fullmatch(share_id)]
    missing = [share_id for share_id in ours if share_id not in known]
    added = 0
    for start in range(0, len(missing), ADDED_AT_ONCE):
        part = missing[start : start + ADDED_AT_ONCE]
        records = await asyncio.to_thread(library.records, part)
        jobs = [
            job
            for share_id, (record, files, facts) in records.items()
            if (
                job := job_from(
                    share_id, record, [file.suffix for file in files], facts.width, facts.height, facts.duration_s
                )
            )
        ]
        added += await store.restore(jobs)
    if added:
        log.warning("the database did not know %d videos; their history was rebuilt from the files", added)
    return added
