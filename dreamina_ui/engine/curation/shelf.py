"""The shelf: prompts with their settings that a visitor has named, to be used again.

A prompt is kept as it was typed: its alternatives are still some when it comes back. Each is a row, and a file beside the videos,
from which it is made again if the database is lost.
"""

import asyncio
import logging
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dreamina_ui.cards.aside import checked
from dreamina_ui.cards.batches.plans import Planned, as_typed, first_of
from dreamina_ui.cards.batches.written_tables import written_table
from dreamina_ui.cards.models import Models
from dreamina_ui.clock import Clock
from dreamina_ui.engine.curation.plain_names import NAME_MOST, plain_name
from dreamina_ui.engine.curation.rebuilding import rebuild_rows
from dreamina_ui.errors import InvalidInput, NotOnShelf
from dreamina_ui.jobs import prompt_in
from dreamina_ui.media.inputs import InputFiles
from dreamina_ui.media.row_records import Moves, RowRecords
from dreamina_ui.storage.job_store import can_be_an_id
from dreamina_ui.storage.shelf_store import SHELF_MOST, Kept, ShelfStore

__all__ = ["OFFERED_MOST", "SHELF_MOST", "Kept", "Shelf", "offered_name", "rebuild_shelf"]

log = logging.getLogger(__name__)
TYPED_MOST = 20_000
"""Characters of a prompt with all its alternatives."""
OFFERED_MOST = 40
"""Characters of a name that is made of a prompt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """Everything goes by the visitor's id. Every method may raise `StoreError`.

    Those that take a `shelf_id` raise `NotOnShelf` for one that is not the visitor's. Names have 1 to 80 characters, on one line;
    two of a visitor differ by more than case.
    """

    store: ShelfStore
    records: RowRecords
    models: Models
    inputs: InputFiles
    clock: Clock
    _writing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def listed(self, visitor_id: str, words: str = "") -> list[Kept]:
        """What is on the shelf, by name; with `words`, what has all of them in its name, its prompt or its model."""
        wanted = words.casefold().split()
        found = await self.store.listed(visitor_id)
        return [one for one in found if all(word in self._text(one) for word in wanted)] if wanted else found

    async def has_any(self, visitor_id: str) -> bool:
        return await self.store.has_any(visitor_id)

    async def get(self, visitor_id: str, shelf_id: str) -> Kept:
        return await self.store.get(visitor_id, _id(shelf_id))

    async def keep(self, visitor_id: str, name: str, model_id: str, values: Mapping[str, Any]) -> Kept:
        """Put values for a model on the shelf. Of a prompt with alternatives the first one is checked.

        Raises `InvalidInput` for a value that the model does not take, or a name that cannot be one or is taken; or `ShelfFull`.
        """
        plain, card = plain_name(name), self.models.find(model_id)
        if card.prompt and len(str(values.get(card.prompt.name))) > TYPED_MOST:
            raise InvalidInput(
                card.prompt.name, "too_long", given=len(str(values[card.prompt.name])), limit=TYPED_MOST, message=""
            )
        payload = as_typed(card, await checked(card, first_of(card, values)), values)
        await self.inputs.check(visitor_id, payload, card.fields)
        one = self._made(visitor_id, plain, card.model_id, payload)
        async with self._writing:
            [kept] = await self.store.add([one])
            await self._write([kept])
        return kept

    async def take_in(self, visitor_id: str, videos: Sequence[Planned]) -> list[Kept]:
        """Put the rows of a table on the shelf, all or none, with the prompts as they stand in it.

        A row without a name is called by its prompt, and a name that is taken gets a number. Raises `InvalidInput` for a name
        that cannot be one, or a file that is not the visitor's; or `ShelfFull`.
        """
        made = []
        for video in videos:
            name = plain_name(video.name) if video.name else offered_name(video.payload) or video.card.title[:NAME_MOST]
            await self.inputs.check(visitor_id, video.payload, video.card.fields)
            made.append(self._made(visitor_id, name, video.card.model_id, video.payload))
        async with self._writing:
            kept = await self.store.add(made, numbers=True)
            await self._write(kept)
        return kept

    async def rename(self, visitor_id: str, shelf_id: str, name: str) -> Kept:
        """Raises `InvalidInput` as `keep` does."""
        async with self._writing:
            one = await self.store.rename(visitor_id, _id(shelf_id), plain_name(name))
            await self._write([one])
        return one

    async def delete(self, visitor_id: str, shelf_id: str) -> Kept:
        """Take it off; `put_back` undoes it for an hour."""
        async with self._writing:
            one = await self.store.get(visitor_id, _id(shelf_id))
            # The file first: one that stayed would bring it back when the database is lost.
            await asyncio.to_thread(self.records.remove, one.shelf_id)
            return await self.store.delete(visitor_id, one.shelf_id, self.clock.now())

    async def put_back(self, visitor_id: str, shelf_id: str) -> Kept:
        """Put one back that was deleted. Raises `ShelfFull`."""
        async with self._writing:
            one = await self.store.put_back(visitor_id, _id(shelf_id))
            await self._write([one])
        return one

    async def table(self, visitor_id: str) -> str:
        """All of it as CSV that a batch reads, and `take_in` through it."""
        kept = await self.store.listed(visitor_id)
        rows = [(one.model_id, one.payload) for one in kept]
        names = [one.name for one in kept]
        return await asyncio.to_thread(written_table, self.models, rows, names, as_typed=range(len(rows)))

    def _made(self, visitor_id: str, name: str, model_id: str, payload: Mapping[str, Any]) -> Kept:
        return Kept(
            shelf_id=secrets.token_hex(16),
            visitor_id=visitor_id,
            name=name,
            model_id=model_id,
            payload=payload,
            created_at=self.clock.now(),
        )

    def _text(self, one: Kept) -> str:
        card = self.models.get(one.model_id)
        return "\n".join([one.name, prompt_in(one.payload), one.model_id, card.title if card else ""]).casefold()

    async def _write(self, kept: Sequence[Kept]) -> None:
        """Keep these on the disk, too."""

        def write() -> None:
            for one in kept:
                values = {
                    "visitor_id": one.visitor_id,
                    "name": one.name,
                    "model_id": one.model_id,
                    "payload": dict(one.payload),
                    "created_at": one.created_at,
                }
                self.records.write(one.shelf_id, values)

        try:
            await asyncio.to_thread(write)
        except OSError as error:  # the rows have it; only a lost database would lose it
            log.warning("the shelf could not be kept on the disk: %s", error.strerror)


def offered_name(payload: Mapping[str, Any]) -> str:
    """A name made of the beginning of a prompt; empty without one."""
    words = prompt_in(payload)[: 20 * OFFERED_MOST]
    try:
        plain = " ".join(words.split())
        whole = plain_name(plain if len(plain) <= OFFERED_MOST else plain[:OFFERED_MOST].rsplit(" ", 1)[0])
    except InvalidInput:
        return ""
    return whole.rstrip(" ,;.:-")


async def rebuild_shelf(shelf: Shelf, moves: Moves | None = None) -> int:
    """Make a row for each prompt on the disk that has none; gives how many."""
    added = await rebuild_rows(shelf.records, shelf.store, _kept_from, moves)
    if added:
        log.warning("the database did not know %d prompts of shelves; they were rebuilt from the files", added)
    return added


def _kept_from(shelf_id: str, values: Mapping[str, Any]) -> Kept | None:
    try:
        return Kept(
            shelf_id=shelf_id,
            visitor_id=str(values["visitor_id"]),
            name=plain_name(values["name"]),
            model_id=str(values["model_id"]),
            payload=dict(values["payload"]),
            created_at=float(values["created_at"]),
        )
    except (KeyError, TypeError, ValueError, InvalidInput):
        return None


def _id(shelf_id: object) -> str:
    if not isinstance(shelf_id, str) or not can_be_an_id(shelf_id):
        raise NotOnShelf
    return shelf_id
