"""Files for address fields: stored if the app has a public address, fetched by their name, and else refused."""

import asyncio
import os
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest
from starlette.applications import Starlette

from dreamina_ui.cards.model_card import load_card
from dreamina_ui.errors import SettingError
from dreamina_ui.media.kinds import KINDS
from dreamina_ui.settings import Settings
from dreamina_ui.ui.form import build_form
from dreamina_ui.ui.translations import Fixed
from dreamina_ui.web.checks.upload_form import MEDIA, VIDEO_MOST
from dreamina_ui.web.public_files import MAX_AGE_S, REFUSALS, PublicFiles
from dreamina_ui.wording import LANGUAGES, texts_of
from tests.media.files import make
from tests.servers import Server

pytestmark = pytest.mark.anyio

URL = "https://studio.example.com"
SECRET = "a secret that makes names"
CARD = Path(__file__).parents[1] / "cards" / "image-to-video.json"
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 60
FILES = {
    "png": ("image/png", "png"),
    "jpeg": ("image/jpeg", "jpg"),
    "webp": ("image/webp", "webp"),
    "mp4": ("video/mp4", "mp4"),
    "mov": ("video/quicktime", "mov"),
    "mov-old": ("video/quicktime", "mov"),
    "webm-vp8": ("video/webm", "webm"),
    "wav": ("audio/wav", "wav"),
    "mp3": ("audio/mpeg", "mp3"),
    "mp3-no-tag": ("audio/mpeg", "mp3"),
    "m4a": ("audio/mp4", "m4a"),
}


def files_in(folder: Path, total_most: int = 2**20) -> PublicFiles:
    return PublicFiles(folder / "uploads", URL, lambda _, key: key, secret=SECRET, total_most=total_most)


def written(folder: Path, data: bytes, name: str = "a.bin") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


async def response_of(files: PublicFiles, address: str) -> httpx.Response:
    transport = httpx.ASGITransport(Starlette(routes=files.routes))
    async with httpx.AsyncClient(transport=transport, base_url=URL) as client:
        return await client.get(address)


@pytest.mark.parametrize("name", FILES)
async def test_a_file_gets_a_public_address(name: str, tmp_path: Path) -> None:
    """Its bytes decide its kind, not its name; it is served so that browsers run nothing in it."""
    files, (media_type, ending) = files_in(tmp_path), FILES[name]
    path = make(name, tmp_path / "x.html")
    address, problem = await files.add(path, "ann")
    assert problem is None
    assert address.startswith(URL + "/dreamina/upload/")
    assert address.endswith("." + ending)
    reply = await response_of(files, address)
    assert (reply.status_code, reply.content) == (200, path.read_bytes())
    assert reply.headers["content-type"] == media_type
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in reply.headers["content-security-policy"]


def test_every_kind_is_tested() -> None:
    """The kinds are those of the library's table."""
    assert set(MEDIA) <= set(KINDS)
    assert {f".{ending}" for _, ending in FILES.values()} == {kind.plain_ending for kind in MEDIA}


@pytest.mark.parametrize("name", ["heic", "avif", "mkv", "gif", "flac", "zip"])
async def test_similar_kinds_are_told_apart(name: str, tmp_path: Path) -> None:
    """HEIC and Matroska files start like MP4 and WebM files, and are refused."""
    assert await files_in(tmp_path).add(make(name, tmp_path / "x.mp4"), "ann") == ("", "kind")


async def test_a_refused_file_has_a_reason(tmp_path: Path) -> None:
    """Wrong kind, too big, no space, or deleted before it was read; nothing is stored."""
    files = files_in(tmp_path, total_most=100)
    assert await files.add(written(tmp_path, b"<svg/>"), "ann") == ("", "kind")
    big = written(tmp_path, PNG)
    os.truncate(big, VIDEO_MOST + 1)
    assert await files.add(big, "ann") == ("", "size")
    small = written(tmp_path, PNG)
    assert (await files.add(small, "ann"))[1] is None
    assert await files.add(written(tmp_path, PNG + b"other"), "ann") == ("", "full")
    assert await files.add(tmp_path / "none", "ann") == ("", "failed")
    assert len(list((tmp_path / "uploads").glob("[!.]*"))) == 1


async def test_old_files_are_deleted(tmp_path: Path) -> None:
    """After a week a file is deleted, and its address is not found."""
    clock = [1_700_000_000]
    files = PublicFiles(
        tmp_path / "uploads", URL, lambda _, key: key, secret=SECRET, total_most=100, now=lambda: clock[0]
    )
    old, _ = await files.add(written(tmp_path, PNG), "ann")
    clock[0] += int(MAX_AGE_S) + 1
    new, problem = await files.add(written(tmp_path, PNG + b"new"), "ann")
    assert problem is None
    assert (await response_of(files, old)).status_code == 404
    assert (await response_of(files, new)).status_code == 200


async def test_the_same_bytes_are_one_file(tmp_path: Path) -> None:
    """Whoever uploads them, however often, also at once: one address, kept a week from the last time."""
    clock = [1_700_000_000.0]
    files = PublicFiles(tmp_path / "uploads", URL, lambda _, key: key, secret=SECRET, now=lambda: clock[0])
    path = written(tmp_path, PNG)
    many = await asyncio.gather(*(files.add(path, f"visitor-{number % 3}") for number in range(50)))
    assert len(set(many)) == 1
    assert len(list((tmp_path / "uploads").glob("[!.]*"))) == 1
    clock[0] += MAX_AGE_S - 1
    assert await files.add(path, "ann") == many[0]
    clock[0] += MAX_AGE_S - 1
    other, _ = await files.add(written(tmp_path, PNG + b"other"), "ann")
    assert other != many[0][0]
    assert (await response_of(files, many[0][0])).content == PNG
    # Who has a copy of a file cannot tell whether it is here.
    elsewhere = PublicFiles(tmp_path / "elsewhere", URL, lambda _, key: key, secret="another secret")
    assert (await elsewhere.add(path, "ann"))[0] != many[0][0]


async def test_a_visitor_has_so_much_of_the_public_place(tmp_path: Path) -> None:
    """A bound of files and of bytes for each, which outlives a restart; what is there already costs nothing."""

    def start(**limits: Any) -> PublicFiles:
        return PublicFiles(tmp_path / "uploads", URL, lambda _, key: key, secret=SECRET, **limits)

    paths = [written(tmp_path, PNG + bytes([number]), f"{number}.bin") for number in range(6)]
    told = [(await start(files_each_most=3).add(path, "ann"))[1] for path in paths]
    assert told == [None, None, None, "mine", "mine", "mine"]
    assert (await start(files_each_most=3).add(paths[0], "ann"))[1] is None
    assert [(await start(files_each_most=3).add(path, "bob"))[1] for path in paths[:3]] == [None] * 3
    assert (await start(each_most=4 * len(PNG)).add(paths[3], "ann"))[1] == "mine"
    assert (await start(each_most=5 * len(PNG)).add(paths[3], "ann"))[1] is None
    assert len(list((tmp_path / "uploads").glob("[!.]*"))) == 4


async def test_an_address_has_so_much_of_the_public_place(tmp_path: Path) -> None:
    """Whatever visitors it makes; what is there already is no more, and another address, or none of the open net, has its own."""

    def start(**limits: Any) -> PublicFiles:
        return PublicFiles(tmp_path / "uploads", URL, lambda _, key: key, secret=SECRET, **limits)

    paths = [written(tmp_path, PNG + bytes([number]), f"{number}.bin") for number in range(5)]
    for limits in ({"files_address_most": 3}, {"address_most": 3 * (len(PNG) + 1)}):
        for came_from in ("8.8.8.8", "9.9.9.9"):
            told = [
                (await start(**limits).add(path, f"eve-{n}", came_from))[1] for n, path in enumerate([*paths, paths[0]])
            ]
            assert told == [None, None, None, "mine", "mine", None]
        assert (await start(**limits).add(paths[4], "bob"))[1] is None
    assert "8.8.8.8" not in str(list((tmp_path / "uploads").iterdir()))


@pytest.mark.parametrize(
    "name", ["0" * 32 + ".png", "0" * 32 + ".svg", "a.png", "..%2fdreamina.sqlite3", ".x.png.part"]
)
async def test_other_names_are_not_found(name: str, tmp_path: Path) -> None:
    """No other file of the folder, or outside of it, is served."""
    (tmp_path / "dreamina.sqlite3").write_bytes(b"secret")
    assert (await response_of(files_in(tmp_path), f"{URL}/dreamina/upload/{name}")).status_code == 404


@pytest.mark.parametrize("uploads", [True, False])
async def test_only_a_public_app_has_upload_buttons(uploads: bool) -> None:
    """Each address field has one; without a public address the form has none."""
    with gr.Blocks(analytics_enabled=False):
        form = build_form(load_card(CARD), Fixed(), uploads=uploads)
    assert list(form.uploads) == (["image", "last_image"] if uploads else [])


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_reason_has_a_sentence(language: str) -> None:
    """Each reason has a sentence in each language."""
    assert {f"upload.{problem}" for problem in REFUSALS} <= texts_of(language).keys()


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
def test_pictures_can_be_uploaded_only_to_a_public_app(public: str, tmp_path: Path) -> None:
    """Without a public address every upload of media is refused; with one, those whose bytes do not fit, or of nobody known."""
    server = Server(tmp_path, DREAMINA_BACKEND="simulator", DREAMINA_MODEL_CARD=str(CARD), DREAMINA_PUBLIC_URL=public)
    server.start()
    try:
        upload = f"{server.address}/gradio_api/upload"
        stranger = httpx.post(upload, files={"files": ("a.png", PNG)})
        cookies = httpx.get(server.address).cookies
        reply = httpx.post(upload, cookies=cookies, files={"files": ("a.png", PNG)})
        fake = httpx.post(upload, cookies=cookies, files={"files": ("a.png", b"<svg onload=alert(1)>" * 5)})
        page = httpx.get(f"{server.address}/config").text
        missing = httpx.get(f"{server.address}/dreamina/upload/{'0' * 32}.png", headers={"Host": "studio.example.com"})
    finally:
        server.stop()
    assert (stranger.status_code, reply.status_code, fake.status_code) == (
        403,
        200,
        415,
    )  # a picture may have settings in any case
    assert ("upload-image" in page) is bool(public)
    assert fake.text.startswith("Only pictures" if public else "This file cannot be read")
    assert missing.status_code == (404 if public else 403)
    assert "Traceback" not in server.log
