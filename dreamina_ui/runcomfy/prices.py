"""What a video would cost, as the service says it; asked for now and then."""

from collections.abc import Mapping
from typing import Any

from dreamina_ui.cards.model_card import Card
from dreamina_ui.clock import Clock
from dreamina_ui.errors import ServiceError
from dreamina_ui.runcomfy.client import Price, RunComfy

__all__ = ["Prices"]

KEPT_S = 3600.0
UNKNOWN = Price(None, None)


class Prices:
    """Asks for the price of each model once an hour at most."""

    def __init__(self, service: RunComfy, clock: Clock) -> None:
        self._service = service
        self._clock = clock
        self._prices: dict[str, tuple[float, Price]] = {}

    async def estimate_usd(self, card: Card, values: Mapping[str, Any], key: str | None) -> float | None:
        """None where the service does not say; without a key it is not asked, and what is known is told."""
        asked_at, price = self._prices.get(card.model_id, (None, UNKNOWN))
        if key is not None and (asked_at is None or self._clock.now() - asked_at > KEPT_S):
            try:
                price = await self._service.price(card.model_id, key=key)
            except ServiceError:
                price = UNKNOWN
            self._prices[card.model_id] = (self._clock.now(), price)
        return price.estimate_usd(card.duration_s(values) or 0.0)
