"""One track of sound out of several videos', each sample at its place: what is missing is silence, what overlaps is left out.

Sound is always encoded again. A packet of AAC or Opus is decoded with the one before it, and each video begins with packets that
players do not play: copied behind the packets of another video, they would click, and shift all that follows.
"""

from fractions import Fraction
from typing import Any

import av
import numpy as np

from dreamina_ui.media.derive.clips import Clip

__all__ = ["Sound"]

RATE = 48_000
JITTER_S = Fraction(1, 50)
"""How far a frame may lie from where the one before it ends: containers round their times."""
PIECE = 48_000
"""Samples that are written at once, at most."""
BITS_A_SECOND = {"aac": {"mono": 128_000, "stereo": 192_000}, "libopus": {"mono": 96_000, "stereo": 128_000}}


class Sound:
    """A track of the file `target`, of the sound of these `clips`, in mono if all of them are."""

    def __init__(self, target: "av.container.OutputContainer", codec: str, clips: "list[Clip]") -> None:
        sources = [_of(clip) for clip in clips if clip.has_sound]
        rates = {rate for rate, _ in sources}
        self._layout = "mono" if all(channels == 1 for _, channels in sources) else "stereo"
        self._rate = rates.pop() if len(rates) == 1 and codec == "aac" and rates <= {44_100, 48_000} else RATE
        stream = target.add_stream(codec, rate=self._rate)
        assert isinstance(stream, av.AudioStream)
        stream.codec_context.layout = self._layout
        stream.codec_context.bit_rate = BITS_A_SECOND[codec][self._layout]
        self._target = target
        self._stream = stream
        self._written = 0
        self._begins = self._ends = 0
        self._origin = Fraction(0)
        self._resampler: av.AudioResampler | None = None

    def begin(self, clip: Clip, at: Fraction, seconds: Fraction) -> None:
        """The sound of the clip's wanted part begins at `at` seconds of the file, and lasts so long."""
        self._begins, self._ends = round(at * self._rate), round((at + seconds) * self._rate)
        self._origin = clip.begins_at
        self._resampler = av.AudioResampler("fltp", self._layout, self._rate)

    @property
    def is_full(self) -> bool:
        """Whether the sound of this clip is complete."""
        return self._written >= self._ends

    def take(self, packet: "av.Packet[av.AudioStream]") -> None:
        """Write what a packet sounds like; nothing for one that is damaged."""
        try:
            frames = packet.decode()
        except av.FFmpegError:
            return
        for frame in frames:
            if frame.pts is None or frame.time_base is None or self._resampler is None:
                continue
            at = self._begins + round((frame.pts * frame.time_base - self._origin) * self._rate)
            self._resample(frame, at)

    def end(self) -> None:
        """Silence up to the end of the clip."""
        if self._resampler is not None:
            for made in self._resampler.resample(None):
                self._write(made.to_ndarray())
            self._resampler = None
        self._silence(self._ends)

    def close(self) -> None:
        self._target.mux(self._stream.encode(None))

    def _resample(self, frame: av.AudioFrame, at: int) -> None:
        assert self._resampler is not None
        pieces = [made.to_ndarray() for made in self._resampler.resample(frame)]
        if self._written <= self._begins or abs(at - self._written) > JITTER_S * self._rate:
            self._silence(min(at, self._ends))
        else:
            at = self._written
        skipped = self._written - at
        for piece in pieces:
            self._write(piece[:, max(0, skipped) :])
            skipped -= piece.shape[1]

    def _silence(self, until: int) -> None:
        channels = 1 if self._layout == "mono" else 2
        while self._written < until:
            self._write(np.zeros((channels, min(PIECE, until - self._written)), np.float32))

    def _write(self, samples: "np.ndarray[Any, Any]") -> None:
        samples = samples[:, : max(0, self._ends - self._written)]
        if not samples.shape[1]:
            return
        made = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples, np.float32), "fltp", self._layout)
        made.sample_rate, made.pts, made.time_base = self._rate, self._written, Fraction(1, self._rate)
        self._written += samples.shape[1]
        self._target.mux(self._stream.encode(made))


def _of(clip: Clip) -> tuple[int, int]:
    """The rate and the number of channels of a clip's sound."""
    with clip.open() as (_, _, sound):
        return (sound.sample_rate, sound.channels) if sound is not None else (RATE, 2)
