"""Compose in the running app: variations, reuse, seeds, chips, examples, languages, and prompts of every kind."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from dreamina_ui.cards.alternatives import literal
from tests.browser.conftest import filled
from tests.browser.past import known, posters, visited, with_past
from tests.browser.states import generate, new_job, ready
from tests.filled import past_job
from tests.servers import Server

SQUARE = "1440×1440(1:1)"
HOSTILE = [
    "<img src=x onerror=\"document.title='run'\"><b>bold</b> ${7*7} {{7*7}} <script>window.pwned = 1</script>"
    "<img src=x onerror='window.pwned = 1'><svg/onload=window.pwned=1> &amp; \"'`",
    "👩‍👩‍👧‍👦 on a 🏖️ with a 🇩🇪 kite, é́́, סירת נייר על נהר \u202e reversed \u202c قارب ورقي",
    "𝕊🌊" * 400,
]


@pytest.fixture
def problems() -> Iterator[list[str]]:
    """Script errors; a test ends without any."""
    found: list[str] = []
    yield found
    assert found == []


def prompt(page: Page) -> Locator:
    return page.locator("#field-prompt textarea")


def seed(page: Page) -> Locator:
    return page.locator("#field-seed input")


def used_seed(page: Page) -> int:
    """The seed of the video on the stage."""
    return int(page.locator("#facts [data-seed]").get_attribute("data-seed") or -1)


def test_page_in_german(shared_page: Page) -> None:
    """Everything is in German, also errors and the names of icon buttons; the choice survives a reload, and can be undone."""

    def expect_language(language: str, *, generate: str, history: str, prompt_label: str, empty: str) -> None:
        expect(shared_page.locator("html")).to_have_attribute("lang", language)
        expect(shared_page.locator("#generate")).to_have_text(generate)
        expect(shared_page.locator("#history-title")).to_have_text(history)
        expect(shared_page.locator("#field-prompt label span").first).to_have_text(prompt_label)
        expect(shared_page.locator("#history .history-empty")).to_contain_text(empty)

    german = {
        "generate": "Erzeugen",
        "history": "Deine Videos",
        "prompt_label": "Prompt",
        "empty": "Noch nichts da",
    }
    expect(shared_page.locator("#generate")).to_have_text("Generate")
    shared_page.click("[data-language=de]")
    expect_language("de", **german)
    shared_page.reload()
    expect_language("de", **german)
    prompt(shared_page).fill(" ")
    shared_page.click("#generate")
    expect(shared_page.locator("#problem-prompt")).to_contain_text("Bitte beschreibe")
    expect(shared_page.locator("#dice")).to_have_accessible_name("Zufälligen Seed wählen")
    expect(shared_page.locator("#lock")).to_have_accessible_name(
        "Den letzten Seed behalten oder jedes Mal einen neuen zufälligen nehmen"
    )
    shared_page.click("[data-language=en]")
    expect(shared_page.locator("#generate")).to_have_text("Generate")
    expect(shared_page.locator("#history .history-empty")).to_contain_text("Nothing here yet")


def test_an_example_fills_the_form_and_sends_nothing(shared_page: Page) -> None:
    """Each of the six has its picture; the chosen one fills the form, and no job is made."""
    before, shown = posters(shared_page).count(), shared_page.locator("#status .status").count()
    examples = shared_page.locator("#examples [data-example]")
    expect(examples).to_have_count(6)
    shared_page.wait_for_function(
        "[...document.querySelectorAll('#examples img')].every((one) => one.scrollIntoView() ?? one.naturalWidth > 0)"
    )
    shared_page.locator("[data-example=city]").click()
    expect(prompt(shared_page)).to_have_value(re.compile("^A city skyline at night"))
    expect(seed(shared_page)).to_have_value("32")
    expect(posters(shared_page)).to_have_count(before)
    expect(shared_page.locator("#status .status")).to_have_count(shown)


def test_prompt_that_is_one_character_too_long_is_refused_and_kept(shared_page: Page) -> None:
    """801 characters are one too many, also where each is two in the browser's own count; nothing is cut off."""
    text, before = "🌊" * 801, posters(shared_page).count()
    prompt(shared_page).fill(text)
    expect(shared_page.locator("#field-prompt .count.over")).to_have_text("801 / 800")
    shared_page.click("#generate")
    expect(shared_page.locator("#problem-prompt")).to_contain_text("801 characters, at most 800")
    expect(prompt(shared_page)).to_have_value(text)
    expect(posters(shared_page)).to_have_count(before)


def test_any_prompt_is_shown_as_text(shared_page: Page) -> None:
    """It is counted by characters, shown letter for letter, found again after a reload, and never run."""
    shown = shared_page.locator("#facts .stage-prompt")

    def expect_shown(text: str) -> None:
        shared_page.wait_for_function(
            "text => document.querySelector('#facts .stage-prompt')?.textContent === text", arg=text
        )

    before = posters(shared_page).count()
    for text in HOSTILE:
        typed = literal(text)
        prompt(shared_page).fill(typed)
        expect(shared_page.locator("#field-prompt .count")).to_have_text(f"{len(typed)} / 800")
        expect(shared_page.locator("#field-prompt .count.over")).to_have_count(0)
        shared_page.click("#generate")
        expect_shown(text)
        expect(
            shared_page.locator("#status [data-state=succeeded]")
        ).to_be_visible()  # a visitor has four at once at most
    shared_page.reload()
    expect(posters(shared_page)).to_have_count(before + len(HOSTILE))
    expect(posters(shared_page).locator("script, svg")).to_have_count(0)
    for number, text in enumerate(reversed(HOSTILE)):
        start = posters(shared_page).nth(number).locator(".poster-prompt").inner_text().removesuffix("…")
        assert len(start) > 10
        assert text.startswith(start)
        posters(shared_page).nth(number).locator("[data-open]").click()
        expect_shown(text)
        expect(shown.locator("*")).to_have_count(0)
        shared_page.click("#reuse")
        expect(prompt(shared_page)).to_have_value(literal(text))
    assert shared_page.evaluate("window.pwned") is None
    assert shared_page.title() != "run"


def test_variations_are_a_grid_with_the_chosen_one_large(shared_page: Page) -> None:
    """One click makes all four, with a seed each; a click on one puts its video and its seed on the stage."""
    before, count = posters(shared_page).count(), 4
    shared_page.locator("#variations label").nth(count - 1).click()
    generate(shared_page, "succeeded", "A fox in the snow")
    tiles = shared_page.locator("#variation-grid .variation")
    expect(shared_page.locator("#variation-grid .variation img")).to_have_count(count)
    expect(posters(shared_page)).to_have_count(before + count)
    seeds = set()
    for number in range(count):
        tiles.nth(number).click()
        expect(tiles.nth(number)).to_have_attribute("aria-current", "true")
        expect(shared_page.locator("#variation-grid [aria-current=true]")).to_have_count(1)
        job = tiles.nth(number).get_attribute("data-variation")
        shared_page.wait_for_selector(f"#status [data-job='{job}']")
        ready(shared_page)
        seeds.add(used_seed(shared_page))
    assert len(seeds) == count
    large, small = shared_page.locator("#player video").bounding_box(), tiles.first.bounding_box()
    assert large is not None
    assert small is not None
    assert large["width"] > 2 * small["width"]
    shared_page.locator("#variations label").first.click()


def test_one_variation_needs_no_grid(shared_page: Page) -> None:
    """A single video stands alone."""
    before = posters(shared_page).count()
    generate(shared_page, "succeeded")
    expect(shared_page.locator("#variation-grid .variation")).to_have_count(0)
    expect(posters(shared_page)).to_have_count(before + 1)


def test_settings_are_reused_with_the_same_or_a_new_seed(
    context: BrowserContext, quick_server: Server, problems: list[str]
) -> None:
    """Reuse fills the form with the job's settings and seed; New seed does the same without the seed."""
    visitor_id = known(context, quick_server)
    with_past(quick_server, [past_job(42, visitor_id, prompt="A kite", aspect_ratio=SQUARE, frames=241)])
    page = visited(context, quick_server, problems=problems)
    posters(page).locator("[data-open]").click()
    expect(page.locator("#facts .stage-prompt")).to_have_text("A kite")
    page.click("#reuse")
    expect(seed(page)).to_have_value("42")
    expect(prompt(page)).to_have_value("A kite")
    expect(page.locator("#field-aspect_ratio input")).to_have_value("1:1 · 1440×1440")
    expect(page.locator("#field-frames input:checked + span")).to_have_text("10 s")
    page.click("#new-seed")
    expect(seed(page)).to_have_value("-1")
    expect(prompt(page)).to_have_value("A kite")
    expect(posters(page)).to_have_count(1)


def test_dice_sets_a_random_seed_and_lock_keeps_the_last_one(shared_page: Page) -> None:
    """The dice sets another seed each time; the lock sets the last used one, and makes it random again."""
    drawn = set()
    for _ in range(3):
        before = seed(shared_page).input_value()
        shared_page.click("#dice")
        expect(seed(shared_page)).not_to_have_value(before)
        drawn.add(int(seed(shared_page).input_value()))
    assert len(drawn) == 3
    assert all(0 <= number < 2**31 for number in drawn)
    last = seed(shared_page).input_value()
    with new_job(shared_page):
        shared_page.click("#generate")
    expect(shared_page.locator("#facts [data-seed]")).to_have_attribute("data-seed", last)
    shared_page.click("#lock")
    expect(seed(shared_page)).to_have_value("-1")
    shared_page.click("#lock")
    expect(seed(shared_page)).to_have_value(last)


def test_chip_adds_and_removes_its_phrase(shared_page: Page) -> None:
    """A pressed chip adds its phrase to the prompt that is sent; pressed again it removes it and keeps what was typed."""
    prompt(shared_page).fill("A paper boat")
    expect(shared_page.locator(".chip[aria-pressed=true]")).to_have_count(0)
    pan, neon = (shared_page.locator(f".chip[data-phrase='{phrase}']") for phrase in ("slow pan", "neon glow"))
    pan.click()
    neon.click()
    expect(prompt(shared_page)).to_have_value("A paper boat, slow pan, neon glow")
    expect(shared_page.locator(".chip[aria-pressed=true]")).to_have_count(2)
    pan.click()
    expect(prompt(shared_page)).to_have_value("A paper boat, neon glow")
    shared_page.click("#generate")
    expect(shared_page.locator("#facts .stage-prompt")).to_have_text("A paper boat, neon glow")


HELD = """[...document.querySelectorAll(".compose :is(input:not([type=file]), textarea)")]
  .filter((node) => node.checkVisibility()).map((node) => [node.type, node.type === "radio" ? node.checked : node.value])"""
"""What the form shows, field by field."""


def test_wheel_tabs_and_other_events_change_no_value(shared_page: Page) -> None:
    """The wheel over a field, with or without the focus, another tab, and a finished video change no value. Numbers of any
    size are kept and sent as they were typed."""
    exact = str(2**53 + 1)
    prompt(shared_page).fill("A paper boat")
    seed(shared_page).fill(exact)
    shared_page.locator("#field-frames label").nth(1).click()
    before = shared_page.evaluate(HELD)
    assert "number" not in {kind for kind, _ in before}
    fields = shared_page.locator(".compose :is(input:not([type=file]), textarea)").filter(visible=True)
    for number in range(fields.count()):
        for focus in (False, True):
            if focus:
                fields.nth(number).focus()
            fields.nth(number).hover()
            shared_page.mouse.wheel(0, 30)
            shared_page.mouse.wheel(0, -30)
    shared_page.keyboard.press("Escape")
    assert shared_page.evaluate(HELD) == before
    tabs = shared_page.locator("#tabs [role=tab]")
    tabs.nth(1).click()
    expect(shared_page.locator("#batch-lines")).to_be_visible()
    tabs.nth(0).click()
    expect(seed(shared_page)).to_be_visible()
    assert shared_page.evaluate(HELD) == before

    generate(shared_page, "succeeded", "A paper boat")
    assert used_seed(shared_page) == int(exact)
    seed(shared_page).fill("41")
    seed(shared_page).press("ArrowUp")
    before = shared_page.evaluate(HELD)
    generate(shared_page, "succeeded", "A paper boat")
    ready(shared_page)
    assert used_seed(shared_page) == 42
    assert shared_page.evaluate(HELD) == before

    # After a return to the page, the browser shows the restored values, and these are sent.
    shared_page.goto("about:blank")
    shared_page.go_back()
    filled(shared_page)
    shown = seed(shared_page).input_value()
    with new_job(shared_page):
        shared_page.click("#generate")
    expect(shared_page.locator("#facts .stage-prompt")).to_have_text(prompt(shared_page).input_value())
    assert shown == "-1" or used_seed(shared_page) == int(shown)
