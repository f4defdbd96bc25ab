"""When to poll next: as seldom as possible, as often as worth it, and never worse than a fixed interval."""

import math
import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.pacing import bound, every, product
from dreamina_ui.engine.polls.schedule import LEAST_S, MOST_S, PollSchedule, queue_poll_s

MEDIAN_S = 60.0
seconds = st.floats(0.0, 1e6)
durations = st.lists(st.floats(0.01, 1e5), max_size=40)


def drawn(seed: int, sigma: float, count: int, median_s: float = MEDIAN_S) -> list[float]:
    draw = random.Random(seed)
    return [draw.lognormvariate(math.log(median_s), sigma) for _ in range(count)]


def costs(pace: PollSchedule, taken: Sequence[float]) -> float:
    return product(pace.next_poll_s, taken).poll_s


@pytest.mark.parametrize("sigma", [0.15, 0.35])
def test_thirty_jobs_are_enough_to_be_near_the_best(sigma: float) -> None:
    """After 30 learned jobs, polls × delay is at most 1.3 × what no schedule can beat, in the mean of ten learnings."""
    found = [costs(PollSchedule(drawn(seed, sigma, 30)), drawn(seed + 100, sigma, 1000)) for seed in range(10)]
    assert sum(found) / len(found) <= 1.3 * bound(MEDIAN_S, sigma)


@pytest.mark.parametrize("sigma", [0.15, 0.35])
@pytest.mark.parametrize("shift", [0.5, 1.5])
def test_what_was_learned_may_be_wrong(sigma: float, shift: float) -> None:
    """When all takes half as long, or half as long again, it costs no more than 1.05 × a fixed interval."""
    ratios = []
    for seed in range(10):
        taken = [shift * duration for duration in drawn(seed + 100, sigma, 1000)]
        ratios.append(costs(PollSchedule(drawn(seed, sigma, 30)), taken) / product(every(2.0), taken).poll_s)
    assert sum(ratios) / len(ratios) <= 1.05


@pytest.mark.parametrize("median_s", [4.0, 60.0, 400.0])
def test_nothing_learned_is_a_fixed_interval(median_s: float) -> None:
    """With nothing known, it costs no more than 1.05 × a fixed interval, however long the jobs take."""
    taken = drawn(5, 0.35, 1000, median_s)
    assert costs(PollSchedule(), taken) <= 1.05 * product(every(1.0), taken).poll_s


def test_outliers_are_not_learned() -> None:
    """A few jobs that hung, or ended at once, do not change when the others are polled."""
    usual = drawn(1, 0.15, 30)
    plain, taken = PollSchedule(usual), drawn(2, 0.15, 500)
    disturbed = PollSchedule([*usual, 3600.0, 2900.0, 0.2])
    assert costs(disturbed, taken) <= 1.1 * costs(plain, taken)
    assert disturbed.usual_s == pytest.approx(plain.usual_s, rel=0.05)


def test_polls_are_rare_early_and_frequent_near_the_likely_end() -> None:
    """Of jobs that take a minute, a young one is polled every 8 s, and one about to end every half second or so."""
    pace = PollSchedule(drawn(3, 0.1, 30))
    assert pace.next_poll_s(10.0) == MOST_S
    assert pace.next_poll_s(60.0) < 1.0
    assert 30.0 + pace.next_poll_s(30.0) < 50.0, "an early poll must not sleep into the dense part"


@given(durations, seconds)
def test_the_bounds_hold(taken: list[float], age_s: float) -> None:
    """Whatever was learned, and however old the job, the next poll is due in 0.5 to 8 s."""
    assert LEAST_S <= PollSchedule(taken).next_poll_s(age_s) <= MOST_S


@given(durations, st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_polls_get_no_rarer_until_a_job_is_long_overdue(taken: list[float], one: float, other: float) -> None:
    """An intensity that does not fall is what makes it never much worse than a fixed interval."""
    pace = PollSchedule(taken)
    until_s = 4.0 * (pace.usual_s or 150.0)
    young, old = sorted((one * until_s, other * until_s))
    assert pace.next_poll_s(old) <= pace.next_poll_s(young) + 1e-6


def test_a_job_long_overdue_is_polled_rarely() -> None:
    """A job that hangs for an hour costs a poll every 8 s, and not two a second."""
    assert PollSchedule(drawn(4, 0.15, 30)).next_poll_s(1200.0) == MOST_S
    assert PollSchedule().next_poll_s(3500.0) == MOST_S


@given(seconds, st.none() | st.integers(0, 1000), st.none() | st.floats(0.01, 1e5))
def test_the_queue_is_polled_within_bounds(age_s: float, place: int | None, usual_s: float | None) -> None:
    """In the queue, too, the next poll is due in 0.5 to 8 s."""
    assert LEAST_S <= queue_poll_s(age_s, place, usual_s) <= MOST_S


def test_a_place_further_back_can_wait() -> None:
    """A job that is next is polled more often than a job with ten before it."""
    waits = [queue_poll_s(1.0, place, 20.0) for place in (0, 2, 10)]
    assert waits == sorted(waits)
    assert waits[0] < waits[-1]
