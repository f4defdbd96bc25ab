"""`python app.py`: a failed start is one line, and a good one ends cleanly."""

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from dreamina_ui.settings import BUNDLED_CARDS
from dreamina_ui.web.visitors import COOKIE
from tests.forked import Program
from tests.servers import ROOT, wait_for

CANARY = "rc-canary-0123456789abcdef"
WITHIN_S = 120
"""The longest time of a process before its test fails."""


Process = Program | subprocess.Popen[bytes]
Start = Callable[[Path, dict[str, str]], Process]


def started(folder: Path, settings: dict[str, str]) -> Program:
    """The program in a clean environment and a folder of its own, which has files of its output; in a fork."""
    return Program("app", (), {**environment(folder), **settings}, folder / "out", folder / "err")


def begun(folder: Path, settings: dict[str, str]) -> "subprocess.Popen[bytes]":
    """The same as a command, from another folder than the program's."""
    with (folder / "out").open("w") as out, (folder / "err").open("w") as err:
        return subprocess.Popen(
            [sys.executable, str(ROOT / "app.py")],
            cwd=folder,
            env={**environment(folder), **settings},
            stdout=out,
            stderr=err,
        )


def environment(folder: Path) -> dict[str, str]:
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(folder),
        "DREAMINA_DATA_DIR": str(folder / "data"),
        "DREAMINA_BACKEND": "simulator",
        "RUNCOMFY_API_TOKEN": CANARY,
        "GRADIO_ANALYTICS_ENABLED": "False",
        "HF_HUB_OFFLINE": "1",
        "PYTHON_DOTENV_DISABLED": "1",  # a developer's own .env is no part of a test
        "PYTHONDONTWRITEBYTECODE": "1",
        **{name: os.environ[name] for name in ("PYTHONPYCACHEPREFIX",) if name in os.environ},
    }


def out(folder: Path) -> str:
    return (folder / "out").read_text()


LOGGED = re.compile(r"\S+ \S+ (INFO|WARNING) (job [0-9a-f]{32} |the service did not tell of )")
"""A line of the log about a job, or about a catalogue that the service of these tests does not have."""


def err(folder: Path) -> str:
    return (folder / "err").read_text()


def refusal(folder: Path, settings: dict[str, str], start: Start = started) -> str:
    """The one line of a failed start."""
    process = start(folder, settings)
    try:
        code = process.wait(WITHIN_S)
    finally:
        process.kill()
    lines = err(folder).splitlines()
    assert (code, len(lines)) == (1, 1), err(folder)
    assert lines[0].startswith("Dreamina UI cannot start: ")
    assert "Traceback" not in out(folder) + err(folder)
    assert CANARY not in out(folder) + err(folder)
    return lines[0]


@contextmanager
def serving(folder: Path, settings: dict[str, str], start: Start = started) -> Iterator[tuple[Process, str]]:
    """The program and the address that it prints."""
    process = start(folder, settings)

    def announced() -> str:
        assert process.poll() is None, err(folder)
        found = re.search(
            r"^Dreamina UI: (http://127\.0\.0\.1:\d+) \((simulator: free|runcomfy: paid).*\)$",
            out(folder),
            re.MULTILINE | re.IGNORECASE,
        )
        return found[1] if found else ""

    try:
        yield process, wait_for(announced, WITHIN_S)
    finally:
        process.kill()
        process.wait(WITHIN_S)


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that another program listens on."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


@pytest.fixture
def free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DREAMINA_BACKEND", "cloud"),
        ("DREAMINA_MAX_ACTIVE", "0"),
        ("DREAMINA_DAILY_LIMIT", "a few"),
        ("DREAMINA_JOB_DEADLINE_S", "1e3"),
        ("DREAMINA_MODEL_CARD", "/nowhere/card.json"),
        ("DREAMINA_TRUSTED_OUTPUT_ORIGINS", "http://videos.example.com"),
        ("DREAMINA_DATABASE_URL", "mysql://me:rc-canary-0123456789abcdef@host/x"),
        ("RUNCOMFY_MODEL_API_BASE", "http://model-api.runcomfy.net/v1"),
        ("RUNCOMFY_API_TOKEN", "rc-canary-0123456789abcdef with a blank"),
        ("GRADIO_SERVER_PORT", "65536"),
        ("DREAMINA_DATA_DIR", "/dev/null"),
        ("DREAMINA_DATA_DIR", "/dev/null/data"),
    ],
)
def test_a_bad_setting_stops_the_start(tmp_path: Path, name: str, value: str) -> None:
    """Each invalid setting is named in one line without a key."""
    assert name in refusal(tmp_path, {name: value})


def test_a_bad_setting_stops_the_command(tmp_path: Path) -> None:
    """The program itself, begun by its command in another folder, says the same as a fork of it."""
    assert "GRADIO_SERVER_PORT" in refusal(tmp_path, {"GRADIO_SERVER_PORT": "65536"}, begun)


def foreign_database(data: Path) -> None:
    with closing(sqlite3.connect(data / "dreamina.sqlite3")) as connection:
        connection.execute("CREATE TABLE moz_places (id INTEGER PRIMARY KEY)")


def no_database(data: Path) -> None:
    (data / "dreamina.sqlite3").write_text("My notes\n" * 200)


def folder_for_a_database(data: Path) -> None:
    (data / "dreamina.sqlite3").mkdir()


def file_for_the_videos(data: Path) -> None:
    (data / "videos").write_text("mine")


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (foreign_database, "another program"),
        (no_database, "not a database"),
        (folder_for_a_database, "unable to open"),
        (file_for_the_videos, "videos cannot be made"),
    ],
)
def test_an_unusable_data_folder_stops_the_start(tmp_path: Path, found: object, says: str) -> None:
    """One line names the wrong file or folder."""
    assert callable(found)
    (tmp_path / "data").mkdir()
    found(tmp_path / "data")
    assert says in refusal(tmp_path, {})


@pytest.mark.parametrize(
    ("address", "says"),
    [("sqlite://me:{}@host/x", "sqlite:///PATH"), ("postgresql+psycopg://me:{}@h:p/x", "DREAMINA_DATABASE_URL")],
)
def test_an_invalid_database_url_stops_the_start(tmp_path: Path, address: str, says: str) -> None:
    """The line does not contain the password."""
    assert says in refusal(tmp_path, {"DREAMINA_DATABASE_URL": address.format(CANARY)})


@pytest.mark.parametrize("card", ["", "{", "[]", '{"model_id": "a/b"}', "\udc80"])
def test_an_unreadable_card_stops_the_start(tmp_path: Path, card: str) -> None:
    """The line has the name of the card's file."""
    (tmp_path / "my-card.json").write_bytes(card.encode(errors="surrogateescape"))
    assert "my-card.json" in refusal(tmp_path, {"DREAMINA_MODEL_CARD": str(tmp_path / "my-card.json")})


def test_a_taken_port_stops_the_start(tmp_path: Path, taken: int) -> None:
    """The line has the port and its setting."""
    line = refusal(tmp_path, {"GRADIO_SERVER_PORT": str(taken)})
    assert "GRADIO_SERVER_PORT" in line
    assert str(taken) in line


def test_a_foreign_address_stops_the_start(tmp_path: Path, free: int) -> None:
    """The line has the name to listen on and its setting."""
    line = refusal(tmp_path, {"GRADIO_SERVER_NAME": "192.0.2.1", "GRADIO_SERVER_PORT": str(free)})
    assert "GRADIO_SERVER_NAME" in line
    assert "192.0.2.1" in line


def stopped(process: Process, folder: Path, by: signal.Signals) -> None:
    """Stop the process. Checks that it ends with 0, without more output, and has closed the database."""
    process.send_signal(by)
    assert process.wait(WITHIN_S) == 0
    assert [line for line in err(folder).splitlines() if not LOGGED.match(line)] == []
    assert len(out(folder).splitlines()) == 1
    assert CANARY not in out(folder)
    # SQLite takes its journal away when the last connection is closed: the engine was left in order.
    assert not list((folder / "data").glob("dreamina.sqlite3-*"))


def test_start_and_sigterm(tmp_path: Path, free: int) -> None:
    """The address is printed, the page loads and sets the visitor cookie, and SIGTERM ends the program with 0.

    A proxy that does not answer is no hindrance: the program asks nobody for its own page.
    """
    nowhere = "http://127.0.0.1:9"
    proxies = {"HTTP_PROXY": nowhere, "http_proxy": nowhere, "HTTPS_PROXY": nowhere}
    with serving(tmp_path, {"GRADIO_SERVER_PORT": str(free), **proxies}, begun) as (process, address):
        assert address == f"http://127.0.0.1:{free}"
        with httpx.Client(base_url=address, trust_env=False, timeout=WITHIN_S) as browser:
            page = browser.get("/")
            assert page.status_code == 200
            assert "Dreamina" in page.text
            cookie = page.headers["set-cookie"]
            assert cookie.startswith(f"{COOKIE}=")
            assert "HttpOnly" in cookie
            assert "set-cookie" not in browser.get("/").headers
        stopped(process, tmp_path, signal.SIGTERM)
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == [
        "dreamina.sqlite3",
        "gradio",
        "owners",
        "secret",
        "videos",
    ]


class PaidService(ThreadingHTTPServer):
    """Accepts a video after `held_s`, and then knows nothing of it yet: its job does not end."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), PaidAnswers)
        self.asked, self.ending = threading.Event(), threading.Event()
        self.held_s = 0.0
        self.models: dict[str, Any] = {}
        """What it tells of models, by the ends of their addresses."""
        self.refuses = False

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class PaidAnswers(BaseHTTPRequestHandler):
    server: PaidService

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.server.asked.set()
        self.server.ending.wait(self.server.held_s)
        if self.server.refuses:
            self._send(422, b'{"error_code": 422001, "detail": "frames is not one of 121, 361"}')
        else:
            self._send(200, b'{"request_id": "paid-for"}')

    def do_GET(self) -> None:
        model = next((model for end, model in self.server.models.items() if self.path.endswith(end)), None)
        self._send(200 if model else 404, json.dumps(model or {}).encode())

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


@pytest.fixture
def paid() -> Iterator[PaidService]:
    with PaidService() as service:
        answering = threading.Thread(target=service.serve_forever)
        answering.start()
        yield service
        service.ending.set()
        service.shutdown()
        answering.join()


CALL = {"data": ["a lighthouse", "1440×1440(1:1)", 241, 7]}


def rows(folder: Path) -> list[tuple[str, str | None]]:
    with closing(sqlite3.connect(folder / "data" / "dreamina.sqlite3")) as connection:
        return connection.execute("SELECT state, request_id FROM jobs").fetchall()


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
def test_an_open_page_does_not_delay_the_shutdown(
    tmp_path: Path, free: int, paid: PaidService, by: signal.Signals
) -> None:
    """The program ends cleanly while a page watches an endless job."""
    settings = {"DREAMINA_BACKEND": "runcomfy", "RUNCOMFY_MODEL_API_BASE": paid.base}
    with (
        serving(tmp_path, {"GRADIO_SERVER_PORT": str(free), **settings}) as (process, address),
        httpx.Client(base_url=address, trust_env=False, timeout=WITHIN_S) as browser,
    ):
        event = browser.post("/gradio_api/call/generate", json=CALL).json()["event_id"]
        with (
            browser.stream("GET", "/gradio_api/heartbeat/page") as heartbeat,
            browser.stream("GET", f"/gradio_api/call/generate/{event}") as watching,
        ):
            beats, lines = heartbeat.iter_raw(), watching.iter_lines()  # a stream whose reader is let go is closed
            assert next(beats)
            while "in_queue" not in next(lines):
                pass
            stopped(process, tmp_path, by)
    assert rows(tmp_path) == [("in_queue", "paid-for")]


def test_the_shutdown_waits_for_a_paid_reply(tmp_path: Path, free: int, paid: PaidService) -> None:
    """After SIGTERM during a paid POST the program waits for the reply and stores its request id."""
    paid.held_s = 7  # Gradio by itself gives up after 5
    settings = {"DREAMINA_BACKEND": "runcomfy", "RUNCOMFY_MODEL_API_BASE": paid.base}
    with serving(tmp_path, {"GRADIO_SERVER_PORT": str(free), **settings}) as (process, address):
        httpx.post(f"{address}/gradio_api/call/submit", json=CALL, trust_env=False, timeout=WITHIN_S)
        assert paid.asked.wait(WITHIN_S)
        stopped(process, tmp_path, signal.SIGTERM)
    assert rows(tmp_path) == [("in_queue", "paid-for")]


def test_a_model_that_changes_gets_a_new_form(tmp_path: Path, free: int, paid: PaidService) -> None:
    """The service refuses what the form allows: nothing is paid, and the program starts again, in the same process, with the
    model as it is now. A page of before is told to reload, and the job says why it failed."""
    source = json.loads((BUNDLED_CARDS / "dreamina-3-0-pro-text-to-video.json").read_text("utf-8"))
    paid.models = {"/pro/text-to-video": source}
    settings = {"DREAMINA_BACKEND": "runcomfy", "RUNCOMFY_MODEL_API_BASE": paid.base, "GRADIO_SERVER_PORT": str(free)}
    with (
        serving(tmp_path, settings, begun) as (process, address),
        httpx.Client(base_url=address, trust_env=False, timeout=WITHIN_S) as browser,
    ):

        def version() -> str:
            with suppress(httpx.TransportError):
                found = re.search(r'name="dreamina-forms" content="(\w+)"', browser.get("/").text)
                return found[1] if found else ""
            return ""

        before = version()
        properties = source["input_schema"]["properties"]
        frames = {**properties["frames"], "enum": [121, 361]}
        changed = {**source["input_schema"], "properties": {**properties, "frames": frames}}
        paid.models = {"/pro/text-to-video": {**source, "input_schema": changed}}
        paid.refuses = True
        browser.post("/gradio_api/call/submit", json=CALL)
        wait_for(lambda: version() not in ("", before), WITHIN_S)
        assert process.poll() is None
        config = browser.get("/config").json()
        lengths = [
            [value for _, value in part["props"]["choices"]]
            for part in config["components"]
            if part["props"].get("elem_id") == "field-frames"
        ]
        assert lengths == [[121, 361], [121, 241]]
        [event] = [each for each in config["dependencies"] if each["api_name"] == "start"]
        call = {"fn_index": event["id"], "data": [], "session_hash": "before", "event_data": None}
        meant = {"x-dreamina-function": f"start/{len(event['inputs'])}/{len(event['outputs'])}/{before}"}
        told = browser.post("/gradio_api/queue/join", json=call, headers=meant)
        assert (told.status_code, told.json()["code"]) == (409, "page_changed")
        process.send_signal(signal.SIGTERM)
        assert process.wait(WITHIN_S) == 0
    assert "Traceback" not in err(tmp_path)
    assert CANARY not in out(tmp_path) + err(tmp_path)
    assert rows(tmp_path) == [("failed", None)]
    assert (tmp_path / "data" / "cards").is_dir()
