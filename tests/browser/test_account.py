"""A visitor's own key in a real browser: it is entered, used, and found nowhere afterwards."""

from collections.abc import Iterator
from contextlib import suppress

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from playwright.sync_api import Browser, BrowserContext, Page, Response, expect

from tests.browser.conftest import KEY, opened
from tests.browser.states import status_fixed
from tests.servers import Server, SimulatorServer

WRONG = "rc-canary-wrong-0123456789"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, quick_service: SimulatorServer) -> Iterator[Server]:
    """A studio without a key of its own. The last test of this file stops it."""
    settings = {"DREAMINA_BACKEND": "runcomfy", "RUNCOMFY_MODEL_API_BASE": quick_service.address}
    server = Server(tmp_path_factory.mktemp("keyless"), **settings)
    server.start()
    yield server
    with suppress(ProcessLookupError):
        server.stop()


def paid(service: SimulatorServer) -> int:
    return len(service.control("ledger", KEY)["requests"])


def enter(page: Page, key: str) -> None:
    if not page.locator("#key input").is_visible():
        page.click("#own-key > button")
    page.fill("#key input", key)
    page.click("#key-save")


def test_a_visitor_cannot_use_another_visitors_key(browser: Browser, context: BrowserContext, server: Server) -> None:
    """A visitor's key makes no video for another visitor, who does not see that there is one."""
    page = opened(context, server, [])
    enter(page, KEY)
    expect(page.locator("#key-told")).to_contain_text("Your key is in use")
    other = browser.new_context()
    theirs = opened(other, server, [])
    theirs.click("#generate")
    expect(theirs.locator("#refusal")).to_contain_text("Use my own key")
    assert "Your key is in use" not in theirs.content()
    other.close()


def test_a_program_sends_its_key_in_a_header(server: Server, quick_service: SimulatorServer) -> None:
    """The header `X-RunComfy-Key` is accepted or refused for each call, and is in no answer and not in the API's description."""
    before = paid(quick_service)
    with pytest.raises(AppError, match="There is no RunComfy key"):
        Client(server.address, verbose=False).predict(prompt="a lighthouse", api_name="/submit")
    wrong = Client(server.address, verbose=False, headers={"X-RunComfy-Key": WRONG})
    with pytest.raises(AppError, match="refused the key"):
        wrong.predict(prompt="a lighthouse", api_name="/submit")
    client = Client(server.address, verbose=False, headers={"X-RunComfy-Key": KEY}, download_files=False)
    answers = list(client.submit(prompt="a lighthouse", api_name="/generate"))
    assert answers[-1][0]["state"] == "succeeded"
    assert paid(quick_service) == before + 1
    assert KEY not in repr(answers) + repr(client.view_api(return_format="dict", print_info=False))
    assert KEY not in server.log
    assert "Traceback" not in server.log


def test_own_key_pays_and_job_waits_for_it_after_a_restart(
    context: BrowserContext, server: Server, quick_service: SimulatorServer
) -> None:
    """Without a key nothing is sent; a wrong one is refused at its field; the right one makes the video. After a
    restart the job waits for it, and the stage says so. The key is in no answer, storage, cookie, log or file."""
    problems: list[str] = []
    received: list[bytes] = []

    def keep(response: Response) -> None:
        if "/assets/" in response.url:
            return  # files of Gradio's, the same for everybody
        with suppress(Exception):  # a stream that is still open, or a redirect, has no body to give
            received.append(response.body())

    page = opened(context, server, problems)
    page.on("response", keep)
    before = paid(quick_service)
    page.click("#generate")
    expect(page.locator("#refusal")).to_contain_text("Use my own key")

    enter(page, WRONG)
    expect(page.locator("#key-told")).to_contain_text("refused the key")
    expect(page.locator("#key input")).to_have_value("")
    assert page.locator("#key input").get_attribute("type") == "password"
    assert page.locator("#key input").get_attribute("autocomplete") == "off"

    enter(page, KEY)
    expect(page.locator("#key-told")).to_contain_text("Your key is in use")
    expect(page.locator("#key input")).to_have_value("")
    with status_fixed(quick_service, "in_queue"):
        page.click("#generate")
        expect(page.locator("#status [data-state=in_queue]")).to_be_visible()
        page.close()
        server.stop(kill=True)
    server.start()
    page = opened(context, server, problems)
    page.on("response", keep)
    expect(page.locator("#status")).to_contain_text("your own key, which the server no longer has")
    expect(page.locator("#key-told")).to_contain_text("Your own key is no longer here")
    page.click("#generate")
    expect(page.locator("#refusal")).to_contain_text("Your own key is no longer here")
    enter(page, KEY)
    expect(page.locator("#status [data-state=succeeded]")).to_be_visible()
    assert paid(quick_service) == before + 1

    shown = page.content() + page.evaluate("JSON.stringify([localStorage, sessionStorage])") + repr(context.cookies())
    server.stop()
    files = [path for path in server.data.rglob("*") if path.is_file()]
    assert files
    for key in (KEY, WRONG):
        assert key not in shown
        assert key not in server.log
        assert not [body for body in received if key.encode() in body]
        assert not [path for path in files if key.encode() in path.read_bytes()]
    assert "Traceback" not in server.log
    assert problems == []
