"""Several models on one page: each has its form, and what they have in common stays."""

import re
from pathlib import Path

from PIL import Image
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.browser.conftest import filled
from tests.browser.past import visited
from tests.servers import Server

PICTURE_MODEL = "bytedance/dreamina-3-0/pro/image-to-video"
PROMPT = "A red kite over a lake"
# Types as soon as there is a box for the prompt, and writes down which forms are seen.
EARLY = """
window.seen = [];
(function look() {
  for (const id of ["field-aspect_ratio", "field-image_urls"])
    if (document.getElementById(id)?.checkVisibility() && !seen.includes(id)) seen.push(id);
  const box = document.querySelector("#field-prompt textarea");
  if (box && !window.typed) {
    window.typed = true;
    box.focus();
    box.setSelectionRange(box.value.length, box.value.length);
    document.execCommand("insertText", false, " at dawn");
  }
  requestAnimationFrame(look);
})();
"""


def prompt(page: Page) -> Locator:
    return page.locator("#field-prompt textarea")


def pick(page: Page, title: str) -> None:
    page.locator("#model input").click()
    page.get_by_role("option", name=f"{title} · ").click(timeout=10_000)


def test_a_picked_models_form_takes_over_what_fits(quick_page: Page, tmp_path: Path) -> None:
    """The prompt, the length and the seed go from form to form, and over a reload; a click is of the picked model.

    A frame of its video goes into the form that takes pictures; its settings come back into its form; the history filters by it.
    """
    page = quick_page
    prompt(page).fill(PROMPT)
    page.locator("#field-frames label").nth(1).click()
    page.fill("#field-seed input", "77")
    pick(page, "Dreamina 3.0 Pro, from a picture")
    expect(page.locator("#field-image_urls")).to_be_visible()
    expect(page.locator("#field-aspect_ratio")).to_have_count(0)
    expect(prompt(page)).to_have_value(PROMPT)
    expect(page.locator("#field-frames input").nth(1)).to_be_checked()
    expect(page.locator("#field-seed input")).to_have_value("77")

    prompt(page).fill("A blue kite")
    page.add_init_script(EARLY)
    page.reload()
    filled(page)
    # The right form from the first picture on: what is typed at once is kept.
    expect(prompt(page)).to_have_value("A blue kite at dawn")
    assert page.evaluate("seen") == ["field-image_urls"]
    expect(page.locator("#field-seed input")).to_have_value("77")
    prompt(page).fill("A blue kite")
    page.click("#generate")
    expect(page.locator("#problem-image_urls .field-problem")).to_have_text("Picture: please fill this in.")
    picture = tmp_path / "kite.png"
    Image.new("RGB", (640, 400), (200, 30, 30)).save(picture)
    page.locator("#upload-image_urls input[type=file], #media-image_urls input[type=file]").first.set_input_files(
        picture
    )
    expect(page.locator("#field-image_urls textarea")).to_have_value(re.compile("kite.png"))
    page.click("#generate")
    expect(page.locator("#player video")).to_be_visible()

    pick(page, "Dreamina 3.0 Pro")
    expect(page.locator("#field-aspect_ratio")).to_be_visible()
    expect(prompt(page)).to_have_value("A blue kite")
    prompt(page).fill("something else")
    page.click("#use-frame")
    expect(page.locator("#field-image_urls textarea")).to_have_value(re.compile(r"^upload:.*a-blue-kite.*\.png#"))
    expect(prompt(page)).to_have_value("A blue kite")
    pick(page, "Dreamina 3.0 Pro")
    prompt(page).fill("something else")
    page.get_by_role("button", name="Reuse settings").click()
    expect(page.locator("#field-image_urls textarea")).to_have_value(re.compile("kite.png"))
    expect(prompt(page)).to_have_value("A blue kite")

    expect(page.locator("#history .poster")).to_have_count(1)
    page.locator(".filters").get_by_label("Model").click()
    page.get_by_role("option", name="Dreamina 3.0 Pro", exact=True).click()
    expect(page.locator("#history .poster")).to_have_count(0)


def test_a_link_chooses_its_model(context: BrowserContext, quick_server: Server) -> None:
    """One that is not offered is said, and what fits the default model is filled in."""
    problems: list[str] = []
    page = visited(context, quick_server, f"?model={PICTURE_MODEL}&prompt=From+a+link&frames=241", problems)
    expect(page.locator("#field-image_urls")).to_be_visible()
    expect(prompt(page)).to_have_value("From a link")
    page = visited(context, quick_server, "?model=nobody/nothing&prompt=Another", problems)
    expect(page.locator(".field-problem")).to_contain_text("“nobody/nothing” is not one of")
    expect(page.locator("#field-aspect_ratio")).to_be_visible()
    expect(prompt(page)).to_have_value("Another")
    assert problems == []
