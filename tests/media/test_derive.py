"""Files made of saved videos: each frame is there once, at its time, and the sound goes on without a gap."""

import json
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from dreamina_ui.media.derive.clips import Clip, Unfit, look_at
from dreamina_ui.media.derive.gif import write_gif
from dreamina_ui.media.derive.make import make
from dreamina_ui.media.derive.movie import Made, can_be_copied, write_movie, write_webm
from dreamina_ui.media.embed import read_record
from dreamina_ui.media.examine import turn_of
from dreamina_ui.media.kinds import HEAD_BYTES, MP4, Kind, kind_of
from tests.media.files import X264, movie

Sample = Callable[[str], Path]
Picture = tuple[Fraction, "np.ndarray[Any, Any]", int | None]
B_FRAMES = {"preset": "medium", "g": "12", "bf": "3", "sc_threshold": "0"}
STEP = 0.06
"""Of the tone of `tests.media.files`, in radians a sample."""


def kind_at(path: Path) -> Kind:
    with path.open("rb") as file:
        return kind_of(file.read(HEAD_BYTES))


def clips_of(*paths: Path, from_s: float | None = None, to_s: float | None = None) -> list[Clip]:
    return [look_at(path, kind_at(path), number, from_s, to_s) for number, path in enumerate(paths, start=1)]


def pictures(path: Path) -> list[Picture]:
    """Each frame with its time, and how it is turned."""
    with av.open(str(path), format=kind_at(path).demuxer) as container:
        video = container.streams.video[0]
        base = video.time_base
        assert base is not None
        return [
            ((frame.pts or 0) * base, frame.reformat(format="rgb24").to_ndarray().astype(int), turn_of(frame))
            for frame in container.decode(video)
        ]


def samples(path: Path) -> "np.ndarray[Any, Any]":
    """The sound of a file in mono, 48,000 samples a second, as it is heard; its frames follow each other."""
    with av.open(str(path), format=kind_at(path).demuxer) as container:
        resampler = av.AudioResampler("fltp", "mono", 48_000)
        found: list[np.ndarray[Any, Any]] = []
        for frame in container.decode(container.streams.audio[0]):
            found += [made.to_ndarray()[0] for made in resampler.resample(frame)]
        found += [made.to_ndarray()[0] for made in resampler.resample(None)]
    return np.concatenate(found)


def steps(shown: Sequence[Picture]) -> set[Fraction]:
    return {later[0] - before[0] for before, later in pairwise(shown)}


def difference(one: Picture, two: Picture) -> float:
    return float(np.abs(one[1] - two[1]).mean())


def jump(heard: "np.ndarray[Any, Any]", at: int) -> float:
    """The largest step between two samples next to this place: a tone of this pitch makes none above 0.02."""
    around = heard[at - 1100 : at + 1100]
    return float(np.abs(np.diff(around)).max())


# Joined


@pytest.mark.parametrize(
    "name",
    [
        "mp4-long-gop",
        "mp4-hevc-hvc1",
        "mp4-hevc-hev1",
        "mp4-av1",
        "mp4-vp9",
        "mp4-10bit",
        "mp4-turned-90",
        "mp4-anamorphic",
        "mp4-one-frame",
        "mp4-fragments",
        "mov-timecode",
        "webm-vp9",
        "mkv",
        "flv",
    ],
)
def test_alike_videos_are_joined_as_they_are(sample: Sample, tmp_path: Path, name: str) -> None:
    """Every frame of every video is there once, bit by bit, at a steady pace, and turned as it was."""
    source, target = sample(name), tmp_path / "joined.mp4"
    made = write_movie(clips_of(source, source, source), target, {})
    before, after = pictures(source), pictures(target)
    assert made.is_copied
    assert len(after) == 3 * len(before)
    for one, two in zip(before * 3, after, strict=True):
        assert np.array_equal(one[1], two[1])
        assert one[2] == two[2]
    assert after[0][0] == 0
    length = Fraction(made.seconds).limit_denominator(1000)
    assert {round(float(step), 2) for step in steps(after)} == {round(float(length / len(after)), 2)}


def test_joined_hevc_plays_on_apple(sample: Sample, tmp_path: Path) -> None:
    """Its tag is hvc1, whatever it was: Apple's players refuse the other."""
    target = tmp_path / "joined.mp4"
    write_movie(clips_of(sample("mp4-hevc-hev1"), sample("mp4-hevc-hev1")), target, {})
    with av.open(str(target)) as container:
        assert container.streams.video[0].codec_context.codec_tag == "hvc1"


@pytest.mark.parametrize("name", ["mp4-mpeg4", "mov-prores", "mov-mjpeg", "webm-vp8", "ts", "wmv", "ogv"])
def test_what_no_player_takes_in_an_mp4_is_encoded_anew(sample: Sample, tmp_path: Path, name: str) -> None:
    """Every frame is there once, and looks the same."""
    source, target = sample(name), tmp_path / "joined.mp4"
    made = write_movie(clips_of(source, source), target, {})
    before, after = pictures(source), pictures(target)
    assert not made.is_copied
    assert len(after) == 2 * len(before)
    assert max(difference(one, two) for one, two in zip(before * 2, after, strict=True)) < 4
    assert len(steps(after)) == 1


def test_videos_that_differ_become_like_the_first(sample: Sample, tmp_path: Path) -> None:
    """Others are fitted into its size with bars, upright, and get its frame rate; each lasts as long as it did."""
    fast, turned, target = tmp_path / "fast.mp4", sample("mp4-turned-90"), tmp_path / "joined.mp4"
    movie(fast, size=(96, 48), frames=40, rate=20)
    made = write_movie(clips_of(sample("mp4"), fast, turned), target, {})
    after = pictures(target)
    assert (made.is_copied, made.width, made.height, made.seconds) == (False, 64, 48, 4.0)
    assert len(after) == 10 + 20 + 10
    assert len(steps(after)) == 1
    wide, tall = after[15][1], after[35][1]
    assert wide[:6].max() < 30 > wide[-6:].max()  # bars above and below
    assert wide[24].mean() > 40
    assert tall[:, :10].max() < 30 > tall[:, -10:].max()  # and at the sides
    assert tall[40, 20:22].mean() > 200  # its bright block is at the foot now


def test_times_of_another_base_are_kept(tmp_path: Path) -> None:
    """Videos that only count time differently are copied, and no frame moves."""
    one, two, target = tmp_path / "one.mp4", tmp_path / "two.mp4", tmp_path / "joined.mp4"
    movie(one, frames=10, rate=10, options=X264)
    movie(two, frames=10, rate=10, options=X264, muxer={"video_track_timescale": "90000"})
    first, second = clips_of(one, two)
    assert first.base != second.base
    assert write_movie([first, second], target, {}).is_copied
    assert steps(pictures(target)) == {Fraction(1, 10)}


def test_frames_at_uneven_times_stay_where_they_are(tmp_path: Path) -> None:
    """Also where the file begins later than 0, and is joined or cut anew."""
    uneven, target = tmp_path / "uneven.mp4", tmp_path / "joined.mp4"
    times = [30, 31, 35, 36, 40, 48]
    with av.open(str(uneven), "w", format="mp4", container_options={"use_editlist": "0"}) as container:
        stream = container.add_stream("libx264", rate=24, options=dict(B_FRAMES))
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number, at in enumerate(times):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), number * 40, np.uint8), format="rgb24")
            frame.pts, frame.time_base = at, Fraction(1, 24)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert write_movie(clips_of(uneven, uneven), target, {}).is_copied
    shown = [round(at * 24) for at, _, _ in pictures(target)]
    assert [at - shown[0] for at in shown[:6]] == [0, 1, 5, 6, 10, 18]
    assert [at - shown[6] for at in shown[6:]] == [0, 1, 5, 6, 10, 18]
    made = write_movie(clips_of(uneven, from_s=1 / 24, to_s=10 / 24), target, {})
    assert not made.is_copied
    assert [round(at * 24) for at, _, _ in pictures(target)] == [0, 4, 5]


# Sound


@pytest.mark.parametrize("other", ["same", "none", "wide"])
def test_sound_goes_on_without_a_gap(tmp_path: Path, other: str) -> None:
    """The tone of each video is in its place to the sample, between them is no crack, and a video without sound is silent."""
    one, two, target = tmp_path / "one.mp4", tmp_path / "two.mp4", tmp_path / "joined.mp4"
    # So long that the tone is at the beginning of a wave again: it goes on at the seams.
    movie(one, frames=12, rate=25, sound_codec="aac")
    size = (96, 48) if other == "wide" else (64, 48)
    movie(two, frames=12, rate=25, sound_codec="" if other == "none" else "aac", size=size)
    made = write_movie(clips_of(one, two, one), target, {})
    assert made.is_copied == (other != "wide")
    heard, seam = samples(target), 12 * 1920
    assert abs(len(heard) - 3 * seam) <= 1024  # the last packet is filled up
    silence = heard[seam + 2000 : 2 * seam - 2000]
    if other == "none":
        assert np.abs(silence).max() < 0.002
    else:
        assert np.abs(silence).max() > 0.25
        assert max(jump(heard, seam), jump(heard, 2 * seam)) < 0.05
    for at in (seam // 2, seam + seam // 2, 2 * seam + seam // 2):
        assert jump(heard, at) < 0.025
    first, third = heard[2000 : seam - 2000], heard[2 * seam + 2000 : 3 * seam - 2000]
    assert float(np.abs(first - third).max()) < 0.03  # neither shifted nor stretched
    expected = np.sin(np.arange(len(heard)) * STEP) * 9000 / 32768
    assert float(np.abs(first - expected[2000 : seam - 2000]).max()) < 0.03


def test_videos_without_sound_stay_so(sample: Sample, tmp_path: Path) -> None:
    """No track of silence is made where no video has any."""
    target = tmp_path / "joined.mp4"
    write_movie(clips_of(sample("mp4"), sample("mp4")), target, {})
    with av.open(str(target)) as container:
        assert not container.streams.audio


# Parts


def reference(tmp_path: Path) -> Path:
    path = tmp_path / "video.mp4"
    movie(path, frames=48, rate=24, options=B_FRAMES, sound_codec="aac")
    return path


@pytest.mark.parametrize(
    ("from_s", "to_s", "first", "count", "is_copied"),
    [
        (None, None, 0, 48, True),
        (0, 2, 0, 48, True),
        (0.5, None, 12, 36, True),
        (0.5, 1.5, 12, 24, None),
        (0.25, 1.0, 6, 18, False),
        (1.04, 1.06, 25, 0, None),
        (1.02, 1.06, 24, 1, None),
        (0.52, 1.98, 12, 36, None),
        (1.9583, None, 47, 1, False),
        (1.9, 7, 46, 2, False),
    ],
)
def test_a_part_is_cut_to_the_frame(
    tmp_path: Path, from_s: float | None, to_s: float | None, first: int, count: int, is_copied: bool | None
) -> None:
    """It begins with the frame nearest to the start, and ends before the one nearest to the end; its sound begins there, too."""
    source, target = reference(tmp_path), tmp_path / "part.mp4"
    if not count:
        with pytest.raises(Unfit, match="empty"):
            clips_of(source, from_s=from_s, to_s=to_s)
        return
    made = write_movie(clips_of(source, from_s=from_s, to_s=to_s), target, {})
    assert is_copied is None or made.is_copied == is_copied
    before, after = pictures(source)[first : first + count], pictures(target)
    assert len(after) == count
    for one, two in zip(before, after, strict=True):
        assert difference(one, two) < (0.001 if made.is_copied else 3)
    assert steps(after) <= {Fraction(1, 24)}
    heard, whole = samples(target), samples(source)
    start, length = first * 2000, min(len(heard), count * 2000)
    assert abs(len(heard) - count * 2000) <= 1024
    if count > 4:
        wanted = whole[start : start + length]
        assert float(np.abs(heard[1000 : length - 1000] - wanted[1000 : length - 1000]).max()) < 0.05


def test_open_groups_are_encoded_anew(tmp_path: Path) -> None:
    """At a key frame whose neighbours need what is before it, packets alone would show what nobody asked for."""
    path, target = tmp_path / "open.mp4", tmp_path / "part.mp4"
    movie(path, frames=48, rate=24, options={**B_FRAMES, "x264-params": "open-gop=1"})
    [clip] = clips_of(path)
    key = next(stamp.pts for stamp in clip.stamps[1:] if stamp.is_key)
    start = float(key * clip.base)
    [part] = clips_of(path, from_s=start)
    leading = [
        stamp for stamp in clip.stamps if stamp.dts > part.starts - 10**6 and not stamp.is_key and stamp.pts < key
    ]
    assert leading
    write_movie([part], target, {})
    before = pictures(path)[round(start * 24) :]
    after = pictures(target)
    assert len(before) == len(after)
    assert max(difference(one, two) for one, two in zip(before, after, strict=True)) < 3


# GIF and WebM


def test_a_gif_is_of_the_part_that_was_asked_for(tmp_path: Path) -> None:
    """It has the width and rate, lasts as long as the part, repeats, and its colours are the video's."""
    source, target = tmp_path / "video.mp4", tmp_path / "part.gif"
    movie(source, frames=48, rate=24, size=(160, 120), options=B_FRAMES)
    [clip] = clips_of(source, from_s=0.5, to_s=1.5)
    made = write_gif(clip, target, 80, 10)
    after = pictures(target)
    assert made == Made(False, 1.0, 80, 60)
    assert len(after) == 10
    assert steps(after) == {Fraction(1, 10)}
    assert b"NETSCAPE2.0\x03\x01\x00\x00" in target.read_bytes()
    before = pictures(source)[12]
    small = before[1][::2, ::2]
    assert float(np.abs(small - after[0][1]).mean()) < 16
    assert write_gif(clips_of(source)[0], target, 1000, 25).width == 160  # never larger than the video


def test_a_webm_has_sound_and_size(tmp_path: Path) -> None:
    """VP9 and Opus, as wide as asked, with all frames of the part."""
    source, target = reference(tmp_path), tmp_path / "part.webm"
    [clip] = clips_of(source, from_s=0.5)
    made = write_webm(clip, target, 32, None)
    assert (made.width, made.height, made.seconds) == (32, 24, 1.5)
    with av.open(str(target)) as container:
        assert container.streams.video[0].codec_context.name == "vp9"
        assert container.streams.audio[0].codec_context.name == "opus"
    assert len(pictures(target)) == 36
    assert abs(len(samples(target)) - 72_000) < 2000
    assert len(pictures(write_at(clip, target, 12))) == 18


def write_at(clip: Clip, target: Path, rate: int) -> Path:
    write_webm(clip, target, 32, rate)
    return target


# What is refused, and what is written


@pytest.mark.parametrize(
    ("name", "reason"), [("mp4-sound-only", "unreadable"), ("mp4-lying", "unreadable"), ("mov-too-large", "unreadable")]
)
def test_what_is_no_video_is_named(sample: Sample, tmp_path: Path, name: str, reason: str) -> None:
    """With its number among the others; and a file that is gone."""
    parts = [[str(path), kind_at(path).ending, None, None] for path in (sample("mp4"), sample(name))]
    with pytest.raises(Unfit) as refused:
        make(parts, MP4, tmp_path / "joined.mp4", {}, {})
    assert (refused.value.reason, refused.value.number) == (reason, 2)
    with pytest.raises(Unfit) as refused:
        make([[str(tmp_path / "gone.mp4"), ".mp4", None, None]], MP4, tmp_path / "joined.mp4", {}, {})
    assert (refused.value.reason, refused.value.number) == ("gone", 1)


def test_a_damaged_end_is_left_out(sample: Sample, tmp_path: Path) -> None:
    """What can be shown of a file that is cut short is joined."""
    target = tmp_path / "joined.mp4"
    made = write_movie(clips_of(sample("mp4-cut"), sample("mp4")), target, {})
    assert 10 < len(pictures(target)) < 20
    assert not made.is_copied


def test_too_much_work_is_refused_before_it_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the pixels that would have to be encoded; what is only copied may be longer."""
    source, other = tmp_path / "one.mp4", tmp_path / "other.mp4"
    movie(source, frames=10)
    movie(other, frames=10, size=(96, 48))
    monkeypatch.setattr("dreamina_ui.media.derive.movie.ENCODED_MOST", 640 * 360 * 15)
    assert write_movie(clips_of(source, source), tmp_path / "joined.mp4", {}).is_copied
    with pytest.raises(Unfit, match="too_long"):
        write_movie(clips_of(source, other), tmp_path / "joined.mp4", {})


def test_a_gif_that_is_longer_than_its_row_says_is_refused(tmp_path: Path) -> None:
    """Two frames can be a day apart."""
    source = tmp_path / "day.mp4"
    with av.open(str(source), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=24, options=dict(X264))
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for at in (0, 24 * 86_400, 24 * 86_400 + 1):
            frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
            frame.pts, frame.time_base = at, Fraction(1, 24)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    [clip] = clips_of(source)
    with pytest.raises(Unfit, match="too_long"):
        write_gif(clip, tmp_path / "day.gif", 64, 15)
    other = tmp_path / "other.mp4"
    movie(other, frames=2, size=(96, 48))
    with pytest.raises(Unfit, match="too_long"):
        write_movie(clips_of(other, source), tmp_path / "days.mp4", {})


def test_the_record_can_be_read_again(sample: Sample, tmp_path: Path) -> None:
    """It is the file's comment, and the prompt its title, whether it was copied or not."""
    record = {"app": "dreamina-ui", "settings": {"prompt": "ein Fuchs im Schnee 🦊 " * 100}, "model_id": "m"}
    said = {"title": "ein Fuchs", "comment": json.dumps(record, ensure_ascii=False)}
    for names in (["mp4", "mp4"], ["mp4", "webm-vp8"]):
        target = tmp_path / "joined.mp4"
        write_movie(clips_of(*map(sample, names)), target, said)
        assert read_record(target) == record


def test_files_are_only_alike_if_their_decoder_needs_the_same(sample: Sample) -> None:
    """Another size, another codec, turned or stretched in another way: not alike."""
    plain = sample("mp4")
    for name in ("mp4-hevc-hvc1", "mp4-turned-90", "mp4-anamorphic", "mp4-10bit", "mp4-odd-size"):
        assert not can_be_copied(clips_of(plain, sample(name))), name
