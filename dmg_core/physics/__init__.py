"""Process equations: the HBV family, routing and potential evapotranspiration."""

from dmg_core.physics.hbv import Hbv10, Hbv11p, Hbv20, Hbv20Hourly, Hbv21Hourly, HbvState

__all__ = ["Hbv10", "Hbv11p", "Hbv20", "Hbv20Hourly", "Hbv21Hourly", "HbvState"]
