"""Downloads: a shared video is served whole and by its name; everything else is not found."""

import asyncio
import io
import re
import tracemalloc
import zipfile
import zlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import gradio as gr
import httpx
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request

from dreamina_ui.errors import StoreUnavailable
from dreamina_ui.jobs import Job, State
from dreamina_ui.media.library import Library
from dreamina_ui.media.record import file_name
from dreamina_ui.storage.collection_store import CollectionStore
from dreamina_ui.storage.database import Database
from dreamina_ui.storage.job_queries import JobQueries
from dreamina_ui.storage.job_store import JobStore
from dreamina_ui.ui.gradio_internals import mount_page
from dreamina_ui.web.downloads import ZIPPED_MOST, Downloads
from tests.rig import video_of

pytestmark = pytest.mark.anyio

NOON = 1_700_049_600.0  # 2023-11-15 12:00 UTC
NOT_FOUND = "There is no such video."


def share(number: int) -> str:
    return f"{number:032x}"


def a_job(number: int, prompt: str = "a lightsite", **values: Any) -> Job:
    standard: dict[str, Any] = {
        "job_id": f"job-{number}",
        "share_id": share(number),
        "visitor_id": "ann",
        "backend": "simulator",
        "model_id": "m",
        "payload": {"prompt": prompt, "seed": 7},
        "created_at": NOON + number,
        "state": State.SUCCEEDED,
        "finished_at": NOON + 60,
    }
    return Job(**{**standard, **values})


@dataclass
class Site:
    """The routes over a store and a library of their own; `used_keys` lists the keys of the texts that were used."""

    store: JobStore
    queries: JobQueries
    collections: CollectionStore
    library: Library
    used_keys: list[str] = field(default_factory=list)

    def say(self, _: Request, key: str) -> str:
        self.used_keys.append(key)
        return NOT_FOUND if key == "download.not_found" else f"({key})"

    @property
    def downloads(self) -> Downloads:
        return Downloads(self.queries, self.collections, self.library, self.say)

    @property
    def app(self) -> Starlette:
        return Starlette(routes=self.downloads.routes)

    async def add(self, job: Job, content: bytes | None = b"a video") -> Job:
        await self.store.add([job])
        if content is not None:
            video_of(self.library, job).write_bytes(content)
        return job


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    database = Database(f"sqlite:///{tmp_path / 'dreamina.sqlite3'}")
    database.prepare()
    library = Library(tmp_path / "videos")
    library.prepare()
    yield Site(JobStore(database), JobQueries(database), CollectionStore(database), library)
    database.close()


@pytest.fixture
async def web(site: Site) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(site.app), base_url="http://studio") as client:
        yield client


def name_of(reply: httpx.Response) -> str:
    """The name a browser saves the file under: the one in every script, which browsers prefer to the ASCII one."""
    found = re.search(r"filename\*=UTF-8''(\S+)$", reply.headers["content-disposition"])
    assert found
    return unquote(found[1])


# One video


async def test_a_video_is_served_whole_with_its_name(site: Site, web: httpx.AsyncClient) -> None:
    """It is an attachment of its own type, and only the browser may keep it, and asks each time."""
    job = await site.add(a_job(1), b"0123456789" * 1000)
    reply = await web.get(f"/dreamina/video/{job.share_id}")
    assert (reply.status_code, reply.content) == (200, b"0123456789" * 1000)
    assert name_of(reply) == "2023-11-15-a-lightsite-7.mp4" == file_name(job)
    headers = reply.headers
    assert headers["content-disposition"].startswith('attachment; filename="2023-11-15-a-lightsite-7.mp4"')
    assert (headers["content-type"], headers["x-content-type-options"]) == ("video/mp4", "nosniff")
    assert headers["cache-control"] == "private, no-cache"


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("Pacific%2FKiritimati", "2023-11-16"),
        ("Pacific/Kiritimati", "2023-11-16"),
        ("Asia%2FTokyo", "2023-11-15"),
        ("Nowhere%2FNobody", "2023-11-15"),
        ("..%2F..%2Fetc%2Fpasswd", "2023-11-15"),
        ("%00", "2023-11-15"),
        ("America", "2023-11-15"),
        ("x" * 4000, "2023-11-15"),
    ],
)
async def test_names_begin_with_the_day_where_the_person_is(
    site: Site, web: httpx.AsyncClient, zone: str, day: str
) -> None:
    """The browser's zone stands in a cookie; one that is not known here, and whatever else stands there, means UTC."""
    job = await site.add(a_job(1))
    web.cookies.set("dreamina_zone", zone)
    assert name_of(await web.get(f"/dreamina/video/{job.share_id}")).startswith(f"{day}-a-light")
    [entry] = zipfile.ZipFile(io.BytesIO((await web.get(f"/dreamina/zip?video={job.share_id}")).content)).infolist()
    assert (entry.filename[:10], "{:04}-{:02}-{:02}".format(*entry.date_time)) == (day, day)


async def test_a_video_can_be_served_inline(site: Site, web: httpx.AsyncClient) -> None:
    """With `inline=1` the browser plays it; the name is still in the header."""
    job = await site.add(a_job(1))
    reply = await web.get(f"/dreamina/video/{job.share_id}?inline=1")
    assert reply.headers["content-disposition"].startswith("inline; ")
    assert name_of(reply) == file_name(job)


@pytest.mark.parametrize(
    ("asked", "status", "content", "used_keys"),
    [
        ("bytes=0-0", 206, b"0", "bytes 0-0/10"),
        ("bytes=3-5", 206, b"345", "bytes 3-5/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=-2", 206, b"89", "bytes 8-9/10"),
        ("bytes=10-", 416, None, "bytes */10"),
    ],
)
async def test_a_range_request_gets_its_range(
    site: Site, web: httpx.AsyncClient, asked: str, status: int, content: bytes | None, used_keys: str
) -> None:
    """The response to a range request is exactly that range."""
    job = await site.add(a_job(1), b"0123456789")
    reply = await web.get(f"/dreamina/video/{job.share_id}?inline=1", headers={"range": asked})
    assert (reply.status_code, reply.headers["content-range"]) == (status, used_keys)
    if content is not None:
        assert reply.content == content


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("Müller's «Café» am Meer", "2023-11-15-müller-s-café-am-meer-7.mp4"),
        ("海の灯台 🌊", "2023-11-15-海の灯台-7.mp4"),
        ('a"b\r\nSet-Cookie: x=1', "2023-11-15-a-b-set-cookie-x-1-7.mp4"),
        ("../../etc/passwd", "2023-11-15-etc-passwd-7.mp4"),
        ("\u202egnp.exe", "2023-11-15-gnp-exe-7.mp4"),
        ("🌊🌊", "2023-11-15-video-7.mp4"),
    ],
)
async def test_names_in_any_script(site: Site, web: httpx.AsyncClient, prompt: str, name: str) -> None:
    """A name has the letters of the prompt in their own script, in one header line, and never a path."""
    job = await site.add(a_job(1, prompt))
    reply = await web.get(f"/dreamina/video/{job.share_id}")
    assert name_of(reply) == name
    assert re.fullmatch(
        r"attachment; filename=\"[\w.-]+\"; filename\*=\S+", reply.headers["content-disposition"], re.ASCII
    )
    assert "set-cookie" not in reply.headers
    zipped = await web.get("/dreamina/zip", params={"video": job.share_id})
    assert zipfile.ZipFile(io.BytesIO(zipped.content)).namelist() == [name]


async def test_only_a_number_is_a_seed_in_a_name(site: Site, web: httpx.AsyncClient) -> None:
    """A foreign record may have any value as its seed; it does not get into the name."""
    job = await site.add(a_job(1, payload={"prompt": "x", "seed": "../../evil"}))
    assert name_of(await web.get(f"/dreamina/video/{job.share_id}")) == "2023-11-15-x.mp4"


# Not found

HOSTILE = [
    "",
    "nope",
    "job-1",
    share(99),
    share(1).upper() + "A",
    "../secret",
    "%2e%2e%2fsecret",
    "%00",
    "é" * 32,
    "0" * 33,
]


@pytest.mark.parametrize("share_id", HOSTILE)
@pytest.mark.parametrize(
    "path", ["/dreamina/video/{}", "/dreamina/zip?video={}", f"/dreamina/zip?video={share(1)}&video={{}}"]
)
async def test_other_ids_are_not_found(site: Site, web: httpx.AsyncClient, path: str, share_id: str) -> None:
    """An unknown or malformed share id gets one sentence, and no part of an existing video."""
    await site.add(a_job(1))
    reply = await web.get(path.format(share_id))
    assert reply.status_code == 404
    if reply.text != "Not Found":  # not even one of our addresses
        assert (reply.text, reply.headers["content-type"]) == (NOT_FOUND, "text/plain; charset=utf-8")
        assert reply.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("state", [state for state in State if state is not State.SUCCEEDED])
async def test_a_job_without_a_video_has_no_download(site: Site, web: httpx.AsyncClient, state: State) -> None:
    """A file is not served before its job has succeeded."""
    job = await site.add(a_job(1, state=state))
    assert (await web.get(f"/dreamina/video/{job.share_id}")).status_code == 404
    assert (await web.get(f"/dreamina/zip?video={job.share_id}")).status_code == 404


async def test_a_missing_file_is_not_found(site: Site, web: httpx.AsyncClient) -> None:
    """A row whose file was deleted from the disk is as not found as any other."""
    job = await site.add(a_job(1), content=None)
    for path in (f"/dreamina/video/{job.share_id}", f"/dreamina/zip?video={job.share_id}"):
        reply = await web.get(path)
        assert (reply.status_code, reply.text) == (404, NOT_FOUND)
    video_of(site.library, job).mkdir()
    assert (await web.get(f"/dreamina/video/{job.share_id}")).status_code == 404


@pytest.mark.parametrize(
    ("end", "media_type", "is_shown"),
    [
        (".webm", "video/webm", True),
        (".mov", "video/quicktime", True),
        (".image.gif", "image/gif", True),
        (".mp3", "audio/mpeg", True),
        (".avi", "application/octet-stream", False),
        (".zip", "application/octet-stream", False),
        (".bin", "application/octet-stream", False),
    ],
)
async def test_a_file_of_any_kind_has_its_type_and_ending(
    site: Site, web: httpx.AsyncClient, end: str, media_type: str, is_shown: bool
) -> None:
    """The name has the ending of the kind; a kind that browsers do not show, or could run, is always an attachment."""
    job = await site.add(a_job(1, files=(end, f"-2{end}")), content=None)
    for name in job.files:
        (site.library.folder / f"{job.share_id}{name}").write_bytes(b"<script>1</script>")
    reply = await web.get(f"/dreamina/video/{job.share_id}?n=2&inline=1", headers={"Range": "bytes=1-6"})
    assert (reply.status_code, reply.content) == (206, b"script")
    assert (reply.headers["content-type"], reply.headers["x-content-type-options"]) == (media_type, "nosniff")
    assert reply.headers["content-disposition"].startswith("inline" if is_shown else "attachment")
    assert name_of(reply) == f"2023-11-15-a-lightsite-7-2{end.removeprefix('.image')}"


async def test_a_deleted_video_is_not_served_until_it_is_restored(site: Site, web: httpx.AsyncClient) -> None:
    """A share id does not open a deleted video."""
    job = await site.add(a_job(1))
    paths = (f"/dreamina/video/{job.share_id}", f"/dreamina/zip?video={job.share_id}")
    await site.queries.delete("ann", [job.job_id], NOON)
    assert [(await web.get(path)).status_code for path in paths] == [404, 404]
    await site.queries.restore("ann", [job.job_id])
    assert [(await web.get(path)).status_code for path in paths] == [200, 200]


async def test_a_share_id_reveals_nothing_but_the_video(site: Site, web: httpx.AsyncClient) -> None:
    """No response has a job id, a visitor or a path of the disk; methods other than GET and HEAD are refused."""
    job = await site.add(a_job(1))
    for path in (f"/dreamina/video/{job.share_id}", f"/dreamina/zip?video={job.share_id}"):
        reply = await web.get(path)
        answered = str(reply.headers.raw).encode() + reply.content
        assert not any(word in answered for word in (b"job-1", b"ann", str(site.library.folder).encode()))
        assert (await web.post(path)).status_code == 405
        assert (await web.delete(path)).status_code == 405


async def test_an_unreachable_database_is_reported(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The response is 503, not 404."""

    class Away(JobQueries):
        async def shared(self, share_ids: Any) -> list[Job]:
            raise StoreUnavailable

    app = Starlette(routes=Downloads(Away(None), site.collections, site.library, site.say).routes)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://studio") as web:
        for path in (f"/dreamina/video/{share(1)}", f"/dreamina/zip?video={share(1)}"):
            reply = await web.get(path)
            assert (reply.status_code, reply.text) == (503, "(download.unavailable)")


# Many videos


async def test_a_zip_has_the_unchanged_videos(site: Site, web: httpx.AsyncClient) -> None:
    """They are in the order of the request, each once, with name and date, and zip tools find no fault."""
    contents = {share(n): bytes([n]) * (n * 100_000) for n in (1, 2, 3)}
    for n in (1, 2, 3):
        await site.add(a_job(n, f"prompt {n}"), contents[share(n)])
    order = [share(3), share(1), share(3), share(2)]
    reply = await web.get("/dreamina/zip", params={"video": order})
    assert (reply.status_code, reply.headers["content-type"]) == (200, "application/zip")
    assert re.fullmatch(r"dreamina-\d{4}-\d\d-\d\d-3\.zip", name_of(reply))
    archive = zipfile.ZipFile(io.BytesIO(reply.content))
    assert archive.testzip() is None
    assert archive.namelist() == [f"2023-11-15-prompt-{n}-7.mp4" for n in (3, 1, 2)]
    for entry, n in zip(archive.infolist(), (3, 1, 2), strict=True):
        assert archive.read(entry) == contents[share(n)]
        assert entry.compress_type == zipfile.ZIP_STORED
        assert datetime(*entry.date_time, tzinfo=UTC).date().isoformat() == "2023-11-15"


async def test_equal_names_are_numbered(site: Site, web: httpx.AsyncClient) -> None:
    """No video overwrites another one, also if a name already has a number."""
    for n in (1, 2, 3):
        await site.add(a_job(n), bytes([n]))
    await site.add(a_job(4, "a lightsite 7", payload={"prompt": "A Lightsite 7", "seed": 2}), bytes([4]))
    reply = await web.get("/dreamina/zip", params={"video": [share(n) for n in (4, 1, 2, 3)]})
    archive = zipfile.ZipFile(io.BytesIO(reply.content))
    stem = "2023-11-15-a-lightsite-7"
    assert archive.namelist() == [f"{stem}-2.mp4", f"{stem}.mp4", f"{stem}-3.mp4", f"{stem}-4.mp4"]
    assert [archive.read(name) for name in archive.namelist()] == [bytes([n]) for n in (4, 1, 2, 3)]


async def test_the_limit_of_a_zip(site: Site, web: httpx.AsyncClient) -> None:
    """200 videos are allowed; one more is refused with a sentence of its own, before the database is read."""
    jobs = [a_job(n) for n in range(1, ZIPPED_MOST + 1)]
    await site.store.add(jobs)
    for job in jobs:
        video_of(site.library, job).write_bytes(b"x")
    share_ids = [job.share_id for job in jobs]
    reply = await web.get("/dreamina/zip", params={"video": [*share_ids, share_ids[0]]})
    assert len(zipfile.ZipFile(io.BytesIO(reply.content)).namelist()) == ZIPPED_MOST
    refused = await web.get("/dreamina/zip", params={"video": [*share_ids, share(0)]})
    assert (refused.status_code, refused.text) == (400, "(download.too_many)")
    assert (await web.get("/dreamina/zip")).status_code == 404


async def test_head_reads_no_video(site: Site, web: httpx.AsyncClient) -> None:
    """HEAD returns type and name, and opens no file."""
    job = await site.add(a_job(1))
    reply = await web.head("/dreamina/zip", params={"video": job.share_id})
    assert (reply.status_code, reply.content, reply.headers["content-type"]) == (200, b"", "application/zip")
    assert (await web.head(f"/dreamina/video/{job.share_id}")).headers["content-length"] == "7"


# Large ones

SIZE = 100 * 2**20
PIECE_MOST = 2**20


@dataclass
class Sink:
    """A client that discards what it receives: the test transport of httpx would keep it in memory."""

    size: int = 0
    crc: int = 0
    largest: int = 0
    tail: bytes = b""
    gone_after: float = float("inf")

    async def send(self, message: Any) -> None:
        body = message.get("body", b"")
        self.size += len(body)
        self.crc = zlib.crc32(body, self.crc)
        self.largest = max(self.largest, len(body))
        self.tail = (self.tail + body)[-200:]
        if self.size > self.gone_after:
            raise OSError("the browser was closed")

    async def receive(self) -> Any:
        await asyncio.Event().wait()

    async def ask(self, app: Starlette, path: str, query: str = "") -> None:
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [],
            "scheme": "http",
            "server": ("studio", 80),
        }
        await app(scope, self.receive, self.send)


@pytest.fixture
async def large(site: Site) -> Job:
    """A sparse video file of 100 MB."""
    job = await site.add(a_job(1), b"")
    with video_of(site.library, job).open("r+b") as file:
        file.truncate(SIZE)
    return job


@pytest.mark.parametrize(("path", "query"), [("/dreamina/video/{}", ""), ("/dreamina/zip", "video={}")])
async def test_large_videos_do_not_go_through_memory(site: Site, large: Job, path: str, query: str) -> None:
    """100 MB are streamed in chunks; only some of them are in memory at a time."""
    sink, app = Sink(), site.app
    tracemalloc.start()
    try:
        await sink.ask(app, path.format(large.share_id), query.format(large.share_id))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert SIZE <= sink.size < SIZE + 1000
    assert sink.largest <= PIECE_MOST
    assert peak < 16 * 2**20


async def test_an_interrupted_download_closes_its_file(site: Site, large: Job) -> None:
    """An interrupted download closes its file; another download still gets everything."""
    sink = Sink(gone_after=2**20)
    with pytest.raises(Exception, match=r"^$|closed"):
        await sink.ask(site.app, "/dreamina/zip", f"video={large.share_id}")
    video = str(video_of(site.library, large))
    assert not any(str(link.resolve()) == video for link in Path("/proc/self/fd").glob("*"))


# Beside Gradio's page


async def test_the_routes_answer_before_gradio(site: Site) -> None:
    """Ranges and refusals, too; and the page is still there."""
    job = await site.add(a_job(1), b"0123456789")
    with gr.Blocks(analytics_enabled=False) as blocks:
        gr.Textbox()
    app = FastAPI(routes=[*site.downloads.routes])
    mount_page(app, blocks, max_watchers=2, run_history=False, ssr_mode=False)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://studio") as web:
        reply = await web.get(f"/dreamina/video/{job.share_id}", headers={"range": "bytes=2-4"})
        assert (reply.status_code, reply.content) == (206, b"234")
        reply = await web.get(f"/dreamina/zip?video={job.share_id}")
        assert "content-encoding" not in reply.headers
        archive = zipfile.ZipFile(io.BytesIO(reply.content))
        assert [archive.read(name) for name in archive.namelist()] == [b"0123456789"]
        reply = await web.get(f"/dreamina/zip?video={share(2)}")
        assert (reply.status_code, reply.text) == (404, NOT_FOUND)
        assert "gradio" in (await web.get("/")).text
