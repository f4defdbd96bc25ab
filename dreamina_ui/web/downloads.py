"""Downloads: one video by its share id, or many in a zip.

Whoever knows a share id may download its video, and learns nothing else: the response is the same for a video that is not
shared, one that was deleted and one that never existed.
"""

import asyncio
import io
import os
import re
import zipfile
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from dreamina_ui.errors import CollectionNotFound, StoreError
from dreamina_ui.jobs import State
from dreamina_ui.media.library import SHARE_ID, Library, SavedFile
from dreamina_ui.media.record import file_name
from dreamina_ui.storage.collection_store import CollectionStore
from dreamina_ui.storage.job_queries import JobQueries
from dreamina_ui.web.callers import zone_of
from dreamina_ui.web.saved_files import LargeFile, file_response

__all__ = ["ZIPPED_MOST", "Downloads", "disposition"]

ZIPPED_MOST = 200
CHUNK = 2**18
ZIP_EPOCH = 315_619_200
"""1980 in seconds since 1970: the earliest time in a zip."""
_NO_SNIFF = {"X-Content-Type-Options": "nosniff"}
_ASKED_AGAIN = {**_NO_SNIFF, "Cache-Control": "private, no-cache"}
_NOT_CACHED = {**_NO_SNIFF, "Cache-Control": "no-store"}


@dataclass(frozen=True, slots=True)
class _Video:
    """A saved file with the `name` of its download; `made_at` is in seconds since the epoch."""

    file: SavedFile
    name: str
    made_at: float
    stat: os.stat_result


class Downloads:
    """The routes. `say` gives the text of a key in the language of the request."""

    def __init__(
        self,
        queries: JobQueries,
        collections: CollectionStore,
        library: Library,
        say: Callable[[Request, str], str],
    ) -> None:
        self._queries = queries
        self._collections = collections
        self._library = library
        self._say = say

    @property
    def routes(self) -> list[Route]:
        return [
            Route("/dreamina/video/{share_id}", self._serve_file, name="dreamina_video"),
            Route("/dreamina/zip", self._serve_zip, name="dreamina_zip"),
        ]

    async def _serve_file(self, request: Request) -> Response:
        """The first file of a job, or number `n`, as an attachment; with `inline=1` inline, if browsers can show its kind."""
        try:
            found = await self._find([request.path_params["share_id"]], zone_of(request))
            number = int(request.query_params.get("n", found[0].file.number))
            [video] = [video for video in found if video.file.number == number]
        except ValueError:
            return self._refuse(request, 404, "download.not_found")
        except StoreError:
            return self._refuse(request, 503, "download.unavailable")
        kind = video.file.kind
        shown = kind.inline and request.query_params.get("inline") == "1"
        headers = {**_ASKED_AGAIN, "Content-Disposition": disposition("inline" if shown else "attachment", video.name)}
        media_type = kind.media_type if kind.inline else "application/octet-stream"
        response = LargeFile(video.file.path, media_type=media_type, headers=headers, stat_result=video.stat)
        return file_response(request, response)

    async def _serve_zip(self, request: Request) -> Response:
        """A zip of the videos `video=…&video=…`, in this order, each once; or of the shared collection `collection=…`."""
        share_ids, zone = list(dict.fromkeys(request.query_params.getlist("video"))), zone_of(request)
        try:
            if link_id := request.query_params.get("collection"):
                _, jobs = await self._collections.shared(link_id)
                share_ids = [job.share_id for job in jobs if not job.has_no_file]
            if len(share_ids) > ZIPPED_MOST:
                return self._refuse(request, 400, "download.too_many")
            videos = await self._find(share_ids, zone)
        except (CollectionNotFound, ValueError):
            return self._refuse(request, 404, "download.not_found")
        except StoreError:
            return self._refuse(request, 503, "download.unavailable")
        name = f"dreamina-{datetime.now(zone).date().isoformat()}-{len(videos)}.zip"
        headers = {**_NOT_CACHED, "Content-Disposition": disposition("attachment", name)}
        if request.method == "HEAD":
            return Response(media_type="application/zip", headers=headers)
        return _ZipResponse(_zipped(videos, zone), headers)

    async def _find(self, share_ids: Sequence[str], zone: tzinfo) -> list[_Video]:
        """All files of these jobs. Raises `StoreError`, or `ValueError` if there are none or one is missing."""
        if not share_ids or not all(SHARE_ID.fullmatch(share_id) for share_id in share_ids):
            raise ValueError("not share ids")
        found = {job.share_id: job for job in await self._queries.shared(share_ids) if job.state is State.SUCCEEDED}
        if len(found) < len(share_ids):
            raise ValueError("some do not exist")

        def list_files() -> list[_Video]:
            videos = []
            for share_id in share_ids:
                job, files = found[share_id], self._library.files(found[share_id])
                if not files:
                    raise FileNotFoundError(share_id)
                for file in files:
                    self._library.prepare_to_share(file.path)
                    name = file_name(job, file.number, file.kind.ending, file.kind.family, zone=zone)
                    videos.append(_Video(file, name, job.created_at, file.path.stat()))
            return videos

        try:
            return await asyncio.to_thread(list_files)
        except OSError as error:
            raise ValueError("a file is missing") from error

    def _refuse(self, request: Request, status: int, key: str) -> Response:
        return PlainTextResponse(self._say(request, key), status, headers=_NOT_CACHED)


class _ZipResponse(StreamingResponse):
    """Streams a zip, and closes its files at the end, also when the client disconnects."""

    def __init__(self, pieces: Generator[bytes], headers: Mapping[str, str]) -> None:
        super().__init__(pieces, media_type="application/zip", headers=headers)
        self._pieces = pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._pieces.close()


def disposition(kind: str, name: str) -> str:
    """A Content-Disposition for a name in any script: in ASCII for old programs, and in full (RFC 5987, 6266)."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "", name)
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


class _Pipe(io.RawIOBase):
    """A buffer to which a zip is written and from which its bytes are taken; it cannot seek."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken


def _zipped(videos: Sequence[_Video], zone: tzinfo) -> Generator[bytes]:
    """The zip in chunks, its times those of the zone; blocks. Videos are not compressed further, so they are stored."""
    pipe = _Pipe()
    names = _numbered([video.name for video in videos])
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_STORED) as archive:
        for name, video in zip(names, videos, strict=True):
            entry = zipfile.ZipInfo(name, datetime.fromtimestamp(max(video.made_at, ZIP_EPOCH), zone).timetuple()[:6])
            entry.external_attr = 0o644 << 16
            entry.file_size = video.stat.st_size  # tells whether the entry needs the large format
            with video.file.path.open("rb") as file, archive.open(entry, "w") as target:
                while chunk := file.read(CHUNK):
                    target.write(chunk)
                    yield pipe.take()
    yield pipe.take()


def _numbered(names: Sequence[str]) -> list[str]:
    """The names; equal ones get a number. As on Windows, case makes no difference."""
    used: set[str] = set()
    numbered = []
    for name in names:
        stem, dot, ending = name.rpartition(".")
        unique, number = name, 1
        while unique.casefold() in used:
            number += 1
            unique = f"{stem}-{number}{dot}{ending}"
        used.add(unique.casefold())
        numbered.append(unique)
    return numbered
