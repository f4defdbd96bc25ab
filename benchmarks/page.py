"""The size of the page, and when its form can be used: `python -m benchmarks.page [--short] [--report docs/performance.md]`.

In Chromium, with an empty cache and then again, beside an empty Gradio page. Both servers have sent their page before.
"""

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
from playwright.sync_api import Browser, BrowserContext

from benchmarks.figures import Figure, machine, publish, table
from benchmarks.programs import OURS
from benchmarks.start import EMPTY, PAIR, running
from tests.chromium import browsing

__all__ = ["Opening", "main", "measure"]

BYTES_MOST, USABLE_MOST = 1.15, 1.25
QUIET_S = 0.5
"""After so long without a new file, the page has loaded all it needs."""
WATCH = """
(() => {
  const look = () => {
    const button = document.querySelector("#generate");
    const field = document.querySelector("#field-prompt textarea, #field-prompt input");
    if (button && !button.disabled && field && !field.disabled && !field.readOnly) window.usable = performance.now();
    else requestAnimationFrame(look);
  };
  look();
})();
"""


@dataclass(frozen=True, slots=True)
class Opening:
    """One opened page: seconds to the form; its thread's processor time until then, and until all is there; what came over the
    wire with its headers; of how many files, and foreign ones."""

    usable_s: float
    busy_s: float
    busy_in_all_s: float
    received: float
    files: int
    foreign: int


def opened(browser: Browser, address: str) -> tuple[Opening, Opening]:
    """A new visitor opens the page, closes it, and opens it again."""
    context = browser.new_context(viewport={"width": 1366, "height": 900})
    try:
        return visit(context, address), visit(context, address)
    finally:
        context.close()


def visit(context: BrowserContext, address: str) -> Opening:
    """One page. Streams that stay open are not counted: they have no end."""
    sizes: list[float] = []
    foreign: list[str] = []
    heard = time.monotonic()

    def came(event: dict[str, float]) -> None:
        nonlocal heard
        heard = time.monotonic()
        sizes.append(event["encodedDataLength"])

    def asked(url: str) -> None:
        if not url.startswith((address, "data:", "blob:")):
            foreign.append(url)

    def busy_s() -> float:
        measured = wire.send("Performance.getMetrics")["metrics"]
        return float(next(one["value"] for one in measured if one["name"] == "TaskDuration"))

    page = context.new_page()
    wire = context.new_cdp_session(page)
    wire.on("Network.loadingFinished", came)
    wire.send("Network.enable")
    wire.send("Performance.enable", {"timeDomain": "threadTicks"})
    page.on("request", lambda request: asked(request.url))
    page.add_init_script(WATCH)
    page.goto(address, wait_until="commit")
    usable_ms = page.wait_for_function("window.usable", timeout=60_000).json_value()
    until_usable_s = busy_s()
    while time.monotonic() < heard + QUIET_S:
        page.wait_for_timeout(50)
    found = Opening(usable_ms / 1000, until_usable_s, busy_s(), sum(sizes), len(sizes), len(foreign))
    page.close()
    return found


def measure(folder: Path, short: bool = False, repeats: int = 9) -> list[Figure]:
    """The medians of both, in an order drawn anew each time."""
    order = random.Random(10)  # noqa: S311  an order, no secret
    found: dict[str, list[tuple[Opening, Opening]]] = {name: [] for name in PAIR}
    with ExitStack() as stack:
        addresses = {name: stack.enter_context(running(name, folder / name)).address for name in PAIR}
        for address in addresses.values():
            httpx.get(address, timeout=60, trust_env=False).raise_for_status()
        browser = stack.enter_context(browsing())
        for name in () if short else PAIR:
            opened(browser, addresses[name])
        for _ in range(1 if short else repeats):
            for name in order.sample(PAIR, len(PAIR)):
                found[name].append(opened(browser, addresses[name]))

    def figure(what: str, unit: str, name: str, again: int = 0, **promise: float) -> Figure:
        ours, empty = (statistics.median(getattr(pair[again], name) for pair in found[one]) for one in (OURS, EMPTY))
        return Figure(what, unit, ours, empty, **promise)

    foreign = [max(one.foreign for pair in found[name] for one in pair) for name in (OURS, EMPTY)]
    return [
        figure("over the wire", "bytes", "received", ratio_most=BYTES_MOST),
        figure("files", "files", "files"),
        figure("to the first usable form", "s", "usable_s", ratio_most=USABLE_MOST),
        figure("processor time of the page until then", "s", "busy_s"),
        figure("processor time of the page in all", "s", "busy_in_all_s"),
        figure("opened again: over the wire", "bytes", "received", 1),
        figure("opened again: to the first usable form", "s", "usable_s", 1, ratio_most=USABLE_MOST),
        figure("opened again: processor time of the page in all", "s", "busy_in_all_s", 1),
        Figure("asked of other origins", "files", foreign[0], foreign[1], most=0),
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.page", description=__doc__)
    parser.add_argument("--short", action="store_true", help="one page of each, to see that it runs")
    parser.add_argument("--repeats", type=int, default=9, help="pages of each; the median counts")
    parser.add_argument("--report", type=Path, help="a page of the documentation to write the table into")
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="dreamina-page-") as folder:
        figures = measure(Path(folder), args.short, args.repeats)
    text = f"{machine()}; {1 if args.short else args.repeats} pages of each.\n\n{table(figures, OURS, EMPTY)}"
    publish("page", text, args.report)


if __name__ == "__main__":
    main()
