"""Many visitors at once, in one process: each opens the page, clicks Generate, and stays until the video is there.

A tab does what Gradio's script does in a browser. It reads the page's events from its configuration, calls those of the page's
opening, of a button, those that follow, and those of each component whose value changes, and reads their answers from one
stream. It loads the video into its player and the posters of its history. What a browser keeps of earlier visits, Gradio's
scripts and style sheets, is not asked for.
"""

import asyncio
import html
import json
import random
import re
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self
from urllib.parse import urlsplit

__all__ = ["API", "BATCH", "Kind", "Page", "Visitor", "Wire", "patched"]

API = "/gradio_api"
FILES = (b"gradio.FileData", b'"mime_type":"video/')
"""One of these is in each answer with a file, and in no other; our own page marks no file as Gradio's."""
FILE_ADDRESS = re.compile(rb'"url":\s*"([^"]+)"')
READY = 1
"""Of a job that has ended, and whose poster is there."""
POSTERS = re.compile(r"data-folder=\"([^\"]*)\".* data-posters='([^']*)'", re.DOTALL)
NO_FILE = 4
"""The state of a poster whose job has no file."""
OPENING = '{"seen": [], "has_draft": false}'
"""What a script of ours says of a browser that has seen no video yet."""
LINE_MOST = 2**24
PIECE = 2**18
BATCH = 4
"""Videos of a batch."""
FOUND = ("200", "206")
THROUGH = "Via: 1.1 proxy\r\n"
"""They come from elsewhere: whoever asks a studio from its own machine is its owner, and is told the balance as well."""


class Kind(StrEnum):
    """What a visitor does."""

    STAY = "stay"
    RELOAD = "reload"
    BATCH = "batch"
    LEAVE = "leave"


class Wire:
    """A connection with the part of HTTP/1.1 that the page's requests need; `cookie` is sent with each."""

    def __init__(self, address: str, cookie: str = "") -> None:
        self._host = urlsplit(address).netloc
        self.cookie = cookie

    async def open(self) -> None:
        host, _, port = self._host.partition(":")
        self._reader, self._writer = await asyncio.open_connection(host, int(port), limit=LINE_MOST)

    def close(self) -> None:
        with suppress(AttributeError):
            self._writer.close()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    async def ask(self, method: str, path: str, body: object = None) -> bytes:
        """The body of the answer. Raises `OSError` if it is anything but a success."""
        headers = await self._send_again(method, path, body)
        if "content-length" in headers:
            return await self._reader.readexactly(int(headers["content-length"]))
        return b"".join([piece async for piece in self._chunks()])

    async def load(self, path: str, start: int = 0) -> int:
        """Read a file from byte `start` on, as a player does, and forget it; gives the size of the whole file."""
        headers = await self._send_again("GET", path, None, f"Range: bytes={start}-\r\n")
        left = int(headers["content-length"])
        while left:
            piece = await self._reader.read(min(left, PIECE))
            if not piece:
                raise OSError("the file broke off")
            left -= len(piece)
        return int(headers.get("content-range", headers["content-length"]).rpartition("/")[2])

    async def lines(self, path: str) -> AsyncIterator[bytes]:
        """The lines of a stream, until it ends."""
        await self._send("GET", path, None)
        held = b""
        async for piece in self._chunks():
            held += piece
            *whole, held = held.split(b"\n")
            for line in whole:
                yield line

    async def _send_again(self, method: str, path: str, body: object, more: str = "") -> Mapping[str, str]:
        try:
            headers = await self._send(method, path, body, more)
        except (asyncio.IncompleteReadError, ConnectionError):
            # A server closes what was quiet for a while, also before a first request; a browser opens anew, and so do we, once.
            self.close()
            await self.open()
            headers = await self._send(method, path, body, more)
        return headers

    async def _send(self, method: str, path: str, body: object, more: str = "") -> Mapping[str, str]:
        sent = b"" if body is None else json.dumps(body).encode()
        cookie = f"Cookie: {self.cookie}\r\n" if self.cookie else ""
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: {self._host}\r\nAccept: */*\r\n"
            f"Accept-Encoding: gzip, deflate, br\r\nAccept-Language: en\r\n{THROUGH}{cookie}{more}"
            f"Content-Type: application/json\r\nContent-Length: {len(sent)}\r\n\r\n"
        )
        self._writer.write(head.encode() + sent)
        first, *fields = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in fields)}
        if "set-cookie" in headers:
            self.cookie = headers["set-cookie"].partition(";")[0]
        status = first.split(" ")[1]
        if status not in FOUND:
            kind = FileNotFoundError if status == "404" else OSError
            raise kind(f"{method} {path.partition('?')[0]}: {first}")
        return headers

    async def _chunks(self) -> AsyncIterator[bytes]:
        while size := int(await self._reader.readuntil(b"\r\n"), 16):
            yield (await self._reader.readexactly(size + 2))[:-2]
        await self._reader.readexactly(2)


class Page:
    """The page's events and the values of its components, from Gradio's `/config`."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.events: Mapping[int, Mapping[str, Any]] = {event["id"]: event for event in config["dependencies"]}
        # Each model's form has the same names; the first one is that of the default.
        self.ids = {part["props"].get("elem_id"): part["id"] for part in reversed(config["components"])}
        self.values = {part["id"]: part["props"].get("value") for part in config["components"]}
        self.beats = bool(config["connect_heartbeat"])
        self.offers_batches = "batch-start" in self.ids
        self.changing = {number: self.fired(number, "change") for number in self.values}
        """By component, the events of its change."""
        self.followed = {number: self.after(number) for number in self.events}
        """By event, those that follow its end."""

    def fired(self, component: int | None, what: str) -> list[int]:
        """The events of a component that call the server."""
        calling = {number: event for number, event in self.events.items() if event["backend_fn"]}
        return [number for number, event in calling.items() if [component, what] in map(list, event["targets"])]

    def after(self, event: int) -> list[int]:
        after = {number: one for number, one in self.events.items() if one["trigger_after"] == event}
        return [number for number, one in after.items() if one["backend_fn"]]

    @property
    def opening(self) -> list[int]:
        """The events of the page's opening that call the server."""
        calling = {number: event for number, event in self.events.items() if event["backend_fn"]}
        return [number for number, event in calling.items() if any(what == "load" for _, what in event["targets"])]

    def trigger(self, event: int) -> int | None:
        """The component that a browser names with the event."""
        targets = self.events[event]["targets"]
        return targets[0][0] if targets else None


@dataclass
class Call:
    """One call of an event, and its last answer, to which later ones tell only the difference."""

    event: int
    outputs: dict[int, Any] = field(default_factory=dict)
    has_begun: bool = False


class Tab:
    """A page that is open in a browser; `cookie` is what the browser has kept.

    `news_at` is when the video was told to the page, `loaded_at` when its player had all of it; in seconds of the monotonic
    clock. `problem` says what went wrong, if something did. `awaited` is the number of videos of a batch, or 1.
    """

    def __init__(self, page: Page, address: str, cookie: str = "", *, awaited: int = 1) -> None:
        self._page = page
        self._address = address
        self._awaited = awaited
        self._wire = Wire(address, cookie)
        self._media = Wire(address)
        self._turn, self._media_turn = asyncio.Lock(), asyncio.Lock()
        self._session = f"tab{time.monotonic_ns():x}{random.getrandbits(32):x}"
        self._calls: dict[str, Call] = {}
        self._early: dict[str, list[dict[str, Any]]] = {}
        self._running: dict[int, int] = {}
        self._again: set[int] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stream: asyncio.Task[None] | None = None
        self._loaded: set[str] = set()
        self._values = dict(page.values)
        self.quiet = asyncio.Event()
        """Set when nothing is asked or loaded."""
        self.news_at: float | None = None
        self.loaded_at: float | None = None
        self.messages = 0
        self.problem = ""

    @property
    def cookie(self) -> str:
        return self._wire.cookie

    async def open(self) -> None:
        """The page itself, its second stream if it has one, and what it asks for at its opening, until that is answered."""
        await self._wire.open()
        await self._wire.ask("GET", "/")
        self._media.cookie = self._wire.cookie
        await self._media.open()
        if self._page.beats:
            self._begin(self._beat(), counts=False)
        opening = self._page.opening
        self._set("opening", OPENING)
        for event in opening:
            self._call(event)
        if opening:
            await self.quiet.wait()

    async def close(self) -> None:
        """As a browser closes it: at once."""
        tasks = [*self._tasks, *filter(None, [self._stream])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._wire.close()
        self._media.close()

    def click(self, button: str, **values: object) -> None:
        """Press a button, with these values in the form; dashes of their names are written as underscores."""
        for name, value in values.items():
            self._set(name.replace("_", "-"), value)
        for event in self._page.fired(self._page.ids[button], "click"):
            self._call(event)

    def change(self, name: str, value: object) -> None:
        """Type a value, and let its field tell that it has changed."""
        self._set(name, value)
        for event in self._page.changing[self._page.ids[name]]:
            self._call(event)

    async def ended(self) -> None:
        """Wait until nothing is asked any more: the video and all that belongs to it are there, or never will be."""
        await self.quiet.wait()

    def _set(self, name: str, value: object) -> None:
        if name in self._page.ids:
            self._values[self._page.ids[name]] = value

    def _begin(self, work: Any, *, counts: bool = True) -> None:
        async def guarded() -> None:
            try:
                await work
            except (OSError, asyncio.IncompleteReadError) as error:
                self._fail(error)

        task = asyncio.create_task(guarded())
        self._tasks.add(task)
        if counts:
            self.quiet.clear()

        def over(done: asyncio.Task[None]) -> None:
            self._tasks.discard(done)
            if counts:
                self._settle()

        task.add_done_callback(over)
        task.counts = counts  # type: ignore[attr-defined]

    def _settle(self) -> None:
        if not self._running and not any(task.counts for task in self._tasks):  # type: ignore[attr-defined]
            self.quiet.set()

    def _fail(self, error: Exception) -> None:
        self.problem = self.problem or f"{type(error).__name__}: {error}"
        self._running.clear()

    # Calls and their answers

    def _call(self, event: int) -> None:
        mode = self._page.events[event].get("trigger_mode")
        if self._running.get(event) and mode in ("once", "always_last"):
            if mode == "always_last":
                self._again.add(event)
            return
        self._running[event] = self._running.get(event, 0) + 1
        self._begin(self._join(event))

    async def _join(self, event: int) -> None:
        values = [self._values.get(number) for number in self._page.events[event]["inputs"]]
        body = {
            "data": values,
            "event_data": None,
            "fn_index": event,
            "trigger_id": self._page.trigger(event),
            "session_hash": self._session,
        }
        async with self._turn:
            name = json.loads(await self._wire.ask("POST", f"{API}/queue/join", body))["event_id"]
        self._calls[name] = Call(event)
        for message in self._early.pop(name, []):
            self._take(message)
        self._listen()

    def _listen(self) -> None:
        if self._calls and self._stream is None:
            self._stream = asyncio.create_task(self._follow())

    async def _follow(self) -> None:
        """Read the one stream of all calls, to its end."""
        try:
            async with Wire(self._address, self._wire.cookie) as stream:
                async for line in stream.lines(f"{API}/queue/data?session_hash={self._session}"):
                    if not line.startswith(b"data:"):
                        continue
                    self.messages += 1
                    if self._awaited == 1 and self.news_at is None and any(mark in line for mark in FILES):
                        self.news_at = time.monotonic()
                        [address, *_] = FILE_ADDRESS.findall(line)
                        self._begin(self._play(address.decode()))
                    message = json.loads(line[5:])
                    if message["msg"] == "close_stream":
                        break
                    if message["msg"] == "unexpected_error":
                        raise OSError(str(message)[:300])
                    if name := message.get("event_id"):
                        self._take(message) if name in self._calls else self._early.setdefault(name, []).append(message)
        except (OSError, asyncio.IncompleteReadError) as error:
            self._fail(error)
        self._stream = None
        self._listen()
        self._settle()

    def _take(self, message: dict[str, Any]) -> None:
        call = self._calls[message["event_id"]]
        if message["msg"] not in ("process_generating", "process_completed"):
            return
        if not message["success"]:
            self.problem = self.problem or str(message)[:300]
        else:
            self._fill(call, message["output"].get("data") or [], is_whole=message["msg"] == "process_completed")
        if message["msg"] == "process_completed":
            del self._calls[message["event_id"]]
            self._running[call.event] -= 1
            if not self._running[call.event]:
                del self._running[call.event]
            if call.event in self._again and not self._running.get(call.event):
                self._again.discard(call.event)
                self._call(call.event)
            for event in self._page.followed[call.event]:
                self._call(event)
            self._settle()

    def _fill(self, call: Call, data: list[Any], *, is_whole: bool) -> None:
        """Put an answer into its components, and call what their changes call."""
        outputs = self._page.events[call.event]["outputs"]
        if len(outputs) != len(data):
            return  # the end of a generator, which tells nothing new
        changed = []
        for number, told in zip(outputs, data, strict=True):
            if call.has_begun and not is_whole:
                told = patched(call.outputs.get(number), told)
            call.outputs[number] = told
            value = told
            if isinstance(told, dict) and "__type__" in told:
                value = told.get("value", self._values.get(number))
            if value != self._values.get(number):
                self._values[number] = value
                changed.append(number)
        call.has_begun = True
        for number in changed:
            for event in self._page.changing.get(number, ()):
                self._call(event)
        for name, follow in (("history", self._show_posters), ("batch-states", self._read_states)):
            if self._page.ids.get(name) in changed:
                follow(self._values[self._page.ids[name]])

    # What the browser loads

    async def _play(self, address: str) -> None:
        """What a player asks for: the whole, and its end again where it looks for an index."""
        path = (
            "/" + address.lstrip("/")
            if "://" not in address
            else urlsplit(address)._replace(scheme="", netloc="").geturl()
        )
        async with self._media_turn:
            size = await self._media.load(path)
            await self._media.load(path, max(0, size - 4096))
        self.loaded_at = time.monotonic()

    def _show_posters(self, told: object) -> None:
        found = POSTERS.search(told) if isinstance(told, str) else None
        if found is None:
            return
        folder, posters = found.groups()
        for _, share_id, state, is_ready, *_ in json.loads(html.unescape(posters)):
            if not isinstance(state, str) and state != NO_FILE and is_ready == READY and share_id not in self._loaded:
                self._loaded.add(share_id)
                self._begin(self._load_poster(f"/{folder}{share_id}.webp"))
                if self._awaited > 1:
                    self._begin(self._play(f"/{folder}{share_id}.mp4"))

    async def _load_poster(self, path: str) -> None:
        async with self._media_turn:
            try:
                await self._media.load(path)
            except FileNotFoundError:  # it may be made later; a browser shows none then
                self._media.close()
                await self._media.open()

    def _read_states(self, told: object) -> None:
        if self.news_at is None and str(told).count('"succeeded"') >= self._awaited:
            self.news_at = time.monotonic()

    async def _beat(self) -> None:
        """The second stream of each open page, by which Gradio knows that it is there."""
        with suppress(OSError, asyncio.IncompleteReadError):
            async with Wire(self._address, self._wire.cookie) as wire:
                async for _ in wire.lines(f"{API}/heartbeat/{self._session}"):
                    pass


@dataclass
class Visitor:
    """One of them; times in seconds of the monotonic clock. `problem` says what went wrong, if something did.

    `pause_s` is how long one who reloads or leaves stays before that.
    """

    number: int
    page: Page
    address: str
    kind: Kind = Kind.STAY
    pause_s: float = 0.0
    clicked_at: float = 0.0
    news_at: float | None = None
    loaded_at: float | None = None
    messages: int = 0
    clicks: int = 0
    prompts: list[str] = field(default_factory=list)
    """Of the videos that are awaited."""
    problem: str = ""

    async def visit(self, seconds_most: float) -> None:
        """From the opening of the page to the end of its last stream; raises nothing."""
        try:
            async with asyncio.timeout(seconds_most):
                await (self._run_batch() if self.kind is Kind.BATCH else self._watch_one())
            if self.news_at is None and self.kind is not Kind.LEAVE:
                self.problem = self.problem or "the stream ended without a video"
        except Exception as error:  # whatever it is, it is this visitor's alone, and told
            self.problem = self.problem or f"{type(error).__name__}: {error}"

    async def _watch_one(self) -> None:
        tab = Tab(self.page, self.address)
        try:
            await tab.open()
            self._generate(tab)
            if self.kind in (Kind.RELOAD, Kind.LEAVE):
                await asyncio.sleep(self.pause_s)
                self.messages += tab.messages
                await tab.close()
                if self.kind is Kind.LEAVE:
                    return
                tab = Tab(self.page, self.address, tab.cookie)
                await tab.open()
                if (
                    not self.page.offers_batches
                ):  # an app that has forgotten its visitor's job: another click, another charge
                    self._generate(tab)
            await tab.ended()
            self._note(tab)
        finally:
            await tab.close()

    async def _run_batch(self) -> None:
        if self.page.offers_batches:
            await self._fill_in_batch()
            return
        # Where there are no batches: a tab for each video.
        tabs = [Tab(self.page, self.address) for _ in range(BATCH)]
        try:
            await asyncio.gather(*(tab.open() for tab in tabs))
            prompts = []
            for tab in tabs:
                self._generate(tab)
                prompts += self.prompts
            self.prompts = prompts
            await asyncio.gather(*(tab.ended() for tab in tabs))
            for tab in tabs:
                self._note(tab)
            if any(tab.news_at is None for tab in tabs):
                self.news_at = None
        finally:
            await asyncio.gather(*(tab.close() for tab in tabs))

    async def _fill_in_batch(self) -> None:
        tab = Tab(self.page, self.address, awaited=BATCH)
        try:
            await tab.open()
            self.prompts = [f"{self._prompt} {number}" for number in range(BATCH)]
            tab.change("batch-lines", "\n".join(self.prompts))
            # As the page's script says, of whichever field of the batch was changed.
            tab.change("batch-changed", self._click_id)
            await tab.quiet.wait()
            self.clicked_at, self.clicks = time.monotonic(), 1
            tab.click("batch-start", batch_click_id=self._click_id)
            await tab.ended()
            self._note(tab)
        finally:
            await tab.close()

    def _generate(self, tab: Tab) -> None:
        self.clicks += 1
        self.prompts = [self._prompt]
        self.clicked_at = time.monotonic()
        tab.click("generate", field_prompt=self._prompt, click_id=self._click_id)

    @property
    def _prompt(self) -> str:
        return f"visitor {self.number}.{self.clicks} watches a lighthouse in the mist, waves below, slow dolly in"

    @property
    def _click_id(self) -> str:
        return f"click-{self.number}-{time.monotonic_ns():x}"

    def _note(self, tab: Tab) -> None:
        self.messages += tab.messages
        self.problem = self.problem or tab.problem
        for name in ("news_at", "loaded_at"):
            known, told = getattr(self, name), getattr(tab, name)
            if told is not None:
                setattr(self, name, max(known or 0.0, told))


def patched(before: Any, differences: Any) -> Any:
    """A value after what Gradio tells of its change."""
    if not isinstance(differences, list):
        return before
    for action, path, value in differences:
        before = _changed(before, action, path, value)
    return before


def _changed(target: Any, action: str, path: list[Any], value: Any) -> Any:
    if not path:
        return target + value if action == "append" else value
    [first, *rest] = path
    kept = dict(target) if isinstance(target, dict) else list(target)
    if rest or action == "append":
        kept[first] = _changed(kept[first], action, rest, value)
    elif action == "delete":
        del kept[first]
    elif action == "add" and isinstance(kept, list):
        kept.insert(first, value)
    else:
        kept[first] = value
    return kept
