"""The examples of docs/api.md run unchanged, but for the address."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from dreamina_ui import errors
from tests.rig import make_clip
from tests.servers import ROOT, Server, SimulatorServer

ADDRESS = "http://127.0.0.1:7860"
TEXT = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
JAVASCRIPT = ROOT / "tests" / "javascript"


def blocks(language: str) -> list[str]:
    found: list[str] = re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    return found


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A studio whose service has a small video of the right length ready. Each example is a new visitor."""
    folder = tmp_path_factory.mktemp("studio")
    clip = str(make_clip(folder / "clip.mp4", frames=121))
    service = SimulatorServer(folder, "--queue", "0.3", "--quick", "0.1", "--slots", "4", "--clip", clip)
    server = Server(folder, RUNCOMFY_API_TOKEN="a-key-of-the-examples", RUNCOMFY_MODEL_API_BASE=service.start())
    server.start()
    yield server
    server.stop()
    service.stop()
    assert "Traceback" not in server.log


def printed(command: list[str], text: str, studio: Server, folder: Path) -> list[str]:
    """The lines that an example prints; the command reads it from its standard input."""
    assert ADDRESS in text
    text = text.replace(ADDRESS, studio.address.rstrip("/"))
    done = subprocess.run(command, input=text, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()


def python(number: int, studio: Server, folder: Path) -> list[str]:
    return printed([sys.executable, "-"], blocks("python")[number], studio, folder)


def javascript(number: int, studio: Server) -> list[str]:
    subprocess.run(["bash", "scripts/javascript"], cwd=ROOT, check=True, timeout=600)
    return printed(["node", "--input-type=module", "-"], blocks("javascript")[number], studio, JAVASCRIPT)


def test_every_example_is_run() -> None:
    """The document has as many examples as there are tests here."""
    assert [len(blocks(language)) for language in ("python", "javascript", "bash")] == [5, 2, 3]
    assert TEXT.count("```") == 2 * 10


def test_python_streams(studio: Server, tmp_path: Path) -> None:
    """The example prints each state, and at the end the file of the video."""
    *states, video = python(0, studio, tmp_path)
    assert states[-1] == "succeeded Ready"
    assert ".mp4" in video


def test_python_polls_and_cancels(studio: Server, tmp_path: Path) -> None:
    """The example polls a job until it has ended, and cancels another one."""
    assert python(1, studio, tmp_path) == ["succeeded 5.042 s 0.0 USD", "True"]


def test_python_stays_one_visitor(studio: Server, tmp_path: Path) -> None:
    """The same call twice is one job, and the visitor's history has it."""
    assert python(2, studio, tmp_path) == ["True 1"]


def test_python_starts_a_batch(studio: Server, tmp_path: Path) -> None:
    """A job for each row, of the row's model."""
    model = "bytedance/dreamina-3-0/pro"
    states, models = zip(*(line.split() for line in python(3, studio, tmp_path)), strict=True)
    assert models == (f"{model}/text-to-video", f"{model}/image-to-video")
    assert set(states) <= {"waiting", "submitting", "in_queue"}


def test_python_reads_an_error(studio: Server, tmp_path: Path) -> None:
    """Code, field and sentence."""
    assert python(4, studio, tmp_path) == ["invalid_input frames frames: 5 is not one of 121, 241."]


def test_javascript_streams(studio: Server) -> None:
    """The example prints each state, and at the end the address of the video."""
    *_, last = javascript(0, studio)
    assert re.fullmatch(rf"succeeded {re.escape(studio.address.rstrip('/'))}/dreamina/saved/[0-9a-f]{{32}}\.mp4", last)


def test_javascript_calls_the_other_endpoints(studio: Server) -> None:
    """The other four endpoints, and an error's code."""
    line, code = javascript(1, studio)
    assert re.fullmatch(r"7 null true \d", line)
    assert code == "invalid_input"


def test_curl_streams(studio: Server, tmp_path: Path) -> None:
    """A stream of `[job, video]`, each job by the schema."""
    lines = printed(["bash", "-eu"], blocks("bash")[0], studio, tmp_path)
    events = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: [")]
    for job, _ in events:
        fits(job)
    job, video = events[-1]
    assert (job["state"], video["mime_type"]) == ("succeeded", "video/mp4")


def test_curl_calls_the_other_endpoints(studio: Server, tmp_path: Path) -> None:
    """The other four endpoints, each job by the schema, and an error's JSON."""
    lines = printed(["bash", "-eu"], blocks("bash")[1], studio, tmp_path)
    polled, cancelled, history, error = (json.loads(line[6:]) for line in lines if line.startswith("data: "))
    assert [job["job_id"] for job in history[0]] == [polled[0]["job_id"]]
    for job in (polled[0], cancelled[0], history[0][0]):
        fits(job)
    assert cancelled[0]["cancel_requested"]
    assert json.loads(error["error"])["code"] == "invalid_input"


def test_curl_checks_the_health(studio: Server, tmp_path: Path) -> None:
    """`GET /healthz`."""
    [response] = printed(["bash", "-eu"], blocks("bash")[2], studio, tmp_path)
    assert json.loads(response)["status"] == "ok"


def test_every_code_is_listed() -> None:
    """The document lists each error code that can occur after the start, once, and no other."""
    listed = re.findall(r"^\| `([a-z_]+)` \| .* \| (?:call|job|call, job) \|$", TEXT, re.MULTILINE)
    kinds = (getattr(errors, name) for name in dir(errors))
    found = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, errors.DreaminaError)]
    remarks = {kind.code for kind in found if issubclass(kind, errors.Remark)}
    on_pages = {
        "vote_not_found",
        "vote_closed",
        "vote_size",
        "choice_unclear",
        "too_many_votes",
        "not_on_shelf",
        "shelf_full",
    }
    codes = {kind.code for kind in found} - remarks - on_pages - {"setting", "card"} | {"invalid_call", "unknown_tool"}
    assert sorted(listed) == sorted(codes)
    assert all(f"`{code}`" in TEXT for code in remarks - {"remark"})


def fits(job: object) -> None:
    schema = json.loads((ROOT / "docs" / "job.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(job)
