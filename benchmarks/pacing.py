"""When to poll next, measured: `python -m benchmarks.pacing [--short] [--report docs/performance.md]`.

The cost of a schedule is *polls × mean delay*, in poll-seconds per job: half as many polls with twice the delay cost the same. It
is compared with the least cost that any schedule can have for these durations, and with clients that poll at a fixed interval.
"""

import argparse
import asyncio
import json
import math
import random
import statistics
import tempfile
import time
from bisect import bisect_left
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx

from benchmarks.figures import Figure, machine, publish, table
from benchmarks.programs import service
from dreamina_ui.backends import Backend
from dreamina_ui.cards.model_card import load_card
from dreamina_ui.cards.models import Models
from dreamina_ui.engine.engine import Engine, EngineSettings
from dreamina_ui.engine.polls.schedule import PollSchedule
from dreamina_ui.jobs import HOLDER, State
from dreamina_ui.settings import BUNDLED_CARDS
from dreamina_ui.storage.allowances import Limits
from tests.filled import past_job

__all__ = ["INTERVALS_S", "Product", "bound", "every", "product"]

MEDIAN_S = 60.0
SIGMAS = (0.15, 0.35)
LEARNED = 30
BOUND_MOST, FIXED_MOST = 1.3, 1.05
INTERVALS_S = {
    0.1: "a public client",
    0.5: "a public client",
    2.0: "the vendor's command line",
    5.0: "the vendor's node",
}

Schedule = Callable[[float], float]
"""From a job's age to the seconds until the next poll of it."""


@dataclass(frozen=True, slots=True)
class Product:
    """Of many jobs: polls per job, and the mean delay until an end is seen, in seconds."""

    polls: float
    delay_s: float

    @property
    def poll_s(self) -> float:
        return self.polls * self.delay_s


def every(interval_s: float) -> Schedule:
    return lambda age_s: interval_s


def product(schedule: Schedule, taken: Sequence[float]) -> Product:
    """What a schedule pays for jobs that take so long, in seconds; the clock is the one of the calculation."""
    looks_at = [0.0]
    while looks_at[-1] < max(taken):
        looks_at.append(looks_at[-1] + schedule(looks_at[-1]))
    numbers = [max(bisect_left(looks_at, duration), 1) for duration in taken]
    delays = [looks_at[number] - duration for number, duration in zip(numbers, taken, strict=True)]
    return Product(statistics.fmean(numbers), statistics.fmean(delays))


def bound(median_s: float, sigma: float, step_s: float = 0.02) -> float:
    """½·(∫√(f·S) dt)² of a log-normal distribution: poll-seconds per job that no schedule beats."""
    total, age_s = 0.0, step_s / 2
    while age_s < median_s * math.exp(6 * sigma):
        z = math.log(age_s / median_s) / sigma
        density = math.exp(-z * z / 2) / (math.sqrt(2 * math.pi) * sigma * age_s)
        total += math.sqrt(density * math.erfc(z / math.sqrt(2)) / 2) * step_s
        age_s += step_s
    return total * total / 2


def drawn(source: random.Random, sigma: float, count: int) -> list[float]:
    return [source.lognormvariate(math.log(MEDIAN_S), sigma) for _ in range(count)]


def simulated(learnings: int, jobs: int) -> list[Figure]:
    """With a calculated clock: the mean of many learnings, each from 30 jobs of its own."""
    source, figures = random.Random(6), []  # noqa: S311  durations, no secrets
    for sigma in SIGMAS:
        best = bound(MEDIAN_S, sigma)
        learned = [PollSchedule(drawn(source, sigma, LEARNED)) for _ in range(learnings)]
        taken = drawn(source, sigma, jobs)
        found = [product(pace.next_poll_s, taken) for pace in learned]
        name = f"σ {sigma:g}"
        figures += [
            Figure(
                f"{name}: {LEARNED} learned, beside the best possible",
                "poll-s",
                statistics.fmean(one.poll_s for one in found),
                best,
                ratio_most=BOUND_MOST,
            ),
            Figure(f"{name}: polls per job", "", statistics.fmean(one.polls for one in found)),
            Figure(f"{name}: mean delay of the news", "s", statistics.fmean(one.delay_s for one in found)),
        ]
        for shift, words in (
            (1.0, "nothing learned"),
            (0.5, "all takes half as long"),
            (1.5, "all takes half as long again"),
        ):
            shifted = [shift * duration for duration in taken]
            schedules = [PollSchedule()] if shift == 1.0 else learned
            costs = statistics.fmean(product(pace.next_poll_s, shifted).poll_s for pace in schedules)
            fixed = product(every(2.0), shifted).poll_s
            figures.append(Figure(f"{name}: {words}, beside every 2 s", "poll-s", costs, fixed, ratio_most=FIXED_MOST))
        for interval_s, whose in INTERVALS_S.items():
            costs = product(every(interval_s), taken).poll_s
            figures.append(Figure(f"{name}: every {interval_s:g} s, {whose}, beside the best", "poll-s", costs, best))
    return figures


async def over_sockets(folder: Path, sigma: float, jobs: int, median_s: float = MEDIAN_S) -> list[Figure]:
    """The engine itself, over real sockets and by the real clock, beside clients with fixed intervals, all at once."""
    served = service(folder, median_s, sigma, queued=0.0)
    base = served.start()
    try:
        async with engine_at(base, folder, sigma, median_s) as engine, httpx.AsyncClient(trust_env=False) as client:
            ours = [watched(engine, f"ours {number}") for number in range(jobs)]
            fixed = {
                interval_s: [asked_every(client, base, interval_s, f"{interval_s} {number}") for number in range(count)]
                # The most eager ask so often that a few of them are enough to know.
                for interval_s, count in {0.1: jobs // 5, 0.5: jobs // 2, 2.0: jobs, 5.0: jobs}.items()
            }
            groups = [("ours", ours), *((f"{interval_s:g}", each) for interval_s, each in fixed.items())]
            seen = dict(
                zip(
                    (name for name, _ in groups), await asyncio.gather(*(_all(each) for _, each in groups)), strict=True
                )
            )
            answer = await client.get(f"{base.removesuffix('/v1')}/_bench/jobs")
    finally:
        served.stop()
    known = {job["prompt"]: job for job in json.loads(answer.content)["jobs"]}

    def found(name: str) -> Product:
        told = [(known[prompt], at) for prompt, at in seen[name].items()]
        polls = statistics.fmean(job["polls"] for job, _ in told)
        return Product(polls, statistics.fmean(at - job["done_at"] for job, at in told))

    best, us = bound(median_s, sigma), found("ours")
    name = f"over sockets, σ {sigma:g}"
    figures = [
        Figure(
            f"{name}: {LEARNED} learned, beside the best possible", "poll-s", us.poll_s, best, ratio_most=BOUND_MOST
        ),
        Figure(f"{name}: polls per job", "", us.polls),
        Figure(f"{name}: mean delay of the news", "s", us.delay_s),
    ]
    for interval_s, whose in INTERVALS_S.items():
        costs = found(f"{interval_s:g}").poll_s
        figures.append(Figure(f"{name}: every {interval_s:g} s, {whose}, beside the best", "poll-s", costs, best))
    return figures


async def _all(waiting: Sequence[Any]) -> dict[str, float]:
    return dict(await asyncio.gather(*waiting))


@asynccontextmanager
async def engine_at(base: str, folder: Path, sigma: float, median_s: float) -> AsyncIterator[Engine]:
    """An engine that has learned from 30 jobs of the same durations."""
    card = load_card(BUNDLED_CARDS / "dreamina-3-0-pro-text-to-video.json")
    engine = Engine(
        EngineSettings(
            models=Models([card]),
            data_dir=folder,
            database_url=f"sqlite:///{folder / 'dreamina.sqlite3'}",
            service_base=base,
            backend=Backend.RUNCOMFY,
            key="benchmark",
            limits=Limits(active=10_000, active_per_visitor=10_000),
            secret="-" * 32,
        )
    )
    source = random.Random(LEARNED)  # noqa: S311  durations, no secrets
    for number in range(LEARNED):
        took_s = source.lognormvariate(math.log(median_s), sigma)
        past = past_job(number, "past", prompt="a lighthouse")
        await engine.store.add(
            [replace(past, state=State.SUCCEEDED, backend="runcomfy", model_id=card.model_id, took_s=took_s)]
        )
    async with engine:
        yield engine


async def watched(engine: Engine, prompt: str) -> tuple[str, float]:
    """A job of the engine's; the prompt, and when the engine knew that it was done."""
    [job] = await engine.submit("visitor", {"prompt": prompt, "frames": 121})
    async for snapshot in engine.watch(HOLDER, job.job_id):
        if snapshot.state is State.SAVING or snapshot.ended:
            return prompt, time.monotonic()
    raise RuntimeError("the watch ended before the job")


async def asked_every(client: httpx.AsyncClient, base: str, interval_s: float, prompt: str) -> tuple[str, float]:
    """The same of a client that asks at a fixed interval."""
    headers = {"Authorization": "Bearer benchmark"}
    reply = await client.post(f"{base}/models/any", json={"prompt": prompt}, headers=headers)
    address = f"{base}/requests/{reply.json()['request_id']}/status"
    while True:
        await asyncio.sleep(interval_s)
        if (await client.get(address, headers=headers)).json()["status"] == "completed":
            return prompt, time.monotonic()


def measure(folder: Path, short: bool = False) -> list[Figure]:
    if short:
        return simulated(3, 200) + asyncio.run(over_sockets(folder, SIGMAS[0], 10, 3.0))
    figures = simulated(40, 2000)
    for sigma in SIGMAS:
        figures += asyncio.run(over_sockets(folder / f"{sigma:g}", sigma, 100))
    return figures


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pacing", description=__doc__)
    parser.add_argument("--short", action="store_true", help="a few jobs of a few seconds")
    parser.add_argument("--report", type=Path, help="a page of the documentation to write the table into")
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="dreamina-pacing-") as folder:
        figures = measure(Path(folder), args.short)
    text = f"{machine()}.\n\n{table(figures, 'ours', 'peer')}"
    publish("pacing", text, args.report)


if __name__ == "__main__":
    main()
