"""The studio under a path of its host."""

from collections.abc import Callable

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from dreamina_ui.web.sub_path import SubPath

pytestmark = pytest.mark.anyio


async def echo(request: Request) -> JSONResponse:
    return JSONResponse([request.url_for("here", path="x").path, request.path_params["path"]])


def client(root_path: str = "", *, believed: bool = False) -> httpx.AsyncClient:
    inner = Starlette(routes=[Mount("/", routes=[Route("/{path:path}", echo, name="here")])])
    app = SubPath(inner, root_path, believed=believed)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://host")


@pytest.mark.parametrize("path", ["/studio/queue/a%2Fb", "/queue/a%2Fb"])
async def test_it_does_not_matter_whether_the_proxy_takes_the_path_off(path: str) -> None:
    """The routes see the rest, and make addresses with the path."""
    async with client("/studio") as web:
        assert (await web.get(path)).json() == ["/studio/x", "queue/a/b"]


async def test_a_path_that_only_begins_alike_is_another() -> None:
    """It goes on as it is."""
    async with client("/studio") as web:
        assert (await web.get("/studious/x")).json() == ["/studio/x", "studious/x"]


async def test_the_path_without_its_slash_leads_to_the_folder() -> None:
    """Relative addresses would lead out of it; the query is kept, and the proxy's host is not named."""
    async with client("/studio") as web:
        reply = await web.get("/studio?share=1")
    assert (reply.status_code, reply.headers["location"]) == (308, "/studio/?share=1")


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("/studio", "/studio"),
        ("/tools/video/, /inner", "/tools/video"),
        ("", ""),
        ("studio", ""),
        ("//other.example", ""),
        ("/../up", ""),
        ("/a b", ""),
        ("https://other.example/x", ""),
    ],
)
async def test_a_believed_proxy_names_the_path(prefix: str, expected: str) -> None:
    """The outermost proxy's word counts, if it is a path."""
    async with client(believed=True) as web:
        reply = await web.get("/queue", headers={"X-Forwarded-Prefix": prefix})
    assert reply.json() == [f"{expected}/x", "queue"]


@pytest.mark.parametrize("make", [lambda: client(), lambda: client("/studio", believed=True)])
async def test_a_stranger_and_a_setting_outweigh_the_header(make: Callable[[], httpx.AsyncClient]) -> None:
    """Where no proxy is believed, or the path is set, the header says nothing."""
    async with make() as web:
        reply = await web.get("/queue", headers={"X-Forwarded-Prefix": "/evil"})
    assert "/evil" not in reply.text
