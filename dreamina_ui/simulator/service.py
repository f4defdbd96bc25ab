"""The simulator as a Starlette app: the routes of the API, the videos, the ledger and the faults."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from dreamina_ui.simulator.answers import WIRE, Reply
from dreamina_ui.simulator.calls import Handler, Simulator, read_json
from dreamina_ui.simulator.catalogue import Catalogue, Refusal
from dreamina_ui.simulator.faults import Fault
from dreamina_ui.simulator.ledger import Ledger
from dreamina_ui.simulator.renderers import QuickRenderer, Renderer, RenderJob, SubprocessRenderer

__all__ = ["QuickRenderer", "RenderJob", "Renderer", "Simulator", "SubprocessRenderer", "create_app"]

HOUR_S = 3600.0


class _Control:
    """Looking behind the scenes: the ledger and the script of faults. Never disturbed, never counted."""

    def __init__(self, simulator: Simulator) -> None:
        self._ledger = simulator.ledger
        self._faults = simulator.faults
        self._simulator = simulator

    def door(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            await self._simulator.start()
            try:
                self._simulator.check_key(request)
                return (await handler(request)).response()
            except Refusal as refusal:
                return Reply(refusal.code, refusal.body).response()

        return endpoint

    async def show_ledger(self, request: Request) -> Reply:
        """Every accepted submit in order, and the counters."""
        shown = {"requests": [asdict(record) for record in self._ledger.records.values()]}
        return Reply(body={**shown, "counters": asdict(self._ledger.counters)})

    async def show_faults(self, request: Request) -> Reply:
        return Reply(body={"faults": self._faults.listed()})

    async def add_faults(self, request: Request) -> Reply:
        """One fault or a list of them; all are added or none."""
        content = await read_json(request)
        try:
            faults = [Fault.from_json(one) for one in (content if isinstance(content, list) else [content])]
        except ValueError as error:
            raise Refusal.invalid([{"loc": ["body"], "msg": str(error), "type": "value_error"}]) from error
        for fault in faults:
            self._faults.add(fault)
        return Reply(201, {"faults": self._faults.listed()})

    async def clear_faults(self, request: Request) -> Reply:
        self._faults.clear()
        return await self.show_faults(request)


class _App(Starlette):
    """Keeps the server's own `send` in the scope: a reset reaches for the connection behind it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[WIRE] = send
        await super().__call__(scope, receive, send)


def create_app(
    folder: Path,
    *,
    cards: Sequence[Mapping[str, Any]],
    token: str | None = None,
    slots: int = 1,
    queue_s: float = 1.0,
    render: Renderer | None = None,
    price_usd: float = 0.0,
    price_unit: str = "second",
    keep_s: float = 12 * HOUR_S,
    keep_output_s: float = HOUR_S,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Starlette:
    """The service over `folder`, offering the models of `cards`.

    `slots` requests render at once, each after at least `queue_s` seconds in the queue. Records live `keep_s`
    seconds from their submit, outputs `keep_output_s` from their end. Without a `token` any bearer, or none,
    is welcome. Needs no lifespan: the first request starts the queue, `await app.state.simulator.aclose()`
    ends it.
    """
    ledger = Ledger(folder.absolute(), clock=clock, keep_s=keep_s, keep_output_s=keep_output_s)
    simulator = Simulator(
        ledger,
        Catalogue(cards, price_usd=price_usd, price_unit=price_unit),
        token=token,
        render=render or SubprocessRenderer(),
        slots=slots,
        queue_s=queue_s,
        clock=clock,
        sleep=sleep,
    )
    control = _Control(simulator)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await simulator.start()
        yield
        await simulator.aclose()

    door = simulator.door
    ways = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    app = _App(
        lifespan=lifespan,
        routes=[
            Route("/v1/models/{model_id:path}", door("submit", simulator.submit), methods=["POST"]),
            Route("/v1/models", door("model", simulator.models)),
            Route("/v1/models/{model_id:path}", door("model", simulator.model)),
            Route("/v1/requests/{request_id}/status", door("status", simulator.status)),
            Route("/v1/requests/{request_id}/result", door("result", simulator.result)),
            Route("/v1/requests/{request_id}/cancel", door("cancel", simulator.cancel), methods=["POST"]),
            Route("/outputs/{request_id}.{picture:int}.png", door("output", simulator.output)),
            Route("/outputs/{request_id}.{sound:int}.mp3", door("output", simulator.output)),
            Route("/outputs/{request_id}.{number:int}.mp4", door("output", simulator.output)),
            Route("/outputs/{request_id}.mp4", door("output", simulator.output)),
            Route("/_simulator/ledger", control.door(control.show_ledger)),
            Route("/_simulator/faults", control.door(control.show_faults), methods=["GET"]),
            Route("/_simulator/faults", control.door(control.add_faults), methods=["POST"]),
            Route("/_simulator/faults", control.door(control.clear_faults), methods=["DELETE"]),
            Route("/{rest:path}", door("", simulator.nothing), methods=ways),
        ],
    )
    app.state.simulator = simulator
    return app
