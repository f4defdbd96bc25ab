"""Events of the page get their inputs as an ordered list, and find each value by its component."""

from pathlib import Path
from typing import Any

import pytest

from dreamina_ui.ui.gradio_internals import StudioBlocks
from dreamina_ui.ui.page import Page
from dreamina_ui.ui.translations import Fixed
from dreamina_ui.web.callers import Callers
from dreamina_ui.web.visitors import Visitors
from tests.engine.test_ownership import request_of
from tests.rig import VALUES, Rig, rigged

pytestmark = pytest.mark.anyio


def page_of(rig: Rig, *, id_first: bool = False) -> tuple[Page, StudioBlocks]:
    """With `id_first`, the components of the click ids are created before all others."""
    blocks: StudioBlocks
    with StudioBlocks(analytics_enabled=False) as blocks:
        page = Page(rig.engine, Callers(Visitors("a-secret-of-16-or-more")), Fixed(), None, login=False)
        if id_first:
            page.compose.click_id._id, page.batch.click_id._id = -2, -1
        page.connect(blocks)
    return page, blocks


async def test_inputs_are_lists(tmp_path: Path) -> None:
    """Gradio would sort a set of inputs; the script sets the click id as the last value."""
    async with rigged(tmp_path) as rig:
        page, blocks = page_of(rig, id_first=True)
        assert [function.name for function in blocks.fns.values() if function.inputs_as_dict] == []
        last = {function.name: function.inputs[-1] for function in blocks.fns.values() if function.inputs}
        assert (last["start"], last["send"]) == (page.compose.click_id, page.batch.click_id)


async def test_the_click_id_reaches_the_job(tmp_path: Path) -> None:
    """A start with the values of the browser makes a job; the same values and click id again return the same job."""
    async with rigged(tmp_path) as rig:
        page, blocks = page_of(rig)
        [start] = [function for function in blocks.fns.values() if function.name == "start"]
        contents: dict[Any, Any] = page.compose.forms.of(None).contents(VALUES)
        values = [contents.get(component, component.value) for component in start.inputs[:-1]]  # type: ignore[union-attr]
        for _ in range(2):
            answer = await blocks.call_function(start, [*values, "click-1"], requests=request_of("ann"))
            job = await rig.engine.job("ann", answer["prediction"][page.stage.current])
            assert (job.click_id, dict(job.payload)) == ("click-1", dict(VALUES))
        assert (await rig.engine.history.page("ann", 10))[1] == 1
