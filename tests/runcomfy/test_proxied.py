"""The API through real proxies, HTTP and SOCKS5: what works, and what a proxy in the way leaves of a paid POST."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dreamina_ui import errors
from dreamina_ui.config.network import Network
from dreamina_ui.runcomfy.client import Cancellation, RunComfy, Submitted
from tests.outside import authority
from tests.proxies import LittleProxy, authority_file
from tests.servers import free_port
from tests.virtual import NoWait

pytestmark = pytest.mark.anyio

HOST = "api.example.com"
KEY = "rc-key-0123456789abcdef"
PASSWORD = "canary-p@ss/word"
KINDS = ("http", "socks5")


@dataclass
class Service:
    """The API over TLS; `answers` turns to False for one that takes a request and gives no answer."""

    answers: bool = True
    requests: list[str] = field(default_factory=list)
    port: int = 0

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["Service"]:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority().issue_cert(HOST).configure_cert(tls)
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=tls)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, OSError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                self.requests.append(head)
                if not self.answers:
                    break
                length = next((int(line[15:]) for line in head.split("\r\n") if line.startswith("Content-Length:")), 0)
                await reader.readexactly(length)
                body = b'{"request_id": "r-1", "outcome": "cancelled"}'
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
                await writer.drain()
        writer.close()


@asynccontextmanager
async def asked_by(env: dict[str, str], folder: Path) -> AsyncIterator[RunComfy]:
    env = {"SSL_CERT_FILE": str(authority_file(folder)), **env}
    async with RunComfy(
        f"https://{HOST}/v1",
        network=Network.from_env(env),
        clock=NoWait(),
        connect_timeout_s=5.0,
        read_timeout_s=0.3,
        submit_timeout_s=0.3,
    ) as api:
        yield api


async def submit(api: RunComfy) -> Submitted:
    return await api.submit("maker/model", {"prompt": "a fox"}, key=KEY)


@pytest.mark.parametrize("kind", KINDS)
async def test_every_call_goes_through(kind: str, tmp_path: Path) -> None:
    """By the proxy's look-up and with its login; the service's certificate is checked, the key goes to it alone."""
    async with (
        Service().serving() as service,
        LittleProxy(kind, {HOST: service.port}, login=("ann", PASSWORD)).serving() as proxy,
        asked_by({"all_proxy": proxy.url("ann:canary-p%40ss%2Fword@")}, tmp_path) as api,
    ):
        assert await submit(api) == Submitted("r-1")
        assert await api.cancel("r-1", key=KEY) is Cancellation.CANCELLED
    assert set(proxy.asked) == {f"{HOST}:443"}
    assert len(service.requests) == 2
    assert all(f"Authorization: Bearer {KEY}" in head for head in service.requests)
    assert not any("Proxy-Authorization" in head for head in service.requests)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("does", ["refuse", "reset", "silent", "babble", "login", "away"])
async def test_a_proxy_in_the_way(kind: str, does: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refusal, hang-up, silence, nonsense, a login that is missing, no proxy at all: the POST provably never left, and may be
    sent again. The cause is the proxy, and the text has no password."""
    monkeypatch.setattr("dreamina_ui.config.network.SOCKS_ANSWER_S", 0.3)
    proxy = LittleProxy(kind, {}, does=does, login=("ann", "right") if does == "login" else None)
    async with proxy.serving():
        if does == "away":
            proxy.port = free_port()
        async with asked_by({"HTTPS_PROXY": proxy.url("ann:canary-wrong@")}, tmp_path) as api:
            for call in (submit(api), api.status("r-1", key=KEY)):
                with pytest.raises(errors.Unreachable) as caught:
                    await call
                assert caught.value.facts["cause"] == "proxy", caught.value
                assert "canary" not in str(caught.value)
                assert caught.value.__context__ is None


@pytest.mark.parametrize("kind", KINDS)
async def test_a_service_that_the_proxy_does_not_reach(kind: str, tmp_path: Path) -> None:
    """A certificate that is not trusted ends the call before anything is sent, also in a tunnel."""
    (tmp_path / "other").mkdir()
    async with (
        Service().serving() as service,
        LittleProxy(kind, {HOST: service.port}).serving() as proxy,
        asked_by({"HTTPS_PROXY": proxy.url(), "SSL_CERT_FILE": ""}, tmp_path) as api,
    ):
        with pytest.raises(errors.Unreachable) as caught:
            await submit(api)
        assert caught.value.facts["cause"] == "certificate"
    assert service.requests == []


@pytest.mark.parametrize("kind", KINDS)
async def test_an_answer_lost_behind_the_proxy(kind: str, tmp_path: Path) -> None:
    """Once the request is on its way, on a new tunnel or one used before, a lost answer is uncertain and not sent again."""
    async with (
        Service().serving() as service,
        LittleProxy(kind, {HOST: service.port}).serving() as proxy,
        asked_by({"HTTPS_PROXY": proxy.url()}, tmp_path) as api,
    ):
        await submit(api)
        service.answers = False
        for _ in range(2):
            with pytest.raises(errors.OutcomeUnknown):
                await submit(api)
    assert len(service.requests) == 3
    assert len(proxy.asked) == 2


async def test_the_direct_way(tmp_path: Path) -> None:
    """`NO_PROXY` and this machine's own addresses are not asked for at a proxy."""
    async with (
        Service().serving() as service,
        LittleProxy("http", {HOST: service.port}).serving() as proxy,
    ):
        env = {"ALL_PROXY": proxy.url(), "SSL_CERT_FILE": str(authority_file(tmp_path))}
        for base, no_proxy in (
            (f"https://{HOST}.invalid/v1", ".invalid"),
            (f"https://127.0.0.1:{service.port}/v1", ""),
        ):
            network = Network.from_env({**env, "NO_PROXY": no_proxy})
            async with RunComfy(base, network=network, clock=NoWait()) as api:
                with pytest.raises(errors.Unreachable) as caught:
                    await submit(api)
                assert caught.value.facts["cause"] in ("name", "certificate")
    assert proxy.asked == []
