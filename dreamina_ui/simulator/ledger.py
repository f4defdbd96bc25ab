"""What was asked and what became of it: one JSON file a request, and the queue to the renderer."""

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
    """One accepted submit. Times are seconds since the epoch; `number` tells the order of acceptance.

    The poll counts reach the disk with the next change of state: a crash may lose counts, never a request.
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

    @property
    def ended(self) -> bool:
        return self.state in ENDED

    @property
    def status(self) -> str:
        """The word of the status call, which says `completed` for a failed request, too."""
        return "completed" if self.state in {"succeeded", "failed"} else self.state


@dataclass(slots=True)
class Counters:
    """Calls received and answers given; `answered` is by HTTP status, `reset` for a cut connection."""

    posts_received: int = 0
    posts_accepted: int = 0
    gets: int = 0
    cancels: int = 0
    downloads: int = 0
    answered: dict[str, int] = field(default_factory=dict)

    def answer(self, what: str) -> None:
        self.answered[what] = self.answered.get(what, 0) + 1


class Ledger:
    """The records in memory and on disk, under `folder/requests` and `folder/outputs`.

    A write is a small file put in place with `os.replace`: it survives the process, not a power cut.
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
        """Read what an earlier process left behind, oldest first (blocking: call it in a thread)."""
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
            # A crash between the record and the counters must not make an accepted submit disappear.
            self.counters.posts_accepted = max(self.counters.posts_accepted, record.number)

    def accept(self, request_id: str, model_id: str, given: dict[str, Any], fate: dict[str, Any] | None) -> Record:
        """Write one accepted submit down; when this returns it is on disk."""
        number = self.counters.posts_accepted + 1
        record = Record(number, request_id, model_id, given, self._clock(), fate=fate)
        self.save(record)
        self.counters.posts_accepted = record.number
        self.records[request_id] = record
        self.save_counters()
        return record

    def save(self, record: Record) -> None:
        _replace(self._requests / f"{record.request_id}.json", asdict(record))

    def save_counters(self) -> None:
        _replace(self._folder / "counters.json", asdict(self.counters))

    def find(self, request_id: str) -> Record | None:
        """The record, or None when it was never there or is expired."""
        record = self.records.get(request_id)
        return None if record is None or self._expired(record) else record

    def output(self, request_id: str) -> Path:
        return self._outputs / f"{request_id}.mp4"

    def output_alive(self, record: Record) -> bool:
        age = self._clock() - (record.finished_at or 0)
        return record.state == "succeeded" and age <= self._keep_output_s

    def partial(self, request_id: str) -> Path:
        """A new place to render into: a renderer orphaned by a crash cannot disturb its successor."""
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
    """First come, first rendered: `slots` at once, each at least `queue_s` seconds in the queue."""

    def __init__(
        self,
        ledger: Ledger,
        render: Callable[[Record, Path], Awaitable[None]],
        *,
        slots: int,
        queue_s: float,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._ledger = ledger
        self._render = render
        self._slots = slots
        self._queue_s = queue_s
        self._clock = clock
        self._sleep = sleep
        self._waiting: list[tuple[int, str]] = []
        self._running: dict[str, asyncio.Task[None]] = {}
        self._woken = asyncio.Event()
        self._pump: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._waiting = [(r.number, r.request_id) for r in self._ledger.records.values() if not r.ended]
        self._pump = asyncio.create_task(self._run(), name="simulator queue")

    def add(self, record: Record) -> None:
        self._waiting.append((record.number, record.request_id))
        self._woken.set()

    def position(self, record: Record) -> int:
        """1 = the next one."""
        return bisect_left(self._waiting, (record.number, record.request_id)) + 1

    def cancel(self, record: Record) -> bool:
        """Take a queued request out; False when it is running or ended, and so stays as it is."""
        if record.state != "in_queue":
            return False
        del self._waiting[self.position(record) - 1]
        self._move(record, "cancelled")
        return True

    async def aclose(self) -> None:
        """Stop rendering, wait until the renderers are gone; the next start resumes what is unfinished."""
        tasks = [*self._running.values(), *([self._pump] if self._pump else [])]
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
            if rest > 0:  # looked at anew afterwards: it may be cancelled by then
                await self._sleep(min(rest, self._queue_s))
                continue
            del self._waiting[0]
            self._begin(record)

    def _begin(self, record: Record) -> None:
        self._move(record, "in_progress")
        if record.fate and record.fate["kind"] == "never_finishes":
            return  # holds no slot: the others go on
        task = asyncio.create_task(self._make(record), name=f"render {record.request_id}")
        self._running[record.request_id] = task
        task.add_done_callback(lambda _: self._leave(record.request_id))

    def _leave(self, request_id: str) -> None:
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
        except Exception as error:  # whatever a renderer raises is a failed video, not a dead queue
            self._move(record, "failed", str(error) or repr(error))
        else:
            self._move(record, "succeeded")
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
