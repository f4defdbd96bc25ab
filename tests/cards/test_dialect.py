"""Schemas as services write them: form, checks and payload. None is refused, and no medium is a line of text."""

import json
from dataclasses import dataclass, field
from typing import Any

import gradio as gr
import pytest
from starlette.datastructures import QueryParams

from dreamina_ui.cards.batches.tables import plan_csv
from dreamina_ui.cards.links import link_of, values_from
from dreamina_ui.cards.media.file_names import NamedFile
from dreamina_ui.cards.media.media_rules import RULE_PROBLEMS, Measures, broken, rules_of
from dreamina_ui.cards.model_card import Card, Field, card_of
from dreamina_ui.errors import InvalidInput
from dreamina_ui.ui.form import build_form
from dreamina_ui.ui.translations import Fixed
from dreamina_ui.wording import LANGUAGES, Words, texts_of

WEB = "https://media.example.org/"
UPLOADED = NamedFile("my cat.png", "0123456789abcdef" * 2).text


@dataclass(frozen=True)
class Shape:
    """Properties as a service writes them, and what is right: kinds with what an address leads to, payload, refusals."""

    properties: dict[str, Any]
    kinds: dict[str, str]
    given: dict[str, Any] = field(default_factory=dict)
    sent: dict[str, Any] = field(default_factory=dict)
    refused: tuple[tuple[str, Any, str], ...] = ()
    required: tuple[str, ...] = ()
    beside: dict[str, Any] = field(default_factory=dict)
    """What the schema has beside its properties."""
    document: dict[str, Any] = field(default_factory=dict)
    """What the card has beside its schema."""


SHAPES = {
    "types of programming languages": Shape(
        {
            "strength": {"type": "float", "minimum": 0, "maximum": 1, "default": 0.35},
            "steps": {"type": "int", "minimum": 1, "default": 30},
            "loop": {"type": "bool", "default": False},
            "style": {"type": "str", "default": ""},
            "weights": {"type": "list", "items": {"type": "double"}},
        },
        {"strength": "number", "steps": "integer", "loop": "boolean", "style": "text", "weights": "list"},
        {"strength": "0.5", "weights": "0.25; 1"},
        {"strength": 0.5, "steps": 30, "loop": False, "style": "", "weights": [0.25, 1]},
        (("strength", "1.5", "too_large"), ("strength", "much", "not_number"), ("steps", 2.5, "not_integer")),
    ),
    "one picture and its end": Shape(
        {
            "image_url": {"type": "string", "format": "image_uri"},
            "end_image_url": {"type": "string", "format": "image_uri", "default": None},
        },
        {"image_url": "address image", "end_image_url": "address image"},
        {"image_url": WEB + "a.png"},
        {"image_url": WEB + "a.png"},
        (
            ("image_url", "not a url", "not_address"),
            ("image_url", "file:///home/ann/cat.png", "file_address"),
            ("image_url", "https://127.0.0.1/cat.png", "inside_address"),
            ("image_url", "https://[::1]/cat.png", "inside_address"),
            ("image_url", "https://2130706433/cat.png", "inside_address"),
            ("image_url", "https://nas.local/cat.png", "inside_address"),
            ("image_url", "https://nas/cat.png", "inside_address"),
            ("image_url", "https://169.254.169.254/latest", "inside_address"),
            ("image_url", "data:image/png;base64,AAAA", "not_address"),
            ("image_url", "http://media.example.org/a.png", "not_address"),
            ("image_url", None, "missing"),
            ("end_image_url", "cat.png", "not_address"),
        ),
        required=("image_url",),
    ),
    "lists of media without entries described": Shape(
        {
            "images": {"type": "array", "format": "image_uris", "minItems": 1, "maxItems": 2},
            "clips": {"type": "array", "format": "video_uris"},
            "tracks": {"format": "audio_uris", "maxItems": 1},
        },
        {"images": "list image", "clips": "list video", "tracks": "list audio"},
        {"images": f"{WEB}a.png\n{WEB}b.png", "tracks": [WEB + "a.mp3"]},
        {"images": [WEB + "a.png", WEB + "b.png"], "tracks": [WEB + "a.mp3"]},
        (
            ("images", [WEB, WEB, WEB], "too_many_items"),
            ("images", ["no"], "not_address"),
            ("clips", ["https://10.0.0.8/a.mp4"], "inside_address"),
            ("images", [], "too_few_items"),
        ),
        required=("images",),
    ),
    "null for what is not set": Shape(
        {
            "seed": {"type": "integer", "default": None, "minimum": None, "maximum": 2147483647, "enum": None},
            "voice": {"type": "string", "default": None, "title": None, "description": None, "format": None},
        },
        {"seed": "integer", "voice": "text"},
        {"seed": "12"},
        {"seed": 12},
        (("seed", "x", "not_integer"),),
    ),
    "limits of an old draft": Shape(
        {
            "speed": {
                "type": "number",
                "minimum": 0,
                "exclusiveMinimum": True,
                "maximum": 4,
                "exclusiveMaximum": False,
            },
            "count": {"type": "integer", "maximum": 8, "exclusiveMaximum": True, "divisibleBy": 2},
            "size": {"type": "integer", "minimum": "64", "maximum": "2048", "multipleOf": "64", "default": "512"},
        },
        {"speed": "number", "count": "integer", "size": "integer"},
        {"speed": 4, "count": 6},
        {"speed": 4, "count": 6, "size": 512},
        (("speed", 0, "not_larger"), ("count", 8, "not_smaller"), ("count", 5, "not_step"), ("size", 32, "too_small")),
    ),
    "choices by reference": Shape(
        {
            "ratio": {"$ref": "#/components/schemas/Ratio", "default": "4:5"},
            "quality": {"allOf": [{"$ref": "#/definitions/Quality"}], "default": "high"},
            "mood": {"type": "string", "enum": {"$ref": "#/$defs/Moods/enum"}},
        },
        {"ratio": "choice", "quality": "choice", "mood": "choice"},
        {"mood": "dark"},
        {"ratio": "4:5", "quality": "high", "mood": "dark"},
        (("ratio", "1:9", "not_allowed"), ("mood", "odd", "not_allowed")),
        beside={"definitions": {"Quality": {"type": "string", "enum": ["high", "low"]}}},
        document={
            "components": {"schemas": {"Ratio": {"type": "string", "enum": ["4:5", "5:4"]}}},
            "$defs": {"Moods": {"enum": ["dark", "light"]}},
        },
    ),
    "choices in other forms": Shape(
        {
            "camera": {"type": "string", "options": ["still", "orbit"], "default": ""},
            "look": {"oneOf": [{"const": "film", "title": "Film"}, {"const": "ink", "title": "Ink"}]},
            "seconds": {"type": "integer", "enum": ["4", "8"], "default": 4},
            "length": {"enum": ["auto", 6, 12], "default": "auto"},
            "model": {"type": "string", "enum": [{"value": "a", "label": "A"}, {"value": "b", "label": "B"}]},
        },
        dict.fromkeys(("camera", "look", "seconds", "length", "model"), "choice"),
        {"length": "12", "look": "ink", "model": "b"},
        {"seconds": "4", "length": 12, "look": "ink", "model": "b"},
        (("length", "7", "not_allowed"), ("camera", "fly", "not_allowed")),
    ),
    "samples in place of defaults": Shape(
        {
            "video_url": {"type": "string", "format": "video_uri", "default": WEB + "sample.mp4"},
            "image_urls": {"type": "array", "format": "image_uris", "default": [WEB + "sample.png"]},
            "lora": {"type": "string", "default": WEB + "sample.safetensors"},
            "scene": {"type": "object", "default": {"sky": WEB + "sky.hdr"}},
        },
        {"video_url": "address video", "image_urls": "list image", "lora": "address file", "scene": "json"},
        {"video_url": WEB + "mine.mp4"},
        {"video_url": WEB + "mine.mp4"},
        (("video_url", None, "missing"), ("lora", "sample", "not_address")),
        required=("video_url",),
    ),
    "media that only their names tell": Shape(
        {
            "first_frame_url": {"type": "string"},
            "referenceImage": {"type": "string", "description": "A picture to follow"},
            "audio_uris": {"type": "array", "items": {"type": "string"}},
            "images": {"type": "array", "items": {}},
            "lyrics": {"type": "string"},
            "image_strength": {"type": "number", "default": 1},
        },
        {
            "first_frame_url": "address image",
            "referenceImage": "address image",
            "audio_uris": "list audio",
            "images": "list image",
            "lyrics": "text",
            "image_strength": "number",
        },
        {"referenceImage": WEB + "a.png", "lyrics": "la la"},
        {"referenceImage": WEB + "a.png", "lyrics": "la la", "image_strength": 1},
        (("first_frame_url", "a.png", "not_address"), ("audio_uris", ["la"], "not_address")),
    ),
    "media by other words": Shape(
        {
            "mask": {"type": "image"},
            "sources": {"type": "array", "items": "video"},
            "speech": {"type": "string", "contentMediaType": "audio/wav"},
            "poster": {"type": "string", "format": "binary"},
            "face": {"type": "string", "format": "image-url", "pattern": r"^https://.*\.(png|jpg)$", "maxLength": 40},
        },
        {
            "mask": "address image",
            "sources": "list video",
            "speech": "address audio",
            "poster": "address file",
            "face": "address image",
        },
        {"mask": WEB + "m.png", "sources": [WEB + "a.mp4"], "face": UPLOADED},
        {"mask": WEB + "m.png", "sources": [WEB + "a.mp4"], "face": UPLOADED},
        (("face", WEB + "a.gif", "not_fitting"), ("speech", "hello", "not_address")),
    ),
    "one address or several": Shape(
        {
            "image": {"anyOf": [{"type": "string", "format": "uri"}, {"type": "string", "format": "data-url"}]},
            "video": {"anyOf": [{"type": "string", "format": "video_uri"}, {"type": "null"}], "default": None},
            "refs": {
                "oneOf": [
                    {"type": "string", "format": "image_uri"},
                    {"type": "array", "items": {"type": "string", "format": "image_uri"}, "maxItems": 3},
                ]
            },
            "tail": {"type": ["string", "null"], "format": "image_uri"},
        },
        {"image": "address image", "video": "address video", "refs": "list image", "tail": "address image"},
        {"image": WEB + "a.png", "refs": [WEB + "b.png"], "tail": None},
        {"image": WEB + "a.png", "refs": [WEB + "b.png"]},
        (("refs", [WEB] * 4, "too_many_items"), ("image", "x", "not_address"), ("video", "x", "not_address")),
    ),
    "addresses within other JSON": Shape(
        {
            "shots": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["image"],
                    "properties": {
                        "image": {"type": "string", "format": "image_uri"},
                        "seconds": {"type": "float", "minimum": 0, "exclusiveMinimum": True},
                    },
                },
            }
        },
        {"shots": "json"},
        {"shots": json.dumps([{"image": WEB + "a.png", "seconds": 1.5}])},
        {"shots": [{"image": WEB + "a.png", "seconds": 1.5}]},
        (
            ("shots", [{"image": "cat.png"}], "not_address"),
            ("shots", [{"image": "https://192.168.1.4/a.png"}], "inside_address"),
            ("shots", [{"image": WEB, "seconds": 0}], "not_fitting"),
            ("shots", '[{"image": "https://a.example.org/b", "seconds": 0.12345678901234567890}]', "not_exact"),
        ),
    ),
    "required within the property": Shape(
        {"prompt": {"type": "string", "required": True}, "tail": {"type": "string", "required": False}},
        {"prompt": "text", "tail": "text"},
        {"prompt": "a kite"},
        {"prompt": "a kite"},
        (("prompt", None, "missing"), ("prompt", " ", "blank")),
    ),
    "defaults of another type": Shape(
        {
            "scale": {"type": "float", "default": "7.5"},
            "frames": {"type": "integer", "default": 81.0},
            "sound": {"type": "boolean", "default": "true"},
            "width": {"type": "integer", "default": ""},
        },
        {"scale": "number", "frames": "integer", "sound": "boolean", "width": "integer"},
        {},
        {"scale": 7.5, "frames": 81, "sound": True},
        (("sound", "perhaps", "not_boolean"),),
    ),
    "large numbers": Shape(
        {
            "seed": {"type": "integer", "minimum": 0, "maximum": 18446744073709551615},
            "id": {"type": "integer", "enum": [9007199254740993, 9007199254740995]},
            "x": {"type": "float"},
        },
        {"seed": "integer", "id": "choice", "x": "number"},
        {"seed": "9007199254740993", "id": "9007199254740995", "x": "9007199254740993"},
        {"seed": 9007199254740993, "id": 9007199254740995, "x": 9007199254740993},
        (
            ("seed", "18446744073709551616", "too_large"),
            ("x", "99999999999999999999", "not_exact"),
            ("x", "0.12345678901234567890", "not_exact"),
            ("x", "-" + "9" * 30, "not_exact"),
        ),
    ),
    "what says nothing of its type": Shape(
        {"extra": {"type": "any"}, "pair": {"type": "array", "items": [{"type": "int"}, {"type": "str"}]}},
        {"extra": "json", "pair": "json"},
        {"extra": {"a": 1}, "pair": '[1, "b"]'},
        {"extra": {"a": 1}, "pair": [1, "b"]},
        (("pair", "[true]", "not_fitting"),),
    ),
    "rules of a service's own": Shape(
        {
            "image": {
                "type": "string",
                "format": "image_uri",
                "validations": [
                    {"validation_rule": "file_size_mb<", "validation_value": 8, "validation_error": "too big"},
                    {"validation_rule": "width_pixels>", "validation_value": "239"},
                    {"validation_rule": "width/height<", "validation_value": 2.5},
                    {"validation_rule": "color_depth<", "validation_value": 16},
                ],
            },
            "refs": {
                "type": "array",
                "format": "image_uris",
                "validations": [{"validation_rule": "height_pixels>=64"}],
            },
        },
        {"image": "address image", "refs": "list image"},
        {"image": UPLOADED},
        {"image": UPLOADED},
        (("image", "upload:x#12", "not_address"),),
    ),
}


def card(shape: Shape) -> Card:
    schema = {"type": "object", "properties": shape.properties, **shape.beside}
    schema |= {"required": list(shape.required)} if shape.required else {}
    return card_of("card.json", {"model_id": "maker/model", "input_schema": schema, **shape.document})


def kind(described: Field) -> str:
    return " ".join(filter(None, (described.kind, described.media)))


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_has_its_form(name: str) -> None:
    """Every property is a field of its kind with a control; none of them holds what was only a sample."""
    shape, of = SHAPES[name], card(SHAPES[name])
    assert {each.name: kind(each) for each in of.fields} == shape.kinds
    with gr.Blocks(analytics_enabled=False):
        form = build_form(of, Fixed())
    assert list(form.controls) == list(shape.properties)
    assert "sample" not in json.dumps([control.value for control in form.controls.values()])
    contents = form.contents(of.validate(shape.given))
    # Browsers know no larger whole numbers: what passes through them is text.
    assert all(abs(held) < 2**53 for held in contents.values() if isinstance(held, int | float))
    assert of.validate(form.values(contents)) == of.validate(shape.given)


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_is_sent(name: str) -> None:
    """The payload has what was given and the defaults, exactly; a link brings the same."""
    shape, of = SHAPES[name], card(SHAPES[name])
    payload = of.validate(shape.given)
    assert payload == shape.sent
    assert json.loads(json.dumps(payload)) == payload
    values, fault = values_from(of, QueryParams(link_of(of, payload).removeprefix("?")))
    assert fault is None
    assert of.validate(values) == payload


@pytest.mark.parametrize(
    ("name", "of_field", "value", "problem"),
    [(name, *refused) for name, shape in SHAPES.items() for refused in shape.refused],
)
def test_a_value_that_a_shape_does_not_take(name: str, of_field: str, value: Any, problem: str) -> None:
    """It is refused before anything is sent, with one sentence in each language."""
    shape = SHAPES[name]
    with pytest.raises(InvalidInput) as caught:
        card(shape).validate({**shape.given, of_field: value})
    assert (caught.value.field, caught.value.problem) == (of_field, problem)
    for language in LANGUAGES:
        sentence = Words(language).field_problem(caught.value, of_field)
        assert "?" not in sentence
        assert "\n" not in sentence


def test_a_sample_is_only_shown() -> None:
    """The form names it as an example; the endpoints and the tools have no default that would send it."""
    of = card(SHAPES["samples in place of defaults"])
    samples = {each.name: (each.sample, each.default) for each in of.fields}
    assert samples["video_url"] == (WEB + "sample.mp4", None)
    assert samples["image_urls"] == (WEB + "sample.png", None)
    with gr.Blocks(analytics_enabled=False):
        form = build_form(of, Fixed())
    assert getattr(form.controls["video_url"], "placeholder", "") == WEB + "sample.mp4"


def test_rules_of_a_file() -> None:
    """Size, width, height, pixels, ratio and length are understood; what is not is said, and never relied on."""
    image = card(SHAPES["rules of a service's own"]).field("image")
    refs = card(SHAPES["rules of a service's own"]).field("refs")
    assert image is not None
    assert refs is not None
    assert [(rule.quantity, rule.sign, rule.bound) for rule in image.rules] == [
        ("bytes", "<", 8_000_000 - 1),
        ("width", ">", 240),
        ("ratio", "<", 2.5),
    ]
    assert image.unread_rules == ("color_depth< 16",)
    assert [(rule.quantity, rule.sign, rule.limit) for rule in refs.rules] == [("height", ">=", 64)]


@pytest.mark.parametrize(
    ("rule", "value", "fits", "breaks"),
    [
        ("file_size_mb<=", 1, Measures(1_000_000), Measures(1_000_001)),
        ("file_size_kb<", "2", Measures(1999), Measures(2000)),
        ("height/width<=", "3:1", Measures(1, 100, 300), Measures(1, 100, 301)),
        ("aspect_ratio>=", 0.4, Measures(1, 40, 100), Measures(1, 39, 100)),
        ("megapixels<", 2, Measures(1, 1000, 1999), Measures(1, 1000, 2000)),
        ("width * height >", 100, Measures(1, 11, 10), Measures(1, 10, 10)),
        ("duration_seconds<=", 10, Measures(1, duration_s=10), Measures(1, duration_s=10.5)),
        ("min(width, height)>=", 320, Measures(1, 320, 900), Measures(1, 900, 319)),
        ("max_side ≤", 4096, Measures(1, 4096, 9), Measures(1, 9, 4097)),
    ],
)
def test_a_rule_is_kept_or_broken(rule: str, value: Any, fits: Measures, breaks: Measures) -> None:
    """At its limit, and one step beyond; what is not known of a file breaks nothing."""
    rules, others = rules_of([{"validation_rule": rule, "validation_value": value, "validation_error": "no"}])
    assert others == ()
    assert list(broken(rules, fits)) == []
    [(found, _)] = broken(rules, breaks)
    assert f"{found.quantity}_{'most' if found.is_upper else 'least'}" in RULE_PROBLEMS
    assert not [each for each in rules if each.quantity != "bytes" and list(broken([each], Measures(1)))]


def test_every_rule_has_its_sentence() -> None:
    for language in LANGUAGES:
        assert {f"problem.{problem}" for problem in RULE_PROBLEMS} <= texts_of(language).keys()


def test_rules_that_are_none_are_left_alone() -> None:
    """Whatever stands in the place of rules, a card loads."""
    odds: list[Any] = [
        None,
        "x",
        5,
        {},
        [None, 5, {}, {"validation_rule": None}, {"validation_rule": "width<"}],
        [["width<5"]],
    ]
    for odd in odds:
        rules, _ = rules_of(odd)
        assert rules == ()
    assert rules_of([{"validation_rule": "width<", "validation_value": True}])[0] == ()


@pytest.mark.parametrize(
    ("written", "comma", "meant"),
    [("1,250", True, 1.25), ("1,250", False, None), ("1.250,5", True, 1250.5), ("0,5", False, 0.5), ("0.5", True, 0.5)],
)
def test_a_decimal_comma_is_read_where_the_page_speaks_german(written: str, comma: bool, meant: float | None) -> None:
    """In the form, in a link, and in a table; elsewhere what may be thousands is refused."""
    of = card(Shape({"prompt": {"type": "string"}, "scale": {"type": "float"}}, {}))
    with gr.Blocks(analytics_enabled=False):
        form = build_form(of, Fixed())
    typed = form.values({form.controls["scale"]: written}, comma=comma)["scale"]
    linked, _ = values_from(of, {"scale": written}, comma=comma)
    plan = plan_csv(of, f"prompt;scale\na;{written}\n".encode(), {}, comma=comma)
    assert Words("de").decimal_comma
    assert not Words("en").decimal_comma
    if meant is None:
        assert typed == written
        assert linked == {}
        assert [problem.problem for problem in plan.problems] == ["not_number"]
    else:
        assert (typed, linked["scale"], plan.payloads[0]["scale"]) == (meant, meant, meant)


def test_a_list_of_decimals_is_not_cut_at_their_commas() -> None:
    """Where the page speaks German, "0,5" is one number also in a list."""
    of = card(SHAPES["types of programming languages"])
    with gr.Blocks(analytics_enabled=False):
        form = build_form(of, Fixed())
    control = form.controls["weights"]
    assert form.values({control: "0,5"}, comma=True) == {"weights": [0.5]}
    assert form.values({control: "0,5, 1,25"}, comma=True) == {"weights": [0.5, 1.25]}
    assert form.values({control: "0.5, 1"}, comma=False) == {"weights": [0.5, 1]}
