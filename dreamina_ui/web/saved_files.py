"""Serves saved files, posters and the examples' pictures by name, so that no page and no response has a path of the server."""

import asyncio
import re
from pathlib import Path
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from dreamina_ui.media.kinds import kind_named

__all__ = ["EXAMPLES_ADDRESS", "PROGRAM_PATH", "SAVED_ADDRESS", "SavedFiles", "saved_address"]

SAVED_ADDRESS, EXAMPLES_ADDRESS = "dreamina/saved/", "dreamina/examples/"
"""Relative to the page."""
PROGRAM_PATH = "dreamina/"
"""Gradio's client for Python ignores a file's `url`: it asks for `gradio_api/file=` and the file's `path`, which begins so."""
_SAVED_NAME = re.compile(r"[0-9a-f]{32}(-\d{1,2})?\.[a-z0-9.]+")
_EXAMPLE_NAME = re.compile(r"[a-z-]+\.webp")
_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "private, max-age=86400"}


class SavedFiles:
    """`library` and `examples` are folders. Names in `library` have 128 random bits: whoever knows one may see the file."""

    def __init__(self, library: Path, examples: Path) -> None:
        self._library = library
        self._examples = examples

    @property
    def routes(self) -> list[Route]:
        return [
            Route(f"/{SAVED_ADDRESS}{{name}}", self._saved, name="dreamina_saved"),
            Route(f"/gradio_api/file={PROGRAM_PATH}{{name}}", self._saved, name="dreamina_saved_for_programs"),
            Route(f"/{EXAMPLES_ADDRESS}{{name}}", self._example, name="dreamina_example"),
        ]

    async def _saved(self, request: Request) -> Response:
        name: str = request.path_params["name"]
        return await _file_response(self._library / name) if _SAVED_NAME.fullmatch(name) else _not_found()

    async def _example(self, request: Request) -> Response:
        name: str = request.path_params["name"]
        return await _file_response(self._examples / name) if _EXAMPLE_NAME.fullmatch(name) else _not_found()


def saved_address(path: Path) -> str:
    """The address of a file or poster of the library, relative to the page."""
    return SAVED_ADDRESS + quote(path.name)


async def _file_response(path: Path) -> Response:
    """The file, inline; 404 for a kind that browsers do not show, such as a job's record."""
    kind = kind_named(path.name[32:] if path.suffix != ".webp" else ".image.webp")
    if not kind.inline:
        return _not_found()
    try:
        stat = await asyncio.to_thread(path.stat)
    except OSError:
        return _not_found()
    return FileResponse(path, media_type=kind.media_type, headers=_HEADERS, stat_result=stat)


def _not_found() -> Response:
    return Response(status_code=404, headers={"Cache-Control": "no-store"})
