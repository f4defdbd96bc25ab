"""Videos that continue each other: each knows the ones before it, over restarts and without the database."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from dreamina_ui.api.job_json import job_json
from dreamina_ui.cards.model_card import Card, load_card
from dreamina_ui.errors import JobNotFound
from dreamina_ui.jobs import CHAIN_MOST, Chain, Job
from dreamina_ui.media.embed import read_record
from dreamina_ui.settings import BUNDLED_CARDS
from tests.engine.test_rebuild import forget
from tests.filled import past_job
from tests.rig import Clock, Rig, rigged, video_of

pytestmark = pytest.mark.anyio

PICTURES: Card = load_card(BUNDLED_CARDS / "dreamina-3-0-pro-image-to-video.json")


async def continued(rig: Rig, parent: Job, prompt: str = "on", visitor_id: str = "ann") -> Job:
    """The finished job that continues this one from its last frame."""
    assert PICTURES.picture is not None
    frame = await rig.engine.frame(visitor_id, parent, None, PICTURES.picture)
    values = {"prompt": prompt, PICTURES.picture.name: [frame.text]}
    [job] = await rig.engine.submit(visitor_id, values, model=PICTURES.model_id, parent=parent)
    rig.clock.at += 10
    return await rig.finish(job)


async def chain_of_three(rig: Rig) -> list[Job]:
    jobs = [await rig.finish(await rig.submit(prompt="one"))]
    for prompt in ("two", "three"):
        jobs.append(await continued(rig, jobs[-1], prompt))
    return jobs


def prompts(chain: Chain) -> Sequence[str]:
    return [job.prompt for job in chain.jobs]


async def test_a_chain_is_known_from_each_of_its_videos(tmp_path: Path) -> None:
    """In its order, after a restart, and after a start without database; the record in a file tells strangers nothing of it."""
    clock = Clock()
    async with rigged(tmp_path, more_cards=[PICTURES], clock=clock) as rig:
        first, second, third = await chain_of_three(rig)
        alone = await rig.finish(await rig.submit(prompt="alone"))
        assert third.ancestors == (first.share_id, second.share_id)
        assert job_json(third, 0.0)["ancestors"] == [first.share_id, second.share_id]
        assert job_json(first, 0.0)["ancestors"] == []
        for job in (first, second, third):
            assert prompts(await rig.engine.history.chain(job)) == ["one", "two", "three"]
        assert (await rig.engine.history.chain(alone)).count == 1
        assert (await rig.engine.history.parent(third)) == await rig.engine.job("ann", second.job_id)
        assert await rig.engine.history.parent(first) is None
        record = str(read_record(video_of(rig.library, third)))
        assert not any(job.share_id in record or job.job_id in record for job in (first, second))
    for _ in range(2):
        async with rigged(tmp_path, more_cards=[PICTURES], clock=clock) as rig:
            found = {job.share_id: job for job in (await rig.engine.history.page("ann", 9))[0]}
            for job in (first, second, third):
                assert found[job.share_id].ancestors == job.ancestors
                assert prompts(await rig.engine.history.chain(found[job.share_id])) == ["one", "two", "three"]
            assert (await rig.engine.history.parent(found[third.share_id])) == found[second.share_id]
        forget(tmp_path)


async def test_a_deleted_part_is_missing_and_the_others_stay_a_chain(tmp_path: Path) -> None:
    """Also when it has left the bin; undo brings it back to its place."""
    async with rigged(tmp_path, more_cards=[PICTURES]) as rig:
        first, second, third = await chain_of_three(rig)
        await rig.engine.history.delete("ann", [second.job_id])
        for job in (first, third):
            chain = await rig.engine.history.chain(job)
            assert (prompts(chain), chain.missing, chain.count) == (["one", "three"], 1, 3)
        assert await rig.engine.history.parent(third) is None
        await rig.engine.history.restore("ann", [second.job_id])
        assert prompts(await rig.engine.history.chain(first)) == ["one", "two", "three"]
        await rig.engine.history.delete("ann", [first.job_id, second.job_id])
        await rig.engine.queries.forget([first.share_id, second.share_id], made_before=rig.clock.at + 1)
        chain = await rig.engine.history.chain(third)
        assert (prompts(chain), chain.missing) == (["three"], 2)
        with pytest.raises(JobNotFound):
            await rig.engine.job("ann", second.job_id)


async def test_a_chain_goes_on_to_the_newest_video(tmp_path: Path) -> None:
    """One video can be continued several times; each of those knows the way back, and a failed one is no part of another's."""
    async with rigged(tmp_path, more_cards=[PICTURES]) as rig:
        first = await rig.finish(await rig.submit(prompt="one"))
        older = await continued(rig, first, "older")
        newer = await continued(rig, first, "newer")
        assert prompts(await rig.engine.history.chain(first)) == ["one", "newer"]
        assert prompts(await rig.engine.history.chain(older)) == ["one", "older"]
        assert prompts(await rig.engine.history.chain(newer)) == ["one", "newer"]
        later = await continued(rig, older, "later")
        assert prompts(await rig.engine.history.chain(first)) == ["one", "older", "later"]
        await rig.engine.history.delete("ann", [later.job_id])
        assert prompts(await rig.engine.history.chain(older)) == ["one", "older"]


async def test_a_chain_shows_nothing_of_other_visitors(tmp_path: Path) -> None:
    """Whoever continues a video by its job id alone has a chain of their own."""
    async with rigged(tmp_path, more_cards=[PICTURES]) as rig:
        first = await rig.finish(await rig.submit(prompt="one"))
        theirs = await continued(rig, first, "theirs", "bob")
        chain = await rig.engine.history.chain(theirs)
        assert (prompts(chain), chain.missing) == (["theirs"], 1)
        assert await rig.engine.history.parent(theirs) is None
        assert (await rig.engine.history.chain(first)).count == 1


def test_what_continues_the_last_video_of_a_long_chain_begins_a_new_one() -> None:
    """So that no row and no record grows without end."""
    job = past_job(0, "ann", prompt="on")
    for number in range(1, CHAIN_MOST + 20):
        child = past_job(number, "ann", prompt="on")
        lines = job.line_of_next
        assert lines[-1] == job.share_id
        assert len(lines) < CHAIN_MOST
        job = replace(child, ancestors=lines)
