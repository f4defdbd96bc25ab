"""The browser that the system has, or else Playwright's own.

The headless shell is Chromium without the browser's own windows, which nobody sees in a test: a page costs about half of the
processor time. What the windows offer, such as the settings of a profile, only the whole browser has.
"""

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, BrowserContext, expect, sync_playwright

__all__ = ["FLAGS", "RENDERED_MS", "WAIT_MS", "Chromium", "browsing", "whole_browser"]

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


def whole_browser() -> str | None:
    """The program, if the system has it."""
    return _installed("chromium", "google-chrome", "chromium-browser")


@contextmanager
def browsing(*flags: str) -> Iterator[Browser]:
    """A Chromium, with these flags too; as long as it is open, no event loop can run in this thread, but see `Chromium`."""
    found = _installed("chromium-headless-shell") or whole_browser()
    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=[*FLAGS, *flags])
        browser.on("context", lambda context: context.set_default_timeout(WAIT_MS))
        try:
            yield browser
        finally:
            browser.close()


class Chromium:
    """The browser of a worker, and the contexts in it that tests share, by name.

    As long as there is one, Playwright's event loop counts as running in its thread. While it rests, another one can
    run, which the worker's other files need.
    """

    def __init__(self, browser: Browser) -> None:
        """Just after `browser` was opened, in the same thread."""
        self.browser = browser
        self.contexts: dict[str, BrowserContext] = {}
        self._loop = asyncio._get_running_loop()
        self.rest()

    def rest(self) -> None:
        """Let other event loops run."""
        asyncio._set_running_loop(None)

    def resume(self) -> None:
        asyncio._set_running_loop(self._loop)


def _installed(*names: str) -> str | None:
    return next(filter(None, map(shutil.which, names)), None)
