"""A machine where nothing may be written but the data folder: a real start as a user without rights, name and home."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.servers import ROOT, Process, free_port, wait_for
from tests.whole_way import MODEL, REFERENCES

NOBODY = "54321"  # in no list of users
AS_NOBODY = (
    *("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs"),
    # It may read what is root's, as the Python of this environment may be, and write nothing.
    *(
        "--inh-caps=-all,+dac_read_search",
        "--ambient-caps=-all,+dac_read_search",
        "--bounding-set=-all,+dac_read_search",
    ),
)
SETUP = """
set -e
mount --make-rprivate /
mkdir -p /tmp/gradio && chmod 700 /tmp/gradio
mount --bind "$1" "$1"
mount -o remount,bind,ro /
if mountpoint -q /tmp; then mount -o remount,bind,ro /tmp; fi
shift
cd /
exec "$@"
"""
"""Everything but the folder `$1` becomes read-only, in a view of the file system that only this process has."""


def isolated(data: Path, program: Sequence[str]) -> list[str]:
    return ["unshare", "--mount", "bash", "-c", SETUP, "setup", str(data), *AS_NOBODY, *program]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of that user's; skips where such a view cannot be made."""
    folder = tmp_path_factory.mktemp("read-only") / "data"
    folder.mkdir()
    if not shutil.which("unshare") or not shutil.which("setpriv") or os.geteuid() != 0:
        pytest.skip("a read-only view of the file system needs root, unshare and setpriv")
    os.chown(folder, int(NOBODY), int(NOBODY))
    tried = subprocess.run(
        isolated(folder, ["touch", str(folder / "tried")]), capture_output=True, text=True, timeout=60
    )
    if tried.returncode != 0:
        pytest.skip(f"a read-only view of the file system cannot be made here: {tried.stderr.strip()}")
    (folder / "tried").unlink()
    return folder


def environment(**settings: str) -> dict[str, str]:
    plain = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", "PYTHON_DOTENV_DISABLED": "1"}
    compiled = {name: os.environ[name] for name in ("PYTHONPYCACHEPREFIX",) if name in os.environ}
    return {**plain, **compiled, "GRADIO_ANALYTICS_ENABLED": "False", **settings}


def refusal(data: Path, **settings: str) -> str:
    """The one line of a start that fails."""
    command = isolated(data, [sys.executable, str(ROOT / "app.py")])
    done = subprocess.run(command, env=environment(**settings), capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.stderr
    return done.stderr


def test_the_view_is_read_only(data: Path) -> None:
    """The user can write to the data folder and nowhere else."""
    for place in ("/tmp/x", str(ROOT / "x"), "/var/tmp/x", str(data.parent / "x")):
        assert subprocess.run(isolated(data, ["touch", place]), capture_output=True, timeout=60).returncode != 0


def test_a_folder_that_cannot_be_written_is_named(data: Path) -> None:
    """The data folder by its setting, Gradio's by its own; and without a home folder the setting that is needed."""
    assert "DREAMINA_DATA_DIR is '/var/lib/dreamina'" in refusal(data, DREAMINA_DATA_DIR="/var/lib/dreamina")
    assert "DREAMINA_DATA_DIR" in refusal(data)
    held = refusal(data, DREAMINA_DATA_DIR=str(data), GRADIO_TEMP_DIR="/tmp/gradio")
    assert "GRADIO_TEMP_DIR is '/tmp/gradio'" in held


@contextmanager
def serving(data: Path, log: Path) -> Iterator[Process]:
    settings = environment(DREAMINA_DATA_DIR=str(data), DREAMINA_MODELS=str(REFERENCES), PORT=str(free_port()))
    command = [
        "env",
        "-i",
        *(f"{name}={value}" for name, value in settings.items()),
        sys.executable,
        str(ROOT / "app.py"),
    ]
    process = Process(log, isolated(data, command), {})
    process.start()
    try:
        yield process
    finally:
        process.stop()


def test_it_needs_the_data_folder_alone(data: Path, tmp_path: Path) -> None:
    """It starts, takes a table of 2 MB, renders a video and keeps it, with every other folder read-only."""
    with (
        serving(data, tmp_path / "log") as process,
        httpx.Client(base_url=process.address, trust_env=False, timeout=60) as browser,
    ):
        browser.get("/")
        assert browser.get("/healthz", headers={"Host": "10.0.0.7"}).json()["status"] == "ok"
        table = "prompt\n" + "a lighthouse in a storm\n" * 80_000
        sent = browser.post("/gradio_api/upload", files={"files": ("table.csv", table, "text/csv")})
        assert sent.status_code == 200, sent.text
        assert Path(sent.json()[0]).is_relative_to(data / "gradio")
        call = {"data": [MODEL, {"prompt": "a lighthouse", "frames": 3}]}
        event = browser.post("/gradio_api/call/run", json=call).json()["event_id"]
        told = browser.get(f"/gradio_api/call/run/{event}").text
        assert "event: complete" in told, told
        wait_for(lambda: list((data / "videos").glob("*.mp4")))
    assert "Traceback" not in process.log
