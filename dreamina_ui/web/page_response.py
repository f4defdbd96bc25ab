"""The page as it is sent: with our scripts at the start of its head, and cached, because it is the same for everybody.

Gradio runs the scripts of its own `head=` only after its own scripts have started. It renders the page for each request, which
takes 15 ms of processor time: a hundred people who open the page at once would wait for each other. A cached page is also
compressed once, and therefore well.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import brotli
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request, cookie_parser
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["ADDRESS", "PageCache", "PageHead", "PageScripts", "with_head"]

ADDRESS = "/dreamina/scripts.js"
FIRST = "dreamina.js"
"""The script with the helpers that the other scripts use."""
MAX_AGE_S = 31_536_000


class PageScripts:
    """Serves all scripts of a folder as one file, whose address changes with its content.

    Otherwise the page would wait for more than twenty responses before it starts.
    """

    def __init__(self, folder: Path) -> None:
        first = folder / FIRST
        files = [first, *sorted(set(folder.glob("*.js")) - {first})]
        self._plain = "\n".join(file.read_text(encoding="utf-8") for file in files).encode()
        self._compressed = brotli.compress(self._plain, mode=brotli.MODE_TEXT)
        self._version = hashlib.sha256(self._plain).hexdigest()[:16]

    @property
    def tag(self) -> str:
        """The script element, without `async` or `defer`: the scripts run before Gradio's, which call their functions."""
        return f'<script src="{ADDRESS.removeprefix("/")}?v={self._version}"></script>'

    @property
    def routes(self) -> list[Route]:
        return [Route(ADDRESS, self._serve, name="dreamina_scripts")]

    async def _serve(self, request: Request) -> Response:
        # During an update of the replicas, one may get a request for the scripts of another version, which is not cached.
        is_this_version = request.query_params.get("v") == self._version
        headers = {
            "Cache-Control": f"public, max-age={MAX_AGE_S}, immutable" if is_this_version else "no-cache",
            "Vary": "Accept-Encoding",
        }
        content = self._plain
        if "br" in request.headers.get("accept-encoding", ""):
            content, headers["Content-Encoding"] = self._compressed, "br"
        return Response(content, media_type="text/javascript", headers=headers)


class PageHead:
    """Middleware: adds `html` at the start of the page's head."""

    def __init__(self, app: ASGIApp, html: str) -> None:
        self._app = app
        self._html = html

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_page = scope["type"] == "http" and scope["path"] == "/"
        await self._app(scope, receive, with_head(send, self._html) if is_page else send)


def with_head(send: Send, html: str) -> Send:
    """A `send` that adds `html` at the start of a page's head, and changes no other response."""
    added = b"<head>" + html.encode()
    start: Message | None = None

    async def send_with_head(message: Message) -> None:
        nonlocal start
        if message["type"] == "http.response.start" and _is_readable_page(Headers(scope=message)):
            start = message  # the content length is known only with the body
            return
        if start is not None and message["type"] == "http.response.body":
            body = message.get("body", b"").replace(b"<head>", added, 1)
            headers = MutableHeaders(scope=start)
            if "content-length" in headers:
                grown = len(body) - len(message.get("body", b""))
                headers["content-length"] = str(int(headers["content-length"]) + grown)
            await send(start)
            start, message = None, {**message, "body": body}
        await send(message)

    return send_with_head


def _is_readable_page(headers: Headers) -> bool:
    return "text/html" in headers.get("content-type", "") and "content-encoding" not in headers


PAGES_MOST = 32
"""There is one page for each host name of the app and each language."""
FAST, BEST = 4, 11
"""Qualities of brotli: the fast one takes a few milliseconds; the best one a fifth of a second, in a thread, once."""

Key = tuple[str, ...]


@dataclass(slots=True)
class _Page:
    headers: list[tuple[bytes, bytes]]
    body: bytes
    compressed: bytes


class PageCache:
    """Middleware: answers `GET /` from the cache. It belongs inside the middleware that sets the visitor's cookie.

    `varies` returns those parts of the cookies on which the page depends, or None if the page must not be cached.
    """

    def __init__(self, app: ASGIApp, varies: Callable[[dict[str, str]], Sequence[str] | None]) -> None:
        self._app = app
        self._varies = varies
        self._pages: OrderedDict[Key, _Page] = OrderedDict()
        self._compressing: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = self._key(scope)
        if key is None:
            await self._app(scope, receive, send)
            return
        page = self._pages.get(key)
        if page is None:
            await self._app(scope, receive, self._storing(key, send))
            return
        self._pages.move_to_end(key)
        takes_brotli = "br" in Headers(scope=scope).get("accept-encoding", "")
        body, encoding = page.body, b""
        if takes_brotli:
            body, encoding = page.compressed, b"br"
        headers = [*page.headers, (b"content-length", str(len(body)).encode())]
        if encoding:
            headers += [(b"content-encoding", encoding), (b"vary", b"Accept-Encoding")]
        await send({"type": "http.response.start", "status": HTTPStatus.OK, "headers": headers})
        await send({"type": "http.response.body", "body": body if scope["method"] == "GET" else b""})

    def _key(self, scope: Scope) -> Key | None:
        """Everything on which the page depends; None if this is not the page or must not be cached."""
        if scope["type"] != "http" or scope["method"] != "GET" or scope["path"] != "/":
            return None
        # Of the query, Gradio reads only these two: another page, and the saved state of a page.
        if {"page", "deep_link"} & parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True).keys():
            return None
        headers = Headers(scope=scope)
        varies = self._varies(cookie_parser(headers.get("cookie", "")))
        if varies is None:
            return None
        names = ("host", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-prefix", "x-gradio-server")
        return (scope["scheme"], scope.get("root_path", ""), *(headers.get(name, "") for name in names), *varies)

    def _storing(self, key: Key, send: Send) -> Send:
        start: Message | None = None
        body = bytearray()

        async def send_and_store(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
            elif message["type"] == "http.response.body":
                body.extend(message.get("body", b""))
                if start is not None and not message.get("more_body") and _is_whole_page(start, body):
                    self._store(key, start, bytes(body))
            await send(message)

        return send_and_store

    def _store(self, key: Key, start: Message, body: bytes) -> None:
        headers = [pair for pair in start["headers"] if pair[0].lower() not in (b"content-length", b"set-cookie")]
        self._pages[key] = page = _Page(headers, body, _compressed(body, FAST))
        if len(self._pages) > PAGES_MOST:
            self._pages.popitem(last=False)
        compressing = asyncio.create_task(_compress_best(page))
        self._compressing.add(compressing)
        compressing.add_done_callback(self._compressing.discard)


async def _compress_best(page: _Page) -> None:
    page.compressed = await asyncio.to_thread(_compressed, page.body, BEST)


def _compressed(body: bytes, quality: int) -> bytes:
    return bytes(brotli.compress(body, mode=brotli.MODE_TEXT, quality=quality))


def _is_whole_page(start: Message, body: Any) -> bool:
    headers = Headers(raw=start["headers"])
    is_page = start["status"] == HTTPStatus.OK and "text/html" in headers.get("content-type", "")
    return is_page and "content-encoding" not in headers and headers.get("content-length") == str(len(body))
