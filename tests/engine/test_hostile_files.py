"""While a hostile file is read, everybody else's clicks, drops and health checks go their way; and its job ends well."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from dreamina_ui.confined.bounds import Bounds
from dreamina_ui.confined.pool import Pool
from dreamina_ui.jobs import State
from dreamina_ui.media import library, reading
from dreamina_ui.media.reading import DroppedFiles
from dreamina_ui.web.health import Health, running
from tests.media.files import make
from tests.media.hostile import HOSTILE
from tests.replies import Case
from tests.rig import DATABASE, rigged
from tests.scripted import ORIGIN, Scripted
from tests.waiting import until

pytestmark = [pytest.mark.anyio, pytest.mark.program]
RESULT = {"status": "succeeded", "output": {"image": f"{ORIGIN}/scans.jpg"}}


@pytest.fixture
def outputs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pool]:
    """Two processes for outputs, with so much processor time."""
    given = reading.OUTPUT_BOUNDS
    bounds = Bounds(memory=given.memory, processor_s=request.param, wall_s=600, file_size=given.file_size)
    pool = Pool("outputs", bounds, 2)
    monkeypatch.setattr(reading, "output_pool", lambda: pool)
    yield pool
    pool.close()


def scripted(folder: Path) -> Scripted:
    """A service all of whose results name one hostile picture."""
    HOSTILE["scans"].make(folder / "scans.jpg")
    case = Case(name="scans", right="saved", result=(RESULT,))
    return Scripted(case, {"scans.jpg": (folder / "scans.jpg").read_bytes()}, {})


@pytest.mark.parametrize("outputs", [60], indirect=True)
async def test_hostile_files_hold_up_no_others(tmp_path: Path, outputs: Pool) -> None:
    """Outputs and dropped files of others take all that may be taken; none of what follows waits for their end."""
    service = scripted(tmp_path)
    slow = Pool("slow", Bounds(memory=2**28, processor_s=60, wall_s=600, file_size=0), 1)
    HOSTILE["records"].make(tmp_path / "dropped")
    harmless = make("mp4", tmp_path / "harmless")
    async with rigged(tmp_path / "studio", service_app=service.app) as rig:
        try:
            attacks = [await rig.submit("mallory", seed=number) for number in range(3)]
            dropped = DroppedFiles(slow)
            drops = [
                asyncio.create_task(dropped.record(f"mallory {number}", tmp_path / "dropped", most=2**26, most_alone=0))
                for number in range(reading.WAITING_MOST)
            ]
            await until(lambda: service.fetched["scans.jpg"] >= 2)
            sent = rig.gate.posts
            clicked = await rig.submit("ann", seed=9)
            await until(lambda: rig.gate.posts > sent)
            health = Health({"engine": running("leases"), "disk": rig.library.check_room})
            assert await health.check() == {"engine": "ok", "disk": "ok"}
            assert await DroppedFiles().record("ann", harmless, most=2**26, most_alone=2**21) is None
            assert not drops[-1].done()
            assert not [job for job in attacks if (await rig.store.get(job.job_id)).ended]
            assert (await rig.store.get(clicked.job_id)).request_id
            for drop in drops:
                drop.cancel()
            await asyncio.wait(drops)
        finally:
            await asyncio.to_thread(slow.close)


@pytest.mark.parametrize("outputs", [1], indirect=True)
async def test_job_with_a_hostile_file_ends_once(
    tmp_path: Path, outputs: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It succeeds with one sentence about its file, which can be downloaded; no later start makes anything of it anew."""
    service = scripted(tmp_path)
    body = (tmp_path / "scans.jpg").read_bytes()
    async with rigged(tmp_path / "studio", service_app=service.app) as rig:
        job = await rig.finish(await rig.submit("ann"))
        assert job.state is State.SUCCEEDED
        assert [(remark.code, remark.message) for remark in job.remarks] == [("not_readable", "it takes too long")]
        [file] = await rig.engine.files(job)
        assert file.path.read_bytes() == body
    reads: list[object] = []

    async def counted(*arguments: object, **_: object) -> None:
        reads.append(arguments)

    monkeypatch.setattr(library, "read_output", counted)
    async with rigged(tmp_path / "studio", service_app=service.app) as rig:
        assert (await rig.store.get(job.job_id)).state is State.SUCCEEDED
    (tmp_path / "studio" / DATABASE).unlink()
    async with rigged(tmp_path / "studio", service_app=service.app) as rig:
        [restored], _ = await rig.engine.history.page("ann", 10)
        assert (restored.share_id, restored.files, restored.width) == (job.share_id, job.files, None)
    assert not reads
    assert service.fetched["scans.jpg"] == 1
