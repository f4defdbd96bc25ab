"""The HTML of the list of keyboard shortcuts, or of a touch screen's gestures; it also names the two symbol buttons."""

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
    ("S", "keys.star"),
    ("⇧ + ← →", "keys.move"),
    ("Space , .", "keys.step"),
    ("F", "keys.show"),
    ("?", "keys.help"),
)
GESTURES: Sequence[tuple[str, str]] = (
    ("gestures.press", "gestures.phrase"),
    ("gestures.poster", "gestures.open"),
    ("gestures.corner", "gestures.pick"),
    ("gestures.slider", "gestures.step"),
    ("gestures.beside", "gestures.close"),
)
# `assets/css/history.css` shows one of the two.
_SHEET = Markup(
    '<dialog id="keys-sheet" aria-labelledby="keys-title" data-dice="{dice}" data-lock="{lock}">'
    '<h2 id="keys-title"><span class="by-keys">{title}</span><span class="by-touch">{touch}</span></h2>'
    '<dl class="by-keys">{rows}</dl><dl class="by-touch">{gestures}</dl>'
    '<button type="button" data-close>{close}</button></dialog>'
)
_ROW = Markup("<div><dt><kbd>{}</kbd></dt><dd>{}</dd></div>")
_GESTURE = Markup("<div><dt>{}</dt><dd>{}</dd></div>")


def keys_html(words: Words) -> Markup:
    rows = Markup().join(_ROW.format(key, words.say(name)) for key, name in KEYS)
    gestures = Markup().join(_GESTURE.format(words.say(gesture), words.say(name)) for gesture, name in GESTURES)
    texts = {name: words.say(name) for name in ("close", "dice", "lock")}
    titles = {"title": words.say("keys.title"), "touch": words.say("gestures.title")}
    return _SHEET.format(rows=rows, gestures=gestures, **titles, **texts)
