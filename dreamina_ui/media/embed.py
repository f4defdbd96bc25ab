"""The record of a job inside its file, as the comment that players show. All else in the file stays as it was.

What is written is bytes of our own; no library knows the formats here, and of a file, nothing is decoded. Both functions block.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from dreamina_ui.media.comments.edits import Edit, Odd, Source, copy_edited
from dreamina_ui.media.comments.movie import edits_of_movie, movie_comments
from dreamina_ui.media.comments.mp3 import edits_of_mp3, mp3_comments
from dreamina_ui.media.comments.pictures import edits_of_jpeg, edits_of_png, jpeg_comments, png_comments
from dreamina_ui.media.kinds import HEAD_BYTES, JPEG, M4A, MOBILE, MOV, MP3, MP4, PNG, Kind, kind_of

__all__ = ["embed_record", "read_record", "read_record_alone"]

APP = "dreamina-ui"
RECORD_MOST = 2**20
"""Bytes of a record."""
TITLE_MOST = 200
REPLACED_MOST = 2000
"""Letters of a comment that a record can take in. A longer one may be all that a file was made from, and is not to be cut."""
STEPS_TO_READ = 5_000
STEPS_TO_WRITE = 50_000
"""Parts of a file. A minute of video in fragments of one frame has about 20 000."""
MOVIES = (MP4, MOV, M4A, MOBILE)
READERS: Mapping[Kind, Callable[[Source], Iterator[str]]] = {
    **dict.fromkeys(MOVIES, movie_comments),
    PNG: png_comments,
    JPEG: jpeg_comments,
    MP3: mp3_comments,
}


def embed_record(source: Path, target: Path, kind: Kind, record: Mapping[str, Any]) -> bool:
    """Write `target`: the file `source`, of this `kind`, with `record` as its comment. Gives False where that is impossible.

    The prompt becomes the title of what has none. A comment that the file has already becomes the record's "replaced_comment"; a
    record of ours is replaced. No target is written where this kind or this file takes no record: one that is signed, that is
    not as its format has it, that has a long comment, or something that would break. Raises OSError of the disk.
    """
    if kind not in READERS:
        return False
    with source.open("rb") as file:
        try:
            edits = _edits(Source(file, STEPS_TO_WRITE), kind, record)
        except Odd:
            return False
        copy_edited(file, target, edits)
    return True


def read_record(path: Path) -> dict[str, Any] | None:
    """The record that a file carries, whichever program has copied it since; None if it carries none. Raises OSError."""
    with path.open("rb") as file:
        return _read(file)


def read_record_alone(path: Path, most: int = RECORD_MOST) -> dict[str, Any] | None:
    """The record in a file of its own, of at most `most` bytes, as it lies beside a file that carries none. Raises OSError."""
    if path.stat().st_size > most:
        return None
    content = path.read_bytes()
    if not content.lstrip().startswith(b"{"):
        return None
    return _ours_in(content)


def _read(file: BinaryIO) -> dict[str, Any] | None:
    reader = READERS.get(kind_of(file.read(HEAD_BYTES)))
    if reader is None:
        return None
    try:
        for comment in reader(Source(file, STEPS_TO_READ)):
            record = _record_in(comment)
            if record is not None:
                return record
    except Odd:
        pass
    return None


def _edits(source: Source, kind: Kind, record: Mapping[str, Any]) -> list[Edit]:
    def compose(comments: Sequence[str]) -> str:
        return _composed(record, comments)

    if kind is PNG:
        return edits_of_png(source, _is_ours, compose([]))
    if kind is JPEG:
        return edits_of_jpeg(source, _is_ours, compose([]))
    settings = record.get("settings")
    prompt = settings.get("prompt", "") if isinstance(settings, Mapping) else ""
    title = str(prompt)[:TITLE_MOST]
    if kind is MP3:
        return edits_of_mp3(source, compose, title)
    return edits_of_movie(source, compose, title)


def _composed(record: Mapping[str, Any], comments: Sequence[str]) -> str:
    """The record's JSON, with the comments that it replaces. Raises `Odd` if that is too long, or is no Unicode."""
    composed = dict(record)
    formers = [_record_in(comment) or {"replaced_comment": comment} for comment in comments]
    replaced: list[str] = []
    for text in (former.get("replaced_comment") for former in (record, *formers)):
        if isinstance(text, str) and text.strip() and text not in replaced:
            replaced.append(text)
    if replaced:
        composed["replaced_comment"] = "\n".join(replaced)
        if len(composed["replaced_comment"]) > REPLACED_MOST:
            raise Odd("a long comment")
    text = json.dumps(composed, ensure_ascii=False)
    try:
        if len(text.encode()) > RECORD_MOST:
            raise Odd("a record that is too long")
    except UnicodeEncodeError as error:
        raise Odd("a record that is no Unicode") from error
    return text


def _record_in(comment: str) -> dict[str, Any] | None:
    if len(comment) > RECORD_MOST or APP not in comment:
        return None
    return _ours_in(comment)


def _ours_in(text: str | bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) and record.get("app") == APP else None


def _is_ours(comment: str) -> bool:
    return _record_in(comment) is not None
