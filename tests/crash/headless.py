"""The engine as the studio wires it, without a page: over a real network, or over a transport of the test's."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from dreamina_ui.archive import Archive
from dreamina_ui.database import Database
from dreamina_ui.engine import Engine
from dreamina_ui.leases import LEASE_S, Leases
from dreamina_ui.library import Library, origin_of
from dreamina_ui.model_card import load_card
from dreamina_ui.pacing import RetryBudget
from dreamina_ui.points import unobserved
from dreamina_ui.runcomfy import RunComfy
from dreamina_ui.settings import BUNDLED_CARD
from dreamina_ui.store import Limits, Store

__all__ = ["CARD", "VALUES", "Headless", "headless", "sqlite_url"]

CARD = load_card(BUNDLED_CARD)
VALUES = {"aspect_ratio": "1440×1440(1:1)", "frames": 121, "seed": 7}
"""The prompt is missing: each click has its own, by which the service's ledger is read."""


@dataclass(frozen=True)
class Headless:
    engine: Engine
    store: Store
    library: Library
    leases: Leases


def sqlite_url(folder: Path) -> str:
    return f"sqlite:///{folder / 'dreamina.sqlite3'}"


@asynccontextmanager
async def headless(
    folder: Path,
    base: str,
    *,
    key: str | None,
    url: str | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
    lease_s: float = LEASE_S,
    deadline_s: float = 3600.0,
    now: Callable[[], float] = time.time,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    jitter: Callable[[], float] = random.random,
    passed: Callable[[str], Awaitable[None]] = unobserved,
) -> AsyncIterator[Headless]:
    """A start over whatever lies in `folder`; the key makes it the paid service's."""
    folder.mkdir(parents=True, exist_ok=True)
    budget = RetryBudget(monotonic)
    service = RunComfy(base, transport=transport, sleep=sleep, random=jitter, now=now, may_retry=budget.spend)
    origin = origin_of(base)
    library = Library(
        folder / "videos",
        trusted_origins={origin},
        mounts={origin: transport} if transport else None,
        room_needed=0,
        passed=passed,
    )
    async with AsyncExitStack() as stack:
        database = Database(url or sqlite_url(folder))
        stack.callback(database.close)
        database.prepare()
        store, leases = Store(database), Leases(database, folder / "owners", lease_s=lease_s)
        engine = Engine(
            card=CARD,
            store=store,
            archive=Archive(database),
            leases=leases,
            budget=budget,
            service=service,
            library=library,
            limits=Limits(active=100_000, active_per_visitor=100_000),
            backend="runcomfy" if key else "simulator",
            key=key,
            deadline_s=deadline_s,
            now=now,
            monotonic=monotonic,
            sleep=sleep,
            jitter=jitter,
            passed=passed,
        )
        await stack.enter_async_context(service)
        await stack.enter_async_context(library)
        await stack.enter_async_context(engine)
        yield Headless(engine, store, library, leases)
