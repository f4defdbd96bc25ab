"""The programs that are measured beside each other, each in a process of its own, before the same service."""

import os
import sys
import time
from contextlib import suppress
from pathlib import Path

from benchmarks.clips import real_clip
from tests.rig import make_clip
from tests.servers import Process, free_port

__all__ = ["OURS", "PROGRAMS", "Program", "service"]

OURS = "ours"
PROGRAMS = (OURS, "tuned", "naive")
OFFLINE = {"PYTHONUNBUFFERED": "1", "GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1"}
MANY = "10000"
TICKS = os.sysconf("SC_CLK_TCK")


def processor_s(pid: int) -> float:
    """Seconds of processor time of all threads of a process, to the nanosecond; only on Linux."""
    # The process's clock by its number; the C library names the same in `clock_getcpuclockid`.
    return time.clock_gettime((~pid << 3) | 2)


class Measured(Process):
    """A process that is measured from outside, by Linux's `/proc`, together with its children."""

    @property
    def pid(self) -> int:
        return int(self._process.pid)

    @property
    def cpu_s(self) -> float:
        """Seconds of processor time of all its threads, of its children, and of those that have ended."""
        own = processor_s(self.pid)
        for child in self._children:
            with suppress(OSError):
                own += processor_s(child)
        # Behind the name, which may hold anything: the 14th and 15th are those of children that have ended.
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(") ")[2].split()
        return own + (int(fields[13]) + int(fields[14])) / TICKS

    @property
    def peak_mb(self) -> float:
        """The most memory it has held so far, in MB, without its children."""
        return _status(self.pid, "VmHWM")

    @property
    def children_mb(self) -> float:
        """What its children hold now, in MB; what they share, with it or each other, is divided among them."""
        return sum(map(_share, self._children))

    @property
    def _children(self) -> list[int]:
        children: list[int] = []
        for thread in Path(f"/proc/{self.pid}/task").iterdir():
            with suppress(OSError):  # the thread has ended
                children += map(int, (thread / "children").read_text().split())
        return children


class Program(Measured):
    """One of `PROGRAMS`, with its data and its log in `folder`, before a service at `base`."""

    def __init__(self, name: str, folder: Path, base: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "tmp").mkdir(exist_ok=True)
        settings = {
            **OFFLINE,
            "RUNCOMFY_API_TOKEN": "benchmark",
            "RUNCOMFY_MODEL_API_BASE": base,
            "DREAMINA_DATA_DIR": str(folder / "data"),
            **dict.fromkeys(("DREAMINA_MAX_ACTIVE", "DREAMINA_MAX_ACTIVE_PER_VISITOR", "DREAMINA_MAX_WATCHERS"), MANY),
            # Gradio would look for a free port from 7860 on, as would every other program of its kind.
            "GRADIO_SERVER_PORT": str(free_port()),
            "TMPDIR": str(folder / "tmp"),
            # Where Gradio finds ffmpeg, it looks into each video of the peers, and converts some.
            "PATH": str(folder / "tmp"),
        }
        command = ["app.py"] if name == OURS else ["-m", f"benchmarks.peers.{name}"]
        super().__init__(folder / "server.log", [sys.executable, *command], settings)


def service(
    folder: Path, median_s: float, sigma: float, queued: float | None = None, *, size_mb: int | None = None
) -> Measured:
    """The fake service, with its log in `folder`; its address ends in /v1. Its videos have 2.6 kB, or `size_mb` million bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    clip = make_clip(folder / "clip.mp4") if size_mb is None else real_clip(size_mb)
    options = ["--clip", str(clip), "--median", str(median_s), "--sigma", str(sigma)]
    options += [] if queued is None else ["--queued", str(queued)]
    return Measured(folder / "service.log", [sys.executable, "-m", "benchmarks.fake_service", *options], {})


def _share(pid: int) -> float:
    """A process's memory in MB, what is shared divided; 0 when it has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    found = [line.split()[1] for line in lines if line.startswith("Pss:")]
    return int(found[0]) / 1024 if found else 0.0


def _status(pid: int, name: str) -> float:
    """A line of the process's status, in MB; 0 when it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    found = [line.split()[1] for line in lines if line.startswith(f"{name}:")]
    return int(found[0]) / 1024 if found else 0.0
