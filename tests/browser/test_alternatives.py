"""Alternatives in a prompt, in the browser: shown before they are sent, in form and batch, and reused as they were."""

from playwright.sync_api import Page, expect

from tests.browser.axe import violations
from tests.browser.states import ready
from tests.browser.still_page import WORDS

FOUR = ["a red boat at dawn", "a red boat at dusk", "a {green} boat at dawn", "a {green} boat at dusk"]
JSON_PROMPT = '{\n  "shot": "slow|quick",\n  "light": "dusk"\n}'


def test_alternatives_in_form_and_batch(quick_page: Page) -> None:
    """Four are shown with their price and made by one click; reuse brings one of them; eight go to the batch by one click; and
    JSON on several lines of the batch is asked about. axe finds nothing."""
    page = quick_page
    prompt, price = page.locator("#field-prompt textarea"), page.locator("#price")
    prompt.fill("a {red|{{green}}} boat at {dawn|dusk")
    expect(price).to_contain_text("A brace is not closed")
    prompt.fill("a {red|{{green}}} boat at {dawn|dusk}")
    expect(price.locator("li")).to_have_text(FOUR)
    expect(price.locator("b")).to_have_text("4 videos · About $0.00")
    assert violations(page) == []
    expect(page.locator("#history .poster")).to_have_count(0)
    page.click("#generate")
    expect(page.locator("#variation-grid .variation img")).to_have_count(4)
    for number, text in ((3, FOUR[3]), (0, FOUR[0])):
        page.locator("#variation-grid .variation").nth(number).click()
        expect(page.locator("#facts .stage-prompt")).to_have_text(text)
        page.click("#reuse")
        expect(prompt).to_have_value(text)
    ready(page)

    prompt.fill("a {red|blue|green|white} kite")
    expect(price.locator("li")).to_have_count(4)
    page.locator("#variations label").nth(1).click()
    expect(price).to_contain_text("8 videos are more than one click makes (at most 4)")
    page.click("#generate")
    expect(page.locator("#refusal")).to_contain_text("8 videos are more")
    assert violations(page) == []
    page.click("#to-batch")
    rows = page.locator("#batch-plan tbody tr")
    expect(rows).to_have_count(8)
    expect(rows.last).to_contain_text("a white kite")
    expect(page.locator("#batch-start")).to_have_text("Generate 8 videos")
    expect(page.locator("#batch-aspect_ratio input:checked")).to_have_count(1)

    page.get_by_label(WORDS.say("batch.mode.lines")).check()
    page.fill("#batch-lines textarea", JSON_PROMPT)
    asked = page.locator("#batch-plan .batch-question button")
    expect(asked).to_have_text(["JSON in one piece (prompts: 1)", "A prompt on each line (prompts: 4)"])
    assert violations(page) == []
    asked.first.click()
    expect(rows).to_have_count(1)
    page.fill("#batch-lines textarea", "{0|1|2|3|4|5|6|7|8|9}" * 6)
    expect(page.locator("#batch-plan li")).to_contain_text("1,000,000 videos are too many for one batch: at most 200.")
    expect(page.locator("#batch-start")).to_be_disabled()
