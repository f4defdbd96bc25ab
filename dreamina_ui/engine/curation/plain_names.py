"""Names and titles that visitors give: one line of plain text."""

import unicodedata

from dreamina_ui.errors import InvalidInput

__all__ = ["NAME_MOST", "plain_line", "plain_name"]

NAME_MOST = 80
"""Characters of a name."""
_JOINERS = "\u200c\u200d"
"""Invisible letters that belong to a script's spelling, and to emoji."""


def plain_name(name: object) -> str:
    """The name as `plain_line` has it. Raises `InvalidInput` for one that is empty or too long."""
    if not isinstance(name, str):
        raise InvalidInput("name", "not_text", "name: no text", given=type(name).__name__)
    plain = plain_line(name[: NAME_MOST * 100])
    if not any(letter not in _JOINERS and not unicodedata.combining(letter) for letter in plain):
        raise InvalidInput("name", "missing", "name: nothing in it")
    if len(plain) > NAME_MOST:
        raise InvalidInput("name", "too_long", "name: too long", given=max(len(plain), len(name)), limit=NAME_MOST)
    return plain


def plain_line(text: str) -> str:
    """The text on one line, without what is invisible or turns the direction of other texts."""
    return " ".join("".join(map(_visible, unicodedata.normalize("NFC", text))).split())


def _visible(letter: str) -> str:
    kind = unicodedata.category(letter)
    if kind in ("Cc", "Zl", "Zp"):
        return " "
    if kind == "Cf" and letter not in _JOINERS and not "\U000e0020" <= letter <= "\U000e007f":  # the last are of flags
        return ""
    return "" if kind in ("Cs", "Co", "Cn") else letter
