"""The address of a client. A client can drop its cookie, so that what all share is also counted by the address.

Only addresses of the open net are counted: behind one of a private network there may be all clients.
"""

import hashlib
import secrets
import time
from collections import deque
from collections.abc import Callable
from functools import lru_cache
from ipaddress import ip_address, ip_network

from starlette.datastructures import Headers
from starlette.types import Scope

__all__ = ["ADDRESS", "BroughtKeys", "asking_address", "network_of"]

ADDRESS = "dreamina.address"
"""In the scope of a request: the address of the open net that asks; an empty text where there is none."""
KEYS_MOST, KEYS_S = 50, 600.0
"""Different keys that one address may bring, and within how many seconds."""
PROXIES_MOST, ADDRESS_CHARACTERS_MOST = 16, 64
"""Of which the words are read: the last ones."""
ADDRESSES_MOST = 5_000
"""Of which the keys are remembered."""


def network_of(text: str) -> str | None:
    """An IPv4 address, or the part of an IPv6 address that one household has; None if the text is no address."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if address.version == 4:
        return str(address)
    return str(address.ipv4_mapped or ip_network(f"{address}/64", strict=False))


def asking_address(scope: Scope, headers: Headers, *, behind_proxy: bool) -> tuple[str, bool]:
    """Who asks, and whether that is of the open net: the connection's address, or what proxies say that are believed.

    Of several, the one nearest to us that is of the open net; proxies add theirs at the end, or in a line of their own.
    """
    lines = headers.getlist("x-forwarded-for") if behind_proxy else []
    said = ",".join(lines).rsplit(",", PROXIES_MOST)[-PROXIES_MOST:] if lines else []
    client = scope.get("client") or ("",)
    found = [address for part in (client[0], *said) if (address := _judged(part[:ADDRESS_CHARACTERS_MOST])) is not None]
    outside = [address for address, is_global in found if is_global]
    return (outside or [address for address, _ in found] or [""])[-1], bool(outside)


@lru_cache(10_000)
def _judged(text: str) -> tuple[str, bool] | None:
    """An address as it is counted, and whether it is of the open net."""
    text = text.strip().removeprefix("[").partition("]")[0]
    address = network_of(text.partition(":")[0] if text.count(":") == 1 else text)
    return None if address is None else (address, ip_network(address).is_global)


class BroughtKeys:
    """Counts the different keys that an address brings, accepted or not. `now` is a clock that never goes back."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._salt = secrets.token_bytes(16)
        self._brought: dict[str, deque[tuple[float, bytes]]] = {}

    def may_bring(self, address: str, key: str) -> bool:
        """Whether this address may bring this key now."""
        now = self._now()
        for name in [name for name, brought in self._brought.items() if now - brought[-1][0] > KEYS_S]:
            del self._brought[name]
        if not address:
            return True
        brought = self._brought.get(address, deque())
        while brought and now - brought[0][0] > KEYS_S:
            brought.popleft()
        mark = hashlib.blake2b(key.encode(errors="replace"), key=self._salt).digest()
        if all(each != mark for _, each in brought):
            if len(brought) >= KEYS_MOST:
                return False
            brought.append((now, mark))
            self._brought[address] = brought
            while len(self._brought) > ADDRESSES_MOST:
                del self._brought[next(iter(self._brought))]
        return True
