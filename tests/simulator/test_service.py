"""The simulator in the process: each call, the queue, and restarts."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from dreamina_ui.simulator import QuickRenderer, RenderError, RenderJob, SubprocessRenderer, create_app
from tests.simulator.conftest import Calling

pytestmark = pytest.mark.anyio

MODEL = "/v1/models/bytedance/dreamina-3-0/pro/text-to-video"
PROMPT = {"prompt": "A teapot"}


class Gate:
    """A renderer that waits for `open` and keeps its jobs."""

    def __init__(self, clip: Path) -> None:
        self.jobs: list[RenderJob] = []
        self.open = asyncio.Event()
        self._clip = clip

    async def __call__(self, job: RenderJob, path: Path) -> None:
        self.jobs.append(job)
        await self.open.wait()
        path.write_bytes(self._clip.read_bytes())


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait until a condition holds, at most 60 seconds."""
    deadline = time.monotonic() + 60
    while not await holds():
        assert time.monotonic() < deadline, "the condition never held"
        await asyncio.sleep(0.01)


async def submit(client: httpx.AsyncClient, **given: Any) -> str:
    answer = await client.post(MODEL, content=json.dumps({**PROMPT, **given}))
    assert answer.status_code == 200, answer.text
    return str(answer.json()["request_id"])


async def status(client: httpx.AsyncClient, request_id: str) -> dict[str, Any]:
    return dict((await client.get(f"/v1/requests/{request_id}/status")).json())


async def result(client: httpx.AsyncClient, request_id: str, query: str = "") -> dict[str, Any]:
    return dict((await client.get(f"/v1/requests/{request_id}/result{query}")).json())


async def reach(client: httpx.AsyncClient, request_id: str, word: str) -> None:
    async def there() -> bool:
        return bool((await status(client, request_id))["status"] == word)

    await until(there)


async def test_a_request_goes_from_the_queue_to_a_video(
    tmp_path: Path, card: dict[str, Any], clip: Path, calling: Calling
) -> None:
    """A submit is queued, rendered and completed, and its video is served at the address in the result."""
    gate = Gate(clip)
    async with calling(create_app(tmp_path, cards=[card], queue_s=0.2, render=gate)) as client:
        answer = (await client.post(MODEL, json=PROMPT)).json()
        request_id = answer["request_id"]
        base = f"http://simulator/v1/requests/{request_id}"
        assert answer == {
            "request_id": request_id,
            **{f"{call}_url": f"{base}/{call}" for call in ("status", "result", "cancel")},
        }
        addresses = {f"{call}_url": f"{base}/{call}" for call in ("status", "result")}
        assert await status(client, request_id) == {
            "request_id": request_id, "status": "in_queue", "queue_position": 1, **addresses,
        }  # fmt: skip
        assert (await result(client, request_id))["status"] == "in_queue"
        await reach(client, request_id, "in_progress")
        assert "queue_position" not in await status(client, request_id)
        assert "output" not in await result(client, request_id)
        gate.open.set()
        await reach(client, request_id, "completed")
        done = await result(client, request_id)
        assert done["status"] == "succeeded"
        assert done["created_at"] < done["finished_at"]
        assert done["finished_at"].endswith("Z")
        video = await client.get(done["output"]["video"])
        assert video.headers["content-type"] == "video/mp4"
        assert int(video.headers["content-length"]) == len(video.content)
        assert video.content == clip.read_bytes()


async def test_addresses_follow_the_host_of_the_call(
    tmp_path: Path, card: dict[str, Any], clip: Path, calling: Calling
) -> None:
    """The addresses in a reply are on the host the call was made to."""
    async with calling(create_app(tmp_path, cards=[card], render=Gate(clip))) as client:
        answer = await client.post(f"http://elsewhere:8700{MODEL}", json=PROMPT)
        assert answer.json()["status_url"].startswith("http://elsewhere:8700/v1/requests/")


async def test_the_job_is_the_input_with_the_cards_defaults(
    tmp_path: Path, card: dict[str, Any], clip: Path, calling: Calling
) -> None:
    """The renderer gets sizes from the ratio, defaults from the card, and never a negative seed."""
    gate = Gate(clip)
    gate.open.set()
    async with calling(create_app(tmp_path, cards=[card], queue_s=0, render=gate)) as client:
        first = await submit(client)
        second = await submit(client, aspect_ratio="1088×1920(9:16)", frames=241, seed=7)
        await reach(client, first, "completed")
        await reach(client, second, "completed")
    plain, chosen = gate.jobs
    assert (plain.width, plain.height, plain.frames, plain.frames_per_second) == (1920, 1088, 121, 24)
    assert plain.seed >= 0
    assert chosen == RenderJob(second, "A teapot", 1088, 1920, 241, 24, 7)


async def test_the_queue_moves_up_when_one_is_cancelled(
    tmp_path: Path, card: dict[str, Any], clip: Path, calling: Calling
) -> None:
    """Positions start at 1, a cancelled request leaves the queue, and the ones behind it move up."""
    gate = Gate(clip)
    async with calling(create_app(tmp_path, cards=[card], queue_s=0, render=gate)) as client:
        running, second, third = [await submit(client) for _ in range(3)]
        await reach(client, running, "in_progress")
        assert [(await status(client, one))["queue_position"] for one in (second, third)] == [1, 2]
        answer = await client.post(f"/v1/requests/{second}/cancel")
        assert answer.status_code == 202
        assert answer.json() == {"request_id": second, "status": "cancelled", "outcome": "cancelled"}
        assert (await status(client, third))["queue_position"] == 1
        assert (await status(client, second))["status"] == "cancelled"
        assert (await result(client, second))["status"] == "cancelled"
        for late, word in ((running, "in_progress"), (second, "cancelled")):
            answer = await client.post(f"/v1/requests/{late}/cancel")
            assert answer.status_code == 202
            assert answer.json() == {"request_id": late, "status": word, "outcome": "not_cancellable"}
        gate.open.set()
        await reach(client, third, "completed")
        assert [job.request_id for job in gate.jobs] == [running, third]


async def test_slots_render_side_by_side(tmp_path: Path, card: dict[str, Any], clip: Path, calling: Calling) -> None:
    """With two slots two requests render at once, and the third waits."""
    async with calling(create_app(tmp_path, cards=[card], slots=2, queue_s=0, render=Gate(clip))) as client:
        first, second, third = [await submit(client) for _ in range(3)]
        await reach(client, first, "in_progress")
        await reach(client, second, "in_progress")
        assert (await status(client, third))["status"] == "in_queue"


@pytest.mark.parametrize(
    ("price", "unit", "cost"), [(0.0, "second", 0.0), (0.12, "second", 0.605), (0.5, "output", 0.5)]
)
async def test_include_cost_adds_the_cost(
    tmp_path: Path, card: dict[str, Any], clip: Path, calling: Calling, price: float, unit: str, cost: float
) -> None:
    """`include_cost` adds the price of the video's length, or of the output, as a number."""
    app = create_app(tmp_path, cards=[card], queue_s=0, render=QuickRenderer(0, clip), price_usd=price, price_unit=unit)
    async with calling(app) as client:
        request_id = await submit(client)
        await reach(client, request_id, "completed")
        assert (await result(client, request_id, "?include_cost=true"))["cost"] == pytest.approx(cost)
        assert "cost" not in await result(client, request_id)


async def test_the_balance_goes_down_with_each_video(
    tmp_path: Path, card: dict[str, Any], clip: Path, calling: Calling
) -> None:
    """Only a video that was made costs; what was spent is known after a restart, and with nothing left a submit is refused."""

    def app() -> Any:
        return create_app(
            tmp_path, cards=[card], token="secret", queue_s=0, render=QuickRenderer(0, clip),
            price_usd=0.3, price_unit="output", pricing_note="more with sound", balance_usd=0.5,
        )  # fmt: skip

    async def balance(client: Any) -> dict[str, Any]:
        answer = await client.get("/prod/v2/balance", headers={"Authorization": "Bearer secret"})
        return dict(answer.json())

    async with calling(app()) as client:
        assert (await client.get("/prod/v2/balance")).status_code == 401
        client.headers["Authorization"] = "Bearer secret"
        assert (await client.get(MODEL)).json()["pricing_note"] == "more with sound"
        assert await balance(client) == {"balance_usd": 0.5, "balance_microdollars": 500_000, "currency": "USD"}
        fault = {"on": "submit", "kind": "failed_result"}
        await client.post("/_simulator/faults", json=fault)
        await reach(client, await submit(client), "completed")
        assert (await balance(client))["balance_usd"] == 0.5
        request_id = await submit(client)
        await reach(client, request_id, "completed")
        assert (await result(client, request_id, "?include_cost=true"))["cost"] == 0.3
        assert (await balance(client))["balance_usd"] == 0.2
    async with calling(app()) as client:
        client.headers["Authorization"] = "Bearer secret"
        await reach(client, await submit(client), "completed")
        assert (await balance(client))["balance_microdollars"] == -100_000
        answer = await client.post(MODEL, json=PROMPT)
        assert (answer.status_code, answer.json()["error_code"]) == (402, 400002)


@pytest.mark.parametrize("request_id", ["unknown", "..%2F..%2Fetc", "a%20b", "%00", "x" * 500])
@pytest.mark.parametrize(("method", "call"), [("GET", "status"), ("GET", "result"), ("POST", "cancel")])
async def test_unknown_ids_are_not_found(
    tmp_path: Path, card: dict[str, Any], calling: Calling, request_id: str, method: str, call: str
) -> None:
    """An unknown request id answers 404001, whatever its characters."""
    async with calling(create_app(tmp_path, cards=[card])) as client:
        answer = await client.request(method, f"/v1/requests/{request_id}/{call}")
        assert (answer.status_code, answer.json()["error_code"]) == (404, 404001)
        assert answer.json()["error_message"]


@pytest.mark.parametrize("header", [None, b"Bearer wrong", b"Basic secret", b"Bearer", "Bearer secrét".encode()])
async def test_the_token_is_required(
    tmp_path: Path, card: dict[str, Any], calling: Calling, header: bytes | None
) -> None:
    """With a token, every call but a download needs it as a bearer token; so do the control routes."""
    async with calling(create_app(tmp_path, cards=[card], token="secret")) as client:
        headers = {b"Authorization": header} if header else {}
        for method, path in (
            ("POST", MODEL), ("GET", MODEL), ("GET", "/v1/models"), ("GET", "/v1/requests/x/status"),
            ("GET", "/prod/v2/balance"), ("GET", "/_simulator/ledger"), ("POST", "/_simulator/faults"),
        ):  # fmt: skip
            answer = await client.request(method, path, json=PROMPT, headers=headers)
            assert (answer.status_code, answer.json()["error_code"]) == (401, 400004)
        answer = await client.post(MODEL, json=PROMPT, headers={"Authorization": "Bearer secret"})
        assert answer.status_code == 200
        assert (await client.get("/outputs/x.mp4")).status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        b"not json", b"", b"[" * 100_000, b"[]", b"1", b"{}", b"{\"prompt\": 1}", b"{\"prompt\": null}",
        json.dumps({"prompt": "x" * 801}).encode(), json.dumps({**PROMPT, "frames": 120}).encode(),
        json.dumps({**PROMPT, "seed": "7"}).encode(), json.dumps({**PROMPT, "seed": True}).encode(),
        json.dumps({**PROMPT, "aspect_ratio": "16:9"}).encode(), json.dumps({**PROMPT, "extra": 1}).encode(),
    ],
)  # fmt: skip
async def test_bad_input_is_refused_with_details(
    tmp_path: Path, card: dict[str, Any], calling: Calling, body: bytes
) -> None:
    """Input that the schema does not allow is refused with 422001 and a list of details."""
    async with calling(create_app(tmp_path, cards=[card])) as client:
        answer = await client.post(MODEL, content=body)
        assert (answer.status_code, answer.json()["error_code"]) == (422, 422001)
        assert all({"loc", "msg", "type"} <= detail.keys() for detail in answer.json()["detail"])
        assert answer.json()["detail"]
        assert (await client.get("/_simulator/ledger")).json()["counters"]["posts_accepted"] == 0


async def test_models_are_described_and_found(tmp_path: Path, card: dict[str, Any], calling: Calling) -> None:
    """A model shows its schema and price, the catalogue finds it, and an unknown one is 400001."""
    async with calling(create_app(tmp_path, cards=[card])) as client:
        model = (await client.get(MODEL)).json()
        assert model["model_id"] == card["model_id"]
        assert model["display_name"] == "Dreamina 3.0 Pro"
        assert model["input_schema"] == card["input_schema"]
        price = (model["base_price_usd"], model["price_unit"], model["pricing_note"])
        assert price == (0.0, "second", None)
        found = (await client.get("/v1/models?search=dreamina&kind=text-to-video")).json()
        assert found["total"] == 1
        assert "input_schema" not in found["models"][0]
        found = (await client.get("/v1/models?include_schema=true")).json()
        assert found["models"][0]["input_schema"] == card["input_schema"]
        assert (await client.get("/v1/models?search=other")).json() == {"models": [], "total": 0}
        assert (await client.get("/v1/models?offset=1")).json() == {"models": [], "total": 1}
        assert (await client.get("/v1/models?limit=x")).json()["error_code"] == 422001
        for method in ("GET", "POST"):
            answer = await client.request(method, "/v1/models/other", json=PROMPT)
            assert (answer.status_code, answer.json()["error_code"]) == (400, 400001)


async def test_a_failed_rendering_is_a_failed_result(tmp_path: Path, card: dict[str, Any], calling: Calling) -> None:
    """When the renderer fails, the status is completed and the result failed with its error."""

    async def broken(job: RenderJob, path: Path) -> None:
        message = "no paint"
        raise RenderError(message)

    async with calling(create_app(tmp_path, cards=[card], queue_s=0, render=broken)) as client:
        request_id = await submit(client)
        await reach(client, request_id, "completed")
        failed = await result(client, request_id)
        assert (failed["status"], failed["error"]) == ("failed", "no paint")
        assert "output" not in failed


async def test_a_restart_resumes_unfinished_requests(
    tmp_path: Path, card: dict[str, Any], clip: Path, calling: Calling
) -> None:
    """After a restart, finished requests answer as before, and unfinished ones are rendered in order."""
    gate = Gate(clip)
    before = create_app(tmp_path, cards=[card], queue_s=0, render=gate)
    async with calling(before) as client:
        gate.open.set()
        done = await submit(client)
        await reach(client, done, "completed")
        finished = await result(client, done)
        gate.open.clear()
        running, waiting = await submit(client), await submit(client)
        await reach(client, running, "in_progress")
    app = create_app(tmp_path, cards=[card], queue_s=0, render=QuickRenderer(0, clip))
    async with calling(app) as client:
        assert await result(client, done) == finished
        assert (await client.get(finished["output"]["video"])).content == clip.read_bytes()
        for request_id in (running, waiting):
            await reach(client, request_id, "completed")
            assert (await result(client, request_id))["status"] == "succeeded"
        ledger = (await client.get("/_simulator/ledger")).json()
        assert [entry["request_id"] for entry in ledger["requests"]] == [done, running, waiting]
        assert ledger["counters"]["posts_accepted"] == 3


async def test_the_ledger_counts_calls(tmp_path: Path, card: dict[str, Any], clip: Path, calling: Calling) -> None:
    """The ledger lists every accepted submit with its polls, downloads and cancels."""
    app = create_app(tmp_path, cards=[card], queue_s=0, render=QuickRenderer(0, clip))
    async with calling(app) as client:
        request_id = await submit(client, seed=7)
        await reach(client, request_id, "completed")
        done = await result(client, request_id)
        await client.get(done["output"]["video"])
        await client.post(f"/v1/requests/{request_id}/cancel")
        await client.post(MODEL, json={})
        ledger = (await client.get("/_simulator/ledger")).json()
        (entry,) = ledger["requests"]
        assert (entry["request_id"], entry["model_id"]) == (request_id, card["model_id"])
        assert (entry["input"], entry["state"]) == ({**PROMPT, "seed": 7}, "succeeded")
        assert entry["status_polls"] >= 1
        assert (entry["result_polls"], entry["downloads"], entry["cancel_asked"]) == (1, 1, 1)
        counters = ledger["counters"]
        assert (counters["posts_received"], counters["posts_accepted"], counters["cancels"]) == (2, 1, 1)
        assert counters["gets"] == entry["status_polls"] + 1
        assert counters["answered"] == {"200": entry["status_polls"] + 3, "202": 1, "422": 1}


async def test_videos_and_records_expire(tmp_path: Path, card: dict[str, Any], clip: Path, calling: Calling) -> None:
    """A video is removed an hour after its end, a record twelve hours after its submit; on disk, too."""
    now = [1_800_000_000.0]
    app = create_app(tmp_path, cards=[card], queue_s=0, render=QuickRenderer(0, clip), clock=lambda: now[0])
    async with calling(app) as client:
        request_id = await submit(client)
        await reach(client, request_id, "completed")
        address = (await result(client, request_id))["output"]["video"]
        now[0] += 3590
        assert (await client.get(address)).status_code == 200
        now[0] += 70
        assert (await client.get(address)).status_code == 404
        assert not list((tmp_path / "outputs").iterdir())
        assert (await result(client, request_id))["status"] == "succeeded"
        now[0] += 12 * 3600
        assert (await client.get(f"/v1/requests/{request_id}/status")).json()["error_code"] == 404001
        assert not list((tmp_path / "requests").iterdir())


def script(tmp_path: Path, text: str) -> SubprocessRenderer:
    path = tmp_path / "renderer.py"
    head = "import json, sys, time, pathlib\norder = json.load(sys.stdin)\n"
    path.write_text(head + text, encoding="utf-8")
    return SubprocessRenderer((sys.executable, str(path)))


async def test_the_job_reaches_the_renderers_process(tmp_path: Path, card: dict[str, Any], calling: Calling) -> None:
    """The renderer's process reads one JSON object, can import the package, and makes the video."""
    text = (
        "import dreamina_ui.simulator\npath = pathlib.Path(order.pop('path'))\n"
        "path.write_text(json.dumps(order), encoding='utf-8')"
    )
    app = create_app(tmp_path / "data", cards=[card], queue_s=0, render=script(tmp_path, text))
    async with calling(app) as client:
        request_id = await submit(client, prompt="Tee \ud83c\udf75 half \ud83c", seed=3)
        await reach(client, request_id, "completed")
        done = await result(client, request_id)
        order = (await client.get(done["output"]["video"])).json()
    assert order == {
        "prompt": "Tee \U0001f375 half \ud83c", "width": 1920, "height": 1088, "frames": 121,
        "frames_per_second": 24, "seed": 3, "media": [], "adapts": False, "has_sound": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("sys.exit('x' * 2000 + ' out of paint')", "out of paint"),
        ("sys.exit(3)", "exit code 3"),
        ("", "left no video"),
    ],
)
async def test_the_stderr_of_a_failed_renderer_is_the_error(
    tmp_path: Path, card: dict[str, Any], calling: Calling, text: str, error: str
) -> None:
    """The tail of the renderer's stderr becomes the error of the failed result."""
    app = create_app(tmp_path / "data", cards=[card], queue_s=0, render=script(tmp_path, text))
    async with calling(app) as client:
        request_id = await submit(client)
        await reach(client, request_id, "completed")
        failed = await result(client, request_id)
        assert failed["status"] == "failed"
        assert error in failed["error"]
        assert len(failed["error"]) <= 500


async def test_closing_kills_the_renderer(tmp_path: Path, card: dict[str, Any], calling: Calling) -> None:
    """Closing the app leaves no renderer and no partial file, and keeps the request."""
    marker = tmp_path / "pid"
    text = (
        "import os\npathlib.Path(order['path']).write_bytes(b'half')\n"
        f"m = pathlib.Path({str(marker)!r})\nm.with_suffix('.new').write_text(str(os.getpid()))\n"
        "m.with_suffix('.new').replace(m)\ntime.sleep(600)"
    )
    app = create_app(tmp_path / "data", cards=[card], queue_s=0, render=script(tmp_path, text))

    async def begun() -> bool:
        return marker.exists()

    async with calling(app) as client:
        request_id = await submit(client)
        await until(begun)
    with pytest.raises(ProcessLookupError):
        os.kill(int(marker.read_text()), 0)
    assert not list((tmp_path / "data" / "outputs").iterdir())
    kept = json.loads((tmp_path / "data" / "requests" / f"{request_id}.json").read_text())
    assert kept["state"] == "in_progress"


async def test_the_quick_renderer_waits_its_durations(tmp_path: Path, clip: Path) -> None:
    """The quick renderer sleeps for the next duration, then puts the clip in place."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    durations = iter([3.0, 5.0])
    render = QuickRenderer(lambda: next(durations), clip, sleep)
    for name in ("one.mp4", "two.mp4"):
        await render(RenderJob("id", "p", 64, 64, 6, 24, 0), tmp_path / name)
        assert (tmp_path / name).read_bytes() == clip.read_bytes()
    assert slept == [3.0, 5.0]


def test_the_import_is_light() -> None:
    """Importing the package loads neither PyAV nor NumPy; the service loads nothing else of the project."""
    code = (
        "import sys, dreamina_ui.simulator as s; assert 'starlette' not in sys.modules; s.create_app;"
        "assert not {'av', 'numpy', 'uvicorn', 'gradio'} & sys.modules.keys();"
        "ours = [m for m in sys.modules if m.startswith('dreamina_ui.')];"
        "assert all(m.startswith('dreamina_ui.simulator') for m in ours), ours"
    )
    root = Path(__file__).resolve().parents[2]
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True)
