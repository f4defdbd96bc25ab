"""The event loop never waits for the disk: files are made, read and removed in threads."""

from pathlib import Path

import gradio as gr
import pytest

from dreamina_ui.jobs import State
from dreamina_ui.ui.page import Page
from dreamina_ui.ui.translations import Fixed
from dreamina_ui.web.callers import Callers
from tests.disk import disk_calls
from tests.engine.test_ownership import VISITORS, request_of
from tests.replies import Case
from tests.rig import VALUES, make_clip, rigged
from tests.scripted import ORIGIN, Scripted

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "outputs", [["clip.mp4"], ["clip.mp4", "notes.txt"], ["clip.mp4", "gone.mp4"]], ids=["one", "two", "part"]
)
async def test_from_the_click_to_the_saved_file_the_loop_touches_no_disk(tmp_path: Path, outputs: list[str]) -> None:
    """With a record in the file or beside it, with a file that is missing, and while a page watches."""
    case = Case(
        name="disk",
        right="saved",
        result=({"status": "succeeded", "output": {"videos": [f"{ORIGIN}/{name}" for name in outputs]}},),
    )
    clip = make_clip(tmp_path / "clip.mp4").read_bytes()
    service = Scripted(case, {"clip.mp4": clip, "notes.txt": b"a note"}, {})
    async with rigged(tmp_path, service_app=service.app) as rig:
        with gr.Blocks(analytics_enabled=False):
            page = Page(rig.engine, Callers(VISITORS), Fixed(), None, login=False)
        with disk_calls(tmp_path) as calls:
            [job] = await rig.engine.submit("ann", VALUES)
            async for _ in page.watch(job.job_id, request_of("ann")):
                pass
            await page.open("", request_of("ann"))
        job = await rig.engine.job("ann", job.job_id)
    assert job.state is State.SUCCEEDED
    assert len(job.files) == len([name for name in outputs if name != "gone.mp4"])
    assert calls == []


def test_the_check_sees_a_call_on_the_loops_thread(tmp_path: Path) -> None:
    """The check itself sees what it is for."""
    (tmp_path / "a").touch()
    with disk_calls(tmp_path) as calls:
        (tmp_path / "a").read_bytes()
        (tmp_path / "a").exists()
        (tmp_path / "a").unlink()
        list(tmp_path.iterdir())
    assert [call.partition(" ")[0] for call in calls] == ["open", "os.stat", "os.remove", "os.listdir"]
