"""From a picture to a GIF by the API and by MCP, without a key and without a public address, and again after a restart."""

import asyncio
import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from gradio_client import Client
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

from tests.servers import Server
from tests.whole_way import MODEL, PROMPTS, REFERENCES, expect_one_way, frames, picture

SMALL = {"size": "160x96", "frames": 9, "generate_audio": False}


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A studio on the simulator that renders small videos; agents may come."""
    server = Server(tmp_path_factory.mktemp("studio"), DREAMINA_MODELS=str(REFERENCES), DREAMINA_MCP="on")
    server.start()
    yield server
    server.stop()
    assert "Traceback" not in server.log


def chained(start: Callable[[dict[str, Any], str], dict[str, Any]]) -> list[dict[str, Any]]:
    """Three jobs, each the continuation of the one before; the first is of the picture."""
    data = "data:image/png;base64," + base64.b64encode(picture()).decode()
    jobs = [start({**SMALL, "prompt": PROMPTS[0], "images": [data]}, "")]
    for prompt in PROMPTS[1:]:
        jobs.append(start({**SMALL, "prompt": prompt}, jobs[-1]["job_id"]))
    assert [job["state"] for job in jobs] == ["succeeded"] * 3
    assert jobs[2]["ancestors"] == [job["share_id"] for job in jobs[:2]]
    return jobs


def fetched(studio: Server, address: str) -> list[Any]:
    answer = httpx.get(httpx.URL(studio.address).join(address), trust_env=False)
    assert answer.is_success, address
    return frames(answer.content)


@pytest.mark.timeout(300)
def test_a_program_goes_the_same_way(studio: Server) -> None:
    """By the API: `/run` with a picture and with a `parent`, `/join`, `/export`; the files again after a restart."""
    client = Client(studio.address, verbose=False, httpx_kwargs={"trust_env": False})

    def run(settings: dict[str, Any], parent: str) -> dict[str, Any]:
        *_, (job, _) = client.submit(model=MODEL, settings=settings, parent=parent, api_name="/run")
        return dict(job)

    jobs = chained(run)
    parts = [fetched(studio, job["files"][0]["url"]) for job in jobs]
    for restarts in (False, True):
        if restarts:
            studio.stop()
            studio.start()
            client = Client(studio.address, verbose=False, httpx_kwargs={"trust_env": False})
        joined = client.predict(job_ids=[job["job_id"] for job in jobs], api_name="/join")
        gif = client.predict(job_id=jobs[2]["job_id"], format="gif", api_name="/export")
        expect_one_way(parts, fetched(studio, joined["url"]), fetched(studio, gif["url"]))


@pytest.mark.timeout(300)
def test_an_agent_goes_the_same_way(studio: Server) -> None:
    """By MCP: `generate_video` with a picture and with a `parent`, `join_videos`, `export_video`."""

    async def call(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        async with (
            httpx.AsyncClient(trust_env=False, timeout=60) as http,
            streamable_http_client(f"{studio.address}/gradio_api/mcp", http_client=http) as (read, write, *_),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            answer = await session.call_tool(name, arguments)
            return dict(json.loads(answer.content[0].text))  # type: ignore[union-attr]

    def generate_video(settings: dict[str, Any], parent: str) -> dict[str, Any]:
        given = {**settings, **({"parent": parent} if parent else {})}
        return dict(asyncio.run(call("generate_video", given))["job"])

    jobs = chained(generate_video)
    parts = [fetched(studio, job["files"][0]["url"]) for job in jobs]
    joined = asyncio.run(call("join_videos", {"job_ids": [job["job_id"] for job in jobs]}))["file"]
    gif = asyncio.run(call("export_video", {"job_id": jobs[2]["job_id"], "format": "gif"}))["file"]
    expect_one_way(parts, fetched(studio, joined["url"]), fetched(studio, gif["url"]))
