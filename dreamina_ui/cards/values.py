"""Converts a card's values from and to text in controls, table cells and links, and lists all their faults."""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from dreamina_ui.cards.model_card import Card, Field
from dreamina_ui.errors import InvalidInput

__all__ = ["faults_of", "held_as", "read_value", "value_of", "written", "written_for"]

_INTEGER = re.compile(r"[+-]?\d{1,40}(\.0+)?", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d{1,40}(\.\d{0,40})?|\.\d{1,40})([eE][+-]?\d{1,3})?", re.ASCII)
_RATIO = re.compile(r"\d{1,3}:\d{1,3}", re.ASCII)
_BOOLEANS = {"true": True, "yes": True, "ja": True, "1": True, "false": False, "no": False, "nein": False, "0": False}


def written(value: Any) -> str:
    """A value as text: text unchanged, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def written_for(field: Field, value: Any) -> str:
    """A value as text in a link or cell, which `value_of` can read; null is empty."""
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False, default=str) if field.kind == "json" else written(value)


def read_value(field: Field, content: Any) -> Any:
    """The value of a field from the `content` of its control in the form.

    An empty control means None; but "" for a text that cannot be left out, and [] for a list with a default.
    """
    if not isinstance(content, str):
        return None if content == [] and field.can_be_empty else content
    if field.kind == "text":
        return None if not content and field.can_be_empty else content
    if field.kind == "choice" and content in field.choices:
        return content
    if content.strip():
        return value_of(field, content)
    return [] if field.kind == "list" and field.default and not (field.required or field.nullable) else None


def held_as(field: Field, value: Any) -> Any:
    """The content of a field's control for a value: the inverse of `read_value`."""
    if field.kind == "json":
        return "" if value is None else json.dumps(value, ensure_ascii=False, indent=2, default=str)
    if field.kind == "list" and not (field.item and field.item.kind == "choice"):
        return _lines(value) if isinstance(value, list) else ""
    if field.kind in ("choice", "boolean") and field.can_be_empty:
        return "" if value is None else written(value) if field.kind == "boolean" else value
    if field.kind in ("integer", "number"):
        return "" if value is None else written(value)
    return value


def value_of(field: Field, text: str) -> Any:
    """The value of a field from text. Text that is not valid is returned unchanged; the card's check refuses it."""
    if field.nullable and not text.strip() and text not in field.choices:
        return None
    if field.kind == "text":
        return text
    text = text.strip()
    if field.kind == "list" and field.item is not None:
        return _list(field.item, text)
    if field.kind == "json":
        return _json(text)
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
    """The faults of `values`: unknown fields, then at most one fault for each field in the card's order."""
    faults = []
    for name in values:
        if card.field(name) is None:
            shown = name if len(name) <= 40 else name[:39] + "…"
            faults.append(InvalidInput(shown, "unknown_field", f"{shown}: this model has no such field"))
    of_fields = (card.fault_of(field, values.get(field.name)) for field in card.fields)
    return [*faults, *filter(None, of_fields)]


def _choice(field: Field, text: str) -> Any:
    for choice in field.choices:
        if written(choice) == text:
            return choice
    alike = [choice for choice in field.choices if _plain(written(choice)) == _plain(text)]
    if not alike and _RATIO.fullmatch(text):
        contained = re.compile(rf"(?<![\d:]){text}(?![\d:])")
        alike = [choice for choice in field.choices if isinstance(choice, str) and contained.search(choice)]
    return alike[0] if len(alike) == 1 else text


def _list(item: Field, text: str) -> Any:
    """The entries of a list: a JSON array, or one entry on each line; numbers also between commas."""
    if text.startswith("[") and isinstance(given := _json(text), list):
        return given
    ends = r"[\n;,]" if item.kind in ("integer", "number") else r"\n"
    return [value_of(item, part.strip()) for part in re.split(ends, text) if part.strip()]


def _lines(values: list[Any]) -> str:
    """One entry on each line if that can be read back; else JSON."""
    lines = [written(value) for value in values]
    plain = all(line and line == line.strip() and "\n" not in line and line[0] != "[" for line in lines)
    return "\n".join(lines) if plain else json.dumps(values, ensure_ascii=False, default=str)


def _json(text: str) -> Any:
    """The parsed JSON; text that is not JSON unchanged."""

    def refuse(name: str) -> Any:
        raise ValueError(f"{name} is no JSON")

    try:
        return json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError):
        return text


def _plain(text: str) -> str:
    """Text without case, blanks and ×, so that "1920x1088 (16:9)" matches a ratio."""
    return "".join(text.casefold().split()).replace("×", "x")
