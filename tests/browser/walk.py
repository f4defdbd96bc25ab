"""A walk through states of the page, on which everything is looked at: the walk costs more than that."""

from collections.abc import Iterator, Sequence
from typing import Any

from playwright.sync_api import Page, ViewportSize

from tests.browser.axe import EVERYTHING, OF_COLOURS, OF_WORDS, WITH_MEDIA, violations
from tests.browser.layout import LAPTOP, PHONE, PROJECTOR, in_the_dark, layout_faults, resize

__all__ = ["SIZE", "faults_of"]

WITH_PLAYERS = ("ready", "compare", "batch ready", "sound")
"""Where axe-core looks at the whole page again, with all media: these states have all style sheets and each kind of player."""
SIZE: dict[str, ViewportSize] = {"en": PHONE, "de": LAPTOP}
"""In which the walk is done."""


def faults_of(page: Page, states: Iterator[str], language: str) -> tuple[list[str], set[str]]:
    """What is wrong in the states of the page, which is opened in this language, in the light and in its `SIZE`; and the states.

    In English: WCAG 2.2 A and AA by axe-core, in the light and in the dark; no scrolling sideways, no control or text over
    another one, all of it inside the window, from a phone to a projector. In German, what depends on words: colours do not, and
    on a projector there is room for the words of any language.
    """
    is_english = language == "en"
    sizes: Sequence[ViewportSize] = (PHONE, LAPTOP, PROJECTOR) if is_english else (LAPTOP, PHONE)
    found, seen = list[str](), set[str]()
    for state in states:
        assert state not in seen
        seen.add(state)
        assert page.locator("html").get_attribute("lang") == language
        options: dict[str, Any] = EVERYTHING if is_english else OF_WORDS
        if is_english and state in WITH_PLAYERS:
            options = WITH_MEDIA
        found += [f"{state}: {fault}" for fault in violations(page, options)]
        if is_english:
            with in_the_dark(page):
                found += [f"{state}, dark: {fault}" for fault in (*violations(page, OF_COLOURS), *layout_faults(page))]
        for size in sizes:
            resize(page, size)
            found += [f"{state}, {size['width']} pixels wide: {fault}" for fault in layout_faults(page)]
        resize(page, SIZE[language])
    return found, seen
