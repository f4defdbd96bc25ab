"""Where the program and its libraries may write: the data folder, and nothing else that has to be there."""

import os
import tempfile
from collections.abc import MutableMapping
from pathlib import Path

from dreamina_ui.errors import SettingError

__all__ = ["flush_folder", "make_folder", "prepare_folders"]


def prepare_folders(data_dir: Path, environ: MutableMapping[str, str]) -> None:
    """Make the data folder, and lead Gradio's files there, and temporary files where the machine has no folder for them.

    To be called before Gradio is imported, which reads `GRADIO_TEMP_DIR` then. Raises `SettingError` if a folder cannot be
    written to.
    """
    make_folder("DREAMINA_DATA_DIR", data_dir)
    # By itself Gradio takes one folder for all users of a machine, which belongs to the first of them.
    uploads = environ.get("GRADIO_TEMP_DIR", "").strip()
    make_folder("GRADIO_TEMP_DIR", Path(uploads) if uploads else data_dir / "gradio")
    environ["GRADIO_TEMP_DIR"] = uploads or str(data_dir / "gradio")
    if not _has_temporary_folder():
        make_folder("DREAMINA_DATA_DIR", data_dir / "temporary")
        environ["TMPDIR"] = tempfile.tempdir = str(data_dir / "temporary")  # for SQLite and the renderer, too


def make_folder(setting: str, folder: Path) -> None:
    """Make a folder unless it is there, and write to it. Raises `SettingError`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise SettingError(setting, str(folder), f"a folder that can be written to ({error.strerror})") from error


def flush_folder(folder: Path) -> None:
    """Make new names in the folder durable, as a file's `fsync` does not; Windows neither needs nor allows this. Blocks."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _has_temporary_folder() -> bool:
    """Whether there is one beside the working directory, which Python would take as the last resort."""
    try:
        return Path(tempfile.gettempdir()) != Path.cwd()
    except OSError:
        return False
