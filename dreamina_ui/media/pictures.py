"""Makes of a visitor's picture one that a model can take: upright, eight bits, RGB, one frame, small enough. All of it blocks.

Like `examine`, this runs in a process with limits (`dreamina_ui.media.reading`).
"""

import io
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dreamina_ui.media.examine import (
    CONTRAST_ENOUGH,
    ORIENTATION,
    PICTURE_BYTES_MOST,
    PILLOW_FORMATS,
    PIXELS_MOST,
    contrast_of,
)
from dreamina_ui.media.kinds import JPEG, PNG, Kind

if TYPE_CHECKING:
    import av
    from PIL import Image

__all__ = ["NOTES", "Limits", "Picture", "prepare", "write_frame"]

NOTES = ("turned", "first_frame", "converted", "shrunk")
"""What may have been done to a picture. Each has a sentence, `input.note.…`."""
PLAIN_MODES = ("1", "L", "LA", "P", "RGB", "RGBA")
"""Pixels that every reader of PNG knows; a JPEG has L or RGB."""
QUALITIES = (92, 85, 75)
"""Of JPEG, before it gets fewer pixels."""
SMALLER = 0.8
SMALLEST = 16
ROUNDS_MOST = 12
LAST_S, LAST_FRAMES, LAST_PIXELS = 2.0, 48, 120_000_000
"""How far from its end a video's last good frame is looked for: seconds, and frames and pixels that are held at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The most that a picture may have: bytes, pixels, and pixels across, down, and along its longer and its shorter side."""

    size: int
    pixels: int
    width: int
    height: int
    long_side: int
    short_side: int


@dataclass(frozen=True, slots=True)
class Picture:
    """What became of a picture: its kind, its pixels across and down, what was done to it, and whether `part` was written.

    `problem` is empty, or says in a few words for a log why it could not be read.
    """

    kind: Kind
    width: int = 0
    height: int = 0
    notes: tuple[str, ...] = ()
    is_new: bool = False
    problem: str = ""


def prepare(path: Path, kind: Kind, part: Path, limits: Limits) -> Picture:
    """The picture of a file; where it cannot be sent as it is, one made of it is written to `part`. Raises OSError."""
    from PIL import Image, ImageOps

    if kind not in PILLOW_FORMATS:
        return Picture(kind, problem="no decoder")
    size = path.stat().st_size
    try:
        with Image.open(path, formats=[PILLOW_FORMATS[kind]]) as opened:
            if opened.width * opened.height > PIXELS_MOST or size > PICTURE_BYTES_MOST:
                return Picture(kind, *opened.size, problem="too large")
            notes = ["first_frame"] if getattr(opened, "n_frames", 1) > 1 else []
            is_deep = opened.mode.startswith(("I", "F")) or _has_16_bits(path, kind)
            is_plain = kind in (PNG, JPEG) and opened.mode in PLAIN_MODES and not is_deep
            opened.load()
            image: Image.Image = _plain(opened)
            orientation = opened.getexif().get(ORIENTATION, 1)
            if orientation in range(2, 9):
                image.getexif()[ORIENTATION] = orientation
                image = ImageOps.exif_transpose(image)
                notes.append("turned")
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return Picture(kind, problem="too large")
    except MemoryError:
        raise
    except Exception as error:  # Pillow's formats raise whatever their parsing does
        return Picture(kind, problem=f"{type(error).__name__}: {error}"[:80])
    smaller = _fitted(image, limits)
    if is_plain and not notes and smaller is image and size <= limits.size:
        return Picture(kind, *image.size)
    if not is_plain:
        notes.append("converted")
    content, made, kind = _encoded(smaller, limits.size)
    if made.size != image.size:
        notes.append("shrunk")
    elif is_plain and not notes:
        notes.append("converted")
    part.write_bytes(content)
    return Picture(kind, *made.size, tuple(notes), is_new=True)


def write_frame(path: Path, kind: Kind, at_s: float | None, part: Path) -> bool:
    """Write a frame of a video as PNG to `part`; whether there is one.

    It is the frame that is shown at `at_s` seconds, or the last one that can be decoded; with None the last good one: among
    those at the end, the last that is whole and not blank.
    """
    import av

    options = {"protocol_whitelist": "file", "max_pixels": str(PIXELS_MOST), "threads": "1"}
    options |= {"enable_drefs": "0", "use_absolute_path": "0"} if kind.demuxer == "mov" else {}
    with av.open(f"file:{path}", format=kind.demuxer, options=options, metadata_errors="replace") as container:
        found = _last_good(container) if at_s is None else _shown_at(container, at_s)
        if found is None:
            return False
        image: Image.Image = found.to_image()  # type: ignore[no-untyped-call]
        if turned := int(getattr(found, "rotation", 0) or 0):
            image = image.rotate(turned, expand=True)
    image.save(part, "PNG", compress_level=1)
    return True


def _shown_at(container: "av.container.InputContainer", at_s: float) -> "av.VideoFrame | None":
    last = None
    first_s = _first_s(container)
    for frame in _frames_from(container, at_s):
        if last is not None and frame.time is not None and frame.time - first_s > at_s + 1e-6:
            break
        last = frame
    return last


def _last_good(container: "av.container.InputContainer") -> "av.VideoFrame | None":
    """Many videos end with a fade to black, or with a frame that was cut off."""
    stream = container.streams.video[0]
    count = max(1, min(LAST_FRAMES, LAST_PIXELS // max(1, stream.width * stream.height)))
    length_s = container.duration / 1_000_000 if container.duration else 0.0
    last = deque(_frames_from(container, max(0.0, length_s - LAST_S)), maxlen=count)
    if not last:  # what the file says of its length may be too much
        last.extend(_frames_from(container, 0.0))
    whole = [frame for frame in last if not frame.is_corrupt] or list(last)
    contrasts = [contrast_of(frame) for frame in whole]
    enough = min(CONTRAST_ENOUGH, max(contrasts, default=0.0) / 2)
    good = [frame for frame, contrast in zip(whole, contrasts, strict=True) if contrast >= enough]
    return good[-1] if good else None


def _frames_from(container: "av.container.InputContainer", at_s: float) -> "Iterator[av.VideoFrame]":
    """The frames from the key frame before `at_s`, as far as they can be decoded."""
    import av

    stream = container.streams.video[0]
    base = float(stream.time_base or 1)
    try:
        container.seek(int((at_s + _first_s(container)) / base), stream=stream, backward=True)
    except av.FFmpegError:
        container.seek(0)
    with suppress(av.FFmpegError):  # what follows is damaged
        yield from container.decode(stream)


def _first_s(container: "av.container.InputContainer") -> float:
    stream = container.streams.video[0]
    return (stream.start_time or 0) * float(stream.time_base or 1)


def _has_16_bits(path: Path, kind: Kind) -> bool:
    """Whether a PNG says so; Pillow has made eight bits of them."""
    if kind is not PNG:
        return False
    with path.open("rb") as file:
        head = file.read(26)
    return head[24:25] == b"\x10"


def _plain(image: "Image.Image") -> "Image.Image":
    """In eight bits and RGB, with alpha where it has transparency."""
    if image.mode.startswith("I"):
        return image.convert("I").point(lambda value: value / 256).convert("L").convert("RGB")
    mode = "RGBA" if image.has_transparency_data else "RGB"
    image = _in_srgb(image)
    return image.copy() if image.mode == mode else image.convert(mode)


def _in_srgb(image: "Image.Image") -> "Image.Image":
    """By the profile of its colours, if it has one that is usable: what is made of it has none."""
    from PIL import ImageCms

    profile = image.info.get("icc_profile")
    if not profile or image.mode not in ("RGB", "CMYK"):
        return image
    try:
        given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        seen = ImageCms.profileToProfile(image, given, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image
    return image if seen is None else seen


def _fitted(image: "Image.Image", limits: Limits) -> "Image.Image":
    """The picture within the limits of its pixels."""
    width, height = image.size
    scale = min(
        1.0,
        (limits.pixels / (width * height)) ** 0.5,
        limits.width / width,
        limits.height / height,
        limits.long_side / max(width, height),
        limits.short_side / min(width, height),
    )
    return image if scale >= 1.0 else _scaled(image, scale)


def _scaled(image: "Image.Image", scale: float) -> "Image.Image":
    from PIL import Image

    width, height = (max(SMALLEST, int(side * scale)) for side in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS)


def _encoded(image: "Image.Image", most: int) -> tuple[bytes, "Image.Image", Kind]:
    """The picture as a file of at most so many bytes: PNG where it is transparent or small so, else JPEG."""
    is_transparent = image.mode == "RGBA" and image.getchannel("A").getextrema() != (255, 255)
    kind = PNG if is_transparent else JPEG
    image = image if is_transparent else image.convert("RGB")
    content = b""
    for _ in range(ROUNDS_MOST):
        for quality in QUALITIES if kind is JPEG else QUALITIES[:1]:
            file = io.BytesIO()
            if kind is PNG:
                image.save(file, "PNG", optimize=False)
            else:
                image.save(file, "JPEG", quality=quality, subsampling=0)
            content = file.getvalue()
            if len(content) <= most:
                return content, image, kind
        image = _scaled(image, SMALLER)
    return content, image, kind
