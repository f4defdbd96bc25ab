"""Other cards: the form, defaults, error messages and payloads."""

import json
from pathlib import Path
from typing import Any

import gradio as gr
import jsonschema
import pytest
from gradio_client import Client
from starlette.datastructures import QueryParams

from dreamina_ui.cards.batches.lines import plan_lines
from dreamina_ui.cards.batches.tables import plan_csv
from dreamina_ui.cards.links import link_of, values_from
from dreamina_ui.cards.model_card import PROBLEMS, Card, card_of, load_card
from dreamina_ui.cards.values import content_for, read_value, value_of, written_for
from dreamina_ui.errors import CardError, InvalidInput
from dreamina_ui.jobs import State
from dreamina_ui.ui.form import Form, build_form
from dreamina_ui.ui.translations import Fixed
from dreamina_ui.wording import LANGUAGES, Words
from tests.rig import rigged
from tests.servers import Server

FOLDER = Path(__file__).parents[1] / "cards"
pytestmark = pytest.mark.anyio

CARDS = {path.stem: load_card(path) for path in sorted(FOLDER.glob("*.json"))}
NAMES = sorted(CARDS)
WEB = "https://files.example.com/"
GOOD: dict[str, dict[str, Any]] = {
    "image-to-video": {
        "image": WEB + "a.png",
        "motion": "waves roll",
        "seed": 7,
        "last_image": WEB + "b.png?x=1,2&y=[z]",
    },
    "text-to-image": {
        "prompt": "a cup of tea",
        "negative_prompt": "",
        "width": 512,
        "guidance": 7.7,
        "loras": [WEB + "a.safetensors", WEB + "b,c.safetensors"],
        "strengths": [0.5, 1],
        "styles": ["ink"],
    },
    "text-to-audio": {"prompt": "calm piano", "lyrics": "[inst]", "duration": 12, "seed": 3},
    "video-editor": {
        "video": WEB + "a.mp4",
        "mask": None,
        "mode": "remove",
        "instruction": "the lamp",
        "strength": None,
        "keep_sound": False,
        "stabilise": True,
        "frames": 12,
        "box": {"x": 1, "y": 2},
        "anything": ["5", 5, None],
    },
    "lip-sync": {
        "face": WEB + "a.png",
        "speech": WEB + "a.wav",
        "language": None,
        "speed": 1.5,
        "pauses": [1, 20],
        "timing": [{"at": 1}],
        "voice": "calm-low",
    },
}
KINDS = {
    "image-to-video": ["address", "text", "address", "choice", "choice", "boolean", "integer"],
    "text-to-image": ["text", "text", "integer", "integer", "integer", "number", "choice", "list", "list", "list"],
    "text-to-audio": ["text", "text", "integer", "integer"],
    "video-editor": [
        *("address", "address", "choice", "text", "number", "boolean", "boolean", "integer", "json", "json"),
    ],
    "lip-sync": ["address", "address", "choice", "choice", "list", "json", "text"],
}
BAD: list[tuple[str, str, Any, str, str]] = [
    ("image-to-video", "image", None, "missing", "First frame: please fill this in."),
    ("image-to-video", "image", "", "missing", "First frame: please fill this in."),
    ("image-to-video", "image", "http://files.example.com/a.png", "not_address", "begins with https://"),
    ("image-to-video", "image", "/tmp/gradio/a.png", "not_address", "is not an address"),
    ("image-to-video", "image", "https://", "not_address", "is not an address"),
    ("image-to-video", "image", "https://me:pw@example.com/a", "not_address", "is not an address"),
    ("image-to-video", "image", "https://a b/c", "not_address", "is not an address"),
    ("image-to-video", "image", "https://example.com:99999/", "not_address", "is not an address"),
    (
        "image-to-video",
        "image",
        {"path": "/tmp/a.png", "meta": {"_type": "gradio.FileData"}},
        "no_upload",
        "no file can be",
    ),
    ("image-to-video", "motion", "ab", "too_short", "Motion: 2 characters, at least 3."),
    ("image-to-video", "resolution", "8k", "not_allowed", "“8k” is not one of 480p, 720p, 1080p."),
    ("image-to-video", "duration", "7", "not_allowed", "Seconds: “7” is not one of 5, 10."),
    ("image-to-video", "camera_fixed", "maybe", "not_boolean", "neither yes nor no"),
    ("image-to-video", "seed", 65536, "too_large", "at most 65,535"),
    ("text-to-image", "width", 500, "not_step", "500 is not a multiple of 64."),
    ("text-to-image", "steps", 0, "not_larger", "0, but it must be more than 0."),
    ("text-to-image", "guidance", 20, "not_smaller", "20, but it must be less than 20."),
    ("text-to-image", "guidance", 3.35, "not_step", "3.35 is not a multiple of 0.1."),
    ("text-to-image", "guidance", float("nan"), "not_number", "is not a number"),
    ("text-to-image", "loras", 5, "not_list", "5 is not a list"),
    ("text-to-image", "loras", [WEB + "a", "ftp://x"], "not_address", "LoRA files: “ftp://x” is not an address"),
    ("text-to-image", "loras", [{"path": "/a"}], "no_upload", "no file can be"),
    ("text-to-image", "loras", [WEB] * 4, "too_many_items", "4 entries, at most 3."),
    ("text-to-image", "strengths", [1, 3], "too_large", "3, at most 2."),
    ("text-to-image", "strengths", [1, "x"], "not_number", "“x” is not a number."),
    ("text-to-image", "styles", ["oil", "wax"], "not_allowed", "“wax” is not one of film, ink, oil."),
    ("text-to-image", "styles", ["oil", "oil"], "not_fitting", "non-unique"),
    ("video-editor", "video", WEB + "a" * 300, "too_long", "at most 300."),
    ("video-editor", "mode", "repaint", "not_allowed", "“repaint” is not one of replace, remove."),
    ("video-editor", "mode", None, "not_together", "These settings do not go together"),
    ("video-editor", "instruction", "x" * 81, "too_long", "81 characters, at most 80."),
    ("video-editor", "strength", 1.5, "too_large", "1.5, at most 1."),
    ("video-editor", "box", '{"x": 1,', "not_json", "this is not JSON (line 1, column 9)."),
    ("video-editor", "box", {"x": -1, "y": 0}, "not_fitting", "the model does not accept this"),
    ("video-editor", "box", {"x": 1, "y": 1, "z": 1}, "not_fitting", "the model does not accept this"),
    ("video-editor", "anything", {"n": [float("inf")]}, "invalid", "this value cannot be used"),
    ("lip-sync", "pauses", [], "too_few_items", "0 entries, at least 1."),
    ("lip-sync", "pauses", [1.5], "not_integer", "1.5 is not a whole number."),
    ("lip-sync", "timing", [{}], "not_fitting", "'at' is a required property"),
    ("lip-sync", "voice", "LOUD", "not_fitting", "does not match"),
    ("lip-sync", "speed", 2, "not_allowed", "2 is not one of 0.5, 1, 1.5."),
]


def form_of(card: Card) -> Form:
    with gr.Blocks(analytics_enabled=False):
        return build_form(card, Fixed())


def titled(card: Card, name: str, words: Words) -> str:
    field = card.field(name)
    return words.field_title(name, field.title if field else name)


@pytest.mark.parametrize("name", NAMES)
def test_kinds_and_order_of_fields(name: str) -> None:
    """Each property is a field of its kind, in the card's order."""
    card = CARDS[name]
    assert [field.name for field in card.fields] == list(card.source["input_schema"]["properties"])
    assert [field.kind for field in card.fields] == KINDS[name]


def test_limits_of_fields() -> None:
    """Limits, steps, list entries and null are read in each of their forms."""
    fields = {field.name: field for card in CARDS.values() for field in card.fields}
    assert (fields["steps"].least, fields["steps"].most) == (1, 50)
    assert (fields["guidance"].most, fields["guidance"].step) == (20, 0.1)
    assert fields["loras"].item is not None
    assert (fields["loras"].item.kind, fields["loras"].most_items, fields["pauses"].least_items) == ("address", 3, 1)
    assert {name for name, field in fields.items() if field.nullable} == {
        *("mask", "instruction", "strength", "stabilise", "box", "language"),
    }
    assert fields["language"].choices == ("en", "de", "fr")
    assert (fields["mode"].title, fields["mode"].choices) == ("Mode", ("replace", "remove"))
    assert fields["last_image"].default is None


@pytest.mark.parametrize("name", NAMES)
async def test_the_form_returns_the_defaults(name: str) -> None:
    """Every field has a control and a place for its problem; the controls initially hold the defaults."""
    card = CARDS[name]
    form = form_of(card)
    assert list(form.controls) == [field.name for field in card.fields]
    assert form.problems.keys() == form.controls.keys()
    needed = {field.name: GOOD[name][field.name] for field in card.fields if field.required}
    untouched = form.values({control: control.value for control in form.controls.values()})
    assert card.validate({**untouched, **needed}) == card.validate(needed)


@pytest.mark.parametrize("name", NAMES)
async def test_values_survive_form_link_and_table(name: str) -> None:
    """A payload is the same after a round trip through the form, a link and a table row."""
    card = CARDS[name]
    payload = card.validate(GOOD[name])
    schema = card.source["input_schema"]
    if "nullable" not in json.dumps(schema):
        jsonschema.validate(payload, schema)
    form = form_of(card)
    assert card.validate(form.values(form.contents(payload))) == payload
    values, fault = values_from(card, QueryParams(link_of(card, payload).removeprefix("?")))
    assert fault is None
    assert card.validate(values) == payload
    for field in card.fields:
        value = payload.get(field.name)
        assert read_value(field, content_for(field, value)) == value or (value == "" and field.kind == "text")
        assert value is None or value_of(field, written_for(field, value)) == value


@pytest.mark.parametrize(("name", "field", "value", "problem", "words"), BAD)
def test_a_bad_value_is_one_sentence(name: str, field: str, value: Any, problem: str, words: str) -> None:
    """The problem has a sentence with all its facts in both languages."""
    card = CARDS[name]
    with pytest.raises(InvalidInput) as caught:
        card.validate({**GOOD[name], field: value})
    assert caught.value.problem == problem
    assert problem in PROBLEMS
    assert "\n" not in str(caught.value)
    for language in LANGUAGES:
        sentence = Words(language).field_problem(caught.value, titled(card, field, Words(language)))
        assert "?" not in sentence
        assert "\n" not in sentence
        assert language != "en" or words in sentence


@pytest.mark.parametrize("name", NAMES)
async def test_a_service_with_another_card_makes_its_video(name: str, tmp_path: Path) -> None:
    """The payload is sent with its nulls, and a video is saved, whatever the names of the fields."""
    card = CARDS[name]
    async with rigged(tmp_path / "rig", card=card) as rig:
        [job] = await rig.engine.submit("ann", GOOD[name])
        ended = await rig.finish(job)
        assert ended.state is State.SUCCEEDED, ended
        [record] = rig.simulator.ledger.records.values()
        assert record.input == card.validate(GOOD[name])
        assert record.model_id == card.model_id


@pytest.mark.parametrize("name", NAMES)
async def test_a_bad_value_is_not_sent(name: str, tmp_path: Path) -> None:
    """A click with an invalid value sends nothing."""
    async with rigged(tmp_path / "rig", card=CARDS[name]) as rig:
        for bad, field, value, _, _ in BAD:
            if bad == name:
                with pytest.raises(InvalidInput):
                    await rig.engine.submit("ann", {**GOOD[name], field: value})
        assert rig.gate.posts == 0


def test_a_batch_for_another_card() -> None:
    """Lines fill the prompt field; a table's cells are read by the kinds of their fields."""
    plan = plan_lines(CARDS["image-to-video"], "waves\nclouds\n", {"image": WEB + "a.png"})
    assert [payload["motion"] for payload in plan.payloads] == ["waves", "clouds"]
    table = f'face,speech,pauses,language,timing\n{WEB}a.png,{WEB}a.wav,"1;2",,"[{{""at"": 3}}]"\n'
    plan = plan_csv(CARDS["lip-sync"], table.encode(), {})
    assert not plan.problems
    assert (plan.payloads[0]["pauses"], plan.payloads[0]["timing"]) == ([1, 2], [{"at": 3}])


def test_a_batch_reports_values_that_do_not_fit_together() -> None:
    """Values that are valid alone, but not together, are a problem of their row."""
    table = f"video,mask,instruction\n{WEB}a.mp4,{WEB}b.png,the lamp\n"
    plan = plan_csv(CARDS["video-editor"], table.encode(), {})
    assert [(problem.line, problem.problem) for problem in plan.problems] == [(2, "not_together")]


def test_a_card_of_one_field_says_what_the_whole_refuses() -> None:
    """A rule of the whole card is no rule of its only field: a value that breaks it is a problem of its row."""
    source = card_with(prompt={"type": "string"})
    source["input_schema"]["not"] = {"properties": {"prompt": {"const": "no"}}}
    card = card_of("card.json", source)
    with pytest.raises(InvalidInput, match="should not be valid"):
        card.validate({"prompt": "no"})
    plan = plan_csv(card, b"prompt\nyes\nno\n", {})
    assert [(problem.line, problem.field, problem.problem) for problem in plan.problems] == [
        (3, "prompt", "not_together")
    ]


def test_a_seed_is_drawn_within_the_cards_limits() -> None:
    """The seeds of variations stay within the card's limits."""
    payload = {"seed": 65535}
    assert CARDS["image-to-video"].with_seed(payload, lambda n: n - 1, variation=1)["seed"] == 0


def card_with(**properties: Any) -> dict[str, Any]:
    return {"model_id": "m", "input_schema": {"type": "object", "properties": properties}}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (card_with(a={"enum": ["1", 1]}), "a has an enum of mixed kinds"),
        (card_with(a={"enum": [{}, []]}), "a has an enum of mixed kinds"),
        (card_with(a={"enum": []}), "a has an empty enum"),
        (card_with(a={"type": "string", "pattern": "("}), "is not a 'regex'"),
        (card_with(a={"type": "array", "items": {"type": "integer"}, "default": ["x"]}), "the default of a is outside"),
        (card_with(a={"type": "number", "multipleOf": 0.5, "default": 0.7}), "the default of a is outside"),
        (card_with(a={"type": "object", "required": ["x"], "default": {}}), "the default of a is outside"),
        (card_with(a={"$ref": "https://example.com/schema.json"}), "https://example.com/schema.json is referred to"),
        (card_with(a={"$ref": "#/$defs/none"}), "does not stand in its input_schema"),
        (card_with(a={"$ref": "#/properties/a"}), "a refers to itself"),
        ({"model_id": "m", "input_schema": {"type": "object", "required": ["b"], "properties": {}}}, "b is required"),
    ],
)
def test_an_unusable_card_is_one_sentence(source: dict[str, Any], message: str) -> None:
    """The error is one line that names the card and the field."""
    with pytest.raises(CardError) as caught:
        card_of("card.json", source)
    assert message in str(caught.value)
    assert str(caught.value).startswith("card.json")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", NAMES)
def test_a_studio_for_another_card(name: str, tmp_path: Path) -> None:
    """With one setting, the endpoints have the card's fields, and a call with its values makes a job."""
    server = Server(tmp_path, DREAMINA_BACKEND="simulator", DREAMINA_MODEL_CARD=str(FOLDER / f"{name}.json"))
    server.start()
    try:
        client = Client(server.address, verbose=False)
        described = client.view_api(return_format="dict", print_info=False)
        assert isinstance(described, dict)
        parameters = described["named_endpoints"]["/submit"]["parameters"]
        assert {parameter["parameter_name"] for parameter in parameters} == {field.name for field in CARDS[name].fields}
        assert client.predict(**GOOD[name], api_name="/submit")["state"] == "waiting"
    finally:
        server.stop()
    assert "Traceback" not in server.log


async def test_a_number_may_be_left_empty() -> None:
    """An optional number has a text control, because a number control would send 0 for nothing."""
    card = CARDS["image-to-video"]
    form = form_of(card)
    assert isinstance(form.controls["seed"], gr.Textbox)
    for held, value in (("", None), (" 12 ", 12), ("12.0", 12), (12, 12)):
        assert form.values({form.controls["seed"]: held}) == {"seed": value}
    with pytest.raises(InvalidInput, match="seed: “many” is not a whole number"):
        card.validate({**GOOD["image-to-video"], **form.values({form.controls["seed"]: "many"})})
