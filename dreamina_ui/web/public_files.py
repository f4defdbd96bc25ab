"""A public place for what a visitor hands in: a file becomes an address at which the service can fetch it.

There is one only where the owner says by which address this app can be reached from outside. Names cannot be guessed, and
holding one is enough to fetch its file; after a week it is gone.
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

__all__ = ["PLACE_PROBLEMS", "PublicPlace"]

PLACE_PROBLEMS = ("kind", "size", "full", "failed")
"""Why a file is not kept. Each has a sentence, `place.…`."""

KEPT_S = 7 * 86_400.0
ALL_MOST = 4 * 2**30
"""Bytes of all files together."""
_KINDS = {kind.plain_ending: kind for kind in MEDIA}
_NAME = re.compile(r"[0-9a-f]{32}\.[a-z0-9]+")
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, no-store",
    # A file from a stranger is a file: nothing in it acts, and no page is made of it.
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Content-Disposition": "attachment",
}


class PublicPlace:
    """Keeps files in `folder`; `url` is where this app is for others, without a slash at its end."""

    def __init__(
        self,
        folder: Path,
        url: str,
        say: Callable[[Request, str], str],
        *,
        all_most: int = ALL_MOST,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._folder = folder
        self._url = url
        self._say = say
        self._all_most = all_most
        self._now = now

    @property
    def routes(self) -> list[Route]:
        return [Route("/dreamina/upload/{name}", self._one, name="dreamina_upload")]

    async def keep(self, path: Path) -> tuple[str, str | None]:
        """The address of a copy of the file; or none, and one of `PLACE_PROBLEMS`."""
        try:
            return await asyncio.to_thread(self._keep, path)
        except OSError:
            return "", "failed"

    def _keep(self, path: Path) -> tuple[str, str | None]:
        with path.open("rb") as file:
            kind, size = kind_of(file.read(HEAD_BYTES)), os.fstat(file.fileno()).st_size
        if kind not in MEDIA:
            return "", "kind"
        if size > VIDEO_MOST:
            return "", "size"
        self._folder.mkdir(parents=True, exist_ok=True)
        if size + self._held() > self._all_most:
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

    def _held(self) -> int:
        """Bytes of all files, after what is too old has gone."""
        held = 0
        for path in self._folder.iterdir():
            try:
                facts = path.stat()
                if facts.st_mtime < self._now() - KEPT_S:
                    path.unlink()
                else:
                    held += facts.st_size
            except FileNotFoundError:
                continue  # another replica was faster
        return held

    async def _one(self, request: Request) -> Response:
        name = request.path_params["name"]
        path = self._folder / name
        kind = _KINDS.get(path.suffix)
        if not kind or not _NAME.fullmatch(name) or not await asyncio.to_thread(path.is_file):
            return PlainTextResponse(self._say(request, "place.not_found"), 404, headers=_HEADERS)
        return FileResponse(path, media_type=kind.media_type, headers=_HEADERS)
