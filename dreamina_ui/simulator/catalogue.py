"""The models on offer: their cards, what they accept, and what they would cost."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jsonschema import Draft202012Validator

__all__ = ["Card", "Catalogue", "Refusal"]

_SIZE = re.compile(r"(\d{2,4})×(\d{2,4})")
_LONGEST_MESSAGE = 300


class Refusal(Exception):
    """A call that is refused: `code` is the HTTP status, `body` the JSON that goes with it."""

    def __init__(self, code: int, error_code: int, message: str, **more: Any) -> None:
        super().__init__(message)
        self.code = code
        self.body: dict[str, Any] = {"error_code": error_code, "error_message": message, **more}

    @classmethod
    def invalid(cls, detail: list[dict[str, Any]]) -> Refusal:
        """422001 with where (`loc`), what (`msg`) and which rule (`type`) of each mistake."""
        return cls(422, 422001, "The input is not valid.", detail=detail)


@dataclass(frozen=True, slots=True)
class Card:
    """One model, as its card (JSON) describes it."""

    model_id: str
    title: str
    task: str
    frames_per_second: int
    input_schema: Mapping[str, Any]
    output_schema: Mapping[str, Any]
    validator: Draft202012Validator

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Card:
        model_id, schema = str(content["model_id"]), content["input_schema"]
        return cls(
            model_id, str(content.get("title", model_id)), str(content.get("task", "")),
            int(content.get("frames_per_second", 24)), schema, content.get("output_schema", {}),
            Draft202012Validator({**schema, "additionalProperties": False}),
        )  # fmt: skip

    def check(self, given: Any) -> dict[str, Any]:
        """The input as it came, or a refusal that names every mistake."""
        errors = sorted(self.validator.iter_errors(given), key=lambda error: str(error.json_path))
        if errors or not isinstance(given, dict):
            detail = [
                {"loc": ["body", *e.absolute_path], "msg": e.message[-_LONGEST_MESSAGE:], "type": e.validator}
                for e in errors
            ]
            raise Refusal.invalid(detail)
        return given

    def picture(self, given: Mapping[str, Any]) -> tuple[int, int, int, int]:
        """Width and height in pixels, frames, seed; what was not given is the schema's default."""
        properties = self.input_schema.get("properties", {})

        def value(name: str, otherwise: Any) -> Any:
            return given.get(name, properties.get(name, {}).get("default", otherwise))

        size = _SIZE.match(str(value("aspect_ratio", "")))
        width, height = (int(size[1]), int(size[2])) if size else (1280, 720)
        return width, height, int(value("frames", 121)), int(value("seed", -1))


class Catalogue:
    """All cards, at one price: `price_usd` for each `price_unit` (`second` or `output`)."""

    def __init__(self, cards: Sequence[Mapping[str, Any]], *, price_usd: float, price_unit: str) -> None:
        if price_unit not in {"second", "output"}:
            message = "price_unit is 'second' or 'output'"
            raise ValueError(message)
        self._cards = {card.model_id: card for card in map(Card.from_json, cards)}
        self._price_usd = price_usd
        self._price_unit = price_unit

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
        paid = f"simulated, {self._price_usd} USD per {self._price_unit}"
        body = {
            "model_id": card.model_id,
            "display_name": card.title,
            "category": card.task,
            "base_price_usd": self._price_usd,
            "price_unit": self._price_unit,
            "pricing_note": paid if self._price_usd else "simulated, free",
        }
        schemas = {"input_schema": card.input_schema, "output_schema": card.output_schema}
        return {**body, **(schemas if with_schema else {})}

    def search(self, asked: Mapping[str, str]) -> dict[str, Any]:
        """A page of the catalogue by `search`, `category`, `kind`, `include_schema`, `limit` and `offset`."""
        limit, offset = _count(asked, "limit", 50), _count(asked, "offset", 0)
        word = asked.get("search", "").casefold()
        task = asked.get("category") or asked.get("kind")
        found = [
            card.model_id
            for card in self._cards.values()
            if word in f"{card.model_id} {card.title}".casefold() and task in {None, card.task}
        ]
        with_schema = asked.get("include_schema", "").lower() in {"true", "1"}
        page = found[offset : offset + limit]
        models = [self.describe(model_id, with_schema=with_schema) for model_id in page]
        return {"models": models, "total": len(found)}


def _count(asked: Mapping[str, str], name: str, usual: int) -> int:
    text = asked.get(name, str(usual))
    if not re.fullmatch(r"[0-9]{1,6}", text):
        raise Refusal.invalid([{"loc": ["query", name], "msg": "Not a count.", "type": "int_parsing"}])
    return int(text)
