"""Fields for media on the page: what a file that is uploaded puts into them, and what is said about it."""

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
from tests.engine.test_ownership import VISITORS, request_of
from tests.media.files import make
from tests.rig import make_clip, rigged

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
        control, problem = form.controls["image"], form.problems["image"]
        for at_s in ("0.25", "", "never", "1e99"):
            update = await page.use_frame(request_of("ann"), job.job_id, at_s, "", "")
            assert "waves-roll.png#" in said(update, control), at_s
        update = await page.use_frame(request_of("bob"), job.job_id, "0", "", "")
        assert control not in update
        assert "no such video" in said(update, problem)


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
