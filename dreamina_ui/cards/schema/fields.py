"""Makes a typed field of each property of a card's JSON Schema. Pure.

A schema can say the same thing in several ways: `nullable: true`, `type: [x, "null"]` or `anyOf` with null; `$ref` and
single `allOf` in generated schemas. `plain_schema` rewrites them to one form, for the fields and for the validator. What no
draft of JSON Schema knows has gone before (`dialect.py`).
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from dreamina_ui.cards.media.media_rules import MediaRule, rules_of
from dreamina_ui.cards.schema.dialect import MEDIA_FORMATS, media_form
from dreamina_ui.errors import CardError

__all__ = ["Field", "Kind", "field_of", "kind_of_value", "plain_schema"]

Kind = Literal["text", "choice", "integer", "number", "boolean", "address", "list", "json"]

REFERENCES_MOST = 20
"""The longest chain of references; a longer one is a circle."""
_KINDS: Mapping[str, Kind] = {"string": "text", "integer": "integer", "number": "number", "boolean": "boolean"}
_ANNOTATIONS = ("title", "description", "default", "nullable", "examples", "deprecated", "$comment")


@dataclass(frozen=True, slots=True)
class Field:
    """One input of a model.

    `kind` is `json` for everything that no other kind fits. `choices` are only for the kind `choice`, `item` describes the
    entries of a `list`. Limits are None where the card has none; `least` and `most` may include a bound that the card
    excludes. A number is a multiple of `step`.
    """

    name: str
    title: str
    description: str
    kind: Kind
    required: bool
    default: Any
    choices: tuple[Any, ...] = ()
    most_characters: int | None = None
    least: float | None = None
    most: float | None = None
    step: float | None = None
    nullable: bool = False
    item: "Field | None" = None
    least_items: int | None = None
    most_items: int | None = None
    media: str | None = None
    """What an address leads to, of the values of `MEDIA_FORMATS`; for a list, those of its entries."""
    rules: tuple[MediaRule, ...] = ()
    """What the model wants of such a file."""
    unread_rules: tuple[str, ...] = ()
    """What the card also says of it, and is not understood."""
    sample: str | None = None
    """An address that the card has as an example; it is only shown."""
    unit_s: float | None = None
    """Seconds of video in one unit of the value, for a number of frames or of seconds."""

    @property
    def can_be_empty(self) -> bool:
        """Whether the value may be left out or null."""
        return self.nullable or (not self.required and self.default is None)


def plain_schema(card: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema with each property in the one form. Raises `CardError`."""
    properties: dict[str, Any] = {}
    for name, spec in schema["properties"].items():
        if not isinstance(spec, Mapping):
            raise CardError(f"{card}: {name} is not described by an object")
        _check_references(card, spec, schema)
        inner, nullable = _plain(card, name, spec, schema)
        inner, also = _without_null(media_form(name, inner))
        nullable = nullable or also
        properties[name] = _with_null(inner) if nullable else inner
    missing = [str(name) for name in schema.get("required", ()) if name not in properties]
    if missing:
        raise CardError(f"{card}: {', '.join(missing)} is required and is not one of the properties")
    return {**schema, "properties": properties}


def field_of(card: str, name: str, spec: Mapping[str, Any], required: bool) -> Field:
    """The field of a property of a `plain_schema`. Raises `CardError`."""
    spec, nullable = _without_null(spec)
    choices = _choices(card, name, spec)
    nullable = nullable or None in spec.get("enum", ())
    item = _item(card, name, spec)
    kind = _kind(spec, choices, item)
    is_list = kind == "list" and item is not None
    rules, unread_rules = rules_of(spec.get("validations")) if kind == "address" else ((), ())
    if is_list and item is not None:
        rules, unread_rules = item.rules, item.unread_rules
    return Field(
        name=name,
        title=str(spec.get("title") or name),
        description=str(spec.get("description") or ""),
        kind=kind,
        required=required,
        default=spec.get("default"),
        choices=choices,
        most_characters=spec.get("maxLength"),
        least=_bound(spec, "minimum", "exclusiveMinimum", kind, +1),
        most=_bound(spec, "maximum", "exclusiveMaximum", kind, -1),
        step=spec.get("multipleOf"),
        nullable=nullable,
        item=item if is_list else None,
        least_items=spec.get("minItems") if kind == "list" else None,
        most_items=spec.get("maxItems") if kind == "list" else None,
        media=MEDIA_FORMATS[spec["format"]] if kind == "address" else item.media if is_list and item else None,
        rules=rules,
        unread_rules=unread_rules,
        sample=_sample(spec.get("examples")),
    )


def kind_of_value(value: Any) -> str:
    """The JSON type of a value; `number` for both types of numbers, `structure` for arrays and objects."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return "string" if isinstance(value, str) else "null" if value is None else "structure"


def _kind(spec: Mapping[str, Any], choices: tuple[Any, ...], item: Field | None) -> Kind:
    if choices:
        return "choice"
    if item is not None and item.kind not in ("list", "json"):
        return "list"
    kind = spec.get("type")
    if kind == "string" and spec.get("format") in MEDIA_FORMATS:
        return "address"
    # A value of several types has to be written as JSON.
    if not isinstance(kind, str) or any(name in spec for name in ("anyOf", "oneOf", "allOf", "not", "if")):
        return "json"
    return _KINDS.get(kind, "json")


def _choices(card: str, name: str, spec: Mapping[str, Any]) -> tuple[Any, ...]:
    if "enum" not in spec and "const" not in spec:
        return ()
    values = spec["enum"] if "enum" in spec else [spec["const"]]
    choices = tuple(choice for choice in values if choice is not None)
    kinds = {kind_of_value(choice) for choice in choices}
    if not choices:
        raise CardError(f"{card}: {name} has an empty enum")
    texts = {choice if isinstance(choice, str) else json.dumps(choice) for choice in choices}
    if "structure" in kinds or (len(kinds) > 1 and len(texts) < len(choices)):
        raise CardError(
            f"{card}: {name} has an enum of mixed kinds: a link or a table could not tell its choices apart"
        )
    return choices


def _sample(examples: Any) -> str | None:
    """The first example, if it is the address of a file, or a list of such."""
    first = examples[0] if isinstance(examples, list) and examples else None
    first = first[0] if isinstance(first, list) and first else first
    return first if isinstance(first, str) and first.startswith("https://") and first.isprintable() else None


def _item(card: str, name: str, spec: Mapping[str, Any]) -> Field | None:
    items = spec.get("items")
    if spec.get("type") != "array" or not isinstance(items, Mapping) or "prefixItems" in spec:
        return None
    return None if _without_null(items)[1] else field_of(card, name, items, required=True)


def _bound(spec: Mapping[str, Any], name: str, exclusive: str, kind: Kind, way: int) -> float | None:
    """The stricter of both bounds; for integers, an exclusive bound becomes the next integer within it."""
    bounds = [spec[name]] if name in spec else []
    if (excluded := spec.get(exclusive)) is not None:
        next_one = math.floor(excluded) + 1 if way > 0 else math.ceil(excluded) - 1
        bounds.append(next_one if kind == "integer" else excluded)
    return (max(bounds) if way > 0 else min(bounds)) if bounds else None


def _plain(
    card: str, name: str, spec: Mapping[str, Any], root: Mapping[str, Any], depth: int = 0
) -> tuple[dict[str, Any], bool]:
    """The property without references at its top and without null, and whether it accepts null."""
    if depth > REFERENCES_MOST:
        raise CardError(f"{card}: {name} refers to itself")
    if "$ref" in spec:
        around = {key: value for key, value in spec.items() if key != "$ref"}
        return _plain(card, name, {**_target(spec["$ref"], root), **around}, root, depth + 1)
    if len(spec.get("allOf", ())) == 1 and set(spec) <= {"allOf", *_ANNOTATIONS}:
        around = {key: value for key, value in spec.items() if key != "allOf"}
        return _plain(card, name, {**spec["allOf"][0], **around}, root, depth + 1)
    inner, nullable = _without_null(spec)
    if "$ref" in inner or len(inner.get("allOf", ())) == 1 != len(spec.get("allOf", ())):
        inner, also = _plain(card, name, inner, root, depth + 1)
        nullable = nullable or also
    if isinstance(inner.get("items"), Mapping):
        items, takes_null = _plain(card, name, inner["items"], root, depth + 1)
        inner["items"] = _with_null(items) if takes_null else items
    return inner, nullable


def _without_null(spec: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    inner = dict(spec)
    nullable = inner.pop("nullable", False) is True
    kinds = inner.get("type")
    if isinstance(kinds, list):
        others = [kind for kind in kinds if kind != "null"]
        nullable = nullable or len(others) < len(kinds)
        inner["type"] = others[0] if len(others) == 1 else others
        if not others:
            inner["type"] = "null"
    for key in ("anyOf", "oneOf"):
        ways = inner.get(key, ())
        others = [way for way in ways if not (isinstance(way, Mapping) and way.get("type") == "null")]
        if others and len(others) < len(ways):
            nullable = True
            if len(others) == 1 and isinstance(others[0], Mapping):
                del inner[key]
                inner = {**others[0], **inner}
            else:
                inner[key] = others
    return inner, nullable


def _with_null(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The property or null, written so that an error still names the rule that is broken."""
    if not isinstance(spec.get("type"), str) or any(
        name in spec for name in ("anyOf", "oneOf", "allOf", "not", "const")
    ):
        annotations = {name: spec[name] for name in _ANNOTATIONS if name in spec}
        return {**annotations, "anyOf": [dict(spec), {"type": "null"}]}
    enum = {"enum": [*spec["enum"], None]} if "enum" in spec and None not in spec["enum"] else {}
    return {**spec, **enum, "type": [spec["type"], "null"]}


def _target(reference: Any, root: Mapping[str, Any]) -> Mapping[str, Any]:
    """The target of a reference within the schema. Raises `LookupError`, `ValueError` or `TypeError` if there is none."""
    place: Any = root
    for part in str(reference).removeprefix("#").strip("/").split("/"):
        if part:
            name = part.replace("~1", "/").replace("~0", "~")
            place = place[int(name)] if isinstance(place, list) else place[name]
    if not isinstance(place, Mapping):
        raise LookupError(reference)
    return place


def _check_references(card: str, node: Any, root: Mapping[str, Any]) -> None:
    """Raises `CardError` for a reference to something outside the schema: nothing is downloaded for a card."""
    if isinstance(node, list):
        for each in node:
            _check_references(card, each, root)
    if not isinstance(node, Mapping):
        return
    if isinstance(reference := node.get("$ref"), str):
        try:
            if not reference.startswith("#"):
                raise LookupError(reference)
            _target(reference, root)
        except (LookupError, ValueError, TypeError) as error:
            raise CardError(
                f"{card}: {reference[:80]} is referred to, and does not stand in its input_schema"
            ) from error
    for key, each in node.items():
        if key not in ("default", "examples", "enum", "const"):
            _check_references(card, each, root)
