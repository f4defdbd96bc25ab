"""A model that changes at the service while the studio runs."""

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from dreamina_ui.cards.model_card import Card, card_of
from dreamina_ui.cards.models import Models
from dreamina_ui.runcomfy.card_changes import EACH_S, SOON_S, CardChanges
from dreamina_ui.runcomfy.catalogue import cards_of
from dreamina_ui.settings import BUNDLED_CARDS
from tests.rig import CARD, OTHER_CARD, Clock
from tests.waiting import until

pytestmark = pytest.mark.anyio


def changed(card: Card, **fields: Any) -> Card:
    schema = card.source["input_schema"]
    return card_of("x", {**card.source, "input_schema": {**schema, "properties": {**schema["properties"], **fields}}})


class Service:
    """A catalogue that has these cards; of others it does not tell."""

    def __init__(self, *cards: Card) -> None:
        self.cards = {card.model_id: card for card in cards}
        self.asked: list[list[str]] = []

    async def read(self, model_ids: Sequence[str], /) -> dict[str, Card]:
        self.asked.append(list(model_ids))
        await asyncio.sleep(0)
        return {model_id: self.cards[model_id] for model_id in model_ids if model_id in self.cards}


async def test_a_changed_schema_is_noticed_and_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Once in ten minutes at most when pages are opened, and in half a minute when the service refuses; the next start has it."""
    service, clock, told = Service(CARD, OTHER_CARD), Clock(), []
    watched = CardChanges(
        Models([CARD, OTHER_CARD]),
        [CARD.model_id, OTHER_CARD.model_id],
        catalogue=service,
        bundled=BUNDLED_CARDS,
        kept=tmp_path,
        clock=clock,
        changed=lambda: told.append(clock.at),
    )

    async def looked(count: int, *, soon: bool = False) -> None:
        watched.look(soon)
        await until(lambda: len(service.asked) == count)
        if watched._reading is not None:
            await watched._reading

    caplog.set_level(logging.WARNING)
    async with watched:
        await looked(0)  # the start has just read them
        clock.at += EACH_S
        await looked(1)
        service.cards[CARD.model_id] = changed(CARD, style={"type": "string", "enum": ["ink", "oil"]})
        clock.at += EACH_S - 1
        await looked(1)
        clock.at += 1
        await looked(2)
        assert len(told) == 1
        assert f"changed at the service: {CARD.model_id}" in caplog.messages
        await looked(2, soon=True)
        clock.at += SOON_S
        await looked(3, soon=True)
        assert len(told) == 2
    [card] = cards_of([CARD.model_id], bundled=BUNDLED_CARDS, kept=tmp_path, catalogue=None)
    assert [field.name for field in card.fields][-1] == "style"
    assert card.frames_per_second == CARD.frames_per_second


@pytest.mark.parametrize("found", ["nothing", "the same", "another title", "no catalogue"])
async def test_what_does_not_change_a_form_changes_nothing(tmp_path: Path, found: str) -> None:
    """A service that does not answer, or does not know the model any more, least of all."""
    service = Service(*([] if found == "nothing" else [CARD]))
    if found == "another title":
        service.cards[CARD.model_id] = card_of("x", {**CARD.source, "title": "Dreamina, new"})
    told: list[None] = []
    watched = CardChanges(
        Models([CARD]),
        [CARD.model_id],
        catalogue=None if found == "no catalogue" else service,
        bundled=BUNDLED_CARDS,
        kept=tmp_path,
        clock=(clock := Clock()),
        changed=lambda: told.append(None),
    )
    async with watched:
        clock.at += EACH_S
        watched.look()
        if watched._reading is not None:
            await watched._reading
    assert (len(service.asked), told) == (0 if found == "no catalogue" else 1, [])
