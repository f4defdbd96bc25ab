"""The looks at a job: what they tell of the time it took, and how it is learned from."""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from dreamina_ui.archive import Archive
from dreamina_ui.database import Database
from dreamina_ui.durations import Durations, Learned
from dreamina_ui.jobs import Job, State
from dreamina_ui.looks import Looks
from dreamina_ui.pacing import Pace
from dreamina_ui.polls import Polls
from dreamina_ui.store import Store
from dreamina_ui.visitors import HOLDER
from tests.filled import past_job
from tests.rig import CARD, Clock, rigged

pytestmark = pytest.mark.anyio

MODEL = CARD.model_id


class House:
    """One run's looks, over a clock that passes by being slept."""

    def __init__(self, learned: Learned | None = None) -> None:
        self.clock = Clock()
        self.began = self.clock.at
        self.learned = learned or Learned(Pace())
        self.looks = Looks(Polls(self.clock.now, self.clock.sleep), self._of, self.clock.now)
        job = past_job(1, "ann", prompt="a lighthouse")
        self.job: Job = replace(job, state=State.IN_QUEUE, submitted_at=self.began, started_at=None, finished_at=None)

    async def _of(self, job: Job) -> Learned:
        return self.learned

    def work(self) -> None:
        self.job = replace(self.job, state=State.IN_PROGRESS, started_at=self.looks.is_worked_on(self.job))

    async def rested(self) -> float:
        before = self.clock.at
        await self.looks.rest(self.job)
        return self.clock.at - before


async def test_what_lies_between_two_looks_is_taken_to_be_in_their_middle() -> None:
    """Begun between 2 and 4 s, done between 60 and 61 s: 57.5 s of work."""
    house = House()
    house.looks.waits()
    house.clock.at += 2.0
    house.looks.waits()
    house.clock.at += 2.0
    house.work()
    assert house.job.started_at == house.began + 3.0
    house.clock.at += 56.0
    house.work()
    house.clock.at += 1.0
    assert house.looks.took_s() == pytest.approx(57.5)


async def test_a_run_that_saw_only_the_end_has_learned_nothing() -> None:
    """After a restart, or when the service was away for long, nobody can say how long it took."""
    late = House()
    late.work()
    late.clock.at += 30.0
    assert late.looks.took_s() is None
    away = House()
    away.looks.waits()
    away.clock.at += 1.0
    away.work()
    away.clock.at += 500.0
    assert away.looks.took_s() is None
    unseen = House()
    unseen.looks.waits()
    assert unseen.looks.took_s() is None


async def test_a_job_that_went_back_to_the_queue_tells_nothing() -> None:
    """What was begun twice says nothing of how long it takes."""
    house = House()
    house.looks.waits()
    house.clock.at += 1.0
    house.work()
    house.clock.at += 5.0
    house.looks.waits()
    house.clock.at += 5.0
    house.work()
    house.clock.at += 1.0
    assert house.looks.took_s() is None


async def test_each_state_has_its_rhythm() -> None:
    """The first look comes after a second, those in the queue are patient, and those at work go by what was learned."""
    house = House(Learned(Pace([60.0] * 30)))
    house.looks.waits()
    assert await house.rested() == 1.0
    house.looks.waits()
    assert 2.0 < await house.rested() < 8.0
    house.work()
    assert await house.rested() == 8.0
    house.clock.at = house.job.started_at + 59.5  # type: ignore[operator]
    assert await house.rested() == pytest.approx(0.5, abs=0.01)


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    with closing(Database(url)) as database:
        database.prepare()
        yield database


async def test_it_is_learned_from_the_newest_of_the_same_kind(database: Database) -> None:
    """Of this model, length and backend, the newest 30, whoever's; read again after two seconds."""
    store, clock = Store(database), Clock()
    durations = Durations(Archive(database), clock.now)

    def made(number: int, took_s: float, **others: object) -> Job:
        job = past_job(number, f"visitor-{number}", prompt="a lighthouse")
        values = {"took_s": took_s, "submitted_at": 1000.0 * number, "finished_at": 1000.0 * number + 2 * took_s}
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
    assert learned.pace.usual_s == pytest.approx(60.0)


async def test_a_database_that_is_away_leaves_what_was_learned(database: Database) -> None:
    """Nobody's video waits for a figure."""
    clock = Clock()
    durations = Durations(Archive(database), clock.now)
    before = await durations.of("simulator", MODEL, {"frames": 121})
    database.transact(lambda connection: connection.exec_driver_sql("DROP TABLE jobs"))
    clock.at += 10.0
    assert await durations.of("simulator", MODEL, {"frames": 121}) is before


async def test_ten_pages_cost_the_looks_of_one(tmp_path: Path) -> None:
    """Watchers read what the engine knows; only the engine asks the service."""
    looks = []
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
            looks.append(sum(request.url.path.endswith("/status") for request in rig.gate.requests))
    assert looks[0] >= 1
    assert looks[1] <= looks[0] + 2, "the clock of the rig is not the renderer's: a look more or less"
