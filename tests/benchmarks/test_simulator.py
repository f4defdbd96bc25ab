"""The simulator's benchmark runs, and says what it measured; what the figures are is not asked here."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(120)
def test_the_simulator_benchmark_runs_and_writes_its_table(tmp_path: Path) -> None:
    """A short run prints every figure with its unit, writes the same table into the page, and leaves no clip behind."""
    page = tmp_path / "performance.md"
    page.write_text("<!-- simulator: begin -->\nold\n<!-- simulator: end -->\n")
    command = [sys.executable, "-m", "benchmarks.simulator", "--short", "--report", str(page)]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | {"TMPDIR": str(tmp_path)}, capture_output=True, text=True)
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
