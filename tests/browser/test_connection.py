"""A page whose connection breaks: its calls, its clicks, and what was typed."""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from dreamina_ui.wording import Words
from tests.browser.conftest import KEY, filled
from tests.browser.states import generate, new_job, status_fixed
from tests.browser.still_page import WORDS, open_still_page
from tests.chromium import FLAGS, WAIT_MS, whole_browser
from tests.network import Network
from tests.servers import Server, SimulatorServer, wait_for

DOUBLE = Path(__file__).with_name("server_double.js").read_text()
PLAYS = "(video => video && video.readyState >= 2)(document.querySelector('#player video'))"
GENERATING = {"msg": "process_generating", "success": True}
NO_COOKIES = {"profile": {"default_content_setting_values": {"cookies": 2}}}
PROMPT = "#field-prompt textarea"
# Once, opens the batch as soon as its tab is there.
BATCH_AT_ONCE = """
(function look() {
  if (location.protocol === "about:" || sessionStorage.getItem("opened_batch")) return;
  const tab = document.querySelectorAll("#tabs [role=tab]")[1];
  if (!tab) return requestAnimationFrame(look);
  sessionStorage.setItem("opened_batch", "yes");
  tab.click();
})();
"""


def stage(page: Page, state: str) -> None:
    page.wait_for_selector(f'#status .status[data-state="{state}"]')


def toasts(page: Page) -> list[str]:
    """As they are now: `expect` would wait until they close by themselves."""
    return page.locator(".toast-body").all_text_contents()


def paid(service: SimulatorServer) -> int:
    return len(service.control("ledger", KEY)["requests"])


@pytest.fixture
def lively(browser: Browser) -> Iterator[Page]:
    """The still page with a fake clock, and a fake server that the test controls."""
    page = browser.new_page()
    page.add_init_script(DOUBLE)
    open_still_page(page, {})
    page.clock.install(time=0)
    page.clock.pause_at(1000)
    page.evaluate("() => { readLikeGradio() }")
    yield page
    page.close()


def until(page: Page, condition: str) -> None:
    """Playwright's own wait checks at each animation frame, and a stopped clock has none."""
    wait_for(lambda: page.evaluate(condition), 20)


def asked(page: Page, count: int) -> Any:
    until(page, f"asked.length >= {count}")
    return page.evaluate("asked")


def test_silent_stream_is_replaced_after_30_seconds(lively: Page) -> None:
    """After 30 s without a message, a new session is opened; Gradio continues to read the same stream."""
    event = lively.evaluate("callLikeGradio(['job'])")
    assert asked(lively, 2) == ["join page first", "stream page"]
    lively.evaluate("message => tell(message)", {**GENERATING, "event_id": event, "output": {"data": ["one"]}})
    until(lively, "read.length === 1")
    lively.clock.run_for(25_000)
    lively.evaluate("tell({ msg: 'heartbeat' })")
    lively.wait_for_timeout(50)
    lively.clock.run_for(25_000)
    assert len(lively.evaluate("asked")) == 2
    lively.clock.run_for(6_000)
    assert asked(lively, 4)[2:] == ["join page-1 yes", "stream page-1"]
    lively.evaluate("message => tell(message)", {**GENERATING, "event_id": "event3", "output": {"data": ["two"]}})
    lively.evaluate("message => tell(message)", {"msg": "process_completed", "event_id": "event3", "success": True})
    until(lively, "read.length === 3")
    first, again, last = lively.evaluate("read")
    assert first["output"]["data"] == ["one"]
    assert again["output"]["data"] == [[["replace", [], "two"]]]  # what differs from the first
    assert {message["event_id"] for message in (first, again, last)} == {event}


@pytest.mark.parametrize(
    "end",
    [
        "streams.at(-1).close()",
        "streams.at(-1).error(new TypeError('reset'))",
        "tell({ msg: 'unexpected_error', message: 'Server stopped unexpectedly.', success: false })",
    ],
)
def test_ended_stream_is_replaced(lively: Page, end: str) -> None:
    """Whatever ended it, while a call has no answer: with growing pauses, and one notice while no server answers."""
    event, notice = lively.evaluate("callLikeGradio(['job'])"), lively.locator("#connection-notice")
    asked(lively, 2)
    lively.evaluate(f"isAway = true; {end}")
    lively.wait_for_timeout(50)
    for _ in range(8):
        lively.clock.run_for(2_000)
    expect(notice).to_have_text(WORDS.say("connection.lost"))
    assert len(lively.evaluate("asked")) == 2
    lively.evaluate("isAway = false; dispatchEvent(new Event('online'))")
    session = asked(lively, 4)[3].removeprefix("stream ")
    assert session.startswith("page-")
    lively.evaluate("tell({ msg: 'process_completed', event_id: 'event3', success: true })")
    until(lively, "read.length === 1")
    assert lively.evaluate("read[0].event_id") == event
    expect(notice).to_have_count(0)


def test_click_is_not_resent_after_a_minute(lively: Page) -> None:
    """After a minute without an answer the page says that the outcome is unknown; a call that only watches is always resent."""
    lively.evaluate("isAway = true")
    click, watch = lively.evaluate(
        "(async () => [await callLikeGradio(dreamina.withClickId('a boat', '')), await callLikeGradio(['job'])])()"
    )
    for _ in range(14):
        lively.clock.run_for(5_000)
        lively.wait_for_timeout(20)
    lively.evaluate("isAway = false; dispatchEvent(new Event('online'))")
    until(lively, "read.length === 1 && asked.length >= 2")
    told = lively.evaluate("read[0]")
    assert (told["event_id"], told["success"]) == (click, False)
    assert told["output"]["error"] == WORDS.say("connection.unanswered")
    assert [entry.split()[0] for entry in lively.evaluate("asked")] == ["join", "stream"]
    assert watch != click


@pytest.mark.timeout(400)
def test_video_is_shown_after_every_kind_of_connection_loss(
    context: BrowserContext, tmp_path: Path, quick_service: SimulatorServer
) -> None:
    """Swallowed packets, kill -9 and SIGTERM: without a reload each video is shown, the draft is kept, the buttons work, and each
    click is paid once. A reset and a refused connection are below, with a batch."""
    service, before = quick_service, paid(quick_service)
    server = Server(tmp_path, RUNCOMFY_API_TOKEN=KEY, RUNCOMFY_MODEL_API_BASE=service.address)
    server.start()
    network = Network(int(server.address.rpartition(":")[2]))
    page = context.new_page()
    try:
        page.goto(network.address)
        filled(page)
        loads: list[str] = []
        page.on("framenavigated", lambda frame: loads.append(frame.url))
        for clicks, harm in enumerate(("swallow", "kill", "term"), start=1):
            with status_fixed(service, "in_progress"):
                page.click("#generate")
                stage(page, "in_progress")
                page.wait_for_selector("#player", state="attached")  # the files that show a video are there
                page.fill(PROMPT, f"typed before {harm}")
                if harm == "swallow":
                    network.swallow()
                    page.wait_for_timeout(300)
                    network.mend()
                    page.evaluate("dispatchEvent(new Event('online'))")  # else silence is only noticed after 30 s
                else:
                    server.stop(kill=harm == "kill")
                    server.start()
            stage(page, "succeeded")
            page.wait_for_function(PLAYS)
            expect(page.locator(PROMPT)).to_have_value(f"typed before {harm}")
            expect(page.locator("#connection-notice")).to_have_count(0)
            assert toasts(page) == []
            expect(page.locator("#history .posters > [data-job]")).to_have_count(clicks)
            assert paid(service) == before + clicks
        assert loads == []
        assert "Traceback" not in server.log
    finally:
        page.close()
        network.close()
        with suppress(ProcessLookupError):
            server.stop(kill=True)


def test_batch_table_continues_after_a_connection_loss(
    context: BrowserContext, quick_server: Server, quick_service: SimulatorServer
) -> None:
    """A reset, swallowed packets and a refused connection, while a batch runs: without a reload the table shows every video, the
    draft is kept, the buttons work, and each line is paid once."""
    network = Network(int(quick_server.address.rpartition(":")[2]))
    page = context.new_page()
    try:
        page.goto(network.address)
        filled(page)
        before = paid(quick_service)
        loads: list[str] = []
        page.on("framenavigated", lambda frame: loads.append(frame.url))
        page.fill(PROMPT, "a draft")
        page.get_by_role("tab", name=WORDS.say("tab.batch")).click()
        page.fill("#batch-lines textarea", "one\ntwo\nthree\nfour")
        page.click("#batch-start:not(:disabled)")
        rows = page.locator("#batch-table tr[data-job]")
        expect(rows).to_have_count(4)
        some = "#batch-table tr[data-job]:is({})"
        begun, ready = '[data-state="in_progress"], [data-state="succeeded"]', '[data-state="succeeded"]'
        for harm, states in (("cut", "*"), ("swallow", begun), ("refuse", ready)):
            page.wait_for_selector(some.format(states))
            getattr(network, harm)()
            page.wait_for_timeout(300)
            network.mend()
            if harm == "swallow":  # it would take 30 s until silence is noticed
                page.evaluate("dispatchEvent(new Event('online'))")
        expect(page.locator(some.format(ready))).to_have_count(4)
        expect(rows.locator(".state a")).to_have_count(4)
        expect(page.locator("#batch-progress")).to_contain_text("4 of 4 ready")
        expect(page.locator("#history .posters > [data-job]")).to_have_count(4)
        expect(page.locator("#connection-notice")).to_have_count(0)
        rows.nth(2).locator("[data-open]").click()
        expect(page.locator("#facts")).to_contain_text("three")
        page.wait_for_function(PLAYS)
        expect(page.locator(PROMPT)).to_have_value("a draft")
        assert toasts(page) == []
        assert paid(quick_service) - before == 4
        assert loads == []
    finally:
        page.close()
        network.close()


def test_without_cookies_nothing_is_sent(
    browser: Browser, quick_server: Server, quick_service: SimulatorServer, tmp_path: Path
) -> None:
    """With all cookies blocked in the browser's settings, the page says so at once; no click and no batch is sent."""
    before = paid(quick_service)
    (tmp_path / "Default").mkdir()
    (tmp_path / "Default" / "Preferences").write_text(json.dumps(NO_COOKIES))
    kind = browser.browser_type
    context = kind.launch_persistent_context(str(tmp_path), executable_path=whole_browser(), args=FLAGS, locale="en")
    context.set_default_timeout(WAIT_MS)
    try:
        page = context.new_page()
        page.goto(quick_server.address)
        filled(page)
        sentence = WORDS.say("failure.visitor_unknown")
        expect(page.locator("#refusal")).to_contain_text(sentence)
        page.fill(PROMPT, "a boat at night")
        page.click("#generate")
        link = page.locator("#refusal a")
        expect(link).to_have_attribute("href", "?prompt=a%20boat%20at%20night")
        expect(link).to_have_attribute("target", "_blank")
        page.reload()
        filled(page)
        expect(page.locator(PROMPT)).to_have_value("a boat at night")  # the storage is refused with the cookies
        page.get_by_role("tab", name=WORDS.say("tab.batch")).click()
        page.fill("#batch-lines textarea", "one\ntwo")
        page.click("#batch-start:not(:disabled)")
        expect(page.locator("#batch-refusal")).to_contain_text(sentence)
        assert context.cookies() == []
    finally:
        context.close()
    assert paid(quick_service) == before


@pytest.mark.parametrize("lost", ["guard.session", "guard.page_changed"])
def test_lost_cookie_or_changed_page_is_reported_and_reload_repairs_it(
    shared_page: Page, quick_service: SimulatorServer, lost: str
) -> None:
    """Clicks are refused with one sentence and a Reload button, and no toast; after the reload the text is still there and can
    be sent."""
    before = paid(quick_service)
    shared_page.fill(PROMPT, f"typed before {lost}")
    if lost == "guard.session":
        shared_page.context.clear_cookies()
    else:  # as the scripts of a page say that has the functions in another order
        shared_page.evaluate("gradio_config.dependencies.forEach((one) => (one.api_name = `${one.api_name}_of_old`))")
    notice = shared_page.locator("#connection-notice")
    for _ in range(2):  # by the second answer, a toast of the first one would be there
        with shared_page.expect_response("**/queue/join*") as refused:
            shared_page.click("#generate")
        assert not refused.value.ok
        expect(notice).to_contain_text(WORDS.say(lost))
    assert toasts(shared_page) == []
    assert paid(quick_service) == before
    with shared_page.expect_navigation():
        notice.get_by_role("button").click()
    filled(shared_page)
    expect(shared_page.locator(PROMPT)).to_have_value(f"typed before {lost}")
    with new_job(shared_page, "succeeded"):
        shared_page.click("#generate")


def test_frozen_tab_shows_the_video_when_it_wakes(shared_page: Page, quick_service: SimulatorServer) -> None:
    """A video that became ready while the browser had frozen the tab is shown when the tab wakes, without a reload."""
    page = shared_page
    loads: list[str] = []
    page.on("framenavigated", lambda frame: loads.append(frame.url))
    tools = page.context.new_cdp_session(page)
    with status_fixed(quick_service, "in_progress"):
        generate(page, "in_progress", "made while nobody looks")
        tools.send("Page.setWebLifecycleState", {"state": "frozen"})
    wait_for(lambda: quick_service.control("ledger", KEY)["requests"][-1]["state"] == "succeeded")
    tools.send("Page.setWebLifecycleState", {"state": "active"})
    stage(page, "succeeded")
    page.wait_for_function(PLAYS)
    assert loads == []


def test_draft_survives_reloads_until_it_is_sent(quick_page: Page) -> None:
    """Prompt, settings and batch lines survive a reload, a change of language, back and forward. Each tab has its own draft. A
    link's settings replace the draft's. A job that ended while the page was closed is shown on the stage once."""
    page = quick_page
    address = page.url

    def is_there(prompt: str, seed: str) -> None:
        filled(page)
        expect(page.locator(PROMPT)).to_have_value(prompt)
        expect(page.locator("#field-seed input")).to_have_value(seed)

    page.fill(PROMPT, "a draft")
    page.fill("#field-seed input", "77")
    page.locator("#field-frames label").nth(1).click()
    page.get_by_role("tab", name=WORDS.say("tab.batch")).click()
    page.fill("#batch-lines textarea", "one\ntwo")
    expect(page.locator("#batch-start")).to_have_text(WORDS.say("batch.start", count=2))
    page.add_init_script(BATCH_AT_ONCE)
    with page.expect_navigation():
        page.click("[data-language=de]")
    expect(page.locator("#batch-lines textarea")).to_have_value("one\ntwo")
    expect(page.locator("#batch-start")).to_have_text(Words("de").say("batch.start", count=2))
    page.locator("#tabs [role=tab]").first.click()
    is_there("a draft", "77")
    expect(page.locator("#field-frames input").nth(1)).to_be_checked()
    assert "one" in page.evaluate("sessionStorage.getItem('dreamina_draft_batch')")
    page.goto("about:blank")
    page.go_back()
    is_there("a draft", "77")
    page.goto(f"{address}?prompt=of+a+link")
    is_there("of a link", "77")
    page.fill(PROMPT, "of a link, changed")
    page.wait_for_function("sessionStorage.getItem('dreamina_draft_form').includes('of a link, changed')")
    page.reload()
    is_there("of a link, changed", "77")
    other = page.context.new_page()
    other.goto(address)
    filled(other)
    expect(other.locator(PROMPT)).not_to_have_value("of a link, changed")
    page.click("#generate")
    page.wait_for_selector("#status .status[data-job]")
    page.wait_for_function("!sessionStorage.getItem('dreamina_draft_form')")
    job = page.locator("#status .status").get_attribute("data-job")
    page.goto("about:blank")
    other.wait_for_timeout(100)
    other.reload()
    stage(other, "succeeded")  # the other tab picks it up, running or ended
    expect(other.locator("#status .status")).to_have_attribute("data-job", str(job))
    other.reload()
    filled(other)
    expect(other.locator("#status .status")).to_have_count(0)
    other.close()
