"""The prompt as a caption in the lower third, and the mark that says the picture is simulated."""

import unicodedata
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont, features

from dreamina_ui.simulator.drawing.canvas import Array

__all__ = ["Lettering", "caption_lines", "drawable"]

_MARK = "SIMULATED"
_MOST_LINES = 3
# More than three lines hold at any size; measuring more would only take time.
_MOST_CHARACTERS = 420
# Fonts of Linux, macOS and Windows; the one that draws most of the prompt is used. Pillow's own is the last.
_FACES = (
    "DejaVuSans.ttf", "NotoSans-Regular.ttf", "LiberationSans-Regular.ttf", "Helvetica.ttc", "segoeui.ttf",
    "Arial.ttf", "NotoSansCJK-Regular.ttc", "PingFang.ttc", "Arial Unicode.ttf", "msyh.ttc", "YuGothM.ttc",
    "NotoSansArabic-Regular.ttf",
)  # fmt: skip

_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@lru_cache(maxsize=32)
def _face(name: str, size: int) -> _Font | None:
    try:
        return ImageFont.truetype(name, size) if name else ImageFont.load_default(size)
    except OSError:
        return None


def _missing(font: _Font, characters: set[str]) -> set[str]:
    """The characters that a font has no glyph for: it draws them like a non-character."""
    blank = bytes(font.getmask("\U0010fffd"))
    return {c for c in characters if not c.isspace() and bytes(font.getmask(c)) in (blank, b"")}


def _plain(text: str) -> str:
    """One line of printable text, without controls and lone surrogates, with at most two combining marks in a row."""
    kept: list[str] = []
    marks = 0
    for character in unicodedata.normalize("NFC", text[: 4 * _MOST_CHARACTERS].encode("utf-8", "ignore").decode()):
        category = unicodedata.category(character)
        if character.isspace():
            kept.append(" ")
        elif category[0] != "C":
            marks = marks + 1 if category == "Mn" else 0
            if marks <= 2:
                kept.append(character)
    return " ".join("".join(kept).split())[:_MOST_CHARACTERS]


def drawable(text: str, size: int) -> tuple[str, _Font]:
    """The prompt as the installed fonts can draw it, and the font that draws most of it.

    A character without a glyph is replaced by its plain form (𝐇 as H). Without one, a symbol is left out, and a run
    of letters becomes one middle dot.
    """
    plain = _plain(text)
    characters = set(plain)
    best: tuple[set[str], _Font] | None = None
    for name in (*_FACES, ""):
        font = _face(name, size)
        if font is None:
            continue
        missing = _missing(font, characters)
        if best is None or len(missing) < len(best[0]):
            best = missing, font
        if not missing:
            break
    if best is None:
        raise OSError("Pillow has no scalable font: it was built without FreeType")
    missing, font = best
    shown: list[str] = []
    for character in plain:
        if character not in missing:
            shown.append(character)
            continue
        simple = unicodedata.normalize("NFKD", character)
        if simple != character and not _missing(font, set(simple)):
            shown.append(simple)
        elif unicodedata.category(character)[0] == "L" and shown[-1:] != ["·"]:
            shown.append("·")
    return " ".join("".join(shown).split()), font


def caption_lines(text: str, font: _Font, width: float) -> list[str]:
    """The text wrapped to at most three lines of `width` pixels, with an ellipsis if it is longer."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        joined = f"{line} {word}" if line else word
        if font.getlength(joined) <= width:
            line = joined
            continue
        if line:
            lines.append(line)
        # A word wider than a line (a link, or a script without spaces) is cut where it must be.
        while font.getlength(word) > width and len(lines) <= _MOST_LINES:
            fits = max(1, sum(font.getlength(word[: n + 1]) <= width for n in range(len(word))))
            lines.append(word[:fits])
            word = word[fits:]
        line = word
        if len(lines) > _MOST_LINES:
            break
    if line:
        lines.append(line)
    if len(lines) > _MOST_LINES:
        last = lines[_MOST_LINES - 1]
        while last and font.getlength(last + "…") > width:
            last = last[:-1]
        lines = [*lines[: _MOST_LINES - 1], last.rstrip(" ,.;:-") + "…"]
    return lines


class Lettering:
    """The letters of a video, prepared once and drawn over every frame."""

    def __init__(self, prompt: str, width: int, height: int) -> None:
        short = min(width, height)
        self._width, self._height = width, height
        size = max(8, round(short * 0.036))
        margin = round(short * 0.06)
        text, font = drawable(prompt, size)
        lines = caption_lines(text, font, min(width - 2 * margin, short * 1.22))
        step = round(size * 1.36)
        self._top = height - margin - step * len(lines) if lines else height
        self._caption: _Overlay | None = None
        if lines:
            letters = Image.new("L", (width, height - self._top + size), 0)
            pen = ImageDraw.Draw(letters)
            for number, line in enumerate(lines):
                pen.text((margin, number * step + size), _visual(line), font=font, fill=245, anchor="ls")
            self._caption = _Overlay(letters, 0, self._top, size)
        mark, left, top = _mark(width, short, margin)
        self.mark_box = left, top, left + mark.width, top + mark.height
        self._mark = _Overlay(mark, left, top, max(6, round(short * 0.018)))

    def scrim(self, width: int, height: int) -> Array:
        """The share of light, 0–1, that each pixel of a canvas keeps, so that the letters can be read."""
        y = (np.arange(height, dtype=np.float32) + 0.5)[:, None] / height * self._height
        x = (np.arange(width, dtype=np.float32) + 0.5)[None, :] / width * self._width
        short = min(self._width, self._height)
        dim = np.ones((height, width), dtype=np.float32)
        if self._top < self._height:
            start = self._top - short * 0.16
            s = np.clip((y - start) / (self._top + short * 0.02 - start), 0, 1)
            dim *= 1 - 0.74 * s * s * (3 - 2 * s) * (1 - 0.35 * np.clip(x / self._width, 0, 1))
        right, high = (self._width - x) / short, y / short
        dim *= 1 - 0.55 * np.exp(-((right / 0.30) ** 2) - (high / 0.13) ** 2)
        return dim

    def draw(self, y: Array, u: Array, v: Array, *, caption: float = 1.0, mark: float = 1.0) -> None:
        """Draw the letters over a frame's three planes, each part as strong as told from 0 to 1."""
        for overlay, strength in ((self._caption, caption), (self._mark, mark)):
            if overlay is not None and strength > 0:
                overlay.draw(y, u, v, strength)


class _Overlay:
    """White letters with a soft shadow, as one multiplication and one addition per pixel."""

    def __init__(self, letters: Image.Image, left: int, top: int, size: int) -> None:
        # Even edges: the box covers whole chroma samples.
        box = letters.getbbox() or (0, 0, 2, 2)
        pad = size // 2
        x0, y0 = max(0, left + box[0] - pad) & ~1, max(0, top + box[1] - pad) & ~1
        x1, y1 = (left + box[2] + pad + 1) & ~1, (top + box[3] + pad + 1) & ~1
        alone = letters.crop((x0 - left, y0 - top, x1 - left, y1 - top))
        alpha = np.asarray(alone, dtype=np.float32) / 255
        shadow = np.asarray(alone.filter(ImageFilter.GaussianBlur(size * 0.2)), dtype=np.float32) / 255
        shadow = np.clip(shadow * 1.9, 0, 0.7)
        keep = (1 - shadow) * (1 - alpha)
        add = 16 * shadow * (1 - alpha) + 232 * alpha
        self._box = x0, y0
        self._keep, self._add = _fixed(keep), _fixed(add)
        half = (1 - alpha).reshape(alpha.shape[0] // 2, 2, -1, 2).mean(axis=(1, 3))
        self._keep_half, self._add_half = _fixed(half), _fixed(128 * (1 - half))

    def draw(self, y: Array, u: Array, v: Array, strength: float) -> None:
        x0, y0 = self._box
        for plane, keep, add, step in (
            (y, self._keep, self._add, 1),
            (u, self._keep_half, self._add_half, 2),
            (v, self._keep_half, self._add_half, 2),
        ):
            part = plane[y0 // step : y0 // step + keep.shape[0], x0 // step : x0 // step + keep.shape[1]]
            seen, added = (each[: part.shape[0], : part.shape[1]] for each in (keep, add))
            if strength < 1:
                seen, added = _fixed(1 - (1 - seen / 256) * strength), _fixed(added / 256 * strength)
            mixed = part * seen
            mixed += added
            mixed >>= 8
            np.copyto(part, mixed, casting="unsafe")


def _fixed(values: Array) -> Array:
    """Fixed point: 256 is one. Rounded so that a weight and its complement never sum above 255."""
    out: Array = np.minimum(np.rint(values * 256), 60000).astype(np.uint16)
    return out


def _visual(line: str) -> str:
    """Characters in drawing order: without Raqm, Pillow draws Hebrew and Arabic backwards."""
    if features.check("raqm"):
        return line
    strong = [unicodedata.bidirectional(character) for character in line]
    rightward = sum(kind == "L" for kind in strong)
    return line[::-1] if sum(kind in ("R", "AL") for kind in strong) > rightward else line


def _mark(width: int, short: int, margin: int) -> tuple[Image.Image, int, int]:
    """The mark (letter-spaced, after a small ring), and its place in the upper right corner."""
    size = max(6, round(short * 0.018))
    font = _face("DejaVuSans.ttf", size) or _face("", size)
    if font is None:
        raise OSError("Pillow has no scalable font: it was built without FreeType")
    gap = size * 0.16
    long = round(sum(font.getlength(letter) + gap for letter in _MARK) + size * 1.5)
    mark = Image.new("L", (long + 4, round(size * 1.9)), 0)
    pen = ImageDraw.Draw(mark)
    base = round(size * 1.35)
    ring = size * 0.34
    pen.ellipse(
        (1, base - size * 0.37 - ring, 1 + 2 * ring, base - size * 0.37 + ring),
        outline=236,
        width=max(1, size // 9),
    )
    at = size * 1.3
    for letter in _MARK:
        pen.text((at, base), letter, font=font, fill=236, anchor="ls")
        at += font.getlength(letter) + gap
    return mark, max(0, width - margin - mark.width), round(margin * 0.7)
