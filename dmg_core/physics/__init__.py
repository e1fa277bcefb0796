"""Process equations: the HBV family, routing and potential evapotranspiration."""

from dmg_core.physics.hbv import HbvState
from dmg_core.physics.members import Hbv10, Hbv11p, Hbv20, Hbv20Hourly, Hbv21Hourly

__all__ = ["Hbv10", "Hbv11p", "Hbv20", "Hbv20Hourly", "Hbv21Hourly", "HbvState"]
