"""Links: settings that fill the form, and a shared video that shows nothing private."""

import re
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from dreamina_ui.jobs import Job, State
from tests.browser.past import known, visit, visited, with_past
from tests.filled import past_job
from tests.rig import RECORDS, recorded
from tests.servers import Server

PROMPT = "A kite & a <b>bold</b> wind, 100% 海"
SQUARE = "1440×1440(1:1)"
NOT_THERE = "There is no such video, or it is not yours."


@pytest.fixture
def problems() -> Iterator[list[str]]:
    """Script errors; a test ends without any."""
    found: list[str] = []
    yield found
    assert found == []


def expect_form(page: Page, *, prompt: str, ratio: str, length: str, seed: str) -> None:
    expect(page.locator("#field-prompt textarea")).to_have_value(prompt)
    expect(page.locator("#field-aspect_ratio input")).to_have_value(re.compile(f"^{ratio}"))
    expect(page.locator("#field-frames input:checked + span")).to_have_text(length)
    expect(page.locator("#field-seed input")).to_have_value(seed)


def test_a_link_fills_the_form_and_sends_nothing(
    context: BrowserContext, quick_server: Server, problems: list[str]
) -> None:
    """The link's prompt, ratio, length and seed fill the form, with any characters; no job is made."""
    query = urlencode({"prompt": PROMPT, "aspect_ratio": SQUARE, "frames": "241", "seed": "42"})
    page = visited(context, quick_server, f"?{query}", problems)
    expect_form(page, prompt=PROMPT, ratio="1:1", length="10 s", seed="42")
    expect(page.locator(".field-problem")).to_have_count(0)
    expect(page.locator("#history .poster")).to_have_count(0)
    expect(page.locator("#status .status")).to_have_count(0)


def test_invalid_value_in_a_link_is_reported_and_the_others_fill_the_form(
    context: BrowserContext, quick_server: Server, problems: list[str]
) -> None:
    """One sentence beside the field names the value; the field keeps its default, and the others are filled."""
    good = {"prompt": PROMPT, "aspect_ratio": SQUARE, "frames": "241", "seed": "42"}
    page = visited(context, quick_server, "?" + urlencode(good), problems)
    for field, value, sentence in (
        ("aspect_ratio", "7:5", "Aspect ratio: “7:5” is not one of"),
        ("frames", "500", "Length: “500” is not one of"),
        ("seed", "seven", "Seed: “seven” is not a whole number"),
    ):
        visit(page, quick_server, "?" + urlencode({**good, field: value}))
        expect(page.locator(f"#problem-{field}")).to_contain_text(
            f"The link contains a value that was left out. {sentence}"
        )
        expect(page.locator(".field-problem")).to_have_count(1)
        expect_form(
            page,
            prompt=PROMPT,
            ratio="16:9" if field == "aspect_ratio" else "1:1",
            length="5 s" if field == "frames" else "10 s",
            seed="-1" if field == "seed" else "42",
        )


def shared(context: BrowserContext, server: Server) -> Job:
    """A video of the browser's visitor, with its record inside."""
    [job] = with_past(server, [past_job(1, known(context, server), prompt=PROMPT)])
    recorded(server.data / "videos" / f"{job.share_id}.mp4", RECORDS.of(job, job.created_at))
    return job


def received(page: Page) -> dict[str, bytes]:
    """The whole answers that the page gets from now on, by address."""
    bodies: dict[str, bytes] = {}

    def take(route: Route) -> None:
        if "heartbeat" in route.request.url:
            route.continue_()  # a stream that lasts as long as the page, without job data
            return
        answer = route.fetch()
        bodies[route.request.url] = bodies.get(route.request.url, b"") + answer.body()
        route.fulfill(response=answer)

    page.route(lambda address: "/assets/" not in address, take)
    return bodies


def test_shared_link_shows_the_video_and_nothing_private(
    browser: Browser, context: BrowserContext, quick_server: Server, problems: list[str]
) -> None:
    """A visitor with the link sees the video and its facts, cannot change it, and never gets its job id."""
    job = shared(context, quick_server)
    stranger = browser.new_context()
    page = stranger.new_page()
    page.on("pageerror", lambda error: problems.append(str(error)))
    bodies = received(page)
    page.goto(f"{quick_server.address}/?video={job.share_id}")
    expect(page.locator("#status .shared")).to_contain_text("A shared video")
    page.wait_for_function("document.querySelector('#player video')?.readyState >= 2")
    expect(page.locator("#facts .stage-prompt")).to_have_text(PROMPT)
    expect(page.locator("#facts")).to_contain_text(str(job.payload["seed"]))
    for button in ("#delete", "#reuse", "#new-seed", "#cancel", "#uncertain", "#resume"):
        expect(page.locator(button)).to_be_hidden()
    expect(page.locator("#links a, #links button")).to_have_count(0)
    expect(page.locator("#history .poster")).to_have_count(0)

    # The file contains its request id and visitor id, to rebuild a lost database; with neither can anybody do anything.
    secrets = [job.job_id.encode(), str(job.request_id).encode(), job.visitor_id.encode()]
    assert not [secret for secret in secrets if secret in page.content().encode()]
    # Among the answers that are searched are those about the video: the one to the page's first event, and the file.
    told = [address for address, body in bodies.items() if job.share_id.encode() in body or ".mp4" in address]
    assert {"queue/data" in address for address in told} == {True, False}
    for address, body in bodies.items():
        found = [secret for secret in secrets if secret in body]
        assert not found or (".mp4" in address and job.job_id.encode() not in found), address
    page.unroute_all(behavior="wait")
    stranger.close()


def test_link_to_a_missing_video_shows_a_message(
    context: BrowserContext, quick_server: Server, problems: list[str]
) -> None:
    """A video that never was, was deleted, or was not made: the same one sentence, and a page that works."""
    deleted = shared(context, quick_server)
    [failed] = with_past(quick_server, [past_job(2, deleted.visitor_id, State.FAILED, prompt=PROMPT)])
    page = visited(context, quick_server, problems=problems)
    page.check(f"#history [data-job='{deleted.job_id}'] [data-pick]")
    page.click("#history [data-do=delete]")
    expect(page.locator("#history .poster")).to_have_count(1)
    for share_id in ("0" * 32, "<script>window.pwned = 1</script>", deleted.share_id, failed.share_id):
        visit(page, quick_server, "?" + urlencode({"video": share_id}))
        expect(page.locator("#status .note")).to_have_text(NOT_THERE)
        expect(page.locator("#status p")).to_have_count(1)
        expect(page.locator("#player video")).to_be_hidden()
        expect(page.locator("#generate")).to_be_enabled()
        assert page.evaluate("window.pwned") is None
