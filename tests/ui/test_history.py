"""The history on the page: no late answer replaces a newer one."""

import asyncio
from pathlib import Path

import gradio as gr
import pytest

from dreamina_ui.ui.page import Page
from dreamina_ui.ui.translations import Fixed
from dreamina_ui.web.callers import Callers
from tests.engine.test_ownership import VISITORS, request_of
from tests.rig import VALUES, rigged

pytestmark = pytest.mark.anyio


async def test_a_late_answer_draws_nothing(tmp_path: Path) -> None:
    """Of searches that a page has under way at once, only the newest one's answer is drawn; other pages have their own."""
    async with rigged(tmp_path) as rig:
        with gr.Blocks(analytics_enabled=False):
            page = Page(rig.engine, Callers(VISITORS), Fixed(), None, login=False)
        for visitor, prompt in (("ann", "a red boat"), ("ann", "a blue boat"), ("bob", "a bob")):
            await rig.engine.submit(visitor, {**VALUES, "prompt": prompt})
        ann, bob = request_of("ann"), request_of("bob")
        searches = (("red", ann), ("blue", ann), ("", bob))
        old, new, other = await asyncio.gather(
            *(page.history.show(words, "", "", "", "", 0, request) for words, request in searches)
        )
        assert all(part == gr.skip() for part in old)
        assert "a blue boat" in repr(new)
        assert "a red boat" not in repr(new)
        assert "a bob" in repr(other)
        # Afterwards the same page is answered again.
        assert "a red boat" in repr(await page.history.show("red", "", "", "", "", 0, ann))
