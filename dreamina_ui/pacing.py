"""When to ask next. Pure: ages and random numbers come in, seconds come out."""

__all__ = ["look_again_s", "try_again_s"]

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
