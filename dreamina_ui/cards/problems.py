"""Makes an `InvalidInput` of what is wrong with a field's value, with the value or its size, and the limit. Pure."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import jsonschema

from dreamina_ui.cards.media.file_names import is_named
from dreamina_ui.cards.media.media_rules import RULE_PROBLEMS
from dreamina_ui.cards.schema.dialect import MEDIA_FORMATS
from dreamina_ui.cards.schema.fields import Field
from dreamina_ui.cards.values import inexact, is_inexact
from dreamina_ui.config.open_net import INSIDE, why_not_host
from dreamina_ui.errors import InvalidInput, Quoted

__all__ = ["ADDRESS_CHECKER", "PROBLEMS", "bad_address", "not_sendable", "problem_of", "reason_of", "shown"]

PROBLEMS = (
    "missing",
    "blank",
    "too_long",
    "too_short",
    "too_large",
    "too_small",
    "not_larger",
    "not_smaller",
    "not_step",
    "not_allowed",
    "not_text",
    "not_integer",
    "not_number",
    "not_boolean",
    "not_address",
    "inside_address",
    "file_address",
    "not_exact",
    "file_gone",
    "not_data",
    "no_frame",
    "name_taken",
    "name_on_shelf",
    "file_kind",
    "file_size",
    "file_full",
    "file_mine",
    "file_failed",
    "file_busy",
    "file_unreadable",
    "not_image",
    "not_video",
    "not_audio",
    "data_most",
    "body_most",
    *RULE_PROBLEMS,
    "no_picture",
    "picture_twice",
    "no_upload",
    "not_object",
    "not_list",
    "too_many_items",
    "too_few_items",
    "not_json",
    "not_fitting",
    "not_together",
    "unknown_field",
    "misspelt",
    "key_reused",
    "not_webhook",
    "inside_webhook",
    "invalid",
)
"""The problems of a value. Each has a sentence in `words/`."""

ADDRESS_MOST = 4096
REASON_MOST = 200
_LIMITS = {
    "maximum": ("too_large", "at most"),
    "minimum": ("too_small", "at least"),
    "exclusiveMaximum": ("not_smaller", "less than"),
    "exclusiveMinimum": ("not_larger", "more than"),
    "multipleOf": ("not_step", "in steps of"),
}
_LENGTHS = {
    "maxLength": ("too_long", "characters, at most"),
    "minLength": ("too_short", "characters, at least"),
    "maxItems": ("too_many_items", "entries, at most"),
    "minItems": ("too_few_items", "entries, at least"),
}
_EXPECTED = {
    "text": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "boolean",
    "address": "https address",
    "list": "list",
}


def problem_of(field: Field, value: Any, error: jsonschema.ValidationError) -> InvalidInput:
    """The problem of a field's value. An error inside a list is reported as the entry's own problem."""
    path = list(error.absolute_path)[1:]
    if field.kind == "list" and field.item is not None and path and isinstance(path[0], int):
        return problem_of(replace(field.item, name=field.name), value[path[0]], _at_top(error))
    keyword, limit = str(error.validator), _plain(error.validator_value)
    if field.kind == "choice":
        # A wrong type is also outside every enum; the choices are the better answer.
        allowed = ", ".join(str(choice) for choice in field.choices)
        message = f"{field.name}: {_said(value)} is not one of {allowed}"
        return InvalidInput(field.name, "not_allowed", message, given=shown(value), allowed=allowed)
    if field.kind == "json":
        return _json_problem(field, value, error)
    if keyword in ("type", "format"):
        return _wrong_kind(field, value)
    if keyword in _LENGTHS:
        problem, words = _LENGTHS[keyword]
        message = f"{field.name}: {len(value)} {words} {limit}"
        return InvalidInput(field.name, problem, message, given=len(value), limit=limit)
    if keyword in _LIMITS:
        problem, words = _LIMITS[keyword]
        return InvalidInput(field.name, problem, f"{field.name}: {value}, {words} {limit}", given=value, limit=limit)
    reason = reason_of(error)
    return InvalidInput(field.name, "not_fitting", f"{field.name}: {reason}", reason=reason)


def _wrong_kind(field: Field, value: Any) -> InvalidInput:
    if field.kind == "address" and _is_file(value):
        return InvalidInput(
            field.name, "no_upload", f"{field.name}: no file can be uploaded here, only an https address"
        )
    if field.kind == "number" and isinstance(value, str) and is_inexact(value):
        return _not_exact(field, value)
    problem = address_problem(value) or "not_address" if field.kind == "address" else f"not_{field.kind}"
    message = f"{field.name}: {_said(value)} is not a {_EXPECTED[field.kind]}"
    return InvalidInput(field.name, problem, message.replace("a https", "an https"), given=shown(value))


def bad_address(field: Field, value: Any) -> InvalidInput | None:
    """The problem of an address, or of the first bad one in a list."""
    if field.kind == "list" and field.item is not None and isinstance(value, list):
        item = replace(field.item, name=field.name)
        return next((problem for each in value if (problem := bad_address(item, each))), None)
    if field.kind == "address" and address_problem(value) is not None:
        return _wrong_kind(field, value)
    return None


def _is_file(value: Any) -> bool:
    """Whether the value is a file as Gradio's clients send it, instead of an address."""
    return isinstance(value, Mapping) and ("path" in value or "meta" in value)


def not_sendable(field: Field, value: Any) -> InvalidInput | None:
    """The problem of a value that cannot be written as JSON: a lone surrogate, NaN or infinity."""
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
        if isinstance(value, int) and not -(2**63) <= value < 2**64:
            return _not_exact(field, shown(value))  # what writes JSON here takes no more
    except UnicodeEncodeError:
        return InvalidInput(field.name, "invalid", f"{field.name}: holds half a character (a lone surrogate)")
    except (TypeError, ValueError, RecursionError):
        if field.kind in ("integer", "number"):
            return _wrong_kind(field, value)
        return InvalidInput(field.name, "invalid", f"{field.name}: cannot be sent", given=shown(value))
    return None


def reason_of(error: jsonschema.ValidationError | jsonschema.SchemaError) -> str:
    """The validator's message in one line, without control characters."""
    text = "".join(letter if letter.isprintable() else " " for letter in error.message)
    text = " ".join(text.split())
    return text if len(text) <= REASON_MOST else text[: REASON_MOST - 1] + "…"


def _plain(limit: Any) -> str | int | float | None:
    return limit if isinstance(limit, str | int | float) else None


def shown(value: Any) -> str:
    """A value for use in a sentence: short, and on one line."""
    try:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    except (ValueError, RecursionError):
        text = "…"
    text = " ".join(text.split())
    text = text if len(text) <= 40 else text[:39] + "…"
    return Quoted(text) if isinstance(value, str) else text


def _said(value: Any) -> str:
    return f"“{shown(value)}”" if isinstance(value, str) else shown(value)


def _json_problem(field: Field, value: Any, error: jsonschema.ValidationError) -> InvalidInput:
    if isinstance(value, str):  # text that is valid JSON was parsed before
        try:
            json.loads(value)
        except json.JSONDecodeError as fault:
            message = f"{field.name}: this is not JSON (line {fault.lineno}, column {fault.colno})"
            return InvalidInput(field.name, "not_json", message, line=fault.lineno, column=fault.colno)
        except (ValueError, RecursionError):
            pass
    if error.validator == "format" and (problem := address_problem(error.instance)):
        given = shown(error.instance)
        return InvalidInput(field.name, problem, f"{field.name}: {_said(error.instance)}: {problem}", given=given)
    if isinstance(value, str) and (text := inexact(value)):
        return _not_exact(field, text)
    reason = reason_of(error)
    return InvalidInput(field.name, "not_fitting", f"{field.name}: {reason}", reason=reason)


def _not_exact(field: Field, text: str) -> InvalidInput:
    return InvalidInput(
        field.name, "not_exact", f"{field.name}: {shown(text)} cannot be sent exactly", given=shown(text)
    )


def address_problem(value: Any) -> str | None:
    """What is wrong with the address of a file, of `PROBLEMS`, or None. A file that was uploaded here is named, and may be."""
    if is_named(value):
        return None
    if not isinstance(value, str) or len(value) > ADDRESS_MOST or not value.isprintable() or " " in value:
        return "not_address"
    try:
        parts = urlsplit(value)
        # Reading an invalid port raises ValueError.
        is_address = bool(parts.hostname) and parts.username is None and parts.port != 0
        host = (
            (parts.hostname or "").encode("idna").decode() if not (parts.hostname or "").isascii() else parts.hostname
        )
    except ValueError:
        return "not_address"
    if parts.scheme == "file":
        return "file_address"
    if parts.scheme != "https" or not is_address or not host:
        return "not_address"
    reason = why_not_host(host.rstrip("."), bracketed="[" in parts.netloc)
    # A name without a dot is one of the network that this machine is in.
    return None if reason is None else "inside_address" if reason == INSIDE or "." not in host else "not_address"


ADDRESS_CHECKER = jsonschema.FormatChecker(formats=())
"""Checks the addresses of files, also within other JSON."""
for _format in MEDIA_FORMATS:
    ADDRESS_CHECKER.checks(_format)(lambda value: not isinstance(value, str) or address_problem(value) is None)


def _at_top(error: jsonschema.ValidationError) -> jsonschema.ValidationError:
    """The same error, with its path beginning at the entry of the list."""
    inner = jsonschema.ValidationError(
        error.message,
        validator=error.validator,
        validator_value=error.validator_value,
        path=list(error.absolute_path)[1:],
    )
    inner.context = error.context
    return inner
