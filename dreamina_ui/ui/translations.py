"""The fixed text of the page. Gradio's browser side puts it in by language, so it costs no call and never flickers.

Spoken text, which depends on what happens, comes from the server by `wording.Words`.
"""

from collections.abc import Callable, Mapping

import gradio as gr
from gradio.i18n import I18nData
from markupsafe import Markup

from dreamina_ui.wording import LANGUAGES, Words, texts_of

__all__ = ["Fixed"]


class Fixed:
    """Marks for texts and fragments; `translations` is what `launch` hands to the browser."""

    def __init__(self) -> None:
        self._fragments: dict[str, Mapping[str, str]] = {}
        self._used: set[str] = set()

    def text(self, key: str) -> I18nData:
        """A text of `words/*.json`, for a label, a button or a hint."""
        self._used.add(key)
        return I18nData(_flat(key))

    def fragment(self, name: str, render: Callable[[Words], Markup]) -> I18nData:
        """A piece of HTML that is rendered once for each language."""
        self._fragments[name] = {language: str(render(Words(language))) for language in LANGUAGES}
        return I18nData(_flat(name))

    @property
    def translations(self) -> gr.I18n:
        return gr.I18n(
            **{
                language: {
                    **{_flat(key): texts_of(language)[key] for key in sorted(self._used)},
                    **{_flat(name): texts[language] for name, texts in self._fragments.items()},
                }
                for language in LANGUAGES
            }
        )


def _flat(key: str) -> str:
    # A dot would mean a nested dictionary to the browser's translator.
    return "dreamina_" + key.replace(".", "_")
