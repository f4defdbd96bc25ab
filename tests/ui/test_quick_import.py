"""Gradio is imported without the stubs that it makes for editors."""

import importlib.util
import inspect
import sys
from pathlib import Path
from typing import Any

import pytest

from dreamina_ui.ui.quick_import import without_stubs

SOURCE = "import gradio as gr\n\n\nclass Box(gr.Textbox):\n    pass\n"


def imported(path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The class `Box` of a module with a component of Gradio's."""
    path.write_text(SOURCE)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, path.stem, module)
    spec.loader.exec_module(module)
    return module.Box


def test_no_stub_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not inside the context, where everybody else is told the file of a class all the same; outside of it, Gradio makes one."""
    with without_stubs():
        made = imported(tmp_path / "quick_box.py", monkeypatch)
        assert inspect.getfile(made) == str(tmp_path / "quick_box.py")
    assert made(value="a").value == "a"
    assert not list(tmp_path.glob("*.pyi"))
    imported(tmp_path / "other_box.py", monkeypatch)
    assert [path.name for path in tmp_path.glob("*.pyi")] == ["other_box.pyi"]
