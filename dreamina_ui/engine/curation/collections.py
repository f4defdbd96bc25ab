"""Collections: named lists of a visitor's videos, in the visitor's order, which a link can show to others.

Each is a row, and a file beside the videos, from which it is made again if the database is lost.
"""

import asyncio
import logging
import re
import secrets
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dreamina_ui.clock import Clock
from dreamina_ui.engine.curation.plain_names import NAME_MOST, plain_name
from dreamina_ui.engine.curation.rebuilding import rebuild_rows
from dreamina_ui.errors import CollectionFull, CollectionNotFound, InvalidInput
from dreamina_ui.jobs import Job
from dreamina_ui.media.row_records import Moves, RowRecords
from dreamina_ui.storage.collection_store import COLLECTED_MOST, Collection, CollectionStore
from dreamina_ui.storage.job_store import can_be_an_id

__all__ = ["NAME_MOST", "Collection", "Collections", "rebuild_collections"]

log = logging.getLogger(__name__)
LINK_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Collections:
    """Everything goes by the visitor's id, except `shared`. Every method may raise `StoreError`.

    Those that take a `collection_id` raise `CollectionNotFound` for one that is not the visitor's. Names have 1 to 80
    characters, on one line; two of a visitor differ by more than case. `job_ids` of others are ignored.
    """

    store: CollectionStore
    records: RowRecords
    clock: Clock
    _writing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def listed(self, visitor_id: str) -> list[Collection]:
        """A visitor's collections, by name, without their videos."""
        return await self.store.listed(visitor_id)

    async def counts(self, visitor_id: str) -> Mapping[str, int]:
        """How many videos are in each of a visitor's collections, by its id; an empty one is not in it."""
        return await self.store.counts(visitor_id)

    async def get(self, visitor_id: str, collection_id: str) -> Collection:
        return await self.store.get(visitor_id, _id(collection_id))

    async def jobs(self, visitor_id: str, collection_id: str) -> list[Job]:
        """The videos of a collection, in its order."""
        return await self.store.jobs(visitor_id, _id(collection_id))

    async def shared(self, link_id: str) -> tuple[str, list[Job]]:
        """The name and the videos, in order, of the collection behind a link, for whoever has it. Raises `CollectionNotFound`."""
        if not LINK_ID.fullmatch(link_id):
            raise CollectionNotFound
        return await self.store.shared(link_id)

    async def create(self, visitor_id: str, name: str) -> Collection:
        """Make an empty one. Raises `InvalidInput` for a name that cannot be one or is taken, or `TooManyCollections`."""
        made = Collection(
            collection_id=secrets.token_hex(16),
            visitor_id=visitor_id,
            name=plain_name(name),
            created_at=self.clock.now(),
        )
        return await self._keep(self.store.create(made))

    async def collect(self, visitor_id: str, name: str, job_ids: Sequence[str]) -> Collection:
        """Put videos into the collection of this name, which is made if there is none. Raises as `create` and `add` do."""
        plain = plain_name(name)
        named = (one for one in await self.listed(visitor_id) if one.name.casefold() == plain.casefold())
        if one := next(named, None):
            return await self.add(visitor_id, one.collection_id, job_ids)
        made = await self.create(visitor_id, plain)
        try:
            return await self.add(visitor_id, made.collection_id, job_ids)
        except Exception:
            await self.delete(visitor_id, made.collection_id)
            raise

    async def rename(self, visitor_id: str, collection_id: str, name: str) -> Collection:
        """Raises `InvalidInput` as `create` does."""
        return await self._keep(self.store.rename(visitor_id, _id(collection_id), plain_name(name)))

    async def add(self, visitor_id: str, collection_id: str, job_ids: Sequence[str]) -> Collection:
        """Put finished videos at the end, each once.

        Raises `JobNotFound` if none of them is the visitor's, or `CollectionFull` for more than 1000; then nothing is changed.
        """
        if len(job_ids) > COLLECTED_MOST:
            raise CollectionFull(limit=COLLECTED_MOST)
        return await self._keep(self.store.add(visitor_id, _id(collection_id), _ids(job_ids)))

    async def remove(self, visitor_id: str, collection_id: str, job_ids: Sequence[str]) -> Collection:
        """Take videos out; they are not deleted."""
        return await self._keep(self.store.remove(visitor_id, _id(collection_id), _ids(job_ids)))

    async def order(
        self, visitor_id: str, collection_id: str, job_ids: Sequence[str], before: str | None = None
    ) -> Collection:
        """Put videos of it, in this order, before another one of it, or at its end."""
        before = before if before is None or can_be_an_id(before) else ""
        return await self._keep(self.store.order(visitor_id, _id(collection_id), _ids(job_ids), before))

    async def step(self, visitor_id: str, collection_id: str, job_ids: Sequence[str], by: int) -> Collection:
        """Move videos of it by so many places: `by` is negative for earlier ones."""
        by = max(-COLLECTED_MOST, min(by, COLLECTED_MOST))
        return await self._keep(self.store.step(visitor_id, _id(collection_id), _ids(job_ids), by))

    async def share(self, visitor_id: str, collection_id: str) -> Collection:
        """Give it a link, by which others see its videos and nothing else. The same again, until it is withdrawn."""
        return await self._keep(self.store.share(visitor_id, _id(collection_id), secrets.token_hex(16)))

    async def withdraw(self, visitor_id: str, collection_id: str) -> Collection:
        """Take its link away for good; the next one is another."""
        return await self._keep(self.store.withdraw(visitor_id, _id(collection_id)))

    async def delete(self, visitor_id: str, collection_id: str) -> None:
        """Delete it; its videos stay."""
        one = await self.get(visitor_id, collection_id)
        async with self._writing:
            # The file first: one that stayed would bring the collection back at the next start, with its link.
            await asyncio.to_thread(self.records.remove, one.collection_id)
            await self.store.delete(visitor_id, one.collection_id)

    async def _keep(self, change: Awaitable[Collection]) -> Collection:
        """Make a change, and keep the collection as it is then on the disk."""
        async with self._writing:
            one = await change
            values: dict[str, Any] = {
                "visitor_id": one.visitor_id,
                "name": one.name,
                "link_id": one.link_id,
                "created_at": one.created_at,
                "share_ids": list(one.share_ids),
            }
            try:
                await asyncio.to_thread(self.records.write, one.collection_id, values)
            except OSError as error:  # the row has it; only a lost database would lose it
                log.warning("a collection could not be kept on the disk: %s", error.strerror)
        return one


async def rebuild_collections(collections: Collections, moves: Moves | None = None) -> int:
    """Make a row for each collection on the disk that has none; gives how many. The rows of the jobs have to be there."""
    added = await rebuild_rows(collections.records, collections.store, _collection_from, moves)
    if added:
        log.warning("the database did not know %d collections; they were rebuilt from the files", added)
    return added


def _collection_from(collection_id: str, values: Mapping[str, Any]) -> Collection | None:
    try:
        return Collection(
            collection_id=collection_id,
            visitor_id=str(values["visitor_id"]),
            name=plain_name(values["name"]),
            link_id=values["link_id"] if LINK_ID.fullmatch(values["link_id"] or "") else None,
            created_at=float(values["created_at"]),
            share_ids=tuple(dict.fromkeys(map(str, values["share_ids"]))),
        )
    except (KeyError, TypeError, ValueError, InvalidInput):
        return None


def _id(collection_id: object) -> str:
    if not isinstance(collection_id, str) or not can_be_an_id(collection_id):
        raise CollectionNotFound
    return collection_id


def _ids(job_ids: Sequence[str]) -> list[str]:
    return list(filter(can_be_an_id, job_ids))
