"""A simulator of RunComfy's Model API: it renders real videos and charges nothing.

Names are imported from their modules on first use, so that importing the package stays cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dreamina_ui.simulator.drawing.renderers import (
        QuickRenderer,
        Renderer,
        RenderError,
        RenderJob,
        SubprocessRenderer,
    )
    from dreamina_ui.simulator.faults import Fault
    from dreamina_ui.simulator.service import Simulator, create_app

__all__ = [
    "Fault",
    "QuickRenderer",
    "RenderError",
    "RenderJob",
    "Renderer",
    "Simulator",
    "SubprocessRenderer",
    "create_app",
]

_MODULES = {"Fault": "faults", "Simulator": "service", "create_app": "service"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(f"{__name__}.{_MODULES.get(name, 'drawing.renderers')}"), name)
