"""What is inside a video file: its facts, a poster, and the record in its metadata. All of it blocks.

PyAV costs 60 ms and 20 MB to import, so it is imported when there is a video.
"""

import errno
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamina_ui.errors import NotAVideo

if TYPE_CHECKING:
    import av

__all__ = ["Saved", "inspect", "label", "make_poster", "read_label"]

DISK_TROUBLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
LABEL_TAG = "comment"
"""The tag that players show and that every MP4 writer keeps."""
POSTER_LOOKED_AT = 24


@dataclass(frozen=True, slots=True)
class Saved:
    """Width and height in pixels, duration in seconds, as the file itself says."""

    width: int
    height: int
    duration_s: float


def inspect(path: Path) -> Saved:
    """Raises `NotAVideo`."""
    with _opened(path) as (container, stream):
        length = container.duration or 0
        return Saved(stream.width, stream.height, round(length / 1_000_000, 3))


def make_poster(video: Path, poster: Path, width: int, quality: int = 80) -> None:
    """The first frame with something on it, as WebP of `quality` 1 to 100, at most `width` wide: many videos fade in from black.

    Raises `NotAVideo`.
    """
    from PIL import Image

    with _opened(video) as (container, stream):
        best, best_contrast = None, -1.0
        for index, frame in enumerate(container.decode(stream)):
            luma = frame.reformat(width=64, height=36, format="gray").to_ndarray()
            if float(luma.std()) > best_contrast * 1.5:
                best, best_contrast = frame, float(luma.std())
            if best_contrast > 16 or index + 1 >= POSTER_LOOKED_AT:
                break
        if best is None:
            raise NotAVideo("no frame can be decoded")
        picture = Image.fromarray(best.to_ndarray(format="rgb24"))
    picture.thumbnail((width, width))
    picture.save(poster, "WEBP", quality=quality)


def label(video: Path, labelled: Path, record: Mapping[str, Any]) -> None:
    """Write the video anew with the record in its metadata; the packets of pictures and sound are copied as they are.

    Raises `NotAVideo`.
    """
    import av

    with _opened(video) as (source, _):
        prompt = str(record.get("settings", {}).get("prompt", ""))
        with av.open(str(labelled), "w", format="mp4", options={"movflags": "+faststart"}) as target:
            target.metadata.update(source.metadata)
            target.metadata["title"] = prompt[:200]
            target.metadata[LABEL_TAG] = json.dumps(record, ensure_ascii=False)
            kept = [stream for stream in source.streams if stream.type in ("video", "audio")]
            copies = {stream.index: target.add_stream_from_template(stream) for stream in kept}
            for packet in source.demux(kept):
                if packet.dts is not None:  # the last, empty packet of a stream
                    packet.stream = copies[packet.stream.index]
                    target.mux(packet)


def read_label(video: Path) -> tuple[dict[str, Any], Saved] | None:
    """The record in a video's metadata with the file's facts, or None if there is none. Raises `NotAVideo`."""
    with _opened(video) as (container, stream):
        saved = Saved(stream.width, stream.height, round((container.duration or 0) / 1_000_000, 3))
        try:
            record = json.loads(container.metadata.get(LABEL_TAG, ""))
        except ValueError:
            return None
    return (record, saved) if isinstance(record, dict) and record.get("app") == "dreamina-ui" else None


@contextmanager
def _opened(path: Path) -> Iterator[tuple["av.container.InputContainer", "av.VideoStream"]]:
    import av

    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise NotAVideo("no video stream")
            # A file whose index comes first plays as far as it came: without this, half of a video would pass.
            ends = (entry.pos + entry.size for stream in container.streams for entry in stream.index_entries)
            if max(ends, default=0) > path.stat().st_size:
                raise NotAVideo("cut short")
            yield container, container.streams.video[0]
    except (av.FFmpegError, IndexError, ValueError) as error:
        if isinstance(error, OSError) and error.errno in DISK_TROUBLE:
            raise  # PyAV's errors are also the system's: a full disk says nothing about the video
        raise NotAVideo(type(error).__name__) from error
