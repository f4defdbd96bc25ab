"""Rewrites what services call a schema to one form of JSON Schema 2020-12, once, before anything else reads it. Pure.

Services write types of programming languages (`float`), drafts of JSON Schema that are long gone (`exclusiveMinimum: true`),
null for "not set", and formats of their own. In the normal form a picture, video, sound or other file is a string whose `format`
is one of `MEDIA_FORMATS`, and several of them are an array of such strings. A default that holds an address is a
sample and not meant to be sent: it becomes the first of the `examples`.
"""

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["FILE_FORMAT", "MEDIA_FORMATS", "media_form", "normal_schema"]

FILE_FORMAT = "uri"
MEDIA_FORMATS: Mapping[str, str] = {
    "image_uri": "image",
    "video_uri": "video",
    "audio_uri": "audio",
    FILE_FORMAT: "file",
}
"""The formats of an address in the normal form, and what is found there."""

_TYPES = {
    **dict.fromkeys(("float", "double", "decimal", "float32", "float64", "num"), "number"),
    **dict.fromkeys(("int", "long", "int32", "int64", "uint", "short"), "integer"),
    **dict.fromkeys(("bool",), "boolean"),
    **dict.fromkeys(("str", "text"), "string"),
    **dict.fromkeys(("list", "tuple", "set"), "array"),
    **dict.fromkeys(("dict", "map", "record"), "object"),
    **dict.fromkeys(("none", "nil"), "null"),
}
_OPEN = frozenset({"any", "json", "mixed", "enum", "select", "choice", "dropdown", "union"})
"""What says nothing of the type of a value."""
_KNOWN = frozenset({"string", "integer", "number", "boolean", "array", "object", "null"})
_OF_MEDIA = {
    **dict.fromkeys(("image", "picture", "photo", "img"), "image_uri"),
    **dict.fromkeys(("video", "clip", "movie"), "video_uri"),
    **dict.fromkeys(("audio", "sound", "music", "voice", "speech"), "audio_uri"),
    **dict.fromkeys(("file", "media"), FILE_FORMAT),
}
"""Words that say what an address leads to."""
_MEDIA_TYPE = re.compile(r"(image|video|audio|file)(_?(?:uri|url|file))?(s?)")
_FORMAT = re.compile(r"(?:(image|picture|photo|video|audio|sound|file|media)[-_ ]?)?(ur[il])?(s?)")
_OTHER_ADDRESSES = frozenset(
    {"iri", "http-url", "https-url", "uri-reference", "data-url", "data-uri", "data_url", "data_uri", "binary"}
)
_SUBSCHEMAS = (
    *("additionalItems", "additionalProperties", "contains", "contentSchema", "else", "if", "items", "not"),
    *("propertyNames", "then", "unevaluatedItems", "unevaluatedProperties"),
)
_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_MAPS = ("$defs", "definitions", "dependentSchemas", "patternProperties", "properties")
_NUMBERS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
_COUNTS = ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties")
_NUMERAL = re.compile(r"[+-]?\d{1,30}(\.\d{1,30})?", re.ASCII)
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_DEEPEST = 100
_ELSEWHERE = ("$defs", "definitions", "components")
"""Where a document around the schema has what the schema refers to."""


def normal_schema(schema: Mapping[str, Any], document: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The schema of a model's input in the normal form; `document` is what it stands in, for what it refers to there.

    Raises RecursionError for a schema that is nested too deep. What is no schema stays, for the check of schemas to refuse.
    """
    document = document or {}
    around = {name: document[name] for name in _ELSEWHERE if name in document and name not in schema}
    root = {**schema, **around}
    normal: dict[str, Any] = _node(root, root, 0)
    if isinstance(components := normal.get("components"), Mapping) and isinstance(components.get("schemas"), Mapping):
        schemas = {name: _node(each, root, 0) for name, each in components["schemas"].items()}
        normal["components"] = {**components, "schemas": schemas}
    if isinstance(normal.get("properties"), Mapping) and "type" not in normal:
        normal["type"] = "object"
    return normal


def media_form(name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    """A property in its normal form, now also by its name: `image_url` is an address whatever its format says, or does not."""
    spec = dict(spec)
    for key in ("anyOf", "oneOf"):
        if (found := _one_way(name, spec.get(key))) is not None:
            spec = {**found, **{word: value for word, value in spec.items() if word != key}}
    named = _format_named(name, spec)
    if spec.get("type", "string") == "string" and "enum" not in spec and "const" not in spec:
        if spec.get("format") == FILE_FORMAT:
            spec["format"] = _format_of_words(name) or FILE_FORMAT
        elif spec.get("format") not in MEDIA_FORMATS and named is not None:
            spec = {**spec, "type": "string", "format": named}
    elif spec.get("type") == "array" and "enum" not in spec:
        items = spec.get("items", {})
        if isinstance(items, Mapping) and items.get("type", "string") == "string" and "enum" not in items:
            items = media_form(name, items) if items or named else items
            spec = {**spec, "items": items} if items else spec
    return _without_sample(spec)


def _one_way(name: str, ways: Any) -> dict[str, Any] | None:
    """The one of several ways that takes addresses; a list of them, where one or several may be given."""
    if not isinstance(ways, list) or not all(isinstance(way, Mapping) for way in ways):
        return None
    forms = [media_form(name, way) for way in ways if way.get("type") != "null"]
    if not forms or not all(form.get("type") in ("string", "array") for form in forms):
        return None
    lists = [form for form in forms if form["type"] == "array" and _is_media(form.get("items"))]
    single = [form for form in forms if _is_media(form)]
    if len(lists) + len(single) == 0 or any("enum" in form for form in forms):
        return None
    found = (lists or single)[0]
    return {**found, "nullable": True} if len(forms) < len(ways) else found


def _is_media(spec: Any) -> bool:
    return isinstance(spec, Mapping) and spec.get("type") == "string" and spec.get("format") in MEDIA_FORMATS


def _node(node: Any, root: Mapping[str, Any], depth: int) -> Any:
    if depth > _DEEPEST:
        raise RecursionError
    if not isinstance(node, Mapping):
        return node
    spec = {key: value for key, value in node.items() if value is not None or key == "const"}
    spec = _with_enum(_with_types(spec), root)
    spec = _with_limits(spec)
    for key in _SUBSCHEMAS:
        if isinstance(spec.get(key), Mapping):
            spec[key] = _node(spec[key], root, depth + 1)
    for key in _LISTS:
        if isinstance(spec.get(key), list):
            spec[key] = [_node(each, root, depth + 1) for each in spec[key]]
    for key in _MAPS:
        if isinstance(spec.get(key), Mapping):
            spec[key] = {name: _node(each, root, depth + 1) for name, each in spec[key].items()}
    spec = _with_required(spec, node)
    spec = _with_formats(spec)
    return _with_default(spec)


def _with_types(spec: dict[str, Any]) -> dict[str, Any]:
    given = spec.get("type")
    if isinstance(given, str):
        kind = given.strip().lower()
        if (found := _MEDIA_TYPE.fullmatch(kind)) and kind not in _KNOWN:
            # "type": "image" and "type": "image_urls"
            spec["format"] = f"{found[1]}_uri{found[3]}" if found[1] != "file" else f"uri{found[3]}"
            spec["type"] = "array" if found[3] else "string"
        elif (known := _TYPES.get(kind, kind)) in _KNOWN:
            spec["type"] = known
        elif kind in _OPEN:
            del spec["type"]
    elif isinstance(given, list):
        kinds = [_TYPES.get(each.lower(), each.lower()) for each in given if isinstance(each, str)]
        if not _OPEN.isdisjoint(kinds):
            del spec["type"]
        elif kinds:
            spec["type"] = list(dict.fromkeys(kinds))
    if spec.pop("x-nullable", False) is True:
        spec["nullable"] = True
    items = spec.get("items")
    if isinstance(items, str):
        spec["items"] = {"type": items}
    elif isinstance(items, list):  # of draft 4: one schema for each place
        del spec["items"]
        spec |= {"items": items[0]} if len(items) == 1 else {"prefixItems": items}
        if "additionalItems" in spec and "prefixItems" in spec:
            spec["items"] = spec.pop("additionalItems")
    if "type" not in spec and isinstance(spec.get("items"), Mapping):
        spec["type"] = "array"
    return spec


def _with_enum(spec: dict[str, Any], root: Mapping[str, Any]) -> dict[str, Any]:
    """An enum by reference, under another name, of objects with a value, or as one way for each choice, as a plain enum."""
    enum = spec.get("enum")
    if enum is None:
        enum = next((spec.pop(name) for name in ("options", "choices") if isinstance(spec.get(name), list)), None)
    if isinstance(enum, Mapping):
        enum = enum.get("$ref", [*enum])
    if isinstance(enum, str):
        found = _found(root, enum)
        enum = found.get("enum") if isinstance(found, Mapping) else found
    for key in ("oneOf", "anyOf"):
        ways = spec.get(key)
        if enum is None and isinstance(ways, list) and ways and all(_is_constant(way) for way in ways):
            enum = [way.get("const") for way in ways]
            del spec[key]
    if not isinstance(enum, list):
        spec.pop("enum", None)
        return spec
    if None in enum:
        spec["nullable"] = True
    enum = [each["value"] if isinstance(each, Mapping) and "value" in each else each for each in enum]
    kind, fitting = spec.get("type"), [each for each in enum if each is not None]
    if isinstance(kind, str) and fitting and not any(_is_of(kind, each) for each in fitting):
        del spec["type"]  # what is listed is what the service takes
    return {**spec, "enum": enum}


def _is_constant(way: Any) -> bool:
    return isinstance(way, Mapping) and ("const" in way or way.get("type") == "null")


def _is_of(kind: str, value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    kinds = {"string": isinstance(value, str), "boolean": isinstance(value, bool), "number": is_number}
    return kinds.get(kind, is_number and float(value).is_integer() if kind == "integer" else True)


def _found(root: Mapping[str, Any], reference: str) -> Any:
    place: Any = root
    for part in reference.removeprefix("#").strip("/").split("/"):
        name = part.replace("~1", "/").replace("~0", "~")
        place = place.get(name) if isinstance(place, Mapping) else None
    return place


def _with_limits(spec: dict[str, Any]) -> dict[str, Any]:
    if "divisibleBy" in spec:
        spec.setdefault("multipleOf", spec.pop("divisibleBy"))
    for name in (*_NUMBERS, *_COUNTS):
        if isinstance(value := spec.get(name), str):
            spec[name] = _numeral(value)
            if spec[name] is None:
                del spec[name]
    for name in _COUNTS:
        if isinstance(value := spec.get(name), float) and value.is_integer():
            spec[name] = int(value)
    for name, inclusive in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(value := spec.get(name), bool):  # of draft 4: a word about the other limit
            del spec[name]
            if value and inclusive in spec:
                spec[name] = spec.pop(inclusive)
    step = spec.get("multipleOf")
    if isinstance(step, int | float) and step <= 0:
        del spec["multipleOf"]
    return spec


def _with_required(spec: dict[str, Any], node: Mapping[str, Any]) -> dict[str, Any]:
    """`required: true` of draft 3 stands in the property that is required."""
    if not isinstance(node.get("properties"), Mapping):
        return spec
    named = [
        name for name, each in node["properties"].items() if isinstance(each, Mapping) and each.get("required") is True
    ]
    required = spec.get("required", [])
    if isinstance(required, list) and (named or required):
        spec["required"] = list(dict.fromkeys([*required, *named]))
    for name, each in spec["properties"].items():
        if isinstance(each, Mapping) and isinstance(each.get("required"), bool):
            spec["properties"][name] = {key: value for key, value in each.items() if key != "required"}
    return spec


def _with_formats(spec: dict[str, Any]) -> dict[str, Any]:
    """A format of addresses by its normal name; one of several addresses as that of each entry."""
    found = _address_format(spec)
    if found is None:
        return spec
    media, is_plural = found
    kind = spec.get("type")
    if isinstance(kind, list):
        others = [each for each in kind if each != "null"]
        if not set(others) <= {"string", "array"}:
            return spec
        kind = "array" if "array" in others and (is_plural or others == ["array"]) else "string"
        if "null" in spec["type"]:
            spec["nullable"] = True
    kind = kind or ("array" if is_plural or isinstance(spec.get("items"), Mapping) else "string")
    if kind == "string":
        return {**spec, "type": "string", "format": media}
    if kind != "array":
        return spec
    items = spec.get("items")
    items = dict(items) if isinstance(items, Mapping) else {}
    if items.get("type", "string") != "string" or "$ref" in items:
        return {key: value for key, value in spec.items() if key != "format"}
    rules = {"validations": spec["validations"]} if "validations" in spec else {}
    plain = {key: value for key, value in spec.items() if key not in ("format", "validations")}
    return {**plain, "type": "array", "items": {**rules, "format": media, **items, "type": "string"}}


def _address_format(spec: Mapping[str, Any]) -> tuple[str, bool] | None:
    """The normal format of an address, and whether there are several; None for any other format."""
    text = spec.get("format")
    if not isinstance(text, str):
        medium = str(spec.get("contentMediaType", "")).partition("/")[0]
        return (f"{medium}_uri", False) if f"{medium}_uri" in MEDIA_FORMATS else None
    text = text.strip().lower()
    if text in _OTHER_ADDRESSES:
        return FILE_FORMAT, False
    found = _FORMAT.fullmatch(text)
    if not found or not (found[1] or found[2]):
        return None
    return _OF_MEDIA.get(found[1] or "", FILE_FORMAT), bool(found[3])


def _format_named(name: str, spec: Mapping[str, Any]) -> str | None:
    """The format of an address that a name alone tells: `image_url`, `last_frame_url`, `images`, `input_video`."""
    words = _words(name)
    if not words or (spec.get("type", "string") not in ("string", "array")):
        return None
    if words[-1] in ("url", "uri", "urls", "uris"):
        return _format_of_words(name) or FILE_FORMAT
    return _OF_MEDIA[words[-1].rstrip("s")] if words[-1].rstrip("s") in ("image", "video", "audio") else None


def _format_of_words(name: str) -> str | None:
    """What an address leads to by the last word of its name that tells."""
    found = (_OF_MEDIA.get(word.rstrip("s")) for word in reversed(_words(name)))
    frame = "image_uri" if "frame" in _words(name) else None
    return next((each for each in found if each is not None and each != FILE_FORMAT), frame)


def _words(name: str) -> list[str]:
    words = [word.lower() for word in _WORD.findall(name)]
    while words and words[-1].isdecimal():
        words.pop()
    return words


def _with_default(spec: dict[str, Any]) -> dict[str, Any]:
    """Without a default that means nothing; a numeral, or a word for yes and no, as what it means."""
    default = spec.get("default")
    kind, enum = spec.get("type"), spec.get("enum")
    if isinstance(enum, list) and default not in enum:
        alike = [each for each in enum if each is not None and str(each) == str(default)]
        if default == "":
            del spec["default"]
        elif len(alike) == 1:
            spec["default"] = alike[0]
    elif isinstance(default, str) and kind in ("integer", "number"):
        if not default.strip():
            del spec["default"]
        elif (number := _numeral(default.strip())) is not None:
            spec["default"] = number
    elif isinstance(default, str) and kind == "boolean":
        meant = {"true": True, "false": False}.get(default.strip().lower())
        spec = {key: value for key, value in spec.items() if key != "default"}
        spec |= {} if meant is None else {"default": meant}
    if kind == "integer" and isinstance(spec.get("default"), float) and spec["default"].is_integer():
        spec["default"] = int(spec["default"])
    return _without_sample(spec)


def _without_sample(spec: dict[str, Any]) -> dict[str, Any]:
    default = spec.get("default")
    if default is None or "enum" in spec or not (_is_media(spec) or _holds_address(default)):
        return spec
    spec = {key: value for key, value in spec.items() if key != "default"}
    if default in ("", []):
        return spec
    if spec.get("type", "string") == "string" and isinstance(default, str) and "format" not in spec:
        spec |= {"type": "string", "format": FILE_FORMAT}
    before = spec.get("examples", [])
    return {**spec, "examples": [default, *(before if isinstance(before, list) else [])]}


def _holds_address(value: Any, depth: int = 0) -> bool:
    """Whether a default is, or has as one of its parts, the address of something in the web."""
    if isinstance(value, str):
        return re.fullmatch(r"(https?://|data:)\S+", value.strip(), re.IGNORECASE) is not None
    if depth > _DEEPEST or not isinstance(value, list | Mapping):
        return False
    parts = value if isinstance(value, list) else value.values()
    return any(_holds_address(each, depth + 1) for each in parts)


def _numeral(text: str) -> int | float | None:
    found = _NUMERAL.fullmatch(text.strip())
    return None if not found else float(text) if found[1] else int(text)
