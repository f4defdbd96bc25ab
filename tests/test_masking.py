"""Secrets in the texts of libraries: real messages, as errors, rows and lines of the log would have them."""

import io
import logging
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
import sqlalchemy as sa

from dreamina_ui import masking
from dreamina_ui.errors import DreaminaError, InvalidInput, Quoted, ServiceError, StoreUnavailable
from dreamina_ui.masking import MaskedFormatter, Secrets, know_settings, without_secrets
from tests.servers import ROOT, free_port

DATABASE = "kanarie@Tail/of#the?password"
ENV = {
    "RUNCOMFY_API_TOKEN": "rc-canary-0123456789abcdef",
    "DREAMINA_SECRET": "signing-canary-0123456789",
    "OAUTH_CLIENT_SECRET": "oauth-canary-0123456789",
    "HF_TOKEN": "hf_canary0123456789",
    "DREAMINA_DATABASE_URL": f"postgresql://me:{DATABASE}@db.invalid/studio",
    "https_proxy": "http://ann:proxy%40canary%2Fword@proxy.invalid:3128",
    "ALL_PROXY": "bob:all-canary@proxy.invalid",
}
PIECES = ("kanarie", "Tail", "password", "canary", "word@", "YW5uOnByb3h5QGNhbmFyeS93b3Jk")


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """The secrets are this process's for one test only."""
    monkeypatch.setattr(masking, "_KNOWN", Secrets())
    know_settings(ENV)


def raised(call: object) -> Exception:
    assert callable(call)
    try:
        call()
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def psycopg_misled() -> object:
    # What the reader of addresses prevents: the host is the end of the password.
    return psycopg.connect(host="Tail", port=free_port(), user="me", password="kanarie", dbname="x", connect_timeout=1)


def sqlalchemy_misled() -> object:
    engine = sa.create_engine(ENV["DREAMINA_DATABASE_URL"].replace("postgresql:", "postgresql+psycopg:"))
    return engine.connect()


LIBRARIES = {
    "psycopg": psycopg_misled,
    "psycopg's address": lambda: psycopg.connect(ENV["DREAMINA_DATABASE_URL"]),
    "sqlalchemy": sqlalchemy_misled,
    "sqlalchemy's address": lambda: sa.make_url(f"no-address {DATABASE}"),
    "httpx's address": lambda: httpx.get(f"http://ann:proxy%40canary%2Fword@proxy.invalid:{DATABASE}"),
    "httpx's proxy": lambda: httpx.Client(proxy="ann:proxy%40canary%2Fword@proxy.invalid:3128"),
    "httpx's header": lambda: httpx.Headers({"Authorization": ENV["RUNCOMFY_API_TOKEN"] + "\n"})[ENV["HF_TOKEN"]],
    "urllib": lambda: urlsplit("postgresql://me:kanarie/Tail@db.invalid/x").port,
}


@pytest.mark.parametrize("name", LIBRARIES)
def test_a_library_tells_a_secret(name: str) -> None:
    """What a library raises becomes a sentence without the secret, and a traceback in the log without it."""
    error = raised(LIBRARIES[name])
    for kind in (StoreUnavailable, ServiceError, AnyError):
        told = kind(f"{type(error).__name__}: {error}", reason=str(error))
        for text in (str(told), told.message, str(told.facts)):
            assert not [piece for piece in PIECES if piece in text], text
    assert not [piece for piece in PIECES if piece in logged(error)]


class AnyError(DreaminaError):
    """Any error of the project."""


def logged(error: Exception) -> str:
    """The lines that a log has of an error, with arguments and traceback."""
    log, stream = logging.getLogger("tests.masking"), io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(MaskedFormatter("%(levelname)s %(message)s"))
    log.addHandler(handler)
    log.propagate = False
    try:
        log.error("it failed: %s, %r", error, ENV, exc_info=error)
    finally:
        log.removeHandler(handler)
    lines = stream.getvalue()
    assert "it failed" in lines
    assert "Traceback" in lines
    return lines


def test_each_form_is_masked() -> None:
    """Plain, encoded, quoted, cut at each delimiter, in a header: nothing of a secret is left, and the rest is."""
    for text in (
        f"password is {DATABASE}!",
        "host kanarie%40Tail%2Fof%23the%3Fpassword!",
        "host Tail/of#the?password@db!",
        "port 'kanarie'!",
        'json "rc-canary-0123456789abcdef"!',
        "Proxy-Authorization: Basic YW5uOnByb3h5QGNhbmFyeS93b3Jk!",
        "oauth-canary-0123456789 signing-canary-0123456789 hf_canary0123456789 all-canary!",
    ):
        found = without_secrets(text)
        assert not [piece for piece in PIECES if piece in found.removeprefix("password is")], found
        assert found.split(" ")[0] in (text.split(" ")[0], "…")
        assert found.endswith("!")


def test_what_is_no_secret_stays() -> None:
    """Words that merely hold a short secret are left alone, and without secrets a text is as it was."""
    secrets = Secrets()
    assert secrets.remove_from("development") == "development"
    secrets.add("dev", "")
    assert secrets.remove_from("development of 'dev'") == "development of '…'"
    secrets.add_address("http://no-login.example.com:3128")
    secrets.add_address("postgresql://me@host/db?sslmode=require")
    secrets.add_address("postgresql://host/db?sslmode=require&password=s3cret-in-query")
    assert secrets.remove_from("me@host no-login.example.com s3cret-in-query require") == (
        "me@host no-login.example.com … require"
    )


def test_the_start_masks_before_it_reads_settings(tmp_path: Path) -> None:
    """A failure of the database at a start is one sentence without any of the password."""
    port = free_port()
    env = {
        "PATH": "/usr/bin:/bin",
        "DREAMINA_DATA_DIR": str(tmp_path),
        "DREAMINA_DATABASE_URL": f"postgres://kanarie:kana@Tail@127.0.0.1:{port}/kana?connect_timeout=2&pgbouncer=true",
    }
    code = (
        "import os, app; app.write_log()\n"
        "from dreamina_ui.masking import know_settings; know_settings(os.environ)\n"
        "from dreamina_ui.settings import Settings\n"
        "from dreamina_ui.storage.database import Database\n"
        "Database(Settings.from_env(os.environ).database_address).prepare()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "INFO the database's address names pgbouncer, which libpq does not know: left out" in done.stderr
    assert "StoreUnavailable" in done.stderr
    assert "kana@Tail" not in done.stderr
    assert "Tail" not in done.stderr


def test_a_quotation_stays_a_quotation() -> None:
    """Masking the facts of an error keeps their kind: a sentence puts a quoted text in quotation marks."""
    error = InvalidInput("frames", "not_allowed", "", given=Quoted("121"), allowed="121, 241")
    assert isinstance(error.facts["given"], Quoted)
