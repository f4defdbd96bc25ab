"""The secret is whole or absent, whenever the process that makes it is killed, and every start has the same one."""

import errno
import os
import signal
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dreamina_ui.config.signing import SECRET_LEAST, signing_secret
from dreamina_ui.errors import SettingError

KILLED_AT = """
import os, signal, sys
from pathlib import Path
from dreamina_ui.config.signing import signing_secret
left = int(sys.argv[2])
def count(event, _):
    global left
    if event in ("open", "os.link", "os.remove", "os.listdir", "os.scandir", "os.rename"):
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(count)
signing_secret(Path(sys.argv[1]), None)
"""
"""Ends by kill -9 before the call number `argv[2]` to the file system."""


def test_the_secret_is_made_once_and_private(tmp_path: Path) -> None:
    """Without a setting one is made, readable only by its owner, and read by later starts; nothing else is left."""
    secret = signing_secret(tmp_path, None)
    assert len(secret) == 64
    assert signing_secret(tmp_path, None) == secret
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]
    assert signing_secret(tmp_path, "x" * SECRET_LEAST) == "x" * SECRET_LEAST


@pytest.mark.skipif(os.name != "posix", reason="kill -9")
def test_a_start_that_is_killed_at_any_moment_breaks_nothing(tmp_path: Path) -> None:
    """Killed before each call to the file system: the next start has a whole secret, and the one after that the same."""
    for moment in range(50):
        folder = tmp_path / str(moment)
        folder.mkdir()
        ended = subprocess.run([sys.executable, "-c", KILLED_AT, str(folder), str(moment)], check=False)
        whole = (folder / "secret").exists()
        secret = signing_secret(folder, None)
        assert len(secret) == 64
        assert signing_secret(folder, None) == secret
        if ended.returncode == 0:
            assert whole
            assert moment > 4
            return
        assert ended.returncode == -signal.SIGKILL
    pytest.fail("it never came to its end")


@pytest.mark.parametrize("links", [True, False])
def test_first_starts_at_once_agree(links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many, all get the same secret, also where the file system has no hard links."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    for number in range(20):
        folder = tmp_path / str(number)
        folder.mkdir()
        with ThreadPoolExecutor(8) as pool:
            secrets = set(pool.map(lambda _, folder=folder: signing_secret(folder, None), range(8)))
        assert len(secrets) == 1
        assert secrets == {(folder / "secret").read_text()}


@pytest.mark.parametrize("held", [b"", b" \n", b"a" * (SECRET_LEAST - 1), b"\xff" * 64])
def test_a_secret_that_is_none_stops_the_start(held: bytes, tmp_path: Path) -> None:
    """Empty, short or no text: one sentence names the file and the way out, does not tell what is in it, and changes nothing."""
    path = tmp_path / "secret"
    path.write_bytes(held)
    with pytest.raises(SettingError) as told:
        signing_secret(tmp_path, None)
    assert str(path) in told.value.message
    assert "\n" not in told.value.message
    assert "aaaa" not in told.value.message
    assert path.read_bytes() == held
    if b"\xff" not in held:
        assert "delete it" in told.value.message


def test_a_secret_of_enough_characters_is_taken_as_it_is(tmp_path: Path) -> None:
    """The control: a file that an owner wrote, with a line's end."""
    (tmp_path / "secret").write_text("a" * SECRET_LEAST + "\n")
    assert signing_secret(tmp_path, None) == "a" * SECRET_LEAST


def test_what_a_killed_start_left_is_removed_later(tmp_path: Path) -> None:
    """A young one may be another start's, at work."""
    old, young = tmp_path / ".secret.0.part", tmp_path / ".secret.1.part"
    for path in (old, young):
        path.touch()
    os.utime(old, (time.time() - 7200,) * 2)
    signing_secret(tmp_path, None)
    assert (old.exists(), young.exists()) == (False, True)
