"""A running program, and strangers who send what no page and no person would."""

import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import gradio
import httpx
import pytest

from tests.security.gradio_wire import API, Talker
from tests.servers import ROOT, Server

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
    *("/dreamina/saved/%00", f"/dreamina/saved/{'a' * 5000}", "/dreamina/examples/%00", "/dreamina/upload/%00"),
    *("/dreamina/video/%00", f"/dreamina/video/{SHARE}?n={DIGITS}", f"/dreamina/video/{SHARE}?n={'9' * 5000}"),
    *("/dreamina/zip", "/dreamina/zip?video=%00", f"/dreamina/zip?video={DIGITS}", f"/dreamina/scripts.js?v={DIGITS}"),
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
    running = Server(tmp_path_factory.mktemp("door"))
    running.start()
    yield running
    running.stop()


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


def memory_mb(server: Server) -> float:
    [kilobytes] = re.findall(r"VmRSS:\s+(\d+)", Path(f"/proc/{server._process.pid}/status").read_text())
    return int(kilobytes) / 1024


@contextmanager
def unharmed(server: Server, name: str) -> Iterator[None]:
    """Checks that a health check and another visitor's call are answered soon, all the while, and how much memory is taken.

    On an idle machine that is half a second; one that is busy with other tests takes longer for anything.
    """
    if not Path("/proc").exists():
        pytest.skip("the memory of another process is read from /proc")
    worst, done = {"calm": 0.0, "health": 0.0, "call": 0.0}, threading.Event()

    def watch() -> None:
        with Talker(server.address) as other:
            search = next(event for event in other.events() if event.name == "show")

            def timed(what: str, session: str) -> None:
                began = time.monotonic()
                if what == "health":
                    other.http.get("/healthz").raise_for_status()
                else:
                    assert other.ask(search, search.data(), session)
                worst[what] = max(worst[what], time.monotonic() - began)

            for number in range(5):
                timed("calm", f"{name}-calm-{number}")
            begun.set()
            number = 0
            while not done.is_set() or number < 3:
                timed("health", "")
                timed("call", f"{name}-{number}")
                number += 1

    begun = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        watching = pool.submit(watch)
        begun.wait(60)
        before = memory_mb(server)
        try:
            yield
        finally:
            done.set()
        watching.result(60)
    grown = memory_mb(server) - before
    print(
        f"{name}: calm {worst['calm']:.2f} s, "
        + ", ".join(f"{what} {worst[what]:.2f} s" for what in ("health", "call"))
    )
    print(f"{name}: memory {grown:+.0f} MB")
    assert max(worst["health"], worst["call"]) < 1.0 + 10 * worst["calm"], worst
    assert grown < 100


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
        for number in range(1500):
            session = f"{number}" if number % 2 else "one"
            body = json.dumps({"data": search.data(), "fn_index": search.number, "session_hash": session})
            refused += stranger.post(f"{API}/queue/join", body.encode()).status_code == 429
        assert refused > 600
        for number in range(200):
            stranger.http.get("/", headers={"Host": f"10.1.1.{number}", "Accept-Encoding": "br"})
            stranger.http.get("/", headers={"Cookie": f"dreamina_language=x{number}", "Accept-Encoding": "br"})
        # A page that is asked for by its own name is compressed all the same.
        own = stranger.http.get("/", headers={"Accept-Encoding": "br"})
        assert own.headers["content-encoding"] == "br"
