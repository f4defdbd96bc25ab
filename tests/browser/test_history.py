"""The history in the running app: search, filters, pages, delete and undo, zip and comparison."""

import io
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import av
import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, BrowserContext, Page, expect

from dreamina_ui.jobs import Job, State
from dreamina_ui.media.examine import examine
from dreamina_ui.media.kinds import MP4
from dreamina_ui.media.record import file_name
from dreamina_ui.storage.database import Database
from dreamina_ui.storage.job_rows import jobs as table
from tests.browser.conftest import shared_context
from tests.browser.past import known, posters, search_for, visited, with_past
from tests.browser.states import generate, status_fixed
from tests.chromium import Chromium
from tests.filled import past_job
from tests.servers import Server, SimulatorServer

SQUARE, WIDE = "1440×1440(1:1)", "1920×1088(16:9)"
VIDEOS = "[...document.querySelectorAll('dialog.compare video')]"


@pytest.fixture
def problems() -> Iterator[list[str]]:
    """Script errors; a test ends without any."""
    found: list[str] = []
    yield found
    assert found == []


def deleted(server: Server, jobs: Sequence[Job]) -> list[bool]:
    """Whether the rows of these jobs are marked as deleted."""
    query = sa.select(table.c.job_id, table.c.deleted_at).where(table.c.job_id.in_([job.job_id for job in jobs]))
    with closing(Database(f"sqlite:///{server.data / 'dreamina.sqlite3'}")) as database:
        found = database.transact(lambda connection: connection.execute(query).all())
    return [row.deleted_at is not None for job in jobs for row in found if row.job_id == job.job_id]


def statuses(page: Page, server: Server, jobs: Sequence[Job]) -> list[int]:
    """The status of a download of each video."""
    return [page.request.get(f"{server.address}/dreamina/video/{job.share_id}").status for job in jobs]


def pick(page: Page, *jobs: Job) -> None:
    for job in jobs:
        page.check(f"#history [data-job='{job.job_id}'] [data-pick]")


def test_search_and_filters_combine(context: BrowserContext, quick_server: Server, problems: list[str]) -> None:
    """Words of the prompt in any order and case, state, ratio and length, each by itself and together, and back."""
    visitor_id = known(context, quick_server)
    prompts = ["The sea at night", "A calm SEA by day", "A forest at night", "The sea of clouds"]
    states = [State.SUCCEEDED, State.SUCCEEDED, State.SUCCEEDED, State.FAILED]
    ratios, lengths = [WIDE, SQUARE, SQUARE, WIDE], [121, 241, 121, 121]
    with_past(
        quick_server,
        [
            past_job(number, visitor_id, state, prompt=prompt, aspect_ratio=ratio, frames=frames)
            for number, (prompt, state, ratio, frames) in enumerate(zip(prompts, states, ratios, lengths, strict=True))
        ],
    )
    page = visited(context, quick_server, problems=problems)
    shown = page.locator("#history .poster-prompt")

    def choose(label: str, option: str) -> None:
        page.locator(".filters").get_by_label(label).click()
        page.get_by_role("listbox").get_by_role("option", name=option, exact=True).click()
        expect(page.locator("li[role=option]")).to_have_count(
            0
        )  # a list fades away, and the next one may be open by then

    expect(shown).to_have_text(prompts[::-1])
    search_for(page, "night THE")
    expect(shown).to_have_text(["The sea at night"])
    search_for(page, "sea")
    expect(shown).to_have_text(["The sea of clouds", "A calm SEA by day", "The sea at night"])
    choose("Status", "Ready")
    expect(shown).to_have_text(["A calm SEA by day", "The sea at night"])
    choose("Length", "10 s")
    expect(shown).to_have_text(["A calm SEA by day"])
    choose("Aspect ratio", "16:9 · 1920×1088")
    expect(page.locator("#history .history-empty")).to_have_text("No video matches this search.")
    choose("Length", "all")
    expect(shown).to_have_text(["The sea at night"])
    choose("Status", "Failed")
    expect(shown).to_have_text(["The sea of clouds"])
    expect(page.locator("#history .poster-state")).to_have_text(["Failed"])


def test_history_has_pages_of_24(context: BrowserContext, quick_server: Server, problems: list[str]) -> None:
    """Sixty videos are three pages with their place; at the ends a button is disabled, and a search begins at the newest."""
    visitor_id = known(context, quick_server)
    with_past(quick_server, [past_job(number, visitor_id, prompt=f"Boat number {number}") for number in range(60)])
    page = visited(context, quick_server, problems=problems)
    place, first = page.locator("#page-place"), page.locator("#history .poster-prompt").first
    expect(posters(page)).to_have_count(24)
    expect(place).to_have_text("1–24 of 60")
    expect(page.locator("#newer")).to_be_disabled()
    page.click("#older")
    expect(place).to_have_text("25–48 of 60")
    expect(first).to_have_text("Boat number 35")
    page.click("#older")
    expect(place).to_have_text("49–60 of 60")
    expect(posters(page)).to_have_count(12)
    expect(page.locator("#older")).to_be_disabled()
    page.click("#newer")
    expect(place).to_have_text("25–48 of 60")
    search_for(page, "boat")
    expect(place).to_have_text("1–24 of 60")
    expect(first).to_have_text("Boat number 59")
    search_for(page, "number 7")
    expect(posters(page)).to_have_count(6)  # 7, 17, 27 …
    expect(page.locator("#older")).to_be_hidden()


PROMPTS = ["Ein Büro & <b>bei</b> Nacht", "海の灯台", "A boat", "A boat", "A boat that sank"]


@pytest.fixture(scope="module")
def past(chromium: Chromium, browser: Browser, quick_server: Server) -> Iterator[tuple[Page, Sequence[Job], list[str]]]:
    """The page of one visitor for the tests below, with a job of each prompt; the last one failed."""
    states = [*[State.SUCCEEDED] * 4, State.FAILED]
    lengths = [121, 121, 121, 241, 121]
    with shared_context(chromium, "playing files") as context:
        visitor_id, problems = known(context, quick_server), list[str]()
        jobs = [
            past_job(number, visitor_id, state, prompt=prompt, frames=frames)
            for number, (prompt, state, frames) in enumerate(zip(PROMPTS, states, lengths, strict=True))
        ]
        with_past(quick_server, jobs)
        yield visited(context, quick_server, problems=problems), jobs, problems


@pytest.fixture
def past_page(past: tuple[Page, Sequence[Job], list[str]]) -> Iterator[Page]:
    """The page of `past`, with nothing selected."""
    page, _, problems = past
    unpick = page.locator("#history [data-do=unpick]")
    if unpick.is_visible():
        unpick.click()
    yield page
    assert problems == []


@pytest.fixture
def jobs(past: tuple[Page, Sequence[Job], list[str]]) -> Sequence[Job]:
    return past[1]


def test_selected_videos_are_deleted_and_restored(past_page: Page, jobs: Sequence[Job], quick_server: Server) -> None:
    """Two of the videos disappear from the page and from their links; files and rows stay, and undo restores both."""
    page, some = past_page, jobs[:3]
    pick(page, *jobs[:2])
    page.click("#history [data-do=delete]")
    page.hover("#history .undo-bar")  # it stays while the pointer is over it
    expect(page.locator("#history .poster-prompt")).to_have_text(PROMPTS[:1:-1])
    expect(page.locator(".undo-bar")).to_contain_text("2 deleted")
    assert deleted(quick_server, some) == [True, True, False]
    assert statuses(page, quick_server, some) == [404, 404, 200]
    assert all((quick_server.data / "videos" / f"{job.share_id}.mp4").exists() for job in some)
    page.click("#history [data-do=undo]")
    expect(page.locator("#history .poster-prompt")).to_have_text(PROMPTS[::-1])
    assert deleted(quick_server, some) == [False, False, False]
    assert statuses(page, quick_server, some) == [200, 200, 200]


def test_video_on_the_stage_is_deleted_and_restored(past_page: Page, jobs: Sequence[Job], quick_server: Server) -> None:
    """Delete clears the stage and removes the poster; undo restores the poster, and a click on it opens the video."""
    page = past_page
    opened = page.locator(f"#history [data-job='{jobs[0].job_id}'] [data-open]")
    opened.click()
    expect(page.locator("#facts .stage-prompt")).to_have_text(PROMPTS[0])
    page.click("#delete")
    page.hover("#history .undo-bar")
    expect(page.locator("#history .poster-prompt")).to_have_text(PROMPTS[:0:-1])
    expect(page.locator("#screen")).to_contain_text("Your video appears here")
    expect(page.locator("#player video")).to_be_hidden()
    expect(page.locator("#delete")).to_be_hidden()
    assert deleted(quick_server, jobs[:2]) == [True, False]
    page.click("#history [data-do=undo]")
    expect(posters(page)).to_have_count(len(PROMPTS))
    assert deleted(quick_server, jobs[:2]) == [False, False]
    opened.click()
    expect(page.locator("#player video")).to_be_visible()


def test_selected_videos_are_downloaded_as_zip(past_page: Page, jobs: Sequence[Job], tmp_path: Path) -> None:
    """The zip contains the selected videos, in the order of selection, with date, prompt and seed as names, and each plays."""
    page = past_page
    pick(page, jobs[1], jobs[0])
    with page.expect_download() as download:
        page.click("#history [data-do=zip]")
    path = tmp_path / "videos.zip"
    download.value.save_as(path)
    assert download.value.suggested_filename.endswith("-2.zip")
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [file_name(jobs[1]), file_name(jobs[0])]
        for name in archive.namelist():
            assert examine(Path(archive.extract(name, tmp_path)), MP4).duration_s == pytest.approx(2.0, abs=0.1)


def test_selected_videos_are_joined(past_page: Page, jobs: Sequence[Job], quick_server: Server, tmp_path: Path) -> None:
    """One MP4 in the order of selection; the bar says what was done, and a single video cannot be joined."""
    page, join = past_page, past_page.locator("#history [data-do=join]")
    pick(page, jobs[1])
    expect(join).to_be_disabled()
    pick(page, jobs[0])
    page.click("#history [data-more]")
    with page.expect_download() as download:
        join.click()
    assert download.value.suggested_filename.endswith("-joined-2.mp4")
    download.value.save_as(tmp_path / "joined.mp4")
    with av.open(str(tmp_path / "joined.mp4")) as container:
        assert container.streams.video[0].frames == 2 * frames_of(page, quick_server, jobs[0])
    expect(page.locator(".picked-count")).to_contain_text("Joined as they are, without encoding anew.")
    expect(join).to_be_enabled()


def test_a_video_is_exported_by_keyboard(past_page: Page, jobs: Sequence[Job]) -> None:
    """The dialog offers the player's time, says what is wrong and what was made, and gives the focus back."""
    page = past_page
    page.locator(f"#history [data-job='{jobs[2].job_id}'] .poster-open").click()
    page.wait_for_function("document.querySelector('#player video')?.currentTime > 0")
    page.focus("[data-export]")
    page.keyboard.press("Enter")
    dialog, said = page.locator("dialog.export"), page.locator("dialog.export [role=status]")
    expect(dialog.get_by_label("Format")).to_be_focused()
    expect(dialog.get_by_label("Width (pixels)")).to_be_hidden()
    assert page.evaluate("document.querySelector('#player video').paused")
    page.evaluate("document.querySelector('#player video').currentTime = 0.25")
    dialog.get_by_label("Format").select_option("gif")
    dialog.get_by_label("Width (pixels)").select_option("320")
    dialog.get_by_role("button", name="End (seconds): Time of the player").press("Enter")
    end = dialog.get_by_label("End (seconds)", exact=True)
    at = page.evaluate("document.querySelector('#player video').currentTime")
    assert float(end.input_value()) == pytest.approx(at, abs=0.01)
    end.fill("0.25")
    dialog.get_by_label("Start (seconds)", exact=True).fill("0.3")
    dialog.get_by_label("Start (seconds)", exact=True).press("Enter")
    expect(said).to_have_text("End: 0.25, but it must be more than 0.3.")
    dialog.get_by_label("Start (seconds)", exact=True).fill("0")
    with page.expect_download() as download:
        dialog.get_by_role("button", name="Make the file").press("Enter")
    expect(said).to_contain_text("GIF, ")
    expect(said.get_by_role("link", name="Download")).to_be_visible()
    assert download.value.suggested_filename.endswith("-0-0.25.gif")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(page.locator("[data-export]")).to_be_focused()


def frames_of(page: Page, server: Server, job: Job) -> int:
    reply = page.request.get(f"{server.address}/dreamina/video/{job.share_id}")
    with av.open(io.BytesIO(reply.body())) as container:
        return container.streams.video[0].frames


def test_two_videos_are_compared_in_sync(past_page: Page, jobs: Sequence[Job]) -> None:
    """Both play side by side, the slider moves both, and different settings are marked."""
    page = past_page
    pick(page, jobs[2])
    expect(page.locator("#history [data-do=compare]")).to_be_disabled()
    pick(page, jobs[3])
    page.click("#history [data-do=compare]")
    page.wait_for_function(f"{VIDEOS}.length === 2 && {VIDEOS}.every((video) => video.currentTime > 0.2)")
    page.locator("dialog.compare").get_by_role("button", name="Pause").click()
    page.locator(".playback-position").fill("1.5")
    page.wait_for_function(
        f"{VIDEOS}.every((video) => video.paused && !video.seeking && Math.abs(video.currentTime - 1.5) < 1 / 24)"
    )
    expect(page.locator("dialog.compare .differs")).to_have_text(["Length (differs)5 s10 s", "Seed (differs)23"])
    page.keyboard.press("Escape")
    expect(page.locator("dialog.compare")).to_have_count(0)


def test_history_shows_running_and_failed_jobs(past_page: Page, quick_service: SimulatorServer) -> None:
    """A running job shows its state and cannot be selected; a failed one shows its reason when opened."""
    page = past_page
    with status_fixed(quick_service, "in_progress"):
        generate(page, "in_progress", "A boat under way")
        running = posters(page).first
        expect(running).to_contain_text("A boat under way")
        expect(running.locator(".poster-state")).to_have_text("Rendering")
        expect(running.locator("[data-pick]")).to_have_count(0)
        expect(running.locator("img")).to_have_count(0)
        expect(posters(page).nth(1).locator(".poster-state")).to_have_text("Failed")
        posters(page).nth(1).locator("[data-open]").click()
        expect(page.locator("#screen")).to_contain_text("The video was not made. The service says: out of memory.")
        running.locator("[data-open]").click()
        expect(page.locator("#status [data-state=in_progress]")).to_be_visible()
    expect(running.locator(".poster-state")).not_to_have_text("Rendering")
    expect(running.locator("img")).to_have_count(1)
