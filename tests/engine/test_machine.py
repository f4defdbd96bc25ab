"""Everything that can happen to a click, in any order; the service's own ledger judges.

`DREAMINA_MACHINE_EXAMPLES=2000 pytest tests/engine/test_machine.py` searches for longer.
"""

import asyncio
import heapq
import os
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from dreamina_ui.clock import Clock
from dreamina_ui.engine.engine import Engine
from dreamina_ui.errors import IllegalMove, RequestTaken, ServiceError, TooManyActive, UnknownRequest
from dreamina_ui.jobs import HOLDER, TERMINAL, Job, State
from dreamina_ui.simulator import Fault, RenderJob, create_app
from dreamina_ui.simulator.drawing.renderers import RenderError
from dreamina_ui.storage.allowances import Limits
from dreamina_ui.storage.database import Database
from dreamina_ui.storage.job_rows import job_of, jobs
from tests.rig import CARD, VALUES, engine_settings, make_clip, sqlite_url, video_of
from tests.waiting import until

EXAMPLES = int(os.environ.get("DREAMINA_MACHINE_EXAMPLES", "20"))
STEPS = int(os.environ.get("DREAMINA_MACHINE_STEPS", "30"))

T = TypeVar("T")
SLOTS = 2
TURNS = 500
"""Of the loop, in which all that needs no thread has happened."""
DEADLINE_S = 300.0
LIMITS = Limits(active=10, active_per_visitor=8)
VISITORS = ("ann", "bob")
UNFINISHED = tuple(state for state in State if state not in TERMINAL)

ON_SUBMIT = [
    Fault("submit", "lose_answer"),
    Fault("submit", "reset"),
    Fault("submit", "http_error", code=500),
    Fault("submit", "http_error", code=502, accepted=True),
    Fault("submit", "http_error", code=503, accepted=True, body="html"),
    Fault("submit", "too_many", retry_after_s=7),
    Fault("submit", "truncated"),
    Fault("submit", "bad_key"),
]
LATER = [
    Fault("status", "reset", times=4),
    Fault("status", "unknown_word", times=2),
    Fault("status", "too_many", times=2, retry_after_s=40),
    Fault("result", "html", times=4),
    Fault("output", "cut_video"),
    Fault("output", "http_error", code=503, times=2),
    Fault("cancel", "lose_answer"),
    Fault("cancel", "http_error", code=503),
    Fault("cancel", "cancel_requested_only"),
]


class Time(Clock):
    """Seconds that pass only where the test says so; whoever sleeps is woken in order."""

    def __init__(self) -> None:
        self.at = 1_700_000_000.0
        self.sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._number = 0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at

    def random(self) -> float:
        return 0.5

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            return await asyncio.sleep(0)
        self._number += 1
        woken = asyncio.get_running_loop().create_future()
        entry = (self.at + seconds, self._number, woken)
        heapq.heappush(self.sleepers, entry)
        try:
            await woken
        finally:
            if entry in self.sleepers:
                self.sleepers.remove(entry)
                heapq.heapify(self.sleepers)

    def wake_next(self, until_at: float) -> bool:
        """Let time pass until the next sleeper is due; False if nobody is before `until_at`."""
        if not self.sleepers or self.sleepers[0][0] > until_at:
            self.at = max(self.at, until_at)
            return False
        due_at, _, woken = heapq.heappop(self.sleepers)
        self.at = max(self.at, due_at)
        if not woken.done():
            woken.set_result(None)
        return True


class Inline(ThreadPoolExecutor):
    """Does at once, and in the loop's thread, what would be handed to another one: so an example can be replayed."""

    def submit(self, work: Callable[..., T], /, *args: Any, **kwargs: Any) -> "Future[T]":
        future: Future[T] = Future()
        try:
            future.set_result(work(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class Wire(httpx.AsyncBaseTransport):
    """The way to the service, which goes on handling a request when its sender dies; a POST can be held on the way."""

    def __init__(self, app: Any) -> None:
        self._inner = httpx.ASGITransport(app)
        self.tasks: set[asyncio.Task[httpx.Response]] = set()
        self.holds: str | None = None
        self.waiting = 0
        """Senders, alive, whose POST is held."""
        self._opened = asyncio.Event()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        served = asyncio.create_task(self._serve(request, self.holds if "/models/" in request.url.path else None))
        self.tasks.add(served)
        served.add_done_callback(self._answered)
        if self.holds is None or "/models/" not in request.url.path:
            return await asyncio.shield(served)
        self.waiting += 1
        try:
            return await asyncio.shield(served)
        finally:
            self.waiting -= 1

    def _answered(self, served: asyncio.Task[httpx.Response]) -> None:
        self.tasks.discard(served)
        if not served.cancelled():
            served.exception()  # heard, also where the sender has died

    def release(self) -> None:
        self.holds = None
        self._opened.set()
        self._opened = asyncio.Event()

    async def _serve(self, request: httpx.Request, holds: str | None) -> httpx.Response:
        opened = self._opened
        if holds == "before":
            await opened.wait()
        response = await self._inner.handle_async_request(request)
        if holds == "after":
            await opened.wait()
        return response


class Studio:
    """Renders when it is told to."""

    def __init__(self, clip: Path) -> None:
        self._clip = clip
        self.rendering: dict[str, asyncio.Future[bool]] = {}

    async def __call__(self, job: RenderJob, path: Path) -> None:
        ends_well = self.rendering[job.request_id] = asyncio.get_running_loop().create_future()
        try:
            if not await ends_well:
                raise RenderError("nothing came of it")
        finally:
            del self.rendering[job.request_id]
        os.link(self._clip, path)


@dataclass
class Program:
    """One life of the program, from a start to a stop or a crash."""

    engine: Engine

    @classmethod
    async def start(cls, folder: Path, wire: Wire, time: Time) -> "Program":
        settings = engine_settings(
            folder, wire, limits=LIMITS, deadline_s=DEADLINE_S, clock=time, threads=lambda *_: Inline()
        )
        return cls(await Engine(settings).__aenter__())

    async def stop(self) -> None:
        await self.engine.__aexit__()

    async def crash(self, survivors: set[asyncio.Task[Any]]) -> None:
        """As near to SIGKILL as one process comes: nothing is awaited, told or tidied, the system drops the lock."""
        dying = asyncio.all_tasks() - survivors
        for task in dying:
            task.cancel()
        await asyncio.gather(*dying, return_exceptions=True)
        lock = self.engine.leases.lock
        lock.release()
        Path(lock.lock_file).touch()
        self.engine.database.close()
        await self.engine.service.aclose()
        await self.engine.library.aclose()


@dataclass
class Click:
    visitor_id: str
    click_id: str
    seed: int
    count: int
    job_ids: list[str] = field(default_factory=list)


class Machine(RuleBasedStateMachine):
    """Clicks, crashes and faults, in any order.

    Whether a rule may come next depends on rules alone, so that an example can be replayed: rows come and go with threads.
    """

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="dreamina-machine-"))
        self.runner = asyncio.Runner()
        self.judge = Database(sqlite_url(self.folder))
        self.judge.prepare()
        self.program: Program | None = None
        self.clicks: list[Click] = []
        self.seen: dict[str, Job] = {}
        self.adopted: set[str] = set()
        self.asking = 0
        """Calls of the engine that are under way."""

    # The world

    @initialize()
    def begin(self) -> None:
        self.run(self._begin())

    async def _begin(self) -> None:
        asyncio.get_running_loop().set_default_executor(Inline())
        clip = await asyncio.to_thread(make_clip, self.folder / "clip.mp4")
        self.time = Time()
        self.studio = Studio(clip)
        app = create_app(
            self.folder / "simulator",
            cards=[CARD.source],
            queue_s=0,
            slots=SLOTS,
            render=self.studio,
            keep_s=1e9,
            keep_output_s=1e9,
            clock=self.time.now,
        )
        self.simulator = app.state.simulator
        await self.simulator.start()
        self.wire = Wire(app)
        self.program = await Program.start(self.folder, self.wire, self.time)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    async def ask(self, *calls: Awaitable[T]) -> list[T | BaseException]:
        """The answers of the engine to calls made at once; time passes where they would wait for it."""
        self.asking = len(calls)
        answers = asyncio.gather(*(self._asked(call) for call in calls), return_exceptions=True)
        await self.quiet()
        while self.asking:
            self.time.wake_next(float("inf"))
            await self.quiet()
        return await answers

    async def _asked(self, call: Awaitable[T]) -> T:
        try:
            return await call
        finally:
            self.asking -= 1

    async def quiet(self) -> None:
        """Until all that can happen without time passing has happened."""
        for _ in range(TURNS):
            if self._is_quiet:
                return
            await asyncio.sleep(0)
        await until(lambda: self._is_quiet)  # threads of the service's are at work

    @property
    def _is_quiet(self) -> bool:
        unfinished = [record for record in self.simulator.ledger.records.values() if not record.ended]
        if len(self.studio.rendering) != min(SLOTS, len(unfinished)):
            return False
        runs = sum(task.get_name().startswith("job ") for task in asyncio.all_tasks())
        return runs + self.asking == len(self.time.sleepers) + self.wire.waiting

    async def _pass(self, seconds: float) -> None:
        until_at = self.time.at + seconds
        await self.quiet()
        while self.time.wake_next(until_at):
            await self.quiet()

    def rows(self) -> list[Job]:
        every = self.judge.transact(lambda connection: [job_of(row) for row in connection.execute(sa.select(jobs))])
        # Not by the ids, which are drawn anew in each replay of an example.
        return sorted(every, key=lambda row: (row.created_at, row.payload["seed"], row.submitted_at or 0.0))

    @property
    def records(self) -> dict[str, Any]:
        records: dict[str, Any] = self.simulator.ledger.records
        return records

    @property
    def engine(self) -> Engine:
        assert self.program is not None
        return self.program.engine

    def chosen(self, number: int, *states: State) -> Job | None:
        among = [row for row in self.rows() if not states or row.state in states]
        return among[number % len(among)] if among else None

    @property
    def lives(self) -> bool:
        return self.program is not None

    # What visitors do

    @precondition(lambda self: self.lives)
    @rule(
        visitor_id=st.sampled_from(VISITORS),
        count=st.sampled_from([1, 1, 2, 4]),
        times=st.sampled_from([1, 1, 5]),
        stopped_at=st.sampled_from([None, None, "before", "after"]),
        fault=st.none() | st.sampled_from(ON_SUBMIT),
    )
    def click(self, visitor_id: str, count: int, times: int, stopped_at: str | None, fault: Fault | None) -> None:
        """Some on a slow way, where the POST is held before or after the service has it; some with a fault."""
        self.wire.holds = stopped_at or self.wire.holds
        if fault:
            self.simulator.faults.add(fault)
        number = len(self.clicks) + 1
        self.run(self._click(Click(visitor_id, f"click-{number}", 10 * number, count), times))

    @precondition(lambda self: self.lives)
    @rule(number=st.integers(0, 99), times=st.integers(1, 3))
    def click_again(self, number: int, times: int) -> None:
        """A browser that retries, or a second tab, also after a restart."""
        if self.clicks:
            self.run(self._click(self.clicks[number % len(self.clicks)], times))

    async def _click(self, click: Click, times: int) -> None:
        active = [row for row in self.rows() if not row.ended]
        mine = [row for row in active if row.visitor_id == click.visitor_id]
        too_many = (
            len(active) + click.count > LIMITS.active or len(mine) + click.count > LIMITS.active_per_visitor
        ) and not click.job_ids
        values = {**VALUES, "seed": click.seed}
        submit = self.engine.submit
        answers = await self.ask(
            *(submit(click.visitor_id, values, count=click.count, click_id=click.click_id) for _ in range(times))
        )
        if too_many:
            taken = [answer for answer in answers if not isinstance(answer, TooManyActive)]
            ended = {row.job_id for row in self.rows() if row.ended}
            # Only where one of them has ended since, there was room.
            assert not taken or ended.intersection(row.job_id for row in active), answers
            if not taken:
                return
            answers = taken
        if not click.job_ids:
            self.clicks.append(click)
            assert not isinstance(answers[0], BaseException), answers[0]
            click.job_ids = [job.job_id for job in answers[0]]
            assert [job.payload["seed"] for job in answers[0]] == [click.seed + n for n in range(click.count)]
        for answer in answers:
            assert not isinstance(answer, BaseException), answer
            assert [job.job_id for job in answer] == click.job_ids

    @precondition(lambda self: self.lives)
    @rule(number=st.sampled_from([-1, -1, -2, -5, 0]))
    def cancel(self, number: int) -> None:
        """Mostly what was clicked just now."""
        if job := self.chosen(number, *UNFINISHED):
            self.run(self._cancel(job))

    async def _cancel(self, job: Job) -> None:
        [answer] = await self.ask(self.engine.cancel(HOLDER, job.job_id))
        if isinstance(answer, BaseException):
            assert isinstance(answer, ServiceError), answer
        elif answer.state is State.CANCELLED:
            record = self.records.get(answer.request_id or "")
            assert record.state == "cancelled" if record else job.request_id is None

    @precondition(lambda self: self.lives)
    @rule(number=st.integers(0, 99), which=st.sampled_from(["right", "right", "unknown", "taken", "malformed"]))
    def adopt(self, number: int, which: str) -> None:
        if job := self.chosen(number, State.UNCERTAIN) or self.chosen(number):
            self.run(self._adopt(job, which))

    async def _adopt(self, job: Job, which: str) -> None:
        known = {row.request_id for row in self.rows() if row.request_id}
        right = [i for i, record in self.records.items() if record.input["seed"] == job.payload["seed"]]
        choices = {
            "right": right,
            "taken": sorted(known - {job.request_id}),
            "malformed": ["../requests"],
        }
        request_id = (choices.get(which) or ["00000000-0000-4000-8000-000000000000"])[0]
        [answer] = await self.ask(self.engine.adopt(HOLDER, job.job_id, request_id))
        match answer:
            case Job():
                assert (job.state, answer.request_id) == (State.UNCERTAIN, request_id)
                assert request_id in self.records
                assert request_id not in known
                self.adopted.add(job.job_id)
                return
            case IllegalMove():
                assert job.state is not State.UNCERTAIN
            case UnknownRequest():
                assert request_id not in self.records
            case RequestTaken():
                assert request_id in known
            case _:
                assert isinstance(answer, ServiceError), answer
        row = next(row for row in self.rows() if row.job_id == job.job_id)
        assert row.state is State.UNCERTAIN or job.state is not State.UNCERTAIN

    @precondition(lambda self: self.lives)
    @rule(number=st.integers(0, 99))
    def dismiss(self, number: int) -> None:
        job = self.chosen(number, State.UNCERTAIN) or self.chosen(number)
        if job is None:
            return
        try:
            assert self.run(self.engine.dismiss(HOLDER, job.job_id)).dismissed
        except IllegalMove:
            assert job.state is not State.UNCERTAIN

    @precondition(lambda self: self.lives)
    @rule(number=st.integers(0, 99), times=st.integers(1, 3))
    def resume(self, number: int, times: int) -> None:
        if job := self.chosen(number, State.FAILED) or self.chosen(number):
            self.run(self._resume(job, times))

    async def _resume(self, job: Job, times: int) -> None:
        answers = await asyncio.gather(
            *(self.engine.resume(HOLDER, job.job_id) for _ in range(times)), return_exceptions=True
        )
        if job.can_resume:
            resumed = {answer.job_id for answer in answers if isinstance(answer, Job)}
            assert len(resumed) == 1, answers
            assert [answer.request_id for answer in answers if isinstance(answer, Job)] == [job.request_id] * times
        else:
            assert all(isinstance(answer, IllegalMove) for answer in answers), answers

    # What the service and the network do

    @rule(fault=st.sampled_from(LATER))
    def fault(self, fault: Fault) -> None:
        self.simulator.faults.add(fault)

    @rule()
    def release_posts(self) -> None:
        self.run(self._release())

    async def _release(self) -> None:
        self.wire.release()
        await until(lambda: self.wire.waiting == 0)
        await self.quiet()

    @rule(number=st.integers(0, 99), well=st.sampled_from([True, True, False]))
    def end_a_rendering(self, number: int, well: bool) -> None:
        if rendering := list(self.studio.rendering.values()):
            self.run(self._end(rendering[number % len(rendering)], well))

    async def _end(self, rendering: "asyncio.Future[bool]", well: bool) -> None:
        rendering.set_result(well)
        await asyncio.sleep(0)
        await self.quiet()

    # What time and the machine do

    @rule(seconds=st.sampled_from([0.5, 3.0, 20.0, 60.0, DEADLINE_S + 20]))
    def wait(self, seconds: float) -> None:
        self.run(self._pass(seconds))

    @precondition(lambda self: self.lives)
    @rule()
    def crash(self) -> None:
        self.run(self._crash())

    @precondition(lambda self: self.lives)
    @rule(visitor_id=st.sampled_from(VISITORS), count=st.integers(1, 4), turns=st.integers(0, 40))
    def crash_on_the_way(self, visitor_id: str, count: int, turns: int) -> None:
        """In the middle of whatever comes some turns of the loop after a click."""
        number = len(self.clicks) + 1
        click = Click(visitor_id, f"click-{number}", 10 * number, count)
        self.clicks.append(click)
        self.run(self._crash_on_the_way(click, turns))

    async def _crash_on_the_way(self, click: Click, turns: int) -> None:
        values = {**VALUES, "seed": click.seed}
        asked = asyncio.create_task(
            self.engine.submit(click.visitor_id, values, count=click.count, click_id=click.click_id)
        )
        for _ in range(turns):
            await asyncio.sleep(0)
        await self._crash()
        assert asked.done()
        if not asked.cancelled() and not asked.exception():
            click.job_ids = [job.job_id for job in asked.result()]
        else:  # nobody was told; the visitor looks at the history
            click.job_ids = [row.job_id for row in self.rows() if row.click_id == click.click_id]
            if not click.job_ids:
                self.clicks.remove(click)

    async def _crash(self) -> None:
        assert self.program is not None
        rendering = {task for task in asyncio.all_tasks() if task.get_name().startswith(("simulator", "render "))}
        this = asyncio.current_task()
        assert this is not None
        await self.program.crash({*rendering, *self.wire.tasks, this})
        self.program = None

    @precondition(lambda self: not self.lives)
    @rule()
    def restart(self) -> None:
        self.run(self._restart())

    async def _restart(self) -> None:
        self.program = await Program.start(self.folder, self.wire, self.time)
        await self.quiet()

    @precondition(lambda self: self.lives)
    @rule()
    def stop_and_start(self) -> None:
        self.run(self._stop_and_start())

    async def _stop_and_start(self) -> None:
        assert self.program is not None
        self.wire.release()  # a clean stop waits for the answers
        await self.program.stop()
        assert not [row for row in self.rows() if row.state is State.SUBMITTING]
        await self._restart()

    # What always holds

    @invariant()
    def nothing_is_paid_twice(self) -> None:
        asked = [click.seed + number for click in self.clicks for number in range(click.count)]
        accepted = [record.input["seed"] for record in self.records.values()]
        assert len(accepted) == len(set(accepted)) <= len(asked)
        assert set(accepted) <= set(asked)

    @invariant()
    def nothing_paid_is_lost(self) -> None:
        rows = self.rows()
        known = {row.request_id for row in rows}
        unsure = {
            row.payload["seed"]
            for row in rows
            if row.request_id is None and row.state in (State.UNCERTAIN, State.SUBMITTING)
        }
        for request_id, record in self.records.items():
            assert request_id in known or record.input["seed"] in unsure, record

    @invariant()
    def nothing_hangs_between_intent_and_answer(self) -> None:
        if self.lives:
            submitting = [row for row in self.rows() if row.state is State.SUBMITTING]
            assert len(submitting) == self.wire.waiting, submitting

    @invariant()
    def no_row_goes_back(self) -> None:
        rows = {row.job_id: row for row in self.rows()}
        assert set(rows) >= set(self.seen) | {job_id for click in self.clicks for job_id in click.job_ids}
        for job_id, row in rows.items():
            assert (row.finished_at is not None) is (row.state in TERMINAL), row
            before = self.seen.get(job_id)
            if before is None:
                continue
            assert row.version >= before.version
            assert row.generation >= before.generation
            assert row == before or row.version > before.version or row.generation > before.generation
            assert before.request_id in (None, row.request_id)
            if before.state in TERMINAL and row.state is not before.state:
                assert before.state is State.UNCERTAIN
                assert job_id in self.adopted
        self.seen = rows

    # The end

    def teardown(self) -> None:
        try:
            if hasattr(self, "wire"):
                self.run(self._end_all())
                self.every_end_is_true()
        finally:
            try:
                self.run(self._close())
            finally:
                self.runner.close()
                self.judge.close()
                shutil.rmtree(self.folder)

    async def _end_all(self) -> None:
        """The faults pass, the program starts anew, the service renders what it has: all jobs come to their end."""
        self.simulator.faults.clear()
        self.wire.release()
        if self.lives:
            await self._crash()
        await until(lambda: not self.wire.tasks)
        await self._restart()
        for _ in range(100):
            for rendering in list(self.studio.rendering.values()):
                await self._end(rendering, True)
            await self._pass(20)
            if all(row.ended for row in self.rows()):
                break
        self.no_row_goes_back()
        self.nothing_is_paid_twice()
        self.nothing_paid_is_lost()

    async def _close(self) -> None:
        if self.program:
            self.wire.release()
            await self.program.stop()
        if hasattr(self, "wire"):
            await self.simulator.aclose()

    def every_end_is_true(self) -> None:
        rows = self.rows()
        accepted = {record.input["seed"] for record in self.records.values()}
        for row in rows:
            record = self.records.get(row.request_id or "")
            code = row.failure.code if row.failure else None
            match row.state:
                case State.SUCCEEDED:
                    assert record is not None
                    assert record.state == "succeeded"
                    assert code is None
                    assert self.program is not None
                    assert video_of(self.program.engine.library, row.share_id).stat().st_size > 0
                case State.CANCELLED:
                    assert record.state == "cancelled" if record else row.payload["seed"] not in accepted
                case State.UNCERTAIN:
                    assert (row.request_id, code) == (None, "outcome_unknown")
                case State.FAILED if code == "generation_failed":
                    assert record is not None
                    assert record.state == "failed"
                case State.FAILED if code == "deadline_passed":
                    assert (row.finished_at or 0) - (row.submitted_at or row.created_at) >= DEADLINE_S
                    assert record or row.payload["seed"] not in accepted
                case State.FAILED:
                    assert code == "key_refused"
                    assert row.payload["seed"] not in accepted
                case _:
                    pytest.fail(f"never ended: {row}")
        # And the other way: of every video that is known here, somebody has been told the truth.
        for request_id, record in self.records.items():
            ends = {
                (row.state, row.failure.code if row.failure else None) for row in rows if row.request_id == request_id
            }
            true_ends: dict[str, set[tuple[State, str | None]]] = {
                "succeeded": {(State.SUCCEEDED, None)},
                "failed": {(State.FAILED, "generation_failed")},
                "cancelled": {(State.CANCELLED, None)},
            }
            assert ends <= true_ends.get(record.state, set()) | {(State.FAILED, "deadline_passed")}, (record, ends)


TestMachine = pytest.mark.program(Machine.TestCase)
TestMachine.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
