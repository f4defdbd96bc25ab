"""Brings the page into its states, one after the other, as a person does."""

import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

from dreamina_ui.jobs import Failure
from tests.browser.conftest import KEY
from tests.browser.past import known
from tests.filled import POSTER, past_job, write_kept
from tests.media.files import make
from tests.servers import Server, SimulatorServer

SENDING_S = 4.0
PROMPT = "A lighthouse over a stormy sea at golden hour, waves rolling in"


@contextmanager
def status_fixed(service: SimulatorServer, word: str) -> Iterator[None]:
    """Inside this context, the service answers `word` to every poll of a status."""
    service.control("faults", KEY, {"on": "status", "kind": "other_word", "word": word, "times": None})
    try:
        yield
    finally:
        no_faults(service)


def no_faults(service: SimulatorServer) -> None:
    """Remove all faults, also those of an earlier test."""
    address = service.address.removesuffix("/v1") + "/_simulator/faults"
    clear = urllib.request.Request(address, method="DELETE", headers={"Authorization": f"Bearer {KEY}"})
    urllib.request.urlopen(clear).close()


@contextmanager
def new_job(page: Page, state: str = "") -> Iterator[None]:
    """What is done inside this context makes a job; wait until it is in the history, and on the stage in this state, or in
    any: some last only a second."""
    shown = page.locator("#status .status")
    last = shown.get_attribute("data-job") if shown.count() else ""
    yield
    in_state = f"[data-state={state}]" if state else ""
    page.wait_for_selector(f"#status .status[data-job]{in_state}:not([data-job='{last}'])")
    expect(page.locator(f"#history [data-job='{shown.get_attribute('data-job')}']")).to_be_attached()


def reached(page: Page, state: str) -> None:
    expect(page.locator(f"#status [data-state={state}]")).to_be_visible()


def generate(page: Page, state: str, prompt: str = PROMPT) -> None:
    """Click, and wait until a new job is in this state."""
    with new_job(page, state):
        page.fill("#field-prompt textarea", prompt)
        page.click("#generate")


def ready(page: Page) -> None:
    """Wait until the player shows a picture and the history has its poster."""
    reached(page, "succeeded")
    page.wait_for_function("document.querySelector('#player video')?.readyState >= 2")
    # The browser does not load a picture that is far below the visible part.
    page.locator("#history .poster").first.scroll_into_view_if_needed()
    page.wait_for_function("document.querySelector('#history .poster img')?.naturalWidth > 0")
    page.evaluate("scrollTo(0, 0)")


def making(page: Page, service: SimulatorServer) -> Iterator[str]:
    """Empty, typed, refused, and one video from the queue to the player."""
    page.wait_for_function("document.querySelector('.examples img')?.naturalWidth > 0")
    yield "empty"
    page.fill("#field-prompt textarea", "A paper boat on a river")
    for chip in page.locator(".chip").all()[:3]:
        chip.click()
    expect(page.locator(".chip[aria-pressed=true]")).to_have_count(3)
    yield "typed"
    page.fill("#field-prompt textarea", "")
    page.click("#generate")
    expect(page.locator("#problem-prompt .field-problem")).to_be_visible()
    yield "field problem"
    with status_fixed(service, "in_queue"):
        generate(page, "in_queue")
        yield "queue"
    with status_fixed(service, "in_progress"):
        reached(page, "in_progress")
        yield "rendering"
    ready(page)
    yield "ready"
    page.click("[data-export]")
    page.select_option("dialog.export [name=as]", "gif")
    expect(page.locator("dialog.export [name=fps]")).to_be_visible()
    yield "export"
    page.keyboard.press("Escape")
    expect(page.locator("dialog.export")).to_have_count(0)


def ending(page: Page, service: SimulatorServer) -> Iterator[str]:
    """The ways in which a job ends without a video, and several videos from one click."""
    service.control("faults", KEY, {"on": "submit", "kind": "failed_result", "error": "out of memory"})
    generate(page, "failed")
    yield "failed"
    # Cancelled while it is being sent: the fault makes that last long enough; the queue would last only a second.
    service.control("faults", KEY, {"on": "submit", "kind": "slow", "delay_s": SENDING_S})
    generate(page, "submitting", "A harbour at night, neon glow")
    page.click("#cancel")
    reached(page, "cancelled")
    yield "cancelled"
    service.control("faults", KEY, {"on": "submit", "kind": "lose_answer"})
    generate(page, "uncertain")
    page.click("#adopt")
    expect(page.locator("#problem-request-id .field-problem")).to_be_visible()
    yield "uncertain"
    page.click("#dismiss")
    expect(page.locator("#dismiss")).to_be_hidden()
    page.locator("#variations label").nth(1).click()
    generate(page, "succeeded", "A fox in the snow, slow motion")
    expect(page.locator(".variation img")).to_have_count(2)
    ready(page)
    yield "variations"


def looking_back(page: Page) -> Iterator[str]:
    """The history's bars and dialogs; needs two videos in it."""
    boxes = page.locator("#history [data-video] [data-pick]")
    boxes.nth(0).check()
    yield "one picked"
    boxes.nth(1).check()
    page.click("[data-more]")
    expect(page.locator("[data-do=vote]")).to_be_visible()
    yield "two picked"
    page.click("[data-more]")
    page.click("[data-do=compare]")
    page.wait_for_function(
        "[...document.querySelectorAll('dialog.compare video')].every((video) => video.readyState >= 2)"
    )
    yield "compare"
    page.keyboard.press("Escape")
    videos = boxes.count()
    page.click("[data-do=delete]")
    page.hover(".undo-bar")  # it stays while the pointer is over it
    # Each answer replaces the whole list, so each step waits for the previous answer.
    expect(boxes).to_have_count(videos - 2)
    yield "undo"
    page.click("[data-do=undo]")
    expect(boxes).to_have_count(videos)
    search = page.locator("#history-search input, #history-search textarea")
    search.fill("no such video")
    search.press("Enter")
    expect(page.locator("#history .history-empty")).to_be_visible()
    yield "empty search"
    search.fill("")
    search.press("Enter")
    expect(page.locator("#history .poster").first).to_be_visible()
    page.locator("[data-keys]").click()
    expect(page.locator("#keys-sheet")).to_be_visible()
    yield "keys"
    page.keyboard.press("Escape")


def of_other_kinds(page: Page, server: Server, address: str) -> Iterator[str]:
    """A visitor with a sound, files that no browser shows, an undecodable video, and jobs without all files."""
    visitor_id = known(page.context, server)
    alone: dict[str, Any] = {"width": None, "height": None, "duration_s": None}
    part = Failure("not_all_saved", "HTTP 404", {"kept": 1, "count": 2, "missing": "2"})
    outputs = ("https://cdn.test/1.png?signature=" + "0123456789abcdef" * 20, "https://cdn.test/2.png")
    made: dict[str, tuple[dict[str, str], dict[str, Any]]] = {
        "sound": ({".mp3": "mp3"}, {**alone, "duration_s": 1.0}),
        "moving picture": ({".image.gif": "gif-animated", ".webp": ""}, {**alone, "width": 64, "height": 48}),
        "archive": ({".zip": "zip"}, alone),
        "video of an old kind": ({".avi": "avi", ".webp": ""}, {}),
        "undecodable": ({".mp4": "mp4-mpeg4", ".webp": "", "-2.mp3": "mp3", "-3.mp4": "mp4", "-3.webp": ""}, {}),
        "no file": ({}, {**alone, "remarks": (Failure("no_file_found", "a web page"),), "outputs": outputs}),
        "part missing": ({".image.png": "png", ".webp": ""}, {**alone, "remarks": (part,), "outputs": outputs}),
    }
    jobs = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, (state, (files, more)) in enumerate(made.items()):
            job = replace(past_job(number, visitor_id, prompt=f"What it is: {state}"), **more)
            paths = {
                end: make(name, Path(folder) / f"{number}{end}") if name else POSTER for end, name in files.items()
            }
            jobs[state] = write_kept(server.data, job, paths)
    page.goto(address)
    expect(page.locator("#history .poster")).to_have_count(len(made))
    yield "history of all kinds"
    for state, job in jobs.items():
        page.locator(f"#history [data-job='{job.job_id}'] [data-open]").click()
        expect(page.locator(f"#status .status[data-job='{job.job_id}']")).to_be_visible()
        if state == "undecodable":
            expect(page.locator("#undecodable .undecodable")).to_be_visible()
        yield state


def in_batch(page: Page, service: SimulatorServer) -> Iterator[str]:
    """The batch tab: its three modes, a plan of two models, a refusal, a plan, and the table."""
    page.locator("#tabs [role=tab]").nth(1).click()
    expect(page.locator("#batch-plan .batch-empty")).to_be_visible()
    yield "batch tab, empty"
    modes = page.locator("#batch-mode label")
    modes.nth(1).click()
    expect(page.locator("#batch-csv")).to_be_visible()
    yield "batch by table"
    modes.nth(2).click()
    expect(page.locator("#batch-prompt")).to_be_visible()
    yield "batch by settings"
    page.fill("#batch-prompt textarea", "A calm sea")
    for number in range(2):
        page.locator("#batch-models input").nth(number).check()
    page.locator("#batch-aspect_ratio input").nth(2).check()
    page.fill("#batch-field-image_urls textarea", "https://example.org/a-picture-of-the-sea.png")
    expect(page.locator("#batch-plan .batch-models li")).to_have_count(4)
    yield "batch of two models"
    page.fill("#batch-prompt textarea", "")
    modes.nth(0).click()
    lines = page.locator("#batch-lines textarea")
    lines.fill("A calm sea\n" + "x" * 801)
    expect(page.locator(".batch-problems li")).to_contain_text("801")
    yield "batch problems"
    lines.fill("A calm sea\nA harbour at night")
    expect(page.locator("#batch-plan tbody tr")).to_have_count(2)
    yield "batch preview"
    page.locator("#batch-more button").first.click()
    page.locator("#batch-webhook input, #batch-webhook textarea").fill("https://hooks.example.com/ann")
    expect(page.locator("#batch-webhook-key code")).to_be_visible()
    yield "batch, further settings"
    page.locator("#batch-webhook input, #batch-webhook textarea").fill("")
    expect(page.locator("#batch-webhook-key")).to_be_hidden()
    page.locator("#batch-more button").first.click()
    with status_fixed(service, "in_progress"):
        page.click("#batch-start")
        expect(page.locator("#batch-table tr[data-state=in_progress]")).to_have_count(2)
        yield "batch running"
    expect(page.locator("#batch-table tr[data-state=succeeded] img")).to_have_count(2)
    yield "batch ready"


def by_link(page: Page, address: str) -> Iterator[str]:
    """A shared video, and a link to a missing one. `address` ends with a query, to which parameters are added."""
    share = page.locator("#history [data-video]").first.get_attribute("data-share")
    page.goto(f"{address}&video={share}")
    page.wait_for_function("document.querySelector('#player video')?.readyState >= 2")
    yield "shared"
    page.goto(f"{address}&video=nosuchvideo")
    expect(page.locator("#status .note")).to_be_visible()
    yield "stage message"


def all_states(page: Page, service: SimulatorServer, address: str) -> Iterator[str]:
    """Every state of the page but those of other kinds of files; `page` has just been opened at this address."""
    no_faults(service)
    yield from making(page, service)
    yield from ending(page, service)
    yield from looking_back(page)
    yield from in_batch(page, service)
    yield from by_link(page, address)
