"""Every state of the page, in each language: axe-core finds nothing, and nothing is cut off or lies over something else.

One walk through the states costs more than all that is looked at on it, so everything is looked at on the same one.
"""

from collections.abc import Sequence
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, Page, ViewportSize

from tests.browser.conftest import calm_context, filled
from tests.browser.layout import LAPTOP, PHONE, PROJECTOR, in_the_dark, layout_faults, resize, resized
from tests.browser.states import all_states
from tests.servers import Server, SimulatorServer

SIZES = (PHONE, LAPTOP, PROJECTOR)
LEVELS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa")
OPTIONS: dict[str, Any] = {
    "runOnly": {"type": "tag", "values": LEVELS},
    # Not on by itself: the size of targets, 24 pixels, which WCAG 2.2 asks for at AA.
    "rules": {"target-size": {"enabled": True}},
    "resultTypes": ["violations"],
}
OF_WORDS = {**OPTIONS, "rules": {**OPTIONS["rules"], "color-contrast": {"enabled": False}}, "preload": False}
"""All that depends on the language."""
LOADED_AGAIN = ("ready", "compare", "batch ready", "sound")
"""Where axe-core loads all style sheets and media again, for two of its rules, which takes a second each time: these states
have all style sheets and each kind of player."""
OF_COLOURS = {
    "runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]},
    "resultTypes": ["violations"],
}
"""All that depends on the theme."""


def violations(page: Page, options: dict[str, Any]) -> list[str]:
    """What axe-core finds on the page as it is, one line for each element."""
    if not page.evaluate("Boolean(window.axe)"):
        page.evaluate(AXE_SCRIPT)
    found: Sequence[dict[str, Any]] = page.evaluate("options => axe.run(document, options)", options)["violations"]
    return [
        f"{one['id']}: {node['target']} {node['html'][:160]} {' '.join(node['failureSummary'].split())}"
        for one in found
        for node in one["nodes"]
    ]


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("language", "size", "light", "dark"),
    [("en", PHONE, OPTIONS, OF_COLOURS), ("de", LAPTOP, OF_WORDS, None)],
    ids=["en", "de"],
)
def test_every_state_is_accessible(
    browser: Browser,
    quick_server: Server,
    quick_service: SimulatorServer,
    language: str,
    size: ViewportSize,
    light: dict[str, Any],
    dark: dict[str, Any] | None,
) -> None:
    """WCAG 2.2 A and AA, by axe-core, in the light and in the dark; no scrolling sideways, no control or text over another one,
    all of it inside the window, from a phone to a projector. Colours do not depend on the language."""
    context = calm_context(browser, viewport=size, locale=language, reduced_motion="reduce")
    page, found, seen = context.new_page(), list[str](), list[str]()
    address = f"{quick_server.address}/?__theme=light"
    page.goto(address)
    filled(page)
    for state in all_states(page, quick_server, quick_service, address):
        seen.append(state)
        assert page.locator("html").get_attribute("lang") == language
        options = light if state in LOADED_AGAIN else {**light, "preload": False}
        found += [f"{state}: {fault}" for fault in violations(page, options)]
        if dark:
            with in_the_dark(page):
                found += [f"{state}, dark: {fault}" for fault in (*violations(page, dark), *layout_faults(page))]
        for other in (size, *(one for one in SIZES if one != size)):
            resize(page, other)
            found += [f"{state}, {other['width']} pixels wide: {fault}" for fault in layout_faults(page)]
        resize(page, size)
    context.close()
    assert found == [], "\n".join(found)
    assert len(set(seen)) == len(seen) >= 30
    assert set(LOADED_AGAIN) <= set(seen)


def test_accessibility_checks_find_violations(browser: Browser, quick_server: Server) -> None:
    """They find a picture without alternative text, low contrast, a button over another one, and one outside the window."""
    context = calm_context(browser, viewport=PHONE, locale="de", reduced_motion="reduce")
    page = context.new_page()
    page.goto(f"{quick_server.address}/?__theme=light")
    filled(page)
    assert [*violations(page, OPTIONS), *layout_faults(page)] == []
    page.evaluate("document.querySelector('#generate').style.cssText = 'transform: translateY(2.5rem)'")
    assert any(fault.startswith("overlap") for fault in layout_faults(page))
    page.evaluate("document.querySelector('#notify svg').style.transform = 'translateY(0.3rem)'")
    assert any(fault.startswith("not centred") for fault in layout_faults(page))
    page.evaluate("document.querySelector('#notify svg').style.transform = ''")
    page.evaluate(
        """const label = document.querySelector("#field-seed [data-testid=block-info]");
        const above = document.querySelector("#field-frames label:has(input)").getBoundingClientRect().bottom;
        label.style.cssText = `position: relative; top: ${above - label.getBoundingClientRect().top}px`;"""
    )
    assert any(fault.startswith("touches") for fault in layout_faults(page))
    page.evaluate("document.querySelector('#field-seed [data-testid=block-info]').style.cssText = ''")
    page.evaluate("document.querySelector('#status').innerHTML = document.querySelector('#screen .lead').outerHTML")
    assert any(fault.startswith("said twice") for fault in layout_faults(page))
    page.evaluate("document.querySelector('#status').innerHTML = ''")
    page.evaluate("document.querySelector('#generate').style.cssText = 'transform: translateX(4rem)'")
    assert any(fault.startswith("cut off") for fault in layout_faults(page))
    with resized(page, LAPTOP):
        assert layout_faults(page) == []
    page.evaluate("document.querySelector('#generate').after(Object.assign(new Image(), { src: 'data:,' }))")
    assert any(fault.startswith("image-alt") for fault in violations(page, {**OPTIONS, "preload": False}))
    with in_the_dark(page):
        assert violations(page, OF_COLOURS) == []
        page.evaluate("document.querySelector('#field-prompt textarea').style.color = '#333'")
        page.fill("#field-prompt textarea", "a lighthouse")
        assert any(fault.startswith("color-contrast") for fault in violations(page, OF_COLOURS))
    context.close()
