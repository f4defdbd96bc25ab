"""`python -m tests.security.hostile_service FOLDER TOKEN`: the simulator, which makes hostile files for who asks for them.

A prompt `hostile KIND` gets the file of that name in the folder; any other the file `clip.mp4`. Prints its address.
"""

import asyncio
import shutil
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from dreamina_ui.simulator import create_app
from dreamina_ui.simulator.drawing.renderers import RenderJob
from tests.rig import CARD

__all__ = ["hostile_prompt"]


def hostile_prompt(kind: str) -> str:
    return f"hostile {kind}"


@dataclass(frozen=True, slots=True)
class _Renderer:
    folder: Path

    async def __call__(self, job: RenderJob, path: Path) -> None:
        kind = job.prompt.removeprefix(hostile_prompt(""))
        made = self.folder / kind if kind != job.prompt else self.folder / "clip.mp4"
        await asyncio.to_thread(shutil.copyfile, made, path)


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        print(f"http://127.0.0.1:{self.servers[0].sockets[0].getsockname()[1]}/v1", flush=True)


def main(folder: Path, token: str) -> None:
    app = create_app(
        folder / "service", cards=[CARD.source], token=token, slots=100, queue_s=0.1, render=_Renderer(folder)
    )
    config = uvicorn.Config(
        app, port=0, lifespan="on", ws="none", log_level="warning", access_log=False, timeout_graceful_shutdown=1
    )
    _Server(config).run()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
