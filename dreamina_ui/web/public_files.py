"""Uploaded files for address fields: each gets a public address at which the service can fetch it.

This needs a public address of the app in the settings. A file's name is a keyed digest of its bytes, so that the same bytes are
one file, and nobody can tell from a copy whether it is here; whoever knows the name can fetch the file. A week after its last
upload a file is deleted. Who has uploaded it is a mark beside it, an empty file, which all replicas see.
"""

import asyncio
import hashlib
import hmac
import os
import re
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from dreamina_ui.media.kinds import HEAD_BYTES, kind_of
from dreamina_ui.web.checks.upload_form import MEDIA, VIDEO_MOST

__all__ = ["REFUSALS", "PublicFiles"]

REFUSALS = ("kind", "size", "full", "mine", "failed")
"""Why a file is refused. Each has a sentence, `upload.…`."""

MAX_AGE_S = 7 * 86_400.0
TOTAL_MOST, ADDRESS_MOST, EACH_MOST = 4 * 2**30, 2 * 2**30, 2**30
"""Bytes of all files together, of those that came from one address of the open net, and of one visitor's."""
FILES_MOST, FILES_ADDRESS_MOST, FILES_EACH_MOST = 4_000, 1_000, 200
_KINDS = {kind.plain_ending: kind for kind in MEDIA}
_NAME = re.compile(r"[0-9a-f]{32}\.[a-z0-9]+")
_MARK = re.compile(r"\.([0-9a-f]{32}\.[a-z0-9]+)@([0-9a-f]{16})")
"""A file's name, and whose it is: a visitor's, or an address's."""
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, no-store",
    # Browsers run nothing in an uploaded file, and open no page from it.
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Content-Disposition": "attachment",
}


@dataclass(slots=True)
class _Held:
    """The sizes of the files in the folder by name; and the names that each of some owners, by their marks, has uploaded."""

    sizes: dict[str, int] = field(default_factory=dict)
    own: dict[str, set[str]] = field(default_factory=dict)

    def has_room(self, owner: str, name: str, size: int, files_most: int, bytes_most: int) -> bool:
        """Whether one more file may be this owner's."""
        own = self.own[owner]
        own_bytes = sum(self.sizes[each] for each in own)
        return name in own or (len(own) < files_most and own_bytes + size <= bytes_most)


class PublicFiles:
    """Stores files in `folder`; `url` is the public address of the app, without a slash at its end; `secret` makes the names."""

    def __init__(
        self,
        folder: Path,
        url: str,
        say: Callable[[Request, str], str],
        *,
        secret: str,
        total_most: int = TOTAL_MOST,
        each_most: int = EACH_MOST,
        files_each_most: int = FILES_EACH_MOST,
        address_most: int = ADDRESS_MOST,
        files_address_most: int = FILES_ADDRESS_MOST,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._folder = folder
        self._url = url
        self._say = say
        self._secret = secret.encode()
        self._all_most = total_most
        self._each_most = each_most
        self._files_each_most = files_each_most
        self._address_most = address_most
        self._files_address_most = files_address_most
        self._one_by_one = threading.Lock()
        self._now = now

    @property
    def routes(self) -> list[Route]:
        return [Route("/dreamina/upload/{name}", self._serve, name="dreamina_upload")]

    async def add(self, path: Path, visitor_id: str, came_from: str = "") -> tuple[str, str | None]:
        """Copy the visitor's file into the folder; `came_from` is the asker's address of the open net, if there is one.

        Returns the file's address and None, or an empty address and one of `REFUSALS`.
        """
        try:
            return await asyncio.to_thread(self._add, path, visitor_id, came_from)
        except OSError:
            return "", "failed"

    def _add(self, path: Path, visitor_id: str, came_from: str) -> tuple[str, str | None]:
        with path.open("rb") as file:
            kind, size = kind_of(file.read(HEAD_BYTES)), os.fstat(file.fileno()).st_size
            if kind not in MEDIA:
                return "", "kind"
            if size > VIDEO_MOST:
                return "", "size"
            file.seek(0)
            content = hashlib.file_digest(file, "sha256").digest()
        name = f"{self._digest(b'file ' + content)[:32]}{kind.plain_ending}"
        owners = {self._digest(b"visitor " + visitor_id.encode())[:16]: (self._files_each_most, self._each_most)}
        if came_from:
            mark = self._digest(b"address " + came_from.encode())[:16]
            owners[mark] = self._files_address_most, self._address_most
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._one_by_one:
            held = self._tidy(owners)
            if not all(held.has_room(owner, name, size, *most) for owner, most in owners.items()):
                return "", "mine"
            if name not in held.sizes:
                if len(held.sizes) >= FILES_MOST or sum(held.sizes.values()) + size > self._all_most:
                    return "", "full"
                self._copy(path, name)
            for touched in (self._folder / name, *(self._folder / f".{name}@{owner}" for owner in owners)):
                touched.touch()
                os.utime(touched, (self._now(), self._now()))
        return f"{self._url}/dreamina/upload/{name}", None

    def _digest(self, what: bytes) -> str:
        return hmac.digest(self._secret, b"public " + what, "sha256").hex()

    def _copy(self, path: Path, name: str) -> None:
        unfinished = self._folder / f".{name}.{secrets.token_hex(4)}.part"
        try:
            shutil.copyfile(path, unfinished)
            unfinished.replace(self._folder / name)
        finally:
            unfinished.unlink(missing_ok=True)

    def _tidy(self, owners: Collection[str]) -> _Held:
        """Delete what is too old. Returns the other files, and which of them are these owners'."""
        held = _Held(own={owner: set() for owner in owners})
        for path in self._folder.iterdir():
            try:
                facts = path.stat()
                if facts.st_mtime < self._now() - MAX_AGE_S:
                    path.unlink()
                elif mark := _MARK.fullmatch(path.name):
                    held.own.get(mark[2], set()).add(mark[1])
                else:
                    held.sizes[path.name] = facts.st_size
            except FileNotFoundError:
                continue  # another replica has deleted it
        for own in held.own.values():
            own &= held.sizes.keys()
        return held

    async def _serve(self, request: Request) -> Response:
        name = request.path_params["name"]
        path = self._folder / name
        kind = _KINDS.get(path.suffix)
        if not kind or not _NAME.fullmatch(name) or not await asyncio.to_thread(path.is_file):
            return PlainTextResponse(self._say(request, "upload.not_found"), 404, headers=_HEADERS)
        return FileResponse(path, media_type=kind.media_type, headers=_HEADERS)
