"""A service that leaks: the simulator behind a socket, which echoes keys and records who sent them."""

import socket
import threading
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dreamina_ui.simulator import Fault, QuickRenderer, create_app
from tests.rig import CARD, make_clip
from tests.servers import wait_for

__all__ = ["Received", "Service"]


@dataclass(frozen=True, slots=True)
class Received:
    """One received request: its first line, its key, and everything else."""

    outputs: bool
    """Whether it was sent to the host of the videos, and not to the API."""
    line: str
    authorization: str
    rest: bytes
    """All other headers, and the body."""


class _Wire:
    """The server's `send`, with the origin of the videos set to another one and the caller's key in a header."""

    def __init__(self, send: Send, origins: tuple[bytes, bytes], echo: str) -> None:
        self._send = send
        self._origins = origins
        self._echo = echo.encode()
        self.transport = getattr(getattr(send, "__self__", None), "transport", None)  # the fault `reset` uses it

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and self._echo:
            message = {**message, "headers": [*message.get("headers", ()), (b"x-echo", self._echo)]}
        elif message["type"] == "http.response.body":
            # Both origins have the same length, so that Content-Length stays correct.
            message = {**message, "body": message.get("body", b"").replace(*self._origins)}
        await self._send(message)


class Service:
    """Accepts the given keys; refuses others, with the key in the message. Use it as a context manager.

    With `echoes`, every answer carries the caller's `Authorization` in a header of its own. Videos come from a second
    origin, as RunComfy's do.
    """

    def __init__(
        self,
        folder: Path,
        keys: Collection[str],
        *,
        queue_s: float = 0.3,
        render_s: float = 0.3,
        echoes: bool = False,
    ) -> None:
        self._echoes = echoes
        self._keys = {f"Bearer {key}" for key in keys}
        clip = make_clip(folder / "ready.mp4")
        self._app = create_app(
            folder / "service",
            cards=[CARD.source],
            slots=4,
            queue_s=queue_s,
            price_usd=0.05,
            render=QuickRenderer(render_s, clip),
        )
        self._sockets = [_listening(), _listening()]
        api, outputs = (f"http://127.0.0.1:{listening.getsockname()[1]}" for listening in self._sockets)
        assert len(api) == len(outputs)
        self.address, self.outputs = f"{api}/v1", outputs
        self._origins = (f"{api}/outputs".encode(), f"{outputs}/outputs".encode())
        self.received: list[Received] = []
        config = uvicorn.Config(
            self._ask, loop="asyncio", ws="none", interface="asgi3", log_config=None, access_log=False
        )
        config.timeout_graceful_shutdown = 1
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=(self._sockets,))

    @property
    def payloads(self) -> list[dict[str, Any]]:
        """The input of every job that was accepted, and would have been paid."""
        return [record.input for record in list(self._app.state.simulator.ledger.records.values())]

    def add_faults(self, *faults: Fault) -> None:
        for fault in faults:
            self._app.state.simulator.faults.add(fault)

    def unused_faults(self) -> list[dict[str, Any]]:
        """The faults that have not happened; removes them."""
        left = [fault for fault in self._app.state.simulator.faults.listed() if not fault["fired"]]
        self._app.state.simulator.faults.clear()
        return left

    def control(self, path: str, key: str, body: object = None) -> Any:
        """The same as in `SimulatorServer`, for the code that brings the page into its states."""
        assert path == "faults"
        self.add_faults(Fault.from_json(body))

    def __enter__(self) -> Self:
        self._thread.start()
        wait_for(lambda: "started" if self._server.started else "")
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()

    async def _ask(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        key = _noted(self.received, scope, body, outputs=scope["server"][1] == self._sockets[1].getsockname()[1])
        messages = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def replay() -> Message:
            return next(messages, None) or await receive()

        wire = _Wire(send, self._origins, key if self._echoes else "")
        app = self._app if not scope["path"].startswith("/v1") or key in self._keys else _refused(key)
        await app(scope, replay, wire.send)


def _noted(received: list[Received], scope: Scope, body: bytes, *, outputs: bool) -> str:
    keys = [value.decode("latin-1") for name, value in scope["headers"] if name == b"authorization"]
    rest = b"\n".join(name + b": " + value for name, value in scope["headers"] if name != b"authorization")
    line = f"{scope['method']} {scope['path']}?{scope['query_string'].decode('latin-1')}"
    if not scope["path"].startswith("/_simulator"):
        received.append(Received(outputs, line, " ".join(keys), line.encode() + b"\n" + rest + b"\n" + body))
    return " ".join(keys)


def _refused(key: str) -> ASGIApp:
    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        from starlette.responses import JSONResponse

        body = {"error_code": 400004, "error_message": f"Invalid header: Authorization: {key}"}
        await JSONResponse(body, 401)(scope, receive, send)

    return refuse


def _listening() -> socket.socket:
    listening = socket.socket()
    # The system chooses a port of five digits for each, so that both addresses have the same length.
    listening.bind(("127.0.0.1", 0))
    return listening
