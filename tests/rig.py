"""An engine over the simulator, in the process, with a clock of its own."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av
import httpx
import numpy as np

from dreamina_ui.backends import Backend
from dreamina_ui.cards.model_card import Card, load_card
from dreamina_ui.cards.models import Models
from dreamina_ui.clock import Clock as SystemClock
from dreamina_ui.engine.engine import Engine, EngineSettings
from dreamina_ui.jobs import HOLDER, Job, State
from dreamina_ui.media.embed import embed_record
from dreamina_ui.media.kinds import HEAD_BYTES, kind_of
from dreamina_ui.media.library import Library
from dreamina_ui.media.record import Records
from dreamina_ui.settings import BUNDLED_CARDS
from dreamina_ui.simulator import Fault, QuickRenderer, create_app
from dreamina_ui.storage.allowances import Limits
from dreamina_ui.storage.database import Database
from dreamina_ui.storage.job_store import JobStore

CARD = load_card(BUNDLED_CARDS / "dreamina-3-0-pro-text-to-video.json")
OTHER_CARD = load_card(Path(__file__).parent / "other-card.json")
"""A small card unlike the bundled one, so that no code depends on the bundled one."""
BASE = "http://simulator.internal/v1"
SECRET = "the secret of every engine of the tests"
RECORDS = Records(SECRET)
DATABASE = "dreamina.sqlite3"
NO_LIMIT = Limits(active=100, active_per_visitor=100)
VALUES: Mapping[str, Any] = {"prompt": "a lighthouse", "aspect_ratio": "1440×1440(1:1)", "frames": 121, "seed": 7}


class Clock(SystemClock):
    """Seconds that pass only by being slept; each sleep lets the rest of the program run for a moment."""

    def __init__(self) -> None:
        self.at = 1_700_000_000.0
        self.slept = 0.0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += seconds
        self.slept += seconds
        await asyncio.sleep(0.0005)

    def random(self) -> float:
        return 0.5


class Gate(httpx.AsyncBaseTransport):
    """Stands before the simulator: counts paid POSTs, and can be asked to hold or refuse requests."""

    def __init__(self, app: Any) -> None:
        self._inner = httpx.ASGITransport(app)
        self.requests: list[httpx.Request] = []
        self.open = asyncio.Event()
        self.open.set()
        self.raises: Exception | None = None
        self.before: Any = None
        self.keys: set[str] | None = None
        """The bearers that are welcome; each finds its own requests alone. None lets anybody by."""
        self.owners: dict[str, str] = {}

    @property
    def posts(self) -> int:
        return sum(1 for request in self.requests if request.method == "POST" and "/models/" in request.url.path)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self.before:
            await self.before(request)
        await self.open.wait()
        if self.raises:
            raise self.raises
        if self.keys is None or "/outputs/" in request.url.path:
            return await self._inner.handle_async_request(request)
        bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if bearer not in self.keys:
            return httpx.Response(401, json={"error_code": 400004, "error_message": "The token is invalid."})
        request_id = request.url.path.split("/")[-2]
        if self.owners.get(request_id, bearer) != bearer:
            return httpx.Response(404, json={"error_code": 404001, "error_message": "Not found."})
        reply = await self._inner.handle_async_request(request)
        if request.method == "POST" and "/models/" in request.url.path and reply.is_success:
            self.owners[json.loads(await reply.aread())["request_id"]] = bearer
        return reply


@dataclass
class Rig:
    engine: Engine
    store: JobStore
    library: Library
    gate: Gate
    simulator: Any
    clock: Clock
    seen: list[Job] = field(default_factory=list)

    async def submit(self, visitor_id: str = "ann", **values: Any) -> Job:
        [job] = await self.engine.submit(visitor_id, {**VALUES, **values})
        return job

    async def finish(self, job: Job) -> Job:
        """The job at its end; what was seen on the way is in `seen`."""
        async with asyncio.timeout(30):
            async for snapshot in self.engine.watch(HOLDER, job.job_id):
                self.seen.append(snapshot)
        return snapshot

    async def settle(self, job: Job) -> Job:
        """The job when it has ended and its poster is made."""
        async with asyncio.timeout(30):
            async for jobs in self.engine.watch_click(HOLDER, job.job_id):
                job = next(each for each in jobs if each.job_id == job.job_id)
        return job

    async def until(self, job: Job, state: State) -> Job:
        async with asyncio.timeout(30):
            async for snapshot in self.engine.watch(HOLDER, job.job_id):
                if snapshot.state is state or snapshot.ended:
                    break
        assert snapshot.state is state, snapshot
        return snapshot

    @property
    def accepted(self) -> int:
        return len(self.simulator.ledger.records)


def make_clip(path: Path, frames: int = 12, size: int = 64, *, width: int = 0, height: int = 0) -> Path:
    """A tiny real video: a bright square that moves over a dark ground; the same bytes each time."""
    path.write_bytes(_clip(frames, width or size, height or size))
    return path


@cache
def _clip(frames: int, width: int, height: int) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=24)
        stream.codec_context.thread_count = 1
        stream.width, stream.height = width, height
        stream.pix_fmt = "yuv420p"
        for number in range(frames):
            picture = np.zeros((height, width, 3), np.uint8)
            picture[8:40, number : number + 32] = (250, 180, 60)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return file.getvalue()


def video_of(library: Library, job: Job | str) -> Path:
    """Where the first video of a job, or of a share id, lies or would lie."""
    return library.folder / f"{job if isinstance(job, str) else job.share_id}.mp4"


def poster_of(library: Library, job: Job | str) -> Path:
    """Where the poster of a job's first file lies or would lie."""
    return video_of(library, job).with_suffix(".webp")


async def saved(library: Library, share_id: str, url: str) -> tuple[int | None, int | None, float | None]:
    """Save one output; gives its width, height and duration."""
    _, facts = await library.save(share_id, 1, url)
    return facts.width, facts.height, facts.duration_s


async def saved_with_poster(library: Library, share_id: str, url: str) -> tuple[int | None, int | None, float | None]:
    """The same, and the poster is made as well."""
    file, _ = await library.save(share_id, 1, url)
    facts = await library.add_poster(file)
    return facts.width, facts.height, facts.duration_s


def recorded(path: Path, record: Mapping[str, Any]) -> Path:
    """The file at `path`, now with this record in it; its kind is told by its bytes."""
    with path.open("rb") as file:
        kind = kind_of(file.read(HEAD_BYTES))
    target = path.with_name(f"{path.name}.recorded")
    assert embed_record(path, target, kind, record), f"{kind.name} takes no record"
    return target.replace(path)


def engine_settings(folder: Path, transport: httpx.AsyncBaseTransport | None, **others: Any) -> EngineSettings:
    """An engine's over `folder` and a service behind `transport`, or the network; `others` replace the common ones."""
    common: dict[str, Any] = {
        "models": Models([CARD]),
        "data_dir": folder,
        "database_url": sqlite_url(folder),
        "service_base": BASE,
        "transport": transport,
        "backend": Backend.SIMULATOR,
        "limits": NO_LIMIT,
        "secret": SECRET,
        "room_needed": 0,
    }
    return EngineSettings(**{**common, **others})


def sqlite_url(folder: Path) -> str:
    """The database that an engine over `folder` keeps there."""
    return f"sqlite:///{folder / DATABASE}"


@cache
def blank_database() -> bytes:
    """A file of SQLite's with every migration applied, which takes as long as most tests."""
    with TemporaryDirectory() as folder:
        with closing(Database(sqlite_url(Path(folder)))) as database:
            database.prepare()
        return (Path(folder) / DATABASE).read_bytes()


@asynccontextmanager
async def rigged(
    folder: Path,
    *faults: Fault,
    backend: str = "simulator",
    key: str | None = None,
    limits: Limits | None = None,
    deadline_s: float = 3600.0,
    queue_s: float = 0.0,
    render_s: float = 0.0,
    room_needed: int = 0,
    clock: Clock | None = None,
    card: Card = CARD,
    more_cards: Sequence[Card] = (),
    service_app: Any = None,
    prices: Mapping[str, Any] | None = None,
    **others: Any,
) -> AsyncIterator[Rig]:
    """A fresh start over whatever lies in `folder`; `service_app` (ASGI) stands in for the simulator.

    `prices` are the simulator's, its balance included; `others` are the engine's settings.
    """
    folder.mkdir(exist_ok=True)
    if not (folder / DATABASE).exists():
        (folder / DATABASE).write_bytes(blank_database())
    clip = folder / "clip.mp4"
    if not clip.exists():
        make_clip(clip)
    cards = [card, *more_cards]
    app = create_app(
        folder / "simulator",
        cards=[each.source for each in cards],
        queue_s=queue_s,
        slots=4,
        render=QuickRenderer(render_s, clip),
        **(prices or {}),
    )
    for fault in faults:
        app.state.simulator.faults.add(fault)
    gate = Gate(service_app or app)
    clock = clock or Clock()
    engine = Engine(
        engine_settings(
            folder,
            gate,
            models=Models(cards),
            backend=Backend(backend),
            key=key,
            limits=limits or NO_LIMIT,
            deadline_s=deadline_s,
            room_needed=room_needed,
            clock=clock,
            **others,
        )
    )
    async with AsyncExitStack() as stack:
        stack.push_async_callback(app.state.simulator.aclose)
        await stack.enter_async_context(engine)
        yield Rig(engine, engine.store, engine.library, gate, app.state.simulator, clock)
