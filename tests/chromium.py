"""The browser that the system has, or else Playwright's own."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, expect, sync_playwright

__all__ = ["RENDERED_MS", "WAIT_MS", "browsing"]

WAIT_MS = 120_000
"""The bound of every wait. What comes is seen at once; a machine with much else to do is given its time."""
RENDERED_MS = 400_000
"""The bound where a whole video is rendered."""

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]


@contextmanager
def browsing() -> Iterator[Browser]:
    """A Chromium; as long as it is open, no event loop can run in this thread."""
    found = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None)
    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        browser.on("context", lambda context: context.set_default_timeout(WAIT_MS))
        try:
            yield browser
        finally:
            browser.close()
