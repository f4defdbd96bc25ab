"""Serves saved files, posters and the examples' pictures by name, so that no page and no response has a path of the server.

A deleted video is gone at once, for who has its page open, too: each request, also for a part, asks the database, which all
replicas share, and browsers ask before they show what they have kept.
"""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from dreamina_ui.errors import StoreError
from dreamina_ui.media.kinds import kind_named
from dreamina_ui.media.library import Library
from dreamina_ui.storage.job_queries import JobQueries

__all__ = [
    "COLLECTION_ADDRESS",
    "EXAMPLES_ADDRESS",
    "PROGRAM_PATH",
    "SAVED_ADDRESS",
    "LargeFile",
    "SavedFiles",
    "file_response",
    "saved_address",
]

SAVED_ADDRESS, EXAMPLES_ADDRESS = "dreamina/saved/", "dreamina/examples/"
"""Relative to the page."""
COLLECTION_ADDRESS = "collection/"
"""Of the page of a shared collection, relative to the page."""
PROGRAM_PATH = "dreamina/"
"""Gradio's client for Python ignores a file's `url`: it asks for `gradio_api/file=` and the file's `path`, which begins so."""
_SAVED_NAME = re.compile(r"[0-9a-f]{32}(-\d{1,2})?\.[a-z0-9.]+")
_EXAMPLE_NAME = re.compile(r"[a-z-]+\.webp")
_NO_SNIFF = {"X-Content-Type-Options": "nosniff"}
_SAVED = {**_NO_SNIFF, "Cache-Control": "private, no-cache"}
_EXAMPLE = {**_NO_SNIFF, "Cache-Control": "private, max-age=86400"}


class LargeFile(FileResponse):
    """In pieces of 256 kB. What the system has in its memory, as it has a video that was just saved, is read at once; for all
    else a thread is asked, which costs as much as to send 64 kB, Starlette's size of a piece.

    A response holds one piece at a time, however slowly it is taken.
    """

    chunk_size = 2**18

    @asynccontextmanager
    async def _open_file(self) -> AsyncIterator[Any]:  # what of an open file Starlette uses
        if not hasattr(os, "RWF_NOWAIT"):  # only Linux says what it has in its memory
            async with super()._open_file() as opened:
                yield opened
            return
        file = await run_sync(os.open, self.path, os.O_RDONLY)
        try:
            yield _Pieces(file)
        finally:
            os.close(file)


class _Pieces:
    """Reads an open file from where it stands."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._at = 0

    async def seek(self, at: int) -> None:
        self._at = at

    async def read(self, size: int) -> bytes | bytearray:
        """So many bytes, and fewer only at the end of the file."""
        await asyncio.sleep(0)  # whoever takes the pieces as fast as they come leaves the others their turns
        piece = _in_memory(self._file, size, self._at)
        read = await run_sync(os.pread, self._file, size, self._at) if piece is None else piece
        self._at += len(read)
        return read


def _in_memory(file: int, size: int, at: int) -> bytearray | None:
    """So many bytes of a file, if the system has all of them in its memory, which it does not say for every file system."""
    piece = bytearray(size)
    try:
        return piece if os.preadv(file, [piece], at, os.RWF_NOWAIT) == size else None
    except OSError:
        return None


class SavedFiles:
    """`examples` is a folder. Names in the library have 128 random bits: whoever knows one may see the file."""

    def __init__(self, queries: JobQueries, library: Library, examples: Path) -> None:
        self._queries = queries
        self._library = library
        self._examples = examples

    @property
    def routes(self) -> list[Route]:
        return [
            Route(f"/{SAVED_ADDRESS}{{name}}", self._saved, name="dreamina_saved"),
            Route(f"/gradio_api/file={PROGRAM_PATH}{{name}}", self._saved, name="dreamina_saved_for_programs"),
            Route(f"/{EXAMPLES_ADDRESS}{{name}}", self._example, name="dreamina_example"),
        ]

    async def _saved(self, request: Request) -> Response:
        name: str = request.path_params["name"]
        if not _SAVED_NAME.fullmatch(name):
            return _not_found()
        try:
            if not await self._queries.is_shown(name[:32]):
                return _not_found()
        except StoreError:
            return Response(status_code=503, headers={"Cache-Control": "no-store"})
        return await _shown(request, self._library.folder / name, _SAVED, self._library)

    async def _example(self, request: Request) -> Response:
        name: str = request.path_params["name"]
        return await _shown(request, self._examples / name, _EXAMPLE) if _EXAMPLE_NAME.fullmatch(name) else _not_found()


def saved_address(path: Path) -> str:
    """The address of a file or poster of the library, relative to the page."""
    return SAVED_ADDRESS + quote(path.name)


def file_response(request: Request, file: FileResponse) -> Response:
    """The file, or 304 without its bytes for a browser that has kept them."""
    if request.headers.get("if-none-match") != file.headers.get("etag"):
        return file
    headers = {name: file.headers[name] for name in ("etag", "cache-control", "last-modified") if name in file.headers}
    return Response(status_code=304, headers=headers)


async def _shown(request: Request, path: Path, headers: Mapping[str, str], library: Library | None = None) -> Response:
    """The file, inline; 404 for a kind that browsers do not show, such as a job's record."""
    kind = kind_named(path.name[32:] if path.suffix != ".webp" else ".image.webp")
    if not kind.inline:
        return _not_found()

    def ready() -> os.stat_result:
        if library is not None and path.suffix != ".webp":
            library.prepare_to_share(path)
        return path.stat()

    try:
        stat = await asyncio.to_thread(ready)
    except OSError:
        return _not_found()
    return file_response(request, LargeFile(path, media_type=kind.media_type, headers=headers, stat_result=stat))


def _not_found() -> Response:
    return Response(status_code=404, headers={"Cache-Control": "no-store"})
