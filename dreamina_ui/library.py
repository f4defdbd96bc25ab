"""Videos on disk: fetched whole, checked, given a poster, and only then given their name.

A video lies in the library under its job's share id, 128 random bits, so that a path nobody was told cannot be guessed.
A file with its final name is complete: everything is written under a temporary name, flushed to the disk, and renamed.
"""

import asyncio
import errno
import os
import re
import secrets
import shutil
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import httpx

from dreamina_ui.addresses import origin_of
from dreamina_ui.errors import DiskFull, LibraryError, NotAVideo
from dreamina_ui.fetching import Fetcher
from dreamina_ui.media import Saved, inspect, label, make_poster, read_label
from dreamina_ui.pictures import ENDINGS, PIXELS_MOST, ending_of, inspect_picture, make_picture_poster
from dreamina_ui.points import unobserved

__all__ = ["KINDS", "VIDEO", "Library", "Saved", "origin_of"]

ROOM_NEEDED = 300 * 2**20
"""Bytes that must be free before a job is paid for: a 10 s video is about 20 MB, and several may be under way."""
SIZE_MOST = 500 * 2**20
TIME_MOST_S = 600.0
SHARE_ID = re.compile(r"[0-9a-f]{32}")
POSTER_WIDTH = 640
OUTPUTS_MOST = 16
"""Of one job; a service that delivers more is not believed to mean it."""
VIDEO = ".mp4"
KINDS = {VIDEO: "video/mp4", ".png": "image/png", ".jpg": "image/jpeg", ".webp": "image/webp"}
"""Media types by how a file's name ends."""
PICTURE_PART, LABELLED_PART = ".picture.part", ".labelled.part"


class Library:
    """`folder` holds nothing but videos and posters; `trusted_origins` may also be plain http or of this machine.

    An output has at most `size_most` bytes and `time_most_s` seconds; `transport` is the way to the open net.
    """

    def __init__(
        self,
        folder: Path,
        *,
        trusted_origins: Collection[str] = (),
        mounts: Mapping[str, httpx.AsyncBaseTransport | None] | None = None,
        room_needed: int = ROOM_NEEDED,
        passed: Callable[[str], Awaitable[None]] = unobserved,
        transport: httpx.AsyncBaseTransport | None = None,
        size_most: int = SIZE_MOST,
        time_most_s: float = TIME_MOST_S,
    ) -> None:
        self.folder = folder
        self._room_needed = room_needed
        self._passed = passed
        self._fetcher = Fetcher(
            trusted_origins=trusted_origins,
            mounts=mounts,
            transport=transport,
            size_most=size_most,
            time_most_s=time_most_s,
        )

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self.prepare)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._fetcher.aclose()

    def prepare(self) -> None:
        """Make the folder, and clear it of what a crash left; blocks. Raises `LibraryError`."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LibraryError(f"{self.folder} cannot be made: {error.strerror}") from error
        with _disk_errors():
            for part in self.folder.glob(".*.part"):
                # Left by a crash; young ones may be another replica's, at work.
                if time.time() - part.stat().st_mtime > TIME_MOST_S * 2:
                    part.unlink(missing_ok=True)

    def video(self, share_id: str) -> Path:
        return self.folder / f"{share_id}{VIDEO}"

    def poster(self, share_id: str) -> Path:
        return self.folder / f"{share_id}.webp"

    async def check_room(self) -> None:
        """Raises `DiskFull` if a video might not fit, or `LibraryError` if the folder cannot be written."""
        await asyncio.to_thread(self._check_room)

    def files(self, share_id: str) -> list[Path]:
        """The outputs of a job that are here, the first one first; blocks. None are here as long as the first is not."""
        found = []
        for stem in _stems(share_id):
            file = next((path for path in self._candidates(stem) if path.exists()), None)
            if file is None:
                break
            found.append(file)
        return found

    async def save(
        self, share_id: str, url: str, record: Mapping[str, Any] | None = None, *, more: Sequence[str] = ()
    ) -> Saved:
        """Fetch the output at `url` and keep it, a video with `record` in its metadata; and the outputs at `more`, up to 15.

        What is already here is left alone. Gives the facts of the first. Raises `OutputRefused`, `DownloadFailed`,
        `NotAVideo` (for an image, too), `DiskFull` or `LibraryError`, and leaves nothing behind.
        """
        if not await asyncio.to_thread(self.files, share_id):
            urls = [url, *more][:OUTPUTS_MOST]
            parts = [self.folder / f".{share_id}.{secrets.token_hex(4)}.part" for _ in urls]
            try:
                endings = []
                for source, part in zip(urls, parts, strict=True):
                    await self._download(source, part)
                    endings.append(await asyncio.to_thread(self._prepare, part, record))
                await self._passed("before_rename")
                await asyncio.to_thread(self._give_names, share_id, parts, endings)
                await self._passed("after_rename")
            finally:
                for part in parts:
                    for left in (part, part.with_suffix(PICTURE_PART), part.with_suffix(LABELLED_PART)):
                        left.unlink(missing_ok=True)
        return await asyncio.to_thread(self._facts, share_id)

    def share_ids(self) -> list[str]:
        """Of all videos that are here; blocks."""
        return [path.stem for path in self.folder.glob("*.mp4")]

    def remove(self, share_ids: Iterable[str]) -> int:
        """Delete these videos with their posters; blocks. Gives how many were there."""
        removed = 0
        for share_id in share_ids:
            if SHARE_ID.fullmatch(share_id):
                files = self.all_of(share_id)
                removed += bool(self.files(share_id))
                for path in files:
                    path.unlink(missing_ok=True)
        return removed

    def all_of(self, share_id: str) -> list[Path]:
        """The outputs of a job with their posters, as far as they are here, the first one first; blocks."""
        # Of one that a crash interrupted, the later outputs may be here without the first.
        return [
            path for stem in _stems(share_id) for path in (*self._candidates(stem), self.poster(stem)) if path.exists()
        ]

    def records(self, share_ids: Iterable[str]) -> dict[str, tuple[dict[str, Any], Saved]]:
        """The records that these videos carry, of those that carry one, with the files' facts; blocks."""
        found = {}
        for share_id in share_ids:
            with suppress(NotAVideo, OSError):
                if record := read_label(self.video(share_id)):
                    found[share_id] = record
        return found

    def _check_room(self) -> None:
        with _disk_errors():
            free = shutil.disk_usage(self.folder).free
            if free < self._room_needed:
                raise DiskFull(free_mb=free // 2**20, needed_mb=self._room_needed // 2**20)
            probe = self.folder / f".{secrets.token_hex(4)}.part"
            probe.touch()
            probe.unlink()

    async def _download(self, url: str, part: Path) -> None:
        with _disk_errors():
            file = part.open("xb")

        async def take(piece: bytes) -> None:
            with _disk_errors():
                await asyncio.to_thread(file.write, piece)
            await self._passed("mid_download")

        with _disk_errors(), file:
            await self._fetcher.fetch(url, take)
            file.flush()
            await asyncio.to_thread(_flush, part)

    def _candidates(self, stem: str) -> list[Path]:
        return [self.folder / f"{stem}{ending}" for ending in (VIDEO, *ENDINGS.values())]

    def _facts(self, share_id: str) -> Saved:
        first = self.files(share_id)[0]
        return inspect(first) if first.suffix == VIDEO else inspect_picture(first)

    def _prepare(self, part: Path, record: Mapping[str, Any] | None) -> str:
        """Check what came, and give it a poster; gives how its name is to end."""
        with _disk_errors():
            ending = ending_of(part)
            if ending is None:
                self._prepare_video(part, record)
                return VIDEO
            picture = part.with_suffix(PICTURE_PART)
            make_picture_poster(part, picture, POSTER_WIDTH)
            _flush(picture)
            return ending

    def _prepare_video(self, part: Path, record: Mapping[str, Any] | None) -> None:
        picture, labelled = part.with_suffix(PICTURE_PART), part.with_suffix(LABELLED_PART)
        with _disk_errors():
            facts = inspect(part)
            if facts.width * facts.height > PIXELS_MOST:
                raise NotAVideo(f"{facts.width} × {facts.height} pixels")
            make_poster(part, picture, POSTER_WIDTH)
            _flush(picture)
            if record is not None:
                label(part, labelled, record)
                _flush(labelled)
                labelled.replace(part)

    def _give_names(self, share_id: str, parts: Sequence[Path], endings: Sequence[str]) -> None:
        with _disk_errors():
            # What an interrupted save has left under these names may be of other kinds, and more.
            stems = _stems(share_id)
            names = {self.folder / f"{stem}{ending}" for stem, ending in zip(stems, endings, strict=False)}
            for path in {path for stem in stems for path in self._candidates(stem)} - names:
                path.unlink(missing_ok=True)
            # The first one last, and its poster before it: where that has its name, everything is there.
            for stem, part, ending in reversed(list(zip(stems, parts, endings, strict=False))):
                part.with_suffix(PICTURE_PART).replace(self.poster(stem))
                part.replace(self.folder / f"{stem}{ending}")
            _flush_folder(self.folder)


def _stems(share_id: str) -> list[str]:
    """The names of a job's outputs, without their endings."""
    return [share_id, *(f"{share_id}-{number}" for number in range(2, OUTPUTS_MOST + 1))]


@contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise DiskFull from error
        raise LibraryError(error.strerror or type(error).__name__) from error


def _flush(path: Path) -> None:
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    """A rename is only durable once its folder is; Windows neither needs nor allows this."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
