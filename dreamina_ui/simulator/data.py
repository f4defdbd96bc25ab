"""Files that come within a request, as data URIs: held to the caps of the vendor's own programs, and kept as their digests."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from typing import Any

from dreamina_ui.simulator.catalogue import Refusal

__all__ = ["BODY_MOST", "without_bytes"]

BODY_MOST = 64 * 2**20
"""Bytes of a body."""
_MOST: Mapping[str, int] = {"image": 6 * 2**20, "video": 32 * 2**20, "audio": 16 * 2**20}
"""Bytes of a file."""
_DATA = re.compile(r"data:((image|video|audio)/[a-z0-9.+-]+);base64,(.+)", re.DOTALL)


def without_bytes(value: Any, place: tuple[Any, ...] = ("body",)) -> Any:
    """The input with `data:<type>;sha256,<digest>` in the place of each file in it. Raises `Refusal`."""
    if isinstance(value, Mapping):
        return {name: without_bytes(each, (*place, name)) for name, each in value.items()}
    if isinstance(value, list):
        return [without_bytes(each, (*place, number)) for number, each in enumerate(value)]
    if not isinstance(value, str) or not value.startswith("data:"):
        return value
    found = _DATA.fullmatch(value)
    try:
        content = base64.b64decode(found[3], validate=True) if found else b""
    except binascii.Error:
        content = b""
    if not found or not content:
        raise Refusal.invalid([{"loc": list(place), "msg": "Not a file.", "type": "data_uri"}])
    if len(content) > _MOST[found[2]]:
        raise Refusal.invalid([{"loc": list(place), "msg": "The file is too large.", "type": "data_uri"}])
    return f"data:{found[1]};sha256,{hashlib.sha256(content).hexdigest()}"
