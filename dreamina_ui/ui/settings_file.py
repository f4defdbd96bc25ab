"""Takes the settings from the record of an uploaded file, to fill the form."""

from collections.abc import Mapping
from typing import Any

from dreamina_ui.cards.model_card import Card

__all__ = ["settings_of"]


def settings_of(card: Card, record: Mapping[str, Any] | None) -> tuple[dict[str, Any], str | None]:
    """The values of a file's record that fit the card, by field name, and what is wrong or None.

    With `other_model` and `invalid`, the values are those that fit; with `joined`, they are those of the first of several videos;
    with `no_settings` there are none.
    """
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
    if faulty or len(known) < len(settings):
        return values, "invalid"
    return values, "joined" if record.get("joined") else None
