"""What kind a file is, by its bytes and by its name."""

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from dreamina_ui.media.kinds import FILE, HEAD_BYTES, KINDS, Family, is_web_page, kind_named, kind_of, sound_of
from tests.media.files import FILES, make

SELDOM = {
    "3gp": ".3gp",
    "mkv": ".mkv",
    "mkv-sound-only": ".mkv",
    "avi": ".avi",
    "ts": ".ts",
    "mpg": ".mpg",
    "flv": ".flv",
    "wmv": ".wmv",
    "wma": ".wmv",
    "ogv": ".ogv",
    "heic": ".image.heic",
    "jxl": ".image.jxl",
    "avif": ".image.avif",
    "bmp": ".image.bmp",
    "tiff": ".image.tiff",
    "polyglot": ".image.jpg",
    "flac": ".flac",
    "ogg": ".ogg",
    "opus": ".opus",
    "aac": ".aac",
    "aiff": ".aiff",
    "zip": ".zip",
    "gz": ".gz",
    "pdf": ".pdf",
    "glb": ".glb",
}
FAMILIES = {
    "mp4": ".mp4",
    "mov": ".mov",
    "webm": ".webm",
    "m4a": ".m4a",
    "mp3": ".mp3",
    "wav": ".wav",
    "png": ".image.png",
    "apng": ".image.png",
    "jpeg": ".image.jpg",
    "webp": ".image.webp",
    "gif": ".image.gif",
    "svg": ".bin",
    "html": ".bin",
    "json": ".bin",
    "playlist": ".bin",
    "text": ".bin",
    "empty": ".bin",
}


def ending_of(name: str) -> str:
    return SELDOM[name] if name in SELDOM else FAMILIES[name.split("-")[0]]


@pytest.mark.parametrize("name", FILES)
def test_file_is_told_by_its_bytes(name: str, sample: Callable[[str], Path]) -> None:
    """Of every file that can be made here, only its first bytes are looked at."""
    kind = kind_of(sample(name).read_bytes()[:HEAD_BYTES])
    assert kind.ending == ending_of(name)
    assert kind_named(f"0123-2{kind.ending}") is kind


def test_table_is_sound() -> None:
    """No two kinds share an ending; pictures cannot be taken for a poster; what is only downloaded has one type."""
    assert len({kind.ending for kind in KINDS}) == len(KINDS)
    for kind in KINDS:
        assert kind.ending.startswith(".image.") == (kind.family is Family.PICTURE)
        assert (kind.media_type == "application/octet-stream") == (kind.family is Family.FILE)
        assert (kind.demuxer is not None) == (kind.family in (Family.VIDEO, Family.SOUND))
        assert not (kind.inline and kind.family is Family.FILE)
        assert kind_named(f"x{kind.ending.upper()}") is kind
        assert sound_of(kind).family is not Family.VIDEO or sound_of(kind) is kind
    assert KINDS[-1] is FILE


@pytest.mark.parametrize("name", ["", "mp4", "a.webp", "a.png", "a.svg", "a.image.png.part", "a.html"])
def test_other_names_are_files(name: str) -> None:
    """A poster is not a picture, and a file that is not finished is none."""
    assert kind_named(name) is FILE


def test_random_bytes_are_files() -> None:
    """Bytes that mean nothing are seldom taken for something, although some formats have no more than a sync word."""
    source = random.Random(7)
    beginnings = [source.randbytes(HEAD_BYTES) for _ in range(3000)]
    # A sync word of 11 bits and a plausible header would fit one in 4000; what follows the frame has to fit, too.
    beginnings += [b"\xff\xfb\x90\x64" + source.randbytes(2000) for _ in range(1000)]
    beginnings += [b"\xff\xf1\x50\x80\x04\x3f\xfc" + source.randbytes(2000) for _ in range(1000)]
    assert {kind_of(beginning).ending for beginning in beginnings} == {".bin"}


@pytest.mark.parametrize(
    "text",
    [
        b"BMW is a car, and this is a text about it.",
        b"The free movie",
        b"say ftypisom and nothing more",
        b"ID2 is not a tag",
        b"GGGG" * 200,
        b"RIFFraff is a word",
        b"OggS",
        b"OggS" + b"\xff" * 40,
        b"\x1a\x45\xdf\xa3",
        b"\x1a\x45\xdf\xa3\x01" + b"\xff" * 7 + b"\x42\x82\x84html",
        b"FORMula",
        b"\xff\xfb\x90\x64",
        b"PK is short",
        b"glT",
    ],
)
def test_words_are_not_signatures(text: bytes) -> None:
    """A text that begins like a file is a text; what ends in the middle of its header is something, and no error."""
    assert kind_of(text).family in (Family.FILE, Family.VIDEO)
    if text.isascii():
        assert kind_of(text) is FILE


def test_any_first_bytes_give_a_kind(sample: Callable[[str], Path]) -> None:
    """However few bytes there are, and whatever is wrong with one of them, a kind comes out."""
    source = random.Random(3)
    for name in FILES:
        beginning = sample(name).read_bytes()[:400]
        for length in range(len(beginning)):
            assert kind_of(beginning[:length]) in KINDS
        for _ in range(60):
            bent = bytearray(beginning or b"\0")
            bent[source.randrange(len(bent))] ^= 1 << source.randrange(8)
            assert kind_of(bytes(bent)) in KINDS


@pytest.mark.parametrize(
    ("beginning", "expected"),
    [
        (b"<!DOCTYPE html><html>", True),
        (b"\xef\xbb\xbf \r\n<!-- a -->\n<!-- b --><HTML lang=en>", True),
        ("\ufeff<!doctype HTML>".encode("utf-16-le"), True),
        ("\ufeff<html>".encode("utf-16-be"), True),
        (b'<?xml version="1.0"?><!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN">', True),
        (b"<head><title>404", True),
        (b"<html", True),
        (b"<!-- never closed <html>", False),
        (b'<?xml version="1.0"?><svg><html/></svg>', False),
        (b"<svg><!-- <html> --></svg>", False),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', False),
        (b"<htmlish>", False),
        (b"html", False),
        (b"", False),
        (b"<", False),
        (b"<!--" * 4000, False),
    ],
)
def test_web_page_is_told(beginning: bytes, expected: bool) -> None:
    """A page is told whatever comes before its first tag; no other file with tags in it is taken for one."""
    assert is_web_page(beginning) is expected


def test_files_are_no_web_pages(sample: Callable[[str], Path]) -> None:
    """Of all files, one is a page."""
    assert [name for name in FILES if is_web_page(sample(name).read_bytes()[:HEAD_BYTES])] == ["html"]


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="this system has no such call")
@pytest.mark.parametrize("name", ["mp4-av1", "webm-av1"])
def test_making_a_file_leaves_the_scheduling(name: str, tmp_path: Path) -> None:
    """An encoder that takes real-time priority does not keep it: servers started later would inherit it."""
    before = os.sched_getscheduler(0), os.sched_getparam(0).sched_priority
    make(name, tmp_path / "file")
    assert (os.sched_getscheduler(0), os.sched_getparam(0).sched_priority) == before
