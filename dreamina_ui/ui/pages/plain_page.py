"""The HTML of pages beside Gradio's, for viewers: a title, a style and what is in it. Pure."""

from markupsafe import Markup

from dreamina_ui.wording import Words

__all__ = ["plain_page"]

_PAGE = Markup(
    '<!doctype html><html lang="{language}"><head><meta charset="utf-8"><base href="{base}">'
    '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex">'
    '<meta name="color-scheme" content="light dark"><title>{title}</title><link rel="icon" href="favicon.ico">'
    '<link rel="stylesheet" href="{style}">{script}</head><body class="{kind}"><main><h1>{title}</h1>{body}</main></body></html>'
)
_SCRIPT = Markup('<script defer src="{}"></script>')


def plain_page(
    words: Words, title: str, body: str, *, kind: str, style: str, script: str = "", base: str = "./"
) -> Markup:
    """`base` leads from the page to the studio; `style` and `script` are addresses relative to that."""
    return _PAGE.format(
        language=words.language,
        base=base,
        title=title,
        body=body,
        kind=kind,
        style=style,
        script=_SCRIPT.format(script) if script else "",
    )
