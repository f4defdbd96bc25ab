"""A little proxy over real sockets: HTTP (CONNECT and forwarding) and SOCKS5, with what proxies do wrong."""

import asyncio
import base64
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from tests.outside import authority

__all__ = ["LittleProxy", "authority_file"]


def authority_file(folder: Path) -> Path:
    """The test authority's certificate, as `SSL_CERT_FILE` names one."""
    path = folder / "authority.pem"
    authority().cert_pem.write_to_path(str(path))
    return path


@dataclass
class LittleProxy:
    """Looks names up in `names`, whose servers are ports of this machine. `does` is what it does with a request:

    `pass` it on; `refuse` it; end the connection (`reset`) or say nothing (`silent`) instead of an answer; answer with what is
    no answer (`babble`).
    """

    kind: str = "http"
    names: dict[str, int] = field(default_factory=dict)
    login: tuple[str, str] | None = None
    does: str = "pass"
    asked: list[str] = field(default_factory=list)
    """`host:port` of a tunnel, or the address of a forwarded request, in order."""
    port: int = 0
    _tasks: list[asyncio.Task[object]] = field(default_factory=list)

    def url(self, login: str = "") -> str:
        return f"{'socks5h' if self.kind == 'socks5' else 'http'}://{login}127.0.0.1:{self.port}"

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["LittleProxy"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.append(task)
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                await (self._socks(reader, writer) if self.kind == "socks5" else self._http(reader, writer))
        finally:
            writer.close()

    async def _http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        method, target, _ = first.split(" ")
        self.asked.append(target)
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        if self.login:
            wanted = "Basic " + base64.b64encode(":".join(self.login).encode()).decode()
            if headers.get("proxy-authorization") != wanted:
                return await _say(writer, b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        if not await self._is_let_through(writer, b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"):
            return None
        if method == "CONNECT":
            there = await self._connected(target.rpartition(":")[0])
            await _say(writer, b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            there = await self._connected(urlsplit(target).hostname or "")
            there[1].write(head.replace(target.encode(), (urlsplit(target).path or "/").encode(), 1))
        return await self._pass(reader, writer, *there)

    async def _socks(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, count = await reader.readexactly(2)
        offered = await reader.readexactly(count)
        wants_login = self.login is not None or 2 in offered
        await _say(writer, bytes([5, 2 if wants_login else 0]))
        if wants_login:
            _, length = await reader.readexactly(2)
            user = (await reader.readexactly(length)).decode()
            password = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
            await _say(writer, bytes([1, 0 if self.login in (None, (user, password)) else 1]))
        _, _, _, kind = await reader.readexactly(4)
        assert kind == 3, "a name: the proxy is to look it up"
        host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        (port,) = struct.unpack(">H", await reader.readexactly(2))
        self.asked.append(f"{host}:{port}")
        if not await self._is_let_through(writer, bytes([5, 2, 0, 1, 0, 0, 0, 0, 0, 0])):
            return
        there = await self._connected(host)
        await _say(writer, bytes([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]))
        await self._pass(reader, writer, *there)

    async def _is_let_through(self, writer: asyncio.StreamWriter, refusal: bytes) -> bool:
        match self.does:
            case "refuse":
                await _say(writer, refusal)
            case "babble":
                await _say(writer, b"220 mail.example.com ready\r\n\r\n")
            case "silent":
                await asyncio.Event().wait()
            case "pass":
                return True
        return False

    async def _connected(self, host: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.names[host])

    async def _pass(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        from_there: asyncio.StreamReader,
        to_there: asyncio.StreamWriter,
    ) -> None:
        try:
            await asyncio.gather(_pipe(reader, to_there), _pipe(from_there, writer))
        finally:
            to_there.close()


async def _pipe(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while piece := await source.read(65536):
        target.write(piece)
        await target.drain()
    with suppress(OSError, RuntimeError):
        target.write_eof()


async def _say(writer: asyncio.StreamWriter, text: bytes) -> None:
    writer.write(text)
    await writer.drain()
