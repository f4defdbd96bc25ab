"""`python -m tests.crash.worker`: a studio without a page that dies where it is told to, by SIGKILL.

It submits its clicks, waits until their jobs have ended, and prints one line of JSON for each. A click has the same id in
every run, so a second run asks for nothing that the first one asked for already. Clicks with a picture name the file that was
uploaded by the first run.
"""

import argparse
import asyncio
import hashlib
import json
import math
import os
import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dreamina_ui.cards.media.file_names import DIGITS, NamedFile
from dreamina_ui.clock import Clock
from dreamina_ui.crash_points import POINTS
from dreamina_ui.jobs import Job
from dreamina_ui.storage.job_store import JobStore
from dreamina_ui.storage.leases import LEASE_S
from tests.crash.headless import PICTURES, VALUES, Headless, headless

__all__ = ["main"]

VISITOR = "ann"
LOOKED_EVERY_S = 0.05


class Fuse:
    """Kills this process when a point is passed for the nth time."""

    def __init__(self, point: str | None, nth: int) -> None:
        self._point = point
        self._left = nth

    async def passed(self, point: str) -> None:
        if point == self._point:
            self._left -= 1
            if self._left == 0:
                die()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Paced(Clock):
    """Sleeps `pace` times as long as it is asked to."""

    def __init__(self, pace: float) -> None:
        self._pace = pace

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds * self._pace)


async def work(options: argparse.Namespace) -> None:
    fuse = Fuse(*options.die_at)
    async with headless(
        options.folder,
        options.base,
        key=options.key,
        url=options.database,
        lease_s=options.lease,
        clock=Paced(options.pace),
        passed=fuse.passed,
    ) as studio:
        print(json.dumps({"owner": studio.leases.owner}), flush=True)
        job_ids = []
        for number in range(options.first, options.first + options.submit):
            click_id = f"{options.label} {number}"
            values, model = {**VALUES, "prompt": click_id}, None
            if options.picture is not None:
                name = await named(studio, options.picture, upload=options.upload)
                values, model = {"prompt": click_id, "image_urls": [name], "frames": 121, "seed": 7}, PICTURES.model_id
            jobs = await studio.engine.submit(VISITOR, values, click_id=click_id, model=model)
            job_ids += [job.job_id for job in jobs]
        while unfinished := {job.job_id for job in await unsettled(studio.store)}:
            if not options.until_idle and unfinished.isdisjoint(job_ids):
                break
            await asyncio.sleep(LOOKED_EVERY_S)
        jobs, _ = await studio.engine.queries.page(VISITOR, limit=1_000_000)
    for job in jobs:
        print(json.dumps(row_of(job)), flush=True)


async def named(studio: Headless, path: Path, *, upload: bool) -> str:
    """What stands for a picture in a job; it is uploaded, or was by an earlier run."""
    field = next(each for each in PICTURES.fields if each.media == "image")
    if upload:
        return (await studio.engine.inputs.add(path, VISITOR, field)).text
    return NamedFile(path.name, hashlib.sha256(path.read_bytes()).hexdigest()[:DIGITS]).text


async def unsettled(store: JobStore) -> list[Job]:
    """What has not ended, or has no poster yet."""
    return [*await store.unfinished(), *await store.without_poster(math.inf)]


def row_of(job: Job) -> dict[str, Any]:
    """What the ledger needs to judge a job."""
    return {
        "prompt": job.payload["prompt"],
        "state": str(job.state),
        "request_id": job.request_id,
        "code": job.failure.code if job.failure else None,
        "share_id": job.share_id,
        "generation": job.generation,
    }


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.crash.worker", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--base", required=True, help="the service's address, with /v1")
    parser.add_argument("--key", required=True)
    parser.add_argument("--database", metavar="URL", help="default: a file in the folder")
    parser.add_argument("--label", default="click", help="what its clicks and prompts are called")
    parser.add_argument("--first", type=int, default=0, metavar="N", help="the number of its first click")
    parser.add_argument("--submit", type=int, default=0, metavar="N", help="how many clicks")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="what each click's video begins with")
    parser.add_argument("--upload", action="store_true", help="the picture, before the clicks")
    parser.add_argument("--die-at", type=_point, default=(None, 0), metavar="POINT[:NTH]")
    parser.add_argument("--die-after", type=float, metavar="SECONDS")
    parser.add_argument("--until-idle", action="store_true", help="wait for the jobs of others too")
    parser.add_argument("--lease", type=float, default=LEASE_S, metavar="SECONDS")
    parser.add_argument("--pace", type=float, default=0.1, help="how much of each of the engine's waits is waited")
    options = parser.parse_args(argv)
    if options.die_after is not None:
        # From a thread, so that it strikes in the middle of whatever is being done.
        fuse = threading.Timer(options.die_after, die)
        fuse.daemon = True
        fuse.start()
    asyncio.run(work(options))


def _point(text: str) -> tuple[str, int]:
    point, _, nth = text.partition(":")
    if point not in POINTS:
        raise argparse.ArgumentTypeError(f"{point} is none of {', '.join(POINTS)}")
    return point, int(nth or 1)


if __name__ == "__main__":
    main()
