"""The routes of uploaded files: to their owner; to the service by a public address; and what may be uploaded."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest
from starlette.applications import Starlette

from dreamina_ui.cards.media.file_names import NamedFile
from dreamina_ui.cards.model_card import card_of, load_card
from dreamina_ui.cards.schema.fields import Field
from dreamina_ui.errors import SettingError, StoreUnavailable
from dreamina_ui.media.inputs import Added, InputFiles
from dreamina_ui.media.kinds import KINDS
from dreamina_ui.settings import Settings
from dreamina_ui.ui.form import build_form
from dreamina_ui.ui.translations import Fixed
from dreamina_ui.web.checks.upload_form import MEDIA
from dreamina_ui.web.input_files import InputRoutes
from tests.media.files import make
from tests.servers import Server

pytestmark = pytest.mark.anyio

URL = "https://studio.example.com"
SECRET = "a secret that makes names"
FOLDER = Path(__file__).parents[1] / "cards"
ANY = Field("any", "Any", "", "address", required=False, default=None, media="file")
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 60
SERVED = {
    "png": "image/png",
    "jpeg": "image/jpeg",
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "webm-vp8": "video/webm",
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
    "m4a": "audio/mp4",
}


def visitor_of(scope: Mapping[str, Any]) -> str | None:
    return dict(scope["headers"]).get(b"x-visitor", b"").decode() or None


async def response_of(files: InputFiles, address: str, visitor_id: str = "", **headers: str) -> httpx.Response:
    routes = InputRoutes(files, lambda _, key: key, visitor_of=visitor_of).routes
    transport = httpx.ASGITransport(Starlette(routes=routes))
    async with httpx.AsyncClient(transport=transport, base_url=URL) as client:
        return await client.get(address, headers={"x-visitor": visitor_id, **headers})


def files_in(folder: Path, url: str | None = URL) -> InputFiles:
    return InputFiles(folder / "uploads", secret=SECRET, url=url)


def own_address(added: Added) -> str:
    return f"/dreamina/input/{added.named.digest}"


@pytest.mark.parametrize("name", SERVED)
async def test_a_file_has_a_public_address(name: str, tmp_path: Path) -> None:
    """Its bytes decide its kind, not its name; it is served so that browsers run nothing in it."""
    files, path = files_in(tmp_path), make(name, tmp_path / "x.html")
    added = await files.add(path, "ann", ANY)
    address = (await files.sendable({"any": added.text}))["any"]
    reply = await response_of(files, address)
    assert (reply.status_code, reply.content) == (200, path.read_bytes())
    assert reply.headers["content-type"] == SERVED[name]
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in reply.headers["content-security-policy"]
    assert added.named.digest not in address
    # Who has a copy of a file cannot tell whether it is here.
    elsewhere = InputFiles(tmp_path / "elsewhere", secret="another secret", url=URL)
    other = await elsewhere.add(path, "ann", ANY)
    assert (await elsewhere.sendable({"any": other.text}))["any"] != address


async def test_a_file_is_served_to_its_owner_alone(tmp_path: Path) -> None:
    """Nobody else, with a cookie or without, learns whether it is here; a browser that has it is told so."""
    files = files_in(tmp_path, url=None)
    added = await files.add(make("png", tmp_path / "a.png"), "ann", ANY)
    reply = await response_of(files, own_address(added), "ann")
    assert (reply.status_code, reply.headers["content-type"]) == (200, "image/png")
    assert "private" in reply.headers["cache-control"]
    again = await response_of(files, own_address(added), "ann", **{"if-none-match": reply.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    missing = await response_of(files, f"/dreamina/input/{'0' * 32}", "ann")
    for visitor_id in ("bob", ""):
        stranger = await response_of(files, own_address(added), visitor_id)
        assert (stranger.status_code, stranger.text) == (404, missing.text)
    public = files_in(tmp_path)
    [path] = [path for path in files.folder.iterdir() if not path.name.startswith(".")]
    assert (await response_of(public, f"/dreamina/upload/{path.name}")).status_code == 200
    # Without a public address there is no such route.
    assert (await response_of(files, f"/dreamina/upload/{path.name}")).status_code == 404


async def test_a_database_that_is_away_is_said(tmp_path: Path) -> None:
    """Whose file it is may be told by a job; nobody is told that it is not there."""

    async def away(visitor_id: str, digest: str) -> bool:
        raise StoreUnavailable("away")

    added = await files_in(tmp_path).add(make("png", tmp_path / "a.png"), "ann", ANY)
    files = InputFiles(tmp_path / "uploads", secret=SECRET, has_job=away)
    assert (await response_of(files, own_address(added), "bob")).status_code == 503


@pytest.mark.parametrize(
    "name", ["0" * 32 + ".png", "0" * 32 + ".svg", "a.png", "..%2fdreamina.sqlite3", ".x.png.part"]
)
async def test_other_names_are_not_found(name: str, tmp_path: Path) -> None:
    """No other file of the folder, or outside of it, is served."""
    (tmp_path / "dreamina.sqlite3").write_bytes(b"secret")
    for address in (f"{URL}/dreamina/upload/{name}", f"{URL}/dreamina/input/{name}"):
        assert (await response_of(files_in(tmp_path), address, "ann")).status_code == 404


def test_every_kind_is_tested() -> None:
    """The kinds are those of the library's table."""
    assert set(MEDIA) <= set(KINDS)
    assert set(SERVED.values()) == {kind.media_type for kind in MEDIA[: len(SERVED)]}


async def test_every_field_of_media_takes_files() -> None:
    """Lists of them, too."""
    with gr.Blocks(analytics_enabled=False):
        form = build_form(load_card(FOLDER / "image-to-video.json"), Fixed())
    assert list(form.uploads) == ["image", "last_image"]
    properties = {"tracks": {"format": "audio_uris"}, "prompt": {"type": "string"}, "any_url": {"type": "string"}}
    card = card_of("card", {"model_id": "m", "input_schema": {"type": "object", "properties": properties}})
    with gr.Blocks(analytics_enabled=False):
        form = build_form(card, Fixed())
    assert list(form.uploads) == ["tracks", "any_url"]
    # What the field does not take, the server refuses in the visitor's language.
    assert {".png", ".jpeg", ".mp4", ".wav"} <= set(form.uploads["tracks"].file_types or ())


def test_the_public_address_is_a_setting(tmp_path: Path) -> None:
    """It has to be an https address, whose host is then allowed; any other value stops the start."""
    settings = Settings.from_env({"DREAMINA_PUBLIC_URL": URL + "/", "DREAMINA_DATA_DIR": str(tmp_path)})
    assert settings.public_url == URL
    assert "studio.example.com" in settings.allowed_hosts
    assert Settings.from_env({"DREAMINA_DATA_DIR": str(tmp_path)}).public_url is None
    for held in ("http://localhost:7860", "studio.example.com", "https://me@studio.example.com", "https://x/?y"):
        with pytest.raises(SettingError, match="DREAMINA_PUBLIC_URL"):
            Settings.from_env({"DREAMINA_PUBLIC_URL": held, "DREAMINA_DATA_DIR": str(tmp_path)})


@pytest.mark.parametrize("public", [URL, ""])
def test_a_model_of_pictures_takes_uploads(public: str, tmp_path: Path) -> None:
    """With a public address and without: those whose bytes fit, of a known visitor; the files' own route is closed to others."""
    card = FOLDER / "image-to-video.json"
    server = Server(tmp_path, DREAMINA_BACKEND="simulator", DREAMINA_MODEL_CARD=str(card), DREAMINA_PUBLIC_URL=public)
    server.start()
    try:
        upload = f"{server.address}/gradio_api/upload"
        stranger = httpx.post(upload, files={"files": ("a.png", PNG)})
        cookies = httpx.get(server.address).cookies
        reply = httpx.post(upload, cookies=cookies, files={"files": ("a.gif", b"GIF89a" + b"\0" * 60)})
        fake = httpx.post(upload, cookies=cookies, files={"files": ("a.png", b"<svg onload=alert(1)>" * 5)})
        page = httpx.get(f"{server.address}/config").text
        named = NamedFile("a", "0" * 32)
        missing = httpx.get(f"{server.address}/dreamina/input/{named.digest}", cookies=cookies)
    finally:
        server.stop()
    assert (stranger.status_code, reply.status_code, fake.status_code) == (403, 200, 415)
    assert "upload-image" in page
    assert fake.text.startswith("This file cannot be read")
    assert missing.status_code == 404
    assert "Traceback" not in server.log
