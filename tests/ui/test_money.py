"""What the page and the programs' answers say about money: prices and their notes, and the balance of who may see it."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from markupsafe import Markup
from mcp import types

from dreamina_ui.api.job_json import model_json
from dreamina_ui.api.tools import Tools
from dreamina_ui.cards.model_card import card_of
from dreamina_ui.jobs import State
from dreamina_ui.ui.page import Page
from dreamina_ui.ui.translations import Fixed
from dreamina_ui.web.callers import Callers
from dreamina_ui.wording import Words
from tests.engine.test_ownership import VISITORS, request_of
from tests.rig import CARD, OTHER_CARD, VALUES, Rig, rigged

pytestmark = pytest.mark.anyio

KEY, ANNS_KEY = "rc-the-owners-0123456789", "rc-anns-own-0123456789"
NOTE = "Without <b>sound</b>; 4K costs twice as much."
HALF: Mapping[str, Any] = {"price_usd": 0.5, "price_unit": "output", "balance_usd": 3.0}
TEXT = {"text": "a boat"}


class OfAnn(Callers):
    """Ann is the owner."""

    def is_owner(self, request: gr.Request) -> bool:
        return self.visitor(request) == "ann"


@asynccontextmanager
async def page_of(folder: Path, **settings: Any) -> AsyncIterator[tuple[Rig, Page]]:
    async with rigged(folder, **{"backend": "runcomfy", "key": KEY, "prices": HALF, **settings}) as rig:
        with gr.Blocks(analytics_enabled=False):
            yield rig, Page(rig.engine, OfAnn(VISITORS), Fixed(), None, login=False)


async def price_html(page: Page, *asked: Any) -> Markup:
    """What the form says of a price."""
    html = (await page.compose.price_update(*asked))[page.compose.price]
    assert isinstance(html, Markup)
    return html


async def planned(page: Page, lines: str) -> str:
    """The preview of a batch of these prompts."""
    batch = page.batch
    given: dict[Any, Any] = {batch.mode: "lines", batch.lines: lines, batch.agreed: ""}
    values = [given.get(each, getattr(each, "value", None)) for each in batch.planning_inputs]
    return str((await batch.preview(request_of("ann"), *values))[batch.plan])


async def tools_of(rig: Rig) -> dict[str, types.Tool]:
    return {tool.name: tool for tool in await Tools(rig.engine, VISITORS, rig.clock.now).list_tools()}


async def test_a_price_is_a_total_where_the_service_says_no_more(tmp_path: Path) -> None:
    """Form, batch, endpoint and tool tell one sum."""
    async with page_of(tmp_path) as (rig, page):
        html = await price_html(page, "ann", CARD, VALUES, Words("en"), 2)
        assert html.striptags() == "About $1.00"
        assert "About $1.50" in await planned(page, "a fox\na boat\na tree")
        model = await model_json(rig.engine, CARD)
        assert (model["price_usd"], model["base_price_usd"], model["price_unit"]) == (0.5, 0.5, "output")
        assert model["pricing_note"] is None
        assert "about 0.50 US dollars" in str((await tools_of(rig))["generate_video"].description)


async def test_a_note_takes_the_place_of_a_total_everywhere(tmp_path: Path) -> None:
    """Form, batch, endpoint and tool tell the base and the service's note, escaped, and no sum."""
    async with page_of(tmp_path, prices={**HALF, "pricing_note": NOTE}) as (rig, page):
        html = await price_html(page, "ann", CARD, VALUES, Words("en"), 2)
        assert html.startswith('<p class="price"><b>Base price $0.50 per file</b></p><p class="price-note"')
        assert "&lt;b&gt;sound&lt;/b&gt;; 4K costs twice" in html
        german = (await price_html(page, "ann", CARD, VALUES, Words("de"))).unescape()
        assert "Grundpreis 0,50\N{NO-BREAK SPACE}$ je Datei" in german
        assert f"RunComfy schreibt: „{NOTE}“" in german
        plan = await planned(page, "a fox\na boat")
        assert "Base price $0.50 per file · The base price is not the total" in plan
        assert "&lt;b&gt;sound" in plan
        for text in (html, plan):
            assert "About" not in text
            assert "1.00" not in text
        model = await model_json(rig.engine, CARD)
        assert (model["price_usd"], model["base_price_usd"], model["pricing_note"]) == (None, 0.5, NOTE)
        description = str((await tools_of(rig))["generate_video"].description)
        assert "not known in all, it costs real money: Base price $0.50 per file. The base price is not" in description
        assert NOTE in description
        await rig.finish(await rig.submit())
        rig.clock.at += 2
        html = await price_html(page, "ann", CARD, VALUES, Words("en"), 2)
        assert "<b>The last one cost $0.50</b>" in html
        assert "4K costs twice" in html


async def test_a_price_for_a_second_of_an_unknown_length_is_no_total(tmp_path: Path) -> None:
    """A model that does not say how long its videos are has a base price, and nothing is called free."""
    async with page_of(tmp_path, card=OTHER_CARD, prices={"price_usd": 0.05}) as (rig, page):
        html = await price_html(page, "ann", OTHER_CARD, TEXT, Words("en"))
        assert html.striptags() == "Base price $0.05 per second"
        assert (await model_json(rig.engine, OTHER_CARD))["price_usd"] is None


async def balance(page: Page, visitor_id: str) -> str:
    """What the page shows as balance when it is opened."""
    request = request_of(visitor_id)
    *_, shown, due = await page.account.show(request)
    if due == "":
        assert (shown, await page.account.show_balance("", request)) == ("", "")
        return ""
    return (await page.account.show_balance(due, request)).striptags()


async def test_the_balance_is_shown_beside_the_account_of_whoever_has_the_key(tmp_path: Path) -> None:
    """The owner's to the owner, a visitor's own to that visitor, and nothing to visitors on the owner's key."""
    async with page_of(tmp_path) as (rig, page):
        assert await balance(page, "ann") == "Balance at RunComfy: $3.00"
        assert await balance(page, "bob") == ""
        await page.account.save_key(ANNS_KEY, request_of("bob"))
        assert await balance(page, "bob") == "Balance at RunComfy: $3.00"
        assert await balance(page, "eve") == ""
        await page.account.forget_key(request_of("bob"))
        assert await balance(page, "bob") == ""
        keys = [request.headers["Authorization"] for request in rig.gate.requests if "balance" in request.url.path]
        assert keys == [f"Bearer {KEY}", f"Bearer {ANNS_KEY}"]


async def test_the_balance_is_asked_for_again_when_a_video_has_ended(tmp_path: Path) -> None:
    """Whoever sees no balance is sent nothing that asks for it."""
    async with page_of(tmp_path) as (rig, page):
        assert await balance(page, "ann") == "Balance at RunComfy: $3.00"
        for visitor_id in ("ann", "bob"):
            job = await rig.submit(visitor_id)
            updates = page.watch(job.job_id, request_of(visitor_id))
            dues = [update.get(page.account.balance_due, "") async for update in updates]
            assert (f"after {job.job_id}" in dues) == (visitor_id == "ann")
        assert (await rig.store.get(job.job_id)).state is State.SUCCEEDED
        html = await page.account.show_balance("after it", request_of("ann"))
        assert html.striptags() == "Balance at RunComfy: $2.00"


async def test_the_price_is_asked_for_again_when_a_video_has_taught_something(tmp_path: Path) -> None:
    """What such a video costs and takes: the page is told only where its form says something else."""
    async with page_of(tmp_path) as (rig, page):
        request = request_of("bob")

        async def learned(known: str) -> list[str]:
            rig.clock.at += 3.0  # what was learned is read again
            job = await rig.submit("bob")
            return [
                update[page.compose.learned]
                async for update in page.watch(job.job_id, request, known)
                if page.compose.learned in update
            ]

        async def known() -> str:
            return str((await page.compose.price_update("bob", CARD, VALUES, Words("en")))[page.compose.known])

        first = await known()
        for _ in range(2):  # one video is not enough to say what they usually take
            assert await learned(first) == []
        [told, *_] = await learned(first)
        assert told == await known() != first
        assert "usually" in told
        assert await learned(told) == []


async def test_a_page_with_a_draft_asks_for_the_price_of_that(tmp_path: Path) -> None:
    """What opens the page gives the price of the defaults, unless the form holds something else."""
    async with page_of(tmp_path) as (_, page):
        assert page.compose.price in await page.open("{}", request_of("ann"))
        assert page.compose.price not in await page.open('{"restored": true}', request_of("ann"))


async def test_a_balance_that_cannot_be_read_is_a_quiet_sentence(tmp_path: Path) -> None:
    """Nothing else on the page changes for it, and opening the page asks for nothing."""
    async with page_of(tmp_path) as (rig, page):
        rig.simulator.faults.add(on="balance", kind="html", times=None)
        await page.account.show(request_of("ann"))
        assert not any("balance" in request.url.path for request in rig.gate.requests)
        html = await page.account.show_balance("shared 1", request_of("ann"))
        assert str(html) == ('<p class="balance unknown">The balance at RunComfy cannot be read now.</p>')


async def test_the_picker_has_what_models_make_and_cost(tmp_path: Path) -> None:
    """The price with the default settings, or the base where that is no total, or that it is unknown; in both languages."""
    other = {**OTHER_CARD.source, "task": "image-to-video"}
    third = {**OTHER_CARD.source, "model_id": "third/model", "title": "Third", "task": "lip-sync"}
    cards = [card_of("other", other), card_of("third", third)]
    async with page_of(tmp_path, more_cards=cards) as (rig, page):
        assert page.compose.has_prices_of_models

        async def labels(language: str = "en") -> list[str]:
            request = request_of("ann")
            assert request.request is not None
            request.request.scope["headers"].append((b"accept-language", language.encode()))
            choices = json.loads(await page.compose.show_prices_of_models(request))
            assert [model_id for _, model_id in choices] == [card.model_id for card in rig.engine.models]
            return [label for label, _ in choices]

        assert await labels() == [
            f"{CARD.title} · text → video · About $0.50",
            f"{OTHER_CARD.title} · picture → video · About $0.50",
            "Third · About $0.50",
        ]
        assert (await labels("de"))[1] == f"{OTHER_CARD.title} · Bild → Video · Etwa 0,50\N{NO-BREAK SPACE}$"
    async with page_of(tmp_path / "base", prices={**HALF, "pricing_note": NOTE}, more_cards=cards) as (_, page):
        said = json.loads(await page.compose.show_prices_of_models(request_of("ann")))
        assert [label.rpartition(" · ")[2] for label, _ in said] == ["Base price $0.50 per file"] * 3
    async with page_of(tmp_path / "unknown", key=None, more_cards=cards) as (_, page):
        said = json.loads(await page.compose.show_prices_of_models(request_of("ann")))
        assert [label.rpartition(" · ")[2] for label, _ in said] == ["Price unknown"] * 3
    async with page_of(tmp_path / "free", backend="simulator", key=None, more_cards=cards) as (_, page):
        assert not page.compose.has_prices_of_models


async def test_an_opened_page_and_a_refusal_look_at_the_cards(tmp_path: Path) -> None:
    """The service may have changed a model; after a refusal that is probable."""
    looked: list[bool] = []
    async with page_of(tmp_path, look_at_cards=looked.append) as (rig, page):
        await page.open("{}", request_of("ann"))
        assert looked == [False]
        rig.simulator.faults.add(on="submit", kind="http_error", code=422)
        assert (await rig.finish(await rig.submit())).state is State.FAILED
        assert looked == [False, True]
