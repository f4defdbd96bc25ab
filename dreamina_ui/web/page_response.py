"""The page as it is sent: with our scripts at the start of its head, and cached, because it is the same for everybody.

Gradio runs the scripts of its own `head=` only after its own scripts have started. It renders the page for each request, which
takes 15 ms of processor time: a hundred people who open the page at once would wait for each other. A cached page is also
compressed once, and therefore well.
"""

import asyncio
import hashlib
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import brotli
import rjsmin
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request, cookie_parser
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dreamina_ui.config.hosts import Hosts

__all__ = ["ADDRESS", "OneFile", "PageCache", "PageFiles", "PageHead", "PageScripts", "with_head"]

ADDRESS, STYLES = "/dreamina/scripts.js", "/dreamina/styles.css"
_URL = re.compile(r"url\(([\"']?)\./")
FIRST = "dreamina.js"
"""The script with the helpers that the other scripts use."""
MAX_AGE_S = 31_536_000


class OneFile:
    """Serves a text at an address that changes with it, so that browsers need never ask again."""

    def __init__(self, path: str, media_type: str, text: str) -> None:
        self._path, self._media_type = path, media_type
        self._plain = text.encode()
        self._compressed = _compressed(self._plain, GOOD)
        self._version = hashlib.sha256(self._plain).hexdigest()[:16]

    @classmethod
    def of(cls, path: str, file: Path) -> "OneFile":
        """A script without its comments, or a style, at `path`."""
        text = file.read_text(encoding="utf-8")
        is_script = file.suffix == ".js"
        return OneFile(path, "text/javascript" if is_script else "text/css", rjsmin.jsmin(text) if is_script else text)

    @property
    def address(self) -> str:
        """Relative to the page."""
        return f"{self._path.removeprefix('/')}?v={self._version}"

    @property
    def routes(self) -> list[Route]:
        return [Route(self._path, self._serve, name=self._path)]

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
        return Response(content, media_type=self._media_type, headers=headers)


class PageScripts(OneFile):
    """All scripts of a folder as one file without comments.

    Otherwise the page would wait for more than twenty responses before it starts.
    """

    def __init__(self, folder: Path) -> None:
        first = folder / FIRST
        files = [first, *sorted(set(folder.glob("*.js")) - {first})]
        text = rjsmin.jsmin("\n".join(file.read_text(encoding="utf-8") for file in files))
        super().__init__(ADDRESS, "text/javascript", text)

    @property
    def tag(self) -> str:
        """The script element, without `async` or `defer`: the scripts run before Gradio's, which call their functions."""
        return f'<script src="{self.address}"></script>'


class PageFiles(OneFile):
    """What the page needs, named in its head: Gradio's scripts, and its styles and our `own` ones as one file.

    Gradio's browser side finds out step by step which files it needs, and asks for no style that the page names already.
    """

    def __init__(self, scripts: Sequence[Path], styles: Sequence[Path], own: str = "") -> None:
        self._scripts, self._styles = [file.name for file in scripts], [file.name for file in styles]
        texts = (file.read_text(encoding="utf-8") for file in styles)
        super().__init__(
            STYLES, "text/css", "\n".join([*(_URL.sub(rf"url(\1..{ASSETS}", text) for text in texts), own])
        )

    @property
    def start(self) -> str:
        """For the start of the head: what is to be loaded at once, the styles first, because the page's scripts wait for them."""
        first = f'<link rel="preload" as="style" href="{self.address}">' if self._plain else ""
        return first + "".join(
            f'<link rel="modulepreload" crossorigin href=".{ASSETS}{name}">' for name in self._scripts
        )

    @property
    def end(self) -> str:
        """For the end of the head, behind Gradio's first styles: all others. A style that is switched off is not loaded."""
        marks = "".join(f'<link rel="stylesheet" disabled href=".{ASSETS}{name}">' for name in self._styles)
        return f'<link rel="stylesheet" href="{self.address}">{marks}' if self._plain else ""


class PageHead:
    """Middleware: adds HTML at the start of the page's head, and at its end."""

    def __init__(self, app: ASGIApp, start: str, end: str = "") -> None:
        self._app = app
        self._added = start, end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_page = scope["type"] == "http" and scope["path"] == "/"
        await self._app(scope, receive, with_head(send, *self._added) if is_page else send)


def with_head(send: Send, at_start: str, at_end: str = "") -> Send:
    """A `send` that adds HTML at the start and at the end of a page's head, and changes no other response."""
    added = (b"<head>", b"<head>" + at_start.encode()), (b"</head>", at_end.encode() + b"</head>")
    start: Message | None = None

    async def send_with_head(message: Message) -> None:
        nonlocal start
        if message["type"] == "http.response.start" and _is_readable_page(Headers(scope=message)):
            start = message  # the content length is known only with the body
            return
        if start is not None and message["type"] == "http.response.body":
            body = message.get("body", b"")
            for place, html in added:
                body = body.replace(place, html, 1)
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
"""There is one page for each language, and for each sub-path that a proxy tells."""
PACKED_MOST = 8
"""Compressed pages for names that are not in the settings: any number is one by which this program may be reached."""
FAST, GOOD, BEST = 4, 9, 11
"""Qualities of brotli: the fast one takes a few milliseconds, the good one twenty, the best one a fifth of a second: the start of
the program waits for our own files."""
FAST_EACH_S, BEST_EACH_S = 1.0, 10.0
"""Seconds between two compressions for such names; meanwhile pages are sent as they are."""
KEPT = {"/": "text/html", "/config": "application/json"}
"""What is cached: the page, and its description for Gradio's clients."""
PLACE = "studio.invalid"
"""The host that pages are rendered for; each request gets its own in its place."""
ASSETS, ASSETS_MOST = "/assets/", 32 * 2**20
"""Gradio's own files, and the bytes of them that are kept compressed."""
_HASHED = re.compile(r"-[\w-]{8,10}\.(js|css)$")
"""The end of a name that changes with its file."""

Cookies = Mapping[str, str]
Key = tuple[str, str, tuple[tuple[str, str], ...]]


@dataclass(slots=True)
class _Page:
    """A response; `body` of a page is for the host `PLACE`."""

    headers: list[tuple[bytes, bytes]]
    body: bytes


class PageCache:
    """Middleware: answers `GET /` and `GET /config` from the cache. It belongs inside the middleware that sets the cookie.

    What is kept is named by what was understood, not by what was sent: a page by the cookies that `varies` returns (those on
    which it depends, with values that it knows; or None if the page must not be cached) and the sub-path, a compressed one also
    by the host. Pages are rendered and compressed one at a time, compressed in a thread of their own. The same is done for
    Gradio's own files, which it would compress anew for each request. `monotonic` gives seconds.
    """

    def __init__(
        self,
        app: ASGIApp,
        varies: Callable[[Cookies], Cookies | None],
        hosts: Hosts,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._varies = varies
        self._hosts = hosts
        self._monotonic = monotonic
        self._pages: OrderedDict[Key, _Page] = OrderedDict()
        self._listed: OrderedDict[tuple[Key, bytes], bytes] = OrderedDict()
        self._others: OrderedDict[tuple[Key, bytes], bytes] = OrderedDict()
        self._assets: dict[str, _Page] = {}
        self._turn = asyncio.Lock()
        self._packer = ThreadPoolExecutor(1, "page compression")
        self._next_at = dict.fromkeys((FAST, BEST), float("-inf"))
        self._compressing: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_read = scope["type"] == "http" and scope["method"] in ("GET", "HEAD")
        if is_read and _is_asset(scope["path"]) and _HASHED.search(scope["path"]):
            send = _lasting(send)
        if is_read and scope["path"] in KEPT:
            await self._send_page(scope, receive, send)
        elif is_read and _is_asset(scope["path"]) and _takes_brotli(scope) and not _is_conditional(scope):
            await self._send_asset(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _send_page(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Of the query, Gradio reads another page's name and a page's saved state, and this app has neither.
        scope = {**scope, "query_string": b""}
        headers = Headers(scope=scope)
        host = headers.get("x-forwarded-host") or headers.get("host", "")
        varies = self._varies(cookie_parser(headers.get("cookie", "")))
        if varies is None or not self._hosts.knows(host):
            await self._app(scope, receive, send)
            return
        key = (scope["path"], scope.get("root_path", ""), tuple(sorted(varies.items())))
        page = self._pages.get(key)
        if page is None:
            async with self._turn:
                page = self._pages.get(key) or await self._rendered(key, scope, receive, send)
        if page is None:
            return  # it was no page, and is sent
        self._pages[key] = page
        self._pages.move_to_end(key)
        if len(self._pages) > PAGES_MOST:
            self._pages.popitem(last=False)
        body = page.body.replace(f"http://{PLACE}".encode(), root := f"{scope['scheme']}://{host}".encode())
        packed = await self._packed((key, root), body, self._is_listed(scope, host)) if _takes_brotli(scope) else None
        await _send(_Page(page.headers, body) if packed is None else _brotli(page.headers, packed), scope, send)

    def _is_listed(self, scope: Scope, host: str) -> bool:
        port = host.rpartition("]")[2].partition(":")[2]
        own = str((scope.get("server") or (None, None))[1])
        return self._hosts.lists(host) and port in ("", "80", "443", own)

    async def _rendered(self, key: Key, scope: Scope, receive: Receive, send: Send) -> _Page | None:
        """The page; None for another response, which is sent."""
        path, _, varies = key
        cookies = "; ".join(f"{name}={value}" for name, value in varies if value)
        headers = [(b"host", PLACE.encode()), *([(b"cookie", cookies.encode())] if cookies else [])]
        sent, answer = await _captured(
            self._app, {**scope, "method": "GET", "scheme": "http", "headers": headers}, receive
        )
        if answer is not None and KEPT[path] in Headers(raw=answer.headers).get("content-type", ""):
            return answer
        for message in sent:
            await send(message)
        return None

    async def _packed(self, name: tuple[Key, bytes], body: bytes, is_listed: bool) -> bytes | None:
        """The compressed page; None where it is too early for another compression."""
        kept = self._listed if is_listed else self._others
        if (packed := kept.get(name)) is not None:
            kept.move_to_end(name)
            return packed
        if not self._may(FAST, FAST_EACH_S, is_listed):
            return None
        kept[name] = await self._compressed(body, FAST)
        if len(kept) > (PAGES_MOST if is_listed else PACKED_MOST):
            kept.popitem(last=False)
        if self._may(BEST, BEST_EACH_S, is_listed):
            compressing = asyncio.create_task(self._improve(kept, name, body))
            self._compressing.add(compressing)
            compressing.add_done_callback(self._compressing.discard)
        return kept.get(name)

    async def _improve(self, kept: OrderedDict[tuple[Key, bytes], bytes], name: tuple[Key, bytes], body: bytes) -> None:
        packed = await self._compressed(body, BEST)
        if name in kept:
            kept[name] = packed

    def _may(self, quality: int, each_s: float, is_listed: bool) -> bool:
        if is_listed:
            return True
        now = self._monotonic()
        if now < self._next_at[quality]:
            return False
        self._next_at[quality] = now + each_s
        return True

    async def _compressed(self, body: bytes, quality: int) -> bytes:
        return await asyncio.get_running_loop().run_in_executor(self._packer, _compressed, body, quality)

    async def _send_asset(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if path not in self._assets:
            async with self._turn:
                if path not in self._assets:
                    scope = {**scope, "method": "GET", "headers": [(b"accept-encoding", b"br")]}
                    sent, answer = await _captured(self._app, scope, receive)
                    size = sum(len(asset.body) for asset in self._assets.values())
                    if answer is None or size + len(answer.body) > ASSETS_MOST:
                        for message in sent:
                            await send(message)
                        return
                    self._assets[path] = answer
        await _send(self._assets[path], scope, send)


async def _captured(app: ASGIApp, scope: Scope, receive: Receive) -> tuple[list[Message], _Page | None]:
    """What an app sends, and the same as a response that may be kept; None for one that did not succeed."""
    sent: list[Message] = []

    async def capture(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, capture)
    if not sent or sent[0]["type"] != "http.response.start" or sent[0]["status"] != HTTPStatus.OK:
        return sent, None
    headers = [pair for pair in sent[0]["headers"] if pair[0].lower() not in (b"content-length", b"set-cookie")]
    return sent, _Page(headers, b"".join(message.get("body", b"") for message in sent[1:]))


async def _send(page: _Page, scope: Scope, send: Send) -> None:
    headers = [*page.headers, (b"content-length", str(len(page.body)).encode())]
    await send({"type": "http.response.start", "status": HTTPStatus.OK, "headers": headers})
    await send({"type": "http.response.body", "body": page.body if scope["method"] == "GET" else b""})


def _lasting(send: Send) -> Send:
    """A `send` by which a file that never changes is not asked for again. Gradio leaves that to the browser's guess."""

    async def send_lasting(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] in (HTTPStatus.OK, HTTPStatus.NOT_MODIFIED):
            MutableHeaders(scope=message)["Cache-Control"] = f"public, max-age={MAX_AGE_S}, immutable"
        await send(message)

    return send_lasting


def _brotli(headers: list[tuple[bytes, bytes]], body: bytes) -> _Page:
    return _Page([*headers, (b"content-encoding", b"br"), (b"vary", b"Accept-Encoding")], body)


def _takes_brotli(scope: Scope) -> bool:
    return "br" in Headers(scope=scope).get("accept-encoding", "")


def _is_asset(path: str) -> bool:
    return path.startswith(ASSETS) and path.endswith((".js", ".css"))


def _is_conditional(scope: Scope) -> bool:
    return any(name.startswith(b"if-") or name == b"range" for name, _ in scope["headers"])


def _compressed(body: bytes, quality: int) -> bytes:
    return bytes(brotli.compress(body, mode=brotli.MODE_TEXT, quality=quality))
