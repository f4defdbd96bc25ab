"""Who cannot see, hear or point can use the page: axe-core finds nothing, in any state, theme or language."""

from collections.abc import Sequence
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, Page

from tests.browser.conftest import filled
from tests.browser.states import all_states
from tests.servers import Server, SimulatorServer

LEVELS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa")
# Not on by itself: the size of targets, 24 pixels, which WCAG 2.2 asks for at AA.
OPTIONS = {
    "runOnly": {"type": "tag", "values": LEVELS},
    "rules": {"target-size": {"enabled": True}},
    "resultTypes": ["violations"],
}


def violations(page: Page, state: str) -> list[str]:
    """What axe-core finds on the page as it is, one line for each element."""
    if not page.evaluate("Boolean(window.axe)"):
        page.evaluate(AXE_SCRIPT)
    found: Sequence[dict[str, Any]] = page.evaluate("options => axe.run(document, options)", OPTIONS)["violations"]
    return [
        f"{state}: {one['id']}: {node['target']} {node['html'][:160]} {' '.join(node['failureSummary'].split())}"
        for one in found
        for node in one["nodes"]
    ]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("language", ["en", "de"])
def test_no_state_of_the_page_has_a_violation(
    browser: Browser, quick_server: Server, quick_service: SimulatorServer, language: str
) -> None:
    """WCAG 2.2 A and AA, by axe-core, in every state of the page, in the light and in the dark theme."""
    context = browser.new_context(viewport={"width": 1366, "height": 900}, locale=language, reduced_motion="reduce")
    page, found, seen = context.new_page(), list[str](), list[str]()
    address = f"{quick_server.address}/?__theme=light"
    page.goto(address)
    filled(page)
    for state in all_states(page, quick_server, quick_service, address):
        seen.append(state)
        assert page.locator("html").get_attribute("lang") == language
        for theme in ("light", "dark"):
            # What Gradio itself does for `__theme=dark`.
            page.evaluate("isDark => document.body.classList.toggle('dark', isDark)", theme == "dark")
            found += violations(page, f"{state}, {theme}")
        page.evaluate("document.body.classList.remove('dark')")
    context.close()
    assert found == [], "\n".join(found)
    assert len(set(seen)) == len(seen) >= 18
