"""All jobs' looks are one schedule: bounded in flight and in number."""

import asyncio

import pytest

from dreamina_ui.polls import Polls
from tests.virtual import run_virtually
from tests.waiting import until


def polls(**bounds: float) -> Polls:
    loop = asyncio.get_running_loop()
    return Polls(loop.time, asyncio.sleep, **bounds)  # type: ignore[arg-type]


def test_a_few_jobs_get_what_they_wish() -> None:
    """Below the bound, each rests as long as it wishes."""

    async def scenario() -> None:
        schedule, begun = polls(per_s=10), asyncio.get_running_loop().time()
        await asyncio.gather(*(schedule.rest(2.0) for _ in range(5)))
        assert asyncio.get_running_loop().time() - begun == pytest.approx(2.0)
        assert schedule.wished_per_s == pytest.approx(0.0)

    run_virtually(scenario())


def test_many_jobs_share_what_there_is() -> None:
    """A hundred jobs that wish for two looks a second each get the 20 there are, and not a look more."""

    async def scenario() -> None:
        schedule, looks = polls(per_s=20), 0

        async def job() -> None:
            nonlocal looks
            while True:
                await schedule.rest(0.5)
                looks += 1

        jobs = [asyncio.create_task(job()) for _ in range(100)]
        await asyncio.sleep(20.0)  # virtual; all have found their pace
        before = looks
        await asyncio.sleep(100.0)
        for each in jobs:
            each.cancel()
        assert 0.9 * 2000 <= looks - before <= 2000 * 1.01

    run_virtually(scenario())


def test_a_service_that_is_asked_too_often_is_asked_half_as_often_and_then_more_again() -> None:
    """After a 429 all jobs slow down; each minute without one doubles the pace, up to what it was."""

    async def scenario() -> None:
        schedule = polls(per_s=100)
        resting = [asyncio.create_task(schedule.rest(1.0)) for _ in range(40)]
        await until(lambda: schedule.wished_per_s == pytest.approx(40.0))
        schedule.slow_down()
        assert schedule.allowed_per_s == pytest.approx(20.0)
        await asyncio.gather(*resting)
        await asyncio.sleep(60.0 - 1.0)
        assert schedule.allowed_per_s == pytest.approx(40.0, rel=0.02)
        await asyncio.sleep(600.0)
        assert schedule.allowed_per_s == 100
        for _ in range(20):
            schedule.slow_down()
        assert schedule.allowed_per_s == 1.0, "never given up altogether"

    run_virtually(scenario())


def test_only_so_many_are_in_flight() -> None:
    """The thirteenth look waits for one of twelve to come back."""

    async def scenario() -> None:
        schedule, in_flight, most = polls(), 0, 0

        async def look() -> None:
            nonlocal in_flight, most
            async with schedule.turn():
                in_flight += 1
                most = max(most, in_flight)
                await asyncio.sleep(1.0)
                in_flight -= 1

        await asyncio.gather(*(look() for _ in range(50)))
        assert most == 12

    run_virtually(scenario())
