"""A studio over a simulator, in the process and in virtual time."""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

from dreamina_ui.crash_points import unobserved
from dreamina_ui.jobs import HOLDER, Job
from dreamina_ui.simulator import Fault, QuickRenderer, create_app
from tests.crash.headless import CARD, VALUES, Headless, headless
from tests.crash.trial import Row, Verdict, judge
from tests.crash.worker import row_of
from tests.rig import BASE, Gate, make_clip
from tests.virtual import VirtualClock, wall_clock

__all__ = ["Service", "Studio", "served", "started"]

VISITOR = "ann"


@dataclass(frozen=True)
class Service:
    """The simulator, and the gate before it that counts what passes."""

    gate: Gate
    simulator: Any

    @property
    def accepted(self) -> int:
        return len(self.simulator.ledger.records)


@dataclass(frozen=True)
class Studio(Headless):
    folder: Path
    service: Service

    async def click(self, prompt: str) -> Job:
        """The click of this name; the same one again gives the same job."""
        [job] = await self.engine.submit(VISITOR, {**VALUES, "prompt": prompt}, click_id=prompt)
        return job

    async def finish(self, job: Job) -> Job:
        async for snapshot in self.engine.watch(HOLDER, job.job_id):
            last = snapshot
        return last

    async def jobs(self) -> list[Job]:
        jobs, _ = await self.engine.queries.page(VISITOR, limit=1_000_000)
        return jobs

    async def judge(self) -> Verdict:
        """What is true of all jobs, once those that are ready have their posters."""
        while await self.store.without_poster(math.inf):  # noqa: ASYNC110  they are made in another process
            await asyncio.sleep(0.1)
        rows = [Row(**row_of(job)) for job in await self.jobs()]
        requests = [asdict(record) for record in self.service.simulator.ledger.records.values()]
        return await asyncio.to_thread(judge, rows, requests, self.library.folder)


@asynccontextmanager
async def served(
    folder: Path, *faults: Fault, render_s: Callable[[], float], queue_s: float = 1.0, slots: int = 50
) -> AsyncIterator[Service]:
    """A service that outlives the studios over it."""
    folder.mkdir(parents=True, exist_ok=True)
    renderer = QuickRenderer(render_s, make_clip(folder / "clip.mp4"))
    app = create_app(
        folder / "simulator", cards=[CARD.source], queue_s=queue_s, slots=slots, render=renderer, clock=wall_clock()
    )
    for fault in faults:
        app.state.simulator.faults.add(fault)
    try:
        yield Service(Gate(app), app.state.simulator)
    finally:
        await app.state.simulator.aclose()


@asynccontextmanager
async def started(
    folder: Path, service: Service, seed: int, *, passed: Callable[[str], Awaitable[None]] = unobserved
) -> AsyncIterator[Studio]:
    """A start of the studio over its folder."""
    async with headless(
        folder / "data",
        BASE,
        key="a-key",
        transport=service.gate,
        # Leases go by the database's clock, which is real: not these runs' subject.
        lease_s=600.0,
        clock=VirtualClock(Random(seed).random),
        passed=passed,
    ) as parts:
        yield Studio(parts.engine, parts.store, parts.library, parts.leases, folder, service)
