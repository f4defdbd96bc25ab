"""Figures as a table, for the terminal and for a page of the documentation."""

import os
import platform
import sqlite3
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

__all__ = ["Figure", "machine", "p95", "publish", "table", "write_report"]


@dataclass(frozen=True, slots=True)
class Figure:
    """One line: what was measured, what its peer in the same run gave, and what is promised of it.

    `ratio_most` and `ratio_least` bound the value by its peer's, `most` and `least` bound it by itself, all in `unit`;
    None is no promise.
    """

    name: str
    unit: str
    value: float
    peer: float | None = None
    ratio_most: float | None = None
    ratio_least: float | None = None
    most: float | None = None
    least: float | None = None

    @property
    def ratio(self) -> float | None:
        return self.value / self.peer if self.peer else None

    @property
    def kept(self) -> str:
        """Whether the promises are kept; the first that is not, or else the first."""
        ratio = self.ratio
        promises = [
            (self.ratio_most, ratio, "at most {:g} ×"),
            (self.ratio_least, ratio, "at least {:g} ×"),
            (self.most, self.value, f"at most {{:g}} {self.unit}"),
            (self.least, self.value, f"at least {{:g}} {self.unit}"),
        ]
        told = []
        for number, (bound, held, words) in enumerate(promises):
            if bound is not None and held is not None:
                is_kept = held >= bound if number % 2 else held <= bound
                told.append((is_kept, f"{'yes' if is_kept else 'NO'}: {words.format(bound)}"))
        return min(told, key=lambda one: one[0])[1] if told else ""


def table(figures: Sequence[Figure], ours: str, peer: str = "") -> str:
    """The lines of a Markdown table; `ours` and `peer` name the columns of what was measured and of its peer."""
    rows = [["", peer, ours, "ratio", "promise"]]
    for figure in figures:
        beside = "" if figure.peer is None else _number(figure.peer, figure.unit)
        ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}"
        rows.append([figure.name, beside, _number(figure.value, figure.unit), ratio, figure.kept])
    if not any(row[1] for row in rows[1:]):
        rows = [[row[0], row[2], row[4]] for row in rows]
    left = {0, len(rows[0]) - 1}
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["| " + " | ".join(_aligned(row, widths, left)) + " |" for row in rows]
    rule = "|" + "|".join("-" * (width + 2) if n in left else "-" * (width + 1) + ":" for n, width in enumerate(widths))
    return "\n".join([lines[0], rule + "|", *lines[1:]])


def machine() -> str:
    """What the figures depend on, in one line."""
    return (
        f"{os.cpu_count()} cores, Python {platform.python_version()}, Gradio {version('gradio')}, "
        f"SQLite {sqlite3.sqlite_version}"
    )


def p95(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=20, method="inclusive")[-1] if len(values) > 1 else values[0]


def publish(name: str, text: str, page: Path | None) -> None:
    """Print what was measured, and write it into a page of the documentation if there is one."""
    print(text)  # noqa: T201  what a benchmark is for
    if page:
        write_report(page, name, text)


def write_report(page: Path, name: str, text: str) -> None:
    """Put the text between the page's marks of this name. Raises `ValueError` if they are not there."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, found, rest = page.read_text(encoding="utf-8").partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"{page.name} lacks {begin} … {end}")
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")


def _aligned(row: Sequence[str], widths: Sequence[int], left: set[int]) -> list[str]:
    pairs = enumerate(zip(row, widths, strict=True))
    return [text.ljust(width) if column in left else text.rjust(width) for column, (text, width) in pairs]


def _number(value: float, unit: str) -> str:
    """With three digits that say something, and never in powers of ten."""
    if unit == "bytes" or abs(value) >= 1000:
        return f"{value:,.0f} {unit}".strip()
    return f"{value:.{1 if abs(value) >= 10 else 2}f} {unit}".strip()
