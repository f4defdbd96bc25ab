"""Every state of the page in German: what depends on words."""

import pytest
from playwright.sync_api import Browser

from tests.browser.test_states import expect_every_state_accessible
from tests.servers import Server, SimulatorServer


@pytest.mark.timeout(900)
def test_every_state_is_accessible_in_german(
    browser: Browser, quick_server: Server, quick_service: SimulatorServer
) -> None:
    """A file of its own, so that another worker can take it."""
    expect_every_state_accessible(browser, quick_server, quick_service, "de")
