"""Visitors' own keys: checked, kept in memory alone, and each job goes with the very one it was made with."""

import asyncio
import logging
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from dreamina_ui.backends import Backend
from dreamina_ui.engine.engine import Engine
from dreamina_ui.engine.keys import KEPT_S, KEY_AWAITED_S, TRIES_EACH, TRIES_IN_ALL, TRIES_S, VISITORS_MOST
from dreamina_ui.errors import (
    InvalidInput,
    KeyMissing,
    KeyNeeded,
    KeyRefused,
    KeyUnchecked,
    OwnKeyLost,
    TooManyKeys,
    UnknownRequest,
)
from dreamina_ui.jobs import HOLDER, Job, State
from dreamina_ui.simulator import Fault
from tests.rig import OTHER_CARD, VALUES, Clock, Gate, Rig, engine_settings, rigged
from tests.waiting import until

pytestmark = pytest.mark.anyio

SHARED, ANNS, BOBS, OTHER = (f"rc-canary-{name}-0123456789" for name in ("shared", "anns", "bobs", "other"))


def bearers(gate: Gate, request_id: str | None = None) -> list[str]:
    """What each request said, of those about one of the service's requests, or of the paid ones."""
    about = [
        request
        for request in gate.requests
        if (
            f"/{request_id}/" in request.url.path
            if request_id
            else request.method == "POST" and "/models/" in str(request.url)
        )
    ]
    return [request.headers.get("Authorization", "none").removeprefix("Bearer ") for request in about]


def open_to(rig: Rig, *keys: str) -> Rig:
    rig.gate.keys = set(keys)
    return rig


async def waits_for_key(rig: Rig, job: Job) -> Job:
    async def noted() -> bool:
        failure = (await rig.store.get(job.job_id)).failure
        return failure is not None and failure.code == "key_needed"

    await until(noted)
    return await rig.store.get(job.job_id)


async def test_each_request_of_a_job_carries_exactly_its_own_key(tmp_path: Path) -> None:
    """Two visitors with keys and one without: sent, polled and fetched each with one key, and nobody with another's."""
    async with rigged(tmp_path, backend="runcomfy", key=SHARED) as rig:
        open_to(rig, SHARED, ANNS, BOBS)
        await rig.engine.keys.bring("ann", ANNS)
        await rig.engine.keys.bring("bob", f"  {BOBS}\n")
        made = {key: await rig.submit(who) for who, key in (("ann", ANNS), ("bob", BOBS), ("eve", SHARED))}
        for key, job in made.items():
            ended = await rig.finish(job)
            assert (ended.state, ended.own_key) == (State.SUCCEEDED, key != SHARED)
            assert set(bearers(rig.gate, ended.request_id)) == {key}
        assert sorted(bearers(rig.gate)) == sorted(made)
        fetched = [request for request in rig.gate.requests if "/outputs/" in request.url.path]
        assert len(fetched) >= 3
        assert all("Authorization" not in request.headers for request in fetched)


async def test_a_cancel_is_sent_with_the_jobs_key(tmp_path: Path) -> None:
    """Also by whoever holds the job id alone."""
    async with rigged(tmp_path, backend="runcomfy", key=SHARED, queue_s=600) as rig:
        open_to(rig, SHARED, ANNS)
        await rig.engine.keys.bring("ann", ANNS)
        job = await rig.until(await rig.submit("ann"), State.IN_QUEUE)
        assert (await rig.engine.cancel(HOLDER, job.job_id)).state is State.CANCELLED
        assert set(bearers(rig.gate, job.request_id)) == {ANNS}


async def test_a_running_job_keeps_its_key_when_another_is_brought(tmp_path: Path) -> None:
    """The visitor may change keys at any time; what is under way belongs to the first one's account."""
    async with rigged(tmp_path, backend="runcomfy", queue_s=0.5) as rig:
        open_to(rig, ANNS, OTHER)
        await rig.engine.keys.bring("ann", ANNS)
        first = await rig.until(await rig.submit("ann"), State.IN_QUEUE)
        await rig.engine.keys.bring("ann", OTHER)
        second = await rig.finish(await rig.submit("ann"))
        first = await rig.finish(first)
        assert (first.state, second.state) == (State.SUCCEEDED, State.SUCCEEDED)
        assert set(bearers(rig.gate, first.request_id)) == {ANNS}
        assert set(bearers(rig.gate, second.request_id)) == {OTHER}


async def test_a_key_is_not_accepted_unless_the_service_takes_it(tmp_path: Path) -> None:
    """Refused, unreachable, empty or unsayable: one error each, and a key that was there before still is."""
    async with rigged(tmp_path, backend="runcomfy") as rig:
        open_to(rig, ANNS)
        for key, error in (
            ("wrong", KeyRefused),
            ("", KeyMissing),
            ("  ", KeyMissing),
            ("a\nb", KeyRefused),
            ("x" * 600, KeyRefused),
        ):
            with pytest.raises(error):
                await rig.engine.keys.bring("ann", key)
        nothing: list[Any] = [None, 7, ["x"], {}]
        for value in nothing:
            with pytest.raises(KeyMissing):
                await rig.engine.keys.bring("ann", value)
        with pytest.raises(KeyMissing):
            await rig.submit("ann")
        await rig.engine.keys.bring("ann", ANNS)
        rig.gate.raises = httpx.ConnectError("away")
        with pytest.raises(KeyUnchecked):
            await rig.engine.keys.bring("ann", OTHER)
        rig.gate.raises = None
        assert rig.engine.keys.of_visitor("ann") == ANNS


async def test_the_check_costs_nothing_and_is_remembered_for_some_minutes(tmp_path: Path) -> None:
    """No POST is made for it; the same key is not asked about at every call."""
    async with rigged(tmp_path, backend="runcomfy") as rig:
        open_to(rig, ANNS)
        for _ in range(3):
            await rig.engine.keys.bring("ann", ANNS)
        assert [request.method for request in rig.gate.requests] == ["GET"]
        await rig.clock.sleep(301)
        await rig.engine.keys.bring("ann", ANNS)
        assert len(rig.gate.requests) == 2


async def test_after_a_restart_a_job_waits_for_its_key_and_is_never_paid_twice(tmp_path: Path) -> None:
    """It says so, is not polled with another's key, and goes on to its video when the key is brought again."""
    clock = Clock()
    async with rigged(tmp_path, backend="runcomfy", key=SHARED, queue_s=600, clock=clock) as rig:
        open_to(rig, SHARED, ANNS)
        await rig.engine.keys.bring("ann", ANNS)
        job = await rig.until(await rig.submit("ann"), State.IN_QUEUE)
        assert set(bearers(rig.gate)) == {ANNS}
    async with rigged(tmp_path, backend="runcomfy", key=SHARED, clock=clock) as rig:
        open_to(rig, SHARED, ANNS)
        assert (await waits_for_key(rig, job)).state is State.IN_QUEUE
        await rig.clock.sleep(5 * 3600)  # longer than any deadline
        await rig.finish(await rig.submit("bob"))  # sweeps all around it
        assert bearers(rig.gate) == [SHARED]
        assert bearers(rig.gate, job.request_id) == []
        with pytest.raises(KeyNeeded):
            await rig.engine.cancel("ann", job.job_id)
    async with rigged(tmp_path, backend="runcomfy", clock=clock) as rig:  # and without any shared key
        open_to(rig, ANNS)
        await rig.engine.keys.bring("ann", ANNS)
        ended = await rig.finish(job)
        # The cancel was asked for without the key, and came too late: the video arrives.
        assert (ended.state, ended.failure, ended.cancel_requested) == (State.SUCCEEDED, None, True)
        assert rig.gate.posts == 0
        assert set(bearers(rig.gate, job.request_id)) == {ANNS}
        assert rig.accepted == 2  # ann's and bob's


async def test_a_job_that_is_not_sent_yet_is_never_sent_with_another_key(tmp_path: Path) -> None:
    """The click is safe over a restart; the shared key does not pay for it, nor does an own key pay for a shared one's."""
    clock = Clock()
    async with rigged(tmp_path, backend="runcomfy", key=SHARED, clock=clock) as rig:
        open_to(rig, SHARED, ANNS)
        await rig.engine.keys.bring("ann", ANNS)
        rig.gate.raises = httpx.ConnectError("away")
        own, shared = await rig.submit("ann"), await rig.submit("bob")
    async with rigged(tmp_path, backend="runcomfy", key=SHARED, clock=clock) as rig:
        open_to(rig, SHARED, ANNS)
        assert (await rig.finish(shared)).state is State.SUCCEEDED
        assert (await waits_for_key(rig, own)).state is State.WAITING
        assert bearers(rig.gate) == [SHARED]
        await rig.engine.keys.bring("ann", ANNS)
        assert (await rig.finish(own)).state is State.SUCCEEDED
        assert bearers(rig.gate) == [SHARED, ANNS]


async def test_a_forgotten_or_expired_key_stops_its_jobs_at_the_next_look(tmp_path: Path) -> None:
    """They wait and say so; no request is made without the key, and the next key takes them on."""
    async with rigged(tmp_path, backend="runcomfy", queue_s=0.5) as rig:
        open_to(rig, ANNS)
        await rig.engine.keys.bring("ann", ANNS)
        job = await rig.until(await rig.submit("ann"), State.IN_QUEUE)
        await rig.engine.keys.forget("ann")
        await waits_for_key(rig, job)
        assert rig.engine.keys.held() == (frozenset(), frozenset())
        asked = len(rig.gate.requests)
        with pytest.raises(KeyMissing):
            await rig.submit("ann")
        assert len(rig.gate.requests) == asked
        await rig.engine.keys.bring("ann", ANNS)
        assert (await rig.finish(job)).state is State.SUCCEEDED


async def test_waiting_for_a_key_is_no_busy_loop(tmp_path: Path) -> None:
    """Once it is said that a job waits, sweeps leave it alone: its row does not change."""
    async with rigged(tmp_path, backend="runcomfy", queue_s=600) as rig:
        open_to(rig, ANNS)
        await rig.engine.keys.bring("ann", ANNS)
        job = await rig.until(await rig.submit("ann"), State.IN_QUEUE)
        await rig.engine.keys.forget("ann")
        before = await waits_for_key(rig, job)
        await until(lambda: not rig.engine.supervisor.runs)
        for _ in range(20):
            await rig.engine.supervisor.sweep()
        await until(lambda: not rig.engine.supervisor.runs)
        assert await rig.store.get(job.job_id) == before


async def test_after_a_week_a_job_gives_up_and_can_be_resumed(tmp_path: Path) -> None:
    """It no longer takes a place; its request id is kept, and Resume fetches the video with the key, unpaid."""
    clock = Clock()
    async with rigged(tmp_path, backend="runcomfy", queue_s=600, clock=clock) as rig:
        open_to(rig, ANNS)
        await rig.engine.keys.bring("ann", ANNS)
        job = await rig.until(await rig.submit("ann"), State.IN_QUEUE)
    async with rigged(tmp_path, backend="runcomfy", clock=clock) as rig:
        open_to(rig, ANNS)
        await waits_for_key(rig, job)
        clock.at += KEY_AWAITED_S + 1
        await rig.engine.supervisor.sweep()
        given_up = await rig.finish(job)
        assert (given_up.state, given_up.can_resume) == (State.FAILED, True)
        await rig.engine.keys.bring("ann", ANNS)
        resumed = await rig.finish(await rig.engine.resume("ann", job.job_id))
        assert (resumed.state, resumed.own_key, rig.gate.posts) == (State.SUCCEEDED, True, 0)


async def test_the_key_of_another_account_loses_no_video(tmp_path: Path) -> None:
    """It does not see the request; with the right key, Resume still finds it."""
    clock = Clock()
    async with rigged(tmp_path, backend="runcomfy", queue_s=600, clock=clock) as rig:
        open_to(rig, ANNS)
        await rig.engine.keys.bring("ann", ANNS)
        job = await rig.until(await rig.submit("ann"), State.IN_QUEUE)
        owners = rig.gate.owners
    async with rigged(tmp_path, backend="runcomfy", clock=clock) as rig:
        rig.gate.owners = owners
        open_to(rig, ANNS, OTHER)
        await rig.engine.keys.bring("ann", OTHER)
        lost = await rig.finish(job)
        assert (lost.failure and lost.failure.code, lost.can_resume) == (UnknownRequest.code, True)
        await rig.engine.keys.forget("ann")
        await rig.engine.keys.bring("ann", ANNS)
        assert (await rig.finish(await rig.engine.resume("ann", job.job_id))).state is State.SUCCEEDED


async def test_a_callers_key_is_for_its_job_alone(tmp_path: Path) -> None:
    """A key with one call makes none for the visitor; after a restart, whoever holds the job id brings it again."""
    clock = Clock()
    async with rigged(tmp_path, backend="runcomfy", key=SHARED, queue_s=600, clock=clock) as rig:
        open_to(rig, SHARED, ANNS)
        [job] = await rig.engine.submit("ann", VALUES, key=ANNS)
        await rig.until(job, State.IN_QUEUE)
        assert not rig.engine.keys.has("ann")
        await rig.until(await rig.submit("ann"), State.IN_QUEUE)
        assert bearers(rig.gate) == [ANNS, SHARED]
        with pytest.raises(KeyRefused):
            await rig.engine.submit("ann", VALUES, key="wrong")
    async with rigged(tmp_path, backend="runcomfy", key=SHARED, clock=clock) as rig:
        open_to(rig, SHARED, ANNS)
        await waits_for_key(rig, job)
        with pytest.raises(KeyRefused):
            await rig.engine.keys.bring_for(job.job_id, "wrong")
        await rig.engine.keys.bring_for(job.job_id, ANNS)
        assert (await rig.finish(job)).state is State.SUCCEEDED
        assert rig.gate.posts == 0


async def test_a_click_that_came_before_keeps_its_key(tmp_path: Path) -> None:
    """The same click with another key makes nothing new, and its job goes on with the first."""
    async with rigged(tmp_path, backend="runcomfy", queue_s=0.5) as rig:
        open_to(rig, ANNS, OTHER)
        [first] = await rig.engine.submit("ann", VALUES, click_id="c", key=ANNS)
        [repeated] = await rig.engine.submit("ann", VALUES, click_id="c", key=OTHER)
        assert repeated.job_id == first.job_id
        ended = await rig.finish(first)
        assert set(bearers(rig.gate, ended.request_id)) == {ANNS}
        assert bearers(rig.gate) == [ANNS]
        assert rig.engine.keys.held() == (frozenset(), frozenset())


async def test_a_batch_goes_with_the_visitors_key(tmp_path: Path) -> None:
    """Every video of it; those that wait in line wait for the key, too."""
    clock = Clock()
    async with rigged(tmp_path, backend="runcomfy", key=SHARED, clock=clock) as rig:
        open_to(rig, SHARED, ANNS)
        await rig.engine.keys.bring("ann", ANNS)
        rig.gate.raises = httpx.ConnectError("away")
        made = await rig.engine.batches.submit("ann", [VALUES] * 3, "b")
    async with rigged(tmp_path, backend="runcomfy", key=SHARED, clock=clock) as rig:
        open_to(rig, SHARED, ANNS)
        for job in made:
            await waits_for_key(rig, job)
        await rig.engine.keys.bring("ann", ANNS)
        assert {(await rig.finish(job)).state for job in made} == {State.SUCCEEDED}
        assert bearers(rig.gate) == [ANNS] * 3


async def test_a_batch_of_a_program_goes_with_the_key_that_comes_with_it(tmp_path: Path) -> None:
    """It is checked first; a second call of the same name is no second batch, whoever asks, and of other videos it is refused."""
    async with rigged(tmp_path, backend="runcomfy", key=SHARED, more_cards=[OTHER_CARD]) as rig:
        open_to(rig, SHARED, ANNS)
        rows, models = [VALUES, {"text": "a boat"}], [None, OTHER_CARD.model_id]
        submit = partial(rig.engine.batches.submit, is_call=True, key=ANNS)
        with pytest.raises(KeyRefused):
            await rig.engine.batches.submit("ann", rows, "call-1", models, is_call=True, key="wrong")
        made = await submit("ann", rows, "call-1", models)
        assert [job.own_key for job in made] == [True, True]
        assert [job.job_id for job in await submit("bob", rows, "call-1", models)] == [job.job_id for job in made]
        for other, of in (([VALUES, VALUES], [None, None]), (rows[:1], [None]), ([*rows, VALUES], [*models, None])):
            with pytest.raises(InvalidInput):
                await submit("ann", other, "call-1", of)
        assert {(await rig.finish(job)).state for job in made} == {State.SUCCEEDED}
        assert bearers(rig.gate) == [ANNS] * 2


async def test_the_simulator_asks_for_no_key(tmp_path: Path) -> None:
    """There an own key means nothing, and is not kept."""
    async with rigged(tmp_path) as rig:
        with pytest.raises(KeyRefused):
            await rig.engine.keys.bring("ann", ANNS)
        [job] = await rig.engine.submit("ann", VALUES, key=ANNS)
        assert not job.own_key
        assert rig.engine.keys.held() == (frozenset(), frozenset())


@pytest.mark.parametrize("fault", [None, "bad_key", "no_balance", "lose_answer"])
async def test_a_canary_key_is_nowhere(tmp_path: Path, caplog: pytest.LogCaptureFixture, fault: Any) -> None:
    """Not in the files, the rows, what can be printed of the engine, its errors, or any log at DEBUG."""
    caplog.set_level(logging.DEBUG)
    faults = [Fault("submit", fault)] if fault else []
    said: list[str] = []
    async with rigged(tmp_path, *faults, backend="runcomfy", key=SHARED) as rig:
        for wrong in (f"{OTHER} with blanks", OTHER):
            open_to(rig, SHARED, ANNS)
            with pytest.raises(KeyRefused) as refused:
                await rig.engine.keys.bring("ann", wrong)
            said.append(repr(refused.value) + str(refused.value.facts))
        await rig.engine.keys.bring("ann", ANNS)
        job = await rig.submit("ann")
        said.append(repr(rig.engine.keys) + repr(vars(rig.engine.keys)) + repr(job))
        ended = await rig.finish(job)
        assert ended.own_key
        said += [repr(ended), repr(rig.seen)]
    files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert any(job.job_id.encode() in content for content in files)
    for key in (ANNS, OTHER):
        assert not [content for content in files if key.encode() in content]
        assert key not in caplog.text
        assert all(key not in text for text in said)


async def test_keys_expire_after_their_last_use_and_are_bounded(tmp_path: Path) -> None:
    """Twelve hours; use starts them anew, being looked at does not; beyond the bound the longest unused go."""
    clock = Clock()
    began = clock.at
    keys = Engine(engine_settings(tmp_path, Gate(None), backend=Backend.RUNCOMFY, clock=clock)).keys
    keys.keep("ann", ANNS)
    keys.keep("bob", BOBS)
    clock.at = began + KEPT_S - 1
    assert keys.of_visitor("ann") == ANNS
    assert keys.has("bob")
    clock.at = began + KEPT_S + 1
    assert not keys.has("bob")
    assert keys.of_visitor("ann") == ANNS
    for number in range(VISITORS_MOST):
        keys.keep(f"v{number}", OTHER)
    assert not keys.has("ann")
    assert keys.has("v0")


async def test_a_lost_key_is_asked_for_again_and_never_replaced(tmp_path: Path) -> None:
    """After a restart or hours, on the page, in a batch and by a program's call: nothing goes with the shared key, and one
    sentence says so. With the key brought again, or forgotten on purpose, it goes on; others are asked for nothing."""
    async with rigged(tmp_path, backend="runcomfy", key=SHARED) as rig:
        open_to(rig, SHARED, ANNS)
        await rig.engine.keys.bring("ann", ANNS)
    async with rigged(tmp_path, backend="runcomfy", key=SHARED) as rig:
        open_to(rig, SHARED, ANNS)
        assert await rig.engine.keys.is_lost("ann")
        with pytest.raises(OwnKeyLost):
            await rig.submit("ann")
        with pytest.raises(OwnKeyLost):
            await rig.engine.batches.submit("ann", [VALUES], "batch-1")
        assert bearers(rig.gate) == []
        assert not await rig.engine.keys.is_lost("bob")
        assert (await rig.finish(await rig.submit("bob"))).own_key is False
        await rig.engine.keys.bring("ann", ANNS)
        assert (await rig.finish(await rig.submit("ann"))).own_key is True
        rig.clock.at += KEPT_S + 1
        with pytest.raises(OwnKeyLost):
            await rig.submit("ann")
        [job] = await rig.engine.submit("ann", VALUES, key=ANNS)  # a program brings it with the call
        assert (await rig.finish(job)).own_key is True
        await rig.engine.keys.forget("ann")
        assert not await rig.engine.keys.is_lost("ann")
        assert (await rig.finish(await rig.submit("ann"))).own_key is False
        assert bearers(rig.gate) == [SHARED, ANNS, ANNS, SHARED]


async def test_a_key_that_was_forgotten_at_another_replica_pays_for_nothing(tmp_path: Path) -> None:
    """It is still in this one's memory: a click, a batch go with the shared key, as the visitor has chosen there."""
    async with rigged(tmp_path, backend="runcomfy", key=SHARED) as rig:
        open_to(rig, SHARED, ANNS)
        await rig.engine.keys.bring("ann", ANNS)
        assert (await rig.finish(await rig.submit("ann"))).own_key is True
        await rig.store.forget_own_key("ann")  # what another replica does
        assert (await rig.finish(await rig.submit("ann"))).own_key is False
        [batched] = await rig.engine.batches.submit("ann", [VALUES], "batch-1")
        assert (await rig.finish(batched)).own_key is False
        assert bearers(rig.gate) == [ANNS, SHARED, SHARED]


async def test_refused_keys_are_bounded(tmp_path: Path) -> None:
    """Of thousands of keys, the service is asked about ten of one visitor and three hundred of all, also when all come at once;
    a key that was accepted before stays, and after ten minutes a right one is accepted again."""
    async with rigged(tmp_path, backend="runcomfy", key=SHARED) as rig:
        open_to(rig, SHARED, ANNS)

        async def asked(tries: int, visitors: int) -> int:
            before = len(rig.gate.requests)
            brought = [rig.engine.keys.bring(f"eve{n % visitors}", f"guess-{visitors}-{n}-0123") for n in range(tries)]
            errors = await asyncio.gather(*brought, return_exceptions=True)
            assert {type(error) for error in errors} == {KeyRefused, TooManyKeys}
            return len(rig.gate.requests) - before

        assert await asked(1000, 1) == TRIES_EACH
        await rig.engine.keys.bring("ann", ANNS)
        for _ in range(TRIES_EACH + 1):  # one that is accepted is no try
            await rig.engine.keys.bring("ann", ANNS)
            rig.clock.at += 1
        assert await asked(3000, 500) == TRIES_IN_ALL - TRIES_EACH
        with pytest.raises(TooManyKeys):
            await rig.engine.keys.bring("bob", BOBS)
        assert (await rig.finish(await rig.submit("ann"))).own_key is True
        open_to(rig, SHARED, ANNS, BOBS)
        rig.clock.at += TRIES_S + 1
        await rig.engine.keys.bring("bob", BOBS)
