"""Reads files of others in processes with limits: outputs, which were paid for, and files that visitors drop.

Neither waits for the other: they have processes of their own, and so have the threads that wait for them. Posters
are made in processes of low priority.
"""

import asyncio
import atexit
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from dreamina_ui.confined.bounds import Bounds
from dreamina_ui.confined.pool import Pool, Stopped
from dreamina_ui.media.examine import Facts
from dreamina_ui.media.kinds import JPEG, PNG, Kind, kind_named, sound_of
from dreamina_ui.media.pictures import NOTES, Limits, Picture

__all__ = [
    "Busy",
    "DroppedFiles",
    "Stopped",
    "UploadedFiles",
    "make_poster",
    "new_pool",
    "output_pool",
    "poster_pool",
    "read_output",
    "saved_facts",
    "saved_record",
    "start_reading",
    "write_with_record",
]

OUTPUTS_AT_ONCE = 2
OUTPUT_BOUNDS = Bounds(memory=2**30, processor_s=12, wall_s=120.0, file_size=600 * 2**20)
"""A picture of 40 million pixels takes up to 800 MB. The longest part of the time that passes is a copy to a slow disk."""
POSTER_BOUNDS = Bounds(memory=2**30, processor_s=12, wall_s=120.0, file_size=2**24, niceness=10)
POSTERS_AT_ONCE_MOST = 4
SAVED_S = 2
"""Processor time for the facts of a file that is saved already: without them it has no size on the page, and no more."""
DROPPED_AT_ONCE = 2
DROPPED_BOUNDS = Bounds(memory=2**28, processor_s=2, wall_s=15.0, file_size=0, niceness=10)
"""Only bytes are looked at. The largest file that may be dropped takes a tenth of this."""
UPLOADED_AT_ONCE = 2
UPLOADED_BOUNDS = Bounds(memory=2**30, processor_s=12, wall_s=60.0, file_size=64 * 2**20, niceness=5)
"""A picture of 40 million pixels takes up to 800 MB and, to be made smaller, some seconds."""
UPLOADED_WAITING_MOST = 40
WAITING_MOST = 8
NOT_FACTS = "its reader crashed"
LARGEST = 2**31
PROBLEM_MOST = 200


@cache
def output_pool() -> Pool:
    """The processes for outputs, of all libraries of this process. They end with it."""
    return new_pool("outputs", OUTPUT_BOUNDS, OUTPUTS_AT_ONCE)


@cache
def poster_pool() -> Pool:
    """The processes for posters: as many as leave a core to everything else."""
    return new_pool("posters", POSTER_BOUNDS, min(max(_cores() - 1, 1), POSTERS_AT_ONCE_MOST))


def _cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _dropped_pool() -> Pool:
    return new_pool("dropped", DROPPED_BOUNDS, DROPPED_AT_ONCE)


@cache
def _uploaded_pool() -> Pool:
    return new_pool("uploaded", UPLOADED_BOUNDS, UPLOADED_AT_ONCE)


def new_pool(name: str, bounds: Bounds, at_once: int) -> Pool:
    """A pool of processes that end with this one."""
    pool = Pool(name, bounds, at_once)
    atexit.register(pool.close)
    return pool


def start_reading() -> None:
    """Start a process for outputs, if there is none: one that has to be started for a file takes as long as ten files."""
    output_pool().start("dreamina_ui.media.tasks:load_decoders")


async def read_output(
    part: Path,
    kind: Kind,
    *,
    picture: Path,
    recorded: Path,
    record: Mapping[str, Any] | None,
    width: int,
    at_last: bool = False,
) -> tuple[Facts, bool]:
    """The facts of the output `part`, and whether a copy of it with the record was written to `recorded`.

    The poster of a picture, at most `width` wide and high, is written to `picture`. A file that is cut short gets no record
    unless this is the last try. Raises `Stopped` with whatever was written left there, or OSError of the disk.
    """
    answer = await output_pool().run(
        "dreamina_ui.media.tasks:output",
        *(_absolute(part), kind.ending, _absolute(picture), _absolute(recorded)),
        *(record, width, at_last),
    )
    return _facts(answer, kind), answer.get("is_recorded") is True


async def make_poster(path: Path, kind: Kind, picture: Path, *, width: int) -> Facts:
    """Write the poster of a saved file, at most `width` wide and high, to `picture`; the facts say whether there is one.

    Raises OSError of the disk.
    """
    try:
        answer = await poster_pool().run(
            "dreamina_ui.media.tasks:poster", _absolute(path), kind.ending, _absolute(picture), width
        )
        return _facts(answer, kind)
    except Stopped as error:
        return Facts(kind, problem=str(error))


def saved_facts(path: Path, kind: Kind) -> Facts:
    """The facts of a file that is saved already; blocks. Raises OSError."""
    try:
        return _facts(
            output_pool().call("dreamina_ui.media.tasks:facts", _absolute(path), kind.ending, processor_s=SAVED_S),
            kind,
        )
    except Stopped as error:
        return Facts(kind, problem=str(error))


def saved_record(files: Sequence[Path], beside: Sequence[Path]) -> dict[str, Any] | None:
    """The record in one of these saved files, or in one of the files of records beside them; blocks. Raises OSError."""
    try:
        record = output_pool().call(
            "dreamina_ui.media.tasks:saved_record", [*map(_absolute, files)], [*map(_absolute, beside)]
        )
    except Stopped:
        return None
    return record if isinstance(record, dict) else None


def write_with_record(path: Path, part: Path, kind: Kind, record: Mapping[str, Any]) -> bool:
    """Write a copy with another record of a saved file to `part`; whether that could be done. Blocks. Raises OSError."""
    try:
        answer = output_pool().call(
            "dreamina_ui.media.tasks:with_record", _absolute(path), _absolute(part), kind.ending, record
        )
    except Stopped:
        return False
    return answer is True


class Busy(Exception):
    """The visitor's last file is still being read, or too many files of others wait."""


class DroppedFiles:
    """Reads files that visitors drop, one of a visitor at a time."""

    def __init__(self, pool: Pool | None = None) -> None:
        self._pool = pool or _dropped_pool()
        self._visitors: set[str] = set()

    async def record(self, visitor_id: str, path: Path, *, most: int, most_alone: int) -> Mapping[str, Any] | None:
        """Model and settings of the record in a file of at most `most` bytes, or in one of its own of at most `most_alone`.

        None where there is none. Raises `Busy` or `Stopped`.
        """
        if visitor_id in self._visitors or len(self._visitors) >= DROPPED_AT_ONCE + WAITING_MOST:
            raise Busy
        self._visitors.add(visitor_id)
        try:
            record = await self._pool.run(
                "dreamina_ui.media.tasks:record_of_dropped", _absolute(path), most, most_alone
            )
        finally:
            self._visitors.discard(visitor_id)
        return record if isinstance(record, dict) else None


class UploadedFiles:
    """Reads the files that visitors upload for a model, one of a visitor at a time; a program's next ones wait."""

    def __init__(self, pool: Pool | None = None) -> None:
        self._pool = pool or _uploaded_pool()
        self._turns: dict[str, asyncio.Lock] = {}
        self._asked_by: Counter[str] = Counter()

    async def picture(self, visitor_id: str, path: Path, kind: Kind, part: Path, limits: Limits) -> Picture:
        """The picture of a file; where it cannot be sent as it is, one that can is written to `part`.

        Raises `Busy`, `Stopped`, or OSError of the disk.
        """
        arguments = (_absolute(path), kind.ending, _absolute(part), asdict(limits))
        return _picture(await self._asked(visitor_id, "picture", *arguments), kind)

    async def facts(self, visitor_id: str, path: Path, kind: Kind) -> Facts:
        """The facts of a file. Raises `Busy`, `Stopped`, or OSError of the disk."""
        return _facts(await self._asked(visitor_id, "facts", _absolute(path), kind.ending), kind)

    async def frame(self, visitor_id: str, path: Path, kind: Kind, at_s: float | None, part: Path) -> bool:
        """Write a frame of a video as PNG to `part`, with None the last good one; whether there is one.

        Raises `Busy`, `Stopped`, or OSError of the disk.
        """
        return await self._asked(visitor_id, "frame", _absolute(path), kind.ending, at_s, _absolute(part)) is True

    async def _asked(self, visitor_id: str, task: str, *arguments: Any) -> Any:
        if self._asked_by[visitor_id] > WAITING_MOST or self._asked_by.total() >= UPLOADED_WAITING_MOST:
            raise Busy
        self._asked_by[visitor_id] += 1
        try:
            async with self._turns.setdefault(visitor_id, asyncio.Lock()):
                return await self._pool.run(f"dreamina_ui.media.tasks:{task}", *arguments)
        finally:
            self._asked_by[visitor_id] -= 1
            if not self._asked_by[visitor_id]:
                del self._asked_by[visitor_id], self._turns[visitor_id]


def _picture(answer: Any, kind: Kind) -> Picture:
    """What a process told of a picture. Raises `Stopped` if that is nothing that it can have found."""
    try:
        made = Picture(
            kind_named(answer["kind"]),
            width=_whole(answer["width"]) or 0,
            height=_whole(answer["height"]) or 0,
            notes=tuple(note for note in NOTES if note in answer["notes"]),
            is_new=answer["is_new"] is True,
            problem=str(answer["problem"])[:PROBLEM_MOST],
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Stopped(NOT_FACTS) from error
    if made.kind not in ((PNG, JPEG) if made.is_new else (kind,)):
        raise Stopped(NOT_FACTS)
    return made


def _absolute(path: Path) -> str:
    """The processes work in another folder."""
    return os.path.abspath(path)


def _facts(answer: Any, kind: Kind) -> Facts:
    """What a process told of a file. Raises `Stopped` if that is nothing that it can have found."""
    try:
        told = Facts(
            kind_named(answer["kind"]),
            width=_whole(answer["width"]),
            height=_whole(answer["height"]),
            duration_s=_number(answer["duration_s"]),
            has_poster=answer["has_poster"] is True,
            problem=str(answer["problem"])[:PROBLEM_MOST],
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Stopped(NOT_FACTS) from error
    if told.kind not in (kind, sound_of(kind)):
        raise Stopped(NOT_FACTS)
    return told


def _number(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < LARGEST:
        raise ValueError
    return value


def _whole(value: object) -> int | None:
    number = _number(value)
    return None if number is None else int(number)
