"""Bounds what a connection may cost before it has asked for anything: time, bytes, and how many there are.

uvicorn by itself waits for a request's head for ever, and keeps as many connections, headers and requests as come.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from dreamina_ui.web.checks.addresses import network_of

__all__ = ["HEAD_MOST", "BoundedProtocol", "ConnectionLimits", "Connections"]

HEAD_MOST = 64 * 2**10
"""Bytes of a request's line and headers, and of what stands between the pieces of its body."""
PIPELINED_MOST = 16
"""Requests that wait for the answer to the one before. No browser sends any."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """How many connections may be open, and wait for a request's head, of one address and of all; and how long, in seconds.

    Those from this machine, where a proxy may stand, count among all only.
    """

    head_s: float = 20.0
    waiting_each: int = 100
    waiting: int = 1_000
    open_each: int = 1_000
    open: int = 4_000


class Connections:
    """Those that are open. Of too many that wait for a head, the oldest is ended, so that whoever asks at once is served."""

    def __init__(self, limits: ConnectionLimits | None = None) -> None:
        self.limits = limits or ConnectionLimits()
        self._count = 0
        self._open: Counter[str] = Counter()
        self._waiting: dict[BoundedProtocol, None] = {}
        """The oldest first; and so for each address."""
        self._waiting_of: defaultdict[str, dict[BoundedProtocol, None]] = defaultdict(dict)

    def open(self, address: str) -> bool:
        """Count one more connection, for which one that waits may be ended; False if there are too many."""
        if self._count >= self.limits.open and self._waiting:
            self._end_oldest(self._waiting)
        if self._count >= self.limits.open or (address and self._open[address] >= self.limits.open_each):
            return False
        self._count += 1
        self._open[address] += 1
        return True

    def close(self, address: str) -> None:
        self._count -= 1
        self._open[address] -= 1
        if not self._open[address]:
            del self._open[address]

    def wait(self, protocol: "BoundedProtocol", address: str) -> None:
        """It waits for the head of a request from now on."""
        self._waiting[protocol] = None
        of_address = self._waiting_of[address]
        of_address[protocol] = None
        if address and len(of_address) > self.limits.waiting_each:
            self._end_oldest(of_address)
        if len(self._waiting) > self.limits.waiting:
            self._end_oldest(self._waiting)

    def go_on(self, protocol: "BoundedProtocol", address: str) -> None:
        """The head has come, or the connection ends."""
        self._waiting.pop(protocol, None)
        self._waiting_of[address].pop(protocol, None)
        if not self._waiting_of[address]:
            del self._waiting_of[address]

    def _end_oldest(self, waiting: Mapping["BoundedProtocol", None]) -> None:
        next(iter(waiting)).end()


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP, with an end to a request's head and to the wait for it."""

    def __init__(self, connections: Connections, **given: Any) -> None:
        super().__init__(**given)
        self._all = connections
        self._address = ""
        self._is_counted = False
        self._unread = 0
        self._in_head = False
        self._waits: asyncio.TimerHandle | None = None
        self._answered: RequestResponseCycle | None = None

    @classmethod
    def within(cls, connections: Connections) -> Callable[..., "BoundedProtocol"]:
        """What makes protocols that count as these connections."""
        return lambda **given: cls(connections, **given)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._address = _counted(self.client)
        self._is_counted = self._all.open(self._address)
        if self._is_counted:
            self._wait()
        else:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()
        self._give_up()
        super().connection_lost(exc)

    def end(self) -> None:
        """End it at once."""
        self._leave()
        self.transport.abort()

    def send_400_response(self, msg: str) -> None:
        super().send_400_response(msg)
        self._give_up()

    def data_received(self, data: bytes) -> None:
        if not self._is_counted:
            return
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
        self._go_on()
        if len(self.pipeline) >= PIPELINED_MOST:
            raise ValueError("too many requests at once")  # ends the parser, and then the connection
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._unread = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._unread = 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        is_last = not self.pipeline
        super().on_response_complete()
        if is_last and not self.transport.is_closing():
            self._wait()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answered = cycle
        super()._start_asgi_task(cycle, app)

    def _give_up(self) -> None:
        """Answer nothing more. uvicorn tells so to the last of several requests alone; the first is the one that runs."""
        self.pipeline.clear()
        if self._answered is not None:
            self._answered.disconnected = True
            self._answered.message_event.set()

    def _wait(self) -> None:
        # The rest of the answer is still sent to a slow client.
        self._waits = self.loop.call_later(self._all.limits.head_s, self.timeout_keep_alive_handler)
        self._all.wait(self, self._address)

    def _go_on(self) -> None:
        if self._waits is not None:
            self._waits.cancel()
            self._waits = None
            self._all.go_on(self, self._address)

    def _leave(self) -> None:
        self._go_on()
        if self._is_counted:
            self._is_counted = False
            self._all.close(self._address)


def _counted(client: tuple[str, int] | None) -> str:
    """Who is counted for a connection; an empty text for this machine, where it may be a proxy that asks for many."""
    found = network_of(client[0]) if client else None
    return "" if found is None or ip_address(found.partition("/")[0]).is_loopback else found
