"""Fixtures for tests in a real Chromium."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.chromium import browsing
from tests.rig import make_clip
from tests.servers import Server, SimulatorServer

KEY = "rc-test-key-0123456789"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for each test file: while it is open, no other event loop can run in this thread, which the worker's next file may
    need."""
    with browsing() as browser:
        yield browser


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A studio of its own, on the simulator that renders."""
    server = Server(tmp_path)
    server.start()
    yield server
    with suppress(ProcessLookupError):
        server.stop()


@pytest.fixture(scope="session")
def quick_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatorServer]:
    """A service over a socket that sends a ready clip instead of rendering."""
    folder = tmp_path_factory.mktemp("service")
    clip = make_clip(folder / "clip.mp4")
    options = ("--token", KEY, "--slots", "2", "--queue", "0.5", "--quick", "0.5", "--clip", str(clip))
    service = SimulatorServer(folder, *options)
    service.start()
    yield service
    service.stop()


@pytest.fixture(scope="session")
def quick_server(tmp_path_factory: pytest.TempPathFactory, quick_service: SimulatorServer) -> Iterator[Server]:
    """One studio for all tests that need no rendering. Each test is a visitor of its own."""
    settings = {"RUNCOMFY_API_TOKEN": KEY, "RUNCOMFY_MODEL_API_BASE": quick_service.address}
    server = Server(tmp_path_factory.mktemp("quick"), **settings)
    server.start()
    yield server
    server.stop()
    assert "Traceback" not in server.log


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = calm_context(browser, viewport={"width": 1366, "height": 900})
    yield context
    context.close()


def calm_context(browser: Browser, **options: Any) -> BrowserContext:
    """A context in which a video plays only once: one that repeats costs processor time as long as its page is open."""
    context = browser.new_context(**options)
    context.add_init_script("document.addEventListener('playing', ({ target }) => (target.loop = false), true)")
    return context


def opened(context: BrowserContext, server: Server, problems: list[str], query: str = "") -> Page:
    """Open the page in a new tab. Errors of scripts and requests to another origin are added to `problems`."""
    page = context.new_page()
    page.on("pageerror", lambda error: problems.append(f"script error: {error}"))
    allowed = (server.address, "data:", "blob:")
    page.on("request", lambda request: None if request.url.startswith(allowed) else problems.append(request.url))
    page.goto(f"{server.address}/{query}")
    filled(page)
    return page


def filled(page: Page) -> None:
    """Wait until the server's first answer has filled the page: a later one would overwrite what the test does."""
    page.wait_for_selector("#history .history-root")


@pytest.fixture
def page(context: BrowserContext, server: Server) -> Iterator[Page]:
    """The opened page. A script's error on it, or a request to another origin, fails the test."""
    problems: list[str] = []
    yield opened(context, server, problems)
    assert problems == []


@pytest.fixture(scope="module")
def page_of_the_file(browser: Browser, quick_server: Server) -> Iterator[tuple[Page, list[str]]]:
    context = calm_context(browser, viewport={"width": 1366, "height": 900}, reduced_motion="reduce")
    problems: list[str] = []
    yield opened(context, quick_server, problems), problems
    context.close()


@pytest.fixture(scope="module")
def context_of_visitors(browser: Browser) -> Iterator[BrowserContext]:
    context = calm_context(browser, viewport={"width": 1366, "height": 900}, reduced_motion="reduce")
    yield context
    context.close()


@pytest.fixture
def shared_page(page_of_the_file: tuple[Page, list[str]]) -> Iterator[Page]:
    """One page of one visitor for all tests of a file, because a new page costs more than most of what is looked at on it. A
    test finds the form and the history as the one before has left them, and checks what it changes itself."""
    page, problems = page_of_the_file
    problems.clear()
    yield page
    assert problems == []


@pytest.fixture
def quick_page(context_of_visitors: BrowserContext, quick_server: Server) -> Iterator[Page]:
    """As `page`, for a new visitor of the shared studio. The browser has the page's files from the second visitor on, which
    halves the time of opening it."""
    problems: list[str] = []
    page = opened(context_of_visitors, quick_server, problems)
    yield page
    tools = context_of_visitors.new_cdp_session(page)
    tools.send("Storage.clearDataForOrigin", {"origin": quick_server.address, "storageTypes": "local_storage"})
    for each in context_of_visitors.pages:
        each.close()
    context_of_visitors.clear_cookies()
    assert problems == []
