"""Fields for media on the page: what a file that is uploaded puts into them, and what is said about it."""

import base64
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from gradio.components import Component

from dreamina_ui.cards.model_card import card_of, load_card
from dreamina_ui.ui.gradio_internals import events_of
from dreamina_ui.ui.page import Page, build_page
from dreamina_ui.ui.translations import Fixed
from dreamina_ui.web.callers import Callers
from dreamina_ui.web.checks.addresses import ADDRESS
from tests.engine.test_ownership import VISITORS, request_of
from tests.media.files import make
from tests.rig import make_clip, rigged
from tests.ui.test_inputs import page_of

pytestmark = pytest.mark.anyio

CARD = load_card(Path(__file__).parents[1] / "cards" / "image-to-video.json")
SEVERAL = card_of(
    "several",
    {
        "model_id": "maker/several",
        "input_schema": {
            "type": "object",
            "properties": {
                "prompt": {"type": "string"},
                "images": {"format": "image_uris", "maxItems": 2},
                "tracks": {"format": "audio_uris"},
            },
        },
    },
)


def said(update: dict[Component, Any], component: Component) -> str:
    """What a component shows after an update; an update of Gradio's is a dictionary."""
    value = update[component]
    return str(value.get("value", "") if isinstance(value, dict) else value)


async def test_a_file_fills_its_field_and_the_page_says_what_was_done(tmp_path: Path) -> None:
    """Its name comes into the field; another kind of file is one sentence beside it, in the visitor's language."""
    async with rigged(tmp_path / "rig", card=CARD) as rig:
        with gr.Blocks(analytics_enabled=False):
            page = Page(rig.engine, Callers(VISITORS), Fixed(), None, login=False)
        compose, ann = page.compose, request_of("ann")
        form = compose.forms.of(None)
        image = form.picture
        assert image is not None
        assert image.name == "image"
        moving = rig.engine.inputs.add(make("gif-animated", tmp_path / "fox.gif"), "ann", image)
        update = await compose.put_file(form, image, "https://before.example.org/a.png", ann, moving)
        assert said(update, form.controls["image"]).startswith("upload:fox.")
        assert "its first picture is used" in said(update, form.notes["image"])
        assert said(update, form.problems["image"]) == ""
        clip = rig.engine.inputs.add(make_clip(tmp_path / "a.mp4"), "ann", image)
        update = await compose.put_file(form, image, "", ann, clip)
        assert "is not a picture" in said(update, form.problems["image"])
        assert form.controls["image"] not in update


async def test_a_list_takes_one_file_after_another(tmp_path: Path) -> None:
    """Behind what is there; beyond what the model takes, the last one is replaced."""
    async with rigged(tmp_path / "rig", card=SEVERAL) as rig:
        with gr.Blocks(analytics_enabled=False):
            page = Page(rig.engine, Callers(VISITORS), Fixed(), None, login=False)
        form = page.compose.forms.of(None)
        images = form.picture
        assert images is not None
        content = ""
        names = ("a.png", "b.png", "c.png")
        for name in names:
            path = make("png", tmp_path / name)
            adding = rig.engine.inputs.add(path, "ann", images)
            update = await page.compose.put_file(form, images, content, request_of("ann"), adding)
            content = said(update, form.controls["images"])
        assert [line.split("#")[0] for line in content.split("\n")] == ["upload:a.png", "upload:c.png"]
        values = form.values({form.controls["images"]: content})
        assert SEVERAL.validate({"prompt": "x", **values})["images"] == content.split("\n")


async def test_the_frame_that_the_player_shows_fills_the_picture(tmp_path: Path) -> None:
    """By one click on the stage; of another visitor's video nothing comes."""
    async with rigged(tmp_path / "rig", card=CARD) as rig:
        with gr.Blocks(analytics_enabled=False):
            page = Page(rig.engine, Callers(VISITORS), Fixed(), None, login=False)
        form = page.compose.forms.of(None)
        image = form.picture
        assert image is not None
        first = await rig.engine.inputs.add(make("png", tmp_path / "a.png"), "ann", image)
        [job] = await rig.engine.submit("ann", {"image": first.text, "motion": "waves roll"})
        await rig.finish(job)
        control = form.controls["image"]
        for at_s in ("0.25", "", "never", "1e99"):
            update = await page.use_frame(request_of("ann"), job.job_id, at_s, "", "")
            assert "waves-roll.png#" in said(update, control), at_s
        update = await page.use_frame(request_of("bob"), job.job_id, "0", "", "")
        assert control not in update
        assert "no such video" in said(update, page.compose.refusal)


async def test_only_endpoints_that_make_videos_take_files(tmp_path: Path) -> None:
    """The page's own events take a file in the place for one alone."""
    async with rigged(tmp_path / "rig", card=CARD) as rig:
        blocks, _ = build_page(rig.engine, Callers(VISITORS))
        events = events_of(blocks).values()
        names = {block.elem_id for block in blocks.blocks.values()}
    taking = {event.public_name for event in events if any(each.may_hold_files for each in event.inputs)}
    assert taking == {"generate", "submit", "run", "batch"}
    # What all videos of a batch share is uploaded there, too.
    assert {"upload-image", "upload-last_image", "batch-upload-image", "batch-upload-last_image"} <= names


async def test_every_way_of_a_file_counts_for_its_address(tmp_path: Path) -> None:
    """The form's and the batch's upload, a frame of a video, and a program's data URI: the folder has the address's mark."""

    def request() -> gr.Request:
        asking = request_of("ann")
        assert asking.request is not None
        asking.request.scope[ADDRESS] = "9.9.9.9"
        return asking

    async with rigged(tmp_path / "rig", card=CARD) as rig:
        blocks, _ = build_page(rig.engine, Callers(VISITORS))
        events = {
            str(block.elem_id): event
            for event in blocks.fns.values()
            if isinstance(block := event.inputs[0] if event.inputs else None, gr.UploadButton)
        }
        by_name = {each.api_name: each for each in blocks.fns.values()}

        def marks() -> int:
            return len([path for path in rig.engine.inputs.folder.iterdir() if path.name.startswith(".")])

        for number, button in enumerate(("upload-image", "batch-upload-image"), start=1):
            path = make("png" if number == 1 else "jpeg", tmp_path / f"{number}.png")
            await blocks.call_function(events[button], [str(path), ""], requests=request())
            assert marks() == 2 * number
        content = base64.b64encode(make("webp", tmp_path / "a.webp").read_bytes()).decode()
        submit = by_name["submit"]
        given = [f"data:image/webp;base64,{content}", "waves roll", *(None for _ in submit.inputs[2:])]
        answer = await blocks.call_function(submit, given, requests=request())
        assert marks() == 6
        job = await rig.engine.job("ann", answer["prediction"]["job_id"])
        await rig.finish(job)
        frame = by_name["use_frame"]
        others = ["" for _ in frame.inputs[2:]]
        await blocks.call_function(frame, [job.job_id, "0", *others], requests=request())
        assert marks() == 8


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("not a url", "is not an address that begins with https://"),
        ("file:///home/ann/cat.png", "is a file of a computer"),
        ("https://127.0.0.1/cat.png", "of this machine or its network"),
        ("https://localhost/cat.png", "of this machine or its network"),
        ("https://192.168.1.7/cat.png", "of this machine or its network"),
        ("upload:cat.png#" + "0" * 32, "is not here, or not yours"),
    ],
)
async def test_what_is_no_file_of_the_visitors_is_said_beside_its_field(
    content: str, what: str, tmp_path: Path
) -> None:
    """By the page's own click: nothing is sent."""
    async with rigged(tmp_path / "rig", card=CARD) as rig:
        page, blocks = page_of(rig)
        [start] = [function for function in blocks.fns.values() if function.name == "start"]
        form = page.compose.forms.of(None)
        contents: dict[Any, Any] = form.contents({"image": content, "motion": "waves roll"})
        values = [contents.get(component, component.value) for component in start.inputs[:-1]]  # type: ignore[union-attr]
        answer = await blocks.call_function(start, [*values, "click-1"], requests=request_of("ann"))
        assert what in said(answer["prediction"], form.problems["image"])
        assert (rig.gate.posts, rig.accepted) == (0, 0)
