"""Nothing is cut off, nothing lies over something else, and nothing jumps: from a phone to a projector."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import KEY, Theme, filled
from tests.browser.states import all_states, generate, held, no_faults, reached, ready
from tests.servers import Server, SimulatorServer, wait_for

View = tuple[int, int, Theme]
VIEWS: list[View] = [(360, 740, "light"), (1280, 800, "dark"), (1280, 800, "light"), (3840, 2160, "light")]
FAULTS = Path(__file__).with_name("layout.js").read_text()
BOX = "node => { const { x, y, width, height } = node.getBoundingClientRect(); return [x, y + scrollY, width, height] }"


def opened(browser: Browser, server: Server, view: View) -> tuple[Page, str]:
    width, height, theme = view
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=theme, reduced_motion="reduce", locale="de"
    )
    page, address = context.new_page(), f"{server.address}/?__theme={theme}"
    page.goto(address)
    filled(page)
    return page, address


def faults(page: Page) -> list[str]:
    """What is wrong with the layout at this moment, one line each."""
    found: list[str] = page.evaluate(FAULTS)
    return found


@pytest.mark.timeout(900)
@pytest.mark.parametrize("view", [VIEWS[0], VIEWS[1], VIEWS[3]], ids=str)
def test_nothing_overlaps_or_is_cut_off(
    browser: Browser, quick_server: Server, quick_service: SimulatorServer, view: View
) -> None:
    """In every state: no scrolling sideways, no control or text over another, all of it inside the window."""
    page, address = opened(browser, quick_server, view)
    found: list[str] = []
    for state in all_states(page, quick_server, quick_service, address):
        found += [f"{state}: {fault}" for fault in faults(page)]
    page.context.close()
    assert found == [], "\n".join(found)


@pytest.mark.parametrize("view", VIEWS, ids=str)
def test_generate_is_in_sight(browser: Browser, quick_server: Server, view: View) -> None:
    """On a laptop and a projector the button and the picture share the first screen; on a phone the button is whole."""
    page, _ = opened(browser, quick_server, view)
    width, height, _ = view
    x, y, wide, high = page.locator("#generate").evaluate(BOX)
    assert x >= 0
    assert x + wide <= width
    assert high >= 40
    if width >= 1280:
        assert y + high <= height
        _, top, _, tall = page.locator("#screen .screen").evaluate(BOX)
        assert top >= 0
        assert top + tall <= height
    else:
        page.locator("#generate").scroll_into_view_if_needed()
        expect(page.locator("#generate")).to_be_in_viewport(ratio=1)
    page.context.close()


@pytest.mark.parametrize("view", VIEWS[1:], ids=str)
def test_nothing_jumps_while_a_job_runs(
    browser: Browser, quick_server: Server, quick_service: SimulatorServer, view: View
) -> None:
    """From the queue to the video, the button and the picture keep their places, and the player its node."""
    page, _ = opened(browser, quick_server, view)
    boxes: dict[str, Any] = {}

    def measure(state: str, picture: str) -> None:
        boxes[state] = [page.locator(selector).evaluate(BOX) for selector in ("#generate", picture)]

    with held(quick_service, "in_queue"):
        generate(page, "in_queue")
        measure("queue", "#screen .screen")
    with held(quick_service, "in_progress"):
        reached(page, "in_progress")
        measure("rendering", "#screen .screen")
    ready(page)
    measure("ready", "#player")
    page.context.close()
    for state in ("rendering", "ready"):
        for before, after in zip(boxes["queue"], boxes[state], strict=True):
            assert after == pytest.approx(before, abs=2), boxes


def four_from(service: SimulatorServer, number: int) -> list[dict[str, Any]]:
    """The service's requests from this number on, as soon as there are four."""
    requests: list[dict[str, Any]] = service.control("ledger", KEY)["requests"][number:]
    return requests if len(requests) == 4 else []


def test_the_player_does_not_flicker(browser: Browser, quick_server: Server, quick_service: SimulatorServer) -> None:
    """While another variation goes on, the video on the stage stays the same node and is not loaded anew."""
    page, _ = opened(browser, quick_server, VIEWS[2])
    before = len(quick_service.control("ledger", KEY)["requests"])
    page.locator("#variations label").nth(3).click()
    with held(quick_service, "in_progress"):
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
    page.context.close()


def test_the_check_sees_what_it_is_for(browser: Browser, quick_server: Server) -> None:
    """A button that is pushed over another one, and one that is pushed out of the window, are both found."""
    page, _ = opened(browser, quick_server, VIEWS[0])
    assert faults(page) == []
    page.evaluate("document.querySelector('#generate').style.cssText = 'transform: translateY(2.5rem)'")
    assert any(fault.startswith("overlap") for fault in faults(page))
    page.evaluate("document.querySelector('#generate').style.cssText = 'transform: translateX(4rem)'")
    assert any(fault.startswith("cut off") for fault in faults(page))
    page.context.close()
