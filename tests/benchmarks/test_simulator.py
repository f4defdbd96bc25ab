"""The simulator's benchmark runs, and says what it measured; what the figures are is not asked here."""

import os
import re
from pathlib import Path

import pytest

from tests.forked import ran


@pytest.mark.timeout(120)
def test_the_simulator_benchmark_runs_and_writes_its_table(tmp_path: Path) -> None:
    """A short run prints every figure with its unit, writes the same table into the page, and leaves no clip behind."""
    page = tmp_path / "performance.md"
    page.write_text("<!-- simulator: begin -->\nold\n<!-- simulator: end -->\n")
    options = ["--short", "--report", str(page)]
    done = ran("benchmarks.simulator", options, os.environ | {"TMPDIR": str(tmp_path)}, tmp_path)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("|")]
    names = [line.split("|")[1].strip() for line in lines[2:]]
    assert names[0].startswith("the slowest scene (")
    assert "the median scene" in names
    assert all(re.search(r"\d (frames/s|ms) *\|", line) for line in lines[2:])
    written = page.read_text()
    assert lines[-1] in written
    assert "old" not in written
    assert not list(tmp_path.glob("dreamina-simulator-*"))
