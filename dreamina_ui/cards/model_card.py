"""A model card: the inputs of a model, and the check of their values."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jsonschema
import referencing
from jsonschema.protocols import Validator

from dreamina_ui.cards.problems import (
    ADDRESS_CHECKER,
    bad_address,
    not_sendable,
    problem_of,
    reason_of,
    shown,
)
from dreamina_ui.cards.schema.dialect import normal_schema
from dreamina_ui.cards.schema.fields import Field, field_of, plain_schema
from dreamina_ui.cards.schema.validator import CHECK_S, CardValidator, TooSlow, check_patterns, within
from dreamina_ui.cards.values import value_of
from dreamina_ui.errors import CardError, InvalidInput

__all__ = ["SEED_MOST", "Card", "card_of", "load_card", "seed_most"]

SEED_MOST = 2**31 - 1
"""The largest random seed. The service documents no limit; this fits every common integer type."""

_OF_SECONDS = re.compile(r"\b(duration|seconds?)\b")
_LENGTHS = ("duration", "duration_s", "duration_seconds", "seconds")
"""Fields that say in seconds how long the video becomes."""
_LONGEST_S = 3600
_TOO_DEEP, _TOO_SLOW = _UNCHECKED = ("nested too deep", "takes too long to check")
"""Why values could not be checked."""
_SIZE = re.compile(r"(\d{2,5})\s*[×xX]\s*(\d{2,5})")


@dataclass(frozen=True, slots=True)
class Card:
    """One model. `frames_per_second` is None if the card has none; `validator` checks against the input schema.

    `source` is the card's JSON, with its input schema in the normal form.
    """

    model_id: str
    title: str
    frames_per_second: float | None
    fields: tuple[Field, ...]
    validator: Validator
    source: Mapping[str, Any]

    def field(self, name: str) -> Field | None:
        return next((field for field in self.fields if field.name == name), None)

    @property
    def prompt(self) -> Field | None:
        """The field `prompt`, else the first required text, else the first text."""
        texts = [field for field in self.fields if field.kind == "text"]
        named = [field for field in texts if field.name == "prompt"]
        return next(iter(named + [field for field in texts if field.required] + texts), None)

    @property
    def picture(self) -> Field | None:
        """The field for the picture that a video begins with: the first one for a picture."""
        return next((field for field in self.fields if field.media == "image"), None)

    def validate(self, values: Mapping[str, Any], *, gives_up: bool = False) -> dict[str, Any]:
        """The payload to send: `values`, with the card's defaults where a value is None or absent.

        A None in `values` is sent as null if the card accepts null and has another default. Raises `InvalidInput` for the
        first field, in the card's order, whose value is not valid; and `TooSlow` if it `gives_up` what takes too long, which
        is else refused as well.
        """
        for name in values:
            if self.field(name) is None:
                raise InvalidInput(name, "unknown_field", f"{name}: this model has no such field")
        with within(CHECK_S):
            payload = self._payload(self.fields, values)
            found, whole = self._faults(payload)
            for field in () if whole == _TOO_SLOW else self.fields:
                if fault := self._fault(field, payload, found):
                    raise fault
        if whole == _TOO_SLOW and gives_up:
            raise TooSlow
        if whole is not None:
            raise InvalidInput("", "not_together", whole, reason=whole)
        return payload

    def faults_of(self, values: Mapping[str, Any]) -> list[InvalidInput]:
        """The faults of `values`: unknown fields, then at most one fault for each field in the card's order."""
        faults = []
        for name in values:
            if self.field(name) is None:
                shown = name if len(name) <= 40 else name[:39] + "…"
                faults.append(InvalidInput(shown, "unknown_field", f"{shown}: this model has no such field"))
        with within(CHECK_S):
            of_fields = [self.fault_of(field, values.get(field.name)) for field in self.fields]
        return [*faults, *filter(None, of_fields)]

    def fault_of(self, field: Field, value: Any) -> InvalidInput | None:
        """The fault of a value of one field, whatever the values of the other fields."""
        with within(CHECK_S):
            payload = self._payload((field,), {field.name: value})
            found, whole = self._faults(payload)
        if whole in _UNCHECKED:
            return InvalidInput(field.name, "not_fitting", f"{field.name}: {whole}", reason=whole)
        return self._fault(field, payload, found)

    def _payload(self, fields: Sequence[Field], values: Mapping[str, Any]) -> dict[str, Any]:
        payload: dict[str, Any] = {}
        for field in fields:
            value = self._meant(field, values.get(field.name))
            if value is not None:
                payload[field.name] = value
            elif field.nullable and field.name in values and (field.required or field.default is not None):
                payload[field.name] = None  # leaving the field out would mean something else
            elif field.default is not None and not field.required:
                payload[field.name] = field.default
        return payload

    def _meant(self, field: Field, given: Any) -> Any:
        """As `value_of`; but text that a field of any JSON takes as it is stays text."""
        if field.kind == "json" and isinstance(given, str) and given.strip():
            spec = self.validator.schema["properties"][field.name]  # type: ignore[index]
            with suppress(TooSlow):
                if not any(self.validator.descend(given, spec)):  # type: ignore[attr-defined]
                    return given
        return value_of(field, given)

    def _faults(self, payload: Mapping[str, Any]) -> tuple[dict[str, jsonschema.ValidationError], str | None]:
        """The schema's first error of each field, and why the values do not fit together."""
        try:
            errors = list(self.validator.iter_errors(payload))
        except RecursionError:
            return {}, _TOO_DEEP
        except TooSlow:
            return {}, _TOO_SLOW
        found = {str(error.absolute_path[0]): error for error in reversed(errors) if error.absolute_path}
        whole = [error for error in errors if not error.absolute_path and error.validator != "required"]
        return found, reason_of(whole[0]) if whole else None

    def _fault(
        self, field: Field, payload: Mapping[str, Any], found: Mapping[str, jsonschema.ValidationError]
    ) -> InvalidInput | None:
        if field.name not in payload:
            return InvalidInput(field.name, "missing", f"{field.name}: a value is needed") if field.required else None
        value, error = payload[field.name], found.get(field.name)
        if field.kind == "number" and (fault := not_sendable(field, value)):
            return fault  # NaN breaks no limit and no step
        if error is not None:
            return problem_of(field, value, error)
        if value is None:
            return None
        if _is_random_seed(field) and value < field.default:
            message = f"{field.name}: {value}, at least {field.default}"
            return InvalidInput(field.name, "too_small", message, given=value, limit=field.default)
        if fault := not_sendable(field, value) or bad_address(field, value):
            return fault
        if field.required and field.kind == "text" and not value.strip():
            return InvalidInput(field.name, "blank", f"{field.name}: a value is needed")
        return None

    def with_seed(self, payload: Mapping[str, Any], draw: Callable[[int], int], variation: int = 0) -> dict[str, Any]:
        """The payload with a random seed (−1, if that is the card's default) replaced by one drawn here.

        The service does not report a seed that it drew itself; a seed drawn here makes every video repeatable.
        `draw(n)` returns a whole number from 0 to n − 1. The `variation` (0 for the first) is added to any other seed, so
        that the variations of one click differ.
        """
        seed = self.field("seed")
        if seed is None or seed.kind != "integer" or payload.get("seed") is None:
            return dict(payload)
        count = seed_most(seed) + 1
        if _is_random_seed(seed) and payload["seed"] == seed.default:
            return {**payload, "seed": draw(count)}
        return {**payload, "seed": (payload["seed"] + variation) % count if variation else payload["seed"]}

    def size(self, payload: Mapping[str, Any]) -> tuple[int, int] | None:
        """Width and height in pixels, from the ratio string ("1920×1088(16:9)"); None if it names none."""
        found = _SIZE.search(str(payload.get("aspect_ratio", "")))
        return (int(found[1]), int(found[2])) if found else None

    def duration_s(self, payload: Mapping[str, Any]) -> float | None:
        """Seconds of video, from `frames` and the card's frames per second, or from a field of seconds; None without either."""
        frames = payload.get("frames")
        if self.frames_per_second is not None and isinstance(frames, int) and not isinstance(frames, bool):
            return frames / self.frames_per_second
        given = next((payload[name] for name in _LENGTHS if payload.get(name) is not None), None)
        if isinstance(given, str) and re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,3})?\s?s?", given):
            given = float(given.rstrip("s "))
        if isinstance(given, bool) or not isinstance(given, int | float):
            return None
        return float(given) if 0 < given <= _LONGEST_S else None


def load_card(path: Path) -> Card:
    """Read a card. Raises `CardError`."""
    try:
        source = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CardError(f"{path.name} is not a readable JSON file: {error}") from error
    return card_of(path.name, source)


def card_of(name: str, source: Any) -> Card:
    """The card of the JSON in a file called `name`. Raises `CardError`."""
    schema = source.get("input_schema") if isinstance(source, dict) else None
    try:
        schema = normal_schema(schema, source) if isinstance(schema, dict) else None
    except RecursionError as error:
        raise CardError(f"{name}: its input_schema is nested too deep") from error
    if schema is None or schema.get("type") != "object" or not isinstance(schema.get("properties"), dict):
        raise CardError(f"{name} has no input_schema of type object with properties")
    if not isinstance(source.get("model_id"), str) or not source["model_id"].strip("/ "):
        raise CardError(f"{name} has no model_id")
    try:
        CardValidator.check_schema(schema)
        check_patterns(schema)
        source = {**source, "input_schema": schema}
        schema = plain_schema(name, schema)
    except jsonschema.SchemaError as error:
        raise CardError(f"{name}: {error.json_path}: {reason_of(error)}") from error
    except ValueError as error:
        raise CardError(f"{name}: its input_schema cannot be used: {error}") from error
    except RecursionError as error:
        raise CardError(f"{name}: its input_schema is nested too deep") from error
    # With its default registry, a validator would download what a card refers to.
    validator = CardValidator(schema, registry=referencing.Registry(), format_checker=ADDRESS_CHECKER)
    required = schema.get("required", [])
    fields = tuple(field_of(name, each, spec, each in required) for each, spec in schema["properties"].items())
    fps = source.get("frames_per_second")
    fps = float(fps) if isinstance(fps, int | float) and fps > 0 else None
    fields = tuple(replace(field, unit_s=_unit_s(field, fps)) for field in fields)
    for field in fields:
        if not _default_fits(field, validator):
            raise CardError(f"{name}: the default of {field.name} is outside its own limits ({shown(field.default)})")
    return Card(
        model_id=source["model_id"].strip("/ "),
        title=str(source.get("title") or source["model_id"]),
        frames_per_second=fps,
        fields=fields,
        validator=validator,
        source=source,
    )


def seed_most(seed: Field) -> int:
    """The largest seed to draw: `SEED_MOST`, or the card's limit if that is smaller."""
    return SEED_MOST if seed.most is None else max(0, min(SEED_MOST, int(seed.most)))


def _unit_s(field: Field, frames_per_second: float | None) -> float | None:
    if field.name == "frames":
        return 1 / frames_per_second if frames_per_second else None
    return 1.0 if _OF_SECONDS.search(f"{field.name} {field.title}".casefold().replace("_", " ")) else None


def _default_fits(field: Field, validator: Validator) -> bool:
    if field.default is None:
        return True
    spec = validator.schema["properties"][field.name]  # type: ignore[index]
    if any(validator.descend(field.default, spec)):  # type: ignore[attr-defined]
        return False
    return bad_address(field, field.default) is None and not_sendable(field, field.default) is None


def _is_random_seed(field: Field) -> bool:
    """Whether this is a seed for which −1 means a random one; any other value is not negative."""
    return field.name == "seed" and field.kind == "integer" and field.default == -1
