"""The looks at one job, one after the other: when the next is due, and how long the service has worked on it."""

from collections.abc import Awaitable, Callable

from dreamina_ui.durations import Learned
from dreamina_ui.jobs import Job, State
from dreamina_ui.pacing import queue_look_s
from dreamina_ui.polls import Polls

__all__ = ["Looks"]

FIRST_S = 1.0
"""The first look says whether the job waits or is worked on, which a person wants to know soon."""
RESULT_EVERY = 5
"""A word that nobody knows may be the end: every so many looks that read one, the result is asked as well."""
VAGUE = 0.1
"""A duration is learned from if it is known to a tenth of itself; less is known after a stop, or in an outage."""


class Looks:
    """From where a run finds the job to its end.

    What happened at the service is known only to lie between two looks; it is taken to have happened in the middle.
    """

    def __init__(self, polls: Polls, learned: Callable[[Job], Awaitable[Learned]], now: Callable[[], float]) -> None:
        self._polls = polls
        self._learned = learned
        self._now = now
        self._last_at: float | None = None
        """When it was last known not to have changed its state; None if this run has not seen it before."""
        self._begun: tuple[float, float] | None = None
        """Between when and when the service began to work on it."""
        self._unknown_words = 0

    def waits(self) -> None:
        """The service has just taken it, or it is still in the queue, or back there: what was begun twice tells nothing."""
        self._last_at, self._begun = self._now(), None

    def is_worked_on(self, job: Job) -> float:
        """It is being worked on; gives since when, in seconds since the epoch."""
        now = self._now()
        if job.started_at is None and self._last_at is not None:
            self._begun = (self._last_at, now)
        self._last_at = now
        if job.started_at is not None:
            return job.started_at
        return sum(self._begun) / 2 if self._begun else now

    def asks_result(self) -> bool:
        """Whether to ask the result after a look that read an unknown word."""
        self._unknown_words += 1
        return self._unknown_words % RESULT_EVERY == 2

    def took_s(self) -> float | None:
        """How long the service worked on a job that is now seen to be done; None if that is not known well enough."""
        if self._begun is None or self._last_at is None:
            return None
        now = self._now()
        earliest, latest = self._last_at - self._begun[1], now - self._begun[0]
        middle = (earliest + latest) / 2
        unsure = (latest - earliest) / 2
        # What is known to half of the least interval is known as well as it can be.
        return middle if middle > 0 and unsure <= max(VAGUE * middle, 1.0) else None

    async def rest(self, job: Job) -> None:
        """Until the next look is due."""
        learned = await self._learned(job)
        now = self._now()
        if job.state is State.IN_PROGRESS and job.started_at is not None:
            wish_s = learned.pace.next_look_s(now - job.started_at)
        elif self._last_at is None or job.submitted_at is None:
            wish_s = FIRST_S
        else:
            age_s = now - job.submitted_at
            wish_s = queue_look_s(age_s, job.queue_position, learned.pace.usual_s)
            wish_s = min(wish_s, FIRST_S) if age_s < FIRST_S else wish_s
        await self._polls.rest(wish_s)
