"""Finds the field that a column, an argument or a person calls by a name. Pure."""

import difflib
from collections.abc import Iterable

from dreamina_ui.cards.schema.fields import Field
from dreamina_ui.wording import LANGUAGES, texts_of

__all__ = ["field_named", "field_probably_meant", "same_name", "similar_name"]

_ALIKE = 0.75
_OTHER_WORDS = {
    "prompt": (
        *("positive prompt", "positive", "prompt text", "text prompt", "video prompt", "text", "description", "scene"),
        *("beschreibung", "szene", "texte", "descripción", "提示词", "正向提示词", "プロンプト"),
    ),
    "negative_prompt": ("negative", "negativer prompt", "反向提示词"),
    "seed": ("random seed", "seed number", "noise seed", "startwert", "种子", "シード"),
    "frames": ("length", "duration", "seconds", "num frames", "number of frames", "länge", "dauer", "durée", "时长"),
    "duration": ("length", "seconds", "länge", "dauer", "durée", "时长"),
    "aspect_ratio": ("aspect", "ratio", "format", "size", "resolution", "seitenverhältnis", "format d'image", "比例"),
}
"""Other names of a field; offered to the person, never used without a confirmation."""


def same_name(one: str, other: str) -> bool:
    """Whether two names differ only in case, blanks, hyphens and underscores: "aspectRatio" is "aspect_ratio"."""
    return _plain(one) == _plain(other)


def field_named(fields: Iterable[Field], name: str) -> Field | None:
    """The field of this name: its own, or what its control is called on the page, in any language."""
    fields = list(fields)
    for names in (lambda field: [field.name], _titles):
        found = [field for field in fields if any(same_name(known, name) for known in names(field))]
        if len(found) == 1:
            return found[0]
    return None


def field_probably_meant(fields: Iterable[Field], name: str, prompt: Field | None = None) -> Field | None:
    """The field that another word or a misspelt name probably means; somebody has to confirm it.

    `prompt` is the field that prompts go into, whatever its name.
    """
    fields = list(fields)
    others = {_plain(word): field for field in fields for word in _OTHER_WORDS.get(field.name, ())}
    if prompt in fields and prompt is not None:
        others = dict.fromkeys(map(_plain, ("prompt", *_OTHER_WORDS["prompt"])), prompt) | others
    if (found := others.get(_plain(name))) is not None:
        return found
    similar = similar_name([field.name for field in fields], name)
    return next((field for field in fields if field.name == similar), None)


def similar_name(names: Iterable[str], name: str) -> str | None:
    """The one of the names that is most like a misspelt one, or None."""
    plain = {_plain(known): known for known in names}
    found = difflib.get_close_matches(_plain(name), plain, n=1, cutoff=_ALIKE)
    return plain[found[0]] if found else None


def _titles(field: Field) -> list[str]:
    key = f"field.{field.name}"
    return [field.title, *(texts_of(language)[key] for language in LANGUAGES if key in texts_of(language))]


def _plain(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())
