"""The files of `tests.media.files`, each made once in a session; a clip, and the world outside."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.media.files import make
from tests.outside import Outside
from tests.rig import make_clip


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Gives the path of a file of this name of `FILES`: it is only to be read."""
    folder = tmp_path_factory.mktemp("files")

    def made(name: str) -> Path:
        path = folder / name
        return path if path.exists() else make(name, path)

    return made


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """12 frames at 24 frames per second: half a second, 64 by 64."""
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.mp4").read_bytes()


@pytest.fixture
async def outside() -> AsyncIterator[Outside]:
    async with Outside().serving() as outside:
        yield outside
