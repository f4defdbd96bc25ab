"""The files of a request's input: data URIs and addresses, held to the caps of the vendor's programs and the model's rules.

What comes within a request is kept in a folder until the request has ended; in its record stands its digest.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dreamina_ui.simulator.card import Card, Place, Refusal

__all__ = ["BODY_MOST", "Inputs"]

BODY_MOST = 64 * 2**20
"""Bytes of a body."""
_MOST: Mapping[str, int] = {"image": 6 * 2**20, "video": 32 * 2**20, "audio": 16 * 2**20}
"""Bytes of a file."""
_PIXELS_MOST = 32_000_000
_DATA = re.compile(r"data:((image|video|audio)/[a-z0-9.+-]+);base64,(.+)", re.DOTALL)
_KEPT = re.compile(r"data:[a-z0-9.+/-]+;sha256,([0-9a-f]{64})")
"""What stands in a record in the place of a file."""
_STARTS: Mapping[str, re.Pattern[bytes]] = {
    "video": re.compile(rb".{4}ftyp|\x1aE\xdf\xa3|RIFF.{4}AVI |\x00\x00\x01\xba", re.DOTALL),
    "audio": re.compile(rb".{4}ftyp|\x1aE\xdf\xa3|RIFF.{4}WAVE|ID3|\xff[\xe0-\xff]|fLaC|OggS", re.DOTALL),
}
"""How files begin that are what they say."""
_WORDS: Mapping[str, Callable[[float, float], bool]] = {
    "<": lambda value, limit: value < limit,
    "<=": lambda value, limit: value <= limit,
    ">": lambda value, limit: value > limit,
    ">=": lambda value, limit: value >= limit,
}
_RULE = re.compile(r"(.+?)(<=|>=|<|>)")


class Inputs:
    """The files that came within requests, in `folder`. All of it blocks."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, request_id: str, card: Card, given: Mapping[str, Any], outputs: str) -> dict[str, Any]:
        """The input with `data:<type>;sha256,<digest>` in the place of each file in it, which is now in the folder.

        Addresses stay; `outputs` is how those of our own outputs begin. Raises `Refusal` for a file or an address that the
        service does not take.
        """
        found: dict[Place, str] = {}
        for medium in card.media(given):
            if medium.text.startswith("data:"):
                content, kind = _decoded(medium.place, medium.text)
                _check(medium.place, content, kind, medium.rules)
                digest = hashlib.sha256(content).hexdigest()
                self._folder.mkdir(parents=True, exist_ok=True)
                self._path(request_id, digest).write_bytes(content)
                found[medium.place] = f"data:{kind};sha256,{digest}"
            elif medium.text and not medium.text.startswith(outputs) and not _is_public(medium.text):
                raise _refused(medium.place, "Not a public https address.", "url")
        return {name: _replaced(value, found, ("body", name)) for name, value in given.items()}

    def path(self, request_id: str, text: str) -> Path | None:
        """Where a file of a request lies, by what stands for it in the record; None for an address."""
        kept = _KEPT.fullmatch(text)
        return self._path(request_id, kept[1]) if kept else None

    def tidy(self, is_needed: Callable[[str], bool]) -> None:
        """Remove the files of all requests that are not needed any more."""
        for path in self._folder.iterdir() if self._folder.is_dir() else ():
            if not is_needed(path.name.partition(".")[0]):
                path.unlink(missing_ok=True)

    def _path(self, request_id: str, digest: str) -> Path:
        return self._folder / f"{request_id}.{digest}"


def _replaced(value: Any, found: Mapping[Place, str], place: Place) -> Any:
    if isinstance(value, Mapping):
        return {name: _replaced(each, found, (*place, name)) for name, each in value.items()}
    if isinstance(value, list):
        return [_replaced(each, found, (*place, number)) for number, each in enumerate(value)]
    return found.get(place, value)


def _decoded(place: Place, text: str) -> tuple[bytes, str]:
    """A data URI's bytes and type."""
    found = _DATA.fullmatch(text)
    try:
        content = base64.b64decode(found[3], validate=True) if found else b""
    except binascii.Error:
        content = b""
    if not found or not content:
        raise _refused(place, "Not a file.", "data_uri")
    if len(content) > _MOST[found[2]]:
        raise _refused(place, "The file is too large.", "data_uri")
    return content, found[1]


def _check(place: Place, content: bytes, kind: str, rules: Any) -> None:
    """Hold a file to what it says it is, and to the `validations` of its field."""
    family, measures = kind.partition("/")[0], {"size": len(content) / 2**20}
    if family == "image":
        size = _size_of_picture(content)
        if size is None:
            raise _refused(place, "The image could not be read.", "image")
        measures |= {"width": size[0], "height": size[1]}
    elif not _STARTS[family].match(content):
        raise _refused(place, f"The {family} could not be read.", family)
    for said, is_kept in _rules(rules, measures):
        if not is_kept:
            raise _refused(place, said, "validation")


def _size_of_picture(content: bytes) -> tuple[int, int] | None:
    """Width and height; None if it is no picture, or has too many pixels."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content)) as image:
            width, height = image.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    return (width, height) if width * height <= _PIXELS_MOST else None


def _rules(rules: Any, measures: Mapping[str, float]) -> Iterator[tuple[str, bool]]:
    """Of each rule that is understood, its sentence and whether the file keeps it."""
    width, height = measures.get("width", 0.0), measures.get("height", 0.0)
    values = {"file_size_mb": measures["size"]}
    if width and height:
        values |= {"width_pixels": width, "height_pixels": height, "pixels": width * height}
        values |= {"width": width, "height": height, "width/height": width / height}
    for rule in rules if isinstance(rules, list) else ():
        found = _RULE.fullmatch(str(rule.get("validation_rule", ""))) if isinstance(rule, Mapping) else None
        limit = rule["validation_value"] if found and "validation_value" in rule else None
        if found and found[1] in values and isinstance(limit, int | float):
            said = str(rule.get("validation_error") or f"{found[0]} {limit}")
            yield said, _WORDS[found[2]](values[found[1]], limit)


def _is_public(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme == "https" and "." in (parts.hostname or "") and "@" not in parts.netloc and " " not in text


def _refused(place: Place, message: str, kind: str) -> Refusal:
    return Refusal.invalid([{"loc": list(place), "msg": message, "type": kind}])
