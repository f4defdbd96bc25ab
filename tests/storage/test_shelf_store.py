"""The rows of the shelf, on SQLite and on PostgreSQL."""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from dreamina_ui.errors import InvalidInput, NotOnShelf, ShelfFull
from dreamina_ui.storage.database import Database
from dreamina_ui.storage.job_queries import JobQueries
from dreamina_ui.storage.shelf_store import SHELF_MOST, UNDO_S, Kept, ShelfStore, numbered

pytestmark = pytest.mark.anyio
NOW = 1_770_000_000.0
DIGEST = "d" * 32


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    with closing(Database(url)) as database:
        database.prepare()
        yield database


@pytest.fixture
def store(database: Database) -> ShelfStore:
    return ShelfStore(database)


def kept(number: int, name: str = "", visitor_id: str = "ann") -> Kept:
    payload = {"prompt": f'Boat {number}, "海"', "seed": number, "nothing": None}
    return Kept(
        shelf_id=f"{visitor_id}-{number}",
        visitor_id=visitor_id,
        name=name or f"Boat {number}",
        model_id="some/model",
        payload=payload,
        created_at=NOW + number,
    )


async def test_what_is_put_on_the_shelf_is_found_again(store: ShelfStore) -> None:
    """By name, whatever its case; with its settings as they were; another visitor's is not there."""
    b, a, bobs = kept(1, "boats"), kept(2, "Anchors"), kept(3, "Boats", "bob")
    assert not await store.has_any("ann")
    for one in (b, a, bobs):
        assert await store.add([one]) == [one]
    assert await store.has_any("ann")
    assert await store.listed("ann") == [a, b]
    assert await store.get("ann", b.shelf_id) == b
    assert await store.known() == {a.shelf_id, b.shelf_id, bobs.shelf_id}
    with pytest.raises(NotOnShelf):
        await store.get("ann", bobs.shelf_id)


async def test_two_names_differ_by_more_than_case(store: ShelfStore) -> None:
    """A taken name is refused, or numbered; of ten at once one is taken; all of several are put there, or none."""
    await store.add([kept(1, "Boat")])
    for refused in (store.add([kept(2, "Other"), kept(3, "BOAT")]), store.add([kept(2, "a"), kept(3, "A")])):
        with pytest.raises(InvalidInput):
            await refused
    assert [one.name for one in await store.listed("ann")] == ["Boat"]
    added = await store.add([kept(2, "boat"), kept(3, "Boat 2"), kept(4, "boat")], numbers=True)
    assert [one.name for one in added] == ["boat 2", "Boat 2 2", "boat 3"]
    await store.rename("ann", "ann-1", "BOAT")
    with pytest.raises(InvalidInput):
        await store.rename("ann", "ann-1", "boat 3")
    results = await asyncio.gather(
        *(store.add([kept(number, "Race")]) for number in range(10, 20)), return_exceptions=True
    )
    assert sum(isinstance(result, list) for result in results) == 1


async def test_deleting_can_be_undone_for_a_while(store: ShelfStore) -> None:
    """It is back as it was, with a number if its name was given again; after an hour it is removed by the next one."""
    first = kept(1, "Boat")
    await store.add([first])
    assert await store.delete("ann", first.shelf_id, NOW) == first
    assert await store.listed("ann") == []
    with pytest.raises(NotOnShelf):
        await store.delete("ann", first.shelf_id, NOW)
    await store.add([kept(2, "BOAT")])
    with pytest.raises(NotOnShelf):
        await store.put_back("bob", first.shelf_id)
    assert await store.put_back("ann", first.shelf_id) == replace(first, name="Boat 2")
    with pytest.raises(NotOnShelf):
        await store.put_back("ann", first.shelf_id)
    await store.delete("ann", first.shelf_id, NOW)
    await store.add([replace(kept(3), created_at=NOW + UNDO_S + 1)])
    with pytest.raises(NotOnShelf):
        await store.put_back("ann", first.shelf_id)


async def test_a_shelf_is_full_at_its_limit(store: ShelfStore) -> None:
    """Also for several at once, and for what would be put back; another visitor's has room."""
    with pytest.raises(ShelfFull):
        await store.add([kept(number) for number in range(SHELF_MOST + 1)])
    await store.add([kept(number) for number in range(SHELF_MOST)])
    with pytest.raises(ShelfFull):
        await store.add([kept(SHELF_MOST)])
    await store.delete("ann", "ann-0", NOW)
    await store.add([kept(SHELF_MOST)])
    with pytest.raises(ShelfFull):
        await store.put_back("ann", "ann-0")
    await store.add([kept(1, visitor_id="bob")])
    assert len(await store.listed("ann")) == SHELF_MOST


async def test_it_moves_with_the_history(store: ShelfStore, database: Database) -> None:
    """A visitor without a video has something that follows, too."""
    queries = JobQueries(database)
    assert not await queries.has_any("ann")
    await store.add([kept(1)])
    assert await queries.has_any("ann")
    await queries.follow("ann", "carl", NOW)
    assert [one.name for one in await store.listed("carl")] == ["Boat 1"]
    assert not await queries.has_any("ann")


async def test_files_on_a_shelf_are_in_use(store: ShelfStore, database: Database) -> None:
    """So nothing removes them; they are their visitor's alone."""
    queries = JobQueries(database)
    file = f"upload:boat.png#{DIGEST}"
    await store.add([replace(kept(1), payload={"image": file})])
    assert await queries.files() == {DIGEST}
    assert await queries.has_file("ann", DIGEST)
    assert not await queries.has_file("bob", DIGEST)


async def test_lost_rows_are_made_again_once(store: ShelfStore) -> None:
    """What is there stays as it is."""
    await store.add([kept(1)])
    assert await store.restore([kept(1), kept(2)]) == 1
    assert [one.name for one in await store.listed("ann")] == ["Boat 1", "Boat 2"]


def test_a_number_fits_into_a_name() -> None:
    """A long name is cut for it."""
    assert numbered("Boat", []) == "Boat"
    assert numbered("x" * 80, ["x" * 80]) == "x" * 78 + " 2"
    assert numbered("Boat", ["boat", "boat 2"]) == "Boat 3"
