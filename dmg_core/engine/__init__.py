"""One model and the state of many catchments: arrays, stepping, state, budget, calibration."""

from dmg_core.engine.engine import Catchment, Engine

__all__ = ["Catchment", "Engine"]
