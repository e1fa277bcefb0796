"""The surface: what enters the soil and what runs off over it.

Symbols: soil moisture ``SM``, mm; field capacity ``FC``, mm; rain and meltwater ``W``, mm/d; infiltration capacity of dry soil ``F0``,
mm/d, and of wet soil as a share of it ``FMIN``; shape of its decline with wetness, or of its distribution over the catchment, ``ALPHA``;
shape of the recharge curve ``BETA``; recession of infiltration excess ``KS``, 1/d; step ``dt``, d.
"""

from __future__ import annotations

from dmg_core.deferred import torch
from dmg_core.models.process_model import Quantity

#: Wetness of the soil, as a share of its field capacity, beyond which the saturated area does not grow.
WETTEST = 1.0 - 1e-4

#: Share of the largest infiltration capacity below which water counts as none: a power wants a positive number.
LEAST_SHARE = 1e-12


def infiltration(SM: Quantity, W: Quantity, FC: Quantity, F0: Quantity, FMIN: Quantity, ALPHA: Quantity) -> tuple[Quantity, Quantity]:
    """Infiltration into a soil whose capacity declines with wetness (Yang et al. 2026, hourly 2.0).

    ``capacity = FMIN F0 + (F0 - FMIN F0) (1 - min(SM / FC, 0.99))^ALPHA;  infiltration = min(W, capacity)``.

    Returns
    -------
    infiltration, runoff : Quantity
        What enters the soil and what does not, mm/d.
    """
    wetness = torch.clamp(SM / FC, 0.0, 0.99)
    wet_capacity = FMIN * F0
    capacity = wet_capacity + (F0 - wet_capacity) * torch.pow(1.0 - wetness, ALPHA)
    return torch.minimum(W, capacity), torch.clamp(W - capacity, min=0.0)


def variable_infiltration(
    SM: Quantity, W: Quantity, FC: Quantity, BETA: Quantity, F0: Quantity, ALPHA: Quantity
) -> tuple[Quantity, Quantity]:
    """Recharge and runoff where the infiltration capacity varies over the catchment (Yang et al. 2026, hourly 2.1).

    The saturated share of the area, ``(SM / FC)^BETA``, passes all water on as recharge. Over the rest the infiltration capacity rises
    from 0 to F0 as ``F0 x^ALPHA``, where ``x`` counts the area from 0 to 1. On the part ``0 … d`` water comes faster, and the surplus runs
    off: the integral of ``W - F0 x^ALPHA`` is ``W d - F0 d^(ALPHA + 1) / (ALPHA + 1)``, and ``F0 d^ALPHA`` is the lesser of W and F0.

    Returns
    -------
    recharge, runoff : Quantity
        mm/d.
    """
    saturated = torch.pow(torch.clamp(SM / FC, max=WETTEST), BETA)
    part = torch.pow(torch.clamp(W / F0, LEAST_SHARE, 1.0), 1.0 / ALPHA)
    return W * saturated, (1.0 - saturated) * part * (W - torch.minimum(W, F0) / (ALPHA + 1.0))


def nash_cascade(SIE1: Quantity, SIE2: Quantity, inflow: Quantity, KS: Quantity, dt: float) -> tuple[Quantity, Quantity, Quantity]:
    """Two linear stores in series on the way of infiltration excess (Nash 1957; Yang et al. 2026, hourly 2.1).

    Each gives ``2 KS dt`` of its content in a step, which the range of parKS keeps below 1 in an hour.

    Returns
    -------
    SIE1, SIE2 : Quantity
        mm.
    outflow : Quantity
        mm/d.
    """
    k = 2.0 * KS
    SIE1 = SIE1 + inflow * dt
    between = k * SIE1
    SIE2 = SIE2 + between * dt
    outflow = k * SIE2
    return SIE1 - between * dt, SIE2 - outflow * dt, outflow
