"""What is done with files of others in a process with limits, by way of `dreamina_ui.media.reading`.

These functions take and give values of JSON. This module imports no more than they need, so that a process starts soon.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dreamina_ui.media.embed import embed_record, read_record, read_record_alone
from dreamina_ui.media.examine import CUT_SHORT, Facts, examine
from dreamina_ui.media.kinds import Family, kind_named
from dreamina_ui.media.pictures import Limits, prepare, write_frame

__all__ = [
    "derived",
    "facts",
    "frame",
    "load_decoders",
    "output",
    "picture",
    "poster",
    "record_of_dropped",
    "saved_record",
    "with_record",
]

SETTINGS_MOST = 2**16
"""Bytes of the settings in a dropped file. Those of a form come in an event of the page, which takes no more."""


def load_decoders() -> None:
    """Import what files are decoded with."""
    import av
    import PIL.ImageOps
    import PIL.ImageStat  # noqa: F401

    av.logging.set_level(None)


def output(
    part: str, ending: str, picture: str, recorded: str, record: Mapping[str, Any] | None, width: int, at_last: bool
) -> dict[str, Any]:
    """Examine the file `part`, and write a copy with the record to `recorded` where it takes one.

    The poster of a picture is written to `picture`; a video gets its own later, when it is shown already. A file that is cut
    short gets no record unless this is the last try.
    """
    kind = kind_named(ending)
    found = examine(Path(part), kind, Path(picture) if kind.family is Family.PICTURE else None, width=width)
    is_recorded = (
        record is not None
        and (at_last or found.problem != CUT_SHORT)
        and embed_record(Path(part), Path(recorded), found.kind, record)
    )
    return {**_told(found), "is_recorded": is_recorded}


def poster(path: str, ending: str, picture: str, width: int) -> dict[str, Any]:
    """Write the poster of a saved file to `picture`; gives the facts that are known when a frame is decoded."""
    return _told(examine(Path(path), kind_named(ending), Path(picture), width=width))


def facts(path: str, ending: str) -> dict[str, Any]:
    """The facts of a file that is saved already."""
    return _told(examine(Path(path), kind_named(ending)))


def saved_record(files: Sequence[str], beside: Sequence[str]) -> dict[str, Any] | None:
    """The first record that lies beside these files, or else in one of them: what lies beside is known to be ours."""
    found = next(filter(None, (read_record_alone(Path(path)) for path in beside)), None)
    return found or next(filter(None, (read_record(Path(path)) for path in files)), None)


def with_record(path: str, part: str, ending: str, record: Mapping[str, Any]) -> bool:
    """Write a copy with another record of the file `path` to `part`; whether its kind takes one."""
    return embed_record(Path(path), Path(part), kind_named(ending), record)


def record_of_dropped(path: str, most: int, most_alone: int) -> dict[str, Any] | None:
    """Model and settings of the record in a file of at most `most` bytes, or in one of its own of at most `most_alone`."""
    file = Path(path)
    try:
        if not file.is_file() or file.stat().st_size > most:
            return None
        record = read_record(file) or read_record_alone(file, most_alone)
    except (OSError, ValueError, RecursionError):
        return None
    if record is None:
        return None
    wanted = {name: record.get(name) for name in ("model_id", "settings")}
    if record.get("joined"):
        wanted["joined"] = True
    return wanted if len(json.dumps(wanted)) <= SETTINGS_MOST else None


def picture(path: str, ending: str, part: str, limits: Mapping[str, int]) -> dict[str, Any]:
    """The picture that a visitor uploaded; where it cannot be sent as it is, one that can is written to `part`."""
    made = prepare(Path(path), kind_named(ending), Path(part), Limits(**limits))
    return {**asdict(made), "kind": made.kind.ending}


def frame(path: str, ending: str, at_s: float | None, part: str) -> bool:
    """Write a frame of a video as PNG to `part`, with None the last good one; whether there is one."""
    return write_frame(Path(path), kind_named(ending), at_s, Path(part))


def derived(
    parts: Sequence[Sequence[Any]], ending: str, target: str, options: Mapping[str, Any], metadata: Mapping[str, str]
) -> dict[str, Any]:
    """Make a file of saved videos, each named by its path, its kind's ending, and where its wanted part begins and ends.

    `options` are a width and a rate, of those kinds that take them. Gives what was made, or the reason why nothing was.
    """
    import av

    from dreamina_ui.media.derive.clips import Unfit
    from dreamina_ui.media.derive.make import make

    av.logging.set_level(None)
    try:
        return asdict(make(parts, kind_named(ending), Path(target), options, dict(metadata)))
    except Unfit as error:
        return {"reason": error.reason, "number": error.number}


def _told(found: Facts) -> dict[str, Any]:
    return {**asdict(found), "kind": found.kind.ending}
