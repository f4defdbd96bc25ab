"""Files in the values of programs: uploaded ones, and data URIs. Both are kept, and named from then on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dreamina_ui.cards.schema.fields import Field
from dreamina_ui.engine.engine import Engine

__all__ = ["with_files"]


async def with_files(
    engine: Engine, visitor_id: str, model: object, values: Mapping[str, Any], *, address: str = ""
) -> dict[str, Any]:
    """The values with the names of files in the place of those that the visitor brings in fields of media.

    `address` is the one of the open net that asks, if any. Raises `InvalidInput`.
    An uploaded file is at a path that the check of calls has found in the folder of uploads.
    """
    fields = {field.name: field for field in engine.models.find(model).fields if field.media is not None}
    kept = dict(values)
    for name, value in values.items():
        if (field := fields.get(name)) is not None:
            is_list = isinstance(value, list)
            named = [await _named(engine, visitor_id, address, field, each) for each in (value if is_list else [value])]
            kept[name] = named if is_list else named[0]
    return kept


async def _named(engine: Engine, visitor_id: str, address: str, field: Field, value: Any) -> Any:
    if isinstance(value, Mapping) and isinstance(value.get("path"), str):
        called = value.get("orig_name")
        name = called if isinstance(called, str) and called else None
        return (await engine.inputs.add(Path(value["path"]), visitor_id, field, name=name, address=address)).text
    if isinstance(value, str) and value[:5].lower() == "data:":
        return (await engine.inputs.add_data(value, visitor_id, field, address=address)).text
    return value
