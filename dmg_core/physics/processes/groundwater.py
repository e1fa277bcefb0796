"""Groundwater: the upper and the lower zone, capillary rise and exchange with the region."""

from __future__ import annotations

from dmg_core.physics.operations import Function, Operations, Quantity
from dmg_core.physics.processes.reverse import first_of_least

#: Upstream area, km², above which regional exchange depends on area alone.
LARGE_AREA = 2500.0


def capillary_rise(op: Operations) -> Function:
    """Rise of groundwater into dry soil: returns ``SM, SLZ, rise, created``; ``created`` (mm) is what the clamps added."""
    minimum, maximum = op.minimum, op.maximum

    def equation(SM: Quantity, SLZ: Quantity, p: Quantity, dt: float, nz: float) -> tuple[Quantity, ...]:
        rise = minimum(SLZ / dt, p.C * SLZ * (1.0 - minimum(SM / p.FC, 1.0)))
        wetter, lower = SM + rise * dt, SLZ - rise * dt
        SM, SLZ = maximum(wetter, nz), maximum(lower, nz)
        return SM, SLZ, rise, (SM - wetter) + (SLZ - lower)

    return op.compiled(equation)


def capillary_rise_adjoint(op: Operations) -> Function:
    """Reverse of :func:`capillary_rise`: returns the sensitivities to ``SM``, ``SLZ``, ``FC`` and ``C``."""
    minimum, where, least = op.minimum, op.where, first_of_least(op)

    def equation(SM: Quantity, SLZ: Quantity, p: Quantity, dt: float, nz: float, dSM: Quantity, dSLZ: Quantity) -> tuple[Quantity, ...]:
        dryness = 1.0 - minimum(SM / p.FC, 1.0)
        demand = p.C * SLZ * dryness
        rise = minimum(SLZ / dt, demand)

        dSM = where(SM + rise * dt >= nz, dSM, 0.0)
        dSLZ = where(SLZ - rise * dt >= nz, dSLZ, 0.0)
        share, drise = least(SLZ / dt, demand), (dSM - dSLZ) * dt
        ddemand = (1.0 - share) * drise
        dSLZ = dSLZ + share * drise / dt + p.C * dryness * ddemand
        dwetness = where(SM / p.FC <= 1.0, -p.C * SLZ * ddemand, 0.0)
        return dSM + dwetness / p.FC, dSLZ, -dwetness * SM / (p.FC * p.FC), SLZ * dryness * ddemand

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


def upper_zone_adjoint(op: Operations) -> Function:
    """Reverse of :func:`upper_zone`: returns the sensitivities to ``SUZ``, ``inflow``, ``PERC``, ``UZL``, ``K0`` and ``K1``."""
    minimum, maximum, where, least = op.minimum, op.maximum, op.where, first_of_least(op)

    def equation(
        SUZ: Quantity, inflow: Quantity, p: Quantity, dt: float, dSUZ: Quantity, dpercolation: Quantity, dQ0: Quantity, dQ1: Quantity
    ) -> tuple[Quantity, ...]:
        SUZ = SUZ + inflow * dt
        share = least(SUZ / dt, p.PERC)
        kept = SUZ - minimum(SUZ / dt, p.PERC) * dt
        above = maximum(kept - p.UZL, 0.0)
        last = kept - p.K0 * above * dt

        dQ1 = dQ1 - dSUZ * dt
        dSUZ = dSUZ + p.K1 * dQ1
        dQ0 = dQ0 - dSUZ * dt
        dabove = where(kept >= p.UZL, p.K0 * dQ0, 0.0)
        dSUZ = dSUZ + dabove
        dpercolation = dpercolation - dSUZ * dt
        dSUZ = dSUZ + share * dpercolation / dt
        return dSUZ, dSUZ * dt, (1.0 - share) * dpercolation, -dabove, above * dQ0, last * dQ1

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


def regional_exchange_adjoint(op: Operations) -> Function:
    """Reverse of :func:`regional_exchange` for its store: returns the sensitivities to ``SLZ``, ``RT`` and ``AC``."""
    clip, where = op.clip, op.where

    def equation(SLZ: Quantity, p: Quantity, site: Quantity, dt: float, nz: float, dSLZ: Quantity) -> tuple[Quantity, ...]:
        small = site.upstream_area < LARGE_AREA
        beyond = (site.upstream_area - p.AC) / 1000.0
        share = where(small, clip(beyond, -1.0, 1.0), site.large_share)
        bounded = clip(beyond, -1.0, 1.0) != beyond

        dSLZ = where(SLZ + p.RT * share * dt >= nz, dSLZ, 0.0)
        dflow = dSLZ * dt
        dAC = where(small, where(bounded, 0.0, -p.RT * dflow / 1000.0), 0.0)
        return dSLZ, share * dflow, dAC

    return op.compiled(equation)
