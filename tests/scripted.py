"""A service that answers as a table says: the API's calls, and the files that its results name."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.replies import Case, filled

__all__ = ["ORIGIN", "Scripted"]

ORIGIN = "http://simulator.internal"


class Scripted:
    """`files` are served by their path; `places` fill the placeholders of the replies. Counts what it is asked."""

    def __init__(self, case: Case, files: Mapping[str, bytes], places: Mapping[str, str]) -> None:
        self._case = case
        self._files = files
        self._places = places
        self.asked: Counter[str] = Counter()
        self.fetched: Counter[str] = Counter()
        call = "/v1/requests/{request_id}/{call}"
        self.app = Starlette(
            routes=[
                Route("/v1/models/{model_id:path}", self._submit, methods=["POST"]),
                Route(call, self._call, methods=["GET", "POST"]),
                Route("/{path:path}", self._file),
            ]
        )

    async def _submit(self, _: Request) -> Response:
        return self._reply("submit", self._case.submit, self._case.submit_http)

    async def _call(self, request: Request) -> Response:
        match request.path_params["call"]:
            case "status":
                return self._reply("status", self._case.status, self._case.status_http)
            case "result":
                return self._reply("result", self._case.result, self._case.result_http)
        return Response(status_code=404)

    async def _file(self, request: Request) -> Response:
        path = request.path_params["path"]
        self.fetched[path] += 1
        body = self._files.get(path)
        return Response(status_code=404) if body is None else Response(body, media_type="application/octet-stream")

    def _reply(self, call: str, bodies: tuple[Any, ...], status: int) -> Response:
        body = filled(bodies[min(self.asked[call], len(bodies) - 1)], **self._places)
        self.asked[call] += 1
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return Response(content, status, media_type="application/json")
