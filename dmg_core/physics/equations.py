"""The equations of the HBV family, written once for tensors and compiled scalars alike.

Each process (:mod:`dmg_core.physics.processes`) is a function ``process(op)`` that builds the equation for a set of operations
(:mod:`dmg_core.physics.operations`). :func:`hbv_step` strings the processes together into one time step of a member of the family.
Sources: Seibert (2005) and Beck et al. (2020) for HBV; Feng et al. (2022), Song et al. (2024, 2025) and Yang et al. (2026) for the
members.

Symbols are those of the papers. Stores, mm: snowpack ``SP``, meltwater in it ``MW``, soil moisture ``SM``, upper zone ``SUZ``, lower zone
``SLZ``, and in 2.1 infiltration excess on its way, ``SIE1`` and ``SIE2``. Fluxes inside a step are rates, mm/d; ``dt`` is the step in days,
so every bound "not more than is there" reads ``store / dt``. ``nz`` is the small number, mm, below which a store is not allowed to fall.
"""

from __future__ import annotations

from typing import NamedTuple

from dmg_core.parameters import HBV_10, HBV_11P, HBV_20, HBV_20_HOURLY, HBV_21_HOURLY, Variant
from dmg_core.physics.operations import Function, Operations, Quantity
from dmg_core.physics.processes.groundwater import capillary_rise, regional_exchange, upper_zone
from dmg_core.physics.processes.overland import cascade, partition
from dmg_core.physics.processes.snow import snow
from dmg_core.physics.processes.soil import evapotranspiration

#: Stores of a model that starts from nothing, mm.
INITIAL_STORE = 0.001

#: Temperature, °C, that divides snow from rain in high catchments, whatever the network says.
HIGH_TT = 4.0


class Stores(NamedTuple):
    """Water in the five boxes, mm, one value per catchment and component."""

    SP: Quantity
    MW: Quantity
    SM: Quantity
    SUZ: Quantity
    SLZ: Quantity


class CascadeStores(NamedTuple):
    """Water in the five boxes and in the two that infiltration excess passes (2.1), mm, one value per catchment and component."""

    SP: Quantity
    MW: Quantity
    SM: Quantity
    SUZ: Quantity
    SLZ: Quantity
    SIE1: Quantity
    SIE2: Quantity


#: :func:`stores_of` says which a member of the family has.
AnyStores = Stores | CascadeStores


class Site(NamedTuple):
    """What HBV 2.0 needs to know of a catchment besides its parameters."""

    upstream_area: Quantity
    """Area that drains through the catchment, km²."""
    large_share: Quantity
    """Share of parRT that a catchment of at least 2500 km² exchanges (:func:`~dmg_core.physics.processes.groundwater.large_area_share`)."""
    high: Quantity
    """True where the mean elevation fixes the snow threshold at 4 °C."""


class Fluxes(NamedTuple):
    """What one step moved, mm per step, one value per catchment and component."""

    unrouted_surface_flow: Quantity
    unrouted_interflow: Quantity
    unrouted_baseflow: Quantity
    aet: Quantity
    recharge: Quantity
    soil_excess: Quantity
    percolation: Quantity
    capillary_rise: Quantity
    regional_exchange: Quantity
    infiltration_excess: Quantity
    snowpack_outflow: Quantity
    evaporation_factor: Quantity
    leaked: Quantity
    """Water lost by numerical clamps (negative: created), so that the budget closes."""


def floor_stores(op: Operations) -> Function:
    """Lift stores to their least values at the start of a step (hourly models): returns ``stores, created``."""
    maximum = op.maximum

    def equation(s: Quantity, nz: float) -> tuple[Stores, Quantity]:
        lifted = Stores(maximum(s.SP, 0.0), maximum(s.MW, 0.0), maximum(s.SM, nz), maximum(s.SUZ, nz), maximum(s.SLZ, nz))
        snow_created = (lifted.SP - s.SP) + (lifted.MW - s.MW)
        return lifted, snow_created + (lifted.SM - s.SM) + (lifted.SUZ - s.SUZ) + (lifted.SLZ - s.SLZ)

    return op.compiled(equation)


def hbv_step(op: Operations, *, capillary: bool = False, regional: bool = False, hourly: bool = False, varied: bool = False) -> Function:
    """Build one time step of a member of the HBV family.

    Parameters
    ----------
    op : Operations
        What the step is built with.
    capillary : bool
        Groundwater rises into dry soil (from 1.1p on).
    regional : bool
        Groundwater is exchanged with the region, and high catchments have a fixed snow threshold (from 2.0 on).
    hourly : bool
        Rain beyond the infiltration capacity runs off, and stores are floored at the start of the step (hourly models).
    varied : bool
        The infiltration capacity varies over the catchment, and what exceeds it passes a cascade of two stores (2.1).

    Returns
    -------
    callable
        ``step(s, p, site, P, T, PET, dt, nz) -> (AnyStores, Fluxes)``: stores ``s``, parameters ``p`` and ``site`` are read by name;
        ``P`` and ``PET`` are rates in mm/d, ``T`` is in °C, ``dt`` in days, ``nz`` in mm. With them
        ``(P + exchange - ET - Q) dt - leaked`` equals the change of the stores.
    """
    where = op.where
    snow_, partition_, evapotranspiration_ = snow(op), partition(op, hourly=hourly, varied=varied), evapotranspiration(op)
    capillary_rise_, upper_zone_, exchange_, floor_ = capillary_rise(op), upper_zone(op), regional_exchange(op), floor_stores(op)
    cascade_ = cascade(op)

    def step(
        s: Quantity, p: Quantity, site: Quantity, P: Quantity, T: Quantity, PET: Quantity, dt: float, nz: float
    ) -> tuple[AnyStores, Fluxes]:
        none = 0.0 * P
        created = rise = exchange = none
        SP, MW, SM, SUZ, SLZ = s.SP, s.MW, s.SM, s.SUZ, s.SLZ
        if hourly:
            (SP, MW, SM, SUZ, SLZ), created = floor_(s, nz)

        TT = where(site.high, HIGH_TT, p.TT) if regional else p.TT
        SP, MW, rain, melt_outflow = snow_(SP, MW, P, T, TT, p, dt)

        SM, recharge, excess, runoff = partition_(SM, rain + melt_outflow, p, dt)
        overland = runoff
        if varied:
            SIE1, SIE2, overland, gained = cascade_(s.SIE1, s.SIE2, runoff, p, dt, nz)
            created = created + gained
        SM, ET, factor, gained = evapotranspiration_(SM, PET, p, dt, nz)
        created = created + gained
        if capillary:
            SM, SLZ, rise, gained = capillary_rise_(SM, SLZ, p, dt, nz)
            created = created + gained

        SUZ, percolation, Q0, Q1 = upper_zone_(SUZ, recharge + excess, p, dt)
        SLZ = SLZ + percolation * dt
        if regional:
            SLZ, exchange = exchange_(SLZ, p, site, dt, nz)
        Q2 = p.K2 * SLZ
        SLZ = SLZ - Q2 * dt

        fluxes = Fluxes(
            unrouted_surface_flow=(Q0 + overland) * dt,
            unrouted_interflow=Q1 * dt,
            unrouted_baseflow=Q2 * dt,
            aet=ET * dt,
            recharge=recharge * dt,
            soil_excess=excess * dt,
            percolation=percolation * dt,
            capillary_rise=rise * dt,
            regional_exchange=exchange,
            infiltration_excess=runoff * dt,
            snowpack_outflow=melt_outflow * dt,
            evaporation_factor=factor,
            leaked=-created,
        )
        if varied:
            return CascadeStores(SP, MW, SM, SUZ, SLZ, SIE1, SIE2), fluxes
        return Stores(SP, MW, SM, SUZ, SLZ), fluxes

    return op.compiled(step)


#: Which processes each member of the family has.
PROCESSES: dict[str, dict[str, bool]] = {
    HBV_10.name: {},
    HBV_11P.name: {"capillary": True},
    HBV_20.name: {"capillary": True, "regional": True},
    HBV_20_HOURLY.name: {"capillary": True, "regional": True, "hourly": True},
    HBV_21_HOURLY.name: {"capillary": True, "regional": True, "hourly": True, "varied": True},
}


def stores_of(variant: Variant) -> type[Stores] | type[CascadeStores]:
    """Say which stores a member of the family has; one with equations of its own has the five."""
    return CascadeStores if "varied" in PROCESSES.get(variant.name, {}) else Stores
