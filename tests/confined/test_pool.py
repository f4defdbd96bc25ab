"""Functions in processes with limits: what they give, where they are stopped, and what is left of them."""

import asyncio
import errno
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from dreamina_ui.confined.bounds import Bounds
from dreamina_ui.confined.pool import Pool, Stopped
from tests.confined import functions
from tests.servers import ROOT, wait_for

pytestmark = [pytest.mark.anyio, pytest.mark.program]
BOUNDS = Bounds(memory=256 * 2**20, processor_s=1, wall_s=60.0, file_size=2**20)


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    pool = Pool("test", BOUNDS, 2)
    yield pool
    pool.close()


def call(pool: Pool, name: str, *arguments: Any) -> Any:
    return pool.call(f"{functions.NAME}:{name}", *arguments)


def is_gone(pid: int) -> bool:
    """Also where nobody has taken note of its end."""
    with suppress(OSError):
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    return True


def test_what_a_function_gives(pool: Pool) -> None:
    """Values of JSON go there and back, and the process is kept for the next call."""
    first = call(pool, "echo", "ü\udcff", 1.5, None, {"a": [True]})
    assert first[1:] == ["ü\udcff", 1.5, None, {"a": [True]}]
    assert call(pool, "echo")[0] == first[0] != os.getpid()


def test_errors_keep_their_meaning(pool: Pool, tmp_path: Path) -> None:
    """An error of the disk is one here, too; any other is why the call was stopped."""
    with pytest.raises(OSError, match="No such file") as caught:
        call(pool, "read", str(tmp_path / "none"))
    assert caught.value.errno == errno.ENOENT
    with pytest.raises(Stopped, match="ValueError: a reason"):
        call(pool, "fail")


@pytest.mark.parametrize(
    ("name", "harmless", "hostile", "reason"),
    [
        ("take", 20, 400, "it takes too much memory"),
        ("compute", 0.01, 60, "it takes too long"),
    ],
)
def test_what_passes_its_bounds_is_stopped(pool: Pool, name: str, harmless: float, hostile: float, reason: str) -> None:
    """Memory and processor time; what stays below them is not."""
    with pytest.raises(Stopped, match=reason):
        call(pool, name, hostile)
    assert call(pool, name, harmless) in (harmless, harmless * 2**20)


def test_processor_time_is_that_of_one_call(pool: Pool) -> None:
    """Many calls may take more of it than one may."""
    pids = {call(pool, "echo")[0] for _ in range(4) if call(pool, "compute", 0.6)}
    assert len(pids) == 1


def test_time_that_passes_is_bounded() -> None:
    """Where nothing is computed, and on systems without other limits."""
    bounds = Bounds(memory=BOUNDS.memory, processor_s=60, wall_s=0.3, file_size=0)
    pool = Pool("test", bounds, 1)
    try:
        with pytest.raises(Stopped, match="it takes too long"):
            call(pool, "wait", 600)
    finally:
        pool.close()


def test_files_are_bounded(pool: Pool, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="too large") as caught:
        call(pool, "write", str(tmp_path / "a"), 2**21)
    assert caught.value.errno == errno.EFBIG
    assert call(pool, "write", str(tmp_path / "b"), 2**19) == 2**19


@pytest.mark.parametrize("name", ["crash", "babble"])
def test_process_that_crashes_or_lies_is_replaced(pool: Pool, name: str) -> None:
    before = call(pool, "echo")[0]
    with pytest.raises(Stopped, match="its reader crashed"):
        call(pool, name)
    assert is_gone(before)
    assert call(pool, "echo", 1)[1] == 1


def test_process_that_somebody_ends_is_no_fault_of_the_call(pool: Pool, tmp_path: Path) -> None:
    """The system does so when it is short of memory; the call is made once more."""
    assert call(pool, "die_once", str(tmp_path / "mark"))
    pid = call(pool, "echo")[0]
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: is_gone(pid))
    assert call(pool, "echo")[0] != pid


def test_process_that_has_grown_is_replaced(pool: Pool) -> None:
    """What a library keeps of a large file does not count against the next one."""
    before = call(pool, "echo")[0]
    assert call(pool, "take", 100)
    assert call(pool, "echo")[0] != before


def test_what_a_call_leaves_is_gone_before_the_next(pool: Pool) -> None:
    """Also what holds itself, as a decoder's frames do: of 3 MB each, a hundred would fill the process."""
    assert [call(pool, "hold") for _ in range(4)] == [0, 0, 0, 0]


def test_what_is_printed_disturbs_nothing(pool: Pool) -> None:
    assert call(pool, "chatter") == "said"


def test_no_secret_and_no_socket_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """The processes find no key in their environment, and hold no connection and no file of the studio's."""
    monkeypatch.setenv("RUNCOMFY_API_TOKEN", "rc-canary-0123456789abcdef")
    monkeypatch.setenv("DREAMINA_DATABASE_URL", "postgresql://a:canary@localhost/b")
    pool = Pool("test", BOUNDS, 1)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.set_inheritable(True)
        try:
            found = call(pool, "surroundings")
        finally:
            pool.close()
    assert not [name for name in found["environment"] if name.startswith(("RUNCOMFY", "DREAMINA"))]
    assert "canary" not in str(found["environment"])
    assert not [file for file in found["files"] if file.startswith("socket:")]
    assert len(found["files"]) <= 6


def test_no_more_at_once(pool: Pool) -> None:
    """Two processes for eight calls."""
    with ThreadPoolExecutor(8) as threads:
        pids = {pid for [pid] in threads.map(lambda _: call(pool, "echo"), range(40))}
    assert 1 <= len(pids) <= 2


async def test_call_that_is_cancelled_is_ended(tmp_path: Path) -> None:
    """Its process is gone when the cancelled call is, and one that stood in line behind it goes on."""
    pool = Pool("test", BOUNDS, 1)
    try:
        [pid] = await pool.run(f"{functions.NAME}:echo")
        waiting = asyncio.create_task(pool.run(f"{functions.NAME}:wait", 600, str(tmp_path / "mark")))
        given_up, behind = (asyncio.create_task(pool.run(f"{functions.NAME}:echo", number)) for number in (1, 2))
        await asyncio.to_thread(wait_for, (tmp_path / "mark").exists)
        for task in (given_up, waiting):
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert is_gone(pid)
        assert (await behind)[1] == 2
    finally:
        pool.close()


def test_closing_ends_all(tmp_path: Path) -> None:
    pool = Pool("test", BOUNDS, 2)
    pid = call(pool, "echo")[0]
    pool.close()
    assert is_gone(pid)
    again = call(pool, "echo")[0]
    pool.close()
    assert is_gone(again)


PARENT = """
import sys, threading
from dreamina_ui.confined.bounds import Bounds
from dreamina_ui.confined.pool import Pool

pool = Pool("test", Bounds(memory=2**28, processor_s=1, wall_s=60.0, file_size=0), 2)
print(pool.call("tests.confined.functions:echo")[0], flush=True)
if sys.argv[1] == "killed":
    threading.Event().wait()
"""


@pytest.mark.parametrize("end", ["killed", "ended"])
def test_no_process_is_left_behind(end: str) -> None:
    """They end with the program, by SIGKILL as well, and they do not hold up its end."""
    program = subprocess.Popen([sys.executable, "-c", PARENT, end], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert program.stdout is not None
        pid = int(program.stdout.readline())
        if end == "killed":
            assert not is_gone(pid)
            program.kill()
        program.wait(60)
        wait_for(lambda: is_gone(pid), 30)
    finally:
        program.kill()
        program.wait()
        assert program.stdout is not None
        program.stdout.close()
