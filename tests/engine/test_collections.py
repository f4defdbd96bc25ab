"""Stars and collections: what their visitor does with them, and that they are rebuilt from the files."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from dreamina_ui.engine.engine import Engine
from dreamina_ui.errors import CollectionFull, CollectionNotFound, DreaminaError, InvalidInput, JobNotFound
from dreamina_ui.jobs import HOLDER, Job
from dreamina_ui.storage.job_queries import Search
from dreamina_ui.storage.maintenance import prune
from tests.rig import Clock, Rig, rigged

pytestmark = pytest.mark.anyio

EMOJI = "👩\u200d🚀 🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f ❤\ufe0f"
"""A woman astronaut, England's flag, a red heart: each of several letters."""
ODD_NAMES: dict[str, str] = {
    '<b>bold</b> & "quotes" \'': '<b>bold</b> & "quotes" \'',
    "  two\n lines\tand\u2028more ": "two lines and more",
    "\u202eturned\u202c \u2066over\u2069\u200f": "turned over",
    EMOJI: EMOJI,
    "Bu\u0308ro": "Büro",
    "nul\0 and \ud800 half": "nul and half",
    "x" * 80: "x" * 80,
    "灯台の": "灯台の",
}
NO_NAMES: tuple[Any, ...] = ("", "   ", "\u202e\u200b", "\0", "\ufeff", "x" * 81, "x" * 5000, "\u0301", None, 7, ["x"])


def forget(folder: Path) -> None:
    """The database's files are deleted."""
    for path in folder.glob("dreamina.sqlite3*"):
        path.unlink()


async def made(rig: Rig, count: int, visitor_id: str = "ann") -> list[Job]:
    jobs = [await rig.submit(visitor_id, seed=number) for number in range(count)]
    return [await rig.settle(job) for job in jobs]


async def starred(engine: Engine, visitor_id: str = "ann") -> set[str]:
    return {job.share_id for job in await engine.history.listed(visitor_id, 100, search=Search(starred=True))}


async def shown(engine: Engine, collection_id: str, visitor_id: str = "ann") -> list[str]:
    return [job.share_id for job in await engine.collections.jobs(visitor_id, collection_id)]


async def test_stars_and_collections_outlive_the_database(tmp_path: Path) -> None:
    """With the database deleted, a start finds stars, names, orders and links; what was undone stays undone."""
    async with rigged(tmp_path) as rig:
        a, b, c = await made(rig, 3)
        bytes_before = rig.library.files(a)[0].path.read_bytes()
        for job in (a, b, c):
            assert (await rig.engine.star("ann", job.job_id)).starred
        assert not (await rig.engine.star(HOLDER, b.job_id, starred=False)).starred
        assert rig.library.files(a)[0].path.read_bytes() == bytes_before  # no video is written anew for a star
        change = rig.engine.collections
        best = await change.collect("ann", "Best", [c.job_id, a.job_id])
        other = await change.collect("ann", "Other", [a.job_id, b.job_id, c.job_id])
        gone = await change.collect("ann", "Gone", [a.job_id])
        await change.order("ann", other.collection_id, [c.job_id], before=a.job_id)
        link = (await change.share("ann", best.collection_id)).link_id
        await change.share("ann", other.collection_id)
        await change.withdraw("ann", other.collection_id)
        await change.delete("ann", gone.collection_id)
    forget(tmp_path)
    (tmp_path / "collections" / f"{'0' * 32}.sealed").write_text("no line of ours")
    for _ in range(2):  # the second start finds the rows
        async with rigged(tmp_path) as again:
            assert await starred(again.engine) == {a.share_id, c.share_id}
            found = await again.engine.collections.listed("ann")
            assert [(one.name, one.link_id) for one in found] == [("Best", link), ("Other", None)]
            assert await shown(again.engine, best.collection_id) == [c.share_id, a.share_id]
            assert await shown(again.engine, other.collection_id) == [c.share_id, a.share_id, b.share_id]
            name, jobs = await again.engine.collections.shared(str(link))
            assert (name, [job.share_id for job in jobs]) == ("Best", [c.share_id, a.share_id])


async def test_a_visitor_who_becomes_another_one_keeps_them(tmp_path: Path) -> None:
    """Also when the database is lost afterwards: the files name the former visitor."""
    async with rigged(tmp_path) as rig:
        [job] = await made(rig, 1)
        await rig.engine.star("ann", job.job_id)
        one = await rig.engine.collections.collect("ann", "Best", [job.job_id])
        assert await rig.engine.history.follow("ann", "carl")
        assert await shown(rig.engine, one.collection_id, "carl") == [job.share_id]
    forget(tmp_path)
    async with rigged(tmp_path) as again:
        assert await shown(again.engine, one.collection_id, "carl") == [job.share_id]
        assert await starred(again.engine, "carl") == {job.share_id}
        assert await again.engine.collections.listed("ann") == []


async def test_what_is_deleted_for_good_takes_its_star_along(tmp_path: Path) -> None:
    """Nothing of a removed video stays beside the others, and its collections go on without it."""
    clock = Clock()
    async with rigged(tmp_path, clock=clock) as rig:
        a, b = await made(rig, 2)
        await rig.engine.star("ann", a.job_id)
        one = await rig.engine.collections.collect("ann", "Best", [a.job_id, b.job_id])
        assert any(a.share_id in name for name in os.listdir(rig.library.folder))
        await rig.engine.history.delete("ann", [a.job_id])
        assert await shown(rig.engine, one.collection_id) == [b.share_id]
        with pytest.raises(JobNotFound):
            await rig.engine.star("ann", a.job_id)
        await rig.engine.history.restore("ann", [a.job_id])
        assert await shown(rig.engine, one.collection_id) == [a.share_id, b.share_id]
        from dreamina_ui.storage.job_queries import Overview

        later = clock.now() + 10
        await prune(Overview(rig.engine.database), rig.engine.allowances, rig.library, before=later, really=True)
        assert not any(a.share_id in name for name in os.listdir(rig.library.folder))
        assert await shown(rig.engine, one.collection_id) == []
    forget(tmp_path)
    async with rigged(tmp_path, clock=clock) as again:
        assert await shown(again.engine, one.collection_id) == []
        assert (await again.engine.collections.get("ann", one.collection_id)).name == "Best"


async def test_names_are_one_readable_line(tmp_path: Path) -> None:
    """Markup stays text, emoji stay whole, what turns the direction or is invisible goes; no name and long ones are refused."""
    async with rigged(tmp_path) as rig:
        change = rig.engine.collections
        for given, name in ODD_NAMES.items():
            one = await change.create("ann", given)
            assert (await change.get("ann", one.collection_id)).name == name
        for no_name in NO_NAMES:
            for ask in (change.create("ann", no_name), change.rename("ann", one.collection_id, no_name)):
                with pytest.raises(InvalidInput):
                    await ask
        assert len(await change.listed("ann")) == len(ODD_NAMES)


async def test_collect_makes_or_fills(tmp_path: Path) -> None:
    """The same name in any case is the same collection; one that nothing could be put into is not made."""
    async with rigged(tmp_path) as rig:
        change, [a, b] = rig.engine.collections, await made(rig, 2)
        [bobs] = await made(rig, 1, "bob")
        running = await rig.submit("ann", seed=9)
        for nothing in ([], ["no such job"], [bobs.job_id]):
            with pytest.raises(JobNotFound):
                await change.collect("ann", "Best", nothing)
        with pytest.raises(CollectionFull):
            await change.collect("ann", "Best", [a.job_id, *(f"job {number}" for number in range(10_000))])
        assert await change.listed("ann") == []
        one = await change.collect("ann", "Best", [a.job_id, bobs.job_id, a.job_id])
        same = await change.collect("ann", " best ", [b.job_id])
        assert same.collection_id == one.collection_id
        assert await shown(rig.engine, one.collection_id) == [a.share_id, b.share_id]
        assert await change.counts("ann") == {one.collection_id: 2}
        await rig.settle(running)


async def test_a_failing_disk_does_not_stop_collections(tmp_path: Path) -> None:
    """Where nothing can be kept beside the videos, stars and collections are in the database all the same."""
    async with rigged(tmp_path) as rig:
        [job] = await made(rig, 1)
        (tmp_path / "collections").write_text("a file in the folder's place")
        star = rig.library.folder / f"{job.share_id}.star"
        star.mkdir()
        one = await rig.engine.collections.collect("ann", "Best", [job.job_id])
        assert await shown(rig.engine, one.collection_id) == [job.share_id]
        assert not (await rig.engine.star("ann", job.job_id, starred=False)).starred


async def test_stars_of_two_tabs_end_as_one(tmp_path: Path) -> None:
    """Whatever comes last is in the row and beside the file."""
    async with rigged(tmp_path) as rig:
        [job] = await made(rig, 1)
        await asyncio.gather(*(rig.engine.star("ann", job.job_id, starred=bool(turn % 2)) for turn in range(20)))
        row = await rig.store.get(job.job_id)
        assert (job.share_id in rig.library.starred()) is row.starred


async def test_another_visitors_collection_is_not_found(tmp_path: Path) -> None:
    """By ann's ids and by values of any kind, bob reads and changes nothing; ann's videos cannot be starred by bob."""
    async with rigged(tmp_path) as rig:
        jobs = await made(rig, 2)
        ids = [job.job_id for job in jobs]
        change = rig.engine.collections
        one = await change.collect("ann", "Only ann's", ids)
        odd: list[Any] = [one.collection_id, None, 7, [], {"a": 1}, "", "nope", "\0", "\ud800", "x" * 10_000]
        for this in odd:
            for ask in (
                change.get("bob", this),
                change.jobs("bob", this),
                change.rename("bob", this, "Mine"),
                change.add("bob", this, ids),
                change.remove("bob", this, ids),
                change.order("bob", this, ids[::-1]),
                change.step("bob", this, ids, 1),
                change.share("bob", this),
                change.withdraw("bob", this),
                change.delete("bob", this),
            ):
                with pytest.raises(CollectionNotFound) as refused:
                    await ask
                assert (refused.value.message, refused.value.facts) == ("", {})
        bobs = await change.create("bob", "Bob's")
        for job_ids in (ids, odd):
            with pytest.raises(JobNotFound):
                await change.add("bob", bobs.collection_id, job_ids)
            assert (await change.order("bob", bobs.collection_id, job_ids, before=ids[0])).share_ids == ()
            assert (await change.remove("bob", bobs.collection_id, job_ids)).share_ids == ()
        for job_id in ids:
            with pytest.raises(DreaminaError):
                await rig.engine.star("bob", job_id)
        assert await rig.engine.history.page("bob", 100, search=Search(collection_id=one.collection_id)) == ([], 0)
        assert await change.get("ann", one.collection_id) == one
        assert await starred(rig.engine) == set()
        for link in ("", "nope", one.collection_id, jobs[0].share_id, "x" * 10_000):
            with pytest.raises(CollectionNotFound):
                await change.shared(link)
