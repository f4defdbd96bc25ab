"""The open net, on this machine: names and numbers as told, and one real TLS server behind every number."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import httpcore
import trustme

from dreamina_ui.media.download.pinned import PinnedTransport
from dreamina_ui.media.library import Library

GOOD, OTHER = "93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"
HOST = "videos.example.com"
URL = f"https://{HOST}/out/a.mp4?sig=1"
FTYP = b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41"

Answer = Callable[[str], AsyncIterator[bytes]]


@cache
def authority() -> trustme.CA:
    return trustme.CA()


@dataclass(frozen=True)
class Asked:
    """One request as the server saw it; header names in lower case."""

    target: str
    headers: dict[str, str]
    body: bytes = b""


def reply(body: bytes = b"", *headers: str, status: str = "200 OK", length: int | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + body


def redirect(location: str, *headers: str) -> bytes:
    return reply(b"", f"Location: {location}", *headers, status="302 Found")


@dataclass
class Outside(httpcore.AsyncNetworkBackend):
    """Connects every number to its own server, and keeps what was looked up, connected and asked.

    `names` gives for each name the answers to its look-ups in order, the last one for good. A name that is not there
    is found at a good number: a hostile address that slips through would be fetched, and seen.
    """

    names: dict[str, list[list[str]]] = field(default_factory=dict)
    dead: set[str] = field(default_factory=set)
    looked_up: list[str] = field(default_factory=list)
    connected: list[tuple[str, int]] = field(default_factory=list)
    server_names: list[str | None] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    replies: list[bytes | Answer] = field(default_factory=list)
    """In the order of the requests; the last one for good."""
    port: int = 0
    _serving: list[asyncio.Task[object]] = field(default_factory=list)

    async def look_up(self, host: str, port: int) -> list[str]:
        self.looked_up.append(host)
        answers = self.names.get(host, [[GOOD]])
        return answers.pop(0) if len(answers) > 1 else answers[0]

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        self.connected.append((host, port))
        if host in self.dead:
            raise httpcore.ConnectError("no route")
        return await httpcore.AnyIOBackend().connect_tcp("127.0.0.1", self.port, timeout)

    def transport(self, *, trust: bool = True) -> PinnedTransport:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks names and certificates, and trusts nobody yet
        if trust:
            authority().configure_trust(tls)
        return PinnedTransport(look_up=self.look_up, backend=self, tls=tls)

    @asynccontextmanager
    async def serving(self, *identities: str) -> AsyncIterator["Outside"]:
        """The certificate is for `identities`."""
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority().issue_cert(*(identities or (HOST, "*.example.net"))).configure_cert(tls)
        tls.sni_callback = lambda _, name, __: self.server_names.append(name)
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=tls)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in self._serving:
                task.cancel()
            await asyncio.gather(*self._serving)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.append(task)
        with suppress(OSError, ssl.SSLError, asyncio.IncompleteReadError, asyncio.CancelledError):
            first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2]
            headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            self.asked.append(Asked(first.split(" ")[1], headers, body))
            answer = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
            if isinstance(answer, bytes):
                writer.write(answer)
            else:
                async for piece in answer(self.asked[-1].target):
                    writer.write(piece)
                    await writer.drain()
            await writer.drain()
        writer.close()
        with suppress(OSError, ssl.SSLError, asyncio.CancelledError):
            await writer.wait_closed()


@asynccontextmanager
async def library_of(outside: Outside, folder: Path, **settings: Any) -> AsyncIterator[Library]:
    """A library that has no other way out."""
    settings = {"transport": outside.transport(), "room_needed": 0, **settings}
    async with Library(folder / "videos", **settings) as library:
        yield library
