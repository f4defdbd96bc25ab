"""Reads the file `.env` beside `app.py` into the environment, however an editor or a shell has written it."""

import io
import re
from collections.abc import MutableMapping
from pathlib import Path

from dotenv import dotenv_values
from dotenv.parser import parse_stream

from dreamina_ui.config.pasted import visible
from dreamina_ui.errors import SettingError
from dreamina_ui.masking import masked

__all__ = ["load_env_file"]

FOLDER = Path(__file__).parents[2]
MARKS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\x00\x00", "utf-32-le"),  # before UTF-16, whose mark is the start of this one
    (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
LINE_ENDS = re.compile("\r\n?|[\u2028\u2029\x85]")
ASSIGNMENT = re.compile(
    r"^[ \t]*(?:export[ \t]+|set[ \t]+|\$env:|-[ \t]+)?([\"']?)([A-Za-z_][A-Za-z0-9_]*)\1[ \t]*(?:=|:(?=\s|$))[ \t]*",
    re.MULTILINE,
)
"""The start of a line as a shell, a batch file, PowerShell or YAML has it."""
OURS = ("RUNCOMFY_", "DREAMINA_", "GRADIO_")
SWITCHED_OFF = frozenset({"1", "true", "t", "yes", "y"})
"""The values of PYTHON_DOTENV_DISABLED that mean yes."""


def load_env_file(environ: MutableMapping[str, str], folder: Path = FOLDER) -> None:
    """Set what the file `.env` in `folder` says, except where `environ` already has a value.

    The folder is the program's own: where the program was started from does not matter. Raises `SettingError` if the file
    cannot be read, or holds a line that is no setting: a key that is missed would mean another service than was meant.
    """
    if environ.get("PYTHON_DOTENV_DISABLED", "").strip().casefold() in SWITCHED_OFF:
        return
    path = folder / ".env"
    if not path.exists():
        if (folder / ".env.txt").exists():  # what Notepad makes of the name
            raise SettingError(".env", ".env.txt", "the name .env, without .txt")
        return
    if path.is_dir():  # what Docker makes of a file that it cannot find
        raise SettingError(".env", "a folder", "a text file")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SettingError(".env", "unreadable", f"a file that this user may read ({error.strerror})") from error
    for name, value in _values(_text(content)).items():
        if not environ.get(name, "").strip():  # an empty value counts as not set
            environ[name] = value


def _text(content: bytes) -> str:
    for mark, encoding in MARKS:
        if content.startswith(mark):
            return _decoded(content[len(mark) :], encoding)
    if b"\x00" in content:
        # UTF-16 without a mark: every second byte of a name and of a key is 0.
        return _decoded(content, "utf-16-le" if content[1::2].count(0) > content[::2].count(0) else "utf-16-be")
    try:
        return content.decode()
    except UnicodeDecodeError:
        return _decoded(content, "cp1252")


def _decoded(content: bytes, encoding: str) -> str:
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        text = "\x00"
    if "\x00" in text:
        raise SettingError(".env", "text in an unknown encoding", "text saved as UTF-8")
    return text


def _values(text: str) -> dict[str, str]:
    text = visible(LINE_ENDS.sub("\n", text)).replace("\xa0", " ")
    text = ASSIGNMENT.sub(lambda found: f"{_name(found[2])}=", text)
    kept = []
    for binding in parse_stream(io.StringIO(text)):
        written = binding.original.string
        if binding.key is None and not binding.error:
            continue  # a comment, or an empty line
        if binding.error or binding.value is None or not re.fullmatch(r"\w+", binding.key or ""):
            empty = len(written) - len(written.lstrip())
            line = binding.original.line + written[:empty].count("\n")
            raise SettingError(f".env, line {line}", masked(written.strip()), "NAME=value, or a comment after #")
        if binding.value:  # an empty value does not take away one that stands elsewhere in the file
            kept.append(written.rstrip("\n") + "\n")
    return {name: value for name, value in dotenv_values(stream=io.StringIO("".join(kept))).items() if value}


def _name(name: str) -> str:
    """The name of a setting in upper case: on Windows both are the same."""
    return name.upper() if name.upper().startswith(OURS) else name
