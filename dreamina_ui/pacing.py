"""When to ask next. Pure: ages, clocks and random numbers come in, seconds come out."""

from collections.abc import Callable

__all__ = ["RetryBudget", "look_again_s", "try_again_s"]

LEAST_S, MOST_S = 0.5, 8.0
BACKOFF_FIRST_S, BACKOFF_MOST_S = 0.5, 30.0


def look_again_s(age_s: float) -> float:
    """Seconds until the next look at a job that is `age_s` old: a twentieth of its age, so the news is ≤ 5 % late."""
    return min(max(age_s / 20, LEAST_S), MOST_S)


def try_again_s(failures: int, random: float, retry_after_s: float | None = None) -> float:
    """Seconds until the next try after `failures` (≥ 1) in a row: exponential backoff with full jitter.

    `random` is from 0 to 1. What the service asked for by `Retry-After` is never undercut.
    """
    ceiling = min(BACKOFF_FIRST_S * float(2 ** min(failures, 10)), BACKOFF_MOST_S)
    return max(ceiling * random, LEAST_S) + (retry_after_s or 0.0)


class RetryBudget:
    """How many retries all jobs together may make: `burst` at once, then `per_s` a second.

    When the service is away, every job retries. Without a shared budget the service would come back into a storm, the
    more jobs the worse. With it, T seconds of outage cost at most `burst + per_s * T` retries, however many jobs wait.
    """

    def __init__(self, now: Callable[[], float], *, per_s: float = 1.0, burst: int = 10) -> None:
        self._now = now
        self._interval_s = 1.0 / per_s
        self._burst_s = (burst - 1) * self._interval_s
        self._next_at = float("-inf")

    def spend(self) -> bool:
        """Take a retry for this very moment; False, and nothing taken, if none is left."""
        now = self._now()
        if self._reserved(now) > now:
            return False
        self._next_at = self._reserved(now) + self._interval_s
        return True

    def reserve(self, delay_s: float) -> float:
        """Take the first retry that is free in `delay_s` seconds or later, and give the seconds until it."""
        at = max(self._now() + delay_s, self._reserved(self._now() + delay_s))
        self._next_at = max(self._next_at, at - self._burst_s) + self._interval_s
        return at - self._now()

    def _reserved(self, at: float) -> float:
        """When the next retry is free, seen from `at`: unused ones add up, but only to the burst."""
        return max(self._next_at, at - self._burst_s)
