"""Small files that would cost gigabytes or minutes: each is kept and costs little; its harmless brother is read."""

import asyncio
import resource
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from dreamina_ui.confined.bounds import Bounds
from dreamina_ui.confined.pool import Pool
from dreamina_ui.engine.posters import Posters
from dreamina_ui.media import reading
from dreamina_ui.media.embed import read_record
from dreamina_ui.media.library import Library
from dreamina_ui.media.reading import Busy, DroppedFiles, Stopped
from tests.media.files import FILES
from tests.media.hostile import HOSTILE, TOO_LONG

pytestmark = [pytest.mark.anyio, pytest.mark.program]

SHARE, CONTROL = "0" * 32, "1" * 32
RECORD = {"app": "dreamina-ui", "settings": {"prompt": "a lighthouse"}}
GROWTH_MOST = 100 * 2**20
"""Bytes by which this process may grow."""
MOST = 64 * 2**20


@pytest.fixture(scope="module")
def hostile_file(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Path], None]:
    """Puts the file of a name of `HOSTILE` at a path; each is made once, and is only to be read."""
    folder = tmp_path_factory.mktemp("hostile")

    def put(name: str, path: Path) -> None:
        if not (folder / name).exists():
            HOSTILE[name].make(folder / name)
        path.unlink(missing_ok=True)
        path.hardlink_to(folder / name)

    return put


@pytest.fixture(scope="module")
def outputs() -> Iterator[Pool]:
    """With the limits of outputs, but less processor time: the tests are to be quick."""
    given = reading.OUTPUT_BOUNDS
    bounds = Bounds(memory=given.memory, processor_s=1, wall_s=given.wall_s, file_size=given.file_size)
    pool = Pool("outputs", bounds, 2)
    yield pool
    pool.close()


@pytest.fixture(scope="module")
def posters() -> Iterator[Pool]:
    """The same of posters."""
    given = reading.POSTER_BOUNDS
    bounds = Bounds(memory=given.memory, processor_s=1, wall_s=given.wall_s, file_size=given.file_size)
    pool = Pool("posters", bounds, 1)
    yield pool
    pool.close()


@pytest.fixture
async def library(
    tmp_path: Path, outputs: Pool, posters: Pool, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Library]:
    monkeypatch.setattr(reading, "output_pool", lambda: outputs)
    monkeypatch.setattr(reading, "poster_pool", lambda: posters)
    monkeypatch.setattr(reading, "SAVED_S", 1)
    bodies = {f"/{path.name}": path for path in (tmp_path / "hostile", tmp_path / "control")}
    web = httpx.MockTransport(lambda request: httpx.Response(200, content=bodies[request.url.path].read_bytes()))
    async with Library(tmp_path / "videos", mounts={"https://": web}, room_needed=0) as library:
        yield library


def used() -> int:
    """The most memory of this process so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_output_is_kept_and_costs_little(
    name: str,
    library: Library,
    outputs: Pool,
    posters: Pool,
    tmp_path: Path,
    sample: Callable[[str], Path],
    hostile_file: Callable[[str, Path], None],
) -> None:
    """It is there as it came, or with its record in it; what could not be read is said, at the latest with its poster."""
    hostile = HOSTILE[name]
    hostile_file(name, tmp_path / "hostile")
    (tmp_path / "control").write_bytes(sample(hostile.control).read_bytes())
    before = used()
    file, facts = await library.save(SHARE, 1, "https://videos.example.com/hostile", RECORD)
    if Posters.are_due(file, facts):
        facts = await library.add_poster(file)
    assert facts.problem.startswith(hostile.problem), facts
    assert bool(facts.problem) == bool(hostile.problem), facts
    beside = library.folder / f"{SHARE}.record.json"
    if beside.exists():
        assert file.path.read_bytes() == (tmp_path / "hostile").read_bytes()
    else:
        assert read_record(file.path) == RECORD
    assert max(outputs.peak, posters.peak) <= reading.OUTPUT_BOUNDS.memory
    assert used() - before < GROWTH_MOST
    kept, facts = await library.save(CONTROL, 1, "https://videos.example.com/control", RECORD)
    if Posters.are_due(kept, facts):
        facts = await library.add_poster(kept)
    assert not facts.problem
    assert facts.has_poster or "mp3" in hostile.control
    assert {path.name for path in library.folder.glob(".*")} == set()
    if hostile.problem == TOO_LONG and name != "scans":
        return  # one of them is enough to wait for
    # A start without a database finds both, and is not held up by either.
    found = await asyncio.to_thread(library.records, [SHARE, CONTROL])
    assert {share_id: record for share_id, (record, _, _) in found.items()} == {SHARE: RECORD, CONTROL: RECORD}
    assert [each.path for _, files, _ in found.values() for each in files] == [file.path, kept.path]


async def test_hostile_dropped_file_is_given_up(
    tmp_path: Path,
    sample: Callable[[str], Path],
    hostile_file: Callable[[str, Path], None],
    request: pytest.FixtureRequest,
) -> None:
    """Every one of them: the settings are looked for within limits, without a decoder."""
    given = reading.DROPPED_BOUNDS
    bounds = Bounds(memory=given.memory, processor_s=1, wall_s=60.0, file_size=given.file_size)
    pool = Pool("dropped", bounds, 1)
    request.addfinalizer(pool.close)
    dropped = DroppedFiles(pool)
    for name in HOSTILE:
        path = tmp_path / "dropped"
        hostile_file(name, path)
        before = used()
        try:
            record = await dropped.record("mallory", path, most=MOST, most_alone=MOST)
        except Stopped as error:  # on a quick machine, this one is looked through in time
            assert (name, str(error)) == ("records", TOO_LONG)
        else:
            assert record is None
        assert used() - before < GROWTH_MOST
    assert {each.control for each in HOSTILE.values()} <= set(FILES)
    assert await dropped.record("ann", sample("mp4"), most=MOST, most_alone=MOST) is None


class Slow(Pool):
    """A pool whose calls end when they are told to."""

    def __init__(self) -> None:
        super().__init__("slow", reading.DROPPED_BOUNDS, 1)
        self.may_end = asyncio.Event()

    async def run(self, function: str, *arguments: Any, processor_s: int | None = None) -> Any:
        await self.may_end.wait()
        return {"settings": arguments[0]}


async def test_one_dropped_file_of_a_visitor_at_a_time(tmp_path: Path) -> None:
    """A second one, and one too many of all visitors, is told so; after the first, the next one is read."""
    pool = Slow()
    dropped = DroppedFiles(pool)

    def drop(visitor: str) -> asyncio.Task[Any]:
        return asyncio.create_task(dropped.record(visitor, tmp_path / visitor, most=MOST, most_alone=MOST))

    most = reading.DROPPED_AT_ONCE + reading.WAITING_MOST
    tasks = [drop(f"visitor {number}") for number in range(most)]
    await asyncio.sleep(0)
    for visitor in ("visitor 0", "one more"):
        with pytest.raises(Busy):
            await drop(visitor)
    tasks.pop().cancel()
    await asyncio.sleep(0)
    tasks.append(drop("one more"))
    pool.may_end.set()
    assert [record["settings"] for record in await asyncio.gather(*tasks)][-1] == str(tmp_path / "one more")
    assert await drop("visitor 0")
