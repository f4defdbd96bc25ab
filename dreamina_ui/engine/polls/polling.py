"""When the service is asked how a job stands: by what earlier videos took, and never more often than all jobs together may."""

import asyncio
import math
import statistics
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from dreamina_ui.clock import Clock
from dreamina_ui.engine.polls.schedule import PollSchedule, queue_poll_s
from dreamina_ui.errors import StoreError
from dreamina_ui.jobs import Job, State
from dreamina_ui.storage.job_queries import JobQueries, Taken
from dreamina_ui.storage.job_rows import search_values

__all__ = ["Durations", "JobPoller", "Learned", "PollLimiter"]

READ_EVERY_S = 2.0
"""Durations are read again after this: other replicas add to them, and a thousand jobs may end at once."""
KINDS_MOST = 500
"""Kinds of videos whose durations are remembered: those that were asked for last."""
LEARNED_FROM = 2
"""How many finished videos a median needs."""

FIRST_S = 1.0
"""The first poll tells whether the job waits or is worked on, which a person wants to know soon."""
RESULT_EVERY = 5
"""An unknown status word may mean the end: every so many polls that read one, the result is asked as well."""
VAGUE = 0.1
"""A duration is learned from if it is known to a tenth of itself; after a stop or in an outage it is known less well."""

AT_ONCE = 12
PER_S = 250.0
"""A twentieth of a core can ask and read as much, through a proxy a quarter; a thousand jobs of a minute need half of it."""
SLOWEST_PER_S = 1.0
FORGIVEN_EVERY_S = 60.0
"""After a 429 the pace doubles again each time this has passed."""

Kind = tuple[str, str, int | None]
"""Backend, model and length."""


@dataclass(frozen=True, slots=True)
class Learned:
    """Of one kind of video: when to poll while the service works on it, and the median seconds from sending to ready."""

    schedule: PollSchedule
    usual_s: float | None = None


NOTHING = Learned(PollSchedule())


class Durations:
    """What the newest finished videos took, by backend, model and length."""

    def __init__(self, queries: JobQueries, clock: Clock) -> None:
        self._queries = queries
        self._clock = clock
        self._read_at: dict[Kind, float] = {}
        self._taken: dict[Kind, Taken] = {}
        self._learned: dict[Kind, Learned] = {}

    async def of(self, backend: str, model_id: str, payload: Mapping[str, Any]) -> Learned:
        """Never raises: while the database is away, what was learned before holds."""
        kind = (backend, model_id, search_values(payload)["frames"])
        now = self._clock.monotonic()
        if now - self._read_at.get(kind, float("-inf")) >= READ_EVERY_S:
            self._read_at.pop(kind, None)
            self._read_at[kind] = now  # before the read: callers that come meanwhile use what is there
            if len(self._read_at) > KINDS_MOST:  # anybody may ask what a video of any length takes
                oldest = next(iter(self._read_at))
                for kept in (self._read_at, self._taken, self._learned):
                    kept.pop(oldest, None)
            with suppress(StoreError):
                self._learn(kind, await self._queries.taken(*kind))
        return self._learned.get(kind, NOTHING)

    def _learn(self, kind: Kind, taken: Taken) -> None:
        if taken != self._taken.get(kind):
            enough = len(taken.in_all_s) >= LEARNED_FROM
            usual_s = statistics.median(taken.in_all_s) if enough else None
            self._learned[kind] = Learned(PollSchedule(taken.at_work_s), usual_s)
            self._taken[kind] = taken


class PollLimiter:
    """Bounds the polls of all jobs: `at_once` in flight, `per_s` a second.

    Each job says when it wants to poll next. When all jobs together want more than `per_s` polls a second, each waits
    longer by the same factor.
    """

    def __init__(self, clock: Clock, *, at_once: int = AT_ONCE, per_s: float = PER_S) -> None:
        self._clock = clock
        self._places = asyncio.Semaphore(at_once)
        self._per_s = per_s
        self._slowed_to = per_s
        self._slowed_at = 0.0
        self.wanted_per_s = 0.0
        """The polls a second that the resting jobs together want."""

    @property
    def allowed_per_s(self) -> float:
        since_s = self._clock.monotonic() - self._slowed_at
        return min(self._per_s, self._slowed_to * math.exp2(min(since_s / FORGIVEN_EVERY_S, 60.0)))

    async def rest(self, interval_s: float) -> None:
        """Sleep until the next poll of a job that wants one in `interval_s` (> 0) seconds; never shorter."""
        rate = 1.0 / interval_s
        self.wanted_per_s += rate
        try:
            await self._clock.sleep(interval_s * max(1.0, self.wanted_per_s / self.allowed_per_s))
        finally:
            self.wanted_per_s = max(self.wanted_per_s - rate, 0.0)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """A place among the polls in flight; the job that has waited longest gets the next one."""
        async with self._places:
            yield

    def slow_down(self) -> None:
        """The service answered 429: all jobs ask half as often as they now do, for a while."""
        now_per_s = min(self.allowed_per_s, max(self.wanted_per_s, SLOWEST_PER_S))
        self._slowed_to, self._slowed_at = max(now_per_s / 2, SLOWEST_PER_S), self._clock.monotonic()


class JobPoller:
    """The polls of one job, from where a run finds it to its end: when the next is due, and how long the work took.

    A change at the service is only known to lie between two polls; it is taken to have happened in the middle.
    """

    def __init__(self, limiter: PollLimiter, durations: Durations, clock: Clock) -> None:
        self._limiter = limiter
        self._durations = durations
        self._clock = clock
        self._last_at: float | None = None
        """When the job was last seen in its state; None if this run has not seen it before."""
        self._begun: tuple[float, float] | None = None
        """The times between which the service began to work on it."""
        self._unknown_words = 0
        self._learned: Learned | None = None
        """What was known when the service began to work on it: of jobs that were sent together the quick ones end first, and
        what is learned from those is too short for the others."""

    def saw_queued(self) -> None:
        """The service has just accepted it, or it is in the queue, perhaps again: an earlier beginning no longer counts."""
        self._last_at, self._begun = self._clock.now(), None

    def saw_working(self, job: Job) -> float:
        """The service works on it; gives since when, in seconds since the epoch."""
        now = self._clock.now()
        if job.started_at is None and self._last_at is not None:
            self._begun = (self._last_at, now)
        self._last_at = now
        if job.started_at is not None:
            return job.started_at
        return sum(self._begun) / 2 if self._begun else now

    def asks_result(self) -> bool:
        """Whether to ask for the result after a poll that read an unknown word."""
        self._unknown_words += 1
        return self._unknown_words % RESULT_EVERY == 2

    def took_s(self) -> float | None:
        """Seconds the service worked on a job that is now seen to be done; None if that is not known well enough."""
        if self._begun is None or self._last_at is None:
            return None
        now = self._clock.now()
        earliest, latest = self._last_at - self._begun[1], now - self._begun[0]
        middle = (earliest + latest) / 2
        unsure = (latest - earliest) / 2
        # The shortest interval is a second; half of it is as exact as it gets.
        return middle if middle > 0 and unsure <= max(VAGUE * middle, 1.0) else None

    async def rest(self, job: Job) -> None:
        """Sleep until the next poll is due."""
        learned = self._learned or await self._durations.of(job.backend, job.model_id, job.payload)
        now = self._clock.now()
        if job.state is State.IN_PROGRESS and job.started_at is not None:
            self._learned = learned if learned.schedule.usual_s is not None else None
            interval_s = learned.schedule.next_poll_s(now - job.started_at)
        elif self._last_at is None or job.submitted_at is None:
            interval_s = FIRST_S
        else:
            age_s = now - job.submitted_at
            interval_s = queue_poll_s(age_s, job.queue_position, learned.schedule.usual_s)
            interval_s = min(interval_s, FIRST_S) if age_s < FIRST_S else interval_s
        await self._limiter.rest(interval_s)
