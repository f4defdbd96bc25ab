"""Asks one origin over a few kept connections, where no proxy is needed: a poll costs a fifth of what it costs with httpx.

Only for what may be asked twice: statuses and results. Every request goes to the one origin, and no redirect is followed, so
that the key in its headers never goes to another host. Where the first of several addresses of a name does not answer,
httpx is used, which tries them in turn.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import httptools
import httpx

__all__ = ["Answer", "DirectGets"]

LEFT_TO_HTTPX_S = 60.0
"""After a connection that could not be made."""


@dataclass(slots=True)
class Answer:
    """A reply as far as it came; `broken` says why no more of it did."""

    status: int
    headers: dict[bytes, bytes]
    """By names in small letters."""
    body: bytearray
    broken: httpx.TransportError | None = None


class DirectGets:
    """`kept_s` is how long a connection is kept that nothing is asked over; `headers` go with each request."""

    def __init__(
        self,
        base: str,
        *,
        tls: ssl.SSLContext,
        headers: Mapping[str, str],
        connect_timeout_s: float,
        read_timeout_s: float,
        kept_s: float,
    ) -> None:
        url = httpx.URL(base)
        self._host = url.raw_host.decode().strip("[]")
        self._port = url.port or {"https": 443, "http": 80}[url.scheme]
        self._tls = tls if url.scheme == "https" else None
        self._base, self._path = base, url.raw_path.decode().rstrip("/")
        self._head = "".join(f"{name}: {value}\r\n" for name, value in {"Host": url.netloc.decode(), **headers}.items())
        self._connect_timeout_s = connect_timeout_s
        self._read_timeout_s = read_timeout_s
        self._kept_s = kept_s
        self._idle: deque[tuple[_Connection, float]] = deque()
        self._unreachable_until = float("-inf")

    @property
    def is_usable(self) -> bool:
        return asyncio.get_running_loop().time() >= self._unreachable_until

    def close(self) -> None:
        """Close what is idle; what is under way closes its connection itself."""
        self._kept_s = 0.0
        while self._idle:
            self._idle.pop()[0].close()

    async def get(self, url: str, headers: Mapping[str, str], *, largest: int) -> Answer | None:
        """The reply to a GET of `url`, which must be below the base; its body is empty if it has more than `largest` bytes.

        None if no connection can be made; nothing was asked then. Raises `httpx.TransportError` if no reply came.
        """
        if not url.startswith(f"{self._base}/"):
            raise ValueError("an address that is not below the base")
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        request = f"GET {self._path}{url[len(self._base) :]} HTTP/1.1\r\n{self._head}{lines}\r\n".encode("ascii")
        while True:
            connection = self._taken()
            is_new = connection is None
            if connection is None and (connection := await self._made()) is None:
                return None
            try:
                async with asyncio.timeout(self._read_timeout_s):
                    answer = await connection.ask(request, largest)
            except TimeoutError as error:
                connection.close()
                raise httpx.ReadTimeout("no reply in time") from error
            except _Unused:
                if is_new:
                    raise httpx.RemoteProtocolError("the connection was closed without a reply") from None
                continue  # it was just being closed: the next one may be, too, but there are only a few
            except BaseException:
                connection.close()
                raise
            self._keep(connection)
            return answer

    def _taken(self) -> "_Connection | None":
        while self._idle:
            connection, _ = self._idle.pop()
            if connection.is_open:
                return connection
        return None

    def _keep(self, connection: "_Connection") -> None:
        now = asyncio.get_running_loop().time()
        if connection.is_open and self._kept_s:
            self._idle.append((connection, now))
        else:
            connection.close()
        while self._idle and self._idle[0][1] + self._kept_s < now:
            self._idle.popleft()[0].close()

    async def _made(self) -> "_Connection | None":
        loop = asyncio.get_running_loop()
        name = self._host if self._tls else None
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                _, connection = await loop.create_connection(
                    _Connection, self._host, self._port, ssl=self._tls, server_hostname=name
                )
        except (OSError, UnicodeError):  # a TimeoutError and an error of TLS are an OSError, too
            self._unreachable_until = loop.time() + LEFT_TO_HTTPX_S
            return None
        return connection


class _Unused(Exception):
    """The connection was closed before anything of a reply came."""


class _Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport
        self._reply: asyncio.Future[Answer] | None = None
        self._parser: httptools.HttpResponseParser
        self._answer: Answer
        self._largest = 0
        self._has_begun = False
        self.is_open = False

    def ask(self, request: bytes, largest: int) -> "asyncio.Future[Answer]":
        """Raises `_Unused` or `httpx.TransportError`, by way of the future."""
        self._reply = asyncio.get_running_loop().create_future()
        self._parser = httptools.HttpResponseParser(self)
        self._answer = Answer(0, {}, bytearray())
        self._largest, self._has_begun = largest, False
        self._transport.write(request)
        return self._reply

    def close(self) -> None:
        self.is_open = False
        self._transport.abort()

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport, self.is_open = cast(asyncio.Transport, transport), True  # uvloop's is one by its methods alone

    def data_received(self, data: bytes) -> None:
        if self._reply is None or self._reply.done():
            self.close()  # no request waits for it
            return
        self._has_begun = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._end(httpx.RemoteProtocolError(f"the reply is not HTTP: {error}"))

    def connection_lost(self, error: Exception | None) -> None:
        self.is_open = False
        if self._reply is None or self._reply.done():
            return
        if self._has_begun:
            self._end(httpx.ReadError("the connection was closed in the middle of a reply"))
        else:
            self._reply.set_exception(_Unused())

    # What the parser calls

    def on_status(self, _reason: bytes) -> None:
        self._answer.status = self._parser.get_status_code()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._answer.headers[name.lower()] = value

    def on_body(self, body: bytes) -> None:
        self._answer.body += body
        if len(self._answer.body) > self._largest:
            self._answer.body.clear()
            self._end(None)

    def on_message_complete(self) -> None:
        if self._parser.get_status_code() < 200:  # it announces the reply
            self._answer = Answer(0, {}, bytearray())
            return
        self._answer.status = self._parser.get_status_code()
        self.is_open = self.is_open and self._parser.should_keep_alive()
        if self._reply is not None and not self._reply.done():
            self._reply.set_result(self._answer)

    def _end(self, broken: httpx.TransportError | None) -> None:
        """The reply ends here, whatever else comes."""
        self.close()
        if self._reply is None or self._reply.done():
            return
        if self._answer.status:
            self._answer.broken = broken
            self._reply.set_result(self._answer)
        else:
            self._reply.set_exception(broken or httpx.ReadError("no reply"))
