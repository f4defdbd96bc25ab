"""How long videos have taken, and what is learned from that: when to look, and what to tell the person who waits."""

import statistics
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from dreamina_ui.archive import Archive, Taken
from dreamina_ui.errors import StoreError
from dreamina_ui.pacing import Pace
from dreamina_ui.rows import search_values

__all__ = ["Durations", "Learned"]

READ_EVERY_S = 2.0
"""Other replicas learn, too; and a thousand jobs that end at once need not be read a thousand times."""
LEARNED_FROM = 2

Kind = tuple[str, str, int | None]


@dataclass(frozen=True, slots=True)
class Learned:
    """Of one kind of video: the looks while the service works on it, and `usual_s`, the median from sending to ready."""

    pace: Pace
    usual_s: float | None = None


NOTHING = Learned(Pace())


class Durations:
    """What is learned, by backend, model and length; kept for a moment, and read anew from the newest jobs."""

    def __init__(self, archive: Archive, monotonic: Callable[[], float]) -> None:
        self._archive = archive
        self._monotonic = monotonic
        self._read_at: dict[Kind, float] = {}
        self._taken: dict[Kind, Taken] = {}
        self._learned: dict[Kind, Learned] = {}

    async def of(self, backend: str, model_id: str, payload: Mapping[str, Any]) -> Learned:
        """Never raises: while the database is away, what was learned before holds."""
        kind = (backend, model_id, search_values(payload)["frames"])
        now = self._monotonic()
        if now - self._read_at.get(kind, float("-inf")) >= READ_EVERY_S:
            self._read_at[kind] = now  # before it is read: whoever else asks meanwhile takes what is there
            with suppress(StoreError):
                self._learn(kind, await self._archive.taken(*kind))
        return self._learned.get(kind, NOTHING)

    def _learn(self, kind: Kind, taken: Taken) -> None:
        if taken != self._taken.get(kind):
            enough = len(taken.in_all_s) >= LEARNED_FROM
            self._learned[kind] = Learned(Pace(taken.at_work_s), statistics.median(taken.in_all_s) if enough else None)
            self._taken[kind] = taken
