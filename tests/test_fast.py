"""The short test run: `bash scripts/test --fast`."""

import subprocess
import sys

import pytest

from tests.servers import ROOT

SOME = (
    "tests/benchmarks/test_growth.py",
    "tests/browser/test_models.py",
    "tests/engine/test_paid_and_kept.py",
    "tests/security/test_fuzz.py",
    "tests/storage/test_commits.py",
    "tests/storage/test_job_queries.py",
    "tests/test_fast.py",
    "tests/test_purity.py",
    "tests/test_replicas.py",
    "tests/test_start.py",
)
"""Collecting all of them would take many seconds of a core."""


@pytest.mark.program
def test_the_fast_run_needs_no_browser_and_no_server() -> None:
    """It runs the tests of pure modules and of the engine, but none that needs a browser, PostgreSQL or a server."""
    command = [sys.executable, "-m", "pytest", "--fast", "--collect-only", "-p", "no:cacheprovider", *SOME]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for kept in ("tests/test_purity.py", "tests/engine/test_paid_and_kept.py", "[sqlite]"):
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
