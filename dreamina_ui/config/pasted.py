"""Values that people paste, without what came along with them. Pure."""

import re

__all__ = ["plain_key", "unquoted", "visible"]

_INVISIBLE = dict.fromkeys(map(ord, "\ufeff\u200b\u200c\u200d\u2060"))
_QUOTES = ('""', "''", "``", "“”", "„“", "””", "‘’", "‚‘", "’’", "«»", "»«", "‹›", "›‹")
_BEARER = re.compile(r"(?:authorization\s*:\s*)?bearer(?:\s+|\s*:\s*)", re.IGNORECASE)


def visible(text: str) -> str:
    """The text without marks of no width, which a copy from a web page brings."""
    return text.translate(_INVISIBLE)


def unquoted(text: str) -> str:
    """The text without blanks and quotes around it, typographic ones included."""
    text = visible(text).strip()
    while len(text) >= 2 and text[0] + text[-1] in _QUOTES:
        text = text[1:-1].strip()
    return text


def plain_key(text: str) -> str:
    """A key without quotes, blanks and `Bearer` around it."""
    text = unquoted(text)
    before = _BEARER.match(text)
    return unquoted(text[before.end() :]) if before else text
