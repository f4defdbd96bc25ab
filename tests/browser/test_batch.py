"""The batch in the browser: planned, sent, watched, paused, cancelled and downloaded."""

import re
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import KEY, calm_context, opened
from tests.browser.still_page import WORDS
from tests.servers import Server, SimulatorServer

PICTURE_MODEL, PICTURE_TITLE = "bytedance/dreamina-3-0/pro/image-to-video", "Dreamina 3.0 Pro, from a picture"
MANY = 15
"""One after the other, they take long enough for all clicks of the test."""


@pytest.fixture
def batch(shared_page: Page) -> Page:
    return shown(shared_page)


@pytest.fixture
def new_batch(quick_page: Page) -> Page:
    """As `batch`, on a page of its own."""
    return shown(quick_page)


@pytest.fixture(scope="module")
def narrow_server(tmp_path_factory: pytest.TempPathFactory, quick_service: SimulatorServer) -> Iterator[Server]:
    """A studio where a visitor may have one active job, so that a batch has to wait."""
    settings = {
        "RUNCOMFY_API_TOKEN": KEY,
        "RUNCOMFY_MODEL_API_BASE": quick_service.address,
        "DREAMINA_MAX_ACTIVE_PER_VISITOR": "1",
    }
    server = Server(tmp_path_factory.mktemp("narrow"), **settings)
    server.start()
    yield server
    server.stop()
    assert "Traceback" not in server.log


@pytest.fixture
def narrow(browser: Browser, narrow_server: Server) -> Iterator[Page]:
    context = calm_context(browser, viewport={"width": 1366, "height": 900})
    problems: list[str] = []
    yield shown(opened(context, narrow_server, problems))
    context.close()
    assert problems == []


def shown(page: Page) -> Page:
    page.get_by_role("tab", name="Batch").click()
    expect(page.locator("#batch-mode")).to_be_visible()
    return page


def rows(page: Page, state: str = "") -> Locator:
    return page.locator(f'#batch-table tr[data-job][data-state="{state}"]' if state else "#batch-table tr[data-job]")


def send(page: Page, lines: str, count: int) -> None:
    page.get_by_label(WORDS.say("batch.mode.lines")).check()
    page.fill("#batch-lines textarea", lines)
    expect(page.locator("#batch-plan")).to_contain_text(f"Videos: {count}")
    page.click("#batch-start")
    expect(rows(page)).to_have_count(count)


def with_table(page: Page, folder: Path, data: bytes, name: str = "batch.csv") -> None:
    page.get_by_label("A table (CSV)").check()
    earlier = page.locator("#batch-csv").get_by_label("Clear")
    if earlier.is_visible():
        earlier.click()
    path = folder / name
    path.write_bytes(data)
    page.locator("#batch-csv input[type=file]").set_input_files(path)


def test_batch_of_lines_makes_videos_and_a_zip(batch: Page, tmp_path: Path) -> None:
    """Count and cost come first; then the table shows the videos, survives a reload, opens one on the stage, and gives a zip."""
    expect(batch.locator("#batch-start")).to_be_disabled()
    batch.fill("#batch-lines textarea", "A red kite\n\nA blue sea\nSnow at night")
    expect(batch.locator("#batch-plan")).to_contain_text("Videos: 3")
    expect(batch.locator("#batch-plan")).to_contain_text("15 s in all")
    expect(batch.locator("#batch-start")).to_have_text("Generate 3 videos")
    expect(rows(batch)).to_have_count(0)
    batch.click("#batch-start")
    expect(rows(batch)).to_have_count(3)
    expect(batch.locator("#batch-start")).to_be_disabled()  # one more click does not send the same batch again

    batch.reload()
    shown(batch)
    expect(rows(batch, "succeeded")).to_have_count(3)
    expect(batch.locator("#batch-progress")).to_contain_text("3 of 3 ready")
    with batch.expect_download() as download:
        batch.click("#batch-zip")
    download.value.save_as(tmp_path / "all.zip")
    assert len(zipfile.ZipFile(tmp_path / "all.zip").namelist()) == 3
    expect(batch.locator("#history .poster img")).to_have_count(3)

    rows(batch).nth(1).locator("[data-open]").click()
    expect(batch.locator("#facts")).to_contain_text("A blue sea")
    expect(batch.locator("#player video")).to_be_visible()


def test_batch_with_an_invalid_line_is_not_sent(batch: Page, tmp_path: Path) -> None:
    """Problems are shown by line; the button is disabled until the table is correct."""
    with_table(batch, tmp_path, b"prompt,frames,seed\na boat,121,1\n,121,2\na kite,7,3\n")
    plan = batch.locator("#batch-plan")
    expect(plan).to_contain_text("Line 3: Prompt")
    expect(plan).to_contain_text("Line 4: Length: “7” is not one of")
    expect(batch.locator("#batch-start")).to_be_disabled()


BAD_TABLES = [
    (b"PK\x03\x04" + bytes(30), "save it as “CSV UTF-8”"),
    (b"prompt\n" + b"a boat\n" * 10_000, "10,000 videos are too many"),
    (b"prompt\n" + b"<img src=x onerror='window.pwned=1'>" * 40 + b"\n", "characters, at most 800"),
]


def test_a_bad_table_gets_one_sentence(batch: Page, tmp_path: Path) -> None:
    """Another kind of file, 10,000 lines and markup get one sentence each, one after the other, and no markup runs."""
    for data, words in BAD_TABLES:
        with_table(batch, tmp_path, data)
        expect(batch.locator("#batch-plan")).to_contain_text(words)
        expect(batch.locator("#batch-plan li")).to_have_count(1)
        expect(batch.locator("#batch-start")).to_be_disabled()
        assert batch.evaluate("window.pwned") is None


def test_ambiguous_table_needs_a_confirmation(batch: Page, tmp_path: Path) -> None:
    """The page shows how it would read letters and columns; nothing can be sent before one click confirms each."""
    with_table(batch, tmp_path, "id;Positive Prompt\n1;Straße in Köln\n2;Café\n".encode("cp1252"))
    plan = batch.locator("#batch-plan")
    expect(plan.locator("[data-agree]").first).to_contain_text("Straße Köln Café")
    expect(batch.locator("#batch-start")).to_be_disabled()
    plan.locator("[data-agree]").first.click()
    expect(plan).to_contain_text(
        "“Positive Prompt” is used as “Prompt”. Left out, because the model has no such columns: id."
    )
    expect(plan.locator("[data-agree]")).to_have_count(1)
    expect(batch.locator("#batch-start")).to_be_disabled()
    plan.locator("[data-agree]").click()
    expect(plan.locator("tbody tr")).to_have_count(2)
    expect(plan).to_contain_text("Straße in Köln")
    expect(batch.locator("#batch-start")).to_be_enabled()


def test_an_address_for_news(batch: Page, quick_server: Server) -> None:
    """It is out of sight until it is wanted; with a bad one nothing can be sent; a good one goes with the batch."""
    batch.get_by_label(WORDS.say("batch.mode.lines")).check()
    batch.fill("#batch-lines textarea", "A red boat")
    start, field = batch.locator("#batch-start"), batch.locator("#batch-webhook input, #batch-webhook textarea")
    expect(start).to_be_enabled()
    expect(field).to_be_hidden()
    batch.get_by_role("button", name=WORDS.say("batch.more")).click()
    field.fill("https://127.0.0.1/admin")
    expect(batch.locator("#batch-refusal")).to_contain_text("an address of this machine or its network is told nothing")
    expect(start).to_be_disabled()
    field.fill("https://hooks.example/ann")  # a name that nobody can have
    expect(batch.locator("#batch-webhook-key code")).to_contain_text("whsec_")
    expect(batch.locator("#batch-refusal")).to_be_hidden()
    start.click()
    expect(batch.locator("#batch-table tr[data-job]", has_text="A red boat")).to_be_visible()
    with closing(sqlite3.connect(quick_server.data / "dreamina.sqlite3")) as connection:
        assert connection.execute("SELECT url, language FROM batch_addresses").fetchall() == [
            ("https://hooks.example/ann", "en")
        ]
    field.fill("")
    expect(batch.locator("#batch-webhook-key")).to_be_hidden()


def test_sweep_makes_every_combination(new_batch: Page) -> None:
    """An empty form shows no problem, and there is nothing to send. Two ratios, one length and three seeds are six videos, each
    in a row of the plan."""
    new_batch.get_by_label("One prompt, many settings").check()
    expect(new_batch.locator("#batch-prompt")).to_be_visible()
    new_batch.locator("#batch-aspect_ratio").get_by_label("16:9").check()
    expect(new_batch.locator("#batch-plan .batch-empty")).to_be_visible()
    expect(new_batch.locator(".batch-problems")).to_have_count(0)
    expect(new_batch.locator("#batch-start")).to_be_disabled()
    new_batch.fill("#batch-prompt textarea", "A fox in the forest")
    new_batch.locator("#batch-aspect_ratio").get_by_label("1:1 ").check()
    new_batch.fill("#batch-seeds textarea, #batch-seeds input", "1, 2, 3")
    expect(new_batch.locator("#batch-plan")).to_contain_text("Videos: 6")
    expect(new_batch.locator("#batch-plan tbody tr")).to_have_count(6)


def test_batch_that_is_already_sent_can_be_cancelled_but_not_paused(
    new_batch: Page, quick_service: SimulatorServer
) -> None:
    """Two videos that are sent at once have the same buttons: Pause says that it is too late, Cancel cancels them, and no
    button moves under the pointer."""
    quick_service.control("faults", KEY, {"on": "submit", "kind": "slow", "delay_s": 6, "times": 2})
    send(new_batch, "A red kite\nA blue sea", 2)
    expect(rows(new_batch, "submitting")).to_have_count(2)
    new_batch.click("#batch-pause")
    expect(new_batch.locator("#batch-trouble")).to_contain_text("cannot be paused")
    box = new_batch.locator("#batch-cancel").bounding_box()
    assert box is not None
    at = [box["x"] + box["width"] / 2, box["y"] + box["height"] / 2]
    new_batch.mouse.click(*at)
    under = "([x, y]) => document.elementFromPoint(x, y).closest('button, a, input')?.id ?? ''"
    expect(new_batch.locator("#batch-cancel")).to_be_disabled()
    assert new_batch.evaluate(under, at) == "batch-cancel"
    expect(rows(new_batch, "cancelled")).to_have_count(2)
    expect(new_batch.locator("#batch-trouble")).to_be_hidden()
    assert new_batch.evaluate(under, at) == "batch-cancel"


def test_pause_continue_and_cancel_the_rest(narrow: Page) -> None:
    """Paused jobs are not sent until the batch continues, and cancelled ones cost nothing."""
    send(narrow, "\n".join(f"number {number}" for number in range(MANY)), MANY)
    narrow.click("#batch-pause")
    expect(rows(narrow, "paused").first).to_be_visible()
    expect(narrow.locator("#batch-progress")).to_contain_text("paused")
    narrow.click("#batch-continue")
    expect(rows(narrow, "paused")).to_have_count(0)
    expect(rows(narrow, "succeeded").first).to_be_visible()
    narrow.click("#batch-cancel")
    expect(rows(narrow, "cancelled").first).to_be_visible()
    expect(narrow.locator("#batch-cancel")).to_be_disabled()
    expect(rows(narrow, "waiting")).to_have_count(0)


DROP = """async (names) => {
    const transfer = new DataTransfer();
    for (const [number, name] of names.entries()) {
        const canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 400 + number });
        canvas.getContext("2d").fillRect(0, 0, 100, 100);
        transfer.items.add(new File([await new Promise((done) => canvas.toBlob(done))], name, { type: "image/png" }));
    }
    const dropped = new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer: transfer });
    document.querySelector("#batch-media-table_files").dispatchEvent(dropped);
}"""


def test_a_table_and_a_sweep_of_two_models(new_batch: Page, tmp_path: Path) -> None:
    """Each row is of the model that it names, a picture is named by its file; a sweep makes one prompt with each model, and
    what a model does not take is said before anything is sent. Each row keeps its model over a reload."""
    page, plan = new_batch, new_batch.locator("#batch-plan")
    with_table(page, tmp_path, f"model,prompt\n{PICTURE_MODEL},A fox\nnobody,A boat\n".encode())
    expect(plan.locator("li")).to_have_text(re.compile("^Line 3: Model: “nobody” is not one of "))
    page.evaluate(DROP, ["fox.png", "owl.png", "elk.png"])
    files = page.locator("#batch-field-table_files textarea")
    expect(files).to_have_value(re.compile(r"^upload:fox\.png#\w+\nupload:owl\.png#\w+\nupload:elk\.png#\w+$"))
    with_table(page, tmp_path, f"Model;Prompt;image_urls\n;A boat;\n{PICTURE_TITLE.upper()};A fox;fox.png\n".encode())
    expect(plan.locator("tbody tr")).to_have_count(2)
    expect(plan).to_contain_text(f"1 with {PICTURE_TITLE}")
    page.click("#batch-start")
    expect(rows(page, "succeeded")).to_have_count(2)
    expect(rows(page).nth(1)).to_contain_text(PICTURE_TITLE)

    page.reload()
    shown(page)
    expect(rows(page, "succeeded")).to_have_count(2)
    expect(rows(page).nth(1)).to_contain_text(PICTURE_TITLE)
    expect(rows(page).nth(1)).to_contain_text("fox.png")
    expect(page.get_by_role("link", name="These settings as a table (CSV)")).to_be_visible()
    rows(page).nth(1).locator("[data-open]").click()
    page.get_by_role("button", name="Reuse settings").click()
    expect(page.locator("#field-image_urls textarea")).to_have_value(re.compile(r"^upload:fox\.png#"))
    expect(page.locator("#field-prompt textarea")).to_have_value("A fox")
    shown(page)

    page.get_by_label("One prompt, many settings").check()
    page.fill("#batch-prompt textarea", "A kite over a lake")
    page.locator("#batch-models").get_by_label("Dreamina 3.0 Pro", exact=True).check()
    expect(page.locator("#batch-field-image_urls")).to_be_hidden()
    page.locator("#batch-models").get_by_label(PICTURE_TITLE).check()
    expect(page.locator("#batch-field-image_urls")).to_be_visible()
    page.locator("#batch-aspect_ratio").get_by_label("1:1 ").check()
    page.fill("#batch-seeds input, #batch-seeds textarea", "7")
    expect(plan.locator("li")).to_have_text(f"{PICTURE_TITLE}: Picture: please fill this in.")
    picture = tmp_path / "fox.png"
    Image.new("RGB", (640, 400), (200, 90, 30)).save(picture)
    page.locator("#batch-media-image_urls input[type=file]").first.set_input_files(picture)
    expect(plan.locator("tbody tr")).to_have_count(2)
    expect(plan).to_contain_text(f"Not taken by {PICTURE_TITLE}: Aspect ratio (1:1 · 1440×1440).")
    expect(page.locator("#batch-start")).to_have_text("Generate 2 videos")
    page.click("#batch-start")
    expect(rows(page)).to_have_count(2)
    expect(rows(page).first).to_contain_text("A kite over a lake")
    expect(rows(page, "succeeded")).to_have_count(2)
    expect(rows(page).nth(1)).to_contain_text(PICTURE_TITLE)
