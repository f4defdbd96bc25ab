"""How a value names a file that was uploaded here: by its name and the digest of its bytes. Pure.

`upload:sunset.png#3f9a…` stands in a field in place of an address, in rows, links, tables and records. It says nothing of
where the file lies, and only its owner can use it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

__all__ = ["DIGITS", "NAME_MOST", "NamedFile", "by_digest", "file_named", "files_in", "is_named", "name_of"]

NAME_MOST = 80
"""Characters of a file's name."""
DIGITS = 32
"""Hexadecimal digits of the SHA-256 of its bytes: 128 bits."""
_NAMED = re.compile(r"upload:([^\s#/\\]{1,480})#([0-9a-f]{32})")
_BETWEEN = re.compile(r"[%#\s]")


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A file that was uploaded: what it was called, and the first digits of its bytes' SHA-256."""

    name: str
    digest: str

    @property
    def text(self) -> str:
        """What stands in a field."""
        return f"upload:{_BETWEEN.sub(lambda found: quote(found[0], safe=''), self.name)}#{self.digest}"


def file_named(value: Any) -> NamedFile | None:
    """The file that a value names, or None."""
    found = _NAMED.fullmatch(value) if isinstance(value, str) else None
    if not found or not value.isprintable():
        return None
    name = unquote(found[1])
    return NamedFile(name, found[2]) if name_of(name) == name else None


def is_named(value: Any) -> bool:
    return file_named(value) is not None


def files_in(value: Any) -> Iterator[NamedFile]:
    """The files that a value names, itself or in its parts."""
    if isinstance(value, Mapping | list):
        for each in value.values() if isinstance(value, Mapping) else value:
            yield from files_in(each)
    elif (named := file_named(value)) is not None:
        yield named


def by_digest(value: Any) -> Any:
    """The value with each file that it names as the file's digest alone."""
    if isinstance(value, Mapping):
        return {key: by_digest(each) for key, each in value.items()}
    if isinstance(value, list):
        return [by_digest(each) for each in value]
    named = file_named(value)
    return value if named is None else ("file", named.digest)


def name_of(path: str) -> str:
    """What a file is called, of a name or a path from anywhere: one line, no folders, not too long."""
    name = re.split(r"[/\\]", path)[-1]
    name = "".join(letter for letter in name if letter.isprintable()).strip()
    if len(name) > NAME_MOST:
        stem, dot, ending = name.rpartition(".")
        ending = dot + ending if stem and len(ending) <= 8 else ""
        name = name[: NAME_MOST - len(ending) - 1] + "…" + ending
    return name or "file"
