"""The HBV family: processes as functions of their symbols, and the members strung together from them."""

from dmg_core.models.hbv.members import Hbv, Hbv11p, Hbv20, Hbv20Hourly, Hbv21Hourly

__all__ = ["Hbv", "Hbv11p", "Hbv20", "Hbv20Hourly", "Hbv21Hourly"]
