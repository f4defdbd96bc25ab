"""Fixtures for tests in a real Chromium."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.chromium import Chromium
from tests.rig import make_clip
from tests.servers import Server, SimulatorServer

KEY = "rc-test-key-0123456789"


@contextmanager
def shared_context(chromium: Chromium, name: str, **options: Any) -> Iterator[BrowserContext]:
    """The worker's context of this name, made with these options. It keeps the files that it has loaded, which takes a second of
    processor time, and nothing else."""
    if name not in chromium.contexts:
        options = {"viewport": {"width": 1366, "height": 900}, **options}
        chromium.contexts[name] = calm_context(chromium.browser, **options)
    yield chromium.contexts[name]
    as_new(chromium.contexts[name])


def as_new(context: BrowserContext) -> None:
    """Close its pages, and remove what they and a test have left: all but the files that the browser has loaded."""
    if context.pages:
        tools = context.new_cdp_session(context.pages[0])
        for origin in {"/".join(page.url.split("/", 3)[:3]) for page in context.pages}:
            if origin.startswith("http"):
                tools.send("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": "local_storage"})
    for page in context.pages:
        page.close()
    context.unroute_all()
    context.clear_cookies()
    context.clear_permissions()


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
def context(chromium: Chromium, browser: Browser) -> Iterator[BrowserContext]:
    """In which nothing is known of any visitor."""
    with shared_context(chromium, "tests") as context:
        yield context


def calm_context(browser: Browser, **options: Any) -> BrowserContext:
    """A context in which a video plays only once: one that repeats costs processor time as long as its page is open."""
    context = browser.new_context(**options)
    context.add_init_script("document.addEventListener('playing', ({ target }) => (target.loop = false), true)")
    return context


def opened(
    context: BrowserContext, server: Server, problems: list[str], query: str = "", page: Page | None = None
) -> Page:
    """Open the page in this tab, or in a new one. Errors of scripts and requests to another origin are added to `problems`."""
    page = page or context.new_page()
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
def page_of_the_file(chromium: Chromium, browser: Browser, quick_server: Server) -> Iterator[tuple[Page, list[str]]]:
    problems: list[str] = []
    with shared_context(chromium, "files", reduced_motion="reduce") as context:
        yield opened(context, quick_server, problems), problems


@pytest.fixture
def context_of_visitors(chromium: Chromium, browser: Browser) -> Iterator[BrowserContext]:
    """As `context`, where the system asks for less motion."""
    with shared_context(chromium, "visitors", reduced_motion="reduce") as context:
        yield context


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
    yield opened(context_of_visitors, quick_server, problems)
    assert problems == []
