"""Process models on tensors, their components and their routing; potential evapotranspiration."""

from dmg_core.physics.members import Hbv10, Hbv11p, Hbv20, Hbv20Hourly, Hbv21Hourly
from dmg_core.physics.physics import Fractions, Physics, PhysicsState

__all__ = ["Fractions", "Hbv10", "Hbv11p", "Hbv20", "Hbv20Hourly", "Hbv21Hourly", "Physics", "PhysicsState"]
