"""Reads the body of a request: once, up to so many bytes, in time; and as strict JSON."""

import asyncio
import json
import re
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dreamina_ui.cards.values import DEPTH_MOST, is_plain

__all__ = ["BODY", "BODY_MOST", "BYTES", "LONG_BODY_MOST", "Body", "BodyTime", "body_again", "parsed", "read_body"]

BODY_MOST, LONG_BODY_MOST = 64_000, 1_200_000
"""Bytes of a body, and of one that may bring a batch of 1 MB, as JSON."""
VALUES_MOST = 10_000
"""Values of any kind in one body."""
BODY = "dreamina.body"
"""In the scope of a call, once it is read: its `Body`."""
BYTES = "dreamina.bytes"
"""In the scope of a request, once its body is read: its bytes."""
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_long_bodies = ThreadPoolExecutor(1, "long bodies")

PAUSE_MOST_S = 30.0
"""Seconds between two pieces of a body: a phone in a tunnel may be silent for some."""
BYTES_PER_S_LEAST = 2_000
"""On average, after the first pause: the slowest mobile networks carry five times as much."""
BODY_MOST_S = 3600.0
COMING_MOST = 16 * 2**20
"""Bytes of all bodies that have not come to their end. What is uploaded lies on the disk."""
UPLOAD = "/gradio_api/upload"


class BodyTime:
    """Middleware: ends a request whose body comes too slowly, with 408. Only the time that is waited for it counts.

    Of all that is still coming, `coming_most` bytes are kept; of more, what began first is ended, so that a body that comes
    at once is read. `say` gives the sentence of a key; `now` is a clock that never goes back.
    """

    def __init__(
        self,
        app: ASGIApp,
        say: Callable[[Request, str], str],
        *,
        pause_most_s: float = PAUSE_MOST_S,
        bytes_per_s_least: float = BYTES_PER_S_LEAST,
        body_most_s: float = BODY_MOST_S,
        coming_most: int = COMING_MOST,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._say = say
        self._pause_most_s = pause_most_s
        self._bytes_per_s_least = bytes_per_s_least
        self._body_most_s = body_most_s
        self._coming_most = coming_most
        self._now = now
        self._coming: dict[_Coming, None] = {}
        """The oldest first; only those of which something is kept."""
        self._kept = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        coming, has_begun = _Coming(is_kept=scope["path"] != UPLOAD), False

        async def receive_in_time() -> Message:
            if coming.is_whole and not coming.is_late:
                return await receive()
            return await self._next(coming, receive)

        async def send_unless_late(message: Message) -> None:
            nonlocal has_begun
            if not coming.is_late or has_begun:
                has_begun = True
                await send(message)

        try:
            await self._app(scope, receive_in_time, send_unless_late)
        except Exception:
            if not coming.is_late:
                raise
        finally:
            self._forget(coming)
        if coming.is_late and not has_begun:
            sentence = self._say(Request(scope), "guard.slow")
            await PlainTextResponse(sentence, 408, headers={"Connection": "close"})(scope, receive, send)

    async def _next(self, coming: "_Coming", receive: Receive) -> Message:
        """The next piece; what it gives of one that is late is that its client has gone."""
        may_take = min(self._pause_most_s + coming.size / self._bytes_per_s_least, self._body_most_s) - coming.waited_s
        began = self._now()
        try:
            async with asyncio.timeout(0 if coming.is_late else min(self._pause_most_s, may_take)) as coming.pause:
                message = await receive()
        except TimeoutError:
            coming.is_late = True
        coming.pause = None
        if coming.is_late:
            self._forget(coming)
            return {"type": "http.disconnect"}
        coming.waited_s += self._now() - began
        self._count(coming, len(message.get("body", b"")))
        if not message.get("more_body", False):
            coming.is_whole = True
            self._forget(coming)
        return message

    def _count(self, coming: "_Coming", size: int) -> None:
        coming.size += size
        if not coming.is_kept:
            return
        self._coming[coming] = None
        self._kept += size
        while self._kept > self._coming_most and len(self._coming) > 1:
            oldest = next(iter(self._coming))
            oldest.end()
            self._forget(oldest)

    def _forget(self, coming: "_Coming") -> None:
        if coming in self._coming:
            del self._coming[coming]
            self._kept -= coming.size


@dataclass(slots=True, eq=False)
class _Coming:
    """A body of which `size` bytes came. `is_kept`: in memory, until it is whole."""

    is_kept: bool
    size: int = 0
    waited_s: float = 0.0
    is_whole: bool = False
    is_late: bool = False
    pause: asyncio.Timeout | None = None
    """While its next piece is waited for."""

    def end(self) -> None:
        """Wait for no more of it."""
        self.is_late = True
        if self.pause is not None:
            self.pause.reschedule(0)


@dataclass(frozen=True, slots=True)
class Body:
    """The bytes of a call's body, and what they say: None where they are no JSON that could be written again."""

    data: bytes
    content: Any = None


async def read_body(scope: Scope, receive: Receive, most: int) -> bytes | None:
    """The body of a request, also if it was read before; None if it has more than `most` bytes, or its client has gone."""
    if (known := scope.get(BYTES)) is not None:
        return known if len(known) <= most else None
    length = Headers(scope=scope).get("content-length", "")
    if length and not (length.isdecimal() and len(length) < 20 and int(length) <= most):
        return None
    data, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return None
        data += message.get("body", b"")
        if len(data) > most:
            return None
        more = message.get("more_body", False)
    scope[BYTES] = whole = bytes(data)
    return whole


def body_again(data: bytes | None, receive: Receive) -> Receive:
    """Gives a body that was read once more, and then what follows it; of a body that was not read to its end, nothing."""
    whole: Message = {"type": "http.request", "body": data, "more_body": False}
    messages = [whole if data is not None else {"type": "http.disconnect"}]

    async def again() -> Message:
        return messages.pop() if messages else await receive()

    return again


async def parsed(data: bytes) -> Body:
    """What a body says; a long one is parsed in a thread of its own."""
    if len(data) <= BODY_MOST:
        return _parsed(data)
    return await asyncio.get_running_loop().run_in_executor(_long_bodies, _parsed, data)


def _parsed(data: bytes) -> Body:
    # JSON is parsed in one piece, which stops all threads: so its values are counted first.
    if _has_too_many(data):
        return Body(data)
    try:
        held = json.loads(data.decode(), parse_constant=_refuse, object_pairs_hook=_named_once)
        return Body(data, held if isinstance(held, dict) and _is_modest(held) else None)
    except (ValueError, RecursionError):
        return Body(data)


def _has_too_many(data: bytes) -> bool:
    """Whether JSON has more values than may be in one body; stops as soon as that is known."""
    separators = texts = at = 0
    for text in _STRING.finditer(data):
        separators += sum(data.count(sign, at, text.start()) for sign in b",[{")
        texts, at = texts + 1, text.end()
        if max(texts, separators) > VALUES_MOST:
            return True
    return separators + sum(data.count(sign, at) for sign in b",[{") > VALUES_MOST


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _named_once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    named = dict(pairs)
    if len(named) < len(pairs):
        raise ValueError("a name is given twice")
    return named


def _is_modest(value: Any) -> bool:
    """Whether it can be written again, and is small enough to go through: no endless nesting, not too many values."""
    level, count = [value], 0
    for _ in range(DEPTH_MOST + 1):
        count += len(level)
        if count > VALUES_MOST or not all(map(is_plain, (each for each in level if not isinstance(each, list | dict)))):
            return False
        if not level:
            return True
        inner: list[Any] = []
        for each in level:
            if isinstance(each, dict):
                inner += [*each, *each.values()]
            elif isinstance(each, list):
                inner += each
        level = inner
    return False
