"""A pool of processes with limits, each of which runs one function at a time, and is replaced when it ends or exceeds its limits.

The processes are started by `subprocess`, so that they inherit no socket and no file, and need neither `fork` nor shared memory.
They end with this one, also if it is killed: their input ends then.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dreamina_ui.confined.bounds import Bounds, read_message, write_message

__all__ = ["Pool", "Stopped"]

PASSED_ON = (
    *("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "TMPDIR", "TEMP", "TMP"),
    *("LANG", "LC_ALL", "LC_CTYPE", "PYTHONUTF8", "PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX"),
)
"""Of the environment. No key, no password and no address of a database is among it."""
TIME, CRASHED = "it takes too long", "its reader crashed"
ENDED_S = 10.0
TEXT_MOST = 200
ROOT = str(Path(__file__).parents[2])
KILLED = -9


class Stopped(Exception):
    """The call passed its bounds, or its process died; the message says why in a few words."""


class Pool:
    """At most `at_once` calls run at the same time, each in a process with these `bounds`; the others wait in line.

    A process is started when the first call needs it. `close` ends all; calls after it start new ones.
    """

    def __init__(self, name: str, bounds: Bounds, at_once: int) -> None:
        self._bounds = bounds
        self._name = name
        self._at_once = at_once
        self._lock = threading.Lock()
        self._threads: ThreadPoolExecutor | None = None
        self._idle: list[_Child] = []
        self._all: set[_Child] = set()
        self.processor_s = 0.0
        """Processor time of all calls that have ended well, in seconds."""
        self.peak = 0
        """The most memory that one of them has used, in bytes; 0 where the system does not say."""

    async def run(self, function: str, *arguments: Any, processor_s: int | None = None) -> Any:
        """Call `function`, "module:name", with arguments of JSON; gives its result, of JSON, too.

        `processor_s` replaces the bound. Raises `Stopped`, or the OSError that the function raised. A call that is cancelled is
        killed, and has ended when this does.
        """
        call = _Call(function, arguments, processor_s or self._bounds.processor_s)
        future = self._executor().submit(self._made, call)
        ended = asyncio.wrap_future(future)
        try:
            return await asyncio.shield(ended)
        except asyncio.CancelledError:
            if not future.cancel():  # it has begun
                call.stop()
                await asyncio.wait({ended})
                ended.exception()  # retrieve it, or asyncio logs it
            raise

    def call(self, function: str, *arguments: Any, processor_s: int | None = None) -> Any:
        """The same for a thread, which waits."""
        call = _Call(function, arguments, processor_s or self._bounds.processor_s)
        return self._executor().submit(self._made, call).result()

    def start(self, function: str) -> None:
        """Start a process and call `function` in it, if there is none yet; its result is dropped."""
        if not self._all:
            self._executor().submit(self._made, _Call(function, (), self._bounds.processor_s))

    def close(self) -> None:
        """End all processes, at once."""
        with self._lock:
            threads, self._threads = self._threads, None
            children = list(self._all)
        for child in children:
            child.kill()
        if threads:
            threads.shutdown(cancel_futures=True)
        for child in children:
            self._retire(child)

    def _executor(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(self._at_once, thread_name_prefix=self._name)
            return self._threads

    def _made(self, call: "_Call") -> Any:
        """Run the call in a process; once more in another one, where the process was ended by somebody else."""
        try:
            return self._tried(call)
        except _Killed as killed:
            if self._threads is None:
                raise Stopped("its reader was closed") from killed
            try:
                return self._tried(call)
            except _Killed as error:
                raise Stopped(CRASHED) from error

    def _tried(self, call: "_Call") -> Any:
        try:
            child = self._taken()
        except OSError as error:
            raise Stopped(f"its reader cannot be started: {error.strerror}") from error
        answer = None
        try:
            answer = child.ask(call, self._bounds.wall_s)
        finally:
            if answer is None or answer.last:
                self._retire(child)
            else:
                with self._lock:
                    self._idle.append(child)
        with self._lock:
            self.processor_s += child.spent_s
            self.peak = max(self.peak, answer.peak)
        if answer.errno is not None:
            raise OSError(answer.errno, answer.text)
        if answer.text:
            raise Stopped(answer.text[:TEXT_MOST])
        return answer.result

    def _taken(self) -> "_Child":
        with self._lock:
            while self._idle:
                child = self._idle.pop()
                if child.lives:
                    return child
                child.end()
                self._all.discard(child)
        child = _Child(self._bounds)
        with self._lock:
            self._all.add(child)
        return child

    def _retire(self, child: "_Child") -> None:
        child.end()
        with self._lock:
            self._all.discard(child)
            if child in self._idle:
                self._idle.remove(child)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """What a process says. It may have been taken over: what it says is checked. `last` says that it ends now."""

    last: bool
    processor_s: float
    peak: int
    result: Any = None
    errno: int | None = None
    text: str = ""

    def __post_init__(self) -> None:
        """Raises TypeError."""
        if not (
            isinstance(self.last, bool)
            and isinstance(self.processor_s, float)
            and isinstance(self.peak, int)
            and isinstance(self.errno, int | None)
            and isinstance(self.text, str)
        ):
            raise TypeError


class _Killed(Exception):
    """The process died, neither by its bounds nor by a fault of its own."""


class _Call:
    def __init__(self, function: str, arguments: tuple[Any, ...], processor_s: int) -> None:
        self.message = json.dumps({"function": function, "arguments": arguments, "processor_s": processor_s}).encode()
        self._lock = threading.Lock()
        self._child: _Child | None = None
        self._is_stopped = False

    def begin(self, child: "_Child") -> None:
        """Raises `Stopped` if its caller was cancelled."""
        with self._lock:
            if self._is_stopped:
                raise Stopped("nobody waits for it")
            self._child = child

    def end(self) -> None:
        with self._lock:
            self._child = None
            if self._is_stopped:
                raise Stopped("nobody waits for it")

    def stop(self) -> None:
        with self._lock:
            self._is_stopped = True
            if self._child is not None:
                self._child.kill()


class _Child:
    """One process."""

    def __init__(self, bounds: Bounds) -> None:
        self._process = subprocess.Popen(  # noqa: S603  this Python, with a module of ours
            [sys.executable, "-P", "-m", "dreamina_ui.confined.child", json.dumps(asdict(bounds))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(),
            cwd=os.path.abspath(os.sep),
        )
        self._spent_s = 0.0
        self.spent_s = 0.0
        """Processor time of the last call, in seconds; the start is part of the first one's."""

    @property
    def lives(self) -> bool:
        return self._process.poll() is None

    def ask(self, call: _Call, wall_s: float) -> _Answer:
        """What the process answers. Raises `Stopped`, or `_Killed`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        late = threading.Event()

        def end_late() -> None:
            late.set()
            self.kill()

        timer = threading.Timer(wall_s, end_late)
        timer.daemon = True
        try:
            call.begin(self)
            timer.start()
            write_message(self._process.stdin, call.message)
            answer = _Answer(**json.loads(read_message(self._process.stdout)))
        except (EOFError, OSError, ValueError, TypeError, RecursionError) as error:
            call.end()
            self.kill()
            code = self._process.wait()
            if late.is_set() or code == -getattr(signal, "SIGXCPU", 0):
                raise Stopped(TIME) from error
            if code == KILLED or isinstance(error, OSError):
                raise _Killed from error
            raise Stopped(CRASHED) from error
        finally:
            timer.cancel()
        call.end()
        self.spent_s, self._spent_s = answer.processor_s - self._spent_s, answer.processor_s
        return answer

    def kill(self) -> None:
        self._process.kill()

    def end(self) -> None:
        """End the process, and wait until it has."""
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(ENDED_S)
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with suppress(OSError):  # what it was not sent is not sent now
                pipe.close()


def _environment() -> dict[str, str]:
    given = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    modules = os.pathsep.join([ROOT, *filter(None, sys.path)])
    # One arena of glibc's: each more of them takes 64 MB of the address space.
    return {**given, "PYTHONPATH": modules, "MALLOC_ARENA_MAX": "1"}
