"""What is made of saved videos is made once, in its turn, and leaves nothing behind."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dreamina_ui.confined.bounds import Bounds
from dreamina_ui.confined.pool import Pool, Stopped
from dreamina_ui.errors import DiskFull, ExportsBusy, LibraryError, NotMade
from dreamina_ui.media.derive.derived import BOUNDS, Derived, DerivedFiles, DerivedLimits, Order, Part
from dreamina_ui.media.kinds import GIF, MATROSKA, MP4
from dreamina_ui.media.reading import OUTPUT_BOUNDS
from tests.media.hostile import HOSTILE
from tests.rig import make_clip
from tests.waiting import until

pytestmark = pytest.mark.anyio

MADE = {"is_copied": True, "seconds": 1.0, "width": 64, "height": 64}


class Maker(Pool):
    """Makes files of ten bytes, once `open` is set, in the place of the processes."""

    def __init__(self) -> None:
        super().__init__("maker", OUTPUT_BOUNDS, 1)
        self.calls: list[tuple[Any, ...]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.answer: Any = MADE
        self.raises: Exception | None = None

    async def run(self, function: str, *arguments: Any, processor_s: int | None = None) -> Any:
        if function.endswith(":facts"):
            return {}
        self.calls.append(arguments)
        Path(arguments[2]).write_bytes(b"0123456789")
        await self.open.wait()
        if self.raises:
            raise self.raises
        return self.answer


class Time:
    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return make_clip(tmp_path / "clip.mp4")


@pytest.fixture
def maker() -> Maker:
    return Maker()


@pytest.fixture
def now() -> Time:
    return Time()


Making = Callable[..., DerivedFiles]


@pytest.fixture
def files(tmp_path: Path, maker: Maker, now: Time) -> Making:
    def made(**limits: Any) -> DerivedFiles:
        return DerivedFiles(tmp_path / "exports", now=now, limits=DerivedLimits(**{"room": 0, **limits}), pool=maker)

    return made


def an_order(clip: Path, from_s: float | None = None) -> Order:
    return Order((Part(clip, MP4, from_s),), MP4)


def left(tmp_path: Path) -> list[Path]:
    return sorted(path for path in (tmp_path / "exports").rglob("*") if path.is_file())


async def test_a_real_file_is_made_of_real_videos(tmp_path: Path, clip: Path) -> None:
    """In a process of low priority: joined, and as a GIF."""
    files = DerivedFiles(tmp_path / "exports", now=Time(), limits=DerivedLimits(room=0))
    try:
        joined = await files.get(Order((Part(clip, MP4),) * 3, MP4, record={"app": "dreamina-ui"}), visitor_id="ann")
        assert (joined.seconds, joined.is_copied, joined.width) == (1.5, True, 64)
        assert joined.size == joined.path.stat().st_size
        gif = await files.get(Order((Part(clip, MP4),), GIF, width=32, rate=10), visitor_id="ann")
        assert (gif.width, gif.path.suffix, gif.path.read_bytes()[:3]) == (32, ".gif", b"GIF")
        with pytest.raises(NotMade) as refused:
            await files.get(Order((Part(clip, MP4), Part(clip, MP4, 9.0)), MP4), visitor_id="ann")
        assert refused.value.facts == {"reason": "empty", "number": 2}
    finally:
        await files.aclose()
    assert left(tmp_path) == []
    assert BOUNDS.niceness == 10


async def test_the_same_order_is_made_once(files: Making, maker: Maker, clip: Path) -> None:
    """Those who ask for it while it is made wait for it, and later ones get it at once; a file that changed is another."""
    made = files()
    maker.open.clear()
    asked = [asyncio.create_task(made.get(an_order(clip), visitor_id=name)) for name in ("ann", "bob", "cy")]
    await until(lambda: len(maker.calls) == 1)
    maker.open.set()
    first, *others = await asyncio.gather(*asked)
    assert others == [first, first]
    assert await made.get(an_order(clip), visitor_id="dan") == first
    assert len(maker.calls) == 1
    await made.get(an_order(clip, 0.1), visitor_id="ann")
    clip.write_bytes(clip.read_bytes() + b"\0")
    await made.get(an_order(clip), visitor_id="ann")
    assert len(maker.calls) == 3
    await made.aclose()


async def test_the_queue_is_limited_by_visitor_by_address_and_in_all(files: Making, maker: Maker, clip: Path) -> None:
    """So many of one visitor, from one address and of all; when one is ready, there is room again."""
    made = files(at_once_each=2, at_once_address=3, at_once=4)
    maker.open.clear()

    def ask(number: int, visitor_id: str, address: str = "") -> "asyncio.Task[Derived]":
        return asyncio.create_task(made.get(an_order(clip, number / 100), visitor_id=visitor_id, address=address))

    running = [ask(number, "ann", "192.0.2.1") for number in range(2)]
    await until(lambda: len(maker.calls) == 2)
    with pytest.raises(ExportsBusy):
        await ask(2, "ann")
    running.append(ask(3, "bob", "192.0.2.1"))
    await until(lambda: len(maker.calls) == 3)
    with pytest.raises(ExportsBusy):
        await ask(4, "cy", "192.0.2.1")
    running.append(ask(5, "cy"))
    await until(lambda: len(maker.calls) == 4)
    with pytest.raises(ExportsBusy):
        await ask(6, "dan")
    maker.open.set()
    await asyncio.gather(*running)
    await ask(6, "dan")
    await made.aclose()


async def test_it_is_made_to_its_end_if_nobody_waits(files: Making, maker: Maker, clip: Path) -> None:
    """Whoever asks again gets it: a proxy may have given up before."""
    made = files()
    maker.open.clear()
    asked = asyncio.create_task(made.get(an_order(clip), visitor_id="ann"))
    await until(lambda: len(maker.calls) == 1)
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)
    maker.open.set()
    derived = await made.get(an_order(clip), visitor_id="ann")
    assert derived.path.read_bytes() == b"0123456789"
    assert len(maker.calls) == 1
    await made.aclose()


async def test_little_is_kept_and_not_for_long(files: Making, tmp_path: Path, now: Time, clip: Path) -> None:
    """What was asked for longest ago goes first; after an hour nothing is left."""
    made = files(kept=25, kept_s=3600)
    one = await made.get(an_order(clip, 0.1), visitor_id="ann")
    now.at += 1
    two = await made.get(an_order(clip, 0.2), visitor_id="ann")
    now.at += 1
    await made.get(an_order(clip, 0.1), visitor_id="ann")
    await made.get(an_order(clip, 0.3), visitor_id="ann")
    made.tidy()
    assert one.path.exists()
    assert not two.path.exists()
    now.at += 3601
    made.tidy()
    assert not [path for path in left(tmp_path) if path.suffix == ".mp4"]
    await made.aclose()


@pytest.mark.parametrize(
    ("raised", "answer", "expected"),
    [
        (Stopped("it takes too long"), None, NotMade),
        (OSError(27, "File too large"), None, NotMade),
        (OSError(28, "No space left on device"), None, DiskFull),
        (OSError(5, "Input/output error"), None, LibraryError),
        (None, {"reason": "unreadable", "number": 2}, NotMade),
        (None, {"reason": "<b>", "number": "x"}, NotMade),
        (None, {**MADE, "width": "64"}, NotMade),
        (None, {**MADE, "seconds": -1}, NotMade),
        (None, {**MADE, "seconds": float("nan")}, NotMade),
        (None, ["?"], NotMade),
        (None, None, NotMade),
    ],
)
async def test_a_failure_is_one_error_and_leaves_nothing(
    files: Making,
    maker: Maker,
    tmp_path: Path,
    clip: Path,
    raised: Exception | None,
    answer: Any,
    expected: type[Exception],
) -> None:
    """Whatever the process does, or says; the next try begins anew."""
    made = files()
    maker.raises, maker.answer = raised, answer
    with pytest.raises(expected):
        await made.get(an_order(clip), visitor_id="ann")
    assert [path.suffix for path in left(tmp_path)] == [".lock"]
    maker.raises, maker.answer = None, MADE
    assert (await made.get(an_order(clip), visitor_id="ann")).size == 10
    await made.aclose()


async def test_what_is_too_large_or_gone_is_refused_before_it_begins(files: Making, maker: Maker, clip: Path) -> None:
    """As is everything while the disk is full."""
    with pytest.raises(NotMade, match="not_made") as refused:
        await files(source=10).get(an_order(clip), visitor_id="ann")
    assert refused.value.facts["reason"] == "too_large"
    with pytest.raises(DiskFull):
        await files(room=2**60).get(an_order(clip), visitor_id="ann")
    with pytest.raises(NotMade) as refused:
        await files().get(
            replace(an_order(clip), parts=(Part(clip, MP4), Part(clip.with_name("x"), MP4))), visitor_id="a"
        )
    assert refused.value.facts == {"reason": "gone", "number": 2}
    assert maker.calls == []


async def test_a_video_that_takes_long_to_open_is_refused_soon(tmp_path: Path, clip: Path) -> None:
    """It is named, and others need not wait for minutes."""
    source = tmp_path / "tags.mkv"
    HOSTILE["tags of Matroska"].make(source)
    files = DerivedFiles(tmp_path / "exports", now=Time(), limits=DerivedLimits(room=0))
    async with asyncio.timeout(60):
        with pytest.raises(NotMade) as refused:
            await files.get(Order((Part(clip, MP4), Part(source, MATROSKA)), MP4), visitor_id="ann")
    assert refused.value.facts == {"reason": "unreadable", "number": 2}
    await files.aclose()


async def test_a_stop_in_the_middle_leaves_nothing(files: Making, maker: Maker, tmp_path: Path, clip: Path) -> None:
    """What is being made is ended, and the folder is removed."""
    made = files()
    maker.open.clear()
    asked = asyncio.create_task(made.get(an_order(clip), visitor_id="ann"))
    await until(lambda: len(maker.calls) == 1)
    await made.aclose()
    await asyncio.gather(asked, return_exceptions=True)
    assert left(tmp_path) == []


KILLED = """
import asyncio, sys, time
from pathlib import Path
from dreamina_ui.media.derive.derived import DerivedFiles, Order, Part
from dreamina_ui.media.kinds import MP4
class Maker:
    async def run(self, function, *arguments, **bounds):
        if function.endswith(":facts"):
            return
        Path(arguments[2]).write_bytes(b"half")
        print("begun", flush=True)
        await asyncio.sleep(60)
files = DerivedFiles(Path(sys.argv[1]), now=time.time, pool=Maker())
asyncio.run(files.get(Order((Part(Path(sys.argv[2]), MP4),), MP4), visitor_id="ann"))
"""


async def test_a_kill_in_the_middle_leaves_nothing_after_the_next_start(
    tmp_path: Path, clip: Path, files: Making
) -> None:
    """What another process is making meanwhile stays."""
    alive = files()
    kept = await alive.get(an_order(clip), visitor_id="ann")
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path / "exports"), str(clip)], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert await asyncio.to_thread(process.stdout.readline) == b"begun\n"
        [half] = [path for path in left(tmp_path) if path.suffix == ".part"]
        files().prepare()
        assert half.exists()
        process.send_signal(signal.SIGKILL)
    files().prepare()
    assert kept.path.exists()
    assert sorted(path.suffix for path in left(tmp_path)) == [".lock", ".mp4"]
    await alive.aclose()


async def test_the_process_keeps_its_bounds(tmp_path: Path, clip: Path) -> None:
    """A file that grows too large is refused, and nothing of it stays."""
    pool = Pool("small", Bounds(memory=BOUNDS.memory, processor_s=20, wall_s=60, file_size=2000, niceness=10), 1)
    files = DerivedFiles(tmp_path / "exports", now=Time(), limits=DerivedLimits(room=0), pool=pool)
    with pytest.raises(NotMade):
        await files.get(Order((Part(clip, MP4),) * 20, MP4), visitor_id="ann")
    assert [path.suffix for path in left(tmp_path)] == [".lock"]
    await files.aclose()
    pool.close()
