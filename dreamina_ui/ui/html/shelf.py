"""The markup of the shelf's button, and what the page's script shows in its dialog, as JSON. Pure."""

import json
import secrets
from collections.abc import Sequence

from markupsafe import Markup

from dreamina_ui.cards.models import Models
from dreamina_ui.engine.curation.plain_names import NAME_MOST
from dreamina_ui.engine.curation.shelf import Kept
from dreamina_ui.jobs import prompt_in
from dreamina_ui.wording import Words

__all__ = ["SHOWN_MOST", "SOUGHT_MOST", "TABLE_BYTES_MOST", "listed_json", "shelf_html"]

SOUGHT_MOST = 200
"""Characters of the words to search for."""
SHOWN_MOST = 100
"""Prompts in the list at once; the search finds the others."""
PROMPT_SHOWN = 160
TABLE_BYTES_MOST = 850_000
"""A table is sent as base64, which has to fit into the longest call."""
_SCRIPT_TEXTS = (
    *("shelf", "shelf.close", "shelf.name", "shelf.save", "shelf.save.hint", "shelf.search", "shelf.list", "shelf.use"),
    *("shelf.into_batch", "shelf.rename", "shelf.rename.save", "shelf.cancel", "shelf.delete", "shelf.undo"),
    *("shelf.export", "shelf.import", "shelf.empty", "shelf.none", "shelf.count", "shelf.more", "shelf.too_big"),
)
_BUTTON = Markup(
    '<button type="button" id="shelf-open" class="action" data-shelf hidden aria-haspopup="dialog" '
    'data-words="{words}" data-most="{most}" data-bytes="{bytes}" data-endings="{endings}">{shelf}</button>'
)


def shelf_html(words: Words, endings: Sequence[str]) -> Markup:
    """The button, which a script shows from the first video on; `endings` are those of tables."""
    texts = {key.removeprefix("shelf.") or key: words.text(key) for key in _SCRIPT_TEXTS}
    return _BUTTON.format(
        words=json.dumps(texts, ensure_ascii=False),
        most=NAME_MOST,
        bytes=TABLE_BYTES_MOST,
        endings=",".join(endings),
        shelf=words.say("shelf"),
    )


def listed_json(
    kept: Sequence[Kept],
    models: Models,
    *,
    sought: str = "",
    name: str = "",
    done: str = "",
    said: str | Markup = "",
    is_problem: bool = False,
    undo: str = "",
    table: str = "",
) -> str:
    """What the dialog shows: the prompts that were found by the words that were `sought`, a `name` for what is in the form, and
    the answer to what was `done`.

    `said` is text, or markup of ours; `undo` is the id of what was deleted; `table` is the text of an export.
    """
    listed = []
    for one in kept[:SHOWN_MOST]:
        card = models.get(one.model_id)
        prompt = " ".join(prompt_in(one.payload)[: 4 * PROMPT_SHOWN].split())
        shown = prompt if len(prompt) <= PROMPT_SHOWN else prompt[: PROMPT_SHOWN - 1] + "…"
        listed.append(
            {"id": one.shelf_id, "name": one.name, "prompt": shown, "model": card.title if card else one.model_id}
        )
    values = {
        "turn": secrets.token_hex(4),  # so that the same answer comes twice
        "sought": sought,
        "listed": listed,
        "count": len(kept),
        "name": name,
        "done": done,
        "said": str(said) if isinstance(said, Markup) else str(Markup.escape(said)),
        "is_problem": is_problem,
        "undo": undo,
        "table": table,
    }
    return json.dumps(values, ensure_ascii=False)
