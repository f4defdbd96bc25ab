"""A plan of a batch: its checked videos, each of a model, or everything that is wrong with them. Pure.

A plan with any problem has no videos: a batch is sent completely, or not at all.
"""

import dataclasses
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dreamina_ui.cards.alternatives import COUNT_MOST, DEPTH_MOST, Alternatives, literal, read
from dreamina_ui.cards.batches.encodings import Reading
from dreamina_ui.cards.model_card import Card, Field
from dreamina_ui.cards.schema.validator import within
from dreamina_ui.cards.values import parts_of, value_of
from dreamina_ui.errors import Fact, InvalidInput

__all__ = [
    "BATCH_MOST",
    "BYTES_MOST",
    "PLAN_PROBLEMS",
    "PLAN_S",
    "Columns",
    "LineProblem",
    "NotTaken",
    "Plan",
    "Planned",
    "Question",
    "Wanted",
    "as_typed",
    "carried",
    "dealt",
    "each_model",
    "each_prompt",
    "facts_of",
    "first_of",
    "given_count",
    "listed",
    "note_of",
    "planned",
    "refused",
    "source_of",
    "too_many",
]

BATCH_MOST = 200
BYTES_MOST = 2**20
"""Of a table, and characters of lines."""
PROBLEMS_MOST = 50
LINES_SHOWN = 10
"""The numbers of so many lines are named in a note."""
PLAN_S = 2.0
"""Seconds of processor time to check all values of a batch; two hundred ordinary ones take a fifth of it."""

PLAN_PROBLEMS = (
    "empty",  # nothing to send
    "too_many",  # jobs; given, limit
    "too_big",  # bytes; given, limit
    "encoding",  # neither UTF-8 nor UTF-16 with a byte order mark
    "workbook",  # a spreadsheet's own file
    "lost_letters",  # another program has replaced letters by "�"
    "json",  # no table, but prompts in JSON
    "json_lines",  # JSON that goes over several lines, where each line is a prompt; comes with a question
    "nul",
    "quotes",  # a quoted cell has no end, or text after it
    "no_header",  # allowed
    "unknown_column",  # given, allowed; comes with a question
    "duplicate_column",  # given
    "too_many_cells",  # given, limit; lines, if there are several
    "more",  # count: problems that are not listed
)
"""The problems of a batch besides `PROBLEMS`, with their facts."""
_FILE_NAME = re.compile(r"[^/\\:]+\.[A-Za-z0-9]{2,5}")


@dataclass(frozen=True, slots=True)
class LineProblem:
    """`line` counts from 1; 0 is the whole input, or a value that all lines share. `field` is the name of the card's field, and
    `title` what the card calls it. `models` are the titles of those that have the problem, where others of the batch do not.
    """

    line: int
    field: str | None
    problem: str
    facts: Mapping[str, Fact] = dataclasses.field(default_factory=dict)
    title: str = ""
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Columns:
    """Columns of a table that are `taken` for a field, by their names, and those that are `left_out`."""

    taken: Mapping[str, Field] = dataclasses.field(default_factory=dict)
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """What a person has to agree to before the input is used: one of several `readings` of a table (by their answers), or the
    `answer` that some columns are `left_out` and others `taken` for a field; or, of lines, whether JSON in them stays `together`.

    `of_models` is what holds only for the rows of one model, by its title.
    """

    readings: Mapping[str, Reading] = dataclasses.field(default_factory=dict)
    answer: str = ""
    taken: Mapping[str, Field] = dataclasses.field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    of_models: tuple[tuple[str, Columns], ...] = ()
    together: tuple[str, int] | None = None
    """The answer, and the number of prompts."""
    apart: tuple[str, int] | None = None
    """As `together`, where each line is a prompt."""


@dataclass(frozen=True, slots=True)
class NotTaken:
    """Values of a field that were chosen for several models, and that this one makes its videos without."""

    card: Card
    field: Field
    """As a model has it that takes the values."""
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Planned:
    """One video of a batch: its model, and the checked payload; and what its row calls it, which the batch does not need."""

    card: Card
    payload: dict[str, Any]
    name: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """Either checked videos, at most `BATCH_MOST`, or problems, at most `PROBLEMS_MOST` and the count of the rest.

    With a `question`, the only problem is what the question is about. `notes` say why a prompt is taken as it
    stands: its alternatives are not closed (`unclosed`), or nested deeper than a limit (`too_deep`).
    """

    videos: tuple[Planned, ...] = ()
    problems: tuple[LineProblem, ...] = ()
    question: Question | None = None
    not_taken: tuple[NotTaken, ...] = ()
    notes: tuple[LineProblem, ...] = ()

    @property
    def payloads(self) -> tuple[dict[str, Any], ...]:
        return tuple(video.payload for video in self.videos)

    @property
    def models(self) -> list[str]:
        """The id of each video's model."""
        return [video.card.model_id for video in self.videos]


@dataclass(frozen=True, slots=True)
class Wanted:
    """One video that is asked for: its line, its model, the values of its own, and maybe a name."""

    line: int
    card: Card
    values: Mapping[str, Any]
    name: str = ""


def each_model(cards: Iterable[Card]) -> list[Card]:
    """The cards, each model once."""
    return list({card.model_id: card for card in cards}.values())


def dealt(cards: Sequence[Card], shared: Mapping[str, Any]) -> tuple[dict[str, dict[str, Any]], list[NotTaken]]:
    """What each model takes of the values that all videos share, by its id; and what a model does not take.

    A value is of the first model that has its field. Of a model that does not take it, the default of the value's own model is
    no choice of anybody, and is not reported.
    """
    values: dict[str, dict[str, Any]] = {card.model_id: {} for card in cards}
    not_taken = []
    for name, value in shared.items():
        source, field = source_of(cards, name)
        for card in cards:
            of_card = values[card.model_id]
            if field is None or card is source:
                of_card[name] = value  # a name that no model has is refused by the check
            elif field == source.prompt:
                # What the prompt says is the same, whatever its field is called.
                if card.prompt is not None:
                    of_card[card.prompt.name] = value
                elif value is not None:
                    not_taken.append(NotTaken(card, field, (value,)))
            elif (fitting := carried(card, field, value)) is not None:
                of_card[name] = fitting
            elif value is not None and value != field.default:
                not_taken.append(NotTaken(card, field, (value,)))
    return values, not_taken


def source_of(cards: Sequence[Card], name: str) -> tuple[Card, Field | None]:
    """The first model that has a field of this name, and that field."""
    source = next((card for card in cards if card.field(name)), cards[0])
    return source, source.field(name)


def carried(card: Card, field: Field, value: Any) -> Any:
    """The value of another model's `field` as this model takes it: itself, or the choice that has a part of it ("16:9").

    None if it does not.
    """
    own = card.field(field.name)
    if own is None or value is None:
        return None
    parts = parts_of(value) if own.kind == field.kind == "choice" else []
    meant = (value_of(own, given) for given in (value, *parts))
    return next((each for each in meant if card.fault_of(own, each) is None), None)


def planned(
    rows: Sequence[Wanted],
    shared: Mapping[str, Any],
    problems: Sequence[LineProblem] = (),
    *,
    first: Card,
    not_taken: Sequence[NotTaken] = (),
    notes: Sequence[LineProblem] = (),
    most: int = BATCH_MOST,
) -> Plan:
    """The plan of these videos. `shared` are the values that all have, of which those of the model `first` count first."""
    if len(rows) > most:
        return too_many(len(rows), most=most)
    if not rows and not problems:
        return refused(0, "empty")
    with within(PLAN_S):
        cards = each_model(row.card for row in rows)
        values, more = dealt(each_model([first, *cards]), shared)
        used = [each for each in more if each.card in cards]
        videos, found = _checked(rows, values)
    wrong = [*problems, *_merged(found, len(cards))]
    if wrong:
        return listed(sorted(wrong, key=lambda problem: problem.line))
    return Plan(tuple(videos), not_taken=(*not_taken, *used), notes=tuple(notes))


def each_prompt(
    rows: Sequence[Wanted], as_they_stand: Collection[int] = (), *, most: int = BATCH_MOST
) -> tuple[list[Wanted], list[LineProblem]] | Plan:
    """The videos with each alternative of their prompts, and notes about them; or a refusal, where these are too many.

    The prompts of the lines `as_they_stand` have no alternatives.
    """
    found = [_alternatives_of(row) if row.line not in as_they_stand else None for row in rows]
    counts = [each.count if each else 1 for each in found]
    if (count := sum(counts)) > most:
        line = next((row.line for row, own in zip(rows, counts, strict=True) if own > most), 0)
        return too_many(count, line, most=most)
    expanded: list[Wanted] = []
    lines: dict[str, list[int]] = {}
    for row, alternatives in zip(rows, found, strict=True):
        if alternatives is None or row.card.prompt is None:
            expanded.append(row)
            continue
        if alternatives.problem:
            lines.setdefault(alternatives.problem, []).append(row.line)
        name = row.card.prompt.name
        texts = alternatives.prompts(most)
        expanded += [dataclasses.replace(row, values={**row.values, name: text}) for text in texts]
    return expanded, [note_of(problem, of_problem) for problem, of_problem in lines.items()]


def first_of(card: Card, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values with the first prompt that the alternatives make of the one in them."""
    name = card.prompt.name if card.prompt else None
    given = values.get(name) if name else None
    return {**values, name: read(given).at(0)} if name and isinstance(given, str) else dict(values)


def as_typed(card: Card, payload: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """A payload that was made of `first_of` these values, with the prompt as it was typed; a default is written literally."""
    name = card.prompt.name if card.prompt else None
    if name is None or not isinstance(text := payload.get(name), str):
        return dict(payload)
    given = values.get(name)
    return {**payload, name: given if isinstance(given, str) else literal(text)}


def note_of(problem: str, lines: Sequence[int] = ()) -> LineProblem:
    """The note that the prompts of these lines are taken as they stand."""
    shown = ", ".join(map(str, lines[:LINES_SHOWN])) + (" …" if len(lines) > LINES_SHOWN else "")
    return LineProblem(0, None, problem, {"limit": DEPTH_MOST, "lines": shown or None})


def _alternatives_of(row: Wanted) -> Alternatives | None:
    given = row.values.get(row.card.prompt.name) if row.card.prompt else None
    return read(given) if isinstance(given, str) else None


def too_many(count: int, line: int = 0, *, most: int = BATCH_MOST) -> Plan:
    """The refusal of so many videos."""
    return refused(line, "too_many", given=given_count(count), limit=most)


def given_count(count: int) -> Fact:
    """A number of videos for a sentence."""
    return count if count < COUNT_MOST else "> 10¹⁵"


def _checked(
    rows: Sequence[Wanted], shared: Mapping[str, Mapping[str, Any]]
) -> tuple[list[Planned], list[tuple[Card, LineProblem]]]:
    videos, found = [], []
    for row in rows:
        card, values = row.card, {**shared[row.card.model_id], **row.values}
        faults = card.faults_of(values)
        # A value that all lines share is reported once.
        found += [(card, _problem(card, row.line if _is_of(row, fault) else 0, fault)) for fault in faults]
        if faults:
            continue
        try:
            videos.append(Planned(card, card.validate(values), row.name))
        except InvalidInput as fault:  # the values are valid alone, but not together
            found.append((card, _problem(card, row.line, fault, card.fields[0].name)))
    return videos, found


def _is_of(row: Wanted, fault: InvalidInput) -> bool:
    return fault.field in row.values or fault.problem == "missing"


def _merged(found: Iterable[tuple[Card, LineProblem]], count: int) -> list[LineProblem]:
    """Each problem once. Of `count` models, those that have it are named, if not all of them do, and no line tells."""
    of_cards: dict[tuple[int, str | None, str, str], tuple[LineProblem, dict[str, str]]] = {}
    for card, problem in found:
        key = (problem.line, problem.field, problem.problem, str(problem.facts))
        _, titles = of_cards.setdefault(key, (problem, {}))
        titles[card.model_id] = card.title
    return [
        problem if problem.line or len(titles) == count else dataclasses.replace(problem, models=tuple(titles.values()))
        for problem, titles in of_cards.values()
    ]


def _problem(card: Card, line: int, fault: InvalidInput, field: str = "") -> LineProblem:
    name, facts = fault.field or field, facts_of(fault)
    own = card.field(name)
    # The name of a file, which is none that the visitor has uploaded.
    is_file = fault.problem == "not_address" and _FILE_NAME.fullmatch(str(facts.get("given")))
    return LineProblem(line, name, "file_gone" if is_file else fault.problem, facts, own.title if own else name)


def facts_of(fault: InvalidInput) -> dict[str, Fact]:
    """The facts of a fault, for a sentence about it."""
    return {name: fact for name, fact in fault.facts.items() if name not in ("field", "problem")}


def refused(line: int, problem: str, **facts: Fact) -> Plan:
    return Plan(problems=(LineProblem(line, None, problem, facts),))


def listed(problems: Sequence[LineProblem]) -> Plan:
    shown, more = tuple(problems[:PROBLEMS_MOST]), len(problems) - PROBLEMS_MOST
    return Plan(problems=(*shown, LineProblem(0, None, "more", {"count": more})) if more > 0 else shown)
