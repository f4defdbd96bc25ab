"""Two visitors in one studio: what is one's is the other's to neither read, cancel, delete nor adopt."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from gradio.route_utils import Request as GradioRequest
from starlette.requests import Request

from dreamina_ui.engine.engine import Engine
from dreamina_ui.errors import JobNotFound
from dreamina_ui.jobs import HOLDER, Job, State
from dreamina_ui.simulator import Fault
from dreamina_ui.ui.page import Page
from dreamina_ui.ui.translations import Fixed
from dreamina_ui.web.callers import Callers
from dreamina_ui.web.visitors import COOKIE, Visitors
from tests.rig import VALUES, Rig, rigged

pytestmark = pytest.mark.anyio
EXAMPLES = Path(__file__).parents[2] / "assets" / "examples"
VISITORS = Visitors("a-secret-of-16-or-more")
ANNS_PAGE = "anns-session-hash"
REQUEST = "11111111-2222-4333-8444-555555555555"
PROMPT = "a lighthouse only ann knows"

OTHER_VALUES: list[Any] = [None, 7, 1.5, True, [], ["x"], {"a": 1}, "", "nope", "\0", "\ud800", "x" * 10_000, -1, 2**70]
"""What programs may send where a job's id is meant."""

Ask = Callable[[Engine, str, Any], Awaitable[object]]
"""Of an engine, by a visitor, about a job."""


async def first_of(snapshots: AsyncIterator[object]) -> object:
    return await anext(snapshots)


ASKED: dict[str, Ask] = {
    "job": lambda engine, who, job_id: engine.job(who, job_id),
    "watch": lambda engine, who, job_id: first_of(engine.watch(who, job_id)),
    "watch_click": lambda engine, who, job_id: first_of(engine.watch_click(who, job_id)),
    "cancel": lambda engine, who, job_id: engine.cancel(who, job_id),
    "adopt": lambda engine, who, job_id: engine.adopt(who, job_id, REQUEST),
    "dismiss": lambda engine, who, job_id: engine.dismiss(who, job_id),
    "resume": lambda engine, who, job_id: engine.resume(who, job_id),
}


@asynccontextmanager
async def anns_jobs(folder: Path) -> AsyncIterator[tuple[Rig, dict[State, Job]]]:
    """Three of ann's: one finished, one uncertain, one in the queue."""
    async with rigged(folder, Fault("submit", "lose_answer", after=1), queue_s=0.2) as rig:
        done = await rig.finish(await rig.submit(prompt=PROMPT))
        lost = await rig.finish(await rig.submit(prompt=PROMPT))
    async with rigged(folder, queue_s=600) as rig:
        running = await rig.until(await rig.submit(prompt=PROMPT), State.IN_QUEUE)
        yield rig, {State.SUCCEEDED: done, State.UNCERTAIN: lost, State.IN_QUEUE: running}


async def test_another_visitors_job_is_not_found(tmp_path: Path) -> None:
    """The same error as for a job that never was, whatever is asked; nothing is changed and the service not called."""
    async with anns_jobs(tmp_path) as (rig, made):
        before = {job.job_id: await rig.store.get(job.job_id) for job in made.values()}
        cancels = [request for request in rig.gate.requests if "cancel" in request.url.path]
        for name, ask in ASKED.items():
            for job_id in [*before, *OTHER_VALUES]:
                with pytest.raises(JobNotFound) as refused:
                    await ask(rig.engine, "bob", job_id)
                assert (refused.value.message, refused.value.facts) == ("", {}), (name, job_id)
        for job_id, row in before.items():
            now = await rig.store.get(job_id)
            assert (now.cancel_requested, now.dismissed, now.visitor_id) == (False, False, "ann")
            assert now.state is row.state or row.state is State.IN_QUEUE
        assert [request for request in rig.gate.requests if "cancel" in request.url.path] == cancels


async def test_the_owner_and_the_holder_of_the_id_may(tmp_path: Path) -> None:
    """So the refusals above are not for everybody."""
    async with anns_jobs(tmp_path) as (rig, made):
        for asker in ("ann", HOLDER):
            for job in made.values():
                assert (await rig.engine.job(asker, job.job_id)).job_id == job.job_id
            assert (await rig.engine.dismiss(asker, made[State.UNCERTAIN].job_id)).dismissed


async def test_lists_deletes_and_batches_are_by_visitor(tmp_path: Path) -> None:
    """Bob sees, deletes, restores, pauses and cancels nothing of ann's, by any id."""
    async with anns_jobs(tmp_path) as (rig, made):
        await rig.engine.batches.submit("ann", [VALUES], "anns-batch")
        ids = [job.job_id for job in made.values()]
        assert await rig.engine.history.page("bob", 100) == ([], 0)
        assert await rig.engine.history.delete("bob", ids) == 0
        assert await rig.engine.history.delete("ann", ids[:1]) == 1
        assert await rig.engine.history.restore("bob", ids) == 0
        assert await rig.engine.batches.jobs("bob", "anns-batch") == []
        assert (await rig.engine.history.latest("bob")).batch is None
        assert await rig.engine.batches.pause("bob", "anns-batch") == 0
        assert await rig.engine.batches.cancel("bob", "anns-batch") == 0
        assert [jobs async for jobs in rig.engine.batches.watch("bob", "anns-batch")] == [[]]


async def test_the_same_click_id_of_another_visitor_is_another_click(tmp_path: Path) -> None:
    """A guessed click id gives nobody the jobs it made."""
    async with rigged(tmp_path) as rig:
        [anns] = await rig.engine.submit("ann", VALUES, click_id="c")
        [bobs] = await rig.engine.submit("bob", VALUES, click_id="c")
        assert anns.job_id != bobs.job_id


def request_of(visitor: str, session_hash: str = ANNS_PAGE) -> gr.Request:
    """A request with the visitor's signed cookie, on a page that calls itself as it likes."""
    cookie = f"{COOKIE}={VISITORS._signer.sign(visitor).decode()}"
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "query_string": b"",
        "headers": [(b"cookie", cookie.encode())],
    }
    return GradioRequest(request=Request(scope), session_hash=session_hash)


@asynccontextmanager
async def paged(folder: Path) -> AsyncIterator[tuple[Rig, dict[State, Job], Page]]:
    async with anns_jobs(folder) as (rig, made):
        with gr.Blocks(analytics_enabled=False):
            page = Page(rig.engine, Callers(VISITORS), Fixed(), None, login=False)
        yield rig, made, page


async def last_of(updates: AsyncIterator[Any]) -> Any:
    return [update async for update in updates][-1]


async def events(page: Page, job_id: Any, request: gr.Request) -> dict[str, Any]:
    """What every event about the job on the stage answers; the page's `current` is a text that anybody may send."""
    chosen = gr.EventData(None, {"job_id": job_id, "job_ids": [job_id]})
    return {
        "watch": await last_of(page.watch(job_id, request)),
        "cancel": await page.cancel_job(job_id, request),
        "reuse": await page.reuse(job_id, request),
        "new seed": await page.reuse_with_new_seed(job_id, request),
        "delete": await page.delete(job_id, request),
        "adopt": await page.stage.adopt_video(job_id, REQUEST, request),
        "dismiss": await page.stage.dismiss_job(job_id, request),
        "resume": await page.stage.resume_job(job_id, request),
        "choose": await page.stage.choose(chosen) and "",
        "history": await page.history.show("", "", "", "", "", "", 0, request),
        "bin": await page.history.delete(chosen, request),
        "undo": await page.history.undo(chosen, request),
        "batch": [update async for update in page.watch_batch(job_id, request)],
        "star": await page.history.star_video(gr.EventData(None, {"job_id": job_id, "starred": True}), request),
        "collect": await page.history.act("", acted("collect", name="Mine", job_ids=[job_id]), request),
    }


def acted(act: Any, **values: Any) -> gr.EventData:
    """What a script sends about collections."""
    return gr.EventData(None, {"do": act, **values})


ACTS = ("collect", "rename", "take_out", "order", "step", "share", "withdraw", "delete", "no such act")


async def test_no_event_of_the_page_gives_or_takes_a_foreign_job(tmp_path: Path) -> None:
    """With ann's job ids and ann's `session_hash`, bob reads, changes and deletes nothing."""
    async with paged(tmp_path) as (rig, made, page):
        for job in made.values():
            answers = await events(page, job.job_id, request_of("bob"))
            answered = repr(answers)
            for secret in filter(None, (PROMPT, job.share_id, job.request_id)):
                assert secret not in answered
            assert "There is no such video, or it is not yours." in answered
            assert [update async for update in page.history.wait_for_posters(job.job_id, request_of("bob"))] == []
        rows, count = await rig.engine.history.page("ann", 100)
        assert count == 3
        assert not any(row.cancel_requested or row.dismissed for row in rows)
        assert PROMPT in repr(await events(page, made[State.SUCCEEDED].job_id, request_of("ann")))


async def test_no_event_of_the_page_gives_or_takes_a_foreign_collection(tmp_path: Path) -> None:
    """By the id of ann's collection, bob sees all of his own videos and none of hers, and changes nothing of it."""
    async with paged(tmp_path) as (rig, made, page):
        done, bob = made[State.SUCCEEDED], request_of("bob")
        one = await rig.engine.collections.collect("ann", "Only ann's", [done.job_id])
        values = {"name": "Mine", "job_ids": [done.job_id], "before": done.job_id, "by": 1}
        answers: list[Any] = [await page.history.act(one.collection_id, acted(act, **values), bob) for act in ACTS]
        answers.append(await page.history.show("", "", "", "", "", one.collection_id, 0, bob))
        for secret in (PROMPT, "Only ann's", done.share_id):
            assert secret not in repr(answers)
        assert repr(answers).count("There is no such collection, or it is not yours.") == len(ACTS) - 2
        assert await rig.engine.collections.get("ann", one.collection_id) == one
        assert await rig.engine.collections.listed("bob") == []
        assert not (await rig.store.get(done.job_id)).starred
        shown = repr(await page.history.show("", "", "", "", "", one.collection_id, 0, request_of("ann")))
        assert PROMPT in shown
        assert "Only ann&#39;s" in shown


SHELF_ACTS = ("open", "save", "rename", "delete", "undo", "export", "no such act")


async def on_shelf(page: Page, request: gr.Request, shelf_id: Any, act: Any, value: Any = "Mine") -> list[Any]:
    """What every event of the shelf answers about one of its prompts."""
    event = gr.EventData(None, {"do": act, "id": shelf_id, "name": value, "words": value if act != "open" else ""})
    form = [value] * len(page.compose.price_inputs)
    return [
        await page.shelf.act_on_shelf(request, event, *form),
        await page.shelf.use_kept(event, request),
        await page.shelf.put_into_batch(request, event, *[None] * len(page.batch.planning_inputs)),
        await page.shelf.take_in_table(value, gr.EventData(None, {"agreed": value}), request),
    ]


async def test_no_event_of_the_page_gives_or_takes_a_foreign_shelf(tmp_path: Path) -> None:
    """By the id of what is on ann's shelf, bob gets none of it into form, batch or table, and changes nothing."""
    async with paged(tmp_path) as (rig, _, page):
        one = await rig.engine.shelf.keep("ann", "Only ann's", rig.engine.card.model_id, {**VALUES, "prompt": PROMPT})
        for act in SHELF_ACTS:
            answers = repr(await on_shelf(page, request_of("bob"), one.shelf_id, act))
            assert PROMPT not in answers
            assert "Only ann" not in answers
            assert "This is not on your shelf." in answers
        assert await rig.engine.shelf.listed("ann") == [one]
        assert PROMPT in repr(await on_shelf(page, request_of("ann"), one.shelf_id, "open", "ann"))


async def test_a_prompt_for_a_model_that_is_gone_fills_what_fits(tmp_path: Path) -> None:
    """The default model's form, with one sentence; the batch takes no such row."""
    async with paged(tmp_path) as (rig, _, page):
        one = await rig.engine.shelf.keep("ann", "Old", rig.engine.card.model_id, {**VALUES, "prompt": PROMPT})
        payload = {**one.payload, "frames": 7, "strength": 0.5}
        gone = replace(one, shelf_id="0" * 32, name="Gone <b>", model_id="gone/model", payload=payload)
        await rig.engine.shelf.store.add([gone])
        event, request = gr.EventData(None, {"id": gone.shelf_id}), request_of("ann")
        update = await page.shelf.use_kept(event, request)
        form = page.compose.forms.of(rig.engine.card.model_id)
        assert update[form.controls["prompt"]] == PROMPT
        assert form.controls["frames"] not in update
        said = repr(update[page.compose.refusal])
        assert "This studio does not have the model of" in said
        assert "Gone &lt;b&gt;" in said
        nothing = [None] * len(page.batch.planning_inputs)
        answer = await page.shelf.put_into_batch(request, event, *nothing)
        assert page.batch.csv not in answer
        assert "does not have the model" in answer[page.shelf.shown]


async def test_a_borrowed_session_hash_stops_nobodys_stream(tmp_path: Path) -> None:
    """What bob watches under ann's `session_hash` does not take the stage from ann."""
    async with paged(tmp_path) as (rig, made, page):
        running = made[State.IN_QUEUE]
        watching = page.watch(running.job_id, request_of("ann"))
        await anext(watching)
        bobs = await rig.engine.submit("bob", VALUES)
        theirs = page.watch(bobs[0].job_id, request_of("bob"))
        await anext(theirs)
        relayed = [page.callers.relayed(request_of(visitor)) for visitor in ("ann", "bob")]
        assert relayed == [running.job_id, bobs[0].job_id]
        await theirs.aclose()  # type: ignore[attr-defined]
        await watching.aclose()  # type: ignore[attr-defined]


async def test_values_of_any_kind_get_an_answer(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Every event is open to programs: whatever they send, there is a sentence or nothing, and no exception."""
    caplog.set_level(logging.WARNING)
    async with rigged(tmp_path) as rig:
        with gr.Blocks(analytics_enabled=False):
            page = Page(rig.engine, Callers(VISITORS), Fixed(), None, login=False)
        request = request_of("ann")
        for value in OTHER_VALUES:
            chosen = gr.EventData(None, {"job_id": value, "job_ids": value, "name": value})
            await events(page, value, request)
            await page.history.show(value, value, value, value, value, value, value, request)
            assert [update async for update in page.history.wait_for_posters(value, request)] == []
            await page.history.delete(chosen, request)
            await page.history.choose(gr.EventData(None, {"among": value}))
            for act in (*ACTS, value):
                sent = acted(act, name=value, job_ids=value, before=value, by=value)
                await page.history.act(value, sent, request)
            for act in (*SHELF_ACTS, value):
                await on_shelf(page, request, value, act, value)
            await page.stage.adopt_video(value, value, request)
            await page.show_on_stage(chosen)
            assert await page.fill_from_example(value, chosen)
            assert page.compose.messages[0] in await page.start(request, *[value] * len(page.compose.start_inputs))
            await page.compose.show_price(request, *[value] * len(page.compose.price_inputs))
            assert await page.compose.fill_from_file(value, request)
            assert (await page.account.save_key(value, request))[0] == ""
            assert await page.account.show_balance(value, request) == ""
            assert rig.gate.posts == 0
            assert caplog.records == [], value
    assert caplog.records == []


def test_a_signed_in_account_is_one_visitor_everywhere() -> None:
    """By OpenID's `sub` in the signed session, whatever the cookie; not when it has expired, and not without login."""
    callers, without = Callers(VISITORS, lambda: 1000.0, login=True), Callers(VISITORS, lambda: 1000.0)

    def signed_in(sub: Any, cookie: str, expires_at: float = 2000.0) -> gr.Request:
        request = request_of(cookie)
        request.request.scope["session"] = {"oauth_info": {"userinfo": {"sub": sub}, "expires_at": expires_at}}  # type: ignore[union-attr]
        return request

    mine = callers.visitor(signed_in("64af", "one"))
    assert mine.startswith("hf-")
    assert "64af" not in mine
    assert callers.visitor(signed_in("64af", "two")) == mine
    assert callers.visitor(signed_in("64ag", "one")) != mine
    assert callers.visitor(signed_in("64af", "one", expires_at=999.0)) == "one"
    assert callers.visitor(signed_in(None, "one")) == "one"
    assert without.visitor(signed_in("64af", "one")) == "one"
