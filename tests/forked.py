"""Programs of the project in processes of their own that need not import everything again.

A server process imports Gradio and the studio once for a whole test run; each program is a fork of it, and a program may fork
others from itself. A test whose point is the start itself runs the real command instead.
"""

import atexit
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from multiprocessing.context import ForkContext, ForkServerContext
from pathlib import Path

__all__ = ["Program", "is_forking", "ran"]

_ROOT = Path(__file__).parents[1]
IMPORTED = (
    "av",
    "tests.quick_gradio",
    "dreamina_ui.studio",
    "dreamina_ui.simulator.service",
    "dreamina_ui.simulator.drawing.renderers",
    "pydantic.v1",
    "uvicorn.lifespan.on",
    "uvicorn.loops.asyncio",
    "uvicorn.protocols.http.auto",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite.pysqlite",
)
"""What the programs import, with what they would else import after their start."""
_FORKING = "DREAMINA_TEST_FORKING"
"""Set in the environment of a program that forks others."""


class Program:
    """`python -m module arguments`, begun in a fork; the part of `subprocess.Popen` that tests use.

    `environment` is all that the program finds in its own; `out` and `err` are the files for its output.
    """

    def __init__(
        self, module: str, arguments: Sequence[str], environment: Mapping[str, str], out: Path, err: Path
    ) -> None:
        self.args = [module, *arguments]
        given = (module, list(arguments), dict(environment), str(out.absolute()), str(err.absolute()))
        for file in (out, err):
            file.write_bytes(b"")
        # A daemon: what a failed test leaves behind ends with the test run.
        self._process = _context().Process(target=_run, args=given, daemon=True)
        self._process.start()
        assert self._process.pid
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit code; of a signal's, the number below zero; None while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """The exit code. Raises `subprocess.TimeoutExpired` after `timeout` seconds."""
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        if self._process.exitcode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def ran(
    module: str, arguments: Sequence[str], environment: Mapping[str, str], folder: Path, *, forking: bool = False
) -> "subprocess.CompletedProcess[str]":
    """`python -m module arguments`, run to its end in a fork, with its output in two files in `folder` meanwhile.

    With `forking`, the studios that it starts are forks of it, and not processes that import everything again.
    """
    out, err = folder / f"{module}.out", folder / f"{module}.err"
    program = Program(module, arguments, {**environment, **({_FORKING: "on"} if forking else {})}, out, err)
    try:
        code = program.wait()
    finally:
        program.kill()
    return subprocess.CompletedProcess(program.args, code, out.read_text(), err.read_text())


def is_forking() -> bool:
    """Whether this program is a fork that is to fork others."""
    return _FORKING in os.environ


@cache
def _context() -> ForkContext | ForkServerContext:
    if is_forking():
        multiprocessing.current_process().daemon = False  # a daemon may not start processes
        return multiprocessing.get_context("fork")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*IMPORTED, __name__])
    return context


def _run(module: str, arguments: list[str], environment: dict[str, str], out: str, err: str) -> None:
    """In the fork: be the program. What it raises ends it as it would end any Python."""
    if is_forking():  # the program that this is a fork of
        atexit._clear()  # it still needs the folders that it registered to be removed
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None  # a library may have asked for it while it was imported
    os.chdir(_ROOT)
    for descriptor, path in ((1, out), (2, err)):
        file = os.open(path, os.O_WRONLY | os.O_APPEND)
        os.dup2(file, descriptor)
        os.close(file)
    sys.argv[1:] = arguments
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        # A fork of multiprocessing's leaves these out.
        atexit._run_exitfuncs()
