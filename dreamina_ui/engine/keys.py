"""The shared key, and visitors' own keys: those only in this process's memory, for some hours.

No row, log, cookie, file or page ever holds a visitor's key. A job is bound to the key it was made with, so that a visitor may
change keys while it runs; after a restart it goes on with the key that the visitor brings then. That a visitor pays with an own
key is a row: until the visitor forgets the key, nothing new goes with the shared one in its place.
"""

import asyncio
import hashlib
import secrets
import uuid
from collections import OrderedDict, deque
from dataclasses import dataclass, field

from dreamina_ui.backends import Backend
from dreamina_ui.clock import Clock
from dreamina_ui.config.pasted import plain_key
from dreamina_ui.errors import (
    KeyMissing,
    KeyNeeded,
    KeyRefused,
    KeyUnchecked,
    NoBalance,
    OwnKeyLost,
    PermissionDenied,
    ServiceError,
    TooManyKeys,
    UnknownRequest,
)
from dreamina_ui.jobs import Job
from dreamina_ui.runcomfy.client import RunComfy
from dreamina_ui.storage.job_store import JobStore
from dreamina_ui.storage.leases import Keyed

__all__ = ["KEPT_S", "KEY_AWAITED_S", "Keys"]

KEPT_S = 12 * 3600.0
"""After its last use."""
KEY_AWAITED_S = 7 * 86_400.0
"""How long a job waits for its visitor to bring the key again; then it has failed, and can be resumed."""
CHECK_KEPT_S = 300.0
VISITORS_MOST, JOBS_MOST, CHECKS_MOST = 1_000, 5_000, 1_000
"""Beyond these, the keys that were used longest ago are forgotten; their jobs wait until they are brought again."""
KEY_MOST = 512
TRIES_S = 600.0
TRIES_EACH, TRIES_IN_ALL = 10, 300
"""Keys that were not accepted within `TRIES_S`, of one visitor and of all; then the service is asked for no more."""


@dataclass(slots=True)
class _Held:
    key: str = field(repr=False)
    visitor_id: str
    used_at: float


class Keys:
    """Which key a job goes with. Used from one event loop.

    `shared` is the owner's key, None if there is none. `wake` is set when a visitor brings a key that jobs may wait for.
    """

    def __init__(
        self,
        *,
        service: RunComfy,
        store: JobStore,
        backend: Backend,
        shared: str | None,
        clock: Clock,
        wake: asyncio.Event,
    ) -> None:
        self._service = service
        self._store = store
        self._backend = backend
        self._shared = shared
        self._clock = clock
        self._wake = wake
        self._visitors: OrderedDict[str, _Held] = OrderedDict()
        self._jobs: OrderedDict[str, _Held] = OrderedDict()
        self._salt = secrets.token_bytes(16)
        self._checked: OrderedDict[bytes, float] = OrderedDict()
        self._tries: deque[tuple[float, str]] = deque()
        """When keys were checked that are not accepted, or not yet, and whose they were; oldest first."""

    @property
    def offered(self) -> bool:
        """Whether a visitor's own key means anything here: the simulator asks for none."""
        return self._backend.needs_key

    # Which key something goes with

    def of(self, job: Job) -> str | None:
        """The one key a job may go with. Raises `KeyNeeded` while a visitor's own key is not here."""
        if not job.own_key:
            return self._shared
        if not self.offered or (key := self.own_of(job)) is None:
            raise KeyNeeded
        return key

    def own_of(self, job: Job) -> str | None:
        """The visitor's own key the job was made with; after a restart, the one its visitor has brought since."""
        self._expire()
        return _used(self._jobs, job.job_id, self._clock.monotonic()) or _used(
            self._visitors, job.visitor_id, self._clock.monotonic()
        )

    def of_visitor(self, visitor_id: str) -> str | None:
        """The key the visitor has brought. Counts as a use."""
        self._expire()
        return _used(self._visitors, visitor_id, self._clock.monotonic())

    async def for_click(self, visitor_id: str, key: str | None = None) -> str | None:
        """The visitor's own key that new jobs go with, or None for the shared one; `key` came with the click, checked.

        Raises `OwnKeyLost` if the visitor's key is not here any more, `KeyMissing` if there is no key at all and one is needed,
        or `StoreError`.
        """
        if not self.offered:
            return None
        own = key or self.of_visitor(visitor_id)
        if own is not None and key is None and not await self._store.has_own_key(visitor_id):
            own = None  # it was forgotten at another replica
            self._visitors.pop(visitor_id, None)
        if own is None and await self.is_lost(visitor_id):
            raise OwnKeyLost
        if own is None and self._shared is None:
            raise KeyMissing
        return own

    async def is_lost(self, visitor_id: str) -> bool:
        """Whether the visitor pays with an own key that is not here any more. Raises `StoreError`."""
        return self.offered and not self.has(visitor_id) and await self._store.has_own_key(visitor_id)

    def for_price(self, visitor_id: str | None) -> str | None:
        """The key to ask for a price with: the shared one, or the visitor's own; None if there is neither."""
        return self._shared or (self.of_visitor(visitor_id) if visitor_id else None)

    def for_balance(self, visitor_id: str, *, is_owner: bool) -> str | None:
        """The key of the account whose balance the visitor may see: the own one; for the owner, the shared one. Does not count as
        a use."""
        self._expire()
        if (held := self._visitors.get(visitor_id)) is not None:
            return held.key
        return self._shared if is_owner else None

    # Visitors' own keys come and go

    async def bring(self, visitor_id: str, key: str, *, brought_by: str | None = None) -> None:
        """Take a visitor's own key, once the service has accepted it; the visitor's jobs that wait for one go on.

        It counts as a try of `brought_by`, else of the visitor: a new key makes a new visitor, who has never tried.
        Raises what `checked` does, or `StoreError`; then a key that was there before still is.
        """
        if not self.offered:
            raise KeyRefused
        key = await self.checked(key, brought_by or visitor_id)
        await self._store.note_own_key(visitor_id, self._clock.now())
        self.keep(visitor_id, key)
        self._wake.set()

    async def bring_for(self, job_id: str, key: str) -> None:
        """Take the key for one job, from whoever holds its id. A job whose key is here keeps that one.

        Raises `JobNotFound`, or what `checked` does.
        """
        job = await self._store.get(job_id)
        if job.own_key and not job.ended and self.offered and self.own_of(job) is None:
            self.bind(job.job_id, job.visitor_id, await self.checked(key, job.visitor_id))
            self._wake.set()

    async def checked(self, key: object, visitor_id: str) -> str:
        """The key without blanks, quotes and `Bearer` around it, once the service has accepted it; `visitor_id` brought it.

        The service is asked for a request id that does not exist, which is free: it answers "not found" only to a valid key.
        Raises `KeyMissing`, `KeyRefused`, `PermissionDenied`, `NoBalance`, `KeyUnchecked` where it does not say, or
        `TooManyKeys` where too many were not accepted lately.
        """
        key = plain_key(key) if isinstance(key, str) else ""
        if not key:
            raise KeyMissing
        if len(key) > KEY_MOST:
            raise KeyRefused
        mark = hashlib.blake2b(key.encode(errors="replace"), key=self._salt).digest()
        if self._clock.monotonic() - self._checked.get(mark, float("-inf")) > CHECK_KEPT_S:
            this = self._begin_try(visitor_id)
            try:
                await self._service.status(str(uuid.uuid4()), key=key)
            except UnknownRequest:
                pass
            except (KeyRefused, PermissionDenied, NoBalance):
                raise
            except ServiceError as error:
                raise KeyUnchecked(error.message) from None
            if this in self._tries:
                self._tries.remove(this)
            self._checked[mark] = self._clock.monotonic()
            _shorten(self._checked, CHECKS_MOST)
        return key

    def _begin_try(self, visitor_id: str) -> tuple[float, str]:
        """Count a check, which is uncounted once the key is accepted. Raises `TooManyKeys`."""
        now = self._clock.monotonic()
        while self._tries and now - self._tries[0][0] > TRIES_S:
            self._tries.popleft()
        of_visitor = sum(whose == visitor_id for _, whose in self._tries)
        if of_visitor >= TRIES_EACH or len(self._tries) >= TRIES_IN_ALL:
            raise TooManyKeys
        self._tries.append((now, visitor_id))
        return self._tries[-1]

    def keep(self, visitor_id: str, key: str) -> None:
        """Take a checked key for all that the visitor makes from now on."""
        _put(self._visitors, visitor_id, _Held(key, visitor_id, self._clock.monotonic()), VISITORS_MOST)

    def bind(self, job_id: str, visitor_id: str, key: str) -> None:
        """Take a checked key for one job."""
        _put(self._jobs, job_id, _Held(key, visitor_id, self._clock.monotonic()), JOBS_MOST)

    def release(self, job_id: str) -> None:
        """Forget a job's key, which it no longer needs."""
        self._jobs.pop(job_id, None)

    async def forget(self, visitor_id: str) -> None:
        """Forget the visitor's key, and those of the visitor's jobs: these wait until one is brought again.

        What the visitor makes from now on goes with the shared key, if there is one. Raises `StoreError`.
        """
        self._visitors.pop(visitor_id, None)
        for job_id in [job_id for job_id, held in self._jobs.items() if held.visitor_id == visitor_id]:
            del self._jobs[job_id]
        await self._store.forget_own_key(visitor_id)

    def has(self, visitor_id: str) -> bool:
        """Whether there is a key for the visitor. Does not count as a use."""
        self._expire()
        return visitor_id in self._visitors

    def held(self) -> tuple[frozenset[str], frozenset[str]]:
        """The visitors, and the jobs, there is a key for."""
        self._expire()
        return frozenset(self._visitors), frozenset(self._jobs)

    def keyed(self) -> Keyed:
        """The same, for claiming jobs."""
        return Keyed(*self.held(), since=self._clock.now() - KEY_AWAITED_S)

    def _expire(self) -> None:
        for kept in (self._visitors, self._jobs):
            # In the order of their last use.
            while kept and self._clock.monotonic() - next(iter(kept.values())).used_at > KEPT_S:
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
