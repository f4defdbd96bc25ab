"""From the opened page to the saved file with the keyboard alone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import filled, shared_context
from tests.browser.layout import LAPTOP, in_the_dark
from tests.browser.states import PROMPT, generate, ready, status_fixed
from tests.chromium import Chromium
from tests.servers import Server, SimulatorServer

STOPS_MOST = 90
FOCUSED = Path(__file__).with_name("focus.js").read_text()
ORDER = ["header", "compose", "stage", "examples", "filters", "history"]


def next_stop(page: Page) -> dict[str, Any]:
    """Press Tab; the focused element must be visible, and marked in the light and in the dark."""
    page.keyboard.press("Tab")
    stop: dict[str, Any] | None = page.evaluate(FOCUSED)
    assert stop is not None, "the focus is nowhere"
    assert stop["isVisible"], stop
    assert stop["isMarked"], stop
    with in_the_dark(page):
        assert page.evaluate(FOCUSED)["isMarked"], ("dark", stop)
    return stop


def tab_to(page: Page, what: str) -> dict[str, Any]:
    for _ in range(STOPS_MOST):
        stop = next_stop(page)
        if stop[what]:
            return stop
    raise AssertionError(f"not within {STOPS_MOST} presses: {what}")


@pytest.fixture(scope="module")
def page(chromium: Chromium, browser: Browser, quick_server: Server) -> Iterator[Page]:
    """One page for the tests of this file, in the light."""
    with shared_context(chromium, "files", reduced_motion="reduce") as context:
        page = context.new_page()
        page.set_viewport_size(LAPTOP)
        page.goto(f"{quick_server.address}/?__theme=light")
        filled(page)
        yield page


def test_a_video_is_made_and_saved_by_keyboard(page: Page, tmp_path: Path) -> None:
    """Tab, type, choose, Ctrl+Enter, Tab, Enter: the video is on the disk, and the focus was always visible."""
    tab_to(page, "isPrompt")
    page.keyboard.press("Control+a")
    page.keyboard.type(PROMPT)
    tab_to(page, "isRatio")
    page.wait_for_selector("[role=listbox]")  # opens by itself
    page.keyboard.press("ArrowDown")
    page.wait_for_selector("[aria-activedescendant$=option-1]")
    page.keyboard.press("Enter")
    expect(page.locator("#field-aspect_ratio input")).not_to_have_value("16:9 · 1920×1088")
    page.keyboard.press("Control+Enter")
    ready(page)
    expect(page.locator("#facts .stage-prompt")).to_have_text(PROMPT)
    expect(page.locator("#links a[download]")).to_be_visible()
    tab_to(page, "isDownload")
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    assert "lighthouse" in download.value.suggested_filename
    assert download.value.suggested_filename.endswith(".mp4")
    path = tmp_path / "saved.mp4"
    download.value.save_as(path)
    with av.open(str(path)) as video:
        assert sum(1 for _ in video.decode(video=0)) == 12


def test_focus_moves_in_reading_order(page: Page) -> None:
    """From the header through the form and the stage to the history; every focused element is visible."""
    if not page.locator("#history .poster-open").count():
        generate(page, "succeeded")
        ready(page)
    page.reload()
    page.wait_for_selector("#history .poster-open")
    page.keyboard.press("Tab")
    stops = [page.evaluate(FOCUSED)]
    while stops[-1]["part"] != "history":
        stops.append(next_stop(page))
        assert len(stops) < STOPS_MOST
    parts = [ORDER.index(stop["part"]) for stop in stops if stop["part"]]
    assert parts == sorted(parts), [stop["name"] for stop in stops]
    assert {"header", "compose", "examples", "filters", "history"} <= {stop["part"] for stop in stops}


def test_escape_cancels_from_the_prompt(page: Page, quick_service: SimulatorServer) -> None:
    """After Ctrl+Enter in the prompt, Escape cancels the job; in an open list it only closes the list."""
    page.focus("#field-prompt textarea")
    with status_fixed(quick_service, "in_queue"):
        page.keyboard.press("Control+Enter")
        expect(page.locator("#cancel")).to_be_visible()
        tab_to(page, "isRatio")
        page.wait_for_selector("[role=listbox]")
        page.keyboard.press("Escape")
        expect(page.locator("#status [data-state=in_queue]")).to_be_visible()
        page.keyboard.press("Shift+Tab")
        while not page.evaluate("Boolean(document.activeElement.closest('#field-prompt'))"):
            page.keyboard.press("Shift+Tab")
        page.keyboard.press("Escape")
    page.wait_for_selector("#cancel", state="hidden")
