"""What accounts have left, as the service says it; asked for rarely."""

import asyncio
import hashlib
import secrets
from collections import OrderedDict
from dataclasses import dataclass, field

from dreamina_ui.clock import Clock
from dreamina_ui.errors import ServiceError
from dreamina_ui.runcomfy.client import RunComfy

__all__ = ["Balances"]

KEPT_S = 60.0
LEAST_KEPT_S = 5.0
"""Also after a video that was paid, the account is not asked for again sooner: whoever wants to know waits."""
PATIENCE_S = 8.0
KEYS_MOST = 1_000
AT_ONCE = 4


@dataclass(slots=True)
class _Known:
    usd: float | None = None
    asked_at: float = float("-inf")
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)


class Balances:
    """Asks for the balance of each key once a minute at most. It keeps digests of the keys, never a key."""

    def __init__(self, service: RunComfy, clock: Clock) -> None:
        self._service = service
        self._clock = clock
        self._salt = secrets.token_bytes(16)
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def usd(self, key: str, *, may_have_changed: bool = False) -> float | None:
        """US dollars, perhaps less than nothing; None where the service does not say within a few seconds.

        Where it `may_have_changed` lately, what is known from before is not told.
        """
        mark = hashlib.blake2b(key.encode(errors="replace"), key=self._salt).digest()
        known = self._known.setdefault(mark, _Known())
        self._known.move_to_end(mark)
        while len(self._known) > KEYS_MOST:
            self._known.popitem(last=False)
        stale = None
        if may_have_changed and known.usd is not None:
            stale = known.asked_at
            await self._clock.sleep(max(0.0, stale + LEAST_KEPT_S - self._clock.monotonic()))
        try:
            async with asyncio.timeout(PATIENCE_S), known.asking:
                # By its time and not by its age: a sleep may end a moment early.
                if known.asked_at == stale or self._clock.monotonic() - known.asked_at >= KEPT_S:
                    async with self._turns:
                        known.asked_at, known.usd = self._clock.monotonic(), None
                        known.usd = await self._service.balance(key=key)
        except (ServiceError, TimeoutError):
            return None
        return known.usd
