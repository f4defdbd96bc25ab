"""Makes jobs: checks the values, counts the limits, and writes the rows of a click or of a batch."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dreamina_ui.backends import Backend
from dreamina_ui.cards.aside import checked, checked_all
from dreamina_ui.cards.batches.plans import BATCH_MOST
from dreamina_ui.cards.media.file_names import by_digest
from dreamina_ui.cards.model_card import Card
from dreamina_ui.cards.models import Models
from dreamina_ui.clock import Clock
from dreamina_ui.engine.keys import Keys
from dreamina_ui.engine.money import LimitWatch, Money
from dreamina_ui.errors import DreaminaError, InvalidInput
from dreamina_ui.jobs import Job
from dreamina_ui.media.inputs import InputFiles
from dreamina_ui.media.library import Library
from dreamina_ui.storage.allowances import Limits
from dreamina_ui.storage.job_store import JobStore
from dreamina_ui.storage.webhook_events import BatchAddress

__all__ = ["VARIATIONS_MOST", "Submission"]

VARIATIONS_MOST = 4
CLICK_ID_MOST = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    models: Models
    store: JobStore
    library: Library
    limits: Limits
    backend: Backend
    keys: Keys
    money: Money
    limit_watch: LimitWatch
    inputs: InputFiles
    clock: Clock

    async def click(
        self,
        visitor_id: str,
        card: Card,
        values: Mapping[str, Any],
        *,
        count: int,
        each: Sequence[Mapping[str, Any]] = ({},),
        click_id: str | None,
        call_id: str | None = None,
        key: str | None = None,
        parent: Job | None = None,
    ) -> list[Job]:
        """The jobs of one click, as `Engine.submit` says; `key` is the visitor's own for this click, and checked."""
        payloads = [await checked(card, {**values, **own}) for own in each]
        if not 1 <= count * len(payloads) <= VARIATIONS_MOST:
            given = count * len(payloads)
            raise InvalidInput("variations", "not_allowed", f"variations: {given} is not 1 to {VARIATIONS_MOST}")
        for payload in payloads:
            await self.inputs.check(visitor_id, payload, card.fields)
        key = await self._check_can_make(visitor_id, key)
        seeded = [card.with_seed(payload, self.clock.draw, number) for payload in payloads for number in range(count)]
        click_id = call_id or _kept(click_id)
        ancestors = parent.line_of_next if parent is not None else ()
        made = [
            self.made(visitor_id, card, payload, click_id=click_id, variation=number, ancestors=ancestors)
            for number, payload in enumerate(seeded)
        ]
        jobs = await self._add(made, key, is_call=call_id is not None)
        if call_id is not None and not _has_same_settings(card, payloads[0], jobs[0]):
            raise InvalidInput("idempotency_key", "key_reused", "idempotency_key: used for other settings before")
        return jobs

    async def batch(
        self,
        visitor_id: str,
        batch: Sequence[Mapping[str, Any]],
        batch_id: str,
        models: Sequence[str | None] = (),
        *,
        is_call: bool = False,
        key: str | None = None,
        webhook: BatchAddress | None = None,
    ) -> list[Job]:
        """The jobs of a batch, as `Batches.submit` says."""
        if not 1 <= len(batch) <= BATCH_MOST:
            raise InvalidInput("batch", "not_allowed", f"batch: {len(batch)} videos are not 1 to {BATCH_MOST}")
        if not 1 <= len(batch_id) <= CLICK_ID_MOST or not batch_id.isprintable():
            raise InvalidInput("batch_id", "invalid", f"batch_id: 1 to {CLICK_ID_MOST} characters are needed")
        cards = [self.models.find(model) for model in models or [None] * len(batch)]
        payloads = await checked_all(list(zip(cards, batch, strict=True)))
        for card, payload in zip(cards, payloads, strict=True):
            await self.inputs.check(visitor_id, payload, card.fields)
        own = await self.keys.checked(key, visitor_id) if key is not None and self.keys.offered else None
        own = await self._check_can_make(visitor_id, own)
        at = self.clock.now()
        made = [
            self.made(
                visitor_id,
                card,
                card.with_seed(payload, self.clock.draw),
                created_at=at,
                click_id=batch_id,
                variation=number,
                batch_id=batch_id,
            )
            for number, (card, payload) in enumerate(zip(cards, payloads, strict=True))
        ]
        jobs = await self._add(made, own, is_call=is_call, webhook=webhook)
        # Of a call that was made before, the jobs in the bin are missing.
        if is_call and not (
            jobs[-1].variation + 1 == len(payloads)
            and all(_has_same_settings(cards[job.variation], payloads[job.variation], job) for job in jobs)
        ):
            raise InvalidInput("idempotency_key", "key_reused", "idempotency_key: used for other settings before")
        return jobs

    def made(self, visitor_id: str, card: Card, payload: Mapping[str, Any], **values: Any) -> Job:
        """A new job for a payload that is checked and has its seed. Does not write its row."""
        width, height = card.size(payload) or (None, None)
        standard = {"created_at": self.clock.now(), "width": width, "height": height}
        return Job(
            job_id=secrets.token_hex(16),
            share_id=secrets.token_hex(16),
            visitor_id=visitor_id,
            backend=self.backend,
            model_id=card.model_id,
            payload=payload,
            duration_s=card.duration_s(payload),
            **{**standard, **values},
        )

    async def _add(
        self, made: Sequence[Job], key: str | None, *, is_call: bool = False, webhook: BatchAddress | None = None
    ) -> list[Job]:
        """Write the rows. With a visitor's own key, each job is bound to it before its row can be claimed."""
        if key is None:
            booked = await self.money.booked(made)
            jobs = await self.store.add(made, self.limits, is_call=is_call, booked=booked, webhook=webhook)
            self.limit_watch.look()
            return jobs
        made = [replace(job, own_key=True) for job in made]
        for job in made:
            self.keys.bind(job.job_id, job.visitor_id, key)
        try:
            jobs = await self.store.add(made, self.limits, is_call=is_call, webhook=webhook)
        except DreaminaError:
            self._release(made)
            raise
        if jobs[0].job_id != made[0].job_id:
            # The click was made before. Its jobs keep their key; a job that lost its key in a restart gets this one.
            self._release(made)
            for job in jobs:
                if job.own_key and not job.ended and self.keys.own_of(job) is None:
                    self.keys.bind(job.job_id, job.visitor_id, key)
        return jobs

    def _release(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            self.keys.release(job.job_id)

    async def _check_can_make(self, visitor_id: str, key: str | None = None) -> str | None:
        """Check that there is a key and room on the disk; gives the visitor's own key if the jobs go with it.

        Raises `KeyMissing`, `OwnKeyLost`, `DiskFull`, `LibraryError` or `StoreError`.
        """
        own = await self.keys.for_click(visitor_id, key)
        await self.library.check_room()
        return own


def _has_same_settings(card: Card, payload: Mapping[str, Any], job: Job) -> bool:
    """Whether the job was made of this model and payload; where its seed is random, any seed fits."""
    drawn = card.with_seed(payload, lambda most: 0) != card.with_seed(payload, lambda most: 1)
    others = {"seed": job.payload.get("seed")} if drawn else {}
    # A file is the same by its bytes, whatever it was called.
    return card.model_id == job.model_id and bool(by_digest({**payload, **others}) == by_digest(job.payload))


def _kept(click_id: str | None) -> str | None:
    """A click's id without what the database cannot keep. Ids that differ only in that name the same click."""
    kept = "".join(letter for letter in click_id or "" if letter.isprintable())
    return kept[:CLICK_ID_MOST] or None
