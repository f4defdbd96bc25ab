"""Replicas: several processes on one PostgreSQL server, each with its own connection, owner and lock file."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from dreamina_ui.engine.engine import Engine
from dreamina_ui.errors import DailyBudgetReached, DailyLimitReached, LeaseLost, StoreError, TooManyActive
from dreamina_ui.jobs import HOLDER, Job, State
from dreamina_ui.simulator import QuickRenderer, create_app
from dreamina_ui.storage.allowances import Allowances, Limits
from dreamina_ui.storage.database import Database
from dreamina_ui.storage.job_rows import jobs
from dreamina_ui.storage.job_store import JobStore
from dreamina_ui.storage.leases import LEASE_S, RENEWED_EVERY_S, Leases
from tests.rig import CARD, VALUES, Gate, engine_settings, make_clip, video_of
from tests.storage.test_job_store import NO_LIMIT, NOON, a_job, ended, sent
from tests.waiting import until

pytestmark = pytest.mark.anyio

AT_ONCE = 50


@dataclass
class Replica:
    """The database as one process has it."""

    database: Database
    store: JobStore
    leases: Leases

    async def claim(self) -> list[Job]:
        return await self.leases.claim(active=1000, batch_active=1000)


@pytest.fixture
def replicas(postgres_url: str, tmp_path: Path) -> Iterator[list[Replica]]:
    with closing(Database(postgres_url)) as one, closing(Database(postgres_url)) as two:
        made = []
        for number, database in enumerate((one, two)):
            database.prepare()
            leases = Leases(database, tmp_path / str(number))
            leases.open()
            made.append(Replica(database, JobStore(database), leases))
        yield made


def lease_of(replica: Replica, job_id: str) -> tuple[str | None, float | None]:
    """The owner of a job, and the seconds left of its lease by the database's clock."""
    left = jobs.c.lease_until - replica.database.now
    query = sa.select(jobs.c.lease_owner, left).where(jobs.c.job_id == job_id)
    owner, left_s = replica.database.transact(lambda connection: connection.execute(query).one())
    return owner, left_s


def age_leases(replica: Replica, seconds: float) -> None:
    """Make the leases `seconds` older."""
    older = sa.update(jobs).values(lease_until=jobs.c.lease_until - seconds)
    replica.database.transact(lambda connection: connection.execute(older))


# Clicks


@pytest.mark.parametrize(
    ("limits", "fit"),
    [
        (Limits(active=7, active_per_visitor=100), 7),
        (Limits(active=100, active_per_visitor=3), 15),
        (Limits(active=100, active_per_visitor=100, daily=11), 11),
        (Limits(active=100, active_per_visitor=100, daily_per_visitor=2), 10),
        (Limits(active=100, active_per_visitor=100, daily_budget_usd=1.3), 13),
    ],
    ids=["active", "active of a visitor", "of the day", "of a visitor's day", "of the day's budget"],
)
async def test_parallel_clicks_never_exceed_a_limit(replicas: list[Replica], limits: Limits, fit: int) -> None:
    """Of fifty parallel clicks by five visitors, through two replicas, exactly as many fit as allowed."""

    async def click(number: int) -> bool:
        name, visitor_id = f"job-{number}", f"visitor-{number % 5}"
        job = a_job(name, visitor_id=visitor_id, click_id=f"click-{number}", backend="runcomfy")
        try:
            await replicas[number % 2].store.add([job], limits, booked={name: 0.1})
        except (TooManyActive, DailyLimitReached, DailyBudgetReached):
            return False
        return True

    made = await asyncio.gather(*(click(number) for number in range(AT_ONCE)))
    assert sum(made) == fit == len(await replicas[0].store.unfinished())


async def test_one_replica_tells_that_the_budget_is_used_up(replicas: list[Replica]) -> None:
    """Of many that look at once, one is told of each part."""
    limits = Limits(active=100, active_per_visitor=100, daily_budget_usd=1.0)
    await replicas[0].store.add([a_job(backend="runcomfy")], limits, booked={"job-1": 1.0})
    looking = [Allowances(replica.database, limits, "runcomfy", now=lambda: NOON) for replica in replicas * 10]
    told = await asyncio.gather(*(allowances.newly_used_up() for allowances in looking))
    assert sorted(notice.percent for each in told for notice in each) == [80, 100]


async def test_the_same_click_on_two_replicas_is_one(replicas: list[Replica]) -> None:
    """The second click returns the first one's jobs."""

    def click(number: int) -> list[Job]:
        return [a_job(f"{number}-{v}", visitor_id="ann", click_id="click-1", variation=v) for v in range(3)]

    answers = await asyncio.gather(*(replicas[n % 2].store.add(click(n), NO_LIMIT) for n in range(AT_ONCE)))
    assert all(answer == answers[0] for answer in answers)
    assert len(await replicas[0].store.unfinished()) == 3


async def test_the_table_refuses_a_duplicate_click(replicas: list[Replica]) -> None:
    """The unique index refuses a second row for one variation of a click."""
    await replicas[0].store.add([a_job("a", click_id="click-1")])
    with pytest.raises(StoreError):
        replicas[1].database.transact(
            lambda connection: connection.exec_driver_sql(
                "INSERT INTO jobs SELECT 'b', 'share-b', visitor_id, backend, model_id, payload, state, request_id, "
                "queue_position, outputs, failure, cancel_requested, created_at, version, submitted_at, started_at, "
                "finished_at, width, height, duration_s, cost_usd, click_id FROM jobs"
            )
        )
    assert len(await replicas[0].store.unfinished()) == 1


async def test_one_request_is_adopted_once(replicas: list[Replica]) -> None:
    """Of two jobs that adopt the same request at once, on two replicas, one gets it."""
    for round_ in range(5):
        names = [f"{round_}-{number}" for number in range(2)]
        for name in names:
            await replicas[0].store.add([ended(a_job(name), State.UNCERTAIN)])
        answers = await asyncio.gather(
            *(replicas[n].store.adopt(names[n], f"request-{round_}", 1.0) for n in range(2)), return_exceptions=True
        )
        assert sum(isinstance(answer, Job) for answer in answers) == 1, answers


# Leases


async def test_claims_are_disjoint(replicas: list[Replica]) -> None:
    """With many parallel claims on two replicas, every job is claimed once."""
    await replicas[0].store.add([a_job(f"job-{number:03}") for number in range(200)])
    claims = await asyncio.gather(*(replicas[number % 2].claim() for number in range(10)))
    claimed = [job.job_id for claim in claims for job in claim]
    assert sorted(claimed) == [f"job-{number:03}" for number in range(200)]
    assert {job.generation for claim in claims for job in claim} == {1}


async def test_a_claim_skips_rows_of_another_claim(replicas: list[Replica]) -> None:
    """A claim neither waits for nor gets rows that an uncommitted claim has locked."""
    await replicas[0].store.add([a_job("a"), a_job("b")])
    one = replicas[0].database
    with one._engine.connect() as connection, connection.begin():
        locked = connection.execute(
            sa.select(jobs.c.job_id).where(jobs.c.job_id == "a").with_for_update(skip_locked=True)
        ).all()
        assert len(locked) == 1
        async with asyncio.timeout(10):
            assert [job.job_id for job in await replicas[1].claim()] == ["b"]
    assert [job.job_id for job in await replicas[0].claim()] == ["a"]


async def test_owned_and_ended_jobs_are_not_claimed(replicas: list[Replica]) -> None:
    """A claim gets the unfinished jobs without an owner, oldest first."""
    await replicas[0].store.add([a_job("old", created_at=1.0), a_job("new", created_at=2.0)])
    await replicas[0].store.add([ended(a_job("ended"))])
    assert [job.job_id for job in await replicas[0].claim()] == ["old", "new"]
    assert await replicas[1].claim() == []
    assert await replicas[0].claim() == []


async def test_a_lease_is_renewed_by_the_databases_clock(replicas: list[Replica], monkeypatch: Any) -> None:
    """A wrong clock of the process does not change its leases."""
    one, two = replicas
    await one.store.add([a_job()])
    monkeypatch.setattr("time.time", lambda: 0.0)
    await one.claim()
    for _ in range(3):
        owner, left_s = lease_of(two, "job-1")
        assert owner == one.leases.owner
        assert left_s is not None
        assert LEASE_S - 5 < left_s <= LEASE_S
        age_leases(two, 10)
        await one.leases.renew(["job-1"])
        assert await two.claim() == []


async def test_a_dead_owners_job_is_claimed(replicas: list[Replica], tmp_path: Path) -> None:
    """Another replica claims a job whose lease has expired, and the earlier owner's writes are refused."""
    one, two = replicas
    await one.store.add([a_job()])
    one.leases = Leases(one.database, tmp_path, lease_s=0.3)
    [former] = await one.claim()
    taken: list[Job] = []

    async def taken_over() -> bool:
        taken.extend(await two.claim())
        return bool(taken)

    await until(taken_over)
    assert [job.generation for job in taken] == [former.generation + 1]
    assert lease_of(one, "job-1")[0] == two.leases.owner
    with pytest.raises(LeaseLost):
        await one.store.change("job-1", sent, generation=former.generation)
    await one.leases.renew(["job-1"])  # renews nothing any more
    assert lease_of(one, "job-1")[0] == two.leases.owner
    assert (await two.store.change("job-1", sent, generation=former.generation + 1)).state is State.IN_QUEUE
    assert (await one.store.get("job-1")).state is State.IN_QUEUE


async def test_an_expired_lease_can_be_renewed(replicas: list[Replica]) -> None:
    """If no other replica has claimed the job, its owner continues with the same generation."""
    one, two = replicas
    await one.store.add([a_job()])
    [job] = await one.claim()
    age_leases(one, 60)
    await one.leases.renew(["job-1"])
    assert await two.claim() == []
    assert (await one.store.change("job-1", sent, generation=job.generation)).state is State.IN_QUEUE


async def test_a_stopped_owner_releases_its_jobs(replicas: list[Replica]) -> None:
    """After a clean stop, the next claim gets the jobs; an ended job has no owner."""
    one, two = replicas
    await one.store.add([a_job("a"), a_job("b")])
    claimed = await one.claim()
    await one.store.change("b", ended, generation=claimed[1].generation)
    assert lease_of(one, "b") == (None, None)
    await one.leases.aclose()
    assert [job.job_id for job in await two.claim()] == ["a"]


async def test_a_start_does_not_free_anothers_jobs(replicas: list[Replica], tmp_path: Path) -> None:
    """With PostgreSQL, a missing lock file does not free the jobs of an owner."""
    one, two = replicas
    await one.store.add([a_job()])
    await one.claim()
    Leases(two.database, tmp_path / "third").open()
    assert lease_of(one, "job-1")[0] == one.leases.owner


def test_a_takeover_is_within_thirty_seconds() -> None:
    """A lease and the time until the next claim are less than thirty seconds."""
    assert LEASE_S + RENEWED_EVERY_S < 30
    assert RENEWED_EVERY_S * 3 < LEASE_S  # two renewals may fail


async def test_parallel_changes_of_many_rows_all_count(replicas: list[Replica]) -> None:
    """Parallel changes of five rows by two replicas, in any order, lose nothing and do not deadlock."""
    await replicas[0].store.add([a_job(str(number), queue_position=0) for number in range(5)])

    def more(job: Job) -> Job:
        return replace(job, queue_position=(job.queue_position or 0) + 1)

    async with asyncio.timeout(60):
        await asyncio.gather(*(replicas[n % 2].store.change(str(n % 5), more) for n in range(100)))
    assert [(await replicas[0].store.get(str(n))).queue_position for n in range(5)] == [20] * 5


# Engines


@dataclass
class SharedService:
    """The service and the folder that all engines of a test share."""

    folder: Path
    url: str
    gate: Gate
    simulator: Any
    stack: AsyncExitStack

    @property
    def accepted(self) -> int:
        return len(self.simulator.ledger.records)

    async def start(self, *, lease_s: float = 3.0, limits: Limits | None = None) -> tuple[Engine, JobStore]:
        settings = engine_settings(
            self.folder, self.gate, database_url=self.url, lease_s=lease_s, limits=limits or NO_LIMIT
        )
        engine = await self.stack.enter_async_context(Engine(settings))
        return engine, engine.store


@asynccontextmanager
async def shared_service(
    folder: Path, url: str, *, queue_s: float = 0.0, render_s: float = 0.0
) -> AsyncIterator[SharedService]:
    clip = make_clip(folder / "clip.mp4")
    app = create_app(
        folder / "simulator", cards=[CARD.source], queue_s=queue_s, slots=4, render=QuickRenderer(render_s, clip)
    )
    async with AsyncExitStack() as stack:
        stack.push_async_callback(app.state.simulator.aclose)
        yield SharedService(folder, url, Gate(app), app.state.simulator, stack)


def pause(engine: Engine) -> None:
    """Stop all tasks of an engine, as SIGSTOP would; its leases are not renewed."""
    for task in (*engine.supervisor.loops, *engine.supervisor.runs):
        task.cancel()


async def test_a_job_is_watched_from_another_replica(tmp_path: Path, postgres_url: str) -> None:
    """A watcher on replica B sees all states of a job that replica A runs, in order."""
    async with shared_service(tmp_path, postgres_url, render_s=1.2) as shared:
        a, _ = await shared.start()
        b, _ = await shared.start()
        [job] = await a.submit("ann", VALUES)
        async with asyncio.timeout(30):
            seen = [snapshot async for snapshot in b.watch(HOLDER, job.job_id)]
        assert seen[-1].state is State.SUCCEEDED
        assert State.IN_PROGRESS in [snapshot.state for snapshot in seen]
        versions = [snapshot.version for snapshot in seen]
        assert versions == sorted(set(versions))
        assert (shared.gate.posts, shared.accepted) == (1, 1)


async def test_a_job_is_cancelled_from_another_replica(tmp_path: Path, postgres_url: str) -> None:
    """A cancel on replica B ends a queued job; the watchers on A see it, too."""
    async with shared_service(tmp_path, postgres_url, queue_s=60) as shared:
        a, store = await shared.start()
        b, _ = await shared.start()
        [job] = await a.submit("ann", VALUES)

        async def queued() -> bool:
            return (await store.get(job.job_id)).state is State.IN_QUEUE

        await until(queued)
        assert (await b.cancel(HOLDER, job.job_id)).state is State.CANCELLED
        async with asyncio.timeout(30):
            seen = [snapshot async for snapshot in a.watch(HOLDER, job.job_id)]
        assert seen[-1].state is State.CANCELLED
        [record] = shared.simulator.ledger.records.values()
        assert record.state == "cancelled"


async def test_a_dead_replicas_jobs_end_on_another(tmp_path: Path, postgres_url: str) -> None:
    """When replica A stops while its videos render, B saves them, and nothing is sent again."""
    async with shared_service(tmp_path, postgres_url, render_s=0.5) as shared:
        a, store = await shared.start(lease_s=0.6)
        jobs = await a.submit("ann", VALUES, count=4)

        async def all_sent() -> bool:
            return all([(await store.get(job.job_id)).request_id for job in jobs])

        await until(all_sent)
        pause(a)
        b, _ = await shared.start()
        for job in jobs:
            async with asyncio.timeout(30):
                seen = [snapshot async for snapshot in b.watch(HOLDER, job.job_id)]
            assert seen[-1].state is State.SUCCEEDED
            assert video_of(b.library, job.share_id).exists()
        assert (shared.gate.posts, shared.accepted) == (4, 4)
        assert {(await store.get(job.job_id)).generation for job in jobs} == {2}


async def test_a_post_in_a_paused_replica_is_adopted_by_its_answer(tmp_path: Path, postgres_url: str) -> None:
    """A pauses during its POST, B marks the job uncertain, then A gets the reply: B finishes it, paid once."""
    async with shared_service(tmp_path, postgres_url) as shared:
        a, store = await shared.start(lease_s=0.6)
        shared.gate.open.clear()
        [job] = await a.submit("ann", VALUES)
        await until(lambda: shared.gate.posts == 1)
        for loop in a.supervisor.loops:
            loop.cancel()
        b, _ = await shared.start()

        async def state_is(state: State) -> bool:
            return (await store.get(job.job_id)).state is state

        await until(lambda: state_is(State.UNCERTAIN))
        shared.gate.open.set()
        await until(lambda: state_is(State.SUCCEEDED))
        row = await store.get(job.job_id)
        assert list(shared.simulator.ledger.records) == [row.request_id]
        assert (shared.gate.posts, row.failure) == (1, None)
        assert video_of(b.library, job.share_id).exists()


async def test_clicks_on_two_replicas_are_all_paid_once(tmp_path: Path, postgres_url: str) -> None:
    """Thirty clicks, each sent twice to random replicas, make thirty videos with thirty POSTs."""
    async with shared_service(tmp_path, postgres_url) as shared:
        engines = [(await shared.start())[0] for _ in range(2)]
        answers = await asyncio.gather(
            *(
                engines[(number + repeat) % 2].submit("ann", {**VALUES, "seed": number}, click_id=f"click-{number}")
                for number in range(30)
                for repeat in range(2)
            )
        )
        made = {job.job_id for [job] in answers}
        assert len(made) == 30
        for job_id in made:
            async with asyncio.timeout(60):
                async for snapshot in engines[0].watch(HOLDER, job_id):
                    last = snapshot
            assert last.state is State.SUCCEEDED
        assert (shared.gate.posts, shared.accepted) == (30, 30)
        seeds = [record.input["seed"] for record in shared.simulator.ledger.records.values()]
        assert sorted(seeds) == list(range(30))
