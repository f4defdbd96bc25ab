"""Money through the engine: prices and their notes, what was learned, the budget of the day, and whose balance is told."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from dreamina_ui.errors import DailyBudgetReached
from dreamina_ui.jobs import HOLDER, State
from dreamina_ui.runcomfy.client import Price
from dreamina_ui.simulator import Fault
from dreamina_ui.wording import Words
from tests.rig import CARD, NO_LIMIT, VALUES, Rig, rigged
from tests.waiting import until

pytestmark = pytest.mark.anyio

KEY, ANNS_KEY = "rc-the-owners-0123456789", "rc-anns-own-0123456789"
HALF: Mapping[str, Any] = {"price_usd": 0.5, "price_unit": "output"}
NOTE = "Without sound; 4K costs twice as much."
TWO_DOLLARS = replace(NO_LIMIT, daily_budget_usd=2.0)


def asked(rig: Rig, path: str) -> list[str]:
    """The keys with which an address was asked for."""
    return [request.headers["Authorization"] for request in rig.gate.requests if request.url.path == path]


async def test_a_price_with_a_note_is_no_total(tmp_path: Path) -> None:
    """What the service calls a base is told as one, with its note; after a video, what that cost is known."""
    async with rigged(tmp_path, backend="runcomfy", key=KEY, prices={**HALF, "pricing_note": NOTE}) as rig:
        assert await rig.engine.money.price(CARD) == Price(0.5, "output", NOTE)
        assert await rig.engine.money.estimate_usd(CARD, VALUES, "ann") is None
        assert await rig.engine.last_cost_usd(CARD, VALUES, "ann") is None
        assert (await rig.finish(await rig.submit())).cost_usd == 0.5
        assert await rig.engine.last_cost_usd(CARD, VALUES, "ann") == 0.5
        assert await rig.engine.money.estimate_usd(CARD, VALUES, "ann") is None


async def test_a_price_that_could_not_be_read_is_asked_for_again(tmp_path: Path) -> None:
    """A failure does not hide the price for an hour, and is not repeated at each look either."""
    fault = Fault("model", "http_error", times=3)  # a read is tried three times
    async with rigged(tmp_path, fault, backend="runcomfy", key=KEY, prices=HALF) as rig:
        assert await rig.engine.money.estimate_usd(CARD, VALUES) is None
        count = len(rig.gate.requests)
        assert await rig.engine.money.estimate_usd(CARD, VALUES) is None
        assert len(rig.gate.requests) == count
        rig.clock.at += 61
        assert await rig.engine.money.estimate_usd(CARD, VALUES) == 0.5
        rig.clock.at += 3601
        rig.gate.raises = httpx.ConnectError("away")
        assert await rig.engine.money.estimate_usd(CARD, VALUES) == 0.5


async def test_what_videos_on_the_shared_key_cost_is_learned(tmp_path: Path) -> None:
    """Whoever pays with it learns from all of its videos; whoever pays with an own key only from the own ones."""
    async with rigged(tmp_path, backend="runcomfy", key=KEY, prices={**HALF, "pricing_note": NOTE}) as rig:
        await rig.finish(await rig.submit("bob"))
        await rig.engine.keys.bring("ann", ANNS_KEY)
        assert await rig.engine.last_cost_usd(CARD, VALUES, "eve") == 0.5
        assert await rig.engine.last_cost_usd(CARD, {**VALUES, "frames": 241}, "eve") is None
        assert await rig.engine.last_cost_usd(CARD, VALUES, "ann") is None


@pytest.mark.parametrize("note", ["", NOTE])
async def test_the_budget_of_the_day(tmp_path: Path, note: str) -> None:
    """Clicks and batches are booked at what is known of the price, the base at least, and refused beyond the budget."""
    prices = {**HALF, "pricing_note": note}
    async with rigged(tmp_path, backend="runcomfy", key=KEY, limits=TWO_DOLLARS, queue_s=3600, prices=prices) as rig:
        made = [*await rig.engine.submit("ann", VALUES, count=2), await rig.submit("bob")]
        with pytest.raises(DailyBudgetReached) as caught:
            await rig.engine.batches.submit("bob", [VALUES, VALUES], "batch-1")
        sentence = Words("en").sentence(caught.value, sent=False)
        assert sentence == (
            "What is left of today's budget does not cover this; it starts again at midnight UTC. Nothing was sent."
        )
        await rig.engine.batches.submit("bob", [VALUES], "batch-2")
        with pytest.raises(DailyBudgetReached):
            await rig.submit("eve")
        await rig.engine.keys.bring("eve", ANNS_KEY)
        await rig.submit("eve")
        await rig.until(made[0], State.IN_QUEUE)
        assert (await rig.engine.cancel(HOLDER, made[0].job_id)).state is State.CANCELLED
        await rig.submit("ann")
        assert (await rig.engine.allowances.budget_use()).spent_usd == 2.0


async def test_a_video_is_booked_at_what_the_last_one_cost(tmp_path: Path) -> None:
    """The base price is less than the bill: only the first video is booked with it, until it has ended."""
    async with rigged(tmp_path, backend="runcomfy", key=KEY, limits=TWO_DOLLARS, prices=HALF) as rig:
        rig.simulator._cost = rig.simulator._queue._cost = lambda record: 0.9
        await rig.finish(await rig.submit())
        rig.clock.at += 2
        await rig.submit()
        assert (await rig.engine.allowances.budget_use()).spent_usd == 1.8
        with pytest.raises(DailyBudgetReached):
            await rig.submit()


async def test_an_unknown_price_is_said_and_counts_when_it_is_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log names the model once; a click does not wait for a service that does not answer."""
    monkeypatch.setattr("dreamina_ui.engine.money.PRICE_AWAITED_S", 0.05)
    async with rigged(tmp_path, backend="runcomfy", key=KEY, limits=TWO_DOLLARS, prices=HALF) as rig:
        rig.gate.open.clear()
        jobs = [await rig.submit(), await rig.submit()]
        assert (await rig.engine.allowances.budget_use()).unknown == 2
        said = [record.message for record in caplog.records if "no price of" in record.message]
        assert said == [
            f"no price of {CARD.model_id} is known: the budget counts its videos when their cost is reported"
        ]
        rig.gate.open.set()
        for job in jobs:
            await rig.finish(job)
        use = await rig.engine.allowances.budget_use()
        assert (use.spent_usd, use.unknown) == (1.0, 0)


async def test_a_limit_that_is_nearly_used_up_is_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The budget, by what is booked at the click; and the count of videos. A restart does not say it again."""
    limits = replace(NO_LIMIT, daily_budget_usd=1.0, daily=3)
    caplog.set_level(logging.WARNING)

    def lines() -> list[str]:
        return [record.message for record in caplog.records if "are used up" in record.message]

    for start in range(2):
        settings: dict[str, Any] = {"backend": "runcomfy", "key": KEY, "limits": limits, "prices": HALF}
        async with rigged(tmp_path, **settings) as rig:
            if start == 0:
                await rig.finish(await rig.submit())
                assert lines() == []
                await rig.submit()
            await until(lambda: len(lines()) == 2)
            with pytest.raises(DailyBudgetReached):
                await rig.submit()
    assert lines() == [f"{percent} % of today's DREAMINA_DAILY_BUDGET_USD are used up: 1 of 1" for percent in (80, 100)]


async def test_what_the_service_reports_is_told_without_a_click(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A video of an unknown price uses up the budget when its cost is known, at its end."""
    monkeypatch.setattr("dreamina_ui.engine.money.PRICE_AWAITED_S", 0.05)
    caplog.set_level(logging.WARNING)
    limits = replace(NO_LIMIT, daily_budget_usd=0.5)
    async with rigged(tmp_path, backend="runcomfy", key=KEY, limits=limits, prices=HALF) as rig:
        rig.gate.open.clear()
        job = await rig.submit()
        assert (await rig.engine.allowances.budget_use()).unknown == 1
        rig.gate.open.set()
        await rig.finish(job)
        await until(
            lambda: any("DREAMINA_DAILY_BUDGET_USD are used up: 0.5 of 0.5" in each for each in caplog.messages)
        )


async def test_whose_balance_is_told(tmp_path: Path) -> None:
    """A visitor's own account, or the owner's to the owner; never the owner's to others, for whom nothing is asked."""
    prices = {**HALF, "balance_usd": 3.0}
    async with rigged(tmp_path, backend="runcomfy", key=KEY, prices=prices) as rig:
        money, path = rig.engine.money, "/prod/v2/balance"
        assert not money.shows_balance("ann", is_owner=False)
        assert await money.balance_usd("ann") is None
        assert asked(rig, path) == []
        assert money.shows_balance("ann", is_owner=True)
        assert await money.balance_usd("ann", is_owner=True) == 3.0
        await rig.finish(await rig.submit())
        assert await money.balance_usd("ann", is_owner=True) == 3.0
        assert await money.balance_usd("ann", is_owner=True, may_have_changed=True) == 2.5
        await rig.engine.keys.bring("bob", ANNS_KEY)
        assert money.shows_balance("bob", is_owner=False)
        assert await money.balance_usd("bob", is_owner=True) == 2.5
        assert asked(rig, path) == [f"Bearer {KEY}"] * 2 + [f"Bearer {ANNS_KEY}"]
        await rig.engine.keys.forget("bob")
        assert not money.shows_balance("bob", is_owner=False)


async def test_the_simulator_costs_nothing(tmp_path: Path) -> None:
    """Neither price nor balance is asked for, and a budget is never used up."""
    async with rigged(tmp_path, limits=replace(NO_LIMIT, daily_budget_usd=0.0), prices=HALF) as rig:
        assert await rig.engine.money.estimate_usd(CARD, VALUES, "ann") == 0.0
        assert not rig.engine.money.shows_balance("ann", is_owner=True)
        await rig.finish(await rig.submit())
        assert not any("balance" in request.url.path for request in rig.gate.requests)
