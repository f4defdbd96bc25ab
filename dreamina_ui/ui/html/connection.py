"""The sentences about a connection that is lost."""

import json

from markupsafe import Markup

from dreamina_ui.wording import Words

__all__ = ["connection_html"]

_CONNECTION = Markup('<span hidden id="connection" data-words="{}"></span>')


def connection_html(words: Words) -> Markup:
    """`assets/js/connection.js` finds what it needs here."""
    texts = {key: words.say(f"connection.{key}") for key in ("lost", "unanswered", "reload")}
    return _CONNECTION.format(json.dumps(texts, ensure_ascii=False))
