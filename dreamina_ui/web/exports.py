"""Files made of saved videos, as downloads: several videos joined, a part of one, a GIF or a WebM.

A job is named by its job id or, as in a link, by its share id: whoever knows one may download its video anyway. With `tell=1` the
file is made, too, and the response only says what came of it, as JSON: the page shows that before it downloads the file.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from dreamina_ui.engine.curation.exports import Export, Exports, Wanted
from dreamina_ui.errors import DreaminaError, ExportsBusy, InvalidInput, JobNotFound, NotMade
from dreamina_ui.web.callers import words_for, zone_of
from dreamina_ui.web.checks.addresses import ADDRESS
from dreamina_ui.web.downloads import disposition
from dreamina_ui.web.saved_files import LargeFile, file_response
from dreamina_ui.wording import Words

__all__ = ["ExportRoutes", "export_address", "export_json"]

_NOT_CACHED = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
_ASKED_AGAIN = {"X-Content-Type-Options": "nosniff", "Cache-Control": "private, no-cache"}
AGAIN_S = 20
"""Seconds after which it is worth asking again where too many files are being made."""


class ExportRoutes:
    """`visitor_of` gives the visitor of a request, or None."""

    def __init__(self, exports: Exports, *, visitor_of: Callable[[Mapping[str, Any]], str | None]) -> None:
        self._exports = exports
        self._visitor_of = visitor_of

    @property
    def routes(self) -> list[Route]:
        return [
            Route("/dreamina/join", self._join, name="dreamina_join"),
            Route("/dreamina/export", self._export, name="dreamina_export"),
        ]

    async def _join(self, request: Request) -> Response:
        """One MP4 of the videos `job=…&job=…`, in this order."""
        ids = request.query_params.getlist("job")
        return await self._answer(request, lambda **asked: self._exports.join(ids, **asked))

    async def _export(self, request: Request) -> Response:
        """The video `job=…`, `as` MP4, WebM or GIF, `from` and `to` in seconds, with a `width` and `fps`."""
        given = request.query_params

        async def make(**asked: Any) -> Export:
            wanted = Wanted.of(given.get("as"), *(given.get(name) for name in ("from", "to", "width", "fps")))
            return await self._exports.export(given.get("job"), wanted, **asked)

        return await self._answer(request, make)

    async def _answer(self, request: Request, make: Callable[..., Awaitable[Export]]) -> Response:
        words, tells = words_for(request), request.query_params.get("tell") == "1"
        visitor_id, address = self._visitor_of(request.scope) or "", request.scope.get(ADDRESS, "")
        try:
            export = await make(visitor_id=visitor_id, address=address, zone=zone_of(request))
            if tells:
                return JSONResponse({**export_json(export), "said": _said(export, words)}, headers=_NOT_CACHED)
            stat = await asyncio.to_thread(export.file.path.stat)
        except OSError:  # removed since, as the oldest of many
            return _refusal(words, ExportsBusy(), tells=tells)
        except DreaminaError as error:
            return _refusal(words, error, tells=tells)
        headers = {**_ASKED_AGAIN, "Content-Disposition": disposition("attachment", export.name)}
        media_type = export.file.kind.media_type
        file = LargeFile(export.file.path, media_type=media_type, headers=headers, stat_result=stat)
        return file_response(request, file)


def export_address(export: Export) -> str:
    """Where the file is downloaded, relative to this server; it is made again if it is not kept any more."""
    jobs = [("job", share_id) for share_id in export.share_ids]
    wanted = export.wanted
    if wanted is None:
        return f"/dreamina/join?{urlencode(jobs)}"
    values = {"as": wanted.format, "from": wanted.from_s, "to": wanted.to_s, "width": wanted.width, "fps": wanted.rate}
    return f"/dreamina/export?{urlencode([*jobs, *((name, value) for name, value in values.items() if value is not None)])}"


def export_json(export: Export) -> dict[str, Any]:
    """What was made, for programs; its size in bytes, its length in seconds."""
    made = export.file
    return {
        "url": export_address(export),
        "name": export.name,
        "media_type": made.kind.media_type,
        "size": made.size,
        "seconds": made.seconds,
        "width": made.width,
        "height": made.height,
        "is_copied": made.is_copied,
    }


def _said(export: Export, words: Words) -> str:
    made = export.file
    facts = words.say(
        "export.made",
        kind=made.kind.name,
        size=words.size(made.size),
        width=str(made.width),
        height=str(made.height),
        length=words.say("seconds", seconds=words.number(made.seconds, 1)),
    )
    how = "export.copied" if made.is_copied else "export.encoded" if export.wanted is None else ""
    return f"{facts} {words.say(how)}" if how else facts


def _refusal(words: Words, error: DreaminaError, *, tells: bool) -> Response:
    if isinstance(error, InvalidInput):
        sentence = words.field_problem(error, words.say(f"export.{error.field}"))
    elif isinstance(error, JobNotFound):
        sentence = words.say("download.not_found")
    else:
        sentence = words.sentence(error)
    status = _status(error)
    headers = {**_NOT_CACHED, **({"Retry-After": str(AGAIN_S)} if status == 503 else {})}
    if tells:
        return JSONResponse({"error": sentence}, status, headers=headers)
    return PlainTextResponse(sentence, status, headers=headers)


def _status(error: DreaminaError) -> int:
    if isinstance(error, InvalidInput):
        return 400
    if isinstance(error, JobNotFound):
        return 404
    if isinstance(error, NotMade):
        return 404 if error.facts.get("reason") == "gone" else 422
    return 503
