"""A vote before an audience, from the selection to the result, with a restart in the middle."""

import csv
import io
import re
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from dreamina_ui.jobs import Job
from tests.browser.axe import EVERYTHING, WITH_MEDIA, violations
from tests.browser.conftest import calm_context
from tests.browser.past import known, visited, with_past
from tests.filled import past_job
from tests.servers import Server

PROMPTS = ["a red boat", "=a blue <b>boat</b>", "a green boat"]


@pytest.fixture(scope="module")
def hall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A studio of this file's own, which a test stops and starts again."""
    server = Server(tmp_path_factory.mktemp("hall"))
    server.start()
    yield server
    server.stop()
    assert "Traceback" not in server.log


@pytest.fixture(scope="module")
def presenter(browser: Browser, hall: Server) -> Iterator[tuple[Page, list[Job]]]:
    context = calm_context(browser, viewport={"width": 1366, "height": 900})
    visitor_id = known(context, hall)
    jobs = [past_job(number, visitor_id, prompt=prompt) for number, prompt in enumerate(PROMPTS)]
    with_past(hall, jobs)
    yield visited(context, hall), jobs
    context.close()


@pytest.fixture
def made(presenter: tuple[Page, list[Job]]) -> Iterator[tuple[Page, list[Job]]]:
    """The presenter's page with three finished videos, none of them selected, and the jobs."""
    page, _ = presenter
    yield presenter
    for tally in page.context.pages[1:]:
        tally.close()
    page.locator("[data-do=unpick]").click()


def opened(page: Page, jobs: list[Job], *, ranked: bool = False, title: str = "Which one?") -> tuple[Page, str]:
    """Open a vote from the selection; the presenter's page, and the vote's path."""
    for job in jobs:
        page.check(f"[data-job='{job.job_id}'] [data-pick]")
    page.click("[data-more]")
    with page.context.expect_page() as new:
        page.get_by_role("button", name="Vote", exact=True).click()
    tally = new.value
    tally.get_by_label("Question").fill(title)
    if ranked:
        tally.get_by_label("Rank all").check()
    tally.get_by_role("button", name="Open the vote").click()
    tally.wait_for_url("**/tally")
    return tally, re.findall(r"vote/[A-Z2-9]{8}", tally.url)[0]


def voter(browser: Browser, server: Server, path: str, language: str = "en") -> Page:
    context = calm_context(browser, viewport={"width": 390, "height": 844}, locale=language)
    page = context.new_page()
    page.goto(f"{server.address}/{path}")
    return page


def test_three_vote_and_the_result_is_shown(browser: Browser, made: tuple[Page, list[Job]], hall: Server) -> None:
    """Without names, settings or order until the end; changed votes count once; the tally lives, and outlives a restart."""
    page, jobs = made
    tally, path = opened(page, jobs)
    code = path.removeprefix("vote/")
    expect(tally.locator(".code")).to_have_text(f"{code[:4]} {code[4:]}")
    expect(tally.locator(".qr svg")).to_be_visible()
    expect(tally.locator("[data-voters]")).to_have_text("Voters so far: 0")
    voters = [voter(browser, hall, path, language) for language in ("en", "de", "en")]
    for each in (tally, *voters):
        assert violations(each, WITH_MEDIA if each is voters[0] else EVERYTHING) == []
        assert not re.search("boat|1920|job_id|Seed", each.content())
    for each, job in zip(voters, (jobs[1], jobs[0], jobs[1]), strict=True):
        each.locator(f"input[value='{job.share_id}']").check()
        each.locator("form button").click()
        expect(each.locator(".note")).to_have_text(re.compile("is counted|ist gezählt"))
    expect(tally.locator("[data-voters]")).to_have_text("Voters so far: 3")
    points = tally.locator(f"[data-place='{jobs[1].share_id}'] [data-points]")
    expect(points).to_have_text("2")

    hall.stop()
    hall.start()
    voters[1].goto(f"{hall.address}/{path}")
    assert voters[1].locator("input:checked").get_attribute("value") == jobs[0].share_id
    voters[1].locator(f"input[value='{jobs[1].share_id}']").check()
    voters[1].locator("form button").click()
    tally.goto(f"{hall.address}/{path}/tally")
    expect(points).to_have_text("3")
    expect(tally.locator("[data-voters]")).to_have_text("Voters so far: 3")

    table = tally.context.request.get(f"{hall.address}/{path}/votes.csv").text()
    rows = list(csv.DictReader(io.StringIO(table.removeprefix("\ufeff"))))
    assert [(row["candidate"], row["prompt"]) for row in rows] == [("2", "'=a blue <b>boat</b>")] * 3

    tally.get_by_role("button", name="Close the vote").click()
    voters[0].goto(f"{hall.address}/{path}")
    expect(voters[0].locator(".note")).to_have_text("The vote is closed. Voters: 3.")
    expect(voters[0].locator(".tally > li").first).to_contain_text("=a blue <b>boat</b>")
    expect(voters[0].locator(".tally > li").first).to_contain_text("1920")
    assert violations(voters[0]) == []
    assert violations(tally) == []

    tally.get_by_role("button", name="Open the vote again").click()
    expect(tally.get_by_role("button", name="Close the vote")).to_be_visible()
    tally.get_by_text("Delete the vote").first.click()
    tally.get_by_role("button", name="Delete the vote").click()
    tally.wait_for_url("**/vote")
    assert voters[0].request.get(f"{hall.address}/{path}").status == 404
    for each in voters:
        each.context.close()


def test_videos_are_ranked_by_keyboard(browser: Browser, made: tuple[Page, list[Job]], hall: Server) -> None:
    """Each place once: two equal ones are told, and nothing is counted."""
    page, jobs = made
    tally, path = opened(page, jobs[:2], ranked=True, title="")
    each = voter(browser, hall, path)
    places = each.get_by_label("Place")
    for index in range(2):
        places.nth(index).select_option("1")
    places.last.focus()
    each.keyboard.press("Tab")
    each.keyboard.press("Enter")
    expect(each.locator(".note")).to_contain_text("This is no choice")
    each.goto(f"{hall.address}/{path}")
    first = places.first.get_attribute("name")
    for index in range(2):
        places.nth(index).focus()
        each.keyboard.type(str(index + 1))
    each.keyboard.press("Tab")
    each.keyboard.press("Enter")
    expect(each.locator(".note")).to_contain_text("is counted")
    expect(tally.locator(f"[data-place='{str(first).removeprefix('rank-')}'] [data-points]")).to_have_text("1")
    assert violations(each) == []
    each.context.close()


def test_strangers_read_and_change_nothing(browser: Browser, made: tuple[Page, list[Job]], hall: Server) -> None:
    """Who is not the presenter, has no cookie, comes from another page, guesses, or sends what is no form."""
    page, jobs = made
    _, path = opened(page, jobs)
    address = f"{hall.address}/{path}"
    with httpx.Client(trust_env=False) as stranger:
        bare = httpx.post(address, data={"choice": jobs[0].share_id}, trust_env=False)
        assert (bare.status_code, "keeps no cookie" in bare.text) == (403, True)
        stranger.get(address)
        for part in ("tally", "votes.csv"):
            assert stranger.get(f"{address}/{part}").status_code == 404
        for act in ("close", "reopen", "delete", "nothing"):
            assert stranger.post(f"{address}/{act}").status_code == 404
        assert stranger.get(f"{address}/counts").json() == {"open": True}
        elsewhere = stranger.post(
            address, data={"choice": jobs[0].share_id}, headers={"Origin": "https://elsewhere.example"}
        )
        assert elsewhere.status_code == 403
        for body in (b"", b"choice=", b"\xff\xfe", b"choice=x&" * 500, b"choice=" + b"x" * 20_000):
            assert stranger.post(address, content=body).status_code == 400
        assert stranger.get(f"{hall.address}/vote/AAAAAAAA").status_code == 404
        assert "Your votes" in stranger.get(f"{hall.address}/vote").text
        assert path not in stranger.get(f"{hall.address}/vote").text
    answer = page.context.request.get(f"{address}/counts").json()
    assert (answer["open"], answer["voters"], set(answer["points"].values())) == (True, "Voters so far: 0", {0})


def test_pages_of_a_vote_fit_any_screen(browser: Browser, made: tuple[Page, list[Job]], hall: Server) -> None:
    """Nothing is cut off at the side, on a phone and on a projector, in the light and in the dark."""
    page, jobs = made
    tally, path = opened(page, jobs, title="W" * 120)
    each = voter(browser, hall, path, "de")
    for shown, widths in ((tally, (1280, 3840)), (each, (320, 390))):
        for width in widths:
            shown.set_viewport_size({"width": width, "height": 900})
            assert shown.evaluate("document.documentElement.scrollWidth <= innerWidth")
    each.emulate_media(color_scheme="dark")
    assert violations(each) == []
    each.context.close()
