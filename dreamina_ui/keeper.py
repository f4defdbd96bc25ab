"""Keeps a replica's jobs running: claims what nobody owns, renews what it holds, and follows what others run."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from dreamina_ui.errors import StoreError
from dreamina_ui.jobs import Job
from dreamina_ui.leases import Keyed, Leases
from dreamina_ui.news import News
from dreamina_ui.store import Limits, Store

__all__ = ["Keeper"]

FOLLOWED_EVERY_S = 0.5
"""How late, at most, this replica's watchers hear of a job that another replica runs."""

CLEANED_EVERY_S = 600.0

log = logging.getLogger(__name__)


class Keeper:
    """`run` takes one job from where its row stands to its end."""

    def __init__(
        self,
        leases: Leases,
        store: Store,
        run: Callable[[Job], Awaitable[None]],
        news: News,
        clean: Callable[[], Awaitable[object]],
        limits: Limits,
        keyed: Callable[[], Keyed] = Keyed,
    ) -> None:
        self._leases = leases
        self._store = store
        self._run = run
        self._news = news
        self._clean = clean
        self._limits = limits
        self._keyed = keyed
        self._left: dict[str, Job] = {}
        """Jobs that are run no more, and that somebody else may take."""
        self._runs: dict[str, asyncio.Task[None]] = {}
        self._loops: list[asyncio.Task[None]] = []
        self._sweeps: set[asyncio.Task[None]] = set()
        self._next_sweep: asyncio.Task[None] | None = None
        self._sweeping = asyncio.Lock()
        self._stopping = False

    async def start(self) -> None:
        """Pick up every job that nobody owns, and go on doing so."""
        await asyncio.to_thread(self._leases.open)
        await self.sweep()
        self._loops = [
            asyncio.create_task(_every(self._leases.renewed_every_s, self._tend), name="leases"),
            asyncio.create_task(_every(FOLLOWED_EVERY_S, self._follow), name="followed jobs"),
            asyncio.create_task(_every(CLEANED_EVERY_S, self._clean), name="cleaning"),
        ]

    async def stop(self, unfinished_posts: Callable[[], Sequence[asyncio.Task[Job]]]) -> None:
        """Stop the runs, wait for the answers to paid POSTs under way, and let go of all jobs."""
        self._stopping = True
        await asyncio.gather(*self._sweeps, return_exceptions=True)
        tasks = [*self._loops, *self._runs.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, *unfinished_posts(), return_exceptions=True)
        try:
            await self._leases.aclose()
        except StoreError as error:
            log.warning("the leases could not be let go, and will run out by themselves: %s", error)

    async def sweep(self) -> None:
        """Claim what nobody owns, and run it. What the database does not give now is claimed by a later sweep."""
        # Shielded: the asker may go away in the middle, and what is claimed and not run would wait for the next start.
        await asyncio.shield(self._sweep_soon())

    def _sweep_soon(self) -> asyncio.Task[None]:
        """One sweep for all who ask for it while another one is under way."""
        if self._next_sweep is None:
            self._next_sweep = asyncio.create_task(self._sweep_next(), name="sweep")
            self._sweeps.add(self._next_sweep)
            self._next_sweep.add_done_callback(self._sweeps.discard)
        return self._next_sweep

    async def _sweep_next(self) -> None:
        async with self._sweeping:
            self._next_sweep = None  # whoever asks from now on may ask for what this one no longer sees
            await self._sweep()

    async def _sweep(self) -> None:
        places = {"active": self._limits.active, "batch_active": self._limits.active_per_visitor}
        try:
            while not self._stopping and (claimed := await self._leases.claim(**places, keyed=self._keyed())):
                for job in claimed:
                    self._start(job)
        except StoreError as error:
            # Not the asker's concern: the job of the click is safe, and must not be clicked again.
            log.warning("the database does not answer: %s", error)

    async def _tend(self) -> None:
        await self._leases.renew()
        await self._let_go()
        await self.sweep()

    async def _follow(self) -> None:
        """Tell this replica's watchers of the jobs that run elsewhere."""
        if elsewhere := self._news.watched - self._runs.keys():
            for job in await self._store.get_many(list(elsewhere)):
                self._news.publish(job)

    def _start(self, job: Job) -> None:
        # A job claimed anew while it still runs here: this process slept through its own lease. The old run's writes
        # would be refused anyway.
        if former := self._runs.get(job.job_id):
            former.cancel()
        run = asyncio.create_task(self._supervise(job), name=f"job {job.job_id}")
        self._runs[job.job_id] = run
        run.add_done_callback(lambda done: self._runs.pop(job.job_id) if self._runs.get(job.job_id) is done else None)

    async def _supervise(self, job: Job) -> None:
        try:
            await self._run(job)
            if job.batch_id is not None or job.own_key:
                # Its place is free for the next of its batch; and itself, if it was held on its way or waits for its
                # visitor's key, is free for later.
                self._left[job.job_id] = job
                await self._let_go()
                self._sweep_soon()
        except StoreError as error:
            log.warning("the database does not answer: %s", error)
        except Exception:
            # A mistake of ours. The job stays unfinished and leased; another start or owner goes on from its row.
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
