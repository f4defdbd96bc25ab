"""Whether all is well: one word for each part, in bounded time, and nothing else."""

import asyncio
from collections.abc import Awaitable, Callable

import httpx
import pytest
from starlette.applications import Starlette

from dreamina_ui.errors import DiskFull, StoreUnavailable
from dreamina_ui.web.health import Health, running

pytestmark = pytest.mark.anyio
SECRET = "postgresql://me:rc-canary-0123456789abcdef@10.0.0.7/x"


class Time:
    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


class Part:
    """What is looked at; counts how often, and can be told how it is."""

    def __init__(self) -> None:
        self.looks = 0
        self.raises: Exception | None = None
        self.answering = asyncio.Event()
        self.answering.set()

    async def __call__(self) -> None:
        self.looks += 1
        await self.answering.wait()
        if self.raises:
            raise self.raises


async def asked(health: Health) -> httpx.Response:
    transport = httpx.ASGITransport(Starlette(routes=health.routes))
    async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
        return await client.get("/healthz")


async def test_all_is_well() -> None:
    """200, and `ok` for each part; no store on the way keeps it."""
    reply = await asked(Health({"engine": Part(), "database": Part(), "disk": Part()}))
    assert reply.status_code == 200
    assert reply.json() == {"status": "ok", "engine": "ok", "database": "ok", "disk": "ok"}
    assert reply.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("raised", "reason"),
    [
        (DiskFull(free_mb=1, needed_mb=300), "disk_full"),
        (StoreUnavailable(f"connection to {SECRET} failed"), "store_unavailable"),
        (RuntimeError(SECRET), "error"),
        (PermissionError(13, "Permission denied", "/home/me/data"), "error"),
    ],
)
async def test_a_part_that_is_unwell_is_told_by_its_code(raised: Exception, reason: str) -> None:
    """503, and of what went wrong the code alone: no path, no address, no key."""
    well, part = Part(), Part()
    part.raises = raised
    reply = await asked(Health({"engine": well, "database": part}))
    assert reply.status_code == 503
    assert reply.json() == {"status": "unwell", "engine": "ok", "database": reason}


async def test_a_part_that_does_not_answer_is_not_waited_for() -> None:
    """It is called slow, is not asked a second time while the first is open, and is well again when it answers."""
    part, time = Part(), Time()
    part.answering.clear()
    health = Health({"engine": Part(), "database": part}, within_s=0, monotonic=time)
    for look in range(3):
        time.at = 10.0 * look
        assert (await health.look())["database"] == "slow"
    assert part.looks == 1
    part.answering.set()
    async with asyncio.timeout(30):
        while (await health.look())["database"] != "ok":
            time.at += 10


async def test_who_asks_often_makes_no_work() -> None:
    """An answer is kept for a second, and one that is being found is shared."""
    part, time = Part(), Time()
    health = Health({"disk": part}, monotonic=time)
    found = await asyncio.gather(*(health.look() for _ in range(20)))
    assert found == [{"disk": "ok"}] * 20
    time.at = 0.9
    await health.look()
    assert part.looks == 1
    time.at = 1.1
    await health.look()
    assert part.looks == 2


async def test_tasks_are_known_by_their_names() -> None:
    """Of tasks that should be at work none may be missing."""
    look: Callable[[], Awaitable[None]] = running("leases", "followed jobs")
    health = Health({"engine": look}, kept_s=0)
    idle = asyncio.Event()
    leases = asyncio.create_task(idle.wait(), name="leases")
    assert await health.look() == {"engine": "stopped"}
    following = asyncio.create_task(idle.wait(), name="followed jobs")
    assert await health.look() == {"engine": "ok"}
    idle.set()
    await asyncio.gather(leases, following)
    assert await health.look() == {"engine": "stopped"}
