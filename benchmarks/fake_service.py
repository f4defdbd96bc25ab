"""A minimal RunComfy API that renders nothing: `python -m benchmarks.fake_service --duration 60 [--sigma 0.15]`.

It answers at once, so that a measured program never waits for it. A job is done when its time has
passed since its POST; `/_bench/jobs` tells when that was, by the clock that all processes of the machine share.

It uses no framework: a request takes tens of microseconds of processor time, with uvicorn without its C parser most of a
millisecond, which the measured program would lack.
"""

import argparse
import asyncio
import json
import math
import random
import signal
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

__all__ = ["FakeService", "Lengths", "Request"]

QUEUED_SHARE = 0.1
"""The share of a job's time that it spends in the queue."""
UNKNOWN = (404, {"error_code": 404001, "error_message": "Not found."})


@dataclass(frozen=True, slots=True)
class Lengths:
    """How long jobs take, in seconds: log-normal around a median, and all alike with a `sigma` of 0."""

    median_s: float
    sigma: float = 0.0
    queued_share: float = QUEUED_SHARE

    def of(self, number: int) -> float:
        """The same for the same number, whatever program asks and in what order others end."""
        spread = random.Random(number).gauss(0.0, self.sigma)  # noqa: S311  a length, no secret
        return self.median_s * math.exp(spread)


@dataclass(slots=True)
class Request:
    """A job as the service sees it; times in seconds of the monotonic clock."""

    request_id: str
    prompt: str
    submitted_at: float
    done_at: float
    begins_at: float
    polls: int = 0

    def status(self, now: float) -> str:
        if now >= self.done_at:
            return "completed"
        return "in_queue" if now < self.begins_at else "in_progress"


class FakeService:
    """Answers by method and path; `clip` is the file of the one video that all jobs make."""

    def __init__(self, lengths: Lengths, clip: Path) -> None:
        self._lengths = lengths
        self._clip = clip
        self._requests: dict[str, Request] = {}
        self.origin = ""

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Path | dict[str, Any]]:
        """Status, and the body: JSON or the video."""
        match path.partition("?")[0].strip("/").split("/"):
            case ["v1", "requests", request_id, what] if request := self._requests.get(request_id):
                return self._about(request, what)
            case ["v1", "models", *_] if method == "POST":
                return self._submit(json.loads(body))
            case ["v1", "models", *model]:
                return 200, {"model_id": "/".join(model), "base_price_usd": 0.1, "price_unit": "output"}
            case ["outputs", _]:
                return 200, self._clip
            case ["_bench", "jobs"]:
                return 200, {"jobs": [asdict(request) for request in self._requests.values()]}
        return UNKNOWN

    def _submit(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        number, now = len(self._requests), time.monotonic()
        takes_s = self._lengths.of(number)
        begins_at = now + self._lengths.queued_share * takes_s
        request = Request(f"request-{number}", str(body.get("prompt")), now, now + takes_s, begins_at)
        self._requests[request.request_id] = request
        return 200, {"request_id": request.request_id, **self._links(request, "status", "result", "cancel")}

    def _about(self, request: Request, what: str) -> tuple[int, dict[str, Any]]:
        status = request.status(time.monotonic())
        told: dict[str, Any] = {"request_id": request.request_id, "status": status}
        if what == "status":
            request.polls += 1
            place = {"queue_position": 1} if status == "in_queue" else {}
            return 200, {**told, **place, **self._links(request, "status", "result")}
        if what == "result":
            if status != "completed":
                return 200, told
            video = f"{self.origin}/outputs/{request.request_id}.mp4"
            return 200, {**told, "status": "succeeded", "output": {"video": video}}
        return (202, {**told, "outcome": "not_cancellable"}) if what == "cancel" else UNKNOWN

    def _links(self, request: Request, *names: str) -> dict[str, str]:
        return {f"{name}_url": f"{self.origin}/v1/requests/{request.request_id}/{name}" for name in names}


class Connection(asyncio.Protocol):
    """Just enough of HTTP/1.1 for clients that speak it well: heads, bodies with a length, kept connections."""

    def __init__(self, service: FakeService) -> None:
        self._service = service
        self._held = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._held += data
        while b"\r\n\r\n" in self._held:
            head, _, rest = self._held.partition(b"\r\n\r\n")
            line, *fields = head.decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
            length = int(headers.get("content-length", 0))
            if len(rest) < length:
                return
            self._held = rest[length:]
            method, path, _ = line.split(" ")
            if path.startswith("/v1/") and not headers.get("authorization", "").startswith("Bearer "):
                self._reply(401, {"error_code": 400004, "error_message": "The token is missing."})
            else:
                status, told = self._service.answer(method, path, rest[:length])
                self._send_file(told) if isinstance(told, Path) else self._reply(status, told)

    def _reply(self, status: int, body: dict[str, Any]) -> None:
        sent = json.dumps(body).encode()
        self._transport.write(_head(status, "application/json", len(sent)) + sent)

    def _send_file(self, path: Path) -> None:
        """By the system alone: copies of a large file would take the processor time of what is measured."""
        file = path.open("rb")
        self._transport.write(_head(200, "video/mp4", path.stat().st_size))
        sending = asyncio.ensure_future(asyncio.get_running_loop().sendfile(self._transport, file))
        _SENDING.add(sending)

        def over(done: asyncio.Future[int]) -> None:
            _SENDING.discard(done)
            file.close()
            if not done.cancelled() and done.exception():  # who asked has gone away
                self._transport.abort()

        sending.add_done_callback(over)


_SENDING: set[asyncio.Future[int]] = set()


def _head(status: int, kind: str, size: int) -> bytes:
    return f"HTTP/1.1 {status} -\r\nContent-Type: {kind}\r\nContent-Length: {size}\r\n\r\n".encode()


async def serve(service: FakeService, port: int) -> None:
    """Until SIGTERM; the address is said on a line of its own."""
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stopped.set)
    server = await loop.create_server(lambda: Connection(service), "127.0.0.1", port, backlog=4096)
    service.origin = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    print(f"{service.origin}/v1", flush=True)  # noqa: T201  how it is found
    await stopped.wait()
    server.close()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fake_service", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 is any free one")
    parser.add_argument("--median", "--duration", type=float, default=60.0, help="seconds that a job takes")
    parser.add_argument("--sigma", type=float, default=0.0, help="spread of the log-normal lengths; 0 is none")
    parser.add_argument(
        "--queued", type=float, default=QUEUED_SHARE, help="of a job's time, what it spends in the queue"
    )
    parser.add_argument("--clip", type=Path, help="the video that each job makes; a small one is made without")
    args = parser.parse_args(arguments)
    with TemporaryDirectory(prefix="dreamina-clip-") as folder:
        clip = args.clip or small_clip(Path(folder))
        asyncio.run(serve(FakeService(Lengths(args.median, args.sigma, args.queued), clip), args.port))


def small_clip(folder: Path) -> Path:
    from tests.rig import make_clip  # Imports the program and PyAV, which the service itself needs not.

    return make_clip(folder / "clip.mp4")


if __name__ == "__main__":
    main()
