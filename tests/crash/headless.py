"""The engine as the studio makes it, without a page: over a real network, or over a transport of the test's."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from dreamina_ui.backends import Backend
from dreamina_ui.cards.model_card import load_card
from dreamina_ui.cards.models import Models
from dreamina_ui.clock import SYSTEM_CLOCK, Clock
from dreamina_ui.crash_points import unobserved
from dreamina_ui.engine.engine import Engine, EngineSettings
from dreamina_ui.media.library import Library
from dreamina_ui.settings import BUNDLED_CARDS
from dreamina_ui.storage.allowances import Limits
from dreamina_ui.storage.job_store import JobStore
from dreamina_ui.storage.leases import LEASE_S, Leases
from tests.rig import SECRET

__all__ = ["CARD", "PICTURES", "VALUES", "Headless", "headless", "sqlite_url"]

CARD = load_card(BUNDLED_CARDS / "dreamina-3-0-pro-text-to-video.json")
PICTURES = load_card(BUNDLED_CARDS / "dreamina-3-0-pro-image-to-video.json")
VALUES = {"aspect_ratio": "1440×1440(1:1)", "frames": 121, "seed": 7}
"""The prompt is missing: each click has its own, by which the service's ledger is read."""


@dataclass(frozen=True)
class Headless:
    engine: Engine
    store: JobStore
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
    clock: Clock = SYSTEM_CLOCK,
    passed: Callable[[str], Awaitable[None]] = unobserved,
) -> AsyncIterator[Headless]:
    """A start over whatever lies in `folder`; the key makes it the paid service's."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = EngineSettings(
        models=Models([CARD, PICTURES]),
        data_dir=folder,
        database_url=url or sqlite_url(folder),
        service_base=base,
        transport=transport,
        backend=Backend.RUNCOMFY if key else Backend.SIMULATOR,
        key=key,
        limits=Limits(active=100_000, active_per_visitor=100_000),
        secret=SECRET,
        deadline_s=deadline_s,
        room_needed=0,
        lease_s=lease_s,
        clock=clock,
        passed=passed,
    )
    async with Engine(settings) as engine:
        yield Headless(engine, engine.store, engine.library, engine.leases)
