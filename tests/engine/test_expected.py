"""How long a job of the simulator is said to take: by what it has rendered, and by what is before it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dreamina_ui.jobs import Job, State
from tests.filled import past_job
from tests.rig import Rig, rigged

pytestmark = pytest.mark.anyio


def running(rig: Rig, **changes: Any) -> Job:
    """A job that was clicked 10 s ago."""
    at = rig.clock.now() - 10.0
    job = replace(past_job(1, "ann", prompt="a lighthouse"), created_at=at, finished_at=None, started_at=None)
    return replace(job, payload={"prompt": "a lighthouse", "frames": 100}, **{"state": State.IN_QUEUE, **changes})


async def test_the_simulator_says_how_long_it_will_take(tmp_path: Path) -> None:
    """Also before it has rendered anything, and longer for whoever stands further back in its queue."""
    async with rigged(tmp_path) as rig:
        expected_s = rig.engine.history.expected_s
        alone = await expected_s(running(rig, queue_position=1))
        assert alone == pytest.approx(10.0 + 1.0 + 4.5)
        fourth = await expected_s(running(rig, queue_position=4))
        assert fourth == pytest.approx(10.0 + 4.5 * 5.5)
        begun = running(rig, state=State.IN_PROGRESS, started_at=rig.clock.now() - 2.0)
        assert await expected_s(begun) == pytest.approx(8.0 + 5.5)
        payload = {"prompt": "a lighthouse", "frames": 7}
        for number in range(2):
            past = past_job(number, "ann", prompt="a lighthouse")
            await rig.store.add([replace(past, state=State.SUCCEEDED, payload=payload, took_s=3.0)])
        assert await expected_s(replace(begun, payload=payload)) == pytest.approx(8.0 + 3.0)


async def test_a_service_that_works_on_many_at_once_is_known_by_its_past(tmp_path: Path) -> None:
    """RunComfy's queue says nothing of the time."""
    async with rigged(tmp_path, backend="runcomfy", key="a key of the service") as rig:
        assert await rig.engine.history.expected_s(running(rig, queue_position=4)) is None
