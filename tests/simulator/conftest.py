"""Fixtures: the bundled card, a small clip, a client in the process, and a server on loopback."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette

Calling = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]
Serving = Callable[..., AbstractContextManager[str]]

ROOT = Path(__file__).resolve().parents[2]
CARD = ROOT / "dreamina_ui" / "cards" / "bundled" / "dreamina-3-0-pro-text-to-video.json"


@pytest.fixture(scope="session")
def card() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(CARD.read_text(encoding="utf-8"))
    return content


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of six frames, 64×64."""
    import av
    import numpy as np

    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=24)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for index in range(6):
            picture = np.full((64, 64, 3), index * 40, dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.fixture
def calling() -> Calling:
    """`async with calling(app) as client`: the app in the process, closed afterwards."""

    @asynccontextmanager
    async def call(app: Starlette, **options: Any) -> AsyncIterator[httpx.AsyncClient]:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://simulator", **options) as client:
            try:
                yield client
            finally:
                await app.state.simulator.aclose()

    return call


@pytest.fixture
def serving() -> Serving:
    """`with serving(app, http="h11") as address`: the app behind uvicorn on a free port of loopback."""

    @contextmanager
    def serve(app: Starlette, http: str = "h11") -> Iterator[str]:
        server = uvicorn.Server(uvicorn.Config(app, port=0, http=http, loop="asyncio", ws="none", log_level="warning"))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        deadline = time.monotonic() + 60
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(20)

    return serve
