"""When to try again: one backoff formula, and one budget that all retries share. Pure, but for the clock that is passed in."""

from dataclasses import dataclass

from dreamina_ui.clock import Clock

__all__ = ["GET_POLICY", "JOB_POLICY", "RetryBudget", "RetryPolicy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Exponential backoff with full jitter: the ceiling starts at `first_s` and doubles with each failure up to `most_s`."""

    first_s: float
    least_s: float
    most_s: float
    tries: int | None = None
    """How often to try in all; None is without end."""

    def wait_s(self, failures: int, random: float, retry_after_s: float | None = None) -> float:
        """Seconds until the next try after `failures` (at least 1) in a row.

        `random` is from 0 to 1. `retry_after_s` is what the service asked for by `Retry-After`; the wait is never shorter.
        """
        ceiling = min(self.first_s * float(2 ** (min(failures, 10) - 1)), self.most_s)
        return max(ceiling * random, self.least_s) + (retry_after_s or 0.0)

    def is_last(self, failures: int) -> bool:
        """Whether no try is left after so many failures."""
        return self.tries is not None and failures >= self.tries


JOB_POLICY = RetryPolicy(first_s=1.0, least_s=0.5, most_s=30.0)
"""The steps of a job: they are tried until its deadline."""
GET_POLICY = RetryPolicy(first_s=0.5, least_s=0.0, most_s=1.0, tries=3)
"""One call of a GET at the service, before the job's step counts as failed."""


class RetryBudget:
    """How many retries all jobs together may make: `burst` at once, then `per_s` a second.

    When the service is away, every job retries. Without a shared budget, a service that comes back would meet all these
    retries at once. With it, T seconds of outage cost at most `burst + per_s * T` retries, however many jobs wait.
    """

    def __init__(self, clock: Clock, *, per_s: float = 1.0, burst: int = 10) -> None:
        self._clock = clock
        self._interval_s = 1.0 / per_s
        self._burst_s = (burst - 1) * self._interval_s
        self._next_at = float("-inf")

    def spend(self) -> bool:
        """Take a retry for this very moment; False, and nothing taken, if none is left."""
        now = self._clock.monotonic()
        if self._reserved(now) > now:
            return False
        self._next_at = self._reserved(now) + self._interval_s
        return True

    def reserve(self, delay_s: float) -> float:
        """Take the first retry that is free in `delay_s` seconds or later, and give the seconds until it."""
        now = self._clock.monotonic()
        at = max(now + delay_s, self._reserved(now + delay_s))
        self._next_at = max(self._next_at, at - self._burst_s) + self._interval_s
        return at - now

    def _reserved(self, at: float) -> float:
        """When the next retry is free, seen from `at`: unused ones add up, but only to the burst."""
        return max(self._next_at, at - self._burst_s)
