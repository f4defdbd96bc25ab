"""What all tests share."""

import gc
import os
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser

from dreamina_ui.storage.database import Database
from dreamina_ui.ui.quick_import import without_stubs
from tests.chromium import Chromium, browsing
from tests.databases import new_database, new_pooler, new_server, sqlite_with_tables
from tests.dialects import share_compiled_statements

# Before Gradio is imported anywhere: nothing here may talk to the outside.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_OFFLINE"] = "1"
share_compiled_statements()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def chromium() -> Iterator[Chromium]:
    """One for all files of a worker: to start it costs more than most tests."""
    with browsing() as browser:
        chromium = Chromium(browser)
        yield chromium
        chromium.resume()


@pytest.fixture(scope="module")
def browser(chromium: Chromium) -> Iterator[Browser]:
    """For one file; what opens a page asks for this first."""
    chromium.resume()
    yield chromium.browser
    chromium.rest()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The session's PostgreSQL server."""
    with new_server() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_tables(postgres: str) -> Iterator[str]:
    """A database of PostgreSQL's with all tables, to be copied: making them takes longer than most tests."""
    with new_database(postgres) as url:
        with closing(Database(url)) as database:
            database.prepare()
        yield url


@pytest.fixture
def postgres_url(postgres: str, postgres_tables: str) -> Iterator[str]:
    """A database of PostgreSQL's with all tables and no rows."""
    with new_database(postgres, like=postgres_tables) as url:
        yield url


@pytest.fixture
def blank_postgres_url(postgres: str) -> Iterator[str]:
    """A blank database of PostgreSQL's."""
    with new_database(postgres) as url:
        yield url


@pytest.fixture
def pooled_url(postgres: str, blank_postgres_url: str) -> Iterator[str]:
    """A blank database of PostgreSQL's, asked for at a transaction pooler."""
    with new_pooler(postgres) as port:
        address = sa.make_url(blank_postgres_url)
        # As hosters write it, with a parameter that is meant for another program.
        yield f"postgres://{address.username}@127.0.0.1:{port}/{address.database}?pgbouncer=true&sslmode=prefer"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: Any, tmp_path: Path) -> str:
    """A database of either kind with all tables and no rows: what asks for it holds for both."""
    if request.param == "sqlite":
        return sqlite_with_tables(tmp_path)
    address: str = request.getfixturevalue("postgres_url")
    return address


@pytest.fixture(params=["sqlite", "postgresql"])
def blank_url(request: Any, tmp_path: Path) -> str:
    """A blank database of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'dreamina.sqlite3'}"
    address: str = request.getfixturevalue("blank_postgres_url")
    return address


BEYOND_FAST = ("browser", "benchmarks", "soak", "crash")
"""Folders whose tests need a browser, or many seconds of the whole machine."""
NEEDED_FIXTURES = {"blank_postgres_url", "pooled_url", "postgres", "postgres_url"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--fast", action="store_true", help="leave out what needs a browser, PostgreSQL, nginx or a server"
    )


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """The test files import Gradio."""
    with without_stubs():
        return (yield)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With `--fast`, keep what a developer wants to run after every change. Else it comes last, file by file: short files at
    the end let all workers end at the same time."""
    left_out = {id(item) for item in items if _is_beyond_fast(config, item)}
    if config.getoption("--fast"):
        config.hook.pytest_deselected(items=[item for item in items if id(item) in left_out])
        items[:] = [item for item in items if id(item) not in left_out]
    else:
        slow_files = {item.path for item in items if id(item) in left_out}
        items.sort(key=lambda item: item.path not in slow_files)


def pytest_collection_finish() -> None:
    """The imported modules and the thousands of tests stay to the end: no garbage collection looks at them again."""
    gc.collect()
    gc.freeze()


def _is_beyond_fast(config: pytest.Config, item: pytest.Item) -> bool:
    names = set(getattr(item, "fixturenames", ()))
    folder = item.path.relative_to(config.rootpath / "tests").parts[0]
    values = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    is_postgres = any(values.get(name) == "postgresql" for name in ("url", "blank_url", "blank_urls"))
    starts_server = any(
        hasattr(getattr(item, "module", None), name) for name in ("Server", "SimulatorServer", "serving")
    )
    is_marked = item.get_closest_marker("program") is not None
    return folder in BEYOND_FAST or bool(names & NEEDED_FIXTURES) or is_postgres or starts_server or is_marked
