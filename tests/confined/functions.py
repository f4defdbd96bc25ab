"""What the tests of the pool run in its processes."""

import contextlib
import os
import signal
import time
import weakref
from pathlib import Path
from typing import Any

__all__ = ["NAME"]

NAME = __name__


def echo(*values: Any) -> Any:
    return [os.getpid(), *values]


def take(megabytes: int) -> int:
    return len(bytearray(megabytes * 2**20))


def compute(seconds: float) -> float:
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass
    return seconds


def wait(seconds: float, mark: str = "") -> float:
    """Make a file `mark`, and wait."""
    if mark:
        Path(mark).touch()
    time.sleep(seconds)
    return seconds


def write(path: str, size: int) -> int:
    return Path(path).write_bytes(bytes(size))


def read(path: str) -> str:
    return Path(path).read_text()


def fail() -> None:
    raise ValueError("a reason")


def crash() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def die_once(path: str) -> int:
    """As if the system had ended it; the second time it does not."""
    with contextlib.suppress(FileExistsError):
        Path(path).touch(exist_ok=False)
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()


def chatter() -> str:
    print("a library that prints")
    os.write(1, b"and one in C")
    return "said"


def babble() -> None:
    """Write to every pipe there is: this process was taken over."""
    for number in range(3, 20):
        with contextlib.suppress(OSError):
            os.write(number, b"\xff" * 100)


def surroundings() -> dict[str, Any]:
    """The environment, and what the open descriptors are."""
    numbers = os.listdir("/proc/self/fd")
    files = []
    for number in numbers:
        with contextlib.suppress(FileNotFoundError):
            files.append(os.readlink(f"/proc/self/fd/{number}"))
    return {"environment": dict(os.environ), "files": files}


class Held:
    """Held by itself alone."""

    def __init__(self) -> None:
        self.itself = self


_held: list[weakref.ref[Held]] = []


def hold() -> int:
    """Leave an object that holds itself; gives how many of those that were left are still there."""
    left = sum(reference() is not None for reference in _held)
    _held.append(weakref.ref(Held()))
    return left
