"""The equations of the HBV family, written once for tensors and compiled scalars alike.

Each process is a function ``process(op)`` that builds the equation for a set of operations (:mod:`dmg_core.physics.operations`).
:func:`hbv_step` strings the processes together into one time step of a member of the family. Sources: Seibert (2005) and Beck et al.
(2020) for HBV; Feng et al. (2022), Song et al. (2024, 2025) and Yang et al. (2026) for the members.

Symbols are those of the papers. Stores, mm: snowpack ``SP``, meltwater in it ``MW``, soil moisture ``SM``, upper zone ``SUZ``, lower zone
``SLZ``. Fluxes inside a step are rates, mm/d; ``dt`` is the step in days, so every bound "not more than is there" reads ``store / dt``.
``nz`` is the small number, mm, below which a store is not allowed to fall.
"""

from __future__ import annotations

from typing import NamedTuple

from dmg_core.parameters import HBV_10, HBV_11P, HBV_20, HBV_20_HOURLY
from dmg_core.physics.operations import Function, Operations, Quantity

#: Stores of a model that starts from nothing, mm.
INITIAL_STORE = 0.001

#: Temperature, °C, that divides snow from rain in high catchments, whatever the network says.
HIGH_TT = 4.0

#: Upstream area, km², above which regional exchange depends on area alone.
LARGE_AREA = 2500.0


class Stores(NamedTuple):
    """Water in the five boxes, mm, one value per catchment and component."""

    SP: Quantity
    MW: Quantity
    SM: Quantity
    SUZ: Quantity
    SLZ: Quantity


class Site(NamedTuple):
    """What HBV 2.0 needs to know of a catchment besides its parameters."""

    upstream_area: Quantity
    """Area that drains through the catchment, km²."""
    large_share: Quantity
    """Share of parRT that a catchment of at least 2500 km² exchanges (:func:`large_area_share`)."""
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


def snow(op: Operations) -> Function:
    """Degree-day snow routine: accumulation, melt, refreezing and the water a pack cannot hold.

    The equation takes the rates ``P`` (mm/d) and the temperature ``T`` (°C) and returns ``SP, MW, rain, outflow``.
    """
    minimum, maximum, where = op.minimum, op.maximum, op.where

    def equation(SP: Quantity, MW: Quantity, P: Quantity, T: Quantity, TT: Quantity, p: Quantity, dt: float) -> tuple[Quantity, ...]:
        rain = where(T >= TT, P, 0.0)
        SP = SP + (P - rain) * dt

        melt = minimum(maximum(p.CFMAX * (T - TT), 0.0), SP / dt)
        SP, MW = SP - melt * dt, MW + melt * dt

        refreeze = minimum(maximum(p.CFR * p.CFMAX * (TT - T), 0.0), MW / dt)
        SP, MW = SP + refreeze * dt, MW - refreeze * dt

        surplus = maximum(MW - p.CWH * SP, 0.0)
        return SP, MW - surplus, rain, surplus / dt

    return op.compiled(equation)


def infiltration(op: Operations) -> Function:
    """Infiltration capacity that declines with wetness (hourly models): returns ``infiltration, excess``, mm/d."""
    minimum, maximum, clip, power = op.minimum, op.maximum, op.clip, op.power

    def equation(W: Quantity, SM: Quantity, p: Quantity) -> tuple[Quantity, Quantity]:
        wetness = clip(SM / p.FC, 0.0, 0.99)
        wet_capacity = p.FMIN * p.F0
        capacity = wet_capacity + (p.F0 - wet_capacity) * power(1.0 - wetness, p.ALPHA)
        return minimum(W, capacity), maximum(W - capacity, 0.0)

    return op.compiled(equation)


def soil(op: Operations) -> Function:
    """Share the water that enters the soil between storage and recharge: returns ``SM, recharge, excess``."""
    maximum, clip, power = op.maximum, op.clip, op.power

    def equation(SM: Quantity, W: Quantity, p: Quantity, dt: float) -> tuple[Quantity, Quantity, Quantity]:
        recharge = W * clip(power(SM / p.FC, p.BETA), 0.0, 1.0)
        SM = SM + (W - recharge) * dt
        excess = maximum(SM - p.FC, 0.0)
        return SM - excess, recharge, excess / dt

    return op.compiled(equation)


def evapotranspiration(op: Operations) -> Function:
    """Evapotranspiration from the soil: returns ``SM, ET, factor, created``; ``created`` (mm) is what the clamp added."""
    minimum, maximum, clip, power = op.minimum, op.maximum, op.clip, op.power

    def equation(SM: Quantity, PET: Quantity, p: Quantity, dt: float, nz: float) -> tuple[Quantity, ...]:
        factor = clip(power(SM / (p.LP * p.FC), p.BETAET), 0.0, 1.0)
        ET = minimum(SM / dt, PET * factor)
        left = SM - ET * dt
        SM = maximum(left, nz)
        return SM, ET, factor, SM - left

    return op.compiled(equation)


def capillary_rise(op: Operations) -> Function:
    """Rise of groundwater into dry soil: returns ``SM, SLZ, rise, created``; ``created`` (mm) is what the clamps added."""
    minimum, maximum = op.minimum, op.maximum

    def equation(SM: Quantity, SLZ: Quantity, p: Quantity, dt: float, nz: float) -> tuple[Quantity, ...]:
        rise = minimum(SLZ / dt, p.C * SLZ * (1.0 - minimum(SM / p.FC, 1.0)))
        wetter, lower = SM + rise * dt, SLZ - rise * dt
        SM, SLZ = maximum(wetter, nz), maximum(lower, nz)
        return SM, SLZ, rise, (SM - wetter) + (SLZ - lower)

    return op.compiled(equation)


def upper_zone(op: Operations) -> Function:
    """Upper zone: percolation, near-surface flow and interflow; returns ``SUZ, percolation, Q0, Q1``."""
    minimum, maximum = op.minimum, op.maximum

    def equation(SUZ: Quantity, inflow: Quantity, p: Quantity, dt: float) -> tuple[Quantity, ...]:
        SUZ = SUZ + inflow * dt
        percolation = minimum(SUZ / dt, p.PERC)
        SUZ = SUZ - percolation * dt
        Q0 = p.K0 * maximum(SUZ - p.UZL, 0.0)
        SUZ = SUZ - Q0 * dt
        Q1 = p.K1 * SUZ
        return SUZ - Q1 * dt, percolation, Q0, Q1

    return op.compiled(equation)


def large_area_share(op: Operations) -> Function:
    """Share of parRT exchanged above 2500 km²; it fades with area (km²) and is constant for a catchment."""
    clip, exp = op.clip, op.exp

    def equation(upstream_area: Quantity) -> Quantity:
        return exp(clip(-(upstream_area - LARGE_AREA) / 50.0, -10.0, 0.0))

    return op.compiled(equation)


def regional_exchange(op: Operations) -> Function:
    """Groundwater exchanged with the region: returns ``SLZ`` and the effective exchange, mm (positive: gained)."""
    maximum, clip, where = op.maximum, op.clip, op.where

    def equation(SLZ: Quantity, p: Quantity, site: Quantity, dt: float, nz: float) -> tuple[Quantity, Quantity]:
        small_share = clip((site.upstream_area - p.AC) / 1000.0, -1.0, 1.0)
        flow = p.RT * where(site.upstream_area < LARGE_AREA, small_share, site.large_share)
        after = maximum(SLZ + flow * dt, nz)
        return after, after - SLZ

    return op.compiled(equation)


def floor_stores(op: Operations) -> Function:
    """Lift stores to their least values at the start of a step (hourly models): returns ``stores, created``."""
    maximum = op.maximum

    def equation(s: Quantity, nz: float) -> tuple[Stores, Quantity]:
        lifted = Stores(maximum(s.SP, 0.0), maximum(s.MW, 0.0), maximum(s.SM, nz), maximum(s.SUZ, nz), maximum(s.SLZ, nz))
        snow_created = (lifted.SP - s.SP) + (lifted.MW - s.MW)
        return lifted, snow_created + (lifted.SM - s.SM) + (lifted.SUZ - s.SUZ) + (lifted.SLZ - s.SLZ)

    return op.compiled(equation)


def hbv_step(op: Operations, *, capillary: bool = False, regional: bool = False, hourly: bool = False) -> Function:
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

    Returns
    -------
    callable
        ``step(s, p, site, P, T, PET, dt, nz) -> (Stores, Fluxes)``: stores ``s``, parameters ``p`` and ``site`` are read by name;
        ``P`` and ``PET`` are rates in mm/d, ``T`` is in °C, ``dt`` in days, ``nz`` in mm. With them
        ``(P + exchange - ET - Q) dt - leaked`` equals the change of the stores.
    """
    where = op.where
    snow_, infiltration_, soil_, evapotranspiration_ = snow(op), infiltration(op), soil(op), evapotranspiration(op)
    capillary_rise_, upper_zone_, exchange_, floor_ = capillary_rise(op), upper_zone(op), regional_exchange(op), floor_stores(op)

    def step(
        s: Quantity, p: Quantity, site: Quantity, P: Quantity, T: Quantity, PET: Quantity, dt: float, nz: float
    ) -> tuple[Stores, Fluxes]:
        none = 0.0 * P
        created = rise = exchange = runoff = none
        SP, MW, SM, SUZ, SLZ = s.SP, s.MW, s.SM, s.SUZ, s.SLZ
        if hourly:
            (SP, MW, SM, SUZ, SLZ), created = floor_(s, nz)

        TT = where(site.high, HIGH_TT, p.TT) if regional else p.TT
        SP, MW, rain, melt_outflow = snow_(SP, MW, P, T, TT, p, dt)

        W = rain + melt_outflow
        if hourly:
            W, runoff = infiltration_(W, SM, p)
        SM, recharge, excess = soil_(SM, W, p, dt)
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
            unrouted_surface_flow=(Q0 + runoff) * dt,
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
        return Stores(SP, MW, SM, SUZ, SLZ), fluxes

    return op.compiled(step)


#: Which processes each member of the family has.
PROCESSES: dict[str, dict[str, bool]] = {
    HBV_10.name: {},
    HBV_11P.name: {"capillary": True},
    HBV_20.name: {"capillary": True, "regional": True},
    HBV_20_HOURLY.name: {"capillary": True, "regional": True, "hourly": True},
}
