"""Money on the page in a real browser: the price's note, the balance, what a video has cost, and the budget of the day."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.axe import OF_COLOURS, violations
from tests.browser.conftest import KEY, calm_context, opened
from tests.browser.layout import LAPTOP, PHONE, in_the_dark, layout_faults, resize
from tests.rig import make_clip
from tests.servers import Server, SimulatorServer

NOTE = "Without sound; 4K costs <twice> as much."


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A studio whose service has prices and an account, and whose owner spends a dollar a day."""
    folder = tmp_path_factory.mktemp("paid")
    clip = str(make_clip(folder / "clip.mp4"))
    options = ("--token", KEY, "--queue", "0", "--quick", "0.2", "--clip", clip)
    service = SimulatorServer(folder, *options, "--price", "0.6", "--per", "output", "--note", NOTE, "--balance", "2")
    settings = {
        "RUNCOMFY_API_TOKEN": KEY,
        "RUNCOMFY_MODEL_API_BASE": service.start(),
        "DREAMINA_DAILY_BUDGET_USD": "1",
        "DREAMINA_DAILY_LIMIT": "50",
    }
    server = Server(folder, **settings)
    server.start()
    yield server
    server.stop()
    service.stop()
    assert "Traceback" not in server.log
    assert KEY not in server.log


def test_money_is_in_sight(browser: Browser, server: Server) -> None:
    """At the studio's machine the balance is the owner's to see: it goes down with the video. The base price is no total, the
    video tells its cost, and a second one is more than the day's budget; both languages say so. Whoever comes by way of a proxy
    sees no balance."""
    problems: list[str] = []
    context = calm_context(browser, viewport=LAPTOP, reduced_motion="reduce")
    page = opened(context, server, problems)
    expect(page.locator("#price b")).to_have_text("Base price $0.60 per file")
    expect(page.locator("#price .price-note")).to_contain_text(f"RunComfy says: “{NOTE}”")
    expect(page.locator("#balance")).to_have_text("Balance at RunComfy: $2.00")
    resize(page, {"width": 920, "height": 900})  # the line is fullest just above the width of a phone's layout
    assert [fault for fault in layout_faults(page) if "#balance" in fault or "#allowance" in fault] == []
    for size in (PHONE, LAPTOP):
        resize(page, size)
        assert (size, layout_faults(page)) == (size, [])
    assert violations(page) == []
    with in_the_dark(page):
        assert violations(page, OF_COLOURS) == []
    page.click("#generate")
    expect(page.locator("#status [data-state=succeeded]")).to_be_visible()
    expect(page.locator("#facts")).to_contain_text("$0.60")
    expect(page.locator("#balance")).to_have_text("Balance at RunComfy: $1.40", timeout=15_000)
    expect(page.locator("#price b")).to_have_text("The last one cost $0.60", timeout=15_000)
    page.click("#generate")
    expect(page.locator("#refusal")).to_contain_text("What is left of today's budget does not cover this")
    expect(page.locator("#allowance")).to_contain_text("Videos left today: 49")
    page.click("[data-language=de]")
    expect(page.locator("#balance")).to_have_text("Guthaben bei RunComfy: 1,40\N{NO-BREAK SPACE}$")
    expect(page.locator("#price b")).to_have_text("Das letzte kostete 0,60\N{NO-BREAK SPACE}$")
    expect(page.locator("#price .price-note")).to_contain_text(f"RunComfy schreibt: „{NOTE}“")
    page.click("#generate")
    expect(page.locator("#refusal")).to_contain_text("Der Rest des Budgets für heute reicht dafür nicht")
    context.close()

    behind = browser.new_context(extra_http_headers={"X-Forwarded-For": "203.0.113.9"})
    page = opened(behind, server, problems)
    expect(page.locator("#price .price-note")).to_be_visible()
    assert page.locator("#balance .balance").count() == 0
    behind.close()
    assert problems == []
