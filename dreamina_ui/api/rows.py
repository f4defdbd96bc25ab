"""A batch as programs give it: its rows, each with the settings of a video, its files and its model; and who is told its end."""

from collections.abc import Callable, Mapping
from typing import Any

from dreamina_ui.api.files import with_files
from dreamina_ui.cards.aside import checked
from dreamina_ui.cards.batches.plans import BATCH_MOST, facts_of
from dreamina_ui.cards.model_card import Card
from dreamina_ui.cards.models import MODEL
from dreamina_ui.cards.problems import shown
from dreamina_ui.engine.engine import Engine
from dreamina_ui.errors import InvalidInput

__all__ = ["read_rows", "webhook_of"]


async def read_rows(
    engine: Engine,
    visitor_id: str,
    rows: Any,
    model: Any,
    named: Callable[[Card, dict[str, Any]], dict[str, Any]] = lambda card, values: values,
) -> tuple[list[dict[str, Any]], list[str]]:
    """The payload of each row, with its files kept, and the id of its model; `model` is for rows that name none.

    `named` gives the values by the names of the card's fields. Raises `InvalidInput`, which names the row.
    """
    if not isinstance(rows, list):
        raise InvalidInput("rows", "not_list", "rows: no list", given=shown(rows))
    if not 1 <= len(rows) <= BATCH_MOST:
        problem, limit = ("too_many_items", BATCH_MOST) if rows else ("too_few_items", 1)
        raise InvalidInput("rows", problem, f"rows: {len(rows)} entries", given=len(rows), limit=limit)
    models, common = engine.models, engine.models.find(model).model_id
    payloads, ids = [], []
    for number, row in enumerate(rows):
        try:
            if not isinstance(row, Mapping):
                raise InvalidInput("", "not_object", "no object", given=shown(row))
            values = dict(row)
            own = None if models.have_field_model else values.pop(MODEL.name, None)
            card = models.find(own or common)
            values = await with_files(engine, visitor_id, card.model_id, named(card, values))
            payload = await checked(card, values)
            await engine.inputs.check(visitor_id, payload, card.fields)
        except InvalidInput as fault:
            raise _in_row(number, fault) from None
        payloads.append(payload)
        ids.append(card.model_id)
    return payloads, ids


def webhook_of(given: Any) -> str | None:
    """The address that is told the end; None without one. Raises `InvalidInput` for what is no text."""
    if given is not None and not isinstance(given, str):
        raise InvalidInput("webhook", "not_text", "webhook: no text", given=shown(given))
    return given


def _in_row(number: int, fault: InvalidInput) -> InvalidInput:
    """The fault of a value in a row, which it names as JavaScript and Python would."""
    field = f"rows[{number}].{fault.field}".rstrip(".")
    return InvalidInput(field, fault.problem, f"{field}: {fault.message}", **facts_of(fault))
