"""A key that is looked for everywhere, after everything that can go well or wrong has."""

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
from tests.browser.conftest import browser as browser  # a fixture, for this package too
from tests.browser.conftest import filled
from tests.browser.states import ending, generate, making, no_faults
from tests.security.canary import Canary, files_under
from tests.security.gradio_wire import Talker
from tests.security.service import Service
from tests.security.wire import Relay
from tests.servers import Server, wait_for

DEBUG = Path(__file__).parent / "debug"
SHARED, OWN, WRONG = Canary("shared"), Canary("visitor"), Canary("refused")
TOLD = f"Authorization: Bearer {SHARED.key}"
"""What a careless service says in its errors."""
ERROR = {"message": TOLD, "request": {"headers": {"Authorization": f"Bearer {SHARED.key}"}}}

FAULTS = [
    *(
        Fault("submit", kind, message=TOLD)
        for kind in ("no_balance", "bad_key", "forbidden", "too_many", "error_in_200")
    ),
    *(Fault("submit", "http_error", code=code, message=TOLD) for code in (422, 500, 503)),
    *(
        Fault("submit", "error_shape", shape=shape, message=TOLD)
        for shape in ("message", "error", "error_object", "detail")
    ),
    *(Fault("submit", kind) for kind in ("html", "empty", "truncated", "lose_answer", "reset", "no_request_id")),
    *(Fault("submit", "failed_result", error=error) for error in (TOLD, ERROR)),
    Fault("submit", "never_finishes"),
    *(Fault("status", kind, message=TOLD) for kind in ("http_error", "error_in_200", "error_shape")),
    Fault("status", "unknown_word", word=SHARED.key),
    *(Fault("result", kind, message=TOLD) for kind in ("http_error", "error_shape", "html")),
    Fault("result", "output_shape", shape="missing"),
    *(
        Fault("output", kind, message=TOLD)
        for kind in ("gone_output", "wrong_video", "http_error", "cut_video", "reset")
    ),
]
ENDED = re.compile(r'"state": "(succeeded|failed|cancelled|uncertain)"')
DEADLINE_S = 8


@dataclass
class House:
    """The program, what it talks to, and all that went in and out."""

    server: Server
    service: Service
    relay: Relay
    told: dict[str, bytes]
    """What programs and the page were told, besides what went over the wire."""
    foreign: list[str]
    """Requests of the page's to somebody else."""

    def everything(self) -> dict[str, bytes]:
        wire = {f"answer {number}": data for number, data in enumerate(self.relay.received)}
        asked = {f"asked of the service {number}": one.rest for number, one in enumerate(self.service.asked)}
        files = files_under(self.server.data)
        return {"log": self.server.log.encode(), **wire, **asked, **files, **self.told}

    def from_visitors(self) -> dict[str, bytes]:
        return {f"request {number}": data for number, data in enumerate(self.relay.sent)}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[House]:
    """Everything has happened in it; it still runs."""
    folder = tmp_path_factory.mktemp("canary")
    with Service(folder, [SHARED.key, OWN.key], queue_s=1, render_s=0.5) as service:
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
                house = House(server, service, relay, {}, [])
                programs(house)
                pages(house, browser)
                yield house
        finally:
            server.stop()


def programs(house: House) -> None:
    """Every fault once, over HTTP; then a visitor's own key, one that is refused, and gradio_client."""
    house.service.wrong(*FAULTS)
    with Talker(house.relay.address) as talker:
        job_ids = []
        for number in range(len(FAULTS)):
            _, answer = talker.call("submit", [f"a boat {number}", None, None, number])
            job_ids += re.findall(r'"job_id": "(\w+)"', answer)
        assert len(job_ids) == len(FAULTS)
        for job_id in job_ids:
            followed(talker, job_id)
        assert house.service.missed() == []
        for path in ("/config", "/gradio_api/info", "/gradio_api/openapi.json", "/healthz", "/", "/nothing"):
            talker.http.get(path)
        assert talker.call("history", [100, 0])[0] == 200
        for key in (OWN.key, WRONG.key):
            talker.call("generate", ["with a key of my own", None, None, 1], **{"X-RunComfy-Key": key})
            talker.call("cancel", [job_ids[0]], **{"X-RunComfy-Key": key})
    client = Client(house.relay.address, verbose=False, download_files=False)
    answers = list(client.submit(prompt="by gradio_client", api_name="/generate"))
    try:
        refusal = client.predict(prompt="", api_name="/submit")
    except AppError as error:
        refusal = repr(error)
    house.told["gradio_client"] = json.dumps([answers, client.view_api(return_format="dict"), refusal]).encode()


def followed(talker: Talker, job_id: str) -> None:
    """Ask until it has ended."""
    wait_for(lambda: ENDED.search(talker.call("job", [job_id])[1]))


def pages(house: House, browser: Browser) -> None:
    """The states a job takes on the page, and errors that tell the key, in a browser."""
    context = browser.new_context()
    page = context.new_page()
    said = house.told.setdefault("the page", b"")

    def heard(request: Request) -> None:
        if not request.url.startswith((house.relay.address, "data:", "blob:")):
            house.foreign.append(request.url)

    page.on("request", heard)
    page.on("console", lambda message: house.told.update({f"console {len(house.told)}": message.text.encode()}))
    page.goto(house.relay.address + "/?view=1")
    filled(page)
    no_faults(house.service)  # type: ignore[arg-type]  # like a `SimulatorServer` as far as it is used here
    for state in chain(making(page, house.service), ending(page, house.service)):  # type: ignore[arg-type]
        said += state.encode() + shown(page)
    page.goto(house.relay.address)
    page.wait_for_selector("#history .poster")
    for error in (TOLD, ERROR):
        house.service.wrong(Fault("submit", "failed_result", error=error))
        generate(page, "failed", "an error that tells")
        said += shown(page)
    said += own_keys(page) + shown(page)
    house.told["the page"] = said
    house.told["cookies and storage"] = json.dumps(context.storage_state(indexed_db=True)).encode()
    house.told["session storage"] = page.evaluate("JSON.stringify({...sessionStorage})").encode()
    context.close()


def own_keys(page: Page) -> bytes:
    """A refused key, and one that is taken, in the section for them."""
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
    """The document, and what its fields hold."""
    values = page.evaluate("[...document.querySelectorAll('input, textarea')].map((field) => field.value).join('\\n')")
    return f"{page.content()}{values}".encode(errors="replace")


def test_search_finds_a_key_in_every_encoding() -> None:
    """What is searched for is found in every coat it is put in: the zero below is not the searcher's."""
    key = SHARED.key
    for coat in (f"Bearer {key}", key[3:15], key[::-1], key.encode().hex(), key[-12:]):
        assert SHARED.found_in({"here": f"a {coat} b".encode()}), coat
    assert SHARED.found_in({"here": b"nothing"}) == []


def test_the_service_was_given_the_keys(house: House) -> None:
    """Each call of the API carries exactly one of the keys, where it belongs; the host of the videos gets none."""
    keys = {one.authorization for one in house.service.asked if not one.outputs}
    assert keys == {f"Bearer {canary.key}" for canary in (SHARED, OWN, WRONG)}
    outputs = [one.authorization for one in house.service.asked if one.outputs]
    assert len(outputs) > 5
    assert set(outputs) == {""}


def test_shared_key_is_found_nowhere(house: House) -> None:
    """Not in a log at DEBUG, row, file, answer, page, cookie or store, nor in what visitors send: in no coat, in no part."""
    everything = {**house.everything(), **house.from_visitors()}
    assert len(everything) > 50
    assert "DEBUG" in house.server.log, "the log was to be kept at DEBUG"
    assert b"content-encoding:" not in b"".join(house.relay.received).lower(), "squeezed answers cannot be searched"
    assert SHARED.found_in(everything) == []


def test_visitors_key_is_only_in_the_request_that_sent_it(house: House) -> None:
    """It is found in what its visitor sent, and nowhere else: taken or refused."""
    for canary in (OWN, WRONG):
        assert canary.found_in(house.from_visitors())
        assert canary.found_in(house.everything()) == []


def test_page_makes_no_request_to_another_origin(house: House) -> None:
    """In all its states the page makes no request to another origin."""
    assert house.foreign == []


@pytest.mark.parametrize("echoes", [False, True])
def test_a_debug_log_in_the_process_has_no_key(tmp_path: Path, caplog: pytest.LogCaptureFixture, echoes: bool) -> None:
    """With every logger that asks at DEBUG, the client's calls and errors do not tell the key.

    Not even when the service `echoes` it in a header of its answer.
    """
    caplog.set_level(logging.DEBUG)
    with Service(tmp_path, [SHARED.key], echoes=echoes) as service:
        told = asked_directly(service)
    assert any(record.name.startswith("httpx") for record in caplog.records)
    logged = "\n".join(record.getMessage() + str(record.exc_info or "") for record in caplog.records)
    assert SHARED.found_in({"log": logged.encode(), "errors": told.encode()}) == []


def asked_directly(service: Service) -> str:
    """A refused key, and each fault of a submit, as exceptions of ours; gives all they say of themselves."""
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
                    service.wrong(fault)
                try:
                    said.append(repr(await client.submit(CARD.model_id, dict(VALUES), key=SHARED.key)))
                except DreaminaError as error:
                    said.append("".join(traceback.format_exception(error)) + repr(error) + repr(vars(error)))

    # In a thread of its own: the browser's library holds an event loop in this one.
    asking = threading.Thread(target=lambda: asyncio.run(ask()))
    asking.start()
    asking.join()
    assert len(said) == 15
    return "\n".join(said)
