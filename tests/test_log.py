"""The log of a real start: two lines for a job, with its id, and the reason of a failure."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.rig import make_clip
from tests.servers import Server, SimulatorServer, free_port, wait_for
from tests.test_replicas import ask

KEY = "a-key-of-the-simulator"
SEVERAL_TRIES_S = 4.0
"""The first three pauses between tries are at most 1, 2 and 4 seconds, and half of that in the mean."""


@pytest.fixture
def service(tmp_path: Path) -> Iterator[SimulatorServer]:
    clip = make_clip(tmp_path / "clip.mp4")
    server = SimulatorServer(tmp_path, "--token", KEY, "--quick", "0", "--clip", str(clip))
    server.start()
    yield server
    server.stop()


def lines(folder: Path, job_id: str) -> list[str]:
    log = (folder / "server.log").read_text()
    return [line for line in log.splitlines() if job_id in line]


def ended(program: httpx.Client, **values: Any) -> dict[str, Any]:
    [job] = ask(program, "submit", "A lighthouse in a storm", "1920×1088(16:9)", 121, 7)
    wait_for(lambda: ask(program, "job", job["job_id"])[0]["finished_at"] or "")
    found: dict[str, Any] = ask(program, "job", job["job_id"])[0]
    return found


def test_a_job_has_two_lines(tmp_path: Path, service: SimulatorServer) -> None:
    """The lines are of its request and its end, with the service's reason of a failure, without prompt and key."""
    server = Server(tmp_path, RUNCOMFY_API_TOKEN=KEY, RUNCOMFY_MODEL_API_BASE=service.address)
    server.start()
    try:
        with httpx.Client(base_url=server.address, trust_env=False, timeout=60) as program:
            done = ended(program)
            told = lines(tmp_path, done["job_id"])
            assert len(told) == 2, told
            assert done["request_id"] in told[0]
            assert re.fullmatch(r"\S+ \S+ INFO job \w+ succeeded after \d+\.\d s with 1 file\(s\)", told[1]), told
            service.control("faults", KEY, [{"on": "result", "kind": "failed_result", "error": "too dark"}])
            failed = ended(program)
            assert failed["state"] == "failed"
            assert lines(tmp_path, failed["job_id"])[-1].endswith("failed: generation_failed: too dark")
    finally:
        server.stop()
    log = (tmp_path / "server.log").read_text()
    assert "lighthouse" not in log
    assert KEY not in log


def test_an_unreachable_service_is_logged_once(tmp_path: Path) -> None:
    """The reason is shown on the job and logged once, however many retries there are."""
    base = f"http://127.0.0.1:{free_port()}/v1"
    server = Server(tmp_path, RUNCOMFY_API_TOKEN=KEY, RUNCOMFY_MODEL_API_BASE=base)
    server.start()
    try:
        with httpx.Client(base_url=server.address, trust_env=False, timeout=60) as program:
            [job] = ask(program, "submit", "A lighthouse in a storm", "1920×1088(16:9)", 121, 7)

            def tried_again() -> str:
                found = ask(program, "job", job["job_id"])[0]
                if found["error"]:
                    assert "the connection was refused" in found["error"]["message"]
                return "yes" if found["error"] and found["elapsed_s"] > SEVERAL_TRIES_S else ""

            wait_for(tried_again)
            told = lines(tmp_path, job["job_id"])
            assert len(told) == 1, told
            assert "is held up: unreachable: " in told[0]
    finally:
        server.stop()
