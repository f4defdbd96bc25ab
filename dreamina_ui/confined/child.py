"""The process that functions are run in: `python -m dreamina_ui.confined.child LIMITS`, started by `dreamina_ui.confined.pool`.

Each message on its input names a function and its arguments; each on its output has what that gave. Both are JSON, since
whoever takes this process over must not take over the one that reads its answers. It ends when its input does.
"""

import gc
import importlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import IO, Any

from dreamina_ui.confined.bounds import MEMORY, Bounds, read_message, write_message

CALLS_MOST = 1000
"""After so many, or with a quarter of its memory once in use, it ends: what a library leaks goes with it."""
TEXT_MOST = 200


def main(limits: str) -> None:
    bounds = Bounds(**json.loads(limits))
    source, target = sys.stdin.buffer, _own_output()
    for number in ("SIGINT", "SIGTERM"):
        # Sent to the whole group by a terminal or a service manager: the studio decides when its processes end.
        signal.signal(getattr(signal, number), signal.SIG_IGN)
    _limit(bounds)
    functions: dict[str, Callable[..., Any]] = {}
    for left in range(CALLS_MOST - 1, -1, -1):
        try:
            call = json.loads(read_message(source))
        except EOFError:
            return
        _limit_processor(call["processor_s"])
        answer = _answer(functions, call)
        answer["peak"] = _peak()
        answer["last"] = not left or answer["peak"] > bounds.memory // 4
        answer["processor_s"] = time.process_time()
        try:
            write_message(target, json.dumps(answer).encode())
        except OSError:
            return
        if answer["last"]:
            return
        # Python alone would do this much later: to it, a frame of a video, held by a circle of objects, is a small thing.
        gc.collect()


def _answer(functions: dict[str, Callable[..., Any]], call: Mapping[str, Any]) -> dict[str, Any]:
    try:
        name = call["function"]
        if name not in functions:
            functions[name] = _found(name)
            gc.freeze()  # what is imported stays
        return {"result": functions[name](*call["arguments"])}
    except MemoryError:
        return {"text": MEMORY}
    except OSError as error:
        return {"errno": error.errno or 0, "text": (error.strerror or type(error).__name__)[:TEXT_MOST]}
    except Exception as error:
        return {"text": f"{type(error).__name__}: {error}"[:TEXT_MOST]}


def _found(name: str) -> Callable[..., Any]:
    module, _, function = name.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return found


def _own_output() -> IO[bytes]:
    """The output, under a number of its own: what a library prints goes nowhere."""
    target = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    return target


def _limit(bounds: Bounds) -> None:
    # The kernel, short of memory, ends this process before the studio; Linux only.
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")
    if bounds.niceness and hasattr(os, "nice"):
        os.nice(bounds.niceness)
    try:
        import resource
    except ImportError:  # Windows
        return
    for limit, most in (
        (resource.RLIMIT_AS, bounds.memory),
        (resource.RLIMIT_FSIZE, bounds.file_size),
        (resource.RLIMIT_CORE, 0),
    ):
        with suppress(ValueError, OSError):  # macOS knows no limit of memory; a lower one may be set already
            _, hard = resource.getrlimit(limit)
            resource.setrlimit(limit, (most, hard))


def _limit_processor(seconds: int) -> None:
    try:
        import resource
    except ImportError:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    most = int(time.process_time()) + 1 + seconds
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CPU, (most, hard))


def _peak() -> int:
    """The most memory that was in use, in bytes; 0 where the system does not say.

    What `getrusage` says would count the memory of the studio, from which this process was forked.
    """
    with suppress(OSError), open("/proc/self/status", "rb") as file:
        for line in file:
            if line.startswith(b"VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


if __name__ == "__main__":
    main(sys.argv[1])
