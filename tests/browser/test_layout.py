"""The layout from a phone to a projector: what is needed is visible, and nothing moves or flickers."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from dreamina_ui.wording import Words
from tests.browser.conftest import KEY, calm_context, filled
from tests.browser.layout import LAPTOP, PHONE, PROJECTOR, in_the_dark, resized
from tests.browser.states import generate, no_faults, reached, ready, status_fixed
from tests.servers import Server, SimulatorServer, wait_for

BOX = "node => { const { x, y, width, height } = node.getBoundingClientRect(); return [x, y + scrollY, width, height] }"


@pytest.fixture(scope="module")
def page(browser: Browser, quick_server: Server) -> Iterator[Page]:
    """One page for the tests of this file, in German, on a laptop, in the light."""
    context = calm_context(browser, viewport=LAPTOP, reduced_motion="reduce", locale="de")
    page = context.new_page()
    page.goto(f"{quick_server.address}/?__theme=light")
    filled(page)
    yield page
    context.close()


def expect_button_and_picture_in_view(page: Page, size: ViewportSize) -> None:
    x, y, wide, high = page.locator("#generate").evaluate(BOX)
    assert x >= 0
    assert x + wide <= size["width"]
    assert high >= 40
    if size == PHONE:
        page.locator("#generate").scroll_into_view_if_needed()
        expect(page.locator("#generate")).to_be_in_viewport(ratio=1)
        page.evaluate("scrollTo(0, 0)")
    else:
        assert y + high <= size["height"]
        _, top, _, tall = page.locator("#screen .screen").evaluate(BOX)
        assert top >= 0
        assert top + tall <= size["height"]


def test_generate_button_is_visible_without_scrolling(page: Page) -> None:
    """On a laptop and a projector the button and the picture are on the first screen; on a phone the whole button fits."""
    for size in (PHONE, LAPTOP, PROJECTOR):
        with resized(page, size):
            expect_button_and_picture_in_view(page, size)
    with in_the_dark(page):
        expect_button_and_picture_in_view(page, LAPTOP)


def test_generate_button_is_visible_below_a_long_price(page: Page) -> None:
    """Also where price and usual time take two lines, in both languages."""
    price = page.locator("#price p")
    for language in ("en", "de"):
        with page.expect_navigation():
            page.click(f"[data-language={language}]")
        filled(page)
        words = Words(language)
        line = price.evaluate("node => node.offsetHeight")
        sentence = f"{words.say('price.free')} · {words.say('usual', time=words.seconds(72))}, {words.seconds(3672)}"
        price.evaluate("(node, sentence) => { node.textContent = sentence }", sentence)
        assert price.evaluate("node => node.offsetHeight") > line
        expect_button_and_picture_in_view(page, LAPTOP)


def test_layout_does_not_move_while_a_job_runs(page: Page, quick_service: SimulatorServer) -> None:
    """From the queue to the video, the button and the picture keep their places, in the dark too."""
    boxes: dict[tuple[str, int], Any] = {}

    def measure(state: str, picture: str) -> None:
        for size in (LAPTOP, PROJECTOR):
            with resized(page, size):
                found = [page.locator(selector).evaluate(BOX) for selector in ("#generate", picture)]
                boxes[state, size["width"]] = found

    with in_the_dark(page):
        with status_fixed(quick_service, "in_queue"):
            generate(page, "in_queue")
            measure("queue", "#screen .screen")
        with status_fixed(quick_service, "in_progress"):
            reached(page, "in_progress")
            measure("rendering", "#screen .screen")
        ready(page)
        measure("ready", "#player")
    for (state, width), after in boxes.items():
        assert after == [pytest.approx(box, abs=2) for box in boxes["queue", width]], (state, width, boxes)


def four_from(service: SimulatorServer, number: int) -> list[dict[str, Any]]:
    """The service's requests from this number on, as soon as there are four."""
    requests: list[dict[str, Any]] = service.control("ledger", KEY)["requests"][number:]
    return requests if len(requests) == 4 else []


def test_the_player_does_not_flicker(page: Page, quick_service: SimulatorServer) -> None:
    """While another variation runs, the video on the stage keeps its node and is not loaded again."""
    before = len(quick_service.control("ledger", KEY)["requests"])
    page.locator("#variations label").nth(3).click()
    with status_fixed(quick_service, "in_progress"):
        generate(page, "in_progress")
        requests = wait_for(lambda: four_from(quick_service, before))
        seed = page.locator("#facts [data-seed]").get_attribute("data-seed")
    others = [request["request_id"] for request in requests if str(request["input"]["seed"]) != seed]
    assert len(others) == 3
    word = {"on": "status", "kind": "other_word", "word": "in_progress", "times": None}
    quick_service.control("faults", KEY, [{**word, "request_id": request_id} for request_id in others])
    reached(page, "succeeded")
    page.wait_for_function("document.querySelector('#player video')?.readyState >= 2")
    page.evaluate(
        """window.loads = 0; window.video = document.querySelector('#player video');
        for (const name of ['emptied', 'loadstart']) video.addEventListener(name, () => loads++)"""
    )
    assert page.locator(".variation img").count() < 4
    no_faults(quick_service)
    expect(page.locator(".variation img")).to_have_count(4)
    assert page.evaluate("[loads, video.isConnected, video === document.querySelector('#player video')]") == [
        0,
        True,
        True,
    ]


def test_the_bar_of_selected_videos_is_one_line(page: Page) -> None:
    """On a laptop, in German: what is selected, and all that can be done with it."""
    for box in page.locator("#history [data-video] [data-pick]").all()[:2]:
        box.check()
    expect(page.locator("[data-do=compare]")).to_be_enabled()
    boxes = page.locator(".picked-bar > *").evaluate_all("nodes => nodes.map((node) => node.getBoundingClientRect())")
    assert len(boxes) == 8
    middles = [box["top"] + box["height"] / 2 for box in boxes]
    assert max(middles) - min(middles) < 2
    page.click("[data-do=unpick]")
