"""Adds scripts to the page's `<head>`. Gradio runs the scripts of its own `head=` only after its own scripts have started."""

import hashlib
from pathlib import Path

import brotli
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["ADDRESS", "PageHead", "PageScripts", "with_head"]

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
