"""Links: settings survive a round trip, and everything else is ignored."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.datastructures import QueryParams

from dreamina_ui.cards.links import TEXT_MOST, link_of, values_from
from dreamina_ui.cards.model_card import Card
from dreamina_ui.cards.problems import PROBLEMS
from tests.rig import CARD, OTHER_CARD

texts = st.text(st.characters(codec="utf-8"), max_size=40)
payloads = st.fixed_dictionaries(
    {
        "prompt": texts.map(lambda text: text * 20).filter(str.strip),
        "aspect_ratio": st.sampled_from(CARD.fields[1].choices),
        "frames": st.sampled_from(CARD.fields[2].choices),
        "seed": st.integers(-1, 2**63),
    }
)
other_payloads = st.fixed_dictionaries(
    {
        "text": texts.filter(str.strip),
        "negative": texts,
        "strength": st.floats(0, 1),
        "steps": st.integers(1, 50),
        "loop": st.booleans(),
        "size": st.sampled_from([0.5, 1, 2]),
        "seed": st.integers(0, 2**63),
    }
)


def check_round_trip(card: Card, payload: dict[str, Any]) -> None:
    values, problem = values_from(card, QueryParams(link_of(card, payload).removeprefix("?")))
    assert problem is None
    assert card.validate(values) == payload


@settings(deadline=None)
@given(payloads)
def test_any_settings_survive_a_link(payload: dict[str, Any]) -> None:
    """Every valid payload survives a query string, in any script."""
    check_round_trip(CARD, payload)


@settings(deadline=None)
@given(other_payloads)
def test_any_settings_of_another_card_survive_a_link(payload: dict[str, Any]) -> None:
    """Fields of every kind survive a query string."""
    check_round_trip(OTHER_CARD, payload)


def test_a_link_has_what_differs_from_the_defaults() -> None:
    """A link has the prompt and values that are not defaults; nothing in it needs escaping in HTML."""
    assert link_of(
        CARD, {"prompt": "a & b=c #1 “<i>”", "aspect_ratio": "1920×1088(16:9)", "frames": 121, "seed": 7}
    ) == ("?prompt=a%20%26%20b%3Dc%20%231%20%E2%80%9C%3Ci%3E%E2%80%9D&seed=7")
    assert link_of(CARD, {"prompt": "x", "aspect_ratio": "1440×1440(1:1)", "frames": 241, "seed": -1}) == (
        "?prompt=x&aspect_ratio=1440%C3%971440%281%3A1%29&frames=241"
    )
    default = CARD.fields[0].default
    assert link_of(CARD, {"prompt": default}).startswith("?prompt=A%20glass")
    assert link_of(CARD, {}) == ""


def test_a_link_has_only_fields_of_the_card() -> None:
    """Other fields of an old row are left out, and a lone surrogate causes no error."""
    assert link_of(CARD, {"prompt": "x\ud800", "mood": "calm", "seed": None}) == "?prompt=x%3F"


def test_a_link_may_be_short() -> None:
    """A ratio may be "16:9", and fields may be missing."""
    assert values_from(CARD, {"prompt": "x", "aspect_ratio": "9:16", "frames": "241"}) == (
        {"prompt": "x", "aspect_ratio": "1088×1920(9:16)", "frames": 241},
        None,
    )
    assert values_from(CARD, {}) == ({}, None)
    assert values_from(CARD, {"prompt": "", "seed": " ", "frames": ""}) == ({}, None)


def test_other_parameters_are_ignored() -> None:
    """Parameters of other features are ignored: a shared video, a theme, a tracker."""
    query = {"video": "0" * 32, "__theme": "dark", "utm_source": "x", "__class__": "y", "Seed": "5", "seed": "7"}
    assert values_from(CARD, query) == ({"seed": 7}, None)


@pytest.mark.parametrize(
    ("query", "field", "problem"),
    [
        ({"seed": "x"}, "seed", "not_integer"),
        ({"seed": "-2"}, "seed", "too_small"),
        ({"seed": "1e9"}, "seed", "not_integer"),
        ({"seed": "9" * 5000}, "seed", "not_integer"),
        ({"seed": "__import__('os')"}, "seed", "not_integer"),
        ({"frames": "122"}, "frames", "not_allowed"),
        ({"frames": "[121]"}, "frames", "not_allowed"),
        ({"aspect_ratio": "<script>alert(1)</script>"}, "aspect_ratio", "not_allowed"),
        ({"aspect_ratio": "../../etc/passwd"}, "aspect_ratio", "not_allowed"),
        ({"prompt": "x" * 801}, "prompt", "too_long"),
        ({"prompt": "x" * (TEXT_MOST + 1)}, "prompt", "too_long"),
        ({"frames": "1" * (TEXT_MOST + 1)}, "frames", "too_long"),
        ({"prompt": "\ud800"}, "prompt", "invalid"),
    ],
)
def test_a_value_outside_the_card_is_left_out(query: dict[str, str], field: str, problem: str) -> None:
    """The other values are used, and the fault is one short sentence."""
    good = {"prompt": "good", "seed": "7", "frames": "241"}
    values, fault = values_from(CARD, {**good, **query})
    assert fault is not None
    assert (fault.field, fault.problem) == (field, problem)
    assert all(len(str(fact)) < 300 for fact in fault.facts.values())
    assert values == {
        name: value for name, value in {"prompt": "good", "seed": 7, "frames": 241}.items() if name not in query
    }


def test_the_first_fault_is_kept() -> None:
    """Of several faults, the first in the card's order is returned."""
    _, fault = values_from(CARD, {"seed": "x", "frames": "y"})
    assert fault is not None
    assert fault.field == "frames"


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from([field.name for field in OTHER_CARD.fields]) | st.text(max_size=9), st.text()))
def test_any_query_gives_values_of_the_card(query: dict[str, str]) -> None:
    """Any query gives only valid values."""
    for card in (CARD, OTHER_CARD):
        values, fault = values_from(card, query)
        needed = {field.name: values.get(field.name, "x") for field in card.fields if field.required}
        assert card.validate({**values, **needed}).items() >= values.items()
        assert fault is None or fault.problem in PROBLEMS
