"""The history on the page: no late answer replaces a newer one, and no poster stays missing."""

import asyncio
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from dreamina_ui.jobs import HOLDER
from dreamina_ui.media import library as libraries
from dreamina_ui.media.examine import Facts
from dreamina_ui.media.reading import make_poster
from dreamina_ui.ui.page import Page
from dreamina_ui.ui.translations import Fixed
from dreamina_ui.web.callers import Callers
from tests.engine.test_ownership import VISITORS, request_of
from tests.rig import VALUES, Rig, rigged

pytestmark = pytest.mark.anyio


def page_of(rig: Rig) -> Page:
    with gr.Blocks(analytics_enabled=False):
        return Page(rig.engine, Callers(VISITORS), Fixed(), None, login=False)


def posters_held(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Posters are made from the moment on that this is set."""
    held = asyncio.Event()

    async def late(*arguments: Any, **named: Any) -> Facts:
        await held.wait()
        return await make_poster(*arguments, **named)

    monkeypatch.setattr(libraries, "make_poster", late)
    return held


async def test_a_late_answer_draws_nothing(tmp_path: Path) -> None:
    """Of searches that a page has under way at once, only the newest one's answer is drawn; other pages have their own."""
    async with rigged(tmp_path) as rig:
        page = page_of(rig)
        for visitor, prompt in (("ann", "a red boat"), ("ann", "a blue boat"), ("bob", "a bob")):
            await rig.engine.submit(visitor, {**VALUES, "prompt": prompt})
        ann, bob = request_of("ann"), request_of("bob")
        searches = (("red", ann), ("blue", ann), ("", bob))
        old, new, other = await asyncio.gather(
            *(page.history.show(words, "", "", "", "", "", 0, request) for words, request in searches)
        )
        assert all(part == gr.skip() for part in old)
        assert "a blue boat" in repr(new)
        assert "a red boat" not in repr(new)
        assert "a bob" in repr(other)
        # Afterwards the same page is answered again.
        assert "a red boat" in repr(await page.history.show("red", "", "", "", "", "", 0, ann))


async def test_posters_that_follow_are_drawn_where_nobody_watches_their_jobs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that was opened between a video and its poster draws its history again when the poster is there."""
    held = posters_held(monkeypatch)
    async with rigged(tmp_path) as rig:
        page = page_of(rig)
        ann, history = request_of("ann"), page.history
        job = await rig.finish(await rig.submit())
        drawn = dict(zip(history.outputs, await history.show("", "", "", "", "", "", 0, ann), strict=True))
        assert drawn[history.due] == f"{job.job_id}/{job.version}"
        awaited = asyncio.ensure_future(anext(history.wait_for_posters(drawn[history.due], ann)))
        held.set()
        assert list(await awaited) == [history.stale]
        assert not (await rig.engine.job(HOLDER, job.job_id)).poster_due
        again = dict(zip(history.outputs, await history.show("", "", "", "", "", "", 0, ann), strict=True))
        assert again[history.due] == gr.skip()
        assert again[history.list] != drawn[history.list]


async def test_the_poster_of_a_watched_job_is_waited_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who watches the job draws the history then. When another job takes the stage before, the history is drawn at once, and
    waits for the poster itself."""
    held = posters_held(monkeypatch)
    async with rigged(tmp_path) as rig:
        page = page_of(rig)
        ann, history = request_of("ann"), page.history

        async def due() -> Any:
            shown = await history.show("", "", "", "", "", "", 0, ann)
            return dict(zip(history.outputs, shown, strict=True))[history.due]

        first = await rig.finish(await rig.submit())
        other = await rig.finish(await rig.submit())
        watching = page.watch(first.job_id, ann)
        await anext(watching)
        assert await due() == f"{other.job_id}/{other.version}"
        later = page.watch(other.job_id, ann)
        rig.clock.at += 3600.0  # it has ended long ago: for itself, nothing is drawn
        assert history.stale in await anext(later)
        assert [update async for update in watching] == []
        assert await due() == f"{first.job_id}/{first.version}"
        held.set()
        last = [update async for update in later][-1]
        assert history.stale in last
        assert await due() == gr.skip()
