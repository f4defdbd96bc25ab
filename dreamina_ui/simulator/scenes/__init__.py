"""The scene families, one module each; only the one a prompt asks for is ever loaded."""

from importlib import import_module
from typing import Protocol, cast

from dreamina_ui.simulator.canvas import Array, Canvas, Setting
from dreamina_ui.simulator.frame import Planes

__all__ = ["Scene", "build_scene"]


class Scene(Protocol):
    """One family of pictures. `canvas` is what `paint` fills; `bloom`, how much its bright parts glow.

    `stride` is how many frames one painting may serve: those between two paintings are blended from both,
    which nobody sees as long as things on the canvas move less than a pixel or so. `in_strips` tells
    that a strip of the canvas can be painted by itself.
    """

    canvas: Canvas
    bloom: float
    stride: int
    in_strips: bool

    def paint(self, canvas: Canvas, t: float) -> Array:
        """The light (3, height, width) at `t` seconds on the canvas or a strip of it."""

    def details(self, planes: Planes, t: float) -> None:
        """Draw at full size what must be crisp."""


def build_scene(setting: Setting) -> Scene:
    """The scene the setting's reading names."""
    module = import_module(f".{setting.reading.scene}", __name__)
    return cast(Scene, module.build(setting))
