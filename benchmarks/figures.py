"""Figures as a table, for the terminal and for a page of the documentation."""

import os
import platform
import sqlite3
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

__all__ = ["Figure", "machine", "p95", "table", "write_report"]


@dataclass(frozen=True, slots=True)
class Figure:
    """One line: what was measured with an empty history and with a full one, and what is promised of it.

    `ratio_most` bounds the full one by the empty one, `most` the full one by itself; None is no promise.
    """

    name: str
    unit: str
    full: float
    empty: float | None = None
    ratio_most: float | None = None
    most: float | None = None

    @property
    def ratio(self) -> float | None:
        return self.full / self.empty if self.empty else None

    @property
    def kept(self) -> str:
        """Whether the promise is kept."""
        if self.ratio_most is not None and self.ratio is not None:
            return f"{'yes' if self.ratio <= self.ratio_most else 'NO'}: at most {self.ratio_most:g} ×"
        if self.most is not None:
            return f"{'yes' if self.full < self.most else 'NO'}: under {self.most:g} {self.unit}"
        return ""


def table(figures: Sequence[Figure], full: str) -> str:
    """The lines of a Markdown table; `full` names the column of the full history."""
    rows = [["", "empty", full, "ratio", "promise"]]
    for figure in figures:
        empty = "" if figure.empty is None else _number(figure.empty, figure.unit)
        ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}"
        rows.append([figure.name, empty, _number(figure.full, figure.unit), ratio, figure.kept])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["| " + " | ".join(_aligned(row, widths)) + " |" for row in rows]
    rule = "|" + "|".join(
        "-" * (width + 2) if column in (0, 4) else "-" * (width + 1) + ":" for column, width in enumerate(widths)
    )
    return "\n".join([lines[0], rule + "|", *lines[1:]])


def machine() -> str:
    """What the figures depend on, in one line."""
    return (
        f"{os.cpu_count()} cores, Python {platform.python_version()}, Gradio {version('gradio')}, "
        f"SQLite {sqlite3.sqlite_version}"
    )


def p95(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=20, method="inclusive")[-1] if len(values) > 1 else values[0]


def write_report(page: Path, name: str, text: str) -> None:
    """Put the text between the page's marks of this name. Raises `ValueError` if they are not there."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, found, rest = page.read_text(encoding="utf-8").partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"{page.name} lacks {begin} … {end}")
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")


def _aligned(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    pairs = enumerate(zip(row, widths, strict=True))
    return [text.ljust(width) if column in (0, 4) else text.rjust(width) for column, (text, width) in pairs]


def _number(value: float, unit: str) -> str:
    digits = 0 if unit == "bytes" else 1
    return f"{value:,.{digits}f} {unit}"
