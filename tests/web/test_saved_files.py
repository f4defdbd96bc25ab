"""Saved files and posters are served by their names, as long as their job is there and not deleted."""

import os
import random
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from dreamina_ui.engine.history import rebuild
from dreamina_ui.errors import JobNotFound, StoreUnavailable
from dreamina_ui.jobs import State
from dreamina_ui.media.checked import Checked
from dreamina_ui.media.embed import read_record
from dreamina_ui.media.library import Library
from dreamina_ui.media.reading import saved_record
from dreamina_ui.media.record import NOBODY, Records
from dreamina_ui.storage.collection_store import CollectionStore
from dreamina_ui.storage.database import Database
from dreamina_ui.storage.job_queries import JobQueries
from dreamina_ui.storage.job_store import JobStore
from dreamina_ui.web.downloads import Downloads
from dreamina_ui.web.saved_files import LargeFile, SavedFiles, saved_address
from tests.filled import past_job
from tests.rig import RECORDS, make_clip, recorded, rigged

pytestmark = pytest.mark.anyio
SHARE = "0123456789abcdef" * 2
CONTENT = b"0123456789"
JOB = replace(past_job(1, "ann", prompt="a lighthouse"), share_id=SHARE)
AT = 1_800_000_000.0
OLD_RECORD = {
    "app": "dreamina-ui",
    "settings": {"prompt": "a lighthouse", "seed": 7},
    "model_id": "bytedance/dreamina",
    "backend": "runcomfy",
    "visitor_id": "ann-the-visitor",
    "request_id": "request-of-ann",
    "created_at": 1700000000.25,
    "submitted_at": 1700000001.5,
    "started_at": None,
    "finished_at": 1700000060.0,
    "cost_usd": 0.4321,
    "cancel_requested": False,
}
"""As files of earlier versions hold it."""


@pytest.fixture
def replicas(url: str) -> Iterator[list[Database]]:
    """Two connections to one database, as two programs have them."""
    with ExitStack() as stack:
        databases = [stack.enter_context(closing(Database(url))) for _ in range(2)]
        for database in databases:
            database.prepare()
        yield databases


def site_of(database: Database, folder: Path) -> httpx.AsyncClient:
    """The routes of a program over this database and the shared folder."""
    library, queries = Library(folder / "videos", records=RECORDS), JobQueries(database)
    routes = SavedFiles(queries, library, folder / "examples").routes
    routes += Downloads(queries, CollectionStore(database), library, lambda _, key: key).routes
    return httpx.AsyncClient(transport=httpx.ASGITransport(Starlette(routes=routes)), base_url="http://here")


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the routes, with a library that has a file of each kind."""
    library, examples = tmp_path / "videos", tmp_path / "examples"
    for folder in (library, examples):
        folder.mkdir()
    names = (".mp4", "-2.mp4", ".webp", ".image.png", ".mp3", ".record.json", ".avi", ".zip", ".html")
    for path in (*(library / f"{SHARE}{name}" for name in names), library / f".{SHARE}.part", examples / "boat.webp"):
        path.write_bytes(CONTENT)
    (library / f"{'0' * 32}.mp4").write_bytes(CONTENT)
    (tmp_path / "secret").write_bytes(CONTENT)
    with closing(Database(f"sqlite:///{tmp_path / 'dreamina.sqlite3'}")) as database:
        database.prepare()
        await JobStore(database).add([JOB])
        async with site_of(database, tmp_path) as client:
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


@pytest.mark.parametrize("is_in_memory", [True, False])
async def test_large_files_are_sent_in_pieces(
    browser: httpx.AsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_in_memory: bool
) -> None:
    """The whole, a part and the end, whether the system has the file in its memory, or a thread is asked for each piece."""
    content = random.Random(7).randbytes(2 * LargeFile.chunk_size + 1000)
    (tmp_path / "videos" / f"{SHARE}.mp4").write_bytes(content)
    asked: list[int] = []

    def preadv(file: int, pieces: Sequence[bytearray], at: int, flags: int) -> int:
        asked.append(flags)
        if not is_in_memory:
            raise BlockingIOError
        taken = os.pread(file, len(pieces[0]), at)
        pieces[0][: len(taken)] = taken
        return len(taken)

    monkeypatch.setattr(os, "RWF_NOWAIT", 8, raising=False)
    monkeypatch.setattr(os, "preadv", preadv, raising=False)
    for given, first in (("bytes=0-", 0), (f"bytes={LargeFile.chunk_size - 3}-", LargeFile.chunk_size - 3), ("", 0)):
        answer = await browser.get(f"/dreamina/saved/{SHARE}.mp4", headers={"range": given} if given else {})
        assert answer.content == content[first:]
    assert set(asked) == {8}


async def test_large_files_are_sent_by_systems_without_such_calls(
    browser: httpx.AsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Windows, which cannot read at a place of an open file, nor say what it has in its memory."""
    content = random.Random(7).randbytes(LargeFile.chunk_size + 1000)
    (tmp_path / "videos" / f"{SHARE}.mp4").write_bytes(content)
    for name in ("RWF_NOWAIT", "preadv", "pread"):
        monkeypatch.delattr(os, name, raising=False)
    for given, first in (("", 0), ("bytes=7-", 7)):
        answer = await browser.get(f"/dreamina/saved/{SHARE}.mp4", headers={"range": given} if given else {})
        assert answer.content == content[first:]


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


async def test_a_file_without_a_job_is_not_found(browser: httpx.AsyncClient) -> None:
    """Its job is removed, or was never here."""
    assert (await browser.get(f"/dreamina/saved/{'0' * 32}.mp4")).status_code == 404


async def test_what_a_browser_has_kept_is_not_sent_again(browser: httpx.AsyncClient) -> None:
    """It asks each time, and the answer is short while the file is the same."""
    first = await browser.get(f"/dreamina/saved/{SHARE}.mp4")
    assert first.headers["cache-control"] == "private, no-cache"
    cached = await browser.get(f"/dreamina/saved/{SHARE}.mp4", headers={"if-none-match": first.headers["etag"]})
    assert (cached.status_code, cached.content) == (304, b"")
    other = await browser.get(f"/dreamina/saved/{SHARE}.mp4", headers={"if-none-match": '"another"'})
    assert (other.status_code, other.content) == (200, CONTENT)


ADDRESSES = (
    f"/dreamina/saved/{SHARE}.mp4",
    f"/dreamina/saved/{SHARE}.webp",
    f"/gradio_api/file=dreamina/{SHARE}.mp4",
    f"/dreamina/video/{SHARE}",
    f"/dreamina/video/{SHARE}?inline=1",
    f"/dreamina/zip?video={SHARE}",
)


async def test_a_deleted_video_is_gone_for_every_address_at_once(replicas: list[Database], tmp_path: Path) -> None:
    """At every replica, for parts and for kept copies, too; until its owner, and nobody else, takes it back."""
    (tmp_path / "videos").mkdir()
    make_clip(tmp_path / "videos" / f"{SHARE}.mp4")
    (tmp_path / "videos" / f"{SHARE}.webp").write_bytes(CONTENT)
    one, other = replicas
    await JobStore(one).add([JOB])

    async def answers() -> set[int]:
        found = set()
        for database in replicas:
            async with site_of(database, tmp_path) as web:
                for address in ADDRESSES:
                    for headers in ({}, {"range": "bytes=2-4"}, {"if-none-match": etag}):
                        found.add((await web.get(address, headers=headers)).status_code)
        return found

    async with site_of(one, tmp_path) as web:
        etag = (await web.get(ADDRESSES[0])).headers["etag"]
    assert await answers() == {200, 206, 304}
    await JobQueries(one).delete("ann", [JOB.job_id], AT)
    assert await answers() == {404}
    for database in replicas:
        with pytest.raises(JobNotFound):
            await JobStore(database).shown(JOB.job_id)
        assert await JobQueries(database).shared([SHARE]) == []
    assert await JobQueries(other).restore("eve", [JOB.job_id]) == 0
    assert await answers() == {404}
    assert await JobQueries(other).restore("ann", [JOB.job_id]) == 1
    assert await answers() == {200, 206, 304}


async def test_an_unreachable_database_is_said(tmp_path: Path) -> None:
    """Whether a video is deleted is not known then: nothing is shown, and nothing is called gone."""

    class Away(JobQueries):
        async def is_shown(self, share_id: str) -> bool:
            raise StoreUnavailable

    files = SavedFiles(Away(None), Library(tmp_path), tmp_path)  # type: ignore[arg-type]
    transport = httpx.ASGITransport(Starlette(routes=files.routes))
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as web:
        assert (await web.get(f"/dreamina/saved/{SHARE}.mp4")).status_code == 503


@pytest.mark.parametrize("address", [ADDRESSES[0], ADDRESSES[3], ADDRESSES[5]])
async def test_a_file_of_an_earlier_version_leaves_without_its_maker(address: str, tmp_path: Path) -> None:
    """Nothing that left tells the visitor, the request or the cost; its own studio still rebuilds all of it."""
    library = Library(tmp_path / "videos", records=RECORDS)
    library.prepare()
    path = recorded(make_clip(library.folder / f"{SHARE}.mp4"), OLD_RECORD)
    assert b"ann-the-visitor" in path.read_bytes()
    with closing(Database(f"sqlite:///{tmp_path / 'dreamina.sqlite3'}")) as database:
        database.prepare()
        await JobStore(database).add([replace(JOB, files=(".mp4",))])
        async with site_of(database, tmp_path) as web:
            left = (await web.get(address)).content
            assert (await web.get(address)).content == left or address == ADDRESSES[5]
    assert not any(secret_text in left for secret_text in (b"ann-the-visitor", b"request-of-ann", b"0.4321"))
    assert (read_record(path) or {})["settings"] == OLD_RECORD["settings"]
    own = await rebuilt(library, tmp_path / "again.sqlite3", RECORDS)
    assert (own.visitor_id, own.request_id, own.cost_usd) == ("ann-the-visitor", "request-of-ann", 0.4321)


async def test_a_file_is_opened_once_for_what_it_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of an earlier version: also after a start; and again where another file is in its place."""
    opened: list[Sequence[Path]] = []

    def counted(files: Sequence[Path], beside: Sequence[Path]) -> Any:
        opened.append(files)
        return saved_record(files, beside)

    monkeypatch.setattr("dreamina_ui.media.library.saved_record", counted)
    path = recorded(make_clip(tmp_path / f"{SHARE}.mp4"), OLD_RECORD)
    for _ in range(3):
        Library(tmp_path, records=RECORDS, checked=Checked(tmp_path / "checked")).prepare_to_share(path)
        assert "visitor_id" not in (read_record(path) or {})
    assert opened == [[path]]
    library = Library(tmp_path, records=RECORDS, checked=Checked(tmp_path / "checked"))
    library.prepare_to_share(path)
    for frames in (10, 11):
        recorded(make_clip(path, frames=frames), OLD_RECORD)
        library.prepare_to_share(path)
        assert "visitor_id" not in (read_record(path) or {})
    assert opened == [[path]] * 3
    (tmp_path / "checked").write_bytes(b"\xff no line of ours\n\n" + (tmp_path / "checked").read_bytes())
    assert Checked(tmp_path / "checked").knows(path)


async def test_what_this_version_saves_is_not_opened_to_be_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It tells nothing of its maker; nor after a start. Only a file that was here before may be one of an earlier version."""
    opened: list[Sequence[Path]] = []
    monkeypatch.setattr("dreamina_ui.media.library.saved_record", lambda files, beside: opened.append(files))
    async with rigged(tmp_path) as rig:
        job = await rig.finish(await rig.submit("ann"))
        found = make_clip(rig.library.folder / f"{SHARE}.mp4")
        for path in (*(file.path for file in rig.library.files(job)), found):
            rig.library.prepare_to_share(path)
        assert opened == [[found]]
    async with rigged(tmp_path) as rig:
        opened.clear()
        for file in rig.library.files(job):
            rig.library.prepare_to_share(file.path)
        assert opened == []


async def test_what_is_sealed_is_of_no_use_elsewhere(tmp_path: Path) -> None:
    """In another file, or with another secret, a sealed record names nobody; and equal ones look different."""
    library = Library(tmp_path / "videos")
    library.prepare()
    job = replace(JOB, cost_usd=0.5, click_id="click", own_key=True)
    first, second = RECORDS.of(job, AT), RECORDS.of(job, AT)
    assert first["sealed"] != second["sealed"]
    path = recorded(make_clip(library.folder / f"{SHARE}.mp4"), first)
    found = await rebuilt(library, tmp_path / "own.sqlite3", RECORDS)
    assert (found.visitor_id, found.click_id, found.own_key, found.cost_usd) == ("ann", "click", True, 0.5)
    for name, secret in (("secret", "another secret of enough characters"), ("file", None)):
        if secret is None:
            path.rename(path.with_name(f"{'f' * 32}.mp4"))
        foreign = await rebuilt(library, tmp_path / f"{name}.sqlite3", Records(secret) if secret else RECORDS)
        assert (foreign.visitor_id, foreign.request_id, foreign.cost_usd) == (NOBODY, None, None)
        assert foreign.state is State.SUCCEEDED


async def rebuilt(library: Library, database: Path, records: Records) -> Any:
    with closing(Database(f"sqlite:///{database}")) as fresh:
        fresh.prepare()
        store = JobStore(fresh)
        assert await rebuild(store, library, records) == 1
        [share_id] = await store.share_ids()
        return (await JobQueries(fresh).shared([share_id]))[0]
