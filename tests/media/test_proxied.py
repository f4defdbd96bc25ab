"""Fetching an output through real proxies, HTTP and SOCKS5: what is still checked, and whom the proxy is asked for."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dreamina_ui.config.network import Network
from dreamina_ui.errors import DownloadFailed, OutputRefused
from dreamina_ui.media.download.pinned import PinnedTransport
from dreamina_ui.media.library import Library
from tests.outside import HOST, URL, Outside, redirect, reply
from tests.proxies import LittleProxy, authority_file
from tests.rig import saved
from tests.servers import free_port

pytestmark = pytest.mark.anyio

SHARE = "0123456789abcdef0123456789abcdef"
SAVED = (64, 64, 0.5)
PRIVATE = "http://storage.intern.example:9000"


@pytest.fixture(params=["http", "socks5"])
async def proxy(request: pytest.FixtureRequest, outside: Outside) -> AsyncIterator[LittleProxy]:
    names = {HOST: outside.port, "cdn.example.net": outside.port}
    async with LittleProxy(request.param, names, login=("ann", "p@ss")).serving() as proxy:
        yield proxy


def library_by(proxy: LittleProxy, folder: Path, *trusted: str, **env: str) -> Library:
    env = {"ALL_PROXY": proxy.url("ann:p%40ss@"), "SSL_CERT_FILE": str(authority_file(folder)), **env}
    network = Network.from_env(env)
    return Library(folder / "videos", network=network, trusted_origins=trusted, room_needed=0)


async def test_an_output_comes_by_the_proxy(outside: Outside, proxy: LittleProxy, clip: bytes, tmp_path: Path) -> None:
    """With a redirect to another name; the certificates are checked by name, and no login reaches the servers."""
    outside.replies = [redirect("https://cdn.example.net/b.mp4"), reply(clip)]
    async with library_by(proxy, tmp_path) as library:
        assert await saved(library, SHARE, URL) == SAVED
    assert proxy.asked == [f"{HOST}:443", "cdn.example.net:443"]
    assert outside.server_names == [HOST, "cdn.example.net"]
    assert [asked.target for asked in outside.asked] == ["/out/a.mp4?sig=1", "/b.mp4"]
    assert not any("proxy-authorization" in asked.headers for asked in outside.asked)


HOSTILE = [
    "https://10.0.0.1/a.mp4",
    "https://169.254.169.254/latest",
    "https://[::1]/a.mp4",
    "https://2130706433/a.mp4",
    "https://localhost/a.mp4",
    "https://db.internal/a.mp4",
    "https://metadata/a.mp4",
    "http://videos.example.com/a.mp4",
    "https://ann:x@videos.example.com/a.mp4",
    "https://videos.example.com:22/a.mp4",
    "https://videos.example.com:8443/a.mp4",
    f"{PRIVATE}/a.mp4",
]


@pytest.mark.parametrize("url", HOSTILE)
async def test_what_the_text_tells_is_refused(outside: Outside, proxy: LittleProxy, tmp_path: Path, url: str) -> None:
    """Numbers, local names, other schemes and other ports are refused at first and by redirect, to a trusted origin as well."""
    outside.replies = [redirect(url)]
    async with library_by(proxy, tmp_path, *([PRIVATE] if url.startswith(PRIVATE) else [])) as library:
        if not url.startswith(PRIVATE):
            with pytest.raises(OutputRefused):
                await saved(library, SHARE, url)
            assert proxy.asked == []
        with pytest.raises(OutputRefused):
            await saved(library, SHARE, URL)
    assert proxy.asked == [f"{HOST}:443"]


async def test_a_trusted_origin_comes_by_the_proxy(proxy: LittleProxy, clip: bytes, tmp_path: Path) -> None:
    """In plain http and at a port of its own: an HTTP proxy is given the whole address."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply(clip))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    proxy.names["storage.intern.example"] = server.sockets[0].getsockname()[1]
    async with server, library_by(proxy, tmp_path, PRIVATE) as library:
        assert await saved(library, SHARE, f"{PRIVATE}/a.mp4") == SAVED
    assert proxy.asked == [f"{PRIVATE}/a.mp4" if proxy.kind == "http" else "storage.intern.example:9000"]


@pytest.mark.parametrize("does", ["refuse", "reset", "babble", "login", "away"])
async def test_a_proxy_in_the_way(proxy: LittleProxy, tmp_path: Path, does: str) -> None:
    """Whatever it does wrong is a download that failed, told without the login and the address's signature."""
    proxy.does = does
    if does == "login":
        proxy.does, proxy.login = "pass", ("ann", "another")
    if does == "away":
        proxy.port = free_port()
    async with library_by(proxy, tmp_path) as library:
        with pytest.raises(DownloadFailed) as caught:
            await saved(library, SHARE, URL)
        assert list(library.folder.iterdir()) == []
    message = str(caught.value)
    assert "p@ss" not in message
    assert "p%40ss" not in message
    assert "sig=" not in message
    assert "Proxy" in message or does in ("reset", "away", "babble")


async def test_addresses_without_a_proxy_are_checked_here(outside: Outside, proxy: LittleProxy, tmp_path: Path) -> None:
    """What `NO_PROXY` names is looked up and judged here: a name with a private number is refused."""
    outside.names[HOST] = [["10.0.0.1"]]
    network = Network.from_env({"ALL_PROXY": proxy.url(), "NO_PROXY": HOST})
    transport = PinnedTransport(network, look_up=outside.look_up, backend=outside)
    async with Library(tmp_path / "videos", transport=transport, room_needed=0) as library:
        with pytest.raises(OutputRefused):
            await saved(library, SHARE, URL)
    assert (proxy.asked, outside.looked_up, outside.connected) == ([], [HOST], [])
