"""Alternatives in a prompt: read once, counted without being expanded, and expanded in order."""

import json
import time
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamina_ui.cards.alternatives import COUNT_MOST, DEPTH_MOST, as_it_stands, literal, read

BRACES = st.text(st.sampled_from('{|} ab"'), max_size=24)
FOUR = ["a red boat at dawn", "a red boat at dusk", "a green boat at dawn", "a green boat at dusk"]


@pytest.mark.parametrize(
    ("prompt", "texts"),
    [
        ("a {red|green} boat at {dawn|dusk}", FOUR),
        ("a {red|{light|dark} green} boat", ["a red boat", "a light green boat", "a dark green boat"]),
        ("{a|{b|c}}", ["a", "b", "c"]),
        ("{a|{b|{c|d}}} e", ["a e", "b e", "c e", "d e"]),
        ("{a|}", ["a", ""]),
        ("{|}", ["", ""]),
        ("{a||b}!", ["a!", "!", "b!"]),
        # Doubled braces
        ("{{a|b}}", ["{a|b}"]),
        ("{{}} {x|y}", ["{} x", "{} y"]),
        ("{{{a|b}}}", ["{a}", "{b}"]),
        ("{a{{1}}|b}", ["a{1}", "b"]),
        ("{a|b{{1}}}", ["a", "b{1}"]),
        ("{a}}|b}", ["a}", "b"]),
        ("{a|{b{{1}}|c}}", ["a", "b{1}", "c"]),
        # One text alone, and what no alternatives are
        ("a {red} boat", ["a {red} boat"]),
        ("{a|{b}}", ["a", "{b}"]),
        ("{}", ["{}"]),
        ("a | b } c", ["a | b } c"]),
        ("", [""]),
        # JSON
        ('{"shot": "a|b", "of": {"x": [{}, {"y": "{c|d}"}]}}', ['{"shot": "a|b", "of": {"x": [{}, {"y": "{c|d}"}]}}']),
        ('{wide|close}: {"light": "red|green"}', ['wide: {"light": "red|green"}', 'close: {"light": "red|green"}']),
        ('{"red"|"green"} boat', ['"red" boat', '"green" boat']),
    ],
)
def test_alternatives(prompt: str, texts: list[str]) -> None:
    """Each combination once, the last alternatives first; braces that are doubled, alone, or JSON's stay."""
    alternatives = read(prompt)
    assert (list(alternatives), alternatives.count, alternatives.problem) == (texts, len(texts), None)


@pytest.mark.parametrize(
    "prompt", ["{{{|", "{", "a {red|green boat", "{a|{b|c}", "{a|b}} }} {", "smile :{ and {a|b}", "{{{"]
)
def test_a_prompt_that_is_not_closed_is_taken_as_it_stands(prompt: str) -> None:
    """All of it, and it says so."""
    alternatives = read(prompt)
    assert (list(alternatives), alternatives.problem) == ([prompt], "unclosed")
    assert literal(prompt) == prompt


def test_nested_alternatives_do_not_explode() -> None:
    """Twelve levels are counted and expanded; what is nested too deep is taken as it stands."""

    def nested(depth: int) -> str:
        return "{x|y" * depth + "}" * depth

    assert len(set(read(nested(12)))) == read(nested(12)).count == 13
    assert read(nested(DEPTH_MOST)).problem is None
    assert read(nested(DEPTH_MOST + 1)).problem == "too_deep"
    assert list(read(nested(2000))) == [nested(2000)]


def test_many_combinations_are_counted_and_not_expanded() -> None:
    """A million, and far more than can be counted; the first ones come at once."""
    million = read("{0|1|2|3|4|5|6|7|8|9}" * 6)
    assert million.count == 10**6
    assert list(islice(million, 3)) == ["000000", "000001", "000002"]
    assert million.at(999_999) == "999999"
    assert read("{0|1}" * 1000).count == COUNT_MOST
    assert read("{0|1}" * 1000).prompts(2) == ["0" * 1000, "0" * 999 + "1"]


@pytest.mark.parametrize(
    "part", ["{", "{|", "{|}", "}}", "{{", '{"a', '{"a":', "{}", "|", "{ ", '{"a":{}}', "{a|{b|c}}"]
)
def test_a_megabyte_is_read_in_time(part: str) -> None:
    """Its cost grows with its length, whatever it is made of."""
    text = part * (2**20 // len(part))
    start = time.process_time()
    assert read(text).count >= 1
    assert time.process_time() - start < 10


def test_prompts_come_once_and_without_blanks_around() -> None:
    """An empty alternative at an end leaves no blank, and equal ones are one video."""
    assert read("{a|a} boat {red|}").prompts(200) == ["a boat red", "a boat"]
    assert read("{a|}").prompts(200) == ["a", ""]


@settings(max_examples=200, deadline=None)
@given(BRACES)
def test_any_text_has_a_prompt_that_is_read_as_it(text: str) -> None:
    """With its braces doubled; and any prompt is one text at least, of which a problem changes nothing."""
    assert list(read(literal(text))) == [text]
    alternatives = read(text)
    assert alternatives.count == len(list(alternatives)) >= 1
    assert alternatives.problem is None or list(alternatives) == [text]


@settings(max_examples=30, deadline=None)
@given(
    st.dictionaries(st.text(max_size=5), st.recursive(st.text(max_size=5), lambda inner: st.lists(inner, max_size=2)))
)
def test_json_stays_as_it_is(value: dict[str, object]) -> None:
    """A JSON object has no alternatives, and needs no doubling."""
    prompt = json.dumps(value, ensure_ascii=False)
    assert as_it_stands(prompt)
    assert as_it_stands(f"As told: {prompt}.")


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.text(max_size=5), min_size=2, max_size=3), max_size=3))
def test_alternatives_of_any_texts(groups: list[list[str]]) -> None:
    """Each text, with its braces doubled, is an alternative again; without braces, which could be JSON or stand at an edge."""
    plain = [[text.translate({ord(mark): None for mark in "{|}"}) for text in group] for group in groups]
    expected = [""]
    for group in plain:
        expected = [f"{before}{text}" for before in expected for text in group]
    assert list(read("".join("{" + "|".join(group) + "}" for group in plain))) == expected
