"""Differentiable hydrological models: networks that give the parameters of process equations, and an engine that steps them.

The package knows hydrology and tensors, nothing of BMI, ngen or NextGen files; :mod:`bmi_dmg` is the skin for those.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from dmg_core.engine.engine import Catchment, Engine
    from dmg_core.loading import load_model
    from dmg_core.model import DeltaModel

__all__ = ["Catchment", "DeltaModel", "Engine", "load_model"]

_MODULES: Final = {"Catchment": "engine", "DeltaModel": "model", "Engine": "engine", "load_model": "loading"}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is: errors and files are needed where torch is not."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"dmg_core.{_MODULES[name]}"), name)
