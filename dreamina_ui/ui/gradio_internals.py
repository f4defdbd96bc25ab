"""All uses of what Gradio does not document. Most save work that has no effect on the page, and counts with a thousand watchers.

For each session, Gradio describes all components anew (25 ms of processor time, 200 kB), for links to a page's state, which this
page does not have. And at each change it makes all components of the event anew, those that stay as they are included.
"""

import asyncio
import inspect
import re
import sys
import time
from abc import ABCMeta
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from copy import copy
from inspect import iscoroutinefunction, signature
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import gradio.blocks
import gradio.queueing
import gradio.utils
import orjson
from fastapi import Depends, FastAPI
from fastapi.routing import APIRoute
from gradio.blocks import Block, BlockFunction
from gradio.component_meta import ComponentMeta
from gradio.components import CheckboxGroup, Dropdown, File, Radio, UploadButton
from gradio.components.api_component import Api
from gradio.components.base import _Keywords
from gradio.data_classes import BlocksConfigDict, FileData, PredictBody, PredictBodyInternal
from gradio.routes import BUILD_PATH_LIB, file_upload_statuses
from gradio.server_messages import (
    CloseStreamMessage,
    EstimationMessage,
    EventMessage,
    HeartbeatMessage,
    ProcessCompletedMessage,
    ProcessStartsMessage,
    UnexpectedErrorMessage,
)
from gradio.state_holder import SessionState, StateHolder
from gradio.utils import get_heartbeat_rate, get_upload_folder
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from dreamina_ui.api.endpoints import TAKING_FILES, TAKING_MANY
from dreamina_ui.ui.html.shown import Shown
from dreamina_ui.web.checks.addresses import ADDRESS
from dreamina_ui.web.checks.bodies import BODY
from dreamina_ui.web.checks.calls import Event, Input
from dreamina_ui.web.saved_files import saved_address
from dreamina_ui.web.visitors import NEW_VISITOR, VISITOR

__all__ = [
    "OpenCalls",
    "PageCalls",
    "PageStates",
    "SavedVideo",
    "StudioBlocks",
    "events_of",
    "kept_number",
    "kept_text",
    "mount_page",
    "page_files",
    "page_styles",
    "upload_folder",
    "value_in",
]


SESSION_CALLS_MOST, VISITOR_CALLS_MOST, STRANGER_CALLS_MOST, WAITING_MOST = 64, 40, 200, 500
"""Calls that are open at once: of a page, of a visitor, of all programs without a cookie, and of all beyond those that run."""
UNREAD_MOST, UNREAD_S = 1000, 600.0
"""Answers that are not fetched, in all, and the seconds that they are kept."""
TIDIED_EACH_S = 1.0
SESSIONS_MOST, UPLOADS_MOST = 2000, 500
"""Sessions whose page was changed in a way that Gradio has to remember, and uploads whose progress it tells."""
BRINGS_KEY = "save_key"
"""The function that takes a visitor's own key."""
LONG_TEXTS = ("batch-lines", "shelf-table")
"""Elements of the page that hold a whole batch, or a table."""
DISPLAY_PROPERTIES = frozenset({"__type__", "value", "visible", "interactive"})
"""An update of only these needs no new component; others (choices, bounds) are needed when input is read."""
SHOWN = (gr.HTML, gr.Textbox, gr.Button, gr.Row, gr.Group)
"""Components that show their value unchanged."""

LOGIN_CHECK = "login_check"
JOIN, DATA = "/gradio_api/queue/join", "/gradio_api/queue/data"
NOT_TAKEN = {"queue_full": 503, "validator_error": 422}
"""The status by which Gradio says why a call is not taken; 400 for any other reason."""
UNSEEN = (EstimationMessage, ProcessStartsMessage)
"""What Gradio tells of a call that waits or begins. Our page shows nothing of it; programs may."""
CALM_S, PROGRESS_S = 1.0, 1.0
"""The most seconds between two checks of Gradio's queue: for calls, where nobody woke it, and for progress, which we do not
report."""
DESCRIBED = ("api_info", "api_info_as_input", "api_info_as_output", "example_inputs")
"""What programs can read about a component that is a value of an endpoint."""
PLAIN = (gr.HTML, gr.Textbox, gr.Button, gr.Number, gr.Radio, gr.Dropdown, gr.Checkbox, gr.CheckboxGroup)
"""What takes its input as it is: no file is named in it, no file is made of it."""
VALUE_REFUSED = "A value is not of the kind that its field takes."


class _WithoutStub(ComponentMeta):
    """Gradio's metaclass writes a `.pyi` beside the source of each component; this one leaves the folder alone."""

    def __new__(cls, name: str, bases: tuple[type, ...], attrs: dict[str, Any]) -> type:
        return ABCMeta.__new__(cls, name, bases, attrs)


class SavedVideo(gr.Video, metaclass=_WithoutStub):
    """A player for videos of the library, which the page gets from a route of ours.

    Gradio's own component probes and converts each output where ffmpeg is installed, which a thousand watchers would
    feel, and gives it an address that contains its path on the server.
    """

    is_template = True
    """Tells Gradio to use the browser side of its own video component."""

    def postprocess(self, value: Shown | None) -> FileData | None:
        if value is None:
            return None
        return FileData(
            path=value.name,
            url=saved_address(value.path),
            orig_name=value.name,
            mime_type=value.kind.media_type,
            size=value.size,
        )

    def answer(self, value: Any) -> Any:
        """The video, or an update that may contain one, as the browser gets it."""
        if not isinstance(value, dict):
            file = self.postprocess(value)
            # Without its mark of a file, the server leaves the address relative: it may not know what the page's root is.
            return file and file.model_dump(exclude={"meta"})
        return {**value, "value": self.answer(value["value"])} if "value" in value else value


class StudioBlocks(gr.Blocks):
    """Processes only the returned outputs, rebuilds no component for a display update, and reads input without threads."""

    def __init__(self, *values: Any, **options: Any) -> None:
        self._told: dict[str, dict[str, Any]] = {}  # Gradio asks for the description while it starts, too.
        super().__init__(*values, **options)
        # By this name Gradio's browser side asks huggingface.co for a header of its own, which the page's policy forbids.
        self.space_id = None
        self.shown_later: list[Block] = []

    def queue(self, *values: Any, **options: Any) -> Any:
        with _without_app():
            return super().queue(*values, **options)

    def __exit__(self, *raised: Any) -> None:
        with _without_app():
            super().__exit__(*raised)

    def show_later(self, parts: Sequence[Block]) -> None:
        """Make these, which are invisible at first, when the browser has drawn all others (`assets/js/dreamina.js`)."""
        self.shown_later = list(parts)
        self.load(
            None,
            outputs=self.shown_later,
            js=f"() => window.dreamina.later({len(parts)})",
            show_progress="hidden",
            api_visibility="private",
        )

    def tell_browser(self, name: str, facts: Mapping[str, Any]) -> None:
        """Add facts to what our scripts find in the page's description, `gradio_config.dreamina[name]`; a component is its id
        there."""
        self._told.setdefault(name, {}).update(_with_ids(facts))

    def get_config_file(self) -> BlocksConfigDict:
        """The description from which the browser makes the page, without what it would make and never show."""
        config: Any = _lean(super().get_config_file())
        config["dreamina"] = self._told
        return config  # type: ignore[no-any-return]

    async def preprocess_data(
        self, block_fn: BlockFunction, inputs: list[Any], state: SessionState | None, explicit_call: bool = False
    ) -> list[Any]:
        """Gradio sends each value through a thread of its own, for components that read files; ours are taken as they are."""
        is_plain = all(isinstance(block, PLAIN) for block in block_fn.inputs) and not block_fn.component_prop_inputs
        if not is_plain or not block_fn.preprocess:
            return await super().preprocess_data(block_fn, inputs, state, explicit_call)  # type: ignore[no-any-return]
        self.validate_inputs(block_fn, inputs)
        blocks: list[Any] = [state[block._id] if state and block._id in state else block for block in block_fn.inputs]
        try:
            return [block.preprocess(value) for block, value in zip(blocks, inputs, strict=True)]
        except gr.Error:
            raise
        except Exception as error:  # a value of a kind that the page never sends
            raise gr.Error(VALUE_REFUSED, print_exception=False) from error

    async def postprocess_data(
        self, block_fn: BlockFunction, predictions: list[Any] | dict[Any, Any], state: SessionState | None
    ) -> list[Any]:
        """`predictions` by component or in the order of the outputs, as our handlers give them, or an endpoint's; others go to
        Gradio as they are."""
        if block_fn.outputs and all(isinstance(block, Api) for block in block_fn.outputs):
            # Gradio would take the path of a file in it for one on this disk, and give an absolute path in its place.
            return list(predictions) if len(block_fn.outputs) > 1 else [predictions]
        outputs = block_fn.outputs
        is_in_order = isinstance(predictions, list | tuple) and len(predictions) == len(outputs) == len(set(outputs))
        if is_in_order and not any(value is _Keywords.FINISHED_ITERATING for value in predictions):
            predictions = dict(zip(outputs, predictions, strict=True))
        is_by_component = isinstance(predictions, dict) and all(isinstance(key, Block) for key in predictions)
        if not is_by_component or len(block_fn.outputs) < 2:
            return await super().postprocess_data(block_fn, predictions, state)
        answers = {}
        changed = {}
        for component, value in predictions.items():  # type: ignore[union-attr]
            if isinstance(component, SHOWN) and (isinstance(value, str) or is_display_update(value)):
                answers[component._id] = value
            elif isinstance(component, SavedVideo):
                answers[component._id] = component.answer(value)
            else:
                changed[component._id] = value
        others = [block for block in outputs if block._id in changed]
        if others:
            fewer = copy(block_fn)
            fewer.outputs = others
            values = [changed[block._id] for block in others]
            done = await super().postprocess_data(fewer, values if len(values) > 1 else values[0], state)
            answers |= {block._id: value for block, value in zip(others, done, strict=True)}
        return [answers.get(block._id, gr.skip()) for block in block_fn.outputs]


def _lean(config: BlocksConfigDict) -> BlocksConfigDict:
    """What Gradio's browser side makes for each value of an endpoint, and describes for each component, is for no page.

    Nor is the state of a call that shows no progress: Gradio writes it to each of its outputs, twice for each call, and for each
    searches the whole page. Programs read the same description; of it they use the endpoints alone.
    """
    endpoints = {component["id"] for component in config["components"] if component["type"] == "api"}
    for component in config["components"]:
        if component["id"] in endpoints:
            component["props"]["visible"] = False
        else:
            for name in DESCRIBED:
                component.pop(name, None)
    pages: list[Any] = [config, *config["page"].values()]
    for page in pages:
        children = page["layout"]["children"]
        page["layout"]["children"] = [child for child in children if child["id"] not in endpoints]
    for event in config["dependencies"]:
        if event["show_progress"] == "hidden" and event["targets"]:
            event["show_progress_on"] = []
    return config


def _with_ids(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _with_ids(each) for name, each in value.items()}
    return value._id if isinstance(value, Block) else value


def kept_text(name: str, value: str = "") -> gr.Textbox:
    """A text that the page keeps and never shows: events set it, read it, and run at its change, and nothing is drawn for it.

    (What is `visible="hidden"` is drawn and measured like any other field.)
    """
    return gr.Textbox(value, visible=False, container=False, elem_id=name, label=name)


def kept_number(name: str) -> gr.Number:
    """A whole number that the page keeps and never shows, 0 at first."""
    return gr.Number(0, precision=0, visible=False, container=False, elem_id=name, label=name)


def is_display_update(value: Any) -> bool:
    """Whether this is an update of nothing but a component's display properties."""
    is_update = isinstance(value, dict) and value.get("__type__") == "update"
    return is_update and value.keys() <= DISPLAY_PROPERTIES and isinstance(value.get("value", ""), str | None)


def mount_page(app: FastAPI, blocks: gr.Blocks, *, max_watchers: int, **options: Any) -> None:
    """Serve the page at the root of `app`, behind its own routes, with at most this many events that run at once.

    `options` are those of `gr.mount_gradio_app`, which has none for the number of events, unlike `launch`.
    """
    blocks.max_threads = max_watchers
    queue = blocks._queue
    queue.max_thread_count = max_watchers
    _wake_when_needed(queue)
    queue.progress_update_sleep_when_free = PROGRESS_S
    # After each call Gradio computes statistics of all calls it remembers, by pandas.
    queue.ANAYLTICS_CACHE_FREQUENCY, queue.ANALYTICS_MAX_EVENTS = sys.maxsize, 1
    # And a thread is asked for them; they are nothing but a look whether there are enough new calls.
    gradio.queueing.run_sync = _at_once  # type: ignore[assignment]
    # For plots, which this page has none of, Gradio tries to import matplotlib twice for each message; where it is not
    # installed, each try looks through all of Python's folders.
    gradio.utils.MatplotlibBackendMananger = nullcontext  # type: ignore[assignment, misc]
    gr.mount_gradio_app(app, blocks, "/", **options)
    blocks.state_session_capacity = SESSIONS_MOST
    states = PageStates()
    states.set_blocks(blocks)
    mounted = app.routes[-1].app  # type: ignore[attr-defined]
    mounted.state_holder = states
    blocks.app = mounted
    _quieten(queue)
    _speed_up_routes(mounted)
    # Before Gradio's own, and found first: each of sixty other addresses would be compared with what is asked for.
    mounted.router.routes[:0] = PageCalls(mounted, queue).routes


def _quieten(queue: Any) -> None:
    """Tell the page nothing of its calls that it does not show: two of three messages of each."""
    send = queue.send_message

    def send_message(event: Any, message: EventMessage) -> None:
        if not isinstance(message, UNSEEN) or event.fn.api_visibility == "public":
            send(event, message)

    queue.send_message = send_message


class PageCalls:
    """Takes calls and sends their answers, in the place of Gradio's own two routes, for which FastAPI takes a call apart twice,
    and which look, with a task of its own, for each message again whether the browser is still there.

    Nobody logs in by Gradio's passwords, for which its own routes look.
    """

    def __init__(self, app: Any, queue: Any) -> None:
        self._app = app
        self._queue = queue

    @property
    def routes(self) -> list[Route]:
        join, data = Route(JOIN, self._join, methods=["POST"]), Route(DATA, self._data, methods=["GET"])
        assert data.methods is not None
        data.methods.discard("HEAD")  # to read a stream takes its messages
        return [join, data]

    async def _join(self, request: Request) -> Response:
        body = request.scope.get(BODY)
        content = body.content if body is not None else await request.json()
        try:
            given = {name: content[name] for name in PredictBody.model_fields if name in content}
            call = PredictBodyInternal(**given, request=request)
        except ValidationError as error:
            return _untaken(422, error.errors(include_url=False, include_context=False, include_input=False))
        if call.session_hash is None:
            return _untaken(400, "Session hash not found.")
        if self._queue.stopped:
            return _untaken(503, "Queue is stopped.")
        if self._queue.server_app is None:
            self._queue.set_server_app(self._app)
        is_taken, told, state = await self._queue.push(body=call, request=request, username=None)
        return JSONResponse({"event_id": told}) if is_taken else _untaken(NOT_TAKEN.get(state, 400), told)

    async def _data(self, request: Request) -> Response:
        session = request.query_params.get("session_hash")
        if session is None:
            return _untaken(422, "Session hash not found.")
        return StreamingResponse(self.answers(session), media_type="text/event-stream")

    async def answers(self, session: str) -> AsyncIterator[bytes]:
        """What is told to a session, until nothing of it is open any more; what is there at once is sent at once."""
        queue = self._queue
        heartbeat_s = get_heartbeat_rate()
        try:
            while (messages := queue.pending_messages_per_session.get(session)) is not None:
                told: list[EventMessage] = []
                try:
                    async with asyncio.timeout(heartbeat_s):
                        told.append(await messages.get())
                except TimeoutError:
                    told.append(HeartbeatMessage())
                while not messages.empty():
                    told.append(messages.get_nowait())
                if queue.stopped:
                    yield _line(UnexpectedErrorMessage(message="Server stopped unexpectedly."))
                    return
                ended = {message.event_id for message in told if isinstance(message, ProcessCompletedMessage)}
                still_open = queue.pending_event_ids_session.get(session, set())
                still_open -= ended
                is_last = bool(ended) and not still_open
                yield b"".join(map(_line, [*told, CloseStreamMessage()] if is_last else told))
                if is_last:
                    return
            yield _line(UnexpectedErrorMessage(message="404: Not Found", session_not_found=True))
        except asyncio.CancelledError:  # whoever has asked is gone, or the program stops
            queue.pending_messages_per_session.pop(session, None)
            await queue.clean_events(session_hash=session)
            yield _line(UnexpectedErrorMessage(message=""))
            raise


def _untaken(status: int, detail: object) -> Response:
    return JSONResponse({"detail": detail}, status)


def _line(message: BaseModel) -> bytes:
    # Not by `model_dump`, which copies all that is told, value by value.
    return b"data: " + orjson.dumps(vars(message), default=_plain) + b"\n\n"


def _plain(value: Any) -> Any:
    return value.model_dump() if isinstance(value, BaseModel) else str(value)


class _Pause(float):
    """How long Gradio's queue sleeps, as the number that it hands to `asyncio.sleep`; it can be ended."""

    def __init__(self, _most_s: float) -> None:
        self.needed = asyncio.Event()

    async def wait(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self):
                await self.needed.wait()
        self.needed.clear()


class _PausingAsyncio:
    """`asyncio` as Gradio's queue sees it: its own pauses end when there may be something to do."""

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    async def sleep(self, delay: float, result: Any = None) -> Any:
        return await (delay.wait() if isinstance(delay, _Pause) else asyncio.sleep(delay, result))


class _NoApp:
    @staticmethod
    def create_app(*_: object, **__: object) -> None:
        """Make none."""


@contextmanager
def _without_app() -> Iterator[None]:
    """Gradio makes its app, with sixty routes, when a page is begun, when it is ended, and when it is mounted: only that one is
    ever asked."""
    kept, gradio.blocks.App = gradio.blocks.App, _NoApp  # type: ignore[misc, assignment]
    try:
        yield
    finally:
        gradio.blocks.App = kept  # type: ignore[misc]


def _wake_when_needed(queue: gradio.queueing.Queue) -> None:
    """By itself Gradio's queue checks for calls a thousand times a second, which costs an idle program a part of a core.

    It has something to do when a call has come, or when one has ended and others wait for its place.
    """
    pause = _Pause(CALM_S)
    queue.sleep_when_free = pause
    gradio.queueing.asyncio = _PausingAsyncio()  # type: ignore[assignment]

    def waking(work: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def work_and_wake(*values: Any, **options: Any) -> Any:
            try:
                return await work(*values, **options)
            finally:
                pause.needed.set()

        return work_and_wake

    queue.push = waking(queue.push)  # type: ignore[method-assign, assignment]
    queue.process_events = waking(queue.process_events)  # type: ignore[method-assign, assignment]


def _speed_up_routes(app: FastAPI) -> None:
    """For each request Gradio asks a thread whether somebody has logged in, which only looks at a value that is there."""
    for included in app.router.routes:
        routes: list[Any] = getattr(getattr(included, "original_router", None), "routes", [])
        for route in routes:
            if isinstance(route, APIRoute):
                route.dependencies[:] = map(_checked_at_once, route.dependencies)


def _checked_at_once(depends: Any) -> Any:
    check = depends.dependency
    if getattr(check, "__name__", "") != LOGIN_CHECK or iscoroutinefunction(check):
        return depends
    user = signature(check).parameters["user"].default  # told by what is asynchronous already

    async def login_check(user: Any = user) -> Any:
        return check(user)

    return Depends(login_check)


async def _at_once(function: Callable[..., Any], *arguments: Any) -> Any:
    return function(*arguments)


_ENTRY = re.compile(r'src="\./assets/([^"]+\.js)"')
_NEEDED = re.compile(r"m\.f=\[([^\]]*)\]")
_LOADED = r"import\(`\./([^`]+)`\)[^`]{0,60}?,__vite__mapDeps\(\[([\d,]*)\]\)"


def page_files(blocks: StudioBlocks) -> tuple[list[Path], list[Path]]:
    """Gradio's scripts and styles that the browser needs before the page can be used, in the order in which it asks for them.

    Each script names the next ones, and those of a component are asked for one component after the other: five round trips, while
    nothing is shown. Empty where Gradio's files are not built as they were: then the page takes longer.
    """
    folder = Path(BUILD_PATH_LIB)
    types = {"state" if part["type"] == "api" else part["type"] for part in _made(blocks)}
    page = (folder.parent / "index.html").read_text(encoding="utf-8")
    entry = _ENTRY.search(page)
    if entry is None:
        return [], []
    files = dict.fromkeys([entry[1]])
    for start, next_one in ((entry[1], "[a-zA-Z]+-"), ("Index-", "Blocks-"), ("core-", "")):
        script = next((name for name in files if name.startswith(start)), None)
        if script is None:
            return [], []
        text = (folder / script).read_text(encoding="utf-8")
        listed = _NEEDED.search(text)
        names = [name.strip('"').removeprefix("./") for name in listed[1].split(",")] if listed else []
        loads = [_component_load(text, kind) for kind in sorted(types)] if not next_one else re.findall(_LOADED, text)
        for name, numbers in filter(None, loads):
            if re.match(next_one, name):
                files |= dict.fromkeys([name, *(names[int(number)] for number in filter(None, numbers.split(",")))])
    found = [folder / name for name in files]
    styles = [file for file in found if file.suffix == ".css" and file.name not in page]
    return [file for file in found if file.suffix == ".js"], styles


_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_RULE = re.compile(r"([^{}]+)\{((?:[^{}]|\{[^{}]*\})*)\}")
CONTAINER = f".gradio-container.gradio-container-{gr.__version__.replace('.', '-')} .contain"


def page_styles(files: Iterable[Path]) -> str:
    """Our styles as Gradio's browser side would write them: each rule, and again for what is inside the page's container, which
    puts it before Gradio's own rules; those of a media query only the second way.

    Done in the browser, it takes as long as all of the page's layout.
    """
    text = _COMMENT.sub("", "\n".join(file.read_text(encoding="utf-8") for file in files))
    return "\n".join(_placed(head.strip(), body.strip()) for head, body in _RULE.findall(text))


def _placed(head: str, body: str) -> str:
    if head.startswith("@media"):
        return f"{head} {{ {' '.join(_contained(*rule) for rule in _RULE.findall(body))} }}"
    rule = f"{head} {{ {body} }}"
    return rule if head.startswith("@") else f"{rule}\n{_contained(head, body)}"


def _contained(selectors: str, body: str) -> str:
    is_dark = ".dark" in selectors
    parts = (part.strip() for part in selectors.replace(".dark", "", 1).split(","))
    start = f".dark {CONTAINER}" if is_dark else CONTAINER
    return f"{', '.join(f'{start} {part}' for part in parts)} {{ {body.strip()} }}"


def _component_load(text: str, kind: str) -> tuple[str, str] | None:
    found = re.search(rf"\b{kind}:\{{[^{{}}]*?component:\(\)=>\w+\(\(\)=>{_LOADED}", text)
    return (found[1], found[2]) if found else None


def _made(blocks: StudioBlocks) -> Iterator[Any]:
    """The components whose files the browser loads when it opens the page: others are loaded when they are shown."""
    later = {block._id for block in blocks.shown_later}
    parts = blocks.config["components"]
    return (part for part in parts if part["props"].get("visible", True) is not False or part["id"] in later)


def value_in(event: gr.EventData, name: str) -> Any:
    """What a script sent with an event under this name, or None. Gradio's own `event.name` fails on data that is no object."""
    return event._data.get(name) if isinstance(event._data, dict) else None


def upload_folder() -> Path:
    """Where Gradio keeps what visitors upload."""
    return Path(get_upload_folder())


def events_of(blocks: gr.Blocks, version: str = "") -> Mapping[int, Event]:
    """The events of the page by the numbers that its browser side calls them by; without those that call no function.

    `version` is that of the page's forms.
    """
    return {
        number: Event(
            [Input(may_hold_files=True, is_long=_public_name(event) in TAKING_MANY)] * len(event.inputs)
            if _public_name(event) in TAKING_FILES
            else [_input(block) for block in event.inputs],
            _public_name(event),
            _meaning(event, version),
            brings_key=event.api_name == BRINGS_KEY,
            defaults=_defaults(event) if _public_name(event) else (),
        )
        for number, event in blocks.fns.items()
        if event.fn is not None
    }


def _meaning(event: BlockFunction, version: str) -> str:
    """The function's name, how many values go in and come out, and of which forms, as `assets/js/connection.js` writes it."""
    return f"{event.api_name}/{len(event.inputs)}/{len(event.outputs)}/{version}"


def _defaults(event: BlockFunction) -> Sequence[Any]:
    """The defaults of an endpoint's last inputs."""
    asked = list(inspect.signature(event.fn).parameters.values())[: len(event.inputs)] if event.fn else []
    given = [parameter.default for parameter in asked]
    first = max((index + 1 for index, value in enumerate(given) if value is inspect.Parameter.empty), default=0)
    return tuple(given[first:])


def _public_name(event: BlockFunction) -> str | None:
    return event.api_name if isinstance(event.api_name, str) and event.api_visibility == "public" else None


def _input(block: Any) -> Input:
    if isinstance(block, File | UploadButton):
        return Input(is_file=True)
    if block.elem_id in LONG_TEXTS:
        return Input(is_long=True)
    is_open = isinstance(block, Dropdown) and block.allow_custom_value and not block.multiselect
    if is_open or not isinstance(block, CheckboxGroup | Dropdown | Radio):
        return Input()
    several = isinstance(block, CheckboxGroup) or (isinstance(block, Dropdown) and bool(block.multiselect))
    return Input(choices=[value for _, value in block.choices], takes_several=several)


class OpenCalls:
    """What Gradio keeps of calls until their answers are taken, and of sessions; by itself, for ever.

    `monotonic` gives seconds.
    """

    def __init__(self, blocks: gr.Blocks, *, most: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._blocks = blocks
        self._most = most
        self._monotonic = monotonic
        self._read_at: dict[str, float] = {}
        self._tidied_at = float("-inf")
        self._open_most: dict[str | None, int] = {}
        """By visitor, how many calls are open at most: those that were there when it was last counted, and those since."""

    def knows(self, name: str) -> bool:
        """Whether a session of this name, or a call, is answered or waits to be."""
        queue = self._blocks._queue
        waiting = name in queue.pending_messages_per_session or name in queue.event_ids_to_events
        return waiting or any(name in calls for calls in queue.pending_event_ids_session.values())

    def has_room(self, session: str, visitor_id: str | None, address: str = "") -> bool:
        """Whether one more call may come: of this session, of this visitor (None without a cookie), of this address of the open
        net, which may have half of what all may have, and at all."""
        queue = self._blocks._queue
        if len(queue.pending_event_ids_session.get(session, ())) >= SESSION_CALLS_MOST:
            return False
        running = list(queue.event_ids_to_events.values())
        if len(running) >= self._most + WAITING_MOST:
            return False
        # Counted anew only where there may be too many: with a thousand people, it is a thousand calls to look at.
        if address and len(running) >= STRANGER_CALLS_MOST // 2:
            here = [call.request.scope for call in running if call.request.scope.get(ADDRESS) == address]
            if len(here) >= (self._most + WAITING_MOST) // 2:
                return False
            if visitor_id is None and sum(_is_of(scope, None) for scope in here) >= STRANGER_CALLS_MOST // 2:
                return False
        limit = STRANGER_CALLS_MOST if visitor_id is None else VISITOR_CALLS_MOST
        count = self._open_most.pop(visitor_id, limit)
        if count >= limit:
            count = sum(_is_of(call.request.scope, visitor_id) for call in running)
        if count < limit:
            self._open_most[visitor_id] = count + 1
        if len(self._open_most) > SESSIONS_MOST:
            del self._open_most[next(iter(self._open_most))]
        return count < limit

    def tidy(self) -> None:
        """Forget answers that were not fetched for some minutes, or that are too many; and what is left of ended sessions."""
        queue, app, now = self._blocks._queue, getattr(self._blocks, "app", None), self._monotonic()
        if now - self._tidied_at < TIDIED_EACH_S:
            return
        self._tidied_at = now
        calls, messages = queue.pending_event_ids_session, queue.pending_messages_per_session
        running = queue.event_ids_to_events
        left = dict.fromkeys([*calls, *messages])  # the oldest first
        # A stream that is open waits for more; so does who will come back for what still runs.
        active = {
            session
            for session in left
            if (session in messages and messages[session]._getters)  # type: ignore[attr-defined]
            or any(call in running for call in calls.get(session, ()))
        }
        self._read_at = {name: now if name in active else self._read_at.get(name, now) for name in left}
        unread = sorted((name for name in left if name not in active), key=lambda name: self._read_at[name])
        count = sum(max(1, len(calls.get(session, ()))) for session in unread)
        for session in unread:
            if count <= UNREAD_MOST and now - self._read_at[session] < UNREAD_S:
                break
            count -= max(1, len(calls.pop(session, ())))
            messages.pop(session, None)
        if app is not None and len(app.iterators_to_reset) > UNREAD_MOST:
            app.iterators_to_reset.intersection_update(running)
        for kept in (file_upload_statuses._signals, file_upload_statuses._statuses):
            for name in list(kept)[: max(0, len(kept) - UPLOADS_MOST)]:
                del kept[name]


def _is_of(scope: Mapping[str, Any], visitor_id: str | None) -> bool:
    return NEW_VISITOR in scope if visitor_id is None else scope.get(VISITOR) == visitor_id


class PageStates(StateHolder):
    """What the server keeps of each session: what differs from the page, and no description of it."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def __getitem__(self, session_id: str) -> SessionState:
        if session_id not in self.session_data:
            self.session_data[session_id] = _PageState(self.blocks)
        return super().__getitem__(session_id)


class _PageState(SessionState):
    def __init__(self, blocks: gr.Blocks) -> None:
        # Of the page, Gradio's own state reads the components that it is to describe: none, now or later.
        super().__init__(SimpleNamespace(default_config=blocks.default_config, blocks={}))  # type: ignore[arg-type]
        self.blocks_config.config_for_block = _no_description  # type: ignore[method-assign, assignment]


def _no_description(*_: object) -> dict[str, Any]:
    return {}
