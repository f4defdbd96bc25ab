"""Makes rows again from the records beside the files, where the database was lost."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from dreamina_ui.media.row_records import Moves, RowRecords
from dreamina_ui.storage.collection_store import Collection
from dreamina_ui.storage.shelf_store import Kept

__all__ = ["rebuild_rows"]

Row = TypeVar("Row", Collection, Kept)
Taken = TypeVar("Taken", contravariant=True)


class _Store(Protocol[Taken]):
    async def known(self) -> set[str]: ...

    async def restore(self, rows: Sequence[Taken], /) -> int: ...


async def rebuild_rows(
    records: RowRecords,
    store: _Store[Row],
    row_from: Callable[[str, Mapping[str, Any]], Row | None],
    moves: Moves | None = None,
) -> int:
    """Make a row for each record that has none, as its visitor's of today; gives how many. `row_from` reads a record."""
    ids = await asyncio.to_thread(records.ids)
    missing = set(ids) - await store.known() if ids else set()
    if not missing:
        return 0
    owners = await asyncio.to_thread(moves.latest) if moves else {}
    read = await asyncio.to_thread(lambda: list(records.read(sorted(missing))))
    rows = [row for row_id, values in read if (row := row_from(row_id, values))]
    return await store.restore([replace(row, visitor_id=owners.get(row.visitor_id, row.visitor_id)) for row in rows])
