"""The models: the inputs that their cards accept, their outputs, and their prices."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend
from referencing import Registry

from dreamina_ui.simulator.renderers import RenderJob

__all__ = ["Card", "Catalogue", "Refusal"]

_SIZE = re.compile(r"(\d{2,4})×(\d{2,4})")
_LONGEST_MESSAGE = 300
_LONGEST_S = 30
_LONGEST_SOUND_S = 300
_SMALLEST, _LARGEST = 64, 2560
"""Limits of width and height, in pixels."""
_RATIO = re.compile(r"(\d{1,2}):(\d{1,2})")
_HEIGHT = re.compile(r"(\d{3,4})p")
_OUTPUTS_MOST = 16
_STILL_FRAMES = 2 * _OUTPUTS_MOST
"""Frames of the video that images are taken from: enough for `_OUTPUTS_MOST` different ones."""
_COUNTS = ("num_images", "num_outputs", "num_videos", "batch_size", "num_audios", "n")


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

    def render_job(self, request_id: str, given: Mapping[str, Any]) -> RenderJob:
        """The renderer's job for an input; values that are absent are the schema's defaults."""
        properties = self.input_schema.get("properties", {})

        def value(name: str, otherwise: Any) -> Any:
            return given.get(name, properties.get(name, {}).get("default", otherwise))

        width, height = _size(value)
        seed = _number(value("seed", None))
        if seed is None or seed < 0:  # from the id, so that a resumed request makes the same video
            seed = int.from_bytes(hashlib.sha256(request_id.encode()).digest()[:4], "big")
        return RenderJob(
            request_id, self._prompt(given), width, height, self._frames(value), self.frames_per_second, int(seed)
        )

    def _frames(self, value: Callable[[str, Any], Any]) -> int:
        if self.makes_images:
            return _STILL_FRAMES
        frames = _number(value("frames", value("num_frames", None)))
        seconds = _number(value("duration", value("duration_s", value("seconds", None))))
        fps, sounds = self.frames_per_second, self.makes_sounds
        # A video of five seconds has one frame more than five seconds of sound.
        more = 0 if sounds else 1
        count = frames if frames is not None else 5 * fps + 1 if seconds is None else seconds * fps + more
        return int(min(max(count, 1), (_LONGEST_SOUND_S if sounds else _LONGEST_S) * fps))

    def _prompt(self, given: Mapping[str, Any]) -> str:
        """The prompt; else the first text that is neither a URL nor a choice; else the model's title."""
        if isinstance(prompt := given.get("prompt"), str):
            return prompt
        properties = self.input_schema.get("properties", {})
        texts = (
            str(given[name])
            for name, about in properties.items()
            if isinstance(given.get(name), str) and not {"format", "enum"} & set(about) and "://" not in given[name]
        )
        return next(texts, self.title)

    @property
    def makes_images(self) -> bool:
        return bool(self._outputs & {"image", "images"}) and not self._outputs & {"video", "videos"}

    @property
    def makes_sounds(self) -> bool:
        return bool(self._outputs & {"audio", "audios"}) and not self._outputs & {"video", "videos", "image", "images"}

    @property
    def _outputs(self) -> AbstractSet[str]:
        names: AbstractSet[str] = self.output_schema.get("properties", {}).keys()
        return names

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
            sounds = [f"{url}.{number}.mp3" for number in range(1, count + 1)]
            return {"audios": sounds} if "audios" in self._outputs else {"audio": sounds[0]}
        if "videos" in self._outputs and "video" not in self._outputs:
            return {"videos": [f"{url}.mp4", *(f"{url}.{number}.mp4" for number in range(2, count + 1))]}
        return {"video": f"{url}.mp4"}


class Catalogue:
    """All cards, at one price: `price_usd` for each `price_unit` (`second` or `output`).

    A `pricing_note` says that the price is no total, as the service does of most models.
    """

    def __init__(
        self, cards: Sequence[Mapping[str, Any]], *, price_usd: float, price_unit: str, pricing_note: str = ""
    ) -> None:
        if price_unit not in {"second", "output"}:
            message = "price_unit is 'second' or 'output'"
            raise ValueError(message)
        self._cards = {card.model_id: card for card in map(Card.from_json, cards)}
        self._price_usd = price_usd
        self._price_unit = price_unit
        self._pricing_note = pricing_note

    def find(self, model_id: str) -> Card:
        try:
            return self._cards[model_id]
        except KeyError:
            message = "There is no such model."
            raise Refusal(400, 400001, message) from None

    def cost(self, duration_s: float) -> float:
        """US dollars for one video of this length."""
        return round(self._price_usd * (duration_s if self._price_unit == "second" else 1), 6)

    def describe(self, model_id: str, *, with_schema: bool = True) -> dict[str, Any]:
        card = self.find(model_id)
        body = {
            "model_id": card.model_id,
            "display_name": card.title,
            "kind": "model",
            "categories": [card.task] if card.task else [],
            "base_price_usd": self._price_usd,
            "price_unit": self._price_unit,
            "pricing_note": self._pricing_note or None,
        }
        schemas = {"input_schema": card.input_schema, "output_schema": card.output_schema}
        return {**body, **(schemas if with_schema else {})}

    def search(self, query: Mapping[str, str]) -> dict[str, Any]:
        """A page of the catalogue by `search`, `category`, `kind`, `include_schema`, `limit` and `offset`."""
        limit, offset = _count(query, "limit", 50), _count(query, "offset", 0)
        word = query.get("search", "").casefold()
        task = query.get("category") or (None if query.get("kind") == "model" else query.get("kind"))
        found = [
            card.model_id
            for card in self._cards.values()
            if word in f"{card.model_id} {card.title}".casefold() and task in {None, card.task}
        ]
        with_schema = query.get("include_schema", "").lower() in {"true", "1"}
        page = found[offset : offset + limit]
        models = [self.describe(model_id, with_schema=with_schema) for model_id in page]
        return {"models": models, "total": len(found)}


def _size(value: Callable[[str, Any], Any]) -> tuple[int, int]:
    """Width and height in pixels, by whichever fields the card has for them; 1280×720 by default."""
    for name in ("aspect_ratio", "size", "resolution", "image_size"):
        if size := _SIZE.search(str(value(name, "")).replace("x", "×").replace("*", "×")):
            return _side(int(size[1])), _side(int(size[2]))
    width, height = _number(value("width", None)), _number(value("height", None))
    if width is not None and height is not None:
        return _side(width), _side(height)
    lines = _HEIGHT.search(str(value("resolution", "")).lower())
    short = int(lines[1]) if lines else 720
    ratio = _RATIO.search(str(value("aspect_ratio", "")))
    across, down = (int(ratio[1]) or 16, int(ratio[2]) or 9) if ratio else (16, 9)
    scale = short / min(across, down)
    return _side(across * scale), _side(down * scale)


def _side(pixels: float) -> int:
    return int(min(max(pixels, _SMALLEST), _LARGEST)) // 2 * 2


def _number(value: Any) -> float | None:
    """A number, or one in a text such as "5" or "5s"."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    found = re.fullmatch(r"(\d{1,6}(?:\.\d{1,6})?)\s*s?", value) if isinstance(value, str) else None
    return float(found[1]) if found else None


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


_Validator = extend(Draft202012Validator, {"multipleOf": _multiple_of})  # type: ignore[no-untyped-call]


def _count(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, str(default))
    if not re.fullmatch(r"[0-9]{1,6}", text):
        raise Refusal.invalid([{"loc": ["query", name], "msg": "Not a count.", "type": "int_parsing"}])
    return int(text)
