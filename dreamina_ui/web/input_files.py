"""Routes of the files that visitors upload for a model: to their owner; and to the service, if the app has a public address.

The public name of a file is a keyed digest; whoever knows it can fetch the file.
"""

import asyncio
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from dreamina_ui.errors import StoreError
from dreamina_ui.media.inputs import INPUTS, InputFiles
from dreamina_ui.web.saved_files import file_response

__all__ = ["INPUT_ADDRESS", "InputRoutes"]

INPUT_ADDRESS = "dreamina/input/"
"""Where the page finds its visitor's files, by their digests."""
_KINDS = {kind.plain_ending: kind for kind in INPUTS}
_NAME = re.compile(r"[0-9a-f]{32}\.[a-z0-9]+")
_DIGEST = re.compile(r"[0-9a-f]{32}")
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, no-store",
    # Browsers run nothing in such a file, and open no page from it.
    "Content-Security-Policy": "default-src 'none'; sandbox",
}
_ATTACHED = {**_HEADERS, "Content-Disposition": "attachment"}
_OWN = {**_HEADERS, "Cache-Control": "private, max-age=3600"}


class InputRoutes:
    """`visitor_of` gives the visitor of a request, or None."""

    def __init__(
        self,
        inputs: InputFiles,
        say: Callable[[Request, str], str],
        *,
        visitor_of: Callable[[Mapping[str, Any]], str | None],
    ) -> None:
        self._inputs = inputs
        self._say = say
        self._visitor_of = visitor_of

    @property
    def routes(self) -> list[Route]:
        public = [Route("/dreamina/upload/{name}", self._public, name="dreamina_upload")]
        own = Route(f"/{INPUT_ADDRESS}{{digest}}", self._own, name="dreamina_input")
        return [own, *(public if self._inputs.is_public else [])]

    async def _public(self, request: Request) -> Response:
        name = request.path_params["name"]
        path = await asyncio.to_thread(self._inputs.public_path, name) if _NAME.fullmatch(name) else None
        return self._not_found(request) if path is None else _file(path, _ATTACHED)

    async def _own(self, request: Request) -> Response:
        digest = request.path_params["digest"]
        visitor_id = self._visitor_of(request.scope)
        if visitor_id is None or not _DIGEST.fullmatch(digest):
            return self._not_found(request)
        try:
            path = await self._inputs.is_of(visitor_id, digest)
        except StoreError:
            return Response(status_code=503, headers={"Cache-Control": "no-store"})
        return self._not_found(request) if path is None else file_response(request, _file(path, _OWN))

    def _not_found(self, request: Request) -> Response:
        return PlainTextResponse(self._say(request, "upload.not_found"), 404, headers=_ATTACHED)


def _file(path: Path, headers: Mapping[str, str]) -> FileResponse:
    return FileResponse(path, media_type=_KINDS[path.suffix].media_type, headers=headers, stat_result=path.stat())
