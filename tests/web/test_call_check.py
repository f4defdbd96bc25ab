"""A call's body: how long it may be, how often it is read, what it may say."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from dreamina_ui.web.checks.addresses import ADDRESS, KEYS_MOST, KEYS_S, BroughtKeys
from dreamina_ui.web.checks.bodies import BODY_MOST, LONG_BODY_MOST, VALUES_MOST
from dreamina_ui.web.checks.calls import CallCheck, Event, Input
from dreamina_ui.web.checks.sessions import Sessions
from dreamina_ui.web.visitors import KEY_BROUGHT, Visitors

pytestmark = pytest.mark.anyio
API = "/gradio_api"
JOIN, MCP = f"{API}/queue/join", f"{API}/mcp"
VISITORS = Visitors("a secret for the tests")
EVENTS = {
    0: Event([Input()], "submit", "submit/1/1"),
    1: Event([Input(is_long=True)], None, "preview/1/1"),
    2: Event([Input()], None, "save_key/1/4", brings_key=True),
}


class Calls:
    """The open calls: none, and room for more."""

    room = True

    def knows(self, name: str, /) -> bool:
        return False

    def has_room(self, session: str, visitor_id: str | None, address: str, /) -> bool:
        return self.room

    def tidy(self) -> None:
        pass


async def echo(request: Request) -> PlainTextResponse:
    if key := request.scope.get(KEY_BROUGHT):
        return PlainTextResponse(f"brings {key}")
    return PlainTextResponse(await request.body())


def client(calls: Calls | None = None) -> httpx.AsyncClient:
    behind = Sessions(Starlette(routes=[Route("/{path:path}", echo, methods=["POST"])]), VISITORS, lambda _, key: key)
    app = CallCheck(
        behind,
        events=EVENTS,
        calls=calls or Calls(),
        visitors=VISITORS,
        uploads=Path("/nowhere"),
        say=lambda _, key, **values: " ".join([key, *map(str, values.values())]),
    )
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://studio")


def call(value: object, number: int = 0) -> bytes:
    return json.dumps({"data": [value], "fn_index": number, "session_hash": "mine"}, ensure_ascii=False).encode()


async def in_pieces(body: bytes) -> AsyncIterator[bytes]:
    """Sent so, a body does not say how long it is."""
    for at in range(0, len(body), 1000):
        yield body[at : at + 1000]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (JOIN, call("x" * BODY_MOST), 413),
        (JOIN, call('"fn_index":1' * BODY_MOST), 413),
        (JOIN, call("x" * LONG_BODY_MOST, 1), 413),
        (f"{API}/call/submit", call("x" * BODY_MOST), 413),
        (f"{API}/call/nothing", b"x" * 2 * LONG_BODY_MOST, 413),
        (f"{API}/cancel", b" " * (BODY_MOST + 1), 413),
        (MCP, b" " * (BODY_MOST + 1), 413),
        # What people and pages send:
        (JOIN, call("a boat" * 10_000), 200),
        (JOIN, call("a boat\n" * 100_000, 1), 200),
        (f"{API}/call/submit", call("a boat"), 200),
        (f"{API}/cancel", b'{"session_hash": "mine", "fn_index": 0, "event_id": "a"}', 200),
        (MCP, b'{"jsonrpc": "2.0"}', 200),
    ],
)
@pytest.mark.parametrize("says_length", [True, False])
async def test_a_body_has_the_length_of_its_event(path: str, body: bytes, status: int, *, says_length: bool) -> None:
    """64 kB, and 1.2 MB where a batch may come; counted where it does not say. Refused in one sentence, in JSON."""
    async with client() as web:
        reply = await web.post(path, content=body if says_length else in_pieces(body))
    assert reply.status_code == status
    if status == 200:
        assert reply.content == body
    else:
        assert reply.json()["detail"].startswith("guard.body ")


async def test_what_says_it_is_too_long_is_not_read() -> None:
    """Not a byte is asked for, and nobody waits for the rest."""
    web = client()
    for length in (str(8 * 2**20), "9" * 30, "-1", "1e3"):
        request = web.build_request("POST", JOIN, headers={"content-length": length}, content=endless())
        async with asyncio.timeout(5):
            assert (await web.send(request)).status_code == 413


async def endless() -> AsyncIterator[bytes]:
    yield b"x"
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    "body",
    [
        call("a").replace(b'"mine"', b'"mine", "session_hash": "yours"'),
        call("a").replace(b'"mine"', b'"' + b"m" * 65 + b'"'),
        call("a").replace(b'"mine"', b"7"),
        call("a").replace(b'"a"', b"9" * 30),
        call("a").replace(b'"a"', b"9" * 5000),
        call("a").replace(b'"a"', b"1e999"),
        call("a").replace(b'"a"', b"NaN"),
        call("a").replace(b'"a"', b'"\\ud800"'),
        call("a").replace(b'"a"', b'{"a": 1, "a": 2}'),
        call("a").replace(b'"a"', b"[" * 40 + b"]" * 40),
        call("a").replace(b'"a"', b"[" * 30_000),
        call("a")[:-1],
        b"[]",
        b"\xff",
        call([1] * (VALUES_MOST + 1)),
    ],
)
async def test_a_call_that_is_not_clear_is_refused(body: bytes) -> None:
    """Half JSON, a name twice or too long, numbers beyond all bounds, endless nesting, too many values."""
    async with client() as web:
        reply = await web.post(JOIN, content=body)
    assert (reply.status_code, reply.json()["code"]) == (422, "invalid_call")


async def test_an_ordinary_call_is_taken() -> None:
    """Numbers, texts in any script, lists in lists."""
    for value in (7, 1.5, None, True, "ein Boot 🚣", [[1, {"a": ["b"]}]], {"a": 2**53}, [1] * 5000):
        async with client() as web:
            assert (await web.post(JOIN, content=call(value))).status_code == 200


@pytest.mark.parametrize("pattern", [b"[],", b"{},", b"1,", b'"a",', b"[[[]]],"])
async def test_a_body_of_many_values_holds_up_nobody(pattern: bytes) -> None:
    """While long bodies of nothing but small values are read, the event loop goes on."""
    values = pattern * ((LONG_BODY_MOST - 1000) // len(pattern)) + b"0"
    body = b'{"data": [[' + values + b']], "fn_index": 1, "session_hash": "mine"}'
    worst, done = 0.0, False

    async def pulse() -> None:
        nonlocal worst
        while not done:
            began = time.monotonic()
            await asyncio.sleep(0.005)
            worst = max(worst, time.monotonic() - began)

    async with client() as web, asyncio.TaskGroup() as group:
        group.create_task(pulse())
        replies = await asyncio.gather(*(web.post(JOIN, content=body) for _ in range(3)))
        done = True
    assert [reply.status_code for reply in replies] == [422] * 3
    assert worst < 1.0  # a machine that is busy with other tests takes half of that by itself


async def test_quotes_without_an_end_are_counted_once() -> None:
    """A body of nothing but escaped quotation marks takes no longer than another."""
    began = time.process_time()
    async with client() as web:
        reply = await web.post(JOIN, content=b'{"fn_index": 1, "a": "' + rb"\"" * (LONG_BODY_MOST // 2 - 100))
    assert reply.status_code == 422
    assert time.process_time() - began < 1.0


async def test_too_many_open_calls_are_refused() -> None:
    """With a sentence, and without an answer of 5xx."""
    calls = Calls()
    async with client(calls) as web:
        assert (await web.post(JOIN, content=call("a"))).status_code == 200
        calls.room = False
        reply = await web.post(JOIN, content=call("a"))
        assert (reply.status_code, reply.json()["detail"]) == (429, "guard.busy")
        assert (await web.post(f"{API}/cancel", content=b"{}")).status_code == 200


async def test_the_call_that_brings_a_key_is_told() -> None:
    """Without what people copy around it; another call brings none, whatever it says."""
    async with client() as web:
        assert (await web.post(JOIN, content=call(" Bearer rc-key ", 2))).text == "brings rc-key"
        for body in (call("rc-key", 0), call("", 2), call(7, 2)):
            assert (await web.post(JOIN, content=body)).content == body


async def test_an_address_brings_so_many_keys() -> None:
    """Different ones, by page, program and MCP alike, whatever visitors it makes; the same one, another address and who has none
    are not counted, and ten minutes later there is room again."""
    at = 0.0
    keys = BroughtKeys(lambda: at)

    def may(numbers: range, address: str = "8.8.8.8") -> list[bool]:
        return [keys.may_bring(address, f"key-{number}") for number in numbers]

    assert may(range(KEYS_MOST)) == [True] * KEYS_MOST
    assert may(range(KEYS_MOST)) == [True] * KEYS_MOST
    assert may(range(KEYS_MOST, KEYS_MOST + 3)) == [False] * 3
    assert may(range(KEYS_MOST + 3), "9.9.9.9") == [True] * KEYS_MOST + [False] * 3
    assert all(may(range(KEYS_MOST + 3), ""))
    at += KEYS_S + 1
    assert may(range(KEYS_MOST, KEYS_MOST + 3)) == [True] * 3


@pytest.mark.parametrize("how", ["page", "program", "mcp"])
async def test_too_many_keys_are_refused_in_one_sentence(how: str) -> None:
    """Before anybody is asked about them."""
    reached: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        reached.append(scope["path"])
        await PlainTextResponse("here")(scope, receive, send)

    check = CallCheck(
        app,
        events=EVENTS,
        calls=Calls(),
        visitors=VISITORS,
        uploads=Path("/nowhere"),
        say=lambda _, key, **__: key,
        keys=BroughtKeys(lambda: 0.0),
    )

    async def of_address(scope: Scope, receive: Receive, send: Send) -> None:
        await check({**scope, ADDRESS: "8.8.8.8"}, receive, send)

    path = {"page": JOIN, "program": f"{API}/call/submit", "mcp": MCP}[how]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(of_address), base_url="http://studio") as web:
        answers = []
        for number in range(KEYS_MOST + 2):
            key = f"key-{number}"
            body: dict[str, object] = {"data": [key if how == "page" else "a boat"], "fn_index": 2}
            headers = {} if how == "page" else {"X-RunComfy-Key": key}
            answers.append(await web.post(path, json=body, headers=headers))
    assert [answer.status_code for answer in answers] == [200] * KEYS_MOST + [429] * 2
    assert answers[-1].json()["message"] == "failure.too_many_keys"
    assert len(reached) == KEYS_MOST
