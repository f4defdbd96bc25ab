"""When to ask next. Pure: ages, clocks and random numbers come in, seconds come out.

What asking costs is the number of looks; what it brings is early news. Where the durations' density f and survival S are
known, *looks × mean delay* of a job cannot be less than ½·(∫√(f·S) dt)², and asking with an intensity proportional to the
root of the hazard f/S reaches it (by the Cauchy-Schwarz inequality). A fixed interval, however long, costs half the job's
duration. An intensity that never falls while a job gets older costs no more than a fixed one, whatever the durations turn
out to be; so it is kept from falling.
"""

import math
import statistics
from bisect import bisect_left
from collections.abc import Sequence

__all__ = ["LEAST_S", "MOST_S", "PollSchedule", "queue_look_s"]

LEAST_S, MOST_S = 0.5, 8.0

UNKNOWN_S = 1.0
"""The interval as long as nothing is learned: a fixed one is never far from the best, and seconds are what a person feels."""
DELAY_S, DELAY_OF_S = 0.35, 60.0
"""How late the news of a job of a minute should be in the mean; of longer ones later, by the root of their length."""
SPREAD = 0.35
"""The standard deviation of log durations that is supposed before there are any; it weighs as much as one duration."""
SPREAD_LEAST = 0.02
STRANGE = 0.05
"""How many jobs are supposed to follow no rule: their durations spread four times as wide."""
STRANGE_SPREAD = 4.0
FAR = 3.0
"""Durations further out than this, in robust standard deviations, are outliers, and nothing is learned from them."""
STEPS = 400
LONG_GONE = 4.0
"""Of a job that took so many times what is usual nothing is known any more; looks become rare again."""
UNKNOWN_LONG_S = 1800.0


class PollSchedule:
    """The looks at a job, by what jobs of its kind have taken: `taken` in seconds, in any order; may be empty."""

    def __init__(self, taken: Sequence[float] = ()) -> None:
        logs = [math.log(seconds) for seconds in taken if seconds > 0]
        self._long_gone_s = UNKNOWN_LONG_S
        self._step_s = 1.0
        self._looks = [0.0]
        """How many looks are due by each step of age."""
        self._most_often = 1 / UNKNOWN_S
        self.usual_s: float | None = None
        """The median, None if nothing is learned."""
        if logs:
            middle, spread = _fitted(logs)
            self.usual_s = math.exp(statistics.median(logs))
            self._long_gone_s = LONG_GONE * self.usual_s
            self._plan(middle, spread)

    def next_look_s(self, age_s: float) -> float:
        """Seconds until the next look at a job that has been worked on for `age_s`; from 0.5 to 8."""
        if age_s > self._long_gone_s:
            # 5 % of its age, but never more often than before.
            return min(max((age_s - self._long_gone_s) / 20, self._interval_s(age_s)), MOST_S)
        return self._interval_s(age_s)

    def _interval_s(self, age_s: float) -> float:
        due = self._looks_by(max(age_s, 0.0)) + 1.0
        return min(max(self._age_of(due) - age_s, LEAST_S), MOST_S)

    def _plan(self, middle: float, spread: float) -> None:
        """Add up the intensity of looking over the ages; `middle` and `spread` are those of a log-normal distribution."""
        end_s = math.exp(middle + 5 * spread)
        self._step_s = end_s / STEPS
        roots, best = [], 0.0
        for number in range(STEPS):
            age_s = (number + 0.5) * self._step_s
            density, survival = _density_and_survival(age_s, middle, spread)
            roots.append(math.sqrt(density / max(survival, 1e-12)))
            best += math.sqrt(density * survival) * self._step_s
        # With this intensity times the root of the hazard, the mean delay is as wished.
        delay_s = DELAY_S * math.sqrt(math.exp(middle) / DELAY_OF_S)
        scale = best / (2 * delay_s)
        intensity, looks = 1 / MOST_S, 0.0
        self._looks = [looks]
        for root in roots:
            intensity = min(max(intensity, root * scale), 1 / LEAST_S)
            looks += intensity * self._step_s
            self._looks.append(looks)
        self._most_often = intensity

    def _looks_by(self, age_s: float) -> float:
        """How many looks, whole ones and parts, are due by an age."""
        steps, known = age_s / self._step_s, len(self._looks) - 1
        if steps >= known:
            return self._looks[-1] + (age_s - known * self._step_s) * self._most_often
        number = int(steps)
        return self._looks[number] + (self._looks[number + 1] - self._looks[number]) * (steps - number)

    def _age_of(self, looks: float) -> float:
        """The age by which so many looks are due."""
        last = self._looks[-1]
        if looks >= last:
            return (len(self._looks) - 1) * self._step_s + (looks - last) / self._most_often
        number = bisect_left(self._looks, looks)
        part = (looks - self._looks[number - 1]) / (self._looks[number] - self._looks[number - 1])
        return (number - 1 + part) * self._step_s


def queue_look_s(age_s: float, place: int | None, usual_s: float | None) -> float:
    """Seconds until the next look at a job that has queued for `age_s`: no end is near, only a beginning.

    `place` is how many are before it, `usual_s` how long its kind usually takes. A twentieth of that is soon enough
    to know when work on it began, and so when it will end; a place further back is looked at less often.
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
    """Of the durations: most log-normal, and some strange ones around the same middle."""
    density = survival = 0.0
    for share, wide in ((1 - STRANGE, spread), (STRANGE, STRANGE_SPREAD * spread)):
        z = (math.log(age_s) - middle) / wide
        density += share * math.exp(-z * z / 2) / (math.sqrt(2 * math.pi) * wide * age_s)
        survival += share * math.erfc(z / math.sqrt(2)) / 2
    return density, survival
