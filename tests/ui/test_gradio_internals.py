"""Gradio's page without the work that nobody sees does the same as with it."""

from copy import deepcopy
from typing import Any

import gradio as gr
import pytest
from gradio.state_holder import SessionState

from dreamina_ui.ui.gradio_internals import PageStates, StudioBlocks

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
)


@pytest.mark.parametrize("values", UPDATES)
async def test_what_is_told_is_what_gradio_would_tell(values: list[Any]) -> None:
    """The browser gets the same, and the session keeps the same value, for every kind of change."""
    answers = []
    for kind in (gr.Blocks, StudioBlocks):
        blocks, parts = page(kind)
        states = PageStates()
        states.set_blocks(blocks)
        state = states["session"] if kind is StudioBlocks else SessionState(blocks)
        [event] = blocks.fns.values()
        each = deepcopy(values)  # Gradio takes an update apart
        given = dict(zip(parts, each, strict=True)) if kind is StudioBlocks else each
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
