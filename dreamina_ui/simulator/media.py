"""Media files: frames to an MP4, a frame of it as PNG, and a short piece of music as MP3."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

__all__ = ["music", "still", "write_mp4"]

_Wave = npt.NDArray[np.float32]

_BT709 = 1
_LIMITED_RANGE = 1
_RATE = 32_000
"""Samples a second."""
_LOUDEST = 0.25
"""The peak, of 1: about 12 dB below the loudest that a file can hold."""
_FADE_S = 0.8
_SCALES: Sequence[Sequence[int]] = ((0, 2, 4, 7, 9), (0, 3, 5, 7, 10), (0, 2, 5, 7, 9))
"""Five notes of an octave each, in half tones above the lowest; any of them sound well together."""
_CHORDS: Sequence[Sequence[int]] = ((0, 2, 4), (1, 3, 5), (0, 3, 4), (2, 4, 6))
"""Notes of the scale by number; from 5 on, those of the next octave."""


def write_mp4(
    path: Path,
    draw: Callable[[int], av.VideoFrame],
    frames: int,
    width: int,
    height: int,
    frames_per_second: int,
) -> None:
    """Encode the frames `draw` returns for 0, 1, … `frames` - 1. One thread does all of it: the other cores are the page's."""
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart", "fflags": "+bitexact"}) as container:
        stream = container.add_stream("libx264", rate=frames_per_second)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        # A key frame comes every two seconds. Without a search for the best places of B-frames, encoding takes a tenth less
        # time.
        stream.options = {
            "preset": "superfast",
            "crf": "21",
            "threads": "1",
            "g": str(2 * frames_per_second),
            "b_strategy": "0",
        }
        context = stream.codec_context
        context.color_primaries = context.color_trc = context.colorspace = _BT709
        context.color_range = _LIMITED_RANGE
        for number in range(frames):
            frame = draw(number)
            frame.pts = number
            frame.color_primaries = frame.color_trc = frame.colorspace = _BT709
            frame.color_range = _LIMITED_RANGE
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def still(video: Path, number: int) -> bytes:
    """A frame of the video as PNG, another one for each `number` from 1; blocks."""
    with av.open(str(video)) as container:
        last = None
        for index, frame in enumerate(container.decode(video=0)):
            last = frame
            if index >= 2 * (number - 1):
                break
        if last is None:
            message = "the video has no picture"
            raise ValueError(message)
        png = io.BytesIO()
        last.to_image().save(png, "PNG")  # type: ignore[no-untyped-call]
    return png.getvalue()


def music(prompt: str, seed: int, duration_s: float) -> bytes:
    """A piece of `duration_s` seconds as MP3; the same prompt and seed give the same piece. Blocks."""
    return _mp3(_compose(prompt, seed, duration_s))


def _compose(prompt: str, seed: int, seconds: float) -> _Wave:
    digest = hashlib.sha256(f"{seed} {prompt}".encode(errors="replace")).digest()
    random = np.random.default_rng(int.from_bytes(digest[:8], "big"))
    scale = _SCALES[int(random.integers(len(_SCALES)))]
    lowest = float(random.uniform(130.0, 196.0))
    beat_s = float(random.uniform(0.42, 0.6))
    made = np.zeros(max(1, round(seconds * _RATE)), np.float32)
    place = 5
    for beat in range(int(seconds / beat_s) + 1):
        at_s = beat * beat_s
        if beat % 8 == 0:
            for note in _CHORDS[beat // 8 % len(_CHORDS)]:
                _add(made, at_s, _tone(_pitch(lowest, scale, note), 9 * beat_s, attack_s=0.6, overtones=2), 0.16)
        # The melody moves in small steps, with some rests.
        place = int(np.clip(place + random.integers(-2, 3), 3, 12))
        if random.random() < 0.8:
            _add(made, at_s, _tone(_pitch(lowest, scale, place), 1.6, attack_s=0.015, overtones=4), 0.3)
    fade = np.minimum(1.0, np.arange(made.size, dtype=np.float32) / (_FADE_S * _RATE))
    made *= fade * fade[::-1]
    peak = float(np.abs(made).max())
    return made * np.float32(_LOUDEST / peak) if peak > 0 else made


def _pitch(lowest: float, scale: Sequence[int], note: int) -> float:
    octave, step = divmod(note, len(scale))
    return float(lowest * 2 ** (octave + scale[step] / 12))


def _tone(pitch: float, seconds: float, *, attack_s: float, overtones: int) -> _Wave:
    """A soft tone that swells and then decays like a plucked string."""
    at: _Wave = np.arange(round(seconds * _RATE), dtype=np.float32) / np.float32(_RATE)
    tone: _Wave = np.zeros_like(at)
    for number in range(1, overtones + 1):
        tone += np.sin(2 * np.pi * pitch * number * at).astype(np.float32) / number**2
    tone *= np.minimum(1.0, at / attack_s) * np.exp(-3.5 * at / seconds)
    return tone


def _add(made: _Wave, at_s: float, tone: _Wave, loudness: float) -> None:
    start = round(at_s * _RATE)
    part = tone[: max(0, made.size - start)]
    made[start : start + part.size] += np.float32(loudness) * part


def _mp3(samples: _Wave) -> bytes:
    mp3 = io.BytesIO()
    with av.open(mp3, "w", format="mp3", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libmp3lame", rate=_RATE, layout="mono")
        stream.bit_rate = 128_000
        stream.options = {"compression_level": "9"}  # the quickest
        frame = av.AudioFrame.from_ndarray(samples[np.newaxis], format="fltp", layout="mono")
        frame.sample_rate, frame.pts = _RATE, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return mp3.getvalue()
