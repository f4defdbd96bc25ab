"""Drafts: what is typed and chosen is kept by the browser (`assets/js/draft.js`) until it is sent."""

import json
from collections.abc import Mapping
from typing import Any

import gradio as gr
from gradio.components import Component

from dreamina_ui.ui.gradio_internals import StudioBlocks

__all__ = ["keep_draft"]


def keep_draft(
    blocks: StudioBlocks,
    part: str,
    drafted: Mapping[str, Component],
    accepted: Component,
    restored: Component,
    changed: Component | None = None,
) -> None:
    """Keep what these components hold, by their names, for a `part` of the page, until `accepted` changes; nothing is sent.

    The browser puts a draft into them before it draws them, so that no component changes. Then `restored` does. When one of them
    changes, `changed` does: what depends on all of them needs no event for each.
    """
    name = json.dumps(part)
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    blocks.tell_browser("drafts", {part: drafted})
    blocks.load(None, outputs=restored, js=f"() => window.dreamina.restored({name})", **quiet)
    changes = [component.change for component in drafted.values()]  # type: ignore[attr-defined]
    keep = f"(...values) => window.dreamina.keepDraft({name}, values)"
    gr.on(changes, None, inputs=list(drafted.values()), outputs=changed, js=keep, **quiet)
    accepted.change(None, js=f"() => {{ window.dreamina.dropDraft({name}) }}", **quiet)  # type: ignore[attr-defined]
