"""Show mode: videos on the whole screen by keys, fingers and links, alone and side by side; nothing lies over the picture."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, FrameLocator, Page, expect

from dreamina_ui.jobs import Job
from tests.browser.axe import WITH_MEDIA, violations
from tests.browser.conftest import shared_context
from tests.browser.past import known, visited, with_past
from tests.chromium import Chromium
from tests.filled import past_job
from tests.servers import Server

PROMPTS = ["a red boat", "a blue <b>boat</b> 🌊", "a green boat"]
SWIPE = """(places) => ["touchstart", "touchend"].forEach((name, index) => {
  const touches = [{ clientX: places[index], clientY: 300 + index * 10 }];
  document.dispatchEvent(Object.assign(new Event(name), { touches, changedTouches: touches }));
})"""
BARE = """() => [...document.querySelectorAll('body *')].filter((node) => {
  const { opacity, visibility } = getComputedStyle(node);
  return node.matches('button, a, p, dl, dialog') && node.checkVisibility({ opacityProperty: true, visibilityProperty: true })
    && node.getBoundingClientRect().width > 1 && opacity !== '0' && !node.closest('.parts, [hidden]');
}).map((node) => node.outerHTML)"""


@pytest.fixture(scope="module")
def visitor(chromium: Chromium, browser: Browser, quick_server: Server) -> Iterator[tuple[BrowserContext, list[Job]]]:
    """A browser whose visitor has three finished videos, and the jobs, newest first."""
    with shared_context(chromium, "playing files") as context:
        visitor_id = known(context, quick_server)
        jobs = [past_job(number, visitor_id, prompt=prompt) for number, prompt in enumerate(PROMPTS)]
        with_past(quick_server, jobs)
        yield context, jobs[::-1]


@pytest.fixture
def jobs(visitor: tuple[BrowserContext, list[Job]]) -> list[Job]:
    return visitor[1]


@pytest.fixture
def page(visitor: tuple[BrowserContext, list[Job]]) -> Iterator[Page]:
    """An empty tab of theirs."""
    page = visitor[0].new_page()
    yield page
    page.close()


@pytest.fixture(scope="module")
def studio_of_the_file(visitor: tuple[BrowserContext, list[Job]], quick_server: Server) -> tuple[Page, list[str]]:
    problems: list[str] = []
    return visited(visitor[0], quick_server, problems=problems), problems


@pytest.fixture
def studio(studio_of_the_file: tuple[Page, list[str]]) -> Iterator[Page]:
    """The studio's page."""
    page, problems = studio_of_the_file
    yield page
    assert problems == []


def address_of(server: Server, jobs: list[Job], more: str = "") -> str:
    return f"{server.address}/show?{'&'.join(f'video={job.share_id}' for job in jobs)}{more}"


def shown(page: Page | FrameLocator, job: Job) -> None:
    """Wait until the video of this job is what is seen, and plays."""
    place = page.locator(f".place.seen[data-source*='{job.share_id}']")
    expect(place).to_have_count(1)
    place.locator("video").evaluate("(video) => new Promise((done) => video.ontimeupdate = done)")


def test_show_is_opened_walked_and_left_by_keys(studio: Page, jobs: list[Job]) -> None:
    """F on the history; arrows and a remote's page keys turn; space, L, I and M do and say their part; Escape leaves."""
    page = studio
    opener = page.locator(f"[data-job='{jobs[0].job_id}'] [data-open]")
    opener.focus()
    page.keyboard.press("f")
    frame = page.frame_locator("dialog.show-mode iframe")
    said = frame.locator("#said")
    shown(frame, jobs[0])
    for key, job in (("ArrowRight", jobs[1]), ("PageDown", jobs[2]), ("ArrowRight", jobs[0]), ("PageUp", jobs[2])):
        page.keyboard.press(key)
        shown(frame, job)
        expect(said).to_have_text(f"{jobs.index(job) + 1} of 3: {job.prompt}")
    page.keyboard.press("Home")
    shown(frame, jobs[0])
    assert frame.locator("body").evaluate(BARE) == []
    video = frame.locator(".place.seen video")
    for key, words, state in (
        (" ", "Paused", "video.paused"),
        (" ", "Playing", "!video.paused"),
        ("m", "Sound off", "video.muted"),
        ("l", "One after the other", "!video.loop"),
        ("l", "This one again and again", "video.loop"),
    ):
        page.keyboard.press(key)
        expect(said).to_have_text(words)
        assert video.evaluate(f"(video) => {state}")
    page.keyboard.press("i")
    about = frame.locator(".about:visible")
    expect(about).to_contain_text(jobs[0].prompt)
    expect(about).to_contain_text("1920")
    page.keyboard.press("i")
    expect(about).to_have_count(0)
    page.keyboard.press("Escape")
    expect(page.locator("dialog.show-mode")).to_have_count(0)
    expect(opener).to_be_focused()


def test_the_selection_is_shown_in_its_order(studio: Page, jobs: list[Job]) -> None:
    """The bar's button shows what is selected, and nothing else."""
    page = studio
    for job in (jobs[2], jobs[0]):
        page.check(f"[data-job='{job.job_id}'] [data-pick]")
    page.get_by_role("button", name="Show", exact=True).click()
    frame = page.frame_locator("dialog.show-mode iframe")
    shown(frame, jobs[2])
    expect(frame.locator(".slide")).to_have_count(2)
    page.keyboard.press("Escape")
    expect(page.locator("dialog.show-mode")).to_have_count(0)


def test_a_chain_plays_as_one(page: Page, jobs: list[Job], quick_server: Server) -> None:
    """With `play=on` each video follows the one before by itself, loaded before it is wanted; the last one ends it."""
    page.goto(address_of(quick_server, jobs[:2], "&play=on"))
    shown(page, jobs[0])
    page.wait_for_function(f"document.querySelector('[data-source*=\"{jobs[1].share_id}\"] video').readyState >= 3")
    shown(page, jobs[1])
    expect(page.locator("#said")).to_have_text("That was the last one")


def test_four_are_shown_in_step_without_names(page: Page, jobs: list[Job], quick_server: Server) -> None:
    """Side by side, each as large as the others; prompt and settings only with I."""
    page.set_viewport_size({"width": 1600, "height": 900})
    page.goto(address_of(quick_server, jobs, "&together=yes"))
    page.wait_for_function(
        "[...document.querySelectorAll('video')].every((video) => !video.paused && video.currentTime > 0)"
    )
    assert page.evaluate(BARE) == []
    boxes = [video.bounding_box() for video in page.locator("video").all()]
    assert len({(box["width"], box["height"]) for box in boxes if box}) == 1
    page.keyboard.press("i")
    expect(page.locator(".about:visible")).to_have_count(3)
    page.keyboard.press(" ")
    page.wait_for_function("[...document.querySelectorAll('video')].every((video) => video.paused)")


@pytest.mark.parametrize("language", ["en", "de"])
def test_show_on_a_phone(browser: Browser, jobs: list[Job], quick_server: Server, language: str) -> None:
    """Swiping turns; axe finds nothing, also in the list of keys; with reduced motion nothing plays before it is wanted."""
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, locale=language, reduced_motion="reduce"
    )
    page = context.new_page()
    page.goto(address_of(quick_server, jobs))
    expect(page.locator(f".place.seen[data-source*='{jobs[0].share_id}']")).to_have_count(1)
    assert page.evaluate("document.querySelector('.place.seen video').paused")
    page.evaluate(SWIPE, [300, 120])
    expect(page.locator(f".place.seen[data-source*='{jobs[1].share_id}']")).to_have_count(1)
    assert violations(page, WITH_MEDIA) == []
    page.keyboard.press("i")
    assert violations(page) == []
    page.keyboard.press("?")
    assert violations(page) == []
    context.close()


def test_what_is_gone_is_left_out(page: Page, jobs: list[Job], quick_server: Server) -> None:
    """Share ids that nobody has, twice named ones and texts; where nothing is left there is one sentence."""
    got = page.request.get(f"{address_of(quick_server, [jobs[0], jobs[0]])}&video={'0' * 32}&video=x")
    assert (got.status, got.text().count('class="slide"')) == (200, 1)
    for secret in (jobs[0].job_id, jobs[0].visitor_id, str(jobs[0].request_id)):
        assert secret not in got.text()
    for query in ("", "?video=", f"?video={'0' * 32}", "?video=%00&together=yes"):
        none = page.request.get(f"{quick_server.address}/show{query}")
        assert none.status == 404
        assert "There is nothing to show here" in none.text()
