"""A model as its card describes it: which inputs it accepts, what is rendered for them, and the names of its outputs."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend
from referencing import Registry

from dreamina_ui.simulator.drawing.renderers import RenderJob

__all__ = ["SOUNDS", "Card", "Medium", "Place", "Refusal"]

Place = tuple[Any, ...]
"""Where a value stands in a body, as a detail of a refusal names it."""
SOUNDS = ("mp3", "wav", "flac")
"""Endings of the files that sounds are made as; the first one where an input wants no other."""
_LONGEST_MESSAGE = 300
_LONGEST_S = 30
_LONGEST_SOUND_S = 300
_SMALLEST, _LARGEST = 64, 2560
"""Limits of width and height, in pixels."""
_FASTEST = 60
"""Frames a second."""
_SIZE = re.compile(r"(\d{2,4})×(\d{2,4})")
_RATIO = re.compile(r"(\d{1,2}):(\d{1,2})")
_HEIGHT = re.compile(r"(\d{3,4})p")
_OUTPUTS_MOST = 16
_STILL_FRAMES = 2 * _OUTPUTS_MOST
"""Frames of the video that images are taken from: enough for `_OUTPUTS_MOST` different ones."""
_COUNTS = ("num_images", "num_outputs", "num_videos", "batch_size", "num_audios", "n")
_MAKES = re.compile(r"to-(video|image|audio|music|song|speech|sound|voice)")
_OF_SOUND = re.compile(r"audio|sound|music|speech|voice|song")
_OF_MEDIA = re.compile(r"image|picture|photo|frame|face|mask|avatar|reference|video|clip|movie|" + _OF_SOUND.pattern)
_ADDRESS = re.compile(r"(?:(image|video|audio|file)_)?ur[il]s?")
"""The formats of addresses."""
_FILE = re.compile(r"data:(?:image|video|audio)/[\w.+-]+;(?:base64|sha256),", re.ASCII)
"""How a file begins, or what stands for it in a record, in a field that says nothing of addresses."""
_AT_THE_END = re.compile(r"(?:^|_)(?:last|end|tail|final)(?:_|$)")


class Refusal(Exception):
    """Refuses a call: `code` is the HTTP status, `body` the JSON of the reply."""

    def __init__(self, code: int, error_code: int, message: str, **more: Any) -> None:
        super().__init__(message)
        self.code = code
        self.body: dict[str, Any] = {"error_code": error_code, "error_message": message, **more}

    @classmethod
    def invalid(cls, detail: list[dict[str, Any]]) -> Refusal:
        """422001; `detail` has the place (`loc`), the message (`msg`) and the rule (`type`) of each error."""
        return cls(422, 422001, "The input is not valid.", detail=detail)


@dataclass(frozen=True, slots=True)
class Medium:
    """A picture, video, sound or other file of an input: its address or data URI, and the rules of its field.

    `is_shown` if it is known to be one of the first three.
    """

    place: Place
    text: str
    rules: Any
    is_shown: bool


@dataclass(frozen=True, slots=True)
class Card:
    """One model, as its card (JSON) describes it."""

    model_id: str
    title: str
    task: str
    frames_per_second: int
    input_schema: Mapping[str, Any]
    output_schema: Mapping[str, Any]
    validator: Any

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Card:
        model_id, schema = str(content["model_id"]), content["input_schema"]
        return cls(
            model_id, str(content.get("title", model_id)), str(content.get("task", "")),
            int(content.get("frames_per_second", 24)), schema, content.get("output_schema", {}),
            _Validator({**_with_nulls(schema), "additionalProperties": False}, registry=Registry()),
        )  # fmt: skip

    def check(self, given: Any) -> dict[str, Any]:
        """Return `given` unchanged. Raises `Refusal` with every error of it."""
        errors = sorted(self.validator.iter_errors(given), key=lambda error: str(error.json_path))
        if errors or not isinstance(given, dict):
            detail = [
                {"loc": ["body", *e.absolute_path], "msg": e.message[-_LONGEST_MESSAGE:], "type": e.validator}
                for e in errors
            ]
            raise Refusal.invalid(detail)
        return given

    def media(self, given: Mapping[str, Any]) -> list[Medium]:
        """The files of an input in the order of its fields; those that the video is to end with are the last."""
        found = [medium for name, value in given.items() for medium in self._media_of(name, value)]
        return sorted(found, key=lambda medium: bool(_AT_THE_END.search(str(medium.place[1]).lower())))

    def _media_of(self, name: str, value: Any) -> Iterator[Medium]:
        spec = self._properties.get(name, {})
        format_ = _address_format(spec)
        is_known = format_ is not None and bool(format_[1] or _OF_MEDIA.search(name.lower()))
        rules = spec.get("validations") or _items(spec).get("validations")
        for place, text in _texts(value, ("body", name)):
            if format_ is not None or _FILE.match(text):
                yield Medium(place, text, rules, is_known or text.startswith("data:"))

    def render_job(self, request_id: str, given: Mapping[str, Any]) -> RenderJob:
        """The renderer's job for an input; values that are absent are the schema's defaults."""

        def value(name: str, otherwise: Any) -> Any:
            return given.get(name, self._properties.get(name, {}).get("default", otherwise))

        width, height, adapts = _size(value)
        seed = _number(value("seed", None))
        if seed is None or seed < 0:  # from the id, so that a resumed request makes the same video
            seed = int.from_bytes(hashlib.sha256(request_id.encode()).digest()[:4], "big")
        fps = min(max(int(_number(value("fps", None)) or self.frames_per_second), 1), _FASTEST)
        return RenderJob(
            request_id, self._prompt(given), width, height, self._frames(value, fps), fps, int(seed),
            media=tuple(medium.text for medium in self.media(given) if medium.is_shown and medium.text),
            adapts=adapts, has_sound=self._has_sound(value),
        )  # fmt: skip

    def _frames(self, value: Callable[[str, Any], Any], fps: int) -> int:
        if self.makes_images:
            return _STILL_FRAMES
        frames = _number(value("frames", value("num_frames", None)))
        seconds = _number(value("duration", value("duration_s", value("seconds", None))))
        sounds = self.makes_sounds
        # A video of five seconds has one frame more than five seconds of sound.
        more = 0 if sounds else 1
        count = frames if frames is not None else 5 * fps + 1 if seconds is None else seconds * fps + more
        return int(min(max(count, 1), (_LONGEST_SOUND_S if sounds else _LONGEST_S) * fps))

    def _has_sound(self, value: Callable[[str, Any], Any]) -> bool:
        """Whether the video has sound: by a switch for it, or a sound that is given; else if the outputs name one."""
        if self.makes_images or self.makes_sounds:
            return False
        names = [name for name in self._properties if _OF_SOUND.search(name.lower())]
        switches = [value(name, None) for name in names if self._properties[name].get("type") == "boolean"]
        if switches:
            return all(switches)
        has_given = any(value(name, None) for name in names if _address_format(self._properties[name]) is not None)
        return has_given or bool(self._outputs & {"audio", "audios"})

    def _prompt(self, given: Mapping[str, Any]) -> str:
        """The prompt; else the first text that is neither a URL nor a choice; else the model's title."""
        if isinstance(prompt := given.get("prompt"), str):
            return prompt
        texts = (
            str(given[name])
            for name, about in self._properties.items()
            if isinstance(given.get(name), str)
            and not {"format", "enum"} & set(about)
            and not re.search(r"://|^data:", given[name])
        )
        return next(texts, self.title)

    @property
    def makes_images(self) -> bool:
        return bool(self._outputs & {"image", "images"}) and not self._outputs & {"video", "videos"}

    @property
    def makes_sounds(self) -> bool:
        return bool(self._outputs & {"audio", "audios"}) and not self._outputs & {"video", "videos", "image", "images"}

    @property
    def _properties(self) -> Mapping[str, Any]:
        properties: Mapping[str, Any] = self.input_schema.get("properties", {})
        return properties

    @property
    def _outputs(self) -> AbstractSet[str]:
        """The names of the outputs; of a card without any, by what its task or its model's id says that it makes."""
        names: AbstractSet[str] = self.output_schema.get("properties", {}).keys()
        if names:
            return names
        made = _MAKES.search(self.task) or _MAKES.search(self.model_id)
        made_name = made[1] if made else "video"
        return {made_name if made_name in ("video", "image") else "audio"}

    def outputs(self, given: Mapping[str, Any], url: str) -> dict[str, Any]:
        """The result's `output`: the files' URLs by the names that the schema has for them.

        `url` is the video's, without its suffix. Further videos of the same request show the same pictures.
        """
        wanted = next((given[name] for name in _COUNTS if isinstance(given.get(name), int)), 2)
        count = min(max(wanted, 1), _OUTPUTS_MOST)
        if self.makes_images:
            images = [f"{url}.{number}.png" for number in range(1, count + 1)]
            return {"images": images} if "images" in self._outputs else {"image": images[0]}
        if self.makes_sounds:
            ending = self._sound_ending(given)
            sounds = [f"{url}.{number}.{ending}" for number in range(1, count + 1)]
            return {"audios": sounds} if "audios" in self._outputs else {"audio": sounds[0]}
        if "videos" in self._outputs and "video" not in self._outputs:
            return {"videos": [f"{url}.mp4", *(f"{url}.{number}.mp4" for number in range(2, count + 1))]}
        return {"video": f"{url}.mp4"}

    def _sound_ending(self, given: Mapping[str, Any]) -> str:
        """The kind of a sound's file that a field asks for, whatever the field is called: `wav`, `WAV_44100`, `mp3_128`."""
        for name, about in self._properties.items():
            text = str(given.get(name, about.get("default", ""))).lower()
            if "format" in name.lower() and (found := next((each for each in SOUNDS if each in text), None)):
                return found
        return SOUNDS[0]


def _size(value: Callable[[str, Any], Any]) -> tuple[int, int, bool]:
    """Width and height in pixels, by whichever fields the card has for them; 1280×720 by default.

    And whether only their number of pixels is meant, because no field names a ratio.
    """
    for name in ("aspect_ratio", "size", "resolution", "image_size"):
        if size := _SIZE.search(str(value(name, "")).replace("x", "×").replace("*", "×")):
            return *_sides(int(size[1]), int(size[2])), False
    width, height = _number(value("width", None)), _number(value("height", None))
    if width is not None and height is not None:
        return *_sides(width, height), False
    lines = _HEIGHT.search(str(value("resolution", "")).lower())
    short = int(lines[1]) if lines else 720
    ratio = _RATIO.search(str(value("aspect_ratio", value("ratio", ""))))
    across, down = (int(ratio[1]) or 16, int(ratio[2]) or 9) if ratio else (16, 9)
    scale = short / min(across, down)
    return *_sides(across * scale, down * scale), ratio is None


def _sides(width: float, height: float) -> tuple[int, int]:
    """Even, and within the limits; what is too large keeps its ratio."""
    scale = min(1.0, _LARGEST / max(width, height, 1))
    across, down = (int(min(max(side * scale, _SMALLEST), _LARGEST)) // 2 * 2 for side in (width, height))
    return across, down


def _number(value: Any) -> float | None:
    """A number, or one in a text such as "5" or "5s"."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    found = re.fullmatch(r"(\d{1,6}(?:\.\d{1,6})?)\s*s?", value) if isinstance(value, str) else None
    return float(found[1]) if found else None


def _items(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    items = spec.get("items")
    return items if isinstance(items, Mapping) else {}


def _address_format(spec: Mapping[str, Any]) -> re.Match[str] | None:
    """The format of addresses that a property has: itself, as a list, or as one of several ways."""
    ways = [way for key in ("anyOf", "oneOf", "allOf") for way in spec.get(key, ()) if isinstance(way, Mapping)]
    for each in (spec, _items(spec), *ways, *map(_items, ways)):
        if found := _ADDRESS.fullmatch(str(each.get("format", ""))):
            return found
    return None


def _texts(value: Any, place: Place) -> Iterator[tuple[Place, str]]:
    """The texts in a value, each with its place."""
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield from _texts(each, (*place, name))
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _texts(each, (*place, number))
    elif isinstance(value, str):
        yield place, value


def _with_nulls(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema with `nullable: true` written as `anyOf` with null, as JSON Schema wants it."""
    properties = {
        name: {"anyOf": [about, {"type": "null"}]}
        if isinstance(about, dict) and about.get("nullable") is True
        else about
        for name, about in schema.get("properties", {}).items()
    }
    return {**schema, "properties": properties}


def _multiple_of(_validator: Any, step: Any, value: Any, _schema: Any) -> Iterator[ValidationError]:
    """Compares decimals: 0.3 is a multiple of 0.1."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        steps = Decimal(str(value)) / Decimal(str(step))
        if not steps.is_finite() or steps != steps.to_integral_value():
            yield ValidationError(f"{value} is not a multiple of {step}")


def _exclusive(keyword: str, inclusive: str) -> Callable[..., Iterator[ValidationError]]:
    """The keyword of today, or `true` of draft 4, which makes the inclusive limit an exclusive one."""

    def check(validator: Any, limit: Any, value: Any, schema: Mapping[str, Any]) -> Iterator[ValidationError]:
        if isinstance(limit, bool):
            limit = schema.get(inclusive) if limit else None
        if limit is not None:
            yield from Draft202012Validator.VALIDATORS[keyword](validator, limit, value, schema) or ()

    return check


def _is_number(_checker: Any, value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_Validator = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    {
        "multipleOf": _multiple_of,
        "exclusiveMinimum": _exclusive("exclusiveMinimum", "minimum"),
        "exclusiveMaximum": _exclusive("exclusiveMaximum", "maximum"),
    },
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine_many(
        {
            **dict.fromkeys(("float", "double"), _is_number),
            "int": lambda checker, value: checker.is_type(value, "integer"),
            "bool": lambda checker, value: isinstance(value, bool),
            "str": lambda checker, value: isinstance(value, str),
        }
    ),
)
"""Also of schemas with types of programming languages, as the catalogue has them."""
