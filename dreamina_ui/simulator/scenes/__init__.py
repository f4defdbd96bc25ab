"""The scene families, one module each; only the one a prompt asks for is ever loaded."""

from importlib import import_module
from typing import cast

from dreamina_ui.simulator.picture import Scene, Setting

__all__ = ["build_scene"]


def build_scene(setting: Setting) -> Scene:
    """The scene the setting's reading names."""
    module = import_module(f".{setting.reading.scene}", __name__)
    return cast(Scene, module.build(setting))
