"""Plans a batch: makes videos of lines, a table or a sweep, or lists everything that is wrong with them. Pure."""

import codecs
import csv
import hashlib
import io
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice, product
from math import prod
from typing import Any

from dreamina_ui.cards.alternatives import JSON_TRIES, end_of_json, read
from dreamina_ui.cards.encodings import WORKBOOKS, decoded, readings_of
from dreamina_ui.cards.model_card import Card, Field
from dreamina_ui.cards.models import MODEL, Models
from dreamina_ui.cards.names import field_named, field_probably_meant, same_name
from dreamina_ui.cards.plans import (
    BATCH_MOST,
    PLAN_PROBLEMS,
    PLAN_S,
    Columns,
    LineProblem,
    NotTaken,
    Plan,
    Planned,
    Question,
    Wanted,
    as_typed,
    carried,
    each_model,
    each_prompt,
    facts_of,
    first_of,
    listed,
    note_of,
    planned,
    refused,
    source_of,
    too_many,
)
from dreamina_ui.cards.schema.validator import within
from dreamina_ui.cards.values import value_of, written
from dreamina_ui.errors import InvalidInput

__all__ = [
    "BATCH_MOST",
    "BYTES_MOST",
    "PLAN_PROBLEMS",
    "LineProblem",
    "NotTaken",
    "Plan",
    "Planned",
    "Question",
    "plan_csv",
    "plan_lines",
    "plan_sweep",
]

BYTES_MOST = 2**20
SEEDS_TEXT_MOST = 10_000
COLUMNS_MOST = 100
"""A header with more columns is refused."""

_JSON_LINE = re.compile(r"(?<![^\r\n])[ \t]*[{\[]")
_BETWEEN_VALUES = re.compile(r"[ \t\r\n,]*")
_LINE_END = re.compile(r"\r\n|\r|\n")
_BLANK_LINES = re.compile(r"(?:[ \t]*(?:\r\n|\r|\n))+")
_SEPARATOR_LINE = re.compile(r'"?sep=([^\w\s"]|\t)"?[;,\t ]*(?:\r\n|\r|\n)', re.IGNORECASE)
"""What spreadsheets write and read as the first line."""
_RANDOM = re.compile(r"(\d{1,5})\s*(?:random|zufällige?)", re.IGNORECASE | re.ASCII)


def plan_lines(card: Card, text: str, shared: Mapping[str, Any], agreed: Collection[str] = ()) -> Plan:
    """One prompt for each line that is not blank, or for each JSON object; the other fields from `shared`.

    Alternatives in a prompt make several. Where JSON goes over several lines, the plan has a question and no videos, until one
    of its answers is in `agreed`, of which the last one counts.
    """
    if len(text) > BYTES_MOST:
        return refused(0, "too_big", given=len(text), limit=BYTES_MOST)
    name = card.prompt.name if card.prompt else "prompt"
    count = sum(1 for prompt in _LINE_END.split(text) if prompt and not prompt.isspace())
    together = _with_json_together(text)
    if count > BATCH_MOST and not 0 < len(together) <= BATCH_MOST:
        return too_many(count)
    apart = _prompts_of(text, 1)
    if together:
        named = hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16]
        answers = {f"{named} together": together, f"{named} lines": apart}
        chosen = [answers[answer] for answer in agreed if answer in answers]
        if not chosen:
            asked = [(answer, len(prompts)) for answer, prompts in answers.items()]
            return replace(refused(0, "json_lines"), question=Question(together=asked[0], apart=asked[1]))
        prompts = chosen[-1]
    elif values := _json_values(text):
        if len(values) > BATCH_MOST:
            return too_many(len(values))
        prompts = [_Prompt(line, value, is_json=True) for line, value in enumerate(values, start=1)]
    else:
        prompts = apart
    if len(prompts) > BATCH_MOST:
        return too_many(len(prompts))
    wanted = each_prompt(
        [Wanted(prompt.line, card, {name: prompt.text}) for prompt in prompts],
        as_they_stand=[prompt.line for prompt in prompts if prompt.is_json],
    )
    if isinstance(wanted, Plan):
        return wanted
    rows, notes = wanted
    return planned(rows, shared, first=card, notes=notes)


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
    `agreed`. `files` are those that the visitor has uploaded: what stands for each in a field, by its name in lower case.
    `comma` is as for `value_of`. `check_name` raises `InvalidInput` for what no row can be called. A row is a video for each of
    the prompts that its alternatives make; with `keeps_alternatives` it is one, with the prompt as it stands in the table.
    """
    models = models or Models([card])
    if data.startswith(WORKBOOKS):
        return refused(0, "workbook")
    if len(data) > BYTES_MOST:
        return refused(0, "too_big", given=len(data), limit=BYTES_MOST)
    table = hashlib.sha256(data).hexdigest()[:16]
    text = decoded(data)
    if text is None:
        readings = {f"{table} {reading.codec}": reading for reading in readings_of(data)}
        if not readings:
            return refused(*_unreadable(data))
        if not (chosen := [reading for answer, reading in readings.items() if answer in agreed]):
            return replace(refused(*_unreadable(data)), question=Question(readings=readings))
        text = chosen[-1].text
    if not text.strip():
        return refused(0, "empty")
    if "\ufffd" in text:
        return refused(_line_of(text[: text.index("\ufffd")]), "lost_letters")
    if _json_values(text) is not None:
        return refused(0, "json")
    above, text = _without_blank_lines(text)
    if found := _SEPARATOR_LINE.match(text):
        above, text = above + _line_of(found[0]) - 1, text[found.end() :]
    separators = found[1] if found else ",;\t"
    separator = max(separators, key=lambda candidate: _known_columns(models, text, candidate))
    records = _records(text, separator, above)
    heading, header = next(records, (0, []))
    if not header:
        return refused(heading, "empty" if header is not None else "quotes")
    others = ((line, cells) for line, cells in records if cells != header)  # joined files have it several times
    rows = list(islice(others, most))
    if beyond := sum(1 for _ in others):
        return too_many(len(rows) + beyond, most=most)
    width = len(next(csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)))
    filled = max((len(cells) for _, cells in rows if cells and len(cells) <= width), default=0)
    header += [""] * (filled - len(header))  # columns without a name
    of_model = None if models.have_field_model else _model_column(header)
    of_name = next((at for at, name in enumerate(header) if same_name(name, models.column_of_names)), None)
    cards, problems = _cards(card, models, rows, of_model)
    used = each_model(cards.values()) or [card]
    filled_in = {each.model_id: set[int]() for each in used}
    for line, cells in rows:
        if line in cards:
            filled_in[cards[line].model_id].update(at for at, cell in enumerate(cells or ()) if cell)
    if len(header) > COLUMNS_MOST:
        return refused(heading, "too_many_cells", given=len(header), limit=len(card.fields))
    columns, twice = _columns(used, heading, header, filled_in, of_model, of_name)
    if not any(any(each) for each in columns.fields.values()):
        return refused(heading, "no_header", allowed=_names(used, models))
    if twice or problems:
        return listed([*twice, *problems])
    if columns.are_in_doubt and (answer := f"{table} columns") not in agreed:
        given, allowed = ", ".join(columns.names_in_doubt), _names(used, models)
        return replace(
            refused(heading, "unknown_column", given=_short(given, 200), allowed=allowed),
            question=columns.question(answer),
        )
    too_long = [line for line, cells in rows if cells and len(cells) > len(header)]
    if too_long:
        longest = max(len(cells) for _, cells in rows if cells)
        lines = _short(", ".join(map(str, too_long)), 40) if len(too_long) > 1 else None
        facts = {"given": longest, "limit": len(header), "lines": lines}
        problems.append(LineProblem(too_long[0], None, "too_many_cells", facts))
    problems += [LineProblem(line, None, "quotes") for line, cells in rows if cells is None]
    wanted = [
        Wanted(
            line,
            cards[line],
            _row(columns.fields[cards[line].model_id], cells, comma, files or {}),
            cells[of_name] if of_name is not None and of_name < len(cells) else "",
        )
        for line, cells in rows
        if cells is not None and len(cells) <= len(header)
    ]
    problems += _faults_of_names(wanted, check_name) if check_name else []
    if keeps_alternatives:
        firsts = [replace(row, values=first_of(row.card, row.values)) for row in wanted]
        plan = planned(firsts, shared, problems, first=card, most=most)
        made = zip(plan.videos, wanted if plan.videos else (), strict=True)
        return replace(
            plan, videos=tuple(replace(v, payload=as_typed(v.card, v.payload, row.values)) for v, row in made)
        )
    expanded = each_prompt(wanted, most=most)
    if isinstance(expanded, Plan):
        return expanded
    wanted, notes = expanded
    return planned(wanted, shared, problems, first=card, notes=notes, most=most)


def plan_sweep(
    cards: Sequence[Card],
    base: Mapping[str, Any],
    ratios: Sequence[Any],
    frames: Sequence[Any],
    seeds: Sequence[int] | str,
) -> Plan:
    """One job for each model and combination of values; an empty dimension keeps the value in `base`. The alternatives of the
    prompt in `base` are one more dimension.

    `seeds` are whole numbers, or a text: whole numbers between commas or blanks, or "3 random". A model makes its videos without
    a dimension, or a value of one, that it does not take and another of the models does.
    """
    cards = each_model(cards)
    prompts = read(_prompt_in(cards, base))
    # A model without a prompt makes one video of all alternatives.
    counts = {card.model_id: prompts.count if card.prompt else 1 for card in cards}
    with within(PLAN_S):
        dimensions = {
            card.model_id: {
                "aspect_ratio": _each_once(ratios),
                "frames": _each_once(frames),
                "seed": _seeds(card, seeds),
            }
            for card in cards
        }
        # Before each is looked at, which takes longer.
        if (longest := max(len(values) for of_card in dimensions.values() for values in of_card.values())) > BATCH_MOST:
            others = min(
                prod([counts[model_id], *(len(values) or 1 for values in of_card.values())])
                for model_id, of_card in dimensions.items()
            )
            return too_many(max(longest, others))
        swept, not_taken = _swept(cards, dimensions)
        sizes = (prod([counts[name], *map(len, of_card.values())]) for name, of_card in swept.items())
        if (count := sum(sizes)) > BATCH_MOST:
            return too_many(count)
        for card in cards:
            if card.prompt and prompts.parts:  # the last dimension changes first
                swept[card.model_id] = {card.prompt.name: prompts.prompts(BATCH_MOST), **swept[card.model_id]}
        wanted = [
            Wanted(0, card, dict(zip(of_card, values, strict=True)))
            for card, of_card in zip(cards, swept.values(), strict=True)
            for values in product(*of_card.values())
        ]
        notes = [note_of(prompts.problem)] if prompts.problem else []
        return planned(wanted, base, first=cards[0], not_taken=not_taken, notes=notes)


def _prompt_in(cards: Sequence[Card], values: Mapping[str, Any]) -> str:
    """The prompt among values that all videos share; empty without one."""
    named = (values.get(card.prompt.name) for card in cards if card.prompt)
    return next((prompt for prompt in named if isinstance(prompt, str) and prompt.strip()), "")


def _swept(
    cards: Sequence[Card], dimensions: Mapping[str, Mapping[str, Sequence[Any]]]
) -> tuple[dict[str, dict[str, list[Any]]], list[NotTaken]]:
    """The dimensions of each model with the values that it takes; what no model takes stays, and is refused by the check."""
    swept: dict[str, dict[str, list[Any]]] = {card.model_id: {} for card in cards}
    not_taken = []
    for name in next(iter(dimensions.values())):
        _, field = source_of(cards, name)
        fitting = {
            (card.model_id, written(value)): meant
            for card in cards
            for value in dimensions[card.model_id][name]
            if field is not None and (meant := carried(card, field, value)) is not None
        }
        taken_by_one = {text for _, text in fitting}
        one_takes_all = any(
            all((card.model_id, written(value)) in fitting for value in dimensions[card.model_id][name])
            for card in cards
        )
        for card in cards:
            values = dimensions[card.model_id][name]
            missed = [each for each in values if (card.model_id, written(each)) not in fitting]
            # Where a model lacks the field, it is for the others to say what is wrong with the values.
            is_without = card.field(name) is None or one_takes_all
            left_out = [each for each in missed if is_without or written(each) in taken_by_one]
            if left_out and field is not None:
                not_taken.append(NotTaken(card, field, tuple(left_out)))
                values = [each for each in values if each not in left_out]
            given = [fitting.get((card.model_id, written(each)), each) for each in values]
            if given:
                swept[card.model_id][name] = given if name == "seed" else _each_once(given)
    return swept, not_taken


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


def _known_columns(models: Models, text: str, separator: str) -> tuple[int, int]:
    """How many columns of the header name fields or the model, and how many columns it has."""
    _, header = next(_records(text, separator), (0, None))
    named, fields = (header or ())[:COLUMNS_MOST], [field for _, field in models.fields]
    known = sum(field_named(fields, name) is not None or _is_model(name) for name in named)
    return known, len(named)


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
    line: int,
    header: Sequence[str],
    filled: Mapping[str, set[int]],
    of_model: int | None,
    of_name: int | None,
) -> tuple[_Columns, list[LineProblem]]:
    """The columns of a header for the models of the rows; those `filled` have a value in some row of the model."""
    fields: dict[str, list[Field | None]] = {card.model_id: [] for card in cards}
    twice: dict[str, LineProblem] = {}
    for at, name in enumerate(header):
        for card in cards:
            column = field_named(card.fields, name) if at not in (of_model, of_name) else None
            is_again = of_model is not None and at > of_model and column is None and _is_model(name)
            if is_again or (column is not None and column in fields[card.model_id]):
                named = MODEL if column is None else column
                twice[name] = LineProblem(
                    line, named.name, "duplicate_column", {"given": _short(name, 40)}, named.title
                )
            fields[card.model_id].append(column)
    taken: dict[str, dict[str, Field]] = {card.model_id: {} for card in cards}
    left_out: dict[str, list[str]] = {card.model_id: [] for card in cards}
    for at, name in enumerate(header):
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
    """A cell of a field for files, with what stands for each file that it names."""
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


@dataclass(frozen=True, slots=True)
class _Prompt:
    """The prompt that begins on a line. JSON, or what looks like it, has no alternatives."""

    line: int
    text: str
    is_json: bool = False


def _with_json_together(text: str) -> list[_Prompt]:
    """The prompts of lines, where JSON that goes over several lines is one, with what follows it on its last line.

    None where no JSON does.
    """
    found: list[_Prompt] = []
    at, line = 0, 1
    for start, end in _json_of_several_lines(text):
        found += _prompts_of(text[at:start], line)
        line += len(_LINE_END.findall(text, at, start))
        found.append(_Prompt(line, text[start:end].strip(), is_json=True))
        line += len(_LINE_END.findall(text, start, end))
        at = end
    return [*found, *_prompts_of(text[at:], line)] if found else []


def _prompts_of(text: str, first: int) -> list[_Prompt]:
    lines = enumerate(_LINE_END.split(text), start=first)
    return [_Prompt(line, prompt.strip()) for line, prompt in lines if prompt and not prompt.isspace()]


def _json_of_several_lines(text: str) -> Iterator[tuple[int, int]]:
    """Where lines with JSON that goes over several lines begin and end."""
    at = others = missed = 0
    while others <= BATCH_MOST and missed < JSON_TRIES and (start := _JSON_LINE.search(text, at)):
        line_end, end = _end_of_line(text, start.end()), end_of_json(text, start.end() - 1)
        at = line_end
        if end is not None and end > line_end:
            at = _end_of_line(text, end)
            yield start.start(), at
        others += at == line_end
        missed += end is None


def _end_of_line(text: str, at: int) -> int:
    found = _LINE_END.search(text, at)
    return found.start() if found else len(text)


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


def _line_of(text_before: str) -> int:
    return 1 + len(_LINE_END.findall(text_before))
