"""The arguments of tools: schemas that every common reader takes, and what becomes of arguments that a tool does not have."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from dreamina_ui.api.arguments import PAGE, arguments_of, input_schema, whole_number
from dreamina_ui.cards.model_card import Card, card_of, load_card
from dreamina_ui.errors import InvalidInput
from tests.api.tool_schemas import faults_of_schema, faults_of_tool
from tests.cards.test_any_card import GOOD
from tests.rig import CARD, OTHER_CARD
from tests.servers import ROOT

CARDS = [CARD, OTHER_CARD, *(load_card(path) for path in sorted((ROOT / "tests" / "cards").glob("*.json")))]
LIVE = card_of(
    "live.json",
    {
        "model_id": "m",
        "input_schema": {
            "type": "object",
            "properties": {
                "shots": {"type": "array", "items": {"type": "object", "properties": {"at": {"type": "integer"}}}},
                "anything": {},
                "style": {"type": "string", "enum": ["", "ink", "oil"], "default": ""},
                "ratio": {"anyOf": [{"type": "string", "enum": ["a", "b"]}, {"type": "null"}], "default": None},
                "count": {"type": ["integer", "null"], "enum": [1, 2, None], "default": None},
                "picture": {"type": "string", "format": "image_uri"},
                "scale": {"type": "number", "exclusiveMinimum": 0, "maximum": 3, "multipleOf": 0.5, "default": 1},
                "flag": {"const": True},
            },
        },
    },
)


@pytest.mark.parametrize("card", [*CARDS, LIVE], ids=lambda card: card.model_id)
def test_the_schema_of_any_card_is_taken_by_all(card: Card) -> None:
    """Nothing that a strict reader refuses; each field and what is required is there; defaults and limits are said in words."""
    schema = input_schema(card.fields, card.source["input_schema"]["properties"])
    assert not faults_of_tool("generate_video", "x", schema)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert list(schema["properties"]) == [field.name for field in card.fields]
    assert schema.get("required", []) == [field.name for field in card.fields if field.required]
    for field in card.fields:
        said = schema["properties"][field.name]["description"]
        assert field.default in (None, "") or field.required or "Default: " in said
        assert field.most is None or f"At most {field.most:g}" in said or len(str(int(field.most))) > 6


@pytest.mark.parametrize("name", sorted(GOOD))
def test_what_the_schema_allows_is_read(name: str) -> None:
    """Values that are sent as the schema has them, JSON as text included, make the card's own payload."""
    card = load_card(Path(ROOT / "tests" / "cards" / f"{name}.json"))
    good = card.validate(GOOD[name])
    kinds = {field.name: field.kind for field in card.fields}
    sent = {
        each: "" if value is None else json.dumps(value) if kinds[each] == "json" else value
        for each, value in good.items()
    }
    schema = input_schema(card.fields, card.source["input_schema"]["properties"])
    jsonschema.validate(
        {each: value for each, value in sent.items() if value != "" or each in schema.get("required", [])}, schema
    )
    known, _ = arguments_of(card.fields, sent)
    assert card.validate(known) == good


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "integer", "enum": [121, 241]},
        {"type": "string", "enum": ["a", None]},
        {"type": "string", "enum": [""]},
        {"type": "array"},
        {"type": ["string", "null"]},
        {"type": "string", "format": "uri"},
        {"type": "integer", "default": 1},
        {"type": "object", "properties": {"a b": {"type": "string"}}},
        {"type": "object"},
        {"anyOf": [{"type": "string"}]},
        {"$ref": "#/x"},
        {"type": "number", "minimum": 0},
        {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["b"]},
    ],
)
def test_the_checker_finds_what_is_refused(schema: dict[str, Any]) -> None:
    """Each of these is refused by one of the readers."""
    assert faults_of_schema(schema, "x")


def test_unknown_arguments() -> None:
    """They are ignored and named; another way of writing a name is that name; a misspelt one stops the call, unpaid."""
    given = {"Prompt": "x", "aspect-ratio": "1:1", "run_manager": 1, "__arg1": 2, "sp\u00e4t": 3}
    known, ignored = arguments_of(CARD.fields, given)
    assert known == {"prompt": "x", "aspect_ratio": "1:1"}
    assert ignored == ["run_manager", "__arg1", "sp\\xe4t"]
    # Beside the argument itself, a name like it is one of the framework's.
    assert arguments_of(CARD.fields, {"prompt": "x", "prompts": [], "Prompt": "y"}) == (
        {"prompt": "x"},
        ["prompts", "Prompt"],
    )
    for name, meant in (("frame", "frames"), ("promt", "prompt"), ("aspect_ration", "aspect_ratio"), ("sead", "seed")):
        with pytest.raises(InvalidInput) as caught:
            arguments_of(CARD.fields, {name: 1})
        assert (caught.value.problem, caught.value.facts["meant"]) == ("misspelt", meant)


def test_limits_keep_their_bounds() -> None:
    """Text is read; what is out of bounds becomes the nearest bound; what is no whole number is refused."""
    limit, offset = PAGE
    bounds: dict[Any, int] = {
        0: 1,
        -5: 1,
        10**30: 100,
        "0": 1,
        "7": 7,
        "100": 100,
        "101": 100,
        "": 24,
        "null": 24,
        3.0: 3,
        "−1": 1,
    }
    assert {given: whole_number(limit, given) for given in bounds} == bounds
    assert (whole_number(limit, None), whole_number(offset, None), whole_number(offset, -3)) == (24, 0, 0)
    wrong: list[Any] = [*("x", 1.5, True, [], {}, "1e3", float("nan"))]
    for given in wrong:
        with pytest.raises(InvalidInput, match="limit"):
            whole_number(limit, given)
