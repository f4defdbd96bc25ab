"""Which modules of the studio run code for one click: `python -m benchmarks.modules`.

A profile of the running program, from the click to the video: a module counts if one of its functions runs. The click is that
of Gradio's page over HTTP, with the watcher's stream and what the page calls when the job has ended; the service is our simulator
in another process.
"""

import asyncio
import os
import secrets
import signal
import socket
import sys
import tempfile
import threading
from pathlib import Path
from types import FrameType

import httpx

from benchmarks.driver import Page, Tab, Visitor
from dreamina_ui.settings import Settings
from tests.rig import make_clip
from tests.servers import ROOT, SimulatorServer, free_port, wait_for

__all__ = ["main"]

PACKAGE = str(ROOT / "dreamina_ui") + os.sep
SECONDS_MOST = 120


class Profile:
    """The files of our package whose functions run while `on`, in every thread that starts after this is made."""

    def __init__(self) -> None:
        self.on = False
        self.files: set[str] = set()
        sys.setprofile(self._called)
        threading.setprofile(self._called)

    def modules(self) -> list[str]:
        """As they are imported, without the package's name."""
        paths = (Path(file.removeprefix(PACKAGE)).with_suffix("") for file in self.files)
        return sorted(".".join(path.parts) for path in paths)

    def _called(self, frame: FrameType, event: str, argument: object) -> None:
        # A class body and a module's own code run when it is imported, which is no visit.
        if self.on and event == "call" and frame.f_code.co_name != "<module>":
            file = frame.f_code.co_filename
            if file.startswith(PACKAGE):
                self.files.add(file)


async def one_click(address: str, page: Page, profile: Profile) -> str:
    """The click of a visitor whose page is open, until all that it leads to is on the page. Gives what went wrong, or nothing."""
    first, tab = Visitor(1, page, address), Tab(page, address)
    await first.visit(SECONDS_MOST)  # what is made once, for the first of all, is no part of a click
    try:
        async with asyncio.timeout(SECONDS_MOST):
            await tab.open()
            profile.on = True
            tab.click("generate", field_prompt="a lighthouse in the mist", click_id=secrets.token_hex(16))
            await tab.ended()
            profile.on = False
    finally:
        await tab.close()
    return first.problem or tab.problem or ("" if tab.news_at else "the stream ended without a video")


def main() -> str | None:
    with tempfile.TemporaryDirectory() as folder:
        simulator = SimulatorServer(
            Path(folder), "--queue", "0.2", "--quick", "0.5", "--clip", str(make_clip(Path(folder) / "clip.mp4"))
        )
        port = free_port()
        environ = {
            "RUNCOMFY_API_TOKEN": "key",
            "RUNCOMFY_MODEL_API_BASE": simulator.start(),
            "GRADIO_SERVER_PORT": str(port),
            "DREAMINA_DATA_DIR": folder,
        }
        profile = Profile()
        problems: list[str] = []

        def visit() -> None:
            wait_for(lambda: is_open(port))
            address = f"http://127.0.0.1:{port}"
            page = Page(httpx.get(f"{address}/config", trust_env=False).raise_for_status().json())
            problems.append(asyncio.run(one_click(address, page, profile)))
            os.kill(os.getpid(), signal.SIGTERM)

        try:
            from dreamina_ui.studio import Studio  # its threads have to start after the profile is made

            studio = Studio(Settings.from_env(environ))
            threading.Thread(target=visit).start()
            studio.serve()
        finally:
            simulator.stop()
    if problems != [""]:
        return f"the click failed: {problems}"
    modules = profile.modules()
    print(f"{len(modules)} modules:", *modules, sep="\n")  # noqa: T201  what it is for
    return None


def is_open(port: int) -> bool:
    """Whether a program answers at this port of the machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


if __name__ == "__main__":
    sys.exit(main())
