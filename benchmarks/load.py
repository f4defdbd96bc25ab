"""One program under one load, in a process of its own: what its visitors saw, and what it cost."""

import asyncio
import json
import random
import statistics
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from benchmarks.driver import API, BATCH, Kind, Page, Visitor, Wire
from benchmarks.programs import OURS, Measured, Program, service

__all__ = ["Load", "Outcome", "Untended", "run", "track"]

AT_ONCE = 32
"""Calls at the same time while the jobs without watchers are sent."""
WINDOW_S = 30.0
MIX = [Kind.STAY] * 20
MIX[2::5] = [Kind.RELOAD] * 4
MIX[4::10] = [Kind.BATCH] * 2
MIX[11] = Kind.LEAVE
LEFT_AT = (0.2, 0.8)
"""When those who reload or leave do so, as shares of a usual job's length."""


@dataclass(frozen=True, slots=True)
class Load:
    """So many visitors who arrive evenly within a time; their jobs take times that are log-normal, in seconds.

    Before them, `warm_up` jobs of the same lengths run unmeasured, so that a program can learn durations and load what it
    loads at the first use. Each video has `size_mb` million bytes; None is 2.6 kB. With `is_mixed`, of 20 visitors 4 reload
    their page in the middle, 2 run a batch, and 1 goes away; the others wait for their one video.
    """

    visitors: int
    within_s: float
    median_s: float
    sigma: float
    warm_up: int = 40
    size_mb: int | None = None
    is_mixed: bool = False

    def patience_s(self, name: str) -> float:
        """How long one visitor of a program stays at most: long enough for one that serves 40 at a time."""
        turns = self.visitors / 40 + 2 if name == "naive" else 2
        return 60 + self.within_s + 1.5 * self.median_s * turns

    def visitor(self, number: int, page: Page, address: str) -> Visitor:
        """The same one for the same number."""
        kind = MIX[number % len(MIX)] if self.is_mixed else Kind.STAY
        pause_s = random.Random(number).uniform(*LEFT_AT) * self.median_s  # noqa: S311  a time, no secret
        return Visitor(self.warm_up + number, page, address, kind, pause_s)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a load. Times in seconds, one for each visitor who got the video; memory in MB.

    Those who went away are visitors, but do not await anything.
    """

    visitors: int
    awaiting: int
    late_s: list[float]
    """From the service's end of the job to the message with the video; of the last one of a batch."""
    loaded_s: list[float]
    """From the same to the whole video in the player."""
    sent_s: list[float]
    """From the click to the job's arrival at the service."""
    newcomers_s: list[float]
    problems: Counter[str]
    charged: float
    """Jobs that the service has made, by the videos that were wanted."""
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
    async with _serving(name, folder, load.median_s, load.sigma, load.size_mb) as (program, address, origin):
        page = await _page(address)
        patience_s = load.patience_s(name)
        first = [Visitor(number, page, address) for number in range(load.warm_up)]
        await _arrive(first, min(load.within_s, load.warm_up / 10), patience_s)
        if problems := [visitor.problem for visitor in first if visitor.problem]:
            raise RuntimeError(f"{name}: {len(problems)} of the first {load.warm_up} jobs failed: {problems[0]}")
        visitors = [load.visitor(number, page, address) for number in range(load.visitors)]
        newcomers = Newcomers()
        cpu_s, driver_s, began = program.cpu_s, time.process_time(), time.monotonic()
        beside = asyncio.create_task(newcomers.come(program, address))
        await _arrive(visitors, load.within_s, patience_s)
        wall_s, driver_s, cpu_s = time.monotonic() - began, time.process_time() - driver_s, program.cpu_s - cpu_s
        beside.cancel()
        jobs = {job["prompt"]: job for job in await _jobs(origin)}
        awaiting = [one for one in visitors if one.kind is not Kind.LEAVE]
        got = [one for one in awaiting if one.news_at and all(prompt in jobs for prompt in one.prompts)]
        ends = {one.number: max(jobs[prompt]["done_at"] for prompt in one.prompts) for one in got}
        wanted = sum(BATCH if one.kind is Kind.BATCH else 1 for one in visitors)
        made = len(jobs) - load.warm_up
        return Outcome(
            visitors=load.visitors,
            awaiting=len(awaiting),
            late_s=[(one.news_at or 0.0) - ends[one.number] for one in got],
            loaded_s=[one.loaded_at - ends[one.number] for one in got if one.loaded_at],
            sent_s=[min(jobs[prompt]["submitted_at"] for prompt in one.prompts) - one.clicked_at for one in got],
            newcomers_s=newcomers.waited_s,
            problems=Counter(visitor.problem for visitor in visitors if visitor.problem),
            charged=made / wanted,
            polls=statistics.fmean(job["polls"] for job in jobs.values()) if jobs else 0.0,
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
async def _serving(
    name: str, folder: Path, median_s: float, sigma: float, size_mb: int | None = None
) -> AsyncIterator[tuple[Program, str, str]]:
    """The program, its address, and the service's; both end with it."""
    served = service(folder, median_s, sigma, size_mb=size_mb)
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
    async with httpx.AsyncClient(base_url=address, trust_env=False) as client:
        return Page((await client.get("/config")).raise_for_status().json())


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
