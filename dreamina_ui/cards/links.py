"""Writes settings as a link, and reads them from one. Pure."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from dreamina_ui.cards.model_card import Card
from dreamina_ui.cards.models import MODEL, Models
from dreamina_ui.cards.schema.validator import within
from dreamina_ui.cards.values import value_of, written_for
from dreamina_ui.errors import InvalidInput

__all__ = ["link_of", "model_from", "values_from"]

LINK_S = 0.2
"""Seconds of processor time to check the values of a link, which is done while others wait."""
TEXT_MOST = 10_000
"""Characters of one value in a link; a longer one is refused."""


def link_of(card: Card, payload: Mapping[str, Any], *, is_default: bool = True) -> str:
    """`?prompt=…&seed=…`: the required values, and those that differ from the card's defaults; and the model, if it is not the
    default one.
    """
    named = {} if is_default or card.field(MODEL.name) else {MODEL.name: card.model_id}
    given = named | {
        field.name: written_for(field, value)
        for field in card.fields
        if ((value := payload.get(field.name)) is not None or (field.nullable and field.name in payload))
        and (field.required or value != field.default)
    }
    return "?" + urlencode(given, quote_via=quote, safe="", errors="replace") if given else ""


def model_from(models: Models, query: Mapping[str, str]) -> tuple[Card, InvalidInput | None]:
    """The model that a link is for, by default the default one; and the fault, if the link names one that is not offered."""
    if models.have_field_model:
        return models.default, None
    try:
        return models.find(query.get(MODEL.name)), None
    except InvalidInput as fault:
        return models.default, fault


def values_from(
    card: Card, query: Mapping[str, str], *, comma: bool = False
) -> tuple[dict[str, Any], InvalidInput | None]:
    """The valid values of a link by field name, and the first fault of the others.

    Ignores parameters that are not fields of the card. `comma` is as for `value_of`.
    """
    with within(LINK_S):
        return _checked(card, query, comma)


def _checked(card: Card, query: Mapping[str, str], comma: bool) -> tuple[dict[str, Any], InvalidInput | None]:
    values: dict[str, Any] = {}
    first: InvalidInput | None = None
    for field in card.fields:
        text = query.get(field.name)
        if text is None or (not text.strip() and not field.nullable and (field.required or field.kind != "text")):
            continue
        if len(text) > TEXT_MOST:
            limit = min(field.most_characters or TEXT_MOST, TEXT_MOST)
            message = f"{field.name}: {len(text)} characters, at most {limit}"
            first = first or InvalidInput(field.name, "too_long", message, given=len(text), limit=limit)
            continue
        value = value_of(field, text, comma=comma)
        if value is None and not field.nullable:
            continue
        if fault := card.fault_of(field, value):
            first = first or fault
        else:
            values[field.name] = value
    return values, first
