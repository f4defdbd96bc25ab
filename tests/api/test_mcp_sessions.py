"""MCP sessions are counted, for an address and for a key, until they end."""

from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from dreamina_ui.api.mcp import IDLE_S, SESSIONS_OF_ADDRESS, SESSIONS_OF_KEY, SessionCount
from dreamina_ui.web.visitors import Visitors
from tests.rig import SECRET

pytestmark = pytest.mark.anyio
HERE, THERE = "9.9.9.9", "1.0.0.1"


class Server:
    """Sessions behind the count, with a clock; `opens` tells whether a session is given to who asks for one."""

    def __init__(self, *, behind_proxy: bool = False) -> None:
        self.at = 1000.0
        self.opens = True
        self.body: bytes | None = None
        self.comes: list[Message] = [{"type": "http.request", "body": b"{}", "more_body": False}]
        self._given = 0
        self._count = SessionCount(Visitors(SECRET), behind_proxy=behind_proxy, now=lambda: self.at)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.body = await Request(scope, receive).body()
        if Request(scope).headers.get("mcp-session-id"):
            response = Response(status_code=200)
        elif self.opens:
            self._given += 1
            response = Response(status_code=200, headers={"mcp-session-id": f"session-{self._given}"})
        else:
            response = Response(status_code=400)
        await response(scope, receive, send)

    async def ask(self, address: str = HERE, method: str = "POST", **headers: str) -> tuple[int, str]:
        """The status, and the session that was given."""
        named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        answer: list[Message] = []
        coming = iter(self.comes)

        async def send(message: Message) -> None:
            answer.append(message)

        async def receive() -> Message:
            return next(coming)

        scope: dict[str, Any] = {"type": "http", "method": method, "path": "/gradio_api/mcp", "headers": named}
        await self._count.serve(self._serve, {**scope, "client": (address, 1)}, receive, send)
        if not answer:
            return 0, ""
        return answer[0]["status"], dict(answer[0]["headers"]).get(b"mcp-session-id", b"").decode()

    async def open(self, count: int, address: str = HERE, **headers: str) -> list[int]:
        return [(await self.ask(address, **headers))[0] for _ in range(count)]


async def test_an_address_has_so_many_sessions() -> None:
    """One more is refused, while others get theirs, and those that are open go on."""
    server = Server()
    assert set(await server.open(SESSIONS_OF_ADDRESS)) == {200}
    assert await server.open(2) == [429, 429]
    assert await server.open(1, THERE) == [200]
    assert (await server.ask(mcp_session_id="session-1"))[0] == 200


async def test_a_key_has_so_many_sessions() -> None:
    """From whatever addresses; another key has its own."""
    server = Server()
    opened = [await server.open(1, f"9.9.9.{n}", x_runcomfy_key="key-1") for n in range(SESSIONS_OF_KEY + 1)]
    assert opened == [[200]] * SESSIONS_OF_KEY + [[429]]
    assert await server.open(1, x_runcomfy_key="key-2") == [200]
    assert await server.open(1) == [200]


async def test_a_session_that_ends_makes_room() -> None:
    """Ended by its client, or not used for half an hour; one that is used stays. One that was never opened takes no room."""
    server = Server()
    server.opens = False
    assert set(await server.open(3 * SESSIONS_OF_ADDRESS)) == {400}
    server.opens = True
    await server.open(SESSIONS_OF_ADDRESS)
    await server.ask(method="DELETE", mcp_session_id="session-1")
    assert await server.open(2) == [200, 429]
    server.at += IDLE_S - 1
    await server.ask(mcp_session_id="session-2")
    server.at += 2
    assert await server.open(SESSIONS_OF_ADDRESS) == [200] * (SESSIONS_OF_ADDRESS - 1) + [429]


async def test_a_body_that_is_cut_opens_no_session() -> None:
    """However many are; a whole one in pieces does, and arrives as it was sent."""
    server = Server()
    part: Message = {"type": "http.request", "body": b"{", "more_body": True}
    server.comes = [part, {"type": "http.disconnect"}]
    assert set(await server.open(2 * SESSIONS_OF_ADDRESS)) == {0}
    assert server.body is None
    server.comes = [part, {"type": "http.request", "body": b"}", "more_body": False}]
    assert await server.open(1) == [200]
    assert server.body == b"{}"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(f"1.2.3.4, {HERE}", f"4.3.2.1, {HERE}", id="what the client made up"),
        pytest.param(f"{HERE}, 10.0.0.1", f"{HERE}, 10.0.0.2", id="proxies of our own"),
        pytest.param(f"{HERE}:4711", f"{HERE}:4712", id="ports"),
        pytest.param("2001:db8:1:2::1", "2001:db8:1:2::ffff", id="one household"),
    ],
)
async def test_behind_a_proxy_the_address_is_what_the_proxy_says(first: str, second: str) -> None:
    """Of what it says, the client's part counts for nothing. Without a proxy nothing of it counts."""
    server = Server(behind_proxy=True)
    await server.open(SESSIONS_OF_ADDRESS, "10.1.1.1", x_forwarded_for=first)
    assert await server.open(1, "10.1.1.1", x_forwarded_for=second) == [429]
    assert await server.open(1, "10.1.1.1", x_forwarded_for="8.8.8.8") == [200]
    direct = Server()
    for number in range(SESSIONS_OF_ADDRESS):
        await direct.ask(x_forwarded_for=f"8.8.{number}.8")
    assert await direct.open(1, x_forwarded_for="1.0.0.1") == [429]
