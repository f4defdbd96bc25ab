"""Stars and collections in the running app, by keyboard and mouse, and the page behind a collection's link."""

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from dreamina_ui.media.record import file_name
from tests.browser.axe import OF_COLOURS, violations
from tests.browser.layout import LAPTOP, PHONE, in_the_dark, layout_faults, resized
from tests.browser.past import known, posters, visit, visited, with_past
from tests.filled import past_job
from tests.servers import Server

NAME = "Best <b>of</b> 👩‍🚀"
PROMPTS = [f"Boat number {number}" for number in range(5)]
# Not by waiting in the page, where nothing may be evaluated.
PLAYED = """(video) => new Promise((resolve, reject) => {
  video.addEventListener("timeupdate", () => video.currentTime > 0.1 && resolve());
  video.play().catch(reject);
})"""


@pytest.fixture
def problems() -> Iterator[list[str]]:
    """Script errors; a test ends without any."""
    found: list[str] = []
    yield found
    assert found == []


def focused(page: Page) -> Any:
    """The job whose poster has the focus."""
    return page.evaluate("document.activeElement.closest('.history-root [data-job]')?.dataset.job")


def faults(page: Page) -> list[str]:
    return [*violations(page), *layout_faults(page)]


@pytest.mark.timeout(240)
def test_from_stars_to_a_shared_collection(
    browser: Browser, context_of_visitors: BrowserContext, quick_server: Server, problems: list[str], tmp_path: Path
) -> None:
    """Star and filter, collect, order, share and withdraw by keyboard alone; a stranger sees those videos and nothing else."""
    context = context_of_visitors
    visitor_id = known(context, quick_server)
    page = visited(context, quick_server, problems=problems)
    page.set_viewport_size(LAPTOP)
    expect(page.locator(".among, .collection-bar, [data-star], .collection-note")).to_have_count(0)
    jobs = with_past(
        quick_server, [past_job(number, visitor_id, prompt=prompt) for number, prompt in enumerate(PROMPTS)]
    )
    visit(page, quick_server)
    shown = page.locator("#history .poster-prompt")
    press = page.keyboard.press
    expect(shown).to_have_text(PROMPTS[::-1])

    # Two stars: by the key on a poster, and by the same key for the video on the stage.
    posters(page).first.locator("[data-open]").focus()
    press("ArrowRight")
    press("s")
    stars = page.locator("#history [data-star][aria-pressed=true]")
    expect(stars).to_have_count(1)
    press("ArrowRight")
    press("Enter")
    stage = page.locator(f".stage [data-star='{jobs[2].job_id}']")
    expect(stage).to_have_attribute("aria-pressed", "false")
    page.locator("#reuse").focus()
    press("Shift+S")
    expect(stage).to_have_attribute("aria-pressed", "true")
    expect(stars).to_have_count(2)
    assert faults(page) == []
    page.locator("[data-choice]").focus()
    press("ArrowDown")
    expect(shown).to_have_text([PROMPTS[3], PROMPTS[2]])
    expect(page.locator("[data-choice]")).to_be_focused()
    page.reload()
    page.wait_for_selector("#history .poster")
    expect(stars).to_have_count(2)

    # A collection of four, in an order of its own.
    boxes = page.locator("#history [data-pick]")
    boxes.nth(0).focus()
    for _ in range(4):
        press("Space")
        press("ArrowRight")
    page.locator("[data-do=collect]").focus()
    press("Enter")
    expect(page.locator("dialog.ask input")).to_be_focused()
    assert faults(page) == []
    page.keyboard.insert_text(NAME)
    press("Enter")
    expect(page.locator(".collection-note")).to_contain_text(": 4 videos.")
    expect(page.locator(".collection-note b")).to_have_count(0)
    page.locator("[data-show]").focus()
    press("Enter")
    expect(shown).to_have_text(PROMPTS[:0:-1])
    expect(page.locator(".collection-bar h3 bdi")).to_have_text(NAME)
    posters(page).nth(3).locator("[data-open]").focus()
    for _ in range(2):
        press("Shift+ArrowLeft")
    expect(shown).to_have_text([PROMPTS[4], PROMPTS[1], PROMPTS[3], PROMPTS[2]])
    assert focused(page) == jobs[1].job_id
    press("Shift+Home")
    expect(shown).to_have_text([PROMPTS[1], PROMPTS[4], PROMPTS[3], PROMPTS[2]])
    # And by the mouse: the last one before the second.
    source, target = posters(page).nth(3).bounding_box(), posters(page).nth(1).bounding_box()
    assert source
    assert target
    page.mouse.move(source["x"] + source["width"] / 2, source["y"] + source["height"] / 2)
    page.mouse.down()
    page.mouse.move(target["x"] + 10, target["y"] + target["height"] / 2, steps=5)
    expect(page.locator(".poster.drop-before")).to_have_count(1)
    page.mouse.up()
    order = [1, 2, 4, 3]
    expect(shown).to_have_text([PROMPTS[number] for number in order])
    page.locator("[data-act=share]").focus()
    press("Enter")
    expect(page.locator(".collection-bar [data-copy]")).to_be_focused()
    link = page.locator(".collection-bar a[href^=collection]").get_attribute("href")
    assert link
    assert re.fullmatch(r"collection/[0-9a-f]{32}", link)
    address = f"{quick_server.address}/{link}"
    boxes.nth(0).check()
    expect(page.locator("[data-act=take_out]")).to_be_visible()
    assert faults(page) == []
    with in_the_dark(page):
        assert violations(page, OF_COLOURS) == []
        with resized(page, PHONE):
            assert layout_faults(page) == []
            page.screenshot(path=tmp_path / "phone.png", full_page=True)
    page.locator("[data-do=unpick]").click()

    stranger = browser.new_context(viewport=PHONE, locale="de-DE", color_scheme="dark")
    there = stranger.new_page()
    there.on("pageerror", lambda error: problems.append(str(error)))
    assert (reply := there.goto(address))
    assert reply.headers["cache-control"] == "no-store"
    expect(there.locator("html")).to_have_attribute("lang", "de")
    expect(there.locator("h1")).to_have_text(NAME)
    expect(there.locator("li figcaption > p:first-child")).to_have_text([PROMPTS[number] for number in order])
    there.locator("video").first.evaluate(PLAYED)
    source_text = there.content()
    for secret in (visitor_id, PROMPTS[0], jobs[0].share_id, *(job.job_id for job in jobs)):
        assert secret not in source_text
    for each in jobs:
        assert str(each.request_id) not in source_text
    assert violations(there) == []
    there.emulate_media(color_scheme="light")
    assert violations(there, OF_COLOURS) == []
    there.screenshot(path=tmp_path / "shared.png", full_page=True)
    with there.expect_download() as download:
        there.locator("header a[download]").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        assert archive.namelist() == [file_name(jobs[number]) for number in order]

    # A deleted video is out at once, and back with the undo.
    page.locator(f"#history [data-job='{jobs[4].job_id}'] [data-pick]").check()
    page.click("[data-do=delete]")
    page.hover("#history .undo-bar")
    expect(shown).to_have_count(3)
    there.reload()
    expect(there.locator("li")).to_have_count(3)
    page.click("[data-do=undo]")
    expect(shown).to_have_count(4)
    there.reload()
    expect(there.locator("li")).to_have_count(4)

    page.locator("[data-act=withdraw]").focus()
    press("Enter")
    expect(page.locator("[data-act=share]")).to_be_focused()
    expect(page.locator(".collection-note")).to_contain_text("withdrawn")
    assert (gone := there.reload())
    assert gone.status == 404
    expect(there.locator("h1")).to_have_text("Diese Sammlung gibt es nicht, oder sie wird nicht mehr geteilt.")
    assert violations(there) == []
    press("Enter")
    expect(page.locator(".collection-bar [data-copy]")).to_be_visible()
    assert page.locator(".collection-bar a[href^=collection]").get_attribute("href") != link
    stranger.close()

    # In German: a name that is none of its own is refused by one sentence, and nothing is lost.
    page.locator("[data-language=de]").click()
    page.wait_for_selector("#history .poster")
    page.locator("[data-choice]").select_option(label=NAME)
    expect(shown).to_have_text([PROMPTS[number] for number in order])
    boxes.nth(1).check()
    page.click("[data-act=take_out]")
    expect(shown).to_have_count(3)
    boxes.nth(0).check()
    page.click("[data-do=collect]")
    page.fill("dialog.ask input", "\u202e\u200b")
    press("Enter")
    expect(page.locator(".collection-note.is-problem")).to_have_text("Name: Bitte ausfüllen.")
    expect(shown).to_have_count(3)
    page.click("[data-act=delete]")
    expect(page.locator("dialog.ask")).to_contain_text(NAME)
    assert faults(page) == []
    page.locator("dialog.ask [type=submit]").click()
    expect(shown).to_have_count(5)
    expect(page.locator(".collection-bar")).to_have_count(0)
    expect(page.locator("[data-choice] optgroup")).to_have_count(0)
