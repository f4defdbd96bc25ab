"""Visitors: a cookie that nobody can forge, set by the first response, and a page in the chosen language."""

import gzip

import gradio as gr
import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from dreamina_ui.errors import DreaminaError
from dreamina_ui.web.callers import Callers
from dreamina_ui.web.visitors import COOKIE, ChosenLanguage, VisitorCookie, Visitors

pytestmark = pytest.mark.anyio
VISITORS = Visitors("a-secret-of-16-or-more")


async def who(request: Request) -> PlainTextResponse:
    return PlainTextResponse(VISITORS.read(request.cookies.get(COOKIE)) or "nobody")


APP = VisitorCookie(Starlette(routes=[Route("/", who)]), VISITORS)


PAGE = "<!doctype html><html><head><title>Ü</title></head><body><head></body></html>"


async def html(_request: Request) -> Response:
    return HTMLResponse(PAGE)


async def packed(_request: Request) -> Response:
    return Response(gzip.compress(PAGE.encode()), headers={"Content-Encoding": "gzip"}, media_type="text/html")


async def in_pieces(_request: Request) -> Response:
    return StreamingResponse(iter([PAGE[:30], PAGE[30:]]), media_type="text/html")


async def other(_request: Request) -> Response:
    return PlainTextResponse(PAGE)


async def empty(_request: Request) -> Response:
    return HTMLResponse(status_code=304)


PAGES = ChosenLanguage(
    Starlette(routes=[Route(f"/{page.__name__}", page) for page in (html, packed, in_pieces, other, empty)]),
    "language",
    ("en", "de"),
)


def client(base: str = "http://app") -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(APP), base_url=base)


async def test_a_new_visitor_has_an_id_from_the_first_request() -> None:
    """The first request already has a visitor id, and the cookie gives the same one to the next."""
    async with client() as browser:
        first = await browser.get("/")
        assert len(first.text) == 32
        again = await browser.get("/")
        assert again.text == first.text
        assert "set-cookie" not in again.headers


async def test_cookie_attributes_follow_the_scheme() -> None:
    """Scripts cannot read the cookie; with https it also works in the frame of a Space."""
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
    """A cookie with a wrong signature gives a new visitor; other cookies stay."""
    assert callable(forge)
    cookie = forge(VISITORS.issue())
    async with client() as browser:
        reply = await browser.get("/", headers={"Cookie": f"other=1; {COOKIE}={cookie}"})
    assert reply.text not in ("nobody", cookie[:32])
    assert COOKIE in reply.headers["set-cookie"]


async def page(path: str, cookie: str) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(PAGES), base_url="http://app") as browser:
        return await browser.get(path, headers={"Cookie": cookie})


@pytest.mark.parametrize("path", ["/html", "/in_pieces"])
async def test_a_chosen_language_is_set_at_the_start_of_the_page(path: str) -> None:
    """A script is first in the head, once; the rest is unchanged, and the content length is right."""
    reply = await page(path, "language=de")
    before, script, after = reply.text.partition("<script>")[0], reply.text, reply.text.partition("</script>")[2]
    assert before == "<!doctype html><html><head>"
    assert before + after == PAGE
    assert script.count("<script>") == 1
    assert '["language", "de"], ["languages", ["de"]]' in script
    if path == "/html":
        assert int(reply.headers["content-length"]) == len(reply.content) > len(PAGE.encode())


@pytest.mark.parametrize(
    ("path", "cookie"),
    [
        ("/html", ""),
        ("/html", "language="),
        ("/html", "language=fr"),
        ("/html", 'language="];alert(1)//'),
        ("/html", "other=de"),
        ("/other", "language=de"),
        ("/packed", "language=de"),
    ],
)
async def test_other_responses_are_unchanged(path: str, cookie: str) -> None:
    """Unchanged: a page without a chosen language or with an unknown one, a compressed page, and what is no page."""
    reply = await page(path, cookie)
    assert reply.text == PAGE
    if path != "/packed":
        assert int(reply.headers["content-length"]) == len(PAGE.encode())


async def test_a_page_without_a_body_is_unchanged() -> None:
    """A response without a body gets no script."""
    reply = await page("/empty", "language=de")
    assert (reply.status_code, reply.content) == (304, b"")


@pytest.mark.parametrize(
    "path",
    [
        "/assets/a.js",
        "/dreamina/scripts.js",
        "/favicon.ico",
        "/healthz",
        "/gradio_api/file=/a.mp4",
        "/dreamina/saved/a.mp4",
    ],
)
async def test_public_paths_set_no_cookie(path: str) -> None:
    """Assets and the health check create no visitor."""
    async with client() as browser:
        assert "set-cookie" not in (await browser.get(path)).headers


async def test_only_a_visitor_who_can_be_recognised_again_may_spend() -> None:
    """A first request has a visitor's id like any other, but for what costs money its cookie has to have come back."""
    callers = Callers(VISITORS)

    async def spend(request: Request) -> PlainTextResponse:
        try:
            return PlainTextResponse(callers.known_visitor(gr.Request(request)))
        except DreaminaError as error:
            return PlainTextResponse(error.code, 403)

    app = VisitorCookie(Starlette(routes=[Route("/", spend)]), VISITORS)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as browser:
        first, second = await browser.get("/"), await browser.get("/")
        assert (first.status_code, first.text) == (403, "visitor_unknown")
        assert (second.status_code, second.text) == (200, VISITORS.read(browser.cookies[COOKIE]))
    forged = Visitors("the secret of yesterday").issue()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as browser:
        lost = await browser.get("/", headers={"Cookie": f"{COOKIE}={forged}"})
        assert (lost.status_code, lost.text) == (403, "visitor_lost")
