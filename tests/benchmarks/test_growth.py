"""The growth benchmark runs, says what it measured, and draws it; what the figures are is not asked here."""

import os
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks.plots import Series, plot
from tests.forked import ran


@pytest.mark.timeout(120)
def test_the_growth_benchmark_runs_and_draws_its_plot(tmp_path: Path) -> None:
    """A short run prints every figure with its unit, writes table and plot into the documentation, and leaves no data."""
    page = tmp_path / "performance.md"
    page.write_text("<!-- growth: begin -->\nold\n<!-- growth: end -->\n")
    done = ran(
        "benchmarks.growth", ["--short", "--report", str(page)], os.environ | {"TMPDIR": str(tmp_path)}, tmp_path
    )
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("|")]
    names = [line.split("|")[1].strip() for line in lines[2:]]
    for size in ("10 rows in history", "100 rows in history", "5 jobs at once", "20 jobs at once"):
        assert sum(name.startswith(f"{size}: ") for name in names) == 4, size
    assert all(re.search(r"\d (ms|polls) *\|", line) for line in lines[2:])
    written = page.read_text()
    assert lines[-1] in written
    assert "(growth.svg)" in written
    assert "rows in history" in (tmp_path / "growth.svg").read_text()
    assert not list(tmp_path.glob("dreamina-growth-*"))


def test_a_plot_names_its_lines_and_axes() -> None:
    """The picture is XML whose texts are the titles, the lines' names (escaped) and round numbers from zero on."""
    text = plot([Series("a & b", [(10, 7.0), (1000, 8.5)]), Series("c", [(10, 9.0)])], "rows", "time, ms", "Cost <1>")
    texts = [element.text for element in ElementTree.fromstring(text).iter("{http://www.w3.org/2000/svg}text")]
    assert {"Cost <1>", "rows", "time, ms", "a & b", "c", "0", "10", "2", "1,000"} <= set(texts)
    lines = list(ElementTree.fromstring(text).iter("{http://www.w3.org/2000/svg}polyline"))
    assert [len(line.attrib["points"].split()) for line in lines] == [2, 1]


@pytest.mark.parametrize("points", [[], [(10.0, float("nan"))]])
def test_a_plot_of_nothing_is_refused(points: list[tuple[float, float]]) -> None:
    """Without points, or with one that is no number, there is nothing to draw."""
    with pytest.raises(ValueError, match="finite"):
        plot([Series("a", points)], "x", "y", "title")
