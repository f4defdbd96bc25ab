"""Reads the text of a table's bytes, and offers readings where the bytes do not say how their letters are written. Pure.

A guess from a few words is often wrong, and a wrong one would make garbled prompts. So nothing that is guessed is used before
somebody has chosen it.
"""

import codecs
import re
import unicodedata
from dataclasses import dataclass

__all__ = ["WORKBOOKS", "Reading", "decoded", "readings_of"]

WORKBOOKS = (b"PK\x03\x04", bytes.fromhex("d0cf11e0a1b11ae1"))
"""How files of spreadsheets begin that are no tables in text."""
READINGS_MOST = 5
SAMPLE_MOST = 160
_BETWEEN = re.compile(r'[\s,;"|]+')
_NAMES = {
    "cp1252": "Windows-1252",
    "mac_roman": "Mac Roman",
    "gbk": "GBK",
    "cp932": "Shift JIS",
    "big5": "Big5",
    "cp949": "EUC-KR",
    "cp1251": "Windows-1251",
    "cp1250": "Windows-1250",
    "cp1253": "Windows-1253",
    "cp1254": "Windows-1254",
}
"""In the order in which readings that look equally right are offered."""
_UTF_16 = {"utf-16-le": "UTF-16", "utf-16-be": "UTF-16 (BE)"}
_TWICE = "utf-8 twice"
_COMMON = {"gbk": ("gb2312", 0xB0, 0xD7), "cp932": ("cp932", 0x88, 0x97), "big5": ("big5", 0xA4, 0xC6)}
"""The first bytes of the characters in daily use, in the standards of each country."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to read a table: the encoding's name for people, its text, and the words that show the difference."""

    codec: str
    name: str
    text: str
    sample: str


def decoded(data: bytes) -> str | None:
    """The text of bytes that say their encoding (UTF-8, or UTF-16 with a byte order mark); None for others."""
    codec = "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8"
    try:
        text = data.decode(codec)
    except UnicodeDecodeError:
        return None
    return None if "\0" in text or _repaired(text) else without_marks(text)


def readings_of(data: bytes) -> list[Reading]:
    """The readings of other bytes, the likeliest first; none for what is no text."""
    found: list[tuple[float, Reading]] = []
    if b"\0" in data:
        codecs_tried = _UTF_16
    else:
        codecs_tried = _NAMES
        text = data.decode("utf-8", "ignore")
        if (repaired := _repaired(text)) is not None and text.encode() == data:
            return [_reading(_TWICE, "UTF-8 (2×)", repaired), _reading("utf-8", "UTF-8", text)]
    for codec, name in codecs_tried.items():
        try:
            text = data.decode(codec)
        except UnicodeDecodeError:
            continue
        if _is_text(text) and all(reading.text != text for _, reading in found):
            found.append((_score(codec, text), _reading(codec, name, text)))
    found.sort(key=lambda each: -each[0])  # stable: the order of `_NAMES` decides between equals
    return [reading for _, reading in found[:READINGS_MOST]]


def without_marks(text: str) -> str:
    """Without byte order marks: files that were joined have them in the middle."""
    return text.replace("\ufeff", "")


def _reading(codec: str, name: str, text: str) -> Reading:
    words = dict.fromkeys(word for word in _BETWEEN.split(text) if not word.isascii())
    sample = " ".join(words) or " ".join(text.split())
    return Reading(
        codec, name, without_marks(text), sample if len(sample) <= SAMPLE_MOST else sample[: SAMPLE_MOST - 1] + "…"
    )


def _repaired(text: str) -> str | None:
    """The text that was written as UTF-8, read as Windows-1252 and written again ("MÃ¼ller"); None for any other."""
    if text.isascii():
        return None
    try:
        repaired = text.encode("cp1252").decode()
    except UnicodeError:
        return None
    return repaired if _is_text(repaired) else None


def _is_text(text: str) -> bool:
    odd = {letter for letter in text if unicodedata.category(letter) in ("Cc", "Co", "Cn")} - set("\t\n\r")
    return not odd and any(end in text for end in ",;\t\r\n")


def _score(codec: str, text: str) -> float:
    """How much the letters beyond ASCII look like a language, from −1 to 1 a letter."""
    scores = [
        _score_of(codec, text[at - 1 : at] if at else " ", letter, text[at + 1 : at + 2] or " ")
        for at, letter in enumerate(text)
        if letter > "\x7f"
    ]
    return sum(scores) / len(scores) if scores else 1.0


def _score_of(codec: str, before: str, letter: str, after: str) -> float:
    beside_ascii = (before.isascii() and before.isalpha()) or (after.isascii() and after.isalpha())
    if unicodedata.east_asian_width(letter) in "WF":
        if beside_ascii:
            return -1.0
        return 1.0 if not _is_ideograph(letter) or _is_common(codec, letter) else -0.5
    if unicodedata.east_asian_width(letter) == "H":
        return -0.5
    if not letter.isalpha():
        inside_word = before.isalpha() and after.isalpha()
        return -1.0 if inside_word and letter not in "’‑·" else 0.6 if letter in "–—„“”‘’«»…€£°·×½§" else -0.6
    if before.isalpha() and before.islower() and letter.isupper():
        return -1.0
    cyrillic = "CYRILLIC" in unicodedata.name(letter, "")
    return -1.0 if cyrillic and beside_ascii else 1.0 if cyrillic or beside_ascii else 0.3


def _is_ideograph(letter: str) -> bool:
    return "\u3400" <= letter <= "\u9fff"


def _is_common(codec: str, letter: str) -> bool:
    standard, first, last = _COMMON.get(codec, ("gb2312", 0, 0))
    try:
        return first <= letter.encode(standard)[0] <= last
    except UnicodeEncodeError:
        return False
