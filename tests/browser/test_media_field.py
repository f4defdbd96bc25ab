"""A field for pictures, clips and sounds in the browser: what may be dropped on it, what it says, how it looks, what is made."""

import base64
import io
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import av
import httpx
import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, Route, ViewportSize, expect

from dreamina_ui.settings import BUNDLED_CARDS
from dreamina_ui.wording import Words
from tests.browser.axe import EVERYTHING, OF_COLOURS, OF_WORDS, violations
from tests.browser.conftest import calm_context, filled
from tests.browser.layout import LAPTOP, PHONE, in_the_dark, layout_faults
from tests.media.files import make
from tests.servers import Server

REFERENCES = Path(__file__).parents[1] / "references-card.json"
CARDS = (*(BUNDLED_CARDS / f"dreamina-3-0-pro-{name}.json" for name in ("image-to-video", "text-to-video")), REFERENCES)
BOX, SAID, PROBLEM = "#field-images textarea", "#media-images .media-said", "#problem-images .field-problem"
DROP = """async ([selector, files]) => {
    const transfer = new DataTransfer();
    for (const { name, type, size, content } of files) {
        const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
        transfer.items.add(new File(size ? [bytes, new Uint8Array(size - bytes.length)] : [bytes], name, { type }));
    }
    const field = document.querySelector(selector);
    const options = { bubbles: true, cancelable: true, dataTransfer: transfer };
    field.dispatchEvent(new DragEvent("dragover", options));
    field.dispatchEvent(new DragEvent("drop", options));
}"""


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A studio on the simulator that renders, of which the last model's videos are small."""
    server = Server(tmp_path_factory.mktemp("studio"), DREAMINA_MODELS=",".join(map(str, CARDS)))
    server.start()
    yield server
    server.stop()
    assert "Traceback" not in server.log


def opened(context: BrowserContext, studio: Server, problems: list[str], size: ViewportSize = LAPTOP) -> Page:
    """The page, with the form of the model that takes several files."""
    page = context.new_page()
    page.set_viewport_size(size)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(f"{studio.address}/?__theme=light&model=somebody/references/reference-to-video")
    filled(page)
    expect(page.locator("#media-images")).to_be_visible()
    expect(page.locator("#media-words")).to_be_attached()
    return page


def file(name: str, content: bytes, media_type: str = "image/png", size: int = 0) -> dict[str, Any]:
    return {"name": name, "type": media_type, "size": size, "content": base64.b64encode(content).decode()}


def picture(number: int, name: str = "") -> dict[str, Any]:
    content = io.BytesIO()
    Image.new("RGB", (160, 96), (40 * number, 90, 200 - 40 * number)).save(content, "PNG")
    return file(name or f"{number}.png", content.getvalue())


def drop(page: Page, files: Sequence[dict[str, Any]], field: str = "images") -> None:
    page.evaluate(DROP, [f"#media-{field}", list(files)])


def names(page: Page) -> list[str]:
    """Of the files in the field."""
    lines = page.locator(BOX).input_value().split("\n")
    return [line.removeprefix("upload:").split("#")[0] for line in lines if line]


def test_many_files_and_large_ones_are_dropped_at_once(context_of_visitors: BrowserContext, studio: Server) -> None:
    """As many as there is room for are uploaded one after the other, and the rest is said; 100 MB are not even sent; what is no
    picture ends the row, with its sentence."""
    problems: list[str] = []
    page, words = opened(context_of_visitors, studio, problems), Words()
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if "/upload" in request.url else None)

    drop(page, [file("huge.png", b"\x89PNG", size=100 * 2**20)])
    expect(page.locator(SAID)).to_have_text(words.text("media.too_big").format(name="huge.png", limit=64))
    assert sent == []

    drop(page, [picture(number % 5, f"{number}.png") for number in range(20)])
    expect(page.locator(SAID)).to_have_text(words.text("media.left_out").format(count=20, most=4, taken=4))
    assert names(page) == ["0.png", "1.png", "2.png", "3.png"]
    expect(page.locator("#media-images .media-preview img")).to_have_count(4)
    assert len(sent) == 4

    # The same bytes again replace the last one, and nothing hangs.
    drop(page, [picture(3, "again.png")])
    expect(page.locator(BOX)).to_have_value(re.compile(r"again\.png"))
    expect(page.locator("#media-images")).not_to_have_attribute("data-busy", "")
    drop(page, [picture(3, "again.png")])
    expect(page.locator("#media-images")).to_have_attribute("data-busy", "")
    expect(page.locator("#media-images")).not_to_have_attribute("data-busy", "")

    # By their names, and without what stands for them in the text box; by keyboard. An address can be beside them.
    field, shown = page.locator("#media-images"), page.locator("#media-images .media-preview figure")
    expect(page.locator(BOX)).to_be_hidden()
    expect(field).to_contain_text("Pictures")
    expect(shown).to_have_text(["0.png✕", "1.png✕", "2.png✕", "again.png✕"])
    field.get_by_role("button", name="Remove “1.png”").focus()
    page.keyboard.press("Enter")
    expect(shown).to_have_text(["0.png✕", "2.png✕", "again.png✕"])
    expect(field.get_by_role("button", name="Remove “2.png”")).to_be_focused()
    assert names(page) == ["0.png", "2.png", "again.png"]
    field.get_by_role("button", name="Edit as text").click()
    expect(page.locator(BOX)).to_be_focused()
    page.keyboard.press("Control+End")
    page.keyboard.type("\nhttps://example.org/sea.png")
    expect(shown).to_have_count(3)
    page.locator(BOX).fill("")
    expect(shown).to_have_count(0)
    expect(page.locator(BOX)).to_be_visible()
    drop(page, [picture(1), file("cat.png", b"no picture at all"), picture(2)])
    expect(page.locator("#media-images .media-said")).to_have_text(words.text("media.stopped").format(count=1))
    assert names(page) == ["1.png"]
    assert problems == []


def test_a_video_begins_with_what_was_dropped(
    context_of_visitors: BrowserContext, studio: Server, tmp_path: Path
) -> None:
    """Without a key and without a network: pictures, a clip and a sound become a video with all of them, which has that sound."""
    problems: list[str] = []
    page = opened(context_of_visitors, studio, problems)
    page.fill("#field-prompt textarea", "It goes on and on")
    clip, tone = make("mp4", tmp_path / "clip.mp4"), make("wav", tmp_path / "tone.wav")
    drop(page, [picture(0), picture(4)])
    expect(page.locator(BOX)).to_have_value(re.compile(r"0\.png.*\n.*4\.png"))
    drop(page, [file("clip.mp4", clip.read_bytes(), "video/mp4")], "video")
    expect(page.locator("#media-video video")).to_be_visible()
    drop(page, [file("tone.wav", tone.read_bytes(), "audio/wav")], "speech")
    expect(page.locator("#media-speech audio")).to_be_attached()
    with page.expect_response(re.compile(r"/dreamina/(saved|video)/.*\.mp4|/dreamina/saved/")):
        page.click("#generate")
        expect(page.locator("#player video")).to_be_visible()
    cookies = {cookie["name"]: cookie["value"] for cookie in page.context.cookies()}
    source = page.locator("#player video").get_attribute("src") or page.locator("#player video").evaluate(
        "v => v.currentSrc"
    )
    content = httpx.get(httpx.URL(studio.address).join(source), cookies=cookies).content
    with av.open(io.BytesIO(content), "r") as container:
        assert container.streams.audio[0].codec_context.name == "aac"
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(frames) == 25
    assert abs(frames[0][48, 80].astype(int) - (0, 90, 200)).max() < 8
    assert abs(frames[10][48, 80].astype(int) - (160, 90, 40)).max() < 16
    assert abs(frames[-1].astype(int) - frames[0]).mean() > 10
    assert problems == []


def states(page: Page, folder: Path) -> Iterator[str]:
    """The field in each of its states; the last of them is several files."""
    yield "empty"
    page.evaluate(
        """() => {
            const transfer = new DataTransfer();
            transfer.items.add(new File(["x"], "a.png", { type: "image/png" }));
            const event = () => new DragEvent("dragover", { bubbles: true, cancelable: true, dataTransfer: transfer });
            window.held = setInterval(() => document.querySelector("#media-images button").dispatchEvent(event()), 100);
        }"""
    )
    expect(page.locator("#media-images[data-over]")).to_be_visible()
    yield "over"
    page.evaluate("clearInterval(window.held)")
    expect(page.locator("#media-images[data-over]")).to_have_count(0)
    held: list[Route] = []
    page.route("**/gradio_api/upload*", lambda route: route.continue_() if held else held.append(route))
    drop(page, [picture(1, "Sonnenuntergang über dem See im Oktober.png")])
    expect(page.locator("#media-images[data-busy]")).to_be_visible()
    yield "uploading"
    held[0].continue_()
    expect(page.locator("#media-images .media-preview img")).to_have_count(1)
    expect(page.locator(SAID)).to_have_text("")
    yield "chosen"
    sound = make("wav", folder / "Stimme.wav")
    drop(page, [file("Stimme.wav", sound.read_bytes(), "audio/wav")])
    expect(page.locator(PROBLEM)).to_be_visible()
    yield "refused"
    turned = make("jpeg-turned", folder / "turned.jpg")
    drop(page, [file("turned.jpg", turned.read_bytes(), "image/jpeg"), *(picture(number) for number in range(9))])
    expect(page.locator("#media-images .media-preview img")).to_have_count(4)
    expect(page.locator(SAID)).to_have_text(re.compile("10"))
    clip = make("mp4", folder / "clip.mp4")
    drop(page, [file("clip.mp4", clip.read_bytes(), "video/mp4")], "video")
    expect(page.locator("#media-video video")).to_be_visible()
    drop(page, [file("Stimme.wav", sound.read_bytes(), "audio/wav")], "speech")
    expect(page.locator("#media-speech audio")).to_be_visible()
    yield "several"


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("language", "size", "light", "dark"),
    [("en", LAPTOP, EVERYTHING, OF_COLOURS), ("de", PHONE, OF_WORDS, None)],
    ids=["en", "de"],
)
def test_every_state_of_the_field_is_accessible(
    context_of_visitors: BrowserContext,
    browser: Browser,
    studio: Server,
    tmp_path: Path,
    language: str,
    size: ViewportSize,
    light: dict[str, Any],
    dark: dict[str, Any] | None,
) -> None:
    """Empty, with a file over it, uploading, chosen, refused, several: nothing for axe, nothing cut off, in light and dark."""
    problems: list[str] = []
    of_language = context_of_visitors
    if language != "en":
        of_language = calm_context(browser, locale=language, reduced_motion="reduce")
    page, found = opened(of_language, studio, problems, size), list[str]()
    for state in states(page, tmp_path):
        faults = [*violations(page, light), *layout_faults(page)]
        found += [f"{state}: {fault}" for fault in faults]
        if dark:
            with in_the_dark(page):
                found += [f"{state}, dark: {fault}" for fault in violations(page, dark)]
    assert found == []
    assert problems == []
    page.close()
    if of_language is not context_of_visitors:
        of_language.close()


def test_a_model_that_changes_between_form_and_click_is_said(browser: Browser, tmp_path: Path) -> None:
    """The click of a page with another field, or of a model that is gone, sends nothing; the reload makes the form anew, and what
    was typed is there. A name that is renamed gets no other's text."""
    card = json.loads(REFERENCES.read_text())
    card["input_schema"]["properties"] = {
        "prompt": {"type": "string"},
        "negative": {"type": "string"},
        "size": card["input_schema"]["properties"]["size"],
        "frames": {"type": "integer", "enum": [3, 5], "default": 3},
    }
    path = tmp_path / "card.json"
    path.write_text(json.dumps(card))
    server = Server(tmp_path, DREAMINA_MODELS=f"{path},{CARDS[1]}")
    server.start()
    problems: list[str] = []
    page = calm_context(browser, viewport=LAPTOP, reduced_motion="reduce").new_page()
    try:
        page.goto(server.address)
        filled(page)
        page.fill("#field-prompt textarea", "A boat on a lake")
        page.fill("#field-negative textarea", "no rain")
        properties = card["input_schema"]["properties"]
        card["input_schema"]["properties"] = {
            "style" if name == "negative" else name: properties[name] for name in properties
        }
        path.write_text(json.dumps(card))
        server.stop(kill=True)
        server.start()
        page.click("#generate")
        notice = page.locator("#connection-notice")
        expect(notice).to_contain_text(Words().say("guard.page_changed"))
        assert not list((server.data / "simulator" / "requests").glob("*.json"))
        with page.expect_navigation():
            notice.get_by_role("button").click()
        filled(page)
        expect(page.locator("#field-prompt textarea")).to_have_value("A boat on a lake")
        expect(page.locator("#field-style textarea")).to_have_value("")
        page.click("#generate")
        expect(page.locator("#player video")).to_be_visible()
        # The model is gone: its click is refused in the same way, and its video is still there.
        page.fill("#field-prompt textarea", "Another boat")
        server.stop(kill=True)
        server = Server(tmp_path, DREAMINA_MODELS=str(CARDS[1]), GRADIO_SERVER_PORT=str(httpx.URL(server.address).port))
        server.start()
        page.click("#generate")
        expect(notice).to_contain_text(Words().say("guard.page_changed"))
        with page.expect_navigation():
            notice.get_by_role("button").click()
        filled(page)
        expect(page.locator("#field-prompt textarea")).to_have_value("Another boat")
        expect(page.locator("#field-aspect_ratio")).to_be_visible()
        expect(page.locator("#history .poster")).to_have_count(1)
        assert len(list((server.data / "simulator" / "requests").glob("*.json"))) == 1
    finally:
        page.context.close()
        server.stop()
    assert problems == []
