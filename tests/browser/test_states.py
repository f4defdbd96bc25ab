"""Every state of the page in English: axe-core finds nothing, and nothing is cut off or lies over something else."""

import pytest
from playwright.sync_api import Browser

from tests.browser.conftest import calm_context, filled
from tests.browser.states import all_states
from tests.browser.walk import SIZE, faults_of
from tests.servers import Server, SimulatorServer

__all__ = ["expect_every_state_accessible"]


def expect_every_state_accessible(browser: Browser, server: Server, service: SimulatorServer, language: str) -> None:
    context = calm_context(browser, viewport=SIZE[language], locale=language, reduced_motion="reduce")
    page, address = context.new_page(), f"{server.address}/?__theme=light"
    page.goto(address)
    filled(page)
    found, seen = faults_of(page, all_states(page, service, address), language)
    context.close()
    assert found == [], "\n".join(found)
    assert len(seen) >= 28
    assert {"ready", "compare", "batch ready"} <= seen


@pytest.mark.timeout(900)
def test_every_state_is_accessible(browser: Browser, quick_server: Server, quick_service: SimulatorServer) -> None:
    """In the light and in the dark, from a phone to a projector."""
    expect_every_state_accessible(browser, quick_server, quick_service, "en")
