"""Models that make several videos, or images: all of it is saved, shown, taken home and deleted together."""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from starlette.applications import Starlette

from dreamina_ui.archive import Archive
from dreamina_ui.cleaning import _measure
from dreamina_ui.downloads import Downloads
from dreamina_ui.errors import NotAVideo
from dreamina_ui.jobs import Job, State
from dreamina_ui.library import Library
from dreamina_ui.model_card import Card, card_of
from dreamina_ui.ui.answers import told
from dreamina_ui.ui.outputs_html import images_html, more_videos_html
from dreamina_ui.ui.wording import Words
from tests.rig import CARD, Rig, rigged

pytestmark = pytest.mark.anyio
SHARE = "5" * 32
URIS = {"type": "array", "items": {"type": "string", "format": "uri"}}


def making(*names: str) -> Card:
    """The bundled card, of a model whose results stand under these names."""
    return card_of(
        "test.json", {**CARD.source, "output_schema": {"type": "object", "properties": dict.fromkeys(names, URIS)}}
    )


async def made(rig: Rig) -> Job:
    [job] = await rig.engine.submit("anna", {"prompt": "a lighthouse at dawn", "seed": 4})
    return await rig.finish(job)


@pytest.mark.parametrize(
    ("names", "endings"),
    [
        (("video",), [".mp4"]),
        (("videos",), [".mp4", "-2.mp4"]),
        (("images",), [".image.png", "-2.image.png"]),
        (("image",), [".image.png"]),
        (("video", "image"), [".mp4"]),
    ],
)
async def test_all_that_was_made_is_saved(tmp_path: Path, names: tuple[str, ...], endings: list[str]) -> None:
    """Each output has its file and its poster, and nothing else is in the folder."""
    async with rigged(tmp_path, card=making(*names)) as rig:
        job = await made(rig)
        assert job.state is State.SUCCEEDED, job.failure
        files = rig.library.files(job.share_id)
        assert [file.name for file in files] == [f"{job.share_id}{ending}" for ending in endings]
        posters = {f"{job.share_id}{'' if number == 1 else f'-{number}'}.webp" for number in range(1, len(files) + 1)}
        assert {path.name for path in rig.library.folder.iterdir()} == {file.name for file in files} | posters
        assert (job.width, job.height) == (64, 64)
        assert (job.duration_s is None) == (files[0].suffix == ".png")


async def test_a_program_is_told_of_all_files(tmp_path: Path) -> None:
    """The job names the address and the kind of each, and each can be had there; the zip holds them all."""
    async with rigged(tmp_path, card=making("images")) as rig:
        job = await made(rig)
        files = (await told(rig.engine, job, 0.0))["files"]
        assert [file["media_type"] for file in files] == ["image/png", "image/png"]
        app = Starlette(routes=Downloads(Archive(rig.store._database), rig.library, lambda _, key: key).routes)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://studio.test") as client:
            for number, file in enumerate(files, start=1):
                reply = await client.get(file["url"])
                assert (reply.status_code, reply.headers["content-type"]) == (200, "image/png")
                assert reply.content == rig.library.files(job.share_id)[number - 1].read_bytes()
            assert (await client.get(f"/dreamina/video/{job.share_id}?n=3")).status_code == 404
            assert (await client.get(f"/dreamina/video/{job.share_id}?n=x")).status_code == 404
            zipped = await client.get(f"/dreamina/zip?video={job.share_id}")
        names = zipfile.ZipFile(io.BytesIO(zipped.content)).namelist()
        assert [name.removeprefix(names[0].removesuffix(".png")) for name in names] == [".png", "-2.png"]


async def test_they_are_shown(tmp_path: Path) -> None:
    """Images have a picture with the prompt as its words and a download each; videos after the first a player each."""
    words = Words("en")
    async with rigged(tmp_path / "a", card=making("images")) as rig:
        job = await made(rig)
        shown = str(images_html(job, rig.library.files(job.share_id), words))
        assert shown.count("<img ") == shown.count(" download=") == 2
        assert "Output 2: a lighthouse at dawn" in shown
        assert more_videos_html(job, rig.library.files(job.share_id), words) == ""
    async with rigged(tmp_path / "b", card=making("videos")) as rig:
        job = await made(rig)
        shown = str(more_videos_html(job, rig.library.files(job.share_id), words))
        assert shown.count("<video ") == shown.count(" download=") == 1
        assert f"{job.share_id}-2.webp" in shown
        assert images_html(job, rig.library.files(job.share_id), words) == ""


async def test_they_are_deleted_together(tmp_path: Path) -> None:
    """Removing a job's files leaves none of them, and they count together before."""
    async with rigged(tmp_path, card=making("videos")) as rig:
        job = await made(rig)
        size = sum(path.stat().st_size for path in rig.library.folder.iterdir())
        assert _measure(rig.library, [job.share_id]) == (1, size)
        assert rig.library.remove([job.share_id]) == 1
        assert list(rig.library.folder.iterdir()) == []


class Web:
    """Gives by path what it was told to."""

    def __init__(self, **held: bytes) -> None:
        self.held: Mapping[str, bytes] = held
        self.transport = httpx.MockTransport(
            lambda request: httpx.Response(200, content=self.held[request.url.path.strip("/")])
        )


def over(folder: Path, web: Web, **more: Any) -> Library:
    mounts = {"https://": web.transport, "http://": web.transport}
    return Library(folder / "videos", trusted_origins={"http://files.test"}, mounts=mounts, room_needed=0, **more)


def picture(kind: str, size: tuple[int, int] = (8, 4)) -> bytes:
    held = io.BytesIO()
    Image.new("RGB", size, (200, 80, 20)).save(held, kind)
    return held.getvalue()


def noise() -> bytes:
    """A picture of some 4 kB, all of which are needed."""
    held = io.BytesIO()
    Image.effect_noise((64, 64), 90).save(held, "PNG")
    return held.getvalue()


@pytest.mark.parametrize(("kind", "ending"), [("PNG", "png"), ("JPEG", "jpg"), ("WEBP", "webp")])
async def test_an_image_is_known_by_its_bytes(tmp_path: Path, kind: str, ending: str) -> None:
    """Whatever its address says, it is kept as what it is."""
    async with over(tmp_path, Web(a=picture(kind))) as library:
        saved = await library.save(SHARE, "http://files.test/a")
        assert (saved.width, saved.height, saved.duration_s) == (8, 4, 0.0)
        assert [file.name for file in library.files(SHARE)] == [f"{SHARE}.image.{ending}"]


@pytest.mark.parametrize(
    "hostile",
    [
        b"<html><script>alert(1)</script></html>",
        b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
        noise()[:2000],
        b"\x89PNG\r\n\x1a\n<script>alert(1)</script>",
        # 20,000 by 20,000 pixels in a few bytes.
        picture("PNG")[:16] + (20_000).to_bytes(4) * 2 + picture("PNG")[24:],
    ],
    ids=["html", "svg", "cut", "no png", "bomb"],
)
async def test_what_is_no_image_is_refused(tmp_path: Path, hostile: bytes) -> None:
    """Also as the second output: then nothing of the job is kept."""
    async with over(tmp_path, Web(good=picture("PNG"), bad=hostile)) as library:
        with pytest.raises(NotAVideo):
            await library.save(SHARE, "http://files.test/bad")
        with pytest.raises(NotAVideo):
            await library.save(SHARE, "http://files.test/good", more=["http://files.test/bad"])
        assert list(library.folder.iterdir()) == []


async def test_where_the_first_has_its_name_all_have(tmp_path: Path) -> None:
    """A crash between two names leaves a job that has no files, and saving it anew completes it."""

    class Crash(Exception):
        pass

    async def crash(point: str) -> None:
        if point == "after_rename":
            raise Crash

    web = Web(a=picture("PNG"), b=picture("JPEG"))
    urls = ("http://files.test/a", "http://files.test/b")
    async with over(tmp_path, web, passed=crash) as library:
        with pytest.raises(Crash):
            await library.save(SHARE, urls[0], more=urls[1:])
        assert len(library.files(SHARE)) == 2
        library.files(SHARE)[0].unlink()  # as if it had come before the first one's name
        assert library.files(SHARE) == []
    async with over(tmp_path, web) as library:
        await library.save(SHARE, urls[0], more=urls[1:])
        assert [file.name for file in library.files(SHARE)] == [f"{SHARE}.image.png", f"{SHARE}-2.image.jpg"]


async def test_more_than_sixteen_are_not_believed(tmp_path: Path) -> None:
    """A service that names a thousand outputs fills no disk."""
    async with over(tmp_path, Web(a=picture("PNG"))) as library:
        await library.save(SHARE, "http://files.test/a", more=["http://files.test/a"] * 40)
        assert len(library.files(SHARE)) == 16
