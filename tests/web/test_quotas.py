"""What a visitor may upload, and how slowly: many files, many bytes, many at once, and bodies that never end."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from dreamina_ui.web.checks.addresses import ADDRESS
from dreamina_ui.web.checks.bodies import BodyTime
from dreamina_ui.web.checks.upload_quota import KEPT_S, UploadLimits, UploadQuota
from dreamina_ui.web.checks.uploads import Uploads

pytestmark = pytest.mark.anyio
ROW = b"prompt\na boat\n"
NO_ROOM_NEEDED = 0


class Studio:
    """The upload's middleware over an app that takes every file, with a clock; a visitor says who it is by a header."""

    def __init__(self, folder: Path, *, is_own: bool = False, **limits: int) -> None:
        self.at = 1000.0
        self.taken = 0
        self.release = asyncio.Event()
        self.release.set()
        quota = UploadQuota(
            folder, is_own=is_own, limits=UploadLimits(**{"room": NO_ROOM_NEEDED, **limits}), now=lambda: self.at
        )
        self.app = Uploads(self._take, lambda _, key, **values: key, quota=quota, visitor_of=_visitor_of)

    async def _take(self, scope: Scope, receive: Receive, send: Send) -> None:
        await Request(scope, receive).body()
        await self.release.wait()
        self.taken += 1
        await PlainTextResponse("taken")(scope, receive, send)

    async def upload(self, visitor_id: str, content: bytes = ROW, *, announced: bool = True, address: str = "") -> str:
        """The answer's text."""
        request = httpx.Request("POST", "http://studio/gradio_api/upload", files={"files": ("a.csv", content)})
        body = await request.aread()
        headers = {"Content-Type": request.headers["content-type"], "X-Visitor": visitor_id}

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await self.app({**scope, ADDRESS: address}, receive, send)

        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://studio") as client:
            sent: Any = body if announced else _pieces(body)
            return (await client.post("/gradio_api/upload", content=sent, headers=headers)).text


def _visitor_of(scope: Scope) -> str | None:
    return dict(scope["headers"]).get(b"x-visitor", b"").decode() or None


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(body), 10_000):
        yield body[at : at + 10_000]


async def test_a_stranger_uploads_nothing(tmp_path: Path) -> None:
    """Without a visitor, nothing reaches the app; with one it does."""
    studio = Studio(tmp_path)
    assert (await studio.upload(""), studio.taken) == ("guard.upload.stranger", 0)
    assert (await studio.upload("ann"), studio.taken) == ("taken", 1)


async def test_files_are_counted_for_each_and_for_all(tmp_path: Path) -> None:
    """After the last, one sentence; other visitors go on until all have had theirs; two hours later there is room again."""
    studio = Studio(tmp_path, files_each=3, files=5)
    assert [await studio.upload("ann") for _ in range(4)] == ["taken"] * 3 + ["guard.upload.many"]
    assert [await studio.upload("bob") for _ in range(3)] == ["taken"] * 2 + ["guard.upload.full"]
    studio.at += KEPT_S + 1
    assert [await studio.upload(name) for name in ("ann", "bob")] == ["taken"] * 2


@pytest.mark.parametrize("announced", [True, False])
async def test_bytes_are_counted_for_each_and_for_all(announced: bool, tmp_path: Path) -> None:
    """Also where the size is not announced; what was refused on its way is not counted."""
    studio, big = Studio(tmp_path, bytes_each=250_000, bytes=400_000), b"x" * 100_000
    assert [await studio.upload("ann", big, announced=announced) for _ in range(3)][1:] == [
        "taken",
        "guard.upload.many",
    ]
    assert await studio.upload("ann", ROW, announced=announced) == "taken"
    answers = [await studio.upload("bob", big, announced=announced) for _ in range(3)]
    assert answers[0] == "taken"
    assert answers[2] == "guard.upload.full"
    studio.at += KEPT_S + 1
    assert await studio.upload("bob", big, announced=announced) == "taken"


async def test_many_cookies_of_an_address_take_no_more_than_its_share(tmp_path: Path) -> None:
    """Of files, of bytes, at once; another address still has room, and so has who has none of the open net."""
    for studio in (Studio(tmp_path, files_address=3), Studio(tmp_path, bytes_address=4_000)):
        rows = b"prompt\n" + b"a boat\n" * 120
        told = [await studio.upload(f"eve-{number}", rows, address="8.8.8.8") for number in range(5)]
        assert told == ["taken"] * 3 + ["guard.upload.many"] * 2
        assert await studio.upload("ann", rows, address="9.9.9.9") == "taken"
        assert {await studio.upload(f"bob-{number}", rows) for number in range(5)} == {"taken"}
        studio.at += KEPT_S + 1
        assert await studio.upload("eve", rows, address="8.8.8.8") == "taken"
    studio = Studio(tmp_path, at_once_address=2)
    studio.release.clear()
    running = [asyncio.create_task(studio.upload(f"eve-{number}", address="8.8.8.8")) for number in range(2)]
    await asyncio.sleep(0.1)
    assert await studio.upload("eve", address="8.8.8.8") == "guard.upload.at_once"
    running.append(asyncio.create_task(studio.upload("ann", address="9.9.9.9")))
    studio.release.set()
    assert await asyncio.gather(*running) == ["taken"] * 3


async def test_uploads_at_once_are_bounded(tmp_path: Path) -> None:
    """Those that are on their way are counted, for each and for all; when they have arrived, others begin."""
    studio = Studio(tmp_path, at_once_each=2, at_once=3)
    studio.release.clear()
    running = [asyncio.create_task(studio.upload(name)) for name in ("ann", "ann", "ann", "bob", "eve")]
    waiting, refused = set(running), list[str]()
    while len(refused) < 2:
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        refused += [task.result() for task in done]
    assert refused == ["guard.upload.at_once"] * 2
    studio.release.set()
    assert [await task for task in waiting] == ["taken"] * 3
    assert await studio.upload("ann") == "taken"


async def test_the_disk_is_not_filled(tmp_path: Path) -> None:
    """Room for the videos stays free, whatever the quota allows."""
    assert await Studio(tmp_path, room=2**60).upload("ann") == "guard.upload.full"


async def test_what_an_earlier_start_left_is_counted_and_removed(tmp_path: Path) -> None:
    """Files of Gradio's that are two hours old go; younger ones count for all. A folder that is not ours is left alone."""
    for name, age_s in (("a" * 64, KEPT_S + 60), ("b" * 64, 60.0)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.csv").write_bytes(ROW)
        for path in (tmp_path / name / "a.csv", tmp_path / name):
            os.utime(path, (time.time() - age_s,) * 2)
    assert await Studio(tmp_path, files=1).upload("ann") == "taken"
    assert len(list(tmp_path.glob("*/a.csv"))) == 2
    studio = Studio(tmp_path, is_own=True, files=1)
    assert await studio.upload("ann") == "guard.upload.full"
    assert [path.parent.name for path in tmp_path.glob("*/a.csv")] == ["b" * 64]
    studio.at += KEPT_S
    assert await studio.upload("ann") == "taken"


# Slow bodies


class Slow:
    """A body whose pieces come after pauses, in seconds; how it was answered."""

    def __init__(self, *pieces: tuple[float, bytes], path: str = "/gradio_api/queue/join") -> None:
        self._pieces = list(pieces)
        self._scope: Scope = {"type": "http", "method": "POST", "path": path, "headers": [], "query_string": b""}
        self.status = 0
        self.text = ""
        self.headers: dict[bytes, bytes] = {}

    async def ask(self, app: Any) -> "Slow":
        await app(self._scope, self._receive, self._send)
        return self

    async def _receive(self) -> Message:
        if not self._pieces:
            await asyncio.Event().wait()
        pause_s, body = self._pieces.pop(0)
        await asyncio.sleep(pause_s)
        return {"type": "http.request", "body": body, "more_body": bool(self._pieces)}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], dict(message["headers"])
        self.text += message.get("body", b"").decode()


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    body = await Request(scope, receive).body()
    await asyncio.sleep(0.3)  # the app's own time does not count
    await PlainTextResponse(f"{len(body)}")(scope, receive, send)


def timed(app: Any = echo, *, body_most_s: float = 60.0) -> BodyTime:
    return BodyTime(app, lambda _, key: key, pause_most_s=0.2, bytes_per_s_least=1000, body_most_s=body_most_s)


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([(0.0, b"{"), (60.0, b"}")], id="a pause"),
        pytest.param([(60.0, b"{}")], id="nothing at all"),
        pytest.param([(0.05, b"x")] * 100, id="a letter now and then"),
    ],
)
async def test_a_body_that_comes_too_slowly_is_ended(pieces: list[tuple[float, bytes]]) -> None:
    """With one sentence, and the connection is closed; what the app does with the broken body is nobody's business."""
    began = time.monotonic()
    slow = await Slow(*pieces).ask(timed())
    assert (slow.status, slow.text, slow.headers[b"connection"]) == (408, "guard.slow", b"close")
    assert time.monotonic() - began < 2


async def test_a_slow_phone_gets_through() -> None:
    """Pauses within the bound, and a rate above the least, for longer than one pause may last; and an app that takes its time."""
    phone = await Slow(*[(0.1, b"x" * 200)] * 6).ask(timed())
    assert (phone.status, phone.text) == (200, "1200")
    assert (await Slow((0.0, b"{}")).ask(timed())).status == 200


async def test_a_body_has_an_end() -> None:
    """However fast it comes."""
    slow = await Slow(*[(0.05, b"x" * 10_000)] * 40).ask(timed(body_most_s=0.5))
    assert slow.status == 408


async def test_slow_bodies_take_so_much_memory() -> None:
    """Of many that dawdle within the bounds those that began first are ended; who sends at once is served."""
    app = BodyTime(echo, lambda _, key: key, coming_most=30_000)
    slow = [Slow((0.0, b"x" * 9_000), (0.01, b"x" * 900), (0.5, b"x")) for _ in range(8)]
    asked = [asyncio.create_task(each.ask(app)) for each in slow]
    await asyncio.sleep(0.1)
    quick = await Slow((0.0, b"x" * 9_000)).ask(app)
    await asyncio.gather(*asked)
    assert (quick.status, quick.text) == (200, "9000")
    assert [each.status for each in slow] == [408] * 6 + [200] * 2
    again = [Slow((0.0, b"x" * 9_000), (0.2, b"x")) for _ in range(3)]  # what has ended no longer counts
    await asyncio.gather(*(each.ask(app) for each in again))
    assert [each.status for each in again] == [200] * 3


async def test_a_slow_upload_is_ended_and_not_counted(tmp_path: Path) -> None:
    """Through the quota, too: its place is free again."""
    studio = Studio(tmp_path, at_once=1)

    async def of_ann(scope: Scope, receive: Receive, send: Send) -> None:
        kind = b"multipart/form-data; boundary=line"
        await studio.app({**scope, "headers": [(b"content-type", kind), (b"x-visitor", b"ann")]}, receive, send)

    head = b'--line\r\nContent-Disposition: form-data; name="files"; filename="a.csv"\r\n\r\n' + ROW
    slow = await Slow((0.0, head), (60.0, b""), path="/gradio_api/upload").ask(timed(of_ann))
    assert (slow.status, slow.text, studio.taken) == (408, "guard.slow", 0)
    assert await studio.upload("bob") == "taken"
