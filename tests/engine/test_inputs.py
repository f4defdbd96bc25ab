"""Jobs with files that visitors uploaded: what is written down, what is sent, and sent again."""

import hashlib
import json
import logging
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from dreamina_ui.api.job_json import job_json
from dreamina_ui.cards.links import link_of
from dreamina_ui.cards.model_card import Card, load_card
from dreamina_ui.errors import InvalidInput, JobNotFound, OutcomeUnknown
from dreamina_ui.jobs import Job, State
from dreamina_ui.media.inputs import MAX_AGE_S, Added
from dreamina_ui.media.record import Records
from dreamina_ui.runcomfy.texts import clean
from tests.rig import Rig, rigged

pytestmark = pytest.mark.anyio

CARD: Card = load_card(Path(__file__).parents[1] / "cards" / "image-to-video.json")
IMAGE = next(field for field in CARD.fields if field.name == "image")


def picture(path: Path, shade: int = 90) -> Path:
    Image.new("RGB", (64, 48), (shade, 20, 200)).save(path, "PNG")
    return path


async def upload(rig: Rig, path: Path, visitor_id: str = "ann") -> Added:
    return await rig.engine.inputs.add(path, visitor_id, IMAGE)


async def submit(rig: Rig, added: Added, visitor_id: str = "ann", **more: Any) -> Job:
    [job] = await rig.engine.submit(visitor_id, {"image": added.text, "motion": "waves roll"}, **more)
    return job


def sent(rig: Rig) -> list[Any]:
    """The pictures that the service accepted: their types and digests."""
    return [record.input["image"] for record in rig.simulator.ledger.records.values()]


def as_sent(path: Path) -> str:
    return f"data:image/png;sha256,{hashlib.sha256(path.read_bytes()).hexdigest()}"


async def test_a_picture_is_sent_and_only_its_name_written_down(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Row, JSON, link, record and log have its name and digest, never its bytes."""
    caplog.set_level(logging.DEBUG)
    path = picture(tmp_path / "first cat.png")
    async with rigged(tmp_path / "rig", card=CARD) as rig:
        added = await upload(rig, path)
        ended = await rig.finish(await submit(rig, added))
        assert ended.state is State.SUCCEEDED
        assert sent(rig) == [as_sent(path)]
        assert ended.payload["image"] == added.text
        told = [json.dumps(job_json(ended, 0.0)), link_of(CARD, ended.payload), json.dumps(dict(ended.payload))]
        told += [json.dumps(Records("secret").of(ended, 1.0)), caplog.text]
        assert not any("base64" in text or "iVBOR" in text for text in told)
        assert added.named.digest in told[0]
        # Whoever has a job with it may use it again; nobody else may.
        await rig.finish(await submit(rig, added))
        with pytest.raises(InvalidInput) as caught:
            await submit(rig, added, "bob")
        assert (caught.value.problem, rig.gate.posts) == ("file_gone", 2)
        assert not [text for text in (tmp_path / "rig" / "simulator").rglob("*.json") if "iVBOR" in text.read_text()]


async def test_what_is_sent_after_a_restart_is_the_same_picture(tmp_path: Path) -> None:
    """A click whose POST could not leave is sent by the next start, with the same bytes and once."""
    path = picture(tmp_path / "a.png")
    async with rigged(tmp_path / "rig", card=CARD) as rig:
        rig.gate.raises = httpx.ConnectError("no way out")
        added = await upload(rig, path)
        job = await submit(rig, added, call_id="a call of one program")
        await upload(rig, picture(tmp_path / "b.png", 10))
        assert rig.accepted == 0
    async with rigged(tmp_path / "rig", card=CARD) as rig:
        again = await submit(rig, added, call_id="a call of one program")
        assert again.job_id == job.job_id
        assert (await rig.finish(job)).state is State.SUCCEEDED
        assert sent(rig) == [as_sent(path)]


async def test_a_call_is_known_by_the_bytes_of_its_picture(tmp_path: Path) -> None:
    """The same picture under another name is the same call; another picture is refused, and nothing is sent."""
    async with rigged(tmp_path / "rig", card=CARD) as rig:
        first = await upload(rig, picture(tmp_path / "a.png"))
        renamed = await upload(rig, picture(tmp_path / "renamed.png"))
        other = await upload(rig, picture(tmp_path / "other.png", 10))
        assert first.text != renamed.text
        job = await submit(rig, first, call_id="one call")
        assert (await submit(rig, renamed, call_id="one call")).job_id == job.job_id
        with pytest.raises(InvalidInput, match="other settings"):
            await submit(rig, other, call_id="one call")
        await rig.finish(job)
        assert len(sent(rig)) == 1


async def test_a_picture_that_is_gone_is_not_paid_for(tmp_path: Path) -> None:
    """The job fails with one sentence before anything is sent."""
    async with rigged(tmp_path / "rig", card=CARD) as rig:
        rig.gate.raises = httpx.ConnectError("no way out")
        job = await submit(rig, await upload(rig, picture(tmp_path / "a.png")))
        for kept in rig.engine.inputs.folder.iterdir():
            kept.unlink()
        ended = await rig.finish(job)
        assert ended.failure is not None
        assert (ended.state, ended.failure.code, ended.failure.message) == (State.FAILED, "input_gone", "a.png")
        assert rig.accepted == 0


async def test_a_batch_takes_pictures(tmp_path: Path) -> None:
    """All of it is checked first: with one file of another visitor nothing is made."""
    async with rigged(tmp_path / "rig", card=CARD) as rig:
        one, two = [await upload(rig, picture(tmp_path / f"{shade}.png", shade)) for shade in (1, 2)]
        rows = [{"image": each.text, "motion": "waves roll"} for each in (one, two)]
        jobs = await rig.engine.batches.submit("ann", rows, "a batch")
        for job in jobs:
            assert (await rig.finish(job)).state is State.SUCCEEDED
        assert sorted(sent(rig)) == sorted(as_sent(tmp_path / f"{shade}.png") for shade in (1, 2))
        foreign = await upload(rig, picture(tmp_path / "3.png", 3), "bob")
        with pytest.raises(InvalidInput):
            await rig.engine.batches.submit("ann", [*rows, {"image": foreign.text, "motion": "no"}], "another")
        assert rig.gate.posts == 2


async def test_a_file_goes_when_no_job_needs_it(tmp_path: Path) -> None:
    """As long as there is a job with it, in the bin or not, it stays."""
    async with rigged(tmp_path / "rig", card=CARD) as rig:
        added = await upload(rig, picture(tmp_path / "a.png"))
        other = await upload(rig, picture(tmp_path / "b.png", 10))
        job = await rig.finish(await submit(rig, added))
        digest = added.named.digest
        assert await rig.engine.queries.files() == {digest}
        assert await rig.engine.queries.has_file("ann", digest)
        assert not await rig.engine.queries.has_file("bob", digest)
        rig.clock.at += MAX_AGE_S + 1
        await rig.engine.inputs.tidy(await rig.engine.queries.files())
        assert await rig.engine.inputs.is_of("ann", digest) is not None
        assert await rig.engine.inputs.is_of("ann", other.named.digest) is None
        await rig.engine.history.delete("ann", [job.job_id])
        assert await rig.engine.queries.files() == {digest}


async def test_files_of_a_service_that_repeats_them_are_not_logged() -> None:
    """A refusal may echo the input."""
    text = clean("invalid image: data:image/png;base64," + "iVBORw0KGgo" * 1000 + " is too small")
    assert text == "invalid image: data:image/png;base64,… is too small"


async def test_a_lost_answer_stays_uncertain(tmp_path: Path) -> None:
    """A picture's POST whose answer is lost is never sent again by itself."""

    async def lose(request: httpx.Request) -> None:
        if request.method == "POST":
            raise httpx.ReadError("lost")

    path = picture(tmp_path / "a.png")
    async with rigged(tmp_path / "rig", card=CARD) as rig:
        rig.gate.before = lose
        ended = await rig.finish(await submit(rig, await upload(rig, path)))
        assert ended.state is State.UNCERTAIN
        assert ended.failure is not None
        assert ended.failure.code == OutcomeUnknown.code
        assert rig.gate.posts == 1


async def test_a_frame_of_a_video_is_the_next_picture(tmp_path: Path) -> None:
    """Of the visitor's own video, at any moment; another visitor gets none, and a job without a video has none."""
    async with rigged(tmp_path / "rig", card=CARD) as rig:
        first = await rig.finish(await submit(rig, await upload(rig, picture(tmp_path / "a.png"))))
        frame = await rig.engine.frame("ann", await rig.engine.job("ann", first.job_id), 0.25, IMAGE)
        assert frame.kind.name == "PNG"
        assert (frame.measures.width, frame.measures.height) == (first.width, first.height)
        second = await rig.finish(await submit(rig, frame))
        assert second.state is State.SUCCEEDED
        assert sent(rig)[1].startswith("data:image/png;sha256," + frame.named.digest)
        with pytest.raises(JobNotFound):
            await rig.engine.job("bob", first.job_id)
        rig.gate.raises = httpx.ConnectError("no way out")
        waiting = await submit(rig, frame)
        with pytest.raises(InvalidInput) as caught:
            await rig.engine.frame("ann", waiting, 0.0, IMAGE)
        assert caught.value.problem == "no_frame"
