"""Notices that a model has changed at the service while the studio runs."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from dreamina_ui.cards.model_card import Card
from dreamina_ui.cards.models import Models
from dreamina_ui.clock import Clock
from dreamina_ui.errors import CardError
from dreamina_ui.runcomfy.catalogue import cards_read

__all__ = ["EACH_S", "SOON_S", "CardChanges", "Reads"]

EACH_S, SOON_S = 600.0, 30.0
"""The least time between two readings: when pages are opened, and when the service refuses values."""
log = logging.getLogger(__name__)


class Reads(Protocol):
    """The service's catalogue."""

    async def read(self, model_ids: Sequence[str], /) -> dict[str, Card]:
        """The cards of these models by id, as far as the service tells of them in time."""


class CardChanges:
    """Reads the cards of `models` that the catalogue has, `ids`, again; keeps those that differ for the next start in the folder
    `kept`, and calls `changed` then.

    An async context manager: leaving it ends the reading. Without a catalogue it does nothing.
    """

    def __init__(
        self,
        models: Models,
        ids: Sequence[str],
        *,
        catalogue: Reads | None,
        bundled: Path,
        kept: Path,
        clock: Clock,
        changed: Callable[[], None],
    ) -> None:
        self._models = models
        self._ids = ids
        self._catalogue = catalogue
        self._bundled, self._kept = bundled, kept
        self._clock = clock
        self._changed = changed
        self._read_at = float("-inf")
        self._started_at = clock.monotonic()
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    def look(self, soon: bool = False) -> None:
        """Read the cards in the background, unless that was done lately; `soon`: they probably differ."""
        now = self._clock.monotonic()
        # The start has just read them. A service with two answers by turns must not restart the studio at each opened page.
        is_due = now - self._read_at >= SOON_S if soon else now - max(self._read_at, self._started_at) >= EACH_S
        if self._catalogue is not None and self._ids and is_due:
            self._read_at = now
            self._reading = asyncio.create_task(self._read(self._catalogue), name="cards read again")

    async def _read(self, catalogue: Reads) -> None:
        live = await catalogue.read(self._ids)
        try:
            cards = await asyncio.to_thread(cards_read, live, bundled=self._bundled, kept=self._kept)
        except CardError as error:
            log.warning("a card that the service has now cannot be used: %s", error)
            return
        differing = [card.model_id for card in cards if self._differs(card)]
        if differing:
            log.warning("changed at the service: %s", ", ".join(differing))
            self._changed()

    def _differs(self, card: Card) -> bool:
        known = self._models.get(card.model_id)
        return known is not None and known.source["input_schema"] != card.source["input_schema"]
