"""The stage on the page: no late update replaces what is shown now."""

import asyncio
from pathlib import Path

import gradio as gr
import pytest

from dreamina_ui.engine.history import History
from dreamina_ui.jobs import Job
from dreamina_ui.ui.page import Page
from dreamina_ui.ui.translations import Fixed
from dreamina_ui.web.callers import Callers
from tests.engine.test_ownership import VISITORS, request_of
from tests.rig import rigged

pytestmark = pytest.mark.anyio


async def test_an_update_that_is_made_while_another_job_is_chosen_is_not_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its facts are read from the disk and the database; meanwhile the page shows the other job."""
    expected_s = History.expected_s
    asked, gate = asyncio.Event(), asyncio.Event()

    async def slow(self: History, job: Job) -> float | None:
        if job.prompt == "old" and not gate.is_set():
            asked.set()
            await gate.wait()
        return await expected_s(self, job)

    monkeypatch.setattr(History, "expected_s", slow)
    async with rigged(tmp_path, queue_s=600.0) as rig:
        with gr.Blocks(analytics_enabled=False):
            page = Page(rig.engine, Callers(VISITORS), Fixed(), None, login=False)
        old, new = [await rig.submit(prompt=prompt) for prompt in ("old", "new")]
        earlier = page.watch(old.job_id, request_of("ann"))
        late = asyncio.ensure_future(anext(earlier, None))
        await asked.wait()
        later = page.watch(new.job_id, request_of("ann"))
        assert "new" in repr(await anext(later))
        gate.set()
        assert await late is None
        await later.aclose()  # type: ignore[attr-defined]
