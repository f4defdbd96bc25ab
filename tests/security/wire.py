"""A TCP relay that records every byte between a server and its clients."""

import re
import socket
import threading
from contextlib import suppress
from typing import Self
from urllib.parse import urlsplit

__all__ = ["Relay"]

_ACCEPT_ENCODING = re.compile(rb"accept-encoding(?=:)", re.IGNORECASE)
"""This header is renamed, to one of the same length, so that no answer is compressed and all can be searched."""


class Relay:
    """Listens at its own address before a server of this machine. Use it as a context manager."""

    def __init__(self, address: str) -> None:
        self._behind = ("127.0.0.1", urlsplit(address).port)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._sent: list[bytearray] = []
        self._received: list[bytearray] = []
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)

    @property
    def sent(self) -> list[bytes]:
        """What each connection sent to the server."""
        return [bytes(one) for one in self._sent]

    @property
    def received(self) -> list[bytes]:
        """What each connection received from it."""
        return [bytes(one) for one in self._received]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for one in self._open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._thread.join()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
                far = socket.create_connection(self._behind)
            except OSError:
                return
            self._open += [near, far]
            for kept, source, target in ((self._sent, near, far), (self._received, far, near)):
                kept.append(bytearray())
                threading.Thread(target=_relay, args=(source, target, kept[-1]), daemon=True).start()


def _relay(source: socket.socket, target: socket.socket, kept: bytearray) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            kept += data
            target.sendall(_ACCEPT_ENCODING.sub(b"Xccept-Encoding", data))
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
