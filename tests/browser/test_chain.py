"""A chain on the page: Continue, the parts of it, Play as one, and the comparison of four videos."""

import re
from urllib.parse import parse_qsl, urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.axe import OF_COLOURS, OF_WORDS, violations
from tests.browser.conftest import calm_context, filled, opened
from tests.browser.layout import LAPTOP, PHONE, in_the_dark, layout_faults, resized
from tests.browser.states import generate
from tests.servers import Server

IN_FRONT = "document.querySelector('.chain-player video.shown')"
PROMPTS = ("A paper boat on a lake", "It drifts away", "It is gone")


def faults(page: Page, state: str) -> list[str]:
    """By axe-core in the light and in the dark; and of the layout, on a laptop and on a phone."""
    found = [*violations(page), *layout_faults(page)]
    with in_the_dark(page):
        found += violations(page, OF_COLOURS)
    with resized(page, PHONE):
        found += layout_faults(page)
    return [f"{state}: {fault}" for fault in found]


def go_on(page: Page, prompt: str) -> None:
    """Continue the video on the stage, and generate."""
    page.click("#continue")
    box = page.locator("#field-prompt textarea")
    expect(page.locator("#field-image_urls textarea")).to_have_value(re.compile(r"^upload:[^\n]+\.png#[0-9a-f]{32}$"))
    expect(box).to_be_focused()
    box.fill(prompt)
    page.click("#generate")


@pytest.mark.timeout(300)
def test_videos_are_continued_played_as_one_and_compared(
    browser: Browser, context_of_visitors: BrowserContext, quick_server: Server
) -> None:
    """Three parts by three clicks, from the end of the one before; each way through the chain; a deleted part; in German, too."""
    context, problems, found = context_of_visitors, list[str](), list[str]()
    page = opened(context, quick_server, problems)
    page.set_viewport_size(LAPTOP)
    place, parts = page.locator(".chain-place"), page.locator(".chain-parts [data-variation]")
    expect(page.locator("#continue")).to_be_hidden()
    generate(page, "succeeded", PROMPTS[0])
    page.click("#continue")
    expect(page.locator("#field-prompt textarea")).to_have_value(PROMPTS[0])
    expect(page.locator(".media-note .note")).to_contain_text(f"“{PROMPTS[0]}”")
    page.wait_for_function(
        "node => node.naturalWidth > 0", arg=page.wait_for_selector("#media-image_urls .media-preview img")
    )
    expect(page.locator("#history .poster")).to_have_count(1)
    page.reload()
    filled(page)  # what was taken is still in the form, and it still is a continuation
    expect(
        page.locator("#media-image_urls .media-preview img")
    ).to_be_visible()  # until then it is the default model's form
    found += faults(page, "continue")
    page.locator("#field-prompt textarea").fill(PROMPTS[1])
    page.click("#generate")
    expect(place).to_have_text(f"Part 2 of 2 · continues “{PROMPTS[0]}”", timeout=60_000)
    go_on(page, PROMPTS[2])
    expect(place).to_have_text(f"Part 3 of 3 · continues “{PROMPTS[1]}”", timeout=60_000)
    expect(parts).to_have_count(3)
    expect(parts.locator("img")).to_have_count(3)
    expect(page.locator("#history .poster-state")).to_have_text(
        [re.compile("Part 3$"), re.compile("Part 2$"), re.compile("s$")]
    )
    found += faults(page, "chain")
    page.locator(".chain-parent").click()
    expect(place).to_have_text(f"Part 2 of 3 · continues “{PROMPTS[0]}”")

    shares = page.locator("#history [data-share]").evaluate_all("nodes => nodes.map((node) => node.dataset.share)")[
        ::-1
    ]
    join = page.get_by_role("link", name="Join").get_attribute("href") or ""
    assert (urlsplit(join).path, parse_qsl(urlsplit(join).query)) == (
        "dreamina/join",
        [("job", each) for each in shares],
    )
    page.get_by_role("button", name="Play as one").click()
    player = page.get_by_role("group", name="Play as one")
    page.wait_for_function(f"{IN_FRONT}?.src.endsWith('{shares[2]}.mp4') && {IN_FRONT}.ended")
    expect(player.get_by_text("Part 3 of 3")).to_be_visible()
    expect(page.locator("#player")).to_be_hidden()
    found += faults(page, "chain playing")
    page.keyboard.press("Escape")
    expect(page.locator("#player")).to_be_visible()

    page.locator("#model input").click()
    page.get_by_role("option", name="Dreamina 3.0 Pro · ").click()
    generate(page, "succeeded", "Something else")
    expect(page.locator(".chain")).to_have_count(0)
    expect(page.locator("#history .poster img")).to_have_count(4)
    for box in page.locator("#history [data-pick]").all():
        box.check()
    page.click("[data-do=compare]")
    dialog = page.get_by_role("dialog", name="4 videos in sync")
    expect(dialog.get_by_role("columnheader")).to_have_text(["Setting", "A", "B", "C", "D"])
    expect(dialog.locator("tr.differs").filter(has_text="Model")).to_have_count(1)
    page.wait_for_function(
        "[...document.querySelectorAll('dialog.compare video')].every((video) => video.readyState >= 2)"
    )
    found += faults(page, "compare of four")
    page.keyboard.press("Escape")
    page.click("[data-do=unpick]")

    page.locator("#history [data-open]").nth(2).click()
    expect(place).to_contain_text("Part 2 of 3")
    page.click("#delete")
    expect(page.locator("#history .poster")).to_have_count(3)
    german = calm_context(browser, viewport=LAPTOP, locale="de", reduced_motion="reduce")
    german.add_cookies(context.cookies())  # type: ignore[arg-type]
    page.close()
    page = opened(german, quick_server, problems)
    page.locator("#history [data-open]").nth(1).click()
    expect(page.locator(".chain-place")).to_have_text("Teil 3 von 3")
    expect(page.locator(".chain .note")).to_have_text(
        "Gelöschte Teile: 1; die übrigen werden ohne sie gezeigt und abgespielt."
    )
    expect(page.locator("#continue")).to_have_text("Fortsetzen")
    expect(page.get_by_role("button", name="Am Stück abspielen")).to_be_visible()
    expect(page.locator("#history .poster img")).to_have_count(3)
    found += [f"German: {fault}" for fault in (*violations(page, OF_WORDS), *layout_faults(page))]
    german.close()
    assert problems == []
    assert found == [], "\n".join(found)
