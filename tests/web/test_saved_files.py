"""Saved files and posters are served by their names."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from dreamina_ui.web.saved_files import SavedFiles, saved_address

pytestmark = pytest.mark.anyio
SHARE = "0123456789abcdef" * 2
CONTENT = b"0123456789"


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the routes, with a library that has a file of each kind."""
    library, examples = tmp_path / "videos", tmp_path / "examples"
    for folder in (library, examples):
        folder.mkdir()
    names = (".mp4", "-2.mp4", ".webp", ".image.png", ".mp3", ".record.json", ".avi", ".zip", ".html")
    for path in (*(library / f"{SHARE}{name}" for name in names), library / f".{SHARE}.part", examples / "boat.webp"):
        path.write_bytes(CONTENT)
    (tmp_path / "secret").write_bytes(CONTENT)
    app = Starlette(routes=SavedFiles(library, examples).routes)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client:
        yield client


@pytest.mark.parametrize(
    ("ending", "media_type"),
    [
        (".mp4", "video/mp4"),
        ("-2.mp4", "video/mp4"),
        (".webp", "image/webp"),
        (".image.png", "image/png"),
        (".mp3", "audio/mpeg"),
    ],
)
async def test_viewable_files_are_served(browser: httpx.AsyncClient, ending: str, media_type: str) -> None:
    """They are served at the page's address and at the path of Gradio's client, with range requests."""
    for address in (f"/{saved_address(Path(SHARE + ending))}", f"/gradio_api/file=dreamina/{SHARE}{ending}"):
        whole = await browser.get(address)
        assert (whole.status_code, whole.content, whole.headers["content-type"]) == (200, CONTENT, media_type)
        part = await browser.get(address, headers={"range": "bytes=2-4"})
        assert (part.status_code, part.content) == (206, b"234")


@pytest.mark.parametrize("ending", [".record.json", ".avi", ".zip", ".html", "-3.mp4", "", "/..", "/../../secret"])
async def test_other_files_are_not_found(browser: httpx.AsyncClient, ending: str) -> None:
    """Not found: a record, a kind that browsers do not show, a file that does not exist."""
    assert (await browser.get(f"/dreamina/saved/{SHARE}{ending}")).status_code == 404


@pytest.mark.parametrize(
    "name", ["../secret", "..%2fsecret", "%2e%2e/secret", f".{SHARE}.part", "boat.webp", "x" * 5000]
)
@pytest.mark.parametrize("place", ["dreamina/saved/", "dreamina/examples/../", "gradio_api/file=dreamina/"])
async def test_files_outside_the_folders_are_not_served(browser: httpx.AsyncClient, place: str, name: str) -> None:
    """No spelling of a name leads out of the folder."""
    assert (await browser.get(f"/{place}{name}")).status_code == 404


async def test_pictures_of_examples_are_served(browser: httpx.AsyncClient) -> None:
    """The page has them before the first job."""
    assert (await browser.get("/dreamina/examples/boat.webp")).content == CONTENT
    assert (await browser.get("/dreamina/examples/other.webp")).status_code == 404
