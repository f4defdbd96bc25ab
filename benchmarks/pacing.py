"""When to ask next, measured: `python -m benchmarks.pacing [--short] [--report docs/performance.md]`.

What a schedule costs is *looks × mean delay of the news*, in poll-seconds per job: half as many looks for twice the delay is
as good. Known are the best that any schedule can reach with these durations, and what clients with a fixed interval pay.
"""

import math
import random
import statistics
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.figures import Figure
from dreamina_ui.pacing import Pace

__all__ = ["INTERVALS_S", "Product", "bound", "every", "product"]

MEDIAN_S = 60.0
SIGMAS = (0.15, 0.35)
LEARNED = 30
BOUND_MOST, FIXED_MOST = 1.3, 1.05
INTERVALS_S = {
    0.1: "a public client",
    0.5: "a public client",
    2.0: "the vendor's command line",
    5.0: "the vendor's node",
}

Schedule = Callable[[float], float]
"""From a job's age to the seconds until the next look at it."""


@dataclass(frozen=True, slots=True)
class Product:
    """Of many jobs: looks per job, and the mean delay of the news in seconds."""

    looks: float
    delay_s: float

    @property
    def poll_s(self) -> float:
        return self.looks * self.delay_s


def every(interval_s: float) -> Schedule:
    return lambda age_s: interval_s


def product(schedule: Schedule, taken: Sequence[float]) -> Product:
    """What a schedule pays for jobs that take so long, in seconds; the clock is the one of the calculation."""
    looks_at = [0.0]
    while looks_at[-1] < max(taken):
        looks_at.append(looks_at[-1] + schedule(looks_at[-1]))
    numbers = [max(bisect_left(looks_at, duration), 1) for duration in taken]
    delays = [looks_at[number] - duration for number, duration in zip(numbers, taken, strict=True)]
    return Product(statistics.fmean(numbers), statistics.fmean(delays))


def bound(median_s: float, sigma: float, step_s: float = 0.02) -> float:
    """½·(∫√(f·S) dt)² of a log-normal distribution: poll-seconds per job that no schedule beats."""
    total, age_s = 0.0, step_s / 2
    while age_s < median_s * math.exp(6 * sigma):
        z = math.log(age_s / median_s) / sigma
        density = math.exp(-z * z / 2) / (math.sqrt(2 * math.pi) * sigma * age_s)
        total += math.sqrt(density * math.erfc(z / math.sqrt(2)) / 2) * step_s
        age_s += step_s
    return total * total / 2


def drawn(source: random.Random, sigma: float, count: int) -> list[float]:
    return [source.lognormvariate(math.log(MEDIAN_S), sigma) for _ in range(count)]


def simulated(learnings: int, jobs: int) -> list[Figure]:
    """With a calculated clock: the mean of many learnings, each from 30 jobs of its own."""
    source, figures = random.Random(6), []  # noqa: S311  durations, no secrets
    for sigma in SIGMAS:
        best = bound(MEDIAN_S, sigma)
        learned = [Pace(drawn(source, sigma, LEARNED)) for _ in range(learnings)]
        taken = drawn(source, sigma, jobs)
        found = [product(pace.next_look_s, taken) for pace in learned]
        name = f"σ {sigma:g}"
        figures += [
            Figure(
                f"{name}: {LEARNED} learned, beside the best possible",
                "poll-s",
                statistics.fmean(one.poll_s for one in found),
                best,
                ratio_most=BOUND_MOST,
            ),
            Figure(f"{name}: looks per job", "", statistics.fmean(one.looks for one in found)),
            Figure(f"{name}: mean delay of the news", "s", statistics.fmean(one.delay_s for one in found)),
        ]
        for shift, words in (
            (1.0, "nothing learned"),
            (0.5, "all takes half as long"),
            (1.5, "all takes half as long again"),
        ):
            shifted = [shift * duration for duration in taken]
            schedules = [Pace()] if shift == 1.0 else learned
            costs = statistics.fmean(product(pace.next_look_s, shifted).poll_s for pace in schedules)
            fixed = product(every(2.0), shifted).poll_s
            figures.append(Figure(f"{name}: {words}, beside every 2 s", "poll-s", costs, fixed, ratio_most=FIXED_MOST))
        for interval_s, whose in INTERVALS_S.items():
            costs = product(every(interval_s), taken).poll_s
            figures.append(Figure(f"{name}: every {interval_s:g} s, {whose}, beside the best", "poll-s", costs, best))
    return figures
