"""Scripted faults: when they apply, what they reply, and that a reset is a real one."""

from __future__ import annotations

import asyncio
import importlib.util
import json
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from dreamina_ui.simulator import Fault, QuickRenderer, create_app
from dreamina_ui.simulator.faults import KINDS, FaultScript
from tests.simulator.conftest import Calling, Serving

pytestmark = pytest.mark.anyio

MODEL = "/v1/models/bytedance/dreamina-3-0/pro/text-to-video"
PROMPT = {"prompt": "A teapot"}
HTTP = [
    "h11",
    pytest.param(
        "httptools",
        marks=pytest.mark.skipif(importlib.util.find_spec("httptools") is None, reason="not installed"),
    ),
]


@pytest.fixture
def app(tmp_path: Path, card: dict[str, Any], clip: Path) -> Starlette:
    return create_app(tmp_path, cards=[card], queue_s=0, render=QuickRenderer(0, clip))


async def submit(client: httpx.AsyncClient) -> str:
    return str((await client.post(MODEL, json=PROMPT)).json()["request_id"])


async def finished(client: httpx.AsyncClient) -> str:
    """The id of a request whose video is there."""
    request_id = await submit(client)
    for _ in range(1000):
        if (await client.get(f"/v1/requests/{request_id}/status")).json()["status"] == "completed":
            return request_id
        await asyncio.sleep(0.01)
    pytest.fail("the request never ended")


async def call(client: httpx.AsyncClient, on: str, request_id: str) -> httpx.Response:
    """The call that a fault is scripted on."""
    if on == "submit":
        return await client.post(MODEL, json=PROMPT)
    if on == "cancel":
        return await client.post(f"/v1/requests/{request_id}/cancel")
    paths = {"model": MODEL, "balance": "/prod/v2/balance", "output": f"/outputs/{request_id}.mp4"}
    return await client.get(paths.get(on, f"/v1/requests/{request_id}/{on}"))


async def accepted(client: httpx.AsyncClient) -> int:
    return int((await client.get("/_simulator/ledger")).json()["counters"]["posts_accepted"])


REPLIES: list[tuple[dict[str, Any], int, Any]] = [
    ({"on": "submit", "kind": "http_error"}, 503, {"error_code": 503001}),
    ({"on": "status", "kind": "http_error", "code": 500, "message": "boom"}, 500, {"error_message": "boom"}),
    ({"on": "result", "kind": "http_error", "code": 502, "body": "html"}, 502, "<h1>Bad gateway</h1>"),
    ({"on": "cancel", "kind": "http_error", "body": "empty"}, 503, ""),
    ({"on": "status", "kind": "too_many"}, 429, {"error_code": 429001}),
    ({"on": "result", "kind": "html"}, 200, "<h1>Bad gateway</h1>"),
    ({"on": "model", "kind": "empty"}, 200, ""),
    ({"on": "submit", "kind": "error_in_200"}, 200, {"error_code": 500001}),
    ({"on": "submit", "kind": "error_in_200", "error_code": 400002}, 200, {"error_code": 400002}),
    ({"on": "submit", "kind": "error_shape", "message": "no"}, 400, {"error_message": "no"}),
    ({"on": "submit", "kind": "error_shape", "shape": "message", "message": "no"}, 400, {"message": "no"}),
    ({"on": "submit", "kind": "error_shape", "shape": "error", "message": "no"}, 400, {"error": "no"}),
    (
        {"on": "submit", "kind": "error_shape", "shape": "error_object", "message": "no"},
        400,
        {"error": {"message": "no"}},
    ),
    (
        {"on": "submit", "kind": "error_shape", "shape": "detail", "message": "no", "code": 422},
        422,
        {"detail": [{"loc": ["body"], "msg": "no", "type": "value_error"}]},
    ),
    ({"on": "result", "kind": "failed_result"}, 200, {"status": "failed", "output": None}),
    ({"on": "result", "kind": "failed_result", "error": {"code": 7}}, 200, {"error": {"code": 7}}),
    ({"on": "status", "kind": "unknown_word"}, 200, {"status": "warming_up"}),
    ({"on": "status", "kind": "other_word"}, 200, {"status": "succeeded"}),
    ({"on": "result", "kind": "other_word", "word": "canceled"}, 200, {"status": "canceled"}),
    ({"on": "status", "kind": "never_finishes"}, 200, {"status": "in_progress"}),
    ({"on": "result", "kind": "never_finishes"}, 200, {"status": "in_progress", "output": None}),
    ({"on": "submit", "kind": "no_request_id"}, 200, {"request_id": None, "status_url": None}),
    ({"on": "submit", "kind": "no_request_id", "shape": "empty"}, 200, {"request_id": ""}),
    ({"on": "submit", "kind": "no_request_id", "shape": "malformed"}, 200, {"request_id": "../etc/passwd"}),
    ({"on": "result", "kind": "output_shape", "shape": "missing"}, 200, {"output": None}),
    ({"on": "cancel", "kind": "cancel_requested_only"}, 202, {"status": "cancellation_requested"}),
    ({"on": "cancel", "kind": "cancel_word"}, 202, {"status": "completed", "outcome": "not_cancellable"}),
    ({"on": "output", "kind": "wrong_video"}, 200, "This is no video."),
    ({"on": "output", "kind": "gone_output"}, 404, {"error_code": 404001}),
    ({"on": "output", "kind": "gone_output", "code": 410}, 410, {"error_code": 404001}),
    ({"on": "submit", "kind": "no_balance"}, 402, {"error_code": 400002}),
    ({"on": "submit", "kind": "no_balance", "code": 400}, 400, {"error_code": 400002}),
    ({"on": "status", "kind": "bad_key"}, 401, {"error_code": 400004}),
    ({"on": "model", "kind": "forbidden"}, 403, {"error_code": 403001}),
]


@pytest.mark.parametrize(("fault", "code", "expected"), REPLIES, ids=[f"{f['on']}-{f['kind']}" for f, _, _ in REPLIES])
async def test_a_fault_applies_once(
    app: Starlette, calling: Calling, fault: dict[str, Any], code: int, expected: str | dict[str, Any]
) -> None:
    """Each kind changes one reply, and the next one is as before."""
    async with calling(app) as client:
        request_id = await finished(client)
        true = await call(client, fault["on"], request_id)
        assert (await client.post("/_simulator/faults", json=fault)).status_code == 201
        answer = await call(client, fault["on"], request_id)
        assert answer.status_code == code
        if isinstance(expected, str):
            assert expected in answer.text if expected else not answer.content
        else:
            assert {name: answer.json().get(name) for name in expected} == expected
        after = await call(client, fault["on"], request_id)
        assert (after.status_code, after.headers["content-type"]) == (
            true.status_code,
            true.headers["content-type"],
        )


@pytest.mark.parametrize(
    ("shape", "name", "listed"),
    [
        ("videos", "videos", True), ("video_list", "video", True), ("images", "images", True),
        ("image", "image", False), ("videos_string", "videos", False),
    ],
)  # fmt: skip
async def test_output_shapes(app: Starlette, calling: Calling, shape: str, name: str, listed: bool) -> None:
    """The output has another name, alone or in a list; a result without output is not changed."""
    async with calling(app) as client:
        app.state.simulator.faults.add(on="submit", kind="never_finishes")
        early = await submit(client)
        request_id = await finished(client)
        app.state.simulator.faults.add(on="result", kind="output_shape", shape=shape)
        assert "output" not in (await call(client, "result", early)).json()
        url = f"http://simulator/outputs/{request_id}.mp4"
        output = (await call(client, "result", request_id)).json()["output"]
        assert output == {name: [url] if listed else url}


async def test_truncated_json_is_invalid(app: Starlette, calling: Calling) -> None:
    """A truncated submit was accepted, says 200, and is not JSON."""
    async with calling(app) as client:
        app.state.simulator.faults.add(on="submit", kind="truncated")
        answer = await client.post(MODEL, json=PROMPT)
        assert answer.status_code == 200
        with pytest.raises(json.JSONDecodeError):
            answer.json()
        assert await accepted(client) == 1


async def test_retry_after(tmp_path: Path, card: dict[str, Any], calling: Calling) -> None:
    """`Retry-After` comes in seconds, as an HTTP date, or not at all."""
    app = create_app(tmp_path, cards=[card], clock=lambda: 1_800_000_000.0)
    async with calling(app) as client:
        add = app.state.simulator.faults.add
        add(on="model", kind="too_many", retry_after_s=7)
        add(on="model", kind="too_many", retry_after_s=7, as_date=True)
        add(on="model", kind="too_many", retry_after_s=None)
        answers = [await client.get(MODEL) for _ in range(3)]
        assert answers[0].headers["retry-after"] == "7"
        assert parsedate_to_datetime(answers[1].headers["retry-after"]).timestamp() == 1_800_000_007
        assert "retry-after" not in answers[2].headers


@pytest.mark.parametrize(
    ("kind", "more"),
    [("http_error", {}), ("http_error", {"body": "html"}), ("html", {}), ("empty", {}), ("too_many", {})],
)
async def test_the_same_reply_for_accepted_and_refused_submits(
    app: Starlette, calling: Calling, kind: str, more: dict[str, Any]
) -> None:
    """The reply does not show whether the submit was accepted."""
    async with calling(app) as client:
        for was_accepted in (False, True):
            app.state.simulator.faults.add(on="submit", kind=kind, accepted=was_accepted, **more)
            await client.post(MODEL, json=PROMPT)
            assert await accepted(client) == int(was_accepted)


async def test_a_failed_request_has_no_video(app: Starlette, calling: Calling) -> None:
    """A submit fated to fail is completed by its status and failed by its result, with the scripted error."""
    async with calling(app) as client:
        app.state.simulator.faults.add(on="submit", kind="failed_result", error={"message": "unsafe"})
        body = (await call(client, "result", await finished(client))).json()
        assert (body["status"], body["error"]) == ("failed", {"message": "unsafe"})
        body = (await call(client, "result", await finished(client))).json()
        assert body["status"] == "succeeded"


async def test_an_endless_request_does_not_block_others(app: Starlette, calling: Calling) -> None:
    """A submit fated never to finish stays in progress while later ones are rendered."""
    async with calling(app) as client:
        app.state.simulator.faults.add(on="submit", kind="never_finishes")
        endless = await submit(client)
        await finished(client)
        assert (await call(client, "status", endless)).json()["status"] == "in_progress"


async def test_slow_waits_before_or_after_the_effect(
    tmp_path: Path, card: dict[str, Any], clip: Path, calling: Calling
) -> None:
    """A slow call waits the scripted seconds before it takes effect or, if accepted, after."""
    app: Starlette
    slept: list[tuple[float, int]] = []

    async def sleep(seconds: float) -> None:
        slept.append((seconds, app.state.simulator.ledger.counters.posts_accepted))

    app = create_app(tmp_path, cards=[card], queue_s=0, render=QuickRenderer(0, clip), sleep=sleep)
    async with calling(app) as client:
        app.state.simulator.faults.add(on="submit", kind="slow", delay_s=5)
        app.state.simulator.faults.add(on="submit", kind="slow", delay_s=7, accepted=True)
        assert (await client.post(MODEL, json=PROMPT)).status_code == 200
    assert slept == [(5, 0), (7, 1)]


@pytest.mark.parametrize(("kind", "count"), [("lose_answer", 1), ("reset", 0)])
async def test_in_the_process_a_reset_is_a_read_error(app: Starlette, calling: Calling, kind: str, count: int) -> None:
    """Called in the process, a reset raises `httpx.ReadError`; a lost answer was accepted all the same."""
    async with calling(app) as client:
        app.state.simulator.faults.add(on="submit", kind=kind)
        with pytest.raises(httpx.ReadError):
            await client.post(MODEL, json=PROMPT)
        ledger = (await client.get("/_simulator/ledger")).json()
        assert len(ledger["requests"]) == ledger["counters"]["posts_accepted"] == count
        assert ledger["counters"]["answered"] == {"reset": 1}


@pytest.mark.parametrize("http", HTTP)
async def test_over_a_socket_a_reset_is_real(app: Starlette, serving: Serving, http: str) -> None:
    """Behind uvicorn the connection is reset; an accepted submit is in the ledger all the same."""
    with serving(app, http) as address:
        async with httpx.AsyncClient(base_url=address) as client:
            assert (await client.get(MODEL)).status_code == 200
            for kind, count in (("lose_answer", 1), ("reset", 1)):
                app.state.simulator.faults.add(on="submit", kind=kind)
                with pytest.raises(httpx.ReadError):
                    await client.post(MODEL, json=PROMPT)
                assert await accepted(client) == count
            assert (await client.post(MODEL, json=PROMPT)).status_code == 200


@pytest.mark.parametrize("http", HTTP)
async def test_over_a_socket_a_download_is_cut(app: Starlette, serving: Serving, clip: Path, http: str) -> None:
    """A cut video promises its whole length, sends half of it and closes."""
    with serving(app, http) as address:
        async with httpx.AsyncClient(base_url=address) as client:
            request_id = await finished(client)
            app.state.simulator.faults.add(on="output", kind="cut_video")
            got = b""
            async with client.stream("GET", f"/outputs/{request_id}.mp4") as answer:
                assert int(answer.headers["content-length"]) == clip.stat().st_size
                with pytest.raises(httpx.RemoteProtocolError):  # noqa: PT012  raised by the iteration
                    async for part in answer.aiter_bytes():
                        got += part
            assert got == clip.read_bytes()[: clip.stat().st_size // 2]
            assert (await client.get(f"/outputs/{request_id}.mp4")).content == clip.read_bytes()


async def test_in_the_process_a_cut_download_is_short(app: Starlette, calling: Calling, clip: Path) -> None:
    """Called in the process, a cut video has fewer bytes than its length says."""
    async with calling(app) as client:
        request_id = await finished(client)
        app.state.simulator.faults.add(on="output", kind="cut_video")
        answer = await call(client, "output", request_id)
        assert int(answer.headers["content-length"]) == clip.stat().st_size > len(answer.content)


def applied(script: FaultScript, calls: int, request_id: str | None = None) -> list[bool]:
    return [script.take("status", "early", request_id)[1] is not None for _ in range(calls)]


async def test_after_and_times_choose_the_calls() -> None:
    """A fault skips the first `after` calls and then applies `times` times."""
    script = FaultScript()
    script.add(Fault("status", "reset", after=2, times=2))
    assert applied(script, 6) == [False, False, True, True, False, False]
    assert [(one["seen"], one["fired"]) for one in script.listed()] == [(4, 2)]


async def test_the_probability_is_repeatable() -> None:
    """With the same seed, the same calls are chosen each time."""
    draws = []
    for _ in range(2):
        script = FaultScript()
        script.add(Fault("status", "reset", times=None, probability=0.3, seed=5))
        draws.append(applied(script, 400))
    assert draws[0] == draws[1]
    assert 80 < sum(draws[0]) < 160


async def test_a_fault_can_be_for_one_request() -> None:
    """A fault with a request id applies only to calls about that request."""
    script = FaultScript()
    script.add(Fault("status", "reset", times=None, request_id="a"))
    assert applied(script, 1, "a") == [True]
    assert applied(script, 1, "b") == [False]


@pytest.mark.parametrize(
    "wrong",
    [
        "text", {}, {"on": "submit"}, {"on": "submit", "kind": "unheard"},
        {"on": "submit", "kind": "cut_video"},
        {"on": "nowhere", "kind": "reset"}, {"on": "status", "kind": "reset", "extra": 1},
        {"on": "status", "kind": "reset", "times": "2"}, {"on": "status", "kind": "reset", "times": True},
        {"on": "status", "kind": "reset", "after": -1},
        {"on": "status", "kind": "reset", "probability": 2},
        {"on": "status", "kind": "http_error", "code": 99},
        {"on": "status", "kind": "http_error", "body": "x"},
        {"on": "result", "kind": "output_shape", "shape": "x"}, {"on": ["submit"], "kind": "reset"},
        [{"on": "status", "kind": "reset"}, {"on": "status"}],
    ],
)  # fmt: skip
async def test_a_wrong_fault_is_refused(app: Starlette, calling: Calling, wrong: object) -> None:
    """An invalid fault is refused with 422001, and none of the list is added."""
    async with calling(app) as client:
        answer = await client.post("/_simulator/faults", json=wrong)
        assert (answer.status_code, answer.json()["error_code"]) == (422, 422001)
        assert (await client.get("/_simulator/faults")).json() == {"faults": []}


async def test_faults_are_listed_and_cleared(app: Starlette, calling: Calling) -> None:
    """The control routes list the faults with their counts, and clear them."""
    async with calling(app) as client:
        faults = [{"on": "model", "kind": "html", "times": None}, {"on": "status", "kind": "reset"}]
        await client.post("/_simulator/faults", json=faults)
        await client.get(MODEL)
        listed = (await client.get("/_simulator/faults")).json()["faults"]
        assert [(one["kind"], one["fired"]) for one in listed] == [("html", 1), ("reset", 0)]
        assert (await client.delete("/_simulator/faults")).json() == {"faults": []}
        assert (await client.get(MODEL)).json()["price_unit"] == "second"


async def test_every_kind_is_valid_on_its_calls() -> None:
    """Each kind can be made from JSON for each of its calls."""
    for kind, places in KINDS.items():
        for on in places:
            assert Fault.from_json({"on": on, "kind": kind, "times": None}).kind == kind
