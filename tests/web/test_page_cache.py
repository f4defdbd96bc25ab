"""The page is rendered once, and cached for equal requests."""

from collections.abc import Callable, Mapping, Sequence

import brotli
import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.routing import Route

from dreamina_ui.web.page_response import PAGES_MOST, PageCache
from tests.waiting import until

pytestmark = pytest.mark.anyio


def by_language(cookies: Mapping[str, str]) -> Sequence[str] | None:
    return None if "session" in cookies else (cookies.get("language", ""),)


class House:
    """An app that counts how often it renders its page."""

    def __init__(self, answer: Callable[[Request, int], object] | None = None) -> None:
        self.made = 0

        async def page(request: Request) -> object:
            self.made += 1
            if answer:
                return answer(request, self.made)
            return HTMLResponse(f"<p>{request.url.hostname} {request.cookies.get('language')} {self.made}</p>" * 50)

        app = Starlette(
            routes=[Route("/", page, methods=["GET", "POST"]), Route("/other", page)],
            middleware=[Middleware(PageCache, varies=by_language)],
        )
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://studio.test")

    async def get(self, path: str = "/", **headers: str) -> httpx.Response:
        return await self.client.get(path, headers={"accept-encoding": "identity", **headers})


async def test_the_page_is_rendered_once() -> None:
    """A second request gets the same page, also with values for the form in the query."""
    house = House()
    first = await house.get()
    for path in ("/", "/?prompt=a+lighthouse", "/?__theme=dark"):
        again = await house.get(path)
        assert (again.content, again.headers["content-type"]) == (first.content, first.headers["content-type"])
        assert again.headers["content-length"] == str(len(first.content))
    assert house.made == 1


async def test_the_page_is_compressed() -> None:
    """Browsers that accept brotli get a fast compression at first, and the best one soon."""
    house = House(
        lambda request, number: HTMLResponse("".join(f"<p>{line * line} lighthouses</p>" for line in range(999)))
    )
    plain = await house.get()

    async def squeezed() -> bytes:
        request = house.client.build_request("GET", "/", headers={"accept-encoding": "br"})
        reply = await house.client.send(request, stream=True)
        assert (reply.headers["content-encoding"], reply.headers["vary"]) == ("br", "Accept-Encoding")
        raw = b"".join([part async for part in reply.aiter_raw()])
        assert brotli.decompress(raw) == plain.content
        return raw

    first = await squeezed()
    assert len(first) < len(plain.content)

    async def is_better() -> bool:
        return len(await squeezed()) < len(first)

    await until(is_better)
    assert (await house.get()).content == plain.content


async def test_different_pages_are_cached_separately() -> None:
    """Another host name, another language, a signed-in visitor, another page of Gradio: each is rendered."""
    house = House()
    await house.get()
    for path, headers in (
        ("/", {"host": "another.test"}),
        ("/", {"x-forwarded-host": "third.test"}),
        ("/", {"cookie": "language=de"}),
        ("/", {"cookie": "session=me"}),
        ("/?deep_link=abc", {}),
        ("/?page=runs", {}),
        ("/other", {}),
    ):
        before = house.made
        await house.get(path, **headers)
        assert house.made == before + 1, (path, headers)
    before = house.made
    await house.get("/", cookie="session=me")
    await house.client.post("/")
    assert house.made == before + 2, "neither a signed-in visitor's page nor an answer to a POST is kept"


@pytest.mark.parametrize(
    "answer",
    [
        lambda request, number: PlainTextResponse(f"no page {number}"),
        lambda request, number: HTMLResponse(f"out of order {number}", status_code=503),
    ],
)
async def test_only_pages_are_cached(answer: Callable[[Request, int], object]) -> None:
    """A failed response is not cached."""
    house = House(answer)
    first, second = await house.get(), await house.get()
    assert first.text != second.text


async def test_cookies_are_not_cached() -> None:
    """The cookie of the first response is not in the next one."""

    def answer(request: Request, number: int) -> HTMLResponse:
        return HTMLResponse("page", headers={"set-cookie": f"visitor={number}"})

    house = House(answer)
    assert "set-cookie" in (await house.get()).headers
    assert "set-cookie" not in (await house.get()).headers
    assert house.made == 1


async def test_the_cache_is_bounded() -> None:
    """Requests with ever new host names do not let the cache grow."""
    house = House()
    for number in range(PAGES_MOST + 1):
        await house.get("/", host=f"{number}.test")
    before = house.made
    await house.get("/", host=f"{PAGES_MOST}.test")
    assert house.made == before
    await house.get("/", host="0.test")
    assert house.made == before + 1
