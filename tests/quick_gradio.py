"""Imports Gradio as the studio does, for `tests/forked.py`."""

from dreamina_ui.ui.quick_import import without_stubs

with without_stubs():
    import gradio  # noqa: F401
