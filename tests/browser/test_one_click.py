"""From the opened page to a playing video."""

import time
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.chromium import RENDERED_MS
from tests.servers import Server

DONE = """
window.done = [];
for (const name of ["click", "keydown", "input", "change"])
  addEventListener(name, (event) => event.isTrusted && done.push(name), true);
"""


@pytest.mark.timeout(600)
def test_one_click_leads_to_a_playing_video(
    context: BrowserContext, server: Server, record_property: Callable[[str, object], None]
) -> None:
    """The opened page holds an example already: one click, nothing typed or chosen, and the simulated video plays."""
    page = context.new_page()
    page.add_init_script(DONE)
    page.goto(server.address)
    expect(page.locator("#field-prompt textarea")).not_to_be_empty()
    began = time.monotonic()
    page.click("#generate")
    page.wait_for_function(
        "(video => video && video.readyState >= 2 && video.currentTime > 0 && !video.paused)"
        "(document.querySelector('#player video'))",
        timeout=RENDERED_MS,
    )
    record_property("seconds_from_click_to_playing", round(time.monotonic() - began, 1))
    assert page.evaluate("done") == ["click"]
    assert page.locator("#player video").evaluate("video => [video.videoWidth, video.videoHeight]") == [1920, 1088]
