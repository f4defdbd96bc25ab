"""A video is shown when it is saved; its poster follows, is told to the watchers, and is made once."""

import asyncio
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dreamina_ui.jobs import HOLDER, Job, State
from dreamina_ui.media import library as libraries
from dreamina_ui.media.examine import Facts
from dreamina_ui.media.reading import make_poster
from tests.replies import Case
from tests.rig import Rig, make_clip, poster_of, rigged, video_of
from tests.scripted import ORIGIN, Scripted

pytestmark = pytest.mark.anyio


class Held:
    """Stands before the making of posters: counts them, and holds them while it is closed."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.asked = 0

    async def __call__(self, *arguments: Any, **named: Any) -> Facts:
        self.asked += 1
        await self.open.wait()
        return await make_poster(*arguments, **named)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Held:
    held = Held()
    monkeypatch.setattr(libraries, "make_poster", held)
    return held


async def clicks(rig: Rig, job: Job) -> list[list[Job]]:
    """What a page is told of a job's click, until all is there."""
    async with asyncio.timeout(30):
        return [jobs async for jobs in rig.engine.watch_click(HOLDER, job.job_id)]


async def test_a_program_does_not_wait_for_the_poster(tmp_path: Path, held: Held) -> None:
    """A program's watch ends with the video; a page hears of the poster, too, and that it takes long."""
    async with rigged(tmp_path) as rig:
        job = await rig.submit()
        page = asyncio.create_task(clicks(rig, job))
        job = await rig.finish(job)
        assert (job.state, job.poster_due) == (State.SUCCEEDED, True)
        assert video_of(rig.library, job).exists()
        assert not poster_of(rig.library, job).exists()
        repeated = asyncio.create_task(clicks(rig, job))
        await asyncio.sleep(1.1)  # as long as a page waits with the history
        held.open.set()
        told = [jobs[0] for jobs in await page]
        assert [each.poster_due for each in told[-3:]] == [True, True, False]
        assert told[-3] == told[-2]
        assert [jobs[0].poster_due for jobs in await repeated] == [True, True, False]
        assert poster_of(rig.library, job).read_bytes()[8:12] == b"WEBP"


@pytest.mark.parametrize("is_stopped", [True, False], ids=["stopped", "killed"])
async def test_a_poster_that_was_not_made_is_made_at_the_next_start(
    tmp_path: Path, held: Held, is_stopped: bool
) -> None:
    """Whether the studio was stopped while it was made, or killed between the poster and the row."""
    async with rigged(tmp_path) as rig:
        job = await rig.finish(await rig.submit())
        if not is_stopped:
            held.open.set()
            job = await rig.settle(job)
            await rig.store.change(job.job_id, lambda row: replace(row, poster_due=True))
    asked = held.asked
    held.open.set()
    async with rigged(tmp_path) as rig:
        assert not (await rig.settle(job)).poster_due
        assert poster_of(rig.library, job).exists()
        assert held.asked == asked + is_stopped


async def test_a_poster_that_a_crashed_replica_left_is_made_later(tmp_path: Path, held: Held) -> None:
    """Not what another one may still be making."""
    held.open.set()
    async with rigged(tmp_path) as rig:
        job = await rig.settle(await rig.finish(await rig.submit()))
        poster_of(rig.library, job).unlink()
        await rig.store.change(job.job_id, lambda row: replace(row, poster_due=True))
        await rig.engine.posters.make_left()
        assert (await rig.engine.job(HOLDER, job.job_id)).poster_due
        rig.clock.at += 700.0
        await rig.engine.posters.make_left()
        assert not (await rig.settle(job)).poster_due
        assert poster_of(rig.library, job).exists()


def spoilt(clip: bytes) -> bytes:
    """The same video with nothing in it that can be decoded."""
    at = clip.index(b"mdat") + 4
    return clip[:at] + bytes(len(clip) - at) if clip.index(b"moov") < at else clip[:at] + _zeroed(clip[at:])


def _zeroed(rest: bytes) -> bytes:
    until = rest.index(b"moov") - 4
    return bytes(until) + rest[until:]


async def test_a_video_without_a_poster_is_tried_once(tmp_path: Path, held: Held) -> None:
    """What cannot be decoded is kept, has a remark, and is left alone from then on, also by the next start."""
    held.open.set()
    result = {"status": "succeeded", "output": {"video": f"{ORIGIN}/clip.mp4"}}
    case = Case(name="spoilt", right="saved", result=(result,))
    service = Scripted(case, {"clip.mp4": spoilt(make_clip(tmp_path / "whole.mp4").read_bytes())}, {})
    async with rigged(tmp_path, service_app=service.app) as rig:
        job = await rig.finish(await rig.submit())
        assert job.remarks == ()
        job = await rig.settle(job)
        assert (job.state, [remark.code for remark in job.remarks]) == (State.SUCCEEDED, ["not_readable"])
        assert [file.path.name for file in rig.library.files(job)] == [f"{job.share_id}.mp4"]
        assert await rig.store.without_poster(math.inf) == []
    async with rigged(tmp_path, service_app=service.app) as rig:
        assert await rig.engine.job(HOLDER, job.job_id) == job
    assert held.asked == 1


async def test_a_deleted_video_leaves_no_poster(tmp_path: Path, held: Held) -> None:
    """Its files are removed for good while the poster is made."""
    async with rigged(tmp_path) as rig:
        job = await rig.finish(await rig.submit())
        video_of(rig.library, job).unlink()
        held.open.set()
        job = await rig.settle(job)
        assert (job.poster_due, job.remarks) == (False, ())
        assert list(rig.library.folder.iterdir()) == []
