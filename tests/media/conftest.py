"""The files of `tests.media.files`, each made once in a session."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.media.files import make


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Gives the path of a file of this name of `FILES`: it is only to be read."""
    folder = tmp_path_factory.mktemp("files")

    def made(name: str) -> Path:
        path = folder / name
        return path if path.exists() else make(name, path)

    return made
