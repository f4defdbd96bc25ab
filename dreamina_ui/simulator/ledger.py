"""The accepted requests, one JSON file each, and the render queue."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

__all__ = ["Counters", "Ledger", "Record", "RenderQueue", "State"]

State = Literal["in_queue", "in_progress", "succeeded", "failed", "cancelled"]
ENDED = frozenset({"succeeded", "failed", "cancelled"})
SWEEP_EVERY_S = 60.0


@dataclass(slots=True)
class Record:
    """One accepted submit. Times are seconds since the epoch; `number` counts the accepted submits.

    The poll counts are written with the next change of state: a crash may lose counts, but no request.
    """

    number: int
    request_id: str
    model_id: str
    input: dict[str, Any]
    created_at: float
    state: State = "in_queue"
    started_at: float | None = None
    finished_at: float | None = None
    error: Any = None
    fate: dict[str, Any] | None = None
    """The scripted end of this request: `{"kind": "failed_result" | "never_finishes", "error": ...}`."""
    status_polls: int = 0
    result_polls: int = 0
    cancel_asked: int = 0
    downloads: int = 0
    cost_usd: float = 0.0
    """What the account was charged at the end, in US dollars."""

    @property
    def ended(self) -> bool:
        return self.state in ENDED

    @property
    def status(self) -> str:
        """The status in the reply of the status call, which is `completed` for a failed request, too."""
        return "completed" if self.state in {"succeeded", "failed"} else self.state


@dataclass(slots=True)
class Counters:
    """Received calls and sent replies; `answered` is by HTTP status, with `reset` for a reset connection."""

    posts_received: int = 0
    posts_accepted: int = 0
    gets: int = 0
    cancels: int = 0
    downloads: int = 0
    spent_usd: float = 0.0
    """What all requests have cost, also those that are expired."""
    answered: dict[str, int] = field(default_factory=dict)

    def add_reply(self, status: str) -> None:
        self.answered[status] = self.answered.get(status, 0) + 1


class Ledger:
    """The records in memory and on disk, under `folder/requests` and `folder/outputs`.

    A write replaces a small file with `os.replace`: it survives a crash of the process, but no power cut.
    """

    def __init__(self, folder: Path, *, clock: Callable[[], float], keep_s: float, keep_output_s: float) -> None:
        self.counters = Counters()
        self.records: dict[str, Record] = {}
        self._folder = folder
        self._requests = folder / "requests"
        self._outputs = folder / "outputs"
        self._clock = clock
        self._keep_s = keep_s
        self._keep_output_s = keep_output_s
        self._swept_at = clock()

    def load(self) -> None:
        """Read the records of earlier processes, oldest first; blocks."""
        self._requests.mkdir(parents=True, exist_ok=True)
        self._outputs.mkdir(parents=True, exist_ok=True)
        for unfinished in (*self._requests.glob(".*"), *self._outputs.glob(".*")):
            unfinished.unlink(missing_ok=True)
        with suppress(FileNotFoundError):
            self.counters = Counters(**json.loads((self._folder / "counters.json").read_bytes()))
        records = [Record(**json.loads(path.read_bytes())) for path in self._requests.glob("*.json")]
        for record in sorted(records, key=lambda record: record.number):
            if not record.ended:
                record.state, record.started_at = "in_queue", None
            self.records[record.request_id] = record
            # A crash between the two writes leaves the counter behind the records.
            self.counters.posts_accepted = max(self.counters.posts_accepted, record.number)

    def accept(self, request_id: str, model_id: str, given: dict[str, Any], fate: dict[str, Any] | None) -> Record:
        """Record an accepted submit; it is on disk when this returns."""
        number = self.counters.posts_accepted + 1
        record = Record(number, request_id, model_id, given, self._clock(), fate=fate)
        self.save(record)
        self.counters.posts_accepted = record.number
        self.records[request_id] = record
        self.save_counters()
        return record

    def charge(self, usd: float) -> None:
        """Take US dollars from the account."""
        if usd:
            # Exact to the microdollar, which is the service's own unit.
            self.counters.spent_usd = round(self.counters.spent_usd + usd, 6)
            self.save_counters()

    def save(self, record: Record) -> None:
        _replace(self._requests / f"{record.request_id}.json", asdict(record))

    def save_counters(self) -> None:
        _replace(self._folder / "counters.json", asdict(self.counters))

    def find(self, request_id: str) -> Record | None:
        """The record, or None if it is unknown or expired."""
        record = self.records.get(request_id)
        return None if record is None or self._expired(record) else record

    def output(self, request_id: str) -> Path:
        return self._outputs / f"{request_id}.mp4"

    def output_alive(self, record: Record) -> bool:
        age = self._clock() - (record.finished_at or 0)
        return record.state == "succeeded" and age <= self._keep_output_s

    def partial(self, request_id: str) -> Path:
        """A new path to render to: a renderer orphaned by a crash must not write into its successor's file."""
        return self._outputs / f".{request_id}.{secrets.token_hex(4)}.mp4"

    async def sweep(self) -> None:
        """Remove expired records and outputs, at most once a minute."""
        now = self._clock()
        if now - self._swept_at < min(SWEEP_EVERY_S, self._keep_s, self._keep_output_s):
            return
        self._swept_at = now
        dead: list[Path] = []
        for record in list(self.records.values()):
            if self._expired(record):
                del self.records[record.request_id]
                dead.append(self._requests / f"{record.request_id}.json")
            if record.ended and not self.output_alive(record):
                dead.append(self.output(record.request_id))
        await asyncio.to_thread(_remove, dead)

    def _expired(self, record: Record) -> bool:
        return self._clock() - record.created_at > self._keep_s


class RenderQueue:
    """First in, first out: `slots` render at once, each after at least `queue_s` seconds in the queue.

    `cost` tells what a request is charged with, in US dollars.
    """

    def __init__(
        self,
        ledger: Ledger,
        render: Callable[[Record, Path], Awaitable[None]],
        cost: Callable[[Record], float],
        *,
        slots: int,
        queue_s: float,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._ledger = ledger
        self._render = render
        self._cost = cost
        self._slots = slots
        self._queue_s = queue_s
        self._clock = clock
        self._sleep = sleep
        self._waiting: list[tuple[int, str]] = []
        self._running: dict[str, asyncio.Task[None]] = {}
        self._woken = asyncio.Event()
        self._runner: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._waiting = [(r.number, r.request_id) for r in self._ledger.records.values() if not r.ended]
        self._runner = asyncio.create_task(self._run(), name="simulator queue")

    def add(self, record: Record) -> None:
        self._waiting.append((record.number, record.request_id))
        self._woken.set()

    def position(self, record: Record) -> int:
        """The position in the queue; 1 is the next."""
        return bisect_left(self._waiting, (record.number, record.request_id)) + 1

    def cancel(self, record: Record) -> bool:
        """Cancel a queued request. Returns False, and changes nothing, if it is running or has ended."""
        if record.state != "in_queue":
            return False
        del self._waiting[self.position(record) - 1]
        self._move(record, "cancelled")
        return True

    async def aclose(self) -> None:
        """Stop the renderers and wait for them; the next start resumes what is unfinished."""
        tasks = [*self._running.values(), *([self._runner] if self._runner else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._running.clear()

    async def _run(self) -> None:
        while True:
            self._woken.clear()
            if not self._waiting or len(self._running) >= self._slots:
                await self._woken.wait()
                continue
            record = self._ledger.find(self._waiting[0][1])
            if record is None:  # expired while it waited
                del self._waiting[0]
                continue
            rest = record.created_at + self._queue_s - self._clock()
            if rest > 0:  # then checked again: it may be cancelled meanwhile
                await self._sleep(min(rest, self._queue_s))
                continue
            del self._waiting[0]
            self._begin(record)

    def _begin(self, record: Record) -> None:
        self._move(record, "in_progress")
        if record.fate and record.fate["kind"] == "never_finishes":
            return  # takes no slot from the others
        task = asyncio.create_task(self._make(record), name=f"render {record.request_id}")
        self._running[record.request_id] = task
        task.add_done_callback(lambda _: self._release(record.request_id))

    def _release(self, request_id: str) -> None:
        self._running.pop(request_id, None)
        self._woken.set()

    async def _make(self, record: Record) -> None:
        if record.fate:
            self._move(record, "failed", record.fate["error"])
            return
        partial = self._ledger.partial(record.request_id)
        try:
            await self._render(record, partial)
            partial.replace(self._ledger.output(record.request_id))
        except FileNotFoundError:
            self._move(record, "failed", "The renderer left no video.")
        except Exception as error:  # any error fails this request; the queue goes on
            self._move(record, "failed", str(error) or repr(error))
        else:
            # Only what was made is charged; after a crash between the two writes it is not charged again.
            record.cost_usd = self._cost(record)
            self._move(record, "succeeded")
            self._ledger.charge(record.cost_usd)
        finally:
            partial.unlink(missing_ok=True)

    def _move(self, record: Record, state: State, error: Any = None) -> None:
        record.state, record.error = state, error
        if state == "in_progress":
            record.started_at = self._clock()
        else:
            record.finished_at = self._clock()
        self._ledger.save(record)


def _replace(path: Path, content: dict[str, Any]) -> None:
    temporary = path.with_name(f".{path.name}")
    temporary.write_text(json.dumps(content), encoding="ascii")
    os.replace(temporary, path)


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
