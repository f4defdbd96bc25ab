"""Plans a batch: makes payloads from lines, a table or a sweep, or lists everything that is wrong with them. Pure.

A plan with any problem has no payloads: a batch is sent completely, or not at all.
"""

import codecs
import csv
import dataclasses
import hashlib
import io
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice, product
from math import prod
from typing import Any

from dreamina_ui.cards.encodings import WORKBOOKS, Reading, decoded, readings_of
from dreamina_ui.cards.model_card import Card, Field
from dreamina_ui.cards.names import field_named, field_probably_meant
from dreamina_ui.cards.schema.validator import within
from dreamina_ui.cards.values import value_of, written
from dreamina_ui.errors import Fact, InvalidInput

__all__ = [
    "BATCH_MOST",
    "BYTES_MOST",
    "PLAN_PROBLEMS",
    "LineProblem",
    "Plan",
    "Question",
    "plan_csv",
    "plan_lines",
    "plan_sweep",
]

BATCH_MOST = 200
BYTES_MOST = 2**20
PROBLEMS_MOST = 50
PLAN_S = 2.0
"""Seconds of processor time to check all values of a batch; two hundred ordinary ones take a fifth of it."""
SEEDS_TEXT_MOST = 10_000
COLUMNS_MOST = 100
"""A header with more columns is refused."""

PLAN_PROBLEMS = (
    "empty",  # nothing to send
    "too_many",  # jobs; given, limit
    "too_big",  # bytes; given, limit
    "encoding",  # neither UTF-8 nor UTF-16 with a byte order mark
    "workbook",  # a spreadsheet's own file
    "lost_letters",  # another program has replaced letters by "�"
    "json",  # no table, but prompts in JSON
    "nul",
    "quotes",  # a quoted cell has no end, or text after it
    "no_header",  # allowed
    "unknown_column",  # given, allowed; comes with a question
    "duplicate_column",  # given
    "too_many_cells",  # given, limit; lines, if there are several
    "more",  # count: problems that are not listed
)
"""The problems of a batch besides `PROBLEMS`, with their facts."""

_BETWEEN_VALUES = re.compile(r"[ \t\r\n,]*")
_LINE_END = re.compile(r"\r\n|\r|\n")
_BLANK_LINES = re.compile(r"(?:[ \t]*(?:\r\n|\r|\n))+")
_SEPARATOR_LINE = re.compile(r'"?sep=([^\w\s"]|\t)"?[;,\t ]*(?:\r\n|\r|\n)', re.IGNORECASE)
"""What spreadsheets write and read as the first line."""
_RANDOM = re.compile(r"(\d{1,5})\s*(?:random|zufällige?)", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class LineProblem:
    """`line` counts from 1; 0 is the whole input, or a value that all lines share. `field` is the name of the card's field."""

    line: int
    field: str | None
    problem: str
    facts: Mapping[str, Fact] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Question:
    """What a person has to agree to before a table is used: one of several `readings` (by their answers), or the `answer`
    that some columns are `left_out` and others `taken` for a field.
    """

    readings: Mapping[str, Reading] = dataclasses.field(default_factory=dict)
    answer: str = ""
    taken: Mapping[str, Field] = dataclasses.field(default_factory=dict)
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """Either checked payloads, at most `BATCH_MOST`, or problems, at most `PROBLEMS_MOST` and the count of the rest.

    With a `question`, the only problem is what the question is about.
    """

    payloads: tuple[dict[str, Any], ...] = ()
    problems: tuple[LineProblem, ...] = ()
    question: Question | None = None


def plan_lines(card: Card, text: str, shared: Mapping[str, Any]) -> Plan:
    """One prompt for each line that is not blank, or for each JSON object; the other fields from `shared`."""
    if len(text) > BYTES_MOST:
        return _refused(0, "too_big", given=len(text), limit=BYTES_MOST)
    name = card.prompt.name if card.prompt else "prompt"
    lines = _json_values(text) or _LINE_END.split(text)
    count = sum(1 for prompt in lines if not prompt.isspace() and prompt)
    if count > BATCH_MOST:
        return _refused(0, "too_many", given=count, limit=BATCH_MOST)
    filled = [(line, {name: prompt.strip()}) for line, prompt in enumerate(lines, start=1) if prompt.strip()]
    return _planned(card, filled, shared)


def plan_csv(
    card: Card, data: bytes, shared: Mapping[str, Any], agreed: Collection[str] = (), *, comma: bool = False
) -> Plan:
    """One job for each row of a table whose first row names fields of the card.

    `data` is UTF-8, or UTF-16 with a byte order mark; commas, semicolons or tabs separate cells, or what a line such as
    "sep=;" at the start says. An empty cell is the value in `shared`, or else the card's default. A row's line is its first
    one. Where bytes or columns leave a doubt, the plan has a question and no payloads, until one of its answers is in
    `agreed`. `comma` is as for `value_of`.
    """
    if data.startswith(WORKBOOKS):
        return _refused(0, "workbook")
    if len(data) > BYTES_MOST:
        return _refused(0, "too_big", given=len(data), limit=BYTES_MOST)
    table = hashlib.sha256(data).hexdigest()[:16]
    text = decoded(data)
    if text is None:
        readings = {f"{table} {reading.codec}": reading for reading in readings_of(data)}
        if not readings:
            return _refused(*_unreadable(data))
        if not (chosen := [reading for answer, reading in readings.items() if answer in agreed]):
            return replace(_refused(*_unreadable(data)), question=Question(readings=readings))
        text = chosen[-1].text
    if not text.strip():
        return _refused(0, "empty")
    if "\ufffd" in text:
        return _refused(_line_of(text[: text.index("\ufffd")]), "lost_letters")
    if _json_values(text) is not None:
        return _refused(0, "json")
    above, text = _without_blank_lines(text)
    if found := _SEPARATOR_LINE.match(text):
        above, text = above + _line_of(found[0]) - 1, text[found.end() :]
    separators = found[1] if found else ",;\t"
    separator = max(separators, key=lambda candidate: _known_columns(card, text, candidate))
    records = _records(text, separator, above)
    heading, header = next(records, (0, []))
    if not header:
        return _refused(heading, "empty" if header is not None else "quotes")
    others = ((line, cells) for line, cells in records if cells != header)  # joined files have it several times
    rows = list(islice(others, BATCH_MOST))
    if beyond := sum(1 for _ in others):
        return _refused(0, "too_many", given=len(rows) + beyond, limit=BATCH_MOST)
    width = len(next(csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)))
    filled = max((len(cells) for _, cells in rows if cells and len(cells) <= width), default=0)
    header += [""] * (filled - len(header))  # columns without a name
    columns, problems = _columns(card, heading, header, {at for _, cells in rows for at in _filled(cells)})
    if problems:
        return _listed(problems)
    if columns.are_in_doubt and (answer := f"{table} columns") not in agreed:
        given, allowed = ", ".join(columns.left_out or columns.taken), _names(card)
        question = Question(answer=answer, taken=columns.taken, left_out=columns.left_out)
        return replace(
            _refused(heading, "unknown_column", given=_short(given, 200), allowed=allowed), question=question
        )
    too_long = [line for line, cells in rows if cells and len(cells) > len(header)]
    if too_long:
        longest = max(len(cells) for _, cells in rows if cells)
        lines = _short(", ".join(map(str, too_long)), 40) if len(too_long) > 1 else None
        facts = {"given": longest, "limit": len(header), "lines": lines}
        problems.append(LineProblem(too_long[0], None, "too_many_cells", facts))
    problems += [LineProblem(line, None, "quotes") for line, cells in rows if cells is None]
    planned = [
        (line, _row(columns.fields, cells, comma))
        for line, cells in rows
        if cells is not None and len(cells) <= len(header)
    ]
    return _planned(card, planned, shared, problems)


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
        return _refused(0, "too_many", given=count, limit=BATCH_MOST)
    return _planned(card, [(0, dict(zip(swept, values, strict=True))) for values in product(*swept.values())], base)


def _planned(
    card: Card,
    rows: Sequence[tuple[int, Mapping[str, Any]]],
    shared: Mapping[str, Any],
    problems: Sequence[LineProblem] = (),
) -> Plan:
    if len(rows) > BATCH_MOST:
        return _refused(0, "too_many", given=len(rows), limit=BATCH_MOST)
    if not rows and not problems:
        return _refused(0, "empty")
    with within(PLAN_S):
        return _checked(card, rows, shared, problems)


def _checked(
    card: Card,
    rows: Sequence[tuple[int, Mapping[str, Any]]],
    shared: Mapping[str, Any],
    problems: Sequence[LineProblem],
) -> Plan:
    found = list(problems)
    seen: set[tuple[int, str, str, str]] = set()
    payloads = []
    for line, row in rows:
        values = {**shared, **row}
        faults = card.faults_of(values)
        for fault in faults:
            # A value that all lines share is reported once.
            at = line if fault.field in row or fault.problem == "missing" else 0
            key = (at, fault.field, fault.problem, str(fault.facts.get("given")))
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


def _without_blank_lines(text: str) -> tuple[int, str]:
    """The count of blank lines at the start, and the text after them."""
    blank = _BLANK_LINES.match(text)
    end = blank.end() if blank else 0
    return _line_of(text[:end]) - 1, text[end:]


def _known_columns(card: Card, text: str, separator: str) -> tuple[int, int]:
    """How many columns of the header name fields, and how many columns it has."""
    _, header = next(_records(text, separator), (0, None))
    named = (header or ())[:COLUMNS_MOST]
    return sum(field_named(card.fields, name) is not None for name in named), len(named)


@dataclass(frozen=True, slots=True)
class _Columns:
    """The field of each column, None for one that is left out; and what the person has to agree to."""

    fields: list[Field | None]
    taken: Mapping[str, Field]
    left_out: tuple[str, ...]

    @property
    def are_in_doubt(self) -> bool:
        return bool(self.taken or self.left_out)


def _columns(card: Card, line: int, header: Sequence[str], filled: set[int]) -> tuple[_Columns, list[LineProblem]]:
    """The columns of a header; those `filled` have a value in some row."""
    if len(header) > COLUMNS_MOST:
        facts: dict[str, Fact] = {"given": len(header), "limit": len(card.fields)}
        return _Columns([], {}, ()), [LineProblem(line, None, "too_many_cells", facts)]
    problems: list[LineProblem] = []
    columns: list[Field | None] = []
    for name in header:
        column = field_named(card.fields, name)
        if column is not None and column in columns:
            problems.append(LineProblem(line, column.name, "duplicate_column", {"given": _short(name, 40)}))
        columns.append(column)
    taken: dict[str, Field] = {}
    left_out = []
    for at, name in enumerate(header):
        if columns[at] is not None or (not name and at not in filled):
            continue
        free = [field for field in card.fields if field not in columns]
        meant = field_probably_meant(free, name, card.prompt) if name else None
        if meant is not None:
            columns[at] = taken[_short(name, 40)] = meant
        else:
            left_out.append(_short(name, 40) or f"#{at + 1}")
    if not any(columns):
        problems = [LineProblem(line, None, "no_header", {"allowed": _names(card)})]
    return _Columns(columns, taken, tuple(left_out)), problems


def _filled(cells: Sequence[str] | None) -> Iterator[int]:
    return (at for at, cell in enumerate(cells or ()) if cell)


def _row(columns: Sequence[Field | None], cells: Sequence[str], comma: bool) -> dict[str, Any]:
    """The values of a row; what an empty cell means is not in it."""
    filled = ((column, cell) for column, cell in zip(columns, cells, strict=False) if column and cell)
    given = ((column, value_of(column, cell, comma=comma)) for column, cell in filled)
    return {column.name: value for column, value in given if value is not None or column.nullable}


def _names(card: Card) -> str:
    return ", ".join(field.name for field in card.fields)


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


def _json_values(text: str) -> list[str] | None:
    """The JSON objects that a text consists of, each as it is written; None for any other text."""
    decoder, found, at = json.JSONDecoder(), [], 0
    while (start := _BETWEEN_VALUES.match(text, at).end()) < len(text):  # type: ignore[union-attr]  # it matches nothing, too
        if text[start] != "{":
            return None
        try:
            _, at = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            return None
        found.append(text[start:at])
    return found or None


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
