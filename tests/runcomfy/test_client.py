"""How RunComfy is asked: once or again, how long between, where the key goes, what a broken way leaves."""

import asyncio
import errno
import gc
import ssl
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from email.utils import formatdate
from typing import Any

import httpx
import pytest
import trustme

from dreamina_ui import errors
from dreamina_ui.clock import Clock
from dreamina_ui.runcomfy.client import Cancellation, Phase, RunComfy, Submitted
from dreamina_ui.runcomfy.faults import cause_of
from tests.virtual import NoWait

pytestmark = pytest.mark.anyio

BASE = "https://api.test/v1"
KEY = "rc-key-0123456789abcdef"
NOW = 1_700_000_000.0
GETS = ("status", "result", "price")
BODIES: dict[str, object] = {
    "submit": {"request_id": "r-1"},
    "status": {"status": "in_queue"},
    "result": {"status": "in_queue"},
    "cancel": {"outcome": "cancelled"},
    "price": {},
    "balance": {"balance_usd": 1.5},
}
Answer = httpx.Response | Exception
Kind = type[errors.ServiceError]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Watched(Clock):
    """Stands still, and writes down how long it was asked to sleep."""

    def __init__(self, waits: list[float]) -> None:
        self._waits = waits

    def now(self) -> float:
        return NOW

    async def sleep(self, seconds: float) -> None:
        self._waits.append(seconds)

    def random(self) -> float:
        return 0.5


class Service:
    """Answers in turn, the last for ever; remembers what was asked and how long the client waited."""

    def __init__(self, *answers: Answer, base: str = BASE) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.waits: list[float] = []
        transport = httpx.MockTransport(self.answer)
        self.api = RunComfy(base, transport=transport, clock=Watched(self.waits))

    async def answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            # As httpx does: its exceptions carry the request, with the key in its headers.
            if isinstance(answer, httpx.RequestError):
                answer.request = request
            raise answer
        return answer

    async def call(self, name: str, key: str | None = KEY) -> Any:
        return await ask(self.api, name, key)


def ask(api: RunComfy, name: str, key: str | None = KEY) -> Awaitable[Any]:
    if name == "submit":
        return api.submit("maker/model", {"prompt": "a fox", "aspect_ratio": "16×9"}, key=key)
    if name == "balance":
        return api.balance(key=str(key))
    return api.price("maker/model", key=key) if name == "price" else getattr(api, name)("r-1", key=key)


async def drip(*parts: bytes, then: Exception | None = None) -> AsyncIterator[bytes]:
    for part in parts:
        yield part
    if then is not None:
        raise then


NEVER_LEFT: list[Exception] = [
    httpx.ConnectError("refused"),
    httpx.ConnectTimeout("slow"),
    httpx.PoolTimeout("full"),
    httpx.ProxyError("403 Forbidden"),
]
LOST: list[Exception] = [
    httpx.ReadTimeout("slow"),
    httpx.WriteTimeout("slow"),
    httpx.ReadError("reset"),
    httpx.WriteError("reset"),
    httpx.CloseError("reset"),
    httpx.RemoteProtocolError("gone"),
    httpx.LocalProtocolError(f"Illegal header value b'Bearer {KEY}'"),
    httpx.DecodingError("not gzip"),
    httpx.TooManyRedirects("round"),
    httpx.StreamClosed(),
    OSError("bad file descriptor"),
    RuntimeError("transport closed"),
    TimeoutError(),
]


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("fault", NEVER_LEFT, ids=repr)
async def test_a_request_that_never_left_is_unreachable(name: str, fault: Exception) -> None:
    """What provably never left is unreachable on every call; only GETs are tried again."""
    service = Service(fault)
    with pytest.raises(errors.Unreachable):
        await service.call(name)
    assert len(service.requests) == (3 if name in GETS else 1)


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("fault", LOST, ids=repr)
async def test_a_lost_answer_to_a_submit_is_an_unknown_outcome(name: str, fault: Exception) -> None:
    """A lost answer is an unknown outcome of a submit, never sent again, and elsewhere an absent service."""
    service = Service(fault)
    with pytest.raises(errors.OutcomeUnknown if name == "submit" else errors.Unavailable):
        await service.call(name)
    assert len(service.requests) == (3 if name in GETS else 1)


@pytest.mark.parametrize("name", ["submit", "cancel"])
@pytest.mark.parametrize("status", [200, 302, 307, 400, 401, 403, 404, 408, 429, 500, 502, 503, 504])
@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b'{"error_code": 500001}'])
async def test_posts_are_sent_once(name: str, status: int, body: bytes) -> None:
    """Whatever the service answers to a POST, it is never repeated."""
    service = Service(httpx.Response(status, content=body, headers={"Retry-After": "1", "Location": "/x"}))
    if name == "cancel" and status == 200 and body == b"{}":
        assert await service.call(name) is Cancellation.ASKED
    else:
        certain = (errors.Refusal, errors.OutcomeUnknown)
        with pytest.raises(certain if name == "submit" else errors.ServiceError):
            await service.call(name)
    assert len(service.requests) == 1
    assert service.waits == []


@pytest.mark.parametrize("name", GETS)
@pytest.mark.parametrize(
    "fault",
    [httpx.ReadTimeout("slow"), *(httpx.Response(s, text="x") for s in (200, 302, 429, 500, 503))],
    ids=repr,
)
async def test_gets_are_tried_again(name: str, fault: Answer) -> None:
    """A GET outlives two faults, with a jittered and growing wait after each."""
    service = Service(fault, fault, httpx.Response(200, json=BODIES[name]))
    await service.call(name)
    assert service.waits == [0.25, 0.5]


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 422])
async def test_refusals_are_not_tried_again(status: int) -> None:
    """A no is a no at the first try."""
    service = Service(httpx.Response(status, json={}))
    with pytest.raises(errors.Refusal):
        await service.call("status")
    assert len(service.requests) == 1


@pytest.mark.parametrize(
    ("header", "waits"),
    [
        ("2", [2.25, 2.5]),
        ("1.5", [1.75, 2.0]),
        ("5", [5.25, 5.5]),
        ("0", [0.25, 0.5]),
        (formatdate(NOW + 3, usegmt=True), [3.25, 3.5]),
        (formatdate(NOW + 3), [3.25, 3.5]),
        (formatdate(NOW - 60, usegmt=True), [0.25, 0.5]),
        *((odd, [0.25, 0.5]) for odd in ("", "-1", "nan", "inf", "soon", "1e3", "1, 2", "Mon, 99 Foo 0 0:0")),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
async def test_short_retry_after(header: str, waits: list[float], status: int) -> None:
    """A short Retry-After, in seconds or as a date, is slept inside the call; nonsense is ignored."""
    service = Service(httpx.Response(status, json={}, headers={"Retry-After": header}))
    with pytest.raises((errors.TooManyRequests, errors.Unavailable)):
        await service.call("status")
    assert service.waits == waits


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("6", 6.0),
        ("9" * 5000, 300.0),
        (formatdate(NOW + 60, usegmt=True), 60.0),
        (formatdate(NOW + 10**6, usegmt=True), 300.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 300.0),
    ],
)
@pytest.mark.parametrize(("status", "kind"), [(429, errors.TooManyRequests), (503, errors.Unavailable)])
async def test_long_retry_after(header: str, seconds: float, status: int, kind: Kind) -> None:
    """A long Retry-After is handed to the caller at once, capped at five minutes."""
    service = Service(httpx.Response(status, text="busy", headers={"Retry-After": header}))
    with pytest.raises(kind) as caught:
        await service.call("status")
    assert (caught.value.retry_after_s, service.waits) == (seconds, [])


async def test_submit_hands_on_retry_after() -> None:
    """A submit that came too early tells when to come again, and does not come again by itself."""
    service = Service(httpx.Response(429, headers={"Retry-After": "2"}))
    with pytest.raises(errors.TooManyRequests) as caught:
        await service.call("submit")
    assert (caught.value.retry_after_s, service.waits) == (2.0, [])


@pytest.mark.parametrize(
    ("name", "method", "path"),
    [
        ("submit", "POST", "/v1/models/maker/model"),
        ("status", "GET", "/v1/requests/r-1/status"),
        ("result", "GET", "/v1/requests/r-1/result?include_cost=true"),
        ("cancel", "POST", "/v1/requests/r-1/cancel"),
        ("price", "GET", "/v1/models/maker/model"),
    ],
)
async def test_what_is_sent(name: str, method: str, path: str) -> None:
    """Each call has its address, its method and the visitor's key; the payload goes as it is."""
    service = Service(httpx.Response(200, json=BODIES[name]), base=BASE + "/")
    await service.call(name)
    await service.call(name, key=None)
    with_key, without = service.requests
    assert (with_key.method, str(with_key.url)) == (method, "https://api.test" + path)
    assert with_key.headers["Authorization"] == f"Bearer {KEY}"
    assert "Authorization" not in without.headers
    if name == "submit":
        assert with_key.headers["Content-Type"] == "application/json"
        assert with_key.content.decode() == '{"prompt": "a fox", "aspect_ratio": "16×9"}'


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("place", ["https://evil.test/v1/x", "http://api.test/v1/x", "/v1/x"])
async def test_redirects_are_not_followed(name: str, status: int, place: str) -> None:
    """No redirect takes a call, or the key, to another address."""
    service = Service(httpx.Response(status, headers={"Location": place}, json=BODIES[name]))
    with pytest.raises(errors.OutcomeUnknown if name == "submit" else errors.UnreadableReply):
        await service.call(name)
    assert len({str(request.url) for request in service.requests}) == 1
    assert {request.url.host for request in service.requests} == {"api.test"}


async def test_cookies_are_not_kept() -> None:
    """A cookie set in one visitor's call is not sent in another's."""
    service = Service(httpx.Response(200, json={}, headers={"Set-Cookie": "session=1; Path=/"}))
    await service.call("price")
    await service.call("price", key="another-key")
    assert "Cookie" not in service.requests[1].headers


@pytest.mark.parametrize("request_id", ["", "a/b", "..", "a?b", "r 1", "r-1\n", "é", "a" * 129])
@pytest.mark.parametrize("name", ["status", "result", "cancel"])
async def test_an_invalid_request_id_is_refused(name: str, request_id: str) -> None:
    """An id that does not fit is refused before it reaches an address."""
    service = Service(httpx.Response(200, json={}))
    with pytest.raises(errors.UnknownRequest):
        await getattr(service.api, name)(request_id, key=KEY)
    assert service.requests == []


@pytest.mark.parametrize("model_id", ["", "/a", "a//b", "../requests", "a/./b", "a/..", "a\nb", "\ud800"])
async def test_an_invalid_model_id_is_refused(model_id: str) -> None:
    """A model id cannot climb to another address of the API."""
    service = Service(httpx.Response(200, json={}))
    with pytest.raises(errors.UnknownModel):
        await service.api.submit(model_id, {}, key=KEY)
    assert service.requests == []


async def test_model_ids_are_quoted() -> None:
    """What means something in an address is quoted in a model id."""
    service = Service(httpx.Response(200, json={}))
    await service.api.price("maker/a b?c#d%2e%2e@é", key=KEY)
    assert service.requests[0].url.raw_path == b"/v1/models/maker/a%20b%3Fc%23d%252e%252e%40%C3%A9"


@pytest.mark.parametrize("payload", [{"x": float("nan")}, {"x": "\ud800"}, {"x": object()}])
async def test_an_invalid_payload_is_refused(payload: dict[str, object]) -> None:
    """An input that is no JSON is refused here, and nothing is sent."""
    service = Service(httpx.Response(200, json={}))
    with pytest.raises(errors.InputRefused):
        await service.api.submit("maker/model", payload, key=KEY)
    assert service.requests == []


@pytest.mark.parametrize(
    ("key", "kind"),
    [("", errors.KeyMissing), *((k, errors.KeyRefused) for k in ("a b", "a\r\nX: y", "clé", "a\x00"))],
)
@pytest.mark.parametrize("name", BODIES)
async def test_an_invalid_key_is_refused(name: str, key: str, kind: type) -> None:
    """A key that cannot stand in a header is refused before anything is sent, without being shown."""
    service = Service(httpx.Response(200, json={}))
    with pytest.raises(kind) as caught:
        await service.call(name, key)
    assert service.requests == []
    assert not key or key not in "".join(traceback.format_exception(caught.value))


def chain(error: BaseException | None) -> list[BaseException]:
    """An exception with all its causes and contexts, hidden ones too."""
    return [] if error is None else [error, *chain(error.__cause__), *chain(error.__context__)]


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize(
    "fault",
    [
        *NEVER_LEFT,
        *LOST,
        httpx.ReadTimeout(f"no answer to Bearer {KEY}"),
        *(httpx.Response(s, json={"error": {"message": f"bad {KEY}"}}) for s in (400, 401, 422, 500)),
        httpx.Response(200, json={"error_code": 400004, "detail": [KEY, {KEY: KEY}]}),
    ],
    ids=repr,
)
async def test_the_key_is_never_told(name: str, fault: Answer) -> None:
    """Neither a message nor a traceback nor any exception behind it holds the key, or a request that does."""
    service = Service(fault)
    with pytest.raises(errors.ServiceError) as caught:
        await service.call(name)
    assert KEY not in "".join(traceback.format_exception(caught.value))
    for error in chain(caught.value):
        assert isinstance(error, errors.ServiceError)
        assert KEY not in f"{error!r} {error.message} {error.facts} {vars(error)}"
    assert KEY not in repr([vars(client) for client in service.api._connections._clients])


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("status", [200, 401, 500])
async def test_endless_replies(name: str, status: int) -> None:
    """A reply without an end is not read to its end."""
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 1 << 16
            yield b" " * (1 << 16)

    service = Service(*(httpx.Response(status, content=endless()) for _ in range(3)))
    with pytest.raises(errors.ServiceError) as caught:
        await service.call(name)
    kinds = {200: errors.UnreadableReply, 401: errors.KeyRefused, 500: errors.Unavailable}
    certain = name != "submit" or status == 401
    assert type(caught.value) is (kinds[status] if certain else errors.OutcomeUnknown)
    assert read <= 3 * ((1 << (23 if name == "result" else 20)) + (1 << 17))
    gc.collect()


async def test_a_reply_that_breaks_off() -> None:
    """A reply cut short is lost, but one cut after its last brace still saves a paid request's id."""
    reset = httpx.ReadError("reset")
    service = Service(httpx.Response(200, content=drip(b'{"request_id": "r-1"', then=reset)))
    with pytest.raises(errors.OutcomeUnknown):
        await service.call("submit")
    service = Service(httpx.Response(200, content=drip(b'{"request_id": ', b'"r-1"}', then=reset)))
    assert await service.call("submit") == Submitted("r-1")
    service = Service(httpx.Response(200, content=drip(b'{"status":', then=httpx.ReadTimeout("slow"))))
    with pytest.raises(errors.Unavailable):
        await service.call("cancel")


@pytest.mark.parametrize("name", BODIES)
async def test_a_call_without_an_answer_ends(name: str) -> None:
    """A service that never answers does not hold a call for ever, even where no time-out of httpx applies."""

    async def silence(request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError("nothing ends this wait")

    transport = httpx.MockTransport(silence)
    short: dict[str, Any] = {"connect_timeout_s": 0.001, "read_timeout_s": 0.001, "submit_timeout_s": 0.001}
    async with RunComfy(BASE, transport=transport, **short) as api:
        with pytest.raises(errors.OutcomeUnknown if name == "submit" else errors.Unavailable):
            await ask(api, name)


@pytest.mark.parametrize("name", BODIES)
async def test_cancelled_from_outside(name: str) -> None:
    """Cancelling the task is not a fault of the service: it passes through."""
    asked = asyncio.Event()

    async def silence(request: httpx.Request) -> httpx.Response:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError("nothing ends this wait")

    async with RunComfy(BASE, transport=httpx.MockTransport(silence)) as api:
        task = asyncio.ensure_future(ask(api, name))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_closed_client_sends_nothing() -> None:
    """After closing nothing leaves any more, and that is certain."""
    service = Service(httpx.Response(200, json={}))
    async with service.api:
        await service.call("price")
    with pytest.raises(errors.Unreachable):
        await service.call("submit")
    assert len(service.requests) == 1


async def over_a_socket(name: str, answer: bytes | None) -> Any:
    """A call over a real socket; None is a port where nobody listens. The server counts what it got."""
    got: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer or b"")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    if answer is None:
        server.close()
        await server.wait_closed()

    async with RunComfy(f"http://127.0.0.1:{port}/v1", clock=NoWait()) as api:
        try:
            return await ask(api, name)
        finally:
            server.close()
            await server.wait_closed()
            assert len(got) == (0 if answer is None else 1 if name not in GETS or b"200" in answer else 3)


@pytest.mark.parametrize("name", BODIES)
async def test_a_refused_connection_is_unreachable(name: str) -> None:
    """A refused connection is unreachable: nothing left."""
    with pytest.raises(errors.Unreachable):
        await over_a_socket(name, None)


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 5", b"SSH-2.0\r\n"])
async def test_a_connection_closed_without_an_answer_is_a_lost_answer(name: str, answer: bytes) -> None:
    """A connection closed without an answer is a lost answer."""
    with pytest.raises(errors.OutcomeUnknown if name == "submit" else errors.Unavailable):
        await over_a_socket(name, answer)


async def test_answers_over_a_socket() -> None:
    """The real transport speaks the same contract."""
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\n\r\n"
    assert await over_a_socket("submit", head + b'{"request_id": "r-1"}') == Submitted("r-1")
    assert (await over_a_socket("status", head + b'{"status": "in_queue"}')).phase is Phase.IN_QUEUE
    assert await over_a_socket("cancel", head + b'{"outcome": "cancelled"}') is Cancellation.CANCELLED


@pytest.mark.parametrize("name", BODIES)
async def test_how_long_a_submit_is_waited_for(name: str) -> None:
    """A submit is waited for as long as RunComfy's own clients do: who gives up early loses a paid request's id."""
    service = Service(httpx.Response(200, json=BODIES[name]))
    await service.call(name)
    timeout = service.requests[0].extensions["timeout"]
    assert (timeout["connect"], timeout["read"]) == (5.0, 90.0 if name == "submit" else 30.0)


async def test_a_result_may_be_large() -> None:
    """A result of some megabytes is read, as one with a video in a data URI is; a status of that size is not."""
    video = "data:video/mp4;base64," + "A" * (5 << 20)
    service = Service(httpx.Response(200, json={"status": "succeeded", "output": {"video": video}}))
    assert (await service.call("result")).outputs == (video,)
    with pytest.raises(errors.UnreadableReply):
        await service.call("status")


async def test_a_stray_byte_does_not_cost_the_reply() -> None:
    """Bytes of another encoding in a text leave the rest readable."""
    service = Service(httpx.Response(200, content=b'{"request_id": "r-1", "note": "f\xfcr Sie"}'))
    assert await service.call("submit") == Submitted("r-1")


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def served(handle: Handler, certificate: ssl.SSLContext | None = None) -> AsyncIterator[RunComfy]:
    """A client, short of patience except for a submit's connection, of a real server."""

    open_ones: set[asyncio.Task[None]] = set()

    async def handle_and_close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        this = asyncio.current_task()
        assert this is not None
        open_ones.add(this)
        try:
            await handle(reader, writer)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    server = await asyncio.start_server(handle_and_close, "127.0.0.1", 0, ssl=certificate)
    port = server.sockets[0].getsockname()[1]
    scheme = "https" if certificate else "http"
    base = f"{scheme}://localhost:{port}/v1"
    async with RunComfy(base, clock=NoWait(), read_timeout_s=0.1, submit_timeout_s=0.3) as api:
        try:
            yield api
        finally:
            await api.aclose()
            server.close()
            await server.wait_closed()
            await asyncio.gather(*open_ones)
            await asyncio.sleep(0.01)  # for connections whose handshake failed


async def wall(api: RunComfy, name: str) -> tuple[Kind, object, object]:
    """The kind of what is raised, its cause, and its HTTP status."""
    with pytest.raises(errors.ServiceError) as caught:
        await ask(api, name)
    return type(caught.value), caught.value.facts.get("cause"), caught.value.status_code


@pytest.mark.parametrize("name", ["submit", "status"])
async def test_causes_that_keep_a_request_from_leaving(name: str) -> None:
    """What keeps a request from leaving is told apart: the name, the port, the certificate."""
    async with RunComfy("https://no-such-host.invalid/v1", clock=NoWait()) as api:
        assert await wall(api, name) == (errors.Unreachable, "name", None)

    async def unheard(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise AssertionError

    async with served(unheard) as api:
        pass
    async with RunComfy(api._base, clock=NoWait()) as api:
        assert await wall(api, name) == (errors.Unreachable, "refused", None)

    certificate = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(certificate)
    async with served(unheard, certificate) as api:
        assert await wall(api, name) == (errors.Unreachable, "certificate", None)


@pytest.mark.parametrize("name", ["submit", "status"])
async def test_causes_that_keep_an_answer_from_coming(name: str) -> None:
    """What keeps an answer from coming is told apart: silence, a connection that ends, a proxy's page."""
    kind = errors.OutcomeUnknown if name == "submit" else errors.Unavailable

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with served(silent) as api:
        assert await wall(api, name) == (kind, "timeout", None)

    def answering(answer: bytes) -> Handler:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()

        return handle

    async with served(answering(b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"stat')) as api:
        assert await wall(api, name) == (kind, "dropped", None)
    async with served(answering(b"")) as api:
        assert await wall(api, name) == (kind, "dropped", None)
    page = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 6\r\n\r\n<html>"
    async with served(answering(page)) as api:
        assert await wall(api, name) == (kind, "server", 502)


async def test_a_slow_submit_is_waited_for() -> None:
    """An answer that takes longer than a GET may is still heard."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(0.2)
        body = b'{"request_id": "r-1", "status": "completed"}'
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    async with served(handle) as api:
        assert await ask(api, "submit") == Submitted("r-1")
        assert await wall(api, "status") == (errors.Unavailable, "timeout", None)


@pytest.mark.parametrize(
    ("fault", "behind", "cause"),
    [
        (httpx.ConnectError("x"), OSError(errno.ENETUNREACH, "no route"), "network"),
        (httpx.ConnectError("x"), OSError(errno.EHOSTUNREACH, "no route"), "network"),
        (httpx.ConnectError("x"), None, "network"),
        (httpx.ConnectTimeout("x"), None, "timeout"),
        (httpx.PoolTimeout("x"), None, "timeout"),
        (httpx.ProxyError("x"), None, "proxy"),
        (httpx.ConnectError("x"), ssl.SSLEOFError("x"), "dropped"),
        (httpx.ConnectError("x"), ssl.SSLError("wrong version"), "certificate"),
        (httpx.ConnectError("x"), ExceptionGroup("all", [OSError("a"), ConnectionRefusedError("b")]), "refused"),
        (httpx.ReadError("x"), ConnectionResetError("x"), "dropped"),
        (RuntimeError("x"), None, "dropped"),
    ],
    ids=repr,
)
def test_the_cause_is_read_from_the_underlying_exception(
    fault: Exception, behind: Exception | None, cause: str
) -> None:
    """The cause is told by whatever exception stands behind the one that was raised."""
    fault.__cause__ = behind
    never_left = isinstance(fault, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
    assert cause_of(fault, never_left=never_left) == cause


async def test_a_proxy_that_wants_a_login() -> None:
    """It is the way to the service that is closed, not the service."""
    service = Service(httpx.Response(407, text="<html>"))
    assert await wall(service.api, "status") == (errors.Unavailable, "proxy", 407)
