"""A click is paid once at most: clicked twice, retried, varied, adopted, resumed, or answered too late."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from dreamina_ui.engine.engine import Engine
from dreamina_ui.engine.submission import VARIATIONS_MOST
from dreamina_ui.engine.worker import Worker
from dreamina_ui.errors import (
    AlreadyUsed,
    IllegalMove,
    InvalidInput,
    JobNotFound,
    LeaseLost,
    RequestTaken,
    StoreUnavailable,
    TooManyActive,
    UnknownRequest,
)
from dreamina_ui.jobs import HOLDER, TERMINAL, Job, State
from dreamina_ui.simulator import Fault
from dreamina_ui.storage.allowances import Limits
from dreamina_ui.storage.database import Database
from dreamina_ui.storage.job_queries import Overview
from dreamina_ui.storage.leases import Leases
from dreamina_ui.storage.maintenance import empty_bin, prune
from tests.filled import past_job
from tests.rig import DATABASE, VALUES, Clock, Gate, Rig, engine_settings, rigged, sqlite_url, video_of
from tests.waiting import until

pytestmark = pytest.mark.anyio

NO_LIMIT = Limits(active=1000, active_per_visitor=1000)


def ids(jobs: list[Job]) -> list[str]:
    return [job.job_id for job in jobs]


async def count_of(rig: Rig, visitor_id: str = "ann") -> int:
    return (await rig.engine.history.page(visitor_id, 100))[1]


@asynccontextmanager
async def replica(rig: Rig, folder: Path, *, lease_s: float = 15.0) -> AsyncIterator[Engine]:
    """Another program on the same database, library and service."""
    settings = engine_settings(folder, rig.gate, limits=NO_LIMIT, lease_s=lease_s, clock=rig.clock)
    async with Engine(settings) as engine:
        yield engine


# The same click


@pytest.mark.parametrize("times", [2, 20])
@pytest.mark.parametrize("count", [1, VARIATIONS_MOST])
async def test_one_click_many_times_is_one(tmp_path: Path, times: int, count: int) -> None:
    """A double click, or twenty calls at once, make the same jobs, and each is sent once."""
    async with rigged(tmp_path) as rig:
        answers = await asyncio.gather(
            *(rig.engine.submit("ann", VALUES, count=count, click_id="click-1") for _ in range(times))
        )
        assert all(ids(answer) == ids(answers[0]) for answer in answers)
        for job in answers[0]:
            assert (await rig.finish(job)).state is State.SUCCEEDED
        repeated = await rig.engine.submit("ann", VALUES, count=count, click_id="click-1")
        assert ids(repeated) == ids(answers[0])
        assert {job.state for job in repeated} == {State.SUCCEEDED}
        assert (rig.gate.posts, rig.accepted, await count_of(rig)) == (count, count, count)


async def test_a_retried_click_keeps_what_was_asked_first(tmp_path: Path) -> None:
    """The click is the identity: what else a retry says, also another number of videos, makes nothing new."""
    async with rigged(tmp_path) as rig:
        first = await rig.engine.submit("ann", VALUES, count=2, click_id="click-1")
        repeated = await rig.engine.submit("ann", {**VALUES, "prompt": "another"}, count=4, click_id="click-1")
        assert ids(repeated) == ids(first)
        assert {job.payload["prompt"] for job in repeated} == {VALUES["prompt"]}
        for job in first:
            await rig.finish(job)
        assert rig.accepted == 2


async def test_a_click_retried_after_a_restart_is_the_same(tmp_path: Path) -> None:
    """The browser that never heard the answer asks again, of a program that has been started anew."""
    async with rigged(tmp_path, render_s=60) as rig:
        first = await rig.engine.submit("ann", VALUES, count=2, click_id="click-1")
        for job in first:
            await rig.until(job, State.IN_PROGRESS)
    async with rigged(tmp_path) as rig:
        repeated = await rig.engine.submit("ann", VALUES, count=2, click_id="click-1")
        assert ids(repeated) == ids(first)
        for job in repeated:
            assert (await rig.finish(job)).state is State.SUCCEEDED
        assert (rig.gate.posts, rig.accepted) == (0, 2)


async def test_two_programs_make_one_click_one_job(tmp_path: Path) -> None:
    """The same click reaches two replicas on one database at once: one job, sent by one of them."""
    async with rigged(tmp_path) as rig, replica(rig, tmp_path) as other:
        answers = await asyncio.gather(
            *((rig.engine, other)[number % 2].submit("ann", VALUES, click_id="click-1") for number in range(10))
        )
        assert len({job.job_id for [job] in answers}) == 1
        assert (await rig.finish(answers[0][0])).state is State.SUCCEEDED
        assert (rig.gate.posts, rig.accepted) == (1, 1)


async def test_another_visitors_click_is_another_job(tmp_path: Path) -> None:
    """A click id is its visitor's own: nobody is answered with somebody else's jobs."""
    async with rigged(tmp_path) as rig:
        [mine] = await rig.engine.submit("ann", VALUES, click_id="click-1")
        [theirs] = await rig.engine.submit("bob", VALUES, click_id="click-1")
        assert (mine.visitor_id, theirs.visitor_id) == ("ann", "bob")
        assert mine.job_id != theirs.job_id
        await rig.finish(mine)
        await rig.finish(theirs)
        assert rig.accepted == 2


@pytest.mark.parametrize("click_id", [None, ""])
async def test_a_call_without_a_click_is_always_new(tmp_path: Path, click_id: str | None) -> None:
    """An API caller who names no click asks for a new video each time."""
    async with rigged(tmp_path) as rig:
        [one] = await rig.engine.submit("ann", VALUES, click_id=click_id)
        [two] = await rig.engine.submit("ann", VALUES, click_id=click_id)
        assert one.job_id != two.job_id


async def test_a_cancelled_click_leaves_no_job_that_does_not_run(tmp_path: Path) -> None:
    """A page that is closed at any moment of its click leaves no job behind that nobody runs."""
    async with rigged(tmp_path) as rig:
        for turns in range(40):
            asked = asyncio.create_task(rig.engine.submit("ann", VALUES, click_id=f"click-{turns}"))
            for _ in range(turns):
                await asyncio.sleep(0)
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)
            # Whoever asks again gets the job, and it ends: neither is it lost, nor sent twice.
            [job] = await rig.engine.submit("ann", VALUES, click_id=f"click-{turns}")
            assert (await rig.finish(job)).state is State.SUCCEEDED
        assert rig.accepted == 40


async def test_a_job_claimed_for_a_cancelled_click_runs(tmp_path: Path) -> None:
    """What was claimed for a page that is gone is run all the same."""
    async with rigged(tmp_path) as rig:
        leases = rig.engine.leases
        claim, claimed, go_on = leases.claim, asyncio.Event(), asyncio.Event()

        async def claim_slowly(**places: Any) -> list[Job]:
            jobs = await claim(**places)
            claimed.set()
            await go_on.wait()
            return jobs

        leases.claim = claim_slowly  # type: ignore[method-assign]
        asked = asyncio.create_task(rig.engine.submit("ann", VALUES, click_id="click-1"))
        await asyncio.wait_for(claimed.wait(), 30)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        go_on.set()
        [job] = (await rig.engine.history.page("ann", 1))[0]
        assert (await rig.finish(job)).state is State.SUCCEEDED


# Variations


@pytest.mark.parametrize("count", range(1, VARIATIONS_MOST + 1))
async def test_variations_are_jobs_of_their_own(tmp_path: Path, count: int) -> None:
    """Each has its id, its seed and its request; a given seed is counted up."""
    async with rigged(tmp_path) as rig:
        jobs = await rig.engine.submit("ann", {**VALUES, "seed": 7}, count=count, click_id="click-1")
        assert [job.payload["seed"] for job in jobs] == [7 + number for number in range(count)]
        assert [job.variation for job in jobs] == list(range(count))
        assert len({job.job_id for job in jobs} | {job.share_id for job in jobs}) == 2 * count
        ended = [await rig.finish(job) for job in jobs]
        assert len({job.request_id for job in ended}) == count
        sent = sorted(record.input["seed"] for record in rig.simulator.ledger.records.values())
        assert sent == [7 + number for number in range(count)]


async def test_random_variations_have_seeds_of_their_own(tmp_path: Path) -> None:
    """−1 is drawn anew for each variation."""
    async with rigged(tmp_path) as rig:
        jobs = await rig.engine.submit("ann", {**VALUES, "seed": -1}, count=4)
        assert len({job.payload["seed"] for job in jobs}) == 4
        assert all(job.payload["seed"] >= 0 for job in jobs)


@pytest.mark.parametrize("count", [0, 5, -1])
async def test_no_other_number_of_variations(tmp_path: Path, count: int) -> None:
    """Nothing is made, and nothing is sent."""
    async with rigged(tmp_path) as rig:
        with pytest.raises(InvalidInput):
            await rig.engine.submit("ann", VALUES, count=count)
        assert (await count_of(rig), rig.gate.requests) == (0, [])


async def test_a_limit_refuses_all_variations_or_none(tmp_path: Path) -> None:
    """Where three of four would fit, none is made; three are made whole, also by clicks at once."""
    limits = Limits(active=5, active_per_visitor=3)
    async with rigged(tmp_path, queue_s=60, limits=limits) as rig:
        with pytest.raises(TooManyActive):
            await rig.engine.submit("ann", VALUES, count=4, click_id="click-1")
        assert (await count_of(rig), rig.gate.requests) == (0, [])
        answers = await asyncio.gather(
            *(rig.engine.submit("ann", VALUES, count=2, click_id=f"click-{number}") for number in range(6)),
            return_exceptions=True,
        )
        assert sum(isinstance(answer, TooManyActive) for answer in answers) == 5
        assert await count_of(rig) == 2
        # The click that was refused is no click: it may be tried again.
        assert len(await rig.engine.submit("bob", VALUES, count=3, click_id="click-1")) == 3


# Uncertain jobs


async def lost(rig: Rig, visitor_id: str = "ann") -> tuple[Job, str]:
    """An uncertain job, and the id of the request that was accepted and not heard of."""
    known = set(rig.simulator.ledger.records)
    rig.simulator.faults.add(Fault("submit", "lose_answer"))
    job = await rig.finish(await rig.submit(visitor_id))
    assert job.state is State.UNCERTAIN
    [request_id] = set(rig.simulator.ledger.records) - known
    return job, request_id


async def test_an_adopted_job_is_watched_and_saved(tmp_path: Path) -> None:
    """Whoever finds the request id gets the video that was paid for, without another POST."""
    async with rigged(tmp_path) as rig:
        job, request_id = await lost(rig)
        assert (await rig.engine.adopt(HOLDER, job.job_id, request_id)).state is State.IN_QUEUE
        job = await rig.finish(job)
        assert (job.state, job.request_id, job.failure) == (State.SUCCEEDED, request_id, None)
        assert video_of(rig.library, job.share_id).exists()
        assert (rig.gate.posts, rig.accepted) == (1, 1)


async def test_an_adoption_of_two_at_once_is_one(tmp_path: Path) -> None:
    """Two tabs adopt the same job by two ids: the first one's is kept, the other is told."""
    async with rigged(tmp_path, queue_s=60) as rig:
        job, right = await lost(rig)
        _, other = await lost(rig)
        answers = await asyncio.gather(
            rig.engine.adopt(HOLDER, job.job_id, right),
            rig.engine.adopt(HOLDER, job.job_id, other),
            return_exceptions=True,
        )
        [adopted] = [answer for answer in answers if isinstance(answer, Job)]
        assert [type(answer) for answer in answers if not isinstance(answer, Job)] == [IllegalMove]
        assert (await rig.engine.job(HOLDER, job.job_id)).request_id == adopted.request_id


@pytest.mark.parametrize("request_id", ["00000000-0000-4000-8000-000000000000", "../../models", "", "x" * 500, "\0"])
async def test_an_id_the_service_does_not_know_is_no_id(tmp_path: Path, request_id: str) -> None:
    """A wrong request id is told, and the job stays as it is."""
    async with rigged(tmp_path) as rig:
        job, _ = await lost(rig)
        with pytest.raises(UnknownRequest):
            await rig.engine.adopt(HOLDER, job.job_id, request_id)
        assert await rig.engine.job(HOLDER, job.job_id) == job


async def test_an_id_of_another_video_is_taken(tmp_path: Path) -> None:
    """One request is one video's: it cannot be had twice, by whomever."""
    async with rigged(tmp_path) as rig:
        job, _ = await lost(rig)
        other = await rig.finish(await rig.submit("bob", seed=9))
        with pytest.raises(RequestTaken):
            await rig.engine.adopt(HOLDER, job.job_id, other.request_id or "")
        assert await rig.engine.job(HOLDER, job.job_id) == job


async def test_a_dismissed_job_can_still_be_adopted(tmp_path: Path) -> None:
    """Dismissing takes note and sends nothing; the id may turn up later."""
    async with rigged(tmp_path) as rig:
        job, request_id = await lost(rig)
        dismissed = await rig.engine.dismiss(HOLDER, job.job_id)
        assert (dismissed.state, dismissed.dismissed) == (State.UNCERTAIN, True)
        assert (await rig.engine.dismiss(HOLDER, job.job_id)) == dismissed
        await rig.engine.adopt(HOLDER, job.job_id, request_id)
        job = await rig.finish(job)
        assert (job.state, job.dismissed, rig.accepted) == (State.SUCCEEDED, False, 1)


async def test_an_uncertain_job_is_never_sent_again(tmp_path: Path) -> None:
    """Neither by time, nor by a restart, nor by the same click."""
    async with rigged(tmp_path, Fault("submit", "lose_answer")) as rig:
        [job] = await rig.engine.submit("ann", VALUES, click_id="click-1")
        await rig.finish(job)
    clock = Clock()
    clock.at += 86_400
    async with rigged(tmp_path, clock=clock) as rig:
        [repeated] = await rig.engine.submit("ann", VALUES, click_id="click-1")
        assert (repeated.job_id, repeated.state) == (job.job_id, State.UNCERTAIN)
        await rig.finish(await rig.submit("bob", seed=8))  # what else waits is sent
        assert (rig.gate.posts, (await rig.engine.job(HOLDER, job.job_id)).state) == (1, State.UNCERTAIN)


async def in_state(rig: Rig, state: State) -> Job:
    """A job in a state, as a row says it; nobody runs it."""
    job = await rig.finish(await rig.submit())
    finished_at = job.finished_at if state in TERMINAL else None
    store = rig.store
    return await store.change(
        job.job_id,
        lambda row: replace(row, state=state, finished_at=finished_at, failure=None, version=row.version + 1),
    )


@pytest.mark.parametrize("state", [state for state in State if state is not State.UNCERTAIN])
async def test_only_uncertain_jobs_are_adopted_or_dismissed(tmp_path: Path, state: State) -> None:
    """Of any other job, in whatever state, both are illegal, and change nothing."""
    async with rigged(tmp_path) as rig:
        other = await rig.finish(await rig.submit("bob", seed=8))
        job = await in_state(rig, state)
        with pytest.raises(IllegalMove):
            await rig.engine.adopt(HOLDER, job.job_id, other.request_id or "")
        with pytest.raises(IllegalMove):
            await rig.engine.dismiss(HOLDER, job.job_id)
        with pytest.raises(IllegalMove):
            await rig.engine.resume(HOLDER, job.job_id)
        assert await rig.engine.job(HOLDER, job.job_id) == job


async def test_what_does_not_exist_cannot_be_adopted(tmp_path: Path) -> None:
    """Nor dismissed, nor resumed."""
    async with rigged(tmp_path) as rig:
        for ask in (rig.engine.dismiss, rig.engine.resume):
            with pytest.raises(JobNotFound):
                await ask(HOLDER, "nope")
        with pytest.raises(JobNotFound):
            await rig.engine.adopt(HOLDER, "nope", "00000000-0000-4000-8000-000000000000")
        assert rig.gate.requests == []


# Resuming


async def given_up(rig: Rig) -> Job:
    """A job whose deadline passed before the service was done."""
    job = await rig.until(await rig.submit(), State.IN_PROGRESS)
    rig.clock.at += 4000
    job = await rig.finish(job)
    assert (job.state, job.failure and job.failure.code) == (State.FAILED, "deadline_passed")
    return job


async def test_a_resumed_job_watches_the_same_request(tmp_path: Path) -> None:
    """Looking again is one new job however often it is asked for, and sends nothing; the failed one stays failed."""
    async with rigged(tmp_path, Fault("submit", "never_finishes")) as rig:
        job = await given_up(rig)
        record = rig.simulator.ledger.records[job.request_id]
        record.state = "in_queue"
        record.fate = None
        rig.simulator._queue.add(record)  # the service gets to it after all
        answers = await asyncio.gather(*(rig.engine.resume(HOLDER, job.job_id) for _ in range(10)))
        assert len({answer.job_id for answer in answers}) == 1
        resumed = await rig.finish(answers[0])
        assert resumed.job_id != job.job_id
        assert (resumed.state, resumed.request_id) == (State.SUCCEEDED, job.request_id)
        assert video_of(rig.library, resumed.share_id).exists()
        assert (await rig.engine.resume(HOLDER, job.job_id)).job_id == resumed.job_id
        assert await rig.engine.job(HOLDER, job.job_id) == job
        assert (rig.gate.posts, rig.accepted, await count_of(rig)) == (1, 1, 2)


async def test_what_never_was_sent_cannot_be_resumed(tmp_path: Path) -> None:
    """A job that ended before it had a request has nothing to look for."""
    async with rigged(tmp_path, Fault("submit", "no_balance")) as rig:
        job = await rig.finish(await rig.submit())
        assert job.state is State.FAILED
        with pytest.raises(IllegalMove):
            await rig.engine.resume(HOLDER, job.job_id)


async def test_what_waited_long_gets_its_whole_deadline(tmp_path: Path) -> None:
    """The hour is the service's, from the POST on: an outage before it does not count against a video that is paid."""
    async with rigged(tmp_path, render_s=0.5, deadline_s=3600) as rig:
        rig.gate.raises = httpx.ConnectError("refused")
        job = await rig.until(await rig.submit(), State.WAITING)
        rig.clock.at = job.created_at + 3590
        rig.gate.raises = None
        job = await rig.until(job, State.IN_PROGRESS)
        rig.clock.at = max(rig.clock.at, job.created_at + 3700)
        assert (await rig.finish(job)).state is State.SUCCEEDED


# Late writes


@pytest.mark.parametrize("state", sorted(TERMINAL - {State.UNCERTAIN}))
async def test_no_late_write_changes_an_end(tmp_path: Path, state: State) -> None:
    """What a run, a cancel or an answer has to say after the end is dropped."""
    async with rigged(tmp_path, queue_s=60) as rig:
        job = await rig.until(await rig.submit(), State.IN_QUEUE)
        finished_at = rig.clock.at
        end = await rig.store.change(
            job.job_id, lambda row: replace(row, state=state, finished_at=finished_at, version=row.version + 1)
        )
        for late in State:
            assert await rig.engine.updates.move(end, late, request_id="another") == end
        assert await rig.engine.worker.cancel(replace(end, state=State.IN_QUEUE, finished_at=None)) == end
        assert await rig.engine.cancel(HOLDER, job.job_id) == end
        await rig.clock.sleep(100)
        assert await rig.engine.job(HOLDER, job.job_id) == end


async def test_a_former_owners_write_is_refused(tmp_path: Path) -> None:
    """After another replica took a job over, its first owner's word counts nothing, whatever it is."""
    async with rigged(tmp_path) as rig:
        rig.gate.open.clear()
        job = await rig.until(await rig.submit(), State.SUBMITTING)
        with closing(Database(sqlite_url(tmp_path))) as database:
            leases = Leases(database, tmp_path / "others", lease_s=15)
            leases.open()
            await rig.store.change(job.job_id, lambda row: row)
            database.transact(lambda connection: connection.exec_driver_sql("UPDATE jobs SET lease_until = 0"))
            [claimed] = await leases.claim(active=1000, batch_active=1000)
            assert claimed.generation == job.generation + 1
            for state in (State.IN_QUEUE, State.FAILED, State.UNCERTAIN):
                with pytest.raises(LeaseLost):
                    await rig.engine.updates.move(job, state, finished_at=1.0)
            assert (await rig.engine.job(HOLDER, job.job_id)) == claimed
            await leases.aclose()
        rig.gate.open.set()


async def test_an_answer_that_comes_after_a_takeover_is_kept(tmp_path: Path) -> None:
    """A program sleeps through its lease in the middle of a POST; another calls the job uncertain; the answer comes.

    The job is adopted by the answer, runs on, and ends with its video; one POST is in the ledger.
    """
    async with rigged(tmp_path) as rig:
        may_go_on = asyncio.Event()

        async def hold(request: httpx.Request) -> None:
            if request.method == "POST":
                rig.gate.before = None
                await may_go_on.wait()

        rig.gate.before = hold
        job = await rig.until(await rig.submit(), State.SUBMITTING)
        # Its loops stand still: no lease is renewed, as of a process that is stopped.
        supervisor = rig.engine.supervisor
        for loop in supervisor.loops:
            loop.cancel()
        with closing(Database(sqlite_url(tmp_path))) as database:
            database.transact(
                lambda connection: connection.exec_driver_sql("UPDATE jobs SET lease_until = lease_until - 60")
            )
        async with replica(rig, tmp_path, lease_s=0.5) as other:

            async def uncertain() -> bool:
                return (await other.job(HOLDER, job.job_id)).state is State.UNCERTAIN

            await until(uncertain)
            assert rig.accepted == 0
            may_go_on.set()

            async def saved() -> bool:
                return (await other.job(HOLDER, job.job_id)).state is State.SUCCEEDED

            await until(saved)
            seen = await other.job(HOLDER, job.job_id)
            assert seen.failure is None
            assert list(rig.simulator.ledger.records) == [seen.request_id]
            assert (rig.gate.posts, rig.accepted) == (1, 1)
            assert video_of(rig.library, seen.share_id).exists()


async def test_a_mistake_in_one_loop_does_not_end_it(tmp_path: Path, caplog: Any) -> None:
    """Leases are renewed as long as the program lives, whatever goes wrong once."""
    engine = Engine(engine_settings(tmp_path, Gate(None), lease_s=0.05))
    renewed = asyncio.Event()
    failures = iter([ZeroDivisionError()])

    async def renew(running: Iterable[str]) -> None:
        for failure in failures:
            raise failure
        renewed.set()

    engine.leases.renew = renew  # type: ignore[method-assign]
    async with engine:
        await asyncio.wait_for(renewed.wait(), 30)
    assert "mistake" in caplog.text


@pytest.mark.parametrize("fault", ["the answer to a claim is lost", "the run ends by a mistake"])
async def test_a_leased_job_without_a_run_is_run_again(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lease is not renewed: after that has expired, the job goes on in the same program, and is sent once."""
    async with rigged(tmp_path, lease_s=0.3) as rig:
        leases, faults = rig.engine.leases, [fault]
        claim, run = leases.claim, Worker.run

        async def claim_in_vain(**places: Any) -> list[Job]:
            claimed = await claim(**places)
            if claimed and faults == ["the answer to a claim is lost"]:
                faults.clear()
                raise StoreUnavailable("the connection is closed")
            return claimed

        async def run_in_vain(worker: Worker, job: Job) -> None:
            if faults == ["the run ends by a mistake"]:
                faults.clear()
                raise ZeroDivisionError
            await run(worker, job)

        leases.claim = claim_in_vain  # type: ignore[method-assign]
        monkeypatch.setattr(Worker, "run", run_in_vain)
        done = await rig.finish(await rig.submit("ann"))
        assert faults == []
        assert (done.state, rig.gate.posts) == (State.SUCCEEDED, 1)


# What is removed


async def removed(rig: Rig, how: str, job: Job) -> None:
    """The job is removed with its row: its owner deleted it and days passed, or it was pruned."""
    if how == "deleted":
        await rig.engine.history.delete(job.visitor_id, [job.job_id])
        rig.clock.at += 3 * 86_400
        await empty_bin(rig.engine.queries, rig.library, rig.clock)
    else:
        before = rig.clock.now() + 1
        pruned = await prune(
            Overview(rig.engine.database), rig.engine.allowances, rig.library, before=before, really=True
        )
        assert pruned.jobs == 1
    assert await rig.store.get_many([job.job_id]) == []


@pytest.mark.parametrize("how", ["deleted", "pruned"])
async def test_the_request_of_a_removed_job_cannot_be_adopted(how: str, tmp_path: Path) -> None:
    """In no spelling that a service may take for the same; an id that was never used here can be."""
    async with rigged(tmp_path) as rig:
        gone = await rig.finish(await rig.submit("ann"))
        await removed(rig, how, gone)
        job, request_id = await lost(rig)
        used = gone.request_id or ""
        for spelt in (used, used.upper(), used.replace("-", "")):
            with pytest.raises((RequestTaken, UnknownRequest)):
                await rig.engine.adopt("ann", job.job_id, spelt)
            with pytest.raises(RequestTaken):
                await rig.store.adopt(job.job_id, spelt, rig.clock.now())
        assert (await rig.engine.adopt("ann", job.job_id, request_id)).state is State.IN_QUEUE


@pytest.mark.parametrize("how", ["deleted", "pruned", "in the bin"])
@pytest.mark.parametrize("call", [True, False])
async def test_the_click_of_a_removed_job_is_never_paid_again(how: str, call: bool, tmp_path: Path) -> None:
    """A page's click, and a program's call, however long ago; another click, and the same one of another visitor, are."""
    name: dict[str, Any] = {"call_id": "call-0"} if call else {"click_id": "click-0"}
    async with rigged(tmp_path) as rig:
        [job] = await rig.engine.submit("ann", VALUES, **name)
        job = await rig.finish(job)
        if how == "in the bin":
            await rig.engine.history.delete("ann", [job.job_id])
        else:
            await removed(rig, how, job)
        rig.clock.at += 1000 * 86_400
        with pytest.raises(AlreadyUsed):
            await rig.engine.submit("ann", VALUES, **name)
        if call:  # whoever makes it
            with pytest.raises(AlreadyUsed):
                await rig.engine.submit("bob", VALUES, **name)
        assert rig.gate.posts == 1
        for visitor_id, other in (("ann", {"click_id": "click-1"}), *((("bob", name),) if not call else ())):
            [made] = await rig.engine.submit(visitor_id, VALUES, **other)
            await rig.finish(made)
        assert rig.gate.posts == (2 if call else 3)


async def test_the_click_of_a_removed_job_moves_with_the_history(tmp_path: Path) -> None:
    """Whom the history follows does not pay for a click again, either, that the former visitor has paid for."""
    async with rigged(tmp_path) as rig:
        [job] = await rig.engine.submit("ann", VALUES, click_id="click-0")
        await removed(rig, "pruned", await rig.finish(job))
        assert await rig.engine.history.follow("ann", "new")
        with pytest.raises(AlreadyUsed):
            await rig.engine.submit("new", VALUES, click_id="click-0")
        assert rig.gate.posts == 1


async def test_a_click_that_was_made_again_does_not_break_a_rebuild(tmp_path: Path) -> None:
    """A click is known by its file after the database was lost; where it was made again before, both videos are there."""
    async with rigged(tmp_path) as rig:
        [job] = await rig.engine.submit("ann", VALUES, click_id="click-0")
        await rig.finish(job)
        kept = {path: path.read_bytes() for path in rig.library.folder.iterdir()}
    for path in tmp_path.glob(f"{DATABASE}*"):
        path.unlink()
    async with rigged(tmp_path) as rig:
        [found] = await rig.engine.submit("ann", VALUES, click_id="click-0")
        assert (found.share_id, rig.gate.posts) == (job.share_id, 0)
    for path in [*tmp_path.glob(f"{DATABASE}*"), *kept]:
        path.unlink()
    async with rigged(tmp_path) as rig:
        [repeated] = await rig.engine.submit("ann", VALUES, click_id="click-0")
        await rig.finish(repeated)
    for path, content in kept.items():
        path.write_bytes(content)
    async with rigged(tmp_path) as rig:
        assert await count_of(rig) == 2
    for path in tmp_path.glob(f"{DATABASE}*"):
        path.unlink()
    async with rigged(tmp_path) as rig:
        assert await count_of(rig) == 2


async def test_every_deleted_file_goes_and_stays_away(tmp_path: Path) -> None:
    """However many are deleted at once: their files go after the undo, and the next start finds none of them again."""
    async with rigged(tmp_path) as rig:
        many = [past_job(number, "ann", prompt="a lighthouse") for number in range(1200)]
        for start in range(0, len(many), 400):
            await rig.store.add(many[start : start + 400])
        for job in many:
            video_of(rig.library, job).write_bytes(b"a video")
        await rig.engine.history.delete("ann", [job.job_id for job in many])
        rig.clock.at += 3601
        assert await empty_bin(rig.engine.queries, rig.library, rig.clock) == 1200
        assert list(rig.library.folder.iterdir()) == []
