"""Connections to checked addresses only: a name is looked up once, every answer is judged, and one of them is called.

TLS and the Host header keep the name: the certificate is checked against it, and a second look-up, which could answer
otherwise, never happens. The judging is where the connecting is, so no way of writing an address leads around it.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_address

import httpcore
import httpx

from dreamina_ui.certificates import certificates
from dreamina_ui.errors import OutputRefused
from dreamina_ui.media.addresses import why_not

__all__ = ["TRUSTED", "LookUp", "PinnedTransport", "look_up"]

TRUSTED = "dreamina_trusted"
"""The extension of a request that marks one to a trusted origin; it is connected to without judging its numbers."""
TRIED_MOST = 4
CONNECTIONS_MOST, KEPT_MOST, KEPT_S = 100, 4, 5.0

LookUp = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host and port to IP addresses as text, the one to try first in front. Raises `OSError` if there are none."""


async def look_up(host: str, port: int) -> list[str]:
    """The system's own answer."""
    answers = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(answer[4][0]) for answer in answers))


class PinnedTransport(httpx.AsyncBaseTransport):
    """HTTP/1.1 over connections of the open net; `look_up`, `network` and `tls` are the seams for tests."""

    def __init__(
        self,
        *,
        look_up: LookUp = look_up,
        network: httpcore.AsyncNetworkBackend | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        network = network or httpcore.AnyIOBackend()
        tls = tls or certificates()
        self._judged = _pool(tls, _Judging(network, look_up))
        self._trusted = _pool(tls, network)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises `OutputRefused` before anything is connected, or httpx's own errors."""
        assert isinstance(request.stream, httpx.AsyncByteStream)
        pool = self._trusted if request.extensions.get(TRUSTED) is True else self._judged
        url = request.url
        inner = httpcore.Request(
            request.method,
            httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        with _as_httpx():
            reply = await pool.handle_async_request(inner)
        return httpx.Response(reply.status, headers=reply.headers, stream=_Body(reply), extensions=reply.extensions)

    async def aclose(self) -> None:
        await self._judged.aclose()
        await self._trusted.aclose()


class _Judging(httpcore.AsyncNetworkBackend):
    """What the pool connects through: to numbers that have been judged, whatever it is asked for."""

    def __init__(self, network: httpcore.AsyncNetworkBackend, look_up: LookUp) -> None:
        self._network = network
        self._look_up = look_up

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        failed: Exception = httpcore.ConnectError("no address")
        for number in (await self._numbers(host, port, timeout))[:TRIED_MOST]:
            try:
                return await self._network.connect_tcp(number, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
        raise failed

    async def _numbers(self, host: str, port: int, timeout: float | None) -> list[str]:
        if _is_number(host):
            found: Sequence[str] = [host]
        else:
            try:
                async with asyncio.timeout(timeout):
                    found = await self._look_up(host, port)
            except TimeoutError as error:
                raise httpcore.ConnectTimeout("the name was not found in time") from error
            except OSError as error:
                raise httpcore.ConnectError("the name was not found") from error
            except UnicodeError as error:
                raise OutputRefused("not a plain host name") from error
        # One bad answer spoils all: a name that means both the open net and a private one is an attack or a mistake.
        for number in found:
            if reason := why_not(number):
                raise OutputRefused(reason)
        return [str(ip_address(number)) for number in found]

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class _Body(httpx.AsyncByteStream):
    def __init__(self, reply: httpcore.Response) -> None:
        self._reply = reply

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _as_httpx():
            async for piece in self._reply.aiter_stream():
                yield piece

    async def aclose(self) -> None:
        with _as_httpx():
            await self._reply.aclose()


def _pool(tls: ssl.SSLContext, network: httpcore.AsyncNetworkBackend) -> httpcore.AsyncConnectionPool:
    return httpcore.AsyncConnectionPool(
        ssl_context=tls,
        max_connections=CONNECTIONS_MOST,
        max_keepalive_connections=KEPT_MOST,
        keepalive_expiry=KEPT_S,
        network_backend=network,
    )


@contextmanager
def _as_httpx() -> Iterator[None]:
    """httpcore's errors have httpx's names."""
    try:
        yield
    except (
        httpcore.TimeoutException,
        httpcore.NetworkError,
        httpcore.ProtocolError,
        httpcore.UnsupportedProtocol,
    ) as error:
        raise getattr(httpx, type(error).__name__, httpx.TransportError)(str(error)) from error


def _is_number(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
