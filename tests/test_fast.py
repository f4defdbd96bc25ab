"""The short test run: `bash scripts/test --fast`."""

import subprocess
import sys

import pytest

from tests.servers import ROOT


@pytest.mark.program
def test_the_fast_run_needs_no_browser_and_no_server() -> None:
    """It runs the tests of pure modules and of the engine, but none that needs a browser, PostgreSQL or a server."""
    command = [sys.executable, "-m", "pytest", "--fast", "--collect-only", "-q", "-p", "no:cacheprovider"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for kept in ("tests/test_purity.py", "tests/engine/test_paid_and_kept.py", "tests/media/test_embed.py"):
        assert kept in found
    for left_out in (
        "tests/browser/",
        "tests/test_replicas.py",
        "tests/test_start.py",
        "tests/security/test_fuzz.py",
        "test_the_fast_run",
        "[postgresql]",
        "tests/benchmarks/",
    ):
        assert left_out not in found
