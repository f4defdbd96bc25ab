"""One reader of values: what people and programs write means the same in a form, a link, a table and a call."""

from typing import Any

import pytest

from dreamina_ui.cards.batches.tables import plan_csv
from dreamina_ui.cards.links import values_from
from dreamina_ui.cards.model_card import Card, card_of, load_card
from dreamina_ui.cards.values import read_value
from dreamina_ui.errors import InvalidInput
from dreamina_ui.wording import LANGUAGES, Words
from tests.rig import CARD, OTHER_CARD
from tests.servers import ROOT

WIDE, TALL, SQUARE = "1920×1088(16:9)", "1088×1920(9:16)", "1440×1440(1:1)"
MOVING = load_card(ROOT / "tests" / "cards" / "image-to-video.json")
STYLED = load_card(ROOT / "tests" / "cards" / "text-to-image.json")
MIXED = card_of(
    "mixed.json",
    {
        "model_id": "m",
        "frames_per_second": 24,
        "input_schema": {
            "type": "object",
            "properties": {
                "seconds": {"type": "string", "enum": ["5", "10"], "default": "5"},
                "height": {"type": "integer", "enum": [720, 1080], "default": 720},
                "quality": {"enum": ["1280×720 (720p)", "1920×1080 (1080p)"], "default": "1280×720 (720p)"},
                "camera": {"type": "string", "enum": ["none", "pan"], "default": "pan"},
                "frames": {"type": "integer", "minimum": 24, "maximum": 240, "default": 48},
                "weight": {"type": ["number", "null"], "default": 0.5},
                "box": {"type": "object", "properties": {"x": {"type": "integer"}}},
                "flag": {"type": "boolean", "default": False},
            },
        },
    },
)
SAME: list[tuple[Card, str, Any, Any]] = [
    *((CARD, "frames", given, 121) for given in ("121", "121.0", " 121 ", '"121"', "１２１", 121, 121.0, "5 s", "5s")),
    *((CARD, "frames", given, 241) for given in ("10 s", "10 sec", "10 Sekunden", "10 seconds", "10,0 s", "10.04 s")),
    *((CARD, "frames", given, 121) for given in ("", None, "null", "None", '""')),
    *((CARD, "seed", given, 7) for given in ("7", "7.0", "7,0", "+7", '"7"', 7.0)),
    *((CARD, "seed", given, -1) for given in ("", None, "null", "-1", "−1", "-1.0")),
    *(
        (CARD, "aspect_ratio", given, WIDE)
        for given in (WIDE, "16:9", "16/9", "16x9", "1920x1088", "1920 X 1088", "１６：９")
    ),
    *((CARD, "aspect_ratio", given, WIDE) for given in ("1920x1088(16:9)", "", "null", None, "16:09", "16:09:00")),
    *((CARD, "aspect_ratio", given, TALL) for given in ("9:16", "09:16:00", '"9:16"')),
    (CARD, "aspect_ratio", "01:01", SQUARE),
    *(
        (OTHER_CARD, "loop", given, True)
        for given in ("true", "TRUE", "yes", "ja", "WAHR", "on", "1", '"true"', 1, True)
    ),
    *((OTHER_CARD, "loop", given, False) for given in ("false", "no", "nein", "FALSCH", "off", "0", 0, "", "null")),
    *((OTHER_CARD, "strength", given, 0.25) for given in ("0.25", "0,25", ",25", "2,5e-1", 0.25)),
    *((OTHER_CARD, "strength", given, 1) for given in ("1", "1,0", 1)),
    *((OTHER_CARD, "size", given, 0.5) for given in ("0.5", "0,5", ".5", 0.5)),
    *((MOVING, "resolution", given, "1080p") for given in ("1080p", "1080P", "1080", 1080)),
    *((MOVING, "duration", given, 10) for given in ("10", "10 s", 10.0)),
    *((MIXED, "seconds", given, "10") for given in ("10", 10, 10.0, "10 s", "10s")),
    *((MIXED, "height", given, 1080) for given in ("1080p", "1080", 1080)),
    *((MIXED, "quality", given, "1920×1080 (1080p)") for given in ("1080p", "1920x1080", "1080P")),
    *((MIXED, "camera", given, "none") for given in ("none", "None")),
    (MIXED, "frames", "5 s", 120),
    (MIXED, "weight", "null", None),
    (MIXED, "box", '{"x": 1}', {"x": 1}),
    (MIXED, "box", {"x": 1}, {"x": 1}),
    (STYLED, "strengths", "0,5; 1,5", [0.5, 1.5]),
    (STYLED, "strengths", "0.5, 1.5", [0.5, 1.5]),
    (STYLED, "strengths", ["0,5", "1"], [0.5, 1]),
    (STYLED, "styles", "ink", ["ink"]),
]
OTHERS: dict[str, dict[str, Any]] = {
    CARD.model_id: {"prompt": "x"},
    OTHER_CARD.model_id: {"text": "x"},
    MOVING.model_id: {"image": "https://a.example/a.png", "motion": "waves"},
    STYLED.model_id: {"prompt": "x"},
    MIXED.model_id: {},
}


@pytest.mark.parametrize(("card", "name", "given", "meant"), SAME)
def test_it_means_the_same_everywhere(card: Card, name: str, given: Any, meant: Any) -> None:
    """In a call, and where it is text, in the form, a link and a cell of a table; a value that was read is not changed."""
    others, field = OTHERS[card.model_id], card.field(name)
    assert field is not None
    read = card.validate({**others, name: given})
    assert (read[name], type(read[name])) == (meant, type(meant)) or read[name] == meant
    assert card.validate(read) == read
    if not isinstance(given, str):
        return
    assert card.validate({**others, name: read_value(field, given)})[name] == meant
    values, fault = values_from(card, {name: given})
    assert fault is None
    assert card.validate({**others, **values})[name] == meant
    cell = given.replace('"', '""')
    heads = "\t".join([name, *others])
    plan = plan_csv(card, "\n".join([heads, "\t".join([f'"{cell}"', *others.values()])]).encode(), {})
    assert not plan.problems or (not given and not others)
    assert all(payload[name] == meant for payload in plan.payloads)


@pytest.mark.parametrize(
    ("card", "name", "given", "words"),
    [
        (CARD, "frames", "122", "“122” is not one of 121, 241."),
        (CARD, "frames", "5", "“5” is not one of 121, 241."),
        (CARD, "frames", "7 s", "“7 s” is not one of"),
        (CARD, "frames", True, "true is not one of"),
        (CARD, "frames", 5, "frames: 5 is not one of"),
        (CARD, "seed", "1.000", "“1.000” is not a whole number."),
        (CARD, "seed", "1,000", "“1,000” is not a whole number."),
        (CARD, "seed", "1e3", "“1e3” is not a whole number."),
        (CARD, "seed", True, "true is not a whole number."),
        (CARD, "aspect_ratio", "1920", "“1920” is not one of"),
        (CARD, "aspect_ratio", "16:10", "“16:10” is not one of"),
        (OTHER_CARD, "strength", "1,250", "“1,250” is not a number."),
        (OTHER_CARD, "loop", "maybe", "“maybe” is neither yes nor no."),
        (OTHER_CARD, "loop", 2, "2 is neither yes nor no."),
        (CARD, "prompt", 3, "3 is not a text."),
    ],
)
def test_what_cannot_be_read_is_quoted(card: Card, name: str, given: Any, words: str) -> None:
    """A text stands in quotation marks, so that no sentence says that 121 is not one of 121; a number stands alone."""
    with pytest.raises(InvalidInput) as caught:
        card.validate({**OTHERS[card.model_id], name: given})
    assert words in Words().field_problem(caught.value, name)
    german = Words(LANGUAGES[1]).field_problem(caught.value, name)
    assert ("„" in german) is isinstance(given, str)


def test_a_text_is_never_another_value() -> None:
    """A prompt stays as it is written, whatever it looks like."""
    for prompt in ("121", "true", "null", '"quoted"', "  5 s ", "16:9", '{"shot": 1}'):
        assert CARD.validate({"prompt": prompt})["prompt"] == prompt
