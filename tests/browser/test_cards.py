"""Other models' cards on the page: their forms and their files are shown."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import filled, opened
from tests.media.files import make
from tests.servers import ROOT, Server

FOLDER = ROOT / "tests" / "cards"
SHOWN = ("text-to-image", "text-to-audio")
"""The cards with a test of their own, for what their models make."""
OTHERS = sorted(path.stem for path in FOLDER.glob("*.json") if path.stem not in SHOWN)


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A studio on the simulator, with all these models."""
    cards = ",".join(map(str, sorted(FOLDER.glob("*.json"))))
    server = Server(tmp_path_factory.mktemp("studio"), DREAMINA_MODELS=cards)
    server.start()
    yield server
    server.stop()
    assert "Traceback" not in server.log


@pytest.fixture
def card_page(context_of_visitors: BrowserContext, studio: Server, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The page of a new visitor, with the form of the card that the test names."""
    context_of_visitors.clear_cookies()
    model = json.loads((FOLDER / f"{request.param}.json").read_text())["model_id"]
    problems: list[str] = []
    page = opened(context_of_visitors, studio, problems, f"?model={model}")
    yield page
    page.close()
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
    page.fill("#field-width input", "512")
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
    expect(sound).to_be_visible()
    page.wait_for_function("node => Math.abs(node.duration - 6) < 0.2", arg=sound.element_handle())
    expect(page.locator("#player")).to_be_hidden()
    expect(page.locator("a[download]")).to_have_count(1)
    with page.expect_download() as download:
        page.click("#screen .outputs a[download]")
    assert download.value.suggested_filename.endswith(".mp3")
    expect(page.locator("#history .poster .kind-sound")).to_be_visible()
    expect(page.locator("#history .poster-state")).to_have_text("6 s")


GIVE = """([selector, event, name, type, content]) => {
    const bytes = Uint8Array.from(atob(content), letter => letter.charCodeAt(0));
    const transfer = new DataTransfer();
    transfer.items.add(new File([bytes], name, { type }));
    const data = { bubbles: true, cancelable: true };
    const given = event === "paste"
        ? new ClipboardEvent(event, { ...data, clipboardData: transfer })
        : new DragEvent(event, { ...data, dataTransfer: transfer });
    document.querySelector(selector).dispatchEvent(given);
}"""


def give(page: Page, selector: str, event: str, path: Path, name: str, media_type: str) -> None:
    content = base64.b64encode(path.read_bytes()).decode()
    page.evaluate(GIVE, [selector, event, name, media_type, content])


@pytest.mark.parametrize("card_page", ["image-to-video"], indirect=True)
def test_pictures_are_dropped_pasted_and_sent(studio: Server, card_page: Page, tmp_path: Path) -> None:
    """Without key and public address: a dropped and a pasted picture become a video; nobody else sees them; a file that is
    none is said beside its field; a reload and Reuse bring them again."""
    page = card_page
    picture = make("jpeg", tmp_path / "cat.jpg")
    give(page, "#media-image", "drop", picture, "my cat.jpg", "image/jpeg")
    expect(page.locator("#field-image :is(input, textarea)")).to_have_value(re.compile(r"^upload:my%20cat\.jpg#"))
    shown = page.locator("#media-image .media-preview img")
    page.wait_for_function("node => node.naturalWidth > 0", arg=shown.element_handle())
    give(page, "body", "paste", make("gif-animated", tmp_path / "fox.gif"), "fox.gif", "image/gif")
    expect(page.locator("#media-last_image .media-note .note")).to_contain_text("It moves: its first picture is used.")
    give(page, "#media-last_image", "drop", make("wav", tmp_path / "a.wav"), "a.wav", "audio/wav")
    expect(page.locator("#problem-last_image")).to_contain_text("Last frame: “a.wav” is not a picture.")
    page.locator("#field-motion textarea").fill("waves roll in")
    page.get_by_label("480p").check()
    page.click("#generate")
    expect(page.locator("#player video")).to_be_visible()
    requests = sorted((studio.data / "simulator" / "requests").glob("*.json"))
    inputs = [json.loads(path.read_text())["input"] for path in requests]
    [sent] = [each for each in inputs if "motion" in each]
    assert sent["image"] == f"data:image/jpeg;sha256,{hashlib.sha256(picture.read_bytes()).hexdigest()}"
    assert sent["last_image"].startswith("data:image/")
    page.click("#use-frame")
    expect(page.locator("#field-image :is(input, textarea)")).to_have_value(
        re.compile(r"^upload:.*waves-roll-in\.png#")
    )
    own = urljoin(studio.address + "/", shown.get_attribute("src") or "")
    stranger = httpx.get(own, cookies=httpx.get(studio.address).cookies)
    assert stranger.status_code == 404
    page.reload()
    filled(page)
    page.locator("#history .poster").first.click()
    page.click("#reuse")
    page.wait_for_function(
        "node => node.naturalWidth > 0", arg=page.wait_for_selector("#media-image .media-preview img")
    )
