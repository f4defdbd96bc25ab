"""A visitor's history: search, pages, bin and removal of rows, on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import pytest

from dreamina_ui.jobs import TERMINAL, State
from dreamina_ui.storage.allowances import Allowances
from dreamina_ui.storage.database import Database
from dreamina_ui.storage.job_queries import RUNNING, JobQueries, Search, counted_most
from dreamina_ui.storage.job_store import JobStore
from tests.filled import MINUTE_S, past_job
from tests.rig import CARD, NO_LIMIT

pytestmark = pytest.mark.anyio

NOW = 1_770_000_000.0
RATIO = "1440×1440(1:1)"


@dataclass(frozen=True)
class Stores:
    store: JobStore
    queries: JobQueries


@pytest.fixture
def stores(url: str) -> Iterator[Stores]:
    with closing(Database(url)) as database:
        database.prepare()
        yield Stores(JobStore(database), JobQueries(database))


async def add_jobs(stores: Stores, *states: State, visitor_id: str = "ann", first: int = 0) -> list[str]:
    """Add a job for each state, later ones newer. Returns their ids."""
    made = [past_job(first + n, visitor_id, state, prompt=f"Boat number {n}") for n, state in enumerate(states)]
    await stores.store.add(made)
    return [job.job_id for job in made]


async def found_ids(stores: Stores, search: Search | None = None) -> list[str]:
    return [job.job_id for job in (await stores.queries.page("ann", search))[0]]


async def test_pages_are_complete_and_newest_first(stores: Stores) -> None:
    """Each of the visitor's jobs is on one page, each page has the count, and other visitors' jobs are on none."""
    names = await add_jobs(stores, *[State.SUCCEEDED] * 50)
    await add_jobs(stores, State.SUCCEEDED, visitor_id="bob", first=50)
    seen = []
    for offset in (0, 24, 48, 72):
        page, count = await stores.queries.page("ann", limit=24, offset=offset)
        assert count == 50
        seen += [job.job_id for job in page]
    assert seen == names[::-1]


async def test_a_long_history_is_counted_to_the_next_thousand(stores: Stores) -> None:
    """One more than that means more; the last page has the exact count. A list alone has the same jobs."""
    names = await add_jobs(stores, *[State.SUCCEEDED] * 1003)
    for offset, most, count in ((0, 1000, 1001), (976, 1000, 1001), (984, 2000, 1003)):
        assert counted_most(offset + 24) == most
        page, found = await stores.queries.page("ann", limit=24, offset=offset)
        assert found == count
        assert await stores.queries.listed("ann", limit=24, offset=offset) == page
        assert [job.job_id for job in page] == names[::-1][offset : offset + 24]


async def test_pages_of_jobs_of_the_same_moment(stores: Stores) -> None:
    """Pages follow each other without gaps or repeats, also if many jobs were made in the same moment."""
    for number in range(7):
        job = past_job(number, "ann", prompt="Boat")
        await stores.store.add([replace(job, job_id=str(number), created_at=NOW + number // 3)])
    pages = [(await stores.queries.page("ann", limit=3, offset=offset))[0] for offset in (0, 3, 6, 9)]
    assert [[job.job_id for job in page] for page in pages] == [["6", "5", "4"], ["3", "2", "1"], ["0"], []]
    assert await stores.queries.page("nobody", limit=3) == ([], 0)


@pytest.mark.parametrize(
    ("search", "found"),
    [
        (Search(words="LIGHT sea"), [0]),
        (Search(words="100%"), [1]),
        (Search(words="%"), [1]),
        (Search(words="_"), []),
        (Search(words="büro"), [2]),
        (Search(state="failed"), [2]),
        (Search(state=RUNNING), [3]),
        (Search(aspect_ratio=RATIO), [1]),
        (Search(frames=241), [0]),
        (Search(words="sea", frames=121), [3]),
    ],
)
async def test_search(stores: Stores, search: Search, found: list[int]) -> None:
    """Words match in any order, case and alphabet; a per cent sign matches only itself."""
    made = [
        past_job(0, "ann", prompt="The sea, a lighthouse", frames=241),
        past_job(1, "ann", prompt="100% cotton", aspect_ratio=RATIO),
        past_job(2, "ann", State.FAILED, prompt="Ein BÜRO bei Nacht"),
        past_job(3, "ann", State.IN_PROGRESS, prompt="A calm sea"),
    ]
    await stores.store.add(made)
    assert await found_ids(stores, search) == [made[number].job_id for number in found]
    assert (await stores.queries.page("ann", search))[1] == len(found)


async def test_delete_and_restore(stores: Stores) -> None:
    """A deleted job is hidden until it is restored; running jobs and other visitors' jobs cannot be deleted."""
    names = await add_jobs(stores, State.SUCCEEDED, State.FAILED, State.IN_PROGRESS)
    theirs = await add_jobs(stores, State.SUCCEEDED, visitor_id="bob", first=9)
    assert await stores.queries.delete("ann", [*names, *theirs], NOW) == 2
    assert await found_ids(stores) == names[2:]
    assert (await stores.queries.page("bob"))[1] == 1
    assert await stores.queries.restore("bob", names) == 0
    assert await stores.queries.restore("ann", names) == 2
    assert await found_ids(stores) == names[::-1]
    assert await stores.queries.binned(NOW + 1) == []


async def test_binned_are_jobs_that_were_deleted_long_enough_ago(stores: Stores) -> None:
    """`binned` names all jobs that were deleted before the time, in whatever state they ended."""
    names = await add_jobs(stores, State.SUCCEEDED, State.SUCCEEDED, State.FAILED)
    await stores.queries.delete("ann", [names[0], names[2]], NOW)
    await stores.queries.delete("ann", [names[1]], NOW + 60)
    expected = {(await stores.store.get(name)).share_id for name in (names[0], names[2])}
    assert set(await stores.queries.binned(NOW + 1)) == expected


async def test_the_last_cost_is_the_visitors_own(stores: Stores) -> None:
    """Of the newest finished video of that model and length, paid with the same kind of key; nobody else's is told."""

    async def add(number: int, usd: float | None, visitor_id: str = "ann", **values: Any) -> None:
        job = past_job(
            number,
            visitor_id,
            values.pop("state", State.SUCCEEDED),
            prompt="Waves",
            frames=values.pop("frames", 121),
        )
        await stores.store.add([replace(job, cost_usd=usd, **values)])

    async def last(visitor_id: str = "ann", *, frames: int | None = 121, own_key: bool = False) -> float | None:
        return await stores.queries.last_cost_usd(visitor_id, "simulator", CARD.model_id, frames, own_key=own_key)

    assert await last() is None
    await add(1, 0.40)
    await add(2, 0.42)
    await add(3, None)
    await add(4, 9.0, state=State.FAILED)
    await add(5, 0.84, frames=241)
    await add(6, 0.10, own_key=True)
    await add(7, 7.0, model_id="another/model")
    await add(8, 8.0, backend="runcomfy")
    await add(9, 0.01, "bob")
    assert [await last(), await last(frames=241), await last(own_key=True)] == [0.42, 0.84, 0.10]
    assert [await last("bob"), await last("carl"), await last(frames=None)] == [0.01, None, None]


@pytest.mark.parametrize("state", sorted(TERMINAL))
async def test_old_rows_in_the_bin_are_removed(stores: Stores, state: State) -> None:
    """The row of an ended job is removed after its time; younger ones, later deleted ones and others are kept."""
    old, later, kept = await add_jobs(stores, state, state, state)
    young = past_job(9, "ann", state, prompt="young")
    await stores.store.add([young])
    await stores.queries.delete("ann", [old, young.job_id], NOW)
    await stores.queries.delete("ann", [later], NOW + 60)
    await stores.queries.forget(await stores.queries.binned(NOW + 1), made_before=young.created_at)
    there = {job.job_id for job in await stores.store.get_many([old, later, kept, young.job_id])}
    assert there == {later, kept, young.job_id}


async def test_an_unfinished_row_in_the_bin_is_kept(stores: Stores) -> None:
    """A job that runs again while its row is in the bin keeps its row, because its video is paid."""
    [name] = await add_jobs(stores, State.UNCERTAIN)
    await stores.queries.delete("ann", [name], NOW)
    # Not by an adoption, which takes it out of the bin: whatever sets it going, the row must outlast it.
    await stores.store.change(name, lambda job: replace(job, state=State.IN_QUEUE, finished_at=None))
    await stores.queries.forget(await stores.queries.binned(NOW + MINUTE_S), made_before=NOW)
    assert (await stores.store.get(name)).state is State.IN_QUEUE
    await stores.store.change(name, lambda job: replace(job, state=State.FAILED, finished_at=NOW))
    await stores.queries.forget(await stores.queries.binned(NOW + MINUTE_S), made_before=NOW)
    assert await stores.store.get_many([name]) == []


async def test_a_history_follows_its_visitor(stores: Stores, url: str) -> None:
    """All of it moves, the bin, the used allowance and a block, too; what waits unsent for an own key is cancelled on the way."""
    states = [State.SUCCEEDED, State.FAILED, State.UNCERTAIN, State.IN_QUEUE]
    named = await add_jobs(stores, *states)
    await stores.queries.delete("ann", named[1:2], NOW)
    await add_jobs(stores, State.SUCCEEDED, visitor_id="bob", first=10)
    waiting = [
        replace(
            past_job(20 + number, "ann", State.WAITING, prompt="Tea"), own_key=own, finished_at=None, request_id=None
        )
        for number, own in enumerate((True, False))
    ]
    await stores.store.add(waiting)
    with closing(Database(url)) as database:
        allowances = Allowances(database, NO_LIMIT, "runcomfy", now=lambda: NOW)
        await allowances.block("ann", "too many")
        for _ in range(2):
            await stores.queries.follow("ann", "new", NOW)
        assert {block.visitor_id: block.reason for block in await allowances.blocked()} == {
            "ann": "too many",
            "new": "too many",
        }
    assert (await stores.queries.page("ann"))[1] == 0
    found, count = await stores.queries.page("new")
    assert count == 5
    assert await stores.queries.restore("new", named[1:2]) == 1
    after = {job.job_id: job.state for job in found}
    assert [after[name] for name in (named[0], *named[2:])] == [State.SUCCEEDED, State.UNCERTAIN, State.IN_QUEUE]
    assert after[waiting[0].job_id] is State.CANCELLED
    assert (await stores.queries.page("bob"))[1] == 1
