"""Finds a key in any data: whole, in part, or encoded."""

import base64
import io
import secrets
import zipfile
from pathlib import Path
from urllib.parse import quote

__all__ = ["PART", "Canary", "files_under"]

PART = 12
"""A part of the key of this length is found, wherever in the key it begins."""


class Canary:
    def __init__(self, kind: str) -> None:
        self.key = f"rc-{kind}-{secrets.token_hex(16)}"
        self._forms = _forms(self.key)

    def found_in(self, places: dict[str, bytes]) -> list[str]:
        """The places where the key is, each with its form."""
        return [f"{place}: {form}" for place, data in places.items() for form, needle in self._forms if needle in data]


def _forms(key: str) -> list[tuple[str, bytes]]:
    plain = key.encode()
    parts = [(f"characters {at} on", plain[at : at + PART]) for at in range(len(plain) - PART + 1)]
    encodings = [
        ("reversed", plain[::-1]),
        ("hex", plain.hex().encode()),
        ("percent-encoded", quote(key, safe="").replace("-", "%2D").encode()),
        ("percent-encoded throughout", "".join(f"%{byte:02X}" for byte in plain).encode()),
        ("UTF-16", key.encode("utf-16-le")),
    ]
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for before in range(3):  # Base64 of the key differs by the number of bytes before it
            coded = encode(b"\0" * before + plain)
            encodings.append((f"Base64 after {before}", coded[(0, 2, 3)[before] : -4]))
    return [*parts, *encodings]


def files_under(folder: Path) -> dict[str, bytes]:
    """The content of every file, by its path; also of the files in zip archives."""
    found = {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    for path, data in list(found.items()):
        if zipfile.is_zipfile(io.BytesIO(data)):
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                found |= {f"{path}!{name}": archive.read(name) for name in archive.namelist()}
    return found
