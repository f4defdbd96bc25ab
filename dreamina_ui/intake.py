"""Where jobs are made: values are checked, limits are counted, and the rows of a click or of a batch are written."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dreamina_ui.errors import InvalidInput, KeyMissing
from dreamina_ui.jobs import Job
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
    now: Callable[[], float]
    draw: Callable[[int], int]

    async def click(self, visitor_id: str, values: Mapping[str, Any], *, count: int, click_id: str | None) -> list[Job]:
        """The jobs of one click, as `Engine.submit` says."""
        payload = self.card.validate(values)
        if not 1 <= count <= VARIATIONS_MOST:
            raise InvalidInput("variations", "not_allowed", f"variations: {count} is not 1 to {VARIATIONS_MOST}")
        await self._check_ground()
        seeded = [self.card.with_seed(payload, self.draw, variation) for variation in range(count)]
        click_id = click_id[:CLICK_ID_MOST] if click_id else None
        made = [
            self.made(visitor_id, payload, click_id=click_id, variation=number) for number, payload in enumerate(seeded)
        ]
        return await self.store.add(made, self.limits)

    async def batch(self, visitor_id: str, batch: Sequence[Mapping[str, Any]], batch_id: str) -> list[Job]:
        """The jobs of a batch, as `Engine.submit_batch` says."""
        payloads = [self.card.validate(values) for values in batch]
        if not 1 <= len(payloads) <= BATCH_MOST:
            raise InvalidInput("batch", "not_allowed", f"batch: {len(payloads)} videos are not 1 to {BATCH_MOST}")
        if not 1 <= len(batch_id) <= CLICK_ID_MOST or not batch_id.isprintable():
            raise InvalidInput("batch_id", "invalid", f"batch_id: 1 to {CLICK_ID_MOST} characters are needed")
        await self._check_ground()
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
        return await self.store.add(made, self.limits)

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

    async def _check_ground(self) -> None:
        """Whether anything can be made at all. Raises `KeyMissing`, `DiskFull` or `LibraryError`."""
        if self.backend == "runcomfy" and self.key is None:
            raise KeyMissing
        await self.library.check_room()
