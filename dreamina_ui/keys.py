"""Visitors' own keys: in this process's memory, for some hours, and nowhere else.

No row, log, cookie, file or page ever holds one. A job is bound to the very key it was made with, so that a visitor may
change keys while it runs; after a restart the key that the visitor brings then is the one it goes on with.
"""

import hashlib
import secrets
import uuid
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from dreamina_ui.errors import (
    KeyMissing,
    KeyRefused,
    KeyUnchecked,
    NoBalance,
    PermissionDenied,
    ServiceError,
    UnknownRequest,
)
from dreamina_ui.jobs import Job
from dreamina_ui.runcomfy import RunComfy

__all__ = ["KEPT_S", "OwnKeys"]

KEPT_S = 12 * 3600.0
"""After its last use."""
CHECK_KEPT_S = 300.0
VISITORS_MOST, JOBS_MOST, CHECKS_MOST = 1_000, 5_000, 1_000
"""Beyond these the ones that were used longest ago are forgotten; their jobs wait until they are brought again."""
KEY_MOST = 512


@dataclass(slots=True)
class _Held:
    key: str = field(repr=False)
    visitor_id: str
    used_at: float


class OwnKeys:
    """`monotonic` gives seconds. Used from one event loop."""

    def __init__(self, service: RunComfy, monotonic: Callable[[], float]) -> None:
        self._service = service
        self._now = monotonic
        self._visitors: OrderedDict[str, _Held] = OrderedDict()
        self._jobs: OrderedDict[str, _Held] = OrderedDict()
        self._salt = secrets.token_bytes(16)
        self._checked: OrderedDict[bytes, float] = OrderedDict()

    async def checked(self, key: object) -> str:
        """The key without the blanks around it, once the service has taken it.

        It is asked for a request that nobody made, which costs nothing: "not found" comes only to a key that may ask.
        Raises `KeyMissing`, `KeyRefused`, `PermissionDenied`, `NoBalance`, or `KeyUnchecked` where it does not say.
        """
        key = key.strip() if isinstance(key, str) else ""
        if not key:
            raise KeyMissing
        if len(key) > KEY_MOST:
            raise KeyRefused
        mark = hashlib.blake2b(key.encode(errors="replace"), key=self._salt).digest()
        if self._now() - self._checked.get(mark, float("-inf")) > CHECK_KEPT_S:
            try:
                await self._service.status(str(uuid.uuid4()), key=key)
            except UnknownRequest:
                pass
            except (KeyRefused, PermissionDenied, NoBalance):
                raise
            except ServiceError as error:
                raise KeyUnchecked(error.message) from None
            self._checked[mark] = self._now()
            _shorten(self._checked, CHECKS_MOST)
        return key

    def keep(self, visitor_id: str, key: str) -> None:
        """Take a checked key for all that the visitor makes from now on."""
        _put(self._visitors, visitor_id, _Held(key, visitor_id, self._now()), VISITORS_MOST)

    def bind(self, job_id: str, visitor_id: str, key: str) -> None:
        """Take a checked key for one job."""
        _put(self._jobs, job_id, _Held(key, visitor_id, self._now()), JOBS_MOST)

    def release(self, job_id: str) -> None:
        """The job needs its key no more."""
        self._jobs.pop(job_id, None)

    def forget(self, visitor_id: str) -> None:
        """The visitor's key, and those of the visitor's jobs."""
        self._visitors.pop(visitor_id, None)
        for job_id in [job_id for job_id, held in self._jobs.items() if held.visitor_id == visitor_id]:
            del self._jobs[job_id]

    def has(self, visitor_id: str) -> bool:
        """Whether there is a key for the visitor; looking is no use."""
        self._expire()
        return visitor_id in self._visitors

    def of_visitor(self, visitor_id: str) -> str | None:
        self._expire()
        return _used(self._visitors, visitor_id, self._now())

    def of_job(self, job: Job) -> str | None:
        """The key it was made with; after a restart, the one its visitor has brought since."""
        self._expire()
        return _used(self._jobs, job.job_id, self._now()) or _used(self._visitors, job.visitor_id, self._now())

    def held(self) -> tuple[frozenset[str], frozenset[str]]:
        """The visitors, and the jobs, there is a key for."""
        self._expire()
        return frozenset(self._visitors), frozenset(self._jobs)

    def _expire(self) -> None:
        for kept in (self._visitors, self._jobs):
            # In the order of their last use.
            while kept and self._now() - next(iter(kept.values())).used_at > KEPT_S:
                kept.popitem(last=False)


def _put(kept: OrderedDict[str, _Held], name: str, held: _Held, most: int) -> None:
    kept[name] = held
    kept.move_to_end(name)
    _shorten(kept, most)


def _used(kept: OrderedDict[str, _Held], name: str, now: float) -> str | None:
    held = kept.get(name)
    if held is None:
        return None
    held.used_at = now
    kept.move_to_end(name)
    return held.key


def _shorten(kept: "OrderedDict[str, _Held] | OrderedDict[bytes, float]", most: int) -> None:
    while len(kept) > most:
        kept.popitem(last=False)
