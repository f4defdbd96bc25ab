"""Saved outputs on the disk: fetched whole, their kind found by their bytes, and only then given their name.

A file lies in the library under its job's share id, 128 random bits, so that its path cannot be guessed. A file with its final
name is complete: everything is written under a temporary name, flushed to the disk, and renamed. The job's record goes into
the file, or lies beside it where the kind of file takes none.
"""

import asyncio
import errno
import json
import logging
import os
import re
import secrets
import shutil
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import httpx

from dreamina_ui.config.folders import flush_folder
from dreamina_ui.config.network import DIRECT, Network
from dreamina_ui.crash_points import unobserved
from dreamina_ui.errors import DiskFull, LibraryError, NotAnOutput
from dreamina_ui.jobs import Job
from dreamina_ui.media.checked import Checked
from dreamina_ui.media.download.addresses import origin_of
from dreamina_ui.media.download.fetch import Fetcher
from dreamina_ui.media.download.pinned import PinnedTransport
from dreamina_ui.media.examine import CUT_SHORT, Facts
from dreamina_ui.media.kinds import HEAD_BYTES, KINDS, Family, Kind, is_web_page, kind_named, kind_of
from dreamina_ui.media.reading import (
    Stopped,
    make_poster,
    read_output,
    saved_facts,
    saved_record,
    start_reading,
    write_with_record,
)
from dreamina_ui.media.record import Records

__all__ = ["OUTPUTS_MOST", "ROOM_NEEDED", "SHARE_ID", "Facts", "Library", "SavedFile", "file_order", "origin_of"]

log = logging.getLogger(__name__)

ROOM_NEEDED = 300 * 2**20
"""Bytes that must be free before a job is paid for: a 10 s video is about 20 MB, and several may be under way."""
SIZE_MOST = 500 * 2**20
TIME_MOST_S = 600.0
SHARE_ID = re.compile(r"[0-9a-f]{32}")
POSTER_WIDTH = 640
OUTPUTS_MOST = 16
"""Of one job that are fetched; what a service names beyond is told to the person."""
_NAME = re.compile(r"([0-9a-f]{32})(?:-(\d{1,2}))?(\.[a-z0-9.]+)")
_POSTER, _RECORD, _STAR = ".webp", ".record.json", ".star"
_BEFORE_FILES_COLUMN = (".mp4", ".image.png", ".image.jpg", ".image.webp")
"""The endings of files whose rows do not name them yet."""
_FAMILIES = (Family.VIDEO, Family.PICTURE, Family.SOUND, Family.FILE)
"""In the order in which the files of one job are shown."""
_IN_USE = (".picture.part", ".recorded.part", ".record.part")


@dataclass(frozen=True, slots=True)
class SavedFile:
    """One output on the disk. `number` counts a job's outputs from 1, as the service named them."""

    number: int
    path: Path
    kind: Kind

    @property
    def poster(self) -> Path:
        """Where its poster lies, if it has one."""
        return self.path.with_name(self.path.name.removesuffix(self.kind.ending) + _POSTER)

    @property
    def suffix(self) -> str:
        """The end of its name behind the share id, as `Job.files` keeps it."""
        return self.path.name[32:]


class Library:
    """`folder` holds nothing but videos and posters; `trusted_origins` may also be plain http or of this machine.

    An output has at most `size_most` bytes and `time_most_s` seconds; `network` is the way to the open net, or
    `transport` in its place. `records` seals what files of earlier versions tell of their makers,
    `checked` are those that tell nothing.
    """

    def __init__(
        self,
        folder: Path,
        *,
        records: Records | None = None,
        checked: Checked | None = None,
        trusted_origins: Collection[str] = (),
        mounts: Mapping[str, httpx.AsyncBaseTransport | None] | None = None,
        room_needed: int = ROOM_NEEDED,
        passed: Callable[[str], Awaitable[None]] = unobserved,
        transport: httpx.AsyncBaseTransport | None = None,
        network: Network = DIRECT,
        size_most: int = SIZE_MOST,
        time_most_s: float = TIME_MOST_S,
    ) -> None:
        self.folder = folder
        self._records = records
        self._checked = checked or Checked()
        self._room_needed = room_needed
        self._passed = passed
        self._fetcher = Fetcher(
            trusted_origins=trusted_origins,
            mounts=mounts,
            transport=transport or PinnedTransport(network),
            size_most=size_most,
            time_most_s=time_most_s,
        )

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self.prepare)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
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

    async def check_room(self) -> None:
        """Raises `DiskFull` if a video might not fit, or `LibraryError` if the folder cannot be written."""
        await asyncio.to_thread(self._check_room)

    def files(self, job: Job) -> list[SavedFile]:
        """The saved outputs of a job that are here: videos, pictures, sounds, then other files; blocks."""
        suffixes = job.files or tuple(self._suffixes_of_old(job.share_id))
        found = [_saved_file(self.folder / f"{job.share_id}{suffix}") for suffix in suffixes]
        return _in_order(file for file in found if file is not None and file.path.is_file())

    async def save(
        self, share_id: str, number: int, url: str, record: Mapping[str, Any] | None = None, *, at_last: bool = False
    ) -> tuple[SavedFile, Facts]:
        """Fetch output `number` (1 to 16) at `url` and keep it as it came, with `record` in it or beside it.

        Does not fetch what is already here. A file that is cut short is worth another try, and kept `at_last`. Raises
        `OutputRefused`, `DownloadFailed`, `NotAnOutput`, `DiskFull` or `LibraryError`, and leaves nothing behind.
        """
        stem = _stem(share_id, number)
        if here := await asyncio.to_thread(self._find, stem):
            return here, await asyncio.to_thread(_facts, here)
        start_reading()
        part = self.folder / f".{stem}.{secrets.token_hex(4)}.part"
        try:
            await self._download(url, part)
            facts = await self._prepare(part, record, at_last)
            await self._passed("before_rename")
            saved = await asyncio.to_thread(self._give_names, stem, part, facts)
            await self._passed("after_rename")
        finally:
            await asyncio.to_thread(_remove, [part, *(part.with_suffix(ending) for ending in _IN_USE)])
        return saved, facts

    def without_poster(self, job: Job) -> list[SavedFile]:
        """The saved videos of a job that have no poster; blocks."""
        files = (file for file in self.files(job) if file.kind.family is Family.VIDEO)
        return [file for file in files if not file.poster.exists()]

    async def add_poster(self, file: SavedFile) -> Facts:
        """Make the poster of a saved file; the facts say whether it has one now. Raises `LibraryError`."""
        picture = self.folder / f".{file.poster.stem}.{secrets.token_hex(4)}.part"
        try:
            with _disk_errors():
                facts = await make_poster(file.path, file.kind, picture, width=POSTER_WIDTH)
                if facts.has_poster:
                    await asyncio.to_thread(_place_poster, picture, file)
        finally:
            await asyncio.to_thread(_remove, [picture])
        return facts

    def note_star(self, share_id: str, *, starred: bool) -> None:
        """Keep a job's star beside its files, as an empty file: a video is not written anew for it. Blocks; raises OSError."""
        star = self.folder / f"{share_id}{_STAR}"
        if starred:
            star.touch()
        else:
            star.unlink(missing_ok=True)

    def starred(self) -> set[str]:
        """The share ids of the jobs that have a star beside their files; blocks."""
        ended = (name for name in os.listdir(self.folder) if name.endswith(_STAR))
        return {name.removesuffix(_STAR) for name in ended}

    def share_ids(self) -> list[str]:
        """The share ids of all saved files; blocks."""
        return sorted(share_id for share_id, files in self._scan().items() if _outputs(files))

    def prepare_to_share(self, path: Path) -> None:
        """Seal what a file of an earlier version tells of its maker, before it leaves; blocks. Its picture and sound stay."""
        file = _saved_file(path)
        if file is None or self._records is None:
            return
        try:
            if not path.is_file() or self._checked.knows(path):
                return
            record = saved_record([path], [])
            renewed = self._records.without_maker(path.name[:32], record) if record else None
            if renewed is not None:
                self._replace_record(file, renewed)
            self._checked.add(path)
        except OSError as error:  # of a full disk, for one: a video is shown all the same, and this is tried again
            log.warning("the record in %s could not be renewed: %s", path.name, error.strerror)

    def _replace_record(self, file: SavedFile, record: Mapping[str, Any]) -> None:
        part = file.path.with_name(f".{file.path.name[:32]}.{secrets.token_hex(4)}.part")
        try:
            if write_with_record(file.path, part, file.kind, record):
                _flush(part)
                part.replace(file.path)
        finally:
            part.unlink(missing_ok=True)

    def remove(self, share_ids: Iterable[str]) -> int:
        """Delete all files of these jobs; blocks. Returns how many jobs had any."""
        removed = 0
        for files in self.all_of(share_ids).values():
            removed += bool(_outputs(files))
            _remove(files)
        return removed

    def all_of(self, share_ids: Iterable[str]) -> dict[str, list[Path]]:
        """All files of these jobs with posters and records, of those that have any; reads the folder once, blocks."""
        wanted = set(share_ids)
        return {share_id: files for share_id, files in self._scan().items() if share_id in wanted}

    def records(self, share_ids: Iterable[str]) -> dict[str, tuple[dict[str, Any], list[SavedFile], Facts]]:
        """The record, the files and the first file's facts of these jobs, of those that have a record; blocks."""
        found = {}
        for share_id, files in self.all_of(share_ids).items():
            outputs = _outputs(files)
            with suppress(OSError):
                beside = [path for path in files if path.name.endswith(_RECORD)]
                record = saved_record([file.path for file in outputs], beside) if outputs else None
                if record is not None:
                    found[share_id] = record, outputs, _facts(outputs[0])
        return found

    def _scan(self) -> dict[str, list[Path]]:
        found: dict[str, list[Path]] = defaultdict(list)
        with suppress(FileNotFoundError):
            for name in sorted(os.listdir(self.folder)):
                if match := _NAME.fullmatch(name):
                    found[match[1]].append(self.folder / name)
        return found

    def _find(self, stem: str) -> SavedFile | None:
        paths = (self.folder / f"{stem}{kind.ending}" for kind in KINDS)
        return next((_saved_file(path) for path in paths if path.exists()), None)

    def _suffixes_of_old(self, share_id: str) -> Iterator[str]:
        for number in range(1, OUTPUTS_MOST + 1):
            suffixes = [_stem(share_id, number)[32:] + ending for ending in _BEFORE_FILES_COLUMN]
            here = next((suffix for suffix in suffixes if (self.folder / f"{share_id}{suffix}").exists()), None)
            if here is None:
                return
            yield here

    def _check_room(self) -> None:
        with _disk_errors():
            free = shutil.disk_usage(self.folder).free
            if free < self._room_needed:
                raise DiskFull(free_mb=free // 2**20, needed_mb=self._room_needed // 2**20)
            probe = self.folder / f".{secrets.token_hex(4)}.part"
            probe.touch()
            probe.unlink()

    async def _download(self, url: str, part: Path) -> None:
        async def take(piece: bytes) -> None:
            with _disk_errors():
                await asyncio.to_thread(_append, part, piece)
            await self._passed("mid_download")

        with _disk_errors():
            await asyncio.to_thread(part.touch, exist_ok=False)
            await self._fetcher.fetch(url, take)

    async def _prepare(self, part: Path, record: Mapping[str, Any] | None, at_last: bool) -> Facts:
        """Tell what came, make the poster of a picture, and put the record in or beside the file. Raises `NotAnOutput`.

        What cannot be read within limits stays as it came, with its record beside it.
        """
        with _disk_errors():
            kind = await asyncio.to_thread(_kind_of, part)
            picture, recorded, _ = (part.with_suffix(ending) for ending in _IN_USE)
            try:
                facts, is_recorded = await read_output(
                    part, kind, picture=picture, recorded=recorded, record=record, width=POSTER_WIDTH, at_last=at_last
                )
            except Stopped as error:
                await asyncio.to_thread(_remove, [picture, recorded])
                facts, is_recorded = Facts(kind, problem=str(error)), False
            if facts.problem == CUT_SHORT and not at_last:
                raise NotAnOutput("a file that is cut short")
            await asyncio.to_thread(_finish, part, record, has_poster=facts.has_poster, is_recorded=is_recorded)
            return facts

    def _give_names(self, stem: str, part: Path, facts: Facts) -> SavedFile:
        picture, _, beside = (part.with_suffix(ending) for ending in _IN_USE)
        with _disk_errors():
            # The file comes last: where it has its name, its poster and its record are there.
            for made, ending in ((picture, _POSTER), (beside, _RECORD)):
                named = self.folder / f"{stem}{ending}"
                if made.exists():
                    made.replace(named)
                else:
                    named.unlink(missing_ok=True)  # left by a save that was interrupted
            path = self.folder / f"{stem}{facts.kind.ending}"
            part.replace(path)
            flush_folder(self.folder)
        with suppress(OSError):  # what this version writes tells nothing; else it is opened when it is shown
            self._checked.add(path)
        saved = _saved_file(path)
        assert saved is not None
        return saved


def _kind_of(part: Path) -> Kind:
    """The kind of what came. Raises `NotAnOutput`."""
    with part.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if not head:
        raise NotAnOutput("an empty file")
    if is_web_page(head):
        raise NotAnOutput("a web page")
    return kind_of(head)


def _finish(part: Path, record: Mapping[str, Any] | None, *, has_poster: bool, is_recorded: bool) -> None:
    """Flush what is going to have a name; a record that is not in the file is written beside it."""
    picture, recorded, beside = (part.with_suffix(ending) for ending in _IN_USE)
    if has_poster:
        _flush(picture)
    if is_recorded:
        recorded.replace(part)
    elif record is not None:
        beside.write_text(json.dumps(record, ensure_ascii=False), encoding="utf-8")
        _flush(beside)
    _flush(part)


def _place_poster(picture: Path, file: SavedFile) -> None:
    _flush(picture)
    picture.replace(file.poster)
    if not file.path.exists():  # removed meanwhile, with the files that it had then
        file.poster.unlink(missing_ok=True)


def _stem(share_id: str, number: int) -> str:
    return share_id if number == 1 else f"{share_id}-{number}"


def _saved_file(path: Path) -> SavedFile | None:
    """None for a poster, a record, or a name that is none of ours."""
    match = _NAME.fullmatch(path.name)
    kind = kind_named(path.name) if match and match[3] not in (_POSTER, _RECORD, _STAR) else None
    return SavedFile(int(match[2] or 1), path, kind) if match and kind and match[3] == kind.ending else None


def file_order(file: SavedFile) -> tuple[int, int]:
    """The order in which the files of one job are shown: videos, pictures, sounds, other files."""
    return _FAMILIES.index(file.kind.family), file.number


def _in_order(files: Iterable[SavedFile]) -> list[SavedFile]:
    return sorted(files, key=file_order)


def _outputs(paths: Iterable[Path]) -> list[SavedFile]:
    return _in_order(filter(None, map(_saved_file, paths)))


def _facts(file: SavedFile) -> Facts:
    """The facts of a file that is saved already."""
    return replace(saved_facts(file.path, file.kind), has_poster=file.poster.exists())


@contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise DiskFull from error
        raise LibraryError(error.strerror or type(error).__name__) from error


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _append(part: Path, piece: bytes) -> None:
    # Mode "ab" would make the file again if a save that was stopped has removed it.
    with part.open("r+b") as file:
        file.seek(0, os.SEEK_END)
        file.write(piece)


def _flush(path: Path) -> None:
    with path.open("r+b") as file:
        os.fsync(file.fileno())
