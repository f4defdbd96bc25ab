"""The sentences about a lost connection, and for a visitor whom the server does not recognise."""

import json

from markupsafe import Markup

from dreamina_ui.errors import VisitorLost, VisitorUnknown
from dreamina_ui.wording import Words

__all__ = ["connection_html", "unknown_visitor_html"]

_CONNECTION = Markup('<span hidden id="connection" data-words="{}"></span>')

_UNKNOWN_VISITOR = Markup('{sentence} <a class="action" href="{address}"{how}>{label}</a>')
_OWN_TAB = Markup(' target="_blank" rel="noopener"')


def unknown_visitor_html(error: VisitorUnknown | VisitorLost, words: Words, address: str = "") -> Markup:
    """One sentence, and a link that helps: the page in its own tab, with the settings in `address`, or a reload."""
    lost = isinstance(error, VisitorLost)
    label = words.say("connection.reload" if lost else "connection.own_tab")
    how = "" if lost else _OWN_TAB
    return _UNKNOWN_VISITOR.format(
        sentence=words.sentence(error), address="" if lost else address or "./", how=how, label=label
    )


def connection_html(words: Words) -> Markup:
    """`assets/js/connection.js` finds what it needs here."""
    texts = {key: words.say(f"connection.{key}") for key in ("lost", "unanswered", "reload")}
    return _CONNECTION.format(json.dumps(texts, ensure_ascii=False))
