"""Process models on tensors, their components and their routing; potential evapotranspiration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmg_core.deferred import imports_of

if TYPE_CHECKING:
    from dmg_core.physics.members import Hbv10, Hbv11p, Hbv20, Hbv20Hourly, Hbv21Hourly
    from dmg_core.physics.physics import Fractions, Physics, PhysicsState

__all__ = ["Fractions", "Hbv10", "Hbv11p", "Hbv20", "Hbv20Hourly", "Hbv21Hourly", "Physics", "PhysicsState"]

__getattr__ = imports_of(__name__, __file__)
