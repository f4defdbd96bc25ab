"""The benchmark of pacing runs, in calculation and over sockets."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(sys.platform != "linux", reason="the measured processes are read as Linux tells of them")
@pytest.mark.timeout(120)
def test_a_short_run_prints_every_figure(tmp_path: Path) -> None:
    """Ours beside the best possible and beside the intervals of known clients; run by the one command for all parts."""
    page = tmp_path / "performance.md"
    page.write_text("<!-- pacing: begin -->\n<!-- pacing: end -->\n")
    command = [sys.executable, "-m", "benchmarks", "pacing", "--short", "--report", str(page)]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | {"TMPDIR": str(tmp_path)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("| ") and "promise" not in line]
    for what in ("σ 0.15: 30 learned", "σ 0.35: nothing learned", "over sockets", "every 0.1 s", "every 5 s"):
        assert any(what in line for line in lines), what
    assert all(re.search(r"\d ", line) for line in lines)
    assert lines[-1] in page.read_text()


def test_an_unknown_part_is_refused() -> None:
    """A mistyped name measures nothing, and says which names there are."""
    done = subprocess.run([sys.executable, "-m", "benchmarks", "watcher"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert "no such part: watcher" in done.stderr
