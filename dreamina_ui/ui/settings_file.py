"""The settings inside a video that somebody hands in: read where a hostile file can do no harm.

A file from outside may be made to keep its reader busy for hours, or to take all memory. So it is read in a process of its
own, with little time and little memory, and only what that process writes is looked at.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from dreamina_ui.model_card import Card
from dreamina_ui.reading import faults_of

__all__ = ["SETTINGS_PROBLEMS", "settings_of"]

SETTINGS_PROBLEMS = ("not_a_video", "no_settings", "other_model", "invalid")
"""What a file can lack. Each has a sentence."""

SIZE_MOST = 500 * 2**20
TIME_MOST_S = 10.0
MEMORY_MOST = 2 * 2**30
ANSWER_MOST = 100_000
NOT_A_VIDEO = 3
STARTS_WITH = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT", "PYTHONDONTWRITEBYTECODE")
ROOT = Path(__file__).parents[2]

_READER = f"""
import json, sys
try:
    import resource
    resource.setrlimit(resource.RLIMIT_AS, ({MEMORY_MOST}, {MEMORY_MOST}))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
except (ImportError, OSError, ValueError):
    pass  # not a system that bounds memory, or already a stricter one
from pathlib import Path
from dreamina_ui.errors import NotAVideo
from dreamina_ui.media import read_label
try:
    found = read_label(Path(sys.argv[1]))
except (NotAVideo, OSError, MemoryError):
    sys.exit({NOT_A_VIDEO})
except RecursionError:
    found = None
print(json.dumps(found and found[0])[:{ANSWER_MOST} + 1])
"""


def settings_of(card: Card, path: Path) -> tuple[dict[str, Any], str | None]:
    """The values of a video that fit the card, by field name, and one of `SETTINGS_PROBLEMS` or None; blocks.

    Values come with `other_model` and `invalid`, too: those that this card takes all the same.
    """
    if not _looks_like_a_video(path):
        return {}, "not_a_video"
    record, problem = _read(path)
    if problem:
        return {}, problem
    settings = record.get("settings") if isinstance(record, dict) else None
    if not isinstance(settings, dict) or not settings:
        return {}, "no_settings"
    fields = {field.name: field for field in card.fields}
    known = {
        name: value
        for name, value in settings.items()
        if name in fields and (value is not None or fields[name].nullable)
    }
    faulty = {fault.field for fault in faults_of(card, known) if fault.field in known}
    values = {name: value for name, value in known.items() if name not in faulty}
    if record.get("model_id") != card.model_id:
        return values, "other_model"
    return values, "invalid" if faulty or len(known) < len(settings) else None


def _looks_like_a_video(path: Path) -> bool:
    """Whether it begins as an MP4 does: nothing else, a playlist of other files least of all, gets to a decoder."""
    try:
        with path.open("rb") as file:
            return path.stat().st_size <= SIZE_MOST and file.read(8)[4:] == b"ftyp"
    except (OSError, ValueError):
        return False


def _read(path: Path) -> tuple[Any, str | None]:
    command = [sys.executable, "-c", _READER, str(path.absolute())]
    # Of the environment only what a program needs to start: no key is given to what reads a stranger's file.
    env = {name: os.environ[name] for name in STARTS_WITH if name in os.environ} | {"PYTHONPATH": str(ROOT)}
    try:
        done = subprocess.run(command, env=env, capture_output=True, timeout=TIME_MOST_S, check=False)  # noqa: S603  our own
        if done.returncode != 0:
            return None, "not_a_video"
        return (json.loads(done.stdout), None) if len(done.stdout) <= ANSWER_MOST else (None, "no_settings")
    except (subprocess.TimeoutExpired, OSError, ValueError, RecursionError):
        return None, "not_a_video"
