"""The address that the program takes, and how it serves there."""

import os
import signal
import socket
import threading
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from dreamina_ui.errors import SettingError
from dreamina_ui.web.checks.connections import HEAD_MOST
from dreamina_ui.web.server import PORTS, address_of, listening, serve

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
