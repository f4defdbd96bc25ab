"""A thousand jobs, say, through everything that goes wrong at once."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from dreamina_ui.jobs import Job, State
from dreamina_ui.simulator import Fault
from dreamina_ui.simulator.faults import Kind, Target
from tests.crash.trial import Verdict
from tests.soak.studio import Studio, served, started
from tests.virtual import run_virtually, wall_clock

__all__ = ["Soak", "soak"]

AT_ONCE = 40
DOUBLED = 10
"""Every tenth click comes twice."""


@dataclass(frozen=True)
class Soak:
    """What became of the jobs; `struck` counts the faults that did, `ends` the states with their reasons."""

    verdict: Verdict
    ends: Counter[tuple[str, str]]
    struck: Counter[str]
    posts: int
    requests: int
    served_s: float
    longest_s: float
    took_s: float


def mix(seed: int, jobs: int) -> list[Fault]:
    """10 % 5xx and 5 % resets on every call, 2 % lost answers to submits, bursts of 429, 5 % cut downloads, failures."""
    draw = Random(seed)

    def chance(on: Target, kind: Kind, probability: float, **more: Any) -> Fault:
        return Fault(on, kind, probability=probability, times=None, seed=draw.randrange(2**31), **more)

    bursts = range(1, jobs // 50 + 1)
    return [
        *(Fault("status", "too_many", times=25, after=500 * n, retry_after_s=(5, 20, 60)[n % 3]) for n in bursts),
        *(Fault("submit", "too_many", times=6, after=50 * n, retry_after_s=(2, 30)[n % 2]) for n in bursts),
        *(chance(on, "http_error", 0.1, code=503) for on in ("status", "result", "output")),
        *(chance(on, "reset", 0.05) for on in ("submit", "status", "result", "output")),
        # Of a submit that was answered with 5xx nobody knows whether it was accepted.
        chance("submit", "http_error", 0.05, code=500),
        chance("submit", "http_error", 0.05, code=502, accepted=True),
        chance("submit", "lose_answer", 0.02),
        chance("output", "cut_video", 0.05),
        chance("submit", "failed_result", 0.03, error="The model could not make this video."),
        Fault("submit", "never_finishes", times=max(1, jobs // 300), after=20),
    ]


def soak(folder: Path, jobs: int, seed: int) -> Soak:
    return run_virtually(_soak(folder, jobs, seed))


async def _soak(folder: Path, jobs: int, seed: int) -> Soak:
    now = wall_clock()
    began, began_really = now(), time.monotonic()
    draw = Random(seed)
    room = asyncio.Semaphore(AT_ONCE)
    async with (
        served(folder, *mix(seed, jobs), render_s=lambda: draw.uniform(1.0, 8.0)) as service,
        started(folder, service, seed) as studio,
    ):
        ended = await asyncio.gather(*(_one(studio, room, number) for number in range(jobs)))
        struck: Counter[str] = Counter()
        for fault in service.simulator.faults.listed():
            struck[f"{_named(fault)} on {fault['on']}"] += fault["fired"]
        served_s = now() - began
        return Soak(
            verdict=await studio.judge(),
            ends=Counter((str(job.state), job.failure.code if job.failure else "") for job in ended),
            struck=struck,
            posts=service.gate.posts,
            requests=len(service.gate.requests),
            served_s=served_s,
            longest_s=max(job.elapsed_s(0) for job in ended if job.state is State.SUCCEEDED),
            took_s=time.monotonic() - began_really,
        )


async def _one(studio: Studio, room: asyncio.Semaphore, number: int) -> Job:
    async with room:
        prompt = f"click {number}"
        clicks = [studio.click(prompt) for _ in range(1 if number % DOUBLED else 2)]
        jobs = await asyncio.gather(*clicks)
        assert len({job.job_id for job in jobs}) == 1
        return await studio.finish(jobs[0])


def _named(fault: dict[str, object]) -> str:
    if fault["kind"] == "http_error":
        return "5xx, accepted" if fault["accepted"] else "5xx"
    return {"too_many": "429"}.get(str(fault["kind"]), str(fault["kind"]).replace("_", " "))
