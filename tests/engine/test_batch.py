"""Batches: many videos from one order, a few at a time, over pauses and restarts, each sent once."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from dreamina_ui.cards.batches.plans import BATCH_MOST
from dreamina_ui.errors import DailyLimitReached, DiskFull, InvalidInput, KeyMissing, TooManyActive
from dreamina_ui.jobs import HOLDER, Job, State
from dreamina_ui.simulator import Fault
from dreamina_ui.storage.allowances import Limits
from dreamina_ui.storage.database import Database
from dreamina_ui.storage.job_store import JobStore
from dreamina_ui.storage.leases import Leases
from tests.rig import VALUES, Rig, rigged
from tests.storage.test_job_store import a_job
from tests.waiting import until

pytestmark = pytest.mark.anyio

FOUR = Limits(active=100, active_per_visitor=4)


def payloads(count: int, **values: Any) -> list[dict[str, Any]]:
    return [{**VALUES, "prompt": f"number {number}", "seed": number, **values} for number in range(count)]


async def all_ended(rig: Rig, batch_id: str = "b", visitor_id: str = "ann") -> list[Job]:
    async def ended() -> bool:
        return all(job.ended for job in await rig.engine.batches.jobs(visitor_id, batch_id))

    await until(ended, within_s=60)
    return await rig.engine.batches.jobs(visitor_id, batch_id)


async def states(rig: Rig, batch_id: str = "b", visitor_id: str = "ann") -> Counter[State]:
    return Counter(job.state for job in await rig.engine.batches.jobs(visitor_id, batch_id))


async def sent(rig: Rig, count: int) -> None:
    """Wait until the service has accepted so many, and no job is between its intent and the answer."""
    await until(lambda: rig.accepted == count)

    async def is_answered() -> bool:
        jobs = [*await rig.engine.batches.jobs("ann", "b"), *await rig.engine.batches.jobs("bob", "b")]
        return not any(job.state is State.SUBMITTING for job in jobs)

    await until(is_answered)


def prompts_paid(rig: Rig) -> list[str]:
    return sorted(record.input["prompt"] for record in rig.simulator.ledger.records.values())


def nothing_runs() -> bool:
    return not any(task.get_name().startswith("job ") for task in asyncio.all_tasks())


class Crowd:
    """Counts what is at the service at once: accepted and not ended, or on its way there."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self.most = 0
        rig.gate.before = self._look

    async def _look(self, request: httpx.Request) -> None:
        upstream = sum(not record.ended for record in self._rig.simulator.ledger.records.values())
        being_sent = request.method == "POST" and "/models/" in request.url.path
        self.most = max(self.most, upstream + being_sent)


# Its turn


async def test_a_few_at_a_time(tmp_path: Path) -> None:
    """Thirty videos with a limit of four: never more than four at the service, the next at once, in their order."""
    async with rigged(tmp_path, limits=FOUR, render_s=0.05) as rig:
        crowd = Crowd(rig)
        made = await rig.engine.batches.submit("ann", payloads(30), "b")
        assert [job.variation for job in made] == list(range(30))
        assert {job.batch_id for job in made} == {"b"}
        jobs = await all_ended(rig)
        assert [job.job_id for job in jobs] == [job.job_id for job in made]
        assert {job.state for job in jobs} == {State.SUCCEEDED}
        assert (rig.accepted, rig.gate.posts) == (30, 30)
        assert 1 < crowd.most <= 4
        sent = [job.submitted_at or 0 for job in jobs]
        assert all(later >= earlier for earlier, later in zip(sent, sent[4:], strict=False))


async def test_settings_are_sent_as_they_were_planned(tmp_path: Path) -> None:
    """Given seeds are not counted up as a click's are, and each random one is drawn here."""
    async with rigged(tmp_path) as rig:
        jobs = await rig.engine.batches.submit("ann", [*payloads(2, seed=7), *payloads(2, seed=-1)], "b")
        seeds = [job.payload["seed"] for job in jobs]
        assert seeds[:2] == [7, 7]
        assert len({*seeds[2:]}) == 2
        assert min(seeds) >= 0
        await all_ended(rig)
        assert sorted(record.input["seed"] for record in rig.simulator.ledger.records.values()) == sorted(seeds)


async def test_jobs_that_end_badly_free_their_places(tmp_path: Path) -> None:
    """Refused, failed and uncertain jobs give their place to the next."""
    faults = (
        Fault("submit", "no_balance"),
        Fault("submit", "lose_answer"),
        Fault("result", "failed_result", error="nsfw"),
    )
    async with rigged(tmp_path, *faults, limits=Limits(100, 1)) as rig:
        await rig.engine.batches.submit("ann", payloads(6), "b")
        ends = Counter(job.state for job in await all_ended(rig))
        assert ends == {State.FAILED: 2, State.UNCERTAIN: 1, State.SUCCEEDED: 3}
        assert rig.gate.posts == 6


async def test_a_click_does_not_wait_for_a_batch(tmp_path: Path) -> None:
    """A batch takes none of a visitor's places for clicks, and the clicks none of the batch's."""
    async with rigged(tmp_path, limits=Limits(active=100, active_per_visitor=2), queue_s=60) as rig:
        await rig.engine.batches.submit("ann", payloads(10), "b")
        for _ in range(2):
            await rig.until(await rig.submit("ann"), State.IN_QUEUE)
        with pytest.raises(TooManyActive):
            await rig.submit("ann")
        await sent(rig, 4)
        assert await states(rig) == {State.IN_QUEUE: 2, State.WAITING: 8}


async def test_batches_of_all_visitors_have_a_limit(tmp_path: Path) -> None:
    """Batches fill what is left of everybody's limit, in turn by visitor; what waits in line keeps nobody out."""
    async with rigged(tmp_path, limits=Limits(active=5, active_per_visitor=4), queue_s=60) as rig:
        await rig.submit("cleo")
        for visitor_id in ("ann", "bob"):
            await rig.engine.batches.submit(visitor_id, payloads(20), "b")
        await sent(rig, 5)
        assert await states(rig, visitor_id="ann") == {State.IN_QUEUE: 4, State.WAITING: 16}
        assert await states(rig, visitor_id="bob") == {State.WAITING: 20}
        with pytest.raises(TooManyActive) as caught:
            await rig.submit("dora")
        assert caught.value.facts["scope"] == "all"
        await rig.engine.cancel(HOLDER, (await rig.engine.batches.jobs("ann", "b"))[0].job_id)
        await rig.submit("dora")


async def test_visitors_batches_take_turns(tmp_path: Path) -> None:
    """A visitor who comes after a long batch of somebody else's does not wait for its end."""
    async with rigged(tmp_path, limits=Limits(active=2, active_per_visitor=2), render_s=0.02) as rig:
        await rig.engine.batches.submit("ann", payloads(20), "b")
        await rig.engine.batches.submit("bob", payloads(4), "b")
        await all_ended(rig, visitor_id="bob")
        assert not all(job.ended for job in await rig.engine.batches.jobs("ann", "b"))


async def test_waiting_unsent_does_not_count_for_the_deadline(tmp_path: Path) -> None:
    """The deadline is the service's: hours in line, before anything was sent, do not count."""
    async with rigged(tmp_path, limits=FOUR, deadline_s=600, render_s=0.02) as rig:
        await rig.engine.batches.submit("ann", payloads(6), "b")
        await rig.engine.batches.pause("ann", "b")
        rig.clock.at += 86_400
        await rig.engine.batches.go_on("ann", "b")
        assert {job.state for job in await all_ended(rig)} == {State.SUCCEEDED}


# Pausing and taking back


async def test_a_paused_batch_sends_nothing_more_until_it_goes_on(tmp_path: Path) -> None:
    """What was sent ends as it would, the rest waits; going on sends it, each once."""
    async with rigged(tmp_path, limits=FOUR, render_s=0.3) as rig:
        await rig.engine.batches.submit("ann", payloads(12), "b")
        await until(lambda: rig.accepted >= 4)
        assert await rig.engine.batches.pause("ann", "b") >= 8
        assert await rig.engine.batches.pause("ann", "b") == 0
        await until(nothing_runs)
        jobs = await rig.engine.batches.jobs("ann", "b")
        assert Counter((job.state, job.paused) for job in jobs) == {
            (State.SUCCEEDED, False): 4,
            (State.WAITING, True): 8,
        }
        assert rig.accepted == 4
        assert await rig.engine.batches.go_on("ann", "b") == 8
        jobs = await all_ended(rig)
        assert {(job.state, job.paused) for job in jobs} == {(State.SUCCEEDED, False)}
        assert (rig.accepted, rig.gate.posts) == (12, 12)


async def test_jobs_that_could_not_be_sent_are_paused_too(tmp_path: Path) -> None:
    """Jobs that keep trying to reach the service stop trying when their batch is paused, and start anew afterwards."""
    async with rigged(tmp_path, limits=FOUR) as rig:
        rig.gate.raises = httpx.ConnectError("refused")
        await rig.engine.batches.submit("ann", payloads(6), "b")
        await until(lambda: rig.gate.posts >= 4)
        assert await rig.engine.batches.pause("ann", "b") == 6
        await until(nothing_runs)
        rig.gate.raises = None
        assert await states(rig) == {State.WAITING: 6}
        assert rig.accepted == 0
        await rig.engine.batches.go_on("ann", "b")
        assert {job.state for job in await all_ended(rig)} == {State.SUCCEEDED}
        assert rig.accepted == 6


async def test_a_pause_outlives_a_restart(tmp_path: Path) -> None:
    """A program that starts over a paused batch leaves it paused."""
    async with rigged(tmp_path, limits=FOUR, render_s=60) as rig:
        await rig.engine.batches.submit("ann", payloads(8), "b")
        await sent(rig, 4)
        await rig.engine.batches.pause("ann", "b")
    async with rigged(tmp_path, limits=FOUR) as rig:
        await until(nothing_runs)
        assert await states(rig) == {State.SUCCEEDED: 4, State.WAITING: 4}
        await rig.engine.batches.go_on("ann", "b")
        assert {job.state for job in await all_ended(rig)} == {State.SUCCEEDED}


async def test_a_batch_that_was_sent_whole_is_cancelled_in_the_queue(tmp_path: Path) -> None:
    """Three videos that are all at the service can be cancelled as long as they wait there; a pause finds nothing to hold."""
    async with rigged(tmp_path, limits=FOUR, queue_s=60.0) as rig:
        await rig.engine.batches.submit("ann", payloads(3), "b")

        async def all_queue() -> bool:
            return await states(rig) == {State.IN_QUEUE: 3}

        await until(all_queue)
        assert await rig.engine.batches.pause("ann", "b") == 0
        assert await rig.engine.batches.cancel("bob", "b") == 0
        assert await rig.engine.batches.cancel("ann", "b") == 3
        jobs = await all_ended(rig)
        assert {(job.state, job.cancel_outcome) for job in jobs} == {(State.CANCELLED, "cancelled")}
        assert await rig.engine.batches.cancel("ann", "b") == 0


async def test_unsent_jobs_of_a_batch_are_cancelled(tmp_path: Path) -> None:
    """What waits is cancelled and costs nothing, paused or not; what is being made goes on. Watchers hear of it."""
    async with rigged(tmp_path, limits=FOUR, render_s=1.0) as rig:

        async def four_are_made() -> bool:
            return (await states(rig))[State.IN_PROGRESS] == 4

        made = await rig.engine.batches.submit("ann", payloads(12), "b")
        await until(lambda: rig.accepted >= 4)
        await until(four_are_made)
        last = asyncio.create_task(rig.finish(made[-1]))
        await asyncio.sleep(0)
        await rig.engine.batches.pause("ann", "b")
        cancelled = await rig.engine.batches.cancel("ann", "b")
        assert (await last).state is State.CANCELLED
        jobs = await all_ended(rig)
        ends = Counter(job.state for job in jobs)
        assert ends == {State.SUCCEEDED: 4, State.CANCELLED: 8}
        assert (rig.accepted, cancelled) == (4, 8)
        assert all(
            job.cancel_requested and job.finished_at and not job.paused for job in jobs if job.state is State.CANCELLED
        )
        assert await rig.engine.batches.cancel("ann", "b") == 0


async def test_one_job_of_a_batch_is_cancelled(tmp_path: Path) -> None:
    """A job in line can be cancelled by itself, like any other."""
    async with rigged(tmp_path, limits=FOUR, queue_s=60) as rig:
        made = await rig.engine.batches.submit("ann", payloads(6), "b")
        assert (await rig.engine.cancel(HOLDER, made[-1].job_id)).state is State.CANCELLED
        assert (await states(rig))[State.CANCELLED] == 1


# Whole, and once


async def test_a_restart_goes_on_where_it_was(tmp_path: Path) -> None:
    """What was sent is watched and not sent again, the rest is sent; the limit holds on both sides."""
    async with rigged(tmp_path, limits=FOUR, render_s=60) as rig:
        await rig.engine.batches.submit("ann", payloads(12), "b")
        await sent(rig, 4)
    async with rigged(tmp_path, limits=FOUR, render_s=0.02) as rig:
        crowd = Crowd(rig)
        assert {job.state for job in await all_ended(rig)} == {State.SUCCEEDED}
        assert rig.gate.posts == 8
        assert crowd.most <= 4
        assert prompts_paid(rig) == sorted(f"number {number}" for number in range(12))


async def test_the_same_batch_id_twice_is_one_batch(tmp_path: Path) -> None:
    """The same id of the same visitor gives the same jobs, also at the same moment; another visitor's is another batch."""
    async with rigged(tmp_path) as rig:
        orders = await asyncio.gather(*(rig.engine.batches.submit("ann", payloads(5), "b") for _ in range(4)))
        ids = [[job.job_id for job in order] for order in orders]
        assert all(order == ids[0] for order in ids)
        bobs = await rig.engine.batches.submit("bob", payloads(5), "b")
        assert not {job.job_id for job in bobs} & set(ids[0])
        await all_ended(rig)
        await all_ended(rig, visitor_id="bob")
        assert [job.job_id for job in await rig.engine.batches.submit("ann", payloads(5), "b")] == ids[0]
        assert rig.accepted == 10


async def test_limits_of_a_day_refuse_all_or_nothing(tmp_path: Path) -> None:
    """A batch that does not fit into what is left of the day makes no row; one that fits counts in full."""
    limits = Limits(active=20, active_per_visitor=2, daily=8, daily_per_visitor=5)
    async with rigged(tmp_path, limits=limits) as rig:
        with pytest.raises(DailyLimitReached):
            await rig.engine.batches.submit("ann", payloads(6), "too many")
        assert await rig.engine.history.page("ann", 10) == ([], 0)
        await rig.engine.batches.submit("ann", payloads(5), "b")
        with pytest.raises(DailyLimitReached):
            await rig.submit("ann")
        with pytest.raises(DailyLimitReached) as caught:
            await rig.engine.batches.submit("bob", payloads(4), "b")
        assert caught.value.facts["scope"] == "all"
        await rig.engine.batches.submit("bob", payloads(3), "b")
        await all_ended(rig)
        await all_ended(rig, visitor_id="bob")
        assert rig.accepted == 8


async def test_one_bad_line_sends_nothing(tmp_path: Path) -> None:
    """Everything is checked before a row is made."""
    async with rigged(tmp_path) as rig:
        for bad in (
            [*payloads(3), {**VALUES, "seed": "x"}],
            [*payloads(3), {}],
            [],
            payloads(BATCH_MOST + 1),
        ):
            with pytest.raises(InvalidInput):
                await rig.engine.batches.submit("ann", bad, "b")
        for batch_id in ("", "x" * 101, "a\0b", "\n"):
            with pytest.raises(InvalidInput):
                await rig.engine.batches.submit("ann", payloads(3), batch_id)
        assert await rig.engine.history.page("ann", 10) == ([], 0)
        assert (await rig.engine.history.latest("ann")).batch is None
        assert rig.gate.requests == []


async def test_what_stops_a_click_stops_a_batch(tmp_path: Path) -> None:
    """Without a key or without room nothing is made."""
    async with rigged(tmp_path / "a", backend="runcomfy") as rig:
        with pytest.raises(KeyMissing):
            await rig.engine.batches.submit("ann", payloads(3), "b")
    async with rigged(tmp_path / "b", room_needed=2**60) as rig:
        with pytest.raises(DiskFull):
            await rig.engine.batches.submit("ann", payloads(3), "b")
        assert await rig.engine.history.page("ann", 10) == ([], 0)


async def test_a_batch_is_its_visitors_own(tmp_path: Path) -> None:
    """Who knows a batch's id but is somebody else sees nothing of it and changes nothing."""
    async with rigged(tmp_path, limits=FOUR, queue_s=60) as rig:
        await rig.engine.batches.submit("ann", payloads(8), "b")
        assert await rig.engine.batches.jobs("bob", "b") == []
        assert (await rig.engine.history.latest("bob")).batch is None
        assert await rig.engine.batches.pause("bob", "b") == 0
        assert await rig.engine.batches.cancel("bob", "b") == 0
        assert not any(job.paused or job.ended for job in await rig.engine.batches.jobs("ann", "b"))


async def test_batches_are_found_again(tmp_path: Path) -> None:
    """The newest batch is found again; deleted videos leave it; the videos of a batch are no variations of each other."""
    async with rigged(tmp_path) as rig:
        for batch_id in ("first", "second"):
            await rig.engine.batches.submit("ann", payloads(3), batch_id)
            await all_ended(rig, batch_id)
            rig.clock.at += 1
        assert (await rig.engine.history.latest("ann")).batch == "second"
        jobs = await rig.engine.batches.jobs("ann", "second")
        assert await rig.engine.history.siblings(jobs[1]) == [jobs[1]]
        await rig.engine.history.delete("ann", [jobs[0].job_id])
        assert await rig.engine.batches.jobs("ann", "second") == jobs[1:]
        await rig.engine.history.delete("ann", [job.job_id for job in jobs])
        assert (await rig.engine.history.latest("ann")).batch == "first"


# Several replicas, on both databases


@pytest.fixture
def replicas(url: str, tmp_path: Path) -> Iterator[list[tuple[JobStore, Leases]]]:
    """Three programs over one database."""
    with ExitStack() as stack:
        databases = [stack.enter_context(closing(Database(url))) for _ in range(3)]
        for database in databases:
            database.prepare()
        yield [(JobStore(database), Leases(database, tmp_path / "owners")) for database in databases]


def in_line(count: int, visitor_id: str = "ann", **values: Any) -> list[Job]:
    return [
        a_job(
            f"{visitor_id}-{number}",
            visitor_id=visitor_id,
            click_id=f"batch of {visitor_id}",
            batch_id=f"batch of {visitor_id}",
            variation=number,
            **values,
        )
        for number in range(count)
    ]


def names(claimed: list[list[Job]]) -> list[str]:
    return sorted(job.job_id for jobs in claimed for job in jobs)


async def test_replicas_that_count_at_once_keep_the_limit(replicas: list[tuple[JobStore, Leases]]) -> None:
    """However many look at the same moment, and however often, each place is given once, to the oldest."""
    store = replicas[0][0]
    await store.add(in_line(20))
    for _ in range(3):
        claims = (leases.claim(active=100, batch_active=4) for _ in range(3) for _, leases in replicas)
        claimed = await asyncio.gather(*claims)
        if any(claimed):
            assert names(claimed) == [f"ann-{number}" for number in range(4)]
    await store.change("ann-0", lambda job: replace(job, state=State.SUCCEEDED, finished_at=1.0))
    claimed = await asyncio.gather(*(leases.claim(active=100, batch_active=4) for _, leases in replicas))
    assert names(claimed) == ["ann-4"]


async def test_sent_jobs_are_taken_over_beyond_the_limit(replicas: list[tuple[JobStore, Leases]]) -> None:
    """After all owners died, what is at the service is taken over, also beyond the limit, and nothing is added to it."""
    store, leases = replicas[0]
    await store.add([replace(job, state=State.IN_QUEUE, request_id=job.job_id) for job in in_line(6)])
    await store.add(in_line(6, "bob"))
    assert names([await leases.claim(active=100, batch_active=4)]) == [
        *(f"ann-{number}" for number in range(6)),
        *(f"bob-{number}" for number in range(4)),
    ]
    assert await leases.claim(active=100, batch_active=4) == []


async def test_held_rows_are_not_claimed(replicas: list[tuple[JobStore, Leases]]) -> None:
    """A pause and a cancel count in the database, whichever replica is asked; what was let go of can be taken again."""
    (store, leases), (other, others_leases), _ = replicas
    await store.add(in_line(6))
    first = await leases.claim(active=100, batch_active=4)
    assert [job.variation for job in first] == [0, 1, 2, 3]
    assert [job.version for job in await other.pause("ann", "batch of ann")] == [2] * 6
    await leases.release(first[0])
    assert await others_leases.claim(active=100, batch_active=4) == []
    assert len(await store.go_on("ann", "batch of ann")) == 6
    assert names([await others_leases.claim(active=100, batch_active=4)]) == ["ann-0"]
    await leases.release(first[0])  # no longer its own: nothing happens
    assert await leases.claim(active=100, batch_active=4) == []
    cancelled = await other.cancel_waiting("ann", "batch of ann", 1.0)
    assert {(job.state, job.cancel_requested, job.finished_at) for job in cancelled} == {(State.CANCELLED, True, 1.0)}
    assert await store.unfinished() == []
