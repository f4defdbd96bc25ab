"""The benchmarks run, and say what they measured; what the figures are is not asked here."""

import os
import re
import sys
from pathlib import Path

import pytest

from benchmarks.figures import Figure, p95, table, write_report
from tests.forked import ran


@pytest.mark.skipif(sys.platform != "linux", reason="another process's processor time is read as Linux tells it")
@pytest.mark.timeout(180)
def test_the_history_benchmark_runs_and_writes_its_table(tmp_path: Path) -> None:
    """A short run prints every figure with its unit, and puts the same table into the page, which is otherwise kept."""
    page = tmp_path / "performance.md"
    page.write_text("Before\n<!-- history: begin -->\nold\n<!-- history: end -->\nAfter\n")
    options = ["--jobs", "60", "--repeats", "2", "--report", str(page)]
    done = ran("benchmarks.history", options, os.environ | {"TMPDIR": str(tmp_path)}, tmp_path, forking=True)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("|")]
    assert "60 videos" in lines[0]
    names = [line.split("|")[1].strip() for line in lines[2:]]
    for what in (
        "opening: server time",
        "opening: size",
        "turning around page 1",
        "a search that",
        "a filter that",
        "a start",
    ):
        assert any(name.startswith(what) for name in names), what
    assert all(re.search(r"\d (ms|s|bytes) *\|", line) for line in lines[2:])
    written = page.read_text()
    assert re.fullmatch(r"Before\n<!--.*-->\nAfter\n", written, re.DOTALL)
    assert lines[-1] in written
    assert "old" not in written
    assert not list(tmp_path.glob("dreamina-history-*"))


def test_a_promise_is_kept_or_not() -> None:
    """Each line says of its own promise whether it is kept; a figure without one says nothing."""
    figures = [
        Figure("bytes", "bytes", 1200, 1000, ratio_most=1.2),
        Figure("time", "ms", 13, 10, ratio_most=1.2),
        Figure("paging", "ms", 101, most=100),
        Figure("speed", "frames/s", 24, least=24),
        Figure("share", "frames/s", 40, 100, ratio_least=0.5),
        Figure("both", "ms", 5, 10, ratio_most=0.6, most=4),
        Figure("start", "s", 4, 3),
    ]
    text = table(figures, "60 videos", "empty")
    assert [line.split("|")[-2].strip()[:3] for line in text.splitlines()[2:]] == [
        *("yes", "NO:", "NO:", "yes", "NO:", "NO:", ""),
    ]
    assert "1,200 bytes" in text
    assert "1.33" in text
    assert len({len(line) for line in text.splitlines()}) == 1


def test_the_tail_is_of_what_was_seen() -> None:
    """95 % are at most as large as this, which no more than the largest is."""
    assert p95([float(n) for n in range(101)]) == 95
    assert p95([1.0, 3.0]) <= 3.0
    assert p95([7.0]) == 7.0


def test_a_page_without_the_marks_is_left_alone(tmp_path: Path) -> None:
    """A report needs its place: without one, nothing is written."""
    page = tmp_path / "page.md"
    page.write_text("<!-- history: begin --> but no end")
    with pytest.raises(ValueError, match="lacks"):
        write_report(page, "history", "table")
    assert page.read_text() == "<!-- history: begin --> but no end"
