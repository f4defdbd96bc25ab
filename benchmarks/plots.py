"""A plot of a few lines as SVG, without a library: readable in light and in dark mode, by its own style sheet."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import escape

__all__ = ["Series", "plot"]

WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 70, 150, 50, 60
MARKS = ("●", "■", "▲")
STYLE = """
svg { font: 13px system-ui, sans-serif; background: #fff }
text { fill: #24292f } .title { font-size: 15px; font-weight: 600 }
.rule { stroke: #8c959f55 } .line { fill: none; stroke-width: 2 }
.s0 { stroke: #0550ae } .s1 { stroke: #bc4c00 } .s2 { stroke: #1a7f37 }
.m0 { fill: #0550ae } .m1 { fill: #bc4c00 } .m2 { fill: #1a7f37 }
@media (prefers-color-scheme: dark) {
  svg { background: #0d1117 } text { fill: #e6edf3 }
  .s0 { stroke: #79c0ff } .s1 { stroke: #ffa657 } .s2 { stroke: #7ee787 }
  .m0 { fill: #79c0ff } .m1 { fill: #ffa657 } .m2 { fill: #7ee787 }
}
"""


@dataclass(frozen=True, slots=True)
class Series:
    """A line: its name, and its points (x > 0, y ≥ 0) from left to right."""

    name: str
    points: Sequence[tuple[float, float]]


def plot(series: Sequence[Series], across: str, up: str, title: str) -> str:
    """At most three lines over a logarithmic axis; the other one begins at zero, so that flat looks flat.

    `across` and `up` are the axes' titles, with their units. What is not finite raises `ValueError`.
    """
    every = [point for one in series for point in one.points]
    if not every or not all(map(math.isfinite, (number for point in every for number in point))):
        raise ValueError("a plot needs points, and they must be finite")
    first = math.floor(math.log10(min(x for x, _ in every)))
    last = max(math.ceil(math.log10(max(x for x, _ in every)) - 1e-9), first + 1)
    step = _step(max(y for _, y in every) * 1.15)
    most = step * max(1, math.ceil(max(y for _, y in every) * 1.15 / step))

    def at(x: float, y: float) -> tuple[float, float]:
        right = LEFT + (math.log10(x) - first) / (last - first) * (WIDTH - LEFT - RIGHT)
        return round(right, 1), round(HEIGHT - BOTTOM - y / most * (HEIGHT - TOP - BOTTOM), 1)

    parts = [f'<text class="title" x="{LEFT}" y="26">{escape(title)}</text>']
    for number in range(round(most / step) + 1):
        x, y = at(10.0**first, number * step)
        parts.append(f'<line class="rule" x1="{x}" y1="{y}" x2="{WIDTH - RIGHT}" y2="{y}"/>')
        parts.append(f'<text x="{x - 8}" y="{y + 4}" text-anchor="end">{number * step:g}</text>')
    for power in range(first, last + 1):
        x, y = at(10.0**power, 0)
        parts.append(f'<line class="rule" x1="{x}" y1="{TOP}" x2="{x}" y2="{y}"/>')
        parts.append(f'<text x="{x}" y="{y + 20}" text-anchor="middle">{10.0**power:,g}</text>')
    middle_x, middle_y = (LEFT + WIDTH - RIGHT) / 2, (TOP + HEIGHT - BOTTOM) / 2
    parts.append(f'<text x="{middle_x}" y="{HEIGHT - 16}" text-anchor="middle">{escape(across)}</text>')
    turned = f'transform="rotate(-90 20 {middle_y})"'
    parts.append(f'<text x="20" y="{middle_y}" text-anchor="middle" {turned}>{escape(up)}</text>')
    for number, one in enumerate(series):
        places = [at(x, y) for x, y in one.points]
        way = " ".join(f"{x},{y}" for x, y in places)
        parts.append(f'<polyline class="line s{number}" points="{way}"/>')
        for x, y in places:
            parts.append(f'<text class="m{number}" x="{x}" y="{y + 4.5}" text-anchor="middle">{MARKS[number]}</text>')
        row = TOP + 14 + 22 * number
        parts.append(f'<text class="m{number}" x="{WIDTH - RIGHT + 16}" y="{row}">{MARKS[number]}</text>')
        parts.append(f'<text x="{WIDTH - RIGHT + 34}" y="{row}">{escape(one.name)}</text>')
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{escape(title)}">'
    return "\n".join([head, f"<style>{STYLE}</style>", *parts, "</svg>", ""])


def _step(most: float) -> float:
    """A round number, of which about five fit below."""
    power = 10.0 ** math.floor(math.log10(max(most, 1e-9) / 5))
    return min((power * part for part in (1, 2, 5, 10)), key=lambda step: abs(most / step - 5))
