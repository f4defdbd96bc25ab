"""Polling: what one job's polls tell of the time it took, how that is learned from, and the bounds for all jobs together."""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dreamina_ui.engine.polls.polling import KINDS_MOST, Durations, JobPoller, Learned, PollLimiter
from dreamina_ui.engine.polls.schedule import PollSchedule
from dreamina_ui.jobs import HOLDER, Job, State
from dreamina_ui.storage.database import Database
from dreamina_ui.storage.job_queries import JobQueries
from dreamina_ui.storage.job_store import JobStore
from tests.filled import past_job
from tests.rig import CARD, Clock, rigged
from tests.virtual import VirtualClock, run_virtually
from tests.waiting import until

MODEL = CARD.model_id


class Known(Durations):
    """Has learned this, whatever kind of video is asked about."""

    def __init__(self, learned: Learned) -> None:
        self.learned = learned

    async def of(self, *_: object) -> Learned:
        return self.learned


class PolledJob:
    """One run's polls, over a clock that passes by being slept."""

    def __init__(self, learned: Learned | None = None) -> None:
        self.clock = Clock()
        self.began = self.clock.at
        self.durations = Known(learned or Learned(PollSchedule()))
        self.poller = JobPoller(PollLimiter(self.clock), self.durations, self.clock)
        job = past_job(1, "ann", prompt="a lighthouse")
        self.job: Job = replace(job, state=State.IN_QUEUE, submitted_at=self.began, started_at=None, finished_at=None)

    def work(self) -> None:
        self.job = replace(self.job, state=State.IN_PROGRESS, started_at=self.poller.saw_working(self.job))

    async def rested(self) -> float:
        before = self.clock.at
        await self.poller.rest(self.job)
        return self.clock.at - before


@pytest.mark.anyio
async def test_a_change_is_dated_in_the_middle_between_two_polls() -> None:
    """Begun between 2 and 4 s, done between 60 and 61 s: 57.5 s of work."""
    polled_job = PolledJob()
    polled_job.poller.saw_queued()
    polled_job.clock.at += 2.0
    polled_job.poller.saw_queued()
    polled_job.clock.at += 2.0
    polled_job.work()
    assert polled_job.job.started_at == polled_job.began + 3.0
    polled_job.clock.at += 56.0
    polled_job.work()
    polled_job.clock.at += 1.0
    assert polled_job.poller.took_s() == pytest.approx(57.5)


@pytest.mark.anyio
async def test_a_run_that_saw_only_the_end_has_learned_nothing() -> None:
    """After a restart, or when the service was away for long, nobody can say how long it took."""
    late = PolledJob()
    late.work()
    late.clock.at += 30.0
    assert late.poller.took_s() is None
    away = PolledJob()
    away.poller.saw_queued()
    away.clock.at += 1.0
    away.work()
    away.clock.at += 500.0
    assert away.poller.took_s() is None
    unseen = PolledJob()
    unseen.poller.saw_queued()
    assert unseen.poller.took_s() is None


@pytest.mark.anyio
async def test_a_job_that_went_back_to_the_queue_tells_nothing() -> None:
    """What was begun twice says nothing of how long it takes."""
    polled_job = PolledJob()
    polled_job.poller.saw_queued()
    polled_job.clock.at += 1.0
    polled_job.work()
    polled_job.clock.at += 5.0
    polled_job.poller.saw_queued()
    polled_job.clock.at += 5.0
    polled_job.work()
    polled_job.clock.at += 1.0
    assert polled_job.poller.took_s() is None


@pytest.mark.anyio
async def test_each_state_has_its_own_interval() -> None:
    """The first poll comes after a second, those in the queue are patient, and those at work go by what was learned."""
    polled_job = PolledJob(Learned(PollSchedule([60.0] * 30)))
    polled_job.poller.saw_queued()
    assert await polled_job.rested() == 1.0
    polled_job.poller.saw_queued()
    assert 2.0 < await polled_job.rested() < 8.0
    polled_job.work()
    assert await polled_job.rested() == 8.0
    polled_job.clock.at = polled_job.job.started_at + 59.5  # type: ignore[operator]
    assert await polled_job.rested() == pytest.approx(0.5, abs=0.03)


@pytest.mark.anyio
async def test_a_job_goes_by_what_was_known_when_it_began() -> None:
    """The quick ones of a crowd end first, and say too little of the others; where nothing was known, they do count."""
    polled_job = PolledJob(Learned(PollSchedule([60.0] * 30)))
    polled_job.work()
    assert await polled_job.rested() == 8.0
    polled_job.durations.learned = Learned(PollSchedule([20.0] * 30))
    assert await polled_job.rested() == 8.0
    new = PolledJob(Learned(PollSchedule()))
    new.work()
    assert await new.rested() == 1.0
    new.durations.learned = Learned(PollSchedule([60.0] * 30))
    assert await new.rested() == 8.0


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    with closing(Database(url)) as database:
        database.prepare()
        yield database


@pytest.mark.anyio
async def test_it_is_learned_from_the_newest_of_the_same_kind(database: Database) -> None:
    """Of this model, length and backend, the newest 30, whoever's; read again after two seconds."""
    store, clock = JobStore(database), Clock()
    durations = Durations(JobQueries(database), clock)

    def made(number: int, took_s: float, **others: Any) -> Job:
        job = past_job(number, f"visitor-{number}", prompt="a lighthouse")
        values: dict[str, Any] = {
            "took_s": took_s,
            "submitted_at": 1000.0 * number,
            "finished_at": 1000.0 * number + 2 * took_s,
        }
        return replace(job, created_at=1000.0 * number, state=State.SUCCEEDED, **values, **others)

    of_ours = made(0, 1.0)
    kind = (of_ours.backend, of_ours.model_id, of_ours.payload)
    assert (await durations.of(*kind)).usual_s is None
    await store.add([made(number, 500.0) for number in range(1, 11)])
    await store.add([made(number, 60.0) for number in range(11, 41)])
    await store.add([made(50, 7.0, model_id="another/model"), made(51, 7.0, payload={"prompt": "x", "frames": 5})])
    await store.add([made(52, 7.0, backend="another"), replace(made(53, 7.0), state=State.FAILED, took_s=None)])
    assert (await durations.of(*kind)).usual_s is None, "not asked for every time"
    clock.at += 2.0
    learned = await durations.of(*kind)
    assert learned.usual_s == 120.0
    assert learned.schedule.usual_s == pytest.approx(60.0)


@pytest.mark.anyio
async def test_a_database_that_is_away_leaves_what_was_learned(database: Database) -> None:
    """Nobody's video waits for a figure."""
    clock = Clock()
    durations = Durations(JobQueries(database), clock)
    before = await durations.of("simulator", MODEL, {"frames": 121})
    database.transact(lambda connection: connection.exec_driver_sql("DROP TABLE jobs"))
    clock.at += 10.0
    assert await durations.of("simulator", MODEL, {"frames": 121}) is before


@pytest.mark.anyio
async def test_only_the_lengths_asked_for_last_are_remembered(tmp_path: Path) -> None:
    """Anybody may ask what a video of any length takes; the lengths that were asked for last are remembered."""
    with closing(Database(f"sqlite:///{tmp_path / 'dreamina.sqlite3'}")) as database:
        database.prepare()
        durations = Durations(JobQueries(database), Clock())
        first = await durations.of("simulator", MODEL, {"frames": 121})
        for frames in range(1000, 1000 + KINDS_MOST):
            last = await durations.of("simulator", MODEL, {"frames": frames})
        assert len(durations._learned) <= KINDS_MOST
        assert await durations.of("simulator", MODEL, {"frames": 999 + KINDS_MOST}) is last
        assert await durations.of("simulator", MODEL, {"frames": 121}) is not first


@pytest.mark.anyio
async def test_ten_pages_cost_the_polls_of_one(tmp_path: Path) -> None:
    """Watchers read what the engine knows; only the engine asks the service."""
    polls = []
    for watchers in (1, 10):
        async with rigged(tmp_path / str(watchers), render_s=0.0) as rig:
            rig.gate.open.clear()  # so that all watch before anything can happen
            job = await rig.submit()
            watching = [asyncio.create_task(rig.finish(job)) for _ in range(watchers)]
            await asyncio.sleep(0)
            rig.gate.open.set()
            ended = await asyncio.gather(*watching)
            assert {one.state for one in ended} == {State.SUCCEEDED}
            async for _ in rig.engine.watch(HOLDER, job.job_id):
                pass
            polls.append(sum(request.url.path.endswith("/status") for request in rig.gate.requests))
    assert polls[0] >= 1
    assert polls[1] <= polls[0] + 2, "the clock of the rig is not the renderer's: a poll more or less"


# All jobs' polls together


def polls(**bounds: Any) -> PollLimiter:
    return PollLimiter(VirtualClock(), **bounds)


def test_few_jobs_rest_as_long_as_they_ask_for() -> None:
    """Below the bound, each job rests as long as it asks for."""

    async def scenario() -> None:
        limiter, begun = polls(per_s=10), asyncio.get_running_loop().time()
        await asyncio.gather(*(limiter.rest(2.0) for _ in range(5)))
        assert asyncio.get_running_loop().time() - begun == pytest.approx(2.0)
        assert limiter.wanted_per_s == pytest.approx(0.0)

    run_virtually(scenario())


def test_many_jobs_share_the_allowed_polls() -> None:
    """A hundred jobs that ask for two polls a second each get the 20 that are allowed, and not one more."""

    async def scenario() -> None:
        limiter, polled = polls(per_s=20), 0

        async def job() -> None:
            nonlocal polled
            while True:
                await limiter.rest(0.5)
                polled += 1

        jobs = [asyncio.create_task(job()) for _ in range(100)]
        await asyncio.sleep(20.0)  # virtual; all have found their pace
        before = polled
        await asyncio.sleep(100.0)
        for each in jobs:
            each.cancel()
        assert 0.9 * 2000 <= polled - before <= 2000 * 1.01

    run_virtually(scenario())


def test_after_a_429_all_jobs_poll_half_as_often_for_a_while() -> None:
    """After a 429 all jobs slow down; each minute without one doubles the pace, up to what it was."""

    async def scenario() -> None:
        limiter = polls(per_s=100)
        resting = [asyncio.create_task(limiter.rest(1.0)) for _ in range(40)]
        await until(lambda: limiter.wanted_per_s == pytest.approx(40.0))
        limiter.slow_down()
        assert limiter.allowed_per_s == pytest.approx(20.0)
        await asyncio.gather(*resting)
        await asyncio.sleep(60.0 - 1.0)
        assert limiter.allowed_per_s == pytest.approx(40.0, rel=0.02)
        await asyncio.sleep(600.0)
        assert limiter.allowed_per_s == 100
        for _ in range(20):
            limiter.slow_down()
        assert limiter.allowed_per_s == 1.0, "never given up altogether"

    run_virtually(scenario())


def test_only_so_many_are_in_flight() -> None:
    """The thirteenth poll waits for one of twelve to come back."""

    async def scenario() -> None:
        limiter, in_flight, most = polls(), 0, 0

        async def poll() -> None:
            nonlocal in_flight, most
            async with limiter.turn():
                in_flight += 1
                most = max(most, in_flight)
                await asyncio.sleep(1.0)
                in_flight -= 1

        await asyncio.gather(*(poll() for _ in range(50)))
        assert most == 12

    run_virtually(scenario())
