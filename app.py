"""Start the studio: `python app.py`."""

import ctypes
import gc
import logging
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import NoReturn

from dreamina_ui.config.env_file import load_env_file
from dreamina_ui.config.folders import prepare_folders
from dreamina_ui.config.network import drop_unusable
from dreamina_ui.errors import DreaminaError
from dreamina_ui.masking import MaskedFormatter, know_settings, log_uncaught
from dreamina_ui.settings import Settings
from dreamina_ui.ui.quick_import import without_stubs

_M_ARENA_MAX = -8
"""From glibc's `malloc.h`."""

log = logging.getLogger("dreamina_ui")


def write_log() -> None:
    """Write what happens to jobs to stderr, a line each with the time; other libraries' warnings go there as well. Secrets are
    masked in all of it."""
    handler = logging.StreamHandler()
    handler.setFormatter(MaskedFormatter("%(asctime)s %(levelname)s %(message)s"))
    logging.getLogger().addHandler(handler)
    logging.getLogger("dreamina_ui").setLevel(logging.INFO)
    sys.excepthook = log_uncaught


def tell_of_open_key(settings: Settings) -> None:
    """Say in the log if strangers can spend the owner's money without a limit."""
    if settings.spends_without_limit:
        log.warning(
            "whoever can reach this app can make any number of videos with your key: set DREAMINA_DAILY_LIMIT, or let a proxy"
            " ask who they are"
        )


def share_one_heap() -> None:
    """Let all threads share one heap of glibc's: with one for each thread, each keeps what was freed in it."""
    with suppress(AttributeError, OSError, TypeError):  # another C library, or Windows
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def start_again(environment: Mapping[str, str]) -> NoReturn:
    """Start the program anew in this process, as it was started."""
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)  # noqa: S606  no shell is wanted


def main() -> str | None:
    environment = dict(os.environ)
    write_log()
    share_one_heap()
    try:
        load_env_file(os.environ)
        know_settings(os.environ)
        settings = Settings.from_env(os.environ)
        for fault in drop_unusable(os.environ):
            log.warning("left out: %s", fault)
        tell_of_open_key(settings)
        prepare_folders(settings.data_dir, os.environ)
        # Nothing of what is made from here to the first visitor is garbage; the studio turns the collector on again.
        gc.disable()
        # Gradio takes seconds to import: a bad setting is told before that.
        with without_stubs():
            from dreamina_ui.studio import Studio

        studio = Studio(settings)
        studio.serve()
        if studio.starts_again:
            start_again(environment)
    except DreaminaError as error:
        return f"Dreamina UI cannot start: {error}"  # to stderr, with exit code 1
    return None


if __name__ == "__main__":
    sys.exit(main())
