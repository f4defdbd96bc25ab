"""Plans a batch of a table whose rows are videos. Pure."""

import codecs
import csv
import hashlib
import io
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from dreamina_ui.cards.batches.encodings import WORKBOOKS, decoded, readings_of
from dreamina_ui.cards.batches.lines import LINE_END, json_values
from dreamina_ui.cards.batches.plans import (
    BATCH_MOST,
    BYTES_MOST,
    Columns,
    LineProblem,
    Plan,
    Question,
    Wanted,
    as_typed,
    each_model,
    each_prompt,
    facts_of,
    first_of,
    listed,
    planned,
    refused,
    too_many,
)
from dreamina_ui.cards.model_card import Card, Field
from dreamina_ui.cards.models import MODEL, Models
from dreamina_ui.cards.names import field_named, field_probably_meant, same_name
from dreamina_ui.cards.values import value_of
from dreamina_ui.errors import InvalidInput

__all__ = ["plan_csv"]

COLUMNS_MOST = 100
"""A header with more columns is refused."""
_BLANK_LINES = re.compile(r"(?:[ \t]*(?:\r\n|\r|\n))+")
_SEPARATOR_LINE = re.compile(r'"?sep=([^\w\s"]|\t)"?[;,\t ]*(?:\r\n|\r|\n)', re.IGNORECASE)
"""What spreadsheets write and read as the first line."""


def plan_csv(
    card: Card,
    data: bytes,
    shared: Mapping[str, Any],
    agreed: Collection[str] = (),
    *,
    models: Models | None = None,
    files: Mapping[str, str] | None = None,
    comma: bool = False,
    most: int = BATCH_MOST,
    check_name: Callable[[str], object] | None = None,
    keeps_alternatives: bool = False,
) -> Plan:
    """One job for each row of a table whose first row names fields of the models, and maybe `model`, and what a row is called.

    A row is of the model that it names, one of `models`, and else of the model of `card`, whose values are those in `shared`.
    `data` is UTF-8, or UTF-16 with a byte order mark; commas, semicolons or tabs separate cells, or what a line such as
    "sep=;" at the start says. An empty cell is the value in `shared`, or else the card's default. A row's line is its first
    one. Where bytes or columns leave a doubt, the plan has a question and no videos, until one of its answers is in
    `agreed`. `files` are those that the visitor has uploaded: the text for a field, by the file's name in lower case.
    `comma` is as for `value_of`. `check_name` raises `InvalidInput` for what no row can be called. A row is a video for each of
    the prompts that its alternatives make; with `keeps_alternatives` it is one, with the prompt as it stands in the table.
    """
    models = models or Models([card])
    text = _text_of(data, agreed)
    if isinstance(text, Plan):
        return text
    table = _table_of(text, models, most)
    if isinstance(table, Plan):
        return table
    of_model = None if models.have_field_model else _model_column(table.header)
    of_name = next((at for at, name in enumerate(table.header) if same_name(name, models.column_of_names)), None)
    cards, problems = _cards(card, models, table.rows, of_model)
    used = each_model(cards.values()) or [card]
    if len(table.header) > COLUMNS_MOST:
        return refused(table.line, "too_many_cells", given=len(table.header), limit=len(card.fields))
    columns, twice = _columns(used, table, _filled_columns(table, cards, used), of_model, of_name)
    allowed = _names(used, models)
    if not any(any(each) for each in columns.fields.values()):
        return refused(table.line, "no_header", allowed=allowed)
    if twice or problems:
        return listed([*twice, *problems])
    if columns.are_in_doubt and (answer := _answer(data, "columns")) not in agreed:
        in_doubt = refused(
            table.line, "unknown_column", given=_short(", ".join(columns.names_in_doubt), 200), allowed=allowed
        )
        return replace(in_doubt, question=columns.question(answer))
    wanted = [
        Wanted(
            line,
            cards[line],
            _row(columns.fields[cards[line].model_id], cells, comma, files or {}),
            cells[of_name] if of_name is not None and of_name < len(cells) else "",
        )
        for line, cells in table.rows
        if cells is not None and len(cells) <= len(table.header)
    ]
    faults = [*_faults_of(table), *(_faults_of_names(wanted, check_name) if check_name else ())]
    if keeps_alternatives:
        firsts = [replace(row, values=first_of(row.card, row.values)) for row in wanted]
        plan = planned(firsts, shared, faults, first=card, most=most)
        made = zip(plan.videos, wanted if plan.videos else (), strict=True)
        return replace(
            plan, videos=tuple(replace(v, payload=as_typed(v.card, v.payload, row.values)) for v, row in made)
        )
    expanded = each_prompt(wanted, most=most)
    if isinstance(expanded, Plan):
        return expanded
    wanted, notes = expanded
    return planned(wanted, shared, faults, first=card, notes=notes, most=most)


def _text_of(data: bytes, agreed: Collection[str]) -> str | Plan:
    """The text of a table's bytes; or the refusal, where they are none, or where somebody has to choose how they are read."""
    if data.startswith(WORKBOOKS):
        return refused(0, "workbook")
    if len(data) > BYTES_MOST:
        return refused(0, "too_big", given=len(data), limit=BYTES_MOST)
    text = decoded(data)
    if text is None:
        readings = {_answer(data, reading.codec): reading for reading in readings_of(data)}
        if not readings:
            return refused(*_unreadable(data))
        if not (chosen := [reading for answer, reading in readings.items() if answer in agreed]):
            return replace(refused(*_unreadable(data)), question=Question(readings=readings))
        text = chosen[-1].text
    if not text.strip():
        return refused(0, "empty")
    if "\ufffd" in text:
        return refused(_line_of(text[: text.index("\ufffd")]), "lost_letters")
    return text if json_values(text) is None else refused(0, "json")


def _answer(data: bytes, what: str) -> str:
    """An answer to a question about this very table."""
    return f"{hashlib.sha256(data).hexdigest()[:16]} {what}"


@dataclass(frozen=True, slots=True)
class _Table:
    """The header, its line, and the rows below it with their first lines; None for a row that cannot be read."""

    line: int
    header: Sequence[str]
    rows: Sequence[tuple[int, Sequence[str] | None]]


def _table_of(text: str, models: Models, most: int) -> _Table | Plan:
    """The header and the rows of a text; or the refusal, where it has no header, or more than `most` rows."""
    above, text = _without_blank_lines(text)
    if found := _SEPARATOR_LINE.match(text):
        above, text = above + _line_of(found[0]) - 1, text[found.end() :]
    separators = found[1] if found else ",;\t"
    separator = max(separators, key=lambda candidate: _known_columns(models, text, candidate))
    records = _records(text, separator, above)
    line, header = next(records, (0, []))
    if not header:
        return refused(line, "empty" if header is not None else "quotes")
    others = ((line, cells) for line, cells in records if cells != header)  # joined files have it several times
    rows = list(islice(others, most))
    if beyond := sum(1 for _ in others):
        return too_many(len(rows) + beyond, most=most)
    width = len(next(csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)))
    filled = max((len(cells) for _, cells in rows if cells and len(cells) <= width), default=0)
    return _Table(line, [*header, *[""] * (filled - len(header))], rows)  # with columns without a name


def _filled_columns(table: _Table, cards: Mapping[int, Card], used: Iterable[Card]) -> dict[str, set[int]]:
    """The columns with a value in some row of a model, by its id."""
    filled = {card.model_id: set[int]() for card in used}
    for line, cells in table.rows:
        if line in cards:
            filled[cards[line].model_id].update(at for at, cell in enumerate(cells or ()) if cell)
    return filled


def _faults_of(table: _Table) -> list[LineProblem]:
    """The rows that are longer than the header, or that cannot be read."""
    faults = [LineProblem(line, None, "quotes") for line, cells in table.rows if cells is None]
    lengths = {line: len(cells) for line, cells in table.rows if cells and len(cells) > len(table.header)}
    if lengths:
        lines = _short(", ".join(map(str, lengths)), 40) if len(lengths) > 1 else None
        facts = {"given": max(lengths.values()), "limit": len(table.header), "lines": lines}
        faults.insert(0, LineProblem(min(lengths), None, "too_many_cells", facts))
    return faults


def _without_blank_lines(text: str) -> tuple[int, str]:
    """The count of blank lines at the start, and the text after them."""
    blank = _BLANK_LINES.match(text)
    end = blank.end() if blank else 0
    return _line_of(text[:end]) - 1, text[end:]


def _known_columns(models: Models, text: str, separator: str) -> tuple[int, int]:
    """How many columns of the header name fields or the model, and how many columns it has."""
    _, header = next(_records(text, separator), (0, None))
    named, fields = (header or ())[:COLUMNS_MOST], [field for _, field in models.fields]
    known = sum(field_named(fields, name) is not None or _is_model(name) for name in named)
    return known, len(named)


def _records(text: str, separator: str, above: int = 0) -> Iterator[tuple[int, list[str] | None]]:
    """The rows that are not blank, each with its first line; None for a row that cannot be read."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True, skipinitialspace=True)
    while True:
        line = above + reader.line_num + 1
        try:
            cells = [cell.strip() for cell in next(reader)]
        except StopIteration:
            return
        except csv.Error:
            yield line, None
            continue
        while cells and not cells[-1]:  # spreadsheets fill rows up with empty cells
            cells.pop()
        if cells:
            yield line, cells


def _is_model(name: str) -> bool:
    return field_named([MODEL], name) is not None


def _model_column(header: Sequence[str]) -> int | None:
    """The place of the first column that names models."""
    return next((at for at, name in enumerate(header[:COLUMNS_MOST]) if _is_model(name)), None)


def _cards(
    card: Card, models: Models, rows: Iterable[tuple[int, Sequence[str] | None]], of_model: int | None
) -> tuple[dict[int, Card], list[LineProblem]]:
    """The model of each row that can be read, by its line; and the rows whose model there is not."""
    cards: dict[int, Card] = {}
    problems = []
    for line, cells in rows:
        if cells is None:
            continue
        named = cells[of_model] if of_model is not None and of_model < len(cells) else ""
        try:
            cards[line] = models.named(named) if named else card
        except InvalidInput as fault:
            problems.append(LineProblem(line, fault.field, fault.problem, facts_of(fault)))
    return cards, problems


@dataclass(frozen=True, slots=True)
class _Columns:
    """The field of each column, None for one that is left out, by model; and what the person has to agree to."""

    fields: Mapping[str, Sequence[Field | None]]
    doubts: Sequence[tuple[str, Columns]]
    """With the title of each model."""

    @property
    def are_in_doubt(self) -> bool:
        return bool(self.names_in_doubt)

    @property
    def names_in_doubt(self) -> list[str]:
        """Those that are left out, or, if there are none, those that are taken for something."""
        left_out = [name for _, doubt in self.doubts for name in doubt.left_out]
        taken = [name for _, doubt in self.doubts for name in doubt.taken]
        return list(dict.fromkeys(left_out or taken))

    def question(self, answer: str) -> Question:
        doubts = [doubt for _, doubt in self.doubts]
        common = [name for name in doubts[0].left_out if all(name in each.left_out for each in doubts)]
        alike = {
            name: field
            for name, field in doubts[0].taken.items()
            if all(name in each.taken and each.taken[name].name == field.name for each in doubts)
        }
        own = [
            (
                title,
                Columns(
                    {name: field for name, field in each.taken.items() if name not in alike},
                    tuple(name for name in each.left_out if name not in common),
                ),
            )
            for title, each in self.doubts
        ]
        of_models = tuple((title, each) for title, each in own if each.taken or each.left_out)
        return Question(answer=answer, taken=alike, left_out=tuple(common), of_models=of_models)


def _columns(
    cards: Sequence[Card],
    table: _Table,
    filled: Mapping[str, set[int]],
    of_model: int | None,
    of_name: int | None,
) -> tuple[_Columns, list[LineProblem]]:
    """The columns of a header for the models of the rows; those `filled` have a value in some row of the model."""
    fields: dict[str, list[Field | None]] = {card.model_id: [] for card in cards}
    twice: dict[str, LineProblem] = {}
    for at, name in enumerate(table.header):
        for card in cards:
            column = field_named(card.fields, name) if at not in (of_model, of_name) else None
            is_again = of_model is not None and at > of_model and column is None and _is_model(name)
            if is_again or (column is not None and column in fields[card.model_id]):
                named = MODEL if column is None else column
                twice[name] = LineProblem(
                    table.line, named.name, "duplicate_column", {"given": _short(name, 40)}, named.title
                )
            fields[card.model_id].append(column)
    taken: dict[str, dict[str, Field]] = {card.model_id: {} for card in cards}
    left_out: dict[str, list[str]] = {card.model_id: [] for card in cards}
    for at, name in enumerate(table.header):
        if at in (of_model, of_name):
            continue
        is_known = any(of_card[at] is not None for of_card in fields.values())
        for card in cards:
            columns = fields[card.model_id]
            # What a model does not have matters where one of its rows has a value.
            is_needed = at in filled[card.model_id] if is_known or not name else True
            if columns[at] is not None or not is_needed:
                continue
            free = [field for field in card.fields if field not in columns]
            meant = field_probably_meant(free, name, card.prompt) if name else None
            if meant is not None:
                columns[at] = taken[card.model_id][_short(name, 40)] = meant
            else:
                left_out[card.model_id].append(_short(name, 40) or f"#{at + 1}")
    doubts = [(card.title, Columns(taken[card.model_id], tuple(left_out[card.model_id]))) for card in cards]
    return _Columns(fields, doubts), list(twice.values())


def _row(
    columns: Sequence[Field | None], cells: Sequence[str], comma: bool, files: Mapping[str, str]
) -> dict[str, Any]:
    """The values of a row; what an empty cell means is not in it."""
    filled = ((column, cell) for column, cell in zip(columns, cells, strict=False) if column and cell)
    given = ((column, value_of(column, _with_files(column, cell, files), comma=comma)) for column, cell in filled)
    return {column.name: value for column, value in given if value is not None or column.nullable}


def _with_files(field: Field, cell: str, files: Mapping[str, str]) -> str:
    """A cell of a field for files, with each file's name replaced by its text for the field."""
    if field.media is None:
        return cell
    return "\n".join(files.get(line.strip().casefold(), line) for line in cell.split("\n"))


def _faults_of_names(rows: Iterable[Wanted], check_name: Callable[[str], object]) -> list[LineProblem]:
    """The rows that cannot be called what they are; without a name a row is called something else."""
    found = []
    for row in rows:
        try:
            if row.name:
                check_name(row.name)
        except InvalidInput as fault:
            found.append(LineProblem(row.line, fault.field, fault.problem, facts_of(fault)))
    return found


def _names(cards: Sequence[Card], models: Models) -> str:
    """The columns that rows of these cards may have."""
    fields = [field.name for card in cards for field in card.fields]
    return ", ".join(dict.fromkeys([*fields, *([MODEL.name] if len(models) > 1 else [])]))


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _unreadable(data: bytes) -> tuple[int, str]:
    """The line and the problem of bytes that are no text by themselves."""
    codec = "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        text = data.decode(codec)
    except UnicodeDecodeError as error:
        return _line_of(error.object[: error.start].decode(codec, "ignore")), "encoding"
    return (_line_of(text[: text.index("\0")]), "nul") if "\0" in text else (1, "encoding")


def _line_of(text_before: str) -> int:
    return 1 + len(LINE_END.findall(text_before))
