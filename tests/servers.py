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
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from tests.forked import Program, is_forking

ROOT = Path(__file__).parents[1]
T = TypeVar("T")
LOOKED_AT_LEAST_EVERY_S = 0.25


class Process:
    """A program that announces its address on a line of its own."""

    def __init__(self, log: Path, command: Sequence[str], settings: Mapping[str, str]) -> None:
        self._log = log
        self._command = command
        self._settings = settings
        self.address = ""

    def start(self) -> str:
        foreign = ("RUNCOMFY_", "DREAMINA_", "GRADIO_SERVER")
        env = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        self._process = self._begun({**env, **self._settings})
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

    def _begun(self, env: Mapping[str, str]) -> "Program | subprocess.Popen[bytes]":
        if is_forking() and [*self._command] == [sys.executable, "app.py"]:
            return Program("app", (), env, self._log, self._log)
        with self._log.open("wb") as log:
            return subprocess.Popen(self._command, cwd=ROOT, env=env, stdout=log, stderr=subprocess.STDOUT)

    def _announced(self) -> str:
        assert self._process.poll() is None, self.log
        # A log may name the addresses of others before.
        found = re.search(r"^(?:[\w* ]+: +)?(http://[\w.]+:\d+(?:/v1)?)", self.log, re.MULTILINE)
        return found[1] if found else ""


class ModuleProcess(Process):
    """A module that is run as a program: in a fork, which has what it imports, wherever that is the same."""

    def __init__(self, log: Path, module: str, arguments: Sequence[str], settings: Mapping[str, str]) -> None:
        super().__init__(log, [sys.executable, "-m", module, *arguments], settings)
        self._module, self._arguments = module, arguments

    def _begun(self, env: Mapping[str, str]) -> "Program | subprocess.Popen[bytes]":
        # What else is set may be read while a library is imported, as Gradio does with its folder for uploads.
        if not all(name.startswith(("RUNCOMFY_", "DREAMINA_", "GRADIO_SERVER_PORT")) for name in self._settings):
            return super()._begun(env)
        return Program(self._module, self._arguments, env, self._log, self._log)


class Server(ModuleProcess):
    """`app.py` as a user starts it, with its data in `folder`; it keeps its port over restarts."""

    def __init__(self, folder: Path, **settings: str) -> None:
        super().__init__(
            folder / "server.log",
            "app",
            (),
            # Gradio would look for a free port from 7860 on, as would every studio that another test starts.
            {"DREAMINA_DATA_DIR": str(folder / "data"), "GRADIO_SERVER_PORT": str(free_port()), **settings},
        )
        self.data = folder / "data"


class SimulatorServer(ModuleProcess):
    """`python -m dreamina_ui.simulator` with the given options; its address ends in /v1."""

    def __init__(self, folder: Path, *options: str) -> None:
        arguments = ("--port", "0", "--folder", str(folder / "simulator"), *options)
        super().__init__(folder / "simulator.log", "dreamina_ui.simulator", arguments, {})

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
    """What the condition gives, as soon as it gives something; looks often at first, then less often, and not for ever."""
    end, pause_s = time.monotonic() + seconds, 0.02
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(pause_s)
        # To look is often a request, which costs more than to wait.
        pause_s = min(1.3 * pause_s, LOOKED_AT_LEAST_EVERY_S)
    raise AssertionError(f"not within {seconds} s: {condition}")
