"""The page as a person uses it: one click to a playing video, through reloads and restarts."""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.browser.conftest import KEY, filled, opened
from tests.browser.states import generate, new_job, status_fixed
from tests.chromium import RENDERED_MS
from tests.rig import make_clip
from tests.servers import Server, SimulatorServer, wait_for

LONG = "A paper boat on a silver river at dawn, slow pan"
PASSED = """window.passed = [];
new MutationObserver(() => {
  const state = document.querySelector("#status [data-state]")?.dataset.state;
  const step = document.querySelector("#status .steps li.now")?.textContent.trim();
  passed.push(`${state}: ${step}`);
}).observe(document, { subtree: true, childList: true, attributes: true, characterData: true })"""
"""Keeps each state that the stage was in: one that lasts only a second may be over when the test looks."""


DONE = """window.done = [];
for (const name of ["click", "keydown", "input", "change"])
  addEventListener(name, (event) => event.isTrusted && done.push(name), true)"""
"""Keeps what the user does."""
PLAYS = """(video => video && video.readyState >= 2 && video.currentTime > 0 && !video.paused)(
  document.querySelector("#player video"))"""

FIRST_FRAME = """
(() => {
  const look = () => {
    const button = document.querySelector("#generate");
    const box = document.querySelector("#field-prompt textarea");
    if (!button || button.disabled || !box) return requestAnimationFrame(look);
    box.value = "typed at once";
    box.dispatchEvent(new Event("input", { bubbles: true }));
    button.click();
  };
  look();
})()"""
"""Types and clicks in the first frame that has the form."""


def status(page: Page, state: str) -> Locator:
    return page.locator(f"#status [data-state={state}]")


def playing_size(page: Page) -> tuple[int, int]:
    """Wait until the player has a picture; gives its size in pixels."""
    video = page.locator("#player video")
    expect(video).to_be_visible(timeout=RENDERED_MS)
    page.wait_for_function("document.querySelector('#player video').readyState >= 2", timeout=RENDERED_MS)
    return (
        int(video.evaluate("video => video.videoWidth")),
        int(video.evaluate("video => video.videoHeight")),
    )


def restarted(page: Page, server: Server) -> None:
    """Kill the server while the page is open, start it, and open the page again."""
    server.stop(kill=True)
    page.goto("about:blank")  # an open page loads itself again as soon as the server is back, in the middle of `goto`
    server.start()
    page.goto(server.address)


def test_the_first_frame_of_the_form_takes_a_click(context: BrowserContext, quick_server: Server) -> None:
    """What is typed and clicked at once is sent, and stays; what the page makes later is there, too."""
    page = context.new_page()
    page.add_init_script(FIRST_FRAME)
    problems: list[str] = []
    opened(context, quick_server, problems, page=page)
    expect(page.locator("#facts")).to_contain_text("typed at once")
    expect(page.locator("#history .poster")).to_have_count(1)
    expect(page.locator("#field-prompt textarea")).to_have_value("typed at once")
    for later in ("#history-search", "#examples", "#settings-file", "#notify", "#price b"):
        expect(page.locator(later).first).to_be_visible()
    assert problems == []


FRAMES = """window.frames_asked = 0;
const ask = window.requestAnimationFrame;
window.requestAnimationFrame = (draw) => (window.frames_asked++, ask(draw))"""
"""Counts the frames that scripts ask for."""
RESTS_MS, FEW = 500, 5


def rests(page: Page) -> bool:
    """Whether hardly a frame is asked for while half a second passes."""
    before = page.evaluate("frames_asked")
    page.wait_for_timeout(RESTS_MS)
    return bool(page.evaluate("frames_asked") - before < FEW)


def test_an_opened_page_loads_what_its_head_names_and_then_rests(context: BrowserContext, quick_server: Server) -> None:
    """It has loaded the scripts of Gradio that its head names, no other; of its styles one: the rest is in ours. And as long as
    nothing happens, no script draws."""
    page = context.new_page()
    page.add_init_script(FRAMES)
    opened(context, quick_server, [], page=page)
    wait_for(lambda: rests(page))
    expect(page.locator("#settings-file")).to_be_visible()
    html = page.request.get(quick_server.address).text()
    loaded = page.evaluate(
        "performance.getEntriesByType('resource').map(({ name }) => name.match(/assets\\/(.+)/)?.[1] ?? '')"
    )
    scripts = {name for name in loaded if name.endswith(".js")}
    assert scripts == set(re.findall(r'rel="modulepreload" crossorigin href="\./assets/([^"]+)"', html))
    assert [name.partition("-")[0] for name in loaded if name.endswith(".css")] == ["index"]


@pytest.mark.timeout(600)
def test_one_click_makes_a_video(page: Page, record_property: Callable[[str, object], None]) -> None:
    """The opened page contains an example: one click, nothing typed or chosen, the queue is seen, and the video, which the
    simulator renders, plays in its exact size."""
    page.evaluate(DONE)
    page.evaluate(PASSED)
    expect(page.locator("#field-prompt textarea")).not_to_be_empty()
    began = time.monotonic()
    page.click("#generate")
    page.wait_for_function(PLAYS, timeout=RENDERED_MS)
    record_property("seconds_from_click_to_playing", round(time.monotonic() - began, 1))
    assert page.evaluate("done") == ["click"]
    assert "in_queue: Queue" in page.evaluate("passed")
    assert playing_size(page) == (1920, 1088)
    expect(status(page, "succeeded")).to_be_visible()
    expect(page.locator("#history .poster img")).to_have_count(1)
    page.wait_for_function("document.querySelector('#history .poster img').naturalWidth > 0")


@pytest.fixture
def own_server(tmp_path: Path, quick_service: SimulatorServer) -> Iterator[Server]:
    """A studio that a test may kill."""
    server = Server(tmp_path, RUNCOMFY_API_TOKEN=KEY, RUNCOMFY_MODEL_API_BASE=quick_service.address)
    server.start()
    yield server
    server.stop(kill=True)
    assert "Traceback" not in server.log


def test_a_job_survives_reload_and_kill(
    context: BrowserContext, own_server: Server, quick_service: SimulatorServer
) -> None:
    """The page is reloaded, and the server is killed while the video is made. After the restart the same job ends with its
    video, and the earlier one is in the history, which no other visitor sees. Both are paid once."""
    paid = len(quick_service.control("ledger", KEY)["requests"])
    page = opened(context, own_server, [])
    generate(page, "succeeded", "the earlier one")
    page.fill("#field-prompt textarea", LONG)
    expect(page.locator(".count")).to_have_text(f"{len(LONG)} / 800")
    page.click("#field-aspect_ratio input")
    page.get_by_role("option", name=re.compile("9:16")).click()
    page.fill("#field-seed input", "42")
    with status_fixed(quick_service, "in_progress"):
        page.click("#generate")
        expect(page.locator("#facts")).to_contain_text(LONG)
        page.reload()
        filled(page)
        expect(page.locator("#facts")).to_contain_text(LONG)  # the page shows the running job by itself
        expect(status(page, "in_progress")).to_be_visible()
        job = page.locator("#status .status").get_attribute("data-job")
        restarted(page, own_server)
        filled(page)
    expect(page.locator(f"#status [data-job='{job}'][data-state=succeeded]")).to_be_visible()
    assert playing_size(page) == (64, 64)
    for words in (LONG, "42"):
        expect(page.locator("#facts")).to_contain_text(words)
    posters = page.locator("#history .poster")
    expect(posters).to_have_count(2)
    posters.nth(1).locator("[data-open]").click()
    expect(page.locator("#facts .stage-prompt")).to_have_text("the earlier one")
    assert playing_size(page) == (64, 64)
    requests = quick_service.control("ledger", KEY)["requests"]
    assert len(requests) == paid + 2
    assert "(9:16)" in requests[-1]["input"]["aspect_ratio"]

    page.context.clear_cookies()
    page.goto(own_server.address)
    filled(page)
    expect(page.locator("#history")).to_contain_text("Nothing here yet")


@pytest.fixture
def queued_page(context: BrowserContext, tmp_path: Path) -> Iterator[Page]:
    """The page of a studio whose service lets everybody wait for ten minutes."""
    service = SimulatorServer(
        tmp_path, "--token", KEY, "--queue", "600", "--quick", "0", "--clip", str(tmp_path / "clip.mp4")
    )
    make_clip(tmp_path / "clip.mp4")
    service.start()
    server = Server(tmp_path, RUNCOMFY_API_TOKEN=KEY, RUNCOMFY_MODEL_API_BASE=service.address)
    server.start()
    page = opened(context, server, [])
    yield page
    page.close()
    server.stop()
    service.stop()


def test_cancel_in_the_queue(queued_page: Page) -> None:
    """A job in the queue can be cancelled for free."""
    queued_page.click("#generate")
    expect(status(queued_page, "in_queue")).to_be_visible()
    queued_page.click("#cancel")
    expect(status(queued_page, "cancelled")).to_be_visible(timeout=RENDERED_MS)
    expect(queued_page.locator("#screen")).to_contain_text("Cancelled before it was made")
    expect(queued_page.locator("#cancel")).to_be_hidden()


INVALID = [
    ("prompt", "", "please describe the video"),
    ("seed", "1.5", "is not a whole number"),
    ("prompt", "   ", "please describe the video"),
    ("seed", "-7", "-7, at least -1"),
    ("prompt", "x" * 801, "801 characters, at most 800"),
]
"""Field, value, and what is said; no two that follow one another have the same sentence in the same place."""


def test_invalid_input_is_reported_beside_its_field(shared_page: Page) -> None:
    """The sentence is under the field, the input stays, and nothing is sent; an empty seed means a random one."""
    before = shared_page.locator("#history .poster").count()
    boxes = {
        name: shared_page.locator(f"#field-{name} textarea, #field-{name} input").first for name in ("prompt", "seed")
    }
    for field, value, words in INVALID:
        boxes["prompt"].fill("a calm sea")
        boxes["seed"].fill("3")
        boxes[field].fill(value)
        shared_page.click("#generate")
        expect(shared_page.locator(f"#problem-{field}")).to_contain_text(words)
        expect(shared_page.locator(".field-problem")).to_have_count(1)
        expect(boxes[field]).to_have_value(value)
        expect(shared_page.locator("#history .poster")).to_have_count(before)
    boxes["prompt"].fill("a calm sea")
    boxes["seed"].fill("")
    with new_job(shared_page):
        shared_page.click("#generate")
    expect(shared_page.locator(".field-problem")).to_have_count(0)


def test_the_keyboard_generates(shared_page: Page) -> None:
    """Ctrl+Enter in the prompt does what the button does."""
    shared_page.fill("#field-prompt textarea", "sent by the keyboard")
    with new_job(shared_page):
        shared_page.keyboard.press("Control+Enter")


def test_a_double_click_is_one_job(shared_page: Page) -> None:
    """Two clicks in quick succession make one video."""
    before = shared_page.locator("#history .poster").count()
    shared_page.fill("#field-prompt textarea", "clicked twice")
    with new_job(shared_page, "succeeded"):
        shared_page.dblclick("#generate", delay=40)
    expect(shared_page.locator("#history .poster")).to_have_count(before + 1)


def lose_an_answer(page: Page, service: SimulatorServer) -> str:
    """Generate while the answer to the POST gets lost; gives the request id that only the service knows."""
    service.control("faults", KEY, {"on": "submit", "kind": "lose_answer"})
    generate(page, "uncertain", "a video whose answer is lost")
    return str(service.control("ledger", KEY)["requests"][-1]["request_id"])


def test_an_uncertain_video_is_fetched_by_its_request_id(shared_page: Page, quick_service: SimulatorServer) -> None:
    """The page explains `uncertain`; a wrong id changes nothing, the right one fetches the video, and nothing is sent again.

    Where the system asks for less motion, as on this page, the video waits for its viewer.
    """
    request_id = lose_an_answer(shared_page, quick_service)
    sent = len(quick_service.control("ledger", KEY)["requests"])
    expect(shared_page.locator("#screen")).to_contain_text("may have been accepted and charged")
    shared_page.fill("#request-id input, #request-id textarea", "no-such-request")
    shared_page.click("#adopt")
    expect(shared_page.locator("#problem-request-id")).to_contain_text("does not know this request")
    shared_page.fill("#request-id input, #request-id textarea", request_id)
    shared_page.click("#adopt")
    assert playing_size(shared_page) == (64, 64)
    expect(shared_page.locator("#uncertain")).to_be_hidden()
    assert shared_page.locator("#player video").evaluate(
        "video => video.paused && !video.currentTime && !video.autoplay"
    )
    assert len(quick_service.control("ledger", KEY)["requests"]) == sent


def test_an_uncertain_video_can_be_dismissed(shared_page: Page, quick_service: SimulatorServer) -> None:
    """Dismiss hides the buttons; the job stays uncertain, and is not sent again."""
    lose_an_answer(shared_page, quick_service)
    shared_page.click("#dismiss")
    expect(shared_page.locator("#screen")).to_contain_text("noted")
    expect(shared_page.locator("#uncertain")).to_be_hidden()
    expect(status(shared_page, "uncertain")).to_be_visible()
