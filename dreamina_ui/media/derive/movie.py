"""One movie of one or more videos: their packets as they are where one decoder can take them all, or else encoded again."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from pathlib import Path
from typing import Any

import av

from dreamina_ui.media.derive.clips import RATE_MOST, Clip, Unfit
from dreamina_ui.media.derive.frames import Fitting, shown_size
from dreamina_ui.media.derive.sound import Sound

__all__ = ["Made", "can_be_copied", "decode", "write_movie", "write_webm"]

TICKS_MOST = 2**27
"""Of a second, in a file whose videos count time in different ticks."""
ENCODED_MOST = 1920 * 1080 * 24 * 180
"""Pixels that are encoded for one file: three minutes of 1080p at 24 frames a second."""
SMALLEST = 640 * 360
"""Pixels that a frame is counted for at least: two frames of a small video can be a day apart."""
H264 = {"preset": "veryfast", "crf": "18"}
VP9 = {"deadline": "good", "cpu-used": "5", "crf": "33", "b": "0", "row-mt": "0"}
WEBM_RATE_MOST = 30
BEFORE_S = Fraction(1, 5)


@dataclass(frozen=True, slots=True)
class Made:
    """What was made: whether the pictures are the packets of the videos, unchanged, and how long it is."""

    is_copied: bool
    seconds: float
    width: int
    height: int


def write_movie(clips: Sequence[Clip], target: Path, metadata: "dict[str, str]") -> Made:
    """Write an MP4 of these clips, one after the other, with sound if any of them has some. Raises `Unfit`."""
    if can_be_copied(clips):
        return _copied(clips, target, metadata)
    return _encoded(clips, target, metadata)


def write_webm(clip: Clip, target: Path, width: int | None, rate: int | None) -> Made:
    """Write a WebM of a clip, at most `width` wide, and with at most `rate` frames a second. Raises `Unfit`."""
    size = shown_size(clip, width)
    wanted = min(clip.rate, Fraction(rate or WEBM_RATE_MOST))
    _check_work([clip], size, wanted)
    with av.open(str(target), "w", format="webm") as container:
        stream = _stream(container, "libvpx-vp9", size, wanted, VP9, clip)
        _write_encoded(
            container, stream, [clip], size, wanted, Sound(container, "libopus", [clip]) if clip.has_sound else None
        )
    return _made(target, [clip], size, is_copied=False)


def can_be_copied(clips: Sequence[Clip]) -> bool:
    """Whether one decoder can take the packets of all clips, one clip after the other, and show what is wanted and no more."""
    if any(not clip.can_be_copied or _shape(clip) != _shape(clips[0]) for clip in clips):
        return False
    return (
        lcm(*(clip.base.denominator for clip in clips)) <= TICKS_MOST and _follow(clips) and all(map(_is_closed, clips))
    )


def _shape(clip: Clip) -> tuple[object, ...]:
    return clip.parameters, clip.look


def _is_closed(clip: Clip) -> bool:
    """Whether the wanted frames begin with one that needs no other, and need none that comes after them."""
    wanted = list(clip.wanted())
    first, last = wanted.index(True), len(wanted) - 1 - wanted[::-1].index(True)
    return clip.stamps[first].is_key and clip.stamps[first].pts == clip.starts and all(wanted[first : last + 1])


def _follow(clips: Sequence[Clip]) -> bool:
    """Whether the packets of each clip can be decoded after those of the one before: it may need as much time ahead."""
    at, last = Fraction(0), None
    for clip in clips:
        wanted = [stamp for stamp, is_wanted in zip(clip.stamps, clip.wanted(), strict=True) if is_wanted]
        first = at + (wanted[0].dts - clip.starts) * clip.base
        if last is not None and first <= last:
            return False
        last = at + (wanted[-1].dts - clip.starts) * clip.base
        at += clip.seconds
    return True


def _copied(clips: Sequence[Clip], target: Path, metadata: "dict[str, str]") -> Made:
    ticks = lcm(*(clip.base.denominator for clip in clips))
    options = {"movflags": "+faststart", "video_track_timescale": str(ticks)}
    with av.open(str(target), "w", format="mp4", container_options=options) as container:
        container.metadata.update(metadata)
        with clips[0].open() as (_, video, _):
            # With the decoder's own parameters: AV1's has no encoder of its name.
            stream: Any = container.add_stream_from_template(video, opaque=True)
            if video.codec_context.name == "hevc":
                stream.codec_context.codec_tag = "hvc1"  # the one that Apple's players take
        sound = Sound(container, "aac", list(clips)) if any(clip.has_sound for clip in clips) else None
        at = Fraction(0)
        for clip in clips:
            step = ticks // clip.base.denominator
            start = round(at * ticks) - clip.starts * step

            _pass_on(clip, at, clip.seconds, sound, _Copying(clip, container, stream, start, step))
            at += clip.seconds
        if sound is not None:
            sound.close()
    size = shown_size(clips[0])
    return _made(target, clips, size, is_copied=True)


def _encoded(clips: Sequence[Clip], target: Path, metadata: "dict[str, str]") -> Made:
    """All in the size and with the rate of the first; a clip alone keeps the times of its frames."""
    size, rate = shown_size(clips[0]), min(clips[0].rate, Fraction(RATE_MOST))
    _check_work(clips, size, rate)
    with av.open(str(target), "w", format="mp4", container_options={"movflags": "+faststart"}) as container:
        container.metadata.update(metadata)
        stream = _stream(container, "libx264", size, rate, H264, clips[0])
        sound = Sound(container, "aac", list(clips)) if any(clip.has_sound for clip in clips) else None
        _write_encoded(container, stream, clips, size, None if len(clips) == 1 else rate, sound)
    return _made(target, clips, size, is_copied=False)


def _stream(
    container: "av.container.OutputContainer",
    codec: str,
    size: tuple[int, int],
    rate: Fraction,
    options: "dict[str, str]",
    clip: Clip,
) -> "av.VideoStream":
    stream = container.add_stream(codec, rate=rate.limit_denominator(1001), options=dict(options))
    assert isinstance(stream, av.VideoStream)
    stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
    stream.thread_count = 1
    context, look = stream.codec_context, clip.look
    context.color_primaries, context.color_trc, context.colorspace = look.primaries, look.transfer, look.matrix
    context.color_range = av.video.reformatter.ColorRange.MPEG
    return stream


def _write_encoded(
    container: "av.container.OutputContainer",
    stream: "av.VideoStream",
    clips: Sequence[Clip],
    size: tuple[int, int],
    rate: Fraction | None,
    sound: Sound | None,
) -> None:
    """Encode the clips at this `rate`, or with the times that their frames have."""
    base = clips[0].base if rate is None else 1 / rate
    stream.codec_context.time_base = base
    at = Fraction(0)
    for clip in clips:
        fitting = Fitting(clip, size, "yuv420p", clips[0].look.matrix)
        count = None if rate is None else max(1, round(clip.seconds * rate))
        seconds = clip.seconds if count is None or rate is None else count / rate

        def put(frame: av.VideoFrame, time: Fraction, fitting: Fitting = fitting, at: Fraction = at) -> None:
            made = fitting.of(frame)
            made.pts, made.time_base = round((at + time) / base), base
            made.pict_type = av.video.frame.PictureType.I if time == 0 else av.video.frame.PictureType.NONE
            container.mux(stream.encode(made))

        paced = _Paced(put, rate, count)
        _pass_on(clip, at, seconds, sound, _Decoding(clip, paced.take))
        paced.end()
        if not paced.put:
            raise Unfit("unreadable", clip.number)
        at += seconds
    container.mux(stream.encode(None))
    if sound is not None:
        sound.close()


def decode(clip: Clip, rate: Fraction, put: Callable[[av.VideoFrame, Fraction], None]) -> int:
    """Hand on the wanted frames at a steady rate, with their times from the first one; gives their number."""
    paced = _Paced(put, rate, max(1, round(clip.seconds * rate)))
    _pass_on(clip, Fraction(0), clip.seconds, None, _Decoding(clip, paced.take))
    paced.end()
    return paced.put


class _Paced:
    """Puts frames at a steady rate: for each time the one that is nearest to it, once more or not at all where it must be."""

    def __init__(
        self, put: Callable[[av.VideoFrame, Fraction], None], rate: Fraction | None, count: int | None
    ) -> None:
        self._put = put
        self._rate = rate
        self._count = count or 0
        self._last: av.VideoFrame | None = None
        self.put = 0

    def take(self, frame: av.VideoFrame, at: Fraction) -> None:
        if self._rate is None:
            self._put(frame, at)
            self.put += 1
            return
        while self._last is not None and self.put < self._count and (self.put + Fraction(1, 2)) / self._rate < at:
            self._repeat()
        self._last = frame

    def end(self) -> None:
        while self._last is not None and self.put < self._count:
            self._repeat()

    def _repeat(self) -> None:
        assert self._last is not None
        assert self._rate is not None
        self._put(self._last, self.put / self._rate)
        self.put += 1


class _Copying:
    """Puts the packets of a clip that are wanted into another file: `start` and `step` turn their ticks into that file's."""

    def __init__(
        self, clip: Clip, container: "av.container.OutputContainer", stream: "av.VideoStream", start: int, step: int
    ) -> None:
        self._clip = clip
        self._container = container
        self._stream = stream
        self._start = start
        self._step = step

    def take(self, packet: "av.Packet[Any]") -> None:
        if packet.pts is None or packet.dts is None or not self._clip.starts <= packet.pts < self._clip.ends:
            return
        packet.pts, packet.dts = self._start + packet.pts * self._step, self._start + packet.dts * self._step
        packet.duration = (packet.duration or 0) * self._step
        packet.time_base = Fraction(1, self._clip.base.denominator * self._step)
        packet.stream = self._stream
        self._container.mux(packet)

    def end(self, video: "av.VideoStream") -> None:
        pass


class _Decoding:
    """Decodes packets of a clip, and hands on the frames that are wanted, with their times from the first one."""

    def __init__(self, clip: Clip, take: Callable[[av.VideoFrame, Fraction], None]) -> None:
        self._clip = clip
        self._take = take
        self._last: int | None = None

    def take(self, packet: "av.Packet[Any]") -> None:
        with suppress(av.InvalidDataError):  # the next one may be whole
            self._hand_on(packet.decode())

    def end(self, video: "av.VideoStream") -> None:
        """The frames that the decoder has kept until now."""
        with suppress(av.InvalidDataError, EOFError):
            self._hand_on(video.codec_context.decode(None))

    def _hand_on(self, frames: "Iterable[av.VideoFrame]") -> None:
        for frame in frames:
            at = frame.pts
            if (
                at is None
                or not self._clip.starts <= at < self._clip.ends
                or (self._last is not None and at <= self._last)
            ):
                continue
            self._last = at
            self._take(frame, (at - self._clip.starts) * self._clip.base)


def _pass_on(clip: Clip, at: Fraction, seconds: Fraction, sound: Sound | None, pictures: _Copying | _Decoding) -> None:
    """Pass the packets of a clip's wanted part on, in the order in which they lie in the file."""
    with clip.open() as (container, video, heard):
        begin = min(stamp.pts for stamp in clip.stamps)
        if clip.starts > begin:
            # Sound begins right only if a little before it is decoded, too.
            container.seek(max(begin, clip.starts - round(BEFORE_S / clip.base)), stream=video, backward=True)
        if sound is not None:
            sound.begin(clip, at, seconds)
        tracks = [video] if sound is None or heard is None else [video, heard]
        is_past = False
        for packet in _whole(container.demux(*tracks)):
            if packet.size == 0:
                continue
            if packet.stream is video:
                # A frame is never shown before it is decoded: none that is wanted comes after this.
                is_past = is_past or (packet.dts is not None and packet.dts >= clip.ends)
                pictures.take(packet)
            elif sound is not None:
                sound.take(packet)
            if is_past and (sound is None or heard is None or sound.is_full):
                break
        pictures.end(video)
        if sound is not None:
            sound.end()


def _whole(packets: "Iterator[av.Packet[Any]]") -> "Iterator[av.Packet[Any]]":
    """The packets up to where the file is damaged."""
    try:
        yield from packets
    except av.InvalidDataError:
        return


def _check_work(clips: Sequence[Clip], size: tuple[int, int], rate: Fraction) -> None:
    frames = sum(clip.seconds for clip in clips) * rate
    if frames * max(size[0] * size[1], SMALLEST) > ENCODED_MOST:
        raise Unfit("too_long")


def _made(target: Path, clips: Sequence[Clip], size: tuple[int, int], *, is_copied: bool) -> Made:
    seconds = float(sum(clip.seconds for clip in clips))
    return Made(is_copied, round(seconds, 3), *size)
