"""Files are shown by their kind, and a message says what cannot be shown."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from dreamina_ui.jobs import Failure, Job
from dreamina_ui.wording import Words
from tests.browser.conftest import KEY
from tests.browser.past import known, visited
from tests.browser.states import generate, no_faults, reached, ready
from tests.filled import POSTER, past_job, write_kept
from tests.media.files import make, movie
from tests.servers import Server, SimulatorServer

UNDECODABLE = Words().say("undecodable", kind="MP4")
ADDRESSES = ("https://cdn.test/1.png?sig=1", "javascript:alert(1)", "data:image/png;base64,iVBORw0KGgo=")


@pytest.fixture
def problems() -> Iterator[list[str]]:
    """Script errors; a test ends without any."""
    found: list[str] = []
    yield found
    assert found == []


def kept(server: Server, visitor_id: str, number: int, files: Mapping[str, str], folder: Path, **more: Any) -> Job:
    """A finished job whose files are of `tests.media.files`, by the ends of their names; one of no name has a poster."""
    job = replace(past_job(number, visitor_id, prompt=f"Number {number}"), **more)
    made = {end: make(name, folder / f"{number}{end}") if name else POSTER for end, name in files.items()}
    return write_kept(server.data, job, made)


def opened(page: Page, job: Job) -> None:
    page.locator(f"#history [data-job='{job.job_id}'] [data-open]").click()
    expect(page.locator(f"#status .status[data-job='{job.job_id}']")).to_be_visible()


def test_undecodable_video_shows_a_message_in_the_player(
    context: BrowserContext, quick_server: Server, problems: list[str], tmp_path: Path
) -> None:
    """In the player, whether the browser plays its sound or nothing of it; and not under a video that it shows."""
    visitor_id = known(context, quick_server)
    names = ("mp4-mpeg4", "mp4-av1")
    jobs = [kept(quick_server, visitor_id, at, {".mp4": name, ".webp": ""}, tmp_path) for at, name in enumerate(names)]
    movie(tmp_path / "heard.mp4", codec="mpeg4", options={}, sound_codec="aac", frames=20)
    heard = write_kept(
        quick_server.data,
        past_job(9, visitor_id, prompt="Only heard"),
        {".mp4": tmp_path / "heard.mp4", ".webp": POSTER},
    )
    page = visited(context, quick_server, problems=problems)
    sentence = page.locator("#undecodable .undecodable")
    for job, is_shown in ((jobs[0], False), (jobs[1], True), (heard, False)):
        opened(page, job)
        expect(page.locator("#player video")).to_be_visible()
        if is_shown:
            page.wait_for_function("document.querySelector('#player video').videoWidth > 0")
            expect(sentence).to_be_hidden()
            continue
        expect(sentence).to_contain_text(UNDECODABLE)
        expect(sentence).to_be_visible()
        with page.expect_download() as download:
            sentence.locator("a").click()
        assert download.value.path().read_bytes() == (quick_server.data / "videos" / f"{job.share_id}.mp4").read_bytes()


def test_undecodable_video_shows_a_message_in_comparison_and_list(
    context: BrowserContext, quick_server: Server, problems: list[str], tmp_path: Path
) -> None:
    """Under the one of two that cannot be shown; and under a further video, once it is played."""
    visitor_id = known(context, quick_server)
    kept(quick_server, visitor_id, 1, {".mp4": "mp4-mpeg4", ".webp": ""}, tmp_path)
    both = kept(
        quick_server, visitor_id, 2, {".mp4": "mp4", ".webp": "", "-2.mp4": "mp4-mpeg4", "-2.webp": ""}, tmp_path
    )
    page = visited(context, quick_server, problems=problems)
    for box in page.locator("#history [data-pick]").all():
        box.check()
    page.click("[data-do=compare]")
    sentences = page.locator("dialog.compare .undecodable")
    expect(sentences).to_have_count(2)
    expect(page.locator("dialog.compare .undecodable:visible")).to_have_count(1)
    expect(sentences.nth(1)).to_contain_text(UNDECODABLE)
    page.keyboard.press("Escape")
    opened(page, both)
    expect(page.locator("#output-2 .undecodable")).to_be_hidden()
    page.evaluate("document.querySelector('#output-2 video').play().catch(() => {})")
    expect(page.locator("#output-2 .undecodable")).to_be_visible()
    expect(page.locator("#undecodable .undecodable")).to_be_hidden()


def test_every_kind_of_file_is_shown(
    context: BrowserContext, quick_server: Server, problems: list[str], tmp_path: Path
) -> None:
    """The first video in the player, and each further file below it with a download; without a video, in its place."""
    visitor_id = known(context, quick_server)
    mixed = kept(
        quick_server,
        visitor_id,
        1,
        {
            ".webm": "webm-vp9",
            ".webp": "",
            "-2.image.gif": "gif-animated",
            "-3.mp3": "mp3",
            "-4.avi": "avi",
            "-5.zip": "zip",
        },
        tmp_path,
    )
    sound = kept(quick_server, visitor_id, 2, {".flac": "flac"}, tmp_path, width=None, height=None, duration_s=1.0)
    page = visited(context, quick_server, problems=problems)
    expect(page.locator("#history .poster .kind-sound")).to_have_count(1)
    opened(page, mixed)
    page.wait_for_function("document.querySelector('#player video')?.videoWidth > 0")
    expect(page.locator("#facts .outputs > li")).to_have_count(4)
    page.wait_for_function("document.querySelector('#facts .outputs img')?.naturalWidth > 0")
    page.wait_for_function("document.querySelector('#facts .outputs audio')?.duration > 0")
    expect(page.locator("#output-4")).to_contain_text("this browser cannot play it")
    for number in (2, 3, 4, 5):
        with page.expect_download() as download:
            page.locator(f"#output-{number} a.action").click()
        assert f"-{number}." in download.value.suggested_filename
    opened(page, sound)
    page.wait_for_function("document.querySelector('#screen .outputs audio')?.duration > 0")
    expect(page.locator("#player")).to_be_hidden()


def test_missing_poster_is_replaced_by_a_blank(
    context: BrowserContext, quick_server: Server, problems: list[str], tmp_path: Path
) -> None:
    """A blank with the kind of file replaces it, and still opens the video."""
    job = kept(quick_server, known(context, quick_server), 1, {".mp4": "mp4"}, tmp_path)
    page = visited(context, quick_server, problems=problems)
    expect(page.locator("#history .poster .poster-blank")).to_have_text("Video")
    expect(page.locator("#history .poster img")).to_have_count(0)
    opened(page, job)


def test_job_without_a_file_shows_the_addresses_of_its_result(
    context: BrowserContext, quick_server: Server, problems: list[str], tmp_path: Path
) -> None:
    """As text to copy, with the sentence in the video's place, and nothing that leads to a missing file."""
    remarks = (Failure("no_file_found", "a web page"),)
    job = kept(
        quick_server, known(context, quick_server), 1, {}, tmp_path, remarks=remarks, outputs=ADDRESSES, duration_s=None
    )
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = visited(context, quick_server, problems=problems)
    expect(page.locator("#history .poster.no-file .poster-state")).to_have_text("No file")
    opened(page, job)
    expect(page.locator("#screen .lead")).to_have_text("Finished without a file")
    expect(page.locator("#screen .note")).to_contain_text("a web page")
    expect(page.locator("#resume")).to_be_visible()
    expect(page.locator("#links a, #screen a")).to_have_count(0)
    page.click("[data-copy-addresses]")
    expect(page.locator("[data-copy-addresses]")).to_have_text("Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == "\n".join([*ADDRESSES[:2], "data:image/png,…"])
    page = visited(context, quick_server, f"?video={job.share_id}")
    expect(page.locator("#status .note")).to_be_visible()
    expect(page.locator(".addresses")).to_have_count(0)


@pytest.mark.timeout(180)
def test_resume_fetches_the_missing_file_of_the_same_job(quick_page: Page, quick_service: SimulatorServer) -> None:
    """The file could not be fetched; Resume fetches it for the same job, and the player shows it."""
    quick_service.control("faults", KEY, {"on": "output", "kind": "gone_output", "times": None})
    try:
        generate(quick_page, "succeeded")
        job = quick_page.locator("#status .status").get_attribute("data-job")
        expect(quick_page.locator("#screen .lead")).to_have_text("Finished without a file")
    finally:
        no_faults(quick_service)
    quick_page.click("#resume")
    ready(quick_page)
    reached(quick_page, "succeeded")
    assert quick_page.locator("#status .status").get_attribute("data-job") == job
    expect(quick_page.locator("#resume")).to_be_hidden()
    expect(quick_page.locator("#history .poster")).to_have_count(1)
