"""Reads past jobs: a visitor's as pages, shared jobs, the bin, usual durations; and rebuilds the history from the files."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dreamina_ui.backends import Backend
from dreamina_ui.clock import Clock
from dreamina_ui.engine.polls.polling import Durations
from dreamina_ui.engine.posters import Posters
from dreamina_ui.errors import JobNotFound, StoreError
from dreamina_ui.jobs import SHARE_ID, Chain, Job, State
from dreamina_ui.media.library import Library
from dreamina_ui.media.record import Records
from dreamina_ui.media.row_records import Moves
from dreamina_ui.storage.job_queries import JobQueries, Latest, Search
from dreamina_ui.storage.job_store import JobStore, can_be_an_id

__all__ = ["History", "rebuild"]

PAGE_MOST = 100
OFFSET_MOST = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Everything goes by the visitor's id, except what is shared."""

    backend: Backend
    queries: JobQueries
    durations: Durations
    clock: Clock
    moves: Moves

    async def page(
        self, visitor_id: str, limit: int, offset: int = 0, search: Search | None = None
    ) -> tuple[list[Job], int]:
        """A visitor's jobs, newest first, at most 100 at once; and how many are found in all, as far as they are counted."""
        return await self.queries.page(visitor_id, _plain(search or Search()), **_within(limit, offset))

    async def listed(self, visitor_id: str, limit: int, offset: int = 0, search: Search | None = None) -> list[Job]:
        """The same jobs without their count, which takes longer the more there are."""
        return await self.queries.listed(visitor_id, _plain(search or Search()), **_within(limit, offset))

    async def latest(self, visitor_id: str) -> Latest:
        """What a page shows when it is opened: of the visitor's jobs the newest one that runs, the newest video, and the newest
        batch."""
        return await self.queries.latest(visitor_id)

    async def siblings(self, job: Job) -> list[Job]:
        """The variations of the click that made this job, itself included; the videos of a batch are not variations."""
        if job.click_id is None or job.batch_id is not None:
            return [job]
        return await self.queries.of_click(job.visitor_id, job.click_id)

    async def chain(self, job: Job) -> Chain:
        """The videos of a job's owner that continue each other, with this one among them."""
        if not job.ancestors and job.state is not State.SUCCEEDED:
            return Chain((job,), 0)
        return Chain.of(job, await self.queries.of_chain(job.visitor_id, job.chain_id))

    async def parent(self, job: Job) -> Job | None:
        """The job of the same owner that this one continues; None if it continues none, or that is deleted."""
        found = await self.queries.shared(job.ancestors[-1:])
        return next((each for each in found if each.visitor_id == job.visitor_id), None)

    async def shared(self, share_id: str) -> Job:
        """The job behind a share id, for showing its video and nothing else. Raises `JobNotFound`, also for deleted ones."""
        found = await self.queries.shared([share_id]) if SHARE_ID.fullmatch(share_id) else []
        if not found:
            raise JobNotFound
        return found[0]

    async def shown(self, share_ids: Sequence[str]) -> list[Job]:
        """The finished jobs of these share ids that are there, of any visitor, in this order."""
        known = [share_id for share_id in share_ids if SHARE_ID.fullmatch(share_id)]
        found = {job.share_id: job for job in await self.queries.shared(known)} if known else {}
        return [found[name] for name in known if name in found and found[name].state is State.SUCCEEDED]

    async def delete(self, visitor_id: str, job_ids: Sequence[str]) -> int:
        """Put a visitor's own jobs that have ended into the bin; gives how many. The next clean-up removes their files."""
        return await self.queries.delete(visitor_id, list(filter(can_be_an_id, job_ids)), self.clock.now())

    async def restore(self, visitor_id: str, job_ids: Sequence[str]) -> int:
        """Take jobs back from the bin; gives how many were still there."""
        return await self.queries.restore(visitor_id, list(filter(can_be_an_id, job_ids)))

    async def follow(self, former: str, visitor_id: str) -> bool:
        """Move the history of a visitor to the one that it has become; False if it has to be tried again: the database is away,
        or the disk is full. What waits unsent for the former visitor's own key is cancelled."""
        try:
            if await self.queries.has_any(former):
                await asyncio.to_thread(self.moves.add, former, visitor_id)
            await self.queries.follow(former, visitor_id, self.clock.now())
        except (StoreError, OSError):
            return False
        return True

    async def usual_s(self, model_id: str, values: Mapping[str, Any]) -> float | None:
        """Seconds such a video usually takes from sending to ready: the median of recent ones; None without any."""
        return (await self.durations.of(self.backend, model_id, values)).usual_s

    async def expected_s(self, job: Job) -> float | None:
        """Seconds from the click in which this job is probably ready; None where nothing is known.

        The simulator renders one video after the other, so what is before this one in its queue counts; a video of a length that
        it has not rendered yet is estimated.
        """
        if self.backend is not Backend.SIMULATOR:
            return await self.usual_s(job.model_id, job.payload)
        learned = await self.durations.of(self.backend, job.model_id, job.payload)
        frames = job.payload.get("frames")
        work_s = learned.schedule.usual_s or (RENDER_S + frames * FRAME_S if isinstance(frames, int) else None)
        if work_s is None:
            return learned.usual_s
        if job.started_at is not None:
            return job.started_at - job.created_at + work_s
        # Before the first of the queue there may be no job; before the others, one is half rendered on average.
        place = job.queue_position or 1
        before = place - 0.5 if place > 1 else 0.0
        return job.elapsed_s(self.clock.now()) + (before + 1.0) * work_s

    async def last_cost_usd(
        self, visitor_id: str, model_id: str, values: Mapping[str, Any], *, own_key: bool
    ) -> float | None:
        """US dollars that the visitor's newest video of this model and length cost, with the same kind of key.

        None where that is not known. Only the visitor's own: what others pay is theirs to tell, and may be another price.
        """
        frames = values.get("frames")
        frames = frames if isinstance(frames, int) else None
        return await self.queries.last_cost_usd(visitor_id, str(self.backend), model_id, frames, own_key=own_key)


def _within(limit: int, offset: int) -> dict[str, int]:
    return {"limit": min(max(limit, 1), PAGE_MOST), "offset": min(max(offset, 0), OFFSET_MOST)}


def _plain(search: Search) -> Search:
    """Without what no database takes: NUL, halves of surrogate pairs, numbers out of range."""
    words, state, ratio, model_id, collection_id = (
        "".join(letter if letter.isprintable() else " " for letter in text)
        for text in (search.words, search.state, search.aspect_ratio, search.model_id, search.collection_id)
    )
    frames = search.frames if search.frames is None or abs(search.frames) <= OFFSET_MOST else -1
    return Search(words, state, ratio, frames, model_id, search.starred, collection_id)


log = logging.getLogger(__name__)
ADDED_AT_ONCE = 200
RENDER_S, FRAME_S = 1.0, 0.045
"""What the simulator takes on one core for its start and for a frame, roughly, until it has rendered some videos here."""


async def rebuild(store: JobStore, library: Library, records: Records, moves: Moves | None = None) -> int:
    """Make a row for each video in the library that has none; gives how many. Files without a record are left alone."""
    known = await store.share_ids()
    # Only names that are given here: a copy, or a file that somebody put there, is no other job.
    ours = [share_id for share_id in await asyncio.to_thread(library.share_ids) if SHARE_ID.fullmatch(share_id)]
    missing = [share_id for share_id in ours if share_id not in known]
    owners = await asyncio.to_thread(moves.latest) if moves and missing else {}
    starred = await asyncio.to_thread(library.starred) if missing else set()
    added = 0
    for start in range(0, len(missing), ADDED_AT_ONCE):
        part = missing[start : start + ADDED_AT_ONCE]
        found = await asyncio.to_thread(library.records, part)
        jobs = [
            replace(job, poster_due=Posters.are_due(files[0], facts), starred=share_id in starred)
            for share_id, (record, files, facts) in found.items()
            if (
                job := records.job_from(
                    share_id, record, [file.suffix for file in files], facts.width, facts.height, facts.duration_s
                )
            )
        ]
        added += await store.restore(
            [replace(job, visitor_id=owners.get(job.visitor_id, job.visitor_id)) for job in jobs]
        )
    if added:
        log.warning("the database did not know %d videos; their history was rebuilt from the files", added)
    return added
