"""The page as it was made for the last one who asked: it is the same for everybody, and Gradio makes it anew for each.

That takes 15 ms of processor time; a hundred people who open the page at once would wait for each other. And compressed once,
it can be compressed well.
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
"""There is one for each name the app is asked by, and each language."""
AT_ONCE, AT_BEST = 4, 11
"""Of brotli: the first takes a few thousandths of a second, the best there is a fifth of one, in a thread, once."""

Key = tuple[str, ...]


@dataclass(slots=True)
class _Page:
    headers: list[tuple[bytes, bytes]]
    body: bytes
    squeezed: bytes


class PageCache:
    """Middleware: answers `GET /` with what it was answered before. Stands where the visitor's cookie is known already.

    `varies` gives what of the cookies the page depends on; None is a request whose page is not to be kept.
    """

    def __init__(self, app: ASGIApp, varies: Callable[[dict[str, str]], Sequence[str] | None]) -> None:
        self._app = app
        self._varies = varies
        self._pages: OrderedDict[Key, _Page] = OrderedDict()
        self._squeezing: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = self._key(scope)
        if key is None:
            await self._app(scope, receive, send)
            return
        page = self._pages.get(key)
        if page is None:
            await self._app(scope, receive, self._keeping(key, send))
            return
        self._pages.move_to_end(key)
        takes_squeezed = "br" in Headers(scope=scope).get("accept-encoding", "")
        body, encoding = page.body, b""
        if takes_squeezed:
            body, encoding = page.squeezed, b"br"
        headers = [*page.headers, (b"content-length", str(len(body)).encode())]
        if encoding:
            headers += [(b"content-encoding", encoding), (b"vary", b"Accept-Encoding")]
        await send({"type": "http.response.start", "status": HTTPStatus.OK, "headers": headers})
        await send({"type": "http.response.body", "body": body if scope["method"] == "GET" else b""})

    def _key(self, scope: Scope) -> Key | None:
        """All that the page depends on; None for what is not the page, or is not to be kept."""
        if scope["type"] != "http" or scope["method"] != "GET" or scope["path"] != "/":
            return None
        # Of what an address asks for, Gradio itself knows only another page, and the state of one that somebody had.
        if {"page", "deep_link"} & parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True).keys():
            return None
        headers = Headers(scope=scope)
        varies = self._varies(cookie_parser(headers.get("cookie", "")))
        if varies is None:
            return None
        names = ("host", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-prefix", "x-gradio-server")
        return (scope["scheme"], scope.get("root_path", ""), *(headers.get(name, "") for name in names), *varies)

    def _keeping(self, key: Key, send: Send) -> Send:
        start: Message | None = None
        body = bytearray()

        async def send_and_keep(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
            elif message["type"] == "http.response.body":
                body.extend(message.get("body", b""))
                if start is not None and not message.get("more_body") and _is_whole_page(start, body):
                    self._keep(key, start, bytes(body))
            await send(message)

        return send_and_keep

    def _keep(self, key: Key, start: Message, body: bytes) -> None:
        headers = [pair for pair in start["headers"] if pair[0].lower() not in (b"content-length", b"set-cookie")]
        self._pages[key] = page = _Page(headers, body, _squeezed(body, AT_ONCE))
        if len(self._pages) > PAGES_MOST:
            self._pages.popitem(last=False)
        squeezing = asyncio.create_task(_squeeze(page))
        self._squeezing.add(squeezing)
        squeezing.add_done_callback(self._squeezing.discard)


async def _squeeze(page: _Page) -> None:
    page.squeezed = await asyncio.to_thread(_squeezed, page.body, AT_BEST)


def _squeezed(body: bytes, quality: int) -> bytes:
    return bytes(brotli.compress(body, mode=brotli.MODE_TEXT, quality=quality))


def _is_whole_page(start: Message, body: Any) -> bool:
    headers = Headers(raw=start["headers"])
    is_page = start["status"] == HTTPStatus.OK and "text/html" in headers.get("content-type", "")
    return is_page and "content-encoding" not in headers and headers.get("content-length") == str(len(body))
