"""The web server: takes an address and serves the app there until the program is asked to stop; ends requests that dawdle."""

import asyncio
import logging
import signal
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

import uvicorn
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from dreamina_ui.errors import SettingError

__all__ = ["BodyTime", "address_of", "listening", "serve"]

PORTS = range(7860, 7960)
"""Tried one after the other where no port is set. A Space expects the first of them."""
LOCAL = "127.0.0.1"
HEAD_MOST = 64 * 2**10
"""Bytes of a request's line and headers, and of what stands between the pieces of its body."""
GRACE_S = 3
"""Seconds that open connections get to end by themselves when the program stops: a page holds an event stream for as
long as it is open, a player may hold a download."""


PAUSE_MOST_S = 30.0
"""Seconds between two pieces of a body: a phone in a tunnel may be silent for some."""
BYTES_PER_S_LEAST = 2_000
"""On average, after the first pause: the slowest mobile networks carry five times as much."""
BODY_MOST_S = 3600.0


class BodyTime:
    """Middleware: ends a request whose body comes too slowly, with 408. Only the time that is waited for it counts.

    `say` gives the sentence of a key; `now` is a clock that never goes back.
    """

    def __init__(
        self,
        app: ASGIApp,
        say: Callable[[Request, str], str],
        *,
        pause_most_s: float = PAUSE_MOST_S,
        bytes_per_s_least: float = BYTES_PER_S_LEAST,
        body_most_s: float = BODY_MOST_S,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._say = say
        self._pause_most_s = pause_most_s
        self._bytes_per_s_least = bytes_per_s_least
        self._body_most_s = body_most_s
        self._now = now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        waited, size, is_whole, is_late, has_begun = 0.0, 0, False, False, False

        async def receive_in_time() -> Message:
            nonlocal waited, size, is_whole, is_late
            if is_late:
                return {"type": "http.disconnect"}
            if is_whole:
                return await receive()
            may_take = min(self._pause_most_s + size / self._bytes_per_s_least, self._body_most_s)
            began = self._now()
            try:
                async with asyncio.timeout(min(self._pause_most_s, may_take - waited)):
                    message = await receive()
            except TimeoutError:
                is_late = True
                return {"type": "http.disconnect"}
            waited += self._now() - began
            size += len(message.get("body", b""))
            is_whole = not message.get("more_body", False)
            return message

        async def send_unless_late(message: Message) -> None:
            nonlocal has_begun
            if not is_late or has_begun:
                has_begun = True
                await send(message)

        try:
            await self._app(scope, receive_in_time, send_unless_late)
        except Exception:
            if not is_late:
                raise
        if is_late and not has_begun:
            sentence = self._say(Request(scope), "guard.slow")
            await PlainTextResponse(sentence, 408, headers={"Connection": "close"})(scope, receive, send)


def listening(name: str | None, port: int | None) -> socket.socket:
    """A socket that listens on the address of this name (`::` and `[::]` mean every address, IPv4 included) and port.

    Raises `SettingError` if the address is not this machine's, or every port is taken.
    """
    host = name or LOCAL
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    problem: Exception | None = None
    for each in [port] if port is not None else PORTS:
        try:
            return _bound(host, each)
        except (OSError, ValueError) as error:  # a name that cannot be one is a ValueError
            problem = error
    setting = f"{name or LOCAL}:{port if port is not None else f'{PORTS[0]}-{PORTS[-1]}'}"
    allowed = "an address of this machine, with a port that no other program uses"
    raise SettingError("GRADIO_SERVER_NAME:GRADIO_SERVER_PORT", setting, allowed) from problem


def address_of(listener: socket.socket) -> str:
    """The address to open in a browser on this machine, without a slash at its end."""
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):  # noqa: S104  a name to print
        host = "localhost"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(app: ASGIApp, listener: socket.socket, *, when_ready: Callable[[], None]) -> None:
    """Serve until SIGTERM or Ctrl+C, and until the app's lifespan has ended. Calls `when_ready` once it answers.

    If the lifespan cannot begin, this returns without a word; the app knows why.
    """
    config = uvicorn.Config(
        app,
        lifespan="on",
        ws="none",
        http=_BoundedProtocol,
        log_level="warning",
        timeout_graceful_shutdown=GRACE_S,
    )
    with suppress(SystemExit), _stopped_like_by_ctrl_c():
        _Server(config, when_ready).run([listener])


class _BoundedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP, which by itself keeps a request's headers however many and long they are."""

    _unread = 0

    def data_received(self, data: bytes) -> None:
        self._unread += len(data)
        super().data_received(data)
        if self._unread > HEAD_MOST and not self.transport.is_closing():
            self.send_400_response("The request's headers are too large.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # what follows the body would be added to headers that were checked before
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._unread, self._in_head = 0, False
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._unread = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._unread = 0
        super().on_message_complete()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, when_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._when_ready = when_ready
        self._log = logging.getLogger("uvicorn.error")

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._log.addFilter(_is_no_failed_start)
        try:
            await super().startup(sockets)
        finally:
            self._log.removeFilter(_is_no_failed_start)
        self._when_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._log.addFilter(_is_no_cut)
        try:
            await super().shutdown(sockets)
        finally:
            self._log.removeFilter(_is_no_cut)


@contextmanager
def _stopped_like_by_ctrl_c() -> Iterator[None]:
    """A program that SIGTERM has stopped in good order ends like one after Ctrl+C, and not by the signal.

    uvicorn raises both signals again when it has ended.
    """

    def leave(_signal: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, leave)
    try:
        with suppress(KeyboardInterrupt):
            yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _bound(host: str, port: int) -> socket.socket:
    family, address = _address(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE))
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if family == socket.AF_INET6:
            listener.setsockopt(
                socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0
            )  # whoever asks `::` by IPv4 is answered, too
        # A port whose last program has just ended may be taken again.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()
    except BaseException:
        listener.close()
        raise
    return listener


def _address(found: Iterable[tuple[int, int, int, str, tuple[object, ...]]]) -> tuple[int, tuple[object, ...]]:
    """The family and the address to bind; a name such as `localhost` may have several, of which IPv4 is preferred."""
    family, _, _, _, address = min(found, key=lambda one: one[0] != socket.AF_INET)
    return family, address


def _is_no_cut(record: logging.LogRecord) -> bool:
    """Connections that outstay their grace are cut off, and uvicorn logs each as an error, with a traceback."""
    return not record.getMessage().startswith(("Cancel ", "Exception in ASGI application"))


def _is_no_failed_start(record: logging.LogRecord) -> bool:
    """Why a lifespan cannot begin is for the app to say; uvicorn logs its traceback."""
    return not record.getMessage().startswith(("Traceback ", "Exception in 'lifespan'", "Application startup failed"))
