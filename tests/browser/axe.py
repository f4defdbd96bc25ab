"""What axe-core finds on a page."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

__all__ = ["EVERYTHING", "OF_COLOURS", "OF_WORDS", "WITH_MEDIA", "violations"]

LEVELS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa")
EVERYTHING: dict[str, Any] = {
    "runOnly": {"type": "tag", "values": LEVELS},
    # Not on by itself: the size of targets, 24 pixels, which WCAG 2.2 asks for at AA.
    "rules": {"target-size": {"enabled": True}},
    "resultTypes": ["violations"],
    "preload": False,
}
WITH_MEDIA: dict[str, Any] = {**EVERYTHING, "preload": True}
"""axe-core loads all style sheets and media again, for two of its rules, which takes a second."""
OF_WORDS: dict[str, Any] = {**EVERYTHING, "rules": {**EVERYTHING["rules"], "color-contrast": {"enabled": False}}}
"""All that depends on the language."""
OF_COLOURS: dict[str, Any] = {
    "runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]},
    "resultTypes": ["violations"],
    "preload": False,
}
"""All that depends on the theme."""
_CHANGED = Path(__file__).with_name("axe.js").read_text()


def violations(page: Page, options: dict[str, Any] = EVERYTHING) -> list[str]:
    """What axe-core finds, one line for each element: on the whole page, or, where it has looked with these options before, on
    what has changed since. `WITH_MEDIA` looks at the whole page."""
    if not page.evaluate("Boolean(window.axe)"):
        page.evaluate(AXE_SCRIPT)
    look = "async (options) => (await axe.run(document, options)).violations" if options is WITH_MEDIA else _CHANGED
    found: Sequence[dict[str, Any]] = page.evaluate(look, options)
    return [
        f"{one['id']}: {node['target']} {node['html'][:160]} {' '.join(node['failureSummary'].split())}"
        for one in found
        for node in one["nodes"]
    ]
