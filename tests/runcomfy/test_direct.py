"""The short way of asking for a status: over kept connections of one origin, by both event loops."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from dreamina_ui.errors import Unreachable, UnreadableReply
from dreamina_ui.runcomfy.client import RunComfy
from dreamina_ui.runcomfy.direct import DirectGets

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize(
        "anyio_backend", [("asyncio", {}), ("asyncio", {"use_uvloop": True})], ids=["asyncio", "uvloop"]
    ),
]

WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nRetry-After: 3\r\n\r\n{}"
LARGEST = 1000


class Asked:
    """A server that answers each request by its number; `heads` are the requests, `connections` counts."""

    def __init__(self, *replies: bytes | None, closes: bool = False) -> None:
        self._replies = replies
        self._closes = closes
        self.heads: list[str] = []
        self.connections = 0
        self.base = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
                reply = self._replies[min(len(self.heads), len(self._replies)) - 1]
                if reply is None:
                    await reader.read()
                    return
                writer.write(reply)
                await writer.drain()
                if self._closes:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def asked(*replies: bytes | None, closes: bool = False) -> AsyncIterator[Asked]:
    server = Asked(*replies, closes=closes)
    listening = await asyncio.start_server(server.answer, "127.0.0.1", 0)
    server.base = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1"
    try:
        yield server
    finally:
        listening.close()


def gets(base: str, *, read_timeout_s: float = 5.0) -> DirectGets:
    return DirectGets(
        base,
        tls=ssl.create_default_context(),
        headers={"Accept": "application/json"},
        connect_timeout_s=5.0,
        read_timeout_s=read_timeout_s,
        kept_s=4.0,
    )


async def test_a_connection_is_asked_again() -> None:
    """Two requests, one after the other, go over one connection; each has its own headers and those of all."""
    async with asked(WHOLE) as server:
        direct = gets(server.base)
        for number in range(2):
            answer = await direct.get(
                f"{server.base}/requests/{number}/status", {"Authorization": f"Bearer {number}"}, largest=LARGEST
            )
            assert answer is not None
            assert (answer.status, bytes(answer.body), answer.headers[b"retry-after"], answer.broken) == (
                200,
                b"{}",
                b"3",
                None,
            )
        direct.close()
    assert server.connections == 1
    assert [head.splitlines()[0] for head in server.heads] == [
        f"GET /v1/requests/{n}/status HTTP/1.1" for n in range(2)
    ]
    assert "Authorization: Bearer 1" in server.heads[1]
    assert "Authorization: Bearer 0" not in server.heads[1]
    assert "Accept: application/json" in server.heads[1]


async def test_requests_at_once_have_a_connection_each() -> None:
    async with asked(WHOLE) as server:
        direct = gets(server.base)
        answers = await asyncio.gather(*(direct.get(f"{server.base}/a", {}, largest=LARGEST) for _ in range(3)))
        assert [answer and answer.status for answer in answers] == [200] * 3
        direct.close()
    assert server.connections == 3


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + WHOLE,
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}",
    ],
    ids=["chunked", "announced", "closing"],
)
async def test_every_form_of_a_reply_is_read(reply: bytes) -> None:
    async with asked(reply) as server:
        direct = gets(server.base)
        for _ in range(2):
            answer = await direct.get(f"{server.base}/a", {}, largest=LARGEST)
            assert answer is not None
            assert (answer.status, bytes(answer.body), answer.broken) == (200, b"{}", None)
        direct.close()


async def test_a_connection_that_the_server_has_closed_is_made_anew() -> None:
    """Servers close what was quiet; the next request does not fail for it."""
    async with asked(WHOLE, closes=True) as server:
        direct = gets(server.base)
        for _ in range(5):
            assert await direct.get(f"{server.base}/a", {}, largest=LARGEST)
        direct.close()
    assert len(server.heads) == 5


async def test_a_reply_that_breaks_off_is_given_as_far_as_it_came() -> None:
    async with asked(b'HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{"a"', closes=True) as server:
        answer = await gets(server.base).get(f"{server.base}/a", {}, largest=LARGEST)
    assert answer is not None
    assert (answer.status, bytes(answer.body)) == (200, b'{"a"')
    assert isinstance(answer.broken, httpx.ReadError)


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (b"220 mail.example.com ESMTP\r\n", httpx.RemoteProtocolError),
        (b"", httpx.RemoteProtocolError),
        (None, httpx.ReadTimeout),
    ],
    ids=["another protocol", "closed", "silent"],
)
async def test_without_a_reply_it_is_said_why(reply: bytes | None, error: type[Exception]) -> None:
    async with asked(reply, closes=True) as server:
        with pytest.raises(error):
            await gets(server.base, read_timeout_s=0.3).get(f"{server.base}/a", {}, largest=LARGEST)
    assert len(server.heads) == 1


async def test_a_body_that_is_too_large_is_not_kept() -> None:
    async with asked(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + 5000 * b"x") as server:
        answer = await gets(server.base).get(f"{server.base}/a", {}, largest=LARGEST)
    assert answer is not None
    assert (answer.status, bytes(answer.body)) == (200, b"")


async def test_where_nobody_listens_it_is_left_to_httpx() -> None:
    """Which knows more ways to a name; nothing is tried here for a while."""
    async with asked(WHOLE) as server:
        base = server.base
    direct = gets(base)
    before = direct.is_usable
    assert await direct.get(f"{base}/a", {}, largest=LARGEST) is None
    assert (before, direct.is_usable) == (True, False)
    async with RunComfy(base) as service:
        with pytest.raises(Unreachable):
            await service.status("request-1", key="secret")


async def test_only_its_own_base_is_asked() -> None:
    async with asked(WHOLE) as server, asked(WHOLE) as other:
        for url in (f"{other.base}/a", f"{server.base}.example.com/a", server.base):
            with pytest.raises(ValueError, match="not below the base"):
                await gets(server.base).get(url, {"Authorization": "Bearer secret"}, largest=LARGEST)
    assert (server.heads, other.heads) == ([], [])


async def test_a_key_does_not_follow_a_redirect() -> None:
    async with asked(WHOLE) as other:
        moved = f"HTTP/1.1 307 -\r\nLocation: {other.base}/requests/request-1/status\r\nContent-Length: 0\r\n\r\n"
        async with asked(moved.encode()) as server, RunComfy(server.base, read_timeout_s=5) as service:
            with pytest.raises(UnreadableReply):
                await service.status("request-1", key="secret")
    assert all("Bearer secret" in head for head in server.heads)
    assert server.heads
    assert other.heads == []


async def test_a_status_is_asked_this_way() -> None:
    """By the client, with its key, over one connection; httpx would name itself."""
    told = b'{"request_id": "request-1", "status": "in_queue", "queue_position": 4}'
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(told), told)
    async with asked(reply) as server, RunComfy(server.base) as service:
        positions = [(await service.status("request-1", key="secret")).queue_position for _ in range(3)]
    assert (positions, server.connections) == ([4, 4, 4], 1)
    assert all("Bearer secret" in head and "httpx" not in head for head in server.heads)
