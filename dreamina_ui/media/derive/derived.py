"""Files made here of saved videos: joined ones, parts of one, GIF and WebM. They cost nothing, and can be made again.

They are made in one process of low priority, so that no video waits for them to be saved; few may wait for it, and fewer of one
visitor. What is made is kept for an hour in a folder of this process's own, up to a bound; at a start the folders of processes
that have ended are removed, also of one that was killed.
"""

import asyncio
import errno
import hashlib
import json
import logging
import os
import secrets
import shutil
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from dreamina_ui.confined.bounds import Bounds
from dreamina_ui.confined.pool import Pool, Stopped
from dreamina_ui.errors import DiskFull, ExportsBusy, LibraryError, NotMade
from dreamina_ui.media.kinds import Kind
from dreamina_ui.media.reading import new_pool

__all__ = ["BOUNDS", "REASONS", "Derived", "DerivedFiles", "DerivedLimits", "Order", "Part"]

log = logging.getLogger(__name__)

BOUNDS = Bounds(memory=3 * 2**29, processor_s=400, wall_s=1200.0, file_size=2**30, niceness=10)
"""Three minutes of 1080p take about two minutes to encode, and 0.4 GB."""
AT_ONCE = 1
OPENED_S = 2
"""Processor time to open one video; a harmless one takes a hundredth of it."""
REASONS = ("gone", "unreadable", "no_video", "too_long", "too_large", "empty", "stopped")
"""Why nothing was made; each has a sentence."""
SECONDS_MOST, SIDE_MOST = 10_000_000.0, 100_000


@dataclass(frozen=True, slots=True)
class Part:
    """What is wanted of a saved video, in seconds from its first frame; None is its beginning or its end."""

    path: Path
    kind: Kind
    from_s: float | None = None
    to_s: float | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """A file that is wanted: its parts, its kind, and what players and `record` say about it. Width and rate are the most."""

    parts: tuple[Part, ...]
    kind: Kind
    width: int | None = None
    rate: int | None = None
    title: str = ""
    record: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Derived:
    """A file that was made. `is_copied`: its pictures are those of the videos, not encoded anew."""

    path: Path
    kind: Kind
    size: int
    seconds: float
    width: int
    height: int
    is_copied: bool


@dataclass(frozen=True, slots=True)
class DerivedLimits:
    """How many are made or wait at once, of one visitor, from one address of the open net and of all; and what is kept.

    `kept_s` is in seconds since it was last asked for; `kept`, `source` and `room` are bytes: of all kept files, of the videos
    of one, and what has to stay free on the disk.
    """

    at_once_each: int = 2
    at_once_address: int = 4
    at_once: int = 8
    kept_s: float = 3600.0
    kept: int = 2 * 2**30
    source: int = 900 * 2**20
    room: int = 300 * 2**20


@dataclass(slots=True, eq=False)
class _Making:
    visitor_id: str
    address: str
    task: "asyncio.Task[Derived]"


class DerivedFiles:
    """`folder` holds a folder for each process that makes files. `now` gives seconds since the epoch."""

    def __init__(
        self,
        folder: Path,
        *,
        now: Callable[[], float],
        limits: DerivedLimits | None = None,
        pool: Pool | None = None,
    ) -> None:
        self._all = folder
        name = secrets.token_hex(8)
        self.folder = folder / name
        self._lock = FileLock(folder / f"{name}.lock", thread_local=False)
        self._now = now
        self._limits = limits or DerivedLimits()
        self._pool = pool
        self._making: dict[str, _Making] = {}
        self._kept: dict[str, tuple[Derived, float]] = {}
        """By digest of the order: what was made, and when it was last asked for."""
        self._guard = threading.Lock()

    def prepare(self) -> None:
        """Remove what processes have left that have ended; blocks."""
        for lock_file in self._all.glob("*.lock"):
            lock = FileLock(lock_file)
            with suppress(Timeout, OSError), lock.acquire(timeout=0):
                shutil.rmtree(lock_file.with_suffix(""), ignore_errors=True)
                lock_file.unlink(missing_ok=True)

    async def aclose(self) -> None:
        """End what is being made, and remove all files."""
        tasks = [making.task for making in self._making.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.to_thread(self._remove_all)

    async def get(self, order: Order, *, visitor_id: str, address: str = "") -> Derived:
        """The file that was ordered, made now unless it is kept or being made already.

        It is made to its end even if its caller is cancelled, and kept for the next call. Raises `ExportsBusy`, `NotMade`,
        `DiskFull` or `LibraryError`.
        """
        digest, size = await asyncio.to_thread(_digest, order)
        await asyncio.to_thread(self.tidy)
        if (kept := self._kept.get(digest)) is not None:
            self._kept[digest] = kept[0], self._now()
            return kept[0]
        if size > self._limits.source:
            raise NotMade(reason="too_large", limit=self._limits.source // 2**20)
        making = self._making.get(digest)
        if making is None:
            self._check_share(visitor_id, address)
            task = asyncio.create_task(self._make(digest, order, size), name="a derived file")
            making = self._making[digest] = _Making(visitor_id, address, task)
            task.add_done_callback(lambda _: self._making.pop(digest, None))
        return await asyncio.shield(making.task)

    def tidy(self) -> None:
        """Remove files that were not asked for lately, and the oldest ones above the limit of their size; blocks."""
        with self._guard:
            oldest_first = sorted(self._kept.items(), key=lambda item: item[1][1])
            total = sum(derived.size for derived, _ in self._kept.values())
            for digest, (derived, at) in oldest_first:
                if not derived.path.exists() or self._now() - at > self._limits.kept_s or total > self._limits.kept:
                    self._kept.pop(digest, None)
                    derived.path.unlink(missing_ok=True)
                    total -= derived.size

    def _check_share(self, visitor_id: str, address: str) -> None:
        makings = self._making.values()
        of_visitor = sum(each.visitor_id == visitor_id for each in makings)
        of_address = sum(each.address == address for each in makings) if address else 0
        limits = self._limits
        if of_visitor >= limits.at_once_each or of_address >= limits.at_once_address or len(makings) >= limits.at_once:
            raise ExportsBusy

    async def _make(self, digest: str, order: Order, size: int) -> Derived:
        part = self.folder / f"{digest}.part"
        target = self.folder / f"{digest}{order.kind.plain_ending}"
        try:
            await asyncio.to_thread(self._prepare_room, size)
            derived = await self._ask(order, part, target)
            await asyncio.to_thread(part.replace, target)
        except OSError as error:
            if error.errno == errno.EFBIG:
                raise NotMade(reason="too_large", limit=BOUNDS.file_size // 2**20) from error
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DiskFull from error
            raise LibraryError(error.strerror or type(error).__name__) from error
        finally:
            await asyncio.to_thread(part.unlink, missing_ok=True)
        self._kept[digest] = derived, self._now()
        return derived

    async def _ask(self, order: Order, part: Path, target: Path) -> Derived:
        pool = self._pool or _pool()
        await _check_readable(pool, order)
        try:
            answer = await pool.run("dreamina_ui.media.tasks:derived", *_arguments(order, part))
            return replace(_read(answer, target, order.kind), size=await asyncio.to_thread(_size, part))
        except Stopped as error:
            log.warning("a file could not be made of saved videos: %s", error)
            raise NotMade(str(error), reason="stopped") from error

    def _prepare_room(self, size: int) -> None:
        with self._guard:
            if not self._lock.is_locked:
                self._all.mkdir(parents=True, exist_ok=True)
                self._lock.acquire(timeout=0)
                self.folder.mkdir(exist_ok=True)
        free = shutil.disk_usage(self.folder).free
        if free < size + self._limits.room:
            raise DiskFull(free_mb=free // 2**20, needed_mb=(size + self._limits.room) // 2**20)

    def _remove_all(self) -> None:
        with self._guard:
            self._kept.clear()
            if self._lock.is_locked:
                shutil.rmtree(self.folder, ignore_errors=True)
                self._lock.release()
                Path(self._lock.lock_file).unlink(missing_ok=True)


@cache
def _pool() -> Pool:
    return new_pool("derived", BOUNDS, AT_ONCE)


def _digest(order: Order) -> tuple[str, int]:
    """A digest of all that decides what is made, and the size of its videos. Raises `NotMade` where one is gone."""
    stats = []
    for number, part in enumerate(order.parts, start=1):
        try:
            stat = part.path.stat()
        except OSError as error:
            raise NotMade(reason="gone", number=number) from error
        stats.append((part.path.name, stat.st_size, stat.st_mtime_ns, part.from_s, part.to_s))
    wanted = [stats, order.kind.ending, order.width, order.rate, order.title, order.record]
    return hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()[:32], sum(stat[1] for stat in stats)


async def _check_readable(pool: Pool, order: Order) -> None:
    """Open each video once, within `OPENED_S`: one that takes long to open is not to hold up the others. Raises `NotMade`."""
    numbers = {(part.path, part.kind): number for number, part in reversed(list(enumerate(order.parts, start=1)))}
    for (path, kind), number in numbers.items():
        try:
            await pool.run(
                "dreamina_ui.media.tasks:facts",
                await asyncio.to_thread(os.path.abspath, path),
                kind.ending,
                processor_s=OPENED_S,
            )
        except Stopped as error:
            raise NotMade(str(error), reason="unreadable", number=number) from error


def _arguments(order: Order, part: Path) -> tuple[Any, ...]:
    """Those of `dreamina_ui.media.tasks.derived`. The processes work in another folder."""
    parts = [(os.path.abspath(each.path), each.kind.ending, each.from_s, each.to_s) for each in order.parts]
    options = {"width": order.width, "rate": order.rate}
    said = {"title": order.title, "comment": json.dumps(order.record, ensure_ascii=False)} if order.record else {}
    return parts, order.kind.ending, os.path.abspath(part), options, said


def _read(answer: Any, target: Path, kind: Kind) -> Derived:
    """What a process says that it has made. It may have been taken over: what it says is checked. Raises `NotMade`."""
    reason = answer.get("reason") if isinstance(answer, dict) else "stopped"
    if reason is not None:
        number = answer.get("number") if isinstance(answer, dict) else None
        raise NotMade(
            reason=reason if reason in REASONS else "stopped", number=number if isinstance(number, int) else None
        )
    seconds, width, height = (answer.get(name) for name in ("seconds", "width", "height"))
    if not (_is_number(seconds, SECONDS_MOST) and _is_number(width, SIDE_MOST) and _is_number(height, SIDE_MOST)):
        raise NotMade(reason="stopped")
    return Derived(target, kind, 0, float(seconds), int(width), int(height), answer.get("is_copied") is True)


def _is_number(value: object, most: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= most


def _size(path: Path) -> int:
    return path.stat().st_size
