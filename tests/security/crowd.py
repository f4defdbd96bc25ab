"""A studio that strangers ask too much of, and what others notice of it meanwhile."""

import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.media.hostile import HOSTILE
from tests.rig import make_clip
from tests.security.gradio_wire import Talker
from tests.servers import ModuleProcess, Server, wait_for

__all__ = ["besieged", "unharmed"]

KEY = "a-key-for-the-door"


@contextmanager
def besieged(folder: Path, outputs: Sequence[str] = ()) -> Iterator[Server]:
    """A studio whose service answers from another process, with these of the hostile files for who asks for them."""
    make_clip(folder / "clip.mp4")
    for kind in outputs:
        HOSTILE[kind].make(folder / kind)
    service = ModuleProcess(folder / "service.log", "tests.security.hostile_service", [str(folder), KEY], {})
    settings = {"RUNCOMFY_API_TOKEN": KEY, "RUNCOMFY_MODEL_API_BASE": service.start(), "DREAMINA_MCP": "on"}
    running = Server(folder, DREAMINA_MAX_ACTIVE="500", DREAMINA_MAX_ACTIVE_PER_VISITOR="500", **settings)
    running.start()
    yield running
    running.stop()
    service.stop()


def memory_mb(server: Server) -> float:
    [kilobytes] = re.findall(r"VmRSS:\s+(\d+)", Path(f"/proc/{server._process.pid}/status").read_text())
    return int(kilobytes) / 1024


def paid(visitor: Talker) -> None:
    """Click, and wait until the service has accepted the job."""
    _, answer = visitor.call("submit", ["a boat at dusk", "1440×1440(1:1)", 121, 7])
    [job_id] = re.findall(r'"job_id": "(\w+)"', answer)
    wait_for(lambda: '"request_id": "' in visitor.call("job", [job_id])[1])


PAUSE_S = 0.2
"""Between two rounds of what `unharmed` asks: without one it would itself take most of a core, as long as a test lasts."""


@contextmanager
def unharmed(server: Server, name: str) -> Iterator[Callable[[], object]]:
    """Checks that health is told and another visitor's click accepted soon, all the while, and how much memory is taken.

    Gives what waits until three more rounds were measured.

    On an idle machine that is half a second; one that is busy with other tests takes longer for anything.
    """
    if not Path("/proc").exists():
        pytest.skip("the memory of another process is read from /proc")
    worst, done = {"calm": 0.0, "health": 0.0, "click": 0.0}, threading.Event()

    def watch() -> None:
        with Talker(server.address) as other:

            def timed(what: str) -> None:
                began = time.monotonic()
                if what == "health":
                    other.http.get("/healthz").raise_for_status()
                else:
                    paid(other)
                worst[what] = max(worst[what], time.monotonic() - began)

            for _ in range(5):
                timed("calm")
            begun.set()
            while not done.is_set():
                timed("health")
                timed("click")
                rounds.append(worst["click"])
                done.wait(PAUSE_S)

    def measured() -> None:
        seen = len(rounds)
        wait_for(lambda: len(rounds) > seen + 3 or watching.done())

    begun, rounds = threading.Event(), list[float]()
    with ThreadPoolExecutor(1) as pool:
        watching = pool.submit(watch)
        begun.wait(60)
        before = memory_mb(server)
        try:
            yield measured
            measured()
        finally:
            done.set()
        watching.result(60)
    grown = memory_mb(server) - before
    print(
        f"{name}: calm {worst['calm']:.2f} s, "
        + ", ".join(f"{what} {worst[what]:.2f} s" for what in ("health", "click"))
    )
    print(f"{name}: memory {grown:+.0f} MB")
    assert max(worst["health"], worst["click"]) < 1.0 + 10 * worst["calm"], worst
    assert grown < 100
