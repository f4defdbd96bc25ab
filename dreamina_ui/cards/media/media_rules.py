"""What a model wants of a picture, video or sound beside its kind: reads a schema's own `validations`, and checks them. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["MEGABYTE", "RULE_PROBLEMS", "Measures", "MediaRule", "broken", "largest_size", "rules_of"]

Quantity = Literal["bytes", "width", "height", "pixels", "short_side", "long_side", "ratio", "duration_s"]
RULE_PROBLEMS = (
    *("bytes_most", "bytes_least", "width_most", "width_least", "height_most", "height_least"),
    *("pixels_most", "pixels_least", "short_side_most", "short_side_least", "long_side_most", "long_side_least"),
    *("ratio_most", "ratio_least", "duration_s_most", "duration_s_least"),
)
"""The problems of a file that breaks a rule. Each has a sentence in `words/`."""
MEGABYTE = 1_000_000
"""A limit in MB may mean this, or 2**20 bytes: a file that keeps the smaller one keeps both."""
_QUANTITIES: Mapping[str, tuple[Quantity, float]] = {
    **dict.fromkeys(("filesizemb", "sizemb", "filesizemib", "maxfilesizemb"), ("bytes", MEGABYTE)),
    **dict.fromkeys(("filesizekb", "sizekb"), ("bytes", 1000)),
    **dict.fromkeys(("filesizegb", "sizegb"), ("bytes", 1000 * MEGABYTE)),
    **dict.fromkeys(("filesize", "filesizebytes", "sizebytes", "bytes"), ("bytes", 1)),
    **dict.fromkeys(("width", "widthpixels", "widthpx"), ("width", 1)),
    **dict.fromkeys(("height", "heightpixels", "heightpx"), ("height", 1)),
    **dict.fromkeys(("width/height", "aspectratio", "ratio", "widthpixels/heightpixels"), ("ratio", 1)),
    **dict.fromkeys(("pixels", "totalpixels", "width*height", "widthpixels*heightpixels", "area"), ("pixels", 1)),
    **dict.fromkeys(("megapixels", "mp"), ("pixels", 1_000_000)),
    **dict.fromkeys(("min(width,height)", "shortside", "shortsidepixels", "minside"), ("short_side", 1)),
    **dict.fromkeys(("max(width,height)", "longside", "longsidepixels", "maxside"), ("long_side", 1)),
    **dict.fromkeys(("duration", "durations", "durationsec", "durationseconds", "lengthseconds"), ("duration_s", 1)),
    **dict.fromkeys(("durationms", "durationmilliseconds"), ("duration_s", 0.001)),
}
_TALL = ("height/width", "heightpixels/widthpixels")
_RULE = re.compile(r"(.*?)(<=|>=|=<|=>|<|>|≤|≥)(.*)", re.DOTALL)
_SIGNS = {"=<": "<=", "=>": ">=", "≤": "<=", "≥": ">="}
_OTHER_WAY = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_WHOLE = ("bytes", "width", "height", "pixels", "short_side", "long_side")
RULES_MOST = 50


@dataclass(frozen=True, slots=True)
class MediaRule:
    """`quantity` has to be less (`<`), at most (`<=`), more (`>`) or at least (`>=`) than `limit`: bytes, pixels or seconds.

    The ratio is width by height.
    """

    quantity: Quantity
    sign: str
    limit: float

    @property
    def is_upper(self) -> bool:
        return self.sign.startswith("<")

    @property
    def bound(self) -> float:
        """The last value that keeps the rule; of what is not counted in whole numbers, the limit."""
        if self.quantity not in _WHOLE or self.sign.endswith("="):
            return self.limit
        # 10 MB and 300 pixels are whole numbers; of others, the next whole one is meant.
        return -(-self.limit // 1) - 1 if self.sign == "<" else self.limit // 1 + 1

    def keeps(self, value: float) -> bool:
        keeps = {"<": value < self.limit, "<=": value <= self.limit, ">": value > self.limit, ">=": value >= self.limit}
        return keeps[self.sign]


@dataclass(frozen=True, slots=True)
class Measures:
    """Of a file: its size in bytes; width and height in pixels as it is shown; seconds. None is what is not known."""

    size: int
    width: int | None = None
    height: int | None = None
    duration_s: float | None = None

    def of(self, quantity: Quantity) -> float | None:
        if quantity in ("bytes", "duration_s"):
            return self.size if quantity == "bytes" else self.duration_s
        if not self.width or not self.height:
            return None
        sides = (self.width, self.height)
        values: Mapping[str, float] = {
            "width": self.width,
            "height": self.height,
            "pixels": self.width * self.height,
            "short_side": min(sides),
            "long_side": max(sides),
            "ratio": self.width / self.height,
        }
        return values[quantity]


def rules_of(validations: Any) -> tuple[tuple[MediaRule, ...], tuple[str, ...]]:
    """The rules in a property's `validations`, and the texts of those that are not understood."""
    rules: list[MediaRule] = []
    others: list[str] = []
    for each in validations[:RULES_MOST] if isinstance(validations, list) else ():
        text, value = (each, None) if isinstance(each, str) else ("", None)
        if isinstance(each, Mapping):
            text = str(each.get("validation_rule") or each.get("rule") or "")
            value = each.get("validation_value", each.get("value"))
        rule = _rule(text, value)
        if rule is not None:
            rules.append(rule)
        elif text:
            others.append(" ".join(f"{text} {'' if value is None else value}".split())[:80])
    return tuple(rules), tuple(others)


def broken(rules: Sequence[MediaRule], measures: Measures) -> Iterator[tuple[MediaRule, float]]:
    """The rules that a file breaks, each with the file's own value; what is not known of it breaks none."""
    for rule in rules:
        value = measures.of(rule.quantity)
        if value is not None and not rule.keeps(value):
            yield rule, value


def largest_size(rules: Sequence[MediaRule]) -> int | None:
    """The most bytes that a file may have, or None."""
    sizes = [int(rule.bound) for rule in rules if rule.quantity == "bytes" and rule.is_upper]
    return min(sizes, default=None)


def _rule(text: str, value: Any) -> MediaRule | None:
    found = _RULE.fullmatch(text)
    if not found:
        return None
    name = re.sub(r"[\s_\-]", "", found[1].lower()).replace("×", "*").replace("÷", "/")
    sign = _SIGNS.get(found[2], found[2])
    limit = _number(found[3] if value is None else value)
    if limit is None:
        return None
    if name in _TALL:
        return MediaRule("ratio", _OTHER_WAY[sign], 1 / limit) if limit else None
    if name not in _QUANTITIES:
        return None
    quantity, unit = _QUANTITIES[name]
    return MediaRule(quantity, sign, limit * unit)


def _number(value: Any) -> float | None:
    if isinstance(value, str):
        ratio = re.fullmatch(r"\s*(\d{1,6}(?:\.\d{1,9})?)\s*[:/]\s*(\d{1,6}(?:\.\d{1,9})?)\s*", value)
        if ratio and float(ratio[2]):
            return float(ratio[1]) / float(ratio[2])
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e15:
        return None
    return float(value)
