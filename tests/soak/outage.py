"""The service goes away while jobs run, and comes back; and a service that asks for patience is given it over a restart."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, cycle, repeat
from pathlib import Path

import httpx

from dreamina_ui.jobs import HOLDER, Job, State
from dreamina_ui.retrying import BURST_S, INTERVAL_S
from dreamina_ui.simulator import Fault
from tests.crash.trial import Verdict
from tests.soak.studio import Studio, served, started
from tests.virtual import run_virtually, wall_clock

__all__ = ["Outage", "Patience", "outage", "patience"]

LOOKED_EVERY_S = 0.5
WITHIN_S = 600.0
BURST = 1 + BURST_S / INTERVAL_S
PER_S = 1 / INTERVAL_S


@dataclass(frozen=True)
class Outage:
    """What happened in the `seconds` that the service was away, by how each job stood when they began."""

    jobs: int
    seconds: float
    stood: Counter[str]
    asked: Counter[str]
    """The requests that were made in vain, by what they were for."""
    ended_after_s: float
    posts: int
    verdict: Verdict

    @property
    def bound(self) -> float:
        return self.jobs + BURST + PER_S * self.seconds


def outage(folder: Path, jobs: int, seconds: float, seed: int) -> Outage:
    return run_virtually(_outage(folder, jobs, seconds, seed))


async def _outage(folder: Path, jobs: int, seconds: float, seed: int) -> Outage:
    now = wall_clock()
    saving = jobs // 5
    renders: Iterator[float] = chain(repeat(1.0, saving), repeat(60.0))
    async with served(folder, render_s=lambda: next(renders)) as service, started(folder, service, seed) as studio:
        # A fifth of the jobs are fetching their videos, from a host that has gone already.
        service.gate.before = _Away(only="/outputs/")
        made = [await studio.click(f"click {number}") for number in range(jobs)]
        stood = await _until(studio, lambda stood: stood[State.SAVING] == saving and not stood[State.IN_QUEUE])
        service.gate.before = away = _Away()
        await asyncio.sleep(seconds)
        service.gate.before = None
        back_at = now()
        await asyncio.gather(*(studio.finish(job) for job in made))
        return Outage(jobs, seconds, stood, away.asked, now() - back_at, service.gate.posts, await studio.judge())


class _Away:
    """Refuses, resets and times out by turns; counts."""

    def __init__(self, only: str = "") -> None:
        self.asked: Counter[str] = Counter()
        self._only = only
        self._turns = cycle((httpx.ConnectError("refused"), httpx.ReadError("reset"), httpx.ReadTimeout("nothing")))

    async def __call__(self, request: httpx.Request) -> None:
        if self._only in request.url.path:
            self.asked[request.url.path.split("/")[-1] if "/v1/" in request.url.path else "output"] += 1
            raise next(self._turns)


async def _until(studio: Studio, condition: Callable[[Counter[str]], bool]) -> Counter[str]:
    """How many jobs stand where, as soon as the condition holds for it."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            stood: Counter[str] = Counter(job.state for job in await studio.jobs())
            if condition(stood):
                return stood
            await asyncio.sleep(LOOKED_EVERY_S)


@dataclass(frozen=True)
class Patience:
    """`asked_s` by Retry-After; the program was restarted `restarted_s` after that, and asked again after `waited_s`."""

    asked_s: float
    restarted_s: float
    waited_s: float
    ended: Job


def patience(folder: Path, asked_s: int = 120, restarted_s: float = 5.0) -> Patience:
    return run_virtually(_patience(folder, asked_s, restarted_s))


async def _patience(folder: Path, asked_s: int, restarted_s: float) -> Patience:
    now = wall_clock()
    fault = Fault("status", "too_many", retry_after_s=asked_s)
    async with served(folder, fault, render_s=lambda: 1.0) as service:
        async with started(folder, service, 1) as studio:
            job = await studio.click("click")
            while job.not_before is None:
                await asyncio.sleep(0.01)
                job = await studio.engine.job(HOLDER, job.job_id)
            told_at = now()
            await asyncio.sleep(restarted_s)
        asked_again: list[float] = []

        async def note(_request: httpx.Request) -> None:
            asked_again.append(now())

        service.gate.before = note
        async with started(folder, service, 2) as studio:
            ended = await studio.finish(await studio.engine.job(HOLDER, job.job_id))
        return Patience(asked_s, restarted_s, asked_again[0] - told_at, ended)
