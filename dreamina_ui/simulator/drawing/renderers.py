"""Renderers: one that draws the video in a process of its own, and one that serves a ready-made clip."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

__all__ = ["Fetch", "QuickRenderer", "RenderError", "RenderJob", "Renderer", "SubprocessRenderer"]

_TAIL = 500
"""Characters from the end of a failed renderer's stderr that become its error."""

Fetch = Callable[[str, Path], Awaitable[None]]
"""Puts what is found at an address into a file, or raises."""


class RenderError(Exception):
    """The renderer could not make the video; the message becomes the failed result's `error`."""


@dataclass(frozen=True, slots=True)
class RenderJob:
    """A renderer's input: sizes in pixels; the seed is not negative.

    `media` are the pictures, videos and sounds that the video is made from: paths of files, or https addresses. If it `adapts`,
    width and height only say how many pixels it has, and its shape is that of the first picture.
    """

    request_id: str
    prompt: str
    width: int
    height: int
    frames: int
    frames_per_second: int
    seed: int
    media: Sequence[str] = ()
    adapts: bool = False
    has_sound: bool = False


class Renderer(Protocol):
    """Makes the video of `job` at `path` (absolute, ending in `.mp4`), or raises `RenderError`."""

    async def __call__(self, job: RenderJob, path: Path) -> None: ...


@dataclass(frozen=True, slots=True)
class SubprocessRenderer:
    """Writes the job as one JSON object to the stdin of `command`; exit code 0 and a file at `path` mean success.

    A process can be killed, and keeps the memory and CPU of rendering out of the service. What is found at the addresses of the
    job's media is put into files by `fetch`; without it, none can be loaded.
    """

    command: Sequence[str] = (sys.executable, "-m", "dreamina_ui.simulator.drawing.render")
    fetch: Fetch | None = None

    async def __call__(self, job: RenderJob, path: Path) -> None:
        async with self._fetched(job.media, path) as media:
            await self._render({**asdict(job), "media": media, "path": str(path)})

    @asynccontextmanager
    async def _fetched(self, media: Sequence[str], path: Path) -> AsyncIterator[list[str]]:
        """The media as files; those that were fetched lie beside `path`, and are removed at the end."""
        fetched: dict[str, Path] = {}
        try:
            for address in dict.fromkeys(each for each in media if "://" in each):
                fetched[address] = path.with_name(f"{path.name}.{len(fetched)}")
                await self._load(address, fetched[address])
            yield [str(fetched.get(each, each)) for each in media]
        finally:
            for each in fetched.values():
                each.unlink(missing_ok=True)

    async def _load(self, address: str, path: Path) -> None:
        message = f"The file could not be loaded from {address[:200]}"
        if self.fetch is None:
            raise RenderError(message)
        try:
            await self.fetch(address, path)
        except Exception as error:  # whatever a network does
            raise RenderError(f"{message} ({error})") from error

    async def _render(self, message: dict[str, Any]) -> None:
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
    folders = [str(Path(__file__).resolve().parents[3]), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, folders))}
