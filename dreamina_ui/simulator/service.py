"""RunComfy's Model API as a Starlette app: the calls, the outputs, and routes to the ledger and the faults."""

from __future__ import annotations

import asyncio
import hmac
import re
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from dreamina_ui.simulator.answers import FAILED, WIRE, HangUp, Reply, call_urls, iso_time, origin, read_json, spoil
from dreamina_ui.simulator.card import SOUNDS, Refusal
from dreamina_ui.simulator.catalogue import Catalogue
from dreamina_ui.simulator.drawing.renderers import Fetch, Renderer, RenderError, RenderJob, SubprocessRenderer
from dreamina_ui.simulator.faults import Fault, FaultScript, Phase
from dreamina_ui.simulator.inputs import BODY_MOST, Inputs
from dreamina_ui.simulator.ledger import Ledger, Record, RenderQueue

__all__ = ["Simulator", "create_app"]

HOUR_S = 3600.0
_OWN_OUTPUT = re.compile(r"/outputs/([0-9a-f-]{36})\.(?:\d+\.)?\w+")
_MEDIA_TYPES = dict(zip(SOUNDS, ("audio/mpeg", "audio/wav", "audio/flac"), strict=True))

Handler = Callable[[Request], Awaitable[Reply]]
Endpoint = Callable[[Request], Awaitable[Response]]


class Simulator:
    """The handlers of the API's calls; tests reach it as `app.state.simulator`."""

    def __init__(
        self,
        ledger: Ledger,
        catalogue: Catalogue,
        inputs: Inputs,
        *,
        token: str | None,
        balance_usd: float,
        render: Renderer,
        slots: int,
        queue_s: float,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self.ledger = ledger
        self.faults = FaultScript()
        self._catalogue = catalogue
        self._inputs = inputs
        self._arriving: set[str] = set()
        """Requests whose files are being kept, before they are in the ledger."""
        self._token = token
        self._balance_usd = balance_usd
        self._render = render
        self._clock = clock
        self._sleep = sleep
        self._queue = RenderQueue(
            ledger, self._make, self._cost, slots=slots, queue_s=queue_s, clock=clock, sleep=sleep
        )
        self._starting: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Load the records and resume the unfinished ones; every call awaits this first."""
        if self._starting is None:
            self._starting = asyncio.create_task(self._start())
        # Shielded: the first caller may be cancelled, the others still wait for the same start.
        await asyncio.shield(self._starting)

    async def aclose(self) -> None:
        """Stop the queue and kill the renderers. The next app on the folder resumes what is unfinished."""
        if self._starting is None:
            return
        await self._starting
        await self._queue.aclose()
        self.ledger.save_counters()

    async def _start(self) -> None:
        await asyncio.to_thread(self.ledger.load)
        await asyncio.to_thread(self._inputs.tidy, self._needs_files)
        self._queue.start()

    async def _tidy(self, record: Record) -> None:
        """Remove the files that came with a request that has ended, and those of others."""
        if record.ended and any(self._inputs.path(record.request_id, text) for text in self._job(record).media):
            await asyncio.to_thread(self._inputs.tidy, self._needs_files)

    def _needs_files(self, request_id: str) -> bool:
        record = self.ledger.records.get(request_id)
        return request_id in self._arriving if record is None else not record.ended

    async def _make(self, record: Record, path: Path) -> None:
        job = self._job(record)
        job = replace(job, media=tuple(self._medium(record, text) for text in job.media))
        if self._catalogue.find(record.model_id).makes_sounds:
            # The sound is made on download; this small video only takes the time of a rendering.
            job = replace(job, width=64, height=64, frames=1)
        await self._render(job, path)

    def _medium(self, record: Record, text: str) -> str:
        """The path of a file that came with the request, or of one of our own outputs; else an address."""
        path = self._inputs.path(record.request_id, text)
        if path is None and (own := _OWN_OUTPUT.search(text)) and (made := self.ledger.find(own[1])) is not None:
            if not self.ledger.output_alive(made):
                raise RenderError(f"The file could not be loaded from {text[:200]}")
            path = self.ledger.output(made.request_id)
        return text if path is None else str(path)

    def api(self, on: str, handler: Handler) -> Endpoint:
        """An endpoint that counts its calls and applies the faults scripted `on` it."""

        async def endpoint(request: Request) -> Response:
            await self.start()
            await self.ledger.sweep()
            self._count(on, request)
            try:
                response = await self._answer(on, request, handler)
            except Refusal as refusal:
                response = Reply(refusal.code, refusal.body).response()
            self.ledger.counters.add_reply("reset" if isinstance(response, HangUp) else str(response.status_code))
            return response

        return endpoint

    def control(self, handler: Handler) -> Endpoint:
        """An endpoint for tests: no faults, not counted."""

        async def endpoint(request: Request) -> Response:
            await self.start()
            try:
                self._check_key(request)
                return (await handler(request)).response()
            except Refusal as refusal:
                return Reply(refusal.code, refusal.body).response()

        return endpoint

    async def _answer(self, on: str, request: Request, handler: Handler) -> Response:
        request_id = request.path_params.get("request_id")
        fault = await self._fault(on, "early", request_id, {})
        if fault is not None:
            return spoil(fault, Reply(body={"request_id": request_id}), self._clock)
        reply = await handler(request)
        fault = await self._fault(on, "late", request_id, reply.body)
        return reply.response() if fault is None else spoil(fault, reply, self._clock)

    async def _fault(self, on: str, phase: Phase, request_id: str | None, body: Mapping[str, Any]) -> Fault | None:
        delay_s, fault = self.faults.take(on, phase, request_id, body)
        if delay_s:
            await self._sleep(delay_s)
        return fault

    def _count(self, on: str, request: Request) -> None:
        counters = self.ledger.counters
        record = self.ledger.find(request.path_params.get("request_id", ""))
        counters.posts_received += on == "submit"
        counters.cancels += on == "cancel"
        counters.downloads += on == "output"
        counters.gets += request.method == "GET" and on != "output"
        if record is not None:
            record.status_polls += on == "status"
            record.result_polls += on == "result"
            record.cancel_asked += on == "cancel"
            record.downloads += on == "output"

    async def submit(self, request: Request) -> Reply:
        self._check_key(request)
        card = self._catalogue.find(request.path_params["model_id"])
        if len(await request.body()) > BODY_MOST:
            raise Refusal(413, 413001, "The body is too large.")
        given = card.check(await read_json(request))
        if self._balance <= 0 < self._catalogue.cost(1.0):
            raise Refusal(402, 400002, "Insufficient balance.")
        request_id = str(uuid.uuid4())
        self._arriving.add(request_id)
        try:
            kept = await asyncio.to_thread(self._inputs.keep, request_id, card, given, f"{origin(request)}/outputs/")
            _, fate = self.faults.take("submit", "fate")
            end = None if fate is None else {"kind": fate.kind, "error": fate.error or FAILED}
            record = self.ledger.accept(request_id, card.model_id, kept, end)
        finally:
            self._arriving.discard(request_id)
        self._queue.add(record)
        urls = call_urls(request, record.request_id, "status", "result", "cancel")
        return Reply(body={"request_id": record.request_id, **urls})

    async def status(self, request: Request) -> Reply:
        record = self._record(request)
        body: dict[str, Any] = {"request_id": record.request_id, "status": record.status}
        if record.state == "in_queue":
            body["queue_position"] = self._queue.position(record)
        return Reply(body={**body, **call_urls(request, record.request_id, "status", "result")})

    async def result(self, request: Request) -> Reply:
        record = self._record(request)
        await self._tidy(record)
        body: dict[str, Any] = {"request_id": record.request_id, "status": record.state}
        if record.state == "succeeded":
            card = self._catalogue.find(record.model_id)
            body["output"] = card.outputs(record.input, f"{origin(request)}/outputs/{record.request_id}")
        if record.state == "failed":
            body["error"] = record.error
        body["created_at"] = iso_time(record.created_at)
        if record.finished_at is not None:
            body["finished_at"] = iso_time(record.finished_at)
            if request.query_params.get("include_cost", "").lower() in {"true", "1"}:
                body["cost"] = record.cost_usd
        return Reply(body=body)

    async def cancel(self, request: Request) -> Reply:
        record = self._record(request)
        outcome = "cancelled" if self._queue.cancel(record) else "not_cancellable"
        await self._tidy(record)
        return Reply(202, {"request_id": record.request_id, "status": record.status, "outcome": outcome})

    async def model(self, request: Request) -> Reply:
        self._check_key(request)
        return Reply(body=self._catalogue.describe(request.path_params["model_id"]))

    async def models(self, request: Request) -> Reply:
        self._check_key(request)
        return Reply(body=self._catalogue.search(request.query_params))

    async def balance(self, request: Request) -> Reply:
        self._check_key(request)
        usd = self._balance
        micros = round(usd * 1_000_000)
        return Reply(body={"balance_usd": usd, "balance_microdollars": micros, "currency": "USD"})

    async def output(self, request: Request) -> Reply:
        """The video, a frame of it, or a sound; needs no key, as at the real service."""
        record = self.ledger.find(request.path_params["request_id"])
        if record is None or not self.ledger.output_alive(record):
            raise Refusal(404, 404001, "Not found.")
        video = self.ledger.output(record.request_id)
        if "picture" in request.path_params:
            from dreamina_ui.simulator.media import still

            picture = await asyncio.to_thread(still, video, request.path_params["picture"])
            return Reply(content=picture, media_type="image/png")
        if "sound" in request.path_params:
            from dreamina_ui.simulator.drawing.sound import music

            job = self._job(record)
            seed = job.seed + request.path_params["sound"] - 1  # another piece for each number
            ending = request.url.path.rpartition(".")[2]
            sound = await asyncio.to_thread(music, job.prompt, seed, job.frames / job.frames_per_second, ending)
            return Reply(content=sound, media_type=_MEDIA_TYPES[ending])
        return Reply(file=video)

    async def unknown(self, request: Request) -> Reply:
        self._check_key(request)
        raise Refusal(404, 404001, "Not found.")

    async def show_ledger(self, request: Request) -> Reply:
        """Every accepted submit in order, and the counters."""
        requests = [asdict(record) for record in self.ledger.records.values()]
        return Reply(body={"requests": requests, "counters": asdict(self.ledger.counters)})

    async def show_faults(self, request: Request) -> Reply:
        return Reply(body={"faults": self.faults.listed()})

    async def add_faults(self, request: Request) -> Reply:
        """One fault or a list of them; all are added or none."""
        content = await read_json(request)
        try:
            faults = [Fault.from_json(one) for one in (content if isinstance(content, list) else [content])]
        except ValueError as error:
            raise Refusal.invalid([{"loc": ["body"], "msg": str(error), "type": "value_error"}]) from error
        for fault in faults:
            self.faults.add(fault)
        return Reply(201, {"faults": self.faults.listed()})

    async def clear_faults(self, request: Request) -> Reply:
        self.faults.clear()
        return await self.show_faults(request)

    def _check_key(self, request: Request) -> None:
        if self._token is None:
            return
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(key.strip().encode(), self._token.encode()):
            raise Refusal(401, 400004, "The token is missing, invalid or expired.")

    def _record(self, request: Request) -> Record:
        self._check_key(request)
        record = self.ledger.find(request.path_params["request_id"])
        if record is None:
            raise Refusal(404, 404001, "The request was not found, or it is expired.")
        return record

    def _job(self, record: Record) -> RenderJob:
        return self._catalogue.find(record.model_id).render_job(record.request_id, record.input)

    @property
    def _balance(self) -> float:
        """US dollars that are left; those that are being made may bring it below 0, as at the real service."""
        return round(self._balance_usd - self.ledger.counters.spent_usd, 6)

    def _cost(self, record: Record) -> float:
        """US dollars for a request that is made."""
        job = self._job(record)
        return self._catalogue.cost(job.frames / job.frames_per_second)


class _App(Starlette):
    """Keeps the server's own `send` in the scope, from which a reset gets the connection."""

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
    fetch: Fetch | None = None,
    price_usd: float = 0.0,
    price_unit: str = "second",
    pricing_note: str = "",
    balance_usd: float = 20.0,
    keep_s: float = 12 * HOUR_S,
    keep_output_s: float = HOUR_S,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Starlette:
    """The service over `folder`, offering the models of `cards`.

    `slots` requests render at once, each after at least `queue_s` seconds in the queue. Records live `keep_s`
    seconds from their submit, outputs `keep_output_s` from their end. Without a `token` no key is checked. Without `fetch`, of
    addresses in inputs only those of its own outputs can be loaded.
    `balance_usd` is what the account had before the first request; each video that is made takes its cost from it.
    Needs no lifespan: the first request starts the queue, `await app.state.simulator.aclose()` ends it.
    """
    ledger = Ledger(folder.absolute(), clock=clock, keep_s=keep_s, keep_output_s=keep_output_s)
    simulator = Simulator(
        ledger,
        Catalogue(cards, price_usd=price_usd, price_unit=price_unit, pricing_note=pricing_note),
        Inputs(folder.absolute() / "inputs"),
        token=token,
        balance_usd=balance_usd,
        render=render or SubprocessRenderer(fetch=fetch),
        slots=slots,
        queue_s=queue_s,
        clock=clock,
        sleep=sleep,
    )

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await simulator.start()
        yield
        await simulator.aclose()

    app = _App(lifespan=lifespan, routes=_routes(simulator))
    app.state.simulator = simulator
    return app


def _routes(simulator: Simulator) -> list[Route]:
    api, control = simulator.api, simulator.control
    output = api("output", simulator.output)
    return [
        Route("/v1/models/{model_id:path}", api("submit", simulator.submit), methods=["POST"]),
        Route("/v1/models", api("model", simulator.models)),
        Route("/v1/models/{model_id:path}", api("model", simulator.model)),
        Route("/v1/requests/{request_id}/status", api("status", simulator.status)),
        Route("/v1/requests/{request_id}/result", api("result", simulator.result)),
        Route("/v1/requests/{request_id}/cancel", api("cancel", simulator.cancel), methods=["POST"]),
        # At the real service this is of another host than the rest.
        Route("/prod/v2/balance", api("balance", simulator.balance)),
        Route("/outputs/{request_id}.{picture:int}.png", output),
        *(Route(f"/outputs/{{request_id}}.{{sound:int}}.{ending}", output) for ending in SOUNDS),
        Route("/outputs/{request_id}.{number:int}.mp4", output),
        Route("/outputs/{request_id}.mp4", output),
        Route("/_simulator/ledger", control(simulator.show_ledger)),
        Route("/_simulator/faults", control(simulator.show_faults), methods=["GET"]),
        Route("/_simulator/faults", control(simulator.add_faults), methods=["POST"]),
        Route("/_simulator/faults", control(simulator.clear_faults), methods=["DELETE"]),
        Route("/{rest:path}", api("", simulator.unknown), methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
    ]
