"""Reads the settings from an uploaded file, to fill the form."""

from pathlib import Path
from typing import Any

from dreamina_ui.cards.model_card import Card
from dreamina_ui.media.embed import read_record, read_record_alone
from dreamina_ui.web.uploads import TABLE_MOST, VIDEO_MOST

__all__ = ["SETTINGS_PROBLEMS", "settings_of"]

SETTINGS_PROBLEMS = ("no_settings", "other_model", "invalid")
"""What can be wrong with a file. Each has a sentence."""


def settings_of(card: Card, path: Path) -> tuple[dict[str, Any], str | None]:
    """The values of a file that fit the card, by field name, and one of `SETTINGS_PROBLEMS` or None; blocks.

    With `other_model` and `invalid`, the values are those that fit.
    """
    record = _record(path)
    settings = record.get("settings") if record else None
    if record is None or not isinstance(settings, dict) or not settings:
        return {}, "no_settings"
    fields = {field.name: field for field in card.fields}
    known = {
        name: value
        for name, value in settings.items()
        if name in fields and (value is not None or fields[name].nullable)
    }
    faulty = {fault.field for fault in card.faults_of(known) if fault.field in known}
    values = {name: value for name, value in known.items() if name not in faulty}
    if record.get("model_id") != card.model_id:
        return values, "other_model"
    return values, "invalid" if faulty or len(known) < len(settings) else None


def _record(path: Path) -> dict[str, Any] | None:
    """The record in a file, or None. It is read without a decoder and within limits, because anybody can upload a file."""
    try:
        if not path.is_file() or path.stat().st_size > VIDEO_MOST:
            return None
        return read_record(path) or read_record_alone(path, TABLE_MOST)
    except (OSError, ValueError, RecursionError):
        return None
