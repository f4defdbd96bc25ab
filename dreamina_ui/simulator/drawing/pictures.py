"""Reads pictures as people see them: upright, in RGB, on white where they are transparent, the first one of several."""

import io
import re
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps

from dreamina_ui.simulator.files import Unreadable

__all__ = ["fitted", "is_picture", "read_picture"]

_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
_BEGINS = re.compile(rb"\x89PNG|\xff\xd8\xff|RIFF.{4}WEBP|GIF8|BM|II\*\x00|MM\x00\*|.{4}ftypavi[fs]", re.DOTALL)
_PIXELS_MOST = 40_000_000


def is_picture(path: str) -> bool:
    """Whether a file begins as a picture."""
    with Path(path).open("rb") as file:
        return _BEGINS.match(file.read(16)) is not None


def read_picture(path: str) -> Image.Image:
    """Raises `Unreadable`."""
    try:
        with Image.open(path, formats=_FORMATS) as opened:
            if opened.width * opened.height > _PIXELS_MOST:
                raise ValueError("too many pixels")
            return _in_rgb(ImageOps.exif_transpose(opened))
    except Exception as error:  # Pillow's formats raise whatever their parsing does
        raise Unreadable(f"The image could not be read: {error}") from error


def fitted(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The picture scaled to fill this size, and cut at both sides where it is wider or higher."""
    return picture if picture.size == size else ImageOps.fit(picture, size, Image.Resampling.LANCZOS)


def _in_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith(("I", "F")):
        return _from_deep(picture).convert("RGB")
    if picture.has_transparency_data:
        whole = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", whole.size, "white"), whole).convert("RGB")
    return _in_srgb(picture).convert("RGB")


def _from_deep(picture: Image.Image) -> Image.Image:
    """Of 16 bits or of floating points, in eight bits."""
    values = np.asarray(picture, dtype=np.float64)
    if picture.mode == "F":
        lowest, highest = float(values.min()), float(values.max())
        values = (values - lowest) / max(highest - lowest, 1e-9) * 65_535
    return Image.fromarray(np.clip(values / 257, 0, 255).round().astype(np.uint8))


def _in_srgb(picture: Image.Image) -> Image.Image:
    """By the profile of its colours, where it has one that can be used."""
    profile = picture.info.get("icc_profile")
    if not profile or picture.mode not in ("RGB", "CMYK"):
        return picture
    try:
        given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        seen = ImageCms.profileToProfile(picture, given, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return picture
    return picture if seen is None else seen
