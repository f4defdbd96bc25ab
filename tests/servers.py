"""Real servers in processes of their own: the studio as a user starts it, and the simulator over a socket."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).parents[1]
T = TypeVar("T")


class Process:
    """A program that announces its address on a line of its own."""

    def __init__(self, log: Path, command: list[str], settings: dict[str, str]) -> None:
        self._log = log
        self._command = command
        self._settings = settings
        self.address = ""

    def start(self) -> str:
        foreign = ("RUNCOMFY_", "DREAMINA_", "GRADIO_SERVER")
        env = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command, cwd=ROOT, env=env | self._settings, stdout=log, stderr=subprocess.STDOUT
            )
        try:
            self.address = wait_for(self._announced)
        except BaseException:
            self.stop(kill=True)
            raise
        return self.address

    def stop(self, *, kill: bool = False) -> None:
        """Ask it to end; `kill` pulls the plug instead."""
        self._process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
        self._process.wait(timeout=60)

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def _announced(self) -> str:
        assert self._process.poll() is None, self.log
        found = re.search(r"http://[\w.]+:\d+(/v1)?", self.log)
        return found[0] if found else ""


class Server(Process):
    """`app.py` as a user starts it, with its data in `folder`; it keeps its port over restarts."""

    def __init__(self, folder: Path, **settings: str) -> None:
        super().__init__(
            folder / "server.log",
            [sys.executable, "app.py"],
            # Gradio would look for a free port from 7860 on, as would every studio that another test starts.
            {"DREAMINA_DATA_DIR": str(folder / "data"), "GRADIO_SERVER_PORT": str(free_port()), **settings},
        )
        self.data = folder / "data"


class SimulatorServer(Process):
    """`python -m dreamina_ui.simulator` with the given options; its address ends in /v1."""

    def __init__(self, folder: Path, *options: str) -> None:
        command = [sys.executable, "-m", "dreamina_ui.simulator", "--port", "0", "--folder", str(folder / "simulator")]
        super().__init__(folder / "simulator.log", [*command, *options], {})

    def control(self, path: str, key: str, body: object = None, method: str | None = None) -> Any:
        """Look behind the scenes (`ledger`), add faults (`faults`, with a body), or take all away (`faults`, DELETE)."""
        request = urllib.request.Request(
            self.address.removesuffix("/v1") + f"/_simulator/{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request) as reply:
            return json.load(reply)


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(condition: Callable[[], T], seconds: float = 120.0) -> T:
    """What the condition gives, as soon as it gives something; looks often, and not for ever."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s: {condition}")
