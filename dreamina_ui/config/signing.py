"""The secret that signs cookies and seals records: the setting's, or one that the first start makes in the data folder."""

import os
import secrets
import time
from contextlib import suppress
from pathlib import Path

from filelock import FileLock

from dreamina_ui.config.folders import flush_folder
from dreamina_ui.errors import SettingError

__all__ = ["SECRET_LEAST", "signing_secret"]

SECRET_LEAST = 32
"""Characters. Whoever guesses the secret is every visitor."""
_NAME = "secret"
_LEFT_OVER_S = 3600.0
"""Older unfinished files were left by a start that was killed."""


def signing_secret(folder: Path, setting: str | None) -> str:
    """The secret of the setting, or the one in `folder`, which the first call makes, readable only by its owner; blocks.

    The file is whole or absent, whenever the process is killed; of two first starts at once, both get the same one. Raises
    `SettingError` if the file cannot be used.
    """
    if setting:
        return setting
    path = folder / _NAME
    try:
        if not os.path.lexists(path):
            _make(path)
        held = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise SettingError(
            str(path), "a file that cannot be read", f"the secret that was made here ({reason})"
        ) from error
    if len(held) < SECRET_LEAST:
        # Its characters are not shown: they may be the beginning of the secret.
        found = f"a file of {len(held)} characters" if held else "an empty file"
        way_out = (
            f"{SECRET_LEAST} characters or more. Put the file back from a copy, or delete it: the next start then makes "
            "another, and every visitor begins anew"
        )
        raise SettingError(str(path), found, way_out)
    return held


def _make(path: Path) -> None:
    """Write a new secret under another name, flush it, and give it its name, unless that is taken meanwhile."""
    _remove_left_over(path)
    part = path.with_name(f".{_NAME}.{secrets.token_hex(8)}.part")
    try:
        with open(part, "x", encoding="ascii", opener=_owner_only) as file:
            file.write(secrets.token_hex(32))
            file.flush()
            os.fsync(file.fileno())
        _link(part, path)
        flush_folder(path.parent)
    finally:
        part.unlink(missing_ok=True)


def _link(part: Path, path: Path) -> None:
    try:
        os.link(part, path)
    except FileExistsError:
        return  # another first start was quicker: its secret is everybody's
    except OSError:
        # A file system without hard links, such as a mounted bucket. The system releases the lock when a process ends.
        with FileLock(path.with_name(f".{_NAME}.lock")):
            if not os.path.lexists(path):
                part.replace(path)


def _remove_left_over(path: Path) -> None:
    for part in path.parent.glob(f".{_NAME}.*.part"):
        with suppress(OSError):  # another start has removed it
            if time.time() - part.stat().st_mtime > _LEFT_OVER_S:
                part.unlink()


def _owner_only(path: str, flags: int) -> int:
    return os.open(path, flags, mode=0o600)
