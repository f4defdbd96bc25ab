"""When to retry: one backoff formula, and one budget for the retries of all jobs. Pure; the clock is passed in."""

from dataclasses import dataclass

from dreamina_ui.clock import Clock

__all__ = ["GET_POLICY", "JOB_POLICY", "WEBHOOK_POLICY", "RetryBudget", "RetryPolicy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Exponential backoff with full jitter: the ceiling starts at `first_s` and doubles with each failure up to `most_s`."""

    first_s: float
    least_s: float
    most_s: float
    tries: int | None = None
    """Tries in all; None is no limit."""

    def wait_s(self, failures: int, random: float, retry_after_s: float | None = None) -> float:
        """Seconds until the next try after `failures` (at least 1) in a row.

        `random` is from 0 to 1. `retry_after_s` is the service's `Retry-After`; the wait is never shorter.
        """
        ceiling = min(self.first_s * float(2 ** (min(failures, 10) - 1)), self.most_s)
        return max(ceiling * random, self.least_s) + (retry_after_s or 0.0)

    def is_last(self, failures: int) -> bool:
        """Whether no try is left after this many failures."""
        return self.tries is not None and failures >= self.tries


JOB_POLICY = RetryPolicy(first_s=1.0, least_s=0.5, most_s=30.0)
"""For the steps of a job, which are retried until its deadline."""
GET_POLICY = RetryPolicy(first_s=0.5, least_s=0.0, most_s=1.0, tries=3)
"""For one GET request to the service; after the last try the job's step has failed."""

WEBHOOK_POLICY = RetryPolicy(first_s=10.0, least_s=5.0, most_s=3600.0)
"""For a message to a webhook, until it is given up."""

INTERVAL_S = 1.0
"""Between two retries of a budget that is used up."""
BURST_S = 9 * INTERVAL_S
"""For how long unused retries add up: with the one that is due, ten."""


class RetryBudget:
    """How many retries all jobs together may make: ten at once, then one a second.

    During an outage every job retries. Without a shared budget the service would get all these retries at once when it
    comes back. With it, an outage of T seconds costs at most `10 + T` retries, however many jobs wait.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._next_at = float("-inf")

    def spend(self) -> bool:
        """Use one retry now. Returns False, and uses none, if none is left."""
        now = self._clock.monotonic()
        if self._reserved(now) > now:
            return False
        self._next_at = self._reserved(now) + INTERVAL_S
        return True

    def reserve(self, delay_s: float) -> float:
        """Reserve the first free retry at least `delay_s` seconds from now. Returns the seconds until it."""
        now = self._clock.monotonic()
        at = max(now + delay_s, self._reserved(now + delay_s))
        self._next_at = self._reserved(at) + INTERVAL_S
        return at - now

    def _reserved(self, at: float) -> float:
        """When the next retry is free, at time `at`: unused ones add up to the burst at most."""
        return max(self._next_at, at - BURST_S)
