"""A job's saved files with the facts that the page shows: names, sizes, posters."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from pathlib import Path

from dreamina_ui.jobs import Job
from dreamina_ui.media.kinds import Family, Kind
from dreamina_ui.media.library import Library, SavedFile
from dreamina_ui.media.record import file_name

__all__ = ["Shown", "playable", "shown_files", "shown_jobs"]


@dataclass(frozen=True, slots=True)
class Shown:
    """One file. `name` is the name of a download, `size` is in bytes; `poster` is None if it has none."""

    number: int
    path: Path
    kind: Kind
    name: str
    size: int
    poster: Path | None

    @property
    def is_playable(self) -> bool:
        """Whether it is a video of a kind that browsers play."""
        return self.kind.inline and self.kind.family is Family.VIDEO


def playable(files: Sequence[Shown]) -> Shown | None:
    """The first playable video, which is shown in the player."""
    return next((file for file in files if file.is_playable), None)


def shown_files(job: Job, files: Sequence[SavedFile], zone: tzinfo = UTC) -> list[Shown]:
    """These files with their names (by the day in `zone`), sizes and posters, in the same order; blocks."""
    shown = []
    for file in files:
        try:
            size = file.path.stat().st_size
        except OSError:
            continue  # deleted since the files were listed
        name = file_name(job, file.number, file.kind.ending, file.kind.family, zone=zone)
        poster = file.poster if file.poster.exists() else None
        shown.append(Shown(file.number, file.path, file.kind, name, size, poster))
    return shown


def shown_jobs(jobs: Sequence[Job], library: Library, zone: tzinfo = UTC) -> list[tuple[Job, list[Shown]]]:
    """The finished jobs of which there are files, each with those, as `shown_files`; blocks."""
    listed = ((job, shown_files(job, library.files(job), zone)) for job in jobs)
    return [(job, files) for job, files in listed if files]
