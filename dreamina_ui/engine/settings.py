"""What an engine is made from."""

from collections.abc import Awaitable, Callable, Collection
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from dreamina_ui.backends import Backend
from dreamina_ui.cards.model_card import Card
from dreamina_ui.clock import SYSTEM_CLOCK, Clock
from dreamina_ui.crash_points import unobserved
from dreamina_ui.media.library import ROOM_NEEDED
from dreamina_ui.network import DIRECT, Network
from dreamina_ui.storage.allowances import Limits
from dreamina_ui.storage.database import thread_pool
from dreamina_ui.storage.leases import LEASE_S

__all__ = ["EngineSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """All that an engine depends on; everything below `deadline_s` has a default that suits the app."""

    card: Card
    """The model that videos are made with."""
    data_dir: Path
    """The folder for saved files and lock files."""
    database_url: str
    service_base: str
    """The address of the service's API, with `/v1`."""
    backend: Backend
    key: str | None = field(default=None, repr=False)
    """The shared API key; None where there is none."""
    limits: Limits
    deadline_s: float = 3600.0
    """How long the service may take for one job, in seconds."""
    trusted_origins: Collection[str] = ()
    """Origins of outputs, beside the service's own, that may be plain http or of this machine."""
    transport: httpx.AsyncBaseTransport | None = None
    """How the service is reached, its outputs included; None is the network."""
    network: Network = DIRECT
    """The proxies and certificates for the service's API, where it is reached over the network."""
    output_network: Network = DIRECT
    """The same for outputs."""
    room_needed: int = ROOM_NEEDED
    """Bytes that must be free on the disk before a job is paid for."""
    lease_s: float = LEASE_S
    """How long a replica owns a job without renewing, in seconds."""
    clock: Clock = SYSTEM_CLOCK
    threads: Callable[[int, str], Executor] = thread_pool
    """Makes the database's threads."""
    passed: Callable[[str], Awaitable[None]] = unobserved
    """Told of each crash point a job passes."""
