"""A few small HTTP clients behave as one: httpcore walks all connections of a pool at each request, so small pools are cheap.

A poll costs 1.1 ms of processor time with 4 connections in the pool and 2.1 ms with 16. Where no proxy is needed, polls go
another way (`direct.py`).
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ssl import SSLContext

import httpx

from dreamina_ui.config.network import Proxy

__all__ = ["KEPT_S", "Connections"]

CLIENTS = 3
KEPT = 4
"""Connections of a client that are kept open, and requests it has in flight before the next client is made."""
KEPT_S = 4.0
"""Before the shortest keep-alive in common use (5 s) ends, lest a POST meets a connection just being closed."""


class Connections:
    """To one service: by a `transport`, which all clients share; else with `tls`, and by a `proxy` if there is one."""

    def __init__(
        self,
        *,
        timeout: httpx.Timeout,
        headers: Mapping[str, str],
        transport: httpx.AsyncBaseTransport | None = None,
        tls: SSLContext | None = None,
        proxy: Proxy | None = None,
    ) -> None:
        self._timeout = timeout
        self._headers = dict(headers)
        self._transport = transport
        self._tls = tls
        # httpx asks a proxy even where it has a transport.
        self._proxy = _as_httpx(proxy, tls) if proxy and not transport else None
        self._clients: list[httpx.AsyncClient] = []
        self._in_flight: dict[httpx.AsyncClient, int] = {}
        self.is_closed = False

    async def aclose(self) -> None:
        self.is_closed = True
        for client in self._clients:
            await client.aclose()

    @asynccontextmanager
    async def client(self) -> AsyncIterator[httpx.AsyncClient]:
        """The one with the least to do."""
        client = min(self._clients, key=self._in_flight.__getitem__, default=None)
        if client is None or (self._in_flight[client] >= KEPT and len(self._clients) < CLIENTS):
            client = self._made()
        self._in_flight[client] += 1
        try:
            yield client
        finally:
            self._in_flight[client] -= 1

    def _made(self) -> httpx.AsyncClient:
        client = httpx.AsyncClient(
            transport=self._transport,
            verify=self._tls or True,
            proxy=self._proxy,
            timeout=self._timeout,
            limits=httpx.Limits(max_connections=16, max_keepalive_connections=KEPT, keepalive_expiry=KEPT_S),
            follow_redirects=False,
            trust_env=False,
            headers=self._headers,
            # Visitors with different keys share this client; a cookie would carry one's session to another.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        )
        self._clients.append(client)
        self._in_flight[client] = 0
        return client


def _as_httpx(proxy: Proxy, tls: SSLContext | None) -> httpx.Proxy:
    by_tls = proxy.url.startswith("https://")
    return httpx.Proxy(proxy.url, auth=proxy.auth, ssl_context=tls if by_tls else None)
