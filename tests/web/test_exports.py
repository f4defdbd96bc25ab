"""Files made of saved videos, as downloads: joined, cut, as GIF and WebM; bad wishes get one sentence."""

import json
import re
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import av
import httpx
import pytest
from starlette.applications import Starlette

from dreamina_ui.engine.curation.exports import JOINED_MOST, Exports
from dreamina_ui.jobs import Job, State
from dreamina_ui.media.derive.derived import DerivedFiles, DerivedLimits
from dreamina_ui.media.embed import read_record
from dreamina_ui.media.library import Library
from dreamina_ui.media.tasks import record_of_dropped
from dreamina_ui.storage.database import Database
from dreamina_ui.storage.job_queries import JobQueries
from dreamina_ui.storage.job_store import JobStore
from dreamina_ui.web.exports import ExportRoutes
from dreamina_ui.wording import Words
from tests.rig import RECORDS, make_clip, video_of

pytestmark = pytest.mark.anyio

NOON = 1_700_049_600.0  # 2023-11-15 12:00 UTC
GERMAN = {"accept-language": "de"}


def an_id(number: int, kind: str = "5") -> str:
    return f"{kind}{number:031x}"


def a_job(number: int, **values: Any) -> Job:
    standard: dict[str, Any] = {
        "job_id": an_id(number, "a"),
        "share_id": an_id(number),
        "visitor_id": "ann",
        "backend": "simulator",
        "model_id": "m",
        "payload": {"prompt": f"a lighthouse {number}", "seed": number},
        "created_at": NOON + number,
        "state": State.SUCCEEDED,
        "finished_at": NOON + 60,
        "duration_s": 0.5,
        "files": (".mp4",),
    }
    return Job(**{**standard, **values})


class Site:
    """The routes over a store, a library and kept files of their own."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.store, self.queries = JobStore(database), JobQueries(database)
        self.library = Library(folder / "videos")
        self.library.prepare()
        self.files = DerivedFiles(folder / "exports", now=lambda: 0.0, limits=DerivedLimits(room=0))
        self._clip = make_clip(folder / "clip.mp4")
        exports = Exports(queries=self.queries, library=self.library, files=self.files)
        self.app = Starlette(routes=ExportRoutes(exports, visitor_of=lambda scope: "ann").routes)

    async def add(self, job: Job, *, saved: bool = True) -> Job:
        await self.store.add([job])
        if saved:
            shutil.copy(self._clip, video_of(self.library, job))
        return job


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    database = Database(f"sqlite:///{tmp_path / 'dreamina.sqlite3'}")
    database.prepare()
    yield Site(tmp_path, database)
    database.close()


@pytest.fixture
async def web(site: Site) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(site.app), base_url="http://studio") as client:
        yield client
    await site.files.aclose()


def name_of(reply: httpx.Response) -> str:
    found = re.search(r"filename\*=UTF-8''(\S+)$", reply.headers["content-disposition"])
    assert found
    return unquote(found[1])


def frames_of(content: bytes, path: Path, format: str = "mov") -> int:
    path.write_bytes(content)
    with av.open(str(path), format=format) as container:
        return sum(1 for _ in container.decode(container.streams.video[0]))


async def test_videos_are_joined_in_the_order_asked(site: Site, web: httpx.AsyncClient, tmp_path: Path) -> None:
    """As one MP4 with a name of its own; its record has those of its parts, and dropped it fills the form from the first."""
    two, one = await site.add(a_job(2)), await site.add(a_job(1))
    # By job id, as programs have it, and by share id, as links have it; a video may be there twice.
    reply = await web.get(f"/dreamina/join?job={two.job_id}&job={one.share_id}&job={two.share_id}")
    assert (reply.status_code, reply.headers["content-type"]) == (200, "video/mp4")
    assert name_of(reply) == "2023-11-15-a-lighthouse-2-2-joined-3.mp4"
    assert reply.headers["content-disposition"].startswith("attachment")
    path = tmp_path / "joined.mp4"
    assert frames_of(reply.content, path) == 36
    record = read_record(path)
    assert record is not None
    assert [part["settings"]["seed"] for part in record["joined"]] == [2, 1, 2]
    assert record["joined_count"] == 3
    assert "sealed" not in record
    for secret in (two.job_id, two.share_id, "ann"):
        assert secret not in json.dumps(record)
    dropped = record_of_dropped(str(path), 2**30, 2**20)
    assert dropped is not None
    assert (dropped["model_id"], dropped["settings"]) == ("m", two.payload)


async def test_a_joined_file_is_no_job_of_the_history(site: Site, web: httpx.AsyncClient, tmp_path: Path) -> None:
    """A start rebuilds jobs from records, and this one is not one job's."""
    for number in (1, 2):
        await site.add(a_job(number))
    (tmp_path / "joined.mp4").write_bytes((await web.get(f"/dreamina/join?job={an_id(1)}&job={an_id(2)}")).content)
    record = read_record(tmp_path / "joined.mp4")
    assert record is not None
    assert RECORDS.job_from(an_id(9), record, [".mp4"], 64, 64, 1.0) is None


async def test_a_part_is_exported(site: Site, web: httpx.AsyncClient, tmp_path: Path) -> None:
    """As MP4 in full size with what was cut in its record, as WebM, and as GIF; the name says which part."""
    job = await site.add(a_job(1))
    asked = f"/dreamina/export?job={job.share_id}&from=0.125&to=0.25"
    reply = await web.get(asked)
    assert name_of(reply) == "2023-11-15-a-lighthouse-1-1-0.125-0.25.mp4"
    assert frames_of(reply.content, tmp_path / "part.mp4") == 3
    record = read_record(tmp_path / "part.mp4")
    assert record is not None
    assert (record["trimmed"], record["settings"]) == ({"from_s": 0.125, "to_s": 0.25}, job.payload)
    gif = await web.get(f"{asked.replace('.', ',')}&as=gif&width=32&fps=10")  # with decimal commas
    assert (gif.headers["content-type"], gif.content[:3]) == ("image/gif", b"GIF")
    assert int.from_bytes(gif.content[6:8], "little") == 32
    assert name_of(gif).endswith("-0.125-0.25.gif")
    webm = await web.get(f"/dreamina/export?job={job.job_id}&as=WebM&width=32")
    assert (webm.headers["content-type"], name_of(webm)) == ("video/webm", "2023-11-15-a-lighthouse-1-1.webm")
    assert frames_of(webm.content, tmp_path / "all.webm", "matroska") == 12
    part = await web.get(asked, headers={"range": "bytes=0-9"})
    assert (part.status_code, part.content) == (206, reply.content[:10])
    assert (await web.get(asked, headers={"if-none-match": reply.headers["etag"]})).status_code == 304
    head = await web.head(asked)
    assert (head.content, head.headers["content-length"]) == (b"", str(len(reply.content)))


async def test_the_page_is_told_what_was_made(site: Site, web: httpx.AsyncClient) -> None:
    """Kind, size in bytes and pixels, length; and whether anything was encoded anew."""
    for number in (1, 2):
        await site.add(a_job(number))
    joined = (await web.get(f"/dreamina/join?job={an_id(1)}&job={an_id(2)}&tell=1")).json()
    assert joined["said"].startswith("MP4, ")
    assert joined["said"].endswith("64 × 64 pixels, 1.0 s. Joined as they are, without encoding anew.")
    assert joined["is_copied"] is True
    assert len((await web.get(joined["url"])).content) == joined["size"]
    gif = (await web.get(f"/dreamina/export?job={an_id(1)}&as=gif&to=0.25&tell=1", headers=GERMAN)).json()
    assert re.fullmatch(r"GIF, \d+ KB, 64 × 64 Pixel, 0,3 s\.", gif["said"])
    assert gif["url"] == f"/dreamina/export?job={an_id(1)}&as=gif&to=0.25&width=480&fps=15"


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ("join", 400, "Videos: 0 entries, at least 2."),
        ("join?job={one}", 400, "Videos: 1 entries, at least 2."),
        ("join?" + "&".join(["job={one}"] * (JOINED_MOST + 1)), 400, "Videos: 201 entries, at most 200."),
        ("join?job={one}&job={picture}", 422, Words().say("failure.not_made.no_video", number=2)),
        ("join?job={gone}&job={one}", 404, Words().say("failure.not_made.gone", number=1)),
        ("join?job={one}&job={running}", 404, Words().say("download.not_found")),
        ("join?job={one}&job={deleted}", 404, Words().say("download.not_found")),
        ("join?job={one}&job={unknown}", 404, Words().say("download.not_found")),
        ("join?job={one}&job=", 404, Words().say("download.not_found")),
        ("join?job={one}&job=%00", 404, Words().say("download.not_found")),
        ("join?job={one}&job=../../etc/passwd", 404, Words().say("download.not_found")),
        ("join?job={one}&job={broken}", 422, Words().say("failure.not_made.unreadable", number=2)),
        ("export", 404, Words().say("download.not_found")),
        ("export?job={unknown}", 404, Words().say("download.not_found")),
        ("export?job={picture}&as=gif", 422, Words().say("failure.not_made.no_video", number=1)),
        ("export?job={one}&as=avi", 400, "Format: “avi” is not one of mp4, webm, gif."),
        ("export?job={one}&from=0.4&to=0.2", 400, "End: 0.2, but it must be more than 0.4."),
        ("export?job={one}&from=0.2&to=0.2", 400, "End: 0.2, but it must be more than 0.2."),
        ("export?job={one}&from=nan", 400, "Start: “nan” is not a number."),
        ("export?job={one}&to=inf", 400, "End: “inf” is not a number."),
        ("export?job={one}&from=1e400", 400, "Start: “1e400” is not a number."),
        ("export?job={one}&from=now", 400, "Start: “now” is not a number."),
        ("export?job={one}&from=-1", 400, "Start: -1, at least 0."),
        ("export?job={one}&from=7", 400, "Start: 7, at most 0.5."),
        ("export?job={one}&to=0.7", 400, "End: 0.7, at most 0.5."),
        ("export?job={one}&from=0.49&to=0.495", 422, Words().say("failure.not_made.empty")),
        ("export?job={long}&as=gif", 400, "End: the part lasts 40 seconds, at most 15."),
        ("export?job={long}&as=gif&from=3&to=19", 400, "End: the part lasts 16 seconds, at most 15."),
        ("export?job={one}&as=gif&width=641", 400, "Width (pixels): 641, at most 640."),
        ("export?job={one}&as=gif&width=1", 400, "Width (pixels): 1, at least 16."),
        ("export?job={one}&as=webm&width=99.5", 400, "Width (pixels): “99.5” is not a whole number."),
        ("export?job={one}&as=gif&fps=60", 400, "Frames per second: 60, at most 25."),
        ("export?job={one}&width=320", 400, Words().say("problem.only_smaller", title="Width (pixels)")),
    ],
)
async def test_a_bad_wish_gets_one_sentence(
    site: Site, web: httpx.AsyncClient, query: str, status: int, said: str
) -> None:
    """As text and, for the page, as JSON; nothing is made and nothing is lost."""
    ids = {
        "one": (await site.add(a_job(1))).share_id,
        "long": (await site.add(a_job(2, duration_s=40.0))).share_id,
        "running": (await site.add(a_job(3, state=State.SAVING, finished_at=None), saved=False)).share_id,
        "deleted": (await site.add(a_job(4))).share_id,
        "gone": (await site.add(a_job(5), saved=False)).share_id,
        "picture": (await site.add(a_job(6, files=(".image.png",), duration_s=None), saved=False)).share_id,
        "broken": (await site.add(a_job(7))).share_id,
        "unknown": an_id(99),
    }
    await site.queries.delete("ann", [an_id(4, "a")], NOON + 70)
    (site.library.folder / f"{ids['picture']}.image.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (site.library.folder / f"{ids['broken']}.mp4").write_bytes(b"\0\0\0\x18ftypisom" + bytes(100))
    address = f"/dreamina/{query.format(**ids)}"
    reply = await web.get(address)
    assert (reply.text, reply.status_code) == (said, status)
    assert reply.headers["cache-control"] == "no-store"
    told = await web.get(f"{address}{'&' if '?' in address else '?'}tell=1")
    assert (told.json(), told.status_code) == ({"error": said}, status)
    german = await web.get(address, headers=GERMAN)
    assert german.text != said
    assert "{" not in german.text


async def test_who_asks_for_too_much_at_once_is_told_when_to_try_again(site: Site, web: httpx.AsyncClient) -> None:
    """Nothing is queued without end."""
    site.files = DerivedFiles(site.library.folder, now=lambda: 0.0, limits=DerivedLimits(at_once=0))
    job = await site.add(a_job(1))
    exports = Exports(queries=site.queries, library=site.library, files=site.files)
    app = Starlette(routes=ExportRoutes(exports, visitor_of=lambda scope: None).routes)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://studio") as client:
        reply = await client.get(f"/dreamina/export?job={job.share_id}")
    assert (reply.status_code, reply.text) == (503, Words().say("failure.exports_busy"))
    assert reply.headers["retry-after"] == "20"


async def test_no_response_has_a_path_of_the_server(site: Site, web: httpx.AsyncClient, tmp_path: Path) -> None:
    """Neither of what is made nor of what cannot be."""
    job = await site.add(a_job(1))
    for query in ("", "&from=3", "&tell=1"):
        reply = await web.get(f"/dreamina/export?job={job.share_id}{query}")
        assert str(tmp_path).encode() not in reply.content
