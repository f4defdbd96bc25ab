"""Model cards: payloads are valid, and invalid values get one sentence."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamina_ui.cards.model_card import SEED_MOST, load_card
from dreamina_ui.cards.problems import PROBLEMS
from dreamina_ui.errors import CardError, InvalidInput
from dreamina_ui.settings import BUNDLED_CARDS

CARD = load_card(BUNDLED_CARDS / "dreamina-3-0-pro-text-to-video.json")
GOOD = {"prompt": "a lighthouse", "aspect_ratio": "1088×1920(9:16)", "frames": 241, "seed": 7}


def test_the_bundled_card() -> None:
    """The card's fields are typed and in its order."""
    assert [(field.name, field.kind) for field in CARD.fields] == [
        ("prompt", "text"),
        ("aspect_ratio", "choice"),
        ("frames", "choice"),
        ("seed", "integer"),
    ]
    assert CARD.model_id == "bytedance/dreamina-3-0/pro/text-to-video"
    prompt = CARD.field("prompt")
    assert prompt is not None
    assert (prompt.most_characters, prompt.required) == (800, True)


def test_a_valid_payload_is_unchanged() -> None:
    """Valid values are sent unchanged."""
    assert CARD.validate(GOOD) == GOOD


def test_defaults_fill_gaps_but_not_the_prompt() -> None:
    """Optional fields get the card's default; a required field needs a value."""
    assert CARD.validate({"prompt": "x", "seed": None}) == {
        "prompt": "x",
        "aspect_ratio": "1920×1088(16:9)",
        "frames": 121,
        "seed": -1,
    }
    with pytest.raises(InvalidInput, match="prompt: a value is needed"):
        CARD.validate({})


@pytest.mark.parametrize(
    ("change", "problem", "message"),
    [
        ({"prompt": ""}, "blank", "prompt: a value is needed"),
        ({"prompt": " \n\t "}, "blank", "prompt: a value is needed"),
        ({"prompt": "x" * 801}, "too_long", "prompt: 801 characters, at most 800"),
        ({"prompt": "x" * 812}, "too_long", "prompt: 812 characters, at most 800"),
        ({"prompt": "🫖" * 801}, "too_long", "prompt: 801 characters, at most 800"),
        ({"prompt": 5}, "not_text", "prompt: 5 is not a text"),
        ({"prompt": ["x"]}, "not_text", 'prompt: ["x"] is not a text'),
        ({"prompt": "\ud800"}, "invalid", "prompt: holds half a character (a lone surrogate)"),
        ({"aspect_ratio": "1920"}, "not_allowed", "aspect_ratio: “1920” is not one of "),
        ({"aspect_ratio": 5}, "not_allowed", "aspect_ratio: 5 is not one of "),
        ({"frames": 120}, "not_allowed", "frames: 120 is not one of 121, 241"),
        ({"frames": "122"}, "not_allowed", "frames: “122” is not one of 121, 241"),
        ({"frames": True}, "not_allowed", "frames: true is not one of 121, 241"),
        ({"seed": 1.5}, "not_integer", "seed: 1.5 is not a whole number"),
        ({"seed": "abc"}, "not_integer", "seed: “abc” is not a whole number"),
        ({"seed": True}, "not_integer", "seed: true is not a whole number"),
        ({"seed": float("nan")}, "not_integer", "seed: NaN is not a whole number"),
        ({"seed": float("inf")}, "not_integer", "seed: Infinity is not a whole number"),
        ({"seed": -2}, "too_small", "seed: -2, at least -1"),
        ({"speed": 2}, "unknown_field", "speed: this model has no such field"),
    ],
)
def test_invalid_values(change: dict[str, Any], problem: str, message: str) -> None:
    """The error names the field, its value, and the limit."""
    with pytest.raises(InvalidInput) as caught:
        CARD.validate({**GOOD, **change})
    assert caught.value.problem == problem
    assert caught.value.field == next(iter(change))
    assert str(caught.value).startswith(message)


def test_eight_hundred_astral_characters_fit() -> None:
    """Characters are counted, not UTF-16 units."""
    assert CARD.validate({**GOOD, "prompt": "🫖" * 800})["prompt"] == "🫖" * 800


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["prompt", "aspect_ratio", "frames", "seed", "other"]), json_values))
def test_any_values_pass_or_are_refused_in_one_line(values: dict[str, Any]) -> None:
    """Any values give a valid payload, or one known problem in one line."""
    try:
        payload = CARD.validate(values)
    except InvalidInput as error:
        assert error.problem in PROBLEMS
        assert "\n" not in str(error)
    else:
        assert not list(CARD.validator.iter_errors(payload))


def test_a_random_seed_is_drawn_here() -> None:
    """−1 is replaced by a random seed; a chosen seed is kept."""
    assert CARD.with_seed({**GOOD, "seed": -1}, lambda n: n - 1)["seed"] == SEED_MOST
    assert CARD.with_seed(GOOD, lambda n: n - 1) == GOOD


@pytest.mark.parametrize(
    ("ratio", "size"),
    [
        ("1920×1088(16:9)", (1920, 1088)),
        ("1664×1248(4:3)", (1664, 1248)),
        ("1440×1440(1:1)", (1440, 1440)),
        ("1248×1664(3:4)", (1248, 1664)),
        ("1088×1920(9:16)", (1088, 1920)),
        ("2176×928(21:9)", (2176, 928)),
        ("square", None),
    ],
)
def test_size_comes_from_the_ratio(ratio: str, size: tuple[int, int] | None) -> None:
    """The ratio string contains the size in pixels."""
    assert CARD.size({"aspect_ratio": ratio}) == size


def test_duration_comes_from_frames() -> None:
    """121 frames at 24 a second are a little over 5 seconds."""
    assert CARD.duration_s({"frames": 121}) == pytest.approx(5.04, abs=0.01)
    assert CARD.duration_s({}) is None
    seconds = load_card(Path(__file__).parent / "image-to-video.json")
    assert [seconds.duration_s({"duration": given}) for given in (10, "5", "5s", "7.5 s")] == [10, 5, 5, 7.5]
    assert [seconds.duration_s({"duration": given}) for given in (0, -1, True, "long", None, 1e9)] == [None] * 6


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not a readable JSON file"),
        ("[]", "no input_schema of type object"),
        ('{"input_schema": {"type": "string"}}', "no input_schema of type object"),
        ('{"input_schema": {"type": "object", "properties": {}}}', "no model_id"),
        ('{"model_id": "m", "input_schema": {"type": "object", "properties": {"a": {"type": "sting"}}}}', "sting"),
        (
            json.dumps(
                {
                    "model_id": "m",
                    "input_schema": {
                        "type": "object",
                        "properties": {"n": {"type": "integer", "maximum": 3, "default": 4}},
                    },
                }
            ),
            "the default of n is outside its own limits",
        ),
    ],
)
def test_unusable_cards(tmp_path: Path, text: str, message: str) -> None:
    """A card that cannot be used is refused with one sentence."""
    path = tmp_path / "card.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CardError, match=message):
        load_card(path)
