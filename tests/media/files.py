"""Small files of every kind that a service might deliver, made here: `FILES[name](path)` writes one, in well under a second.

Most are made by PyAV's own encoders or by Pillow. What neither can make is written byte by byte.
"""

import gzip
import io
import json
import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

__all__ = ["FILES", "Maker", "box", "make", "movie", "sound"]

Maker = Callable[[Path], None]
HDR10 = (
    "colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:hdr10=1:"
    "master-display=G(8500,39850)B(6550,2300)R(35400,14600)WP(15635,16450)L(10000000,1):max-cll=1000,400"
)
X264 = {"preset": "ultrafast", "g": "5"}
X265 = {"preset": "ultrafast", "x265-params": "log-level=none"}
AV1 = {"preset": "12", "svtav1-params": "lp=1"}
VPX = {"deadline": "realtime", "cpu-used": "8"}


def make(name: str, path: Path) -> Path:
    """Write the file of this name of `FILES` to `path`, and give the path."""
    with ordinary_scheduling():
        FILES[name](path)
    return path


@contextmanager
def ordinary_scheduling() -> Iterator[None]:
    """Restore the thread's scheduling afterwards.

    SVT-AV1 tries, where it runs as root, whether it may have real-time priority (SCHED_FIFO, 99), and leaves the thread that
    called it there. What this thread starts later, servers and browsers, inherits it and stops everything else on the machine.
    """
    if not hasattr(os, "sched_getscheduler"):  # Windows, macOS
        yield
        return
    policy, parameter = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, parameter)


def picture(number: int = 0, width: int = 64, height: int = 48) -> "np.ndarray[Any, Any]":
    """A gradient in colours that moves, with a bright block: no two numbers look alike, nor does it look alike when turned."""
    rows, columns = np.indices((height, width))
    image = np.stack([(columns * 4 + number * 9) % 256, (rows * 5) % 256, (rows + columns + number * 3) % 256], axis=-1)
    image[: height // 4, : width // 4] = (250, 250, 240)
    return image.astype(np.uint8)


def movie(
    path: Path,
    codec: str = "libx264",
    *,
    container: str = "mp4",
    pix_fmt: str = "yuv420p",
    size: tuple[int, int] = (64, 48),
    frames: int = 10,
    black: int = 0,
    rate: int = 10,
    options: Mapping[str, str] = X264,
    muxer: Mapping[str, str] | None = None,
    sound_codec: str = "",
    turned: int = 0,
    mirrored: bool = False,
    aspect: Fraction | None = None,
    tag: str = "",
    timecode: str = "",
    chapters: bool = False,
    metadata: Mapping[str, str] | None = None,
    colours: Sequence[int] = (),
) -> None:
    """A video of so many `frames`, the first of them `black`, and a tone if there is a `sound_codec`.

    `turned` are degrees counterclockwise, as FFmpeg counts them; `colours` are the numbers of primaries, transfer and matrix.
    """
    with av.open(str(path), "w", format=container, options=dict(muxer or {})) as target:
        target.metadata.update(metadata or {})
        video = target.add_stream(codec, rate=rate, options=dict(options))
        assert isinstance(video, av.VideoStream)
        video.width, video.height, video.pix_fmt = size[0], size[1], pix_fmt
        video.thread_count = 1
        if aspect:
            video.codec_context.sample_aspect_ratio = aspect
        if tag:
            video.codec_context.codec_tag = tag
        if timecode:
            video.metadata["timecode"] = timecode
        if turned or mirrored:
            video.set_display_rotation(turned, hflip=mirrored)
        if colours:
            context = video.codec_context
            context.color_primaries, context.color_trc, context.colorspace = colours
        tone = _tone(target, sound_codec) if sound_codec else None
        if chapters:
            half = frames * 1000 // rate // 2
            base = Fraction(1, 1000)
            target.set_chapters(
                [
                    {"id": 0, "start": 0, "end": half, "time_base": base, "metadata": {"title": "The first half"}},
                    {
                        "id": 1,
                        "start": half,
                        "end": 2 * half,
                        "time_base": base,
                        "metadata": {"title": "Die zweite Hälfte"},
                    },
                ]
            )
        for number in range(frames):
            image = picture(number, *size) if number >= black else np.zeros((size[1], size[0], 3), np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=pix_fmt)
            frame.pts, frame.time_base = number, Fraction(1, rate)
            target.mux(video.encode(frame))
        target.mux(video.encode(None))
        if tone is not None:
            _play(target, tone, frames / rate)


def sound(
    path: Path,
    codec: str,
    *,
    container: str,
    seconds: float = 1.0,
    muxer: Mapping[str, str] | None = None,
    metadata: Mapping[str, str] | None = None,
    cover: bool = False,
) -> None:
    """A tone of `seconds`, and a `cover` if it is to have one, as what FFmpeg calls an attached picture."""
    with av.open(str(path), "w", format=container, options=dict(muxer or {})) as target:
        target.metadata.update(metadata or {})
        tone = _tone(target, codec)
        if cover:
            art = target.add_stream("png")
            assert isinstance(art, av.VideoStream)
            art.width, art.height, art.pix_fmt = 32, 32, "rgb24"
            art.disposition = av.stream.Disposition.attached_pic
            frame = av.VideoFrame.from_ndarray(picture(0, 32, 32), format="rgb24")
            frame.pts, frame.time_base = 0, Fraction(1, 1)
            target.start_encoding()
            for packet in [*art.encode(frame), *art.encode(None)]:
                target.mux(packet)
        _play(target, tone, seconds)


def _tone(target: "av.container.OutputContainer", codec: str) -> "av.AudioStream":
    rate = 8000 if "amr" in codec else 44100 if "wma" in codec else 48000
    stream = target.add_stream(codec, rate=rate)
    assert isinstance(stream, av.AudioStream)
    stream.codec_context.layout = "mono"
    if "wma" in codec:
        stream.bit_rate = 64_000
    if codec == "vorbis":  # FFmpeg's own encoder
        stream.codec_context.layout = "stereo"
        stream.codec_context.options = {"strict": "experimental"}
    return stream


def _play(target: "av.container.OutputContainer", stream: "av.AudioStream", seconds: float) -> None:
    rate = stream.codec_context.sample_rate
    wave = (np.sin(np.arange(int(rate * seconds)) * 0.06) * 9000).astype(np.int16).reshape(1, -1)
    if len(stream.codec_context.layout.channels) == 2:
        wave = np.repeat(wave, 2, axis=1)  # interleaved
    frame = av.AudioFrame.from_ndarray(
        wave, format="s16", layout="stereo" if len(stream.codec_context.layout.channels) == 2 else "mono"
    )
    frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
    resampler = av.AudioResampler(
        format=stream.codec_context.format,
        layout=stream.codec_context.layout,
        rate=rate,
        frame_size=_frame_size(stream),
    )
    for piece in [*resampler.resample(frame), *resampler.resample(None)]:
        target.mux(stream.encode(piece))
    target.mux(stream.encode(None))


def _frame_size(stream: "av.AudioStream") -> int:
    stream.codec_context.open(strict=False)
    return stream.codec_context.frame_size or 1024


def still(path: Path, format: str, *, mode: str = "RGB", **options: Any) -> None:
    """One picture of 64 × 48 pixels, by Pillow."""
    Image.fromarray(picture()).convert(mode).save(path, format, **options)


def moving(path: Path, format: str, **options: Any) -> None:
    """Three pictures of 64 × 48 pixels, by Pillow."""
    pictures = [Image.fromarray(picture(number * 5)) for number in range(3)]
    pictures[0].save(path, format, save_all=True, append_images=pictures[1:], duration=100, loop=0, **options)


def turned_jpeg(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    still(path, "JPEG", exif=exif)


def written(content: bytes, path: Path) -> None:
    path.write_bytes(content)


def box(name: bytes, *contents: bytes) -> bytes:
    """A box of an ISO base media file."""
    content = b"".join(contents)
    return struct.pack(">I4s", 8 + len(content), name) + content


def chunk(name: bytes, content: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png_bomb(path: Path) -> None:
    """900 million pixels in a few bytes."""
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(100_000), 9)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b""))


def large_png(path: Path) -> None:
    """41 million pixels, white: more than are decoded, and fewer than what Pillow itself refuses."""
    Image.new("1", (8200, 5000), 1).save(path, "PNG")


def cut(name: str, share: float, path: Path) -> None:
    make(name, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])


def lying_movie(path: Path) -> None:
    path.write_bytes(box(b"ftyp", b"isom", bytes(4), b"isommp42") + b"\x00\x00\x20\x00moov" + b"\xa5" * 4000)


def large_movie(stated: tuple[int, int], path: Path) -> None:
    """A video of one PNG with 41 million pixels, in a few bytes; the file states a size of its own."""
    picture_data = io.BytesIO()
    Image.new("1", (8200, 5000), 1).save(picture_data, "PNG")
    with av.open(str(path), "w", format="mov") as target:
        video = target.add_stream("png", rate=10)
        assert isinstance(video, av.VideoStream)
        video.width, video.height, video.pix_fmt = *stated, "rgb24"
        packet: av.Packet[Any] = av.Packet(picture_data.getvalue())
        packet.stream, packet.pts, packet.dts, packet.duration = video, 0, 0, 1
        packet.time_base, packet.is_keyframe = Fraction(1, 10), True
        target.mux(packet)


def hdr10(path: Path) -> None:
    """HEVC of 10 bits with the colours of HDR10: stated in the stream, and in boxes of its description too."""
    options = {**X265, "x265-params": f"log-level=none:{HDR10}"}
    movie(path, "libx265", options=options, pix_fmt="yuv420p10le", tag="hvc1", colours=(9, 16, 9))
    data = bytearray(path.read_bytes())
    mastering = struct.pack(">8H2I", 8500, 39850, 6550, 2300, 35400, 14600, 15635, 16450, 10_000_000, 1)
    added = box(b"mdcv", mastering) + box(b"clli", struct.pack(">HH", 1000, 400))
    # The index comes last in this file: its boxes grow, and no sample moves.
    at = data.index(b"hvcC") - 4
    at += struct.unpack_from(">I", data, at)[0]
    data[at:at] = added
    for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"hvc1"):
        start = data.index(name, data.index(b"moov") if name != b"hvc1" else data.index(b"stsd")) - 4
        struct.pack_into(">I", data, start, struct.unpack_from(">I", data, start)[0] + len(added))
    path.write_bytes(data)


def old_quicktime(path: Path) -> None:
    """A QuickTime file as they were before there was 'ftyp'."""
    movie(path, container="mov")
    data = path.read_bytes()
    size = struct.unpack(">I", data[:4])[0]
    assert data[4:8] == b"ftyp"
    # In its place, so that nothing moves.
    path.write_bytes(box(b"wide", bytes(size - 8)) + data[size:])


def mp3_with_cover(path: Path) -> None:
    """An ID3v2.3 tag with a title, a cover picture and a comment that has a description."""
    sound(path, "libmp3lame", container="mp3", muxer={"id3v2_version": "0", "write_xing": "1"})
    cover = io.BytesIO()
    Image.fromarray(picture(0, 32, 32)).save(cover, "PNG")
    frames = [
        (b"TIT2", b"\x00A tone"),
        (b"APIC", b"\x00image/png\x00\x03\x00" + cover.getvalue()),
        (b"COMM", b"\x00engiTunNORM\x00 0000 0000"),
    ]
    content = b"".join(name + struct.pack(">IH", len(value), 0) + value for name, value in frames)
    path.write_bytes(b"ID3\x03\x00\x00" + synchsafe(len(content)) + content + path.read_bytes())


def synchsafe(number: int) -> bytes:
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))


def glb(path: Path) -> None:
    scene = json.dumps({"asset": {"version": "2.0"}, "scenes": [{}], "scene": 0}).encode()
    scene += b" " * (-len(scene) % 4)
    path.write_bytes(struct.pack("<4sIIII", b"glTF", 2, 20 + len(scene), len(scene), 0x4E4F534A) + scene)


def archive(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as target:
        target.writestr("frame-1.txt", "one of many")


def polyglot(path: Path) -> None:
    """A JPEG with a page of scripts and a ZIP behind it: it is what its first bytes say."""
    still(path, "JPEG", comment=b"<script>alert(1)</script>")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as target:
        target.writestr("index.html", "<script>alert(1)</script>")
    path.write_bytes(path.read_bytes() + packed.getvalue())


def heic(path: Path) -> None:
    """What a HEIC file begins with. Nothing here can read or write one."""
    handler = box(b"hdlr", bytes(8), b"pict", bytes(13))
    path.write_bytes(
        box(b"ftyp", b"heic", bytes(4), b"mif1heic") + box(b"meta", bytes(4), handler) + box(b"mdat", bytes(64))
    )


def _fragments(flags: str, **more: Any) -> Maker:
    return partial(movie, muxer={"movflags": flags}, **more)


PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
SVG = b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
PAGE = b"\xef\xbb\xbf\n<!-- not here -->\n<!DOCTYPE html><html><body>This link has expired.</body></html>"
PLAYLIST = b"#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:10,\nhttp://localhost/secret.ts\n#EXT-X-ENDLIST\n"

FILES: Mapping[str, Maker] = {
    # Videos that the record goes into
    "mp4": partial(movie, muxer={"movflags": "faststart"}),
    "mp4-index-last": movie,
    "mp4-sound": partial(movie, sound_codec="aac", frames=20, muxer={"movflags": "faststart"}),
    "mp4-sound-index-last": partial(movie, sound_codec="aac", frames=20),
    "mp4-fade-in": partial(movie, black=6, frames=14),
    "mp4-black": partial(movie, black=30, frames=30),
    "mp4-one-frame": partial(movie, frames=1, muxer={"movflags": "faststart"}),
    "mp4-60fps": partial(movie, frames=60, rate=60, muxer={"movflags": "faststart"}),
    "mp4-long-gop": partial(movie, frames=60, rate=30, options={"preset": "fast", "g": "300", "bf": "3"}),
    "mp4-odd-size": partial(movie, size=(63, 47), pix_fmt="yuv444p", muxer={"movflags": "faststart"}),
    "mp4-anamorphic": partial(movie, aspect=Fraction(4, 3), muxer={"movflags": "faststart"}),
    "mp4-turned-90": partial(movie, turned=90, muxer={"movflags": "faststart"}),
    "mp4-turned-180": partial(movie, turned=180),
    "mp4-turned-270": partial(movie, turned=-90),
    "mp4-mirrored": partial(movie, mirrored=True),
    "mp4-chapters": partial(movie, chapters=True, muxer={"movflags": "faststart"}),
    "mp4-commented": partial(
        movie,
        metadata={"comment": "vid:v0300fg10000", "title": "Theirs", "artist": "Them"},
        muxer={"movflags": "faststart"},
    ),
    "mp4-keys": partial(
        movie,
        metadata={"comment": "theirs", "AIGC": '{"Label": "1"}'},
        muxer={"movflags": "faststart+use_metadata_tags"},
    ),
    "mov-keys": partial(
        movie,
        container="mov",
        metadata={"comment": "theirs", "AIGC": '{"Label": "1"}'},
        muxer={"movflags": "faststart+use_metadata_tags"},
    ),
    "mp4-keys-no-comment": partial(
        movie, metadata={"AIGC": '{"Label": "1"}'}, muxer={"movflags": "faststart+use_metadata_tags"}
    ),
    "mp4-10bit": partial(movie, pix_fmt="yuv420p10le", muxer={"movflags": "faststart"}),
    "mp4-hevc-hvc1": partial(movie, codec="libx265", options=X265, tag="hvc1", muxer={"movflags": "faststart"}),
    "mp4-hevc-hvc1-10bit": partial(movie, codec="libx265", options=X265, tag="hvc1", pix_fmt="yuv420p10le"),
    "mp4-hevc-hev1": partial(movie, codec="libx265", options=X265, tag="hev1", muxer={"movflags": "faststart"}),
    "mp4-hdr10": hdr10,
    "mp4-av1": partial(movie, codec="libsvtav1", options=AV1, muxer={"movflags": "faststart"}),
    "mp4-vp9": partial(movie, codec="libvpx-vp9", options=VPX, muxer={"movflags": "faststart"}),
    "mp4-mpeg4": partial(movie, codec="mpeg4", options={}, muxer={"movflags": "faststart"}),
    "mp4-fragments": _fragments("frag_keyframe+empty_moov+default_base_moof"),
    "mp4-fragments-sound": _fragments("frag_keyframe+empty_moov+default_base_moof", sound_codec="aac", frames=30),
    "mp4-fragments-offsets": _fragments("frag_keyframe+empty_moov"),
    "mp4-fragments-delayed": _fragments("frag_keyframe+delay_moov"),
    "mp4-fragments-first-whole": _fragments("frag_keyframe", frames=20, sound_codec="aac"),
    "mp4-fragments-no-index": _fragments("frag_keyframe+empty_moov+skip_trailer"),
    "mp4-fragments-dash": _fragments("dash+frag_keyframe+empty_moov"),
    "mp4-fragments-sidx": _fragments("frag_keyframe+default_base_moof+global_sidx", frames=20),
    "mp4-fragments-hybrid": _fragments("hybrid_fragmented+frag_keyframe", frames=20),
    "mov": partial(movie, container="mov", muxer={"movflags": "faststart"}),
    "mov-index-last": partial(movie, container="mov", sound_codec="pcm_s16le"),
    "mov-old": old_quicktime,
    "mov-commented": partial(movie, container="mov", metadata={"comment": "theirs", "title": "Theirs"}),
    "mov-timecode": partial(movie, container="mov", rate=25, timecode="01:02:03:04", muxer={"movflags": "faststart"}),
    "mov-prores": partial(movie, codec="prores_ks", container="mov", options={}, pix_fmt="yuv422p10le"),
    "mov-prores-4444": partial(movie, codec="prores_ks", container="mov", options={}, pix_fmt="yuva444p10le", frames=3),
    "mov-mjpeg": partial(movie, codec="mjpeg", container="mov", options={}, pix_fmt="yuvj420p"),
    "mov-dnxhd": partial(
        movie,
        codec="dnxhd",
        container="mov",
        options={"profile": "dnxhr_lb"},
        pix_fmt="yuv422p",
        size=(256, 128),
        frames=3,
    ),
    "mov-chapters": partial(movie, container="mov", chapters=True),
    "3gp": partial(movie, container="3gp", codec="mpeg4", options={}, sound_codec="libopencore_amrnb"),
    # Other videos
    "webm-vp8": partial(movie, codec="libvpx", container="webm", options=VPX),
    "webm-vp9": partial(movie, codec="libvpx-vp9", container="webm", options=VPX, sound_codec="libopus"),
    "webm-vp9-alpha": partial(movie, codec="libvpx-vp9", container="webm", options=VPX, pix_fmt="yuva420p"),
    "webm-av1": partial(movie, codec="libsvtav1", container="webm", options=AV1),
    "mkv": partial(movie, container="matroska", sound_codec="flac"),
    "avi": partial(movie, codec="mpeg4", container="avi", options={}, sound_codec="libmp3lame"),
    "ts": partial(movie, container="mpegts", sound_codec="aac"),
    "mpg": partial(movie, codec="mpeg1video", container="mpeg", options={}, rate=25, frames=50),
    "flv": partial(movie, container="flv", sound_codec="aac"),
    "wmv": partial(movie, codec="wmv2", container="asf", options={}, sound_codec="wmav2"),
    "ogv": partial(movie, codec="libvpx", container="ogv", options=VPX),
    # Pictures
    "png": partial(still, format="PNG"),
    "png-alpha": partial(still, format="PNG", mode="RGBA"),
    "png-palette": partial(still, format="PNG", mode="P"),
    "png-16bit": lambda path: Image.fromarray(picture()[..., 0].astype(np.uint16) * 256).save(path, "PNG"),
    "apng": partial(moving, format="PNG"),
    "jpeg": partial(still, format="JPEG"),
    "jpeg-turned": turned_jpeg,
    "jpeg-cmyk": partial(still, format="JPEG", mode="CMYK"),
    "jpeg-gray": partial(still, format="JPEG", mode="L"),
    "jpeg-progressive": partial(still, format="JPEG", progressive=True),
    "jpeg-commented": partial(still, format="JPEG", comment=b"theirs"),
    "webp": partial(still, format="WEBP"),
    "webp-animated": partial(moving, format="WEBP"),
    "gif": partial(still, format="GIF"),
    "gif-animated": partial(moving, format="GIF"),
    "avif": partial(still, format="AVIF"),
    "bmp": partial(still, format="BMP"),
    "tiff": partial(still, format="TIFF"),
    "heic": heic,
    "jxl": partial(written, b"\xff\x0a\xfa\x1f\x41\x90\x08\x00"),
    # Sounds
    "mp3": partial(sound, codec="libmp3lame", container="mp3", muxer={"id3v2_version": "4"}),
    "mp3-titled": partial(
        sound, codec="libmp3lame", container="mp3", metadata={"title": "Theirs", "comment": "said before"}
    ),
    "mp3-v2.3": partial(
        sound, codec="libmp3lame", container="mp3", muxer={"id3v2_version": "3"}, metadata={"artist": "Thém"}
    ),
    "mp3-no-tag": partial(sound, codec="libmp3lame", container="mp3", muxer={"id3v2_version": "0", "write_xing": "0"}),
    "mp3-cover": mp3_with_cover,
    "wav": partial(sound, codec="pcm_s16le", container="wav"),
    "wav-rf64": partial(sound, codec="pcm_s16le", container="wav", muxer={"rf64": "always"}),
    "flac": partial(sound, codec="flac", container="flac"),
    "ogg": partial(sound, codec="vorbis", container="ogg"),
    "opus": partial(sound, codec="libopus", container="ogg"),
    "m4a": partial(sound, codec="aac", container="ipod"),
    "m4a-cover": partial(sound, codec="aac", container="mp4", muxer={"brand": "M4A "}, cover=True),
    "m4a-alac": partial(sound, codec="alac", container="ipod"),
    "mp4-sound-only": partial(sound, codec="aac", container="mp4", muxer={"movflags": "faststart"}),
    "mov-sound-only": partial(sound, codec="pcm_s16le", container="mov"),
    "webm-sound-only": partial(sound, codec="libopus", container="webm"),
    "mkv-sound-only": partial(sound, codec="libopus", container="matroska"),
    "wma": partial(sound, codec="wmav2", container="asf"),
    "aac": partial(sound, codec="aac", container="adts"),
    "aiff": partial(sound, codec="pcm_s16be", container="aiff"),
    # Files
    "zip": archive,
    "gz": lambda path: written(gzip.compress(b"twenty frames"), path),
    "pdf": partial(written, PDF),
    "glb": glb,
    "svg": partial(written, SVG),
    "html": partial(written, PAGE),
    "json": partial(written, b'{"error": "expired"}'),
    "playlist": partial(written, PLAYLIST),
    "text": partial(written, "The free movie, in words — nothing else.\n".encode()),
    "empty": partial(written, b""),
    # What cannot be read as what it is
    "mp4-cut": partial(cut, "mp4", 0.6),
    "mp4-index-last-cut": partial(cut, "mp4-index-last", 0.6),
    "mp4-fragments-cut": partial(cut, "mp4-fragments", 0.7),
    "webm-cut": partial(cut, "webm-vp9", 0.6),
    "wav-cut": partial(cut, "wav", 0.6),
    "jpeg-cut": partial(cut, "jpeg", 0.6),
    "png-cut": partial(cut, "png", 0.6),
    "mp4-lying": lying_movie,
    "mov-too-large": partial(large_movie, (8200, 5000)),
    "mov-too-large-hidden": partial(large_movie, (64, 48)),
    "png-bomb": png_bomb,
    "png-too-large": large_png,
    "polyglot": polyglot,
}
"""Makers by name."""
