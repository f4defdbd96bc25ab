"""One program under one load, in a process of its own: what its visitors saw, and what it cost."""

import asyncio
import json
import statistics
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.driver import API, Page, Visitor, Wire
from benchmarks.programs import OURS, Measured, Program, service

__all__ = ["Load", "Outcome", "Untended", "run", "track"]

AT_ONCE = 32
"""Calls at the same time while the jobs without watchers are sent."""
WINDOW_S = 30.0


@dataclass(frozen=True, slots=True)
class Load:
    """So many visitors who arrive evenly within a time, with a job each whose length is log-normal. In seconds.

    Before them, `warm_up` jobs of the same lengths run unmeasured, so that a program can learn durations and load what it
    loads at the first use.
    """

    visitors: int
    within_s: float
    median_s: float
    sigma: float
    warm_up: int = 40

    @property
    def patience_s(self) -> float:
        """Long enough for a program that serves 40 at a time."""
        return 60 + self.within_s + 1.5 * self.median_s * (self.visitors / 40 + 2)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a load. Times in seconds, one for each visitor who got the video; memory in MB."""

    visitors: int
    late_s: list[float]
    """From the service's end of the job to the message with the video."""
    sent_s: list[float]
    """From the click to the job's arrival at the service."""
    newcomers_s: list[float]
    problems: Counter[str]
    polls: float
    messages: float
    cpu_s: float
    peak_mb: float
    driver_share: float
    wall_s: float


@dataclass(frozen=True, slots=True)
class Untended:
    """Jobs that nobody watches, all under way: what following them costs. `cores` is processor time by time."""

    jobs: int
    cores: float
    polls_s: float
    peak_mb: float
    driver_share: float
    sending_s: float


@dataclass(slots=True)
class Newcomers:
    """Every second somebody opens the page; meanwhile, the program's children are looked at."""

    waited_s: list[float] = field(default_factory=list)
    children_mb: float = 0.0

    async def come(self, program: Measured, address: str) -> None:
        while True:
            began = time.monotonic()
            with suppress(OSError, asyncio.IncompleteReadError):
                async with Wire(address) as wire:
                    await wire.ask("GET", "/")
            # One that is turned away has waited, too; that visitors are turned away is told by the visitors.
            self.waited_s.append(time.monotonic() - began)
            self.children_mb = max(self.children_mb, program.children_mb)
            await asyncio.sleep(max(0.0, began + 1 - time.monotonic()))


async def run(name: str, folder: Path, load: Load) -> Outcome:
    """One of `PROGRAMS` before a service of its own. Raises `RuntimeError` if not even the first jobs succeed."""
    async with _serving(name, folder, load.median_s, load.sigma) as (program, address, origin):
        page = await _page(address)
        first = [Visitor(number, page, address) for number in range(load.warm_up)]
        await _arrive(first, min(load.within_s, load.warm_up / 10), load.patience_s)
        if problems := [visitor.problem for visitor in first if visitor.problem]:
            raise RuntimeError(f"{name}: {len(problems)} of the first {load.warm_up} jobs failed: {problems[0]}")
        visitors = [Visitor(load.warm_up + number, page, address) for number in range(load.visitors)]
        newcomers = Newcomers()
        cpu_s, driver_s, began = program.cpu_s, time.process_time(), time.monotonic()
        beside = asyncio.create_task(newcomers.come(program, address))
        await _arrive(visitors, load.within_s, load.patience_s)
        wall_s, driver_s, cpu_s = time.monotonic() - began, time.process_time() - driver_s, program.cpu_s - cpu_s
        beside.cancel()
        jobs = {job["prompt"]: job for job in await _jobs(origin)}
        got = [(one, one.news_at, jobs[one.prompt]) for one in visitors if one.news_at and one.prompt in jobs]
        return Outcome(
            visitors=load.visitors,
            late_s=[news_at - job["done_at"] for _, news_at, job in got],
            sent_s=[job["submitted_at"] - visitor.clicked_at for visitor, _, job in got],
            newcomers_s=newcomers.waited_s,
            problems=Counter(visitor.problem for visitor in visitors if visitor.problem),
            polls=statistics.fmean(job["polls"] for _, _, job in got) if got else 0.0,
            messages=statistics.fmean(visitor.messages for visitor in visitors),
            cpu_s=cpu_s / load.visitors,
            peak_mb=program.peak_mb + newcomers.children_mb,
            driver_share=driver_s / wall_s,
            wall_s=wall_s,
        )


async def track(folder: Path, count: int, median_s: float, window_s: float = WINDOW_S) -> Untended:
    """Ours with so many jobs of as many visitors, sent by its public endpoint, no stream open; nothing learned before.

    What is measured is the time when all of them are under way. Raises `RuntimeError` if they are not.
    """
    async with _serving(OURS, folder, median_s, 0.0) as (program, address, origin):
        page, began = await _page(address), time.monotonic()
        turns = asyncio.Semaphore(AT_ONCE)
        await asyncio.gather(*(_send(number, page, address, turns) for number in range(count)))
        while len(await _jobs(origin)) < count:  # they are safe when the endpoint says so, and sent after that
            if time.monotonic() > began + median_s:
                raise RuntimeError("the first jobs were done before the last one was sent")
            await asyncio.sleep(0.5)
        sending_s, polls = time.monotonic() - began, sum(job["polls"] for job in await _jobs(origin))
        cpu_s, driver_s, began = program.cpu_s, time.process_time(), time.monotonic()
        await asyncio.sleep(window_s)
        wall_s, driver_s, cpu_s = time.monotonic() - began, time.process_time() - driver_s, program.cpu_s - cpu_s
        jobs = await _jobs(origin)
        if any(job["done_at"] < began + wall_s for job in jobs):
            raise RuntimeError("the first jobs were done before the measuring was")
        polls_s = (sum(job["polls"] for job in jobs) - polls) / wall_s
        peak_mb = program.peak_mb + program.children_mb
        return Untended(len(jobs), cpu_s / wall_s, polls_s, peak_mb, driver_s / wall_s, sending_s)


@asynccontextmanager
async def _serving(name: str, folder: Path, median_s: float, sigma: float) -> AsyncIterator[tuple[Program, str, str]]:
    """The program, its address, and the service's; both end with it."""
    served = service(folder, median_s, sigma)
    base = served.start()
    try:
        program = Program(name, folder, base)
        address = program.start().rstrip("/")
        try:
            yield program, address, base.removesuffix("/v1")
        finally:
            program.stop()
    finally:
        served.stop()


async def _page(address: str) -> Page:
    """All visitors get the same description of the page: it is read once."""
    async with Wire(address) as wire:
        return Page(json.loads(await wire.ask("GET", "/config")))


async def _jobs(origin: str) -> list[dict[str, Any]]:
    """What the service knows of its jobs."""
    async with Wire(origin) as wire:
        return list(json.loads(await wire.ask("GET", "/_bench/jobs"))["jobs"])


async def _arrive(visitors: Sequence[Visitor], within_s: float, patience_s: float) -> None:
    """All of them, evenly spread, until the last one has left."""

    async def come(place: int, visitor: Visitor) -> None:
        await asyncio.sleep(within_s * place / len(visitors))
        await visitor.visit(patience_s)

    await asyncio.gather(*(come(place, visitor) for place, visitor in enumerate(visitors)))


async def _send(number: int, page: Page, address: str, turns: asyncio.Semaphore) -> None:
    """One call of the public endpoint, until the job has its id. Raises `RuntimeError` if it gets none."""
    fields = ("field-prompt", "field-aspect_ratio", "field-frames", "field-seed")
    prompt, *others = (page.values[page.ids[name]] for name in fields)
    body = {"data": [f"job {number} {prompt or 'of a lighthouse'}", *others]}
    async with turns, Wire(address) as wire:
        call = json.loads(await wire.ask("POST", f"{API}/call/submit", body))["event_id"]
        told = [line async for line in wire.lines(f"{API}/call/submit/{call}")]
    if b"event: complete" not in told:
        raise RuntimeError(f"job {number}: {b' '.join(told)[:200]!r}")
