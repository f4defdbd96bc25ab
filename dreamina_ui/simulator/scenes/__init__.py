"""The scenes, one module each; only the one of the prompt is imported."""

from importlib import import_module
from typing import Protocol, cast

from dreamina_ui.simulator.drawing.canvas import Array, Canvas, Setting
from dreamina_ui.simulator.drawing.frame import Planes

__all__ = ["Scene", "build_scene"]


class Scene(Protocol):
    """Draws one kind of picture. `paint` fills `canvas`; `bloom` is how much its bright parts glow.

    Only every `stride`-th frame is painted; the frames between are blended from two paintings, which is invisible
    while things on the canvas move less than about a pixel. `in_strips` if `paint` can paint a strip of the canvas.
    """

    canvas: Canvas
    bloom: float
    stride: int
    in_strips: bool

    def paint(self, canvas: Canvas, t: float) -> Array:
        """The light (3, height, width) at `t` seconds on the canvas or a strip of it."""

    def details(self, planes: Planes, t: float) -> None:
        """Draw details at full size."""


def build_scene(setting: Setting) -> Scene:
    """The scene that the prompt names."""
    module = import_module(f".{setting.reading.scene}", __name__)
    return cast(Scene, module.build(setting))
