"""What happens to flow on its way from a process model to an outlet, and from unit basins to gauges."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmg_core.deferred import imports_of

if TYPE_CHECKING:
    from dmg_core.routing.base import Routing
    from dmg_core.routing.delay_bound import DelayBound, bounded, mean_delay
    from dmg_core.routing.gamma import UnitHydrograph, route, unit_hydrograph
    from dmg_core.routing.gauge_router import GaugeBudget, GaugeRouter
    from dmg_core.routing.gauges import GaugeRouting, aggregate, aggregate_array
    from dmg_core.routing.lagged_unit_hydrograph import LaggedUnitHydrograph, lagged
    from dmg_core.routing.membership import Membership, MembershipBatch
    from dmg_core.routing.none import NoRouting
    from dmg_core.routing.unit_network import OUTSIDE, UnitNetwork

__all__ = [
    "OUTSIDE",
    "DelayBound",
    "GaugeBudget",
    "GaugeRouter",
    "GaugeRouting",
    "LaggedUnitHydrograph",
    "Membership",
    "MembershipBatch",
    "NoRouting",
    "Routing",
    "UnitHydrograph",
    "UnitNetwork",
    "aggregate",
    "aggregate_array",
    "bounded",
    "lagged",
    "mean_delay",
    "route",
    "unit_hydrograph",
]

__getattr__ = imports_of(__name__, __file__)
