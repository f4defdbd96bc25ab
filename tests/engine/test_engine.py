"""The way of a job, over the simulator: what is recorded when, and how every fault ends."""

import asyncio
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from dreamina_ui.errors import (
    DailyLimitReached,
    DiskFull,
    InvalidInput,
    JobNotFound,
    KeyMissing,
    ServiceError,
    TooManyActive,
)
from dreamina_ui.jobs import HOLDER, Job, State
from dreamina_ui.simulator import Fault
from dreamina_ui.storage.allowances import Limits
from dreamina_ui.storage.database import Database
from dreamina_ui.storage.job_store import JobStore
from tests.rig import Clock, Rig, poster_of, rigged, video_of

pytestmark = pytest.mark.anyio


async def test_from_the_click_to_the_saved_video(tmp_path: Path) -> None:
    """A job passes its states in order, one snapshot per change, and ends with a video and a poster on disk."""
    async with rigged(tmp_path) as rig:
        job = await rig.finish(await rig.submit())
        assert (job.state, job.poster_due) == (State.SUCCEEDED, True)
        assert (job.width, job.height, job.duration_s) == (64, 64, 0.5)
        assert not (await rig.settle(job)).poster_due
        assert video_of(rig.library, job.share_id).stat().st_size > 0
        assert poster_of(rig.library, job.share_id).read_bytes()[8:12] == b"WEBP"
    order = list(State)
    states = [order.index(seen.state) for seen in rig.seen]
    assert states == sorted(states)
    versions = [seen.version for seen in rig.seen]
    assert versions == sorted(set(versions))
    assert (rig.gate.posts, rig.accepted) == (1, 1)


async def test_the_intent_is_durable_before_the_post(tmp_path: Path) -> None:
    """When the paid POST leaves, its row already says `submitting`."""
    states: list[State] = []
    async with rigged(tmp_path) as rig:

        async def look(request: httpx.Request) -> None:
            if request.method == "POST":
                states.extend(job.state for job in await rig.store.unfinished())

        rig.gate.before = look
        await rig.finish(await rig.submit())
    assert states == [State.SUBMITTING]


async def test_the_request_id_is_durable_before_anyone_is_told(tmp_path: Path) -> None:
    """A watcher who hears of the queue finds the request id in the row."""
    async with rigged(tmp_path) as rig:
        job = await rig.submit()
        async for seen in rig.engine.watch(HOLDER, job.job_id):
            if seen.state is State.IN_QUEUE:
                assert (await rig.store.get(job.job_id)).request_id == seen.request_id is not None


async def test_a_random_seed_is_drawn_and_sent(tmp_path: Path) -> None:
    """−1 never reaches the service: the seed that was sent is known afterwards."""
    async with rigged(tmp_path) as rig:
        job = await rig.finish(await rig.submit(seed=-1))
        sent = next(iter(rig.simulator.ledger.records.values())).input
    assert job.payload["seed"] == sent["seed"] >= 0


@pytest.mark.parametrize("field", ["prompt", "aspect_ratio", "frames", "seed"])
async def test_nothing_is_sent_when_validation_fails(tmp_path: Path, field: str) -> None:
    """A value outside the card makes no row and no request."""
    values: dict[str, Any] = {field: {"not": "this"}}
    async with rigged(tmp_path) as rig:
        with pytest.raises(InvalidInput):
            await rig.submit(**values)
        assert await rig.engine.history.page("ann", 10) == ([], 0)
        assert rig.gate.requests == []


async def test_a_missing_key_is_said_before_anything_is_made(tmp_path: Path) -> None:
    """The paid service without a key refuses at the click."""
    async with rigged(tmp_path, backend="runcomfy") as rig:
        with pytest.raises(KeyMissing):
            await rig.submit()
        assert await rig.engine.history.page("ann", 10) == ([], 0)


async def test_a_full_disk_refuses_before_spending(tmp_path: Path) -> None:
    """Without room for a video, no video is paid for."""
    async with rigged(tmp_path, room_needed=2**60) as rig:
        with pytest.raises(DiskFull):
            await rig.submit()
        assert rig.gate.requests == []


# What goes wrong → how the job ends, with which failure or remark, after how many accepted submits.
ENDS: list[tuple[str, list[Fault], State, str | None, int]] = [
    ("refused key", [Fault("submit", "bad_key")], State.FAILED, "key_refused", 0),
    ("no balance", [Fault("submit", "no_balance")], State.FAILED, "no_balance", 0),
    ("forbidden", [Fault("submit", "forbidden")], State.FAILED, "permission_denied", 0),
    ("lost answer", [Fault("submit", "lose_answer")], State.UNCERTAIN, "outcome_unknown", 1),
    ("500, not accepted", [Fault("submit", "http_error", code=500)], State.UNCERTAIN, "outcome_unknown", 0),
    ("502, accepted", [Fault("submit", "http_error", code=502, accepted=True)], State.UNCERTAIN, "outcome_unknown", 1),
    ("submit answered by HTML", [Fault("submit", "html")], State.UNCERTAIN, "outcome_unknown", 0),
    ("cut JSON", [Fault("submit", "truncated")], State.UNCERTAIN, "outcome_unknown", 1),
    ("no request id", [Fault("submit", "no_request_id")], State.UNCERTAIN, "outcome_unknown", 1),
    ("429 on submit", [Fault("submit", "too_many", times=3)], State.SUCCEEDED, None, 1),
    ("429 on status", [Fault("status", "too_many", times=9, retry_after_s=20)], State.SUCCEEDED, None, 1),
    ("503 on status", [Fault("status", "http_error", code=503, times=20)], State.SUCCEEDED, None, 1),
    ("resets on status", [Fault("status", "reset", times=7)], State.SUCCEEDED, None, 1),
    ("HTML on result", [Fault("result", "html", times=5)], State.SUCCEEDED, None, 1),
    ("unknown word", [Fault("status", "unknown_word", times=5)], State.SUCCEEDED, None, 1),
    ("failed result", [Fault("result", "failed_result", error="nsfw")], State.FAILED, "generation_failed", 1),
    ("failed object", [Fault("result", "failed_result", error={"m": 1})], State.FAILED, "generation_failed", 1),
    ("outputs as list", [Fault("result", "output_shape", shape="videos")], State.SUCCEEDED, None, 1),
    ("key refused later", [Fault("status", "bad_key", times=2)], State.SUCCEEDED, None, 1),
    ("never finishes", [Fault("submit", "never_finishes")], State.FAILED, "deadline_passed", 1),
    ("cut video", [Fault("output", "cut_video", times=3)], State.SUCCEEDED, None, 1),
    ("always cut", [Fault("output", "cut_video", times=None)], State.SUCCEEDED, "no_file_found", 1),
    ("no video at all", [Fault("output", "wrong_video", times=None)], State.SUCCEEDED, None, 1),
    ("output gone for a while", [Fault("output", "gone_output", times=2)], State.SUCCEEDED, None, 1),
    ("output host down", [Fault("output", "http_error", code=503, times=4)], State.SUCCEEDED, None, 1),
]


@pytest.mark.parametrize(("faults", "state", "code", "accepted"), [e[1:] for e in ENDS], ids=[e[0] for e in ENDS])
async def test_every_fault_ends_truthfully(
    tmp_path: Path, faults: list[Fault], state: State, code: str | None, accepted: int
) -> None:
    """Faults that pass are outlived, the others end the job by their own name, and nothing is sent twice."""
    async with rigged(tmp_path, *faults, deadline_s=300.0 if code == "deadline_passed" else 3600.0) as rig:
        job = await rig.finish(await rig.submit())
        said = job.failure or next(iter(job.remarks), None)
        assert (job.state, said.code if said else None) == (state, code)
        assert rig.accepted == accepted
        assert not list(rig.library.folder.glob(".*"))


async def test_a_post_that_never_left_is_tried_again(tmp_path: Path) -> None:
    """A refused connection is no answer lost: the job waits, says why, and is sent once when the way is free."""
    async with rigged(tmp_path) as rig:
        rig.gate.raises = httpx.ConnectError("refused")
        job = await rig.submit()
        async for seen in rig.engine.watch(HOLDER, job.job_id):
            if seen.failure:
                break
        assert (seen.state, seen.failure and seen.failure.code) == (State.WAITING, "unreachable")
        rig.gate.raises = None
        job = await rig.finish(job)
        assert (job.state, job.failure, rig.accepted) == (State.SUCCEEDED, None, 1)


async def test_unfinished_jobs_are_resumed_at_a_start(tmp_path: Path) -> None:
    """A job that was rendering when the program ended is watched and saved by the next start, and not sent again."""
    async with rigged(tmp_path, render_s=60) as rig:
        job = await rig.until(await rig.submit(), State.IN_PROGRESS)
    async with rigged(tmp_path) as restarted:
        job = await restarted.finish(job)
        assert (job.state, restarted.accepted, restarted.gate.posts) == (State.SUCCEEDED, 1, 0)


async def test_a_stop_waits_for_the_answer_to_a_paid_post(tmp_path: Path) -> None:
    """Stopping while the POST is under way keeps its request id."""
    async with rigged(tmp_path, render_s=60) as rig:
        rig.gate.open.clear()
        job = await rig.until(await rig.submit(), State.SUBMITTING)
        asyncio.get_running_loop().call_later(0.05, rig.gate.open.set)
    async with rigged(tmp_path) as restarted:
        job = await restarted.finish(job)
        assert (job.state, restarted.accepted) == (State.SUCCEEDED, 1)


async def test_found_in_the_middle_of_sending_is_uncertain(tmp_path: Path) -> None:
    """A row left `submitting` by a crash may have been paid: it is never sent again by itself."""
    async with rigged(tmp_path) as rig:
        rig.gate.raises = httpx.ConnectError("refused")
        job = await rig.until(await rig.submit(), State.WAITING)
    with closing(Database(f"sqlite:///{tmp_path / 'dreamina.sqlite3'}")) as database:
        await JobStore(database).change(job.job_id, lambda row: replace(row, state=State.SUBMITTING))
    async with rigged(tmp_path) as rig:
        job = await rig.finish(job)
        assert (job.state, rig.gate.posts) == (State.UNCERTAIN, 0)


async def test_a_queued_request_is_cancelled_at_the_service(tmp_path: Path) -> None:
    """A queued request is cancelled at the service, and only its word ends the job."""
    async with rigged(tmp_path, queue_s=60) as rig:
        job = await rig.until(await rig.submit(), State.IN_QUEUE)
        assert (await rig.engine.cancel(HOLDER, job.job_id)).state is State.CANCELLED
        assert (await rig.finish(job)).state is State.CANCELLED


async def test_cancel_while_rendering_is_too_late(tmp_path: Path) -> None:
    """A running request cannot be taken back; the video still arrives, and the row keeps that it was asked."""
    async with rigged(tmp_path, render_s=0.2) as rig:
        job = await rig.until(await rig.submit(), State.IN_PROGRESS)
        assert (await rig.engine.cancel(HOLDER, job.job_id)).state is not State.CANCELLED
        job = await rig.finish(job)
        assert (job.state, job.cancel_requested) == (State.SUCCEEDED, True)


async def test_cancel_before_the_post_sends_nothing(tmp_path: Path) -> None:
    """A job that waits because the service cannot be reached is cancelled here."""
    async with rigged(tmp_path) as rig:
        rig.gate.raises = httpx.ConnectError("refused")
        job = await rig.until(await rig.submit(), State.WAITING)
        while (job := await rig.engine.cancel(HOLDER, job.job_id)).state is State.SUBMITTING:
            await rig.clock.sleep(0)
        assert job.state is State.CANCELLED
        rig.gate.raises = None
        assert (await rig.finish(job)).state is State.CANCELLED
        assert rig.accepted == 0


async def test_cancel_during_the_post_is_asked_for_once_there_is_an_id(tmp_path: Path) -> None:
    """Asked for while the POST is under way, the cancel follows as soon as there is something to cancel."""
    async with rigged(tmp_path, queue_s=60) as rig:
        rig.gate.open.clear()
        job = await rig.until(await rig.submit(), State.SUBMITTING)
        await rig.engine.cancel(HOLDER, job.job_id)
        rig.gate.open.set()
        assert (await rig.finish(job)).state is State.CANCELLED


@pytest.mark.parametrize("kind", ["cancel_requested_only", "cancel_word"])
async def test_only_the_outcome_decides_a_cancel(tmp_path: Path, kind: Any) -> None:
    """`cancellation_requested` is asked and not done, and the status beside an outcome means nothing."""
    async with rigged(tmp_path, Fault("cancel", kind), queue_s=0.2) as rig:
        job = await rig.until(await rig.submit(), State.IN_QUEUE)
        assert (await rig.engine.cancel(HOLDER, job.job_id)).state is State.IN_QUEUE
        assert (await rig.finish(job)).ended


async def test_a_cancel_that_cannot_be_asked_is_an_error(tmp_path: Path) -> None:
    """When the service does not answer, nobody is told that the job was taken back."""
    async with rigged(tmp_path, Fault("cancel", "http_error", code=503, times=None), queue_s=60) as rig:
        job = await rig.until(await rig.submit(), State.IN_QUEUE)
        with pytest.raises(ServiceError):
            await rig.engine.cancel(HOLDER, job.job_id)


async def test_limits_refuse_at_the_click(tmp_path: Path) -> None:
    """Active and daily limits count in the transaction that makes the row; parallel clicks never pass them."""
    limits = Limits(active=3, active_per_visitor=2, daily=4, daily_per_visitor=3)
    async with rigged(tmp_path, queue_s=60, limits=limits, clock=Clock()) as rig:

        async def click(visitor_id: str) -> Job | Exception:
            try:
                return await rig.submit(visitor_id)
            except (TooManyActive, DailyLimitReached) as error:
                return error

        ann = await asyncio.gather(*(click("ann") for _ in range(10)))
        assert sum(isinstance(made, Job) for made in ann) == 2
        bob = await asyncio.gather(*(click("bob") for _ in range(10)))
        assert sum(isinstance(made, Job) for made in bob) == 1
        assert [e.facts["scope"] for e in bob if isinstance(e, TooManyActive)] == ["all"] * 9


async def test_daily_limits_count_what_was_paid(tmp_path: Path) -> None:
    """Finished videos count for their day, refused ones do not, and the next day starts anew."""
    limits = Limits(active=9, active_per_visitor=9, daily_per_visitor=1)
    async with rigged(tmp_path, Fault("submit", "no_balance"), limits=limits) as rig:
        assert (await rig.finish(await rig.submit())).state is State.FAILED
        assert (await rig.finish(await rig.submit())).state is State.SUCCEEDED
        with pytest.raises(DailyLimitReached):
            await rig.submit()
        rig.clock.at += 86_400
        assert (await rig.finish(await rig.submit())).state is State.SUCCEEDED


async def test_history_is_the_visitors_own(tmp_path: Path) -> None:
    """Newest first, in pages, and nobody else's."""
    async with rigged(tmp_path) as rig:
        mine = []
        for _ in range(3):
            mine.append(await rig.submit("ann"))
            rig.clock.at += 1
        await rig.submit("bob")
        first, count = await rig.engine.history.page("ann", 2)
        assert [job.job_id for job in first] == [mine[2].job_id, mine[1].job_id]
        assert count == 3
        rest, _ = await rig.engine.history.page("ann", 2, 2)
        assert [job.job_id for job in rest] == [mine[0].job_id]


async def test_many_watchers_cost_the_polls_of_one(tmp_path: Path) -> None:
    """Ten pages on one job see the same end, and the service is asked no more often."""

    async def polls(watchers: int, folder: Path) -> tuple[int, Rig]:
        async with rigged(folder, Fault("status", "unknown_word", times=20)) as rig:
            job = await rig.submit()
            ended = await asyncio.gather(*(rig.finish(job) for _ in range(watchers)))
            assert {job.state for job in ended} == {State.SUCCEEDED}
            return sum("/status" in str(request.url) for request in rig.gate.requests), rig

    alone, _ = await polls(1, tmp_path / "alone")
    crowd, _ = await polls(10, tmp_path / "crowd")
    assert alone == crowd


async def test_an_unknown_job_is_not_found(tmp_path: Path) -> None:
    """Nobody can watch, read or cancel what does not exist."""
    async with rigged(tmp_path) as rig:
        with pytest.raises(JobNotFound):
            await rig.engine.job(HOLDER, "nope")
        with pytest.raises(JobNotFound):
            await rig.engine.cancel(HOLDER, "nope")
        with pytest.raises(JobNotFound):
            await anext(rig.engine.watch(HOLDER, "nope"))
