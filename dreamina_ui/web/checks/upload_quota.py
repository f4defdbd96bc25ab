"""Counts uploads: so many files and bytes of one visitor, and of all, in two hours.

Gradio itself accepts any number of files of any size, and stores them for an hour or two.
"""

import asyncio
import re
import shutil
import time
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dreamina_ui.web.checks.upload_form import UploadRefused

__all__ = ["KEPT_S", "Upload", "UploadLimits", "UploadQuota"]

KEPT_S = 2 * 3600.0
"""Seconds: Gradio looks each hour for files that are older than an hour."""
TIDIED_EVERY_S = 600.0
_CACHED = re.compile(r"[0-9a-f]{64}")
"""The names of Gradio's folders, one for each content."""


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """What may be uploaded within `KEPT_S`, by one visitor, from one address and by all, and how many at once; `room` must stay
    free. In bytes."""

    files_each: int = 200
    files_address: int = 1_000
    files: int = 5_000
    bytes_each: int = 2**30
    bytes_address: int = 2 * 2**30
    bytes: int = 4 * 2**30
    at_once_each: int = 4
    at_once_address: int = 25
    at_once: int = 100
    room: int = 300 * 2**20


@dataclass(slots=True, eq=False)
class Upload:
    """One upload: whose it is, from which address of the open net, and how much of it came; `at` in seconds of the clock."""

    visitor_id: str
    address: str
    at: float
    size: int = 0


class UploadQuota:
    """Counts the uploads of the last two hours, those of an earlier start included; and removes what that left behind.

    `folder` is Gradio's. With `is_own`, nothing else is in it, and files that are older are removed: Gradio itself forgets, when
    it is killed, what it was to delete. `now` is a clock that never goes back.
    """

    def __init__(
        self,
        folder: Path,
        *,
        is_own: bool = False,
        limits: UploadLimits | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._is_own = is_own
        self._limits = limits or UploadLimits()
        self._now = now
        self._kept: deque[Upload] = deque()
        self._running: set[Upload] = set()
        self._bytes: Counter[str] = Counter()
        """By visitor; files of an earlier start count for the empty id."""
        self._bytes_of_address: Counter[str] = Counter()
        self._tidied_at: float | None = None

    async def begin(self, visitor_id: str, announced: int, address: str = "") -> Upload:
        """Count an upload of so many bytes that begins now. Raises `UploadRefused`."""
        upload = Upload(visitor_id, address, self._now())
        is_first = self._tidied_at is None
        if self._tidied_at is None or self._now() - self._tidied_at > TIDIED_EVERY_S:
            self._tidied_at = self._now()
            found = await asyncio.to_thread(self._tidy)
            if is_first:
                self._kept.extendleft(Upload("", "", self._now() - age_s, size) for age_s, size in sorted(found))
                self._bytes.update({"": sum(size for _, size in found)})
        while self._kept and self._now() - self._kept[0].at > KEPT_S:
            self._forget(self._kept.popleft())
        limits = self._limits
        of_visitor = [each for each in self._running if each.visitor_id == visitor_id]
        of_address = [each for each in self._running if address and each.address == address]
        if (
            len(of_visitor) >= limits.at_once_each
            or len(of_address) >= limits.at_once_address
            or len(self._running) >= limits.at_once
        ):
            raise UploadRefused(429, "guard.upload.at_once")
        files_of_visitor = len(of_visitor) + sum(each.visitor_id == visitor_id for each in self._kept)
        files_of_address = len(of_address) + sum(each.address == address for each in self._kept if address)
        if files_of_visitor >= limits.files_each or files_of_address >= limits.files_address:
            raise UploadRefused(429, "guard.upload.many")
        if len(self._kept) + len(self._running) >= limits.files:
            raise UploadRefused(503, "guard.upload.full")
        self._check_bytes(upload, announced)
        self._running.add(upload)  # before anything is awaited: others that begin meanwhile see it
        if await asyncio.to_thread(self._free) < announced + limits.room:
            self._running.discard(upload)
            raise UploadRefused(503, "guard.upload.full")
        return upload

    def add(self, upload: Upload, size: int) -> None:
        """Count so many more bytes of it. Raises `UploadRefused`: others may have come meanwhile."""
        upload.size += size
        self._bytes[upload.visitor_id] += size
        self._bytes_of_address[upload.address] += size
        self._check_bytes(upload, 0)

    def end(self, upload: Upload, *, is_kept: bool) -> None:
        """It is over; what is not kept is no longer counted."""
        self._running.discard(upload)
        if is_kept:
            self._kept.append(upload)
        else:
            self._forget(upload)

    def _check_bytes(self, upload: Upload, more: int) -> None:
        of_address = self._bytes_of_address[upload.address] if upload.address else 0
        if (
            self._bytes[upload.visitor_id] + more > self._limits.bytes_each
            or of_address + more > self._limits.bytes_address
        ):
            raise UploadRefused(429, "guard.upload.many")
        if self._bytes.total() + more > self._limits.bytes:
            raise UploadRefused(503, "guard.upload.full")

    def _forget(self, upload: Upload) -> None:
        for counted, name in ((self._bytes, upload.visitor_id), (self._bytes_of_address, upload.address)):
            counted[name] -= upload.size
            if counted[name] <= 0:
                del counted[name]

    def _free(self) -> int:
        return shutil.disk_usage(self._folder if self._folder.exists() else self._folder.parent).free

    def _tidy(self) -> list[tuple[float, int]]:
        """Remove what an earlier start left. Returns the age and the size of each file that is still there."""
        found = []
        for path in self._folder.rglob("*") if self._is_own else ():
            with suppress(OSError):  # Gradio removes files, too
                facts, is_file = path.stat(), path.is_file()
                age_s = time.time() - facts.st_mtime
                if is_file and age_s > KEPT_S:
                    path.unlink()
                elif is_file:
                    found.append((age_s, facts.st_size))
                elif _CACHED.fullmatch(path.name) and age_s > KEPT_S:
                    path.rmdir()  # where it is empty
        return found
