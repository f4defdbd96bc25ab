"""The models that the service offers: their cards, read from its replies and kept for a start without it."""

import asyncio
import json
import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dreamina_ui.cards.model_card import Card, card_of, load_card
from dreamina_ui.config.network import DIRECT, Network
from dreamina_ui.errors import CardError, ServiceError
from dreamina_ui.runcomfy.client import RunComfy

__all__ = ["Catalogue", "card_from", "cards_of", "cards_read", "file_name", "write_card"]

PATIENCE_S = 15.0
"""A start waits no longer for the service to tell of its models."""
PAGE = 100
MODELS_MOST = 2000
log = logging.getLogger(__name__)

SCHEMA_PLACES = (
    ("input_schema",),
    ("schema", "input"),
    ("schema", "input_schema"),
    ("schema", "properties", "input"),
    ("schema",),
    ("inputs",),
    ("input",),
)
"""Where the input schema may be in a reply about a model; RunComfy does not document it."""
OUTPUT_PLACES = (("output_schema",), ("schema", "output"), ("schema", "output_schema"))
WRAPPERS = ("model", "data")
REFERRED_TO = ("$defs", "definitions", "components")
"""What a schema may refer to, beside it."""


class Catalogue:
    """The service's catalogue, asked with `key`; asking is free of charge."""

    def __init__(self, service_base: str, *, network: Network = DIRECT, key: str) -> None:
        self._base = service_base
        self._network = network
        self._key = key

    async def fetch(self, model_id: str) -> Card:
        """The card of a model. Raises `ServiceError`, or `CardError` if the reply holds no schema that can be used."""
        [found] = await self._fetch_all([model_id])
        if isinstance(found, Card):
            return found
        raise found

    async def listed(self, search: str = "") -> list[dict[str, Any]]:
        """The cards, as JSON that need not be usable, of the models whose id or title has the words. Raises `ServiceError`."""
        found: list[dict[str, Any]] = []
        async with RunComfy(self._base, network=self._network) as service:
            while len(found) < MODELS_MOST:
                page = await service.models(search=search, limit=PAGE, offset=len(found), key=self._key)
                found += [_source_of(reply) for reply in page]
                if len(page) < PAGE:
                    break
        return found

    async def read(self, model_ids: Sequence[str]) -> dict[str, Card]:
        """The cards of these models by id, as far as the service tells of them in time."""
        found = dict(zip(model_ids, await self._fetch_all(model_ids), strict=True))
        for model_id, fault in found.items():
            if not isinstance(fault, Card):
                log.warning("the service did not tell of %s (%s): the card from before is used", model_id, fault)
        return {model_id: card for model_id, card in found.items() if isinstance(card, Card)}

    async def _fetch_all(self, model_ids: Sequence[str]) -> list[Card | ServiceError | CardError]:
        async with RunComfy(self._base, network=self._network) as service:
            return await asyncio.gather(*(self._fetch(service, model_id) for model_id in model_ids))

    async def _fetch(self, service: RunComfy, model_id: str) -> Card | ServiceError | CardError:
        try:
            async with asyncio.timeout(PATIENCE_S):
                reply = await service.model(model_id, key=self._key)
            return card_of(model_id, card_from(model_id, reply))
        except TimeoutError:
            return CardError(f"no answer within {PATIENCE_S:.0f} s")
        except (ServiceError, CardError) as error:
            return error


def cards_of(models: Sequence[Path | str], *, bundled: Path, kept: Path, catalogue: Catalogue | None) -> list[Card]:
    """The cards of paths and ids, in their order; blocks.

    The card of an id is the service's, where there is a `catalogue` and it answers; else the one in the folder `kept`, from a
    former start, or the one in the folder `bundled`. What only a bundled card knows of its model, such as the frames per second,
    is taken from there. Raises `CardError`.
    """
    known = _bundled(bundled)
    ids = [model for model in models if isinstance(model, str)]
    live = asyncio.run(catalogue.read(ids)) if catalogue and ids else {}
    _keep(live, kept)
    return [load_card(model) if isinstance(model, Path) else _card(model, live, kept, known) for model in models]


def cards_read(live: Mapping[str, Card], *, bundled: Path, kept: Path) -> list[Card]:
    """As `cards_of`, for cards that were read while the studio runs; they are kept for the next start. Blocks."""
    known = _bundled(bundled)
    cards = [_card(model_id, live, kept, known) for model_id in live]
    _keep(live, kept)
    return cards


def _bundled(folder: Path) -> dict[str, Card]:
    return {card.model_id: card for card in map(load_card, sorted(folder.glob("*.json")))}


def _keep(cards: Mapping[str, Card], folder: Path) -> None:
    if not cards:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for model_id, card in cards.items():
            write_card(card, folder / file_name(model_id))
    except OSError as error:
        log.warning("the cards could not be kept for the next start: %s", error.strerror)


def _card(model_id: str, live: Mapping[str, Card], kept: Path, bundled: Mapping[str, Card]) -> Card:
    card, path = live.get(model_id), kept / file_name(model_id)
    if card is None and path.is_file():
        try:
            card = load_card(path)
        except CardError as error:
            log.warning("a card that was kept cannot be used: %s", error)
    from_here = bundled.get(model_id)
    if card is None:
        if from_here is None:
            raise CardError(
                f"nothing is known of {model_id}: a start with a key asks the service; or give the path of its card"
            )
        return from_here
    return card_of(model_id, {**from_here.source, **card.source}) if from_here else card


def write_card(card: Card, path: Path) -> None:
    """Write a card, whole or not at all. Raises OSError."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(json.dumps(card.source, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def file_name(model_id: str) -> str:
    """The name of the file of a model's card."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", model_id).strip("-.") + ".json"


def card_from(model_id: str, reply: Mapping[str, Any]) -> dict[str, Any]:
    """The card of the service's reply about a model. Raises `CardError` if the reply has no input schema."""
    replies = [reply, *(inner for name in WRAPPERS if isinstance(inner := reply.get(name), Mapping))]
    schema = next(filter(None, (_at(each, place, "properties") for each in replies for place in SCHEMA_PLACES)), None)
    if schema is None:
        raise CardError(f"the service's reply about {model_id} holds no input schema; write the card by hand")
    output = next(filter(None, (_at(each, place) for each in replies for place in OUTPUT_PLACES)), None)
    names = {"title": ("display_name", "title", "name"), "task": ("category", "task")}
    texts = {
        key: str(found)
        for key, places in names.items()
        if (found := next((reply[place] for place in places if isinstance(reply.get(place), str)), None))
    }
    categories = reply.get("categories")
    if isinstance(categories, list) and (named := [each for each in categories if isinstance(each, str)]):
        texts.setdefault("task", named[0])
    fps = reply.get("frames_per_second")
    around = {name: each[name] for each in replies for name in REFERRED_TO if isinstance(each.get(name), Mapping)}
    return {
        "model_id": model_id,
        **texts,
        **({"frames_per_second": fps} if isinstance(fps, int | float) and not isinstance(fps, bool) else {}),
        "input_schema": {**schema, "type": "object"},
        **around,
        **({"output_schema": output} if output else {}),
    }


def _source_of(reply: Mapping[str, Any]) -> dict[str, Any]:
    """A card's JSON of an entry of the catalogue, also where it cannot be used."""
    model_id = str(reply.get("model_id", ""))
    try:
        return card_from(model_id, reply)
    except CardError:
        return {"model_id": model_id}


def _at(reply: Mapping[str, Any], place: tuple[str, ...], needed: str = "") -> dict[str, Any] | None:
    """The object at `place`, parsed if it is text; None if there is none, or none with an object named `needed`."""
    value: Any = reply
    for name in place:
        value = value.get(name) if isinstance(value, Mapping) else None
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                value = None
    if not isinstance(value, dict) or (needed and not isinstance(value.get(needed), dict)):
        return None
    return value
