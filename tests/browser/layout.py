"""Common window sizes, and a check of the layout in a window."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, ViewportSize

__all__ = ["LAPTOP", "PHONE", "PROJECTOR", "layout_faults", "resized"]

PHONE: ViewportSize = {"width": 360, "height": 740}
LAPTOP: ViewportSize = {"width": 1280, "height": 800}
PROJECTOR: ViewportSize = {"width": 3840, "height": 2160}
_FAULTS = Path(__file__).with_name("layout.js").read_text()
_DRAWN = "() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))"


def layout_faults(page: Page) -> list[str]:
    """What is wrong with the layout at this moment, one line each."""
    found: list[str] = page.evaluate(_FAULTS)
    return found


@contextmanager
def resized(page: Page, size: ViewportSize) -> Iterator[None]:
    """Inside this context, the window has this size."""
    before = page.viewport_size
    assert before
    if before == size:
        yield
        return
    page.set_viewport_size(size)
    page.evaluate(_DRAWN)
    yield
    page.set_viewport_size(before)
    page.evaluate(_DRAWN)
