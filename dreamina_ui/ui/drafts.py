"""Drafts: what is typed and chosen is kept by the browser (`assets/js/draft.js`) until it is sent."""

import json
from collections.abc import Mapping
from typing import Any

import gradio as gr
from gradio.components import CheckboxGroup, Component, Dropdown, Radio

__all__ = ["keep_draft"]


def keep_draft(blocks: gr.Blocks, part: str, drafted: Mapping[str, Component], accepted: Component) -> None:
    """Keep what these components hold, by their names, for a `part` of the page, until `accepted` changes; nothing is sent."""
    components = list(drafted.values())
    names = json.dumps(list(drafted))
    choices = json.dumps([_choices(component) for component in components])
    named = f"{json.dumps(part)}, {names}"
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    outputs = list(components)
    blocks.load(None, outputs=outputs, js=f"() => window.dreamina.draftOf({named}, {choices})", **quiet)
    changes = [component.change for component in components]  # type: ignore[attr-defined]
    keep = f"(...values) => {{ window.dreamina.keepDraft({named}, values) }}"
    gr.on(changes, None, inputs=outputs, js=keep, **quiet)
    accepted.change(None, js=f"() => {{ window.dreamina.dropDraft({json.dumps(part)}) }}", **quiet)  # type: ignore[attr-defined]


def _choices(component: Component) -> list[Any] | None:
    if isinstance(component, Radio | CheckboxGroup) or (
        isinstance(component, Dropdown) and not component.allow_custom_value
    ):
        return [value for _, value in component.choices]
    return None
