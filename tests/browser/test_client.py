"""What the browser does by itself: picking, comparing, keys, titles, chips, links and drops, on still markup."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.rig import make_clip

ADDRESS = "http://127.0.0.1/"
ASSETS = Path(__file__).parents[2] / "assets"
MARKUP = Path(__file__).parent / "client.html"
SCRIPTS = ("history.js", "keys.js", "stage.js")
STYLES = ("studio.css", "history.css", "stage.css")
FRAME_S = 1 / 24
VIDEOS = "[...document.querySelectorAll('dialog.compare video')]"
IN_STEP = (
    f"(frames) => {{ const [one, two] = {VIDEOS}; return Math.abs(one.currentTime - two.currentTime) <= frames / 24 }}"
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
CHECKED = "[...document.querySelectorAll('[data-pick]:checked')].map((box) => box.closest('li').dataset.job)"
DRAG = """([kind, name, type]) => {
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File(["x"], name, { type }));
  const options = { dataTransfer, bubbles: true, cancelable: true };
  document.querySelector(".compose").dispatchEvent(new DragEvent(kind, options));
}"""
# How many of some nodes are shown, but too small to hit or cut off at the side.
UNFIT = """(nodes) => nodes.map((node) => node.getBoundingClientRect())
  .filter(({ width, height, left, right }) => width && (width < 24 || height < 24 || left < 0 || right > innerWidth)).length"""


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("clips")
    lengths = {"short": 48, "same": 48, "long": 72}
    return {name: make_clip(folder / f"{name}.mp4", frames).read_bytes() for name, frames in lengths.items()}


@pytest.fixture
def client(context: BrowserContext, clips: dict[str, bytes]) -> Iterator[Page]:
    """The still markup with the real scripts and styles; a script's error fails the test."""
    styles = "".join(f"<style>{(ASSETS / name).read_text()}</style>" for name in STYLES)
    scripts = "".join(f"<script>{(ASSETS / name).read_text()}</script>" for name in SCRIPTS)
    markup = MARKUP.read_text().replace("<!-- assets -->", styles + scripts)

    def answer(route: Route) -> None:
        path = route.request.url.removeprefix(ADDRESS)
        if path.endswith(".mp4"):
            serve_part(route, clips[Path(path).stem])
        elif path.startswith("dreamina/zip"):
            route.fulfill(body=b"zip", headers={"Content-Disposition": "attachment; filename=videos.zip"})
        else:
            route.fulfill(body=markup, content_type="text/html")

    problems: list[str] = []
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.add_init_script(SILENT)
    page.route("**/*", answer)
    page.goto(ADDRESS)
    yield page
    assert problems == []


def serve_part(route: Route, clip: bytes) -> None:
    """A player can only seek where parts of a file can be asked for."""
    first, last = re.findall(r"(\d+)-(\d*)", route.request.headers.get("range", "bytes=0-"))[0]
    end = int(last) if last else len(clip) - 1
    part = {"Accept-Ranges": "bytes", "Content-Range": f"bytes {first}-{end}/{len(clip)}"}
    route.fulfill(status=206, body=clip[int(first) : end + 1], headers={"Content-Type": "video/mp4", **part})


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


def compared(page: Page, *jobs: str) -> Page:
    pick(page, *jobs)
    page.click("[data-do=compare]")
    page.wait_for_function(f"{VIDEOS}.length === 2 && {VIDEOS}.every((video) => video.readyState >= 3)")
    return page


def paused(page: Page) -> None:
    page.get_by_role("button", name="Pause").click()
    page.wait_for_function(STILL)


def test_a_poster_opens_its_video(client: Page) -> None:
    """A click tells the server which video to show, and brings the stage into view."""
    client.evaluate("document.querySelector('.posters').style.marginTop = '3000px'")
    client.click("[data-job=job2] [data-open]")
    assert client.evaluate("events") == [["select", {"job_id": "job2"}]]
    expect(client.locator(".stage")).to_be_in_viewport()


def test_picking_survives_a_redrawn_list(client: Page) -> None:
    """A new poster at the front moves all others to other nodes; the picked ones stay picked, and no other one is."""
    pick(client, "job2", "job3")
    client.evaluate("draw('job6', 'job1', 'job2', 'job3', 'job4')")
    expect(client.locator("[data-job=job2] [data-pick]")).to_be_checked()
    assert picked(client) == ["job2", "job3"]
    expect(client.locator(".picked-count")).to_have_text("2 selected")
    client.evaluate("draw('job1')")
    expect(client.locator(".picked-count")).to_have_text("2 selected")
    assert picked(client) == []
    client.evaluate("draw('job1', 'job2')")
    assert picked(client) == ["job2"]


def test_the_bar_offers_what_the_picked_ones_allow(client: Page) -> None:
    """Compare wants exactly two videos, the zip at least one; a running job cannot be picked."""
    bar, compare, zipped = (client.locator(name) for name in (".picked-bar", "[data-do=compare]", "[data-do=zip]"))
    expect(bar).to_be_hidden()
    expect(client.locator("[data-job=job5] [data-pick]")).to_have_count(0)
    pick(client, "job4")
    expect(bar).to_be_visible()
    expect(zipped).to_be_disabled()
    expect(client.locator(".picked-count")).to_have_text("1 selected Pick two")
    pick(client, "job1")
    expect(zipped).to_be_enabled()
    expect(compare).to_be_disabled()
    client.uncheck("[data-job=job4] [data-pick]")
    pick(client, "job2")
    expect(compare).to_be_enabled()
    expect(client.locator(".picked-count")).to_have_text("2 selected")
    pick(client, "job3")
    expect(compare).to_be_disabled()
    client.click("[data-do=unpick]")
    expect(bar).to_be_hidden()
    assert picked(client) == []


def test_shift_picks_all_between(client: Page) -> None:
    """With shift, a click picks from the last one to this one, and leaves out what cannot be picked."""
    pick(client, "job2")
    client.click("[data-job=job6] [data-pick]", modifiers=["Shift"])
    assert picked(client) == ["job2", "job3", "job4", "job6"]


def test_the_zip_names_the_videos(client: Page) -> None:
    """The zip's address names the share ids of what has a video; the page stays."""
    pick(client, "job1", "job4", "job3")
    with client.expect_download() as zipped:
        client.click("[data-do=zip]")
    assert zipped.value.url == ADDRESS + "dreamina/zip?video=SHARE1&video=SHARE3"
    expect(client.locator(".picked-count")).to_contain_text("3 selected")


def test_delete_can_be_undone(client: Page) -> None:
    """Delete tells the server and offers an undo, which survives the redrawn list and has the focus."""
    pick(client, "job1", "job4")
    client.click("[data-do=delete]")
    client.evaluate("draw('job2', 'job3', 'job5', 'job6')")
    expect(client.locator(".undo-bar")).to_have_text("2 deleted Undo")
    expect(client.locator("[data-do=undo]")).to_be_focused()
    expect(client.locator(".picked-bar")).to_be_hidden()
    client.keyboard.press("Enter")
    jobs = {"job_ids": ["job1", "job4"]}
    assert client.evaluate("events") == [["delete", jobs], ["undo", jobs]]
    expect(client.locator(".undo-bar")).to_be_hidden()
    assert focused_job(client) == "job2"


def test_a_second_delete_keeps_the_first_ones_undo(client: Page) -> None:
    """Two deletes in a row, one of them from the stage, are undone together."""
    pick(client, "job2")
    client.click("[data-do=delete]")
    client.click("[data-delete=job1]")
    expect(client.locator(".undo-bar span")).to_have_text("2 deleted")
    client.click("[data-do=undo]")
    assert client.evaluate("events.at(-1)") == ["undo", {"job_ids": ["job2", "job1"]}]


def test_a_delete_by_the_server_is_offered_for_undo_too(client: Page) -> None:
    """The stage's own Delete hands its job over before it sends it; without a job nothing is offered."""
    assert client.evaluate("dreamina.deleting('')") == ""
    expect(client.locator(".undo-bar")).to_be_hidden()
    assert client.evaluate("dreamina.deleting('job3')") == "job3"
    client.click("[data-do=undo]")
    assert client.evaluate("events") == [["undo", {"job_ids": ["job3"]}]]


def test_the_undo_goes_after_twelve_seconds_unless_it_is_held(client: Page) -> None:
    """Time stands still while the bar is under the pointer."""
    client.clock.install()
    pick(client, "job1")
    client.click("[data-do=delete]")
    bar = client.locator(".undo-bar")
    bar.hover()
    client.clock.run_for(20_000)
    expect(bar).to_be_visible()
    client.mouse.move(5, 5)
    client.clock.run_for(11_000)
    expect(bar).to_be_visible()
    client.clock.run_for(1_500)
    expect(bar).to_be_hidden()


def test_compare_plays_in_step(client: Page) -> None:
    """Two videos start together, and are still in step after they began anew."""
    compared(client, "job1", "job6")
    for _ in range(2):
        client.wait_for_function(f"{VIDEOS}.every((video) => !video.paused && video.currentTime > 1)")
        assert client.evaluate(IN_STEP, 1)
        client.wait_for_function(f"{VIDEOS}.every((video) => !video.paused && video.currentTime < 0.7)")
        assert client.evaluate(IN_STEP, 1)


def test_compare_brings_a_video_that_lags_back_into_step(client: Page) -> None:
    """A video that was thrown off is brought back while both play."""
    compared(client, "job1", "job6")
    client.wait_for_function(f"{VIDEOS}.every((video) => !video.paused && video.currentTime > 0.2)")
    client.evaluate(f"{VIDEOS}[1].currentTime = 1.5")
    client.wait_for_function(IN_STEP, arg=1)
    client.wait_for_function(f"{VIDEOS}.every((video) => !video.paused && !video.seeking)")
    assert client.evaluate(IN_STEP, 1)


def test_compare_scrubs_and_steps_both(client: Page) -> None:
    """The scrubber, its arrow keys, comma and full stop move both, and tell the time."""
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
    """The space bar toggles once, on the button that has the focus at first and on the scrubber."""
    compared(client, "job1", "job6")
    expect(client.get_by_role("button", name="Pause")).to_be_focused()
    client.keyboard.press("Space")
    client.wait_for_function(STILL)
    client.get_by_role("slider", name="Position").focus()
    client.keyboard.press("Space")
    expect(client.get_by_role("button", name="Pause")).to_be_visible()
    client.wait_for_function(f"{VIDEOS}.every((video) => !video.paused)")


def test_the_shorter_video_waits_for_the_longer_one(client: Page) -> None:
    """It stands at its end until the longer one starts anew; then both do."""
    compared(client, "job1", "job2")
    client.wait_for_function(f"{VIDEOS}[0].ended && {VIDEOS}[1].currentTime > 2.5")
    client.wait_for_function(
        f"{VIDEOS}.every((video) => !video.paused && video.currentTime > 0.3 && video.currentTime < 1.5)"
    )
    assert client.evaluate(IN_STEP, 1)


def test_who_wants_less_motion_starts_it(client: Page) -> None:
    """Nothing plays by itself under prefers-reduced-motion."""
    client.emulate_media(reduced_motion="reduce")
    compared(client, "job1", "job6")
    expect(client.get_by_role("button", name="Play")).to_be_focused()
    client.wait_for_function(STILL)


def test_compare_marks_what_differs(client: Page) -> None:
    """Rows with other values are marked for eyes and ears; prompts are only text; a missing fact is a dash."""
    compared(client, "job1", "job2")
    dialog = client.get_by_role("dialog", name="Compare")
    left, right = (dialog.locator("dl").nth(at).locator(".compare-fact") for at in (0, 1))
    expect(left).to_have_text(
        ["Prompta lighthouse (differs)", "Aspect ratio16:9", "Seed7 (differs)", "Length– (differs)"]
    )
    expect(right.first).to_have_text("Prompta harbour <b>at night</b> (differs)")
    expect(right.locator(".visually-hidden")).to_have_count(3)
    assert [
        kind == "compare-fact differs" for kind in right.evaluate_all("rows => rows.map((row) => row.className)")
    ] == [
        True,
        False,
        True,
        True,
    ]
    tops = [rows.evaluate_all("rows => rows.map((row) => row.getBoundingClientRect().top)") for rows in (left, right)]
    assert tops[0] == tops[1]


@pytest.mark.parametrize("way", ["Escape", "button", "backdrop"])
def test_compare_closes_and_gives_the_focus_back(client: Page, way: str) -> None:
    """Escape, the button and a click beside it close it, also after the list was redrawn; nothing is cancelled."""
    compared(client, "job1", "job6")
    client.evaluate("draw('job2', 'job1', 'job6')")
    if way == "Escape":
        client.keyboard.press("Escape")
    elif way == "button":
        client.get_by_role("button", name="Close").click()
    else:
        client.mouse.click(4, 4)
    expect(client.locator("dialog.compare")).to_have_count(0)
    expect(client.locator("[data-do=compare]")).to_be_focused()
    assert client.evaluate("pressed") == []


def test_arrow_keys_walk_the_history(client: Page) -> None:
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
        assert client.locator("[data-open][tabindex='0'], [data-open]:not([tabindex])").count() == 1
    client.keyboard.press("ArrowRight")
    assert client.locator("[data-job=job2]").evaluate("poster => getComputedStyle(poster).outlineStyle") == "solid"
    client.keyboard.press("Enter")
    assert client.evaluate("events") == [["select", {"job_id": "job2"}]]
    client.keyboard.press("Tab")
    client.keyboard.press("ArrowRight")
    expect(client.locator("[data-job=job3] [data-pick]")).to_be_focused()
    client.keyboard.press("Space")
    assert picked(client) == ["job3"]


def test_the_focus_follows_its_job(client: Page) -> None:
    """When a new poster comes in front, the focus stays with the video it was on; when that one goes, with its place."""
    client.focus("[data-job=job3] [data-open]")
    client.evaluate("draw('job6', 'job1', 'job2', 'job3')")
    assert focused_job(client) == "job3"
    client.evaluate("draw('job6', 'job1', 'job2')")
    assert focused_job(client) == "job2"


def test_single_keys(client: Page) -> None:
    """Slash goes to the search, question mark opens the sheet, Escape cancels what can be cancelled."""
    client.keyboard.press("/")
    expect(client.get_by_label("Search")).to_be_focused()
    expect(client.get_by_label("Search")).to_have_value("old")
    client.locator("body").click(position={"x": 3, "y": 3})
    client.keyboard.press("?")
    sheet = client.get_by_role("dialog", name="Keys")
    expect(sheet).to_be_visible()
    client.keyboard.press("Escape")
    expect(sheet).to_be_hidden()
    assert client.evaluate("pressed") == []
    client.click("[data-keys]")
    client.keyboard.press("/")
    client.click("[data-close]")
    expect(sheet).to_be_hidden()
    expect(client.locator("[data-keys]")).to_be_focused()
    client.keyboard.press("Escape")
    assert client.evaluate("pressed") == ["cancel"]
    client.evaluate("document.getElementById('cancel').style.display = 'none'")
    client.keyboard.press("Escape")
    assert client.evaluate("pressed") == ["cancel"]


@pytest.mark.parametrize(
    ("field", "escaped"), [("#field-prompt textarea", ["cancel"]), ("#history-search input", []), ("select", [])]
)
def test_no_single_keys_in_a_field(client: Page, field: str, escaped: list[str]) -> None:
    """What is typed is typed; Ctrl+Enter and ⌘+Enter act in a field, once, and Escape in the prompt."""
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
    """Other programs' shortcuts stay theirs."""
    for key in ("Control+/", "Alt+/", "Meta+/", "Alt+Escape"):
        client.keyboard.press(key)
    expect(client.get_by_label("Search")).not_to_be_focused()
    assert client.evaluate("pressed") == []


@pytest.mark.parametrize(
    ("state", "title"), [("succeeded", "✓ ready"), ("failed", "✗ failed"), ("cancelled", "✗ failed")]
)
def test_the_title_tells_how_it_goes(client: Page, state: str, title: str) -> None:
    """The clock while it runs, the outcome at its end, the plain title once somebody has looked for three seconds."""
    client.clock.install()
    client.evaluate("status('in_progress', '0:42')")
    expect(client).to_have_title("● 0:42 Rendering · Dreamina UI")
    client.evaluate("document.querySelector('.clock').textContent = '0:43'")
    expect(client).to_have_title("● 0:43 Rendering · Dreamina UI")
    hide(client, True)
    client.evaluate(f"status('{state}', '0:50')")
    expect(client).to_have_title(f"{title} · Dreamina UI")
    client.clock.run_for(60_000)
    expect(client).to_have_title(f"{title} · Dreamina UI")
    hide(client, False)
    client.clock.run_for(2_000)
    expect(client).to_have_title(f"{title} · Dreamina UI")
    client.clock.run_for(1_500)
    expect(client).to_have_title("Dreamina UI")


def hide(page: Page, hidden: bool) -> None:
    value = str(hidden).lower()
    page.evaluate(
        f"Object.defineProperty(document, 'hidden', {{ get: () => {value}, configurable: true }});"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )


def test_an_old_video_is_no_news(client: Page) -> None:
    """A finished video that is only opened changes no title and makes no sound."""
    client.click("#notify")
    client.evaluate("pitches.length = 0; status('succeeded', '0:50', 'job1')")
    client.wait_for_function("document.querySelector('#status .status')")
    expect(client).to_have_title("Dreamina UI")
    assert client.evaluate("pitches") == []


@pytest.mark.parametrize(("state", "rises"), [("succeeded", True), ("failed", False), ("uncertain", False)])
def test_who_wishes_is_told_of_the_end(client: Page, state: str, rises: bool) -> None:
    """The wish is kept over a reload; the end of a job sounds, and shows a notification while the tab is hidden."""
    client.click("#notify")
    expect(client.locator("#notify")).to_have_attribute("aria-pressed", "true")
    client.reload()
    expect(client.locator("#notify")).to_have_attribute("aria-pressed", "true")
    client.evaluate("Notification.permission = 'granted'; status('in_progress', '0:42')")
    expect(client).to_have_title(re.compile("Rendering"))
    hide(client, True)
    client.evaluate(f"status('{state}', '0:50')")
    client.wait_for_function("shown.length === 1")
    assert client.evaluate("shown[0][1]") == "Rendering\na lighthouse"
    low, high = client.evaluate("pitches")
    assert (low < high) is rises


def test_nobody_is_told_without_the_wish(client: Page) -> None:
    """No sound and no notification unless wished for, and none any more after the wish is taken back."""
    client.click("#notify")
    client.click("#notify")
    client.evaluate("pitches.length = 0; status('in_progress', '0:42')")
    expect(client).to_have_title(re.compile("Rendering"))
    hide(client, True)
    client.evaluate("status('succeeded', '0:50')")
    expect(client).to_have_title(re.compile("ready"))
    assert client.evaluate("[pitches, shown]") == [[], []]


PAN = ".chip[data-phrase='slow pan']"
WIDE = ".chip[data-phrase^='f/1.4']"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "slow pan"),
        ("a boat", "a boat, slow pan"),
        ("a boat,", "a boat, slow pan"),
        ("a boat.", "a boat. slow pan"),
        ("a slow pan of a boat", "a slow pan of a boat, slow pan"),
    ],
)
def test_a_chip_inserts_its_phrase(client: Page, before: str, after: str) -> None:
    """It is told to Svelte by an input event, and a second click takes it and its comma away again."""
    box = client.locator("#field-prompt textarea")
    box.fill(before)
    client.evaluate("window.heard = 0; document.querySelector('.compose').addEventListener('input', () => heard++)")
    client.click(PAN)
    expect(box).to_have_value(after)
    expect(client.locator(PAN)).to_have_attribute("aria-pressed", "true")
    assert client.evaluate("heard") == 1
    client.click(PAN)
    expect(box).to_have_value(before.rstrip(","))
    expect(client.locator(PAN)).to_have_attribute("aria-pressed", "false")


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("slow pan, a boat", "a boat"),
        ("a boat, Slow Pan, dusk", "a boat, dusk"),
        ("A boat. slow pan, dusk", "A boat. dusk"),
        ("a boat,slow pan", "a boat"),
        ("a boat\nslow pan", "a boat\n"),
    ],
)
def test_a_chip_follows_what_is_typed(client: Page, text: str, left: str) -> None:
    """A typed phrase presses its chip, wherever it stands by itself; the chip takes out just that."""
    box = client.locator("#field-prompt textarea")
    box.press_sequentially("a slow pan of a boat")
    expect(client.locator(PAN)).to_have_attribute("aria-pressed", "false")
    box.fill(text)
    expect(client.locator(PAN)).to_have_attribute("aria-pressed", "true")
    client.click(PAN)
    expect(box).to_have_value(left)


def test_a_phrase_is_no_pattern(client: Page) -> None:
    """Signs that mean something in a pattern are only signs."""
    box = client.locator("#field-prompt textarea")
    box.fill("a boat")
    client.click(WIDE)
    expect(box).to_have_value("a boat, f/1.4 (wide-open)")
    client.click(WIDE)
    expect(box).to_have_value("a boat")


@pytest.mark.parametrize("has_clipboard", [True, False])
def test_copy_link(client: Page, has_clipboard: bool) -> None:
    """The whole address goes to the clipboard, also where the clipboard's interface is missing; the button says so."""
    if not has_clipboard:
        client.evaluate(
            "read = navigator.clipboard.readText.bind(navigator.clipboard);"
            "Object.defineProperty(navigator, 'clipboard', { value: undefined })"
        )
    else:
        client.evaluate("read = navigator.clipboard.readText.bind(navigator.clipboard)")
    client.clock.install()
    button = client.locator("[data-copy]")
    button.click()
    expect(button).to_have_text("Copied")
    assert client.evaluate("read()") == ADDRESS + "?video=SHARE1"
    client.clock.run_for(100)
    expect(client.locator("#said")).to_have_text("Copied")
    client.clock.run_for(2_000)
    expect(button).to_have_text("Copy link")


def test_a_dropped_video_goes_to_the_settings_field(client: Page) -> None:
    """Dragging covers the page, and dropping an MP4 hands it to the field that reads its settings."""
    client.evaluate(
        "window.taken = []; document.querySelector('input[type=file]')"
        ".addEventListener('change', (event) => taken.push(event.target.files[0].name))"
    )
    client.evaluate(DRAG, ["dragover", "a-lighthouse-7.mp4", "video/mp4"])
    expect(client.locator("#drop-cover")).to_have_text("Drop it for its settings")
    client.evaluate(DRAG, ["drop", "a-lighthouse-7.mp4", "video/mp4"])
    expect(client.locator("#drop-cover")).to_have_count(0)
    assert client.evaluate("taken") == ["a-lighthouse-7.mp4"]


def test_another_file_is_refused_and_the_page_stays(client: Page) -> None:
    """The browser would leave the page for a dropped file; instead a word is said."""
    client.evaluate("addEventListener('drop', (event) => (window.wasKept = event.defaultPrevented))")
    client.evaluate(DRAG, ["drop", "notes.txt", "text/plain"])
    expect(client.locator("#drop-cover")).to_have_text("Not an MP4")
    assert client.evaluate("wasKept")


@pytest.mark.parametrize("width", [360, 1366, 3840])
def test_bars_and_dialog_fit(client: Page, width: int) -> None:
    """Nothing is cut off at the side, no control of ours is smaller than 24 pixels."""
    client.set_viewport_size({"width": width, "height": 800})
    pick(client, "job1", "job2")
    assert client.locator(".picked-bar button, .chip, #notify, .poster-pick, [data-pick]").evaluate_all(UNFIT) == 0
    client.click("[data-do=compare]")
    assert client.locator("dialog.compare, dialog.compare :is(button, input, video)").evaluate_all(UNFIT) == 0
    assert client.evaluate("document.documentElement.scrollWidth <= innerWidth")
    dialog = client.locator("dialog.compare")
    assert dialog.evaluate("node => node.scrollWidth <= node.clientWidth")
