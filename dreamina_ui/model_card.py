"""A model card: what a model takes and gives. JSON Schema becomes typed fields; values become a checked payload."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import jsonschema
from jsonschema.protocols import Validator

from dreamina_ui.errors import CardError, InvalidInput

__all__ = ["PROBLEMS", "SEED_MOST", "Card", "Field", "load_card"]

Kind = Literal["text", "choice", "integer", "number", "boolean"]

PROBLEMS = (
    "missing",
    "blank",
    "too_long",
    "too_short",
    "too_large",
    "too_small",
    "not_allowed",
    "not_text",
    "not_integer",
    "not_number",
    "not_boolean",
    "unknown_field",
    "invalid",
)
"""What can be wrong with a value. Each has a sentence in `ui/wording.py`."""

SEED_MOST = 2**31 - 1
"""The largest seed drawn here. The service documents no upper limit; this fits every common integer type."""

_SIZE = re.compile(r"(\d{2,5})\s*[×xX]\s*(\d{2,5})")
_KINDS: Mapping[str, Kind] = {"string": "text", "integer": "integer", "number": "number", "boolean": "boolean"}
_BY_TYPE = {"string": "not_text", "integer": "not_integer", "number": "not_number", "boolean": "not_boolean"}
_BY_KEYWORD = {
    "maxLength": "too_long",
    "minLength": "too_short",
    "maximum": "too_large",
    "exclusiveMaximum": "too_large",
    "minimum": "too_small",
    "exclusiveMinimum": "too_small",
    "enum": "not_allowed",
}


@dataclass(frozen=True, slots=True)
class Field:
    """One input. `choices` is empty unless `kind` is `choice`; limits are None where the card sets none."""

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


@dataclass(frozen=True, slots=True)
class Card:
    """`frames_per_second` is None for models that do not say; `validator` holds the card's input schema."""

    model_id: str
    title: str
    frames_per_second: float | None
    fields: tuple[Field, ...]
    validator: Validator
    source: Mapping[str, Any]

    def field(self, name: str) -> Field | None:
        return next((field for field in self.fields if field.name == name), None)

    def validate(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """A payload to send: `values` with the card's defaults where a value is None or absent.

        Raises `InvalidInput` for the first field, in the card's order, that breaks the card.
        """
        for name in values:
            if self.field(name) is None:
                raise InvalidInput(name, "unknown_field", f"{name}: this model has no such field")
        payload: dict[str, Any] = {}
        for field in self.fields:
            value = values.get(field.name)
            if value is None:
                value = None if field.required else field.default
            if isinstance(value, float) and field.kind == "integer" and value.is_integer():
                value = int(value)  # JSON has one kind of number; forms send 7 as 7.0
            if value is not None:
                payload[field.name] = value
        found = {
            str(error.absolute_path[0]): error
            for error in reversed(list(self.validator.iter_errors(payload)))
            if error.absolute_path
        }
        for field in self.fields:
            if field.name not in payload:
                if field.required:
                    raise InvalidInput(field.name, "missing", f"{field.name}: a value is needed")
            elif field.name in found:
                raise _problem(field, payload[field.name], found[field.name])
            elif _draws_itself(field) and payload[field.name] < field.default:
                raise InvalidInput(
                    field.name,
                    "too_small",
                    f"{field.name}: {payload[field.name]}, at least {field.default}",
                    held=payload[field.name],
                    limit=field.default,
                )
            elif field.kind == "text" and not _is_encodable(payload[field.name]):
                raise InvalidInput(field.name, "invalid", f"{field.name}: holds half a character (a lone surrogate)")
            elif field.required and field.kind == "text" and not payload[field.name].strip():
                raise InvalidInput(field.name, "blank", f"{field.name}: a value is needed")
        return payload

    def with_seed(self, payload: Mapping[str, Any], draw: Callable[[int], int], variation: int = 0) -> dict[str, Any]:
        """The payload with a random seed (−1, as the card's default says) replaced by one drawn here.

        The service tells nobody which seed it drew; a seed of our own makes every video repeatable.
        `draw(n)` gives a whole number from 0 to n − 1. A given seed is counted up by the `variation` (0 for the first), so
        that the variations of one click differ.
        """
        seed = self.field("seed")
        if seed is None or seed.kind != "integer" or "seed" not in payload:
            return dict(payload)
        if _draws_itself(seed) and payload["seed"] == seed.default:
            return {**payload, "seed": draw(SEED_MOST + 1)}
        return {**payload, "seed": (payload["seed"] + variation) % (SEED_MOST + 1) if variation else payload["seed"]}

    def size(self, payload: Mapping[str, Any]) -> tuple[int, int] | None:
        """Width and height in pixels, from the ratio string ("1920×1088(16:9)"); None if it names none."""
        found = _SIZE.search(str(payload.get("aspect_ratio", "")))
        return (int(found[1]), int(found[2])) if found else None

    def duration_s(self, payload: Mapping[str, Any]) -> float | None:
        """Seconds of video asked for, from `frames` and the card's frames per second."""
        frames = payload.get("frames")
        if self.frames_per_second is None or not isinstance(frames, int):
            return None
        return frames / self.frames_per_second


def load_card(path: Path) -> Card:
    """Read a card.

    Raises `CardError` with one sentence that names what is wrong.
    """
    try:
        source = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CardError(f"{path.name} is not a readable JSON file: {error}") from error
    schema = source.get("input_schema") if isinstance(source, dict) else None
    if not isinstance(schema, dict) or schema.get("type") != "object" or not isinstance(schema.get("properties"), dict):
        raise CardError(f"{path.name} has no input_schema of type object with properties")
    if not isinstance(source.get("model_id"), str) or not source["model_id"].strip("/ "):
        raise CardError(f"{path.name} has no model_id")
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise CardError(f"{path.name}: {error.json_path}: {error.message}") from error
    validator = jsonschema.Draft202012Validator(schema)
    required = schema.get("required", [])
    fields = tuple(_field(path.name, name, spec, name in required) for name, spec in schema["properties"].items())
    for field in fields:
        if field.default is not None and any(validator.descend(field.default, schema["properties"][field.name])):
            raise CardError(f"{path.name}: the default of {field.name} is outside its own limits")
    fps = source.get("frames_per_second")
    return Card(
        model_id=source["model_id"].strip("/ "),
        title=str(source.get("title") or source["model_id"]),
        frames_per_second=float(fps) if isinstance(fps, int | float) and fps > 0 else None,
        fields=fields,
        validator=validator,
        source=source,
    )


def _field(card: str, name: str, spec: Mapping[str, Any], required: bool) -> Field:
    choices = tuple(spec.get("enum", ()))
    if not choices and spec.get("type") not in _KINDS:
        raise CardError(f"{card}: {name} is of type {spec.get('type')!r}, which the form cannot show")
    return Field(
        name=name,
        title=str(spec.get("title") or name),
        description=str(spec.get("description") or ""),
        kind="choice" if choices else _KINDS[spec["type"]],
        required=required,
        default=spec.get("default"),
        choices=choices,
        most_characters=spec.get("maxLength"),
        least=spec.get("minimum"),
        most=spec.get("maximum"),
    )


def _problem(field: Field, value: Any, error: jsonschema.ValidationError) -> InvalidInput:
    """The first broken rule of one field, with the value's measure and the limit."""
    keyword, limit = str(error.validator), _plain(error.validator_value)
    # A wrong type is also outside every enum; for a field of choices, the choices are the better answer.
    if keyword == "type" and field.kind != "choice":
        problem = _BY_TYPE.get(str(limit), "invalid")
        expected = problem.removeprefix("not_").replace("integer", "whole number")
        return InvalidInput(
            field.name, problem, f"{field.name}: {_shown(value)} is not a {expected}", held=_shown(value)
        )
    if field.kind == "choice":
        allowed = ", ".join(str(choice) for choice in field.choices)
        message = f"{field.name}: {_shown(value)} is not one of {allowed}"
        return InvalidInput(field.name, "not_allowed", message, held=_shown(value), allowed=allowed)
    problem = _BY_KEYWORD.get(keyword, "invalid")
    if problem == "too_long":
        message = f"{field.name}: {len(value)} characters, at most {limit}"
        return InvalidInput(field.name, problem, message, held=len(value), limit=limit)
    if problem == "too_short":
        message = f"{field.name}: {len(value)} characters, at least {limit}"
        return InvalidInput(field.name, problem, message, held=len(value), limit=limit)
    if problem in ("too_large", "too_small"):
        bound = "at most" if problem == "too_large" else "at least"
        return InvalidInput(field.name, problem, f"{field.name}: {value}, {bound} {limit}", held=value, limit=limit)
    return InvalidInput(field.name, "invalid", f"{field.name}: {error.message[:200]}", held=_shown(value))


def _draws_itself(field: Field) -> bool:
    """Whether this is a seed whose −1 asks the service to draw one; any other seed is not negative."""
    return field.name == "seed" and field.kind == "integer" and field.default == -1


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _plain(limit: Any) -> str | int | float | None:
    return limit if isinstance(limit, str | int | float) else None


def _shown(value: Any) -> str:
    """A value as a sentence may hold it: short, and on one line."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = " ".join(text.split())
    return text if len(text) <= 40 else text[:39] + "…"
