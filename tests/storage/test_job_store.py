"""The job store: complete rows, atomic changes, limits and clicks, on SQLite and on PostgreSQL."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from dreamina_ui.errors import (
    DailyLimitReached,
    IllegalMove,
    JobNotFound,
    LeaseLost,
    RequestTaken,
    StoreError,
    TooManyActive,
)
from dreamina_ui.jobs import TERMINAL, Failure, Job, State
from dreamina_ui.storage.allowances import Limits
from dreamina_ui.storage.database import Database
from dreamina_ui.storage.job_queries import JobQueries
from dreamina_ui.storage.job_store import JobStore
from tests.databases import opened
from tests.waiting import until

pytestmark = pytest.mark.anyio

NO_LIMIT = Limits(active=10_000, active_per_visitor=10_000)
NOON = 1_700_049_600.0  # 12:00 UTC
PROMPT = "海の灯台 🌊 «l'été»\n\"quotes\" \\ ' ; DROP TABLE jobs; -- \u202e\u0000 e\u0301"


def a_job(job_id: str = "job-1", **values: Any) -> Job:
    standard: dict[str, Any] = {
        "share_id": f"share-of-{job_id}",
        "visitor_id": "ann",
        "backend": "simulator",
        "model_id": "bytedance/dreamina",
        "payload": {"prompt": "a lighthouse", "frames": 121, "seed": 7},
        "created_at": NOON,
    }
    return Job(job_id=job_id, **{**standard, **values})


def sent(job: Job) -> Job:
    return replace(job, state=State.IN_QUEUE, request_id=f"request-of-{job.job_id}", version=job.version + 1)


def ended(job: Job, state: State = State.SUCCEEDED) -> Job:
    return replace(job, state=state, finished_at=NOON + 60, version=job.version + 1)


async def add_in_state(store: JobStore, job: Job) -> None:
    """Add the row as a click does, then change it to `job`."""
    await store.add([a_job(job.job_id, visitor_id=job.visitor_id, backend=job.backend, created_at=job.created_at)])
    await store.change(job.job_id, lambda _: job)


@pytest.fixture
def store(url: str) -> Iterator[JobStore]:
    with opened(url) as store:
        yield store


# Rows

FULL = a_job(
    payload={"prompt": PROMPT, "frames": 241, "seed": 2**31 - 1, "strength": 0.1, "flag": True, "nested": [None]},
    version=9,
    state=State.FAILED,
    request_id="67a3e0d5-0000",
    queue_position=3,
    outputs=("https://videos.example.com/a.mp4?sig=ä&x=1", "https://videos.example.com/b.mp4"),
    failure=Failure("generation_failed", "不適切 \ud800", {"status_code": 500, "hint": "é", "retry_s": 0.5}),
    cancel_requested=True,
    submitted_at=NOON + 0.125,
    started_at=NOON + 1 / 3,
    finished_at=NOON + 60.000001,
    width=1920,
    height=1088,
    duration_s=10.041666666666666,
    cost_usd=0.30000000000000004,
    click_id="click-1",
    variation=3,
    batch_id="batch-1",
    ancestors=("0" * 32, "1" * 32),
    paused=True,
    not_before=NOON + 0.1,
    cancel_outcome="too_late",
    dismissed=True,
)


@pytest.mark.parametrize("job", [a_job(), FULL], ids=["fresh", "with everything"])
async def test_a_row_survives_a_round_trip(store: JobStore, url: str, job: Job) -> None:
    """Every field is exactly the same when read by this process and by another one."""
    await store.add([job], NO_LIMIT)
    assert await store.get(job.job_id) == job
    with opened(url) as reopened:
        assert await reopened.get(job.job_id) == job


async def test_a_change_is_stored_completely(store: JobStore) -> None:
    """`change` stores and returns what its function returns."""
    await store.add([a_job()], NO_LIMIT)
    assert await store.change("job-1", lambda _: FULL) == FULL
    assert await store.get("job-1") == FULL
    cleared = replace(FULL, failure=None, outputs=(), queue_position=None, version=10)
    await store.change("job-1", lambda _: cleared)
    assert await store.get("job-1") == cleared


async def test_only_what_has_changed_is_written(url: str) -> None:
    """Each column that is written costs as much as the indexes that have it; what is copied from another one goes with it."""
    with opened(url) as store, closing(Database(url)) as database:
        await store.add([a_job()], NO_LIMIT)
        by_another = sa.text("UPDATE jobs SET prompt = 'of another'")
        await database.run(lambda connection: connection.execute(by_another))
        found = sa.text("SELECT queue_position, prompt FROM jobs")
        await store.change("job-1", lambda job: replace(job, queue_position=3, version=2))
        assert await database.read(lambda connection: tuple(connection.execute(found).one())) == (3, "of another")
        await store.change("job-1", lambda job: replace(job, payload={"prompt": "A Boat"}, version=3))
        assert await database.read(lambda connection: tuple(connection.execute(found).one())) == (3, "a boat")


async def test_an_unknown_row_is_not_found(store: JobStore) -> None:
    """Reading or changing an unknown job raises `JobNotFound`; a share id is not a job id."""
    await store.add([a_job()], NO_LIMIT)
    for unknown in ("", "nope", "share-of-job-1", "job-1' OR '1'='1"):
        with pytest.raises(JobNotFound):
            await store.get(unknown)
    with pytest.raises(JobNotFound):
        await store.change("nope", lambda job: job)


async def test_unfinished_jobs(store: JobStore) -> None:
    """The unfinished jobs of all visitors, oldest first."""
    states = list(State)
    for number, state in enumerate(states):
        finished_at = NOON if state in TERMINAL else None
        job = a_job(state, state=state, finished_at=finished_at, created_at=NOON - number, visitor_id=state)
        await store.add([job], NO_LIMIT)
    open_states = [state for state in reversed(states) if state not in TERMINAL]
    assert [job.state for job in await store.unfinished()] == open_states


# Limits


@pytest.mark.parametrize(
    ("limits", "made", "error", "scope"),
    [
        (Limits(active=9, active_per_visitor=2), [a_job("a"), a_job("b")], TooManyActive, "visitor"),
        (Limits(active=2, active_per_visitor=2), [a_job("a"), a_job("b", visitor_id="bob")], TooManyActive, "all"),
        (Limits(9, 9, daily_per_visitor=1), [a_job("a")], DailyLimitReached, "visitor"),
        (Limits(9, 9, daily_per_visitor=1), [ended(sent(a_job("a")))], DailyLimitReached, "visitor"),
        (Limits(9, 9, daily_per_visitor=1), [ended(sent(a_job("a")), State.FAILED)], DailyLimitReached, "visitor"),
        (Limits(9, 9, daily_per_visitor=1), [ended(a_job("a"), State.UNCERTAIN)], DailyLimitReached, "visitor"),
        (Limits(9, 9, daily=1), [ended(sent(a_job("a", visitor_id="bob")))], DailyLimitReached, "all"),
        (Limits(9, 9, daily=0), [], DailyLimitReached, "all"),
    ],
)
async def test_a_refused_click_makes_no_row(
    store: JobStore, limits: Limits, made: list[Job], error: type[TooManyActive], scope: str
) -> None:
    """A refused click writes nothing, and the error has the limit."""
    for job in made:
        await add_in_state(store, job)
    with pytest.raises(error) as caught:
        await store.add([a_job("one more")], limits)
    assert caught.value.facts["scope"] == scope
    with pytest.raises(JobNotFound):
        await store.get("one more")


@pytest.mark.parametrize(
    "made",
    [
        ended(sent(a_job("a")), State.CANCELLED),
        ended(a_job("a"), State.CANCELLED),
        ended(a_job("a"), State.FAILED),
        ended(sent(a_job("a", created_at=NOON - 12 * 3600 - 1))),
        ended(sent(a_job("a", backend="runcomfy"))),
    ],
    ids=["taken back", "not sent", "refused unpaid", "of yesterday", "of the other service"],
)
async def test_what_does_not_count_against_the_day(store: JobStore, made: Job) -> None:
    """The day is in UTC, and only jobs that may have been paid at this backend count."""
    await add_in_state(store, made)
    await store.add([a_job("one more")], Limits(active=1, active_per_visitor=1, daily=1, daily_per_visitor=1))
    assert (await store.get("one more")).job_id == "one more"


# Changes


async def test_a_change_that_raises_writes_nothing(store: JobStore) -> None:
    """An error of the function is raised, the row is unchanged, and the store still works."""
    await store.add([a_job()], NO_LIMIT)
    with pytest.raises(IllegalMove):
        await store.change("job-1", lambda job: job.move(State.SUCCEEDED))

    def half_way(job: Job) -> Job:
        job.move(State.SUBMITTING)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await store.change("job-1", half_way)
    assert await store.get("job-1") == a_job()
    assert (await store.change("job-1", sent)).state is State.IN_QUEUE


async def test_a_write_that_fails_half_way_writes_nothing(store: JobStore) -> None:
    """If the database refuses a write, the row is unchanged and no transaction is open."""
    await store.add([a_job()], NO_LIMIT)
    await store.add([a_job("job-2")], NO_LIMIT)
    with pytest.raises(StoreError):
        await store.change("job-2", lambda job: replace(job, share_id="share-of-job-1", state=State.SUBMITTING))
    with pytest.raises(StoreError):
        await store.add([a_job()], NO_LIMIT)
    assert await store.get("job-2") == a_job("job-2")


async def test_parallel_changes_all_count(store: JobStore, url: str) -> None:
    """Of fifty parallel increments, through two stores on one database, none is lost."""
    await store.add([a_job(queue_position=0)], NO_LIMIT)

    def more(job: Job) -> Job:
        return replace(job, queue_position=(job.queue_position or 0) + 1)

    with opened(url) as other:
        stores = (store, other)
        changed = await asyncio.gather(*(stores[number % 2].change("job-1", more) for number in range(50)))
    assert sorted(job.queue_position or 0 for job in changed) == list(range(1, 51))
    assert (await store.get("job-1")).queue_position == 50


async def test_a_write_of_a_cancelled_caller_is_finished(store: JobStore) -> None:
    """A write is finished when its caller is cancelled, whether it was running or waiting."""
    await store.add([a_job()], NO_LIMIT)
    begun, go_on = threading.Event(), threading.Event()

    def slowly(job: Job) -> Job:
        begun.set()
        assert go_on.wait(30)
        return sent(job)

    first = asyncio.create_task(store.change("job-1", slowly))
    assert await asyncio.to_thread(begun.wait, 30)
    second = asyncio.create_task(store.change("job-1", lambda job: replace(job, cancel_requested=True)))
    await asyncio.sleep(0)  # it has asked now, and waits for the first one
    first.cancel()
    second.cancel()
    ends = await asyncio.gather(first, second, return_exceptions=True)
    go_on.set()
    assert [type(end) for end in ends] == [asyncio.CancelledError] * 2

    async def both_written() -> bool:
        job = await store.get("job-1")
        return (job.state, job.cancel_requested) == (State.IN_QUEUE, True)

    await until(both_written)


async def test_closing_waits_for_running_writes(url: str) -> None:
    """A write that is running at `close` is committed."""
    database = Database(url)
    database.prepare()
    store = JobStore(database)
    await store.add([a_job()], NO_LIMIT)
    begun, go_on = threading.Event(), threading.Event()

    def slowly(job: Job) -> Job:
        begun.set()
        assert go_on.wait(30)
        return sent(job)

    asker = asyncio.create_task(store.change("job-1", slowly))
    assert await asyncio.to_thread(begun.wait, 30)
    closed = asyncio.create_task(asyncio.to_thread(database.close))
    go_on.set()
    await closed
    await asker
    with opened(url) as reopened:
        assert (await reopened.get("job-1")).state is State.IN_QUEUE


async def test_only_the_newest_owner_can_write(store: JobStore) -> None:
    """A write with an earlier generation is refused, and no change can set the generation."""
    await store.add([a_job(generation=2)])
    for old in (1, 3):
        with pytest.raises(LeaseLost):
            await store.change("job-1", sent, generation=old)
    assert await store.get("job-1") == a_job(generation=2)
    changed = await store.change("job-1", lambda job: replace(sent(job), generation=9), generation=2)
    assert (changed.state, changed.generation) == (State.IN_QUEUE, 2)


# Clicks and adoption


def clicked(*names: str, click_id: str = "click-1", **values: Any) -> list[Job]:
    return [a_job(name, click_id=click_id, variation=number, **values) for number, name in enumerate(names)]


async def test_a_repeated_click_makes_its_jobs_once(store: JobStore) -> None:
    """A repeated click, also in parallel, returns its first jobs; another visitor's click is another one."""
    answers = await asyncio.gather(*(store.add(clicked(f"a{n}", f"b{n}", f"c{n}"), NO_LIMIT) for n in range(8)))
    assert all(answer == answers[0] for answer in answers)
    assert len(await store.unfinished()) == 3
    assert len(await store.add(clicked("of bob", visitor_id="bob"), NO_LIMIT)) == 1
    assert len(await store.add(clicked("another", click_id="click-2"), NO_LIMIT)) == 1
    assert len(await store.unfinished()) == 5


async def test_a_click_makes_all_its_jobs_or_none(store: JobStore) -> None:
    """If not all jobs of a click fit, or one row cannot be written, none is made."""
    with pytest.raises(TooManyActive):
        await store.add(clicked("a", "b", "c"), Limits(active=9, active_per_visitor=2))
    with pytest.raises(StoreError):
        await store.add(clicked("a", "b", "a"))
    assert await store.unfinished() == []
    assert len(await store.add(clicked("a", "b"), Limits(active=9, active_per_visitor=2))) == 2


async def test_an_adopted_job_continues(store: JobStore) -> None:
    """An uncertain job with a request id is unfinished again; two jobs cannot have the same one."""
    for name in ("a", "b"):
        await store.add([ended(a_job(name, dismissed=True), State.UNCERTAIN)])
    adopted = await store.adopt("a", "found", NOON + 90)
    assert (adopted.state, adopted.request_id, adopted.finished_at) == (State.IN_QUEUE, "found", None)
    assert [job.job_id for job in await store.unfinished()] == ["a"]
    with pytest.raises(RequestTaken):
        await store.adopt("b", "found", NOON + 90)
    await store.change("a", lambda job: ended(job, State.FAILED))
    with pytest.raises(IllegalMove):
        await store.adopt("a", "other", NOON + 90)


async def test_an_adopted_job_leaves_the_bin(url: str) -> None:
    """A deleted job that is adopted is no longer in the bin; other deleted jobs are."""
    with closing(Database(url)) as database:
        database.prepare()
        store, queries = JobStore(database), JobQueries(database)
        for name in ("a", "b"):
            await store.add([ended(a_job(name), State.UNCERTAIN)])
        assert await queries.delete("ann", ["a", "b"], NOON + 80) == 2
        await store.adopt("a", "found", NOON + 90)
        assert [job.job_id for job in (await queries.page("ann"))[0]] == ["a"]
        await store.change("a", ended)
        assert await queries.binned(NOON + 9000) == [(await store.get("b")).share_id]
        assert await queries.restore("ann", ["a", "b"]) == 1
