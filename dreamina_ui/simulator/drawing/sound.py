"""Sounds: a short piece of music, the sound of a file, and what sounds are encoded as."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence

import av
import numpy as np
import numpy.typing as npt

from dreamina_ui.simulator.files import opened

__all__ = ["RATE", "Wave", "compose", "music", "sound_of"]

Wave = npt.NDArray[np.float32]
"""Samples of one channel, from -1 to 1."""
RATE = 32_000
"""Samples a second."""
_LOUDEST = 0.25
"""The peak, of 1: about 12 dB below the loudest that a file can hold."""
_FADE_S = 0.8
_SCALES: Sequence[Sequence[int]] = ((0, 2, 4, 7, 9), (0, 3, 5, 7, 10), (0, 2, 5, 7, 9))
"""Five notes of an octave each, in half tones above the lowest; any of them sound well together."""
_CHORDS: Sequence[Sequence[int]] = ((0, 2, 4), (1, 3, 5), (0, 3, 4), (2, 4, 6))
"""Notes of the scale by number; from 5 on, those of the next octave."""


def music(prompt: str, seed: int, duration_s: float, ending: str = "mp3") -> bytes:
    """A piece of `duration_s` seconds as MP3, WAV or FLAC; the same prompt and seed give the same piece. Blocks."""
    return _encoded(compose(prompt, seed, duration_s), ending)


def sound_of(path: str, seconds: float) -> Wave | None:
    """The first sound of a file, cut or filled with silence to this length; None if it has none."""
    with opened(path) as container:
        if not container.streams.audio:
            return None
        resampler = av.AudioResampler(format="fltp", layout="mono", rate=RATE)
        whole, length = [], round(seconds * RATE)
        try:
            for frame in container.decode(container.streams.audio[0]):
                whole += [each.to_ndarray()[0] for each in resampler.resample(frame)]
                if sum(part.size for part in whole) >= length:
                    break
        except av.FFmpegError:
            pass  # what comes before the damage is the sound
    made = np.concatenate([*whole, np.zeros(length, np.float32)])[:length]
    return np.clip(made, -1.0, 1.0).astype(np.float32) if whole else None


def compose(prompt: str, seed: int, seconds: float) -> Wave:
    """A piece of music of this length."""
    digest = hashlib.sha256(f"{seed} {prompt}".encode(errors="replace")).digest()
    random = np.random.default_rng(int.from_bytes(digest[:8], "big"))
    scale = _SCALES[int(random.integers(len(_SCALES)))]
    lowest = float(random.uniform(130.0, 196.0))
    beat_s = float(random.uniform(0.42, 0.6))
    made = np.zeros(max(1, round(seconds * RATE)), np.float32)
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
    fade = np.minimum(1.0, np.arange(made.size, dtype=np.float32) / (_FADE_S * RATE))
    made *= fade * fade[::-1]
    peak = float(np.abs(made).max())
    return made * np.float32(_LOUDEST / peak) if peak > 0 else made


def _pitch(lowest: float, scale: Sequence[int], note: int) -> float:
    octave, step = divmod(note, len(scale))
    return float(lowest * 2 ** (octave + scale[step] / 12))


def _tone(pitch: float, seconds: float, *, attack_s: float, overtones: int) -> Wave:
    """A soft tone that swells and then decays like a plucked string."""
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


def _encoded(samples: Wave, ending: str) -> bytes:
    file = io.BytesIO()
    codec = {"mp3": "libmp3lame", "wav": "pcm_s16le", "flac": "flac"}[ending]
    with av.open(file, "w", format=ending, options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream(codec, rate=RATE, layout="mono")
        assert isinstance(stream, av.AudioStream)
        if ending == "mp3":
            stream.bit_rate = 128_000
            stream.options = {"compression_level": "9"}  # the quickest
            frame = av.AudioFrame.from_ndarray(samples[np.newaxis], format="fltp", layout="mono")
        else:
            whole = np.rint(samples * 32_767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(whole[np.newaxis], format="s16", layout="mono")
        frame.sample_rate, frame.pts = RATE, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()
