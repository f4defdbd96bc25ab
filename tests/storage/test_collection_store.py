"""The rows of collections, on SQLite and on PostgreSQL."""

import asyncio
import random
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace

import pytest

from dreamina_ui.errors import CollectionFull, CollectionNotFound, InvalidInput, JobNotFound, TooManyCollections
from dreamina_ui.jobs import Job, State
from dreamina_ui.storage.collection_store import COLLECTED_MOST, COLLECTIONS_MOST, Collection, CollectionStore
from dreamina_ui.storage.database import Database
from dreamina_ui.storage.job_queries import JobQueries, Search
from dreamina_ui.storage.job_store import JobStore
from tests.filled import MINUTE_S, past_job

pytestmark = pytest.mark.anyio
NOW = 1_770_000_000.0


@dataclass(frozen=True)
class Stores:
    collections: CollectionStore
    queries: JobQueries
    store: JobStore

    async def add_jobs(self, count: int, visitor_id: str = "ann", state: State = State.SUCCEEDED) -> list[Job]:
        made = [past_job(number, visitor_id, state, prompt=f"Boat {number}") for number in range(count)]
        await self.store.add(made)
        return made

    async def shown(self, collection_id: str, visitor_id: str = "ann") -> list[str]:
        """Its jobs in their order, as the history shows them; the other ways to read it give the same."""
        found, count = await self.queries.page(visitor_id, Search(collection_id=collection_id), limit=100)
        assert count == len(found)
        assert await self.collections.jobs(visitor_id, collection_id) == found
        return [job.job_id for job in found]


@pytest.fixture
def stores(url: str) -> Iterator[Stores]:
    with closing(Database(url)) as database:
        database.prepare()
        yield Stores(CollectionStore(database), JobQueries(database), JobStore(database))


def a_collection(name: str = "Best", visitor_id: str = "ann", number: int = 1) -> Collection:
    return Collection(collection_id=f"{number:032x}", visitor_id=visitor_id, name=name, created_at=NOW)


async def filled(stores: Stores, count: int) -> tuple[Collection, list[str]]:
    """A collection of ann's with so many videos, and their job ids in its order."""
    ids = [job.job_id for job in await stores.add_jobs(count)] if count else []
    one = await stores.collections.create(a_collection())
    return (await stores.collections.add("ann", one.collection_id, ids) if ids else one), ids


async def test_a_collection_keeps_its_own_order(stores: Stores) -> None:
    """Videos are added at the end, each once; they are put before another one, to the end, or moved by places."""
    one, [a, b, c, d] = await filled(stores, 4)
    this, change = one.collection_id, stores.collections
    assert await stores.shown(this) == [a, b, c, d]
    assert (await change.add("ann", this, [b, a])).share_ids == one.share_ids
    for moved, expected in (
        (change.order("ann", this, [d], before=b), [a, d, b, c]),
        (change.order("ann", this, [a, "no such job"]), [d, b, c, a]),
        (change.order("ann", this, [a, d], before="no such job"), [d, b, c, a]),
        (change.order("ann", this, [d], before=d), [d, b, c, a]),
        (change.order("ann", this, [a, b, c, d]), [a, b, c, d]),
        (change.step("ann", this, [c], -1), [a, c, b, d]),
        (change.step("ann", this, [a], -1), [a, c, b, d]),
        (change.step("ann", this, [a, b], 1), [c, d, a, b]),
        (change.step("ann", this, [b], -1000), [b, c, d, a]),
        (change.step("ann", this, [b], 1000), [c, d, a, b]),
        (change.step("ann", this, ["no such job"], 1), [c, d, a, b]),
        (change.remove("ann", this, [d, "no such job"]), [c, a, b]),
        (change.add("ann", this, [d]), [c, a, b, d]),
    ):
        await moved
        assert await stores.shown(this) == expected


async def test_a_deleted_video_is_out_and_an_undo_puts_it_back(stores: Stores) -> None:
    """In the bin it is not shown and keeps its place, also when others move; with its row, its place goes."""
    one, [a, b, c] = await filled(stores, 3)
    this = one.collection_id
    await stores.queries.delete("ann", [b], NOW)
    assert await stores.shown(this) == [a, c]
    assert await stores.collections.counts("ann") == {this: 2}
    await stores.collections.step("ann", this, [c], -1)
    assert await stores.shown(this) == [c, a]
    await stores.queries.restore("ann", [b])
    assert await stores.shown(this) == [c, a, b]
    await stores.queries.delete("ann", [b], NOW)
    await stores.queries.forget([(await stores.store.get(b)).share_id], made_before=NOW + MINUTE_S)
    assert len((await stores.collections.get("ann", this)).share_ids) == 2
    # Whoever collects what is in the bin, or is not finished, collects nothing.
    await stores.queries.delete("ann", [a], NOW)
    with pytest.raises(JobNotFound):
        await stores.collections.add("ann", this, [a])


async def test_names_are_unique_and_lists_bounded(stores: Stores) -> None:
    """A second one of the name, a video too many and a collection too many are refused, and nothing is changed."""
    change = stores.collections
    one, _ = await filled(stores, 0)
    with pytest.raises(InvalidInput):
        await change.create(a_collection("BEST", number=2))
    other = await change.create(a_collection("Others", number=2))
    with pytest.raises(InvalidInput):
        await change.rename("ann", other.collection_id, "best")
    assert (await change.rename("ann", one.collection_id, "BEST")).name == "BEST"
    await change.create(a_collection("Best", "bob", number=3))
    assert [each.name for each in await change.listed("ann")] == ["BEST", "Others"]

    ids = [job.job_id for job in await stores.add_jobs(COLLECTED_MOST + 1)]
    await change.add("ann", one.collection_id, ids[:-1])
    with pytest.raises(CollectionFull):
        await change.add("ann", one.collection_id, ids)
    assert len((await change.get("ann", one.collection_id)).share_ids) == COLLECTED_MOST
    found, count = await stores.queries.page("ann", Search(collection_id=one.collection_id), limit=24, offset=990)
    assert ([job.job_id for job in found], count) == (ids[990:1000], COLLECTED_MOST)

    for number in range(4, COLLECTIONS_MOST + 2):
        await change.create(a_collection(f"Number {number}", number=number))
    with pytest.raises(TooManyCollections):
        await change.create(a_collection("One more", number=1000))
    await change.delete("ann", other.collection_id)
    await change.create(a_collection("One more", number=1000))


async def test_many_tabs_at_once_lose_nothing(stores: Stores) -> None:
    """However moves, additions and removals of one collection mix, each video is in it once, in one order."""
    one, ids = await filled(stores, 12)
    this, change, chance = one.collection_id, stores.collections, random.Random(7)
    last = ids.pop()
    moves = [
        change.order("ann", this, chance.sample(ids, 3), before=chance.choice([*ids, None]))
        if chance.random() < 0.5
        else change.step("ann", this, chance.sample(ids, 2), chance.choice([-3, -1, 1, 5]))
        for _ in range(30)
    ]
    await asyncio.gather(*moves, change.remove("ann", this, [last]), change.add("ann", this, ids))
    assert sorted(await stores.shown(this)) == sorted(ids)


async def test_a_link_is_withdrawn_for_good(stores: Stores) -> None:
    """It shows the finished videos in their order until it is withdrawn; shared twice, it is the same."""
    one, ids = await filled(stores, 3)
    this, change = one.collection_id, stores.collections
    link, other = "a" * 32, "b" * 32
    assert (await change.share("ann", this, link)).link_id == link
    assert (await change.share("ann", this, other)).link_id == link
    name, jobs = await change.shared(link)
    assert (name, [job.job_id for job in jobs]) == ("Best", ids)
    assert (await change.withdraw("ann", this)).link_id is None
    await change.share("ann", this, other)
    assert (await change.shared(other))[1] == jobs
    for gone in (link, this):
        with pytest.raises(CollectionNotFound):
            await change.shared(gone)
    await change.delete("ann", this)
    with pytest.raises(CollectionNotFound):
        await change.shared(other)
    assert len(await stores.queries.listed("ann")) == 3


async def test_another_visitor_reads_and_changes_nothing(stores: Stores) -> None:
    """With ann's ids, bob gets the answer for what never was; and ann's videos get into none of bob's collections."""
    one, ids = await filled(stores, 2)
    this, change = one.collection_id, stores.collections
    bobs = await change.create(a_collection("Bob's", "bob", number=9))
    for asked in (
        change.get("bob", this),
        change.jobs("bob", this),
        change.rename("bob", this, "Mine"),
        change.add("bob", this, ids),
        change.remove("bob", this, ids),
        change.order("bob", this, ids[::-1]),
        change.step("bob", this, ids[:1], 1),
        change.share("bob", this, "c" * 32),
        change.withdraw("bob", this),
        change.delete("bob", this),
    ):
        with pytest.raises(CollectionNotFound):
            await asked
    with pytest.raises(JobNotFound):
        await change.add("bob", bobs.collection_id, ids)
    assert await stores.queries.page("bob", Search(collection_id=this)) == ([], 0)
    assert await change.listed("bob") == [bobs]
    assert await change.get("ann", this) == one

    await stores.queries.follow("ann", "carl", NOW)
    assert await change.get("carl", this) == replace(one, visitor_id="carl")
    assert await stores.shown(this, "carl") == ids
    assert await change.listed("ann") == []


async def test_starred_videos_are_found(stores: Stores) -> None:
    """The filter goes with the others, and stars are in the row as long as it is."""
    ids = [job.job_id for job in await stores.add_jobs(30)]
    for job_id in ids[::10]:
        await stores.store.change(job_id, lambda job: job.move(job.state, starred=True))
    found, count = await stores.queries.page("ann", Search(starred=True), limit=2)
    assert ([job.job_id for job in found], count) == ([ids[20], ids[10]], 3)
    assert [job.job_id for job in await stores.queries.listed("ann", Search("boat 10", starred=True))] == [ids[10]]
    assert await stores.queries.page("bob", Search(starred=True)) == ([], 0)
    job = await stores.store.change(ids[0], lambda job: job.move(job.state, starred=False))
    assert not job.starred
