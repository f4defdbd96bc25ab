"""The models that one studio offers."""

import hashlib
from collections.abc import Iterator, Sequence

from dreamina_ui.cards.model_card import Card
from dreamina_ui.cards.names import field_named, same_name, similar_name
from dreamina_ui.cards.problems import shown
from dreamina_ui.cards.schema.fields import Field
from dreamina_ui.errors import CardError, InvalidInput

__all__ = ["MODEL", "Models"]

MODEL = Field("model", "Model", "", "text", required=False, default=None)
"""What names a model among the settings of a link, a row or a call."""
ALLOWED_MOST = 12
"""More names than these are too long for a sentence."""


class Models:
    """Model cards by their id; the first is the default. Raises `CardError` if there is none, or two of one id."""

    def __init__(self, cards: Sequence[Card]) -> None:
        self._cards = {card.model_id: card for card in cards}
        if not cards:
            raise CardError("no model is named")
        if len(self._cards) < len(cards):
            ids = [card.model_id for card in cards]
            twice = next(model_id for model_id in ids if ids.count(model_id) > 1)
            raise CardError(f"{twice} is named twice")

    def __iter__(self) -> Iterator[Card]:
        return iter(self._cards.values())

    def __len__(self) -> int:
        return len(self._cards)

    @property
    def default(self) -> Card:
        return next(iter(self))

    @property
    def fields(self) -> list[tuple[Card, Field]]:
        """The fields of all models, each name once: as the first model has it that has one."""
        named: dict[str, tuple[Card, Field]] = {}
        for card in self:
            for field in card.fields:
                named.setdefault(field.name, (card, field))
        return list(named.values())

    @property
    def version(self) -> str:
        """Changes when a page's forms would mean something else: with the models, their order, their fields and their choices."""
        forms = [(card.model_id, [(field.name, field.kind, field.choices) for field in card.fields]) for card in self]
        return hashlib.sha256(repr(forms).encode()).hexdigest()[:12]

    @property
    def have_field_model(self) -> bool:
        """Whether a model has a field of its own that is called as what names a model."""
        return any(card.field(MODEL.name) for card in self)

    @property
    def column_of_names(self) -> str:
        """What heads the column of a table that names its rows; no field of a model is called like this."""
        return "name" if field_named((field for _, field in self.fields), "name") is None else "shelf_name"

    def get(self, model_id: str) -> Card | None:
        return self._cards.get(model_id)

    def taking_picture(self, *preferred: object) -> Card | None:
        """The first of these models that takes a picture, else the first of all that does; None if none does."""
        cards = [self._cards[name] for name in preferred if isinstance(name, str) and name in self._cards]
        return next((card for card in (*cards, *self) if card.picture is not None), None)

    def find(self, model_id: object = None) -> Card:
        """The card of a model; the default for None or an empty text. Raises `InvalidInput` for the field `model`."""
        if model_id is None or model_id == "":
            return self.default
        found = self._cards.get(model_id.strip("/ ")) if isinstance(model_id, str) else None
        if found is None:
            raise self._unknown(model_id)
        return found

    def named(self, name: str) -> Card:
        """The card of a model that a person names: by its id, or by its title, if no other model has that; in any case, with
        blanks or without. Raises as `find`.
        """
        of_id = [card for card in self if same_name(card.model_id, name)]
        of_title = [card for card in self if same_name(card.title, name)]
        for found in (of_id, of_title):
            if len(found) == 1:
                return found[0]
        raise self._unknown(name)

    def _unknown(self, given: object) -> InvalidInput:
        text = shown(given)
        message, allowed = f"{MODEL.name}: {text} is not offered", self._allowed(text)
        return InvalidInput(MODEL.name, "not_allowed", message, given=text, allowed=allowed)

    def _allowed(self, given: str) -> str:
        """The ids that a sentence lists; of very many, the one that is probably meant, or the first ones."""
        ids = list(self._cards)
        if len(ids) <= ALLOWED_MOST:
            return ", ".join(ids)
        meant = similar_name(ids, given)
        return meant or ", ".join(ids[:ALLOWED_MOST]) + ", …"
