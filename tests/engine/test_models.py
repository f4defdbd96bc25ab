"""Several models in one engine: each job is of its own, with the values, durations and price of that model."""

import asyncio
import copy
from pathlib import Path
from typing import Any

import pytest

from dreamina_ui.cards.model_card import card_of
from dreamina_ui.errors import InvalidInput
from dreamina_ui.jobs import HOLDER, State
from dreamina_ui.media.embed import read_record
from dreamina_ui.simulator import QuickRenderer, create_app
from dreamina_ui.storage.allowances import Limits
from dreamina_ui.storage.job_queries import Search
from dreamina_ui.wording import Words
from tests.rig import CARD, OTHER_CARD, VALUES, Clock, make_clip, rigged, video_of

pytestmark = pytest.mark.anyio
TEXT: dict[str, Any] = {"text": "a boat"}


async def test_each_job_is_of_its_model(tmp_path: Path) -> None:
    """The model's own card checks the values; what one took is not what the other one takes; a restart changes nothing."""
    async with rigged(tmp_path, more_cards=[OTHER_CARD]) as rig:
        [other] = await rig.engine.submit("ann", TEXT, model=OTHER_CARD.model_id)
        [first] = await rig.engine.submit("ann", VALUES)
        assert (other.model_id, other.payload["steps"]) == (OTHER_CARD.model_id, 20)
        assert (first.model_id, first.width) == (CARD.model_id, 1440)
        ended = [await rig.finish(job) for job in (other, first)]
        assert [job.state for job in ended] == [State.SUCCEEDED] * 2
        assert {record.model_id for record in rig.simulator.ledger.records.values()} == {
            CARD.model_id,
            OTHER_CARD.model_id,
        }
        for _ in range(4):
            await rig.finish((await rig.engine.submit("ann", TEXT, model=OTHER_CARD.model_id))[0])
        assert await rig.engine.history.usual_s(OTHER_CARD.model_id, other.payload) is not None
        assert await rig.engine.history.usual_s(CARD.model_id, first.payload) is None
    async with rigged(tmp_path) as rig:
        assert (await rig.engine.job(HOLDER, other.job_id)).model_id == OTHER_CARD.model_id


@pytest.mark.parametrize(("model", "values"), [("nobody/nothing", TEXT), (None, TEXT), (OTHER_CARD.model_id, VALUES)])
async def test_values_of_another_model_are_refused(
    tmp_path: Path, model: str | None, values: dict[str, object]
) -> None:
    async with rigged(tmp_path, more_cards=[OTHER_CARD]) as rig:
        with pytest.raises(InvalidInput):
            await rig.engine.submit("ann", values, model=model)
        assert rig.accepted == 0


async def test_each_row_of_a_batch_keeps_its_model(tmp_path: Path) -> None:
    """It is checked by its own card, sent to its own model, and still that model's after a restart; so says its record."""
    rows = [TEXT, {**VALUES, "seed": -1}, {"text": "a kite", "steps": 3}, VALUES]
    models = [OTHER_CARD.model_id, None, f"/{OTHER_CARD.model_id}", CARD.model_id]
    clock = Clock()
    limits = Limits(active=100, active_per_visitor=1)
    async with rigged(tmp_path, more_cards=[OTHER_CARD], clock=clock, limits=limits, queue_s=30.0) as rig:
        made = await rig.engine.batches.submit("ann", rows, "b", models)
        again = await rig.engine.batches.submit("ann", rows, "b", models)
        assert [job.job_id for job in again] == [job.job_id for job in made]
        await rig.until(made[0], State.IN_QUEUE)
    async with rigged(tmp_path, more_cards=[OTHER_CARD], clock=clock, limits=limits) as rig:
        ended = [await rig.finish(job) for job in await rig.engine.batches.jobs("ann", "b")]
        assert [job.state for job in ended] == [State.SUCCEEDED] * 4
        expected = [OTHER_CARD.model_id, CARD.model_id, OTHER_CARD.model_id, CARD.model_id]
        assert [job.model_id for job in ended] == expected
        assert [(job.payload.get("steps"), job.payload.get("frames")) for job in ended] == [
            *((20, None), (None, 121), (3, None), (None, 121))
        ]
        sent = sorted(record.model_id for record in rig.simulator.ledger.records.values())
        assert sent == sorted(expected)
        for job in ended:
            record = await asyncio.to_thread(read_record, video_of(rig.library, job))
            assert record is not None
            assert (record["model_id"], record["settings"]) == (job.model_id, dict(job.payload))
        found = await rig.engine.history.listed("ann", 10, search=Search(model_id=OTHER_CARD.model_id))
        assert {job.job_id for job in found} == {ended[0].job_id, ended[2].job_id}


async def test_one_bad_row_of_any_model_sends_nothing(tmp_path: Path) -> None:
    """Values of another model, or a model that is not offered."""
    async with rigged(tmp_path, more_cards=[OTHER_CARD]) as rig:
        for rows, models in (
            ([VALUES, VALUES], [None, OTHER_CARD.model_id]),
            ([VALUES, TEXT], [None, None]),
            ([VALUES, TEXT], [None, "nobody/nothing"]),
        ):
            with pytest.raises(InvalidInput):
                await rig.engine.batches.submit("ann", rows, "b", models)
        assert await rig.engine.batches.jobs("ann", "b") == []
        assert rig.accepted == 0


async def test_a_call_again_with_another_model_is_refused(tmp_path: Path) -> None:
    """The same name of a call is the same video, never another model's."""
    twin = {**OTHER_CARD.source, "model_id": "somebody/twin"}
    async with rigged(tmp_path, card=OTHER_CARD, more_cards=[card_of("twin", twin)]) as rig:
        [job] = await rig.engine.submit("ann", TEXT, call_id="call-1")
        assert [job.job_id] == [again.job_id for again in await rig.engine.submit("ann", TEXT, call_id="call-1")]
        with pytest.raises(InvalidInput) as caught:
            await rig.engine.submit("ann", TEXT, model="somebody/twin", call_id="call-1")
        assert caught.value.problem == "key_reused"


async def test_a_resumed_job_keeps_a_model_that_is_not_offered_any_more(tmp_path: Path) -> None:
    """What was given up is watched again as the model's that made it, whatever the studio offers now."""
    async with rigged(tmp_path, card=OTHER_CARD, render_s=50.0, deadline_s=10.0) as rig:
        [job] = await rig.engine.submit("ann", TEXT)
        ended = await rig.finish(job)
        assert ended.can_resume
    async with rigged(tmp_path, more_cards=[]) as rig:
        resumed = await rig.engine.resume("ann", job.job_id)
        assert (resumed.model_id, resumed.payload) == (OTHER_CARD.model_id, ended.payload)


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        ({"model_id": "somebody/else"}, "unknown_model", "does not know this model"),
        ({"required": ["prompt", "style"]}, "input_refused", "'style' is a required property"),
        ({"frames": [97, 193]}, "input_refused", "frames: 121 is not one of [97, 193]"),
    ],
)
async def test_what_the_service_has_changed_since_the_start_is_said(
    change: dict[str, Any], code: str, said: str, tmp_path: Path
) -> None:
    """A model that is gone from the catalogue, or takes something else now: the job fails with the reason, and nothing is made
    or charged; the other model's next click is not held up."""
    source = copy.deepcopy(dict(CARD.source))
    schema = source["input_schema"]
    source["model_id"] = change.get("model_id", source["model_id"])
    schema["required"] = change.get("required", schema["required"])
    schema["properties"]["style"] = {"type": "string"}
    schema["properties"]["frames"]["enum"] = change.get("frames", [121, 241])
    clip = make_clip(tmp_path / "clip.mp4")
    app = create_app(tmp_path / "service", cards=[source, OTHER_CARD.source], queue_s=0, render=QuickRenderer(0, clip))
    async with rigged(tmp_path / "rig", more_cards=[OTHER_CARD], service_app=app) as rig:
        ended = await rig.finish(await rig.submit())
        assert ended.state is State.FAILED
        assert ended.failure is not None
        assert ended.failure.code == code
        assert said in Words("en").sentence(ended.failure)
        assert (ended.request_id, ended.cost_usd) == (None, None)
        [other] = await rig.engine.submit("ann", TEXT, model=OTHER_CARD.model_id)
        assert (await rig.finish(other)).state is State.SUCCEEDED
        assert len(app.state.simulator.ledger.records) == 1
    await app.state.simulator.aclose()
