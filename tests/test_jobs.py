"""Jobs: legal moves, cancels and failures."""

import itertools

import pytest

from dreamina_ui.errors import IllegalMove, NoBalance
from dreamina_ui.jobs import MOVES, TERMINAL, Failure, Job, State

JOB = Job(job_id="j", share_id="s", visitor_id="v", backend="simulator", model_id="m", payload={}, created_at=100.0)


@pytest.mark.parametrize(("before", "after"), list(itertools.permutations(State, 2)))
def test_moves(before: State, after: State) -> None:
    """A move that is not in the table is refused."""
    job = Job(**{**{name: getattr(JOB, name) for name in JOB.__dataclass_fields__}, "state": before})
    if after in MOVES[before]:
        assert job.move(after).state is after
    else:
        with pytest.raises(IllegalMove):
            job.move(after)


def test_ends_are_final() -> None:
    """A terminal state can only be left by adoption, or to fetch missing files; every other state has moves."""
    assert all(not MOVES[state] for state in TERMINAL - {State.UNCERTAIN, State.SUCCEEDED})
    assert MOVES[State.UNCERTAIN] == {State.IN_QUEUE}
    assert MOVES[State.SUCCEEDED] == {State.SAVING}
    assert all(MOVES[state] for state in State if state not in TERMINAL)


def test_the_same_change_twice_is_one_change() -> None:
    """Applying the same reply again does not change the job or its version."""
    queued = JOB.move(State.SUBMITTING).move(State.IN_QUEUE, queue_position=2)
    assert queued.move(State.IN_QUEUE, queue_position=2) is queued
    assert queued.move(State.IN_QUEUE, queue_position=1).version == queued.version + 1


def test_elapsed_stops_at_the_end() -> None:
    """The elapsed time is from the click to the end, and never negative."""
    assert JOB.elapsed_s(130.0) == 30.0
    assert JOB.elapsed_s(90.0) == 0.0
    assert JOB.move(State.FAILED, finished_at=110.0).elapsed_s(500.0) == 10.0


def test_a_failure_keeps_code_and_facts() -> None:
    """A failure has the code, message and facts of its exception."""
    failure = Failure.of(NoBalance("empty", status_code=402, error_code=400002))
    assert (failure.code, failure.message) == ("no_balance", "empty")
    assert failure.facts == {"status_code": 402, "error_code": 400002}


@pytest.mark.parametrize("state", State)
def test_cancel_ends_only_waiting_jobs(state: State) -> None:
    """A waiting job ends; a sent one is marked; one that has ended does not change."""
    before = Job(**{**{name: getattr(JOB, name) for name in JOB.__dataclass_fields__}, "state": state})
    job = before.cancel(200.0)
    if before.ended:
        assert job is before
    elif state is State.WAITING:
        assert (job.state, job.finished_at, job.cancel_requested) == (State.CANCELLED, 200.0, True)
    else:
        assert (job.state, job.finished_at, job.cancel_requested) == (state, None, True)


def test_cancel_removes_the_hold() -> None:
    """A cancelled job is neither paused nor has the failure of an earlier try."""
    paused = JOB.move(State.WAITING, paused=True, failure=Failure.of(NoBalance("empty")), not_before=150.0)
    cancelled = paused.cancel(200.0)
    assert (cancelled.paused, cancelled.failure, cancelled.not_before) == (False, None, None)
