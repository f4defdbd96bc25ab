"""Stores the shelf as rows: prompts with their settings that a visitor has named."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from dreamina_ui.errors import InvalidInput, NotOnShelf, Quoted, ShelfFull
from dreamina_ui.storage.database import Database
from dreamina_ui.storage.job_rows import shelf

__all__ = ["SHELF_MOST", "Kept", "ShelfStore", "numbered"]

SHELF_MOST = 500
"""Prompts on a visitor's shelf."""
UNDO_S = 3600.0
"""How long what was deleted can be put back, in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A prompt with its settings, the `payload`, for a model that need not be offered any more.

    `created_at` is in seconds since the epoch.
    """

    shelf_id: str
    visitor_id: str
    name: str
    model_id: str
    payload: Mapping[str, Any]
    created_at: float


_THERE = shelf.c.deleted_at.is_(None)
# Made once, so that SQLAlchemy compiles it once.
_ANY = sa.select(shelf.c.shelf_id).where(shelf.c.visitor_id == sa.bindparam("of_visitor"), _THERE).limit(1)


class ShelfStore:
    """Makes, reads and changes the rows. Every method may raise `StoreError`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def listed(self, visitor_id: str) -> list[Kept]:
        """What is on a visitor's shelf, by name."""
        query = sa.select(shelf).where(shelf.c.visitor_id == visitor_id, _THERE)
        found = await self._database.read(lambda connection: [_kept(row) for row in connection.execute(query)])
        return sorted(found, key=lambda one: (one.name.casefold(), one.created_at))

    async def has_any(self, visitor_id: str) -> bool:
        mine = {"of_visitor": visitor_id}
        return await self._database.read(lambda connection: connection.scalar(_ANY, mine)) is not None

    async def get(self, visitor_id: str, shelf_id: str) -> Kept:
        """Raises `NotOnShelf`, also for another visitor's."""
        return await self._database.read(lambda connection: _found(connection, visitor_id, shelf_id))

    async def add(self, made: Sequence[Kept], *, numbers: bool = False) -> list[Kept]:
        """Put prompts of one visitor on the shelf, all or none. With `numbers`, a name that is taken gets one.

        Returns them as they are there. Raises `ShelfFull`, or `InvalidInput` for a name that is taken.
        """
        if not made:
            return []
        visitor_id = made[0].visitor_id

        def work(connection: sa.Connection) -> list[Kept]:
            self._database.serialise(connection)
            # These can no longer be put back.
            old = sa.and_(shelf.c.visitor_id == visitor_id, shelf.c.deleted_at < made[0].created_at - UNDO_S)
            connection.execute(sa.delete(shelf).where(old))
            taken = _names(connection, visitor_id)
            if len(taken) + len(made) > SHELF_MOST:
                raise ShelfFull(limit=SHELF_MOST)
            added = []
            for one in made:
                one = replace(one, name=numbered(one.name, taken)) if numbers else one
                _check_name(one.name, taken)
                taken.add(one.name.casefold())
                added.append(one)
            connection.execute(sa.insert(shelf), [_values(one) for one in added])
            return added

        return await self._database.run(work)

    async def rename(self, visitor_id: str, shelf_id: str, name: str) -> Kept:
        """Raises `NotOnShelf`, or `InvalidInput` if another one has this name."""

        def work(connection: sa.Connection) -> Kept:
            self._database.serialise(connection)
            one = _found(connection, visitor_id, shelf_id)
            _check_name(name, _names(connection, visitor_id, other_than=shelf_id))
            connection.execute(sa.update(shelf).where(shelf.c.shelf_id == shelf_id).values(name=name))
            return replace(one, name=name)

        return await self._database.run(work)

    async def delete(self, visitor_id: str, shelf_id: str, at: float) -> Kept:
        """Take one off the shelf; for an hour it can be put back. Raises `NotOnShelf`."""

        def work(connection: sa.Connection) -> Kept:
            self._database.serialise(connection)
            one = _found(connection, visitor_id, shelf_id)
            connection.execute(sa.update(shelf).where(shelf.c.shelf_id == shelf_id).values(deleted_at=at))
            return one

        return await self._database.run(work)

    async def put_back(self, visitor_id: str, shelf_id: str) -> Kept:
        """Put one back that was deleted; if its name was given again meanwhile, it gets a number.

        Raises `NotOnShelf` or `ShelfFull`.
        """

        def work(connection: sa.Connection) -> Kept:
            self._database.serialise(connection)
            one = _found(connection, visitor_id, shelf_id, deleted=True)
            taken = _names(connection, visitor_id)
            if len(taken) >= SHELF_MOST:
                raise ShelfFull(limit=SHELF_MOST)
            name = numbered(one.name, taken)
            change = sa.update(shelf).where(shelf.c.shelf_id == shelf_id).values(name=name, deleted_at=None)
            connection.execute(change)
            return replace(one, name=name)

        return await self._database.run(work)

    async def known(self) -> set[str]:
        """The ids of all rows."""
        return await self._database.read(lambda connection: set(connection.scalars(sa.select(shelf.c.shelf_id))))

    async def restore(self, made: Iterable[Kept]) -> int:
        """Make those that have no row. Returns their count."""

        def work(connection: sa.Connection) -> int:
            self._database.serialise(connection)
            known = set(connection.scalars(sa.select(shelf.c.shelf_id)))
            missing = [_values(one) for one in made if one.shelf_id not in known]
            if missing:
                connection.execute(sa.insert(shelf), missing)
            return len(missing)

        return await self._database.run(work)


def numbered(name: str, taken: Iterable[str], most: int = 80) -> str:
    """The name, or with the first number that is free: "Boat 2"; of at most so many characters. `taken` are case-folded."""
    known, number, free = set(taken), 1, name
    while free.casefold() in known:
        number += 1
        end = f" {number}"
        free = name[: most - len(end)].rstrip() + end
    return free


def _kept(row: sa.Row[Any]) -> Kept:
    values = dict(row._mapping)
    del values["deleted_at"]
    return Kept(**{**values, "payload": json.loads(values["payload"])})


def _values(one: Kept) -> dict[str, Any]:
    values = {column.name: getattr(one, column.name, None) for column in shelf.c}
    return {**values, "payload": json.dumps(dict(one.payload), ensure_ascii=False)}


def _found(connection: sa.Connection, visitor_id: str, shelf_id: str, *, deleted: bool = False) -> Kept:
    is_there = shelf.c.deleted_at.is_not(None) if deleted else _THERE
    query = sa.select(shelf).where(shelf.c.shelf_id == shelf_id, shelf.c.visitor_id == visitor_id, is_there)
    row = connection.execute(query).first()
    if row is None:
        raise NotOnShelf
    return _kept(row)


def _names(connection: sa.Connection, visitor_id: str, other_than: str = "") -> set[str]:
    query = sa.select(shelf.c.name).where(shelf.c.visitor_id == visitor_id, shelf.c.shelf_id != other_than, _THERE)
    return {name.casefold() for name in connection.scalars(query)}


def _check_name(name: str, taken: set[str]) -> None:
    if name.casefold() in taken:
        raise InvalidInput("name", "name_on_shelf", "name: taken", given=Quoted(name))
