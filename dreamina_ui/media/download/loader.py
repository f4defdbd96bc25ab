"""Loads what the addresses in a model's input lead to, as the service does: for the simulator, which makes videos here."""

import asyncio
from pathlib import Path

import httpx

from dreamina_ui.config.network import DIRECT, Network
from dreamina_ui.media.download.fetch import Fetcher
from dreamina_ui.media.download.pinned import PinnedTransport

__all__ = ["Loader"]

SIZE_MOST = 100_000_000
"""Bytes: the service's limit of a video."""
TIME_MOST_S = 60.0


class Loader:
    """Loads from the open net alone, by `network`, or by `transport` in its place.

    It is made ready at the first address, since most starts never have one.
    """

    def __init__(self, network: Network = DIRECT, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._network = network
        self._transport = transport
        self._fetcher: Fetcher | None = None

    async def load(self, address: str, path: Path) -> None:
        """Write what is found at the address to `path`. Raises as `Fetcher.fetch`, and `OSError`."""
        if self._fetcher is None:
            transport = self._transport or PinnedTransport(self._network)
            self._fetcher = Fetcher(
                trusted_origins=(), mounts=None, transport=transport, size_most=SIZE_MOST, time_most_s=TIME_MOST_S
            )

        async def take(piece: bytes) -> None:
            await asyncio.to_thread(file.write, piece)

        with await asyncio.to_thread(path.open, "wb") as file:
            await self._fetcher.fetch(address, take)

    async def aclose(self) -> None:
        if self._fetcher is not None:
            await self._fetcher.aclose()
