"""A saved file that is chosen or dropped fills the form; any other changes nothing, and is answered in one sentence."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, FilePayload, Page, expect

from dreamina_ui.wording import Words
from tests.browser.past import visited
from tests.browser.states import generate, ready
from tests.filled import past_job
from tests.media.files import make
from tests.rig import RECORDS, make_clip, recorded
from tests.servers import Server

PROMPT = "A paper boat, 海, <b>bold</b>"
SQUARE = "1440×1440(1:1)"
NO_SETTINGS = Words().say("settings.no_settings")
NO_RECORD = Words().say("settings.no_record")
REFUSED = Words().say("drop.refused")
DROP = """async ([name, url]) => {
  const bytes = await (await fetch(url)).arrayBuffer();
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([bytes], name));
  const options = { dataTransfer, bubbles: true, cancelable: true };
  document.querySelector("#screen").dispatchEvent(new DragEvent("drop", options));
}"""


@pytest.fixture
def problems() -> Iterator[list[str]]:
    """What scripts stumbled over; nothing, after a test."""
    found: list[str] = []
    yield found
    assert found == []


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clips") / "clip.mp4")


@pytest.fixture(scope="module")
def labelled(clip: Path) -> Path:
    """A video as this program saves it."""
    job = past_job(42, "ann", prompt=PROMPT, aspect_ratio=SQUARE, frames=241)
    return recorded(Path(shutil.copyfile(clip, clip.with_name("labelled.mp4"))), RECORDS.of(job, job.created_at))


def choose(page: Page, file: Path | FilePayload) -> None:
    """Press the button, and choose the file."""
    with page.expect_file_chooser() as chooser:
        page.click("#settings-file")
    chooser.value.set_files(file)


def expect_form(page: Page, prompt: str, seed: str) -> None:
    expect(page.locator("#field-prompt textarea")).to_have_value(prompt)
    expect(page.locator("#field-seed input")).to_have_value(seed)


def test_downloaded_video_fills_the_form_of_another_visitor(
    context: BrowserContext, quick_page: Page, quick_server: Server, problems: list[str], tmp_path: Path
) -> None:
    """What was downloaded here carries its settings, the seed that was drawn among them; elsewhere it fills the form."""
    generate(quick_page, "succeeded", PROMPT)
    ready(quick_page)
    seed = quick_page.locator("#facts [data-seed]").get_attribute("data-seed") or ""
    with quick_page.expect_download() as download:
        quick_page.click("#links a[download]")
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    assert f"-{seed}.mp4" in path.name
    context.clear_cookies()
    page = visited(context, quick_server, problems=problems)
    choose(page, path)
    expect_form(page, PROMPT, seed)
    expect(page.locator("#refusal")).to_be_hidden()
    expect(page.locator("#history .poster")).to_have_count(0)


def test_a_dropped_video_fills_the_form(quick_page: Page, labelled: Path) -> None:
    """Dropped anywhere on the page, it fills every field, and the browser does not leave the page."""
    quick_page.route("**/labelled.mp4", lambda route: route.fulfill(path=labelled, content_type="video/mp4"))
    quick_page.evaluate(DROP, ["labelled.mp4", "labelled.mp4"])
    expect_form(quick_page, PROMPT, "42")
    expect(quick_page.locator("#field-aspect_ratio input")).to_have_value("1:1 · 1440×1440")
    expect(quick_page.locator("#field-frames input:checked + span")).to_have_text("10 s")


@pytest.mark.parametrize("name", ["png", "jpeg", "mp3", "mov", "m4a"])
def test_a_dropped_picture_or_sound_fills_the_form(quick_page: Page, tmp_path: Path, name: str) -> None:
    """Any kind of file that contains a record fills the form."""
    job = past_job(42, "ann", prompt=PROMPT, aspect_ratio=SQUARE, frames=241)
    path = recorded(make(name, tmp_path / f"file.{name}"), RECORDS.of(job, job.created_at))
    quick_page.route(f"**/{path.name}", lambda route: route.fulfill(path=path))
    quick_page.evaluate(DROP, [path.name, path.name])
    expect_form(quick_page, PROMPT, "42")


def test_dropped_file_of_another_kind_is_refused(quick_page: Page) -> None:
    """The page shows one sentence, also to screen readers; the input stays, and nothing is uploaded."""
    quick_page.fill("#field-prompt textarea", "typed by hand")
    quick_page.on("request", lambda request: pytest.fail("an upload") if "/upload" in request.url else None)
    quick_page.route("**/some.zip", lambda route: route.fulfill(body="PK"))
    quick_page.evaluate(DROP, ["some.zip", "some.zip"])
    expect(quick_page.locator("#drop-cover")).to_have_text(REFUSED)
    expect(quick_page.locator("#said")).to_have_text(REFUSED)
    expect(quick_page.locator("#drop-cover")).to_have_count(0)
    expect(quick_page.locator("#field-prompt textarea")).to_have_value("typed by hand")


def test_file_without_settings_is_refused_and_the_form_is_unchanged(
    quick_page: Page, clip: Path, labelled: Path
) -> None:
    """Each file gets one sentence, and the input stays; a good file removes the sentence and fills the form."""
    quick_page.fill("#field-prompt textarea", "typed by hand")
    quick_page.fill("#field-seed input", "7")
    cut, page_of_html = clip.read_bytes()[:200], b"<script>window.pwned = 1</script>"
    for body, sentence in (
        (clip.read_bytes(), NO_SETTINGS),
        (cut, NO_SETTINGS),
    ):
        choose(quick_page, {"name": "some.mp4", "mimeType": "video/mp4", "buffer": body})
        expect(quick_page.locator("#refusal")).to_have_text(sentence)
        expect_form(quick_page, "typed by hand", "7")
    choose(quick_page, labelled)
    expect_form(quick_page, PROMPT, "42")
    expect(quick_page.locator("#refusal")).to_be_hidden()
    for body in (b"", page_of_html):  # refused while it is uploaded
        choose(quick_page, {"name": "no.mp4", "mimeType": "video/mp4", "buffer": body})
        expect(quick_page.locator(".toast-body").first).to_contain_text(NO_RECORD)
        quick_page.get_by_test_id("toast-close").first.click()
        expect_form(quick_page, PROMPT, "42")
    assert quick_page.evaluate("window.pwned") is None
