"""Behind a real nginx, under a path of its host: the page, its files, the API and MCP."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import anyio
import pytest
from gradio_client import Client
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import KEY, filled
from tests.nginx import running
from tests.servers import Server, SimulatorServer, free_port

CONFIGURATION = """
events {{ }}
http {{
  server {{
    listen 127.0.0.1:{port};
    proxy_set_header Host $http_host;
    proxy_buffering off;
    proxy_http_version 1.1;
    # The whole path is passed on, and the studio knows it by its setting.
    location /studio {{ proxy_pass {told}; }}
    # The path is taken off, and the studio is told nothing.
    location /tools/video/ {{ proxy_pass {untold}/; }}
  }}
}}
"""


@pytest.fixture(scope="module")
def told_server(tmp_path_factory: pytest.TempPathFactory, quick_service: SimulatorServer) -> Iterator[Server]:
    settings = {"RUNCOMFY_API_TOKEN": KEY, "RUNCOMFY_MODEL_API_BASE": quick_service.address, "DREAMINA_MCP": "on"}
    server = Server(tmp_path_factory.mktemp("told"), GRADIO_ROOT_PATH="/studio/", **settings)
    server.start()
    yield server
    server.stop()
    assert "Traceback" not in server.log


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory, told_server: Server, quick_server: Server) -> Iterator[str]:
    port = free_port()
    text = CONFIGURATION.format(port=port, told=told_server.address, untold=quick_server.address)
    with running(tmp_path_factory.mktemp("proxy") / "nginx", text, port) as address:
        yield address


def opened(context: BrowserContext, address: str, problems: list[str]) -> Page:
    page = context.new_page()
    page.on("pageerror", lambda error: problems.append(f"script error: {error}"))
    page.on(
        "response",
        lambda response: problems.append(f"{response.status} {response.url}") if response.status >= 400 else None,
    )
    page.goto(address)
    filled(page)
    return page


@pytest.mark.parametrize("path", ["/studio", "/tools/video/"])
def test_the_page_works_under_a_path(context: BrowserContext, proxy: str, path: str) -> None:
    """A click is paid, watched and played; its download, its poster and the chosen language are there after a reload."""
    problems: list[str] = []
    page = opened(context, f"{proxy}{path}", problems)
    expect(page).to_have_url(f"{proxy}{path.rstrip('/')}/")
    page.locator("#field-prompt textarea").fill("a kite over dunes")
    page.locator("#generate").click()
    player = page.locator("#player video").first
    expect(player).to_be_visible()
    page.wait_for_function("() => document.querySelector('#player video')?.readyState >= 2")
    with page.expect_download() as download:
        page.locator(".stage a[download]:visible").first.click()
    assert Path(download.value.path()).stat().st_size > 1000
    page.locator("[data-language=de]").first.click()
    expect(page.locator("html")).to_have_attribute("lang", "de")
    filled(page)
    page.wait_for_function(
        "() => [...document.querySelectorAll('#history img')].some((image) => image.naturalWidth > 0)"
    )
    cookies = {cookie["name"]: cookie["path"] for cookie in context.cookies()}
    assert cookies["dreamina_language"] == f"{path.rstrip('/')}/"
    # Gradio asks for these at the root of the host, where the studio knows no better; the page needs neither.
    needless = ("manifest.json", "iframeResizer")
    assert [one for one in problems if not any(name in one for name in needless)] == []


def test_programs_work_under_a_path(proxy: str) -> None:
    """Gradio's client makes a video and gets its file; an agent finds the tools."""
    client = Client(f"{proxy}/studio/", verbose=False)
    job, video = client.predict("a kite over dunes", "1440×1440(1:1)", 121, 7, api_name="/generate")
    assert job["state"] == "succeeded"
    assert Path(video["path"] if isinstance(video, dict) else video).stat().st_size > 1000

    async def tools() -> list[str]:
        address = f"{proxy}/studio/gradio_api/mcp"
        async with streamable_http_client(address) as (read, write, _), ClientSession(read, write) as session:
            await session.initialize()
            return [tool.name for tool in (await session.list_tools()).tools]

    with ThreadPoolExecutor(1) as elsewhere:  # a loop runs in this thread as long as a browser is open
        assert len(elsewhere.submit(anyio.run, tools).result()) == 8
