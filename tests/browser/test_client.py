"""The page's scripts, one for each behaviour, on the page's own markup without a server."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, ViewportSize, expect

from dreamina_ui.jobs import State
from dreamina_ui.ui.html.batch import states_json
from dreamina_ui.ui.html.collections import among_html
from tests.browser.still_page import (
    ADDRESS,
    COLLECTION,
    JOBS,
    WORDS,
    draw_chain,
    draw_history,
    draw_jobs,
    draw_status,
    in_state,
    open_still_page,
    start,
)
from tests.rig import make_clip

VIEWPORT: ViewportSize = {"width": 1366, "height": 900}
VIDEOS = "[...document.querySelectorAll('dialog.compare video')]"
IN_STEP = (
    f"(frames) => {{ const times = {VIDEOS}.map((video) => video.currentTime);"
    " return Math.max(...times) - Math.min(...times) <= frames / 24 }"
)
STILL = f"{VIDEOS}.every((video) => video.paused && !video.seeking && video.readyState >= 2)"
# Doubles of the speaker and of the notifications: what was played is told by its pitches.
SILENT = """
window.pitches = [];
window.shown = [];
window.AudioContext = class { currentTime = 0; state = 'running' };
window.OscillatorNode = class {
  constructor(_, { frequency }) { pitches.push(frequency) }
  connect(to) { return to }
  start() {}
  stop() {}
};
window.GainNode = class {
  gain = new Proxy({}, { get: () => () => {} });
  connect(to) { return to }
};
window.Notification = class {
  static permission = 'default';
  static async requestPermission() { return (this.permission = 'granted') }
  constructor(title, { body }) { shown.push([title, body]) }
};
"""
DRAG = """([kind, name, type]) => {
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File(["x"], name, { type }));
  const options = { dataTransfer, bubbles: true, cancelable: true };
  document.querySelector(".compose").dispatchEvent(new DragEvent(kind, options));
}"""
# How many of some nodes are shown, but too small to hit or cut off at the side.
UNFIT = """(nodes) => nodes.map((node) => node.getBoundingClientRect())
  .filter(({ width, height, left, right }) => width && (width < 24 || height < 24 || left < 0 || right > innerWidth)).length"""


STORAGE_REFUSED = (
    "window.storage = localStorage;"
    "Object.defineProperty(window, 'localStorage', { get() { throw new Error('refused') } })"
)
FORGET = "(window.storage ?? localStorage).clear()"
# Writes down each timer that a script starts.
TIMERS = """() => {
  window.timers = [];
  for (const name of ["setTimeout", "setInterval", "requestAnimationFrame"]) {
    const real = window[name];
    window[name] = (...values) => { timers.push(name); return real(...values) };
  }
}"""


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("clips")
    lengths = {"SHARE1": 48, "SHARE2": 72, "SHARE3": 48, "SHARE6": 48}
    return {name: make_clip(folder / f"{name}.mp4", frames).read_bytes() for name, frames in lengths.items()}


def opened(context: BrowserContext, clips: dict[str, bytes], problems: list[str]) -> Page:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.add_init_script(SILENT)
    open_still_page(page, clips)
    return page


@pytest.fixture(scope="module")
def tab(browser: Browser, clips: dict[str, bytes]) -> Iterator[tuple[Page, list[str]]]:
    """One tab for this file, because a new one costs more than most tests."""
    context = browser.new_context(viewport=VIEWPORT)
    problems: list[str] = []
    yield opened(context, clips, problems), problems
    context.close()


@pytest.fixture
def client(tab: tuple[Page, list[str]]) -> Iterator[Page]:
    """The still page, opened anew without what an earlier test has stored; a script's error fails the test."""
    page, problems = tab
    page.evaluate(FORGET)
    page.goto("about:blank")  # the browser would send a request that is under way, when its route goes, to the network
    page.unroute_all()
    page.context.clear_cookies()
    if page.viewport_size != VIEWPORT:
        page.set_viewport_size(VIEWPORT)
    page.emulate_media(reduced_motion="no-preference")
    page.mouse.move(0, 0)
    start(page)
    problems.clear()
    yield page
    assert problems == []


@pytest.fixture
def timed(browser: Browser, clips: dict[str, bytes]) -> Iterator[Page]:
    """As `client`, in a context of its own, for a test with a fake clock: Playwright cannot take it away again."""
    context = browser.new_context(viewport=VIEWPORT)
    problems: list[str] = []
    yield opened(context, clips, problems)
    context.close()
    assert problems == []


def pick(page: Page, *jobs: str) -> None:
    for job in jobs:
        page.check(f"[data-job={job}] [data-pick]")


def picked(page: Page) -> list[str]:
    return list(
        page.evaluate(
            "[...document.querySelectorAll('[data-pick]:checked')].map((box) => box.closest('li').dataset.job)"
        )
    )


def focused_job(page: Page) -> Any:
    return page.evaluate("document.activeElement.closest('[data-job]')?.dataset.job")


def more(page: Page) -> None:
    """Open the menu of the bar."""
    page.click("[data-more]")
    expect(page.locator(".picked-menu")).to_be_visible()


def compared(page: Page, *jobs: str) -> Page:
    pick(page, *jobs)
    page.click("[data-do=compare]")
    page.wait_for_function(f"{VIDEOS}.length === {len(jobs)} && {VIDEOS}.every((video) => video.readyState >= 3)")
    return page


def paused(page: Page) -> None:
    page.get_by_role("button", name="Pause").click()
    page.wait_for_function(STILL)


def test_a_poster_opens_its_video(client: Page) -> None:
    """A click tells the server which video to show, and brings the stage into view."""
    client.evaluate("document.querySelector('.posters').style.marginTop = '3000px'")
    client.click("[data-job=job2] [data-open]")
    assert client.evaluate("events") == [["history", "select", {"job_id": "job2"}]]
    expect(client.locator(".stage")).to_be_in_viewport()


def test_selection_survives_a_redrawn_list(client: Page) -> None:
    """A new poster at the front moves all others to other nodes; the selected ones stay selected, and no other one is."""
    pick(client, "job2", "job3")
    draw_history(client, "job6", "job1", "job2", "job3", "job4")
    expect(client.locator("[data-job=job2] [data-pick]")).to_be_checked()
    assert picked(client) == ["job2", "job3"]
    expect(client.locator(".picked-count")).to_have_text("2 selected")
    draw_history(client, "job1")
    expect(client.locator(".picked-count")).to_have_text("2 selected")
    assert picked(client) == []
    draw_history(client, "job1", "job2")
    assert picked(client) == ["job2"]


def test_selection_bar_offers_possible_actions(client: Page) -> None:
    """Compare needs two to four videos, the zip at least one; a running job cannot be selected."""
    bar, compare, zipped = (client.locator(name) for name in (".picked-bar", "[data-do=compare]", "[data-do=zip]"))
    expect(bar).to_be_hidden()
    expect(client.locator("[data-job=job5] [data-pick]")).to_have_count(0)
    pick(client, "job4")
    expect(bar).to_be_visible()
    expect(zipped).to_be_disabled()
    expect(client.locator(".picked-count")).to_have_text(f"1 selected {WORDS.say('compare.pick')}")
    pick(client, "job1")
    expect(zipped).to_be_enabled()
    expect(compare).to_be_disabled()
    client.uncheck("[data-job=job4] [data-pick]")
    pick(client, "job2")
    expect(compare).to_be_enabled()
    expect(client.locator(".picked-count")).to_have_text("2 selected")
    pick(client, "job3", "job6")
    expect(compare).to_be_enabled()
    pick(client, "job4")
    expect(compare).to_be_disabled()
    expect(client.locator(".picked-count")).to_have_text(f"5 selected {WORDS.say('compare.pick')}")
    client.uncheck("[data-job=job4] [data-pick]")
    seventh = replace(JOBS["job1"], job_id="job7", share_id="SHARE7")
    draw_jobs(client, [seventh, *JOBS.values()])
    pick(client, "job7")
    expect(compare).to_be_disabled()
    client.click("[data-do=unpick]")
    expect(bar).to_be_hidden()
    assert picked(client) == []


def test_shift_click_selects_a_range(client: Page) -> None:
    """With shift, a click selects from the last one to this one, and leaves out what cannot be selected."""
    pick(client, "job2")
    client.click("[data-job=job6] [data-pick]", modifiers=["Shift"])
    assert picked(client) == ["job2", "job3", "job4", "job6"]


def test_zip_address_has_the_share_ids(client: Page) -> None:
    """The zip's address names the share ids of what has a video; the page stays."""
    pick(client, "job1", "job4", "job3")
    with client.expect_download() as zipped:
        client.click("[data-do=zip]")
    assert zipped.value.url == ADDRESS + "dreamina/zip?video=SHARE1&video=SHARE3"
    expect(client.locator(".picked-count")).to_contain_text("3 selected")


def test_join_names_the_videos_in_the_order_of_selection(client: Page) -> None:
    """Only videos can be joined; what the server says of it stands in the bar until the selection changes."""
    join, count = client.locator("[data-do=join]"), client.locator(".picked-count")
    answers = [{"error": "Number 2 is no video."}, {"said": "MP4, 1 MB. Joined."}]
    asked: list[str] = []

    def answer(route: Route) -> None:
        asked.append(route.request.url.removeprefix(ADDRESS))
        route.fulfill(json=answers.pop(0))

    client.context.route("**/dreamina/join?*tell=1", answer)
    pick(client, "job3")
    expect(join).to_be_hidden()
    expect(join).to_be_disabled()
    pick(client, "job4")
    expect(join).to_be_disabled()
    client.uncheck("[data-job=job4] [data-pick]")
    pick(client, "job1")
    expect(join).to_have_attribute("title", "")
    more(client)
    join.click()
    expect(count).to_have_text("2 selected Number 2 is no video.")
    more(client)
    with client.expect_download() as download:
        join.click()
    expect(count).to_have_text("2 selected MP4, 1 MB. Joined.")
    assert asked == ["dreamina/join?job=SHARE3&job=SHARE1&tell=1"] * 2
    assert download.value.url == f"{ADDRESS}dreamina/join?job=SHARE3&job=SHARE1"
    pick(client, "job2")
    expect(count).not_to_contain_text("Joined")


def test_the_menu_of_rarer_actions(client: Page) -> None:
    """By keyboard: it opens and closes by its button, stays over a redrawn list, and gives the focus back at Escape, which cancels
    no job; a click or a focus elsewhere closes it."""
    pick(client, "job1", "job2")
    button, vote = client.locator("[data-more]"), client.locator("[data-do=vote]")
    button.focus()
    client.keyboard.press("Enter")
    expect(button).to_have_attribute("aria-expanded", "true")
    client.keyboard.press("Tab")
    expect(vote).to_be_focused()
    draw_history(client, "job1", "job2", "job3", "job6")
    expect(vote).to_be_focused()
    client.keyboard.press("Escape")
    expect(vote).to_be_hidden()
    expect(button).to_be_focused()
    expect(button).to_have_attribute("aria-expanded", "false")
    assert client.evaluate("pressed") == []
    more(client)
    client.keyboard.press("Shift+Tab")
    expect(vote).to_be_hidden()
    for elsewhere in (".picked-count", "[data-more]"):
        more(client)
        client.click(elsewhere)
        expect(vote).to_be_hidden()
    more(client)
    client.click("[data-do=unpick]")
    pick(client, "job1")
    expect(vote).to_be_hidden()


def test_delete_can_be_undone(client: Page) -> None:
    """Delete tells the server and offers an undo, which survives the redrawn list and has the focus."""
    pick(client, "job1", "job4")
    client.click("[data-do=delete]")
    draw_history(client, "job2", "job3", "job5", "job6")
    expect(client.locator(".undo-bar span")).to_have_text("2 deleted")
    expect(client.locator("[data-do=undo]")).to_be_focused()
    expect(client.locator(".picked-bar")).to_be_hidden()
    client.keyboard.press("Enter")
    jobs = {"job_ids": ["job1", "job4"]}
    assert client.evaluate("events") == [["history", "delete", jobs], ["history", "undo", jobs]]
    expect(client.locator(".undo-bar")).to_be_hidden()
    assert focused_job(client) == "job2"


def test_one_undo_restores_two_deletes(client: Page) -> None:
    """Two deletes in a row, one of them from the stage, are undone together."""
    pick(client, "job2")
    client.click("[data-do=delete]")
    client.evaluate("dreamina.deleting('job1')")
    expect(client.locator(".undo-bar span")).to_have_text("2 deleted")
    client.click("[data-do=undo]")
    assert client.evaluate("events.at(-1)") == ["history", "undo", {"job_ids": ["job2", "job1"]}]


def test_delete_on_the_stage_can_be_undone(client: Page) -> None:
    """The stage's Delete passes its job on before it is sent; without a job no undo is offered."""
    assert client.evaluate("dreamina.deleting('')") == ""
    expect(client.locator(".undo-bar")).to_be_hidden()
    assert client.evaluate("dreamina.deleting('job3')") == "job3"
    client.click("[data-do=undo]")
    assert client.evaluate("events") == [["history", "undo", {"job_ids": ["job3"]}]]


def test_undo_disappears_after_twelve_seconds_unless_hovered(timed: Page) -> None:
    """The time does not run while the pointer is over the bar."""
    timed.clock.install()
    pick(timed, "job1")
    timed.click("[data-do=delete]")
    bar = timed.locator(".undo-bar")
    bar.hover()
    timed.clock.run_for(20_000)
    expect(bar).to_be_visible()
    timed.mouse.move(5, 5)
    timed.clock.run_for(11_000)
    expect(bar).to_be_visible()
    timed.clock.run_for(1_500)
    expect(bar).to_be_hidden()


def test_compare_plays_in_sync(client: Page) -> None:
    """Two videos start together, and are still in sync after they start again."""
    compared(client, "job1", "job6")
    for place in ("> 1", "< 0.7"):
        client.wait_for_function(f"{VIDEOS}.every((video) => !video.paused && video.currentTime {place})")
        assert client.evaluate(IN_STEP, 1)


def test_compare_resynchronises_a_late_video(client: Page) -> None:
    """A video that is late is moved to the other's position while both play."""
    compared(client, "job1", "job6")
    client.wait_for_function(f"{VIDEOS}.every((video) => !video.paused && video.currentTime > 0.2)")
    client.evaluate(f"{VIDEOS}[1].currentTime = 1.5")
    client.wait_for_function(IN_STEP, arg=1)
    client.wait_for_function(f"{VIDEOS}.every((video) => !video.paused && !video.seeking)")
    assert client.evaluate(IN_STEP, 1)


def test_compare_seeks_and_steps_both(client: Page) -> None:
    """The slider, its arrow keys, comma and full stop move both videos, and the time is shown."""
    paused(compared(client, "job1", "job6"))
    position = client.get_by_role("slider", name="Position")
    position.fill("1.25")
    position.dispatch_event("change")
    client.wait_for_function(f"{VIDEOS}.every((video) => Math.abs(video.currentTime - 1.25) < 0.001)")
    expect(position).to_have_attribute("aria-valuetext", "1.25 / 2.0 s")
    for key, frame in ((".", 31), (".", 32), (",", 31), ("ArrowRight", 32), ("PageDown", 8)):
        client.keyboard.press(key)
        client.wait_for_function(f"{VIDEOS}.every((video) => Math.floor(video.currentTime * 24) === {frame})")
    client.wait_for_function(STILL)


def test_space_plays_and_pauses(client: Page) -> None:
    """The space bar toggles once, on the button that has the focus at first and on the slider."""
    compared(client, "job1", "job6")
    expect(client.get_by_role("button", name="Pause")).to_be_focused()
    client.keyboard.press("Space")
    client.wait_for_function(STILL)
    client.get_by_role("slider", name="Position").focus()
    client.keyboard.press("Space")
    expect(client.get_by_role("button", name="Pause")).to_be_visible()
    client.wait_for_function(f"{VIDEOS}.every((video) => !video.paused)")


def test_the_shorter_video_waits_for_the_longer_one(client: Page) -> None:
    """It stays at its end until the longer one starts again; then both do."""
    compared(client, "job1", "job2")
    client.wait_for_function(f"{VIDEOS}[0].ended && {VIDEOS}[1].currentTime > 2.5")
    client.wait_for_function(
        f"{VIDEOS}.every((video) => !video.paused && video.currentTime > 0.3 && video.currentTime < 1.5)"
    )
    assert client.evaluate(IN_STEP, 1)


def test_reduced_motion_disables_autoplay(client: Page) -> None:
    """Nothing plays by itself under prefers-reduced-motion."""
    client.emulate_media(reduced_motion="reduce")
    compared(client, "job1", "job6")
    expect(client.get_by_role("button", name="Play")).to_be_focused()
    client.wait_for_function(STILL)


def test_compare_marks_differences(client: Page) -> None:
    """What differs comes first, marked visibly and for screen readers; prompts are only text; a missing fact is a dash."""
    compared(client, "job1", "job2")
    dialog = client.get_by_role("dialog", name=WORDS.say("compare.title", count=2))
    rows = dialog.get_by_role("row")
    expect(rows).to_have_text(
        [
            "SettingAB",
            "Prompt (differs)a lighthousea harbour <b>at night</b>",
            "Seed (differs)78",
            "Length (differs)–5 s",
            "Aspect ratio16:9 · 1920×108816:9 · 1920×1088",
        ]
    )
    expect(dialog.locator("tr.differs")).to_have_count(3)
    expect(dialog.get_by_role("columnheader")).to_have_text(["Setting", "A", "B"])


def test_four_videos_are_compared_in_sync(client: Page) -> None:
    """They play together and are moved by the keyboard alone; on a phone they stand one above the other, and the table is still
    one: each value with the letter of its video."""
    pick(client, "job1", "job2", "job3", "job6")
    client.focus("[data-do=compare]")
    client.keyboard.press("Enter")
    client.wait_for_function(
        f"{VIDEOS}.length === 4 && {VIDEOS}.every((video) => !video.paused && video.currentTime > 0.3)"
    )
    assert client.evaluate(IN_STEP, 1)
    client.keyboard.press("Space")
    client.wait_for_function(STILL)
    client.keyboard.press(",")
    client.wait_for_function(f"{VIDEOS}.every((video) => video.paused && !video.seeking)")
    assert client.evaluate(IN_STEP, 0.01)
    dialog = client.get_by_role("dialog", name=WORDS.say("compare.title", count=4))
    expect(dialog.get_by_role("columnheader")).to_have_text(["Setting", "A", "B", "C", "D"])
    expect(dialog.locator("tr.differs").first).to_contain_text("a lighthousea harbour <b>at night</b>a fox in the snow")
    lefts = f"new Set({VIDEOS}.map((video) => Math.round(video.getBoundingClientRect().left))).size"
    assert client.evaluate(lefts) == 2
    client.set_viewport_size({"width": 360, "height": 740})
    assert client.evaluate(lefts) == 1
    expect(dialog.get_by_role("row")).to_have_count(4)  # the head is not shown
    letters = "cells => cells.map((cell) => getComputedStyle(cell, '::before').content)"
    assert dialog.locator("tr.differs").first.get_by_role("cell").evaluate_all(letters) == ['"A"', '"B"', '"C"', '"D"']
    assert dialog.evaluate("node => node.scrollWidth <= node.clientWidth")


IN_FRONT = "document.querySelector('.chain-player video.shown')"
# Writes down which video is seen at each frame of the screen, whether it has a picture, and what is said of it; and at the end
# of each, whether the next one is loaded.
WATCH = """() => {
  window.seen = [];
  window.loaded = [];
  const name = (video) => video.src.split("/").at(-1);
  const look = () => {
    const shown = [...document.querySelectorAll(".chain-player video.shown")];
    const said = document.querySelector(".chain-part")?.textContent;
    const line = shown.map((video) => `${name(video)} ${video.readyState >= 2} ${said}`).join(", ");
    if (line && seen.at(-1) !== line) seen.push(line);
    requestAnimationFrame(look);
  };
  look();
  document.addEventListener("ended", () => {
    const other = document.querySelector(".chain-player video:not(.shown)");
    loaded.push(`${name(other)} ${other.readyState >= 2}`);
  }, true);
}"""


def test_a_chain_plays_as_one(client: Page) -> None:
    """One video after the other without an empty frame, the next one loaded while one plays; the time is that of all."""
    draw_chain(client, "job1", "job6", "job2", on_stage="job6")
    client.evaluate(WATCH)
    client.get_by_role("button", name=WORDS.say("chain.play")).click()
    expect(client.locator("#player")).to_be_hidden()
    client.wait_for_function(f"{IN_FRONT}?.src.endsWith('SHARE2.mp4') && {IN_FRONT}.ended")
    player = client.get_by_role("group", name=WORDS.say("chain.play"))
    expect(player.get_by_role("button", name="Play", exact=True)).to_be_focused()
    expect(player.get_by_role("slider")).to_have_attribute("max", re.compile(r"^7(\.0\d*)?$"))
    expect(player.get_by_role("slider")).to_have_attribute("aria-valuetext", "7.00 / 7.0 s")
    shown = client.evaluate("seen")
    assert [line for line in shown if "false" in line or "," in line] == []
    assert list(dict.fromkeys(line.split()[0] for line in shown)) == ["SHARE1.mp4", "SHARE6.mp4", "SHARE2.mp4"]
    assert {"SHARE1.mp4 true Part 1 of 3", "SHARE6.mp4 true Part 2 of 3", "SHARE2.mp4 true Part 3 of 3"} <= set(shown)
    assert client.evaluate("loaded")[:2] == ["SHARE6.mp4 true", "SHARE2.mp4 true"]
    client.keyboard.press("Space")  # from the beginning again
    client.wait_for_function("seen.at(-1).startsWith('SHARE1.mp4')")


def test_a_chain_is_moved_by_the_keyboard(client: Page) -> None:
    """The slider goes into another part, the space bar plays, Escape gives the player back; so does another video on the stage."""
    draw_chain(client, "job1", "job6", "job2", on_stage="job6")
    client.evaluate("document.querySelector('[data-chain]').click(); document.querySelector('.playback-play').click()")
    player = client.get_by_role("group", name=WORDS.say("chain.play"))
    client.wait_for_function(f"{IN_FRONT}?.src.endsWith('SHARE1.mp4') && {IN_FRONT}.paused")
    slider = player.get_by_role("slider")
    expect(slider).to_have_attribute(
        "max", re.compile(r"^9\.04")
    )  # 2 + 2 + 5 as the job says, until its file is loaded
    slider.fill("4.5")
    client.wait_for_function(f"{IN_FRONT}.src.endsWith('SHARE2.mp4') && Math.abs({IN_FRONT}.currentTime - 0.5) < 0.01")
    expect(slider).to_have_attribute("aria-valuetext", "4.50 / 7.0 s")
    slider.fill("3.5")
    client.wait_for_function(f"{IN_FRONT}.src.endsWith('SHARE6.mp4') && Math.abs({IN_FRONT}.currentTime - 1.5) < 0.01")
    assert client.evaluate(f"{IN_FRONT}.paused")
    slider.focus()
    client.keyboard.press("Space")
    client.wait_for_function(f"{IN_FRONT}.src.endsWith('SHARE2.mp4')")
    client.keyboard.press("Escape")
    expect(player).to_have_count(0)
    expect(client.locator("#player")).to_be_visible()
    expect(client.locator("[data-chain]")).to_be_focused()
    assert client.evaluate("pressed") == []
    client.keyboard.press("Enter")
    expect(player).to_be_visible()
    draw_chain(client, "job1", "job6", "job2", on_stage="job2")
    expect(player).to_have_count(0)


def test_a_chain_plays_on_when_its_place_is_only_looked_for(client: Page) -> None:
    """The space bar just after the slider, while the video seeks: of that, no event of loading tells the end."""
    draw_chain(client, "job1", "job6", on_stage="job1")
    client.evaluate("document.querySelector('[data-chain]').click()")
    client.evaluate("document.querySelector('.playback-play').click()")
    client.wait_for_function(
        f"{IN_FRONT}?.src.endsWith('SHARE1.mp4') && {IN_FRONT}.paused && {IN_FRONT}.readyState >= 2"
    )
    state = client.evaluate(
        """async ([front, play]) => {
          const slider = document.querySelector(".chain-player input[type=range]");
          slider.value = "1.2";
          slider.dispatchEvent(new Event("input", { bubbles: true }));
          while (!eval(front).seeking) await null;
          document.querySelector(play).click();
          return eval(front).readyState;
        }""",
        [IN_FRONT, ".playback-play"],
    )
    assert state < 2
    client.wait_for_function(f"{IN_FRONT}.src.endsWith('SHARE6.mp4') && {IN_FRONT}.ended")


def test_a_part_that_cannot_be_played_is_left_out(client: Page) -> None:
    """It is said in one sentence, and the next one plays."""
    client.route("**/SHARE6.mp4", lambda route: route.fulfill(status=404))
    draw_chain(client, "job1", "job6", "job2", on_stage="job6")
    client.get_by_role("button", name=WORDS.say("chain.play")).click()
    player = client.get_by_role("group", name=WORDS.say("chain.play"))
    client.wait_for_function(f"{IN_FRONT}?.src.endsWith('SHARE2.mp4') && {IN_FRONT}.currentTime > 0.1")
    expect(player.get_by_role("status")).to_have_text(WORDS.say("chain.skipped", number=2))
    expect(player.get_by_role("slider")).to_have_attribute("max", re.compile(r"^5(\.0\d*)?$"))


def test_a_frame_is_taken_where_the_player_is_paused(client: Page) -> None:
    """In the middle alone: a video that plays, or stands at its beginning or end, is continued from its end."""
    place = "dreamina.pausedAt('job1', '', 'model')"
    assert client.evaluate(place) == ["job1", "", "model"]
    client.evaluate("document.querySelector('#player video').src = 'SHARE1.mp4'")
    player = client.locator("#player video").element_handle()
    client.wait_for_function("video => video.readyState >= 2", arg=player)
    for at, told in ((0.75, "0.75"), (0, ""), (2, ""), (1.25, "1.25")):
        client.evaluate("([video, at]) => { video.currentTime = at }", [player, at])
        client.wait_for_function("video => !video.seeking", arg=player)
        assert client.evaluate(place) == ["job1", told, "model"]
    client.evaluate("video => { video.muted = true; return video.play() }", player)
    assert client.evaluate(place) == ["job1", "", "model"]


def test_compare_closes_and_restores_the_focus(client: Page) -> None:
    """Escape, the button and a click outside close it, also after the list was redrawn; no job is cancelled."""
    ways: Sequence[Callable[[], None]] = (
        lambda: client.keyboard.press("Escape"),
        lambda: client.get_by_role("button", name="Close").click(),
        lambda: client.mouse.click(4, 4),
    )
    for close in ways:
        compared(client, "job1", "job6")
        draw_history(client, "job2", "job1", "job6")
        close()
        expect(client.locator("dialog.compare")).to_have_count(0)
        expect(client.locator("[data-do=compare]")).to_be_focused()
    assert client.evaluate("pressed") == []


def test_arrow_keys_move_through_the_history(client: Page) -> None:
    """One poster is in the tab order; arrows, Home and End reach the others; Enter opens."""
    client.focus("[data-job=job1] [data-open]")
    columns = client.evaluate(
        "getComputedStyle(document.querySelector('.posters')).gridTemplateColumns.split(' ').length"
    )
    assert 2 <= columns < 6
    steps = [("ArrowRight", 2), ("End", 6), ("ArrowLeft", 5), ("Home", 1), ("ArrowLeft", 1), ("ArrowDown", 1 + columns)]
    for key, place in [*steps, ("ArrowUp", 1)]:
        client.keyboard.press(key)
        assert focused_job(client) == f"job{place}"
        assert client.locator(".posters [data-open][tabindex='0'], .posters [data-open]:not([tabindex])").count() == 1
    client.keyboard.press("ArrowRight")
    assert client.locator("[data-job=job2]").evaluate("poster => getComputedStyle(poster).outlineStyle") == "solid"
    client.keyboard.press("Enter")
    assert client.evaluate("events") == [["history", "select", {"job_id": "job2"}]]
    client.keyboard.press("Tab")
    client.keyboard.press("ArrowRight")
    expect(client.locator("[data-job=job3] [data-pick]")).to_be_focused()
    client.keyboard.press("Space")
    assert picked(client) == ["job3"]


def test_the_focus_follows_its_job(client: Page) -> None:
    """When a new poster is added in front, the focus stays on its video; when that one is removed, on its place."""
    client.focus("[data-job=job3] [data-open]")
    draw_history(client, "job6", "job1", "job2", "job3")
    assert focused_job(client) == "job3"
    draw_history(client, "job6", "job1", "job2")
    assert focused_job(client) == "job2"


def test_single_keys(client: Page) -> None:
    """Slash focuses the search, question mark opens the list of keys, Escape cancels a job that can be cancelled."""
    client.keyboard.press("/")
    expect(client.get_by_label("Search")).to_be_focused()
    expect(client.get_by_label("Search")).to_have_value("old")
    client.locator("body").click(position={"x": 3, "y": 3})
    client.keyboard.press("?")
    sheet = client.get_by_role("dialog", name=WORDS.say("keys.title"))
    expect(sheet).to_be_visible()
    client.keyboard.press("Escape")
    expect(sheet).to_be_hidden()
    assert client.evaluate("pressed") == []
    client.click("[data-keys]")
    client.keyboard.press("/")
    client.click("#keys-sheet [data-close]")
    expect(sheet).to_be_hidden()
    expect(client.locator("[data-keys]")).to_be_focused()
    client.keyboard.press("Escape")
    assert client.evaluate("pressed") == ["cancel"]
    client.evaluate("document.getElementById('cancel').style.display = 'none'")
    client.keyboard.press("Escape")
    assert client.evaluate("pressed") == ["cancel"]


FIELDS = [("#field-prompt textarea", ["cancel"]), ("#history-search input", []), ("select[aria-label=Filter]", [])]


def test_no_single_keys_in_a_field(client: Page) -> None:
    """In a field, keys only type; Ctrl+Enter and ⌘+Enter act once, and Escape acts in the prompt."""
    for field, escaped in FIELDS:
        client.evaluate("pressed.length = 0")
        client.focus(field)
        for key in ("/", "?", "Escape"):
            client.keyboard.press(key)
        expect(client.locator(field)).to_be_focused()
        expect(client.locator("#keys-sheet")).to_be_hidden()
        assert client.evaluate("pressed") == escaped
        client.keyboard.press("Control+Enter")
        client.keyboard.press("Meta+Enter")
        assert client.evaluate("pressed") == [*escaped, "generate", "generate"]


def test_no_single_keys_with_a_modifier(client: Page) -> None:
    """Shortcuts of the browser and the system are not taken over."""
    for key in ("Control+/", "Alt+/", "Meta+/", "Alt+Escape"):
        client.keyboard.press(key)
    expect(client.get_by_label("Search")).not_to_be_focused()
    assert client.evaluate("pressed") == []


def hide(page: Page, hidden: bool) -> None:
    value = str(hidden).lower()
    page.evaluate(
        f"Object.defineProperty(document, 'hidden', {{ get: () => {value}, configurable: true }});"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )


def stopped(page: Page) -> None:
    """From now on, only `run_for` moves the clock."""
    page.clock.install(time=0)
    page.clock.pause_at(1000)


RUNNING = JOBS["job5"]
ENDINGS = [(State.SUCCEEDED, "✓"), (State.FAILED, "✗"), (State.CANCELLED, "✗"), (State.UNCERTAIN, "✗")]


def test_title_shows_progress_and_outcome(timed: Page) -> None:
    """The title has the elapsed time, then the outcome, and is plain again after the page was visible for three seconds."""
    stopped(timed)
    for state, mark in ENDINGS:
        running = replace(RUNNING, job_id=f"job that ends as {state}")
        title = f"{mark} {WORDS.state_word(state)} · Dreamina UI"
        draw_status(timed, running, 42)
        expect(timed).to_have_title(f"● 0:42 {WORDS.state_line(running)} · Dreamina UI")
        timed.clock.run_for(1_100)
        expect(timed).to_have_title(f"● 0:43 {WORDS.state_line(running)} · Dreamina UI")
        hide(timed, True)
        draw_status(timed, in_state(running, state))
        expect(timed).to_have_title(title)
        timed.clock.run_for(60_000)
        expect(timed).to_have_title(title)
        hide(timed, False)
        timed.clock.run_for(2_000)
        expect(timed).to_have_title(title)
        timed.clock.run_for(1_500)
        expect(timed).to_have_title("Dreamina UI")


def test_opening_an_old_video_does_not_notify(client: Page) -> None:
    """A finished video that is only opened changes no title and makes no sound."""
    client.click("#notify")
    client.evaluate("pitches.length = 0")
    draw_status(client, JOBS["job1"])
    expect(client.locator("#status .clock")).to_have_text("0:20")
    expect(client).to_have_title("Dreamina UI")
    assert client.evaluate("pitches") == []


@pytest.mark.parametrize(("state", "mark"), ENDINGS)
def test_end_of_a_job_notifies_if_enabled(client: Page, state: State, mark: str) -> None:
    """The choice is kept over a reload; the end of a job sounds, and shows a notification while the tab is hidden."""
    client.click("#notify")
    expect(client.locator("#notify")).to_have_attribute("aria-pressed", "true")
    start(client)
    expect(client.locator("#notify")).to_have_attribute("aria-pressed", "true")
    client.evaluate("Notification.permission = 'granted'")
    draw_status(client, RUNNING)
    expect(client).to_have_title(re.compile("●"))
    hide(client, True)
    ended = in_state(RUNNING, state)
    draw_status(client, ended)
    client.wait_for_function("shown.length === 1")
    title, body = client.evaluate("shown[0]")
    assert title.startswith(mark)
    assert body == f"{WORDS.state_line(ended)}\na lighthouse"
    low, high = client.evaluate("pitches")
    assert (low < high) is (state is State.SUCCEEDED)


def test_end_of_a_job_does_not_notify_if_disabled(client: Page) -> None:
    """There is no sound and no notification unless it is turned on, and none after it is turned off."""
    client.click("#notify")
    client.click("#notify")
    client.evaluate("pitches.length = 0")
    draw_status(client, RUNNING)
    expect(client).to_have_title(re.compile("●"))
    hide(client, True)
    draw_status(client, in_state(RUNNING, State.SUCCEEDED))
    expect(client).to_have_title(re.compile("✓"))
    assert client.evaluate("[pitches, shown]") == [[], []]


def test_notify_works_without_browser_storage(client: Page) -> None:
    """A browser that refuses storage does not break the button."""
    client.evaluate(STORAGE_REFUSED)
    client.click("#notify")
    expect(client.locator("#notify")).to_have_attribute("aria-pressed", "true")
    client.click("#notify")
    expect(client.locator("#notify")).to_have_attribute("aria-pressed", "false")


PAN = ".chip[data-phrase='slow pan']"
WIDE = ".chip[data-phrase='wide angle']"


INSERTED = [
    ("", "slow pan"),
    ("a boat", "a boat, slow pan"),
    ("a boat,", "a boat, slow pan"),
    ("a boat.", "a boat. slow pan"),
    ("a slow pan of a boat", "a slow pan of a boat, slow pan"),
]


def test_a_chip_inserts_its_phrase(client: Page) -> None:
    """An input event reports it to Svelte; a second click removes it and its comma."""
    box = client.locator("#field-prompt textarea")
    client.evaluate("document.querySelector('.compose').addEventListener('input', () => heard++)")
    for before, after in INSERTED:
        client.evaluate("window.heard = 0")
        box.fill(before)
        client.evaluate("window.heard = 0")
        client.click(PAN)
        expect(box).to_have_value(after)
        expect(client.locator(PAN)).to_have_attribute("aria-pressed", "true")
        assert client.evaluate("heard") == 1
        client.click(PAN)
        expect(box).to_have_value(before.rstrip(","))
        expect(client.locator(PAN)).to_have_attribute("aria-pressed", "false")


TYPED = [
    ("slow pan, a boat", "a boat"),
    ("a boat, Slow Pan, dusk", "a boat, dusk"),
    ("A boat. slow pan, dusk", "A boat. dusk"),
    ("a boat,slow pan", "a boat"),
    ("a boat\nslow pan", "a boat\n"),
]


def test_a_chip_follows_what_is_typed(client: Page) -> None:
    """A typed phrase presses its chip, wherever it is a separate phrase; the chip removes only that."""
    box = client.locator("#field-prompt textarea")
    for text, left in TYPED:
        box.fill("")
        box.press_sequentially("a slow pan of a boat")
        expect(client.locator(PAN)).to_have_attribute("aria-pressed", "false")
        box.fill(text)
        expect(client.locator(PAN)).to_have_attribute("aria-pressed", "true")
        client.click(PAN)
        expect(box).to_have_value(left)


SHOWN = [
    ("", "slow pan"),
    ("A boat on the sea", "slow pan"),
    ("Ein Boot auf dem Meer", "langsamer Schwenk"),
    ("Frühling", "langsamer Schwenk"),
    ("Kyoto", "slow pan"),
    ("Die boat of the king, a river and the sea", "slow pan"),
    ("Ein Boot auf dem Meer, Slow pan", "slow pan"),
    ("A boat on the sea, langsamer Schwenk", "langsamer Schwenk"),
]


def test_chips_show_the_phrase_that_they_insert(client: Page) -> None:
    """They use the prompt's language, whatever the page's is; a phrase that is already there is shown as it is there."""
    box, chip = client.locator("#field-prompt textarea"), client.locator(".chip").first
    for prompt, phrase in SHOWN:
        box.fill(prompt)
        expect(chip).to_have_text(phrase)
        expect(chip).to_have_attribute("lang", "en" if phrase == "slow pan" else "de")
        is_held = chip.get_attribute("aria-pressed") == "true"
        chip.click()
        expect(box).to_have_value(
            prompt.rpartition(", ")[0] if is_held else f"{prompt}, {phrase}" if prompt else phrase
        )


def test_phrase_with_regex_characters_is_matched_literally(client: Page) -> None:
    """Characters with a meaning in regular expressions have none here."""
    box = client.locator("#field-prompt textarea")
    box.fill("a boat")
    client.locator(WIDE).evaluate("chip => (chip.dataset.phrases = JSON.stringify({ en: 'f/1.4 (wide-open)' }))")
    chip = client.locator(".chip[data-phrase^='f/1.4']")
    chip.click()
    expect(box).to_have_value("a boat, f/1.4 (wide-open)")
    chip.click()
    expect(box).to_have_value("a boat")


@pytest.mark.parametrize("has_clipboard", [True, False])
def test_copy_link(timed: Page, has_clipboard: bool) -> None:
    """The whole address goes to the clipboard, also where the clipboard's interface is missing; the button says so."""
    if not has_clipboard:
        timed.evaluate(
            "read = navigator.clipboard.readText.bind(navigator.clipboard);"
            "Object.defineProperty(navigator, 'clipboard', { value: undefined })"
        )
    else:
        timed.evaluate("read = navigator.clipboard.readText.bind(navigator.clipboard)")
    timed.clock.install()
    button = timed.locator("[data-copy^='?video']")
    button.click()
    expect(button).to_have_text("Copied")
    assert timed.evaluate("read()") == ADDRESS + "?video=SHARE1"
    timed.clock.run_for(100)
    expect(timed.locator("#said")).to_have_text("Copied")
    timed.clock.run_for(2_000)
    expect(button).to_have_text("Copy link")


def test_dropped_video_is_given_to_the_settings_field(client: Page) -> None:
    """Dragging covers the page; a dropped MP4 is given to the field that reads its settings."""
    client.evaluate(
        "window.taken = []; document.querySelector('input[type=file]')"
        ".addEventListener('change', (event) => taken.push(event.target.files[0].name))"
    )
    client.evaluate(DRAG, ["dragover", "a-lighthouse-7.mp4", "video/mp4"])
    expect(client.locator("#drop-cover")).to_have_text(WORDS.say("drop"))
    client.evaluate(DRAG, ["drop", "a-lighthouse-7.mp4", "video/mp4"])
    expect(client.locator("#drop-cover")).to_have_count(0)
    assert client.evaluate("taken") == ["a-lighthouse-7.mp4"]


def test_dropped_file_of_another_kind_is_refused(client: Page) -> None:
    """The browser would open the dropped file; instead the page stays and shows a message."""
    client.evaluate("addEventListener('drop', (event) => (window.wasKept = event.defaultPrevented))")
    client.evaluate(DRAG, ["drop", "notes.txt", "text/plain"])
    expect(client.locator("#drop-cover")).to_have_text(WORDS.say("drop.refused"))
    expect(client.locator("#said")).to_have_text(WORDS.say("drop.refused"))
    assert client.evaluate("wasKept")


def test_bars_and_dialog_fit(client: Page) -> None:
    """Nothing is cut off at the side, and no control is smaller than 24 pixels, from a phone to a projector."""
    client.emulate_media(reduced_motion="reduce")  # nothing needs to play
    pick(client, "job1", "job2", "job3", "job6")
    more(client)
    for width in (360, 1366, 3840):
        client.set_viewport_size({"width": width, "height": 800})
        assert client.locator(".picked-bar button, .chip, #notify, .poster-pick, [data-pick]").evaluate_all(UNFIT) == 0
    client.click("[data-do=compare]")
    dialog = client.locator("dialog.compare")
    for width in (3840, 1366, 360):
        client.set_viewport_size({"width": width, "height": 800})
        assert client.locator("dialog.compare, dialog.compare :is(button, input, video)").evaluate_all(UNFIT) == 0
        assert client.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert dialog.evaluate("node => node.scrollWidth <= node.clientWidth")


def test_clicks_on_variations_examples_and_rows_are_sent(client: Page) -> None:
    """Each is sent to the server as an event of its section."""
    client.click("[data-variation=job4]")
    client.click("[data-example=sea]")
    client.click("[data-job=row5] [data-open]")
    assert client.evaluate("events") == [
        ["variations", "select", {"job_id": "job4"}],
        ["examples", "select", {"name": "sea"}],
        ["batch", "select", {"job_id": "row5"}],
    ]


def test_batch_table_shows_new_states(client: Page) -> None:
    """The states bring the word, note, picture and download, also after the table was redrawn; then there is a zip."""
    row, zipped = client.locator("[data-job=row5]"), client.locator("#batch-zip")
    waiting = states_json([JOBS["job4"], RUNNING], WORDS)
    client.evaluate("text => dreamina.batchStates(text)", waiting)
    expect(row.locator(".batch-state")).to_have_text(WORDS.state_word(State.IN_PROGRESS))
    expect(client.locator("[data-job=row1] .batch-note")).to_have_text(WORDS.explain(JOBS["job4"]))
    expect(zipped).to_be_disabled()
    due = [replace(JOBS[name], poster_due=True) for name in ("job1", "job6")]
    client.evaluate("text => dreamina.batchStates(text)", states_json(due, WORDS))
    expect(row.locator("a")).to_have_attribute("href", "dreamina/video/ROW5")
    expect(row.locator("img")).to_have_count(0)
    client.evaluate("text => dreamina.batchStates(text)", states_json([JOBS["job1"], JOBS["job6"]], WORDS))
    expect(row.locator("img")).to_have_count(1)
    expect(zipped).to_be_enabled()
    client.evaluate("row => row.setAttribute('data-state', '')", row.element_handle())
    expect(row).to_have_attribute("data-state", "succeeded")
    expect(row.locator("a")).to_have_count(1)
    with client.expect_download() as download:
        client.evaluate("dreamina.batchZip()")
    assert download.value.url == ADDRESS + "dreamina/zip?video=ROW1&video=ROW5"


def test_the_clock_ticks_only_while_a_job_runs(timed: Page) -> None:
    """It ticks once a second, with the rest of the usual time; before and after that no timer runs."""
    stopped(timed)
    timed.evaluate(TIMERS)
    timed.clock.run_for(60_000)
    assert timed.evaluate("timers") == []
    clock, estimate = timed.locator("#status .clock"), timed.locator("#status .estimate")
    draw_status(timed, RUNNING, 5.5, usual_s=8.0)
    expect(clock).to_have_text("0:05")
    expect(estimate).to_have_text(WORDS.say("estimate.left", time="0:03"))
    timed.evaluate("timers.length = 0")
    timed.clock.run_for(10_000)
    expect(clock).to_have_text("0:15")
    expect(estimate).to_have_text(WORDS.say("estimate.over"))
    assert 10 <= len(timed.evaluate("timers")) <= 30
    draw_status(timed, in_state(RUNNING, State.FAILED))
    expect(clock).to_have_text("0:50")
    timed.clock.run_for(10_000)
    timed.evaluate("timers.length = 0")
    timed.clock.run_for(60_000)
    expect(clock).to_have_text("0:50")
    assert timed.evaluate("timers") == []


def test_poster_of_a_running_job_shows_its_state(client: Page) -> None:
    """The stage's status is on the running job's poster, and on no other one."""
    draw_status(client, replace(RUNNING, state=State.IN_QUEUE, queue_position=3))
    expect(client.locator("[data-job=job5] .poster-state")).to_have_text(WORDS.say("line.place", place=3))
    expect(client.locator(".poster-state").filter(has_text=WORDS.say("line.place", place=3))).to_have_count(1)


def test_a_poster_comes_after_its_video(client: Page) -> None:
    """Until it is made, its place names the kind of file; its picture is not asked for."""
    asked: list[str] = []
    client.on("request", lambda request: asked.append(request.url))
    draw_jobs(client, [replace(JOBS["job3"], poster_due=True, share_id="LATE")])
    shown = client.locator(".posters [data-job=job3]")
    expect(shown.locator(".poster-blank")).to_have_text(WORDS.say("kind.video"))
    expect(shown.locator("img")).to_have_count(0)
    assert not [url for url in asked if "LATE" in url]
    draw_jobs(client, [replace(JOBS["job3"], share_id="LATE")])
    expect(shown.locator("img")).to_have_attribute("src", re.compile(r"LATE\.webp$"))
    expect(shown.locator(".poster-blank")).to_have_count(0)


def test_missing_poster_is_replaced_by_a_blank(client: Page) -> None:
    """It names the kind of file."""

    def refuse(route: Route) -> None:
        route.fulfill(status=404)

    client.route("**/SHARE3.webp", refuse)
    start(client)
    expect(client.locator(".posters [data-job=job3] .poster-blank")).to_have_text(WORDS.say("kind.video"))
    expect(client.locator(".posters [data-job=job1] img")).to_have_count(1)


def test_characters_are_counted(client: Page) -> None:
    """Characters are counted as people do, when they type, when Gradio fills the box, and after Gradio redraws it."""
    shown, box = client.locator("#field-prompt .count"), client.locator("#field-prompt textarea")
    expect(shown).to_have_text("0 / 800")
    for text, count, is_over in (("🌊 sea", "5 / 800", False), ("x" * 801, "801 / 800", True)):
        box.evaluate("(box, text) => (box.value = text)", text)
        expect(shown).to_have_text(count)
        assert shown.evaluate("node => node.classList.contains('over')") is is_over
        shown.evaluate("node => node.remove()")
        expect(shown).to_have_text(count)
        box.fill("a")
        expect(shown).to_have_text("1 / 800")


def test_a_chip_follows_what_gradio_fills_in(client: Page) -> None:
    """A text that comes from the server presses the chip of its phrase."""
    client.locator("#field-prompt textarea").evaluate("box => (box.value = 'a boat, slow pan')")
    expect(client.locator(PAN)).to_have_attribute("aria-pressed", "true")


def test_choosing_a_language_sets_a_cookie_and_reloads(client: Page) -> None:
    """The page reloads with a cookie that names the language."""
    with client.expect_navigation():
        client.click("[data-language=de]")
    [cookie] = [cookie for cookie in client.context.cookies(ADDRESS) if cookie["name"] == "dreamina_language"]
    assert (cookie["value"], cookie["sameSite"]) == ("de", "Lax")


def test_icon_buttons_have_accessible_names(client: Page) -> None:
    """The dice and the lock have names for screen readers, also after Gradio redraws them."""
    for name in ("dice", "lock"):
        expect(client.locator(f"#{name}")).to_have_accessible_name(WORDS.say(name))
    client.evaluate("document.querySelector('#lock').removeAttribute('aria-label')")
    expect(client.locator("#lock")).to_have_accessible_name(WORDS.say("lock"))


def test_click_id_depends_on_values_and_time(timed: Page) -> None:
    """The same values within a second have the same id; other values, or a later click, have another."""
    stopped(timed)
    ask = "prompt => dreamina.withClickId(prompt, 7, '')"
    first, again, other = (timed.evaluate(ask, prompt) for prompt in ("a", "a", "b"))
    assert first[:2] == ["a", 7]
    assert re.fullmatch(r"[0-9a-f]{32}", first[2])
    assert again == first
    assert other[2] != first[2]
    timed.clock.run_for(1_500)
    assert timed.evaluate(ask, "b")[2] not in (first[2], other[2])


def test_click_without_an_answer_keeps_its_id(timed: Page) -> None:
    """Pressed again with the same values, it is still the same click, however late."""
    stopped(timed)
    ask = "prompt => dreamina.withClickId(prompt, '')"
    first = timed.evaluate(ask, "a")
    timed.evaluate("id => document.dispatchEvent(new CustomEvent('dreamina:unanswered', { detail: id }))", first[-1])
    timed.clock.run_for(60_000)
    assert timed.evaluate(ask, "a") == first
    timed.clock.run_for(60_000)
    assert timed.evaluate(ask, "a") != first


def test_lock_sets_the_last_seed(client: Page) -> None:
    """A random seed becomes the last used one, and any other seed becomes random again."""
    lock = "['-1', ' -1', '7', ''].map(dreamina.lockSeed)"
    assert client.evaluate(lock) == ["7", "7", "-1", "-1"]
    client.evaluate(f"document.querySelector('#facts [data-seed]').dataset.seed = '{2**53 + 1}'")
    assert client.evaluate("dreamina.lockSeed('-1')") == str(2**53 + 1)
    client.evaluate("document.querySelector('#facts').replaceChildren()")
    assert client.evaluate("dreamina.lockSeed('-1')") == "-1"


COUNTED = [
    ("1", "7", "8", "6"),
    ("1", "-1", "0", "-2"),
    ("8", "512", "520", "504"),
    ("1", str(2**53), str(2**53 + 1), str(2**53 - 1)),
    ("1", str(10**30), str(10**30 + 1), str(10**30 - 1)),
    ("0_01", "0.5", "0.51", "0.49"),
    ("0_1", "-0.1", "0.0", "-0.2"),
    ("1", "", "", ""),
    ("1", "many", "many", "many"),
]


def test_arrow_keys_change_a_number_by_its_step(client: Page) -> None:
    """In a number field they add the field's step exactly; the wheel changes nothing, with or without the focus."""
    for step, text, up, down in COUNTED:
        client.evaluate(
            "step => document.querySelector('.compose').insertAdjacentHTML("
            "'afterbegin', `<div id='counts' class='counts step-${step}'><input aria-label='Number'></div>`)",
            step,
        )
        box = client.locator("#counts input")
        client.evaluate("window.heard = []; addEventListener('input', (event) => heard.push(event.target.value))")
        for key, result in (("ArrowUp", up), ("ArrowDown", down)):
            box.fill(text)
            box.press(key)
            expect(box).to_have_value(result)
            assert client.evaluate("heard.at(-1)") == result
        box.hover()
        client.mouse.wheel(0, 120)
        expect(box).to_have_value(result)
        client.evaluate("document.querySelector('#counts').remove()")


def test_touch_screen_lists_gestures_instead_of_keys(browser: Browser, clips: dict[str, bytes]) -> None:
    """Without a keyboard, the sheet lists gestures and no keys."""
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = context.new_page()
    open_still_page(page, clips)
    page.tap("[data-keys]")
    sheet = page.get_by_role("dialog", name=WORDS.say("gestures.title"), exact=True)
    expect(sheet.locator("dd").filter(visible=True)).to_have_count(5)
    expect(sheet).to_contain_text(WORDS.say("gestures.pick"))
    expect(sheet.locator("kbd").filter(visible=True)).to_have_count(0)
    context.close()


def test_time_zone_is_sent_as_a_cookie(browser: Browser, clips: dict[str, bytes]) -> None:
    """The cookie's time zone gives the date in the names of downloads."""
    context = browser.new_context(timezone_id="America/Los_Angeles")
    page = context.new_page()
    open_still_page(page, clips)
    page.evaluate("dreamina.tellZone()")
    page.wait_for_function("document.cookie.includes('dreamina_zone')")
    [cookie] = [cookie for cookie in context.cookies(ADDRESS) if cookie["name"] == "dreamina_zone"]
    assert (cookie["value"], cookie["sameSite"]) == ("America%2FLos_Angeles", "Lax")
    context.close()


def test_browser_does_not_offer_to_save_a_key(client: Page) -> None:
    """The field's attributes forbid it as soon as it has the focus."""
    client.focus("#key input")
    expect(client.locator("#key input")).to_have_attribute("autocomplete", "off")


def test_file_whose_first_request_breaks_off_is_requested_again(client: Page) -> None:
    """Of a video, a sound and a poster; the page never says that the browser cannot play it."""
    broken: set[str] = set()

    def break_first(route: Route) -> None:
        if route.request.url in broken:
            return route.fallback()
        broken.add(route.request.url)
        return route.abort("connectionreset")

    for name in ("SHARE1.mp4", "SHARE2.mp4", "SHARE3.webp"):
        client.route(f"**/{name}", break_first)
    start(client)
    client.evaluate("""() => {
      window.shown = [];
      const sentence = document.querySelector("#undecodable .undecodable");
      new MutationObserver(() => shown.push(sentence.hidden)).observe(sentence, { attributes: true });
      document.querySelector("#player video").src = "SHARE1.mp4";
      const sound = Object.assign(document.createElement("audio"), { src: "SHARE2.mp4", preload: "auto" });
      document.querySelector("#player").append(sound);
    }""")
    client.wait_for_function("[...document.querySelectorAll('#player > *')].every(({ readyState }) => readyState >= 2)")
    client.wait_for_function("document.querySelector('[data-job=job3] img')?.naturalWidth > 0")
    assert client.evaluate("shown.includes(false)") is False


@pytest.mark.parametrize("harm", ["refuse", "swallow"])
def test_videos_are_loaded_when_the_network_is_back(client: Page, harm: str) -> None:
    """In the player and the comparison, though it went away as they became ready, and a request after that has no answer."""

    is_away = True

    def away(route: Route) -> None:
        if not is_away:
            route.fallback()
        elif harm == "refuse" or route.request.method == "GET":
            route.abort("connectionrefused")

    videos = "[...document.querySelectorAll('#player video, dialog.compare video')]"
    client.route("**/*.mp4", away)
    client.evaluate("document.querySelector('#player video').src = 'SHARE3.mp4'")
    pick(client, "job1", "job2")
    with client.expect_request(lambda request: request.method == "HEAD" and "SHARE2" in request.url):
        client.click("[data-do=compare]")
    client.wait_for_function(f"{videos}.length === 3 && {videos}.every((video) => video.error)")
    is_away = False
    client.evaluate("dispatchEvent(new Event('online'))")
    client.wait_for_function(f"{videos}.every((video) => video.readyState >= 2)")
    expect(client.locator(".undecodable:visible")).to_have_count(0)


@pytest.mark.parametrize(("status", "is_said"), [(200, True), (404, False)])
def test_undecodable_video_shows_a_message(client: Page, status: int, is_said: bool) -> None:
    """A file that no browser can read shows it; a missing file does not."""

    def answer(route: Route) -> None:
        route.fulfill(status=status, body=b"no video" * 100, content_type="video/mp4")

    client.route("**/broken.mp4", answer)
    sentence = client.locator("#undecodable .undecodable")
    expect(sentence).to_be_hidden()
    with client.expect_response(lambda response: response.request.method == "HEAD"):
        client.evaluate("document.querySelector('#player video').src = 'broken.mp4'")
    expect(sentence).to_be_visible(visible=is_said)


def events(page: Page) -> list[list[Any]]:
    """What was sent to the server since this was asked last."""
    found: list[list[Any]] = page.evaluate("window.events.splice(0)")
    return found


def test_a_star_by_click_and_by_key(client: Page) -> None:
    """A click on the star, or S for the poster that has the focus, or else for the stage; all stars of a video change at once."""
    star = client.locator("#history [data-job=job1] [data-star]")
    stage = client.locator("#links [data-star]")
    expect(star).to_have_accessible_name("Star: a lighthouse")
    star.click()
    assert events(client) == [["history", "like", {"job_id": "job1", "starred": True}]]
    for one in (star, stage):
        expect(one).to_have_attribute("aria-pressed", "true")
    client.locator("#history [data-job=job2] [data-open]").focus()
    client.keyboard.press("s")
    client.keyboard.press("Shift+S")
    assert events(client) == [["history", "like", {"job_id": "job2", "starred": each}] for each in (True, False)]
    client.locator("#history [data-job=job4] [data-open]").focus()  # failed: there is nothing to see
    client.keyboard.press("s")
    client.locator("#generate").focus()
    client.keyboard.press("Control+s")
    client.locator("#history-search input").focus()
    client.keyboard.press("s")
    client.locator("[data-choice]").focus()
    client.keyboard.press("s")
    assert [event for event in events(client) if event[1] == "like"] == []
    client.locator("#generate").focus()
    client.keyboard.press("s")
    assert events(client) == [["history", "like", {"job_id": "job1", "starred": False}]]
    # What another tab has changed, the history brings, to the stage as well.
    draw_jobs(client, [replace(job, starred=True) for job in JOBS.values()])
    for one in (star, stage):
        expect(one).to_have_attribute("aria-pressed", "true")


def test_a_star_keeps_the_focus(client: Page) -> None:
    """The keys move between stars, and a star that is drawn again keeps the focus."""
    client.locator("#history [data-job=job1] [data-star]").focus()
    client.keyboard.press("ArrowRight")
    focused = client.locator("#history [data-job=job2] [data-star]")
    expect(focused).to_be_focused()
    draw_jobs(client, [replace(job, starred=True) for job in JOBS.values()])
    expect(focused).to_be_focused()
    expect(focused).to_have_attribute("aria-pressed", "true")


def test_what_is_shown_is_chosen(client: Page) -> None:
    """All, stars or a collection; what is drawn is what the list names, also after a new one has come before it."""
    choice = client.locator("[data-choice]")
    choice.select_option("starred")
    assert events(client) == [["among", "select", {"among": "starred"}]]
    draw_history(client, *JOBS, among=COLLECTION.collection_id)
    expect(choice).to_have_value(COLLECTION.collection_id)
    html = among_html([replace(COLLECTION, collection_id="e" * 32, name="A"), COLLECTION], WORDS)
    client.evaluate("(html) => draw('#among', html)", html)
    expect(choice).to_have_value(COLLECTION.collection_id)
    expect(choice.locator("option:checked")).to_have_text(COLLECTION.name)


def test_selected_videos_are_collected(client: Page) -> None:
    """In the order of the selection, under a typed name or a known one; without a name, nothing is sent, and nothing is lost."""
    pick(client, "job3", "job1")
    client.click("[data-do=collect]")
    dialog = client.locator("dialog.ask")
    expect(dialog.locator("input")).to_be_focused()
    assert dialog.locator("option").evaluate_all("all => all.map((one) => one.value)") == [COLLECTION.name]
    client.keyboard.type("   ")
    client.keyboard.press("Enter")
    expect(dialog).to_be_visible()
    client.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert picked(client) == ["job1", "job3"]
    client.click("[data-do=collect]")
    client.keyboard.insert_text("x" * 100 + "<b>")
    expect(dialog.locator("input")).to_have_value("x" * 80)
    client.keyboard.press("Enter")
    assert events(client) == [["history", "apply", {"do": "collect", "name": "x" * 80, "job_ids": ["job3", "job1"]}]]
    assert picked(client) == []


def test_order_by_keyboard_and_by_buttons(client: Page) -> None:
    """Shift with an arrow moves the poster by one, with Home and End to an end; the bar's arrows move what is selected."""
    client.locator("[data-job=job2] [data-open]").focus()
    client.keyboard.press("Shift+ArrowLeft")
    assert events(client) == []  # all videos have no order of one's own
    draw_history(client, *JOBS, among=COLLECTION.collection_id)
    client.locator("[data-job=job2] [data-open]").focus()
    for key in ("ArrowLeft", "ArrowRight", "Home", "End"):
        client.keyboard.press(f"Shift+{key}")
    moved = [values for _, name, values in events(client) if name == "apply"]
    assert [values["job_ids"] for values in moved] == [["job2"]] * 4
    assert [max(-2, min(values["by"], 2)) for values in moved] == [-1, 1, -2, 2]
    expect(client.locator("#said")).to_have_text(f"Place {len(JOBS)} of {len(JOBS)}")
    pick(client, "job3", "job1")
    client.click("[data-act=earlier]")
    client.click("[data-act=take_out]")
    step = {"do": "step", "job_ids": ["job3", "job1"], "by": -1}
    assert events(client) == [
        ["history", "apply", step],
        ["history", "apply", {"do": "take_out", "job_ids": ["job3", "job1"]}],
    ]


def test_order_by_dragging(client: Page) -> None:
    """A poster is put before or behind the one under the pointer; a short way is a click, and Escape ends it."""
    draw_history(client, *JOBS, among=COLLECTION.collection_id)
    client.locator("[data-job=job6]").scroll_into_view_if_needed()

    def point(job: str, part: float) -> tuple[float, float]:
        box = client.locator(f"#history [data-job={job}]").bounding_box()
        assert box
        return box["x"] + box["width"] * part, box["y"] + box["height"] / 2

    def drag(job: str, target: str, part: float) -> None:
        client.mouse.move(*point(job, 0.5))
        client.mouse.down()
        client.mouse.move(*point(target, part), steps=4)

    drag("job3", "job1", 0.2)
    expect(client.locator("[data-job=job1].drop-before")).to_have_count(1)
    client.mouse.up()
    drag("job1", "job2", 0.8)
    client.mouse.up()
    drag("job1", "job6", 0.8)
    client.mouse.up()
    drag("job1", "job1", 0.6)
    client.mouse.up()
    drag("job2", "job3", 0.2)
    client.keyboard.press("Escape")
    client.mouse.up()
    assert [values for _, name, values in events(client) if name == "apply"] == [
        {"do": "order", "job_ids": ["job3"], "before": "job1"},
        {"do": "order", "job_ids": ["job1"], "before": "job3"},
        {"do": "step", "job_ids": ["job1"], "by": 5},
    ]
    expect(client.locator(".dragged, .drop-before, .drop-after")).to_have_count(0)
    client.click("[data-job=job2] [data-open]")
    assert events(client) == [["history", "select", {"job_id": "job2"}]]


def test_a_collection_is_renamed_and_deleted(client: Page) -> None:
    """The name is offered as it is; deleting asks first, and its question has no markup."""
    client.click("[data-act=rename]")
    box = client.locator("dialog.ask input")
    expect(box).to_have_value(COLLECTION.name)
    box.fill("New")
    client.keyboard.press("Enter")
    client.click("[data-act=delete]")
    expect(client.locator("dialog.ask p")).to_contain_text(COLLECTION.name)
    client.click("dialog.ask [data-close]")
    client.click("[data-act=delete]")
    client.click("dialog.ask [type=submit]")
    client.click("[data-act=withdraw]")
    assert [values for _, _, values in events(client)] == [
        {"do": "rename", "name": "New"},
        {"do": "delete"},
        {"do": "withdraw"},
    ]
