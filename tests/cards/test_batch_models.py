"""Batches of several models: each row and each model of a sweep is checked by its own card."""

import csv
import io
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dreamina_ui.cards.batches.lines import plan_lines
from dreamina_ui.cards.batches.plans import BATCH_MOST, Plan
from dreamina_ui.cards.batches.sweep import plan_sweep
from dreamina_ui.cards.batches.tables import plan_csv
from dreamina_ui.cards.batches.written_tables import written_example, written_table
from dreamina_ui.cards.model_card import Card, card_of, load_card
from dreamina_ui.cards.models import Models
from dreamina_ui.settings import BUNDLED_CARDS
from tests.rig import CARD, OTHER_CARD

PICTURE = load_card(BUNDLED_CARDS / "dreamina-3-0-pro-image-to-video.json")
WIDE, SQUARE = "1920×1088(16:9)", "1440×1440(1:1)"
FOX = "upload:fox.png#" + "3" * 32


def a_card(title: str, **fields: Any) -> Card:
    properties = {"prompt": {"type": "string", "maxLength": 30}, **fields}
    schema = {"type": "object", "required": ["prompt"], "properties": properties}
    return card_of(title, {"model_id": f"maker/{title.lower()}", "title": title, "input_schema": schema})


TALL = a_card(
    "Tall", aspect_ratio={"enum": ["9:16", "1:1"], "default": "9:16"}, seed={"type": "integer", "default": -1}
)
PLAIN = a_card("Plain")
MODELS = Models([CARD, PICTURE, OTHER_CARD, TALL, PLAIN])


def of_csv(text: str, card: Card = CARD, agreed: tuple[str, ...] = (), **others: Any) -> Plan:
    return plan_csv(card, text.encode(), others.pop("shared", {}), agreed, models=MODELS, **others)


def made(plan: Plan) -> list[tuple[str, dict[str, Any]]]:
    assert not plan.problems, plan.problems
    return [(video.card.title, video.payload) for video in plan.videos]


def problems_of(plan: Plan) -> list[tuple[int, str | None, str]]:
    assert not plan.videos
    return [(problem.line, problem.field, problem.problem) for problem in plan.problems]


# Tables


@pytest.mark.parametrize("header", ["model", "Modell", " MODEL "])
@pytest.mark.parametrize(
    "name", [TALL.model_id, "tall", "  TALL ", "Maker/Tall", "maker/ tall", f'"{TALL.model_id}"', "T all"]
)
def test_a_row_is_of_the_model_that_it_names(header: str, name: str) -> None:
    """By its id or its title, in any case and with blanks; a row without one is of the model that is picked."""
    plan = of_csv(f"{header},prompt\n{name},a kite\n,a boat\n", card=PLAIN)
    assert made(plan) == [
        ("Tall", {"prompt": "a kite", "aspect_ratio": "9:16", "seed": -1}),
        ("Plain", {"prompt": "a boat"}),
    ]
    assert plan.models == [TALL.model_id, PLAIN.model_id]


def test_an_unknown_model_is_one_sentence_with_its_row() -> None:
    """Whatever else is in doubt; nothing is planned."""
    plan = of_csv("prompt;model;mood\na;Tall;x\nb;tallest;y\n\nc;nobody/nothing;z\n")
    assert problems_of(plan) == [(3, "model", "not_allowed"), (5, "model", "not_allowed")]
    assert plan.problems[0].facts["given"] == "tallest"
    assert TALL.model_id in str(plan.problems[0].facts["allowed"])
    assert plan.question is None


def test_titles_of_several_models_name_none() -> None:
    """Then an id is needed."""
    twins = Models([PLAIN, a_card("Twin"), card_of("x", {**PLAIN.source, "model_id": "maker/other", "title": "Twin"})])
    table = b"prompt,model\na,twin\n"
    assert problems_of(plan_csv(PLAIN, table, {}, models=twins)) == [(2, "model", "not_allowed")]
    assert plan_csv(PLAIN, table.replace(b"twin", b"maker/other"), {}, models=twins).models == ["maker/other"]


def test_each_row_is_checked_by_its_own_card() -> None:
    """What one model takes is another's fault; each has its line and the name that its card gives the field."""
    plan = of_csv("model,prompt,aspect_ratio\nTall,ok,9:16\nTall,a boat,16:9\n" + f"Dreamina 3.0 Pro,{'x' * 31},16:9\n")
    assert problems_of(plan) == [(3, "aspect_ratio", "not_allowed")]
    plan = of_csv(f"model,prompt\nTall,{'x' * 31}\nDreamina 3.0 Pro,{'x' * 31}\n")
    assert problems_of(plan) == [(2, "prompt", "too_long")]
    assert plan.problems[0].facts["limit"] == 30


def test_a_column_that_a_rows_model_does_not_have_is_asked_about() -> None:
    """Only where the row has a value in it; other models' rows keep theirs, and nothing is planned before the answer."""
    text = "model,prompt,aspect_ratio,mood\nTall,a kite,1:1,calm\nPlain,a boat,1:1,\nPlain,a fox,,\n"
    plan = of_csv(text)
    assert not plan.videos
    assert plan.question is not None
    assert plan.question.left_out == ("mood",)
    assert [(title, each.left_out, each.taken) for title, each in plan.question.of_models] == [
        ("Plain", ("aspect_ratio",), {})
    ]
    plan = of_csv(text, agreed=(plan.question.answer,))
    assert [payload.get("aspect_ratio") for _, payload in made(plan)] == ["1:1", None, None]
    assert of_csv("model,prompt,aspect_ratio\nTall,a kite,1:1\nPlain,a boat,\n").question is None


def test_a_column_of_all_models_that_none_has_is_asked_about_once() -> None:
    plan = of_csv("model,prompt,mood\nTall,a kite,calm\nPlain,a boat,wild\n")
    assert plan.question is not None
    assert (plan.question.left_out, plan.question.of_models) == (("mood",), ())


def test_a_prompt_goes_into_each_models_own_field_once_agreed() -> None:
    """The column is one model's field, and probably meant for another one's."""
    text = "model,prompt\nTall,a kite\nOther,a boat\n"
    plan = of_csv(text)
    assert plan.question is not None
    [(title, columns)] = plan.question.of_models
    assert (title, {name: field.name for name, field in columns.taken.items()}) == ("Other", {"prompt": "text"})
    plan = of_csv(text, agreed=(plan.question.answer,))
    assert [payload.get("text") or payload["prompt"] for _, payload in made(plan)] == ["a kite", "a boat"]


def test_shared_values_go_to_the_models_that_take_them() -> None:
    """They are the picked model's; a choice that another model writes otherwise is found by its part."""
    shared = {"aspect_ratio": SQUARE, "frames": 241}
    plan = of_csv("model,prompt\n,a kite\nTall,a boat\nPlain,a fox\n", shared=shared)
    assert [(payload.get("aspect_ratio"), payload.get("frames")) for _, payload in made(plan)] == [
        (SQUARE, 241),
        ("1:1", None),
        (None, None),
    ]
    assert [(each.card.title, each.field.name, each.values) for each in plan.not_taken] == [
        ("Plain", "aspect_ratio", (SQUARE,)),
        ("Tall", "frames", (241,)),
        ("Plain", "frames", (241,)),
    ]
    # The default of the form is nobody's choice.
    defaults = {"aspect_ratio": WIDE, "frames": 121}
    plan = of_csv("model,prompt\n,a kite\nTall,a boat\nPlain,a fox\n", shared=defaults)
    assert [payload.get("aspect_ratio") for _, payload in made(plan)] == [WIDE, "9:16", None]
    assert plan.not_taken == ()


def test_a_model_column_is_named_twice() -> None:
    assert problems_of(of_csv("model,prompt,Modell\nTall,a,Plain\n")) == [(1, "model", "duplicate_column")]


def test_a_field_called_model_stays_a_field() -> None:
    """Where a card has one, a column names that."""
    own = a_card("Own", model={"enum": ["small", "large"], "default": "small"})
    plan = plan_csv(own, b"prompt,model\na,large\n", {}, models=Models([own, PLAIN]))
    assert made(plan) == [("Own", {"prompt": "a", "model": "large"})]


def test_one_model_may_be_named_too() -> None:
    """A table of a studio of several is read by a studio of one."""
    table = f"model,prompt\n{CARD.title},a kite\n".encode()
    assert plan_csv(CARD, table, {}).payloads[0]["prompt"] == "a kite"
    assert problems_of(plan_csv(CARD, table.replace(b"Dreamina", b"Other"), {})) == [(2, "model", "not_allowed")]


def test_a_table_names_pictures() -> None:
    """By an https address, by what a field calls a file that was uploaded, or by the file's name, in any case."""
    rows = ["https://example.org/a.png", FOX, "fox.png", " Fox.PNG"]
    table = "prompt,image_urls\n" + "".join(f'a fox,"{cell}"\n' for cell in rows)
    plan = of_csv(table, card=PICTURE, files={"fox.png": FOX})
    assert [payload["image_urls"] for _, payload in made(plan)] == [["https://example.org/a.png"], *[[FOX]] * 3]
    plan = of_csv("prompt,image_urls\na,cat.png\nb,cat\nc,\n", card=PICTURE, files={"fox.png": FOX})
    assert problems_of(plan) == [
        (2, "image_urls", "file_gone"),
        (3, "image_urls", "not_address"),
        (4, "image_urls", "missing"),
    ]


# Sweeps


def test_a_sweep_over_models() -> None:
    """One prompt, each model: with each value that it takes, and once where it takes none; the prompt in its own field."""
    plan = plan_sweep([CARD, TALL, OTHER_CARD], {"prompt": "a kite"}, [WIDE, SQUARE], [121], "1 2")
    assert [(video.card.title, video.payload.get("aspect_ratio"), video.payload["seed"]) for video in plan.videos] == [
        *((CARD.title, ratio, seed) for ratio in (WIDE, SQUARE) for seed in (1, 2)),
        *(("Tall", "1:1", seed) for seed in (1, 2)),
        *(("Other", None, seed) for seed in (1, 2)),
    ]
    assert plan.payloads[-1]["text"] == "a kite"
    assert [(each.card.title, each.field.name, each.values) for each in plan.not_taken] == [
        ("Tall", "aspect_ratio", (WIDE,)),
        ("Other", "aspect_ratio", (WIDE, SQUARE)),
        ("Tall", "frames", (121,)),
        ("Other", "frames", (121,)),
    ]


def test_a_model_is_swept_once() -> None:
    """However often it is chosen."""
    assert plan_sweep([PLAIN, TALL, PLAIN], {"prompt": "x"}, [], [], "").models == [PLAIN.model_id, TALL.model_id]


def test_a_model_without_random_seeds_makes_one_video() -> None:
    plan = plan_sweep([TALL, PLAIN, OTHER_CARD], {"prompt": "x"}, [], [], "2 random")
    assert [(video.card.title, video.payload.get("seed")) for video in plan.videos] == [
        ("Tall", -1),
        ("Tall", -1),
        ("Plain", None),
        ("Other", 0),
    ]
    assert [each.card.title for each in plan.not_taken] == ["Plain", "Other"]


def test_values_that_no_model_takes_are_wrong() -> None:
    """Each is said once; of a fault that not all models have, the sentence names those that do."""
    plan = plan_sweep([CARD, TALL, PLAIN], {"prompt": "x" * 31}, ["5:4"], [122], "x")
    assert {(problem.field, problem.problem, problem.models) for problem in plan.problems} == {
        ("prompt", "too_long", ("Tall", "Plain")),
        ("aspect_ratio", "not_allowed", (CARD.title,)),
        ("aspect_ratio", "not_allowed", ("Tall",)),
        ("frames", "not_allowed", (CARD.title,)),
        ("seed", "not_integer", (CARD.title, "Tall")),
    }
    plan = plan_sweep([CARD, PICTURE], {"prompt": " "}, [], [], "")
    assert [(problem.field, problem.problem, problem.models) for problem in plan.problems] == [
        ("prompt", "blank", ()),
        ("image_urls", "missing", (PICTURE.title,)),
    ]


def test_what_only_one_model_takes_goes_to_it() -> None:
    """A picture goes to the model that begins with it; that the other one makes its video without it is said."""
    plan = plan_sweep([CARD, PICTURE], {"prompt": "x", "image_urls": [FOX], "frames": 241}, [], [], "7")
    assert [payload.get("image_urls") for payload in plan.payloads] == [None, [FOX]]
    assert [(payload["frames"], payload["seed"]) for payload in plan.payloads] == [(241, 7)] * 2
    assert [(each.card, each.field.name) for each in plan.not_taken] == [(CARD, "image_urls")]


def test_a_sweep_over_models_has_the_limit_of_a_batch() -> None:
    """All models together."""
    seeds = range(BATCH_MOST // 2)
    assert len(plan_sweep([CARD, TALL], {"prompt": "x"}, [], [], seeds).videos) == BATCH_MOST
    plan = plan_sweep([CARD, TALL], {"prompt": "x"}, [], [], range(BATCH_MOST // 2 + 1))
    assert problems_of(plan) == [(0, None, "too_many")]
    assert plan.problems[0].facts["given"] == BATCH_MOST + 2


# Tables that are written


def test_the_example_names_each_model() -> None:
    """It can be sent, once the fields are filled that a model needs and has no default for."""
    rows = list(csv.DictReader(io.StringIO(written_example(MODELS))))
    assert [row["model"] for row in rows] == [card.model_id for card in MODELS]
    assert all(row["prompt"] or row["text"] for row in rows)
    assert next(iter(csv.reader(io.StringIO(written_example(Models([CARD])))))) == [field.name for field in CARD.fields]
    plan = plan_csv(CARD, written_example(Models([CARD, OTHER_CARD])).encode(), {}, models=MODELS)
    assert plan.question is None


@settings(deadline=None)
@example([(2, "Â¡")])
@given(
    st.lists(
        st.tuples(
            st.sampled_from([0, 2, 4]),
            st.text(st.characters(codec="utf-8", exclude_characters="\0\ufeff\ufffd"), min_size=1, max_size=30)
            .map(str.strip)
            .filter(bool),
        ),
        min_size=1,
        max_size=10,
    )
)
def test_a_written_table_makes_the_same_videos(rows: list[tuple[int, str]]) -> None:
    """What a batch's table was written of is planned again, with each model, whatever the prompts say.

    Letters that look as if they had been read wrongly before are asked about, as in any table.
    """
    videos = [plan_lines(list(MODELS)[number], "x", {}).videos[0] for number, _ in rows]
    for video, (_, text) in zip(videos, rows, strict=True):
        video.payload[str(video.card.prompt and video.card.prompt.name)] = text
    table = written_table(MODELS, [(video.card.model_id, video.payload) for video in videos])
    plan = plan_csv(CARD, table.encode(), {}, models=MODELS)
    if plan.question is not None:
        [answer] = [answer for answer, reading in plan.question.readings.items() if reading.text == table]
        plan = plan_csv(CARD, table.encode(), {}, [answer], models=MODELS)
    assert made(plan) == [(video.card.title, video.payload) for video in videos]


def test_a_model_that_is_gone_keeps_its_settings_in_a_table() -> None:
    """Its rows say which model made them."""
    table = written_table(MODELS, [("gone/model", {"prompt": "x", "steps": 3, "nothing": None}), (PLAIN.model_id, {})])
    assert table == f"model,prompt,steps,nothing\r\ngone/model,x,3,\r\n{PLAIN.model_id},,,\r\n"
