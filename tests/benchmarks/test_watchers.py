"""The watchers' benchmark runs, and says what it measured; what the figures are is not asked here."""

import os
import re
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from gradio.utils import diff

from benchmarks.driver import Kind, Page, patched
from benchmarks.fake_service import FakeService, Lengths, Request
from benchmarks.load import Load
from tests.forked import ran

SERVICE = "http://127.0.0.1:1"
BODY = b'{"prompt": "visitor 7"}'


@pytest.mark.skipif(
    sys.platform != "linux", reason="another process's memory and processor time are read as Linux tells them"
)
@pytest.mark.timeout(180)
def test_the_benchmark_of_watchers_runs_and_writes_its_tables(tmp_path: Path) -> None:
    """Visitors of both kinds of app get their videos, whatever they do; every figure has its unit, and nothing is left behind."""
    page = tmp_path / "performance.md"
    page.write_text("Before\n<!-- watchers, 300: begin -->\nold\n<!-- watchers, 300: end -->\nAfter\n")
    tiny = ["--visitors", "12", "--within", "1", "--seconds", "1", "--warm-up", "1", "--size", "0"]
    options = ["--part", "300", "--report", str(page), *tiny]
    env = os.environ | {"TMPDIR": str(tmp_path), "GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1"}
    done = ran("benchmarks.watchers", options, env, tmp_path, forking=True)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("|")]
    assert [part.strip() for part in lines[0].split("|")[2:4]] == ["tuned", "ours"]
    assert re.search(r"got their video *\| *100\.0 % *\| *100\.0 % *\|", lines[2])
    assert all(len(re.findall(r"\d (%|s|ms|MB|polls|messages|videos) *\|", line)) >= 2 for line in lines[2:])
    for what in (
        "95 %",
        "in the player",
        "newcomer",
        "charged",
        "peak memory",
        "processor time",
        "polls",
        "load driver",
    ):
        assert any(what in line for line in lines), what
    assert lines[-1] in page.read_text()
    assert not list(tmp_path.glob("dreamina-watchers-*"))


def test_the_service_finishes_a_job_when_its_time_has_passed() -> None:
    """It waits, runs and is completed by the clock alone; what asks is counted."""
    request = Request("request-0", "visitor 7", submitted_at=100.0, done_at=160.0, begins_at=106.0)
    assert [request.status(now) for now in (100.0, 105.9, 106.1, 159.9, 160.0)] == [
        *("in_queue", "in_queue", "in_progress", "in_progress", "completed"),
    ]


def test_the_service_keeps_a_record_of_each_job(tmp_path: Path) -> None:
    """Whose job it is, by its prompt; when it came and ends; how often somebody asked."""
    service = FakeService(Lengths(60.0), tmp_path / "clip.mp4")
    service.origin = SERVICE
    status, told = service.answer("POST", "/v1/models/any/model", BODY)
    assert status == 200
    assert isinstance(told, dict)
    for _ in range(2):
        _, seen = service.answer("GET", str(told["status_url"]).removeprefix(SERVICE), b"")
        assert isinstance(seen, dict)
        assert (seen["status"], seen["queue_position"]) == ("in_queue", 1)
    _, all_of_them = service.answer("GET", "/_bench/jobs", b"")
    assert isinstance(all_of_them, dict)
    [job] = all_of_them["jobs"]
    assert (job["prompt"], job["polls"], job["done_at"] - job["submitted_at"]) == ("visitor 7", 2, pytest.approx(60.0))


def test_a_finished_job_names_its_video(tmp_path: Path) -> None:
    """The result has the address of a video of the service's own."""
    service = FakeService(Lengths(0.0), tmp_path / "clip.mp4")
    service.origin = SERVICE
    _, told = service.answer("POST", "/v1/models/any/model", BODY)
    assert isinstance(told, dict)
    _, result = service.answer("GET", str(told["result_url"]).removeprefix(SERVICE) + "?include_cost=true", b"")
    assert isinstance(result, dict)
    assert result["status"] == "succeeded"
    assert service.answer("GET", result["output"]["video"].removeprefix(SERVICE), b"") == (200, tmp_path / "clip.mp4")


def test_lengths_are_the_same_for_every_program() -> None:
    """The length of a job depends on its number; the middle one of many is the median that was asked for."""
    lengths = sorted(Lengths(60.0, 0.35).of(number) for number in range(1001))
    assert lengths == sorted(Lengths(60.0, 0.35).of(number) for number in reversed(range(1001)))
    assert lengths[500] == pytest.approx(60.0, rel=0.1)
    assert lengths[-1] > 2 * lengths[0]
    assert {Lengths(60.0).of(number) for number in range(10)} == {60.0}


def test_the_driver_finds_what_a_click_leads_to() -> None:
    """As a browser: the button's own event, those after it, and those of a component that it changes."""
    config = {
        "connect_heartbeat": True,
        "components": [
            {"id": 1, "props": {"elem_id": "generate", "value": "Generate"}},
            {"id": 2, "props": {"elem_id": "current", "value": ""}},
        ],
        "dependencies": [
            {"id": 0, "targets": [[1, "click"]], "trigger_after": None, "backend_fn": True, "api_name": "start"},
            {"id": 1, "targets": [[2, "change"]], "trigger_after": None, "backend_fn": True, "api_name": "watch"},
            {"id": 2, "targets": [[None, "then"]], "trigger_after": 0, "backend_fn": True, "api_name": "show"},
            {"id": 3, "targets": [[9, "load"]], "trigger_after": None, "backend_fn": True, "api_name": "open"},
        ],
    }
    page = Page(config)
    assert page.fired(page.ids["generate"], "click") == [0]
    assert page.fired(page.ids["current"], "change") == [1]
    assert page.after(0) == [2]
    assert page.opening == [3]
    assert page.trigger(1) == 2
    assert page.beats


def test_the_driver_puts_differences_together_as_the_page_does() -> None:
    """What Gradio tells of a changed answer gives that answer again."""
    values: list[object] = [
        "",
        "a",
        "ab",
        {"value": "x", "visible": True},
        {"value": "xy"},
        ["a", "b"],
        ["a"],
        [1, {"b": 2}],
    ]
    for before, after in pairwise(values):
        assert patched(before, diff(before, after)) == after  # type: ignore[no-untyped-call]
    assert patched("as it is", []) == "as it is"


def test_visitors_behave_as_people_do() -> None:
    """Of twenty, four reload the page, two run a batch, one goes away; always the same ones."""
    page = Page({"connect_heartbeat": False, "components": [], "dependencies": []})
    load = Load(20, 1, 18, 0.15, is_mixed=True)
    visitors = [load.visitor(number, page, SERVICE) for number in range(20)]
    assert Counter(visitor.kind for visitor in visitors) == {
        Kind.STAY: 13,
        Kind.RELOAD: 4,
        Kind.BATCH: 2,
        Kind.LEAVE: 1,
    }
    assert visitors == [load.visitor(number, page, SERVICE) for number in range(20)]
    assert all(0 < visitor.pause_s < 18 for visitor in visitors)
