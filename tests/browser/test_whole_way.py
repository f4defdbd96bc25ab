"""From a picture to a GIF on the page, without a key and without a public address, and again after a restart."""

import base64
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import calm_context, filled
from tests.browser.layout import LAPTOP
from tests.browser.test_media_field import DROP
from tests.servers import Server
from tests.whole_way import PROMPTS, REFERENCES, alike, expect_one_way, frames, picture


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A studio on the simulator that renders small videos."""
    server = Server(tmp_path_factory.mktemp("studio"), DREAMINA_MODELS=str(REFERENCES))
    server.start()
    yield server
    server.stop()
    assert "Traceback" not in server.log


def generate(page: Page, server: Server, prompt: str) -> list[Any]:
    """Click, and wait for the video; its frames."""
    count = page.locator("#history .poster").count()
    page.fill("#field-prompt textarea", prompt)
    page.click("#generate")
    expect(page.locator("#history .poster")).to_have_count(count + 1)
    link = page.locator(".stage a[download][href^='dreamina/video/']").first
    expect(page.locator(".stage-prompt")).to_have_text(prompt)
    return frames(page.request.get(f"{server.address}/{link.get_attribute('href')}").body())


def go_on(page: Page) -> None:
    """Press *Continue*, and wait until another picture is in the form."""
    box = page.locator("#field-images textarea")
    before = box.input_value()
    page.click("#continue")
    expect(box).not_to_have_value(before)
    expect(box).to_have_value(re.compile("^upload:"))


@pytest.mark.timeout(300)
def test_a_dropped_picture_becomes_a_chain_a_joined_video_and_a_gif(browser: Browser, studio: Server) -> None:
    """Drop, generate, continue twice, join, export; after a restart the same files are made again, and it goes on."""
    problems: list[str] = []
    page = calm_context(browser, viewport=LAPTOP, reduced_motion="reduce").new_page()
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(studio.address)
    filled(page)
    given = {"name": "sea.png", "type": "image/png", "size": 0, "content": base64.b64encode(picture()).decode()}
    page.evaluate(DROP, ["#media-images", [given]])
    expect(page.locator("#field-images textarea")).to_have_value(re.compile("^upload:sea"))
    page.locator("#field-generate_audio input").set_checked(False)
    page.locator("#field-frames input").fill("9")
    parts = [generate(page, studio, PROMPTS[0])]
    for prompt in PROMPTS[1:]:
        go_on(page)
        parts.append(generate(page, studio, prompt))
    expect(page.locator(".chain-place")).to_contain_text("Part 3 of 3")

    def made() -> tuple[bytes, bytes]:
        """The joined chain, and a GIF of the video on the stage."""
        link = page.locator("a[href^='dreamina/join?']").get_attribute("href")
        joined = page.request.get(f"{studio.address}/{link}")
        assert joined.ok
        page.click("[data-export]")
        dialog = page.locator("dialog.export")
        dialog.get_by_label("Format").select_option("gif")
        with page.expect_download() as download:
            dialog.get_by_role("button", name="Make the file").click()
        page.keyboard.press("Escape")
        return joined.body(), Path(download.value.path()).read_bytes()

    before = made()
    expect_one_way(parts, frames(before[0]), frames(before[1]))

    studio.stop()
    studio.start()
    page.goto(studio.address)
    filled(page)
    page.locator("#history .poster-open").first.click()
    expect(page.locator(".chain-place")).to_contain_text("Part 3 of 3")
    after = made()
    expect_one_way(parts, frames(after[0]), frames(after[1]))
    go_on(page)
    assert alike(generate(page, studio, "And on")[0], parts[2][-1])
    expect(page.locator(".chain-place")).to_contain_text("Part 4 of 4")
    assert problems == []
    page.context.close()
