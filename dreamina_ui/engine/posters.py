"""Makes the posters of videos that are shown already, and tells the watchers when one is there."""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Self

from dreamina_ui.clock import Clock
from dreamina_ui.crash_points import unobserved
from dreamina_ui.engine.updates import Updates
from dreamina_ui.errors import JobNotFound, LibraryError, NotReadable
from dreamina_ui.jobs import Failure, Job, State
from dreamina_ui.media.examine import CUT_SHORT, Facts
from dreamina_ui.media.kinds import Family
from dreamina_ui.media.library import Library, SavedFile
from dreamina_ui.storage.job_store import JobStore

__all__ = ["Posters"]

LEFT_S = 600.0
"""Seconds after which a poster is no longer expected from the replica that saved the video."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Posters:
    """An async context manager: entering makes what a former run has left, leaving stops what is under way.

    How many are made at once is up to the library. Each is tried once: what cannot be decoded has no poster. `passed` observes
    the crash points.
    """

    library: Library
    store: JobStore
    updates: Updates
    clock: Clock
    passed: Callable[[str], Awaitable[None]] = unobserved
    _tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict, init=False)

    @staticmethod
    def are_due(file: SavedFile, facts: Facts) -> bool:
        """Whether a file that was just saved may get a poster; what could not even be opened is not tried."""
        return file.kind.family is Family.VIDEO and not facts.has_poster and facts.problem in ("", CUT_SHORT)

    async def __aenter__(self) -> Self:
        await self.make_left(-math.inf)
        return self

    async def __aexit__(self, *_: object) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def make_left(self, after_s: float = LEFT_S) -> None:
        """Make the posters that are still due so many seconds after the end of their jobs: their makers have died."""
        for job in await self.store.without_poster(self.clock.now() - after_s):
            self.make(job)

    def make(self, job: Job) -> None:
        """Make what is due of this job, soon."""
        if not job.poster_due or job.job_id in self._tasks:
            return
        task = asyncio.create_task(self._make(job), name=f"poster of {job.job_id}")
        self._tasks[job.job_id] = task
        task.add_done_callback(lambda done: self._tasks.pop(job.job_id, None))

    async def _make(self, job: Job) -> None:
        try:
            await self.passed("before_poster")
            found = await self._add_posters(job)
            await self.passed("after_poster")
            await self.updates.insist(lambda: self.updates.change(job.job_id, lambda row: _settled(row, found)))
        except JobNotFound:
            return  # it was deleted for good
        except Exception:
            log.exception("a mistake in the program; job %s has no poster until the next start", job.job_id)

    async def _add_posters(self, job: Job) -> dict[int, Facts]:
        """What is known now of the job's videos, by number."""
        found = {}
        for file in await asyncio.to_thread(self.library.without_poster, job):
            try:
                found[file.number] = facts = await self.library.add_poster(file)
            except LibraryError as error:
                log.warning("job %s has no poster: %s", job.job_id, error)
                continue
            if facts.problem:
                log.warning("job %s: file %d has no poster: %s", job.job_id, file.number, facts.problem)
        return found


def _settled(row: Job, found: dict[int, Facts]) -> Job:
    """The row with what was only found by decoding: that a file cannot be read, and the size of the first as it is shown."""
    if row.state is not State.SUCCEEDED:
        return row  # it fetches missing files; at its end all posters are looked for again
    said = {remark.facts.get("number") for remark in row.remarks if remark.code == NotReadable.code}
    remarks = [
        Failure.of(NotReadable(facts.problem, number=number))
        for number, facts in found.items()
        if facts.problem and number not in said
    ]
    changes: dict[str, Any] = {}
    first = row.files[0].removeprefix("-").partition(".")[0] if row.files else ""
    facts = found.get(int(first) if first else 1)
    if facts is not None and facts.has_poster:
        changes = {"width": facts.width, "height": facts.height}
    return row.move(row.state, poster_due=False, remarks=(*row.remarks, *remarks), **changes)
