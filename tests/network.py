"""A network between the browser and a server that does what networks do: it breaks, refuses, and swallows."""

import socket
import struct
import threading
from contextlib import suppress

__all__ = ["Network"]

_LINGER = struct.pack("ii", 1, 0)
"""Closing such a socket resets its connection."""


class Network:
    """Passes TCP connections to `port` on, from a port of its own, as long as nothing else is asked for."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._swallowed: list[tuple[socket.socket, socket.socket]] = []
        self._passes = threading.Event()
        self._passes.set()
        self._listener = self._listen(0)
        self.address = f"http://127.0.0.1:{self._port}"

    def cut(self) -> None:
        """Reset every connection there is; new ones are passed on."""
        pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for end in pair:
                with suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)
                _end(end, socket.SHUT_RD)

    def refuse(self) -> None:
        """Cut everything, and refuse new connections until `mend`."""
        with suppress(OSError):  # it refuses already
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def swallow(self) -> None:
        """Take everything that is sent, and pass nothing on, until `mend`; what hangs by then hangs for ever."""
        self._passes.clear()

    def mend(self) -> None:
        if self._listener.fileno() == -1:
            self._listener = self._listen(self._port)
        if not self._passes.is_set():
            self._swallowed += self._pairs  # open, and dead for ever
            self._pairs = []
            self._passes.set()

    def close(self) -> None:
        self._pairs += self._swallowed
        self.refuse()

    def _listen(self, port: int) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", port))
        self._port = int(listener.getsockname()[1])
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return listener

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                near.close()
                continue
            pair = (near, far)
            self._pairs.append(pair)
            if listener.fileno() == -1:  # closed meanwhile, by a `refuse` that did not see this pair
                for end in pair:
                    end.close()
                return
            for source, sink in (pair, pair[::-1]):
                threading.Thread(target=self._pass_on, args=(source, sink, self._passes), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, passes: threading.Event) -> None:
        lost = False
        with suppress(OSError):
            while data := source.recv(65536):
                lost = lost or not passes.is_set()
                if not lost:
                    sink.sendall(data)
        if lost:
            return  # nobody is told of the end either
        for end in (source, sink):
            _end(end, socket.SHUT_RDWR)


def _end(end: socket.socket, how: int) -> None:
    """Wake the threads that read it, and close it, even if the other side has closed it already."""
    with suppress(OSError):
        end.shutdown(how)
    end.close()
