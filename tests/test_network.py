"""The network of the browser tests can be broken in any order, and as often as a test likes."""

import contextlib
import gc
import http.server
import socket
import struct
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from tests.network import Network


class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = False  # the end of the test waits for them

    def handle_error(self, request: object, client_address: object) -> None:
        """A broken connection is what the tests are about."""


@pytest.fixture
def network() -> Iterator[Network]:
    with Server(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        network = Network(server.server_port)
        yield network
        network.close()
        server.shutdown()


@pytest.mark.parametrize(
    "harms", ["refuse refuse", "refuse cut", "swallow refuse", "refuse swallow", "cut cut", "refuse close"]
)
def test_two_failures_in_a_row_are_mended_by_one_call(network: Network, harms: str) -> None:
    for harm in harms.split():
        getattr(network, harm)()
    if "refuse" in harms:
        with pytest.raises(urllib.error.URLError), contextlib.closing(urllib.request.urlopen(network.address)):
            pass
    network.mend()
    with urllib.request.urlopen(network.address) as reply:
        assert reply.status == 204


def test_no_socket_stays_open(network: Network) -> None:
    """Also where the browser has ended its side first; a socket that is not closed would be a warning, in any later test."""
    for harm in ("cut", "swallow", "refuse"):
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", int(network.address.rpartition(":")[2]))) as browser:
                browser.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                browser.sendall(b"GET / HTTP/1.1\r\n")
        getattr(network, harm)()
        network.mend()
    network.close()
    gc.collect()
