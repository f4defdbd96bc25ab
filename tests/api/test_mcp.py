"""The MCP server of a started app, called by the official client: eight tools, and only the client's own jobs."""

import asyncio
import json
import re
import sqlite3
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import anyio
import httpx
import jsonschema
import pytest
from gradio_client import Client
from mcp import ClientSession, types
from mcp.client.streamable_http import streamable_http_client
from mcp.server.session import ServerSession

from dreamina_ui.api.tools import Tools
from dreamina_ui.cards.model_card import load_card
from dreamina_ui.jobs import HOLDER
from dreamina_ui.settings import BUNDLED_CARDS
from dreamina_ui.web.visitors import Visitors
from tests.api.tool_schemas import faults_of_tool
from tests.rig import CARD, OTHER_CARD, Rig, make_clip, rigged
from tests.servers import ROOT, Server, SimulatorServer, wait_for

KEY, OWN, OTHER = "rc-test-key-0123456789", "rc-own-key-0123456789", "rc-other-key-0123456789"
TOOLS = [
    *("list_models", "generate_video", "generate_batch", "job_status", "cancel_job", "list_videos"),
    *("join_videos", "export_video"),
]
PICTURES = BUNDLED_CARDS / "dreamina-3-0-pro-image-to-video.json"
OTHER_PATH = ROOT / "tests" / "other-card.json"
SCHEMA = json.loads((ROOT / "docs" / "job.schema.json").read_text(encoding="utf-8"))
TRANSCRIPT = ROOT / "docs" / "mcp.md"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatorServer]:
    """The simulator over a socket, with a key and a price, and a queue that gives time to cancel."""
    folder = tmp_path_factory.mktemp("service")
    clip = make_clip(folder / "clip.mp4")
    cards = ("--card", str(BUNDLED_CARDS / "dreamina-3-0-pro-text-to-video.json"), "--card", str(OTHER_PATH))
    options = (
        "--token",
        KEY,
        "--queue",
        "0.3",
        "--quick",
        "0.1",
        "--slots",
        "4",
        "--clip",
        str(clip),
        "--price",
        "0.05",
        *cards,
    )
    server = SimulatorServer(folder, *options)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory, service: SimulatorServer) -> Iterator[Server]:
    """To this studio the simulator over a socket is RunComfy; it has two models, and MCP is on."""
    service_settings = {"RUNCOMFY_API_TOKEN": KEY, "RUNCOMFY_MODEL_API_BASE": service.address, "DREAMINA_MCP": "on"}
    models = f"{CARD.model_id}, {OTHER_PATH}"
    server = Server(tmp_path_factory.mktemp("studio"), DREAMINA_MODELS=models, **service_settings)
    server.start()
    yield server
    server.stop()
    assert "Traceback" not in server.log
    assert not any(key in server.log for key in (KEY, OWN, OTHER))


@pytest.fixture(scope="module")
def keyless_studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A studio whose service takes any key, and has a small video ready."""
    folder = tmp_path_factory.mktemp("keyless")
    clip = str(make_clip(folder / "clip.mp4"))
    service = SimulatorServer(folder, "--queue", "0", "--quick", "0.1", "--clip", clip)
    settings = {"RUNCOMFY_API_TOKEN": KEY, "RUNCOMFY_MODEL_API_BASE": service.start(), "DREAMINA_MCP": "on"}
    server = Server(folder, **settings)
    server.start()
    yield server
    server.stop()
    service.stop()
    assert "Traceback" not in server.log


def mcp_address(studio: Server) -> str:
    return studio.address.rstrip("/") + "/gradio_api/mcp"


@asynccontextmanager
async def mcp_client(studio: Server, key: str | None = None) -> AsyncIterator[ClientSession]:
    headers = {"X-RunComfy-Key": key} if key else {}
    async with (
        httpx.AsyncClient(headers=headers, timeout=60) as http,
        streamable_http_client(mcp_address(studio), http_client=http) as (read, write, *_),
        ClientSession(read, write) as session,
    ):
        await session.initialize()
        yield session


def content_of(result: types.CallToolResult) -> dict[str, Any]:
    """The result of a tool, which is the same as text and as structured content."""
    [content] = result.content
    assert isinstance(content, types.TextContent)
    answer: dict[str, Any] = json.loads(content.text)
    assert result.isError or result.structuredContent == answer
    return answer


def request_count(service: SimulatorServer) -> int:
    return len(service.control("ledger", KEY)["requests"])


def test_there_are_eight_tools(studio: Server) -> None:
    """None of the page's events is a tool; the card's fields are the inputs, and the price is stated."""

    async def list_tools() -> list[types.Tool]:
        async with mcp_client(studio) as session:
            return (await session.list_tools()).tools

    tools = asyncio.run(list_tools())
    assert [tool.name for tool in tools] == TOOLS
    inputs = tools[1].inputSchema
    fields = dict.fromkeys(field.name for card in (CARD, OTHER_CARD) for field in card.fields)
    assert list(inputs["properties"]) == [*fields, "model", "parent", "idempotency_key"]
    assert "required" not in inputs, "no field is required by both models"
    assert inputs["properties"]["model"]["enum"] == [CARD.model_id, OTHER_CARD.model_id]
    assert "Only some models take this" in inputs["properties"]["steps"]["description"]
    assert "121 (5 s), 241 (10 s). Default: 121." in inputs["properties"]["frames"]["description"]
    assert "0.25 US dollars of real money" in str(tools[1].description)
    assert list(tools[2].inputSchema["properties"]) == ["rows", "model", "webhook", "idempotency_key"]
    assert tools[2].inputSchema["required"] == ["rows"]
    row = tools[2].inputSchema["properties"]["rows"]["items"]
    assert row["properties"] == {name: each for name, each in inputs["properties"].items() if name != "idempotency_key"}
    assert "0.25 US dollars of real money" in str(tools[2].description)
    for tool in tools:
        assert not faults_of_tool(tool.name, str(tool.description), tool.inputSchema)


def test_videos_are_joined_and_exported(studio: Server, service: SimulatorServer) -> None:
    """Free of charge; the address is whole, and downloads the file. What cannot be made is one error."""

    async def make() -> list[dict[str, Any]]:
        async with mcp_client(studio) as session:
            made = [
                content_of(await session.call_tool("generate_video", {"prompt": "a lighthouse", "seed": seed}))
                for seed in (1, 2)
            ]
            before = request_count(service)
            job_ids = [one["job"]["job_id"] for one in made]
            answers = [
                content_of(await session.call_tool(name, values))
                for name, values in (
                    ("join_videos", {"job_ids": job_ids}),
                    ("join_videos", {"job_ids": json.dumps(job_ids)}),
                    ("export_video", {"job_id": job_ids[0], "format": "webm", "to_s": "0,25", "width": 32}),
                    ("join_videos", {"job_ids": job_ids[:1]}),
                    ("export_video", {"job_id": job_ids[0], "from_s": 99}),
                )
            ]
            assert request_count(service) == before
            return answers

    joined, again, part, *refused = asyncio.run(make())
    assert joined == again
    assert (joined["file"]["is_copied"], joined["file"]["seconds"]) == (True, 1.0)
    for made in (joined["file"], part["file"]):
        assert len(httpx.get(made["url"]).content) == made["size"]
    assert (part["file"]["media_type"], part["file"]["width"]) == ("video/webm", 32)
    assert [(one["code"], one["field"]) for one in refused] == [
        ("invalid_input", "job_ids"),
        ("invalid_input", "from_s"),
    ]


def test_generate_reports_progress_and_returns_the_video(studio: Server, service: SimulatorServer) -> None:
    """Each change sends a progress notification; the video can be fetched; one call is one paid request."""
    before, messages = request_count(service), list[str | None]()

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        messages.append(message)

    async def make() -> dict[str, Any]:
        async with mcp_client(studio) as session:
            values = {"prompt": "a lighthouse", "seed": 5}
            return content_of(await session.call_tool("generate_video", values, progress_callback=on_progress))

    answer = asyncio.run(make())
    jsonschema.validate(answer["job"], SCHEMA)
    assert (answer["job"]["state"], answer["job"]["seed"]) == ("succeeded", 5)
    assert messages[-1] == "Ready"
    assert f"job_id {answer['job']['job_id']}" in str(messages[0])
    assert len(messages) > 2
    video = httpx.get(answer["video_url"])
    assert video.headers["content-type"] == "video/mp4"
    assert request_count(service) == before + 1


def test_every_model_of_the_studio_makes_videos(studio: Server, service: SimulatorServer) -> None:
    """`list_models` names them; the arguments of a call are those of the model that it names, by another writing, too."""

    async def call() -> tuple[list[dict[str, Any]], dict[str, Any]]:
        async with mcp_client(studio) as session:
            models = content_of(await session.call_tool("list_models", {}))["models"]
            assert content_of(await session.call_tool("list_models", {"search": "other MODEL"}))["models"] == models[1:]
            values = {"Model": OTHER_CARD.model_id, "text": "a boat", "frames": 121}
            return models, content_of(await session.call_tool("generate_video", values))

    models, answer = asyncio.run(call())
    assert [model["model_id"] for model in models] == [CARD.model_id, OTHER_CARD.model_id]
    assert (answer["job"]["state"], answer["job"]["model_id"]) == ("succeeded", OTHER_CARD.model_id)
    assert answer["job"]["settings"]["text"] == "a boat"
    assert answer["ignored_arguments"] == ["frames"], "another model's argument is said, and not sent"


def test_a_video_is_continued(keyless_studio: Server) -> None:
    """By the job id of its `parent`; of the model that takes a picture, with that one's last frame and prompt."""

    async def call() -> list[dict[str, Any]]:
        async with mcp_client(keyless_studio) as session:
            first = content_of(await session.call_tool("generate_video", {"prompt": "a boat"}))["job"]
            values = {"parent": first["job_id"], "idempotency_key": "the second part of it"}
            answers = [content_of(await session.call_tool("generate_video", values)) for _ in range(2)]
            wrong = content_of(await session.call_tool("generate_video", {"Parent": "nobody"}))
            other = {"parent": first["job_id"], "model": CARD.model_id, "prompt": "x"}
            refused = content_of(await session.call_tool("generate_video", other))
            return [first, *(answer["job"] for answer in answers), wrong, refused]

    first, second, again, wrong, refused = asyncio.run(call())
    assert (second["state"], second["prompt"]) == ("succeeded", "a boat")
    assert second["settings"]["image_urls"][0].startswith("upload:")
    assert second["ancestors"] == [first["share_id"]]
    assert again["job_id"] == second["job_id"]
    assert wrong["code"] == "job_not_found"
    assert "takes no picture" in refused["message"]


def test_a_batch_has_a_model_for_each_row(studio: Server, service: SimulatorServer) -> None:
    """All are started at once; the same key gives the same jobs, and with other rows it is refused; rows may be JSON text. The
    address for news is kept."""
    key = str(uuid.uuid4())
    rows = [{"text": "a boat", "Steps": "3"}, {"model": CARD.model_id, "prompt": "a kite", "frames": "10 s"}]

    async def call() -> tuple[list[dict[str, Any]], dict[str, Any]]:
        async with mcp_client(studio) as session:
            values: dict[str, Any] = {
                "rows": rows,
                "model": OTHER_CARD.model_id,
                "idempotency_key": key,
                "webhook": "https://hooks.example/agent",
            }
            answers = [content_of(await session.call_tool("generate_batch", values))]
            answers.append(content_of(await session.call_tool("generate_batch", {**values, "rows": json.dumps(rows)})))
            refused = content_of(await session.call_tool("generate_batch", {**values, "rows": rows[1:]}))
            listed = content_of(await session.call_tool("list_videos", {}))
            assert {each["job"]["job_id"] for each in listed["videos"]} == {
                each["job"]["job_id"] for each in answers[0]["videos"]
            }
            return answers, refused

    before = request_count(service)
    (first, again), refused = asyncio.run(call())
    assert [each["job"]["model_id"] for each in first["videos"]] == [OTHER_CARD.model_id, CARD.model_id]
    assert [each["job"]["settings"].get("steps", each["job"]["frames"]) for each in first["videos"]] == [3, 241]
    assert [each["job"]["job_id"] for each in again["videos"]] == [each["job"]["job_id"] for each in first["videos"]]
    assert "job_status" in first["next"]
    assert refused["field"] == "idempotency_key"
    with closing(sqlite3.connect(studio.data / "dreamina.sqlite3")) as connection:
        addresses = connection.execute("SELECT url FROM batch_addresses").fetchall()
    assert ("https://hooks.example/agent",) in addresses
    wait_for(lambda: request_count(service) == before + 2)


@pytest.mark.parametrize(
    ("tool", "values", "field", "words"),
    [
        (
            "generate_video",
            {"model": "x/y", "prompt": "x"},
            "model",
            f"model: “x/y” is not one of {CARD.model_id}, {OTHER_CARD.model_id}.",
        ),
        (
            "generate_video",
            {"model": OTHER_CARD.model_id, "text": "x" * 41},
            "text",
            "text: 41 characters, at most 40.",
        ),
        ("generate_video", {}, "prompt", "prompt: please fill this in."),
        ("generate_video", {"prompt": 3}, "prompt", "prompt: 3 is not a text."),
        ("generate_video", {"prompt": "x", "frames": 5}, "frames", "frames: 5 is not one of 121, 241."),
        (
            "generate_video",
            {"prompt": "x", "frame": 241},
            "frame",
            "frame: there is no such argument; did you mean frames?",
        ),
        ("generate_video", {"promt": "x"}, "promt", "promt: there is no such argument; did you mean prompt?"),
        ("generate_video", {"prompt": "x", "frames": "122"}, "frames", "frames: “122” is not one of 121, 241."),
        (
            *("generate_video", {"prompt": "x", "idempotency_key": "short"}, "idempotency_key"),
            "idempotency_key: 5 characters, at least 16.",
        ),
        (
            "generate_video",
            {"prompt": "x", "idempotency_key": 5},
            "idempotency_key",
            "idempotency_key: 5 is not a text.",
        ),
        ("generate_batch", {}, "rows", "rows: please fill this in."),
        ("generate_batch", {"rows": 3}, "rows", "rows: 3 is not a list."),
        ("generate_batch", {"rows": [{"prompt": "x"}], "webhook": 3}, "webhook", "webhook: 3 is not a text."),
        (
            *("generate_batch", {"rows": [{"prompt": "x"}], "webhook": "https://localhost/"}, "webhook"),
            "webhook: an address of this machine or its network is told nothing.",
        ),
        ("generate_batch", {"rows": [{"prompt": "x"}, {}]}, "rows[1].prompt", "rows[1].prompt: please fill this in."),
        (
            *("generate_batch", {"rows": [{"prompt": "x", "mood": 1}]}, "rows[0].mood"),
            "rows[0].mood: this model has no such field.",
        ),
        (
            *("generate_batch", {"rows": [{"prompt": "x", "frame": 1}]}, "rows[0].frame"),
            "rows[0].frame: there is no such argument; did you mean frames?",
        ),
        (
            "generate_batch",
            {"rows": [{"prompt": "x", "model": "y"}]},
            "rows[0].model",
            f"rows[0].model: “y” is not one of {CARD.model_id}, {OTHER_CARD.model_id}.",
        ),
        ("job_status", {}, "job_id", "job_id: please fill this in."),
        ("job_status", {"job_id": 3}, "job_id", "job_id: 3 is not a text."),
        ("cancel_job", {"id": "x"}, "job_id", "job_id: please fill this in."),
        ("list_videos", {"limit": "x"}, "limit", "limit: “x” is not a whole number."),
        ("list_videos", {"offset": True}, "offset", "offset: true is not a whole number."),
        ("list_videos", {"starred": "maybe"}, "starred", "starred: “maybe” is neither yes nor no."),
    ],
)
def test_bad_arguments_are_one_sentence(
    studio: Server, service: SimulatorServer, tool: str, values: dict[str, Any], field: str, words: str
) -> None:
    """A missing, unknown or wrong argument is an error with a code, and nothing is request_count."""
    before = request_count(service)

    async def call() -> types.CallToolResult:
        async with mcp_client(studio) as session:
            return await session.call_tool(tool, values)

    result = asyncio.run(call())
    assert result.isError
    assert content_of(result) == {"code": "invalid_input", "field": field, "message": words}
    assert request_count(service) == before


def test_values_are_read_as_everywhere(studio: Server) -> None:
    """Texts mean what they say, names may be written in another way, and what a framework adds is ignored and named."""
    arguments = {
        "prompt": "a pier",
        "aspectRatio": "1:1",
        "frames": "241",
        "seed": "7",
        "idempotency_key": "",
        "run_manager": None,
        "thread_id": "t-1",
    }

    async def make() -> tuple[dict[str, Any], list[int]]:
        async with mcp_client(studio) as session:
            made = content_of(await session.call_tool("generate_video", arguments))
            limits = ("1", 1.0, 0, -5, "0", 10**30, "1000", "", None)
            asked: list[dict[str, Any]] = [{"limit": limit, "config": {}} for limit in limits]
            listed = [content_of(await session.call_tool("list_videos", values)) for values in asked]
            counts = [len(videos["videos"]) for videos in listed]
            with_star: dict[str, Any] = {"starred": "yes"}
            assert content_of(await session.call_tool("list_videos", with_star))["videos"] == []
            star = {"job_id": made["job"]["job_id"], "api_name": "/star"}
            await asyncio.to_thread(lambda: Client(studio.address, verbose=False).predict(**star))
            [found] = content_of(await session.call_tool("list_videos", with_star))["videos"]
            assert (found["job"]["job_id"], found["job"]["starred"]) == (made["job"]["job_id"], True)
            return made, counts

    made, counts = asyncio.run(make())
    settings = {"prompt": "a pier", "aspect_ratio": "1440×1440(1:1)", "frames": 241, "seed": 7}
    assert (made["job"]["state"], made["job"]["settings"]) == ("succeeded", settings)
    assert made["ignored_arguments"] == ["run_manager", "thread_id"]
    assert made["next"].endswith("Ignored, because the tool has no such arguments: run_manager, thread_id.")
    assert counts == [1] * 9


def test_a_cut_call_is_made_again_and_paid_once(studio: Server, service: SimulatorServer) -> None:
    """In another session the same key gives the same job, before and after its end; with other arguments it is refused."""
    before, messages = request_count(service), list[str]()
    arguments = {"prompt": "a cut call", "idempotency_key": "4ad1a5b0-6c1e-4a63-9b0e-0a8f6c6f2c55"}

    async def cut() -> None:
        first = asyncio.Event()

        async def hear(progress: float, total: float | None, message: str | None) -> None:
            messages.append(str(message))
            first.set()

        async with mcp_client(studio) as session:
            call = asyncio.create_task(session.call_tool("generate_video", arguments, progress_callback=hear))
            await first.wait()
            call.cancel()

    async def again(values: dict[str, Any]) -> types.CallToolResult:
        async with mcp_client(studio) as session:
            return await session.call_tool("generate_video", values)

    async def both() -> tuple[types.CallToolResult, types.CallToolResult]:
        return await asyncio.gather(again(arguments), again(arguments))

    asyncio.run(cut())
    one, two = (content_of(result)["job"] for result in asyncio.run(both()))
    assert one["state"] == "succeeded"
    assert one["job_id"] == two["job_id"]
    assert one["job_id"] in messages[0]
    assert request_count(service) == before + 1
    refused = asyncio.run(again({**arguments, "frames": 241}))
    assert refused.isError
    assert "already used for a video with other settings" in content_of(refused)["message"]
    assert request_count(service) == before + 1


def test_unknown_jobs_and_tools_are_one_sentence(studio: Server) -> None:
    """An unknown job, and an event of the page instead of a tool."""

    async def call(tool: str, values: dict[str, Any]) -> dict[str, Any]:
        async with mcp_client(studio) as session:
            result = await session.call_tool(tool, values)
            assert result.isError
            return content_of(result)

    assert asyncio.run(call("job_status", {"job_id": "nope"}))["code"] == "job_not_found"
    assert asyncio.run(call("cancel_job", {"job_id": "nope"}))["code"] == "job_not_found"
    assert asyncio.run(call("submit", {"prompt": "x"}))["code"] == "unknown_tool"


def test_a_queued_job_can_be_cancelled(studio: Server) -> None:
    """While one call waits for its video, another one finds the job and cancels it; the first call returns the cancelled job."""

    async def generate_and_cancel() -> tuple[dict[str, Any], dict[str, Any]]:
        async with mcp_client(studio) as session:
            waiting = asyncio.create_task(session.call_tool("generate_video", {"prompt": "a boat"}))
            while not (videos := content_of(await session.call_tool("list_videos", {}))["videos"]):
                assert not waiting.done()
                await asyncio.sleep(0.02)
            cancelled = content_of(await session.call_tool("cancel_job", {"job_id": videos[0]["job"]["job_id"]}))
            return cancelled, content_of(await waiting)

    def is_cancelled() -> bool:
        cancelled, ended = asyncio.run(generate_and_cancel())
        if ended["job"]["state"] == "succeeded":
            return False
        assert cancelled["job"]["cancel_requested"]
        assert (ended["job"]["state"], ended["video_url"]) == ("cancelled", None)
        return True

    wait_for(is_cancelled)  # on a busy machine a job may leave the queue before


def test_each_client_lists_its_own_jobs(keyless_studio: Server) -> None:
    """A session without a key has a list of its own; a key has one list in every session."""

    async def listed(key: str | None, prompt: str | None = None) -> list[str]:
        async with mcp_client(keyless_studio, key) as session:
            if prompt:
                job = content_of(await session.call_tool("generate_video", {"prompt": prompt}))["job"]
                assert job["state"] == "succeeded"
            videos = content_of(await session.call_tool("list_videos", {}))["videos"]
            return [video["job"]["prompt"] for video in videos]

    assert asyncio.run(listed(OWN, "with a key")) == ["with a key"]
    assert asyncio.run(listed(None, "with a session")) == ["with a session"]
    assert asyncio.run(listed(OWN)) == ["with a key"]
    assert asyncio.run(listed(OTHER)) == []
    assert asyncio.run(listed(None)) == []


def test_the_callers_own_key_is_used(studio: Server, service: SimulatorServer) -> None:
    """A key that the service refuses is not replaced by the shared one: nothing is made."""
    before = request_count(service)

    async def make() -> types.CallToolResult:
        async with mcp_client(studio, OWN) as session:
            return await session.call_tool("generate_video", {"prompt": "x"})

    result = asyncio.run(make())
    assert result.isError
    assert content_of(result)["code"] == "key_refused"
    assert request_count(service) == before


@pytest.mark.parametrize(
    "headers", [{"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}]
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_another_websites_page_is_refused(studio: Server, method: str, headers: dict[str, str]) -> None:
    """A page of another origin, and one by DNS rebinding, reach no tool."""
    assert httpx.request(method, mcp_address(studio), headers=headers).status_code in (403, 404)
    assert httpx.request("POST", mcp_address(studio), headers=headers).status_code == 403


def test_a_paid_studio_has_no_mcp_by_default(
    tmp_path: Path, service: SimulatorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MCP stays off when the environment turns on Gradio's own server, which would offer the page's events."""
    monkeypatch.setenv("GRADIO_MCP_SERVER", "True")
    server = Server(tmp_path, RUNCOMFY_API_TOKEN=KEY, RUNCOMFY_MODEL_API_BASE=service.address)
    server.start()
    try:
        for path in ("", "/", "/sse"):
            assert httpx.post(mcp_address(server) + path, json={}).status_code in (404, 405)
    finally:
        server.stop()


@pytest.mark.anyio
async def test_the_transcript_in_the_docs_is_real(tmp_path: Path) -> None:
    """The calls of the transcript get responses of the same shape; `pytest -s` prints a new transcript."""
    make_clip(tmp_path / "clip.mp4", frames=1, width=1920, height=1088)
    lines: list[str] = []
    async with rigged(tmp_path, more_cards=[load_card(PICTURES)]) as rig, called(rig) as session:
        lines.append(f"tools: {', '.join(tool.name for tool in (await session.list_tools()).tools)}")
        answer = await call_and_note(session, lines, "generate_video", {"prompt": "A paper boat", "seed": 7})
        job_id = answer["job"]["job_id"]
        await call_and_note(session, lines, "job_status", {"job_id": job_id})
        await call_and_note(session, lines, "cancel_job", {"job_id": job_id})
        await call_and_note(session, lines, "list_videos", {"limit": 1})
        await call_and_note(session, lines, "generate_video", {})
    print("\n".join(lines))
    [written] = re.findall(r"^```text\n(.*?)\n```$", TRANSCRIPT.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert [shape(line) for line in written.splitlines()] == [shape(line) for line in lines]


@asynccontextmanager
async def called(rig: Rig, **options: Any) -> AsyncIterator[ClientSession]:
    """A session with the tools of an engine in this process; `options` are those of `Tools`."""
    manager = Tools(rig.engine, Visitors("s" * 16), rig.clock.now, **options).manager()
    transport = httpx.ASGITransport(manager.handle_request)
    async with (
        manager.run(),
        httpx.AsyncClient(transport=transport) as http,
        streamable_http_client("http://studio/gradio_api/mcp", http_client=http) as (read, write, *_),
        ClientSession(read, write) as session,
    ):
        await session.initialize()
        yield session


async def call_and_note(session: ClientSession, lines: list[str], tool: str, values: dict[str, Any]) -> dict[str, Any]:
    answer = content_of(await session.call_tool(tool, values))
    lines.append(f"> {tool} {json.dumps(values, ensure_ascii=False)}")
    lines.append(f"< {json.dumps(answer, ensure_ascii=False)}")
    return answer


def shape(line: str) -> object:
    """A line without what differs from one time to the next: ids, times, addresses."""
    if not line.startswith("< "):
        return re.sub(r"[0-9a-f]{32}", "ID", line)
    return _shape(json.loads(line[2:]))


def _shape(value: object) -> object:
    if isinstance(value, dict):
        return {name: _shape(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_shape(item) for item in value]
    if isinstance(value, float):
        return 0.0
    return (
        re.sub(r"[0-9a-f]{8}-[-0-9a-f]{27}|[0-9a-f]{32}|\d{4}-\d\d-\d\dT.*|http.*", "…", value)
        if isinstance(value, str)
        else value
    )


@pytest.mark.anyio
async def test_generate_returns_an_unfinished_job_after_a_while(tmp_path: Path) -> None:
    """The call returns the unfinished job and says to call job_status; the video is finished all the same."""
    async with rigged(tmp_path) as rig:
        rig.gate.open.clear()  # the service does not answer
        async with called(rig, wait_s=0.05) as session:
            answer = content_of(await session.call_tool("generate_video", {"prompt": "a slow boat"}))
            assert (answer["job"]["finished_at"], answer["video_url"]) == (None, None)
            assert "ask job_status" in answer["next"]
            rig.gate.open.set()
            await rig.finish(await rig.engine.job(HOLDER, answer["job"]["job_id"]))
            later = content_of(await session.call_tool("job_status", {"job_id": answer["job"]["job_id"]}))
        assert later["job"]["state"] == "succeeded"
        assert rig.gate.posts == 1


@pytest.mark.anyio
@pytest.mark.parametrize("gone", [anyio.ClosedResourceError, anyio.BrokenResourceError])
async def test_progress_that_nobody_takes_is_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gone: type[Exception]
) -> None:
    """A caller may end its session while its job runs: the library raises for each later notification, and the job goes on."""

    async def nobody(*_: object, **__: object) -> None:
        raise gone

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        raise AssertionError(message)

    monkeypatch.setattr(ServerSession, "send_progress_notification", nobody)
    async with rigged(tmp_path) as rig:
        async with called(rig) as session:
            answer = content_of(
                await session.call_tool("generate_video", {"prompt": "a slow boat"}, progress_callback=hear)
            )
        assert answer["job"]["state"] == "succeeded"
        assert rig.gate.posts == 1
