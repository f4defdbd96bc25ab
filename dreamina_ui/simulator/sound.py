"""A quiet piece of music for a prompt: soft chords with a melody above them. The same prompt and seed make the same piece."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Wave = npt.NDArray[np.float32]

__all__ = ["RATE", "compose", "mp3_of"]

RATE = 32_000
"""Samples a second."""
LOUDEST = 0.25
"""The peak, of 1: about 12 dB below the loudest that a file can hold."""
FADE_S = 0.8
SCALES: Sequence[Sequence[int]] = ((0, 2, 4, 7, 9), (0, 3, 5, 7, 10), (0, 2, 5, 7, 9))
"""Five notes of an octave each, in half tones above the lowest: any of them sound well together."""
CHORDS: Sequence[Sequence[int]] = ((0, 2, 4), (1, 3, 5), (0, 3, 4), (2, 4, 6))
"""Notes of the scale by number; from 5 on, those of the next octave."""


def compose(prompt: str, seed: int, seconds: float) -> Wave:
    """A piece of that length, in samples from -1 to 1."""
    digest = hashlib.sha256(f"{seed} {prompt}".encode(errors="replace")).digest()
    random = np.random.default_rng(int.from_bytes(digest[:8], "big"))
    scale = SCALES[int(random.integers(len(SCALES)))]
    lowest = float(random.uniform(130.0, 196.0))
    beat_s = float(random.uniform(0.42, 0.6))
    made = np.zeros(max(1, round(seconds * RATE)), np.float32)
    place = 5
    for beat in range(int(seconds / beat_s) + 1):
        at_s = beat * beat_s
        if beat % 8 == 0:
            for note in CHORDS[beat // 8 % len(CHORDS)]:
                _add(made, at_s, _tone(_pitch(lowest, scale, note), 9 * beat_s, attack_s=0.6, overtones=2), 0.16)
        # A melody goes by small steps, and rests now and then.
        place = int(np.clip(place + random.integers(-2, 3), 3, 12))
        if random.random() < 0.8:
            _add(made, at_s, _tone(_pitch(lowest, scale, place), 1.6, attack_s=0.015, overtones=4), 0.3)
    fade = np.minimum(1.0, np.arange(made.size, dtype=np.float32) / (FADE_S * RATE))
    made *= fade * fade[::-1]
    peak = float(np.abs(made).max())
    return made * np.float32(LOUDEST / peak) if peak > 0 else made


def mp3_of(samples: Wave) -> bytes:
    """The samples as an MP3 file; blocks."""
    import av

    held = io.BytesIO()
    with av.open(held, "w", format="mp3", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libmp3lame", rate=RATE, layout="mono")
        stream.bit_rate = 128_000
        stream.options = {"compression_level": "9"}  # the quickest
        size = 1152
        for start in range(0, samples.size, size):
            piece = samples[start : start + size]
            frame = av.AudioFrame.from_ndarray(piece[np.newaxis], format="fltp", layout="mono")
            frame.sample_rate, frame.pts = RATE, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return held.getvalue()


def _pitch(lowest: float, scale: Sequence[int], note: int) -> float:
    octave, step = divmod(note, len(scale))
    return float(lowest * 2 ** (octave + scale[step] / 12))


def _tone(pitch: float, seconds: float, *, attack_s: float, overtones: int) -> Wave:
    """A soft tone: it swells, and fades away like a string that was plucked."""
    at: Wave = np.arange(round(seconds * RATE), dtype=np.float32) / np.float32(RATE)
    tone: Wave = np.zeros_like(at)
    for number in range(1, overtones + 1):
        tone += np.sin(2 * np.pi * pitch * number * at).astype(np.float32) / number**2
    tone *= np.minimum(1.0, at / attack_s) * np.exp(-3.5 * at / seconds)
    return tone


def _add(made: Wave, at_s: float, tone: Wave, loudness: float) -> None:
    start = round(at_s * RATE)
    part = tone[: max(0, made.size - start)]
    made[start : start + part.size] += np.float32(loudness) * part
