"""What all tests share."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.databases import new_database, new_server

# Before Gradio is imported anywhere: nothing here may talk to the outside.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_OFFLINE"] = "1"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The session's PostgreSQL server."""
    with new_server() as server:
        yield server


@pytest.fixture
def postgres_url(postgres: str) -> Iterator[str]:
    """A blank database of PostgreSQL's."""
    with new_database(postgres) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: Any, tmp_path: Path) -> str:
    """A blank database of either kind: what asks for it holds for both."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'dreamina.sqlite3'}"
    address: str = request.getfixturevalue("postgres_url")
    return address
