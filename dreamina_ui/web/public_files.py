"""Uploaded files for address fields: each gets a public address at which the service can fetch it.

This needs a public address of the app in the settings. File names are random; whoever knows one can fetch the file. After a
week a file is deleted.
"""

import asyncio
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from dreamina_ui.media.kinds import HEAD_BYTES, kind_of
from dreamina_ui.web.uploads import MEDIA, VIDEO_MOST

__all__ = ["REFUSALS", "PublicFiles"]

REFUSALS = ("kind", "size", "full", "failed")
"""Why a file is refused. Each has a sentence, `upload.…`."""

MAX_AGE_S = 7 * 86_400.0
TOTAL_MOST = 4 * 2**30
"""Bytes of all files together."""
_KINDS = {kind.plain_ending: kind for kind in MEDIA}
_NAME = re.compile(r"[0-9a-f]{32}\.[a-z0-9]+")
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, no-store",
    # Browsers run nothing in an uploaded file, and open no page from it.
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Content-Disposition": "attachment",
}


class PublicFiles:
    """Stores files in `folder`; `url` is the public address of the app, without a slash at its end."""

    def __init__(
        self,
        folder: Path,
        url: str,
        say: Callable[[Request, str], str],
        *,
        total_most: int = TOTAL_MOST,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._folder = folder
        self._url = url
        self._say = say
        self._all_most = total_most
        self._now = now

    @property
    def routes(self) -> list[Route]:
        return [Route("/dreamina/upload/{name}", self._serve, name="dreamina_upload")]

    async def add(self, path: Path) -> tuple[str, str | None]:
        """Copy the file into the folder. Returns its address and None, or an empty address and one of `REFUSALS`."""
        try:
            return await asyncio.to_thread(self._add, path)
        except OSError:
            return "", "failed"

    def _add(self, path: Path) -> tuple[str, str | None]:
        with path.open("rb") as file:
            kind, size = kind_of(file.read(HEAD_BYTES)), os.fstat(file.fileno()).st_size
        if kind not in MEDIA:
            return "", "kind"
        if size > VIDEO_MOST:
            return "", "size"
        self._folder.mkdir(parents=True, exist_ok=True)
        if size + self._remove_old() > self._all_most:
            return "", "full"
        name = f"{secrets.token_hex(16)}{kind.plain_ending}"
        unfinished = self._folder / f".{name}.part"
        try:
            shutil.copyfile(path, unfinished)
            os.utime(unfinished, (self._now(), self._now()))
            unfinished.replace(self._folder / name)
        finally:
            unfinished.unlink(missing_ok=True)
        return f"{self._url}/dreamina/upload/{name}", None

    def _remove_old(self) -> int:
        """Delete the files that are too old. Returns the bytes of the others."""
        total = 0
        for path in self._folder.iterdir():
            try:
                facts = path.stat()
                if facts.st_mtime < self._now() - MAX_AGE_S:
                    path.unlink()
                else:
                    total += facts.st_size
            except FileNotFoundError:
                continue  # another replica has deleted it
        return total

    async def _serve(self, request: Request) -> Response:
        name = request.path_params["name"]
        path = self._folder / name
        kind = _KINDS.get(path.suffix)
        if not kind or not _NAME.fullmatch(name) or not await asyncio.to_thread(path.is_file):
            return PlainTextResponse(self._say(request, "upload.not_found"), 404, headers=_HEADERS)
        return FileResponse(path, media_type=kind.media_type, headers=_HEADERS)
