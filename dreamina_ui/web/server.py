"""The web server: takes an address and serves the app there until the program is asked to stop."""

import logging
import signal
import socket
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import uvicorn
from starlette.types import ASGIApp

from dreamina_ui.errors import SettingError
from dreamina_ui.web.checks.connections import BoundedProtocol, ConnectionLimits, Connections

__all__ = ["address_of", "listening", "serve"]

PORTS = range(7860, 7960)
"""Tried one after the other where no port is set. A Space expects the first of them."""
LOCAL = "127.0.0.1"
GRACE_S = 3
"""Seconds that open connections get to end by themselves when the program stops: a page holds an event stream for as
long as it is open, a player may hold a download."""
FILES_BESIDE = 400
"""Files and connections that the program itself has open: the database, the service, what is saved."""


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


def serve(
    app: ASGIApp,
    listener: socket.socket,
    *,
    when_ready: Callable[[], None],
    limits: ConnectionLimits | None = None,
) -> None:
    """Serve until SIGTERM or Ctrl+C, and until the app's lifespan has ended. Calls `when_ready` once it answers.

    If the lifespan cannot begin, this returns without a word; the app knows why.
    """
    limits = limits or ConnectionLimits()
    connections = Connections(replace(limits, open=_room_for(limits.open)))
    config = uvicorn.Config(
        app,
        lifespan="on",
        ws="none",
        http=BoundedProtocol.within(connections),  # type: ignore[arg-type]
        log_level="warning",
        timeout_graceful_shutdown=GRACE_S,
    )
    with suppress(SystemExit), _stopped_like_by_ctrl_c():
        _Server(config, when_ready).run([listener])


def _room_for(connections: int) -> int:
    """How many of so many connections may be open at once: each takes a file of the process, and jobs need some, too."""
    if sys.platform == "win32":  # no such limit
        return connections
    import resource

    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + FILES_BESIDE
    if allowed != resource.RLIM_INFINITY and allowed < wanted:
        allowed = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
        with suppress(ValueError, OSError):  # a system may allow less than it says
            resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, most))
        allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return connections if allowed == resource.RLIM_INFINITY else max(1, min(connections, allowed - FILES_BESIDE))


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
    """The app itself says why it cannot start; uvicorn logs the traceback."""
    return not record.getMessage().startswith(("Traceback ", "Exception in 'lifespan'", "Application startup failed"))
