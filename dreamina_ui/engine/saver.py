"""Saves the files of a finished request: fetches every file its result names, and writes the end of the job.

A job that the service calls done never fails here because its files could not be found, fetched or read: it succeeds with
remarks that say what is missing, and can be resumed.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from dreamina_ui.clock import Clock
from dreamina_ui.crash_points import unobserved
from dreamina_ui.engine.keys import Keys
from dreamina_ui.engine.posters import Posters
from dreamina_ui.engine.updates import Updates
from dreamina_ui.errors import (
    DownloadFailed,
    DreaminaError,
    GenerationFailed,
    LibraryError,
    NoFileFound,
    NotAllSaved,
    NotAnOutput,
    NotReadable,
    OutputRefused,
    PartFailed,
    ServiceError,
    TooManyFiles,
    UnknownRequest,
)
from dreamina_ui.jobs import Failure, Job, State
from dreamina_ui.media.library import OUTPUTS_MOST, Facts, Library, SavedFile, file_order
from dreamina_ui.media.record import Records
from dreamina_ui.runcomfy.client import Outcome, Result, RunComfy

__all__ = ["TRIES", "Kept", "Saver", "tries_for"]

TRIES = 3
"""How often in a row the service may not know a request, or give no usable file, before the job ends that way."""
NO_FILE_TRIES = 8
"""How often a result without a file is asked again: with the waits between, about a minute."""
COST_PATIENCE_S = 3.0
"""How long a saved video waits for its cost, which services tell later than the output."""
GONE = frozenset({403, 404, 410})

Kept = dict[int, tuple[SavedFile, Facts]]
"""The files of a job that are saved and were examined, by number."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Saver:
    """`passed` observes the crash points."""

    service: RunComfy
    library: Library
    records: Records
    updates: Updates
    keys: Keys
    posters: Posters
    clock: Clock
    passed: Callable[[str], Awaitable[None]] = unobserved

    async def start(self, job: Job, result: Result, **changes: object) -> Job:
        """Move the job to `saving`, with the addresses of its files, and the reason if they are a part. Raises `LeaseLost`."""
        failed = result.outcome is Outcome.FAILED
        job = await self.updates.move(
            job,
            State.SAVING,
            outputs=result.outputs,
            cost_usd=result.cost_usd if result.cost_usd is not None else job.cost_usd,
            queue_position=None,
            remarks=(Failure.of(PartFailed(result.error)),) if failed else job.remarks,
            failure=None,
            **changes,
        )
        await self.passed("after_saving")
        return job

    async def _refresh(self, job: Job) -> Job:
        """Read the result of a job in `saving` again, for other addresses or the cost; it may also name a failure now.

        Raises `NoFileFound` if it names no file, or `ServiceError`.
        """
        assert job.request_id is not None
        result = await self.service.result(job.request_id, key=self.keys.of(job))
        if result.outputs:
            return await self.start(job, result)
        if result.outcome is Outcome.FAILED:
            return await self.updates.fail(job, GenerationFailed(result.error), cost_usd=result.cost_usd)
        raise NoFileFound(result.came)

    async def save(self, job: Job, kept: Kept, *, at_last: bool = False) -> Job:
        """Fetch every file the result names that is not among `kept`, add it there, and end the job.

        Raises what holds it up: `ServiceError`, `DownloadFailed`, `NotAnOutput`, `OutputRefused`, `NoFileFound`, `LibraryError`,
        `KeyNeeded` or `LeaseLost`. With `at_last` the job ends with the files that could be had.
        """
        if not job.outputs:
            try:
                job = await self._refresh(job)
            except (NoFileFound, ServiceError) as error:
                if not at_last:
                    raise
                return await self._succeed(job, [], {}, error)
            if job.ended or not job.outputs:
                return job
        missing: dict[int, DreaminaError] = {}
        record = self.records.of(job, self.clock.now())
        for number, url in enumerate(job.outputs[:OUTPUTS_MOST], start=1):
            if number in kept:
                continue
            try:
                kept[number] = await self.library.save(job.share_id, number, url, record, at_last=at_last)
            except (DownloadFailed, NotAnOutput, OutputRefused) as error:
                missing[number] = error
            except LibraryError as error:
                # The disk: the next file would fail the same way.
                if not at_last:
                    raise
                missing[number] = error
        if missing and not at_last:
            if any(_may_be_elsewhere(error) for error in missing.values()):
                # The links expire within the hour; the service may have fresh ones.
                with suppress(NoFileFound, ServiceError):
                    job = await self._refresh(job)
            raise max(missing.values(), key=tries_for)
        return await self._succeed(job, [kept[number] for number in sorted(kept)], missing)

    async def _succeed(
        self,
        job: Job,
        kept: list[tuple[SavedFile, Facts]],
        missing: dict[int, DreaminaError],
        reason: DreaminaError | None = None,
    ) -> Job:
        """Write the end of a job that the service has finished, with remarks about its files."""
        remarks = [remark for remark in job.remarks if remark.code == PartFailed.code]
        if remarks and not kept:
            return await self.updates.fail(job, GenerationFailed(remarks[0].message))
        if len(job.outputs) > OUTPUTS_MOST:
            remarks.append(Failure.of(TooManyFiles(limit=OUTPUTS_MOST, count=len(job.outputs))))
        if not kept:
            reason = reason or next(iter(missing.values()), NoFileFound())
            remarks.append(Failure.of(NoFileFound(reason.message)))
        elif missing:
            texts = dict.fromkeys(error.message for error in missing.values())
            numbers = ", ".join(map(str, missing))
            said = NotAllSaved("; ".join(texts), kept=len(kept), count=len(kept) + len(missing), missing=numbers)
            remarks.append(Failure.of(said))
        remarks += [Failure.of(NotReadable(facts.problem, number=file.number)) for file, facts in kept if facts.problem]
        if kept and job.cost_usd is None:
            job = await self._ask_cost(job)
        kept.sort(key=lambda each: file_order(each[0]))
        first = kept[0][1] if kept else None
        job = await self.updates.move(
            job,
            State.SUCCEEDED,
            finished_at=self.clock.now(),
            files=tuple(file.suffix for file, _ in kept),
            remarks=tuple(remarks),
            poster_due=any(self.posters.are_due(file, facts) for file, facts in kept),
            cost_usd=job.cost_usd,
            width=first.width if first else None,
            height=first.height if first else None,
            duration_s=(first.duration_s or None) if first else None,
            failure=None,
        )
        took_s = self.clock.now() - (job.submitted_at or job.created_at)
        log.info("job %s succeeded after %.1f s with %d file(s)", job.job_id, took_s, len(kept))
        for remark in job.remarks:
            log.warning("job %s: %s: %s", job.job_id, remark.code, remark.message)
        await self.passed("after_succeeded")
        self.posters.make(job)
        return job

    async def _ask_cost(self, job: Job) -> Job:
        """Ask once more for the cost, which services tell later than the output; for 3 s at most."""
        assert job.request_id is not None
        try:
            async with asyncio.timeout(COST_PATIENCE_S):
                result = await self.service.result(job.request_id, key=self.keys.of(job))
        except (DreaminaError, TimeoutError):
            return job
        return replace(job, cost_usd=result.cost_usd)


def tries_for(error: DreaminaError) -> float:
    """How often in a row this may hold up the saving of a job before the job ends without the file."""
    if isinstance(error, NoFileFound | UnknownRequest):
        return NO_FILE_TRIES
    return TRIES if isinstance(error, NotAnOutput | OutputRefused) or _is_gone(error) else float("inf")


def _is_gone(error: DreaminaError) -> bool:
    return isinstance(error, DownloadFailed) and error.facts.get("status_code") in GONE


def _may_be_elsewhere(error: DreaminaError) -> bool:
    return isinstance(error, NotAnOutput) or _is_gone(error)
