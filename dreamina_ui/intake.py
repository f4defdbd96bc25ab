"""Where jobs are made: values are checked, limits are counted, and the rows of a click or of a batch are written."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dreamina_ui.errors import DreaminaError, InvalidInput, KeyMissing
from dreamina_ui.jobs import Job
from dreamina_ui.keys import OwnKeys
from dreamina_ui.library import Library
from dreamina_ui.model_card import Card
from dreamina_ui.plan import BATCH_MOST
from dreamina_ui.store import Limits, Store

__all__ = ["VARIATIONS_MOST", "Intake"]

VARIATIONS_MOST = 4
CLICK_ID_MOST = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """`now` gives seconds since the epoch, `draw(n)` a whole number from 0 to n − 1."""

    card: Card
    store: Store
    library: Library
    limits: Limits
    backend: str
    key: str | None
    """The shared key; None where there is none."""
    keys: OwnKeys
    now: Callable[[], float]
    draw: Callable[[int], int]

    async def click(
        self, visitor_id: str, values: Mapping[str, Any], *, count: int, click_id: str | None, key: str | None = None
    ) -> list[Job]:
        """The jobs of one click, as `Engine.submit` says; `key` is the visitor's own for this click, and checked."""
        payload = self.card.validate(values)
        if not 1 <= count <= VARIATIONS_MOST:
            raise InvalidInput("variations", "not_allowed", f"variations: {count} is not 1 to {VARIATIONS_MOST}")
        key = await self._check_ground(visitor_id, key)
        seeded = [self.card.with_seed(payload, self.draw, variation) for variation in range(count)]
        click_id = _kept(click_id)
        made = [
            self.made(visitor_id, payload, click_id=click_id, variation=number) for number, payload in enumerate(seeded)
        ]
        return await self._add(made, key)

    async def batch(self, visitor_id: str, batch: Sequence[Mapping[str, Any]], batch_id: str) -> list[Job]:
        """The jobs of a batch, as `Engine.submit_batch` says."""
        payloads = [self.card.validate(values) for values in batch]
        if not 1 <= len(payloads) <= BATCH_MOST:
            raise InvalidInput("batch", "not_allowed", f"batch: {len(payloads)} videos are not 1 to {BATCH_MOST}")
        if not 1 <= len(batch_id) <= CLICK_ID_MOST or not batch_id.isprintable():
            raise InvalidInput("batch_id", "invalid", f"batch_id: 1 to {CLICK_ID_MOST} characters are needed")
        key = await self._check_ground(visitor_id)
        at = self.now()
        made = [
            self.made(
                visitor_id,
                self.card.with_seed(payload, self.draw),
                created_at=at,
                click_id=batch_id,
                variation=number,
                batch_id=batch_id,
            )
            for number, payload in enumerate(payloads)
        ]
        return await self._add(made, key)

    def made(self, visitor_id: str, payload: Mapping[str, Any], **values: Any) -> Job:
        """A new job for a payload that is checked and has its seed; its row is not written yet."""
        width, height = self.card.size(payload) or (None, None)
        standard = {"created_at": self.now(), "width": width, "height": height}
        return Job(
            job_id=secrets.token_hex(16),
            share_id=secrets.token_hex(16),
            visitor_id=visitor_id,
            backend=self.backend,
            model_id=self.card.model_id,
            payload=payload,
            duration_s=self.card.duration_s(payload),
            **{**standard, **values},
        )

    async def _add(self, made: Sequence[Job], key: str | None) -> list[Job]:
        """Write the rows; with a visitor's own key, each job is bound to it before anybody can find its row."""
        if key is None:
            return await self.store.add(made, self.limits)
        made = [replace(job, own_key=True) for job in made]
        for job in made:
            self.keys.bind(job.job_id, job.visitor_id, key)
        try:
            jobs = await self.store.add(made, self.limits)
        except DreaminaError:
            self._release(made)
            raise
        if jobs[0].job_id != made[0].job_id:
            # The click was here before. Its jobs keep the key they have; what lost its own in a restart gets this one.
            self._release(made)
            for job in jobs:
                if job.own_key and not job.ended and self.keys.of_job(job) is None:
                    self.keys.bind(job.job_id, job.visitor_id, key)
        return jobs

    def _release(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            self.keys.release(job.job_id)

    async def _check_ground(self, visitor_id: str, key: str | None = None) -> str | None:
        """Whether anything can be made at all; gives the visitor's own key if the jobs are to go with it.

        Raises `KeyMissing`, `DiskFull` or `LibraryError`.
        """
        own = (key or self.keys.of_visitor(visitor_id)) if self.backend == "runcomfy" else None
        if self.backend == "runcomfy" and self.key is None and own is None:
            raise KeyMissing
        await self.library.check_room()
        return own


def _kept(click_id: str | None) -> str | None:
    """As the database keeps it; two that differ only in what it does not keep are no two clicks."""
    kept = "".join(letter for letter in click_id or "" if letter.isprintable())
    return kept[:CLICK_ID_MOST] or None
