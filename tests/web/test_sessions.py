"""A page's session belongs to the visitor who used it first."""

import json

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from dreamina_ui.web.checks.sessions import SESSIONS_MOST, Sessions
from dreamina_ui.web.visitors import COOKIE, Visitors

pytestmark = pytest.mark.anyio
VISITORS = Visitors("a secret for the tests")
API = "/gradio_api"
MINE = {"session_hash": "mine", "data": ["a boat"], "fn_index": 1}


async def echo(request: Request) -> PlainTextResponse:
    return PlainTextResponse(await request.body())


def client(app: Sessions, cookie: str | None) -> httpx.AsyncClient:
    cookies = {COOKIE: cookie} if cookie else {}
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://studio", cookies=cookies)


@pytest.fixture
def app() -> Sessions:
    routes = [Route("/{path:path}", echo, methods=["GET", "POST"])]
    return Sessions(Starlette(routes=routes), VISITORS, lambda _, key: key)


async def test_another_visitor_may_not_use_a_session(app: Sessions) -> None:
    """Another visitor can neither read, send, cancel, reset nor keep it alive; its owner can."""
    async with (
        client(app, VISITORS.cookie_of("ann")) as ann,
        client(app, VISITORS.cookie_of("ben")) as ben,
        client(app, None) as nobody,
    ):
        assert (await ann.post(f"{API}/queue/join", json=MINE)).json() == MINE
        for other in (ben, nobody):
            for path in ("queue/join", "cancel", "reset", "call/submit"):
                refused = await other.post(f"{API}/{path}", json=MINE)
                body = refused.json()
                assert (refused.status_code, body["code"], body["detail"]) == (403, "visitor_lost", "guard.session")
            for path in ("queue/data?session_hash=mine", "heartbeat/mine"):
                assert (await other.get(f"{API}/{path}")).status_code == 403
        for path in ("queue/data?session_hash=mine", "heartbeat/mine"):
            assert (await ann.get(f"{API}/{path}")).status_code == 200


async def test_a_program_without_a_cookie_is_served(app: Sessions) -> None:
    """Its session has no owner until a visitor with a cookie uses it."""
    async with client(app, None) as program:
        assert (await program.post(f"{API}/queue/join", json=MINE)).status_code == 200
        assert (await program.get(f"{API}/queue/data?session_hash=mine")).status_code == 200


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"session_hash": 7}', b"[" * 100_000, json.dumps({"data": "x" * 2**20}).encode()]
)
async def test_a_body_without_a_session_is_passed_on(app: Sessions, body: bytes) -> None:
    """The app gets the whole body, whatever it is."""
    async with client(app, VISITORS.cookie_of("ann")) as ann:
        reply = await ann.post(f"{API}/queue/join", content=body)
    assert (reply.status_code, reply.content) == (200, body)


async def test_the_table_of_sessions_is_bounded(app: Sessions) -> None:
    """Requests with ever new sessions do not let it grow."""
    async with client(app, VISITORS.cookie_of("ann")) as ann:
        await ann.get(f"{API}/heartbeat/first")
        app._owners.update({str(number): "somebody" for number in range(SESSIONS_MOST)})
        await ann.get(f"{API}/heartbeat/last")
    assert len(app._owners) <= SESSIONS_MOST + 1
    assert "first" not in app._owners


async def test_a_visitor_who_becomes_another_one_keeps_the_pages(app: Sessions) -> None:
    """All pages of the browser go on with the new cookie; who has the former one only is out."""
    former = VISITORS.cookie_of("former")
    new = VISITORS.cookie_of("new", former="former")
    async with (
        client(app, former) as before,
        client(app, new) as after,
        client(app, VISITORS.cookie_of("new")) as later,
    ):
        for page in ("one", "two"):
            assert (await before.get(f"{API}/heartbeat/{page}")).status_code == 200
        assert (await later.get(f"{API}/heartbeat/one")).status_code == 403
        assert (await after.get(f"{API}/heartbeat/one")).status_code == 200
        assert (await later.get(f"{API}/heartbeat/two")).status_code == 200
        assert (await before.get(f"{API}/heartbeat/two")).status_code == 403
