"""The hourly multi-timescale δHBV: a daily model gives an hourly one its first stores, network state and most static parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmg_core.deferred import imports_of

if TYPE_CHECKING:
    from dmg_core.multi_timescale.coupling import Coupling
    from dmg_core.multi_timescale.engine import MultiTimescaleEngine
    from dmg_core.multi_timescale.model import MultiTimescaleModel, build_multi_timescale_model, load_multi_timescale_model

__all__ = ["Coupling", "MultiTimescaleEngine", "MultiTimescaleModel", "build_multi_timescale_model", "load_multi_timescale_model"]

__getattr__ = imports_of(__name__, __file__)
