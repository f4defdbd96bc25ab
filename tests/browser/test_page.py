"""The page as a person uses it: one click to a playing video, through reloads and restarts."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.browser.conftest import KEY, filled, opened
from tests.browser.states import sent
from tests.chromium import RENDERED_MS
from tests.rig import make_clip
from tests.servers import Server, SimulatorServer

LONG = "A paper boat on a silver river at dawn, slow pan"
PASSED = """window.passed = [];
new MutationObserver(() => {
  const state = document.querySelector("#status [data-state]")?.dataset.state;
  const step = document.querySelector("#status .steps li.now")?.textContent.trim();
  passed.push(`${state}: ${step}`);
}).observe(document, { subtree: true, childList: true, attributes: true, characterData: true })"""
"""Keeps each state that the stage was in: one that lasts a second may be over when somebody looks."""

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
    """Waits until the player has a picture, and gives its size in pixels."""
    video = page.locator("#player video")
    expect(video).to_be_visible(timeout=RENDERED_MS)
    page.wait_for_function("document.querySelector('#player video').readyState >= 2", timeout=RENDERED_MS)
    return (
        int(video.evaluate("video => video.videoWidth")),
        int(video.evaluate("video => video.videoHeight")),
    )


def restarted(page: Page, server: Server) -> None:
    """Killed under the open page, started, and opened anew."""
    server.stop(kill=True)
    page.goto("about:blank")  # an open page loads itself again as soon as the server is back, in the middle of `goto`
    server.start()
    page.goto(server.address)


def test_the_first_frame_of_the_form_takes_a_click(context: BrowserContext, quick_server: Server) -> None:
    """What is typed and clicked at once is sent, and stays; what the page makes later is there, too."""
    context.add_init_script(FIRST_FRAME)
    problems: list[str] = []
    page = opened(context, quick_server, problems)
    expect(page.locator("#facts")).to_contain_text("typed at once")
    expect(page.locator("#history .poster")).to_have_count(1)
    expect(page.locator("#field-prompt textarea")).to_have_value("typed at once")
    for later in ("#history-search", "#examples", "#settings-file", "#notify", "#price b"):
        expect(page.locator(later).first).to_be_visible()
    assert problems == []


def test_the_head_names_the_files_of_gradio(context: BrowserContext, quick_server: Server) -> None:
    """An opened page has loaded the scripts of Gradio that its head names, no other; of its styles one: the rest is in ours."""
    page = opened(context, quick_server, [])
    expect(page.locator("#settings-file")).to_be_visible()
    html = page.request.get(quick_server.address).text()
    loaded = page.evaluate(
        "performance.getEntriesByType('resource').map(({ name }) => name.match(/assets\\/(.+)/)?.[1] ?? '')"
    )
    scripts = {name for name in loaded if name.endswith(".js")}
    assert scripts == set(re.findall(r'rel="modulepreload" crossorigin href="\./assets/([^"]+)"', html))
    assert [name.partition("-")[0] for name in loaded if name.endswith(".css")] == ["index"]


def test_one_click_makes_a_video_that_survives_reload_and_restart(
    page: Page, context: BrowserContext, server: Server
) -> None:
    """Type, click, see the queue, see the video in its exact size; reload in the middle; find it after a restart."""
    page.fill("#field-prompt textarea", LONG)
    expect(page.locator(".count")).to_have_text(f"{len(LONG)} / 800")
    page.evaluate(PASSED)
    page.click("#generate")
    page.wait_for_function("passed.includes('in_queue: Queue')")

    page.reload()
    filled(page)
    expect(page.locator("#facts")).to_contain_text(LONG)  # picked up again by itself

    assert playing_size(page) == (1920, 1088)
    expect(status(page, "succeeded")).to_be_visible()
    poster = page.locator("#history .poster img")
    expect(poster).to_have_count(1)
    page.wait_for_function("document.querySelector('#history .poster img').naturalWidth > 0")

    restarted(page, server)
    expect(poster).to_have_count(1)
    page.click("#history .poster-open")
    assert playing_size(page) == (1920, 1088)
    expect(page.locator("#facts")).to_contain_text(LONG)

    stranger = context.browser
    assert stranger is not None
    other = stranger.new_context()
    their_page = other.new_page()
    their_page.goto(server.address)
    filled(their_page)
    expect(their_page.locator("#history")).to_contain_text("Nothing here yet")
    other.close()
    assert "Traceback" not in server.log


def test_job_survives_a_kill_of_the_server(page: Page, server: Server) -> None:
    """The server is killed while the video renders; after its restart the same job ends with the video."""
    page.fill("#field-prompt textarea", LONG)
    page.click("#generate")
    expect(status(page, "in_progress")).to_be_visible(timeout=RENDERED_MS)
    restarted(page, server)
    assert playing_size(page) == (1920, 1088)
    expect(page.locator("#history .poster")).to_have_count(1)


def test_other_ratio_and_seed(page: Page) -> None:
    """The chosen ratio is the video's, and the facts name the seed that was used."""
    page.click("#field-aspect_ratio input")
    page.get_by_role("option", name=re.compile("9:16")).click()
    page.fill("#field-seed input", "42")
    page.click("#generate")
    assert playing_size(page) == (1088, 1920)
    expect(page.locator("#facts")).to_contain_text("42")


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
    yield opened(context, server, [])
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


def test_invalid_input_is_reported_beside_its_field(quick_page: Page) -> None:
    """The sentence is under the field, the input stays, and nothing is sent; an empty seed means a random one."""
    boxes = {
        name: quick_page.locator(f"#field-{name} textarea, #field-{name} input").first for name in ("prompt", "seed")
    }
    for field, value, words in INVALID:
        boxes["prompt"].fill("a calm sea")
        boxes["seed"].fill("3")
        boxes[field].fill(value)
        quick_page.click("#generate")
        expect(quick_page.locator(f"#problem-{field}")).to_contain_text(words)
        expect(quick_page.locator(".field-problem")).to_have_count(1)
        expect(boxes[field]).to_have_value(value)
        expect(quick_page.locator("#history .poster")).to_have_count(0)
    boxes["prompt"].fill("a calm sea")
    boxes["seed"].fill("")
    quick_page.click("#generate")
    sent(quick_page)
    expect(quick_page.locator(".field-problem")).to_have_count(0)


def test_the_keyboard_generates(quick_page: Page) -> None:
    """Ctrl+Enter in the prompt does what the button does."""
    quick_page.focus("#field-prompt textarea")
    quick_page.keyboard.press("Control+Enter")
    sent(quick_page)


def test_hostile_prompts_are_only_text(quick_page: Page) -> None:
    """HTML in a prompt is shown and never run."""
    hostile = "<img src=x onerror=\"document.title='run'\"><b>bold</b> ${7*7} {{7*7}}"
    quick_page.fill("#field-prompt textarea", hostile)
    quick_page.click("#generate")
    expect(quick_page.locator("#facts .stage-prompt")).to_have_text(hostile)
    expect(quick_page.locator("#history .poster-prompt").first).to_have_text(hostile)
    assert quick_page.title() != "run"


def test_a_double_click_is_one_job(quick_page: Page) -> None:
    """Two clicks in quick succession make one video."""
    quick_page.dblclick("#generate", delay=40)
    expect(status(quick_page, "succeeded")).to_be_visible(timeout=RENDERED_MS)
    expect(quick_page.locator("#history .poster")).to_have_count(1)


def lose_an_answer(page: Page, service: SimulatorServer) -> str:
    """Generate while the answer to the POST gets lost; gives the request id that only the service knows."""
    service.control("faults", KEY, {"on": "submit", "kind": "lose_answer"})
    page.fill("#field-prompt textarea", "a video whose answer is lost")
    page.click("#generate")
    expect(status(page, "uncertain")).to_be_visible()
    return str(service.control("ledger", KEY)["requests"][-1]["request_id"])


def test_an_uncertain_video_is_fetched_by_its_request_id(quick_page: Page, quick_service: SimulatorServer) -> None:
    """The page explains `uncertain`; a wrong id changes nothing, the right one fetches the video, and nothing is sent again."""
    request_id = lose_an_answer(quick_page, quick_service)
    sent = len(quick_service.control("ledger", KEY)["requests"])
    expect(quick_page.locator("#screen")).to_contain_text("may have been accepted and charged")
    quick_page.fill("#request-id input, #request-id textarea", "no-such-request")
    quick_page.click("#adopt")
    expect(quick_page.locator("#problem-request-id")).to_contain_text("does not know this request")
    quick_page.fill("#request-id input, #request-id textarea", request_id)
    quick_page.click("#adopt")
    assert playing_size(quick_page) == (64, 64)
    expect(quick_page.locator("#uncertain")).to_be_hidden()
    assert len(quick_service.control("ledger", KEY)["requests"]) == sent


def test_an_uncertain_video_can_be_dismissed(quick_page: Page, quick_service: SimulatorServer) -> None:
    """Dismiss hides the buttons; the job stays uncertain, and is not sent again."""
    lose_an_answer(quick_page, quick_service)
    quick_page.click("#dismiss")
    expect(quick_page.locator("#screen")).to_contain_text("noted")
    expect(quick_page.locator("#uncertain")).to_be_hidden()
    expect(status(quick_page, "uncertain")).to_be_visible()
