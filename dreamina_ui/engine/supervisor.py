"""Keeps a replica's jobs running: claims jobs without an owner, renews its leases, and follows what other replicas run."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from typing import Self

from dreamina_ui.engine.keys import Keys
from dreamina_ui.engine.updates import Updates
from dreamina_ui.engine.worker import Worker
from dreamina_ui.errors import StoreError
from dreamina_ui.jobs import Job
from dreamina_ui.storage.allowances import Limits
from dreamina_ui.storage.leases import CLAIMED_AT_ONCE, Leases

__all__ = ["Supervisor"]

FOLLOWED_EVERY_S = 0.5
"""How late, at most, this replica's watchers get a change of a job that another replica runs, in seconds."""
CLEANED_EVERY_S = 600.0

log = logging.getLogger(__name__)


class Supervisor:
    """An async context manager: entering claims every job without an owner, leaving stops the runs.

    `wake` is set by whoever makes a job claimable and does not ask for a sweep. `clean` is called every ten minutes.
    """

    def __init__(
        self,
        *,
        worker: Worker,
        updates: Updates,
        keys: Keys,
        leases: Leases,
        limits: Limits,
        wake: asyncio.Event,
        clean: Callable[[], Awaitable[object]],
    ) -> None:
        self._worker = worker
        self._updates = updates
        self._keys = keys
        self._leases = leases
        self._limits = limits
        self._wake = wake
        self._clean = clean
        self._left: dict[str, Job] = {}
        """Jobs whose runs are over, and that another run may claim."""
        self._runs: dict[str, asyncio.Task[None]] = {}
        self._loops: list[asyncio.Task[None]] = []
        self._sweeps: set[asyncio.Task[None]] = set()
        self._next_sweep: asyncio.Task[None] | None = None
        self._sweeping = asyncio.Lock()
        self._stopping = False

    @property
    def loops(self) -> Collection[asyncio.Task[None]]:
        """What is done again and again: renewing, claiming, following, cleaning."""
        return tuple(self._loops)

    @property
    def runs(self) -> Collection[asyncio.Task[None]]:
        """One for each job that runs here."""
        return tuple(self._runs.values())

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self._leases.open)
        await self.sweep()
        self._loops = [
            asyncio.create_task(_every(self._leases.renewed_every_s, self._tend), name="leases"),
            asyncio.create_task(_every(FOLLOWED_EVERY_S, self._follow), name="followed jobs"),
            asyncio.create_task(_every(CLEANED_EVERY_S, self._clean), name="cleaning"),
            asyncio.create_task(self._sweep_when_woken(), name="claims"),
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop the runs, wait for the answers to paid POSTs under way, and release all jobs."""
        self._stopping = True
        await asyncio.gather(*self._sweeps, return_exceptions=True)
        tasks = [*self._loops, *self._runs.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, self._worker.finish_posts(), return_exceptions=True)
        try:
            await self._leases.aclose()
        except StoreError as error:
            log.warning("the leases could not be let go, and will run out by themselves: %s", error)

    async def sweep(self) -> None:
        """Claim the jobs without an owner, and run them. If the database does not answer, a later sweep does it."""
        # Shielded: if the asker goes away in the middle, what is claimed must still be run.
        await asyncio.shield(self._sweep_soon())

    def _sweep_soon(self) -> asyncio.Task[None]:
        """The next sweep: one for all who ask while another one is under way."""
        if self._next_sweep is None:
            self._next_sweep = asyncio.create_task(self._sweep_next(), name="sweep")
            self._sweeps.add(self._next_sweep)
            self._next_sweep.add_done_callback(self._sweeps.discard)
        return self._next_sweep

    async def _sweep_next(self) -> None:
        async with self._sweeping:
            self._next_sweep = None  # this one may not see what is asked for from now on
            await self._sweep()

    async def _sweep(self) -> None:
        places = {"active": self._limits.active, "batch_active": self._limits.active_per_visitor}
        try:
            while not self._stopping:
                claimed = await self._leases.claim(**places, keyed=self._keys.keyed())
                for job in claimed:
                    self._start(job)
                if len(claimed) < CLAIMED_AT_ONCE:
                    return  # that was all
        except StoreError as error:
            # Not raised: the row of the click is written, and must not be clicked again.
            log.warning("the database does not answer: %s", error)

    async def _tend(self) -> None:
        await self._leases.renew({*self._runs, *self._left})
        await self._let_go()
        await self.sweep()

    async def _follow(self) -> None:
        """Tell this replica's watchers of the jobs that other replicas run."""
        if elsewhere := self._updates.watched - self._runs.keys():
            await self._updates.refresh(elsewhere)

    async def _sweep_when_woken(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            self._sweep_soon()

    def _start(self, job: Job) -> None:
        # A job that still runs here is claimed again after this process slept through its own lease. The writes of the
        # old run would be refused.
        if former := self._runs.get(job.job_id):
            former.cancel()
        run = asyncio.create_task(self._supervise(job), name=f"job {job.job_id}")
        self._runs[job.job_id] = run
        run.add_done_callback(lambda done: self._runs.pop(job.job_id) if self._runs.get(job.job_id) is done else None)

    async def _supervise(self, job: Job) -> None:
        try:
            await self._worker.run(job)
            if job.batch_id is not None or job.own_key:
                # Its place is free for the next of its batch. The job itself, if it was paused or waits for its visitor's
                # key, can be claimed later.
                self._left[job.job_id] = job
                await self._let_go()
                self._sweep_soon()
        except StoreError as error:
            log.warning("the database does not answer: %s", error)
        except Exception:
            # The job stays unfinished, and its lease is not renewed: the next run goes on from its row.
            log.exception("the run of job %s ended by a mistake in the program", job.job_id)

    async def _let_go(self) -> None:
        for job in list(self._left.values()):
            await self._leases.release(job)
            if self._left.get(job.job_id) is job:
                del self._left[job.job_id]


async def _every(seconds: float, work: Callable[[], Awaitable[object]]) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await work()
        except StoreError as error:
            log.warning("the database does not answer: %s", error)
        except Exception:
            log.exception("a mistake in the program; what is done every %s s goes on", seconds)
