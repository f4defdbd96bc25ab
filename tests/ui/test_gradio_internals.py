"""Gradio's page without the work that nobody sees does the same as with it."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import fastapi.dependencies.utils
import gradio as gr
import gradio.queueing
import gradio.route_utils
import gradio.utils
import httpx
import pytest
from fastapi import FastAPI
from gradio.components.base import _Keywords
from gradio.routes import App
from gradio.state_holder import SessionState
from markupsafe import Markup
from starlette.middleware import Middleware

from dreamina_ui.ui import gradio_internals
from dreamina_ui.ui.gradio_internals import (
    DATA,
    JOIN,
    SESSION_CALLS_MOST,
    STRANGER_CALLS_MOST,
    UNREAD_S,
    VISITOR_CALLS_MOST,
    OpenCalls,
    PageCalls,
    PageStates,
    StudioBlocks,
    events_of,
    kept_text,
    mount_page,
    page_files,
    page_styles,
    upload_folder,
    value_in,
)
from dreamina_ui.web.checks.calls import Event, Input
from dreamina_ui.web.visitors import COOKIE, VisitorCookie, Visitors
from tests.waiting import until

pytestmark = pytest.mark.anyio


def page(kind: type[gr.Blocks]) -> tuple[gr.Blocks, list[Any]]:
    with kind() as blocks:
        shown, typed, picked = gr.HTML("a"), gr.Textbox("b"), gr.Dropdown(["x", "y"], value="x")
        button, counted = gr.Button("go", visible=False), gr.State(0)
        with gr.Row(visible=False) as row:
            pass
        parts = [shown, typed, picked, button, counted, row]
        button.click(lambda: None, outputs=parts)
    return blocks, parts


UPDATES = (
    ["<b>new</b>", "typed", "y", gr.update(visible=True, interactive=False), 3, gr.update(visible=True)],
    [
        gr.update(value="", visible=False),
        gr.update(value="t"),
        gr.update(choices=["z"], value="z"),
        gr.skip(),
        4,
        gr.skip(),
    ],
    [gr.skip(), gr.skip(), gr.skip(), gr.skip(), gr.skip(), gr.skip()],
    [_Keywords.FINISHED_ITERATING] * 6,
)
"""The last ones are the end of a generator."""


@pytest.mark.parametrize("by_component", [True, False])
@pytest.mark.parametrize("values", UPDATES)
async def test_what_is_told_is_what_gradio_would_tell(values: list[Any], by_component: bool) -> None:
    """The browser gets the same, and the session keeps the same value, for every kind of change."""
    answers = []
    for kind in (gr.Blocks, StudioBlocks):
        blocks, parts = page(kind)
        states = PageStates()
        states.set_blocks(blocks)
        state = states["session"] if kind is StudioBlocks else SessionState(blocks)
        [event] = blocks.fns.values()
        each = deepcopy(values)  # Gradio takes an update apart
        given = dict(zip(parts, each, strict=True)) if kind is StudioBlocks and by_component else each
        told = await blocks.postprocess_data(event, given, state)
        answers.append(([_plain(value) for value in told], state[parts[4]._id]))
    assert answers[0] == answers[1]


def _plain(value: Any) -> Any:
    """Without the `props` of a `gr.HTML`, in which Gradio repeats that this is an update."""
    return {name: held for name, held in value.items() if name != "props"} if isinstance(value, dict) else value


async def test_a_session_keeps_new_choices() -> None:
    """A later input is read by what the component then was: its new choices are allowed, its old ones are not."""
    blocks, parts = page(StudioBlocks)
    states = PageStates()
    states.set_blocks(blocks)
    [event] = blocks.fns.values()
    await blocks.postprocess_data(event, {parts[2]: gr.update(choices=["z"]), parts[0]: "told"}, states["session"])
    held = states["session"][parts[2]._id]
    assert [value for _, value in held.choices] == ["z"]


async def test_a_session_holds_no_description_of_the_page() -> None:
    """A thousand visitors are a thousand sessions: none of them copies the page."""
    blocks, _ = page(StudioBlocks)
    states = PageStates()
    states.set_blocks(blocks)
    assert list(states["session"].components) == []
    assert states["session"] is states["session"]


def test_the_events_of_a_page_and_what_they_take() -> None:
    """By number; a name only where programs may call it; choices as they are sent; no event without a function."""
    with gr.Blocks() as blocks:
        radio, typed, picked = gr.Radio([("One", 1), ("Two", 2)]), gr.Textbox(), gr.Dropdown(["x", "y"])
        free, many = gr.Dropdown(["x"], allow_custom_value=True), gr.CheckboxGroup(["a", "b"])
        several, file, upload = gr.Dropdown(["p"], multiselect=True), gr.File(), gr.UploadButton()
        button = gr.Button()
        taken = [radio, typed, picked, free, many, several, file, upload]
        button.click(lambda *_: None, inputs=taken, api_name="open")
        button.click(lambda: None, api_visibility="private", api_name="hidden")
        button.click(None, js="() => 1")
    assert events_of(blocks, "v1") == {
        0: Event(
            [
                Input(choices=[1, 2]),
                Input(),
                Input(choices=["x", "y"]),
                Input(),
                Input(choices=["a", "b"], takes_several=True),
                Input(choices=["p"], takes_several=True),
                Input(is_file=True),
                Input(is_file=True),
            ],
            "open",
            "open/8/0/v1",
        ),
        1: Event([], None, "hidden/0/0/v1"),
    }


async def test_a_mounted_page_runs_events_and_knows_who_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many run at once as is said; a call and its session are known until their answer was taken, and not before.

    No thread is asked for a call: neither whether somebody has logged in, nor for statistics. Of all addresses, those that are
    asked for most are looked at first.
    """
    running, most = asyncio.Event(), 50
    asked: list[object] = []

    async def noted(function: Callable[..., object], *values: object, **named: object) -> object:
        asked.append(function)
        return function(*values, **named)

    monkeypatch.setattr(fastapi.dependencies.utils, "run_in_threadpool", noted)

    async def wait() -> str:
        await running.wait()
        return "done"

    with gr.Blocks() as blocks:
        shown, button = gr.HTML(), gr.Button()
        button.click(wait, outputs=shown, api_name="wait", concurrency_limit=None)
    app = FastAPI()
    mount_page(app, blocks, max_watchers=most, run_history=False, ssr_mode=False)
    knows = OpenCalls(blocks, most=most).knows
    web = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://studio")
    async with app.router.lifespan_context(app), web:
        assert [route.path for route in app.routes[-1].app.routes[:2]] == [JOIN, DATA]  # type: ignore[attr-defined]
        assert not knows("mine")
        calls = []
        for _ in range(most):
            call = await web.post("/gradio_api/call/wait", json={"data": [], "session_hash": "mine"})
            calls.append(call.json()["event_id"])
        assert knows("mine")
        assert all(map(knows, calls))
        assert not knows("another")
        running.set()
        answer = await web.get(f"/gradio_api/call/wait/{calls[0]}")
        assert (await web.get("/gradio_api/login_check")).status_code == 200
    assert '["done"]' in answer.text
    assert asked == []


@asynccontextmanager
async def mounted(blocks: gr.Blocks, *, most: int = 20, app: FastAPI | None = None) -> AsyncIterator[httpx.AsyncClient]:
    """The page in a running app, and who asks it."""
    app = app or FastAPI()
    mount_page(app, blocks, max_watchers=most, run_history=False, ssr_mode=False, show_error=True)
    web = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://studio")
    async with app.router.lifespan_context(app), web:
        yield web


def waiting_page(running: asyncio.Event, begun: asyncio.Event) -> gr.Blocks:
    """Its event, which is the page's own, sets `begun`, waits for `running`, and then says "done"."""

    async def wait() -> str:
        begun.set()
        await running.wait()
        return "done"

    blocks = gr.Blocks()
    with blocks:
        button, shown = gr.Button(), gr.HTML()
        button.click(wait, outputs=shown, api_visibility="private", concurrency_limit=None)
    return blocks


@asynccontextmanager
async def served(*, ours: bool) -> AsyncIterator[httpx.AsyncClient]:
    """A page with our routes for calls, or Gradio's own. Of its events one answers, one does so bit by bit, one fails; and the
    first one is there once more for programs."""

    def fail() -> None:
        raise gr.Error("it broke", print_exception=False)

    async def count() -> AsyncIterator[dict[Any, Any]]:
        for number in range(3):
            yield {shown: f"<b>{number}</b>", typed: Markup("<i>{}</i>").format(number)}

    with StudioBlocks() as blocks:
        shown, typed, button = gr.HTML(), gr.Textbox("a"), gr.Button()
        both = [shown, typed]
        button.click(lambda text: [f"{text}!", gr.skip()], inputs=typed, outputs=both, api_visibility="private")
        button.click(count, outputs=both, api_visibility="private")
        button.click(fail, outputs=both, api_visibility="private")
        button.click(lambda text: [f"{text}!", gr.skip()], inputs=typed, outputs=both, api_name="open")
    blocks.queue(default_concurrency_limit=None)
    async with mounted(blocks) as web:
        if not ours:
            del blocks.app.router.routes[:2]
        yield web


async def told(web: httpx.AsyncClient, event: int, data: list[Any], session: str = "mine") -> list[dict[str, Any]]:
    """The messages about one call, without what differs from run to run."""
    joined = await web.post(JOIN, json={"data": data, "fn_index": event, "session_hash": session, "event_data": None})
    name = joined.raise_for_status().json()["event_id"]
    answer = await web.get(DATA, params={"session_hash": session})
    assert answer.headers["content-type"].startswith("text/event-stream")
    messages = [json.loads(line.removeprefix("data: ")) for line in answer.text.split("\n\n") if line]
    assert {message["event_id"] for message in messages} <= {name, None}
    for message in messages:
        output = message.get("output") or {}
        for changing in ("duration", "average_duration"):
            output.pop(changing, None)
        for changing in ("event_id", "eta", "rank_eta", "avg_time", "cache_duration"):
            message.pop(changing, None)
    return messages


UNSEEN = ("estimation", "process_starts")


@pytest.mark.parametrize(("event", "data"), [(0, ["b"]), (1, []), (2, []), (3, ["b"])])
async def test_our_routes_for_calls_tell_what_gradios_tell(event: int, data: list[Any]) -> None:
    """Each message is the same; of the page's own events those are left out that it shows nothing of."""
    answers = []
    for ours in (False, True):
        async with served(ours=ours) as web:
            answers.append(await told(web, event, data))
    assert answers[0] == answers[1]
    kinds = [message["msg"] for message in answers[1]]
    assert [kind for kind in kinds if kind in UNSEEN] == (list(UNSEEN) if event == 3 else [])
    assert kinds[-2:] == ["process_completed", "close_stream"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"data": [], "fn_index": 1}, 400),
        ({"fn_index": 1, "session_hash": "mine"}, 422),
        ({"data": [], "fn_index": 1, "session_hash": "mine", "trigger_id": "x"}, 422),
        ({"data": [], "fn_index": 1, "session_hash": ["mine"]}, 422),
    ],
)
async def test_what_is_no_call_is_refused_as_gradio_does(body: dict[str, Any], status: int) -> None:
    """In JSON, with a status that says whose fault it is."""
    for ours in (False, True):
        async with served(ours=ours) as web:
            answer = await web.post(JOIN, json=body)
            assert (answer.status_code, "detail" in answer.json()) == (status, True)


async def test_the_stream_of_no_session_ends_at_once() -> None:
    """And one is read by GET alone: a look at its head would take its messages."""
    async with served(ours=True) as web:
        answer = await web.get(DATA, params={"session_hash": "nobodys"})
        [message] = [json.loads(line.removeprefix("data: ")) for line in answer.text.split("\n\n") if line]
        assert (message["msg"], message["session_not_found"]) == ("unexpected_error", True)
        assert (await web.head(DATA, params={"session_hash": "nobodys"})).status_code == 405
        assert (await web.get(DATA)).status_code == 422


async def test_who_leaves_a_stream_takes_its_calls_along() -> None:
    """What runs for a page that is gone is told to nobody, and its session is forgotten."""
    running, begun = asyncio.Event(), asyncio.Event()
    blocks = waiting_page(running, begun)
    queue = blocks._queue
    async with mounted(blocks) as web:
        await web.post(JOIN, json={"data": [], "fn_index": 0, "session_hash": "mine"})
        reading = asyncio.create_task(web.get(DATA, params={"session_hash": "mine"}))
        await begun.wait()
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        assert "mine" not in queue.pending_messages_per_session
        running.set()
        await until(lambda: not queue.event_ids_to_events)
        assert "mine" not in queue.pending_messages_per_session


async def test_a_quiet_stream_is_kept_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a heartbeat, whenever nothing was told for as long as Gradio's own streams are silent at most."""
    running = asyncio.Event()
    monkeypatch.setattr(gradio_internals, "get_heartbeat_rate", lambda: 0.05)
    blocks = waiting_page(running, asyncio.Event())
    async with mounted(blocks) as web:
        await web.post(JOIN, json={"data": [], "fn_index": 0, "session_hash": "mine"})
        answers = PageCalls(blocks.app, blocks._queue).answers("mine")
        assert [b'"heartbeat"' in await anext(answers) for _ in range(2)] == [True, True]
        running.set()
        rest = b"".join([line async for line in answers])
        assert b'"process_completed"' in rest
        assert rest.endswith(b"\n\n")


async def test_the_queue_rests_until_a_call_comes_or_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls that wait for the end of another begin after it, though nobody looks for them by itself; then nobody looks."""
    monkeypatch.setattr(gradio_internals, "CALM_S", 3600.0)
    with gr.Blocks() as blocks:
        shown, button = gr.HTML(), gr.Button()
        button.click(lambda: "done", outputs=shown, api_name="work", concurrency_limit=1)
    async with mounted(blocks, most=5) as web:
        calls = [await web.post("/gradio_api/call/work", json={"data": []}) for _ in range(3)]
        answers = [await web.get(f"/gradio_api/call/work/{call.json()['event_id']}") for call in calls]
        looks: list[object] = []

        def looked(queue: object) -> int:
            looks.append(queue)
            return 0

        monkeypatch.setattr(gradio.queueing.Queue, "__len__", looked)
        await asyncio.sleep(0.05)
    assert ['["done"]' in answer.text for answer in answers] == [True] * 3
    assert looks == []


def test_gradio_s_app_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that is made and mounted has one app, the mounted one; a page of Gradio's own is made as ever."""
    made: list[object] = []
    create = App.create_app

    def noted(*values: Any, **options: Any) -> App:
        made.append(create(*values, **options))
        return made[-1]  # type: ignore[return-value]

    monkeypatch.setattr(App, "create_app", noted)
    blocks, app = page(StudioBlocks)[0], FastAPI()
    assert made == []
    mount_page(app, blocks, max_watchers=5, run_history=False, ssr_mode=False)
    assert made == [app.routes[-1].app] == [blocks.app]  # type: ignore[attr-defined]
    page(gr.Blocks)
    assert len(made) == 3


async def test_answers_that_nobody_takes_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """After some minutes, or when there are too many; not what runs or is waited for. A page may have some dozens open."""
    most = 2 * SESSION_CALLS_MOST
    assert most < gradio_internals.UNREAD_MOST
    monkeypatch.setattr(gradio_internals, "UNREAD_MOST", most)
    at, running = 0.0, asyncio.Event()

    async def wait(text: str) -> str:
        if text == "wait":
            await running.wait()
        return text

    with gr.Blocks() as blocks:
        box, button = gr.Textbox(), gr.Button()
        button.click(wait, inputs=box, outputs=box, api_name="wait", concurrency_limit=None)

    async def ask(session: str, text: str = "now") -> None:
        body = {"data": [text], "session_hash": session, "fn_index": 0}
        (await web.post("/gradio_api/queue/join", json=body)).raise_for_status()

    async with mounted(blocks, most=100) as web:
        calls = OpenCalls(blocks, most=100, monotonic=lambda: at)
        await ask("slow", "wait")
        for number in range(most + 20):
            await ask(str(number))
            if number < SESSION_CALLS_MOST:
                assert calls.has_room("busy", None)
                await ask("busy")
        await until(lambda: len(blocks._queue.event_ids_to_events) == 1)
        assert not calls.has_room("busy", None)
        assert calls.has_room("another", None)
        assert calls.has_room("another", None, "8.8.8.8")
        calls.tidy()
        assert calls.knows("slow")
        assert calls.knows(str(most + 19))
        kept = [number for number in range(most + 20) if calls.knows(str(number))]
        assert most - SESSION_CALLS_MOST - 20 <= len(kept) <= most
        at += UNREAD_S - 1
        calls.tidy()
        await ask("late")
        at += 2
        calls.tidy()
        assert not calls.knows(str(kept[-1]))
        assert calls.knows("late")
        assert calls.knows("slow")
        running.set()
        async with web.stream("GET", "/gradio_api/queue/data?session_hash=slow") as stream:
            assert "process_completed" in "".join([line async for line in stream.aiter_lines()])


async def test_a_visitor_has_so_many_calls_open() -> None:
    """By the cookie, whatever sessions they name; programs without one share a number of their own."""
    running, visitors = asyncio.Event(), Visitors("a secret for the tests")

    async def wait() -> None:
        await running.wait()

    with gr.Blocks() as blocks:
        gr.Button().click(wait, api_name="wait", concurrency_limit=None)
    app = FastAPI(middleware=[Middleware(VisitorCookie, visitors=visitors)])

    async def ask(number: int, cookie: str = "") -> None:
        headers = {"cookie": f"{COOKIE}={cookie}"} if cookie else {}
        body = {"data": [], "session_hash": f"{cookie[:9]}{number}", "fn_index": 0}
        web.cookies.clear()
        (await web.post("/gradio_api/queue/join", json=body, headers=headers)).raise_for_status()

    async with mounted(blocks, most=300, app=app) as web:
        calls = OpenCalls(blocks, most=300)
        for visitor_id, most in (("ann", VISITOR_CALLS_MOST), (None, STRANGER_CALLS_MOST)):
            cookie = visitors.cookie_of(visitor_id) if visitor_id else ""
            for number in range(most):
                assert calls.has_room("another", visitor_id)
                await ask(number, cookie)
            assert not calls.has_room("another", visitor_id)
        assert calls.has_room("another", "bob")
        running.set()
        await until(lambda: calls.has_room("another", None))


def test_uploads_are_where_gradio_keeps_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The folder is the one that the documented variable names."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    assert upload_folder() == tmp_path


def test_on_a_space_the_page_asks_no_other_site(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the Space's name Gradio's browser side would fetch a header of its own from huggingface.co."""
    monkeypatch.setenv("SYSTEM", "spaces")
    monkeypatch.setenv("SPACE_ID", "me/studio")
    with StudioBlocks() as blocks:
        gr.Textbox()
    assert blocks.get_config_file()["space_id"] is None


@pytest.mark.parametrize(
    ("data", "expected"), [({"name": "sea"}, "sea"), ({}, None), (None, None), ([1], None), ("name", None), (7, None)]
)
def test_what_a_script_sends_with_an_event(data: object, expected: object) -> None:
    """By its name; anything else that a program may send in its place is nothing."""
    assert value_in(gr.EventData(None, data), "name") == expected


def test_what_gradio_asks_a_thread_for_after_each_call_is_only_its_statistics() -> None:
    """So that it may be done at once; its search for matplotlib, which is left out, is a context manager without arguments."""
    mount_page(FastAPI(), page(StudioBlocks)[0], max_watchers=5)
    source = Path(gradio.queueing.__file__).read_text()
    assert (
        source.count("run_sync(") == len(re.findall(r"await run_sync\(\s*self\.compute_analytics_summary,", source)) > 0
    )
    assert "with utils.MatplotlibBackendMananger():" in Path(gradio.route_utils.__file__).read_text()
    with gradio.utils.MatplotlibBackendMananger():
        pass


def test_the_browser_is_told_to_make_only_what_is_shown() -> None:
    """Nothing is made for an endpoint's values, and a call without progress names no component that shows it; each component that
    an event may fill is still there."""

    def double(number: float) -> float:
        return 2 * number

    with StudioBlocks() as blocks:
        kept, shown, button = kept_text("kept"), gr.HTML(), gr.Button()
        button.click(lambda: None, outputs=[kept, shown], show_progress="hidden")
        button.click(lambda: None, outputs=shown)
        gr.api(double)
    config: Any = blocks.get_config_file()
    parts = {part["id"]: part for part in config["components"]}
    assert [parts[each["id"]]["type"] for each in config["layout"]["children"]] == ["textbox", "html", "button"]
    assert all(part["props"]["visible"] is False for part in parts.values() if part["type"] == "api")
    assert [event["show_progress_on"] for event in config["dependencies"]] == [[], None, None]
    assert parts[kept._id]["props"]["visible"] is False
    assert [part["type"] for part in parts.values() if "api_info" in part] == ["api", "api"]


def test_the_page_is_told_facts_with_the_ids_of_its_components() -> None:
    """In the description that each visitor's page begins with; of one name, all that was told."""
    with StudioBlocks() as blocks:
        first, second = gr.Textbox(), gr.Dropdown()
        blocks.tell_browser("drafts", {"form": {"field": first}})
        blocks.tell_browser("drafts", {"batch": {"model": second}})
        blocks.tell_browser("forms", {"picker": second, "linked": None})
    described: Any = blocks.config
    assert described["dreamina"] == {
        "drafts": {"form": {"field": first._id}, "batch": {"model": second._id}},
        "forms": {"picker": second._id, "linked": None},
    }


def test_the_files_of_a_page() -> None:
    """Those of what is shown at first or a moment later, each once, and none of what waits for a click; the first is Gradio's."""
    with StudioBlocks() as blocks:
        gr.Textbox()
        gr.Video(visible=False)
        later = gr.Dropdown(visible=False)
    alone, _ = page_files(blocks)
    blocks.shown_later = [later]
    scripts, styles = page_files(blocks)
    assert alone[0].name.startswith("index-")
    assert set(alone) < set(scripts)
    assert len({*scripts, *styles}) == len(scripts) + len(styles) < 60
    assert all(file.is_file() for file in [*scripts, *styles])
    assert {file.suffix for file in scripts} == {".js"}
    assert {file.suffix for file in styles} == {".css"}


def test_our_styles_as_gradio_would_write_them(tmp_path: Path) -> None:
    """Each rule as it is and inside the page's container; the dark theme's mark stays outside; a media query only inside."""
    file = tmp_path / "a.css"
    file.write_text(
        "/* a { } */ .a, .b > i { color: red; }\n.dark .a { color: blue; }\n"
        "@media (max-width: 9px) { .a { color: green; } .b { top: 0; } }\n@keyframes k { from { top: 0; } to { top: 1px; } }"
    )
    inside = f".gradio-container.gradio-container-{gr.__version__.replace('.', '-')} .contain"
    assert page_styles([file]).split("\n") == [
        ".a, .b > i { color: red; }",
        f"{inside} .a, {inside} .b > i {{ color: red; }}",
        ".dark .a { color: blue; }",
        f".dark {inside} .a {{ color: blue; }}",
        f"@media (max-width: 9px) {{ {inside} .a {{ color: green; }} {inside} .b {{ top: 0; }} }}",
        "@keyframes k { from { top: 0; } to { top: 1px; } }",
    ]
