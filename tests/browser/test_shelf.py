"""The shelf in the running app: from the form and back, into the batch, out of and into a table, by keyboard."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.axe import OF_COLOURS, violations
from tests.browser.layout import LAPTOP, PHONE, in_the_dark, layout_faults, resized
from tests.browser.past import known, visit, visited, with_past
from tests.filled import past_job
from tests.servers import Server

PROMPT = 'A <b>paper</b> boat, "folded", 海, on a river at dawn'
OTHER = "A {calm|wild} harbour at {{night}}"
NAME = "Boat <i>one</i> 👩‍🚀"
ITEMS = "#shelf-dialog .shelf-list > li"


@pytest.fixture
def problems() -> Iterator[list[str]]:
    """Script errors; a test ends without any."""
    found: list[str] = []
    yield found
    assert found == []


def faults(page: Page) -> list[str]:
    return [*violations(page), *layout_faults(page)]


def action(page: Page, name: str, act: str) -> Any:
    return page.locator(ITEMS).filter(has_text=name).locator(f"[data-shelf-do={act}]")


def choose_table(page: Page, text: bytes) -> None:
    with page.expect_file_chooser() as chooser:
        page.click("[data-shelf-do=import]")
    chooser.value.set_files({"name": "table.csv", "mimeType": "text/csv", "buffer": text})


@pytest.mark.timeout(180)
def test_a_prompt_goes_onto_the_shelf_and_comes_back(
    context_of_visitors: BrowserContext, quick_server: Server, problems: list[str], tmp_path: Path
) -> None:
    """Named, found, used, put into the batch, renamed, deleted and back; its table can be taken in; in both languages."""
    context = context_of_visitors
    visitor_id = known(context, quick_server)
    page = visited(context, quick_server, problems=problems)
    page.set_viewport_size(LAPTOP)
    expect(page.locator("#settings-file")).to_be_visible()
    expect(page.locator("#shelf-open")).to_be_hidden()
    with_past(quick_server, [past_job(1, visitor_id, prompt="A first video")])
    visit(page, quick_server)
    press, opener = page.keyboard.press, page.locator("#shelf-open")
    said, prompt = page.locator("#shelf-dialog .shelf-said"), page.locator("#field-prompt textarea")
    expect(opener).to_be_visible()
    assert layout_faults(page) == []

    # Two prompts, by keyboard alone.
    prompt.fill(PROMPT)
    page.fill("#field-seed input", "7")
    opener.focus()
    press("Enter")
    expect(page.locator("#shelf-dialog .shelf-hint:visible")).to_have_count(2)
    name = page.locator("#shelf-dialog form input")
    expect(name).to_have_value('A <b>paper</b> boat, "folded", 海, on a')
    expect(name).to_be_focused()
    assert faults(page) == []
    name.fill(NAME)
    press("Enter")
    expect(said).to_contain_text(NAME)
    expect(page.locator(ITEMS)).to_have_count(1)
    expect(page.locator("#shelf-dialog :is(b, i) :is(b, i)")).to_have_count(0)
    name.fill(NAME.upper())
    press("Enter")
    expect(page.locator("#shelf-dialog .shelf-said.is-problem")).to_contain_text("is on the shelf already")
    press("Escape")
    expect(page.locator("#shelf-dialog")).to_be_hidden()
    expect(opener).to_be_focused()
    prompt.fill(OTHER)
    page.fill("#field-seed input", "8")
    opener.focus()
    press("Enter")
    expect(name).to_have_value(OTHER)
    press("Enter")
    expect(page.locator(ITEMS)).to_have_count(2)

    # Found by words, and used.
    page.fill("#shelf-dialog input[type=search]", "dawn PAPER")
    expect(page.locator(ITEMS)).to_have_count(1)
    page.fill("#shelf-dialog input[type=search]", "nothing like this")
    expect(page.locator(ITEMS)).to_have_count(0)
    expect(page.locator("#shelf-dialog .shelf-hint").last).to_contain_text("has these words")
    page.fill("#shelf-dialog input[type=search]", "")
    expect(page.locator(ITEMS)).to_have_count(2)
    assert faults(page) == []
    page.screenshot(path=tmp_path / "shelf.png")
    action(page, NAME, "use").focus()
    press("Enter")
    expect(prompt).to_have_value(PROMPT)
    expect(page.locator("#field-seed input")).to_have_value("7")
    expect(page.locator("#shelf-dialog")).to_be_hidden()

    # With its alternatives and doubled braces, as it was typed.
    opener.focus()
    press("Enter")
    action(page, OTHER, "use").click()
    expect(prompt).to_have_value(OTHER)
    expect(page.locator("#price")).to_contain_text("2")

    # Renamed, deleted, and back; Escape ends the renaming alone.
    opener.focus()
    press("Enter")
    action(page, OTHER, "rename").click()
    press("Escape")
    expect(action(page, OTHER, "rename")).to_be_focused()
    press("Enter")
    page.locator(f"{ITEMS} input").fill(NAME)
    press("Enter")
    expect(page.locator("#shelf-dialog .shelf-said.is-problem")).to_be_visible()
    page.locator(f"{ITEMS} input").fill("Port")
    press("Enter")
    expect(action(page, "Port", "rename")).to_be_focused()
    action(page, "Port", "delete").focus()
    press("Enter")
    expect(page.locator(ITEMS)).to_have_count(1)
    expect(page.locator("[data-shelf-do=undo]")).to_be_focused()
    press("Enter")
    expect(action(page, "Port", "use")).to_be_focused()

    # Both into the batch's table.
    for each, count in ((NAME, 1), ("Port", 3)):
        action(page, each, "into_batch").click()
        expect(said).to_contain_text(f"Videos there: {count}.")

    # Out of it as a table, and in again: names that are there get a number. A wrong row is named.
    with page.expect_download() as download:
        page.click("[data-shelf-do=export]")
    table = download.value.path().read_bytes()
    assert table.startswith(b"\xef\xbb\xbfname,model,prompt,")
    choose_table(page, table)
    expect(page.locator(ITEMS)).to_have_count(4)
    expect(action(page, "Port 2", "use")).to_be_visible()
    choose_table(page, b"name,prompt,seed\nx,A boat,1\ny,A boat,one\n")
    expect(page.locator("#shelf-dialog .shelf-said.is-problem")).to_contain_text("3")
    choose_table(page, "Prompt;Autor\nEin Müller;ich\n".encode("cp1252"))
    page.locator("#shelf-dialog [data-agree]").first.click()
    expect(page.locator("#shelf-dialog [data-agree]")).to_have_count(1)
    expect(said).to_contain_text("Autor")
    assert faults(page) == []
    page.locator("#shelf-dialog [data-agree]").click()
    expect(page.locator(ITEMS)).to_have_count(5)
    expect(action(page, "Ein Müller", "use")).to_be_visible()
    with in_the_dark(page):
        assert violations(page, OF_COLOURS) == []
        with resized(page, PHONE):
            assert layout_faults(page) == []
            page.screenshot(path=tmp_path / "phone.png")
    page.click("#shelf-dialog [data-close]")
    page.screenshot(path=tmp_path / "closed.png")
    page.get_by_role("tab", name="Batch").click()
    expect(page.locator("#batch-plan tbody tr")).to_have_count(3)
    expect(page.locator("#batch-plan")).to_contain_text("A wild harbour at {night}")
    expect(page.locator("#batch-plan")).to_contain_text(PROMPT)
    expect(page.locator("#batch-csv")).to_contain_text("shelf")

    page.locator("[data-language=de]").click()
    page.wait_for_selector("#history .poster")
    opener.click()
    expect(page.locator("#shelf-title")).to_have_text("Ablage")
    expect(page.locator(ITEMS)).to_have_count(5)
    assert faults(page) == []
