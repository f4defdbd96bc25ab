"""Connections to checked addresses only: a name is looked up once, every answer is judged, and one of them is called.

TLS and the Host header keep the name: the certificate is checked against it, and a second look-up, which could answer
otherwise, never happens. The judging is where the connecting is, so no way of writing an address leads around it.

Through a proxy it is the proxy that looks names up. Then only the text of an address has been judged, and its port is 443.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any

import httpcore
import httpx

from dreamina_ui.config.network import DIRECT, Network, Proxy, ProxyProgress
from dreamina_ui.errors import OutputRefused
from dreamina_ui.media.download.addresses import why_not

__all__ = ["TRUSTED", "LookUp", "PinnedTransport", "look_up"]

TRUSTED = "dreamina_trusted"
"""The extension of a request that marks one to a trusted origin; it is connected to without judging its numbers."""
TRIED_MOST = 4
READ_MOST = 2**18
CONNECTIONS_MOST, KEPT_MOST, KEPT_S = 100, 4, 5.0

LookUp = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host and port to IP addresses as text, the one to try first in front. Raises `OSError` if there are none."""


async def look_up(host: str, port: int) -> list[str]:
    """The system's own answer."""
    answers = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(answer[4][0]) for answer in answers))


class PinnedTransport(httpx.AsyncBaseTransport):
    """HTTP/1.1 over connections of the open net, or by the proxies of `network`; the others are the seams for tests."""

    def __init__(
        self,
        network: Network = DIRECT,
        *,
        look_up: LookUp = look_up,
        backend: httpcore.AsyncNetworkBackend | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._network = network
        self._backend = _Large(backend or httpcore.AnyIOBackend())
        self._tls = tls or network.tls()
        self._judged = _pool(self._tls, _Judging(self._backend, look_up))
        self._trusted = _pool(self._tls, self._backend)
        self._proxied: dict[Proxy, httpcore.AsyncConnectionPool] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises `OutputRefused` before anything is connected, or httpx's own errors."""
        assert isinstance(request.stream, httpx.AsyncByteStream)
        pool = self._pool_for(request.url, trusted=request.extensions.get(TRUSTED) is True)
        url, proxied = request.url, pool in self._proxied.values()
        inner = httpcore.Request(
            request.method,
            httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
            headers=request.headers.raw,
            content=request.stream,
            extensions={**request.extensions, "trace": ProxyProgress()} if proxied else request.extensions,
        )
        with _as_httpx(proxied=proxied):
            reply = await pool.handle_async_request(inner)
        return httpx.Response(reply.status, headers=reply.headers, stream=_Body(reply), extensions=reply.extensions)

    async def aclose(self) -> None:
        for pool in (self._judged, self._trusted, *self._proxied.values()):
            await pool.aclose()

    def _pool_for(self, url: httpx.URL, *, trusted: bool) -> httpcore.AsyncConnectionPool:
        proxy = self._network.proxy_of(str(url))
        if proxy is None:
            return self._trusted if trusted else self._judged
        if not trusted and url.port is not None:  # httpx leaves out the scheme's own
            raise OutputRefused("not port 443, the only one that a proxy is asked for")
        if proxy not in self._proxied:
            self._proxied[proxy] = _pool(self._tls, self._backend, proxy)
        return self._proxied[proxy]


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
        # One bad answer is enough to refuse: a name that means both the open net and a private one is an attack or a mistake.
        for number in found:
            if reason := why_not(number):
                raise OutputRefused(reason)
        return [str(ip_address(number)) for number in found]

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class _Large(httpcore.AsyncNetworkBackend):
    """Connections that give as many bytes at once as have come; httpcore asks for 64 kB, and works as long for each 64 kB."""

    def __init__(self, network: httpcore.AsyncNetworkBackend) -> None:
        self._network = network

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        return _LargeStream(await self._network.connect_tcp(host, port, timeout, local_address, socket_options))

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class _LargeStream(httpcore.AsyncNetworkStream):
    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return await self._stream.read(max(max_bytes, READ_MOST), timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        return _LargeStream(await self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


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


def _pool(
    tls: ssl.SSLContext, backend: httpcore.AsyncNetworkBackend, proxy: Proxy | None = None
) -> httpcore.AsyncConnectionPool:
    return httpcore.AsyncConnectionPool(
        ssl_context=tls,
        max_connections=CONNECTIONS_MOST,
        max_keepalive_connections=KEPT_MOST,
        keepalive_expiry=KEPT_S,
        network_backend=backend,
        proxy=_asked(proxy, tls) if proxy else None,
    )


def _asked(proxy: Proxy, tls: ssl.SSLContext) -> httpcore.Proxy:
    by_tls = proxy.url.startswith("https://")
    return httpcore.Proxy(proxy.url, auth=proxy.auth, ssl_context=tls if by_tls else None)


@contextmanager
def _as_httpx(*, proxied: bool = False) -> Iterator[None]:
    """httpcore's errors have httpx's names."""
    try:
        yield
    except (
        httpcore.TimeoutException,
        httpcore.NetworkError,
        httpcore.ProtocolError,
        httpcore.ProxyError,
        httpcore.UnsupportedProtocol,
    ) as error:
        raise getattr(httpx, type(error).__name__, httpx.TransportError)(str(error)) from error
    except Exception as error:
        # httpcore lets errors of the SOCKS library by, assertions among them.
        if not proxied:
            raise
        raise httpx.ProxyError("the proxy gave no answer that can be read") from error


def _is_number(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
