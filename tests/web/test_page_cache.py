"""The page is rendered once, and cached for what was understood of a request."""

import asyncio
from collections.abc import Callable, Mapping

import brotli
import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from dreamina_ui.config.hosts import Hosts
from dreamina_ui.web import page_response
from dreamina_ui.web.page_response import BEST_EACH_S, FAST_EACH_S, PACKED_MOST, PAGES_MOST, PageCache
from tests.waiting import until

pytestmark = pytest.mark.anyio
NAME = "studio.test"


def by_language(cookies: Mapping[str, str]) -> Mapping[str, str] | None:
    if "session" in cookies:
        return None
    return {"language": cookies["language"]} if cookies.get("language") in ("en", "de") else {}


class CountingApp:
    """An app that counts how often it renders its page."""

    def __init__(self, answer: Callable[[Request, int], object] | None = None) -> None:
        self.rendered = 0
        self.at = 0.0

        async def page(request: Request) -> object:
            self.rendered += 1
            if answer:
                return answer(request, self.rendered)
            root = str(request.base_url).rstrip("/")
            return HTMLResponse(
                f"<p>{root} {request.cookies.get('language')} {self.rendered} {request.url.query}</p>" * 50
            )

        async def config(request: Request) -> JSONResponse:
            self.rendered += 1
            return JSONResponse({"root": str(request.base_url), "made": self.rendered})

        async def asset(request: Request) -> Response:
            self.rendered += 1
            if request.path_params["name"] == "none.js":
                return Response(status_code=404)
            packed = "br" in request.headers.get("accept-encoding", "")
            body, headers = b"let a = 1;" * 1000, {"content-encoding": "br"} if packed else {}
            return Response(brotli.compress(body) if packed else body, headers=headers)

        app = Starlette(
            routes=[
                Route("/", page, methods=["GET", "POST"]),
                Route("/other", page),
                Route("/config", config),
                Route("/assets/{name}", asset),
            ],
            middleware=[
                Middleware(PageCache, varies=by_language, hosts=Hosts({NAME, "*.test"}), monotonic=lambda: self.at)
            ],
        )
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=f"http://{NAME}")

    async def get(self, path: str = "/", **headers: str) -> httpx.Response:
        return await self.client.get(path, headers={"accept-encoding": "identity", **headers})


async def test_the_page_is_rendered_once() -> None:
    """Requests with whatever query get the same page: also two at once, one that asks for headers alone, another "page"."""
    app = CountingApp()
    first, second = await asyncio.gather(app.get(), app.get())
    assert first.content == second.content
    for path in ("/", "/?prompt=a+lighthouse", "/?__theme=dark", "/?page=x", "/?deep_link=../x&page=x&page=y"):
        second = await app.get(path)
        assert (second.content, second.headers["content-type"]) == (first.content, first.headers["content-type"])
        assert second.headers["content-length"] == str(len(first.content))
        head = await app.client.head(path, headers={"accept-encoding": "identity"})
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == str(len(first.content))
    assert app.rendered == 1


async def test_the_page_is_compressed() -> None:
    """Browsers that accept brotli get a fast compression at first, and the best one soon."""
    app = CountingApp(
        lambda request, number: HTMLResponse("".join(f"<p>{line * line} lighthouses</p>" for line in range(999)))
    )
    plain = await app.get()

    async def squeezed() -> bytes:
        asked = app.client.build_request("GET", "/", headers={"accept-encoding": "br"})
        reply = await app.client.send(asked, stream=True)
        assert (reply.headers["content-encoding"], reply.headers["vary"]) == ("br", "Accept-Encoding")
        raw = b"".join([part async for part in reply.aiter_raw()])
        assert brotli.decompress(raw) == plain.content
        return raw

    first = await squeezed()
    assert len(first) < len(plain.content)

    async def is_better() -> bool:
        return len(await squeezed()) < len(first)

    await until(is_better)
    assert (await app.get()).content == plain.content


async def test_each_host_gets_a_page_of_its_own_from_one_rendering() -> None:
    """Whatever name, port and scheme a request came by: they stand in its page, and in no other one's."""
    app = CountingApp()
    for host in (NAME, f"{NAME}:8443", "another.test", "10.0.0.1:7860", "[::1]:7860"):
        page = await app.get(host=host)
        assert page.text.startswith(f"<p>http://{host} None 1 </p>")
        assert "invalid" not in page.text
        secure = await app.client.get("https://studio.test/", headers={"host": host, "x-forwarded-host": NAME})
        assert secure.text.startswith(f"<p>https://{NAME} None 1 </p>")
    assert app.rendered == 1


async def test_the_description_for_clients_is_cached_as_well() -> None:
    """It is no page, and has its own place; a host's address stands in it."""
    app = CountingApp()
    await app.get()
    for host in (NAME, "10.0.0.1:7860"):
        for query in ("", "?page=x"):
            assert (await app.get(f"/config{query}", host=host)).json() == {"root": f"http://{host}/", "made": 2}
    assert " None 1 " in (await app.get()).text


async def test_different_pages_are_cached_separately() -> None:
    """Another language is rendered once; a language that there is not is none; a signed-in visitor's page is made anew."""
    app = CountingApp()
    await app.get()
    assert " de 2 " in (await app.get(cookie="language=de")).text
    assert " de 2 " in (await app.get(cookie="language=de; other=1")).text
    for number in range(100):
        assert " None 1 " in (await app.get(cookie=f"language=x{number}")).text
    assert app.rendered == 2
    for path, headers in (("/", {"cookie": "session=me"}), ("/other", {})):
        before = app.rendered
        await app.get(path, **headers)
        await app.get(path, **headers)
        assert app.rendered == before + 2, (path, headers)
    assert " 7 <" in (await app.get("/?page=x", cookie="session=me")).text, "without its query"
    before = app.rendered
    await app.client.post("/")
    assert app.rendered == before + 1, "an answer to a POST is not kept"


@pytest.mark.parametrize(
    "answer",
    [
        lambda request, number: PlainTextResponse(f"no page {number}"),
        lambda request, number: HTMLResponse(f"out of order {number}", status_code=503),
    ],
)
async def test_only_pages_are_cached(answer: Callable[[Request, int], object]) -> None:
    """A failed response is passed on, and not cached."""
    app = CountingApp(answer)
    first, second = await app.get(), await app.get()
    assert first.text != second.text
    assert first.status_code == answer(None, 1).status_code  # type: ignore[arg-type, attr-defined]


async def test_cookies_are_not_cached() -> None:
    """Nobody gets a cookie that was meant for another one."""

    def answer(request: Request, number: int) -> HTMLResponse:
        return HTMLResponse("page", headers={"set-cookie": f"visitor={number}"})

    app = CountingApp(answer)
    for _ in range(2):
        assert "set-cookie" not in (await app.get()).headers
    assert app.rendered == 1


async def test_names_that_strangers_make_up_are_compressed_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every number is a name of this program: a thousand of them cost two compressions, and push out no known name's."""
    made: list[int] = []
    compress = page_response._compressed

    def counted(body: bytes, quality: int) -> bytes:
        made.append(quality)
        return compress(body, quality)

    monkeypatch.setattr(page_response, "_compressed", counted)
    app = CountingApp()

    async def encoding(host: str) -> str:
        reply = await app.client.get("/", headers={"accept-encoding": "br", "host": host})
        return str(reply.headers.get("content-encoding"))

    assert await encoding(NAME) == "br"
    await until(lambda: len(made) == 2)
    found = [await encoding(f"10.0.{number // 250}.{number % 250}") for number in range(1000)]
    found += [await encoding(f"{NAME}:{port}") for port in range(1000, 1100)]
    assert found.count("br") == 1
    await until(lambda: len(made) == 4)
    for number in range(2 * PACKED_MOST):
        app.at += max(FAST_EACH_S, BEST_EACH_S)
        assert await encoding(f"10.1.0.{number}") == "br"
    await until(lambda: len(made) == 4 + 4 * PACKED_MOST)
    assert await encoding(NAME) == "br"
    assert await encoding("10.1.0.15") == "br"
    assert len(made) == 4 + 4 * PACKED_MOST, "both were still there"
    assert app.rendered == 1


async def test_the_cache_is_bounded() -> None:
    """A proxy that tells ever new sub-paths does not let it grow; the page that was asked for last is still there."""
    app = CountingApp()
    inner = app.client._transport.app  # type: ignore[attr-defined]

    async def visit(sub_path: str) -> int:
        transport = httpx.ASGITransport(inner, root_path=sub_path)
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{NAME}") as client:
            assert f"http://{NAME}{sub_path} None" in (await client.get("/")).text
        return app.rendered

    for number in range(PAGES_MOST + 1):
        assert await visit(f"/{number}") == number + 1
    assert await visit(f"/{PAGES_MOST}") == PAGES_MOST + 1
    assert await visit("/0") == PAGES_MOST + 2


async def test_gradios_files_are_asked_for_once() -> None:
    """A name that changes with its file is kept for a year, in every encoding; others are not, nor is what is not there."""
    app = CountingApp()
    for encoding in ("identity", "br"):
        kept = await app.get("/assets/Index-Akn07EZ_2.js", **{"accept-encoding": encoding})
        assert kept.headers["cache-control"] == "public, max-age=31536000, immutable"
        for name in ("a.js", "none.js"):
            reply = await app.get(f"/assets/{name}", **{"accept-encoding": encoding})
            assert "cache-control" not in reply.headers


async def test_gradios_files_are_compressed_once() -> None:
    """Gradio would do it for each request; a file that is not there, or a part of one, is left to it."""
    app = CountingApp()
    for _ in range(3):
        reply = await app.get("/assets/a.js", **{"accept-encoding": "gzip, br"})
        assert (reply.headers["content-encoding"], reply.text) == ("br", "let a = 1;" * 1000)
    assert app.rendered == 1
    for number in range(3):
        assert (await app.get("/assets/none.js", **{"accept-encoding": "br"})).status_code == 404
        assert app.rendered == 2 + number
    assert "content-encoding" not in (await app.get("/assets/a.js")).headers
    await app.get("/assets/a.js", **{"accept-encoding": "br", "if-none-match": "x"})
    assert app.rendered == 6
