"""A visitor's history: what a search finds, what the bin holds, and what is forgotten. The same on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace

import pytest

from dreamina_ui.jobs import TERMINAL, State
from dreamina_ui.storage.database import Database
from dreamina_ui.storage.job_queries import RUNNING, JobQueries, Search
from dreamina_ui.storage.job_store import JobStore
from tests.filled import MINUTE_S, past_job

pytestmark = pytest.mark.anyio

NOW = 1_770_000_000.0
RATIO = "1440×1440(1:1)"


@dataclass(frozen=True)
class House:
    store: JobStore
    queries: JobQueries


@pytest.fixture
def house(url: str) -> Iterator[House]:
    with closing(Database(url)) as database:
        database.prepare()
        yield House(JobStore(database), JobQueries(database))


async def filled(house: House, *states: State, visitor_id: str = "ann", first: int = 0) -> list[str]:
    """A job for each state, the later the newer; gives their ids."""
    made = [past_job(first + n, visitor_id, state, prompt=f"Boat number {n}") for n, state in enumerate(states)]
    await house.store.add(made)
    return [job.job_id for job in made]


async def shown(house: House, search: Search | None = None) -> list[str]:
    return [job.job_id for job in (await house.queries.page("ann", search))[0]]


async def test_pages_are_the_newest_first_and_leave_nothing_out(house: House) -> None:
    """Page after page, each job comes once; each page knows how many there are, and nobody else's are among them."""
    names = await filled(house, *[State.SUCCEEDED] * 50)
    await filled(house, State.SUCCEEDED, visitor_id="bob", first=50)
    seen = []
    for offset in (0, 24, 48, 72):
        page, count = await house.queries.page("ann", limit=24, offset=offset)
        assert count == 50
        seen += [job.job_id for job in page]
    assert seen == names[::-1]


async def test_pages_of_jobs_of_the_same_moment(house: House) -> None:
    """Pages follow each other without gaps or repeats, also if many jobs were made in the same moment."""
    for number in range(7):
        job = past_job(number, "ann", prompt="Boat")
        await house.store.add([replace(job, job_id=str(number), created_at=NOW + number // 3)])
    pages = [(await house.queries.page("ann", limit=3, offset=offset))[0] for offset in (0, 3, 6, 9)]
    assert [[job.job_id for job in page] for page in pages] == [["6", "5", "4"], ["3", "2", "1"], ["0"], []]
    assert await house.queries.page("nobody", limit=3) == ([], 0)


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
async def test_a_search_narrows(house: House, search: Search, found: list[int]) -> None:
    """Words in any order and case, letters of any alphabet, and a per cent sign that is only itself."""
    made = [
        past_job(0, "ann", prompt="The sea, a lighthouse", frames=241),
        past_job(1, "ann", prompt="100% cotton", aspect_ratio=RATIO),
        past_job(2, "ann", State.FAILED, prompt="Ein BÜRO bei Nacht"),
        past_job(3, "ann", State.IN_PROGRESS, prompt="A calm sea"),
    ]
    await house.store.add(made)
    assert await shown(house, search) == [made[number].job_id for number in found]
    assert (await house.queries.page("ann", search))[1] == len(found)


async def test_the_bin_takes_what_has_ended_and_gives_it_back(house: House) -> None:
    """A deleted job is not shown and comes back where it was; a running one, and somebody else's, stay where they are."""
    names = await filled(house, State.SUCCEEDED, State.FAILED, State.IN_PROGRESS)
    theirs = await filled(house, State.SUCCEEDED, visitor_id="bob", first=9)
    assert await house.queries.delete("ann", [*names, *theirs], NOW) == 2
    assert await shown(house) == names[2:]
    assert (await house.queries.page("bob"))[1] == 1
    assert await house.queries.restore("bob", names) == 0
    assert await house.queries.restore("ann", names) == 2
    assert await shown(house) == names[::-1]
    assert [job.job_id for job in await house.queries.binned(NOW + 1)] == []


async def test_only_videos_that_lay_in_the_bin_long_enough_are_cleaned_away(house: House) -> None:
    """The clean-up is told of finished videos alone, and of none that was deleted after the time it names."""
    names = await filled(house, State.SUCCEEDED, State.SUCCEEDED, State.FAILED)
    await house.queries.delete("ann", [names[0], names[2]], NOW)
    await house.queries.delete("ann", [names[1]], NOW + 60)
    assert [job.job_id for job in await house.queries.binned(NOW + 1)] == [names[0]]


@pytest.mark.parametrize("state", sorted(TERMINAL))
async def test_a_row_in_the_bin_is_forgotten(house: House, state: State) -> None:
    """After its time an ended job's row goes; one that is younger, or was deleted later, or not at all, stays."""
    old, later, kept = await filled(house, state, state, state)
    young = past_job(9, "ann", state, prompt="young")
    await house.store.add([young])
    await house.queries.delete("ann", [old, young.job_id], NOW)
    await house.queries.delete("ann", [later], NOW + 60)
    await house.queries.forget(NOW + 1, made_before=young.created_at)
    there = {job.job_id for job in await house.store.get_many([old, later, kept, young.job_id])}
    assert there == {later, kept, young.job_id}


async def test_a_row_that_runs_is_never_forgotten(house: House) -> None:
    """A job that runs again while its row lies in the bin keeps its row: its video is paid for."""
    [name] = await filled(house, State.UNCERTAIN)
    await house.queries.delete("ann", [name], NOW)
    # Not by an adoption, which takes it out of the bin: whatever sets it going, the row must outlast it.
    await house.store.change(name, lambda job: replace(job, state=State.IN_QUEUE, finished_at=None))
    await house.queries.forget(NOW + MINUTE_S, made_before=NOW)
    assert (await house.store.get(name)).state is State.IN_QUEUE
    await house.store.change(name, lambda job: replace(job, state=State.FAILED, finished_at=NOW))
    await house.queries.forget(NOW + MINUTE_S, made_before=NOW)
    assert await house.store.get_many([name]) == []
