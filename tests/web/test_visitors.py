"""Visitors: a cookie that nobody can forge, set by the first response, and a page in the chosen language."""

import gzip
from collections.abc import Mapping
from typing import Any

import gradio as gr
import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from dreamina_ui.errors import DreaminaError
from dreamina_ui.web.callers import FORWARDED, Callers
from dreamina_ui.web.visitors import (
    COOKIE,
    KEY_BROUGHT,
    KEY_VISITOR,
    ChosenLanguage,
    VisitorCookie,
    Visitors,
    set_cookie,
)

pytestmark = pytest.mark.anyio
VISITORS = Visitors("a-secret-of-16-or-more")


async def who(request: Request) -> PlainTextResponse:
    return PlainTextResponse(VISITORS.of_request(request.scope) or "nobody")


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
        second = await browser.get("/")
        assert second.text == first.text
        assert "set-cookie" not in second.headers


async def test_cookie_attributes_follow_the_scheme() -> None:
    """Scripts cannot read the cookie; with https it also works in the frame of a Space."""
    async with client() as browser:
        plain = (await browser.get("/")).headers["set-cookie"]
    async with client("https://app") as browser:
        secure = (await browser.get("/")).headers["set-cookie"]
    assert "HttpOnly" in plain
    assert "SameSite=Lax" in plain
    assert all(part in secure for part in ("HttpOnly", "Secure", "SameSite=None", "Partitioned", "Path=/;"))
    assert (plain.partition("=")[0], secure.partition("=")[0]) == (COOKIE, f"__Host-{COOKIE}")
    assert "Domain" not in secure


def named(scheme: str, sub_path: str = "", *cookies: str) -> Mapping[str, Any]:
    """The scope of a request with these cookies."""
    headers = [(b"cookie", cookie.encode()) for cookie in cookies]
    return {"type": "http", "scheme": scheme, "root_path": sub_path, "path": "/", "headers": headers}


def given(scope: Mapping[str, Any], visitor_id: str) -> str:
    return set_cookie(VISITORS, scope, visitor_id).partition(";")[0]


def test_a_planted_cookie_is_none_over_https() -> None:
    """Another port or subdomain can set a cookie of the old name: the browser's own one counts, in whatever order.

    And what it can get by https it cannot plant under that name. A visitor from before keeps the history.
    """
    https = named("https")
    own, planted, before = (
        given(https, "own"),
        f"{COOKIE}={VISITORS.cookie_of('evil', https=True)}",
        VISITORS.cookie_of("known"),
    )
    for cookies in ([own, planted], [planted, own], [f"{planted}; {own}"], [f"{COOKIE}={before}", own]):
        assert VISITORS.of_request(named("https", "", *cookies)) == "own"
    assert VISITORS.of_request(named("https", "", planted)) is None
    assert VISITORS.of_request(named("https", "", f"{COOKIE}={before}")) == "known"
    assert VISITORS.of_request(named("http", "", f"{COOKIE}={before}")) == "known"


def test_two_studios_on_one_host_keep_their_visitors_apart() -> None:
    """A cookie of this kind is sent to every path: each studio has a name of its own."""
    jar = [given(named("https", sub_path), f"visitor of {sub_path}") for sub_path in ("", "/studio", "/studio/two")]
    assert len({cookie.partition("=")[0] for cookie in jar}) == 3
    for sub_path in ("", "/studio", "/studio/two"):
        assert VISITORS.of_request(named("https", sub_path, "; ".join(jar))) == f"visitor of {sub_path}"


async def test_a_visitor_from_before_keeps_the_history() -> None:
    """By https, the old cookie gives the new one of the same visitor, who may spend at once; the next request gives none."""
    before = VISITORS.cookie_of("known")
    async with client("https://app") as browser:
        first = await browser.get("/", headers={"Cookie": f"{COOKIE}={before}"})
        assert first.text == "known"
        assert f"__Host-{COOKIE}=" in first.headers["set-cookie"]
        second = await browser.get("/")
        assert second.text == first.text
        assert "set-cookie" not in second.headers


@pytest.mark.parametrize(
    "forge", [lambda c: c[:-1], lambda c: "f" * 32 + c[32:], lambda _: "", lambda _: "x.y", str.upper]
)
async def test_a_forged_cookie_is_replaced(forge: object) -> None:
    """A cookie with a wrong signature gives a new visitor; other cookies stay."""
    assert callable(forge)
    cookie = forge(VISITORS.cookie_of("0123456789abcdef" * 2))
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
        assert (second.status_code, second.text) == (
            200,
            VISITORS.of_request(named("http", "", f"{COOKIE}={browser.cookies[COOKIE]}")),
        )
    forged = Visitors("the secret of yesterday").cookie_of("known")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as browser:
        lost = await browser.get("/", headers={"Cookie": f"{COOKIE}={forged}"})
        assert (lost.status_code, lost.text) == (403, "visitor_lost")


@pytest.mark.parametrize(
    ("client_host", "headers", "alone", "is_owner"),
    [
        ("127.0.0.1", {}, True, True),
        ("::1", {}, True, True),
        ("::ffff:127.0.0.1", {}, True, True),
        ("127.0.0.1", {}, False, False),
        ("192.168.1.20", {}, True, False),
        ("testclient", {}, True, False),
        *(("127.0.0.1", {name: "203.0.113.9"}, True, False) for name in FORWARDED),
    ],
)
async def test_the_owner_is_who_is_at_the_machine_alone(
    client_host: str, headers: dict[str, str], alone: bool, is_owner: bool
) -> None:
    """Only where nobody else can reach the app; what a proxy or a tunnel on this machine brings may be anybody."""
    callers = Callers(VISITORS, serves_this_machine_alone=alone, owner="ann")

    async def ask(request: Request) -> PlainTextResponse:
        return PlainTextResponse(str(callers.is_owner(gr.Request(request))))

    transport = httpx.ASGITransport(Starlette(routes=[Route("/", ask)]), client=(client_host, 5000))
    async with httpx.AsyncClient(transport=transport, base_url="http://app", headers=headers) as browser:
        assert (await browser.get("/")).text == str(is_owner)


@pytest.mark.parametrize(
    ("name", "owner", "login", "expires_at", "is_owner"),
    [
        ("ann", "ann", True, 2000.0, True),
        ("Ann", "ann", True, 2000.0, True),
        ("bob", "ann", True, 2000.0, False),
        ("ann", None, True, 2000.0, False),
        ("ann", "ann", False, 2000.0, False),
        ("ann", "ann", True, 900.0, False),
        (None, "None", True, 2000.0, False),
    ],
)
def test_the_owner_of_a_space_is_who_signed_in_by_its_name(
    name: str | None, owner: str | None, login: bool, expires_at: float, is_owner: bool
) -> None:
    """By the session that is signed here, and while it is valid."""
    callers = Callers(VISITORS, lambda: 1000.0, login=login, owner=owner)
    user = {"sub": "64af", "preferred_username": name}
    scope = {**named("http", ""), "session": {"oauth_info": {"userinfo": user, "expires_at": expires_at}}}
    assert callers.is_owner(gr.Request(Request(scope))) == is_owner


class KeyApp:
    """An app that keeps an own key for a visitor, and moves histories if it can; `key` is what a request brings."""

    def __init__(self) -> None:
        self.moved: list[tuple[str, str]] = []
        self.is_away = False
        self.key = ""

        async def answer(request: Request) -> PlainTextResponse:
            scope = request.scope
            return PlainTextResponse(" ".join([str(scope.get(KEY_VISITOR)), str(VISITORS.of_request(scope))]))

        async def follow(former: str, visitor_id: str) -> bool:
            if not self.is_away:
                self.moved.append((former, visitor_id))
            return not self.is_away

        inner = VisitorCookie(Starlette(routes=[Route("/", answer)]), VISITORS, follow)

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await inner({**scope, **({KEY_BROUGHT: self.key} if self.key else {})}, receive, send)

        self._app = app

    def browser(self, scheme: str = "http") -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(self._app), base_url=f"{scheme}://app")

    async def ask(self, browser: httpx.AsyncClient, key: str = "") -> tuple[str, str]:
        """The visitor that a key is kept for, and the one who asks."""
        self.key = key
        kept, asking = (await browser.get("/")).text.split(" ")
        return kept, asking


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_an_own_key_makes_a_new_visitor(scheme: str) -> None:
    """Who planted the cookie that was there does not know the new one; the history moves when the new cookie has come back."""
    studio = KeyApp()
    async with studio.browser(scheme) as evil, studio.browser(scheme) as victim:
        _, planted = await studio.ask(evil)
        victim.cookies.update(evil.cookies)
        assert await studio.ask(victim) == ("None", planted)
        kept, asking = await studio.ask(victim, "rc-a-key")
        assert (asking, studio.moved) == (planted, [])
        assert kept != planted
        assert await studio.ask(evil) == ("None", planted)
        assert await studio.ask(victim) == ("None", kept)
        assert studio.moved == [(planted, kept)]
        assert await studio.ask(victim) == ("None", kept)
        assert studio.moved == [(planted, kept)], "once"
        # What the other one brings is kept for another one still, and takes nothing from here.
        other, _ = await studio.ask(evil, "rc-another")
        await studio.ask(evil)
        assert studio.moved[1:] == [(planted, other)]
        assert "rc-a-key" not in kept + repr(victim.cookies)


async def test_the_same_key_again_keeps_the_visitor() -> None:
    """After a restart the key is brought again: what waits for it belongs to the same visitor. Another key makes another one."""
    studio = KeyApp()
    async with studio.browser() as browser:
        await studio.ask(browser)
        first, _ = await studio.ask(browser, "rc-a-key")
        assert await studio.ask(browser, "rc-a-key") == ("None", first)
        second, asking = await studio.ask(browser, "rc-another")
        assert asking == first
        assert second not in (first, "None")


async def test_a_history_is_not_lost_on_the_way() -> None:
    """A new cookie that never arrived changes nothing; while the database is away it is tried again."""
    studio = KeyApp()
    async with studio.browser() as browser:
        _, before = await studio.ask(browser)
        old = dict(browser.cookies)
        await studio.ask(browser, "rc-a-key")
        browser.cookies = httpx.Cookies(old)  # the answer was lost
        assert await studio.ask(browser) == ("None", before)
        assert studio.moved == []
        studio.is_away = True
        new, _ = await studio.ask(browser, "rc-a-key")
        for _ in range(2):
            assert await studio.ask(browser) == ("None", new)
        studio.is_away = False
        assert await studio.ask(browser) == ("None", new)
        assert studio.moved == [(before, new)]


async def test_a_stranger_brings_no_key() -> None:
    """A request without a visitor's cookie, or with a forged one, is given a cookie as any other, and no place for a key."""
    studio = KeyApp()
    for cookies in ({}, {COOKIE: "a~b.forged"}):
        async with studio.browser() as browser:
            browser.cookies.update(cookies)
            assert (await studio.ask(browser, "rc-a-key"))[0] == "None"
