"""Batches: planned completely, or refused with the problems of each line."""

import codecs
import csv
import io
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dreamina_ui.cards.batches.encodings import Reading
from dreamina_ui.cards.batches.lines import plan_lines
from dreamina_ui.cards.batches.plans import BATCH_MOST, BYTES_MOST, PLAN_PROBLEMS, PROBLEMS_MOST, Plan
from dreamina_ui.cards.batches.sweep import plan_sweep
from dreamina_ui.cards.batches.tables import plan_csv
from dreamina_ui.cards.model_card import PROBLEMS, Card
from tests.rig import CARD, OTHER_CARD

WIDE, SQUARE = "1920×1088(16:9)", "1440×1440(1:1)"
DEFAULTS = {"aspect_ratio": WIDE, "frames": 121, "seed": -1}


def problems_of(plan: Plan) -> list[tuple[int, str | None, str]]:
    """The plan's problems without their facts. Checks that it has no payloads."""
    assert not plan.problems or not plan.payloads
    return [(problem.line, problem.field, problem.problem) for problem in plan.problems]


def of_csv(text: str, shared: dict[str, Any] | None = None, card: Card = CARD) -> Plan:
    return plan_csv(card, text.encode(), shared or {})


# Lines


def test_each_line_is_a_prompt() -> None:
    """Blank lines are counted but skipped; shared values come from the form."""
    plan = plan_lines(CARD, "a lighthouse\n\n  two boats \r\n\t\rthe sea", {"aspect_ratio": SQUARE, "seed": 7})
    shared = {**DEFAULTS, "aspect_ratio": SQUARE, "seed": 7}
    assert plan.payloads == tuple({"prompt": prompt, **shared} for prompt in ("a lighthouse", "two boats", "the sea"))


def test_a_shared_prompt_is_replaced_by_the_lines() -> None:
    """The form's own prompt is not used."""
    plan = plan_lines(CARD, "one", {"prompt": "of the form"})
    assert [payload["prompt"] for payload in plan.payloads] == ["one"]


def test_a_bad_line_is_reported_and_nothing_is_planned() -> None:
    """The problem of a line that is too long has its number, field and length."""
    plan = plan_lines(CARD, f"good\n\n{'x' * 812}\ngood", {})
    assert problems_of(plan) == [(3, "prompt", "too_long")]
    assert plan.problems[0].facts == {"given": 812, "limit": 800}


def test_a_bad_shared_value_is_reported_once() -> None:
    """An invalid value of the form is reported once, not for each line."""
    plan = plan_lines(CARD, "one\ntwo\nthree", {"frames": 7, "sead": 1})
    assert problems_of(plan) == [(0, "sead", "unknown_field"), (0, "frames", "not_allowed")]


@pytest.mark.parametrize("text", ["", " \n\t\r\n ", "\u3000"])
def test_nothing_to_send(text: str) -> None:
    """Blank input is not a batch."""
    assert problems_of(plan_lines(CARD, text, {})) == [(0, None, "empty")]


def test_lines_fill_the_cards_prompt_field() -> None:
    """The prompt field of another model may have another name."""
    [payload] = plan_lines(OTHER_CARD, "a cat", {"steps": 5}).payloads
    assert (payload["text"], payload["steps"], payload["negative"]) == ("a cat", 5, "blurry")


@pytest.mark.parametrize("count", [BATCH_MOST + 1, 10_000])
def test_too_many_lines_are_one_problem(count: int) -> None:
    """The only problem is the count of lines and the limit, whatever else is wrong."""
    for plan in (plan_lines(CARD, "x\n" * count, {"frames": 7}), of_csv("prompt,frames\n" + "x,7\n" * count)):
        assert problems_of(plan) == [(0, None, "too_many")]
        assert plan.problems[0].facts == {"given": count, "limit": BATCH_MOST}


def test_the_largest_batch() -> None:
    """A batch may have as many jobs as the limit."""
    assert len(plan_lines(CARD, "x\n" * BATCH_MOST, {}).payloads) == BATCH_MOST
    assert len(of_csv("prompt\n" + "x\n" * BATCH_MOST).payloads) == BATCH_MOST


def test_input_that_is_too_big() -> None:
    """More than a mebibyte is refused."""
    for plan in (plan_lines(CARD, "x" * (BYTES_MOST + 1), {}), of_csv("x" * (BYTES_MOST + 1))):
        assert problems_of(plan) == [(0, None, "too_big")]
        assert plan.problems[0].facts == {"given": BYTES_MOST + 1, "limit": BYTES_MOST}


# Tables

ROWS = [
    {"prompt": "Müller's café, “quoted”; and\ttabbed", "aspect_ratio": SQUARE, "frames": 241, "seed": 7},
    {"prompt": "two\nlines", "aspect_ratio": WIDE, "frames": 121, "seed": -1},
    {"prompt": "海の灯台 🌊 \u202eevil", "aspect_ratio": "2176×928(21:9)", "frames": 241, "seed": 2**31 - 1},
]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    ("codec", "mark"),
    [
        ("utf-8", b""),
        ("utf-8", codecs.BOM_UTF8),
        ("utf-16-le", codecs.BOM_UTF16_LE),
        ("utf-16-be", codecs.BOM_UTF16_BE),
    ],
)
def test_delimiters_line_ends_and_encodings(delimiter: str, end: str, codec: str, mark: bytes) -> None:
    """All usual delimiters, line ends and encodings give the same payloads."""
    file = io.StringIO(newline="")
    table = csv.DictWriter(file, list(ROWS[0]), delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
    table.writeheader()
    table.writerows(ROWS)
    assert plan_csv(CARD, mark + file.getvalue().encode(codec), {}).payloads == tuple(ROWS)


def test_cells_are_read_by_their_field() -> None:
    """Ratios may be short, cells padded, columns in any order and case; empty cells are shared or default values."""
    text = "Seed, PROMPT ,aspect_ratio,frames\n 7 , a , 9:16 , 241 \n,b,1440x1440 (1:1),\n7.0,c,,,,\n"
    plan = of_csv(text, {"frames": 241})
    assert plan.payloads == (
        {"prompt": "a", "aspect_ratio": "1088×1920(9:16)", "frames": 241, "seed": 7},
        {"prompt": "b", "aspect_ratio": SQUARE, "frames": 241, "seed": -1},
        {"prompt": "c", "aspect_ratio": WIDE, "frames": 241, "seed": 7},
    )


def test_an_empty_prompt_is_the_shared_one_or_missing() -> None:
    """A table may have only seeds for the form's prompt; without one, each line reports the missing prompt."""
    text = "prompt,seed\n,1\nown,2\n,3\n"
    assert [payload["prompt"] for payload in of_csv(text, {"prompt": "of the form"}).payloads] == [
        *("of the form", "own", "of the form")
    ]
    assert problems_of(of_csv(text)) == [(2, "prompt", "missing"), (4, "prompt", "missing")]


@pytest.mark.parametrize("ratio", ["1:9", "6:9", "16:9:1", "16", "9", "x", "16:9)", "1920", "(16:9)"])
def test_a_part_of_a_ratio_is_invalid(ratio: str) -> None:
    """A part of a ratio matches no choice."""
    assert problems_of(of_csv(f"prompt,aspect_ratio\na,{ratio}\n")) == [(2, "aspect_ratio", "not_allowed")]


def test_every_problem_has_its_line() -> None:
    """All problems of a table are reported, each with the first line of its row."""
    text = (
        'prompt,aspect_ratio,frames,seed\n"good\none",,,\n\n'
        '"two\nlines",5:4,121,x\n' + "x" * 801 + ",1:1,122,-2\n,,,5,6\n"
        ',,,"\n"\n"open" quote,,,\ngood,,,1e3\n'
    )
    assert problems_of(of_csv(text)) == [
        (5, "aspect_ratio", "not_allowed"),
        (5, "seed", "not_integer"),
        (7, "prompt", "too_long"),
        (7, "frames", "not_allowed"),
        (7, "seed", "too_small"),
        (8, None, "too_many_cells"),
        (11, None, "quotes"),
        (12, "seed", "not_integer"),
    ]


def test_problems_are_listed_up_to_fifty() -> None:
    """Further problems are only counted."""
    plan = of_csv("prompt,frames,seed\n" + "x,7,y\n" * 100)
    assert len(plan.problems) == PROBLEMS_MOST + 1
    assert (plan.problems[-1].problem, plan.problems[-1].facts) == ("more", {"count": 150})


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", (0, None, "empty")),
        (b"\xef\xbb\xbf", (0, None, "empty")),
        (b"\xff\xfe", (0, None, "empty")),
        (b" " * BYTES_MOST, (0, None, "empty")),
        (b"\n \r\n", (0, None, "empty")),
        (b"prompt,seed\n", (0, None, "empty")),
        (b"prompt,seed\n,,\n;\n"[:-2], (0, None, "empty")),
        ("prompt\ngood\nMüller\n".encode("latin-1"), (3, None, "encoding")),
        ("prompt\ngood\nMüller\n".encode("cp1252"), (3, None, "encoding")),
        ("prompt\rgood\rMüller\r".encode("latin-1"), (3, None, "encoding")),
        ("\ufeffprompt\nx\n".encode("utf-16-le") + b"x", (3, None, "encoding")),
        (b"\xff\xfe\x00\xd8\x00\xd8", (1, None, "encoding")),
        ("prompt\nx\n".encode("utf-16-le"), (1, None, "nul")),
        ("prompt\nx\n".encode("utf-32"), (1, None, "nul")),
        (b"prompt\nx\ny\0z\n", (3, None, "nul")),
        (b"\x89PNG\r\n\x1a\n\x00\x00", (1, None, "encoding")),
        (b"PK\x03\x04\x14\x00\x00\x00", (0, None, "workbook")),
        (b"a lighthouse\ntwo boats\n", (1, None, "no_header")),
        (b"\n\na lighthouse, calm\n", (3, None, "no_header")),
        (b"<!doctype html><title>Prompt</title>", (1, None, "no_header")),
        (b'{"prompt": "a lighthouse"}', (0, None, "json")),
        (b"\tprompt\n0\tx\n", (1, None, "unknown_column")),
        (b"," * 5000, (1, None, "no_header")),
        (b"prompt," + b"x," * 5000, (1, None, "too_many_cells")),
        (b"prompt,seed,mood\nx,1,calm\n", (1, None, "unknown_column")),
        (b"prompt,,seed\nx,y,1\n", (1, None, "unknown_column")),
        (b"prompt,=cmd|' /C calc'!A0\nx,1\n", (1, None, "unknown_column")),
        (b"prompt,seed,Prompt\nx,1,y\n", (1, "prompt", "duplicate_column")),
        (b'"prompt\nx\n', (1, None, "quotes")),
        (b'prompt\nx\n"never\nended\n', (3, None, "quotes")),
        (b"prompt\na, b\n", (2, None, "too_many_cells")),
        (b'prompt\n"' + b"x" * 140_000 + b'"\n', (2, None, "quotes")),
    ],
)
def test_a_table_that_cannot_be_used(data: bytes, problem: tuple[int, str | None, str]) -> None:
    """There is one problem with its line, whatever the file is."""
    assert problems_of(plan_csv(CARD, data, {})) == [problem]


def test_a_wrong_header_is_reported_with_the_allowed_columns() -> None:
    """Wrong columns are one problem; a column that is there twice is an error, because nobody knows which one is meant."""
    [problem] = of_csv("prompt,sound,mood,seed\nx,y,z\n").problems
    assert (problem.problem, problem.facts["given"]) == ("unknown_column", "sound, mood")
    assert problem.facts["allowed"] == "prompt, aspect_ratio, frames, seed"
    assert problems_of(of_csv("prompt,sound,seed,seed\nx,y,z\n")) == [(1, "seed", "duplicate_column")]


def test_a_table_for_another_card() -> None:
    """Numbers, booleans and choices that are not text are read by their kind."""
    text = "text;strength;steps;loop;size;negative\na;0.25;3;yes;0.5;\nb;1;+7;FALSE;2;dull\nc;.5;1;nein;1;\n"
    assert [{**payload, "seed": 0} for payload in of_csv(text, card=OTHER_CARD).payloads] == [
        {"text": "a", "negative": "blurry", "strength": 0.25, "steps": 3, "loop": True, "size": 0.5, "seed": 0},
        {"text": "b", "negative": "dull", "strength": 1.0, "steps": 7, "loop": False, "size": 2, "seed": 0},
        {"text": "c", "negative": "blurry", "strength": 0.5, "steps": 1, "loop": False, "size": 1, "seed": 0},
    ]
    wrong = of_csv(
        "text;strength;steps;loop;size\na;nan;1.5;maybe;3\nb;1e999;99;;\nc;0,5;٣;;\nd;1,250;1.000;;\n", card=OTHER_CARD
    )
    assert problems_of(wrong) == [
        (2, "steps", "not_integer"),
        (2, "strength", "not_number"),
        (2, "loop", "not_boolean"),
        (2, "size", "not_allowed"),
        (3, "steps", "too_large"),
        (3, "strength", "not_number"),
        (4, "steps", "not_integer"),
        (5, "steps", "not_integer"),
        (5, "strength", "not_number"),
    ]


# Tables of spreadsheets, as they write them

GERMAN = (
    "prompt;aspect_ratio;frames;seed\r\nEin Leuchtturm – „dramatisch“, große Wellen;16:9;121;7\r\n"
    'Café in Köln, 50 €;1:1;5 s;\r\n"Straße bei Nacht; Regen";09:16;241;12\r\n'
)
GERMAN_PAYLOADS = (
    {"prompt": "Ein Leuchtturm – „dramatisch“, große Wellen", "aspect_ratio": WIDE, "frames": 121, "seed": 7},
    {"prompt": "Café in Köln, 50 €", "aspect_ratio": SQUARE, "frames": 121, "seed": -1},
    {"prompt": "Straße bei Nacht; Regen", "aspect_ratio": "1088×1920(9:16)", "frames": 241, "seed": 12},
)


def readings(data: bytes) -> dict[str, Reading]:
    """The readings that are offered, by their answers. Nothing is planned before one is chosen."""
    plan = plan_csv(CARD, data, {})
    assert not plan.payloads
    assert plan.question is not None
    return dict(plan.question.readings)


@pytest.mark.parametrize(
    ("text", "codec"),
    [
        *((GERMAN, codec) for codec in ("cp1252", "mac_roman", "utf-16-le", "utf-16-be")),
        ("prompt\nMüller\n", "cp1252"),
        ("prompt\nMüller\n", "mac_roman"),
        ("prompt,seed\nUn café à Paris l’été,5\n", "cp1252"),
        ("prompt\n¿Dónde está el niño?\n", "cp1252"),
        ("prompt,seed\n一只狐狸在雪地里奔跑,5\n", "gbk"),
        ("prompt\n狐狸\n", "gbk"),
        ("prompt\n雪の中のきつね\n", "cp932"),
        ("prompt\nカメラがゆっくりズーム\n", "cp932"),
        ("prompt\n暴風雨中的燈塔\n", "big5"),
        ("prompt\n폭풍 속의 등대\n", "cp949"),
        ("prompt\nМаяк в шторм\n", "cp1251"),
        ("prompt\nŻółta łódź, świt\n", "cp1250"),
    ],
)
def test_an_encoding_is_chosen_by_what_it_shows(text: str, codec: str) -> None:
    """The right reading is among the few that are offered; once it is chosen, the table is read by it, and by no other."""
    data = text.encode(codec)
    offered = readings(data)
    [answer] = [answer for answer, reading in offered.items() if reading.text == text]
    assert len(offered) <= 5
    plan = plan_csv(CARD, data, {}, [answer])
    assert plan == plan_csv(CARD, text.encode(), {})
    # An answer about one table says nothing about another.
    assert not plan_csv(CARD, data + "more\r\n".encode(codec), {}, [answer]).payloads
    assert text is not GERMAN or plan.payloads == GERMAN_PAYLOADS


def test_letters_that_were_read_wrongly_before() -> None:
    """UTF-8 that was once read as Windows-1252 is offered as it stands and mended; letters that are gone are an error."""
    data = "prompt\nMüller\n".encode().decode("cp1252").encode()
    assert [reading.sample for reading in readings(data).values()] == ["Müller", "MÃ¼ller"]
    answer = next(iter(readings(data)))
    assert [payload["prompt"] for payload in plan_csv(CARD, data, {}, [answer]).payloads] == ["Müller"]
    assert problems_of(of_csv("prompt\nM\ufffdller\n")) == [(2, None, "lost_letters")]


@pytest.mark.parametrize("first", ["sep=;", "\ufeffsep=;", '"sep=;"', "SEP=;", "sep=;;;", "\nsep=;"])
def test_a_line_names_the_separator(first: str) -> None:
    """Excel writes and reads such a line; lines are counted with it."""
    assert of_csv(f"{first}\r\n{GERMAN}").payloads == GERMAN_PAYLOADS
    assert of_csv("sep=|\nprompt|seed\na, b; c|5\n").payloads[0]["prompt"] == "a, b; c"
    assert problems_of(of_csv("sep=;\nprompt;seed\nx;y\n")) == [(3, "seed", "not_integer")]


def test_blanks_marks_and_joined_files() -> None:
    """A blank after a comma, byte order marks anywhere, and the header of a second file are no values."""
    text = 'prompt, seed\n"A fox in snow", 5\nA boat, "6"\n\n,,\n\ufeffprompt, seed\n"A, b",\t7\n'
    assert [(payload["prompt"], payload["seed"]) for payload in of_csv(text).payloads] == [
        *(("A fox in snow", 5), ("A boat", 6), ("A, b", 7))
    ]


def test_columns_of_others_are_left_out_with_one_answer() -> None:
    """One question names all of them; a row with cells under no name counts as such a column, and nothing is lost."""
    data = b'id,prompt,notes,Aspect Ratio,\n1,"A stop sign, in fog",,16:9,x\n2,A laptop,ok,1:1\n'
    plan = plan_csv(CARD, data, {})
    assert plan.question is not None
    assert not plan.payloads
    assert (plan.question.left_out, dict(plan.question.taken)) == (("id", "notes", "#5"), {})
    assert [problem.facts["given"] for problem in plan.problems] == ["id, notes, #5"]
    plan = plan_csv(CARD, data, {}, ["something else", plan.question.answer])
    assert [(payload["prompt"], payload["aspect_ratio"]) for payload in plan.payloads] == [
        ("A stop sign, in fog", WIDE),
        ("A laptop", SQUARE),
    ]


@pytest.mark.parametrize(
    ("header", "card", "taken"),
    [
        ("Positive Prompt,Seed", CARD, {"Positive Prompt": "prompt"}),
        ("prompt text,Startwert", CARD, {"prompt text": "prompt", "Startwert": "seed"}),
        ("Beschreibung,Seed", CARD, {"Beschreibung": "prompt"}),
        ("promt,sede", CARD, {"promt": "prompt", "sede": "seed"}),
        ("提示词,seed", CARD, {"提示词": "prompt"}),
        ("prompt,seed", OTHER_CARD, {"prompt": "text"}),
    ],
)
def test_a_column_in_other_words_is_offered(header: str, card: Card, taken: dict[str, str]) -> None:
    """It is taken once somebody has agreed, and not before."""
    data = f"{header}\nA fox in the snow,5\n".encode()
    plan = plan_csv(card, data, {})
    assert plan.question is not None
    assert not plan.payloads
    assert {name: field.name for name, field in plan.question.taken.items()} == taken
    [payload] = plan_csv(card, data, {}, [plan.question.answer]).payloads
    assert (payload[str(card.prompt and card.prompt.name)], payload["seed"]) == ("A fox in the snow", 5)


def test_a_field_is_named_as_on_the_page() -> None:
    """The labels of the form are names, too, in each language and in any case."""
    plan = of_csv("PROMPT;Seitenverhältnis;Länge;seed\nx;9:16;10 s;3\n")
    assert plan.payloads == ({"prompt": "x", "aspect_ratio": "1088×1920(9:16)", "frames": 241, "seed": 3},)


def test_too_many_cells_are_one_problem() -> None:
    """Prompts with commas that are not quoted are not cut: one problem names all their lines."""
    plan = of_csv("prompt\na, b\nc\nd, e, f\n")
    assert problems_of(plan) == [(2, None, "too_many_cells")]
    assert plan.problems[0].facts == {"given": 3, "limit": 1, "lines": "2, 4"}


JSON_PROMPT = '{\n  "shot": {"motion": "slow|quick dolly in"},\n  "negative": ["text"]\n}'


@pytest.mark.parametrize(
    ("text", "together", "apart"),
    [
        (JSON_PROMPT, 1, 4),
        (f"{JSON_PROMPT}\n\n{JSON_PROMPT},\n", 2, 8),
        (f"A boat\r\n{JSON_PROMPT} in the style of a comic\nA cat\n", 3, 6),
        ('{\n  "shot": "a|b",\n}', 1, 3),
        ('[\n{"shot": 1},\n{"shot": 2}\n]', 1, 4),
    ],
)
def test_json_of_several_lines_is_asked_about(text: str, together: int, apart: int) -> None:
    """One prompt, or one on each line: the last answer counts. JSON has no alternatives."""
    asked = plan_lines(CARD, text, {})
    assert problems_of(asked) == [(0, None, "json_lines")]
    assert asked.question is not None
    assert asked.question.together is not None
    assert asked.question.apart is not None
    (as_one, count), (as_lines, lines) = asked.question.together, asked.question.apart
    assert (count, lines) == (together, apart)
    assert len(plan_lines(CARD, text, {}, [as_lines, as_one]).payloads) == together
    assert len(plan_lines(CARD, text, {}, [as_one, as_lines]).payloads) == apart
    assert problems_of(plan_lines(CARD, f"{text} ", {}, [as_one])) == [(0, None, "json_lines")]


def test_json_on_one_line_is_no_question() -> None:
    """It is one prompt for each object; as a table it is refused by name."""
    assert [payload["prompt"] for payload in plan_lines(CARD, '{"a": "x|y"}\n\n{"b": 1}, {"c": 2}', {}).payloads] == [
        '{"a": "x|y"}',
        '{"b": 1}',
        '{"c": 2}',
    ]
    assert problems_of(of_csv(JSON_PROMPT)) == [(0, None, "json")]
    plan = plan_lines(CARD, '{"a": 1}\n{not json\n', {})
    assert [payload["prompt"] for payload in plan.payloads] == ['{"a": 1}', "{not json"]
    assert [(note.problem, note.facts["lines"]) for note in plan.notes] == [("unclosed", "2")]


def test_json_of_more_lines_than_a_batch_has_can_be_one_prompt() -> None:
    """Only the answer that each line is a prompt is refused."""
    text = '{"a": [\n' + "1,\n" * 300 + '"b"]}'
    question = plan_lines(CARD, text, {}).question
    assert question is not None
    assert question.together is not None
    assert question.apart is not None
    assert question.together[1] == 1
    assert problems_of(plan_lines(CARD, text, {}, [question.apart[0]])) == [(0, None, "too_many")]


# Alternatives


def test_alternatives_of_lines_and_rows_are_videos() -> None:
    """In order, in a batch of lines and of a table; a doubled brace and JSON stay."""
    prompts = ["a red kite", "a kite", "two {b|c}", 'x {"y": "1|2"}']
    plan = plan_lines(CARD, 'a {red |}kite\ntwo {{b|c}}\nx {"y": "1|2"}', {"seed": 7})
    assert [payload["prompt"] for payload in plan.payloads] == prompts
    assert {payload["seed"] for payload in plan.payloads} == {7}
    plan = of_csv('prompt;frames\n"a {red |}kite";121\n"two {{b|c}}";241\n')
    assert [(payload["prompt"], payload["frames"]) for payload in plan.payloads] == [
        ("a red kite", 121),
        ("a kite", 121),
        ("two {b|c}", 241),
    ]
    assert plan.notes == ()


def test_a_prompt_that_is_not_closed_is_planned_as_it_stands() -> None:
    """The plan names its lines."""
    plan = plan_lines(CARD, "{{{|\nfine\na {red|green boat\n" + "{a|" * 30 + "b" + "}" * 30, {})
    assert [payload["prompt"] for payload in plan.payloads][:3] == ["{{{|", "fine", "a {red|green boat"]
    assert [(note.problem, note.facts["lines"]) for note in plan.notes] == [("unclosed", "1, 3"), ("too_deep", "4")]


def test_too_many_alternatives_are_counted_and_not_planned() -> None:
    """A million is refused with its count and line; so are lines that are too many only together, and what nobody can count."""
    million = "{0|1|2|3|4|5|6|7|8|9}" * 6
    for plan in (plan_lines(CARD, f"a\n{million}", {}), of_csv(f"prompt\n{million}\n")):
        assert problems_of(plan) == [(2, None, "too_many")]
        assert plan.problems[0].facts["limit"] == BATCH_MOST
    assert plan_lines(CARD, f"a\n{million}", {}).problems[0].facts["given"] == 1_000_001
    swept = plan_sweep([CARD], {"prompt": million}, [], [121, 241], [1, 2])
    assert (problems_of(swept), swept.problems[0].facts["given"]) == ([(0, None, "too_many")], 4_000_000)
    hundreds = plan_lines(CARD, "\n".join(["{0|1}" * 7] * 2), {})
    assert (problems_of(hundreds), hundreds.problems[0].facts["given"]) == ([(0, None, "too_many")], 256)
    assert plan_lines(CARD, "{0|1}" * 7, {}).payloads[127]["prompt"] == "1111111"
    assert plan_lines(CARD, "{0|1}" * 500, {}).problems[0].facts["given"] == "> 10¹⁵"


def test_empty_alternatives_alone_are_a_missing_prompt() -> None:
    """The line says so, and nothing is planned."""
    assert problems_of(plan_lines(CARD, "fine\n{a|}", {})) == [(2, "prompt", "blank")]


def test_alternatives_are_one_more_dimension_of_a_sweep() -> None:
    """Each with each model and value, under the name that a model's prompt has."""
    plan = plan_sweep([CARD, OTHER_CARD], {"prompt": "a {red|green} boat"}, [], [121, 241], [])
    texts = [
        (video.payload.get("prompt") or video.payload["text"], video.payload.get("frames")) for video in plan.videos
    ]
    assert texts == [
        ("a red boat", 121),
        ("a red boat", 241),
        ("a green boat", 121),
        ("a green boat", 241),
        ("a red boat", None),
        ("a green boat", None),
    ]
    note = plan_sweep([CARD], {"prompt": "a {red"}, [], [], []).notes[0]
    assert (note.line, note.problem, note.facts["lines"]) == (0, "unclosed", None)


# Sweeps


def test_a_sweep_is_every_combination() -> None:
    """All combinations of ratios, lengths and seeds, with the seeds changing fastest; other values are the form's."""
    plan = plan_sweep([CARD], {"prompt": "x", "frames": 121}, [WIDE, SQUARE], [121, 241], [1, 2, 3])
    assert len(plan.payloads) == 12
    assert [(p["aspect_ratio"], p["frames"], p["seed"]) for p in plan.payloads[:4]] == [
        *((WIDE, 121, 1), (WIDE, 121, 2), (WIDE, 121, 3), (WIDE, 241, 1))
    ]
    assert {payload["prompt"] for payload in plan.payloads} == {"x"}


@pytest.mark.parametrize(
    ("seeds", "swept"),
    [
        ([], [7]),
        ("", [7]),
        ([1, 2, 1], [1, 2]),
        ("1, 2;3 4\n5", [1, 2, 3, 4, 5]),
        ("3 random", [-1, -1, -1]),
        ("2 RANDOM", [-1, -1]),
        ("3 zufällige", [-1, -1, -1]),
        ([-1, -1, 5, 5], [-1, -1, 5]),
    ],
)
def test_seeds(seeds: Sequence[int] | str, swept: list[int]) -> None:
    """Seeds are a list, a text, or a number of random ones; empty keeps the form's. Only random seeds are repeated."""
    plan = plan_sweep([CARD], {"prompt": "x", "seed": 7}, [], [], seeds)
    assert [payload["seed"] for payload in plan.payloads] == swept


@pytest.mark.parametrize("seeds", ["x", "1, x", "0 random", "random", "1-5", "3 random 4", "½", "1.5"])
def test_invalid_seeds(seeds: str) -> None:
    """A text that is not a list of seeds is one problem of the seed."""
    plan = plan_sweep([CARD], {"prompt": "x"}, [WIDE, SQUARE], [121, 241], seeds)
    assert {(problem.line, problem.field, problem.problem) for problem in plan.problems} == {(0, "seed", "not_integer")}


def test_a_bad_sweep_value_is_reported_once() -> None:
    """An invalid value is reported once, not for each of its combinations."""
    plan = plan_sweep([CARD], {"prompt": " "}, [WIDE, "5:4"], [121, 122, 123], [1, 2, -5])
    assert problems_of(plan) == [
        (0, "prompt", "blank"),
        (0, "seed", "too_small"),
        (0, "frames", "not_allowed"),
        (0, "frames", "not_allowed"),
        (0, "aspect_ratio", "not_allowed"),
    ]
    assert problems_of(plan_sweep([CARD], {}, [WIDE, SQUARE], [], [])) == [(0, "prompt", "missing")]


@pytest.mark.parametrize("seeds", ["99999 random", range(201), " ".join(map(str, range(2000)))])
def test_a_sweep_that_is_too_large(seeds: Sequence[int] | str) -> None:
    """The problem is the count and the limit; no combination is made."""
    plan = plan_sweep([CARD], {"prompt": "x"}, [WIDE, SQUARE], [121, 241], seeds)
    assert problems_of(plan) == [(0, None, "too_many")]


def test_a_card_without_ratios_cannot_be_swept_over_them() -> None:
    """A dimension that is not in the card is an unknown field; a card without random seeds draws none."""
    assert problems_of(plan_sweep([OTHER_CARD], {"text": "x"}, [WIDE], [], [])) == [
        (0, "aspect_ratio", "unknown_field")
    ]
    assert problems_of(plan_sweep([OTHER_CARD], {"text": "x"}, [], [], "3 random")) == [(0, "seed", "not_integer")]
    assert [payload["seed"] for payload in plan_sweep([OTHER_CARD], {"text": "x"}, [], [], "3 4").payloads] == [3, 4]


# Anything


def check_plan(plan: Plan, card: Card) -> None:
    """A plan has valid payloads or known problems, never both, and not more than the limits."""
    assert bool(plan.payloads) is not bool(plan.problems)
    assert len(plan.payloads) <= BATCH_MOST
    assert len(plan.problems) <= PROBLEMS_MOST + 1
    for payload in plan.payloads:
        assert card.validate(payload) == payload
    for problem in plan.problems:
        assert problem.problem in {*PROBLEMS, *PLAN_PROBLEMS}
        assert problem.line >= 0
        assert all(len(str(fact)) < 500 for fact in problem.facts.values())


PIECES = [
    *("prompt", "text", "seed", "frames", "size", "strength", "loop", ",", ";", "\t", "\n", "\r\n", '"', '""'),
    *("16:9", "241", "-1", "1e9", "nan", "yes", "\0", "\ufeff", "é", "🌊", " ", "x" * 900, "9" * 50),
]
table_like = st.lists(st.sampled_from(PIECES), max_size=60).map("".join)


@settings(deadline=None)
@given(st.binary(max_size=2000) | table_like.map(str.encode) | table_like.map(lambda text: text.encode("utf-16")))
@example(b'prompt,"')
@example(b"prompt\n\xed\xa0\x80")
def test_any_bytes_give_a_plan(data: bytes) -> None:
    """Any file gives a plan, never an exception."""
    for card in (CARD, OTHER_CARD):
        check_plan(plan_csv(card, data, {}), card)
        check_plan(plan_csv(card, b",".join(field.name.encode() for field in card.fields) + b"\n" + data, {}), card)


@settings(deadline=None)
@given(st.text(max_size=500) | table_like)
def test_any_text_gives_a_plan(text: str) -> None:
    """Any lines and any seeds give a plan."""
    for card, base in ((CARD, {"prompt": "x"}), (OTHER_CARD, {"text": "x"})):
        check_plan(plan_lines(card, text, {}), card)
        check_plan(plan_sweep([card], base, [], [], text), card)


@settings(deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "prompt": st.text(
                    st.characters(codec="utf-8", exclude_characters="\0\ufeff\ufffd"), min_size=1, max_size=60
                )
                .map(str.strip)
                .filter(bool),
                "aspect_ratio": st.sampled_from(CARD.fields[1].choices),
                "frames": st.sampled_from([121, 241]),
                "seed": st.integers(-1, 10**12),
            }
        ),
        min_size=1,
        max_size=20,
    ),
    st.sampled_from(",;\t"),
)
def test_a_written_table_is_planned_unchanged(rows: list[dict[str, Any]], delimiter: str) -> None:
    """Any prompt survives a table that Python's csv module writes."""
    file = io.StringIO(newline="")
    table = csv.DictWriter(file, list(rows[0]), delimiter=delimiter, quoting=csv.QUOTE_ALL)
    table.writeheader()
    table.writerows(rows)
    assert of_csv(file.getvalue()).payloads == tuple(rows)
