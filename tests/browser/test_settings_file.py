"""A saved file that is chosen or dropped fills the form; any other changes nothing, and is answered in one sentence."""

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import FilePayload, Page, Request, expect

from dreamina_ui.wording import Words
from tests.browser.past import visit
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


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clips") / "clip.mp4")


@pytest.fixture(scope="module")
def labelled(clip: Path) -> Path:
    """A video as this program saves it, with its settings inside."""
    job = past_job(42, "ann", prompt=PROMPT, aspect_ratio=SQUARE, frames=241)
    return recorded(Path(shutil.copyfile(clip, clip.with_name("labelled.mp4"))), RECORDS.of(job, job.created_at))


def choose(page: Page, file: Path | FilePayload) -> None:
    """Press the button and choose the file."""
    with page.expect_file_chooser() as chooser:
        page.click("#settings-file")
    chooser.value.set_files(file)


def drop(page: Page, file: Path) -> None:
    """Drop the file on the page."""
    page.route(f"**/{file.name}", lambda route: route.fulfill(path=file), times=1)
    page.evaluate(DROP, [file.name, file.name])


def expect_form(page: Page, prompt: str, seed: str) -> None:
    expect(page.locator("#field-prompt textarea")).to_have_value(prompt)
    expect(page.locator("#field-seed input")).to_have_value(seed)


def test_downloaded_video_fills_the_form_of_another_visitor(
    shared_page: Page, quick_server: Server, tmp_path: Path
) -> None:
    """A downloaded video contains its settings and the seed that was drawn; they fill another visitor's form."""
    generate(shared_page, "succeeded", PROMPT)
    ready(shared_page)
    seed = shared_page.locator("#facts [data-seed]").get_attribute("data-seed") or ""
    with shared_page.expect_download() as download:
        shared_page.click("#links a[download]")
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    assert f"-{seed}.mp4" in path.name
    shared_page.context.clear_cookies()
    visit(shared_page, quick_server)
    expect(shared_page.locator("#field-prompt textarea")).not_to_have_value(PROMPT)
    choose(shared_page, path)
    expect_form(shared_page, PROMPT, seed)
    expect(shared_page.locator("#refusal")).to_be_hidden()
    expect(shared_page.locator("#history .poster")).to_have_count(0)


def test_a_dropped_video_fills_the_form(shared_page: Page, labelled: Path) -> None:
    """Dropped anywhere on the page, also a second time, it fills every field, and the browser does not leave the page."""
    drop(shared_page, labelled)
    expect_form(shared_page, PROMPT, "42")
    expect(shared_page.locator("#field-aspect_ratio input")).to_have_value("1:1 · 1440×1440")
    expect(shared_page.locator("#field-frames input:checked + span")).to_have_text("10 s")
    shared_page.fill("#field-prompt textarea", "changed by hand")
    drop(shared_page, labelled)
    expect_form(shared_page, PROMPT, "42")


def test_a_dropped_picture_or_sound_fills_the_form(shared_page: Page, tmp_path: Path) -> None:
    """Any kind of file that contains settings fills the form, also one after the other."""
    for seed, name in enumerate(("png", "jpeg", "mp3", "mov", "m4a")):
        job = past_job(seed, "ann", prompt=f"{PROMPT} in {name}", aspect_ratio=SQUARE, frames=241)
        drop(shared_page, recorded(make(name, tmp_path / f"file.{name}"), RECORDS.of(job, job.created_at)))
        expect_form(shared_page, f"{PROMPT} in {name}", str(seed))


def test_dropped_file_of_another_kind_is_refused(shared_page: Page, tmp_path: Path) -> None:
    """The page shows one sentence, also to screen readers; the input stays, and nothing is uploaded."""
    shared_page.fill("#field-prompt textarea", "typed by hand")
    addresses: list[str] = []

    def keep(request: Request) -> None:
        addresses.append(request.url)

    shared_page.on("request", keep)
    (tmp_path / "some.zip").write_bytes(b"PK")
    drop(shared_page, tmp_path / "some.zip")
    expect(shared_page.locator("#drop-cover")).to_have_text(REFUSED)
    expect(shared_page.locator("#said")).to_have_text(REFUSED)
    expect(shared_page.locator("#drop-cover")).to_have_count(0)
    expect(shared_page.locator("#field-prompt textarea")).to_have_value("typed by hand")
    shared_page.remove_listener("request", keep)
    assert not [address for address in addresses if "/upload" in address]


def test_file_without_settings_is_refused_and_the_form_is_unchanged(
    shared_page: Page, clip: Path, labelled: Path
) -> None:
    """Each file gets one sentence, and the input stays; a good file removes the sentence and fills the form."""
    shared_page.fill("#field-prompt textarea", "typed by hand")
    shared_page.fill("#field-seed input", "7")
    cut, page_of_html = clip.read_bytes()[:200], b"<script>window.pwned = 1</script>"
    for body, sentence in (
        (clip.read_bytes(), NO_SETTINGS),
        (cut, NO_SETTINGS),
    ):
        choose(shared_page, {"name": "some.mp4", "mimeType": "video/mp4", "buffer": body})
        expect(shared_page.locator("#refusal")).to_have_text(sentence)
        expect_form(shared_page, "typed by hand", "7")
    choose(shared_page, labelled)
    expect_form(shared_page, PROMPT, "42")
    expect(shared_page.locator("#refusal")).to_be_hidden()
    for body in (b"", page_of_html):  # refused while it is uploaded
        choose(shared_page, {"name": "no.mp4", "mimeType": "video/mp4", "buffer": body})
        expect(shared_page.locator(".toast-body").first).to_contain_text(NO_RECORD)
        shared_page.get_by_test_id("toast-close").first.click()
        expect_form(shared_page, PROMPT, "42")
    assert shared_page.evaluate("window.pwned") is None
