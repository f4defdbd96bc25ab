"""The fixed texts of the page. Gradio translates them in the browser, without a request to the server.

Texts that depend on a job or an error come from the server, by `wording.Words`.
"""

from collections.abc import Callable, Mapping

import gradio as gr
from gradio.i18n import I18nData

from dreamina_ui.wording import LANGUAGES, Words, texts_of

__all__ = ["Fixed"]


class Fixed:
    """Collects the fixed texts and HTML fragments that the page uses; `translations` is for Gradio's `launch`."""

    def __init__(self) -> None:
        self._fragments: dict[str, Mapping[str, str]] = {}
        self._used: set[str] = set()

    def text(self, key: str) -> I18nData:
        """A text of `words/*.json`, for a label, a button or a hint."""
        self._used.add(key)
        return I18nData(_flat(key))

    def fragment(self, name: str, render: Callable[[Words], str]) -> I18nData:
        """A piece of HTML, or a text for a label, that is rendered once for each language."""
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
    # Gradio's translation would read a dot as a nested dictionary.
    return "dreamina_" + key.replace(".", "_")
