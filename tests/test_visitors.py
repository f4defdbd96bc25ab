"""Visitors: a cookie nobody can forge, set before anything else happens."""

import stat
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from dreamina_ui.settings import Settings
from dreamina_ui.visitors import COOKIE, Visitors, signing_secret
from dreamina_ui.web import VisitorCookie

pytestmark = pytest.mark.anyio
VISITORS = Visitors("a-secret-of-16-or-more")


async def who(request: Request) -> PlainTextResponse:
    return PlainTextResponse(VISITORS.read(request.cookies.get(COOKIE)) or "nobody")


APP = VisitorCookie(Starlette(routes=[Route("/", who)]), VISITORS)


def client(base: str = "http://app") -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(APP), base_url=base)


async def test_a_new_visitor_is_known_at_once_and_again() -> None:
    """The first request already has a visitor, and the cookie brings the same one back."""
    async with client() as browser:
        first = await browser.get("/")
        assert len(first.text) == 32
        again = await browser.get("/")
        assert again.text == first.text
        assert "set-cookie" not in again.headers


async def test_cookie_attributes_follow_the_scheme() -> None:
    """Scripts never see the cookie; over https it also works inside a Space's frame."""
    async with client() as browser:
        plain = (await browser.get("/")).headers["set-cookie"]
    async with client("https://app") as browser:
        secure = (await browser.get("/")).headers["set-cookie"]
    assert "HttpOnly" in plain
    assert "SameSite=Lax" in plain
    assert all(part in secure for part in ("HttpOnly", "Secure", "SameSite=None", "Partitioned"))


@pytest.mark.parametrize(
    "forge", [lambda c: c[:-1], lambda c: "f" * 32 + c[32:], lambda _: "", lambda _: "x.y", str.upper]
)
async def test_a_forged_cookie_is_replaced(forge: object) -> None:
    """A cookie that is not signed by us names nobody; its bearer becomes a new visitor, other cookies untouched."""
    assert callable(forge)
    cookie = forge(VISITORS.issue())
    async with client() as browser:
        reply = await browser.get("/", headers={"Cookie": f"other=1; {COOKIE}={cookie}"})
    assert reply.text not in ("nobody", cookie[:32])
    assert COOKIE in reply.headers["set-cookie"]


def test_the_secret_is_made_once_and_private(tmp_path: Path) -> None:
    """Without a set secret one is made, kept readable only by its owner, and found again."""
    settings = Settings(data_dir=tmp_path)
    secret = signing_secret(settings)
    assert len(secret) == 64
    assert signing_secret(settings) == secret
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600
    assert signing_secret(Settings(data_dir=tmp_path, secret="x" * 20)) == "x" * 20
