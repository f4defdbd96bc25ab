"""The address that the program takes, and how it serves there."""

import asyncio
import os
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from dreamina_ui.errors import SettingError
from dreamina_ui.web.checks.addresses import asking_address, network_of
from dreamina_ui.web.checks.connections import HEAD_MOST, PIPELINED_MOST, ConnectionLimits, Connections
from dreamina_ui.web.server import PORTS, address_of, listening, serve
from tests.servers import wait_for

EVERY, LOOPBACK = ("0.0.0.0", "::", "[::]"), ("127.0.0.1", "::1", "[::1]", "localhost", None)


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that another program listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])


@pytest.mark.parametrize("name", [*EVERY, *LOOPBACK])
def test_every_way_to_write_an_address(name: str | None) -> None:
    """It is listened on, and the address that is printed leads there; `::` is reached by IPv4, too."""
    if name and ":" in name and not has_ipv6():
        pytest.skip("this machine has no IPv6")
    with closing(listening(name, 0)) as listener:
        port = int(listener.getsockname()[1])
        assert not listener.get_inheritable()  # a child that outlives the program would keep the port
        url = httpx.URL(address_of(listener))
        assert url.port == port
        for host in {url.host, "127.0.0.1"} if name in EVERY else {url.host}:
            socket.create_connection((host, port), timeout=10).close()


@pytest.mark.parametrize("name", ["127.0.0.1", "0.0.0.0"])
def test_a_taken_port_is_refused(name: str, taken: int) -> None:
    """The sentence has the port."""
    with pytest.raises(SettingError, match=str(taken)):
        listening(name, taken)


def test_without_a_port_the_next_free_one_is_taken() -> None:
    """Several studios start on one machine, each on a port of its own."""
    with closing(listening(None, None)) as first, closing(listening(None, None)) as second:
        ports = [listener.getsockname()[1] for listener in (first, second)]
    assert ports[0] in PORTS
    assert ports[1] in PORTS
    assert ports[0] < ports[1]


@pytest.mark.parametrize(
    "name", ["192.0.2.1", "no such name", "[::1", "studio.invalid", "2001:db8::1", "a" * 300, "\0"]
)
def test_no_address_of_this_machine(name: str) -> None:
    """One sentence, with the setting and its value."""
    with pytest.raises(SettingError, match="GRADIO_SERVER_NAME"):
        listening(name, 0)


def test_serving_ends_when_the_program_is_asked_to_stop() -> None:
    """It says when it answers; after SIGTERM the app's lifespan ends, and the program goes on behind it."""
    events: list[str] = []

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        events.append("started")
        yield
        events.append("ended")

    app = Starlette(routes=[Route("/", lambda _: PlainTextResponse("here"))], lifespan=lifespan)
    with closing(listening(None, 0)) as listener:

        def ask() -> None:
            events.append(httpx.get(address_of(listener), trust_env=False).text)
            os.kill(os.getpid(), signal.SIGTERM)

        asking = threading.Thread(target=ask)
        serve(app, listener, when_ready=asking.start)
        asking.join()
    assert events == ["started", "here", "ended"]


def test_an_app_that_cannot_start_is_not_ready(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is printed or logged: the app itself knows why."""

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        Path("there is no such file").read_bytes()
        yield

    ready: list[bool] = []
    with closing(listening(None, 0)) as listener:
        serve(Starlette(lifespan=lifespan), listener, when_ready=lambda: ready.append(True))
    assert ready == []
    assert caplog.records == []


@contextmanager
def serving(app: Starlette, limits: ConnectionLimits) -> Iterator[list[Callable[[int], None]]]:
    """Serves when it is left, in this thread, and meanwhile calls what was added with the port in another one."""
    asking: list[Callable[[int], None]] = []
    yield asking
    with closing(listening(None, 0)) as listener:

        def ask() -> None:
            try:
                for each in asking:
                    each(listener.getsockname()[1])
            finally:
                os.kill(os.getpid(), signal.SIGTERM)

        thread = threading.Thread(target=ask)
        serve(app, listener, when_ready=thread.start, limits=limits)
        thread.join()


def here(_: Request) -> PlainTextResponse:
    return PlainTextResponse("here")


HERE = Starlette(routes=[Route("/", here, methods=["GET", "POST"])])
HEAD = b"GET / HTTP/1.1\r\nHost: here\r\n"


def dripped(port: int, *pieces: tuple[float, bytes]) -> tuple[bytes, bool]:
    """What is answered to these bytes, each sent after a pause in seconds; and whether all could be sent."""
    answer, is_whole = b"", False
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        with suppress(OSError):
            for pause_s, piece in pieces:
                time.sleep(pause_s)
                connection.sendall(piece)
            is_whole = True
        with suppress(ConnectionError):
            while part := connection.recv(4096):
                answer += part
    return answer, is_whole


def test_a_head_has_an_end_in_time() -> None:
    """Of a first request and of a later one, however its bytes drip; a body that nobody reads any more keeps nothing open.

    A connection that is asked again and again stays for longer.
    """
    found: dict[str, tuple[bytes, bool]] = {}
    drip = [(0.05, b"x")] * 400
    slow = {
        "nothing": [],
        "a head": [(0.0, HEAD), *drip],
        "a second head": [(0.0, HEAD + b"\r\n"), (0.0, HEAD), *drip],
        "a body": [(0.0, HEAD.replace(b"GET", b"POST") + b"Content-Length: 100000\r\n\r\n"), *drip],
        "good": [(0.1, HEAD + b"\r\n")] * 15 + [(0.0, HEAD + b"Connection: close\r\n\r\n")],
    }

    def ask(port: int) -> None:
        with ThreadPoolExecutor(len(slow)) as pool:
            asked = {name: pool.submit(dripped, port, *pieces) for name, pieces in slow.items()}
            found.update({name: each.result() for name, each in asked.items()})

    with serving(HERE, ConnectionLimits(head_s=1.0)) as asking:
        asking.append(ask)
    for name in ("nothing", "a head"):
        assert found[name][0] == b"", name
    for name in ("a second head", "a body"):
        assert found[name][0].count(b"200 OK") == 1, name
    assert found["good"][0].count(b"200 OK") == 16
    assert {name: is_whole for name, (_, is_whole) in found.items() if slow[name]} == {
        **dict.fromkeys(["a head", "a second head", "a body"], False),
        "good": True,
    }


def test_of_many_that_wait_the_oldest_are_ended() -> None:
    """Who asks at once is answered, though nobody's place becomes free; and so with connections that are open at all."""
    answers: list[bytes] = []

    def flood(port: int) -> None:
        with ExitStack() as stack:
            for _ in range(50):
                one = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
                one.sendall(HEAD)
            answers.append(spoken(port, [HEAD + b"Connection: close\r\n\r\n"])[0])

    for limits in (ConnectionLimits(waiting=10), ConnectionLimits(open=10)):
        with serving(HERE, limits) as asking:
            asking.append(flood)
    assert [answer.startswith(b"HTTP/1.1 200") for answer in answers] == [True, True]


def test_requests_at_once_have_an_end(caplog: pytest.LogCaptureFixture) -> None:
    """Of thousands that do not wait for an answer, few are kept; some are answered, one after the other. No fault is logged, and
    a stream before them ends with its connection."""
    asked: list[str] = []
    streams: list[str] = []

    async def app(request: Request) -> Response:
        asked.append(request.url.path)
        if request.url.path == "/stream":
            return StreamingResponse(stream())
        return PlainTextResponse(f"{len(await request.body())}")

    async def stream() -> AsyncIterator[bytes]:
        streams.append("began")
        try:
            while True:
                yield b"."
                await asyncio.sleep(0.05)
        finally:
            streams.append("ended")

    def leave_a_stream(port: int) -> None:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(HEAD.replace(b"GET /", b"GET /stream") + b"\r\n" + HEAD + b"\r\n")
            connection.recv(100)
        wait_for(lambda: "ended" in streams)

    answers: list[bytes] = []
    one = HEAD + b"\r\n"
    few = one * PIPELINED_MOST + HEAD + b"Connection: close\r\n\r\n"
    smuggled = HEAD + b"Content-Length: 4\r\n\r\nabcd"
    with serving(Starlette(routes=[Route("/{path:path}", app)]), ConnectionLimits()) as asking:
        asking.append(leave_a_stream)
        asking.append(lambda port: answers.append(spoken(port, [few])[0]))
        asking.append(lambda port: answers.append(spoken(port, [one * 10_000])[0]))
        asking.append(lambda port: answers.append(spoken(port, [one * (PIPELINED_MOST + 1) + smuggled])[0]))
    assert answers[0].count(b"200 OK") == PIPELINED_MOST + 1
    assert not [answer for answer in answers if b"\r\n\r\n4" in answer]
    assert len(asked) < 4 * PIPELINED_MOST
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


def test_an_address_has_so_many() -> None:
    """An address that is not this machine's, and the /64 of an IPv6 one; others still come, and so do proxies on this machine."""
    connections = Connections(ConnectionLimits(open_each=2, open=5))
    household, neighbour = network_of("2001:db8::1"), network_of("2001:db8:0:1::1")
    assert household == network_of("2001:db8::ffff")
    assert network_of("::ffff:192.0.2.1") == "192.0.2.1"
    assert household
    assert neighbour
    assert [connections.open(household) for _ in range(3)] == [True, True, False]
    assert [connections.open(neighbour), connections.open(""), connections.open("")] == [True] * 3
    assert not connections.open("192.0.2.1")  # all together
    connections.close(household)
    assert connections.open("192.0.2.1")


@pytest.mark.parametrize(
    ("lines", "address"),
    [
        (["8.8.8.8"], ("8.8.8.8", True)),
        (["1.1.1.1, 8.8.8.8"], ("8.8.8.8", True)),
        (["1.1.1.1", "8.8.8.8"], ("8.8.8.8", True)),  # a proxy may add a line of its own
        (["1.1.1.1," * 10_000 + "8.8.8.8, 10.0.0.1"], ("8.8.8.8", True)),
        (["x" * 60_000], ("10.1.1.1", False)),
        ([], ("10.1.1.1", False)),
    ],
)
def test_the_address_is_the_nearest_one_of_the_open_net(lines: list[str], address: tuple[str, bool]) -> None:
    """Of what proxies say, if they are believed; however much a client has made up in front."""
    headers = Headers(raw=[(b"x-forwarded-for", line.encode()) for line in lines])
    scope = {"type": "http", "client": ("10.1.1.1", 1)}
    assert asking_address(scope, headers, behind_proxy=True) == address
    assert asking_address(scope, headers, behind_proxy=False) == ("10.1.1.1", False)


def spoken(port: int, pieces: Iterable[bytes]) -> tuple[bytes, int]:
    """What a server answers to these bytes, and how many of them it took."""
    sent, answer = 0, b""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        with suppress(OSError):
            for piece in pieces:
                connection.sendall(piece)
                sent += len(piece)
        with suppress(OSError):
            while part := connection.recv(4096):
                answer += part
    return answer, sent


def test_headers_have_an_end() -> None:
    """Endless headers, one endless header, endless trailers: the connection is ended, and little of them is kept.

    Many cookies and a long body pass; what follows a body is no header.
    """
    seen: list[tuple[int, int, str]] = []

    async def app(request: Request) -> PlainTextResponse:
        body = await request.body()
        seen.append((len(request.headers.raw), len(body), request.headers.get("x-late", "")))
        return PlainTextResponse("here")

    head = b"POST / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n"
    chunked = head + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n"
    many = (b"X-%d: %s\r\n" % (number, b"y" * 1000) for number in range(20_000))
    hostile: dict[str, Iterable[bytes]] = {
        "many": (head, *many),
        "long": (head + b"X: ", *[b"y" * 10_000] * 2_000),
        "url": (b"GET /", *[b"y" * 10_000] * 2_000),
        "trailers": (chunked, *[b"X: " + b"y" * 10_000 + b"\r\n"] * 2_000),
    }
    answers = {}
    with closing(listening(None, 0)) as listener:
        port = listener.getsockname()[1]

        def ask() -> None:
            try:
                answers.update({name: spoken(port, pieces) for name, pieces in hostile.items()})
                cookies = b"".join(b"Cookie-%d: %s\r\n" % (number, b"y" * 1000) for number in range(40))
                spoken(port, [head + cookies + b"Content-Length: 1000000\r\n\r\n", *[b"z" * 10_000] * 100])
                spoken(port, [chunked + b"X-Late: 1\r\n\r\n"])
            finally:
                os.kill(os.getpid(), signal.SIGTERM)

        asking = threading.Thread(target=ask)
        serve(Starlette(routes=[Route("/", app, methods=["GET", "POST"])]), listener, when_ready=asking.start)
        asking.join()
    for name, (answer, sent) in answers.items():
        assert sent < 20_000_000 - HEAD_MOST, name
        assert answer == b"" or answer.startswith(b"HTTP/1.1 400"), name
    assert [(body, late) for _, body, late in seen] == [(1_000_000, ""), (3, "")]
