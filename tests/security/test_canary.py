"""A search for the keys in everything that the program writes and sends, after every success and failure."""

import json
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from playwright.sync_api import Browser, Page, Request, expect

from dreamina_ui.simulator import Fault
from tests.browser.conftest import calm_context, filled
from tests.browser.states import ending, generate, making, no_faults
from tests.security.canary import Canary, files_under
from tests.security.gradio_wire import Talker
from tests.security.service import Service
from tests.security.wire import Relay
from tests.servers import Server, wait_for

DEBUG = Path(__file__).parent / "debug"
SHARED, OWN, WRONG = Canary("shared"), Canary("visitor"), Canary("refused")
LEAK = f"Authorization: Bearer {SHARED.key}"
"""An error message of a service that leaks the key."""
ERROR = {"message": LEAK, "request": {"headers": {"Authorization": f"Bearer {SHARED.key}"}}}

ENDLESS = Fault("submit", "never_finishes")
FAULTS = [
    *(
        Fault("submit", kind, message=LEAK)
        for kind in ("no_balance", "bad_key", "forbidden", "too_many", "error_in_200")
    ),
    *(Fault("submit", "http_error", code=code, message=LEAK) for code in (422, 500, 503)),
    *(
        Fault("submit", "error_shape", shape=shape, message=LEAK)
        for shape in ("message", "error", "error_object", "detail")
    ),
    *(Fault("submit", kind) for kind in ("html", "empty", "truncated", "lose_answer", "reset", "no_request_id")),
    *(Fault("submit", "failed_result", error=error) for error in (LEAK, ERROR)),
    ENDLESS,
    *(Fault("status", kind, message=LEAK) for kind in ("http_error", "error_in_200", "error_shape")),
    Fault("status", "unknown_word", word=SHARED.key),
    *(Fault("result", kind, message=LEAK) for kind in ("http_error", "error_shape", "html")),
    Fault("result", "output_shape", shape="missing"),
    *(
        Fault("output", kind, message=LEAK)
        for kind in ("gone_output", "wrong_video", "http_error", "cut_video", "reset")
    ),
]
ENDED = re.compile(r'"state": "(succeeded|failed|cancelled|uncertain)"')
DEADLINE_S = 8


@dataclass
class Run:
    """The program, its service, and everything that was sent and received."""

    server: Server
    service: Service
    relay: Relay
    told: dict[str, bytes]
    """What programs and the page received or stored, apart from the recorded connections."""
    foreign: list[str]
    """The page's requests to other origins."""

    def everything(self) -> dict[str, bytes]:
        wire = {f"answer {number}": data for number, data in enumerate(self.relay.received)}
        asked = {f"asked of the service {number}": one.rest for number, one in enumerate(self.service.received)}
        files = files_under(self.server.data)
        return {"log": self.server.log.encode(), **wire, **asked, **files, **self.told}

    def from_visitors(self) -> dict[str, bytes]:
        return {f"request {number}": data for number, data in enumerate(self.relay.sent)}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Run]:
    """The running program after all calls and page states."""
    folder = tmp_path_factory.mktemp("canary")
    with Service(folder, [SHARED.key, OWN.key], queue_s=0.1, render_s=0.1) as service:
        server = Server(
            folder,
            PYTHONPATH=str(DEBUG),
            RUNCOMFY_API_TOKEN=SHARED.key,
            RUNCOMFY_MODEL_API_BASE=service.address,
            DREAMINA_TRUSTED_OUTPUT_ORIGINS=service.outputs,
            DREAMINA_JOB_DEADLINE_S=str(DEADLINE_S),
            DREAMINA_MAX_ACTIVE_PER_VISITOR="100",
        )
        server.start()
        try:
            with Relay(server.address) as relay:
                run = Run(server, service, relay, {}, [])
                programs(run)
                pages(run, browser)
                yield run
        finally:
            server.stop()


def programs(run: Run) -> None:
    """Cause every fault once, over HTTP; then use a visitor's own key, a key that is refused, and gradio_client."""
    run.service.add_faults(*FAULTS)
    with Talker(run.relay.address) as talker:
        job_ids = []
        for number in range(len(FAULTS)):
            _, answer = talker.call("submit", [f"a boat {number}", None, None, number])
            job_ids += re.findall(r'"job_id": "(\w+)"', answer)
        assert len(job_ids) == len(FAULTS)
        endless = job_ids[FAULTS.index(ENDLESS)]
        for job_id in job_ids:
            if job_id != endless:
                followed(talker, job_id)
        assert run.service.unused_faults() == []
        for path in ("/config", "/gradio_api/info", "/gradio_api/openapi.json", "/healthz", "/", "/nothing"):
            talker.http.get(path)
        assert talker.call("history", [100, 0])[0] == 200
        for key in (OWN.key, WRONG.key):
            talker.call("generate", ["with a key of my own", None, None, 1], **{"X-RunComfy-Key": key})
            talker.call("cancel", [job_ids[0]], **{"X-RunComfy-Key": key})
        followed(talker, endless)
    client = Client(run.relay.address, verbose=False, download_files=False)
    answers = list(client.submit(prompt="by gradio_client", api_name="/generate"))
    try:
        refusal = client.predict(prompt="", api_name="/submit")
    except AppError as error:
        refusal = repr(error)
    run.told["gradio_client"] = json.dumps([answers, client.view_api(return_format="dict"), refusal]).encode()


def followed(talker: Talker, job_id: str) -> None:
    """Poll until the job has ended."""
    wait_for(lambda: ENDED.search(talker.call("job", [job_id])[1]))


def pages(run: Run, browser: Browser) -> None:
    """Show every state of a job in a browser, and errors that contain the key."""
    context = calm_context(browser, reduced_motion="reduce")
    page = context.new_page()
    said = run.told.setdefault("the page", b"")

    def note_foreign(request: Request) -> None:
        if not request.url.startswith((run.relay.address, "data:", "blob:")):
            run.foreign.append(request.url)

    page.on("request", note_foreign)
    page.on("console", lambda message: run.told.update({f"console {len(run.told)}": message.text.encode()}))
    page.goto(run.relay.address + "/?view=1")
    filled(page)
    no_faults(run.service)  # type: ignore[arg-type]  # has the methods of `SimulatorServer` that are used here
    for state in chain(making(page, run.service), ending(page, run.service)):  # type: ignore[arg-type]
        said += state.encode() + shown(page)
    page.goto(run.relay.address)
    page.wait_for_selector("#history .poster")
    for error in (LEAK, ERROR):
        run.service.add_faults(Fault("submit", "failed_result", error=error))
        generate(page, "failed", "an error with the key")
        said += shown(page)
    said += own_keys(page) + shown(page)
    run.told["the page"] = said
    run.told["cookies and storage"] = json.dumps(context.storage_state(indexed_db=True)).encode()
    run.told["session storage"] = page.evaluate("JSON.stringify({...sessionStorage})").encode()
    context.close()


def own_keys(page: Page) -> bytes:
    """Enter a refused key and an accepted one."""
    page.locator("#own-key button").first.click()
    said = b""
    for key, answer in ((WRONG.key, "#key-told .field-problem"), (OWN.key, "#key-told .note")):
        page.fill("#key input", key)
        page.click("#key-save")
        expect(page.locator(answer)).to_be_visible()
        expect(page.locator("#key input")).to_have_value("")
        said += shown(page)
    generate(page, "succeeded", "with a key of my own")
    return said


def shown(page: Page) -> bytes:
    """The document, and the values of its fields."""
    values = page.evaluate("[...document.querySelectorAll('input, textarea')].map((field) => field.value).join('\\n')")
    return f"{page.content()}{values}".encode(errors="replace")


def test_search_finds_a_key_in_every_encoding() -> None:
    """The search finds the key in every encoding, so that an empty result below proves something."""
    key = SHARED.key
    for encoded in (f"Bearer {key}", key[3:15], key[::-1], key.encode().hex(), key[-12:]):
        assert SHARED.found_in({"here": f"a {encoded} b".encode()}), encoded
    assert SHARED.found_in({"here": b"nothing"}) == []


def test_the_service_was_given_the_keys(run: Run) -> None:
    """Each API call has exactly one of the keys in its Authorization header; the host of the videos gets none."""
    keys = {one.authorization for one in run.service.received if not one.outputs}
    assert keys == {f"Bearer {canary.key}" for canary in (SHARED, OWN, WRONG)}
    outputs = [one.authorization for one in run.service.received if one.outputs]
    assert len(outputs) > 5
    assert set(outputs) == {""}


def test_shared_key_is_found_nowhere(run: Run) -> None:
    """Not in a log at DEBUG, a row, file, answer, page, cookie, storage or visitor's request: in no encoding, and no part."""
    everything = {**run.everything(), **run.from_visitors()}
    assert len(everything) > 50
    assert "DEBUG" in run.server.log, "the log was to be kept at DEBUG"
    assert b"content-encoding:" not in b"".join(run.relay.received).lower(), "compressed answers cannot be searched"
    assert SHARED.found_in(everything) == []


def test_visitors_key_is_only_in_the_request_that_sent_it(run: Run) -> None:
    """Accepted or refused, it is found in its visitor's requests and nowhere else."""
    for canary in (OWN, WRONG):
        assert canary.found_in(run.from_visitors())
        assert canary.found_in(run.everything()) == []


def test_page_makes_no_request_to_another_origin(run: Run) -> None:
    """In all its states the page makes no request to another origin."""
    assert run.foreign == []


@pytest.mark.parametrize("echoes", [False, True])
def test_a_debug_log_in_the_process_has_no_key(tmp_path: Path, caplog: pytest.LogCaptureFixture, echoes: bool) -> None:
    """With all loggers at DEBUG, the client's calls and errors do not contain the key.

    Also when the service `echoes` it in a header of its answer.
    """
    caplog.set_level(logging.DEBUG)
    with Service(tmp_path, [SHARED.key], echoes=echoes) as service:
        told = asked_directly(service)
    assert any(record.name.startswith("httpx") for record in caplog.records)
    logged = "\n".join(record.getMessage() + str(record.exc_info or "") for record in caplog.records)
    assert SHARED.found_in({"log": logged.encode(), "errors": told.encode()}) == []


def asked_directly(service: Service) -> str:
    """Cause a refused key and each fault of a submit; returns the text of all exceptions."""
    import asyncio
    import threading
    import traceback

    from dreamina_ui.errors import DreaminaError
    from dreamina_ui.runcomfy.client import RunComfy
    from tests.rig import CARD, VALUES

    said: list[str] = []

    async def ask() -> None:
        async with RunComfy(service.address) as client:
            for fault in (*FAULTS[:14], None):
                if fault:
                    service.add_faults(fault)
                try:
                    said.append(repr(await client.submit(CARD.model_id, dict(VALUES), key=SHARED.key)))
                except DreaminaError as error:
                    said.append("".join(traceback.format_exception(error)) + repr(error) + repr(vars(error)))

    # In its own thread, because Playwright runs an event loop in this one.
    asking = threading.Thread(target=lambda: asyncio.run(ask()))
    asking.start()
    asking.join()
    assert len(said) == 15
    return "\n".join(said)
