"""Other models' cards on the page: their forms and their files are shown."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import opened
from tests.servers import ROOT, Server

FOLDER = ROOT / "tests" / "cards"
SHOWN = ("text-to-image", "text-to-audio")
"""The cards with a test of their own, for what their models make."""
OTHERS = sorted(path.stem for path in FOLDER.glob("*.json") if path.stem not in SHOWN)


@pytest.fixture
def card_page(context: BrowserContext, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The page of a studio on the simulator, for the card that the test names."""
    server = Server(tmp_path, DREAMINA_MODEL_CARD=str(FOLDER / f"{request.param}.json"))
    server.start()
    problems: list[str] = []
    yield opened(context, server, problems)
    context.close()
    server.stop()
    assert problems == []


def expect_missing_field_named(page: Page) -> None:
    """The form has the model's fields; Generate with an empty one names what is missing, and sends nothing."""
    expect(page.locator("[id^=field-]").first).to_be_visible()
    page.click("#generate")
    expect(page.locator(".problem [role=alert]").first).to_be_visible()
    expect(page.locator("#history .poster")).to_have_count(0)


@pytest.mark.parametrize("card_page", OTHERS, indirect=True)
def test_missing_required_field_of_another_card_is_named(card_page: Page) -> None:
    """Of each card that has no test of its own below."""
    expect_missing_field_named(card_page)


@pytest.mark.parametrize("card_page", ["text-to-image"], indirect=True)
def test_images_are_shown_instead_of_the_player(card_page: Page) -> None:
    """Both images are on the stage with a download each, and the first one's poster is in the history."""
    page = card_page
    expect_missing_field_named(page)
    page.fill("#field-prompt textarea", "A lighthouse over a stormy sea")
    page.click("#generate")
    images = page.locator("#screen .outputs img")
    expect(images).to_have_count(2)
    for number in range(2):
        page.wait_for_function("node => node.naturalWidth > 0", arg=images.nth(number).element_handle())
    expect(page.locator("#player")).to_be_hidden()
    with page.expect_download() as download:
        page.locator("#screen .outputs a.action").nth(1).click()
    assert download.value.suggested_filename.endswith("-2.png")
    expect(page.locator("#history .poster img")).to_have_count(1)


@pytest.mark.parametrize("card_page", ["text-to-audio"], indirect=True)
def test_sound_has_its_own_player(card_page: Page) -> None:
    """It has the requested length, and is downloaded with the ending of its kind; the history shows its length."""
    page = card_page
    expect_missing_field_named(page)
    page.fill("#field-prompt textarea", "calm piano")
    page.fill("#field-duration input", "6")
    page.hover("#field-duration input")
    page.mouse.wheel(0, 240)
    page.mouse.wheel(0, -240)
    expect(page.locator("#field-duration input")).to_have_value("6")
    page.click("#generate")
    sound = page.locator("#screen .outputs audio")
    expect(sound).to_be_visible(timeout=60_000)
    page.wait_for_function("node => Math.abs(node.duration - 6) < 0.2", arg=sound.element_handle())
    expect(page.locator("#player")).to_be_hidden()
    expect(page.locator("a[download]")).to_have_count(1)
    with page.expect_download() as download:
        page.click("#screen .outputs a[download]")
    assert download.value.suggested_filename.endswith(".mp3")
    expect(page.locator("#history .poster .kind-sound")).to_be_visible()
    expect(page.locator("#history .poster-state")).to_have_text("6 s")
