"""What a video would cost, as the service says it; asked for now and then."""

import asyncio
from dataclasses import dataclass, field

from dreamina_ui.cards.model_card import Card
from dreamina_ui.clock import Clock
from dreamina_ui.errors import ServiceError
from dreamina_ui.runcomfy.client import Price, RunComfy

__all__ = ["UNKNOWN", "Prices"]

KEPT_S = 3600.0
FAILED_KEPT_S = 60.0
"""After a try without an answer, what was known before is told for so long."""
UNKNOWN = Price(None, None)


@dataclass(slots=True)
class _Known:
    price: Price = UNKNOWN
    until: float = float("-inf")
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)


class Prices:
    """Asks for the price of each model once an hour at most, and after a failure once a minute."""

    def __init__(self, service: RunComfy, clock: Clock) -> None:
        self._service = service
        self._clock = clock
        self._known: dict[str, _Known] = {}

    async def of(self, card: Card, key: str | None) -> Price:
        """Unknown where the service does not say; without a key it is not asked, and what is known is told."""
        known = self._known.setdefault(card.model_id, _Known())
        if key is None or self._clock.now() < known.until:
            return known.price
        async with known.asking:
            if self._clock.now() >= known.until:
                # Also where the caller does not wait for the answer.
                known.until = self._clock.now() + FAILED_KEPT_S
                try:
                    known.price = await self._service.price(card.model_id, key=key)
                    known.until = self._clock.now() + KEPT_S
                except ServiceError:
                    pass
        return known.price
