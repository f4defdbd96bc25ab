"""Stores collections as rows: named lists of a visitor's videos, in an order of the visitor's.

A collection names videos by their share ids. A video in the bin keeps its place and is not shown.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from dreamina_ui.errors import CollectionFull, CollectionNotFound, InvalidInput, JobNotFound, Quoted, TooManyCollections
from dreamina_ui.jobs import Job, State
from dreamina_ui.storage.database import Database
from dreamina_ui.storage.job_rows import AT_ONCE, collected, collections, jobs, read_jobs

__all__ = ["COLLECTED_MOST", "COLLECTIONS_MOST", "Collection", "CollectionStore"]

COLLECTED_MOST = 1000
"""Videos in a collection."""
COLLECTIONS_MOST = 200
"""Collections of a visitor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """`link_id` is in the address that shows it to others, None without one; `created_at` is in seconds since the epoch.

    `share_ids` are its videos in their order, with those in the bin; a list of collections leaves them out.
    """

    collection_id: str
    visitor_id: str
    name: str
    link_id: str | None = None
    created_at: float
    share_ids: tuple[str, ...] = ()


_IN_IT = sa.and_(collected.c.share_id == jobs.c.share_id, jobs.c.deleted_at.is_(None))
# Made once, so that SQLAlchemy compiles it once: it runs each time that a history is drawn.
_LISTED = sa.select(collections).where(collections.c.visitor_id == sa.bindparam("of_visitor"))


class CollectionStore:
    """Makes, reads and changes the rows of collections. Changes of one collection wait for each other."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def listed(self, visitor_id: str) -> list[Collection]:
        """A visitor's collections, without their videos, by name."""
        mine = {"of_visitor": visitor_id}
        found = await self._database.read(
            lambda connection: [_collection(row) for row in connection.execute(_LISTED, mine)]
        )
        return sorted(found, key=lambda one: (one.name.casefold(), one.created_at))

    async def counts(self, visitor_id: str) -> dict[str, int]:
        """How many videos outside the bin are in each of a visitor's collections; without empty ones."""
        query = (
            sa.select(collections.c.collection_id, sa.func.count())
            .join_from(collections, collected, collections.c.collection_id == collected.c.collection_id)
            .join(jobs, _IN_IT)
            .where(collections.c.visitor_id == visitor_id)
            .group_by(collections.c.collection_id)
        )
        return await self._database.read(lambda connection: {row[0]: row[1] for row in connection.execute(query)})

    async def get(self, visitor_id: str, collection_id: str) -> Collection:
        """Raises `CollectionNotFound`, also for another visitor's."""
        return await self._database.read(lambda connection: _found(connection, visitor_id, collection_id))

    async def jobs(self, visitor_id: str, collection_id: str) -> list[Job]:
        """The jobs of a visitor's collection outside the bin, in its order. Raises `CollectionNotFound`."""

        def work(connection: sa.Connection) -> list[Job]:
            _found(connection, visitor_id, collection_id)
            return _jobs(connection, collection_id)

        return await self._database.read(work)

    async def shared(self, link_id: str) -> tuple[str, list[Job]]:
        """The name and the finished jobs behind a link, in order. Raises `CollectionNotFound`."""
        query = sa.select(collections).where(collections.c.link_id == link_id)

        def work(connection: sa.Connection) -> tuple[str, list[Job]]:
            row = connection.execute(query).first()
            if row is None:
                raise CollectionNotFound
            return row.name, [job for job in _jobs(connection, row.collection_id) if job.state is State.SUCCEEDED]

        return await self._database.read(work)

    async def create(self, made: Collection) -> Collection:
        """Raises `InvalidInput` if the visitor has one of this name, or `TooManyCollections`."""

        def work(connection: sa.Connection) -> Collection:
            self._database.serialise(connection)
            _check_name(connection, made.visitor_id, made.name)
            count = sa.select(sa.func.count()).where(collections.c.visitor_id == made.visitor_id)
            if (connection.scalar(count.select_from(collections)) or 0) >= COLLECTIONS_MOST:
                raise TooManyCollections(limit=COLLECTIONS_MOST)
            _insert(connection, made)
            return made

        return await self._database.run(work)

    async def restore(self, made: Sequence[Collection]) -> int:
        """Make those that have no row, with those of their videos that have one. Returns their count."""

        def work(connection: sa.Connection) -> int:
            self._database.serialise(connection)
            known = set(connection.scalars(sa.select(collections.c.collection_id)))
            missing = [one for one in made if one.collection_id not in known]
            for one in missing:
                _insert(connection, one)
                there = _share_ids(connection, jobs.c.share_id, one.share_ids, jobs.c.visitor_id == one.visitor_id)
                _write_places(connection, one.collection_id, [each for each in one.share_ids if each in there])
            return len(missing)

        return await self._database.run(work)

    async def known(self) -> set[str]:
        """The ids of all collections."""
        query = sa.select(collections.c.collection_id)
        return await self._database.read(lambda connection: set(connection.scalars(query)))

    async def rename(self, visitor_id: str, collection_id: str, name: str) -> Collection:
        """Raises `CollectionNotFound`, or `InvalidInput` if the visitor has another one of this name."""

        def work(connection: sa.Connection, one: Collection) -> None:
            self._database.serialise(connection)
            _check_name(connection, visitor_id, name, other_than=collection_id)
            _set(connection, one, name=name)

        return await self._change(visitor_id, collection_id, work)

    async def add(self, visitor_id: str, collection_id: str, job_ids: Sequence[str]) -> Collection:
        """Put finished jobs of the visitor at the end, each once. What is in it stays where it is.

        Raises `CollectionNotFound`, `JobNotFound` if none of the jobs is the visitor's, or `CollectionFull`; then nothing is
        changed.
        """
        finished = sa.and_(
            jobs.c.visitor_id == visitor_id, jobs.c.deleted_at.is_(None), jobs.c.state == State.SUCCEEDED
        )

        def work(connection: sa.Connection, one: Collection) -> None:
            shares = _share_ids(connection, jobs.c.job_id, job_ids, finished)
            added = [share for job_id in dict.fromkeys(job_ids) if (share := shares.get(job_id))]
            if not added:
                raise JobNotFound
            in_it = set(one.share_ids)
            after = [*one.share_ids, *(share for share in added if share not in in_it)]
            if len(after) > COLLECTED_MOST:
                raise CollectionFull(limit=COLLECTED_MOST)
            _write_places(connection, collection_id, after, one.share_ids)

        return await self._change(visitor_id, collection_id, work)

    async def remove(self, visitor_id: str, collection_id: str, job_ids: Sequence[str]) -> Collection:
        """Take jobs out; they are not deleted. Raises `CollectionNotFound`."""

        def work(connection: sa.Connection, one: Collection) -> None:
            out = set(_share_ids(connection, jobs.c.job_id, job_ids, jobs.c.visitor_id == visitor_id).values())
            after = [share for share in one.share_ids if share not in out]
            _write_places(connection, collection_id, after, one.share_ids)

        return await self._change(visitor_id, collection_id, work)

    async def order(
        self, visitor_id: str, collection_id: str, job_ids: Sequence[str], before: str | None = None
    ) -> Collection:
        """Put jobs of the collection, in this order, before another one of it, or at its end. What is not in it is ignored.

        Raises `CollectionNotFound`.
        """

        def work(connection: sa.Connection, one: Collection) -> None:
            named = [*job_ids, *([] if before is None else [before])]
            shares = _share_ids(connection, jobs.c.job_id, named, jobs.c.visitor_id == visitor_id)
            in_it = set(one.share_ids)
            moved = [share for job_id in dict.fromkeys(job_ids) if (share := shares.get(job_id)) in in_it and share]
            rest = [share for share in one.share_ids if share not in set(moved)]
            at = len(rest)
            if before is not None:
                if shares.get(before) not in rest:
                    return  # taken out meanwhile, or moved itself: everything stays
                at = rest.index(shares[before])
            _write_places(connection, collection_id, [*rest[:at], *moved, *rest[at:]], one.share_ids)

        return await self._change(visitor_id, collection_id, work)

    async def step(self, visitor_id: str, collection_id: str, job_ids: Sequence[str], by: int) -> Collection:
        """Move jobs of the collection, together and in their order, by so many places among those that are shown.

        Raises `CollectionNotFound`.
        """

        def work(connection: sa.Connection, one: Collection) -> None:
            shares = set(_share_ids(connection, jobs.c.job_id, job_ids, jobs.c.visitor_id == visitor_id).values())
            moved = [share for share in one.share_ids if share in shares]
            if not moved:
                return
            shown = [job.share_id for job in _jobs(connection, collection_id)]
            others = [share for share in shown if share not in shares]
            # Counted from where the first of them stands, or the last: moved apart, they come together.
            end = shown.index(moved[0] if by < 0 else moved[-1])
            at = sum(share not in shares for share in shown[:end]) + by
            rest = [share for share in one.share_ids if share not in shares]
            place = rest.index(others[max(at, 0)]) if at < len(others) else len(rest)
            _write_places(connection, collection_id, [*rest[:place], *moved, *rest[place:]], one.share_ids)

        return await self._change(visitor_id, collection_id, work)

    async def share(self, visitor_id: str, collection_id: str, link_id: str) -> Collection:
        """Give it this link, unless it has one. Raises `CollectionNotFound`."""
        return await self._change(
            visitor_id, collection_id, lambda connection, one: _set(connection, one, link_id=one.link_id or link_id)
        )

    async def withdraw(self, visitor_id: str, collection_id: str) -> Collection:
        """Take its link away for good. Raises `CollectionNotFound`."""
        return await self._change(
            visitor_id, collection_id, lambda connection, one: _set(connection, one, link_id=None)
        )

    async def delete(self, visitor_id: str, collection_id: str) -> None:
        """Delete a collection; its videos stay. Raises `CollectionNotFound`."""

        def work(connection: sa.Connection) -> None:
            _found(connection, visitor_id, collection_id, lock=True)
            for table in (collected, collections):
                connection.execute(sa.delete(table).where(table.c.collection_id == collection_id))

        await self._database.run(work)

    async def _change(
        self, visitor_id: str, collection_id: str, change: Callable[[sa.Connection, Collection], None]
    ) -> Collection:
        def work(connection: sa.Connection) -> Collection:
            change(connection, _found(connection, visitor_id, collection_id, lock=True))
            return _found(connection, visitor_id, collection_id)

        return await self._database.run(work)


def _collection(row: sa.Row[Any], share_ids: Sequence[str] = ()) -> Collection:
    return Collection(**row._mapping, share_ids=tuple(share_ids))


def _found(connection: sa.Connection, visitor_id: str, collection_id: str, *, lock: bool = False) -> Collection:
    mine = (collections.c.collection_id == collection_id, collections.c.visitor_id == visitor_id)
    query = sa.select(collections).where(*mine)
    row = connection.execute(query.with_for_update() if lock else query).first()
    if row is None:
        raise CollectionNotFound
    in_it = sa.select(collected.c.share_id).where(collected.c.collection_id == collection_id)
    return _collection(row, connection.scalars(in_it.order_by(collected.c.place, collected.c.share_id)).all())


def _jobs(connection: sa.Connection, collection_id: str) -> list[Job]:
    owner = sa.and_(
        collections.c.collection_id == collected.c.collection_id, collections.c.visitor_id == jobs.c.visitor_id
    )
    query = sa.select(jobs).join_from(jobs, collected, _IN_IT).join(collections, owner)
    in_it = query.where(collections.c.collection_id == collection_id)
    return read_jobs(connection, in_it.order_by(collected.c.place, collected.c.share_id))


def _share_ids(
    connection: sa.Connection,
    by: sa.ColumnClause[str],
    ids: Sequence[str],
    condition: sa.ColumnElement[bool],
) -> dict[str, str]:
    """The share ids of the jobs of these ids (in the column `by`) that meet a condition, by these ids."""
    found: dict[str, str] = {}
    for start in range(0, len(ids), AT_ONCE):
        query = sa.select(by, jobs.c.share_id).where(by.in_(ids[start : start + AT_ONCE]), condition)
        found |= {row[0]: row[1] for row in connection.execute(query)}
    return found


def _insert(connection: sa.Connection, one: Collection) -> None:
    values = {column.name: getattr(one, column.name) for column in collections.c}
    connection.execute(sa.insert(collections), values)


def _set(connection: sa.Connection, one: Collection, **values: str | None) -> None:
    this = collections.c.collection_id == one.collection_id
    connection.execute(sa.update(collections).where(this).values(**values))


def _check_name(connection: sa.Connection, visitor_id: str, name: str, other_than: str = "") -> None:
    query = sa.select(collections.c.name).where(
        collections.c.visitor_id == visitor_id, collections.c.collection_id != other_than
    )
    if name.casefold() in {taken.casefold() for taken in connection.scalars(query)}:
        raise InvalidInput("name", "name_taken", "name: taken", given=Quoted(name))


def _write_places(
    connection: sa.Connection, collection_id: str, share_ids: Sequence[str], before: Sequence[str] = ()
) -> None:
    """Write the order of a collection whose rows are those of `before`, in any places."""
    this = collected.c.collection_id == collection_id
    if out := set(before) - set(share_ids):
        gone = sorted(out)
        for start in range(0, len(gone), AT_ONCE):
            connection.execute(
                sa.delete(collected).where(this, collected.c.share_id.in_(gone[start : start + AT_ONCE]))
            )
    rows = [{"of_collection": collection_id, "of_share": share, "at": at} for at, share in enumerate(share_ids)]
    was_there = set(before)
    if changed := [row for row in rows if row["of_share"] in was_there]:
        connection.execute(_MOVE, changed)
    if new := [row for row in rows if row["of_share"] not in was_there]:
        connection.execute(_ADD, new)


_MOVE = (
    sa.update(collected)
    .where(collected.c.collection_id == sa.bindparam("of_collection"), collected.c.share_id == sa.bindparam("of_share"))
    .values(place=sa.bindparam("at"))
)
_ADD = sa.insert(collected).values(
    collection_id=sa.bindparam("of_collection"), share_id=sa.bindparam("of_share"), place=sa.bindparam("at")
)
