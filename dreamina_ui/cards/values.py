"""Reads what people and programs write for a field as the value that it means, and writes values as text. Pure.

This is the only reader: the form, tables, links, the endpoints and the tools of agents all use it, so that the same writing
means the same everywhere.
"""

import json
import math
import re
from decimal import Decimal
from typing import Any

from dreamina_ui.cards.schema.fields import Field, kind_of_value

__all__ = [
    "beyond_browsers",
    "content_for",
    "inexact",
    "is_inexact",
    "is_plain",
    "parts_of",
    "read_value",
    "value_of",
    "written",
    "written_for",
]

DEPTH_MOST = 32
"""How deep lists and objects may be nested in each other."""
QUOTES_MOST = 3
"""Pairs of quotation marks around one value: tables that were written again and again have several."""

_INTEGER = re.compile(r"[+-]?\d{1,40}([.,]0+)?", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d{1,40}([.,]\d{0,40})?|[.,]\d{1,40})([eE][+-]?\d{1,3})?", re.ASCII)
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}[.,]\d{3}", re.ASCII)
"""May be thousands or decimals, by the country: "1,250", and "1.250" where a whole number is wanted."""
_RATIO = re.compile(r"0*(\d{1,3})[:/x]0*(\d{1,3})(?::00)?", re.ASCII)
"""Also "16x9"; and "16:09" or "16:09:00", which a spreadsheet makes of 16:9 because it looks like a time."""
_SECONDS = re.compile(r"([\d.,]+)(?:s|sec|secs|second|seconds|sek|sekunde|sekunden|秒)\.?", re.ASCII)
_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}(\.\d{3})+,\d{1,40}", re.ASCII)
"""Where the comma is the decimal one: "1.250,5"."""
_NUMERALS = re.compile(r'"(?:[^"\\]|\\.)*"|(-?\d[\d.eE+-]*)', re.ASCII)
SAFE_MOST = 2**53 - 1
"""A browser cannot tell larger whole numbers apart."""
_PART = re.compile(r"[\w:.]+")
_AS_TYPED: dict[int, str | int | None] = {0x2212: "-"} | {wide: wide - 0xFEE0 for wide in range(0xFF01, 0xFF5F)}
"""The minus of the form's own hint, and the wide letters and digits of East Asian keyboards."""
_WORDS = {
    True: "true yes y on 1 t wahr ja an oui vrai sí si verdadero 是 はい",
    False: "false no n off 0 f falsch nein aus non faux falso 否 いいえ",
}
_BOOLEANS = {word: value for value, words in _WORDS.items() for word in words.split()}
_NOTHING = ("null", "none")


def written(value: Any) -> str:
    """A value as text: text unchanged, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def written_for(field: Field, value: Any) -> str:
    """A value as text in a link or cell, which `value_of` can read; null is empty."""
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False, default=str) if field.kind == "json" else written(value)


def parts_of(choice: Any) -> list[str]:
    """What a choice says beside numbers alone, the last first: "1920×1088(16:9)" says 16:9 and 1920x1088."""
    parts = _PART.findall(_plain(choice)) if isinstance(choice, str) else []
    return [part for part in reversed(parts) if not part.isdecimal()]


def value_of(field: Field, given: Any, *, comma: bool = False) -> Any:
    """The value that `given` means for a field: text from anywhere, or any JSON value.

    With `comma`, whoever wrote it writes decimals with a comma: "1,250" then is no doubt, and "0,5" in a list is one number.
    None means that nothing is given: the default, or null where the field takes null. What cannot be read is returned
    unchanged; the card's check refuses it. A value of the field is returned unchanged, except that text of a field of the
    kind `json` is parsed.
    """
    if field.kind == "text":
        return None if field.nullable and isinstance(given, str) and not given.strip() else given
    if isinstance(given, str):
        return _of_text(field, given, comma)
    if field.kind == "choice":
        return _choice(field, given, comma)
    if field.kind == "list" and field.item is not None and isinstance(given, list):
        return [value_of(field.item, each, comma=comma) if each is not None else None for each in given]
    if field.kind == "integer" and isinstance(given, float) and given.is_integer():
        return int(given)  # JSON has one type of number, and forms send whole ones as floats
    if field.kind == "boolean" and kind_of_value(given) == "number" and given in (0, 1):
        return bool(given)
    return given


def read_value(field: Field, content: Any, *, comma: bool = False) -> Any:
    """The value of a field from the `content` of its control in the form; `comma` as for `value_of`.

    An empty control means None; but "" for a text that cannot be left out, and [] for a list with a default.
    """
    if not isinstance(content, str):
        return None if content == [] and field.can_be_empty else value_of(field, content, comma=comma)
    if field.kind == "text":
        return None if not content and field.can_be_empty else content
    if field.kind == "choice" and content in field.choices:
        return content
    if content.strip():
        return value_of(field, content, comma=comma)
    return [] if field.kind == "list" and field.default and not (field.required or field.nullable) else None


def content_for(field: Field, value: Any) -> Any:
    """The content of a field's control for a value: the inverse of `read_value`."""
    if field.kind == "choice" and beyond_browsers(field) and value is not None:
        return written(value)
    if field.kind == "json":
        return "" if value is None else json.dumps(value, ensure_ascii=False, indent=2, default=str)
    if field.kind == "list" and not (field.item and field.item.kind == "choice"):
        return _lines(value) if isinstance(value, list) else ""
    if field.kind in ("choice", "boolean") and field.can_be_empty:
        return "" if value is None else written(value) if field.kind == "boolean" else value
    if field.kind in ("integer", "number"):
        return "" if value is None else written(value)
    return value


def beyond_browsers(field: Field) -> bool:
    """Whether a choice is a number that a browser would change: its control then has it as text."""
    return any(
        isinstance(choice, int | float) and not isinstance(choice, bool) and abs(choice) > SAFE_MOST
        for choice in field.choices
    )


def is_inexact(text: str) -> bool:
    """Whether text is a number that cannot be sent as it is written: beyond 64 bits, or with more digits than a number keeps."""
    text = text.strip().translate(_AS_TYPED)
    if not _NUMBER.fullmatch(text) or not math.isfinite(float(text.replace(",", "."))):
        return False
    return _number(False, text, True) is None


def inexact(text: str) -> str | None:
    """The first number in a JSON text that cannot be sent as it is written, or None."""
    return next((found[1] for found in _NUMERALS.finditer(text) if found[1] and is_inexact(found[1])), None)


def is_plain(value: Any, depth: int = 0) -> bool:
    """Whether it can be written again: no half of a character, no number beyond all bounds, no endless nesting."""
    if depth > DEPTH_MOST:
        return False
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return False
        return True
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    if isinstance(value, list):
        return all(is_plain(one, depth + 1) for one in value)
    if isinstance(value, dict):
        return all(is_plain(name) and is_plain(one, depth + 1) for name, one in value.items())
    return True


def _of_text(field: Field, given: str, comma: bool, quotes: int = QUOTES_MOST) -> Any:
    text = given.strip()
    if field.kind == "choice" and (given in field.choices or text in field.choices):
        return given if given in field.choices else text
    if not text:
        return None
    if field.kind == "json":
        return _json(text)
    if field.kind == "choice" and (choice := _choice(field, text, comma)) in field.choices:
        return choice
    if text.casefold() in _NOTHING:
        return None
    if field.kind == "list" and field.item is not None:
        return _list(field.item, text, comma)
    if quotes and len(text) >= 2 and text[0] == text[-1] == '"':
        inner = _of_text(field, text[1:-1], comma, quotes - 1)
        return text if isinstance(inner, str) and inner not in field.choices and field.kind != "address" else inner
    if field.kind == "address":
        return text
    plain = text.translate(_AS_TYPED)
    if field.kind == "boolean":
        return _BOOLEANS.get(plain.casefold(), text)
    if field.kind in ("integer", "number"):
        number = _number(field.kind == "integer", plain, comma)
        if number is None and field.unit_s is not None and (seconds := _seconds(plain, comma)) is not None:
            number = round(seconds / field.unit_s) if field.kind == "integer" else seconds / field.unit_s
        return text if number is None else number
    return text


def _number(is_integer: bool, text: str, comma: bool = False) -> int | float | None:
    """The number that is written, exactly; None for everything else."""
    if is_integer:
        plain = _INTEGER.fullmatch(text) and not (_THOUSANDS.fullmatch(text) and not (comma and "," in text))
        return int(re.split("[.,]", text)[0]) if plain else None
    if comma and _GROUPED.fullmatch(text):
        text = text.replace(".", "")
    if not _NUMBER.fullmatch(text) or ("," in text and not comma and _THOUSANDS.fullmatch(text)):
        return None
    exact = Decimal(text.replace(",", "."))
    if exact == exact.to_integral_value() and abs(exact) < 2**64:
        number: int | float = int(exact)
        return number if abs(number) > SAFE_MOST else float(exact)
    number = float(exact)
    return number if math.isfinite(number) and Decimal(repr(number)) == exact else None


def _seconds(text: str, comma: bool = False) -> float | None:
    found = _SECONDS.fullmatch(_plain(text))
    return _number(False, found[1], comma) if found else None


def _choice(field: Field, given: Any, comma: bool = False) -> Any:
    """The one choice that is meant: by itself, by a part of it ("16:9", "1920x1088"), or by its label ("5 s", "1080p")."""
    for choice in field.choices:
        if kind_of_value(choice) == kind_of_value(given) and choice == given:
            return choice
    if kind_of_value(given) not in ("string", "number", "boolean"):
        return given
    text = written(int(given) if isinstance(given, float) and given.is_integer() else given)
    plain = _plain(text)
    for is_meant in (
        lambda choice: _plain(written(choice)) == plain,
        lambda choice: isinstance(choice, str) and _has_part(choice, plain),
        lambda choice: isinstance(choice, bool) and choice is _BOOLEANS.get(plain),
        lambda choice: kind_of_value(choice) == "number" and choice == _number(False, text.translate(_AS_TYPED), comma),
        lambda choice: _is_length(field, choice, plain, comma),
        lambda choice: plain.rstrip("p").isdecimal() and _plain(written(choice)).rstrip("p") == plain.rstrip("p"),
    ):
        alike = [choice for choice in field.choices if is_meant(choice)]
        if len(alike) == 1:
            return alike[0]
    return given


def _has_part(choice: str, plain: str) -> bool:
    """Whether "1920×1088(16:9)" names "16:9" or "1920x1088"; a number alone names nothing."""
    parts = _PART.findall(_plain(choice))
    ratio = _RATIO.fullmatch(plain)
    return (not plain.isdecimal() and plain[0].isdecimal() and plain in parts) or (
        ratio is not None and f"{ratio[1]}:{ratio[2]}" in parts
    )


def _is_length(field: Field, choice: Any, plain: str, comma: bool) -> bool:
    """Whether a choice lasts as many seconds as the text says, exactly or as its label rounds them."""
    seconds, frames = _seconds(plain, comma), _number(False, written(choice))
    if field.unit_s is None or seconds is None or frames is None:
        return False
    lasts = frames * field.unit_s
    return abs(seconds - lasts) < 0.05 or (lasts >= 1 and seconds == round(lasts))


def _list(item: Field, text: str, comma: bool) -> Any:
    """The entries of a list: a JSON array, or one entry on each line; numbers also between semicolons or commas.

    Where the comma is the decimal one, it is between two numbers only with a blank behind it.
    """
    if text.startswith("[") and isinstance(given := _json(text), list):
        return [value_of(item, each) if each is not None else None for each in given]
    ends = r"\n"
    if item.kind in ("integer", "number"):
        # Beside a semicolon, a comma is a decimal one.
        ends = r"[\n;]" if re.search(r"[\n;]", text) else r",\s" if comma else ","
    return [value_of(item, part.strip(), comma=comma) for part in re.split(ends, text) if part.strip()]


def _lines(values: list[Any]) -> str:
    """One entry on each line if that can be read back; else JSON."""
    lines = [written(value) for value in values]
    plain = all(line and line == line.strip() and "\n" not in line and line[0] != "[" for line in lines)
    return "\n".join(lines) if plain else json.dumps(values, ensure_ascii=False, default=str)


def _json(text: str) -> Any:
    """The parsed JSON; text that is not JSON unchanged."""

    def refuse(name: str) -> Any:
        raise ValueError(f"{name} is no JSON")

    def exact(numeral: str) -> float:
        if is_inexact(numeral):
            refuse(numeral)
        return float(numeral)

    try:
        value = json.loads(text, parse_constant=refuse, parse_float=exact)
    except (ValueError, RecursionError):
        return text
    return value if is_plain(value) else text


def _plain(text: str) -> str:
    """Text without case, blanks and ×, so that "1920x1088 (16:9)" matches a ratio."""
    return "".join(text.translate(_AS_TYPED).casefold().split()).replace("×", "x")
