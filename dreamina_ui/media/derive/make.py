"""Makes one file of saved videos, of whichever kind is asked for."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import av

from dreamina_ui.media.derive.clips import PACKETS_MOST, Unfit, look_at
from dreamina_ui.media.derive.gif import write_gif
from dreamina_ui.media.derive.movie import Made, write_movie, write_webm
from dreamina_ui.media.kinds import GIF, WEBM, Kind, kind_named

__all__ = ["make"]


def make(
    parts: Sequence[Sequence[Any]], kind: Kind, target: Path, options: Mapping[str, Any], metadata: dict[str, str]
) -> Made:
    """Make a file of this kind of the parts of videos; GIF and WebM are of one. Raises `Unfit`, or OSError of the disk."""
    clips, packets = [], 0
    for number, (path, ending, from_s, to_s) in enumerate(parts, start=1):
        clips.append(look_at(Path(path), kind_named(ending), number, from_s, to_s))
        packets += len(clips[-1].stamps)
        if packets > PACKETS_MOST:
            raise Unfit("too_long")
    try:
        if kind is GIF:
            return write_gif(clips[0], target, options.get("width"), options["rate"])
        if kind is WEBM:
            return write_webm(clips[0], target, options.get("width"), options.get("rate"))
        return write_movie(clips, target, metadata)
    except (av.InvalidDataError, av.ArgumentError, ValueError) as error:
        raise Unfit("stopped") from error
