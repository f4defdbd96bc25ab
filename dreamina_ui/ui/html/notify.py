"""The HTML of the button for notifications, and the texts for files that are dropped on the page."""

from markupsafe import Markup

from dreamina_ui.web.checks.upload_form import RECORD_ENDINGS
from dreamina_ui.wording import Words

__all__ = ["notify_html"]

_BELL = Markup(
    '<svg viewBox="0 0 24 24" aria-hidden="true">'
    '<path d="M12 3a6 6 0 0 0-6 6v4l-2 3h16l-2-3V9a6 6 0 0 0-6-6zm-2 15a2 2 0 0 0 4 0z"/></svg>'
)
_NOTIFY = Markup(
    '<button type="button" id="notify" aria-pressed="false" title="{words}" aria-label="{words}">{bell}</button>'
    '<span hidden data-drop-words="{drop}" data-drop-refused="{refused}" data-drop-endings="{endings}"></span>'
)


def notify_html(words: Words) -> Markup:
    """The markup that `assets/js/notify.js` and `drop-file.js` need."""
    return _NOTIFY.format(
        words=words.say("notify"),
        bell=_BELL,
        drop=words.say("drop"),
        refused=words.say("drop.refused"),
        endings=" ".join(RECORD_ENDINGS),
    )
