"""The HTML of the list of keyboard shortcuts; it also has the names of the two buttons that show only a symbol."""

from collections.abc import Sequence

from markupsafe import Markup

from dreamina_ui.wording import Words

__all__ = ["keys_html"]

KEYS: Sequence[tuple[str, str]] = (
    ("Ctrl / ⌘ + Enter", "keys.generate"),
    ("Esc", "keys.cancel"),
    ("/", "keys.search"),
    ("← ↑ → ↓", "keys.walk"),
    ("Enter", "keys.open"),
    ("Space , .", "keys.step"),
    ("?", "keys.help"),
)
_SHEET = Markup(
    '<dialog id="keys-sheet" aria-labelledby="keys-title" data-dice="{dice}" data-lock="{lock}">'
    '<h2 id="keys-title">{title}</h2><dl>{rows}</dl>'
    '<button type="button" data-close>{close}</button></dialog>'
)
_ROW = Markup("<div><dt><kbd>{}</kbd></dt><dd>{}</dd></div>")


def keys_html(words: Words) -> Markup:
    rows = Markup().join(_ROW.format(key, words.say(name)) for key, name in KEYS)
    texts = {name: words.say(name) for name in ("close", "dice", "lock")}
    return _SHEET.format(title=words.say("keys.title"), rows=rows, **texts)
