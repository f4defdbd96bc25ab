"""Texts and amounts in the service's JSON, as one line for a person and as a number. Pure."""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

__all__ = ["amount", "clean", "explained", "is_pleasantry", "is_unfinished", "parsed", "usd", "whole", "words_in"]

MESSAGE_NAMES = (
    "error_message",
    "message",
    "msg",
    "error_msg",
    "error",
    "failure_reason",
    "fail_reason",
    "reason",
    "errors",
    "detail",
    "details",
    "description",
)
LONGEST_TEXT = 500
DEEPEST = 6
UNPRINTABLE = re.compile(
    # Control characters but white space; lone surrogates, which no database takes; invisible and bidi marks.
    r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
)

MEANINGS: Mapping[int, str] = {
    50411: "the picture was refused by the maker's check",
    50511: "the picture was refused by the maker's check",
    50412: "the text was refused by the maker's check",
    50512: "the text was refused by the maker's check",
    50413: "the text holds words protected by copyright",
    50516: "the finished video was refused by the maker's check; another try may help",
    50429: "the maker's service is busy",
    50430: "the maker's service is busy",
    50500: "an internal error of the maker's service",
    50501: "an internal error of the maker's service",
}
"""The numbers of the model's maker, which the service may pass on without words."""

ONLY_A_NUMBER = re.compile(
    r"\W*(?>(?>an|the|with|errno|errcode|error|err|status|code|no)[\W_]*)*+([0-9]{5})\W*", re.IGNORECASE
)
PLEASANTRY = re.compile(
    r"\W*(?:(?:(?:the |your )?(?:request|task|job|operation|call|query|video|generation)[\s_]+"
    r"(?:(?:is|was|has been|have been)[\s_]+)?)?"
    r"(?:ok(?:ay)?|succe(?:ss|ssful|ssfully|ed|eded)|done|completed?|finished|accepted|created|submitted|received|ready)"
    r"(?:[\s_]*successfully)?|none|null|nil|undefined|false|no[\s_]errors?|n/?a|0+|200)\W*",
    re.IGNORECASE,
)
UNFINISHED = re.compile(
    r"(?<!did )\bnot (?:yet )?(?:ready|complete|completed|finished|done|available yet)\b|\bnot yet\b"
    r"|\b(?:isn|aren|hasn|haven)['’]?t (?:been |yet )*(?:ready|complete|completed|finished|done)\b"
    r"|\bnot (?:been )?(?:completed|finished)\b|\bin progress\b|\bunfinished\b"
    r"|\bstill (?:being |in |not )*(?:the )?(?:process|run|progress|queue|render|generat|pending|work|wait|execut)"
    r"|\b(?:is|are|currently|being) (?:being )?(?:processing|processed|running|queued|pending|rendering|rendered"
    r"|generating|generated|executing|in (?:the )?queue)\b"
)


def parsed(value: object) -> object:
    """The value of JSON that stands in a string; anything else as it is."""
    for _ in range(3):
        text = value.strip() if isinstance(value, str) else ""
        if text[:1] not in ("{", "[", '"') or len(text) < 2:
            break
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            break
    return value


def words_in(value: object, depth: int = DEEPEST) -> str:
    """The text in a JSON value: a string, an object with a message, or a list of either (422's `detail`)."""
    value = parsed(value)
    if isinstance(value, str):
        return _told(value)
    if isinstance(value, list) and depth:
        texts = dict.fromkeys(words_in(item, depth - 1) for item in value[:20])
        return "; ".join(filter(None, texts))
    if isinstance(value, dict) and depth:
        texts_by_name = {str(name): words_in(held, depth - 1) for name, held in value.items()}
        said = (texts_by_name.get(name, "") for name in MESSAGE_NAMES)
        message = next((text for text in said if text), "")
        if not message:
            return "; ".join(f"{name}: {text}" for name, text in texts_by_name.items() if text)
        loc = value.get("loc")
        # FastAPI's validation errors name the field as ["body", "prompt"].
        place = ".".join(str(part) for part in loc if part != "body") if isinstance(loc, list) else ""
        return f"{place}: {message}" if place else message
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) and value else ""


def _told(text: str) -> str:
    """What a stack trace says: Python puts the error last, JavaScript first. Any other text as it is."""
    lines = [line for line in text.splitlines() if line.strip()]
    if "Traceback (most recent call last)" in text or sum(line.lstrip().startswith('File "') for line in lines) > 1:
        return lines[-1]
    ours = [line for line in lines if not re.match(r"\s+at \S", line)]
    return "\n".join(ours) if ours and len(ours) < len(lines) else text


DATA_URI = re.compile(r"(data:[\w.+-]{1,40}/[\w.+-]{1,40};base64,)[A-Za-z0-9+/=]+")


def clean(text: str, secret: str | None = None) -> str:
    """One line of at most 500 characters, without control characters, and without an echoed `secret`."""
    text = " ".join(UNPRINTABLE.sub("", text).split())
    text = DATA_URI.sub(r"\1…", text)  # a service may repeat a file that it was sent
    # Between the two: a key broken by control characters must not pass, nor the half the cut would leave.
    text = text.replace(secret, "…") if secret else text
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"


def explained(text: str) -> str:
    """The text, with its meaning in English where it is only a number of the maker's."""
    found = ONLY_A_NUMBER.fullmatch(text)
    meaning = MEANINGS.get(int(found[1])) if found else None
    return f"{text} ({meaning})" if meaning else text


def is_pleasantry(text: str) -> bool:
    """Whether the text says that nothing is wrong, or nothing at all."""
    return len(text) < 80 and bool(PLEASANTRY.fullmatch(text))


def is_unfinished(text: str) -> bool:
    """Whether the text says that a request has not ended: "Result not ready", "still processing"."""
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)
    return bool(UNFINISHED.search(re.sub(r"[\s_-]+", " ", parted).lower()))


def amount(value: object, *, signed: bool = False) -> float | None:
    """A finite number, from 0 unless `signed`; None otherwise. bool is an int to Python, not to us."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) and (signed or number >= 0) else None


def usd(value: object, *, signed: bool = False) -> float | None:
    """US dollars of a number, a text ("$0.42", "0,42 USD") or an object; None for another currency, or none.

    Less than nothing is an amount only where it is `signed`.
    """
    if isinstance(value, Mapping):
        held: Mapping[str, Any] = {str(name).lower(): part for name, part in value.items()}
        if str(held.get("currency") or held.get("unit") or "usd").strip().lower() not in (
            "usd",
            "us$",
            "$",
            "dollar",
            "dollars",
        ):
            return None
        names = ("usd", "amount_usd", "cost_usd", "total_usd", "total", "amount", "value", "cost", "total_cost")
        return next((found for name in names if (found := usd(held.get(name), signed=signed)) is not None), None)
    if not isinstance(value, str):
        return amount(value, signed=signed)
    if signed and (minus := re.match(r"((?:us\$|\$|usd)?\s*)[-\u2212]", value.strip(), re.IGNORECASE)):
        owed = usd(minus[1] + value.strip()[minus.end() :])
        return None if owed is None else -owed
    text = re.sub(
        r"^(?:us\$|\$|usd)\s*|\s*(?:us\$|\$|usd|us dollars?|dollars?)$", "", value.strip(), flags=re.IGNORECASE
    )
    if re.fullmatch(r"[0-9]{1,3}(?:,[0-9]{3})*\.[0-9]{1,12}", text):
        text = text.replace(",", "")
    elif re.fullmatch(r"[0-9]{1,9},(?:[0-9]{1,2}|[0-9]{4,9})|0,[0-9]{3}", text):
        text = text.replace(",", ".")
    return (
        amount(float(text))
        if re.fullmatch(r"[0-9]{1,12}(?:\.[0-9]{1,15})?(?:e-?[0-9]{1,2})?", text, re.IGNORECASE)
        else None
    )


def whole(value: object) -> int | None:
    """An error code as a number, which may stand in a string."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value):
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**9:
        return value
    return None
