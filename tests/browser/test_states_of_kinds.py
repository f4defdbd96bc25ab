"""The page with files of every kind: axe-core finds nothing, and nothing is cut off; and both do find what is there."""

import pytest
from playwright.sync_api import Browser

from tests.browser.axe import OF_COLOURS, WITH_MEDIA, violations
from tests.browser.conftest import calm_context, filled
from tests.browser.layout import LAPTOP, PHONE, in_the_dark, layout_faults, resized
from tests.browser.states import of_other_kinds
from tests.browser.walk import SIZE, faults_of
from tests.servers import Server


@pytest.mark.timeout(300)
@pytest.mark.parametrize("language", ["en", "de"])
def test_every_kind_of_file_is_accessible(browser: Browser, quick_server: Server, language: str) -> None:
    """A sound, an archive, what no browser shows, and what is missing."""
    context = calm_context(browser, viewport=SIZE[language], locale=language, reduced_motion="reduce")
    states = of_other_kinds(context.new_page(), quick_server, f"{quick_server.address}/?__theme=light")
    found, seen = faults_of(context.pages[0], states, language)
    context.close()
    assert found == [], "\n".join(found)
    assert "sound" in seen
    assert len(seen) == 8


def test_accessibility_checks_find_violations(browser: Browser, quick_server: Server) -> None:
    """They find a picture without alternative text, low contrast, a button over another one, and one outside the window: also
    where only what has changed is looked at."""
    context = calm_context(browser, viewport=PHONE, locale="de", reduced_motion="reduce")
    page = context.new_page()
    page.goto(f"{quick_server.address}/?__theme=light")
    filled(page)
    assert [*violations(page, WITH_MEDIA), *violations(page), *layout_faults(page)] == []
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
    assert any(fault.startswith("image-alt") for fault in violations(page))
    with in_the_dark(page):
        assert violations(page, OF_COLOURS) == []
        page.evaluate("document.querySelector('#field-prompt textarea').style.color = '#333'")
        page.fill("#field-prompt textarea", "a lighthouse")
        assert any(fault.startswith("color-contrast") for fault in violations(page, OF_COLOURS))
    context.close()
