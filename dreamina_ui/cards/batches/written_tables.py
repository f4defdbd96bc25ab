"""Writes videos as a table that a batch reads again. Pure."""

import csv
import io
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from dreamina_ui.cards.alternatives import literal
from dreamina_ui.cards.model_card import Card
from dreamina_ui.cards.models import MODEL, Models
from dreamina_ui.cards.values import written, written_for

__all__ = ["field_names", "written_example", "written_table"]


def field_names(cards: Iterable[Card]) -> list[str]:
    """The names of all fields of the models, each once."""
    return list(dict.fromkeys(field.name for card in cards for field in card.fields))


def written_table(
    models: Models,
    rows: Sequence[tuple[str, Mapping[str, Any]]],
    called: Sequence[str] = (),
    *,
    as_typed: Collection[int] = (),
) -> str:
    """CSV with a row for the model's id and the settings of each video; `model` is a column where there are several models.

    A model need not be one of `models` any more. With `called`, the first column has what each row is called. A prompt is written
    so that it is read as this very text; those of the rows `as_typed` (from 0) as they are, since they may have alternatives.
    """
    cards = [card for card in map(models.get, dict(rows)) if card is not None]
    names = list(dict.fromkeys([*field_names(cards), *(name for _, payload in rows for name in payload)]))
    table = []
    for at, (model_id, payload) in enumerate(rows):
        card = models.get(model_id)
        fields = {field.name: field for field in card.fields} if card else {}
        cells = {
            name: written_for(fields[name], value) if name in fields else "" if value is None else written(value)
            for name, value in payload.items()
        }
        if at not in as_typed:
            _write_literally(card, cells)
        table.append((model_id, cells))
    return _written(models, names, table, called)


def written_example(models: Models) -> str:
    """CSV with a row for each model, with its defaults."""
    prompt = next((card.prompt.default for card in models if card.prompt and card.prompt.default), "")
    rows = []
    for card in models:
        cells = {field.name: written_for(field, field.default) or field.sample or "" for field in card.fields}
        if card.prompt is not None:
            cells[card.prompt.name] = cells[card.prompt.name] or str(prompt)
            _write_literally(card, cells)
        rows.append((card.model_id, {**cells, "seed": ""}))
    return _written(models, field_names(models), rows)


def _write_literally(card: Card | None, cells: dict[str, str]) -> None:
    """Write the prompt so that a table is read as this very text, without alternatives."""
    if card is not None and card.prompt is not None and card.prompt.name in cells:
        cells[card.prompt.name] = literal(cells[card.prompt.name])


def _written(
    models: Models, names: Sequence[str], rows: Sequence[tuple[str, Mapping[str, str]]], called: Sequence[str] = ()
) -> str:
    is_several = len(models) > 1 or any(models.get(model_id) is None for model_id, _ in rows)
    has_models = is_several and not models.have_field_model
    file = io.StringIO(newline="")
    table = csv.writer(file)
    own = [models.column_of_names] if called else []
    table.writerow([*own, *([MODEL.name] if has_models else []), *names])
    for at, (model_id, cells) in enumerate(rows):
        own = [called[at]] if called else []
        table.writerow([*own, *([model_id] if has_models else []), *(cells.get(name, "") for name in names)])
    return file.getvalue()
