"""The models that are offered: how they are described and found, and their prices."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from dreamina_ui.simulator.card import Card, Refusal

__all__ = ["Catalogue"]


class Catalogue:
    """All cards, at one price: `price_usd` for each `price_unit` (`second` or `output`).

    A `pricing_note` says that the price is no total, as the service does of most models.
    """

    def __init__(
        self, cards: Sequence[Mapping[str, Any]], *, price_usd: float, price_unit: str, pricing_note: str = ""
    ) -> None:
        if price_unit not in {"second", "output"}:
            message = "price_unit is 'second' or 'output'"
            raise ValueError(message)
        self._cards = {card.model_id: card for card in map(Card.from_json, cards)}
        self._price_usd = price_usd
        self._price_unit = price_unit
        self._pricing_note = pricing_note

    def find(self, model_id: str) -> Card:
        try:
            return self._cards[model_id]
        except KeyError:
            message = "There is no such model."
            raise Refusal(400, 400001, message) from None

    def cost(self, duration_s: float) -> float:
        """US dollars for one video of this length."""
        return round(self._price_usd * (duration_s if self._price_unit == "second" else 1), 6)

    def describe(self, model_id: str, *, with_schema: bool = True) -> dict[str, Any]:
        card = self.find(model_id)
        body = {
            "model_id": card.model_id,
            "display_name": card.title,
            "kind": "model",
            "categories": [card.task] if card.task else [],
            "base_price_usd": self._price_usd,
            "price_unit": self._price_unit,
            "pricing_note": self._pricing_note or None,
        }
        schemas = {"input_schema": card.input_schema, "output_schema": card.output_schema}
        return {**body, **(schemas if with_schema else {})}

    def search(self, query: Mapping[str, str]) -> dict[str, Any]:
        """A page of the catalogue by `search`, `category`, `kind`, `include_schema`, `limit` and `offset`."""
        limit, offset = _count(query, "limit", 50), _count(query, "offset", 0)
        word = query.get("search", "").casefold()
        task = query.get("category") or (None if query.get("kind") == "model" else query.get("kind"))
        found = [
            card.model_id
            for card in self._cards.values()
            if word in f"{card.model_id} {card.title}".casefold() and task in {None, card.task}
        ]
        with_schema = query.get("include_schema", "").lower() in {"true", "1"}
        page = found[offset : offset + limit]
        models = [self.describe(model_id, with_schema=with_schema) for model_id in page]
        return {"models": models, "total": len(found)}


def _count(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, str(default))
    if not re.fullmatch(r"[0-9]{1,6}", text):
        raise Refusal.invalid([{"loc": ["query", name], "msg": "Not a count.", "type": "int_parsing"}])
    return int(text)
