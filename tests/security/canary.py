"""A key that is found again wherever it has got to, whole, in part, or in another coat."""

import base64
import io
import secrets
import zipfile
from pathlib import Path
from urllib.parse import quote

__all__ = ["PART", "Canary", "files_under"]

PART = 12
"""Characters in a row that are found wherever in the key they stand."""


class Canary:
    def __init__(self, kind: str) -> None:
        self.key = f"rc-{kind}-{secrets.token_hex(16)}"
        self._forms = _forms(self.key)

    def found_in(self, places: dict[str, bytes]) -> list[str]:
        """Where it is, and in which form."""
        return [f"{place}: {form}" for place, data in places.items() for form, needle in self._forms if needle in data]


def _forms(key: str) -> list[tuple[str, bytes]]:
    plain = key.encode()
    parts = [(f"characters {at} on", plain[at : at + PART]) for at in range(len(plain) - PART + 1)]
    coats = [
        ("reversed", plain[::-1]),
        ("hex", plain.hex().encode()),
        ("percent-encoded", quote(key, safe="").replace("-", "%2D").encode()),
        ("percent-encoded throughout", "".join(f"%{byte:02X}" for byte in plain).encode()),
        ("UTF-16", key.encode("utf-16-le")),
    ]
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for before in range(3):  # in Base64 it looks different after one or two other bytes
            coded = encode(b"\0" * before + plain)
            coats.append((f"Base64 after {before}", coded[(0, 2, 3)[before] : -4]))
    return [*parts, *coats]


def files_under(folder: Path) -> dict[str, bytes]:
    """Every file in there, by its path; archives also opened."""
    found = {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    for path, data in list(found.items()):
        if zipfile.is_zipfile(io.BytesIO(data)):
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                found |= {f"{path}!{name}": archive.read(name) for name in archive.namelist()}
    return found
