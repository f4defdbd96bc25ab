"""A Space: its card, and a start from the folder that `scripts/space` prepares."""

import json
import re
import shutil
import subprocess
import sys
import threading
import time
from base64 import b64decode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import yaml
from huggingface_hub import SpaceCard
from joserfc import jwt
from joserfc.jwk import RSAKey
from packaging.requirements import Requirement

from tests.chromium import browsing
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


class Provider(ThreadingHTTPServer):
    """An OpenID provider: signs one account in, by whatever code it is asked with."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), ProviderAnswers)
        self.base = f"http://127.0.0.1:{self.server_port}"
        self.key = RSAKey.generate_key(2048)
        self.nonce = ""

    def answer(self, path: str) -> dict[str, Any]:
        if path == "/.well-known/openid-configuration":
            places = {"authorization": "authorize", "token": "token", "userinfo": "userinfo"}
            ends = {f"{name}_endpoint": f"{self.base}/oauth/{place}" for name, place in places.items()}
            return {"issuer": self.base, "jwks_uri": f"{self.base}/keys", **ends}
        if path == "/keys":
            return {"keys": [self.key.as_dict(private=False)]}
        if path == "/oauth/token":
            told = {"iss": self.base, "aud": CLIENT, "sub": "ann-1", "nonce": self.nonce, **ACCOUNT}
            now = int(time.time())
            signed = jwt.encode({"alg": "RS256"}, {**told, "iat": now, "exp": now + 600}, self.key)
            return {"access_token": "access", "token_type": "bearer", "expires_in": 600, "id_token": signed}
        return {}


class ProviderAnswers(BaseHTTPRequestHandler):
    server: Provider

    def do_GET(self) -> None:
        body = json.dumps(self.server.answer(self.path)).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield serving
        serving.shutdown()
        thread.join()


CLIENT = "11111111-2222-3333-4444-555555555555"
ACCOUNT = {
    "name": "Ann",
    "preferred_username": "ann",
    "profile": "https://huggingface.co/ann",
    "picture": "https://huggingface.co/avatars/ann.svg",
}
HOST = "ann-studio.hf.space"


def variables(provider: Provider) -> dict[str, str]:
    """What Hugging Face sets in a Space with `hf_oauth` on the smallest hardware."""
    return {
        "SYSTEM": "spaces",
        "SPACE_ID": "ann/studio",
        "SPACE_HOST": HOST,
        "SPACE_AUTHOR_NAME": "ann",
        "SPACE_REPO_NAME": "studio",
        "SPACE_TITLE": "Dreamina UI",
        "SPACE_SUBDOMAIN": "ann-studio",
        "SPACE_CREATOR_USER_ID": "0123456789abcdef01234567",
        "ACCELERATOR": "none",
        "CPU_CORES": "2",
        "MEMORY": "16Gi",
        "GRADIO_ALLOW_FLAGGING": "never",
        "GRADIO_NUM_PORTS": "1",
        "GRADIO_THEME": "huggingface",
        "GRADIO_SSR_MODE": "True",
        "PYTHONUNBUFFERED": "1",
        "TQDM_POSITION": "-1",
        "TQDM_MININTERVAL": "1",
        "OAUTH_CLIENT_ID": CLIENT,
        "OAUTH_CLIENT_SECRET": "a-secret-of-the-space",
        "OAUTH_SCOPES": "openid profile",
        "OPENID_PROVIDER_URL": provider.base,
    }


def signed_in(browser: httpx.Client, provider: Provider) -> dict[str, Any]:
    """Sign in as a browser does, and give what the session then holds."""
    leaving = browser.get("/login/huggingface")
    assert leaving.status_code == 302, leaving.text
    assert leaving.headers["location"].startswith(f"{provider.base}/oauth/authorize?")
    asked = {name: values[0] for name, values in parse_qs(urlsplit(leaving.headers["location"]).query).items()}
    back = urlsplit(asked["redirect_uri"])
    assert (back.scheme, back.netloc, back.path) == ("https", HOST, "/login/callback")
    provider.nonce = asked["nonce"]
    session = leaving.cookies["session"]
    query = {"code": "a-code", "state": asked["state"]}
    returned = browser.get("/login/callback", params=query, headers={"Cookie": f"session={session}"})
    assert (returned.status_code, returned.headers["location"]) == (307, "/"), returned.text
    session = returned.cookies["session"]
    assert browser.get("/", headers={"Cookie": f"session={session}"}).status_code == 200
    held: dict[str, Any] = json.loads(b64decode(session.split(".")[0]))
    return held


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
            session = signed_in(browser, provider)
            assert session["oauth_info"]["userinfo"]["preferred_username"] == "ann"
        assert problems_of_page(port) == []
    finally:
        process.terminate()
        process.wait(WITHIN_S)
    assert "Traceback" not in log.read_text()
    assert {"dreamina.sqlite3", "videos", "secret"} <= {path.name for path in data.iterdir()}
    assert not list(elsewhere.iterdir())
