"""Plans a batch: makes payloads from lines, a table or a sweep, or lists everything that is wrong with them. Pure.

A plan with any problem has no payloads: a batch is sent completely, or not at all.
"""

import codecs
import csv
import dataclasses
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

from dreamina_ui.cards.model_card import Card, Field
from dreamina_ui.cards.values import faults_of, value_of, written
from dreamina_ui.errors import Fact, InvalidInput

__all__ = ["BATCH_MOST", "BYTES_MOST", "PLAN_PROBLEMS", "LineProblem", "Plan", "plan_csv", "plan_lines", "plan_sweep"]

BATCH_MOST = 200
BYTES_MOST = 2**20
PROBLEMS_MOST = 50
SEEDS_TEXT_MOST = 10_000
COLUMNS_MOST = 100
"""A header with more columns is refused."""

PLAN_PROBLEMS = (
    "empty",  # nothing to send
    "too_many",  # jobs; held, limit
    "too_big",  # bytes; held, limit
    "encoding",  # neither UTF-8 nor UTF-16 with a BOM
    "nul",
    "quotes",  # a quoted cell has no end, or text after it
    "no_header",  # allowed
    "unknown_column",  # held, allowed
    "duplicate_column",  # held
    "too_many_cells",  # held, limit
    "more",  # count: problems that are not listed
)
"""The problems of a batch besides `PROBLEMS`, with their facts."""

_LINE_END = re.compile(r"\r\n|\r|\n")
_BLANK_LINES = re.compile(r"(?:[ \t]*(?:\r\n|\r|\n))+")
_RANDOM = re.compile(r"(\d{1,5})\s*(?:random|zufällige?)", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class LineProblem:
    """`line` counts from 1; 0 is the whole input, or a value that all lines share. `field` is the name of the card's field."""

    line: int
    field: str | None
    problem: str
    facts: Mapping[str, Fact] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """Either checked payloads, at most `BATCH_MOST`, or problems, at most `PROBLEMS_MOST` and the count of the rest."""

    payloads: tuple[dict[str, Any], ...] = ()
    problems: tuple[LineProblem, ...] = ()


def plan_lines(card: Card, text: str, shared: Mapping[str, Any]) -> Plan:
    """One prompt for each line that is not blank; the other fields from `shared`."""
    if len(text) > BYTES_MOST:
        return _refused(0, "too_big", held=len(text), limit=BYTES_MOST)
    name = card.prompt.name if card.prompt else "prompt"
    lines = enumerate(_LINE_END.split(text), start=1)
    return _planned(card, [(line, {name: prompt.strip()}) for line, prompt in lines if prompt.strip()], shared)


def plan_csv(card: Card, data: bytes, shared: Mapping[str, Any]) -> Plan:
    """One job for each row of a table whose first row names fields of the card.

    `data` is UTF-8, or UTF-16 with a BOM; commas, semicolons or tabs separate cells. An empty cell is the value in
    `shared`, or else the card's default. A row's line is its first one.
    """
    if len(data) > BYTES_MOST:
        return _refused(0, "too_big", held=len(data), limit=BYTES_MOST)
    codec = "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        text = data.decode(codec)
    except UnicodeDecodeError as error:
        return _refused(_line_of(error.object[: error.start].decode(codec, "ignore")), "encoding")
    if "\0" in text:
        return _refused(_line_of(text[: text.index("\0")]), "nul")
    if not text.strip():
        return _refused(0, "empty")
    above, table = _without_blank_lines(text)
    delimiter = max(",;\t", key=lambda candidate: _known_columns(card, table, candidate))
    records = _records(table, delimiter, above)
    heading, header = next(records, (0, []))
    if not header:
        return _refused(heading, "empty" if header is not None else "quotes")
    fields, problems = _columns(card, heading, header)
    if problems:
        return _listed(problems)
    count, rows = 0, []
    for line, cells in records:
        count += 1
        if count > BATCH_MOST:
            continue  # count only
        if cells is None:
            problems.append(LineProblem(line, None, "quotes"))
        elif len(cells) > len(fields):
            problems.append(LineProblem(line, None, "too_many_cells", {"held": len(cells), "limit": len(fields)}))
        else:
            given = zip(fields, cells, strict=False)
            rows.append((line, {column.name: value_of(column, cell) for column, cell in given if cell}))
    if count > BATCH_MOST:
        return _refused(0, "too_many", held=count, limit=BATCH_MOST)
    return _planned(card, rows, shared, problems)


def plan_sweep(
    card: Card, base: Mapping[str, Any], ratios: Sequence[Any], frames: Sequence[Any], seeds: Sequence[int] | str
) -> Plan:
    """One job for each combination of values; an empty dimension keeps the value in `base`.

    `seeds` are whole numbers, or a text: whole numbers between commas or blanks, or "3 random".
    """
    dimensions = {"aspect_ratio": _each_once(ratios), "frames": _each_once(frames), "seed": _seeds(card, seeds)}
    swept = {name: values for name, values in dimensions.items() if values}
    count = prod(len(values) for values in swept.values())
    if count > BATCH_MOST:
        return _refused(0, "too_many", held=count, limit=BATCH_MOST)
    return _planned(card, [(0, dict(zip(swept, values, strict=True))) for values in product(*swept.values())], base)


def _planned(
    card: Card,
    rows: Sequence[tuple[int, Mapping[str, Any]]],
    shared: Mapping[str, Any],
    problems: Sequence[LineProblem] = (),
) -> Plan:
    if len(rows) > BATCH_MOST:
        return _refused(0, "too_many", held=len(rows), limit=BATCH_MOST)
    if not rows and not problems:
        return _refused(0, "empty")
    found = list(problems)
    seen: set[tuple[int, str, str, str]] = set()
    payloads = []
    for line, row in rows:
        values = {**shared, **row}
        faults = faults_of(card, values)
        for fault in faults:
            # A value that all lines share is reported once.
            at = line if fault.field in row or fault.problem == "missing" else 0
            key = (at, fault.field, fault.problem, str(fault.facts.get("held")))
            if key not in seen:
                seen.add(key)
                found.append(_problem(at, fault))
        if faults:
            continue
        try:
            payloads.append(card.validate(values))
        except InvalidInput as fault:  # the values are valid alone, but not together
            found.append(_problem(line, fault, card.fields[0].name))
    return _listed(sorted(found, key=lambda problem: problem.line)) if found else Plan(tuple(payloads))


def _records(text: str, delimiter: str, above: int = 0) -> Iterator[tuple[int, list[str] | None]]:
    """The rows that are not blank, each with its first line; None for a row that cannot be read."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
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


def _without_blank_lines(text: str) -> tuple[int, str]:
    """The count of blank lines at the start, and the text after them."""
    blank = _BLANK_LINES.match(text)
    end = blank.end() if blank else 0
    return _line_of(text[:end]) - 1, text[end:]


def _known_columns(card: Card, text: str, delimiter: str) -> tuple[int, int]:
    """How many columns of the header name fields, and how many columns it has."""
    _, header = next(_records(text, delimiter), (0, None))
    named = (header or ())[:COLUMNS_MOST]
    return sum(_column(card, name) is not None for name in named), len(named)


def _column(card: Card, name: str) -> Field | None:
    alike = (known for known in card.fields if known.name.casefold() == name.casefold())
    return card.field(name) or next(alike, None)


def _columns(card: Card, line: int, header: Sequence[str]) -> tuple[list[Field], list[LineProblem]]:
    allowed = ", ".join(known.name for known in card.fields)
    columns: list[Field] = []
    problems: list[LineProblem] = []
    if len(header) > COLUMNS_MOST:
        return [], [LineProblem(line, None, "too_many_cells", {"held": len(header), "limit": len(card.fields)})]
    for name in header:
        column, held = _column(card, name), name if len(name) <= 40 else name[:39] + "…"
        if column is None:
            problems.append(LineProblem(line, None, "unknown_column", {"held": held, "allowed": allowed}))
        elif column in columns:
            problems.append(LineProblem(line, column.name, "duplicate_column", {"held": held}))
        else:
            columns.append(column)
    if not columns:
        problems = [LineProblem(line, None, "no_header", {"allowed": allowed})]
    return columns, problems


def _seeds(card: Card, seeds: Sequence[int] | str) -> list[Any]:
    """The seeds to sweep; the card's check refuses any other text."""
    column = card.field("seed")
    random = column.default if column and column.default == -1 else None
    if not isinstance(seeds, str):
        return _each_once(seeds, repeat=random)
    text = seeds.strip()
    if len(text) > SEEDS_TEXT_MOST:
        return [text]
    if found := _RANDOM.fullmatch(text):
        return [random] * int(found[1]) if random is not None and int(found[1]) else [text]
    parts = [part for part in re.split(r"[,;\s]+", text) if part]
    return _each_once([value_of(column, part) if column else part for part in parts], repeat=random)


def _each_once(values: Iterable[Any], repeat: Any = None) -> list[Any]:
    """The values without duplicates, except for `repeat`, which is another random value each time."""
    unique: list[Any] = []
    seen: set[str] = set()
    for value in values:
        if written(value) not in seen or (repeat is not None and value == repeat):
            seen.add(written(value))
            unique.append(value)
    return unique


def _problem(line: int, fault: InvalidInput, field: str = "") -> LineProblem:
    facts = {name: fact for name, fact in fault.facts.items() if name not in ("field", "problem")}
    return LineProblem(line, fault.field or field, fault.problem, facts)


def _refused(line: int, problem: str, **facts: Fact) -> Plan:
    return Plan(problems=(LineProblem(line, None, problem, facts),))


def _listed(problems: Sequence[LineProblem]) -> Plan:
    listed, more = tuple(problems[:PROBLEMS_MOST]), len(problems) - PROBLEMS_MOST
    return Plan(problems=(*listed, LineProblem(0, None, "more", {"count": more})) if more > 0 else listed)


def _line_of(text_before: str) -> int:
    return 1 + len(_LINE_END.findall(text_before))
