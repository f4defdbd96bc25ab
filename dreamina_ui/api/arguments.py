"""The arguments of tools: their schema, as the strictest readers of such schemas take it, and how they are read.

Services that call tools read different parts of JSON Schema, and some refuse a whole tool for a word that they do not know:
an enum of numbers, a default, a format, a bound, null, an array without items. So a schema here says types, and texts to
choose from; everything else is in the descriptions, for the model to read. The card checks the values.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from dreamina_ui.api.job_json import WORDS
from dreamina_ui.cards.model_card import Card
from dreamina_ui.cards.names import same_name, similar_name
from dreamina_ui.cards.problems import shown
from dreamina_ui.cards.schema.fields import Field
from dreamina_ui.cards.values import value_of, written
from dreamina_ui.errors import InvalidInput

__all__ = ["PAGE", "STARRED", "arguments_of", "fields_of_models", "input_schema", "truth", "whole_number"]

_TYPES = {"text": "string", "address": "string", "json": "string", "boolean": "boolean"}
_NUMBERS = {"integer": "integer", "number": "number"}
PAGE = (
    Field("limit", "limit", WORDS.say("mcp.limit"), "integer", required=False, default=24, least=1, most=100),
    Field("offset", "offset", WORDS.say("mcp.offset"), "integer", required=False, default=0, least=0),
)
"""The part of a list that is asked for."""
STARRED = Field("starred", "starred", WORDS.say("mcp.starred"), "boolean", required=False, default=False)
SHAPE_MOST = 400
"""Characters of a JSON Schema in a description."""


def input_schema(fields: Iterable[Field], specs: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The schema of a tool's arguments. `specs` are the JSON Schemas of fields of the kind `json`."""
    fields = list(fields)
    properties = {field.name: _property(field, (specs or {}).get(field.name)) for field in fields}
    required = [field.name for field in fields if field.required]
    return {"type": "object", "properties": properties, **({"required": required} if required else {})}


def fields_of_models(models: Iterable[Card]) -> list[Field]:
    """The fields of all models, each name once.

    Where models differ, a field takes what any of them takes: the values of a call are checked by the card of its model.
    """
    cards = list(models)
    named: dict[str, list[Field]] = {}
    for card in cards:
        for field in card.fields:
            named.setdefault(field.name, []).append(field)
    return [_common(fields, len(cards)) for fields in named.values()]


def _common(fields: Sequence[Field], count: int) -> Field:
    first = fields[0]
    required = len(fields) == count and all(field.required for field in fields)
    if all(field == first for field in fields) and len(fields) == count:
        return first
    kinds = {field.kind for field in fields}
    only = "" if len(fields) == count else WORDS.say("mcp.input.some")
    described = replace(first, required=required, description=" ".join(filter(None, (first.description, only))))
    if kinds == {"choice"} and len({type(choice) for field in fields for choice in field.choices}) == 1:
        return replace(described, choices=tuple(dict.fromkeys(choice for field in fields for choice in field.choices)))
    if len(kinds) == 1 and "choice" not in kinds:
        return replace(described, most_characters=None, least=None, most=None, step=None)
    return replace(described, kind="json", choices=(), default=None)


def arguments_of(fields: Sequence[Field], values: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The values by field name, and the names of arguments that the tool does not have.

    Frameworks add arguments of their own, so an unknown one is no error. One that is nearly the name of an argument that is not
    given is: without it, another video than the wanted one would be made and charged. Raises `InvalidInput`.
    """
    known: dict[str, Any] = {}
    unknown = []
    for name, value in values.items():
        field = next((field for field in fields if field.name == name), None)
        field = field or next((field for field in fields if same_name(field.name, name)), None)
        if field is None or (field.name != name and field.name in values):
            unknown.append(name)
        else:
            # The schema asks for JSON as text, also where a text would be taken as it is.
            known[field.name] = value_of(field, value) if field.kind == "json" else value
    missing = [field.name for field in fields if field.name not in known]
    for name in unknown:
        if (meant := similar_name(missing, name)) is not None:
            given = _readable(name)
            raise InvalidInput(given, "misspelt", f"{given}: is {meant} meant?", meant=meant)
    return known, [_readable(name) for name in unknown]


def whole_number(field: Field, given: Any) -> int:
    """The whole number that is given, or the field's default; within the field's bounds. Raises `InvalidInput`."""
    number = value_of(field, given)
    if number is None:
        number = field.default
    if not isinstance(number, int) or isinstance(number, bool):
        raise InvalidInput(field.name, "not_integer", f"{field.name}: no whole number", given=shown(number))
    least = number if field.least is None else max(number, int(field.least))
    return least if field.most is None else min(least, int(field.most))


def truth(field: Field, given: Any) -> bool:
    """Yes or no, as it is given, or the field's default. Raises `InvalidInput`."""
    value = value_of(field, given)
    if value is None:
        value = field.default
    if not isinstance(value, bool):
        raise InvalidInput(field.name, "not_boolean", f"{field.name}: neither yes nor no", given=shown(value))
    return value


def _readable(name: str) -> str:
    return ascii(name)[1:-1][:40]


def _property(field: Field, spec: Any = None) -> dict[str, Any]:
    said = [field.title if field.title != field.name else "", field.description, *_limits(field)]
    if field.kind == "json":
        shape = json.dumps(spec, ensure_ascii=False) if spec else ""
        said.append(WORDS.say("mcp.input.json") + (f" {shape}" if 0 < len(shape) <= SHAPE_MOST else ""))
    if field.nullable:
        said.append(WORDS.say("mcp.input.none"))
    if field.default not in (None, "") and not field.required:
        said.append(WORDS.say("mcp.input.default", value=written(field.default)))
    description = " ".join(part if part[-1] in ".:…" else f"{part}." for part in map(str.strip, said) if part)
    if field.kind == "choice" and _is_enum(field):
        return {"type": "string", "description": description, "enum": [choice for choice in field.choices if choice]}
    if field.kind == "list" and field.item is not None:
        return {"type": "array", "description": description, "items": _property(field.item)}
    return {"type": _type(field), "description": description}


def _type(field: Field) -> str:
    if field.kind == "choice" and not isinstance(field.choices[0], str):
        if all(isinstance(choice, bool) for choice in field.choices):
            return "boolean"
        return "integer" if all(isinstance(choice, int) for choice in field.choices) else "number"
    return _TYPES.get(field.kind) or _NUMBERS.get(field.kind, "string")


def _is_enum(field: Field) -> bool:
    """Whether the choices can be an enum: texts, and no empty one that has to be given."""
    return all(isinstance(choice, str) for choice in field.choices) and not (field.required and field.nullable)


def _limits(field: Field) -> list[str]:
    """What the schema does not say about the values, in sentences."""
    said = []
    if field.kind == "choice" and not _is_enum(field):
        said.append(
            WORDS.say("mcp.input.choices", values=", ".join(_with_length(field, each) for each in field.choices))
        )
    if field.kind == "address":
        said.append(WORDS.say("mcp.input.address"))
    if field.most_characters is not None:
        said.append(WORDS.say("mcp.input.characters", limit=field.most_characters))
    if field.least is not None:
        said.append(WORDS.say("mcp.input.least", limit=f"{field.least:g}"))
    if field.most is not None:
        # As text: a program reads no number with marks between its thousands.
        limit = int(field.most) if field.most == int(field.most) else field.most
        said.append(WORDS.say("mcp.input.most", limit=str(limit)))
    if field.step is not None:
        said.append(WORDS.say("mcp.input.step", step=f"{field.step:g}"))
    if field.least_items is not None or field.most_items is not None:
        least, most = field.least_items or 0, "…" if field.most_items is None else field.most_items
        said.append(WORDS.say("mcp.input.items", least=least, most=most))
    return said


def _with_length(field: Field, choice: Any) -> str:
    lasts = f" ({WORDS.seconds(choice * field.unit_s)})" if field.name == "frames" and field.unit_s else ""
    return f"{written(choice)}{lasts}"
