"""Groundwater: the upper and the lower zone, capillary rise and exchange with the region."""

from __future__ import annotations

from dmg_core.physics.operations import Function, Operations, Quantity

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
