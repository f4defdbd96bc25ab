"""The engine owns a job from the click to the saved files. Pages come and go; they only watch."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Self

import httpx

from dreamina_ui.backends import Backend
from dreamina_ui.cards.model_card import Card
from dreamina_ui.cards.models import Models
from dreamina_ui.cards.schema.fields import Field
from dreamina_ui.clock import SYSTEM_CLOCK, Clock
from dreamina_ui.config.network import DIRECT, Network
from dreamina_ui.crash_points import unobserved
from dreamina_ui.engine.batches import Batches
from dreamina_ui.engine.curation.collections import Collections, rebuild_collections
from dreamina_ui.engine.curation.exports import Exports
from dreamina_ui.engine.curation.shelf import Shelf, rebuild_shelf
from dreamina_ui.engine.curation.votes import Votes
from dreamina_ui.engine.history import History, rebuild
from dreamina_ui.engine.keys import Keys
from dreamina_ui.engine.money import Costs, LimitWatch, Money
from dreamina_ui.engine.polls.polling import Durations, PollLimiter
from dreamina_ui.engine.posters import Posters
from dreamina_ui.engine.saver import Saver
from dreamina_ui.engine.sender import Sender
from dreamina_ui.engine.submission import VARIATIONS_MOST, Submission
from dreamina_ui.engine.supervisor import Supervisor
from dreamina_ui.engine.updates import Updates
from dreamina_ui.engine.webhooks.webhooks import Webhooks, WebhookSettings
from dreamina_ui.engine.worker import Worker
from dreamina_ui.errors import IllegalMove, InvalidInput, JobNotFound
from dreamina_ui.jobs import HOLDER, Asker, Job, State
from dreamina_ui.media.checked import Checked
from dreamina_ui.media.derive.derived import DerivedFiles
from dreamina_ui.media.inputs import Added, InputFiles
from dreamina_ui.media.kinds import Family
from dreamina_ui.media.library import ROOM_NEEDED, Library, SavedFile, origin_of
from dreamina_ui.media.record import Records, file_name
from dreamina_ui.media.row_records import Moves, RowRecords
from dreamina_ui.retrying import RetryBudget
from dreamina_ui.runcomfy.client import RunComfy
from dreamina_ui.runcomfy.money.balances import Balances
from dreamina_ui.runcomfy.money.prices import Prices
from dreamina_ui.storage.allowances import Allowances, Limits
from dreamina_ui.storage.collection_store import CollectionStore
from dreamina_ui.storage.database import Database, thread_pool
from dreamina_ui.storage.job_queries import JobQueries
from dreamina_ui.storage.job_store import JobStore
from dreamina_ui.storage.leases import LEASE_S, Leases
from dreamina_ui.storage.maintenance import empty_bin
from dreamina_ui.storage.shelf_store import ShelfStore
from dreamina_ui.storage.vote_store import VoteStore
from dreamina_ui.storage.webhook_events import Outbox, WebhookEvents

log = logging.getLogger(__name__)

__all__ = ["VARIATIONS_MOST", "Engine", "EngineSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """All that an engine depends on; everything below `deadline_s` has a default that suits the app."""

    models: Models
    """The models that videos are made with."""
    data_dir: Path
    """The folder for saved files and lock files."""
    database_url: str
    service_base: str
    """The address of the service's API, with `/v1`."""
    backend: Backend
    key: str | None = field(default=None, repr=False)
    """The shared API key; None where there is none."""
    limits: Limits
    secret: str = field(repr=False)
    """Seals what the records in files tell of their makers."""
    public_url: str | None = None
    """The https address of the app from outside, without a slash at its end: the service fetches files of visitors there."""
    deadline_s: float = 3600.0
    """How long the service may take for one job, in seconds."""
    trusted_origins: Collection[str] = ()
    """Origins of outputs, beside the service's own, that may be plain http or of this machine."""
    transport: httpx.AsyncBaseTransport | None = None
    """How the service is reached, its outputs included; None is the network."""
    network: Network = DIRECT
    """The proxies and certificates for the service's API, where it is reached over the network."""
    output_network: Network = DIRECT
    """The same for outputs."""
    webhooks: WebhookSettings = field(default_factory=WebhookSettings)
    """Who is told of what happens, outside of the page."""
    describe: Callable[["Engine", Job, float], Awaitable[Mapping[str, Any]]] | None = None
    """A job as programs get it, at a time in seconds since the epoch; None leaves it out of what webhooks are told."""
    look_at_cards: Callable[[bool], None] = lambda soon: None
    """Called where it is time to see whether the service has changed a model; soon, when it has refused what a card allows."""
    room_needed: int = ROOM_NEEDED
    """Bytes that must be free on the disk before a job is paid for."""
    lease_s: float = LEASE_S
    """How long a replica owns a job without renewing, in seconds."""
    clock: Clock = SYSTEM_CLOCK
    threads: Callable[[int, str], Executor] = thread_pool
    """Makes the database's threads."""
    passed: Callable[[str], Awaitable[None]] = unobserved
    """Told of each crash point a job passes."""


class Engine:
    """Makes its parts from its settings, database, service client and library included.

    Making one prepares the database and the library's folder; it blocks. Raises `StoreUnusable`, `StoreUnavailable` or
    `LibraryError`. As an async context manager, it picks up every unfinished job on entering; on leaving it stops watching
    them, waits for the answers to paid POSTs, and closes what it has opened. It is entered once.
    """

    def __init__(self, settings: EngineSettings) -> None:
        self.models = models = settings.models
        self.card = models.default
        self.look_at_cards = settings.look_at_cards
        self.backend = backend = settings.backend
        self._clock = clock = settings.clock
        self._passed = passed = settings.passed

        budget = RetryBudget(clock)
        origin = origin_of(settings.service_base)
        self.service = RunComfy(
            settings.service_base,
            transport=settings.transport,
            network=settings.network,
            clock=clock,
            budget=budget,
        )
        records = Records(settings.secret)
        self.library = Library(
            settings.data_dir / "videos",
            records=records,
            checked=Checked(settings.data_dir / "checked"),
            trusted_origins={origin, *settings.trusted_origins},
            mounts={origin: settings.transport} if settings.transport else None,
            network=settings.output_network,
            room_needed=settings.room_needed,
            passed=passed,
        )
        self.database = Database(settings.database_url, threads=settings.threads)
        self.database.prepare()
        self.library.prepare()
        outbox = Outbox(self.database, for_owner=settings.webhooks.address is not None)
        self.store = JobStore(self.database, outbox)
        self.queries = JobQueries(self.database, outbox)
        self.inputs = inputs = InputFiles(
            settings.data_dir / "uploads",
            secret=settings.secret,
            url=settings.public_url,
            has_job=self.queries.has_file,
            now=clock.now,
        )
        self._derived = DerivedFiles(settings.data_dir / "exports", now=clock.now)
        self.exports = Exports(queries=self.queries, library=self.library, files=self._derived)
        self.leases = Leases(self.database, settings.data_dir / "owners", lease_s=settings.lease_s)
        self.allowances = Allowances(self.database, settings.limits, backend, outbox=outbox, now=clock.now)

        wake = asyncio.Event()
        durations = Durations(self.queries, clock)
        self.keys = Keys(
            service=self.service, store=self.store, backend=backend, shared=settings.key, clock=clock, wake=wake
        )
        self._limit_watch = LimitWatch(self.allowances, settings.limits)
        self.money = Money(
            backend=backend,
            models=models,
            keys=self.keys,
            prices=Prices(self.service, clock),
            balances=Balances(self.service, clock),
            costs=Costs(self.queries, backend, clock),
            budget_usd=settings.limits.daily_budget_usd,
        )
        self.updates = Updates(self.store, self.keys, clock, wake, ended=self._limit_watch.look)
        self.posters = Posters(library=self.library, store=self.store, updates=self.updates, clock=clock, passed=passed)
        self.worker = Worker(
            service=self.service,
            sender=Sender(
                service=self.service,
                updates=self.updates,
                keys=self.keys,
                inputs=inputs,
                clock=clock,
                passed=passed,
                look_at_cards=settings.look_at_cards,
            ),
            saver=Saver(
                service=self.service,
                library=self.library,
                records=records,
                updates=self.updates,
                keys=self.keys,
                posters=self.posters,
                clock=clock,
                passed=passed,
            ),
            updates=self.updates,
            keys=self.keys,
            limiter=PollLimiter(clock),
            durations=durations,
            budget=budget,
            clock=clock,
            deadline_s=settings.deadline_s,
            passed=passed,
        )
        self.supervisor = Supervisor(
            worker=self.worker,
            updates=self.updates,
            keys=self.keys,
            leases=self.leases,
            limits=settings.limits,
            wake=wake,
            clean=self._clean,
        )
        self._submission = Submission(
            models=models,
            backend=backend,
            store=self.store,
            library=self.library,
            limits=settings.limits,
            keys=self.keys,
            money=self.money,
            limit_watch=self._limit_watch,
            inputs=inputs,
            clock=clock,
        )
        self._moves = Moves(settings.data_dir / "moves", records)
        self.history = History(
            backend=backend, queries=self.queries, durations=durations, clock=clock, moves=self._moves
        )
        self.votes = Votes(store=VoteStore(self.database), history=self.history, secret=settings.secret, clock=clock)
        self.webhooks = Webhooks(
            settings.webhooks,
            events=WebhookEvents(self.database),
            store=self.store,
            queries=self.queries,
            describe=partial(settings.describe, self) if settings.describe else None,
            clock=clock,
            secret=settings.secret,
            public_url=settings.public_url,
        )
        self.batches = Batches(
            submission=self._submission,
            supervisor=self.supervisor,
            updates=self.updates,
            queries=self.queries,
            worker=self.worker,
            webhooks=self.webhooks,
            clock=clock,
            passed=passed,
        )
        self.collections = Collections(
            store=CollectionStore(self.database),
            records=RowRecords(settings.data_dir / "collections", "collection", records),
            clock=clock,
        )
        self.shelf = Shelf(
            store=ShelfStore(self.database),
            records=RowRecords(settings.data_dir / "shelf", "shelf", records),
            models=models,
            inputs=inputs,
            clock=clock,
        )
        self._starring = asyncio.Lock()
        self._records = records
        self._running = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(asyncio.to_thread, self.database.close)
            await stack.enter_async_context(self.service)
            await stack.enter_async_context(self.library)
            await asyncio.to_thread(self._derived.prepare)
            stack.push_async_callback(self._derived.aclose)
            await rebuild(self.store, self.library, self._records, self._moves)
            await rebuild_collections(self.collections, self._moves)
            await rebuild_shelf(self.shelf, self._moves)
            await stack.enter_async_context(self._limit_watch)
            await stack.enter_async_context(self.posters)
            await stack.enter_async_context(self.webhooks)
            await stack.enter_async_context(self.supervisor)
            self._running = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._running.aclose()

    async def submit(
        self,
        visitor_id: str,
        values: Mapping[str, Any],
        *,
        model: str | None = None,
        count: int = 1,
        each: Sequence[Mapping[str, Any]] = ({},),
        click_id: str | None = None,
        call_id: str | None = None,
        key: str | None = None,
        parent: Job | None = None,
    ) -> list[Job]:
        """Check the values and make the jobs of one click; they are safe, and on their way, when this returns.

        `values` are by field name of the `model`, an id (None is the default model); a field that is None or absent takes the
        card's default. A random seed is drawn for each of the `count` (1 to 4) variations; a given seed is counted up. With
        several of `each`, there are so many variations for each of these values, which count before those in `values`; 4 in all.
        The same `click_id` of the same visitor gives the same jobs again; so does the same `call_id`, whoever asks, for the
        same model and values. The jobs go with the visitor's own `key`, if one is given here or kept for the visitor, and
        else with the shared one. `parent` is the job that they continue, of the same owner. Raises `InvalidInput`,
        `KeyMissing`, what `Keys.checked` does, `OwnKeyLost`, `DiskFull`, `LibraryError`, `AlreadyUsed` for a click whose
        videos are deleted, `VisitorBlocked`, `TooManyActive`, `DailyLimitReached`, `DailyBudgetReached` or `StoreError`; then
        nothing was sent.
        """
        own = await self.keys.checked(key, visitor_id) if key is not None and self.keys.offered else None
        jobs = await self._submission.click(
            visitor_id,
            self.models.find(model),
            values,
            count=count,
            each=each,
            click_id=click_id,
            call_id=call_id,
            key=own,
            parent=parent,
        )
        await self._passed("after_click")
        await self.supervisor.sweep()
        return jobs

    async def job(self, asker: Asker, job_id: str) -> Job:
        """Raises `JobNotFound`: where there is none, where it is deleted, and where it is not the asker's."""
        job = await self.store.shown(job_id)
        if asker is not HOLDER and job.visitor_id != asker:
            raise JobNotFound
        return job

    async def files(self, job: Job) -> list[SavedFile]:
        """The saved files of a job, in the order in which they are shown."""
        return await asyncio.to_thread(self.library.files, job) if job.state is State.SUCCEEDED else []

    async def frame(self, visitor_id: str, job: Job, at_s: float | None, wanted: Field, *, address: str = "") -> Added:
        """Keep a frame of a job's first video as a file of the visitor's, for a field: the one that is shown at `at_s` seconds;
        with None the last good one.

        Raises `InvalidInput` where there is no such frame, or the field does not take it.
        """
        video = next((file for file in await self.files(job) if file.kind.family is Family.VIDEO), None)
        if video is None:
            raise InvalidInput(wanted.name, "no_frame", f"{wanted.name}: no video to take a frame of")
        name = file_name(job, ending=".png")
        return await self.inputs.add_frame(video.path, video.kind, at_s, visitor_id, wanted, name=name, address=address)

    async def watch(self, asker: Asker, job_id: str) -> AsyncIterator[Job]:
        """The job as it is now, then each change, until it has ended. A slow watcher gets the newest, not all.

        Raises `JobNotFound`.
        """
        job = await self.job(asker, job_id)
        async for snapshot in self.updates.watch(job.job_id):
            yield snapshot

    async def watch_click(self, asker: Asker, job_id: str) -> AsyncIterator[list[Job]]:
        """All variations of the click that made this job, in their order, at each change of one, until all have ended.

        Raises `JobNotFound`.
        """
        job = await self.job(asker, job_id)
        siblings = await self.history.siblings(job) or [job]  # its whole click may be in the bin
        async for jobs in self.updates.watch_all(siblings):
            yield jobs

    async def settled(self, asker: Asker, job_ids: Sequence[str]) -> list[Job]:
        """These jobs, as soon as all have ended and have their posters. Raises `JobNotFound`."""
        jobs = [await self.job(asker, job_id) for job_id in job_ids]
        async for latest in self.updates.watch_all(jobs):
            jobs = latest
        return jobs

    async def cancel(self, asker: Asker, job_id: str) -> Job:
        """Cancel the job if that is still possible; the state of the answer says whether it was.

        Raises `JobNotFound`, or `ServiceError` or `KeyNeeded` if the service could not be asked.
        """
        job = await self.job(asker, job_id)
        job = await self.updates.change(job.job_id, lambda row: row.cancel(self._clock.now()))
        return await self.worker.cancel(job)

    async def adopt(self, asker: Asker, job_id: str, request_id: str) -> Job:
        """Give an uncertain job the request id that its owner found: it is watched and saved like any other.

        Raises `JobNotFound`, `IllegalMove` for a job in another state, `RequestTaken` if another video has that request,
        or `ServiceError` or `KeyNeeded` if the service does not know it or cannot be asked; then nothing is changed.
        """
        job = await self.job(asker, job_id)
        if job.state is not State.UNCERTAIN:
            raise IllegalMove(job_id=job_id)
        await self.service.status(request_id, key=self.keys.of(job))
        job = await self.updates.adopt(job_id, request_id)
        await self.supervisor.sweep()
        return job

    async def dismiss(self, asker: Asker, job_id: str) -> Job:
        """Take note of an uncertain job: it is no longer explained, and still counts as spent.

        Raises `JobNotFound`, or `IllegalMove` for a job in another state.
        """
        job = await self.job(asker, job_id)

        def dismissed(row: Job) -> Job:
            if row.state is not State.UNCERTAIN:
                raise IllegalMove(job_id=job_id)
            return row.move(row.state, dismissed=True)

        return await self.updates.change(job.job_id, dismissed)

    async def star(self, asker: Asker, job_id: str, *, starred: bool = True) -> Job:
        """Give a job a star, or take it away. Raises `JobNotFound`."""
        job = await self.job(asker, job_id)
        async with self._starring:  # so that the mark beside the files is the row's
            job = await self.updates.change(job.job_id, lambda row: row.move(row.state, starred=starred))
            try:
                await asyncio.to_thread(self.library.note_star, job.share_id, starred=starred)
            except OSError as error:  # the row has it; only a lost database would lose it
                log.warning("the star of %s could not be kept beside its files: %s", job.share_id, error.strerror)
        return job

    async def resume(self, asker: Asker, job_id: str) -> Job:
        """Look again for the files of a job that has ended without all of them; nothing is sent.

        A finished job fetches what is missing of it. For one that was given up, a new job watches the same request. Raises
        `JobNotFound`, or `IllegalMove` for a job that cannot be resumed.
        """
        job = await self.job(asker, job_id)
        if not job.can_resume:
            raise IllegalMove(job_id=job_id)
        if job.is_incomplete:
            resumed = await self.updates.resume(job_id)
        else:
            resumed = await self._watch_request_of(job)
        await self.supervisor.sweep()
        return resumed

    async def last_cost_usd(self, card: Card, values: Mapping[str, Any], visitor_id: str) -> float | None:
        """What the last such video cost, with the key that would pay for the next one; None if that is not known.

        The visitor's own last one; on the shared key else anybody's, since its owner pays for all of them.
        """
        own_key = self.keys.has(visitor_id)
        usd = await self.history.last_cost_usd(visitor_id, card.model_id, values, own_key=own_key)
        return await self.money.costs.usd(card.model_id, values) if usd is None and not own_key else usd

    async def _clean(self) -> None:
        await empty_bin(self.queries, self.library, self._clock)
        await self.inputs.tidy(await self.queries.files())
        await asyncio.to_thread(self._derived.tidy)
        await self.posters.make_left()
        await self.webhooks.forget()

    async def _watch_request_of(self, job: Job) -> Job:
        """A new job that watches the request of one that was given up. The same, if that was asked for before."""
        click_id = f"resume {job.job_id} {job.version}"
        again = replace(
            self._submission.made(job.visitor_id, self.card, job.payload, click_id=click_id),
            model_id=job.model_id,  # which need not be offered any more
            ancestors=job.ancestors,
            width=job.width,
            height=job.height,
            duration_s=job.duration_s,
            state=State.IN_QUEUE,
            request_id=job.request_id,
            submitted_at=self._clock.now(),
            own_key=job.own_key,
        )
        if job.own_key and (key := self.keys.own_of(job)) is not None:
            self.keys.bind(again.job_id, again.visitor_id, key)
        [resumed] = await self.store.add([again])
        return resumed
