"""A whole job through a real proxy, HTTP and SOCKS5: from the click to the saved file."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from dreamina_ui.config.network import Network
from dreamina_ui.engine.engine import Engine
from dreamina_ui.jobs import HOLDER, State
from dreamina_ui.simulator import Fault, QuickRenderer, create_app
from tests.outside import authority
from tests.proxies import LittleProxy, authority_file
from tests.rig import CARD, VALUES, Clock, engine_settings, make_clip, video_of
from tests.waiting import until

pytestmark = pytest.mark.anyio

HOST = "api.example.com"


@asynccontextmanager
async def service_at(folder: Path, *faults: Fault) -> AsyncIterator[tuple[int, Any]]:
    """The simulator over TLS, by the name HOST; gives its port and what it has in its books."""
    clip, certificate = make_clip(folder / "clip.mp4"), folder / "service.pem"
    authority().issue_cert(HOST).private_key_and_cert_chain_pem.write_to_path(str(certificate))
    app = create_app(folder / "simulator", cards=[CARD.source], queue_s=0.0, render=QuickRenderer(0.0, clip))
    for fault in faults:
        app.state.simulator.faults.add(fault)
    config = uvicorn.Config(app, port=0, loop="asyncio", ws="none", log_level="warning", ssl_certfile=str(certificate))
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    try:
        yield int(server.servers[0].sockets[0].getsockname()[1]), app.state.simulator.ledger
    finally:
        server.should_exit = True
        await serving


@pytest.mark.parametrize("kind", ["http", "socks5"])
async def test_from_the_click_to_the_saved_file(kind: str, tmp_path: Path) -> None:
    """The paid POST, the polls, though one is lost, and the output: all by the proxy, with its login, and paid once."""
    lost = Fault.from_json({"on": "status", "kind": "reset"})
    async with (
        service_at(tmp_path, lost) as (port, ledger),
        LittleProxy(kind, {HOST: port}, login=("ann", "p@ss")).serving() as proxy,
    ):
        env = {"ALL_PROXY": proxy.url("ann:p%40ss@"), "SSL_CERT_FILE": str(authority_file(tmp_path))}
        network = Network.from_env(env)
        ways = {"service_base": f"https://{HOST}/v1", "network": network, "output_network": network}
        async with Engine(engine_settings(tmp_path, None, clock=Clock(), **ways)) as engine:
            [job] = await engine.submit("ann", VALUES)
            async with asyncio.timeout(30):
                seen = [snapshot async for snapshot in engine.watch(HOLDER, job.job_id)]
            assert seen[-1].state is State.SUCCEEDED, seen[-1]
            assert video_of(engine.library, job).stat().st_size > 1000
    assert len(ledger.records) == 1
    assert set(proxy.asked) == {f"{HOST}:443"}
