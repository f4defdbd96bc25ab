"""Allowances for the shared key: reserved at the click, given back if nothing was charged, never exceeded."""

import asyncio
import random
from collections.abc import Iterator
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from dreamina_ui.errors import DailyBudgetReached, DailyLimitReached, StoreError, TooManyActive, VisitorBlocked
from dreamina_ui.jobs import HOLDER, MOVES, TERMINAL, Job, State
from dreamina_ui.settings import Settings
from dreamina_ui.simulator import Fault
from dreamina_ui.storage.allowances import DAY_S, Allowances, BudgetUse, Left, Limits, midnight, month_start
from dreamina_ui.storage.database import Database
from dreamina_ui.storage.job_queries import JobQueries, Overview, Spending
from dreamina_ui.storage.job_store import JobStore
from dreamina_ui.storage.migrations import MIGRATIONS, migrate
from tests.rig import VALUES, Rig, rigged
from tests.storage.test_job_store import NO_LIMIT, NOON, a_job, clicked, ended, sent
from tests.storage.test_postgres import shared_service
from tests.waiting import until

pytestmark = pytest.mark.anyio

CLICKS, ALLOWED = 200, 50
THREE = Limits(active=1000, active_per_visitor=1000, daily=50, daily_per_visitor=3)


@dataclass
class Stores:
    database: Database
    store: JobStore
    queries: JobQueries
    at: float = NOON

    def allowances(self, limits: Limits = THREE, backend: str = "simulator") -> Allowances:
        return Allowances(self.database, limits, backend, now=lambda: self.at)

    async def left(self, visitor_id: str = "ann") -> int | None:
        return (await self.allowances().left(visitor_id)).per_visitor

    def not_given_back(self) -> set[str]:
        """The ids of jobs on the shared key whose use was not given back."""
        return set(self.rows("SELECT job_id FROM allowance_uses WHERE given_back_at IS NULL AND NOT own_key"))

    def rows(self, query: str) -> list[Any]:
        return list(self.database.transact(lambda connection: connection.scalars(sa.text(query)).all()))

    def execute(self, statement: str) -> None:
        execute(self.database, statement)


def execute(database: Database, statement: str) -> None:
    database.transact(lambda connection: connection.execute(sa.text(statement)))


@pytest.fixture
def stores(url: str) -> Iterator[Stores]:
    with closing(Database(url)) as database:
        database.prepare()
        yield Stores(database, JobStore(database), JobQueries(database))


# Uses and jobs agree


def should_count(job: Job) -> bool:
    """Whether a job counts as a use, by a rule written independently of the program's."""
    may_be_paid = {
        State.CANCELLED: job.started_at is not None,
        State.FAILED: job.request_id is not None,
    }
    return not job.own_key and may_be_paid.get(job.state, True)


async def random_history(stores: Stores, draw: random.Random, steps: int) -> dict[str, Job]:
    """Do random clicks, batches, legal moves, cancels, adoptions and deletions. Returns all jobs that were to be sent."""
    made: dict[str, Job] = {}

    def legal(job: Job) -> Job:
        state = draw.choice([job.state, *sorted(MOVES[job.state])])
        if job.state is State.UNCERTAIN or state is job.state:
            return job
        changes: dict[str, object] = {"finished_at": NOON} if state in TERMINAL else {}
        if state is State.IN_QUEUE and job.request_id is None:
            changes["request_id"] = f"request-of-{job.job_id}"
        if state is State.IN_PROGRESS:
            changes["started_at"] = NOON
        return job.move(state, **changes)

    for step in range(steps):
        act = draw.randrange(10)
        who = draw.choice(["ann", "bob"])
        rest = [job for job in made.values() if job.visitor_id == who]
        if act <= 2:
            batch_id = f"batch-{step}" if draw.random() < 0.4 else None
            own_key = draw.random() < 0.3
            names = [f"job-{step}-{number}" for number in range(draw.randint(1, 3))]
            click = clicked(*names, click_id=f"click-{step}", visitor_id=who, batch_id=batch_id, own_key=own_key)
            for _ in range(draw.randint(1, 2)):  # some browsers ask twice
                made |= {job.job_id: job for job in await stores.store.add(click, NO_LIMIT)}
        elif act == 3:
            resumed = a_job(f"again-{step}", visitor_id=who, request_id="known", state=State.IN_QUEUE)
            await stores.store.add([replace(resumed, click_id=f"resume {step}")])
        elif act == 4 and rest:
            for job in await stores.store.cancel_waiting(who, draw.choice(rest).batch_id or "", NOON):
                made[job.job_id] = job
        elif act == 5 and rest:
            await stores.queries.delete(who, [draw.choice(rest).job_id], NOON)
            await stores.queries.restore(who, [draw.choice(rest).job_id])
        elif act == 6:
            uncertain = [job for job in rest if job.state is State.UNCERTAIN]
            for job in uncertain:
                made[job.job_id] = await stores.store.adopt(job.job_id, f"found-{job.job_id}", NOON)
        elif rest:
            job = draw.choice(rest)
            made[job.job_id] = await stores.store.change(job.job_id, legal)
    return made


@pytest.mark.parametrize("seed", range(4))
async def test_the_uses_agree_with_the_jobs(stores: Stores, seed: int) -> None:
    """After any history, exactly the jobs that may have been paid count as uses."""
    made = await random_history(stores, random.Random(seed), steps=150)
    expected = {job.job_id for job in made.values() if should_count(job)}
    assert stores.not_given_back() == expected
    assert expected != made.keys()
    used = await stores.allowances().used()
    assert used == {who: sum(made[name].visitor_id == who for name in expected) for who in used}
    assert sum(used.values()) == len(expected)


async def test_a_use_is_given_back_once(stores: Stores) -> None:
    """Later changes of a free job, and a second cancel, do not change its use."""
    await stores.store.add([a_job()], THREE)
    assert await stores.left() == 2
    await stores.store.change("job-1", lambda job: job.move(State.CANCELLED, finished_at=NOON + 5))
    given_back = "SELECT given_back_at FROM allowance_uses"
    assert (await stores.left(), stores.rows(given_back)) == (3, [NOON + 5])
    await stores.store.change("job-1", lambda job: replace(job, finished_at=NOON + 9, version=job.version + 1))
    assert (await stores.left(), stores.rows(given_back)) == (3, [NOON + 5])


@pytest.mark.parametrize(
    ("end", "left"),
    [
        (ended(a_job(), State.CANCELLED), 3),
        (ended(sent(a_job()), State.CANCELLED), 3),
        (ended(a_job(), State.FAILED), 3),
        (ended(replace(sent(a_job()), started_at=NOON), State.CANCELLED), 2),
        (ended(sent(a_job()), State.FAILED), 2),
        (ended(a_job(), State.UNCERTAIN), 2),
        (ended(sent(a_job())), 2),
    ],
    ids=["unsent", "queued", "refused", "begun and cancelled", "failed there", "uncertain", "succeeded"],
)
async def test_only_what_was_not_charged_is_given_back(stores: Stores, end: Job, left: int) -> None:
    """The service does not charge for what it cancelled or refused; it may have charged for everything else."""
    await stores.store.add([a_job()], THREE)
    await stores.store.change("job-1", lambda _: end)
    assert await stores.left() == left


async def test_a_deleted_video_gives_nothing_back(stores: Stores) -> None:
    """Neither deleting a video nor emptying the bin gives its use back."""
    await stores.store.add([a_job()], THREE)
    await stores.store.change("job-1", lambda job: ended(sent(job)))
    await stores.queries.delete("ann", ["job-1"], NOON)
    assert await stores.left() == 2
    await stores.queries.forget(await stores.queries.binned(NOON + 1), made_before=NOON + 1)
    assert (await stores.store.unfinished(), stores.rows("SELECT job_id FROM jobs")) == ([], [])
    assert await stores.left() == 2


async def test_resuming_is_free_whatever_the_click_id(stores: Stores) -> None:
    """A job that is made with a request id uses nothing; a click whose id looks like that of a resumed job does."""
    await stores.store.add([a_job("again", state=State.IN_QUEUE, request_id="known", click_id="resume job-0 5")])
    assert await stores.left() == 3
    await stores.store.add([a_job("forged", click_id="resume job-0 6")], THREE)
    assert await stores.left() == 2


async def test_rebuilt_jobs_count_as_uses(stores: Stores) -> None:
    """Today's videos still count after the database was lost."""
    made = [ended(sent(a_job("a"))), ended(sent(a_job("b", created_at=NOON - DAY_S)))]
    assert (await stores.store.restore(made), await stores.store.restore(made)) == (2, 0)
    assert await stores.left() == 2


# Own keys


async def test_a_job_on_its_visitors_own_key_does_not_count(stores: Stores) -> None:
    """It needs no allowance and does not count against the shared key's limit of active jobs."""
    limits = Limits(active=2, active_per_visitor=1, daily=1, daily_per_visitor=1)
    await stores.store.add([a_job("own", own_key=True)], limits)
    await stores.store.add([a_job("shared")], limits)
    for more, error in (("own", TooManyActive), ("shared", TooManyActive)):
        with pytest.raises(error):
            await stores.store.add([a_job(f"{more} 2", own_key=more == "own")], limits)
    for name in ("own", "shared"):
        await stores.store.change(name, lambda job: ended(sent(job)))
    await stores.store.add([a_job("own 3", own_key=True)], limits)
    with pytest.raises(DailyLimitReached):
        await stores.store.add([a_job("shared 3")], limits)
    assert stores.not_given_back() == {"shared"}


# The budget of the day

TWO_DOLLARS = replace(NO_LIMIT, daily_budget_usd=2.0)


def paying(job_id: str, **values: Any) -> Job:
    return a_job(job_id, backend="runcomfy", model_id="kling/v3", **values)


async def book(stores: Stores, *job_ids: str, usd: float | None = None, **values: Any) -> None:
    """One click of jobs, each of them expected to cost so much."""
    made = [replace(paying(name, **values), click_id=job_ids[0], variation=n) for n, name in enumerate(job_ids)]
    booked = {} if usd is None else dict.fromkeys(job_ids, usd)
    await stores.store.add(made, TWO_DOLLARS, booked=booked)


async def spent(stores: Stores) -> BudgetUse:
    return await stores.allowances(TWO_DOLLARS, "runcomfy").budget_use()


async def test_a_click_that_the_budget_does_not_cover_is_refused(stores: Stores) -> None:
    """All of its jobs or none; a cheaper click still fits, and the next day begins anew."""
    await book(stores, "a", "b", usd=0.7)
    with pytest.raises(DailyBudgetReached):
        await book(stores, "c", "d", usd=0.4)
    assert await spent(stores) == BudgetUse(1.4, 0)
    await book(stores, "e", usd=0.6)
    with pytest.raises(DailyBudgetReached):
        await book(stores, "f", usd=0.000001)
    assert {job.job_id for job in await stores.store.unfinished()} == {"a", "b", "e"}
    await book(stores, "own", usd=5.0, own_key=True)
    stores.at = midnight(NOON) + DAY_S
    await book(stores, "tomorrow", usd=2.0, created_at=stores.at)
    assert await spent(stores) == BudgetUse(2.0, 0)


async def test_what_a_video_cost_takes_the_place_of_what_was_expected(stores: Stores) -> None:
    """Cheaper ones make room, dearer ones take it; a failure that the service did not charge costs nothing."""
    await book(stores, "a", "b", usd=1.0)
    await stores.store.change("a", lambda job: replace(ended(sent(job)), cost_usd=0.25))
    assert await spent(stores) == BudgetUse(1.25, 0)
    await stores.store.change("b", lambda job: replace(ended(sent(job), State.FAILED), cost_usd=0.0))
    assert await spent(stores) == BudgetUse(0.25, 0)
    await book(stores, "c", usd=1.0)
    await stores.store.change("c", lambda job: replace(ended(sent(job)), cost_usd=7.5))
    assert await spent(stores) == BudgetUse(7.75, 0)
    with pytest.raises(DailyBudgetReached):
        await book(stores, "d")


@pytest.mark.parametrize(
    ("end", "usd"),
    [
        (ended(paying("a"), State.CANCELLED), 0.0),
        (ended(sent(paying("a")), State.CANCELLED), 0.0),
        (ended(paying("a"), State.FAILED), 0.0),
        (ended(replace(sent(paying("a")), started_at=NOON), State.CANCELLED), 1.5),
        (ended(sent(paying("a")), State.FAILED), 1.5),
        (ended(paying("a"), State.UNCERTAIN), 1.5),
        (ended(sent(paying("a"))), 1.5),
    ],
    ids=["unsent", "queued", "refused", "begun and cancelled", "failed there", "uncertain", "succeeded"],
)
async def test_only_what_was_not_charged_leaves_the_budget(stores: Stores, end: Job, usd: float) -> None:
    """As with the counts; what may have been charged counts with what was expected."""
    await book(stores, "a", usd=1.5)
    await stores.store.change("a", lambda _: end)
    assert await spent(stores) == BudgetUse(usd, 0)


async def test_a_price_that_is_not_known_counts_when_it_is_reported(stores: Stores) -> None:
    """Until then it is no part of the sum, which says so; a budget that is used up refuses it all the same."""
    await book(stores, "a", "b")
    assert await spent(stores) == BudgetUse(0.0, 2)
    await stores.store.change("a", lambda job: replace(ended(sent(job)), cost_usd=1.75))
    assert await spent(stores) == BudgetUse(1.75, 1)
    await book(stores, "c", usd=0.25)
    with pytest.raises(DailyBudgetReached):
        await book(stores, "d")


async def test_the_cost_of_a_resumed_job_is_that_of_its_request(stores: Stores) -> None:
    """The job that watches the same request again has no use of its own, and finds out what the first one cost."""
    await book(stores, "a", usd=1.0)
    await stores.store.change("a", lambda job: ended(sent(job), State.FAILED))
    again = replace(sent(paying("again")), request_id="request-of-a", click_id="resume a 1")
    await stores.store.add([again])
    await stores.store.change("again", lambda job: replace(ended(job), cost_usd=0.5))
    assert await spent(stores) == BudgetUse(0.5, 0)


async def test_without_a_budget_nothing_is_refused(stores: Stores) -> None:
    """Neither is what costs nothing, whatever the budget."""
    await stores.store.add([paying("a")], NO_LIMIT, booked={"a": 1e6})
    nothing = replace(NO_LIMIT, daily_budget_usd=0.0)
    await stores.store.add([a_job("free")], nothing)
    with pytest.raises(DailyBudgetReached):
        await stores.store.add([paying("b", own_key=False)], nothing)
    await stores.store.add([paying("c", own_key=True)], nothing)


async def test_a_used_up_budget_leaves_no_videos(stores: Stores) -> None:
    """The page says so before the click."""
    allowances = stores.allowances(TWO_DOLLARS, "runcomfy")
    assert (await allowances.left("ann")).in_all is None
    await book(stores, "a", usd=2.0)
    assert (await allowances.left("ann")).in_all == 0
    assert (await stores.allowances(TWO_DOLLARS).left("ann")).in_all is None


async def test_a_used_up_budget_is_told_once_a_day(stores: Stores) -> None:
    """At 80 and at 100 percent; again after a restart it is not, and a larger budget is another one."""

    async def told(limits: Limits = TWO_DOLLARS) -> list[int]:
        return [notice.percent for notice in await stores.allowances(limits, "runcomfy").newly_used_up()]

    await book(stores, "a", usd=1.5)
    assert await told() == []
    await book(stores, "b", usd=0.1)
    assert (await told(), await told()) == ([80], [])
    await book(stores, "c", usd=0.4)
    assert (await told(), await told()) == ([100], [])
    assert await told(replace(TWO_DOLLARS, daily_budget_usd=2.2)) == [80]
    stores.at += DAY_S
    assert await told() == []
    await book(stores, "d", usd=2.0, created_at=stores.at)
    assert await told() == [80, 100]
    assert await told(NO_LIMIT) == []


async def test_the_owners_sums_keep_this_months_uses(stores: Stores) -> None:
    """What is pruned is older; the sums are by model and kind of key, and jobs that cost nothing are in none."""
    await book(stores, "a", usd=1.0)
    await book(stores, "b", own_key=True)
    await book(stores, "c")
    await stores.store.change("b", lambda job: replace(ended(sent(job)), cost_usd=0.5))
    await stores.store.change("c", lambda job: job.cancel(NOON))
    await stores.store.add([paying("old", created_at=month_start(NOON) - 1)])
    await stores.allowances().forget(NOON + DAY_S)
    overview = Overview(stores.database)
    sums = [Spending("runcomfy", False, "kling/v3", 1, 0.0, 1), Spending("runcomfy", True, "kling/v3", 1, 0.5, 0)]
    assert await overview.spending(0.0, by_model=True) == sums
    assert await overview.spending(0.0) == [replace(each, model_id="") for each in sums]
    assert await overview.spending(NOON + 1) == []


# What is left


async def test_what_is_left(stores: Stores) -> None:
    """What is left for the visitor and in all, until midnight (UTC); None is no limit."""
    limits = Limits(9, 9, daily=4, daily_per_visitor=3)
    renews_at = midnight(NOON) + DAY_S
    await stores.store.add(clicked("a", "b"), limits)
    await stores.store.add(clicked("c", visitor_id="bob"), limits)
    assert await stores.allowances(limits).left("ann") == Left(1, 1, renews_at)
    assert await stores.allowances(limits).left("cem") == Left(3, 1, renews_at)
    assert await stores.allowances(NO_LIMIT).left("ann") == Left(None, None, renews_at)
    assert await stores.allowances(limits, "runcomfy").left("ann") == Left(3, 4, renews_at)
    assert await stores.allowances(Limits(9, 9, daily=1, daily_per_visitor=1)).left("ann") == Left(0, 0, renews_at)
    stores.at = renews_at
    assert await stores.allowances(limits).left("ann") == Left(3, 4, renews_at + DAY_S)


async def test_a_clock_that_is_behind_gives_no_second_allowance(stores: Stores) -> None:
    """A replica whose clock is a day behind counts today's uses."""
    await stores.store.add(clicked("a", "b", "c"), THREE)
    with pytest.raises(DailyLimitReached):
        await stores.store.add([a_job("late", created_at=NOON - DAY_S)], THREE)


def test_the_default_limits_of_a_space(tmp_path: Path) -> None:
    """With a shared key, the defaults are 3 videos a visitor and 50 in all; otherwise there is no limit."""
    space = {"SPACE_ID": "me/studio", "RUNCOMFY_API_TOKEN": "k" * 20, "DREAMINA_DATA_DIR": str(tmp_path)}
    limits = Limits.of(Settings.from_env(space))
    assert (limits.daily_per_visitor, limits.daily) == (3, 50)
    for other in ({**space, "DREAMINA_BACKEND": "simulator"}, {**space, "RUNCOMFY_API_TOKEN": ""}):
        limits = Limits.of(Settings.from_env(other))
        assert (limits.daily_per_visitor, limits.daily) == (None, None)


async def test_uses_of_an_older_version_count(blank_url: str) -> None:
    """The migration counts the jobs of today as uses."""
    with closing(Database(blank_url)) as database:
        before = [migration.name for migration in MIGRATIONS].index("0007_allowances")
        database.transact(lambda connection: migrate(connection, NOON, MIGRATIONS[:before]))
        columns = (
            "job_id, share_id, visitor_id, backend, model_id, payload, outputs, cancel_requested, created_at, version"
        )
        for name, rest in (
            ("free-1", "'cancelled', NULL, NULL"),
            ("free-2", "'failed', NULL, NULL"),
            ("paid-1", "'succeeded', 'r1', 2.0"),
            ("paid-2", "'cancelled', 'r2', 2.0"),
            ("paid-3", "'failed', 'r3', NULL"),
            ("paid-4", "'uncertain', NULL, NULL"),
            ("paid-5", "'waiting', NULL, NULL"),
        ):
            row = f"'{name}', '{name}', 'ann', 'simulator', 'm', '{{}}', '[]', FALSE, {NOON}, 1"
            insert = f"INSERT INTO jobs ({columns}, state, request_id, started_at) VALUES ({row}, {rest})"
            execute(database, insert)
        database.prepare()
        stores = Stores(database, JobStore(database), JobQueries(database))
        assert stores.not_given_back() == {f"paid-{number}" for number in range(1, 6)}


async def test_the_money_of_an_older_version_is_known(blank_url: str) -> None:
    """The migration takes models and costs from the jobs, those on own keys included; a resumed job is paid once."""
    with closing(Database(blank_url)) as database:
        before = [migration.name for migration in MIGRATIONS].index("0014_money")
        database.transact(lambda connection: migrate(connection, NOON, MIGRATIONS[:before]))
        columns = "job_id, share_id, visitor_id, backend, model_id, payload, outputs, cancel_requested, version"
        for name, rest in (
            ("a", f"'succeeded', 'r1', FALSE, 0.5, {NOON}"),
            ("b", f"'succeeded', 'r2', TRUE, 0.25, {NOON}"),
            ("c", f"'succeeded', 'r2', TRUE, 0.25, {NOON + 1}"),
            ("d", f"'failed', NULL, TRUE, NULL, {NOON}"),
        ):
            row = f"'{name}', '{name}', 'ann', 'runcomfy', 'kling/v3', '{{}}', '[]', FALSE, 1"
            more = "state, request_id, own_key, cost_usd, created_at"
            execute(database, f"INSERT INTO jobs ({columns}, {more}) VALUES ({row}, {rest})")
        execute(
            database,
            "INSERT INTO allowance_uses (job_id, visitor_id, backend, reserved_at) "
            f"VALUES ('a', 'ann', 'runcomfy', {NOON}), ('removed', 'ann', 'runcomfy', {NOON})",
        )
        database.prepare()
        assert await Overview(database).spending(0.0, by_model=True) == [
            Spending("runcomfy", False, "", 1, 0.0, 1),
            Spending("runcomfy", False, "kling/v3", 1, 0.5, 0),
            Spending("runcomfy", True, "kling/v3", 1, 0.25, 0),
        ]


# Blocks


async def test_a_blocked_visitor_can_read_but_not_make(tmp_path: Path) -> None:
    """Clicks and batches are refused; the history, and the jobs of a repeated earlier click, can be read."""
    async with rigged(tmp_path) as rig, AsyncExitStack() as stack:
        stores = second_connection(rig, tmp_path, stack)
        [job] = await rig.engine.submit("ann", VALUES, click_id="click-1")
        job = await rig.finish(job)
        await stores.allowances().block("ann", "too many cats")
        for attempt in (
            rig.engine.submit("ann", VALUES, click_id="click-2"),
            rig.engine.batches.submit("ann", [VALUES], "batch-1"),
        ):
            with pytest.raises(VisitorBlocked) as caught:
                await attempt
            assert "cats" not in str(caught.value)
        assert await rig.engine.submit("ann", VALUES, click_id="click-1") == [job]
        assert await rig.engine.history.page("ann", 10) == ([job], 1)
        assert rig.gate.posts == 1
        await rig.finish(await rig.submit("bob"))
        assert [(block.visitor_id, block.reason) for block in await stores.allowances().blocked()] == [
            ("ann", "too many cats")
        ]
        assert (await stores.allowances().unblock("ann"), await stores.allowances().unblock("ann")) == (True, False)
        assert (await rig.finish(await rig.submit("ann"))).state is State.SUCCEEDED


async def test_a_block_cancels_waiting_jobs(stores: Stores) -> None:
    """Unsent jobs of a batch are cancelled and given back; running jobs and other visitors' jobs continue."""
    await stores.store.add(clicked("a", "b", "c", batch_id="batch-1"), THREE)
    await stores.store.add(clicked("d", visitor_id="bob"), THREE)
    await stores.store.change("a", sent)
    await stores.store.pause("ann", "batch-1")
    assert await stores.allowances().block("ann") == 2
    assert await stores.allowances().block("ann", "again") == 0
    assert {job.job_id for job in await stores.store.unfinished()} == {"a", "d"}
    taken = await stores.store.get("b")
    assert (taken.state, taken.finished_at, taken.paused) == (State.CANCELLED, NOON, False)
    assert stores.not_given_back() == {"a", "d"}


# Closed when in doubt


async def test_a_database_that_cannot_count_sends_nothing(tmp_path: Path) -> None:
    """If uses or blocks cannot be read or written, no row is made and nothing is sent."""
    for table in ("allowance_uses", "blocks"):
        async with rigged(tmp_path / table, limits=THREE) as rig, AsyncExitStack() as stack:
            stores = second_connection(rig, tmp_path / table, stack)
            stores.execute(f"DROP TABLE {table}")
            with pytest.raises(StoreError):
                await rig.submit()
            assert (await rig.engine.history.page("ann", 10), rig.gate.requests) == (([], 0), [])


async def test_the_use_and_its_job_are_one_write(stores: Stores) -> None:
    """If one of them cannot be written, neither is."""
    await stores.store.add([a_job("a")], THREE)
    stores.database.transact(lambda c: c.execute(sa.text("DELETE FROM jobs")))
    with pytest.raises(StoreError):  # the use of a job of this name is still there
        await stores.store.add(clicked("b", "a"), THREE)
    assert (stores.rows("SELECT job_id FROM jobs"), stores.not_given_back()) == ([], {"a"})


# Through the engine


def second_connection(rig: Rig, folder: Path, stack: AsyncExitStack) -> Stores:
    """Another connection to the engine's database, like that of the owner's commands."""
    database = stack.enter_context(closing(Database(f"sqlite:///{folder / 'dreamina.sqlite3'}")))
    return Stores(database, JobStore(database), JobQueries(database), rig.clock.at)


@pytest.mark.program
async def test_two_hundred_clicks_against_an_allowance_of_fifty(tmp_path: Path) -> None:
    """Of parallel clicks by twenty visitors, exactly fifty are sent and the others are refused."""
    limits = Limits(active=1000, active_per_visitor=1000, daily=ALLOWED)
    async with rigged(tmp_path, queue_s=3600, limits=limits, deadline_s=1e9) as rig:
        clicks = (rig.submit(f"visitor-{number % 20}", seed=number) for number in range(CLICKS))
        answers = await asyncio.gather(*clicks, return_exceptions=True)
        made = [answer for answer in answers if isinstance(answer, Job)]
        assert sum(isinstance(answer, DailyLimitReached) for answer in answers) == CLICKS - ALLOWED
        for job in made:
            await rig.until(job, State.IN_QUEUE)
        assert (len(made), rig.gate.posts, rig.accepted) == (ALLOWED, ALLOWED, ALLOWED)


async def test_two_hundred_clicks_on_two_replicas(tmp_path: Path, postgres_url: str) -> None:
    """Two replicas on one PostgreSQL database send exactly fifty together."""
    limits = Limits(active=1000, active_per_visitor=1000, daily=ALLOWED)
    async with shared_service(tmp_path, postgres_url, queue_s=3600) as shared:
        (one, store), (two, _) = [await shared.start(limits=limits) for _ in range(2)]
        clicks = (
            (one, two)[number % 2].submit(f"visitor-{number % 20}", {**VALUES, "seed": number})
            for number in range(CLICKS)
        )
        answers = await asyncio.gather(*clicks, return_exceptions=True)
        assert sum(isinstance(answer, DailyLimitReached) for answer in answers) == CLICKS - ALLOWED

        async def all_sent() -> bool:
            return all(job.request_id for job in await store.unfinished())

        await until(all_sent)
        assert (len(await store.unfinished()), shared.gate.posts, shared.accepted) == (ALLOWED, ALLOWED, ALLOWED)


async def test_cancelled_jobs_give_their_uses_back(tmp_path: Path) -> None:
    """After a cancel in the queue, or a refusal by the service, the next click fits."""
    limits = Limits(active=1000, active_per_visitor=1000, daily_per_visitor=2)
    async with rigged(tmp_path, queue_s=3600, limits=limits) as rig, AsyncExitStack() as stack:
        stores = second_connection(rig, tmp_path, stack)
        for _ in range(3):
            jobs = [await rig.until(await rig.submit(), State.IN_QUEUE) for _ in range(2)]
            with pytest.raises(DailyLimitReached):
                await rig.submit()
            for job in jobs:
                assert (await rig.engine.cancel(HOLDER, job.job_id)).state is State.CANCELLED
                assert (await rig.engine.cancel(HOLDER, job.job_id)).state is State.CANCELLED
        rig.simulator.faults.add(Fault("submit", "no_balance"))
        assert (await rig.finish(await rig.submit())).state is State.FAILED
        assert (await stores.allowances(limits).left("ann")).per_visitor == 2


async def test_without_a_limit_nothing_is_counted(tmp_path: Path) -> None:
    """Each page asks for it: the database is not read, here one that is closed."""
    with closing(Database(f"sqlite:///{tmp_path / 'closed.sqlite3'}")) as database:
        pass
    left = await Allowances(database, Limits(active=1, active_per_visitor=1), "simulator", now=lambda: NOON).left("ann")
    assert (left.per_visitor, left.in_all) == (None, None)
    assert left.renews_at > NOON
