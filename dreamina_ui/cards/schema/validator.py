"""JSON Schema's validator for cards, bounded in time, whatever value is sent. Pure.

A card may hold patterns that take exponential time, compare every entry of a list with every other one, or refer to itself in
several ways. So each keyword is only begun while there is time left, patterns are matched with a timeout, and entries are
compared by what they are written as.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from fractions import Fraction
from typing import Any

import jsonschema
import jsonschema.validators
import regex
from jsonschema import Draft202012Validator

from dreamina_ui.cards.media.file_names import is_named
from dreamina_ui.cards.schema.fields import kind_of_value

__all__ = ["CHECK_S", "CardValidator", "TooSlow", "check_patterns", "within"]

CHECK_S = 0.5
"""Seconds of a thread's processor time for one check; an ordinary value takes a thousandth of it."""
PATTERN_LEAST_S = 0.001
_end: ContextVar[float] = ContextVar("end of the check", default=float("inf"))
Keyword = Callable[[Any, Any, Any, Any], Any]


class TooSlow(Exception):
    """The check was not done in its time."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Checks inside have this much of their thread's processor time, or what is left of that around them.

    After it they raise `TooSlow`. It does not stop anything but checks.
    """
    before = _end.set(min(_end.get(), time.thread_time() + seconds))
    try:
        yield
    finally:
        _end.reset(before)


def check_patterns(schema: Any) -> None:
    """Raises `ValueError` for a pattern that is none, or one that cannot be matched in bounded time."""
    if isinstance(schema, list):
        for each in schema:
            check_patterns(each)
    if not isinstance(schema, Mapping):
        return
    patterns = schema.get("patternProperties")
    found = [*patterns] if isinstance(patterns, Mapping) else []
    if found and "unevaluatedProperties" in schema:
        raise ValueError("unevaluatedProperties beside patternProperties")
    for pattern in [*found, schema.get("pattern")]:
        if isinstance(pattern, str):
            try:
                regex.compile(pattern)
            except regex.error as error:
                raise ValueError(f"{pattern[:80]} is no pattern: {error}") from error
    for key, each in schema.items():
        if key not in ("default", "examples", "enum", "const"):
            check_patterns(each)


def _left_s() -> float:
    left = _end.get() - time.thread_time()
    if left <= 0:
        raise TooSlow
    return left


def _is_found(pattern: str, text: str) -> bool:
    try:
        timeout = min(CHECK_S, max(_left_s(), PATTERN_LEAST_S))
        return regex.search(pattern, text, timeout=timeout, concurrent=True) is not None
    except TimeoutError as error:
        raise TooSlow from error


def _timed(keyword: Keyword) -> Keyword:
    def check(validator: Any, value: Any, instance: Any, schema: Any) -> Any:
        _left_s()
        return keyword(validator, value, instance, schema)

    return check


def _unless_named(keyword: Keyword) -> Keyword:
    """A rule for addresses says nothing of a file that was uploaded here, in whose place something else is sent."""

    def check(validator: Any, value: Any, instance: Any, schema: Any) -> Any:
        return () if is_named(instance) else keyword(validator, value, instance, schema)

    return check


def _pattern(validator: Any, pattern: str, instance: Any, _schema: Any) -> Iterator[jsonschema.ValidationError]:
    if validator.is_type(instance, "string") and not _is_found(pattern, instance):
        yield jsonschema.ValidationError(f"{instance!r} does not match {pattern!r}")


def _pattern_properties(
    validator: Any, patterns: Mapping[str, Any], instance: Any, _schema: Any
) -> Iterator[jsonschema.ValidationError]:
    if not validator.is_type(instance, "object"):
        return
    for pattern, inner in patterns.items():
        for name, value in instance.items():
            if _is_found(pattern, name):
                yield from validator.descend(value, inner, path=name, schema_path=pattern)


def _additional_properties(
    validator: Any, allowed: Any, instance: Any, schema: Mapping[str, Any]
) -> Iterator[jsonschema.ValidationError]:
    if not validator.is_type(instance, "object"):
        return
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    extra = [name for name in instance if name not in known and not any(_is_found(each, name) for each in patterns)]
    if validator.is_type(allowed, "object"):
        for name in extra:
            yield from validator.descend(instance[name], allowed, path=name)
    elif not allowed and extra:
        named, was = ", ".join(map(repr, extra)), "was" if len(extra) == 1 else "were"
        yield jsonschema.ValidationError(f"Additional properties are not allowed ({named} {was} unexpected)")


def _unique_items(validator: Any, wanted: Any, instance: Any, _schema: Any) -> Iterator[jsonschema.ValidationError]:
    if not wanted or not validator.is_type(instance, "array"):
        return
    seen = set()
    for each in instance:
        _left_s()
        if (known := _comparable(each)) in seen:
            yield jsonschema.ValidationError(f"{instance!r} has non-unique elements")
            return
        seen.add(known)


def _comparable(value: Any) -> Any:
    """What is equal for two values exactly if JSON Schema calls them equal: 1 is 1.0, and not true."""
    if isinstance(value, bool):
        return ("boolean", value)
    if isinstance(value, list):
        return ("array", *map(_comparable, value))
    if isinstance(value, Mapping):
        return ("object", frozenset((name, _comparable(each)) for name, each in value.items()))
    return value


def _multiple_of(_validator: Any, step: Any, value: Any, _schema: Any) -> Iterator[jsonschema.ValidationError]:
    """Compares decimals: 0.3 is a multiple of 0.1, which it is not in binary fractions."""
    if kind_of_value(value) != "number":
        return
    try:
        fits = (Fraction(str(value)) / Fraction(str(step))).denominator == 1
    except (ValueError, ZeroDivisionError):
        fits = False
    if not fits:
        yield jsonschema.ValidationError(f"{value} is not a multiple of {step}")


_OWN: Mapping[str, Keyword] = {
    "additionalProperties": _additional_properties,
    **{name: _unless_named(Draft202012Validator.VALIDATORS[name]) for name in ("maxLength", "minLength")},
    "multipleOf": _multiple_of,
    "pattern": _unless_named(_pattern),
    "patternProperties": _pattern_properties,
    "uniqueItems": _unique_items,
}
_KEYWORDS = {**Draft202012Validator.VALIDATORS, **_OWN}
CardValidator = jsonschema.validators.extend(  # type: ignore[no-untyped-call]
    Draft202012Validator, {name: _timed(keyword) for name, keyword in _KEYWORDS.items()}
)
