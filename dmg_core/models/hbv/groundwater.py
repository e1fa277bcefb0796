"""Groundwater: the upper and the lower zone, capillary rise and exchange with the region.

Symbols: upper zone ``SUZ`` and lower zone ``SLZ``, mm; soil moisture ``SM`` and field capacity ``FC``, mm; recessions ``K0`` and ``K1``,
1/d; threshold of near-surface flow ``UZL``, mm; largest percolation ``PERC``, mm/d; capillary rise ``C``, 1/d; regional exchange ``RT``,
mm/d, and the area below which it is a loss ``AC``, km²; step ``dt``, d.
"""

from __future__ import annotations

from dmg_core.deferred import torch
from dmg_core.models.process_model import Quantity

#: Upstream area, km², above which regional exchange depends on area alone.
LARGE_AREA = 2500.0


def capillary_rise(SM: Quantity, SLZ: Quantity, FC: Quantity, C: Quantity, dt: float) -> Quantity:
    """Rise of groundwater into dry soil, mm/d.

    ``rise = min(SLZ / dt, C SLZ (1 - min(SM / FC, 1)))`` (Song et al. 2024).
    """
    return torch.minimum(SLZ / dt, C * SLZ * (1.0 - torch.clamp(SM / FC, max=1.0)))


def upper_zone(
    SUZ: Quantity, PERC: Quantity, UZL: Quantity, K0: Quantity, K1: Quantity, dt: float
) -> tuple[Quantity, Quantity, Quantity, Quantity]:
    """Empty the upper zone, one way after the other.

    ``percolation = min(SUZ / dt, PERC);  Q0 = K0 max(SUZ - UZL, 0);  Q1 = K1 SUZ`` (Seibert 2005; Beck et al. 2020).

    Returns
    -------
    SUZ : Quantity
        mm.
    percolation, Q0, Q1 : Quantity
        Water to the lower zone, near-surface flow and interflow, mm/d.
    """
    percolation = torch.minimum(SUZ / dt, PERC)
    SUZ = SUZ - percolation * dt
    Q0 = K0 * torch.clamp(SUZ - UZL, min=0.0)
    SUZ = SUZ - Q0 * dt
    Q1 = K1 * SUZ
    return SUZ - Q1 * dt, percolation, Q0, Q1


def large_area_share(upstream_area: Quantity) -> Quantity:
    """Share of parRT exchanged from 2500 km² on: it fades with area (km²) and is constant for a catchment.

    ``share = exp(max(-(A - 2500) / 50, -10))`` (Song et al. 2025).
    """
    return torch.exp(torch.clamp(-(upstream_area - LARGE_AREA) / 50.0, -10.0, 0.0))


def regional_flow(upstream_area: Quantity, large_share: Quantity, RT: Quantity, AC: Quantity) -> Quantity:
    """Groundwater flow from the region, mm/d (negative: lost to it).

    ``flow = RT clip((A - AC) / 1000, -1, 1)`` where ``A < 2500 km²``, else ``RT`` times :func:`large_area_share` (Song et al. 2025).
    """
    small_share = torch.clamp((upstream_area - AC) / 1000.0, -1.0, 1.0)
    return RT * torch.where(upstream_area < LARGE_AREA, small_share, large_share)
