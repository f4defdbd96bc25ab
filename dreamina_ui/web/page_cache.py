"""Caches the page, which is the same for everybody; Gradio renders it for each request.

Rendering takes 15 ms of processor time, so a hundred people who open the page at once would wait for each other. A cached page
is also compressed once, and therefore well.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

import brotli
from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["PageCache"]

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
