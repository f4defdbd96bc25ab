"""Many visitors at once, in one process: each opens the page, clicks Generate, and stays until the video is there.

The events of a click are read from the page's configuration, as Gradio's script reads it: the event of the button, those that
follow it, and those of each component whose value changed. Only the needed parts of the answers are parsed.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

__all__ = ["API", "Page", "Visitor", "Wire"]

API = "/gradio_api"
FILES = (b"gradio.FileData", b'"mime_type":"video/')
"""One of these is in each answer with a file, and in no other; our own page marks no file as Gradio's."""
LINE_MOST = 2**24


class Wire:
    """A connection with the part of HTTP/1.1 that the page's requests need; `cookie` is sent with each."""

    def __init__(self, address: str, cookie: str = "") -> None:
        self._host = urlsplit(address).netloc
        self.cookie = cookie

    async def open(self) -> None:
        host, _, port = self._host.partition(":")
        self._used = False
        self._reader, self._writer = await asyncio.open_connection(host, int(port), limit=LINE_MOST)

    def close(self) -> None:
        with suppress(AttributeError):
            self._writer.close()

    async def __aenter__(self) -> "Wire":
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    async def ask(self, method: str, path: str, body: object = None) -> bytes:
        """The body of the answer. Raises `OSError` if it is anything but a success."""
        try:
            headers = await self._send(method, path, body)
        except (asyncio.IncompleteReadError, ConnectionError):
            # A server closes what was quiet for a while; a browser then opens anew, and so do we, once.
            if not self._used:
                raise
            self.close()
            await self.open()
            headers = await self._send(method, path, body)
        self._used = True
        if "content-length" in headers:
            return await self._reader.readexactly(int(headers["content-length"]))
        return b"".join([piece async for piece in self._chunks()])

    async def lines(self, path: str) -> AsyncIterator[bytes]:
        """The lines of a stream, until it ends."""
        await self._send("GET", path, None)
        held = b""
        async for piece in self._chunks():
            held += piece
            *whole, held = held.split(b"\n")
            for line in whole:
                yield line

    async def _send(self, method: str, path: str, body: object) -> Mapping[str, str]:
        sent = b"" if body is None else json.dumps(body).encode()
        cookie = f"Cookie: {self.cookie}\r\n" if self.cookie else ""
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: {self._host}\r\nAccept: */*\r\n"
            f"Accept-Encoding: gzip, deflate, br\r\nAccept-Language: en\r\n{cookie}"
            f"Content-Type: application/json\r\nContent-Length: {len(sent)}\r\n\r\n"
        )
        self._writer.write(head.encode() + sent)
        first, *fields = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in fields)}
        if "set-cookie" in headers:
            self.cookie = headers["set-cookie"].partition(";")[0]
        if first.split(" ")[1] != "200":
            raise OSError(f"{method} {path.partition('?')[0]}: {first}")
        return headers

    async def _chunks(self) -> AsyncIterator[bytes]:
        while size := int(await self._reader.readuntil(b"\r\n"), 16):
            yield (await self._reader.readexactly(size + 2))[:-2]
        await self._reader.readexactly(2)


class Page:
    """The page's events and the values of its components, from Gradio's `/config`."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.events: Mapping[int, Mapping[str, Any]] = {event["id"]: event for event in config["dependencies"]}
        self.ids = {part["props"].get("elem_id"): part["id"] for part in config["components"]}
        self.values = {part["id"]: part["props"].get("value") for part in config["components"]}
        self.beats = bool(config["connect_heartbeat"])

    def fired(self, component: int | None, what: str) -> list[int]:
        """The events of a component that call the server."""
        calling = {number: event for number, event in self.events.items() if event["backend_fn"]}
        return [number for number, event in calling.items() if [component, what] in map(list, event["targets"])]

    def after(self, event: int) -> list[int]:
        after = {number: one for number, one in self.events.items() if one["trigger_after"] == event}
        return [number for number, one in after.items() if one["backend_fn"]]

    def trigger(self, event: int) -> int | None:
        """The component that a browser names with the event."""
        targets = self.events[event]["targets"]
        return targets[0][0] if targets else None


@dataclass
class Visitor:
    """One of them; times in seconds of the monotonic clock. `problem` says what went wrong, if something did."""

    number: int
    page: Page
    address: str
    clicked_at: float = 0.0
    news_at: float | None = None
    messages: int = 0
    problem: str = ""
    _values: dict[int, Any] = field(default_factory=dict)

    @property
    def prompt(self) -> str:
        return f"visitor {self.number} watches a lighthouse in the mist, waves below, slow dolly in"

    async def visit(self, seconds_most: float) -> None:
        """From the opening of the page to the end of its last stream; raises nothing."""
        beat: asyncio.Task[None] | None = None
        try:
            async with asyncio.timeout(seconds_most), Wire(self.address) as wire:
                await wire.ask("GET", "/")
                self._session = f"visitor{self.number}x{time.monotonic_ns():x}"
                if self.page.beats:
                    beat = asyncio.create_task(self._beat(wire.cookie))
                await self._generate(wire)
            if self.news_at is None:
                self.problem = self.problem or "the stream ended without a video"
        except Exception as error:  # whatever it is, it is this visitor's alone, and told
            self.problem = f"{type(error).__name__}: {error}"
        finally:
            if beat:
                beat.cancel()

    async def _generate(self, wire: Wire) -> None:
        page = self.page
        named = {"field-prompt": self.prompt, "click-id": f"click-{self.number}-{time.monotonic_ns():x}"}
        self._values = page.values | {page.ids[name]: value for name, value in named.items() if name in page.ids}
        [click] = page.fired(page.ids["generate"], "click")
        self.clicked_at = time.monotonic()
        await self._join(wire, click)
        changed = await self._follow(wire)
        following = [event for component in changed for event in page.fired(component, "change")] + page.after(click)
        for event in following:
            await self._join(wire, event)
        if following:
            wire.close()  # as a browser's is, soon after
            await self._follow(wire)

    async def _join(self, wire: Wire, event: int) -> None:
        values = [self._values.get(number) for number in self.page.events[event]["inputs"]]
        body = {
            "data": values,
            "event_data": None,
            "fn_index": event,
            "trigger_id": self.page.trigger(event),
            "session_hash": self._session,
        }
        await wire.ask("POST", f"{API}/queue/join", body)

    async def _follow(self, wire: Wire) -> list[int]:
        """Read the stream of what was joined, to its end; gives the components that an ended event has changed."""
        changed: list[int] = []
        async with Wire(self.address, wire.cookie) as stream:
            async for line in stream.lines(f"{API}/queue/data?session_hash={self._session}"):
                if not line.startswith(b"data:"):
                    continue
                self.messages += 1
                if self.news_at is None and any(mark in line for mark in FILES):
                    self.news_at = time.monotonic()
                if b'"msg":"process_completed"' in line and self.news_at is None:
                    changed += self._take(json.loads(line[5:]))
                elif b'"msg":"unexpected_error"' in line or (b'"success":false' in line):
                    self.problem = line[:300].decode()
        return changed

    def _take(self, message: Mapping[str, Any]) -> Sequence[int]:
        """Keep the values of the click's answer, which is the first; gives the components that got a new one."""
        if not message["success"]:
            self.problem = str(message)[:300]
            return []
        outputs = self.page.events[self.page.fired(self.page.ids["generate"], "click")[0]]["outputs"]
        if len(outputs) != len(message["output"]["data"]):
            return []
        changed = []
        for number, told in zip(outputs, message["output"]["data"], strict=True):
            value = told.get("value") if isinstance(told, dict) and "__type__" in told else told
            if value not in (None, "", self._values.get(number)):
                self._values[number] = value
                changed.append(number)
        return changed

    async def _beat(self, cookie: str) -> None:
        """The second stream of each open page, by which Gradio knows that it is there."""
        with suppress(OSError, asyncio.IncompleteReadError):
            async with Wire(self.address, cookie) as wire:
                async for _ in wire.lines(f"{API}/heartbeat/{self._session}"):
                    pass
