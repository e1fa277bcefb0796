"""Differentiable hydrological models: networks that give the parameters of process equations, and an engine that steps them.

The package knows hydrology and tensors, nothing of BMI, ngen or NextGen files; :mod:`bmi_dmg` is the skin for those.
"""

from dmg_core.catchment import Catchment
from dmg_core.engine import Engine
from dmg_core.model import DeltaModel, load_model

__all__ = ["Catchment", "DeltaModel", "Engine", "load_model"]
