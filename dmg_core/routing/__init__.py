"""What happens to flow on its way from a process model to the outlet: nothing, or a unit hydrograph."""

from dmg_core.routing.base import Routing
from dmg_core.routing.none import NoRouting
from dmg_core.routing.unit_hydrograph import UnitHydrograph, route, unit_hydrograph

__all__ = ["NoRouting", "Routing", "UnitHydrograph", "route", "unit_hydrograph"]
