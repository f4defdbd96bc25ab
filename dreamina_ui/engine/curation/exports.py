"""Files made of a visitor's saved videos, free of charge: several joined into one, a part of one, a GIF or a WebM of it."""

import asyncio
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo

from dreamina_ui.cards.problems import shown
from dreamina_ui.errors import InvalidInput, JobNotFound, NotMade
from dreamina_ui.jobs import Job, State
from dreamina_ui.media.derive.derived import Derived, DerivedFiles, Order, Part
from dreamina_ui.media.kinds import GIF, MP4, WEBM, Family
from dreamina_ui.media.library import Library, SavedFile
from dreamina_ui.media.record import file_name, joined_record, part_record
from dreamina_ui.storage.job_queries import JobQueries

__all__ = [
    "FORMATS",
    "GIF_RATE",
    "JOINED_MOST",
    "RATES",
    "SECONDS_MOST",
    "WIDTH",
    "WIDTHS",
    "Export",
    "Exports",
    "Wanted",
]

JOINED_MOST = 200
FORMATS = {"mp4": MP4, "webm": WEBM, "gif": GIF}
SECONDS_MOST = {"gif": 15.0, "webm": 60.0}
"""Of a part in these formats."""
WIDTHS = {"gif": (320, 480, 640), "webm": (320, 480, 640, 960, 1280)}
"""What the page offers; programs may give any width from `WIDTH_LEAST` to the last of them."""
WIDTH_LEAST = 16
WIDTH = 480
RATES = {"gif": (1, 25), "webm": (1, 30)}
"""The least and the most frames a second that may be asked for."""
GIF_RATE = 15
LARGEST = 1e9
"""From here on a sentence writes a number with its exponent."""
END_S = 0.1
"""How far past its end a part may reach: what players and rows say of a length is rounded."""
_ID = re.compile(r"[0-9A-Za-z-]{1,64}")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for of one video, checked."""

    format: str
    from_s: float | None
    to_s: float | None
    width: int | None
    rate: int | None

    @classmethod
    def of(
        cls, format: object = None, from_s: object = None, to_s: object = None, width: object = None, fps: object = None
    ) -> "Wanted":
        """Read what somebody gave, as numbers or as text; None and an empty text are the usual value. Raises `InvalidInput`."""
        named = str(format or "mp4").strip().lower()
        if named not in FORMATS:
            raise InvalidInput("format", "not_allowed", given=shown(format), allowed=", ".join(FORMATS), message="")
        start, end = _seconds("from_s", from_s), _seconds("to_s", to_s)
        if start is not None and end is not None and end <= start:
            raise InvalidInput("to_s", "not_larger", given=_given(end), limit=_given(start), message="")
        if named == "mp4":
            for name, given in (("width", width), ("fps", fps)):
                if given not in (None, ""):
                    raise InvalidInput(name, "only_smaller", message="")
            return cls(named, start, end, None, None)
        wide = _whole("width", width, WIDTH_LEAST, WIDTHS[named][-1])
        rate = _whole("fps", fps, *RATES[named])
        return cls(named, start, end, wide or WIDTH, rate or (GIF_RATE if named == "gif" else None))

    def within(self, duration_s: float | None) -> "Wanted":
        """The same, checked against the length of its video, where that is known. Raises `InvalidInput`."""
        if duration_s is not None:
            for name, given in (("from_s", self.from_s), ("to_s", self.to_s)):
                if given is not None and given > duration_s + END_S:
                    raise InvalidInput(name, "too_large", given=_given(given), limit=_given(duration_s), message="")
        most = SECONDS_MOST.get(self.format)
        end = self.to_s if self.to_s is not None else duration_s
        length = None if end is None else end - (self.from_s or 0)
        if most is not None and length is not None and length > most + END_S:
            raise InvalidInput("to_s", "part_too_long", given=_given(length), limit=most, message="")
        return self


@dataclass(frozen=True, slots=True)
class Export:
    """A file that was made, and the name of its download; of the videos of these share ids, or as was `wanted` of one."""

    file: Derived
    name: str
    share_ids: tuple[str, ...]
    wanted: Wanted | None = None


class Exports:
    """`files` makes and keeps them."""

    def __init__(self, *, queries: JobQueries, library: Library, files: DerivedFiles) -> None:
        self._queries = queries
        self._library = library
        self._files = files

    async def join(self, ids: Sequence[object], *, visitor_id: str, address: str = "", zone: tzinfo = UTC) -> Export:
        """One MP4 of the videos of these jobs, in this order; a job is named by its job id or by its share id.

        `visitor_id` and `address` are whose share of the work it is. Raises `InvalidInput`, `JobNotFound`, `NotMade`,
        `ExportsBusy`, `DiskFull`, `LibraryError` or `StoreError`.
        """
        if len(ids) < 2:
            raise InvalidInput("job_ids", "too_few_items", given=len(ids), least=2, limit=2, message="")
        if len(ids) > JOINED_MOST:
            raise InvalidInput("job_ids", "too_many_items", given=len(ids), limit=JOINED_MOST, message="")
        jobs = await self._jobs(ids)
        videos = await asyncio.to_thread(self._videos, jobs)
        order = Order(
            parts=tuple(Part(video.path, video.kind) for video in videos),
            kind=MP4,
            title=jobs[0].prompt,
            record=joined_record(jobs),
        )
        made = await self._files.get(order, visitor_id=visitor_id, address=address)
        name = f"{file_name(jobs[0], ending='', zone=zone)}-joined-{len(jobs)}{MP4.plain_ending}"
        return Export(made, name, tuple(job.share_id for job in jobs))

    async def export(
        self, job_id: object, wanted: Wanted, *, visitor_id: str, address: str = "", zone: tzinfo = UTC
    ) -> Export:
        """A part of one job's video, or all of it, in another format. Raises as `join` does."""
        [job] = await self._jobs([job_id])
        [video] = await asyncio.to_thread(self._videos, [job])
        wanted.within(job.duration_s)
        kind = FORMATS[wanted.format]
        order = Order(
            parts=(Part(video.path, video.kind, wanted.from_s, wanted.to_s),),
            kind=kind,
            width=wanted.width,
            rate=wanted.rate,
            title=job.prompt if kind is MP4 else "",
            record=part_record(job, wanted.from_s, wanted.to_s) if kind is MP4 else {},
        )
        made = await self._files.get(order, visitor_id=visitor_id, address=address)
        ends = (wanted.from_s or 0, wanted.to_s if wanted.to_s is not None else job.duration_s)
        is_whole = wanted.from_s is wanted.to_s is None
        part = "" if is_whole else "".join(f"-{end:g}" for end in ends if end is not None)
        name = f"{file_name(job, ending='', zone=zone)}{part}{kind.plain_ending}"
        return Export(made, name, (job.share_id,), wanted)

    async def _jobs(self, ids: Sequence[object]) -> list[Job]:
        """The finished jobs of these ids, in their order. Raises `JobNotFound`."""
        names = [name for name in ids if isinstance(name, str) and _ID.fullmatch(name)]
        if len(names) < len(ids):
            raise JobNotFound
        found: dict[str, Job] = {}
        for job in await self._queries.named(list(dict.fromkeys(names))):
            if job.state is State.SUCCEEDED:
                found |= {job.job_id: job, job.share_id: job}
        if any(name not in found for name in names):
            raise JobNotFound
        return [found[name] for name in names]

    def _videos(self, jobs: Sequence[Job]) -> list[SavedFile]:
        """The first video of each job; blocks. Raises `NotMade`."""
        videos = []
        for number, job in enumerate(jobs, start=1):
            files = self._library.files(job)
            video = next((file for file in files if file.kind.family is Family.VIDEO), None)
            if video is None:
                raise NotMade(reason="no_video" if files else "gone", number=number)
            videos.append(video)
        return videos


def _seconds(name: str, given: object) -> float | None:
    number = _number(name, given)
    if number is not None and number < 0:
        raise InvalidInput(name, "too_small", given=_given(number), limit=0, message="")
    return number


def _whole(name: str, given: object, least: int, most: int) -> int | None:
    number = _number(name, given)
    if number is None:
        return None
    if number != int(number):
        raise InvalidInput(name, "not_integer", given=shown(given), message="")
    if number < least:
        raise InvalidInput(name, "too_small", given=_given(number), limit=least, message="")
    if number > most:
        raise InvalidInput(name, "too_large", given=_given(number), limit=most, message="")
    return int(number)


def _number(name: str, given: object) -> float | None:
    """Raises `InvalidInput`. A decimal comma is read, too."""
    if given is None or (isinstance(given, str) and not given.strip()):
        return None
    try:
        if isinstance(given, bool) or not isinstance(given, int | float | str):
            raise ValueError
        number = float(given.strip().replace(",", ".")) if isinstance(given, str) else float(given)
        if not math.isfinite(number):
            raise ValueError
    except (ValueError, OverflowError) as error:
        raise InvalidInput(name, "not_number", given=shown(given), message="") from error
    return number


def _given(number: float) -> float | str:
    """As a sentence has it: not with hundreds of digits."""
    return round(number, 3) if abs(number) < LARGEST else f"{number:g}"
