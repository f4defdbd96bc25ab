"""What a file that is uploaded changes on the page: its field, the note about it, or the sentence about what is wrong."""

import json
from collections.abc import Awaitable
from typing import Any

import gradio as gr
from gradio.components import Component
from markupsafe import Markup

from dreamina_ui.cards.schema.fields import Field
from dreamina_ui.errors import DreaminaError, InvalidInput, VisitorLost, VisitorUnknown
from dreamina_ui.media.inputs import SIZE_MOST, Added
from dreamina_ui.ui.html.connection import unknown_visitor_html
from dreamina_ui.ui.html.stage import problem_html
from dreamina_ui.wording import Words

__all__ = ["file_update", "media_words_html"]

_WORDS = Markup('<span hidden id="media-words" data-most="{}" data-words="{}"></span>')
_NOTE = Markup('<p class="note" role="status">{}</p>')


def media_words_html(words: Words) -> Markup:
    """`assets/js/media-field.js` finds what it needs here."""
    keys = ("uploading", "uploading_one", "too_big", "left_out", "stopped", "remove", "as_text")
    texts = {key: words.text(f"media.{key}") for key in keys}
    return _WORDS.format(SIZE_MOST, json.dumps(texts, ensure_ascii=False))


async def file_update(
    field: Field,
    content: str,
    adding: Awaitable[Added],
    words: Words,
    *,
    control: Component,
    problem: Component,
    note: Component,
    origin: str = "",
) -> dict[Any, Any]:
    """Put a file into a field, behind those that are there where it takes several; or say what is wrong with it.

    `origin` is a sentence that says where the file comes from.
    """
    try:
        added = await adding
    except (VisitorUnknown, VisitorLost) as error:
        return {problem: problem_html(unknown_visitor_html(error, words))}
    except InvalidInput as error:
        return {problem: problem_html(words.field_problem(error, words.field_title(field.name, field.title)))}
    except DreaminaError as error:
        return {problem: problem_html(words.sentence(error))}
    lines = [line for line in str(content or "").splitlines() if line.strip()] if field.kind == "list" else []
    if field.most_items is not None:
        lines = lines[: field.most_items - 1]
    size = {"width": added.measures.width, "height": added.measures.height}
    said = " ".join(filter(None, [origin, *(words.say(f"input.note.{each}", **size) for each in added.notes)]))
    return {
        control: "\n".join([*lines, added.text]),
        problem: gr.update(value="", visible=False),
        note: gr.update(value=_NOTE.format(said) if said else "", visible=bool(said)),
    }
