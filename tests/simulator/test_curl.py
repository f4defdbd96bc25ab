"""The API by the real curl, served by `python -m dreamina_ui.simulator`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.program
ROOT = Path(__file__).resolve().parents[2]
WITHIN_S = 60
MODEL = "models/bytedance/dreamina-3-0/pro/text-to-video"


@dataclass(frozen=True)
class Curl:
    """curl against one simulator."""

    base: str
    key: str = "secret"

    def __call__(self, path: str, *options: str, key: str | None = None) -> tuple[int, Any]:
        """The HTTP status and the JSON of one call."""
        bearer = ["-H", f"Authorization: Bearer {key or self.key}"]
        code, text = self.plain(f"{self.base}/{path}", *bearer, *options)
        return code, json.loads(text)

    def plain(self, url: str, *options: str) -> tuple[int, str]:
        command = ["curl", "-sS", "--max-time", str(WITHIN_S), "-w", "\n%{http_code}", *options, url]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        text, _, code = done.stdout.rpartition("\n")
        return int(code), text

    def submit(self, body: dict[str, Any] | None = None) -> tuple[int, Any]:
        body = body or {"prompt": "A teapot", "aspect_ratio": "1440×1440(1:1)"}
        content = json.dumps(body, ensure_ascii=False)
        return self(MODEL, "-X", "POST", "-H", "Content-Type: application/json", "-d", content)

    def until(self, request_id: str, word: str) -> dict[str, Any]:
        deadline = time.monotonic() + WITHIN_S
        while time.monotonic() < deadline:
            code, answer = self(f"requests/{request_id}/status")
            assert code == 200
            if answer["status"] == word:
                return dict(answer)
        pytest.fail(f"the request never became {word}")


def start(*arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "dreamina_ui.simulator", "--port", "0", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


@pytest.fixture
def curl(tmp_path: Path, clip: Path, request: pytest.FixtureRequest) -> Iterator[Curl]:
    """A simulator that takes `request.param` seconds for a video, and curl for it."""
    seconds = getattr(request, "param", 0.2)
    process = start(
        "--token", "secret", "--folder", str(tmp_path), "--queue", "0.1", "--price", "0.1",
        "--quick", str(seconds), "--clip", str(clip),
    )  # fmt: skip
    assert process.stdout is not None
    base = process.stdout.readline().strip()
    yield Curl(base)
    process.terminate()
    assert process.wait(WITHIN_S) == 0
    assert process.stdout.read() == ""
    process.stdout.close()


def test_a_video_from_submit_to_download(curl: Curl, clip: Path, tmp_path: Path) -> None:
    """Submit, status until completed, result with its cost, and the video without a key."""
    assert curl.base.startswith("http://127.0.0.1:")
    assert curl.base.endswith("/v1")
    code, answer = curl.submit()
    assert code == 200
    assert answer["status_url"] == f"{curl.base}/requests/{answer['request_id']}/status"
    curl.until(answer["request_id"], "completed")
    code, result = curl(f"requests/{answer['request_id']}/result?include_cost=true")
    assert (code, result["status"]) == (200, "succeeded")
    assert result["cost"] == pytest.approx(0.1 * 121 / 24)
    saved = tmp_path / "saved.mp4"
    code, _ = curl.plain(result["output"]["video"], "-o", str(saved))
    assert code == 200
    assert saved.read_bytes() == clip.read_bytes()


@pytest.mark.parametrize("curl", [600], indirect=True)
def test_cancelling(curl: Curl) -> None:
    """A queued request is cancelled with 202; a running one is not cancellable, with 202 as well."""
    _, running = curl.submit()
    curl.until(running["request_id"], "in_progress")
    _, queued = curl.submit()
    assert curl.until(queued["request_id"], "in_queue")["queue_position"] == 1
    code, answer = curl(f"requests/{queued['request_id']}/cancel", "-X", "POST")
    assert (code, answer["outcome"]) == (202, "cancelled")
    code, answer = curl(f"requests/{running['request_id']}/cancel", "-X", "POST")
    assert (code, answer["outcome"]) == (202, "not_cancellable")
    assert curl.until(queued["request_id"], "cancelled")
    assert curl.until(running["request_id"], "in_progress")


def test_refusals(curl: Curl) -> None:
    """An unknown id, a wrong key, invalid input and an unknown model each have an error code."""
    code, answer = curl("requests/unknown/status")
    assert (code, answer["error_code"]) == (404, 404001)
    code, answer = curl(MODEL, key="wrong")
    assert (code, answer["error_code"]) == (401, 400004)
    code, answer = curl.submit({"prompt": "x", "frames": 1})
    assert (code, answer["error_code"]) == (422, 422001)
    assert answer["detail"]
    code, answer = curl("models/unknown", "-X", "POST", "-d", "{}")
    assert (code, answer["error_code"]) == (400, 400001)


def test_the_model_and_the_catalogue(curl: Curl) -> None:
    """The bundled cards are in the catalogue, with their price."""
    code, model = curl(MODEL)
    assert (code, model["base_price_usd"], model["price_unit"]) == (200, 0.1, "second")
    _, catalogue = curl("models")
    assert catalogue["total"] == 2


def test_restart_after_a_kill_resumes_requests(tmp_path: Path, clip: Path) -> None:
    """After SIGKILL a new process on the same folder finishes every accepted request."""
    arguments = ("--token", "secret", "--folder", str(tmp_path), "--queue", "0", "--clip", str(clip))
    first = start(*arguments, "--quick", "600")
    assert first.stdout is not None
    curl = Curl(first.stdout.readline().strip())
    ids = [curl.submit()[1]["request_id"] for _ in range(2)]
    curl.until(ids[0], "in_progress")
    first.kill()
    first.wait(WITHIN_S)
    first.stdout.close()
    second = start(*arguments, "--quick", "0")
    assert second.stdout is not None
    curl = Curl(second.stdout.readline().strip())
    for request_id in ids:
        curl.until(request_id, "completed")
    _, ledger = curl("../_simulator/ledger")
    assert [entry["request_id"] for entry in ledger["requests"]] == ids
    second.terminate()
    assert second.wait(WITHIN_S) == 0
    second.stdout.close()
