"""A card's values as people write them, in a table's cell or a link; and everything that is wrong with some values."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dreamina_ui.errors import InvalidInput
from dreamina_ui.model_card import Card, Field

__all__ = ["faults_of", "value_of", "written"]

_INTEGER = re.compile(r"[+-]?\d{1,40}(\.0+)?", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d{1,40}(\.\d{0,40})?|\.\d{1,40})([eE][+-]?\d{1,3})?", re.ASCII)
_RATIO = re.compile(r"\d{1,3}:\d{1,3}", re.ASCII)
_BOOLEANS = {"true": True, "yes": True, "ja": True, "1": True, "false": False, "no": False, "nein": False, "0": False}


def written(value: Any) -> str:
    """A value as text: text as it is, everything else as JSON writes it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def value_of(field: Field, text: str) -> Any:
    """The value a text means for a field. A text that means none comes back as it is, for the card to refuse."""
    if field.kind == "text":
        return text
    text = text.strip()
    if field.kind == "choice":
        return _choice(field, text)
    if field.kind == "integer" and _INTEGER.fullmatch(text):
        return int(text.partition(".")[0])
    if field.kind == "number" and _NUMBER.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    if field.kind == "boolean":
        return _BOOLEANS.get(text.casefold(), text)
    return text


def faults_of(card: Card, values: Mapping[str, Any]) -> list[InvalidInput]:
    """What the card refuses in these values, one fault for each field, in the card's order; unknown fields first."""
    faults = []
    for name in values:
        if card.field(name) is None:
            shown = name if len(name) <= 40 else name[:39] + "…"
            faults.append(InvalidInput(shown, "unknown_field", f"{shown}: this model has no such field"))
    for field in card.fields:
        try:
            replace(card, fields=(field,)).validate({field.name: values.get(field.name)})
        except InvalidInput as fault:
            faults.append(fault)
    return faults


def _choice(field: Field, text: str) -> Any:
    for choice in field.choices:
        if written(choice) == text:
            return choice
    alike = [choice for choice in field.choices if _plain(written(choice)) == _plain(text)]
    if not alike and _RATIO.fullmatch(text):
        contained = re.compile(rf"(?<![\d:]){text}(?![\d:])")
        alike = [choice for choice in field.choices if isinstance(choice, str) and contained.search(choice)]
    return alike[0] if len(alike) == 1 else text


def _plain(text: str) -> str:
    """Without what is hard to type: "1920x1088 (16:9)" is a ratio, too."""
    return "".join(text.casefold().split()).replace("×", "x")
