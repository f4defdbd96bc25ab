"""Retries: the waits of one job, and the budget of all jobs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamina_ui.retrying import GET_POLICY, JOB_POLICY, RetryBudget
from tests.rig import Clock


@given(st.integers(1, 1000), st.floats(0, 1), st.none() | st.floats(0, 300))
def test_a_wait_is_at_least_retry_after(failures: int, random: float, retry_after_s: float | None) -> None:
    """A wait is `Retry-After` plus half a second to thirty seconds."""
    asked_s = retry_after_s or 0.0
    assert asked_s + 0.5 <= JOB_POLICY.wait_s(failures, random, retry_after_s) <= asked_s + 30.0


def test_waits_double_up_to_a_limit() -> None:
    """The longest first wait is a second; from the sixth on it is thirty seconds."""
    assert [JOB_POLICY.wait_s(failures, 1.0) for failures in (1, 2, 3, 4, 5, 6, 7, 99)] == [1, 2, 4, 8, 16, 30, 30, 30]


def test_a_get_is_tried_three_times() -> None:
    """A GET has waits of up to half a second, then up to a second."""
    assert [GET_POLICY.is_last(failures) for failures in (1, 2, 3)] == [False, False, True]
    assert [GET_POLICY.wait_s(failures, 1.0) for failures in (1, 2)] == [0.5, 1.0]
    assert not JOB_POLICY.is_last(10**6)


def test_a_budget_has_a_burst_and_then_one_a_second() -> None:
    """Ten retries at once; unused ones add up to ten again."""
    clock = Clock()
    budget = RetryBudget(clock)
    assert [budget.spend() for _ in range(11)] == [True] * 10 + [False]
    clock.at += 1.0
    assert [budget.spend() for _ in range(2)] == [True, False]
    clock.at += 3600.0
    assert [budget.spend() for _ in range(11)] == [True] * 10 + [False]


def test_reserved_retries_cannot_be_spent() -> None:
    """After the burst, reservations are a second apart."""
    budget = RetryBudget(Clock())
    delays = [budget.reserve(2.0) for _ in range(12)]
    assert delays[:10] == [pytest.approx(2.0)] * 10
    assert delays[10:] == [pytest.approx(3.0), pytest.approx(4.0)]
