"""Files are shown by their kind, and a message says what cannot be shown."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from dreamina_ui.jobs import Failure, Job
from dreamina_ui.wording import Words
from tests.browser.conftest import KEY, shared_context
from tests.browser.past import known, visit, visited
from tests.browser.states import generate, no_faults, reached, ready
from tests.chromium import Chromium
from tests.filled import POSTER, past_job, write_kept
from tests.media.files import make, movie
from tests.servers import Server, SimulatorServer

UNDECODABLE = Words().say("undecodable", kind="MP4")
ADDRESSES = ("https://cdn.test/1.png?sig=1", "javascript:alert(1)", "data:image/png;base64,iVBORw0KGgo=")


ALONE = {"width": None, "height": None, "duration_s": 1.0}
NOTHING_FOUND = Failure("no_file_found", "a web page")
KEPT: Mapping[str, tuple[dict[str, str], dict[str, Any]]] = {
    "undecodable": ({".mp4": "mp4-mpeg4", ".webp": ""}, {}),
    "modern": ({".mp4": "mp4-av1", ".webp": ""}, {}),
    "two": ({".mp4": "mp4", ".webp": "", "-2.mp4": "mp4-mpeg4", "-2.webp": ""}, {}),
    "mixed": (
        {
            ".webm": "webm-vp9",
            ".webp": "",
            "-2.image.gif": "gif-animated",
            "-3.mp3": "mp3",
            "-4.avi": "avi",
            "-5.zip": "zip",
        },
        {},
    ),
    "sound": ({".flac": "flac"}, ALONE),
    "no poster": ({".mp4": "mp4"}, {}),
    "no file": ({}, {"remarks": (NOTHING_FOUND,), "outputs": ADDRESSES, "duration_s": None}),
}
"""Finished jobs: files of `tests.media.files` by the ends of their names, a poster where there is no name; and other values."""


@pytest.fixture(scope="module")
def visitor(
    chromium: Chromium, browser: Browser, quick_server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Page, dict[str, Job], list[str]]]:
    """The page of a visitor with the jobs of `KEPT`, and one whose video has a sound that the browser plays, and no picture."""
    folder, problems = tmp_path_factory.mktemp("kept"), list[str]()
    with shared_context(chromium, "files", reduced_motion="reduce") as context:
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        visitor_id, jobs = known(context, quick_server), {}
        for number, (name, (files, more)) in enumerate(KEPT.items()):
            job = replace(past_job(number, visitor_id, prompt=name), **more)
            made = {end: make(kind, folder / f"{number}{end}") if kind else POSTER for end, kind in files.items()}
            jobs[name] = write_kept(quick_server.data, job, made)
        movie(folder / "heard.mp4", codec="mpeg4", options={}, sound_codec="aac", frames=20)
        heard = past_job(len(KEPT), visitor_id, prompt="only heard")
        jobs["only heard"] = write_kept(quick_server.data, heard, {".mp4": folder / "heard.mp4", ".webp": POSTER})
        yield visited(context, quick_server, problems=problems), jobs, problems


@pytest.fixture
def page(visitor: tuple[Page, dict[str, Job], list[str]]) -> Iterator[Page]:
    page, _, problems = visitor
    yield page
    assert problems == []


@pytest.fixture
def jobs(visitor: tuple[Page, dict[str, Job], list[str]]) -> dict[str, Job]:
    return visitor[1]


def in_history(page: Page, job: Job) -> Locator:
    return page.locator(f"#history [data-job='{job.job_id}']")


def opened(page: Page, job: Job) -> None:
    in_history(page, job).locator("[data-open]").click()
    expect(page.locator(f"#status .status[data-job='{job.job_id}']")).to_be_visible()


def test_undecodable_video_shows_a_message_in_the_player(
    page: Page, jobs: dict[str, Job], quick_server: Server
) -> None:
    """Whether the browser plays its sound or nothing of it; and there is none under a video that the browser shows."""
    sentence = page.locator("#undecodable .undecodable")
    for name, is_shown in (("undecodable", False), ("modern", True), ("only heard", False)):
        job = jobs[name]
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


def test_undecodable_video_shows_a_message_in_comparison_and_list(page: Page, jobs: dict[str, Job]) -> None:
    """Under the one of two that cannot be shown; and under a further video, once it is played."""
    for name in ("two", "undecodable"):
        in_history(page, jobs[name]).locator("[data-pick]").check()
    page.click("[data-do=compare]")
    sentences = page.locator("dialog.compare .undecodable")
    expect(sentences).to_have_count(2)
    expect(page.locator("dialog.compare .undecodable:visible")).to_have_count(1)
    expect(sentences.nth(1)).to_contain_text(UNDECODABLE)
    page.keyboard.press("Escape")
    page.click("[data-do=unpick]")
    opened(page, jobs["two"])
    expect(page.locator("#output-2 .undecodable")).to_be_hidden()
    page.evaluate("document.querySelector('#output-2 video').play().catch(() => {})")
    expect(page.locator("#output-2 .undecodable")).to_be_visible()
    expect(page.locator("#undecodable .undecodable")).to_be_hidden()


def test_every_kind_of_file_is_shown(page: Page, jobs: dict[str, Job]) -> None:
    """The first video in the player, and each further file below it with a download; without a video, in its place."""
    expect(in_history(page, jobs["sound"]).locator(".kind-sound")).to_have_count(1)
    opened(page, jobs["mixed"])
    page.wait_for_function("document.querySelector('#player video')?.videoWidth > 0")
    expect(page.locator("#facts .outputs > li")).to_have_count(4)
    page.wait_for_function("document.querySelector('#facts .outputs img')?.naturalWidth > 0")
    page.wait_for_function("document.querySelector('#facts .outputs audio')?.duration > 0")
    expect(page.locator("#output-4")).to_contain_text("this browser cannot play it")
    for number in (2, 3, 4, 5):
        with page.expect_download() as download:
            page.locator(f"#output-{number} a.action").click()
        assert f"-{number}." in download.value.suggested_filename
    opened(page, jobs["sound"])
    page.wait_for_function("document.querySelector('#screen .outputs audio')?.duration > 0")
    expect(page.locator("#player")).to_be_hidden()


def test_missing_poster_is_replaced_by_a_blank(page: Page, jobs: dict[str, Job]) -> None:
    """A blank with the kind of file replaces it, and still opens the video."""
    poster = in_history(page, jobs["no poster"])
    poster.scroll_into_view_if_needed()  # a picture that is far away is not asked for
    expect(poster.locator(".poster-blank")).to_have_text("Video")
    expect(poster.locator("img")).to_have_count(0)
    opened(page, jobs["no poster"])


def test_job_without_a_file_shows_the_addresses_of_its_result(
    page: Page, jobs: dict[str, Job], quick_server: Server
) -> None:
    """As text to copy, with the sentence in the video's place, and nothing that leads to a missing file."""
    job = jobs["no file"]
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
    visit(page, quick_server, f"?video={job.share_id}")
    expect(page.locator("#status .note")).to_be_visible()
    expect(page.locator(".addresses")).to_have_count(0)


@pytest.mark.timeout(180)
def test_resume_fetches_the_missing_file_of_the_same_job(page: Page, quick_service: SimulatorServer) -> None:
    """The file could not be fetched; Resume fetches it for the same job, and the player shows it."""
    before = page.locator("#history .poster").count()
    quick_service.control("faults", KEY, {"on": "output", "kind": "gone_output", "times": None})
    try:
        generate(page, "succeeded")
        job = page.locator("#status .status").get_attribute("data-job")
        expect(page.locator("#screen .lead")).to_have_text("Finished without a file")
    finally:
        no_faults(quick_service)
    page.click("#resume")
    ready(page)
    reached(page, "succeeded")
    assert page.locator("#status .status").get_attribute("data-job") == job
    expect(page.locator("#resume")).to_be_hidden()
    expect(page.locator("#history .poster")).to_have_count(before + 1)
