"""When to poll next. Pure: ages, clocks and random numbers come in, seconds come out.

More polls cost more requests; fewer polls show a change later. Where the durations' density f and survival S are known,
*polls × mean delay* of a job cannot be less than ½·(∫√(f·S) dt)², and polling with an intensity proportional to the root of
the hazard f/S reaches it (by the Cauchy-Schwarz inequality). With a fixed interval, however long, the product is half the
job's duration. With an intensity that never falls while a job gets older, it is no more than that, whatever the durations
turn out to be; so the intensity never falls.
"""

import math
import statistics
from bisect import bisect_left
from collections.abc import Sequence

__all__ = ["LEAST_S", "MOST_S", "PollSchedule", "queue_poll_s"]

LEAST_S, MOST_S = 0.5, 8.0

UNKNOWN_S = 1.0
"""The interval as long as nothing is learned: a fixed one is never far from the best, and seconds are what a person feels."""
DELAY_S, DELAY_OF_S = 0.35, 60.0
"""The wanted mean delay before the end of a job of a minute is seen; for longer jobs it grows with the root of their length."""
SPREAD = 0.35
"""The standard deviation of log durations that is supposed before there are any; it weighs as much as one duration."""
SPREAD_LEAST = 0.02
OUTLIERS = 0.02
"""The share of jobs that are supposed to follow no rule: their durations spread four times as wide."""
OUTLIER_SPREAD = 4.0
FAR = 3.0
"""Durations further out than this, in robust standard deviations, are outliers, and nothing is learned from them."""
STEPS = 400
LONG_GONE = 4.0
"""After so many times the usual duration, nothing is known of a job any more; polls become rare again."""
UNKNOWN_LONG_S = 1800.0


class PollSchedule:
    """When a job is polled, by what jobs of its kind have taken: `taken` in seconds, in any order; may be empty."""

    def __init__(self, taken: Sequence[float] = ()) -> None:
        logs = [math.log(seconds) for seconds in taken if seconds > 0]
        self._long_gone_s = UNKNOWN_LONG_S
        self._step_s = 1.0
        self._polls = [0.0]
        """How many polls are due by each step of age."""
        self._most_often = 1 / UNKNOWN_S
        self.usual_s: float | None = None
        """The median, None if nothing is learned."""
        if logs:
            middle, spread = _fitted(logs)
            self.usual_s = math.exp(statistics.median(logs))
            self._long_gone_s = LONG_GONE * self.usual_s
            self._plan(middle, spread)

    def next_poll_s(self, age_s: float) -> float:
        """Seconds until the next poll of a job that has been worked on for `age_s`; from 0.5 to 8."""
        if age_s > self._long_gone_s:
            # 5 % of its age, but never more often than before.
            return min(max((age_s - self._long_gone_s) / 20, self._interval_s(age_s)), MOST_S)
        return self._interval_s(age_s)

    def _interval_s(self, age_s: float) -> float:
        due = self._polls_by(max(age_s, 0.0)) + 1.0
        return min(max(self._age_of(due) - age_s, LEAST_S), MOST_S)

    def _plan(self, middle: float, spread: float) -> None:
        """Add up the intensity of polling over the ages; `middle` and `spread` are those of a log-normal distribution."""
        end_s = math.exp(middle + 5 * spread)
        self._step_s = end_s / STEPS
        roots, best = [], 0.0
        for number in range(STEPS):
            age_s = (number + 0.5) * self._step_s
            density, survival = _density_and_survival(age_s, middle, spread)
            roots.append(math.sqrt(density / max(survival, 1e-12)))
            best += math.sqrt(density * survival) * self._step_s
        # With this intensity times the root of the hazard, the mean delay is `DELAY_S`, scaled by the length.
        delay_s = DELAY_S * math.sqrt(math.exp(middle) / DELAY_OF_S)
        scale = best / (2 * delay_s)
        intensity, polls = 1 / MOST_S, 0.0
        self._polls = [polls]
        for root in roots:
            intensity = min(max(intensity, root * scale), 1 / LEAST_S)
            polls += intensity * self._step_s
            self._polls.append(polls)
        self._most_often = intensity

    def _polls_by(self, age_s: float) -> float:
        """How many polls, whole ones and parts, are due by an age."""
        steps, known = age_s / self._step_s, len(self._polls) - 1
        if steps >= known:
            return self._polls[-1] + (age_s - known * self._step_s) * self._most_often
        number = int(steps)
        return self._polls[number] + (self._polls[number + 1] - self._polls[number]) * (steps - number)

    def _age_of(self, polls: float) -> float:
        """The age by which so many polls are due."""
        last = self._polls[-1]
        if polls >= last:
            return (len(self._polls) - 1) * self._step_s + (polls - last) / self._most_often
        number = bisect_left(self._polls, polls)
        part = (polls - self._polls[number - 1]) / (self._polls[number] - self._polls[number - 1])
        return (number - 1 + part) * self._step_s


def queue_poll_s(age_s: float, place: int | None, usual_s: float | None) -> float:
    """Seconds until the next poll of a job that has queued for `age_s`: no end is near, only a beginning.

    `place` is how many are before it, `usual_s` how long its kind usually takes. A twentieth of that is soon enough
    to know when work on it began, and so when it will end; a job further back is polled less often.
    """
    soon_s = (usual_s or 20.0 * UNKNOWN_S) / 20
    patience = 1 + min(place or 0, 10) / 2
    return min(max(soon_s * patience, age_s / 20, LEAST_S), MOST_S)


def _fitted(logs: Sequence[float]) -> tuple[float, float]:
    """Mean and standard deviation for the next log duration, outliers left out.

    The spread is widened by what is not known yet, the more the fewer there are.
    """
    median = statistics.median(logs)
    robust = 1.4826 * statistics.median(abs(log - median) for log in logs)  # of a normal distribution, its deviation
    kept = [log for log in logs if abs(log - median) <= max(FAR * robust, 2 * SPREAD_LEAST)]
    middle, count = statistics.fmean(kept), len(kept)
    squares = sum((log - middle) ** 2 for log in kept) * count / max(count - 1, 1)
    spread = math.sqrt((squares + SPREAD**2) / (count + 1) * (1 + 1 / count))
    return middle, max(spread, SPREAD_LEAST)


def _density_and_survival(age_s: float, middle: float, spread: float) -> tuple[float, float]:
    """Of the durations: most log-normal, and some outliers around the same middle."""
    density = survival = 0.0
    for share, wide in ((1 - OUTLIERS, spread), (OUTLIERS, OUTLIER_SPREAD * spread)):
        z = (math.log(age_s) - middle) / wide
        density += share * math.exp(-z * z / 2) / (math.sqrt(2 * math.pi) * wide * age_s)
        survival += share * math.erfc(z / math.sqrt(2)) / 2
    return density, survival
