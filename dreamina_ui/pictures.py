"""Images that a service delivers: told by their bytes, opened whole before they are kept, and shown as a poster."""

from pathlib import Path

from dreamina_ui.errors import NotAVideo
from dreamina_ui.media import Saved

__all__ = ["ENDINGS", "PIXELS_MOST", "ending_of", "inspect_picture", "make_picture_poster"]

ENDINGS = {"PNG": ".image.png", "JPEG": ".image.jpg", "WEBP": ".image.webp"}
"""By Pillow's names. Nothing else is kept: an SVG is a page with scripts of its own."""
SIZE_MOST = 64 * 2**20
PIXELS_MOST = 40_000_000
"""8K has 33 million. A file of 0.4 MB can hold a frame that takes gigabytes to decode; of videos, too."""


def ending_of(path: Path) -> str | None:
    """How the file of an image is to end, by its first bytes; None if it is none of `ENDINGS`."""
    with path.open("rb") as file:
        head = file.read(12)
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return ENDINGS["PNG"]
    if head.startswith(b"\xff\xd8\xff"):
        return ENDINGS["JPEG"]
    return ENDINGS["WEBP"] if head.startswith(b"RIFF") and head[8:] == b"WEBP" else None


def inspect_picture(path: Path) -> Saved:
    """Width and height in pixels; a picture has no duration. Raises `NotAVideo`."""
    from PIL import Image

    try:
        with Image.open(path, formats=list(ENDINGS)) as picture:
            return Saved(picture.width, picture.height, 0.0)
    except (Image.DecompressionBombError, SyntaxError, ValueError, OSError) as error:
        raise NotAVideo(type(error).__name__) from error


def make_picture_poster(path: Path, poster: Path, width: int) -> None:
    """A WebP at most `width` wide; all of the image is decoded for it. Raises `NotAVideo`, for what is too large as well."""
    from PIL import Image

    facts = inspect_picture(path)
    if facts.width * facts.height > PIXELS_MOST or path.stat().st_size > SIZE_MOST:
        raise NotAVideo(f"{facts.width} × {facts.height} pixels")
    try:
        with Image.open(path, formats=list(ENDINGS)) as picture:
            small = picture.convert("RGB")
    except (Image.DecompressionBombError, SyntaxError, ValueError, OSError) as error:
        raise NotAVideo(type(error).__name__) from error
    small.thumbnail((width, width))
    small.save(poster, "WEBP", quality=80)
