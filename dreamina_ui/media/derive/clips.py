"""A saved video that a file is made of: when each of its frames is shown, and which of them are wanted.

Times are fractions of seconds, counted from the first frame that is shown: files begin at any time of their own, before 0 for
frames that others are made from, and later than 0 in old files.
"""

from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av

from dreamina_ui.media.examine import PIXELS_MOST, Unreadable, opened, turn_of, videos_of
from dreamina_ui.media.kinds import Kind

__all__ = ["RATE_MOST", "Clip", "Look", "Stamp", "Unfit", "look_at"]

PACKETS_MOST = 500_000
"""Of one video: two hours at 60 frames a second."""
RATE_MOST = 60
USUAL_RATE = Fraction(24)


class Unfit(Exception):
    """Nothing can be made of what was asked; `reason` is one of those in `derived.py`, `number` the video's, from 1."""

    def __init__(self, reason: str, number: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.number = number


@dataclass(frozen=True, slots=True)
class Stamp:
    """When a packet's frame is decoded and shown, in ticks of its stream; `ends` is where the next one is shown."""

    pts: int
    dts: int
    ends: int
    is_key: bool


@dataclass(frozen=True, slots=True)
class Look:
    """How the first frame of a video is shown: its size as it is coded, how pixels are stretched and turned, and its colours.

    `turn` is Pillow's number of what has to be done to it, or None. `primaries`, `transfer` and `matrix` are FFmpeg's numbers.
    """

    width: int
    height: int
    aspect: Fraction
    turn: int | None
    primaries: int
    transfer: int
    matrix: int


@dataclass(frozen=True, slots=True)
class Clip:
    """A video with the stamps of its packets in the order in which they lie in the file.

    `can_be_copied` says that its packets are whole and in order, so that they can lie in another file. `starts` and `ends` are
    what is wanted of it, in ticks: the frames from the first one on, and before the second.
    """

    number: int
    path: Path
    kind: Kind
    stamps: tuple[Stamp, ...]
    base: Fraction
    rate: Fraction
    look: "Look"
    parameters: tuple[object, ...]
    """What a decoder needs to know."""
    can_be_copied: bool
    has_sound: bool
    starts: int
    ends: int

    @property
    def seconds(self) -> Fraction:
        """The length of what is wanted."""
        return (self.ends - self.starts) * self.base

    @property
    def begins_at(self) -> Fraction:
        """Where the wanted part begins, in seconds of the file's own time."""
        return self.starts * self.base

    def wanted(self) -> Iterator[bool]:
        """Of each packet, whether its frame is wanted."""
        return (self.starts <= stamp.pts < self.ends for stamp in self.stamps)

    @contextmanager
    def open(self) -> "Iterator[tuple[av.container.InputContainer, av.VideoStream, av.AudioStream | None]]":
        """The file, its video, and its sound if there is some that can be decoded."""
        with opened_clip(self.path, self.kind, self.number) as (container, video):
            yield container, video, _sound_of(container)


@contextmanager
def opened_clip(path: Path, kind: Kind, number: int) -> "Iterator[tuple[av.container.InputContainer, av.VideoStream]]":
    """A file and its video stream. Raises `Unfit`."""
    try:
        with opened(path, kind) as container:
            video = next(iter(videos_of(container)), None)
            if video is None or video.codec_context is None or not 0 < video.width * video.height <= PIXELS_MOST:
                raise Unfit("unreadable", number)
            video.thread_count, video.thread_type = 1, "NONE"
            video.codec_context.options = {"max_pixels": str(PIXELS_MOST)}
            yield container, video
    except FileNotFoundError as error:
        raise Unfit("gone", number) from error
    except Unreadable as error:
        raise Unfit("unreadable", number) from error
    except (av.InvalidDataError, ValueError) as error:
        raise Unfit("unreadable", number) from error


def look_at(path: Path, kind: Kind, number: int, from_s: float | None, to_s: float | None) -> Clip:
    """Read when the frames of a video are shown, and the first of them. Raises `Unfit`.

    What is wanted begins with the frame that is nearest to `from_s`, and ends before the one nearest to `to_s`.
    """
    with opened_clip(path, kind, number) as (container, video):
        packets = _packets(container, video, number)
        if any(pts is None for pts, *_ in packets):
            packets = _decoded(container, video)  # AVI says only when a frame is decoded
        base = video.time_base or Fraction(1, 90_000)
        rate = _rate(video, packets, base)
        stamps, is_whole = _stamps(packets, round(1 / rate / base) or 1)
        if not stamps:
            raise Unfit("unreadable", number)
        look = _look(container, video, number)
        has_sound = _sound_of(container) is not None
        parameters = _parameters(video)
        fits = _fits_mp4(video)
    shown = sorted(stamp.pts for stamp in stamps)
    end = max(stamp.ends for stamp in stamps)
    starts, ends = shown[0], end
    if from_s is not None or to_s is not None:
        starts_at = [*shown, end]

        def nearest(seconds: float) -> int:
            at = shown[0] + Fraction(seconds).limit_denominator(1_000_000) / base
            place = min(max(bisect_left(starts_at, at), 1), len(starts_at) - 1)
            before, after = starts_at[place - 1], starts_at[place]
            return before if at - before < after - at else after

        starts = shown[0] if from_s is None else nearest(from_s)
        ends = end if to_s is None else nearest(to_s)
        if starts >= ends:
            raise Unfit("empty", number)
    key = stamps[0]
    in_order = is_whole and key.is_key and key.pts == shown[0] and base.numerator == 1
    return Clip(
        number=number,
        path=path,
        kind=kind,
        stamps=stamps,
        base=base,
        rate=rate,
        look=look,
        parameters=parameters,
        can_be_copied=in_order and fits,
        has_sound=has_sound,
        starts=starts,
        ends=ends,
    )


def _packets(
    container: "av.container.InputContainer", video: "av.VideoStream", number: int
) -> list[tuple[int | None, int | None, int, bool, bool]]:
    found = []
    try:
        for packet in container.demux(video):
            if packet.size == 0:
                continue
            is_fit = not (packet.is_discard or packet.is_corrupt)
            found.append((packet.pts, packet.dts, packet.duration or 0, bool(packet.is_keyframe), is_fit))
            if len(found) > PACKETS_MOST:
                raise Unfit("too_long", number)
    except av.InvalidDataError:
        pass  # what follows is damaged: the frames before it are there
    return found


def _decoded(
    container: "av.container.InputContainer", video: "av.VideoStream"
) -> list[tuple[int | None, int | None, int, bool, bool]]:
    """The same, by the times that a decoder gives to the frames."""
    container.seek(container.start_time or 0, backward=True)
    found: list[tuple[int | None, int | None, int, bool, bool]] = []
    with suppress(av.FFmpegError):
        found.extend(
            (frame.pts, None, frame.duration or 0, bool(frame.key_frame), True) for frame in container.decode(video)
        )
    return found


def _rate(
    video: "av.VideoStream", packets: list[tuple[int | None, int | None, int, bool, bool]], base: Fraction
) -> Fraction:
    rate = video.average_rate or video.guessed_rate
    if rate is None or not 0 < rate <= 1000:
        shown = sorted(pts for pts, *_ in packets if pts is not None)
        span = (shown[-1] - shown[0]) * base if len(shown) > 1 else Fraction(0)
        rate = (len(shown) - 1) / span if span > 0 else USUAL_RATE
    return max(Fraction(1, 10), Fraction(rate))


def _stamps(
    packets: list[tuple[int | None, int | None, int, bool, bool]], usual: int
) -> tuple[tuple[Stamp, ...], bool]:
    """The stamps of the packets that are shown, and whether all of them have their own, in order, so that they can be copied."""
    shown = sorted({pts for pts, _, _, _, is_fit in packets if pts is not None and is_fit})
    following = dict(pairwise(shown))
    stamps, is_whole, last = [], len(shown) == len(packets), None
    for pts, dts, duration, is_key, is_fit in packets:
        if not is_fit or (pts is None and dts is None):
            continue
        at = pts if pts is not None else dts or 0
        order = dts if dts is not None else at
        is_whole = is_whole and pts is not None and dts is not None and dts <= pts and (last is None or dts > last)
        last = order
        stamps.append(Stamp(at, order, following.get(at, at + (duration or usual)), is_key))
    return tuple(stamps), is_whole


def _look(container: "av.container.InputContainer", video: "av.VideoStream", number: int) -> Look:
    """Raises `Unfit` if no frame can be decoded."""
    container.seek(container.start_time or 0, backward=True)
    with suppress(av.FFmpegError):
        for frame in container.decode(video):
            return Look(
                width=frame.width,
                height=frame.height,
                aspect=Fraction(video.sample_aspect_ratio or 1),
                turn=turn_of(frame),
                primaries=int(frame.color_primaries),
                transfer=int(frame.color_trc),
                matrix=int(frame.colorspace),
            )
    raise Unfit("unreadable", number)


def _sound_of(container: "av.container.InputContainer") -> "av.AudioStream | None":
    return next((sound for sound in container.streams.audio if sound.codec_context and sound.sample_rate), None)


COPIED = ("h264", "hevc", "av1", "libdav1d", "libaom-av1", "vp9", "libvpx-vp9")
"""What players take in an MP4, by the names of FFmpeg's decoders."""
WITH_OWN_PARAMETERS = ("h264", "hevc")
"""Where these lie in MP4, Matroska and the like, what a decoder needs first is beside the packets, and begins with 1."""


def _fits_mp4(video: "av.VideoStream") -> bool:
    context = video.codec_context
    if context.name not in COPIED:
        return False
    return context.name not in WITH_OWN_PARAMETERS or bytes(context.extradata or b"")[:1] == b"\x01"


def _parameters(video: "av.VideoStream") -> tuple[object, ...]:
    context = video.codec_context
    return context.name, bytes(context.extradata or b""), context.pix_fmt, int(context.color_range)
