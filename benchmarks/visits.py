"""A visitor of the running program, which measures the server's processor time, the sent bytes, and the time until the answer.

The requests are those of Gradio's page: its HTML, and each event as a call into the queue with a stream for the answer.
"""

import html
import json
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx

from benchmarks.programs import processor_s
from dreamina_ui.web.visitors import COOKIE
from tests.servers import Process

__all__ = ["Cost", "MeasuredServer", "Visit"]

BROWSER = {"Accept-Encoding": "gzip, deflate, br", "Accept-Language": "en"}
SETTLED_MOST_S = 60
POSTERS = re.compile(r"data-folder=\"([^\"]*)\".* data-posters='([^']*)'")


@dataclass(frozen=True, slots=True)
class Cost:
    """Processor time of the server and time on the clock in seconds; the bytes of the answers' bodies, as they came."""

    cpu_s: float
    clock_s: float
    sent: int


class MeasuredServer(Process):
    """The program, as a user starts it; only on Linux, where the processor time of another process can be read.

    On any free port: between two starts, another program may take the one it had.
    """

    def __init__(self, folder: Path, **others: str) -> None:
        self.data = folder / "data"
        settings = {"DREAMINA_DATA_DIR": str(self.data), "DREAMINA_BACKEND": "simulator", **others}
        super().__init__(folder / "server.log", [sys.executable, "app.py"], settings)

    @property
    def cpu_s(self) -> float:
        """Seconds of processor time of all its threads, to the nanosecond."""
        return processor_s(self._process.pid)


class Visit:
    """One opened page; the browser has been here before, so files that never change are not fetched anew."""

    def __init__(self, server: MeasuredServer, cookie: str) -> None:
        self._server = server
        self._session = f"{time.monotonic_ns():x}"
        # A warm connection, as a browser's: what is measured is the page, not the handshake.
        self._client = httpx.Client(
            base_url=server.address, headers=BROWSER, cookies={COOKIE: cookie}, timeout=60, trust_env=False
        )
        self.config: dict[str, Any] = self._client.get("config").json()
        self.answer: list[Any] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def event(self, name: str, target: str | None = None) -> int:
        """The number of an event: what it is (`load`, `click`), and the id on the page of what it happens to."""
        ids = {part["id"]: part["props"].get("elem_id") for part in self.config["components"]}
        for event in self.config["dependencies"]:
            if event["backend_fn"] and any(
                what == name and ids.get(number) == target for number, what in event["targets"]
            ):
                return int(event["id"])
        raise LookupError(f"no event {name} of {target}")

    def measured(self, work: Callable[[], int]) -> Cost:
        """What `work` costs; it gives the bytes it received."""
        cpu_s, clock_s = self._server.cpu_s, time.perf_counter()
        sent = work()
        return Cost(self._server.cpu_s - cpu_s, time.perf_counter() - clock_s, sent)

    def settle(self) -> None:
        """Wait until the page is kept and compressed, which the program does once, after it has been asked for it."""
        until = time.monotonic() + SETTLED_MOST_S
        while self._client.get("").raise_for_status().headers.get("content-encoding") != "br":
            if time.monotonic() > until:
                raise TimeoutError("the page is not kept compressed")
            time.sleep(0.05)

    def open(self, load: int) -> int:
        """The page and what it calls when it has appeared, with nothing kept from before; gives the bytes."""
        return self._get("") + self.call(load, [""])

    def posters(self) -> int:
        """The pictures in the last answer; gives the bytes."""
        found = [match for part in self.answer if isinstance(part, str) for match in POSTERS.findall(part)]
        return sum(
            self._get(f"{folder}{share_id}.webp")
            for folder, posters in found
            for _job_id, share_id, state, is_ready, *_ in json.loads(html.unescape(posters))
            if not state and is_ready == 1
        )

    def call(self, event: int, values: Sequence[Any]) -> int:
        """One event, until its answer is there; gives the bytes of what came."""
        body = {"data": list(values), "fn_index": event, "session_hash": self._session, "event_data": None}
        joined = self._client.post("gradio_api/queue/join", json=body).raise_for_status()
        query = {"session_hash": self._session}
        with self._client.stream("GET", "gradio_api/queue/data", params=query) as stream:
            for line in stream.raise_for_status().iter_lines():
                message = json.loads(line.removeprefix("data:")) if line.startswith("data:") else {}
                if message.get("msg") == "process_completed":
                    if not message["success"]:
                        raise RuntimeError(f"event {event} failed: {message}")
                    self.answer = message["output"]["data"]
            return joined.num_bytes_downloaded + stream.num_bytes_downloaded

    def _get(self, address: str) -> int:
        return self._client.get(address).raise_for_status().num_bytes_downloaded
