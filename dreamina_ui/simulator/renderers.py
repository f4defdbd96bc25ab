"""Renderers: one that draws the video in a process of its own, and one that serves a ready-made clip."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

__all__ = ["QuickRenderer", "RenderError", "RenderJob", "Renderer", "SubprocessRenderer"]

_TAIL = 500
"""Characters from the end of a failed renderer's stderr that become its error."""


class RenderError(Exception):
    """The renderer could not make the video; the message becomes the failed result's `error`."""


@dataclass(frozen=True, slots=True)
class RenderJob:
    """A renderer's input: sizes in pixels; the seed is not negative."""

    request_id: str
    prompt: str
    width: int
    height: int
    frames: int
    frames_per_second: int
    seed: int


class Renderer(Protocol):
    """Makes the video of `job` at `path` (absolute, ending in `.mp4`), or raises `RenderError`."""

    async def __call__(self, job: RenderJob, path: Path) -> None: ...


@dataclass(frozen=True, slots=True)
class SubprocessRenderer:
    """Writes the job as one JSON object to the stdin of `command`; exit code 0 and a file at `path` mean success.

    A process can be killed, and keeps the memory and CPU of rendering out of the service.
    """

    command: Sequence[str] = (sys.executable, "-m", "dreamina_ui.simulator.render")

    async def __call__(self, job: RenderJob, path: Path) -> None:
        message = {**asdict(job), "path": str(path)}
        del message["request_id"]
        process = await asyncio.create_subprocess_exec(
            *self.command, stdin=PIPE, stdout=DEVNULL, stderr=PIPE, env=_environment()
        )
        try:
            _, stderr = await process.communicate(json.dumps(message).encode())
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode != 0:
            tail = stderr.decode(errors="replace").strip()[-_TAIL:]
            raise RenderError(tail or f"The renderer ended with exit code {process.returncode}.")


@dataclass(frozen=True, slots=True)
class QuickRenderer:
    """Waits `duration_s` seconds (a number, or a callable that returns one), then puts `clip` at `path`."""

    duration_s: float | Callable[[], float]
    clip: Path
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def __call__(self, job: RenderJob, path: Path) -> None:
        await self.sleep(self.duration_s() if callable(self.duration_s) else self.duration_s)
        try:
            os.link(self.clip, path)
        except OSError:  # another file system, or one without hard links
            await asyncio.to_thread(shutil.copyfile, self.clip, path)


def _environment() -> dict[str, str]:
    # Lets the process import this package even if it is not installed.
    folders = [str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, folders))}
