"""The files that visitors upload for a model: kept in a folder, each its visitor's, and sent in the place of their names.

A value names such a file (`cards/media/file_names.py`); rows, links and records never hold more. With a public address of the
app it is sent as an address where the service can fetch it, and else as a data URI.

A file's name in the folder is a keyed digest of its bytes: the same bytes are one file, and whoever has a copy cannot tell
whether it is here. An empty file beside it, which all replicas see, marks each visitor who has uploaded it; a visitor with a job
that names it has it, too. Another mark names the address that it came from, since a limit by visitor alone ends with a new
cookie. A file that no job names is removed a week after its last use.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import os
import re
import secrets
import shutil
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from dreamina_ui.cards.media.file_names import DIGITS, NamedFile, file_named, files_in, name_of
from dreamina_ui.cards.media.media_rules import Measures, MediaRule, broken, largest_size
from dreamina_ui.cards.problems import shown
from dreamina_ui.cards.schema.fields import Field
from dreamina_ui.errors import InputGone, InvalidInput
from dreamina_ui.media import kinds
from dreamina_ui.media.kinds import HEAD_BYTES, Family, Kind, kind_of
from dreamina_ui.media.pictures import Limits
from dreamina_ui.media.reading import Busy, Stopped, UploadedFiles

__all__ = ["INPUTS", "SIZE_MOST", "Added", "InputFiles", "InputLimits"]

SENT = (kinds.PNG, kinds.JPEG, kinds.MP4, kinds.MOV, kinds.WEBM, kinds.WAV, kinds.MP3, kinds.M4A)
"""Kinds that models take."""
INPUTS = (*SENT, kinds.WEBP, kinds.GIF, kinds.BMP, kinds.TIFF, kinds.AVIF)
"""Kinds that may be uploaded: the other pictures become PNG or JPEG."""
SIZE_MOST = 64 * 2**20
"""Bytes of a file that may be uploaded."""
DATA_MOST: Mapping[Family, int] = {Family.PICTURE: 6 * 2**20, Family.VIDEO: 32 * 2**20, Family.SOUND: 16 * 2**20}
"""Bytes of a file that is sent as a data URI, as the vendor's own programs send it."""
PIXELS_MOST = 32_000_000
PUBLIC_PICTURE_MOST = 50_000_000
"""Bytes of a picture that the service fetches."""
BODY_MOST = 64 * 2**20
"""Bytes of a body."""
MAX_AGE_S = 7 * 86_400.0
KNOWN_MOST = 1000
_FAMILIES = {"image": Family.PICTURE, "video": Family.VIDEO, "audio": Family.SOUND}
_MARK = re.compile(r"\.([0-9a-f]{32}\.[a-z0-9]+)@([0-9a-f]{16})")
"""A file's name, and whose it is: a visitor's, or an address's."""
_UNLIMITED = 10**9
_DATA = re.compile(r"data:[\w.+-]*/?[\w.+-]*(?:;[\w.+=-]*)*;base64,([A-Za-z0-9+/=]+)", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class InputLimits:
    """What may lie in the folder: bytes and files of all visitors, of each, and from one address of the open net."""

    size: int = 4 * 2**30
    size_each: int = 2**30
    size_address: int = 2 * 2**30
    files: int = 4_000
    files_each: int = 200
    files_address: int = 1_000


@dataclass(frozen=True, slots=True)
class Added:
    """A file that was uploaded: its name for a field, and what was changed in it, of `pictures.NOTES`."""

    named: NamedFile
    kind: Kind
    measures: Measures
    notes: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return self.named.text


@dataclass(slots=True)
class _Held:
    """The sizes of the files in the folder by name, and the names by whose mark they have."""

    sizes: dict[str, int] = field(default_factory=dict)
    marked: dict[str, set[str]] = field(default_factory=dict)

    def has_room(self, name: str, size: int, mark: str, *, files_most: int, size_most: int) -> bool:
        """Whether one more file of this name fits into the share of whoever has the mark; their own takes no more."""
        own = self.marked.get(mark, set()) & self.sizes.keys()
        held = sum(self.sizes[each] for each in own)
        return name in own or (len(own) < files_most and held + size <= size_most)


async def _no_job(visitor_id: str, digest: str) -> bool:
    return False


class InputFiles:
    """Keeps files in `folder`; `secret` makes their names. `url` is the public address of the app, without a slash at its end.

    `has_job` tells whether a visitor has a job that names the file of this digest.
    """

    def __init__(
        self,
        folder: Path,
        *,
        secret: str,
        url: str | None = None,
        limits: InputLimits | None = None,
        has_job: Callable[[str, str], Awaitable[bool]] = _no_job,
        reader: UploadedFiles | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.folder = folder
        self._url = url
        self._secret = secret.encode()
        self._limits = limits or InputLimits()
        self._has_job = has_job
        self._reader = reader or UploadedFiles()
        self._one_by_one = threading.Lock()
        self._now = now
        self._known: dict[str, tuple[Kind, Measures]] = {}

    @property
    def is_public(self) -> bool:
        """Whether the service can fetch files here."""
        return self._url is not None

    async def add(
        self, path: Path, visitor_id: str, wanted: Field, *, name: str | None = None, address: str = ""
    ) -> Added:
        """Keep a visitor's file for a field; a picture that cannot be sent as it is, as one that can.

        `address` is the one of the open net that it came from, if any. Raises `InvalidInput` for a
        file that the field does not take, and where there is no room.
        """
        try:
            async with self._part() as part:
                with _reading(wanted):
                    return await self._add(path, part, visitor_id, address, wanted, name_of(name or path.name))
        except OSError as error:
            raise InvalidInput(wanted.name, "file_failed", f"{wanted.name}: {error.strerror}") from error

    async def add_data(self, uri: str, visitor_id: str, wanted: Field, *, address: str = "") -> Added:
        """Keep the file of a data URI. Raises as `add`."""
        found = _DATA.fullmatch(uri)
        try:
            content = base64.b64decode(found[1], validate=True) if found else b""
        except binascii.Error:
            content = b""
        if not content:
            raise InvalidInput(wanted.name, "not_data", f"{wanted.name}: no file in base64", given=shown(uri))
        async with self._part() as part:
            await asyncio.to_thread(part.write_bytes, content)
            name = wanted.name + kind_of(content[:HEAD_BYTES]).plain_ending
            return await self.add(part, visitor_id, wanted, name=name, address=address)

    async def add_frame(
        self,
        video: Path,
        kind: Kind,
        at_s: float | None,
        visitor_id: str,
        wanted: Field,
        *,
        name: str,
        address: str = "",
    ) -> Added:
        """Keep the frame of a video that is shown at `at_s` seconds; with None its last good one. Raises as `add`."""
        try:
            async with self._part() as part:
                with _reading(wanted):
                    if not await self._reader.frame(visitor_id, video, kind, at_s, part):
                        raise _unreadable(wanted, "no frame")
                return await self.add(part, visitor_id, wanted, name=name, address=address)
        except OSError as error:
            raise _unreadable(wanted, str(error)) from None

    @asynccontextmanager
    async def _part(self) -> AsyncIterator[Path]:
        """A place in the folder for a file that is being made; nothing is left there."""
        await asyncio.to_thread(self.folder.mkdir, parents=True, exist_ok=True)
        part = self.folder / f".{secrets.token_hex(8)}.part"
        try:
            yield part
        finally:
            await asyncio.to_thread(part.unlink, missing_ok=True)

    async def _add(self, path: Path, part: Path, visitor_id: str, address: str, wanted: Field, name: str) -> Added:
        kind, size = await asyncio.to_thread(_kind_and_size, path)
        if size > SIZE_MOST:
            facts = {"given": _mb(size), "limit": _mb(SIZE_MOST)}
            raise InvalidInput(wanted.name, "file_size", f"{wanted.name}: the file is too big", **facts)
        if kind not in INPUTS:
            raise InvalidInput(
                wanted.name, "file_kind", f"{wanted.name}: no picture, video or sound", given=shown(name)
            )
        _check_family(wanted, kind, name)
        notes: tuple[str, ...] = ()
        source = path
        if kind.family is Family.PICTURE:
            picture = await self._reader.picture(visitor_id, path, kind, part, self._limits_of(wanted.rules))
            if picture.problem:
                raise _unreadable(wanted, picture.problem)
            kind, notes = picture.kind, picture.notes
            source = part if picture.is_new else path
            size = (await asyncio.to_thread(source.stat)).st_size
            measures = Measures(size, picture.width, picture.height)
            name = _renamed(name, kind)
        else:
            found = await self._reader.facts(visitor_id, path, kind)
            if found.problem or found.kind is not kind:
                raise _unreadable(wanted, found.problem or found.kind.name)
            measures = Measures(size, found.width, found.height, found.duration_s)
        self._check(wanted, kind, measures)
        digest = await asyncio.to_thread(self._keep, source, kind, visitor_id, address, wanted)
        self._remember(digest, kind, measures)
        return Added(NamedFile(name, digest), kind, measures, notes)

    async def check(self, visitor_id: str, payload: Mapping[str, Any], fields: Collection[Field]) -> None:
        """Check the files that a payload names: that they are here and the visitor's, and are what their fields take.

        They are kept for another week. Raises `InvalidInput`.
        """
        by_name = {each.name: each for each in fields}
        size = 0
        for name, value in payload.items():
            for named in files_in(value):
                wanted = by_name[name]
                kind, measures = await self._owned(visitor_id, named, wanted)
                if wanted.media is not None:
                    _check_family(wanted, kind, named.name)
                    self._check(wanted, kind, measures)
                size += 0 if self.is_public else -(-measures.size // 3) * 4
                if size > BODY_MOST - 2**16:
                    facts = {"given": _mb(size), "limit": _mb(BODY_MOST)}
                    raise InvalidInput(name, "body_most", f"{name}: too much for one request", **facts)

    async def is_of(self, visitor_id: str, digest: str) -> Path | None:
        """Where the visitor's file of this digest lies; None if there is none, or it is not the visitor's."""
        path = await asyncio.to_thread(self._found, digest)
        if path is None:
            return None
        mark = self._mark(path.name, self._mark_of(visitor_id))
        is_own = await asyncio.to_thread(mark.exists) or await self._has_job(visitor_id, digest)
        return path if is_own else None

    async def sendable(self, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        """The payload with each file's address, or its bytes as a data URI, in the place of its name. Raises `InputGone`."""
        named = {each.digest: each for each in files_in(payload)}
        if not named:
            return payload
        return await asyncio.to_thread(self._sendable, payload, named)

    async def tidy(self, in_jobs: Collection[str]) -> int:
        """Remove the files that were not used for a week and that no job names; `in_jobs` are digests. Returns their count."""
        return await asyncio.to_thread(self._tidy, {self._name(digest) for digest in in_jobs})

    def public_path(self, name: str) -> Path | None:
        """The file that the service fetches by this name; blocks."""
        path = self.folder / name
        return path if path.suffix in {kind.plain_ending for kind in INPUTS} and path.is_file() else None

    def _sendable(self, payload: Mapping[str, Any], named: Mapping[str, NamedFile]) -> Mapping[str, Any]:
        sent = {digest: self._sent(each) for digest, each in named.items()}

        def filled(value: Any) -> Any:
            if isinstance(value, Mapping):
                return {key: filled(each) for key, each in value.items()}
            if isinstance(value, list):
                return [filled(each) for each in value]
            found = file_named(value)
            return value if found is None else sent[found.digest]

        return {key: filled(each) for key, each in payload.items()}

    def _sent(self, named: NamedFile) -> str:
        path = self._found(named.digest)
        if path is None:
            raise InputGone(named.name)
        if self._url is not None:
            return f"{self._url}/dreamina/upload/{path.name}"
        try:
            content = path.read_bytes()
        except OSError as error:
            raise InputGone(named.name) from error
        if _digest(content) != named.digest:
            raise InputGone(named.name)
        return f"data:{kind_of(content[:HEAD_BYTES]).media_type};base64,{base64.b64encode(content).decode()}"

    async def _owned(self, visitor_id: str, named: NamedFile, wanted: Field) -> tuple[Kind, Measures]:
        path = await self.is_of(visitor_id, named.digest)
        if path is None:
            raise InvalidInput(
                wanted.name, "file_gone", f"{wanted.name}: {named.name} is not here", given=shown(named.name)
            )
        await asyncio.to_thread(self._touch, path, self._mark_of(visitor_id))
        if (known := self._known.get(named.digest)) is not None:
            return known
        kind, size = await asyncio.to_thread(_kind_and_size, path)
        try:
            with _reading(wanted):
                found = await self._reader.facts(visitor_id, path, kind)
        except OSError as error:
            raise _unreadable(wanted, str(error)) from None
        self._remember(named.digest, kind, Measures(size, found.width, found.height, found.duration_s))
        return self._known[named.digest]

    def _check(self, wanted: Field, kind: Kind, measures: Measures) -> None:
        """Raises `InvalidInput` for a file that is too much for the model, or to be sent."""
        for rule, value in broken(wanted.rules, measures):
            problem = f"{rule.quantity}_{'most' if rule.is_upper else 'least'}"
            unit = 1_000_000 if rule.quantity == "bytes" else 1
            given, limit = _plain(value / unit, up=rule.is_upper), _plain(rule.bound / unit)
            message = f"{wanted.name}: {rule.quantity} {given}, {'at most' if rule.is_upper else 'at least'} {limit}"
            raise InvalidInput(wanted.name, problem, message, given=given, limit=limit)
        most = DATA_MOST[kind.family]
        if not self.is_public and measures.size > most:
            facts = {"given": _mb(measures.size), "limit": _mb(most)}
            raise InvalidInput(wanted.name, "data_most", f"{wanted.name}: too big to be sent", **facts)

    def _limits_of(self, rules: Collection[MediaRule]) -> Limits:
        """The upper limits of a picture, which it is made to fit; the rules' lower ones it has or has not."""

        def most(quantity: str, otherwise: int) -> int:
            bounds = (int(rule.bound) for rule in rules if rule.quantity == quantity and rule.is_upper)
            return max(1, min([otherwise, *bounds]))

        size = PUBLIC_PICTURE_MOST if self.is_public else DATA_MOST[Family.PICTURE]
        return Limits(
            size=max(1, min(size, largest_size(list(rules)) or size)),
            pixels=most("pixels", _UNLIMITED if self.is_public else PIXELS_MOST),
            width=most("width", _UNLIMITED),
            height=most("height", _UNLIMITED),
            long_side=most("long_side", _UNLIMITED),
            short_side=most("short_side", _UNLIMITED),
        )

    def _keep(self, source: Path, kind: Kind, visitor_id: str, address: str, wanted: Field) -> str:
        with source.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()[:DIGITS]
            size = os.fstat(file.fileno()).st_size
        name = self._name(digest) + kind.plain_ending
        limits, marks = self._limits, [self._mark_of(visitor_id)]
        shares = [(marks[0], limits.files_each, limits.size_each)]
        if address:
            marks.append(self._mark_of(address, "address"))
            shares.append((marks[1], limits.files_address, limits.size_address))
        with self._one_by_one:
            held = self._held()
            if not all(held.has_room(name, size, mark, files_most=f, size_most=s) for mark, f, s in shares):
                raise InvalidInput(wanted.name, "file_mine", f"{wanted.name}: very many files this week")
            if name not in held.sizes:
                if len(held.sizes) >= limits.files or sum(held.sizes.values()) + size > limits.size:
                    raise InvalidInput(wanted.name, "file_full", f"{wanted.name}: no room for more files")
                self._copy(source, name)
            self._touch(self.folder / name, *marks)
        return digest

    def _copy(self, path: Path, name: str) -> None:
        unfinished = self.folder / f".{name}.{secrets.token_hex(4)}.part"
        try:
            shutil.copyfile(path, unfinished)
            with unfinished.open("rb") as file:
                os.fsync(file.fileno())  # a job that names it may be written down next
            unfinished.replace(self.folder / name)
        finally:
            unfinished.unlink(missing_ok=True)

    def _touch(self, path: Path, *marks: str) -> None:
        for touched in (path, *(self._mark(path.name, mark) for mark in marks)):
            touched.touch()
            os.utime(touched, (self._now(), self._now()))

    def _mark(self, name: str, mark: str) -> Path:
        return self.folder / f".{name}@{mark}"

    def _mark_of(self, whose: str, kind: Literal["visitor", "address"] = "visitor") -> str:
        return self._keyed(f"{kind} {whose}".encode())[:16]

    def _name(self, digest: str) -> str:
        return self._keyed(b"file " + digest.encode())[:32]

    def _keyed(self, what: bytes) -> str:
        return hmac.digest(self._secret, b"public " + what, "sha256").hex()

    def _found(self, digest: str) -> Path | None:
        stem = self._name(digest)
        paths = (self.folder / (stem + kind.plain_ending) for kind in SENT)
        return next((path for path in paths if path.is_file()), None)

    def _remember(self, digest: str, kind: Kind, measures: Measures) -> None:
        self._known.pop(digest, None)
        self._known[digest] = (kind, measures)
        while len(self._known) > KNOWN_MOST:
            del self._known[next(iter(self._known))]

    def _held(self) -> _Held:
        held = _Held()
        for path in self.folder.iterdir():
            if mark := _MARK.fullmatch(path.name):
                held.marked.setdefault(mark[2], set()).add(mark[1])
            elif not path.name.startswith("."):
                with suppress(FileNotFoundError):  # another replica has deleted it
                    held.sizes[path.name] = path.stat().st_size
        return held

    def _tidy(self, needed: Collection[str]) -> int:
        removed = 0
        if not self.folder.is_dir():
            return 0
        for path in self.folder.iterdir():
            try:
                is_old = path.stat().st_mtime < self._now() - MAX_AGE_S
                # A job's file is its maker's by the job, so that the marks may go.
                if is_old and (path.name.startswith(".") or path.stem not in needed):
                    path.unlink()
                    removed += not path.name.startswith(".")
            except FileNotFoundError:
                continue  # another replica has deleted it
        return removed


@contextmanager
def _reading(wanted: Field) -> Iterator[None]:
    """A file that is not read is a fault of the field: it may be read later, or never."""
    try:
        yield
    except Busy:
        raise InvalidInput(wanted.name, "file_busy", f"{wanted.name}: another file is being read") from None
    except Stopped as error:
        raise _unreadable(wanted, str(error)) from None


def _kind_and_size(path: Path) -> tuple[Kind, int]:
    with path.open("rb") as file:
        return kind_of(file.read(HEAD_BYTES)), os.fstat(file.fileno()).st_size


def _check_family(wanted: Field, kind: Kind, name: str) -> None:
    family = _FAMILIES.get(wanted.media or "")
    if family is not None and kind.family is not family:
        raise InvalidInput(
            wanted.name, f"not_{wanted.media}", f"{wanted.name}: {name} is another kind of file", given=shown(name)
        )


def _unreadable(wanted: Field, reason: str) -> InvalidInput:
    return InvalidInput(
        wanted.name, "file_unreadable", f"{wanted.name}: the file cannot be read: {reason}", reason=reason
    )


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:DIGITS]


def _renamed(name: str, kind: Kind) -> str:
    """The name with the ending of what the picture has become."""
    stem, dot, ending = name.rpartition(".")
    known = (kind.plain_ending, ".jpeg") if kind is kinds.JPEG else (kind.plain_ending,)
    return name if f".{ending.lower()}" in known else f"{stem if dot else name}{kind.plain_ending}"


def _mb(size: int) -> float:
    return round(size / 2**20, 1)


def _plain(value: float, *, up: bool = False) -> int | float:
    """A number for a sentence, which does not round a value that is too large to its limit."""
    if value == int(value):
        return int(value)
    rounded = round(value, 2)
    return rounded + 0.01 if up and rounded < value and round(value, 1) == rounded else rounded
