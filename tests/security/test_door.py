"""A running program, and strangers who send what no page and no person would."""

import json
import re
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import gradio
import httpx
import pytest

from tests.media.files import make
from tests.security.crowd import besieged, unharmed
from tests.security.gradio_wire import API, Talker
from tests.servers import ROOT, Server, wait_for

SHARE = "0" * 32
EXAMPLE = f"/dreamina/examples/{min((ROOT / 'assets/examples').glob('*.webp')).name}"
SCRIPT = f"/assets/{min((Path(gradio.__file__).parent / 'templates/frontend/assets').glob('index-*.js')).name}"
DIGITS = "9" * 30
RANGES = [
    *("bytes=0-1,3-4", "bytes=4-1", "bytes=-", f"bytes=0-{DIGITS}", f"bytes={DIGITS}-", f"bytes=-{DIGITS}", "bytes=-0"),
    *(
        "bytes=a-b",
        "bytes=" + ",".join(["0-1"] * 500),
        "items=0-1",
        "bytes",
        "",
        "bytes=0-0,-1",
        f"bytes={'9' * 5000}-",
    ),
    *(
        "bytes=0-18446744073709551616",
        "bytes=--1",
        "bytes=1-2-3",
        " bytes = 0-1 , 2-3 ",
        "bytes=1_0-2_0",
        "bytes=\xb2-",
    ),
]
PATHS = [
    *("/?page=x", "/?page=", "/?page=x&page=y", "/?deep_link=x", "/?deep_link=../../x", "/config?page=x", "/?%zz&=%"),
    *(f"/?seed={DIGITS}&frames={'9' * 5000}", f"/?video={SHARE}&prompt=%00%ff", f"{API}/info?page=x"),
    *(
        f"/{folder}/{name}"
        for folder in ("assets", "static", "svelte")
        for name in ("%00", "%ff", "a" * 5000, "..%2fx")
    ),
    *("/%zz", "/%", "//", "/./", f"/{'a/' * 2000}", "/pwa_icon/%00", f"/pwa_icon/{DIGITS}", "/theme.css?v=%00"),
    *(
        f"{API}/file={name}"
        for name in ("%00", "dreamina/%00", "/" + "a" * 6000, "/tmp/gradio/%00.png", "/tmp/%ff.png")
    ),
    *(
        "/dreamina/saved/%00",
        f"/dreamina/saved/{'a' * 5000}",
        "/dreamina/examples/%00",
        "/dreamina/upload/%00",
        "/dreamina/input/%00",
    ),
    *("/dreamina/video/%00", f"/dreamina/video/{SHARE}?n={DIGITS}", f"/dreamina/video/{SHARE}?n={'9' * 5000}"),
    *("/dreamina/zip", "/dreamina/zip?video=%00", f"/dreamina/zip?video={DIGITS}", f"/dreamina/scripts.js?v={DIGITS}"),
    *(
        "/dreamina/join",
        "/dreamina/join?job=%00&job=%ff",
        f"/dreamina/join?job={DIGITS}&job={SHARE}",
        "/dreamina/export",
    ),
    *(
        f"/dreamina/export?job={SHARE}&{query}"
        for query in ("as=%00", "from=nan", f"to={DIGITS}", "width=1e999", "fps=%ff")
    ),
    "/dreamina/zip?" + "&".join(f"video={number:032x}" for number in range(300)),
    *(f"{API}/call/%00/x", f"{API}/call/submit/{'a' * 5000}", f"{API}/heartbeat/%00", f"{API}/upload_progress"),
    *(
        f"{API}/queue/data{query}"
        for query in ("", "?session_hash=", "?session_hash=a&session_hash=b", "?session_hash=%00")
    ),
    *(f"{API}/mcp", "/login/huggingface", "/login/callback?code=%00", "/logout", f"{API}/app_id", "/healthz?x=%00"),
]
HEADERS = [
    *(
        ("Cookie", value)
        for value in ("\xff\xfe=\xff", "dreamina_zone=%00", "dreamina_zone=America", "dreamina_language=\xff")
    ),
    *(
        ("Cookie", value)
        for value in (f"dreamina_zone={'a' * 5000}", "dreamina_visitor=\xff.\xff", "session=\xff; =; ;")
    ),
    *(
        (name, "\xff\xfe")
        for name in ("Accept-Language", "Accept-Encoding", "Content-Type", "X-Forwarded-Prefix", "Origin")
    ),
    *(
        (name, "\xff")
        for name in ("If-None-Match", "If-Modified-Since", "If-Range", "X-Forwarded-Host", "Idempotency-Key")
    ),
    ("Accept-Language", "," * 50_000),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with besieged(tmp_path_factory.mktemp("door")) as server:
        yield server


def raw(server: Server, method: str, path: str, *headers: tuple[str, str]) -> int:
    """The status of the answer to a request as it stands; what a client of a library would not send, too."""
    port = int(server.address.rpartition(":")[2])
    lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers]
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        answer = b""
        while b"\r\n" not in answer and (part := connection.recv(4096)):
            answer += part
    return int(answer.split(b" ")[1])


def test_no_request_is_answered_with_a_fault(server: Server) -> None:
    """Not one answer of 5xx, and no traceback: paths, queries, ranges, headers; what people ask for is answered."""
    asked = [(method, path) for path in PATHS for method in ("GET", "HEAD")]
    found = {(method, path): raw(server, method, path) for method, path in asked}
    for place in (EXAMPLE, SCRIPT):
        found |= {(place, value): raw(server, "GET", place, ("Range", value)) for value in RANGES}
    for place in ("/", f"/dreamina/zip?video={SHARE}", EXAMPLE):
        found |= {(place, f"{name}: {value}"): raw(server, "GET", place, (name, value)) for name, value in HEADERS}
    assert {key: status for key, status in found.items() if not 200 <= status < 500} == {}
    assert "Traceback" not in server.log
    assert found["GET", "/?page="] == found["GET", "/?page=x"] == 200
    assert raw(server, "GET", EXAMPLE, ("Range", "bytes=0-1")) == 206
    assert found[EXAMPLE, "bytes=0-1,3-4"] == 206


def test_bodies_and_headers_hold_up_nobody(server: Server) -> None:
    """Bodies of 8 MB, chunked ones, endless headers: refused, while others are served."""
    bodies = [b'{"data":[' + part * (8_000_000 // len(part)) + b"0]}" for part in (b"[],", b"1,", b'{"a":0},')]
    with unharmed(server, "bodies"), httpx.Client(base_url=server.address, trust_env=False, timeout=60) as web:
        for body in bodies:
            for content in (body, iter([body[at : at + 65_536] for at in range(0, len(body), 65_536)])):
                with suppress(httpx.WriteError, httpx.ReadError):  # ended in the middle
                    assert web.post(f"{API}/queue/join", content=content).status_code == 413
        port = int(server.address.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection, suppress(OSError):
            connection.sendall(f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n".encode())
            for number in range(100):
                connection.sendall(b"".join(b"x-%d: %s\r\n" % (number, b"y" * 1000) for _ in range(1000)))


def test_sessions_and_names_cost_little(server: Server) -> None:
    """Thousands of sessions, calls that nobody reads, names by which the page is asked for: bounded, while others are served."""
    with unharmed(server, "sessions"), Talker(server.address) as stranger:
        search = next(event for event in stranger.events() if event.name == "show")
        refused = 0
        for number in range(700):
            session = f"{number}" if number % 2 else "one"
            body = json.dumps({"data": search.data(), "fn_index": search.number, "session_hash": session})
            refused += stranger.post(f"{API}/queue/join", body.encode()).status_code == 429
        assert refused > 250
        for number in range(200):
            stranger.http.get("/", headers={"Host": f"10.1.1.{number}", "Accept-Encoding": "br"})
            stranger.http.get("/", headers={"Cookie": f"dreamina_language=x{number}", "Accept-Encoding": "br"})
        # A page that is asked for by its own name is compressed all the same.
        own = stranger.http.get("/", headers={"Accept-Encoding": "br"})
        assert own.headers["content-encoding"] == "br"


@contextmanager
def dripping(server: Server, count: int, start: bytes) -> Iterator[Callable[[], int]]:
    """So many connections, each of which sends `start` and then a byte a second. Gives how many are still open."""
    port, over = int(server.address.rpartition(":")[2]), threading.Event()
    connections: list[socket.socket] = []

    def drip() -> None:
        while not over.wait(1):
            for connection in connections:
                with suppress(OSError):
                    connection.send(b"x")

    def is_open(connection: socket.socket) -> bool:
        try:
            while connection.recv(4096):
                pass  # an answer, behind which it is ended
            return False
        except BlockingIOError:
            return True
        except OSError:
            return False

    try:
        for _ in range(count):
            connections.append(socket.create_connection(("127.0.0.1", port), timeout=10))
            with suppress(OSError):
                connections[-1].sendall(start)
            connections[-1].setblocking(False)
        with ThreadPoolExecutor(1) as pool:
            dripped = pool.submit(drip)
            try:
                yield lambda: sum(map(is_open, connections))
            finally:
                over.set()
                dripped.result(60)
    finally:
        for connection in connections:
            connection.close()


HOST = b"Host: 127.0.0.1\r\n"
JOINED = f"POST {API}/queue/join HTTP/1.1\r\n".encode() + HOST + b"Content-Type: application/json\r\n"


def test_slow_heads_and_bodies_hold_up_nobody(server: Server) -> None:
    """1,500 connections that never end their headers; 700 bodies of 63 kB that never end: few are kept."""
    with unharmed(server, "slow heads") as measured, dripping(server, 1500, b"GET / HTTP/1.1\r\nX: ") as still_open:
        measured()
        wait_for(lambda: still_open() <= 1000)
    body = b"Content-Length: 64000\r\n\r\n" + b"[" * 63_000
    with unharmed(server, "slow bodies") as measured, dripping(server, 700, JOINED + body) as still_open:
        measured()
        wait_for(lambda: still_open() < 300)  # of 16 MB


def test_slow_uploads_hold_up_nobody(server: Server) -> None:
    """150 visitors with four slow uploads each of 1 MB: a hundred are taken, and nobody's page waits for them."""
    part = make("mp4", server.data / "a.mp4").read_bytes()[:1000] + b"x" * 10**6
    with unharmed(server, "slow uploads") as measured, ExitStack() as stack:
        still_open = []
        for _ in range(50):
            visitor = stack.enter_context(Talker(server.address)).http.cookies["dreamina_visitor"]
            form = b'--line\r\nContent-Disposition: form-data; name="files"; filename="a.mp4"\r\n\r\n'
            head = f"POST {API}/upload HTTP/1.1\r\nCookie: dreamina_visitor={visitor}\r\n".encode() + HOST
            head += b"Content-Type: multipart/form-data; boundary=line\r\nContent-Length: 2000000\r\n\r\n"
            start = head + form + part
            still_open.append(stack.enter_context(dripping(server, 4, start)))
        measured()


def test_open_streams_hold_up_nobody(server: Server) -> None:
    """1,000 event streams and 110 MCP sessions that are opened and left."""
    hello = {"protocolVersion": "2025-03-26", "capabilities": {}, "clientInfo": {"name": "a", "version": "1"}}
    call = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}
    headers = {"Accept": "application/json, text/event-stream"}
    with unharmed(server, "streams") as measured, ExitStack() as stack:
        for number in range(100):
            stream = f"GET {API}/heartbeat/left{number} HTTP/1.1\r\n".encode() + HOST + b"\r\n"
            stack.enter_context(dripping(server, 10, stream))
        with httpx.Client(base_url=server.address, trust_env=False, timeout=60, headers=headers) as program:
            opened = [program.post(f"{API}/mcp", json=call) for _ in range(110)]
            assert [one.status_code for one in opened] == [200] * 100 + [429] * 10
        for one in opened[:100]:
            name = one.headers["mcp-session-id"]
            stream = f"GET {API}/mcp HTTP/1.1\r\nMcp-Session-Id: {name}\r\nAccept: text/event-stream\r\n".encode()
            stack.enter_context(dripping(server, 1, stream + HOST + b"\r\n"))
        measured()


def test_refused_keys_hold_up_nobody(server: Server) -> None:
    """Of 176 keys of eight visitors, the service is asked about ten of each."""
    with unharmed(server, "refused keys") as measured, ExitStack() as stack:
        told: Counter[str] = Counter()
        for visitor in range(8):
            stranger = stack.enter_context(Talker(server.address))
            for number in range(22):
                headers = {"X-RunComfy-Key": f"a-wrong-key-{visitor}-{number}"}
                _, answer = stranger.call("submit", ["a boat", "1440×1440(1:1)", 121, 7], **headers)
                told.update(re.findall(r"key_refused|too_many_keys|job_id", answer))
        assert told == {"key_refused": 80, "too_many_keys": 96}
        measured()
