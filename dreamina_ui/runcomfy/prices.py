"""What a video would cost, as the service says it; asked for now and then."""

from collections.abc import Mapping
from typing import Any

from dreamina_ui.cards.model_card import Card
from dreamina_ui.clock import Clock
from dreamina_ui.errors import ServiceError
from dreamina_ui.runcomfy.client import Price, RunComfy

__all__ = ["Prices"]

KEPT_S = 3600.0


class Prices:
    """Asks for the price of a model once an hour at most."""

    def __init__(self, service: RunComfy, card: Card, clock: Clock) -> None:
        self._service = service
        self._card = card
        self._clock = clock
        self._price: tuple[float, Price] | None = None

    async def estimate_usd(self, values: Mapping[str, Any], key: str | None) -> float | None:
        """None where the service does not say; without a key it is not asked, and what is known is told."""
        if key is not None and (self._price is None or self._clock.now() - self._price[0] > KEPT_S):
            try:
                price = await self._service.price(self._card.model_id, key=key)
            except ServiceError:
                price = Price(None, None)
            self._price = (self._clock.now(), price)
        return self._price[1].estimate_usd(self._card.duration_s(values) or 0.0) if self._price else None
