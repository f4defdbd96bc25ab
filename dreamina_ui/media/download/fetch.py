"""Fetches one output and trusts nothing about it: checks its address, every redirect, its size and its time.

The service names the address, and a model's maker may have chosen it, so nothing about it is trusted. What kind of file
comes is not judged here: every file that was paid for is kept.
"""

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable, Collection, Mapping
from urllib.parse import unquote_to_bytes, urljoin

import httpx

from dreamina_ui.errors import DownloadFailed, NotAnOutput, OutputRefused
from dreamina_ui.media.download.addresses import origin_of, read_address
from dreamina_ui.media.download.pinned import TRUSTED
from dreamina_ui.media.kinds import HEAD_BYTES, is_web_page

__all__ = ["Fetcher"]

REDIRECTS_MOST = 3
PIECE = 2**20
HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "dreamina-ui"}
TIMEOUT = httpx.Timeout(30.0, connect=10.0, pool=None)
"""Waiting for a turn is no failure; the time cap holds over all."""

Take = Callable[[bytes], Awaitable[None]]


class Fetcher:
    """`trusted_origins` may be plain http and of this machine.

    `mounts` are the transports of what runs in the process, by origin or by `https://`, as httpx has them.
    """

    def __init__(
        self,
        *,
        trusted_origins: Collection[str],
        mounts: Mapping[str, httpx.AsyncBaseTransport | None] | None,
        transport: httpx.AsyncBaseTransport,
        size_most: int,
        time_most_s: float,
    ) -> None:
        self._trusted = frozenset(origin_of(origin) for origin in trusted_origins)
        self._size_most = size_most
        self._time_most_s = time_most_s
        # No httpx.AsyncClient: it would keep cookies, read redirects for itself and log every address with its signature.
        self._mounts = dict(mounts or {})
        self._transport = transport

    async def aclose(self) -> None:
        for transport in {self._transport, *self._mounts.values()}:
            if transport is not None:
                await transport.aclose()

    async def fetch(self, url: str, take: Take) -> None:
        """Hand the output's bytes to `take`, in order, at most 1 MiB at a time.

        A `data:` address holds them itself. Raises `OutputRefused`,
        `DownloadFailed`, `NotAnOutput` for a web page, and what `take` raises.
        """
        if url.startswith("data:"):
            await self._take_whole(_decoded(url), take)
            return
        try:
            async with asyncio.timeout(self._time_most_s):
                await self._follow(url, take)
        except TimeoutError as error:
            raise DownloadFailed("it took too long") from error
        except httpx.ProxyError as error:
            raise DownloadFailed(f"{type(error).__name__}: {error}") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise DownloadFailed(type(error).__name__) from error

    async def _follow(self, url: str, take: Take) -> None:
        trusted = True
        for _ in range(REDIRECTS_MOST + 1):
            # Once out in the open net, no redirect leads back to what is only trusted, this machine perhaps.
            trusted = trusted and self._is_trusted(url)
            reply = await self._ask(self._checked(url, trusted), trusted)
            try:
                if not reply.has_redirect_location:
                    return await self._receive(reply, take)
            finally:
                await reply.aclose()
            try:
                url = urljoin(url, reply.headers["location"])
            except ValueError as error:
                raise OutputRefused("not an address") from error
        raise OutputRefused("too many redirects")

    async def _ask(self, url: httpx.URL, trusted: bool) -> httpx.Response:
        request = httpx.Request(
            "GET", url, headers=HEADERS, extensions={"timeout": TIMEOUT.as_dict(), TRUSTED: trusted}
        )
        mounted = self._mounts.get(origin_of(str(url))) or self._mounts.get(f"{url.scheme}://")
        return await (mounted or self._transport).handle_async_request(request)

    def _is_trusted(self, url: str) -> bool:
        try:
            return origin_of(url) in self._trusted
        except ValueError:
            return False

    def _checked(self, url: str, trusted: bool) -> httpx.URL:
        address = read_address(url, trusted=trusted)
        try:
            read = httpx.URL(address.url)
        except httpx.InvalidURL as error:
            raise OutputRefused("not an address") from error
        port = read.port or {"https": 443, "http": 80}.get(read.scheme)
        if (read.scheme, read.raw_host.decode(), port) != (address.scheme, address.host, address.port) or read.userinfo:
            raise OutputRefused("not an address")  # two readers, two meanings
        return read

    async def _take_whole(self, data: bytes, take: Take) -> None:
        self._check_size(len(data))
        await _take_all([data], take)

    async def _receive(self, reply: httpx.Response, take: Take) -> None:
        if reply.status_code != httpx.codes.OK:
            raise DownloadFailed(f"HTTP {reply.status_code}", status_code=reply.status_code)
        # `Content-Encoding` is passed over: stores put words there that mean nothing (`aws-chunked`, `utf-8`), packing was
        # not asked for, and a few packed bytes can unpack to terabytes. So the bytes are kept as they came.
        length = reply.headers.get("content-length", "")
        expected = int(length) if length.isascii() and length.isdigit() else None
        if expected is not None:
            self._check_size(expected)
        gathered: list[bytes] = []
        held = received = 0
        assert isinstance(reply.stream, httpx.AsyncByteStream)
        async for chunk in reply.stream:
            received += len(chunk)
            self._check_size(received)
            if held + len(chunk) > PIECE:
                await _take_all(gathered, take)
                held = 0
            gathered.append(chunk)
            held += len(chunk)
            if received <= HEAD_BYTES and is_web_page(b"".join(gathered)):
                raise NotAnOutput("a web page")  # such a page may have no end
        if expected is not None and expected != received:
            raise DownloadFailed(f"{received} of {expected} bytes came")
        await _take_all(gathered, take)

    def _check_size(self, size: int) -> None:
        if size > self._size_most:
            raise OutputRefused(f"larger than {self._size_most // 2**20} MB")


async def _take_all(gathered: list[bytes], take: Take) -> None:
    """Hand these chunks to `take`, and empty the list."""
    data = b"".join(gathered)
    gathered.clear()
    for start in range(0, len(data), PIECE):
        await take(data[start : start + PIECE])


def _decoded(url: str) -> bytes:
    """The bytes of a `data:` address (RFC 2397). Raises `DownloadFailed`."""
    head, comma, data = url.partition(",")
    if not comma:
        raise DownloadFailed("a data address without data")
    try:
        raw = unquote_to_bytes(data)
        return base64.b64decode(raw, validate=False) if head.endswith(";base64") else raw
    except (binascii.Error, ValueError) as error:
        raise DownloadFailed("a data address that cannot be decoded") from error
