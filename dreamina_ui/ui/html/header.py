"""The HTML of the page's header: the model, the backend, and the languages. Pure."""

from markupsafe import Markup

from dreamina_ui.cards.models import Models
from dreamina_ui.wording import LANGUAGES, Words, texts_of

__all__ = ["brand_html", "header_html"]

_BRAND = Markup('<div class="brand"><span class="logo" aria-hidden="true"></span><h1>Dreamina UI</h1>{model}</div>')
_HEADER = Markup(
    '<p class="badge {backend}"><b>{name}</b> {meaning}</p>'
    '<p class="languages">{languages}<button type="button" data-keys title="{keys}" aria-label="{keys}">?</button></p>'
)
_LANGUAGE = Markup('<button type="button" data-language="{0}" lang="{0}"{2}>{1}</button>')
_MODEL = Markup('<span class="model">{}</span>')
_CHOSEN = Markup(' aria-current="true"')


def brand_html(models: Models) -> Markup:
    """The name, and that of the model where there is one; several are in a picker beside it."""
    return _BRAND.format(model=_MODEL.format(models.default.title) if len(models) == 1 else "")


def header_html(backend: str, words: Words) -> Markup:
    return _HEADER.format(
        backend=backend,
        name=words.say(f"badge.{backend}"),
        meaning=words.say(f"badge.{backend}.meaning"),
        keys=words.say("keys.button"),
        languages=Markup().join(
            _LANGUAGE.format(
                language, texts_of(language)["language.name"], _CHOSEN if language == words.language else ""
            )
            for language in LANGUAGES
        ),
    )
