"""The engine's door, as far as it is for looking back: by the visitor, but for what is shared."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from dreamina_ui.archive import Archive, Search
from dreamina_ui.durations import Durations
from dreamina_ui.errors import JobNotFound
from dreamina_ui.jobs import Job
from dreamina_ui.library import SHARE_ID
from dreamina_ui.model_card import Card

__all__ = ["Past", "can_be_an_id"]

PAGE_MOST = 100
OFFSET_MOST = 2**31 - 1
ID_MOST = 100


class Past:
    """What the engine is made of, as far as looking back needs it."""

    card: Card
    backend: str
    _archive: Archive
    _durations: Durations
    _now: Callable[[], float]

    async def history(
        self, visitor_id: str, limit: int, offset: int = 0, search: Search | None = None
    ) -> tuple[list[Job], int]:
        """A visitor's jobs, newest first, at most 100 at once; and how many are found in all."""
        limit, offset = min(max(limit, 1), PAGE_MOST), min(max(offset, 0), OFFSET_MOST)
        return await self._archive.page(visitor_id, _plain(search or Search()), limit=limit, offset=offset)

    async def siblings(self, job: Job) -> list[Job]:
        """The variations of the click that made this job, itself included; the videos of a batch are not variations."""
        if job.click_id is None or job.batch_id is not None:
            return [job]
        return await self._archive.of_click(job.visitor_id, job.click_id)

    async def shared(self, share_id: str) -> Job:
        """The job behind a share id, for showing its video and nothing else. Raises `JobNotFound`, of deleted ones too."""
        found = await self._archive.shared([share_id]) if SHARE_ID.fullmatch(share_id) else []
        if not found:
            raise JobNotFound
        return found[0]

    async def delete(self, visitor_id: str, job_ids: Sequence[str]) -> int:
        """Put a visitor's own jobs that have ended into the bin; gives how many. Files go with the next clean-up."""
        return await self._archive.delete(visitor_id, [each for each in job_ids if can_be_an_id(each)], self._now())

    async def restore(self, visitor_id: str, job_ids: Sequence[str]) -> int:
        """Take them back; gives how many were still there."""
        return await self._archive.restore(visitor_id, [each for each in job_ids if can_be_an_id(each)])

    async def usual_s(self, values: Mapping[str, Any]) -> float | None:
        """How long such a video usually takes from sending to ready: the median of recent ones; None without any."""
        return (await self._durations.of(self.backend, self.card.model_id, values)).usual_s


def can_be_an_id(held: object) -> bool:
    """Whether somebody's wish can name anything at all. Every event is open to programs, which can send what they like."""
    return isinstance(held, str) and held.isprintable() and 0 < len(held) <= ID_MOST


def _plain(search: Search) -> Search:
    """Without what no database takes: NUL, halves of surrogate pairs, numbers out of range."""
    words, state, ratio = (
        "".join(letter if letter.isprintable() else " " for letter in text)
        for text in (search.words, search.state, search.aspect_ratio)
    )
    frames = search.frames if search.frames is None or abs(search.frames) <= OFFSET_MOST else -1
    return replace(search, words=words, state=state, aspect_ratio=ratio, frames=frames)
