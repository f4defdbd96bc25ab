"""What is inside a file: its size and duration, and a poster. All of it blocks.

Whoever made the file may want it to cost as much as it can: this runs in a process with limits (`dreamina_ui.media.reading`), and
what a file states of samples, streams and sizes is looked at before a library believes it. A file is opened once, as what its
kind says, and nothing that it names is ever opened. PyAV costs 60 ms and 20 MB to import, and Pillow 20 ms, so that both are
imported when there is something to look at.
"""

import errno
import io
import struct
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamina_ui.confined.bounds import MEMORY
from dreamina_ui.media.containers import (
    ACROSS,
    STREAMS_MOST,
    Matrix,
    Unreadable,
    check_index,
    is_across,
    is_cut_short,
    turn_by,
)
from dreamina_ui.media.kinds import (
    AVIF,
    BMP,
    GIF,
    JPEG,
    PNG,
    TIFF,
    WEBP,
    Family,
    Kind,
    sound_of,
)

if TYPE_CHECKING:
    import av
    from PIL import Image

__all__ = [
    "CUT_SHORT",
    "PIXELS_MOST",
    "Facts",
    "Unreadable",
    "contrast_of",
    "examine",
    "opened",
    "turn_of",
    "videos_of",
]

CUT_SHORT = "cut short"
"""The problem of a file whose index points past its end: another try may bring all of it."""
PIXELS_MOST = 40_000_000
"""Of one frame; 8K has 33 million. A file of 0.4 MB can hold a frame that takes gigabytes to decode."""
PICTURE_BYTES_MOST = 64 * 2**20
FRAMES_MOST = 24
"""Among how many frames one is looked for that shows something: many videos fade in from black."""
PACKETS_MOST = 1000
SECONDS_MOST = 6.0
"""How long a frame is looked for in what can hardly be decoded."""
CONTRAST_ENOUGH = 16.0
"""The standard deviation of brightness, of 255, from which a frame shows something."""
BETTER = 1.5
PROBE = (64, 36)
QUALITY, METHOD = 80, 0
"""Of WebP. Method 2 takes twice as long, and a picture of 640 pixels is 8 % smaller."""
PROBLEM_MOST = 80
DURATION_MOST_S = 7 * 86_400
DISK_TROUBLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
PILLOW_FORMATS: Mapping[Kind, str] = {
    PNG: "PNG",
    JPEG: "JPEG",
    WEBP: "WEBP",
    GIF: "GIF",
    AVIF: "AVIF",
    BMP: "BMP",
    TIFF: "TIFF",
}
ORIENTATION = 0x0112
"""The tag of EXIF that says how a picture is turned."""
TURNED_ACROSS = (5, 6, 7, 8)


@dataclass(frozen=True, slots=True)
class Facts:
    """Width and height in pixels, as a picture is shown; the duration in seconds. None is what the file does not say.

    `kind` is another than it was taken for where a video's file has only sound. `problem` is empty, or says in a few words for a
    log why something could not be read.
    """

    kind: Kind
    width: int | None = None
    height: int | None = None
    duration_s: float | None = None
    has_poster: bool = False
    problem: str = ""


def examine(path: Path, kind: Kind, poster: Path | None = None, *, width: int = 640) -> Facts:
    """The facts of a file of this kind; and its poster, a WebP at most `width` wide and high, is written to `poster`.

    Without `poster`, no frame of a video is decoded, which is nearly all of the work; then it is not known whether one can be.
    Whatever the file contains, there are facts. Raises OSError where the disk fails, or the file is not there.
    """
    if kind.family is Family.FILE:
        return Facts(kind)
    with path.open("rb"):
        pass  # what FFmpeg and Pillow say of a file that cannot be opened could also be said of its content
    facts, picture = (
        _look_at_picture(path, kind, width)
        if kind.family is Family.PICTURE
        else _look_at_stream(path, kind, width, decodes=poster is not None)
    )
    if picture is None or poster is None:
        return facts
    encoded = io.BytesIO()
    try:
        picture.save(encoded, "WEBP", quality=QUALITY, method=METHOD)
    except (OSError, ValueError) as error:
        return replace(facts, problem=facts.problem or f"poster: {type(error).__name__}")
    poster.write_bytes(encoded.getbuffer())
    return replace(facts, has_poster=True)


@contextmanager
def opened(path: Path, kind: Kind) -> "Iterator[av.container.InputContainer]":
    """The file, opened as what its kind says and as nothing else. Raises `Unreadable`, or PyAV's errors."""
    import av

    check_index(path, kind)
    # skip_frame: FFmpeg would decode frames to learn more of its streams, before their size could be looked at.
    options = {"enable_drefs": "0", "use_absolute_path": "0"} if kind.demuxer == "mov" else {}
    options |= {"protocol_whitelist": "file", "skip_frame": "all", "max_pixels": str(PIXELS_MOST), "threads": "1"}
    options |= {"max_streams": str(STREAMS_MOST)}
    with av.open(
        f"file:{path}", format=kind.demuxer, options=options, metadata_errors="replace", buffer_size=256 * 1024
    ) as container:
        yield container


def videos_of(container: "av.container.InputContainer") -> "list[av.VideoStream]":
    """The video streams that are no covers."""
    import av

    covers = av.stream.Disposition.attached_pic
    return [stream for stream in container.streams.video if not stream.disposition & covers]


def turn_of(frame: "av.VideoFrame") -> int | None:
    """How a frame has to be turned or mirrored to be shown, as Pillow's number of that; None if it need not be."""
    return turn_by(_matrix(frame))


def _look_at_picture(path: Path, kind: Kind, width: int) -> tuple[Facts, "Image.Image | None"]:
    if kind not in PILLOW_FORMATS:
        return Facts(kind, problem="no decoder"), None
    from PIL import Image, ImageOps

    facts = Facts(kind)
    try:
        with Image.open(path, formats=[PILLOW_FORMATS[kind]]) as picture:
            facts = Facts(kind, *picture.size)
            if picture.width * picture.height > PIXELS_MOST or path.stat().st_size > PICTURE_BYTES_MOST:
                return replace(facts, problem="too large"), None
            if picture.mode.startswith("I"):  # 16 bits, of which the first 8 are seen
                small: Image.Image = picture.point(lambda value: value / 256).convert("L")
            else:
                picture.draft("RGB", (width, width))
                mode = "RGBA" if picture.has_transparency_data else "RGB"
                small = picture if picture.mode == mode else picture.convert(mode)
            small.thumbnail((width, width))
            # Only now: some of Pillow's formats decode the picture to find this out.
            orientation = picture.getexif().get(ORIENTATION, 1)
            if orientation in TURNED_ACROSS:
                facts = Facts(kind, facts.height, facts.width)
            small.getexif()[ORIENTATION] = orientation
            return facts, ImageOps.exif_transpose(small)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return replace(facts, problem="too large"), None
    except Exception as error:  # Pillow's formats raise whatever their parsing does
        if isinstance(error, OSError):
            _check_disk(path, error)
        return replace(facts, problem=_said(error, str(error))), None


def _look_at_stream(path: Path, kind: Kind, width: int, *, decodes: bool) -> tuple[Facts, "Image.Image | None"]:
    import av

    problem = CUT_SHORT if is_cut_short(path, kind) else ""
    facts = Facts(kind, problem=problem)
    try:
        with opened(path, kind) as container:
            facts = replace(facts, duration_s=_duration(container))
            videos = videos_of(container)
            if not videos or kind.family is Family.SOUND:
                if not any(sound.codec_context and sound.sample_rate for sound in container.streams.audio):
                    raise Unreadable("no video and no sound")
                return replace(facts, kind=sound_of(kind)), None
            video = videos[0]
            if video.codec_context is None:
                raise Unreadable("no decoder")
            size = video.width or None, video.height or None
            facts = replace(facts, width=size[0], height=size[1])
            if _ends(container) > path.stat().st_size:
                facts = replace(facts, problem=CUT_SHORT)
            if not decodes:
                _check_size(video)
                return (replace(facts, width=size[1], height=size[0]) if is_across(path, kind) else facts), None
            frame = _best_frame(container, video)
            facts, picture = _shown(facts, frame, width)
            return facts, picture
    except Unreadable as error:
        return replace(facts, problem=facts.problem or str(error)), None
    except (av.FFmpegError, ValueError, IndexError, MemoryError) as error:
        if isinstance(error, OSError):
            _check_disk(path, error)
        return replace(facts, problem=facts.problem or _said(error, "")), None


def _said(error: Exception, text: str) -> str:
    return MEMORY if isinstance(error, MemoryError) else text[:PROBLEM_MOST] or type(error).__name__


def _duration(container: "av.container.InputContainer") -> float | None:
    """In seconds; None where the file does not say, or says more than can be."""
    if container.duration is not None and container.duration > 0:
        seconds = container.duration / 1_000_000
    else:
        lengths = [
            stream.duration * stream.time_base for stream in container.streams if stream.duration and stream.time_base
        ]
        seconds = float(max(lengths, default=0))
    return round(seconds, 3) if 0 < seconds <= DURATION_MOST_S else None


def _ends(container: "av.container.InputContainer") -> int:
    """Where the last of the samples ends that the file's index names, in bytes from the beginning of the file."""
    return max((entry.pos + entry.size for stream in container.streams for entry in stream.index_entries), default=0)


def _best_frame(container: "av.container.InputContainer", video: "av.VideoStream") -> "av.VideoFrame":
    """The first frame with something on it, or the best of those that are looked at. Raises `Unreadable`."""
    _check_size(video)
    video.thread_count, video.thread_type = 1, "NONE"
    # A poster is too small to show that the edges of blocks were not smoothed.
    video.codec_context.options = {"max_pixels": str(PIXELS_MOST), "skip_loop_filter": "all"}
    best, best_contrast = None, -1.0
    for index, frame in enumerate(_frames(container, video)):
        if frame.width * frame.height > PIXELS_MOST:
            raise Unreadable("too large")
        contrast = contrast_of(frame)
        if contrast > best_contrast * BETTER:
            best, best_contrast = frame, contrast
        if best_contrast > CONTRAST_ENOUGH or index + 1 >= FRAMES_MOST:
            break
    if best is None:
        raise Unreadable("no frame can be decoded")
    return best


def _check_size(video: "av.VideoStream") -> None:
    """Raises `Unreadable`."""
    if not 0 < video.width * video.height <= PIXELS_MOST:  # FFmpeg itself makes what is too large 0
        raise Unreadable("too large")


def _frames(container: "av.container.InputContainer", video: "av.VideoStream") -> "Iterator[av.VideoFrame]":
    """The frames of a video that others are made from, the first one twice.

    It comes first as soon as its own packet is there, which almost always is enough: a decoder that puts frames in order would
    want two or three more packets, and each costs as much.
    """
    import av

    packets = container.demux(video)
    first = next(packets, None)
    if first is None or first.size == 0:
        return
    context = video.codec_context
    try:
        frames = context.decode(first)
        if not frames:
            frames = context.decode(None)
            context.flush_buffers()
    except av.FFmpegError as error:
        if isinstance(error, OSError) and error.errno in DISK_TROUBLE:
            raise
        frames = []
        context.flush_buffers()
    yield from frames
    context.skip_frame = "NONREF"
    limit = time.monotonic() + SECONDS_MOST
    for number, packet in enumerate(_with_first(first, packets)):
        with suppress(av.InvalidDataError):  # the next one may be whole
            yield from context.decode(packet)
        if number >= PACKETS_MOST or time.monotonic() > limit:
            return


def _with_first(first: "av.Packet[av.VideoStream]", others: "Iterator[av.Packet[av.VideoStream]]") -> "Iterator[Any]":
    yield first
    yield from others


def contrast_of(frame: "av.VideoFrame") -> float:
    """The standard deviation of a frame's brightness, of 255: of a blank one next to nothing."""
    from PIL import ImageStat

    width, height = PROBE
    return float(ImageStat.Stat(_as_picture(frame, width, height, "gray")).stddev[0])


def _as_picture(frame: "av.VideoFrame", width: int, height: int, format: str) -> "Image.Image":
    """The frame in this size, scaled by FFmpeg, which does it in one pass with the change of colours."""
    from PIL import Image

    mode = "L" if format == "gray" else "RGB"
    plane: Any = frame.reformat(width=width, height=height, format=format, interpolation="AREA", threads=1).planes[0]
    return Image.frombuffer(mode, (width, height), plane, "raw", mode, plane.line_size, 1)


def _shown(facts: Facts, frame: "av.VideoFrame", most: int) -> tuple[Facts, "Image.Image"]:
    """The frame as it is shown, turned and mirrored as its file says, in a square of `most` pixels; and the size of all of it."""
    width, height = frame.width, frame.height
    scale = min(1.0, most / width, most / height)
    small = _as_picture(frame, max(1, round(width * scale)), max(1, round(height * scale)), "rgb24")
    method = turn_of(frame)
    if method is not None:
        from PIL import Image

        small = small.transpose(Image.Transpose(method))
        if method in ACROSS:
            width, height = height, width
    return replace(facts, width=width, height=height), small


def _matrix(frame: "av.VideoFrame") -> Matrix:
    """The four numbers of the display matrix that turn and mirror: where a step to the right goes, and a step down."""
    from av.sidedata.sidedata import Type

    sides: Mapping[Any, Any] = frame.side_data
    if Type.DISPLAYMATRIX not in sides:
        return 1, 0, 0, 1
    right_x, right_y, _, down_x, down_y, *_ = struct.unpack("=9i", bytes(sides[Type.DISPLAYMATRIX]))
    return right_x, right_y, down_x, down_y


def _check_disk(path: Path, error: OSError) -> None:
    """Raise the error if it is the disk's: what is wrong with a file's content can have the same number."""
    if error.errno not in DISK_TROUBLE:
        return
    with path.open("rb") as file:
        while file.read(2**20):
            pass
