"""Checking a stranger's value takes a moment, whatever the card says and whatever the value is."""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from dreamina_ui.cards.aside import checked, planned
from dreamina_ui.cards.batches.lines import plan_lines
from dreamina_ui.cards.batches.plans import BYTES_MOST, Plan
from dreamina_ui.cards.batches.tables import plan_csv
from dreamina_ui.cards.links import values_from
from dreamina_ui.cards.model_card import Card, card_of
from dreamina_ui.cards.schema.validator import CHECK_S
from dreamina_ui.cards.values import value_of
from dreamina_ui.errors import CardError, InvalidInput

SLOW_PATTERN = "^(a|a)*(aa|a)*b?(a|aa)+$"
EITHER = [{"type": "array", "items": {"$ref": "#/$defs/tree"}, "minItems": least} for least in (0, 9)]
TREE = {"anyOf": [*EITHER, {"type": "null"}]}


def card(**properties: Any) -> Card:
    schema = {"type": "object", "$defs": {"tree": TREE}, "properties": {"prompt": {"type": "string"}, **properties}}
    return card_of("card", {"model_id": "a/model", "input_schema": schema})


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def seconds(work: Callable[[], object]) -> float:
    """Of processor time."""
    began = time.process_time()
    work()
    return time.process_time() - began


CASES = [
    pytest.param({"type": "string", "pattern": SLOW_PATTERN}, "a" * 4000 + "!", "aaaa", id="pattern"),
    pytest.param(
        {"type": "array", "uniqueItems": True, "items": {}},
        [number if number % 2 else str(number) for number in range(6000)] * 2,
        [1, True, "1", [1], {"a": 1}],
        id="uniqueItems",
    ),
    pytest.param({"type": "array", "items": {"$ref": "#/$defs/tree"}}, [nested(30)], [[None]], id="recursive"),
    pytest.param(
        {"type": "object", "patternProperties": {SLOW_PATTERN: {"type": "integer"}}, "additionalProperties": False},
        {"a" * 4000 + "!": 1},
        {"aaaa": 1},
        id="patternProperties",
    ),
    pytest.param({"type": "integer"}, '"' * 60_000, '""7""', id="quotes"),
    pytest.param({"type": "object"}, '{"a":' * 20_000, '{"a": 1}', id="nested text"),
]


@pytest.mark.parametrize(("spec", "hostile", "harmless"), CASES)
def test_a_check_is_bounded(spec: Any, hostile: Any, harmless: Any) -> None:
    """What takes too long is refused with a sentence of one field or of all; what a person would give is taken."""
    model = card(field=spec)
    model.validate({"prompt": "a boat", "field": harmless})

    def check() -> None:
        with pytest.raises(InvalidInput):
            model.validate({"prompt": "a boat", "field": hostile})
        assert model.faults_of({"prompt": "a boat", "field": hostile})

    assert seconds(check) < 5 * CHECK_S  # two checks, and what they have gathered


@pytest.mark.parametrize(
    ("one", "other", "alike"), [(1, 1.0, True), (1, True, False), (0, False, False), ("1", 1, False)]
)
def test_entries_are_compared_as_json_schema_says(one: Any, other: Any, *, alike: bool) -> None:
    """Also inside of lists and objects."""
    model = card(field={"type": "array", "uniqueItems": True})
    for wrap in (lambda value: value, lambda value: [value], lambda value: {"a": value}):
        values = {"field": [wrap(one), wrap(other)]}
        assert bool(model.faults_of(values)) is alike


@pytest.mark.parametrize(
    "spec", [{"type": "string", "pattern": "("}, {"patternProperties": {"a": {}}, "unevaluatedProperties": False}]
)
def test_a_pattern_that_cannot_be_matched_stops_the_start(spec: Any) -> None:
    with pytest.raises(CardError, match=r"regex|cannot be used"):
        card(field=spec)


@pytest.mark.parametrize(
    "text", ["{}" * (BYTES_MOST // 2), "a\n" * (BYTES_MOST // 2), '{"a":' * 200_000, ", " * 500_000]
)
def test_a_batch_is_counted_in_a_moment(text: str) -> None:
    """A megabyte of almost nothing is counted, not planned; a batch of two hundred is planned."""
    model = card(frames={"type": "integer"})
    plans: list[Callable[[], Plan]] = [
        partial(plan_lines, model, text, {}),
        partial(plan_csv, model, b"prompt\n" + text[:-7].encode(), {}),
    ]
    for plan in plans:
        assert len(plan().payloads) < 2
        assert seconds(plan) < 1.5
    assert len(plan_lines(model, "a boat\n" * 200, {}).payloads) == 200


def test_a_link_is_checked_while_others_wait() -> None:
    """A link gets a fifth of a second for all of its values."""
    model = card(**{f"field{number}": {"type": "string", "pattern": SLOW_PATTERN} for number in range(20)})
    hostile = {f"field{number}": "a" * 4000 + "!" for number in range(20)}
    values: list[Any] = []
    assert seconds(lambda: values.append(values_from(model, hostile))) < CHECK_S
    assert values[0][0] == {}
    assert values_from(model, {"field1": "aaaa", "prompt": "a boat"}) == ({"field1": "aaaa", "prompt": "a boat"}, None)


@pytest.mark.anyio
async def test_a_slow_check_holds_up_nobody() -> None:
    """It leaves the event loop, and an ordinary click does not wait for it; plans of one visitor wait for each other."""
    model = card(field={"type": "string", "pattern": SLOW_PATTERN})
    hostile = {"prompt": "a boat", "field": "a" * 4000 + "!"}
    async with asyncio.TaskGroup() as group:

        async def refused() -> None:
            with pytest.raises(InvalidInput, match="too long"):
                await checked(model, hostile)

        slow = [group.create_task(refused()) for _ in range(3)]
        await asyncio.sleep(0)
        began = time.monotonic()
        assert await checked(model, {"prompt": "a boat", "field": "aa"}) == {"prompt": "a boat", "field": "aa"}
        assert time.monotonic() - began < CHECK_S
        assert not all(task.done() for task in slow)
    running: list[str] = []

    def plan(name: str) -> str:
        running.append(name)
        return name

    names = [f"{visitor} {number}" for number in range(3) for visitor in ("ann", "ben")]
    assert await asyncio.gather(*(planned(name.split()[0], partial(plan, name)) for name in names)) == names
    assert running[:2] == ["ann 0", "ben 0"]


def test_numbers_have_an_end() -> None:
    """Thirty digits are a number as any other; thousands are none, as text and in a list."""
    model = card(field={"type": "array", "items": {"type": "integer"}}, any={"type": "object"})
    field, other = model.field("field"), model.field("any")
    assert field is not None
    assert other is not None
    assert value_of(field, "9" * 30) == [10**30 - 1]
    assert value_of(field, "9" * 5000) == ["9" * 5000]
    assert value_of(other, '{"a": %s}' % ("9" * 5000)) == '{"a": %s}' % ("9" * 5000)
