"""What is said about a connection that is lost, and to a visitor who could not be recognised again."""

import json

from markupsafe import Markup

from dreamina_ui.errors import VisitorLost, VisitorUnknown
from dreamina_ui.wording import Words

__all__ = ["connection_html", "stranger_html"]

_CONNECTION = Markup('<span hidden id="connection" data-words="{}"></span>')

_STRANGER = Markup('{sentence} <a class="action" href="{address}"{how}>{label}</a>')
_OWN_TAB = Markup(' target="_blank" rel="noopener"')


def stranger_html(error: VisitorUnknown | VisitorLost, words: Words, address: str = "") -> Markup:
    """One sentence, and what helps: the page in a tab of its own, or the same page again. `address` has the settings."""
    lost = isinstance(error, VisitorLost)
    label = words.say("connection.reload" if lost else "connection.own_tab")
    how = "" if lost else _OWN_TAB
    return _STRANGER.format(
        sentence=words.sentence(error), address="" if lost else address or "./", how=how, label=label
    )


def connection_html(words: Words) -> Markup:
    """`assets/js/connection.js` finds what it needs here."""
    texts = {key: words.say(f"connection.{key}") for key in ("lost", "unanswered", "reload")}
    return _CONNECTION.format(json.dumps(texts, ensure_ascii=False))
