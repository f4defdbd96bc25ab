"""RunComfy's Model API, call by call, over a queue that renders real files."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from dreamina_ui.simulator.answers import FAILED, HangUp, Reply, spoil
from dreamina_ui.simulator.catalogue import Card, Catalogue, Refusal
from dreamina_ui.simulator.faults import Fault, FaultScript, Phase
from dreamina_ui.simulator.ledger import Ledger, Record, RenderQueue
from dreamina_ui.simulator.outputs import makes_sounds, outputs_of, still
from dreamina_ui.simulator.renderers import Renderer, RenderJob

__all__ = ["Handler", "Simulator", "read_json"]

Handler = Callable[[Request], Awaitable[Reply]]

_STATUS_WORDS = {"succeeded": "completed", "failed": "completed"}


class Simulator:
    """What stands behind the routes; tests reach it as `app.state.simulator`."""

    def __init__(
        self,
        ledger: Ledger,
        catalogue: Catalogue,
        *,
        token: str | None,
        render: Renderer,
        slots: int,
        queue_s: float,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self.ledger = ledger
        self.faults = FaultScript()
        self._catalogue = catalogue
        self._token = token
        self._render = render
        self._clock = clock
        self._sleep = sleep
        self._queue = RenderQueue(ledger, self._make, slots=slots, queue_s=queue_s, clock=clock, sleep=sleep)
        self._starting: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Load the records and go on where an earlier process stopped. Every call comes here first."""
        if self._starting is None:
            self._starting = asyncio.create_task(self._start())
        # Shielded: the first caller may go away, the others still wait for the same start.
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
        self._queue.start()

    async def _make(self, record: Record, path: Path) -> None:
        card = self._catalogue.find(record.model_id)
        job = _job(record, card)
        if makes_sounds(card.output_schema):
            # The sound is made at its download; what is rendered before only takes its time.
            job = replace(job, width=64, height=64, frames=1)
        await self._render(job, path)

    def door(self, on: str, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        """The way every call takes: counted, exposed to the faults scripted `on` it, answered."""

        async def endpoint(request: Request) -> Response:
            await self.start()
            await self.ledger.sweep()
            self._note(on, request)
            try:
                response = await self._answer(on, request, handler)
            except Refusal as refusal:
                response = Reply(refusal.code, refusal.body).response()
            answer = "reset" if isinstance(response, HangUp) else str(response.status_code)
            self.ledger.counters.answer(answer)
            return response

        return endpoint

    async def _answer(self, on: str, request: Request, handler: Handler) -> Response:
        request_id = request.path_params.get("request_id")
        fault = await self._strike(on, "early", request_id, {})
        if fault is not None:
            return spoil(fault, Reply(body={"request_id": request_id}), self._clock)
        reply = await handler(request)
        fault = await self._strike(on, "late", request_id, reply.body)
        return reply.response() if fault is None else spoil(fault, reply, self._clock)

    async def _strike(self, on: str, phase: Phase, request_id: str | None, body: Mapping[str, Any]) -> Fault | None:
        delay_s, fault = self.faults.take(on, phase, request_id, body)
        if delay_s:
            await self._sleep(delay_s)
        return fault

    def _note(self, on: str, request: Request) -> None:
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
        self.check_key(request)
        card = self._catalogue.find(request.path_params["model_id"])
        given = card.check(await read_json(request))
        _, fate = self.faults.take("submit", "fate")
        end = None if fate is None else {"kind": fate.kind, "error": fate.error or FAILED}
        record = self.ledger.accept(str(uuid.uuid4()), card.model_id, given, end)
        self._queue.add(record)
        addresses = _addresses(request, record, "status", "result", "cancel")
        return Reply(body={"request_id": record.request_id, **addresses})

    async def status(self, request: Request) -> Reply:
        record = self._record(request)
        body: dict[str, Any] = {"request_id": record.request_id, "status": _word(record)}
        if record.state == "in_queue":
            body["queue_position"] = self._queue.position(record)
        return Reply(body={**body, **_addresses(request, record, "status", "result")})

    async def result(self, request: Request) -> Reply:
        record = self._record(request)
        body: dict[str, Any] = {"request_id": record.request_id, "status": record.state}
        if record.state == "succeeded":
            made = self._catalogue.find(record.model_id).output_schema
            body["output"] = outputs_of(made, record.input, f"{_origin(request)}/outputs/{record.request_id}")
        if record.state == "failed":
            body["error"] = record.error
        body["created_at"] = _iso(record.created_at)
        if record.finished_at is not None:
            body["finished_at"] = _iso(record.finished_at)
            if request.query_params.get("include_cost", "").lower() in {"true", "1"}:
                body["cost"] = self._cost(record)
        return Reply(body=body)

    async def cancel(self, request: Request) -> Reply:
        record = self._record(request)
        outcome = "cancelled" if self._queue.cancel(record) else "not_cancellable"
        return Reply(202, {"request_id": record.request_id, "status": _word(record), "outcome": outcome})

    async def model(self, request: Request) -> Reply:
        self.check_key(request)
        return Reply(body=self._catalogue.describe(request.path_params["model_id"]))

    async def models(self, request: Request) -> Reply:
        self.check_key(request)
        return Reply(body=self._catalogue.search(request.query_params))

    async def output(self, request: Request) -> Reply:
        """The video itself, a picture of it, or a sound, for anyone who has its address, as the real ones are."""
        record = self.ledger.find(request.path_params["request_id"])
        if record is None or not self.ledger.output_alive(record):
            raise Refusal(404, 404001, "Not found.")
        video = self.ledger.output(record.request_id)
        if "picture" in request.path_params:
            picture = await asyncio.to_thread(still, video, request.path_params["picture"])
            return Reply(made=picture, media_type="image/png")
        if "sound" in request.path_params:
            job = _job(record, self._catalogue.find(record.model_id))
            sound = await asyncio.to_thread(_sound, job, request.path_params["sound"])
            return Reply(made=sound, media_type="audio/mpeg")
        return Reply(file=video)

    async def nothing(self, request: Request) -> Reply:
        self.check_key(request)
        raise Refusal(404, 404001, "Not found.")

    def check_key(self, request: Request) -> None:
        if self._token is None:
            return
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(key.strip().encode(), self._token.encode()):
            raise Refusal(401, 400004, "The token is missing, invalid or expired.")

    def _record(self, request: Request) -> Record:
        self.check_key(request)
        record = self.ledger.find(request.path_params["request_id"])
        if record is None:
            raise Refusal(404, 404001, "The request was not found, or it is expired.")
        return record

    def _cost(self, record: Record) -> float:
        if record.state != "succeeded":
            return 0.0
        job = _job(record, self._catalogue.find(record.model_id))
        return self._catalogue.cost(job.frames / job.frames_per_second)


def _sound(job: RenderJob, number: int) -> bytes:
    """Another piece for each `number`; blocks."""
    from dreamina_ui.simulator.sound import compose, mp3_of

    return mp3_of(compose(job.prompt, job.seed + number - 1, job.frames / job.frames_per_second))


def _job(record: Record, card: Card) -> RenderJob:
    width, height, frames, seed = card.picture(record.input)
    if seed < 0:  # drawn from the id, so that a resumed request makes the same video
        seed = int.from_bytes(hashlib.sha256(record.request_id.encode()).digest()[:4], "big")
    return RenderJob(record.request_id, card.prompt(record.input), width, height, frames, card.frames_per_second, seed)


async def read_json(request: Request) -> Any:
    try:
        return json.loads(await request.body())
    except (ValueError, RecursionError, ClientDisconnect) as error:
        detail = {"loc": ["body"], "msg": "The body is not JSON.", "type": "json_invalid"}
        raise Refusal.invalid([detail]) from error


def _origin(request: Request) -> str:
    return str(request.base_url).rstrip("/")


def _addresses(request: Request, record: Record, *calls: str) -> dict[str, str]:
    base = f"{_origin(request)}/v1/requests/{record.request_id}"
    return {f"{call}_url": f"{base}/{call}" for call in calls}


def _word(record: Record) -> str:
    return _STATUS_WORDS.get(record.state, record.state)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
