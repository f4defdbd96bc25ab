"""Common window sizes, and a check of the layout in a window."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, ViewportSize

__all__ = ["LAPTOP", "PHONE", "PROJECTOR", "in_the_dark", "layout_faults", "resize", "resized"]

PHONE: ViewportSize = {"width": 360, "height": 740}
LAPTOP: ViewportSize = {"width": 1280, "height": 800}
PROJECTOR: ViewportSize = {"width": 3840, "height": 2160}
_FAULTS = Path(__file__).with_name("layout.js").read_text()
# A timer that is started in a frame ends after the frame's layout and its resize observers.
_DRAWN = "() => new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn)))"


def layout_faults(page: Page) -> list[str]:
    """What is wrong with the layout at this moment, one line each."""
    found: list[str] = page.evaluate(_FAULTS)
    return found


@contextmanager
def in_the_dark(page: Page) -> Iterator[None]:
    """Inside this context, the page has its dark theme: what Gradio itself does for `__theme=dark`."""
    page.evaluate("document.body.classList.add('dark')")
    yield
    page.evaluate("document.body.classList.remove('dark')")


@contextmanager
def resized(page: Page, size: ViewportSize) -> Iterator[None]:
    """Inside this context, the window has this size."""
    before = page.viewport_size
    assert before
    resize(page, size)
    yield
    resize(page, before)


def resize(page: Page, size: ViewportSize) -> None:
    """Give the window this size, and wait until the page is laid out in it."""
    if page.viewport_size != size:
        page.set_viewport_size(size)
        page.evaluate(_DRAWN)
