"""A Space: its card, and a start from the folder that `scripts/space` prepares."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from huggingface_hub import SpaceCard
from packaging.requirements import Requirement

from tests.chromium import browsing
from tests.oauth import HOST, Provider, held_by, signed_in, variables
from tests.servers import ROOT, free_port, wait_for

COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
KINDS = {
    "title": str,
    "emoji": str,
    "colorFrom": str,
    "colorTo": str,
    "sdk": str,
    "sdk_version": str,
    "python_version": str,
    "app_file": str,
    "pinned": bool,
    "license": str,
    "short_description": str,
    "hf_oauth": bool,
}
"""The entries of Hugging Face's configuration reference that are used here, with their types."""
WITHIN_S = 120


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared") / "space"
    command = [sys.executable, "scripts/space", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=WITHIN_S)
    assert done.returncode == 0, done.stderr
    return folder


def entries(card: SpaceCard) -> dict[str, Any]:
    read: dict[str, Any] = card.data.to_dict()  # type: ignore[no-untyped-call]
    return read


def test_the_card_is_read_by_the_hub_s_library(space: Path) -> None:
    """`SpaceCard` reads the whole front matter, and each entry has its type."""
    text = (space / "README.md").read_text(encoding="utf-8")
    card = SpaceCard(text, ignore_metadata_errors=False)
    held = yaml.safe_load(text.split("---\n")[1])
    assert entries(card) == held
    assert {name: type(value) for name, value in held.items()} == KINDS
    assert entries(SpaceCard(str(card))) == held


def test_the_values_of_the_card(space: Path) -> None:
    """Version, colours, lengths, file, Python and sign-in are valid for a Space and match this program."""
    card = SpaceCard.load(space / "README.md").data
    pins = (
        Requirement(line.split("#")[0]) for line in (space / "requirements.txt").read_text().splitlines()[1:] if line
    )
    [gradio] = (pin for pin in pins if pin.name == "gradio")
    assert card.sdk == "gradio"
    assert gradio.specifier.contains(card.sdk_version)
    assert gradio.specifier.contains(version("gradio"))
    assert {card.colorFrom, card.colorTo} <= COLOURS
    assert 0 < len(card.short_description) <= 60
    assert len(card.emoji) == 1
    assert (space / card.app_file).is_file()
    assert f'requires-python = ">={card.python_version}"' in (ROOT / "pyproject.toml").read_text()
    assert card.license == "mit"
    assert (space / "LICENSE").read_text().startswith("MIT License")
    assert card.hf_oauth is True  # `_offers_login` in studio.py


def test_all_that_signing_in_needs_is_a_requirement(space: Path) -> None:
    """The packages of Gradio's extra are named; the platform's builder is not relied on."""
    lines = [line.split("#")[0] for line in (space / "requirements.txt").read_text().splitlines() if line.strip()]
    named = {pin.name: pin for pin in map(Requirement, filter(str.strip, lines))}
    assert {"authlib", "itsdangerous", "starlette"} <= set(named)
    assert "oauth" in named["gradio"].extras


def test_only_needed_files_are_pushed(space: Path) -> None:
    """The folder has no tests, caches, owner's settings or screenshots; binary files are marked for Git LFS."""
    files = [path.relative_to(space) for path in space.rglob("*") if path.is_file()]
    top = {".gitattributes", "LICENSE", "README.md", "app.py", "assets", "dreamina_ui", "requirements.txt"}
    assert {path.parts[0] for path in files} == top
    assert not [path for path in files if {"__pycache__", "screenshots", ".env"} & set(path.parts)]
    assert {path.suffix for path in files if b"\x00" in (space / path).read_bytes()} <= {".webp"}
    assert not re.search(r"\]\((?!https://)", (space / "README.md").read_text(encoding="utf-8"))


def test_a_folder_that_is_not_empty_is_refused(tmp_path: Path) -> None:
    """No file is overwritten; a clone with only `.git` is filled."""
    (tmp_path / "mine").write_text("mine")
    command = [sys.executable, str(ROOT / "scripts" / "space"), str(tmp_path)]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN_S)
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "is not empty" in refused.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    (tmp_path / "mine").unlink()
    (tmp_path / ".git").mkdir()
    assert subprocess.run(command, capture_output=True, timeout=WITHIN_S).returncode == 0
    assert (tmp_path / "app.py").is_file()


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as serving:
        yield serving


def problems_of_page(port: int) -> list[str]:
    """The requests to other origins of the page opened by the Space's name, failed requests, and the console's errors."""
    problems: list[str] = []
    own = (f"http://{HOST}/", "data:", "blob:")
    with browsing(f"--host-resolver-rules=MAP {HOST} 127.0.0.1:{port}") as browser:
        page = browser.new_page()
        page.on("request", lambda request: None if request.url.startswith(own) else problems.append(request.url))
        page.on(
            "response", lambda response: None if response.ok else problems.append(f"{response.status} {response.url}")
        )
        page.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(f"http://{HOST}/")
        page.wait_for_selector("#history .history-root")
        page.wait_for_selector("#login")
        page.wait_for_load_state("networkidle")
    return problems


@pytest.mark.program
def test_a_space_starts_from_its_folder(space: Path, tmp_path: Path, provider: Provider) -> None:
    """With what a Space sets, the page, `/healthz` and signing in work by the Space's name, the page asks no other
    origin, and the data is in its folder."""
    copy, elsewhere, data = tmp_path / "home" / "app", tmp_path / "empty", tmp_path / "data"
    shutil.copytree(space, copy)
    elsewhere.mkdir()
    port = free_port()
    env = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(tmp_path / "home"),
        **variables(provider),
        "GRADIO_SERVER_NAME": "127.0.0.1",
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_ANALYTICS_ENABLED": "False",
        "HF_HUB_OFFLINE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "DREAMINA_DATA_DIR": str(data),
    }
    log = tmp_path / "log"
    with log.open("w") as out:
        # Without -P and with no PYTHONPATH, the program's own folder is the first to be imported from.
        command = [sys.executable, str(copy / "app.py")]
        process = subprocess.Popen(command, cwd=elsewhere, env=env, stdout=out, stderr=subprocess.STDOUT)

    def announced() -> str:
        assert process.poll() is None, log.read_text()
        return "yes" if "Dreamina UI: http" in log.read_text() else ""

    try:
        wait_for(announced, WITHIN_S)
        asked = {"Host": HOST, "X-Forwarded-Proto": "https"}
        with httpx.Client(
            base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=WITHIN_S, headers=asked
        ) as browser:
            page = browser.get("/")
            assert page.status_code == 200
            assert "Dreamina" in page.text
            assert "SameSite=None; Partitioned" in page.headers["set-cookie"]
            assert browser.get("/healthz").json()["status"] == "ok"
            example = next((copy / "assets" / "examples").glob("*.webp"))
            assert browser.get(f"/dreamina/examples/{example.name}").content == example.read_bytes()
            session = held_by(signed_in(browser, provider))
            assert session["oauth_info"]["userinfo"]["preferred_username"] == "ann"
        assert problems_of_page(port) == []
    finally:
        process.terminate()
        process.wait(WITHIN_S)
    assert "Traceback" not in log.read_text()
    assert {"dreamina.sqlite3", "videos", "secret"} <= {path.name for path in data.iterdir()}
    assert not list(elsewhere.iterdir())
