"""The benchmarks of the start, the page and the first picture run, and say what they measured; not what the figures are."""

import os
import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.forked import ran


@pytest.mark.skipif(sys.platform != "linux", reason="another process's memory is read as Linux tells it")
@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("name", "figures"),
    [
        ("start", ["from the start to the first page", "memory at rest"]),
        ("saving", ["processor time of all", "until it is shown", "its poster, at low priority"]),
        ("page", ["over the wire", "files", "to the first usable form", "asked of other origins"]),
        (
            "votes",
            ["from the last vote", "processor time per voter", "counted of 520 from 1 addresses", "others' votes"],
        ),
        ("playing", ["detection", "download and save", "notice", "first picture", "beside detection"]),
    ],
)
def test_a_short_run_writes_its_tables(tmp_path: Path, name: str, figures: list[str]) -> None:
    """Every figure is printed with its unit and written into the page of the documentation; nothing is left behind."""
    page = tmp_path / "performance.md"
    page.write_text(f"<!-- {name}: begin -->\nold\n<!-- {name}: end -->\n")
    # Not a test's own folder: the path of a browser's socket has to be short.
    with TemporaryDirectory(prefix="bench-") as folder:
        env = os.environ | {"TMPDIR": folder, "GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1"}
        # What a start takes is not measured by a fork, which has started already.
        options = ["--short", "--report", str(page)]
        done = ran(f"benchmarks.{name}", options, env, tmp_path, forking=name != "start")
        assert not list(Path(folder).glob("dreamina-*"))
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("|")]
    rows = [line for line in lines if re.search(r"\d (s|ms|MB|bytes|files|votes) *\|", line)]
    assert all(any(figure in row for row in rows) for figure in figures)
    heads_and_rules = [line for line in lines if line.startswith(("|  ", "|--"))]
    assert len(rows) + len(heads_and_rules) == len(lines)
    assert lines[-1] in page.read_text()
    assert "old" not in page.read_text().splitlines()
