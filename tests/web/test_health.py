"""The health check: one word for each part, in bounded time, and nothing else."""

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
    """A part to check: counts its checks, and can be set to fail."""

    def __init__(self) -> None:
        self.checks = 0
        self.raises: Exception | None = None
        self.answering = asyncio.Event()
        self.answering.set()

    async def __call__(self) -> None:
        self.checks += 1
        await self.answering.wait()
        if self.raises:
            raise self.raises


async def response_of(health: Health) -> httpx.Response:
    transport = httpx.ASGITransport(Starlette(routes=health.routes))
    async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
        return await client.get("/healthz")


async def test_every_part_is_ok() -> None:
    """The response is 200 with `ok` for each part, and is not cached."""
    reply = await response_of(Health({"engine": Part(), "database": Part(), "disk": Part()}))
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
async def test_a_failing_part_is_reported_by_its_code(raised: Exception, reason: str) -> None:
    """The response is 503 with the error's code alone: no path, no address, no key."""
    well, part = Part(), Part()
    part.raises = raised
    reply = await response_of(Health({"engine": well, "database": part}))
    assert reply.status_code == 503
    assert reply.json() == {"status": "unwell", "engine": "ok", "database": reason}


async def test_a_slow_part_is_reported_as_slow() -> None:
    """Its check is not started again before it has ended; then the part is ok again."""
    part, time = Part(), Time()
    part.answering.clear()
    health = Health({"engine": Part(), "database": part}, within_s=0, monotonic=time)
    for check in range(3):
        time.at = 10.0 * check
        assert (await health.check())["database"] == "slow"
    assert part.checks == 1
    part.answering.set()
    async with asyncio.timeout(30):
        while (await health.check())["database"] != "ok":
            time.at += 10


async def test_results_are_cached() -> None:
    """A result is cached for a second, and concurrent requests share one check."""
    part, time = Part(), Time()
    health = Health({"disk": part}, monotonic=time)
    found = await asyncio.gather(*(health.check() for _ in range(20)))
    assert found == [{"disk": "ok"}] * 20
    time.at = 0.9
    await health.check()
    assert part.checks == 1
    time.at = 1.1
    await health.check()
    assert part.checks == 2


async def test_a_missing_task_is_reported() -> None:
    """All named tasks have to run."""
    check: Callable[[], Awaitable[None]] = running("leases", "followed jobs")
    health = Health({"engine": check}, cache_s=0)
    idle = asyncio.Event()
    leases = asyncio.create_task(idle.wait(), name="leases")
    assert await health.check() == {"engine": "stopped"}
    following = asyncio.create_task(idle.wait(), name="followed jobs")
    assert await health.check() == {"engine": "ok"}
    idle.set()
    await asyncio.gather(leases, following)
    assert await health.check() == {"engine": "stopped"}
